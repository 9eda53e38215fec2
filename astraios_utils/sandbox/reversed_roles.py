"""Model-written tests against trusted implementations: the sandbox with reversed roles.

The tests are the untrusted sample, the implementation is trusted.  Each run of the tests meets one implementation, the
reference or a mutant, in processes of its own.  What is guaranteed, besides all that the sandbox guarantees anyway:

- **Tests see replies alone.**  They run in the sample's process; the implementation runs in the trusted one and its
  source, its name in the benchmark, the number of the mutant and the other implementations never leave it.  Arguments
  and replies cross as plain data.  An argument of a class of the tests' own ends the run.
- **Tests cannot claim that they caught a mutant.**  The trusted side lets the reference answer every call of a mutant's
  run as well, on copies of the arguments.  A failing run counts only if a reply differed from the reference's before.
  So a test that raises for everything, that counts its runs, reads a clock or guesses which mutant it was given
  catches nothing where it has not been shown a difference.
- **Tests that fail the reference count for nothing**, whatever they catch; nor do tests that never call the function.
- **Nothing is carried over** from the reference's run to a mutant's: each run has new processes and an empty scratch
  space, so that tests cannot record replies and compare them later.
- **Only an exception is a failure.**  Ending the process, breaking the channel or using up a time limit catches nothing
  and passes nothing.  A mutant that does not end is caught by the trusted side: it has used up a number of steps.
- **Chance does not pay.**  Hash seed and random state are fixed.  The reference meets the tests again next to the
  mutants, and each catch is repeated.  Tests whose runs disagree, or whose calls to the reference differ, are flaky and
  count for nothing.  Failing at random (from a clock, from ``os.urandom``) is expected to earn less than 2 of 100.

What is **not** guaranteed:

- That a test knows why a reply is wrong.  It may hold the right replies, compute them, or contain a copy of the
  function: whatever it fails for is its own judgement on replies that it has seen to differ.
- Tests that pass functions, iterators or objects of their own as arguments, or that need the identity of a result,
  are errors here.
- Whether a test calls the function in its domain: a difference for arguments that nobody would pass counts.

Java: see `sandbox.java`; the same rules, with two JVMs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .types import ERROR, TIMEOUT, Outcome, Program

TIMEOUT_SECONDS = 5.0  # of one run of the tests
_PREFIX = "Report: "
_SAMPLE = """
from astraios_utils.sandbox.python import hosted as _hosted
_begin, _resume = _hosted.host({tests!r}, {names!r}, {entry!r})
"""
_DRIVER = """
from astraios_utils.sandbox.python import hosting as _hosting
_given = {{name: value for name, value in globals().items() if not name.startswith("_")}}
_reference = _hosting.implementation({reference!r}, {names!r}, _given)
_mutant = {mutant!r} and _hosting.implementation({mutant!r}, {names!r}, _given) or None
_hosting.drive(_begin, _resume, _reference, _mutant, {entry!r})  # run {run}
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What the trusted side says of one run of the tests.

    Attributes:
        ended: ``passed``, ``failed`` (an assertion of the tests), ``error``, ``timeout`` or ``endless`` (the
            implementation did not end).
        why: one line, in the tests' words.
        calls: of the function under test.
        differs: whether a reply differed from the reference's.
        trace: a hash of all calls and replies.
        lines, branches: of the reference, executed.
    """

    ended: str
    why: str = ""
    calls: int = 0
    differs: bool = False
    trace: str = ""
    lines: int = 0
    branches: int = 0

    @property
    def caught(self) -> bool:
        """Whether a mutant's run ended in a failure that the trusted side accounts for."""
        return self.differs and self.ended in ("failed", "error", "endless") and bool(self.trace)


def python_program(
    tests: str,
    reference: str,
    mutant: str,
    names: Sequence[str],
    entry: str,
    preamble: str = "",
    run: int = 0,
    timeout: float = TIMEOUT_SECONDS,
) -> Program:
    """One run of model-written Python tests.

    Args:
        tests: the untrusted source.
        reference, mutant: instrumented implementations (`programs.coverage`); an empty mutant: the tests meet the
            reference.
        names: the functions that the tests may call.
        entry: the function under test.
        preamble: the import block, for both sides.
        run: tells repetitions apart.
    """
    sample = _SAMPLE.format(tests=tests, names=tuple(names), entry=entry)
    test = _DRIVER.format(reference=reference, mutant=mutant, names=tuple(names), entry=entry, run=run)
    return Program("python", sample, test, preamble, timeout, apart=True)


def report(outcome: Outcome) -> Report:
    """The report of one run.  A run without one (its processes ended, or its time) is an error or a timeout."""
    if outcome.status == TIMEOUT:
        return Report(TIMEOUT, outcome.detail)
    if outcome.status != ERROR or not outcome.detail.startswith(_PREFIX):
        return Report(ERROR, outcome.detail)
    found = json.loads(outcome.detail.removeprefix(_PREFIX))
    return Report(found["e"], found["w"], found["c"], bool(found["d"]), found["h"], found["l"], found["b"])
