"""The grid of a suite as units of work that need nothing of each other, and how this machine works them off.

A unit is a stage, a model and its tasks. :func:`work` does one: it skips what is current, continues what was begun, and
puts its files in their places atomically; so units may run in any order, in any process, more than once. An executor is
a function that gets units of one stage and returns when each of them has been worked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TextIO

from .. import generation, methods, models, schema, store, training
from ..schema import Model, Suite
from ..sources import hub
from ..store import processes
from ..tasks import task_of
from ..training import say

Stage = Literal["train", "generate"]
_SMALL = 1 << 28  # bytes of a base's weights: below, one core a model beats all cores for one model


@dataclass(frozen=True, slots=True)
class Unit:
    """One model in one stage, with the tasks that it answers where the stage is ``generate``."""

    stage: Stage
    suite: Suite
    model: Model
    tasks: tuple[str, ...] = ()
    force: bool = False

    @property
    def name(self) -> str:
        """For lines of progress: ``generate 1b-lora (13 tasks)``."""
        tasks = f" ({len(self.tasks)} tasks)" if len(self.tasks) > 1 else "".join(f" {task}" for task in self.tasks)
        return f"{self.stage} {self.model.slug}{tasks}"

    def split(self) -> list[Unit]:
        """The same work, a unit a task: for executors whose machines are many and whose models load fast."""
        return [replace(self, tasks=(task,)) for task in self.tasks] or [self]

    def current(self) -> bool:
        """Whether there is nothing to do."""
        if self.force:
            return False
        if self.stage == "train":
            return training.plan(self.suite, self.model).record() is not None
        return all(generation.Cell(self.suite, self.model, task_of(self.suite, t)).current() for t in self.tasks)


Executor = Callable[[Sequence[Unit]], None]


class ExecutionFailed(schema.AstraiosError):
    """Units that failed for good, a line each; all others are done."""


def units(suite: Suite, stage: Stage, force: bool = False) -> list[Unit]:
    """The units of a stage, smallest bases first: what fails there fails early and cheaply."""
    tasks = suite.tasks if stage == "generate" else ()
    return [Unit(stage, suite, model, tasks, force) for model in suite.models]


def work(unit: Unit) -> None:
    """Do one unit; it is picklable by name, and so are its units."""
    if unit.stage == "train":
        training.train(training.plan(unit.suite, unit.model), functools.partial(_say, unit.model), unit.force)
    else:
        generation.generate(unit.suite, unit.model, unit.tasks, force=unit.force)


def _say(model: Model, text: str) -> None:
    say(text if text.startswith(model.slug) else f"{model.slug}: {text}")


def run(units: Sequence[Unit], executor: Executor | None = None) -> int:
    """Work the units that are not current; returns how many those were.

    Raises:
        schema.BadInput: a suite has no recipe or no base, changes a field that a method does not have, or wants
            answers of vLLM that it cannot give.
    """
    if not units:
        return 0
    stale = [unit for unit in units if not unit.current()]
    stage = units[0].stage
    say(f"{stage}: {len(stale)} of {len(units)} models to do")
    if stale and stage == "train":
        cut = stale[0].suite
        hub.check_access(cut.model_copy(update={"sizes": tuple(dict.fromkeys(unit.model.size for unit in stale))}))
    for unit in stale:  # what is wrong with a suite shows now, not after hours
        run = training.plan(unit.suite, unit.model)
        methods.peft_config(unit.model.method, models.load_config(run.base).model_type, run.changes)
        if unit.suite.backend == "vllm":
            from ..generation import served

            served.require_servable(unit.suite, unit.model)
    if stale:
        started = time.perf_counter()
        (executor or local)(stale)
        say(f"{stage}: done in {time.perf_counter() - started:.0f} s")
    return len(stale)


def local(units: Sequence[Unit]) -> None:
    """Work units here: one at a time on each GPU; on a CPU several small models at once, a core each.

    A unit that fails does not stop the others.

    How many cores a model gets depends on its base alone, not on how many units there are: sums of other numbers of
    threads round differently, and a slice shall give what the whole gives.

    Raises:
        ExecutionFailed: some units failed, a line each.
    """
    small = [unit for unit in units if threads(unit)]
    large = [unit for unit in units if not threads(unit)]
    failed: list[str] = []
    if len(small) == 1 or os.cpu_count() == 1:
        failed += _in_process(small)
    elif small:
        # The largest of the small ones first, so that no long one is left for the end.
        failed += _shared(list(reversed(small)))
    failed += _on_gpus(large) if _gpus() > 1 else _one_by_one(large)
    _require_none(failed)


def in_process(units: Sequence[Unit]) -> None:
    """Work units one after another in this process, so that a notebook can show what they report.

    Each unit gets as many cores as in :func:`local`, and so gives the same files.

    Raises:
        ExecutionFailed: some units failed, a line each.
    """
    _require_none(_in_process(units))


def _in_process(units: Sequence[Unit]) -> list[str]:
    """Work units in this process, those with small bases first; returns the failures."""
    with _threads(1):
        failed = _one_by_one([unit for unit in units if threads(unit)])
    return failed + _one_by_one([unit for unit in units if not threads(unit)])


def _require_none(failed: Sequence[str]) -> None:
    """Raise :class:`ExecutionFailed` where units failed."""
    if failed:
        raise ExecutionFailed("\n".join(failed))


def attempt(unit: Unit) -> str:
    """Do one unit; returns what went wrong, in a line, or nothing. Other units do not depend on it."""
    try:
        work(unit)
    except schema.AstraiosError as error:
        return f"{unit.name}: {str(error).splitlines()[0]}"
    except Exception as error:  # a library's own failure: the other units go on
        traceback.print_exc(file=_log_of(unit))
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")[:200]
        return f"{unit.name}: {type(error).__name__}: {reason} (traceback: {_log_path(unit)})"
    return ""


def _log_path(unit: Unit) -> Path:
    return store.suite_dir(unit.suite.name) / "failures" / f"{unit.stage}-{unit.model.slug}.txt"


def _log_of(unit: Unit) -> TextIO:
    path = _log_path(unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


def _one_by_one(units: Sequence[Unit]) -> list[str]:
    """Work units here, one after the other; returns the failures."""
    with _settling(units) as settle:
        for unit in units:
            settle(unit, attempt(unit))
        return settle.failed


def _shared(units: Sequence[Unit]) -> list[str]:
    """Work units in processes of one thread, as many as there are cores; returns the failures."""
    with _settling(units) as settle:
        processes.share(attempt, units, settle)
        return settle.failed


@dataclass
class _Settle:
    """Called with each unit that has ended, and with what went wrong; keeps the failures."""

    finished: Callable[[str], None]
    failed: list[str] = field(default_factory=list)

    def __call__(self, unit: Unit, why: str) -> None:
        if why:
            say(f"failed: {why}")
            self.failed.append(why)
        self.finished(f"{unit.name}{' (failed)' if why else ''}")


@contextlib.contextmanager
def _settling(units: Sequence[Unit]) -> Iterator[_Settle]:
    """Show how far these units are."""
    if not units:
        yield _Settle(lambda _: None)
        return
    with processes.stage(units[0].stage, len(units)) as finished:
        yield _Settle(finished)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _on_gpus(units: Sequence[Unit]) -> list[str]:
    """Work units on all GPUs of this machine, a process per GPU; returns the failures.

    Each process sees one GPU alone and takes the next unit when it is done with one.
    """
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for gpu in range(_gpus()):
        free.put(gpu)

    def on_one(unit: Unit) -> str:
        gpu = free.get()
        try:
            return processes.alone(attempt, unit, {"CUDA_VISIBLE_DEVICES": _visible(gpu)})
        except schema.AstraiosError as error:
            return f"{unit.name}: {error}"
        finally:
            free.put(gpu)

    with ThreadPoolExecutor(_gpus()) as pool, _settling(units) as settle:
        for unit, why in zip(units, pool.map(on_one, units), strict=True):
            settle(unit, why)
        return settle.failed


def _visible(gpu: int) -> str:
    """The name of a GPU of this process in ``CUDA_VISIBLE_DEVICES``, which may already leave some out."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",")[gpu] if given else str(gpu)


def threads(unit: Unit) -> int:
    """Torch threads that a unit gets: 1 where its base is small and there is no GPU; 0: as many as there are."""
    import torch

    return int(not torch.cuda.is_available() and _base_bytes(unit) < _SMALL)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many torch threads inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _base_bytes(unit: Unit) -> int:
    """What the base's weights take on disk; without end where that is not known (the hub, GGUF)."""
    base = unit.suite.bases[unit.model.size]
    if base.is_gguf:
        return sys.maxsize
    folder = Path(base.model)
    found = [path.stat().st_size for path in folder.glob("*.safetensors")]
    return sum(found) if found else sys.maxsize
