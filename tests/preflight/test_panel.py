"""The panel, through ipywidgets' own objects: what is offered, planned and run; without the package, text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny_suite

from astraios_utils import store, training
from astraios_utils.preflight import panel
from astraios_utils.running import pipeline
from astraios_utils.schema import Suite
from astraios_utils.store import processes


@pytest.fixture
def tiny(tmp_path: Path, build: Path) -> Suite:
    suite = store.load_suite(str(tiny_suite.write(tmp_path / "suite")))
    store.keep_suite(suite)
    return suite


@pytest.fixture
def made(tiny: Suite) -> panel.Panel:
    pytest.importorskip("ipywidgets")
    part = tiny.slice(["small"], ["LoRA"], ["synthesize-python"])
    return panel.Panel(tiny.name, part, store.suite_names())


def test_it_offers_what_the_suite_has(made: panel.Panel, tiny: Suite) -> None:
    assert {"tiny", "released", "nano"} <= set(made.chosen["suite"].options)
    assert made.chosen["methods"].options == tiny.methods
    assert made.part.models == tiny.slice(["small"], ["LoRA"]).models
    made.chosen["methods"].value = ("LoRA", "P-Tuning")
    assert len(made.part.models) == 2
    released = store.load_suite("released")
    made.chosen["suite"].value = "released"
    assert made.chosen["sizes"].options == released.sizes
    assert made.part.tasks == released.tasks


def test_it_says_what_would_run_before_it_runs(made: panel.Panel) -> None:
    made.plan.click()
    assert "train        0 of 1    next: small LoRA" in made.text.value
    assert "together: training" in made.text.value
    made.chosen["tasks"].value = ()
    made.run.click()
    assert "choose one or more tasks" in made.text.value


def test_it_runs_the_choice_and_shows_how_far_it_is(
    made: panel.Panel, tiny: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, bool]] = []

    def complete(part: Suite) -> None:
        pipeline.make(part, "train", pipeline.grid.in_process)
        made._looked = 0.0  # long ago
        processes.say("<one> line")
        seen.append((made.bar.value, made.bar.max, made.run.disabled))

    monkeypatch.setattr(pipeline, "complete", complete)
    made.run.click()
    assert seen == [(1, 3, True)]  # trained; not generated, not scored
    assert "&lt;one&gt; line" in made.text.value
    assert made.bar.bar_style == "success"
    assert not made.run.disabled
    assert training.plan(tiny, made.part.models[0]).record() is not None


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), pipeline.schema.BadInput("no corpus")])
def test_what_stops_it_is_said(made: panel.Panel, monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    def stop(part: Suite) -> None:
        raise fault

    monkeypatch.setattr(pipeline, "complete", stop)
    made.run.click()
    said, style = ("Interrupted", "warning") if isinstance(fault, KeyboardInterrupt) else ("no corpus", "danger")
    assert said in made.text.value
    assert made.bar.bar_style == style
    assert not made.run.disabled


def test_without_ipywidgets_there_is_text(
    tiny: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert panel.show(tiny.name, ["small"], ["LoRA"]) is None
    said = capsys.readouterr().out
    assert "train        0 of 1    next: small LoRA" in said
    assert "ipywidgets is not installed" in said
    assert "run = True" in said


def test_with_ipywidgets_a_notebook_displays_it(tiny: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipywidgets")
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    made = panel.show(tiny.name, ["small"])
    assert made is not None
    assert shown == [made.widget]
    assert made.part.sizes == ("small",)
