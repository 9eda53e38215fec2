"""The book's pages that are prose: README and ``docs/`` with their links turned, suites, figures, reports."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ... import store
from ...running import links
from ...schema import Suite
from . import executed
from .executed import Copy

LINK = re.compile(r"(?<!\\)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
HOW = "how"  # the folder of docs/ with how-tos
FIGURES_HEAD = """# Figures

Every figure of the suites in this book, with the cell that draws it and its data as CSV.
"""


def write(
    source: Path,
    copies: Sequence[Copy],
    reports: Sequence[Suite],
    held: Mapping[str, Collection[str]],
    api: bool = True,
) -> None:
    """Write all prose pages and notebooks below the book's source folder.

    Args:
        held: the cells with verdicts of each suite (:func:`executed.cells_held`).
    """
    source.mkdir(parents=True, exist_ok=True)
    docs = store.root() / "docs"
    shutil.copyfile(docs / "conf.py", source / "conf.py")
    shutil.copytree(docs / "_static", source / "_static", dirs_exist_ok=True)
    notebook_pages = {copy.path.name: copy.page for copy in reversed(copies)}  # of several suites, the first
    _copy_docs(docs, source, notebook_pages)
    suites = list({copy.suite.name: copy.suite for copy in copies}.values())
    for suite in suites:
        own = [copy for copy in copies if copy.suite.name == suite.name]
        linked = held[suite.name] if suite in reports else ()
        for copy in own:
            executed.write(copy, source, linked)
        _put(source / f"suites/{suite.name}/index.md", _suite_page(suite, own, suite in reports))
    _put(source / "figures.md", FIGURES_HEAD + "".join(map(_figures_of, copies)))
    _put(source / "reports.md", _reports_page(reports))
    readme = _turned(_read(store.root() / "README.md"), Path("."), Path("."), source, notebook_pages)
    _put(source / "index.md", readme + _contents(suites, docs, api))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _copy_docs(docs: Path, source: Path, notebook_pages: Mapping[str, str]) -> None:
    """``docs/**.md`` keep their places; links into the repository lead to its address."""
    for path in sorted(docs.rglob("*.md")):
        place = path.relative_to(docs)
        _put(source / place, _turned(_read(path), Path("docs") / place.parent, place.parent, source, notebook_pages))


def _turned(text: str, origin: Path, here: Path, source: Path, notebook_pages: Mapping[str, str]) -> str:
    """Markdown with its relative links turned: to a page of the book where there is one, else to the repository.

    Args:
        origin: the folder of the text in the repository; ``here``: the folder of its page in the book.
    """
    up = "../" * len(here.parts)

    def turn(found: re.Match[str]) -> str:
        target = Path(*_folded((origin / found[1]).parts))
        path, name, anchor = target.as_posix(), target.name, found[2] or ""
        if path == "README.md":
            return f"]({up}index.md{anchor})"
        if target.suffix == ".md" and path.startswith("docs/"):
            return f"]({up}{path.removeprefix('docs/')}{anchor})"
        if target.suffix == ".ipynb" and name in notebook_pages:
            return f"]({up}{notebook_pages[name]}.ipynb)"
        if target.suffix in (".png", ".svg") and (store.root() / target).exists():
            (source / target.parent).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store.root() / target, source / target)
            return f"]({up}{path})"
        return f"]({links.HOST}{links.repository()}/blob/main/{path}{anchor})"

    return LINK.sub(turn, text)


def _folded(parts: Iterable[str]) -> list[str]:
    """A path's parts without ``..``."""
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept.pop()
        elif part != ".":
            kept.append(part)
    return kept


def _suite_page(suite: Suite, copies: Sequence[Copy], has_report: bool) -> str:
    lines = [f"# {suite.title}", ""]
    lines.append(
        f"Suite `{suite.name}`: {', '.join(suite.sizes)} by {', '.join(suite.methods)}; {len(suite.tasks)} tasks. "
        "Each notebook was executed on this suite. Its code is folded; a click shows it."
    )
    if has_report:
        lines += ["", f'<a href="../../reports/{suite.name}.html">Its report, down to single samples</a>']
    return "\n".join(lines) + "\n\n" + _tree([copy.path.stem for copy in copies], hidden=False)


def _figures_of(copy: Copy) -> str:
    parts = [f"\n## {copy.title} ({copy.suite.name})\n"] if copy.figures else []
    for figure in copy.figures:
        place = f"figures/{copy.suite.name}/{figure.name}"
        text = f"{figure.title}, suite {copy.suite.name}. {figure.described}".replace('"', "&quot;")
        data = f' · <a href="{place}.csv">its data as CSV</a>' if figure.svg.with_suffix(".csv").exists() else ""
        parts.append(
            f'\n<figure class="plot"><img src="{place}.svg" alt="{text}" loading="lazy"><figcaption>{figure.title} · '
            f'<a href="{copy.page}.html#figure-{figure.name}">the cell that draws it</a>{data}</figcaption></figure>\n'
        )
    return "".join(parts)


def _reports_page(reports: Sequence[Suite]) -> str:
    head = (
        "# Reports\n\nOne self-contained page per suite: the verdict on each statement of the paper, every table with "
        "intervals, and the way down from a number to its problems and samples.\n\n"
    )
    rows = []
    for suite in reports:
        frame = pd.read_parquet(store.suite_dir(suite.name) / "results.parquet")
        measured = int((frame["provenance"] == "measured").sum())
        link = f'<a href="reports/{suite.name}.html">{suite.title}</a>'
        rows.append(f"<li>{link} ({measured} of {len(frame)} results measured)</li>")
    return head + "<ul>\n" + "\n".join(rows) + "\n</ul>\n"


def _tree(entries: Iterable[str], caption: str = "", hidden: bool = True) -> str:
    options = [":maxdepth: 1", *([":hidden:"] if hidden else []), *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *options, "", *entries, "```", ""])


def _contents(suites: Sequence[Suite], docs: Path, api: bool) -> str:
    hows = [f"{HOW}/{path.stem}" for path in sorted((docs / HOW).glob("*.md"))]
    others = [path.stem for path in sorted(docs.glob("*.md"))]
    top = [*(f"{suite.name} <suites/{suite.name}/index>" for suite in suites), "figures", "reports"]
    trees = (
        _tree(top, "Results"),
        _tree(hows, "How to"),
        _tree(["methods", "tasks", *others], "Explained"),
        *([_tree(["api/index"], "Reference")] if api else []),
    )
    return "\n\n" + "\n".join(trees)
