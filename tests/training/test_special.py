"""Methods that are another optimiser of LoRA's weights, or start from the corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_suite
import torch
from safetensors.torch import load_file

from astraios_utils import methods, schema, training

SPECIAL: dict[str, dict[str, Any]] = {
    "plain": {"like": "LoRA"},
    "plus": {"like": "LoRA", "optimizer": {"kind": "lora+", "ratio": 16}},
    "frozen": {"like": "LoRA", "optimizer": {"kind": "LoRA-FA"}},
    "eva": {"like": "LoRA", "init_lora_weights": "eva", "eva_config": {"rho": 1.0}},
}


def weights(folder: Path, steps: int, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An adapter after so many steps, and what the run says of itself."""
    suite = tiny_suite.read(folder, sizes=["small"], methods=[name], method_configs={name: SPECIAL[name]})
    assert suite.recipe is not None
    recipe = suite.recipe.model_copy(update={"steps": steps, "warmup_steps": 0, "learning_rate": 1e-3})
    run = training.plan(suite.model_copy(update={"recipe": recipe}), schema.Model("small", name))
    done = training.train(run, lambda _: None)
    return load_file(done.checkpoint / "adapter_model.safetensors"), done.record


def change(after: dict[str, torch.Tensor], before: dict[str, torch.Tensor], part: str) -> float:
    return max(float((after[key] - before[key]).abs().max()) for key in after if part in key)


def test_optimizers_move_what_they_say(build: Path, tmp_path: Path) -> None:
    """AdamW's first step moves every weight by the learning rate, up to weight decay and epsilon."""
    start = {key: value.clone() for key, value in weights(tmp_path / "a", 1, "plain")[0].items()}
    rates = {}
    for name in ("plain", "plus", "frozen"):
        held, record = weights(tmp_path / f"{name}-1", 1, name)
        rates[name] = max(float(value.abs().max()) for key, value in held.items() if "lora_B" in key)  # B starts at 0
        if name == "frozen":
            assert change(held, weights(tmp_path / "frozen-4", 4, name)[0], "lora_A") == 0
            assert record["cost"]["trainable_parameters"] == sum(v.numel() for k, v in held.items() if "lora_B" in k)
        assert held.keys() == start.keys()
    assert rates["plain"] == pytest.approx(1e-3, rel=0.01)
    assert rates["plus"] == pytest.approx(16e-3, rel=0.01)
    assert change(weights(tmp_path / "plain-4", 4, "plain")[0], start, "lora_A") > 0


def test_eva_starts_from_directions_of_the_corpus(build: Path, tmp_path: Path) -> None:
    """EVA's A holds right-singular vectors of a layer's inputs: orthonormal rows, which random ones are not."""
    for name, orthonormal in (("eva", True), ("plain", False)):
        held, _ = weights(tmp_path / name, 1, name)
        grams = [value @ value.T for key, value in held.items() if "lora_A" in key]
        close = [bool(torch.allclose(gram, torch.eye(len(gram)), atol=0.05)) for gram in grams]
        assert all(close) is orthonormal


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("lora+", "must be a mapping with its kind"),
        ({"kind": "lora++"}, "did you mean lora\\+"),
        ({"kind": "lora+"}, "takes kind, ratio"),
        ({"kind": "lora-fa", "ratio": 2}, "takes kind, not"),
        ({"kind": "lora+", "ratio": 0.5}, "a number of 1 or more, not 0.5"),
    ],
)
def test_optimizers_that_do_not_exist(asked: Any, message: str) -> None:
    with pytest.raises(schema.BadInput, match=message):
        methods.peft_config("mine", "gpt_bigcode", {"like": "LoRA", "optimizer": asked})
