"""Simulations of the statistics: do intervals cover, do verdicts err, and what are printed numbers' errors?

    python benchmarks/statistics.py coverage   how often 95% intervals hold the truth, by setting (about a minute)
    python benchmarks/statistics.py verdicts   how often "supported" and "not supported" are wrong, by training noise
    python benchmarks/statistics.py correlations   the same for statements about correlations and orders (minutes)
    python benchmarks/statistics.py errors     measure the error model of printed numbers again (writes data/paper)

All are seeded. The first three write their tables to data/simulated; ``docs/verdicts.md`` shows them.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import multiprocessing
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from astraios_utils import results, schema, store
from astraios_utils.metrics import scores, stats
from astraios_utils.results import claims
from astraios_utils.results.claims import evidence, logic, printed, training_noise
from astraios_utils.running import pipeline

FOLDER = store.data_dir() / "simulated"
DIFFER = 0.05  # share of problems that one of two equal methods solves and the other does not
SHARES = {  # problems, samples, and the Beta distribution of a problem's chance to be solved
    "164 problems x 20": (164, 20, 0.6, 0.8),
    "40 problems x 3": (40, 3, 1.0, 1.0),
    "200 problems x 1": (200, 1, 0.6, 0.8),
    "25 hard problems x 20": (25, 20, 0.1, 1.5),
    "rare: 164 x 20 at 1%": (164, 20, 0.02, 1.98),
    "rare: 25 x 20 at 2.4%": (25, 20, 0.06, 2.44),
}


def coverage(runs: int) -> pd.DataFrame:
    """Coverage of the interval of a share, of the worst perturbation, and of a paired difference."""
    rng, rows = np.random.default_rng(0), []
    for name, (m, n, a, b) in SHARES.items():
        hits = 0
        for _ in range(runs):
            solved = rng.binomial(n, rng.beta(a, b, m)) / n
            found = stats.clustered_mean(solved, n=n * m, share=True)
            hits += found.low <= a / (a + b) <= found.high
        rows.append({"interval": "share", "setting": name, "coverage": hits / runs})
    for spread in (0.0, 0.05, 0.1):
        rows.append(
            {"interval": "worst of 5 perturbations", "setting": f"164 problems, means {spread:g} apart"}
            | {"coverage": _worst(rng, spread, runs)}
        )
    for m in (40, 200):
        rows.append(
            {"interval": "difference of equal methods", "setting": f"{m} problems x 1, {DIFFER:.0%} of answers differ"}
            | {"coverage": _ties(rng, m, runs)}
        )
    return pd.DataFrame(rows)


def _worst(rng: np.random.Generator, spread: float, runs: int) -> float:
    names = np.array([f"{i:03}" for i in range(164)])
    threshold = scipy_stats.norm.ppf(0.2 + spread * np.arange(5) / 4)
    hits = 0
    for _ in range(runs):
        hard = math.sqrt(0.95) * rng.normal(size=(164, 1)) + math.sqrt(0.05) * rng.normal(size=(164, 5))
        found = stats.clustered_mean(scores.cross_fitted((hard < threshold).astype(float), names), share=True)
        hits += found.low <= 0.2 <= found.high
    return hits / runs


def _ties(rng: np.random.Generator, m: int, runs: int) -> float:
    """Two equal methods that answer nearly all problems alike."""
    hits = 0
    for run in range(runs):
        first = rng.random(m) < 0.5
        second = np.where(rng.random(m) < DIFFER, ~first, first)
        columns = {
            name: stats.Column(
                "b", np.arange(m).astype(str), np.column_stack([x, np.ones(m)]).astype(float), stats.ratio
            )
            for name, x in (("a", first), ("b", second))
        }
        joint = stats.joint_bootstrap(columns, resamples=400, seed=run)
        wide = [stats.widened(joint.values[k], m, 1 / m, np.random.default_rng([run, i])) for i, k in enumerate("ab")]
        found = stats.from_draws(wide[0] - wide[1])
        hits += found.low <= 0 <= found.high
    return hits / runs


def attainable(m: int = 40, differ: float = DIFFER) -> pd.DataFrame:
    """Every coverage that an interval of the difference of two equal methods can have, exactly.

    Only b and c vary: the problems that the first method alone solves, and the second alone. An interval leaves 0 out
    of some outcomes, those with the largest |b - c| / sqrt(b + c) first (McNemar's statistic).

    Args:
        m: problems, one answer each.
        differ: share of problems on which the answers differ, b + c of m on average.

    Returns:
        A row per last outcome ("b : c") that leaves 0 out: the coverage, and the lowest at any share of differing
        answers. Outcomes that change the coverage by less than .001 and rows of a coverage below 90% are left out.
    """
    rates = np.unique([differ, *np.linspace(0.01, 0.99, 99)])
    outcomes = [(abs(2 * b - n) / math.sqrt(n), b, n - b) for n in range(1, m + 1) for b in range(n // 2 + 1, n + 1)]
    covered, rows = np.ones(len(rates)), []
    for _, b, c in sorted(outcomes, key=lambda one: (-round(one[0], 9), one[1])):
        chance = 2 * scipy_stats.binom.pmf(b + c, m, rates) * scipy_stats.binom.pmf(b, b + c, 0.5)
        covered = covered - chance
        rows.append((f"{b} : {c}", covered[rates == differ][0], covered.min()))
    frame = pd.DataFrame(rows, columns=["last_without_0", "coverage", "lowest_coverage"])
    return frame[(frame["coverage"].diff() < -0.001) & (frame["coverage"] > 0.9)].reset_index(drop=True)


RUNS = 300  # simulated suites per row of the table of verdicts
MEASURE, PROBLEMS, ERROR, SEEDS = "defect", 164, 0.58, (1, 2, 5)
LEADER = np.array([2.0 * (method == "FFT") for method in schema.METHODS])
TRUTHS = {"all methods equal": 0 * LEADER, "FFT 2 points better": LEADER}
STATEMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "AdapterH above P-Tuning, one size": ("ahead", {"methods": "AdapterH", "of": "P-Tuning", "sizes": "smallest"}),
    "AdapterH within 2 points of P-Tuning": ("near", {"methods": "AdapterH", "of": "P-Tuning", "within": 2}),
    "FFT above each other, every size": ("ahead", {"methods": "FFT"}),
    "FFT above most others, most sizes": ("ahead", {"methods": "FFT", "pairs": "most", "across": "most"}),
    "some method above FFT, some size": ("ahead", {"methods": "PEFT", "of": "FFT", "pairs": "any", "across": "any"}),
    "two PEFT methods change places": ("swaps", {}),
    "FFT rises from smallest to largest": ("grows", {"methods": "FFT", "by": "ends"}),
}


def verdicts(runs: int, workers: int = 1) -> pd.DataFrame:
    """How often the ledger errs about seven methods at four sizes, by truth, training noise and training runs.

    A suite with one run per model speaks about these checkpoints, whose true scores contain their training noise; one
    with several about the methods. A verdict is wrong if it is "supported" of what is not so, or "not supported" of
    what is so, of what it is about.

    Args:
        runs: simulated suites per truth, training SD and number of training runs.
        workers: processes.

    Returns:
        A row per statement: how often it is true of what the suite is about, supported, not supported, and decided
        wrongly; ``misread``: decided wrongly if the verdict is read as one about the methods.
    """
    settings = list(itertools.product(TRUTHS, (0.0, 0.5, 1.0), SEEDS))
    if workers == 1:
        return pd.concat([_setting(runs, *one) for one in settings], ignore_index=True)
    with multiprocessing.Pool(workers) as pool:
        frames = pool.starmap(_setting, [(runs, *one) for one in settings], chunksize=1)
    return pd.concat(frames, ignore_index=True)


def _setting(runs: int, truth: str, training: float, seeds: int) -> pd.DataFrame:
    """The rows of one truth, training SD and number of training runs; they do not depend on the others."""
    rng, rows = np.random.default_rng([len(truth), round(10 * training), seeds]), []
    found = [_judged(rng, truth, training, seeds) for _ in range(runs)]
    for name, general in _true_of_methods(truth).items():
        holds, said = (np.array([one[name][i] for one in found]) for i in (0, 1))
        yes, no = said == "supported", said == "not supported"
        rows.append(
            {"truth": truth, "training_sd": training, "training_runs": seeds, "about": claims.SCOPES[seeds > 1]}
            | {"statement": name, "true": holds.mean(), "supported": yes.mean(), "not_supported": no.mean()}
            | {"wrong": np.where(holds, no, yes).mean(), "misread": (no if general else yes).mean()}
        )
    return pd.DataFrame(rows)


def _judged(rng: np.random.Generator, truth: str, training: float, seeds: int) -> dict[str, tuple[bool, str]]:
    """Of one simulated suite: whether each statement is true of what the suite is about, and its verdict."""
    trained = TRUTHS[truth] + training * rng.standard_normal((seeds, len(schema.SIZES), len(schema.METHODS)))
    spread = ERROR * math.sqrt(PROBLEMS)  # of a method's own part of a problem, 90% of it alike in every run
    own, each = (rng.standard_normal((*shape, PROBLEMS)) for shape in (trained.shape[1:], trained.shape))
    hard = 20 * rng.standard_normal(PROBLEMS)
    answers = trained[..., None] + hard + spread * (math.sqrt(0.9) * own + math.sqrt(0.1) * each)
    metrics, effects = {}, {}
    for (s, size), (m, method) in itertools.product(enumerate(schema.SIZES), enumerate(schema.METHODS)):
        key = (MEASURE, "accuracy", size, method)
        names = pd.Index([f"{i:03}" for i in range(PROBLEMS)])
        rows = [np.column_stack([one / 100, np.ones(PROBLEMS)]) for one in answers[:, s, m]]
        single = [scores.Metric(names, one, n=20 * PROBLEMS) for one in rows]
        metrics[key] = training_noise.averaged(single)
        effects |= {key: training_noise.effect(single)} if seeds > 1 else {}
    drawn, *_ = evidence.replicated(metrics, effects, seeds, resamples=600, seed=int(rng.integers(2**31)))
    true = _true_of_methods(truth) if seeds > 1 else _true(trained[0])
    return {name: (true[name], _said(name, drawn, seeds)[1]) for name in STATEMENTS}


def _true(means: np.ndarray) -> dict[str, bool]:
    """Which statements are true of scores, shape (sizes, methods)."""
    found = {
        (MEASURE, "accuracy", size, method): np.full(2, means[s, m])
        for (s, size), (m, method) in itertools.product(enumerate(schema.SIZES), enumerate(schema.METHODS))
    }
    return {name: _said(name, found, 1)[0] for name in STATEMENTS}


@functools.cache
def _true_of_methods(truth: str) -> dict[str, bool]:
    return _true(np.tile(TRUTHS[truth], (len(schema.SIZES), 1)))


def _said(name: str, found: Mapping[Any, np.ndarray], seeds: int) -> tuple[bool, str]:
    """What the values say of a statement, and its verdict."""
    test, arguments = STATEMENTS[name]
    measured = {"measures" if test == "grows" else "measure": MEASURE, **arguments}
    finding, node = _judge(found, seeds, test, measured)
    return finding.holds is True, claims.verdict_of(finding, list(logic.parts(node)))


def _judge(
    found: Mapping[Any, np.ndarray], seeds: int, test: str, arguments: Mapping[str, Any]
) -> tuple[logic.Finding, logic.Node]:
    shapes = dict.fromkeys(found, PROBLEMS)
    nothing = pd.DataFrame(), evidence.empty_log()
    of = claims.Evidence("simulated", schema.SIZES, dict(found), shapes, *nothing, seeds=seeds)
    node = claims.TESTS[test](claims.Reader(of), **arguments)
    return logic.judge(node), node


# Any two of three measures: Kendall's tau within a size, and how far a method's place is the same at every size.
RELATIONS = {
    "unrelated, methods differ by size": (0.0, 0.0),
    "unrelated, methods alike at every size": (0.0, 0.8),
    "tau 0.5, methods differ by size": (0.5, 0.0),
    "tau 0.5, methods alike at every size": (0.5, 0.8),
}
RELATED: dict[str, tuple[str, dict[str, Any]]] = {
    "go together": ("correlates", {"x": "defect", "y": "clone"}),
    "go together, all models at once": ("correlates", {"x": "defect", "y": "clone", "pooled": True}),
    "go together by more than 0.5": ("correlates", {"x": "defect", "y": "clone", "above": 0.5}),
    "one goes more with the third": ("more_correlated", {"x": "defect", "than": "clone", "y": "explain-python"}),
    "methods stand alike at every size": ("same_order", {"measure": "defect"}),
}


def correlations(runs: int) -> pd.DataFrame:
    """How often the ledger errs about correlations of three measures over seven methods at four sizes.

    All measures rise with size, so that over all models at once everything is correlated. The second and the third are
    related to the first alike, and to each other.

    Returns:
        A row per relation and statement: whether it is true, how often it was supported, not supported, and either
        wrongly.
    """
    rows = []
    for name, (tau, alike) in RELATIONS.items():
        rng = np.random.default_rng([round(10 * tau), round(10 * alike)])
        true = {"go together": tau > 0, "go together, all models at once": tau > 0}
        true |= {"methods stand alike at every size": alike > 0}
        said = [_related(rng, math.sin(math.pi * tau / 2), alike) for _ in range(runs)]
        for statement in RELATED:
            found = np.array([one[statement] for one in said])
            yes, no = (found == "supported").mean(), (found == "not supported").mean()
            holds = true.get(statement, False)
            rows.append(
                {"truth": name, "statement": statement, "true": holds, "supported": yes, "not_supported": no}
                | {"wrong": no if holds else yes}
            )
    return pd.DataFrame(rows)


def _related(rng: np.random.Generator, rho: float, alike: float) -> dict[str, str]:
    """The verdicts on one set of three measures, each two of which correlate by ``rho`` among the methods of a size."""
    shape = (len(schema.SIZES), len(schema.METHODS))
    mixed = np.linalg.cholesky(np.full((3, 3), rho) + (1 - rho) * np.eye(3))
    own, each = rng.standard_normal((3, 1, shape[1])), rng.standard_normal((3, *shape))
    tables = np.tensordot(mixed, math.sqrt(alike) * own + math.sqrt(1 - alike) * each, axes=1)
    tables += 10 * np.arange(shape[0])[:, None]
    found = {
        (measure, results.headline(measure), size, method): np.full(2, tables[i, s, m])
        for i, measure in enumerate(("defect", "clone", "explain-python"))
        for (s, size), (m, method) in itertools.product(enumerate(schema.SIZES), enumerate(schema.METHODS))
    }
    judged = {name: _judge(found, 1, test, arguments) for name, (test, arguments) in RELATED.items()}
    return {name: claims.verdict_of(finding, list(logic.parts(node))) for name, (finding, node) in judged.items()}


def measure_errors() -> None:
    """Write the error model of printed numbers from the released verdicts."""
    suite = store.load_suite("released")
    released = claims.measured(suite, functools.partial(pipeline.verdicts, suite.name))
    errors, correlations = printed.measure_errors(released)
    folder = store.data_dir() / "paper"
    errors.round(4).to_csv(folder / printed.ERRORS, index=False)
    correlations.round(4).to_csv(folder / printed.CORRELATIONS, index=False)
    print(errors.to_string(index=False))


HEADS = {
    "coverage": {"interval": "interval", "setting": "setting", "coverage": "coverage"},
    "attainable": {
        "last_without_0": "last outcome without 0",
        "coverage": "coverage",
        "lowest_coverage": "lowest at any share",
    },
    "correlations": {
        name: name.replace("_", " ") for name in ("truth", "statement", "supported", "not_supported", "wrong")
    },
}


def as_markdown(name: str, frame: pd.DataFrame) -> str:
    """One of the tables as ``docs/verdicts.md`` shows it; shares with three decimals."""
    columns = _wide(frame) if name == "verdicts" else frame[list(HEADS[name])].rename(columns=HEADS[name])
    numeric = [pd.api.types.is_numeric_dtype(columns[column]) for column in columns]
    lines = [f"| {' | '.join(columns)} |", "".join("|--:" if right else "|---" for right in numeric) + "|"]
    for row in columns.itertuples(index=False):
        cells = [f"{one:.3f}".removeprefix("0") if isinstance(one, float) else str(one) for one in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _wide(frame: pd.DataFrame) -> pd.DataFrame:
    """Shares of wrong verdicts: a row per truth and statement, a column per number of runs and training SD."""
    wide = frame.pivot(index=["truth", "statement"], columns=["training_runs", "training_sd"], values="wrong")
    wide = wide.sort_index(axis=1).reindex(
        frame[["truth", "statement"]].drop_duplicates().itertuples(index=False, name=None)
    )
    wide.columns = pd.Index([f"{runs} run{'s' * (runs > 1)}, SD {sd:g}" for runs, sd in wide.columns])
    single = frame[(frame["training_runs"] == 1) & (frame["training_sd"] == 1)]
    return wide.assign(**{"1 run, SD 1, misread": single["misread"].to_numpy()}).reset_index()


def draw(frame: pd.DataFrame, runs: int = RUNS) -> Figure:
    """Shares of wrong verdicts with their 95% intervals, a panel per number of training runs."""
    names = list(frame[["truth", "statement"]].drop_duplicates().itertuples(index=False, name=None))
    place = {name: len(names) - i + (name[0] == names[0][0]) for i, name in enumerate(names)}
    # The plots of the package need seaborn, which needs the standard library's module of this file's name.
    style = {"font.size": 9, "axes.titlesize": 10, "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#E2E2E2"}
    style |= {"axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 160, "svg.hashsalt": "verdicts"}
    with plt.rc_context({**style, "figure.constrained_layout.use": True}):
        figure, axes = plt.subplots(1, len(SEEDS), figsize=(10, 5.6), sharex=True, sharey=True)
        for axis, (seeds, own) in zip(axes, frame.groupby("training_runs"), strict=True):
            for (sd, rows), colour, marker, shift in zip(
                own.groupby("training_sd"), ("#56B4E9", "#0072B2", "#000000"), "osD", (0.24, 0, -0.24), strict=True
            ):
                y = [place[name] + shift for name in rows[["truth", "statement"]].itertuples(index=False, name=None)]
                ends = np.array([stats.wilson(share, runs, 1.96) for share in rows["wrong"]])
                axis.hlines(y, *(100 * ends.T), color=colour, linewidth=1)
                axis.plot(100 * rows["wrong"], y, marker, color=colour, markersize=4, label=f"training SD {sd:g}")
            axis.axvline(5, color="#D55E00", linestyle="--", linewidth=1)
            axis.set_title(f"{seeds} run{'s' * (seeds > 1)} per model:\nabout {own['about'].iloc[0]}")
            axis.set_xlabel("wrong verdicts (%)")
        axes[0].set_yticks(list(place.values()), [statement for _, statement in place])
        for truth in dict.fromkeys(name[0] for name in names):
            top = max(y for name, y in place.items() if name[0] == truth)
            at = axes[0].get_yaxis_transform()
            axes[0].text(-0.03, top + 0.6, f"Truth: {truth}", fontweight="bold", ha="right", transform=at)
        axes[0].set_ylim(0.4, max(place.values()) + 1.1)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main() -> None:
    """Run one simulation, print its table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["coverage", "verdicts", "correlations", "errors"])
    parser.add_argument(
        "--runs", type=int, help="simulated data sets per row (4000; 300 for verdicts, 1000 for correlations)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes, for verdicts")
    options = parser.parse_args()
    if options.what == "errors":
        measure_errors()
        return
    options.runs = options.runs or {"verdicts": RUNS, "correlations": 1000}.get(options.what, 4000)
    if options.what == "coverage":
        made = {"coverage": coverage(options.runs), "attainable": attainable()}
    elif options.what == "correlations":
        made = {"correlations": correlations(options.runs)}
    else:
        made = {"verdicts": verdicts(options.runs, options.workers)}
    for name, frame in made.items():
        print(frame.round(4).to_string(index=False))
        store.write_frame(FOLDER / f"{name}.csv", frame.round(4))
        if name == "verdicts":
            for suffix in ("svg", "png"):
                path = store.root() / "docs" / "_static" / f"verdict_errors.{suffix}"
                draw(frame, options.runs).savefig(path, metadata={"Date": None} if suffix == "svg" else None)


if __name__ == "__main__":
    main()
