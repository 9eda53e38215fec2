"""Whether a measured and a printed number of the same problems agree.

Both come from the same problems, so that the interval over new problems is no yardstick: what can differ is the
decoding (own generations) and the training (models trained again). Answers from the very file that the paper scored
have neither: there, verdicts differ or they do not.
"""

from __future__ import annotations

import math
from typing import Any

from scipy import stats as _scipy_stats

_scipy: Any = _scipy_stats
MARGIN = 0.5  # points: closer than this is equal beyond rounding, if shown by an equivalence test


def same_digits(measured: float, printed: float, digits: int = 2) -> bool:
    """Whether two numbers are the same at that many decimals, rounded or cut short.

    The paper does both: at 16B, seven cells of Table 3 are cut short.
    """
    cut = math.floor(measured * 10**digits + 1e-9) / 10**digits
    return round(printed, digits) in (round(measured, digits), round(cut, digits))


def disagreement(difference: float, noise: float, digits: int = 2, training: float = 0.0) -> tuple[float, float]:
    """How surely two runs on the same problems differ.

    z = difference / sqrt(2 v + u^2 / 12 + 2 s^2): v decoding noise, u the printed unit, s^2 training noise.

    Args:
        difference: measured minus printed, in points.
        noise: decoding variance of one run (:attr:`Estimate.noise`), in squared points.
        digits: decimals that are printed.
        training: variance of a training run; 0 where the same weights answered, NaN where it is unknown.

    Returns:
        z and its two-sided p-value; NaN where a variance is unknown.
    """
    variance = 2 * noise + 10 ** (-2 * digits) / 12 + 2 * training
    if math.isnan(variance) or math.isnan(difference):
        return math.nan, math.nan
    z = difference / math.sqrt(variance)
    return z, two_sided(z)


def two_sided(z: float) -> float:
    """Two-sided p-value of a standard normal statistic."""
    return float(2 * _scipy.norm.sf(abs(z)))


def equivalent(difference: float, z: float, margin: float = MARGIN, alpha: float = 0.05) -> bool:
    """Whether the true difference is shown to lie within the margin (two one-sided tests, Schuirmann 1987)."""
    if math.isnan(z) or difference == 0:
        return not math.isnan(z)
    half = float(_scipy.norm.ppf(1 - alpha)) * abs(difference / z)
    return abs(difference) + half < margin
