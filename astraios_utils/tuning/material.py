"""What a study reads: documents to learn from, questions to be measured on, pre-training text, and a budget.

Suite ``nano`` draws its documents from its generator, on compositions that neither pre-training nor tuning has seen.
Suite ``smol`` takes rows of its instruction data, by kind, and parts of modules of the same packages.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import schema
from ..nano import documents
from ..smol import instructions, retained
from ..sources import corpus
from .loop import Example

LEARNT, ASKED, OLD = 400, 32, 48  # documents per task to learn from and to be measured on; pre-training documents
FORGOTTEN = "pre-training"  # what stands for a task where pre-training documents are measured


@dataclass(frozen=True, slots=True)
class Material:
    """What the models of one suite learn from and are measured on.

    Attributes:
        tasks: names of the tasks.
        learnt: documents of a task to learn from, at most :data:`LEARNT`; takes the task and a seed.
        asked: held-out documents of a task, at most :data:`ASKED`.
        old: pre-training documents that forgetting is measured on.
        further: other pre-training documents, for a base that is trained further.
        steps, batch: of a run; a batch is in documents.
        rows: documents that are measured at a time, which bounds the memory.
    """

    tasks: tuple[str, ...]
    learnt: Callable[[str, int], list[Example]]
    asked: Callable[[str], list[Example]]
    old: Callable[[], list[Example]]
    further: Callable[[], list[Example]]
    steps: int
    batch: int
    rows: int


def of(suite: schema.Suite) -> Material:
    """The material of a suite's study.

    Raises:
        schema.BadInput: there is none for this suite.
    """
    if suite.name not in MATERIALS or suite.recipe is None:
        raise schema.BadInput(f"suite {suite.name}: the analyses read the documents of {' or '.join(MATERIALS)}")
    return MATERIALS[suite.name](suite.recipe)


def _example(task: str, row: Any) -> Example:
    before, after = schema.TEMPLATE.split("{completion}")
    return Example(task, before.format(prompt=row[0]), row[1] + after)


def _plain(texts: Any) -> list[Example]:
    return [Example(FORGOTTEN, "", text) for text in texts]


def _nano(_: schema.Recipe) -> Material:
    def rows(task: str, split: Any, seed: int, count: int) -> list[Example]:
        return [_example(task, documents.of_kind(task, split, seed, number)) for number in range(count)]

    def unseen(seed: int, count: int) -> list[Example]:  # bases have read the stream of seed 0
        found = (documents.pretraining(1000 + seed, number) for number in range(count))
        return _plain(row.prompt + row.completion for row in found)

    return Material(
        tasks=tuple(documents.KINDS),
        learnt=lambda task, seed: rows(task, "tune", seed, LEARNT),
        asked=lambda task: rows(task, "eval", 0, ASKED),
        old=lambda: unseen(0, OLD),
        further=lambda: unseen(1, LEARNT),
        steps=60,
        batch=8,
        rows=32,
    )


def _smol(recipe: schema.Recipe) -> Material:
    @functools.cache
    def pairs(held_out: bool) -> list[corpus.Pair]:
        read = corpus.open_corpus(recipe, 0, held_out)
        if not isinstance(read, corpus.FileCorpus):
            raise schema.BadInput(f"{recipe.corpus}: the analyses read a corpus and a test set that are files")
        return read.pairs

    def rows(task: str, held_out: bool) -> list[Example]:
        return [_example(task, pair) for pair in pairs(held_out) if instructions.kind_of(pair[0]) == task]

    def learnt(task: str, seed: int) -> list[Example]:
        found = rows(task, False)
        return random.Random(f"learnt:{seed}").sample(found, min(LEARNT, len(found)))

    return Material(
        tasks=instructions.KINDS,
        learnt=learnt,
        asked=lambda task: rows(task, True)[:ASKED],
        old=lambda: _plain(text for _, text in corpus.retained(recipe)),
        further=lambda: _plain(retained.further(LEARNT)),
        steps=recipe.steps,
        batch=recipe.batch,
        rows=8,
    )


MATERIALS: dict[str, Callable[[schema.Recipe], Material]] = {"nano": _nano, "smol": _smol}
