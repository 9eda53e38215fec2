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
