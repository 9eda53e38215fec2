"""Which differences a suite's problems, samples and training runs can detect, as plain structures for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ... import results
from ...results import claims
from ...results.power import MEANS
from . import content

HEADS: Sequence[str] = (
    *("Problems", "Samples each", "Training runs", "New problems (points)", "These problems (points)"),
    *("SD of a run (points)", "Power", "Problems needed", "Training runs needed"),
)


@dataclass(frozen=True, slots=True)
class Detectable:
    """A row per mean over tasks, then per task.

    Attributes:
        scope: what the figures are about (``claims.SCOPES``).
        difference: in points, of the last three columns.
        rows: title, and number and text of each column of ``HEADS``.
    """

    scope: str
    difference: float
    rows: Sequence[tuple[str, Sequence[tuple[float, str]]]]


def of(table: pd.DataFrame) -> Detectable | None:
    """The section, of a table (:func:`power.table`); ``None`` where no two methods of a size have results."""
    if table.empty:
        return None
    rows = [(_title(str(row["measure"])), _values(row)) for row in table.to_dict("records")]
    return Detectable(claims.SCOPES[bool(table["seeds"].max() > 1)], float(table["difference"].iloc[0]), rows)


def _title(measure: str) -> str:
    known = claims.MEASURES[measure].title if measure in MEANS else content.title(measure)
    return known[:1].upper() + known[1:]


def _values(row: Mapping[Any, Any]) -> list[tuple[float, str]]:
    counts = [(float(row[name]), f"{row[name]:,.0f}") for name in ("problems", "samples", "seeds")]
    points = [(float(row[name]), content.number(row[name], 1)) for name in ("detectable", "detectable_here")]
    spread = (float(row["training_sd"]), content.number(row["training_sd"], 1))
    chance = (float(row["power"]), f"{row['power']:.0%}" if row["power"] == row["power"] else "")
    needed = [(float(row[name]), _needed(row[name])) for name in ("problems_needed", "seeds_needed")]
    return [(value, text or results.MISSING) for value, text in [*counts, *points, spread, chance, *needed]]


def _needed(count: float) -> str:
    """A number that would be needed; nothing where it is not known."""
    return "" if math.isnan(count) else "no number" if math.isinf(count) else f"{count:,.0f}"
