"""The benchmark's tasks: each is one declaration of its data, prompt, post-processing and scoring."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .. import schema
from . import aatk, codexglue, conala, humanevalpack, likelihood, recode, testgen
from .base import (
    AnalysedTask,
    DataSource,
    Decoding,
    ExecutedTask,
    Generations,
    JudgedTask,
    Judgement,
    LikelihoodTask,
    ProbedTask,
    Problem,
    ProgramTask,
    Row,
    Task,
    Turn,
)
from .codexglue import CodeXGlue

TASKS: Mapping[str, Task] = {
    task.name: task
    for kind in (codexglue, humanevalpack, recode, aatk, conala, likelihood, testgen)
    for task in kind.TASKS
}


def get_task(name: str) -> Task:
    """The task of that name; upper and lower case do not matter.

    Raises:
        schema.UnknownName: no task has that name; near matches are listed.
    """
    return TASKS[schema.match(name, TASKS, "task")]


def task_of(suite: schema.Suite, name: str) -> Task:
    """The task as the suite runs it: with its temperature and its numbers of samples and tokens where it sets them."""
    task, sampling = get_task(name), suite.sampling
    given = {"temperature": sampling.temperature, "samples": sampling.samples, "max_length": sampling.max_length}
    if task.decoding.temperature == 0:
        given |= {"temperature": None, "samples": None}
    elif sampling.temperature == 0:
        given["samples"] = 1
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
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
    "ProbedTask",
    "Problem",
    "ProgramTask",
    "Row",
    "Task",
    "Turn",
    "get_task",
    "task_of",
]
