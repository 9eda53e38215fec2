"""Runs the code cells of a notebook in this process: no kernel, but what a cell shows is rendered as Jupyter would."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import IPython.display
import matplotlib.pyplot as plt
import nbformat
import pytest

from astraios_utils.presenting import show
from astraios_utils.running import notebooks


class Page(list[str]):
    """What a notebook has shown, in order."""

    def add(self, *values: object) -> None:
        """Render a value that a cell displays: its HTML where it has some."""
        for value in values:
            html = getattr(value, "_repr_html_", None)
            self.append(str(html() if html is not None else value))

    def add_bundle(self, bundle: Mapping[str, Any]) -> None:
        """Keep the richest text of what :mod:`show` displays."""
        self.append(str(bundle.get("text/markdown", bundle["text/plain"])))


def run(path: Path, parameters: Mapping[str, Any], patch: pytest.MonkeyPatch) -> Page:
    """Run a notebook with other parameters.

    Returns:
        What it showed.

    Raises:
        AssertionError: a cell fails; the message names it.
    """
    page, scope = Page(), {**notebooks.parameters_of(path), **parameters}
    patch.setattr(show, "_show", page.add_bundle)
    patch.setattr(IPython.display, "display", page.add)
    try:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and not {"bootstrap", "parameters"} & set(cell.metadata.get("tags", [])):
                _run_cell(cell.source, scope, page, f"{path.stem}, cell {cell.id}, {parameters}")
    finally:
        plt.close("all")
    return page


def _run_cell(source: str, scope: dict[str, Any], page: Page, where: str) -> None:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        exec(compile(tree, where, "exec"), scope)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), scope)
            if value is not None:
                page.add(value)
    except Exception as error:
        raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
