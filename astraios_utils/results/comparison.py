"""A comparison of many methods on one base: scores, ranks with uncertainty, which may be best, fronts, soft costs.

Everything is read from one body of evidence (:mod:`.claims.evidence`), whose replicates are joint: methods share their
problems, and training noise is added where a suite has several runs. Tables are scheme D of the review of statistics:
all methods against the best (Hsu), all against one control (Dunnett), shrinkage by family for display.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as _scipy_stats

from .. import schema
from ..metrics import stats
from ..metrics.stats import Array
from ..metrics.stats import best as comparisons
from ..schema import Suite
from . import headline
from .claims.evidence import Evidence

_scipy: Any = _scipy_stats
OUTSIDE_THE_MEAN = (*schema.SECURITY_TASKS, *(task for task in schema.LIKELIHOOD_TASKS if task.startswith("nll-")))
# PSCP's three costs: columns of a table of costs.
SOFT_COSTS = ("trainable_parameters", "generation_seconds", "peak_mib")
CONTROLS = ("LoRA", "FFT")  # what every method is compared with
COLUMNS = (
    *("method", "family", "source", "budget", "control", "mean", "low", "high", "rank", "rank_low", "rank_high"),
    *("shrunk", "shrunk_sd", "gap", "gap_low", "gap_high", "may_be_best"),
)


def column_of(task: str) -> tuple[str, str]:
    """The score of a task that the comparison reads: its headline; of ReCode Pass@1 under the worst perturbation."""
    if task in schema.ROBUSTNESS_TASKS:
        return task, "worst@1"
    if task in schema.SECURITY_TASKS:
        return task, "insecure"
    return task, headline(task)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a suite's methods at one size.

    Attributes:
        size: which.
        methods: those that every task of the mean has a score of, in the suite's order.
        missing: the others.
        tasks: of each task, its scores, shape (1 + r, methods); NaN where a method has none.
        mean: over the tasks that enter it, shape (1 + r, methods).
        rows: the suite's descriptions.
    """

    size: str
    methods: tuple[str, ...]
    missing: tuple[str, ...]
    tasks: Mapping[str, Array]
    mean: Array
    rows: Mapping[str, schema.Row]

    def is_compared(self, method: str) -> bool:
        """Whether it takes part in ranks and sets: neither the untuned base nor a control."""
        row = self.rows.get(method)
        return method != schema.UNTUNED and not (row and row.control)

    @property
    def compared(self) -> list[int]:
        """The places of the methods that take part."""
        return [place for place, method in enumerate(self.methods) if self.is_compared(method)]


def scores(evidence: Evidence, suite: Suite, size: str = "") -> Scores:
    """Read the scores of one size.

    Args:
        evidence: measured.
        suite: whose methods and tasks; its ``rows`` describe them.
        size: by default the only one.

    Raises:
        schema.BadInput: several sizes and none named, or fewer than two methods with results.
    """
    if not size and len(suite.sizes) != 1:
        raise schema.BadInput(f"suite {suite.name}: name one of its sizes ({', '.join(suite.sizes)})")
    size = schema.match(size, suite.sizes, "size") if size else suite.sizes[0]
    tasks = {
        task: np.stack([evidence.score(*column_of(task), size, method) for method in suite.methods], axis=1)
        for task in suite.tasks
    }
    inside = [task for task in suite.tasks if task not in OUTSIDE_THE_MEAN]
    mean = np.mean([tasks[task] for task in inside], axis=0) if inside else np.full((2, len(suite.methods)), math.nan)
    known = ~np.isnan(mean[0])
    kept = {task: values[:, known] for task, values in tasks.items()}
    methods = tuple(method for method, is_known in zip(suite.methods, known, strict=True) if is_known)
    found = Scores(size, methods, tuple(m for m in suite.methods if m not in methods), kept, mean[:, known], suite.rows)
    if len(found.compared) < 2:
        raise schema.BadInput(f"suite {suite.name}: fewer than two methods have results of all tasks; run it first")
    return found


def board(found: Scores) -> pd.DataFrame:
    """The leaderboard: a row per method, the highest mean first.

    Returns:
        ``COLUMNS``, a column per task (its score in percent; insecure and bits are better when lower), and ``vs X``,
        ``vs X low``, ``vs X high``, ``vs X p`` for each of ``CONTROLS`` that the suite has. mean with its 95% interval
        (problems and training runs); rank with its interval over redraws; shrunk: the mean pulled towards its family's,
        with its standard deviation; gap: to the best other method, with Hsu's simultaneous interval; may_be_best:
        whether that interval reaches above 0. NaN for controls and the base where ranks and sets are concerned.
    """
    rows = []
    for place, method in enumerate(found.methods):
        row = found.rows.get(method)
        score = stats.from_draws(found.mean[:, place])
        rows.append(
            {
                "method": method,
                "family": row.family if row else "",
                "source": row.source if row else "",
                "budget": row.budget if row and row.budget else math.nan,
                "control": not found.is_compared(method),
                **{"mean": score.value, "low": score.low, "high": score.high},
                **{task: float(values[0, place]) for task, values in found.tasks.items()},
            }
        )
    frame = pd.DataFrame(rows)
    frame = frame.join(_standing(found), on="method")
    for control in CONTROLS:
        if control in found.methods:
            frame = frame.join(_against(found, control), on="method")
    return frame.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def _standing(found: Scores) -> pd.DataFrame:
    """Ranks, sets and shrunk means of the compared methods, by method."""
    names = [found.methods[i] for i in found.compared]
    values, draws = found.mean[0, found.compared], found.mean[1:, found.compared]
    ranked, hsu = stats.ranks(values, draws), comparisons.with_best(values, draws)
    families = [found.rows[name].family if name in found.rows else name for name in names]
    pulled = comparisons.shrunk(values, draws, families)
    return pd.DataFrame(
        {
            **{"rank": ranked.rank, "rank_low": ranked.low, "rank_high": ranked.high},
            **{"shrunk": pulled.mean, "shrunk_sd": pulled.sd},
            **{"gap": hsu.gap, "gap_low": hsu.low, "gap_high": hsu.high, "may_be_best": hsu.may_be_best},
        },
        index=pd.Index(names, name="method"),
    )


def _against(found: Scores, control: str) -> pd.DataFrame:
    """All others, checks included, against one method, adjusted for all of them together."""
    made = comparisons.against(found.mean[0], found.mean[1:], found.methods.index(control))
    columns = {"": made.gap, " low": made.low, " high": made.high, " p": made.p}
    return pd.DataFrame(
        {f"vs {control}{end}": values for end, values in columns.items()}, index=pd.Index(found.methods, name="method")
    )


def front(table: pd.DataFrame, cost: str, value: str = "mean") -> pd.Series:
    """Whether each row is on the Pareto front: no other one is at least as good at the same cost or less, and better in
    one of the two. False where either is NaN."""
    costs, values = table[cost].to_numpy(dtype=float), table[value].to_numpy(dtype=float)
    on = np.zeros(len(table), dtype=bool)
    for i in range(len(table)):
        no_worse = (costs <= costs[i]) & (values >= values[i])
        better = (costs < costs[i]) | (values > values[i])
        on[i] = not np.isnan(costs[i] + values[i]) and not bool((no_worse & better).any())
    return pd.Series(on, index=table.index)


def soft_score(
    table: pd.DataFrame, weights: Sequence[float] = (1.0, 1.0, 1.0), costs: Sequence[str] = SOFT_COSTS
) -> pd.Series:
    """PEFT-Bench's soft-cost score (PSCP, https://arxiv.org/abs/2511.21285) of each row.

    PSCP = score x prod_c (1 + cost_c / C_c)^(-weight_c), over trained parameters, generation and training memory. The
    paper's constants C are for models of billions of parameters; here C is the median of the table's methods, so that
    a typical method pays a factor 2^(-weight) per cost.

    Args:
        table: ``mean`` and the costs, a row per method.
        weights: of the costs; 0 leaves one out.
        costs: columns; one that is missing throughout is left out.
    """
    made = table["mean"].astype(float)
    for name, weight in zip(costs, weights, strict=True):
        values = table[name].astype(float) if name in table else pd.Series(math.nan, index=table.index)
        middle = float(values.median())
        if weight and middle > 0:
            made = made * (1 + values / middle) ** -weight
    return made


# Weights under which PSCP's order is compared with the order of the means.
WEIGHTS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "scores alone": (0.0, 0.0, 0.0),
        "a tenth each": (0.1, 0.1, 0.1),
        "one each": (1.0, 1.0, 1.0),
        "parameters alone": (1.0, 0.0, 0.0),
        "generation alone": (0.0, 1.0, 0.0),
        "memory alone": (0.0, 0.0, 1.0),
    }
)


def soft_orders(table: pd.DataFrame) -> pd.DataFrame:
    """How the weights of PSCP change the order.

    Returns:
        A row per setting of ``WEIGHTS`` whose costs are known: weights, first (the best method), tau (Kendall's, with
        the order of the means)
        and moved (the most places that a method moves).
    """
    plain = table["mean"].rank(ascending=False)
    known_costs = [name in table and bool(table[name].notna().any()) for name in SOFT_COSTS]
    rows = []
    for name, weights in WEIGHTS.items():
        if any(weights) and not any(weight and there for weight, there in zip(weights, known_costs, strict=True)):
            continue
        score = soft_score(table, weights)
        known = score.notna()
        if not known.any():
            continue
        order = score[known].rank(ascending=False)
        before = plain[known].rank()
        rows.append(
            {
                "weights": name,
                "first": table["method"].iloc[int(np.nanargmax(score.to_numpy(dtype=float)))],
                "tau": float(_scipy.kendalltau(before, order).statistic),
                "moved": int((order - before).abs().max()),
            }
        )
    return pd.DataFrame(rows, columns=["weights", "first", "tau", "moved"])


def rank_correlation(found: Scores, other: Mapping[str, float], resamples: int = 1000) -> dict[str, float]:
    """Kendall's tau-b of the means with another table's values, the methods that both have.

    The interval redraws our scores (problems and training runs) and the methods; the other table's own error is unknown
    unless it is part of ``other``'s spread.

    Args:
        found: our scores.
        other: values by method, higher is better.
        resamples: of the methods.

    Returns:
        tau, low, high (95%), p (two-sided, methods permuted) and methods (how many); NaN below 4 methods.
    """
    places = [i for i in found.compared if found.methods[i] in other]
    theirs = np.array([other[found.methods[i]] for i in places], dtype=float)
    if len(places) < 4:
        return {"tau": math.nan, "low": math.nan, "high": math.nan, "p": math.nan, "methods": len(places)}
    ours, rng = found.mean[:, places], np.random.default_rng(len(places))
    value = float(_scipy.kendalltau(ours[0], theirs).statistic)
    drawn, null = [], []
    for _ in range(resamples):
        chosen = rng.integers(len(places), size=len(places))
        row = ours[rng.integers(1, len(ours))]
        drawn.append(float(_scipy.kendalltau(row[chosen], theirs[chosen]).statistic))
        null.append(float(_scipy.kendalltau(ours[0], rng.permutation(theirs)).statistic))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    p = (1 + sum(abs(one) >= abs(value) - 1e-12 for one in null)) / (1 + resamples)
    return {"tau": value, "low": float(low), "high": float(high), "p": p, "methods": len(places)}
