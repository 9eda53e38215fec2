"""Tests written in Python: complete those that define ``check`` without calling it, refuse those that test nothing.

HumanEval and EvalPlus end their tests with the definition of ``check(candidate)`` and let the harness call it;
HumanEvalPack's tests call it themselves; MBPP's are bare assertions. What can be seen without running a test is checked
here; :mod:`astraios_utils.scoring` also runs each test of a user's own file against an empty sample.
"""

from __future__ import annotations

import ast
import keyword
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from .files import RowError

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@lru_cache(maxsize=4096)
def complete(test: str, entry_point: str) -> str:
    """The test with a call of ``check(entry_point)`` at its end, where it defines ``check`` and never calls it."""
    return f"{test}\ncheck({entry_point})" if _leaves_check_uncalled(test) else test


@lru_cache(maxsize=4096)
def _leaves_check_uncalled(test: str) -> bool:
    module = _Module(_parsed(test))
    return "check" in module.functions and "check" not in module.loaded


def require(test: str, entry_point: str) -> None:
    """Raise :class:`RowError` unless the test is Python that uses the function ``entry_point`` of the sample."""
    if not entry_point.isidentifier() or keyword.iskeyword(entry_point):
        raise RowError(f"entry_point {entry_point!r:.40} is not the name of a Python function")
    module = _Module(_parsed(complete(test, entry_point)))
    if not module.uses(entry_point):
        raise RowError(f"the test never calls {entry_point}, so every sample would pass")


def _parsed(test: str) -> ast.Module:
    try:
        return ast.parse(test)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise RowError(f"the test is not Python ({reason}{line})") from None


class _Module:
    """What running a test's module executes.

    Attributes:
        functions: the functions that it defines at its top level, by name.
        loaded: how often executed code reads each name, local or not.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {node.name: node for node in tree.body if isinstance(node, _Function)}
        self.loaded: Counter[str] = Counter()
        self._bound = {name for node in tree.body for name in _bound(node)}
        self._calls: list[ast.Call] = []
        pending: list[ast.AST] = list(tree.body)
        while pending:
            for node in _executed(pending.pop()):
                if isinstance(node, ast.Call):
                    self._calls.append(node)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    self.loaded[node.id] += 1
                    if node.id in self.functions and self.loaded[node.id] == 1:
                        pending += self.functions[node.id].body

    def uses(self, name: str) -> bool:
        """Whether the sample's function ``name`` is read anywhere but as an argument that is then ignored."""
        return name not in self._bound and self.loaded[name] > sum(self._ignored(call, name) for call in self._calls)

    def _ignored(self, call: ast.Call, name: str) -> int:
        """How many arguments of a call are the name, for parameters that the called function never reads."""
        function = self.functions.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if function is None:
            return 0
        read = {n.id for part in function.body for n in ast.walk(part) if isinstance(n, ast.Name)}
        parameters = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        given = [*zip(parameters, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
        return sum(isinstance(value, ast.Name) and value.id == name and to not in read for to, value in given)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a statement that run when it does: without the bodies of functions and of dead branches."""
    yield node
    if isinstance(node, _Function):
        inner: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.If) and _never(node.test):
        inner = list(node.orelse)
    else:
        inner = list(ast.iter_child_nodes(node))
    for child in inner:
        yield from _executed(child)


def _never(test: ast.expr) -> bool:
    """Whether a condition is false in the sandbox: a false constant, or ``__name__ == "__main__"``."""
    if isinstance(test, ast.Constant):
        return not test.value
    sides = [test.left, *test.comparators] if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq) else []
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement defines by ``def``, ``class``, ``import`` or plain assignment."""
    if isinstance(node, _Function | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
