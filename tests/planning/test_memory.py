"""The plan's states are exact, its step is the one that training makes, and what it advises does fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny
from torch.utils.data import IterableDataset

from astraios_utils import models, schema
from astraios_utils.planning import memory
from astraios_utils.training.trainer import Tuner, arguments

RECIPE = schema.Recipe(corpus="none", sequence_length=64, batch=4, micro_batch=2, steps=2, base_precision="bfloat16")
LARGE: dict[str, Any] = {"vocab_size": 512, "n_embd": 128, "n_layer": 3}
DEEP: dict[str, Any] = {**LARGE, "n_layer": 16}  # its activations outweigh a tile of the head


def config(model_type: str = "gpt_bigcode", **changes: Any) -> Any:
    return tiny(model_type, **changes).config


def test_states_of_full_fine_tuning_are_sixteen_bytes_a_parameter() -> None:
    model = tiny()
    count, tensors = models.trainable_parameters(model), len(list(model.parameters()))
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    plan = memory.plan(model.config, RECIPE, "FFT")
    assert (plan.parameters, plan.trained) == (count, count)
    assert plan.weights == 4 * count + buffers
    assert plan.gradients == 4 * count
    assert plan.optimizer == 8 * count + 4 * tensors  # two moments, and a step number a tensor


def test_states_of_an_adapter_are_its_own() -> None:
    base = tiny()
    # Rank 8 on c_attn (32 -> 32 + 2 x 8), attn.c_proj (32 -> 32) and mlp.c_proj (128 -> 32) of two layers.
    trained = 2 * 8 * ((32 + 48) + (32 + 32) + (128 + 32))
    plan = memory.plan(base.config, RECIPE, "LoRA")
    assert plan.trained == trained
    assert plan.gradients == 4 * trained  # adapters are float32 on a 16-bit base
    buffers = sum(b.numel() * b.element_size() for b in base.buffers())
    held = sum(p.numel() for p in base.parameters())
    assert plan.weights == pytest.approx(2 * held + 4 * trained + buffers, abs=buffers)


def test_eight_bits_hold_the_linear_layers_in_one_byte_and_a_scale_a_row() -> None:
    half = memory.plan(config(), RECIPE, "Prompt")
    eight = memory.plan(config(), RECIPE.model_copy(update={"base_precision": "8bit"}), "Prompt")
    # Rows x columns of c_attn, attn.c_proj, c_fc and mlp.c_proj in each of two layers.
    shapes = 2 * [(48, 32), (32, 32), (128, 32), (32, 128)]
    assert half.weights - eight.weights == sum(rows * columns - 4 * rows for rows, columns in shapes)


class Noise(IterableDataset[dict[str, torch.Tensor]]):
    def __iter__(self) -> Any:
        while True:
            ids = torch.randint(1, 512, (64,))
            yield {"input_ids": ids, "labels": ids}


@pytest.mark.parametrize("method", ["LoRA", "P-Tuning", "AdapterH", "(IA)3", "FFT", "Prefix"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_planned_step_is_the_one_that_training_makes(method: str, dropout: float, tmp_path: Path) -> None:
    """The real loop on a CPU, its storages counted as they come; `benchmarks/memory.py` measures resident memory."""
    shape = {**LARGE, "attn_pdrop": dropout, "resid_pdrop": dropout}
    plan = memory.plan(config(**shape), RECIPE, method, cuda=False)
    ledger = memory.Ledger()
    with ledger.watching():
        model = models.attach(tiny(**shape), method)
        made = arguments(tmp_path, RECIPE, method, 0, models.checkpointing(model, RECIPE))
        tuner = Tuner(model=model, args=made, train_dataset=Noise(), test=[])
        for tensor in (*model.parameters(), *model.buffers()):
            ledger.add(tensor)
        ledger.restart()
        tuner.train()
    assert plan.total == pytest.approx(ledger.peak, rel=0.1)


@pytest.mark.slow
@pytest.mark.ci
def test_checkpointing_saves_and_a_larger_micro_batch_costs() -> None:
    def activations(**changes: Any) -> int:
        return memory.plan(config(**DEEP), RECIPE.model_copy(update=changes), "LoRA").activations

    assert activations(gradient_checkpointing=False) > 1.2 * activations()
    assert activations(batch=8, micro_batch=4) > 1.5 * activations()
    # A prefix is handed over as cache, which checkpointed layers would drop: it is never checkpointed.
    kept = [memory.plan(config(**LARGE), r, "Prefix").activations for r in (RECIPE, unchecked())]
    assert kept[0] == kept[1]


def unchecked() -> schema.Recipe:
    return RECIPE.model_copy(update={"gradient_checkpointing": False})


def test_a_gpu_keeps_no_square_attention_matrix() -> None:
    def activations(length: int, cuda: bool) -> int:
        recipe = unchecked().model_copy(update={"sequence_length": length, "compute": "float32"})
        return memory.plan(config(n_positions=1024, attn_pdrop=0.1), recipe, "LoRA", cuda=cuda).activations

    assert activations(512, cuda=True) < 2.1 * activations(256, cuda=True)
    assert activations(512, cuda=False) > 2.2 * activations(256, cuda=False)


def test_fsdp_shards_every_state() -> None:
    one, four = (memory.plan(config(**LARGE), RECIPE, "FFT", gpus=n) for n in (1, 4))
    assert four.weights == one.trained * 4 // 4
    assert four.gradients == one.trained
    assert four.optimizer == 2 * one.trained
    assert four.gathered > 0
    assert one.gathered == 0


def test_an_eight_bit_base_is_held_whole_by_each() -> None:
    """Training refuses to shard one; several processes then share the batch alone."""
    recipe = RECIPE.model_copy(update={"base_precision": "8bit"})
    one, four = (memory.plan(config(**LARGE), recipe, "LoRA", gpus=n) for n in (1, 4))
    assert (four.weights, four.gathered, four.gpus) == (one.weights, 0, 1)


def test_what_is_advised_does_fit() -> None:
    recipe = unchecked().model_copy(update={"sequence_length": 128, "batch": 8, "micro_batch": 8})
    shape = config(n_positions=256, **LARGE)
    needs = memory.plan(shape, recipe, "LoRA").total
    # A card that would hold a third of it, beside what it keeps for itself.
    card = (needs / 3 + memory.CONTEXT) / (1 - memory.FRAGMENTS)
    assert memory.usable(card) == pytest.approx(needs / 3)
    first = memory.remedies(shape, recipe, "LoRA", None, card)[0]
    changes: dict[str, Any] = {"micro_batch": 1}
    assert first.startswith("micro_batch: 1")
    if "gradient_checkpointing" in first:
        changes["gradient_checkpointing"] = True
    assert memory.plan(shape, recipe.model_copy(update=changes), "LoRA").total <= needs / 3


def test_a_card_that_holds_nothing_gets_no_advice() -> None:
    assert memory.remedies(config(), RECIPE, "FFT", None, memory.CONTEXT) == []


def test_the_forecast_says_what_fits() -> None:
    needs = memory.plan(config(**LARGE), RECIPE, "FFT").total
    fits, roomy = memory.forecast(config(**LARGE), RECIPE, "FFT", None, 2 * needs + 2 * memory.CONTEXT)
    assert fits
    assert "weights" in roomy
    assert "fits on 1 GPU of" in roomy
    fits, tight = memory.forecast(config(**LARGE), RECIPE, "FFT", None, memory.CONTEXT)
    assert not fits
    assert "does NOT fit on 1 GPU of 0.7 GiB; what would: a larger card | a smaller base" in tight


def test_disk_of_full_fine_tuning() -> None:
    shape = config()
    count = models.trainable_parameters(tiny())
    # Three checkpoints of weights and two moments in float32, and the tuned weights.
    assert memory.checkpoint_bytes(shape, "FFT", None) == (3 * 12 + 4) * count
    assert memory.host_bytes(shape) == 4 * count


def test_generation_holds_weights_and_a_cache() -> None:
    shape = models.starcoder_config("16B")
    # 15.5 billion parameters in 16 bits, 29 GiB; keys and values of one head of 128 in 40 layers for 8 x 2048 tokens.
    half = memory.answering(shape, "bfloat16", 8, 2048)
    assert half == 2 * 15_517_456_384 + 2 * 8 * 2048 * 2 * 128 * 40 * 2
    assert memory.answering(shape, "float32", 8, 2048) == 2 * half
