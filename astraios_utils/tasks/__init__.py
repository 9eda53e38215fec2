"""The benchmark's tasks: each is one declaration of its data, prompt, post-processing and scoring."""

from __future__ import annotations

from collections.abc import Mapping

from .. import schema
from . import aatk, codexglue, humanevalpack, recode
from .base import DataSource, Decoding, Generations, Judgement, Problem, Row, Task

TASKS: Mapping[str, Task] = {
    task.name: task for task in (*codexglue.TASKS, *humanevalpack.TASKS, *recode.TASKS, *aatk.TASKS)
}


def get_task(name: str) -> Task:
    """The task of that name (case is forgiven).

    Raises:
        schema.UnknownName: no task has that name; near matches are listed.
        schema.BadInput: the task exists in the paper, but this version cannot run or score it.
    """
    known = schema.match(name, schema.TASKS, "task")
    if known not in TASKS:
        raise schema.BadInput(f"task {known!r} is not available in this version; available: {', '.join(TASKS)}")
    return TASKS[known]


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
