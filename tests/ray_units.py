"""What `test_executors.py` lets Ray's workers do in the place of real work; they import this file, and little else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import ray

from astraios_utils import schema, store
from astraios_utils.running import executors, grid
from astraios_utils.running.executors import Remote


def node() -> str:
    return str(ray.get_runtime_context().get_node_id())


def mark(unit: grid.Unit, what: str) -> None:
    """Leave a file that says on which node a unit began or ended."""
    name = f"{unit.name.replace(' ', '-')}.{what}.{time.monotonic_ns()}"
    with store.atomic(store.build_dir() / "marks" / name, "w") as stream:
        stream.write(node())


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


def _marks(what: str) -> list[Path]:
    return [path for path in (store.build_dir() / "marks").glob(f"*.{what}.*") if path.name[0] != "."]


def seen(what: str) -> list[str]:
    """The nodes of all marks of that kind."""
    return [path.read_text() for path in _marks(what)]


def counts(what: str) -> dict[str, int]:
    """How many marks of that kind each unit has left."""
    names = [path.name.split(".")[0] for path in _marks(what)]
    return {name: names.count(name) for name in names}


def began() -> dict[str, int]:
    return counts("began")


def meeting(unit: grid.Unit, remote: Remote) -> str:
    """End once both nodes have begun a unit."""
    mark(unit, "began")
    until(lambda: len(set(seen("began"))) == 2)
    mark(unit, "ended")
    return node()


def beside_a_victim(unit: grid.Unit, remote: Remote) -> str:
    """End once the victim has begun; on the victim itself, never."""
    mark(unit, "began")
    victim = (store.build_dir() / "marks" / "victim").read_text()
    until(lambda: node() != victim and victim in seen("began"))
    mark(unit, "ended")
    return node()


def clumsy(unit: grid.Unit, remote: Remote) -> str:
    """Fail once."""
    mark(unit, "began")
    if began()[unit.name.replace(" ", "-")] < 2:
        raise OSError("the network went away for a moment")
    return node()


def hopeless(unit: grid.Unit, remote: Remote) -> str:
    mark(unit, "began")
    if unit.model.method == "FFT":
        raise schema.BadInput(f"{unit.model.slug}: mend the suite")
    if unit.model.slug == "3b-lora":
        raise ValueError("always")
    return node()


def at_home(unit: grid.Unit, remote: Remote) -> str:
    """The real work, in a build folder that no other node has."""
    top = store.build_dir()
    os.environ["ASTRAIOS_BUILD"] = str(top.with_name(f"only-{node()}"))
    try:
        executors.work(unit, remote)
    finally:
        os.environ["ASTRAIOS_BUILD"] = str(top)
    mark(unit, "ended")
    return node()
