"""What goes into the sandbox and what comes out of it: plain, frozen data."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONG = re.compile(r"\bwhile\b|\beval\s*\(|\bexec\s*\(|\*\*|\bpermutations\b|for\s*\(\s*;\s*;")

PASSED, FAILED, ERROR, TIMEOUT = "passed", "failed", "error", "timeout"
IN_ONE_PROCESS = "in one process"  # how the detail of such a verdict begins
# Control characters, line separators, marks that change the direction of writing, and lone surrogates.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""One line that any file and terminal can hold: ``"\x1b"`` and lone surrogates become escapes."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


@dataclass(frozen=True, slots=True)
class Program:
    """One untrusted sample together with the trusted test that judges it.

    Attributes:
        language: ``"python"`` or ``"java"``.
        sample: the untrusted source, as generated.
        test: the trusted test; Python: source that ends by calling ``check(<entry point>)``, Java: ``class Main``.
        preamble: trusted source put before the sample (the harness's import block); Java: before the test (``apart``).
        timeout: seconds of wall time that the protocol grants the whole program.
        release: Java language level (``javac --release``); ``None`` is the JDK's own.
        entry_point: Python: the function that the sample is asked for.  The test sees the sample's function of this
            name even where a builtin or an import has the same name; a sample that does not define it has an error.
        apart: Python: whether sample and test must never share a process, whatever the test needs.  Java: whether the
            sample must have a JVM of its own; its test is then compiled with the imports of ``preamble`` and none of
            the sample's.
    """

    language: str
    sample: str
    test: str
    preamble: str = ""
    timeout: float = 10.0
    release: int | None = None
    entry_point: str = ""
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one program.

    Attributes:
        status: ``"passed"``, ``"failed"`` (an assertion of the test), ``"error"`` (any other exception, a compile
            error, a dead process) or ``"timeout"``.
        detail: one short line, the same on every run (no addresses, paths or times), without control characters.  It
            begins with ``"in one process"`` if test and sample had to share a process, where a sample can forge it.
        seconds: wall time, in seconds.
        cpu: CPU time, in seconds; NaN where it could not be read.
    """

    status: str
    detail: str
    seconds: float
    cpu: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", printable(self.detail))

    @property
    def in_one_process(self) -> bool:
        """Whether test and sample shared a process, where a sample can forge its verdict."""
        return self.detail.startswith(IN_ONE_PROCESS)


def may_run_long(program: Program) -> bool:
    """Whether a program's text has what programs that reach their limit mostly have: a guess, to start those first."""
    return _LONG.search(program.sample) is not None
