"""The comparison of many methods: ranks and sets from joint draws, controls, fronts, soft costs, rank correlations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astraios_utils import schema
from astraios_utils.results import comparison
from astraios_utils.results.claims.evidence import Evidence, empty_log
from astraios_utils.schema import Row, Suite

TASKS = ("synthesize-python", "defect", "aatk", "nll-python")
RESAMPLES = 300


def suite(names: list[str], **rows: Row) -> Suite:
    own = {name: {"peft_type": "LORA"} for name in names if name not in schema.ALL_METHODS and name != schema.UNTUNED}
    described = {name: rows.get(name, Row(family="f", source="s")) for name in names}
    return Suite(name="zoo", sizes=("S",), methods=tuple(names), tasks=TASKS, method_configs=own, rows=described)


def evidence(means: dict[str, float], error: float = 1.0, seed: int = 0) -> Evidence:
    """Scores with independent errors around these means; defect is 20 points lower, the others say nothing."""
    rng, found = np.random.default_rng(seed), {}
    for method, mean in means.items():
        for task, shift in (("synthesize-python", 0.0), ("defect", -20.0), ("aatk", -30.0), ("nll-python", -40.0)):
            draws = np.concatenate([[0.0], rng.normal(0, error, RESAMPLES)])
            found[(*comparison.column_of(task), "S", method)] = mean + shift + draws
    return Evidence("zoo", ("S",), found, {}, pd.DataFrame(columns=["size", "method"]), empty_log())


def test_the_mean_is_over_synthesis_and_defect_and_not_over_security_and_bits() -> None:
    means = {"LoRA": 60.0, "FFT": 50.0}
    table = comparison.board(comparison.scores(evidence(means), suite(list(means)))).set_index("method")
    assert table.loc["LoRA", "mean"] == pytest.approx(50.0)  # (60 + 40) / 2
    assert table.loc["LoRA", "aatk"] == pytest.approx(30.0)
    assert list(table["rank"]) == [1, 2]
    assert table.loc["FFT", "vs LoRA"] == pytest.approx(-10.0)
    assert bool(table.loc["LoRA", "may_be_best"])
    assert not table.loc["FFT", "may_be_best"]


def test_controls_and_the_base_are_shown_and_take_no_rank() -> None:
    means = {"Base": 90.0, "LoRA": 60.0, "Twin": 60.5, "FFT": 50.0}
    twin = Row(family="f", source="s", control=True, seed=100)
    table = comparison.board(comparison.scores(evidence(means), suite(list(means), Twin=twin))).set_index("method")
    assert table.loc[["Base", "Twin"], "rank"].isna().all()
    assert table.loc["LoRA", "rank"] == 1
    assert not math.isnan(table.loc["Twin", "vs LoRA"])


@pytest.mark.parametrize("gap", [0.0, 8.0])
def test_one_method_under_two_names_does_not_differ_and_a_worse_one_does(gap: float) -> None:
    """The mean of two tasks has an error of 1/sqrt(2), a difference of two methods 1: 8 points are always decided."""
    rng, decided = np.random.default_rng(5), 0
    for run in range(12):
        drawn = rng.normal(0, 1 / math.sqrt(2), 3)
        means = {"LoRA": 50 + drawn[0], "Twin": 50 - gap + drawn[1], "FFT": 50 + drawn[2]}
        table = comparison.board(comparison.scores(evidence(means, seed=run), suite(list(means)))).set_index("method")
        decided += table.loc["Twin", "vs LoRA p"] <= 0.05
    # At no gap the simultaneous test errs in 5% of runs at most: 4 of 12 or more has a probability below 0.3%.
    assert decided == 12 if gap else decided < 4


def test_a_method_without_results_is_missing_and_not_last() -> None:
    means = {"LoRA": 60.0, "FFT": 50.0}
    found = comparison.scores(evidence(means), suite([*means, "DoRA"]))
    assert found.missing == ("DoRA",)
    assert "DoRA" not in set(comparison.board(found)["method"])
    with pytest.raises(schema.BadInput, match="fewer than two methods"):
        comparison.scores(evidence({"LoRA": 1.0}), suite(["LoRA", "FFT"]))


def test_the_front_holds_what_nothing_cheaper_equals() -> None:
    table = pd.DataFrame({"mean": [10.0, 20.0, 20.0, 5.0, math.nan], "cost": [1.0, 2.0, 3.0, 1.0, 0.5]})
    assert comparison.front(table, "cost").to_list() == [True, True, False, False, False]


def costs() -> pd.DataFrame:
    fields: dict[str, Any] = {
        "method": ["big", "middle", "small"],
        "mean": [60.0, 58.0, 50.0],
        "trainable_parameters": [1000.0, 10.0, 1.0],
        "generation_seconds": [1.0, 1.0, 1.0],
        "peak_mib": [math.nan] * 3,
    }
    return pd.DataFrame(fields)


def test_soft_costs_follow_the_formula_and_change_the_order() -> None:
    table = costs()
    # C of parameters is 10, of generation 1; memory is not known: 58 / (1 + 10/10) / (1 + 1) = 14.5
    assert comparison.soft_score(table).to_list()[1] == pytest.approx(14.5)
    assert comparison.soft_score(table, (0, 0, 0)).to_list() == [60.0, 58.0, 50.0]
    orders = comparison.soft_orders(table).set_index("weights")
    assert orders.loc["scores alone", ["first", "tau", "moved"]].to_list() == ["big", 1.0, 0]
    assert orders.loc["parameters alone", "first"] == "small"
    assert orders.loc["parameters alone", "moved"] == 2
    assert "memory alone" not in orders.index  # nobody has measured it


def test_rank_correlation_with_another_table() -> None:
    names = [f"m{i}" for i in range(12)]
    found = comparison.scores(evidence({name: 40.0 + i for i, name in enumerate(names)}), suite(names))
    same = comparison.rank_correlation(found, {name: float(i) for i, name in enumerate(names)})
    assert same["tau"] == pytest.approx(1.0)
    assert same["low"] > 0.5
    assert same["p"] < 0.01
    assert comparison.rank_correlation(found, {"m1": 1.0})["methods"] == 1
