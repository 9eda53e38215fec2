"""Rank correlations of methods between two bodies of evidence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from astraios_utils.results import prediction
from astraios_utils.results.claims import Evidence

METHODS = ("a", "b", "c", "d")


def _evidence(scores: Mapping[str, float], error: float, sizes: tuple[str, ...] = ("1", "2")) -> Evidence:
    rng = np.random.default_rng(0)
    held = {
        ("defect", "accuracy", size, method): np.concatenate(([value], value + error * rng.standard_normal(400)))
        for size in sizes
        for method, value in scores.items()
    }
    return Evidence("x", sizes, held, {}, pd.DataFrame(), pd.DataFrame())


def test_the_same_order_and_its_opposite() -> None:
    one = _evidence({"a": 10, "b": 20, "c": 30, "d": 40}, 0.1)
    (same,) = prediction.table(one, one, METHODS, ["defect"]).to_dict("records")
    assert (same["tau"], same["low"], same["high"], same["methods"]) == (1, 1, 1, 4)
    assert same["p"] == pytest.approx(2 / 24)  # two of the 24 orders agree or disagree so much
    other = _evidence({"a": 40, "b": 30, "c": 20, "d": 10}, 0.1)
    assert prediction.table(one, other, METHODS, ["defect"])["tau"].tolist() == [-1]


def test_errors_as_large_as_the_differences_leave_the_order_open() -> None:
    one, other = (
        _evidence({"a": 10, "b": 11, "c": 12, "d": 13}, 0.1),
        _evidence({"a": 10, "b": 11, "c": 12, "d": 13}, 9),
    )
    (row,) = prediction.table(one, other, METHODS, ["defect"]).to_dict("records")
    assert row["tau"] == 1
    assert row["low"] < 0


def test_measures_that_one_side_does_not_have_are_left_out() -> None:
    one = _evidence({"a": 10, "b": 20, "c": 30}, 1)
    assert prediction.table(one, one, METHODS, ["clone", "defect"])["measure"].tolist() == ["defect"]
    assert prediction.table(one, _evidence({"a": 1, "b": 2}, 1), METHODS, ["defect"]).empty
