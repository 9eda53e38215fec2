"""Every method on every architecture and precision trains and generates, or is refused first with the reason."""

from __future__ import annotations

import itertools

import method_matrix as matrix
import pandas as pd
import pytest

from astraios_utils import models, schema
from astraios_utils.methods import refusals
from astraios_utils.planning import memory

# In addition to those of methods/refusals.py: what PEFT itself says before anything is trained.
OWN_WORDS = {
    ("ADAMSS", "float32"): "scikit-learn is required",
    ("ADAMSS", "8bit"): "scikit-learn is required",
    ("ADAPTION_PROMPT", "8bit"): "Unsupported model type for adaption prompt: 'gpt_bigcode'",
    ("PiSSA", "8bit"): "Please initialize PiSSA under float32",
    ("DoRA", "8bit"): "only a GPU can show this",
}

# They compute what fake tensors cannot: indices, ranks and masks that depend on the weights.
UNPLANNED = ("ADAPTION_PROMPT", "FROD", "SHIRA", "UNILORA", "VBLORA", "WAVEFT")


def expected(name: str, precision: str) -> str:
    """``ok``, or words of the refusal."""
    why = refusals.reason(name, precision == "8bit")
    return why or OWN_WORDS.get((name, precision), "ok")


def check(architecture: str, name: str, precision: str) -> None:
    outcome, wanted = matrix.outcome(architecture, name, precision), expected(name, precision)
    if name == "ADAMSS" and outcome == "ok":
        return  # scikit-learn is installed
    assert (outcome == "ok") is (wanted == "ok"), outcome
    assert wanted in outcome
    assert "\n" not in outcome


def test_the_page_shows_every_cell_that_was_run() -> None:
    frame = pd.read_csv(matrix.PAGE.with_suffix(".csv"))
    page = matrix.PAGE.read_text(encoding="utf-8")
    assert page.split(matrix.MARKS[0])[1].split(matrix.MARKS[1])[0].strip() == matrix.as_markdown(frame)
    run = set(frame[["method", "architecture", "precision"]].itertuples(index=False, name=None))
    names = [*matrix.METHODS, *matrix.TYPES]
    assert run == set(itertools.product(names, matrix.ARCHITECTURES, matrix.PRECISIONS))


@pytest.mark.parametrize("name", matrix.TYPES)
def test_each_type_of_peft_works_or_is_refused(name: str) -> None:
    check("llama", name, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*matrix.METHODS, *matrix.TYPES])
def test_each_method_works_on_8_bits_or_is_refused(name: str) -> None:
    check("gpt_bigcode", name, "8bit")


@pytest.mark.parametrize("name", ["LoRA", "AdaLoRA", "AdapterH", "(IA)3", "Prefix", "FFT", "C3A"])
def test_what_failed_after_training_on_8_bits(name: str) -> None:
    check("gpt_bigcode", name, "8bit")


@pytest.mark.parametrize("precision", matrix.PRECISIONS)
@pytest.mark.parametrize("architecture", matrix.ARCHITECTURES)
def test_each_architecture_in_each_precision(architecture: str, precision: str) -> None:
    check(architecture, "LoRA", precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", matrix.PRECISIONS)
@pytest.mark.parametrize("architecture", matrix.ARCHITECTURES)
@pytest.mark.parametrize("name", [name for name in matrix.METHODS if name not in ("LoRA", "PiSSA", "DoRA")])
def test_the_whole_matrix(architecture: str, name: str, precision: str) -> None:
    check(architecture, name, precision)


@pytest.mark.parametrize("name", [n for n in matrix.TYPES if n not in refusals.REFUSED and n != "ADAMSS"])
def test_each_type_is_planned_or_the_plan_says_why_not(name: str) -> None:
    config = models.load_config(matrix.base("llama"))
    recipe = schema.Recipe(corpus="none", sequence_length=16, base_precision="bfloat16")
    changes = matrix.changes(name, "llama")
    if name not in UNPLANNED:
        assert memory.plan(config, recipe, name, changes).trained > 0
        return
    with pytest.raises(memory.CannotPlan, match="memory cannot be planned for") as caught:
        memory.plan(config, recipe, name, changes)
    assert "\n" not in str(caught.value)
    fits, said = memory.forecast(config, recipe, name, changes, 1 << 30)
    assert fits
    assert said.endswith("training starts without a plan")
