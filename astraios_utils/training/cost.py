"""What a training run costs: time, memory of host and GPU, energy where the machine lets it be read.

A run that was killed and continued costs what its parts cost together, up to the checkpoint that it continued from: the
work after it was lost, and is not counted.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import store

_RAPL = Path("/sys/class/powercap")
_PROCESS = Path("/proc/self")
_MIB = 1 << 20
SMALLEST_PEAK = 64  # MiB above the loaded base; below, what the process held before decides, not the training


def _gpu_joules() -> float:
    """What the GPU has used since its driver was loaded, in joules; NaN where NVML or the counter is missing."""
    try:
        import pynvml  # nvidia-ml-py: where a user has it
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


class CpuEnergy:
    """Joules of the processor packages by Intel's and AMD's counters (RAPL), which wrap around within an hour or so.

    Attributes:
        joules: used between this object's making and its last :meth:`read`; NaN where the counters are closed.
    """

    def __init__(self, folder: Path = _RAPL) -> None:
        self._zones: dict[Path, tuple[int, int]] = {}  # counter -> its range and its last value, in microjoules
        with contextlib.suppress(OSError, ValueError):
            for zone in sorted(folder.glob("intel-rapl:[0-9]")):
                if (zone / "name").read_text().startswith("package"):
                    span, now = (int((zone / name).read_text()) for name in ("max_energy_range_uj", "energy_uj"))
                    self._zones[zone / "energy_uj"] = (span, now)
        self.joules = 0.0 if self._zones else math.nan

    def read(self) -> float:
        """Bring :attr:`joules` up to date; exact where it is called more often than the counters wrap around."""
        for path, (span, before) in self._zones.items():
            try:
                now = int(path.read_text())
            except (OSError, ValueError):
                now, self.joules = before, math.nan
            self.joules += ((now - before) % (span + 1)) / 1e6
            self._zones[path] = (span, now)
        return self.joules


def _give_back() -> None:
    """Return freed memory to the system where the C library can (glibc); kept, it would hide what is taken next."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def reset_host_peak() -> None:
    """Let the peak start from what is held now, so that one run of several does not show the largest one's."""
    _give_back()
    with contextlib.suppress(OSError):  # Linux alone can; elsewhere the peak is the process's
        (_PROCESS / "clear_refs").write_text("5")


def host_free() -> int:
    """Bytes of host memory that programs can still take without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux: all memory that there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def host_resident_mib() -> int | None:
    """Memory that the process holds now, in MiB; ``None`` where the system does not say."""
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024
    except (OSError, StopIteration):
        return None


def _sum(*values: float | None) -> float | None:
    return None if any(value is None or math.isnan(value) for value in values) else sum(v or 0.0 for v in values)


def _most(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


class Meter:
    """Counts tokens and seconds of optimiser steps, samples memory, and adds what the run's earlier part cost.

    Args:
        before: what :meth:`record` gave when the checkpoint that the run continues from was written.

    Attributes:
        tokens: seen in optimiser steps; ``seconds``: those steps' wall time, without tests, saving and loading.
    """

    def __init__(self, before: Mapping[str, Any] | None = None) -> None:
        import torch

        self._before = dict(before or {})
        self.tokens, self.seconds = 0, 0.0
        self._sampled, self._samples = 0, 0  # bytes, and how often
        self._began = time.perf_counter()
        self._gpu, self._cpu = _gpu_joules(), CpuEnergy()
        self._loaded: int | None = None  # MiB of host memory with the base loaded
        self._cuda = torch.cuda.is_available()
        reset_host_peak()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()

    def loaded(self) -> None:
        """Note that the base has been loaded: what training takes is the peak above this."""
        reset_host_peak()
        self._loaded = host_resident_mib()

    def step(self, tokens: int, seconds: float) -> None:
        """Count one optimiser step."""
        self.tokens += tokens
        self.seconds += seconds
        self._cpu.read()

    def sample(self) -> None:
        """Look at the GPU's memory now (allocated by tensors; the caching allocator's reserve is not counted)."""
        if self._cuda:
            import torch

            self._sampled += torch.cuda.memory_allocated()
            self._samples += 1

    @property
    def rate(self) -> float:
        """Tokens per second of optimiser steps since the run's start or continuation; NaN before the first."""
        return self.tokens / self.seconds if self.seconds else math.nan

    def _gpu_memory(self) -> dict[str, int | None]:
        if not self._cuda:
            return {"gpu_average_mib": None, "gpu_peak_mib": None, "gpu_reserved_mib": None, "gpu_samples": 0}
        import torch

        before, samples = self._before.get("gpu_samples", 0), self._samples
        sampled = self._sampled / _MIB + before * (self._before.get("gpu_average_mib") or 0)
        return {
            "gpu_average_mib": round(sampled / (before + samples)) if before + samples else None,
            "gpu_peak_mib": _most(self._before.get("gpu_peak_mib"), torch.cuda.max_memory_allocated() // _MIB),
            "gpu_reserved_mib": _most(self._before.get("gpu_reserved_mib"), torch.cuda.max_memory_reserved() // _MIB),
            "gpu_samples": before + samples,
        }

    def record(self) -> dict[str, Any]:
        """Plain numbers for the run's file; ``None`` where this machine cannot tell."""
        import torch

        def whole(name: str, here: float, digits: int) -> float | None:
            total = _sum(self._before.get(name, 0.0), here)
            return None if total is None else round(total, digits)

        peak = store.peak_memory_mib()
        above = None if self._loaded is None else max(0, peak - self._loaded)
        tokens = self._before.get("tokens", 0) + self.tokens
        seconds = self._before.get("step_seconds", 0.0) + self.seconds
        return {
            "tokens": tokens,
            "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
            "step_seconds": round(seconds, 3),
            "wall_seconds": whole("wall_seconds", time.perf_counter() - self._began, 3),
            "host_peak_mib": _most(self._before.get("host_peak_mib"), peak),
            "host_peak_above_base_mib": _most(self._before.get("host_peak_above_base_mib"), above),
            "gpu": torch.cuda.get_device_name() if self._cuda else None,
            **self._gpu_memory(),
            "gpu_joules": whole("gpu_joules", _gpu_joules() - self._gpu, 1),
            "cpu_joules": whole("cpu_joules", self._cpu.read(), 1),
        }
