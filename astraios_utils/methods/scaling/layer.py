"""One layer whose output features are scaled and shifted."""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import nn
from transformers.pytorch_utils import Conv1D

from ... import schema
from .config import SsfConfig


class SsfLayer(nn.Module, BaseTunerLayer):
    r"""A layer f with :math:`y = \gamma \odot f(x) + \beta`, both of shape (features of the output,).

    A linear layer or a normalisation with weights can hold both: :math:`W' = \mathrm{diag}(\gamma) W`,
    :math:`b' = \gamma \odot b + \beta`.
    """

    adapter_layer_names = ("ssf_scale", "ssf_shift")

    def __init__(self, base_layer: nn.Module, adapter_name: str, config: SsfConfig) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.features = _features(self.get_base_layer())
        self.ssf_scale = nn.ParameterDict()
        self.ssf_shift = nn.ParameterDict()
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._without_bias = getattr(self.get_base_layer(), "bias", None) is None
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config)

    def update_layer(self, adapter_name: str, config: SsfConfig) -> None:
        """Add one more adapter."""
        scale, shift = torch.ones(self.features), torch.zeros(self.features)
        if not config.init_weights:
            nn.init.normal_(scale, mean=1.0, std=0.02)
            nn.init.normal_(shift, std=0.02)
        self.ssf_scale[adapter_name] = nn.Parameter(scale)
        self.ssf_shift[adapter_name] = nn.Parameter(shift)
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Shape (..., features before) -> (..., features after)."""
        if self.disable_adapters and self.merged:
            self.unmerge()
        y = cast(torch.Tensor, self.base_layer(x, *args, **kwargs))
        if self.disable_adapters or self.merged:
            return y
        for name in self.active_adapters:
            if name in self.ssf_scale:
                y = (y * self.ssf_scale[name] + self.ssf_shift[name]).to(y.dtype)
        return y

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Put scale and shift into the layer's weight and bias; a layer without bias gets one."""
        for name in check_adapters_to_merge(self, adapter_names):
            if name not in self.ssf_scale:
                continue
            if not torch.all(self.ssf_scale[name] != 0):
                raise schema.BadInput(f"adapter {name!r} scales a feature by 0: it could not be unmerged")
            self._apply_to_base(self.ssf_scale[name].data, self.ssf_shift[name].data)
            self.merged_adapters.append(name)

    def _apply_to_base(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        layer: Any = self.get_base_layer()
        by_output = scale if layer.weight.dim() == 1 or isinstance(layer, Conv1D) else scale[:, None]
        layer.weight.data = (layer.weight.data * by_output).to(layer.weight.dtype)
        bias = torch.zeros_like(shift) if layer.bias is None else layer.bias.data
        layer.bias = nn.Parameter((bias * scale + shift).to(layer.weight.dtype), requires_grad=False)

    def unmerge(self) -> None:
        """Take merged scales and shifts out again, the last one first."""
        while self.merged_adapters:
            name = self.merged_adapters.pop()
            scale = 1 / self.ssf_scale[name].data
            self._apply_to_base(scale, -self.ssf_shift[name].data * scale)
        if self._without_bias:
            cast(Any, self.get_base_layer()).bias = None

    def __repr__(self) -> str:
        return f"ssf.{super().__repr__()}"


def _features(layer: nn.Module) -> int:
    """Features of a layer's output; raises :class:`schema.BadInput` for layers that cannot be scaled."""
    weight = getattr(layer, "weight", None)
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, Conv1D):
        return int(layer.nf)
    if isinstance(layer, nn.LayerNorm) and weight is not None:
        return int(weight.shape[0])
    raise schema.BadInput(f"{type(layer).__name__}: SSF scales the output of linear layers and layer norms")
