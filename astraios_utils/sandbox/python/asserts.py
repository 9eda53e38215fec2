"""What a bare ``assert`` compared: a failed test then says what it got and what it wanted.

``assert f(x) == 3`` becomes ``assert (@left := f(x)) == (@== := 3)``, and both names are deleted again. The values are
read from the frame in which the assertion failed: nothing is evaluated twice, and no test that passes makes any text.
"""

from __future__ import annotations

import ast
import collections
import reprlib
from collections.abc import Iterator
from typing import Any, cast

LEFT = "@left"  # no program can name this
LENGTH = 60  # characters of a value
_OPERATORS = {
    **{ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not"},
}


def rewritten(test: str, filename: str) -> ast.Module:
    """Parse a test and name the two sides of each comparison that an ``assert`` without a message makes.

    Raises:
        SyntaxError, ValueError: as ``compile``.
    """
    tree = cast(ast.Module, compile(test, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True))
    for body in _bodies(tree):
        body[:] = [new for statement in body for new in _named(statement)]
    return tree


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """All lists of statements; expressions hold none, and may be nested too deeply to be visited."""
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        for name in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, name, None), list):
                left += body
                yield body
        left += [*getattr(node, "handlers", ()), *getattr(node, "cases", ())]


def _named(statement: ast.stmt) -> list[ast.stmt]:
    if not (isinstance(statement, ast.Assert) and statement.msg is None and isinstance(statement.test, ast.Compare)):
        return [statement]
    compared = statement.test
    if len(compared.ops) > 1:
        return [statement]
    right = f"@{_OPERATORS[type(compared.ops[0])]}"
    compared.left = _kept(LEFT, compared.left)
    compared.comparators[0] = _kept(right, compared.comparators[0])
    gone = ast.Delete([ast.Name(name, ast.Del()) for name in (LEFT, right)])
    return [statement, ast.fix_missing_locations(ast.copy_location(gone, statement))]


def _kept(name: str, value: ast.expr) -> ast.expr:
    named = ast.NamedExpr(ast.copy_location(ast.Name(name, ast.Store()), value), value)
    return ast.copy_location(named, value)


_BITS = 2000  # a longer integer would not be shown, and may be too long to be made into digits
_CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque)
_ATOMS = (int, str, float, complex, bool, bytes, range, type(None))


class _Short(reprlib.Repr):
    """Values in a few characters; of an object that is no plain data only the type: its methods are not called."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxdict = 8
        self.maxstring = self.maxlong = self.maxother = LENGTH

    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, int) and x.bit_length() > _BITS:
            return f"<int of {x.bit_length()} bits>"
        if type(x) in _CONTAINERS or type(x) in _ATOMS:
            return super().repr1(x, level)
        return "<object of the sample>" if type(x).__name__ == "Remote" else f"<{type(x).__name__}>"


def compared(error: AssertionError, filename: str) -> str:
    """What a failed ``assert`` of a test compared, as ``assert [1] == [1, 2]``; empty if not known."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None or step.tb_frame.f_code.co_filename != filename:
        return ""
    held = step.tb_frame.f_locals
    right = next((name for name in held if name.startswith("@") and name != LEFT), "")
    if error.args or LEFT not in held or not right:
        return ""
    short = _Short()
    return f"assert {_cut(short.repr(held[LEFT]))} {right[1:]} {_cut(short.repr(held[right]))}"


def _cut(text: str) -> str:
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
