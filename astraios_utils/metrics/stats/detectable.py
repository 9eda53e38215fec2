"""Statistical power: which difference a design can detect, and how large a design a difference needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy import stats as _scipy_stats

_scipy: Any = _scipy_stats
POWER = 0.8
ALPHA = 0.05  # two-sided


@dataclass(frozen=True, slots=True)
class Design:
    """The variance of a difference of two methods, split by what it comes from; in squared units of the score.

    Attributes:
        problems: how many.
        problem: variance per problem of the methods' difference (method x problem).
        decoding: variance of the difference that answering the same problems again gives; falls with 1/problems.
        training: variance of the difference of two training runs; NaN where one seed leaves it unknown.
        seeds: training runs per method.
    """

    problems: int
    problem: float
    decoding: float
    training: float
    seeds: int = 1

    def se(self, new_problems: bool, problems: int | None = None, seeds: int | None = None) -> float:
        """Standard error of a difference.

        Args:
            new_problems: about new problems; otherwise about these problems, answered again by models trained
                again.
            problems, seeds: of another design; these ones by default.
        """
        m, s = problems or self.problems, seeds or self.seeds
        training = 0.0 if math.isnan(self.training) else self.training / s
        sampled = self.problem / m if new_problems else self.decoding * self.problems / m
        return math.sqrt(sampled + training)


def detectable(se: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """The smallest true difference that a two-sided test finds with that power: (z_{1-alpha/2} + z_power) SE."""
    return se * float(_scipy.norm.ppf(1 - alpha / 2) + _scipy.norm.ppf(power))


def power_of(difference: float, se: float, alpha: float = ALPHA) -> float:
    """The chance that a two-sided test finds a true difference; NaN without a standard error."""
    if not se > 0:
        return math.nan
    far, edge = abs(difference) / se, float(_scipy.norm.ppf(1 - alpha / 2))
    return float(_scipy.norm.sf(edge - far) + _scipy.norm.cdf(-edge - far))


def problems_needed(design: Design, difference: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """Problems that a difference needs at the design's seeds; infinite where training noise alone is too large."""
    allowed = (difference / detectable(1.0, power, alpha)) ** 2
    training = 0.0 if math.isnan(design.training) else design.training / design.seeds
    return math.inf if allowed <= training else float(math.ceil(design.problem / (allowed - training)))


def seeds_needed(design: Design, difference: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """Training runs per method that a difference needs on these problems; NaN where training noise is unknown."""
    if math.isnan(design.training):
        return math.nan
    allowed = (difference / detectable(1.0, power, alpha)) ** 2 - design.decoding
    return math.inf if allowed <= 0 else float(max(1, math.ceil(design.training / allowed)))
