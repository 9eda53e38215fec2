"""Files are written whole or not at all, and know what they were made from."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import schema, store
from astraios_utils.store import processes


def _write_half(path: Path) -> None:
    with store.atomic(path, "w") as stream:
        stream.write("half")
        raise RuntimeError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    store.write_json(path, {"x": 1})
    with pytest.raises(RuntimeError):
        _write_half(path)
    assert store.read_json(path) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(schema.BadInput, match="cannot be written") as caught:
        store.write_json(tmp_path / "file" / "a.json", {})
    assert "\n" not in str(caught.value)
    with pytest.raises(schema.BadInput, match="cannot be written"):
        store.require_writable(tmp_path / "file" / "below")


def test_full_disk_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    from astraios_utils.scoring.journal import Journal

    journal = Journal.__new__(Journal)
    import os

    journal.path, journal._fd = Path("/dev/full"), os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(schema.BadInput, match="No space left"):
        journal._write(b"line\n")
    os.close(journal._fd)


def test_git_blob_sha1_is_gits(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"what is up, doc?")
    # the example of Pro Git, chapter 10.2
    assert store.git_blob_sha1(path.read_bytes()) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    done = subprocess.run(["git", "hash-object", str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == store.git_blob_sha1(path.read_bytes())


def test_current_means_same_inputs(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    frame = pd.DataFrame({"a": [1, 2]})
    assert not store.is_current(path, {"x": 1})
    store.write_stage(path, frame, {"x": 1})
    assert store.is_current(path, {"x": 1})
    assert not store.is_current(path, {"x": 2})
    path.unlink()
    assert not store.is_current(path, {"x": 1})


def test_provenance_names_code_and_packages() -> None:
    made = store.provenance(seed=3)
    assert made["seed"] == 3
    assert made["python"].startswith("3.")
    assert "pandas" in made["packages"]
    assert made["peak_memory_mib"] > 10


OWN = """\
name: mine
title: "Mine: ökonomisch"
sizes: [1B]
methods: [DoRA]
tasks: [defect]
method_configs: {DoRA: {like: LoRA, use_dora: true, scale: 1.0e-6}}
bases: {1B: {model: ./model}}
problems: {defect: ./defect.jsonl}
recipe: {corpus: ./corpus.jsonl, learning_rates: {DoRA: 5.0e-5}}
"""


def test_a_kept_suite_is_found_by_its_name_and_says_the_same(build: Path, tmp_path: Path) -> None:
    file = tmp_path / "anything.yaml"
    file.write_text(OWN, encoding="utf-8")
    suite = store.load_suite(str(file))
    assert suite.bases["1B"].model == str(tmp_path / "model")
    store.keep_suite(suite)
    assert store.load_suite("mine") == suite  # from another folder: with its paths
    kept = build / "mine" / "suite.yaml"
    before = kept.stat().st_mtime_ns
    store.keep_suite(suite)
    assert kept.stat().st_mtime_ns == before  # nothing to write
    changed = suite.model_copy(update={"seed": 1})
    store.keep_suite(changed)
    assert store.load_suite("mine") == changed


def test_names_of_the_projects_suites_are_taken(build: Path) -> None:
    released = store.load_suite("released")
    store.keep_suite(released)
    with pytest.raises(schema.BadInput, match="the project has another of that name"):
        store.keep_suite(released.model_copy(update={"seed": 7}))
    assert not list(build.rglob("suite.yaml"))


def test_a_stored_frame_is_computed_again_only_for_other_inputs(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> pd.DataFrame:
        calls.append(1)
        return pd.DataFrame({"x": [len(calls)]})

    path = tmp_path / "frame.parquet"
    assert [store.stored(path, {"a": a}, compute)["x"].item() for a in (1, 1, 2)] == [1, 1, 2]
    assert store.frame_hash(pd.DataFrame({"x": [1]})) != store.frame_hash(pd.DataFrame({"x": [2]}))


def test_without_a_terminal_each_finished_unit_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with processes.stage("train", 2) as finished:
        finished("train 1b-lora")
        finished("train 1b-fft")
    first, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\[1/2\] train 1b-lora: done, \d+ s left", first)
    assert last == "[2/2] train 1b-fft: done"


def test_without_a_terminal_lines_may_be_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with processes.stage("score", 3, every=1000.0) as finished:
        for _ in range(3):
            finished("programs")
    assert capsys.readouterr().err == "[3/3] programs: done\n"


def test_lines_can_be_listened_to(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    with processes.listening(heard.append):
        processes.say("a line")
    processes.say("another")
    assert (heard, capsys.readouterr().err) == (["a line"], "another\n")


def test_on_a_terminal_lines_stand_above_one_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with processes.stage("train", 1) as finished:
        processes.say("a line [1/2]")
        finished("train 1b-lora")
    assert "a line [1/2]" in terminal.getvalue()
    assert "1/1" in terminal.getvalue()
