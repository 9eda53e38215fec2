"""What a claim rests on: the cells that it reads, and the smallest change of one of them that reverses it.

Errors are left out: a claim is reversed when what the values say (``holds``) turns over, all other cells as they are. A
score stays between 0 and 100 and changes in steps of its printed digit.

Most comparisons are linear in each cell. Their slopes give, per cell, the changes at which a comparison reaches 0;
comparisons of ranks turn where two models of a size come to be equal. The candidates are tried from the smallest, so
that what is reported does reverse the claim; of a comparison that is not linear (a ratio of sums, a power law) a
slightly smaller change may do so too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ... import schema
from ...metrics.stats import Array
from ...sources import paper
from .evidence import COSTS, Evidence
from .logic import Node, Part, judge, parts
from .measures import Cell, Reader, WhatIf

Build = Callable[[Reader], Node]
_PROBE = 1e-3  # change of a cell by which slopes are taken
_TRIES = 400  # candidates that are tried; in batches of
_BATCH = 100
EXACT = ("trainable_parameters",)  # counted, not measured: not changed
_NAMES = {"worst@1": "RP@1", "drop@1": "Pass@1 - RP@1", "share@1": "share of Pass@1 lost"}


@dataclass(frozen=True, slots=True)
class Reversal:
    """The smallest change of one cell that reverses a claim."""

    cell: Cell
    before: float
    after: float

    def __str__(self) -> str:
        digits = _digits(self.cell)
        change = self.after - self.before
        numbers = (f"{value:.{digits}f}" for value in (self.before, self.after))
        return f"{name(self.cell)} {' → '.join(numbers)} ({change:+.{digits}f})"


def rests_on(build: Build, evidence: Evidence) -> tuple[dict[Cell, float], Reversal | None]:
    """The cells that a claim reads with their values, and the smallest change of one that reverses it.

    Args:
        build: makes the claim's comparisons from a reader.
        evidence: of what.

    Returns:
        No reversal where no change of a single cell suffices, or the claim's values are not known.
    """
    reader = Reader(evidence, what_if=WhatIf({}, 1))
    holds = judge(build(reader)).holds
    if holds is None or not reader.cells:
        return reader.cells, None
    candidates = sorted(_candidates(build, evidence, reader), key=lambda found: abs(found[1]))
    for start in range(0, min(len(candidates), _TRIES), _BATCH):
        batch = candidates[start : start + _BATCH]
        turned = np.flatnonzero(_holds(_scenarios(build, evidence, batch)) != holds)
        if len(turned):
            cell, change = batch[turned[0]]
            return reader.cells, Reversal(cell, reader.cells[cell], reader.cells[cell] + change)
    return reader.cells, None


def _candidates(build: Build, evidence: Evidence, reader: Reader) -> list[tuple[Cell, float]]:
    """Changes of single cells that may reverse the claim: at a comparison's 0, and a step to either side of it."""
    cells = [cell for cell in reader.cells if cell.column not in EXACT]
    probes = [(cell, sign * _PROBE) for cell in cells for sign in (1, -1)]
    found: dict[tuple[Cell, float], None] = {}
    for part in parts(_scenarios(build, evidence, probes)):
        if part.values is None or math.isnan(part.values[0]):
            continue
        slopes = (part.values[1:] - part.values[0]) / _PROBE
        for (cell, probe), slope in zip(probes, slopes, strict=True):
            if slope * part.values[0] < 0 or (part.values[0] == 0 and slope):
                found |= dict.fromkeys(_around(cell, reader.cells[cell], math.copysign(-part.values[0] / slope, probe)))
    for cell, change in _to_equality(reader):
        found |= dict.fromkeys(_around(cell, reader.cells[cell], change))
    return list(found)


def _to_equality(reader: Reader) -> list[tuple[Cell, float]]:
    """Changes that make two models of a size equal: in a column, or in the mean of the columns that were read."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for cell, value in reader.cells.items():
        rows.setdefault((cell.column, cell.metric), {})[f"{cell.size}\t{cell.method}"] = value
    models = {model for row in rows.values() for model in row}
    whole = {m: [row[m] for row in rows.values()] for m in models if all(m in row for row in rows.values())}
    found = []
    for model, values in whole.items():
        for other in (m for m in whole if m != model and m.split("\t")[0] == model.split("\t")[0]):
            size, method = model.split("\t")
            first = next(iter(rows))
            found.append((Cell(*first, size, method), float(sum(whole[other]) - sum(values))))
    return [(cell, change) for cell, change in found if cell.column not in EXACT]


def _around(cell: Cell, value: float, change: float) -> list[tuple[Cell, float]]:
    """A change rounded to the cell's step, towards 0 and away from it, and one step more; scores stay in 0 to 100."""
    step = 10.0 ** -_digits(cell)
    away = math.copysign(1.0, change)
    steps = abs(change) / step
    near = {math.floor(steps + 1e-6), math.ceil(steps - 1e-6), math.ceil(steps - 1e-6) + 1} - {0}
    kept = [round(away * count * step, 9) for count in sorted(near)]
    low, high = _range(cell)
    return [(cell, one) for one in kept if low <= value + one <= high]


def _range(cell: Cell) -> tuple[float, float]:
    """What a cell can be: a share in percent, a correlation, any number."""
    if cell.column in schema.TASKS and not cell.metric.startswith(("drop", "share", "rc")):
        return 0.0, 100.0
    return (-math.inf, math.inf) if cell.method else (-1.0, 1.0)


def _scenarios(build: Build, evidence: Evidence, changes: Sequence[tuple[Cell, float]]) -> Node:
    """The claim's comparisons with one changed cell per scenario."""
    rows: dict[Cell, Array] = {}
    for place, (cell, change) in enumerate(changes):
        rows.setdefault(cell, np.zeros(len(changes)))[place] = change
    return build(Reader(evidence, what_if=WhatIf(rows, len(changes))))


def _holds(node: Node) -> npt.NDArray[np.bool_]:
    """What the values of each scenario say of the claim, shape (scenarios,)."""
    if isinstance(node, Part):
        values = np.array([node.estimate.value]) if node.values is None else node.values[1:]
        return node.holds(values)
    if not node.of:
        return np.array([True])
    below = np.broadcast_arrays(*(_holds(one) for one in node.of))
    return np.asarray(np.sum(below, axis=0) >= node.k)


def _digits(cell: Cell) -> int:
    """Decimals in which a cell changes."""
    if cell.column in schema.TASKS:
        return paper.digits_of(cell.column)
    return 0 if cell.column in COSTS else 4


def name(cell: Cell) -> str:
    """A cell in words: ``1B LoRA synthesize-java``."""
    model = " ".join(text for text in (cell.size, cell.method) if text)
    metric = _NAMES.get(cell.metric.split("/")[0], cell.metric)
    shown = "" if cell.column in schema.TASKS and cell.metric in ("pass@1", "accuracy", "f1") else metric
    return " ".join(text for text in (model, cell.column, shown) if text)


def listed(cells: Mapping[Cell, float]) -> str:
    """Which cells a claim reads, in words: how many, of which columns, of how many models."""
    columns = dict.fromkeys(
        " ".join(text for text in (cell.column, _NAMES.get(cell.metric, cell.metric)) if text) for cell in cells
    )
    models = list(dict.fromkeys(f"{cell.size} {cell.method}" for cell in cells if cell.method))
    if not cells:
        return ""
    who = ", ".join(models) if len(models) <= 4 else f"{len(models)} models"
    return f"{len(cells)} cells: {', '.join(columns)}{f'; of {who}' if who else ''}"
