"""Perturbed prompts: what each operator changes, and that the program means the same."""

from __future__ import annotations

import random

import pytest

from astraios_utils.programs import perturbation
from astraios_utils.programs.edits import meaning
from astraios_utils.programs.perturbation import CATEGORIES, NOMINAL, SEEDED, Perturbed, Subject

PROMPT = '''from typing import List

def sum_above(values: List[int], limit: int) -> int:
    """ Return the total of all values greater than the limit,
    and print nothing at all while working.
    >>> sum_above([1, 5, 7], 4)
    12
    """
'''
SOLUTION = """    total, seen = 0, [0, 1, 2, 3]
    for value in values:
        if value > limit:
            total += value
        elif value == limit:
            seen.append(value)
    return total
"""
SUBJECT = Subject(PROMPT, SOLUTION, "sum_above")
ALL = [(category, name) for category, changes in CATEGORIES.items() for name in changes]


def _perturbed(category: str, name: str, seed: int = 0) -> Perturbed:
    return CATEGORIES[category][name](SUBJECT, random.Random(seed))


def _result(out: Perturbed) -> object:
    scope: dict[str, object] = {}
    exec(out.prompt + out.rest, scope)  # a program of this test
    return [scope[out.name](values, limit) for values, limit in (([1, 5, 7], 4), ([], 0), ([3, 3, 9], 3))]  # type: ignore[operator]


@pytest.mark.parametrize(("category", "name"), ALL)
def test_every_perturbation_changes_the_prompt_and_keeps_the_meaning(category: str, name: str) -> None:
    nominal = _perturbed(category, NOMINAL)
    made = [_perturbed(category, name, seed) for seed in range(6)]
    assert [_result(out) for out in made] == [[12, 0, 9]] * 6
    assert made == [_perturbed(category, name, seed) for seed in range(6)]
    assert any(out.prompt != nominal.prompt for out in made) == (name != NOMINAL)
    assert (len({out.prompt for out in made}) > 1) == (name in SEEDED)


def test_format_and_syntax_prompts_hold_half_of_the_solution() -> None:
    for category, given in (("format", True), ("syntax", True), ("function", False), ("docstring", False)):
        assert ("total, seen" in _perturbed(category, NOMINAL).prompt) == given
    assert _perturbed("format", NOMINAL).prompt == PROMPT + "".join(SOLUTION.splitlines(keepends=True)[:3])


def test_words_change_but_not_examples_names_or_meaning() -> None:
    for name in CATEGORIES["docstring"]:
        out = _perturbed("docstring", name, 3)
        assert ">>> sum_above([1, 5, 7], 4)\n    12" in out.prompt
        assert meaning(out.prompt + out.rest) == meaning(PROMPT + SOLUTION)


def test_an_operator_that_does_not_apply_leaves_the_prompt() -> None:
    plain = Subject("def f(x):\n    ''' Give x. '''\n", "    return x\n", "f")
    for name in ("ForWhileTransformer", "OperandSwap", "VarRenamerNaive", "VarRenamerRN"):
        nominal = CATEGORIES["syntax"][NOMINAL](plain, random.Random(0))
        assert CATEGORIES["syntax"][name](plain, random.Random(0)) == nominal


def test_a_loop_keeps_continue_and_break() -> None:
    body = "    found = 0\n    for x in v:\n        if x < 0:\n            continue\n"
    body += "        if x > 9:\n            break\n"
    subject = Subject("def f(v):\n    ''' Count. '''\n", body + "        found += 1\n    return found\n", "f")
    out = CATEGORIES["syntax"]["ForWhileTransformer"](subject, random.Random(0))
    assert "while at_ < len(items_)" in out.prompt
    scope: dict[str, object] = {}
    exec(out.prompt + out.rest, scope)  # a program of this test
    assert scope["f"]([1, -1, 2, 10, 3]) == 2  # type: ignore[operator]


def test_variables_in_f_strings_and_inner_functions_keep_their_names() -> None:
    text = "    a = 1\n    b = 2\n    c = 3\n    g = lambda: b\n    return f'{a}', g(), c\n"
    out = perturbation.CATEGORIES["syntax"]["VarRenamerNaive"](Subject("def f():\n", text, "f"), random.Random(0))
    changed = out.prompt + out.rest
    assert "VAR_" in changed
    assert "{a}" in changed
    assert "lambda: b" in changed
    scope: dict[str, object] = {}
    exec(changed, scope)  # a program of this test
    assert scope["f"]() == ("1", 2, 3)  # type: ignore[operator]
