"""What a Python sample cannot use up: the machine's processes, memory and cores, and other programs' time."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from astraios_utils.sandbox import ERROR, FAILED, FULL, PASSED, REDUCED, TIMEOUT, Outcome, Program, Sandbox, conditions
from astraios_utils.sandbox.kernel import levels, linux
from astraios_utils.sandbox.python import engine, limits, needs

ADD = "def add(a, b):\n    return a + b"
TEST = "\ndef check(add):\n    assert add(1, 2) == 3\n\ncheck(add)"
THREADS = (
    "import hashlib, threading\n"
    "def work():\n"
    "    while True:\n"
    "        hashlib.sha256(b'x' * (1 << 20))\n"
    "def add(a, b):\n"
    "    for _ in range(40):\n"
    "        threading.Thread(target=work, daemon=True).start()\n"
    "    work()"
)
SLOW = "import time\ndef add(a, b):\n    while time.process_time() < {0}:\n        pass\n    return a + b"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if levels.missing_for(FULL):
        pytest.skip("no namespaces on this machine: " + "; ".join(levels.missing_for(FULL)))
    with Sandbox(workers=2, patience=0.3) as sandbox:
        yield sandbox


def judge(box: Sandbox, sample: str, test: str = TEST, timeout: float = 10.0) -> Outcome:
    ((_, outcome),) = box.run([Program("python", sample, test, "import math", timeout)])
    return outcome


def test_a_sample_that_is_too_large_is_an_error_and_the_run_goes_on(box: Sandbox) -> None:
    large = f"TEXT = '{'x' * limits.MAX_SOURCE}'\n{ADD}"
    outcomes = dict(box.run(Program("python", sample, TEST) for sample in (large, ADD, "é" * (limits.MAX_SOURCE // 2))))
    assert [outcomes[index].status for index in range(3)] == [ERROR, PASSED, ERROR]
    assert outcomes[0].detail == "the sample is larger than 8388608 bytes"


def test_the_largest_sample_passes(box: Sandbox) -> None:
    head = f"{ADD}\nTEXT = '"
    assert judge(box, head + "x" * (limits.MAX_SOURCE - len(head) - 1) + "'", timeout=100.0).status == PASSED


UNFOLDS = {
    "a range that the test unfolds": ("def f():\n    return range(10**9)", "assert tuple(f()) == ()"),
    "an iterator that the test unfolds": (
        "def f():\n    while True:\n        yield 'x' * 10_000_000",
        "assert list(f()) == []",
    ),
    "a forged reply": (
        "import os\ndef f():\n    body = b'{\"v\":[' + b'[],' * 18_000_000 + b'0]}'\n"
        "    data = memoryview(len(body).to_bytes(4, 'big') + body)\n"
        "    while data:\n        data = data[os.write(3, data):]",
        "assert f() == []",
    ),
    "a test of its own doing": ("def f():\n    return 1", "x = [f()] * 10**9"),
}


LONG = "an iterator that the test unfolds"  # fills the process with replies of 10 MB each


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow, pytest.mark.ci] if n == LONG else []) for n in UNFOLDS]
)
def test_the_process_of_the_test_is_limited(box: Sandbox, name: str) -> None:
    # The kernel refuses more address space than the limit: the verdict is an error, never a dead judge.
    outcome = judge(box, *UNFOLDS[name], timeout=100.0)
    assert outcome.status in (ERROR, FAILED), outcome
    assert "the judging process died" not in outcome.detail
    assert judge(box, ADD).status == PASSED


def test_the_limits_of_the_process_of_the_test_are_the_stated_ones(box: Sandbox) -> None:
    # A test is trusted, so that it can tell its own limits.
    memory = (limits.TESTER_MEMORY - limits.SPARE_MEMORY, limits.TESTER_MEMORY)
    test = (
        "import resource\n"
        f"assert resource.getrlimit(resource.RLIMIT_AS) == {memory}\n"
        f"assert resource.getrlimit(resource.RLIMIT_CPU)[0] == {limits.CPU_FACTOR * 3 + limits.CPU_SPARE}\n"
    )
    assert judge(box, ADD, test, timeout=3.0).status == PASSED


def test_threads_of_one_program_cost_another_one_nothing(box: Sandbox) -> None:
    programs = [Program("python", THREADS, TEST, timeout=1.0)] * 4
    programs.append(Program("python", SLOW.format(0.8), TEST, timeout=30.0))
    outcomes = dict(box.run(programs))
    assert outcomes.pop(4).status == PASSED
    assert {outcome.status for outcome in outcomes.values()} <= {TIMEOUT, ERROR}


def test_many_threads_that_end_are_no_fault(box: Sandbox) -> None:
    sample = (
        "import threading, time\ndef add(a, b):\n    seen = []\n"
        "    threads = [threading.Thread(target=lambda: (time.sleep(0.5), seen.append(1))) for _ in range(20)]\n"
        "    [t.start() for t in threads]\n    [t.join() for t in threads]\n    return len(seen) - 17"
    )
    assert judge(box, sample, timeout=30.0).status == PASSED


STARVED = {
    "a loop": (
        "import time\ndef add(a, b):\n    for _ in range(10**9):\n"
        "        if time.process_time() > 0.12:\n            break\n    return a + b"
    ),
    "threads that are waited for": (
        "import threading, time\ndef work(out):\n    for _ in range(10**9):\n"
        "        if time.thread_time() > 0.03:\n            break\n    out.append(1)\n"
        "def add(a, b):\n    out = []\n    for _ in range(3):\n"
        "        thread = threading.Thread(target=work, args=(out,))\n        thread.start()\n        thread.join()\n"
        "    return len(out)"
    ),
}
STARVE = """
import os, subprocess, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from astraios_utils.sandbox import Program, Sandbox
test, samples = sys.argv[1], sys.argv[2:]
with Sandbox(workers=2, patience=float("inf")) as box:
    list(box.run([Program("python", "x = 1", "")]))
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        outcomes = dict(box.run(Program("python", sample, test, timeout=1.0) for sample in samples))
    finally:
        for other in others:
            other.kill()
            other.wait()
print(*(outcomes[index].status for index in range(len(samples))))
"""


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.alone
@pytest.mark.skipif(not linux.supported, reason="needs Linux")
def test_a_program_that_the_machine_keeps_from_running_is_not_late() -> None:
    # Each needs an eighth of its limit in CPU time, and gets so small a share of a core that it takes far longer.
    if levels.missing_for(REDUCED):
        pytest.skip("no kernel isolation on this machine")
    command = [sys.executable, "-c", STARVE, TEST, *STARVED.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert done.stdout.split() == [PASSED] * 2


def limited(script: str, processes: int) -> str:
    """Run a script as an ordinary user with a limit of processes: its output."""

    def prepare() -> None:
        from test_hostile_python import become_ordinary

        become_ordinary()
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))

    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    sys.path.insert(0, str(root / "tests" / "hostile"))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd="/",
        preexec_fn=prepare,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not linux.supported, reason="needs Linux")
def test_a_full_machine_makes_programs_wait_and_ends_no_run() -> None:
    bomb = (
        "import threading, time\n"
        "def add(a, b):\n"
        "    for _ in range(60):\n"
        "        try:\n            threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
        "        except RuntimeError:\n            pass\n"
        "    time.sleep(0.15)\n    return a + b"
    )
    script = (
        "from astraios_utils.sandbox import Program, Sandbox\n"
        f"bomb, add, test = {bomb!r}, {ADD!r}, {TEST!r}\n"
        "with Sandbox(workers=6) as box:\n"
        "    programs = [Program('python', bomb if n % 2 else add, test) for n in range(24)]\n"
        "    outcomes = dict(box.run(programs))\n"
        "print(sorted({outcomes[n].status for n in range(0, 24, 2)}), len(outcomes))\n"
    )
    assert limited(script, 100).splitlines()[-1] == "['passed'] 24"


def test_a_machine_without_room_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    if levels.missing_for(FULL):
        pytest.skip("no namespaces on this machine")
    from astraios_utils.sandbox import SandboxError

    monkeypatch.setattr(engine, "FULL_MACHINE_SECONDS", 0.3)
    refused = {"again": "BlockingIOError: [Errno 11] fork: Resource temporarily unavailable"}
    monkeypatch.setattr(engine, "_verdict", lambda incoming: refused if incoming else None)
    with Sandbox(workers=1) as box, pytest.raises(SandboxError, match=r"no room for another process .*Errno 11"):
        list(box.run([Program("python", ADD, TEST)]))


DISTURBED = {
    "a signal handler": (
        "import signal\nclass Late(Exception):\n    pass\ndef go(*_):\n    raise Late\n"
        "def spin():\n    n = 0\n    while True:\n        n += 1\n"
        "def f():\n    signal.signal(signal.SIGALRM, go)\n    signal.setitimer(signal.ITIMER_REAL, 1.5)\n"
        "    try:\n        spin()\n    except Late:\n        return 1"
    ),
    "a flag that a thread sets": (
        "import threading, time\ndone = []\ndef wait():\n    time.sleep(1.5)\n    done.append(1)\n"
        "def f():\n    threading.Thread(target=wait).start()\n    while not done:\n        x = 1\n    return 1"
    ),
    "a list that grows until memory ends": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "def f():\n    found, block = [], 'x' * 1000\n    try:\n"
        "        while True:\n            found.append(block * 1000)\n"
        "    except MemoryError:\n        return 1"
    ),
    "a text that grows until memory ends": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "def f():\n    text, block = '', 'x' * 10_000_000\n    try:\n        while True:\n            text += block\n"
        "    except MemoryError:\n        return 1"
    ),
}


@pytest.mark.parametrize("name", DISTURBED)
def test_no_proof_where_something_else_may_end_the_loop(name: str) -> None:
    if levels.missing_for(FULL):
        pytest.skip("no namespaces on this machine")
    with Sandbox(workers=1, patience=1000.0) as box:
        assert judge(box, DISTURBED[name], "assert f() == 1", timeout=100.0).status == PASSED


def test_what_verdicts_depend_on_is_named() -> None:
    found = conditions("python")
    assert f"numpy-{np.__version__}" in found
    assert str(limits.TESTER_MEMORY) in found
    assert found.split()[1] in levels.ISOLATIONS


NEEDS = {
    "assert f(1) == 2": "",
    "def check(candidate):\n    assert candidate([1]) is None\ncheck(f)": "",
    "def check(candidate):\n    assert candidate([1]) is True\ncheck(Large)": needs.CLASS,  # a class by its name
    "def check(candidate):\n    assert candidate([1]) is True\ncheck(Large_Sum)": "",
    "x = f(1)\nassert x is f(1)": needs.IDENTITY,
    "try:\n    f()\nexcept ValueError:\n    pass": "",
    "try:\n    f()\nexcept Odd:\n    pass": needs.CLASS,
    "assert isinstance(f(), Point)": needs.CLASS,
    "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()):\n    f()": needs.STREAMS,
    "import random\nrandom.seed(1)\nf()": needs.CHANCE,
    "assert f() == [float('nan')]": needs.NAN,
    "import asyncio\nasyncio.run(f())": needs.AWAITABLE,
    "f.n = 3\nassert f() == 3": needs.STATE,
    "def check(candidate):\n    assert candidate.__doc__\n    candidate()\ncheck(f)": needs.STATE,
    "f(": "",
}


@pytest.mark.parametrize("test", NEEDS)
def test_the_needs_of_a_test_are_read_from_its_text(test: str) -> None:
    of_the_sample = {"f", "Odd", "Point", "Large", "Large_Sum"} & set(re.findall(r"\w+", test))
    assert needs.of(test).reason(frozenset(of_the_sample)) == NEEDS[test]
