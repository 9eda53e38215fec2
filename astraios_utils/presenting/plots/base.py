"""What all figures share: how methods look, and how measured, published and missing values are distinguished.

One visual language throughout, readable in grey and by the colour-blind: a method is a colour (Okabe-Ito) *and* a
marker; a filled marker on a solid line is measured here, with its 95% interval; a hollow marker on a dashed line is
what the paper printed; a cross in the grey strip below the axis is a cell whose generations nobody has. Sizes are
categories, and methods stand side by side within each, so that no marker hides another.

Frames have the columns of ``results`` (``size``, ``method``, ``task``, ``metric``, ``value``, ``low``, ``high``,
``published``, ``provenance``); values are percentages. A frame of published numbers alone (``provenance`` all
``published``) is drawn hollow and has no missing cells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from ... import schema

# Okabe and Ito's palette (jfly.uni-koeln.de/color), black for the reference method; its yellow is too light for lines.
LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "LoRA": ("#0072B2", "o"),
        "P-Tuning": ("#D55E00", "s"),
        "AdapterH": ("#E69F00", "^"),
        "AdapterP": ("#009E73", "v"),
        "Parallel": ("#CC79A7", "D"),
        "(IA)3": ("#56B4E9", "P"),
        "FFT": ("#000000", "X"),
        "Prompt": ("#8C510A", "<"),
        "AdaLoRA": ("#4D4D9F", ">"),
        "Prefix": ("#7A7A7A", "h"),
    }
)
# For methods of the user's own: Tol's muted palette (personal.sron.nl/~pault), with markers that no other has.
_OWN_LOOKS = (
    ("#882255", "*"),
    ("#117733", "p"),
    ("#332288", "8"),
    ("#999933", "d"),
    ("#44AA99", "H"),
    ("#CC6677", "."),
)
_own: dict[str, tuple[str, str]] = {}
STYLE: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        "axes.titlesize": 10.0,
        "axes.labelsize": 9.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": "#E2E2E2",
        "grid.linewidth": 0.6,
        "xtick.major.size": 0.0,
        "ytick.major.size": 2.5,
        "legend.fontsize": 8.0,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "figure.dpi": 110.0,
        "savefig.dpi": 160.0,
    }
)
TASK_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "defect": "Defect detection",
        "clone": "Clone detection",
        "synthesize-python": "Code synthesis, Python",
        "synthesize-java": "Code synthesis, Java",
        "repair-python": "Code repair, Python",
        "repair-java": "Code repair, Java",
        "explain-python": "Code explanation, Python",
        "explain-java": "Code explanation, Java",
        "recode-format": "ReCode, format",
        "recode-function": "ReCode, function names",
        "recode-syntax": "ReCode, syntax",
        "recode-docstring": "ReCode, docstring",
        "defect-1shot": "Defect detection, one example shown",
        "clone-1shot": "Clone detection, one example shown",
        "conala": "CoNaLa",
        "aatk": "Asleep at the Keyboard (DoW)",
        "testgen-python": "Unit tests, Python",
        "testgen-java": "Unit tests, Java",
        "nll-python": "Likelihood of the reference, Python",
        "nll-java": "Likelihood of the reference, Java",
        "prefer-python": "Reference or bug, Python",
        "prefer-java": "Reference or bug, Java",
        "performance": "Mean over the 8 columns of tables 2 and 3",
        "generation": "Mean over the 6 columns of HumanEvalPack",
        "change": "RC@1, mean over 4 categories of perturbation",
    }
)
METRIC_LABELS: Mapping[str, str] = MappingProxyType(
    {
        **{"accuracy": "Accuracy (%)", "f1": "F1 (%)", "pass@1": "Pass@1 (%)", "rp@1": "RP@1 (%)", "rc@1": "RC@1 (%)"},
        **{"bleu": "BLEU (%)", "codebleu": "CodeBLEU (%)", "mean": "Mean (%)", "mutation": "Mutation score (%)"},
        **{"valid": "Valid programs (%)", "insecure": "Insecure among the valid (%)"},
        **{"bits/byte": "Bits per byte", "bits/token": "Bits per token", "prefer": "Reference preferred (%)"},
        **{f"prefer/{unit}": f"Reference preferred, per {unit} (%)" for unit in ("token", "byte")},
        **{"correct": "Correct (%)", "lines": "Lines executed (%)", "branches": "Branches executed (%)"},
        **{f"{what}/correct": f"{what.title()} executed by correct tests (%)" for what in ("lines", "branches")},
        "worst@1": "Pass@1 under the worst perturbation (%)",
        **{schema.java_metric(level): f"Pass@1 (%), Java {level}" for level in (8, 9, 10, 11)},
    }
)
SPREAD = 0.66  # share of a size's place on the axis that its methods take up
_OF_METHODS = ("measured:", "published:", "missing:", "point:")  # what the artists that show a method are called
STRIP = 0.075  # height of the strip of missing cells, as a share of the axis


def look(method: str) -> tuple[str, str]:
    """Colour and marker of a method; a method of the user's own that :func:`begin` does not know gets the next free."""
    return LOOKS.get(method) or _own.setdefault(method, _OWN_LOOKS[len(_own) % len(_OWN_LOOKS)])


def begin(suite: schema.Suite) -> None:
    """Set the style of all figures, and the looks of a suite's own methods by their order in the suite.

    The colour of a method then depends neither on the slice nor on which figure is drawn first.
    """
    plt.style.use(dict(STYLE))
    _own.clear()
    for method in suite.methods:
        look(method)


def panels(count: int, width: float, height: float, columns: int = 2, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of so many axes, row by row, each ``width`` x ``height`` inches; ``options`` go to ``plt.subplots``."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, axes.flat[:count]


def cells(frame: pd.DataFrame, task: str, metric: str) -> pd.DataFrame:
    """The cells of one task and metric: one row per method x size (that is the index), in the paper's order.

    Columns: ``value``, ``low``, ``high`` (measured here, NaN where not), ``published`` (NaN where the paper has none)
    and ``missing`` (nothing was measured, in a frame that holds measurements at all). Every method x size of the frame
    has a row, also those that the task does not have. Raises :class:`schema.BadInput` where columns or all rows are
    missing, or where a cell has two rows.
    """
    lacking = [c for c in ("size", "method", "task", "metric", "value", "provenance") if c not in frame]
    if lacking:
        raise schema.BadInput(f"frame to draw: no column {', '.join(lacking)}; pass results or a table of the paper")
    rows = frame[(frame["task"] == task) & (frame["metric"] == metric)].set_index(["method", "size"])
    if rows.empty:
        raise schema.BadInput(f"frame to draw: no row of {metric} on {task}; check the suite's tasks")
    if rows.index.has_duplicates:
        method, size = rows.index[rows.index.duplicated()][0]
        raise schema.BadInput(f"frame to draw: {size} {method} has two rows of {metric} on {task}; pass one suite")
    rows = rows.reindex(pd.MultiIndex.from_product([methods_of(frame), sizes_of(frame)], names=["method", "size"]))
    measured = rows["provenance"] == "measured"
    nothing = pd.Series(np.nan, index=rows.index)
    printed = rows["value"].where(rows["provenance"] == "published").astype(float)
    if "published" in rows:
        printed = printed.fillna(rows["published"].astype(float))
    return pd.DataFrame(
        {
            "value": rows["value"].where(measured).astype(float),
            "low": rows["low"].where(measured).astype(float) if "low" in rows else nothing,
            "high": rows["high"].where(measured).astype(float) if "high" in rows else nothing,
            "published": printed,
            "missing": rows["value"].where(measured).isna() & bool((frame["provenance"] != "published").any()),
        }
    )


def sizes_of(frame: pd.DataFrame) -> list[str]:
    """The sizes of a frame: the paper's in its order, others as they come."""
    return _ordered(frame["size"], schema.SIZES)


def methods_of(frame: pd.DataFrame) -> list[str]:
    """The methods of a frame, in the paper's order."""
    return _ordered(frame["method"], schema.ALL_METHODS)


def _ordered(names: Iterable[Any], known: Collection[str]) -> list[str]:
    present = list(dict.fromkeys(str(name) for name in names))
    return [k for k in known if k in present] + [p for p in present if p not in known]


def _places(table: pd.DataFrame) -> tuple[list[str], list[str], dict[str, np.ndarray]]:
    """Methods, sizes, and where on the axis each method's markers stand: one number per size."""
    methods = list(dict.fromkeys(table.index.get_level_values("method")))
    sizes = list(dict.fromkeys(table.index.get_level_values("size")))
    steps = (np.arange(len(methods)) - (len(methods) - 1) / 2) * SPREAD / max(len(methods), 1)
    return methods, sizes, {m: np.arange(len(sizes)) + step for m, step in zip(methods, steps, strict=True)}


def _draw_published(rows: pd.DataFrame, x: np.ndarray, ax: Axes, method: str, *, clipped: bool) -> None:
    """A method's published values: hollow markers on a dashed line."""
    colour, marker = look(method)
    ax.plot(
        x,
        rows["published"],
        color=colour,
        marker=marker,
        markerfacecolor="white",
        markersize=6.5,
        markeredgewidth=0.9,
        linewidth=0.7,
        linestyle=(0, (3, 2)),
        zorder=2,
        gid=f"published:{method}",
        clip_on=clipped,
    )


def _draw_measured(rows: pd.DataFrame, x: np.ndarray, ax: Axes, method: str, *, line: str, clipped: bool) -> None:
    """A method's measured values with their intervals: filled markers."""
    colour, marker = look(method)
    ends = np.stack([rows["value"] - rows["low"], rows["high"] - rows["value"]])
    bars = ax.errorbar(
        x,
        rows["value"].to_numpy(),
        yerr=np.clip(np.nan_to_num(ends), 0, None),
        color=colour,
        marker=marker,
        markersize=5.2 if marker in "PX" else 4.2,
        markeredgewidth=0.0,
        linewidth=1.1,
        elinewidth=0.9,
        zorder=3,
        linestyle=line,
        clip_on=clipped,
    )
    bars.lines[0].set_gid(f"measured:{method}")
    bars.lines[2][0].set_gid(f"interval:{method}")


def draw(table: pd.DataFrame, ax: Axes, floor: float | None = 0.0, zero: bool = False) -> Axes:
    """Draw ``cells`` (or a frame of their shape): size on the horizontal axis, a colour and a marker per method.

    ``floor`` is the lowest value that the quantity can take (``None``: let the data decide). ``zero`` draws
    differences: a line at 0, and none from size to size. Every artist carries a gid, ``measured:LoRA`` and the like.
    """
    methods, sizes, places = _places(table)
    for method in methods:
        rows, x = pd.DataFrame(table.loc[method]).reindex(sizes).astype(float), places[method]
        if rows["published"].notna().any():
            _draw_published(rows, x, ax, method, clipped=floor is None)
        if rows["value"].notna().any():
            _draw_measured(rows, x, ax, method, line="none" if zero else "-", clipped=floor is None)
    ax.set_xticks(range(len(sizes)), sizes)
    ax.set_xlim(-0.5, len(sizes) - 0.5)
    ax.set_xlabel("Model size")
    if zero:
        reference(ax, 0.0)
    if floor is not None:
        floor_at(ax, floor)
    if table[["value", "published"]].isna().all(axis=None):
        if len(ax.get_shared_y_axes().get_siblings(ax)) == 1:  # others may need the scale
            ax.set_yticks([])
        ax.text(0.5, 0.58, "nothing measured", transform=ax.transAxes, ha="center", color="#555555", gid="nothing")
    _strip(table, ax)
    return ax


def floor_at(ax: Axes, floor: float) -> None:
    """Let the axis begin at ``floor`` and yet scale with the data, also of axes that share it: set_ylim would not."""
    ax.axhline(floor, linewidth=0).sticky_edges.y.append(floor)
    ax.autoscale_view(scalex=False)  # axhline itself asks for it only where the line lies outside


def _strip(table: pd.DataFrame, ax: Axes) -> None:
    """Mark the cells without artefact: a cross per method and size in a grey strip below the axis' lowest value."""
    if not table["missing"].any():
        return
    methods, sizes, places = _places(table)
    transform = ax.get_xaxis_transform()  # sizes across, shares of the axis' height upwards: free of the values' scale
    corner, width = (-0.5, -STRIP), float(len(sizes))
    ax.add_patch(
        Rectangle(corner, width, STRIP, transform=transform, clip_on=False, color="#EEEEEE", linewidth=0, gid="strip")
    )
    ax.spines["bottom"].set_position(("axes", -STRIP))
    for method in methods:
        lacking = table.loc[method].reindex(sizes)["missing"].to_numpy(dtype=bool)
        if lacking.any():
            ax.plot(
                places[method][lacking],
                np.full(lacking.sum(), -STRIP / 2),
                transform=transform,
                clip_on=False,
                linestyle="none",
                marker="x",
                markersize=4,
                markeredgewidth=1.1,
                color=look(method)[0],
                gid=f"missing:{method}",
                scaley=False,
            )


def label_powers(axis: Axis, at: Sequence[int]) -> None:
    """Label a logarithmic axis with plain numbers, at these multiples of the powers of ten."""
    axis.set_major_locator(LogLocator(subs=at))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter(NullFormatter())


def legend(target: Axes | Figure, notes: Mapping[str, str] | None = None, **where: Any) -> Legend:
    """Explain the methods' colours and the signs for measured, published and missing: only those that the axes hold.

    ``notes`` puts a text behind a method's name (figure 1: the share of parameters it updates); ``where`` goes to
    matplotlib. Without it the legend stands below a figure, or right of an axis.
    """
    axes = target.axes if isinstance(target, Figure) else [target]
    gids = [artist.get_gid() or "" for ax in axes for artist in ax.get_children()]
    drawn = [tuple(gid.split(":", 1)) for gid in gids if gid.startswith(_OF_METHODS)]
    kinds, methods = {kind for kind, _ in drawn}, _ordered((method for _, method in drawn), LOOKS)
    handles = [handle(f"{m} ({notes[m]})" if notes and m in notes else m, *look(m)) for m in methods]
    dashes: dict[str, Any] = {"linestyle": (0, (3, 2)), "markerfacecolor": "white", "linewidth": 0.7, "markersize": 6.5}
    if "measured" in kinds:
        handles.append(handle("measured here, 95% interval"))
    if "published" in kinds:
        handles.append(handle("published", **dashes))
    if "missing" in kinds:
        handles.append(handle("no artefact", marker="x", linestyle="none", markersize=4))
    if not where and isinstance(target, Figure):
        where = {"loc": "outside lower center", "ncol": max((len(handles) + 1) // 2, 1)}
    elif not where:
        where = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    return target.legend(handles=handles, **where)


def handle(label: str, color: str = "#333333", marker: str = "o", **look: Any) -> Line2D:
    return Line2D([], [], label=label, color=color, marker=marker, **{"markersize": 5, "linewidth": 1.1, **look})


def reference(ax: Axes, value: float, label: str | None = None) -> Axes:
    """A thin horizontal line at ``value`` (a baseline, or no difference), with its name at the right end."""
    ax.axhline(value, color="#555555", linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1, gid="reference")
    if label:
        ax.annotate(
            label,
            (1.0, value),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color="#555555",
            bbox={"facecolor": "#FFFFFFB0", "pad": 0.5, "linewidth": 0},
        )
    return ax
