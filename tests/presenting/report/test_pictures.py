"""A picture in words: what the SVG of a figure shows is what the figure was drawn from."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from astraios_utils.presenting import plots
from astraios_utils.presenting.report import pictures


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    plt.close(figure)
    return stream.getvalue()


def test_panels_axes_and_methods() -> None:
    rows = [
        {"task": task, "metric": "pass@1", "size": size, "method": method, "value": value, "low": value - 2,
         "high": value + 2, "published": 51.0 if method == "LoRA" else np.nan,
         "provenance": "measured" if value == value else "missing"}
        for task in ("repair-python", "repair-java")
        for size, method, value in (("1B", "LoRA", 50.0), ("3B", "LoRA", 12), ("1B", "FFT", np.nan), ("3B", "FFT", 9))
    ]  # fmt: skip
    figure, axes = plots.panels(2, 4, 3)
    for ax, task in zip(axes, ("repair-python", "repair-java"), strict=True):
        plots.scaling(pd.DataFrame(rows), ax, task, "pass@1")
        ax.set_ylim(0, 60)
    words = pictures.described(_svg(figure))
    assert words.startswith(
        "2 panels: Code repair, Python; Code repair, Java. Horizontal axis: Model size (1B, 3B). "
        "Vertical axis: Pass@1 (%) from 0 to 60."
    )
    assert "Measured here, with 95% intervals: LoRA, FFT. Published: LoRA. Without artefact at some size: FFT." in words


def test_powers_of_ten_and_a_legend() -> None:
    figure, ax = plt.subplots()
    ax.plot([100, 1e6], [-5, 5], label="a line")
    ax.set_xscale("log")
    ax.set_xlabel("Parameters")
    ax.set_xticks([100, 1e6])
    ax.set_yticks([-5, 5])
    ax.set_ylabel("Change")
    ax.legend()
    assert pictures.described(_svg(figure)) == (
        "Horizontal axis: Parameters from 100 to 1,000,000. Vertical axis: Change from -5 to 5. Legend: a line."
    )


def test_long_lists_are_cut() -> None:
    figure, ax = plt.subplots()
    for number in range(15):
        ax.plot(0, number, gid=f"point:M{number}")
    assert pictures.described(_svg(figure)).endswith("M10, M11 and 3 others.")


def test_a_drawing_without_axes_has_no_words() -> None:
    assert pictures.described('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h4"/></svg>') == ""
