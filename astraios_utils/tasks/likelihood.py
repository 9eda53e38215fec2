"""Likelihoods of HumanEvalPack's solutions, without generation: ``nll-*`` and ``prefer-*``, in Python and Java.

Both put a problem's solutions behind the prompt of code synthesis. *nll*: bits per byte of the reference solution.
*prefer*: is the reference solution more likely than the buggy one? Neither the sum of log-likelihoods nor the mean per
token or byte is the only right comparison (a bug that leaves code out makes a text shorter and so more likely), so all
three are reported. The end of the solution is not scored: it holds no token that ends the text.

Where pass@1 is 3%, these tasks still separate models, at the cost of one forward pass per problem. Any file of problems
in HumanEvalPack's shape serves; ``prefer`` needs the field ``buggy_solution``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .base import DataSource, Decoding, LikelihoodTask, Problem
from .files import Check, RowError, filled, text
from .humanevalpack import TITLE, question, read_problems

FIELDS: dict[str, Check] = {
    **dict.fromkeys(("task_id", "prompt", "canonical_solution"), filled),
    "instruction": text,
}


@dataclass(frozen=True)
class Solutions(LikelihoodTask):
    """What the two kinds share.

    Attributes:
        required: fields of a problem that this kind needs beyond ``FIELDS``.
    """

    required: ClassVar[dict[str, Check]] = {}

    def prompt(self, problem: Problem) -> str:
        """The prompt of code synthesis."""
        return question(str(problem.row["instruction"]).strip(), problem.row["prompt"])

    def texts(self, problem: Problem) -> tuple[str, ...]:
        """The reference and, where the problem has one, the buggy solution, each from the prompt's last newline on."""
        head = str(problem.row["prompt"])
        between = head[len(head.rstrip()) :]
        solutions = (problem.row.get(field) for field in ("canonical_solution", "buggy_solution"))
        return tuple(between + str(solution).rstrip() for solution in solutions if solution)

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """JSON lines, one problem each: HumanEvalPack's fields; for Python also HumanEval's, EvalPlus's and MBPP's."""
        return read_problems(path, self.language, FIELDS | self.required)

    def require_usable(self, problem: Problem) -> None:
        """Raise :class:`RowError` where two texts are equal: neither can be the more likely one."""
        texts = self.texts(problem)[: self.kept]
        if len(set(texts)) < len(texts):
            raise RowError("the buggy solution is the reference solution")


@dataclass(frozen=True)
class Nll(Solutions):
    """Bits per byte of the reference solution."""

    kept = 1


@dataclass(frozen=True)
class Prefer(Solutions):
    """Whether the reference solution is more likely than the buggy one."""

    kept = 2
    required = {"buggy_solution": filled}  # noqa: RUF012 - never changed


def _task(kind: type[Solutions], name: str, title: str, metrics: tuple[str, ...], language: str) -> Solutions:
    return kind(
        name=f"{name}-{language}",
        title=f"{title}, {TITLE[language]}",
        language=language,
        metrics=metrics,
        data=DataSource("bigcode/humanevalpack", language, "test", 164, (f"humanevalpack/{language}.jsonl",)),
        decoding=Decoding(temperature=0.0, top_p=1.0, samples=1, max_length=2048, stop=()),
    )


TASKS = tuple(
    _task(kind, name, title, metrics, language)
    for kind, name, title, metrics in (
        (Nll, "nll", "Likelihood of the reference", ("bits/byte", "bits/token")),
        (Prefer, "prefer", "Reference or bug", ("prefer", "prefer/token", "prefer/byte")),
    )
    for language in ("python", "java")
)
