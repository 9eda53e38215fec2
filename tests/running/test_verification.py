"""A shipped count that is wrong by one sample is found and named; one that is right is not."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import cli, results, schema, store
from astraios_utils.running import pipeline, verification
from astraios_utils.schema import Model
from astraios_utils.tasks import get_task


def _counts(*rows: tuple[str, str, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["problem", "status", "n"])
    return frame.assign(task="repair-python", size="1B", method="LoRA", variant="", detail="")[
        list(results.COUNT_COLUMNS)
    ]


def test_equal_counts_give_no_difference() -> None:
    counts = _counts(("Python/0", "passed", 20), ("Python/1", "failed", 20))
    assert verification.compare(counts, counts.iloc[::-1]).empty


def test_a_sample_that_changes_its_verdict_is_one_change_of_two_counts() -> None:
    shipped = _counts(("Python/0", "passed", 20), ("Python/1", "failed", 20))
    now = _counts(("Python/0", "passed", 19), ("Python/0", "timeout", 1), ("Python/1", "failed", 20))
    found = verification.compare(shipped, now)
    held = found[["problem", "status", "shipped", "now"]].values.tolist()
    assert held == [["Python/0", "passed", 20, 19], ["Python/0", "timeout", 0, 1]]
    cell = pipeline.Cell(get_task("repair-python"), Model("1B", "LoRA"), None)
    checked = verification.Checked(cell, 40, found)
    assert (checked.changed, checked.passes) == (1, 1)
    text = verification.as_lines(checked)
    assert "1 of 40 samples differ" in text
    assert "Python/0 timeout: shipped 0, now 1" in text


def test_a_failure_that_is_now_another_one_changes_no_pass() -> None:
    shipped = _counts(("Java/0", "passed", 18), ("Java/0", "timeout", 2))
    now = _counts(("Java/0", "passed", 18), ("Java/0", "timeout", 1), ("Java/0", "error", 1))
    cell = pipeline.Cell(get_task("repair-java"), Model("1B", "LoRA"), None)
    checked = verification.Checked(cell, 20, verification.compare(shipped, now))
    assert (checked.changed, checked.passes) == (1, 0)


def test_a_file_with_fewer_samples_differs_too() -> None:
    shipped = _counts(("Python/0", "passed", 20))
    cell = pipeline.Cell(get_task("repair-python"), Model("1B", "LoRA"), None)
    found = verification.compare(shipped, _counts(("Python/0", "passed", 17)))
    assert verification.Checked(cell, 17, found).changed == 3


def test_the_draw_is_a_share_rounded_up_and_repeats() -> None:
    suite = store.load_suite("released")
    cells = pipeline.cells(suite.slice([], [], ["defect"]))
    assert len(verification.draw(cells, 0.1, 0)) == 3  # of 28
    assert verification.draw(cells, 0.1, 0) == verification.draw(cells, 0.1, 0)
    assert verification.draw(cells, 0.1, 0) != verification.draw(cells, 0.1, 1)
    assert verification.draw(cells, 1.0, 0) == cells


@pytest.fixture
def shipped(build: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pd.DataFrame:
    """One defect cell with a file of 4 answers next to counts that were made of it."""
    frame = pd.DataFrame(
        {
            "suite": "released", "size": "1B", "method": "LoRA", "task": "defect", "problem": ["a", "b", "c", "d"],
            "variant": "", "sample": 0, "status": ["passed", "failed", "passed", "invalid"],
            "detail": ["label=1 prediction=1", "label=1 prediction=0", "label=0 prediction=0", "label=0 prediction=-1"],
            "seconds": 0.0,
        }
    )  # fmt: skip
    file = tmp_path / "answers.json"
    file.write_text("[]")
    monkeypatch.setattr(pipeline, "_generations", lambda suite, task, model: file if model.method == "LoRA" else None)
    monkeypatch.setattr(
        verification.scoring,
        "score",
        lambda sources, **_: [verification.scoring.Scored(source, frame, {}, 0.0) for source in sources],
    )
    counts = results.to_counts(frame)
    monkeypatch.setattr(pipeline, "_shipped", lambda java_level: {("defect", "1B", m): counts for m in ("LoRA", "FFT")})
    return counts


def test_the_command_exits_0_where_all_counts_are_right(
    shipped: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", "--suite", "released", "--task", "defect"]) == 0
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["defect 1b-lora: 4 samples, no difference"]
    assert "1 of 2 shipped cells have no file here" in seen.err
    assert "0 samples in 0 cells differ" in seen.err


def test_the_command_exits_1_and_names_the_sample_where_a_count_is_wrong(
    shipped: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped.loc[shipped["problem"] == "b", "status"] = "passed"  # a count that was tampered with
    assert cli.main(["verify", "--suite", "released", "--task", "defect", "--json"]) == 1
    seen = capsys.readouterr()
    assert "1 samples in 1 cells differ, of which 1 pass in one of the two alone" in seen.err
    row = json.loads(seen.out)
    assert (row["task"], row["size"], row["method"], row["samples"], row["changed"]) == ("defect", "1B", "LoRA", 4, 1)
    assert {(d["problem"], d["status"], d["shipped"], d["now"]) for d in row["differences"]} == {
        ("b", "passed", 1, 0),
        ("b", "failed", 0, 1),
    }


@pytest.mark.parametrize("share", ["0", "-1", "1.5"])
def test_a_share_outside_0_to_1_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["verify", "--suite", "released", f"--share={share}"])
    assert "must be above 0 and at most 1" in capsys.readouterr().err


def test_a_suite_without_shipped_counts_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--suite", "nano"]) == 2
    assert "ships no verdict counts" in capsys.readouterr().err


def test_nothing_is_verified_where_no_file_is_here(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    with pytest.raises(schema.MissingArtefact, match="files is here"):
        list(verification.verify(store.load_suite("released").slice(["1B"], ["LoRA"], ["defect"])))


def test_the_provenance_of_counts_names_code_tools_and_day(build: Path) -> None:
    cell = pipeline.Cell(get_task("aatk"), Model("1B", "AdapterP"), None)
    path = cell.verdicts("released")
    store.write_stage(path, pd.DataFrame({"a": [1]}), {"sandbox": None}, tools=cell.task.tools())
    row = pipeline._provenance(cell, path)
    assert row["compiler"] == cell.task.tools()["compiler"] != ""
    assert row["analyzer"].startswith("checkers ")
    assert len(row["date"]) == len("2024-01-31")
    assert row["path"].startswith("outputs/aatk")
