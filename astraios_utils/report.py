"""One self-contained HTML page per suite: how the cells came out, every table, every figure. No server, no scripts."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from . import paper, results, schema, store
from .schema import Suite

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-size: .85rem } .scroll { overflow-x: auto }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } img { max-width: 100%; height: auto } .note { color: #555 }
"""


def write(suite: Suite, frame: pd.DataFrame) -> Path:
    """Write ``build/<suite>/report.html`` from the suite's results and its figures; return its path.

    Raises:
        schema.MissingArtefact: the suite has no figures yet.
    """
    figures = sorted(store.figures_dir(suite.name).glob("*.svg"))
    if not figures:
        raise schema.MissingArtefact(
            f"suite {suite.name} has no figures: run `make reproduce SUITE={suite.name}` first"
        )
    path = store.suite_dir(suite.name) / "report.html"
    with store.atomic(path, "w") as stream:
        stream.writelines(_page(suite, frame, figures))
    return path


def _page(suite: Suite, frame: pd.DataFrame, figures: list[Path]) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(suite.title)}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{STYLE}</style><h1>{html.escape(suite.title)}</h1>"
    yield '<p class="note">Measured, then the paper\'s value in brackets; percent. — : a cell without artefact.</p>'
    yield _table(
        "How the cells came out",
        results.overview(frame).round(2).astype(object).fillna(results.MISSING).set_index("task"),
    )
    for task in suite.tasks:
        if (frame["task"] == task).any():
            title = f"{task}: {results.headline(task)} ({paper.printed_in(task)})"
            yield _table(title, results.table_view(frame, task))
            yield _table(f"{task}: standard errors", _errors(frame, task))
    yield "<h2>Figures</h2>"
    for figure in figures:
        name = html.escape(figure.stem.replace("_", " "))
        yield f"<h3>{name}</h3>{_inline(figure)}"
    yield "</html>\n"


def _errors(frame: pd.DataFrame, task: str) -> pd.DataFrame:
    part = frame[(frame["task"] == task) & (frame["metric"] == results.headline(task))]
    wide = part.pivot(index="method", columns="size", values="se").reindex(part["method"].unique())
    return wide[list(part["size"].unique())].map(lambda v: results.MISSING if pd.isna(v) else f"± {v:.2f}")


def _table(title: str, table: pd.DataFrame) -> str:
    return f'<h2>{html.escape(title)}</h2><div class="scroll">{table.to_html(border=0)}</div>'


def _inline(figure: Path) -> str:
    """The picture as a data URI: identifiers of one SVG then never meet those of another."""
    data = base64.b64encode(figure.read_bytes()).decode()
    return f'<img alt="{html.escape(figure.stem)}" src="data:image/svg+xml;base64,{data}">'
