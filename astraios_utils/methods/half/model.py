"""The tuner: draws the half that is trained; PEFT's tuner of whole layers (LN tuning) does the rest."""

from __future__ import annotations

import random
import re
from typing import Any

from peft.config import PeftConfig
from peft.tuners.ln_tuning import LNTuningModel
from torch import nn

from ..architectures import Architecture, architecture
from .config import HftConfig

_KINDS = (("attention_in", "attention_out"), ("mlp_in", "mlp_out"))


def chosen_half(model: nn.Module, layers: Architecture, seed: int) -> list[str]:
    """The paths of the matrices to train: of each block's attention and of its MLP, half of the matrices.

    Of an odd number, the smaller half is trained in every other block and the larger one in the others, so that about
    half of all are.

    Args:
        model: the base.
        layers: names of its linear layers.
        seed: of the draw.
    """
    paths = [name for name, _ in model.named_modules()]
    draw, found = random.Random(seed), list[str]()
    blocks = sorted({int(match[1]) for path in paths if (match := re.search(r"\.(\d+)\.", path))})
    for block in blocks:
        for roles in _KINDS:
            ends = [f".{block}.{name}" for name in layers.modules(roles)]
            held = sorted(path for path in paths if any(path.endswith(end) for end in ends))
            found += draw.sample(held, (len(held) + block % 2) // 2)
    return sorted(found)


class HftModel(LNTuningModel):
    """A transformers model of which half of each block is trained; made by ``peft.get_peft_model``."""

    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012  (the half is drawn for each model)

    def _prepare_adapter_config(self, peft_config: PeftConfig, model_config: dict[str, Any]) -> PeftConfig:
        assert isinstance(peft_config, HftConfig)
        if peft_config.target_modules is None:
            layers = architecture(str(model_config.get("model_type")))
            peft_config.target_modules = set(chosen_half(self.model, layers, peft_config.seed))  # type: ignore[assignment]
        return peft_config
