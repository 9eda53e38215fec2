"""Results as a table of methods by sizes: for a terminal, a pipe, Markdown and LaTeX."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import rich.box
import rich.console
import rich.table

from .. import results, schema
from ..metrics.scores import decimals, lower_is_better
from . import plots

FORMS = ("text", "markdown", "latex")
_ESCAPED = {"\\": r"\textbackslash{}", **{sign: f"\\{sign}" for sign in "&%$#_{}"}}


@dataclass(frozen=True, slots=True)
class Table:
    """One task's headline metric by method and size; or, of a single model, those of all tasks.

    Attributes:
        columns: the sizes; or ``measured`` and ``published``.
        rows: per method (or task), a text per column: value and 95% interval, the published value in brackets, a dash.
        marks: per row and column, how the measured value ranks within the column (:func:`ranks`).
        head: of the first column.
    """

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[str]]
    marks: Mapping[str, Sequence[str]]
    head: str = "method"


def ranks(values: Sequence[float], metric: str) -> list[str]:
    """Mark the best and the second best of the methods of one size, as the paper does (bold, underlined).

    Args:
        values: one per method; NaN where there is none.
        metric: its key; of some a smaller value is better.

    Returns:
        ``best``, ``second`` or an empty text each. Equal values (to the digits shown) have the same mark; with
        fewer than three values, or all equal, nothing is marked.
    """
    shown = np.round(np.asarray(values, dtype=float), decimals(metric)[0]) * (-1 if lower_is_better(metric) else 1)
    known = np.unique(shown[~np.isnan(shown)])
    if np.isfinite(shown).sum() < 3 or len(known) < 2:
        return ["" for _ in values]
    return ["best" if value == known[-1] else "second" if value == known[-2] else "" for value in shown]


def tables(frame: pd.DataFrame) -> list[Table]:
    """A table per task that has a measured or published value; of a single model's tasks, one table.

    Args:
        frame: results (:func:`results.results`), or a part of them.
    """
    if frame[["size", "method"]].drop_duplicates().shape[0] == 1 and frame["task"].nunique() > 1:
        return _of_one_model(frame)
    found = []
    for task in frame["task"].unique():
        metric = results.headline(str(task))
        own = frame[(frame["task"] == task) & (frame["metric"] == metric)]
        if own[["value", "published"]].notna().any(axis=None):
            found.append(_table(own, _titled(str(task), metric)))
    return found


def _titled(task: str, metric: str) -> str:
    title = plots.TASK_TITLES[task]
    return f"{title}: {plots.METRIC_LABELS.get(metric, metric)}"


def _of_one_model(frame: pd.DataFrame) -> list[Table]:
    """A row per task: measured and published."""
    headlines = frame["metric"] == [results.headline(task) for task in frame["task"]]
    shown = frame[headlines & frame[["value", "published"]].notna().any(axis=1)]
    if shown.empty:
        return []
    rows = {
        _titled(row["task"], row["metric"]): (
            _cell({**row, "published": math.nan}),
            results.MISSING if math.isnan(row["published"]) else f"{row['published']:.2f}",
        )
        for row in shown.to_dict("records")
    }
    title = f"{frame['size'].iloc[0]} {frame['method'].iloc[0]}"
    return [Table(title, ("measured", "published"), rows, dict.fromkeys(rows, ("", "")), "task")]


def _table(own: pd.DataFrame, title: str) -> Table:
    held = {(row["size"], row["method"]): row for row in own.to_dict("records")}
    sizes, methods = plots.sizes_of(own), plots.methods_of(own)
    rows = {method: [_cell(held.get((size, method), {})) for size in sizes] for method in methods}
    metric = str(own["metric"].iloc[0])
    values = [[held.get((size, method), {}).get("value", math.nan) for method in methods] for size in sizes]
    marks = zip(*(ranks(column, metric) for column in values), strict=True)
    return Table(title, sizes, rows, dict(zip(methods, marks, strict=True)))


def _cell(row: Mapping[Any, Any]) -> str:
    value, low, high, printed = (row.get(key, math.nan) for key in ("value", "low", "high", "published"))
    if math.isnan(value):
        return results.MISSING if math.isnan(printed) else f"({printed:.2f})"
    digits, of_ends = decimals(row["metric"])
    interval = "" if math.isnan(low) else f" [{low:.{of_ends}f}, {high:.{of_ends}f}]"
    return f"{value:.{digits}f}{interval}".replace("-", "−")


def write(frame: pd.DataFrame, form: str = "text") -> str:
    """The tables of a frame as one text.

    Args:
        form: one of :data:`FORMS`; LaTeX uses the package booktabs.

    Raises:
        schema.UnknownName: another form.
        schema.MissingArtefact: there is no value to show.
    """
    chosen, found = schema.match(form, FORMS, "form"), tables(frame)
    if not found:
        raise schema.MissingArtefact("no cell of this slice is measured; astraios status says what is left to run")
    make = {"text": _text, "markdown": _markdown, "latex": _latex}[chosen]
    return "\n\n".join(make(table) for table in found)


def show(frame: pd.DataFrame) -> None:
    """Print the tables: with colours on a terminal, as plain text in a pipe."""
    if not sys.stdout.isatty():
        print(write(frame))
        return
    console = rich.console.Console()
    for table in tables(frame):
        drawn = rich.table.Table(title=table.title, title_justify="left", box=rich.box.SIMPLE_HEAD)
        drawn.add_column(table.head, style="bold")
        for size in table.columns:
            drawn.add_column(size, justify="right")
        for method, *cells in list(_lines(table, _RICH, rich.markup.escape))[1:]:
            drawn.add_row(method, *cells)
        console.print(drawn)


_PLAIN: Mapping[str, str] = MappingProxyType({"": "{}", "best": "{}", "second": "{}"})
_RICH: Mapping[str, str] = MappingProxyType(
    {"": "{}", "best": "[bold]{}[/bold]", "second": "[underline]{}[/underline]"}
)
_MARKDOWN: Mapping[str, str] = MappingProxyType({"": "{}", "best": "**{}**", "second": "<u>{}</u>"})
_LATEX: Mapping[str, str] = MappingProxyType({"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"})


def _lines(table: Table, looks: Mapping[str, str], escape: Callable[[str], str] = str) -> Iterator[list[str]]:
    """The head and the rows; of a marked cell its value, not its interval, gets the mark's look."""
    yield [table.head, *table.columns]
    for method, cells in table.rows.items():
        texts = [_marked(escape(cell), looks[mark]) for cell, mark in zip(cells, table.marks[method], strict=True)]
        yield [escape(method), *texts]


def _marked(cell: str, look: str) -> str:
    value, space, interval = cell.partition(" ")
    return f"{look.format(value)}{space}{interval}"


def _text(table: Table) -> str:
    lines = list(_lines(table, _PLAIN))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]) for name, *cells in lines]
    return "\n".join([table.title, *(row.rstrip() for row in rows)])


def _markdown(table: Table) -> str:
    head, *rows = ["| " + " | ".join(line) + " |" for line in _lines(table, _MARKDOWN)]
    return "\n".join([f"**{table.title}**", "", head, "|---" + "|--:" * len(table.columns) + "|", *rows])


def _latex(table: Table) -> str:
    head, *rows = [" & ".join(line) + r" \\" for line in _lines(table, _LATEX, _escaped)]
    columns = "l" + "r" * len(table.columns)
    body = "\n".join([r"\toprule", head, r"\midrule", *rows, r"\bottomrule"])
    return f"% {table.title}, 95% intervals\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPED.get(sign, sign) for sign in text).replace("−", "$-$").replace("—", "---")
