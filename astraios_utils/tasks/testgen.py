"""Unit-test generation: given a function, the model writes tests, and running them decides.

A sample is judged by what its tests do (:mod:`sandbox.reversed_roles` states what they cannot do):

- **valid**: they parse, run to their end or to an assertion, and call the function;
- **correct**: they are valid and the reference solution passes them;
- **mutation score**: the share of planted bugs that they catch, 0 unless they are correct;
- **line and branch coverage** of the reference, 0 unless they are correct.

The planted bugs are those of :mod:`programs.mutation`, and HumanEvalPack's buggy solution where the problem has one.
Only bugs count that fail an assertion of the benchmark's own tests: a mutant that passes them may be equivalent, and
one that crashes needs no test.  The benchmark's own tests therefore have a mutation score of 100.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .. import schema
from ..programs import mutation
from ..programs.coverage import Instrumented, instrumented
from ..sandbox import FAILED, PASSED, Program
from ..sandbox import reversed_roles as roles
from .base import END_OF_TEXT, DataSource, Decoding, Judgement, Known, ProbedTask, Problem, cut_at_stop
from .humanevalpack import PREAMBLE, TITLE, OnHumanEvalPack, Synthesize, _cut_python, question
from .humanevalpack import TASKS as SIBLINGS

MUTANTS = 10  # planted bugs of one problem, at most
TRIES = 14  # mutants that are tried until there are so many
SEED = 0
MUTANT_SECONDS = 2.0  # wall time of a candidate; one that needs longer is not chosen
AGAIN = (1, 2)  # numbers of the reference's runs in the mutants' round
CONFIRM = 3  # number of the reference's run in the round of repeated catches
STOP = ("\nclass", "\n#", "\n@", "\nprint", "\nif", "\nQuestion:", END_OF_TEXT)


@dataclass(frozen=True, slots=True)
class Bench:
    """What one problem's tests are tried on.

    Attributes:
        reference: the solution.
        mutants: candidates for planted bugs: the text of each, and how it is instrumented.
    """

    reference: Instrumented
    mutants: tuple[tuple[str, Instrumented], ...]


@functools.lru_cache(maxsize=1024)
def bench(solution: str, buggy: str, entry: str) -> Bench:
    """The reference and the candidates of a Python problem; ``buggy``: the benchmark's own wrong solution, or empty."""
    planted = [mutant.text for mutant in mutation.shuffled(solution, entry, SEED)[:TRIES]]
    texts = list(dict.fromkeys(([buggy] if buggy else []) + planted))
    return Bench(instrumented(solution), tuple((text, instrumented(text)) for text in texts))


@dataclass(frozen=True)
class TestGeneration(OnHumanEvalPack, ProbedTask):
    """Write tests for a function."""

    __test__ = False  # for pytest: not a class of tests

    def code_of(self, problem: Problem) -> str:
        """The function that the tests are for, with its docstring."""
        return f"{problem.row['prompt']}{problem.row['canonical_solution']}"

    def head_of(self, problem: Problem) -> str:
        """The beginning of the tests."""
        return f"def check({problem.row['entry_point']}):\n"

    def prompt(self, problem: Problem) -> str:
        """The instruction and the function; then the head of the tests."""
        asked = f"Write unit tests for {problem.row['entry_point']}.\n{self.code_of(problem).rstrip()}"
        return question(asked, self.head_of(problem))

    def finish(self, problem: Problem, generation: str) -> str:
        """The head, then the first function of the generation."""
        return self.head_of(problem).rstrip() + _cut_python(cut_at_stop(generation.rstrip(), self.decoding.stop))

    def decide(self, problem: Problem, sample: str, known: Known) -> Judgement | Sequence[Program]:
        """The planted bugs first, then the reference, then the mutants, then each catch again."""
        row = problem.row
        buggy = f"{row['prompt']}{row['buggy_solution']}" if row.get("buggy_solution") else ""
        tried = bench(self.code_of(problem), buggy, row["entry_point"])
        own = [self._own(problem, text) for text in (self.code_of(problem), *(text for text, _ in tried.mutants))]
        outcomes = [known(program) for program in own]
        missing = [program for program, outcome in zip(own, outcomes, strict=True) if outcome is None]
        if missing:
            return missing
        statuses = [outcome.status for outcome in outcomes if outcome is not None]
        if statuses[0] != PASSED:
            raise schema.BadInput(f"{self.name}: problem {problem.id}: its solution does not pass its tests")
        planted = [made for (_, made), status in zip(tried.mutants, statuses[1:], strict=True) if status == FAILED]
        return _Trial(self.language, tried.reference, tuple(planted[:MUTANTS]), row["entry_point"], sample, known).run()

    def _own(self, problem: Problem, solution: str) -> Program:
        """A solution with the benchmark's own tests."""
        program = _synthesize(self.language).program(problem, solution)
        return program if solution == self.code_of(problem) else replace(program, timeout=MUTANT_SECONDS)


def _synthesize(language: str) -> Synthesize:
    return next(task for task in SIBLINGS if isinstance(task, Synthesize) and task.language == language)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One sample on its way to a verdict."""

    language: str
    reference: Instrumented
    planted: tuple[Instrumented, ...]
    entry: str
    sample: str
    known: Known

    def run(self) -> Judgement | Sequence[Program]:
        try:
            ast.parse(self.sample)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return self._judged("invalid", f"does not parse ({type(error).__name__})")
        first = self._program("", 0)
        outcome = self.known(first)
        if outcome is None:
            return [first]
        alone = roles.report(outcome)
        if alone.ended != PASSED:
            return self._judged(alone.ended, alone.why)
        if not alone.calls:
            return self._judged("invalid", f"never calls {self.entry}")
        return self._against_mutants(alone)

    def _against_mutants(self, alone: roles.Report) -> Judgement | Sequence[Program]:
        programs = [self._program("", number) for number in AGAIN]
        programs += [self._program(mutant.text, 0) for mutant in self.planted]
        reports = self._reports(programs)
        if isinstance(reports, list):
            return reports
        references, mutants = reports[: len(AGAIN)], reports[len(AGAIN) :]
        caught = [mutant for mutant, report in zip(self.planted, mutants, strict=True) if report.caught]
        again = [self._program("", CONFIRM), *(self._program(mutant.text, CONFIRM) for mutant in caught)]
        repeated = self._reports(again) if caught else ()
        if isinstance(repeated, list):
            return repeated
        references += repeated[:1]
        steady = all((other.ended, other.trace) == (alone.ended, alone.trace) for other in references)
        if not steady or not all(report.caught for report in repeated[1:]):
            return self._judged("error", "flaky: two runs of the same tests disagree")
        return self._judged(PASSED, "", len(caught), alone)

    def _program(self, mutant: str, number: int) -> Program:
        made = self.reference
        return roles.python_program(
            self.sample, made.text, mutant, made.names, self.entry, PREAMBLE[self.language], number
        )

    def _reports(self, programs: Sequence[Program]) -> list[Program] | tuple[roles.Report, ...]:
        """The reports of these runs, or (a list) the programs that have not run."""
        outcomes = [self.known(program) for program in programs]
        missing = [program for program, outcome in zip(programs, outcomes, strict=True) if outcome is None]
        return missing or tuple(roles.report(outcome) for outcome in outcomes if outcome is not None)

    def _judged(self, status: str, why: str, caught: int = 0, covered: roles.Report | None = None) -> Judgement:
        lines, branches = (covered.lines, covered.branches) if covered else (0, 0)
        counts = f"caught={caught}/{len(self.planted)} lines={lines}/{self.reference.lines} "
        counts += f"branches={branches}/{self.reference.branches}"
        return Judgement(status, f"{counts} {why}".strip())


def _task(language: Literal["python", "java"]) -> TestGeneration:
    return TestGeneration(
        name=f"testgen-{language}",
        title=f"Unit tests, {TITLE[language]}",
        language=language,
        metrics=("mutation", "correct", "valid", "lines", "branches"),
        data=DataSource("bigcode/humanevalpack", language, "test", 164, (f"humanevalpack/{language}.jsonl",)),
        decoding=Decoding(temperature=0.2, top_p=0.95, samples=20, max_length=2048, stop=STOP),
    )


TASKS = (_task("python"),)
