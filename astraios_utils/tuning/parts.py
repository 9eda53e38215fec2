"""Parts of a change: the largest entries, what two tasks share, half of the matrices, shrunk layers, another base."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from .. import schema
from .weights import State, change, layer_of, moved


def largest(by: State, share: float) -> dict[str, Tensor]:
    """Where the largest changes are: a mask per parameter, of ``share`` of all entries together.

    Args:
        by: a change.
        share: in [0, 1]; at least one entry where it is above 0.

    Raises:
        ValueError: the share is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: between 0 and 1")
    sizes = torch.cat([value.abs().flatten() for value in by.values()])
    count = min(len(sizes), math.ceil(share * len(sizes)))
    chosen = torch.zeros(len(sizes), dtype=torch.bool)
    chosen[torch.topk(sizes, count).indices] = True
    parts = torch.split(chosen, [value.numel() for value in by.values()])
    return {name: part.reshape(value.shape) for (name, value), part in zip(by.items(), parts, strict=True)}


def grafted(base: State, tuned: State, share: float) -> dict[str, Tensor]:
    """Skill localisation: the base with the largest ``share`` of the tuned model's changes, the others undone."""
    by = change(base, tuned)
    masks = largest(by, share)
    return moved(base, {name: value * masks[name] for name, value in by.items()})


def overlap(base: State, one: State, two: State, share: float) -> tuple[float, float]:
    """How far two tuned models change the same weights.

    Returns:
        The share of the largest ``share`` entries of one that is also among the other's (chance: ``share``), and the
        cosine of the two changes (NaN where one is zero).
    """
    first, second = change(base, one), change(base, two)
    masks, others = largest(first, share), largest(second, share)
    both = sum(int((masks[name] & others[name]).sum()) for name in masks)
    each = sum(int(mask.sum()) for mask in masks.values())
    a = torch.cat([value.flatten() for value in first.values()]).double()
    b = torch.cat([value.flatten() for value in second.values()]).double()
    norms = float(a.norm() * b.norm())
    return both / each if each else math.nan, float(a @ b) / norms if norms else math.nan


def half(base: State, tuned: State, seed: int) -> dict[str, Tensor]:
    """Half fine-tuning after the fact: a random half of each layer's parameters keeps its change, the others none."""
    rng = random.Random(f"half:{seed}")
    kept: set[str] = set()
    for layer in sorted({layer_of(name) for name in base}):
        names = sorted(name for name in base if layer_of(name) == layer)
        kept |= set(rng.sample(names, (len(names) + 1) // 2))
    return {name: tuned[name] if name in kept else value for name, value in base.items()}


def transferred(base: State, tuned: State, other: State) -> dict[str, Tensor]:
    """*Efficient Model Development through Fine-tuning Transfer*: another base of the same shape plus the change."""
    by = change(base, tuned)
    change(base, other)  # the same parameters, of the same shapes
    return moved(other, by)


def depth(name: str, layers: int) -> float:
    """Where a parameter stands: 0 in the first layer and the embeddings, 1 in the last layer and after it."""
    layer = layer_of(name)
    if layer < 0:
        return 0.0 if any(part in name for part in ("wte", "wpe", "embed")) else 1.0
    return layer / (layers - 1) if layers > 1 else 1.0


def shrunk(base: State, tuned: State, first: float, last: float = 1.0) -> dict[str, Tensor]:
    """*LiNeS*: the change of each layer times a factor that grows linearly from the first layer to the last.

    Args:
        first: factor of the first layer and the embeddings.
        last: factor of the last layer and of what follows it; equal factors shrink the whole change.

    Raises:
        schema.BadInput: the parameters name no layers.
    """
    layers = 1 + max((layer_of(name) for name in base), default=-1)
    if layers < 1:
        raise schema.BadInput("the parameters name no layers, so there is nothing to scale by")
    by = change(base, tuned)
    return moved(base, {name: value * (first + (last - first) * depth(name, layers)) for name, value in by.items()})
