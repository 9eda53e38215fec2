"""``astraios status``: what is done and what is left of a suite, stage by stage."""

from __future__ import annotations

import pandas as pd

from .. import generation, store, training
from ..schema import Suite
from ..tasks import task_of
from . import pipeline

STAGES = ("train", "generate", "score")


def table(suite: Suite) -> pd.DataFrame:
    """How far each stage is.

    Returns:
        A row per stage: stage, done, total, next (the first cell that is left, or an empty text). A stage that the
        suite does not have (released generations are not made here) has a total of 0.
    """
    cells = pipeline.cells(suite)
    made = suite.generations == "generate"
    trained = {
        f"{m.size} {m.method}": training.plan(suite, m).record() is not None for m in suite.models if suite.recipe
    }
    stages = {
        "train": trained if made else {},
        "generate": {_name(cell): _generated(suite, cell) for cell in cells} if made else {},
        "score": {_name(cell): cell.verdicts(suite.name).exists() for cell in cells},
    }
    rows = [
        {
            "stage": stage,
            "done": sum(done.values()),
            "total": len(done),
            "next": next((name for name, finished in done.items() if not finished), ""),
        }
        for stage, done in stages.items()
    ]
    return pd.DataFrame(rows)


def _name(cell: pipeline.Cell) -> str:
    return f"{cell.task.name} {cell.model.size} {cell.model.method}"


def _generated(suite: Suite, cell: pipeline.Cell) -> bool:
    ours = generation.Cell(suite, cell.model, task_of(suite, cell.task.name))
    return cell.generations is not None if cell.generations != ours.path else ours.current()


def as_text(suite: Suite) -> str:
    """The table for a terminal, with the command that continues."""
    frame = table(suite)
    lines = []
    for row in frame.to_dict("records"):
        if row["total"]:
            after = f"    next: {row['next']}" if row["next"] else ""
            lines.append(f"{row['stage']:<9} {row['done']:>4} of {row['total']}{after}")
        else:
            lines.append(f"{row['stage']:<9}    - (this suite takes released files)")
    left = (frame["done"] < frame["total"]).any()
    lines.append(f"continue: astraios run --suite {suite.name}" if left else f"files: {store.suite_dir(suite.name)}")
    return "\n".join(lines)
