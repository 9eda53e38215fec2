"""What tuning does to a model: one picture per analysis of a ``tuning.study.Study``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .base import look

FORGOTTEN = "pre-training"
LEGIBLE = 8  # layers whose numbers can be read in a panel
SIDES = ((4, 3), (4, -9))  # points from a marker to its label: above and below, in turn


def _of(scores: pd.DataFrame, measure: str, task: str = "all", **wanted: str) -> pd.DataFrame:
    """The rows of one measure on one task, of an analysis, a method or a setting."""
    frame = scores[(scores["measure"] == measure) & (scores["task"] == task)]
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return frame


def _value(scores: pd.DataFrame, measure: str, task: str = "all", **wanted: str) -> float:
    return float(_of(scores, measure, task, **wanted)["value"].iloc[0])


def intruders(changes: pd.DataFrame, scores: pd.DataFrame, axes: Sequence[Axes] | np.ndarray) -> Sequence[Axes]:
    """Left: mean intruder dimensions per matrix. Right: the same against what was forgotten, a point per model."""
    left, right = np.ravel(np.asarray(axes, dtype=object))
    means = changes.groupby(["method", "setting"], sort=False)["intruders"].mean()
    base = _value(scores, "loss", FORGOTTEN, analysis="tuned", method="base")
    sides = means.rank(method="first").astype(int) % len(SIDES)  # neighbours have their labels on different sides
    for place, ((method, setting), mean) in enumerate(cast("Iterable[tuple[tuple[str, str], float]]", means.items())):
        colour, marker = look(str(method))
        left.bar(place, mean, color=colour, width=0.6)
        lost = _value(scores, "loss", FORGOTTEN, analysis="tuned", method=method, setting=setting) - base
        right.plot(mean, lost, color=colour, marker=marker, linestyle="")
        side = SIDES[sides[method, setting]]
        right.annotate(f"{method} {setting}".strip(), (mean, lost), xytext=side, textcoords="offset points", size=7)
    if not means.any():  # an axis around 0 would show negative counts
        left.set_ylim(0, 1)
        right.set_xlim(-0.5, 0.5)
    names = [f"{method}\n{setting}" for method, setting in means.index]
    left.set_xticks(range(len(names)), names)
    left.set(ylabel="Intruder dimensions per matrix", title="New directions among the ten largest")
    right.set(xlabel="Intruder dimensions per matrix", ylabel="Rise of pre-training loss (nats per token)")
    right.set_title("Against forgetting")
    right.margins(0.18)
    return [left, right]


def change_by_layer(changes: pd.DataFrame, axes: Sequence[Axes] | np.ndarray) -> Sequence[Axes]:
    """The norm of the change relative to the base's matrix, in percent: a row per matrix, a column per layer.

    Up to ``LEGIBLE`` layers, numbers stand in the cells; beyond, each panel has a scale.
    """
    panels = list(np.ravel(np.asarray(axes, dtype=object)))
    kinds = changes[["method", "setting"]].drop_duplicates().itertuples(index=False)
    for ax, (method, setting) in zip(panels, kinds, strict=False):
        own = changes[(changes["method"] == method) & (changes["setting"] == setting)]
        grid = 100 * own.pivot(index="matrix", columns="layer", values="relative")
        drawn = ax.imshow(grid, cmap="Greys", aspect="auto", vmin=0)
        if grid.shape[1] <= LEGIBLE:
            _numbers(ax, grid.to_numpy())
        else:
            ax.figure.colorbar(drawn, ax=ax, location="bottom", shrink=0.9)
        step = max(1, grid.shape[1] // 6)
        ax.set_xticks(range(0, grid.shape[1], step), grid.columns[::step])
        ax.set_yticks(range(grid.shape[0]), grid.index)
        ax.set(title=f"{method} {setting}".strip(), xlabel="Layer")
        ax.grid(False)
    return panels


def _numbers(ax: Axes, grid: np.ndarray) -> None:
    """Write the values into the cells."""
    for (row, column), value in np.ndenumerate(grid):
        colour = "white" if value > 0.6 * np.nanmax(grid) else "black"
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", size=7, color=colour)


def grafting(scores: pd.DataFrame, tasks: Sequence[str], ax: Axes) -> Axes:
    """How much of full fine-tuning's gain in loss returns with its largest changes, a line per task."""
    for task in (*tasks, "all"):
        base = _value(scores, "loss", task, analysis="tuned", method="base")
        gain = base - _value(scores, "loss", task, analysis="tuned", method="FFT")
        part = _of(scores, "loss", task, analysis="graft")
        returned = 100 * (base - part["value"]) / gain
        style = {"color": "black", "linewidth": 2.0} if task == "all" else {"linewidth": 1.0, "alpha": 0.8}
        ax.plot(100 * part["setting"].astype(float), returned, marker="o", markersize=3.5, label=task, **style)
    ax.axhline(100, color="#999999", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.set(xlabel="Largest changes kept (% of all parameters)", ylabel="Gain that returns (%)")
    ax.legend()
    return ax


def transfer(scores: pd.DataFrame, ax: Axes) -> Axes:
    """Loss on all tasks: the further-trained base, the same with a change moved to it, and tuned on it directly."""
    frame = _of(scores, "loss", analysis="transfer")
    labels = []
    for place, row in enumerate(cast("Iterable[Any]", frame.itertuples(index=False))):
        colour, marker = ("#7A7A7A", "o") if row.method == "base" else look(str(row.method))
        errors = [[row.value - row.low], [row.high - row.value]]
        filled = colour if row.setting != "tuned there" else "white"
        ax.errorbar(place, row.value, yerr=errors, color=colour, marker=marker, markerfacecolor=filled)
        labels.append(f"{'' if row.method == 'base' else row.method}\n{row.setting}".strip())
    ax.set_xticks(range(len(labels)), labels)
    ax.set(ylabel="Loss on all tasks (nats per token)", ylim=(0, None))
    return ax


def shrinking(scores: pd.DataFrame, ax: Axes) -> Axes:
    """Task loss against forgetting as the change is shrunk: by layer (LiNeS, solid) and as a whole (hollow)."""
    for method in dict.fromkeys(scores[scores["analysis"] == "lines"]["method"]):
        colour, marker = look(str(method))
        for analysis, line, face in (("lines", "-", colour), ("uniform", "", "white")):
            tasks = _of(scores, "loss", analysis=analysis, method=method)
            lost = _of(scores, "loss", FORGOTTEN, analysis=analysis, method=method)
            label = f"{method}, {'by layer' if analysis == 'lines' else 'as a whole'}"
            ax.plot(
                lost["value"],
                tasks["value"],
                color=colour,
                marker=marker,
                linestyle=line,
                markerfacecolor=face,
                label=label,
            )
            for x, y, name in zip(lost["value"], tasks["value"], tasks["setting"], strict=True):
                ax.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", size=7)
    base = [_value(scores, "loss", task, analysis="tuned", method="base") for task in (FORGOTTEN, "all")]
    ax.plot(*base, color="#7A7A7A", marker="o", linestyle="", label="base")
    ax.set(xlabel="Loss on pre-training documents (nats per token)", ylabel="Loss on all tasks (nats per token)")
    ax.legend()
    return ax


def within(scores: pd.DataFrame, ax: Axes) -> Axes:
    """Exact answers against loss at steps of the same run: a path per method, from the base at the right."""
    for number, method in enumerate(dict.fromkeys(scores[scores["analysis"] == "within"]["method"])):
        colour, marker = look(str(method))
        at: dict[str, Any] = {
            "xytext": SIDES[number % len(SIDES)],
            "textcoords": "offset points",
            "size": 7,
            "color": colour,
        }
        loss, exact = (_of(scores, measure, analysis="within", method=method) for measure in ("loss", "exact"))
        ax.plot(loss["value"], exact["value"], color=colour, marker=marker, label=method)
        for x, y, step in zip(loss["value"], exact["value"], loss["setting"], strict=True):
            ax.annotate(step, (x, y), **at)
    if not _of(scores, "exact", analysis="within")["value"].any():  # likewise
        ax.set_ylim(-0.1, 1)
    ax.invert_xaxis()
    ax.set(xlabel="Loss on all tasks (nats per token; falls to the right)", ylabel="Answers written exactly (%)")
    ax.legend()
    return ax
