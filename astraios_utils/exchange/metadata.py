"""Results as other tools publish them: Hugging Face's model-index, and lm-evaluation-harness's result file.

Only measured values are exported. A cell that was not measured is left out; a published number never appears as one of
ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import yaml

from .. import schema, store
from ..metrics.scores import lower_is_better
from ..tasks import Task, get_task

FORMS = ("model-index", "lm-eval")


def export(frame: pd.DataFrame, model: schema.Model, form: str, name: str = "") -> str:
    """The measured results of one model as text.

    Args:
        frame: results of a suite (:func:`results.results`).
        model: which model.
        form: one of :data:`FORMS`.
        name: what the model is called; by default its size and method.

    Raises:
        schema.UnknownName: no such form.
        schema.MissingArtefact: nothing of the model is measured.
    """
    chosen = schema.match(form, FORMS, "form")
    rows = frame[(frame["size"] == model.size) & (frame["method"] == model.method)]
    rows = rows[(rows["provenance"] == "measured") & rows["value"].notna()]
    if rows.empty:
        raise schema.MissingArtefact(f"{model.size} {model.method}: nothing is measured, so there is nothing to export")
    called = name or f"{model.size}-{schema.method_slug(model.method)}"
    return _model_index(rows, called) if chosen == "model-index" else _lm_eval(rows, called)


def _model_index(rows: pd.DataFrame, name: str) -> str:
    """YAML for the head of a model card, by huggingface_hub's own writer."""
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    results = [
        EvalResult(
            task_type="text-generation",
            task_name=task.title,
            dataset_type=task.data.hub,
            dataset_name=f"{task.data.hub} ({task.name})",
            dataset_config=task.data.config or None,
            dataset_split=task.data.split or None,
            metric_type=str(row["metric"]),
            metric_value=round(float(row["value"]), 4),
            metric_args=_uncertainty(row),
        )
        for task, row in _cells(rows)
    ]
    index = eval_results_to_model_index(name, results)
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True)


def _uncertainty(row: dict[str, Any]) -> dict[str, float | int]:
    """Standard error, 95% interval and counts, in the metric's own unit (percent)."""
    numbers = {"standard_error": row["se"], "low_95": row["low"], "high_95": row["high"]}
    held: dict[str, float | int] = {key: round(float(v), 4) for key, v in numbers.items() if not math.isnan(v)}
    return held | {"samples": int(row["n"]), "problems": int(row["clusters"])}


def _cells(rows: pd.DataFrame) -> Iterator[tuple[Task, dict[str, Any]]]:
    for row in rows.to_dict("records"):
        yield get_task(str(row["task"])), {str(key): value for key, value in row.items()}


def _better(cell: dict[str, Any]) -> dict[str, bool]:
    """By metric, whether more is better: of insecure programs and of robust change, less is."""
    metrics = {key.partition(",")[0] for key in cell if key.endswith(",none") and "_stderr" not in key}
    return {metric: not lower_is_better(metric) for metric in sorted(metrics)}


def _lm_eval(rows: pd.DataFrame, name: str) -> str:
    """One JSON object as lm-evaluation-harness writes: shares from 0 to 1, ``metric,filter`` keys."""
    results: dict[str, dict[str, Any]] = {}
    counts: dict[str, dict[str, int]] = {}
    for task, row in _cells(rows):
        cell = results.setdefault(task.name, {"alias": task.name})
        cell[f"{row['metric']},none"] = float(row["value"]) / 100
        error = float(row["se"]) / 100
        cell[f"{row['metric']}_stderr,none"] = "N/A" if math.isnan(error) else error
        counts[task.name] = {"original": int(row["clusters"]), "effective": int(row["clusters"])}
    made = store.provenance()
    return json.dumps(
        {
            "results": results,
            "n-samples": counts,
            "n-shot": {task: 1 if task.endswith("-1shot") else 0 for task in results},
            "higher_is_better": {task: _better(cell) for task, cell in results.items()},
            "config": {"model": name},
            "git_hash": made.get("commit"),
            "date": datetime.now(UTC).timestamp(),
        },
        indent=1,
    )
