"""Bases in 8 bits (LLM.int8 by bitsandbytes): what they need in addition to their weights to train and to answer.

bitsandbytes keeps each layer's input outside of autograd's saved tensors, where non-reentrant checkpointing cannot drop
it; and it keeps it as it comes, in float32 where autocast has computed a norm. So inputs are cast to 16 bits here, and
:func:`.attaching.checkpointing` asks for reentrant checkpoints.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def layers(model: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The model's 8-bit layers: bitsandbytes' own, or any that say ``eight_bit`` (those of the memory plan)."""
    for module in model.modules():
        bitsandbytes_own = type(module).__name__ == "Linear8bitLt" and hasattr(module, "state")
        if bitsandbytes_own or getattr(module, "eight_bit", False):
            yield module


def is_eight_bit(model: torch.nn.Module) -> bool:
    """Whether some layer of the model is held in 8 bits."""
    return next(layers(model), None) is not None


def prepare(model: Any, dtype: torch.dtype) -> Any:
    """Let an 8-bit base take inputs of any type, in place; returns it.

    Inputs of its 8-bit layers are cast to ``dtype``. Its forward pass runs under autocast, as training does: several
    methods have float32 adapters that PEFT does not cast on 8-bit layers.
    """
    import torch

    def cast(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0].to(dtype), *args[1:])

    for layer in layers(model):
        layer.register_forward_pre_hook(cast)
    plain = model.forward

    @functools.wraps(plain)
    def forward(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(model.device.type, dtype=dtype):
            return plain(*args, **kwargs)

    model.forward = forward
    return model
