"""Score generation files: each distinct program runs once, and its outcome goes to the journal immediately.

Programs are identified by :func:`journal.program_key`, across samples and files. A verdict depends on the generations,
the problems, the sandbox's rules and the interpreter alone, never on the number of workers or the order of the work.
Samples run as they are. Where most of a file's samples show a habit of other tools that turns right answers into
programs that cannot run (:mod:`tasks.leniency`), the result says so. ``lenient`` sources undo it and report both
scores.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from .. import schema, store
from ..metrics.scores import Estimate
from ..sandbox import (
    IN_ONE_PROCESS,
    PASSED,
    RULES,
    Outcome,
    Program,
    Sandbox,
    conditions,
    java_levels,
    may_run_long,
    runtime_id,
)
from ..store import processes
from ..tasks import (
    AnalysedTask,
    ExecutedTask,
    JudgedTask,
    LikelihoodTask,
    ProbedTask,
    Problem,
    ProgramTask,
    Task,
    leniency,
)
from ..tasks.base import Judgement, ProblemSet
from .journal import Journal, open_journal, program_key

_SECONDS = 10.0  # between two lines of progress where there is no terminal
VERSION = 2  # of the rules below; a change makes every verdict file stale


@dataclass(frozen=True, slots=True)
class Source:
    """One file to score: the task that it answers, and its cell of a suite (empty: none).

    Attributes:
        problems: the file or folder with the problems, where they are not the task's own.
        java_level: the language level (``javac --release``) of Java samples and their tests; ``None``: the JDK's own.
        lenient: score the samples after the changes of :func:`tasks.leniency.lenient`, and as they are.

    Raises:
        schema.BadInput: a level for a task that runs no Java, or one that this machine's JDK does not compile for;
            leniency for a task that runs no programs.
    """

    task: Task
    path: Path
    suite: str = ""
    size: str = ""
    method: str = ""
    problems: Path | None = None
    java_level: int | None = None
    lenient: bool = False

    def __post_init__(self) -> None:
        if self.lenient and not isinstance(self.task, ExecutedTask):
            raise schema.BadInput(f"--lenient: {self.task.name} runs no programs, so there is nothing to change")
        if self.java_level is None:
            return
        if not isinstance(self.task, ExecutedTask) or self.task.language != "java":
            raise schema.BadInput(f"Java level {self.java_level}: {self.task.name} runs no Java programs")
        known = java_levels()
        if self.java_level not in known:
            raise schema.BadInput(
                f"Java level {self.java_level}: {runtime_id('java')} compiles for levels {known[0]} to {known[-1]}"
            )

    def at_level(self, program: Program) -> Program:
        """The program at the language level of this source."""
        return program if self.java_level is None else replace(program, release=self.java_level)


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdicts of one file.

    Attributes:
        verdicts: one row per sample, columns ``schema.VERDICT_COLUMNS``.
        metrics: the task's metrics, each with its standard error and interval, in percent.
        seconds: wall time spent on this file: reading it, and its share of the run, by its own programs' seconds (a
            program that an earlier file also contains counts for that file).
        anomalies: how many samples show which anomaly (:mod:`tasks.leniency`), where most of them show one.
        changed: samples that leniency changed; ``None`` for a source that is not lenient.
        strict: the metrics of the samples as they are, for a lenient source.
    """

    source: Source
    verdicts: pd.DataFrame
    metrics: Mapping[str, Estimate]
    seconds: float
    anomalies: Mapping[str, int] = field(default_factory=dict)
    changed: int | None = None
    strict: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def remark(self) -> str:
        """One line about anomalies or about what leniency changed; empty where there is neither."""
        name, total = self.source.path, len(self.verdicts)
        headline = self.source.task.metric
        if self.changed is not None:
            scores = f"{self.strict[headline].value:.2f} as they are, {self.metrics[headline].value:.2f} after that"
            return f"{name}: --lenient changed {self.changed} of {total} samples; {headline} is {scores}"
        if not self.anomalies:
            return ""
        return f"{name}: {leniency.describe(self.anomalies, total)} (--lenient undoes this)"

    @property
    def in_one_process(self) -> int:
        """Samples that shared a process with their test, where a sample can forge its verdict."""
        return int(self.verdicts["detail"].str.startswith(IN_ONE_PROCESS).sum())

    def summary(self) -> dict[str, Any]:
        """What ``astraios score --json`` prints for the file: percent, rounded to four decimals."""
        frame = self.verdicts
        return {
            "file": str(self.source.path),
            "task": self.source.task.name,
            "n_problems": len(frame[["problem", "variant"]].drop_duplicates()),
            "n_samples": len(frame),
            **({"in_one_process": self.in_one_process} if isinstance(self.source.task, ExecutedTask) else {}),
            "metrics": _values(self.metrics),
            "standard_errors": {name: _rounded(e.se) for name, e in self.metrics.items()},
            "seconds": round(self.seconds, 2),
            "anomalies": dict(self.anomalies),
            **({} if self.changed is None else {"lenient": {"changed": self.changed, "strict": _values(self.strict)}}),
            **({} if self.source.java_level is None else {"java_level": self.source.java_level}),
        }


def _values(metrics: Mapping[str, Estimate]) -> dict[str, float | None]:
    return {name: _rounded(e.value) for name, e in metrics.items()}


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)  # JSON has no NaN


@dataclass(slots=True)
class _Sheet:
    """One file being scored.

    Attributes:
        rows: problem, variant and number of each sample.
        decided: status and detail of each sample, where nothing has to run.
        keys: the key of each sample's program, where programs decide.
        strict: keys of the samples as they are, for a lenient source.
        tests: for problems of the user's own, the key of each problem's test with an empty sample.
        waiting: samples whose verdict needs programs that have not run, by row.
        probes: keys of the programs that such samples needed.
    """

    source: Source
    rows: list[tuple[str, str, int]] = field(default_factory=list)
    decided: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    strict: list[str] = field(default_factory=list)
    tests: dict[str, str] = field(default_factory=dict)
    waiting: dict[int, tuple[Problem, str]] = field(default_factory=dict)
    anomalies: Mapping[str, int] = field(default_factory=dict)
    changed: int | None = None
    probes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _Batch:
    """The programs of all files that still have to run."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.new: dict[str, Program] = {}

    def add(self, program: Program) -> str:
        """Have a program run unless the journal knows its outcome; returns its key."""
        key = program_key(program)
        if self.journal.get(key) is None:
            self.new.setdefault(key, program)
        return key


def _open_sheet(source: Source, own: Path | None, batch: _Batch) -> _Sheet:
    """Read a file and decide what needs no run.

    Args:
        own: the user's own problems, if any.
    """
    started = time.perf_counter()
    task, sheet = source.task, _Sheet(source)
    read = task.read(source.path, task.references(own))
    pairs = [(problem, sample) for problem, samples in read.pairs() for sample in samples]
    sheet.rows = [(p.id, p.variant, number) for p, samples in read.pairs() for number in range(len(samples))]
    if isinstance(task, ExecutedTask):
        sheet.anomalies = leniency.anomalies(task, read.problems, read.samples)
        sheet.keys = [batch.add(source.at_level(task.program(problem, sample))) for problem, sample in pairs]
        if own is not None:
            empty = ((problem.id, source.at_level(task.empty_program(problem))) for problem in read.problems)
            sheet.tests = {batch.add(program): name for name, program in empty}
        if source.lenient:
            fixed = leniency.lenient(task, read.problems, read.samples)
            sheet.strict, sheet.changed = sheet.keys, fixed.changed
            pairs = [(p, sample) for p, samples in zip(read.problems, fixed.samples, strict=True) for sample in samples]
            sheet.keys = [batch.add(source.at_level(task.program(problem, sample))) for problem, sample in pairs]
    elif isinstance(task, ProbedTask):
        sheet.decided = [("", "")] * len(pairs)
        sheet.waiting = dict(enumerate(pairs))
        _decide(sheet, task, batch)
    elif isinstance(task, JudgedTask | AnalysedTask | LikelihoodTask):
        sheet.decided = [(judgement.status, judgement.detail) for judgement in task.verdicts(pairs)]
    else:
        raise TypeError(f"{task.name}: no way to score a {type(task).__name__}")
    sheet.seconds = time.perf_counter() - started
    return sheet


def _decide(sheet: _Sheet, task: ProbedTask, batch: _Batch) -> None:
    """Give the verdicts that can be given now, and have the programs run that the others need next."""

    def known(program: Program) -> Outcome | None:
        return batch.journal.get(program_key(program))

    for row, (problem, sample) in list(sheet.waiting.items()):
        found = task.decide(problem, sample, known)
        if isinstance(found, Judgement):
            sheet.decided[row] = (found.status, found.detail)
            del sheet.waiting[row]
        else:
            sheet.probes += [batch.add(program) for program in found]


def _run_rounds(
    sheets: Sequence[_Sheet], batch: _Batch, sandbox: Mapping[str, Any] | None, progress: bool
) -> dict[str, float]:
    """Run programs until every sheet has what its verdicts need; each program's share of the wall time."""
    taken: dict[str, float] = {}
    while batch.new:
        taken |= run_programs(batch.new, batch.journal, sandbox, progress)
        batch.new = {}
        for sheet in sheets:
            if isinstance(sheet.source.task, ProbedTask):
                _decide(sheet, sheet.source.task, batch)
    return taken


def _close_sheet(sheet: _Sheet, journal: Journal, fresh: dict[str, float]) -> Scored:
    source = sheet.source
    if sheet.keys:
        outcomes = [recall(journal, key) for key in sheet.keys]
        decided, seconds = [(o.status, o.detail) for o in outcomes], [o.seconds for o in outcomes]
        sheet.seconds += sum(fresh.pop(key, 0.0) for key in (*sheet.keys, *sheet.strict))
    else:
        decided, seconds = sheet.decided, [0.0] * len(sheet.rows)
        sheet.seconds += sum(fresh.pop(key, 0.0) for key in sheet.probes)
    frame = _frame(sheet, decided, seconds)
    strict: Mapping[str, Estimate] = {}
    if sheet.strict:
        plain = [recall(journal, key) for key in sheet.strict]
        strict = source.task.summarise(_frame(sheet, [(o.status, o.detail) for o in plain], seconds))
    metrics = source.task.summarise(frame)
    return Scored(source, frame, metrics, sheet.seconds, sheet.anomalies, sheet.changed, strict)


def _frame(sheet: _Sheet, decided: Sequence[tuple[str, str]], seconds: Sequence[float]) -> pd.DataFrame:
    """The verdicts of a file, columns ``schema.VERDICT_COLUMNS``."""
    source = sheet.source
    frame = pd.DataFrame(sheet.rows, columns=["problem", "variant", "sample"])
    frame[["status", "detail"]] = decided
    frame["seconds"] = seconds
    for column in ("suite", "size", "method"):
        frame[column] = getattr(source, column)
    frame["task"] = source.task.name
    return frame[list(schema.VERDICT_COLUMNS)]


def _require_real_tests(sheet: _Sheet, own: Path | None, journal: Journal) -> None:
    """Raise :class:`schema.BadInput` where the test of a user's own problem passes without any sample."""
    idle = next((name for key, name in sheet.tests.items() if recall(journal, key).status == PASSED), None)
    if idle is not None:
        raise schema.BadInput(f"{own}: problem {idle}: its test passes without a sample, so it tests nothing")


def recall(journal: Journal, key: str) -> Outcome:
    """The outcome of a program that has run."""
    outcome = journal.get(key)
    assert outcome is not None, "every program of an opened sheet has run"
    return outcome


def run_programs(
    programs: Mapping[str, Program], journal: Journal, sandbox: Mapping[str, Any] | None = None, progress: bool = True
) -> dict[str, float]:
    """Run programs and write each outcome to the journal as it comes.

    Args:
        programs: program by key.
        sandbox: arguments of :class:`sandbox.Sandbox` (workers, isolation, ...).
        progress: whether to report progress on standard error.

    Returns:
        Each program's share of the run's wall time, in seconds.
    """
    if not programs:
        return {}
    started = time.perf_counter()
    keys = sorted(
        programs, key=lambda key: not may_run_long(programs[key])
    )  # those that reach their limits then do so at the same time
    taken: dict[str, float] = {}
    with Sandbox(**(sandbox or {})) as box:
        shown = processes.stage("score", len(keys), _SECONDS) if progress else contextlib.nullcontext(lambda _: None)
        with shown as finished:
            for index, outcome in box.run(programs[key] for key in keys):
                journal.put(keys[index], outcome)
                taken[keys[index]] = outcome.seconds
                finished("programs")
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
        progress: whether to report progress on standard error.
        journal: where outcomes of programs are read and kept; the build folder's journal by default.

    Yields:
        One :class:`Scored` per file, in the order given.

    Raises:
        schema.BadInput: one line per bad file, in one exception; nothing has run or been written then.
    """
    sources = list(sources)
    places = [source.problems or problems for source in sources]
    _require_readable(sources, places)
    with open_journal(journal) as known:
        batch = _Batch(known)
        sheets: list[_Sheet] = []
        faults: list[str] = []
        for source, own in zip(sources, places, strict=True):
            try:
                sheets.append(_open_sheet(source, own, batch))
            except schema.BadInput as error:
                faults.append(str(error))
        _raise(faults)
        fresh = _run_rounds(sheets, batch, sandbox, progress)
        for sheet, own in zip(sheets, places, strict=True):
            _require_real_tests(sheet, own, known)
        for sheet in sheets:
            yield _close_sheet(sheet, known, fresh)


def _require_readable(sources: Sequence[Source], places: Sequence[Path | None]) -> None:
    """Report malformed files before any download: those whose problems are not local are parsed here once."""
    faults: list[str] = []
    for source, own in zip(sources, places, strict=True):
        if own is not None or source.task.has_references():
            continue
        try:
            source.task.require_shape_of(source.path)
        except schema.BadInput as error:
            faults.append(str(error))
    _raise(faults)


def _raise(faults: Sequence[str]) -> None:
    """Raise :class:`schema.BadInput` with one line per distinct fault, if there are any."""
    if faults:
        raise schema.BadInput("\n".join(dict.fromkeys(faults)))


def inputs_of(source: Source, problems: Sequence[Problem]) -> dict[str, Any]:
    """Everything that a file's verdicts depend on; a verdict file with equal inputs is current."""
    task = source.task
    return {
        "generations": store.sha256_file(source.path),
        "problems": ProblemSet(tuple(problems)).fingerprint(),
        "task": task.fingerprint,
        "scoring": VERSION,
        "sandbox": [RULES, conditions(task.language)] if isinstance(task, ProgramTask) else None,
        **({} if source.java_level is None else {"java_level": source.java_level}),
        **({"lenient": True} if source.lenient else {}),
    }


def write(scored: Scored, path: Path, problems: Sequence[Problem]) -> None:
    """Write a file's verdicts as parquet, and their provenance next to them."""
    extra = {"summary": scored.summary(), "tools": scored.source.task.tools()}
    store.write_stage(path, scored.verdicts, inputs_of(scored.source, problems), **extra)


def print_line(scored: Scored, as_json: bool, stream: TextIO | None = None) -> None:
    """One line for one file: JSON, or readable with standard errors."""
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(scored.summary(), ensure_ascii=False), file=stream, flush=True)
        return
    shown = "  ".join(f"{name} {e.value:.2f} ± {e.se:.2f}" for name, e in scored.metrics.items() if "/" not in name)
    forgeable = f", {scored.in_one_process} judged in one process" if scored.in_one_process else ""
    print(f"{scored.source.path.name}  {shown}  ({len(scored.verdicts)} samples{forgeable})", file=stream, flush=True)
