"""A failed assertion says what it compared; a test does otherwise what it did before it was rewritten."""

from __future__ import annotations

import pytest

from astraios_utils.sandbox import ERROR, FAILED, PASSED, Outcome, Program, Sandbox
from astraios_utils.sandbox.python import asserts

FILE = "<test>"


def _told(test: str) -> str:
    """What is said of a test that fails."""
    namespace: dict[str, object] = {"Other": type("Other", (list,), {"__repr__": lambda _: 1 / 0})}
    with pytest.raises(AssertionError) as caught:
        exec(compile(asserts.rewritten(test, FILE), FILE, "exec", dont_inherit=True), namespace)
    return asserts.compared(caught.value, FILE)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("assert 1 + 1 == 3", "assert 2 == 3"),
        ("def check(f):\n    assert f(1) == 1\n    assert f(2) != 4\ncheck(lambda x: x * x)", "assert 4 != 4"),
        ("for i in range(3):\n    if i:\n        assert i not in [1]", "assert 1 not in [1]"),
        ("try:\n    pass\nfinally:\n    assert (1, 'a') is None", "assert (1, 'a') is None"),
        ("match 1:\n    case 1:\n        assert {1: [2]} <= {1}", None),  # a TypeError, as it always was
        ("class A:\n    assert 2 < 1", "assert 2 < 1"),
        ("assert list(range(99)) == []", "assert [0, 1, 2, 3, 4, 5, 6, 7, ...] == []"),
        ("assert 10**5000 == 1", "assert <int of 16610 bits> == 1"),  # its digits would be an error
        ("assert Other() == 1", "assert <Other> == 1"),  # its __repr__ raises
        ("assert 1 == 2, 'words of its own'", ""),
        ("assert 1 == 1\nassert not 1", ""),  # nothing of an earlier comparison
        ("def h():\n    raise AssertionError\nassert h() == 3", ""),
        ("assert 1 < 2 < 2", ""),
    ],
)
def test_what_a_failed_assertion_compared(test: str, told: str | None) -> None:
    if told is None:
        with pytest.raises(TypeError):
            _told(test)
    else:
        assert _told(test) == told


def test_values_are_let_go_and_no_name_is_left() -> None:
    test = "seen = []\nassert 1 == 1\nseen.append([n for n in globals() if n.startswith('@')])\nassert seen == [[]]"
    exec(compile(asserts.rewritten(test, FILE), FILE, "exec"), {})


def test_deep_expressions_compile_as_before() -> None:
    deep = "[" * 90 + "]" * 90
    exec(compile(asserts.rewritten(f"assert {deep} == {deep}", FILE), FILE, "exec"), {})
    with pytest.raises(SyntaxError) as ours:
        asserts.rewritten("assert (1 == 2", FILE)
    with pytest.raises(SyntaxError) as theirs:
        compile("assert (1 == 2", FILE, "exec")
    assert str(ours.value) == str(theirs.value)


def _outcome(box: Sandbox, sample: str, test: str) -> Outcome:
    ((_, outcome),) = box.run([Program("python", sample, test, "", 5.0)])
    return outcome


def test_a_verdict_says_expected_and_actual(box: Sandbox) -> None:
    sample = "def add(a, b):\n    return [a, b]"
    outcome = _outcome(box, sample, "def check(f):\n    assert f(1, 2) == [1, 2]\n    assert f(1, 2) == 3\ncheck(add)")
    assert (outcome.status, outcome.detail) == (FAILED, "AssertionError: assert [1, 2] == 3")


def test_an_object_of_the_samples_is_not_asked_what_it_looks_like(box: Sandbox) -> None:
    sample = "class A:\n    def __repr__(self):\n        while True: pass\n\ndef f():\n    return A()"
    outcome = _outcome(box, sample, "assert f() == 3")
    assert (outcome.status, outcome.detail) == (FAILED, "AssertionError: assert <object of the sample> == 3")
    assert _outcome(box, sample, "assert f() != 3").status == PASSED
    assert _outcome(box, sample, "assert g() == 3").status == ERROR
