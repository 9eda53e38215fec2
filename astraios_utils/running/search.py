"""Learning rates on equal terms: every method of a suite is tried with the same rates, for as many steps.

A trial trains one model at one rate with a seed that no result shares, and ends with the loss on the validation split,
which no test uses. For each method the rate with the lowest mean loss over the searched sizes is chosen; a trial that
diverges counts as infinite. ``data/<suite>/learning_rates.csv`` keeps all trials: a row that is there is not tried
again, so that a killed search continues.
"""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import pandas as pd

from .. import methods, schema, store, training
from ..schema import Model, Suite
from ..store import processes
from ..store.processes import say

COLUMNS = ("size", "method", "rate", "steps", "seed", "loss", "seconds")


def path_of(suite: Suite) -> Path:
    """Where the trials of a suite are kept."""
    return store.data_dir() / suite.name / "learning_rates.csv"


def trial(suite: Suite, model: Model, rate: float) -> Suite:
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
        "learning_rate": rate,
        "learning_rates": {},
        "corpus_test": search.corpus_validation,
        "retained": None,
        "evaluate_every": steps,
        "save_every": steps,
    }
    name = f"{suite.name}-search-{rate:g}"
    cut = suite.slice([model.size], [model.method])
    return cut.model_copy(
        update={"name": name, "seed": search.seed, "seeds": 1, "recipe": recipe.model_copy(update=changes)}
    )


def grid(suite: Suite) -> list[tuple[Model, float]]:
    """Every trial of a suite: (model, rate), the untuned base left out."""
    if suite.search is None:
        raise schema.BadInput(f"suite {suite.name}: the suite file says nothing about a `search`")
    sizes = [schema.match(size, suite.sizes, "size (search)") for size in suite.search.sizes]
    tuned = [method for method in suite.methods if not methods.is_untuned(method)]
    return [(Model(size, method), rate) for size in sizes for method in tuned for rate in suite.search.rates]


def read(path: Path) -> pd.DataFrame:
    """The trials that are kept (:data:`COLUMNS`); none yet: no rows."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(COLUMNS))


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
    done = {(row["size"], row["method"], row["rate"]) for row in held.to_dict("records")}
    left = [(suite, model, rate) for model, rate in grid(suite) if (model.size, model.method, rate) not in done]
    say(f"search: {len(left)} of {len(grid(suite))} trials to do")
    made: list[dict[str, Any]] = []

    def settle(_: Any, row: dict[str, Any]) -> None:
        made.append(row)
        frame = pd.DataFrame([*held.to_dict("records"), *made], columns=list(COLUMNS))
        store.write_frame(path, frame.sort_values(["size", "method", "rate"], kind="stable"))
        say(f"search: {row['size']} {row['method']} at {row['rate']:g}: validation loss {row['loss']:.4f}")

    if left:
        processes.share(_try, left, settle)
    return read(path)


def _try(job: tuple[Suite, Model, float]) -> dict[str, Any]:
    """Train one trial; its row."""
    from ..training.trainer import TrainingFailed

    suite, model, rate = job
    one = trial(suite, model, rate)
    assert one.recipe is not None
    plan = training.plan(one, model)
    started = time.perf_counter()
    try:
        losses = training.train(plan, lambda _: None, force=True).losses
        loss = float(losses[losses["split"] == "test"]["loss"].iloc[-1])
    except TrainingFailed:
        loss = math.inf
    shutil.rmtree(plan.folder, ignore_errors=True)
    seconds = round(time.perf_counter() - started, 1)
    head = {"size": model.size, "method": model.method, "rate": rate}
    return {**head, "steps": one.recipe.steps, "seed": one.seed, "loss": round(loss, 5), "seconds": seconds}


def chosen(trials: pd.DataFrame) -> pd.DataFrame:
    """The rate of each method with the lowest mean loss over sizes.

    Args:
        trials: as :func:`run` returns them.

    Returns:
        A row per method: method, rate, loss, edge (whether it is the lowest or the highest rate of the grid: the best
        one may lie outside).
    """
    means = trials.groupby(["method", "rate"], sort=False)["loss"].mean().reset_index()
    best = means.loc[means.groupby("method", sort=False)["loss"].idxmin()].reset_index(drop=True)
    edges = {trials["rate"].min(), trials["rate"].max()}
    return best.assign(edge=best["rate"].isin(edges))


def text(trials: pd.DataFrame) -> str:
    """The chosen rates as lines for a terminal, as a suite file's ``learning_rates`` has them."""
    lines = [
        f"  {row['method']}: {row['rate']:g}  # validation loss {row['loss']:.4f}{', edge of the grid' * row['edge']}"
        for row in chosen(trials).to_dict("records")
    ]
    return "\n".join(["learning_rates:", *lines])
