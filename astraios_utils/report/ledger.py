"""The claims ledger as the page shows it: each statement with the verdict of each body of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from .payload import plain

# A sign that needs no colour, and a class for the style sheet.
LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "supported": ("✓", "supported"),
        "not supported": ("✗", "unsupported"),
        "undecided": ("?", "undecided"),
        "not testable": ("∅", "untestable"),
    }
)
PUBLISHED = "published"
PARTS = ("claim", "evidence", "part", "value", "low", "high", "unit")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one body of evidence says of a claim."""

    key: str
    name: str
    verdict: str
    detail: str
    figures: str
    lacking: str

    @property
    def described(self) -> str:
        """The evidence in a sentence."""
        return "the numbers that the paper prints" if self.key == PUBLISHED else "what this suite measured"


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
    """All claims, and how often each body of evidence came to each verdict."""

    entries: Sequence[Claim]
    tally: Mapping[str, Mapping[str, int]]

    @property
    def themes(self) -> Sequence[str]:
        """The themes, in the order in which they come."""
        return list(dict.fromkeys(claim.theme for claim in self.entries))


def ledger(frame: pd.DataFrame) -> Ledger | None:
    """The ledger of :func:`pipeline.claims`' first frame; ``None`` where it has no claim."""
    if frame.empty:
        return None
    entries = []
    for name, rows in frame.groupby("claim", sort=False):
        first = rows.iloc[0]
        entries.append(
            Claim(
                str(name), _text(first["variant_of"]), first["theme"], str(first["section"]), first["statement"],
                first["reading"], [_evidence(row) for row in rows.to_dict("records")],
            )
        )  # fmt: skip
    tally = pd.crosstab(frame["evidence"], frame["verdict"]).reindex(columns=list(LOOKS), fill_value=0)
    order = list(dict.fromkeys(frame["evidence"]))
    return Ledger(entries, {_name(key): {str(k): int(n) for k, n in tally.loc[key].items()} for key in order})


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _name(evidence: str) -> str:
    return PUBLISHED if evidence == PUBLISHED else "measured"


def _evidence(row: Mapping[Any, Any]) -> Evidence:
    p_values = {"p for": row["p_for"], "p against": row["p_against"]}
    figures = [f"{name} {_p(value)}" for name, value in p_values.items() if not pd.isna(value)]
    if row["parts"] > 1 or row["available"] < row["parts"]:
        figures.append(f"{row['available']} of {row['parts']} comparisons could be made")
    shown = f"({'; '.join(figures)})" if figures else ""
    key = str(row["evidence"])
    return Evidence(key, _name(key), row["verdict"], _text(row["detail"]), shown, _text(row["lacking"]))


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}" if value < 0.1 else f"= {value:.2f}"


def parts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The comparisons behind the claims, for the page's drawings: those that could be made."""
    columns = {name: plain(frame.loc[frame["available"].astype(bool), name]) for name in PARTS}
    return [dict(zip(PARTS, values, strict=True)) for values in zip(*columns.values(), strict=True)]
