"""What a verdict rests on: every score, loss and cost of a suite with joint replicates.

Scores are bootstrapped together over problems (:mod:`stats.joint`), so that a difference of two methods is paired.
Losses are bootstrapped over test sequences where training logged them. A suite with several ``seeds`` adds training
noise (:mod:`training_noise`); its verdicts are then about methods, those of a single run about these checkpoints.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ... import results, schema
from ...metrics import scores, similarity, stats
from ...metrics.scores import Metric
from ...metrics.stats import RESAMPLES, Array, Column
from ...schema import Model, Suite
from ...sources import paper
from ...tasks import TASKS
from ...training import losses
from . import training_noise

Key = tuple[str, str, str, str]  # task, metric, size, method
PUBLISHED = "published"
SCOPES = ("these checkpoints", "the method")
COSTS: Mapping[str, tuple[str, str]] = {  # kinds of cost: in words, and their units
    "trainable_parameters": ("updated parameters", "parameters"),
    "peak_mib": ("peak memory in training", "MiB"),
    "step_seconds": ("training time", "seconds"),
    "checkpoint_bytes": ("size of the checkpoint", "bytes"),
    "generation_seconds": ("time to generate 1,000 tokens", "seconds"),
}
# Relative standard deviation that a cost is taken to have from run to run, since each was measured once. Counts have
# none: they are exact.
TOLERANCES: Mapping[str, float] = {"peak_mib": 0.02, "step_seconds": 0.1, "generation_seconds": 0.1}
_FURTHER = (
    *("accuracy/parsable", "rp@1/crossfit", "rp@1/mean", "pass@1/nominal", "drop@1/nominal", "lines/correct"),
    *similarity.NAMES,
)


@dataclass(frozen=True)
class Evidence:
    """Everything that claims are read from.

    Attributes:
        name: ``published``, or the suite.
        sizes: smallest first.
        scores: score and replicates in percent, shape (1 + r,), by task, metric, size and method.
        clusters: problems behind a score, by the same keys.
        costs: size, method, and those of ``COSTS`` that are known.
        losses: size, method, step, split, loss, and seed where there are several; empty where nothing was logged.
        printed: correlations that only the paper's text gives: x, y, size, coefficient, value, n.
        rates: peak learning rates by method, where models were trained.
        metrics: the definition behind a measured score, by the keys of ``scores``.
        ends: final test losses with replicates over test sequences, shape (1 + r,), by size and method, where logged.
        training: replicates of training noise, in percent, shape (r,), by the keys of ``scores``; part of ``scores``.
        seeds: training runs per model.
        orders: what is known of final losses that are not known as numbers: by split and size, every order that they
            may have, as each method's place (1 is lowest).
        alternatives: the same evidence under other assumptions; a verdict must survive all of them.
    """

    name: str
    sizes: tuple[str, ...]
    scores: Mapping[Hashable, Array]
    clusters: Mapping[Hashable, int]
    costs: pd.DataFrame
    losses: pd.DataFrame
    printed: pd.DataFrame = field(default_factory=pd.DataFrame)
    rates: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[Any, Metric] = field(default_factory=dict)
    ends: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    training: Mapping[Any, Array] = field(default_factory=dict)
    seeds: int = 1
    orders: Mapping[tuple[str, str], tuple[Mapping[str, int], ...]] = field(default_factory=dict)
    alternatives: tuple[Evidence, ...] = ()

    @property
    def scope(self) -> str:
        """What a verdict is about: with one training run per model, these checkpoints only."""
        return SCOPES[self.seeds > 1]

    @functools.cached_property
    def logs(self) -> dict[tuple[str, str], list[pd.DataFrame]]:
        """The loss logs of each model that has one, one per training run."""
        frame = self.losses if "seed" in self.losses else self.losses.assign(seed=0)
        found: dict[tuple[str, str], list[pd.DataFrame]] = {}
        for (size, method, _), log in frame.groupby(["size", "method", "seed"], sort=False):
            found.setdefault((str(size), str(method)), []).append(log)
        return found

    @functools.cached_property
    def tests(self) -> dict[tuple[str, str], list[Array]]:
        """Step and test loss of each training run of a model, shape (tests, 2), by step."""
        return {
            model: [log.loc[log["split"] == "test", ["step", "loss"]].to_numpy(dtype=float) for log in logs]
            for model, logs in self.logs.items()
        }

    @functools.cached_property
    def _costs(self) -> dict[tuple[str, str, str], float]:
        return {
            (name, row["size"], row["method"]): float(row[name])
            for row in self.costs.to_dict("records")
            for name in COSTS
            if row.get(name) is not None
        }

    def cost(self, name: str, size: str, method: str) -> Array:
        """A cost with replicates by its tolerance, shape (1 + r,); exact ones repeat; NaN where it is not known."""
        value, tolerance = self._costs.get((name, size, method), math.nan), TOLERANCES.get(name, 0.0)
        error = tolerance * self.rng(name, size, method).standard_normal(self.shape[0])
        error[0] = 0.0
        return np.asarray(value * (1 + error))

    @functools.cached_property
    def _finals(self) -> dict[tuple[str, str, str], list[float]]:
        """Final losses of each training run, by split, size and method."""
        return {
            (split, *model): [losses.final(log, split) for log in logs]
            for model, logs in self.logs.items()
            for split in losses.SPLITS
        }

    def runs_of(self, name: str, size: str, method: str) -> int:
        """From how many training runs a final loss (``test_loss``) comes."""
        return len(self._finals.get((name.removesuffix("_loss"), size, method), []))

    def loss(self, split: str, size: str, method: str) -> Array:
        """A final loss with replicates over test sequences and seeds, shape (1 + r,), as far as both are known."""
        found = self.over_runs(self._finals.get((split, size, method), []), f"{split}_loss", size, method)
        sampled = self.ends.get((size, method)) if split == "test" else None
        return found if sampled is None else found + (sampled - sampled[0])

    def over_runs(self, values: Sequence[float], *key: str) -> Array:
        """The mean over training runs with replicates of training noise; a single run repeats, without error."""
        return training_noise.replicates(values, self.shape[0] - 1, self.rng(*key))

    def rng(self, *key: str) -> np.random.Generator:
        """Random numbers of their own for a quantity: whatever else is read, they stay the same."""
        return np.random.default_rng(zlib.crc32(" ".join(key).encode()))

    @property
    def shape(self) -> tuple[int]:
        """Of every score's array: the score itself, then its replicates."""
        return next((values.shape for values in (*self.scores.values(), *self.ends.values())), (2,))

    def score(self, task: str, metric: str, size: str, method: str) -> Array:
        """Score and replicates in percent; NaN throughout where there is none."""
        held = self.scores.get((task, metric, size, method))
        return np.full(self.shape, math.nan) if held is None else held


def parameters() -> pd.DataFrame:
    """Table 1 as costs: size, method, trainable_parameters."""
    return paper.updated_parameters()[["size", "method", "parameters"]].rename(
        columns={"parameters": "trainable_parameters"}
    )


def measured(
    suite: Suite,
    verdicts: results.Verdicts | Sequence[results.Verdicts],
    costs: pd.DataFrame | None = None,
    loss_log: pd.DataFrame | Sequence[pd.DataFrame] | None = None,
    resamples: int = RESAMPLES,
    known: Mapping[Key, Metric] | None = None,
) -> Evidence:
    """The evidence of a suite's own verdicts.

    Args:
        suite: its sizes, methods, tasks; ``suite.seed`` seeds the bootstrap.
        verdicts: where a cell's verdicts come from, as for :func:`results.results`; one per training seed where the
            suite has several. A cell that some seed has no verdicts for is missing.
        costs: of its trained models (:func:`training.collect`); Table 1 where the models are the paper's and none were
            trained here.
        loss_log: of its trained models (:func:`training.loss_logs`), one per seed.
        resamples: of the bootstrap.
        known: metrics that are the same as in other evidence (:attr:`Evidence.metrics`) and not computed again.
    """
    sources = [verdicts] if callable(verdicts) else list(verdicts)
    logs = [] if loss_log is None else [loss_log] if isinstance(loss_log, pd.DataFrame) else list(loss_log)
    metrics, effects = _collect(suite, sources, known or {})
    sequences = _sequences(logs)
    found, noise, joint = replicated(
        metrics, effects, len(sources), resamples=resamples, seed=suite.seed, further=sequences
    )
    found |= derived(found, suite.models, paper.nominal() if suite.published else None)
    numbered = [log.assign(seed=seed) for seed, log in enumerate(logs)]
    rates = {method: suite.recipe.rate(method) for method in suite.methods} if suite.recipe else {}
    return Evidence(
        suite.name,
        suite.sizes,
        found,
        {key: joint.clusters[key] for key in metrics},
        _with_peak(_costs_of(suite, costs)),
        pd.concat(numbered, ignore_index=True) if numbered else empty_log(),
        rates=rates,
        metrics=metrics,
        ends={(key.size, key.method): joint.values[key] for key in sequences},
        training=noise,
        seeds=len(sources),
    )


def replicated(
    metrics: Mapping[Key, Metric],
    effects: Mapping[Key, stats.SeedEffect],
    seeds: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    further: Mapping[Any, Column] | None = None,
) -> tuple[dict[Hashable, Array], dict[Key, Array], stats.Joint]:
    """Scores with joint replicates over problems and training runs.

    Args:
        metrics: averaged over training runs (:func:`training_noise.averaged`).
        effects: what the runs of each differ by; empty with one run.
        seeds: training runs.
        resamples, seed: of the bootstrap.
        further: columns that are drawn along.

    Returns:
        Scores and replicates in percent, shape (1 + r,); the training noise in them, shape (r,); the joint bootstrap.
    """
    columns: dict[Any, Column] = {k: m.column(*_place(k[0], m.problems)) for k, m in metrics.items()}
    joint = stats.joint_bootstrap(columns | dict(further or {}), resamples=resamples, seed=seed)
    noise = training_noise.draw(effects, seeds, resamples, seed)
    found: dict[Hashable, Array] = {}
    for key, metric in metrics.items():
        rng = np.random.default_rng([seed, zlib.crc32(repr(key).encode())])
        found[key] = metric.factor * stats.widened(joint.values[key], len(metric.rows), metric.step, rng)
        found[key][1:] += noise.get(key, 0.0)
    return found, noise, joint


def _costs_of(suite: Suite, costs: pd.DataFrame | None) -> pd.DataFrame:
    """The costs of trained models; without any, the parameters of Table 1 for the paper's models."""
    if costs is not None and not costs.empty:
        return costs
    return parameters() if suite.published else pd.DataFrame(columns=["size", "method", "trainable_parameters"])


def empty_log() -> pd.DataFrame:
    """A loss log without rows."""
    return pd.DataFrame(columns=["size", "method", "step", "split", "loss"])


def _collect(
    suite: Suite, sources: Sequence[results.Verdicts], known: Mapping[Key, Metric]
) -> tuple[dict[Key, Metric], dict[Key, stats.SeedEffect]]:
    """Every metric of every cell, averaged over seeds, and what the seeds differ by where there are several."""
    metrics: dict[Key, Metric] = {}
    effects: dict[Key, stats.SeedEffect] = {}
    reused = {key[0] for key in known}
    for task in suite.tasks:
        if task in reused:
            metrics |= {key: metric for key, metric in known.items() if key[0] == task}
            continue
        for model in suite.models:
            cells = [found for source in sources if (found := source(task, model)) is not None]
            if len(cells) < len(sources):
                continue
            runs = [_definitions(task, frame) for frame, _ in cells]
            for metric in runs[0]:
                key = (task, metric, model.size, model.method)
                metrics[key] = training_noise.averaged([run[metric] for run in runs])
                if len(runs) > 1:
                    effects[key] = training_noise.effect([run[metric] for run in runs])
    return metrics, effects


def _definitions(task: str, verdicts: pd.DataFrame) -> dict[str, Metric]:
    """Those metrics of a cell that claims are read from."""
    wanted = TASKS[task].metrics
    found = scores.definitions(wanted, verdicts)
    return {key: metric for key, metric in found.items() if key in wanted or key in _FURTHER}


@dataclass(frozen=True, slots=True)
class _LossKey:
    """Of a model's test loss in the joint bootstrap."""

    size: str
    method: str


def _sequences(logs: Sequence[pd.DataFrame]) -> dict[_LossKey, Column]:
    """Final test losses as sums over test sequences (cross-entropy, tokens), averaged over seeds; where logged."""
    rows: dict[_LossKey, list[Array]] = {}
    for log in logs:
        tests = log[log["split"] == "test"] if "sequences" in log else log.iloc[:0]
        for (size, method), own in tests.groupby(["size", "method"], sort=False):
            last = own["sequences"].iloc[-1]
            if isinstance(last, list):
                rows.setdefault(_LossKey(str(size), str(method)), []).append(np.asarray(last, dtype=float))
    columns = {}
    for key, found in rows.items():
        if len(found) == len(logs) and len({len(one) for one in found}) == 1:
            mean = np.mean(found, axis=0)
            names = np.arange(len(mean)).astype(str)
            columns[key] = Column(f"{len(mean)} test sequences", names, mean, stats.ratio)
    return columns


def _with_peak(costs: pd.DataFrame) -> pd.DataFrame:
    """Most memory in training as one column: the GPU's where there was one, else the host's above the loaded base."""
    if "host_peak_above_base_mib" not in costs:
        return costs
    gpu = pd.to_numeric(costs["gpu_peak_mib"]) if "gpu_peak_mib" in costs else pd.Series(math.nan, index=costs.index)
    return costs.assign(peak_mib=gpu.fillna(pd.to_numeric(costs["host_peak_above_base_mib"])))


def _place(task: str, problems: pd.Index) -> tuple[str, np.ndarray]:
    """The stratum of a task's problems, and their names within it: tasks made from HumanEval share its problems."""
    names = problems.astype(str)
    if task in (*schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS):
        return "humaneval", names.str.rsplit("/", n=1).str[-1].to_numpy(dtype=str)
    return task.split("-")[0], names.to_numpy(dtype=str)


def derived(
    found: Mapping[Hashable, Array], models: tuple[Model, ...], implied: pd.DataFrame | None
) -> dict[Hashable, Array]:
    """What perturbing costs, for each ReCode category and model.

    ``worst@1``: Pass@1 under the worst perturbation: cross-fitted where it was measured, else the printed RP@1.
    ``drop@1``: plain HumanEval's Pass@1 minus that, with its sign; the nominal is the measured one, or else the one
    that Table 4 implies (``implied``), taken without error and unpaired. ``share@1``: the drop as a share of Pass@1, in
    percent. ``rc@1`` and ``rc@1/nominal``: the paper's absolute values of RP@1, without replicates: near 0 they are
    biased upwards, so that nothing is decided by them.
    """
    made: dict[Hashable, Array] = {}
    known = {} if implied is None else implied.set_index(["size", "method"])["value"].to_dict()
    for model in models:
        where = (model.size, model.method)
        plain = found.get((results.PLAIN, "pass@1/nominal", *where), known.get(where))
        for task in schema.ROBUSTNESS_TASKS:
            printed, own = found.get((task, "rp@1", *where)), found.get((task, "pass@1/nominal", *where))
            worst = found.get((task, "rp@1/crossfit", *where), printed)
            if worst is None or printed is None:
                continue
            made[task, "worst@1", *where] = worst
            if plain is not None:
                drop = plain - worst
                made[task, "drop@1", *where], made[task, "rc@1", *where] = drop, _folded(plain - printed)
                with np.errstate(invalid="ignore", divide="ignore"):
                    made[task, "share@1", *where] = np.where(plain > 0, 100 * drop / plain, math.nan)
            if own is not None:
                made[task, "rc@1/nominal", *where] = _folded(own - printed)
                made[task, "drop@1/nominal", *where] = own - worst
    return made


def _folded(change: Array) -> Array:
    """The absolute value of a change, without replicates."""
    found = np.full(change.shape, math.nan)
    found[0] = abs(change[0])
    return found
