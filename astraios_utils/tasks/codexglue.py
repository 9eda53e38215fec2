"""Defect and clone detection from CodeXGLUE: yes or no to a question about code (section 4.1, table 2, appendix H).

The released files hold the label and the parsed answer of every row, so scoring needs no data set. The paper scores a
fixed sample of 2,000 rows (:meth:`CodeXGlue.chosen`). Answers are parsed as the paper did, with its weakness: "no" also
matches inside "know", "not" and "none".
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .. import schema
from .base import Answers, DataSource, Decoding, JudgedTask, Judgement, Problem, rows_with
from .files import RowError, Rows, label, text

T = TypeVar("T")
ANSWERS = ("1", "0", "-1")  # yes, no, unparsable
RECORD = ("prediction", "true_label", "raw_text")


@dataclass(frozen=True)
class CodeXGlue(JudgedTask):
    """A yes-or-no question about code.

    Attributes:
        fields: the problem's fields that the question shows.
        template: the question, with placeholders for those fields.
        label: the problem's field with the right answer.
        yes, no: phrases that decide where the first sentence does not.
        population: how many negatives and positives a full generations file holds.
        sample: how many of them are scored.
        train_rows: how many rows the data set's training split has.
        one_shot: whether a solved example (``demonstration`` in the problem's row) precedes the question. Rows of the
            hub get one that is drawn from the training split (:meth:`demonstration`).
    """

    fields: tuple[str, ...]
    template: str
    label: str
    yes: tuple[str, ...]
    no: tuple[str, ...]
    population: tuple[int, int]
    sample: tuple[int, int]
    train_rows: int
    one_shot: bool = False
    new_tokens = 8

    def prompt(self, problem: Problem) -> str:
        """The question (figures 15 and 16 of the paper), for one-shot tasks after the demonstration."""
        question = self.template.format(**{field: problem.row[field] for field in self.fields})
        return f"{problem.row['demonstration']}\n\n{question}" if self.one_shot else question

    def finish(self, problem: Problem, generation: str) -> str:
        """Parse the generation into ``"1"`` (yes), ``"0"`` (no) or ``"-1"`` (neither).

        The first sentence (a comma ends it, too) decides if it contains exactly one of "yes" and "no", even inside a
        word. Otherwise the phrases decide, searched for in the whole text, yes first.
        """
        text = generation.split("\nAnswer:")[-1].lower()
        first = text.replace(",", ".").split(".")[0]
        if ("yes" in first) != ("no" in first):
            return "1" if "yes" in first else "0"
        if any(phrase in text for phrase in self.yes):
            return "1"
        return "0" if any(phrase in text for phrase in self.no) else "-1"

    def verdict(self, problem: Problem, sample: str) -> Judgement:
        """``passed`` where the answer equals the label; an unparsable answer is ``invalid``, which scores as wrong."""
        label = str(int(problem.row[self.label]))
        status = "passed" if sample == label else "failed"
        if sample == "-1":
            status = "invalid"
        return Judgement(status, f"label={label} prediction={sample}")

    def references(self, source: Path | None = None) -> tuple[Problem, ...]:
        """Nothing, unless a file of problems is given: generations files hold the labels."""
        return () if source is None else self.problems(source)

    def has_references(self) -> bool:
        """True: released files hold their labels."""
        return True

    def require_shape(self, content: Rows) -> None:
        """Raise :class:`RowError` where rows are neither our own nor one record each."""
        if content.lines:
            self.own_rows(content.rows)
            return
        for number, row in enumerate(content.rows):
            _record(row, number, self.name)

    def load(self, source: Path | None) -> tuple[Problem, ...]:
        """The hub's test split (for prompts only), or the rows of a file."""
        if source is not None:
            return self.checked(source, self.parse(source))
        rows = from_hub(self.name, self.data)
        if self.one_shot:
            train = from_hub(self.name, replace(self.data, split="train", rows=self.train_rows))
            shown = self.demonstration(train)
            rows = [row | {"demonstration": shown} for row in rows]
        return self.arrange(rows)

    def demonstration(self, train: Sequence[Mapping[str, Any]]) -> str:
        """The solved example that precedes every question: one fixed row of the training split (appendix H).

        The paper samples it at random and does not say which it was. Here it is row ``random.Random(0).randrange(n)``
        of the split's n rows, with its question and the answer YES or NO.
        """
        row = train[random.Random(0).randrange(len(train))]
        question = self.template.format(**{field: row[field] for field in self.fields})
        return f"{question} {'YES' if int(row[self.label]) else 'NO'}"

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """One JSON line a problem, with the data set's own fields."""
        shown = dict.fromkeys((*self.fields, *(["demonstration"] if self.one_shot else [])), text)
        return self.arrange(rows_with(path, shown | {self.label: label}))

    def arrange(self, rows: Sequence[dict[str, Any]]) -> tuple[Problem, ...]:
        """The rows as problems, in the order of the released files."""
        return tuple(Problem(str(number), "", row) for number, row in enumerate(rows))

    def chosen(self, labels: Sequence[str]) -> list[int]:
        """Indices of the rows that are scored: the paper's sample of a full file, all rows of any other.

        ``random.seed(0)``, then ``random.sample`` over the negatives, then over the positives, rows in file order.
        """
        sides = [[i for i, label in enumerate(labels) if label == side] for side in ("0", "1")]
        if tuple(map(len, sides)) != self.population:
            return list(range(len(labels)))
        drawing = random.Random(0)
        return [
            side[i] for side, n in zip(sides, self.sample, strict=True) for i in drawing.sample(range(len(side)), n)
        ]

    def read_lines(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """Our own layout; the labels come from the problems."""
        answered, samples = super().read_lines(rows, problems or self.problems())
        chosen = self.chosen([str(int(problem.row[self.label])) for problem in answered])
        return tuple(answered[i] for i in chosen), tuple(samples[i] for i in chosen)

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """One record per row (``prediction``, ``true_label``, ``raw_text``); returns the rows that are scored."""
        records = [_record(row, number, self.name) for number, row in enumerate(rows)]
        labels = [str(record["true_label"]) for record in records]
        if problems:
            self._compare(labels, problems)
        elif (labels.count("0"), labels.count("1")) not in (self.population, self.sample):
            negatives, positives = self.population
            raise RowError(
                f"{labels.count('0')} negative and {labels.count('1')} positive rows; a {self.name} file holds "
                f"{negatives} and {positives} (score other data with --problems FILE)"
            )
        answered = problems or [Problem(str(i), "", {self.label: label}) for i, label in enumerate(labels)]
        chosen = self.chosen(labels)
        return tuple(answered[i] for i in chosen), tuple((str(records[i]["prediction"]),) for i in chosen)

    def _compare(self, labels: Sequence[str], problems: Sequence[Problem]) -> None:
        if len(labels) != len(problems):
            raise RowError(f"{len(labels)} rows, the problems are {len(problems)}")
        for number, (given, problem) in enumerate(zip(labels, problems, strict=True)):
            if given != str(int(problem.row[self.label])):
                raise RowError(f"row {number}: true_label {given} is not the label of problem {problem.id}")

    def check(self, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> None:
        """Refuse answers that are none of yes, no and unparsable."""
        super().check(problems, samples)
        for problem, row in zip(problems, samples, strict=True):
            for sample in row:
                if sample not in ANSWERS:
                    raise RowError(f"problem {problem.id}: prediction {sample!r:.40} is none of {', '.join(ANSWERS)}")

    def disagreements(self, rows: Sequence[Any]) -> int:
        """How many rows of a released file hold another answer than :meth:`finish` reads from their raw text."""
        records = [_record(row, number, self.name) for number, row in enumerate(rows)]
        unused = Problem("", "", {})
        return sum(self.finish(unused, record["raw_text"]) != record["prediction"] for record in records)


@dataclass(frozen=True)
class Clone(CodeXGlue):
    """Clone detection: its generations were made for a drawn and shuffled part of a large test split."""

    def arrange(self, rows: Sequence[dict[str, Any]]) -> tuple[Problem, ...]:
        """Of the full split: 1,726 negatives and 1,000 positives (seed 0), shuffled as ``datasets`` does (seed 0)."""
        if len(rows) == self.data.rows:
            drawn = _draw([[row for row in rows if int(row[self.label]) == side] for side in (0, 1)], self.population)
            rows = [drawn[i] for i in np.random.default_rng(0).permutation(len(drawn))]
        return super().arrange(rows)


def _draw(sides: Sequence[Sequence[T]], counts: Sequence[int]) -> list[T]:
    """As many of each side as ``counts`` says, drawn one side after the other by Python's generator, seed 0."""
    drawing = random.Random(0)
    return [side[i] for side, n in zip(sides, counts, strict=True) for i in drawing.sample(range(len(side)), n)]


def _record(row: Any, number: int, task: str) -> dict[str, Any]:
    if not (isinstance(row, list) and len(row) == 1 and isinstance(row[0], dict)):
        raise RowError(f"row {number}: a {task} file holds a list of one record a row; is it a file of another task?")
    record: dict[str, Any] = row[0]
    odd = [field for field in RECORD if not isinstance(record.get(field), str)]
    if odd or record["true_label"] not in ("0", "1"):
        raise RowError(f"row {number}: {', '.join(odd) or 'true_label'} is missing or not what a {task} file holds")
    return record


def from_hub(task: str, data: DataSource) -> list[dict[str, Any]]:
    """The split from the hub or its cache; raises :class:`schema.MissingArtefact` where neither has it."""
    import datasets  # heavy, and needed only to generate

    try:
        rows = [dict(row) for row in datasets.load.load_dataset(data.hub, data.config or None, split=data.split)]
    except Exception as error:  # the library raises dozens of kinds, all of which mean the same here
        reason = (str(error).splitlines() or [""])[0]
        raise schema.MissingArtefact(
            f"{task}: {data.hub} could not be loaded from the hub ({type(error).__name__}: {reason:.120}); "
            "connect, or give the problems as a file"
        ) from None
    if len(rows) != data.rows:
        raise schema.BadInput(f"{data.hub}: {len(rows)} rows in {data.split}, expected {data.rows}")
    return rows


_DECODING = Decoding(temperature=0.0, top_p=1.0, samples=1, max_length=512, stop=("\n",))

DEFECT = CodeXGlue(
    name="defect",
    title="Defect detection",
    language="c",
    metrics=("accuracy", "f1", "valid"),
    data=DataSource("google/code_x_glue_cc_defect_detection", "", "test", 2732),
    decoding=_DECODING,
    fields=("func",),
    template="Question: {func}\nIs there a defect in the Code, and respond to YES or NO.\n\nAnswer:",
    label="target",
    yes=("there is a", "ere is a", "has a defect", "contains a defect"),
    no=("there is no defect",),
    population=(1477, 1255),
    sample=(1081, 919),
    train_rows=21854,
)
CLONE = Clone(
    name="clone",
    title="Clone detection",
    language="java",
    metrics=("f1", "accuracy", "valid"),
    data=DataSource("google/code_x_glue_cc_clone_detection_big_clone_bench", "", "test", 415416),
    decoding=_DECODING,
    fields=("func1", "func2"),
    template="Question: Code1: {func1}.\nCode2: {func2}.\n"
    "Is there a clone relation between the Code1 and Code2, and respond to YES or NO.\n\nAnswer:",
    label="label",
    yes=("there is a", "ere is a"),
    no=("there is no",),
    population=(1726, 1000),
    sample=(1726, 274),
    train_rows=901028,
)


def _one_shot(task: CodeXGlue) -> CodeXGlue:
    return replace(task, name=f"{task.name}-1shot", title=f"{task.title}, one demonstration", one_shot=True)


TASKS = (DEFECT, CLONE, _one_shot(DEFECT), _one_shot(CLONE))
