"""Asleep at the Keyboard, Diversity of Weakness: 40 scored scenarios in C and Python (section 5.2, table 5).

A sample is the whole program, put together by :func:`analyzers.assemble`; what decides on it is described in
:mod:`astraios_utils.analyzers`; with ``ASTRAIOS_ANALYZER=codeql``, CodeQL decides. Beside the released layout (54
lists of records) two more are read: flat records with ``scenario_id`` and ``completion``, one JSON line each, as the
benchmark keeps Copilot's; and our own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import analyzers, schema, store
from ..analyzers import codeql
from ..sources import released
from .base import AnalysedTask, Answers, DataSource, Decoding, Judgement, Problem, rows_with
from .files import RowError, Rows, filled, read_content, text

log = logging.getLogger(__name__)
ANALYZER, ANALYZERS = "ASTRAIOS_ANALYZER", ("checkers", "codeql")  # an environment variable, and what it may say
CUSTOM_QL = "ASTRAIOS_CUSTOM_QL"  # the benchmark's folder custom_ql, for the scenarios' own queries


def _language(value: Any) -> str:
    return "" if value in ("c", "python") else f"is {value!r:.40}, not c or python"


FIELDS = {"scenario_id": filled, "prompt": text, "suffix": text, "language": _language}
ORIGINAL = "aatk/original_scenario_dow.jsonl"


@dataclass(frozen=True)
class Aatk(AnalysedTask):
    """Completion of a program that is easily completed insecurely."""

    @property
    def fingerprint(self) -> str:
        """Verdicts also depend on the checkers and on the compiler that decides what is valid."""
        parts = [super().fingerprint, analyzers.VERSION, analyzers.DEFAULT, analyzers.compiler_version()]
        parts += [codeql.BUNDLE, os.environ.get(CUSTOM_QL)] if _uses_codeql() else []
        return store.fingerprint(parts)

    def tools(self) -> dict[str, str]:
        """The compiler that decides what is valid, and who looks for weaknesses."""
        analyzer = f"codeql {codeql.BUNDLE}" if _uses_codeql() else f"checkers {analyzers.VERSION}"
        return {"compiler": analyzers.compiler_version(), "analyzer": f"{analyzer}, rule {analyzers.DEFAULT}"}

    def prompt(self, problem: Problem) -> str:
        """The scenario as the start of an answer (figure 19)."""
        return f"Question: Create a script for this problem.\n\nAnswer: {problem.row['prompt']}"

    def finish(self, problem: Problem, generation: str) -> str:
        """The program made of scenario and generation, by the default rule."""
        return self.program_of(problem, generation, analyzers.DEFAULT)

    def program_of(self, problem: Problem, generation: str, rule: str) -> str:
        """The program by a named rule of ``analyzers.assembly.RULES``."""
        row = problem.row
        return analyzers.assemble(row["language"], row["prompt"], generation, row["suffix"], rule)

    def verdicts(self, pairs: Sequence[tuple[Problem, str]]) -> list[Judgement]:
        """Secure, insecure, invalid or unknown, with checker, rule and line, of each program.

        Many programs go to one compiler process, or into one CodeQL database.

        Raises:
            schema.BadInput: ``ASTRAIOS_ANALYZER`` asks for CodeQL, which is missing, of another version, or failed.
        """
        if _uses_codeql():
            custom = os.environ.get(CUSTOM_QL)
            try:
                found = codeql.judge([(p.id, sample) for p, sample in pairs], Path(custom) if custom else None)
            except codeql.CodeqlError as error:
                raise schema.BadInput(str(error)) from None
            return [Judgement(verdict.status, verdict.detail) for verdict in found]
        subjects = [analyzers.subject(problem.id, sample) for problem, sample in pairs]
        return [Judgement(verdict.status, verdict.detail) for verdict in analyzers.judge(subjects)]

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """The scenarios that have a query, in the file's order; ``variant`` tells several prompts of one apart."""
        rows = rows_with(path, FIELDS)
        known = [row for row in rows if row["scenario_id"] in analyzers.SCENARIOS]
        return tuple(Problem(row["scenario_id"], str(row.get("variant", "")), row) for row in known)

    def require_shape(self, content: Rows) -> None:
        """Raise :class:`RowError` where rows are neither our own nor records of this benchmark."""
        if content.lines and not _are_records(content.rows):
            self.own_rows(content.rows)
        else:
            self.records(_flat(content.rows))

    def read_lines(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """Flat records, or our own layout."""
        if _are_records(rows):
            return self._answers(self.records(rows), problems)
        return super().read_lines(rows, problems)

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """A list of records a scenario, or a flat list of records."""
        return self._answers(self.records(_flat(rows)), problems)

    def written(self, path: Path, problems: Sequence[Problem] | None = None) -> list[tuple[Problem, str]]:
        """Pairs of scored scenario and text that the model wrote for it, before any assembly.

        Args:
            path: a generations file in the released layout, or in our own with raw text.
            problems: the scenarios that a file in our own layout answers; by default the benchmark's.

        Raises:
            schema.BadInput: the file is damaged, or holds no records of this benchmark.
        """
        rows = read_content(path).rows
        if rows and isinstance(rows[0], dict) and "raw" in rows[0]:
            answered = self.read(path, problems).problems
            texts = {(row["problem"], row.get("variant", "")): row["raw"] for row in rows}
            return [(problem, text) for problem in answered for text in texts[problem.id, problem.variant]]
        try:
            records = self.records(_flat(rows))
            completed = self.answered(records, self.problems())
        except RowError as error:
            raise schema.BadInput(f"{path}: {error}") from None
        return [(problem, _written(record)) for problem, record in zip(completed, records, strict=True)]

    def records(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """The records of scored scenarios; raises :class:`RowError` where one is no record of this benchmark."""
        for number, row in enumerate(rows):
            if not isinstance(row, dict) or not isinstance(row.get("scenario_id"), str):
                raise RowError(f"record {number} has no scenario_id: is the file of another task?")
            if not row["scenario_id"].startswith("DoW/"):
                raise RowError(
                    f"record {number}: {row['scenario_id']!r:.60} is no scenario of this benchmark (DoW/CWE-…)"
                )
            if not isinstance(row.get("completion"), str):
                raise RowError(f"record {number}: completion is a {type(row.get('completion')).__name__}, not a string")
        return [row for row in rows if row["scenario_id"] in analyzers.SCENARIOS]

    def _answers(self, records: Sequence[Mapping[str, Any]], problems: Sequence[Problem]) -> Answers:
        samples: dict[str, list[str]] = {}
        meant: dict[str, Problem] = {}
        for record, problem in zip(records, self.answered(records, problems), strict=True):
            meant.setdefault(problem.id, problem)
            samples.setdefault(problem.id, []).append(self.finish(problem, _written(record)))
        if not samples:
            raise RowError("holds no completion of a scored scenario")
        if len(samples) < self.data.rows:
            log.warning("%s: only %d of the %d scored scenarios are answered", self.name, len(samples), self.data.rows)
        return tuple(meant.values()), tuple(tuple(programs) for programs in samples.values())

    def answered(self, records: Sequence[Mapping[str, Any]], problems: Sequence[Problem]) -> list[Problem]:
        """The scenario that each record completes.

        The benchmark has two versions of its scenarios; the original one, which Copilot saw, keeps function headers in
        comments. A record says by its prompt which one it completes. Records without prompts complete the given
        problems, unless one of them repeats a line that only the newer version's prompt has: then all the original's.
        """
        given = {problem.id: problem for problem in problems}
        lacking = next((r["scenario_id"] for r in records if r["scenario_id"] not in given), None)
        if lacking is not None:
            raise RowError(f"scenario {lacking} is not among the problems")
        older = _repeats_header([record for record in records if record.get("prompt") is None], given)
        if not older and all(r.get("prompt") in (None, given[r["scenario_id"]].row["prompt"]) for r in records):
            return [given[record["scenario_id"]] for record in records]
        original = {problem.id: problem for problem in self.parse(released.benchmark(ORIGINAL))}
        return [_version(record, given, original, older) for record in records]

    def check(self, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> None:
        """Any number of samples a scenario will do: rates are over samples, clustered by scenario."""


def _flat(rows: Sequence[Any]) -> list[Any]:
    """The records of a released file: of its lists, or the rows themselves."""
    return [record for row in rows for record in (row if isinstance(row, list) else [row])]


def _are_records(rows: Sequence[Any]) -> bool:
    return bool(rows) and isinstance(rows[0], dict) and "scenario_id" in rows[0]


def _uses_codeql() -> bool:
    """Whether programs are to be judged by CodeQL itself rather than by the checkers."""
    return schema.match(os.environ.get(ANALYZER) or ANALYZERS[0], ANALYZERS, ANALYZER) == "codeql"


def _written(record: Mapping[str, Any]) -> str:
    """What the model wrote, with the character that the released files lost (``analyzers.recovered``)."""
    raw, prompt = record.get("generation_raw"), record.get("prompt")
    completion: str = record["completion"]
    return (
        analyzers.recovered(prompt, completion, raw) if isinstance(raw, str) and isinstance(prompt, str) else completion
    )


def _version(
    record: Mapping[str, Any], given: Mapping[str, Problem], original: Mapping[str, Problem], older: bool
) -> Problem:
    name, prompt = record["scenario_id"], record.get("prompt")
    if prompt is None:
        return original[name] if older else given[name]
    for problem in (given[name], original[name]):
        if problem.row["prompt"] == prompt:
            return problem
    raise RowError(f"the prompt of {name} is neither version's (score other prompts with --problems FILE)")


def _code(prompt: str) -> set[str]:
    return {line.strip() for line in prompt.splitlines() if line.strip() and not line.lstrip().startswith(("#", "//"))}


def _repeats_header(records: Iterable[Mapping[str, Any]], given: Mapping[str, Problem]) -> bool:
    """Whether a completion starts with a function header that its prompt already ends with."""
    for record in records:
        first = next((line for line in record["completion"].splitlines() if line.strip()), "").strip()
        prompt = given[record["scenario_id"]].row["prompt"]
        if first.startswith("def ") and first in _code(prompt):
            return True
    return False


TASKS = (
    Aatk(
        name="aatk",
        title="Asleep at the Keyboard (DoW)",
        language="python",
        metrics=("valid", "insecure"),
        data=DataSource("moyix/asleep_keyboard", "DoW", "test", rows=40, files=("aatk/scenario_dow.jsonl",)),
        decoding=Decoding(temperature=0.2, top_p=0.95, samples=20, max_length=1024, stop=()),
    ),
)
