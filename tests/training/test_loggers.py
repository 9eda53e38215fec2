"""Losses in other tools: what is told is what the loss log holds, and a package that is missing is named first."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny, tokenizer

from astraios_utils import schema, training
from astraios_utils.training import loggers


@pytest.fixture
def run(tmp_path: Path) -> training.Run:
    base, documents = tmp_path / "base", tmp_path / "documents.jsonl"
    tiny(vocab_size=300, n_layer=1).save_pretrained(base)
    tokenizer().save_pretrained(base)
    documents.write_text("".join(json.dumps({"prompt": f"{i}?", "completion": f"{i}. " * 9}) + "\n" for i in range(40)))
    recipe = schema.Recipe(
        corpus=str(documents), corpus_test=str(documents), sequence_length=16, steps=4, batch=2, warmup_steps=1,
        learning_rate=1e-2, evaluate_every=2, test_sequences=2, report_to=("trackio",),
    )  # fmt: skip
    folder = tmp_path / "build" / "own" / "train" / "tiny-lora"
    return training.Run(schema.Model("tiny", "LoRA"), schema.Base(model=str(base)), recipe, {}, 0, folder)


class _Fake(types.ModuleType):
    """Trackio's three functions, which remember what they were given."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.begun: list[dict[str, Any]] = []
        self.told: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def init(self, **given: Any) -> object:
        self.begun.append(given)
        return object()

    def log(self, values: dict[str, float], step: int) -> None:
        self.told.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def _logged(folder: Path) -> list[tuple[int, str, float]]:
    frame = training.read_losses(folder)
    return list(zip(frame["step"], frame["split"], frame["loss"], strict=True))


def test_trackio_gets_what_the_loss_log_holds(run: training.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _Fake()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    training.train(run, lambda _: None)
    told = [
        (step, name.split("/")[0], value)
        for step, values in fake.told
        for name, value in values.items()
        if "/loss" in name
    ]
    assert told == _logged(run.folder)
    assert len(told) == 4 + 3  # 4 steps; tests before the first, after 2 and after 4
    assert all(isinstance(value, (int, float)) for _, values in fake.told for value in values.values())
    (begun,) = fake.begun
    assert (begun["project"], begun["name"], begun["resume"]) == ("own", "tiny-lora", "never")
    assert fake.finished == 1


def test_tensorboards_own_reader_finds_the_losses(run: training.Run) -> None:
    pytest.importorskip("tensorboard")
    from dataclasses import replace

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = replace(run, recipe=run.recipe.model_copy(update={"report_to": ("tensorboard",)}))
    training.train(run, lambda _: None)
    reader = EventAccumulator(str(run.folder / "tensorboard"))
    reader.Reload()
    for split in ("train", "test"):
        found = [(event.step, event.value) for event in reader.Scalars(f"{split}/loss")]
        wanted = [(step, pytest.approx(loss, rel=1e-6)) for step, name, loss in _logged(run.folder) if name == split]
        assert found == wanted  # TensorBoard holds single precision


def test_a_missing_package_is_named_before_anything_is_written(
    run: training.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(schema.MissingTool, match=r"report_to names trackio.*pip install trackio"):
        training.train(run, lambda _: None)
    assert not run.folder.exists()


def test_a_failed_run_closes_its_loggers(run: training.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(_Fake):
        def log(self, values: Mapping[str, float], step: int) -> None:
            raise RuntimeError("the dashboard is gone")

    fake = Broken()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    with pytest.raises(RuntimeError, match="dashboard is gone"):
        training.train(run, lambda _: None)
    assert fake.finished == 1


def test_a_run_is_the_same_whoever_is_told(run: training.Run) -> None:
    from dataclasses import replace

    other = replace(run, recipe=run.recipe.model_copy(update={"report_to": ()}))
    assert run.inputs == other.inputs


def test_an_unknown_dashboard_is_refused() -> None:
    with pytest.raises(ValueError, match=r"report_to\.0"):
        schema.Recipe(corpus="c", report_to=("wandb",))  # type: ignore[arg-type]
    assert set(loggers.PACKAGES) == {"tensorboard", "trackio"}
