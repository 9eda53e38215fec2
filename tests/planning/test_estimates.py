"""Counts behind the estimates are derived by hand; cards are found by name."""

from __future__ import annotations

import pytest
from tiny_models import tiny

from astraios_utils import schema
from astraios_utils.planning import estimates, memory
from astraios_utils.tasks import get_task


def test_operations_of_full_fine_tuning() -> None:
    config = tiny().config  # hidden 32, 2 layers, 4 heads, 256 positions, tied embeddings
    # All but the 256 x 32 position embeddings are matrix products: 6 a weight. Attention: 12 x layers x width x length.
    assert estimates.operations_per_token(config, 64, 50_000, 50_000) == 6 * (50_000 - 256 * 32) + 12 * 2 * 32 * 64


def test_operations_with_a_frozen_base_and_untied_embeddings() -> None:
    config = tiny("llama").config  # 64 tokens x 32, looked up and, apart, multiplied
    assert not config.tie_word_embeddings
    # Frozen weights have no gradient of their own (4 each); what is trained has all three (6 each).
    assert estimates.operations_per_token(config, 8, 50_000, 100) == 4 * (50_000 - 64 * 32) + 600 + 12 * 2 * 32 * 8


def test_tokens_of_tasks() -> None:
    assert estimates.new_tokens([get_task("synthesize-python")]) == 164 * 20 * 200
    # Devign: the released files hold all 2,732 test rows, one greedy answer each.
    assert estimates.new_tokens([get_task("defect")]) == 2732 * 8
    # Of a suite's own problems there are as many as its file holds.
    both = [get_task("synthesize-python"), get_task("defect")]
    assert estimates.new_tokens(both, {"defect": 6}) == 164 * 20 * 200 + 6 * 8


def test_training_time_is_operations_over_what_the_card_does() -> None:
    config, recipe = tiny().config, schema.Recipe(corpus="none", sequence_length=64, steps=10, batch=4)
    plan, gpu = memory.plan(config, recipe, "FFT"), estimates.Gpu("slow", 1.0, 1e9, 1e9)
    per_token = estimates.operations_per_token(config, 64, plan.parameters, plan.trained)
    hours = estimates.training_hours(config, recipe, plan, "float32", gpu)
    assert hours == pytest.approx(10 * 4 * 64 * per_token / (1e9 * estimates.UTILISATION["float32"]) / 3600)
    assert estimates.training_hours(config, recipe, plan, "float32", gpu, gpus=2) == pytest.approx(hours / 2)


def test_an_unknown_card_is_named_with_its_neighbours() -> None:
    assert estimates.get_gpu("h100").name == "H100"
    with pytest.raises(schema.UnknownName, match="unknown GPU 'A100-80': did you mean A100-80GB"):
        estimates.get_gpu("A100-80")
