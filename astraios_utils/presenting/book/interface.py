"""The pages of public functions: one per room of the package, written from docstrings by Sphinx."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ... import store

LEFT_OUT = ("cli", "nano", "smol", "sandbox", "programs")  # commands, data makers, and what runs inside a sandbox


def rooms() -> list[str]:
    """The rooms whose functions are documented, top to bottom."""
    project = tomllib.loads((store.root() / "pyproject.toml").read_text(encoding="utf-8"))
    levels: list[list[str]] = project["tool"]["astraios"]["rooms"]
    return [room for level in levels for room in level if room not in LEFT_OUT]


def modules(room: str) -> Iterator[tuple[str, str]]:
    """A room's public modules (not those of its subpackages) and the first line of each docstring."""
    package = store.root() / "astraios_utils"
    folder = package / room
    paths = [package / f"{room}.py"] if not folder.is_dir() else sorted(folder.glob("*.py"))
    for path in paths:
        if path.stem == "__main__" or (path.stem.startswith("_") and path.stem != "__init__"):
            continue
        name = ".".join(("astraios_utils", *path.relative_to(package).with_suffix("").parts))
        yield name.removesuffix(".__init__"), _summary(path)


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def write(folder: Path) -> None:
    """Write a page per room, and the index."""
    folder.mkdir(parents=True, exist_ok=True)
    for room in rooms():
        title = f"astraios_utils.{room}"
        parts = [f"{title}\n{'=' * len(title)}\n"]
        for name, _ in modules(room):
            heading = f"{name}\n{'-' * len(name)}\n\n" if name != title else ""
            parts.append(
                f"{heading}.. automodule:: {name}\n   :members:\n   :ignore-module-all:\n   :member-order: bysource\n"
            )
        (folder / f"{room}.rst").write_text("\n".join(parts), encoding="utf-8")
    lines = [
        "# Public functions",
        "",
        "The package's rooms, top to bottom; each imports only from those below it.",
        "",
    ]
    lines += [f"- [`{room}`]({room}.rst): {next(text for _, text in modules(room))}" for room in rooms()]
    lines += ["", "```{toctree}", ":hidden:", "", *rooms(), "```", ""]
    (folder / "index.md").write_text("\n".join(lines), encoding="utf-8")
