"""A bootstrap of many scores at once: whatever is computed from them then has its uncertainty, differences paired.

Models answer the same problems. A draw takes problems, with replacement, and recomputes every score on the problems it
took; problems of different benchmarks (strata) are drawn apart, and a benchmark that several tasks use is drawn once
for all of them. A difference of two methods, a mean over tasks or a slope over sizes is then computed within each draw.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

from .estimates import LEVEL, RESAMPLES, Array, Estimate

_scipy: Any = _scipy_stats


@dataclass(frozen=True, slots=True)
class Column:
    """One score: what each of its problems adds to sums, and the score of such sums.

    Attributes:
        stratum: name of the benchmark that the problems are of.
        clusters: the problems' names, shape (m,), each once.
        rows: shape (m, f), what a problem adds.
        statistic: sums of shape (r, f) -> values of shape (r,).
    """

    stratum: str
    clusters: npt.NDArray[np.str_]
    rows: Array
    statistic: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Joint:
    """Scores with joint replicates.

    Attributes:
        values: by key, shape (1 + r,): the score itself, then its replicates.
        clusters: by key, how many problems.
    """

    values: Mapping[Hashable, Array]
    clusters: Mapping[Hashable, int]


def ratio(sums: Array) -> Array:
    """The usual statistic: the first sum over the second, NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Array = np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], math.nan)
    return share


def joint_bootstrap(columns: Mapping[Hashable, Column], *, resamples: int = RESAMPLES, seed: int = 0) -> Joint:
    """Draw problems, and compute every column's score on each draw.

    A draw takes m - 1 of a stratum's m problems: the variance of a mean over them is then s^2/m, without the factor
    (m-1)/m by which drawing m falls short (McCarthy and Snowden 1985), which matters for 40 scenarios.

    Args:
        columns: by any key.
        resamples: how many draws.
        seed: the same seed gives the same draws, whatever the order of the columns and whichever else there are of
            other strata.

    Raises:
        ValueError: a column whose problems are named twice, or whose rows do not fit them.
    """
    strata: dict[str, list[Hashable]] = {}
    for key, column in columns.items():
        if column.rows.ndim != 2 or len(column.clusters) != len(column.rows):
            raise ValueError(f"{key}: rows of shape {column.rows.shape} for {len(column.clusters)} problems")
        strata.setdefault(column.stratum, []).append(key)
    values: dict[Hashable, Array] = {}
    for stratum, keys in strata.items():
        rng = np.random.default_rng([seed, zlib.crc32(stratum.encode())])
        values |= _draw([columns[key] for key in keys], keys, resamples, rng)
    return Joint({key: values[key] for key in columns}, {key: len(columns[key].clusters) for key in columns})


def _draw(
    columns: list[Column], keys: list[Hashable], resamples: int, rng: np.random.Generator
) -> dict[Hashable, Array]:
    """The columns of one stratum: one matrix of what every problem adds to every column, times how often it counts."""
    names = np.unique(np.concatenate([column.clusters for column in columns]))
    ends = np.cumsum([0, *(column.rows.shape[1] for column in columns)])
    added = np.zeros((len(names), ends[-1]))
    for key, column, start, end in zip(keys, columns, ends[:-1], ends[1:], strict=True):
        places = np.searchsorted(names, column.clusters)
        if len(np.unique(places)) != len(places):
            raise ValueError(f"{key}: a problem is named twice")
        added[places, start:end] = column.rows
    sums = _weights(len(names), resamples, rng) @ added
    return {
        key: column.statistic(sums[:, start:end])
        for key, column, start, end in zip(keys, columns, ends[:-1], ends[1:], strict=True)
    }


def _weights(m: int, resamples: int, rng: np.random.Generator) -> Array:
    """How often each problem counts, shape (1 + r, m); the first row counts each once."""
    drawn = rng.multinomial(max(m - 1, 1), np.full(m, 1 / m), size=resamples)
    return np.concatenate([np.ones((1, m)), drawn]).astype(float)


def from_draws(values: Array, n: int = 0, clusters: int = 0, level: float = LEVEL) -> Estimate:
    """Score and replicates, shape (1 + r,), as an estimate with a percentile interval; NaN where the score is NaN.

    Replicates that are NaN are left out.
    """
    drawn = values[1:][~np.isnan(values[1:])]
    if math.isnan(values[0]) or len(drawn) < 2:
        return Estimate(float(values[0]), n=n, clusters=clusters)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(values[0]), float(drawn.std(ddof=1)), float(low), float(high), n, clusters)


@functools.cache
def _wider(degrees: int) -> float:
    """Student's over the normal quantile, one-sided 5%."""
    return float(_scipy.t.ppf(0.95, degrees) / _scipy.norm.ppf(0.95))


def widened(values: Array, clusters: int, step: float, rng: np.random.Generator) -> Array:
    """Replicates of one score, wide enough for tests with few problems or few events.

    Two corrections. Deviations grow by Student's over the normal quantile (one-sided 5%, ``clusters`` - 1 degrees of
    freedom), because the spread between problems is itself estimated. And each replicate gets a normal error with half
    the variance of ``step``, the change of the score by one sample: a difference of two scores then has the variance of
    one more discordant sample (half a sample per cell of the table of pairs, Agresti and Min 2005), so that equal
    answers to all problems are no certainty.

    Args:
        values: score and replicates, shape (1 + r,).
        clusters: problems behind the score.
        step: in the unit of the score; 0 adds nothing.
        rng: of the added error.
    """
    drawn = values[1:]
    wide = _wider(clusters - 1) if clusters > 1 else math.nan
    centre = np.nanmean(drawn) if len(drawn) and not np.isnan(drawn).all() else math.nan
    added = step / math.sqrt(2) * rng.standard_normal(len(drawn))
    return np.concatenate([values[:1], centre + wide * (drawn - centre) + added])


def sign_test(value: float, se: float) -> tuple[float, float]:
    """One-sided p-values of "above 0" and of "not above 0" for an estimate with a normal error.

    A value without an error (``se`` 0 or NaN: a printed or counted number, a tie of constants) proves nothing by
    itself: (1, 1).
    """
    if math.isnan(value) or not se > 0:
        return 1.0, 1.0
    z = value / se / math.sqrt(2)  # claims test thousands of comparisons: SciPy takes 50 times longer
    return math.erfc(z) / 2, math.erfc(-z) / 2


def zero_test(value: float, se: float) -> float:
    """Two-sided p-value of "0" for an estimate with a normal error; 1 without an error, as :func:`sign_test`."""
    return min(1.0, 2 * min(sign_test(value, se)))
