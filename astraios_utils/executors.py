"""Who works a suite's units: this machine, or a Ray cluster (a laptop, machines with a head, the nodes of a Slurm job).

Every unit is one Ray task with the resources that the suite asks for. What a unit does and where its files go is the
same as on one machine, so that a run may change executors half-way. A unit whose node or process died goes to another
one; one that failed is tried again, unless the user has to mend something; finished ones are never run again.

All machines have the checkout and the suite's bases at the same paths. They share the build folder
(``ASTRAIOS_BUILD``), where a unit that died continues from its last checkpoint; or the build folder is kept at an
fsspec URL, from which a unit fetches what it needs and where it puts what it has finished: one that died begins anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import grid, schema, store
from .training import say

EXECUTORS = ("local", "ray")
EVERY = 10.0  # seconds between lines of progress
PASSED_ON = ("ASTRAIOS_", "HF_", "CUDA_HOME")  # beginnings of the variables that workers get from here


class ExecutionFailed(schema.AstraiosError):
    """Units that failed for good, a line each; all others are done."""


def executor(name: str, suite: schema.Suite, url: str = "") -> grid.Executor | None:
    """The executor of that name for a suite; ``None`` is this machine.

    Args:
        url: where the build folder is kept, for machines that share none (``s3://…``, ``gs://…``, ``file://…``).

    Raises:
        schema.UnknownName: no such executor.
        schema.MissingTool: Ray is not installed.
    """
    if schema.match(name, EXECUTORS, "executor") == "local":
        return None
    _ray()
    return RayExecutor(suite.resources, url)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise schema.MissingTool("the Ray executor needs Ray: pip install -e '.[ray]', or --executor local") from None
    return ray


@dataclass(frozen=True, slots=True)
class Remote:
    """The build folder's copy at an fsspec URL; an empty one is no copy: the folder itself is shared."""

    url: str

    def _places(self, unit: grid.Unit) -> list[tuple[str, str]]:
        """What a unit reads or writes: folders below the build folder, and how its files' names in them begin."""
        top, slug = unit.suite.name, unit.model.slug
        return [(f"{top}/train/{slug}", ""), *((f"{top}/generations/{task}", f"{slug}.") for task in unit.tasks)]

    def pull(self, unit: grid.Unit) -> None:
        """Fetch a unit's files; those that are here with the same size stay."""
        if not self.url:
            return
        import fsspec  # type: ignore[import-untyped]

        there, root = fsspec.core.url_to_fs(self.url)
        for folder, start in self._places(unit):
            for path, about in there.find(f"{root}/{folder}", detail=True).items():
                target = store.build_dir() / os.path.relpath(path, root)
                held = target.exists() and target.stat().st_size == about["size"]
                if target.name.startswith(start) and not held:
                    with store.atomic(target) as stream, there.open(path) as source:
                        shutil.copyfileobj(source, stream)

    def push(self, unit: grid.Unit) -> None:
        """Put a unit's files there, what marks them as complete (``*.json``) last."""
        if not self.url:
            return
        import fsspec

        there, root = fsspec.core.url_to_fs(self.url)
        build = store.build_dir()
        found = [path for folder, start in self._places(unit) for path in (build / folder).rglob(f"{start}*")]
        for path in sorted(filter(Path.is_file, found), key=lambda p: (p.suffix == ".json", p)):
            place = f"{root}/{path.relative_to(build)}"
            there.makedirs(os.path.dirname(place), exist_ok=True)
            there.put_file(str(path), place)


def work(unit: grid.Unit, remote: Remote) -> str:
    """Do one unit on a worker, with as many threads as it would have at home; returns the host's name."""
    import torch

    remote.pull(unit)
    if not unit.current():
        torch.set_num_threads(grid.threads(unit) or torch.get_num_threads())
        grid.work(unit)
        remote.push(unit)
    return os.uname().nodename


@dataclass
class _State:
    """Where a run stands: what is under way by its Ray reference, and how often each unit has been tried."""

    total: int
    started: float = field(default_factory=time.perf_counter)
    running: dict[Any, grid.Unit] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    done: int = 0

    def line(self, busy: int) -> str:
        """``ray: 5 of 12 done, 2 running, 5 waiting, 0 failed, 0:42 left``."""
        spent, left = time.perf_counter() - self.started, len(self.running)
        rest = f", {_clock(spent / self.done * left)} left" if self.done and left else ""
        return (
            f"ray: {self.done} of {self.total} done, {min(busy, left)} running, {max(left - busy, 0)} waiting, "
            f"{len(self.failed)} failed{rest}"
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Works units on a Ray cluster: the one that runs already or ``RAY_ADDRESS`` names, else this machine's cores.

    Attributes:
        resources: of one unit.
        url: see :class:`Remote`.
        work: what is done with a unit.
        progress: gets the lines.
    """

    resources: schema.Resources
    url: str = ""
    work: Callable[[grid.Unit, Remote], str] = work
    progress: Callable[[str], None] = say

    def __call__(self, units: Sequence[grid.Unit]) -> None:
        """Work all units.

        Raises:
            ExecutionFailed: some failed for good.
        """
        parts = [part for unit in units for part in unit.split()]
        with _connected() as ray:
            task = self._task(ray)
            state = _State(len(parts))
            for part in parts:
                state.running[task.remote(part, Remote(self.url))] = part
            try:
                self._watch(ray, task, state)
            except BaseException:
                for reference in state.running:
                    ray.cancel(reference, force=True)
                raise
        for part in parts if self.url else ():
            Remote(self.url).pull(part)
        if state.failed:
            raise ExecutionFailed("\n".join(state.failed))

    def _task(self, ray: Any) -> Any:
        """Ray's task, with the resources of a unit; a cluster without GPUs gives none unless they are asked for."""
        wanted = self.resources
        gpus = wanted.gpus if wanted.gpus is not None else min(1, ray.cluster_resources().get("GPU", 0))
        variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        return ray.remote(self.work).options(
            num_cpus=wanted.cpus,
            num_gpus=gpus,
            memory=round(wanted.memory_gib * (1 << 30)) if wanted.memory_gib else None,
            max_retries=0,  # counted here, and said
            runtime_env={"env_vars": variables} if variables else None,
        )

    def _watch(self, ray: Any, task: Any, state: _State) -> None:
        told = 0.0
        while state.running:
            ready, _ = ray.wait(list(state.running), num_returns=1, timeout=1.0)
            for reference in ready:
                self._settle(ray, task, state, reference)
            if time.perf_counter() - told > EVERY or not state.running:
                told = time.perf_counter()
                self.progress(state.line(self._busy(ray)))

    def _busy(self, ray: Any) -> int:
        total, free = (float(found.get("CPU", 0)) for found in (ray.cluster_resources(), ray.available_resources()))
        return round((total - free) / self.resources.cpus)

    def _settle(self, ray: Any, task: Any, state: _State, reference: Any) -> None:
        """One unit has ended, somehow."""
        unit = state.running.pop(reference)
        try:
            host = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            final, why = isinstance(error.cause, schema.AstraiosError), str(error.cause).splitlines() or [""]
            self._again(task, state, unit, f"{type(error.cause).__name__}: {why[0]}", final)
        except ray.exceptions.RayError as error:
            self._again(task, state, unit, f"its node or process died ({type(error).__name__})", False)
        else:
            state.done += 1
            self.progress(f"ray: {unit.name}: done on {host}")

    def _again(self, task: Any, state: _State, unit: grid.Unit, why: str, final: bool) -> None:
        tries = state.tries[unit.name] = state.tries.get(unit.name, 0) + 1
        if final or tries > self.resources.retries:
            state.failed.append(f"{unit.name}: {why}" + ("" if final else f" (tried {tries} times)"))
            self.progress(f"ray: {unit.name}: failed: {why}")
            return
        self.progress(f"ray: {unit.name}: {why}; tried again ({tries} of {self.resources.retries})")
        state.running[task.remote(unit, Remote(self.url))] = unit


@contextlib.contextmanager
def _connected() -> Iterator[Any]:
    """Ray, connected; what was connected before stays so."""
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    try:
        ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), **quiet)
    except ConnectionError:
        if "RAY_ADDRESS" in os.environ:
            place = os.environ["RAY_ADDRESS"]
            raise schema.BadInput(f"RAY_ADDRESS={place}: no Ray cluster answers; start one: ray start --head") from None
        ray.init(include_dashboard=False, **quiet)
    try:
        yield ray
    finally:
        ray.shutdown()
