"""What tuning changed: paired differences from a reference method, the README's table, agreement of tasks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astraios_utils import schema
from astraios_utils.metrics.likelihoods import Likelihood, encode
from astraios_utils.results import against

SUITE = schema.Suite(
    name="mine",
    title="Mine",
    sizes=("S",),
    methods=("FFT", "LoRA", "(IA)3", "Prompt"),
    tasks=("nll-python", "synthesize-python"),
)
NATS = {"FFT": 10.0, "LoRA": 9.0, "(IA)3": 10.5}  # Prompt was not run
PROBLEMS = 30


def _likelihoods(method: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)  # the same problems: their difficulty is shared by all methods
    hard = rng.normal(0, 3, PROBLEMS)
    own = np.random.default_rng(len(method)).normal(0, 0.1, PROBLEMS)
    lines = [encode([Likelihood(float(20 + h + NATS[method] + o), 5, 20)]) for h, o in zip(hard, own, strict=True)]
    return pd.DataFrame({"problem": [str(i) for i in range(PROBLEMS)], "status": "measured", "detail": lines})


def _passes(method: str) -> pd.DataFrame:
    passed = {"FFT": 6, "LoRA": 20, "(IA)3": 6}[method]
    status = ["passed" if i < passed else "failed" for i in range(PROBLEMS)]
    return pd.DataFrame({"problem": [str(i) for i in range(PROBLEMS)], "status": status, "detail": ""})


def found(task: str, model: schema.Model) -> pd.DataFrame | None:
    if model.method not in NATS:
        return None
    return _likelihoods(model.method) if task == "nll-python" else _passes(model.method)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return against.table(SUITE, found, "FFT")


def test_differences_are_paired_and_have_a_direction(frame: pd.DataFrame) -> None:
    rows: Any = frame.set_index(["task", "method"])
    bits = rows.loc["nll-python"]
    # LoRA: 1 nat less per text of 20 bytes, up to the noise of 0.1 nats: 1 / 20 / ln 2 = 0.0721 bits per byte.
    assert bits.loc["LoRA", "difference"] == pytest.approx(-1 / 20 / math.log(2), abs=0.004)
    assert list(bits.loc[["LoRA", "(IA)3"], "status"]) == ["better", "worse"]  # fewer bits are better
    # The problems differ by 3 nats, 0.2 bits per byte; unpaired, a difference of 0.04 would be lost in that.
    gap = bits.loc["(IA)3"]
    assert gap["difference_high"] - gap["difference_low"] < 0.01 < gap["high"] - gap["low"]
    passed = rows.loc["synthesize-python"]
    assert passed.loc["LoRA", "difference"] == pytest.approx(100 * 14 / 30)
    assert passed.loc["LoRA", "status"] == "better"


def test_a_mean_of_shares_gives_students_test(frame: pd.DataFrame) -> None:
    row: Any = frame.set_index(["task", "method"]).loc[("synthesize-python", "LoRA")]
    gap = np.array([1.0] * 14 + [0.0] * 16)  # 6 pass under both, 14 under LoRA alone
    from scipy.stats import ttest_1samp

    assert row["p"] == pytest.approx(ttest_1samp(gap, 0).pvalue)
    assert row["p_holm"] >= row["p"]


def test_equal_answers_prove_nothing_and_what_is_missing_is_shown(frame: pd.DataFrame) -> None:
    rows: Any = frame.set_index(["task", "method"])
    same = rows.loc[("synthesize-python", "(IA)3")]
    assert (same["difference"], same["p"], same["status"]) == (0, 1, "undecided")
    assert set(rows.loc[(slice(None), "Prompt"), "status"]) == {"missing"}


def test_the_markdown_table(frame: pd.DataFrame) -> None:
    lines = against.markdown(frame, "FFT").splitlines()
    assert lines[0] == "| method | `nll-python`, bits/byte | `synthesize-python`, pass@1 |"
    assert len(lines) == 2 + 3  # Prompt has no row: nothing of it was run
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| FFT", "| LoRA", "| (IA)3"]
    assert "(**-0.07" in lines[3]
    assert "66.7 (**+46.7**)" in lines[3]
    assert " to " in lines[2]


def test_agreement_of_tasks_is_taus_mean_over_sizes_with_an_interval() -> None:
    made = against.agreement(SUITE, found, SUITE.tasks)
    assert list(made.columns) == list(against.AGREEMENT)
    # By bits LoRA < FFT < (IA)3, by passes LoRA > FFT = (IA)3: two of three pairs agree, the third is a tie.
    assert made["tau"][0] == pytest.approx(2 / math.sqrt(3 * 2))
    assert made["methods"][0] == 3
    assert made["low"][0] <= made["tau"][0] <= made["high"][0]
    assert against.agreement(SUITE, found, SUITE.tasks, leave_out=["FFT"]).empty


def test_tau_is_scipys() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 4, (6, 5)).astype(float), rng.integers(0, 4, (6, 5)).astype(float)
    expected = [kendalltau(a, b).statistic for a, b in zip(x.T, y.T, strict=True)]
    assert against._tau(x, y) == pytest.approx(expected, nan_ok=True)
