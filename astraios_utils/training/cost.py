"""What a training run costs: time, memory of host and GPU, energy where the machine lets it be read."""

from __future__ import annotations

import contextlib
import math
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RAPL = Path("/sys/class/powercap")
_MIB = 1 << 20


def _gpu_joules() -> float:
    """What the GPU has used since its driver was loaded, in joules; NaN where NVML or the counter is missing."""
    try:
        import pynvml  # type: ignore[import-not-found]  # nvidia-ml-py: where a user has it
    except ImportError:
        return math.nan
    import torch

    if not torch.cuda.is_available():
        return math.nan
    try:
        pynvml.nvmlInit()
        device = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties().uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(device)) / 1000
    except pynvml.NVMLError:
        return math.nan


def _cpu_joules() -> float:
    """What the processor packages have used, in joules, by Intel's and AMD's counters; NaN where they are closed."""
    total = math.nan
    for path in sorted(_RAPL.glob("intel-rapl:[0-9]/energy_uj")):
        with contextlib.suppress(OSError, ValueError):
            total = (0 if math.isnan(total) else total) + int(path.read_text()) / 1e6
    return total


@dataclass
class Meter:
    """Counts tokens and seconds of optimiser steps, and samples memory.

    Attributes:
        tokens: seen in optimiser steps; ``seconds``: those steps' wall time, without tests, saving and loading.
    """

    tokens: int = 0
    seconds: float = 0.0
    _samples: list[int] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)
    _energy: tuple[float, float] = field(default_factory=lambda: (_gpu_joules(), _cpu_joules()))

    def __post_init__(self) -> None:
        import torch

        self._cuda = torch.cuda.is_available()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()

    def step(self, tokens: int, seconds: float) -> None:
        """Count one optimiser step."""
        self.tokens += tokens
        self.seconds += seconds

    def sample(self) -> None:
        """Look at the GPU's memory now (allocated by tensors; the caching allocator's reserve is not counted)."""
        if self._cuda:
            import torch

            self._samples.append(torch.cuda.memory_allocated())

    @property
    def rate(self) -> float:
        """Tokens per second of optimiser steps; NaN before the first."""
        return self.tokens / self.seconds if self.seconds else math.nan

    def record(self) -> dict[str, Any]:
        """Plain numbers for the run's file; ``None`` where this machine cannot tell."""
        import torch

        gpu, cpu = _gpu_joules() - self._energy[0], _cpu_joules() - self._energy[1]
        average = sum(self._samples) / len(self._samples) / _MIB if self._samples else None
        return {
            "tokens": self.tokens,
            "tokens_per_second": None if math.isnan(self.rate) else round(self.rate, 1),
            "step_seconds": round(self.seconds, 3),
            "wall_seconds": round(time.perf_counter() - self._began, 3),
            "host_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "gpu": torch.cuda.get_device_name() if self._cuda else None,
            "gpu_average_mib": None if average is None else round(average),
            "gpu_peak_mib": torch.cuda.max_memory_allocated() // _MIB if self._cuda else None,
            "gpu_reserved_mib": torch.cuda.max_memory_reserved() // _MIB if self._cuda else None,
            "gpu_joules": None if math.isnan(gpu) else round(gpu, 1),
            "cpu_joules": None if math.isnan(cpu) else round(cpu, 1),
        }
