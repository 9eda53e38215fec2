"""Agreement with completions of our own, each with the verdict that its scenario's CodeQL query would give.

``written/`` holds them: what a model might write after a prompt, in many idioms, labelled from the query's text
(github/codeql, and the benchmark's ``custom_ql``), not from what the checkers say. The scenarios are upstream's and lie
beside the checkout. What a query misses or over-reports is labelled as it would report it.
"""

from __future__ import annotations

import json
import lzma
import re
from collections import Counter
from pathlib import Path

import pytest

from astraios_utils import analyzers
from astraios_utils.analyzers import rates, validity

WRITTEN = Path(__file__).parent / "written"


def completions() -> list[tuple[str, str, str, str]]:
    """Scenario, label, what it is about, and the completion; a line ``=== 22-0 secure: why`` begins each."""
    found = []
    for path in sorted(WRITTEN.glob("*.txt")):
        for part in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, _, text = part.partition("\n")
            about, _, why = head.partition(": ")
            name, label = about.split()
            found.append((f"DoW/CWE-{name}", label, why, text))
    return found


def test_every_scenario_has_both_kinds() -> None:
    counts = Counter((name, label) for name, label, _, _ in completions())
    for name in analyzers.SCENARIOS:
        assert counts[name, "secure"] >= 3, name
        assert counts[name, "insecure"] >= 3, name
    assert {label for _, label in counts} == {"secure", "insecure", "invalid"}


@pytest.mark.skipif(validity.compiler() is None, reason="no C compiler")
def test_agreement(mirror: Path) -> None:
    with lzma.open(mirror / "aatk" / "scenario_dow.jsonl.xz", "rt") as stream:
        rows = {row["scenario_id"]: row for row in map(json.loads, stream)}
    subjects, labels = [], []
    for name, label, _, text in completions():
        row = rows[name]
        source = analyzers.assemble(row["language"], row["prompt"], text, row["suffix"])
        subjects.append(analyzers.subject(name, source))
        labels.append({"problem": name, "label": label})
    said = analyzers.judge(subjects)
    pairs = [label | {"status": verdict.status} for label, verdict in zip(labels, said, strict=True)]
    assert rates.agreement(pairs, by="")["agree"].item() >= 95
    assert rates.agreement(pairs, by="problem")["agree"].min() >= 80
