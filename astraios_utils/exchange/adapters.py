"""An adapter from elsewhere, scored without training: a PEFT folder or a name on the hub becomes a model of a suite."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .. import generation, models, schema, store, training
from ..running import pipeline
from ..schema import Suite
from ..sources import hub

FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_LONGEST = 64  # characters of a suite's name


def locate(adapter: str, revision: str | None = None) -> Path:
    """The folder of an adapter; one on the hub is downloaded first.

    Raises:
        schema.BadInput: the folder holds no adapter.
        schema.MissingArtefact: no such folder, and the hub does not give it; says why.
    """
    folder = Path(adapter)
    if folder.is_dir():
        if not models.is_adapter(folder):
            raise schema.BadInput(f"{folder}: holds no adapter_config.json, so it is no PEFT adapter")
        return folder
    import huggingface_hub

    sha = hub.commit(adapter, "model", revision)
    fetch = functools.partial(huggingface_hub.snapshot_download, adapter, revision=sha, allow_patterns=list(FILES))
    try:
        found = Path(fetch())
    except Exception as error:  # httpx's, the hub's and the disk's errors share no base
        raise schema.MissingArtefact(f"{adapter}: {hub.cause(error)}") from None
    if not models.is_adapter(found):
        raise schema.BadInput(f"{adapter}: the repository holds no adapter_config.json, so it is no PEFT adapter")
    return found


def size_of(suite: Suite, folder: Path, size: str = "") -> str:
    """Which of the suite's bases an adapter belongs to: the named one, or the one that its configuration names.

    Raises:
        schema.BadInput: its base is none of the suite's.
    """
    if size:
        return schema.match(size, suite.bases, "size")
    named = str(models.read_peft_config(folder).base_model_name_or_path or "")
    for name, base in suite.bases.items():
        same = named and Path(named).exists() and Path(named).resolve() == Path(base.model).resolve()
        if base.model == named or same:
            return name
    bases = ", ".join(f"{name} ({base.model})" for name, base in suite.bases.items())
    raise schema.BadInput(
        f"{folder}: the adapter names the base {named or 'nothing'!r}; suite {suite.name} has {bases or 'no bases'}. "
        "Say which one it belongs to with --size"
    )


def named(adapter: str) -> str:
    """A short name of an adapter, fit for a file: the end of its path or repository."""
    parts = [part for part in Path(adapter).resolve().parts if part != "checkpoint"] if Path(adapter).is_dir() else []
    return re.sub(r"[^A-Za-z0-9._-]+", "-", parts[-1] if parts else adapter.rsplit("/", 1)[-1]).strip("-.") or "adapter"


def as_suite(suite: Suite, folder: Path, name: str, size: str, tasks: Sequence[str] = ()) -> Suite:
    """A suite with one model, the adapter, on a base, with the recipe's problems and decoding of another suite."""
    kind = type(models.read_peft_config(folder)).__name__
    chosen = suite.slice(tasks=list(tasks))
    fields = chosen.model_dump() | {
        "name": f"{suite.name}-{name}"[:_LONGEST].rstrip("-."),
        "title": f"{name}, scored as in {suite.name}",
        "sizes": (size,),
        "methods": (name,),
        "method_configs": {name: {"peft_type": kind}},
        "bases": {size: suite.bases[size].model_dump()},
        "generations": "generate",
        "published": False,
        "notebooks": (),
        "seeds": 1,
        "search": None,
    }
    return Suite.model_validate(fields)


def adopt(suite: Suite, folder: Path) -> None:
    """Put an adapter's files where the suite's one model is trained, with a record that says where they come from."""
    run = training.plan(suite, suite.models[0])
    part = run.folder / ".checkpoint.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in FILES:
        if (folder / name).exists():
            shutil.copyfile(folder / name, part / name)
    shutil.rmtree(run.checkpoint, ignore_errors=True)
    part.rename(run.checkpoint)
    size = sum(path.stat().st_size for path in run.checkpoint.iterdir())
    store.write_json(
        run.folder / "run.json",
        store.provenance(inputs=run.inputs, cost={"checkpoint_bytes": size}, adopted=str(folder)),
    )


def evaluate(
    adapter: str, suite: Suite, size: str = "", tasks: Sequence[str] = (), name: str = "", weak: bool = False
) -> tuple[Suite, pd.DataFrame]:
    """Score an adapter on a suite's tasks, without training.

    Args:
        adapter: a PEFT folder or a name on the hub.
        suite: whose base, problems, decoding and recipe are used; its own models are not run.
        size: which base; by default the one that the adapter's configuration names.
        tasks: by default all of the suite's.
        name: what the adapter is called; by default the end of its path.
        weak: run programs without kernel isolation where there is none.

    Returns:
        The suite of the adapter alone, and the results of both: the adapter's, and those of the suite's models of that
        size that are measured or published.
    """
    if suite.recipe is None or not suite.bases:
        raise schema.BadInput(f"suite {suite.name} has no bases to put an adapter on: use one that trains, e.g. paper")
    folder = locate(adapter)
    size = size_of(suite, folder, size)
    own = as_suite(suite, folder, name or named(adapter), size, tasks)
    store.keep_suite(own)
    pipeline.prepare(own)
    adopt(own, folder)
    generation.generate(own, own.models[0], own.tasks)
    pipeline.score(own, {"allow_weak": weak})
    frame = pipeline.aggregate(own)
    others = pipeline.aggregate(suite)
    compared = others[(others["size"] == size) & others["task"].isin(own.tasks)]
    known = compared[["value", "published"]].notna().any(axis=1)
    return own, pd.concat([frame, compared[known]], ignore_index=True)
