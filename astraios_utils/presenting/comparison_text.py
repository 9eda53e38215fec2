"""Sentences of the notebook on many methods, and its decision table: each line cites the evidence it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd

from ..results import comparison
from ..running import search
from ..schema import UNTUNED, Suite
from . import versus

NOTHING = "*Nothing is measured yet: no run of this suite is here or shipped.*"
DECISIONS = ("You want", "Take", "Evidence")
BOARD = (
    *("method", "family", "% trained", "mean [95%]", "rank [95%]", "may be best", "minus LoRA", "test loss", "forgot"),
    *("served", "rate"),
)
_IN_WORDS = ("method", "family", "may be best", "served")
COSTS = {
    "trainable_parameters": "trained parameters",
    "percent": "% trained",
    "checkpoint_bytes": "bytes of the checkpoint",
    "step_seconds": "seconds of training steps",
    "generation_seconds": "seconds per 1,000 tokens",
    "served": "served",
    "pscp": "soft-cost score (PSCP)",
}


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that take part in ranks, the highest mean first."""
    return table[~table["control"]].sort_values("mean", ascending=False, ignore_index=True)


def counts(suite: Suite, table: pd.DataFrame) -> str:
    """How many methods have results, how many are missing, how many are left out with a reason."""
    if table.empty:
        left = f"{len(suite.left_out)} methods are left out, each for a reason"
        return f"{NOTHING} {len(suite.methods)} rows are described; {left}."
    measured = ranked(table)
    asked = [method for method in suite.methods if method not in set(table["method"])]
    missing = f" Without results here: {', '.join(asked)}." if asked else ""
    return (
        f"**{len(measured)} methods** have results, next to the untuned base and {_checks(suite)} checks; "
        f"{len(suite.left_out)} are left out, each for a reason.{missing}"
    )


def _checks(suite: Suite) -> int:
    return sum(row.control for row in suite.rows.values())


def best_set(table: pd.DataFrame) -> str:
    """Which methods are not separated from the best."""
    if table.empty:
        return NOTHING
    rows = ranked(table)
    held = rows.loc[rows["may_be_best"].astype(bool), "method"].to_list()
    first = rows.iloc[0]
    others = [name for name in held if name != first["method"]]
    place = f"rank {first['rank']:.0f} [{first['rank_low']:.0f}, {first['rank_high']:.0f}]"
    said = (
        f"Highest mean: **{first['method']}**, {first['mean']:.1f} [{first['low']:.1f}, {first['high']:.1f}], {place}"
    )
    if (base := _higher_base(table)) is not None:
        higher = (
            f"**The untuned base scores higher ({base:.1f})**: in this mean tuning costs more than it "
            "adds, so the ranks tell what a method keeps as much as what it teaches."
        )
        said = f"{higher} {said}"
    if not others:
        return f"{said}. It is separated from all {len(rows) - 1} others."
    return f"{said}. Of the {len(rows) - 1} others, {len(others)} are not separated from it: {_listed(others)}."


def _higher_base(table: pd.DataFrame) -> float | None:
    """The untuned base's mean, where it is above that of every method."""
    base = table.loc[table["method"] == UNTUNED, "mean"]
    return float(base.iloc[0]) if len(base) and base.iloc[0] > ranked(table)["mean"].max() else None


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def checks(suite: Suite, table: pd.DataFrame) -> str:
    """What the controls show: a method that hardly learns, and one method under two names."""
    texts = []
    for method in (name for name in suite.methods if name in suite.rows and suite.rows[name].control):
        row = table[table["method"] == method]
        if row.empty:
            texts.append(f"*{method}* has no results here")
            continue
        one = row.iloc[0]
        others = ranked(table)
        above, lower = int((others["mean"] > one["mean"]).sum()), int((others["test_loss"] < one["test_loss"]).sum())
        text = (
            f"*{method}* ({suite.rows[method].source}): mean {one['mean']:.1f}, {above} of {len(others)} methods are "
            f"above it; {lower} have a lower loss on held-out instructions"
        )
        if "vs LoRA p" in table:
            text += (
                f", {one['vs LoRA']:+.1f} [{one['vs LoRA low']:+.1f}, {one['vs LoRA high']:+.1f}] against LoRA "
                f"(p {one['vs LoRA p']:.3f})"
            )
        texts.append(text)
    return "; ".join(texts) + "." if texts else "The suite has no checks."


def sharpness(table: pd.DataFrame) -> str:
    """How many optima lie at an edge of the grid, and how flat they are."""
    rows = ranked(table).dropna(subset=["rise"])
    if rows.empty:
        return "No search of learning rates is kept for this suite."
    edge = rows.loc[rows["edge"].astype(bool), "method"].to_list()
    flat = int((rows["rise"] <= 100 * search.FLAT).sum())
    return (
        f"{len(rows)} methods were searched. At the median, the better neighbour of the chosen rate has "
        f"{rows['rise'].median():.1f}% more validation loss; {flat} optima are flat (1% or less). At the edge of the "
        f"grid, so that a better rate may lie outside: {_listed(edge) or 'none'}."
    )


def orders(table: pd.DataFrame) -> str:
    """How PSCP's weights change the first place."""
    if table.empty:
        return NOTHING
    found = comparison.soft_orders(table[~table["control"]])
    firsts = dict(zip(found["weights"], found["first"], strict=True))
    lowest = found.sort_values("tau", kind="stable").iloc[0]
    return (
        f"First place by weights: {'; '.join(f'{name}: {first}' for name, first in firsts.items())}. The order differs "
        f"most from that of the means with *{lowest['weights']}* (Kendall's tau {lowest['tau']:.2f}, a method moves by "
        f"up to {lowest['moved']} places)."
    )


def correlations(frame: pd.DataFrame) -> str:
    """Whether other tables rank the methods alike."""
    texts = [
        f"{row['table']}: tau {row['tau']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}], p {row['p']:.2f}, "
        f"{row['methods']} methods"
        for row in frame.dropna(subset=["tau"]).to_dict("records")
    ]
    return "; ".join(texts) + "." if texts else "No other table shares four methods with this one."


def decisions(table: pd.DataFrame) -> pd.DataFrame:
    """Which method to use: a row per wish, with the method and the numbers that it rests on (``DECISIONS``)."""
    rows, made = ranked(table), list[tuple[str, str, str]]()
    if rows.empty:
        return pd.DataFrame(columns=list(DECISIONS))
    peft = rows[rows["served"] != "whole"]
    if (base := _higher_base(table)) is not None:
        made.append(("the highest mean", UNTUNED, f"mean {base:.1f}: no tuned model reaches it"))
    made.append(_decision("the highest mean of a tuned model", rows, "mean", False))
    made.append(_decision("the lowest loss on held-out instructions", rows, "test_loss", True))
    if len(peft):
        made.append(_decision("the highest mean with an adapter", peft, "mean", False))
    for budget in sorted(rows["budget"].dropna().unique()):
        own = rows[rows["budget"] == budget]
        made.append(_decision(f"about {budget:g}% of the parameters: mean", own, "mean", False))
        made.append(_decision(f"about {budget:g}% of the parameters: loss on instructions", own, "test_loss", True))
    merged = rows[rows["served"] == "merged"]
    if len(merged):
        made.append(_decision("no cost at generation (merged into the base)", merged, "mean", False))
    wishes = {
        "trainable_parameters": "the fewest parameters",
        "forgot": "the least forgetting",
        "octaves": "an easy rate",
    }
    for column, wish in wishes.items():
        near = rows[rows["may_be_best"].astype(bool)].dropna(subset=[column])
        if len(near):
            text = f"{wish} among those not separated from the best"
            made.append(_decision(text, near, column, column != "octaves"))
    return pd.DataFrame(made, columns=list(DECISIONS))


_SHOWN: dict[str, Callable[[pd.Series], str]] = {
    "mean": lambda row: "",
    "test_loss": lambda row: f"; loss on held-out instructions {row['test_loss']:.3f}",
    "trainable_parameters": lambda row: f"; {row['trainable_parameters']:,.0f} parameters",
    "forgot": lambda row: f"; loss on pre-training text {row['forgot']:+.3f}",
    "octaves": lambda row: f"; within 5% of its lowest loss over {row['octaves']:.1f} octaves",
}


def _decision(wish: str, rows: pd.DataFrame, column: str, lowest: bool) -> tuple[str, str, str]:
    row = rows.sort_values(column, ascending=lowest, kind="stable").iloc[0]
    best = "not separated from the best" if bool(row["may_be_best"]) else "below the best"
    evidence = (
        f"mean {row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}], rank {row['rank']:.0f} [{row['rank_low']:.0f}, "
        f"{row['rank_high']:.0f}], {best}{_SHOWN[column](row)}"
    )
    return wish, str(row["method"]), evidence


def as_markdown(table: pd.DataFrame) -> dict[str, str]:
    """The tables of README (``zoo-decisions``) and docs/leaderboard.md (``zoo-leaderboard``), by name."""
    rows = [DECISIONS, *decisions(table).itertuples(index=False, name=None)]
    head, *lines = ["| " + " | ".join(row) + " |" for row in rows]
    return {
        "zoo-decisions": "\n".join([head, "|---" * len(DECISIONS) + "|", *lines]),
        "zoo-leaderboard": _leaderboard(table),
    }


def board(table: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard as texts (``BOARD``), the highest mean first; checks and the base have no rank."""
    rows = []
    for row in table.sort_values("mean", ascending=False, kind="stable").to_dict("records"):
        aside, whole = row["control"], row["method"] == UNTUNED
        cells = (
            row["method"],
            row["family"],
            "" if whole else _number(row["percent"], ".2f"),
            f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]",
            "" if aside else f"{row['rank']:.0f} [{row['rank_low']:.0f}, {row['rank_high']:.0f}]",
            "" if aside else "yes" if row["may_be_best"] else "no",
            _number(row.get("vs LoRA", math.nan), "+.1f"),
            _number(row["test_loss"], ".3f"),
            _number(row["forgot"], "+.3f"),
            "" if pd.isna(row["served"]) else row["served"],
            _number(row["learning_rate"], "g"),
        )
        rows.append(cells)
    return pd.DataFrame(rows, columns=list(BOARD))


def apart(table: pd.DataFrame) -> pd.DataFrame:
    """The methods that differ from LoRA or FFT after adjustment: differences in points with intervals and p."""
    controls = [control for control in comparison.CONTROLS if f"vs {control} p" in table]
    lower = table[[f"vs {control} p" for control in controls]].min(axis=1) <= 0.05
    rows = []
    for row in table[lower].sort_values("mean", ascending=False, kind="stable").to_dict("records"):
        cells = {"method": row["method"]}
        for control in controls:
            gap, low, high, p = (row[f"vs {control}{end}"] for end in ("", " low", " high", " p"))
            known = not math.isnan(gap)
            cells[f"minus {control} [95%]"] = f"{gap:+.1f} [{low:+.1f}, {high:+.1f}]" if known else ""
            cells[f"p ({control})"] = _number(p, ".3f")
        rows.append(cells)
    return pd.DataFrame(rows)


def scores(suite: Suite, table: pd.DataFrame) -> pd.DataFrame:
    """Each task's score by method, the highest mean first; the columns say where less is better."""
    names = {task: versus.directed(*comparison.column_of(task)) for task in suite.tasks if task in table}
    names |= {"forgot": "forgot (nats, lower is better)", "test_loss": "test loss (lower is better)"}
    ordered = table.sort_values("mean", ascending=False, kind="stable")
    return ordered[["method", *names]].rename(columns=names)


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """What each ranked method costs, the highest mean first."""
    return ranked(table)[["method", *COSTS]].rename(columns=dict(COSTS))


def _leaderboard(table: pd.DataFrame) -> str:
    """A row per method, the checks and the base in italics."""
    shown = board(table)
    shown["method"] = shown["method"].where(shown["may be best"] != "", "*" + shown["method"] + "*")
    rules = ["---" if head in _IN_WORDS else "--:" for head in BOARD]
    lines = [f"| {' | '.join(BOARD)} |", f"|{'|'.join(rules)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in shown.itertuples(index=False, name=None))])


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)
