"""The joint bootstrap, ranks, corrections and power laws: by hand, with their seed, and how often intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from astraios_utils.metrics import stats
from astraios_utils.metrics.stats import Column


def shares(values: list[float], stratum: str = "b", names: list[str] | None = None) -> Column:
    x = np.asarray(values, dtype=float)
    labels = names if names is not None else [str(i) for i in range(len(x))]
    return Column(stratum, np.asarray(labels), np.column_stack([x, np.ones(len(x))]), stats.ratio)


# --- the joint bootstrap


def test_the_first_row_is_the_score_itself() -> None:
    joint = stats.joint_bootstrap({"a": shares([1, 0, 0, 1]), "b": shares([1, 1, 1, 0])}, resamples=50)
    assert joint.values["a"].shape == (51,)
    assert joint.values["a"][0] == 0.5
    assert joint.values["b"][0] == 0.75
    assert joint.clusters == {"a": 4, "b": 4}


def test_error_of_a_mean_is_s_over_root_m() -> None:
    # 0/1 values, half each, 40 of them: s^2 = 40/39 / 4, se = sqrt(s^2 / 40) = sqrt(1/156) = 0.08006. Drawing 40 of 40
    # would give sqrt(1/160) = 0.07906.
    joint = stats.joint_bootstrap({"a": shares([0, 1] * 20)}, resamples=60_000)
    assert stats.from_draws(joint.values["a"]).se == pytest.approx(math.sqrt(1 / 156), rel=0.008)


def test_differences_are_paired() -> None:
    # b is a, shifted: whatever is drawn, the difference is the same.
    a = [0.1, 0.5, 0.9, 0.3]
    joint = stats.joint_bootstrap({"a": shares(a), "b": shares([x + 0.05 for x in a])})
    gap = stats.from_draws(joint.values["b"] - joint.values["a"])
    assert gap.value == pytest.approx(0.05)
    assert gap.se == pytest.approx(0, abs=1e-12)


def test_strata_are_drawn_apart_and_names_are_what_pairs() -> None:
    x = list(np.random.default_rng(3).random(30))
    names = [str(i) for i in range(30)]
    turned = shares(x[::-1], names=names[::-1])
    joint = stats.joint_bootstrap({"a": shares(x), "turned": turned, "other": shares(x, stratum="c")})
    np.testing.assert_allclose(joint.values["turned"], joint.values["a"])
    assert np.corrcoef(joint.values["a"][1:], joint.values["other"][1:])[0, 1] == pytest.approx(0, abs=0.08)


def test_same_seed_same_draws_whatever_else_is_drawn() -> None:
    x, y = [1.0, 0, 0, 1, 1], [0.0, 0, 1, 0, 1]
    alone = stats.joint_bootstrap({"a": shares(x)}, seed=5).values["a"]
    among = stats.joint_bootstrap({"z": shares(y, stratum="c"), "y": shares(y), "a": shares(x)}, seed=5).values["a"]
    np.testing.assert_array_equal(alone, among)
    assert not np.array_equal(alone, stats.joint_bootstrap({"a": shares(x)}, seed=6).values["a"])


def test_ratios_weigh_by_their_second_sum() -> None:
    # 1 of 1 and 1 of 3: 2/4, not the mean of the shares (2/3); 0 of 0 is undefined
    rows = np.array([[1.0, 1], [1, 3]])
    column = Column("b", np.array(["x", "y"]), rows, stats.ratio)
    assert stats.joint_bootstrap({"a": column}).values["a"][0] == 0.5
    assert math.isnan(stats.ratio(np.array([[0.0, 0.0]]))[0])


def test_odd_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="named twice"):
        stats.joint_bootstrap({"a": shares([1, 0], names=["x", "x"])})
    with pytest.raises(ValueError, match="rows of shape"):
        stats.joint_bootstrap({"a": shares([1, 0], names=["x"])})


def test_draws_as_an_estimate() -> None:
    got = stats.from_draws(np.array([5.0, *range(101)]))
    assert (got.value, got.low, got.high) == pytest.approx((5.0, 2.5, 97.5))  # the quantiles of 0 … 100
    assert got.se == pytest.approx(np.std(range(101), ddof=1))
    assert math.isnan(stats.from_draws(np.full(4, math.nan)).low)
    assert stats.from_draws(np.array([1.0, math.nan, 2.0, 4.0])).se == pytest.approx(math.sqrt(2))  # of 2 and 4


def test_sign_test_by_hand() -> None:
    # 1.96 standard errors above 0: one-sided p 0.025
    above, below = stats.sign_test(1.959964, 1.0)
    assert above == pytest.approx(0.025, abs=1e-6)
    assert below == pytest.approx(0.975, abs=1e-6)
    assert stats.sign_test(0.1, 0.0) == (0.0, 1.0)
    assert stats.sign_test(0.0, 0.0) == (1.0, 0.0)  # not above 0
    assert stats.sign_test(math.nan, 1.0) == (1.0, 1.0)


@pytest.mark.parametrize("problems", [40, 164])
def test_coverage_of_paired_differences(problems: int) -> None:
    # Two methods, 20 samples a problem, difficulty shared by both; b is better by 0.05 in truth.
    rng = np.random.default_rng(11)
    hits, runs = 0, 600
    for run in range(runs):
        hard = rng.beta(0.6, 0.8, problems) * 0.9
        a, b = rng.binomial(20, hard) / 20, rng.binomial(20, hard + 0.05) / 20
        joint = stats.joint_bootstrap({"a": shares(list(a)), "b": shares(list(b))}, resamples=600, seed=run)
        got = stats.from_draws(joint.values["b"] - joint.values["a"])
        hits += got.low <= 0.05 <= got.high
    assert 0.93 <= hits / runs <= 0.97


@pytest.mark.slow
@pytest.mark.smoke
@pytest.mark.parametrize("problems", [40, 164])
def test_coverage_of_a_mean_over_tasks_that_share_problems(problems: int) -> None:
    # Three tasks, 20 samples a problem, difficulty shared by all: Figure 1's means.
    rng = np.random.default_rng(14)
    hits, runs, easier = 0, 600, (0.0, 0.05, 0.1)
    for run in range(runs):
        hard = rng.beta(0.6, 0.8, problems) * 0.9
        columns = {more: shares(list(rng.binomial(20, hard + more) / 20)) for more in easier}
        joint = stats.joint_bootstrap(columns, resamples=600, seed=run)
        got = stats.from_draws(np.mean([joint.values[more] for more in easier], axis=0))
        hits += got.low <= 0.9 * 0.6 / 1.4 + 0.05 <= got.high
    assert 0.93 <= hits / runs <= 0.97


# --- several tests at once


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04 times 3, 2, 1: 0.03, 0.04, 0.04
    np.testing.assert_allclose(stats.holm([0.04, 0.01, 0.02]), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(stats.holm([0.5, 0.6]), [1.0, 1.0])
    np.testing.assert_allclose(stats.holm([0.01, math.nan, 0.04]), [0.02, math.nan, 0.04])  # NaN is no member
    assert stats.holm([]).shape == (0,)


def test_at_least_by_hand() -> None:
    p = [0.01, 0.02, 0.3]
    assert stats.at_least(3, p) == 0.3  # all: the weakest decides
    assert stats.at_least(2, p) == pytest.approx(0.04)  # (3 - 2 + 1) * 0.02
    assert stats.at_least(1, p) == pytest.approx(0.03)  # any: Bonferroni
    assert stats.at_least(1, [0.9, 0.8]) == 1.0
    for k in (0, 4):
        with pytest.raises(ValueError, match="between 1 and 3"):
            stats.at_least(k, p)


# --- ranks


def test_ranks_by_hand() -> None:
    draws = [[3.0, 2, 1], [3, 2, 1], [1, 2, 3], [2, 2, 1]]
    got = stats.ranks([3, 2, 1], draws)
    np.testing.assert_allclose(got.rank, [1, 2, 3])
    np.testing.assert_allclose(got.best, [(1 + 1 + 0 + 0.5) / 4, 0.5 / 4, 1 / 4])  # the fourth draw is a tie
    np.testing.assert_allclose(stats.ranks([3, 2, 1], draws, lower=True).rank, [3, 2, 1])
    assert np.isnan(stats.ranks([3, math.nan, 1], draws).best).all()
    undefined = [[math.nan, 2, 1], *draws]
    np.testing.assert_allclose(stats.ranks([3, 2, 1], undefined).best, got.best)  # that draw is left out
    assert np.isnan(stats.ranks([3, 2, 1], undefined[:1]).best).all()
    with pytest.raises(ValueError, match="must be"):
        stats.ranks([3, 2], draws)


def test_critical_difference_of_demsars_example() -> None:
    # Demšar 2006, section 3.2.2: 4 classifiers, 14 data sets: q_0.05 = 2.569, CD = 2.569 sqrt(4*5 / (6*14)) = 1.25
    scores = np.random.default_rng(0).random((14, 4))
    assert stats.critical_difference(scores).difference == pytest.approx(1.25, abs=0.005)


def test_average_ranks_and_friedman() -> None:
    # Two blocks agree on c > b > a, one turns a and b round: average ranks of a, b, c: 8/3, 7/3, 1.
    # Friedman: 12 n / (k (k+1)) * (sum R^2 - k (k+1)^2 / 4) = 3 * (64/9 + 49/9 + 1 - 12) = 14/3
    got = stats.critical_difference([[1, 2, 3], [1, 2, 3], [2, 1, 3], [math.nan, 1, 2]])
    np.testing.assert_allclose(got.average, [8 / 3, 7 / 3, 1])
    assert got.statistic == pytest.approx(14 / 3)
    assert got.p == pytest.approx(math.exp(-7 / 3))  # chi-square with 2 degrees of freedom: exp(-x/2)
    assert got.blocks == 3
    assert math.isnan(stats.critical_difference([[1, 2, 3]]).difference)


def test_cliques_by_hand() -> None:
    # ranks 1, 1.5, 2.2, 4: within 1.0: {0, 1}, {1, 2}; 4 stands alone
    assert stats.cliques([1, 1.5, 2.2, 4], 1.0) == [(0, 1), (1, 2)]
    assert stats.cliques([4, 1, 2.2, 1.5], 1.3) == [(1, 3, 2)]
    assert stats.cliques([1, 3, 5], 1.0) == []


# --- power laws


def test_power_law_by_hand() -> None:
    # y = 8 / x: log2 y = 3 - log2 x exactly
    law = stats.power_law([1, 2, 4], [8, 4, 2])
    assert law.scale == pytest.approx(8)
    assert law.exponent == pytest.approx(1)
    assert law.spread == pytest.approx(0, abs=1e-12)
    assert law.predict(8)[0] == pytest.approx(1)


def test_extrapolation_by_hand() -> None:
    # fitted to 8/x at 1, 2, 4 (given in another order), the largest size is observed at 1.25: 1 / 1.25 - 1 = -20%
    got = stats.extrapolate([8, 1, 4, 2], [1.25, 8, 2, 4])
    assert got.predicted == pytest.approx(1)
    assert got.error == pytest.approx(-0.2)
    assert got.carried == pytest.approx(0.6)  # 2 / 1.25 - 1


def test_prediction_interval_is_the_textbooks() -> None:
    x, y = np.array([1.0, 2, 4, 8, 16]), np.array([3.0, 2.7, 2.2, 2.1, 1.7])
    value, low, high = stats.power_law(x, y).predict(32.0)
    u, v = np.log(x), np.log(y)
    slope, intercept = np.polyfit(u, v, 1)
    s = math.sqrt(((v - intercept - slope * u) ** 2).sum() / 3)
    at = math.log(32)
    error = s * math.sqrt(1 + 1 / 5 + (at - u.mean()) ** 2 / ((u - u.mean()) ** 2).sum())
    half = scipy_stats.t.ppf(0.975, 3) * error
    centre = intercept + slope * at
    assert (value, low, high) == pytest.approx(tuple(math.exp(c) for c in (centre, centre - half, centre + half)))


def test_two_points_have_no_error_and_odd_input_is_refused() -> None:
    law = stats.power_law([1, 2], [2, 1])
    assert math.isnan(law.spread)
    assert math.isnan(law.predict(4)[1])
    for x, y in (([1, 1], [1, 2]), ([1], [1]), ([1, 2], [1, 0]), ([-1, 2], [1, 1]), ([1, 2, 3], [1, 2])):
        with pytest.raises(ValueError, match="power law"):
            stats.power_law(x, y)


def test_coverage_of_extrapolation() -> None:
    # Losses 3 x^-0.1 with 1% of noise at four sizes; the fourth predicted from three (one degree of freedom).
    rng = np.random.default_rng(4)
    x, hits, runs = np.array([1.0, 3, 7, 16]), 0, 3000
    for _ in range(runs):
        got = stats.extrapolate(x, 3 * x**-0.1 * np.exp(rng.normal(0, 0.01, 4)))
        hits += got.low <= got.observed <= got.high
    assert 0.93 <= hits / runs <= 0.97


# --- correlations known as numbers


def test_fisher_test_by_hand() -> None:
    # Pearson 0.5 of 28 pairs: atanh 0.5 = 0.5493, times sqrt(25) = 2.7465: one-sided p 0.00301
    found = stats.known_correlation("pearson", 0.5, 28)
    assert stats.fisher_test(found)[0] == pytest.approx(0.00301, abs=2e-5)
    assert stats.fisher_test(found, 0.5) == pytest.approx((0.5, 0.5))
    assert found.low == pytest.approx(math.tanh(0.5493061 - 1.959964 / 5))
    assert stats.fisher_test(stats.known_correlation("pearson", math.nan, 28)) == (1.0, 1.0)


def test_fisher_difference_by_hand() -> None:
    # 0.5 against 0 with 28 pairs each: 0.5493 / sqrt(2/25) = 1.942: one-sided p 0.02606
    one, other = (stats.known_correlation("pearson", value, 28) for value in (0.5, 0.0))
    assert stats.fisher_difference(one, other)[0] == pytest.approx(0.02606, abs=5e-5)
    assert stats.fisher_difference(other, one)[0] == pytest.approx(1 - 0.02606, abs=5e-5)
