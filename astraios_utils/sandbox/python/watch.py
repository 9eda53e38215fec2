"""Processes from outside: do they wait, how much memory do they hold, how much is free, who goes first."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

LOWER_BY = 10  # of nice; a tenth of a core against a process of the original priority


def lower_priority(group: int) -> None:
    """Let the processes of a group run mostly when the owner, and what it starts, leave the processor free."""
    with contextlib.suppress(OSError):  # they may end at this moment; without it they are only less polite
        os.setpriority(os.PRIO_PGRP, group, min(19, os.getpriority(os.PRIO_PROCESS, 0) + LOWER_BY))


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process has done.

    Attributes:
        threads: how many it has.
        delay: seconds that its first thread was ready to run and had no core.
    """

    threads: int
    delay: float


def activity(pid: int) -> Activity | None:
    """The activity of a process; ``None`` where it cannot be known."""
    try:
        threads = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[17])
        return Activity(threads, int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) * 1e-9)
    except (OSError, IndexError, ValueError):
        return None


def waits(pid: int) -> bool:
    """Whether every thread of a process is in an interruptible wait; False where that cannot be known."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        stats = [Path(f"/proc/{pid}/task/{thread}/stat").read_text() for thread in threads]
        return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)
    except (OSError, IndexError):
        return False


def resident_bytes(pid: int) -> int:
    """Bytes of memory that a process shares with no file; 0 where unknown."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def available_bytes() -> float:
    """Bytes that programs could take without swapping; infinite where unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), math.inf)
