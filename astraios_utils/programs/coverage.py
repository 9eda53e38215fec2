"""Count what a Python function executes: its lines, and both outcomes of each of its conditions.

The program is rewritten: each statement of a function reports its line, and each condition (of ``if``, ``while``,
conditional expressions and filters of comprehensions) passes its value through a hook.  The hooks also count steps, so
that a loop that never ends is stopped by a number and not by a clock.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ..sandbox.python.hosting import BRANCH, LINE

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A rewritten program.

    Attributes:
        text: the program with hooks.
        lines: line numbers with a statement inside a function.
        branches: outcomes of conditions: two for each.
        names: the top-level functions.
    """

    text: str
    lines: int
    branches: int
    names: tuple[str, ...]


class _Hooks(ast.NodeTransformer):
    def __init__(self) -> None:
        self.lines: set[int] = set()
        self.conditions = 0
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        outer, self._inside = self._inside, True
        docstring = node.body[:1] if ast.get_docstring(node, clean=False) is not None else []
        rest = node.body[len(docstring) :]
        node.body = [*docstring, *self._with_lines(rest)] or node.body
        self._inside = outer
        return node

    def _with_lines(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            self.lines.add(statement.lineno)
            number = ast.Constant(statement.lineno)
            made.append(ast.Expr(ast.Call(ast.Name(LINE, ast.Load()), [number], [])))
            made.append(self.visit(statement))
        return made

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, self._with_lines(value) if self._inside else [self.visit(part) for part in value])
            elif isinstance(value, list):
                setattr(node, name, [self.visit(part) if isinstance(part, ast.AST) else part for part in value])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        if isinstance(node, ast.If | ast.While | ast.IfExp) and self._inside:
            node.test = self._hooked(node.test)
        if isinstance(node, ast.comprehension) and self._inside:
            node.ifs = [self._hooked(test) for test in node.ifs]
        return node

    def _hooked(self, test: ast.expr) -> ast.expr:
        self.conditions += 1
        return ast.Call(ast.Name(BRANCH, ast.Load()), [ast.Constant(self.conditions), test], [])


def instrumented(text: str) -> Instrumented:
    """The program with hooks in its functions.

    Raises:
        SyntaxError: the text does not parse.
    """
    tree = ast.parse(text)
    names = tuple(dict.fromkeys(node.name for node in tree.body if isinstance(node, _Function)))
    hooks = _Hooks()
    changed = ast.fix_missing_locations(hooks.visit(tree))
    return Instrumented(ast.unparse(changed), len(hooks.lines), 2 * hooks.conditions, names)
