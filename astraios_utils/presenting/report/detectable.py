"""Which differences a suite's problems, samples and training runs can detect, as plain structures for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ... import results
from ...results import claims
from .. import versus
from . import content

HEADS: Sequence[str] = (
    *("New problems (points)", "These problems (points)", "Problems", "Samples each", "Training runs"),
    *("SD of a run (points)", "Power", "Problems needed", "Training runs needed"),
)


@dataclass(frozen=True, slots=True)
class Detectable:
    """A row per mean over tasks, then per task.

    Attributes:
        scope: what the figures are about (``claims.SCOPES``).
        difference: in points, of the last columns.
        heads: those of ``HEADS`` of which anything is known.
        rows: title, and number and text of each column.
    """

    scope: str
    difference: float
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[float, str]]]]


def of(table: pd.DataFrame) -> Detectable | None:
    """The section, of a table (:func:`power.table`); ``None`` where no two methods of a size have results."""
    if table.empty:
        return None
    values = [_values(row) for row in table.to_dict("records")]
    known = [place for place in range(len(HEADS)) if any(not math.isnan(row[place][0]) for row in values)]
    titles = [versus.title(str(measure)) for measure in table["measure"]]
    rows = [(title, [row[place] for place in known]) for title, row in zip(titles, values, strict=True)]
    scope = claims.SCOPES[bool(table["seeds"].max() > 1)]
    return Detectable(scope, float(table["difference"].iloc[0]), [HEADS[place] for place in known], rows)


def _values(row: Mapping[Any, Any]) -> list[tuple[float, str]]:
    counts = [(float(row[name]), f"{row[name]:,.0f}") for name in ("problems", "samples", "seeds")]
    points = [(float(row[name]), _points(row[name])) for name in ("detectable", "detectable_here")]
    spread = (float(row["training_sd"]), content.number(row["training_sd"], 1))
    chance = (float(row["power"]), f"{row['power']:.0%}" if row["power"] == row["power"] else "")
    needed = [(float(row[name]), _needed(row[name])) for name in ("problems_needed", "seeds_needed")]
    return [(value, text or results.MISSING) for value, text in [*points, *counts, spread, chance, *needed]]


def _points(value: float) -> str:
    """A difference in points; ``any`` where nothing is left to chance, as with greedy answers of known models."""
    return "any" if value == 0 else content.number(value, 1)


def _needed(count: float) -> str:
    """A number that would be needed; nothing where it is not known."""
    return "" if math.isnan(count) else "no number" if math.isinf(count) else f"{count:,.0f}"
