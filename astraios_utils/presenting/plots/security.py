"""AATK: insecure rates by CWE, and how far each assembly rule lies from table 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ... import schema
from ...analyzers import assembly, rates


def insecure_by_cwe(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw insecure rates, a row per CWE, a column per model; no valid program: a hatched cell.

    Args:
        frame: of :func:`judged`, several models; the paper's stand in its order.
    """
    table = rates.rates(frame, ["cwe", "size", "method"])
    order = {name: place for place, name in enumerate((*schema.SIZES, *schema.ALL_METHODS))}  # of others: as they come
    found = dict.fromkeys(zip(frame["size"], frame["method"], strict=True))
    models = sorted(found, key=lambda model: tuple(order.get(name, len(order)) for name in model))
    cwes = sorted(table["cwe"].unique(), key=lambda name: int(name.split("-")[1]))
    wide = table.pivot(index="cwe", columns=["size", "method"], values="insecure").reindex(cwes)[models]
    values = wide.to_numpy(dtype=float)
    between, angle = (" ", 90) if len(models) > 12 else ("\n", 0)
    ax.set_facecolor("#DDDDDD")
    sns.heatmap(
        values,
        vmin=0,
        vmax=100,
        cmap="Blues",
        annot=True,
        fmt=".0f",
        annot_kws={"fontsize": 8},
        linewidths=0.5,
        xticklabels=[f"{size}{between}{method}" for size, method in models],
        yticklabels=cwes,
        cbar_kws={"label": "Insecure (% of valid programs)"},
        ax=ax,
    )
    for row, column in np.argwhere(np.isnan(values)):
        ax.text(column + 0.5, row + 0.5, "–", ha="center", va="center", fontsize=8, color="#111111")
    ax.tick_params(axis="x", rotation=angle)
    ax.tick_params(axis="y", rotation=0)
    ax.grid(False)
    return ax


def rule_offsets(frame: pd.DataFrame, ax: Axes, metric: str = "valid") -> Axes:
    """Draw how far each assembly rule's rates lie from table 5: a row per rule, a mark per model.

    Args:
        frame: of :func:`by_rule`.
    """
    names: Sequence[str] = [rule for rule in assembly.RULES if rule in set(frame["rule"])][::-1]
    for place, rule in enumerate(names):
        values = frame[frame["rule"] == rule][f"{metric}_off"].dropna()
        ax.plot(values, np.full(len(values), place), "o", markersize=5, alpha=0.8, color="#0072B2", clip_on=False)
    ax.axvspan(-3, 3, color="#DDDDDD", zorder=0)
    ax.axvline(0, color="#555555", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_xlabel(f"{metric.capitalize()} rate: measured minus published (percentage points)")
    return ax
