"""What this machine can run, what is missing, and how to get it: one line per thing."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from . import released, store
from .sandbox import Sandbox, SandboxError, runtime_id


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, whether it will do, what was found, how to mend it."""

    what: str
    good: bool
    found: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f"   -> {self.mend}" if self.mend and not self.good else ""
        return f"{'ok     ' if self.good else 'missing'}  {self.what:<12} {self.found}{mend}"


def _python() -> Finding:
    good = sys.version_info[:2] in ((3, 11), (3, 12))
    return Finding("python", good, sys.version.split()[0], "use Python 3.11")


def locked_versions() -> dict[str, str]:
    """Name (normalised) -> version of every package of ``requirements.lock``."""
    lines = (store.root() / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version.strip() for name, version in pins}


def _packages() -> Finding:
    wrong = []
    for name, version in locked_versions().items():
        try:
            installed = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            installed = "absent"
        if installed != version:
            wrong.append(f"{name} {installed} (lock: {version})")
    found = "as in requirements.lock" if not wrong else f"{len(wrong)} differ: {', '.join(wrong[:3])} …"
    return Finding("packages", not wrong, found, "make setup")


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", True, "none: released generations are scored without one")
    name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
    return Finding("gpu", True, f"{name}, {memory / 2**30:.0f} GiB")


def _java() -> Finding:
    try:
        return Finding("java", True, runtime_id("java"))
    except SandboxError as error:
        return Finding("java", False, str(error))


def _sandbox() -> Finding:
    try:
        with Sandbox(workers=1) as box:
            return Finding("sandbox", True, str(box.level))
    except SandboxError as error:
        return Finding("sandbox", False, str(error))


def _mirror() -> Finding:
    place = released.mirror()
    return Finding("mirror", True, str(place) if place else "none (set ASTRAIOS_MIRROR to a folder to use one)")


def _upstream() -> Finding:
    there = released.reachable()
    found = "can be reached" if there else "cannot be reached: only mirrored and shipped data can be used"
    return Finding("upstream", there, found, "connect to the internet, or set ASTRAIOS_MIRROR")


def _disk() -> Finding:
    free = shutil.disk_usage(store.root()).free / 2**30
    return Finding("disk", free > 5, f"{free:.0f} GiB free", "5 GiB are needed for a full run")


CHECKS: tuple[Callable[[], Finding], ...] = (_python, _packages, _gpu, _java, _sandbox, _mirror, _upstream, _disk)


def findings() -> Iterator[Finding]:
    """Every check, one after the other."""
    yield Finding("machine", True, f"{os.cpu_count()} cores, {sys.platform}")
    for check in CHECKS:
        yield check()


def report() -> None:
    """Print every finding."""
    for finding in findings():
        print(finding, flush=True)
