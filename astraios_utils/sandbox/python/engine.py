"""The Python engine: starts programs, watches their clocks, and gives the verdicts.

**Verdicts are the protocol's**, whose limit is wall time on a machine with nothing else to do, while here many programs
share the cores.  The rule, with `limit` the program's own and `patience` the engine's (both in seconds):

1. A program has a *slot* (there are as many as workers) for its first 0.2 seconds.  If it then still runs it becomes a
   *suspect*: it leaves its slot to the next program, is lowered in priority, and goes on running.  One that has more
   than `MANY_THREADS` threads is stopped, and judged alone (rule 4).
2. A program that ends within `limit` of wall time keeps its verdict.
3. A suspect that has run for `limit` of wall time *and* has had three quarters of that much CPU time is a timeout.  If
   it was last seen in a ``while`` loop (`witness`), `patience` seconds of CPU time are enough.  One that has not had
   them yet goes on until it has, or until CPU time and sleep together have reached `limit` (`watch.Meter`): a program
   that sleeps gets no more than its limit.  A loop that is proved never to end (`endless`) is a timeout at once.
4. A program that ends after `limit`, or that is stopped to make room, is judged again *alone*: when nothing else runs,
   one program per core and each held to its core.  There it is a timeout if CPU time and sleep together have reached
   `limit`, however long the rest of the machine has kept it from running.

A program whose processes the machine has not got round to starting is not late, and keeps its slot.  Where the machine
has no room for another process, starting waits.

So a busy machine can change a verdict only for a program that needs more CPU time than rule 3 asks for and less than
`limit`.  ``patience >= limit`` (the strict mode) closes that gap, at the price of `limit` seconds of CPU time for each
suspect.  Of the 103,490 distinct programs of the released files that end, five used more than 0.6 seconds, none of them
in a ``while`` loop; the longest, in a ``for`` loop, 2.9.

**What cannot be judged in two processes is judged in one.**  A program that does not pass, and whose test needs what
cannot cross (`needs`, `tester`), runs again: sample and test in the sample's process, as confined as before.  The
verdict's detail then begins with ``in one process``, since there a sample can forge it.  A program that passes although
its test needs what cannot cross, or for which objects of the sample's crossed, must pass so as well; its verdict is
then the one of two processes.
"""

from __future__ import annotations

import heapq
import importlib.util
import json
import math
import os
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..kernel import linux
from ..kernel.levels import FULL, WEAK, Level, SandboxError
from ..types import ERROR, PASSED, TIMEOUT, Outcome, Program
from . import needs, watch
from .limits import MAX_SOURCE, PATIENCE, SUBJECT_MEMORY
from .zygote import COMMAND, Settings

BOUNDED_SHARE = 0.75  # of its limit that a program which is in no ``while`` loop has had as CPU time
SLOT_SECONDS = 0.2  # wall time after which a program becomes a suspect
TICK = 0.05  # seconds between two looks at the clocks of suspects
MANY_THREADS = 4  # of a suspect; one that has more would take its neighbours' time
FULL_MACHINE_SECONDS = 60.0  # how long starting is tried on a machine that has no room for a process
FULL_MACHINE_PAUSE = 0.1  # seconds between two attempts
MAX_RESTARTS = 3  # of one program whose processes died without its own doing
MEMORY_SHARE = 0.4  # of the memory that is free at the start, for all suspects together
_SO_PASSCRED = getattr(socket, "SO_PASSCRED", None)
_CREDENTIALS = struct.Struct("3i")
_SYSTEM_PATHS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")


@dataclass(slots=True, eq=False)
class _Task:
    """A program on its way to a verdict."""

    index: int
    program: Program
    restarts: int = 0
    together: bool = False  # whether sample and test are to run in one process
    passed: Outcome | None = None  # of two processes, where one has to confirm it


@dataclass(slots=True, eq=False)
class _Running:
    """A program that has processes.

    Attributes:
        number: by which the zygote knows it; `generation`: which zygote that is.
        tester, subject: pids as seen from here; 0 until known.
        unbounded: whether the sample was last seen in a loop that nothing bounds.
        endless: whether that loop has been proved never to end.
        meter: what it would have needed with the machine to itself; `scorer_waited` is this process's wait until then.
        core: the one that it must stay on; -1: any.
        outgoing: what of its job has still to be written; `incoming` is what has come back.
    """

    task: _Task
    number: int
    generation: int
    channel: socket.socket
    outgoing: memoryview
    started: float
    alone: bool
    core: int = -1
    tester: int = 0
    subject: int = 0
    incoming: bytearray = field(default_factory=bytearray)
    suspect: bool = False
    lowered: bool = False
    unbounded: bool = False
    endless: bool = False
    meter: watch.Meter = field(default_factory=watch.Meter)
    scorer_waited: float = 0.0

    @property
    def begun(self) -> bool:
        """Whether both processes are there; where the platform does not tell, they are taken to be."""
        return _SO_PASSCRED is None or bool(self.tester and self.subject)

    def cpu(self) -> float:
        """CPU seconds so far of both processes, without one that has ended; NaN where the platform does not tell."""
        if not self.tester or not self.subject:
            return math.nan
        used = (linux.cpu_seconds(self.tester), linux.cpu_seconds(self.subject))
        return sum(seconds for seconds in used if not math.isnan(seconds))

    def wall(self) -> float:
        return time.monotonic() - self.started

    def measure(self) -> None:
        """Look at what it does; until it has its job, it waits for this process."""
        cpu, waited = self.cpu(), watch.waited_seconds()
        if not (self.outgoing or math.isnan(cpu)):
            self.meter.look((self.tester, self.subject), time.monotonic(), cpu, waited - self.scorer_waited)
        self.scorer_waited = waited


class PythonEngine:
    """Runs Python programs.

    Args:
        level: how they are isolated.
        workers: programs that have a slot at the same time.
        patience: CPU seconds that a suspect has had before it may be called a timeout.
        suspects: how many there may be at once; beyond that, programs keep their slots.
        memory: bytes of address space of one sample.

    Raises:
        SandboxError: (at the first run) the zygote could not be set up.
    """

    def __init__(
        self,
        level: Level,
        workers: int,
        patience: float = PATIENCE,
        suspects: int = 64,
        memory: int = SUBJECT_MEMORY,
    ) -> None:
        self.level = level
        self.workers = workers
        self.patience = patience
        self.max_suspects = suspects
        self.memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._learnt: set[str] = set()
        self._scratch: str | None = None
        self._next_number = 0
        self.generation = 0  # of the zygote: how many have been started

    # ------------------------------------------------------------ the zygote

    def _settings(self) -> Settings:
        found = importlib.util.find_spec("numpy")
        if found is None or found.origin is None:
            raise SandboxError("numpy is not installed: the import block of the protocol needs it")
        numpy = os.path.dirname(os.path.realpath(found.origin))
        stdlib = sysconfig.get_path("stdlib")
        dynamic = sysconfig.get_config_var("DESTSHARED") or os.path.join(stdlib, "lib-dynload")
        library = sysconfig.get_config_var("LIBDIR") or ""
        libraries = [str(path) for path in Path(library).glob("libpython*")] if library else []
        paths = (stdlib, dynamic, *libraries, numpy, f"{numpy}.libs", *_SYSTEM_PATHS)
        paths = tuple(dict.fromkeys(path for name in paths for path in (name, os.path.realpath(name))))
        if self.level.name == WEAK and self._scratch is None:
            self._scratch = tempfile.mkdtemp(prefix="astraios-sandbox-")
        scratch = self._scratch or ("/tmp" if self.level.name == FULL else "/")
        return Settings(self.level.name, paths, (stdlib, dynamic), self.memory, scratch, numpy)

    def _start_zygote(self) -> socket.socket:
        settings = self._settings()
        ours, theirs = socket.socketpair()
        package = str(Path(__file__).resolve().parents[3])
        numpy = os.path.dirname(settings.numpy)
        boot = f"import sys; sys.path += {[package, numpy]!r}; from astraios_utils.sandbox.python import zygote; "
        command = [sys.executable, "-s", "-S", "-P", "-B", "-c", boot + "zygote.main(sys.argv[1:])"]
        # A fixed hash seed makes the order of sets, and with it a few verdicts, the same on every run.
        environment = {
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PATH": "/usr/bin:/bin",
        }
        environment |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        if "LD_LIBRARY_PATH" in os.environ:
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        self._process = subprocess.Popen(
            [*command, str(theirs.fileno()), json.dumps(asdict(settings))],
            pass_fds=[theirs.fileno()],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        greeting = ours.recv(1100)
        if greeting != b"+":
            ours.close()
            self._process.wait()
            reason = greeting[1:].decode(errors="replace") or "it died while it started"
            raise SandboxError(f"cannot start the sandbox's Python ({self.level.name} isolation): {reason}")
        self._control = ours
        self._learnt = set()
        self.generation += 1
        return ours

    def _command(
        self, letter: bytes, number: int, payload: bytes = b"", descriptor: int | None = None, core: int = -1
    ) -> None:
        """Raises `OSError` when the zygote is gone."""
        if self._control is None:
            self._control = self._start_zygote()
        head = COMMAND.pack(letter, number, core)
        if descriptor is None:
            self._control.sendall(head + payload)
        else:
            socket.send_fds(self._control, [head], [descriptor])

    def zygote_alive(self) -> bool:
        """Whether the zygote's end of the control socket is open."""
        if self._control is None:
            return False
        try:
            self._control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False  # end of file: it never says anything once it serves

    def close(self) -> None:
        """End every process and remove what the weak level wrote."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    # ------------------------------------------------------------ programs

    def start(self, task: _Task, alone: bool, core: int = -1) -> _Running:
        """Fork the processes of one program and queue its job for them."""
        program = task.program
        job: dict[str, Any] = {"preamble": program.preamble, "sample": program.sample, "test": program.test}
        job |= {"timeout": program.timeout, "together": task.together, "entry_point": program.entry_point}
        body = json.dumps(job).encode()
        ours, theirs = socket.socketpair()
        if _SO_PASSCRED is not None:
            ours.setsockopt(socket.SOL_SOCKET, _SO_PASSCRED, 1)
        try:
            for attempt in range(MAX_RESTARTS):
                try:
                    self._fork(program.preamble, theirs.fileno(), core)
                    break
                except OSError:
                    self.close()
                    if attempt == MAX_RESTARTS - 1:
                        raise SandboxError("the sandbox's Python dies as soon as it starts") from None
        finally:
            theirs.close()
        ours.setblocking(False)
        outgoing = memoryview(len(body).to_bytes(4, "big") + body)
        return _Running(task, self._next_number, self.generation, ours, outgoing, time.monotonic(), alone, core)

    def _fork(self, preamble: str, descriptor: int, core: int) -> None:
        if preamble not in self._learnt and len(self._learnt) < 64:
            encoded = preamble.encode(errors="replace")
            self._command(b"P", len(encoded), encoded)
            self._learnt.add(preamble)
        self._next_number += 1
        self._command(b"R", self._next_number, descriptor=descriptor, core=core)

    def kill(self, running: _Running) -> None:
        """End a program's processes; the kernel ends those that they have started."""
        if self._control is not None:  # else a new zygote would be started, to kill what it does not know
            with suppress(OSError):
                self._command(b"K", running.number)
        running.channel.close()

    def run(self, programs: Iterable[tuple[int, Program]]) -> Iterator[tuple[int, Outcome]]:
        """See `pool.Engine`."""
        run = _Run(self, iter(programs))
        try:
            while not run.finished():
                yield from run.step()
        finally:
            run.abandon()


class _Run:
    """One call of `PythonEngine.run`: which programs wait, run, or are to be judged alone."""

    def __init__(self, engine: PythonEngine, source: Iterator[tuple[int, Program]]) -> None:
        self._engine = engine
        self._source: Iterator[tuple[int, Program]] | None = source
        self._again: deque[_Task] = deque()  # to be started again
        self._later: deque[_Task] = deque()  # to be judged alone
        self._running: set[_Running] = set()
        self._selector = selectors.DefaultSelector()
        self._last_tick = 0.0
        self._memory = MEMORY_SHARE * watch.available_bytes()
        self._pinned = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._cores = len(self._pinned) or os.cpu_count() or 1
        self._full_since = math.inf  # since when the machine has had no room for a process
        self._not_before = 0.0  # when the next program may be started

    def finished(self) -> bool:
        return self._source is None and not (self._again or self._later or self._running)

    def abandon(self) -> None:
        """Kill what still runs."""
        for running in self._running:
            self._engine.kill(running)
        self._running.clear()
        self._selector.close()

    def step(self) -> list[tuple[int, Outcome]]:
        """Start what there is room for, wait for something to happen, return what has finished."""
        outcomes = self._fill()
        if self._running or time.monotonic() < self._not_before:
            for key, events in self._selector.select(self._pause()):
                outcomes += self._handle(key.data, events)
        now = time.monotonic()
        if now - self._last_tick >= TICK:
            self._last_tick = now
            alive = self._engine.generation if self._engine.zygote_alive() else -1
            for running in [r for r in self._running if r.generation != alive]:
                outcomes += self._died(running)  # with its zygote; its channel tells as well, but perhaps not yet
            for running in list(self._running):
                outcomes += self._look(running)
            self._spare_memory()
        return outcomes

    def _pause(self) -> float:
        return max(0.0, self._last_tick + TICK - time.monotonic())

    # ------------------------------------------------------------ starting

    def _fill(self) -> list[tuple[int, Outcome]]:
        """Start what there is room for; the verdicts are of programs that are too large to be started."""
        outcomes: list[tuple[int, Outcome]] = []
        if time.monotonic() < self._not_before:
            return outcomes
        alone = sum(running.alone for running in self._running)
        if alone == 0:
            busy = sum(not running.suspect for running in self._running)
            while busy < self._engine.workers and (task := self._next()) is not None:
                if _too_large(task.program):
                    outcomes.append((task.index, Outcome(ERROR, f"the sample is larger than {MAX_SOURCE} bytes", 0, 0)))
                    continue
                self._start(task, alone=False)
                busy += 1
        if self._source is None and not self._again and len(self._running) == alone:
            while self._later and alone < min(self._engine.workers, self._cores):
                self._start(self._later.popleft(), alone=True)
                alone += 1
        return outcomes

    def _next(self) -> _Task | None:
        if self._again:
            return self._again.popleft()
        if self._source is not None:
            for index, program in self._source:
                return _Task(index, program)
            self._source = None
        return None

    def _start(self, task: _Task, alone: bool) -> None:
        free = [core for core in self._pinned if core not in {running.core for running in self._running}]
        running = self._engine.start(task, alone, free[0] if alone and free else -1)
        self._running.add(running)
        self._selector.register(running.channel, selectors.EVENT_READ | selectors.EVENT_WRITE, running)

    def _try_later(self, running: _Running, reason: str) -> None:
        """The machine had no room for the program's processes: start it again when there may be some.

        Raises:
            SandboxError: there has been none for `FULL_MACHINE_SECONDS`, and nothing of ours is running.
        """
        self._drop(running)
        self._again.appendleft(running.task)
        now = time.monotonic()
        self._not_before = now + FULL_MACHINE_PAUSE
        if self._running:
            self._full_since = math.inf
        self._full_since = min(self._full_since, now)
        if now - self._full_since > FULL_MACHINE_SECONDS:
            raise SandboxError(f"the machine has no room for another process ({reason}): end some, or raise the limit")

    # ------------------------------------------------------------ what the processes say

    def _handle(self, running: _Running, events: int) -> list[tuple[int, Outcome]]:
        if running not in self._running:
            return []
        try:
            if events & selectors.EVENT_WRITE:
                self._write(running)
            open_ = self._read(running) if events & selectors.EVENT_READ else True
        except BlockingIOError:
            return []
        except ConnectionError:
            open_ = False
        verdict = _verdict(running.incoming)
        if verdict is not None and "again" in verdict:
            self._try_later(running, verdict["again"])
            return []
        if verdict is not None:
            return self._judged(running, verdict)
        if running.endless:
            return self._over(running)
        return [] if open_ else self._died(running)

    def _write(self, running: _Running) -> None:
        sent = running.channel.send(running.outgoing)
        running.outgoing = running.outgoing[sent:]
        if not running.outgoing:
            self._selector.modify(running.channel, selectors.EVENT_READ, running)

    def _read(self, running: _Running) -> bool:
        """Take in one message and who sent it; False at the end of the stream."""
        data, ancillary, _, _ = running.channel.recvmsg(1 << 16, socket.CMSG_SPACE(_CREDENTIALS.size))
        if not data:  # though there may be credentials even then, of nobody
            return False
        pid = next((_CREDENTIALS.unpack(c[2][: _CREDENTIALS.size])[0] for c in ancillary), 0)
        if data[:1] == b"S" and not running.subject:
            running.subject, data = pid, data[1:]
        while not running.incoming and data[:1] in (
            b"T",
            b"U",
            b"B",
            b"E",
        ):  # a verdict's length starts with a zero byte
            running.tester = pid or running.tester
            running.unbounded = data[:1] == b"U"
            running.endless |= data[:1] == b"E"
            data = data[1:]
        running.incoming += data
        return True

    def _over(self, running: _Running) -> list[tuple[int, Outcome]]:
        wall, cpu = running.wall(), running.cpu()
        self._drop(running)
        return [(running.task.index, self._timeout(running, wall, cpu))]

    def _drop(self, running: _Running) -> None:
        self._running.discard(running)
        self._selector.unregister(running.channel)
        self._engine.kill(running)

    def _judged(self, running: _Running, verdict: dict[str, Any]) -> list[tuple[int, Outcome]]:
        if "fault" in verdict:
            raise SandboxError(f"the sandbox failed to set up a program's processes: {verdict['fault']}")
        outcome = Outcome(verdict["status"], verdict["detail"], verdict["seconds"], verdict["cpu"])
        task, limit = running.task, running.task.program.timeout
        self._full_since = math.inf
        self._drop(running)
        if not task.together and _needs_one_process(task.program, verdict):
            task.together, task.passed = True, outcome if outcome.status == PASSED else None
            self._again.append(task)
            return []
        if task.passed is not None and outcome.status == PASSED:
            outcome = task.passed
        if outcome.seconds <= limit or (running.alone and outcome.cpu <= limit):
            return [(running.task.index, outcome)]
        if running.alone:
            return [(running.task.index, self._timeout(running, outcome.seconds, outcome.cpu))]
        self._later.append(task)
        return []

    def _died(self, running: _Running) -> list[tuple[int, Outcome]]:
        """The tester is gone without a verdict: killed by the kernel for memory, or together with the zygote."""
        wall = running.wall()
        self._drop(running)
        task = running.task
        task.restarts += 1
        if running.generation == self._engine.generation and not self._engine.zygote_alive():
            self._engine.close()  # a zygote's end of the socket closes before the kernel kills what it has forked
        elif running.generation == self._engine.generation and task.restarts <= MAX_RESTARTS:
            self._later.append(task)  # memory was short: alone it has all of it
            return []
        if task.restarts <= MAX_RESTARTS:
            self._again.append(task)
            return []
        return [(task.index, Outcome(ERROR, "the judging process died", wall, math.nan))]

    # ------------------------------------------------------------ clocks and memory

    def _look(self, running: _Running) -> list[tuple[int, Outcome]]:
        if not running.begun:
            return []  # the machine is so busy that there is nothing to judge yet
        running.measure()
        wall, limit, cpu = running.wall(), running.task.program.timeout, running.cpu()
        if running.suspect and running.meter.threads > MANY_THREADS:
            self._drop(running)
            self._later.append(running.task)
            return []
        if not running.alone and not running.suspect and wall >= min(SLOT_SECONDS, limit):
            self._suspect(running)
        if wall < limit:
            return []
        patience = self._engine.patience
        needed = patience if running.unbounded else max(patience, BOUNDED_SHARE * limit)
        had_enough = not running.alone and cpu >= min(needed, limit)
        if math.isnan(cpu) or had_enough or running.meter.own() >= limit:
            return self._over(running)
        return []

    def _timeout(self, running: _Running, wall: float, cpu: float) -> Outcome:
        return Outcome(TIMEOUT, f"no verdict within {running.task.program.timeout:g} s", wall, cpu)

    def _suspect(self, running: _Running) -> None:
        """Lower its priority and, unless there are too many already, give its slot to the next program."""
        running.suspect = sum(other.suspect for other in self._running) < self._engine.max_suspects
        if running.tester and not running.lowered:
            running.lowered = True
            watch.lower_priority(running.tester)

    def _spare_memory(self) -> None:
        """Stop the largest suspects when all together hold too much; they are judged alone."""
        suspects = [running for running in self._running if running.suspect and running.subject]
        if not suspects:
            return
        sizes = [
            (-watch.resident_bytes(run.subject) - watch.resident_bytes(run.tester), run.number, run) for run in suspects
        ]
        heapq.heapify(sizes)
        total = -sum(size for size, _, _ in sizes)
        while total > self._memory and len(sizes) > 1:
            size, _, running = heapq.heappop(sizes)
            total += size
            self._drop(running)
            self._later.append(running.task)


def _verdict(incoming: bytearray) -> dict[str, Any] | None:
    """The tester's one message, once it is complete."""
    if len(incoming) < 4 or len(incoming) < 4 + int.from_bytes(incoming[:4], "big"):
        return None
    verdict: dict[str, Any] = json.loads(incoming[4:])
    return verdict


def _too_large(program: Program) -> bool:
    size = len(program.sample)
    return size > MAX_SOURCE or (4 * size > MAX_SOURCE and len(program.sample.encode(errors="replace")) > MAX_SOURCE)


def _needs_one_process(program: Program, verdict: dict[str, Any]) -> bool:
    """Whether a verdict says nothing, or not enough, because the test needs what cannot cross."""
    if program.apart:
        return False
    if verdict["status"] == PASSED and verdict["strange"]:
        return True
    test = needs.of(program.test)
    combined = verdict["combined"] and test.combines
    return bool(verdict["need"] or combined or test.reason(frozenset(verdict["named"]), program.entry_point))
