"""How the next token of each row is chosen: greedy, or temperature and nucleus with the row's own random numbers.

A row's numbers come from a counter-based generator that is keyed by what the sample is (seed, model, task, problem,
sample), not by where it lies in a batch. So a sample does not depend on the batch size, the order of the work or what
else is generated, but for one thing: floating point. Matrix products of other shapes may round the last bits
differently; where a number falls within that rounding of the border between two tokens, or two logits tie, another
token comes out.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

_FEW = 16  # tokens that nearly always hold all of the probability at the paper's temperature; else a row is sorted
_NOTHING = 1e-9  # of the likeliest token's probability: what the others may have together and be left out


def numbers(key: str, count: int) -> np.ndarray:
    """The first ``count`` uniform numbers in [0, 1) of the stream with that name, float64 (Philox)."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
    return generator.random(count)


def choose(logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The next token of each row.

    Args:
        logits: (rows, vocabulary).
        temperature, top_p: (rows,); temperature 0 takes the most likely token.
        uniform: (rows,), float64 in [0, 1): which part of the nucleus is taken.

    Returns:
        (rows,), int64. A nucleus is the smallest set of most likely tokens that holds at least ``top_p`` of the
        probability (Holtzman et al. 2020), as in transformers.
    """
    greedy = temperature == 0
    if bool(greedy.all()):
        return logits.argmax(-1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    scaled = logits / torch.where(greedy, 1.0, temperature)[:, None]
    few = min(_FEW, logits.shape[-1])
    values, tokens = scaled.topk(few, dim=-1)
    weights = (values - values[:, :1]).double().exp()
    rest = (logits.shape[-1] - few) * weights[:, -1]  # of the others together, at most
    chosen = _of_nucleus(weights, tokens, top_p, uniform)
    wider = (~greedy & (rest > _NOTHING)).nonzero()[:, 0]
    if len(wider):
        values, tokens = torch.softmax(scaled[wider], dim=-1).sort(dim=-1, descending=True)
        chosen[wider] = _of_nucleus(values.double(), tokens, top_p[wider], uniform[wider])
    return torch.where(greedy, logits.argmax(-1), chosen) if bool(greedy.any()) else chosen


def _of_nucleus(
    weights: torch.Tensor, tokens: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor
) -> torch.Tensor:
    """One of the nucleus of each row; ``weights`` (float64, falling) are proportional to the tokens' probabilities."""
    sums = weights.cumsum(-1)
    kept = (sums - weights < top_p[:, None] * sums[:, -1:]).sum(-1, keepdim=True)
    mass = sums.gather(-1, kept - 1)
    at = torch.searchsorted(sums, uniform[:, None] * mass, right=True)
    return tokens.gather(-1, torch.minimum(at, kept - 1))[:, 0]
