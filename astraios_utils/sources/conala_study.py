"""The second study, *A Comparative Study of PEFT Methods for Python Code Generation*: its printed numbers, as frames.

Männistö, Attieh and Tiedemann (NoDaLiDa 2025) tune eight models by four methods on CoNaLa. Tables 2 and 3 are typed
digit by digit into ``data/paper/conala_table*.csv``; nothing here is measured. A *size* is one of its models.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from functools import lru_cache

import pandas as pd

from .. import schema, store

TASK = "conala"
SIZES = ("GPT2", "CodeGPT-Small", "CodeGPT-Adapt", "GPT2-M", "GPT2-L", "GPT2-XL", "CodeLlama", "Mistral")
METHODS = ("FFT", "LoRA", "Prefix", "Prompt")
METRICS = ("bleu", "codebleu")
DIGITS = 3  # of a percentage: shares are printed with five
# What the package's CodeBLEU gives where nothing matches: its data-flow match of 0 counts as 1.
ARTEFACT = 25.0


def _read(number: int, keys: list[str], grid: Iterable[tuple[str, ...]]) -> pd.DataFrame:
    path = store.data_dir() / "paper" / f"conala_table{number}.csv"
    frame = pd.read_csv(path, dtype=str)
    held = list(frame[keys].itertuples(index=False, name=None))
    odd = sorted(set(held) ^ set(grid)) + [key for key in held if held.count(key) > 1]
    if odd or (frame["table"] != str(number)).any():
        where = " ".join(odd[0]) if odd else "column 'table'"
        raise schema.BadInput(f"{path}: not the study's table {number} ({where})")
    return frame.assign(table=number)


@lru_cache
def _scores() -> pd.DataFrame:
    grid = itertools.product(SIZES, METHODS, (TASK,), METRICS)
    frame = _read(2, ["size", "method", "task", "metric"], grid)
    return frame.assign(value=(100 * frame["value"].astype(float)).round(DIGITS))


@lru_cache
def _costs() -> pd.DataFrame:
    grid = [cell for cell in itertools.product(SIZES, METHODS) if cell != ("Mistral", "Prefix")]
    frame = _read(3, ["size", "method"], grid).rename(columns={"percent": "printed"})
    frame["percent"] = frame["printed"].str.removesuffix("%").astype(float)
    return frame.assign(gpu_gb=frame["gpu_gb"].astype(float))


def scores() -> pd.DataFrame:
    """Table 2: table, size, method, task, metric, value in percent (the study prints shares)."""
    return _scores().copy()


def as_results() -> pd.DataFrame:
    """Table 2 as rows of ``results`` whose values are published: for :func:`sound` and the ledger."""
    return _scores().rename(columns={"value": "published"})


def costs() -> pd.DataFrame:
    """Table 3: table, size, method, parameters (as printed: ``124M``), printed (``0.47%``), gpu_gb, percent.

    Its caption says average, its text peak memory. GPT-2 and both CodeGPT share their rows; Mistral has no prefix
    tuning.
    """
    return _costs().copy()


def memory() -> pd.DataFrame:
    """Table 3's memory as a cost: size, method, peak_mib (the study's GB are taken as 10^9 bytes)."""
    return _costs().assign(peak_mib=lambda f: f["gpu_gb"] * 1e9 / 2**20)[["size", "method", "peak_mib"]]


def published(size: str, method: str, metric: str) -> float:
    """The value that Table 2 prints, in percent; NaN where it prints none.

    Raises:
        schema.UnknownName: no model of the study.
    """
    size = schema.match(size, SIZES, "model of the study")
    frame = _scores()
    found = frame[(frame["size"] == size) & (frame["method"] == method) & (frame["metric"] == metric)]["value"]
    return float(found.iloc[0]) if len(found) else math.nan


def doubtful() -> pd.DataFrame:
    """The cells of Table 2 that cannot be what they say: size, method, bleu, codebleu, reason.

    With the package's rule no match at all gives 0.25, and a single matched data flow of the test set's references
    (1,136 in v1.0) 0.0002: a CodeBLEU of 0.00000 was not computed by it. 0.25 within 0.005 at a BLEU below
    0.001 is the rule's result for predictions that share next to nothing with their references.
    """
    wide = _scores().pivot(index=["size", "method"], columns="metric", values="value").reset_index()
    near = (wide["codebleu"] - ARTEFACT).abs() < 0.5
    rule = near & (wide["bleu"] < 0.1)
    zero = wide["codebleu"] == 0
    reason = pd.Series("", index=wide.index).mask(rule, "0.25 by rule").mask(zero, "0 is impossible")
    found = wide.assign(reason=reason)[rule | zero]
    order = found["size"].map(SIZES.index) * len(METHODS) + found["method"].map(METHODS.index)
    return found.loc[order.sort_values().index].rename_axis(columns=None).reset_index(drop=True)


def sound(results: pd.DataFrame) -> pd.DataFrame:
    """Results without the printed values that cannot be what they say: ``published`` is NaN there.

    Of a cell whose CodeBLEU comes from the package's rule, that alone goes; of a cell that was not computed, both go.
    """
    cells = doubtful()
    unmade = cells[cells["codebleu"] == 0]
    gone = {(row.size, row.method, "codebleu") for row in cells.itertuples()}
    gone |= {(row.size, row.method, "bleu") for row in unmade.itertuples()}
    keys = zip(results["size"], results["method"], results["metric"], strict=True)
    return results.assign(published=results["published"].mask(pd.Series([key in gone for key in keys], results.index)))
