"""Generations become verdicts: the same ones for any number of workers, after a kill, and on a second run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import cli, schema, scoring, store
from astraios_utils.sandbox import Outcome, Program
from astraios_utils.scoring import journal
from astraios_utils.tasks import get_task

ROWS = [
    ("Python/0", "add_one", "return x + 1", "return x", "assert add_one(1) == 2\n    assert add_one(-1) == 0"),
    ("Python/1", "evens", "return [y for y in x if y % 2 == 0]", "return x", "assert evens([1, 2, 4]) == [2, 4]"),
    ("Python/2", "last", "return x[-1]", "return x[0]", "assert last('abc') == 'c'"),
]


def _row(name: str, entry: str, good: str, bad: str, test: str) -> dict[str, str]:
    head = f"def {entry}(x):\n"
    return {
        "task_id": name,
        "prompt": f'{head}    """Do it."""\n',
        "declaration": head,
        "canonical_solution": f"    {good}\n",
        "buggy_solution": f"    {bad}\n",
        "entry_point": entry,
        "test": f"def check({entry}):\n    {test}\n\ncheck({entry})",
        "docstring": "Do it.",
        "instruction": "Do it.",
        "signature": f"{entry}(x)",
    }


@pytest.fixture
def files(tmp_path: Path, build: Path) -> tuple[Path, Path]:
    """Three problems, and three samples for each: right, wrong, raising."""
    problems = tmp_path / "problems.jsonl"
    problems.write_text("".join(json.dumps(_row(*row)) + "\n" for row in ROWS))
    samples = []
    for _, entry, good, bad, _ in ROWS:
        head = f'def {entry}(x):\n    """Do it."""\n    '
        samples.append([head + good, head + bad, head + "raise KeyError(x)"])
    generations = tmp_path / "generations.json"
    generations.write_text(json.dumps(samples))
    return problems, generations


def _score(problems: Path, generations: Path, workers: int = 2) -> scoring.Scored:
    source = scoring.Source(get_task("synthesize-python"), generations)
    return next(iter(scoring.score([source], problems, {"workers": workers}, progress=False)))


def test_verdicts_and_metrics(files: tuple[Path, Path]) -> None:
    scored = _score(*files)
    frame = scored.verdicts
    assert list(frame.columns) == list(schema.VERDICT_COLUMNS)
    assert frame["status"].tolist() == ["passed", "failed", "error"] * 3
    assert frame["problem"].tolist() == ["Python/0"] * 3 + ["Python/1"] * 3 + ["Python/2"] * 3
    assert scored.metrics["pass@1"].value == pytest.approx(100 / 3)  # one of three samples of every problem
    summary = scored.summary()
    assert (summary["n_problems"], summary["n_samples"]) == (3, 9)
    assert summary["metrics"]["pass@1"] == 33.3333


def test_workers_do_not_change_verdicts(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ["problem", "variant", "sample", "status", "detail"]
    frames = []
    for workers in (1, 3):
        monkeypatch.setenv("ASTRAIOS_BUILD", str(files[0].parent / f"build{workers}"))
        frames.append(_score(*files, workers=workers).verdicts[kept])
    pd.testing.assert_frame_equal(*frames)


class _Counting:
    """Stands in for the sandbox and counts what it is asked to run."""

    ran = 0

    def __init__(self, **_: object) -> None:
        pass

    def __enter__(self) -> _Counting:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[int, Outcome]]:
        for index, program in enumerate(programs):
            type(self).ran += bool(program.sample)  # the empty sample, which tries out a test, is not counted
            yield index, Outcome("passed" if program.sample else "error", "", 0.0, 0.0)


def test_each_distinct_program_runs_once(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    problems, generations = files
    monkeypatch.setattr(sys.modules["astraios_utils.scoring.score"], "Sandbox", _Counting)
    monkeypatch.setattr(_Counting, "ran", 0)
    samples = json.loads(generations.read_text())
    twin = generations.with_name("twin.json")
    twin.write_text(json.dumps([[s[0], s[0], s[1]] for s in samples]))
    task = get_task("synthesize-python")
    sources = [scoring.Source(task, path) for path in (generations, twin)]
    first = list(scoring.score(sources, problems, progress=False))
    assert _Counting.ran == 9  # the twin brings nothing new
    again = list(scoring.score(sources, problems, progress=False))
    assert _Counting.ran == 9  # and a second run runs nothing
    for a, b in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(a.verdicts, b.verdicts)


def test_a_verdict_file_is_current_until_its_inputs_change(files: tuple[Path, Path], tmp_path: Path) -> None:
    problems, generations = files
    task = get_task("synthesize-python")
    scored = _score(problems, generations)
    known = task.references(problems)
    path = tmp_path / "verdicts.parquet"
    scoring.write(scored, path, known)
    source = scoring.Source(task, generations)
    assert store.is_current(path, scoring.inputs_of(source, known))
    generations.write_text(generations.read_text().replace("return x + 1", "return x + 2"))
    assert not store.is_current(path, scoring.inputs_of(source, known))


def test_bad_files_are_all_named_and_nothing_runs(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], build: Path
) -> None:
    problems, generations = files
    short = generations.with_name("short.json")
    short.write_text(json.dumps(json.loads(generations.read_text())[:2]))
    number = generations.with_name("number.json")
    number.write_text(json.dumps([["a"], [1], ["c"]]))
    out = generations.with_name("out")
    arguments = ["score", "synthesize-python", str(generations), str(short), str(number), str(out / "absent.json")]
    code = cli.main([*arguments, "--problems", str(problems), "--out", str(out)])
    assert code == 2
    shown = capsys.readouterr()
    lines = shown.err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)
    assert "short.json" in lines[0]
    assert "number.json" in lines[1]
    assert "not a string" in lines[1]
    assert "absent.json" in lines[2]
    assert shown.out == ""
    assert list(out.iterdir()) == []
    assert (build / "cache" / "programs.jsonl").read_bytes() == b""


def test_command_prints_one_json_line_a_file(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    problems, generations = files
    out = generations.with_name("out")
    code = cli.main(
        ["score", "synthesize-python", str(generations), "--json", "--problems", str(problems), "--out", str(out)]
    )
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    assert record["task"] == "synthesize-python"
    assert set(record) >= {"file", "task", "n_problems", "n_samples", "metrics", "seconds"}
    frame = pd.read_parquet(out / "generations.parquet")
    assert len(frame) == 9


def test_unknown_task_lists_near_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", "synthesise-python", "x.json"]) == 2
    assert "did you mean synthesize-python" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.smoke
def test_killed_run_continues(tmp_path: Path, build: Path) -> None:
    """After ``kill -9`` of the whole tree, the finished programs are in the journal and the rest is run."""
    count = 60
    row = _row("Python/0", "f", "return x", "return x", "assert f(1) == 1")
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps(row) + "\n")
    # every sample sleeps a little, so that the kill falls into the middle
    samples = [
        [
            f'def f(x):\n    """Do it."""\n    import time\n    time.sleep(0.1)\n    return {n} and x'
            for n in range(1, count + 1)
        ]
    ]
    generations = tmp_path / "generations.json"
    generations.write_text(json.dumps(samples))
    command = [sys.executable, "-m", "astraios_utils.cli", "score", "synthesize-python", str(generations)]
    command += ["--problems", str(problems), "--workers", "2", "--json"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = build / "cache" / "programs.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not path.exists() or path.read_bytes().count(b"\n") < 5):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = path.read_bytes().count(b"\n")
    assert 5 <= finished < count
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["metrics"]["pass@1"] == 100.0
    with journal.open_journal(path) as known:
        assert len(known) == count + 1  # and the empty sample that tries out the test
    assert path.read_bytes().count(b"\n") == count + 1  # nothing ran twice


JAVA_TEST = """
public class Main {
    public static void main(String[] args) {
        if (new Solution().two().size() != 2) {
            throw new AssertionError();
        }
    }
}"""


@pytest.fixture
def java_files(tmp_path: Path, build: Path, jdk: None) -> tuple[Path, Path]:
    """One problem with two right samples: one for every level of Java, one with ``List.of``, which came with Java 9."""
    head = "import java.util.*;\nclass Solution {\n    public List<Integer> two() {\n"
    row = _row("Java/0", "two", "return null;", "return null;", "") | {"prompt": head, "test": JAVA_TEST}
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps(row) + "\n")
    generations = tmp_path / "generations.json"
    bodies = ("return Arrays.asList(1, 2);", "return List.of(1, 2);")
    generations.write_text(json.dumps([[f"{head}{body}\n}}\n}}" for body in bodies]]))
    return problems, generations


def test_the_java_level_decides_what_compiles_and_is_recorded(
    java_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    problems, generations = java_files
    command = ["score", "synthesize-java", str(generations), "--problems", str(problems), "--json", "--workers", "1"]
    assert cli.main(command) == 0
    own = json.loads(capsys.readouterr().out)
    assert cli.main([*command, "--java-level", "8"]) == 0
    eight = json.loads(capsys.readouterr().out)
    assert (own["metrics"]["pass@1"], eight["metrics"]["pass@1"]) == (100.0, 50.0)
    assert ("java_level" in own, eight["java_level"]) == (False, 8)
    task = get_task("synthesize-java")
    known = task.references(problems)
    sources = [scoring.Source(task, generations, java_level=level) for level in (None, 8, 9)]
    keys = [store.fingerprint(scoring.inputs_of(source, known)) for source in sources]
    assert len(set(keys)) == 3  # verdicts of one level are not current for another


def test_scoring_at_a_level_keeps_what_failed_and_runs_again_what_passed(java_files: tuple[Path, Path]) -> None:
    problems, path = java_files
    written = json.loads(path.read_text())
    broken = written[0][0].replace("Arrays.asList(1, 2)", "null")
    path.write_text(json.dumps([[*written[0], broken]]))
    task = get_task("synthesize-java")
    source = scoring.Source(task, path, problems=problems)
    (own,) = scoring.score([source], sandbox={"workers": 1}, progress=False)
    assert list(own.verdicts["status"]) == ["passed", "passed", "error"]  # null is no list to compare
    (again,) = scoring.score_at_level([(replace(source, java_level=8), own.verdicts)], {"workers": 1}, progress=False)
    assert list(again.verdicts["status"])[::2] == ["passed", "error"]
    assert again.verdicts["status"][1] != "passed"  # List.of came with Java 9
    assert again.summary()["java_level"] == 8
    assert round(again.metrics["pass@1"].value, 2) == 33.33
    with pytest.raises(schema.BadInput, match="does not fit its verdicts"):
        list(scoring.score_at_level([(replace(source, java_level=8), own.verdicts.iloc[:2])]))


def test_a_java_level_that_cannot_be_used_is_refused(java_files: tuple[Path, Path]) -> None:
    _, path = java_files
    with pytest.raises(schema.BadInput, match="Java level 8: synthesize-python runs no Java programs"):
        scoring.Source(get_task("synthesize-python"), path, java_level=8)
    with pytest.raises(schema.BadInput, match=r"Java level 5: openjdk-.* compiles for levels \d to \d+"):
        scoring.Source(get_task("synthesize-java"), path, java_level=5)
