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

_FEW = 16  # tokens that nearly always hold the nucleus at the paper's temperature; a row where they do not is sorted


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
    scale = torch.where(greedy, 1.0, temperature)[:, None]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    probabilities = torch.softmax(logits / scale, dim=-1)
    chosen, whole = _nucleus(probabilities, top_p, uniform, min(_FEW, logits.shape[-1]))
    wider = (~whole & ~greedy).nonzero()[:, 0]
    if len(wider):
        chosen[wider], _ = _nucleus(probabilities[wider], top_p[wider], uniform[wider], logits.shape[-1])
    return torch.where(greedy, logits.argmax(-1), chosen)


def _nucleus(
    probabilities: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor, few: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample from the nucleus among the ``few`` most likely tokens; also, whether they hold the whole nucleus."""
    values, tokens = probabilities.topk(few, dim=-1)
    sums = values.double().cumsum(-1)
    kept = (sums - values < top_p[:, None]).sum(-1, keepdim=True)
    mass = sums.gather(-1, kept - 1)
    at = torch.searchsorted(sums, uniform[:, None] * mass, right=True)
    whole = (sums[:, -1] >= top_p) if few < probabilities.shape[-1] else torch.ones_like(top_p, dtype=torch.bool)
    return tokens.gather(-1, torch.minimum(at, kept - 1))[:, 0], whole
