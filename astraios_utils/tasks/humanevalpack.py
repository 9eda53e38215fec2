"""HumanEvalPack: code synthesis, repair and explanation, 164 problems in Python and in Java (section 4.1, table 3).

Prompts, stop rules, post-processing, import block and limits are those of the evaluation harness that the paper used
(its ``octocoder`` prompts), restated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..sandbox.types import Program
from . import python_tests, shapes
from .base import (
    END_OF_TEXT,
    Answers,
    DataSource,
    Decoding,
    ExecutedTask,
    Problem,
    ProgramTask,
    Turn,
    cut_at_stop,
    in_order,
    lists_of_strings,
    rows_with,
)
from .files import Check, RowError, filled, text

FIELDS: dict[str, Check] = {
    **dict.fromkeys(("task_id", "prompt", "declaration", "test", "entry_point"), filled),
    **dict.fromkeys(("canonical_solution", "docstring", "instruction"), text),
}
PYTHON_IMPORTS = "\n".join(
    [
        *(f"import {name}" for name in ("math", "re", "sys", "copy", "datetime", "itertools", "collections", "heapq")),
        *(f"import {name}" for name in ("statistics", "functools", "hashlib", "numpy", "numpy as np", "string")),
        *(f"from {name} import *" for name in ("typing", "collections")),
    ]
)
PREAMBLE = {"python": PYTHON_IMPORTS, "java": ""}
STOP = {
    "python": ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\nassert", END_OF_TEXT),
    "java": (END_OF_TEXT,),
}
TITLE = {"python": "Python", "java": "Java"}
TIMEOUT = 10.0  # seconds, for either language
EMPTY_MAIN = "public class Main {\n    }"  # the harness drops it from Java samples: the test brings the real one
LOOKS_LIKE = {"python": re.compile(r"^\s*def \w+\(", re.MULTILINE), "java": re.compile(r"\bclass Solution\b")}


def read_problems(path: Path, language: str, fields: Mapping[str, Check]) -> tuple[Problem, ...]:
    """Problems in HumanEvalPack's shape; of Python also HumanEval's, EvalPlus's and MBPP's, converted.

    Raises:
        schema.BadInput: the file has another shape, or a field is missing or of another type.
    """
    rows = rows_with(path, fields, shapes.as_humanevalpack) if language == "python" else rows_with(path, fields)
    return tuple(Problem(row["task_id"], "", row) for row in rows)


def question(asked: str, head: str) -> str:
    """The ``octocoder`` prompt; stripped, because the model writes the newline itself."""
    return f"Question: {asked}\n\nAnswer:\n{head}".strip()


def _closes_python(line: str) -> bool:
    """Whether a line of a completion lies outside the function."""
    return bool(line.strip()) and line[0] not in " \t"


def _leaves_python(generation: str, start: int) -> bool:
    """Whether the text from ``start`` on has begun a line outside the function; up to there it had not."""
    begin = generation.rfind("\n", 0, start) + 1
    if generation[begin:start].strip() and "\n" not in generation[start:]:
        return False  # the only line with new text was decided by its first letter
    return any(_closes_python(line) for line in generation[begin:].split("\n"))


def _cut_python(code: str) -> str:
    lines = code.split("\n")
    end = next((i for i, line in enumerate(lines) if _closes_python(line)), len(lines))
    return "\n".join(lines[:end])


def _closes_java(generation: str, start: int) -> bool:
    """Whether the text from ``start`` on closes the method and the class that the prompt has opened."""
    return "}" in generation[start:] and generation.count("{") + 2 <= generation.count("}")


def _cut_java(code: str) -> str:
    """Cut after the brace that closes the class; if none does, repair the end as the harness does."""
    depth = 2  # the prompt has opened the class and the method
    for at, char in enumerate(code):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth == 0:
            return code[: at + 1]
    main = code.find("public static void main")
    if main >= 0:
        code = code[:main] + "}"
    if "}" in code:
        code = code[: code.rfind("}")] + "}"
    if code.count("{") - 1 == code.count("}"):
        code += "\n}"
    return code


def _starts_with(problem: Problem, sample: str) -> str:
    """The head that a sample starts with: ``prompt`` (with docstring), ``declaration``, or ``""``."""
    heads = ("prompt", "declaration")  # the longer one first
    return next((head for head in heads if sample.lstrip().startswith(str(problem.row[head]).strip())), "")


@dataclass(frozen=True)
class OnHumanEvalPack(ProgramTask):
    """A task on HumanEvalPack's problems.

    Attributes:
        required: fields of a problem that this kind needs beyond ``FIELDS``.
    """

    required: ClassVar[dict[str, Check]] = {}

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """JSON lines, one problem each: HumanEvalPack's fields; for Python also HumanEval's, EvalPlus's and MBPP's."""
        return read_problems(path, self.language, FIELDS | self.required)

    def require_usable(self, problem: Problem) -> None:
        """Raise :class:`RowError` where the test does not use the sample."""
        if self.language == "python":
            python_tests.require(problem.row["test"], problem.row["entry_point"])
        elif not re.search(r"\bclass\s+Main\b", problem.row["test"]):
            raise RowError("the test defines no class Main, so nothing would run")
        elif not re.search(r"\bSolution\b", problem.row["test"]):
            raise RowError("the test never uses the class Solution, so every sample would pass")

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """One list of samples per problem."""
        return in_order(rows, problems, self.name)


@dataclass(frozen=True)
class HumanEvalPack(OnHumanEvalPack, ExecutedTask):
    """What the three kinds of task share.

    Attributes:
        head: the field of the problem that finished samples start with.
    """

    head: ClassVar[Literal["prompt", "declaration"]]

    def head_of(self, problem: Problem) -> str:
        """The prompt (with docstring) or the declaration."""
        return str(problem.row[self.head])

    def finish(self, problem: Problem, generation: str) -> str:
        """The problem's head, then the first function (Java: class) of the generation."""
        code = cut_at_stop(generation.rstrip(), self.decoding.stop)
        body = _cut_python(code) if self.language == "python" else _cut_java(code)
        return self.head_of(problem).rstrip() + body

    def finished(self, generation: str, start: int = 0) -> bool:
        """Stop at a stop word, at a line outside the function, or (Java) where the class is closed."""
        if super().finished(generation, start):
            return True
        return (_leaves_python if self.language == "python" else _closes_java)(generation, start)

    def program(self, problem: Problem, sample: str) -> Program:
        """Import block, sample, test, with the newlines that the harness puts between them."""
        test, entry = problem.row["test"], problem.row["entry_point"]
        if self.language == "java":
            sample = sample.replace(EMPTY_MAIN, "").lstrip()
            entry = ""  # the test names the class Solution, and the entry point of some problems is misspelt
        else:
            test = python_tests.complete(test, entry)
        preamble = PREAMBLE[self.language]
        return Program(self.language, sample.rstrip(), f"\n{test}", preamble, TIMEOUT, entry_point=entry)

    def check(self, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> None:
        """Refuse files in another language, and files whose samples start like those of a sibling task."""
        super().check(problems, samples)
        pairs = [(problem, sample) for problem, row in zip(problems, samples, strict=True) for sample in row]
        other = "java" if self.language == "python" else "python"
        foreign = sum(bool(LOOKS_LIKE[other].search(s)) and not LOOKS_LIKE[self.language].search(s) for _, s in pairs)
        if 2 * foreign > len(pairs):
            raise RowError(f"most samples are {TITLE[other]}: this is not a {self.name} file")
        if not all("buggy_solution" in problem.row for problem in problems):
            return  # HumanEval, EvalPlus or MBPP: whether a docstring belongs to a sample is not known
        starts = [_starts_with(problem, sample) for problem, sample in pairs]
        sibling = "declaration" if self.head == "prompt" else "prompt"
        if 2 * starts.count(sibling) > len(pairs) > 10 * starts.count(self.head):
            bare = "without" if self.head == "prompt" else "with"
            raise RowError(f"the samples start with the function {bare} its docstring: not a {self.name} file")


@dataclass(frozen=True)
class Synthesize(HumanEvalPack):
    """Write the function that a docstring describes."""

    head = "prompt"

    def prompt(self, problem: Problem) -> str:
        """The instruction, then the function's head with its docstring."""
        return question(str(problem.row["instruction"]).strip(), problem.row["prompt"])


@dataclass(frozen=True)
class Repair(HumanEvalPack):
    """Fix a function, given its tests."""

    head = "declaration"
    required = {"buggy_solution": filled}  # noqa: RUF012 - never changed

    def prompt(self, problem: Problem) -> str:
        """The instruction, the buggy function, its tests; then the function's head without docstring."""
        row = problem.row
        buggy = f"{row['declaration']}{row['buggy_solution']}\n{row['test']}"
        return question(f"Fix bugs in {row['entry_point']}.\n{buggy}", row["declaration"])


@dataclass(frozen=True)
class Explain(HumanEvalPack):
    """Describe a function, then write it from the description alone."""

    head = "prompt"  # the sample contains the docstring although the model has not seen it

    def describe_prompt(self, problem: Problem) -> str:
        """First step: the instruction and the solved function."""
        row = problem.row
        asked = "Provide a concise natural language description of the code using at most "
        asked += f"{len(row['docstring'])} characters."
        return question(f"{asked}\n{row['declaration']}{row['canonical_solution']}", "")

    def describe_finish(self, problem: Problem, generation: str) -> str:
        """The description: at most as long as the docstring, without lines of the solution (of over 20 characters)."""
        text = generation.strip()[: len(problem.row["docstring"])]
        text = cut_at_stop(text, self.decoding.stop).rstrip()
        for line in str(problem.row["canonical_solution"]).split("\n"):
            if len(line.strip()) > 20:
                text = text.replace(line.strip(), "")
        return text

    def turns(self) -> tuple[Turn, ...]:
        """Describe, then write; each sample has a description of its own."""
        describe = Turn(self.describe_prompt, self.described, self.describe_finish, "description")
        return (describe, *super().turns())

    def described(self, problem: Problem, generation: str, start: int = 0) -> bool:
        """Whether a running description can be stopped: it has reached its longest length or a stop word."""
        text = generation.lstrip()
        return len(text) >= len(problem.row["docstring"]) or any(word in text for word in self.decoding.stop)

    def prompt(self, problem: Problem) -> str:
        """Second step; the description is expected in the problem's row under ``description``."""
        asked = f"Write functional code in {TITLE[self.language]} according to the description."
        return question(f"{asked}\n{problem.row['description']}", problem.row["declaration"])

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """One row per description, problem by problem: 20 rows with one sample each for every problem."""
        samples = lists_of_strings(rows, self.name)
        count, left = divmod(len(samples), len(problems))
        if left or not count or {len(row) for row in samples} != {1}:
            raise RowError(
                f"{len(samples)} rows; a {self.name} file holds one sample per row and the same number of rows for "
                f"each of {len(problems)} problems ({self.decoding.samples * len(problems)} in all)"
            )
        grouped = (samples[start : start + count] for start in range(0, len(samples), count))
        return tuple(problems), tuple(tuple(row[0] for row in group) for group in grouped)


def _task(kind: type[HumanEvalPack], name: str, title: str, language: Literal["python", "java"]) -> HumanEvalPack:
    return kind(
        name=f"{name}-{language}",
        title=f"{title}, {TITLE[language]}",
        language=language,
        metrics=("pass@1", "pass@10"),
        data=DataSource("bigcode/humanevalpack", language, "test", 164, (f"humanevalpack/{language}.jsonl",)),
        decoding=Decoding(temperature=0.2, top_p=0.95, samples=20, max_length=2048, stop=STOP[language]),
    )


TASKS = tuple(
    _task(kind, name, title, language)
    for kind, name, title in (
        (Synthesize, "synthesize", "Code synthesis"),
        (Repair, "repair", "Code repair"),
        (Explain, "explain", "Code explanation"),
    )
    for language in ("python", "java")
)
