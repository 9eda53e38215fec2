"""What a program would have needed with the machine to itself, from what the kernel reports of its threads."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from astraios_utils.sandbox.kernel import linux
from astraios_utils.sandbox.python.watch import LONGEST_GAP, Meter, waited_seconds

MAIN, WORKER, TESTER = 11, 12, 10


@dataclass
class Kernel:
    """A ``/proc`` of our own, and a meter that reads it every tenth of a second."""

    folder: Path
    now: float = 100.0
    cpu: float = 0.0
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self.meter.proc = self.folder
        self.thread(TESTER, TESTER, "S")
        self.thread(MAIN, MAIN, "S")
        self.look()

    def thread(self, pid: int, number: int, state: str, waited: float = 0.0) -> None:
        folder = self.folder / str(pid) / "task" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(f"{number} (a (name) R) {state} 1 2 3")
        (folder / "schedstat").write_text(f"123 {round(waited * 1e9)} 7")

    def end(self, pid: int, number: int) -> None:
        folder = self.folder / str(pid) / "task" / str(number)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def look(self, seconds: float = 0.1, used: float = 0.0, lost: float = 0.0) -> None:
        self.now += seconds
        self.cpu += used
        self.meter.look((TESTER, MAIN), self.now, self.cpu, lost)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_sleep_counts_and_computing_does_not_count_twice(kernel: Kernel) -> None:
    for _ in range(10):
        kernel.look()
    assert kernel.meter.idle == pytest.approx(1.0)
    for _ in range(10):  # a program that computes for 0.08 s, and sleeps for 0.02
        kernel.look(used=0.08)
    kernel.look(used=0.02)
    assert kernel.meter.cpu == pytest.approx(0.82)
    assert kernel.meter.own() == pytest.approx(2.1)


def test_a_wait_for_a_core_is_no_sleep(kernel: Kernel) -> None:
    kernel.thread(MAIN, MAIN, "R")
    for _ in range(50):  # the kernel adds the wait to its account when it is over
        kernel.look()
    assert kernel.meter.own() == 0
    kernel.thread(MAIN, MAIN, "S", waited=5.0)
    kernel.look()
    assert kernel.meter.idle == pytest.approx(0.1)


def test_waits_between_two_looks_are_no_sleep(kernel: Kernel) -> None:
    for count in range(1, 11):  # ready for 0.09 s of each 0.1, and never seen so
        kernel.thread(MAIN, MAIN, "S", waited=0.09 * count)
        kernel.look()
    assert kernel.meter.idle == pytest.approx(0.1)


def test_a_thread_that_waits_for_a_core_is_the_program_that_waits(kernel: Kernel) -> None:
    kernel.thread(MAIN, WORKER, "R")  # while the main thread waits for it
    for _ in range(50):
        kernel.look()
    kernel.thread(MAIN, WORKER, "S", waited=4.9)
    kernel.look()
    assert kernel.meter.idle == pytest.approx(0.2)
    assert kernel.meter.threads == 2


def test_a_thread_that_has_ended_takes_its_account_with_it(kernel: Kernel) -> None:
    kernel.thread(MAIN, WORKER, "R")
    for _ in range(50):
        kernel.look()
    kernel.end(MAIN, WORKER)
    kernel.look()
    assert kernel.meter.idle == 0
    kernel.look()
    assert kernel.meter.idle == pytest.approx(0.1)


def test_a_wait_for_a_disk_is_the_machines(kernel: Kernel) -> None:
    kernel.thread(TESTER, TESTER, "D")
    for _ in range(50):
        kernel.look()
    assert kernel.meter.own() == 0


def test_a_process_that_has_ended_keeps_what_it_used(kernel: Kernel) -> None:
    kernel.look(used=0.3)
    kernel.end(MAIN, MAIN)
    kernel.thread(TESTER, TESTER, "R")  # it has its verdict, and waits for a core to report it
    kernel.cpu = 0.01
    for _ in range(50):
        kernel.look()
    assert kernel.meter.own() == pytest.approx(0.3)


def test_time_in_which_the_scorer_was_stopped_or_answered_does_not_count(kernel: Kernel) -> None:
    kernel.look(1000.0)
    assert kernel.meter.idle == pytest.approx(LONGEST_GAP)
    kernel.look(0.1, lost=0.08)
    assert kernel.meter.idle == pytest.approx(LONGEST_GAP + 0.02)
    kernel.look(10.0, lost=9.9)  # a scorer that has a core one time in a hundred still counts a sleeper's time
    assert kernel.meter.idle == pytest.approx(LONGEST_GAP + 0.12)


def test_a_stopped_process_sleeps(kernel: Kernel) -> None:
    kernel.thread(MAIN, MAIN, "T")  # a sample may stop itself
    kernel.look()
    assert kernel.meter.idle == pytest.approx(0.1)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not report waits for a core")
def test_this_kernel_reports_as_the_meter_reads() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    meter, deadline = Meter(), time.monotonic() + 60
    while meter.idle == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
        meter.look((child.pid,), time.monotonic(), linux.cpu_seconds(child.pid))
    child.communicate(b"\n")
    assert meter.threads == 1
    assert meter.idle > 0


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not report waits for a core")
def test_this_thread_s_own_waits_are_known() -> None:
    before = waited_seconds()
    assert 0 <= before <= waited_seconds()
