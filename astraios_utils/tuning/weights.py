"""The change of a model's weights: effective weights, intruder dimensions, norm and rank by layer and matrix.

A *state* is a mapping from parameter names to tensors, those of the base's own ``state_dict``.  The change is tuned
minus base.  Methods that add to weights (LoRA, AdaLoRA) or scale them ((IA)3) have effective weights: the merged ones.
Methods that act on activations or add tokens (adapters, prompts) have none.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from .. import models, schema

State = Mapping[str, Tensor]
TOP = 10  # singular vectors of the tuned matrix that are looked at (the paper's k)
SIMILAR = 0.6  # cosine from which a vector of the base counts as its origin (the paper's epsilon)
ENERGY = 0.9  # share of the squared norm that the rank of a change covers
_LAYER = re.compile(r"\.(\d+)\.")
COLUMNS = ("layer", "matrix", "norm", "relative", "rank", "stable_rank", "intruders")


def state_of(model: Any) -> dict[str, Tensor]:
    """A base's or fully tuned model's state, or the effective weights of an adapted one, detached, in float32.

    Tied parameters appear once.

    Raises:
        schema.BadInput: the method has no effective weights.
    """
    if getattr(model, "peft_config", None):
        if not models.can_merge(model):
            kinds = ", ".join(str(config.peft_type.value) for config in model.peft_config.values())
            raise schema.BadInput(f"{kinds}: acts on activations or tokens, so that there are no effective weights")
        model = models.merged(copy.deepcopy(model))
    return {name: parameter.detach().float().clone() for name, parameter in model.named_parameters()}


def apply(model: Any, state: State) -> Any:
    """A copy of a base with the weights of a state."""
    made = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(state[name])
    return made.eval()


def change(base: State, tuned: State) -> dict[str, Tensor]:
    """Tuned minus base.

    Raises:
        schema.BadInput: the two hold different parameters, or parameters of different shapes.
    """
    if base.keys() != tuned.keys():
        odd = min(base.keys() ^ tuned.keys())
        raise schema.BadInput(f"the two models do not have the same parameters: {odd} is in one of them only")
    for name, value in base.items():
        if value.shape != tuned[name].shape:
            raise schema.BadInput(f"{name}: shape {tuple(tuned[name].shape)}, the base has {tuple(value.shape)}")
    return {name: tuned[name] - value for name, value in base.items()}


def moved(base: State, by: State) -> dict[str, Tensor]:
    """Base plus a change."""
    return {name: value + by[name] for name, value in base.items()}


def layer_of(name: str) -> int:
    """The number of a parameter's layer; -1 for embeddings, and for what follows the last layer."""
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def matrix_of(name: str) -> str:
    """A parameter's name without its layer: ``mlp.c_fc`` for ``transformer.h.3.mlp.c_fc.weight``."""
    found = _LAYER.search(name)
    return name[found.end() if found else 0 :].removesuffix(".weight")


def intruders(base: Tensor, tuned: Tensor, top: int = TOP, similar: float = SIMILAR) -> int:
    """Intruder dimensions of one matrix (*LoRA vs Full Fine-tuning: An Illusion of Equivalence*, section 3).

    Args:
        base, tuned: shape (rows, columns).
        top: how many singular vectors of the tuned matrix are looked at, those of the largest singular values.
        similar: an intruder's left singular vector has a smaller cosine with every left singular vector of the base.

    Returns:
        How many of the first ``top`` vectors are intruders.
    """
    before = torch.linalg.svd(base.double(), full_matrices=False)[0]
    after = torch.linalg.svd(tuned.double(), full_matrices=False)[0][:, :top]
    closest = (before.T @ after).abs().max(dim=0).values
    return int((closest < similar).sum())


def spectrum(matrix: Tensor) -> Tensor:
    """A matrix's singular values, the largest first."""
    values: Tensor = torch.linalg.svdvals(matrix.double())
    return values


def energy_rank(values: Tensor, energy: float = ENERGY) -> int:
    """The smallest number of singular values with that share of the squared norm; 0 for a zero matrix."""
    squares = values**2
    if squares.sum() == 0:
        return 0
    return int((squares.cumsum(0) < energy * squares.sum() * (1 - 1e-12)).sum()) + 1


def stable_rank(values: Tensor) -> float:
    """Squared Frobenius norm over squared spectral norm, from the singular values; NaN for a zero matrix."""
    return float((values**2).sum() / values[0] ** 2) if values[0] > 0 else float("nan")


def table(base: State, tuned: State, top: int = TOP, similar: float = SIMILAR) -> pd.DataFrame:
    """The change of each weight matrix of the layers.

    Returns:
        One row per matrix, columns ``COLUMNS``: layer; matrix; Frobenius norm of the change; the same relative to the
        base's; rank (``ENERGY`` of the squared norm); stable rank; intruder dimensions among the first ``top``.
    """
    difference = change(base, tuned)
    rows = []
    for name, value in base.items():
        if value.dim() != 2 or layer_of(name) < 0:
            continue
        by = difference[name]
        norm = float(by.norm())
        values = spectrum(by)
        ranks = energy_rank(values), stable_rank(values)
        intruding = intruders(value, tuned[name], top, similar)
        rows.append((layer_of(name), matrix_of(name), norm, norm / float(value.norm()), *ranks, intruding))
    return pd.DataFrame(rows, columns=list(COLUMNS))
