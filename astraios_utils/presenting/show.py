"""What a notebook shows: sentences, tables next to the paper's, live figures, and figures that are kept.

Outside a kernel, nothing is displayed; figures are still written.
"""

from __future__ import annotations

import collections
import contextlib
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from .. import methods, schema, store
from ..running import figures
from ..running.notebooks import FIGURE_TYPE
from ..store import processes
from ..tasks import task_of
from . import plots, tables
from .plots import data

_LIVE_LINES = 8  # of the log next to a figure that is redrawn

# How a cell stands to the paper: a sign that works without colour, and the cell's background.
STATUS_LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "equal": ("=", "#DCEBF7"),
        "verdicts differ": ("Δ", "#F8F2D4"),
        "different": ("≠", "#F6D5C3"),
        "undecided": ("?", "#F4F4F4"),
        "not published": ("", "#FFFFFF"),
        "no artefact": ("—", "repeating-linear-gradient(45deg, #EFEFEF 0 4px, #FFFFFF 4px 8px)"),
    }
)


def save(figure: Figure, part: schema.Suite, name: str) -> None:
    """Save a figure of a suite, or of a slice of one, as ``<name>.svg`` and ``<name>.png`` in its build folder.

    Its data is written to ``<name>.csv`` next to it. The same figure of the same results gives the same bytes. A figure
    without data is closed and not saved. In a notebook the place is shown, as an output from which
    :func:`notebooks.execute` learns what to publish.
    """
    if not any(ax.has_data() for ax in figure.axes):
        plt.close(figure)
        say(f"*There is nothing to draw for {name}: no run of suite {part.name} gave the data.*")
        return
    folder, origin = figures.folder(part), figures.origin(part)
    salted: Any = {"svg.hashsalt": name, "svg.fonttype": "path"}
    metadata: dict[str, dict[str, str | None]] = {"svg": {"Date": None, **origin}, "png": {"Software": None, **origin}}
    files = []
    for kind, written in metadata.items():
        drawn = io.BytesIO()
        with mpl.rc_context(salted):
            figure.savefig(drawn, format=kind, metadata=written)
        with store.atomic(folder / f"{name}.{kind}") as stream:
            stream.write(drawn.getvalue())
        files.append(str(folder / f"{name}.{kind}"))
    store.write_frame(folder / f"{name}.csv", data.table(figure))
    _show(
        {
            FIGURE_TYPE: {"files": files, "described": data.description(figure)},
            "text/plain": f"saved as {folder.parent.parent.name}/figures/{folder.name}/{name}.svg and .png",
        }
    )


def _show(bundle: Mapping[str, Any]) -> None:
    """Display a bundle where there is a notebook to display it in."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(dict(bundle), raw=True)  # type: ignore[no-untyped-call]


def say(text: str) -> None:
    """Show a sentence that was made from results, as Markdown."""
    _show({"text/markdown": text, "text/plain": text})


@contextlib.contextmanager
def log(tick: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Show the last lines of progress in place while something runs; outside a notebook they are printed as always.

    Args:
        tick: called after each line.
    """
    from IPython import get_ipython
    from IPython.display import DisplayHandle

    if get_ipython() is None:
        yield
        return
    lines: collections.deque[str] = collections.deque(maxlen=_LIVE_LINES)
    shown: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    shown.display({"text/plain": ""}, raw=True)

    def progress(text: str) -> None:
        lines.append(text)
        shown.update({"text/plain": "\n".join(lines)}, raw=True)
        tick()

    with processes.listening(progress):
        yield


@contextlib.contextmanager
def live(figure: Figure, draw: Callable[[], object], seconds: float = 3.0) -> Iterator[None]:
    """Redraw a figure, and show the last lines of progress above it, while something runs.

    Outside a notebook the lines are printed as always, and the figure is drawn once, at the end.

    Args:
        figure: the figure; its axes are cleared before each drawing.
        draw: draws what is known so far.
        seconds: shortest time between two drawings.
    """
    from IPython import get_ipython
    from IPython.display import DisplayHandle

    picture: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    drawn = [-math.inf]

    def tick() -> None:
        if time.monotonic() - drawn[0] >= seconds:
            _redraw(figure, draw)
            picture.update(figure)
            drawn[0] = time.monotonic()

    try:
        with log(tick):
            if get_ipython() is not None:
                picture.display({"text/plain": ""}, raw=True)
            yield
        if get_ipython() is not None:
            picture.update({"text/plain": ""}, raw=True)  # the cell shows the last state by itself
    finally:
        _redraw(figure, draw)
        if not any(ax.has_data() for ax in figure.axes):
            plt.close(figure)  # or the notebook would show empty axes


def _redraw(figure: Figure, draw: Callable[[], object]) -> None:
    for ax in figure.axes:
        ax.clear()
    draw()


def asked(suite: schema.Suite, tasks: Iterable[str]) -> list[str]:
    """Those of a notebook's tasks that the suite includes.

    Raises:
        schema.BadInput: none of them.
    """
    tasks = list(tasks)
    found = [task for task in tasks if task in suite.tasks]
    if not found:
        raise schema.BadInput(
            f"suite {suite.name} has none of {', '.join(tasks)}: take this notebook off the suite's list"
        )
    return found


def scale(suite: schema.Suite, tasks: Iterable[str]) -> None:
    """Show problem counts and decoding settings of a suite; nothing for the paper's own suites."""
    if suite.published:
        return
    rows = []
    for task in (task_of(suite, name) for name in tasks):
        how, count = task.decoding, "not available"
        own = suite.problems.get(task.name)  # of some suites a run makes them first
        with contextlib.suppress(schema.MissingArtefact):
            if own is None or Path(own).exists():
                count = str(len({p.id for p in task.problems(own)}))
        rows.append((task.title, count, how.samples, how.temperature or "greedy", how.max_length))
    heads = ["task", "problems", "samples of a prompt", "temperature", "tokens with the prompt, at most"]
    say(
        f"**Suite *{suite.name}* is not the paper's.** Its sizes are {', '.join(suite.sizes)}; its "
        "problems are listed here; statements about the paper's models, files and findings do not apply to it. "
        "Notebook 06 and `astraios claims` show whether its own results support the paper's statements."
    )
    say(pd.DataFrame(rows, columns=heads).style.hide(axis="index").to_html())


def recipe(suite: schema.Suite) -> Styler:
    """A suite's recipe, what is set of it, with the learning rate of each of its methods."""
    held = suite.recipe.model_dump() if suite.recipe else {}
    if suite.recipe:
        rates = {method: suite.recipe.rate(method) for method in suite.methods if not methods.is_untuned(method)}
        held |= {"learning_rates": ", ".join(f"{method} {rate:g}" for method, rate in rates.items())}
    told = {name: value for name, value in held.items() if value not in (None, "", (), {}) and value is not False}
    texts = {name.replace("_", " "): str(value) for name, value in told.items()}
    return pd.DataFrame({"value": texts}).style.set_table_styles(_LEFT)


COSTS: Mapping[str, str] = MappingProxyType(
    {
        "trainable_parameters": "trained parameters",
        "checkpoint_bytes": "bytes of the checkpoint",
        "tokens_per_second": "tokens per second",
        "wall_seconds": "seconds in all",
        "host_peak_mib": "peak memory (MiB)",
        "gpu_average_mib": "GPU memory, mean (MiB)",
        "gpu_peak_mib": "GPU memory, peak (MiB)",
        "gpu_joules": "GPU energy (J)",
        "cpu_joules": "CPU energy (J)",
        "base_precision": "base in",
    }
)


def costs(frame: pd.DataFrame) -> None:
    """Show what each trained model cost (:func:`training.collect`); say so where none was trained."""
    if frame.empty:
        say("*No model of this slice was trained here.*")
        return
    known = frame.set_index(["size", "method"])[list(COSTS)].rename(columns=dict(COSTS)).dropna(axis=1, how="all")
    say(known.style.format(precision=0, thousands=",", na_rep="—").to_html())


def in_words(frame: pd.DataFrame, words: Mapping[str, str]) -> Styler:
    """A frame as a table of its own order: without the index, and with words for those columns' names.

    Columns that ``words`` leaves out are not shown.
    """
    return frame[list(words)].rename(columns=dict(words)).style.hide(axis="index").format(precision=2, na_rep="—")


def at_hand(frame: pd.DataFrame) -> Styler:
    """How many cells are measured, per task and size: ``5 of 7``. ``frame`` holds one metric per task."""
    measured = frame.assign(measured=frame["provenance"] == "measured")
    groups = measured.groupby(["task", "size"], sort=False)["measured"]
    texts = groups.agg(lambda m: f"{m.sum()} of {len(m)}").unstack("size").reindex(columns=plots.sizes_of(frame))
    return texts.rename(index=dict(plots.TASK_TITLES), columns=str).rename_axis(index=None).style


def agreement(frame: pd.DataFrame) -> str:
    """How the measured cells of a frame stand to the paper, in words."""
    measured = frame[frame["provenance"] == "measured"]
    counts = measured["status"].value_counts()
    parts = [f"{counts[status]} {status}" for status in STATUS_LOOKS if status in counts.index]
    return f"{len(measured)} of {len(frame)} cells measured" + (f": {', '.join(parts)}" if parts else "")


def status_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """How many cells stand how to the paper: a row per task and metric and one for all, a column per status."""
    statuses = [status for status in STATUS_LOOKS if (frame["status"] == status).any()]
    counts = frame.groupby(["task", "metric"], sort=False)["status"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=statuses).rename_axis(columns=None)
    counts = counts.rename(index=plots.TASK_TITLES, level=0).rename(index=plots.METRIC_LABELS, level=1)
    counts.loc[("all", ""), :] = counts.sum()
    return counts.astype(int).assign(cells=lambda f: f.sum(axis=1))


def table(frame: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> Styler:
    """A table of the paper, measured next to published values, for a notebook to display.

    Args:
        frame: results (``size``, ``method``, ``task``, ``metric``, ``value``, ``se``, ``low``, ``high``, ``published``,
            ``status``).
        columns: the (task, metric) pairs to show, each over all sizes of the frame.

    Returns:
        A row per method, a column per pair and size. A cell has up to three lines: the measured value with a sign for
        its status (``STATUS_LOOKS``), its standard error, and the published value; its interval shows on hovering. As
        in the paper, the best value of a column is bold and the second underlined, among the measured and among the
        published ones. A cell without artefact shows a dash on hatched ground. The attribute ``data-cell`` of a
        measured one (``TASK/SIZE/METHOD``) lets the book link to its samples.
    """
    sizes, methods = plots.sizes_of(frame), plots.methods_of(frame)
    held = {(r["task"], r["metric"], r["method"], r["size"]): r for r in frame.to_dict("records")}
    places = [(task, metric, size) for task, metric in columns for size in sizes]
    lacking = [p for p in places if not any((p[0], p[1], method, p[2]) in held for method in methods)]
    if lacking:
        raise schema.BadInput(f"table to show: no row of {lacking[0][1]} on {lacking[0][0]} at {lacking[0][2]}")
    header = pd.MultiIndex.from_tuples(
        [(f"{plots.TASK_TITLES[t]}<br>{plots.METRIC_LABELS.get(m, m)}", size) for t, m, size in places]
    )
    rows = [[held.get((t, m, method, size), _NOTHING) for t, m, size in places] for method in methods]
    marked = [_marked(column, metric) for column, (_, metric, _) in zip(zip(*rows, strict=True), places, strict=True)]
    texts = pd.DataFrame(list(zip(*marked, strict=True)), methods, header)
    looks = pd.DataFrame([[_cell_look(cell) for cell in row] for row in rows], methods, header)
    styler = Styler(texts, uuid=store.fingerprint(list(columns)), cell_ids=False, caption=_table_caption())
    return styler.apply(lambda _: looks, axis=None).set_table_styles(_TABLE_STYLES)


_NOTHING: Mapping[str, Any] = MappingProxyType({"status": "no artefact", "published": float("nan")})
_TABLE_STYLES: Any = [
    {"selector": "th", "props": "text-align: center; font-size: 0.85em;"},
    {"selector": "td", "props": "text-align: right; font-size: 0.85em; line-height: 1.25; white-space: nowrap;"},
    {"selector": "caption", "props": "caption-side: bottom; text-align: left; font-size: 0.85em; padding-top: 0.5em;"},
    {"selector": "small", "props": "opacity: 0.75;"},
]


_LEFT: Any = [{"selector": "th, td", "props": "text-align: left;"}]
_MARKS: Mapping[str, str] = MappingProxyType({"": "{}", "best": "<b>{}</b>", "second": "<u>{}</u>"})


def _marked(column: Sequence[Mapping[Any, Any]], metric: str) -> list[str]:
    """The texts of a column's cells, with marks."""
    measured = tables.ranks([cell.get("value", math.nan) for cell in column], metric)
    printed = tables.ranks([cell["published"] for cell in column], metric)
    return [_cell_text(*cell) for cell in zip(column, measured, printed, strict=True)]


def _cell_text(cell: Mapping[Any, Any], measured: str, print_mark: str) -> str:
    sign, published = STATUS_LOOKS[cell["status"]][0], cell["published"]
    printed = "" if np.isnan(published) else f"<br><small>({_MARKS[print_mark].format(f'{published:.2f}')})</small>"
    if cell["status"] == "no artefact":
        return f'<span title="no generations file: nothing was measured">{sign}</span>{printed}'
    error = "" if np.isnan(cell["se"]) else f"<br><small>±{cell['se']:.2f}</small>"
    value = "undefined" if np.isnan(cell["value"]) else _MARKS[measured].format(f"{cell['value']:.2f}")
    interval = "" if np.isnan(cell["low"]) else f"; 95% interval {cell['low']:.2f} to {cell['high']:.2f}"
    place = "/".join(quote(str(cell[name]), safe="") for name in ("task", "size", "method"))
    return f'<span title="{cell["status"]}{interval}" data-cell="{place}">{value} {sign}</span>{error}{printed}'


def _cell_look(cell: Mapping[Any, Any]) -> str:
    return f"background: {STATUS_LOOKS[cell['status']][1]}; color: #111111;"


def _table_caption() -> str:
    signs = ", ".join(f"{sign} {status}" for status, (sign, _) in STATUS_LOOKS.items() if sign)
    return (
        "measured, ± standard error (clustered by problem), (published); 95% interval on hovering; best of a column "
        f"bold, second underlined; {signs}"
    )
