"""Documented functions taken from Python packages, as text: what a person wrote, with what it is said to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .edits import Edit, Source, has_docstring

LINES = range(2, 31)  # of a body, docstring not counted
DESCRIPTION = range(20, 401)  # characters of a docstring's first paragraph
LONGEST = 1500  # characters of a function
_SKIPPED = re.compile(
    r"(^|/)(tests?|testing|_vendor|vendored|externals|benchmarks?|examples?)(/|$)|(^|/)(test_|conftest)"
)


@dataclass(frozen=True, slots=True)
class Documented:
    """One function.

    Attributes:
        name: what it is called.
        signature: name, parameters and annotations on one line, without ``def`` and colon.
        description: the docstring's first paragraph on one line.
        head: the ``def`` line or lines, up to the body.
        body: the body without its docstring, indented.
    """

    name: str
    signature: str
    description: str
    head: str
    body: str

    @property
    def text(self) -> str:
        """The function without its docstring."""
        return self.head + self.body

    def documented(self) -> str:
        """The function with its description as a docstring, laid out as HumanEval does."""
        return f'{self.head}    """ {self.description}\n    """\n{self.body}'


def extract(folder: Path) -> Iterator[Documented]:
    """The documented top-level functions of a package's files, in the order of their paths; tests are left out.

    Files that do not parse (templates, other Python versions) are passed over.
    """
    for path in sorted(folder.rglob("*.py")):
        if _SKIPPED.search(path.relative_to(folder).as_posix()):
            continue
        try:
            source = Source(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
            continue
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef) and (found := _documented(source, node)):
                yield found


def _documented(source: Source, node: ast.FunctionDef) -> Documented | None:
    """The function, if it stands alone: no decorator, a description in plain words, a body of readable length."""
    if node.decorator_list or len(node.body) < 2 or not has_docstring(node):
        return None
    description = _description(ast.get_docstring(node) or "")
    start, end = source.span(node)
    first, last = source.span(node.body[0])
    head = source.segment(start, first).rstrip(" ")
    body = source.replaced([Edit(end, len(source.text.encode()), ""), Edit(0, last, "")]).strip("\n") + "\n"
    if not (description and head.endswith("\n") and head.isascii() and body.isascii() and end - start <= LONGEST):
        return None
    if body.count("\n") not in LINES or not body.startswith("    ") or body.startswith("     "):
        return None
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return Documented(node.name, f"{node.name}({ast.unparse(node.args)}){returned}", description, head, body)


def _description(docstring: str) -> str:
    """The first paragraph on one line; empty where it is not plain words of a useful length."""
    text = " ".join(docstring.strip().split("\n\n")[0].split())
    plain = text.isascii() and not re.search(
        r">>>|::|\{|\}|\\|https?:|^\.\.|Parameters|deprecated", text, re.IGNORECASE
    )
    return text if plain and len(text) in DESCRIPTION and len(text.split()) >= 4 else ""
