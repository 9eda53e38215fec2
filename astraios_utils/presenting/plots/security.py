"""AATK: insecure rates by CWE, and how far each assembly rule lies from table 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
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
    ax.set_facecolor("#DDDDDD")
    mesh = ax.imshow(wide.to_numpy(dtype=float), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(wide.to_numpy(dtype=float)):
        shown = "–" if np.isnan(value) else f"{value:.0f}"
        ax.text(column, row, shown, ha="center", va="center", fontsize=7, color="white" if value > 50 else "#111111")
    many = len(models) > 12
    between, angle = (" ", 90) if many else ("\n", 0)
    ax.set_xticks(range(len(models)), [f"{size}{between}{method}" for size, method in models], rotation=angle)
    ax.set_yticks(range(len(cwes)), cwes)
    ax.grid(False)
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=ax, label="Insecure (% of valid programs)")
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
