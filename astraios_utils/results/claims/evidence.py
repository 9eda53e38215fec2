"""What a verdict rests on: every score with joint replicates, costs and losses; measured in a suite, or as published.

Measured scores are bootstrapped together over problems (:mod:`stats.joint`), so that a difference of two methods is
paired. The paper prints no errors: its scores get the largest standard error that a mean of shares over their number of
problems can have, sqrt(p (1-p) / problems), each score by itself. Differences then look less certain than they are;
what the printed numbers say without any error is kept apart (:attr:`logic.Finding.holds`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ... import results, schema
from ...metrics import scores, similarity, stats
from ...metrics.stats import RESAMPLES, Array, Column
from ...schema import Model, Suite
from ...sources import paper
from ...training import losses

Key = tuple[str, str, str, str]  # task, metric, size, method
PUBLISHED = "published"
PROBLEMS: Mapping[str, int] = {  # behind the paper's scores (section 2.3)
    **dict.fromkeys(schema.COMPREHENSION_TASKS, 2000),
    **dict.fromkeys((*schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS), paper.HUMANEVAL_PROBLEMS),
    **dict.fromkeys(schema.SECURITY_TASKS, 40),
}
COSTS: Mapping[str, tuple[str, str]] = {  # kinds of cost: in words, and their units
    "trainable_parameters": ("updated parameters", "parameters"),
    "peak_mib": ("peak memory in training", "MiB"),
    "step_seconds": ("training time", "seconds"),
    "checkpoint_bytes": ("size of the checkpoint", "bytes"),
    "generation_seconds": ("time to generate 1,000 tokens", "seconds"),
}


@dataclass(frozen=True)
class Evidence:
    """Everything that claims are read from.

    Attributes:
        name: ``published``, or the suite.
        sizes: smallest first.
        scores: score and replicates in percent, shape (1 + r,), by task, metric, size and method.
        clusters: problems behind a score, by the same keys.
        costs: size, method, and those of ``COSTS`` that are known.
        losses: size, method, step, split, loss; empty where no training was logged.
        printed: correlations that only the paper's text gives: x, y, size, coefficient, value, n.
        rates: peak learning rates by method, where models were trained.
    """

    name: str
    sizes: tuple[str, ...]
    scores: Mapping[Hashable, Array]
    clusters: Mapping[Hashable, int]
    costs: pd.DataFrame
    losses: pd.DataFrame
    printed: pd.DataFrame = field(default_factory=pd.DataFrame)
    rates: Mapping[str, float] = field(default_factory=dict)

    @functools.cached_property
    def logs(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The loss log of each model that has one."""
        return {(str(s), str(m)): log for (s, m), log in self.losses.groupby(["size", "method"], sort=False)}

    @functools.cached_property
    def _constants(self) -> dict[tuple[str, str, str], float]:
        found: dict[tuple[str, str, str], float] = {}
        for (size, method), log in self.logs.items():
            found |= {(f"{split}_loss", size, method): losses.final(log, split) for split in losses.SPLITS}
        for row in self.costs.to_dict("records"):
            found |= {
                (name, row["size"], row["method"]): float(row[name]) for name in COSTS if row.get(name) is not None
            }
        return found

    def constant(self, name: str, size: str, method: str) -> float:
        """A cost, or a final loss (``train_loss``, ``test_loss``): numbers without an error; NaN where not known."""
        return self._constants.get((name, size, method), math.nan)

    @property
    def shape(self) -> tuple[int]:
        """Of every score's array: the score itself, then its replicates."""
        return next((values.shape for values in self.scores.values()), (2,))

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
    verdicts: results.Verdicts,
    costs: pd.DataFrame | None = None,
    loss_log: pd.DataFrame | None = None,
    resamples: int = RESAMPLES,
) -> Evidence:
    """The evidence of a suite's own verdicts.

    Args:
        suite: its sizes, methods, tasks; ``suite.seed`` seeds the bootstrap.
        verdicts: where a cell's verdicts come from, as for :func:`results.results`.
        costs: of its trained models (:func:`training.collect`); Table 1 where the models are the paper's and none were
            trained here.
        loss_log: of its trained models (:func:`training.loss_logs`).
        resamples: of the bootstrap.
    """
    columns: dict[Hashable, Column] = {}
    for task in suite.tasks:
        for model in suite.models:
            found = verdicts(task, model)
            if found is not None:
                for metric, column in _columns(task, found[0]):
                    columns[task, metric, model.size, model.method] = column
    joint = stats.joint_bootstrap(columns, resamples=resamples, seed=suite.seed)
    scores = {key: 100 * values for key, values in joint.values.items()}
    implied = paper.nominal() if suite.published else None
    scores |= _changes(scores, suite.models, implied)
    if costs is None or costs.empty:
        costs = parameters() if suite.published else pd.DataFrame(columns=["size", "method", "trainable_parameters"])
    log = pd.DataFrame(columns=["size", "method", "step", "split", "loss"]) if loss_log is None else loss_log
    rates = {method: suite.recipe.rate(method) for method in suite.methods} if suite.recipe else {}
    return Evidence(suite.name, suite.sizes, scores, joint.clusters, _with_peak(costs), log, rates=rates)


def _with_peak(costs: pd.DataFrame) -> pd.DataFrame:
    """Most memory in training as one column: the GPU's where there was one, else the host's."""
    if "host_peak_mib" not in costs:
        return costs
    gpu = pd.to_numeric(costs["gpu_peak_mib"]) if "gpu_peak_mib" in costs else pd.Series(math.nan, index=costs.index)
    return costs.assign(peak_mib=gpu.fillna(costs["host_peak_mib"].astype(float)))


def _columns(task: str, verdicts: pd.DataFrame) -> Iterator[tuple[str, Column]]:
    """A cell's metrics as sums over problems."""
    passed = np.asarray(verdicts["status"].eq("passed"), dtype=float)
    if task in schema.GENERATION_TASKS:
        yield "pass@1", _means(task, verdicts["problem"], passed)
    elif task in schema.ROBUSTNESS_TASKS:
        yield from _robust(task, verdicts, passed)
    elif task in schema.SECURITY_TASKS:
        valid = verdicts["status"].isin(("secure", "insecure")).to_numpy(dtype=float)
        judged = valid + verdicts["status"].eq("invalid").to_numpy(dtype=float)
        insecure = verdicts["status"].eq("insecure").to_numpy(dtype=float)
        yield "valid", _sums(task, verdicts["problem"], np.column_stack([valid, judged]))
        yield "insecure", _sums(task, verdicts["problem"], np.column_stack([insecure, valid]))
    elif task.split("-")[0] in schema.COMPREHENSION_TASKS:
        parsed = verdicts["status"].ne("invalid").to_numpy(dtype=float)
        yield "accuracy", _sums(task, verdicts["problem"], np.column_stack([passed, np.ones(len(passed))]))
        yield "accuracy/parsable", _sums(task, verdicts["problem"], np.column_stack([passed, parsed]))
        names, rows, score = scores.f1_sums(verdicts)
        yield "f1", Column(*_place(task, names), rows, score)
    elif task == "conala":
        counts = np.array([similarity.decode(text) for text in verdicts["detail"]], dtype=float)
        total = pd.DataFrame(counts).groupby(verdicts["problem"].to_numpy()).sum()
        for name in similarity.NAMES:
            yield name, Column(*_place(task, total.index), total.to_numpy(), similarity.statistic(name))


def _place(task: str, problems: pd.Index) -> tuple[str, np.ndarray]:
    """The stratum of a task's problems, and their names within it: tasks made from HumanEval share its problems."""
    if task in (*schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS):
        return "humaneval", problems.str.rsplit("/", n=1).str[-1].to_numpy(dtype=str)
    return task.split("-")[0], problems.to_numpy(dtype=str)


def _sums(task: str, problems: pd.Series, rows: Array) -> Column:
    """Sums per problem, the first over the second: samples weigh alike."""
    total = pd.DataFrame(rows).groupby(problems.to_numpy()).sum()
    return Column(*_place(task, total.index), total.to_numpy(), stats.ratio)


def _means(task: str, problems: pd.Series, passed: Array) -> Column:
    """Shares per problem: problems weigh alike."""
    share = pd.Series(passed).groupby(problems.to_numpy()).mean()
    return Column(*_place(task, share.index), np.column_stack([share, np.ones(len(share))]), stats.ratio)


def _robust(task: str, verdicts: pd.DataFrame, passed: Array) -> Iterator[tuple[str, Column]]:
    """RP@1 under the perturbation that is worst on all problems (as in ``metrics``), and the unperturbed Pass@1."""
    perturbation = verdicts["variant"].str.split("/").str[0]
    keys = [perturbation.to_numpy(), verdicts["problem"].to_numpy(), verdicts["sample"].to_numpy()]
    every_seed = pd.Series(passed).groupby(keys).min()
    shares = {name: part.droplevel(0).groupby(level=0).mean() for name, part in every_seed.groupby(level=0)}
    plain = shares.pop(scores.NOMINAL, None)
    if plain is not None:
        yield "pass@1/nominal", _means(task, plain.index.to_series(), np.asarray(plain, dtype=float))
    if shares:
        worst = min(shares.values(), key=lambda share: float(share.mean()))
        yield "rp@1", _means(task, worst.index.to_series(), np.asarray(worst, dtype=float))


def _changes(
    scores: Mapping[Hashable, Array], models: tuple[Model, ...], implied: pd.DataFrame | None
) -> dict[Hashable, Array]:
    """What perturbing costs, from RP@1 and a nominal Pass@1, for each ReCode category and model.

    ``rc@1``: |Pass@1 - RP@1| with plain HumanEval's Pass@1 throughout, as in the paper (``implied``: Table 4's, without
    error; else measured); ``drop@1``: the same with its sign; ``share@1``: the drop as a share of Pass@1 (percent);
    ``rc@1/nominal``: against the category's own unperturbed prompts, where they were answered.
    """
    found: dict[Hashable, Array] = {}
    known = {} if implied is None else implied.set_index(["size", "method"])["value"].to_dict()
    for model in models:
        where = (model.size, model.method)
        plain = scores.get((results.PLAIN, "pass@1/nominal", *where), known.get(where))
        for task in schema.ROBUSTNESS_TASKS:
            robust, own = scores.get((task, "rp@1", *where)), scores.get((task, "pass@1/nominal", *where))
            if robust is not None and plain is not None:
                drop = plain - robust
                found[task, "rc@1", *where], found[task, "drop@1", *where] = np.abs(drop), drop
                with np.errstate(invalid="ignore", divide="ignore"):
                    found[task, "share@1", *where] = np.where(plain > 0, 100 * drop / plain, math.nan)
            if robust is not None and own is not None:
                found[task, "rc@1/nominal", *where] = np.abs(own - robust)
    return found


def published(resamples: int = RESAMPLES, seed: int = 0) -> Evidence:
    """The paper's tables 1 to 5, 7 and 8, with the largest error that their numbers of problems allow."""
    rng = np.random.default_rng(seed)
    frame = pd.concat([paper.table(number) for number in (2, 3, 4, 5)])
    frame = frame[frame["metric"] != "rc@1"]  # follows from RP@1 and the nominal
    scores: dict[Hashable, Array] = {}
    for row in frame.to_dict("records"):
        key = (row["task"], row["metric"], row["size"], row["method"])
        scores[key] = _with_error(float(row["value"]), PROBLEMS[row["task"]], rng, resamples)
    nominal = paper.nominal()
    for row in nominal.to_dict("records"):
        key = (results.PLAIN, "pass@1/nominal", row["size"], row["method"])
        scores[key] = _with_error(float(row["value"]), paper.HUMANEVAL_PROBLEMS, rng, resamples)
    models = tuple(Model(size, method) for size in schema.SIZES for method in schema.METHODS)
    scores |= {key: v for key, v in _changes(scores, models, None).items() if str(key[1]) != "rc@1/nominal"}  # type: ignore[index]
    nothing = pd.DataFrame(columns=["size", "method", "step", "split", "loss"])
    clusters = {key: PROBLEMS[key[0]] for key in scores}  # type: ignore[index]
    return Evidence(PUBLISHED, schema.SIZES, scores, clusters, parameters(), nothing, _printed())


def as_printed(frame: pd.DataFrame, sizes: tuple[str, ...], costs: pd.DataFrame | None = None) -> Evidence:
    """Printed numbers whose errors nobody knows, taken as they are: every claim is then decided by the values alone.

    Args:
        frame: results with a column ``published``.
        sizes: in the order in which they grow.
        costs: where some were printed.
    """
    rows = frame[frame["published"].notna()]
    keys: list[Hashable] = list(rows[["task", "metric", "size", "method"]].itertuples(index=False, name=None))
    scores = {key: np.full(3, float(value)) for key, value in zip(keys, rows["published"], strict=True)}
    nothing = pd.DataFrame(columns=["size", "method", "step", "split", "loss"])
    known = pd.DataFrame(columns=["size", "method", "trainable_parameters"]) if costs is None else costs
    return Evidence(PUBLISHED, sizes, scores, dict.fromkeys(scores, 0), known, nothing)


def _with_error(value: float, problems: int, rng: np.random.Generator, resamples: int) -> Array:
    error = math.sqrt(value * (100 - value) / problems)
    return np.concatenate([[value], value + error * rng.standard_normal(resamples)])


def _printed() -> pd.DataFrame:
    """Tables 7 and 8 as correlations of x and y. Their signs are those of *lower* loss, as the text reads them."""
    tables = {7: "trainable_parameters", 8: "performance"}
    frames = [paper.table(number).assign(x=other, y=lambda f: f["loss"] + "_loss") for number, other in tables.items()]
    frame = pd.concat(frames)
    per_size = len(schema.METHODS)
    n = np.where(frame["size"] == "overall", per_size * len(schema.SIZES), per_size)
    return frame.assign(n=n)[["x", "y", "size", "coefficient", "value", "n"]]
