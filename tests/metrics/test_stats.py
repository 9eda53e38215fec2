"""Intervals cover what they claim, agree with SciPy where both apply, and repeat with their seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from astraios_utils.metrics import stats
from astraios_utils.metrics.stats import Estimate


def test_clustered_mean_by_hand() -> None:
    # Clusters {1, 1}, {0, 0}, {1, 0}: mean 1/2, residual sums 1, -1, 0. SE^2 = 3/2 * (1 + 1 + 0) / 36 = 1/12.
    got = stats.clustered_mean([1, 1, 0, 0, 1, 0], ["a", "a", "b", "b", "c", "c"])
    assert got.value == 0.5
    assert got.se == pytest.approx(math.sqrt(1 / 12))
    assert (got.n, got.clusters) == (6, 3)
    # t(2 degrees of freedom, .975) = 4.302653
    assert got.high - got.value == pytest.approx(4.302653 * math.sqrt(1 / 12))


def test_one_value_per_cluster_is_the_standard_error_of_the_mean() -> None:
    x = np.random.default_rng(1).normal(size=30)
    got = stats.clustered_mean(x)
    assert got.se == pytest.approx(scipy_stats.sem(x))
    assert (got.low, got.high) == pytest.approx(scipy_stats.t.interval(0.95, 29, x.mean(), scipy_stats.sem(x)))


def test_repeating_samples_of_a_cluster_adds_no_certainty() -> None:
    x = np.array([0.0, 1, 1, 0, 1, 0, 0])
    once = stats.clustered_mean(x)
    twenty = stats.clustered_mean(np.repeat(x, 20), np.repeat(np.arange(7), 20))
    assert twenty.se == pytest.approx(once.se)


@pytest.mark.parametrize(("solved", "problems"), [(0, 164), (1, 164), (28, 164), (164, 164), (3, 7), (1, 1)])
def test_binary_shares_get_wilsons_interval(solved: int, problems: int) -> None:
    got = stats.clustered_mean([1.0] * solved + [0.0] * (problems - solved), share=True)
    expected = scipy_stats.binomtest(solved, problems).proportion_ci(method="wilson")
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_share_interval_keeps_to_the_unit_interval() -> None:
    got = stats.clustered_mean([0.0] * 160 + [0.05] * 4, n=3280, share=True)
    assert 0 < got.low < got.value < got.high < 1
    same = stats.clustered_mean([0.5] * 10, n=200, share=True)  # nothing varies: at most n independent samples
    assert same.se == 0
    assert same.low == pytest.approx(stats.wilson(0.5, 200, 2.262157)[0], abs=1e-6)  # t(9, .975) = 2.262157


def test_undefined_is_nan() -> None:
    assert math.isnan(stats.clustered_mean([]).value)
    assert math.isnan(stats.clustered_mean([0.5, math.nan]).value)
    lonely = stats.clustered_mean([0.3])
    assert lonely.value == 0.3
    assert all(math.isnan(v) for v in (lonely.se, lonely.low, lonely.high))
    assert math.isnan(stats.clustered_mean([0.3], share=True).low)
    assert math.isnan(stats.cluster_bootstrap(np.empty((0, 2)), lambda s: s[:, 0]).value)
    assert math.isnan(stats.cluster_bootstrap([[1.0]], lambda s: s[:, 0]).se)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="both must be"):
        stats.clustered_mean([1, 2], ["a"])
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.clustered_mean([1, 2], share=True)
    with pytest.raises(ValueError, match="clusters, features"):
        stats.cluster_bootstrap([1.0, 2.0], lambda s: s)
    with pytest.raises(ValueError, match="both must be"):
        stats.correlation([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="unknown coefficient"):
        stats.correlation([1, 2, 3], [1, 2, 3], "tau")  # type: ignore[arg-type]


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sums[:, 0] / sums[:, 1]


def test_bootstrap_agrees_with_scipys_bca() -> None:
    rng = np.random.default_rng(2)
    x = rng.exponential(size=60)
    rows = np.column_stack([x, np.ones(60)])
    ours = stats.cluster_bootstrap(rows, _ratio, resamples=20000, seed=3)
    theirs = scipy_stats.bootstrap((x,), np.mean, n_resamples=20000, method="BCa", rng=np.random.default_rng(4))
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.value == pytest.approx(x.mean())
    assert ours.se == pytest.approx(theirs.standard_error, rel=0.05)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.05 * width)


def test_same_seed_same_interval_whatever_the_order() -> None:
    rows = np.random.default_rng(5).integers(0, 2, size=(50, 3)).astype(float)
    first = stats.cluster_bootstrap(rows, _ratio, seed=7)
    assert stats.cluster_bootstrap(rows[::-1], _ratio, seed=7) == first
    assert stats.cluster_bootstrap(rows, _ratio, seed=8).se != first.se


def test_undefined_resamples_are_left_out() -> None:
    rows = np.array([[1.0, 1.0], [0.0, 0.0]])  # a quarter of the resamples holds the second row only: 0/0
    got = stats.cluster_bootstrap(rows, _ratio, seed=1)
    assert (got.value, got.low, got.high) == (1.0, 1.0, 1.0)


def test_estimates_scale() -> None:
    assert Estimate(0.5, 0.1, 0.3, 0.7, 10, 5, 0.01).scaled(100) == Estimate(50, 10, 30, 70, 10, 5, 100)


def test_correlations_by_hand() -> None:
    x, y = [1, 2, 3, 4, 5], [2, 1, 4, 3, 5]
    # 8 of 10 pairs agree, 2 do not: tau = .6; rank differences 1, 1, 1, 1, 0: rho = 1 - 6*4/120 = .8 = r.
    assert stats.correlation(x, y, "kendall").value == pytest.approx(0.6)
    assert stats.correlation(x, y, "spearman").value == pytest.approx(0.8)
    pearson = stats.correlation(x, y, "pearson")
    expected = scipy_stats.pearsonr(x, y)
    assert pearson.value == pytest.approx(0.8)
    assert pearson.p == pytest.approx(expected.pvalue)
    assert (pearson.low, pearson.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_correlation_edges() -> None:
    assert math.isnan(stats.correlation([1, 2, math.nan], [1, 2, 3]).value)  # two pairs are left
    assert math.isnan(stats.correlation([1, 1, 1, 1], [1, 2, 3, 4]).value)
    assert math.isnan(stats.correlation([1, 2, 3, 4], [1, 3, 2, 4]).low)  # too few for an interval
    perfect = stats.correlation(range(6), range(6))
    # |tau| = 1 is not certain: the lower end is that of one exchanged pair, tau = 1 - 4 / 30
    low = math.tanh(math.atanh(1 - 4 / 30) - 1.959964 * math.sqrt(0.437 / 2))
    assert (perfect.value, perfect.low, perfect.high, perfect.n) == pytest.approx((1.0, low, 1.0, 6))


@pytest.mark.parametrize(
    ("value", "published", "digits", "same"),
    [
        (44.1537, 44.15, 2, True),
        (44.1450001, 44.15, 2, True),
        (32.4695, 32.46, 2, True),  # cut short in print, as 1065/3280 would be
        (32.46, 32.47, 2, False),  # but never rounded up
        (44.14, 44.15, 2, False),
        (85.94, 85.9, 1, True),
    ],
)
def test_the_same_digits(value: float, published: float, digits: int, same: bool) -> None:
    assert stats.same_digits(value, published, digits) is same


def test_disagreement_by_hand() -> None:
    # v = 0.09 (decoding SD 0.3 points): z = 1 / sqrt(2 * 0.09 + 0.01^2 / 12) = 2.357, two-sided p 0.0184
    z, p = stats.disagreement(1.0, 0.09)
    assert (z, p) == (pytest.approx(2.357, abs=1e-3), pytest.approx(0.0184, abs=1e-4))
    assert stats.disagreement(1.0, 0.0)[0] > 100  # greedy: only rounding is left
    assert stats.disagreement(1.0, 0.09, training=2.0)[0] == pytest.approx(1 / math.sqrt(0.18 + 4), abs=1e-4)
    assert all(math.isnan(v) for v in stats.disagreement(1.0, 0.09, training=math.nan))
    # within half a point, shown: 0.1 + 1.645 * 0.1 = 0.26; not shown: 0.1 + 1.645 * 0.5 = 0.92
    assert stats.equivalent(0.1, 1.0)
    assert not stats.equivalent(0.1, 0.2)
    assert not stats.equivalent(0.1, math.nan)


def test_the_design_effect_of_a_rare_share_by_hand() -> None:
    # 4 of 164 problems have one of 20 samples that passes. q = 4/164: kurtosis (1 - 3 q (1 - q)) / (q (1 - q)) =
    # 39.026, v = 2 * 164 / 38.026 = 8.626. d = .05^2 q (1 - q) / (p (1 - p)) = .048840 with p = .05 q, moderated
    # (8.626 * .048840 + .2) / 8.826 = .070394: 164 / .070394 = 2329.7 effective samples, Student's with 8.826.
    rare = stats.clustered_mean([0.05] * 4 + [0.0] * 160, n=3280, share=True)
    low, high = stats.wilson(0.2 / 164, 2329.7, float(scipy_stats.t.ppf(0.975, 8.826)))
    assert (rare.low, rare.high) == pytest.approx((low, high), rel=1e-3)


def test_a_first_event_says_little_of_how_samples_agree() -> None:
    # None of 25 problems solved: nothing is known of how samples agree, so the problems count, 3.84 / 28.84. One sample
    # of 500 that passes says a little of it; taken at its word, without moderation, it would bring the end to .036.
    never = stats.clustered_mean([0.0] * 25, n=500, share=True)
    once = stats.clustered_mean([0.05] + [0.0] * 24, n=500, share=True)
    assert never.high == pytest.approx(3.8415 / 28.8415, abs=1e-4)
    assert 0.45 * never.high < once.high < never.high
    # no program insecure among valid ones, of which scenarios have different numbers: again the scenarios count
    assert stats.clustered_ratio([[0, 20], [0, 3], [0, 11]], n=34).high == pytest.approx(3.8415 / 6.8415, abs=1e-4)


def _coverage(problems: int, a: float, b: float, share: bool) -> float:
    """How often the interval holds the truth: problem by problem a Beta(a, b) chance, 20 samples; mean a / (a + b)."""
    rng = np.random.default_rng(10)
    hits = 0
    for _ in range(2000):
        solved = rng.binomial(20, rng.beta(a, b, size=problems)) / 20
        got = stats.clustered_mean(solved, n=20 * problems, share=share)
        hits += got.low <= a / (a + b) <= got.high
    return hits / 2000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problems", "a", "b"),
    [pytest.param(25, 0.3, 0.9, marks=pytest.mark.smoke), (25, 2, 2), (164, 0.3, 0.9), (164, 0.1, 1.5), (164, 2, 2)],
)
def test_coverage_of_clustered_shares(problems: int, a: float, b: float) -> None:
    assert 0.93 <= _coverage(problems, a, b, share=True) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problems", "a", "b"), [(25, 0.1, 1.5), (164, 0.02, 1.98), (25, 0.06, 2.44), (25, 0.4, 16.3), (40, 9.7, 0.3)]
)
def test_coverage_of_rare_shares(problems: int, a: float, b: float) -> None:
    # Few problems are ever solved: Student's interval is deceived, a moderated design effect is not.
    assert _coverage(problems, a, b, share=False) < 0.93
    assert 0.93 <= _coverage(problems, a, b, share=True) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("scenarios", [14, 40])
def test_coverage_of_insecure_rates(scenarios: int) -> None:
    # Of 20 programs a scenario some are valid, and of these some insecure: Table 5's rate is over all valid ones.
    rng = np.random.default_rng(14)
    hits, runs, truth = 0, 1000, 0.4 / 1.2
    for _ in range(runs):
        valid = rng.binomial(20, rng.beta(8, 1, scenarios))
        insecure = rng.binomial(valid, rng.beta(0.4, 0.8, scenarios))
        hit = np.concatenate([np.arange(n) < k for k, n in zip(insecure, valid, strict=True)])
        got = stats.clustered_mean(hit.astype(float), np.repeat(np.arange(scenarios), valid), share=True)
        hits += got.low <= truth <= got.high
    assert 0.93 <= hits / runs <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("coefficient", ["kendall", "pearson", "spearman"])
def test_coverage_of_correlations(coefficient: stats.Coefficient) -> None:
    rho = 0.5  # of a bivariate normal: tau = 2/pi asin(rho), Spearman's 6/pi asin(rho/2)
    truth = {
        "kendall": 2 / math.pi * math.asin(rho),
        "pearson": rho,
        "spearman": 6 / math.pi * math.asin(rho / 2),
    }[coefficient]
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(2000):
        x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=28).T
        got = stats.correlation(x, y, coefficient)
        hits += got.low <= truth <= got.high
    assert 0.93 <= hits / 2000 <= 0.97
