"""Several tests at once: Holm's correction, max-t, and p-values of "at least k of these n statements are true"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .estimates import Array


def holm(p: npt.ArrayLike) -> Array:
    """Holm's step-down adjustment (Holm 1979): the family-wise error stays below alpha where adjusted p <= alpha.

    Args:
        p: shape (n,); a NaN stays NaN and is no member of the family.

    Returns:
        Adjusted p-values in the order of ``p``, at most 1. (SciPy's ``false_discovery_control`` controls the share of
        false discoveries instead, which is weaker.)
    """
    given = np.asarray(p, dtype=float)
    defined = ~np.isnan(given)
    known = given[defined]
    order = np.argsort(known, kind="stable")
    stepped = np.maximum.accumulate(known[order] * (len(known) - np.arange(len(known))))
    adjusted = np.full(given.shape, np.nan)
    adjusted[np.flatnonzero(defined)[order]] = np.minimum(stepped, 1.0)
    return adjusted


def at_least(k: int, p: Sequence[float]) -> float:
    """P-value of "at least ``k`` of these statements are true", from a p-value for each.

    Bonferroni's partial conjunction (Benjamini and Heller 2008): (n - k + 1) times the k-th smallest p-value. It holds
    under any dependence. k = n, all of them: the largest p-value (the intersection-union test, Berger 1982, which needs
    no correction); k = 1, any of them: n times the smallest (Bonferroni).

    Raises:
        ValueError: k is not between 1 and n.
    """
    n = len(p)
    if not 1 <= k <= n:
        raise ValueError(f"at least {k} of {n} statements: k lies between 1 and {n}")
    return float(min(1.0, (n - k + 1) * sorted(p)[k - 1]))


def max_t(statistics: npt.ArrayLike, draws: npt.ArrayLike) -> float:
    """P-value of "any of these is above 0", from joint draws (single-step max-t, Westfall and Young 1993).

    Unlike Bonferroni's bound it uses how the statistics go together: for comparisons that share models or problems it
    is smaller.

    Args:
        statistics: value over standard error of each, shape (n,).
        draws: the same under the null hypothesis (centred replicates over the standard error), shape (n, r).

    Returns:
        The share of draws whose largest statistic reaches the observed one, (count + 1) / (r + 1).
    """
    observed, null = np.asarray(statistics, dtype=float), np.asarray(draws, dtype=float)
    reached = int((null.max(axis=0) >= observed.max()).sum())
    return float((reached + 1) / (null.shape[1] + 1))
