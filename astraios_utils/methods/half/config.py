"""Configuration of HFT."""

from __future__ import annotations

from dataclasses import dataclass

from peft.tuners.ln_tuning import LNTuningConfig
from peft.utils import PeftType


@dataclass
class HftConfig(LNTuningConfig):
    """Train half of each block's matrices in full and freeze the rest (Hui et al. 2024, https://arxiv.org/abs/2404.18466).

    The trained copies keep the base's precision: set ``base_precision: float32`` for small learning rates.

    Args:
        seed: of the draw, which is made for each block and each kind of layer (attention, MLP) apart.
        target_modules: full module paths to train instead of the draw's.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = PeftType("HFT")
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)  # type: ignore[assignment]  # PEFT compares sets
