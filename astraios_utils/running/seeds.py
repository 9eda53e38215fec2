"""A suite's training runs: what they share, what is shipped of them, and whether a fresh run agrees with them.

Run k is a suite of its own (``NAME-seed<k>``; run 0 is the suite itself). ``data/<suite>/counts/seed<k>.parquet`` holds
the verdict counts of a run that the project ships, ``losses<k>.parquet`` its final losses; so that a machine that does
one run judges methods by all of them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as _scipy_stats

from .. import results, schema, store, training
from ..metrics import scores
from ..metrics.scores import Metric
from ..results.claims import training_noise
from ..schema import Model, Suite
from ..tasks import TASKS
from ..training import losses
from . import pipeline

_scipy: Any = _scipy_stats
LEVEL = 0.95
COMPARED = ("task", "metric", "size", "method", "value", "mean", "sd", "low", "high", "status")
SPLIT = ("task", "metric", "models", "runs", "se_problems", "sd_training", "share_training")


def counts_path(suite: str, run: int) -> Path:
    """The shipped verdict counts of a run."""
    return store.data_dir() / suite / "counts" / f"seed{run}.parquet"


def losses_path(suite: str, run: int) -> Path:
    """The shipped final losses of a run: rows of :data:`training.LOSS_COLUMNS` with size and method."""
    return counts_path(suite, run).with_name(f"losses{run}.parquet")


@functools.lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> dict[tuple[str, str, str], pd.DataFrame]:
    groups = pd.read_parquet(path).groupby(["task", "size", "method"], sort=False)
    return {(str(t), str(s), str(m)): frame for (t, s, m), frame in groups}


def shipped(suite: str, run: int, task: str, model: Model) -> pd.DataFrame | None:
    """The shipped verdicts of one cell of a run; ``None`` where none are shipped."""
    path = counts_path(suite, run)
    if not path.exists():
        return None
    counts = _read(path, path.stat().st_mtime_ns).get((task, model.size, model.method))
    return None if counts is None else results.expand_counts(counts, suite)


def verdicts(suite: Suite, run: int, task: str, model: Model) -> tuple[pd.DataFrame, str] | None:
    """A cell's verdicts in one run, and where they come from: made here, or else shipped."""
    here = pipeline.verdicts(suite.run_of(run), task, model)
    return here if here is not None else shipped_cell(suite.name, run, task, model)


def shipped_cell(suite: str, run: int, task: str, model: Model) -> tuple[pd.DataFrame, str] | None:
    """:func:`shipped`, with where the verdicts come from."""
    held = shipped(suite, run, task, model)
    return None if held is None else (held, "shipped")


def exists(suite: Suite, run: int) -> bool:
    """Whether there is anything of a run, here or shipped."""
    made = store.suite_dir(suite.run_of(run).name).glob("verdicts/*/*")
    return counts_path(suite.name, run).exists() or any(made)


def runs(suite: Suite) -> list[int]:
    """The runs that there is anything of, here or shipped; run 0, the suite itself, where there is none."""
    return [run for run in range(suite.seeds) if exists(suite, run)] or [0]


def sources(suite: Suite) -> list[results.Verdicts]:
    """Where the cells' verdicts come from, one per run (for :func:`claims.measured`)."""
    return [functools.partial(verdicts, suite, run) for run in runs(suite)]


def shipped_runs(suite: Suite) -> list[int]:
    """The runs whose verdict counts are shipped."""
    return [run for run in range(suite.seeds) if counts_path(suite.name, run).exists()]


def with_extra_tasks(suite: Suite) -> Suite:
    """The suite with those of its extra tasks that have verdicts here or are shipped."""
    paths = [counts_path(suite.name, run) for run in shipped_runs(suite)]
    shipped = {task for path in paths for task, *_ in _read(path, path.stat().st_mtime_ns)}
    held = {*pipeline.with_extra_tasks(suite).tasks, *shipped}
    tasks = (*suite.tasks, *(task for task in suite.extra_tasks if task in held))
    return suite.model_copy(update={"tasks": tuple(dict.fromkeys(tasks))})


def shipped_sources(suite: Suite) -> list[results.Verdicts]:
    """Where the shipped verdicts come from, one per run: the same on every machine, whatever it has run."""
    return [functools.partial(shipped_cell, suite.name, run) for run in shipped_runs(suite)]


def shipped_logs(suite: Suite) -> list[pd.DataFrame]:
    """The shipped final losses, one per run."""
    return [_shipped_log(losses_path(suite.name, run)) for run in shipped_runs(suite)]


def loss_logs(suite: Suite) -> list[pd.DataFrame]:
    """The loss logs of each run; of models that were not trained here, the shipped final losses."""
    return [_loss_log(suite, run) for run in runs(suite)]


def _loss_log(suite: Suite, run: int) -> pd.DataFrame:
    log, path = training.loss_logs(suite.run_of(run)), losses_path(suite.name, run)
    return with_shipped(log, _shipped_log(path), ["size", "method"]) if path.exists() else log


def with_shipped(made: pd.DataFrame, held: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """What was made here, then the shipped rows whose ``keys`` were not made here."""
    if made.empty or held.empty:
        return held if made.empty else made
    here = set(made[[*keys]].itertuples(index=False, name=None))
    others = [key not in here for key in held[[*keys]].itertuples(index=False, name=None)]
    return pd.concat([made, held[others]], ignore_index=True) if any(others) else made


def _shipped_log(path: Path) -> pd.DataFrame:
    held = pd.read_parquet(path)
    pairs = [None if one is None else [list(pair) for pair in one] for one in held["sequences"]]
    return held.assign(sequences=pd.Series(pairs, index=held.index, dtype=object))


def ship(suite: Suite) -> list[Path]:
    """Write the verdict counts and final losses of the runs made here to ``data/<suite>/counts``.

    Cells and models that are shipped and were not made here stay, so that a suite can be run in parts.

    Raises:
        schema.MissingArtefact: nothing has been scored here.
    """
    written = []
    for run in range(suite.seeds):
        part = pipeline.with_extra_tasks(suite.run_of(run))
        paths = [cell.verdicts(part.name) for cell in pipeline.cells(part)]
        frames = [results.to_counts(pd.read_parquet(path)) for path in paths if path.exists()]
        if frames:
            counts, log = counts_path(suite.name, run), losses_path(suite.name, run)
            made = pd.concat(frames, ignore_index=True)
            ends = _final_losses(training.loss_logs(part))
            if counts.exists():
                made = with_shipped(made, pd.read_parquet(counts), ["task", "size", "method"])
                ends = with_shipped(ends, _shipped_log(log), ["size", "method"])
            store.write_frame(counts, made)
            store.write_frame(log, ends)
            written += [counts, log]
    if not written:
        raise schema.MissingArtefact(f"suite {suite.name} has no verdicts to ship: run `astraios run` first")
    return written


def _final_losses(log: pd.DataFrame) -> pd.DataFrame:
    """The rows of a loss log that final losses are made of."""
    last = log.groupby(["size", "method", "split"], sort=False)["step"].transform("max")
    window = np.where(log["split"] == "train", losses.LAST_STEPS, 1)
    return log[log["step"] > last - window].reset_index(drop=True)


def compare(suite: Suite) -> pd.DataFrame:
    """Whether the cells of this build's run 0 lie inside what the shipped runs explain.

    The interval is the 95% prediction interval for one more run: mean +- t sd sqrt(1 + 1/S), with the shipped runs'
    standard deviation over S runs.

    Returns:
        A row per cell and headline metric that is measured here and shipped: task, metric, size, method, value, mean,
        sd, low, high, status (``equal`` to a shipped run, ``inside``, ``outside``; ``one run`` where the value differs
        from the only shipped one).
    """
    rows = []
    kept = shipped_runs(suite)
    for task in suite.tasks:
        metric = results.headline(task)
        for model in suite.models:
            here = pipeline.verdicts(suite, task, model)
            held = [found for run in kept if (found := shipped(suite.name, run, task, model)) is not None]
            if here is not None and held:
                others = np.array([results.value_of(task, frame, metric) for frame in held])
                value = results.value_of(task, here[0], metric)
                head = {"task": task, "metric": metric, "size": model.size, "method": model.method}
                rows.append({**head, "value": value, **_place(value, others)})
    return pd.DataFrame(rows, columns=list(COMPARED))


def _place(value: float, others: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Where a value lies among those of other runs."""
    mean, count = float(others.mean()), len(others)
    equal = bool(np.isclose(others, value, rtol=0, atol=1e-9, equal_nan=True).any())
    if count < 2:
        return {"mean": mean, "sd": math.nan, "status": "equal" if equal else "one run"}
    sd = float(others.std(ddof=1))
    reach = float(_scipy.t.ppf((1 + LEVEL) / 2, count - 1)) * sd * math.sqrt(1 + 1 / count)
    status = "inside" if abs(value - mean) <= reach else "outside"
    if equal:
        status = "equal"
    return {"mean": mean, "sd": sd, "low": mean - reach, "high": mean + reach, "status": status}


def summary(suite: Suite) -> str:
    """:func:`compare` in one line, for the end of a run; empty where nothing is shipped."""
    frame = compare(suite)
    if frame.empty:
        return ""
    counts = frame["status"].value_counts()
    said = ", ".join(
        f"{counts[status]} {status}" for status in ("equal", "inside", "outside", "one run") if status in counts
    )
    return f"{len(frame)} cells against {len(shipped_runs(suite))} shipped run(s): {said}"


def variance(suite: Suite, of: Sequence[results.Verdicts] = ()) -> pd.DataFrame:
    """Where the uncertainty of a single run's score comes from: problems (with decoding), or training.

    Args:
        of: where each run's verdicts come from; by default made here or shipped (:func:`sources`).

    Returns:
        A row per task and headline metric with two runs or more: models, runs, se_problems (points, of one run's score
        over new problems, by the jackknife), sd_training (points, of one run's score on the same problems) and
        share_training (percent of the variance of one run's score); variances are means over the models.
    """
    rows, found_in = [], of or sources(suite)
    for task in suite.tasks:
        metric, parts = results.headline(task), []
        for model in suite.models:
            cells = [found for source in found_in if (found := source(task, model)) is not None]
            if len(cells) > 1:
                made = [scores.definitions(TASKS[task].metrics, frame)[metric] for frame, _ in cells]
                sampled = float(np.mean([_jackknife(run) for run in made]))
                parts.append((len(made), sampled, training_noise.effect(made).variance))
        if parts:
            runs_, problems, trained = np.mean(parts, axis=0)
            head = {"task": task, "metric": metric, "models": len(parts), "runs": int(runs_)}
            factor = made[0].factor
            spread = {"se_problems": factor * math.sqrt(problems), "sd_training": factor * math.sqrt(trained)}
            share = 100 * trained / (trained + problems) if trained + problems else math.nan
            rows.append({**head, **spread, "share_training": share})
    return pd.DataFrame(rows, columns=list(SPLIT))


def _jackknife(run: Metric) -> float:
    """Variance of a metric over problems, as a share squared."""
    left_out = np.asarray(run.statistic(run.rows.sum(axis=0) - run.rows), dtype=float)
    return float((len(left_out) - 1) * left_out.var())
