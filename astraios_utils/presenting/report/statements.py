"""The claims ledger as the page shows it: each statement with the verdict of each body of evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from ...results import claims
from ...results.claims.corrected import CORRECTED
from .payload import plain

STYLES = ("supported", "unsupported", "undecided", "undecided", "untestable", "untestable")
# A sign that needs no colour, and a class for the style sheet.
LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {verdict: (claims.LOOKS[verdict][0], style) for verdict, style in zip(claims.VERDICTS, STYLES, strict=True)}
)
PARTS = ("claim", "evidence", "part", "value", "low", "high", "unit")


_DESCRIBED = {
    claims.PUBLISHED: "the numbers that the paper prints",
    CORRECTED: "the paper’s tables, corrected where a released file gives another value",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one body of evidence says of a claim.

    Attributes:
        key: as in the ledger; ``name``: what the page calls it.
        at_hand: the verdict on the claim cut down to what is there, where the verdict itself is ``not testable``.
        figures: p-values and comparisons, in brackets.
    """

    key: str
    name: str
    verdict: str
    at_hand: str
    detail: str
    figures: str
    lacking: str

    @property
    def described(self) -> str:
        """The evidence in a few words."""
        return _DESCRIBED.get(self.key, "what this suite measured")


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of the paper, read as a test."""

    id: str
    variant_of: str
    theme: str
    section: str
    statement: str
    reading: str
    evidence: Sequence[Evidence]


@dataclass(frozen=True, slots=True)
class Ledger:
    """All claims, and by evidence how many of them (other readings left out) came to each verdict."""

    entries: Sequence[Claim]
    tally: Mapping[str, Mapping[str, int]]

    def readings(self, claim: str) -> int:
        """How many other readings of a claim there are."""
        return sum(entry.variant_of == claim for entry in self.entries)

    @property
    def themes(self) -> Sequence[str]:
        """The themes, in the order in which they come."""
        return list(dict.fromkeys(claim.theme for claim in self.entries))


def reachable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the statements to which a suite's own data can speak: at least one comparison could be made.

    Args:
        frame: a suite's ledger (columns ``claims.COLUMNS``).
    """
    own = frame[frame["evidence"] != claims.PUBLISHED]
    return frame[frame["claim"].isin(own.loc[own["available"] > 0, "claim"])]


def ledger(frame: pd.DataFrame) -> Ledger:
    """The verdicts of a suite's ledger (columns ``claims.COLUMNS``) as the page shows them."""
    entries = []
    for name, rows in frame.groupby("claim", sort=False):
        first = rows.iloc[0]
        fields = (_text(first[column]) for column in ("variant_of", "theme", "section", "statement", "reading"))
        variant_of, theme, section, statement, reading = fields
        evidence = [_evidence(row) for row in rows.to_dict("records")]
        entries.append(Claim(str(name), variant_of, theme, _section(section), statement, reading, evidence))
    tally = {
        _name(str(key)): {str(verdict): int(count) for verdict, count in row.items()}
        for key, row in claims.summary(frame).iterrows()
    }
    return Ledger(entries, tally)


def _section(text: str) -> str:
    """Where the paper says it: numbers and letters of sections get their sign, "abstract" needs none."""
    return re.sub(r"(?<![\w.])(\d[\d.]*|[A-Z])(?!\w)", r"§\1", text)


def _text(value: Any) -> str:
    """A text of the ledger with real minus signs; empty where there is none."""
    return "" if pd.isna(value) else re.sub(r"(?<![\w.])-(?=\d)", "−", str(value))


def _name(evidence: str) -> str:
    """``published``, ``corrected``, ``measured``, or ``measured, Java 8`` for the evidence ``SUITE, Java 8``."""
    if evidence in _DESCRIBED:
        return evidence
    return "measured" + "".join(evidence.partition(", ")[1:])


def _evidence(row: Mapping[Any, Any]) -> Evidence:
    p_values = {"p for": row["p_for"], "p against": row["p_against"]}
    figures = [f"{name} {_p(value)}" for name, value in p_values.items() if not pd.isna(value)]
    if row["available"] < row["parts"]:
        figures.append(f"{row['available']} of {row['parts']} comparisons could be made")
    if not pd.isna(row.get("power", math.nan)):
        figures.append(f"power {row['power']:.0%} at {row['effect']}")
    figures += [f"{text}" for text in (row.get("margins"), row.get("scope") and f"about {row['scope']}") if text]
    if turned := _text(row.get("reversal", "")):
        figures.append(f"one cell would reverse the values: {turned}")
    key = str(row["evidence"])
    verdict, reduced, detail, lacking = (_text(row[c]) for c in ("verdict", "at_hand", "detail", "lacking"))
    shown = f"({'; '.join(figures)})" if figures else ""
    return Evidence(key, _name(key), verdict, reduced, detail, shown, lacking)


def _p(value: float) -> str:
    if value < 0.001:
        return "< 0.001"
    return f"= {value:.3f}" if value < 0.1 else f"= {value:.2f}"


def parts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The comparisons behind the claims (columns ``claims.PART_COLUMNS``) that could be made, for drawing."""
    columns = {name: plain(frame.loc[frame["available"].astype(bool), name]) for name in PARTS}
    return [dict(zip(PARTS, values, strict=True)) for values in zip(*columns.values(), strict=True)]
