"""How long the text may become that a printf format makes, by the types of what it prints."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .values import Value

_SPEC = re.compile(
    r"%(?P<flags>[-+ #0']*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?(?P<length>hh|h|ll|l|L|z|j|t)?(?P<kind>.)"
)
_BYTES = {"hh": 1, "h": 2, "l": 8, "ll": 8, "z": 8, "j": 8, "t": 8}
DOUBLE_DIGITS = 309  # before the decimal point of the largest double; a float is passed as one


def longest(format_: str, values: Sequence[Value]) -> float | None:
    """Most bytes that a format writes, with the terminating NUL; ``None`` where a conversion has no bound.

    Args:
        values: what is printed, one for each conversion.
    """
    length, left, end = 1.0, list(values), 0
    for spec in _SPEC.finditer(format_):
        length += spec.start() - end
        end = spec.end()
        if spec["kind"] == "%":
            length += 1
            continue
        if spec["width"] == "*" or spec["precision"] == "*":
            return None  # the width is itself a value
        size = _conversion(spec, left.pop(0) if left else None)
        if size is None:
            return None
        length += max(size, int(spec["width"] or 0))
    return length + len(format_) - end


def _conversion(spec: re.Match[str], value: Value | None) -> float | None:
    kind, precision = spec["kind"], spec["precision"]
    digits = 6 if precision is None else int(precision or 0)
    if kind == "c":
        return 1
    if kind in "di":
        return max(_decimal(_BYTES.get(spec["length"] or "", 4), True), digits if precision else 0)
    if kind == "u":
        return _decimal(_BYTES.get(spec["length"] or "", 4), False)
    if kind in "xXo":
        bits = 8 * _BYTES.get(spec["length"] or "", 4)
        return bits / 4 + 2 * ("#" in spec["flags"]) if kind != "o" else bits // 3 + 1
    if kind in "fF":
        return 1 + DOUBLE_DIGITS + (1 + digits if digits else 0)
    if kind in "eE":
        return 1 + 1 + (1 + digits if digits else 0) + 5  # sign, digit, point and digits, e-308
    if kind in "gG":
        return 1 + 1 + max(digits, 1) + 5
    if kind == "p":
        return 18
    if kind == "s":
        held = value.longest if value is not None else None
        if precision is None:
            return held
        return digits if held is None else min(digits, held)
    return None


def _decimal(size: int, signed: bool) -> int:
    bits = 8 * size - signed
    return len(str(2**bits)) + signed
