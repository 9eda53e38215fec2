"""Bottleneck adapters (AdapterH, AdapterP, Parallel) as a tuner of PEFT; importing this package registers it."""

from .config import BottleneckConfig
from .layer import BottleneckLayer
from .model import BottleneckModel
from .registration import register

register()

__all__ = ["BottleneckConfig", "BottleneckLayer", "BottleneckModel", "register"]
