"""Replace parts of a source text that the syntax tree names, and leave the rest as it is written."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement: bytes ``start`` to ``end`` of the UTF-8 text become ``text``."""

    start: int
    end: int
    text: str


class Source:
    """A parsed program that knows where its nodes stand.

    Args:
        text: Python source.

    Raises:
        SyntaxError: the text does not parse.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._bytes = text.encode()
        starts = [0]
        for line in self._bytes.split(b"\n"):
            starts.append(starts[-1] + len(line) + 1)
        self._starts = starts

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The bytes of a node: first, and one past the last."""
        located: ast.expr = node  # type: ignore[assignment]  # statements and expressions carry the same four numbers
        end_line, end_column = located.end_lineno, located.end_col_offset
        assert end_line is not None
        assert end_column is not None
        return self._starts[located.lineno - 1] + located.col_offset, self._starts[end_line - 1] + end_column

    def segment(self, start: int, end: int) -> str:
        """The text between two byte positions."""
        return self._bytes[start:end].decode()

    def of(self, node: ast.AST) -> str:
        """A node as it is written."""
        return self.segment(*self.span(node))

    def replaced(self, edits: Iterable[Edit]) -> str:
        """The text after some edits, which must not overlap."""
        data = self._bytes
        for edit in sorted(edits, key=lambda e: e.start, reverse=True):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data.decode()


def function(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The last top-level function of that name, which is the one a program calls.

    Raises:
        KeyError: there is none.
    """
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise KeyError(name)
    return found[-1]


def has_docstring(node: ast.FunctionDef) -> bool:
    """Whether the function's first statement is a docstring."""
    return ast.get_docstring(node, clean=False) is not None


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is below it, except inside f-strings: Python 3.11 gives wrong positions there."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from walk(child)


def meaning(text: str) -> str:
    """A program's syntax tree as text, docstrings left out: programs of one meaning run alike.

    Raises:
        SyntaxError: the text does not parse.
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Module):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return ast.dump(tree)
