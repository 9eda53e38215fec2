"""Changes of weights with known answers: a planted intruder, planted ranks, effective weights of adapters."""

from __future__ import annotations

import math

import pytest
import torch

from astraios_utils import models, schema
from astraios_utils.tuning import weights
from tests.tiny_models import tiny

SIZE = 24


def _orthogonal(seed: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed)).double())[0]


def _planted(strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A base whose left singular vectors span the first half of space, and the same with a direction outside it."""
    u, v = _orthogonal(1), _orthogonal(2)
    values = torch.linspace(10, 1, SIZE // 2).double()
    base = u[:, : SIZE // 2] @ torch.diag(values) @ v[:, : SIZE // 2].T
    return base, base + strength * torch.outer(u[:, -1], v[:, -1])


def test_a_planted_intruder_is_found_where_it_ranks() -> None:
    # the new direction is orthogonal to all of the base's, with the singular value `strength`: among the first k of the
    # tuned matrix exactly if it is larger than the k-th of 10, 9.2, ...
    base, tuned = _planted(20.0)
    assert weights.intruders(base[:, :], tuned, top=1) == 1
    assert weights.intruders(base, tuned, top=10) == 1
    base, tuned = _planted(0.5)
    assert weights.intruders(base, tuned, top=10) == 0


def test_scaling_and_turning_known_directions_makes_no_intruder() -> None:
    base, _ = _planted(0.0)
    assert weights.intruders(base, 3 * base, top=10) == 0
    assert weights.intruders(base, base @ _orthogonal(5), top=10) == 0  # right vectors turn, left ones stay


def test_ranks_by_hand() -> None:
    u, v = _orthogonal(3), _orthogonal(4)
    matrix = u[:, :3] @ torch.diag(torch.tensor([3.0, 1.0, 1.0]).double()) @ v[:, :3].T
    assert weights.energy_rank(weights.spectrum(matrix)) == 2  # 9, 10, 11 of 11: 0.82, 0.91
    assert weights.stable_rank(weights.spectrum(matrix)) == pytest.approx(11 / 9)
    assert weights.energy_rank(torch.zeros(4)) == 0
    assert math.isnan(weights.stable_rank(torch.zeros(4)))


@pytest.mark.parametrize("method", ["LoRA", "(IA)3", "AdaLoRA"])
def test_effective_weights_give_the_tuned_models_answers(method: str) -> None:
    base = tiny()
    state = weights.state_of(base)
    tuned = models.attach(tiny(), method)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if parameter.requires_grad:
                generator = torch.Generator().manual_seed(len(name))
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    effective = weights.state_of(tuned.eval())
    assert effective.keys() == state.keys()
    tokens = torch.arange(12)[None]
    wanted = tuned(input_ids=tokens).logits
    assert not torch.allclose(base(input_ids=tokens).logits, wanted, atol=1e-3)
    assert torch.allclose(weights.apply(base, effective)(input_ids=tokens).logits, wanted, atol=1e-4)


def test_a_low_rank_change_has_that_rank_and_the_frozen_matrices_none() -> None:
    base = weights.state_of(tiny())
    tuned = dict(base)
    name = next(n for n in base if weights.matrix_of(n) == "mlp.c_fc" and weights.layer_of(n) == 1)
    rows, columns = base[name].shape
    tuned[name] = base[name] + torch.outer(torch.ones(rows), torch.ones(columns))
    found = weights.table(base, tuned).set_index(["layer", "matrix"])
    assert found.loc[(1, "mlp.c_fc"), "rank"] == 1
    assert found.loc[(1, "mlp.c_fc"), "norm"] == pytest.approx(math.sqrt(rows * columns), rel=1e-5)
    others = found.drop(index=(1, "mlp.c_fc"))
    assert others["norm"].eq(0).all()
    assert others["intruders"].eq(0).all()


def test_methods_on_activations_have_no_effective_weights() -> None:
    for method in ("Prompt", "AdapterH"):
        with pytest.raises(schema.BadInput, match="no effective weights"):
            weights.state_of(models.attach(tiny(), method))


def test_models_of_different_shapes_are_refused() -> None:
    state = weights.state_of(tiny())
    with pytest.raises(schema.BadInput, match="shape"):
        weights.change(state, {name: value[..., :1] for name, value in state.items()})
    with pytest.raises(schema.BadInput, match="same parameters"):
        weights.change(state, dict(list(state.items())[1:]))
