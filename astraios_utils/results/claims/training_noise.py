"""Training noise in the ledger: what several seeds of a suite say about methods, not about single checkpoints.

V(a - b) = V_problems + (sigma_a^2 + sigma_b^2) / S. Problems are covered by the joint bootstrap of seed-averaged
scores. Three or five seeds are too few to resample, so that their effect is drawn from a normal distribution with a
moderated variance and added to each model's replicates. The same draws serve all of a model's tasks: a seed that is
bad for one task tends to be bad for others.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats as _scipy_stats

from ... import schema
from ...metrics import stats
from ...metrics.scores import Metric
from ...metrics.stats import Array, SeedEffect

_scipy: Any = _scipy_stats
Key = tuple[str, str, str, str]  # task, metric, size, method


def averaged(runs: Sequence[Metric]) -> Metric:
    """One metric over several training runs: sums averaged problem by problem.

    Raises:
        ValueError: the runs answered different problems.
    """
    first = runs[0]
    if any(not run.problems.equals(first.problems) for run in runs):
        raise ValueError("the training seeds of a suite answered different problems")
    if len(runs) == 1:
        return first
    inner = averaged([run.interval_of for run in runs if run.interval_of]) if first.interval_of else None
    rows = np.mean([run.rows for run in runs], axis=0)
    noise = float(np.mean([run.noise for run in runs])) / len(runs)
    return replace(first, rows=rows, n=sum(run.n for run in runs), noise=noise, interval_of=inner)


def effect(runs: Sequence[Metric]) -> SeedEffect:
    """What the runs of one metric differ by.

    For ratios each problem's contribution is linearised. For other statistics (F1, BLEU) all of the difference counts
    as training: problems then weigh in twice, which errs on the safe side.
    """
    if runs[0].statistic is not stats.ratio:
        values = np.array([run.value for run in runs])
        return SeedEffect(values - values.mean(), float(values.var(ddof=1)), 0.0)
    return stats.seed_effect(np.stack([_contributions(run) for run in runs]))


def _contributions(run: Metric) -> Array:
    """Shape (problems,); their mean is the metric."""
    total = run.rows.sum(axis=0)
    value = total[0] / total[1] if total[1] else math.nan  # a rate over no program at all
    shares: Array = value + (run.rows[:, 0] - value * run.rows[:, 1]) * len(run.rows) / total[1]
    return shares


def draw(effects: Mapping[Key, SeedEffect], seeds: int, resamples: int, seed: int) -> dict[Key, Array]:
    """Replicates of training noise of seed-averaged scores, in percent, shape (r,), by the keys of ``effects``.

    The untuned base has none, and has no say in what training noise the methods of its size have in common.
    """
    groups: dict[tuple[str, str, str], list[Key]] = {}
    noise: dict[Key, Array] = {}
    for key in effects:
        if key[3] == schema.UNTUNED:
            noise[key] = np.zeros(resamples)
        else:
            groups.setdefault(key[:3], []).append(key)
    for keys in groups.values():
        moderated, degrees = stats.moderated([effects[key].total for key in keys], seeds - 1)
        for key, total in zip(keys, moderated, strict=True):
            variance = max(0.0, float(total) - effects[key].within)
            noise[key] = (
                100 * _student(degrees) * math.sqrt(variance / seeds) * _shared(effects[key], key, resamples, seed)
            )
    return noise


def _shared(found: SeedEffect, key: Key, resamples: int, seed: int) -> Array:
    """Standard normal draws that a model's tasks have in common as far as their deviations do."""
    place = zlib.crc32(f"{key[2]} {key[3]}".encode())
    common = np.random.default_rng([seed, place]).standard_normal((resamples, len(found.deviations)))
    if not found.total > 0:
        return np.random.default_rng([seed, zlib.crc32(repr(key).encode())]).standard_normal(resamples)
    length = math.sqrt(float((found.deviations**2).sum()))
    return np.asarray(common @ found.deviations / length)


def _student(degrees: float) -> float:
    """Student's over the normal quantile, one-sided 5%: the variance is itself estimated."""
    return float(_scipy.t.ppf(0.95, degrees) / _scipy.norm.ppf(0.95))


def replicates(values: Sequence[float], resamples: int, rng: np.random.Generator) -> Array:
    """The mean of a number over training runs with replicates, shape (1 + r,).

    One run repeats without error. NaN where no run has the number, or some run has none.
    """
    x = np.asarray(values, dtype=float)
    mean = float(x.mean()) if len(x) else math.nan
    found = np.full(1 + resamples, mean)
    if len(x) > 1 and not math.isnan(mean):
        error = float(x.std(ddof=1)) / math.sqrt(len(x)) * _student(len(x) - 1)
        found[1:] += error * rng.standard_normal(resamples)
    return found


def seed_spread(noise: Sequence[Array], seeds: int) -> float:
    """Standard deviation of one training run's mean of columns, in points; NaN where there is one seed."""
    if not noise or seeds < 2:
        return math.nan
    return float(np.mean(list(noise), axis=0).std()) * math.sqrt(seeds)
