"""Hold back messages of the libraries that a user can do nothing about."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_IGNORED = (
    "IProgress not found.*",
    ".*base_model_name_or_path.*",
    ".*is_gradient_checkpointing.*",
    "MatMul8bitLt: inputs will be cast.*",
    "The following rank_pattern keys did not match any targeted module.*lora_E.*",  # AdaLoRA's, which it reads itself
    "lora with eva initialization used with low_cpu_mem_usage=False.*",
)
# By transformers' Trainer where two checkpoints are written within a tick of the clock, as those of tiny models are.
_LOGGED = "mtime may not be reliable"


def _needed(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_LOGGED)


# Logged while PEFT imports bitsandbytes, and in training: whoever comes first, in whichever process.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
logging.getLogger("transformers.trainer_utils").addFilter(_needed)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress such messages of PEFT and transformers inside the block."""
    with warnings.catch_warnings():
        for text in _IGNORED:
            warnings.filterwarnings("ignore", message=text)
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # they stick in executed notebooks
        yield


@contextlib.contextmanager
def empty_ranks() -> Iterator[None]:
    """Suppress what PEFT says of a matrix that AdaLoRA left no rank: its tensors are empty, and no shape is wrong."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Adapter '.*invalid shape")
        yield


def first_line(error: Exception) -> str:
    """The first line of an error's text that is not empty, at most 200 characters; without text, its type."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
