"""Half fine-tuning (HFT) as a tuner of PEFT; importing this package registers it."""

from .. import registration
from .config import HftConfig
from .model import HftModel, chosen_half

registration.register("HFT", HftConfig, HftModel)

__all__ = ["HftConfig", "HftModel", "chosen_half"]
