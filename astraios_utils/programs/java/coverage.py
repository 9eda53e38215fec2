"""Count what Java methods execute: their lines, and both outcomes of each of their conditions.

As in Python (`programs.coverage`) the text gets hooks: each statement reports its line, and each condition passes its
value through a hook.  Conditions are those of ``if``, ``while``, ``do``, ``for`` and ``?:``.  Left without a hook are
constant conditions and those that bind a variable (``instanceof String text``), which the compiler must see, the arms
of a ``switch`` expression, and lambdas that are one expression.  The hooks also count steps.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .syntax import (
    BLOCK,
    GROUP,
    LABELLED,
    LOCAL_CLASS,
    Method,
    Range,
    Statement,
    Unit,
    read,
    walk,
)
from .tokens import SIGN, WORD

METER = "astraios_meter"  # the object that the hooks report to
_STOPS = frozenset({",", ";", "=", "->", "?", ":", "(", "[", "{", "return", "case", "throw", "yield"})
_ASSIGNS = re.compile(r"[-+*/%&|^]=|<<=")


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A rewritten program.

    Attributes:
        text: the program with hooks, without its imports.
        imports: its imports.
        lines: line numbers with a statement inside a method.
        branches: outcomes of conditions: two for each.
    """

    text: str
    imports: tuple[str, ...]
    lines: int
    branches: int


@dataclass(frozen=True, slots=True)
class _Hook:
    """Text around some characters of the program; ``line``: of the statement, 0 for a condition."""

    start: int
    end: int
    before: str
    after: str
    line: int = 0


def instrumented(text: str) -> Instrumented:
    """The program with hooks in its methods.

    Raises:
        NotJava: the text cannot be read.
    """
    unit = read(text)
    hooks = [hook for method in unit.methods for hook in _statements(unit, method)]
    lines = {hook.line for hook in hooks}
    conditions = sorted({part for method in unit.methods for part in _conditions(unit, method.body)})
    for number, part in enumerate(conditions, start=1):
        start, end = unit.tokens[part[0]].start, unit.tokens[part[1] - 1].end
        hooks.append(_Hook(start, end, f"{METER}.branch({number}, ", ")"))
    return Instrumented(_without_imports(unit, hooks), unit.imports, len(lines), 2 * len(conditions))


def _without_imports(unit: Unit, hooks: list[_Hook]) -> str:
    """The text with its hooks; where several meet, the wider one is outside."""
    marks: list[tuple[int, int, int, str]] = []
    for hook in hooks:
        marks.append((hook.start, 1, -hook.end, hook.before))
        marks.append((hook.end, 0, -hook.start, hook.after))
    made, at = [], 0
    for place, _, _, piece in sorted(marks):
        made += [unit.text[at:place], piece]
        at = place
    text = "".join((*made, unit.text[at:]))
    for line in unit.imports:
        text = text.replace(line, "", 1)
    return text


def _statements(unit: Unit, method: Method) -> Iterator[_Hook]:
    body = method.body
    for statement in walk(body):
        kept = statement.kind in (BLOCK, GROUP)
        for position, inner in enumerate(statement.bodies):
            if statement.kind == LABELLED or inner.kind in (BLOCK, GROUP):
                continue
            first = unit.tokens[inner.first]
            if kept and position == 0 and first.text in ("this", "super") and unit.tokens[inner.first + 1].text == "(":
                continue  # a constructor begins with it
            before, after = ("", "") if kept else ("{ ", " }")
            hook = f"{before}{METER}.line({first.line}); "
            yield _Hook(first.start, unit.tokens[inner.last].end, hook, after, first.line)


def _conditions(unit: Unit, body: Statement) -> Iterator[Range]:
    for statement in walk(body):
        if statement.condition is not None and _can_be_hooked(unit, statement.condition):
            yield statement.condition
        if statement.kind != LOCAL_CLASS:
            for part in statement.parts:
                yield from _ternaries(unit, statement, part)


def _ternaries(unit: Unit, statement: Statement, part: Range) -> Iterator[Range]:
    """What stands before each ``?`` that chooses, back to where the operand begins."""
    inside = [(block.first, block.last) for block in statement.nested]
    for at in range(*part):
        token = unit.tokens[at]
        if token.kind != SIGN or token.text != "?" or any(first < at < last for first, last in inside):
            continue
        if unit.tokens[at - 1].text in ("<", ",") or unit.tokens[at + 1].text in (">", ",", "extends", "super"):
            continue  # a wildcard
        start = at
        while start > part[0] and not _stops(unit, start - 1):
            start = unit.pair[start - 1] if unit.tokens[start - 1].text in (")", "]", "}") else start - 1
        if start < at and _can_be_hooked(unit, (start, at)):
            yield start, at


def _stops(unit: Unit, at: int) -> bool:
    token = unit.tokens[at]
    return token.kind in (SIGN, WORD) and (token.text in _STOPS or _ASSIGNS.fullmatch(token.text) is not None)


def _can_be_hooked(unit: Unit, part: Range) -> bool:
    words = [unit.tokens[at] for at in range(*part)]
    if not any(token.kind == WORD and token.text not in ("true", "false") for token in words):
        return False  # a constant
    for at in range(*part):
        if unit.tokens[at].text == "instanceof":
            after = at + 1
            while after < part[1] and (unit.tokens[after].kind == WORD or unit.tokens[after].text in ".[]<>,?"):
                after += 1
            names = [unit.tokens[index] for index in range(at + 1, after)]
            if any(one.kind == two.kind == WORD for one, two in itertools.pairwise(names)):
                return False
            if names and names[-1].kind == WORD and len(names) > 1 and names[-2].text in (">", "]"):
                return False
    return True
