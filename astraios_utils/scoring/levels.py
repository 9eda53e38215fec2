"""Scores Java files at another language level than the JDK's own, from their verdicts at the JDK's own level.

A sample that does not pass at the JDK's own level keeps its verdict; one that passes runs again at the other level,
where it may no longer compile. So only a fraction of the programs run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .. import schema
from ..sandbox import PASSED, Outcome, Program
from ..tasks import ExecutedTask
from .journal import open_journal, program_key
from .score import Scored, Source, recall, run_programs


def score_at_level(
    pairs: Iterable[tuple[Source, pd.DataFrame]], sandbox: Mapping[str, Any] | None = None, progress: bool = True
) -> Iterator[Scored]:
    """Score Java files at their sources' language levels.

    Args:
        pairs: sources with a ``java_level``, each with its verdicts at the JDK's own level (in the file's order).
        sandbox: arguments of :class:`sandbox.Sandbox`.
        progress: whether to draw a bar on standard error.

    Yields:
        One :class:`Scored` per source, in the order given.

    Raises:
        schema.BadInput: a file that does not fit its verdicts.
    """
    with open_journal() as known:
        new: dict[str, Program] = {}
        sheets = []
        for source, own in pairs:
            programs = _passing_programs(source, own)
            new |= {key: program for key, program in programs.values() if known.get(key) is None}
            sheets.append((source, own, {row: key for row, (key, _) in programs.items()}))
        run_programs(new, known, sandbox, progress)
        for source, own, rows in sheets:
            frame = _replaced(own, {row: recall(known, key) for row, key in rows.items()})
            yield Scored(source, frame, source.task.summarise(frame), 0.0)


def _passing_programs(source: Source, own: pd.DataFrame) -> dict[int, tuple[str, Program]]:
    """The programs of the passing samples at the source's level, with their keys, by the row of their verdict."""
    task = source.task
    if not isinstance(task, ExecutedTask):
        raise schema.BadInput(f"Java level {source.java_level}: {task.name} runs no Java programs")
    read = task.read(source.path, task.references(source.problems))
    samples = [(problem, sample) for problem, answers in read.pairs() for sample in answers]
    if [problem.id for problem, _ in samples] != list(own["problem"]):
        raise schema.BadInput(f"{source.path}: does not fit its verdicts; score the file again")
    passing = [int(row) for row in np.flatnonzero(own["status"] == PASSED)]
    programs = {row: source.at_level(task.program(*samples[row])) for row in passing}
    return {row: (program_key(program), program) for row, program in programs.items()}


def _replaced(own: pd.DataFrame, outcomes: Mapping[int, Outcome]) -> pd.DataFrame:
    """Verdicts with the outcomes of some rows, by position, put in."""
    columns: dict[str, list[Any]] = {name: own[name].tolist() for name in ("status", "detail", "seconds")}
    for row, outcome in outcomes.items():
        for name, values in columns.items():
            values[row] = getattr(outcome, name)
    return own.assign(**columns)
