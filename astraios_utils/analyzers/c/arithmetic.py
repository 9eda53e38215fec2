"""Arithmetic and comparison of what is known of values: ranges in, ranges out."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace

from .values import DOUBLE, INF, INT, LONG, UINT, ULONG, CType, Value, number, top

NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
BITS: dict[str, Callable[[int, int], int]] = {"|": operator.or_, "^": operator.xor}


def literal(literal: str) -> Value:
    body = literal.lower().rstrip("ul")
    suffix = literal.lower()[len(body) :]
    try:
        value = int(body, 8) if body.startswith("0") and body.isdigit() and len(body) > 1 else int(body, 0)
    except ValueError:
        return _fraction(body)
    if "u" in suffix:
        return number(value, ULONG if "l" in suffix or value > 2**32 - 1 else UINT)
    return number(value, LONG if "l" in suffix or value > 2**31 - 1 else INT)


def _fraction(body: str) -> Value:
    try:
        return number(float(body.rstrip("f")), DOUBLE)
    except ValueError:
        return top(INT)


def promoted(type_: CType) -> CType:
    return INT if type_.kind == "int" and (type_.size or 4) < 4 else type_


def common(a: CType, b: CType) -> CType:
    """The type that arithmetic on two types is done in (the usual arithmetic conversions)."""
    if "float" in (a.kind, b.kind):
        return max((t for t in (a, b) if t.kind == "float"), key=lambda t: t.size or 0)
    a, b = promoted(a), promoted(b)
    numbers = [t for t in (a, b) if t.kind == "int"]
    return max(numbers, key=lambda t: (t.size or 4, not t.signed), default=INT)


def bounds(sign: str, a: Value, b: Value) -> tuple[float, float]:
    if sign == "+":
        return a.low + b.low, a.high + b.high
    if sign == "-":
        return a.low - b.high, a.high - b.low
    ends = [0.0 if 0 in (x, y) else x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return min(ends), max(ends)


def shrunk(sign: str, a: Value, b: Value, type_: CType) -> Value:
    """Operations that leave less than they are given: what comes out counts as bounded, wherever it came from."""
    if sign == "&" and a.exact and b.exact:
        return number(int(a.low) & int(b.low), type_)
    if sign == "%" and b.low > 0:
        most = min(b.high - 1, a.high) if a.low >= 0 else b.high - 1
        return Value(type_, 0 if a.low >= 0 else -(b.high - 1), most)
    if sign == "/" and b.exact and b.low > 0:
        low, high = (_quotient(x, b.low, type_.kind == "int") for x in (a.low, a.high))
        return Value(type_, low, high)
    if sign in (">>", "&") and a.low >= 0:
        return Value(type_, 0, a.high if sign == ">>" or b.low < 0 else min(a.high, b.high))
    if sign == "&" and b.low >= 0:
        return Value(type_, 0, b.high)
    return top(type_)


def _quotient(x: float, by: float, whole: bool) -> float:
    if not whole or abs(x) == INF:
        return x / by
    return int(abs(x) // by) * (1 if x >= 0 else -1)  # C rounds towards zero


def decide(a: Value, sign: str, b: Value) -> bool | None:
    """Whether a comparison certainly holds or certainly does not, by the ranges alone."""
    if a.type.kind in ("pointer", "array") or b.type.kind in ("pointer", "array") or wraps(a, b):
        return None
    if sign in (">", ">="):
        return decide(b, MIRRORED[sign], a)
    if sign in ("<", "<="):
        strict = sign == "<"
        if a.high < b.low or (not strict and a.high <= b.low):
            return True
        return False if a.low > b.high or (strict and a.low >= b.high) else None
    if a.exact and b.exact and a.low == b.low:
        return sign == "=="
    if a.high < b.low or b.high < a.low:
        return sign != "=="
    return None


def wraps(a: Value, b: Value) -> bool:
    """Whether comparing turns a perhaps negative number into a large unsigned one."""
    type_ = common(a.type, b.type)
    return type_.kind == "int" and not type_.signed and min(a.low, b.low) < 0


def narrow(value: Value, seen: CType, sign: str, bound: Value, offset: float) -> tuple[float, float]:
    """The range of ``value``, given that ``value + offset``, seen as that type, is so related to ``bound``."""
    low, high = value.low, value.high
    one = 1 if value.type.kind == "int" and bound.type.kind != "float" else 0
    if wraps(replace(value, type=seen), bound):
        if sign not in ("<", "<=") or bound.low < 0 or offset:
            return low, high
        low = max(low, 0)  # below an unsigned number, a negative one would not be
    if sign in ("<", "<=", "=="):
        high = min(high, bound.high - offset - (one if sign == "<" else 0))
    if sign in (">", ">=", "=="):
        low = max(low, bound.low - offset + (one if sign == ">" else 0))
    if sign == "!=" and bound.exact and one:
        low += low == bound.low - offset
        high -= high == bound.low - offset
    return low, high
