"""Java: a warm compiler, and a JVM per program or, for programs that provably cannot tell, one for many.

A program is ``sample + "\\n" + test`` in one Main.java, compiled and run as ``javac Main.java`` and ``java Main`` do.
It passes if ``Main.main`` returns normally and every non-daemon thread ends.  (The protocol starts ``javac`` and
``java`` for each program and takes exit status 0 for a pass.  Here the exit status decides nothing: see
`java/Runner.java`.)

How a program goes through:

1. A *compile server* (`java/CompileServer.java`) compiles it in memory, annotation processing off.  It refuses samples
   that redefine a JDK class which the test names, and wraps what the test takes from the sample's objects so that no
   ``equals`` of the sample decides (`java/Guard.java`).
2. `java/Harmless.java` reads the class files.  A program that names nothing but plain computing (no reflection,
   threads, files, class loaders, process-wide settings, no catching of errors) runs in a *shared* JVM, in a class
   loader of its own; every other program gets a JVM of its *own*, without the modules that reach into a JVM.
3. Each JVM, the compile servers too, has its own namespaces, Landlock, rlimits and system call filter, and nowhere to
   write (`java_launcher`).

The clock is the Python engine's: a program has a slot for its first 0.3 seconds; then it is a *suspect*, leaves it to
the next program and goes on, at the lowest priority once it has had as much CPU time.  A suspect that has run for
its limit of wall time and has had `patience` seconds of CPU time is a timeout.  One that ends after its limit, that
sleeps past it, or that is stopped to make room in memory is judged again *alone*, with nothing beside it.

Not guaranteed: what the isolation level says (`levels.Level`); that a sample cannot find out that it is being tested;
the protocol's heap (here 512 MB, there a quarter of the machine's memory); a place to write files; that a list which
the test passes in and looks at afterwards, or a field that it reads, holds plain objects (only returned values are
checked).
"""

from __future__ import annotations

import math
import secrets
import selectors
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..kernel.levels import Level, SandboxError
from ..python import watch
from ..types import ERROR, FAILED, PASSED, TIMEOUT, Outcome, Program
from .jdk import JdkUnavailable, find_jdk
from .pool import COMPILE, OWN, SHARED, Jvm, JvmPool

__all__ = ["JavaEngine", "JdkUnavailable", "find_jdk", "runtime_id"]

SLOT_SECONDS = 0.3  # of wall and of CPU time; then a program becomes a suspect
STARVED_SECONDS = 2.0  # of wall time, after which it does so without having had the CPU time
TICK = 0.1  # seconds between two looks at the clocks
SLEEPING_TICKS = 10  # a suspect past its limit that has not run for so many looks is asleep
BUSY_FACTOR = 3  # how often a program's limit may pass while the rest of the machine keeps it from running
COMPILE_SECONDS = 10.0  # of CPU time; the protocol gives javac five tries of 5 s, the start of its JVM included
ATTEMPTS = 2  # of a compilation that kills its server, and of a program that a shared JVM cannot be believed about
PROGRAMS_PER_JVM = 1000  # then a fresh one, so that memory stays flat
MEMORY_SHARE = 0.4  # of the memory that is free at the start, for all suspects together
_COMPILED, _GAVE_UP = 0, 3  # see CompileServer
_RUNNER_STATUS = (PASSED, FAILED, ERROR)  # see Runner


def runtime_id() -> str:
    """The JDK that judges, for instance ``"openjdk-17.0.15"``.

    Raises:
        JdkUnavailable: there is none.
    """
    return f"openjdk-{find_jdk().version}"


class JavaEngine:
    """Runs Java programs; an `Engine` of `pool`.

    Args:
        level: how they are isolated.
        workers: programs, and compilations, that have a slot at the same time.
        patience: CPU seconds that a suspect has had before it may be called a timeout.
        suspects: how many there may be at once; beyond that, programs keep their slots.
        cache: where the engine's own classes are kept between runs; None is the user's cache directory.
        share: let harmless programs share JVMs; False gives every program a JVM of its own.

    Raises:
        JdkUnavailable: no usable JDK.
        SandboxError: the isolation cannot be set up, or the JDK does not run in it.
    """

    def __init__(
        self,
        level: Level,
        workers: int,
        patience: float = 1.0,
        suspects: int = 64,
        cache: Path | None = None,
        share: bool = True,
    ) -> None:
        self.workers, self.patience, self.max_suspects, self.share = workers, patience, suspects, share
        self.pool = JvmPool(level, cache)
        self._try_out()

    def _try_out(self) -> None:
        """Run one known program, so that a JVM that cannot start here is an error now and not a verdict later."""
        test = "class Main { public static void main(String[] arguments) {} }"
        ((_, outcome),) = self.run([(0, Program("java", "class Solution {}", test, timeout=60.0))])
        if outcome.status != PASSED:
            self.close()
            raise SandboxError(f"JDK {self.pool.jdk.version} does not run inside the sandbox: {outcome.detail}")

    def run(self, programs: Iterable[tuple[int, Program]]) -> Iterator[tuple[int, Outcome]]:
        """See `pool.Engine`."""
        run = _Run(self, iter(programs))
        try:
            while not run.finished():
                yield from run.step()
        finally:
            run.abandon()

    def close(self) -> None:
        """End every process and remove what was written; may be called twice."""
        self.pool.close()


@dataclass(eq=False, slots=True)
class _Task:
    """A program on its way to a verdict.

    Attributes:
        classes: its class files as the compile server sent them; empty until then.
        share: whether it may run in a shared JVM.
        compile_seconds: wall time of its compilations.
    """

    index: int
    program: Program
    classes: bytes = b""
    share: bool = False
    alone: bool = False
    attempts: int = 0
    compile_seconds: float = 0.0


@dataclass(eq=False, slots=True)
class _Running:
    """A task in the hands of a JVM."""

    task: _Task
    jvm: Jvm
    started: float
    secret: bytes
    cpu_before: float
    suspect: bool = False
    lowered: bool = False
    last_cpu: float = -1.0
    idle_ticks: int = 0

    @classmethod
    def now(cls, task: _Task, jvm: Jvm) -> _Running:
        """The task starts, in a new JVM or in one that has served others."""
        return cls(task, jvm, time.monotonic(), secrets.token_bytes(16), jvm.cpu() if jvm.greeted else 0.0)

    def wall(self) -> float:
        return time.monotonic() - self.started

    def cpu(self) -> float:
        return self.jvm.cpu() - self.cpu_before


class _Run:
    """One call of `JavaEngine.run`: which programs wait for the compiler, are ready, run, or are to be judged alone."""

    def __init__(self, engine: JavaEngine, source: Iterator[tuple[int, Program]]) -> None:
        self._engine, self._pool = engine, engine.pool
        self._source: Iterator[tuple[int, Program]] | None = source
        self._again: deque[_Task] = deque()  # to be compiled again
        self._ready: deque[_Task] = deque()
        self._later: deque[_Task] = deque()  # to be judged alone
        self._running: dict[Jvm, _Running] = {}
        self._outcomes: list[tuple[int, Outcome]] = []
        self._selector = selectors.DefaultSelector()
        self._idle: dict[str, list[Jvm]] = {COMPILE: [], SHARED: []}
        for jvm in self._pool.jvms:
            self._idle[jvm.role].append(jvm)
            self._selector.register(jvm.channel, selectors.EVENT_READ, jvm)
        self._last_tick = 0.0
        self._memory = MEMORY_SHARE * watch.available_bytes()

    def finished(self) -> bool:
        waiting = self._again or self._ready or self._later or self._running or self._outcomes
        return self._source is None and not waiting

    def abandon(self) -> None:
        """Kill what still runs; idle JVMs stay with the engine."""
        for jvm in list(self._running):
            self._end(jvm)
        self._selector.close()

    def step(self) -> list[tuple[int, Outcome]]:
        """Start what there is room for, wait for something to happen, return what has finished."""
        self._start_compilations()
        self._start_programs()
        if self._running and not self._outcomes:
            for key, _ in self._selector.select(max(0.0, self._last_tick + TICK - time.monotonic())):
                self._handle(key.data)
        if time.monotonic() - self._last_tick >= TICK:
            self._last_tick = time.monotonic()
            for running in list(self._running.values()):
                self._look(running)
            self._spare_memory()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    # ------------------------------------------------------------ JVMs

    def _jvm(self, role: str, fresh: bool = False) -> Jvm:
        while self._idle.get(role) and not fresh:
            waiting = self._idle[role].pop()
            if waiting.alive():
                return waiting
            self._end(waiting)
        jvm = self._pool.spawn(role)
        self._selector.register(jvm.channel, selectors.EVENT_READ, jvm)
        return jvm

    def _end(self, jvm: Jvm) -> float:
        """Kill a JVM, busy or not; returns the CPU seconds of its life."""
        self._running.pop(jvm, None)
        for idle in self._idle.values():
            if jvm in idle:
                idle.remove(jvm)
        self._selector.unregister(jvm.channel)
        return self._pool.end(jvm)

    def _release(self, jvm: Jvm) -> None:
        """The JVM has answered and may serve another program."""
        self._running.pop(jvm)
        jvm.incoming.clear()
        jvm.served += 1
        if jvm.served < PROGRAMS_PER_JVM:
            self._idle[jvm.role].append(jvm)
        else:
            self._end(jvm)

    # ------------------------------------------------------------ starting

    def _busy(self, compiling: bool) -> list[_Running]:
        return [running for running in self._running.values() if (running.jvm.role == COMPILE) == compiling]

    def _start_compilations(self) -> None:
        workers = self._engine.workers
        while len(self._busy(compiling=True)) < workers and len(self._ready) < 2 * workers:
            task = self._next()
            if task is None:
                return
            try:
                request = _request(task.program)
            except UnicodeEncodeError:
                self._outcomes.append((task.index, Outcome(ERROR, "the sample is not valid Unicode", 0.0, 0.0)))
                continue
            task.attempts += 1
            server = self._jvm(COMPILE, fresh=task.attempts > 1)  # several idle ones may have died at once
            self._hand_over(_Running.now(task, server), request)

    def _next(self) -> _Task | None:
        if self._again:
            return self._again.popleft()
        if self._source is not None:
            for index, program in self._source:
                return _Task(index, program)
            self._source = None
        return None

    def _start_programs(self) -> None:
        programs = self._busy(compiling=False)
        busy = sum(not running.suspect for running in programs)
        if any(running.task.alone for running in programs):
            return
        while self._ready and busy < self._engine.workers:
            self._start(self._ready.popleft())
            busy += 1
        if self._later and self._source is None and not (self._again or self._ready or self._running):
            task = self._later.popleft()
            task.alone, task.share = True, False
            self._start(task)

    def _start(self, task: _Task) -> None:
        jvm = self._jvm(SHARED if task.share else OWN)
        running = _Running.now(task, jvm)
        self._hand_over(running, running.secret + task.classes)

    def _hand_over(self, running: _Running, request: bytes) -> None:
        self._running[running.jvm] = running
        if not running.jvm.send(request):
            self._died(running)

    # ------------------------------------------------------------ what the JVMs say

    def _handle(self, jvm: Jvm) -> None:
        if jvm not in self._pool.jvms:
            return  # ended a moment ago
        alive, running = jvm.receive(), self._running.get(jvm)
        if running is None:
            if jvm.incoming or not alive:
                self._end(jvm)  # it speaks unasked, or is dead: not to be trusted with another program
        elif jvm.role == COMPILE:
            if not self._compiled(running) and not alive:
                self._died(running)
        elif not self._judged(running) and not alive:
            self._died(running)

    def _compiled(self, running: _Running) -> bool:
        """Take the compile server's answer, if it is complete."""
        incoming, task = running.jvm.incoming, running.task
        if len(incoming) < 4 or len(incoming) < 4 + struct.unpack_from("!i", incoming)[0]:
            return False
        answer = bytes(incoming[4:])
        status, harmless, length = struct.unpack_from("!BBH", answer)
        task.compile_seconds += running.wall()
        if status == _GAVE_UP:
            self._end(running.jvm)
        else:
            self._release(running.jvm)
        if status == _COMPILED:
            task.classes, task.share = answer[4 + length :], bool(harmless) and self._engine.share
            self._ready.append(task)
        else:
            detail = answer[4 : 4 + length].decode("utf-8", "replace")
            self._finish(task, ERROR, detail)
        return True

    def _judged(self, running: _Running) -> bool:
        """Take a runner's answer, if it is complete."""
        incoming = running.jvm.incoming
        if bytes(incoming[:16]) != running.secret[: len(incoming)]:
            self._conclude(running, ERROR, "the sample wrote to the verdict channel", keep=False)
            return True
        if len(incoming) < 20 or len(incoming) < 20 + struct.unpack_from("!H", incoming, 18)[0]:
            return False
        status, reusable, length = struct.unpack_from("!BBH", incoming, 16)
        detail = bytes(incoming[20 : 20 + length]).decode("utf-8", "replace")
        if running.jvm.role == SHARED and _RUNNER_STATUS[status] == ERROR and not reusable:
            self._believe_only_own_jvm(running)
        else:
            self._conclude(running, _RUNNER_STATUS[status], detail, keep=bool(reusable))
        return True

    def _believe_only_own_jvm(self, running: _Running) -> None:
        """Errors of the JVM (stack, memory, linkage) in a shared one may be an earlier program's doing."""
        self._end(running.jvm)
        running.task.share = False
        self._ready.appendleft(running.task)

    def _conclude(self, running: _Running, status: str, detail: str, keep: bool) -> None:
        wall = running.wall()
        if keep and running.jvm.role == SHARED and not running.suspect:
            cpu = running.cpu()
            self._release(running.jvm)
        else:
            cpu = self._end(running.jvm) - running.cpu_before
        task, limit = running.task, running.task.program.timeout
        if wall <= limit or (task.alone and cpu <= limit):
            self._finish(task, status, detail, wall, cpu)
        elif task.alone:
            self._finish(task, TIMEOUT, _too_long(limit), wall, cpu)
        else:
            self._later.append(task)

    def _died(self, running: _Running) -> None:
        task, wall = running.task, running.wall()
        cpu = self._end(running.jvm) - running.cpu_before
        if running.jvm.role == COMPILE:
            self._compile_again(task, "the compiler died")
        elif running.jvm.role == SHARED:
            task.share = False
            self._ready.appendleft(task)
        else:
            self._finish(task, ERROR, "the program exited before its tests ended", wall, cpu)

    def _compile_again(self, task: _Task, detail: str) -> None:
        if task.attempts < ATTEMPTS:
            self._again.append(task)
        else:
            self._finish(task, ERROR, detail)

    def _finish(self, task: _Task, status: str, detail: str, wall: float = 0.0, cpu: float = math.nan) -> None:
        self._outcomes.append((task.index, Outcome(status, detail, task.compile_seconds + wall, cpu)))

    # ------------------------------------------------------------ clocks and memory

    def _look(self, running: _Running) -> None:
        wall, limit = running.wall(), running.task.program.timeout
        if running.jvm.role == COMPILE:
            if wall >= COMPILE_SECONDS and not running.cpu() < COMPILE_SECONDS:
                self._end(running.jvm)
                self._compile_again(running.task, f"javac takes longer than {COMPILE_SECONDS:g} s")
            return
        if not running.task.alone and wall >= min(SLOT_SECONDS, limit):
            self._demote(running, wall)
        if wall >= limit:
            self._look_at_late(running, wall, limit)

    def _demote(self, running: _Running, wall: float) -> None:
        """Out of the slot when it has had its share or has been starved of it; low priority only after its share."""
        had_share = not running.cpu() < min(self._engine.patience, SLOT_SECONDS)
        suspects = sum(other.suspect for other in self._running.values())
        if not running.suspect and (had_share or wall >= STARVED_SECONDS) and suspects < self._engine.max_suspects:
            running.suspect = True
        if had_share and not running.lowered:  # also where it keeps its slot: else the suspects would never have theirs
            running.lowered = True
            running.jvm.lower_priority()

    def _look_at_late(self, running: _Running, wall: float, limit: float) -> None:
        cpu = running.cpu()
        asleep = self._asleep(running, cpu)
        if running.task.alone:
            over = math.isnan(cpu) or asleep or cpu >= limit or wall >= BUSY_FACTOR * limit
        else:
            over = math.isnan(cpu) or cpu >= min(self._engine.patience, limit)
        if over:
            self._end(running.jvm)
            self._finish(running.task, TIMEOUT, _too_long(limit), wall, cpu)
        elif asleep:
            self._end(running.jvm)
            self._later.append(running.task)

    def _asleep(self, running: _Running, cpu: float) -> bool:
        """Whether the JVM has neither run nor wanted to for a while."""
        waits = watch.waits(running.jvm.pid) and cpu - running.last_cpu < 0.01  # a JVM's own ticking is less
        running.idle_ticks = running.idle_ticks + 1 if waits else 0
        running.last_cpu = cpu
        return running.idle_ticks >= SLEEPING_TICKS

    def _spare_memory(self) -> None:
        """Stop the largest suspects when all together hold too much; they are judged alone."""
        suspects = [running for running in self._running.values() if running.suspect]
        if len(suspects) < 2:
            return
        sizes = {running: watch.resident_bytes(running.jvm.pid) for running in suspects}
        by_size = sorted(suspects, key=lambda running: sizes[running])
        total = sum(sizes.values())
        while total > self._memory and len(by_size) > 1:
            running = by_size.pop()
            total -= sizes[running]
            self._end(running.jvm)
            self._later.append(running.task)


def _too_long(limit: float) -> str:
    return f"no verdict within {limit:g} s"


def _request(program: Program) -> bytes:
    """What the compile server reads; raises `UnicodeEncodeError` for lone surrogates."""
    sample, test = program.sample.encode("utf-8"), program.test.encode("utf-8")
    head = struct.pack("!ii", program.release or 0, len(sample))
    return b"".join((head, sample, struct.pack("!i", len(test)), test))
