"""Statistics for scores that come in clusters: errors, intervals, joint bootstrap, ranks, corrections, power laws.

Imports nothing of ours. Functions work in the unit of their input; what is undefined is NaN; the same seed gives the
same interval.
"""

from .correlations import Coefficient, Correlation, correlation, fisher_difference, fisher_test, known_correlation
from .estimates import LEVEL, RESAMPLES, Array, Estimate, agreement, cluster_bootstrap, clustered_mean, wilson
from .joint import Column, Joint, from_draws, joint_bootstrap, ratio, sign_test
from .multiple import at_least, holm
from .powerlaw import Extrapolation, PowerLaw, extrapolate, power_law
from .ranks import CriticalDifference, Ranks, cliques, critical_difference, ranks

__all__ = [
    "LEVEL",
    "RESAMPLES",
    "Array",
    "Coefficient",
    "Column",
    "Correlation",
    "CriticalDifference",
    "Estimate",
    "Extrapolation",
    "Joint",
    "PowerLaw",
    "Ranks",
    "agreement",
    "at_least",
    "cliques",
    "cluster_bootstrap",
    "clustered_mean",
    "correlation",
    "critical_difference",
    "extrapolate",
    "fisher_difference",
    "fisher_test",
    "from_draws",
    "holm",
    "joint_bootstrap",
    "known_correlation",
    "power_law",
    "ranks",
    "ratio",
    "sign_test",
    "wilson",
]
