"""Processes from outside: do they wait, how much memory do they hold, how much is free, who goes first."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LOWER_BY = 10  # of nice; a tenth of a core against a process of the original priority
LONGEST_GAP = 0.15  # seconds between two looks that count; after a longer one, the scorer itself was kept from running


def lower_priority(group: int) -> None:
    """Let the processes of a group run mostly when the owner, and what it starts, leave the processor free."""
    with contextlib.suppress(OSError):  # they may end at this moment; without it they are only less polite
        os.setpriority(os.PRIO_PGRP, group, min(19, os.getpriority(os.PRIO_PROCESS, 0) + LOWER_BY))


@dataclass(frozen=True, slots=True)
class _Thread:
    """What the kernel reports of a thread.

    Attributes:
        state: ``R`` for one that runs or is ready to run, ``D`` for one that waits for a disk.
        waited: seconds in which it was ready to run and had no core.
    """

    state: str
    waited: float


def _numbers(pid: int, proc: Path) -> list[str]:
    """The threads of a process; none where it is gone or cannot be seen."""
    try:
        return os.listdir(proc / str(pid) / "task")
    except OSError:
        return []


def _state(folder: Path) -> str:
    """Of a thread; empty for one that has ended."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _threads(pid: int, proc: Path) -> dict[Path, _Thread]:
    found = {}
    for number in _numbers(pid, proc):
        folder, waited = proc / str(pid) / "task" / number, 0
        with contextlib.suppress(OSError, IndexError, ValueError):  # a kernel that keeps no such account
            waited = int((folder / "schedstat").read_text().split()[1])
        if state := _state(folder):
            found[folder] = _Thread(state, waited * 1e-9)
    return found


@dataclass(slots=True)
class Meter:
    """Measures what a program would have needed with the machine to itself: its CPU time and its sleep.

    A program that waits for a core is not late, so wall time is not counted.  Sleep is what remains of a stretch of
    time after what its threads ran and waited for a core.  The kernel adds a wait to its account when the wait ends, so
    that a stretch ends at a look at which no thread is ready to run.

    Attributes:
        cpu: CPU seconds so far, also of processes that have ended since.
        idle: seconds of sleep so far.
        threads: how many there were at the last look, in the process that has the most.
        proc: the folder where the kernel reports.
    """

    cpu: float = 0.0
    idle: float = 0.0
    threads: int = 0
    proc: Path = Path("/proc")
    _at: float = math.nan  # the last look
    _known: dict[Path, _Thread] = field(default_factory=dict)  # when this stretch began
    _ready: set[Path] = field(default_factory=set)  # threads that were ready to run at a look since
    _left: float = 0.0  # seconds of this stretch without the CPU time and without what was lost

    def own(self) -> float:
        """Seconds that the program would have taken with the machine to itself."""
        return self.cpu + self.idle

    def look(self, pids: Iterable[int], now: float, cpu: float, lost: float = 0.0) -> None:
        """Take in what has happened since the last look; the first look begins a stretch.

        Args:
            pids: the program's processes.
            now: seconds of a clock that does not jump.
            cpu: CPU seconds of its living processes so far.
            lost: seconds since the last look in which this process had no core, so that threads of the program which
                have come and gone may have had none either; or in which the program may have waited for this process.
        """
        pids, used, first = list(pids), max(0.0, cpu - self.cpu), math.isnan(self._at)
        gap = 0.0 if first else now - self._at
        self._at, self.cpu = now, self.cpu + used
        self._left += min(max(0.0, gap - lost), LONGEST_GAP) - used
        self.threads = max((len(_numbers(pid, self.proc)) for pid in pids), default=0)
        # Looking at all threads has its price, a JVM has many: most programs compute, or wait as at the last look.
        if not first and (used > gap / 2 or any(_state(folder) == "R" for folder in self._ready)):
            return
        seen = {folder: thread for pid in pids for folder, thread in _threads(pid, self.proc).items()}
        self._ready |= {folder for folder, thread in seen.items() if thread.state == "R"}
        if not first and any(thread.state == "R" for thread in seen.values()):
            return
        processes = {self.proc / str(pid) / "task" / str(pid) for pid in pids}
        ended = (self._ready | (self._known.keys() & processes)) - seen.keys()  # and with them how long they waited
        if not (first or ended or any(thread.state == "D" for thread in seen.values())):
            before = {folder: thread.waited for folder, thread in self._known.items()}
            waited = sum(thread.waited - before.get(folder, 0.0) for folder, thread in seen.items())
            self.idle += max(0.0, self._left - waited)
        self._known, self._ready, self._left = seen, set(), 0.0


def waited_seconds() -> float:
    """Seconds in which the calling thread was ready to run and had no core; 0 where the kernel does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0


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
