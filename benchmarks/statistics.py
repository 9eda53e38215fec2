"""Simulations of the statistics: do intervals cover, do verdicts err, and what are printed numbers' errors?

    python benchmarks/statistics.py coverage   how often 95% intervals hold the truth, by setting (about a minute)
    python benchmarks/statistics.py verdicts   how often "supported" and "not supported" are wrong, by training noise
    python benchmarks/statistics.py errors     measure the error model of printed numbers again (writes data/paper)

All are seeded. ``docs/verdicts.md`` shows their tables.
"""

from __future__ import annotations

import argparse
import functools
import math

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from astraios_utils import store
from astraios_utils.metrics import scores, stats
from astraios_utils.results import claims
from astraios_utils.results.claims import logic, printed, training_noise
from astraios_utils.running import pipeline

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
            {"interval": "difference of equal methods", "setting": f"{m} problems x 1"}
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
        second = np.where(rng.random(m) < 0.05, ~first, first)
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


TRUTHS = {"all methods equal": np.zeros(7), "one method 2 points better": np.array([2.0, 0, 0, 0, 0, 0, 0])}


def verdicts(runs: int, seeds: int = 5, error: float = 0.58) -> pd.DataFrame:
    """How often the ledger errs about seven methods at four sizes, with and without training noise in its replicates.

    Args:
        runs: simulated suites per row.
        seeds: training runs per method.
        error: standard error that problems leave a score with, in points.
    """
    rng, rows = np.random.default_rng(1), []
    for truth, means in TRUTHS.items():
        for training in (0.0, 0.5, 1.0):
            for used in (1, seeds):
                wrong = [_errs(rng, means, training, used, error) for _ in range(runs)]
                rows.append(
                    {"truth": truth, "training SD": training, "seeds": used}
                    | {name: np.mean([w[name] for w in wrong]) for name in wrong[0]}
                )
    return pd.DataFrame(rows)


def _errs(rng: np.random.Generator, means: np.ndarray, training: float, seeds: int, error: float) -> dict[str, bool]:
    """Which wrong verdicts one simulated suite leads to."""
    runs = means + training * rng.standard_normal((seeds, 4, 7))
    observed = runs.mean(axis=0) + error * rng.standard_normal((4, 7))
    draws = error * rng.standard_normal((600, 4, 7))
    if seeds > 1:
        for size in range(4):
            moderated, degrees = stats.moderated(list(runs[:, size].var(axis=0, ddof=1)), seeds - 1)
            wide = training_noise._student(degrees)
            draws[:, size] += wide * np.sqrt(moderated / seeds) * rng.standard_normal((600, 7))

    def gap(size: int, a: int, b: int) -> logic.Part:
        centred = draws[:, size, a] - draws[:, size, b]
        return logic.part(
            "", np.append(observed[size, a] - observed[size, b], observed[size, a] - observed[size, b] + centred)
        )

    best = logic.judge(logic.every([gap(s, 0, b) for s in range(4) for b in range(1, 7)]))
    pairs = [
        logic.every([logic.AtLeast("any", tuple(gap(s, *order) for s in range(4))) for order in ((a, b), (b, a))])
        for a in range(7)
        for b in range(a)
    ]
    swap = logic.judge(logic.AtLeast("any", tuple(pairs)))
    single = logic.judge(gap(0, 5, 6))
    equal = not means.any()
    return {
        "two equal methods decided (10% by design)": min(single.p_for, single.p_against) <= logic.ALPHA,
        "'methods swap' supported": swap.p_for <= logic.ALPHA,
        "'first is best' wrongly decided": (best.p_for if equal else best.p_against) <= logic.ALPHA,
    }


def measure_errors() -> None:
    """Write the error model of printed numbers from the released verdicts."""
    suite = store.load_suite("released")
    evidence = claims.measured(suite, functools.partial(pipeline.verdicts, suite.name))
    errors, correlations = printed.measure_errors(evidence)
    folder = store.data_dir() / "paper"
    errors.round(4).to_csv(folder / printed.ERRORS, index=False)
    correlations.round(4).to_csv(folder / printed.CORRELATIONS, index=False)
    print(errors.to_string(index=False))


def main() -> None:
    """Run one simulation and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["coverage", "verdicts", "errors"])
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args()
    if options.what == "errors":
        measure_errors()
    else:
        made = {"coverage": coverage, "verdicts": verdicts}[options.what](options.runs)
        print(made.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
