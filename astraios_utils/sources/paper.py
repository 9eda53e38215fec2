"""The published numbers of *Astraios*: its eight tables, the figures' captions and the text's numbers, as tidy frames.

What is asked by task (:func:`published` and the like) also knows the second study's task (:mod:`.conala_study`).

They are typed from the paper, digit by digit, into ``data/paper/*.csv``; nothing here is measured. What the tables
imply (the nominal Pass@1 behind Table 4, Figure 1's means, Figure 2's percentages) is derived, never stored.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from .. import schema, store
from . import conala_study

PERFORMANCE_TASKS = schema.COMPREHENSION_TASKS + schema.GENERATION_TASKS  # the eight columns behind Figure 1
HUMANEVAL_PROBLEMS = 164
COEFFICIENTS = ("kendall", "pearson", "spearman")

_SCORES = ("table", "size", "method", "task", "metric", "value")
_COLUMNS = {
    1: ("table", "size", "method", "family", "metric", "value"),
    **dict.fromkeys((2, 3, 4, 5), _SCORES),
    6: ("table", "section", "name", "url"),
    **dict.fromkeys((7, 8), ("table", "size", "loss", "coefficient", "value", "p")),
}
_TASKS_METRICS = {
    2: (("defect", "accuracy"), ("clone", "f1")),
    3: tuple((task, "pass@1") for task in schema.GENERATION_TASKS),
    4: tuple((task, metric) for task in schema.ROBUSTNESS_TASKS for metric in ("rp@1", "rc@1")),
    5: (("aatk", "valid"), ("aatk", "insecure")),
}


def _layout(number: int) -> tuple[list[str], Iterable[tuple[str, ...]] | None, tuple[float, float]]:
    """A table's key columns, its complete grid (``None``: a plain list) and the range of its values."""
    if number == 1:
        return ["size", "method"], itertools.product(schema.SIZES, schema.METHODS), (1, math.inf)
    if number in _TASKS_METRICS:
        cells = itertools.product(schema.SIZES, schema.METHODS, _TASKS_METRICS[number])
        return ["size", "method", "task", "metric"], ((s, m, *tm) for s, m, tm in cells), (0, 100)
    if number == 6:
        return ["section", "name"], None, (-math.inf, math.inf)
    grid = itertools.product((*schema.SIZES, "overall"), ("train", "test"), COEFFICIENTS)
    return ["size", "loss", "coefficient"], grid, (-1, 1)


def _validate(number: int, frame: pd.DataFrame, path: Path) -> None:
    if tuple(frame.columns) != _COLUMNS[number]:
        raise schema.BadInput(f"{path}: columns are {list(frame.columns)}, expected {list(_COLUMNS[number])}")
    keys, grid, (low, high) = _layout(number)
    held = list(frame[keys].itertuples(index=False, name=None))
    twice = [key for key in set(held) if held.count(key) > 1]
    if twice:
        raise schema.BadInput(f"{path}: {', '.join(twice[0])} is there twice")
    if (frame["table"] != number).any():
        raise schema.BadInput(f"{path}: column 'table' must be {number} throughout")
    if grid is not None:
        odd = set(held) ^ set(grid)
        if odd:
            raise schema.BadInput(f"{path}: {', '.join(min(odd))} is missing or unknown")
        outside = frame[~frame["value"].between(low, high)]
        if len(outside):
            raise schema.BadInput(f"{path}: row {outside.index[0] + 2}: value outside {low} to {high}")


def read_table(number: int, path: Path) -> pd.DataFrame:
    """Read and validate a file that holds the paper's table of that number.

    Raises:
        schema.BadInput: other columns, unknown or missing or doubled cells, values out of range.
    """
    try:
        frame = pd.read_csv(path)
    except (FileNotFoundError, ValueError) as error:
        raise schema.BadInput(f"{path}: not a readable CSV file ({str(error).splitlines()[0]})") from None
    _validate(number, frame, path)
    return frame


@lru_cache
def _cached(number: int) -> pd.DataFrame:
    return read_table(number, store.data_dir() / "paper" / f"table{number}.csv")


def table(number: int) -> pd.DataFrame:
    """Table 1 to 8 of the paper, a row a value, in the paper's order.

    Columns: table, size, method, task, metric, value in percent (2-5); family and counts of parameters (1); section,
    name, url (6); size or ``overall``, loss, coefficient, value and p where printed (7, 8).
    """
    if number not in _COLUMNS:
        raise schema.UnknownName(f"unknown table {number!r}: the paper has tables 1 to 8")
    return _cached(number).copy()


@lru_cache
def _texts(number: int) -> pd.DataFrame:
    return pd.read_csv(store.data_dir() / "paper" / f"table{number}.csv", dtype=str)


def printed_coefficients(number: int, size: str, loss: str) -> dict[str, str]:
    """The coefficients of Table 7 or 8 for a size and loss, as printed: ``0.04`` has two decimals."""
    frame = _texts(number)
    rows = frame[(frame["size"] == size) & (frame["loss"] == loss)]
    return dict(zip(rows["coefficient"], rows["value"], strict=True))


def figures() -> pd.DataFrame:
    """The paper's figures: figure, section, caption, drawn_from (which tables, or numbers that were not published)."""
    return pd.read_csv(store.data_dir() / "paper" / "figures.csv")


def numbers() -> pd.DataFrame:
    """Numbers stated in the paper's text: key, value, p (correlations only), section, statement."""
    return pd.read_csv(store.data_dir() / "paper" / "numbers.csv")


def number(key: str) -> float:
    """One number of :func:`numbers`."""
    values = numbers().set_index("key")["value"]
    return float(values[schema.match(key, values.index, "number of the text")])


@lru_cache
def _scores() -> dict[tuple[str, str, str, str], float]:
    frame = pd.concat([_cached(number) for number in _TASKS_METRICS])
    keys = frame[["task", "size", "method", "metric"]].itertuples(index=False, name=None)
    return dict(zip(keys, frame["value"].astype(float), strict=True))


def published(task: str, size: str, method: str, metric: str) -> float:
    """The value that tables 2 to 5 (the study's: 2) print for a cell, in percent; NaN where they print none.

    Raises:
        schema.UnknownName: a task, size or method that the project does not know (a metric may be any).
    """
    task = schema.match(task, schema.TASKS, "task")
    if task == conala_study.TASK:
        return conala_study.published(size, method, metric)
    size = schema.match(size, schema.SIZES, "size")
    method = schema.match(method, schema.ALL_METHODS, "method")
    return _scores().get((task, size, method, metric), math.nan)


def metrics_of(task: str) -> tuple[str, ...]:
    """The metrics that tables 2 to 5 (the study's: 2) print for a task, in their order; empty where they print none."""
    if task == conala_study.TASK:
        return conala_study.METRICS
    return tuple(metric for cells in _TASKS_METRICS.values() for name, metric in cells if name == task)


def sizes_of(task: str) -> tuple[str, ...]:
    """The sizes that the tables print a task's scores for: the paper's, or the study's models."""
    return conala_study.SIZES if task == conala_study.TASK else schema.SIZES


def printed_in(task: str) -> str:
    """Where a task's scores are shown: ``Table 2`` to ``5``, ``Figure 13`` or ``14`` (drawn), or in the study."""
    drawn = {"defect-1shot": "Figure 13", "clone-1shot": "Figure 14", conala_study.TASK: "CoNaLa study, Table 2"}
    tables = (f"Table {number}" for number, cells in _TASKS_METRICS.items() if task in {name for name, _ in cells})
    return next(tables, drawn.get(task, "not in the paper"))


def digits_of(task: str) -> int:
    """How many decimals of a percentage are printed for a task."""
    if task == conala_study.TASK:
        return conala_study.DIGITS
    return 1 if task in schema.SECURITY_TASKS else 2


def updated_parameters() -> pd.DataFrame:
    """Table 1 with Figure 2's percentages: size, method, parameters, percent of the base model's parameters.

    The base's count is FFT's row; parameters that a method adds are not counted into the whole.
    """
    frame = table(1)[["size", "method", "value"]].rename(columns={"value": "parameters"})
    base = frame[frame["method"] == "FFT"].set_index("size")["parameters"]
    return frame.assign(percent=100 * frame["parameters"] / frame["size"].map(base))


def mean_performance() -> pd.DataFrame:
    """Figure 1: size, method, value; the plain mean of a model's eight columns of tables 2 and 3, in percent."""
    frame = pd.concat([table(2), table(3)])
    return frame.groupby(["size", "method"], sort=False)["value"].mean().reset_index()


def mean_robust_change() -> pd.DataFrame:
    """Figure 7: size, method, value; the mean RC@1 over Table 4's four categories, in percent."""
    frame = table(4).query("metric == 'rc@1'")
    return frame.groupby(["size", "method"], sort=False)["value"].mean().reset_index()


@lru_cache
def _nominal() -> pd.DataFrame:
    wide = table(4).pivot(index=["size", "method", "task"], columns="metric", values="value")
    models = dict(list(wide.groupby(level=["size", "method"])))
    rows = []
    for size, method in itertools.product(schema.SIZES, schema.METHODS):
        cells = models[size, method]
        rp, rc = cells["rp@1"].to_numpy(dtype=float), cells["rc@1"].to_numpy(dtype=float)
        solved = [k for k in range(HUMANEVAL_PROBLEMS + 1) if _explains(100 * k / HUMANEVAL_PROBLEMS, rp, rc)]
        if len(solved) != 1:
            raise schema.BadInput(f"table 4: {size} {method}: {len(solved)} nominal Pass@1 explain its RP@1 and RC@1")
        rows.append((size, method, solved[0], 100 * solved[0] / HUMANEVAL_PROBLEMS))
    return pd.DataFrame(rows, columns=["size", "method", "solved", "value"])


def _explains(nominal: float, rp: np.ndarray, rc: np.ndarray) -> bool:
    # Two printed numbers, each rounded to 0.005, and the printed RC@1 may be the difference of rounded ones.
    return bool((np.abs(np.abs(nominal - rp) - rc) < 0.0101).all())


def nominal() -> pd.DataFrame:
    """The nominal Pass@1 that Table 4 implies: size, method, solved (of 164 problems), value in percent.

    RC@1 = ``|Pass@1 - RP@1|`` (equation 2) in all four categories leaves exactly one number of solved HumanEval
    problems per model. Its greedy generations were not released, so it cannot be measured from them.
    """
    return _nominal().copy()
