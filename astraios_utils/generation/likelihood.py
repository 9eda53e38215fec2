"""How likely a model finds given texts after given prompts: batched forward passes that read a shared beginning once.

The texts of a prompt mostly begin alike (a solution and the same solution with a bug). The prompt and what its texts
share are read in one row; only what follows is read once per text, on the same cache. Which rows are computed together
depends on the texts alone, so equal texts get equal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from .. import schema
from ..metrics.likelihoods import Likelihood

if TYPE_CHECKING:
    from .engine import Engine

TOKENS = {"cpu": 4096, "cuda": 32768}  # of one forward pass, padding included
_LOGITS = 1 << 27  # numbers in the logits of one forward pass


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt and the texts that may follow it."""

    prompt: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """The tokens of one prompt: the prompt, what its texts share, and what follows in each (at least one token)."""

    number: int
    prompt: list[int]
    shared: list[int]
    rests: list[list[int]]

    @property
    def read(self) -> list[int]:
        """What is read once."""
        return self.prompt + self.shared

    @property
    def longest(self) -> int:
        """The tokens of the longest rest that are read; its last one is only predicted."""
        return max(map(len, self.rests)) - 1


def measure(
    engine: Engine, asked: Sequence[Asked], tick: Callable[[int], None] = lambda _: None
) -> tuple[list[tuple[Likelihood, ...]], int]:
    """The likelihoods of all texts.

    Args:
        engine: the model and its tokenizer.
        asked: prompts with their texts.
        tick: called after every batch with the number of prompts in it.

    Returns:
        Per prompt, one likelihood per text, in order; and how many tokens were read.

    Raises:
        schema.BadInput: an empty prompt or text, or more tokens than the base has positions.
    """
    rows = [_row(engine, number, one) for number, one in enumerate(asked)]
    nats: dict[int, list[float]] = {}
    with torch.inference_mode():
        for batch in _batches(engine, rows):
            nats |= _batch(engine, batch)
            tick(len(batch))
    found = [
        tuple(
            Likelihood(value, len(row.shared) + len(rest), len(text.encode()))
            for value, rest, text in zip(nats[row.number], row.rests, one.texts, strict=True)
        )
        for row, one in zip(rows, asked, strict=True)
    ]
    return found, sum(len(row.read) + sum(len(rest) - 1 for rest in row.rests) for row in rows)


def _row(engine: Engine, number: int, asked: Asked) -> _Row:
    """Tokenise a prompt and its texts.

    A text's tokens are those that follow the prompt's when both are read together; where that changes the prompt's own
    tokens, those of the text alone: a model that generates cannot change its prompt either.
    """
    prompt = _tokens(engine, asked.prompt, special=True)
    if not prompt:
        raise schema.BadInput("a likelihood needs a prompt of at least one token")
    texts = []
    for text in asked.texts:
        whole = _tokens(engine, asked.prompt + text, special=True)
        follows = whole[: len(prompt)] == prompt
        texts.append(whole[len(prompt) :] if follows else _tokens(engine, text, special=False))
        length = engine.virtual + len(prompt) + len(texts[-1])
        if not texts[-1]:
            raise schema.BadInput("a text whose likelihood is wanted has no tokens")
        if engine.positions and length > engine.positions:
            raise schema.BadInput(f"a prompt and its text have {length} tokens, the base has {engine.positions}")
    same = _alike(texts)
    return _Row(number, prompt, texts[0][:same], [text[same:] for text in texts])


def _tokens(engine: Engine, text: str, special: bool) -> list[int]:
    ids: list[int] = engine.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
    return ids


def _alike(texts: Sequence[Sequence[int]]) -> int:
    """How many tokens all texts share at their beginning, at least one of each left over."""
    limit = min(map(len, texts)) - 1
    return next((at for at in range(limit) if len({text[at] for text in texts}) > 1), limit)


def _batches(engine: Engine, rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Rows of about equal length together, the longest first."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda r: (-len(r.read), r.number)):
        if batch and not _fits(engine, [*batch, row]):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _fits(engine: Engine, batch: Sequence[_Row]) -> bool:
    vocabulary = engine.base.get_output_embeddings().weight.shape[0]
    texts = sum(len(row.rests) for row in batch)
    computed = max(len(batch) * max(len(row.read) for row in batch), texts * max(row.longest for row in batch))
    kept = max(len(batch) * _kept(engine, batch), texts * max(row.longest for row in batch))
    return computed <= TOKENS[engine.device.type] and kept * vocabulary <= _LOGITS


def _kept(engine: Engine, batch: Sequence[_Row]) -> int:
    """Of how many of the last columns the logits are needed: from the last token of each prompt on."""
    if engine.pads_last:
        return max(len(row.read) for row in batch)
    return max(len(row.shared) for row in batch) + 1


def _batch(engine: Engine, rows: Sequence[_Row]) -> dict[int, list[float]]:
    """Nats of each text of each row."""
    keep = _kept(engine, rows)
    cache, valid, logits = engine.read([row.read for row in rows], keep)
    nats: dict[int, list[float]] = {}
    for place, row in enumerate(rows):
        start = len(row.prompt) - 1 if engine.pads_last else keep - 1 - len(row.shared)
        scores = logits[place, start : start + len(row.shared) + 1]
        shared = _nats(scores[:-1], row.shared).sum()
        firsts = _nats(scores[-1:].expand(len(row.rests), -1), [rest[0] for rest in row.rests])
        nats[row.number] = [float(shared + first) for first in firsts]
    longer = [(place, text) for place, row in enumerate(rows) for text in range(len(row.rests))]
    longer = [(place, text) for place, text in longer if len(rows[place].rests[text]) > 1]
    if longer:
        rests = [rows[place].rests[text] for place, text in longer]
        added = _continue(engine, cache, valid, [place for place, _ in longer], rests)
        for (place, text), value in zip(longer, added, strict=True):
            nats[rows[place].number][text] += value
    return nats


def _continue(
    engine: Engine, cache: Any, valid: torch.Tensor, source: Sequence[int], rests: Sequence[Sequence[int]]
) -> list[float]:
    """Nats of what follows the first token of each rest, each on a copy of its row's cache; padding comes last."""
    width = max(map(len, rests)) - 1
    at = torch.tensor(source, device=engine.device)
    cache.batch_select_indices(at)
    ids = torch.tensor([[*rest[:-1], *[0] * (width - len(rest) + 1)] for rest in rests], device=engine.device)
    real = torch.tensor([[True] * (len(r) - 1) + [False] * (width - len(r) + 1) for r in rests], device=engine.device)
    mask = torch.cat([valid[at], real], 1)
    positions = (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -width:]
    logits = engine.forward(cache, mask.long(), positions, width, input_ids=ids)
    return [float(_nats(logits[row, : len(rest) - 1], rest[1:]).sum()) for row, rest in enumerate(rests)]


def _nats(logits: torch.Tensor, tokens: Sequence[int]) -> torch.Tensor:
    """Negative log-likelihoods, (n,) float64, of n tokens by their logits, (n, vocabulary)."""
    wanted = torch.tensor(tokens, device=logits.device, dtype=torch.long)
    return torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none").double()
