"""Two methods compared, as lines for a terminal or a pipe: one suite, or several side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from .. import results, schema, store
from ..metrics.scores import decimals, lower_is_better
from ..results import claims, power
from ..schema import Suite
from . import plots

HEADS = ("task", "suite", "size", "difference", "95% interval", "p, adjusted", "wins / ties / losses")
_LEFT = 3  # columns of text


def sizes_of(suites: Sequence[Suite], wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The sizes to show of each suite: those that are wanted and that it has; all where none is wanted.

    Raises:
        schema.UnknownName: no suite has a wanted size.
        schema.BadInput: a suite has none of them.
    """
    every = list(dict.fromkeys(size for suite in suites for size in suite.sizes))
    known = [schema.match(size, every, "size") for size in wanted] or every
    found = {suite.name: tuple(size for size in suite.sizes if size in known) for suite in suites}
    for name, sizes in found.items():
        if not sizes:
            raise schema.BadInput(f"suite {name} has no size {', '.join(known)}: add --size with one of its own")
    return found


def tasks_of(suites: Sequence[Suite], wanted: Sequence[str]) -> list[str]:
    """The names of the tasks that are wanted.

    Raises:
        schema.UnknownName: no suite has a wanted task.
    """
    every = list(dict.fromkeys(task for suite in suites for task in (*suite.tasks, *suite.extra_tasks)))
    return [schema.match(task, every, "task") for task in wanted]


def text(found: Mapping[str, tuple[pd.DataFrame, str]], first: str, second: str) -> str:
    """A row per task, suite and size, a task's rows together.

    Args:
        found: by suite, what :func:`power.versus` returned, and what its figures are about (``claims.SCOPES``).
    """
    scopes = {scope for _, scope in found.values()}
    about = scopes.pop() if len(scopes) == 1 else "; ".join(f"{name}: {scope}" for name, (_, scope) in found.items())
    rows = [[*HEADS], *_rows(found)]
    if len(found) == 1:
        rows = [[row[0], *row[2:]] for row in rows]
    left = _LEFT - (len(found) == 1)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if place < left else cell.rjust(width) for place, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    adjusted = "p: Holm's correction over the rows of a suite"
    head = f"{first} minus {second}, in points; 95% intervals over problems; about {about}. {adjusted}."
    return "\n".join([head, *(line.rstrip() for line in lines), *_pages(found, first, second)])


def _rows(found: Mapping[str, tuple[pd.DataFrame, str]]) -> Iterator[list[str]]:
    measures = dict.fromkeys(measure for frame, _ in found.values() for measure in frame["measure"])
    for measure in measures:
        shown = directed(measure)
        for name, (frame, _) in found.items():
            for row in frame[frame["measure"] == measure].to_dict("records"):
                yield [shown, name, row["size"], *_numbers(row)]
                shown = ""


def title(measure: str) -> str:
    """A task, or a mean over tasks, in words."""
    if measure not in power.MEANS:
        return plots.TASK_TITLES[measure]
    words = claims.MEASURES[measure].title
    return words[:1].upper() + words[1:]


def directed(measure: str, metric: str = "") -> str:
    """:func:`title`, with the unit where it is not points, and a remark where less is better.

    Args:
        measure: a task, or a mean over tasks.
        metric: which of the task's; none: its headline.
    """
    first = "" if measure in power.MEANS else results.headline(measure)
    shown = metric or first
    named = shown != first or shown.startswith("bits")
    remarks = [plots.METRIC_LABELS.get(shown, shown).replace(" (%)", "").lower()] if named else []
    remarks += ["lower is better"] if shown and lower_is_better(shown) else []
    return f"{title(measure)} ({', '.join(remarks)})" if remarks else title(measure)


def decimals_of(measure: str) -> tuple[int, int]:
    """:func:`decimals` of a task's headline metric, or of a mean over tasks."""
    return decimals("" if measure in power.MEANS else results.headline(measure))


def _numbers(row: Mapping[Any, Any]) -> list[str]:
    wins = "" if math.isnan(row["wins"]) else f"{row['wins']:.0f} / {row['ties']:.0f} / {row['losses']:.0f}"
    digits, _ = decimals_of(row["measure"])
    ends = f"{row['low']:+.{digits}f} to {row['high']:+.{digits}f}"
    p = "< 0.0001" if row["p_holm"] < 1e-4 else f"{row['p_holm']:.4f}"
    return [text.replace("-", "−") for text in (f"{row['value']:+.{digits}f}", ends, p, wins)]


def _pages(found: Mapping[str, tuple[pd.DataFrame, str]], first: str, second: str) -> Iterator[str]:
    """Where the problems on which the two disagree can be looked at."""
    for name, (frame, _) in found.items():
        page = store.suite_dir(name) / "report.html"
        place = f"{page}#compare/{frame['size'].iloc[-1]}/{first}/{second}"
        where = place if page.exists() else f"astraios report --suite {name} writes a page that lists them"
        yield f"Problems on which they disagree ({name}): {where}"
