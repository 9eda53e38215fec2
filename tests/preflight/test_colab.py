"""Colab's first cell leaves a running torch alone, pins everything else, and says what the GPU can hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from astraios_utils import models, schema
from astraios_utils.planning import estimates, memory
from astraios_utils.preflight import colab, suite_check
from astraios_utils.running import notebooks

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_kept_is_pinned_as_it_is_and_the_rest_as_locked() -> None:
    lock = ["# a remark", "numpy==2.4.6", "peft==0.21.2", "torch==2.13.0", "typing_extensions==4.16.0"]
    here = {"torch": "2.9.1+cu128", "numpy": "2.0.2", "peft": "0.17.0"}
    made = colab.constraints(lock, here, {"torch", "numpy", "nvidia-cublas"})
    # An older peft is replaced, although it is there; what is kept but not here has nothing to be pinned to.
    assert made == ["numpy==2.0.2", "torch==2.9.1+cu128", "peft==0.21.2", "typing_extensions==4.16.0"]


def test_torch_is_kept_with_what_it_stands_on_and_what_runs_already() -> None:
    kept = colab.in_use()
    assert {"torch", "sympy", "jinja2", "filelock"} <= kept  # torch's requirements, and theirs
    assert {"markupsafe", "mpmath"} <= kept
    assert "pytest" in kept  # it is imported
    assert "pyyaml" in kept  # known by another name than its module's


def test_the_script_needs_nothing_but_python(tmp_path: Path) -> None:
    script = str(ROOT / "astraios_utils" / "preflight" / "colab.py")
    code = f"import runpy; print(sorted(runpy.run_path({script!r})['installed']()))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("driver", "extra"), [(None, ""), ("/usr/bin/nvidia-smi", "[gpu]")])
def test_the_first_cell_installs_and_greets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], driver: str | None, extra: str
) -> None:
    """The cell as it stands, with Colab's module and a checkout at hand; pip alone is a stand-in."""
    (tmp_path / "astraios").symlink_to(ROOT)
    called: list[list[str]] = []
    monkeypatch.setattr(shutil, "which", lambda *_, **__: driver)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(subprocess, "check_call", lambda command: called.append([str(c) for c in command]))
    wrote = ROOT / "colab.txt"
    try:
        exec(notebooks.bootstrap(), {})
        lines = wrote.read_text().splitlines()
    finally:
        wrote.unlink(missing_ok=True)
    [[_, *command]] = called
    assert command == ["-m", "pip", "install", "-q", "-c", str(wrote), "-e", f"{ROOT}{extra}"]
    import torch

    assert f"torch=={torch.__version__}" in lines
    assert "No GPU" in capsys.readouterr().out


@pytest.fixture
def suite() -> schema.Suite:
    """Three sizes that differ in their vocabulary, so that each needs clearly more than the one before."""
    shape = {"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 4, "n_positions": 64}
    bases = {size: {"model": "x", "shape": {**shape, "vocab_size": words}} for size, words in SIZES.items()}
    recipe = {"corpus": "c", "sequence_length": 16, "base_precision": "bfloat16"}
    return schema.Suite(
        name="three", title="Three", sizes=tuple(SIZES), methods=("LoRA", "FFT"), tasks=("defect",),
        bases=bases, recipe=recipe,
    )  # fmt: skip


SIZES = {"small": 10_000, "middle": 40_000, "large": 160_000}


def card(suite: schema.Suite, size: str, method: str) -> estimates.Gpu:
    """One that just holds this model's training."""
    assert suite.recipe is not None
    needs = memory.plan(models.load_config(suite.bases[size]), suite.recipe, method).total
    return estimates.Gpu("card", (needs + memory.CONTEXT) / (1 - memory.FRAGMENTS) / memory.GIB + 1e-6, 1e12, 1e11)


def test_the_largest_slice_that_fits(suite: schema.Suite) -> None:
    """A weight costs 2 bytes beside an adapter and at least 16 where it is trained, the vocabulary grows fourfold."""
    assert suite_check.fitting(suite, card(suite, "large", "FFT")) == suite
    # The middle one in full holds the large one with an adapter: 2 x 2 models are more than 3 x 1.
    both = suite_check.fitting(suite, card(suite, "middle", "FFT"))
    assert both is not None
    assert (both.sizes, both.methods) == (("small", "middle"), ("LoRA", "FFT"))
    # The small one in full holds the middle one with an adapter: 2 x 1 are as many as 1 x 2, and larger.
    one = suite_check.fitting(suite, card(suite, "small", "FFT"))
    assert one is not None
    assert (one.sizes, one.methods) == (("small", "middle"), ("LoRA",))
    assert suite_check.fitting(suite, estimates.Gpu("card", 0.1, 1e12, 1e11)) is None


def test_what_cannot_be_planned_is_taken_to_fit(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(config: object, recipe: object, method: str, *_: object, **__: object) -> memory.Plan:
        if method == "LoRA":
            raise memory.CannotPlan("memory cannot be planned for LoRA")
        return memory.Plan(1 << 60, 0, 0, 0, 0, 1, 1, 1)

    monkeypatch.setattr(memory, "plan", plan)
    found = suite_check.fitting(suite, estimates.Gpu("card", 1.0, 1e12, 1e11))
    assert found is not None
    assert (found.sizes, found.methods) == (tuple(SIZES), ("LoRA",))


def test_a_slice_is_picked_and_said(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(estimates, "here", lambda: None)
    assert suite_check.picked(suite, said.append) == suite
    monkeypatch.setattr(estimates, "here", lambda: card(suite, "small", "FFT"))
    assert suite_check.picked(suite, said.append).models == tuple(schema.Model(s, "LoRA") for s in ("small", "middle"))
    assert len(said) == 1
    assert said[0].endswith("the largest slice that it can train is small, middle x LoRA (2 of 6 models)")
    monkeypatch.setattr(estimates, "here", lambda: estimates.Gpu("toy", 0.7, 1e12, 1e11))
    with pytest.raises(schema.BadInput, match="suite three: not one model trains on toy"):
        suite_check.picked(suite, said.append)
    assert colab.greeting() == "toy, 0.7 GiB: too small for the paper's bases."
