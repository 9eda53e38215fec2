"""Bottleneck adapters (AdapterH, AdapterP, Parallel) as a tuner of PEFT; importing this package registers it."""

from .. import registration
from .config import BottleneckConfig
from .layer import BottleneckLayer
from .model import BottleneckModel

NAME = "BOTTLENECK"


def register() -> None:
    """Make PEFT know bottleneck adapters; does nothing the second time."""
    registration.register(NAME, BottleneckConfig, BottleneckModel)


register()

__all__ = ["NAME", "BottleneckConfig", "BottleneckLayer", "BottleneckModel", "register"]
