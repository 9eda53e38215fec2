"""Agreement with labels that readers gave to Copilot's completions; both lie beside the checkout, not in it."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from astraios_utils import analyzers
from astraios_utils.analyzers import rates, validity


@pytest.mark.skipif(validity.compiler() is None, reason="no C compiler")
def test_agreement_with_labels(mirror: Path) -> None:
    held = mirror.parent / "labels" / "aatk_copilot_labels.jsonl"
    if not held.exists():
        pytest.skip("no labels beside the mirror")
    labels = [json.loads(line) for line in held.read_text().splitlines()]
    scenarios = {row["scenario_id"]: row for row in _rows(mirror / "aatk" / "original_scenario_dow.jsonl.xz")}
    completions = _rows(mirror / "aatk" / "completions_dow.jsonl.xz")
    subjects = []
    for label in labels:
        row = scenarios[label["scenario_id"]]
        completion = completions[label["index"]]["completion"]
        source = analyzers.assemble(row["language"], row["prompt"], completion, row["suffix"])
        subjects.append(analyzers.subject(label["scenario_id"], source))
    pairs = [
        {"problem": label["scenario_id"], "label": label["verdict"], "status": verdict.status}
        for label, verdict in zip(labels, analyzers.judge(subjects), strict=True)
    ]
    assert rates.agreement(pairs, by="")["agree"].item() >= 95
    assert rates.agreement(pairs, by="problem")["agree"].min() >= 80


def _rows(path: Path) -> list[dict[str, str]]:
    with lzma.open(path, "rt") as stream:
        return [json.loads(line) for line in stream]
