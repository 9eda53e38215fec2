"""Which of several methods is best: ranks with their uncertainty, and the critical difference of average ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

from .estimates import LEVEL, Array

_scipy: Any = _scipy_stats


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of k methods, 1 is best; arrays of shape (k,).

    Attributes:
        rank: of the values themselves; ties share the mean of their ranks.
        low, high: ends of the interval over the draws.
        best: share of the draws in which the method is best (ties share it).
    """

    rank: Array
    low: Array
    high: Array
    best: Array


def ranks(values: npt.ArrayLike, draws: npt.ArrayLike, *, lower: bool = False, level: float = LEVEL) -> Ranks:
    """Rank methods by their values, and see how often the ranks hold when problems are drawn anew.

    Args:
        values: shape (k,).
        draws: shape (r, k), joint replicates of the values (:func:`joint_bootstrap`): methods drawn with the same
            problems, so that what they share cancels.
        lower: the lowest value is best.
        level: coverage of the intervals.

    Returns:
        NaN throughout where a value is NaN: a rank among fewer methods would be another quantity. Draws in which a
        value is undefined are left out.

    Raises:
        ValueError: shapes that differ.
    """
    point, sampled = np.asarray(values, dtype=float), np.asarray(draws, dtype=float)
    if point.ndim != 1 or sampled.ndim != 2 or sampled.shape[1] != len(point):
        raise ValueError(f"values of shape {point.shape}, draws of shape {sampled.shape}: must be (k,) and (r, k)")
    sampled = sampled[~np.isnan(sampled).any(axis=1)]
    if np.isnan(point).any() or not len(sampled):
        nothing = np.full(len(point), math.nan)
        return Ranks(nothing, nothing, nothing, nothing)
    sign = 1.0 if lower else -1.0
    own = np.asarray(_scipy.rankdata(sign * point), dtype=float)
    drawn = np.asarray(_scipy.rankdata(sign * sampled, axis=1), dtype=float)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    first = drawn == drawn.min(axis=1, keepdims=True)
    return Ranks(own, low, high, (first / first.sum(axis=1, keepdims=True)).mean(axis=0))


@dataclass(frozen=True, slots=True)
class CriticalDifference:
    """Friedman's test over blocks and Nemenyi's critical difference (Demšar 2006).

    Attributes:
        average: mean rank of each method, shape (k,); 1 is best.
        statistic, p: Friedman's chi-square, corrected for ties, and its p-value.
        difference: two average ranks farther apart than this differ at ``level``.
        blocks: how many (task columns).
    """

    average: Array
    statistic: float
    p: float
    difference: float
    blocks: int


def critical_difference(scores: npt.ArrayLike, *, lower: bool = False, level: float = LEVEL) -> CriticalDifference:
    """Compare k methods over n blocks by their ranks within each block.

    The critical difference is q sqrt(k (k+1) / (6 n)), q the Studentised range's quantile over sqrt(2).

    Args:
        scores: shape (n, k), a row per block (a task), a column per method; blocks with a NaN are left out.
        lower: the lowest score is best.
        level: 1 - the family-wise error.

    Returns:
        NaN where fewer than two blocks or three methods are left.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2:
        raise ValueError(f"scores have shape {table.shape}: expected (blocks, methods)")
    table = table[~np.isnan(table).any(axis=1)] * (1.0 if lower else -1.0)
    n, k = table.shape
    if n < 2 or k < 3:
        return CriticalDifference(np.full(k, math.nan), math.nan, math.nan, math.nan, n)
    average = np.asarray(_scipy.rankdata(table, axis=1), dtype=float).mean(axis=0)
    friedman = _scipy.friedmanchisquare(*table.T)
    q = float(_scipy.studentized_range.ppf(level, k, math.inf)) / math.sqrt(2)
    difference = q * math.sqrt(k * (k + 1) / (6 * n))
    return CriticalDifference(average, float(friedman.statistic), float(friedman.pvalue), difference, n)


def cliques(average: npt.ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """Largest groups of methods whose average ranks lie within ``difference``: what the diagram's bars join.

    Args:
        average: shape (k,), mean ranks.
        difference: the critical difference.

    Returns:
        Indices of each group in the order of their ranks; groups of one, and groups within another, are left out.
    """
    mean = np.asarray(average, dtype=float)
    order = np.argsort(mean, kind="stable")
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start
        while end + 1 < len(order) and mean[order[end + 1]] - mean[order[start]] <= difference:
            end += 1
        if end > start and end > reached:
            groups.append(tuple(int(i) for i in order[start : end + 1]))
            reached = end
    return groups
