"""The tuner: puts a scale and a shift on the layers that a configuration names."""

from __future__ import annotations

from typing import Any

from peft.config import PeftConfig
from peft.tuners.tuners_utils import BaseTuner
from torch import nn

from ..architectures import ARCHITECTURES, ROLES
from ..targets import require_targets
from .config import SsfConfig
from .layer import SsfLayer


class SsfModel(BaseTuner):
    """A transformers model with scaled and shifted features; made by ``peft.get_peft_model``."""

    prefix: str = "ssf_"
    tuner_layer_cls = SsfLayer
    target_module_mapping: dict[str, list[str]] = {  # noqa: RUF012  (PEFT declares it so)
        name: a.modules(ROLES) for name, a in ARCHITECTURES.items()
    }

    def _check_new_adapter_config(self, config: PeftConfig) -> None:
        super()._check_new_adapter_config(config)
        assert isinstance(config, SsfConfig)
        require_targets(self.model, config.target_modules)

    def _create_and_replace(
        self,
        peft_config: PeftConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        assert isinstance(peft_config, SsfConfig)
        if isinstance(target, SsfLayer):
            target.update_layer(adapter_name, peft_config)
            return
        layer: Any = SsfLayer(target, adapter_name, peft_config)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)
