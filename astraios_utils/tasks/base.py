"""What a task is: its data, its prompt, how a generation becomes a sample, and how a sample gets its verdict.

A task is one frozen declaration; nothing here runs a program or a model. How verdicts are made decides the class:

- :class:`ExecutedTask`: the sample is a program, run against the problem's test;
- :class:`ProbedTask`: several programs decide on a sample, run in rounds;
- :class:`JudgedTask`: the sample is compared with the problem's label or reference;
- :class:`AnalysedTask`: the sample is a program that analysers read and nothing runs;
- :class:`LikelihoodTask`: there is no sample. The model's likelihood of given texts is the answer.

Problems come from the first place that has them (an explicit file, the mirror, the cache, upstream); the benchmarks'
own files are verified by their git blob SHA-1, files of the user's are checked field by field. Damaged generations,
files of another shape and files of another task raise :class:`schema.BadInput` in one line.
"""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from .. import schema, store
from ..metrics import likelihoods, scores
from ..metrics.likelihoods import Likelihood
from ..sandbox import runtime_id
from ..sandbox.types import Outcome, Program
from ..sources import released
from .files import Check, RowError, Rows, read_content, read_json_lines, require_fields

Row = Mapping[str, Any]

TOOLS = {"python": "interpreter", "java": "jdk"}  # what runs a language's programs
RULES = 2  # version of reading, of programs and of judgements; a change makes every verdict stale
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a benchmark.

    Attributes:
        id: the benchmark's name for it (``Python/0``), or its row number where it has none.
        variant: ``""``, or ``<perturbation>/s<seed>`` for ReCode.
        row: the problem's fields, as upstream gives them.
    """

    id: str
    variant: str
    row: Row


class ProblemSet:
    """Problems as the key of a cache: equal to the very same tuple alone, so that a look-up reads none of them."""

    __slots__ = ("held",)

    def __init__(self, held: tuple[Problem, ...]) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProblemSet) and self.held is other.held

    @lru_cache(maxsize=64)  # noqa: B019  # a suite's tasks have a few dozen problem files
    def fingerprint(self) -> str:
        """A hash of all that the problems say."""
        return store.fingerprint([[p.id, p.variant, dict(p.row)] for p in self.held])


Known = Callable[[Program], Outcome | None]
Answers = tuple[tuple[Problem, ...], tuple[tuple[str, ...], ...]]  # problems, and the samples of each


@lru_cache
def _any_of(words: tuple[str, ...]) -> tuple[re.Pattern[str], int]:
    """A pattern that finds any of the words, and the length of the longest."""
    return re.compile("|".join(map(re.escape, words))), max(map(len, words))


@dataclass(frozen=True, slots=True)
class Decoding:
    """How samples are drawn (appendix E); temperature 0 is greedy.

    Attributes:
        samples: samples per problem.
        max_length: longest prompt plus generation, in tokens.
        stop: a generation is cut at the first of these strings.
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
        files: the same rows as files that :mod:`released` can verify, in the order in which the task reads them; empty
            where only the hub has them.
        rows: how many problems the full benchmark has.
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
        samples: per problem, its samples: source code, or for yes-or-no questions the prediction (``"1"``, ``"0"``, or
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
        prompt: the text that the model continues.
        finished: whether a running answer can be stopped, because :attr:`finish` would drop everything after it. Its
            arguments are the problem, the text so far, and the position at which text added since the last call starts.
        finish: the part of the answer that is kept; in the last turn, the sample.
        field: the field of the problem's row that holds it for the next turn; empty in the last turn.
    """

    prompt: Callable[[Problem], str]
    finished: Callable[[Problem, str, int], bool]
    finish: Callable[[Problem, str], str]
    field: str = ""


@dataclass(frozen=True)
class Task(ABC):
    """One row of the evaluation.

    Attributes:
        language: of the sample's programs (``"python"`` or ``"java"``), or of the code that a question shows.
        metrics: keys of the metrics that are reported, the headline first.
        new_tokens: about how many tokens a sample has, for estimates of time.
    """

    name: str
    title: str
    language: str
    metrics: tuple[str, ...]
    data: DataSource
    decoding: Decoding
    new_tokens: ClassVar[int]

    @property
    def metric(self) -> str:
        """Key of the headline metric."""
        return self.metrics[0]

    @property
    def fingerprint(self) -> str:
        """A hash of everything in this declaration that a verdict may depend on."""
        return store.fingerprint([type(self).__name__, RULES, dataclasses.asdict(self)])

    def tools(self) -> dict[str, str]:
        """The programs outside this package that decide verdicts, with their versions; empty where none does.

        Raises:
            sandbox.SandboxError: a program that this task needs is missing.
        """
        return {}

    @abstractmethod
    def prompt(self, problem: Problem) -> str:
        """The prompt (appendix K)."""

    @abstractmethod
    def finish(self, problem: Problem, generation: str) -> str:
        """The sample made from the text that the model wrote after the prompt (the prompt itself not included)."""

    def finished(self, generation: str, start: int = 0) -> bool:
        """Whether a running generation can be stopped, because :meth:`finish` would drop everything after it.

        Args:
            generation: the text so far.
            start: where the new text starts; up to there it was not finished.
        """
        if not self.decoding.stop:
            return False
        pattern, longest = _any_of(self.decoding.stop)
        return pattern.search(generation, max(0, start - longest + 1)) is not None

    def turns(self) -> tuple[Turn, ...]:
        """The questions that lead to a sample, in order."""
        return (Turn(self.prompt, lambda _, text, start: self.finished(text, start), self.finish),)

    def summarise(self, verdicts: pd.DataFrame, nominal: float = math.nan) -> dict[str, scores.Estimate]:
        """All metrics of one model on this task, in percent (bits as they are), the headline first.

        Args:
            verdicts: one row per sample, columns ``schema.VERDICT_COLUMNS``.
            nominal: Pass@1 on unperturbed prompts, in percent (robustness tasks only).
        """
        return scores.summarise(self.metrics, verdicts, nominal=nominal)

    def problems(self, source: Path | None = None) -> tuple[Problem, ...]:
        """The benchmark's problems, in the order of the released files.

        Args:
            source: a file or folder to read instead of the benchmark's own files.

        Raises:
            schema.BadInput: ``source`` is damaged, empty, or holds something else than problems of this kind.
            schema.MissingArtefact: the problems are neither local nor downloadable.
        """
        return _problems(self, source, _state(source))

    def references(self, source: Path | None = None) -> tuple[Problem, ...]:
        """What scoring needs besides the generations: the problems, or nothing where the file holds the labels."""
        return self.problems(source)

    def has_references(self) -> bool:
        """Whether :meth:`references` works without any download."""
        return all(released.find(released.benchmarks()[name]) is not None for name in self.data.files)

    def load(self, source: Path | None) -> tuple[Problem, ...]:
        """Read the problems; :meth:`problems` caches this."""
        if source is not None:
            return self.checked(source, self.parse(source))
        problems = tuple(p for name in self.data.files for p in self.parse(released.benchmark(name)))
        if len(problems) != self.data.rows:
            raise schema.BadInput(f"{self.name}: {len(problems)} problems, expected {self.data.rows}")
        return problems

    @abstractmethod
    def parse(self, path: Path) -> tuple[Problem, ...]:
        """Read one file (or folder) of problems."""

    def checked(self, source: Path, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """The problems of a user's own file, each checked.

        Raises:
            schema.BadInput: there are none, two have the same id, or one cannot be used; one line.
        """
        if not problems:
            raise schema.BadInput(f"{source}: holds no problems")
        seen: dict[tuple[str, str], int] = {}
        for number, problem in enumerate(problems, start=1):
            name = f"{problem.id} {problem.variant}".strip()
            first = seen.setdefault((problem.id, problem.variant), number)
            if first != number:
                raise schema.BadInput(f"{source}: problem {number} has the same id as problem {first}: {name}")
            try:
                self.require_usable(problem)
            except RowError as error:
                raise schema.BadInput(f"{source}: problem {number} ({name}): {error}") from None
        return problems

    def require_usable(self, problem: Problem) -> None:  # noqa: B027 - most tasks have nothing to add to the fields
        """Raise :class:`RowError` where a problem of a user's own could not give a meaningful verdict."""

    def read(self, path: Path, problems: Sequence[Problem] | None = None) -> Generations:
        """Read and check a generations file, in the released layout or in our own (JSON lines, one per problem).

        Args:
            path: ``.json`` or ``.jsonl``, plain or compressed (gzip, xz, zstd).
            problems: the problems that the file answers; by default the benchmark's own.

        Raises:
            schema.BadInput: one line that says what is wrong, where, and what was expected.
        """
        content = read_content(path)
        try:
            self.require_shape(content)
            answered = self.references() if problems is None else tuple(problems)
            read = self.read_lines if content.lines else self.read_released
            rows, samples = read(content.rows, answered)
            self.check(rows, samples)
        except RowError as error:
            raise schema.BadInput(f"{path}: {error}") from None
        return Generations(self.name, path, rows, samples, content.sha256)

    def require_shape(self, content: Rows) -> None:
        """Raise :class:`RowError` where rows are of the wrong shape, whatever the problems are."""
        if content.lines:
            self.own_rows(content.rows)
        else:
            lists_of_strings(content.rows, self.name)

    def require_shape_of(self, path: Path) -> None:
        """Raise :class:`schema.BadInput` where a generations file is malformed, whatever the problems are."""
        try:
            self.require_shape(read_content(path))
        except RowError as error:
            raise schema.BadInput(f"{path}: {error}") from None

    def own_rows(self, rows: Sequence[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
        """Samples by problem and variant, in our own layout; raises :class:`RowError` at a row of another shape."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for number, row in enumerate(rows, start=1):
            where = f"line {number}"
            if not isinstance(row, dict) or not isinstance(row.get("samples"), list) or "problem" not in row:
                raise RowError(f"{where}: expected an object with problem and samples")
            if row.get("task", self.name) != self.name:
                raise RowError(f"{where}: these are generations for {row['task']!r:.40}, not for {self.name}")
            if isinstance(row["problem"], bool) or not isinstance(row["problem"], str | int):
                raise RowError(f"{where}: problem is a {type(row['problem']).__name__}, not a string")
            key = (str(row["problem"]), str(row.get("variant", "")))
            if key in found:
                raise RowError(f"{where}: problem {' '.join(key).strip()} comes twice")
            found[key] = strings(row["samples"], where)
            raw = row.get("raw")
            if raw is not None and (not isinstance(raw, list) or len(strings(raw, where)) != len(found[key])):
                raise RowError(f"{where}: raw is not a list with one string per sample")
        return found

    def read_lines(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """Our own layout: objects with ``problem``, ``samples`` and, where there is one, ``variant``; in any order."""
        expected = [(p.id, p.variant) for p in problems]
        found = self.own_rows(rows)
        missing = [key for key in expected if key not in found]
        if missing or len(found) != len(expected):
            some = f", for instance {' '.join(missing[0]).strip()} is missing" if missing else ""
            raise RowError(f"{len(found)} problems, {self.name} has {len(expected)}{some}")
        return tuple(problems), tuple(found[key] for key in expected)

    @abstractmethod
    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """The layout of the released files; raises :class:`RowError` where the rows have another shape."""

    def check(self, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> None:
        """Raise :class:`RowError` where problems differ in their number of samples, or samples are of another task."""
        counts = {len(row) for row in samples}
        if 0 in counts or len(counts) != 1:
            odd = next((i for i, row in enumerate(samples) if len(row) != len(samples[0]) or not row), 0)
            held = (
                f"row {odd} holds {len(samples[odd])} samples, row 0 holds {len(samples[0])}" if samples else "no rows"
            )
            raise RowError(f"{held}: every problem has the same number, at least one; the file may be cut short")


@dataclass(frozen=True)
class ProgramTask(Task):
    """A task whose verdicts come from running programs."""

    new_tokens = 200

    def tools(self) -> dict[str, str]:
        """The interpreter or the JDK."""
        return {TOOLS[self.language]: runtime_id(self.language)}


@dataclass(frozen=True)
class ExecutedTask(ProgramTask):
    """A task whose samples are programs, run against the problem's test."""

    @abstractmethod
    def head_of(self, problem: Problem) -> str:
        """The beginning of the program that finished samples start with."""

    @abstractmethod
    def program(self, problem: Problem, sample: str) -> Program:
        """The program that decides on one sample."""

    def empty_program(self, problem: Problem) -> Program:
        """The problem's test with a sample that defines nothing of use: a test that this passes tests nothing."""
        return self.program(problem, "class Solution {\n}" if self.language == "java" else "")


@dataclass(frozen=True)
class ProbedTask(ProgramTask):
    """A task that decides on a sample by several programs, run in rounds."""

    @abstractmethod
    def decide(self, problem: Problem, sample: str, known: Known) -> Judgement | Sequence[Program]:
        """The verdict on one sample, or the programs that must have run before there is one.

        Args:
            known: the outcome of a program; ``None`` where it has not run yet.
        """


@dataclass(frozen=True)
class JudgedTask(Task):
    """A task whose samples are compared with the problem's label or reference; nothing is run."""

    @abstractmethod
    def verdict(self, problem: Problem, sample: str) -> Judgement:
        """The verdict on one sample."""

    def verdicts(self, pairs: Sequence[tuple[Problem, str]]) -> list[Judgement]:
        """The verdicts on many samples, in order."""
        return [self.verdict(problem, sample) for problem, sample in pairs]


@dataclass(frozen=True)
class AnalysedTask(Task):
    """A task whose samples are programs that analysers read; many go to an analyser at once, and nothing is run."""

    new_tokens = 1000

    @abstractmethod
    def verdicts(self, pairs: Sequence[tuple[Problem, str]]) -> list[Judgement]:
        """The verdicts on many samples, in order."""


@dataclass(frozen=True)
class LikelihoodTask(Task):
    """A task that asks how likely a model finds given texts; nothing is generated and nothing is run.

    A file of answers holds JSON lines, one per problem: ``problem``, ``variant`` where there is one, and ``nats``,
    ``tokens`` and ``bytes``, each with one number per text (:class:`~..metrics.likelihoods.Likelihood`).
    """

    new_tokens = 0
    kept: ClassVar[int]  # how many of a problem's texts the answer is about: the first ones

    @abstractmethod
    def texts(self, problem: Problem) -> tuple[str, ...]:
        """What may follow :meth:`prompt`, the reference first; computed together, because they share a beginning."""

    def finish(self, problem: Problem, generation: str) -> str:
        """The text itself: nothing is generated, so nothing is cut."""
        return generation

    def verdicts(self, pairs: Sequence[tuple[Problem, str]]) -> list[Judgement]:
        """``measured``, or for pairs whether the reference is the more likely text; the numbers are the detail."""
        return [Judgement(_outcome(likelihoods.decode(line)), line) for _, line in pairs]

    def require_shape(self, content: Rows) -> None:
        """Raise :class:`RowError` where rows are not likelihoods."""
        if not content.lines:
            raise RowError(f"a {self.name} file holds JSON lines with problem, nats, tokens and bytes")
        self.own_rows(content.rows)

    def own_rows(self, rows: Sequence[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
        """Likelihoods by problem and variant, as lines; raises :class:`RowError` at a row of another shape."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for number, row in enumerate(rows, start=1):
            where = f"line {number}"
            if not isinstance(row, dict) or not {"problem", "nats", "tokens", "bytes"} <= row.keys():
                raise RowError(f"{where}: expected an object with problem, nats, tokens and bytes")
            if row.get("task", self.name) != self.name:
                raise RowError(f"{where}: these are likelihoods for {row['task']!r:.40}, not for {self.name}")
            key = (str(row["problem"]), str(row.get("variant", "")))
            if key in found:
                raise RowError(f"{where}: problem {' '.join(key).strip()} comes twice")
            found[key] = (likelihoods.encode(_likelihoods(row, self.kept, where)),)
        return found

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """There are no released likelihoods."""
        raise RowError(f"a {self.name} file holds JSON lines with problem, nats, tokens and bytes")

    def check(self, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> None:
        """Raise :class:`RowError` where a text has another length than the problem's: they are of other problems."""
        for problem, (line,) in zip(problems, samples, strict=True):
            held = [text.bytes for text in likelihoods.decode(line)]
            expected = [len(text.encode()) for text in self.texts(problem)[: self.kept]]
            if held != expected:
                raise RowError(f"problem {problem.id}: texts of {held} bytes, the problem's have {expected}")


def _outcome(texts: Sequence[Likelihood]) -> str:
    if len(texts) == 1:
        return "measured"
    return "passed" if texts[0].nats < texts[1].nats else "failed"


def _likelihoods(row: Mapping[str, Any], count: int, where: str) -> list[Likelihood]:
    """The texts of one row; raises :class:`RowError` where a number is missing or impossible."""
    for name, kinds, least in (("nats", (int, float), 0), ("tokens", (int,), 1), ("bytes", (int,), 1)):
        values = row[name]
        if not isinstance(values, list) or len(values) != count:
            raise RowError(f"{where}: {name} is not a list of {count}, one per text")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < math.inf:
                raise RowError(f"{where}: {name} holds {value!r:.40}: expected finite numbers of at least {least}")
    return [Likelihood(*held) for held in zip(row["nats"], row["tokens"], row["bytes"], strict=True)]


@lru_cache(maxsize=64)
def _problems(task: Task, source: Path | None, state: tuple[tuple[str, int, int], ...]) -> tuple[Problem, ...]:
    return task.load(source)


def _state(source: Path | None) -> tuple[tuple[str, int, int], ...]:
    """Name, time of change and size of the files behind a path, so that one edited within a process is read again."""
    if source is None or not source.exists():
        return ()
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    return tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in files)


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
            raise RowError(
                f"row {number} is a {type(row).__name__}; a {task} file holds one list of samples per problem"
            )
        if row and isinstance(row[0], dict):
            raise RowError(f"row {number} holds parsed answers; a {task} file holds programs: is it of another task?")
    return [strings(row, f"row {number}") for number, row in enumerate(rows)]


def in_order(rows: Sequence[Any], problems: Sequence[Problem], task: str) -> Answers:
    """One list of samples per problem, in the problems' order; raises :class:`RowError` where their numbers differ."""
    samples = lists_of_strings(rows, task)
    if len(samples) != len(problems):
        raise RowError(f"{len(samples)} problems, {task} has {len(problems)}")
    return tuple(problems), tuple(samples)


def rows_with(
    path: Path, fields: Mapping[str, Check], convert: Callable[[Any, str], Any] = lambda row, _: row
) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file of problems.

    Args:
        path: of the file.
        fields: what each object must have.
        convert: makes an object of another benchmark one with these fields; also gets the line, for messages.

    Raises:
        schema.BadInput: a line is not an object, or one of its fields is missing or of another type.
    """
    rows = []
    for number, row in enumerate(read_json_lines(path), start=1):
        where = f"line {number}"
        try:
            converted = convert(row, where)
            require_fields(converted, fields, where)
        except RowError as error:
            raise schema.BadInput(f"{path}: {error}") from None
        rows.append(converted)
    return rows


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """``text`` up to the first of the stop strings."""
    return text[: min((at for word in stop if (at := text.find(word)) >= 0), default=len(text))]
