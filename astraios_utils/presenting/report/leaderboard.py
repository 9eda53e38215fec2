"""The leaderboard of a suite that compares methods, as plain structures for the page's template."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...results.comparison import column_of
from ...running import comparison
from ...schema import UNTUNED, Suite
from .. import versus

# Column of the table, head, decimals.
SHOWN: Sequence[tuple[str, str, int]] = (
    ("mean", "Mean", 1),
    ("rank", "Rank", 0),
    ("vs LoRA", "Minus LoRA", 1),
    ("percent", "% trained", 2),
    ("forgot", "Forgot (nats)", 3),
    ("generation_seconds", "s per 1,000 tokens", 2),
    ("learning_rate", "Learning rate", 4),
)
_DETAILS: Mapping[str, tuple[str, int]] = {
    "shrunk": ("mean, pulled towards its family's", 1),
    "gap": ("gap to the best other method", 1),
    "vs FFT": ("minus FFT", 1),
    "trainable_parameters": ("trained parameters", 0),
    "checkpoint_bytes": ("bytes of the checkpoint", 0),
    "step_seconds": ("seconds of training steps, fastest run", 1),
    "test_loss": ("test loss", 3),
    "rise": ("percent of validation loss that the next rate costs", 1),
    "octaves": ("octaves of rates within 5% of the lowest loss", 1),
    "pscp": ("soft-cost score (PSCP)", 2),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One method: what its row shows, and what a click on it shows.

    Attributes:
        values: number and text of each column of ``SHOWN``.
        best: ``yes``, ``no``, or nothing for checks and the base.
        details: (what, text) pairs of the method's own view.
    """

    method: str
    family: str
    budget: str
    best: str
    values: Sequence[tuple[float, str]]
    details: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Rows, highest mean first, what can be filtered by, and what is left out with its reason."""

    heads: Sequence[str]
    lines: Sequence[Line]
    families: Sequence[str]
    budgets: Sequence[str]
    left_out: Mapping[str, str]

    @property
    def about(self) -> dict[str, Sequence[tuple[str, str]]]:
        """What a method's own view shows, by method."""
        return {line.method: line.details for line in self.lines}


def of(suite: Suite) -> Leaderboard | None:
    """The leaderboard; ``None`` for suites that do not compare methods, or of which nothing is measured."""
    if not suite.rows or not comparison.is_measured(suite):
        return None
    return build(suite, comparison.table(suite))


def build(suite: Suite, table: pd.DataFrame) -> Leaderboard:
    """The same, of a table (:func:`comparison.table`)."""
    lines = [_line(suite, row) for row in table.to_dict("records")]
    return Leaderboard(
        [head for _, head, _ in SHOWN],
        lines,
        sorted({line.family for line in lines if line.family}),
        sorted({line.budget for line in lines if line.budget}),
        suite.left_out,
    )


def _line(suite: Suite, row: Mapping[Any, Any]) -> Line:
    values = [(_value(row, column), _text(row, column, digits)) for column, _, digits in SHOWN]
    budget = "" if math.isnan(row["budget"]) else f"{row['budget']:g}%"
    best = "yes" if row["may_be_best"] else "no"
    return Line(row["method"], row["family"], budget, "" if row["control"] else best, values, _details(suite, row))


def _details(suite: Suite, row: Mapping[Any, Any]) -> list[tuple[str, str]]:
    method = row["method"]
    configured = json.dumps(suite.method_configs.get(method, {}), ensure_ascii=False)
    found = [("family", row["family"]), ("source", str(row["source"]))]
    if method != UNTUNED:
        found += [("arguments", configured), ("generates", str(row["served"]))]
    for name, (words, digits) in _DETAILS.items():
        text = _text(row, name, digits)
        if text:
            found.append((words, text))
    scores = [(versus.directed(*column_of(task)), _text(row, task, 2)) for task in suite.tasks]
    return found + [(task, text) for task, text in scores if text]


def _value(row: Mapping[Any, Any], column: str) -> float:
    return float(row.get(column, math.nan))


def _text(row: Mapping[Any, Any], column: str, digits: int) -> str:
    """The number, with its interval where the table has one; nothing where it is not known."""
    value = _value(row, column)
    if math.isnan(value):
        return ""
    if column == "learning_rate":
        return f"{value:g}"
    text = f"{round(value, digits) + 0.0:,.{digits}f}"  # plus 0: no -0.0
    ends = {"mean": ("low", "high")}.get(column, (f"{column}_low", f"{column}_high"))
    ends = ends if ends[0] in row else (f"{column} low", f"{column} high")
    low, high = (_value(row, end) for end in ends)
    return (text if math.isnan(low + high) else f"{text} [{low:.{digits}f}, {high:.{digits}f}]").replace("-", "−")
