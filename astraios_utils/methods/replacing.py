"""What tuners of our own that wrap single layers share: targets are checked, and a layer is wrapped once."""

from __future__ import annotations

from typing import Any

from peft.config import PeftConfig
from peft.tuners.tuners_utils import BaseTuner
from torch import nn

from .targets import require_targets


class ReplacingTuner(BaseTuner):
    """A tuner that puts one ``tuner_layer_cls`` around each targeted layer.

    Attributes:
        tuner_layer_cls: made from (layer, adapter name, configuration, further arguments of the layer), with a method
            ``update_layer`` for one more adapter that takes the same without the layer.
    """

    tuner_layer_cls: Any

    def _check_new_adapter_config(self, config: PeftConfig) -> None:
        super()._check_new_adapter_config(config)
        require_targets(self.model, config.target_modules)  # type: ignore[attr-defined]  # each tuner's own has it

    def _arguments(self, config: Any, key: str) -> tuple[Any, ...]:
        """Further arguments for the layer of this path."""
        return ()

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
        given = (adapter_name, peft_config, *self._arguments(peft_config, current_key))
        if isinstance(target, self.tuner_layer_cls):
            target.update_layer(*given)
            return
        layer = self.tuner_layer_cls(target, *given)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)
