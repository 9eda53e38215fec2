"""Pre-training of the nano bases: GPTBigCode from random weights, on a CPU, killable at any time.

Documents are never cut: rows of :data:`ROW` tokens hold as many whole ones as fit, padded at the end. Tokens of a
question count less in the loss than those of answers and plain code, for much of a question cannot be foretold; an
answer of one word counts as much as one of several.

All bases are made by one rule (:func:`rule`): the same documents in the same order, as many tokens, the same two
phases, and a learning rate inversely proportional to the width. Only the shape differs. The rule was written down
before the bases were trained.

What small models learn last is to copy a constant from the question into the code. In a second, short phase documents
of a row do not see each other, and numbers that stand earlier in their document count :data:`COPY_WEIGHT` times: enough
for copying to be learnt at all, and less and less towards the end, so that the rest is not forgotten.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import store
from .documents import pretraining
from .tokenizer import POSITIONS
from .tokenizer import train as train_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# Tokens, their weights and, where documents of a row do not see each other, positions: rows x ROW each.
Batch = tuple["torch.Tensor", "torch.Tensor", "torch.Tensor | None"]
ROW = 320
QUESTION_WEIGHT = 0.1
ANSWER_WEIGHT = 8.0  # of an answer's tokens together, at least
COPY_WEIGHT = 400.0  # of a number that its document has had before, when the second phase begins; 1 when it ends
STEPS = 7000  # of the first phase
COPYING = 1500  # steps of the second phase
BATCH = 8  # rows of a step
RATE_TIMES_WIDTH = 0.4  # the peak learning rate of both phases is this, divided by the width
DOCUMENTS = 175_000  # so many that no row is read twice
TOKENIZER_DOCUMENTS = 6_000
SAVE_EVERY = 100  # steps


@dataclass(frozen=True, slots=True)
class Recipe:
    """One base: its shape and how it is trained.

    Attributes:
        batch: rows of a step.
        copying: steps of the second phase.
        learning_rate: the peak of both phases.
    """

    hidden: int
    layers: int
    heads: int
    learning_rate: float
    steps: int = STEPS
    copying: int = COPYING
    batch: int = BATCH
    warmup: int = 100
    weight_decay: float = 0.05
    seed: int = 0

    @property
    def last(self) -> int:
        """Steps of both phases."""
        return self.steps + self.copying


def rule(hidden: int, layers: int, heads: int = 4) -> Recipe:
    """The recipe of any base: its shape decides nothing but the learning rate, ``RATE_TIMES_WIDTH / hidden``."""
    return Recipe(hidden, layers, heads, round(RATE_TIMES_WIDTH / hidden, 6))


RECIPES: Mapping[str, Recipe] = {
    "65K": rule(hidden=32, layers=2),
    "170K": rule(hidden=56, layers=3),
    "420K": rule(hidden=96, layers=3),
    "1.1M": rule(hidden=144, layers=4),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed documents.

    Attributes:
        tokens: rows x :data:`ROW`, int16.
        weights: rows x :data:`ROW`, of each token in the loss: 0 for padding.
    """

    tokens: np.ndarray[Any, np.dtype[np.int16]]
    weights: np.ndarray[Any, np.dtype[np.float16]]


def tokenizer(seed: int) -> PreTrainedTokenizerBase:
    """The tokenizer of the bases, trained on the first documents of the stream."""
    return train_tokenizer("".join(pretraining(seed, number)) for number in range(TOKENIZER_DOCUMENTS))


def digits(made: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens of digits, with and without a space before them."""
    return frozenset(number for text, number in made.get_vocab().items() if text.lstrip("Ġ").isdecimal())


def _encoded(made: PreTrainedTokenizerBase, seed: int, count: int) -> Iterator[tuple[list[int], list[float]]]:
    """Tokens and weights of each document that fits into a row."""
    end = cast(int, made.eos_token_id)
    for start in range(0, count, 1000):
        documents = [pretraining(seed, number) for number in range(start, min(start + 1000, count))]
        encoded = made(["".join(d) for d in documents], return_offsets_mapping=True, verbose=False)
        for document, ids, offsets in zip(documents, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            begin = len(document.prompt)
            each = max(1.0, ANSWER_WEIGHT / sum(stop > begin for _, stop in offsets))
            weights = [each if stop > begin else QUESTION_WEIGHT for _, stop in offsets]
            if len(ids) < ROW:
                yield [*ids, end], [*weights, 1.0]


def pack(made: PreTrainedTokenizerBase, seed: int, count: int) -> Rows:
    """The first ``count`` documents of the stream, in rows."""
    end = cast(int, made.eos_token_id)
    rows: list[tuple[list[int], list[float]]] = [([], [])]
    for ids, weights in _encoded(made, seed, count):
        if len(rows[-1][0]) + len(ids) > ROW:
            rows.append(([], []))
        rows[-1][0].extend(ids)
        rows[-1][1].extend(weights)
    lengths = [ROW - len(ids) for ids, _ in rows]
    tokens = np.array([ids + [end] * left for (ids, _), left in zip(rows, lengths, strict=True)], np.int16)
    kept = np.array([weights + [0.0] * left for (_, weights), left in zip(rows, lengths, strict=True)], np.float16)
    return Rows(tokens, kept)


def prepare(folder: Path, seed: int, say: Callable[[str], None]) -> tuple[PreTrainedTokenizerBase, Rows]:
    """Tokenizer and rows, made once and kept in a folder."""
    from transformers import AutoTokenizer

    packed = folder / "rows.npz"
    if not packed.exists():
        say(f"writing {DOCUMENTS:,} documents")
        made = tokenizer(seed)
        made.save_pretrained(str(folder / "tokenizer"))
        rows = pack(made, seed, DOCUMENTS)
        with store.atomic(packed) as stream:
            np.savez(stream, tokens=rows.tokens, weights=rows.weights)
    held = np.load(packed)
    return AutoTokenizer.from_pretrained(str(folder / "tokenizer")), Rows(held["tokens"], held["weights"])


def model(recipe: Recipe, vocabulary: int) -> Any:
    """A base with random weights."""
    import torch
    from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

    torch.manual_seed(recipe.seed)
    config = GPTBigCodeConfig(
        vocab_size=vocabulary,
        n_positions=POSITIONS,
        n_embd=recipe.hidden,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        n_inner=4 * recipe.hidden,
        multi_query=True,
        activation_function="gelu_pytorch_tanh",
        attn_pdrop=0.0,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    return GPTBigCodeForCausalLM(config)


def _batches(rows: Rows, recipe: Recipe, step: int, numbers: frozenset[int]) -> Iterator[Batch]:
    """Batches from a step on: each pass over the rows in an order of its own; ``numbers`` are the tokens of digits."""
    import torch

    for at_step in itertools.count(step):
        picked = []
        for at in range(at_step * recipe.batch, (at_step + 1) * recipe.batch):
            epoch, place = divmod(at, len(rows.tokens))
            picked.append(_order(recipe.seed, epoch, len(rows.tokens))[place])
        tokens, weights = rows.tokens[picked].astype(np.int64), rows.weights[picked].astype(np.float32)
        positions = None
        if at_step >= recipe.steps:
            left = 1 - (at_step - recipe.steps) / recipe.copying
            weights[_copied(tokens, numbers) & (weights >= 1)] *= COPY_WEIGHT**left
            positions = torch.from_numpy(_positions(tokens))
        yield torch.from_numpy(tokens), torch.from_numpy(weights), positions


def _positions(tokens: np.ndarray[Any, Any], end: int = 0) -> np.ndarray[Any, Any]:
    """Each token's position in its document (rows x :data:`ROW`): where it falls back, attention is cut."""
    places = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
    begins = np.zeros_like(tokens)
    begins[:, 1:] = np.where(tokens[:, :-1] == end, places[:, 1:], 0)
    return places - np.maximum.accumulate(begins, axis=1)


def _copied(tokens: np.ndarray[Any, Any], numbers: frozenset[int], end: int = 0) -> np.ndarray[Any, Any]:
    """Which tokens are digits that stand earlier in their document (rows x :data:`ROW`, bool)."""
    mask = np.zeros(tokens.shape, bool)
    for row, out in zip(tokens.tolist(), mask, strict=True):
        seen: set[int] = set()
        for place, token in enumerate(row):
            if token == end:
                seen.clear()
            elif token in numbers:
                out[place] = token in seen
                seen.add(token)
    return mask


_ORDERS: dict[tuple[int, int, int], Any] = {}


def _order(seed: int, epoch: int, count: int) -> Any:
    key = (seed, epoch, count)
    if key not in _ORDERS:
        _ORDERS.clear()
        _ORDERS[key] = np.random.default_rng([seed, epoch]).permutation(count)
    return _ORDERS[key]


def _rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine to a fiftieth: in each of the two phases."""
    first = step < recipe.steps
    peak, length = recipe.learning_rate, recipe.steps if first else recipe.copying
    step -= 0 if first else recipe.steps
    if step < recipe.warmup:
        return peak * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, length - recipe.warmup)
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def _loss(net: Any, batch: Batch) -> torch.Tensor:
    import torch.nn.functional as F

    tokens, weights, positions = batch
    alone = {} if positions is None else {"position_ids": positions[:, :-1]}
    logits = net(input_ids=tokens[:, :-1], use_cache=False, **alone).logits
    each = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (each * kept).sum() / kept.sum()


def _optimizer(net: Any, recipe: Recipe) -> torch.optim.Optimizer:
    import torch

    matrices = {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": recipe.weight_decay}
    vectors = {"params": [p for p in net.parameters() if p.dim() < 2], "weight_decay": 0.0}
    return torch.optim.AdamW([matrices, vectors], lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True)


class _Pretraining:
    """A base in training: what a checkpoint holds."""

    def __init__(self, size: str, folder: Path, vocabulary: int) -> None:
        import torch

        self.size, self.recipe = size, RECIPES[size]
        self.net = model(self.recipe, vocabulary)
        self.optimizer = _optimizer(self.net, self.recipe)
        self.checkpoint, self.log, self.step = folder / f"{size}.pt", folder / f"{size}.jsonl", 0
        held = torch.load(self.checkpoint, weights_only=True) if self.checkpoint.exists() else {}
        if held.get("recipe") == asdict(self.recipe):
            self.net.load_state_dict(held["model"])
            self.optimizer.load_state_dict(held["optimizer"])
            self.step = held["step"]

    def advance(self, batch: Batch) -> float:
        """One step; its loss."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = _rate(self.recipe, self.step)
        self.optimizer.zero_grad()
        loss = _loss(self.net, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def save(self, loss: float) -> None:
        """Write the checkpoint, then a line of the log."""
        import torch

        state = {"recipe": asdict(self.recipe), "step": self.step, "model": self.net.state_dict()}
        with store.atomic(self.checkpoint) as stream:
            torch.save({**state, "optimizer": self.optimizer.state_dict()}, stream)
        line = {"step": self.step, "loss": round(loss, 4), "tokens": self.step * self.recipe.batch * ROW}
        with self.log.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def train(size: str, folder: Path, say: Callable[[str], None]) -> Any:
    """Train one base, or continue where an earlier call was killed; return the model.

    Args:
        size: a key of :data:`RECIPES`.
        folder: of tokenizer, rows, checkpoints and ``<size>.jsonl``, the log.
    """
    made, rows = prepare(folder, 0, say)
    run = _Pretraining(size, folder, len(made))
    losses, began, last = [], time.perf_counter(), run.recipe.last
    for batch in itertools.islice(_batches(rows, run.recipe, run.step, digits(made)), last - run.step):
        losses.append(run.advance(batch))
        if run.step % SAVE_EVERY == 0 or run.step == last:
            mean = sum(losses) / len(losses)
            run.save(mean)
            rate = len(losses) * run.recipe.batch * ROW / (time.perf_counter() - began)
            say(f"{size}: step {run.step}/{last}  loss {mean:.4f}  {rate:,.0f} tokens/s")
            losses, began = [], time.perf_counter()
    return run.net.eval()
