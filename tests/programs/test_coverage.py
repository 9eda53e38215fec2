"""Lines and conditions counted by the rewritten program."""

from __future__ import annotations

import pytest

from astraios_utils.programs.coverage import instrumented
from astraios_utils.sandbox.python.hosting import Endless, Implementation, implementation

CODE = '''
def sign(x):
    """ Return the sign. """
    if x > 0: return 1
    if x < 0:
        return -1
    return 0

def kept(values):
    found = [v for v in values if v]
    while len(found) > 2:
        found.pop()
    return found if found else None
'''


def _run(code: str, name: str, *calls: object) -> Implementation:
    made = implementation(instrumented(code).text, instrumented(code).names, {})
    for call in calls:
        made.functions[name](call)
    return made


def test_totals() -> None:
    found = instrumented(CODE)
    assert found.names == ("sign", "kept")
    # sign: lines 4 (if and return on one line), 5, 6, 7; kept: 10, 11, 12, 13. Conditions: 2 + 3, two outcomes each
    assert (found.lines, found.branches) == (8, 10)


def test_what_is_executed_is_counted() -> None:
    made = _run(CODE, "sign", 3)
    assert made.lines == {4}
    assert made.branches == {(1, True)}
    assert _run(CODE, "sign", 3, -3, 0).lines == {4, 5, 6, 7}
    # the filter is true and false, the loop is entered and left, the result is not empty
    assert _run(CODE, "kept", [0, 1, 2, 3]).branches == {(3, True), (3, False), (4, True), (4, False), (5, True)}


def test_the_meaning_stays() -> None:
    made = implementation(instrumented(CODE).text, ("sign", "kept"), {})
    assert [made.functions["sign"](x) for x in (5, -5, 0)] == [1, -1, 0]
    assert made.functions["kept"]([0, 1, 2, 3]) == [1, 2]
    assert made.functions["kept"]([]) is None


@pytest.mark.parametrize(
    "body",
    ["while True:\n        pass", "try:\n        return f(x)\n    except Exception:\n        return f(x)"],
)
def test_a_step_limit_ends_what_never_ends(body: str) -> None:
    made = implementation(instrumented(f"def f(x):\n    {body}\n").text, ("f",), {})
    made.limit = 50
    with pytest.raises(Endless):
        made.functions["f"](1)
