"""What a suite's design can detect, and how two of its methods compare, task by task.

``astraios power`` answers two questions. Which difference of two methods at one size is found with 80% power? And how
many problems, or training runs per method, does a given difference need? *New problems* is about the benchmark's kind
of problem; *these problems* only about these, answered again by models that are trained again. With one training run
per model the training noise is unknown: the figures then concern these checkpoints and are too optimistic for methods.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from .. import schema
from ..metrics import stats
from .claims.evidence import Evidence
from .claims.measures import MEASURES, Measure, Reader, measure
from .claims.training_noise import Key, seed_spread

COLUMNS = (
    *("measure", "problems", "samples", "seeds", "se", "detectable", "detectable_here", "training_sd"),
    *("difference", "power", "problems_needed", "seeds_needed"),
)
COMPARED = ("size", "measure", "value", "low", "high", "p", "p_holm", "wins", "ties", "losses")
MEANS = ("performance", "generation", "robust")


def measures_of(evidence: Evidence) -> list[str]:
    """Means over tasks, and each task's headline, that the evidence has in points for some two models."""
    tasks = dict.fromkeys(key[0] for key in evidence.metrics)
    names = [*MEANS, *tasks]
    return [name for name in names if _in_points(evidence, measure(name)) and len(_models(evidence, measure(name))) > 1]


def _in_points(evidence: Evidence, of: Measure) -> bool:
    """Whether the measure's columns are shares: bits are not."""
    behind = {_behind((*column, "", ""))[:2] for column in of.columns}
    return all(metric.factor == 100 for key, metric in evidence.metrics.items() if key[:2] in behind)


def _models(evidence: Evidence, of: Measure) -> list[tuple[str, str]]:
    models = dict.fromkeys(key[2:] for key in evidence.metrics)
    return [
        model for model in models if all(not math.isnan(evidence.score(*column, *model)[0]) for column in of.columns)
    ]


def table(evidence: Evidence, difference: float = 2.0) -> pd.DataFrame:
    """What the design can detect: the median over all pairs of methods of one size.

    Args:
        evidence: measured.
        difference: in points, for the reverse question.

    Returns:
        A row per measure: problems (the fewest behind a column), samples (of a problem in a training run, the fewest
        behind a column), seeds, se (of a difference, over new problems);
        detectable (with 80% power, two-sided 5%) over new problems, and detectable_here on these problems; training_sd
        (of one run; NaN with one seed); for ``difference``: its power, problems_needed at these seeds, and seeds_needed
        on these problems (infinite where no number is enough, NaN where training noise is unknown).
    """
    rows = []
    for name in measures_of(evidence):
        designs = [
            _design(evidence, measure(name), one, other)
            for one, other in itertools.combinations(_models(evidence, measure(name)), 2)
            if one[0] == other[0]
        ]
        if designs:
            rows.append({"measure": name, "samples": _samples(evidence, measure(name)), **_row(designs, difference)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(designs: Sequence[stats.Design], difference: float) -> dict[str, float]:
    middle = stats.Design(
        designs[0].problems,
        problem=float(np.median([d.problem for d in designs])),
        decoding=float(np.median([d.decoding for d in designs])),
        training=float(np.median([d.training for d in designs])),
        seeds=designs[0].seeds,
    )
    se = middle.se(new_problems=True)
    return {
        "problems": middle.problems,
        "seeds": middle.seeds,
        "se": se,
        "detectable": stats.detectable(se),
        "detectable_here": stats.detectable(middle.se(new_problems=False)),
        "training_sd": math.sqrt(middle.training / 2) if middle.training == middle.training else math.nan,
        "difference": difference,
        "power": stats.power_of(difference, se),
        "problems_needed": stats.problems_needed(middle, difference),
        "seeds_needed": stats.seeds_needed(middle, difference),
    }


def _design(evidence: Evidence, of: Measure, one: tuple[str, str], other: tuple[str, str]) -> stats.Design:
    """Where the variance of a difference comes from, in squared points."""
    keys = [[(*column, *model) for column in of.columns] for model in (one, other)]
    gap = np.mean([evidence.scores[a] - evidence.scores[b] for a, b in zip(*keys, strict=True)], axis=0)
    behind = [[_behind(key) for key in group] for group in keys]
    known = [key for group in behind for key in group if key in evidence.metrics]
    decoding = sum(np.nan_to_num(evidence.metrics[key].noise) for key in known) * 1e4 / len(of.columns) ** 2
    noise = [[evidence.training[key] for key in group if key in evidence.training] for group in behind]
    spreads = [seed_spread(one, evidence.seeds) for one in noise]
    training = sum(spread**2 for spread in spreads)
    total = float(gap[1:].var(ddof=1))
    sampled = max(0.0, total - (0.0 if math.isnan(training) else training / evidence.seeds))
    problems = min(evidence.clusters[key] for key in known)
    return stats.Design(problems, sampled * problems, float(decoding), float(training), evidence.seeds)


def _samples(evidence: Evidence, of: Measure) -> float:
    """Samples of a problem in a training run, the fewest behind a column."""
    behind = {_behind((*column, "", ""))[:2] for column in of.columns}
    found = [metric.n / len(metric.rows) for key, metric in evidence.metrics.items() if key[:2] in behind]
    return min(found) / evidence.seeds


def _behind(key: Key) -> Key:
    """The metric that a score is computed from."""
    task, metric, size, method = key
    return (task, "rp@1/crossfit", size, method) if metric == "worst@1" else key


def text(found: pd.DataFrame, scope: str) -> str:
    """:func:`table` as lines for a terminal or a report."""
    lines = [f"Differences of two methods at one size; about {scope}."]
    for row in found.to_dict("records"):
        here = "" if math.isnan(row["detectable_here"]) else f", {row['detectable_here']:.1f} on these problems"
        need = {
            "problems": row["problems_needed"],
            "training runs per method on these problems": row["seeds_needed"],
        }
        needs = [
            f"no number of {name} is enough" if math.isinf(n) else f"{n:,.0f} {name}"
            for name, n in need.items()
            if not math.isnan(n)
        ]
        lines.append(
            f"  {row['measure']}: {row['problems']:,.0f} problems x {row['samples']:.0f}, {row['seeds']:.0f} training "
            f"run(s): 80% power at "
            f"{row['detectable']:.1f} points over new problems{here}; {row['difference']:g} points: power "
            f"{row['power']:.0%}, would need {'; '.join(needs)}"
        )
    return "\n".join(lines)


def versus(
    evidence: Evidence, first: str, second: str, sizes: Sequence[str] = (), tasks: Sequence[str] = ()
) -> pd.DataFrame:
    """Two methods compared, paired by problem: a row per size and measure, means over tasks first.

    Args:
        evidence: of a suite.
        first, second: the methods.
        sizes: only these; all where none is given.
        tasks: only these, and no means; all where none is given.

    Returns:
        size, measure, value (first - second, points), low, high (95%), p (two-sided), p_holm (Holm's correction over
        all rows), and the problems on which the first wins, ties and loses (NaN for means over tasks).

    Raises:
        schema.BadInput: the evidence has no task that both methods answered.
    """
    reader, rows = Reader(evidence), []
    measures = tasks or [*MEANS, *dict.fromkeys(k[0] for k in evidence.metrics)]
    for size, name in itertools.product(sizes or evidence.sizes, measures):
        gap = reader.difference(name, (size, first), (size, second))
        if math.isnan(gap[0]):
            continue
        found = stats.from_draws(gap)
        p = stats.zero_test(found.value, found.se)
        row = {"size": size, "measure": name, "value": found.value, "low": found.low, "high": found.high, "p": p}
        rows.append(row | _by_problem(evidence, name, size, first, second))
    if not rows:
        raise schema.BadInput(f"suite {evidence.name}: no task that both {first} and {second} answered; run it first")
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=stats.holm(frame["p"]))[list(COMPARED)]


def pairs(evidence: Evidence, couples: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """:func:`versus` of couples of methods: its columns, after first and second; no row where nothing is shared."""
    frames = []
    for first, second in couples:
        try:
            found = versus(evidence, first, second)
        except schema.BadInput:
            continue
        frames.append(found.assign(first=first, second=second))
    columns = ["first", "second", *COMPARED]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def _by_problem(evidence: Evidence, name: str, size: str, first: str, second: str) -> dict[str, float]:
    """On how many problems the first method scores higher, the same, and lower."""
    column = measure(name).columns[0]
    if name in MEASURES or "f1" in column[1]:
        return dict.fromkeys(("wins", "ties", "losses"), math.nan)
    one, other = (evidence.metrics[*column, size, method].by_problem() for method in (first, second))
    gap = (one - other).dropna()
    return {"wins": int((gap > 0).sum()), "ties": int((gap == 0).sum()), "losses": int((gap < 0).sum())}
