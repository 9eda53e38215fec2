"""Learning rates on equal terms: every method of a suite is tried with the same rates, for as many steps.

A trial trains one model at one rate with a seed that no result shares, and ends with the loss on the validation split,
which no test uses. For each method the rate with the lowest mean loss over the searched sizes is chosen; a trial that
diverges counts as infinite. ``data/<suite>/learning_rates.csv`` keeps all trials: a row that is there is not tried
again, so that a killed search continues.

A search may also vary the number of training documents, each with every rate: what more data are worth.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import methods, schema, store, training
from ..schema import Model, Suite
from ..store import processes
from ..store.processes import say

COLUMNS = ("size", "method", "rate", "documents", "steps", "seed", "loss", "seconds")


@dataclass(frozen=True, slots=True)
class Trial:
    """One training run of a search.

    Attributes:
        documents: of the corpus, drawn with the seed; ``None``: all.
    """

    model: Model
    rate: float
    documents: int | None
    seed: int


def path_of(suite: Suite) -> Path:
    """Where the trials of a suite are kept."""
    return store.data_dir() / suite.name / "learning_rates.csv"


def own_path(suite: Suite) -> Path:
    """Where the trials of a method of the user's own are kept (:mod:`.bench`)."""
    return store.suite_dir(suite.name) / "learning_rates.csv"


def over_sizes(suite: Suite) -> pd.DataFrame:
    """The trials of suite ``NAME-rates``, which tries a few rates at every size of suite ``NAME``.

    The smallest size comes first; no row where there is no such suite.
    """
    found = read(store.data_dir() / f"{suite.name}-rates" / "learning_rates.csv")
    places = {size: place for place, size in enumerate(suite.sizes)}
    return found.sort_values("size", key=lambda sizes: sizes.map(places), kind="stable", ignore_index=True)


def over_documents(suite: Suite) -> pd.DataFrame:
    """The trials of suite ``NAME-data``, which tries amounts of training documents for suite ``NAME``."""
    return read(store.data_dir() / f"{suite.name}-data" / "learning_rates.csv")


def by_documents(trials: pd.DataFrame) -> pd.DataFrame:
    """What each method reaches with each amount of training documents, at the best of the rates for that amount.

    Args:
        trials: ``method``, ``documents``, ``rate``, ``seed``, ``loss``.

    Returns:
        A row per method, amount and seed, amounts rising: method, documents, rate (with the lowest mean loss over the
        seeds), seed, loss.
    """
    means = trials.groupby(["method", "documents", "rate"], sort=False)["loss"].mean().reset_index()
    best = means.loc[means.groupby(["method", "documents"], sort=False)["loss"].idxmin()].drop(columns="loss")
    found = best.merge(trials, on=["method", "documents", "rate"])[["method", "documents", "rate", "seed", "loss"]]
    return found.astype({"documents": int}).sort_values("documents", kind="stable", ignore_index=True)


def suite_of(suite: Suite, trial: Trial) -> Suite:
    """The suite that trains one trial: one model, another rate and seed, tested on the validation split.

    Raises:
        schema.BadInput: the suite has no recipe, or says nothing about a search.
    """
    recipe, search = suite.recipe, suite.search
    if recipe is None or search is None:
        raise schema.BadInput(f"suite {suite.name}: a search needs `recipe` and `search` in the suite file")
    steps = search.steps or recipe.steps
    changes: dict[str, Any] = {
        "steps": steps,
        "learning_rate": trial.rate,
        "learning_rates": {},
        "documents": trial.documents or recipe.documents,
        "corpus_test": search.corpus_validation,
        "retained": None,
        "evaluate_every": steps,
        "save_every": steps,
    }
    name = f"{suite.name}-search-{trial.rate:g}-{trial.documents or 'all'}-{trial.seed}"
    cut = suite.slice([trial.model.size], [trial.model.method])
    return cut.model_copy(
        update={"name": name, "seed": trial.seed, "seeds": 1, "recipe": recipe.model_copy(update=changes)}
    )


def grid(suite: Suite) -> list[Trial]:
    """Every trial of a suite, the untuned base and controls left out."""
    search = suite.search
    if search is None:
        raise schema.BadInput(f"suite {suite.name}: the suite file says nothing about a `search`")
    sizes = [schema.match(size, suite.sizes, "size (search)") for size in search.sizes]
    tuned = [method for method in suite.methods if not (methods.is_untuned(method) or _is_control(suite, method))]
    return [
        Trial(Model(size, method), rate, documents, search.seed + number)
        for size in sizes
        for method in tuned
        for documents in search.documents or (None,)
        for rate in search.rates
        for number in range(search.seeds)
    ]


def _is_control(suite: Suite, method: str) -> bool:
    """Whether the method checks the comparison: its rate is given, not searched."""
    return method in suite.rows and suite.rows[method].control


def read(path: Path) -> pd.DataFrame:
    """The trials that are kept (:data:`COLUMNS`; no ``documents``: all were used); none yet: no rows."""
    return (pd.read_csv(path) if path.exists() else pd.DataFrame()).reindex(columns=list(COLUMNS))


def run(suite: Suite, path: Path | None = None) -> pd.DataFrame:
    """Try what has not been tried, a trial per core at a time, and keep each as soon as it ends.

    Args:
        suite: the suite or a slice of it.
        path: of the trials; none: :func:`path_of`.

    Returns:
        All trials of the slice (:data:`COLUMNS`).
    """
    path = path or path_of(suite)
    held = read(path)
    done = {_tried(row) for row in held.to_dict("records")}
    left = [(suite, trial) for trial in grid(suite) if trial not in done]
    say(f"search: {len(left)} of {len(grid(suite))} trials to do")
    made: list[dict[str, Any]] = []

    def settle(_: Any, row: dict[str, Any]) -> None:
        made.append(row)
        frame = pd.DataFrame([*held.to_dict("records"), *made], columns=list(COLUMNS))
        store.write_frame(path, frame.sort_values(["size", "method", "documents", "rate", "seed"], kind="stable"))
        data = f" with {row['documents']} documents" if row["documents"] else ""
        say(f"search: {row['size']} {row['method']} at {row['rate']:g}{data}: validation loss {row['loss']:.4f}")

    if left:
        processes.share(_try, left, settle)
    return read(path)


def _tried(row: Mapping[Hashable, Any]) -> Trial:
    """The trial of a row."""
    documents = None if pd.isna(row["documents"]) else int(row["documents"])
    return Trial(Model(row["size"], row["method"]), row["rate"], documents, int(row["seed"]))


def _try(job: tuple[Suite, Trial]) -> dict[str, Any]:
    """Train one trial; its row."""
    from torch.linalg import LinAlgError  # type: ignore[attr-defined]  # PyTorch does not list it

    from ..training.trainer import TrainingFailed

    suite, trial = job
    one = suite_of(suite, trial)
    assert one.recipe is not None
    plan = training.plan(one, trial.model)
    started = time.perf_counter()
    try:
        losses = training.train(plan, lambda _: None, force=True).losses
        loss = float(losses[losses["split"] == "test"]["loss"].iloc[-1])
    except (TrainingFailed, LinAlgError):  # a matrix that has no inverse any more is divergence, too
        loss = math.inf
    shutil.rmtree(plan.folder, ignore_errors=True)
    seconds = round(time.perf_counter() - started, 1)
    head = {"size": trial.model.size, "method": trial.model.method, "rate": trial.rate, "documents": trial.documents}
    return {**head, "steps": one.recipe.steps, "seed": one.seed, "loss": round(loss, 5), "seconds": seconds}


FLAT = 0.01  # a loss so little above the lowest one (relative) is as good: the optimum is flat
SHARP = 0.05  # the width of an optimum is that of the rates whose loss is at most this much higher


def chosen(trials: pd.DataFrame) -> pd.DataFrame:
    """The rate of each method with the lowest mean loss over sizes, and how sharp that optimum is.

    Args:
        trials: as :func:`run` returns them.

    Returns:
        A row per method: method, rate, loss, edge (whether it is the lowest or the highest rate of the grid: the best
        one may lie outside), rise (percent by which the better neighbour's loss is higher; infinite where all others
        diverged) and octaves (width of the rates whose loss, interpolated, is at most 5% higher).
    """
    means = trials.groupby(["method", "rate"], sort=False)["loss"].mean().reset_index()
    rows = [
        {"method": method, **_optimum(own.sort_values("rate"))} for method, own in means.groupby("method", sort=False)
    ]
    edges = {trials["rate"].min(), trials["rate"].max()}
    best = pd.DataFrame(rows, columns=["method", "rate", "loss", "rise", "octaves"])
    return best.assign(edge=best["rate"].isin(edges))


def _optimum(own: pd.DataFrame) -> dict[str, float]:
    """The lowest loss of one method's rates, which rise."""
    rates, losses = own["rate"].to_numpy(dtype=float), own["loss"].to_numpy(dtype=float)
    at = int(np.argmin(losses))
    near = [losses[i] for i in (at - 1, at + 1) if 0 <= i < len(losses)]
    limit, place = losses[at] * (1 + SHARP), np.log2(rates)
    low = _crossing(place[at::-1], losses[at::-1], limit)
    high = _crossing(place[at:], losses[at:], limit)
    rise = 100 * (min(near) / losses[at] - 1) if near and math.isfinite(losses[at]) else math.nan
    return {"rate": rates[at], "loss": losses[at], "rise": rise, "octaves": high - low}


def _crossing(places: Any, losses: Any, limit: float) -> float:
    """Where the loss first exceeds the limit, going outwards; the end of the grid where it does not."""
    for i in range(1, len(places)):
        if losses[i] > limit:
            share = (limit - losses[i - 1]) / (losses[i] - losses[i - 1]) if math.isfinite(losses[i]) else 0.0
            return float(places[i - 1] + share * (places[i] - places[i - 1]))
    return float(places[-1])


def agreement(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Whether two searches with different seeds choose alike.

    Returns:
        A row per method of both: method, first, second (the rates), same, and flat (whether each search's loss at the
        other one's choice is at most 1% above its lowest).
    """
    rows = []
    both = chosen(first).merge(chosen(second), on="method", suffixes=("", "_again"))
    for row in both.to_dict("records"):
        pair = (row["rate"], row["rate_again"])
        flat = all(
            _loss_at(trials, row["method"], rate) <= best * (1 + FLAT)
            for trials, rate, best in ((first, pair[1], row["loss"]), (second, pair[0], row["loss_again"]))
        )
        rows.append(
            {"method": row["method"], "first": pair[0], "second": pair[1], "same": pair[0] == pair[1], "flat": flat}
        )
    return pd.DataFrame(rows, columns=["method", "first", "second", "same", "flat"])


def _loss_at(trials: pd.DataFrame, method: str, rate: float) -> float:
    own = trials[(trials["method"] == method) & (trials["rate"] == rate)]
    return float(own["loss"].mean())


def text(trials: pd.DataFrame) -> str:
    """The chosen rates as lines for a terminal, as a suite file's ``learning_rates`` has them; or by amount of data."""
    if trials["documents"].notna().any():
        return "\n".join(
            f"{method}, {documents} documents: {own['rate'].iloc[0]:g}  # validation loss {own['loss'].mean():.4f}"
            for (method, documents), own in by_documents(trials).groupby(["method", "documents"], sort=False)
        )
    lines = [
        f"  {row['method']}: {row['rate']:g}  # validation loss {row['loss']:.4f}{', edge of the grid' * row['edge']}"
        for row in chosen(trials).to_dict("records")
    ]
    return "\n".join(["learning_rates:", *lines])
