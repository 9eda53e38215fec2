"""8-bit bases under CUDA's rules: checkpoints drop what they should, inputs are 16 bits, and the plan counts it."""

from __future__ import annotations

from typing import Any

import cuda_rules
import pytest
import torch
from tiny_models import tiny, tokens

from astraios_utils import models, schema
from astraios_utils.planning import memory

RECIPE = schema.Recipe(corpus="none", sequence_length=128, batch=4, micro_batch=2, base_precision="8bit")
SHAPE: dict[str, Any] = {"n_embd": 128, "n_layer": 8, "n_positions": 256}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> schema.Base:
    folder = tmp_path_factory.mktemp("base")
    tiny(**SHAPE).save_pretrained(folder)
    return schema.Base(model=str(folder))


def step(model: Any, options: dict[str, Any] | None, ledger: memory.Ledger) -> tuple[int, int]:
    """Bytes held after the forward pass and at the worst moment of a step, above the model's own."""
    if options is not None:
        every = options.pop("every_n_layers")
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options, every_n_layers=every)
    model.train()
    x = tokens(RECIPE.micro_batch, RECIPE.sequence_length)
    with cuda_rules.imposed(), ledger.watching(), models.quiet():
        for tensor in (*model.parameters(), *model.buffers()):
            ledger.add(tensor)
        for parameter in model.parameters():
            if parameter.requires_grad:  # as in every micro-batch of a step but its first
                parameter.grad = torch.zeros_like(parameter)
        own = ledger.live
        ledger.restart()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, _ = models.loss_sum(model, {"input_ids": x, "labels": x}, fused=False)
        after = ledger.live - own
        loss.backward()
    return after, ledger.peak - own


def held_after_forward(base: schema.Base, precision: str, reentrant: bool | None = None) -> int:
    model = models.attach(models.load_base(base, precision), "LoRA")
    options = models.checkpointing(model, RECIPE)
    assert options is not None
    if reentrant is not None:
        options["use_reentrant"] = reentrant
    return step(model, options, memory.Ledger())[0]


def test_checkpoints_drop_the_inputs_of_8_bit_layers(base: schema.Base) -> None:
    half = held_after_forward(base, "bfloat16")
    assert held_after_forward(base, "8bit") < 1.1 * half
    assert held_after_forward(base, "8bit", reentrant=False) > 2 * half  # what bitsandbytes keeps is not dropped


def test_8_bit_layers_get_16_bits_under_autocast(base: schema.Base) -> None:
    model = models.attach(models.load_base(base, "8bit"), "LoRA")
    seen: list[tuple[torch.dtype, torch.dtype]] = []
    for layer in models.eight_bit.layers(model):
        layer.register_forward_hook(lambda _, args, output: seen.append((args[0].dtype, output.dtype)))
    step(model, None, memory.Ledger())
    assert set(seen) == {(torch.bfloat16, torch.bfloat16)}
    assert len(seen) == 4 * SHAPE["n_layer"]


@pytest.mark.parametrize("method", ["LoRA", "(IA)3", "AdapterH", "P-Tuning"])
def test_reentrant_checkpoints_change_no_gradient(base: schema.Base, method: str) -> None:
    found = []
    for recipe in (RECIPE, RECIPE.model_copy(update={"gradient_checkpointing": False})):
        torch.manual_seed(0)
        model = models.attach(models.load_base(base, "8bit"), method, {"lora_dropout": 0.0} if method == "LoRA" else {})
        step(model, models.checkpointing(model, recipe), memory.Ledger())
        found.append([p.grad for p in model.parameters() if p.requires_grad])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert any(gradient.abs().max() > 0 for gradient in found[0])


@pytest.mark.parametrize("checkpointed", [True, False])
@pytest.mark.parametrize("method", ["LoRA", "AdapterP", "(IA)3", "Prompt"])
def test_the_plan_counts_what_8_bit_training_keeps(base: schema.Base, method: str, checkpointed: bool) -> None:
    recipe = RECIPE.model_copy(update={"gradient_checkpointing": checkpointed})
    model = models.attach(models.load_base(base, "8bit"), method)
    _, counted = step(model, models.checkpointing(model, recipe), memory.Ledger())
    plan = memory.plan(tiny(**SHAPE).config, recipe, method, fused=False)  # as in the step above
    assert plan.activations == pytest.approx(counted, rel=0.1)
    weights = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    assert plan.weights == pytest.approx(weights, rel=0.1)
