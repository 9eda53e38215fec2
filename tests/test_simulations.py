"""The tables of docs/verdicts.md are those that benchmarks/statistics.py wrote, and say what the text says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from astraios_utils import store

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def simulations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("statistics_benchmark", ROOT / "benchmarks" / "statistics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _written(name: str) -> pd.DataFrame:
    return pd.read_csv(store.data_dir() / "simulated" / f"{name}.csv")


@pytest.mark.parametrize("name", ["coverage", "attainable", "verdicts", "correlations"])
def test_the_page_shows_the_written_tables(simulations: ModuleType, name: str) -> None:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", PAGE, flags=re.S)
    assert found is not None
    assert found[1] == simulations.as_markdown(name, _written(name))


def test_intervals_cover(simulations: ModuleType) -> None:
    written = _written("coverage").set_index("setting")["coverage"]
    beyond = {"rare: 25 x 20 at 2.4%", "40 problems x 1, 5% of answers differ"}  # explained on the page
    assert {setting for setting, value in written.items() if not 0.93 <= value <= 0.97} == beyond
    again = simulations.coverage(200)  # the simulation still runs, and to the same: 6 standard errors
    assert (again["coverage"] - _written("coverage")["coverage"]).abs().max() < 6 * (0.05 * 0.95 / 200) ** 0.5
    assert list(again["setting"]) == list(written.index)


def test_verdicts_err_in_at_most_5_percent(simulations: ModuleType) -> None:
    written = _written("verdicts")
    error = (0.05 * 0.95 / simulations.RUNS) ** 0.5
    assert len(written) == 126  # 2 truths, 3 training SDs, 3 numbers of runs, 7 statements
    assert written["wrong"].max() < 0.05 + 3 * error
    # not because nothing is ever decided; and a verdict of one run does err about the method
    assert written["supported"].max() > 0.5
    assert written.query("training_runs == 1")["misread"].max() > 0.2
    columns = ["truth", "training_sd", "training_runs", "about", "statement"]
    pd.testing.assert_frame_equal(simulations.verdicts(1)[columns], written[columns])


def test_verdicts_on_correlations_err_as_the_page_says(simulations: ModuleType) -> None:
    written = _written("correlations").set_index(["truth", "statement"])
    error = (0.05 * 0.95 / 1000) ** 0.5
    assert (written["wrong"] <= 0.05 + 2 * error).all()
    at = written.xs("go together by more than 0.5", level="statement")["wrong"]
    apart, alike = at["tau 0.5, methods differ by size"], at["tau 0.5, methods alike at every size"]
    assert f"errs in {apart:.3f}, and in {alike:.3f}".replace(" 0.", " .") in PAGE.replace("\n", " ")
    pooled = written.xs("go together, all models at once", level="statement")
    assert (pooled[["supported", "not_supported"]] == 0).all(axis=None)
    # not because nothing is ever decided
    assert written.loc[("tau 0.5, methods differ by size", "go together"), "supported"] > 0.9
    again = simulations.correlations(20)
    assert list(again["statement"]) == list(written.index.get_level_values("statement"))
    assert (again["wrong"].to_numpy() - written["wrong"].to_numpy()).max() < 6 * (0.05 * 0.95 / 20) ** 0.5


def test_single_comparisons_err_as_often_as_the_page_says() -> None:
    single = _written("verdicts")
    single = single[
        single["statement"].isin(["AdapterH above P-Tuning, one size", "FFT rises from smallest to largest"])
    ]
    sides = single.assign(wrong=(single["supported"] + single["not_supported"]) / 2)
    for runs, told in ((2, "with 2 runs err in"), (5, "with 5 runs in")):
        cells = sides[sides["training_runs"] == runs]["wrong"]
        assert len(cells) == 12
        assert f"{told} {cells.mean():.3f}".replace(" 0.", " .") in PAGE.replace("\n", " ")


def test_attainable_coverages_are_computed_exactly(simulations: ModuleType) -> None:
    made = simulations.attainable()
    pd.testing.assert_frame_equal(made.round(4), _written("attainable"))
    # 3 : 0 and beyond, by hand: the first row leaves out 5 : 0 and what is more extreme; 4 : 0 adds
    # 2 * C(40, 4) .05^4 .95^36 / 2^4 = 2 * .09012 / 16
    first, second, *_ = made["coverage"]
    assert first - second == pytest.approx(2 * 0.09012 / 16 + 0.00003, abs=1e-4)
    everywhere = made[made["lowest_coverage"] >= 0.95]
    assert everywhere["coverage"].min() == pytest.approx(0.986, abs=5e-4)  # as the page says
