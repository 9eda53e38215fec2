"""The Java engine: verdicts, what returned values are worth, and how it survives its own processes' deaths."""

from __future__ import annotations

import json
import lzma
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from astraios_utils.sandbox import ERROR, FAILED, PASSED, TIMEOUT, Outcome, Program, SandboxError, choose, runtime_id
from astraios_utils.sandbox.java.engine import JavaEngine, JdkUnavailable, find_jdk
from astraios_utils.sandbox.java.pool import COMPILE, SHARED

try:
    find_jdk()
except JdkUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

WHOLE = """import java.util.*;
class Solution {
    public %s f(%s) {
        %s
    }
}
"""
EQUALS = """public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (!(%s)) {
            throw new AssertionError();
        }
    }
}"""


def sample(body: str, type_: str = "int", parameters: str = "int n") -> str:
    return WHOLE % (type_, parameters, body)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("java")
    for parent in (directory, *directory.parents[:3]):
        parent.chmod(0o755)  # pytest keeps its folders to itself, but the JVMs run as another user
    return directory


@pytest.fixture(scope="module")
def engine(cache: Path) -> Iterator[JavaEngine]:
    engine = JavaEngine(choose(allow_weak=True), workers=2, cache=cache)
    yield engine
    engine.close()


def judge(engine: JavaEngine, source: str, condition: str = "s.f(1) == 2", **options: float | int) -> Outcome:
    program = Program("java", source, EQUALS % condition, **options)  # type: ignore[arg-type]
    ((index, outcome),) = engine.run([(7, program)])
    assert index == 7
    return outcome


# ---------------------------------------------------------------- verdicts


def test_right_answer_passes(engine: JavaEngine) -> None:
    outcome = judge(engine, sample("return n + 1;"))
    assert (outcome.status, outcome.detail) == (PASSED, "")
    assert outcome.seconds > 0
    assert outcome.cpu >= 0


def test_wrong_answer_fails(engine: JavaEngine) -> None:
    outcome = judge(engine, sample("return n;"))
    assert (outcome.status, outcome.detail) == (FAILED, "java.lang.AssertionError")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("return new int[0][n].length / 0;", "java.lang.ArithmeticException"),
        ('throw new IllegalStateException("at " + System.nanoTime());', "java.lang.IllegalStateException"),
        ("return f(n) + 1;", "java.lang.StackOverflowError"),
        ("return new Scanner(System.in).nextInt();", "java.util.NoSuchElementException"),  # standard input is empty
        ("System.exit(0); return 2;", "the program exited before its tests ended"),
        ("return m;", "does not compile: cannot find symbol"),
        ("return 2", "does not compile: ';' expected"),
    ],
)
def test_errors_say_what_happened(engine: JavaEngine, body: str, detail: str) -> None:
    outcome = judge(engine, sample(body))
    assert (outcome.status, outcome.detail) == (ERROR, detail)


def test_assertions_are_off_as_with_the_java_launcher(engine: JavaEngine) -> None:
    assert judge(engine, sample("assert false; return n + 1;")).status == PASSED


def test_an_endless_loop_is_a_timeout_and_others_go_on(engine: JavaEngine) -> None:
    loop = Program("java", sample("while (n == n) n++; return n;"), EQUALS % "s.f(1) == 2", timeout=2.0)
    good = Program("java", sample("return n + 1;"), EQUALS % "s.f(1) == 2")
    outcomes = list(engine.run(enumerate([loop, *[good] * 6])))
    assert [index for index, _ in outcomes][-1] == 0  # the loop comes last, the others did not wait for it
    assert dict(outcomes)[0].status == TIMEOUT
    assert all(outcome.status == PASSED for index, outcome in outcomes if index)


def test_two_runs_say_the_same(engine: JavaEngine) -> None:
    bodies = [
        "return n + 1;",
        "return n;",
        "return f(n);",
        "return x;",
        "return 1 / (n - 1);",
        "System.exit(1); return 0;",
    ]
    programs = [Program("java", sample(body), EQUALS % "s.f(1) == 2") for body in bodies]

    def verdicts() -> list[tuple[int, str, str]]:
        return sorted((index, outcome.status, outcome.detail) for index, outcome in engine.run(enumerate(programs)))

    assert verdicts() == verdicts()


def test_language_level(engine: JavaEngine) -> None:
    # List.of came with 9, var with 10, String.repeat with 11.
    sources = {
        9: sample("return List.of(n, n).size();"),
        10: sample("var two = n + 1; return two;"),
        11: sample('return "x".repeat(n + 1).length();'),
    }
    for since, source in sources.items():
        for release in (8, 9, 10, 11):
            expected = PASSED if release >= since else ERROR
            assert judge(engine, source, release=release).status == expected, (since, release)


def test_a_lone_surrogate_is_an_error_of_the_sample(engine: JavaEngine) -> None:
    outcome = judge(engine, sample("return n + 1; // \ud800"))
    assert (outcome.status, outcome.detail) == (ERROR, "the sample is not valid Unicode")


def test_other_alphabets_compile(engine: JavaEngine) -> None:
    assert judge(engine, sample('return "été 数".length() - 3;')).status == PASSED


def test_pool_keeps_no_class_of_an_earlier_program(engine: JavaEngine) -> None:
    helper = "class Helper { static int two() { return 2; } }"
    assert judge(engine, sample("return Helper.two();") + helper).status == PASSED
    assert judge(engine, sample("return Helper.two();")).detail == "does not compile: cannot find symbol"


def test_a_class_that_the_test_does_not_name_may_be_redefined(engine: JavaEngine) -> None:
    stack = "class Stack { int top() { return 2; } }"
    assert judge(engine, sample("return new Stack().top();") + stack).status == PASSED


# ---------------------------------------------------------------- returned values


@pytest.mark.parametrize(
    ("type_", "body", "condition"),
    [
        ("boolean", "return true;", "s.f(1)"),
        ("long", "return 1L << 40;", "s.f(1) == 1L << 40"),
        ("double", "return n / 2.0;", "Math.abs(s.f(1) - 0.5) < 1e-9"),
        ("char", "return 'c';", "s.f(1) == 'c'"),
        ("String", 'return n == 1 ? "one" : null;', 's.f(1).equals("one") && s.f(2) == null'),
        ("Integer", "return n;", "s.f(1) == 1"),
        ("Object", "return n;", "(int) s.f(1) == 1"),
        ("int[]", "return new int[] {n, 2};", "Arrays.equals(s.f(1), new int[] {1, 2})"),
        ("String[]", 'return new String[] {"a", null};', 'Arrays.equals(s.f(1), new String[] {"a", null})'),
        ("List<Integer>", "return Arrays.asList(n, null);", "s.f(1).equals(Arrays.asList(1, null))"),
        ("List<Integer>", "return List.of(n);", "s.f(1).equals(Arrays.asList(1))"),
        ("List<Integer>", "return new ArrayList<>() {{ add(n); }};", "s.f(1).equals(Arrays.asList(1))"),
        ("List<Integer>", "return Collections.unmodifiableList(List.of(n));", "s.f(1).equals(List.of(1))"),
        ("List<List<String>>", 'return List.of(List.of("a").subList(0, 1));', 's.f(1).get(0).get(0).equals("a")'),
        ("Set<Integer>", "return new TreeSet<>(List.of(2, n));", "s.f(1).equals(Set.of(1, 2))"),
        ("Map<String, Integer>", 'return new TreeMap<>(Map.of("a", n));', 's.f(1).equals(Map.of("a", 1))'),
        ("Optional<Object>", "return Optional.of(List.of(n));", "s.f(1).get().equals(List.of(1))"),
        ("Thread.State", "return Thread.State.NEW;", "s.f(1) == Thread.State.NEW"),
        ("java.math.BigInteger", "return java.math.BigInteger.TEN;", "s.f(1).intValue() == 10"),
    ],
)  # fmt: skip
def test_honest_values_reach_the_test_unchanged(engine: JavaEngine, type_: str, body: str, condition: str) -> None:
    outcome = judge(engine, sample(body, type_), condition)
    assert outcome.status == PASSED, outcome


def test_a_call_without_a_value_is_left_alone(engine: JavaEngine) -> None:
    source = sample("values.set(0, 2);", "void", "List<Integer> values")
    test = """public class Main {
    public static void main(String[] args) {
        List<Integer> values = new ArrayList<>(List.of(1));
        new Solution().f(values);
        if (values.get(0) != 2) throw new AssertionError();
    }
}"""
    ((_, outcome),) = engine.run([(0, Program("java", source, test))])
    assert outcome.status == PASSED, outcome


# ---------------------------------------------------------------- JVMs


def test_harmless_programs_share_a_jvm_and_others_do_not(engine: JavaEngine) -> None:
    def served() -> int:
        return sum(jvm.served for jvm in engine.pool.jvms if jvm.role == SHARED)

    before = served()
    assert judge(engine, sample("return Collections.max(List.of(n, 2));")).status == PASSED
    assert served() == before + 1
    for body in (
        "Thread.yield(); return n + 1;",
        "try { return n + 1; } catch (Throwable t) { return 0; }",
        "try { return n + 1; } finally { n = 0; }",
        'System.setProperty("a", "b"); return n + 1;',
        "return List.of(1, n).parallelStream().mapToInt(i -> i).sum();",
        "Locale.setDefault(Locale.ROOT); return n + 1;",
    ):
        assert judge(engine, sample(body)).status == PASSED, body
    assert served() == before + 1


def test_the_same_verdicts_without_sharing(cache: Path) -> None:
    engine = JavaEngine(choose(allow_weak=True), workers=1, cache=cache, share=False)
    try:
        bodies = {"return n + 1;": PASSED, "return n;": FAILED, "return 1 / 0;": ERROR}
        for body, status in bodies.items():
            assert judge(engine, sample(body)).status == status
        assert not any(jvm.role == SHARED for jvm in engine.pool.jvms)
    finally:
        engine.close()


def test_a_dead_compiler_or_runner_costs_no_verdict(engine: JavaEngine) -> None:
    assert judge(engine, sample("return n + 1;")).status == PASSED
    for jvm in engine.pool.jvms:
        os.kill(jvm.pid, signal.SIGKILL)
    assert judge(engine, sample("return n + 1;")).status == PASSED
    assert {jvm.role for jvm in engine.pool.jvms} == {COMPILE, SHARED}


def test_closing_the_iterator_early_leaves_the_engine_usable(engine: JavaEngine) -> None:
    taken = 0

    def programs() -> Iterator[tuple[int, Program]]:
        nonlocal taken
        for index in range(10_000):
            taken += 1
            yield index, Program("java", sample(f"return n + {index};"), EQUALS % "s.f(1) == 2")

    run = engine.run(programs())
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert taken < 100  # programs are pulled as they can be started
    assert judge(engine, sample("return n + 1;")).status == PASSED


def test_a_dead_launcher_is_an_error_of_the_sandbox(cache: Path) -> None:
    engine = JavaEngine(choose(allow_weak=True), workers=1, cache=cache)
    try:
        engine.pool._launcher._process.kill()
        for channel in (engine.pool._launcher._socket, *(jvm.channel for jvm in engine.pool.jvms)):
            assert channel.recv(1) == b""  # its other end is gone: all of them die with the launcher, in their own time
        with pytest.raises(SandboxError, match="launcher process died"):
            judge(engine, sample("return n + 1;"))
    finally:
        engine.close()


# ---------------------------------------------------------------- finding a JDK


def fake(directory: Path, name: str, script: str) -> None:
    tool = directory / "bin" / name
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


@pytest.mark.parametrize("by_home", [True, False], ids=["JAVA_HOME", "PATH"])
def test_a_missing_or_wrong_jdk_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_home: bool
) -> None:
    def error() -> str:
        monkeypatch.setenv("PATH", "" if by_home else str(tmp_path / "bin"))
        monkeypatch.setenv("JAVA_HOME", str(tmp_path)) if by_home else monkeypatch.delenv("JAVA_HOME", raising=False)
        with pytest.raises(JdkUnavailable) as caught:
            find_jdk()
        find_jdk.__globals__["_inspect"].cache_clear()
        assert "\n" not in str(caught.value)
        assert "openjdk-17-jdk-headless" in str(caught.value)
        return str(caught.value)

    assert ("holds no bin/java" if by_home else "no java and no javac") in error()
    fake(tmp_path, "java", "exit 0")
    assert "runtime without the compiler" in error()
    fake(tmp_path, "javac", "echo javac 1.8.0_392 >&2")
    assert "older than 11" in error()
    fake(tmp_path, "javac", "exit 1")
    assert "does not tell its version (exit status 1)" in error()


def test_runtime_id_names_the_jdk() -> None:
    assert runtime_id("java") == f"openjdk-{find_jdk().version}"


# ---------------------------------------------------------------- real problems


def _problems(mirror: Path) -> list[dict[str, str]]:
    with lzma.open(mirror / "humanevalpack" / "java.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.smoke
def test_canonical_solutions_pass_and_buggy_ones_do_not(engine: JavaEngine, mirror: Path) -> None:
    rows = _problems(mirror)
    right = [Program("java", row["prompt"] + row["canonical_solution"], row["test"]) for row in rows]
    wrong = [Program("java", row["declaration"] + row["buggy_solution"], row["test"]) for row in rows]
    outcomes = dict(engine.run(enumerate(right + wrong)))
    assert [outcomes[index].status for index in range(164)] == [PASSED] * 164
    assert PASSED not in {outcomes[index].status for index in range(164, 328)}
