"""Planted bugs in Java methods, of the same kinds as in Python (:mod:`programs.mutation`).

The operators work on tokens, so that no string and no comment is changed. They look at the types of variables as they
are declared; what does not compile all the same is for the compiler to reject.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..mutation import EXCESS, FUNCTION, MISSING, OPERATOR, VALUE, VARIABLE, Mutant, in_turns
from .syntax import BLOCK, DECLARATION, EXPRESSION, LOOPS, RETURN, Method, Range, Statement, Unit, read, walk
from .tokens import NUMBER, SIGN, TEXT, WORD, Token, tokens, type_arguments

_SIGNS = {
    **{"<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="), "==": ("!=",), "!=": ("==",)},
    **{"+": ("-",), "-": ("+",), "*": ("+",), "/": ("*",), "%": ("/",), "&&": ("||",), "||": ("&&",)},
    **{"+=": ("-=",), "-=": ("+=",), "*=": ("+=",), "/=": ("*=",), "%=": ("/=",), "++": ("--",), "--": ("++",)},
}
_PAIRS = (
    *(("min", "max"), ("anyMatch", "allMatch"), ("floor", "ceil"), ("toLowerCase", "toUpperCase")),
    *(("startsWith", "endsWith"), ("isLowerCase", "isUpperCase"), ("isDigit", "isLetter")),
    *(("indexOf", "lastIndexOf"), ("limit", "skip"), ("addFirst", "addLast"), ("pollFirst", "pollLast")),
)
_CALLS = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])} | {"add": "remove"}
_NUMERIC = frozenset({"int", "long", "double", "float", "Integer", "Long", "Double"})
_INTEGER = re.compile(r"\d{1,6}")
_AFTER_VALUE = frozenset({")", "]"})


@dataclass(frozen=True, slots=True)
class _Change:
    """Tokens ``part`` become ``text``; an empty part lies behind the token before it."""

    kind: str
    part: Range
    text: str


@dataclass(frozen=True, slots=True)
class _Place:
    """An expression: where it is, the variables that can be read there, and whether it may name others of them."""

    part: Range
    visible: Mapping[str, str]
    statement: Statement


@dataclass(slots=True)
class _Body:
    """A method with its expressions."""

    unit: Unit
    method: Method
    places: list[_Place]

    def __getitem__(self, at: int) -> Token:
        return self.unit.tokens[at]

    def sign(self, at: int, *texts: str) -> bool:
        return self[at].kind == SIGN and self[at].text in texts

    def indexes(self) -> Iterator[tuple[int, _Place]]:
        """The tokens of all expressions, each with its innermost place."""
        found: dict[int, _Place] = {}
        for place in self.places:  # outer ones come first
            found |= dict.fromkeys(range(*place.part), place)
        return iter(sorted(found.items()))


def _places(statement: Statement, visible: Mapping[str, str]) -> tuple[list[_Place], Mapping[str, str]]:
    """The expressions of a statement and of what is in it, and the variables that can be read after it."""
    after = {**visible, **{variable.name: variable.type for variable in statement.declares}}
    within = after if statement.kind in LOOPS else visible
    made = [_Place(part, within, statement) for part in statement.parts]
    if statement.kind in ("for", "each") and statement.declares:
        made[0] = _Place(statement.parts[0], visible, statement)  # where the loop's own variable has no value yet
    scope = within
    for inner in statement.bodies:
        found, scope = _places(inner, scope if statement.kind == BLOCK else within)
        made += found
    for block in statement.nested:
        made += _places(block, {})[0]  # a lambda reads only what never changes: which that is, is not looked at
    return made, after if statement.kind == DECLARATION else visible


def mutants(text: str, start: int = 0) -> Iterator[Mutant]:
    """Every mutant of the methods of a program, operator by operator; the same text gives the same order.

    Args:
        text: the program.
        start: the first character that may change; heads and comments stay as they are anyway.

    Raises:
        NotJava: the program cannot be read.
    """
    unit = read(text)
    seen = {tuple(token.text for token in unit.tokens)}
    for method in unit.methods:
        body = _Body(unit, method, _places(method.body, {v.name: v.type for v in method.parameters})[0])
        for change in _every(body):
            last = unit.tokens[change.part[1] - 1]
            begin = unit.tokens[change.part[0]].start if change.part[0] < change.part[1] else last.end
            if begin < start:
                continue
            changed = f"{text[:begin]}{change.text}{text[last.end :]}"
            meaning = tuple(token.text for token in tokens(changed))
            if meaning not in seen:
                seen.add(meaning)
                shown = [part.strip() or "(nothing)" for part in (text[begin : last.end], change.text)]
                yield Mutant(change.kind, unit.tokens[change.part[0]].line, " -> ".join(shown), changed)


def shuffled(text: str, name: str, seed: int, start: int = 0) -> list[Mutant]:
    """All mutants in the order of :func:`programs.mutation.shuffled`."""
    return in_turns(mutants(text, start), name, seed)


def _every(body: _Body) -> Iterator[_Change]:
    found: tuple[Callable[[_Body], Iterable[_Change]], ...] = (
        *(_operators, _values, _variables, _functions),
        *(_missing_parts, _missing_statements, _excess),
    )
    for operator in found:
        yield from operator(body)


# ---------------------------------------------------------------- operators


def _operators(body: _Body) -> Iterator[_Change]:
    for at, place in body.indexes():
        token = body[at]
        if token.kind != SIGN or token.text not in _SIGNS or _in_type(body, at) or _shifts(body, at):
            continue
        if token.text in ("+", "-") and not _joins(body, at):
            continue
        if token.text in ("+", "+=") and _is_text(body, place):
            continue
        if token.text in ("&&", "||") and _binds(body, place):
            continue
        for new in _SIGNS[token.text]:
            yield _Change(OPERATOR, (at, at + 1), new)


def _in_type(body: _Body, at: int) -> bool:
    """Whether ``<`` or ``>`` encloses type arguments."""
    if body.sign(at, "<"):
        return type_arguments(body.unit.tokens, at) >= 0
    if not body.sign(at, ">"):
        return False
    opened = range(body.method.body.first, at)
    return any(body.sign(i, "<") and type_arguments(body.unit.tokens, i) >= at for i in opened)


def _shifts(body: _Body, at: int) -> bool:
    """Whether the sign is a part of ``>>``, ``>>>`` or ``>>=``."""
    if not body.sign(at, ">", ">="):
        return False
    before, after = body[at - 1], body[at + 1]
    joined = before.text == ">" and before.end == body[at].start
    return joined or (after.text in (">", ">=") and after.start == body[at].end)


def _binds(body: _Body, place: _Place) -> bool:
    """Whether an expression may bind a variable, which one operand declares for the other."""
    return any(body[at].text == "instanceof" for at in range(*place.part))


def _joins(body: _Body, at: int) -> bool:
    """Whether the sign has an operand on its left."""
    before = body[at - 1]
    word = before.kind == WORD and before.text not in ("return", "case", "throw", "yield")
    return word or before.kind not in (WORD, SIGN) or before.text in _AFTER_VALUE


def _is_text(body: _Body, place: _Place) -> bool:
    """Whether an expression deals with strings, where ``+`` has no opposite."""
    for at in range(*place.part):
        token = body[at]
        if token.kind == TEXT or token.text in ("String", "toString", "substring", "append", "join"):
            return True
        kind = place.visible.get(token.text, "") if token.kind == WORD else ""
        if kind == "String" and not body.sign(at + 1, ".", "["):
            return True  # but s.length() + 1 is a number
        if kind != "String" and "String" in kind and body[at + 2].text not in ("size", "length"):
            return True
    return place.statement.kind == RETURN and body.method.returns == "String"


# ---------------------------------------------------------------- values, variables, functions


def _values(body: _Body) -> Iterator[_Change]:
    for at, place in body.indexes():
        token = body[at]
        if place.part == place.statement.condition and _is_endless(body, place.statement):
            continue  # while (true): the compiler looks at the constant
        if token.text in ("true", "false"):
            yield _Change(VALUE, (at, at + 1), "false" if token.text == "true" else "true")
        elif token.kind == NUMBER and _INTEGER.fullmatch(token.text) and not token.text.startswith("00"):
            for new in (int(token.text) + 1, int(token.text) - 1):
                yield _Change(VALUE, (at, at + 1), str(new) if new >= 0 else f"({new})")
        elif token.text == '""':
            yield _Change(VALUE, (at, at + 1), '" "')


def _variables(body: _Body) -> Iterator[_Change]:
    lambdas = [place.part for place in body.places if _has_lambda(body, place.part)]
    for at, place in body.indexes():
        token = body[at]
        kind = place.visible.get(token.text) if token.kind == WORD else None
        if kind is None or body.sign(at - 1, ".", "::") or body.sign(at + 1, "(", "->") or place.part in lambdas:
            continue
        if body.sign(at + 1, "=", "+=", "-=", "*=", "/=", "%=", "++", "--") or body.sign(at - 1, "++", "--"):
            continue  # it is written
        for other, theirs in place.visible.items():
            if other != token.text and theirs == kind:
                yield _Change(VARIABLE, (at, at + 1), other)


def _has_lambda(body: _Body, part: Range) -> bool:
    return any(body.sign(at, "->") for at in range(*part))


def _functions(body: _Body) -> Iterator[_Change]:
    for at, _ in body.indexes():
        token = body[at]
        if token.kind != WORD or not body.sign(at - 1, ".") or not body.sign(at + 1, "("):
            continue
        if token.text in _CALLS:
            yield _Change(FUNCTION, (at, at + 1), _CALLS[token.text])
        elif token.text == "abs" and body[at - 2].text == "Math":
            yield _Change(FUNCTION, (at - 2, at + 1), "")


# ---------------------------------------------------------------- missing and excess logic


def _missing_parts(body: _Body) -> Iterator[_Change]:
    for at, _ in body.indexes():
        if body.sign(at, "!") or (body.sign(at, "-") and not _joins(body, at)):
            following = body.unit.text[body[at + 1].start : body[at + 1].end]
            yield _Change(MISSING, (at, at + 2), following)
    for statement in walk(body.method.body):
        if statement.condition is None or "instanceof" in body.unit.of(statement.condition):
            continue
        operands = _operands(body, statement.condition)
        for number in range(len(operands) if len(operands) > 1 else 0):
            kept = [body.unit.of(part) for index, part in enumerate(operands) if index != number]
            sign = body[operands[0][1]].text
            yield _Change(MISSING, statement.condition, f" {sign} ".join(kept))


def _operands(body: _Body, part: Range) -> list[Range]:
    """The operands of a condition's outermost ``||``, or else ``&&``."""
    outer = list(_outside_brackets(body, part))
    if any(body.sign(at, "?") for at in outer):
        return [part]
    cuts = next(filter(None, ([at for at in outer if body.sign(at, sign)] for sign in ("||", "&&"))), [])
    return [(one + 1, other) for one, other in itertools.pairwise([part[0] - 1, *cuts, part[1]])]


def _outside_brackets(body: _Body, part: Range) -> Iterator[int]:
    at = part[0]
    while at < part[1]:
        yield at
        at = (body.unit.pair[at] if body.sign(at, "(", "[", "{") else at) + 1


def _missing_statements(body: _Body) -> Iterator[_Change]:
    left = {inner.first for loop in walk(body.method.body) if _is_endless(body, loop) for inner in walk(loop)}
    for statement in walk(body.method.body):
        if statement.kind == "break" and statement.first in left:
            continue  # the compiler would see that the loop does not end
        if statement.kind in (EXPRESSION, "continue", "break"):
            yield _Change(MISSING, (statement.first, statement.last + 1), "{ }")
        elif statement.kind == "if" and len(statement.bodies) == 1 and statement.condition is not None:
            (then,) = statement.bodies
            last = then.bodies[-1] if then.kind == BLOCK and then.bodies else then
            if last.kind == RETURN:
                yield _Change(MISSING, statement.condition, "false")


def _is_endless(body: _Body, statement: Statement) -> bool:
    """Whether a statement is a loop that only ``break`` or ``return`` leaves, as the compiler sees it."""
    if statement.kind not in LOOPS or statement.kind == "each":
        return False
    return statement.condition is None or body.unit.of(statement.condition) == "true"


def _is_filled(statement: Statement) -> bool:
    return statement.kind == BLOCK and bool(statement.bodies)


def _own(statement: Statement) -> Iterator[Statement]:
    """The statements of a method without those of lambdas and anonymous classes in it."""
    yield statement
    for inner in statement.bodies:
        yield from _own(inner)


def _excess(body: _Body) -> Iterator[_Change]:
    for statement in _own(body.method.body):
        if statement.kind == RETURN and statement.parts:
            value = body.unit.of(statement.parts[0])
            plain = statement.parts[0][1] - statement.parts[0][0] > 1 or body[statement.parts[0][0]].kind == WORD
            more = _more(body.method.returns, value)
            if plain and more and value not in ("true", "false", "null"):
                yield _Change(EXCESS, statement.parts[0], more)
        elif statement.kind in LOOPS and _is_filled(statement.bodies[0]) and not _is_endless(body, statement):
            last = statement.bodies[0].bodies[-1]
            if last.kind not in (RETURN, "break", "continue", "throw"):
                yield _Change(EXCESS, (last.last + 1, last.last + 1), " break;")


def _more(kind: str, value: str) -> str:
    """A value with something added to it, by its type; empty where none is known."""
    if kind in _NUMERIC:
        return f"({value}) + 1"
    if kind == "String":
        return f'({value}) + " "'
    return f"!({value})" if kind in ("boolean", "Boolean") else ""
