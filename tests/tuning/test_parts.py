"""Parts of a change, each on weights or a model with a known answer."""

from __future__ import annotations

import math

import pytest
import torch

from astraios_utils import schema
from astraios_utils.tuning import parts, weights
from tests.tiny_models import tiny

NAMES = ("transformer.wte.weight", "transformer.h.0.a.weight", "transformer.h.1.a.weight", "transformer.h.2.a.weight")


def _states() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    base = {name: torch.zeros(2, 5) for name in NAMES}
    tuned = {name: torch.zeros(2, 5) for name in NAMES}
    tuned[NAMES[2]][0, 0], tuned[NAMES[3]][1, 4], tuned[NAMES[0]][0, 1] = 5.0, -3.0, 1.0
    return base, tuned


def test_a_planted_skill_returns_with_the_largest_entries() -> None:
    base, tuned = _states()
    # 2 of 40 entries are 5%: the 5 and the -3 come back, the 1 does not
    found = parts.grafted(base, tuned, 0.05)
    assert found[NAMES[2]][0, 0] == 5
    assert found[NAMES[3]][1, 4] == -3
    assert found[NAMES[0]].abs().sum() == 0
    assert all(torch.equal(parts.grafted(base, tuned, 1.0)[name], tuned[name]) for name in NAMES)
    assert all(torch.equal(parts.grafted(base, tuned, 0.0)[name], base[name]) for name in NAMES)
    assert sum(int(mask.sum()) for mask in parts.largest(weights.change(base, tuned), 1e-6).values()) == 1
    with pytest.raises(ValueError, match="between 0 and 1"):
        parts.grafted(base, tuned, 1.5)


def test_grafting_a_planted_skill_gives_the_answers_back() -> None:
    """A model that answers token 7 to everything by three entries of its last norm; the rest of the change is noise."""
    base = weights.state_of(tiny())
    tuned = {
        name: value + 1e-4 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
        for name, value in base.items()
    }
    direction = base["transformer.wte.weight"][7]
    tuned["transformer.ln_f.bias"] = base["transformer.ln_f.bias"] + 1e3 * direction
    share = direction.numel() / sum(value.numel() for value in base.values())
    model = weights.apply(tiny(), parts.grafted(base, tuned, share))
    tokens = torch.arange(20)[None]
    assert (model(input_ids=tokens).logits.argmax(-1) == 7).all()
    assert not (tiny()(input_ids=tokens).logits.argmax(-1) == 7).all()


def test_overlap_of_planted_changes() -> None:
    base, one = _states()
    assert parts.overlap(base, one, one, 0.05) == (1.0, pytest.approx(1.0))
    two = {name: value.clone() for name, value in base.items()}
    two[NAMES[2]][0, 0], two[NAMES[1]][0, 0] = -5.0, 4.0  # shares one of the two largest entries, with another sign
    both, cosine = parts.overlap(base, one, two, 0.05)
    assert both == 0.5
    assert cosine == pytest.approx(-25 / math.sqrt(35 * 41))
    assert math.isnan(parts.overlap(base, one, base, 0.05)[1])


def test_half_keeps_half_of_each_layer() -> None:
    base = weights.state_of(tiny())
    tuned = {name: value + 1 for name, value in base.items()}
    found = parts.half(base, tuned, seed=0)
    for layer in (0, 1):
        names = [name for name in base if weights.layer_of(name) == layer]
        kept = sum(torch.equal(found[name], tuned[name]) for name in names)
        assert kept == (len(names) + 1) // 2
    assert any(not torch.equal(found[n], parts.half(base, tuned, seed=1)[n]) for n in base)


def test_a_change_transfers_to_another_base() -> None:
    base, tuned = _states()
    other = {name: value + 2 for name, value in base.items()}
    found = parts.transferred(base, tuned, other)
    assert found[NAMES[2]][0, 0] == 7
    assert all(torch.equal(parts.transferred(base, tuned, base)[name], tuned[name]) for name in NAMES)
    with pytest.raises(schema.BadInput, match="same parameters"):
        parts.transferred(base, tuned, {})


def test_layers_shrink_linearly() -> None:
    base = {name: torch.zeros(1) for name in (*NAMES, "transformer.ln_f.weight")}
    tuned = {name: torch.ones(1) for name in base}
    found = parts.shrunk(base, tuned, first=0.2)
    # embeddings and layer 0: 0.2; layer 1 of 0..2: 0.6; layer 2 and the last norm: 1
    assert [round(float(found[name]), 6) for name in base] == [0.2, 0.2, 0.6, 1.0, 1.0]
    assert all(float(value) == 0.5 for value in parts.shrunk(base, tuned, 0.5, 0.5).values())
    with pytest.raises(schema.BadInput, match="no layers"):
        parts.shrunk({"a": torch.ones(1)}, {"a": torch.ones(1)}, 0.5)
