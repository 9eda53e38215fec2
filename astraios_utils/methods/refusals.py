"""PEFT types that cannot be tuned and evaluated here, each with the reason; checked before anything is trained.

``tests/models/test_matrix.py`` trains every type of the pinned PEFT and generates with it: each one works or is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_TASKS = "it needs a task number with every document, and a corpus here has none"

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "MULTITASK_PROMPT_TUNING": _TASKS,
        "POLY": _TASKS,
        "XLORA": "it mixes LoRA adapters that were trained before, and a suite names none",
        "CARTRIDGE": "its keys and values come from a text that is read before training, and a recipe names none",
        "CPT": "generation does not support its context tokens",
        "SHADOW": "its second model needs a cache of its own, which generation does not have",
    }
)
_INTEGERS = "PEFT computes with the base's weights, which are integers on an 8-bit base"
_IN_PLACE = "PEFT changes the output of an 8-bit layer in place, which autograd does not allow"
EIGHT_BIT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("DELORA", "FROD", "GLORA", "HFT", "OSF", "PSOFT", "SUPERTUNING", "TINYLORA"), _INTEGERS),
        **dict.fromkeys(("C3A", "GRALORA"), _IN_PLACE),
    }
)


def reason(peft_type: str | None, eight_bit: bool = False) -> str:
    """Why a PEFT type cannot be used, in words; empty where it can.

    Args:
        peft_type: PEFT's name of the method; ``None``: full fine-tuning.
        eight_bit: whether the base is held in 8 bits.
    """
    kind = peft_type or ""
    return REFUSED.get(kind) or (EIGHT_BIT.get(kind, "") if eight_bit else "")
