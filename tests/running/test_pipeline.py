"""A suite from its bases to its results: what is current is skipped, what is killed continues to the same tables."""

from __future__ import annotations

import json
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
import tiny_suite
import yaml
from kill_pipeline import MOMENTS, serially

from astraios_utils import cli, generation, schema, store, training
from astraios_utils.running import grid, pipeline
from astraios_utils.tasks import get_task, task_of

HERE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A suite file, and the build folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    file = tiny_suite.write(folder / "suite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_BUILD", str(folder / "build"))
        patch.setattr(generation, "PART", 6)
        _run(schema.read_suite(file))
    return file, folder / "build"


def _run(suite: schema.Suite) -> pd.DataFrame:
    pipeline.run(suite, suite, {"workers": 1}, executor=serially)
    return pipeline.aggregate(suite)


def _rows(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in lzma.decompress(file.read_bytes()).splitlines()]


def _outcome(build: Path) -> dict[str, object]:
    """Everything that two runs must have in common, by file."""
    held: dict[str, object] = {}
    for path in sorted(build.rglob("*")):
        name = str(path.relative_to(build))
        if path.name.endswith((".jsonl", ".jsonl.xz", ".safetensors", ".csv")):
            held[name] = path.read_bytes()
        elif path.suffix == ".parquet":  # a program's seconds are no result
            held[name] = pd.read_parquet(path).drop(columns="seconds", errors="ignore").to_csv()
    return {name: value for name, value in held.items() if not name.startswith("cache/")}


def test_a_suite_runs_from_its_bases_to_its_results(whole: tuple[Path, Path]) -> None:
    file, build = whole
    suite = schema.read_suite(file)
    frame = pd.read_parquet(build / "tiny" / "results.parquet")
    assert len(suite.models) == 4
    headline = frame[frame["metric"].isin(["accuracy", "pass@1"])]
    assert set(headline["provenance"]) == {"measured"}
    # 4 models on 3 tasks; 6 problems with 3 samples each, of the greedy task with one.
    counts = headline.groupby("task")["n"].agg(["size", "min", "max"]).T.to_dict("list")
    assert counts == {"defect": [4, 6, 6], "explain-python": [4, 18, 18], "synthesize-python": [4, 18, 18]}
    assert headline["value"].max() > 0  # the problems' tests pass for whatever compiles


def test_generations_hold_what_was_written_and_what_was_made_of_it(whole: tuple[Path, Path]) -> None:
    file, build = whole
    suite = schema.read_suite(file)
    folder = build / "tiny" / "generations"
    task = task_of(suite, "explain-python")
    problems = {problem.id: problem for problem in task.problems(suite.problems["explain-python"])}
    rows = _rows(folder / "explain-python" / "small-lora.jsonl.xz")
    assert [row["problem"] for row in rows] == [f"Python/{n}" for n in range(6)]
    for row in rows:
        assert row["task"] == "explain-python"
        for name in ("samples", "raw", "description", "tokens", "ended"):
            assert len(row[name]) == 3, name
        for raw, sample, description in zip(row["raw"], row["samples"], row["description"], strict=True):
            assert sample == task.finish(problems[row["problem"]], raw)
            assert len(description) <= len("Add 0.")
    assert not list(folder.rglob("*.parts.jsonl"))
    read = task.read(folder / "explain-python" / "small-lora.jsonl.xz", tuple(problems.values()))
    assert [list(samples) for samples in read.samples] == [row["samples"] for row in rows]
    cost = store.read_json(folder / "explain-python" / "small-lora.jsonl.xz.json")["cost"]
    # Both turns' tokens: at least one each for 6 x 3 samples.
    assert cost["tokens"] > sum(sum(row["tokens"]) for row in rows) >= 18


def test_a_suite_that_has_run_is_found_by_its_name(
    whole: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, build = whole
    monkeypatch.setenv("ASTRAIOS_BUILD", str(build))
    assert store.load_suite("tiny") == schema.read_suite(file)
    monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path))
    with pytest.raises(schema.UnknownName, match="unknown suite 'tiny'"):
        store.load_suite("tiny")


def test_models_and_samples_differ(whole: tuple[Path, Path]) -> None:
    folder = whole[1] / "tiny" / "generations" / "synthesize-python"
    raw = {path.name: [one for row in _rows(path) for one in row["raw"]] for path in folder.glob("*.xz")}
    assert len(raw) == 4
    assert all(len({*texts}) > 4 for texts in raw.values())  # of 18; most stop at their first letter
    assert len({tuple(texts) for texts in raw.values()}) == 4


def test_nothing_is_done_twice(whole: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file, build = whole
    monkeypatch.setenv("ASTRAIOS_BUILD", str(build))
    before = {path: path.stat().st_mtime_ns for path in build.rglob("*") if path.is_file()}

    def refuse(_: Sequence[grid.Unit]) -> None:
        raise AssertionError("a unit was not current")

    suite = schema.read_suite(file)
    pipeline.run(suite, suite, executor=refuse)
    part = suite.slice(["small"], ["LoRA"], ["defect"])
    pipeline.run(suite, part, executor=refuse)
    assert {path: path.stat().st_mtime_ns for path in build.rglob("*") if path.is_file()} == before


def test_a_slice_gives_the_files_of_the_whole(
    whole: tuple[Path, Path], build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "PART", 6)
    suite = schema.read_suite(whole[0])
    pipeline.run(suite, suite.slice(["large"], ["P-Tuning"], ["explain-python"]), {"workers": 1}, executor=serially)
    name = "tiny/generations/explain-python/large-ptuning.jsonl.xz"
    assert sorted(path.name for path in (build / "tiny").glob("generations/*/*.xz")) == ["large-ptuning.jsonl.xz"]
    assert (build / name).read_bytes() == (whole[1] / name).read_bytes()
    frame = pd.read_parquet(build / "tiny" / "results.parquet")  # all cells, the others missing
    assert (frame["provenance"] == "measured").sum() == 2  # pass@1, pass@10 needs ten samples: undefined
    assert set(frame["method"]) == {"LoRA", "P-Tuning"}


OFTEN = ("between two trainings", "in the middle of a line of the parts' log")


@pytest.mark.slow
@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(OFTEN, marks=pytest.mark.ci, id="often"),
        pytest.param(tuple(moment for moment in MOMENTS if moment not in OFTEN), id="others"),
    ],
)
def test_killed_anywhere_it_ends_in_the_same_tables(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moments: tuple[str, ...]
) -> None:
    file, undisturbed = whole
    monkeypatch.setattr(generation, "PART", 6)
    command = [sys.executable, "-W", "ignore", str(HERE / "kill_pipeline.py"), str(file), str(tmp_path), *moments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = _outcome(undisturbed)
    suite = schema.read_suite(file)
    for number, moment in enumerate(moments):
        monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path / str(number)))
        assert _outcome(tmp_path / str(number)) != wanted, moment
        _run(suite)
        assert _outcome(tmp_path / str(number)) == wanted, moment


def test_what_changes_is_made_again(whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, build = whole
    monkeypatch.setenv("ASTRAIOS_BUILD", str(build))
    raw = yaml.safe_load(file.read_text())

    def stale(**fields: object) -> set[str]:
        other = file.with_name("other.yaml")
        other.write_text(yaml.safe_dump({**raw, **fields}))
        suite = schema.read_suite(other)
        return {u.name for s in ("train", "generate") for u in grid.units(suite, s) if not u.split()[0].current()}

    generating = {
        f"generate {size}-{method} (3 tasks)" for size in ("small", "large") for method in ("lora", "ptuning")
    }
    training_too = {f"train {name.split()[1]}" for name in generating}
    assert stale() == set()
    assert stale(sampling={"samples": 3, "max_length": 190}) == generating
    assert stale(sampling={"samples": 2, "max_length": 200}) == set()  # the first task is greedy
    assert stale(seed=1) == generating | training_too
    assert stale(recipe={**raw["recipe"], "steps": 5}) == generating | training_too
    changed = {**raw["method_configs"], "LoRA": {"r": 2}}
    assert stale(method_configs=changed) == {name for name in generating | training_too if "lora" in name}


def test_generations_put_there_by_hand_are_scored_not_made(
    build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tiny_suite.read(tmp_path / "suite").slice(["small"], ["LoRA"], ["defect"])
    mine = build / "tiny" / "generations" / "defect" / "small-lora.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_text("".join(json.dumps({"problem": str(i), "samples": ["1"]}) + "\n" for i in range(6)))
    assert pipeline.make(suite, "generate") == 0
    assert pipeline.score(suite) == 1
    assert pipeline.aggregate(suite).set_index("metric")["value"]["accuracy"] == 50.0  # 3 of 6 labels are 1


def test_an_untrained_model_and_a_suite_without_bases_are_one_line(build: Path, tmp_path: Path) -> None:
    suite = tiny_suite.read(tmp_path / "suite").slice(["small"], ["LoRA"])
    with pytest.raises(schema.MissingArtefact, match="no finished training with this recipe; run `astraios train"):
        pipeline.make(suite, "generate", serially)
    bare = tiny_suite.read(tmp_path / "bare", bases={}, problems={})
    with pytest.raises(schema.MissingArtefact, match=r"tiny has no generations, and none .*: .* no base"):
        pipeline.obtain(bare)


def test_units_are_pickled_by_name_and_split_by_task(tmp_path: Path) -> None:
    import pickle

    suite = tiny_suite.read(tmp_path / "suite")
    units = grid.units(suite, "generate")
    assert [unit.model.slug for unit in units] == ["small-lora", "small-ptuning", "large-lora", "large-ptuning"]
    assert pickle.loads(pickle.dumps((grid.work, units))) == (grid.work, units)
    assert [unit.name for unit in units[0].split()] == [f"generate small-lora {task}" for task in suite.tasks]
    assert [unit.name for unit in grid.units(suite, "train")[0].split()] == ["train small-lora"]


@pytest.mark.slow
def test_processes_give_the_same_files_and_die_with_their_parent(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command itself, with a process a core: killed while they train, then run to its end."""
    file, undisturbed = whole
    command = [sys.executable, "-W", "ignore", "-m", "astraios_utils.cli", "run", "--suite", str(file)]
    environment = {**os.environ, "ASTRAIOS_BUILD": str(tmp_path), "ASTRAIOS_FIGURES": str(tmp_path / "figures")}
    parent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    losses = tmp_path / "tiny" / "train"
    while not list(losses.glob("*/losses.jsonl")) and parent.poll() is None:
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while (alive := _of_run(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _results(tmp_path) == _results(undisturbed)
    assert "train: 4 of 4 models to do" in done.stderr or "models to do" in done.stderr
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "train: 0 of 4 models to do" in again.stderr
    assert "scoring: 0 files to score, 12 current" in again.stderr


def _of_run(build: Path) -> list[str]:
    """Processes whose environment names the build folder (Linux; none elsewhere)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ASTRAIOS_BUILD={build}".encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            continue
    return [pid for pid in found if pid != str(os.getpid())]


def _results(build: Path) -> str:
    return (build / "tiny" / "results.csv").read_text()


def test_the_commands(build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tiny_suite.write(tmp_path / "suite")
    one = ["--suite", str(file), "--size", "small", "--method", "LoRA", "--task", "defect"]
    assert cli.main(["generate", *one]) == 2
    assert "run `astraios train" in capsys.readouterr().err
    assert cli.main(["train", *one]) == 0
    assert cli.main(["generate", *one]) == 0
    said = capsys.readouterr().err
    assert "train: 1 of 1 models to do" in said
    assert "[1/1] generate small-lora defect: done" in said
    made = build / "tiny" / "generations" / "defect" / "small-lora.jsonl.xz"
    before = made.read_bytes(), made.stat().st_mtime_ns
    assert cli.main(["generate", *one]) == 0
    assert made.stat().st_mtime_ns == before[1]
    assert cli.main(["generate", "--force", *one]) == 0
    assert made.stat().st_mtime_ns > before[1]
    assert made.read_bytes() == before[0]
    assert training.plan(schema.read_suite(file), schema.Model("small", "LoRA")).record()
    assert get_task("defect").read(
        made, task_of(schema.read_suite(file), "defect").problems(tmp_path / "suite" / "defect.jsonl")
    )


def test_a_new_study_is_something_that_notebooks_read(build: Path) -> None:
    nano = store.load_suite("nano")
    before = pipeline._read_by_notebooks(nano)
    assert pipeline._read_by_notebooks(nano) == before
    store.write_json(build / "smol" / "tuning" / "135M-seed0.json", {"seconds": 1})
    assert pipeline._read_by_notebooks(nano) != before
