"""What several training runs of a suite show, as Markdown for a README: scores, where their variance comes from, what
the design can detect, and whether the order of methods is the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from .. import schema
from ..metrics import stats
from ..results import claims, headline, power, prediction
from ..results.claims import Evidence
from ..results.claims.measures import measure
from ..schema import ROBUSTNESS_TASKS, Suite
from ..tasks import TASKS
from . import changes, seeds


def as_markdown(suite: Suite) -> dict[str, str]:
    """Every table of a suite's shipped runs, by the name of its block in README.

    Raises:
        schema.BadInput: no run of the suite is shipped.
    """
    sources = seeds.shipped_sources(suite)
    if not sources:
        raise schema.BadInput(
            f"suite {suite.name}: no run is shipped; `astraios results --ship` writes those made here"
        )
    costs = changes.shipped_costs(suite)
    evidence = claims.measured(suite, sources, costs, seeds.shipped_logs(suite))
    return {
        f"{suite.name}-scores": scores(suite, evidence, "synthesize-python"),
        f"{suite.name}-forgetting": forgetting(suite, costs),
        f"{suite.name}-variance": variance(suite, evidence, seeds.variance(suite, sources)),
        f"{suite.name}-order": order(suite, evidence),
    }


def scores(suite: Suite, evidence: Evidence, task: str) -> str:
    """A row per method and a column per size: the mean over runs, and its standard error over problems and runs."""
    metric = headline(task)
    rows = []
    for method in suite.methods:
        cells = [evidence.score(task, metric, size, method) for size in suite.sizes]
        found = [stats.from_draws(cell) for cell in cells]
        rows.append([method, *("" if math.isnan(e.value) else f"{e.value:.1f} ({e.se:.1f})" for e in found)])
    title = f"{TASKS[task].title}, {metric} (standard error)"
    return _table([title, *suite.sizes], rows)


def forgetting(suite: Suite, costs: pd.DataFrame) -> str:
    """Per method and size: the loss on held-out pre-training text after tuning minus the base's, in nats per token."""
    change = (costs["retained_loss"] - costs["retained_loss_base"]).round(3)
    found = dict(zip(zip(costs["method"], costs["size"], strict=True), change.astype(float), strict=True))
    tuned = [method for method in suite.methods if method != schema.UNTUNED and method in set(costs["method"])]
    rows = [[m, *(_change(found.get((m, size), math.nan)) for size in suite.sizes)] for m in tuned]
    return _table(["forgetting: change of loss on pre-training text", *suite.sizes], rows)


def variance(suite: Suite, evidence: Evidence, parts: pd.DataFrame) -> str:
    """A row per task: problems, error from problems and from training of one run, and the detectable difference.

    Args:
        parts: where the variance comes from (:func:`seeds.variance`).
    """
    split = parts.set_index("task").to_dict("index")
    found = power.table(evidence).set_index("measure").to_dict("index")
    rows = []
    tasks = [task for task in suite.tasks if task in found and not task.startswith("nll")]  # bits, not points
    for name in [*tasks, *(name for name in power.MEANS if name in found)]:
        part, design = split.get(name), found[name]
        training = design["training_sd"] if part is None else part["sd_training"]
        rows.append(
            [
                _title(name),
                f"{design['problems']:.0f}",
                "" if part is None else f"{part['se_problems']:.1f}",
                f"{training:.1f}",
                "" if part is None else f"{part['share_training']:.0f}%",
                f"{design['detectable']:.1f}",
                f"{design['detectable_here']:.1f}",
            ]
        )
    head = ["", "problems", "error from problems", "SD of training", "share of training"]
    return _table([*head, "detectable, new problems", "detectable, these problems"], rows)


def order(suite: Suite, evidence: Evidence) -> str:
    """A row per task: rank correlation of the methods here and in the paper's tables."""
    names = [*power.MEANS, *(t for t in suite.tasks if t not in ROBUSTNESS_TASKS), *ROBUSTNESS_TASKS]
    found = prediction.table(evidence, claims.published(), schema.METHODS, names)
    rows = [
        [
            _title(row["measure"]),
            f"{row['tau']:+.2f}",
            f"{row['low']:+.2f} to {row['high']:+.2f}",
            f"{row['p']:.2f}",
        ]
        for row in found.to_dict("records")
    ]
    return _table(["", "Kendall's tau", "95% interval", "p"], rows)


def _change(nats: float) -> str:
    return "" if math.isnan(nats) else f"{nats:+.3f}"


def _title(name: str) -> str:
    """What a row is about: a task by its name, a mean in words."""
    return f"`{name}`" if name in TASKS else measure(name).title


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    rule = "|".join(["---", *["--:"] * (len(head) - 1)])
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])
