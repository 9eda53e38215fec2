"""Unit-test generation: given a function, the model writes tests, and running them decides.

A sample is judged by what its tests do (:mod:`sandbox.reversed_roles` states what they cannot do):

- **valid**: they parse (Java: compile), run to their end or to an assertion, and call the function;
- **correct**: they are valid and the reference solution passes them;
- **mutation score**: the share of planted bugs that they catch, 0 unless they are correct;
- **line and branch coverage** of the reference, 0 unless they are correct.

The planted bugs are those of :mod:`programs.mutation` and :mod:`programs.java.mutation`, and HumanEvalPack's buggy
solution where the problem has one.  Only bugs count that fail an assertion of the benchmark's own tests: a mutant that
passes them may be equivalent, and one that crashes (or, in Java, does not compile) needs no test.  The benchmark's own
tests therefore have a mutation score of 100; :mod:`scoring.reference_tests` says how many of all mutants they reject.

Python tests are a ``check`` function, as in the benchmark, pytest's or unittest's; Java tests are the ``main`` method
of a class ``Main``, as in the benchmark.
"""

from __future__ import annotations

import ast
import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .. import schema
from ..programs import java, mutation
from ..programs.coverage import instrumented
from ..sandbox import FAILED, PASSED, Program
from ..sandbox import reversed_roles as roles
from .base import END_OF_TEXT, DataSource, Decoding, Judgement, Known, ProbedTask, Problem, cut_at_stop
from .humanevalpack import (
    PREAMBLE,
    TITLE,
    OnHumanEvalPack,
    Synthesize,
    _closes_java,
    _cut_java,
    _cut_python,
    _leaves_python,
    question,
)
from .humanevalpack import TASKS as SIBLINGS

MUTANTS = 10  # planted bugs of one problem, at most
TRIES = 14  # mutants that are tried until there are so many
SEED = 0
MUTANT_SECONDS = 2.0  # wall time of a candidate; one that needs longer is not chosen
AGAIN = (1, 2)  # numbers of the reference's runs in the mutants' round
CONFIRM = 3  # number of the reference's run in the round of repeated catches
STOP = {
    "python": ("\nclass", "\n#", "\n@", "\nprint", "\nif", "\nQuestion:", END_OF_TEXT),
    "java": ("\nQuestion:", END_OF_TEXT),
}
CLASS = "Solution"  # of Java problems
MAIN = f"""public class Main {{
    public static void main(String[] args) {{
        {CLASS} s = new {CLASS}();
"""
NO_TESTS = f"{MAIN}    }}\n}}\n"

MakeProgram = Callable[[str, str, int], Program]  # tests, instrumented mutant (empty: the reference), number of the run


@dataclass(frozen=True, slots=True)
class Bench:
    """What one problem's tests are tried on.

    Attributes:
        program: one run of some tests.
        lines, branches: of the reference.
        mutants: candidates for planted bugs: the text of each, and its instrumented text.
    """

    program: MakeProgram
    lines: int
    branches: int
    mutants: tuple[tuple[str, str], ...]


def _candidates(
    buggy: str, planted: Sequence[mutation.Mutant], hooked: Callable[[str], str]
) -> tuple[tuple[str, str], ...]:
    """The benchmark's own wrong solution, where there is one, and the first mutants: each text, and with hooks."""
    texts = dict.fromkeys(([buggy] if buggy else []) + [mutant.text for mutant in planted[:TRIES]])
    return tuple((text, hooked(text)) for text in texts)


@functools.lru_cache(maxsize=1024)
def python_bench(solution: str, buggy: str, entry: str) -> Bench:
    """The reference and the candidates of a Python problem; ``buggy``: the benchmark's own wrong solution, or empty."""
    made = instrumented(solution)

    def program(tests: str, mutant: str, run: int) -> Program:
        return roles.python_program(tests, made.text, mutant, made.names, entry, preamble=PREAMBLE["python"], run=run)

    planted = mutation.shuffled(solution, entry, SEED)
    return Bench(program, made.lines, made.branches, _candidates(buggy, planted, lambda text: instrumented(text).text))


@functools.lru_cache(maxsize=1024)
def java_bench(solution: str, buggy: str, entry: str, start: int) -> Bench:
    """The same of a Java problem; ``start``: the first character of the solution that may change."""
    hooked = java.coverage.instrumented
    made = hooked(solution)
    imports, client = "\n".join(made.imports), java.roles.client(solution, CLASS)

    def program(tests: str, mutant: str, run: int) -> Program:
        own = java.roles.renamed(tests)
        return roles.java_program(
            own, client, made.text, mutant, CLASS, imports=imports, meter=java.coverage.METER, run=run
        )

    planted = java.mutation.shuffled(solution, entry, SEED, start)
    return Bench(program, made.lines, made.branches, _candidates(buggy, planted, lambda text: hooked(text).text))


@dataclass(frozen=True)
class TestGeneration(OnHumanEvalPack, ProbedTask):
    """Write tests for a function."""

    __test__ = False  # for pytest: not a class of tests

    @abstractmethod
    def head_of(self, problem: Problem) -> str:
        """The beginning of the tests."""

    @abstractmethod
    def bench(self, problem: Problem) -> Bench:
        """What the problem's tests are tried on."""

    @abstractmethod
    def fault_of(self, tests: str) -> str:
        """Why tests cannot run at all; empty where they may."""

    def code_of(self, problem: Problem) -> str:
        """The function that the tests are for, with its docstring."""
        return f"{problem.row['prompt']}{problem.row['canonical_solution']}"

    def buggy_of(self, problem: Problem) -> str:
        """The benchmark's own wrong solution; empty where it has none."""
        row = problem.row
        return f"{row['prompt']}{row['buggy_solution']}" if row.get("buggy_solution") else ""

    def prompt(self, problem: Problem) -> str:
        """The instruction and the function; then the head of the tests."""
        asked = f"Write unit tests for {problem.row['entry_point']}.\n{self.code_of(problem).rstrip()}"
        return question(asked, self.head_of(problem))

    def decide(self, problem: Problem, sample: str, known: Known) -> Judgement | Sequence[Program]:
        """The planted bugs first, then the reference, then the mutants, then each catch again."""
        tried = self.bench(problem)
        own = self.own_runs(problem)
        outcomes = [known(program) for program in own]
        missing = [program for program, outcome in zip(own, outcomes, strict=True) if outcome is None]
        if missing:
            return missing
        statuses = [outcome.status for outcome in outcomes if outcome is not None]
        if statuses[0] != PASSED:
            raise schema.BadInput(f"{self.name}: problem {problem.id}: its solution does not pass its tests")
        planted = [made for (_, made), status in zip(tried.mutants, statuses[1:], strict=True) if status == FAILED]
        where = f"{self.name}: problem {problem.id}"
        return _Trial(tried, tuple(planted[:MUTANTS]), sample, known, where).run(self.fault_of(sample))

    def own_runs(self, problem: Problem) -> list[Program]:
        """The reference, then each candidate for a planted bug, with the benchmark's own tests."""
        run = _synthesize(self.language).program
        mutants = [run(problem, text) for text, _ in self.bench(problem).mutants]
        return [
            run(problem, self.code_of(problem)),
            *(replace(mutant, timeout=MUTANT_SECONDS) for mutant in mutants),
        ]


@dataclass(frozen=True)
class PythonTests(TestGeneration):
    """Write a ``check`` function."""

    def head_of(self, problem: Problem) -> str:
        """The function's first line."""
        return f"def check({problem.row['entry_point']}):\n"

    def bench(self, problem: Problem) -> Bench:
        """What the problem's tests are tried on."""
        return python_bench(self.code_of(problem), self.buggy_of(problem), problem.row["entry_point"])

    def fault_of(self, tests: str) -> str:
        """Why tests do not parse."""
        try:
            ast.parse(tests)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"does not parse ({type(error).__name__})"
        return ""

    def finish(self, problem: Problem, generation: str) -> str:
        """The head, then the first function of the generation."""
        return self.head_of(problem).rstrip() + _cut_python(cut_at_stop(generation.rstrip(), self.decoding.stop))

    def finished(self, generation: str, start: int = 0) -> bool:
        """Stop at a stop word, or at a line outside the function."""
        return super().finished(generation, start) or _leaves_python(generation, start)


@dataclass(frozen=True)
class JavaTests(TestGeneration):
    """Write the ``main`` method of a class that makes an object of the class under test."""

    def head_of(self, problem: Problem) -> str:
        """The class and the method, opened, and the object."""
        return MAIN

    def bench(self, problem: Problem) -> Bench:
        """What the problem's tests are tried on."""
        row = problem.row
        try:
            return java_bench(self.code_of(problem), self.buggy_of(problem), row["entry_point"], len(row["prompt"]))
        except java.NotJava as error:
            raise schema.BadInput(f"{self.name}: problem {problem.id}: its solution cannot be read: {error}") from None

    def fault_of(self, tests: str) -> str:
        """Why tests do not parse; whether they compile is for the compiler to say."""
        try:
            java.roles.renamed(tests)
        except java.NotJava as error:
            return f"does not parse ({error})"
        return ""

    def finish(self, problem: Problem, generation: str) -> str:
        """The head, then what follows up to the brace that closes the class."""
        return self.head_of(problem).rstrip() + _cut_java(cut_at_stop(generation.rstrip(), self.decoding.stop))

    def finished(self, generation: str, start: int = 0) -> bool:
        """Stop at a stop word, or where the class is closed."""
        return super().finished(generation, start) or _closes_java(generation, start)


def _synthesize(language: str) -> Synthesize:
    return next(task for task in SIBLINGS if isinstance(task, Synthesize) and task.language == language)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One sample on its way to a verdict."""

    bench: Bench
    planted: tuple[str, ...]
    sample: str
    known: Known
    where: str

    def run(self, fault: str) -> Judgement | Sequence[Program]:
        """The verdict, or what must have run before; ``fault``: why the tests cannot run at all."""
        if fault:
            return self._judged(roles.INVALID, fault)
        alone = self._reports([self._program("", 0)])
        if isinstance(alone, list):
            return alone
        if alone[0].ended == roles.INVALID:
            return self._not_compiled(alone[0])
        if alone[0].ended != PASSED:
            return self._judged(alone[0].ended, alone[0].why)
        if not alone[0].calls:
            return self._judged(roles.INVALID, "never calls the function")
        return self._against_mutants(alone[0])

    def _not_compiled(self, alone: roles.Report) -> Judgement | Sequence[Program]:
        """Tests are at fault, unless the reference does not compile with tests that call nothing either."""
        empty = self._reports([self.bench.program(NO_TESTS, "", 0)])
        if isinstance(empty, list):
            return empty
        if empty[0].ended != PASSED:
            raise schema.BadInput(f"{self.where}: its solution cannot meet tests: {empty[0].why}")
        return self._judged(roles.INVALID, alone.why)

    def _against_mutants(self, alone: roles.Report) -> Judgement | Sequence[Program]:
        programs = [self._program("", number) for number in AGAIN]
        programs += [self._program(mutant, 0) for mutant in self.planted]
        reports = self._reports(programs)
        if isinstance(reports, list):
            return reports
        if fault := next((report.why for report in reports if report.ended == roles.INVALID), ""):
            raise schema.BadInput(f"{self.where}: a planted bug cannot meet tests: {fault}")
        references, mutants = reports[: len(AGAIN)], reports[len(AGAIN) :]
        caught = [mutant for mutant, report in zip(self.planted, mutants, strict=True) if report.caught]
        again = [self._program("", CONFIRM), *(self._program(mutant, CONFIRM) for mutant in caught)]
        repeated = self._reports(again) if caught else ()
        if isinstance(repeated, list):
            return repeated
        references += repeated[:1]
        steady = all((other.ended, other.trace) == (alone.ended, alone.trace) for other in references)
        if not steady or not all(report.caught for report in repeated[1:]):
            return self._judged("error", "flaky: two runs of the same tests disagree")
        return self._judged(PASSED, "", len(caught), alone)

    def _program(self, mutant: str, number: int) -> Program:
        return self.bench.program(self.sample, mutant, number)

    def _reports(self, programs: Sequence[Program]) -> list[Program] | tuple[roles.Report, ...]:
        """The reports of these runs, or (a list) the programs that have not run."""
        outcomes = [self.known(program) for program in programs]
        missing = [program for program, outcome in zip(programs, outcomes, strict=True) if outcome is None]
        return missing or tuple(roles.report(outcome) for outcome in outcomes if outcome is not None)

    def _judged(self, status: str, why: str, caught: int = 0, covered: roles.Report | None = None) -> Judgement:
        lines, branches = (covered.lines, covered.branches) if covered else (0, 0)
        counts = f"caught={caught}/{len(self.planted)} lines={lines}/{self.bench.lines} "
        counts += f"branches={branches}/{self.bench.branches}"
        return Judgement(status, f"{counts} {why}".strip())


def _task(kind: type[TestGeneration], language: Literal["python", "java"]) -> TestGeneration:
    return kind(
        name=f"testgen-{language}",
        title=f"Unit tests, {TITLE[language]}",
        language=language,
        metrics=("mutation", "correct", "valid", "lines", "branches"),
        data=DataSource("bigcode/humanevalpack", language, "test", 164, (f"humanevalpack/{language}.jsonl",)),
        decoding=Decoding(temperature=0.2, top_p=0.95, samples=20, max_length=2048, stop=STOP[language]),
    )


TASKS = (_task(PythonTests, "python"), _task(JavaTests, "java"))
