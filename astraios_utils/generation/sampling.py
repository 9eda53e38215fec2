"""Choose the next token of each row: greedy, or temperature and nucleus with the row's own random numbers.

A row's random numbers come from a counter-based generator. Its key names the sample (seed, model, task, problem, sample
number), so a sample does not depend on the batch size, the order of the work or its neighbours. Floating point is the
one exception: matrix products of other shapes may round the last bits differently. Where a random number falls within
that rounding of the border between two tokens, or two logits tie, another token is chosen.

Sorting a vocabulary for every token is slow, so :func:`choose` looks at the likeliest tokens only. It answers where the
rest of the vocabulary provably cannot change the nucleus, and leaves the other rows to :func:`choose_exactly`. Both use
one order: by logit, ties by token id.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

UNDECIDED = -1  # what choose returns for a row whose nucleus reaches beyond the likeliest tokens
_FEW = 16  # likeliest tokens of a row; at the paper's temperature of 0.2 they nearly always hold the nucleus
_MANY = 128  # likeliest tokens of a row that the few do not decide; beyond them the row is sorted
_BLOCK = 64  # tokens per block: the k likeliest tokens lie in the k blocks with the largest maxima
_DIRECT = 8192  # vocabulary up to which one topk over all tokens is faster than blocks
_NOTHING = 1e-9  # of the likeliest token's probability: less than this for all other tokens together counts as 0


def numbers(key: str, count: int) -> np.ndarray:
    """The first ``count`` uniform numbers in [0, 1) of the stream with that name, float64 (Philox)."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
    return generator.random(count)


def choose(logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The next token of each row that its likeliest tokens decide; no synchronisation with the host.

    Args:
        logits: (rows, vocabulary).
        temperature, top_p: (rows,); temperature 0 takes the likeliest token.
        uniform: (rows,), float64 in [0, 1): which part of the nucleus is taken.

    Returns:
        (rows,), int64; :data:`UNDECIDED` for rows that :func:`choose_exactly` must answer. A nucleus is the smallest
        set of likeliest tokens that holds at least ``top_p`` of the probability (Holtzman et al. 2020), as in
        transformers.
    """
    values, tokens = likeliest(logits, _FEW)
    weights = _weights(values, temperature)
    rest = (logits.shape[-1] - values.shape[-1]) * weights[:, -1:]  # upper bound of what the other tokens hold
    sums = weights.cumsum(-1)
    least, most = (_kept(sums, weights, top_p, sums[:, -1:] + more) for more in (0.0, rest))
    negligible = rest <= _NOTHING
    decided = _within(values, torch.where(negligible, least, most), logits.shape[-1]) & (negligible | (least == most))
    return torch.where(decided[:, 0], _drawn(sums, tokens, least, uniform), UNDECIDED)


def choose_exactly(
    logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor
) -> torch.Tensor:
    """The next token of each row, (rows,), int64, whatever its nucleus; arguments as for :func:`choose`."""
    values, tokens = likeliest(logits, _MANY)
    weights = _weights(values, temperature)
    sums, total = weights.cumsum(-1), _total(logits, values[:, :1], temperature)
    kept = _kept(sums, weights, top_p, total)
    chosen = _drawn(sums, tokens, kept, uniform)
    sort = (~_within(values, kept, logits.shape[-1])[:, 0]).nonzero()[:, 0]
    if len(sort):
        values, tokens = _promoted(logits[sort]).sort(dim=-1, descending=True, stable=True)
        weights = _weights(values, temperature[sort])
        sums = weights.cumsum(-1)
        kept = _kept(sums, weights, top_p[sort], sums[:, -1:])
        chosen[sort] = _drawn(sums, tokens, kept, uniform[sort])
    return chosen


def likeliest(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``count`` largest logits of each row and their tokens, (rows, count): by logit, ties by token id.

    Where several tokens tie for the last place, any of them may be returned.
    """
    vocabulary = logits.shape[-1]
    if vocabulary <= max(_DIRECT, count * _BLOCK):
        values, tokens = logits.topk(min(count, vocabulary), dim=-1, sorted=False)
    else:
        padded = torch.nn.functional.pad(logits, (0, -vocabulary % _BLOCK), value=-torch.inf)
        blocks = padded.view(len(logits), -1, _BLOCK)
        best = blocks.amax(-1).topk(count, dim=-1, sorted=False).indices
        inside = blocks.gather(1, best[:, :, None].expand(-1, -1, _BLOCK)).flatten(1)
        values, at = inside.topk(count, dim=-1, sorted=False)
        tokens = best.gather(1, at // _BLOCK) * _BLOCK + at % _BLOCK
    tokens, order = tokens.sort(dim=-1)
    values, by_value = _promoted(values.gather(1, order)).sort(dim=-1, descending=True, stable=True)
    return values, tokens.gather(1, by_value)


def _promoted(logits: torch.Tensor) -> torch.Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _weights(values: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
    """Float64 weights proportional to the probabilities, the likeliest token's 1; at temperature 0 it has them all."""
    weights = (
        ((values - values[:, :1]) / temperature.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).double().exp()
    )
    certain = torch.zeros_like(weights[0])
    certain[0] = 1.0
    return torch.where((temperature == 0)[:, None], certain, weights)


def _total(logits: torch.Tensor, largest: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
    """The weights of the whole vocabulary added up, (rows, 1), float64."""
    scaled = (_promoted(logits) - largest) / temperature.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    total = scaled.exp_().sum(-1, keepdim=True, dtype=torch.float64)
    return torch.where((temperature == 0)[:, None], 1.0, total)


def _kept(sums: torch.Tensor, weights: torch.Tensor, top_p: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """How many tokens the nucleus has, at least 1, (rows, 1); ``weights`` fall, ``sums`` are their running sums."""
    return (sums - weights < top_p[:, None] * total).sum(-1, keepdim=True).clamp(min=1)


def _within(values: torch.Tensor, kept: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Whether the listed tokens hold the nucleus and every token that ties with its last one, (rows, 1)."""
    if values.shape[-1] == vocabulary:
        return torch.ones_like(kept, dtype=torch.bool)
    return values.gather(-1, kept - 1) > values[:, -1:]


def _drawn(sums: torch.Tensor, tokens: torch.Tensor, kept: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token of each row's nucleus at which its random number points, (rows,)."""
    mass = sums.gather(-1, kept - 1)
    at = torch.searchsorted(sums, uniform[:, None] * mass, right=True)
    return tokens.gather(-1, torch.minimum(at, kept - 1))[:, 0]
