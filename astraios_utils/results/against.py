"""What tuning changed: every model of a suite against one method of its size, mostly the untuned base.

Both answered the same problems, so differences are paired by problem, which makes their errors smaller than those of
the two scores. :func:`agreement` asks whether two tasks rank methods alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats as _scipy_stats

from ..metrics import scores, stats
from ..metrics.scores import Metric, decimals, lower_is_better
from ..schema import Model, Suite
from ..tasks import TASKS
from . import headline

_scipy: Any = _scipy_stats
Array = npt.NDArray[np.float64]
Found = Callable[[str, Model], pd.DataFrame | None]  # the verdicts of a task and a model; None: there are none
COLUMNS = (
    *("task", "metric", "size", "method", "value", "low", "high"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "status"),
)
STATUSES = ("better", "worse", "undecided", "missing")
AGREEMENT = ("first", "second", "methods", "tau", "low", "high")


def table(suite: Suite, found: Found, reference: str) -> pd.DataFrame:
    """Each model's headline scores, and their differences from a reference method of the same size.

    Args:
        suite: which models and tasks.
        found: where verdicts come from.
        reference: the method that all others are compared with.

    Returns:
        Columns ``COLUMNS``, a row per task and model: value with its interval; the difference (value minus the
        reference's) with its 95% interval over new problems, its p-value (Student's, paired by problem) and that value
        after Holm's correction over all differences of the table; status one of ``STATUSES``: at 5%, whether the
        method is better or worse than the reference (fewer bits per byte are better), or whether this is undecided.
    """
    rows = [row for task in suite.tasks for size in suite.sizes for row in _rows(suite, task, size, found, reference)]
    frame = pd.DataFrame(rows, columns=[c for c in COLUMNS if c not in ("p_holm", "status")])
    frame = frame.assign(p_holm=stats.holm(frame["p"]))
    return frame.assign(status=[_status(row, reference) for row in frame.to_dict("records")])[list(COLUMNS)]


def _rows(suite: Suite, task: str, size: str, found: Found, reference: str) -> Iterator[dict[str, Any]]:
    metric = headline(task)
    base = _metric(task, found(task, Model(size, reference)))
    for method in suite.methods:
        one = base if method == reference else _metric(task, found(task, Model(size, method)))
        row: dict[str, Any] = {"task": task, "metric": metric, "size": size, "method": method}
        if one is not None:
            score = one.estimate().scaled(one.factor)
            row |= {"value": score.value, "low": score.low, "high": score.high}
        if one is not None and base is not None and method != reference:
            row |= _difference(one, base)
        yield {**dict.fromkeys(COLUMNS, math.nan), **row}


def _metric(task: str, verdicts: pd.DataFrame | None) -> Metric | None:
    return None if verdicts is None else scores.definitions(TASKS[task].metrics, verdicts)[headline(task)]


def _difference(one: Metric, base: Metric) -> dict[str, float]:
    """The paired difference of two scores, by the jackknife's pseudo-values of each problem."""
    gap = (_pseudo(one) - _pseudo(base)).dropna()
    made = stats.clustered_mean(gap).scaled(one.factor)
    p = 2 * min(_tails(made.value, made.se, len(gap)))
    return {"difference": made.value, "difference_low": made.low, "difference_high": made.high, "p": p}


def _tails(value: float, se: float, m: int) -> tuple[float, float]:
    """One-sided p-values of Student's t; (0.5, 0.5) where all problems agree exactly."""
    if not se > 0:
        return 0.5, 0.5
    return float(_scipy.t.sf(value / se, m - 1)), float(_scipy.t.cdf(value / se, m - 1))


def _pseudo(metric: Metric) -> pd.Series:
    """m times the score minus m - 1 times the score without the problem; for a mean, each problem's own score."""
    total, m = metric.rows.sum(axis=0), len(metric.rows)
    without = metric.statistic(total - metric.rows)
    return pd.Series(m * metric.value - (m - 1) * without, index=metric.problems)


def _status(row: Mapping[Any, Any], reference: str) -> str:
    if math.isnan(row["value"]):
        return "missing"
    if row["method"] == reference or math.isnan(row["difference"]) or not row["p_holm"] <= 0.05:
        return "undecided"
    return "better" if (row["difference"] < 0) == lower_is_better(row["metric"]) else "worse"


def agreement(
    suite: Suite, found: Found, tasks: Sequence[str], leave_out: Sequence[str] = (), resamples: int = 2000
) -> pd.DataFrame:
    """Whether tasks rank a suite's methods alike: Kendall's tau-b, a mean over sizes, the better method first.

    Args:
        suite: whose models.
        found: where verdicts come from.
        tasks: each pair of them is compared.
        leave_out: methods that do not count, such as the untuned base.
        resamples: problems are drawn so often; tasks over the same problems share the draws.

    Returns:
        Columns ``AGREEMENT``, a row per pair of tasks that at least three methods of some size have answered: methods
        (the fewest at a size), tau with its 95% interval over new problems.
    """
    methods = [method for method in suite.methods if method not in leave_out]
    made = {
        (task, size, method): metric
        for task, size, method in itertools.product(tasks, suite.sizes, methods)
        if (metric := _metric(task, found(task, Model(size, method)))) is not None
    }
    columns: dict[Any, stats.Column] = {
        key: metric.column("problems", metric.problems.to_numpy(dtype=str)) for key, metric in made.items()
    }
    drawn = stats.joint_bootstrap(columns, resamples=resamples, seed=suite.seed).values if columns else {}
    rows = []
    for first, second in itertools.combinations(tasks, 2):
        taus, counts = [], []
        for size in suite.sizes:
            both = [m for m in methods if (first, size, m) in made and (second, size, m) in made]
            if len(both) >= 3:
                taus.append(_tau(*(_better(drawn, task, size, both) for task in (first, second))))
                counts.append(len(both))
        if taus:
            tau = stats.from_draws(_mean(np.stack(taus)))
            rows.append((first, second, min(counts), tau.value, tau.low, tau.high))
    return pd.DataFrame(rows, columns=list(AGREEMENT))


def _mean(taus: Array) -> Array:
    """The mean over sizes of each draw, (sizes, r) -> (r,); NaN where all sizes of a draw have only ties."""
    known = ~np.isnan(taus)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = np.where(known, taus, 0).sum(axis=0) / known.sum(axis=0)
    return mean


def _better(drawn: Mapping[Any, Array], task: str, size: str, methods: Sequence[str]) -> Array:
    """Scores of methods, (methods, 1 + resamples), so that more is better."""
    sign = -1 if lower_is_better(headline(task)) else 1
    return sign * np.stack([drawn[task, size, method] for method in methods])


def _tau(x: Array, y: Array) -> Array:
    """Kendall's tau-b of each column of two tables, (methods, r) -> (r,); NaN where one of them has only ties."""
    places = np.triu_indices(len(x), 1)
    one, other = (np.sign(v[places[0]] - v[places[1]]) for v in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: Array = (one * other).sum(axis=0) / np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return tau


def markdown(frame: pd.DataFrame, reference: str) -> str:
    """:func:`table` for a README: a row per method, a column per task; the difference from the reference in brackets.

    Differences that are significant after Holm's correction are bold.
    """
    tasks = list(dict.fromkeys(zip(frame["task"], frame["metric"], strict=True)))
    sizes = list(dict.fromkeys(frame["size"]))
    lines = ["| " + " | ".join(["method", *(f"`{task}`, {metric}" for task, metric in tasks)]) + " |"]
    lines.append("|---" + "|--:" * len(tasks) + "|")
    for (size, method), part in frame.groupby(["size", "method"], sort=False):
        if part["status"].eq("missing").all():
            continue
        held = part.set_index("task").to_dict("index")
        name = str(method) if len(sizes) == 1 else f"{size} {method}"
        cells = [_cell(held[task], str(method) == reference) for task, _ in tasks]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _cell(row: Mapping[Any, Any], is_reference: bool) -> str:
    """``0.43 (0.40 to 0.46)`` of the reference, ``0.41 (-0.02)`` of others."""
    if math.isnan(row["value"]):
        return "not run"
    digits = decimals(row["metric"])[1]
    value = f"{row['value']:.{digits}f}"
    if is_reference or math.isnan(row["difference"]):
        return f"{value} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"
    change = f"{row['difference']:+.{digits}f}"
    return f"{value} (**{change}**)" if row["status"] in ("better", "worse") else f"{value} ({change})"
