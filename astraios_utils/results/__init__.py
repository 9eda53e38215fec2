"""Verdicts -> tidy results, a row per model, task and metric, with the paper's value next to each.

Cells that nobody has an artefact for stay in the frame, with NaN: they are never dropped and never 0.

Agreement. Published and measured values come from the same problems, so that the interval over new problems is
shown as information and decides nothing. Where the very answers that the paper scored were scored again, nothing is
random: a cell is ``equal`` to the printed digits, or some ``verdicts differ`` (``differing``: how many). Own
generations differ by decoding noise, models that were trained again by training noise as well: such a cell is
``different`` (``z``, ``p_holm`` after Holm's correction over all cells), ``equal`` (printed digits, or shown to be
within half a point), or ``undecided``.

RC@1 needs the Pass@1 of unperturbed prompts: in the paper that of plain HumanEval, for all four categories. Where a
suite answered those (the unperturbed prompts of ``PLAIN``), ``rc@1`` is measured from them. The greedy HumanEval
generations behind the paper's were not released: there ``rc@1`` takes the nominal that Table 4 implies
(:func:`paper.nominal`; shown as the row ``pass@1/implied`` of provenance ``published``), as if it had no error. The
fair nominal for the format and syntax categories, whose prompts already hold half of the solution, is the unperturbed
*partial* prompt: where generations of a category's own variant ``nominal/…`` exist, ``pass@1/nominal`` and
``rc@1/nominal`` are measured from them. Each rc@1 has a signed ``drop@1`` next to it, which has the interval.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import schema
from ..metrics import scores, stats
from ..schema import Model, Suite
from ..sources import paper
from ..tasks import TASKS

VERSION = 4  # of the rules below; a change makes every results file stale
COLUMNS = (
    *("suite", "size", "method", "task", "metric"),
    *("value", "se", "low", "high", "n", "clusters"),
    *("provenance", "origin", "published", "difference", "differing", "z", "p_holm", "status"),
)
PLAIN = "recode-function"  # its unperturbed prompts are HumanEval's own
PROVENANCES = ("measured", "published", "missing")
STATUSES = ("equal", "verdicts differ", "different", "undecided", "no artefact", "not published")
_COUNTED = ("pass@1", "rp@1", "accuracy", "valid", "insecure")  # shares of n answers: a difference is so many verdicts
COUNT_COLUMNS = ("task", "size", "method", "problem", "variant", "status", "detail", "n")
MISSING = "—"
JAVA_TASKS = tuple(task for task in schema.GENERATION_TASKS if task.endswith("-java"))

# A cell's verdicts and their origin, "here" (scored in this build) or "shipped"; None: nobody has the generations.
Found = tuple[pd.DataFrame, str]
# Of a task and model, and for Java tasks at a language level where one is given.
Verdicts = Callable[..., Found | None]


def results(suite: Suite, verdicts: Verdicts, training: float | None = None) -> pd.DataFrame:
    """The results of every cell of a suite, task by task, model by model.

    Args:
        suite: which models meet which tasks, and whether the paper's values belong next to them.
        verdicts: where a cell's verdicts come from.
        training: variance of a score from one training run to the next, in squared points. By default 0 for a suite
            that trains nothing, and unknown (NaN) for one that does: its cells then stay ``undecided`` unless equal to
            the printed digits.

    Returns:
        Columns ``COLUMNS``. value, se, low, high (95%, over new problems), published and difference (value -
        published) in percent; n samples, clusters problems; provenance ``measured``, ``published`` or ``missing``;
        origin ``here``, ``shipped`` or empty; differing verdicts, z and p_holm where they apply; status one of
        ``STATUSES``.

    Raises:
        schema.BadInput: verdicts that do not fit their task.
    """
    plain = functools.cache(lambda model: verdicts(PLAIN, model))  # four tasks need them
    rows = [row for task in suite.tasks for model in suite.models for row in _cell(suite, task, model, verdicts, plain)]
    if training is None:
        training = math.nan if suite.recipe else 0.0
    return _compared(pd.DataFrame(rows, columns=[*COLUMNS, "noise"]), suite.generations == "released", training)


def _compared(frame: pd.DataFrame, same_answers: bool, training: float) -> pd.DataFrame:
    """The frame with how each cell compares to the paper's: differing, z, p_holm and status."""
    z, p, differing = (np.full(len(frame), math.nan) for _ in range(3))
    for place, row in enumerate(frame.to_dict("records")):
        digits, gap = paper.digits_of(row["task"]), row["difference"]
        if math.isnan(gap) or stats.same_digits(row["value"], row["published"], digits):
            continue
        if not same_answers:
            z[place], p[place] = stats.disagreement(gap, row["noise"], digits, training)
        elif row["metric"].partition("/java")[0] in _COUNTED:
            differing[place] = round(abs(gap) / 100 * row["n"])
    found = frame.assign(differing=differing, z=z, p_holm=stats.holm(p))
    statuses = [_status(row, same_answers) for row in found.to_dict("records")]
    return found.assign(status=statuses)[list(COLUMNS)]


def _status(row: Mapping[Hashable, Any], same_answers: bool) -> str:
    if row["provenance"] == "missing":
        return "no artefact"
    if math.isnan(row["published"]) or row["provenance"] == "published":
        return "not published"
    if math.isnan(row["value"]):  # measured, but undefined (0/0): it agrees with nothing that is printed
        return "different"
    if stats.same_digits(row["value"], row["published"], paper.digits_of(row["task"])):
        return "equal"
    if same_answers:
        return "verdicts differ"
    if row["p_holm"] <= 0.05:
        return "different"
    return "equal" if stats.equivalent(row["difference"], row["z"]) else "undecided"


def _cell(
    suite: Suite, task: str, model: Model, verdicts: Verdicts, plain: Callable[[Model], Found | None]
) -> Iterator[dict[str, Any]]:
    nominal, found = _implied_nominal(suite, task, model), verdicts(task, model)
    if found is None:
        estimates = dict.fromkeys(_reported(suite, task), stats.Estimate(math.nan))
        origin = ""
    else:
        frame, origin = found
        estimates = _summarise(task, model, frame, nominal)
        if task in schema.ROBUSTNESS_TASKS:
            estimates |= _change_from_plain(task, model, frame, plain(model))
    for metric, estimate in estimates.items():
        yield _row(suite, task, model, metric, estimate, origin)
    if task in JAVA_TASKS:
        yield from _at_java_levels(suite, task, model, verdicts)
    if not math.isnan(nominal):
        row = _row(suite, task, model, "pass@1/implied", stats.Estimate(nominal), "")
        yield row | {"provenance": "published", "published": nominal}


def _at_java_levels(suite: Suite, task: str, model: Model, verdicts: Verdicts) -> Iterator[dict[str, Any]]:
    """Pass@1 at each Java language level of the suite, next to the paper's Pass@1, which names no level."""
    for level in suite.java_levels:
        found = verdicts(task, model, level)
        estimate, origin = stats.Estimate(math.nan), ""
        if found is not None:
            estimate, origin = _summarise(task, model, found[0], math.nan)["pass@1"], found[1]
        yield _row(suite, task, model, schema.java_metric(level), estimate, origin)


def _reported(suite: Suite, task: str) -> tuple[str, ...]:
    """The metrics that a cell must show even where it is missing: the paper's, or else the task's headline."""
    if suite.published and paper.metrics_of(task):
        return paper.metrics_of(task)
    return (headline(task),)


def headline(task: str) -> str:
    """The key of a task's first metric."""
    if task in TASKS:
        return TASKS[task].metric
    known = paper.metrics_of(task)
    if not known:
        raise schema.BadInput(f"task {task!r} has no metrics in this version; available: {', '.join(TASKS)}")
    return known[0]


def value_of(task: str, verdicts: pd.DataFrame, metric: str) -> float:
    """The point estimate of one metric of a cell as it is reported (shares in percent), without its interval."""
    found = scores.definitions(TASKS[task].metrics, verdicts)[metric]
    return found.factor * found.value


def _implied_nominal(suite: Suite, task: str, model: Model) -> float:
    if not suite.published or task not in schema.ROBUSTNESS_TASKS:
        return math.nan
    frame = paper.nominal()
    return float(frame[(frame["size"] == model.size) & (frame["method"] == model.method)]["value"].sum(min_count=1))


def _summarise(task: str, model: Model, frame: pd.DataFrame, nominal: float) -> dict[str, stats.Estimate]:
    if task not in TASKS:
        raise schema.BadInput(f"task {task!r} cannot be scored by this version; available: {', '.join(TASKS)}")
    try:
        return TASKS[task].summarise(frame, nominal)
    except ValueError as error:
        raise schema.BadInput(f"verdicts of {task} {model.slug}: {error}; score the file again") from None


def _change_from_plain(task: str, model: Model, frame: pd.DataFrame, plain: Found | None) -> dict[str, stats.Estimate]:
    """RC@1 and the drop against plain HumanEval's prompts as the same model answered them; nothing where it did not."""
    if plain is None:
        return {}
    unperturbed, robust = plain[0][_is_nominal(plain[0])], frame[~_is_nominal(frame)]
    if unperturbed.empty or set(unperturbed["problem"]) != set(robust["problem"]):
        return {}
    found = _summarise(task, model, pd.concat([robust, unperturbed]), math.nan)
    return {name: found[f"{name}/nominal"] for name in ("rc@1", "drop@1")}


def _is_nominal(frame: pd.DataFrame) -> pd.Series:
    return frame["variant"].str.startswith(f"{scores.NOMINAL}/")


def _row(suite: Suite, task: str, model: Model, metric: str, estimate: stats.Estimate, origin: str) -> dict[str, Any]:
    published = _published(suite, task, model, metric)
    return {
        "suite": suite.name,
        "size": model.size,
        "method": model.method,
        "task": task,
        "metric": metric,
        "value": estimate.value,
        "se": estimate.se,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "clusters": estimate.clusters,
        "provenance": "measured" if origin else "missing",
        "origin": origin,
        "published": published,
        "difference": estimate.value - published,
        **dict.fromkeys(("differing", "z", "p_holm"), math.nan),
        "status": "",
        "noise": estimate.noise,
    }


def _published(suite: Suite, task: str, model: Model, metric: str) -> float:
    if not suite.published or model.size not in paper.sizes_of(task):
        return math.nan
    return paper.published(task, model.size, model.method, metric.partition("/java")[0])


_SAMPLE = "sample="  # before a sample's number, as the detail of a count
_AFTER_TEST_COUNTS = r"^(caught=\S+ lines=\S+ branches=\S+) .*$"  # an error's text stands behind the counts


def to_counts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Verdicts -> per-problem counts, small enough to ship: columns ``COUNT_COLUMNS``.

    The detail is kept for classification (label and prediction), for likelihoods and for model-written tests (what
    they catch and execute, without the error's text), and dropped elsewhere. Of several samples for one perturbed
    prompt it tells which one this is: the worst case is over the perturbations of a sample.
    """
    detail = verdicts["detail"].where(verdicts["detail"].str.startswith(("label=", "nats=", "caught=")), "")
    detail = detail.str.replace(_AFTER_TEST_COUNTS, r"\1", regex=True)
    perturbed = verdicts["variant"] != ""
    if verdicts[perturbed].duplicated(["task", "size", "method", "problem", "variant"]).any():
        detail = detail.mask(perturbed, _SAMPLE + verdicts["sample"].astype(str))
    keys = [c for c in COUNT_COLUMNS if c != "n"]
    return verdicts.assign(detail=detail).groupby(keys, sort=False).size().rename("n").reset_index()


def expand_counts(counts: pd.DataFrame, suite: str = "released") -> pd.DataFrame:
    """Per-problem counts -> a verdict frame, columns ``schema.VERDICT_COLUMNS``; seconds are unknown (NaN).

    Raises:
        schema.BadInput: a column is missing, or a count below 1.
    """
    missing = [c for c in COUNT_COLUMNS if c not in counts.columns]
    if missing or (counts["n"] < 1).any():
        raise schema.BadInput(f"verdict counts: {f'no column {missing[0]!r}' if missing else 'a count below 1'}")
    frame = counts.loc[counts.index.repeat(counts["n"])].reset_index(drop=True)
    sample = frame.groupby(["task", "size", "method", "problem", "variant"], sort=False).cumcount()
    told = frame["detail"].str.startswith(_SAMPLE)
    sample = sample.mask(told, pd.to_numeric(frame["detail"].where(told, _SAMPLE + "0").str.removeprefix(_SAMPLE)))
    detail = frame["detail"].mask(told, "")
    return frame.assign(suite=suite, sample=sample, detail=detail, seconds=math.nan)[list(schema.VERDICT_COLUMNS)]


def status_table(frame: pd.DataFrame) -> pd.DataFrame:
    """How the cells that the paper shows came out: a row per table or figure, a column per status, and their sum.

    Cells of a Java language level have a row of their own (``Table 3, Java 8``).
    """
    shown = frame[[_is_shown(task, metric) for task, metric in zip(frame["task"], frame["metric"], strict=True)]]
    level = shown["metric"].str.extract(r"/java(\d+)$", expand=False)
    where = shown["task"].map(paper.printed_in) + level.radd(", Java ").fillna("")
    counts = pd.crosstab(where.rename("place"), shown["status"]).reindex(columns=list(STATUSES), fill_value=0)
    order = sorted(counts.index, key=_place_order)
    return counts.loc[order].assign(cells=counts.sum(axis=1))


def _place_order(place: str) -> tuple[bool, int, str]:
    """Tables first, by number; a Java level after its table."""
    kind, number = place.split(",")[0].rsplit(" ", 1)
    return kind != "Table", int(number), place


def overview(frame: pd.DataFrame) -> pd.DataFrame:
    """How each column of the paper's tables came out: a row per task and metric.

    Returns:
        place, task, metric; ``scored`` cells of how many ``cells``; a count per status; ``most differing``: the largest
        number of verdicts that differ in a cell, ``of`` how many; ``largest difference``: the largest distance of a
        measured value from the paper's, in percentage points; ``bias``: the mean difference over cells of own
        generations, with its ``bias_p``.
    """
    shown = frame[[_is_shown(task, metric) for task, metric in zip(frame["task"], frame["metric"], strict=True)]]
    rows = []
    for (task, metric), part in shown.groupby(["task", "metric"], sort=False):
        counts = part["status"].value_counts()
        row: dict[str, Any] = {"place": paper.printed_in(str(task)), "task": task, "metric": metric}
        row |= {"cells": len(part), "scored": int((part["provenance"] == "measured").sum())}
        row |= {status: int(counts.get(status, 0)) for status in STATUSES}
        row |= {"largest difference": part["difference"].abs().max(), **_most_differing(part), **_bias(part)}
        rows.append(row)
    return pd.DataFrame(rows)


def _most_differing(part: pd.DataFrame) -> dict[str, float]:
    counts = part["differing"].astype(float)
    if counts.isna().all():
        return {"most differing": math.nan, "of": math.nan}
    place = int(counts.argmax())
    return {"most differing": float(counts.iloc[place]), "of": float(part["n"].iloc[place])}


def _bias(part: pd.DataFrame) -> dict[str, float]:
    """One test of a column's mean difference; NaN where the answers are the paper's own, or noise is unknown."""
    known = part[part["z"].notna() & (part["difference"] != 0)]
    if known.empty:
        return {"bias": math.nan, "bias_p": math.nan}
    errors = known["difference"] / known["z"]
    z = float(known["difference"].sum() / math.sqrt(float((errors**2).sum())))
    return {"bias": float(known["difference"].mean()), "bias_p": stats.two_sided(z)}


def markdown(frame: pd.DataFrame) -> str:
    """:func:`overview` as a Markdown table, for the README."""
    table = overview(frame)
    statuses = [status for status in STATUSES[:4] if status in STATUSES[:3] or table[status].any()]
    head = (
        "in the paper",
        "task",
        "metric",
        "cells scored",
        *statuses,
        "most verdicts differing",
        "largest difference",
    )
    lines = ["| " + " | ".join(head) + " |", "|---" * 3 + "|--:" * (len(head) - 3) + "|"]
    for row in table.to_dict("records"):
        largest, most = row["largest difference"], row["most differing"]
        cells = [row["place"], f"`{row['task']}`", row["metric"], f"{row['scored']} of {row['cells']}"]
        cells += [str(row[status]) if row["scored"] else MISSING for status in statuses]
        cells.append(MISSING if math.isnan(most) else f"{most:.0f} of {row['of']:,.0f}")
        lines.append("| " + " | ".join([*cells, MISSING if math.isnan(largest) else f"{largest:.2f}"]) + " |")
    return "\n".join(lines)


def _is_shown(task: str, metric: str) -> bool:
    if paper.printed_in(task).startswith("Figure"):
        return metric == headline(task)
    return metric.partition("/java")[0] in paper.metrics_of(task)


def table_view(frame: pd.DataFrame, tasks: str | Sequence[str], metric: str | None = None) -> pd.DataFrame:
    """Results in the paper's layout: a row per method, a column per task and size, ``measured (published)`` in a cell.

    ``—`` stands for what is missing; suites without published values show the measured value alone.

    Args:
        frame: what :func:`results` returned.
        tasks: one task or several.
        metric: which one; the headline of each task by default.
    """
    wanted = [tasks] if isinstance(tasks, str) else list(tasks)
    grid = frame[frame["task"].isin(wanted)]
    part = grid[grid["metric"] == (metric or grid["task"].map(headline))]
    both = bool(part["published"].notna().any())
    cells = [_shown(row, both) for row in part.to_dict("records")]
    wide = part.assign(cell=cells).pivot(index="method", columns=["task", "size"], values="cell")
    columns = pd.MultiIndex.from_product([wanted, grid["size"].unique()], names=["task", "size"])
    wide = wide.reindex(index=pd.Index(grid["method"].unique(), name="method"), columns=columns)
    return wide.astype(object).fillna(MISSING)


def _shown(row: Mapping[Hashable, Any], both: bool) -> str:
    digits = paper.digits_of(row["task"])
    measured, published = (MISSING if math.isnan(v) else f"{v:.{digits}f}" for v in (row["value"], row["published"]))
    return f"{measured} ({published})" if both else measured
