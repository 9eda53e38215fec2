"""What the page says, as plain structures for its template: numbers become text here, and nowhere else."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pandas as pd

from ... import results, store
from ...metrics.scores import decimals
from ...results import comparison, power
from ...running import ledger, seeds
from ...running.figures import is_whole
from ...schema import Suite
from ...sources import paper
from ...tasks import TASKS
from .. import plots, versus
from ..notebook_text import CAPTIONS
from . import pictures

# How a cell stands to the paper: a sign that needs no colour, a class for the style sheet, what it means.
LOOKS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "equal": ("=", "equal", "the same as the paper to the printed digits"),
        "verdicts differ": (
            "Δ",
            "differing",
            "the paper’s own answers, some of which get another verdict here",
        ),
        "different": ("≠", "different", "further from the paper than decoding and training noise explain"),
        "undecided": ("?", "open", "own answers: neither shown to be equal nor shown to differ"),
        "not published": ("", "alone", "measured; the paper prints no value to compare with"),
        "no artefact": ("—", "missing", "no generations are available, so nothing is claimed"),
    }
)
GROUPS = MappingProxyType(
    {
        "Table 2": "Code comprehension",
        "Table 3": "Code generation",
        "Table 4": "Robustness",
        "Table 5": "Security",
        "Figure 1": "Mean task performance",
        "Figure 7": "Mean change under perturbation",
        "Figure 13": "Comprehension, one example shown",
        "Figure 14": "Comprehension, one example shown",
    }
)
MEANS = MappingProxyType({"performance": "Figure 1", "generation": "Figure 1", "change": "Figure 7"})
METRICS = MappingProxyType({key: label.replace(" (%)", "") for key, label in plots.METRIC_LABELS.items()})


@dataclass(frozen=True, slots=True)
class Value:
    """One cell of a table: texts, the sign of its status, and where a click leads (empty: nowhere)."""

    size: str
    method: str
    value: float
    text: str
    interval: str
    error: str
    published: str
    status: str
    link: str = ""

    @property
    def described(self) -> str:
        """The cell in words, for those who cannot see where it stands."""
        known = f"{self.size} {self.method}: {self.text}" + (f", 95% interval {self.interval}" if self.interval else "")
        return f"{known}; {self.status}" + (f", published {self.published}" if self.published else "")


@dataclass(frozen=True, slots=True)
class Matrix:
    """A table of methods by sizes, of one task and metric, or of a mean over tasks."""

    task: str
    metric: str
    title: str
    sizes: Sequence[str]
    rows: Mapping[str, Sequence[Value]]

    @property
    def id(self) -> str:
        """Its anchor."""
        return anchor(self.task, self.metric)


@dataclass(frozen=True, slots=True)
class Section:
    """The matrices of one table or figure of the paper."""

    place: str
    title: str
    matrices: Sequence[Matrix]

    def linked(self, tasks: Collection[str]) -> Section:
        """The same, with links only to tasks whose verdicts the page holds."""
        return dataclasses.replace(
            self, matrices=[matrix if matrix.task in tasks else _unlinked(matrix) for matrix in self.matrices]
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture of the suite's figures folder.

    Attributes:
        note: how it relates to a figure of the paper; empty where it does not.
        described: what it shows, for those who do not see it.
    """

    name: str
    title: str
    note: str
    described: str
    width: int
    height: int
    svg: str = field(repr=False)


def anchor(task: str, metric: str) -> str:
    """The name of a table within the page."""
    return "table-" + re.sub(r"[^a-z0-9]+", "-", f"{task}-{metric}".casefold()).strip("-")


def shown_metrics(task: str) -> Sequence[str]:
    """The metrics of a task that stand in the page's tables: those that the paper prints, or else all of the task's."""
    if paper.printed_in(task).startswith("Figure"):
        return (results.headline(task),)
    return paper.metrics_of(task) or TASKS[task].metrics


def of_results(suite: Suite, frame: pd.DataFrame) -> dict[str, Any]:
    """What the template needs of the results: sections, overview, how many cells came out how, costs, provenance."""
    pairs = list(zip(frame["task"], frame["metric"], strict=True))
    shown = frame[[metric in shown_metrics(task) for task, metric in pairs]]
    counts = shown["status"].value_counts().to_dict() if suite.published else {}
    return {
        "sections": sections(suite, frame),
        "overview": overview(frame),
        "counts": {status: int(counts.get(status, 0)) for status in LOOKS if counts.get(status, 0)},
        "cells": len(shown),
        "measured": int((shown["provenance"] == "measured").sum()),
        "shipped": _shipped(frame),
        "runs": len(seeds.runs(suite)),
        "provenance": store.read_json(store.suite_dir(suite.name) / "results.parquet.json") or {},
        "costs": costs(ledger.costs(suite)),
    }


def _shipped(frame: pd.DataFrame) -> str:
    """Whether ``all`` or ``some`` measured results come from shipped counts; empty: none."""
    ships = frame.loc[frame["provenance"] == "measured", "origin"] == "shipped"
    return "" if not ships.any() else "all" if ships.all() else "some"


def sections(suite: Suite, frame: pd.DataFrame) -> list[Section]:
    """Every table of the page, in the paper's order; the means of figure 1 first."""
    means = ledger.means(suite, frame, tuple(MEANS))
    places: dict[str, list[Matrix]] = {}
    for name in means["task"].unique():
        places.setdefault(MEANS[name], []).append(_matrix(suite, means, name, "mean"))
    for task in suite.tasks:
        held = set(frame.loc[frame["task"] == task, "metric"])
        for metric in (name for name in shown_metrics(task) if name in held):
            places.setdefault(paper.printed_in(task), []).append(_matrix(suite, frame, task, metric))
    return [Section(place, GROUPS.get(place, "Other tasks"), places[place]) for place in sorted(places, key=_order)]


def _order(place: str) -> tuple[bool, bool, bool, int]:
    number = re.search(r"\d+$", place)
    return (
        place != "Figure 1",
        not place.startswith("Table"),
        place == "not in the paper",
        int(number[0]) if number else 0,
    )


def metric_name(key: str) -> str:
    """A metric in words: ``pass@5`` is Pass@5, ``rp@1/func_name`` is RP@1, func_name."""
    base, _, rest = key.partition("/")
    if key in METRICS or base not in METRICS:
        return METRICS.get(key) or re.sub("^pass@", "Pass@", key)
    return f"{METRICS[base]}, {rest}"


def labels(suite: Suite, metrics: Iterable[str]) -> dict[str, Any]:
    """What the page's script calls things: tasks, means over tasks, metrics; and where its texts come from."""
    measures = (*suite.tasks, *power.MEANS)
    return {
        "tasks": {name: versus.title(name) for name in measures},
        "compared": {name: versus.directed(name) for name in measures},
        "metrics": {key: metric_name(key) for key in metrics},
        "decimals": {key: decimals(key) for key in metrics} | {name: versus.decimals_of(name) for name in measures},
        "suite": suite.name,
        "runs": len(seeds.runs(suite)),
        "controls": [method for method in comparison.CONTROLS if method in suite.methods],
        "released": suite.generations == "released",
        "published": suite.published,
    }


def _matrix(suite: Suite, frame: pd.DataFrame, task: str, metric: str) -> Matrix:
    own = frame[(frame["task"] == task) & (frame["metric"] == metric)]
    held = {(row["size"], row["method"]): row for row in own.to_dict("records")}
    digits = paper.digits_of(task) if paper.metrics_of(task) else decimals(metric)[0]
    rows = {
        method: [_value(held.get((size, method), {}), task, size, method, digits) for size in suite.sizes]
        for method in suite.methods
    }
    return Matrix(task, metric, versus.title(task), suite.sizes, rows)


def _value(row: Mapping[Any, Any], task: str, size: str, method: str, digits: int) -> Value:
    value, low, high = (row.get(name, math.nan) for name in ("value", "low", "high"))
    ends = decimals(row.get("metric", ""))[1]
    status = row.get("status", "no artefact")
    measured = status != "no artefact"
    link = "/".join(["#cell", *(quote(part, safe="") for part in (task, size, method))]) if measured else ""
    unknown = "undefined" if measured else results.MISSING
    return Value(
        size,
        method,
        value,
        unknown if math.isnan(value) else number(value, digits),
        f"{number(low, ends)}–{number(high, ends)}" if not math.isnan(low + high) else "",
        number(row.get("se", math.nan), digits),
        number(row.get("published", math.nan), digits),
        status,
        link,
    )


def _unlinked(matrix: Matrix) -> Matrix:
    rows = {method: [dataclasses.replace(value, link="") for value in row] for method, row in matrix.rows.items()}
    return dataclasses.replace(matrix, rows=rows)


def number(value: float, digits: int) -> str:
    """A number with so many decimals and a real minus sign; nothing for NaN."""
    rounded = round(value, digits) + 0.0 if not math.isnan(value) else value  # plus 0: no −0.00
    return "" if math.isnan(value) else f"{rounded:.{digits}f}".replace("-", "−")


def overview(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """:func:`results.overview`, with texts for what a row cannot say."""
    rows = []
    for row in results.overview(frame).to_dict("records"):
        task, metric = str(row["task"]), str(row["metric"])
        texts = {
            "anchor": anchor(task, metric),
            "title": versus.title(task),
            "metric": METRICS.get(metric, metric),
            "largest": number(row["largest difference"], 2) or results.MISSING,
        }
        rows.append({str(key): value for key, value in row.items()} | texts)
    return rows


def figures(folder: Path, suite: Suite) -> list[Figure]:
    """The SVG pictures that were drawn from the whole suite; those that the paper has, too, come first."""
    printed = paper.figures().set_index("figure")["caption"]
    found = []
    for path in sorted(folder.glob("*.svg"), key=lambda p: (not p.stem.startswith("figure_"), p.stem)):
        svg = path.read_text(encoding="utf-8")
        if is_whole(svg, suite.name):
            title, note = _titled(path.stem, suite.published, printed)
            found.append(Figure(path.stem, title, note, pictures.described(svg), *_extent(svg), svg))
    return found


def _titled(name: str, published: bool, printed: pd.Series) -> tuple[str, str]:
    """A picture's title and note. A number, and the paper's caption, belong to suites of the paper alone."""
    title = CAPTIONS[name].text if name in CAPTIONS else name.replace("_", " ").capitalize()
    numbers = [int(number) for number in re.findall(r"\d+", name)] if name.startswith("figure_") else []
    if not numbers:
        return title, ""
    place = f"Figure{'s' * (len(numbers) > 1)} {' and '.join(map(str, numbers))}"
    if not published:
        return title, f"Drawn like the paper’s {place[0].lower()}{place[1:]}."
    caption = printed.get(numbers[0])
    return f"{place}: {title}", f"In the paper: “{caption}”" if caption else ""


def _extent(svg: str) -> tuple[int, int]:
    """Width and height of a picture by its viewBox, so that nothing moves when it appears; 0 where it has none."""
    box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', svg)
    return (round(float(box[1])), round(float(box[2]))) if box else (0, 0)


# The costs of a trained model that the page shows: column of `ledger.costs`, head, unit, divisor.
COSTS = (
    ("trainable_parameters", "Trainable parameters", "thousands", 1e3),
    ("checkpoint_bytes", "Size on disk", "MiB", 2**20),
    ("wall_seconds", "Training time", "s", 1),
    ("tokens_per_second", "Speed", "tokens/s", 1),
    ("host_peak_mib", "Peak memory", "MiB", 1),
    ("gpu_peak_mib", "Peak GPU memory", "MiB", 1),
    ("generation_seconds", "Generation", "s per 1,000 tokens", 1),
    ("test_loss", "Final test loss", "nats per token", 1),
)


@dataclass(frozen=True, slots=True)
class Costs:
    """What training each model took: heads with their units, and rows of size, method and numbers (NaN: not known)."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[tuple[float, str]]]]


def costs(frame: pd.DataFrame | None) -> Costs | None:
    """What :func:`ledger.costs` gives, a column per kind that was measured; ``None`` where nothing was trained."""
    if frame is None:
        return None
    known = [cost for cost in COSTS if cost[0] in frame and frame[cost[0]].notna().any()]
    rows = []
    for row in frame.to_dict("records"):
        values = [float(row[column]) / divisor for column, _, _, divisor in known]
        texts = [f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}" for value in values]
        texts = [results.MISSING if math.isnan(value) else text for value, text in zip(values, texts, strict=True)]
        rows.append((row["size"], row["method"], list(zip(values, texts, strict=True))))
    return Costs([f"{head} ({unit})" for _, head, unit, _ in known], rows)
