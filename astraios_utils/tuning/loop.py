"""A plain loop for small experiments, and what a model makes of documents.

Suites are trained by :mod:`training`.  The analyses need many short runs with intermediate weights and with losses of
their own, and all of them differ in one thing at a time: here the optimiser, the order of documents and the budget are
the same in every run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

Balance = Literal["tokens", "tasks"]
WARMUP = 0.06  # share of the steps


@dataclass(frozen=True, slots=True)
class Example:
    """One document: what is asked, what is answered, and the task that it belongs to."""

    task: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Budget:
    """How long and how fast a run learns.

    Attributes:
        batch: documents per step.
        length: tokens of a document, at most; longer ones are cut on the left.
        balance: ``tokens``: the mean over all answer tokens of a batch.  ``tasks``: the mean over tasks of each task's
            mean over its own tokens (MFTCoder's balanced loss, equation 2).
    """

    steps: int = 100
    batch: int = 8
    rate: float = 1e-3
    length: int = 256
    balance: Balance = "tokens"


def _encoded(tokenizer: Any, examples: Sequence[Example], length: int) -> tuple[Tensor, Tensor]:
    """Token ids and labels, each (documents, longest); -100 where nothing is learnt."""
    rows = []
    for example in examples:
        asked = tokenizer(example.prompt, add_special_tokens=False)["input_ids"]
        answered = tokenizer(example.answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        ids = (asked + answered)[-length:]
        rows.append((ids, len(ids) - min(len(answered), len(ids))))
    longest = max(len(ids) for ids, _ in rows)
    tokens = torch.full((len(rows), longest), tokenizer.eos_token_id)
    labels = torch.full((len(rows), longest), -100)
    for row, (ids, begins) in enumerate(rows):
        tokens[row, : len(ids)] = torch.tensor(ids)
        labels[row, max(1, begins) : len(ids)] = torch.tensor(ids[max(1, begins) :])
    return tokens, labels


def _each(model: Any, tokens: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss per token, which tokens count, and whether the most likely token is the right one; each (n, length - 1).

    Padding on the right cannot reach what stands before it, so that no mask is needed.
    """
    logits = model(input_ids=tokens, use_cache=False).logits[:, -tokens.shape[1] : -1].float()
    wanted = labels[:, 1:]
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="none"
    )
    return losses.reshape(wanted.shape), wanted != -100, logits.argmax(-1) == wanted


def balanced(losses: Tensor, counted: Tensor, tasks: Sequence[str], balance: Balance) -> Tensor:
    """The loss of a batch.

    Args:
        losses, counted: loss of each token, and whether it counts; shape (documents, length).
        tasks: of each document.
        balance: see :class:`Budget`.
    """
    if balance == "tokens":
        return losses[counted].mean()
    means = []
    for task in dict.fromkeys(tasks):
        rows = torch.tensor([name == task for name in tasks])
        means.append(losses[rows][counted[rows]].mean())
    return torch.stack(means).mean()


def tune(
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    budget: Budget,
    seed: int = 0,
    look: Callable[[int, Any], None] | None = None,
) -> Any:
    """Tune a model's trainable parameters in place, on the answers alone.

    Args:
        model: a base (all parameters learn) or a model with an adapter attached.
        examples: read in a random order that depends on the seed alone, again from the start where they are used up.
        look: called with the step and the model before the first step and after each.

    Returns:
        The model, in evaluation mode.
    """
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=budget.rate, weight_decay=0.0)
    warm = max(1, round(WARMUP * budget.steps))

    def rate(step: int) -> float:
        done = (step - warm) / max(1, budget.steps - warm)
        return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    rng, order = random.Random(f"tune:{seed}"), list[int]()
    if look:
        look(0, model.eval())
    for step in range(1, budget.steps + 1):
        while len(order) < budget.batch:
            order += rng.sample(range(len(examples)), len(examples))
        chosen, order = [examples[number] for number in order[: budget.batch]], order[budget.batch :]
        losses, counted, _ = _each(model.train(), *_encoded(tokenizer, chosen, budget.length))
        learnt = balanced(losses, counted, [example.task for example in chosen], budget.balance)
        learnt.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if look:
            look(step, model.eval())
    return model.eval()


def answers(
    model: Any, tokenizer: Any, examples: Sequence[Example], length: int = 256, batch: int = 32
) -> pd.DataFrame:
    """What a model makes of each document.

    Returns:
        One row per document: task; nll, of the whole answer, in nats; tokens of the answer; exact, whether each token
        of the answer is the most likely one after those before it: then greedy decoding writes this answer.
    """
    rows: dict[int, tuple[str, float, int, bool]] = {}
    order = sorted(
        range(len(examples)), key=lambda at: len(examples[at].prompt + examples[at].answer)
    )  # little padding
    with torch.inference_mode():
        for start in range(0, len(examples), batch):
            part = order[start : start + batch]
            losses, counted, right = _each(model, *_encoded(tokenizer, [examples[at] for at in part], length))
            for at, loss, count, hit in zip(part, losses, counted, right, strict=True):
                rows[at] = (examples[at].task, float(loss[count].sum()), int(count.sum()), bool(hit[count].all()))
    return pd.DataFrame([rows[at] for at in range(len(examples))], columns=["task", "nll", "tokens", "exact"])


def loss(frame: pd.DataFrame) -> float:
    """Mean loss per answer token of :func:`answers`, in nats."""
    return float(frame["nll"].sum() / frame["tokens"].sum())
