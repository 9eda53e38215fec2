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
- **Nothing tells a mutant's run but its replies.**  In the reference's own runs a second copy of it is the one that the
  tests meet, so that every call costs the same steps in both kinds of run.  Names, messages and hash codes that cross
  are the same.
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

Java, with two JVMs (`sandbox.java`): the same rules, and these differences.

- Tests are what ``Main.main`` runs, as in the benchmark.  An ``AssertionError`` that leaves it is a failure; ``assert``
  is switched on.  Every run has a JVM of its own.  The trusted side is compiled without the tests' imports.
- Every method of the class counts as the function under test, and all objects that the tests make of the class are one
  object on the trusted side.
- Chance cannot be fixed: tests that draw arguments without a seed are flaky.
- Steps are those of statements and conditions.  A mutant that never ends in a stream or in the JDK uses up the time
  limit, and one that runs out of memory or stack ends the run; neither is caught.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .types import ERROR, TIMEOUT, Outcome, Program

TIMEOUT_SECONDS = 5.0  # of one run of the tests
JAVA_TIMEOUT_SECONDS = 10.0
_PREFIX = "Report: "
INVALID = "invalid"
NOT_COMPILED = "does not compile"  # how the detail of such a Java program begins
_SAMPLE = """
from astraios_utils.sandbox.python import hosted as _hosted
_begin, _resume = _hosted.host({tests!r}, {names!r}, {entry!r})
"""
_DRIVER = """
from astraios_utils.sandbox.python import hosting as _hosting
_given = {{name: value for name, value in globals().items() if not name.startswith("_")}}
_reference = _hosting.implementation({reference!r}, {names!r}, _given)
_met = _hosting.implementation({met!r}, {names!r}, _given)
_hosting.drive(_begin, _resume, _reference, _met, {entry!r})  # run {run}
"""
JAVA_TESTS, _HOSTED = "AstraiosTests", "AstraiosHosted"  # classes on the tests' side
JAVA_CALL = f"{_HOSTED}.call"
_JAVA_SAMPLE = """{imports}
{tests}
{client}
class AstraiosHosted {{
    private static java.util.function.Function<Object, Object> calls;
    public static void begin(java.util.function.Function<Object, Object> given) throws Throwable {{
        calls = given;
        AstraiosHosted.class.getClassLoader().setDefaultAssertionStatus(true);
        AstraiosTests.main(new String[0]);
    }}
    static Object call(String method, Object[] arguments) {{
        try {{
            return calls.apply(new Object[] {{method, arguments}});
        }} catch (java.lang.reflect.UndeclaredThrowableException checked) {{
            throw AstraiosHosted.<RuntimeException>same(checked.getCause());
        }}
    }}
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> RuntimeException same(Throwable failure) throws T {{
        throw (T) failure;
    }}
}}
"""
_JAVA_DRIVER = """
class Main {{
    interface Reference {{
        astraios$sandbox.Reversed.Meter {meter} = new astraios$sandbox.Reversed.Meter();
{reference}
    }}
    interface Met {{
        astraios$sandbox.Reversed.Meter {meter} = new astraios$sandbox.Reversed.Meter();
{met}
    }}
    public static void main(String[] arguments) {{
        astraios$sandbox.Reversed.drive(AstraiosHosted::begin,
            new astraios$sandbox.Reversed.Implementation(Reference.{name}.class, Reference.{meter}),
            new astraios$sandbox.Reversed.Implementation(Met.{name}.class, Met.{meter})); // run {run}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What the trusted side says of one run of the tests.

    Attributes:
        ended: ``passed``, ``failed`` (an assertion of the tests), ``error``, ``timeout``, ``endless`` (the
            implementation did not end) or ``invalid`` (Java: they do not compile).
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
    *,
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
    met = mutant or reference
    test = _DRIVER.format(reference=reference, met=met, names=tuple(names), entry=entry, run=run)
    return Program("python", sample, test, preamble, timeout, apart=True)


def java_program(
    tests: str,
    client: str,
    reference: str,
    mutant: str,
    name: str,
    *,
    imports: str,
    meter: str,
    run: int = 0,
    timeout: float = JAVA_TIMEOUT_SECONDS,
) -> Program:
    """One run of model-written Java tests.

    Args:
        tests: the untrusted source; its class is called ``JAVA_TESTS``.
        client: the class that they call, whose methods use ``JAVA_CALL`` (`programs.java.roles`).
        reference, mutant: instrumented implementations without imports (`programs.java.coverage`); an empty mutant: the
            tests meet the reference.
        name: the class under test.
        imports: of the implementations, for both sides.
        meter: what the hooks are called on.
        run: tells repetitions apart.
    """
    sample = _JAVA_SAMPLE.format(imports=imports, tests=tests, client=client)
    test = _JAVA_DRIVER.format(reference=reference, met=mutant or reference, name=name, meter=meter, run=run)
    return Program("java", sample, test, imports, timeout, apart=True)


def report(outcome: Outcome) -> Report:
    """The report of one run.  A run without one (its processes ended, or its time) is an error or a timeout."""
    if outcome.status == TIMEOUT:
        return Report(TIMEOUT, outcome.detail)
    if outcome.status == ERROR and outcome.detail.startswith(NOT_COMPILED):
        return Report(INVALID, outcome.detail)
    if outcome.status != ERROR or not outcome.detail.startswith(_PREFIX):
        return Report(ERROR, outcome.detail)
    found = json.loads(outcome.detail.removeprefix(_PREFIX))
    return Report(found["e"], found["w"], found["c"], bool(found["d"]), found["h"], found["l"], found["b"])
