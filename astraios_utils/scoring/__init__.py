"""Generations -> verdicts: reads files in the released format, runs what must be run, judges what need not be.

Programs are deduplicated across samples and files by :func:`journal.program_key`, so each distinct program runs once,
whatever the number of files that hold it; its outcome goes to the journal at once. Verdicts depend on the generations,
the problems, the sandbox's rules and the interpreter alone: never on the number of workers or the order of the work.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from tqdm import tqdm

from .. import schema, store
from ..metrics import scores
from ..sandbox import RULES, Outcome, Program, Sandbox, java_levels, may_run_long, runtime_id
from ..tasks import Problem, Task
from .journal import Journal, open_journal, program_key

VERSION = 1  # of the rules below; a change makes every verdict file stale


@dataclass(frozen=True, slots=True)
class Source:
    """One file to score: which task it answers, and which cell of which suite it belongs to (empty: none).

    Attributes:
        problems: the file or folder with the problems, where they are not the task's own.
        java_level: the language level (``javac --release``) of Java samples and their tests; ``None``: the JDK's own.

    Raises:
        schema.BadInput: a level for a task that runs no Java, or one that this machine's JDK does not compile for.
    """

    task: Task
    path: Path
    suite: str = ""
    size: str = ""
    method: str = ""
    problems: Path | None = None
    java_level: int | None = None

    def __post_init__(self) -> None:
        if self.java_level is None:
            return
        if (self.task.kind, self.task.language) != ("execution", "java"):
            raise schema.BadInput(f"Java level {self.java_level}: {self.task.name} runs no Java programs")
        known = java_levels()
        if self.java_level not in known:
            raise schema.BadInput(
                f"Java level {self.java_level}: {runtime_id('java')} compiles for levels {known[0]} to {known[-1]}"
            )

    def program(self, problem: Problem, sample: str) -> Program:
        """The program that decides on one sample, at the level of this source."""
        program = self.task.program(problem, sample)
        return program if self.java_level is None else replace(program, release=self.java_level)


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdicts of one file.

    Attributes:
        verdicts: one row per sample, columns ``schema.VERDICT_COLUMNS``.
        metrics: the task's metrics, each with its standard error and interval, in percent.
        seconds: wall time spent on this file: its reading, and its share of the run by its own programs' seconds (a
            program that an earlier file holds too is that file's).
    """

    source: Source
    verdicts: pd.DataFrame
    metrics: Mapping[str, scores.Estimate]
    seconds: float

    def summary(self) -> dict[str, Any]:
        """What ``astraios score --json`` prints for the file: percent, rounded to four decimals."""
        frame = self.verdicts
        return {
            "file": str(self.source.path),
            "task": self.source.task.name,
            "n_problems": len(frame[["problem", "variant"]].drop_duplicates()),
            "n_samples": len(frame),
            "metrics": {name: _rounded(e.value) for name, e in self.metrics.items()},
            "standard_errors": {name: _rounded(e.se) for name, e in self.metrics.items()},
            "seconds": round(self.seconds, 2),
            **({} if self.source.java_level is None else {"java_level": self.source.java_level}),
        }


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)  # JSON has no NaN


@dataclass(slots=True)
class _Sheet:
    """One file on its way: its samples, each with its judgement or with the key of the program that decides it."""

    source: Source
    rows: list[tuple[str, str, int]] = field(default_factory=list)
    decided: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    seconds: float = 0.0


def _open_sheet(source: Source, problems: Sequence[Problem], new: dict[str, Program], known: Journal) -> _Sheet:
    started = time.perf_counter()
    task, sheet = source.task, _Sheet(source)
    read = [
        (p, n, sample) for p, samples in task.read(source.path, problems).pairs() for n, sample in enumerate(samples)
    ]
    sheet.rows = [(problem.id, problem.variant, number) for problem, number, _ in read]
    if task.kind != "execution":
        judged = task.judge_all([(problem, sample) for problem, _, sample in read])
        sheet.decided = [(judgement.status, judgement.detail) for judgement in judged]
    else:
        for problem, _, sample in read:
            program = source.program(problem, sample)
            key = program_key(program)
            sheet.keys.append(key)
            if known.get(key) is None:
                new.setdefault(key, program)
    sheet.seconds = time.perf_counter() - started
    return sheet


def _close_sheet(sheet: _Sheet, journal: Journal, fresh: dict[str, float]) -> Scored:
    source = sheet.source
    seconds = [0.0] * len(sheet.rows)
    if source.task.kind == "execution":
        outcomes = [_recall(journal, key) for key in sheet.keys]
        sheet.decided = [(o.status, o.detail) for o in outcomes]
        seconds = [o.seconds for o in outcomes]
        sheet.seconds += sum(fresh.pop(key, 0.0) for key in sheet.keys)
    frame = pd.DataFrame(sheet.rows, columns=["problem", "variant", "sample"])
    frame[["status", "detail"]] = sheet.decided
    frame["seconds"] = seconds
    for column in ("suite", "size", "method"):
        frame[column] = getattr(source, column)
    frame["task"] = source.task.name
    frame = frame[list(schema.VERDICT_COLUMNS)]
    return Scored(source, frame, scores.summarise(source.task.metrics, frame), sheet.seconds)


def _recall(journal: Journal, key: str) -> Outcome:
    outcome = journal.get(key)
    assert outcome is not None, "every program of an opened sheet has run"
    return outcome


def progress_bar(total: int, unit: str, what: str, stream: TextIO | None = None) -> tqdm[Any]:
    """A bar with rate and time left on a terminal; a plain line every ten seconds elsewhere."""
    stream = stream or sys.stderr
    live = stream.isatty()
    return tqdm(
        total=total,
        unit=f" {unit}",
        desc=what,
        file=stream,
        mininterval=0.2 if live else 10.0,
        ascii=not live,
        ncols=None if live else 100,
        disable=None if live else total == 0,
    )


def run_programs(
    programs: Mapping[str, Program], journal: Journal, sandbox: Mapping[str, Any] | None = None, progress: bool = True
) -> dict[str, float]:
    """Run programs and journal each outcome as it comes.

    Args:
        programs: program by key.
        sandbox: arguments of :class:`sandbox.Sandbox` (workers, isolation, ...).
        progress: whether to draw a bar on standard error.

    Returns:
        Each program's share of the run's wall time, in seconds.
    """
    if not programs:
        return {}
    started = time.perf_counter()
    keys = sorted(programs, key=lambda key: not may_run_long(programs[key]))  # they then wait out their limits together
    taken: dict[str, float] = {}
    with Sandbox(**(sandbox or {})) as box:
        bar = progress_bar(len(keys) if progress else 0, "programs", "running")
        with bar:
            for index, outcome in box.run(programs[key] for key in keys):
                journal.put(keys[index], outcome)
                taken[keys[index]] = outcome.seconds
                bar.update()
    scale = (time.perf_counter() - started) / max(sum(taken.values()), 1e-9)
    return {key: seconds * scale for key, seconds in taken.items()}


def score(
    sources: Iterable[Source],
    problems: Path | None = None,
    sandbox: Mapping[str, Any] | None = None,
    progress: bool = True,
    journal: Path | None = None,
) -> Iterator[Scored]:
    """Score files; all are read and checked before the first program runs.

    Args:
        sources: the files.
        problems: a file or folder with the problems of sources that name none, instead of the task's own.
        sandbox: arguments of :class:`sandbox.Sandbox`.
        progress: whether to draw a bar on standard error.
        journal: where outcomes of programs are read and kept; the build folder's journal by default.

    Yields:
        One :class:`Scored` a file, in the order given.

    Raises:
        schema.BadInput: one line per bad file, in one exception; nothing has run or been written then.
    """
    sources = list(sources)
    with open_journal(journal) as known:
        new: dict[str, Program] = {}
        sheets: list[_Sheet] = []
        faults: list[str] = []
        for source in sources:
            try:
                sheets.append(_open_sheet(source, source.task.references(source.problems or problems), new, known))
            except schema.BadInput as error:
                faults.append(str(error))
        if faults:
            raise schema.BadInput("\n".join(faults))
        fresh = run_programs(new, known, sandbox, progress)
        for sheet in sheets:
            yield _close_sheet(sheet, known, fresh)


def inputs_of(source: Source, problems: Sequence[Problem]) -> dict[str, Any]:
    """What a file's verdicts depend on; equal inputs mean that the verdict file on disk is current."""
    task = source.task
    return {
        "generations": store.sha256_file(source.path),
        "problems": store.fingerprint([[p.id, p.variant, dict(p.row)] for p in problems]),
        "task": task.fingerprint,
        "scoring": VERSION,
        "sandbox": [RULES, runtime_id(task.language)] if task.kind == "execution" else None,
        **({} if source.java_level is None else {"java_level": source.java_level}),
    }


def write(scored: Scored, path: Path, problems: Sequence[Problem]) -> None:
    """Write a file's verdicts as parquet, with their provenance beside them."""
    extra = {"summary": scored.summary(), "tools": scored.source.task.tools()}
    store.write_stage(path, scored.verdicts, inputs_of(scored.source, problems), **extra)


def print_line(scored: Scored, as_json: bool, stream: TextIO | None = None) -> None:
    """One line for one file: JSON, or readable with standard errors."""
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(scored.summary(), ensure_ascii=False), file=stream, flush=True)
        return
    shown = "  ".join(f"{name} {e.value:.2f} ± {e.se:.2f}" for name, e in scored.metrics.items() if "/" not in name)
    print(f"{scored.source.path.name}  {shown}  ({len(scored.verdicts)} samples)", file=stream, flush=True)
