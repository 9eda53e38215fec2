"""CoNaLa: the study's format, verdicts by comparison, and where the problems come from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from astraios_utils import cli, schema
from astraios_utils.metrics import scores, similarity
from astraios_utils.tasks import Problem, get_task

CONALA = get_task("conala")
ROWS = [
    {"question_id": 1, "intent": "How to sort?", "rewritten_intent": "sort list `x`", "snippet": "x.sort()"},
    {
        "question_id": 1,
        "intent": "How to sort?",
        "rewritten_intent": "sort `x` down",
        "snippet": "x.sort(reverse=True)",
    },
    {"question_id": 2, "intent": "Sum a list", "rewritten_intent": None, "snippet": "total = sum(x)"},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "problems.json"
    path.write_text(json.dumps(ROWS))
    return path


def test_the_prompt_is_the_studys(source: Path) -> None:
    # Table 1 of the study; a pair without rewritten intent asks the question's title.
    first, _, third = CONALA.problems(source)
    assert CONALA.prompt(first) == "### Instruction:\nsort list `x`\n### Response:\n"
    assert CONALA.prompt(third) == "### Instruction:\nSum a list\n### Response:\n"


@pytest.mark.parametrize(
    ("written", "sample"),
    [
        ("x.sort()", "x.sort()"),
        (" x.sort()\n", "x.sort()"),
        ("x.sort()\n### Instruction:\nsum", "x.sort()"),
        ("x.sort()<|endoftext|>y", "x.sort()"),
        ("for a in x:\n    print(a)  ### loud", "for a in x:\n    print(a)  ### loud"),
        ("", ""),
    ],
)
def test_the_answer_ends_at_the_next_heading(written: str, sample: str) -> None:
    assert CONALA.finish(Problem("0", "", ROWS[0]), written) == sample
    assert CONALA.finished(written) == ("\n###" in written or "endoftext" in written)


@pytest.mark.parametrize(
    ("sample", "status"),
    [
        ("x.sort()", "passed"),
        ("x . sort( )", "passed"),
        ("sorted(x)", "failed"),
        ("x.sort(", "invalid"),
        ("", "invalid"),
    ],
)
def test_verdicts(sample: str, status: str) -> None:
    judgement = CONALA.verdict(Problem("0", "", ROWS[0]), sample)
    assert judgement.status == status
    assert similarity.decode(judgement.detail) == similarity.counts(sample, "x.sort()")


def verdicts(source: Path, samples: list[list[str]]) -> pd.DataFrame:
    rows = []
    for problem, row in zip(CONALA.problems(source), samples, strict=True):
        for sample in row:
            judgement = CONALA.verdict(problem, sample)
            rows.append({"problem": problem.id, "status": judgement.status, "detail": judgement.detail})
    return pd.DataFrame(rows)


def test_metrics_are_those_of_the_corpus(source: Path) -> None:
    samples = [["x.sort()", "sorted(x)"], ["x.sort(reverse=True)", "x.reverse("], ["total = 0", "sum(x)"]]
    found = scores.summarise(CONALA.metrics, verdicts(source, samples))
    flat = [(s, str(row["snippet"])) for row, group in zip(ROWS, samples, strict=True) for s in group]
    wanted = similarity.scores([s for s, _ in flat], [r for _, r in flat])
    assert list(found)[:2] == ["bleu", "codebleu"]
    assert {name: found[name].value for name in wanted} == pytest.approx({k: 100 * v for k, v in wanted.items()})
    assert found["exact"].value == pytest.approx(100 * 2 / 6)
    assert found["valid"].value == pytest.approx(100 * 5 / 6)
    for estimate in found.values():
        assert (estimate.n, estimate.clusters) == (6, 3)
    assert found["bleu"].low <= found["bleu"].value <= found["bleu"].high
    again = scores.summarise("codebleu", verdicts(source, samples))
    assert again["codebleu"] == found["codebleu"]  # the same seed, the same interval


def test_empty_predictions_score_a_quarter_by_the_packages_rule_alone(source: Path) -> None:
    found = scores.summarise(CONALA.metrics, verdicts(source, [[""]] * 3))
    assert found["bleu"].value == found["codebleu"].value == found["valid"].value == 0.0
    assert found["codebleu/package"].value == 25.0  # the study's 0.25 at a BLEU of 0


def test_verdicts_of_another_kind_are_refused(source: Path) -> None:
    frame = verdicts(source, [[""]] * 3).assign(detail="label=1 prediction=0")
    with pytest.raises(ValueError, match="is not a row of"):
        scores.summarise("bleu", frame)
    with pytest.raises(ValueError, match="no kind of metrics"):
        scores.summarise(["bleu", "accuracy"], frame)


def test_the_command_scores_a_file(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], build: Path
) -> None:
    file = tmp_path / "generations.json"
    file.write_text(json.dumps([[str(row["snippet"])] for row in ROWS]))
    assert cli.main(["score", "conala", str(file), "--json", "--problems", str(source)]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["n_problems"], line["n_samples"]) == (3, 3)
    assert line["metrics"]["bleu"] == line["metrics"]["exact"] == 100.0


@pytest.mark.parametrize(
    ("rows", "message"),
    [([["a"], ["b"]], "2 problems, conala has 3"), ([["a"], ["b"], [1]], "not a string"), ([["a"], [], ["b"]], "cut")],
)
def test_files_of_another_shape_are_refused(
    rows: list[Any], message: str, source: Path, tmp_path: Path, build: Path
) -> None:
    file = tmp_path / "generations.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(schema.BadInput, match=message):
        CONALA.read(file, CONALA.problems(source))


def test_problems_without_a_field_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps([ROWS[0], {"intent": "x"}]))
    with pytest.raises(schema.BadInput, match="row 2: snippet missing"):
        CONALA.problems(path)


def test_the_mirrors_test_split(mirror: Path) -> None:
    problems = CONALA.problems()
    assert len(problems) == 500
    assert sum(problem.row["rewritten_intent"] is None for problem in problems) == 23
    assert all(CONALA.prompt(problem).count("\n") >= 3 for problem in problems)
    # 30 snippets are Python 2; as programs of either version all but a few are valid
    assert sum(similarity.is_valid(problem.row["snippet"]) for problem in problems) >= 490


def test_the_hub_stands_in_for_the_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Path) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path))
    asked: list[tuple[Any, ...]] = []

    def hub(name: str, config: str, split: str) -> list[dict[str, Any]]:
        asked.append((name, config, split))
        return [ROWS[0]] * 500

    monkeypatch.setattr(datasets.load, "load_dataset", hub)
    assert len(CONALA.load(None)) == 500
    assert asked == [("neulab/conala", "curated", "test")]
    monkeypatch.setattr(datasets.load, "load_dataset", lambda *_, **__: [ROWS[0]] * 499)
    with pytest.raises(schema.BadInput, match="499 rows in test, expected 500"):
        CONALA.load(None)


def test_nothing_is_nan_where_something_was_measured(source: Path) -> None:
    found = scores.summarise("bleu", verdicts(source, [["x"]] * 3))
    assert not any(math.isnan(estimate.value) for estimate in found.values())
