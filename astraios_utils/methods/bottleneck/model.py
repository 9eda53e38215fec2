"""The tuner: finds the layers that a configuration names and puts adapters on them."""

from __future__ import annotations

from typing import Any

from peft.config import PeftConfig
from peft.tuners.tuners_utils import BaseTuner
from torch import nn

from ... import schema
from ..architectures import ARCHITECTURES
from ..targets import require_targets
from .config import BottleneckConfig
from .layer import BottleneckLayer

_PLACES = {"mlp_in": "input", "mlp_out": "output"}


class BottleneckModel(BaseTuner):
    """A transformers model with bottleneck adapters (AdapterH, AdapterP, Parallel); made by ``peft.get_peft_model``."""

    prefix: str = "adapter_"
    tuner_layer_cls = BottleneckLayer
    target_module_mapping: dict[str, list[str]] = {  # noqa: RUF012  (PEFT declares it so)
        name: a.modules(("mlp_in", "mlp_out")) for name, a in ARCHITECTURES.items()
    }

    def _prepare_adapter_config(self, peft_config: PeftConfig, model_config: dict[str, Any]) -> PeftConfig:
        model_type = model_config.get("model_type")
        assert isinstance(peft_config, BottleneckConfig)
        if peft_config.target_modules is None and model_type not in self.target_module_mapping:
            raise schema.BadInput(f"architecture {model_type!r} has no default target_modules: name them in the config")
        return super()._prepare_adapter_config(peft_config, model_config)

    def _check_new_adapter_config(self, config: PeftConfig) -> None:
        super()._check_new_adapter_config(config)
        assert isinstance(config, BottleneckConfig)
        require_targets(self.model, config.target_modules)

    def _place(self, config: BottleneckConfig, key: str) -> str:
        for end, place in (config.placement or {}).items():
            if key == end or key.endswith(f".{end}"):
                return place
        if config.use_parallel_adapter:
            return "parallel"
        model_type = self.get_model_config(self.model).get("model_type")
        role = ARCHITECTURES[model_type].role(key) if model_type in ARCHITECTURES else None
        if role not in _PLACES:
            raise schema.BadInput(
                f"{key} of {model_type!r}: not known whether an adapter stands at its input or its output; set "
                "use_parallel_adapter, or say it in the config's placement"
            )
        return _PLACES[role]

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
        assert isinstance(peft_config, BottleneckConfig)
        place = self._place(peft_config, current_key)
        if isinstance(target, BottleneckLayer):
            target.update_layer(adapter_name, place, peft_config)
            return
        layer = BottleneckLayer(target, place, adapter_name, peft_config)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)

    def _check_merge_allowed(self) -> None:
        raise schema.BadInput(
            "bottleneck adapters cannot be merged into the base (they are not linear): keep adapter and base apart"
        )

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        """Refuse: see :meth:`_check_merge_allowed`."""
        self._check_merge_allowed()
