"""Means over tasks know that tasks share problems, and are the same numbers in table, figure and report."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from astraios_utils import results, schema, store
from astraios_utils.presenting import plots, show
from astraios_utils.presenting.report import content
from astraios_utils.results import claims
from astraios_utils.results.claims import compare
from astraios_utils.running import ledger, pipeline
from astraios_utils.schema import Model, Suite
from astraios_utils.sources import paper

PROBLEMS = 60
NAMES = ("performance", "generation", "change")


def _answered(task: str, model: Model) -> tuple[pd.DataFrame, str]:
    """One sample a problem; in Python every third is solved, on every task the same ones, in Java the others."""
    solved = np.arange(PROBLEMS) % 3 == 0
    status = np.where(solved if task.endswith("python") else ~solved, "passed", "failed")
    problems = [f"Python/{i}" for i in range(PROBLEMS)]
    return pd.DataFrame({"problem": problems, "variant": "", "sample": 0, "status": status, "detail": ""}), "here"


def _suite(*tasks: str) -> Suite:
    return Suite(name="own", title="", sizes=("1B",), methods=("LoRA",), tasks=tasks)


def _mean(tasks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> claims.Evidence:
    suite = _suite(*tasks)
    measure = claims.measures.Measure("mean", tuple((task, "pass@1") for task in tasks))
    monkeypatch.setattr(claims.measures, "MEASURES", {"mine": measure})
    return claims.measured(suite, _answered, resamples=4000)


def test_tasks_that_share_problems_do_not_make_a_mean_surer(monkeypatch: pytest.MonkeyPatch) -> None:
    # p = 1/3 of 60 problems: s^2 = 60/59 * 2/9, se = s / sqrt(60) = sqrt(2/9 / 59) = 6.137 points. Three tasks that
    # the same problems decide tell no more than one; taken as independent they would seem to: 6.137 / sqrt(3) = 3.54.
    python = ("synthesize-python", "repair-python", "explain-python")
    row = compare.means(_mean(python, monkeypatch), "mine", ["LoRA"]).iloc[0]
    assert row["value"] == pytest.approx(100 / 3)
    assert row["se"] == pytest.approx(6.137, rel=0.05)


def test_tasks_that_make_up_for_each_other_make_a_mean_surer(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each problem is solved in one of the two languages: whatever is drawn, their mean is a half. What is left is the
    # error that each score gets so that nothing is certain: half the variance of one sample (1/60), so that the mean of
    # two has a standard error of half a sample.
    both = ("synthesize-python", "synthesize-java")
    row = compare.means(_mean(both, monkeypatch), "mine", ["LoRA"]).iloc[0]
    step = 100 / PROBLEMS / 2
    assert row["value"] == pytest.approx(50)
    assert row["se"] == pytest.approx(step, rel=0.05)
    assert (row["low"], row["high"]) == pytest.approx((50 - 1.96 * step, 50 + 1.96 * step), abs=0.3)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Suite, pd.DataFrame, pd.DataFrame]:
    """Four models of ``released`` by the shipped counts: the slice, its results, its means."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_MIRROR", "none")
        patch.setenv("ASTRAIOS_BUILD", str(tmp_path_factory.mktemp("build")))
        tasks = (*schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS)
        suite = store.load_suite("released").slice(["1B", "7B"], ["LoRA", "FFT"], tasks)
        frame = results.results(suite, functools.partial(pipeline.verdicts, suite))
        return suite, frame, ledger.means(suite, frame, NAMES)


def test_means_stand_beside_the_papers(shipped: tuple[Suite, pd.DataFrame, pd.DataFrame]) -> None:
    _, frame, means = shipped
    assert list(means["task"].unique()) == ["generation", "change"]  # no performance: the slice lacks two tasks
    rows = means.set_index(["task", "size", "method"]).sort_index()
    # Table 3, 1B LoRA: (17.26 + 2.84 + 3.29 + 3.72 + 20.49 + 7.07) / 6
    assert rows.loc[("generation", "1B", "LoRA"), "published"] == pytest.approx(54.67 / 6)
    printed = paper.mean_robust_change().set_index(["size", "method"])["value"]
    assert rows.loc[("change", "7B", "FFT"), "published"] == pytest.approx(printed["7B", "FFT"])
    assert (rows.loc["change", "status"] == "no artefact").all()  # nobody has the docstring category
    for size, method in rows.loc["generation"].index:
        cells = frame[frame["task"].isin(schema.GENERATION_TASKS) & (frame["metric"] == "pass@1")]
        own = cells[(cells["size"] == size) & (cells["method"] == method)]
        row = rows.loc[("generation", size, method)]
        if own["value"].isna().any():
            assert math.isnan(row["value"])
            continue
        assert row["value"] == pytest.approx(own["value"].mean())
        assert row["difference"] == pytest.approx(row["value"] - row["published"])
        # Problems that are hard in one task are hard in others: wider than if the six were independent.
        assert row["se"] > 1.3 * np.sqrt((own["se"] ** 2).sum()) / 6
        assert row["low"] < row["value"] < row["high"]


def test_table_figure_and_report_show_the_same_means(
    shipped: tuple[Suite, pd.DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, frame, means = shipped
    known = means.dropna(subset=["value"]).query("task == 'generation'")
    assert len(known) >= 2
    ax = plt.subplots()[1]
    plots.mean_performance(means, ax, "generation")
    drawn = {artist.get_gid(): artist for artist in ax.get_children() if artist.get_gid()}
    monkeypatch.setattr(ledger, "means", lambda *_: means)
    matrices = {m.task: m for section in content.sections(suite, frame) for m in section.matrices}
    shown = show.table(means, [("generation", "mean")]).to_html()
    for row in known.to_dict("records"):
        place = suite.sizes.index(row["size"])
        line, bars = drawn[f"measured:{row['method']}"], drawn[f"interval:{row['method']}"]
        assert line.get_ydata()[place] == row["value"]
        ends = [segment[:, 1].tolist() for segment in bars.get_segments() if segment.ndim == 2]  # a gap has no ends
        assert [pytest.approx(row["low"]), pytest.approx(row["high"])] in ends
        cell = matrices["generation"].rows[row["method"]][place]
        assert cell.text == f"{row['value']:.2f}"
        assert cell.interval == f"{row['low']:.1f}–{row['high']:.1f}"
        assert cell.error == f"{row['se']:.2f}"
        assert cell.status == row["status"]
        assert f">{row['value']:.2f} " in shown
        assert f"±{row['se']:.2f}" in shown
    plt.close("all")


def test_the_report_puts_means_where_the_paper_has_them(
    shipped: tuple[Suite, pd.DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, frame, means = shipped
    monkeypatch.setattr(ledger, "means", lambda *_: means)
    assert [s.place for s in content.sections(suite, frame)] == ["Figure 1", "Table 3", "Table 4", "Figure 7"]


def test_a_suite_without_the_tasks_has_no_means(build: Path) -> None:
    found = ledger.means(_suite("defect"), pd.DataFrame(), NAMES)
    assert found.empty
    assert {"task", "value"} <= set(found.columns)


def test_of_many_methods_each_is_compared_with_a_few(build: Path) -> None:
    nano, zoo = store.load_suite("nano"), store.load_suite("zoo")
    assert ledger.references(nano) == nano.methods
    assert ledger.references(zoo) == ("Base", "FFT", "LoRA")
