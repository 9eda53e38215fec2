"""Base models, tuning methods attached to them, their precision, and how many parameters training changes.

Importing this package loads neither torch, transformers nor PEFT.
"""

from __future__ import annotations

from . import eight_bit
from .attaching import (
    attach,
    can_merge,
    checkpointing,
    loss_sum,
    merged,
    peft_type,
    prepare_prompts,
    require_room,
    virtual_tokens,
)
from .bases import STARCODER, load_config, load_tokenizer, on_meta, starcoder_config, stored_config
from .counting import count_parameters, count_suite, print_parameters, trainable_parameters
from .loading import is_adapter, load_adapter, load_answering, load_base, load_tuned, read_peft_config
from .precision import answer_precision, half, has_bfloat16, weights_precision
from .quiet import empty_ranks, quiet

__all__ = [
    "STARCODER",
    "answer_precision",
    "attach",
    "can_merge",
    "checkpointing",
    "count_parameters",
    "count_suite",
    "eight_bit",
    "empty_ranks",
    "half",
    "has_bfloat16",
    "is_adapter",
    "load_adapter",
    "load_answering",
    "load_base",
    "load_config",
    "load_tokenizer",
    "load_tuned",
    "loss_sum",
    "merged",
    "on_meta",
    "peft_type",
    "prepare_prompts",
    "print_parameters",
    "quiet",
    "read_peft_config",
    "require_room",
    "starcoder_config",
    "stored_config",
    "trainable_parameters",
    "virtual_tokens",
    "weights_precision",
]
