"""Does the order of methods on one suite predict their order on another? Rank correlations task by task.

Methods are ranked by their score averaged over each suite's sizes. The interval covers what the problems (and training
runs, where there are several) leave open on both sides. The p-value is scipy's: exact over all orders of the methods
where none tie, else by the normal approximation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats as _scipy_stats

from ..metrics.stats import Array
from .claims.evidence import Evidence
from .claims.measures import measure

COLUMNS = ("measure", "methods", "tau", "low", "high", "p")
_LEVEL = 0.95


def table(one: Evidence, other: Evidence, methods: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """Kendall's tau-b between the methods' orders in two bodies of evidence.

    Args:
        methods: those that both have.
        measures: names of :mod:`.claims.measures`: tasks or means.

    Returns:
        A row per measure that both have for at least three of the methods (``COLUMNS``): methods (how many), tau, its
        95% interval over the replicates of both sides, and p (two-sided).
    """
    rows = []
    for name in measures:
        sides = [{m: _average(evidence, name, m) for m in methods} for evidence in (one, other)]
        known = [m for m in methods if not any(np.isnan(side[m][0]) for side in sides)]
        if len(known) > 2:
            x, y = (np.stack([side[m] for m in known]) for side in sides)
            rows.append({"measure": name, "methods": len(known), **_tau(x, y)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _average(evidence: Evidence, name: str, method: str) -> Array:
    """A measure with its replicates, shape (1 + r,), averaged over its columns and the suite's sizes."""
    columns = measure(name).columns
    cells = [evidence.score(*column, size, method) for column in columns for size in evidence.sizes]
    return np.mean(cells, axis=0) if cells else np.full(evidence.shape, math.nan)


def _tau(x: Array, y: Array) -> dict[str, float]:
    """Tau of the values, its interval over replicates, and its p-value; x, y: (methods, 1 + r)."""
    count = min(x.shape[1], y.shape[1])
    pairs = list(itertools.combinations(range(len(x)), 2))
    signs = [np.stack([np.sign(side[i, :count] - side[j, :count]) for i, j in pairs]) for side in (x, y)]
    untied = [np.abs(sign).sum(axis=0) for sign in signs]
    taus = (signs[0] * signs[1]).sum(axis=0) / np.sqrt(np.maximum(untied[0] * untied[1], 1))
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(taus[1:], [tail, 100 - tail])
    p = float(_scipy_stats.kendalltau(x[:, 0], y[:, 0], method="auto").pvalue)
    return {"tau": float(taus[0]), "low": float(low), "high": float(high), "p": p}
