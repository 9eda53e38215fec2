"""Executed notebooks as the book shows them: figures with text, data and source; table cells that lead to samples."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat

from ... import store
from ...running import links, seeds
from ...running.notebooks import FIGURE_TYPE
from ...schema import Suite
from ..notebook_text import CAPTIONS

BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
CELL = re.compile(r'<span title="([^"]*)" data-cell="([^"]+)">(.*?)</span>', flags=re.S)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure that a notebook has saved.

    Attributes:
        described: what it shows, in words.
        svg: the picture; its PNG and its data (CSV) lie next to it.
    """

    name: str
    described: str
    svg: Path

    @property
    def title(self) -> str:
        """Its caption, or its name where it has none."""
        known = CAPTIONS.get(self.name)
        return known.text if known else self.name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Copy:
    """An executed notebook of a suite."""

    suite: Suite
    path: Path
    figures: tuple[Drawn, ...]

    @property
    def page(self) -> str:
        """Its page in the book, without extension."""
        return f"suites/{self.suite.name}/{self.path.stem}"

    @property
    def title(self) -> str:
        """The notebook's first heading."""
        book = _read(self.path)
        headings = (re.match(r"# (.+)", cell.source) for cell in book.cells if cell.cell_type == "markdown")
        return next((found[1] for found in headings if found), self.path.stem)


def collect(suite: Suite) -> list[Copy]:
    """The suite's executed notebooks, in the order of their names."""
    folder = store.suite_dir(suite.name) / "notebooks"
    return [Copy(suite, path, tuple(_drawn(_read(path)))) for path in sorted(folder.glob("*.ipynb"))]


def _read(path: Path) -> nbformat.NotebookNode:
    book: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return book


def _saved(output: Any) -> dict[str, Any] | None:
    found: dict[str, Any] | None = output.get("data", {}).get(FIGURE_TYPE)
    return found


def _drawn(book: nbformat.NotebookNode) -> Iterator[Drawn]:
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if saved := _saved(output):
                yield _figure(saved)


def _figure(saved: dict[str, Any]) -> Drawn:
    svg = next(Path(file) for file in saved["files"] if file.endswith(".svg"))
    return Drawn(svg.stem, saved.get("described", ""), svg)


def write(copy: Copy, source: Path, held: Collection[str]) -> None:
    """Write a notebook's page, and its figures with their data, below the book's source folder.

    Args:
        held: ``TASK/SIZE/METHOD`` (quoted) of each cell that the suite's report can show.
    """
    book = _read(copy.path)
    _without_live_pictures(book)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = _text(cell.source)
        else:
            _code(cell, copy, held)
    for figure in copy.figures:
        _copy_files(figure, source / "_extra" / "figures" / copy.suite.name)
    book.metadata.pop("papermill", None)
    target = source / f"{copy.page}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, target)  # type: ignore[no-untyped-call]


def _copy_files(figure: Drawn, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".svg", ".csv"):
        file = figure.svg.with_suffix(suffix)
        if file.exists():
            shutil.copyfile(file, folder / file.name)


def _text(source: str) -> str:
    """A Markdown cell without the badge's picture, which another host would send."""
    source = BADGE.sub(r"[Open in Colab](\1)", source)
    blob = f"{links.HOST}{links.repository()}/blob/main"
    source = re.sub(r"\]\(\.\./docs/(\w+)\.md", r"](../../\1.md", source)
    return re.sub(r"\]\(\.\./((?!\.\./)[^)#]+)\)", rf"]({blob}/\1)", source)


def _without_live_pictures(book: nbformat.NotebookNode) -> None:
    """Drop pictures that a saved figure repeats: those of its own cell, or of the cell before that shows it live."""
    waiting: list[Any] = []
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        outputs = cell.get("outputs", [])
        saved = sum(_saved(output) is not None for output in outputs)
        pictures = [output for output in outputs if "image/png" in output.get("data", {})]
        if not saved:
            waiting += [(cell, picture) for picture in pictures]
            continue
        earlier = waiting[-(saved - len(pictures)) :] if saved > len(pictures) else []
        for owner, picture in [*earlier, *((cell, picture) for picture in pictures[:saved])]:
            owner.outputs = [output for output in owner.outputs if output is not picture]
        waiting = []


def _code(cell: nbformat.NotebookNode, copy: Copy, held: Collection[str]) -> None:
    tags = cell.metadata.setdefault("tags", [])
    tags.append("remove-cell" if "bootstrap" in tags else "hide-input")
    heading = "Drawn by this cell"
    cell.metadata["mystnb"] = {"image": {"alt": heading}}
    shown = []
    for output in cell.get("outputs", []):
        if saved := _saved(output):
            output = nbformat.v4.new_output(  # type: ignore[no-untyped-call]
                "display_data", data={"text/html": _picture(_figure(saved), copy.suite.name)}
            )
        elif "text/html" in output.get("data", {}):
            output.data["text/html"] = _linked("".join(output.data["text/html"]), copy.suite.name, held)
            output.data = {"text/html": output.data["text/html"]}
        shown.append(output)
    cell.outputs = shown


def _picture(figure: Drawn, suite: str) -> str:
    place = f"../../figures/{suite}/{figure.name}"
    text = html.escape(f"{figure.title}, suite {suite}. {figure.described}")
    data = f' · <a href="{place}.csv">its data as CSV</a>' if figure.svg.with_suffix(".csv").exists() else ""
    return (
        f'<figure class="plot" id="figure-{figure.name}"><img src="{place}.svg" alt="{text}" loading="lazy">'
        f"<figcaption>{html.escape(figure.title)}, suite {suite}"
        f'{data} · <a href="{place}.svg">SVG</a></figcaption></figure>'
    )


def _linked(table: str, suite: str, held: Collection[str]) -> str:
    """A table whose measured cells lead to their samples in the suite's report, in a region that scrolls."""

    def link(found: re.Match[str]) -> str:
        title, cell, text = found.groups()
        if cell not in held:
            return f'<span title="{title}">{text}</span>'
        return f'<a title="{title}; its samples" href="../../reports/{suite}.html#cell/{cell}">{text}</a>'

    shown = CELL.sub(link, table)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{shown}</div>'


def cells_held(suite: Suite) -> set[str]:
    """``TASK/SIZE/METHOD`` (quoted) of every cell with verdicts."""
    return {
        "/".join(quote(part, safe="") for part in (task, model.size, model.method))
        for task in suite.tasks
        for model in suite.models
        if seeds.verdicts(suite, 0, task, model) is not None
    }
