"""Model-written tests that claim bugs they have not found: each file of ``testers/`` aims at one guarantee.

The first line of a file says what it tries, and the verdict that it must get: a status, and how many planted bugs it
may have caught (``all`` for the honest ones, which show that the others are not judged too strictly). ``java_testers/``
holds the same for Java.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from astraios_utils.sandbox import Outcome, Program, Sandbox, SandboxError, runtime_id
from astraios_utils.scoring.journal import program_key
from astraios_utils.tasks import Judgement, Problem, get_task, testgen

FOLDER = Path(__file__).parent
BUGS = {"python": 5, "java": 3}  # planted in the function; fewer than a benchmark has, to save time
FILES = {
    "python": {path.stem: path for path in sorted((FOLDER / "testers").glob("*.py"))},
    "java": {path.stem: path for path in sorted((FOLDER / "java_testers").glob("*.java"))},
}
CODE = '''def positives(numbers):
    """ Return the sum of the positive numbers.
    """
    total = 0
    for n in numbers:
        if n > 0:
            total += n
    return total
'''
JAVA = """import java.util.*;

class Solution {
    /** Return the sum of the positive numbers. */
    public int positives(List<Integer> numbers) {
        int total = 0;
        for (int n : numbers) {
            if (n > 0) {
                total += n;
            }
        }
        return total;
    }
}
"""
OWN = "def check(positives):\n    assert positives([1, -2, 3]) == 4\n    assert positives([]) == 0\n"
OWN += "    assert positives([-1]) == 0\n    assert positives([2]) == 2\n\ncheck(positives)"


def _problem(code: str, body: str, test: str) -> Problem:
    head = code[: code.index(body)]
    rest = code.removeprefix(head)
    row = {"prompt": head, "canonical_solution": rest, "buggy_solution": rest.replace("> 0", "< 0"), "test": test}
    return Problem("Hostile/0", "", {"task_id": "Hostile/0", "entry_point": "positives", **row})


PROBLEMS = {
    "python": _problem(CODE, "    total", OWN),
    "java": _problem(JAVA, "        int total", FILES["java"]["honest_benchmark"].read_text(encoding="utf-8")),
}


def _judge(language: str) -> dict[str, Judgement]:
    """The verdict on every file of a language; all are judged together, round by round."""
    task = get_task(f"testgen-{language}")
    assert isinstance(task, testgen.TestGeneration)
    outcomes: dict[str, Outcome] = {}

    def known(program: Program) -> Outcome | None:
        return outcomes.get(program_key(program))

    verdicts: dict[str, Judgement] = {}
    with pytest.MonkeyPatch.context() as patch, Sandbox(workers=2) as box:
        patch.setattr(testgen, "MUTANTS", BUGS[language])
        while len(verdicts) < len(FILES[language]):
            new: dict[str, Program] = {}
            for name in [name for name in FILES[language] if name not in verdicts]:
                text = FILES[language][name].read_text(encoding="utf-8")
                found = task.decide(PROBLEMS[language], text, known)
                if isinstance(found, Judgement):
                    verdicts[name] = found
                else:
                    new |= {program_key(program): program for program in found}
            keys = list(new)
            outcomes |= {keys[number]: outcome for number, outcome in box.run(new.values())}
    return verdicts


def _require(verdict: Judgement, path: Path, bugs: int) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    status, caught = re.search(r"verdict: ([\w|]+) (\w+)$", first).groups()  # type: ignore[union-attr]
    hit, of = re.match(r"caught=(\d+)/(\d+) ", verdict.detail).groups()  # type: ignore[union-attr]
    assert int(of) == bugs
    assert verdict.status in status.split("|"), verdict
    assert hit == (of if caught == "all" else caught), verdict


@pytest.fixture(scope="module")
def python() -> dict[str, Judgement]:
    return _judge("python")


@pytest.fixture(scope="module")
def java() -> dict[str, Judgement]:
    try:
        runtime_id("java")
    except SandboxError as error:
        pytest.skip(str(error))
    return _judge("java")


@pytest.mark.parametrize("name", FILES["python"])
def test_verdict(python: dict[str, Judgement], name: str) -> None:
    _require(python[name], FILES["python"][name], BUGS["python"])


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("name", FILES["java"])
def test_verdict_of_java(java: dict[str, Judgement], name: str) -> None:
    _require(java[name], FILES["java"][name], BUGS["java"])


@pytest.mark.parametrize("language", FILES)
def test_there_are_thirty_hostile_ones(language: str) -> None:
    assert len([name for name in FILES[language] if not name.startswith("honest")]) >= 30
