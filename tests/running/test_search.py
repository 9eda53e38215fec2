"""The search of learning rates: the same grid for every method, validated apart from the test, resumable."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from astraios_utils import schema
from astraios_utils.running import search
from astraios_utils.schema import Suite
from astraios_utils.store import processes


@pytest.fixture
def suite() -> Suite:
    recipe = {"corpus": "train.jsonl", "corpus_test": "test.jsonl", "learning_rates": {"FFT": 1.0}, "retained": "x"}
    looked = {"rates": [1e-3, 1e-2, 1e-1], "sizes": ["S"], "corpus_validation": "valid.jsonl", "steps": 9}
    fields: dict[str, Any] = {"sizes": ["S", "M"], "methods": ["LoRA", "FFT", "Base"], "tasks": ["defect"], "seed": 3}
    return Suite(name="own", title="", recipe=recipe, search=looked, **fields)


def test_every_method_gets_the_same_trials(suite: Suite) -> None:
    trials = search.grid(suite)
    assert len(trials) == 6  # two methods that train x three rates, at one size
    rates = {method: {one.rate for one in trials if one.model.method == method} for method in ("LoRA", "FFT")}
    assert rates["LoRA"] == rates["FFT"]
    assert {one.model.size for one in trials} == {"S"}


def test_a_trial_sees_neither_the_test_nor_the_seed_of_the_results(suite: Suite) -> None:
    one = search.suite_of(suite, search.Trial(schema.Model("S", "FFT"), 1e-2, None, 1000))
    assert one.recipe is not None
    assert (one.recipe.corpus_test, one.recipe.rate("FFT"), one.recipe.steps) == ("valid.jsonl", 1e-2, 9)
    assert one.recipe.retained is None
    assert one.seed not in range(suite.seed, suite.seed + 10)
    assert one.name != suite.name


def test_what_was_tried_is_kept_and_not_tried_again(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, float]] = []

    def share(_: Any, jobs: Any, settle: Any) -> None:
        for job in jobs:
            model, rate = job[1].model, job[1].rate
            tried.append((model.method, rate))
            loss = abs(math.log10(rate) + (1 if model.method == "FFT" else 2))  # best at .1 and .01
            row = {"size": model.size, "method": model.method, "rate": rate, "documents": None, "seed": 1000}
            settle(job, {**row, "loss": loss, "seconds": 1.0})

    monkeypatch.setattr(processes, "share", share)
    path = tmp_path / "rates.csv"
    search.run(suite.slice(methods=["LoRA"]), path)
    assert len(tried) == 3
    trials = search.run(suite, path)
    assert len(tried) == len(set(tried)) == len(trials) == 6
    best = search.chosen(trials).set_index("method")
    assert best["rate"].to_dict() == {"LoRA": 1e-2, "FFT": 1e-1}
    assert best["edge"].to_dict() == {"LoRA": False, "FFT": True}
    assert "FFT: 0.1  # validation loss 0.0000, edge of the grid" in search.text(trials)


def test_a_trial_that_diverges_is_never_chosen() -> None:
    rows = [("S", "LoRA", 0.1, math.inf), ("S", "LoRA", 0.01, 2.0), ("M", "LoRA", 0.1, 0.5), ("M", "LoRA", 0.01, 1.0)]
    trials = pd.DataFrame(rows, columns=["size", "method", "rate", "loss"])
    assert search.chosen(trials)["rate"].to_list() == [0.01]


def test_a_suite_without_a_search_says_so(suite: Suite) -> None:
    with pytest.raises(schema.BadInput, match="nothing about a `search`"):
        search.grid(suite.model_copy(update={"search": None}))
    with pytest.raises(ValueError, match="positive and rise"):
        schema.Search(rates=(2.0, 1.0), sizes=("S",), corpus_validation="x")


def _trials(losses: dict[str, list[float]]) -> pd.DataFrame:
    rates = [1e-3, 4e-3, 1.6e-2, 6.4e-2]
    rows = [("S", method, rate, loss) for method, own in losses.items() for rate, loss in zip(rates, own, strict=True)]
    return pd.DataFrame(rows, columns=["size", "method", "rate", "loss"])


def test_how_sharp_an_optimum_is() -> None:
    best = search.chosen(_trials({"sharp": [2.0, 1.0, 1.5, math.inf], "flat": [1.2, 1.1, 1.0, 1.0]})).set_index(
        "method"
    )
    assert best.loc["sharp", ["rate", "rise"]].to_list() == [4e-3, pytest.approx(50)]
    # 5% above 1.0 is reached after a twentieth of the 2 octaves to 2.0 and a tenth of the 2 octaves to 1.5.
    assert best.loc["sharp", "octaves"] == pytest.approx(0.1 + 0.2)
    assert best.loc["flat", ["rate", "rise", "edge"]].to_list() == [1.6e-2, pytest.approx(0), False]
    # Half of the 2 octaves down to 1.1, and all 2 up to the grid's end.
    assert best.loc["flat", "octaves"] == pytest.approx(1 + 2)


def test_a_repeated_search_agrees_where_the_choice_is_the_same_or_flat() -> None:
    first = _trials({"same": [2.0, 1.0, 2.0, 3.0], "flat": [2.0, 1.0, 1.005, 3.0], "other": [2.0, 1.0, 1.5, 3.0]})
    second = _trials({"same": [2.0, 1.1, 2.0, 3.0], "flat": [2.0, 1.005, 1.0, 3.0], "other": [2.0, 1.5, 1.0, 3.0]})
    found = search.agreement(first, second).set_index("method")
    assert found["same"].to_dict() == {"same": True, "flat": False, "other": False}
    assert found["flat"].to_dict() == {"same": True, "flat": True, "other": False}


def test_checks_are_not_searched(suite: Suite) -> None:
    check = schema.Row(family="f", source="s", control=True)
    trials = search.grid(suite.model_copy(update={"rows": {"FFT": check}}))
    assert {one.model.method for one in trials} == {"LoRA"}


def test_each_amount_of_documents_meets_every_rate_and_seed(suite: Suite) -> None:
    assert suite.search
    looked = suite.search.model_copy(update={"documents": (10, 40), "seeds": 3})
    trials = search.grid(suite.model_copy(update={"search": looked}))
    assert len(trials) == len(set(trials)) == 2 * 3 * 2 * 3
    parts = [search.suite_of(suite, one) for one in trials]
    assert len({(one.name, one.methods) for one in parts}) == len(trials)  # each trains in a folder of its own
    assert {(one.recipe.documents, one.seed) for one in parts if one.recipe} == {
        (documents, seed) for documents in (10, 40) for seed in (1000, 1001, 1002)
    }


def test_an_amount_of_documents_is_judged_at_its_own_best_rate() -> None:
    losses = {(10, 0.1): (3.0, 5.0), (10, 0.2): (2.5, 2.7), (40, 0.1): (1.0, 1.2), (40, 0.2): (0.9, math.inf)}
    rows = [("LoRA", *key, seed, loss) for key, both in losses.items() for seed, loss in enumerate(both)]
    found = search.by_documents(pd.DataFrame(rows, columns=["method", "documents", "rate", "seed", "loss"])[::-1])
    assert found.sort_values(["documents", "seed"]).to_numpy().tolist() == [
        ["LoRA", 10, 0.2, 0, 2.5],
        ["LoRA", 10, 0.2, 1, 2.7],
        ["LoRA", 40, 0.1, 0, 1.0],  # 0.2 diverged once
        ["LoRA", 40, 0.1, 1, 1.2],
    ]
    assert search.by_documents(search.read(Path("nowhere.csv"))).empty
