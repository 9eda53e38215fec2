"""Runs untrusted programs against trusted tests, and says what it guarantees and what it does not.

What is guaranteed, at the level *full* (``levels``; Linux with user namespaces, Landlock and seccomp):

- **A sample cannot make itself pass.**  Test and sample run in separate processes; the sample's never holds the test or
  an expected answer, and hands over plain data alone, so that neither a patched builtin nor an object that is equal to
  everything reaches the test.  Ending the process, raising ``SystemExit`` or writing to descriptors is not passing.
  The exception is stated in the verdict: where a Python test needs what cannot cross between processes (a function of
  its own as an argument, a class of the sample's, the identity of an object, captured output), and does not pass
  without it, sample and test run in one process.  That verdict's detail begins with ``in one process``: a sample can
  forge it.  The test decides about it, by its text, its arguments, by comparing, adding or hashing two objects of the
  sample's, by comparing one with an object that is no plain data, and by asking a value whose class the sample derived
  from a plain one (a list, a number) for what the plain one does not have; a sample whose test does none of this
  cannot ask for it.  A pass for which anything but plain data crossed, or whose test needs one process, counts only if
  the program passes in one process as well.
- **A sample cannot reach anything else**: no network, no other process (to see, signal or trace), no file but the
  interpreter's and its packages', read-only, and an empty scratch space of 16 MB that is its own; not the home
  directory, the environment, other samples or verdicts.  Descriptors and devices are its own: no flag, lock or time
  that it sets is seen outside.  It can start threads and pairs of connected sockets, but no process and no program.
- **A sample cannot stay**: with its verdict, or with the death of the scoring process, all of its processes and files
  are gone.  The next sample finds nothing changed.
- **A sample cannot take more than its share**: wall time, CPU time, address space, file size, descriptors, threads,
  output, size of its source.  The process that holds its test has limits of memory and CPU time as well
  (``python.limits``).  A sample that exceeds a limit gets a verdict, and the run goes on.
- **Roles can be reversed** (`reversed_roles`): model-written tests are then the sample, and meet trusted code.
- **A verdict is the protocol's** and does not depend on the number of workers or the order of the programs (the rule
  about time limits, and its one gap, are in ``python`` and ``java``).  Hash seed and random state are fixed.  What else
  it may depend on (interpreter, numpy, level, limits) is in `conditions`.

What is **not** guaranteed:

- Protection from bugs of the kernel, of the interpreter or of hardware: the sample shares the kernel with its host.
- At the level *reduced* (no user namespaces) there are no private mounts, no network and no pid namespace; the other
  two mechanisms alone keep a sample in, and it has nowhere to write.
- At the level *weak* (macOS, or a container that forbids everything) **there is no boundary at all**; it needs consent.
- That a sample cannot tell that it is being tested, burn its whole time limit, or see the arguments of its tests.
- That an object of the sample's own class, which no test names, behaves in the test as it would in one process: it is a
  handle, which can be called, iterated, indexed, converted and asked for attributes, but is equal to itself alone and
  has no arithmetic and no order.  If its class derives from a plain one, it is the plain value, and the class's own
  equality and other special methods have no effect.
- That a container which a function has returned changes in the test when a later call changes it in the sample, but
  for a test that reads a result again after a call whose own result it drops.
- How a program fails that fills its memory without end: it is an error or a timeout, whichever limit it meets first. Of
  732,200 released samples, 41 (all Java) failed in another way in a second run; the same samples passed in both.
- Fairness between samples under memory pressure beyond the per-sample limit: suspects that together hold too much are
  stopped and judged again alone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from types import TracebackType
from typing import Self

from .kernel.levels import FULL, REDUCED, WEAK, Level, SandboxError, SandboxUnavailable, choose, missing_for
from .pool import Engine
from .types import ERROR, FAILED, IN_ONE_PROCESS, PASSED, TIMEOUT, Outcome, Program, may_run_long

__all__ = [
    "ERROR",
    "FAILED",
    "FULL",
    "IN_ONE_PROCESS",
    "PASSED",
    "REDUCED",
    "RULES",
    "TIMEOUT",
    "WEAK",
    "Engine",
    "Level",
    "Outcome",
    "Program",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "conditions",
    "java_levels",
    "may_run_long",
    "runtime_id",
]

RULES = 4  # the version of the rules by which verdicts are given; a change makes earlier verdicts stale
LANGUAGES = ("python", "java")


class Sandbox:
    """Runs programs; a context manager that holds warm processes until it is left.

    Args:
        workers: programs at a time; default: one more than the cores this process may use, as programs wait a little
            for each other's beginnings and ends.
        isolation: ``"auto"`` or the name of a `Level`.
        allow_weak: consent to isolation that protects nothing.
        patience: CPU seconds that a program has had, at least, before it may be called a timeout while it shares the
            cores (see ``python``); ``math.inf`` is the strict mode, where that is its whole limit.  Default: each
            language's own, 1 s.

    Raises:
        SandboxUnavailable: the isolation cannot be had here, or is weak and nobody consented.
        ValueError: an unknown isolation, or a number of workers below one.
    """

    def __init__(
        self,
        workers: int | None = None,
        isolation: str = "auto",
        allow_weak: bool = False,
        patience: float | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers={workers}: at least one is needed")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = workers or cores + 1
        self.patience = patience
        self.level: Level = choose(isolation, allow_weak)
        self._engines: dict[str, Engine] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process; may be called twice."""
        while self._engines:
            self._engines.popitem()[1].close()

    def _engine(self, language: str) -> Engine:
        if language not in self._engines:
            patience = () if self.patience is None else (self.patience,)
            if language == "python":
                from .python.engine import PythonEngine

                self._engines[language] = PythonEngine(self.level, self.workers, *patience)
            else:
                from .java.engine import JavaEngine

                self._engines[language] = JavaEngine(self.level, self.workers, *patience)
        return self._engines[language]

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[int, Outcome]]:
        """Run programs and yield ``(index, outcome)`` as they finish, in any order.

        Programs are taken from the iterable as they can be started, so it may be long; each language but the first one
        met is kept for a second round.

        Raises:
            ValueError: a program in an unknown language.
            SandboxError: the processes cannot be set up.
        """
        others: dict[str, list[tuple[int, Program]]] = {}
        numbered = enumerate(programs)
        first = next(numbered, None)
        if first is None:
            return
        language = _known(first[1])

        def of_first_language() -> Iterator[tuple[int, Program]]:
            yield first
            for index, program in numbered:
                if _known(program) == language:
                    yield index, program
                else:
                    others.setdefault(program.language, []).append((index, program))

        yield from self._engine(language).run(of_first_language())
        for other, waiting in others.items():
            yield from self._engine(other).run(waiting)


def _known(program: Program) -> str:
    if program.language not in LANGUAGES:
        raise ValueError(f"language {program.language!r}: choose one of {', '.join(LANGUAGES)}")
    return program.language


def java_levels() -> range:
    """The Java language levels (``javac --release``) that this machine's JDK compiles for.

    Raises:
        SandboxError: there is no JDK.
    """
    from .java.engine import find_jdk

    return find_jdk().levels


@cache
def conditions(language: str) -> str:
    """All that verdicts depend on besides the program and `RULES`: runtime, best level here, and Python's limits.

    Raises:
        ValueError: an unknown language.
        SandboxError: there is no JDK.
    """
    from .python import limits

    level = next(name for name in (FULL, REDUCED, WEAK) if not missing_for(name))
    return " ".join([runtime_id(language), level, *(map(str, limits.ALL) if language == "python" else ())])


def runtime_id(language: str) -> str:
    """The interpreter (Python: with numpy) or JDK that judges, for instance ``"cpython-3.11.7+numpy-2.4.0"``.

    Raises:
        ValueError: an unknown language.
        SandboxError: there is no JDK.
    """
    if language == "python":
        from importlib.metadata import version

        return f"{platform.python_implementation().lower()}-{platform.python_version()}+numpy-{version('numpy')}"
    if language == "java":
        from .java.engine import runtime_id as java_runtime_id

        return java_runtime_id()
    raise ValueError(f"language {language!r}: choose one of {', '.join(LANGUAGES)}")
