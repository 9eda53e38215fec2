"""Which classes and attributes are those of values that cross between a test's process and a sample's."""

from __future__ import annotations

import ast
import builtins
import collections
import datetime
import decimal
import fractions
import json
import re
import subprocess
from collections.abc import Iterator

import numpy as np

from . import values

_COMMON: tuple[type, ...] = (
    *(int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, slice, type(None)),
    *(collections.deque, collections.OrderedDict, collections.Counter, collections.defaultdict, collections.ChainMap),
    *(collections.UserDict, collections.UserList, collections.UserString, decimal.Decimal, fractions.Fraction),
    *(datetime.date, datetime.timedelta, np.ndarray, np.generic, np.dtype),
    *values.PLAIN,
    *values.HOLDERS,
)
_ERRORS: tuple[type, ...] = (
    *(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)),
    *(json.JSONDecodeError, re.error, subprocess.CalledProcessError),
)
_SPOKEN = ("code", "msg", "pos", "doc", "lineno", "colno", "returncode", "cmd", "stdout", "stderr", "exception")
_ATTRIBUTES = frozenset((*(name for kind in (*_COMMON, *_ERRORS) for name in dir(kind)), *_SPOKEN))
_ABSTRACT = ("Integral", "Real", "Rational", "Complex", "Number")

# Names of classes that say of what has crossed what they would say of the original.
CLASSES = frozenset(
    (
        *(kind.__name__ for kind in (*_COMMON, *_ERRORS, *values.NAMED.values()) if isinstance(kind, type)),
        *(kind.__name__ for kind in vars(np).values() if isinstance(kind, type) and issubclass(kind, np.generic)),
        *(*_ABSTRACT, "bool_", "Path", "timezone", "Pattern", "List", "Dict", "Set", "Tuple", "Mapping", "Sequence"),
        *("MutableMapping", "MutableSequence", "MutableSet", "Iterable", "Iterator", "Callable", "Hashable", "Sized"),
        *("Container", "Collection", "Reversible", "JSONDecodeError", "LinAlgError", "StatisticsError"),
    )
)


def exceeded(tree: ast.AST) -> bool:
    """Whether a test reads an attribute of a result that no value that crosses has: so the result is an object.

    What the classes of a test define themselves does not count.
    """
    own, results = set(_own(tree)), _Results(tree)
    read = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load))
    odd = (node for node in read if node.attr not in _ATTRIBUTES | own and not node.attr.startswith("_"))
    return any(results.holds(node.value) for node in odd)


class _Results:
    """Which expressions of a test hold what functions returned that are neither its own nor a builtin."""

    def __init__(self, tree: ast.AST) -> None:
        given = {argument.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for argument in node.args}
        self._foreign = set(vars(builtins)) | set(_defined_names(tree)) - given
        self._names: set[str] = set()
        bindings = list(_bindings(tree))
        while True:
            before = len(self._names)
            for target, value in bindings:
                if self.holds(value):
                    self._names |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
            if len(self._names) == before:
                return

    def holds(self, node: ast.AST) -> bool:
        """Whether a result is a part of the expression."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self._names:
                return True
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id not in self._foreign:
                return True
        return False


def _bindings(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Targets and the values that they are bound to."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((target, value) for target in targets)
            case ast.NamedExpr(target=target, value=value) | ast.For(target=target, iter=value):
                yield target, value
            case (
                ast.comprehension(target=target, iter=value)
                | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
            ):
                yield target, value


def _defined_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=short):
                yield short or name.partition(".")[0]


def _own(tree: ast.AST) -> Iterator[str]:
    """The attributes that the classes of a test define, or that it sets."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                for part in body:
                    yield from _defined(part)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def _defined(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
