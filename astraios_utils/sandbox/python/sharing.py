"""Whether a test and a sample both hold a container that one of them then changes, read from the test's text.

Arguments that a call changes in place are changed in the test as well.  What else the two sides hold is a copy: a
container that the sample has kept, or the items of one of its objects.
"""

from __future__ import annotations

import ast
import builtins
import collections
from collections.abc import Iterator

_CHANGES = frozenset(
    (
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "add", "discard", "update"),
        *("setdefault", "popitem", "appendleft", "extendleft", "popleft", "rotate", "fill", "resize"),
    )
)
_BUILTINS = frozenset(dir(builtins))
_METHODS = frozenset(name for kind in (str, list, dict, set, collections.deque) for name in dir(kind))


def changes(tree: ast.AST) -> bool:
    """Whether a test changes, or looks again at, a container that the sample may hold as well."""
    given = any(map(_given, _changed(tree)))
    return given or _changes_what_it_passed(tree) or _changes_what_it_got(tree) or _looks_again(tree)


def _changed(tree: ast.AST) -> Iterator[ast.expr]:
    """The containers that a test changes in place: what a method is called of, or whose items are set."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=base, attr=attr)) if attr in _CHANGES:
                yield base
            case ast.Subscript(value=base, ctx=ast.Store() | ast.Del()):
                yield base


def _given(node: ast.expr) -> bool:
    """Whether an expression is an attribute of an object or the result of a call, or items of these.

    A test's own ``self.a`` is not, nor what a builtin makes or a plain container holds (``d.setdefault(1, [])``).
    """
    while isinstance(node, ast.Subscript):
        node = node.value
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return False
        case ast.Call(func=ast.Name(id=name)):
            return name not in _BUILTINS
        case ast.Call(func=ast.Attribute(attr=name)):
            return name not in _METHODS
    return isinstance(node, ast.Attribute)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls of functions that may be the sample's: by a name that is no builtin."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in _BUILTINS:
            yield node


def _results(tree: ast.AST) -> dict[str, ast.Call]:
    """The names that a test binds to what such a call returned, and their first calls."""
    found: dict[str, ast.Call] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if isinstance(node.value.func, ast.Name) and node.value.func.id not in _BUILTINS:
            for part in [part for target in node.targets for part in ast.walk(target)]:
                if isinstance(part, ast.Name):
                    found.setdefault(part.id, node.value)
    return found


def _loads(tree: ast.AST, after: int) -> set[str]:
    """The names that a test reads below a line."""
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.lineno > after
    }


def _changes_what_it_passed(tree: ast.AST) -> bool:
    """Whether a test changes a container after it has given it to a function, which may have kept it."""
    passed: dict[str, int] = {}
    for call in _calls(tree):
        for name in [part.id for part in call.args if isinstance(part, ast.Name)]:
            passed[name] = min(call.lineno, passed.get(name, call.lineno))
    names = [base for base in _changed(tree) if isinstance(base, ast.Name)]
    return any(base.lineno > passed.get(base.id, base.lineno) for base in names)


def _changes_what_it_got(tree: ast.AST) -> bool:
    """Whether a test changes a result, and then calls a function again or reads what it had given to it.

    The result may be a view of an argument, or what the sample has kept.
    """
    results = _results(tree)
    for base in _changed(tree):
        call = results.get(base.id) if isinstance(base, ast.Name) else None
        if call is None or base.lineno <= call.lineno:
            continue
        given = {part.id for value in call.args for part in ast.walk(value) if isinstance(part, ast.Name)}
        again = any(other.lineno > base.lineno for other in _calls(tree))
        if again or given & _loads(tree, base.lineno):
            return True
    return False


def _looks_again(tree: ast.AST) -> bool:
    """Whether a test reads a result again after a call whose own result it drops: the call may have changed it."""
    results, own = _results(tree), {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    calls = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    dropped = [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id not in own | _BUILTINS]
    return any(name in _loads(tree, line) for name, call in results.items() for line in dropped if line > call.lineno)
