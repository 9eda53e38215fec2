"""A drawn figure in words, for those who do not see it: read from the SVG that matplotlib wrote.

Matplotlib names each group (``axes_1``, ``xtick_2``) and writes a text's characters as a comment before its outlines;
:mod:`..plots` names the artists of a method (``measured:LoRA``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree

from ..plots.data import listed_range

KINDS = {  # of artists that belong to a method -> what the sentence calls them
    "measured": "Measured here, with 95% intervals",
    "point": "Points",
    "published": "Published",
    "missing": "Without artefact at some size",
}
MOST = 12  # names in a list
_GROUP = "{http://www.w3.org/2000/svg}g"
_POWER = re.compile(r"\$\\mathdefault\{(?:(\d+)\\times)?10\^\{(-?\d+)\}\}\$")  # a tick of a logarithmic axis


def described(svg: str) -> str:
    """Panels, axes with their ticks, and which methods are shown how; empty where the picture has no axes."""
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.fromstring(svg, ElementTree.XMLParser(target=builder))
    panels = [(axes, axes_of) for axes in root.iter(_GROUP) if (axes_of := _axes(axes))]
    if not panels:
        return ""
    last = [text for axes, _ in panels for text in _texts(axes)[-1:]]
    titles = _unique(text for text in last if re.search(r"[^\W\d]{2}|\d[KMB]$", text))
    parts = [f"{len(panels)} panels: {'; '.join(titles)}."] if len(titles) == len(panels) > 1 else []
    for name, place in (("Horizontal", 0), ("Vertical", 1)):
        labels = [(axis, _texts(axis)) for _, own in panels for axis in own[place : place + 1]]
        found = next(((axis, texts[-1]) for axis, texts in labels if texts), None)
        if found:
            parts.append(f"{name} axis: {found[1]}{listed_range(_ticks(found[0]))}.")
    return " ".join([*parts, *_series(root)])


def _axes(group: ElementTree.Element) -> Sequence[ElementTree.Element]:
    """The horizontal and the vertical axis of a panel; nothing for other groups, and for bars of colour."""
    if not group.get("id", "").startswith("axes_"):
        return ()
    return [child for child in group if child.get("id", "").startswith("matplotlib.axis_")]


def _texts(group: ElementTree.Element) -> list[str]:
    """The texts directly in a group, in the order of drawing: a panel's title and an axis's label are last."""
    return [text for child in group if child.get("id", "").startswith("text_") for text in _comments(child)]


def _ticks(axis: ElementTree.Element) -> list[str]:
    return [
        text
        for tick in axis
        if re.match(r"[xy]tick_", tick.get("id", ""))
        for text in (part for child in tick for part in _comments(child))
    ]


def _comments(element: ElementTree.Element) -> list[str]:
    comment: object = ElementTree.Comment  # the tag of a comment, although typed as a text
    texts = [str(child.text).strip() for child in element if child.tag == comment]
    return [_POWER.sub(lambda power: f"{power[1] or 1}e{power[2]}", text) for text in texts]


def _series(root: ElementTree.Element) -> Iterator[str]:
    """A sentence for each way in which methods are drawn; where no artist is named, the texts of the legend."""
    names = [group.get("id", "").partition(":") for group in root.iter(_GROUP)]
    shown = {kind: _unique(name for found, colon, name in names if colon and found == kind) for kind in KINDS}
    if any(shown.values()):
        yield from (f"{KINDS[kind]}: {_listed(methods)}." for kind, methods in shown.items() if methods)
        return
    legends = [group for group in root.iter(_GROUP) if group.get("id", "").startswith("legend_")]
    texts = _unique(text for legend in legends for text in _texts(legend))
    if texts:
        yield f"Legend: {_listed(texts)}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST])
    return f"{shown} and {len(names) - MOST} others" if len(names) > MOST else shown


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
