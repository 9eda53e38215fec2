"""Python source as an ``ast`` tree, with names resolved through the file's imports."""

from __future__ import annotations

import ast
import operator
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

DEEPEST = 120  # levels of nesting; the analysis recurses a few Python frames for each
_OPERATORS = {ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.Add: operator.add}  # what flags are combined with


class Unparsable(Exception):
    """The source is not Python 3; its text says where and why."""


class TooDeep(Exception):
    """The tree is nested deeper than ``DEEPEST``."""


@dataclass(frozen=True)
class Module:
    """One Python file."""

    source: str
    tree: ast.Module

    @cached_property
    def imports(self) -> dict[str, str]:
        """Dotted name of what each imported name stands for."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Function definitions by name, the last of a name."""
        return {n.name: n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node that each node is directly below."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """Names that are assigned once in the whole file, and what to."""
        found: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(node.value)
        return {name: values[0] for name, values in found.items() if len(values) == 1}

    def dotted(self, node: ast.AST, aliases: int = 2) -> str:
        """``module.attribute`` that an expression names, through imports; empty where it is no such name.

        Args:
            aliases: how many assignments (``load = yaml.load``) to look through.
        """
        if isinstance(node, ast.Name):
            held = self.constants.get(node.id) if aliases and node.id not in self.imports else None
            known = self.dotted(held, aliases - 1) if isinstance(held, ast.Name | ast.Attribute) else ""
            return known or self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value, aliases)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call with the dotted name of what it calls."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, self.dotted(node.func)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Ancestors, nearest first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def integer(self, node: ast.expr | None) -> int | None:
        """The number that an expression is, looking through ``stat`` constants, ``|`` and names assigned once."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return int(node.value)
        if isinstance(node, ast.Name) and node.id in self.constants and node.id not in self.imports:
            value = self.constants[node.id]
            return self.integer(value) if not isinstance(value, ast.Name) else None
        if isinstance(node, ast.Name | ast.Attribute):
            named = self.dotted(node)
            value_ = getattr(stat, named.removeprefix("stat."), None) if named.startswith("stat.S_I") else None
            return value_ if isinstance(value_, int) else None
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = self.integer(node.left), self.integer(node.right)
            if left is None or right is None:
                return None
            return int(_OPERATORS[type(node.op)](left, right))
        return None


def string(node: ast.AST | None) -> str | None:
    """The value of a string literal."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def argument(call: ast.Call, at: int, name: str = "") -> ast.expr | None:
    """A positional argument, or the keyword that stands for it."""
    if at < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args[: at + 1]):
        return call.args[at]
    return keyword(call, name) if name else None


def parse(source: str) -> Module:
    """Parse and compile (never run) a file, as ``py_compile`` would.

    Raises:
        Unparsable: it is not Python 3.
        TooDeep: it is, perhaps, but nested too deep to tell or to analyse.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes, which are no errors
            tree = ast.parse(source.removeprefix("\ufeff"))
            compile(
                source.removeprefix("\ufeff"), "<sample>", "exec", dont_inherit=True
            )  # also finds a return outside a function
    except (RecursionError, MemoryError):
        raise TooDeep(f"nested more than {DEEPEST} levels deep") from None
    except SyntaxError as error:
        if "too many nested" in str(error.msg):
            raise TooDeep(str(error.msg)) from None
        raise Unparsable(f"line {error.lineno or 0}: {error.msg}") from None
    except ValueError as error:  # NUL characters, lone surrogates
        raise Unparsable(str(error)) from None
    if _depth(tree) > DEEPEST:
        raise TooDeep(f"nested more than {DEEPEST} levels deep")
    return Module(source, tree)


def _depth(tree: ast.AST) -> int:
    deepest, level = 0, [tree]
    while level and deepest <= DEEPEST:
        deepest += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return deepest
