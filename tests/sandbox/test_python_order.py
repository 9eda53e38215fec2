"""No order, no company and no number of workers changes the verdict of an honest sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astraios_utils.sandbox import FULL, Outcome, Program, Sandbox
from astraios_utils.sandbox.kernel import levels

HOSTILE = Path(__file__).resolve().parents[1] / "hostile" / "python"
TEST = "\ndef check(add):\n    assert add(1, 2) == 3\n\ncheck(add)"
PREAMBLE = "import math\nimport random\nimport numpy as np"
HONEST = (
    ("def add(a, b):\n    return a + b", TEST),
    ("def add(a, b):\n    return a - b", TEST),
    ("def add(a, b):\n    return c", TEST),
    ("def add(a, b:\n", TEST),
    ("def add(a, b):\n    return int(np.add(a, b))", TEST),
    ("def add(a, b):\n    raise ValueError(random.random(), sorted({'a', 'b'}), hash('a'), math.pi)", TEST),
    ("def add(a, b):\n    open('kept', 'x').write('x')\n    return a + b", TEST),
    ("import sys\ndef add(a, b):\n    return a + b + ('kept' in sys.modules) + hasattr(math, 'kept')", TEST),
    ("def add(a, g):\n    return g(a)", "assert add(1, lambda x: x + 1) == 2"),
    (
        "def add(a):\n    print(a)",
        "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as s:\n    add(3)",
    ),
)
# Quick ones of each kind: state, streams, text, processes, memory, forged messages, threads, time.
COMPANY = (
    *(
        "state_kept",
        "files_kept",
        "device_state",
        "shared_memory",
        "surrogates",
        "object_whose_str_raises",
        "exit_in_call",
    ),
    *(
        "forge_reply",
        "forge_verdict",
        "patch_tester",
        "fork_bomb",
        "kill_others",
        "inodes",
        "deep_answer",
        "descriptors",
    ),
    *("object_whose_str_exits", "thread_left_running", "reply_with_wild_exception", "raise_limits", "loop_on_load"),
)


def company(name: str) -> Program:
    """A hostile program, with a short limit."""
    return Program("python", (HOSTILE / f"{name}.py").read_text(), TEST, PREAMBLE, 0.3)


Boxes = Callable[[int], Sandbox]


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    """A sandbox for a number of workers, kept."""
    if levels.missing_for(FULL):
        pytest.skip("no private files and namespaces on this machine")
    with ExitStack() as stack:
        made: dict[int, Sandbox] = {}

        def box(workers: int) -> Sandbox:
            if workers not in made:
                made[workers] = stack.enter_context(Sandbox(workers=workers, patience=0.3))
            return made[workers]

        yield box


def verdicts(outcomes: dict[int, Outcome]) -> dict[int, tuple[str, str]]:
    return {index: (outcome.status, outcome.detail) for index, outcome in outcomes.items()}


@pytest.fixture(scope="module")
def expected(boxes: Boxes) -> dict[int, tuple[str, str]]:
    """The verdicts of the honest programs among themselves."""
    found = verdicts(dict(boxes(1).run(Program("python", *pair, PREAMBLE, 30.0) for pair in HONEST)))
    assert {status for status, _ in found.values()} == {"passed", "failed", "error"}
    return found


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_honest_verdicts_do_not_depend_on_company(
    boxes: Boxes, expected: dict[int, tuple[str, str]], data: st.DataObject
) -> None:
    workers = data.draw(st.sampled_from((1, 2, 5)))
    hostile = data.draw(st.lists(st.sampled_from(COMPANY), min_size=3, max_size=8))
    order = data.draw(st.permutations([*range(len(HONEST)), *hostile]))
    programs = [
        Program("python", *HONEST[item], PREAMBLE, 30.0) if isinstance(item, int) else company(item) for item in order
    ]
    found = verdicts(dict(boxes(workers).run(programs)))
    assert {item: found[place] for place, item in enumerate(order) if isinstance(item, int)} == expected
