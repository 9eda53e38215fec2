"""SSF and HFT against written-out formulas, and as citizens of PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import HIDDEN, LAYERS, stir, tiny, tokens
from torch import nn
from transformers.pytorch_utils import Conv1D

from astraios_utils import methods, models, schema
from astraios_utils.methods.architectures import ARCHITECTURES
from astraios_utils.methods.half import chosen_half
from astraios_utils.methods.scaling import SsfConfig, SsfLayer

OWN: dict[str, dict[str, Any]] = {"SSF": {"peft_type": "SSF"}, "HFT": {"peft_type": "HFT"}}
SHAPES = {"gpt_bigcode": (HIDDEN, HIDDEN + 2 * HIDDEN // 4, 4 * HIDDEN)}  # multi-query: one head of keys and of values


def tuned(name: str, model_type: str = "gpt_bigcode", **changes: Any) -> Any:
    model: Any = models.attach(tiny(model_type), name, {**OWN[name], **changes})
    return model.eval()


@pytest.mark.parametrize("model_type", ["gpt_bigcode", "gpt2", "llama"])
@pytest.mark.parametrize("name", list(OWN))
def test_tuning_starts_from_the_base_and_reaches_every_parameter(name: str, model_type: str) -> None:
    x = tokens(2)
    model = tuned(name, model_type)
    assert torch.equal(model(input_ids=x).logits, tiny(model_type)(input_ids=x).logits)
    model(input_ids=x, labels=x).loss.backward()
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained.values())
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)


@pytest.mark.parametrize("name", list(OWN))
def test_a_saved_adapter_and_a_merged_one_are_the_same_model(name: str, tmp_path: Path) -> None:
    x, model = tokens(2), tuned(name)
    stir(model, std=0.1)
    wanted = model(input_ids=x).logits
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    again = models.load_adapter(tiny(), tmp_path)
    assert torch.equal(again(input_ids=x).logits, wanted)
    assert models.can_merge(again)
    merged = models.merged(again)
    assert not hasattr(merged, "peft_config")
    assert torch.allclose(merged(input_ids=x).logits, wanted, atol=1e-4)


def test_ssf_trains_two_numbers_for_each_feature() -> None:
    width, attention, inner = SHAPES["gpt_bigcode"]
    assert models.trainable_parameters(tuned("SSF")) == 2 * LAYERS * (attention + width + inner + width)
    assert models.trainable_parameters(tuned("SSF", target_modules=["ln_1", "c_attn"])) == 2 * LAYERS * (
        width + attention
    )


@pytest.mark.parametrize("layer", [nn.Linear(3, 4), nn.Linear(3, 4, bias=False), Conv1D(4, 3), nn.LayerNorm(4)])
def test_ssf_is_its_formula_merged_or_not(layer: nn.Module) -> None:
    x = torch.randn(2, 4 if isinstance(layer, nn.LayerNorm) else 3, generator=torch.Generator().manual_seed(0))
    plain = layer(x).detach()
    scaled = SsfLayer(layer, "default", SsfConfig())
    scale, shift = torch.tensor([2.0, -1.0, 0.5, 3.0]), torch.tensor([0.0, 1.0, -1.0, 2.0])
    scaled.ssf_scale["default"].data, scaled.ssf_shift["default"].data = scale, shift
    assert torch.allclose(scaled(x), plain * scale + shift)
    scaled.merge()
    assert torch.allclose(layer(x), plain * scale + shift, atol=1e-6)
    assert torch.equal(scaled(x), layer(x))
    scaled.unmerge()
    assert torch.allclose(layer(x), plain, atol=1e-6)
    assert torch.allclose(scaled(x), plain * scale + shift, atol=1e-6)


def test_ssf_refuses_what_it_cannot_do() -> None:
    with pytest.raises(schema.BadInput, match="Embedding: SSF scales the output of linear layers and layer norms"):
        SsfLayer(nn.Embedding(2, 3), "default", SsfConfig())
    scaled = SsfLayer(nn.Linear(2, 2), "default", SsfConfig())
    scaled.ssf_scale["default"].data = torch.tensor([1.0, 0.0])
    with pytest.raises(schema.BadInput, match="scales a feature by 0"):
        scaled.merge()
    with pytest.raises(schema.BadInput, match="has no module c_atn"):
        tuned("SSF", target_modules=["c_atn"])


def test_hft_draws_half_of_each_blocks_matrices() -> None:
    gpt = chosen_half(tiny(), ARCHITECTURES["gpt_bigcode"], seed=0)
    assert len(gpt) == 2 * LAYERS  # one of two in the attention, one of two in the MLP
    for block in range(LAYERS):
        assert sum(f".{block}.attn." in path for path in gpt) == sum(f".{block}.mlp." in path for path in gpt) == 1
    # Llama's blocks have 4 and 3 matrices: 2 + 1 in block 0, 2 + 2 in block 1.
    llama = chosen_half(tiny("llama"), ARCHITECTURES["llama"], seed=0)
    assert [sum(f"layers.{block}." in path for path in llama) for block in range(LAYERS)] == [3, 4]
    draws = {tuple(chosen_half(tiny(), ARCHITECTURES["gpt_bigcode"], seed)) for seed in range(8)}
    assert len(draws) > 1
    assert chosen_half(tiny(), ARCHITECTURES["gpt_bigcode"], seed=3) in [list(draw) for draw in draws]


def test_hft_trains_those_matrices_and_their_biases() -> None:
    model = tuned("HFT")
    base = tiny()
    wanted = {path: base.get_submodule(path) for path in model.active_peft_config.target_modules}
    count = sum(p.numel() for layer in wanted.values() for p in layer.parameters())
    assert models.trainable_parameters(model) == count
    assert methods.refusal("HFT", eight_bit=True)
