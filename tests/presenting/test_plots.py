"""The figures hold what the frame says: every value, every interval, every missing cell, and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from astraios_utils import schema
from astraios_utils.presenting import plots, sentences
from astraios_utils.sources import paper

SIZES, METHODS = ("1B", "3B"), ("LoRA", "FFT")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def results_frame(tasks: dict[str, str]) -> pd.DataFrame:
    """Two sizes x two methods on each task: 3B FFT has no artefact, 1B LoRA is off by 4 points, the rest are equal."""
    rows = []
    for task, metric in tasks.items():
        for i, (method, size) in enumerate((m, s) for m in METHODS for s in SIZES):
            published = 20.0 + 10 * i
            value = published + (4.0 if (method, size) == ("LoRA", "1B") else 0.0)
            gone = (method, size) == ("FFT", "3B")
            rows.append(
                {
                    "suite": "test", "size": size, "method": method, "task": task, "metric": metric,
                    "value": np.nan if gone else value, "low": np.nan if gone else value - 1.5,
                    "high": np.nan if gone else value + 2.5, "published": published,
                    "provenance": "missing" if gone else "measured",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def artists(ax: Axes) -> dict[str, object]:
    return {gid: artist for artist in ax.get_children() if (gid := artist.get_gid())}


def axis() -> Axes:
    return plt.subplots()[1]


def test_scaling_draws_values_intervals_published_and_missing() -> None:
    ax = axis()
    assert plots.scaling(results_frame({"defect": "accuracy"}), ax, "defect", "accuracy") is ax
    drawn = artists(ax)
    np.testing.assert_allclose(drawn["measured:LoRA"].get_ydata(), [24.0, 30.0])
    np.testing.assert_allclose(drawn["published:LoRA"].get_ydata(), [20.0, 30.0])
    np.testing.assert_allclose(drawn["measured:FFT"].get_ydata(), [40.0, np.nan])  # a gap, neither dropped nor 0
    np.testing.assert_allclose(drawn["published:FFT"].get_ydata(), [40.0, 50.0])
    ends = [segment[:, 1].tolist() for segment in drawn["interval:LoRA"].get_segments()]
    assert ends == [[22.5, 26.5], [28.5, 32.5]]
    assert "missing:LoRA" not in drawn
    # the cross stands in FFT's lane of the second size: lanes are 0.33 apart (0.66 for two methods), FFT's at +0.165
    np.testing.assert_allclose(drawn["missing:FFT"].get_xdata(), [1.165])
    assert drawn["missing:FFT"].get_ydata()[0] < 0  # below the axis: no value can be taken for it
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1B", "3B"]


def test_measured_is_filled_and_published_hollow() -> None:
    ax = axis()
    plots.scaling(results_frame({"defect": "accuracy"}), ax, "defect", "accuracy")
    drawn = artists(ax)
    assert drawn["published:LoRA"].get_markerfacecolor() == "white"
    assert drawn["published:LoRA"].get_linestyle() == "--"
    assert drawn["measured:LoRA"].get_markerfacecolor() == plots.LOOKS["LoRA"][0]
    assert drawn["measured:LoRA"].get_linestyle() == "-"


def test_methods_differ_in_marker_and_in_colour() -> None:
    assert set(plots.LOOKS) == set(schema.ALL_METHODS)
    assert len({colour for colour, _ in plots.LOOKS.values()}) == len(plots.LOOKS)
    assert len({marker for _, marker in plots.LOOKS.values()}) == len(plots.LOOKS)


def test_a_frame_of_published_numbers_has_no_missing_cells() -> None:
    ax = plots.defect(paper.table(2).assign(provenance="published"), axis())
    drawn = artists(ax)
    # Table 2, row LoRA
    np.testing.assert_allclose(drawn["published:LoRA"].get_ydata(), [44.15, 44.90, 49.05, 31.95])
    assert not [gid for gid in drawn if gid.startswith(("missing", "measured", "strip"))]


def test_a_cell_without_a_row_is_missing_too() -> None:
    frame = results_frame({"defect": "accuracy"})
    frame = frame[~((frame["method"] == "LoRA") & (frame["size"] == "3B"))]
    assert "missing:LoRA" in artists(plots.defect(frame, axis()))


def test_an_empty_axis_says_so() -> None:
    frame = results_frame({"clone-1shot": "f1"}).assign(value=np.nan, published=np.nan, provenance="missing")
    ax = plots.clone_one_shot(frame, axis())
    drawn = artists(ax)
    assert {"nothing", "missing:LoRA", "missing:FFT"} <= set(drawn)
    assert len(ax.get_yticks()) == 0  # no scale where there is nothing to read off
    assert "nothing" not in artists(plots.defect(results_frame({"defect": "accuracy"}), axis()))


def test_legend_names_only_what_is_drawn() -> None:
    ax = plots.defect(results_frame({"defect": "accuracy"}), axis())
    texts = [text.get_text() for text in plots.legend(ax, {"LoRA": "0.2 %"}).get_texts()]
    assert texts == ["LoRA (0.2 %)", "FFT", "measured here, 95% interval", "published", "no artefact"]
    ax = plots.defect(paper.table(2).assign(provenance="published"), axis())
    assert [text.get_text() for text in plots.legend(ax.figure).get_texts()] == [*schema.METHODS, "published"]


@pytest.mark.parametrize(
    ("draw", "task"),
    [
        (plots.mean_performance, "performance"),
        (functools.partial(plots.mean_performance, measure="generation"), "generation"),
        (plots.mean_robust_change, "change"),
    ],
)
def test_figure_1_and_7_draw_the_means_that_they_are_given(draw: Callable[..., Axes], task: str) -> None:
    ax = draw(results_frame({task: "mean"}), axis())
    drawn = artists(ax)
    np.testing.assert_allclose(drawn["measured:LoRA"].get_ydata(), [24.0, 30.0])
    np.testing.assert_allclose(drawn["published:LoRA"].get_ydata(), [20.0, 30.0])
    assert drawn["interval:LoRA"].get_segments()[0][:, 1].tolist() == [22.5, 26.5]
    assert "missing:FFT" in drawn
    assert ax.get_title() == plots.TASK_TITLES[task]


def test_every_task_has_a_title() -> None:
    assert set(schema.TASKS) <= set(plots.TASK_TITLES)


def test_methods_of_ones_own_look_different_everywhere() -> None:
    frame, names = results_frame({"defect": "accuracy"}), ["LoRAa", "FFTa", "LoRAb", "FFTb"]
    ax = plots.defect(pd.concat([frame.assign(method=frame["method"] + end) for end in "ab"]), axis())
    looks = [plots.look(name) for name in names]
    assert len({*looks, *plots.LOOKS.values()}) == len(plots.LOOKS) + 4
    assert len({marker for _, marker in looks}) == 4
    assert [artists(ax)[f"measured:{name}"].get_color() for name in names] == [colour for colour, _ in looks]
    handles = plots.legend(ax).get_lines()
    assert [(line.get_label(), line.get_color()) for line in handles[:4]] == [
        (name, colour) for name, (colour, _) in zip(names, looks, strict=True)
    ]


def test_looks_follow_the_suite_and_not_the_order_of_drawing() -> None:
    suite = schema.Suite(
        name="s", title="S", tasks=("defect",), methods=("LoRA", "A", "B"),
        method_configs={"A": {"like": "LoRA"}, "B": {"like": "LoRA"}},
    )  # fmt: skip
    plots.begin(suite)
    first = [plots.look("A"), plots.look("B")]
    plots.begin(suite)
    assert [plots.look("B"), plots.look("A")] == first[::-1]


def test_panels_are_as_many_as_asked() -> None:
    for count, shape in ((1, (4.0, 3.0)), (2, (8.0, 3.0)), (3, (8.0, 6.0))):
        figure, axes = plots.panels(count, 4, 3)
        assert len(axes) == len(figure.axes) == count
        assert tuple(figure.get_size_inches()) == shape


def test_figure_2_labels_the_percentages() -> None:
    ax = plots.updated_share(paper.updated_parameters(), axis())
    texts = [text.get_text() for text in ax.texts]
    assert "0.316" in texts  # 3,588,096 / 1,137,207,296, table 1
    assert texts.count("100") == 4  # FFT, four sizes
    assert ax.get_yscale() == "log"


def test_figure_12_has_six_panels() -> None:
    frame = results_frame(dict.fromkeys(schema.GENERATION_TASKS, "pass@1"))
    axes = plt.subplots(3, 2)[1]
    panels = plots.humanevalpack(frame, axes)
    assert [ax.get_title() for ax in panels.flat] == [plots.TASK_TITLES[task] for task in schema.GENERATION_TASKS]
    assert all("interval:LoRA" in artists(ax) for ax in panels.flat)
    with pytest.raises(schema.BadInput, match="6 panels, not 2"):
        plots.humanevalpack(frame, axes[0])
    part = frame[frame["task"].isin(["synthesize-python", "repair-java"])]  # a suite of one's own may ask less
    assert [ax.get_title() for ax in plots.humanevalpack(part, axes[0])] == [
        "Code synthesis, Python", "Code repair, Java",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("figure", "task", "metric"),
    [
        (plots.clone, "clone", "f1"),
        (plots.defect_one_shot, "defect-1shot", "accuracy"),
        (plots.clone_one_shot, "clone-1shot", "f1"),
    ],
)
def test_other_scaling_figures(figure: object, task: str, metric: str) -> None:
    ax = axis()
    assert callable(figure)
    assert figure(results_frame({task: metric}), ax) is ax
    assert {"measured:LoRA", "interval:FFT", "missing:FFT"} <= set(artists(ax))


def test_axes_that_share_a_scale_show_all_of_each_other() -> None:
    frame = results_frame({"defect": "accuracy"})
    low, high = plt.subplots(1, 2, sharey=True)[1]
    plots.defect(frame.assign(value=frame["value"] / 10, published=np.nan), low)
    plots.defect(frame, high)
    assert low.get_ylim() == high.get_ylim()
    assert low.get_ylim()[0] == 0.0
    assert low.get_ylim()[1] > 50.0  # the highest value drawn, 3B FFT as published
    zero = plots.defect(frame.assign(published=0.0), axis())  # a value on the floor itself adds no margin below
    assert zero.get_ylim()[0] == 0.0


def test_differences_are_measured_minus_published() -> None:
    ax = plots.differences(results_frame({"defect": "accuracy"}), axis(), "defect", "accuracy")
    drawn = artists(ax)
    np.testing.assert_allclose(drawn["measured:LoRA"].get_ydata(), [4.0, 0.0])
    assert drawn["interval:LoRA"].get_segments()[0][:, 1].tolist() == [2.5, 6.5]
    assert {"reference", "missing:FFT"} <= set(drawn)
    assert "published:LoRA" not in drawn


def test_rule_cost_keeps_missing_models() -> None:
    frame = pd.DataFrame({"size": ["1B", "3B"], "method": "LoRA", "value": [1.25, np.nan]})
    drawn = artists(plots.rule_cost(frame, axis()))
    np.testing.assert_allclose(drawn["measured:LoRA"].get_ydata(), [1.25, np.nan])
    np.testing.assert_allclose(drawn["missing:LoRA"].get_xdata(), [1.0])


def test_language_levels_set_the_published_value_apart() -> None:
    frame = pd.DataFrame(
        {"task": "synthesize-java", "size": "1B", "method": "LoRA", "release": ["8", "JDK"], "pass@1": [10.0, 16.0]}
    ).assign(published=3.0)
    drawn = artists(plots.language_levels(frame, axis(), "synthesize-java", "1B"))
    np.testing.assert_allclose(drawn["point:LoRA"].get_ydata(), [10.0, 16.0])
    np.testing.assert_allclose(drawn["published:LoRA"].get_xdata(), [2])
    assert set(artists(plots.language_levels(frame, axis(), "repair-java", "1B"))) == {"nothing"}


def test_bad_frames_are_named() -> None:
    frame = results_frame({"defect": "accuracy"})
    with pytest.raises(schema.BadInput, match="no column provenance"):
        plots.cells(frame.drop(columns="provenance"), "defect", "accuracy")
    with pytest.raises(schema.BadInput, match="no row of f1 on clone"):
        plots.cells(frame, "clone", "f1")
    with pytest.raises(schema.BadInput, match="1B LoRA has two rows of accuracy on defect"):
        plots.cells(pd.concat([frame, frame[:1]]), "defect", "accuracy")


def test_signed_change_keeps_the_sign() -> None:
    frame = results_frame({"recode-format": "rp@1"})
    nominal = pd.DataFrame({"size": ["1B", "3B"] * 2, "method": ["LoRA", "LoRA", "FFT", "FFT"], "value": 30.0})
    drawn = artists(plots.signed_change(frame, nominal, axis(), "recode-format"))
    np.testing.assert_allclose(drawn["measured:LoRA"].get_ydata(), [-6.0, 0.0])
    np.testing.assert_allclose(drawn["published:FFT"].get_ydata(), [10.0, 20.0])
    assert {"reference", "missing:FFT"} <= set(drawn)


def test_perturbations_are_ordered_by_their_mean() -> None:
    frame = pd.concat(
        [
            results_frame({"recode-format": f"rp@1/{name}"}).assign(value=value)
            for name, value in (("easy", 9.0), ("hard", 3.0), ("crossfit", 2.0), ("mean", 6.0))
        ]
    )
    frame.loc[frame["provenance"] == "missing", "value"] = np.nan
    ax = plots.perturbations(frame, axis(), "recode-format")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["hard", "easy"]
    points = [line for line in ax.get_lines() if (line.get_gid() or "").startswith("point:")]
    assert len(points) == 6  # three measured cells, two perturbations
    np.testing.assert_allclose(artists(ax)["mean"].get_offsets()[:, 0], [3.0, 9.0])


def test_loss_curves_show_the_test_loss_and_say_where_nothing_has_run() -> None:
    rows = [("1B", m, s, split, 5 - s / 10) for m in METHODS for s in (0, 10) for split in ("train", "test")]
    losses = pd.DataFrame(rows, columns=["size", "method", "step", "split", "loss"])
    axes = plt.subplots(1, 2)[1]
    panels = plots.loss_curves(losses, axes, SIZES)
    assert [ax.get_title() for ax in panels] == ["1B", "3B: no run yet"]
    named = {line.get_label(): line for line in panels[0].lines if not line.get_label().startswith("_")}
    assert list(named) == list(METHODS)  # test losses; the pale lines of train losses have no name
    np.testing.assert_allclose(named["LoRA"].get_xydata(), [[0, 5], [10, 4]])
    assert len(panels[0].lines) == 4
    legend = panels[-1].get_legend()  # right of the last panel, of the methods of all
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(METHODS)
    far = pd.concat([losses, pd.DataFrame([("1B", "LoRA", 11, "train", 99.0)], columns=losses.columns)])
    low, high = plots.loss_curves(far, plt.subplots(1, 2)[1], SIZES)[0].get_ylim()
    assert (low, high) == pytest.approx((3.75, 5.25))  # test losses of 4 to 5 and a quarter of their range
    assert not plots.loss_curves(losses[:0], axis(), ["1B"])[0].lines


# --- ranks, costs, losses


def test_chances_of_being_best_add_up_and_missing_sizes_say_so() -> None:
    frame = pd.DataFrame(
        {"size": ["1B", "1B", "3B", "3B"], "method": ["LoRA", "FFT"] * 2, "best": [0.25, 0.75, np.nan, np.nan]}
    ).assign(null=0.75)
    ax = plots.redraw_shares(frame, axis())
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [25, 0, 75, 0]  # LoRA at 1B and 3B, FFT on top of it
    assert next(line for line in ax.lines if line.get_gid() == "null").get_ydata()[0] == 75
    assert [text.get_text() for text in ax.texts if "measured" in text.get_text()] == ["not every\nmethod\nmeasured"]


def test_critical_difference_puts_methods_at_their_ranks() -> None:
    ax = plots.critical_difference(["LoRA", "FFT", "(IA)3"], [1.5, 1.2, 2.9], 1.0, [(1, 0)], axis())
    drawn = {line.get_gid(): line for line in ax.lines if line.get_gid()}
    assert drawn["rank:LoRA"].get_xdata()[0] == 1.5
    np.testing.assert_allclose(drawn["group:0"].get_xdata(), [1.15, 1.55])  # from 1.2 to 1.5, a little beyond
    np.testing.assert_allclose(drawn["difference"].get_xdata(), [1, 2])


def test_pareto_joins_what_nothing_cheaper_beats() -> None:
    frame = pd.DataFrame(
        {
            "size": "1B", "method": ["(IA)3", "LoRA", "AdapterH", "FFT"], "value": [20.0, 30, 25, 31], "low": 19.0,
            "high": 33.0, "parameters": [1, 10, 100, 1000], "published": True,
        }
    )  # fmt: skip
    ax = plots.pareto(frame, axis(), "parameters", "Parameters", "1B")
    front = next(line for line in ax.lines if line.get_gid() == "front")
    assert front.get_xdata().tolist() == [1, 10, 1000]  # AdapterH costs more than LoRA and does worse
    assert ax.get_xscale() == "log"
    alike = frame.assign(parameters=[670, 680, 690, 710])
    assert plots.pareto(alike, axis(), "parameters", "MiB", "1B").get_xscale() == "linear"


def test_a_cost_that_was_not_measured_at_a_size_is_said_to_be_so() -> None:
    row = {"size": "1B", "method": "LoRA", "value": 50.0, "low": 45.0, "high": 55.0, "peak": np.nan, "published": False}
    ax = plots.pareto(pd.DataFrame([row, row | {"size": "3B", "peak": 7.0}]), axis(), "peak", "MiB", "1B")
    assert [text.get_text() for text in ax.texts] == ["not measured"]
    assert not ax.get_xticks().size


def test_losses_by_rate_and_size() -> None:
    rows = [
        (size, method, rate, loss)
        for method, losses in (("LoRA", (3.0, 2.0, np.inf, 1.0)), ("Prompt", (2.0, 2.5, 2.0, 1.5)))
        for (rate, size), loss in zip([(r, s) for r in (1e-4, 0.3) for s in SIZES], losses, strict=True)
    ]
    trials = pd.DataFrame(rows, columns=["size", "method", "rate", "loss"])
    panels = plots.loss_by_rate(trials, plt.subplots(1, 2)[1])
    assert [ax.get_title() for ax in panels] == ["LoRA", "Prompt"]
    lines = {line.get_gid(): line.get_ydata() for line in panels[0].lines}
    assert list(lines["0.0001"]) == [3.0, 2.0]
    assert np.isnan(lines["0.3"][0])  # it diverged
    assert lines["0.3"][1] == 1.0
    assert sentences.scaling_by_rate(trials).splitlines() == [
        "- **LoRA**: the loss falls from each size to the next at 0.0001, 0.3; not at any other. Best rate by size: "
        "1B 0.0001, 3B 0.3.",
        "- **Prompt**: the loss falls from each size to the next at 0.3; not at 0.0001. Best rate by size: "
        "1B 0.0001, 3B 0.3.",
    ]


def test_losses_by_number_of_documents() -> None:
    rows = [
        (method, documents, 0.01, seed, loss + seed / 10)
        for method, losses in (("LoRA", (3.0, 2.0, 1.0)), ("FFT", (4.0, 1.5, 1.6)))
        for documents, loss in zip((10, 100, 1000), losses, strict=True)
        for seed in (0, 1)
    ]
    found = pd.DataFrame(rows, columns=["method", "documents", "rate", "seed", "loss"])
    ax = plots.loss_by_documents(found, axis())
    lines = {line.get_gid(): line for line in ax.lines}
    assert list(lines["point:FFT"].get_ydata()) == pytest.approx([4.05, 1.55, 1.65])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10", "100", "1,000"]
    said = sentences.data_scaling(found)
    assert "- **LoRA**: 3.050, 2.050, 1.050 nats per token (best rates 0.01, 0.01, 0.01)." in said
    assert "- **FFT**: 4.050, 1.550, 1.650 nats per token" in said
    assert "to more documents in 2, 0 of 2 runs." in said
    assert (
        "depends on the amount. 10 documents: LoRA, FFT; 100 documents: FFT, LoRA; 1,000 documents: LoRA, FFT." in said
    )
    assert "the same with every amount: LoRA." in sentences.data_scaling(found[found["method"] == "LoRA"])
    assert sentences.data_scaling(found[:0]) == sentences.NOTHING


def test_final_losses_and_losses_against_a_cost() -> None:
    ends = pd.DataFrame(
        {
            "size": ["1B", "3B"] * 2,
            "method": ["LoRA", "LoRA", "FFT", "FFT"],
            "test": [2.0, 1.5, 1.9, np.nan],
            "cost": [1, 2, 3, 4],
        }
    )
    drawn = {line.get_gid(): line for line in plots.final_losses(ends, axis(), "test").lines}
    np.testing.assert_allclose(drawn["point:FFT"].get_ydata(), [1.9, np.nan])
    ax = plots.loss_against(ends, axis(), "test", "cost", "Cost")
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_gid() == "point:LoRA"]
    assert points == [(1, 2.0), (2, 1.5)]


def test_extrapolation_runs_through_the_prediction() -> None:
    ends = pd.DataFrame({"size": list("abc"), "method": "LoRA", "test": [8.0, 4.0, 2.5]})
    parameters = pd.DataFrame({"size": list("abc"), "parameters": [1, 2, 4]})
    fits = pd.DataFrame({"method": ["LoRA"], "predicted": [2.0], "exponent": [1.0]})
    ax = plots.extrapolation(ends, fits, parameters, axis())
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [8, 4, 2])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [8, 4, 2.5])


def test_changes_draw_paired_differences_and_say_what_was_not_run() -> None:
    nan = float("nan")
    rows = [
        ("Base", 0.43, nan, nan, nan, "undecided"),
        ("LoRA", 0.40, -0.03, -0.04, -0.02, "better"),
        ("FFT", 0.44, 0.01, -0.01, 0.03, "undecided"),
        ("Prefix", nan, nan, nan, nan, "missing"),
        ("Prompt", nan, nan, nan, nan, "missing"),
    ]
    columns = ["method", "value", "difference", "difference_low", "difference_high", "status"]
    frame = pd.DataFrame(rows, columns=columns).assign(task="nll-python", metric="bits/byte", size="S")
    other = pd.DataFrame([("Prompt", 50, 1, 0, 2, "undecided")], columns=columns)
    frame = pd.concat([frame, other.assign(task="prefer-python", metric="prefer", size="S")])
    ax = plots.changes(frame, axis(), "nll-python")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["LoRA", "FFT", "Prompt"]
    drawn = [line for line in ax.get_lines() if line.get_marker() not in ("None", None)]
    assert [float(np.ravel(line.get_xdata())[0]) for line in drawn] == [-0.03, 0.01]
    assert [line.get_markerfacecolor() == "white" for line in drawn] == [False, True]
    assert [text.get_text() for text in ax.texts] == ["not run"]


def test_standing_and_fronts_explain_their_colours_and_signs() -> None:
    table = pd.DataFrame(
        {"method": ["A", "B", "Base"], "family": ["low-rank", "prompt", "untuned"], "mean": [3.0, 2.0, 1.0],
         "low": [2.0, 1.0, 0.5], "high": [4.0, 3.0, 1.5], "may_be_best": [True, False, np.nan],
         "shrunk": [2.9, 2.1, np.nan], "cost": [10, 20, 30]}
    )  # fmt: skip
    figure, ax = plt.subplots()
    plots.standing(table, ax)
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said[:3] == ["low-rank", "prompt", "untuned"]
    assert said[3:] == [
        "may be the best", "below the best", "not ranked: base, checks", "pulled to its family’s mean",
    ]  # fmt: skip
    plt.close(figure)
    figure, ax = plt.subplots(layout="constrained")
    plots.cost_front(table, ax, "cost", "Cost", pd.Series([True, False, False]))
    plots.family_legend(table, figure)
    (legend,) = figure.legends
    colours = {
        text.get_text(): line.get_color() for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    assert colours == plots.comparison.family_colours(table)
    plt.close(figure)
    figure = plt.figure()
    plots.family_legend(table.head(0), figure)
    assert not figure.legends
    plt.close(figure)
