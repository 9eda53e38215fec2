"""What weights are held in and computed in, on this machine: one rule for training, generation and the memory plan.

A GPU below compute capability 8.0 (a T4, a V100) has no bfloat16 in hardware: float16 takes its place there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import schema

if TYPE_CHECKING:
    import torch

AMPERE = (8, 0)  # the first compute capability with bfloat16 (and TF32) in hardware


def has_bfloat16() -> bool:
    """Whether this machine's GPU computes bfloat16 in hardware; True where there is no GPU."""
    import torch

    return not torch.cuda.is_available() or torch.cuda.get_device_capability() >= AMPERE


def half() -> str:
    """The 16-bit type of this machine: ``bfloat16``, or ``float16`` on GPUs without it."""
    return "bfloat16" if has_bfloat16() else "float16"


def dtype(precision: str) -> torch.dtype:
    """The torch type of a precision; the layers of an ``8bit`` base that are not quantised are in 16 bits."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}.get(
        precision, torch.bfloat16 if has_bfloat16() else torch.float16
    )


def _here(wanted: str, cuda: bool, what: str) -> str:
    """``wanted``, or what this machine has instead; reports the difference on standard error."""
    if wanted != "float32" and not cuda:
        print(f"no GPU: {what} in float32 instead of {wanted}", file=sys.stderr, flush=True)
        return "float32"
    if wanted == "bfloat16" and not has_bfloat16():
        print(f"this GPU has no bfloat16: {what} in float16", file=sys.stderr, flush=True)
        return "float16"
    return wanted


def weights_precision(recipe: schema.Recipe, full: bool, cuda: bool) -> str:
    """The precision that training holds the base's weights in: ``8bit``, ``bfloat16``, ``float16`` or ``float32``.

    Full fine-tuning holds float32 (the paper quantises for PEFT only; at a learning rate of 1e-6 bfloat16's rounding
    would lose most steps). Without a GPU, 8-bit and bfloat16 save memory but no time: float32 is used. Where the
    result is not the recipe's, a line on standard error says so.

    Args:
        recipe: of the suite.
        full: whether the method trains all of the base's weights.
        cuda: whether there is a GPU.
    """
    return "float32" if full else _here(recipe.base_precision, cuda, "the base is held")


def answer_precision(sampling: schema.Sampling) -> str:
    """The precision in which generation holds the whole model on this machine; reports nothing.

    Returns:
        ``float32``, ``bfloat16``, ``float16`` or ``8bit``.
    """
    if sampling.precision == "float32":
        return "float32"  # without loading torch
    import torch

    if not torch.cuda.is_available():
        return "float32"
    return half() if sampling.precision == "bfloat16" else sampling.precision
