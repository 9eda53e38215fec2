"""Planted bugs: small wrong versions of a Python function, by operators of our own.

The kinds are HumanEvalPack's (section 3 of its paper): operator, value, variable and function misuse, missing and
excess logic. A mutant differs from the program in one place. Whether it is wrong is for its tests to say: a mutant that
passes them, because it is equivalent or because they are weak, is no bug.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .edits import Edit, Source, function, has_docstring, walk

OPERATOR, VALUE, VARIABLE, FUNCTION = "operator misuse", "value misuse", "variable misuse", "function misuse"
MISSING, EXCESS = "missing logic", "excess logic"
KINDS = (OPERATOR, VALUE, VARIABLE, FUNCTION, MISSING, EXCESS)

_COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">="),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<="),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("-",),
    ast.Sub: ("+",),
    ast.Mult: ("+",),
    ast.Div: ("*", "//"),
    ast.FloorDiv: ("*", "/"),
    ast.Mod: ("//",),
    ast.Pow: ("*",),
}
_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "len",
    "floor": "ceil",
    "ceil": "floor",
    "lower": "upper",
    "upper": "lower",
    "startswith": "endswith",
    "endswith": "startswith",
    "islower": "isupper",
    "isupper": "islower",
    "find": "rfind",
    "append": "remove",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "int": "float",
    "sorted": "list",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one planted change.

    Attributes:
        kind: one of :data:`KINDS`.
        line: where, counted from 1 in the program.
        change: ``before -> after``, for a reader.
        text: the whole changed program.
    """

    kind: str
    line: int
    change: str
    text: str


Found = Iterator[tuple[str, ast.AST, Edit]]  # kind, where, edit


def _between(source: Source, left: ast.AST, right: ast.AST, sign: str) -> Edit | None:
    """The edit that replaces the operator between two operands; ``None`` where it is not plainly there."""
    start, end = source.span(left)[1], source.span(right)[0]
    at = source.segment(start, end).find(sign)
    return None if at < 0 else Edit(start + at, start + at + len(sign), "")


def _operators(source: Source, body: list[ast.AST]) -> Found:
    for node in body:
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for operator, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True):
                old = ast.unparse(ast.Compare(ast.Name("a"), [operator], [ast.Name("b")]))[2:-2]
                place = _between(source, left, right, old)
                for new in _COMPARISONS.get(type(operator), ()) if place else ():
                    yield OPERATOR, node, Edit(place.start, place.end, new)  # type: ignore[union-attr]
        elif isinstance(node, ast.BinOp):
            place = _between(source, node.left, node.right, _SIGNS.get(type(node.op), "\0"))
            for new in _ARITHMETIC.get(type(node.op), ()) if place else ():
                yield OPERATOR, node, Edit(place.start, place.end, new)  # type: ignore[union-attr]
        elif isinstance(node, ast.AugAssign):
            sign = _SIGNS.get(type(node.op), "\0")
            place = _between(source, node.target, node.value, f"{sign}=")
            for new in _ARITHMETIC.get(type(node.op), ()) if place else ():
                yield OPERATOR, node, Edit(place.start, place.end, f"{new}=")  # type: ignore[union-attr]
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values[:-1], node.values[1:], strict=True):
                if place := _between(source, left, right, old):
                    yield OPERATOR, node, Edit(place.start, place.end, new)


def _values(source: Source, body: list[ast.AST]) -> Found:
    for node in body:
        if not isinstance(node, ast.Constant):
            continue
        start, end = source.span(node)
        if isinstance(node.value, bool):
            yield VALUE, node, Edit(start, end, str(not node.value))
        elif isinstance(node.value, int) and abs(node.value) < 10**6:
            for new in (node.value + 1, node.value - 1):
                yield VALUE, node, Edit(start, end, str(new) if new >= 0 else f"({new})")
        elif node.value == "":
            yield VALUE, node, Edit(start, end, "' '")


def _names(node: ast.FunctionDef) -> list[str]:
    """Parameters and local variables, in order of appearance."""
    arguments = [argument.arg for argument in node.args.args]
    stored = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(arguments + stored))


def _variables(source: Source, body: list[ast.AST], names: list[str]) -> Found:
    for node in body:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            for other in names:
                if other != node.id:
                    yield VARIABLE, node, Edit(*source.span(node), other)


def _functions(source: Source, body: list[ast.AST]) -> Found:
    for node in body:
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in _CALLS:
            yield FUNCTION, node, Edit(*source.span(called), _CALLS[called.id])
        elif isinstance(called, ast.Attribute) and called.attr in _CALLS:
            end = source.span(called)[1]
            yield FUNCTION, node, Edit(end - len(called.attr.encode()), end, _CALLS[called.attr])


def _missing(source: Source, body: list[ast.AST]) -> Found:
    for node in body:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield MISSING, node, Edit(*source.span(node), source.of(node.operand))
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                others = [source.of(other) for other in node.values if other is not value]
                word = " and " if isinstance(node.op, ast.And) else " or "
                yield MISSING, node, Edit(*source.span(node), f"({word.join(others)})")
        elif isinstance(node, ast.AugAssign | ast.Assign | ast.Expr | ast.Continue | ast.Break):
            yield MISSING, node, Edit(*source.span(node), "pass")
        elif isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Return):
            yield MISSING, node.test, Edit(*source.span(node.test), "False")


def _excess(source: Source, body: list[ast.AST]) -> Found:
    for node in body:
        if isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
            for more in (" + 1", "[1:]"):
                yield EXCESS, node, Edit(*source.span(node.value), f"({source.of(node.value)}){more}")
        elif isinstance(node, ast.For | ast.While):
            last = node.body[-1]
            if not isinstance(last, ast.Return | ast.Break | ast.Continue):
                end = source.span(last)[1]
                yield EXCESS, node, Edit(end, end, "\n" + " " * last.col_offset + "break")


def _every(source: Source, node: ast.FunctionDef) -> Found:
    statements = node.body[1:] if has_docstring(node) else node.body
    body = [inner for statement in statements for inner in walk(statement)]
    found: tuple[Callable[[], Found], ...] = (
        lambda: _operators(source, body),
        lambda: _values(source, body),
        lambda: _variables(source, body, _names(node)),
        lambda: _functions(source, body),
        lambda: _missing(source, body),
        lambda: _excess(source, body),
    )
    for operator in found:
        yield from operator()


def mutants(text: str, name: str) -> Iterator[Mutant]:
    """Every mutant of one function of a program, operator by operator; the same text gives the same order.

    Args:
        text: the program.
        name: a top-level function. Its head and docstring stay as they are.

    Raises:
        SyntaxError: the program does not parse.
        KeyError: it has no such function.
    """
    source = Source(text)
    seen = {ast.dump(source.tree)}
    for kind, node, edit in _every(source, function(source.tree, name)):
        changed = source.replaced([edit])
        try:
            meaning = ast.dump(ast.parse(changed))
        except SyntaxError:
            continue
        if meaning not in seen:
            seen.add(meaning)
            before = source.segment(edit.start, edit.end).strip()
            yield Mutant(kind, node.lineno, f"{before or '(nothing)'} -> {edit.text.strip()}", changed)  # type: ignore[attr-defined]


def shuffled(text: str, name: str, seed: int) -> list[Mutant]:
    """All mutants in a random order in which the kinds take turns, the first kind drawn at random.

    A benchmark that takes the first mutant its tests reject therefore has bugs of all kinds.
    """
    return in_turns(mutants(text, name), name, seed)


def in_turns(found: Iterable[Mutant], name: str, seed: int) -> list[Mutant]:
    """The mutants of a function of that name in the order of :func:`shuffled`."""
    rng = random.Random(f"mutants:{name}:{seed}")
    groups: dict[str, list[Mutant]] = {kind: [] for kind in rng.sample(KINDS, len(KINDS))}
    for mutant in found:
        groups[mutant.kind].append(mutant)
    for group in groups.values():
        rng.shuffle(group)
    turns = max(map(len, groups.values()), default=0)
    return [group[turn] for turn in range(turns) for group in groups.values() if turn < len(group)]
