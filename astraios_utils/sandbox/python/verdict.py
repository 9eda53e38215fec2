"""Status and detail of a program by what its test raised."""

from __future__ import annotations

import re

from ..types import ERROR, FAILED, printable

LENGTH = 200  # characters of a detail
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


def of(error: BaseException) -> tuple[str, str]:
    """The protocol's status of a test that raised, and one line about it."""
    return FAILED if isinstance(error, AssertionError) else ERROR, describe(error)


def describe(error: BaseException) -> str:
    """Type and first line of the message: printable, and the same on every run.

    The message may hold an object of the sample's, whose ``__str__`` raises or ends the process; then it is left out.
    """
    try:
        shown = str(vars(error).get("shown") or type(error).__name__)
        text = str(error.msg if isinstance(error, SyntaxError) else error)
        lines = text[: 100 * LENGTH].strip().splitlines()
    except BaseException:
        return printable(type(error).__name__)[:LENGTH]
    line = f"{shown}: {lines[0]}" if lines else shown
    return printable(_ADDRESS.sub("0x…", line))[:LENGTH]
