"""One linear layer with its bottleneck adapters."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, _get_in_out_features
from torch import nn
from transformers.activations import ACT2FN
from transformers.pytorch_utils import Conv1D

from ... import schema
from .config import BottleneckConfig


class BottleneckLayer(nn.Module, BaseTunerLayer):
    r"""A linear layer W with adapters :math:`f(x) = s\, U \tanh(D x)`, D: features x bottleneck, U back again.

    ======== ======================== =========================================
    place    output                   paper (appendix D and the released code)
    ======== ======================== =========================================
    input    :math:`W(x + f(x))`      AdapterH on the layer that opens the MLP
    output   :math:`y + f(y), y = Wx` AdapterH, AdapterP on the one that closes it
    parallel :math:`Wx + f(x)`        Parallel on the attention's input
    ======== ======================== =========================================

    Where several adapters are active, their f add up. The adapter computes in its own dtype (float32, unless it was
    cast), whatever the base and autocast use, and only its result is rounded to the activations' dtype.
    """

    adapter_layer_names = ("adapter_down", "adapter_up")
    other_param_names = ("adapter_dropout",)

    def __init__(self, base_layer: nn.Module, adapter_name: str, config: BottleneckConfig, place: str) -> None:
        super().__init__()
        if not isinstance(base_layer, nn.Linear | Conv1D | BaseTunerLayer):
            raise schema.BadInput(f"{type(base_layer).__name__}: bottleneck adapters need a linear layer")
        self.base_layer = base_layer
        self.place = place
        features = _get_in_out_features(self.get_base_layer())
        self.in_features: int = features[0]  # type: ignore[assignment]  # None only for layers that are not linear
        self.out_features: int = features[1]  # type: ignore[assignment]
        self.adapter_down = nn.ModuleDict()
        self.adapter_up = nn.ModuleDict()
        self.adapter_dropout = nn.ModuleDict()
        self.scaling: dict[str, float] = {}
        self.non_linearity: dict[str, Any] = {}
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config, place)

    def update_layer(self, adapter_name: str, config: BottleneckConfig, place: str) -> None:
        """Add one more adapter.

        Raises:
            schema.BadInput: the layer's other adapters stand in another place, so that they could not add up.
        """
        if place != self.place:
            raise schema.BadInput(
                f"adapter {adapter_name!r} stands at the layer's {place}, those already there at its {self.place}: "
                "load them into separate models"
            )
        before = self.out_features if place == "output" else self.in_features
        after = self.in_features if place == "input" else self.out_features
        self.adapter_down[adapter_name] = nn.Linear(before, config.bottleneck_size, bias=False)
        self.adapter_up[adapter_name] = nn.Linear(config.bottleneck_size, after, bias=False)
        self.adapter_dropout[adapter_name] = nn.Dropout(config.adapter_dropout)
        self.scaling[adapter_name] = float(config.scaling)
        self.non_linearity[adapter_name] = ACT2FN[config.non_linearity]
        self._initialise(adapter_name, config.init_weights)
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def _initialise(self, adapter_name: str, how: str) -> None:
        down, up = self.adapter_down[adapter_name].weight, self.adapter_up[adapter_name].weight
        assert isinstance(down, torch.Tensor)
        assert isinstance(up, torch.Tensor)
        if how == "bert":
            nn.init.normal_(down, std=0.02)
            nn.init.normal_(up, std=0.02)
        else:
            nn.init.kaiming_uniform_(down, a=math.sqrt(5))
            nn.init.zeros_(up)

    def _adapters(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of the active adapters' f(x), in the dtype of ``x``; shape (..., features after)."""
        total: torch.Tensor | float = 0.0
        for name in self.active_adapters:
            if name not in self.adapter_down:
                continue
            down, up = self.adapter_down[name], self.adapter_up[name]
            assert isinstance(down, nn.Linear)
            with torch.autocast(x.device.type, enabled=False):
                hidden = down(self.adapter_dropout[name](self._cast_input_dtype(x, down.weight.dtype)))
                total = total + self.scaling[name] * up(self.non_linearity[name](hidden))
        assert isinstance(total, torch.Tensor)
        return total.to(x.dtype)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Shape (..., in features) -> (..., out features)."""
        if self.disable_adapters or not any(name in self.adapter_down for name in self.active_adapters):
            return cast(torch.Tensor, self.base_layer(x, *args, **kwargs))
        if self.place == "input":
            return cast(torch.Tensor, self.base_layer(x + self._adapters(x), *args, **kwargs))
        y = cast(torch.Tensor, self.base_layer(x, *args, **kwargs))
        if self.place == "output":
            return y + self._adapters(y)
        return y + self._adapters(x).to(y.dtype)

    def __repr__(self) -> str:
        return f"bottleneck.{super().__repr__()}"
