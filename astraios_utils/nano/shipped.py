"""What ``data/nano`` holds: written from seeds, checksummed, read by the suite file."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import schema, store
from ..store import processes
from ..store.processes import say
from . import documents, pretrain

SEED = 0
ROWS = {"train": 2400, "test": 160, "validation": 160}  # learning rates are chosen on the last, which no test uses
RETAINED = 240  # documents that continue the pre-training stream where the bases stopped reading
SUMS = "SHA256SUMS"


def folder() -> Path:
    """The shipped files."""
    return store.data_dir() / "nano"


def write_corpus(to: Path) -> list[Path]:
    """The instruction data and the text that shows forgetting: JSON lines with ``prompt`` and ``completion``."""
    store.require_writable(to)
    written, start = [], 0
    for name, count in ROWS.items():
        rows = (documents.tuning(SEED, number) for number in range(start, start + count))
        written.append(_write_rows(to / f"{name}.jsonl.xz", rows))
        start += count
    following = range(pretrain.DOCUMENTS, pretrain.DOCUMENTS + RETAINED)
    return [*written, _write_rows(to / "retained.jsonl.xz", (documents.pretraining(SEED, n) for n in following))]


def _write_rows(path: Path, rows: Iterable[documents.Document]) -> Path:
    text = "".join(json.dumps(row._asdict()) + "\n" for row in rows)
    with store.atomic(path) as stream:
        stream.write(lzma.compress(text.encode(), preset=9))
    return path


def write_bases(sizes: Iterable[str], to: Path, work: Path) -> None:
    """Train bases (or finish, where they were begun) and write each with its tokenizer, recipe and log.

    A base trains on one core, so that its weights do not depend on how many there are; the largest begin first.

    Args:
        to: where bases lie, a folder a size.
        work: for checkpoints; a killed call continues from there.
    """
    pretrain.prepare(work, SEED, say)
    largest_first = sorted(set(sizes), key=list(pretrain.RECIPES).index, reverse=True)
    processes.share(_write_base, [(size, to, work) for size in largest_first], lambda one, _: say(f"{one[0]}: done"))


def _write_base(job: tuple[str, Path, Path]) -> None:
    size, to, work = job
    net = pretrain.train(size, work, say)
    made, _ = pretrain.prepare(work, SEED, say)
    export(size, net, made, to / size)
    log = (work / f"{size}.jsonl").read_text(encoding="utf-8")
    with store.atomic(to / size / "pretraining.jsonl", "w") as stream:
        stream.write(log)


def export(size: str, net: Any, made: Any, to: Path) -> None:
    """Write a base as transformers reads it, in half precision: half the bytes, and rounded once and for all."""
    import torch

    store.require_writable(to)
    net.to(torch.float16).save_pretrained(to)
    made.save_pretrained(to)
    recipe = asdict(pretrain.RECIPES[size])
    store.write_json(to / "recipe.json", {**recipe, "documents": pretrain.DOCUMENTS, "row": pretrain.ROW})


def write_sums(of: Path) -> Path:
    """The SHA-256 of every file, as ``sha256sum`` writes and checks it."""
    paths = sorted(p for p in of.rglob("*") if p.is_file() and p.name != SUMS)
    with store.atomic(of / SUMS, "w") as stream:
        stream.writelines(f"{store.sha256_file(p)}  {p.relative_to(of).as_posix()}\n" for p in paths)
    return of / SUMS


def verify(of: Path, names: Iterable[str] = ("",)) -> None:
    """Compare files with their checksums; ``names`` are beginnings of relative paths.

    Raises:
        schema.BadInput: the first file that is missing or differs.
    """
    starts = tuple(names)
    for line in (of / SUMS).read_text(encoding="utf-8").splitlines():
        expected, name = line.split("  ", 1)
        path = of / name
        if name.startswith(starts) and (not path.is_file() or store.sha256_file(path) != expected):
            raise schema.BadInput(f"{path}: missing or not as shipped; `git checkout data/{of.name}` restores it")
