"""A unit that fails does not stop the others; what does not fit is skipped; every GPU gets units of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tiny_suite

from astraios_utils import schema, store, training
from astraios_utils.running import grid, pipeline
from astraios_utils.store import processes


@pytest.fixture
def suite(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> schema.Suite:
    monkeypatch.setattr(grid, "threads", lambda _: 0)  # in this process, one after the other
    return tiny_suite.read(tmp_path / "suite")


def test_failures_are_collected_and_the_rest_is_done(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def work(unit: grid.Unit) -> None:
        if unit.model.slug == "small-lora":
            raise schema.BadInput("a known fault")
        if unit.model.slug == "small-ptuning":
            raise RuntimeError("a library's own\nfault")
        done.append(unit.model.slug)

    monkeypatch.setattr(grid, "work", work)
    with pytest.raises(grid.ExecutionFailed) as caught:
        grid.local(grid.units(suite, "train"))
    log = store.suite_dir("tiny") / "failures" / "train-small-ptuning.txt"
    assert str(caught.value).splitlines() == [
        "train small-lora: a known fault",
        f"train small-ptuning: RuntimeError: a library's own (traceback: {log})",
    ]
    assert "Traceback" in log.read_text()
    assert done == ["large-lora", "large-ptuning"]


def test_a_failed_training_is_reported_once(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise schema.BadInput("a known fault")

    monkeypatch.setattr(training, "train", fail)
    assert pipeline.obtain(suite.slice(["small"], ["LoRA"])) == ["train small-lora: a known fault"]


def test_small_bases_come_first(suite: schema.Suite) -> None:
    assert [unit.model.size for unit in grid.units(suite, "train")] == ["small", "small", "large", "large"]


def test_what_does_not_fit_is_skipped_unless_forced(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "card", lambda: 1 << 20)
    run = training.plan(suite, suite.models[0])
    with pytest.raises(training.DoesNotFit, match=r"small-lora: skipped: memory .* does NOT fit .*--force") as caught:
        training.train(run, lambda _: None)
    assert "\n" not in str(caught.value)
    assert training.train(run, lambda _: None, force=True).losses["loss"].notna().all()


def test_full_fine_tuning_needs_host_memory(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "card", lambda: 1 << 40)
    monkeypatch.setattr(training.memory, "host_bytes", lambda *_: 1 << 60)
    full = training.plan(suite.model_copy(update={"methods": ("FFT",)}), schema.Model("small", "FFT"))
    with pytest.raises(training.DoesNotFit, match=r"host memory 1073741824\.0 GiB of .* free"):
        training.train(full, lambda _: None)


def test_a_full_disk_is_told_before_training(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "card", lambda: 1 << 40)
    monkeypatch.setattr(training.memory, "checkpoint_bytes", lambda *_: 1 << 60)
    with pytest.raises(training.DoesNotFit, match=r"disk 1073741824\.0 GiB of .* free"):
        training.train(training.plan(suite, suite.models[0]), lambda _: None)


def see(_: str) -> str:
    """What a process of one GPU sees; at the module's level, so that processes find it."""
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_a_process_per_gpu(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes.alone(see, "", {"CUDA_VISIBLE_DEVICES": "3"}) == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr(grid, "_gpus", lambda: 2)
    given: list[str] = []

    def alone(call: object, unit: grid.Unit, variables: dict[str, str]) -> str:
        given.append(variables["CUDA_VISIBLE_DEVICES"])
        return "it failed" if unit.model.slug == "large-lora" else ""

    monkeypatch.setattr(processes, "alone", alone)
    with pytest.raises(grid.ExecutionFailed, match=r"^it failed$"):
        grid.local(grid.units(suite, "train"))
    assert len(given) == 4
    assert set(given) <= {"4", "6"}
