"""How long a compilation may take: CPU time counts, waiting for a core does not, and a compiler that sleeps is dead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from astraios_utils.sandbox import Program
from astraios_utils.sandbox.java import compiling
from astraios_utils.sandbox.java.compiling import COMPILE_SECONDS, HUNG_SECONDS, Compilers, Task, TestCache

PID = 77


class Server:
    """A compile server that has used some CPU time and is in a state."""

    pid, served, greeted = PID, 1, True

    def __init__(self, proc: Path) -> None:
        self.used = 0.0
        self.folder = proc / str(PID) / "task" / str(PID)
        self.folder.mkdir(parents=True)
        self.now("R")

    def now(self, state: str, waited: float = 0.0) -> None:
        (self.folder / "stat").write_text(f"{PID} (java) {state} 1")
        (self.folder / "schedstat").write_text(f"0 {round(waited * 1e9)} 0")

    def cpu(self) -> float:
        return self.used

    def lower_priority(self) -> None:
        pass


class Fleet:
    """Hands out one server, and remembers what became of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.fresh: list[bool] = []
        self.ended = 0

    def take(self, role: str, fresh: bool) -> Server:
        self.fresh.append(fresh)
        return self.server

    def send(self, server: Server, body: bytes) -> None:
        pass

    def end(self, server: Server) -> None:
        self.ended += 1


@pytest.fixture
def compilation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A compilation that has begun, and a function that lets time pass in steps of a tenth of a second."""
    clock = [100.0]
    monkeypatch.setattr(compiling.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(compiling.watch, "Meter", lambda made=compiling.watch.Meter: made(proc=tmp_path))
    fleet = Fleet(Server(tmp_path))
    compilers = Compilers(fleet, TestCache(), slots=1)  # type: ignore[arg-type]
    compilers.add(Task(0, Program("java", "class Solution {}", "class Main {}")))
    compilers.start()

    def passes(seconds: float) -> None:
        for _ in range(round(10 * seconds)):
            clock[0] += 0.1
            compilers.look()

    return compilers, fleet, passes


def test_a_compiler_that_waits_for_a_core_is_not_late(compilation: Any) -> None:
    compilers, fleet, passes = compilation
    passes(100)
    fleet.server.now("S", waited=100)
    passes(1)
    assert compilers.busy()
    assert not compilers.faults
    assert not fleet.ended
    fleet.server.used = COMPILE_SECONDS
    passes(0.1)
    assert [fault for _, fault in compilers.faults] == ["javac takes longer than 5 s"]


def test_a_compiler_that_sleeps_is_replaced_once(compilation: Any) -> None:
    compilers, fleet, passes = compilation
    fleet.server.now("S")
    passes(HUNG_SECONDS + 1)
    assert fleet.ended == 1
    compilers.start()
    assert fleet.fresh == [False, True]
    passes(HUNG_SECONDS + 1)
    assert [fault for _, fault in compilers.faults] == ["the compiler gave no answer"]
