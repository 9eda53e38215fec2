"""Whether a model has the modules that a configuration targets; PEFT itself passes over the ones it does not find."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import schema

if TYPE_CHECKING:
    from torch import nn

# Only StarCoders without multi-query attention have it; the released configurations name it for all.
OPTIONAL = frozenset({"q_attn"})
ALL_LINEAR = "all-linear"


def require_targets(model: nn.Module, targets: Iterable[str] | str | None) -> None:
    """Check that each target is the end of some module's path; a regular expression is left to PEFT.

    Raises:
        schema.BadInput: names the modules that are missing, with near matches.
    """
    if targets is None or isinstance(targets, str):
        return
    names = [name.removesuffix(".base_layer") for name, _ in model.named_modules()]
    missing = sorted(t for t in set(targets) - OPTIONAL if not any(f".{n}".endswith(f".{t}") for n in names))
    if not missing:
        return
    ends = {".".join(name.split(".")[-k:]) for name in names if name for k in (1, 2)}
    ends = {end for end in ends if not end[0].isdigit()}  # the number of a block is no part of a target
    near = difflib.get_close_matches(missing[0], sorted(ends), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "print the model to see the names of its modules"
    raise schema.BadInput(f"{type(model).__name__} has no module {', '.join(missing)}: {hint}")
