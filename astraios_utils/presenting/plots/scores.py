"""Scores over sizes, methods and perturbations: figures 1, 2, 5 to 7 and 12 to 14."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ... import schema
from ...metrics import scores
from .base import METRIC_LABELS, SPREAD, TASK_TITLES, cells, draw, floor_at, look, methods_of, reference, sizes_of


def scaling(frame: pd.DataFrame, ax: Axes, task: str, metric: str) -> Axes:
    """One task over the model sizes, a line per method: the form of figures 5, 6, 12, 13 and 14."""
    draw(cells(frame, task, metric), ax)
    ax.set_ylabel(METRIC_LABELS.get(metric, f"{metric} (%)"))
    ax.set_title(TASK_TITLES[task])
    return ax


def defect(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Figure 5: accuracy on defect detection over the model sizes."""
    return scaling(frame, ax, "defect", "accuracy")


def clone(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Figure 6: the paper's F1 on clone detection over the model sizes."""
    return scaling(frame, ax, "clone", "f1")


def humanevalpack(frame: pd.DataFrame, axes: Sequence[Axes] | np.ndarray) -> np.ndarray:
    """Figure 12: Pass@1 on HumanEvalPack, a panel per task and language that the frame has (six; row by row)."""
    tasks = [task for task in schema.GENERATION_TASKS if (frame["task"] == task).any()]
    panels = np.asarray(axes, dtype=object)
    if panels.size != len(tasks):
        raise schema.BadInput(f"figure 12 has {len(tasks)} panels, not {panels.size}")
    for ax, task in zip(panels.flat, tasks, strict=True):
        scaling(frame, ax, task, "pass@1")
    return panels


def defect_one_shot(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Figure 13: accuracy on defect detection when the prompt shows one solved example (appendix H)."""
    return scaling(frame, ax, "defect-1shot", "accuracy")


def clone_one_shot(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Figure 14: F1 on clone detection when the prompt shows one solved example (appendix H)."""
    return scaling(frame, ax, "clone-1shot", "f1")


def mean_performance(frame: pd.DataFrame, ax: Axes, measure: str = "performance") -> Axes:
    """Figure 1: the mean over the paper's eight task columns, by method and size (``generation``: over six of them).

    ``frame`` has the means as cells (``ledger.means``), with intervals that know that tasks share problems.
    """
    draw(cells(frame, measure, "mean"), ax, floor=None)
    ax.set_ylabel("Mean score (%)")
    ax.set_title(TASK_TITLES[measure])
    return ax


def mean_robust_change(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Figure 7: RC@1 averaged over ReCode's four categories, by method and size; ``frame`` as for figure 1."""
    draw(cells(frame, "change", "mean"), ax)
    ax.set_ylabel("Mean RC@1 (%)")
    ax.set_title(TASK_TITLES["change"])
    return ax


def updated_share(parameters: pd.DataFrame, ax: Axes) -> Axes:
    """Figure 2: percentage of all parameters that each method updates, per size, on a logarithmic axis.

    ``parameters`` has ``size``, ``method`` and ``percent``, with or without ``provenance``.
    """
    table = parameters.set_index(["method", "size"])["percent"].unstack("size")
    table = table.reindex(index=methods_of(parameters), columns=sizes_of(parameters))
    width = 0.8 / table.shape[1]
    for i, size in enumerate(table.columns):
        grey = 0.82 - 0.62 * i / max(table.shape[1] - 1, 1)
        x = np.arange(len(table)) + (i - (table.shape[1] - 1) / 2) * width
        bars = ax.bar(
            x,
            table[size],
            width * 0.92,
            color=(grey * 0.55, grey * 0.8, grey),
            label=size,
            hatch=("", "///")[i % 2],
            edgecolor="white",
            linewidth=0.4,
        )
        labels = ["" if np.isnan(v) else f"{v:.3g}" for v in table[size]]
        ax.bar_label(bars, labels, rotation=90, fontsize=7, padding=2)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylim(top=ax.get_ylim()[1] * 4)
    ax.set_xticks(range(len(table)), table.index)
    ax.set_ylabel("Parameters updated (%)")
    ax.legend(title="Model size", loc="upper left", ncol=4)
    return ax


def differences(frame: pd.DataFrame, ax: Axes, task: str, metric: str) -> Axes:
    """Measured minus published, in percentage points, per cell of one task; the line at 0 is agreement."""
    table = cells(frame, task, metric)
    shifted = table[["value", "low", "high"]].sub(table["published"], axis=0)
    draw(shifted.assign(published=np.nan, missing=table["missing"]), ax, floor=None, zero=True)
    ax.set_ylabel("Measured − published (points)")
    ax.set_title(TASK_TITLES[task])
    return ax


def changes(frame: pd.DataFrame, ax: Axes, task: str) -> Axes:
    """What each method changed against the reference on one task: paired differences with their 95% intervals.

    Filled markers: significant after Holm's correction; hollow ones: undecided. Methods without results on any task are
    left out.

    Args:
        frame: what ``results.against.table`` returned.
        task: one of its tasks.
    """
    part = frame[frame["task"] == task]
    reference = part[part["difference"].isna() & part["value"].notna()]
    rows = part[~part["method"].isin(reference["method"])]
    methods = list(dict.fromkeys(frame.loc[frame["difference"].notna(), "method"]))
    rows, sizes = rows[rows["method"].isin(methods)], list(dict.fromkeys(rows["size"]))
    ax.axvline(0, color="#808080", linewidth=0.8, linestyle=":")
    for row in rows.to_dict("records"):
        shift = (sizes.index(row["size"]) - (len(sizes) - 1) / 2) * 0.8 / len(sizes)
        place = methods.index(row["method"]) + shift
        if np.isnan(row["difference"]):
            ax.text(0.5, place, "not run", transform=ax.get_yaxis_transform(), fontsize=7, va="center", ha="center")
            continue
        color, marker = look(row["method"])
        ax.plot([row["difference_low"], row["difference_high"]], [place, place], color=color, linewidth=1.2)
        face = color if row["status"] in ("better", "worse") else "white"
        ax.plot(row["difference"], place, marker=marker, color=color, markerfacecolor=face, linestyle="none")
    ax.set_yticks(range(len(methods)), methods)
    ax.set_ylim(len(methods) - 0.5, -0.5)
    metric = str(part["metric"].iloc[0])
    unit = {"bits/byte": "Bits per byte", "prefer": "Reference preferred (points)"}.get(metric, f"{metric} (points)")
    ax.set_xlabel(f"{unit}, change")
    ax.set_title(TASK_TITLES[task])
    return ax


def rule_cost(frame: pd.DataFrame, ax: Axes) -> Axes:
    """What a scoring rule costs: accuracy under the other rule minus accuracy under the paper's, per model.

    ``frame`` has ``size``, ``method``, ``value`` (percentage points) and may have ``low`` and ``high``.
    """
    index = pd.MultiIndex.from_product([methods_of(frame), sizes_of(frame)], names=["method", "size"])
    table = frame.set_index(["method", "size"]).reindex(index)
    for end in ("low", "high"):
        table[end] = table.get(end, np.nan)
    draw(table.assign(published=np.nan, missing=table["value"].isna()), ax, floor=None, zero=True)
    ax.set_ylabel("Change of accuracy (points)")
    return ax


def language_levels(frame: pd.DataFrame, ax: Axes, task: str, size: str) -> Axes:
    """Pass@1 of one size's Java files when the same programs are compiled at several language levels.

    ``frame`` is what :func:`protocol.language_levels` returns; its levels are drawn in the frame's order. The published
    values stand at the right, hollow, since the paper names no level.
    """
    rows = frame[(frame["task"] == task) & (frame["size"] == size)]
    levels = list(dict.fromkeys(frame["release"]))
    for method in methods_of(rows):
        colour, marker = look(method)
        own = rows[rows["method"] == method].set_index("release")
        ax.plot(
            range(len(levels)),
            own["pass@1"].reindex(levels).to_numpy(),
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=1.1,
            gid=f"point:{method}",
        )
        ax.plot(
            [len(levels)],
            own["published"].iloc[:1],
            color=colour,
            marker=marker,
            markerfacecolor="white",
            markersize=6.5,
            linestyle="none",
            clip_on=False,
            gid=f"published:{method}",
        )
    if rows.empty:
        ax.text(0.5, 0.5, "nothing measured", transform=ax.transAxes, ha="center", color="#555555", gid="nothing")
    ax.axvline(len(levels) - 0.5, color="#BBBBBB", linewidth=0.8)
    ax.set_xticks(range(len(levels) + 1), [*(str(level) for level in levels), "paper"])
    ax.set_xlim(-0.4, len(levels) + 0.4)
    floor_at(ax, 0.0)
    ax.set_xlabel("Java language level")
    ax.set_ylabel("Pass@1 (%)")
    ax.set_title(f"{TASK_TITLES[task]}, {size}")
    return ax


def signed_change(frame: pd.DataFrame, nominal: pd.DataFrame, ax: Axes, task: str) -> Axes:
    """RP@1 minus a nominal Pass@1, with its sign, which RC@1 drops: above 0 the perturbed prompts help.

    ``nominal`` has ``size``, ``method`` and ``value`` (percent), taken as known. Filled: from the measured RP@1;
    hollow: from the published one.
    """
    table = cells(frame, task, "rp@1")
    base = nominal.set_index(["method", "size"])["value"].reindex(table.index)
    columns = ["value", "low", "high", "published"]
    draw(table.assign(**{c: table[c] - base for c in columns}), ax, floor=None)
    reference(ax, 0.0)
    ax.set_ylabel("RP@1 − Pass@1 (points)")
    ax.set_title(TASK_TITLES[task])
    return ax


def perturbations(frame: pd.DataFrame, ax: Axes, task: str) -> Axes:
    """RP@1 of each perturbation of a ReCode category: a marker and an interval per measured model, a bar at the mean.

    The category's RP@1 in table 4 is each model's lowest. ``frame`` are results with metrics ``rp@1/<perturbation>``.
    Within a perturbation the sizes stand one above the other, the largest on top.
    """
    rows = scores.by_perturbation(frame[(frame["task"] == task) & (frame["provenance"] == "measured")])
    names = rows["perturbation"]
    means = rows["value"].groupby(names).mean().sort_values()
    sizes = sizes_of(frame)
    columns = [rows[column] for column in ("size", "method", "value", "low", "high")]
    for name, size, method, value, low, high in zip(names, *columns, strict=True):
        colour, marker = look(method)
        lane = (sizes.index(size) - (len(sizes) - 1) / 2) * SPREAD / len(sizes)
        y = list(means.index).index(name) + lane
        ax.plot(value, y, color=colour, marker=marker, markersize=4.5, linestyle="none", gid=f"point:{method}")
        ax.hlines(y, low, high, color=colour, linewidth=0.8, alpha=0.35, zorder=1, gid=f"interval:{method}")
    ax.scatter(means, range(len(means)), marker="|", s=450, color="#333333", linewidth=0.9, zorder=1, gid="mean")
    ax.set_yticks(range(len(means)), means.index)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.set_xlim(left=0)
    ax.set_xlabel("RP@1 (%)")
    ax.set_title(TASK_TITLES[task])
    return ax
