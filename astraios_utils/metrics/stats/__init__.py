"""Statistics for scores that come in clusters: errors, intervals, joint bootstrap, ranks, corrections, power laws.

Imports nothing of ours. Functions work in the unit of their input; what is undefined is NaN; the same seed gives the
same interval.
"""

from .agreement import MARGIN, disagreement, equivalent, same_digits, two_sided
from .best import AgainstControl, Shrunk, WithBest, against, shrunk, with_best
from .correlations import (
    Association,
    Coefficient,
    Correlation,
    association,
    association_power,
    concordance,
    concordance_value,
    correlation,
    mean_within,
    stronger,
)
from .detectable import Design, detectable, power_of, problems_needed, seeds_needed
from .estimates import LEVEL, RESAMPLES, Array, Estimate, cluster_bootstrap, clustered_mean, clustered_ratio, wilson
from .joint import Column, Joint, from_draws, joint_bootstrap, ratio, sign_test, widened, zero_test
from .multiple import at_least, holm, max_t
from .powerlaw import Extrapolation, PowerLaw, extrapolate, power_law
from .ranks import CriticalDifference, Ranks, cliques, critical_difference, ranks, redraw_null
from .seeds import SeedEffect, moderated, seed_effect

__all__ = [
    "LEVEL",
    "MARGIN",
    "RESAMPLES",
    "AgainstControl",
    "Array",
    "Association",
    "Coefficient",
    "Column",
    "Correlation",
    "CriticalDifference",
    "Design",
    "Estimate",
    "Extrapolation",
    "Joint",
    "PowerLaw",
    "Ranks",
    "SeedEffect",
    "Shrunk",
    "WithBest",
    "against",
    "association",
    "association_power",
    "at_least",
    "cliques",
    "cluster_bootstrap",
    "clustered_mean",
    "clustered_ratio",
    "concordance",
    "concordance_value",
    "correlation",
    "critical_difference",
    "detectable",
    "disagreement",
    "equivalent",
    "extrapolate",
    "from_draws",
    "holm",
    "joint_bootstrap",
    "max_t",
    "mean_within",
    "moderated",
    "power_law",
    "power_of",
    "problems_needed",
    "ranks",
    "ratio",
    "redraw_null",
    "same_digits",
    "seed_effect",
    "seeds_needed",
    "shrunk",
    "sign_test",
    "stronger",
    "two_sided",
    "widened",
    "wilson",
    "with_best",
    "zero_test",
]
