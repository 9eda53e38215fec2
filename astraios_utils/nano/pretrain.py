"""Pre-training of the nano bases: GPTBigCode from random weights, on a CPU, killable at any time.

Documents are never cut: rows of :data:`ROW` tokens hold as many whole ones as fit, padded at the end. Tokens of a
question count less in the loss than those of answers and plain code, for much of a question cannot be foretold; an
answer of one word counts as much as one of several.
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

ROW = 320
QUESTION_WEIGHT = 0.1
ANSWER_WEIGHT = 8.0  # of an answer's tokens together, at least
DOCUMENTS = 120_000
TOKENIZER_DOCUMENTS = 6_000
SAVE_EVERY = 100  # steps


@dataclass(frozen=True, slots=True)
class Recipe:
    """One base: its shape and how it is trained; ``batch`` counts rows."""

    hidden: int
    layers: int
    heads: int
    steps: int
    batch: int
    learning_rate: float
    warmup: int = 100
    weight_decay: float = 0.05
    seed: int = 0


RECIPES: Mapping[str, Recipe] = {
    "100K": Recipe(hidden=48, layers=2, heads=4, steps=5000, batch=8, learning_rate=8e-3),
    "400K": Recipe(hidden=96, layers=3, heads=4, steps=6000, batch=8, learning_rate=5e-3),
    "900K": Recipe(hidden=128, layers=4, heads=4, steps=6000, batch=8, learning_rate=4e-3),
    "2M": Recipe(hidden=192, layers=5, heads=6, steps=6000, batch=8, learning_rate=2.5e-3),
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


def _batches(rows: Rows, recipe: Recipe, step: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches from a step on: each pass over the rows in an order of its own."""
    import torch

    for number in itertools.count(step * recipe.batch, recipe.batch):
        picked = []
        for at in range(number, number + recipe.batch):
            epoch, place = divmod(at, len(rows.tokens))
            picked.append(_order(recipe.seed, epoch, len(rows.tokens))[place])
        yield (
            torch.from_numpy(rows.tokens[picked].astype(np.int64)),
            torch.from_numpy(rows.weights[picked].astype(np.float32)),
        )


_ORDERS: dict[tuple[int, int, int], Any] = {}


def _order(seed: int, epoch: int, count: int) -> Any:
    key = (seed, epoch, count)
    if key not in _ORDERS:
        _ORDERS.clear()
        _ORDERS[key] = np.random.default_rng([seed, epoch]).permutation(count)
    return _ORDERS[key]


def _rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine to a fiftieth."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def _loss(net: Any, tokens: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    logits = net(input_ids=tokens[:, :-1], use_cache=False).logits
    each = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (each * kept).sum() / kept.sum()


def _optimizer(net: Any, recipe: Recipe) -> torch.optim.Optimizer:
    import torch

    matrices = {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": recipe.weight_decay}
    vectors = {"params": [p for p in net.parameters() if p.dim() < 2], "weight_decay": 0.0}
    return torch.optim.AdamW([matrices, vectors], lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True)


class _Run:
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

    def advance(self, tokens: torch.Tensor, weights: torch.Tensor) -> float:
        """One step; its loss."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = _rate(self.recipe, self.step)
        self.optimizer.zero_grad()
        loss = _loss(self.net, tokens, weights)
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
    run = _Run(size, folder, len(made))
    losses, began, last = [], time.perf_counter(), run.recipe.steps
    for tokens, weights in itertools.islice(_batches(rows, run.recipe, run.step), last - run.step):
        losses.append(run.advance(tokens, weights))
        if run.step % SAVE_EVERY == 0 or run.step == last:
            mean = sum(losses) / len(losses)
            run.save(mean)
            rate = len(losses) * run.recipe.batch * ROW / (time.perf_counter() - began)
            say(f"{size}: step {run.step}/{last}  loss {mean:.4f}  {rate:,.0f} tokens/s")
            losses, began = [], time.perf_counter()
    return run.net.eval()
