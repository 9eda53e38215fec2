"""The rooms of the package and their imports, as the layout test checks them; run it to renew README's tree.

A room is a module or a folder directly below ``astraios_utils``; ``pyproject.toml`` lists the rooms top to bottom.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "astraios_utils"
BETWEEN = re.compile(r"(    astraios_utils/\n)(?:      .*\n)+")


def rooms() -> list[list[str]]:
    """The rooms, a list per level, the highest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    levels: list[list[str]] = project["tool"]["astraios"]["rooms"]
    return levels


def room_of(path: Path) -> str:
    """The room that a module of the package belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module imports from, its own left out."""
    package = path.relative_to(PACKAGE).parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level:
                names = [*package[: len(package) - node.level + 1], *filter(None, parts)]
            elif parts[0] == PACKAGE.name:
                names = parts[1:]
            else:
                continue
            found |= {names[0]} if names else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith(f"{PACKAGE.name}.")}
    return found - {"__version__", room_of(path)}


def summary(room: str) -> str:
    """The first line of a room's docstring, without its full stop."""
    path = PACKAGE / f"{room}.py"
    text = (path if path.exists() else PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(text)) or ""
    return " ".join(doc.split("\n\n")[0].split()).rstrip(".")


def tree() -> Iterator[str]:
    """The lines of README's tree of the package."""
    for level in rooms():
        for room in level:
            name = f"{room}.py" if (PACKAGE / f"{room}.py").exists() else f"{room}/"
            yield f"      {name:<14} {summary(room)}"


def with_tree(readme: str) -> str:
    """A README's text with the tree of today."""
    lines = "".join(f"{line}\n" for line in tree())
    return BETWEEN.sub(lambda found: found.group(1) + lines, readme, count=1)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_tree(path.read_text(encoding="utf-8")), encoding="utf-8")
