"""Which Java gives the published Java scores?  Pass@1 of released files at several language levels, as CSV.

A program counts at level N if ``javac --release N`` compiles it (language and library of Java N) and it passes on the
JDK of this machine.  So only programs that pass are compiled again, and verdicts that scoring has journaled are not
asked for twice.

    python benchmarks/java_levels.py                                   every available Java file
    python benchmarks/java_levels.py synthesize-java/1B/LoRA …         some
    python benchmarks/java_levels.py --tests                           which problems no program can pass at a level

A row per file: Pass@1 in percent at each level and on the JDK itself, and the published value.  ``--tests`` prints the
problems whose test does not compile at a level, whatever the solution.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from astraios_utils import schema
from astraios_utils.sandbox import PASSED, Program
from astraios_utils.scoring import run_programs
from astraios_utils.scoring.journal import Journal, open_journal, program_key
from astraios_utils.sources import paper, released
from astraios_utils.sources.released import ReleasedFile
from astraios_utils.tasks import get_task

TASKS = ("synthesize-java", "repair-java", "explain-java")
LEVELS = (8, 9, 10, 11)
STUB = "throw new UnsupportedOperationException();\n}\n}"  # a solution that compiles at every level


def chosen(names: Sequence[str]) -> list[ReleasedFile]:
    """The files that the names mean (``task/size/method``); without names, the scored ones that are available."""
    files = [file for task in TASKS for file in released.files(task) if file.use == "scored"]
    files = [file for file in files if released.locate(file) is not None]
    if not names:
        return files
    by_name = {f"{file.task}/{file.size}/{file.method}": file for file in files}
    return [by_name[schema.match(name, list(by_name), "file")] for name in names]


def programs_of(file: ReleasedFile) -> list[Program]:
    """The programs of a file's samples, in the file's order."""
    path, task = released.locate(file), get_task(file.task)
    assert path is not None, "only files at hand are chosen"
    return [task.program(problem, text) for problem, samples in task.read(path).pairs() for text in samples]


def passing(programs: Iterable[Program], journal: Journal) -> set[Program]:
    """Those that pass; runs what the journal does not know."""
    programs = set(programs)
    run_programs({key: p for p in programs if journal.get(key := program_key(p)) is None}, journal)
    outcomes = {program: journal.get(program_key(program)) for program in programs}
    return {program for program, outcome in outcomes.items() if outcome is not None and outcome.status == PASSED}


def passing_at(level: int, programs: Iterable[Program], journal: Journal) -> set[Program]:
    """Those of the passing `programs` that pass at a language level too."""
    good = passing((replace(program, release=level) for program in programs), journal)
    return {replace(program, release=None) for program in good}


def print_files(files: Sequence[ReleasedFile], levels: Sequence[int], journal: Journal) -> None:
    """The table of files."""
    programs = {file: programs_of(file) for file in files}
    good = {0: passing((program for each in programs.values() for program in each), journal)}
    good |= {level: passing_at(level, good[0], journal) for level in levels}
    out = csv.writer(sys.stdout)
    out.writerow(["task", "size", "method", *(f"level {level}" for level in levels), "JDK", "published"])
    for file in files:
        own = programs[file]
        values = [100 * sum(p in good[level] for p in own) / len(own) for level in (*levels, 0)]
        printed = paper.published(file.task, file.size, file.method, "pass@1")
        out.writerow([file.task, file.size, file.method, *(f"{value:.2f}" for value in (*values, printed))])


def print_tests(levels: Sequence[int], journal: Journal) -> None:
    """The table of problems that no program can solve at a level, because the test does not compile there."""
    task = get_task(TASKS[0])
    stubs = [task.program(problem, f"{problem.row['declaration']}{STUB}") for problem in task.problems()]
    out = csv.writer(sys.stdout)
    out.writerow(["level", "problem", "detail"])
    for level in levels:
        at_level = [replace(stub, release=level) for stub in stubs]
        passing(at_level, journal)
        for problem, program in zip(task.problems(), at_level, strict=True):
            outcome = journal.get(program_key(program))
            if outcome is not None and outcome.detail.startswith("does not compile"):
                out.writerow([level, problem.id, outcome.detail])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="TASK/SIZE/METHOD")
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS))
    parser.add_argument("--tests", action="store_true", help="list the problems that a level makes unsolvable")
    arguments = parser.parse_args()
    with open_journal() as journal:
        if arguments.tests:
            print_tests(arguments.levels, journal)
        else:
            print_files(chosen(arguments.files), arguments.levels, journal)


if __name__ == "__main__":
    main()
