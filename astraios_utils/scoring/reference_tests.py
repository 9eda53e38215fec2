"""How many planted bugs a benchmark's own tests reject: their mutation score.

    python -m astraios_utils.scoring.reference_tests testgen-python --problems FILE

Unlike for model-written tests, all candidates count that compile: those that the tests reject by an assertion, by a
crash or because they do not end, and those that survive. A survivor may mean the same as the solution, so the score is
a lower bound. The benchmark's own buggy solutions are reported apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .. import schema
from ..metrics import scores
from ..metrics.scores import Estimate
from ..sandbox import ERROR, FAILED, PASSED, TIMEOUT, Outcome, Program, reversed_roles
from ..store.processes import say
from ..tasks import Problem, get_task
from ..tasks.testgen import TestGeneration
from .journal import Journal, open_journal, program_key
from .score import recall, run_programs

ASSERTION, CRASH, ENDLESS, SURVIVED, NOT_COMPILED = "assertion", "crash", "endless", "survived", "not compiled"
REJECTED = (ASSERTION, CRASH, ENDLESS)
_FATES = {PASSED: SURVIVED, FAILED: ASSERTION, ERROR: CRASH, TIMEOUT: ENDLESS}


def measure(
    task: TestGeneration,
    problems: Sequence[Problem],
    journal: Path | None = None,
    sandbox: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """What becomes of each candidate for a planted bug in the benchmark's own tests.

    Returns:
        One row per candidate: ``problem``, ``own`` (whether it is the benchmark's buggy solution) and ``fate``.

    Raises:
        schema.BadInput: a solution does not pass its tests.
    """
    runs = {problem.id: task.own_runs(problem) for problem in problems}
    with open_journal(journal) as known:
        programs = {program_key(program): program for own in runs.values() for program in own}
        new = {key: program for key, program in programs.items() if known.get(key) is None}
        run_programs(new, known, sandbox, progress)
        rows = [row for problem in problems for row in _rows(task, problem, runs[problem.id], known)]
    return pd.DataFrame(rows, columns=["problem", "own", "fate"])


def _rows(
    task: TestGeneration, problem: Problem, own: Sequence[Program], known: Journal
) -> list[tuple[str, bool, str]]:
    reference, *mutants = [recall(known, program_key(program)) for program in own]
    if reference.status != PASSED:
        raise schema.BadInput(f"{task.name}: problem {problem.id}: its solution does not pass its tests")
    texts = [text for text, _ in task.bench(problem).mutants]
    buggy = task.buggy_of(problem)
    return [(problem.id, text == buggy, _fate(outcome)) for text, outcome in zip(texts, mutants, strict=True)]


def _fate(outcome: Outcome) -> str:
    return NOT_COMPILED if outcome.detail.startswith(reversed_roles.NOT_COMPILED) else _FATES[outcome.status]


def mutation_score(fates: pd.DataFrame) -> Estimate:
    """The share of planted bugs that are rejected, in percent: of each problem, then the mean over problems."""
    counted = fates[~fates["own"] & fates["fate"].ne(NOT_COMPILED)]
    caught = counted["fate"].isin(REJECTED).groupby(counted["problem"]).agg(["sum", "size"])
    details = [f"caught={hit}/{of} lines=0/0 branches=0/0" for hit, of in caught.itertuples(index=False)]
    frame = pd.DataFrame({"problem": caught.index, "status": PASSED, "detail": details})
    return scores.summarise("mutation", frame)["mutation"]


def report(task: str, fates: pd.DataFrame) -> str:
    """The score and what it is made of, in two lines."""
    planted, own = fates[~fates["own"]], fates[fates["own"]]
    found = mutation_score(fates)
    counts = planted["fate"].value_counts()
    parts = ", ".join(f"{counts[fate]} {fate}" for fate in (*REJECTED, SURVIVED, NOT_COMPILED) if fate in counts)
    first = f"{task}: mutation score {found.value:.1f} ± {found.se:.1f} of the tests of {found.clusters} problems"
    rejected = int(own["fate"].isin(REJECTED).sum())
    return f"{first}\n{len(planted)} planted bugs: {parts}; buggy solutions: {rejected} of {len(own)} rejected"


def main() -> int:
    """Print the score; 2 where a file is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m astraios_utils.scoring.reference_tests", description=__doc__)
    parser.add_argument("task", help="testgen-python or testgen-java")
    parser.add_argument("--problems", type=Path, help="instead of HumanEvalPack's own")
    parser.add_argument("--first", type=int, help="so many problems")
    given = parser.parse_args()
    try:
        task = get_task(given.task)
        if not isinstance(task, TestGeneration):
            raise schema.BadInput(f"{task.name} is about no tests: choose testgen-python or testgen-java")
        print(report(task.name, measure(task, task.problems(given.problems)[: given.first])))
    except schema.AstraiosError as error:
        say(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
