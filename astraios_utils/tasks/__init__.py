"""The benchmark's tasks: each is one declaration of its data, prompt, post-processing and scoring."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .. import schema
from . import aatk, codexglue, conala, humanevalpack, likelihood, recode
from .base import (
    AnalysedTask,
    DataSource,
    Decoding,
    ExecutedTask,
    Generations,
    JudgedTask,
    Judgement,
    LikelihoodTask,
    Problem,
    Row,
    Task,
    Turn,
)
from .codexglue import CodeXGlue

TASKS: Mapping[str, Task] = {
    task.name: task for kind in (codexglue, humanevalpack, recode, aatk, conala, likelihood) for task in kind.TASKS
}


def get_task(name: str) -> Task:
    """The task of that name; upper and lower case do not matter.

    Raises:
        schema.UnknownName: no task has that name; near matches are listed.
    """
    return TASKS[schema.match(name, TASKS, "task")]


def task_of(suite: schema.Suite, name: str) -> Task:
    """The task as the suite runs it, with the suite's numbers of samples and tokens where it sets them."""
    task = get_task(name)
    samples, length = suite.sampling.samples, suite.sampling.max_length
    changes: dict[str, Any] = {} if samples is None or task.decoding.temperature == 0 else {"samples": samples}
    changes |= {} if length is None else {"max_length": length}
    return dataclasses.replace(task, decoding=dataclasses.replace(task.decoding, **changes)) if changes else task


__all__ = [
    "TASKS",
    "AnalysedTask",
    "CodeXGlue",
    "DataSource",
    "Decoding",
    "ExecutedTask",
    "Generations",
    "JudgedTask",
    "Judgement",
    "LikelihoodTask",
    "Problem",
    "Row",
    "Task",
    "Turn",
    "get_task",
    "task_of",
]
