"""Who works a suite's units: this machine, or a Ray cluster (a laptop, machines with a head, the nodes of a Slurm job).

Every unit is one Ray task with the resources that the suite asks for. What a unit does and where its files go is the
same as on one machine, so that a run may change executors half-way. A unit whose node or process died goes to another
one; one that failed is retried, unless the user has to fix something; finished ones are never run again.

All machines have the checkout and the suite's bases at the same paths. They share the build folder
(``ASTRAIOS_BUILD``), where a unit that died continues from its last checkpoint; or the build folder is kept at an
fsspec URL, from which a unit fetches what it needs and where it puts what it has finished; there, a unit that died
starts from scratch.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import generation, schema, store, training
from ..tasks import task_of
from ..training import say
from . import grid

EXECUTORS = ("local", "ray")
EVERY = 10.0  # seconds between lines of progress
PASSED_ON = ("ASTRAIOS_", "HF_", "CUDA_HOME")  # beginnings of the variables that workers get from here
LOCK = ".fetching"


def executor(name: str, suite: schema.Suite, url: str = "") -> grid.Executor | None:
    """The executor of that name for a suite; ``None`` is this machine.

    Args:
        url: where the build folder is kept, for machines that share none (``s3://…``, ``gs://…``, ``file://…``).

    Raises:
        schema.UnknownName: no such executor.
        schema.BadInput: the URL cannot be opened here.
        schema.MissingTool: Ray is not installed.
    """
    if schema.match(name, EXECUTORS, "executor") == "local":
        if url:
            raise schema.BadInput(f"--store {url}: only with --executor ray")
        return None
    _ray()
    if url:
        _opened(url)
    return RayExecutor(suite.resources, url)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise schema.MissingTool("the Ray executor needs Ray: pip install -e '.[ray]', or --executor local") from None
    return ray


@dataclass(frozen=True, slots=True)
class _Place:
    """What a unit reads or writes: files of one folder whose names begin alike.

    Attributes:
        mark: the one that is written last, and vouches for the others.
        current: whether it does so for what the suite wants now.
    """

    folder: Path
    start: str
    mark: str
    current: Callable[[], bool]

    def files(self) -> list[Path]:
        """What is here, the mark last."""
        found = [path for path in self.folder.rglob(f"{self.start}*") if path.is_file() and path.name != LOCK]
        return sorted(found, key=lambda path: (path == self.folder / self.mark, path))

    def copied(self, there: Any, root: str) -> list[str]:
        """The names, relative to the folder, of what its copy at ``root`` holds, the mark last."""
        names = (os.path.relpath(path, root) for path in there.find(root))
        return sorted(
            (name for name in names if name.startswith(self.start)), key=lambda name: (name == self.mark, name)
        )

    def alike(self, there: Any, root: str) -> bool:
        """Whether the same mark stands here and in the copy at ``root``."""
        here, mark = self.folder / self.mark, f"{root}/{self.mark}"
        return here.exists() and there.exists(mark) and bool(there.cat_file(mark) == here.read_bytes())


def _places(unit: grid.Unit) -> Iterator[_Place]:
    run = training.plan(unit.suite, unit.model)
    yield _Place(run.folder, "", "run.json", lambda: run.record() is not None)
    for task in unit.tasks:
        cell = generation.Cell(unit.suite, unit.model, task_of(unit.suite, task))
        yield _Place(cell.path.parent, f"{unit.model.slug}.", f"{cell.path.name}.json", cell.current)


@dataclass(frozen=True, slots=True)
class Remote:
    """The build folder's copy at an fsspec URL; an empty one is no copy: the folder itself is shared.

    What is complete is copied as a whole, its mark last; the same mark on both sides says that there is nothing to do.
    """

    url: str

    def pull(self, unit: grid.Unit) -> None:
        """Fetch what is complete there, in the place of whatever is here."""
        for place, there, root in self._pairs(unit):
            with _alone(place.folder):  # other units of this machine may need the same checkpoint
                if there.exists(f"{root}/{place.mark}") and not place.alike(there, root):
                    for file in reversed(place.files()):
                        file.unlink()
                    for name in place.copied(there, root):
                        (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
                        there.get_file(f"{root}/{name}", str(place.folder / name))

    def push(self, unit: grid.Unit) -> None:
        """Put what is complete and current here in the place of whatever is there."""
        for place, there, root in self._pairs(unit):
            if place.current() and not place.alike(there, root):
                for name in reversed(place.copied(there, root)):
                    there.rm_file(f"{root}/{name}")
                for file in place.files():
                    target = f"{root}/{file.relative_to(place.folder)}"
                    there.makedirs(os.path.dirname(target), exist_ok=True)
                    there.put_file(str(file), target)

    def _pairs(self, unit: grid.Unit) -> Iterator[tuple[_Place, Any, str]]:
        """Each place with the file system and the folder of its copy."""
        if self.url:
            there, top = _opened(self.url)
            there.invalidate_cache()  # others write there
            for place in _places(unit):
                yield place, there, f"{top}/{place.folder.relative_to(store.build_dir())}"


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the URL's path in it; raises :class:`schema.BadInput`."""
    import fsspec  # type: ignore[import-untyped]

    if "://" not in url:
        raise schema.BadInput(f"--store {url}: not a URL (s3://…, gs://…, file:///…)")
    try:
        there, top = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise schema.BadInput(f"--store {url}: {error}") from None
    return there, top.rstrip("/")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process of this machine at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def work(unit: grid.Unit, remote: Remote) -> str:
    """Do one unit on a worker; returns the host's name.

    A small base has one thread, as it would have at home; a larger one has those that Ray allows: ``resources.cpus``.
    """
    import torch

    remote.pull(unit)
    if not unit.current():
        torch.set_num_threads(grid.threads(unit) or torch.get_num_threads())
        grid.work(unit)
    remote.push(unit)  # also what a worker finished that died before it could
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
            schema.BadInput: no machine of the cluster has what a unit takes.
            grid.ExecutionFailed: some failed for good.
        """
        parts, remote = [part for unit in units for part in unit.split()], Remote(self.url)
        with _connected() as ray:
            task = self._task(ray)
            for part in parts:
                remote.push(part)
            state = _State(len(parts))
            for part in parts:
                state.running[task.remote(part, remote)] = part
            try:
                self._watch(ray, task, state)
            except BaseException:
                for reference in state.running:
                    ray.cancel(reference, force=True)
                raise
        for part in parts:
            remote.pull(part)
        if state.failed:
            raise grid.ExecutionFailed("\n".join(state.failed))

    def _task(self, ray: Any) -> Any:
        """Ray's task, with the resources of a unit; a cluster without GPUs gives none unless they are asked for."""
        wanted = self.resources
        gpus = wanted.gpus if wanted.gpus is not None else min(1, ray.cluster_resources().get("GPU", 0))
        memory = round(wanted.memory_gib * (1 << 30)) if wanted.memory_gib else None
        _require_room(ray, {"CPU": wanted.cpus, "GPU": gpus, "memory": memory or 0})
        variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        return ray.remote(self.work).options(
            num_cpus=wanted.cpus,
            num_gpus=gpus,
            memory=memory,
            max_retries=0,  # counted here, and said
            runtime_env={"env_vars": variables} if variables else None,
        )

    def _watch(self, ray: Any, task: Any, state: _State) -> None:
        reported = 0.0
        while state.running:
            ready, _ = ray.wait(list(state.running), num_returns=1, timeout=1.0)
            for reference in ready:
                self._settle(ray, task, state, reference)
            if time.perf_counter() - reported > EVERY or not state.running:
                reported = time.perf_counter()
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


def _require_room(ray: Any, wanted: dict[str, float]) -> None:
    """Ray would wait without a word for a machine that has what a unit takes."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(machine.get(name, 0) >= amount for name, amount in wanted.items()) for machine in machines):
        takes = ", ".join(f"{name} {amount:,g}" for name, amount in wanted.items() if amount)
        raise schema.BadInput(
            f"no machine of the Ray cluster has what a unit takes ({takes}): change the suite's resources, or let such "
            "a machine join first"
        )


def _require_answer(place: str) -> None:
    """Ray would try for minutes to reach an address where nothing listens."""
    host, _, port = place.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            why = error.strerror or error
            raise schema.BadInput(
                f"RAY_ADDRESS={place}: no Ray cluster answers there ({why}); start one: ray start --head"
            ) from None


@contextlib.contextmanager
def _connected() -> Iterator[Any]:
    """Ray, connected; what was connected before stays so."""
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    place = os.environ.get("RAY_ADDRESS", "")
    _require_answer(place)
    try:
        ray.init(address=place or "auto", **quiet)
    except ConnectionError as error:
        if place:
            raise schema.BadInput(f"RAY_ADDRESS={place}: {str(error).splitlines()[0]}") from None
        ray.init(include_dashboard=False, **quiet)
    try:
        yield ray
    finally:
        ray.shutdown()
