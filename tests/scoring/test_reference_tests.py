"""The mutation score of a benchmark's own tests: on a made-up problem by hand, and measured on real ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import schema, store
from astraios_utils.scoring import reference_tests
from astraios_utils.tasks import Problem, get_task
from astraios_utils.tasks.testgen import TestGeneration

NANO = store.data_dir() / "nano" / "benchmark" / "humanevalpack-python.jsonl"
ROW = {
    "task_id": "Own/0",
    "prompt": "def first(values):\n",
    "canonical_solution": "    return values[0]\n",
    "buggy_solution": "    return values[1]\n",
    "entry_point": "first",
    "test": "def check(first):\n    assert first([1, 2]) == 1\n\ncheck(first)",
}


def _task() -> TestGeneration:
    task = get_task("testgen-python")
    assert isinstance(task, TestGeneration)
    return task


def _measured(tmp_path: Path, test: str) -> pd.DataFrame:
    problem = Problem("Own/0", "", {**ROW, "test": test})
    return reference_tests.measure(_task(), [problem], journal=tmp_path / "journal.jsonl", progress=False)


def test_what_becomes_of_each_bug_by_hand(tmp_path: Path) -> None:
    # the mutants: values[1] (which is the buggy solution), values[-1], (values[0]) + 1, (values[0])[1:], which crashes
    found = _measured(tmp_path, ROW["test"])
    assert sorted(found["fate"]) == ["assertion", "assertion", "assertion", "crash"]
    assert found["own"].sum() == 1
    assert reference_tests.mutation_score(found).value == 100.0
    # of a list with one element the first is the last; values[1] crashes, and it is the buggy solution
    weak = _measured(tmp_path, "def check(first):\n    assert first([1]) == 1\n\ncheck(first)")
    assert sorted(weak[~weak["own"]]["fate"]) == ["assertion", "crash", "survived"]
    assert weak[weak["own"]]["fate"].tolist() == ["crash"]
    assert reference_tests.mutation_score(weak).value == pytest.approx(200 / 3)


def test_a_solution_that_fails_is_refused(tmp_path: Path) -> None:
    with pytest.raises(schema.BadInput, match="Own/0: its solution does not pass its tests"):
        _measured(tmp_path, "def check(first):\n    assert first([1]) == 2\n\ncheck(first)")


def test_problems_weigh_alike_and_what_does_not_compile_does_not_count() -> None:
    rows = [("a", False, "assertion"), ("a", False, "survived"), ("b", False, "endless"), ("b", False, "not compiled")]
    found = pd.DataFrame([*rows, ("a", True, "survived")], columns=["problem", "own", "fate"])
    score = reference_tests.mutation_score(found)
    assert (score.value, score.clusters) == (75.0, 2)
    text = reference_tests.report("testgen-java", found)
    assert text.splitlines()[0] == f"testgen-java: mutation score 75.0 ± {score.se:.1f} of the tests of 2 problems"
    assert text.splitlines()[1].startswith("4 planted bugs: 1 assertion, 1 endless, 1 survived, 1 not compiled;")
    assert text.endswith("buggy solutions: 0 of 1 rejected")


@pytest.mark.parametrize("language", ["python", "java"])
def test_humanevals_own_tests_reject_its_buggy_solutions_and_most_mutants(
    mirror: Path, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six problems; docs/how/8_unit_tests.md has all 164."""
    from astraios_utils.sandbox import SandboxError, runtime_id

    try:
        runtime_id(language)
    except SandboxError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(mirror))
    task = get_task(f"testgen-{language}")
    assert isinstance(task, TestGeneration)
    found = reference_tests.measure(task, task.problems()[:6], journal=tmp_path / "journal.jsonl", progress=False)
    assert found[found["own"]]["fate"].isin(reference_tests.REJECTED).tolist() == [True] * 6
    assert reference_tests.mutation_score(found).value > 75
    assert "not compiled" not in set(found["fate"])


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["reference_tests", "testgen-python", "--problems", str(NANO), "--first", "1"])
    assert reference_tests.main() == 0
    assert "of the tests of 1 problems" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["reference_tests", "defect"])
    assert reference_tests.main() == 2
