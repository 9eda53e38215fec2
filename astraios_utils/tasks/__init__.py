"""The benchmark's tasks: each is one declaration of its data, prompt, post-processing and scoring."""

from __future__ import annotations

from collections.abc import Mapping

from .. import schema
from . import aatk, codexglue, conala, humanevalpack, recode
from .base import DataSource, Decoding, Generations, Judgement, Problem, Row, Task

TASKS: Mapping[str, Task] = {
    task.name: task for task in (*codexglue.TASKS, *humanevalpack.TASKS, *recode.TASKS, *aatk.TASKS, *conala.TASKS)
}


def get_task(name: str) -> Task:
    """The task of that name (case is forgiven).

    Raises:
        schema.UnknownName: no task has that name; near matches are listed.
    """
    return TASKS[schema.match(name, TASKS, "task")]


__all__ = [
    "TASKS",
    "DataSource",
    "Decoding",
    "Generations",
    "Judgement",
    "Problem",
    "Row",
    "Task",
    "get_task",
]
