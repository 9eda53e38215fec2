"""Notebooks with ``run=True`` make what their slice is missing; an interrupt loses nothing that is finished."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import notebook_cells
import pytest
import tiny_suite

from astraios_utils import schema, store, training
from astraios_utils.running import ledger, notebooks, pipeline
from astraios_utils.schema import Suite
from astraios_utils.store import processes


@pytest.fixture
def tiny(tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A tiny suite that is known by its name. Without a mirror, notebook 01 leaves out its demonstration."""
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    mpl.use("Agg")
    suite = store.load_suite(str(tiny_suite.write(tmp_path / "suite")))
    store.keep_suite(suite)
    return suite


@pytest.mark.slow
@pytest.mark.smoke
def test_from_nothing_to_a_table(tiny: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"suite": tiny.name, "sizes": ["small"], "methods": ["LoRA"]}
    sources = notebooks.sources()
    page = notebook_cells.run(sources["01_train"], given, monkeypatch)
    assert "**0 of 1** models of this slice are trained here." in page  # by default nothing is started
    page = notebook_cells.run(sources["01_train"], {**given, "run": True}, monkeypatch)
    assert "**1 of 1** models of this slice are trained here." in page
    page = notebook_cells.run(sources["02_eval_generation"], {**given, "run": True}, monkeypatch)
    frame = ledger.load_results(tiny.name)
    done = frame[(frame["provenance"] == "measured") & (frame["metric"] == "pass@1")]
    assert set(zip(done["size"], done["method"], done["task"], strict=True)) == {
        ("small", "LoRA", "synthesize-python"),
        ("small", "LoRA", "explain-python"),
    }  # the notebook's tasks of the slice, and no other
    assert any("data-cell" in text for text in page)


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_done(tiny: Suite) -> None:
    part = tiny.slice(["small"], ["LoRA", "P-Tuning"], ["synthesize-python"])
    lines: list[str] = []

    def stop(text: str) -> None:
        lines.append(text)
        if text.startswith(f"{part.models[1].slug}: step"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), processes.listening(stop):
        pipeline.complete(part, "02_eval_generation")
    finished = [model.method for model in part.models if training.plan(part, model).record() is not None]
    assert finished == ["LoRA"]
    stamp = (training.plan(part, part.models[0]).folder / "run.json").stat().st_mtime_ns
    pipeline.complete(part, "02_eval_generation")
    assert (training.plan(part, part.models[0]).folder / "run.json").stat().st_mtime_ns == stamp
    assert all(cell.verdicts(part.name).exists() for cell in pipeline.cells(part))


def test_a_suite_without_the_notebooks_tasks_is_refused(tiny: Suite) -> None:
    with pytest.raises(schema.BadInput, match="runs none of the tasks of notebook 05_security"):
        pipeline.complete(tiny, "05_security")
