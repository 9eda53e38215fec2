"""Sampling: the nucleus's distribution, whatever path decides it; ties by token id; nothing read from the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import TopPLogitsWarper

from astraios_utils.generation import sampling


def drawn(logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """As the engine does it: the likeliest tokens first, the rest exactly."""
    chosen = sampling.choose(logits, temperature, top_p, uniform)
    wider = (chosen == sampling.UNDECIDED).nonzero()[:, 0]
    if not len(wider):
        return chosen
    chosen[wider] = sampling.choose_exactly(logits[wider], temperature[wider], top_p[wider], uniform[wider])
    return chosen


def by_sorting(
    logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor
) -> list[int]:
    """The definition, row by row: sort all, cut after ``top_p``, invert the cumulative distribution."""
    found = []
    for row, heat, most, at in zip(logits.double().numpy(), temperature, top_p, uniform, strict=True):
        order = np.argsort(-row, kind="stable")
        if heat == 0:
            found.append(int(order[0]))
            continue
        weights = np.exp((row[order] - row[order[0]]) / float(heat))
        sums = weights.cumsum()
        kept = max(int((sums - weights < float(most) * sums[-1]).sum()), 1)
        place = int(np.searchsorted(sums, float(at) * sums[kept - 1], side="right"))
        found.append(int(order[min(place, kept - 1)]))
    return found


def rows(vocabulary: int, spread: float, count: int = 64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(count, vocabulary, generator=generator, dtype=torch.float64) * spread
    heats = torch.tensor([0.0, 0.2, 0.8, 2.0]).repeat(count // 4)
    shares = torch.tensor([0.5, 0.95, 0.95, 1.0], dtype=torch.float64).repeat_interleave(count // 4)
    return logits, heats, shares, torch.rand(count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("vocabulary", [3, 16, 300, 9000, 9001])
@pytest.mark.parametrize("spread", [0.1, 1.0, 8.0])
def test_every_path_draws_what_sorting_draws(vocabulary: int, spread: float) -> None:
    given = rows(vocabulary, spread)
    assert drawn(*given).tolist() == by_sorting(*given)


def test_all_three_paths_were_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = sampling._within

    def watched(values: torch.Tensor, kept: torch.Tensor, vocabulary: int) -> torch.Tensor:
        seen.append((values.shape[1], original(values, kept, vocabulary)[:, 0]))
        return seen[-1][1][:, None]

    monkeypatch.setattr(sampling, "_within", watched)
    given = rows(9000, 1.0)
    drawn(*given)
    (few, _), (many, decided) = seen
    assert (few, many) == (sampling._FEW, sampling._MANY)
    assert 0 < len(decided) < 64  # some rows are decided by the few likeliest tokens, some are not
    assert decided.any()
    assert not decided.all()  # of the others, some by many, some by sorting


@pytest.mark.parametrize("vocabulary", [40, 9000])
def test_ties_are_resolved_by_token_id(vocabulary: int) -> None:
    logits = torch.zeros(6, vocabulary)
    logits[3:, ::2] = 1.0
    heats = torch.tensor([0.0, 1.0, 1.0] * 2)
    shares = torch.tensor([0.95, 1.0, 0.5] * 2, dtype=torch.float64)
    uniform = torch.full((6,), 0.3, dtype=torch.float64)
    assert drawn(logits, heats, shares, uniform).tolist() == by_sorting(logits, heats, shares, uniform)
    some = torch.full((1, vocabulary), -50.0)
    some[0, [31, 7, 19]] = 2.0  # three tokens tie in the nucleus of a row that the few decide
    for at, token in ((0.1, 7), (0.5, 19), (0.9, 31)):
        one = (some, torch.tensor([0.2]), torch.tensor([0.95]).double(), torch.tensor([at]).double())
        assert sampling.choose(*one).tolist() == [token]
    assert drawn(some, torch.tensor([0.0]), torch.ones(1).double(), torch.ones(1).double() * 0.99).tolist() == [7]


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    given = rows(9000, 1.0)
    together = drawn(*given)
    for row in range(0, 64, 7):
        assert drawn(*(one[row : row + 1] for one in given)).tolist() == [int(together[row])]


@pytest.mark.parametrize(("temperature", "top_p"), [(0.7, 0.95), (2.0, 0.95), (1.0, 0.5), (1.0, 1.0)])
def test_tokens_are_drawn_from_the_nucleus_of_transformers(temperature: float, top_p: float) -> None:
    logits = torch.randn(1, 60, generator=torch.Generator().manual_seed(3)) * 2
    count = 20_000
    tokens = drawn(
        logits.expand(count, -1), torch.full((count,), temperature), torch.full((count,), top_p, dtype=torch.float64),
        torch.from_numpy(sampling.numbers("a stream", count)),
    )  # fmt: skip
    wanted = torch.softmax(TopPLogitsWarper(top_p)(None, logits.double() / temperature), -1)[0]
    counts = torch.bincount(tokens, minlength=60)
    assert not counts[wanted == 0].any()
    kept = wanted > 0
    expected = (wanted[kept] * count).numpy()
    common = expected > 5  # the chi-square test's condition; the rest is one class
    observed = counts[kept].numpy()
    sums = [np.append(x[common], x[~common].sum()) for x in (observed.astype(float), expected)]
    keep = sums[1] > 0
    assert stats.chisquare(sums[0][keep], sums[1][keep]).pvalue > 1e-3


def test_choosing_reads_nothing_from_the_device() -> None:
    # A meta tensor has no values, so that any synchronisation with the host raises.
    given = [one.to("meta") for one in rows(9000, 1.0)]
    assert sampling.choose(*given).shape == (64,)
    with pytest.raises(Exception, match=r"(?i)meta"):
        sampling.choose_exactly(*given)


def test_numbers_depend_on_their_name_alone() -> None:
    one = sampling.numbers("0/1B/LoRA/defect/7//0/3", 100)
    assert np.array_equal(sampling.numbers("0/1B/LoRA/defect/7//0/3", 40), one[:40])
    assert not np.isin(sampling.numbers("0/1B/LoRA/defect/7//0/4", 100), one).any()
    assert ((one >= 0) & (one < 1)).all()
