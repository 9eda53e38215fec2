"""Model-written tests that claim bugs they have not found: each file of ``testers/`` aims at one guarantee.

The first line of a file says what it tries, and the verdict that it must get: a status, and how many planted bugs it
may have caught (``all`` for the honest ones, which show that the others are not judged too strictly).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from astraios_utils.sandbox import Outcome, Program, Sandbox
from astraios_utils.scoring.journal import program_key
from astraios_utils.tasks import Judgement, Problem, get_task, testgen

FOLDER = Path(__file__).parent / "testers"
BUGS = 5  # planted in the function; fewer than a benchmark has, to save time
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
CODE = '''def positives(numbers):
    """ Return the sum of the positive numbers.
    """
    total = 0
    for n in numbers:
        if n > 0:
            total += n
    return total
'''
HEAD = CODE[: CODE.index("    total")]
OWN = "def check(positives):\n    assert positives([1, -2, 3]) == 4\n    assert positives([]) == 0\n"
OWN += "    assert positives([-1]) == 0\n    assert positives([2]) == 2\n\ncheck(positives)"
PROBLEM = Problem(
    "Hostile/0",
    "",
    {
        "task_id": "Hostile/0",
        "prompt": HEAD,
        "canonical_solution": CODE.removeprefix(HEAD),
        "buggy_solution": CODE.removeprefix(HEAD).replace("> 0", "< 0"),
        "test": OWN,
        "entry_point": "positives",
    },
)


@pytest.fixture(scope="module")
def judged() -> dict[str, Judgement]:
    """The verdict on every file; all are judged together, round by round."""
    task = get_task("testgen-python")
    assert isinstance(task, testgen.TestGeneration)
    outcomes: dict[str, Outcome] = {}

    def known(program: Program) -> Outcome | None:
        return outcomes.get(program_key(program))

    verdicts: dict[str, Judgement] = {}
    with pytest.MonkeyPatch.context() as patch, Sandbox(workers=2) as box:
        patch.setattr(testgen, "MUTANTS", BUGS)
        while len(verdicts) < len(NAMES):
            new: dict[str, Program] = {}
            for name in [name for name in NAMES if name not in verdicts]:
                text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
                found = task.decide(PROBLEM, text, known)
                if isinstance(found, Judgement):
                    verdicts[name] = found
                else:
                    new |= {program_key(program): program for program in found}
            keys = list(new)
            outcomes |= {keys[number]: outcome for number, outcome in box.run(new.values())}
    return verdicts


@pytest.mark.parametrize("name", NAMES)
def test_verdict(judged: dict[str, Judgement], name: str) -> None:
    first = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()[0]
    status, caught = re.search(r"# verdict: ([\w|]+) (\w+)$", first).groups()  # type: ignore[union-attr]
    found = judged[name]
    hit, of = re.match(r"caught=(\d+)/(\d+) ", found.detail).groups()  # type: ignore[union-attr]
    assert int(of) == BUGS
    assert found.status in status.split("|"), found
    assert hit == (of if caught == "all" else caught), found


def test_there_are_thirty_hostile_ones() -> None:
    assert len([name for name in NAMES if not name.startswith("honest")]) >= 30
