"""Which of many methods may be the best, which differ from a control, and where each stands once noise is shrunk.

All functions take joint replicates (:func:`.joint.joint_bootstrap`), so that what methods share (problems) cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize as _scipy_optimize
from scipy import stats as _scipy_stats

from .estimates import LEVEL, Array

_optimize: Any = _scipy_optimize
_scipy: Any = _scipy_stats


@dataclass(frozen=True, slots=True)
class WithBest:
    """Each of k methods compared with the best of the others; arrays of shape (k,).

    Attributes:
        gap: the method's value minus the best of the others.
        low, high: simultaneous interval of the true gap. It contains 0 at one end or inside.
        may_be_best: whether the interval reaches above 0: the method is not separated from the best.
    """

    gap: Array
    low: Array
    high: Array
    may_be_best: npt.NDArray[np.bool_]


def _differences(values: Array, draws: Array, of: int) -> tuple[Array, Array, Array]:
    """Differences of one method to all, shape (k,); their standard errors; centred draws over them, (r, k)."""
    gaps = values[of] - values
    drawn = draws[:, [of]] - draws
    centred = drawn - drawn.mean(axis=0)
    errors = centred.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        null = np.where(errors > 1e-12, centred / errors, 0.0)
    return gaps, errors, null


def _checked(values: npt.ArrayLike, draws: npt.ArrayLike) -> tuple[Array, Array]:
    point, drawn = np.asarray(values, dtype=float), np.asarray(draws, dtype=float)
    if point.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != len(point) or len(point) < 2:
        raise ValueError(f"values of shape {point.shape}, draws of shape {drawn.shape}: must be (k,), (r, k), k > 1")
    if np.isnan(point).any() or np.isnan(drawn).any():
        raise ValueError("a value or a replicate is NaN: leave methods without a score out")
    return point, drawn


def with_best(values: npt.ArrayLike, draws: npt.ArrayLike, *, level: float = LEVEL) -> WithBest:
    """Compare each method with the best of the others (Hsu 1984), from joint draws.

    Interval of gap i: from -max(0, -min_j(d_ij - c_i s_ij)) to max(0, min_j(d_ij + c_i s_ij)), where d_ij is the
    difference to method j, s_ij its standard error, and c_i the quantile of the largest of their null statistics.

    Args:
        values: shape (k,), higher is better.
        draws: shape (r, k), joint replicates of the values.
        level: simultaneous coverage.

    Raises:
        ValueError: shapes that differ, fewer than two methods, or NaN.
    """
    point, drawn = _checked(values, draws)
    count = len(point)
    gap, low, high = (np.empty(count) for _ in range(3))
    for i in range(count):
        others = np.arange(count) != i
        gaps, errors, null = _differences(point, drawn, i)
        critical = float(np.quantile(null[:, others].max(axis=1), level))
        gap[i] = gaps[others].min()
        low[i] = min(0.0, float((gaps - critical * errors)[others].min()))
        high[i] = max(0.0, float((gaps + critical * errors)[others].min()))
    ties = np.array([high[i] > 0 or gap[i] >= 0 for i in range(count)])
    return WithBest(gap, low, high, ties)


@dataclass(frozen=True, slots=True)
class AgainstControl:
    """Each of k methods minus a control; arrays of shape (k,), NaN for the control itself.

    Attributes:
        gap: the difference.
        low, high: simultaneous two-sided interval.
        p: adjusted for all comparisons with this control.
    """

    gap: Array
    low: Array
    high: Array
    p: Array


def against(values: npt.ArrayLike, draws: npt.ArrayLike, control: int, *, level: float = LEVEL) -> AgainstControl:
    """Compare each method with one control (Dunnett's comparisons, from joint draws by max-t).

    Args:
        values: shape (k,).
        draws: shape (r, k), joint replicates.
        control: index of the control.
        level: simultaneous coverage.

    Raises:
        ValueError: as :func:`with_best`.
    """
    point, drawn = _checked(values, draws)
    gaps, errors, null = _differences(point, drawn, control)
    gaps = -gaps
    largest = np.sort(np.abs(np.delete(null, control, axis=1)).max(axis=1))
    critical = float(np.quantile(largest, level))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where(errors > 1e-12, np.abs(gaps) / errors, 0.0)
    reached = len(largest) - np.searchsorted(largest, observed, side="left")
    p = np.where(errors > 1e-12, (reached + 1) / (len(largest) + 1), 1.0)
    made = [gaps, gaps - critical * errors, gaps + critical * errors, p]
    for column in made:
        column[control] = math.nan
    return AgainstControl(*made)


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Values pulled towards their family's mean; arrays of shape (k,).

    Attributes:
        mean, sd: of each method's true value given the data.
        rank_low, rank_high: interval of its rank, 1 is best.
        within, between: standard deviations of methods around their family, and of families.
    """

    mean: Array
    sd: Array
    rank_low: Array
    rank_high: Array
    within: float
    between: float


def shrunk(
    values: npt.ArrayLike, draws: npt.ArrayLike, families: Sequence[str], *, level: float = LEVEL, seed: int = 0
) -> Shrunk:
    """Shrink values by family for display (empirical Bayes): the raw best of many is too high on average.

    Model: value = overall mean + family + method + error, all normal; the errors' covariance is that of the draws, the
    two variances maximise the marginal likelihood. What all methods share is removed first.

    Args:
        values: shape (k,), higher is better.
        draws: shape (r, k), joint replicates.
        families: of each method.
        level: coverage of the rank intervals.
        seed: of the draws behind the rank intervals.

    Raises:
        ValueError: as :func:`with_best`, or families of another length.
    """
    point, drawn = _checked(values, draws)
    if len(families) != len(point):
        raise ValueError(f"{len(families)} families for {len(point)} methods")
    middle = point.mean()
    own, centred = point - middle, drawn - drawn.mean(axis=1, keepdims=True)
    noise = np.cov(centred, rowvar=False) + 1e-9 * max(1e-9, float(own.var())) * np.eye(len(own))
    same = np.equal.outer(np.array(families, dtype=object), np.array(families, dtype=object)).astype(float)
    scale = max(float(own.var(ddof=1)), 1e-12)

    def prior(logs: Array) -> Array:
        within, between = np.exp(logs) * scale
        made: Array = within * np.eye(len(own)) + between * same
        return made

    def surprise(logs: Array) -> float:
        return -float(_scipy.multivariate_normal.logpdf(own, cov=prior(logs) + noise, allow_singular=True))

    starts = [np.array([a, b]) for a in (-1.0, -4.0) for b in (-1.0, -4.0)]
    bounds = [(-12.0, 3.0)] * 2
    found = min((_optimize.minimize(surprise, start, bounds=bounds) for start in starts), key=lambda one: one.fun)
    logs = np.round(found.x, 3)  # what lies behind is the optimiser's, and differs with the number of threads
    covariance = prior(logs)
    gain = np.linalg.solve(covariance + noise, covariance).T
    mean, left = gain @ own, covariance - gain @ covariance
    sampled = np.random.default_rng(seed).multivariate_normal(mean, (left + left.T) / 2, size=4000, method="eigh")
    ranks = _scipy.rankdata(-sampled, axis=1)
    low, high = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=0)
    within, between = np.sqrt(np.exp(logs) * scale)
    spread = np.sqrt(np.maximum(np.diag(left), 0))
    return Shrunk(mean + middle, spread, low, high, float(within), float(between))
