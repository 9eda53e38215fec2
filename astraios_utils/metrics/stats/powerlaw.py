"""Loss against model size: a power law, and how far off it is at a size that it has not seen (Kaplan et al. 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

from .estimates import LEVEL

_scipy: Any = _scipy_stats


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """y = scale * x^-exponent, fitted by least squares on logarithms.

    Attributes:
        scale, exponent: of the law; the exponent is positive where y falls.
        exponent_se: its standard error; NaN for two points.
        spread: residual standard deviation of log y, n - 2 degrees of freedom; NaN for two points.
        n: points that were fitted.
        centre, width: mean of log x, and the sum of squares about it (what a prediction's error needs).
    """

    scale: float
    exponent: float
    exponent_se: float
    spread: float
    n: int
    centre: float
    width: float

    def predict(self, x: float, level: float = LEVEL) -> tuple[float, float, float]:
        """Value at ``x`` and the ends of the interval for a new observation there, Student's with n - 2 degrees."""
        log = math.log(self.scale) - self.exponent * math.log(x)
        if math.isnan(self.spread):
            return math.exp(log), math.nan, math.nan
        error = self.spread * math.sqrt(1 + 1 / self.n + (math.log(x) - self.centre) ** 2 / self.width)
        half = float(_scipy.t.ppf((1 + level) / 2, self.n - 2)) * error
        return math.exp(log), _exp(log - half), _exp(log + half)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf  # three points leave one degree of freedom: wide intervals


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """A law fitted without the largest size, against what was observed there.

    Attributes:
        law: fitted to the smaller sizes.
        predicted, low, high: at the largest size, with the prediction interval.
        observed: there.
        error: predicted / observed - 1.
        naive: the same error of the naive (last-value) forecast, the value of the largest size but one.
    """

    law: PowerLaw
    predicted: float
    low: float
    high: float
    observed: float
    error: float
    naive: float


def power_law(x: npt.ArrayLike, y: npt.ArrayLike) -> PowerLaw:
    """Fit y = scale * x^-exponent.

    Args:
        x: sizes (parameters), shape (n,), positive, not all the same.
        y: losses, shape (n,), positive.

    Raises:
        ValueError: other shapes, fewer than two points, values that are not positive.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2 or len(np.unique(a)) < 2:
        raise ValueError(f"a power law needs two or more sizes with a loss each, not shapes {a.shape} and {b.shape}")
    if not ((a > 0).all() and (b > 0).all()):
        raise ValueError("sizes and losses of a power law are positive")
    u, v = np.log(a), np.log(b)
    fit = _scipy.linregress(u, v)
    width = float(((u - u.mean()) ** 2).sum())
    left = v - (fit.intercept + fit.slope * u)
    spread = math.sqrt(float((left**2).sum()) / (len(a) - 2)) if len(a) > 2 else math.nan
    error = float(fit.stderr) if len(a) > 2 else math.nan
    return PowerLaw(math.exp(fit.intercept), -float(fit.slope), error, spread, len(a), float(u.mean()), width)


def extrapolate(x: npt.ArrayLike, y: npt.ArrayLike, level: float = LEVEL) -> Extrapolation:
    """Fit all sizes but the largest and predict that one.

    Raises:
        ValueError: as :func:`power_law`, for the sizes without the largest.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    order = np.argsort(a)
    a, b = a[order], b[order]
    law = power_law(a[:-1], b[:-1])
    predicted, low, high = law.predict(float(a[-1]), level)
    observed = float(b[-1])
    return Extrapolation(law, predicted, low, high, observed, predicted / observed - 1, float(b[-2]) / observed - 1)
