"""Tables behind the verdicts: means with joint intervals, paired differences of methods, ranks, and costs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ... import results, schema
from ...metrics import stats
from .evidence import PUBLISHED, Evidence
from .measures import Reader, measure


def means(evidence: Evidence, name: str, methods: Sequence[str] = schema.METHODS) -> pd.DataFrame:
    """A measure of every model: size, method, value, se, low, high (95%), published (whether it is the paper's).

    Errors of a mean over tasks are joint: columns that share problems are drawn together.
    """
    reader, rows = Reader(evidence), []
    for size, method in itertools.product(evidence.sizes, methods):
        found = stats.from_draws(reader.value(name, size, method))
        row = {"size": size, "method": method, "value": found.value, "se": found.se, "low": found.low}
        rows.append({**row, "high": found.high, "published": evidence.name == PUBLISHED})
    return pd.DataFrame(rows)


def as_results(
    evidence: Evidence, name: str, frame: pd.DataFrame, methods: Sequence[str] = schema.METHODS
) -> pd.DataFrame:
    """:func:`means` of what a suite measured as rows of ``results``: drawn, tabled and judged like any cell.

    Args:
        evidence: measured.
        name: a measure; it stands as the task, and ``mean`` as the metric.
        frame: the suite's results, for the published value: the plain mean of those of the measure's columns.
        methods: which.

    Returns:
        suite, size, method, task, metric, value, se, low, high, provenance, published, difference, status; a model that
        lacks a column has no mean.
    """
    printed = frame.set_index(["task", "metric", "size", "method"])["published"]
    found = means(evidence, name, methods).assign(suite=evidence.name, task=name, metric="mean")
    rows = []
    for row in found.to_dict("records"):
        cells = [(*column, row["size"], row["method"]) for column in measure(name).columns]
        published = float(printed.reindex(cells).mean(skipna=False))
        missing = np.isnan(row["value"])
        row |= {"provenance": "missing" if missing else "measured", "published": published}
        row |= {"difference": row["value"] - published, "status": _status(row["value"], published)}
        rows.append(row)
    columns = [name for name in results.COLUMNS if name not in ("n", "clusters", "origin")]
    return pd.DataFrame(rows).reindex(columns=columns)


def _status(value: float, published: float) -> str:
    """Of a mean over tasks: equal to the printed one or not; whose noise it is, the cells say."""
    if np.isnan(value):
        return "no artefact"
    if np.isnan(published):
        return "not published"
    return "equal" if stats.same_digits(value, published) else "verdicts differ"


def differences(
    evidence: Evidence, name: str, methods: Sequence[str] = schema.METHODS, at_hand: bool = False
) -> pd.DataFrame:
    """Every two methods compared at every size, paired by problem, stratified by benchmark.

    Args:
        evidence: of what.
        name: a measure.
        methods: which.
        at_hand: compare over those columns that both have.

    Returns:
        size, first, second, value (first - second), low, high (95%), p (two-sided), p_holm (Holm's correction over all
        pairs and sizes that could be compared), columns (of the measure that went in).
    """
    reader, rows = Reader(evidence, at_hand), []
    for size, (first, second) in itertools.product(evidence.sizes, itertools.combinations(methods, 2)):
        gap = reader.difference(name, (size, first), (size, second))
        found = stats.from_draws(gap)
        apart = reader.columns(name, size, first)[:, 0] - reader.columns(name, size, second)[:, 0]
        row = {"size": size, "first": first, "second": second, "value": found.value, "low": found.low}
        p = np.nan if np.isnan(found.value) else stats.zero_test(found.value, found.se)
        rows.append({**row, "high": found.high, "p": p, "columns": int((~np.isnan(apart)).sum())})
    frame = pd.DataFrame(rows, columns=["size", "first", "second", "value", "low", "high", "p", "columns"])
    return frame.assign(p_holm=stats.holm(frame["p"]))


def ranks(evidence: Evidence, name: str, methods: Sequence[str] = schema.METHODS, lower: bool = False) -> pd.DataFrame:
    """Ranks at every size: size, method, rank (1 is best), low, high (95%), best (share of redraws).

    ``null``: the 95% point of the largest share if all methods were equal (:func:`stats.redraw_null`): a share below it
    says nothing. NaN at a size where not every method has the measure.
    """
    reader, frames = Reader(evidence), []
    for size in evidence.sizes:
        values = np.stack([reader.value(name, size, method) for method in methods], axis=1)
        found = stats.ranks(values[0], values[1:], lower=lower)
        columns = {"rank": found.rank, "low": found.low, "high": found.high, "best": found.best}
        columns["null"] = np.full(len(methods), stats.redraw_null(len(methods))[1])
        frames.append(pd.DataFrame({"size": size, "method": list(methods), **columns}))
    return pd.concat(frames, ignore_index=True)


def critical_difference(
    evidence: Evidence, name: str, sizes: Sequence[str] = (), methods: Sequence[str] = schema.METHODS
) -> stats.CriticalDifference:
    """Average ranks and their critical range; a block is a column of the measure at a size, labels permuted by size."""
    reader, chosen = Reader(evidence), list(sizes or evidence.sizes)
    blocks = [np.stack([reader.columns(name, size, method)[:, 0] for method in methods], axis=1) for size in chosen]
    return stats.critical_difference(np.concatenate(blocks), np.repeat(chosen, [len(block) for block in blocks]))


def with_costs(
    evidence: Evidence,
    name: str = "performance",
    cost: str = "trainable_parameters",
    methods: Sequence[str] = schema.METHODS,
) -> pd.DataFrame:
    """:func:`means` with a cost next to each, for a Pareto figure; ``cost`` is NaN where it is not known."""
    reader, frame = Reader(evidence), means(evidence, name, methods)
    models = zip(frame["size"], frame["method"], strict=True)
    return frame.assign(**{cost: [reader.columns(cost, size, method)[0, 0] for size, method in models]})
