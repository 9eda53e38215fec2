"""Losses over steps, sizes, updated parameters and performance: figures 3, 4 and 8 to 11."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .base import label_powers, look, methods_of, sizes_of


def loss_panels(losses: pd.DataFrame) -> Figure:
    """A figure of :func:`loss_curves` with one axis per size of ``losses``."""
    shown = sizes_of(losses)
    width = 2.9 * len(shown) + 1.2
    figure, axes = plt.subplots(1, len(shown), figsize=(width, 3.2), squeeze=False, sharey=True, layout="constrained")
    loss_curves(losses, axes[0], shown)
    return figure


def loss_curves(losses: pd.DataFrame, axes: Sequence[Axes] | np.ndarray, sizes: Sequence[str]) -> np.ndarray:
    """Figure 4: the test loss of each method over the steps, the train loss pale behind it, on one axis a size.

    ``losses`` has ``size``, ``method``, ``step``, ``split`` (``train``, ``test``) and ``loss``; none need be there yet.
    The axis fits the test losses: a train loss also jumps with its step's documents, and may leave it.
    """
    panels = np.ravel(np.asarray(axes, dtype=object))
    for ax, size in zip(panels, sizes, strict=True):
        for i, (method, part) in enumerate(losses[losses["size"] == size].groupby("method", sort=False)):
            color, marker = look(str(method))
            train, test = (part[part["split"] == split] for split in ("train", "test"))
            ax.plot(train["step"], train["loss"], color=color, alpha=0.3, linewidth=0.7, gid=f"train:{method}")
            ax.plot(
                test["step"],
                test["loss"],
                color=color,
                marker=marker,
                label=method,
                linewidth=1.2,
                markersize=4.5,
                markevery=(i % 3, 3),
            )
        ax.set(title=size, xlabel="Step")
        if not ax.lines:
            ax.set(title=f"{size}: no run yet", xticks=[])
    panels[0].set_ylabel("Loss (nats per token)")
    shown = losses[losses["split"] == "test"] if (losses["split"] == "test").any() else losses
    if len(shown):
        low, high = shown["loss"].min(), shown["loss"].max()
        margin = 0.25 * (high - low) or 0.1
        for ax in panels:
            ax.set_ylim(low - margin, high + margin)
        named = {line.get_label(): line for ax in panels for line in ax.lines if line.get_marker() != "None"}
        panels[-1].legend(handles=list(named.values()), loc="upper left", bbox_to_anchor=(1.01, 1.0))
    else:
        panels[0].set_yticks([])
    return panels


def final_losses(ends: pd.DataFrame, ax: Axes, split: str) -> Axes:
    """Figures 3 and 11: the final loss over the model sizes, a line per method.

    ``ends`` has ``size``, ``method`` and a column ``split`` (``train`` or ``test``). One run a model: no interval.
    """
    sizes = sizes_of(ends)
    for method in methods_of(ends):
        colour, marker = look(method)
        own = ends[ends["method"] == method].set_index("size")[split].reindex(sizes)
        ax.plot(
            range(len(sizes)),
            own.to_numpy(),
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=1.1,
            gid=f"point:{method}",
        )
    ax.set_xticks(range(len(sizes)), sizes)
    ax.set(xlabel="Model size", ylabel="Loss (nats per token)", title=f"Final {split} loss")
    return ax


def loss_by_rate(trials: pd.DataFrame, axes: Sequence[Axes] | np.ndarray) -> np.ndarray:
    """Figure 11 and appendix F: the final loss over the model sizes, a line per learning rate, on one axis a method.

    ``trials`` has ``size``, ``method``, ``rate`` and ``loss`` (``running.search``); diverged trials leave a gap. A
    darker line is a larger rate.
    """
    panels, sizes = np.ravel(np.asarray(axes, dtype=object)), sizes_of(trials)
    rates = sorted(trials["rate"].unique())
    shades = colormaps["viridis_r"](np.linspace(0.1, 1.0, len(rates)))
    for ax, (method, own) in zip(panels, trials.groupby("method", sort=False), strict=True):
        wide = own.pivot(index="size", columns="rate", values="loss").reindex(sizes)
        for rate, shade in zip(rates, shades, strict=True):
            held = wide[rate].replace(np.inf, np.nan)
            ax.plot(range(len(sizes)), held, color=shade, marker="o", markersize=4, label=f"{rate:g}", gid=f"{rate:g}")
        ax.set_xticks(range(len(sizes)), sizes)
        ax.set(title=method, xlabel="Model size")
        ax.set_yscale("log")
        label_powers(ax.yaxis, (1, 2, 5))
    panels[0].set_ylabel("Validation loss (nats per token)")
    panels[-1].legend(title="Learning rate", loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return panels


def loss_by_documents(found: pd.DataFrame, ax: Axes) -> Axes:
    """The final loss over the number of training documents: each run pale, a line through each method's means.

    ``found`` has ``method``, ``documents``, ``seed`` and ``loss`` (``running.search.by_documents``).
    """
    for method, own in found.groupby("method", sort=False):
        color, marker = look(str(method))
        means = own.groupby("documents")["loss"].mean()
        ax.plot(own["documents"], own["loss"], color=color, marker=marker, alpha=0.35, markersize=4, linestyle="none")
        ax.plot(means.index, means, color=color, marker=marker, markersize=5.5, label=method, gid=f"point:{method}")
    ax.set_xscale("log")
    amounts = sorted(found["documents"].unique())
    ax.set_xticks(amounts, [f"{amount:,}" for amount in amounts])
    ax.minorticks_off()
    ax.set(xlabel="Distinct training documents", ylabel="Validation loss (nats per token)")
    return ax


def loss_against(ends: pd.DataFrame, ax: Axes, split: str, column: str, label: str, log: bool = False) -> Axes:
    """Figures 8 and 9: the final loss against another number of the models; a larger marker is a larger model.

    ``ends`` has ``size``, ``method``, ``split`` and ``column``, and may have ``column_low`` and ``column_high``
    (``performance_low``, …), drawn as bars. The models of a size are joined in the order of ``column``.
    """
    sizes = sizes_of(ends)
    for place, size in enumerate(sizes):
        own = ends[ends["size"] == size].dropna(subset=[split, column]).sort_values(column)
        ax.plot(own[column], own[split], color="#BBBBBB", linewidth=0.8, zorder=1, gid=f"size:{size}")
        for row in own.to_dict("records"):
            colour, marker = look(row["method"])
            ends_of = [row.get(f"{column}_{end}", np.nan) for end in ("low", "high")]
            ax.plot(ends_of, [row[split]] * 2, color=colour, linewidth=0.8, zorder=2)
            ax.plot(
                row[column],
                row[split],
                color=colour,
                marker=marker,
                markersize=4 + 1.6 * place,
                linestyle="none",
                markeredgecolor="white",
                markeredgewidth=0.5,
                zorder=3,
                gid=f"point:{row['method']}",
            )
        if len(own):
            last = own.iloc[-1]
            ax.annotate(
                size,
                (last[column], last[split]),
                xytext=(6, 3),
                textcoords="offset points",
                fontsize=7,
                color="#555555",
            )
    ax.set_xscale("log" if log else "linear")
    ax.set(xlabel=label, ylabel=f"Final {split} loss")
    return ax


def extrapolation(ends: pd.DataFrame, fits: pd.DataFrame, parameters: pd.DataFrame, ax: Axes) -> Axes:
    """Final test losses over the base's parameters, and what a power law predicts of the largest from the others.

    ``fits`` has ``method``, ``predicted``, ``exponent`` (:func:`losses.extrapolations`); dashes run to the prediction.
    """
    joined = ends.merge(parameters, on="size").sort_values("parameters")
    for row in fits.to_dict("records"):
        colour, marker = look(row["method"])
        own = joined[joined["method"] == row["method"]]
        x = own["parameters"].to_numpy(dtype=float)
        line = row["predicted"] * (x / x[-1]) ** -row["exponent"]
        ax.plot(x, line, color=colour, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
        ax.plot(
            x, own["test"], color=colour, marker=marker, markersize=4.5, linestyle="none", gid=f"point:{row['method']}"
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:.2f}")
    ax.set(xlabel="Parameters of the base", ylabel="Final test loss", title="Fitted without the largest size")
    return ax
