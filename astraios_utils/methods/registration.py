"""Makes PEFT know tuners of the project's own: ``peft_type: BOTTLENECK``, ``SSF``, ``HFT``.

PEFT has ``register_peft_method`` for outside packages but asks for a member of its ``PeftType``, an enum that is closed
by Python's rules. The member is added by hand and checked at once; ``requirements.lock`` pins PEFT.
"""

from __future__ import annotations

from typing import Any, cast

import peft
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.utils import PeftType, register_peft_method

from .. import schema


def add_peft_type(name: str) -> PeftType:
    """The member of ``PeftType`` with that name, added if need be; fails loudly where the enum works otherwise."""
    if name not in PeftType.__members__:
        member = str.__new__(PeftType, name)
        member._name_ = name
        member._value_ = name
        type.__setattr__(PeftType, name, member)
        PeftType._member_names_.append(name)
        PeftType._member_map_[name] = member
        PeftType._value2member_map_[name] = member
    known = (getattr(PeftType, name, None), PeftType.__members__.get(name), PeftType(name))
    if len(set(map(id, known))) != 1 or name not in list(PeftType):
        raise schema.BadInput(f"peft {peft.__version__}: cannot add {name} to its PeftType; install the pinned peft")
    return cast(PeftType, known[0])


def register(name: str, config: Any, model: Any) -> None:
    """Make PEFT know a tuner; does nothing the second time.

    Args:
        name: its ``peft_type``, in capitals.
        config: the class of its configuration; ``model``: of its tuner.

    Raises:
        schema.BadInput: another package (or a newer PEFT) has registered a tuner of that name.
    """
    present = PEFT_TYPE_TO_TUNER_MAPPING.get(add_peft_type(name))
    if present is model:
        return
    if present is not None:
        raise schema.BadInput(f"peft {peft.__version__}: {present.__module__} already provides {name}; uninstall it")
    register_peft_method(name=name.lower(), config_cls=config, model_cls=model, prefix=model.prefix)
