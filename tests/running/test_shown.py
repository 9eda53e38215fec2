"""What a page shows of a suite whose training runs are shipped, in a clone that has run nothing, and after one cell."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import cli, store
from astraios_utils.running import ledger, pipeline, seeds
from astraios_utils.schema import Model
from astraios_utils.tasks import get_task

TASK, HERE, THERE = "prefer-python", Model("135M", "LoRA"), Model("135M", "FFT")


@pytest.fixture
def smol(build: Path) -> pd.DataFrame:
    return ledger.shown(store.load_suite("smol"))


def _value(frame: pd.DataFrame, model: Model) -> pd.Series:
    own = frame[(frame["task"] == TASK) & (frame["size"] == model.size) & (frame["method"] == model.method)]
    return own[own["metric"] == "prefer"].iloc[0]


def test_a_fresh_clone_shows_what_ships(smol: pd.DataFrame) -> None:
    suite = store.load_suite("smol")
    assert set(pipeline.aggregate(suite)["provenance"]) == {"missing"}
    counts = pd.read_parquet(seeds.counts_path("smol", 0))
    own = counts[(counts["task"] == TASK) & (counts["method"] == "FFT")]
    passed = own.loc[own["status"] == "passed", "n"].sum() / own["n"].sum()
    cell = _value(smol, THERE)
    assert (cell["provenance"], cell["origin"]) == ("measured", "shipped")
    assert cell["value"] == pytest.approx(100 * passed)
    assert not ledger.compared(suite).empty  # and methods are compared by it


def test_a_cell_that_was_run_here_replaces_the_shipped_one(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = store.load_suite("smol")
    found = seeds.verdicts(suite, 0, TASK, THERE)  # 90.2%, where HERE's shipped ones are 89.0%
    assert found is not None
    other = found[0].assign(method=HERE.method)
    store.write_frame(pipeline.Cell(get_task(TASK), HERE, None).verdicts("smol"), other)
    frame = ledger.shown(suite)
    mine, theirs = _value(frame, HERE), _value(frame, THERE)
    assert (mine["origin"], theirs["origin"]) == ("here", "shipped")
    assert mine["value"] == theirs["value"]
    assert cli.main(["results", "--suite", "smol", "--method", "LoRA", "--method", "FFT", "--task", TASK]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\b(\d+) of (\d+) values were not scored here", said)
    assert said.count(f"{mine['value']:.1f}") >= 2


@pytest.mark.slow
@pytest.mark.ci
def test_results_and_report_come_without_a_run(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["results", "--suite", "smol", "--method", "FFT"]) == 0
    said = capsys.readouterr().out
    assert "Nothing was run here: these are the counts that the project ships." in said
    assert re.search(r"0\.4\d\d \[0\.\d{3}, 0\.\d{3}\]", said)  # bits per byte are small numbers
    assert cli.main(["report", "--suite", "smol"]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text(encoding="utf-8")
    assert f"#cell/{TASK}/135M/LoRA" in page
    assert f'data-name="verdicts:{TASK}"' in page


@pytest.mark.slow
@pytest.mark.ci
def test_notebooks_read_what_ships(build: Path) -> None:
    frame = ledger.load_results("nano")
    cells = frame[frame["task"].isin(["synthesize-java", "defect"]) & frame["provenance"].eq("measured")]
    assert set(cells["size"]) == set(store.load_suite("nano").sizes)
    assert set(cells["origin"]) == {"shipped"}
