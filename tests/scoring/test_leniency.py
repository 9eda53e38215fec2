"""A zero that explains itself, and what ``--lenient`` changes; user's own problems whose tests test nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from astraios_utils import cli, schema, scoring, store
from astraios_utils.tasks import ExecutedTask, get_task, leniency

SAMPLE = store.data_dir() / "sample"


def known(language: str = "python") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE / f"humanevalpack-{language}.jsonl").open()]


def solved(row: dict[str, Any]) -> str:
    return str(row["prompt"] + row["canonical_solution"])


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def question(row: dict[str, Any]) -> str:
    return f"Question: {row['instruction']}\n\nAnswer:\n"


HABITS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "body": ("missing_prompt", lambda r: r["canonical_solution"]),
    "body after a newline": ("missing_prompt", lambda r: "\n" + r["canonical_solution"]),
    "stripped body": ("missing_prompt", lambda r: r["canonical_solution"].strip()),
    "fenced": ("fenced", lambda r: f"Here is the code:\n```python\n{solved(r)}```\nIt adds."),
    "fence without an end": ("fenced", lambda r: f"```\n{solved(r)}"),
    "fence of tildes": ("fenced", lambda r: f"~~~python\n{solved(r)}\n~~~\n"),
    "fenced after the prompt": ("fenced", lambda r: f"{r['prompt']}```python\n{solved(r)}```"),
    "second of two blocks": ("fenced", lambda r: f"```\npip install x\n```\nThen:\n```python\n{solved(r)}\n```"),
    "escaped": ("escaped", lambda r: escaped(solved(r))),
    "end of text": ("end_token", lambda r: solved(r) + "<|endoftext|>"),
    "end and more": ("end_token", lambda r: solved(r) + "</s>\n\nQuestion: and now?"),
    "end of turn": ("end_token", lambda r: solved(r) + "<|im_end|>\n"),
    "question": ("echoed", lambda r: question(r) + solved(r)),
    "question and body": ("echoed", lambda r: question(r) + r["canonical_solution"]),
    "dialogue": ("echoed", lambda r: f"{question(r)}{solved(r)}\nQuestion: What?\n\nAnswer: so"),
    "alpaca": ("echoed", lambda r: f"### Instruction:\n{r['instruction']}\n### Response:\n{solved(r)}"),
    "everything": ("echoed", lambda r: f"{question(r)}```python\n{r['canonical_solution']}```<|endoftext|>"),
}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("language", ["python", "java"])
def test_every_habit_is_named_and_undone(language: str, habit: str) -> None:
    if language == "java" and habit in ("body", "body after a newline", "stripped body", "question and body"):
        pytest.skip("a Java body has no end of the class")
    key, spoil = HABITS[habit]
    task = get_task(f"synthesize-{language}")
    assert isinstance(task, ExecutedTask)
    problems = task.problems(SAMPLE / f"humanevalpack-{language}.jsonl")
    samples = [(spoil(row),) for row in known(language)]
    assert leniency.anomalies(task, problems, samples).get(key) == len(samples)
    fixed = leniency.lenient(task, problems, samples)
    assert fixed.changed == len(samples)
    for problem, (sample,) in zip(problems, fixed.samples, strict=True):
        assert task.head_of(problem).strip() in sample
        if language == "python":
            space: dict[str, Any] = {}
            program = task.program(problem, sample)
            exec(f"{program.preamble}\n{program.sample}\n{program.test}", space)


@pytest.mark.parametrize("task", ["synthesize-python", "repair-python", "synthesize-java", "recode-format"])
def test_honest_files_have_no_anomalies_and_stay_as_they_are(task: str) -> None:
    names = {"recode-format": "recode-format"}
    known_task = get_task(task)
    assert isinstance(known_task, ExecutedTask)
    problems = known_task.problems(SAMPLE / f"{names.get(task, 'humanevalpack-' + task.split('-')[1])}.jsonl")
    read = known_task.read(SAMPLE / "generations" / f"{task}.json", problems)
    assert leniency.anomalies(known_task, read.problems, read.samples) == {}
    complete = [tuple(s for s in row if known_task.head_of(p).strip() in s) for p, row in read.pairs()]
    assert leniency.lenient(known_task, problems, complete).changed == 0


def test_a_minority_is_not_mentioned() -> None:
    task = get_task("synthesize-python")
    assert isinstance(task, ExecutedTask)
    problems = task.problems(SAMPLE / "humanevalpack-python.jsonl")
    rows = [(solved(row),) for row in known()]
    half = [(row[0] + "<|endoftext|>",) if at % 2 else row for at, row in enumerate(rows)]
    assert leniency.anomalies(task, problems, half) == {}
    most = [(row[0] + "<|endoftext|>",) if at else row for at, row in enumerate(rows)]
    assert leniency.anomalies(task, problems, most) == {"end_token": 7}


def test_rows_in_another_order_are_put_back() -> None:
    task = get_task("synthesize-python")
    assert isinstance(task, ExecutedTask)
    problems = task.problems(SAMPLE / "humanevalpack-python.jsonl")
    rows = [(solved(row), "x = 1") for row in known()]
    moved = rows[3:] + rows[:3]
    assert leniency.anomalies(task, problems, moved)["other_row"] == len(rows)
    assert [row[0] for row in leniency.lenient(task, problems, moved).samples] == [row[0] for row in rows]
    ambiguous = [rows[1], *rows[1:]]  # two rows answer problem 1: nobody knows which to move
    assert [row[0] for row in leniency.lenient(task, problems, ambiguous).samples] == [row[0] for row in ambiguous]


# The command


def run(capsys: pytest.CaptureFixture[str], folder: Path, rows: Any, *options: str) -> tuple[dict[str, Any], str]:
    path = folder / "generations.json"
    path.write_text(json.dumps(rows))
    command = ["score", "synthesize-python", str(path), "--problems", str(SAMPLE / "humanevalpack-python.jsonl")]
    assert cli.main([*command, "--json", "--out", str(folder / "out"), *options]) == 0
    shown = capsys.readouterr()
    notes = [line for line in shown.err.splitlines() if line.startswith("note: ")]
    return json.loads(shown.out), "\n".join(notes)


def test_a_zero_explains_itself_and_lenient_scoring_is_recorded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Path
) -> None:
    rows = [[f"```python\n{solved(row)}```"] for row in known()]
    record, note = run(capsys, tmp_path, rows)
    assert record["metrics"]["pass@1"] == 0
    assert record["anomalies"] == {"fenced": 8}
    assert "lenient" not in record
    assert "of 8 samples, 8 contain Markdown fences" in note
    assert note.count("\n") == 0
    plain = (tmp_path / "out" / "generations.parquet.json").read_text()
    record, note = run(capsys, tmp_path, rows, "--lenient")
    assert record["metrics"]["pass@1"] == 100
    assert record["lenient"] == {"changed": 8, "strict": {"pass@1": 0.0, "pass@10": None}}
    assert "changed 8 of 8 samples; pass@1 is 0.00 as they are, 100.00 after that" in note
    inputs = json.loads((tmp_path / "out" / "generations.parquet.json").read_text())["inputs"]
    assert inputs.pop("lenient") is True
    assert inputs == json.loads(plain)["inputs"]


def test_leniency_is_for_programs() -> None:
    with pytest.raises(schema.BadInput, match="defect runs no programs"):
        scoring.Source(get_task("defect"), Path("x.json"), lenient=True)


HEAD = 'def add(a, b):\n    """Add."""\n'
PROBLEM = {
    "task_id": "a/0",
    "prompt": HEAD,
    "declaration": "def add(a, b):\n",
    "canonical_solution": "    return a + b\n",
    "docstring": "Add.",
    "instruction": "Write it.",
    "entry_point": "add",
}


@pytest.mark.parametrize(
    "test",
    [
        "try:\n    assert add(1, 2) == 3\nexcept BaseException:\n    pass",
        "print or add(1, 2)",
        "import sys\nif len(sys.argv) > 10 ** 6:\n    assert add(1, 2) == 3",
    ],
)
def test_a_test_that_passes_without_a_sample_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Path, test: str
) -> None:
    (tmp_path / "problems.jsonl").write_text(json.dumps(PROBLEM | {"test": test}))
    (tmp_path / "x.json").write_text(json.dumps([[f"{HEAD}    return 0"]]))
    command = ["score", "synthesize-python", str(tmp_path / "x.json"), "--problems", str(tmp_path / "problems.jsonl")]
    assert cli.main(command) == 2
    shown = capsys.readouterr()
    assert "problem a/0: its test passes without a sample" in shown.err.splitlines()[-1]
    assert shown.out == ""


def test_malformed_files_are_reported_before_any_download(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "mirror"
    empty.mkdir()
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(empty))
    monkeypatch.setattr("requests.get", lambda *_, **__: pytest.fail("a download was tried"))
    for name, rows in {"synthesize-java": [["a"], 5], "recode-syntax": {}, "aatk": [5], "conala": [[1]]}.items():
        (tmp_path / "x.json").write_text(json.dumps(rows))
        assert cli.main(["score", name, str(tmp_path / "x.json")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
