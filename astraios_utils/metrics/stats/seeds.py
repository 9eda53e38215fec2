"""Training noise: how much a method's score varies from one training run to the next (a suite's ``seeds``).

Model: y[method, seed, problem] = mean + problem + method x problem + method x seed + rest. The joint bootstrap covers
problems. Seeds are too few to resample: their variance is estimated, moderated over the methods of a size, and added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize as _scipy_optimize
from scipy import special as _scipy_special

from .estimates import Array

_special: Any = _scipy_special
_optimize: Any = _scipy_optimize
_MOST = 1e6  # prior degrees of freedom that stand for "all variances are the same"


@dataclass(frozen=True, slots=True)
class SeedEffect:
    """Of one method at one size on one task.

    Attributes:
        deviations: the seeds' means minus their mean, shape (seeds,).
        total: variance of the seeds' means.
        within: the part of it that problems (and decoding) explain: what is left when seeds do not differ.
    """

    deviations: Array
    total: float
    within: float

    @property
    def variance(self) -> float:
        """Of a training run: ``total`` minus ``within``, never below 0."""
        return max(0.0, self.total - self.within)


def seed_effect(scores: npt.ArrayLike) -> SeedEffect:
    """Split what seeds differ by into training and problems.

    within = sum of residual^2 / ((S - 1)(m - 1) m), residual = y_sp - y_s. - y_.p + y_..

    Args:
        scores: shape (seeds, problems), S >= 2 and m >= 2.

    Raises:
        ValueError: fewer of either.
    """
    y = np.asarray(scores, dtype=float)
    if y.ndim != 2 or min(y.shape) < 2:
        raise ValueError(f"scores of shape {y.shape}: two or more seeds and problems are needed")
    s, m = y.shape
    means = y.mean(axis=1)
    residual = y - means[:, None] - y.mean(axis=0)[None] + y.mean()
    within = float((residual**2).sum()) / ((s - 1) * (m - 1) * m)
    return SeedEffect(means - means.mean(), float(means.var(ddof=1)), within)


def moderated(variances: Sequence[float], degrees: int) -> tuple[Array, float]:
    """Variances shrunk towards their common value (Smyth 2004), and the degrees of freedom that they then have.

    Few seeds leave each method's variance uncertain; the methods of one size share what they have in common. A variance
    of 0 takes part as a hundredth of the mean.

    Args:
        variances: estimates with ``degrees`` degrees of freedom each.
        degrees: seeds - 1.

    Returns:
        The moderated variances, and their degrees of freedom (at most those of all estimates together).
    """
    found = np.asarray(variances, dtype=float)
    if len(found) < 2 or not found.mean() > 0:
        return found, float(degrees)
    floored = np.maximum(found, found.mean() / 100)
    z = np.log(floored)
    spread = float(z.var(ddof=1)) - float(_special.polygamma(1, degrees / 2))
    prior = _MOST if spread <= 0 else _inverse_trigamma(spread) * 2
    if prior >= _MOST:
        common, prior = float(found.mean()), _MOST
    else:
        common = math.exp(float(z.mean()) - _log_bias(degrees) + _log_bias(prior))
    shrunk: Array = (prior * common + degrees * found) / (prior + degrees)
    return shrunk, min(prior + degrees, float(degrees * len(found)))


def _log_bias(degrees: float) -> float:
    """Mean of the logarithm of a variance estimate, for a true variance of 1."""
    return float(_special.digamma(degrees / 2)) - math.log(degrees / 2)


def _inverse_trigamma(value: float) -> float:
    def off(x: float) -> float:
        return float(_special.polygamma(1, x)) - value

    return float(_optimize.brentq(off, 1e-4, _MOST)) if off(_MOST) < 0 < off(1e-4) else _MOST
