"""Which method is best, how surely, and at what cost: shares of redraws, critical ranges, Pareto fronts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .base import look, methods_of, sizes_of

_LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1}  # of a text that crosses bars


def redraw_shares(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Share of redraws of the problems in which each method is best, at each size: a stacked bar per size.

    A dashed line marks what the largest share reaches in 5% of cases if all methods are equal: shares below it say
    nothing.

    Args:
        frame: ``size``, ``method``, ``best`` (a share; NaN where not every method was measured) and ``null``.
        ax: what is drawn on.
    """
    sizes = sizes_of(frame)
    table = frame.pivot(index="method", columns="size", values="best").reindex(index=methods_of(frame), columns=sizes)
    bottom = np.zeros(len(sizes))
    for method in table.index:
        height = 100 * table.loc[method].fillna(0).to_numpy(dtype=float)
        bars = ax.bar(
            range(len(sizes)),
            height,
            0.62,
            bottom=bottom,
            color=look(method)[0],
            edgecolor="white",
            linewidth=0.6,
            label=method,
        )
        ax.bar_label(
            bars,
            [f"{method}\n{h:.0f}%" if h >= 9 else "" for h in height],
            label_type="center",
            fontsize=7,
            color="white",
        )
        bottom += height
    for place in map(int, np.flatnonzero(table.isna().any(axis=0))):
        ax.text(place, 50, "not every\nmethod\nmeasured", ha="center", va="center", fontsize=7, color="#555555")
    ax.set_xticks(range(len(sizes)), sizes)
    null = 100 * float(frame["null"].iloc[0])
    ax.axhline(null, color="#333333", linewidth=0.9, linestyle="--", gid="null")
    ax.text(len(sizes) - 0.52, null + 1, f"equal methods: up to {null:.0f}%", ha="right", fontsize=7, bbox=_LABEL)
    ax.set(xlabel="Model size", ylabel="Best in so many redraws (%)", ylim=(0, 100), xlim=(-0.5, len(sizes) - 0.5))
    return ax


def critical_difference(
    methods: Sequence[str], average: Sequence[float], difference: float, groups: Sequence[Sequence[int]], ax: Axes
) -> Axes:
    """Average ranks on a line, 1 (best) at the left; a bar joins methods that do not differ (after Demšar 2006).

    Args:
        methods: names; ``average``: their mean ranks.
        difference: the critical difference, drawn as a scale above.
        groups: indices of methods that a bar joins (:func:`stats.cliques`).
    """
    order = np.argsort(average, kind="stable")
    count = len(methods)
    ax.set(xlim=(0.6, count + 0.4), ylim=(-count / 2 - 1.2, 1.6))
    ax.plot([1, count], [0, 0], color="#333333", linewidth=0.9)
    for rank in range(1, count + 1):
        ax.plot([rank, rank], [0, 0.15], color="#333333", linewidth=0.9)
        ax.text(rank, 0.3, str(rank), ha="center", fontsize=7)
    for place, index in enumerate(order):
        left = place < (count + 1) // 2
        depth = -0.9 - (place if left else count - 1 - place) - 0.12 * len(groups)
        end = 0.7 if left else count + 0.3
        colour, marker = look(methods[index])
        ax.plot([average[index], average[index], end], [0, depth, depth], color=colour, linewidth=0.9)
        ax.plot(average[index], 0, color=colour, marker=marker, markersize=5, gid=f"rank:{methods[index]}")
        text = f"{methods[index]}  {average[index]:.2f}"
        ax.text(end, depth + 0.1, text, ha="left" if left else "right", fontsize=8, color=colour)
    for level, group in enumerate(groups):
        ranks = [average[index] for index in group]
        y = -0.28 - 0.22 * level
        ax.plot([min(ranks) - 0.05, max(ranks) + 0.05], [y, y], color="#333333", linewidth=2.6, gid=f"group:{level}")
    ax.plot(
        [1, 1 + difference], [1.15, 1.15], color="#333333", linewidth=1.4, marker="|", markersize=6, gid="difference"
    )
    ax.text(1 + difference + 0.1, 1.15, f"critical difference {difference:.2f}", va="center", fontsize=7)
    ax.axis("off")
    return ax


def pareto(frame: pd.DataFrame, ax: Axes, cost: str, label: str, size: str) -> Axes:
    """Performance against a cost at one size: a marker per method with its interval; the front is joined.

    ``frame`` has ``size``, ``method``, ``value``, ``low``, ``high`` (percent), ``cost`` and ``published`` (whether the
    value is the paper's: drawn hollow). On the front is what no other method beats at the same cost or less.
    """
    rows = frame[frame["size"] == size].dropna(subset=["value", cost]).sort_values(cost)
    front = rows[rows["value"] >= rows["value"].cummax()]
    ax.plot(front[cost], front["value"], color="#999999", linewidth=1.0, drawstyle="steps-post", zorder=1, gid="front")
    for row in rows.to_dict("records"):
        colour, marker = look(row["method"])
        ax.errorbar(
            row[cost],
            row["value"],
            yerr=[[row["value"] - row["low"]], [row["high"] - row["value"]]],
            color=colour,
            marker=marker,
            markersize=5.5,
            markerfacecolor="white" if row["published"] else colour,
            elinewidth=0.8,
            zorder=3,
            gid=f"point:{row['method']}",
        )
    if rows.empty:
        ax.set_xticks([])
        ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", color="#555555")
    elif frame[cost].max() >= 10 * frame[cost].min():  # on less than a decade a logarithmic axis crowds its labels
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set(xlabel=label, ylabel="Mean performance (%)", title=size)
    return ax
