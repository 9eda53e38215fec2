"""Java programs that try to break out or to forge a pass; each file in java/ names the guarantee that it attacks.

A sample whose harm would otherwise not show answers rightly if and only if its attack has worked, so ``passed`` always
means a breach.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_hostile_python import ORDINARY, become_ordinary

from astraios_utils.sandbox import ERROR, FAILED, FULL, PASSED, REDUCED, TIMEOUT, Outcome, Program
from astraios_utils.sandbox.java.engine import JavaEngine, JdkUnavailable, find_jdk
from astraios_utils.sandbox.kernel import levels, linux

HOSTILE = sorted((Path(__file__).parent / "java").glob("*.java"))
# They wait for their limit, some twice (beside others, then alone), or fill a limit slowly.
SLOW = {"sleep", "surviving_thread", "thread_bomb", "endless_native", "swallow_everything", "output_flood"}
SLOW |= {"thread_outside_group", "read_requests"}
MARKS = {name: [pytest.mark.slow] for name in SLOW} | {"endless_native": [pytest.mark.slow, pytest.mark.smoke]}
TEST = """public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        List<Boolean> correct = Arrays.asList(
                s.next(41) == 42,
                s.list(3).equals(Arrays.asList(1, 2, 3))
        );
        if (correct.contains(false)) {
            throw new AssertionError();
        }
    }
}"""
HONEST = """import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        List<Integer> result = new ArrayList<>();
        for (int i = 1; i <= n; i++) {
            result.add(i);
        }
        return result;
    }
}
"""
REMEMBER = """import java.util.*;

class Solution {
    static int calls = Integer.getInteger("calls", 0);

    public int next(int n) {
        return %s;
    }

    public List<Integer> list(int n) {
        return Arrays.asList(1, 2, 3);
    }
}
"""

try:
    find_jdk()
except JdkUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)


def _engine(isolation: str) -> JavaEngine:
    missing = levels.missing_for(isolation)
    if missing:
        pytest.skip(f"{isolation} isolation is not possible here: {'; '.join(missing)}")
    return JavaEngine(levels.choose(isolation), workers=2)


@pytest.fixture(scope="module")
def full() -> Iterator[JavaEngine]:
    engine = _engine(FULL)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reduced() -> Iterator[JavaEngine]:
    engine = _engine(REDUCED)
    yield engine
    engine.close()


def judge(engine: JavaEngine, *samples: str, timeout: float = 3.0) -> list[Outcome]:
    """The outcomes of samples against the one test, in order."""
    programs = [Program("java", sample, TEST, timeout=timeout) for sample in samples]
    outcomes = dict(engine.run(enumerate(programs)))
    return [outcomes[index] for index in range(len(samples))]


def traces() -> set[str]:
    """What a program could leave behind where everyone may write, by name."""
    places = [tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/"]
    names = {f"{place}/{name}" for place in places if os.path.isdir(place) for name in os.listdir(place)}
    return {name for name in names if "hostile" in name or "evil" in name or "hs_err" in name or "core" in name}


def expected(text: str) -> list[str]:
    """The statuses that the file's second line allows."""
    return text.splitlines()[1].removeprefix("// expect: ").split(" or ")


def cases() -> list[object]:
    return [pytest.param(path, id=path.stem, marks=MARKS.get(path.stem, ())) for path in HOSTILE]


def check(engine: JavaEngine, path: Path) -> None:
    before = traces()
    text = path.read_text(encoding="utf-8")
    outcome, honest = judge(engine, text, HONEST)
    assert outcome.status in expected(text), outcome
    assert outcome.status in (FAILED, ERROR, TIMEOUT)
    assert honest.status == PASSED, honest
    assert judge(engine, HONEST)[0].status == PASSED  # and the JVMs still serve
    assert traces() == before
    assert len(engine.pool.jvms) <= 4 * engine.workers  # idle ones of four roles; every other one has ended


@pytest.mark.parametrize("path", cases())
def test_full_isolation(full: JavaEngine, path: Path) -> None:
    check(full, path)


@pytest.mark.slow
@pytest.mark.parametrize("path", cases())
def test_reduced_isolation(reduced: JavaEngine, path: Path) -> None:
    """Without namespaces the same verdicts come from Landlock, the system call filter and rlimits alone."""
    check(reduced, path)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="not root: the tests above have run as an ordinary user")
@pytest.mark.skipif(not linux.supported, reason="needs mount namespaces to show the interpreter to another user")
def test_the_same_as_an_ordinary_user() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, ORDINARY, ORDINARY)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/base"]
        result = subprocess.run(
            [*command, "-m", "not slow", __file__],
            env={**os.environ, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": folder},
            cwd="/",
            preexec_fn=become_ordinary,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
    assert " passed" in result.stdout


def test_honest_program_passes(full: JavaEngine) -> None:
    assert judge(full, HONEST)[0].status == PASSED


def test_static_state_does_not_reach_the_next_program(full: JavaEngine) -> None:
    # The first leaves its mark in its own static field; the second would pass if it saw one. Both share a JVM.
    outcomes = judge(full, *[REMEMBER % "++calls > 2 ? 42 : 0"] * 12)
    assert {outcome.status for outcome in outcomes} == {FAILED}


def test_system_properties_do_not_reach_the_next_program(full: JavaEngine) -> None:
    leave = REMEMBER % 'System.setProperty("calls", "42") == null ? 0 : 42'
    find = REMEMBER % "calls"
    outcomes = judge(full, *[leave, find] * 4)
    assert {outcome.status for outcome in outcomes} == {FAILED}


def test_a_planted_secret_cannot_be_read(full: JavaEngine, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    secret.chmod(0o644)
    sample = REMEMBER % f'java.nio.file.Files.exists(java.nio.file.Path.of("{secret}")) ? 42 : 0'
    assert judge(full, sample)[0].status == FAILED
    assert secret.read_text() == "42"


def nested(opening: str, closing: str, depth: int) -> str:
    return REMEMBER % (opening * depth + "n + 1" + closing * depth)


@pytest.mark.parametrize(
    "expression",
    [
        nested("(", ")", 20_000),  # overflows the compiler's stack
        REMEMBER % "+".join(["n"] * 60_000),
        REMEMBER % ('"' + "x" * 70_000 + '".length()'),  # longer than a class file's constant may be
    ],
    ids=["nesting", "long sum", "long constant"],
)
def test_the_compiler_survives_pathological_sources(full: JavaEngine, expression: str) -> None:
    outcome, honest = judge(full, expression, HONEST)
    assert outcome.status == ERROR
    assert honest.status == PASSED


@pytest.mark.skipif(sys.platform != "linux", reason="process lists are read from /proc")
def test_closing_leaves_no_process() -> None:
    engine = _engine(FULL)
    assert judge(engine, HONEST)[0].status == PASSED
    pids = [jvm.pid for jvm in engine.pool.jvms]
    engine.close()
    engine.close()
    assert pids
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
