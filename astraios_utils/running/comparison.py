"""A suite that compares methods, as one table: scores of this build or as shipped, costs, and the chosen rates.

``data/<suite>`` ships what the table needs of a whole run: verdict counts and final losses per training run
(:mod:`.seeds`), ``costs.csv`` (a row per run and method) and ``learning_rates.csv`` (:mod:`.search`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .. import methods, models, schema, store, training
from ..results import claims, comparison
from ..results.claims import Evidence
from ..schema import Model, Suite
from . import ledger, search, seeds

COSTS = (
    *("run", "size", "method", "test_loss", "retained_loss", "retained_loss_base", "trainable_parameters"),
    *("checkpoint_bytes", "tokens", "step_seconds", "host_peak_above_base_mib", "generation_seconds", "served"),
)
MEASURED_ONCE = ("trainable_parameters", "checkpoint_bytes", "served")
TIMES = ("step_seconds", "generation_seconds")  # other work on a machine only ever adds to them: the fastest run counts


def costs_path(suite: str) -> Path:
    """The shipped costs of a suite's training runs."""
    return store.data_dir() / suite / "costs.csv"


def served(suite: Suite, model: Model) -> str:
    """How a trained model generates: ``whole`` (its own weights), ``merged`` into the base, or as an ``adapter``."""
    run = training.plan(suite, model)
    if not models.is_adapter(run.checkpoint):
        return "whole"
    kind: Any = models.read_peft_config(run.checkpoint).peft_type
    return "merged" if getattr(kind, "value", kind) in methods.MERGEABLE_TYPES else "adapter"


def costs(suite: Suite) -> pd.DataFrame:
    """What each training run of each method cost and forgot (``COSTS``): of this build, or else as shipped."""
    path, made = costs_path(suite.name), []
    for number in range(suite.seeds):
        run = suite.run_of(number)
        found = ledger.costs(run) if run.recipe else None
        if found is not None:
            how = [served(run, Model(s, m)) for s, m in zip(found["size"], found["method"], strict=True)]
            made.append(found.assign(run=number, served=how).reindex(columns=list(COSTS)))
    here = pd.concat(made, ignore_index=True) if made else pd.DataFrame(columns=list(COSTS))
    if not path.exists():
        return here
    held = pd.read_csv(path).reindex(columns=list(COSTS))
    key = ["run", "size", "method"]
    known = set(here[key].itertuples(index=False, name=None))
    others = [row not in known for row in held[key].itertuples(index=False, name=None)]
    parts = [frame for frame in (here, held[others]) if len(frame)]
    return pd.concat(parts, ignore_index=True) if parts else here


def ship(suite: Suite) -> list[Path]:
    """Write counts, losses and costs of the runs made here to ``data/<suite>``.

    Raises:
        schema.MissingArtefact: nothing has been scored here.
    """
    written = seeds.ship(suite)
    store.write_frame(costs_path(suite.name), costs(suite))
    return [*written, costs_path(suite.name)]


def _verdicts(suites: Sequence[Suite], run: int, task: str, model: Model) -> tuple[pd.DataFrame, str] | None:
    """A cell's verdicts in one run, from the suite that has the method: made here, or else shipped."""
    for suite in suites:
        if model.method in suite.methods:
            return seeds.verdicts(suite, run, task, model)
    return None


def evidence(suite: Suite, mine: Suite | None = None) -> Evidence:
    """All scores of a suite, from as many training runs as there is anything of.

    Args:
        suite: the suite, whose results may be shipped.
        mine: a suite of further methods on the same base and tasks (:mod:`.bench`); its runs are as many.
    """
    suites = [suite] if mine is None else [mine, suite]
    whole = suite if mine is None else joined(suite, mine)
    return claims.measured(whole, [functools.partial(_verdicts, suites, run) for run in seeds.runs(suite)])


def is_measured(suite: Suite) -> bool:
    """Whether there is a run of the suite, made here or shipped."""
    return any(seeds.exists(suite, run) for run in range(suite.seeds))


def joined(suite: Suite, mine: Suite) -> Suite:
    """A suite with the methods of another one behind its own; of a name that both have, the other's."""
    own = [method for method in suite.methods if method not in mine.methods]
    changes = {
        "methods": (*own, *mine.methods),
        "rows": {**suite.rows, **mine.rows},
        "method_configs": {**suite.method_configs, **mine.method_configs},
    }
    return suite.model_copy(update=changes)


def scores(suite: Suite, mine: Suite | None = None) -> comparison.Scores:
    """What ranks, sets and correlations of a suite are made of (:func:`comparison.scores`)."""
    return comparison.scores(evidence(suite, mine), suite if mine is None else joined(suite, mine))


def table(suite: Suite, mine: Suite | None = None, found: comparison.Scores | None = None) -> pd.DataFrame:
    """The leaderboard with costs, forgetting and the chosen learning rates.

    Returns:
        :func:`comparison.board` with, per method, means over runs of test_loss and forgot (rise of the loss on
        pre-training documents), the fastest run's step and generation seconds (of 1,000 tokens), trainable_parameters,
        percent (of the base's), checkpoint_bytes, peak_mib, served; learning_rate, and of the search edge, rise and
        octaves; front (cheapest for its mean, by parameters), pscp (weights of one). Without results no row.
    """
    if found is None and mine is None and not is_measured(suite):
        return _empty(suite)
    found = found or scores(suite, mine)
    frame = comparison.board(found)
    parts = [costs(one) for one in (suite, mine) if one is not None]
    held = summed(pd.concat(parts, ignore_index=True)) if any(map(len, parts)) else summed(parts[0])
    frame = frame.join(held, on="method")
    frame = frame.assign(percent=_percent(frame), learning_rate=[_rate(suite, mine, m) for m in frame["method"]])
    frame = frame.join(_searched(suite, mine), on="method")
    ranked = ~frame["control"]
    frame["front"] = comparison.front(frame[ranked], "trainable_parameters").reindex(frame.index, fill_value=False)
    frame["pscp"] = comparison.soft_score(frame[ranked]).reindex(frame.index)
    return frame


def _empty(suite: Suite) -> pd.DataFrame:
    """The table without rows."""
    against = [f"vs {control}{end}" for control in comparison.CONTROLS for end in ("", " low", " high", " p")]
    costs_ = ["test_loss", "forgot", "peak_mib", *TIMES, *MEASURED_ONCE, "percent", "learning_rate"]
    names = [*comparison.COLUMNS, *suite.tasks, *against, *costs_, "edge", "rise", "octaves", "front", "pscp"]
    return pd.DataFrame({name: pd.Series(dtype=bool if name in ("control", "front") else float) for name in names})


def summed(held: pd.DataFrame) -> pd.DataFrame:
    """Costs of several runs as one row per method, indexed by it."""
    numbers = [c for c in COSTS if c not in ("run", "size", "method", "served")]
    known = held.astype(dict.fromkeys(numbers, float)).rename(columns={"host_peak_above_base_mib": "peak_mib"})
    known["forgot"] = known["retained_loss"] - known["retained_loss_base"]
    groups = known.groupby("method", sort=False)
    made = groups[["test_loss", "forgot", "peak_mib"]].mean().join(groups[list(TIMES)].min())
    return made.join(groups[list(MEASURED_ONCE)].first())


def _percent(frame: pd.DataFrame) -> pd.Series:
    """Trained parameters in percent of the base's, which full fine-tuning trains all; NaN without it."""
    whole = frame.loc[frame["method"] == "FFT", "trainable_parameters"]
    return 100 * frame["trainable_parameters"] / (float(whole.iloc[0]) if len(whole) else math.nan)


def _rate(suite: Suite, mine: Suite | None, method: str) -> float:
    owner = mine if mine is not None and method in mine.methods else suite
    tuned = owner.recipe is not None and not methods.is_untuned(method)
    return owner.recipe.rate(method) if tuned and owner.recipe else math.nan


def _searched(suite: Suite, mine: Suite | None) -> pd.DataFrame:
    """edge, rise and octaves by method, of the trials that are kept."""
    parts = [search.read(search.path_of(suite))]
    if mine is not None:
        parts.append(search.read(search.own_path(mine)))
    trials = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else parts[0]
    if trials.empty:
        return pd.DataFrame(columns=["edge", "rise", "octaves"], index=pd.Index([], name="method"))
    return search.chosen(trials).set_index("method")[["edge", "rise", "octaves"]]


def published_orders() -> dict[str, dict[str, float]]:
    """Other tables of methods: by name, a value per method (higher is better).

    ``PEFT, MetaMathQA``: test accuracy of Llama-3.2-3B in PEFT's ``method_comparison``, of several configurations of a
    method the best. ``the paper, SIZE``: mean performance at a size, as Table 2 to 4 print the scores.
    """
    frame = pd.read_csv(store.data_dir() / "paper" / "peft_method_comparison.csv")
    best = frame.dropna(subset=["method"]).groupby("method")["accuracy"].max()
    found = {"PEFT, MetaMathQA": {str(method): float(value) for method, value in best.items()}}
    printed = claims.published()
    measure = claims.MEASURES["performance"]
    for size in schema.SIZES:
        values = {
            method: sum(float(printed.score(task, metric, size, method)[0]) for task, metric in measure.columns)
            / len(measure.columns)
            for method in schema.METHODS
        }
        known = {method: value for method, value in values.items() if not math.isnan(value)}
        if known:
            found[f"the paper, {size}"] = known
    return found


def correlations(found: comparison.Scores | None) -> pd.DataFrame:
    """Whether other tables rank the methods as this suite does: table, tau, low, high, p, methods."""
    others = published_orders() if found is not None else {}
    rows = [{"table": name, **comparison.rank_correlation(found, other)} for name, other in others.items() if found]
    return pd.DataFrame(rows, columns=["table", "tau", "low", "high", "p", "methods"])
