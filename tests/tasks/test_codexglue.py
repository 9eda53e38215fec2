"""Defect and clone detection: prompts, parsing, the 2,000 sampled rows, table 2."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import datasets
import pytest

from astraios_utils import schema, store
from astraios_utils.sources import released
from astraios_utils.tasks import Problem, get_task
from astraios_utils.tasks.codexglue import CodeXGlue
from astraios_utils.tasks.files import read_content

NONE = Problem("0", "", {})
DEFECT, CLONE = get_task("defect"), get_task("clone")


def codexglue(name: str) -> CodeXGlue:
    task = get_task(name)
    assert isinstance(task, CodeXGlue)
    return task


def test_defect_prompt() -> None:
    # figure 15; braces of the code are left alone
    asked = DEFECT.prompt(Problem("0", "", {"func": "int f() { return {0}; }"}))
    assert asked == (
        "Question: int f() { return {0}; }\nIs there a defect in the Code, and respond to YES or NO.\n\nAnswer:"
    )


def test_clone_prompt() -> None:
    asked = CLONE.prompt(Problem("0", "", {"func1": "a();", "func2": "b();"}))
    assert asked == (
        "Question: Code1: a();.\nCode2: b();.\n"
        "Is there a clone relation between the Code1 and Code2, and respond to YES or NO.\n\nAnswer:"
    )


def test_one_shot_prompts_put_a_solved_example_first() -> None:
    row = {"func": "g();", "demonstration": "Question: f();\n…\n\nAnswer: YES"}
    asked = get_task("defect-1shot").prompt(Problem("0", "", row))
    assert asked == row["demonstration"] + "\n\n" + DEFECT.prompt(Problem("0", "", row))


@pytest.mark.parametrize("name", ["defect-1shot", "clone-1shot"])
def test_the_demonstration_is_one_fixed_row_of_the_training_split(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = codexglue(name)
    splits = {"test": task.data.rows, "train": task.train_rows}
    asked: list[str] = []

    def hub(*_: object, split: str) -> list[dict[str, Any]]:
        asked.append(split)
        rows = min(splits[split], 50)
        shown = [{field: f"{split} {number} {field}" for field in task.fields} for number in range(rows)]
        return [row | {task.label: number % 2} for number, row in enumerate(shown)]

    monkeypatch.setattr(datasets.load, "load_dataset", hub)
    short = dataclasses.replace(task, data=dataclasses.replace(task.data, rows=50), train_rows=50, population=(20, 20))
    problems = short.load(None)
    place = random.Random(0).randrange(50)  # 24, an even row: its label is 0
    assert place == 24
    prompts = [short.prompt(problem) for problem in problems]
    first, _, question = prompts[0].partition("\nAnswer: NO\n\n")
    assert first.startswith("Question: ")
    assert f"train {place} {task.fields[0]}" in first
    assert question.startswith("Question: ")
    assert "test " in question
    assert question.endswith("Answer:")
    assert len({prompt.partition("Answer: NO")[0] for prompt in prompts}) == 1  # the same for every question
    assert asked == ["test", "train"]
    # another training split is refused
    with pytest.raises(schema.BadInput, match="50 rows in train, expected 51"):
        dataclasses.replace(short, train_rows=51).load(None)


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (" YES", "1"),
        (" NO", "0"),
        (" Yes, there is no defect", "1"),  # the comma ends the first sentence
        (" No. Yes.", "0"),
        (" I do not know", "0"),  # "no" inside "not" and "know": the protocol's weakness
        (" None", "0"),
        (" YES or NO", "-1"),  # both, and no phrase
        (" yes and no: there is a defect", "1"),  # both: the phrases decide, over the whole text
        (" The code has a defect", "1"),
        (" It contains a defect", "1"),
        (" Maybe", "-1"),
        ("", "-1"),
        ("Is there …\n\nAnswer: YES\n\nQuestion: …\n\nAnswer: NO", "0"),  # only what follows the last "Answer:"
    ],
)
def test_defect_answers(written: str, answer: str) -> None:
    assert DEFECT.finish(NONE, written) == answer


def test_the_negative_phrase_is_never_reached_alone() -> None:
    # "there is no defect" in the first sentence holds a "no"; in a later one it decides
    assert DEFECT.finish(NONE, "Fine. There is no defect.") == "0"
    assert CLONE.finish(NONE, "Fine. There is no relation.") == "0"
    assert CLONE.finish(NONE, "Fine. It contains a defect.") == "-1"  # not a phrase of this task


def test_judgements() -> None:
    problem = Problem("0", "", {"target": True})
    assert dataclasses.astuple(DEFECT.verdict(problem, "1")) == ("passed", "label=1 prediction=1")
    assert dataclasses.astuple(DEFECT.verdict(problem, "0")) == ("failed", "label=1 prediction=0")
    assert dataclasses.astuple(DEFECT.verdict(problem, "-1")) == ("invalid", "label=1 prediction=-1")
    assert DEFECT.verdict(Problem("0", "", {"target": "0"}), "0").status == "passed"


def test_the_sampled_rows_are_those_of_the_papers_notebook() -> None:
    # its rule, in its own order of calls: seed the module's generator, sample negatives, then positives
    labels = ["0"] * 1477 + ["1"] * 1255
    random.Random(5).shuffle(labels)
    negatives = [i for i, label in enumerate(labels) if label == "0"]
    positives = [i for i, label in enumerate(labels) if label == "1"]
    random.seed(0)
    expected = [negatives[i] for i in random.sample(range(0, 1477), 1081)]
    expected += [positives[i] for i in random.sample(range(0, 1255), 919)]
    assert codexglue("defect").chosen(labels) == expected
    assert len(codexglue("clone").chosen(["1"] * 1000 + ["0"] * 1726)) == 2000


def test_other_data_than_the_full_test_set_is_scored_whole() -> None:
    assert codexglue("defect").chosen(["0", "1", "1"]) == [0, 1, 2]


def test_clone_problems_are_drawn_and_shuffled_as_the_harness_does() -> None:
    task = dataclasses.replace(
        codexglue("clone"), population=(6, 4), data=dataclasses.replace(codexglue("clone").data, rows=40)
    )
    rows: list[dict[str, Any]] = [{"id": i, "func1": "a", "func2": "b", "label": i % 3 == 0} for i in range(40)]
    random.seed(0)
    table = datasets.Dataset.from_list(rows)
    negatives, positives = table.filter(lambda r: not r["label"]), table.filter(lambda r: r["label"])
    picked = [negatives.select(random.sample(range(0, len(negatives)), 6))]
    picked += [positives.select(random.sample(range(0, len(positives)), 4))]
    expected = datasets.concatenate_datasets(picked).shuffle(seed=0)["id"]
    assert [problem.row["id"] for problem in task.arrange(rows)] == list(expected)


# Files


def record(label: str, prediction: str = "1", **other: Any) -> list[dict[str, Any]]:
    return [{"ID": 0, "prediction": prediction, "true_label": label, "raw_text": "x", **other}]


FULL = [record("0")] * 1477 + [record("1")] * 1255


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (FULL[1:], "1476 negative and 1255 positive rows; a defect file holds 1477 and 1255"),
        ([record("0", true_label=0), *FULL[1:]], "row 0: true_label is missing or not what a defect file holds"),
        ([record("2"), *FULL[1:]], "row 0: true_label"),
        ([[{"prediction": "1"}], *FULL[1:]], "row 0: true_label, raw_text is missing"),
        ([["yes"], *FULL[1:]], "one record a row"),
        ([record("0", "yes")] * 1477 + FULL[1477:], "prediction 'yes' is none of 1, 0, -1"),
    ],
)
def test_bad_files(tmp_path: Path, rows: Any, told: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(schema.BadInput, match=told):
        DEFECT.read(path)


def test_a_full_file_needs_no_data_set(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(FULL))
    read = DEFECT.read(path)
    assert sum(DEFECT.verdict(p, s[0]).status == "passed" for p, s in read.pairs()) == 919


def test_a_file_that_holds_just_the_2000_rows_is_scored_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([record("0")] * 1081 + [record("1")] * 919))
    assert len(DEFECT.read(path).problems) == 2000


def test_labels_that_contradict_the_problems_are_refused(tmp_path: Path) -> None:
    sample = store.data_dir() / "sample"
    rows = json.loads((sample / "generations" / "defect.json").read_text())
    rows[4][0]["true_label"] = "0"
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(schema.BadInput, match="row 4: true_label 0 is not the label of problem 4"):
        DEFECT.read(path, DEFECT.references(sample / "defect.jsonl"))


def test_the_data_set_is_one_line_where_the_hub_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr("datasets.load.load_dataset", fail)
    with pytest.raises(schema.MissingArtefact, match="could not be loaded from the hub") as caught:
        DEFECT.load(None)
    assert "\n" not in str(caught.value)


def test_the_shipped_answers_parse_as_recorded() -> None:
    path = store.data_dir() / "sample" / "generations" / "defect.json"
    assert codexglue("defect").disagreements(read_content(path).rows) == 0


def published(task: str) -> dict[tuple[str, str], float]:
    with (store.data_dir() / "paper" / "table2.csv").open(newline="") as stream:
        return {(r["size"], r["method"]): float(r["value"]) for r in csv.DictReader(stream) if r["task"] == task}


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", [pytest.param(7, marks=pytest.mark.smoke, id="every-seventh"), pytest.param(1, id="all")]
)
def test_table_2_is_reproduced_by_every_mirrored_file(mirror: Path, build: Path, step: int) -> None:
    paper = published("defect")
    compared = 0
    for file in list(released.files("defect"))[::step]:
        path = released.locate(file)
        if path is None:
            continue
        read = DEFECT.read(path)
        right = sum(DEFECT.verdict(p, s[0]).status == "passed" for p, s in read.pairs())
        assert f"{right / 20:.2f}" == f"{paper[file.size, file.method]:.2f}"  # per cent of 2,000
        assert codexglue("defect").disagreements(read_content(path).rows) == 0
        compared += 1
    assert compared >= 20 // step
