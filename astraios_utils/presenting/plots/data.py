"""What a figure shows, as a table and as a sentence: the data behind a picture, read from its artists.

One reader serves every figure, so a figure cannot be drawn without its data. Values are those of the axes: a category
axis gives its tick's label, a numeric one the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from .base import LOOKS

COLUMNS = ("panel", "series", "kind", "x", "y", "low", "high")
_DECORATION = ("reference", "nothing", "null", "strip", "front", "difference", "group", "size")
Row = Mapping[str, Any]
_Place = Callable[[float], Any]  # a position on an axis -> what is written there


def table(figure: Figure) -> pd.DataFrame:
    """The data that a figure shows.

    Returns:
        A row per marker, bar or cell: panel (the axes' title), series (a method, or a label), kind (``measured``,
        ``published``, ``missing`` …), x, y, and the interval's ends (NaN: none). Reference lines are left out.
    """
    rows = [row for ax in figure.axes for row in _of_axes(ax)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame[["low", "high"]] = frame[["low", "high"]].astype(float)
    return frame.drop_duplicates(ignore_index=True)


def description(figure: Figure) -> str:
    """A figure in words, for those who do not see it: panels, axes with their ranges, series."""
    frame = table(figure)
    panels = [name for name in dict.fromkeys(frame["panel"]) if name]
    axes = [ax for ax in figure.axes if ax.has_data() and ax.get_ylabel()] or figure.axes[:1]
    parts = [f"{len(panels)} panels: {', '.join(panels)}."] if len(panels) > 1 else []
    for name, label in (("x", axes[0].get_xlabel()), ("y", axes[0].get_ylabel())):
        if label:
            parts.append(f"{'Horizontal' if name == 'x' else 'Vertical'} axis: {label}{listed_range(frame[name])}.")
    series = [name for name in dict.fromkeys(frame["series"]) if name]
    if series:
        parts.append(f"Series: {', '.join(series[:12])}{' and others' if len(series) > 12 else ''}.")
    return " ".join(parts)


def listed_range(values: Sequence[Any] | pd.Series) -> str:
    """`` from 3 to 20``, or the categories; nothing where there are none."""
    known = pd.Series(values, dtype=object).dropna()
    plain = known.map(lambda value: str(value).replace("\u2212", "-").replace(",", ""))
    numbers = pd.to_numeric(plain, errors="coerce").dropna()
    if len(numbers) < len(known):
        names = list(dict.fromkeys(map(str, known)))
        return f" ({', '.join(names[:8])}{', …' if len(names) > 8 else ''})"
    return f" from {_short(numbers.min())} to {_short(numbers.max())}" if len(numbers) else ""


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _of_axes(ax: Axes) -> Iterator[Row]:
    panel = ax.get_title()
    place = (_places(ax.xaxis), _places(ax.yaxis))
    taken: set[Line2D] = set()
    for container in ax.containers:
        if isinstance(container, ErrorbarContainer):
            lines = [container.lines[0], *container.lines[1]]
            taken |= {line for line in lines if line is not None}
            yield from _bars_with_errors(container, panel, place)
        elif isinstance(container, BarContainer):
            yield from _bars(container, panel, place)
    for line in ax.lines:
        if line not in taken:
            yield from _line(line, ax, panel, place)
    for artist in ax.collections:
        yield from _collection(artist, panel, place)


def _places(axis: Any) -> _Place:
    """What is written at a position: the label of the nearest tick of a category axis, or the number itself."""
    formatter, locator = axis.get_major_formatter(), axis.get_major_locator()
    ticks = np.asarray(locator() if isinstance(locator, FixedLocator) else [], dtype=float)
    labels = [str(formatter(tick, place)).replace("\n", " ") for place, tick in enumerate(ticks)]
    if all(_is_number(label) for label in labels):
        return lambda value: float(f"{value:.8g}")
    return lambda value: labels[int(np.abs(ticks - value).argmin())]


def _is_number(text: str) -> bool:
    try:
        float(text.replace("\u2212", "-"))
    except ValueError:
        return False
    return True


def _name(artist: Any) -> tuple[str, str]:
    """Series and kind of an artist: its gid says both, or its label or colour says the series."""
    gid = str(artist.get_gid() or "")
    if ":" in gid:
        kind, series = gid.split(":", 1)
        return series, kind
    label = str(artist.get_label() or "")
    if label and not label.startswith("_"):
        return label, gid
    colours = {to_hex(colour): method for method, (colour, _) in LOOKS.items()}
    shown = artist.get_color() if isinstance(artist, Line2D) else None
    return colours.get(to_hex(shown), "") if shown is not None else "", gid


def _row(panel: str, named: tuple[str, str], x: Any, y: Any, ends: tuple[float, float] | None = None) -> Row:
    low, high = ends or (np.nan, np.nan)
    return dict(zip(COLUMNS, (panel, *named, x, y, low, high), strict=True))


def _bars_with_errors(container: ErrorbarContainer, panel: str, place: tuple[_Place, _Place]) -> Iterator[Row]:
    line = container.lines[0]
    segments = [np.asarray(s) for bars in container.lines[2] for s in bars.get_segments()]
    ends = {float(s[0, 0]): (float(s[:, 1].min()), float(s[:, 1].max())) for s in segments if len(s)}
    for x, y in zip(*map(np.asarray, line.get_data()), strict=True):
        if not np.isnan(y):
            yield _row(panel, _name(line), place[0](x), place[1](y), ends.get(float(x)))


def _bars(container: BarContainer, panel: str, place: tuple[_Place, _Place]) -> Iterator[Row]:
    for bar in container.patches:
        if not np.isnan(bar.get_height()):
            middle = bar.get_x() + bar.get_width() / 2
            yield _row(panel, (str(container.get_label()), "bar"), place[0](middle), place[1](bar.get_height()))


def _line(line: Line2D, ax: Axes, panel: str, place: tuple[_Place, _Place]) -> Iterator[Row]:
    series, kind = _name(line)
    if kind in _DECORATION or (line.get_transform() != ax.transData and kind != "missing"):
        return
    if not kind and line.get_marker() in ("None", "", None):  # a connecting line
        return
    for x, y in zip(*(np.atleast_1d(np.asarray(data, dtype=float)) for data in line.get_data()), strict=True):
        if kind == "missing":
            yield _row(panel, (series, kind), place[0](x), np.nan)
        elif not np.isnan(y):
            yield _row(panel, (series, kind), place[0](x), place[1](y))


def _collection(artist: Any, panel: str, place: tuple[_Place, _Place]) -> Iterator[Row]:
    if isinstance(artist, QuadMesh):
        values: Any = np.ma.filled(np.ma.asarray(artist.get_array(), dtype=float), np.nan)
        for (down, across), value in np.ndenumerate(values if values.ndim == 2 else values[:, None]):
            if not np.isnan(value) and values.shape[-1] > 1:  # one column: a colour bar
                yield _row(panel, (str(place[1](down + 0.5)), "cell"), place[0](across + 0.5), value)
    elif isinstance(artist, PathCollection):
        for x, y in np.ma.filled(artist.get_offsets(), np.nan):
            if not np.isnan([x, y]).any():
                yield _row(panel, _name(artist), place[0](x), place[1](y))
    elif isinstance(artist, LineCollection) and str(artist.get_gid() or "").startswith("interval:"):
        for segment in map(np.asarray, artist.get_segments()):
            if len(segment) == 2 and segment[0, 1] == segment[1, 1]:  # a horizontal interval of its own
                ends = (float(segment[:, 0].min()), float(segment[:, 0].max()))
                yield _row(panel, _name(artist), np.nan, place[1](segment[0, 1]), ends)
