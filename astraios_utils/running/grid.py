"""The grid of a suite as units of work that need nothing of each other, and how this machine works them off.

A unit is a stage, a model and its tasks. :func:`work` does one: it skips what is current, continues what was begun, and
puts its files in their places atomically; so units may run in any order, in any process, more than once. An executor is
a function that gets units of one stage and returns when each of them has been worked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .. import generation, methods, models, training
from ..schema import Model, Suite
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


def units(suite: Suite, stage: Stage, force: bool = False) -> list[Unit]:
    """The units of a stage, largest bases first, so that no long one is left for the end."""
    tasks = suite.tasks if stage == "generate" else ()
    return [Unit(stage, suite, model, tasks, force) for model in reversed(suite.models)]


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
        schema.BadInput: a suite has no recipe, lacks a base, changes a field that a method does not have, or wants
            answers of vLLM that it cannot give.
    """
    if not units:
        return 0
    stale = [unit for unit in units if not unit.current()]
    stage = units[0].stage
    say(f"{stage}: {len(stale)} of {len(units)} models to do")
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
    """Work units here: one after the other on a GPU, on a CPU several small models at once, a core each.

    How many cores a model gets depends on its base alone, not on how many units there are: sums of other numbers of
    threads round differently, and a slice shall give what the whole gives.
    """
    small = [unit for unit in units if threads(unit)]
    large = [unit for unit in units if not threads(unit)]
    _in_turn(large)
    if len(small) == 1 or os.cpu_count() == 1:
        with _threads(1):
            _in_turn(small)
    elif small:
        with processes.stage(small[0].stage, len(small)) as finished:
            processes.share(work, small, lambda unit: finished(unit.name))


def _in_turn(units: Sequence[Unit]) -> None:
    if units:
        with processes.stage(units[0].stage, len(units)) as finished:
            for unit in units:
                work(unit)
                finished(unit.name)


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
    """What the base's weights take on disk; without end where that is not known."""
    folder = Path(unit.suite.bases[unit.model.size].model)
    found = [path.stat().st_size for path in folder.glob("*.safetensors")]
    return sum(found) if found else sys.maxsize
