"""Scaling and shifting of features (SSF) as a tuner of PEFT; importing this package registers it."""

from .. import registration
from .config import SsfConfig
from .layer import SsfLayer
from .model import SsfModel

registration.register("SSF", SsfConfig, SsfModel)

__all__ = ["SsfConfig", "SsfLayer", "SsfModel"]
