"""Kendall's, Pearson's and Spearman's correlation of models: within sizes as a test, pooled as a description.

Models of one method, and models of one size, are relatives: 28 of them are not 28 independent points. A test that
treats them so rejects a true null hypothesis in 13 to 23% of runs at a nominal 5%. The tests here compare methods
within each size and permute the methods' labels, with the same permutation at every size.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

from .estimates import LEVEL, Array

Coefficient = Literal["kendall", "pearson", "spearman"]
_scipy: Any = _scipy_stats
EXACT = 7  # methods up to which every permutation is tried (5,040); beyond, so many at random:
PERMUTATIONS = 20_000
_TIE = 1e-9  # permuted statistics this close to the observed one count as equal to it


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation with its two-sided p-value and interval, all pairs taken as independent: a description."""

    coefficient: Coefficient
    value: float
    p: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Association:
    """A mean of within-size coefficients with its test.

    Attributes:
        value: the mean over sizes.
        se: jackknife over methods.
        p_above, p_below: one-sided, by permutation, that the value is so large, or so small, by chance.
        methods: k.
        step: what two neighbours exchanged at one size change a Kendall coefficient by.
        widest: 1; 2 for a difference of two coefficients.
    """

    value: float
    se: float
    p_above: float
    p_below: float
    methods: int
    step: float = math.nan
    widest: float = 1.0

    def against(self, threshold: float) -> tuple[float, float]:
        """One-sided p-values of "above the threshold" and "not above it".

        At 0 they are the permutation's. Any other threshold takes Student's on the jackknife's standard error, on the
        arcsine scale: near 1 that error is too small.
        """
        if threshold == 0:
            return self.p_above, self.p_below
        if not self.se > 0:
            return 1.0, 1.0
        angle, se = self._angle()
        t = (angle - math.asin(threshold / self.widest)) / se
        return float(_scipy.t.sf(t, self.methods - 1)), float(_scipy.t.cdf(t, self.methods - 1))

    @property
    def low(self) -> float:
        """Lower end of Student's 95% interval with k - 1 degrees of freedom, on the arcsine scale."""
        return min(self.value, self._end(-1))

    @property
    def high(self) -> float:
        """Its upper end."""
        return max(self.value, self._end(1))

    def _end(self, side: int) -> float:
        if not self.se > 0:
            return math.nan
        angle, se = self._angle()
        end = angle + side * float(_scipy.t.ppf((1 + LEVEL) / 2, self.methods - 1)) * se
        return self.widest * math.sin(min(max(end, -math.pi / 2), math.pi / 2))

    def _angle(self) -> tuple[float, float]:
        """The arcsine of the value, a step away from the ends at least, and its standard error."""
        inner = math.copysign(min(abs(self.value), self.widest - self.step), self.value) / self.widest
        return math.asin(inner), self.se / self.widest / math.sqrt(1 - inner**2)


_TESTS: dict[str, Callable[..., Any]] = {
    "kendall": _scipy.kendalltau,
    "pearson": _scipy.pearsonr,
    "spearman": _scipy.spearmanr,
}


def correlation(
    x: npt.ArrayLike, y: npt.ArrayLike, coefficient: Coefficient = "kendall", level: float = LEVEL
) -> Correlation:
    """Kendall's tau-b, Pearson's r or Spearman's rho (the paper's appendix I), p as SciPy gives it.

    Pairs with a NaN are left out. The interval is on Fisher's z scale with variance 1/(n-3) for Pearson,
    (1 + rho^2/2)/(n-3) for Spearman (Bonett and Wright 2000) and 0.437/(n-4) for Kendall (Fieller et al. 1957). A
    perfect rank correlation gets the inner end of the next smaller value that n pairs can have. NaN where fewer than 3
    pairs are left or one side is constant; the interval is NaN below 5 pairs.

    Raises:
        ValueError: unknown coefficient, or shapes that differ.
    """
    if coefficient not in _TESTS:
        raise ValueError(f"unknown coefficient {coefficient!r}: known are {', '.join(_TESTS)}")
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"shapes {a.shape} and {b.shape}: both must be (n,)")
    both = ~(np.isnan(a) | np.isnan(b))
    a, b, n = a[both], b[both], int(both.sum())
    if n < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(coefficient, math.nan, math.nan, math.nan, math.nan, n)
    done = _TESTS[coefficient](a, b)
    value = float(done.statistic)
    low, high = _fisher_interval(coefficient, value, n, level)
    return Correlation(coefficient, value, float(done.pvalue), low, high, n)


def _fisher_interval(coefficient: Coefficient, value: float, n: int, level: float) -> tuple[float, float]:
    if n < 5:
        return math.nan, math.nan
    step = 4 / (n * (n - 1)) if coefficient == "kendall" else 12 / (n * (n**2 - 1))  # two neighbours exchanged
    inner = math.copysign(min(abs(value), 1 - step), value)
    variance = {"pearson": 1 / (n - 3), "spearman": (1 + inner**2 / 2) / (n - 3), "kendall": 0.437 / (n - 4)}
    half = float(_scipy.norm.ppf((1 + level) / 2)) * math.sqrt(variance[coefficient])
    low, high = math.tanh(math.atanh(inner) - half), math.tanh(math.atanh(inner) + half)
    if abs(value) > abs(inner):
        return (low, value) if value > 0 else (value, high)
    return low, high


@functools.lru_cache(maxsize=8)
def _permutations(k: int) -> npt.NDArray[np.intp]:
    """Permutations of k labels, shape (r, k), the identity first: all of them, or so many at random."""
    if k <= EXACT:
        return np.array(list(itertools.permutations(range(k))), dtype=np.intp)
    rng = np.random.default_rng(k)
    drawn = rng.permuted(np.tile(np.arange(k), (PERMUTATIONS - 1, 1)), axis=1)
    return np.concatenate([np.arange(k)[None], drawn]).astype(np.intp)


def _one(x: Array, y: Array, coefficient: Coefficient) -> Array:
    """The coefficient of one size's x, shape (k,), with each row of y, shape (r, k)."""
    if coefficient == "kendall":
        i, j = np.triu_indices(len(x), 1)
        a, b = np.sign(x[i] - x[j]), np.sign(y[:, i] - y[:, j])
        with np.errstate(invalid="ignore"):
            tau: Array = b @ a / np.sqrt((a**2).sum() * (b**2).sum(axis=1))
        return tau
    if coefficient == "spearman":
        x, y = _scipy.rankdata(x), _scipy.rankdata(y, axis=1)
    a, b = x - x.mean(), y - y.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        r: Array = b @ a / np.sqrt((a**2).sum() * (b**2).sum(axis=1))
    return r


def mean_within(x: Array, y: Array, coefficient: Coefficient) -> float:
    """The mean over sizes of how x and y, shape (sizes, methods), go together within a size; NaN where undefined."""
    return float(np.mean([_one(a, b[None], coefficient)[0] for a, b in zip(x, y, strict=True)]))


def association(x: npt.ArrayLike, y: npt.ArrayLike, coefficient: Coefficient = "kendall") -> Association:
    """The mean over sizes of how x and y go together among the methods of a size, tested by permuting methods.

    Args:
        x, y: shape (sizes, methods).
        coefficient: which.

    Returns:
        NaN and p-values of 1 where a value is NaN, one side is constant at a size, or there are fewer than 4 methods.

    Raises:
        ValueError: shapes that differ.
    """
    a, b = _tables(x, y)
    value = mean_within(a, b, coefficient)
    if math.isnan(value) or a.shape[1] < 4:
        return Association(math.nan, math.nan, 1.0, 1.0, a.shape[1])
    order = _permutations(a.shape[1])
    null = np.mean([_one(one, other[order], coefficient) for one, other in zip(a, b, strict=True)], axis=0)
    left_out = [mean_within(np.delete(a, i, axis=1), np.delete(b, i, axis=1), coefficient) for i in range(a.shape[1])]
    return _tested(value, null, np.array(left_out), len(a))


def _tables(*values: npt.ArrayLike) -> list[Array]:
    tables = [np.asarray(value, dtype=float) for value in values]
    if any(table.ndim != 2 or table.shape != tables[0].shape for table in tables):
        raise ValueError(f"shapes {', '.join(str(t.shape) for t in tables)}: all must be (sizes, methods)")
    return tables


def _tested(value: float, null: Array, left_out: Array, sizes: int, widest: float = 1.0) -> Association:
    k = len(left_out)
    pseudo = k * value - (k - 1) * left_out
    step = 4 / (k * (k - 1) * sizes)
    se = max(float(np.nanstd(pseudo, ddof=1)) / math.sqrt(k), step)
    above, below = float((null >= value - _TIE).mean()), float((null <= value + _TIE).mean())
    return Association(value, se, above, below, k, step, widest)


def _size_pairs(sizes: int, from_first: bool) -> list[tuple[int, int]]:
    pairs = itertools.combinations(range(sizes), 2)
    return [pair for pair in pairs if pair[0] == 0 or not from_first]


def concordance_value(table: Array, from_first: bool = False) -> float:
    """The value of :func:`concordance` without its test."""
    pairs = _size_pairs(len(table), from_first)
    taus = [_one(table[i], table[j][None], "kendall")[0] for i, j in pairs]
    return float(np.mean(taus)) if taus else math.nan


def concordance(x: npt.ArrayLike, from_first: bool = False) -> Association:
    """How alike the methods' order is at every two sizes: the mean of Kendall's tau over pairs of sizes.

    Under the null hypothesis the sizes' orders have nothing to do with each other: each size's labels are permuted by
    itself, 20,000 times at random (seeded).

    Args:
        x: shape (sizes, methods).
        from_first: the first size with each other one only, instead of every two sizes.
    """
    (table,) = _tables(x)
    pairs = _size_pairs(len(table), from_first)
    value, k = concordance_value(table, from_first), table.shape[1]
    if math.isnan(value) or k < 4:
        return Association(math.nan, math.nan, 1.0, 1.0, k)
    rng, (i, j) = np.random.default_rng(k), np.triu_indices(k, 1)
    signs = []
    for row in table:
        shuffled = rng.permuted(np.tile(row, (PERMUTATIONS - 1, 1)), axis=1)
        sign = np.sign(shuffled[:, i] - shuffled[:, j])
        signs.append(sign / np.sqrt((sign**2).sum(axis=1, keepdims=True)))
    null = np.mean([(signs[one] * signs[other]).sum(axis=1) for one, other in pairs], axis=0)
    left_out = np.array([concordance_value(np.delete(table, method, axis=1), from_first) for method in range(k)])
    return _tested(value, np.append(null, value), left_out, len(pairs))


def stronger(
    x: npt.ArrayLike, than: npt.ArrayLike, y: npt.ArrayLike, coefficient: Coefficient = "kendall"
) -> Association:
    """How much more x goes together with y than ``than`` does: a difference of two dependent associations.

    Under the null hypothesis the two are exchangeable: the ranks of x and ``than`` within a size are exchanged for any
    subset of the methods, the same subset at every size (2^k sign flips, all of them up to k = 14).

    Args:
        x, than, y: shape (sizes, methods).
        coefficient: which.
    """
    a, b, c = _tables(x, than, y)
    a, b = (np.asarray(_scipy.rankdata(table, axis=1), dtype=float) for table in (a, b))
    k = a.shape[1]
    if any(np.isnan(table).any() for table in (x, than, y)) or k < 4:
        return Association(math.nan, math.nan, 1.0, 1.0, k)

    def gap(one: Array, other: Array, of: Array) -> float:
        return mean_within(of, one, coefficient) - mean_within(of, other, coefficient)

    flips = np.array(list(itertools.product((False, True), repeat=min(k, 14))))
    flips = np.pad(flips, ((0, 0), (0, k - flips.shape[1])))
    null = np.zeros(len(flips))
    for one, other, of in zip(a, b, c, strict=True):
        first, second = np.where(flips, other, one), np.where(flips, one, other)
        null += (_one(of, first, coefficient) - _one(of, second, coefficient)) / len(a)
    left_out = [gap(*(np.delete(table, i, axis=1) for table in (a, b, c))) for i in range(k)]
    return _tested(gap(a, b, c), null, np.array(left_out), len(a), widest=2.0)


@functools.lru_cache
def association_power(k: int, sizes: int, tau: float, alpha: float = 0.05, runs: int = 400) -> float:
    """The chance that :func:`association` finds a positive Kendall coefficient of that true value at one-sided alpha.

    Simulated (seeded) with normal scores that are independent between sizes; ``sin(pi tau / 2)`` is their correlation.
    NaN for values outside (0, 1) and fewer than 4 methods.
    """
    if not 0 < tau < 1 or k < 4:
        return math.nan
    rng, rho = np.random.default_rng(k * sizes), math.sin(math.pi * tau / 2)
    order, hits = _permutations(k)[:: max(1, len(_permutations(k)) // 1000)], 0
    for _ in range(runs):
        x = rng.standard_normal((sizes, k))
        y = rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((sizes, k))
        null = np.mean([_one(a, b[order], "kendall") for a, b in zip(x, y, strict=True)], axis=0)
        hits += bool((null >= null[0] - _TIE).mean() <= alpha)
    return hits / runs
