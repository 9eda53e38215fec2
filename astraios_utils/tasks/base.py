"""What a task is: its data, its prompt, how a generation is finished, how a sample becomes a program or a judgement.

A task is one frozen declaration; nothing here runs a program or a model. Problems come from the first place that has
them (an explicit file, the mirror, the cache, upstream), each file verified by its git blob SHA-1. Generations are read
strictly: a file that is damaged, of another shape or of another task raises :class:`schema.BadInput` in one line.
"""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from .. import schema, store
from ..sandbox import runtime_id
from ..sandbox.types import Program
from ..sources import released
from .files import RowError, read_content, read_json_lines

Row = Mapping[str, Any]
Kind = Literal["execution", "classification", "analysis", "text"]

TOOLS = {"python": "interpreter", "java": "jdk"}  # what runs a language's programs
RULES = 1  # of reading, programs and judgements; a change makes every verdict stale
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a benchmark.

    Attributes:
        id: the benchmark's own name of it (``Python/0``), or its row number where it has none.
        variant: ``""``, or ``<perturbation>/s<seed>`` for ReCode.
        row: the problem as upstream gives it.
    """

    id: str
    variant: str
    row: Row


Answers = tuple[tuple[Problem, ...], tuple[tuple[str, ...], ...]]  # problems, and the samples of each


@lru_cache
def _any_of(words: tuple[str, ...]) -> tuple[re.Pattern[str], int]:
    """What finds any of the words, and the length of the longest."""
    return re.compile("|".join(map(re.escape, words))), max(map(len, words))


@dataclass(frozen=True, slots=True)
class Decoding:
    """How samples are drawn (appendix E); temperature 0 is greedy.

    Attributes:
        samples: samples a problem.
        max_length: longest prompt plus generation, in tokens.
        stop: strings at the first of which a generation is cut.
    """

    temperature: float
    top_p: float
    samples: int
    max_length: int
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where a task's problems come from.

    Attributes:
        hub: data set on the Hugging Face hub; ``config`` and ``split`` select within it.
        files: the same rows as files that :mod:`released` can verify, in the order that the task reads them; empty
            where only the hub has them.
        rows: problems of the full benchmark.
    """

    hub: str
    config: str
    split: str
    rows: int
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict that needs no execution: a status of ``schema.STATUSES`` and one short line."""

    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class Generations:
    """A generations file, read and checked.

    Attributes:
        task: name of the task that the file was read for.
        problems: what the samples answer, in the file's order.
        samples: per problem, its samples: source code, or for classification the prediction (``"1"``, ``"0"`` or
            ``"-1"`` where the answer could not be parsed).
        sha256: of the file's bytes, decompressed.
    """

    task: str
    path: Path
    problems: tuple[Problem, ...]
    samples: tuple[tuple[str, ...], ...]
    sha256: str

    def pairs(self) -> Iterator[tuple[Problem, tuple[str, ...]]]:
        """Each problem with its samples."""
        return zip(self.problems, self.samples, strict=True)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question to the model on the way to a sample.

    Attributes:
        prompt: what is asked.
        finished: whether a running answer can be stopped: :attr:`finish` would drop all that may still come. It gets
            the text so far, and from where on that is new since the last time it was asked.
        finish: what is kept of the answer: in the last turn, the sample.
        field: in the problem's row, where that goes for the next turn; empty in the last.
    """

    prompt: Callable[[Problem], str]
    finished: Callable[[Problem, str, int], bool]
    finish: Callable[[Problem, str], str]
    field: str = ""


@dataclass(frozen=True)
class Task(ABC):
    """One row of the evaluation.

    Attributes:
        language: ``"python"`` or ``"java"`` for execution, the language of the code shown for classification.
        kind: whether a sample is run, compared with a label, analysed without running it, or compared with a text.
        metric: key of the headline number; ``metrics`` are all that the task has, the headline first.
    """

    name: str
    title: str
    language: str
    kind: Kind
    metrics: tuple[str, ...]
    data: DataSource
    decoding: Decoding

    @property
    def metric(self) -> str:
        """Key of the headline metric."""
        return self.metrics[0]

    @property
    def fingerprint(self) -> str:
        """A hash of everything in this declaration that a verdict may depend on."""
        return store.fingerprint([type(self).__name__, RULES, dataclasses.asdict(self)])

    def tools(self) -> dict[str, str]:
        """The programs beside this package that decide verdicts, with their versions; empty where none does.

        Raises:
            sandbox.SandboxError: a program that this task needs is missing.
        """
        return {TOOLS[self.language]: runtime_id(self.language)} if self.kind == "execution" else {}

    @abstractmethod
    def prompt(self, problem: Problem) -> str:
        """What the model is asked (appendix K)."""

    @abstractmethod
    def finish(self, problem: Problem, generation: str) -> str:
        """The sample made of what the model wrote after the prompt (the prompt itself not included)."""

    def finished(self, generation: str, start: int = 0) -> bool:
        """Whether a running generation can be stopped: :meth:`finish` would drop all that may still come.

        Args:
            generation: the text so far.
            start: from where on it is new; it was not finished before.
        """
        if not self.decoding.stop:
            return False
        pattern, longest = _any_of(self.decoding.stop)
        return pattern.search(generation, max(0, start - longest + 1)) is not None

    def turns(self) -> tuple[Turn, ...]:
        """The questions that lead to a sample, in their order."""
        return (Turn(self.prompt, lambda _, text, start: self.finished(text, start), self.finish),)

    def program(self, problem: Problem, sample: str) -> Program:
        """The program that decides on one sample."""
        raise TypeError(f"{self.name} is scored without running anything")

    def judge(self, problem: Problem, sample: str) -> Judgement:
        """The verdict on one sample that nothing needs to be run for."""
        raise TypeError(f"{self.name} is scored by running programs")

    def judge_all(self, pairs: Sequence[tuple[Problem, str]]) -> list[Judgement]:
        """:meth:`judge` for many samples; tasks whose tools take many at once do better than one by one."""
        return [self.judge(problem, sample) for problem, sample in pairs]

    def problems(self, source: Path | None = None) -> tuple[Problem, ...]:
        """The benchmark's problems, in the order of the released files.

        Args:
            source: a file or folder to read instead of the benchmark's own files.

        Raises:
            schema.BadInput: ``source`` is not what it should be.
            schema.MissingArtefact: the problems are neither in the mirror nor in the cache nor to be fetched.
        """
        return _problems(self, source)

    def references(self, source: Path | None = None) -> tuple[Problem, ...]:
        """What scoring must know besides the generations: the problems, or nothing where the file holds the labels."""
        return self.problems(source)

    def load(self, source: Path | None) -> tuple[Problem, ...]:
        """Read the problems; :meth:`problems` caches this."""
        if source is not None:
            return self.parse(source)
        problems = tuple(p for name in self.data.files for p in self.parse(released.benchmark(name)))
        if len(problems) != self.data.rows:
            raise schema.BadInput(f"{self.name}: {len(problems)} problems, expected {self.data.rows}")
        return problems

    @abstractmethod
    def parse(self, path: Path) -> tuple[Problem, ...]:
        """Read one file (or folder) of problems."""

    def read(self, path: Path, problems: Sequence[Problem] = ()) -> Generations:
        """Read and check a generations file, in the released layout or in our own (one JSON line a problem).

        Args:
            path: ``.json`` or ``.jsonl``, as it is or compressed (``.xz``, ``.zst``).
            problems: what the file answers; the benchmark's own where empty.

        Raises:
            schema.BadInput: one line that says what is wrong, where, and what was expected.
        """
        content = read_content(path)
        answered = tuple(problems) or self.references()
        try:
            if content.lines:
                rows, samples = self.read_lines(content.rows, answered)
            else:
                rows, samples = self.read_released(content.rows, answered)
            self.check(rows, samples)
        except RowError as error:
            raise schema.BadInput(f"{path}: {error}") from None
        return Generations(self.name, path, rows, samples, content.sha256)

    def read_lines(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """Our own layout: objects with ``problem``, ``samples`` and, where there is one, ``variant``."""
        expected = [(p.id, p.variant) for p in problems]
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict) or not isinstance(row.get("samples"), list) or "problem" not in row:
                raise RowError(f"line {number}: expected an object with problem and samples")
            if row.get("task", self.name) != self.name:
                raise RowError(f"line {number}: these are generations for {row['task']}, not for {self.name}")
            key = (str(row["problem"]), str(row.get("variant", "")))
            if key in found:
                raise RowError(f"line {number}: problem {' '.join(key).strip()} comes twice")
            found[key] = strings(row["samples"], f"line {number}")
        lacking = [key for key in expected if key not in found]
        if lacking or len(found) != len(expected):
            some = f", for instance {' '.join(lacking[0]).strip()} is missing" if lacking else ""
            raise RowError(f"{len(found)} problems, {self.name} has {len(expected)}{some}")
        return tuple(problems), tuple(found[key] for key in expected)

    @abstractmethod
    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """The layout of the released files; raises :class:`RowError` where the rows have another shape."""

    def check(self, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> None:
        """Raise :class:`RowError` where the samples do not all have one shape or answer another task."""
        counts = {len(row) for row in samples}
        if 0 in counts or len(counts) != 1:
            odd = next(i for i, row in enumerate(samples) if len(row) != len(samples[0]) or not row)
            raise RowError(
                f"row {odd} holds {len(samples[odd])} samples, row 0 holds {len(samples[0])}: every problem has the "
                "same number; the file may be cut short"
            )


@lru_cache(maxsize=64)
def _problems(task: Task, source: Path | None) -> tuple[Problem, ...]:
    return task.load(source)


def strings(values: Sequence[Any], where: str) -> tuple[str, ...]:
    """``values`` as a tuple of strings; raise :class:`RowError` at the first that is not one."""
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise RowError(f"{where}: sample {number} is a {type(value).__name__}, not a string")
    return tuple(values)


def lists_of_strings(rows: Sequence[Any], task: str) -> list[tuple[str, ...]]:
    """Rows of a released file of programs: a list of strings each."""
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise RowError(f"row {number} is a {type(row).__name__}; a {task} file holds a list of samples a problem")
        if row and isinstance(row[0], dict):
            raise RowError(f"row {number} holds parsed answers; a {task} file holds programs: is it of another task?")
    return [strings(row, f"row {number}") for number, row in enumerate(rows)]


def rows_with(path: Path, fields: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file of problems; raise :class:`schema.BadInput` where one lacks a field."""
    rows = read_json_lines(path)
    for number, row in enumerate(rows, start=1):
        lacking = [field for field in fields if field not in row] if isinstance(row, dict) else ["an object"]
        if lacking:
            raise schema.BadInput(f"{path}: line {number} lacks {', '.join(lacking)}: not a problem of this benchmark")
    return rows


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """``text`` up to the first of the stop strings."""
    return text[: min((at for word in stop if (at := text.find(word)) >= 0), default=len(text))]
