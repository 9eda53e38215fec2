"""Several processes that train one model together (``accelerate launch``, ``torchrun``): who writes, and who waits.

The first process alone writes files and tells the user. All of them compute the same step: each its share of the step's
sequences, or, sharded by FSDP (``data/accelerate/fsdp.yaml``), of the weights as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from .. import schema


def processes() -> int:
    """How many train together; 1 outside a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes."""
    return os.environ.get("RANK", "0") == "0"


def sharded() -> bool:
    """Whether the launcher requests FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP") == "true"


def wait() -> None:
    """Go on when every process has come here."""
    if processes() > 1:
        from accelerate import PartialState  # type: ignore[import-untyped]

        PartialState().wait_for_everyone()


@contextlib.contextmanager
def first_goes_first() -> Iterator[None]:
    """Let the first process through, then the others: they find what it has tidied up."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def accumulation(recipe: schema.Recipe) -> int:
    """Micro-batches that each process computes for one optimiser step.

    Raises:
        schema.BadInput: the step's sequences cannot be shared out evenly.
    """
    at_a_time = recipe.micro_batch * processes()
    if recipe.batch % at_a_time:
        raise schema.BadInput(
            f"batch {recipe.batch} cannot be shared by {processes()} processes of micro_batch {recipe.micro_batch}: "
            "choose a number of processes that divides batch / micro_batch"
        )
    return recipe.batch // at_a_time
