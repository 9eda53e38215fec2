"""What the paper's protocol does to its own numbers: the same answers read, or counted, another way.

Nothing here changes a score. Each function takes what the pipeline has and returns a tidy frame that stands next to the
published way of scoring, cell by cell; a cell without artefact keeps its row, with NaN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from .. import schema
from ..metrics import stats
from ..schema import Model
from ..tasks.codexglue import CodeXGlue
from ..tasks.files import read_content

YES, NO = re.compile(r"\byes\b"), re.compile(r"\bno\b")
INVALID = "-1"


def whole_words(task: CodeXGlue, generation: str) -> str:
    """The answer under the paper's rule with one change: "yes" and "no" count as whole words only.

    The paper's rule finds "no" inside "know", "not", "none" or an identifier such as ``notify``; the rest of the rule
    (:meth:`CodeXGlue.finish`) is kept. Returns ``"1"``, ``"0"`` or ``"-1"``.
    """
    text = generation.split("\nAnswer:")[-1].lower()
    first = text.replace(",", ".").split(".")[0]
    yes, no = bool(YES.search(first)), bool(NO.search(first))
    if yes != no:
        return "1" if yes else "0"
    if any(phrase in text for phrase in task.yes):
        return "1"
    return "0" if any(phrase in text for phrase in task.no) else INVALID


def rule_cost(task: CodeXGlue, generations: Mapping[Model, Path | None], problems: Path | None = None) -> pd.DataFrame:
    """What the substring rule costs: accuracy with whole words minus accuracy as published, on the scored rows.

    Args:
        task: defect or clone detection.
        generations: a file per model that keeps the raw text, released or our own; ``None`` where there is none.
        problems: what our own files answer, where it is not the task's own data.

    Returns:
        A row per model: size, method, answers, changed (answers that the rules read differently), published and
        whole_words (accuracy in percent), value (their difference in percentage points), low and high (95%, paired by
        row).

    Raises:
        schema.BadInput: a file is damaged, of another task, or keeps no raw text.
    """
    return pd.DataFrame([_rule_cost(task, model, path, problems) for model, path in generations.items()])


def _rule_cost(task: CodeXGlue, model: Model, path: Path | None, problems: Path | None) -> dict[str, object]:
    row: dict[str, object] = {"size": model.size, "method": model.method}
    if path is None:
        names = ("answers", "changed", "published", "whole_words", "value", "low", "high")
        return row | dict.fromkeys(names, math.nan)
    truth, old, raw = _answers(task, path, problems)
    new = [whole_words(task, text) for text in raw]
    right = [(a == t, b == t) for a, b, t in zip(old, new, truth, strict=True)]
    gain = stats.clustered_mean([float(b) - float(a) for a, b in right]).scaled(100)
    shares = {"published": 100 * sum(a for a, _ in right), "whole_words": 100 * sum(b for _, b in right)}
    row |= {"answers": len(right), "changed": sum(a != b for a, b in zip(old, new, strict=True))}
    row |= {name: total / len(right) for name, total in shares.items()}
    return row | {"value": gain.value, "low": gain.low, "high": gain.high}


def _answers(task: CodeXGlue, path: Path, problems: Path | None) -> tuple[list[str], list[str], list[str]]:
    """Of the scored rows of a file: the labels, the answers as read, and the raw texts."""
    scored = task.read(
        path, task.references(problems)
    )  # the strict reading: damage and foreign files are refused there
    content = read_content(path)
    if content.lines:
        texts = {str(row["problem"]): row.get("raw", [None])[0] for row in content.rows}
        truth = [str(int(problem.row[task.label])) for problem in scored.problems]
        raw = [texts[problem.id] for problem in scored.problems]
        if all(isinstance(text, str) for text in raw):
            return truth, [samples[0] for samples in scored.samples], raw
        records = []
    else:
        records = [record[0] for record in content.rows if isinstance(record, list)]
    if len(records) < len(scored.problems):
        raise schema.BadInput(f"{path}: keeps no raw text; released files and those made here do")
    chosen = [records[i] for i in task.chosen([record["true_label"] for record in records])]
    truth, read, raw = ([record[name] for record in chosen] for name in ("true_label", "prediction", "raw_text"))
    return truth, read, raw


def always_no(task: CodeXGlue, verdicts: Mapping[Model, pd.DataFrame | None]) -> float:
    """What always answering NO scores on the rows that were scored, in percent: no model is needed for that.

    Args:
        task: whose paper's sample it is of, where nothing was measured.
        verdicts: a model's verdicts on the task, ``None`` where nothing was measured; all models answer the same rows.
    """
    measured = next((frame for frame in verdicts.values() if frame is not None), None)
    if measured is None:
        negatives, positives = task.sample
        return 100 * negatives / (negatives + positives)
    return float(100 * measured["detail"].str.startswith("label=0").mean())


def among_parsable(task: str, verdicts: Mapping[Model, pd.DataFrame | None]) -> pd.DataFrame:
    """Accuracy among the answers that could be parsed, in percent: what is left once format is set aside.

    The published accuracy counts an unparsable answer as wrong, so it mixes judging code with answering in the format.

    Args:
        task: the name that the rows get.
        verdicts: a model's verdicts on the task, ``None`` where nothing was measured.

    Returns:
        Rows as in results (size, method, task, metric ``accuracy/parsable``, value, se, low, high, n, provenance), and
        what always answering the negative label would score on the same answers: negative (percent); gain, gain_low,
        gain_high: value - negative, paired by answer.
    """
    return pd.DataFrame([_among_parsable(task, model, frame) for model, frame in verdicts.items()])


def _among_parsable(task: str, model: Model, frame: pd.DataFrame | None) -> dict[str, object]:
    empty = pd.DataFrame({"status": [], "detail": []}, dtype=str)
    parsable = empty if frame is None else frame[frame["status"] != "invalid"]
    hits = (parsable["status"] == "passed").to_numpy(dtype=float)
    negative = parsable["detail"].str.startswith("label=0").to_numpy(dtype=float)
    accuracy = stats.clustered_mean(hits, share=True).scaled(100)
    gain = stats.clustered_mean(hits - negative).scaled(100)
    return {
        "size": model.size,
        "method": model.method,
        "task": task,
        "metric": "accuracy/parsable",
        "value": accuracy.value,
        "se": accuracy.se,
        "low": accuracy.low,
        "high": accuracy.high,
        "n": accuracy.n,
        "published": math.nan,
        "provenance": "missing" if frame is None else "measured",
        "negative": 100 * negative.mean() if len(negative) else math.nan,
        "gain": gain.value,
        "gain_low": gain.low,
        "gain_high": gain.high,
    }


def language_levels(path: Path) -> pd.DataFrame:
    """Pass@1 of Java files at several language levels, as ``benchmarks/java_levels.py`` prints it, in long form.

    Returns:
        A row per file and level: task, size, method, published, release (``"8"``, …, ``"JDK"`` for the machine's own,
        ascending), pass@1 in percent.

    Raises:
        schema.BadInput: no such file, or other columns.
    """
    keys = ["task", "size", "method", "published"]
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise schema.BadInput(f"{path}: not a readable CSV file ({str(error).splitlines()[0]})") from None
    if "release" not in frame:  # a column per level
        levels = [column for column in frame if column == "JDK" or str(column).startswith("level ")]
        if not levels or not set(keys) <= set(frame):
            raise schema.BadInput(f"{path}: columns are {', '.join(map(str, frame))}; expected levels of Java files")
        frame = frame.melt(keys, levels, "release", "pass@1")
    names = frame["release"].astype(str).str.removeprefix("level ")
    rank = pd.to_numeric(names, errors="coerce").fillna(math.inf)
    return frame.assign(release=names, rank=rank).sort_values("rank", kind="stable").drop(columns="rank")


def against(frame: pd.DataFrame, baseline: float, low: str = "low", high: str = "high") -> pd.Series:
    """How each row stands to a baseline that needs no model: ``above`` or ``below`` where the whole interval is.

    ``not significant`` where the interval holds the baseline, ``not measured`` where there is no interval. ``low`` and
    ``high`` name the interval's columns.
    """
    stands = pd.Series("not significant", index=frame.index)
    stands[frame[low] > baseline] = "above"
    stands[frame[high] < baseline] = "below"
    stands[frame[low].isna() | frame[high].isna()] = "not measured"
    return stands
