"""The proof that a loop never ends: found where it should be, and never of a loop that ends."""

from __future__ import annotations

import builtins
import collections
import functools
import math
import random
import sys
import time
from textwrap import dedent
from typing import Any

import pytest

from astraios_utils.sandbox import PASSED, TIMEOUT, Program, Sandbox, SandboxUnavailable
from astraios_utils.sandbox.python import endless

FILENAME = "<sample>"


class Proved(BaseException):
    """Raised where the proof is found, to get out of the loop."""


def proved(source: str) -> bool:
    """Execute a module in which ``ascii(0)`` begins the search: whether it was proved endless (else it has ended)."""
    source, begun = dedent(source), False

    def found() -> None:
        raise Proved

    def begin(_: int) -> None:
        nonlocal begun
        if not begun:
            begun = True
            prover.attempt(sys._getframe(1))

    namespace: dict[str, Any] = {"__builtins__": {**vars(builtins), "ascii": begin}}
    namespace |= {"math": math, "random": random, "time": time, "collections": collections, "functools": functools}
    prover = endless.Prover(endless.scopes_of(source), namespace, FILENAME, found)
    try:
        exec(compile(source, FILENAME, "exec"), namespace)
    except Proved:
        return True
    finally:
        prover.stop()
    return False


# Each would run for ever.
ENDLESS = {
    "nothing changes": """
        def f(n):
            while n > 0:
                ascii(0)
                half = n // 2
        f(1)
    """,
    "at the top level": """
        n = 1
        while n:
            ascii(0)
            m = n
    """,
    "-1 // 10 is -1, and the sums are read by nobody": """
        def count(n):
            even = odd = 0
            while n:
                ascii(0)
                if n % 2 == 0:
                    even += 1
                else:
                    odd += 1
                n //= 10
            return even, odd
        count(-12)
    """,
    "a product that grows, read by nobody": """
        def product(top):
            result = 1
            i = 2
            while i <= top:
                ascii(0)
                result *= i * 3
                if i > 5:
                    result -= i
            return result
        product(7)
    """,
    "a cycle of three": """
        def f(n):
            while n != 7:
                ascii(0)
                n = (n + 1) % 3
        f(0)
    """,
    "a cycle that begins late": """
        def f(n):
            while True:
                ascii(0)
                n = n - 1 if n > 0 else 5 if n == 0 else n
                if n == 9999:
                    break
        f(300)
    """,
    "the inner loop, inside a for": """
        def f(rows):
            for row in rows:
                while row:
                    ascii(0)
                    last = row
        f([0, 3, 4])
    """,
    "the outer loop, around loops that end": """
        def f(n):
            while n:
                ascii(0)
                k = 3
                while k:
                    k = k - 1
                for i in range(2):
                    k = i
        f(1)
    """,
    "a list that turns": """
        def f(items):
            while items:
                ascii(0)
                items.append(items.pop(0))
                first = items[0]
        f([1, 2, 3])
    """,
    "an exception that is caught each time": """
        def f(d):
            while True:
                try:
                    ascii(0)
                    x = d["missing"]
                    break
                except KeyError:
                    pass
        f({})
    """,
    "through other functions and a global": """
        limit = [3]
        def step(n, by=1):
            return (n + by) % limit[0]
        def f(n):
            while n < 5:
                ascii(0)
                n = step(n)
        f(0)
    """,
    "modules and builtins that are functions": """
        def f(x):
            while math.floor(x) != 10:
                ascii(0)
                x = max(min(x, 3), len(str(x)))
        f(1)
    """,
    "a closure that does not change": """
        def f(n):
            def same():
                return n
            while same():
                ascii(0)
                x = same()
        f(1)
    """,
}

# Each ends, by something that a careless comparison of states does not see.
ENDS = {
    "a product that the condition reads": """
        def f(n):
            while n < 3 ** 60:
                ascii(0)
                n *= 3
        f(1)
    """,
    "a product that a function reads": """
        def f(n):
            def read():
                return n
            while read() < 3 ** 60:
                ascii(0)
                n *= 3
        f(1)
    """,
    "a product of a number and a text": """
        def f(n, text):
            while True:
                ascii(0)
                n *= text
        try:
            f(1, "x")
        except TypeError:
            pass
    """,
    "an iterator": """
        def f():
            it = iter(range(50))
            while next(it, None) is not None:
                ascii(0)
                x = 1
        f()
    """,
    "an iterator of an outer loop": """
        def f():
            for _ in range(50):
                while True:
                    ascii(0)
                    x = 1
                    break
        f()
    """,
    "an iterator between the loop and the line": """
        def f():
            n = 1
            while n:
                for i in [0] * 50 + [1]:
                    ascii(0)
                    x = 1
                    if i:
                        n = 0
                    i = 0
        f()
    """,
    "a global behind a function": """
        n = 0
        def step():
            global n
            n += 1
            return n
        def f():
            while step() < 50:
                ascii(0)
                x = 1
        f()
    """,
    "a default that is kept": """
        def step(kept=[]):
            kept.append(0)
            return len(kept)
        def f():
            while step() < 50:
                ascii(0)
                x = 1
        f()
    """,
    "a default of a local function": """
        def f():
            def step(kept=[]):
                kept.append(0)
                return len(kept)
            while step() < 50:
                ascii(0)
                x = 1
        f()
    """,
    "a closure": """
        def counter():
            n = 0
            def step():
                nonlocal n
                n += 1
                return n
            return step
        def f(step):
            while step() < 50:
                ascii(0)
                x = 1
        f(counter())
    """,
    "an attribute of a function": """
        def step():
            step.n = getattr(step, "n", 0) + 1
            return step.n
        def f():
            while step() < 50:
                ascii(0)
                x = 1
        f()
    """,
    "an instance": """
        class Counter:
            n = 0
            def step(self):
                self.n += 1
                return self.n
        def f(counter):
            while counter.step() < 50:
                ascii(0)
                x = 1
        f(Counter())
    """,
    "a class named as a builtin": """
        class list:
            n = 0
            @classmethod
            def step(cls):
                cls.n += 1
                return cls.n
        def f():
            while list.step() < 50:
                ascii(0)
                x = 1
        f()
    """,
    "a generator and who consumes it": """
        def ones():
            while True:
                ascii(0)
                x = 1
                yield x
        total = 0
        for one in ones():
            total += one
            if total > 50:
                break
    """,
    "chance": """
        def f():
            while random.random() < 0.99:
                ascii(0)
                x = 1
        f()
    """,
    "chance, imported inside": """
        def f():
            from random import random as chance
            while chance() < 0.99:
                ascii(0)
                x = 1
        f()
    """,
    "time": """
        def f(end):
            while time.perf_counter() < end:
                ascii(0)
                x = 1
        f(time.perf_counter() + 0.05)
    """,
    "the order of a set": """
        def f(s):
            while s.pop() < 50:
                ascii(0)
                s.add(99)
                s.discard(98)
                x = 1
        f(set(range(52)))
    """,
    "the order of a dictionary": """
        def f(d, n):
            while next(iter(d)) != n:
                ascii(0)
                first = next(iter(d))
                d[first] = d.pop(first)
                first = None
        f(dict.fromkeys(range(50)), 49)
    """,
    "a sum that is read": """
        def f():
            n = 0
            while True:
                ascii(0)
                n += 1
                if n > 50:
                    break
        f()
    """,
    "a sum that another name reads": """
        def f():
            a = b = []
            while len(b) < 50:
                ascii(0)
                a.append(1)
        f()
    """,
    "a sum that a closure reads": """
        def f():
            n = 0
            def far():
                return n > 50
            while not far():
                ascii(0)
                n += 1
        f()
    """,
    "a sum at the top level, read by a function": """
        n = 0
        def far():
            return n > 50
        while not far():
            ascii(0)
            n += 1
    """,
    "a list whose element is read elsewhere": """
        def f():
            row = [0]
            rows = [row]
            while len(rows[0]) < 50:
                ascii(0)
                row.append(0)
        f()
    """,
    "0.0 and -0.0, 1 and True": """
        def f():
            values, n = [0.0, -0.0, 0, False] * 12 + [1], 0
            while True:
                ascii(0)
                value = values.pop(0)
                if value == 1:
                    break
        f()
    """,
    "identity": """
        def f():
            a, others = [], [[] for _ in range(50)]
            others.append(a)
            b = others[0]
            while b is not a:
                ascii(0)
                b = others.pop(0)
        f()
    """,
    "a cache": """
        calls = []
        @functools.lru_cache(maxsize=None)
        def far(n):
            return n > 50
        def f():
            n = 0
            while not far(n):
                ascii(0)
                n = n + 1
        f()
    """,
    "a frame that is entered anew": """
        def inner(n):
            while n:
                ascii(0)
                n = n - 1
        for _ in range(50):
            inner(1)
    """,
    "recursion": """
        def f(depth):
            while depth < 50:
                ascii(0)
                x = 1
                return f(depth + 1)
        f(0)
    """,
    "a handler's exception": """
        def f():
            left = [ValueError] * 50
            while True:
                try:
                    raise left.pop() if left else KeyError
                except ValueError:
                    ascii(0)
                    x = 1
                except KeyError:
                    break
        f()
    """,
}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own process has signal handlers and threads."""
    monkeypatch.setattr(endless, "undisturbed", lambda own: True)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_endless_loops_are_proved(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endless, "BUDGET", 20.0)  # a slow machine must not fail the test; the proofs take milliseconds
    assert proved(source)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("source", ENDS.values(), ids=ENDS)
def test_loops_that_end_are_not(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endless, "BUDGET", 20.0)
    assert not proved(source)


def test_an_attempt_ends_with_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endless, "BUDGET", 0.0)
    assert not proved("n = 500\nwhile n:\n    ascii(0)\n    n = n - 1\n")
    assert sys.gettrace() is None


def test_a_proved_loop_is_a_timeout_before_its_limit() -> None:
    test = "def check(f):\n    assert f(1) == 2\ncheck(f)"
    sample = "def f(n):\n    while n:\n        m = n\n    return 2"
    ends = "def f(n):\n    k = 0\n    while k < 2_000_000:\n        k = k + 1\n    return 2"
    try:
        with Sandbox(workers=1) as box:
            outcomes = dict(box.run([Program("python", s, test, timeout=1000.0) for s in (sample, ends)]))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    assert (outcomes[0].status, outcomes[0].detail) == (TIMEOUT, "no verdict within 1000 s")
    assert outcomes[1].status == PASSED
