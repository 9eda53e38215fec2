"""What benchmarks/training.py derives: model operations per token, and which runs stand side by side."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from astraios_utils import models

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "training.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("method", "trained", "own"),
    [
        ("FFT", 1_137_207_296, 2 * (1_137_207_296 - 8192 * 2048)),  # the gradients of all matrices
        ("LoRA", 3_588_096, 6 * 3_588_096),  # run forward, and twice backward
        ("P-Tuning", 12_650_496, 0),  # its encoder runs for 30 tokens of a sequence, not for each
    ],
)
def test_operations_per_token(benchmark: ModuleType, method: str, trained: int, own: int) -> None:
    # 1B: 1,137,207,296 parameters, of which 8192 x 2048 are positions; 24 layers; sequences of 2048.
    config = models.starcoder_config("1B")
    counted = benchmark.operations_per_token(config, 2048, method, trained, 1_137_207_296)
    assert counted == 4 * (1_137_207_296 - 8192 * 2048) + own + 12 * 24 * 2048 * 2048


def test_utilisation_is_not_made_up(benchmark: ModuleType) -> None:
    assert benchmark.peak_operations(0.5) == 0.5e12
    if not benchmark.CUDA:
        assert math.isnan(benchmark.peak_operations(None))
    assert benchmark.number(math.nan, ".1f") == "-"
