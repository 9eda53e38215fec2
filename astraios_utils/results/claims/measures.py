"""What the paper's statements are about: a number per model, as a plain mean of columns, each with its replicates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ... import results, schema
from ...metrics.stats import Array
from ...sources import paper
from .evidence import COSTS, SCOPES, TOLERANCES, Evidence
from .training_noise import seed_spread


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean of columns.

    Attributes:
        title: in words, for labels.
        columns: the (task, metric) pairs that are averaged.
        unit: of the mean.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    unit: str = "points"


class Cell(NamedTuple):
    """One number that claims are read from.

    Attributes:
        column: a task, a loss (``test_loss``), a cost, or two measures that a printed coefficient is about.
        metric: of the task or the coefficient; empty for losses and costs.
        size, method: of the model; a printed coefficient has no method.
    """

    column: str
    metric: str
    size: str
    method: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Scenarios in which single cells have other values: errors are left out, and arrays run over scenarios instead.

    Attributes:
        changes: by cell, what is added in each scenario, shape (scenarios,).
        scenarios: how many.
    """

    changes: Mapping[Cell, Array]
    scenarios: int


@dataclass(slots=True)
class Reader:
    """Reads measures from evidence and remembers which cells it read and what it did not find.

    Attributes:
        evidence: what is read.
        at_hand: restrict means to the data that exist: a mean over several columns, methods or sizes is then taken over
            those that all compared models have, instead of being NaN unless every one is there.
        what_if: read scenarios instead of replicates.
        cells: what was read, with its value.
        once: what was read from a single training run although the evidence has several.
    """

    evidence: Evidence
    at_hand: bool = False
    what_if: WhatIf | None = None
    cells: dict[Cell, float] = field(default_factory=dict)
    missing: set[tuple[str, str, str, str]] = field(default_factory=set)  # kind of artefact, task, size, method
    wanted: set[str] = field(default_factory=set)  # what else a comparison would need, in words
    once: set[str] = field(default_factory=set)
    _held: dict[tuple[str, str, str], Array] = field(default_factory=dict)  # columns that were read

    @property
    def sizes(self) -> tuple[str, ...]:
        """The evidence's sizes, smallest first."""
        return self.evidence.sizes

    def nothing(self) -> Array:
        """A value without its data, shape (1 + r,)."""
        return np.full(self.shape, math.nan)

    @property
    def shape(self) -> tuple[int]:
        """Of a value: itself, then its replicates or scenarios."""
        return self.evidence.shape if self.what_if is None else (1 + self.what_if.scenarios,)

    def _read(self, cell: Cell, values: Array) -> Array:
        """Note a cell; its values, or what they are in the scenarios."""
        if math.isnan(values[0]):
            return self.nothing()
        self.cells[cell] = float(values[0])
        if self.what_if is None:
            return values
        found = np.full(self.shape, float(values[0]))
        found[1:] += self.what_if.changes.get(cell, 0.0)
        return found

    def coefficient(self, cell: Cell, value: float) -> Array:
        """A printed coefficient."""
        return self._read(cell, np.full(self.shape, value))

    def over_runs(self, values: Sequence[float], *key: str) -> Array:
        """A number that is read from whole loss curves (:meth:`Evidence.over_runs`); no cell stands for it."""
        if 0 < len(values) < self.evidence.seeds:
            self.once.add(" ".join(key))
        found = self.evidence.over_runs(values, *key)
        return found if self.what_if is None else np.full(self.shape, found[0])

    def mean(self, values: Sequence[Array]) -> Array:
        """The mean of values of shape (1 + r,); over the available ones only where the reader is restricted to them."""
        held = [value for value in values if not math.isnan(value[0])] if self.at_hand else values
        return np.asarray(np.mean(held, axis=0)) if len(held) else self.nothing()

    def columns(self, name: str, size: str, method: str) -> Array:
        """A measure's columns, shape (columns, 1 + r), NaN where data are missing; a loss or a cost is one column."""
        key = (name, size, method)
        if key not in self._held:
            self._held[key] = self._columns(name, size, method)
        return self._held[key]

    def _columns(self, name: str, size: str, method: str) -> Array:
        if name in COSTS or name.endswith("_loss"):
            return self._number(name, size, method)[None]
        known = measure(name)
        found = np.stack(
            [
                self._read(Cell(task, metric, size, method), self.evidence.score(task, metric, size, method))
                for task, metric in known.columns
            ]
        )
        for (task, metric), row in zip(known.columns, found, strict=True):
            if math.isnan(row[0]):
                self.missing.add((_source(metric), task, size, method))
        return found

    def value(self, name: str, size: str, method: str) -> Array:
        """A measure of one model, shape (1 + r,); NaN unless every column is there."""
        mean: Array = self.columns(name, size, method).mean(axis=0)
        return mean

    def difference(self, name: str, first: tuple[str, str], second: tuple[str, str]) -> Array:
        """First model (size, method) minus second."""
        if self.ordered(name) and first[0] == second[0]:
            return self._places_apart(name, first[0], first[1], second[1])
        return self.mean(list(self.columns(name, *first) - self.columns(name, *second)))

    def ordered(self, name: str) -> bool:
        """Whether of a loss only the order of the methods of a size is known (``Evidence.orders``)."""
        split = name.removesuffix("_loss")
        return split != name and all((split, size) in self.evidence.orders for size in self.sizes)

    def unit(self, name: str) -> str:
        """The unit of a difference of two methods."""
        return "places" if self.ordered(name) else unit_of(name)

    def _places_apart(self, name: str, size: str, first: str, second: str) -> Array:
        """How many places one method's loss lies above another's: the least in any order; NaN where orders disagree."""
        orders = self.evidence.orders[name.removesuffix("_loss"), size]
        gaps = [order.get(first, math.nan) - order.get(second, math.nan) for order in orders]
        agree = all(gap > 0 for gap in gaps) or all(gap < 0 for gap in gaps)
        if not agree:
            self.missing.add(("losses", "", size, first))
        return np.full(self.shape, min(gaps, key=abs) if agree else math.nan)

    def tables(self, name: str, methods: Sequence[str] = schema.METHODS) -> list[Array]:
        """A measure by scenario, size and method, shape (1 + s, sizes, methods), s 0 unless ``what_if`` is set.

        Several where only orders are known, and more than one is possible: ranks, of which comparisons within a size
        may use the order alone.
        """
        if self.ordered(name):
            split = name.removesuffix("_loss")
            combined = itertools.product(*(self.evidence.orders[split, size] for size in self.sizes))
            ranks = [np.array([[order[m] for m in methods] for order in orders], dtype=float) for orders in combined]
            return [np.broadcast_to(table, (*self._scenarios, *table.shape)) for table in ranks]
        values = np.array([[self.value(name, size, method) for method in methods] for size in self.sizes])
        return [np.round(np.moveaxis(values, -1, 0)[: self._scenarios[0]], 9)]  # ties are ties, not float noise

    @property
    def _scenarios(self) -> tuple[int]:
        return (1,) if self.what_if is None else self.shape

    def places(self, name: str, method: str) -> list[int]:
        """The sizes, by number, at which a method's measure can be read; all, unless the reader is restricted."""
        everywhere = range(len(self.sizes))
        if not self.at_hand:
            return list(everywhere)
        return [i for i in everywhere if not np.isnan(self.columns(name, self.sizes[i], method)[:, 0]).all()]

    def slope(self, name: str, method: str, places: Sequence[int]) -> Array:
        """Least-squares slope of a method's measure over those sizes, in its unit a step; NaN below two of them."""
        if len(places) < 2:
            return self.nothing()
        x = np.asarray(places, dtype=float) - np.mean(places)
        curves = np.stack([self.columns(name, self.sizes[i], method) for i in places])
        return self.mean(list(np.tensordot(x, curves, axes=1) / (x**2).sum()))

    def _number(self, name: str, size: str, method: str) -> Array:
        loss = name.endswith("_loss")
        found = (
            self.evidence.loss(name.removesuffix("_loss"), size, method)
            if loss
            else self.evidence.cost(name, size, method)
        )
        if math.isnan(found[0]):
            self.missing.add(("losses" if loss else COSTS[name][0], "", size, method))
        elif name in TOLERANCES or (loss and self.evidence.runs_of(name, size, method) < self.evidence.seeds):
            self.once.add(name)
        return self._read(Cell(name, "", size, method), found)

    def seed_sd(self, name: str) -> float:
        """Standard deviation of one training run's measure, the median over models; NaN where there is one seed."""
        known = [] if name in COSTS or name.endswith("_loss") else list(measure(name).columns)
        noise = self.evidence.training
        models = {key[2:] for key in noise if key[:2] in known}
        found = [
            seed_spread([noise[*column, *model] for column in known], self.evidence.seeds)
            for model in models
            if all((*column, *model) in noise for column in known)
        ]
        return float(np.median(found)) if found else math.nan

    @property
    def scope(self) -> str:
        """What a verdict on what was read is about: the method only if every number comes from all training runs.

        Memory and times are run 0's.
        """
        return SCOPES[0] if self.once else self.evidence.scope

    def lacking(self) -> str:
        """What was not found, in words: which artefacts, and of how many models (at which sizes, where few)."""
        kinds: dict[str, list[str]] = {}
        for kind, task in sorted({(kind, task) for kind, task, _, _ in self.missing}):
            models = {(size, method) for k, t, size, method in self.missing if (k, t) == (kind, task)}
            at = [size for size in self.sizes if any(size == held for held, _ in models)]
            where = f" at {', '.join(at)}" if len(at) <= len(self.sizes) // 2 else ""
            kinds.setdefault(kind, []).append(f"{task or 'models'} {len(models)}{where}")
        return "; ".join([*(f"{kind}: {', '.join(texts)}" for kind, texts in kinds.items()), *sorted(self.wanted)])


def _source(metric: str) -> str:
    """The artefact behind a score, in words."""
    return "answers to unperturbed prompts" if metric.endswith("/nominal") else "generations"


def _headlines(tasks: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((task, results.headline(task)) for task in tasks)


def _each(metric: str, tasks: Sequence[str] = schema.ROBUSTNESS_TASKS) -> tuple[tuple[str, str], ...]:
    return tuple((task, metric) for task in tasks)


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "performance": Measure("mean performance", _headlines(paper.PERFORMANCE_TASKS)),
        "generation": Measure("mean Pass@1", _headlines(schema.GENERATION_TASKS)),
        "comprehension": Measure("mean of defect and clone detection", _headlines(schema.COMPREHENSION_TASKS)),
        "robust": Measure("mean Pass@1 under the worst perturbation", _each("worst@1")),
        "change": Measure("mean RC@1", _each("rc@1")),
        "drop": Measure("mean Pass@1 − RP@1", _each("drop@1")),
        "drop/nominal": Measure("mean Pass@1 − RP@1, own nominal", _each("drop@1/nominal")),
        "share": Measure(
            "share of Pass@1 lost", _each("share@1", ("recode-function", "recode-docstring")), "percent of Pass@1"
        ),
        "valid": Measure("valid", (("aatk", "valid"),)),
        "insecure": Measure("insecure", (("aatk", "insecure"),)),
        "defect/parsable": Measure("defect accuracy of parsable answers", (("defect", "accuracy/parsable"),)),
    }
)


def measure(name: str) -> Measure:
    """The measure of that name; a task's name stands for its headline metric, ``task:metric`` for any other.

    Raises:
        schema.UnknownName: neither.
    """
    if name in MEASURES:
        return MEASURES[name]
    task, _, metric = name.partition(":")
    task = schema.match(task, (*schema.TASKS, *MEASURES), "measure")
    return Measure(name.replace(":", " "), ((task, metric or results.headline(task)),))


def unit_of(name: str) -> str:
    """The unit of a measure, a loss or a cost."""
    if name in COSTS:
        return COSTS[name][1]
    return "nats" if name.endswith("_loss") else measure(name).unit
