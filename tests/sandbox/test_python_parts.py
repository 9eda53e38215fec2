"""The parts of the Python engine that can be tested without starting it: codec, loops, filter, levels."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
import math
import os
import socket
import struct
import sys
from typing import Any

import numpy as np
import pytest

from astraios_utils.sandbox import Sandbox, SandboxUnavailable, runtime_id
from astraios_utils.sandbox.java import pool
from astraios_utils.sandbox.kernel import levels, linux
from astraios_utils.sandbox.python import endless, engine, witness
from astraios_utils.sandbox.python.codec import CodecError, Decoder, Encoder, Unsendable, overwrite

Point = collections.namedtuple("Point", "x y")
needs_linux = pytest.mark.skipif(not linux.supported, reason="needs Linux on x86-64 or aarch64")


def there_and_back(value: Any) -> Any:
    return Decoder().decode(json.loads(json.dumps(Encoder().encode(value))))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1, -(2**62), 2**63, -(7**90), 0.1, float("inf"), "", "é", "\ud800\udc00", b"\x00\xff", 1j),
        *(
            [1, [2.5, "a"]],
            (1, (2,)),
            {1: [2], (3,): None},
            {1, "a"},
            frozenset([1]),
            bytearray(b"ab"),
            range(5, 1, -2),
        ),
        *(collections.deque([1], 3), collections.OrderedDict(b=1, a=2), collections.Counter("aab")),
        *(collections.defaultdict(int, a=1), fractions.Fraction(-1, 3), decimal.Decimal("1.50"), int, type(None)),
        *(datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 1, 12), datetime.timedelta(days=-1)),
        *(np.bool_(True), np.float64(0.1), np.int32(-5), np.str_("ab"), np.complex128(1j)),
    ],
    ids=lambda value: f"{type(value).__name__}-{len(repr(value))}",  # a repr of a set differs from process to process
)
def test_plain_data_survives(value: Any) -> None:
    result = there_and_back(value)
    assert result == value
    assert type(result) is type(value)


def test_views_named_tuples_and_arrays_survive() -> None:
    assert there_and_back({1: 2}.keys()) == {1}
    assert list(there_and_back({1: [2]}.values())) == [[2]]
    assert there_and_back({1: 2}.items()) == {(1, 2)}
    assert there_and_back(Point(1, [2])).y == [2]
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(there_and_back(array), array)
    assert there_and_back(array).dtype == np.float32
    assert there_and_back(np.array([None, "a"], dtype=object)).tolist() == [None, "a"]


def test_aliases_and_cycles_survive() -> None:
    row = [0]
    cycle: list[Any] = [row, row]
    cycle.append(cycle)
    result = there_and_back(cycle)
    assert result[0] is result[1]
    assert result[2] is result


def test_a_subclass_is_sent_as_its_plain_base() -> None:
    class Agreeable(list):  # type: ignore[type-arg]
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    assert type(there_and_back(Agreeable([1]))) is list


def test_what_is_not_plain_data_needs_a_stand_in() -> None:
    with pytest.raises(Unsendable, match="cannot send a object"):
        Encoder().encode(object())
    assert Encoder(stand_in=lambda _: 7).encode(object()) == {"R": 7}


@pytest.mark.parametrize(
    "tree",
    [
        *({}, {"i": "1", "f": []}, {"?": 1}, {"=": 0}, {"=": -1}, {"=": "a"}, {"R": 1}, {"t": 5}, {"s": [[1]]}),
        *({"d": [[1]]}, {"d": [[[1], 2]]}, {"i": "x"}, {"b": "0"}, {"F": [1, 0]}, {"E": "x"}, {"y": "eval"}),
        *({"r": [1, 2, 0]}, {"A": ["|O", [1], "AAAA"]}, {"A": ["<f8", [2], "AAAA"]}, {"A": ["<f8", [-1], ""]}),
        *({"N": ["|V8", "00"]}, {"D": ["eval", []]}, {"q": [-1, []]}, {"a": ["date", "x"]}, {"u": [1 << 40]}),
    ],
    ids=repr,
)
def test_nonsense_is_refused(tree: Any) -> None:
    with pytest.raises(CodecError):
        Decoder().decode(tree)


def test_nesting_beyond_the_stack_is_refused() -> None:
    tree: Any = 1
    for _ in range(100_000):
        tree = {"t": [tree]}
    with pytest.raises(CodecError):
        Decoder().decode(tree)


def test_overwriting_keeps_the_object() -> None:
    for target, source in (([1], [2, 3]), ({1: 2}, {3: 4}), ({1}, {2}), (bytearray(b"a"), bytearray(b"bc"))):
        same = target
        overwrite(target, source)
        assert same == source
        assert same is not source
    overwrite(kept := [1], {2})
    assert kept == [1]


@pytest.mark.parametrize(
    ("body", "unbounded"),
    [
        ("while True:\n        here()\n        break", True),
        ("for _ in range(1):\n        while True:\n            here()\n            break", False),
        ("while True:\n        for _ in range(1):\n            here()\n        break", True),
        ("here()", False),
        ("[here() for _ in range(1)]", False),
        ("while True:\n        f = lambda: here()\n        break\n    f()", False),
        ("def g():\n        here()\n    while True:\n        g()\n        break", True),
        ("def g(n):\n        return g(n - 1) if n else here()\n    g(3)", False),
    ],
)
def test_the_outermost_loop_decides(body: str, unbounded: bool) -> None:
    source = f"def f():\n    {body}\nf()\n"
    scopes = endless.scopes_of(source)
    seen: list[bool] = []
    namespace = {"here": lambda: seen.append(witness.in_unbounded_loop(sys._getframe(1), scopes))}
    exec(compile(source, witness.FILENAME, "exec"), namespace)
    assert seen == [unbounded]


@needs_linux
def test_the_filter_is_well_formed() -> None:
    program = linux.seccomp_filter(2)
    instructions = list(struct.iter_unpack("=HBBI", program))
    assert len(instructions) < 4096  # the kernel's limit
    for position, (code, true, false, _) in enumerate(instructions):
        assert position + 1 + max(true, false) < len(instructions) or code == 0x06  # jumps stay inside
    assert instructions[-1][0] == 0x06  # and the last one returns


@needs_linux
def test_a_failed_attempt_is_reported() -> None:
    def fail() -> None:
        raise OSError("as meant")

    assert linux.attempt(lambda: None) is None
    assert linux.attempt(fail) == "as meant"
    assert linux.attempt(lambda: os._exit(3)) == "the probing process died"


def test_cpu_seconds_of_a_process() -> None:
    if sys.platform != "linux":
        pytest.skip("needs Linux's per-process clocks")
    assert linux.cpu_seconds(os.getpid()) > 0
    assert np.isnan(linux.cpu_seconds(2**22 + 1))  # beyond the largest pid


@needs_linux
def test_a_process_that_has_ended_is_no_process_whose_clock_cannot_be_read() -> None:
    """Between its end and the reading of its last word, a late program would otherwise be called a timeout."""
    gone = 2**22 + 1  # beyond the largest pid
    here, there = socket.socketpair()
    with here, there:
        running = engine._Running(None, 1, 1, here, memoryview(b""), 0.0, False)  # type: ignore[arg-type]
        assert not running.begun
        running.tester, running.subject = gone, gone
        assert running.begun
        assert running.cpu() == 0
        running.tester = os.getpid()
        assert running.cpu() > 0
        jvm = pool.Jvm(1, pool.OWN, here)
        assert jvm.cpu() == 0  # it has not begun
        jvm.greeted = True
        assert math.isnan(jvm.cpu())  # the platform does not tell
        jvm.pid = gone
        assert jvm.cpu() == 0


def test_weak_isolation_needs_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(levels.ALLOW_WEAK_VARIABLE, raising=False)
    with pytest.raises(SandboxUnavailable, match=r"no security boundary .* --allow-weak-sandbox"):
        Sandbox(isolation="weak")
    with Sandbox(isolation="weak", allow_weak=True) as box:
        assert "NO SECURITY BOUNDARY" in str(box.level)
    monkeypatch.setenv(levels.ALLOW_WEAK_VARIABLE, "1")
    assert Sandbox(isolation="weak").level.name == "weak"


def test_without_kernel_isolation_nothing_runs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(levels.ALLOW_WEAK_VARIABLE, raising=False)
    monkeypatch.setattr(levels, "missing_for", lambda name: () if name == "weak" else ("Landlock: needs Linux 5.13",))
    with pytest.raises(SandboxUnavailable, match=r"Landlock: needs Linux 5\.13"):
        Sandbox()
    with pytest.raises(SandboxUnavailable, match="'full' is not possible here"):
        Sandbox(isolation="full")


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="isolation 'fulll': choose one of auto, full, reduced, weak"):
        Sandbox(isolation="fulll")
    with pytest.raises(ValueError, match="workers=0"):
        Sandbox(workers=0)
    with pytest.raises(ValueError, match="language 'perl'"):
        runtime_id("perl")


def test_the_runtime_names_interpreter_and_numpy() -> None:
    assert runtime_id("python") == f"cpython-{sys.version.split()[0]}+numpy-{np.__version__}"
