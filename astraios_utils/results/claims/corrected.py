"""A third body of evidence: the paper's tables, with each cell replaced for which a released file gives another value.

A Java cell is held against its file at language level 8, the level that the published Java scores correspond to. Cells
of AATK stay as printed: the analyzer here approximates the paper's, so another rate does not contradict theirs.
Where two models have files, their errors are paired by problem; other cells keep the error of the published evidence.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import pandas as pd

from ... import results, schema
from ...metrics.stats import Array
from ...sources import paper
from . import Claim, evaluate
from .evidence import PUBLISHED, Evidence

CORRECTED = "corrected"
JAVA_LEVEL = 8
CELL_COLUMNS = ("task", "size", "method", "metric", "published", "value", "difference")
CHANGE_COLUMNS = (
    *("claim", "statement", "reading", "published", "corrected", "values_published", "values_corrected", "cells"),
)


def cells(frame: pd.DataFrame, levels: pd.DataFrame | None = None) -> pd.DataFrame:
    """The cells of Tables 2 to 4 for which a released file gives another value, at the printed digits.

    Args:
        frame: results of the ``released`` suite.
        levels: scores of Java files at language levels (:func:`protocol.language_levels`), for Java cells whose counts
            at level 8 are not among the results.

    Returns:
        Columns ``CELL_COLUMNS``: value and published in percent, difference in points, value - published.
    """
    java = schema.java_metric(JAVA_LEVEL)
    known = frame[frame["value"].notna() & frame["published"].notna()]
    known = known[~known["task"].isin(schema.SECURITY_TASKS) & (known["metric"] != "rc@1")]
    plain = known[~known["task"].isin(results.JAVA_TASKS) & ~known["metric"].str.contains("/")]
    at_level = known[known["metric"] == java].assign(metric="pass@1")
    rows = pd.concat([plain, at_level])[["task", "size", "method", "metric", "published", "value"]]
    if levels is not None:
        extra = levels[levels["release"] == str(JAVA_LEVEL)].rename(columns={"pass@1": "value"}).assign(metric="pass@1")
        rows = pd.concat([rows, extra[rows.columns]]).drop_duplicates(["task", "size", "method", "metric"])
    digits = rows["task"].map(paper.digits_of)
    beyond = (rows["value"] - rows["published"]).abs() > 0.5 * 10.0**-digits + 1e-9
    found = rows[beyond].assign(difference=lambda f: f["value"] - f["published"])
    return found[list(CELL_COLUMNS)].reset_index(drop=True)


def corrected(printed: Evidence, measured: Evidence, replaced: pd.DataFrame) -> Evidence:
    """The published evidence with the cells of ``replaced`` put in, and paired errors where files are available.

    Args:
        printed: the published evidence.
        measured: what the files give, with Java scores of level 8; its replicates carry the errors.
        replaced: what :func:`cells` returned.
    """
    values = {(r["task"], r["metric"], r["size"], r["method"]): r["value"] for r in replaced.to_dict("records")}
    scores: dict[Hashable, Array] = {}
    for key, draws in printed.scores.items():
        errors = _errors(measured, key, draws)
        scores[key] = values.get(key, draws[0]) + errors  # type: ignore[call-overload]
    others = tuple(corrected(other, measured, replaced) for other in printed.alternatives)
    return replace(printed, name=CORRECTED, scores=scores, alternatives=others)


def _errors(measured: Evidence, key: Hashable, draws: Array) -> Array:
    """A score's replicates around 0: those of its file, or else the published ones."""
    own = measured.scores.get(key)
    secured = isinstance(key, tuple) and key[0] in schema.SECURITY_TASKS
    usable = own is not None and own.shape == draws.shape and not secured
    source = own if usable and own is not None else draws
    errors: Array = source - source[0]
    return errors


def changes(verdicts: pd.DataFrame, printed: Evidence, replaced: pd.DataFrame, claims: Iterable[Claim]) -> pd.DataFrame:
    """The claims whose verdict, or whose comparison of bare values, differs between printed and corrected tables.

    Args:
        verdicts: a ledger with both bodies of evidence.
        printed: the published evidence.
        replaced: what :func:`cells` returned.
        claims: of the ledger.

    Returns:
        Columns ``CHANGE_COLUMNS``. ``reading`` is empty for a statement's first one. ``published`` and ``corrected``
        are verdicts; the two ``values`` columns say whether the statement holds if errors are left out; ``cells`` names
        the cells whose correction alone changes the latter.
    """
    rows = []
    found: dict[tuple[str, str], tuple[str, bool | None]] = {
        (row.claim, row.evidence): (row.verdict, None if pd.isna(row.holds) else bool(row.holds))
        for row in cast("Iterable[Any]", verdicts.itertuples(index=False))
    }
    for claim in claims:
        before, now = found[claim.id, PUBLISHED], found[claim.id, CORRECTED]
        if before == now:
            continue
        by = responsible(claim, printed, replaced, before[1]) if before[1] != now[1] else []
        row: dict[str, Any] = {
            "claim": claim.id,
            "statement": claim.statement,
            "reading": claim.reading if claim.variant_of else "",
        }
        row |= {"published": before[0], "corrected": now[0]}
        row |= {"values_published": before[1], "values_corrected": now[1]}
        rows.append({**row, "cells": "; ".join(by)})
    return pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))


def responsible(claim: Claim, printed: Evidence, replaced: pd.DataFrame, holds: bool | None) -> list[str]:
    """The cells whose correction by itself turns what the bare values say of a claim, in words."""
    found = []
    for number, cell in enumerate(replaced.to_dict("records")):
        only = corrected(printed, replace(printed, scores={}), replaced.iloc[[number]])
        if evaluate(claim, only)[0]["holds"] != holds:
            name = f"{cell['size']} {cell['method']} {cell['task']}"
            found.append(f"{name} {cell['published']:.2f} → {cell['value']:.2f}")
    return found


def as_markdown(frame: pd.DataFrame, names: Sequence[str] = ("tables as printed", "corrected")) -> str:
    """:func:`changes` as a Markdown table, for the README."""
    head = ("the paper says", *names, "because of")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in frame.to_dict("records"):
        before, now = (_verdict(row[kind], row[f"values_{kind}"]) for kind in (PUBLISHED, CORRECTED))
        said = row["statement"] + (f" *Read as:* {row['reading']}" if row["reading"] else "")
        lines.append("| " + " | ".join([said, before, now, row["cells"] or "the files' values and errors"]) + " |")
    return "\n".join(lines)


def _verdict(verdict: str, holds: bool | None) -> str:
    """A verdict with what the bare values say, where errors leave it open."""
    if verdict == "undecided" and holds is not None:
        return f"undecided (values: {'holds' if holds else 'does not hold'})"
    return verdict
