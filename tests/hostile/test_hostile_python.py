"""Programs that try to break out: each file of ``python/`` aims at one guarantee and names it in its first line.

A program returns the right answer only if its attack has worked, so a verdict of ``passed`` is a breach.  After each of
them the verdict must be the expected one, no process and no file may be left, and an honest program must still pass.
What a level does not guarantee is in the table `NOT_GUARANTEED`, with the reason; those cases are skipped by name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from astraios_utils.sandbox import FULL, PASSED, REDUCED, WEAK, Outcome, Program, Sandbox
from astraios_utils.sandbox.kernel import levels, linux

FOLDER = Path(__file__).parent / "python"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
MARKER = "astraios-hostile-trace"
SECRET = "astraios-hostile-secret"
ORDINARY = 54321  # a uid that owns nothing

TEST = """
def check(add):
    try:
        answer = add(1, 2)
    except (KeyboardInterrupt, GeneratorExit):
        pass
    assert answer == 3 or answer == "expected-answer-42"

check(add)
"""
HONEST = Program("python", "def add(a, b):\n    return a + b", TEST, "import math", timeout=10.0)

_NO_BOUNDARY = "this level is no boundary: the attack would work, and might harm the machine"
# The weak level promises one thing, that the test runs apart from the sample: these programs aim at that alone.
_WEAK_HOLDS = {
    *("exit_on_load", "exit_in_call", "system_exit", "exit_past_catchers", "equal_to_everything", "number_that_agrees"),
    *("container_that_agrees", "patch_builtins", "shadow_assertion_error", "redefine_check", "patch_tester"),
    *("forge_verdict", "forge_reply", "reply_without_end", "reply_with_wild_reference", "reply_names_a_type"),
    *("deep_answer", "huge_answer", "search_memory", "ignore_signals", "native_loop", "loop_on_load", "sleep"),
    *("endless_message", "endless_answer", "wait_for_input", "memory", "descriptors", "output_flood", "environment"),
    *("state_kept", "thread_left_running"),
}
NOT_GUARANTEED: dict[tuple[str, str], str] = {(WEAK, name): _NO_BOUNDARY for name in NAMES if name not in _WEAK_HOLDS}
if not sys.platform.startswith("linux"):
    NOT_GUARANTEED |= {(WEAK, "memory"): "RLIMIT_AS has no effect on this system"}


@pytest.fixture(scope="module", params=(FULL, REDUCED, WEAK))
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    missing = levels.missing_for(request.param)
    if missing:
        pytest.skip(f"{request.param} isolation is not possible here: {'; '.join(missing)}")
    os.environ[SECRET] = SECRET
    try:
        with Sandbox(workers=2, isolation=request.param, allow_weak=True, patience=0.3) as sandbox:
            assert judge(sandbox, HONEST).status == PASSED
            yield sandbox
    finally:
        del os.environ[SECRET]


def judge(sandbox: Sandbox, program: Program) -> Outcome:
    ((index, outcome),) = sandbox.run([program])
    assert index == 0
    return outcome


def session_processes() -> set[int]:
    """Processes of sessions that descend from this process: the sandbox's own, and whatever a sample left."""
    found: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(path.parent.name)] = int(fields[1])
    kin = {os.getpid()}
    while len(grown := kin | {pid for pid, parent in found.items() if parent in kin}) > len(kin):
        kin = grown
    return kin


def traces(folder: Path) -> set[str]:
    """Files with the marker in the places where anybody may write."""
    places = (folder, Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path.cwd(), Path("/"))
    return {str(path) for place in places if place.is_dir() for path in place.glob(f"{MARKER}*")}


@pytest.mark.parametrize("name", NAMES)
def test_hostile_program(box: Sandbox, name: str, tmp_path: Path) -> None:
    level = box.level.name
    if (level, name) in NOT_GUARANTEED:
        pytest.skip(f"{level}: not guaranteed: {NOT_GUARANTEED[level, name]}")
    text = (FOLDER / f"{name}.py").read_text()
    expected = text.splitlines()[1].removeprefix("# expect:").split()
    canary = tmp_path / "canary"
    canary.write_text("canary")
    sample = text.replace("@CANARY@", str(canary)).replace("@MARKER@", MARKER).replace("@SECRET@", SECRET)
    before = session_processes()

    for _ in range(2 if "twice" in expected else 1):
        outcome = judge(box, Program("python", sample, TEST, "import math", timeout=1.0))
        assert outcome.status in expected, outcome

    assert judge(box, HONEST).status == PASSED
    assert settled(before), f"left behind: {session_processes() - before}"
    assert not traces(tmp_path), "a file was left behind"
    assert canary.read_text() == "canary"


def settled(before: set[int]) -> bool:
    """Whether what runs now ran before, allowing the last tester a moment to be reaped."""
    deadline = time.monotonic() + 120  # on a busy machine even dying takes its time
    while time.monotonic() < deadline:
        if session_processes() <= before:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(os.getuid() != 0, reason="not root: the tests above have run as an ordinary user")
@pytest.mark.skipif(not linux.supported, reason="needs mount namespaces to show the interpreter to another user")
@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param("full and (become_root or kill_others or read_home or write_outside)", marks=pytest.mark.smoke),
        *("full", "reduced", "weak"),
    ],
)
def test_the_same_as_an_ordinary_user(chosen: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, ORDINARY, ORDINARY)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/base"]
        result = subprocess.run(
            [*command, "-k", f"test_hostile_program and {chosen}", __file__],
            env={**os.environ, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            preexec_fn=become_ordinary,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
    assert " passed" in result.stdout


def become_ordinary() -> None:
    """Give up root, in a mount namespace where the way to the interpreter is open and /tmp is private."""
    linux.unshare(linux.NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    needed = [sys.base_prefix, sys.prefix, str(Path(__file__).resolve().parents[2])]
    closed = {str(parent) for path in needed for parent in Path(path).parents if not parent.stat().st_mode & 0o001}
    kept = {path: os.open(path, os.O_PATH) for path in needed}
    for folder in sorted(closed)[:1]:
        linux.mount("tmpfs", folder, "tmpfs", 0, "mode=755")
        for path, descriptor in kept.items():
            if path.startswith(f"{folder}/"):
                os.makedirs(path)
                linux.mount(f"/proc/self/fd/{descriptor}", path, None, linux.MS_BIND | linux.MS_REC)
    linux.become(ORDINARY, ORDINARY)
