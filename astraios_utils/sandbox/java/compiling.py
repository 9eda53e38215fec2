"""Compilations of one run: samples alone, and tests against the stubs of a sample, each test once for all samples."""

from __future__ import annotations

import re
import struct
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache

from ..python import watch
from ..types import Program
from .fleet import Fleet
from .pool import COMPILE, TESTS, Jvm

COMPILE_SECONDS = 5.0  # of CPU time per source; the protocol gives javac five tries of 5 s, its JVM's start included
HUNG_SECONDS = 30.0  # of sleep, in a compilation; then its server is taken for dead
SLOW_SECONDS = 0.5  # of CPU time; then a compilation leaves its slot to the next one
SLOW_FIRST_SECONDS = 2.0  # of the first compilation of a server, which loads the compiler
MAX_SOURCE = 1 << 20  # bytes
MAX_SLOW = 8  # slow compilations at once
ATTEMPTS = 2  # of a compilation that ends its server, or finds it hung
TESTS_KEPT = 4096
_COMPILED, _GAVE_UP = 0, 2  # see CompileServer
_IMPORT = re.compile(r"^import [^\n]*;\n", re.MULTILINE)  # as stubs have them
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(eq=False, slots=True)
class Task:
    """A program on its way to a verdict.

    Attributes:
        classes: the sample's class files, as the compile server sent them; empty until then.
        test: the class files of test and stubs.
        share: whether the sample may run in a shared JVM.
        alone: whether nothing else may run at the same time.
        seconds: wall time spent on compiling it.
        retries: how often its judge has died.
    """

    index: int
    program: Program
    classes: bytes = b""
    test: bytes = b""
    share: bool = False
    alone: bool = False
    seconds: float = 0.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of a source: class files, or the reason why there are none."""

    classes: bytes = b""
    fault: str = ""
    stubs: str = ""
    harmless: bool = False


TestKey = tuple[int, str, str]  # language level, stubs, test


class TestCache:
    """Compiled tests by level, stubs and test: shared by all judges of an engine; drops the least recently used."""

    __test__ = False

    def __init__(self) -> None:
        self._known: OrderedDict[TestKey, Compiled] = OrderedDict()

    def get(self, key: TestKey) -> Compiled | None:
        """The compiled test, or ``None``."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def put(self, key: TestKey, compiled: Compiled) -> None:
        """Keep a compiled test."""
        self._known[key] = compiled
        if len(self._known) > TESTS_KEPT:
            self._known.popitem(last=False)


@dataclass(eq=False, slots=True)
class _Job:
    """A source in the queue or in a compile server; of a sample its one task, of a test all tasks that wait for it."""

    role: str
    request: bytes
    tasks: list[Task]
    key: TestKey | None = None
    attempts: int = 0
    started: float = 0.0
    cpu_before: float = 0.0
    slow: bool = False
    meter: watch.Meter = field(default_factory=watch.Meter)


@dataclass(slots=True)
class Compilers:
    """The compile servers of one run.

    Attributes:
        slots: compilations of samples at the same time, slow ones not counted.
        ready: tasks whose sample and test are compiled.
        faults: tasks that cannot be compiled, with the reason.
    """

    fleet: Fleet
    cache: TestCache
    slots: int
    ready: deque[Task] = field(default_factory=deque)
    faults: list[tuple[Task, str]] = field(default_factory=list)
    _queues: dict[str, deque[_Job]] = field(default_factory=lambda: {COMPILE: deque(), TESTS: deque()})
    _running: dict[Jvm, _Job] = field(default_factory=dict)
    _tests: dict[TestKey, _Job] = field(default_factory=dict)

    def busy(self) -> bool:
        """Whether anything is queued or compiled."""
        return bool(self._running or self._queues[COMPILE] or self._queues[TESTS])

    def backlog(self) -> int:
        """Tasks that are neither ready nor in slow compilations."""
        slow = sum(len(job.tasks) for job in self._running.values() if job.slow)
        running = sum(len(job.tasks) for job in self._running.values())
        return running - slow + sum(len(job.tasks) for queue in self._queues.values() for job in queue)

    def add(self, task: Task) -> None:
        """Queue a new task."""
        try:
            sample = task.program.sample.encode("utf-8")
            words = _words(task.program.test).encode("utf-8")
        except UnicodeEncodeError:
            self.faults.append((task, "the sample is not valid Unicode"))
            return
        if len(sample) > MAX_SOURCE:
            self.faults.append((task, f"the sample is larger than {MAX_SOURCE >> 20} MiB"))
            return
        request = struct.pack("!i", task.program.release or 0) + _sized(sample) + _sized(words)
        self._queues[COMPILE].append(_Job(COMPILE, request, [task]))

    def start(self) -> None:
        """Start queued jobs while there are free slots."""
        for role, slots in ((COMPILE, self.slots), (TESTS, 1)):
            queue, jobs = self._queues[role], [job for job in self._running.values() if job.role == role]
            slow = sum(job.slow for job in jobs)
            quick = len(jobs) - slow
            while queue and (quick < slots if slow < MAX_SLOW else len(jobs) < MAX_SLOW):
                self._start(queue.popleft())
                quick += 1

    def _start(self, job: _Job) -> None:
        job.attempts += 1
        server = self.fleet.take(job.role, fresh=job.attempts > 1)  # several idle ones may have died at once
        job.started, job.cpu_before = time.monotonic(), server.cpu() if server.greeted else 0.0
        job.meter = watch.Meter()
        self._running[server] = job
        self.fleet.send(server, job.request)

    def owns(self, jvm: Jvm) -> bool:
        """Whether the JVM compiles something."""
        return jvm in self._running

    def heard(self, jvm: Jvm, alive: bool) -> None:
        """A compile server has spoken or ended."""
        job = self._running[jvm]
        answer = next(jvm.messages(), None)
        if answer is not None:
            self._answered(jvm, job, answer)
        elif not alive:
            self._leave(jvm, job, keep=False)
            self._retry(job, "the compiler died")

    def _leave(self, jvm: Jvm, job: _Job, keep: bool) -> None:
        del self._running[jvm]
        share = (time.monotonic() - job.started) / len(job.tasks)
        for task in job.tasks:
            task.seconds += share
        if keep and not job.slow:  # a slow one has lost its priority
            self.fleet.give_back(jvm)
        else:
            self.fleet.end(jvm)

    def _answered(self, jvm: Jvm, job: _Job, answer: bytes) -> None:
        status, harmless, length = struct.unpack_from("!BBH", answer)
        detail = answer[4 : 4 + length].decode("utf-8", "replace")
        self._leave(jvm, job, keep=status != _GAVE_UP)
        if status == _GAVE_UP:
            self._retry(job, detail)
        elif status == _COMPILED:
            (size,) = struct.unpack_from("!i", answer, 4 + length)
            end = 8 + length + size
            stubs = answer[8 + length : end].decode("utf-8")
            self._done(job, Compiled(answer[end:], stubs=stubs, harmless=bool(harmless)))
        else:
            self._done(job, Compiled(fault=detail))

    def _retry(self, job: _Job, fault: str) -> None:
        if job.attempts < ATTEMPTS:
            self._queues[job.role].append(job)
        else:
            self._done(job, Compiled(fault=fault), final=False)

    def _done(self, job: _Job, compiled: Compiled, final: bool = True) -> None:
        if job.key is not None:
            del self._tests[job.key]
            if final:
                self.cache.put(job.key, compiled)
            for task in job.tasks:
                self._give(task, compiled)
        elif compiled.fault:
            self.faults.append((job.tasks[0], compiled.fault))
        else:
            task = job.tasks[0]
            task.classes, task.share = compiled.classes, compiled.harmless and not task.program.apart
            self._compile_test(task, compiled.stubs)

    def _give(self, task: Task, test: Compiled) -> None:
        if test.fault:
            self.faults.append((task, test.fault))
        else:
            task.test = test.classes
            self.ready.append(task)

    def _compile_test(self, task: Task, stubs: str) -> None:
        if task.program.apart:
            stubs = f"{task.program.preamble}\n{_IMPORT.sub('', stubs)}"
        key = (task.program.release or 0, stubs, task.program.test)
        known = self.cache.get(key)
        if known is not None:
            self._give(task, known)
        elif key in self._tests:
            self._tests[key].tasks.append(task)
        else:
            source = f"{stubs}\n{task.program.test}".encode("utf-8", "replace")
            job = _Job(TESTS, struct.pack("!i", key[0]) + _sized(source), [task], key)
            self._tests[key] = job
            self._queues[TESTS].append(job)

    def look(self) -> None:
        """Look at the clocks: slow compilations leave their slots, those past their limit end.

        The limit is one of CPU time, which a busy machine gives late but does not lengthen.  A compiler has no reason
        to sleep: one that does is taken for dead.
        """
        for jvm, job in list(self._running.items()):
            now, used = time.monotonic(), jvm.cpu() - job.cpu_before
            wall = now - job.started
            patience = SLOW_SECONDS if jvm.served else SLOW_FIRST_SECONDS
            if wall >= patience and not job.slow and used >= patience:
                job.slow = True
                jvm.lower_priority()
            if wall >= SLOW_SECONDS and jvm.pid:
                job.meter.look([jvm.pid], now, used)
            if wall >= COMPILE_SECONDS and not used < COMPILE_SECONDS:
                self._leave(jvm, job, keep=False)
                self._done(job, Compiled(fault=f"javac takes longer than {COMPILE_SECONDS:g} s"))
            elif job.meter.idle >= HUNG_SECONDS:
                self._leave(jvm, job, keep=False)
                self._retry(job, "the compiler gave no answer")

    def abandon(self) -> None:
        """End the servers that are at work."""
        for jvm in list(self._running):
            self.fleet.end(jvm)
        self._running.clear()


def _sized(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


@lru_cache(maxsize=4096)
def _words(test: str) -> str:
    """The identifiers of a test, which are the names that its stubs may have."""
    return " ".join(sorted(set(_WORD.findall(test))))
