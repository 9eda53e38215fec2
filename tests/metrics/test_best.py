"""Comparisons with the best and with a control hold their level; shrinkage removes the winner's excess."""

from __future__ import annotations

import numpy as np
import pytest

from astraios_utils.metrics import stats

RUNS, METHODS, DRAWS = 150, 8, 300


def draws(rng: np.random.Generator, values: np.ndarray, error: float = 1.0) -> np.ndarray:
    """Replicates with independent errors and one that all methods share."""
    shared = 5 * rng.standard_normal((DRAWS, 1))
    made: np.ndarray = values + shared + error * rng.standard_normal((DRAWS, len(values)))
    return made


def test_intervals_cover_all_gaps_at_once_and_keep_the_best() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0.5, *np.linspace(-3, 0.2, METHODS - 1)])
    gaps = np.array([truth[i] - np.delete(truth, i).max() for i in range(METHODS)])
    missed = lost = 0
    for _ in range(RUNS):
        point = truth + rng.standard_normal(METHODS)
        found = stats.with_best(point, draws(rng, point))
        missed += not ((found.low <= gaps) & (gaps <= found.high)).all()
        lost += not found.may_be_best[0]
    # 17 of 150 is the 99.9% point of a binomial with .05.
    assert missed <= 17
    assert lost <= 17


def test_a_clear_winner_is_found_and_its_rivals_are_not_the_best() -> None:
    rng = np.random.default_rng(1)
    point = np.array([10.0, 0.0, 1.0, 9.9])
    found = stats.with_best(point, draws(rng, point))
    assert found.may_be_best.tolist() == [True, False, False, True]
    assert found.gap.tolist() == pytest.approx([0.1, -10.0, -9.0, -0.1])
    assert (found.low <= np.minimum(found.gap, 0)).all()
    assert (found.high >= np.maximum(found.gap, 0)).all()
    assert found.high[1] == found.high[2] == 0.0


def test_one_method_under_two_names_is_no_difference() -> None:
    """Not even where both replicates are equal to the last bit."""
    rng = np.random.default_rng(2)
    point = np.array([4.0, 4.0, 1.0])
    drawn = draws(rng, point)
    drawn[:, 1] = drawn[:, 0]
    found = stats.with_best(point, drawn)
    assert found.may_be_best[:2].all()
    against = stats.against(point, drawn, control=0)
    assert np.isnan(against.p[0])
    assert against.p[1] == 1.0
    assert against.p[2] < 0.3


def test_comparisons_with_a_control_hold_their_level_together() -> None:
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(RUNS):
        point = rng.standard_normal(METHODS)
        found = stats.against(point, draws(rng, point), control=0)
        wrong += bool((np.delete(found.p, 0) <= 0.05).any())
        assert np.array_equal(np.delete(found.p, 0) < 0.05, (np.delete(found.low * found.high, 0) > 0))
    assert wrong <= 17


def test_shrinkage_removes_the_winners_excess() -> None:
    """The raw best of 20 equal methods is 1.9 standard errors too high; the shrunk one is close to the truth."""
    rng = np.random.default_rng(4)
    raw, less = [], []
    for _ in range(15):
        point = rng.standard_normal(20)
        found = stats.shrunk(point, draws(rng, point), ["a", "b"] * 10)
        raw.append(point.max())
        less.append(found.mean.max())
    assert np.mean(raw) > 1.6
    assert np.mean(less) < 0.6
    assert ((found.rank_low >= 1) & (found.rank_high <= 20)).all()


def test_families_that_differ_are_not_pulled_together() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([0.0] * 6 + [20.0] * 6)
    point = truth + rng.standard_normal(12)
    found = stats.shrunk(point, draws(rng, point), ["low"] * 6 + ["high"] * 6)
    assert np.abs(found.mean - truth).max() < 3
    assert found.between > 3 * found.within
    assert found.rank_high[6:].max() <= 6.5


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="k > 1"):
        stats.with_best([1.0], np.zeros((3, 1)))
    with pytest.raises(ValueError, match="NaN"):
        stats.against([1.0, np.nan], np.zeros((3, 2)), control=0)
    with pytest.raises(ValueError, match="1 families for 2 methods"):
        stats.shrunk([1.0, 2.0], np.zeros((3, 2)), ["a"])
