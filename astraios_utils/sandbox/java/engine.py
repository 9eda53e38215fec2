"""Java: the sample runs in one JVM, its test in another one that never loads a class of the sample.

A program is a sample and ``class Main``, the test. The protocol puts both into one file and runs ``javac`` and
``java`` for each program; exit status 0 is a pass. Here a program passes if ``Main.main`` returns normally in the judge
and every non-daemon thread of the sample ends. How a program goes through:

1. A *compile server* (`CompileServer.java`) compiles the sample alone, in memory, annotation processing off. From the
   compiled signatures it prints stubs (`Stubs.java`): the sample's classes, each method of which asks the sample's JVM.
2. A second compile server, for *tests*, compiles stubs and test. The result is kept: most samples of a problem have the
   same stubs.
3. The *judge* (`Judge.java`), a warm JVM, runs the test. Arguments and results cross as plain data and are rebuilt as
   classes of the JDK (`Codec.java`); everything else becomes a handle. Arguments that the sample changed are changed in
   the judge. An exception crosses as its nearest class of the JDK.
4. The *subject* (`Subject.java`) holds the sample. `Harmless.java` reads the class files: a sample that names nothing
   but plain computing (no reflection, threads, files, class loaders, process-wide settings, no catching of errors) runs
   in a *shared* JVM, in a class loader of its own. Every other sample gets a JVM of its *own*, without the modules that
   reach into a JVM.
5. The engine relays the messages of judge and subject and keeps the clock. A subject that ends, or speaks when it was
   not asked, loses; the verdict is the judge's.

Where a model has written the tests (`reversed_roles`), they are the sample, in a JVM of its own, and ``Main`` holds
two implementations: it asks the sample to begin, answers its calls and reports (`Reversed.java`).

Each JVM has its own namespaces, Landlock, rlimits and system call filter, and nowhere to write (`launcher`).

The clock is the Python engine's: a program has a slot for its first 0.3 seconds; then it is a *suspect*, leaves it to
the next program and goes on, at the lowest priority once it has had as much CPU time. A suspect that has run for its
limit of wall time is a timeout if it has had `patience` seconds of CPU time, or if CPU time and sleep together have
reached the limit (`watch.Meter`). One that ends after its limit, or that is stopped to make room in memory, is judged
again *alone*; there it has its whole limit of CPU time and sleep, however long the machine keeps it from running.

What a test cannot do: read or write fields of the sample (constants it can), ask an exception of the sample's for more
than class, message and causes, pass a subclass of a sample's class, see later changes of a container that the sample
kept, or find two strings identical (``==``) that only the sample interned. An object of the sample's own class that is
no collection is never equal to plain data, whatever its ``equals`` says; a comparator of the sample sorts, but makes no
two values equal.
Further limits: the heap (512 MB; the protocol: a quarter of the machine's memory), messages of 32 MB, sources of 1 MiB,
5 s of CPU time for a compilation, no place to write files.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..kernel.levels import Level, SandboxError
from ..python import watch
from ..types import ERROR, FAILED, PASSED, TIMEOUT, Outcome, Program
from .compiling import Compilers, Task, TestCache
from .fleet import Fleet
from .jdk import JdkUnavailable, find_jdk
from .pool import COMPILE, JUDGE, OWN, SHARED, TESTS, Jvm, JvmPool

__all__ = ["JavaEngine", "JdkUnavailable", "find_jdk", "runtime_id"]

SLOT_SECONDS = 0.3  # of wall and of CPU time; then a program becomes a suspect
STARVED_SECONDS = 2.0  # of wall time, after which it does so without having had the CPU time
TICK = 0.1  # seconds between two looks at the clocks
DRAIN_SECONDS = 2.0  # of wall time, for a test to end after its subject has gone
JUDGES_PER_PROGRAM = 2  # a judge that dies is replaced once
MEMORY_SHARE = 0.4  # of the memory that is free at the start, for all suspects together
MAX_DETAIL = 200  # characters
_VERDICTS = (PASSED, FAILED, ERROR)  # see Judge
_EXITED = "the program exited before its tests ended"


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
        workers: programs that have a slot at the same time.
        patience: CPU seconds that a suspect has had before it may be called a timeout.
        suspects: how many there may be at once; beyond that, programs keep their slots.
        cache: where the engine's own classes are kept between runs; None is the user's cache directory.
        share: let harmless samples share JVMs; False gives every sample a JVM of its own.

    Raises:
        JdkUnavailable: no usable JDK.
        SandboxError: the isolation cannot be set up, or the JDK does not run in it.
    """

    def __init__(
        self,
        level: Level,
        workers: int,
        patience: float = 1.0,
        suspects: int = 24,
        cache: Path | None = None,
        share: bool = True,
    ) -> None:
        self.workers, self.patience, self.max_suspects, self.share = workers, patience, suspects, share
        self.tests = TestCache()
        self.pool = JvmPool(level, cache)
        for role in (COMPILE, TESTS, JUDGE, *([SHARED] if share else [])):
            self.pool.spawn(role)  # they start side by side
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
class _Session:
    """A program in the hands of a judge and a subject.

    Attributes:
        asked: whether the subject has a question to answer; else it is the judge's turn.
        ending: whether the test has passed, and the sample's threads have yet to end.
        meter: what the program would have needed with the machine to itself.
        relayed: whether the engine has passed on a message since the last look.
        engine_cpu, engine_waited: the engine's own time until the last look.
    """

    task: Task
    judge: Jvm
    subject: Jvm
    started: float
    judge_cpu: float
    subject_cpu: float
    asked: bool = False
    ending: bool = False
    suspect: bool = False
    lowered: bool = False
    judge_lowered: bool = False
    meter: watch.Meter = field(default_factory=watch.Meter)
    relayed: bool = False
    engine_cpu: float = 0.0
    engine_waited: float = 0.0

    @classmethod
    def now(cls, task: Task, judge: Jvm, subject: Jvm) -> _Session:
        """The task starts, in JVMs that are new or have served others."""
        before = {jvm: jvm.cpu() if jvm.greeted else 0.0 for jvm in (judge, subject)}
        return cls(task, judge, subject, time.monotonic(), before[judge], before[subject])

    def wall(self) -> float:
        return time.monotonic() - self.started

    def cpu(self) -> float:
        judge = 0.0 if self.ending else max(0.0, self.judge.cpu() - self.judge_cpu)
        return judge + self.subject.cpu() - self.subject_cpu

    def measure(self) -> None:
        """Look at what the program does; while it waits for a message, it may wait for the engine."""
        jvms = [self.subject] if self.ending else [self.subject, self.judge]
        cpu, used, waited = self.cpu(), time.thread_time(), watch.waited_seconds()
        if all(jvm.pid for jvm in jvms) and not math.isnan(cpu):
            waits = self.relayed or any(jvm.outgoing for jvm in jvms)
            lost = waited - self.engine_waited + (used - self.engine_cpu if waits else 0.0)
            self.meter.look([jvm.pid for jvm in jvms], time.monotonic(), cpu, lost)
        self.relayed, self.engine_cpu, self.engine_waited = False, used, waited

    def resident(self) -> int:
        return watch.resident_bytes(self.subject.pid) + watch.resident_bytes(self.judge.pid)


class _Run:
    """One call of `JavaEngine.run`: what is compiled, is ready, runs, or is to be judged alone."""

    def __init__(self, engine: JavaEngine, source: Iterator[tuple[int, Program]]) -> None:
        self._engine = engine
        self._source: Iterator[tuple[int, Program]] | None = source
        self._fleet = Fleet(engine.pool, engine.workers)
        self._compilers = Compilers(self._fleet, engine.tests, slots=(engine.workers + 1) // 2)
        self._again: deque[Task] = deque()  # to start again
        self._later: deque[Task] = deque()  # to be judged alone
        self._sessions: dict[Jvm, _Session] = {}  # by judge and by subject
        self._draining: dict[Jvm, float] = {}  # judges whose program is decided, and until when they may end their test
        self._outcomes: list[tuple[int, Outcome]] = []
        self._last_tick = 0.0
        self._memory = MEMORY_SHARE * watch.available_bytes()

    def finished(self) -> bool:
        """Whether every program has its outcome."""
        waiting = self._again or self._later or self._compilers.ready or self._sessions or self._outcomes
        return self._source is None and not waiting and not self._compilers.busy() and not self._compilers.faults

    def abandon(self) -> None:
        """Kill what still runs; idle JVMs stay with the engine."""
        self._compilers.abandon()
        for jvm in [*self._sessions, *self._draining]:
            self._fleet.end(jvm)
        self._fleet.close()

    def step(self) -> list[tuple[int, Outcome]]:
        """Start what there is room for, wait for something to happen, return what has finished."""
        self._feed()
        self._compilers.start()
        self._start_programs()
        while self._compilers.faults:
            task, fault = self._compilers.faults.pop()
            self._finish(task, ERROR, fault)
        if (self._sessions or self._compilers.busy()) and not self._outcomes:
            for jvm, alive in self._fleet.wait(max(0.0, self._last_tick + TICK - time.monotonic())):
                self._heard(jvm, alive)
        if time.monotonic() - self._last_tick >= TICK:
            self._tick()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _tick(self) -> None:
        self._last_tick = time.monotonic()
        self._compilers.look()
        for session in self._active():
            self._look(session)
        for judge, until in list(self._draining.items()):
            if self._last_tick >= until:
                del self._draining[judge]
                self._fleet.end(judge)
        self._spare_memory()

    def _active(self) -> list[_Session]:
        return list(dict.fromkeys(self._sessions.values()))

    # ------------------------------------------------------------ starting

    def _feed(self) -> None:
        """Queue programs for the compiler, a few more than can run."""
        room = 2 * self._engine.workers
        while self._source is not None and self._compilers.backlog() < room and len(self._compilers.ready) < room:
            following = next(self._source, None)
            if following is None:
                self._source = None
            else:
                self._compilers.add(Task(*following))

    def _start_programs(self) -> None:
        sessions = self._active()
        if any(session.task.alone for session in sessions):
            return
        busy = sum(not session.suspect for session in sessions)
        for queue in (self._again, self._compilers.ready):
            while queue and busy < self._engine.workers:
                self._start(queue.popleft())
                busy += 1
        waiting = self._again or self._compilers.ready or self._compilers.busy() or self._sessions
        if self._later and self._source is None and not waiting:
            task = self._later.popleft()
            task.alone = True
            self._start(task)

    def _start(self, task: Task) -> None:
        share = task.share and self._engine.share and not task.alone
        judge, subject = self._fleet.take(JUDGE), self._fleet.take(SHARED if share else OWN)
        session = _Session.now(task, judge, subject)
        self._sessions[judge] = self._sessions[subject] = session
        self._fleet.send(subject, b"L" + task.classes)
        self._fleet.send(judge, b"T" + task.test)

    # ------------------------------------------------------------ what the JVMs say

    def _heard(self, jvm: Jvm, alive: bool) -> None:
        session = self._sessions.get(jvm)
        if self._compilers.owns(jvm):
            self._compilers.heard(jvm, alive)
        elif jvm in self._draining:
            self._drain(jvm, alive)
        elif session is None:
            if self._fleet.is_idle(jvm) and (jvm.incoming or not alive):
                self._fleet.end(jvm)  # it speaks unasked, or is dead: not to be trusted with another program
        elif jvm is session.judge:
            self._heard_judge(session, alive)
        else:
            self._heard_subject(session, alive)

    def _heard_judge(self, session: _Session, alive: bool) -> None:
        for message in session.judge.messages():
            if message[:1] == b"V":
                self._judged(session, message)
                return
            session.asked = session.relayed = True
            self._fleet.send(session.subject, message)
        if not alive:
            self._judge_died(session)

    def _heard_subject(self, session: _Session, alive: bool) -> None:
        subject = session.subject
        if session.ending:
            subject.incoming.clear()
            if not alive:
                self._conclude(session, PASSED, "")
            return
        message = next(subject.messages(), None) if session.asked else None
        if subject.incoming and (message is not None or not session.asked):
            self._lost(session, "the sample wrote to the channel of its process")
        elif message is not None and subject.role == SHARED and message[:1] in b"RX" and message[1:2] != b"\0":
            self._lost(session, "")  # an error of the JVM (stack, memory, linkage) may be an earlier program's doing
        elif message is not None:
            session.asked, session.relayed = False, True
            self._fleet.send(session.judge, message)
        if not alive and subject in self._sessions:
            self._lost(session, _EXITED)

    def _lost(self, session: _Session, why: str) -> None:
        """The subject cannot go on; a shared one is not believed: the program runs again in a JVM of its own."""
        if session.subject.role == SHARED:
            self._stop(session)
            session.task.share = False
            self._again.append(session.task)
        else:
            self._conclude(session, ERROR, why)

    def _judged(self, session: _Session, message: bytes) -> None:
        """Take the judge's verdict."""
        status, reusable = _VERDICTS[message[1]], bool(message[2])
        detail = message[5 : 5 + int.from_bytes(message[3:5], "big")].decode("utf-8", "replace")
        spent = session.judge.cpu() - session.judge_cpu
        del self._sessions[session.judge]
        if reusable and not session.judge_lowered:
            self._fleet.give_back(session.judge)
        else:
            self._fleet.end(session.judge)
        session.ending, session.subject_cpu = True, session.subject_cpu - spent
        if status == PASSED and session.subject.role == OWN:
            self._fleet.send(session.subject, b"E")
        else:
            self._conclude(session, status, detail)

    def _judge_died(self, session: _Session) -> None:
        task = session.task
        task.retries += 1
        self._stop(session)
        if task.retries < JUDGES_PER_PROGRAM:
            self._again.append(task)
        else:
            self._finish(task, ERROR, "the judging process died", session.wall())

    def _stop(self, session: _Session) -> float:
        """End the subject and free the judge; returns the CPU seconds of the session."""
        subject, judge = session.subject, session.judge
        cpu = 0.0 if session.ending else max(0.0, judge.cpu() - session.judge_cpu)
        self._sessions.pop(subject, None)
        cpu += self._fleet.end(subject) - session.subject_cpu
        if self._sessions.get(judge) is session:  # once it has given its verdict, it may serve another program
            del self._sessions[judge]
            if session.asked and not session.judge_lowered:
                self._draining[judge] = time.monotonic() + DRAIN_SECONDS
                self._fleet.send(judge, b"D")
            else:
                self._fleet.end(judge)
        return cpu

    def _drain(self, judge: Jvm, alive: bool) -> None:
        """Let a test end whose subject has gone."""
        for message in judge.messages():
            if message[:1] == b"V":
                del self._draining[judge]
                self._fleet.give_back(judge) if message[2] else self._fleet.end(judge)
                return
            self._fleet.send(judge, b"D")
        if not alive:
            del self._draining[judge]
            self._fleet.end(judge)

    def _conclude(self, session: _Session, status: str, detail: str) -> None:
        task, wall, subject = session.task, session.wall(), session.subject
        if subject.role == SHARED and not session.suspect and session.ending:
            cpu = session.cpu()
            del self._sessions[subject]
            self._fleet.give_back(subject)
        else:
            cpu = self._stop(session)
        limit = task.program.timeout
        if wall <= limit or (task.alone and cpu <= limit):
            self._finish(task, status, detail, wall, cpu)
        elif task.alone:
            self._finish(task, TIMEOUT, _too_long(limit), wall, cpu)
        else:
            self._later.append(task)

    def _finish(self, task: Task, status: str, detail: str, wall: float = 0.0, cpu: float = math.nan) -> None:
        self._outcomes.append((task.index, Outcome(status, _one_line(detail), task.seconds + wall, cpu)))

    # ------------------------------------------------------------ clocks and memory

    def _look(self, session: _Session) -> None:
        wall, limit = session.wall(), session.task.program.timeout
        if wall < min(SLOT_SECONDS, limit):
            return
        session.measure()
        if not session.task.alone:
            self._demote(session, wall)
        if wall >= limit:
            self._look_at_late(session, wall, limit)

    def _demote(self, session: _Session, wall: float) -> None:
        """Out of the slot when it has had its share or has been starved of it; low priority only after its share."""
        had_share = not session.cpu() < min(self._engine.patience, SLOT_SECONDS)
        suspects = sum(other.suspect for other in self._active())
        if not session.suspect and (had_share or wall >= STARVED_SECONDS) and suspects < self._engine.max_suspects:
            session.suspect = True
        if had_share and not session.lowered:  # also where it keeps its slot: else the suspects would never have theirs
            session.lowered = True
            session.subject.lower_priority()
        if had_share and not (session.asked or session.ending or session.judge_lowered):
            session.judge_lowered = True
            session.judge.lower_priority()

    def _look_at_late(self, session: _Session, wall: float, limit: float) -> None:
        cpu = session.cpu()
        had_enough = not session.task.alone and cpu >= min(self._engine.patience, limit)
        if math.isnan(cpu) or had_enough or session.meter.own() >= limit:
            self._stop(session)
            self._finish(session.task, TIMEOUT, _too_long(limit), wall, cpu)

    def _spare_memory(self) -> None:
        """Stop the largest suspects when all together hold too much; they are judged alone."""
        suspects = [session for session in self._active() if session.suspect]
        if len(suspects) < 2:
            return
        sizes = {session: session.resident() for session in suspects}
        by_size = sorted(suspects, key=lambda session: sizes[session])
        total = sum(sizes.values())
        while total > self._memory and len(by_size) > 1:
            session = by_size.pop()
            total -= sizes[session]
            self._stop(session)
            self._later.append(session.task)


def _too_long(limit: float) -> str:
    return f"no verdict within {limit:g} s"


def _one_line(text: str) -> str:
    """A text that may hold anything the sample wrote, as one printable line."""
    return "".join(c if c.isprintable() else "?" for c in text)[:MAX_DETAIL]
