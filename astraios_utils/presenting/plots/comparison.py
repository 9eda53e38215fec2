"""Many methods on one base: means with the set that may be best, cost fronts, and losses over learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .base import handle, label_powers

_COLOURS: Mapping[str, str] = MappingProxyType(  # of the families of suite zoo; any other one is grey
    {
        **{"adapter": "#333333", "full": "#0072B2", "low-rank": "#D55E00", "orthogonal": "#009E73"},
        **{"prompt": "#CC79A7", "scaling and bias": "#E69F00", "shared vectors": "#56B4E9"},
        **{"sparse": "#8C6D31", "spectral": "#6A3D9A"},
    }
)
MOST = 4.0  # a loss so many times the lowest one, or more, has the darkest colour


def family_colours(table: pd.DataFrame) -> dict[str, str]:
    """A colour per family, the same in every figure."""
    return {family: _COLOURS.get(family, "#999999") for family in sorted(set(table["family"]))}


def standing(table: pd.DataFrame, ax: Axes) -> Axes:
    """Means with 95% intervals, the highest first: filled where the method may be the best, hollow where it is not.

    Args:
        table: ``method``, ``family``, ``mean``, ``low``, ``high``, ``may_be_best`` (NaN: a control or the base, drawn
            as a cross) and ``shrunk`` (a tick).
        ax: what is drawn on.
    """
    if table.empty:
        return ax
    colours = family_colours(table)
    rows = table.sort_values("mean", ascending=False).to_dict("records")
    for place, row in enumerate(rows):
        colour, aside = colours[row["family"]], pd.isna(row["may_be_best"])
        marker = "x" if aside else "o"
        filled = aside or bool(row["may_be_best"])
        ax.errorbar(
            row["mean"],
            place,
            xerr=[[row["mean"] - row["low"]], [row["high"] - row["mean"]]],
            color=colour,
            marker=marker,
            markersize=4.5,
            markerfacecolor=colour if filled else "white",
            elinewidth=0.8,
            gid=f"point:{row['method']}",
        )
        if not aside:
            ax.plot([row["shrunk"]] * 2, [place - 0.3, place + 0.3], color="#777777", linewidth=1.2, gid="null")
    ax.set_yticks(range(len(rows)), [row["method"] for row in rows], fontsize=7)
    ax.set(xlabel="Mean of the tasks (%)", ylim=(len(rows) - 0.4, -0.6))
    ax.grid(True, axis="x")
    look: dict[str, Any] = {"color": "#333333", "linestyle": "", "markersize": 4}
    signs = [
        handle("may be the best", marker="o", **look),
        handle("below the best", marker="o", markerfacecolor="white", **look),
        handle("not ranked: base, checks", marker="x", **look),
        handle("pulled to its family’s mean", marker="|", **{**look, "color": "#777777", "markersize": 8}),
    ]
    ax.legend(handles=[*_families(table), *signs], loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)
    return ax


def _families(table: pd.DataFrame) -> list[Line2D]:
    colours = family_colours(table)
    return [handle(family, colour, linestyle="", markersize=4) for family, colour in colours.items()]


def family_legend(table: pd.DataFrame, figure: Figure) -> None:
    """Explain the families' colours below a figure of fronts; nothing where there is no row."""
    if len(table):
        figure.legend(handles=_families(table), loc="outside lower center", ncol=5)


def cost_front(table: pd.DataFrame, ax: Axes, cost: str, label: str, front: pd.Series) -> Axes:
    """Mean against a cost: a point per method, those of the front named and joined.

    Args:
        table: ``method``, ``family``, ``mean`` and the cost.
        ax: what is drawn on.
        cost: a column; drawn logarithmically.
        label: of the axis.
        front: whether each row is on the front.
    """
    if table.empty:
        return ax
    colours = family_colours(table)
    known = table.dropna(subset=["mean", cost])
    for row in known.to_dict("records"):
        colour = colours[row["family"]]
        ax.plot(row[cost], row["mean"], color=colour, marker="o", markersize=4.5, gid=f"point:{row['method']}")
    best = known[front.reindex(known.index)].sort_values(cost)
    ax.plot(best[cost], best["mean"], color="#999999", linewidth=1.0, drawstyle="steps-post", zorder=1, gid="front")
    for row in best.to_dict("records"):
        ax.annotate(row["method"], (row[cost], row["mean"]), xytext=(3, 4), textcoords="offset points", fontsize=7)
    if len(known) and known[cost].min() > 0:
        ax.set_xscale("log")
        wide = known[cost].max() > 100 * known[cost].min()
        label_powers(ax.xaxis, (1,) if wide else (1, 2, 5))
    ax.set(xlabel=label, ylabel="Mean of the tasks (%)")
    ax.margins(x=0.12, y=0.12)
    return ax


def rate_sensitivity(trials: pd.DataFrame, methods: Sequence[str], ax: Axes) -> Axes:
    """Validation loss of each method at each rate, as a multiple of its lowest; a dot marks the chosen one.

    Args:
        trials: ``method``, ``rate``, ``loss`` (infinite: diverged, drawn as the largest multiple).
        methods: the rows, from the top.
        ax: what is drawn on.
    """
    grid = trials.pivot_table(index="method", columns="rate", values="loss").reindex(list(methods))
    grid = grid.dropna(how="all")
    if grid.empty:
        return ax
    ratio = grid.div(grid.min(axis=1), axis=0).replace(np.inf, MOST).clip(upper=MOST)
    edges = (np.arange(grid.shape[1] + 1), np.arange(grid.shape[0] + 1))
    shown = ax.pcolormesh(*edges, ratio, cmap="Greys", norm=LogNorm(1, MOST), gid="loss")
    for place, column in enumerate(np.nanargmin(grid.replace(np.inf, np.nan).to_numpy(dtype=float), axis=1)):
        ax.plot(column + 0.5, place + 0.5, color="#D55E00", marker="o", markersize=4, gid="null")
    ax.set_xticks(np.arange(grid.shape[1]) + 0.5, [f"{rate:g}" for rate in grid.columns])
    ax.set_yticks(np.arange(grid.shape[0]) + 0.5, grid.index, fontsize=7)
    ax.invert_yaxis()
    ax.grid(False)
    ax.set(xlabel="Learning rate")
    bar = ax.figure.colorbar(
        shown, ax=ax, label="Validation loss over the method's lowest", ticks=[1, 2, 4], format="%g"
    )
    bar.minorticks_off()
    return ax
