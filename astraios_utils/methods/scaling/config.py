"""Configuration of SSF."""

from __future__ import annotations

from dataclasses import dataclass

from peft.config import PeftConfig
from peft.utils import PeftType


@dataclass
class SsfConfig(PeftConfig):
    """Scale and shift the output of chosen layers (Lian et al. 2022, https://arxiv.org/abs/2210.08823).

    Args:
        target_modules: ends of module paths (or a regular expression for the whole path) of linear and normalisation
            layers; by default all linear layers of the blocks.
        exclude_modules: the same, for layers to leave alone.
        init_weights: start as the base (scale 1, shift 0); otherwise from scale N(1, 0.02) and shift N(0, 0.02), which
            is what the paper does.
        modules_to_save: modules to train and save in full.
    """

    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    init_weights: bool = True
    modules_to_save: list[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = PeftType("SSF")
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)  # type: ignore[assignment]  # PEFT compares sets
        if isinstance(self.exclude_modules, list):
            self.exclude_modules = set(self.exclude_modules)  # type: ignore[assignment]
