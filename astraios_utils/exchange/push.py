"""A trained adapter on the hub: its files, and a model card with scores, intervals, costs and provenance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from .. import schema, store, training
from ..running import pipeline
from ..schema import Model, Suite
from ..sources import hub
from ..tasks import get_task
from . import metadata

COSTS = (  # key of a run's costs, what the card calls it, unit, divisor
    ("trainable_parameters", "Trained parameters", "", 1),
    ("checkpoint_bytes", "Size on disk", "MiB", 2**20),
    ("wall_seconds", "Training time", "s", 1),
    ("tokens_per_second", "Speed", "tokens/s", 1),
    ("host_peak_mib", "Peak host memory", "MiB", 1),
    ("gpu_peak_mib", "Peak GPU memory", "MiB", 1),
    ("gpu_joules", "Energy of the GPU", "J", 1),
)


def card(suite: Suite, model: Model, frame: pd.DataFrame, name: str) -> str:
    """The model card of a suite's trained model, as Markdown with a YAML head.

    Args:
        frame: results of the suite; only measured ones are shown.
        name: what the model is called on the hub.

    Raises:
        schema.MissingArtefact: the model has not been trained, or nothing of it is measured.
    """
    run = training.plan(suite, model)
    record = run.record()
    if record is None:
        raise schema.MissingArtefact(
            f"{model.size} {model.method} of suite {suite.name} has not been trained: astraios train --suite "
            f"{suite.name} --size {model.size} --method '{model.method}' does"
        )
    head = yaml.safe_load(metadata.export(frame, model, "model-index", name.rsplit("/", 1)[-1]))
    adapter = (run.checkpoint / "adapter_config.json").exists()
    head |= {"library_name": "peft"} if adapter else {"library_name": "transformers"}
    if not run.base.is_local:
        head["base_model"] = run.base.model
    head["tags"] = ["astraios", schema.method_slug(model.method)]
    body = [f"# {name.rsplit('/', 1)[-1]}", "", _about(suite, model, run.base.model, run.base.is_local), ""]
    body += ["## Scores", "", *_scores(frame, model), "", "## Costs", "", *_costs(record.get("cost", {})), ""]
    body += ["## Provenance", "", *_provenance(suite, record), ""]
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n" + "\n".join(body)


def _about(suite: Suite, model: Model, base: str, is_local: bool) -> str:
    of = f"the local base of size {model.size}" if is_local else f"`{base}`"
    return f"{model.method} on {of}, tuned and scored by the suite `{suite.name}` ({suite.title})."


def _scores(frame: pd.DataFrame, model: Model) -> list[str]:
    """A row per measured metric; intervals are 95% intervals over problems."""
    rows = frame[(frame["size"] == model.size) & (frame["method"] == model.method)]
    lines = ["| task | metric | value | 95% interval | problems | samples |", "|---|---|--:|--:|--:|--:|"]
    for row in rows[(rows["provenance"] == "measured") & rows["value"].notna()].to_dict("records"):
        interval = "" if math.isnan(row["low"]) else f"{row['low']:.2f} to {row['high']:.2f}"
        counts = f"{int(row['clusters'])} | {int(row['n'])}"
        title = get_task(str(row["task"])).title
        lines.append(f"| {title} | `{row['metric']}` | {row['value']:.2f} | {interval} | {counts} |")
    return lines


def _costs(cost: Mapping[str, Any]) -> list[str]:
    known = [(title, unit, cost[key] / by) for key, title, unit, by in COSTS if cost.get(key) is not None]
    lines = [f"| {title} | {value:,.4g} {unit} |".replace("  ", " ") for title, unit, value in known]
    return ["| | |", "|---|--:|", *lines] if lines else ["Not recorded."]


def _provenance(suite: Suite, record: Mapping[str, Any]) -> list[str]:
    packages = record.get("packages", {})
    named = ", ".join(f"{name} {version}" for name, version in packages.items())
    commit = f"`{record.get('commit') or 'unknown'}`{' with local changes' if record.get('dirty') else ''}"
    facts = {"Commit": commit, "Seed": suite.seed, "Python": record.get("python"), "Packages": named or None}
    facts |= {"Recipe": f"`{store.fingerprint(record['inputs'])}` (hash of everything that training depends on)"}
    return [f"- {key}: {value}" for key, value in facts.items() if value is not None]


def push(suite: Suite, model: Model, name: str, private: bool = True) -> str:
    """Upload a trained model and its card in one commit; returns the address of the repository.

    Args:
        name: of the repository, ``owner/name``; it is made where there is none.
        private: make it private where it is made.

    Raises:
        schema.MissingArtefact: there is nothing to upload, or the hub refuses; says why.
    """
    import huggingface_hub

    text = card(suite, model, pipeline.aggregate(suite), name)
    folder = training.plan(suite, model).checkpoint
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "README.md")
    added = [huggingface_hub.CommitOperationAdd(path.name, path) for path in files]
    added.append(huggingface_hub.CommitOperationAdd("README.md", text.encode()))
    api = huggingface_hub.HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.create_commit(name, added, commit_message=f"{model.size} {model.method}, suite {suite.name}")
    except Exception as error:  # httpx's and the hub's errors share no base
        raise schema.MissingArtefact(f"{name}: {hub.cause(error)}") from None
    return str(address)
