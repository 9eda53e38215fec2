"""Tests of other benchmarks do more than compare plain data: what passes in plain execution passes in the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from idioms import PREAMBLE, Idiom, idioms

from astraios_utils.sandbox import FULL, PASSED, Outcome, Program, Sandbox
from astraios_utils.sandbox.kernel import levels

IDIOMS = idioms()
PLAIN = """
import json, os, sys
preamble, pairs = json.load(sys.stdin)
loaded, failed = {}, []
exec(preamble, loaded)
for name, sample, test in pairs:
    child = os.fork()
    if child == 0:
        os.chdir(sys.argv[1])
        sys.stdout = sys.stderr = open(os.devnull, "w")
        try:
            exec(sample + "\\n" + test, dict(loaded))
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
print(json.dumps(failed))
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """The verdict of each idiom, from one sandbox."""
    if levels.missing_for(FULL):
        pytest.skip("no private files and namespaces on this machine: " + "; ".join(levels.missing_for(FULL)))
    programs = [Program("python", idiom.sample, idiom.test, PREAMBLE) for idiom in IDIOMS]
    with Sandbox() as box:
        return {IDIOMS[index].name: outcome for index, outcome in box.run(programs)}


def test_there_are_enough_of_them_with_a_name_each() -> None:
    assert len({idiom.name for idiom in IDIOMS}) == len(IDIOMS) >= 315


def test_they_pass_in_plain_execution(tmp_path: Path) -> None:
    pairs = [(idiom.name, idiom.sample, idiom.test) for idiom in IDIOMS]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path)],
        input=json.dumps([PREAMBLE, pairs]),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.name)
def test_an_idiom_passes(outcomes: dict[str, Outcome], idiom: Idiom) -> None:
    outcome = outcomes[idiom.name]
    assert outcome.status == PASSED, outcome
    assert not (idiom.apart and outcome.in_one_process), "it can be judged where nobody can forge the verdict"


# Tests that fail in plain execution, though nothing of their text fails in two processes.
FALSE = {
    "objects that are equal": (
        "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\ndef f(x):\n    return P(x)",
        "assert f(1) != f(1)",
    ),
    "an object that is equal to a number": (
        "class P:\n    def __eq__(self, other):\n        return True\ndef f():\n    return P()",
        "assert f() != 3",
    ),
    "a text with its own equality": (
        "class S(str):\n    def __eq__(self, other):\n        return True\ndef f():\n    return S('a')",
        "assert not f() == 'b'",
    ),
    "an object that cannot be called": ("class P:\n    pass\ndef f():\n    return P()", "assert callable(f())"),
    "an object that is no iterator": (
        "class P:\n    def __iter__(self):\n        return iter([1])\ndef f():\n    return P()",
        "from collections.abc import Iterator\nassert isinstance(f(), Iterator)",
    ),
    "an identity": ("def f(x):\n    return x", "x = []\nassert f(x) is not x"),
    "what is printed": (
        "def f():\n    print('a')",
        "import io, sys\nsys.stdout = out = io.StringIO()\nf()\nassert not out.getvalue()",
    ),
    "a builtin that the sample replaces": (
        "def sum(xs):\n    return 0\ndef f():\n    return 1",
        "assert sum([f()]) == 1",
    ),
    "a variable that the test sets": ("n = 1\ndef f():\n    return n", "n = 2\nassert f() == 1"),
    "a result that a later call changes": (
        "kept = []\ndef f(x):\n    kept.append(x)\n    return kept",
        "a = f(1)\nf(2)\nassert a == [1]",
    ),
}


def test_what_fails_in_plain_execution_does_not_pass() -> None:
    if levels.missing_for(FULL):
        pytest.skip("; ".join(levels.missing_for(FULL)))
    for sample, test in FALSE.values():
        with pytest.raises(AssertionError):
            exec(f"{sample}\n{test}", {})
    with Sandbox() as box:
        outcomes = dict(box.run(Program("python", sample, test) for sample, test in FALSE.values()))
    names = list(FALSE)
    assert {names[index] for index, outcome in outcomes.items() if outcome.status == PASSED} == set()


def test_a_pass_with_objects_is_confirmed_and_cannot_be_forged() -> None:
    """It passes in two processes, so that its detail does not say ``in one process``."""
    sample = "class P:\n    x = 3\n    def get(self):\n        return self.x\ndef f():\n    return P()"
    with Sandbox() as box:
        ((_, outcome),) = box.run([Program("python", sample, "assert f().get() == 3")])
    assert outcome.status == PASSED
    assert not outcome.in_one_process
