"""What a design can detect, both ways; and two methods compared problem by problem."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from astraios_utils import schema
from astraios_utils.metrics import stats
from astraios_utils.results import claims, power

SUITE = schema.Suite(name="own", title="", sizes=("1B",), methods=("LoRA", "FFT"), tasks=("synthesize-python",))


def _evidence(problems: int = 100, better: int = 10, seeds: int = 1) -> claims.Evidence:
    """LoRA solves the first half of the problems, FFT that and ``better`` more; seeds differ by one problem."""

    def frame(solved: int) -> pd.DataFrame:
        rows = [(str(i), "", 0, "passed" if i < solved else "failed", "") for i in range(problems)]
        return pd.DataFrame(rows, columns=["problem", "variant", "sample", "status", "detail"])

    def source(extra: int):  # type: ignore[no-untyped-def]
        return lambda _, model: (frame(problems // 2 + extra + (better if model.method == "FFT" else 0)), "here")

    return claims.measured(SUITE, [source(seed) for seed in range(seeds)], resamples=1000)


def test_a_comparison_by_hand() -> None:
    found = power.versus(_evidence(), "FFT", "LoRA").set_index("measure").loc["synthesize-python"]
    assert found["value"] == 10
    assert (found["wins"], found["ties"], found["losses"]) == (10, 90, 0)
    # differences 1 on 10 of 100 problems: SE = sqrt(.1 * .9 / 99) = 3.02 points, and twice half a squared point
    half = 1.96 * math.sqrt(3.02**2 + 1)
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.1)
    assert found["p_holm"] == pytest.approx(found["p"])  # one row, one test


def test_only_the_tasks_asked_for_are_compared() -> None:
    found = power.versus(_evidence(), "FFT", "LoRA", tasks=["synthesize-python"])
    assert list(found["measure"]) == ["synthesize-python"]
    with pytest.raises(schema.BadInput, match="no task that both"):
        power.versus(_evidence(), "FFT", "LoRA", tasks=["defect"])


def test_every_two_methods_are_compared_once() -> None:
    couples = itertools.combinations(("LoRA", "FFT", "AdapterH"), 2)
    found = power.pairs(_evidence(), couples)  # AdapterH has answered nothing
    assert set(zip(found["first"], found["second"], strict=True)) == {("LoRA", "FFT")}
    row = found.set_index("measure").loc["synthesize-python"]
    assert (row["value"], row["wins"], row["losses"]) == (-10, 0, 10)
    nothing = power.pairs(_evidence(), [("FFT", "AdapterH")])
    assert nothing.empty
    assert {"first", "second", "size"} <= set(nothing)


def test_nothing_in_common_is_one_line() -> None:
    with pytest.raises(schema.BadInput, match="no task that both FFT and AdapterH"):
        power.versus(_evidence(), "FFT", "AdapterH")


def test_detectable_differences() -> None:
    evidence = _evidence()
    row = power.table(evidence, difference=5.0).set_index("measure").loc["synthesize-python"]
    assert row["detectable"] == pytest.approx(stats.detectable(row["se"]))
    assert row["power"] == pytest.approx(stats.power_of(5.0, row["se"]))
    assert math.isnan(row["training_sd"])
    assert math.isnan(row["seeds_needed"])  # one training run says nothing about training noise
    # at that many problems, 5 points are found with 80% power: SE^2 falls with their number
    wanted = (row["se"] * row["detectable"] / 5 / row["detectable"] * 1) ** 2
    assert row["problems_needed"] == pytest.approx(100 * (row["detectable"] / 5) ** 2, abs=1.5)
    assert wanted < row["se"] ** 2


def test_seeds_bring_training_noise_in() -> None:
    row = power.table(_evidence(seeds=3)).set_index("measure").loc["synthesize-python"]
    assert row["seeds"] == 3
    assert row["training_sd"] > 0.5  # seeds are 0, 1 and 2 points apart: SD 1, minus what problems explain
    assert np.isfinite(row["seeds_needed"])
    lines = power.text(power.table(_evidence(seeds=3)), "the method")
    assert "3 training run(s): 80% power at" in lines
