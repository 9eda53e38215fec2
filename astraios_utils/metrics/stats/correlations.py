"""Kendall's, Pearson's and Spearman's correlation with a p-value and an interval (the paper's appendix I)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

from .estimates import LEVEL

Coefficient = Literal["kendall", "pearson", "spearman"]
_scipy: Any = _scipy_stats
_MOST = 1 - 1e-12  # a perfect correlation has no finite place on Fisher's scale


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation with its two-sided p-value and interval."""

    coefficient: Coefficient
    value: float
    p: float
    low: float
    high: float
    n: int


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
    (1 + rho^2/2)/(n-3) for Spearman (Bonett and Wright 2000) and 0.437/(n-4) for Kendall (Fieller et al. 1957). NaN
    where fewer than 3 pairs are left or one side is constant; the interval is NaN below 5 pairs.

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


def _variance(coefficient: Coefficient, value: float, n: int) -> float:
    """Of a correlation on Fisher's z scale; NaN below 5 pairs."""
    if n < 5:
        return math.nan
    return {"pearson": 1 / (n - 3), "spearman": (1 + value**2 / 2) / (n - 3), "kendall": 0.437 / (n - 4)}[coefficient]


def _fisher_interval(coefficient: Coefficient, value: float, n: int, level: float) -> tuple[float, float]:
    if n < 5:
        return math.nan, math.nan
    if abs(value) >= 1:
        return value, value
    half = float(_scipy.norm.ppf((1 + level) / 2)) * math.sqrt(_variance(coefficient, value, n))
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)


def known_correlation(
    coefficient: Coefficient, value: float, n: int, p: float = math.nan, level: float = LEVEL
) -> Correlation:
    """A correlation that is known as a number alone (printed, say), with the interval that its ``n`` pairs give."""
    low, high = _fisher_interval(coefficient, value, n, level) if value == value else (math.nan, math.nan)
    return Correlation(coefficient, value, p, low, high, n)


def fisher_test(found: Correlation, threshold: float = 0.0) -> tuple[float, float]:
    """One-sided p-values of "above ``threshold``" and "not above", on Fisher's z scale; 1 and 1 below 5 pairs."""
    return _two_sided(found.value, threshold, _variance(found.coefficient, found.value, found.n))


def fisher_difference(one: Correlation, other: Correlation) -> tuple[float, float]:
    """One-sided p-values of "one is larger" and "not larger", the two taken as independent samples.

    For two correlations that share a variable, and so tend to agree, that is on the safe side.
    """
    variances = [_variance(c.coefficient, c.value, c.n) for c in (one, other)]
    return _two_sided(one.value, other.value, sum(variances))


def _two_sided(one: float, other: float, variance: float) -> tuple[float, float]:
    if math.isnan(one) or math.isnan(other) or math.isnan(variance):
        return 1.0, 1.0
    far = float(np.arctanh(np.clip(one, -_MOST, _MOST)) - np.arctanh(np.clip(other, -_MOST, _MOST)))
    z = far / math.sqrt(variance)
    return float(_scipy.norm.sf(z)), float(_scipy.norm.cdf(z))
