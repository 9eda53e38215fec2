"""Training runs of a suite: named and seeded apart, judged together, shipped, and compared with a fresh one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astraios_utils import schema, store
from astraios_utils.results import claims
from astraios_utils.running import ledger, pipeline, seeds
from astraios_utils.schema import Model, Suite

PROBLEMS = 40
TASK = "synthesize-python"


@pytest.fixture
def suite(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite of three runs; what it ships goes to a folder of the test."""
    monkeypatch.setattr(store, "data_dir", lambda: tmp_path / "data")
    return Suite(name="own", title="Own", sizes=("1B",), methods=("LoRA", "FFT"), tasks=(TASK,), seeds=3, seed=7)


def _scored(suite: Suite, run: int, method: str, passed: int) -> None:
    """Verdicts of one run: the first so many problems are solved."""
    model = Model("1B", method)
    status = np.where(np.arange(PROBLEMS) < passed, "passed", "failed")
    frame = pd.DataFrame({"problem": [f"P/{i}" for i in range(PROBLEMS)], "status": status})
    named = {"suite": suite.name, "size": "1B", "method": method, "task": TASK, "variant": "", "sample": 0}
    frame = frame.assign(**named, detail="", seconds=0.0)[list(schema.VERDICT_COLUMNS)]
    cell = pipeline.Cell(pipeline.get_task(TASK), model, None)
    store.write_frame(cell.verdicts(suite.run_of(run).name), frame)


def test_a_run_is_a_suite_with_a_name_and_a_seed_of_its_own(suite: Suite) -> None:
    assert suite.run_of(0) is suite
    one = suite.run_of(2)
    assert (one.name, one.seed, one.seeds, one.tasks) == ("own-seed2", 9, 1, suite.tasks)
    with pytest.raises(schema.BadInput, match="has the runs 0 to 2, not 3"):
        suite.run_of(3)


def test_a_run_is_found_by_its_name(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name: own\ntitle: Own\nsizes: [1B]\nmethods: [LoRA]\ntasks: [defect]\nseeds: 2\n"
    (build / "own").mkdir(parents=True)
    (build / "own" / "suite.yaml").write_text(text)
    assert store.load_suite("own-seed1") == store.load_suite("own").run_of(1)
    with pytest.raises(schema.BadInput, match="has the runs 0 to 1"):
        store.load_suite("own-seed2")
    with pytest.raises(schema.UnknownName):
        store.load_suite("other-seed1")


def test_several_runs_say_something_about_the_method(suite: Suite) -> None:
    for run, passed in enumerate((10, 20, 30)):
        _scored(suite, run, "LoRA", passed)
    assert ledger.measured(suite.model_copy(update={"seeds": 1})).scope == "these checkpoints"
    evidence = ledger.measured(suite)
    assert (evidence.seeds, evidence.scope) == (3, "the method")
    key = (TASK, "pass@1", "1B", "LoRA")
    assert evidence.scores[key][0] == pytest.approx(50)  # (10 + 20 + 30) / 3 of 40


def test_the_variance_of_a_score_is_split_into_problems_and_training(suite: Suite) -> None:
    for run, passed in enumerate((10, 20, 30)):
        _scored(suite, run, "LoRA", passed)
    found = seeds.variance(suite).iloc[0]
    # The runs' scores are 25, 50 and 75%. Over problems: mean of p (1 - p) / (m - 1) = (.1875 + .25 + .1875) / 3 / 39 =
    # .005342, 7.31 points. Training: the runs' variance, .0625, less what the residuals explain: .0625 - within.
    # Residuals y_sp - y_s. - y_.p + y..: of each ten problems that 3, 2, 1 and 0 runs solve, sums of squares .125,
    # .2917, .2917 and .125; within = 10 * .8333 / (2 * 39 * 40) = .002671; sd = sqrt(.0625 - .002671) = 24.46 points.
    assert found["se_problems"] == pytest.approx(7.31, abs=0.01)
    assert found["sd_training"] == pytest.approx(24.46, abs=0.01)
    assert found["share_training"] == pytest.approx(91.8, abs=0.1)


def test_a_cell_that_one_run_lacks_is_missing(suite: Suite) -> None:
    for run in range(3):
        _scored(suite, run, "LoRA", 10)
    _scored(suite, 0, "FFT", 10)
    assert {key[3] for key in ledger.measured(suite).metrics} == {"LoRA"}


def test_shipped_runs_stand_in_for_those_that_were_not_made_here(suite: Suite, build: Path) -> None:
    for run, passed in enumerate((10, 20, 30)):
        _scored(suite, run, "LoRA", passed)
    before = ledger.measured(suite)
    written = seeds.ship(suite)
    assert {path.name for path in written} == {f"{name}{k}.parquet" for name in ("seed", "losses") for k in range(3)}
    for run in range(3):
        (build / suite.run_of(run).name).rename(build / f"elsewhere{run}")
    assert seeds.runs(suite) == [0, 1, 2]
    after = ledger.measured(suite)
    for key, values in before.scores.items():
        assert np.array_equal(values, after.scores[key], equal_nan=True)


def test_a_clone_judges_nano_by_all_its_shipped_runs(build: Path) -> None:
    cut = store.load_suite("nano").slice(["65K"], ["LoRA", "FFT"], ["synthesize-python"])
    evidence, count = ledger.measured(cut), len(seeds.shipped_runs(cut))
    assert count >= 3
    assert (evidence.seeds, evidence.scope) == (count, "the method")
    key = ("synthesize-python", "pass@1", "65K", "LoRA")
    assert 0 < evidence.scores[key][0] < 100
    assert evidence.training[key].std() > 0
    assert evidence.losses["seed"].nunique() == count
    assert evidence.costs.set_index("method").loc["FFT", "trainable_parameters"] > 60_000


@pytest.mark.parametrize(
    ("passed", "status"),
    # Shipped runs: 18, 20 and 22 of 40, 45, 50 and 55%; sd 5 points; 50 +- 4.303 * 5 * sqrt(4/3) = 50 +- 24.8.
    [(20, "equal"), (26, "inside"), (12, "inside"), (31, "outside"), (9, "outside")],
)
def test_a_fresh_run_lies_inside_or_outside_what_shipped_runs_explain(suite: Suite, passed: int, status: str) -> None:
    for run, count in enumerate((18, 20, 22)):
        _scored(suite, run, "LoRA", count)
    seeds.ship(suite)
    _scored(suite, 0, "LoRA", passed)
    row = seeds.compare(suite).iloc[0]
    assert (row["status"], row["mean"], row["sd"]) == (status, pytest.approx(50), pytest.approx(5))
    assert seeds.summary(suite) == f"1 cells against 3 shipped run(s): 1 {status}"


def test_nothing_to_ship_or_to_compare(suite: Suite) -> None:
    with pytest.raises(schema.MissingArtefact, match="no verdicts to ship"):
        seeds.ship(suite)
    assert seeds.compare(suite).empty
    assert not seeds.summary(suite)
    assert claims.measured(suite, lambda *_: None).seeds == 1


def test_extra_tasks_run_only_where_they_are_asked_for(suite: Suite) -> None:
    both = suite.model_copy(update={"extra_tasks": ("recode-format",)})
    assert both.slice().tasks == (TASK,)
    assert both.slice(tasks=["all"]).tasks == (TASK, "recode-format")
    assert both.slice(tasks=["recode-format"]).tasks == ("recode-format",)
    with pytest.raises(schema.UnknownName):
        suite.slice(tasks=["recode-format"])


def test_what_is_shipped_and_was_not_made_here_stays(suite: Suite, build: Path) -> None:
    _scored(suite, 0, "LoRA", 10)
    _scored(suite, 0, "FFT", 20)
    seeds.ship(suite)
    (build / suite.name).rename(build / "elsewhere")
    _scored(suite, 0, "LoRA", 30)
    seeds.ship(suite)
    task, (size,) = suite.tasks[0], suite.sizes
    for method, passed in (("LoRA", 30), ("FFT", 20)):
        held = seeds.shipped(suite.name, 0, task, Model(size, method))
        assert held is not None
        assert (held["status"] == "passed").sum() == passed
