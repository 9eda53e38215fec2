"""Printed numbers as evidence: the paper prints no errors, so that they are modelled on the released files.

Each score gets the standard error sqrt(d p (1 - p) / m): m problems, and d the ratio of the true variance of the same
column's released files to that of m independent answers. Scores of the same benchmark are correlated as the released
files' scores are, by pair of columns, same or other size, same or other method. Replicates are drawn from a Gaussian
copula. ``data/paper/published_errors.csv`` and ``published_correlations.csv`` hold d and the correlations; ``python
benchmarks/statistics.py errors`` measures them again.

The model is an assumption. Every verdict is taken under three versions of it: as measured, with correlations times 0.7,
and with standard errors times 1.2; it must survive all three.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ... import results, schema, store
from ...metrics.stats import RESAMPLES, Array
from ...schema import Model
from ...sources import paper
from ...training import losses
from .. import loss_order
from .evidence import PUBLISHED, Evidence, Key, derived, empty_log, parameters

PROBLEMS: Mapping[str, int] = {  # behind the paper's scores (section 2.3)
    **dict.fromkeys(schema.COMPREHENSION_TASKS, 2000),
    **dict.fromkeys((*schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS), paper.HUMANEVAL_PROBLEMS),
    **dict.fromkeys(schema.SECURITY_TASKS, 40),
}
ASSUMPTIONS: Mapping[str, tuple[float, float]] = {  # factors of correlations and of standard errors
    "as measured": (1.0, 1.0),
    "correlations x 0.7": (0.7, 1.0),
    "standard errors x 1.2": (1.0, 1.2),
}
ERRORS, CORRELATIONS = "published_errors.csv", "published_correlations.csv"
Pair = tuple[str, str, bool, bool]  # two columns (task:metric), same size, same method


def stratum(task: str) -> str:
    """The benchmark whose problems a task shares."""
    shared = (*schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS)
    return "humaneval" if task in shared else task.split("-")[0]


def published(resamples: int = RESAMPLES, seed: int = 0) -> Evidence:
    """The paper's tables 1 to 5, 7 and 8, with modelled errors and their alternatives."""
    first, *others = (_published(*factors, resamples, seed) for factors in ASSUMPTIONS.values())
    return replace(first, alternatives=tuple(others))


def _published(correlation: float, error: float, resamples: int, seed: int) -> Evidence:
    values = _values()
    scores: dict[Hashable, Array] = {}
    for name in dict.fromkeys(stratum(key[0]) for key in values):
        keys = [key for key in values if stratum(key[0]) == name]
        rng = np.random.default_rng([seed, len(keys)])
        for key, deviation in zip(keys, _joint(keys, correlation, resamples, rng), strict=True):
            drawn = values[key] + error * _standard_error(key, values[key]) * deviation
            scores[key] = np.concatenate([[values[key]], drawn])
    models = tuple(Model(size, method) for size in schema.SIZES for method in schema.METHODS)
    made = derived(scores, models, None)
    scores |= {key: value for key, value in made.items() if not str(key[1]).endswith("/nominal")}  # type: ignore[index]
    clusters = {key: PROBLEMS[key[0]] for key in scores}  # type: ignore[index]
    known = (PUBLISHED, schema.SIZES, scores, clusters, parameters(), empty_log(), _coefficients())
    return Evidence(*known, orders=_orders())


@functools.lru_cache
def _values() -> dict[Key, float]:
    """Every printed score (RC@1 follows from RP@1 and the nominal), and the nominal Pass@1 that Table 4 implies."""
    frame = pd.concat([paper.table(number) for number in (2, 3, 4, 5)])
    frame = frame[frame["metric"] != "rc@1"]
    nominal = paper.nominal().assign(task=results.PLAIN, metric="pass@1/nominal")
    rows = pd.concat([frame, nominal])[["task", "metric", "size", "method", "value"]]
    return {(t, m, s, k): float(v) for t, m, s, k, v in rows.itertuples(index=False, name=None)}


def _standard_error(key: Key, value: float) -> float:
    """In points; a printed 0 or 100 counts as half a problem away from it."""
    m = PROBLEMS[key[0]]
    share = min(max(value / 100, 0.5 / m), 1 - 0.5 / m)
    effects = read_errors()
    return 100 * math.sqrt(effects.get(f"{key[0]}:{key[1]}", 1.0) * share * (1 - share) / m)


def _joint(keys: Sequence[Key], factor: float, resamples: int, rng: np.random.Generator) -> Array:
    """Standard normal draws with the model's correlations, shape (keys, r)."""
    return np.asarray(_root(tuple(keys), factor) @ rng.standard_normal((len(keys), resamples)))


@functools.lru_cache
def _root(keys: tuple[Key, ...], factor: float) -> Array:
    """The symmetric root of the correlation matrix, shape (keys, keys); two assumptions share one.

    Unlike the eigenvectors, it is the same whatever the linear algebra library does with equal eigenvalues; those
    differ with its number of threads.
    """
    matrix = np.eye(len(keys))
    for i, j in itertools.combinations(range(len(keys)), 2):
        matrix[i, j] = matrix[j, i] = factor * _correlation(keys[i], keys[j])
    values, vectors = np.linalg.eigh(matrix)
    root: Array = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    root /= np.sqrt((root**2).sum(axis=1, keepdims=True))  # clipping leaves variances above 1
    return root


def pair_of(one: Key, other: Key) -> Pair:
    """The class of two scores that a correlation is averaged over."""
    a, b = sorted((f"{one[0]}:{one[1]}", f"{other[0]}:{other[1]}"))
    return a, b, one[2] == other[2], one[3] == other[3]


def _correlation(one: Key, other: Key) -> float:
    pair = pair_of(one, other)
    known, fallback = read_correlations()
    kind = (stratum(one[0]), pair[0] == pair[1], *pair[2:])
    return known.get(pair, fallback.get(kind, 0.0))


@functools.lru_cache
def read_errors() -> dict[str, float]:
    """The design effect d of each column (``task:metric``) that has released files."""
    frame = pd.read_csv(store.data_dir() / "paper" / ERRORS)
    return dict(zip(frame["column"], frame["design_effect"].astype(float), strict=True))


@functools.lru_cache
def read_correlations() -> tuple[dict[Pair, float], dict[tuple[str, bool, bool, bool], float]]:
    """Correlations by pair of columns; and, for columns without files, their mean over the benchmark's pairs."""
    frame = pd.read_csv(store.data_dir() / "paper" / CORRELATIONS)
    known: dict[Pair, float] = {}
    kinds: dict[tuple[str, bool, bool, bool], list[float]] = {}
    for a, b, size, method, value, _ in frame.itertuples(index=False, name=None):
        known[a, b, bool(size), bool(method)] = float(value)
        kinds.setdefault((stratum(a.split(":")[0]), a == b, bool(size), bool(method)), []).append(float(value))
    return known, {kind: float(np.mean(values)) for kind, values in kinds.items()}


def measure_errors(evidence: Evidence) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The error model, from the joint replicates of measured cells.

    Returns:
        column, design_effect, cells; and first, second (columns of one benchmark), same_size, same_method, correlation,
        pairs (of cells that it is the mean of).
    """
    printed = {key[:2] for key in _values()}
    cells = {key: value for key, value in evidence.scores.items() if key[:2] in printed}  # type: ignore[index]
    effects: dict[str, list[float]] = {}
    for key, value in cells.items():
        share = value[0] / 100
        if 0 < share < 1:
            plain = 100 * math.sqrt(share * (1 - share) / PROBLEMS[key[0]])  # type: ignore[index]
            effects.setdefault(f"{key[0]}:{key[1]}", []).append(float(value[1:].std() / plain) ** 2)  # type: ignore[index]
    pairs: dict[Pair, list[float]] = {}
    for name in dict.fromkeys(stratum(key[0]) for key in cells):  # type: ignore[index]
        keys = [key for key in cells if stratum(key[0]) == name and cells[key][1:].std() > 0]  # type: ignore[index]
        matrix = np.corrcoef([cells[key][1:] for key in keys])
        for i, j in itertools.combinations(range(len(keys)), 2):
            pairs.setdefault(pair_of(keys[i], keys[j]), []).append(float(matrix[i, j]))  # type: ignore[arg-type]
    errors = pd.DataFrame([(column, np.mean(v), len(v)) for column, v in effects.items()])
    found = pd.DataFrame([(*pair, np.mean(values), len(values)) for pair, values in sorted(pairs.items())])
    names = ["first", "second", "same_size", "same_method", "correlation", "pairs"]
    return errors.set_axis(["column", "design_effect", "cells"], axis=1), found.set_axis(names, axis=1)


def as_printed(frame: pd.DataFrame, sizes: tuple[str, ...], costs: pd.DataFrame | None = None) -> Evidence:
    """Printed numbers whose errors nobody knows: every claim then comes to ``values only``.

    Args:
        frame: results with a column ``published``.
        sizes: in the order in which they grow.
        costs: where some were printed.
    """
    rows = frame[frame["published"].notna()]
    keys: list[Hashable] = list(rows[["task", "metric", "size", "method"]].itertuples(index=False, name=None))
    scores = {key: np.full(3, float(value)) for key, value in zip(keys, rows["published"], strict=True)}
    known = pd.DataFrame(columns=["size", "method", "trainable_parameters"]) if costs is None else costs
    return Evidence(PUBLISHED, sizes, scores, dict.fromkeys(scores, 0), known, empty_log())


def _orders() -> dict[tuple[str, str], tuple[Mapping[str, int], ...]]:
    """The orders of the unpublished final losses that Tables 7 and 8 leave (:mod:`loss_order`)."""
    return {
        (split, size): tuple(
            {method: order.place(method) for method in order.methods} for order in loss_order.orders(size, split)
        )
        for split, size in itertools.product(losses.SPLITS, schema.SIZES)
    }


def _coefficients() -> pd.DataFrame:
    """Tables 7 and 8 as correlations of x and y. Their signs are those of *lower* loss, as the text reads them."""
    tables = {7: "trainable_parameters", 8: "performance"}
    frames = [paper.table(number).assign(x=other, y=lambda f: f["loss"] + "_loss") for number, other in tables.items()]
    frame = pd.concat(frames)
    per_size = len(schema.METHODS)
    n = np.where(frame["size"] == "overall", per_size * len(schema.SIZES), per_size)
    return frame.assign(n=n)[["x", "y", "size", "coefficient", "value", "n"]]
