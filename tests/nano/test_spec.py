"""Specifications: what they mean, which split they belong to, and whether code in any style computes it."""

from __future__ import annotations

import collections
import re

import pytest

from astraios_utils.nano import code, english, spec
from astraios_utils.nano.function import draw_problem, passes
from astraios_utils.nano.spec import Clause, Spec


@pytest.mark.parametrize(
    ("one", "argument", "result"),
    [
        # 2² + 4² of the even ones
        (Spec("list", (Clause("even"),), (Clause("square"),), "sum"), [1, 2, 3, 4], 20),
        # 2 and 3 are kept of 1, 2, 3 (at least 2); times 5, minus 1
        (Spec("upto", (Clause("least", 2),), (Clause("times", 5), Clause("minus", 1)), "collect"), 3, [9, 14]),
        (Spec("below", (), (Clause("plus", 1),), "product"), 4, 24),  # 1 · 2 · 3 · 4
        (Spec("digits", (Clause("above", 2),), (), "first"), 315, 5),  # the last digit comes first
        (Spec("digits", (Clause("above", 2),), (), "last"), 315, 3),
        (Spec("digits", (), (), "collect"), 0, []),  # the loop ends at 0 before it begins
        (Spec("list", (Clause("above", 2),), (), "last"), [1, 2], 0),
        (Spec("list", (Clause("divisible", 3), Clause("other", 6)), (), "count"), [3, 6, 9, 10], 2),
        (Spec("list", (Clause("negative"),), (), "any"), [1, -1], True),
        (Spec("list", (Clause("negative"),), (), "all"), [1, -1], False),
        (Spec("list", (Clause("negative"),), (), "all"), [], True),
        (Spec("number", (Clause("odd"),), (Clause("cube"),), "choose", (Clause("absolute"),)), -3, -27),
        (Spec("number", (Clause("odd"),), (Clause("cube"),), "choose", (Clause("absolute"),)), -4, 4),
    ],
)
def test_meaning(one: Spec, argument: int | list[int], result: spec.Value) -> None:
    assert spec.evaluate(one, argument) == result


@pytest.mark.parametrize("split", spec.SPLITS)
def test_python_in_every_style_computes_the_meaning(split: spec.Split) -> None:
    rng = spec.generator("test", split)
    for _ in range(250):
        one = spec.draw(split, rng)
        names = english.draw_names(one, rng)
        cases = tuple((a, spec.evaluate(one, a)) for a in spec.arguments(one, 6, rng))
        for loop in ("for", "index", "while"):
            style = code.Style(loop=loop, swapped=rng.random() < 0.5)
            source = code.head(one, names, "python", "Words.") + code.body(one, names, "python", style)
            assert passes(source, names.snake, cases), source


def test_splits_share_no_composition_and_have_their_shares() -> None:
    rng = spec.generator("shares")
    drawn = {spec._draw(rng).composition for _ in range(20_000)}
    counts = collections.Counter(map(spec.split_of, drawn))
    assert sum(counts.values()) > 4000
    # 13, 3 and 4 of 20 buckets; three standard errors of a share of some 4000 are 2.4 points
    for split, share in (("pretrain", 0.65), ("tune", 0.15), ("eval", 0.20)):
        assert abs(counts[split] / len(drawn) - share) < 0.024
        assert all(spec.draw(split, rng).split == split for _ in range(50))


def test_composition_ignores_constants_and_order_of_conditions() -> None:
    one = Spec("list", (Clause("even"), Clause("above", 3)), (Clause("times", 2),), "sum")
    two = Spec("list", (Clause("above", 9), Clause("even")), (Clause("times", 7),), "sum")
    assert one.composition == two.composition == "list|above+even|times||sum"


def test_arguments_tell_neighbours_apart_and_come_from_the_seed() -> None:
    one = Spec("list", (Clause("above", 3),), (Clause("times", 2),), "sum")
    chosen = spec.arguments(one, 3, spec.generator(1))
    assert chosen == spec.arguments(one, 3, spec.generator(1))
    other = Spec("list", (Clause("least", 3),), (Clause("times", 2),), "sum")
    assert any(spec.evaluate(one, a) != spec.evaluate(other, a) for a in chosen)


def test_a_problem_passes_its_tests_and_its_bug_does_not() -> None:
    rng = spec.generator("problem")
    for _ in range(100):
        problem = draw_problem("tune", rng)
        head = problem.head("python")
        assert passes(head + problem.body("python"), problem.name("python"), problem.cases)
        assert not passes(head + problem.buggy("python"), problem.name("python"), problem.cases)


def test_names_and_words() -> None:
    one = Spec("list", (Clause("even"), Clause("above", 3)), (Clause("square"), Clause("plus", 2)), "sum")
    names = english.Names(("sum", "even", "above", "square", "raised"), "xs", "x", "total")
    assert (names.snake, names.camel) == ("sum_even_above_square_raised", "sumEvenAboveSquareRaised")
    told = english.describe(one, "xs", spec.generator(0), plain=True)
    assert re.match(r"Return the sum of the even \w+ (in|of) xs that are (above|greater than) 3, each ", told)
    assert told.endswith(", each squared and then increased by 2.")
