"""C functions with and without a defect, in pairs that differ in the defect alone (Devign's question in miniature)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .code import comparison, expression
from .spec import Split, draw_conditions, draw_steps, split_of

_ARRAYS = ("a", "data", "values", "buf", "items")
_SIZES = ("n", "size", "count", "len")
_OWNERS = ("read", "load", "scan", "copy", "parse", "push", "fill", "check", "send", "store")
_THINGS = ("block", "frame", "packet", "table", "name", "entry", "field", "row", "key", "page")


@dataclass(frozen=True, slots=True)
class Draft:
    """The random parts of a C function."""

    name: str
    a: str
    n: str
    test: str
    value: str
    k: int


def _fold(d: Draft, bound: str = "<", start: str = " = 0", guard: str = "") -> str:
    return (
        f"int {d.name}(int *{d.a}, int {d.n})\n{{\n    int total{start};\n{guard}"
        f"    for (int i = 0; i {bound} {d.n}; i++) {{\n        int x = {d.a}[i];\n        if ({d.test})\n"
        f"            total += {d.value};\n    }}\n    return total;\n}}\n"
    )


def _off_by_one(d: Draft, bad: bool) -> str:
    return _fold(d, bound="<=" if bad else "<")


def _uninitialised(d: Draft, bad: bool) -> str:
    return _fold(d, start="" if bad else " = 0")


def _division(d: Draft, bad: bool) -> str:
    guard = "" if bad else f"    if ({d.n} == 0)\n        return 0;\n"
    return (
        f"int {d.name}(int *{d.a}, int {d.n})\n{{\n    int total = 0;\n{guard}    for (int i = 0; i < {d.n}; i++) {{\n"
        f"        int x = {d.a}[i];\n        total += {d.value};\n    }}\n    return total / {d.n};\n}}\n"
    )


def _allocation(d: Draft, bad: bool) -> str:
    guard = "" if bad else "    if (!out)\n        return NULL;\n"
    return (
        f"int *{d.name}(int *{d.a}, int {d.n})\n{{\n    int *out = malloc({d.n} * sizeof(int));\n{guard}"
        f"    for (int i = 0; i < {d.n}; i++) {{\n        int x = {d.a}[i];\n        out[i] = {d.value};\n    }}\n"
        f"    return out;\n}}\n"
    )


def _allocation_size(d: Draft, bad: bool) -> str:
    size = d.n if bad else f"{d.n} * sizeof(int)"
    return (
        f"int *{d.name}(int *{d.a}, int {d.n})\n{{\n    int *out = malloc({size});\n"
        f"    if (!out)\n        return NULL;\n"
        f"    for (int i = 0; i < {d.n}; i++) {{\n        int x = {d.a}[i];\n        out[i] = {d.value};\n    }}\n"
        f"    return out;\n}}\n"
    )


def _lookup(d: Draft, bad: bool) -> str:
    test = f"i >= {d.n}" if bad else f"i < 0 || i >= {d.n}"
    return (
        f"int {d.name}(int *{d.a}, int {d.n}, int i)\n{{\n    if ({test})\n        return -1;\n    int x = {d.a}[i];\n"
        f"    if ({d.test})\n        return 0;\n    return {d.value};\n}}\n"
    )


def _fixed_array(d: Draft, bad: bool) -> str:
    end = d.k + 2 if bad else d.k
    return (
        f"int {d.name}(int {d.n})\n{{\n    int {d.a}[{d.k}];\n    for (int x = 0; x < {end}; x++)\n"
        f"        {d.a}[x] = {d.value} + {d.n};\n    return {d.a}[0];\n}}\n"
    )


def _after_free(d: Draft, bad: bool) -> str:
    release = f"    free({d.a});\n    int x = *{d.a};\n" if bad else f"    int x = *{d.a};\n    free({d.a});\n"
    return (
        f"int {d.name}(int *{d.a})\n{{\n    if (!{d.a})\n        return 0;\n{release}    if ({d.test})\n"
        f"        return 0;\n    return {d.value};\n}}\n"
    )


def _string_copy(d: Draft, bad: bool) -> str:
    copy = f"strcpy({d.a}, {d.n})" if bad else f'snprintf({d.a}, sizeof({d.a}), "%s", {d.n})'
    return (
        f"int {d.name}(const char *{d.n}, int x)\n{{\n    char {d.a}[{d.k}];\n    {copy};\n    if ({d.test})\n"
        f"        return {d.value};\n    return {d.a}[0];\n}}\n"
    )


KINDS: dict[str, Callable[[Draft, bool], str]] = {
    "off by one": _off_by_one,
    "uninitialised": _uninitialised,
    "division": _division,
    "allocation": _allocation,
    "allocation size": _allocation_size,
    "lookup": _lookup,
    "fixed array": _fixed_array,
    "after free": _after_free,
    "string copy": _string_copy,
}


def draw_function(split: Split, rng: random.Random) -> tuple[str, bool]:
    """A C function of a split, and whether it has a defect (as often as not).

    What belongs to a split is the composition of kind, condition, change and name.
    """
    while True:
        kind, owner, thing = rng.choice(list(KINDS)), rng.choice(_OWNERS), rng.choice(_THINGS)
        condition, steps = draw_conditions("list", 1, rng), draw_steps("list", 1, rng)
        if split_of(f"{kind}|{condition[0].kind}|{steps[0].kind}|{owner}_{thing}") == split:
            break
    name = f"{owner}_{thing}"
    test, value = comparison(condition[0], "x"), expression(steps, "x")
    draft = Draft(name, rng.choice(_ARRAYS), rng.choice(_SIZES), test, value, rng.randint(4, 16))
    bad = rng.random() < 0.5
    return KINDS[kind](draft, bad), bad
