"""What a notebook's first cell does on Colab: install what is missing, keep what is running, say what the GPU can hold.

:func:`install` runs before the project's packages are there, from the checkout: this file imports the standard library
alone until then.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, str]:
    """Name (normalised) -> version of every package here."""
    return {_normal(one.name): one.version for one in importlib.metadata.distributions() if one.name}


def in_use() -> set[str]:
    """Packages that must stay as they are: torch with what it stands on, and what the kernel has imported already.

    A package that is exchanged under a running kernel breaks it until it is restarted; another torch would not find
    this machine's CUDA.
    """
    here, found, todo = installed(), set[str](), ["torch", "torchvision", "torchaudio"]
    while todo:
        name = todo.pop()
        if name in here and name not in found:
            found.add(name)
            needs = [need for need in importlib.metadata.requires(name) or () if "extra ==" not in need]
            todo += [_normal(re.split(r"[ ;<>=!~\[(]", need)[0]) for need in needs]
    owners = importlib.metadata.packages_distributions()
    return found | {_normal(owner) for module in list(sys.modules) for owner in owners.get(module, ())}


def constraints(lock: Iterable[str], here: Mapping[str, str], kept: Iterable[str]) -> list[str]:
    """Lines for ``pip install --constraint``: what is kept at its version here, all else at the lock's."""
    kept = {name for name in kept if name in here}
    pins = (line.strip() for line in lock if "==" in line and not line.startswith("#"))
    wanted = [pin for pin in pins if _normal(pin.split("==")[0]) not in kept]
    return sorted(f"{name}=={here[name]}" for name in kept) + wanted


def install(home: Path) -> None:
    """Install the project and missing packages into the kernel's environment; with a GPU, what 8-bit bases need.

    Args:
        home: the checkout.

    Raises:
        subprocess.CalledProcessError: pip could not; its own words stand above.
    """
    lock = (home / "requirements.lock").read_text(encoding="utf-8").splitlines()
    file = home / "colab.txt"
    file.write_text("\n".join(constraints(lock, installed(), in_use())) + "\n", encoding="utf-8")
    wanted = f"{home}[gpu]" if shutil.which("nvidia-smi") else str(home)
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "-c", str(file), "-e", wanted])
    sys.path.insert(0, str(home))
    importlib.invalidate_caches()


def greeting() -> str:
    """What GPU is here, the largest of the paper's bases that LoRA can train on it, and the parameters that do so."""
    from .. import store
    from ..planning import estimates
    from . import suite_check

    card = estimates.here()
    if card is None:
        return "No GPU (Runtime > Change runtime type has some): released generations are scored all the same."
    slice_ = suite_check.fitting(store.load_suite("paper").slice(methods=["LoRA"]), card)
    if slice_ is None:
        return f"{card.name}, {card.gib:.1f} GiB: too small for the paper's bases."
    return (
        f"{card.name}, {card.gib:.1f} GiB: trains the paper's bases up to {slice_.sizes[-1]} by LoRA. To do so, set "
        f'suite = "paper", sizes = ["{slice_.sizes[-1]}"], methods = ["LoRA"] and run = True in the next cell.'
    )
