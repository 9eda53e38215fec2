"""The tuner: puts a scale and a shift on the layers that a configuration names."""

from __future__ import annotations

from ..architectures import ARCHITECTURES, ROLES
from ..replacing import ReplacingTuner
from .layer import SsfLayer


class SsfModel(ReplacingTuner):
    """A transformers model with scaled and shifted features; made by ``peft.get_peft_model``."""

    prefix: str = "ssf_"
    tuner_layer_cls = SsfLayer
    target_module_mapping: dict[str, list[str]] = {  # noqa: RUF012  (PEFT declares it so)
        name: a.modules(ROLES) for name, a in ARCHITECTURES.items()
    }
