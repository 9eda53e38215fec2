"""Final losses, their fit over sizes and their correlations, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from astraios_utils.training import losses


def log(size: str, method: str, train: dict[int, float], test: dict[int, float]) -> pd.DataFrame:
    rows = [("train", step, value) for step, value in train.items()] + [("test", s, v) for s, v in test.items()]
    frame = pd.DataFrame(rows, columns=["split", "step", "loss"])
    return frame.assign(size=size, method=method)


def test_final_losses_by_hand() -> None:
    # Train: steps 191 to 200 are the last ten: (2 + 3) / 2; test: the last one alone.
    own = log("1B", "LoRA", {190: 9.0, 191: 2.0, 200: 3.0}, {190: 5.0, 200: 1.5})
    assert losses.final(own, "train") == 2.5
    assert losses.final(own, "test") == 1.5
    assert math.isnan(losses.final(own[own["split"] == "train"], "test"))
    both = losses.finals(pd.concat([own, log("3B", "FFT", {1: 4.0}, {})]))
    assert both[["size", "method", "train"]].to_numpy().tolist() == [["1B", "LoRA", 2.5], ["3B", "FFT", 4.0]]
    assert math.isnan(both["test"].iloc[1])


def test_no_log_gives_no_rows() -> None:
    empty = pd.DataFrame(columns=["size", "method", "step", "split", "loss"])
    assert losses.finals(empty).empty


def test_extrapolation_of_methods_by_hand() -> None:
    # LoRA: 8 / x at 1, 2, 4, and 1.25 at 8 where 1 is predicted: -20%; FFT has two sizes only
    ends = pd.DataFrame(
        [
            ("a", "LoRA", 8.0),
            ("b", "LoRA", 4.0),
            ("c", "LoRA", 2.0),
            ("d", "LoRA", 1.25),
            ("a", "FFT", 3),
            ("b", "FFT", 2),
        ],
        columns=["size", "method", "test"],
    )
    parameters = pd.DataFrame({"size": list("abcd"), "parameters": [1, 2, 4, 8]})
    found = losses.extrapolations(ends, parameters)
    assert found["method"].tolist() == ["LoRA"]
    row = found.iloc[0]
    assert (row["predicted"], row["error"], row["naive"]) == pytest.approx((1.0, -20.0, 60.0))


def test_correlations_take_lower_losses_as_better() -> None:
    ends = pd.DataFrame({"size": ["a"] * 3, "method": list("xyz"), "train": [3.0, 2, 1], "test": [1.0, 2, 3]})
    other = pd.DataFrame({"size": ["a"] * 3, "method": list("xyz"), "performance": [10.0, 20, 30]})
    found = losses.correlations(ends, other, "performance").set_index(["size", "loss", "coefficient"])["value"]
    assert found["a", "train", "kendall"] == pytest.approx(1)  # lower train losses go with better performance
    assert found["overall", "test", "spearman"] == pytest.approx(-1)
