"""The claims ledger: every statement of the paper as a test over results, and the verdict that each suite gives it.

``data/paper/claims.yaml`` says what is claimed, where, and how it is read: a test of :mod:`readings` with arguments.
:func:`ledger` evaluates all of them on some :mod:`evidence`. A verdict is

- ``supported``: the data refute the statement's negation (p <= 5%, several comparisons taken into account),
- ``not supported``: the data refute the statement,
- ``undecided``: neither, although all data are there: too few problems, or seeds, to tell,
- ``depends on assumptions``: decided, but not under every version of an error model (:mod:`printed`),
- ``values only``: some comparison has no error (a constant, a description), and the others do not decide,
- ``not testable``: neither, and the data of some comparison are missing; ``lacking`` names the artefacts.

``scope`` says what a verdict is about. One training run per model says something about these checkpoints, never about
their methods; a suite with several ``seeds`` says something about the method, as far as all numbers that a claim reads
come from all runs: memory and times are those of one.

A statement about several comparisons can be refuted by one of them, so that missing data does not always prevent a
verdict. Where they do, ``at_hand`` is the verdict on the statement restricted to the data that exist: means over those
columns that the compared models share, and the comparisons that can be made. That is a weaker statement, and never
replaces the verdict. ``power`` is the chance of "supported" if each comparison truly exceeded its threshold by
``effect``. ``cells`` are the numbers that a claim reads, and ``reversal`` the smallest change of one of them that turns
over what the values say (:mod:`reversal`). Levels are per claim: of 20 true statements one may be called not supported
by chance.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml
from pandas.io.formats.style import Styler
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ... import schema, store
from . import reversal
from .evidence import COSTS, PUBLISHED, SCOPES, Evidence, measured, parameters
from .logic import ALPHA, EFFECTS, Finding, Node, Part, at_hand, decisive, judge, parts, power
from .measures import MEASURES, Reader
from .printed import as_printed, published
from .readings import TESTS

__all__ = [
    "ALPHA",
    "COLUMNS",
    "COSTS",
    "MEASURES",
    "PART_COLUMNS",
    "PUBLISHED",
    "SCOPES",
    "TESTS",
    "VERDICTS",
    "Claim",
    "Evidence",
    "Reader",
    "as_lines",
    "as_markdown",
    "as_printed",
    "evaluate",
    "ledger",
    "load",
    "measured",
    "parameters",
    "published",
    "read",
    "styled",
    "summary",
    "verdict_of",
]

VERSION = 9  # of how evidence is made and judged; a change makes every ledger stale
VERDICTS = ("supported", "not supported", "undecided", "depends on assumptions", "values only", "not testable")
THEMES = ("performance", "scaling", "robustness", "security", "loss", "cost")
COLUMNS = (
    *("claim", "variant_of", "theme", "section", "statement", "reading", "evidence"),
    *("verdict", "scope", "at_hand", "holds", "p_for", "p_against", "power", "effect", "margins"),
    *("detail", "lacking", "parts", "available", "cells", "reversal"),
)
PART_COLUMNS = ("claim", "evidence", "part", "value", "low", "high", "unit", "p_for", "p_against", "available")


class _Entry(BaseModel):
    """What a reading and a statement of the file have in common: no unknown fields, no later change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(_Entry):
    """One way to test a statement.

    Attributes:
        id: unique in the file.
        reading: in words, what exactly is tested.
        test: a name in ``TESTS``, called with ``arguments``.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    reading: str = Field(min_length=1)
    test: str
    arguments: dict[str, Any] = Field(default={})


class Statement(_Entry):
    """One statement of the paper, as the file holds it.

    Attributes:
        statement: what the paper says, in our words.
        theme: one of ``THEMES``.
        section: of the paper where it stands.
        readings: the first one gives the statement its verdict, the others vary it.
    """

    statement: str = Field(min_length=1)
    theme: Literal["performance", "scaling", "robustness", "security", "loss", "cost"]
    section: str = Field(min_length=1)
    readings: tuple[Reading, ...] = Field(min_length=1)


class Claim(Reading):
    """One reading together with its statement: a row of the ledger.

    Attributes:
        variant_of: the id of the statement's first reading; ``None`` for that one itself.
        theme, section, statement: as in :class:`Statement`.
    """

    variant_of: str | None = None
    theme: str
    section: str
    statement: str


def read(path: Path) -> tuple[Claim, ...]:
    """Read and validate a ledger.

    Returns:
        A claim per reading, in the order of the file.

    Raises:
        schema.BadInput: one line that names the file, the statement and what is wrong: not a YAML list, an unknown
            field, test or argument, or an id that is used twice.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise schema.BadInput(f"{path}: not a readable YAML file ({str(error).splitlines()[0]})") from None
    if not isinstance(raw, list):
        raise schema.BadInput(f"{path}: holds a {type(raw).__name__}, a ledger is a list of statements")
    claims: dict[str, Claim] = {}
    for number, entry in enumerate(raw, 1):
        for claim in _claims_of(entry, f"{path}: statement {number}"):
            if claim.id in claims:
                raise schema.BadInput(f"{path}: two readings have the id {claim.id}; ids are unique")
            claims[claim.id] = claim
    return tuple(claims.values())


def _claims_of(entry: object, where: str) -> Iterator[Claim]:
    if not isinstance(entry, dict):
        raise schema.BadInput(f"{where}: is a {type(entry).__name__}, not a mapping")
    try:
        stated = Statement(**entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise schema.BadInput(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    shared = stated.model_dump(exclude={"readings"})
    for place, reading in enumerate(stated.readings):
        try:
            test = TESTS[schema.match(reading.test, TESTS, "test")]
            inspect.signature(test).bind(None, **reading.arguments)
        except (TypeError, schema.UnknownName) as error:
            raise schema.BadInput(f"{where} ({reading.id}): {error}") from None
        yield Claim(**reading.model_dump(), **shared, variant_of=stated.readings[0].id if place else None)


@lru_cache
def load(name: str = "claims") -> tuple[Claim, ...]:
    """A ledger of ``data/paper`` (the paper's, unless another is named), in the order in which it is shown."""
    return read(store.data_dir() / "paper" / f"{name}.yaml")


def evaluate(claim: Claim, evidence: Evidence) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Judge one claim.

    Returns:
        A row of ``COLUMNS``, and a row of ``PART_COLUMNS`` for each comparison that it consists of.

    Raises:
        schema.BadInput: arguments that its test cannot use.
    """
    reader = Reader(evidence)
    node = _build(claim, reader)
    finding, below = judge(node), list(parts(node))
    units = dict.fromkeys(part.unit for part in below)
    row = {
        **claim.model_dump(exclude={"test", "arguments", "id"}),
        **{"claim": claim.id, "evidence": evidence.name, "scope": reader.scope, "at_hand": "", "lacking": ""},
        **{"verdict": _under_all(claim, evidence, verdict_of(finding, below), False)},
        **{"holds": finding.holds, "p_for": finding.p_for, "p_against": finding.p_against},
        **{"power": power(node), "effect": ", ".join(f"{EFFECTS[u]:g} {u}" for u in units if u in EFFECTS)},
        **{"margins": _at_margins(claim, reader)},
        **{"parts": len(below), "available": sum(part.available for part in below)},
    }
    shown: Node | None = node
    if row["verdict"] == "not testable":
        row["lacking"] = reader.lacking()
        shown = at_hand(_build(claim, Reader(evidence, at_hand=True)))
        below = list(parts(shown)) if shown is not None else []
        verdict = verdict_of(judge(shown), below) if shown is not None else ""
        row["at_hand"] = _under_all(claim, evidence, verdict, True)
    row["detail"] = _detail(row["at_hand"] or row["verdict"], shown)
    return row, [_part_row(claim.id, evidence.name, part) for part in below]


def _build(claim: Claim, reader: Reader) -> Node:
    try:
        return TESTS[claim.test](reader, **claim.arguments)
    except (schema.UnknownName, ValueError, KeyError) as error:
        raise schema.BadInput(f"claim {claim.id}: {error}") from None


def verdict_of(finding: Finding, below: list[Part]) -> str:
    """One of ``VERDICTS``, of what a statement comes to and its comparisons."""
    if not below:  # a statement about no comparison, such as "as good as each rival" without rivals
        return "values only"
    if finding.p_against <= ALPHA:
        return "not supported"
    if finding.p_for <= ALPHA:
        return "supported"
    if not all(part.available for part in below):
        known = finding.holds is not None and not any(part.tested for part in below)
        return "values only" if known else "not testable"
    return "undecided" if all(part.tested for part in below) else "values only"


def _under_all(claim: Claim, evidence: Evidence, verdict: str, restricted: bool) -> str:
    """A verdict that is decided must be the same under every version of the evidence."""
    if verdict not in ("supported", "not supported"):
        return verdict
    for other in evidence.alternatives:
        node: Node | None = _build(claim, Reader(other, restricted))
        node = at_hand(node) if restricted and node is not None else node
        if node is None or verdict_of(judge(node), list(parts(node))) != verdict:
            return "depends on assumptions"
    return verdict


MARGINS = (1.0, 2.0, 3.0)  # points at which claims with a margin in points are also judged


def _at_margins(claim: Claim, reader: Reader) -> str:
    """The verdicts of a claim with a margin in points at 1, 2 and 3 points; and twice the seed SD, where known."""
    name = next((n for n in ("margin", "within") if abs(claim.arguments.get(n, 0)) >= 1), None)
    measure = claim.arguments.get("measure", claim.arguments.get("measures"))
    if name is None or not isinstance(measure, str):
        return ""
    texts = []
    for points in MARGINS:
        signed = points if claim.arguments[name] > 0 else -points
        node = TESTS[claim.test](reader, **claim.arguments | {name: signed})
        texts.append(f"{points:g}: {verdict_of(judge(node), list(parts(node)))}")
    spread = reader.seed_sd(measure)
    return "; ".join([*texts, *([f"twice the seed SD: {2 * spread:.1f}"] if spread == spread else [])])


def _detail(verdict: str, node: Node | None) -> str:
    """The comparisons in one sentence: how many hold, and the one on which the verdict turns."""
    known = [] if node is None else [part for part in parts(node) if part.available]
    if node is None or not known:
        return "Nothing to compare."
    if len(known) == 1:
        return _shown(known[0])
    text = f"{sum(part.estimate.value > 0 for part in known)} of {len(known)} comparisons hold"
    turning = decisive(node, verdict == "supported")
    return text if turning is None else f"{text}; it turns on {_shown(turning)}"


def _shown(part: Part) -> str:
    estimate = part.estimate
    text = f"{part.label} = {estimate.value:.3g}"
    if estimate.low == estimate.low and estimate.low < estimate.high:
        text += f" [{estimate.low:.3g}, {estimate.high:.3g}]"
    return text + ("" if part.unit == "correlation" else f" {part.unit}")


def _part_row(claim: str, evidence: str, part: Part) -> dict[str, Any]:
    estimate = part.estimate
    return {
        **{"claim": claim, "evidence": evidence, "part": part.label, "value": estimate.value, "low": estimate.low},
        **{"high": estimate.high, "unit": part.unit, "p_for": part.p_for, "p_against": part.p_against},
        "available": part.available,
    }


def _rests_on(claim: Claim, evidence: Evidence) -> dict[str, str]:
    """The columns ``cells`` and ``reversal`` of a row."""
    cells, turned = reversal.rests_on(functools.partial(_build, claim), evidence)
    return {"cells": reversal.listed(cells), "reversal": "" if turned is None else str(turned)}


def ledger(
    evidences: Iterable[Evidence], claims: Iterable[Claim] | None = None, reversals: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge every claim on every evidence.

    Args:
        evidences: bodies of evidence.
        claims: which; the paper's, unless given.
        reversals: fill the columns ``cells`` and ``reversal``, which takes longer than the verdicts.

    Returns:
        The verdicts, a row per claim and evidence (columns ``COLUMNS``; ``holds`` is True, False or missing: what the
        values say without their errors), and their comparisons (``PART_COLUMNS``; 95% intervals).
    """
    chosen = load() if claims is None else tuple(claims)
    rows, below = [], []
    for evidence in evidences:
        for claim in chosen:
            row, own = evaluate(claim, evidence)
            rows.append(row | (_rests_on(claim, evidence) if reversals else {"cells": "", "reversal": ""}))
            below += own
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"holds": "boolean"})
    return frame, pd.DataFrame(below, columns=list(PART_COLUMNS))


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """How many claims of a ledger came out how: a row per evidence, a column per verdict; variants are left out."""
    main = frame[frame["variant_of"].isna()]
    counts = pd.crosstab(main["evidence"], main["verdict"]).reindex(columns=list(VERDICTS), fill_value=0)
    return counts.reindex(frame["evidence"].unique()).rename_axis(index=None, columns=None)


LOOKS = {  # of a verdict: a sign that works without colour, and the cell's background
    "supported": ("✓", "#DCEBF7"),
    "not supported": ("✗", "#F6D5C3"),
    "undecided": ("?", "#F8F2D4"),
    "depends on assumptions": ("±", "#E9E0F2"),
    "values only": ("=", "#F4F4F4"),
    "not testable": ("—", "#EFEFEF"),
}


def styled(frame: pd.DataFrame) -> Styler:
    """A ledger for a notebook: a row per claim, a column per evidence; what is behind a verdict shows on hovering."""
    names = list(frame["evidence"].unique())
    wide = frame.pivot(index="claim", columns="evidence", values="verdict")[names]
    texts = frame.assign(text=[_told(row, "<br>") for row in frame.to_dict("records")])
    first = frame.drop_duplicates("claim").set_index("claim")
    wide = wide.reindex(first.index)
    shown = texts.pivot(index="claim", columns="evidence", values="text").reindex(first.index)[names]
    readings = [("↳ " if pd.notna(v) else "") + r for v, r in zip(first["variant_of"], first["reading"], strict=True)]
    shown.insert(0, "read as", readings)
    shown.insert(0, "the paper says", first["statement"].where(first["variant_of"].isna(), ""))
    shown.insert(0, "section", first["section"].where(first["variant_of"].isna(), ""))
    look = "background: {}; color: #111111; text-align: left; min-width: 8em;"
    looks = wide.map(lambda verdict: look.format(LOOKS[verdict][1]))
    looks = looks.reindex(columns=shown.columns, fill_value="text-align: left; min-width: 15em; max-width: 26em;")
    looks["section"] = "text-align: left;"
    told = frame.assign(tip=[_tip(row) for row in frame.to_dict("records")])
    tips = told.pivot(index="claim", columns="evidence", values="tip").reindex(first.index)[names]
    style = Styler(shown, uuid="claims").apply(lambda _: looks, axis=None)
    return style.set_tooltips(tips.reindex(columns=shown.columns, fill_value="")).hide(axis="index")


def _tip(row: Mapping[Hashable, Any]) -> str:
    turned = f" One cell would reverse the values: {row['reversal']}." if row["reversal"] else ""
    return f"{row['detail']}. About {row['scope']}.{turned}".replace("..", ".")


def _told(row: Mapping[Hashable, Any], between: str) -> str:
    """A verdict with its sign, and next to it the verdict on the data that exist, or what the values alone say."""
    text = f"{LOOKS[row['verdict']][0]} {row['verdict']}"
    if row["at_hand"]:
        return f"{text}{between}on what exists: {row['at_hand']}"
    if row["verdict"] in ("undecided", "values only"):
        return f"{text}{between}values: {'so' if row['holds'] else 'not so'}"
    return text


def as_lines(frame: pd.DataFrame, whole: bool = False) -> str:
    """A ledger as plain lines, for a terminal.

    Args:
        frame: as :func:`ledger` returns it.
        whole: claims that cannot be tested are told like the others, with what is missing, not by name alone.
    """
    lines = []
    for name, part in frame.groupby("evidence", sort=False):
        usual = part["scope"].mode().iloc[0]
        lines.append(f"{name}, about {usual}:")
        told = part if whole else part[part["verdict"] != "not testable"]
        for row in told.to_dict("records"):
            mark = "  ↳ " if pd.notna(row["variant_of"]) else "  "
            about = "" if row["scope"] == usual else f" (about {row['scope']})"
            lines.append(f"{mark}{row['claim']}: {_told(row, ', ')}{about}. {row['detail']}")
            if row["lacking"]:
                lines.append(f"      missing: {row['lacking']}")
            if row["margins"]:
                lines.append(f"      at margins of {row['margins']}")
            if row["reversal"]:
                lines.append(f"      one cell would reverse the values: {row['reversal']}")
        if untold := [str(claim) for claim in part["claim"] if claim not in set(told["claim"])]:
            lines.append(f"  — {len(untold)} not testable (--all says what is missing): {', '.join(untold)}")
    return "\n".join(lines)


def as_markdown(frame: pd.DataFrame) -> str:
    """A ledger as a Markdown table, for the README: a row per statement (other readings left out), its verdicts."""
    main = frame[frame["variant_of"].isna()]
    names = list(main["evidence"].unique())
    heads = ["printed" if name == PUBLISHED else f"measured: {name}" for name in names]
    lines = ["| the paper says | section | " + " | ".join(heads) + " |", "|---" * (2 + len(names)) + "|"]
    for _, rows in main.groupby("claim", sort=False):
        told = rows.assign(text=[_told(row, ", ") for row in rows.to_dict("records")]).set_index("evidence")["text"]
        first = rows.iloc[0]
        lines.append("| " + " | ".join([first["statement"], first["section"], *told.reindex(names)]) + " |")
    return "\n".join(lines)
