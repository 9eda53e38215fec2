"""Standard errors and intervals of scores that come in clusters.

The samples of one problem are not independent: the problem is drawn, then answered several times. Every standard error
here treats the clusters (problems), not the samples, as what was drawn. Functions work in the unit of their input;
:meth:`Estimate.scaled` turns shares into percent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

Array = npt.NDArray[np.float64]
LEVEL = 0.95
RESAMPLES = 2000
PRIOR = 0.2  # degrees of freedom with which "all samples of a cluster agree" enters the estimate of a design effect
_scipy: Any = _scipy_stats  # its distributions are made at run time, which type checkers cannot follow


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its uncertainty; what is undefined is NaN.

    Attributes:
        value: the metric.
        se: its standard error, clustered.
        low, high: ends of the interval (95% unless asked otherwise); not always symmetric.
        n: samples that went in.
        clusters: problems that went in.
        noise: variance of the value if the same problems were answered again (decoding noise); 0 for greedy answers.
    """

    value: float
    se: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    clusters: int = 0
    noise: float = math.nan

    def scaled(self, factor: float) -> Estimate:
        """The same estimate in another unit (``factor`` > 0)."""
        powers = {"value": 1, "se": 1, "low": 1, "high": 1, "noise": 2}
        moved: Any = {name: getattr(self, name) * factor**power for name, power in powers.items()}
        moved |= {name: math.nan for name, v in moved.items() if v != v}  # one NaN: estimates stay comparable
        return replace(self, **moved)


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share of ``n`` trials (Wilson 1927); ``n`` may be an effective sample size."""
    square = quantile**2 / n
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def clustered_mean(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    n: int | None = None,
    share: bool = False,
    level: float = LEVEL,
) -> Estimate:
    """Mean of ``values`` with a standard error clustered by ``clusters``.

    SE^2 = m/(m-1) * sum_c (sum_{i in c} (x_i - mean))^2 / N^2, m clusters, N values: the sandwich estimator; with one
    value per cluster it is the usual s/sqrt(m). The interval is Student's with m - 1 degrees of freedom.

    Args:
        values: shape (N,).
        clusters: shape (N,), a label per value; ``None``: every value is a cluster.
        n: samples behind the values (default N).
        share: the values lie in [0, 1]; the interval is then that of :func:`clustered_ratio`.
        level: coverage.

    Raises:
        ValueError: shapes differ, or ``share`` and a value outside [0, 1].
    """
    x = np.asarray(values, dtype=float)
    labels = np.arange(len(x)) if clusters is None else np.asarray(clusters)
    if x.ndim != 1 or labels.shape != x.shape:
        raise ValueError(f"values of shape {x.shape} with clusters of shape {labels.shape}: both must be (N,)")
    if share and ((x < 0) | (x > 1)).any():
        raise ValueError("a share lies between 0 and 1")
    unique, codes = np.unique(labels, return_inverse=True)
    rows = np.column_stack([np.bincount(codes, weights=x), np.bincount(codes)]) if len(x) else np.empty((0, 2))
    n = len(x) if n is None else n
    if np.isnan(x).any():
        return Estimate(math.nan, n=n, clusters=len(unique))
    return clustered_ratio(rows, n=n, share=share, level=level)


def clustered_ratio(rows: npt.ArrayLike, *, n: int, share: bool = True, level: float = LEVEL) -> Estimate:
    """The first sum over the second, with a standard error clustered by row (the linearised ratio).

    A share's interval is Wilson's at the effective sample size m / d. It keeps to [0, 1] and does not collapse where
    all clusters agree. d is the design effect: the spread between clusters over mean (1 - mean), which is 1 where all
    samples of a cluster agree. Where every cluster scores 0 or 1, d is 1 and the interval is Wilson's own. Elsewhere d
    is an estimate with v = 2 m / (kurtosis - 1) degrees of freedom (Satterthwaite): many where most clusters vary,
    about 2 k where k of them score above 0 and the others score 0. It is moderated towards 1, (v d + ``PRIOR``) / (v +
    ``PRIOR``), and the quantile is Student's with v + ``PRIOR`` degrees of freedom, at most m - 1.
    ``benchmarks/statistics.py`` simulates the coverage.

    Args:
        rows: shape (m, 2), what each cluster adds to the two sums; clusters that add nothing to the second are left
            out.
        n: samples behind the rows; the effective sample size cannot exceed it.
        share: whether the ratio lies in [0, 1]; otherwise the interval is Student's with m - 1 degrees of freedom.
        level: coverage.
    """
    given = np.asarray(rows, dtype=float).reshape(-1, 2)
    kept = given[given[:, 1] > 0]
    m = len(kept)
    if m == 0:
        return Estimate(math.nan, n=n, clusters=len(given))
    total = float(kept[:, 1].sum())
    mean = float(kept[:, 0].sum()) / total
    residual = kept[:, 0] - mean * kept[:, 1]
    variance = float((residual**2).sum()) / total**2  # times m/(m-1) it estimates the variance of the mean
    se = math.sqrt(variance * m / (m - 1)) if m > 1 else math.nan
    if share:
        low, high = _share_interval(mean, variance, kept, n, level)
    else:
        half = _scipy.t.ppf((1 + level) / 2, m - 1) * se if m > 1 else math.nan
        low, high = mean - half, mean + half
    return Estimate(mean, se, float(low), float(high), n, m)


def _share_interval(mean: float, variance: float, rows: Array, n: int, level: float) -> tuple[float, float]:
    by_cluster, m = rows[:, 0] / rows[:, 1], len(rows)
    alike = (rows[:, 1] == rows[0, 1]).all() or mean in (0.0, 1.0)
    if alike and np.isin(by_cluster, (0.0, 1.0)).all():
        # the variance follows from the mean, nothing is estimated: normal quantile, m trials
        return wilson(mean, m, float(_scipy.norm.ppf((1 + level) / 2)))
    if m < 2:
        return math.nan, math.nan
    degrees = _degrees(rows[:, 0] - mean * rows[:, 1])
    design = variance * m / (mean * (1 - mean))
    design = design if math.isinf(degrees) else (degrees * design + PRIOR) / (degrees + PRIOR)
    effective = n if design == 0 else min(n, m / design)
    return wilson(mean, effective, float(_scipy.t.ppf((1 + level) / 2, min(degrees + PRIOR, m - 1))))


def _degrees(residual: Array) -> float:
    """Degrees of freedom of a variance estimate by the kurtosis of what it is made of; infinite where nothing varies.

    The relative variance of the estimate is (kurtosis - 1) / m, that of chi-square over its v degrees of freedom 2 / v.
    """
    square = residual**2
    spread = float(square.var())
    return math.inf if spread <= 0 else 2 * float(square.sum()) * float(square.mean()) / spread


def cluster_bootstrap(
    rows: npt.ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    n: int | None = None,
) -> Estimate:
    """Bootstrap over clusters of a statistic of column sums, with a BCa interval (Efron 1987).

    Equal rows are drawn together (a multinomial over the distinct ones): the same distribution as drawing row by row,
    independent of the rows' order, and fast where clusters have few distinct outcomes.

    Args:
        rows: shape (m, f), what each cluster adds to the sums (for instance its cells of a confusion matrix).
        statistic: sums of shape (r, f) -> values of shape (r,); NaN where undefined. Undefined resamples are left out.
        resamples: how many.
        seed: the same seed gives the same interval.
        level: coverage.
        n: samples that went in (default: the total of all sums, for rows that count samples).

    Returns:
        The estimate.
    """
    data = np.asarray(rows, dtype=float)
    if data.ndim != 2:
        raise ValueError(f"rows must be (clusters, features), not {data.shape}")
    m, n = len(data), round(float(data.sum())) if n is None else n
    if m == 0:
        return Estimate(math.nan)
    total = data.sum(axis=0)
    value = float(statistic(total[None])[0])
    if math.isnan(value) or m == 1:
        return Estimate(value, n=n, clusters=m)
    distinct, counts = np.unique(data, axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(m, counts / m, size=resamples)
    replicates = statistic(draws @ distinct)
    replicates = replicates[~np.isnan(replicates)]
    if len(replicates) < 2:
        return Estimate(value, n=n, clusters=m)
    low, high = _bca(value, replicates, statistic(total - distinct), counts, level)
    return Estimate(value, float(replicates.std(ddof=1)), low, high, n, m)


def _bca(
    value: float, replicates: Array, left_out: Array, counts: npt.NDArray[np.intp], level: float
) -> tuple[float, float]:
    """Ends of the BCa interval; ``left_out`` holds the jackknife's values, each standing for ``counts`` clusters."""
    below = (np.mean(replicates < value) + np.mean(replicates <= value)) / 2  # ties count half
    margin = 0.5 / len(replicates)
    bias = _scipy.norm.ppf(np.clip(below, margin, 1 - margin))
    defined = ~np.isnan(left_out)
    weights, left_out = counts[defined], left_out[defined]
    deviation = np.average(left_out, weights=weights) - left_out if len(left_out) else left_out
    spread = float((weights * deviation**2).sum())
    acceleration = float((weights * deviation**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    quantiles = _scipy.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    shifted = bias + (bias + quantiles) / (1 - acceleration * (bias + quantiles))
    low, high = np.quantile(replicates, _scipy.norm.cdf(shifted))
    return float(low), float(high)
