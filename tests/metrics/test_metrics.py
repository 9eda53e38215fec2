"""Metrics against enumeration, hand-made cases and, for their intervals, simulation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from astraios_utils import schema
from astraios_utils.metrics import scores, stats


def _frame(rows: Iterable[tuple[str, str, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["problem", "variant", "sample", "status"]).assign(detail="")


def _classes(pairs: Iterable[tuple[int, int]]) -> pd.DataFrame:
    rows = [
        (str(i), "", 0, "passed" if t == p else "invalid" if p == -1 else "failed", f"label={t} prediction={p}")
        for i, (t, p) in enumerate(pairs)
    ]
    return pd.DataFrame(rows, columns=["problem", "variant", "sample", "status", "detail"])


def test_statuses_are_the_schemas() -> None:
    assert scores.STATUSES == schema.STATUSES


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_pass_at_k_is_the_share_of_draws_with_a_correct_sample(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
        assert scores.pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-15)


def test_pass_at_k_is_exact_and_vectorised() -> None:
    got = scores.pass_at_k([[20, 20], [20, 200]], [[0, 20], [7, 1]], 1)
    assert got.tolist() == [[0.0, 1.0], [0.35, 0.005]]
    # C(199, 100)/C(200, 100) = 1/2 exactly, where products of floats are off.
    assert scores.pass_at_k(200, 1, 100) == 0.5
    assert scores.pass_at_k([], [], 1).shape == (0,)


def test_pass_at_k_edges() -> None:
    assert math.isnan(scores.pass_at_k(5, 2, 6))
    for n, c, k in ((5, 6, 1), (5, -1, 1), (5, 1, 0)):
        with pytest.raises(ValueError, match=r"k >= 1|between 0 and n"):
            scores.pass_at_k(n, c, k)


def test_robust_pass_at_k_needs_every_seed() -> None:
    passed = np.array(
        [
            [[1, 1], [1, 1]],  # both samples pass both seeds
            [[1, 0], [0, 1]],  # each sample fails a seed: none is robust, although each seed is solved once
            [[1, 0], [1, 0]],  # the first sample is robust
        ]
    )
    assert scores.robust_pass_at_k(passed, 1).tolist() == [1.0, 0.0, 0.5]
    assert scores.robust_pass_at_k(passed, 2).tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="problems, seeds, samples"):
        scores.robust_pass_at_k([[1, 0]], 1)


def test_rc_at_k_reproduces_a_row_of_table_4() -> None:
    # 1B LoRA: nominal 28/164 = 17.07; RP@1 28.05, 12.80, 8.54, 10.98 -> RC@1 10.98, 4.27, 8.54, 6.10 (Table 4).
    got = scores.rc_at_k(100 * 28 / 164, [28.05, 12.80, 8.54, 10.98, math.nan])
    assert got[:4] == pytest.approx([10.98, 4.27, 8.54, 6.10], abs=0.011)
    assert math.isnan(got[4])


# truth, prediction: 3 right and 1 wrong of class 0, 1 right, 1 wrong and 2 unparsable of class 1.
TRUTH = [0, 0, 0, 0, 1, 1, 1, 1]
ANSWER = [0, 0, 0, 1, 1, 0, -1, -1]


def test_classification_by_hand() -> None:
    assert scores.confusion(TRUTH, ANSWER).tolist() == [[3, 1, 0], [1, 1, 2]]
    assert scores.accuracy(TRUTH, ANSWER) == 0.5
    # F1 of class 0: 2*3/(4 true + 4 predicted) = 3/4; of class 1: 2*1/(4 + 2) = 1/3; unparsable: 0.
    assert scores.f1(TRUTH, ANSWER, "macro") == pytest.approx((3 / 4 + 1 / 3 + 0) / 3)
    assert scores.f1(TRUTH, ANSWER, "real") == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert scores.f1(TRUTH, ANSWER, "positive") == pytest.approx(1 / 3)
    assert scores.f1([0, 0, 1], [0, 1, 1], "weighted") == pytest.approx((2 * 2 / 3 + 1 * 2 / 3) / 3)


def test_macro_averages_only_classes_that_occur() -> None:
    assert scores.f1([0, 1], [0, 1], "macro") == 1.0  # no unparsable answer: two classes
    assert scores.f1([0, 0], [0, 0], "macro") == 1.0
    assert scores.f1([0, 1], [-1, -1], "macro") == 0.0


def test_f1_undefined_is_nan() -> None:
    assert math.isnan(scores.f1([0, 0], [0, 0], "positive"))  # class 1 neither true nor predicted
    assert math.isnan(scores.f1([0, 0], [0, -1], "real"))
    assert math.isnan(scores.f1([], [], "macro"))
    assert math.isnan(scores.f1([], [], "weighted"))
    assert math.isnan(scores.accuracy([], []))
    assert scores.f1([0, 0], [0, 0], "weighted") == 1.0  # class 1 has no weight
    with pytest.raises(ValueError, match="unknown average"):
        scores.f1([0], [0], "micro")
    with pytest.raises(ValueError, match="labels are 0 or 1"):
        scores.f1([2], [0])
    with pytest.raises(ValueError, match="both must be"):
        scores.f1([0, 1], [0])


def test_summarise_pass() -> None:
    # Problem a: 2 of 4, b: 0 of 4, c: 4 of 4 -> pass@1 = (50 + 0 + 100)/3 = 50, SE = 50/sqrt(3).
    rows = [(p, "", s, "passed" if s < c else "error") for p, c in (("a", 2), ("b", 0), ("c", 4)) for s in range(4)]
    got = scores.summarise("pass", _frame(rows))
    assert list(got) == ["pass@1"]  # 5 samples are not there
    assert got["pass@1"].value == 50
    assert got["pass@1"].se == pytest.approx(50 / math.sqrt(3))
    assert (got["pass@1"].n, got["pass@1"].clusters) == (12, 3)
    # Of 4 samples with 2 correct, 5 of 6 pairs hold a correct one.
    keys = scores.summarise(["pass@1", "pass@2", "pass@10"], _frame(rows))
    assert keys["pass@2"].value == pytest.approx(100 * (5 / 6 + 0 + 1) / 3)
    assert math.isnan(keys["pass@10"].value)


def test_summarise_reports_every_k_that_there_are_samples_for() -> None:
    rows = [(p, "", s, "passed" if s == 0 else "timeout") for p in "ab" for s in range(20)]
    got = scores.summarise("pass", _frame(rows))
    # One correct sample of 20: pass@k = k/20.
    assert {key: e.value for key, e in got.items()} == {"pass@1": 5, "pass@5": 25, "pass@10": 50, "pass@20": 100}


def test_summarise_classification() -> None:
    got = scores.summarise(["f1", "accuracy", "valid"], _classes(zip(TRUTH, ANSWER, strict=True)))
    assert next(iter(got)) == "f1"
    assert got["f1"].value == pytest.approx(100 * (3 / 4 + 1 / 3) / 3)
    assert got["accuracy"].value == 50
    assert got["valid"].value == 75
    assert got["f1/positive"].value == pytest.approx(100 / 3)
    assert next(iter(scores.summarise("accuracy", _classes([(0, 0), (1, 0)])))) == "accuracy"
    assert got["f1"].low < got["f1"].value < got["f1"].high
    assert got["f1"].clusters == 8


def _recode() -> pd.DataFrame:
    """Four problems; ``easy`` (two seeds): a, b, c robust; ``hard`` (one seed): a only; plain prompts: a, b."""
    solved = {("easy", "s0"): "abcd", ("easy", "s1"): "abc", ("hard", "s0"): "a", ("nominal", "s0"): "ab"}
    return _frame(
        (problem, f"{name}/{seed}", 0, "passed" if problem in right else "failed")
        for (name, seed), right in solved.items()
        for problem in "abcd"
    )


def test_summarise_recode() -> None:
    got = scores.summarise("recode", _recode(), nominal=37.5)
    fitted = {key: got.pop(key) for key in ("rp@1/crossfit", "drop@1", "drop@1/nominal")}
    assert fitted["rp@1/crossfit"].value >= 25  # on some halves the two perturbations tie
    assert fitted["drop@1"].value == pytest.approx(37.5 - fitted["rp@1/crossfit"].value)
    assert fitted["drop@1/nominal"].value == pytest.approx(50 - fitted["rp@1/crossfit"].value)
    assert {key: e.value for key, e in got.items()} == {
        "rp@1": 25,  # the worst perturbation, not the mean
        "rp@1/mean": 50,
        "rp@1/easy": 75,  # d fails for one seed
        "rp@1/hard": 25,
        "rc@1": 12.5,
        "pass@1/nominal": 50,
        "rc@1/nominal": 25,
    }
    assert (got["rp@1"].low, got["rp@1"].se) == (fitted["rp@1/crossfit"].low, fitted["rp@1/crossfit"].se)
    assert got["rp@1/easy"].n == 8
    only = _recode().query("not variant.str.startswith('easy')")
    # one perturbation, paired: the drops are 0, 1, 0, 0 of four problems: SE = sqrt(.75/3/4) = 1/4
    assert scores.summarise("recode", only)["drop@1/nominal"].se == pytest.approx(25)


def test_recode_without_nominal_reports_no_change() -> None:
    plain = _recode().query("not variant.str.startswith('nominal')")
    assert set(scores.summarise("recode", plain)) == {
        "rp@1", "rp@1/crossfit", "rp@1/mean", "rp@1/easy", "rp@1/hard"
    }  # fmt: skip
    assert math.isnan(scores.summarise(["rp@1", "rc@1"], plain)["rc@1"].value)


def test_a_folded_change_has_no_interval_and_the_signed_drop_has_one() -> None:
    got = scores.summarise("recode", _recode(), nominal=25.0)
    assert got["rc@1"].value == 0
    assert all(math.isnan(v) for v in (got["rc@1"].se, got["rc@1"].low, got["rc@1"].high))
    assert got["drop@1"].low < 0 < got["drop@1"].high
    assert scores.summarise("recode", _recode(), nominal=10.0)["drop@1"].value < 0


def test_cross_fitting_is_unbiased_where_perturbations_tie_and_exact_where_one_is_clearly_worst() -> None:
    names = np.array([f"{i:03}" for i in range(100)])
    clear = np.tile([1.0, 0.0], (100, 1))
    assert scores.cross_fitted(clear, names).tolist() == [0.0] * 100
    rng = np.random.default_rng(0)
    tied = rng.random((200, 100, 5)) < 0.3  # five perturbations, all at 30%
    crossed = [scores.cross_fitted(table.astype(float), names).mean() for table in tied]
    least = [table.mean(axis=0).min() for table in tied]
    assert np.mean(crossed) == pytest.approx(0.3, abs=0.01)
    assert np.mean(least) < 0.26  # the minimum is biased downwards
    shuffled = rng.permutation(100)
    table = tied[0].astype(float)
    np.testing.assert_allclose(
        scores.cross_fitted(table[shuffled], names[shuffled]), scores.cross_fitted(table, names)[shuffled]
    )


def test_estimates_and_resampling_come_from_one_definition() -> None:
    # The joint bootstrap's first row is the estimate, for every metric of every kind.
    kinds = {"f1": _classes(zip(TRUTH, ANSWER, strict=True)), "recode": _recode()}
    for kind, frame in kinds.items():
        metrics = scores.definitions(kind, frame, nominal=37.5)
        estimates = scores.summarise(kind, frame, nominal=37.5)
        columns = {key: m.column("x", m.problems.to_numpy(dtype=str)) for key, m in metrics.items()}
        joint = stats.joint_bootstrap(columns, resamples=5)
        for key, metric in metrics.items():
            assert 100 * metric.value == pytest.approx(estimates[key].value, nan_ok=True)
            assert 100 * joint.values[key][0] == pytest.approx(estimates[key].value, nan_ok=True)


def test_decoding_noise_by_hand() -> None:
    # Two problems, 2 of 4 and 4 of 4 correct: sum c (n - c) / (n^2 (n - 1)) / m^2 = (2 * 2 / (16 * 3)) / 4 = 1/48.
    rows = [(p, "", s, "passed" if s < c else "error") for p, c in (("a", 2), ("b", 4)) for s in range(4)]
    assert scores.definitions("pass", _frame(rows))["pass@1"].noise == pytest.approx(1 / 48)
    # The same as a ratio of sums (secure or not), where every sample is valid.
    judged = [(p, v, s, "insecure" if status == "passed" else "secure") for p, v, s, status in rows]
    assert scores.definitions("insecure", _frame(judged))["insecure"].noise == pytest.approx(1 / 48)
    assert scores.definitions("accuracy", _classes([(0, 0), (1, 0)]))["accuracy"].noise == 0  # greedy


@pytest.mark.parametrize("kind", ["pass", "accuracy", "recode"])
def test_no_verdicts_no_value(kind: str) -> None:
    got = scores.summarise(kind, _frame([]))
    assert got
    assert all(math.isnan(e.value) and e.n == 0 for e in got.values())


def test_order_of_rows_does_not_matter_and_seeds_repeat() -> None:
    rng = np.random.default_rng(0)
    frame = _classes(zip(rng.integers(0, 2, 300), rng.integers(-1, 2, 300), strict=True))
    first = scores.summarise("f1", frame, seed=4)
    assert scores.summarise("f1", frame.sample(frac=1, random_state=1), seed=4) == first
    assert scores.summarise("f1", frame, seed=5)["f1"].se != first["f1"].se
    shuffled = _recode().sample(frac=1, random_state=2)
    assert scores.summarise("recode", shuffled, nominal=1.0) == scores.summarise("recode", _recode(), nominal=1.0)


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("rouge", {}, "no kind of metrics has rouge"),
        (["pass@1", "f1"], {}, "no kind of metrics has pass@1, f1"),
        ([], {}, "no key"),
        ("pass@0", {}, "no kind of metrics has pass@0"),
        ("pass", {"status": "skipped"}, "unknown status 'skipped'"),
        ("accuracy", {"detail": "label=1"}, "is not 'label="),
        ("accuracy", {"detail": "label=1 prediction=2"}, "is not 'label="),
        ("recode", {"variant": "plain"}, "variant 'plain'"),
        ("recode", {"variant": "easy/s0"}, "every problem needs every seed and sample once"),
    ],
)
def test_bad_verdicts_are_refused(what: str | list[str], change: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores.summarise(what, _recode().assign(**change))


def test_an_incomplete_perturbation_is_refused() -> None:
    with pytest.raises(ValueError, match="'hard' has 3 rows, but 4 problems x 1 seeds x 1 samples make 4"):
        scores.summarise("recode", _recode().query("variant != 'hard/s0' or problem != 'a'"))
    with pytest.raises(ValueError, match="have no column 'sample'"):
        scores.summarise("recode", _recode().drop(columns="sample"))


@pytest.mark.slow
@pytest.mark.parametrize(("invalid", "right"), [pytest.param(0.02, 0.9, marks=pytest.mark.smoke), (0.4, 0.6)])
def test_coverage_of_macro_f1(invalid: float, right: float) -> None:
    # As in clone detection: 274 positives, 1,726 negatives; answers are unparsable, right or wrong by chance.
    truth = np.repeat([1, 0], [274, 1726])
    cells = truth.size * np.array(
        [
            [0.863 * (1 - invalid) * right, 0.863 * (1 - invalid) * (1 - right), 0.863 * invalid],
            [0.137 * (1 - invalid) * (1 - right), 0.137 * (1 - invalid) * right, 0.137 * invalid],
        ]
    )
    f0 = 2 * cells[0, 0] / (cells[0].sum() + cells[:, 0].sum())
    f1 = 2 * cells[1, 1] / (cells[1].sum() + cells[:, 1].sum())
    rng = np.random.default_rng(12)
    hits = 0
    for _ in range(600):
        answer = np.where(rng.random(2000) < right, truth, 1 - truth)
        answer = np.where(rng.random(2000) < invalid, -1, answer)
        rows = scores.confusion(truth, answer)
        each = np.repeat(np.eye(6), rows.ravel().astype(int), axis=0)
        got = stats.cluster_bootstrap(each, scores._averaged("macro", rows.reshape(1, 6)), resamples=1000)
        hits += got.low <= (f0 + f1) / 3 <= got.high
    assert 0.93 <= hits / 600 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_coverage_of_the_worst_perturbation(spread: float) -> None:
    # Five perturbations of 164 problems, correlated through the problems' difficulty (0.95 on the normal scale).
    rng, names = np.random.default_rng(13), np.array([f"{i:03}" for i in range(164)])
    threshold = np.array([scipy_stats.norm.ppf(0.2 + spread * p / 4) for p in range(5)])
    hits = 0
    for _ in range(600):
        hardness = math.sqrt(0.95) * rng.normal(size=(164, 1)) + math.sqrt(0.05) * rng.normal(size=(164, 5))
        shares = scores.cross_fitted((hardness < threshold).astype(float), names)
        got = stats.clustered_mean(shares, share=True)
        hits += got.low <= 0.2 <= got.high
    assert 0.93 <= hits / 600 <= 0.97
