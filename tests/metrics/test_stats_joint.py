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
    assert stats.sign_test(0.1, 0.0) == (1.0, 1.0)  # a constant proves nothing
    assert stats.sign_test(0.0, 0.0) == (1.0, 1.0)  # nor does a tie of constants
    assert stats.sign_test(0.0, 1.0) == (0.5, 0.5)  # a tie with an error
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
@pytest.mark.parametrize("problems", [pytest.param(40, marks=pytest.mark.smoke), 164])
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


def test_redraws_of_equal_methods() -> None:
    middle, high = stats.redraw_null(7)
    assert 0.4 < middle < 0.5
    assert 0.7 < high < 0.82
    assert stats.redraw_null(2)[1] > high


def test_critical_range_with_independent_blocks_is_near_nemenyis() -> None:
    # Demšar 2006, section 3.2.2: 4 classifiers, 14 data sets: CD = 2.569 sqrt(4*5 / (6*14)) = 1.25
    scores = np.random.default_rng(0).random((14, 4))
    assert stats.critical_difference(scores).difference == pytest.approx(1.25, abs=0.08)


def test_blocks_that_share_models_need_a_wider_range() -> None:
    # 8 columns at each of 4 sizes that all rank alike: 4 independent blocks, not 32. 4 blocks of 7: CD 4.5.
    rng = np.random.default_rng(1)
    scores = np.repeat(rng.random((4, 7)), 8, axis=0)
    sizes = np.repeat(range(4), 8)
    grouped, alone = stats.critical_difference(scores, sizes), stats.critical_difference(scores)
    assert grouped.difference > 2 * alone.difference
    assert grouped.p > alone.p
    assert grouped.blocks == 32


def test_average_ranks_and_their_range() -> None:
    # Two blocks agree on c > b > a, one turns a and b round: average ranks of a, b, c: 8/3, 7/3, 1; range 5/3.
    got = stats.critical_difference([[1, 2, 3], [1, 2, 3], [2, 1, 3], [math.nan, 1, 2]])
    np.testing.assert_allclose(got.average, [8 / 3, 7 / 3, 1])
    assert got.range == pytest.approx(5 / 3)
    # c leads throughout (of 27 places of three blocks' first ranks, 3 agree) or another extreme: by enumeration 21/108
    assert 0.1 < got.p < 0.3
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
    assert got.naive == pytest.approx(0.6)  # 2 / 1.25 - 1


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


# --- associations within sizes


def test_association_by_enumeration() -> None:
    # One size, perfect order of 5: 1 of 120 permutations reaches tau 1, and the same order at two sizes is no more.
    x = np.arange(5.0)[None]
    assert stats.association(x, x).p_above == pytest.approx(1 / 120)
    two = stats.association(np.repeat(x, 2, axis=0), np.repeat(x, 2, axis=0))
    assert (two.value, two.p_above) == (1.0, pytest.approx(1 / 120))
    assert stats.association(x, -x).p_below == pytest.approx(1 / 120)
    assert stats.association(x, x).low < 1
    assert stats.association(x, np.full((1, 5), 2.0)).p_above == 1.0  # constant: not defined
    with pytest.raises(ValueError, match="sizes, methods"):
        stats.association([1.0, 2], [1.0, 2])


def test_association_with_a_threshold_uses_the_jackknife() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 7))
    found = stats.association(x, x + 0.1 * rng.standard_normal((4, 7)))
    above, below = found.against(0.5)
    assert above < 0.05 < below
    assert found.against(0.99)[0] > 0.05
    assert found.against(0.0) == (found.p_above, found.p_below)


def test_a_size_effect_alone_is_no_association() -> None:
    # x and y both grow with size, and have nothing to do with each other within sizes: pooled p is small, ours is not.
    rng = np.random.default_rng(5)
    hits = pooled = 0
    for _ in range(200):
        shift = np.arange(4)[:, None] * 1.5
        x, y = (shift + rng.standard_normal((4, 7)) for _ in range(2))
        hits += stats.association(x, y).p_above <= 0.05
        pooled += stats.correlation(x.ravel(), y.ravel()).p <= 0.1
    assert hits / 200 <= 0.09
    assert pooled / 200 > 0.5


def test_dependent_associations_are_exchanged() -> None:
    rng = np.random.default_rng(2)
    y = rng.standard_normal((4, 7))
    close, unrelated = y + 0.1 * rng.standard_normal((4, 7)), rng.standard_normal((4, 7))
    assert stats.stronger(close, unrelated, y).p_above <= 0.05
    assert stats.stronger(close, close, y).value == 0
    assert stats.stronger(close, close, y).p_above == 1.0
    # at most 2^7 = 128 exchanges, so that no p-value is smaller
    assert stats.stronger(close, unrelated, y).p_above >= 1 / 128


def test_concordance_of_sizes() -> None:
    assert stats.concordance(np.tile(np.arange(7.0), (4, 1))).value == 1.0
    assert stats.concordance(np.tile(np.arange(7.0), (4, 1))).p_above < 0.001
    assert stats.concordance(np.random.default_rng(0).random((4, 7))).p_above > 0.05
    # the first size is upside down: its three pairs have tau -1, the three others 1
    turned = np.stack([-np.arange(7.0), *[np.arange(7.0)] * 3])
    assert stats.concordance(turned).value == 0.0
    assert stats.concordance(turned, from_first=True).value == -1.0


# --- several comparisons at once, training noise, detectable differences


def test_max_t_is_no_larger_than_bonferroni_and_uses_what_comparisons_share() -> None:
    rng = np.random.default_rng(0)
    shared = np.tile(rng.standard_normal(20_000), (5, 1))
    apart = rng.standard_normal((5, 20_000))
    z = [2.0, 0, 0, 0, 0]  # one-sided p 0.02275
    assert stats.max_t(z, shared) == pytest.approx(0.02275, abs=0.004)  # five times the same comparison
    assert stats.max_t(z, apart) == pytest.approx(1 - (1 - 0.02275) ** 5, abs=0.006)


def test_replicates_are_widened() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([[5.0], 5 + rng.standard_normal(50_000)])
    # t(39, .95) / z(.95) = 1.685 / 1.645; and a step of 1 adds a variance of 1/2
    wide = stats.widened(values, 40, 0.0, np.random.default_rng(1))
    assert wide[1:].std() == pytest.approx(1.685 / 1.645, rel=0.01)
    assert stats.widened(values, 10**6, 1.0, np.random.default_rng(1))[1:].std() == pytest.approx(
        math.sqrt(1.5), rel=0.01
    )
    assert wide[0] == 5.0


def test_seed_effects_are_unbiased() -> None:
    # Problems and their interplay with seeds put 1 / 100 into a seed's mean; training itself 0.2^2.
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        y = 0.5 + rng.standard_normal(100) + 0.2 * rng.standard_normal((5, 1)) + rng.standard_normal((5, 100))
        effect = stats.seed_effect(y)
        found.append((effect.total - effect.within, effect.within))
    assert np.mean(found, axis=0) == pytest.approx([0.04, 0.01], rel=0.1)
    with pytest.raises(ValueError, match="two or more seeds"):
        stats.seed_effect(np.zeros((1, 10)))


def test_variances_are_moderated() -> None:
    alike, degrees = stats.moderated([1.0, 1.1, 0.9, 1.0], 4)  # as alike as they are, they share one variance
    np.testing.assert_allclose(alike, 1.0, rtol=0.01)
    assert degrees == 16
    apart, degrees = stats.moderated([0.001, 1.0, 1000.0, 30.0], 4)
    assert apart[0] < 1 < 100 < apart[2]
    assert degrees < 8
    assert stats.moderated([2.0], 4) == (np.array([2.0]), 4.0)


def test_detectable_differences_by_hand() -> None:
    # (1.95996 + 0.84162) SE = 2.80158 SE at 80% power, and back
    assert stats.detectable(1.0) == pytest.approx(2.80158, abs=1e-4)
    assert stats.power_of(2.80158, 1.0) == pytest.approx(0.8, abs=1e-4)
    design = stats.Design(problems=100, problem=400.0, decoding=1.0, training=8.0, seeds=2)
    assert design.se(new_problems=True) == pytest.approx(math.sqrt(4 + 4))
    assert design.se(new_problems=False) == pytest.approx(math.sqrt(1 + 4))
    # a difference of 2.80158 * 3: SE 3 allowed, 9 = 400 / m + 4: m = 80
    assert stats.problems_needed(design, 3 * 2.80158) == pytest.approx(80, abs=1)
    # and 9 = 1 + 8 / S: one seed
    assert stats.seeds_needed(design, 3.001 * 2.80158) == 1
    assert math.isinf(stats.problems_needed(design, 1.0))  # training noise alone is too large
    alone = stats.Design(problems=100, problem=400.0, decoding=1.0, training=math.nan)
    assert math.isnan(stats.seeds_needed(alone, 1.0))
