"""Planted bugs: each operator on an example, one change per mutant, and the rest of the text as it was."""

from __future__ import annotations

import ast
import difflib

import pytest

from astraios_utils.programs import mutation

PROGRAM = '''import math

def other(x):
    return x < 3

def count(values, limit):
    """Count values below limit.  # with <, 1 and count
    """
    total = 0
    for value in values:
        if value < limit and not value == 2:
            total += 1
    return max(total, 0)
'''


def test_each_operator_makes_the_changes_it_names() -> None:
    changes = {(m.kind, m.change) for m in mutation.mutants(PROGRAM, "count")}
    assert (mutation.OPERATOR, "< -> <=") in changes
    assert (mutation.OPERATOR, "and -> or") in changes
    assert (mutation.OPERATOR, "+= -> -=") in changes
    assert (mutation.VALUE, "2 -> 3") in changes
    assert (mutation.VALUE, "0 -> (-1)") in changes
    assert (mutation.VARIABLE, "limit -> total") in changes
    assert (mutation.FUNCTION, "max -> min") in changes
    assert (mutation.MISSING, "not value == 2 -> value == 2") in changes
    assert (mutation.MISSING, "total += 1 -> pass") in changes
    assert (mutation.EXCESS, "(nothing) -> break") in changes
    assert {kind for kind, _ in changes} == set(mutation.KINDS)


def test_a_mutant_parses_differs_in_one_place_and_only_in_the_body() -> None:
    found = list(mutation.mutants(PROGRAM, "count"))
    texts = [m.text for m in found]
    assert len(set(texts)) == len(texts) > 30
    head = PROGRAM[: PROGRAM.index("    total = 0")]
    for mutant in found:
        ast.parse(mutant.text)
        assert mutant.text.startswith(head)
        changed = [line for line in difflib.ndiff(PROGRAM.splitlines(), mutant.text.splitlines()) if line[:2] == "+ "]
        assert len(changed) == 1
        assert mutant.text.splitlines()[mutant.line - 1] in changed[0] or mutant.kind == mutation.EXCESS


def test_names_are_not_taken_for_operators_and_text_beyond_ascii_keeps_its_place() -> None:
    text = "def f(order, ö):\n    s = 'é or ü'\n    return order or ö\n"
    changes = [m.text for m in mutation.mutants(text, "f") if m.kind == mutation.OPERATOR]
    assert changes == ["def f(order, ö):\n    s = 'é or ü'\n    return order and ö\n"]


def test_the_order_is_the_seeds_and_kinds_take_turns() -> None:
    one, again, two = (mutation.shuffled(PROGRAM, "count", seed) for seed in (0, 0, 1))
    assert one == again != two
    assert sorted(m.text for m in one) == sorted(m.text for m in two)
    assert {m.kind for m in one[: len(mutation.KINDS)]} == set(mutation.KINDS)


def test_what_is_no_program_or_lacks_the_function_is_refused() -> None:
    with pytest.raises(KeyError):
        list(mutation.mutants(PROGRAM, "absent"))
    with pytest.raises(SyntaxError):
        list(mutation.mutants("def f(:\n", "f"))
