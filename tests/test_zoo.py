"""The suite of all methods names every type of the pinned PEFT, as a row or with the reason for its absence."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from astraios_utils import methods, schema, store
from astraios_utils.methods import refusals
from astraios_utils.schema import Suite


@pytest.fixture(scope="module")
def zoo() -> Suite:
    return store.load_suite("zoo")


def _type_of(suite: Suite, method: str) -> str | None:
    """PEFT's name of a row's type."""
    fields: dict[str, Any] = suite.method_configs.get(method, {})
    named = str(fields.get("like", method))
    return str(fields["peft_type"]) if "peft_type" in fields else methods.get_method(named).peft_type


def test_every_type_of_peft_is_a_row_or_left_out(zoo: Suite) -> None:
    from peft import PeftType

    from astraios_utils.methods import own  # noqa: F401  (registers the tuners that PEFT does not have)

    rows = {_type_of(zoo, method) for method in zoo.methods if method != schema.UNTUNED}
    types = {kind.value for kind in PeftType if kind.value != "MINE"}  # a test's own
    assert types == (rows - {None}) | (set(zoo.left_out) & types)
    assert not rows & set(zoo.left_out)
    assert {name: zoo.left_out[name] for name in refusals.REFUSED} == dict(refusals.REFUSED)


def test_every_row_is_described_and_searched_on_the_same_grid(zoo: Suite) -> None:
    assert set(zoo.rows) == set(zoo.methods)
    assert zoo.search is not None
    assert len(zoo.search.rates) >= 5
    assert zoo.seeds >= 3
    steps = {b / a for a, b in zip(zoo.search.rates, zoo.search.rates[1:], strict=False)}
    assert max(steps) == pytest.approx(min(steps))  # equal steps in octaves
    assert zoo.search.seed not in range(zoo.seed, zoo.seed + zoo.seeds)
    checks = {method for method, row in zoo.rows.items() if row.control}
    assert checks == {"Frozen", "LoRA twin"}
    assert {row.budget for row in zoo.rows.values()} == {0.2, 2.0, None}


def test_each_documents_file_is_one_of_its_own(zoo: Suite) -> None:
    assert zoo.recipe is not None
    assert zoo.search is not None
    files = [zoo.recipe.corpus, zoo.recipe.corpus_test, zoo.search.corpus_validation, zoo.recipe.retained]
    rows = [set(map(str, pd.read_json(str(file), lines=True)["completion"])) for file in files]
    assert all(rows)
    prompts = [set(map(str, pd.read_json(str(file), lines=True).sum(axis=1))) for file in files]
    assert not prompts[2] & (prompts[0] | prompts[1] | prompts[3])  # the search's documents are nobody else's


def test_peft_s_published_table_names_rows_of_the_suite(zoo: Suite) -> None:
    frame = pd.read_csv(store.data_dir() / "paper" / "peft_method_comparison.csv")
    assert set(frame["method"].dropna()) <= set(zoo.methods)
    assert frame["experiment"].is_unique
    assert frame["accuracy"].between(0, 100).all()
