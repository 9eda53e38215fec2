"""What tuning changed in a suite: scores against the untuned base, forgetting and costs, measured here or shipped.

``data/<suite>/counts/costs0.csv`` ships what the runs cost, next to their verdict counts (:mod:`.seeds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .. import schema, store, training
from ..results import against
from ..schema import Model, Suite
from . import seeds

COSTS = (
    *("size", "method", "test_loss", "retained_loss", "retained_loss_base", "trainable_parameters", "checkpoint_bytes"),
    *("tokens", "tokens_per_second", "wall_seconds", "host_peak_mib", "host_peak_above_base_mib"),
)


def found(suite: Suite) -> against.Found:
    """Where a suite's verdicts come from: scored in this build, or else shipped."""

    def verdicts(task: str, model: Model) -> pd.DataFrame | None:
        held = seeds.verdicts(suite, 0, task, model)
        return None if held is None else held[0]

    return verdicts


def table(suite: Suite, tasks: Sequence[str], reference: str = schema.UNTUNED) -> pd.DataFrame:
    """:func:`against.table` of the suite's tasks among ``tasks``; no row where the suite has no such reference.

    Tasks that nobody has answered are left out.
    """
    source = found(suite)
    asked = [t for t in tasks if t in suite.tasks and any(source(t, model) is not None for model in suite.models)]
    if reference not in suite.methods or not asked:
        return pd.DataFrame(columns=list(against.COLUMNS))
    return against.table(suite.model_copy(update={"tasks": tuple(asked)}), source, reference)


def agreement(suite: Suite, tasks: Sequence[str]) -> pd.DataFrame:
    """:func:`against.agreement` of the suite's tasks among ``tasks``, over its tuned methods."""
    asked = [task for task in tasks if task in suite.tasks]
    return against.agreement(suite, found(suite), asked, leave_out=[schema.UNTUNED])


def costs_path(suite: str) -> Path:
    """The shipped costs of a suite's run 0."""
    return seeds.counts_path(suite, 0).with_name("costs0.csv")


def costs(suite: Suite) -> pd.DataFrame:
    """What the suite's finished runs cost and forgot, columns ``COSTS``: of this build, and shipped for the others."""
    made = training.collect(suite) if suite.recipe else pd.DataFrame()
    return seeds.with_shipped(made.reindex(columns=list(COSTS)), shipped_costs(suite), ["size", "method"])


def shipped_costs(suite: Suite) -> pd.DataFrame:
    """What the shipped run 0 cost and forgot, columns ``COSTS``; no row where none is shipped."""
    path = costs_path(suite.name)
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(COSTS))


def ship(suite: Suite) -> list[Path]:
    """Write the costs of this build's runs to :func:`costs_path`, next to those shipped of models not trained here.

    Nothing is written where none was trained here.
    """
    if not suite.recipe or training.collect(suite).empty:
        return []
    store.write_frame(costs_path(suite.name), costs(suite))
    return [costs_path(suite.name)]


def as_markdown(suite: Suite, reference: str) -> str:
    """The README's table: :func:`against.markdown`, and per method the held-out losses and what was trained.

    Times are left out: they say little about a machine that did other work too.

    Raises:
        schema.BadInput: the suite has no such method, or nothing of it is measured.
    """
    name = schema.match(reference, suite.methods, "method")
    frame = table(suite, suite.tasks, name)
    if frame.empty:
        raise schema.BadInput(f"suite {suite.name}: nothing is measured; run it first")
    lines = against.markdown(frame, name).splitlines()
    held = costs(suite)
    if held.empty or len(suite.sizes) > 1:
        return "\n".join(lines)
    known = held.set_index("method").to_dict("index")
    ends = [" test loss | loss on plain text | weights trained |", "--:|--:|--:|"]
    ends += [_ends(known.get(line.split(" | ")[0].removeprefix("| "), {})) for line in lines[2:]]
    return "\n".join(line + end for line, end in zip(lines, ends, strict=True))


def _ends(cost: Mapping[Any, Any]) -> str:
    if not cost:
        return " | | |"
    forgot = cost["retained_loss"] - cost["retained_loss_base"]
    change = f" ({forgot:+.3f})" if cost["tokens"] else ""
    trained = f"{cost['trainable_parameters']:,.0f}"
    return f" {cost['test_loss']:.3f} | {cost['retained_loss']:.3f}{change} | {trained} |"
