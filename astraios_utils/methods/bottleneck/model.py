"""The tuner: finds the layers that a configuration names and puts adapters on them."""

from __future__ import annotations

from typing import Any

from peft.config import PeftConfig

from ... import schema
from ..architectures import ARCHITECTURES
from ..replacing import ReplacingTuner
from .config import BottleneckConfig
from .layer import BottleneckLayer

_PLACES = {"mlp_in": "input", "mlp_out": "output"}


class BottleneckModel(ReplacingTuner):
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

    def _arguments(self, config: BottleneckConfig, key: str) -> tuple[str]:
        return (self._place(config, key),)

    def _check_merge_allowed(self) -> None:
        raise schema.BadInput(
            "bottleneck adapters cannot be merged into the base (they are not linear): keep adapter and base apart"
        )

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        """Refuse: see :meth:`_check_merge_allowed`."""
        self._check_merge_allowed()
