"""What this machine can run, what is missing, and how to get it: one line per thing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from .. import store
from ..analyzers import codeql, validity
from ..planning import estimates
from ..running import links
from ..sandbox import Sandbox, SandboxError, runtime_id
from ..sandbox.kernel.levels import FULL
from ..sources import hub, released

State = Literal["ok", "partly", "missing"]
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        what: what was looked at.
        state: ``ok``; ``partly``: something optional is missing; ``missing``: something required is.
        found: what there is.
        fix: how to get what there is not; every finding that is not ``ok`` has one.
    """

    what: str
    state: State
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"   -> {self.fix}" if self.state != "ok" else ""
        return f"{self.state:<8} {self.what:<13} {self.found}{fix}"


def _python() -> Finding:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    found = f"{sys.version.split()[0]} ({sys.executable})"
    return Finding("python", "ok" if good else "missing", found, "make setup PYTHON=python3.12 (3.11 to 3.13)")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions() -> dict[str, str]:
    """Name (normalised) -> version of every package of ``requirements.lock``."""
    lines = (store.root() / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_normal(name): version.strip() for name, version in pins}


def _packages() -> Finding:
    here = {_normal(one.name): one.version.split("+")[0] for one in metadata.distributions() if one.name}
    wrong = {name: version for name, version in locked_versions().items() if here.get(name) != version}
    if not wrong:
        return Finding("packages", "ok", "as in requirements.lock")
    absent = [name for name in wrong if name not in here]
    first = [f"{name} {here.get(name, 'absent')} (lock: {wrong[name]})" for name in (*absent, *wrong)][:3]
    found = f"{len(wrong)} differ, {len(absent)} of them absent: {', '.join(first)} …"
    return Finding("packages", "missing" if absent else "partly", found, "make setup")


def _gpu() -> Finding:
    card = estimates.here()
    if card is None:
        found = "none: released generations are scored and tiny models trained without one"
        return Finding(
            "gpu", "partly", found, "for the paper's models: a machine with one (Colab, an A100 by the hour)"
        )
    import torch

    count = torch.cuda.device_count()
    return Finding("gpu", "ok", f"{count} x {card.name}, {card.gib:.0f} GiB")


def _cuda() -> Finding:
    import torch

    driver = shutil.which("nvidia-smi") is not None
    if torch.cuda.is_available():
        bf16 = "" if torch.cuda.is_bf16_supported(including_emulation=False) else ", without bfloat16 in hardware"
        return Finding("cuda", "ok", f"{torch.version.cuda}, driver answers{bf16}")
    if driver and torch.version.cuda is None:
        wheel = f"pip install --force-reinstall torch=={torch.__version__.split('+')[0]}"
        return Finding("cuda", "missing", f"a driver, but torch {torch.__version__} is built for CPUs", wheel)
    if driver:
        found = f"torch is built for CUDA {torch.version.cuda}, but sees no card"
        return Finding("cuda", "missing", found, "update the driver, or unset CUDA_VISIBLE_DEVICES; try nvidia-smi")
    return Finding(
        "cuda", "partly", "no NVIDIA driver: everything runs on the CPU", "install one, where there is a card"
    )


def _bitsandbytes() -> Finding:
    if importlib.util.find_spec("bitsandbytes") is None:
        fix = "pip install bitsandbytes, or set base_precision: bfloat16 in the suite's recipe"
        return Finding("bitsandbytes", "partly", "absent: no 8-bit bases", fix)
    return Finding("bitsandbytes", "ok", metadata.version("bitsandbytes"))


def _optional(name: str, without: str, fix: str) -> Callable[[], Finding]:
    """A look for a package that not everybody needs."""

    def look() -> Finding:
        if importlib.util.find_spec(name) is None:
            return Finding(name, "partly", f"absent: {without}", fix)
        return Finding(name, "ok", metadata.version(name))

    return look


def _java() -> Finding:
    try:
        return Finding("jdk", "ok", runtime_id("java"))
    except SandboxError as error:
        return Finding("jdk", "missing", str(error), "apt-get install openjdk-17-jdk-headless, or set JAVA_HOME")


def _compiler() -> Finding:
    path = validity.compiler()
    if path is None:
        return Finding("c compiler", "missing", "neither gcc nor clang: AATK's C programs stay unknown", "install gcc")
    return Finding("c compiler", "ok", validity.compiler_version())


def _codeql() -> Finding:
    if codeql.find() is None:
        fix = f"unpack codeql-bundle-v{codeql.BUNDLE} and put its folder on the PATH"
        return Finding("codeql", "partly", "absent: AATK is judged by checkers of our own", fix)
    try:
        version = codeql.version()
    except codeql.CodeqlError as error:
        return Finding("codeql", "partly", str(error), f"reinstall codeql-bundle-v{codeql.BUNDLE}")
    state: State = "ok" if version == codeql.BUNDLE else "partly"
    return Finding("codeql", state, version, f"the pinned bundle is {codeql.BUNDLE}")


def _sandbox() -> Finding:
    try:
        with Sandbox(workers=1) as box:
            full = box.level.name == FULL
            fix = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1) for private mounts and no network"
            return Finding("sandbox", "ok" if full else "partly", str(box.level), fix)
    except SandboxError as error:
        return Finding("sandbox", "missing", str(error), "use Linux 5.13 or newer, or consent: --allow-weak-sandbox")


def _mirror() -> Finding:
    place = released.mirror()
    fix = "set ASTRAIOS_MIRROR to a folder with upstream's files"
    return Finding("mirror", "ok" if place else "partly", str(place or "none"), fix)


def _upstream() -> Finding:
    there = released.reachable()
    found = "can be reached" if there else "cannot be reached: only mirrored and shipped data can be used"
    return Finding("upstream", "ok" if there else "partly", found, "connect to the internet, or set ASTRAIOS_MIRROR")


def _hub() -> Finding:
    place = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return Finding("hub", "partly", "HF_HUB_OFFLINE is set: only its cache is used", "unset HF_HUB_OFFLINE")
    there = released.reachable(place=place)
    found = f"{place} can be reached" if there else f"{place} cannot be reached: no bases, no corpora"
    fix = "connect to the internet, set HF_ENDPOINT to a mirror, or name folders in the suite's bases"
    return Finding("hub", "ok" if there else "partly", found, fix)


def _token() -> Finding:
    from huggingface_hub import get_token

    if get_token():
        return Finding("token", "ok", "a token of the hub is set")
    fix = "accept StarCoder's licence on the hub, then log in with `hf auth login` or set HF_TOKEN"
    return Finding("token", "partly", "none: gated bases such as StarCoder cannot be downloaded", fix)


def _downloads() -> Finding:
    """The disk that bases are downloaded to; the largest of the paper's takes 60 GiB."""
    place = hub.home()
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free / GIB
    good = free > 60 and os.access(there, os.W_OK)
    written = "" if os.access(there, os.W_OK) else ", cannot be written"
    fix = "60 GiB hold the largest of the paper's bases; set HF_HOME to a larger disk"
    return Finding("downloads", "ok" if good else "partly", f"{place}: {free:.0f} GiB free{written}", fix)


def _disk() -> Finding:
    free = shutil.disk_usage(store.root()).free / GIB
    fix = "5 GiB are needed for a full run; delete build/cache, or set ASTRAIOS_BUILD to a larger disk"
    return Finding("disk", "ok" if free > 5 else "missing", f"{free:.0f} GiB free", fix)


def _address() -> Finding:
    name = links.repository()
    placeholder = name == links.PLACEHOLDER
    found = f"{links.HOST}{name}" + (" (a placeholder: badges and Colab cells point nowhere)" if placeholder else "")
    return Finding("address", "partly" if placeholder else "ok", found, "make links REPO=owner/name")


CHECKS: tuple[Callable[[], Finding], ...] = (
    *(_python, _packages, _gpu, _cuda, _bitsandbytes),
    _optional(
        "vllm", "generation by transformers alone", "pip install vllm, in an environment of its own: it pins torch"
    ),
    _optional("ray", "the grid runs on this machine alone", "pip install -e '.[ray]'"),
    *(_java, _compiler, _codeql, _sandbox, _mirror, _upstream, _hub, _token, _downloads, _disk, _address),
)


def findings() -> Iterator[Finding]:
    """Every check, one after the other."""
    yield Finding("machine", "ok", f"{os.cpu_count()} cores, {sys.platform}")
    for check in CHECKS:
        yield check()


def report() -> None:
    """Print every finding."""
    for finding in findings():
        print(finding, flush=True)
