"""The claims ledger of a suite: what the paper prints and what the suite measured, judged side by side and kept.

``build/<suite>/claims.parquet`` (and ``.csv``) holds the verdicts, ``claim_parts.parquet`` the comparisons behind them;
both are computed again when results, losses, claims or the rules have changed.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from .. import methods, results, schema, store, training
from ..results import claims, comparison, power, protocol
from ..results.claims import Claim, Evidence, compare, corrected
from ..schema import Model, Suite
from ..sources import conala_study
from . import changes as tuned
from . import pipeline, seeds


def claims_of(suite: Suite) -> tuple[Claim, ...]:
    """The claims that a suite can speak to: those of the files that it names."""
    files = (suite.claims,) if isinstance(suite.claims, str) else suite.claims
    return tuple(claim for file in files for claim in claims.load(file))


def measured(suite: Suite, java_level: int | None = None, other: Evidence | None = None) -> Evidence:
    """What a suite measured: its verdicts with joint replicates, the costs and losses of its trained models.

    A suite whose training runs can be several, or are shipped, is judged by all of them that were made here or are
    shipped, run 0 among them; costs are run 0's.

    Args:
        suite: the suite or a slice of it.
        java_level: one of the suite's Java language levels, for Java scores of that level; the evidence's name says so.
        other: the suite's evidence at another Java level, whose metrics of all other tasks are the same.
    """
    if _has_runs(suite):
        return claims.measured(suite, seeds.sources(suite), costs(suite), seeds.loss_logs(suite))
    found = functools.partial(pipeline.verdicts, suite, java_level=java_level)
    metrics = {} if other is None else other.metrics
    known = {key: metric for key, metric in metrics.items() if key[0] not in results.JAVA_TASKS}
    evidence = claims.measured(suite, found, costs(suite), training.loss_logs(suite), known=known)
    return evidence if java_level is None else replace(evidence, name=f"{suite.name}, Java {java_level}")


def _has_runs(suite: Suite) -> bool:
    """Whether a suite's verdicts come by training run: there are several, or one is shipped."""
    return suite.seeds > 1 or bool(seeds.shipped_runs(suite))


def shown(suite: Suite) -> pd.DataFrame:
    """A suite's results as a page shows them: run 0's cells that were scored here, and the shipped ones of all others.

    The same as :func:`pipeline.aggregate` for suites that ship no training run.
    """
    frame = pipeline.aggregate(suite)
    if not seeds.shipped_runs(suite):
        return frame
    find = functools.partial(seeds.verdicts, suite, 0)
    inputs = {"results": results.VERSION, **_inputs(suite)}
    whole = seeds.with_extra_tasks(suite)
    return store.stored(_analysis(suite, "shown"), inputs, lambda: results.results(whole, find))


def load_results(suite: str) -> pd.DataFrame:
    """The results of a whole suite for a notebook, as :func:`shown`."""
    return shown(store.load_suite(suite))


def means(suite: Suite, frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Means over tasks with joint intervals, as results: figures 1 and 7 wherever they are drawn or tabled.

    Args:
        suite: the suite or a slice of it: the models.
        frame: the suite's results (:func:`pipeline.aggregate`).
        names: measures (``claims.MEASURES``); those for which a task is missing from the suite are left out.

    Returns:
        What :func:`claims.compare.as_results` returns, for one measure after the other.
    """
    asked = [name for name in names if {task for task, _ in claims.MEASURES[name].columns} <= set(suite.tasks)]
    if not asked:
        return pd.DataFrame(columns=list(results.COLUMNS))

    def compute() -> pd.DataFrame:
        evidence = measured(suite)
        made = [compare.as_results(evidence, name, frame, suite.methods) for name in asked]
        return pd.concat(made, ignore_index=True)

    return store.stored(_analysis(suite, "means", asked), {"frame": store.frame_hash(frame), **_inputs(suite)}, compute)


def costs(suite: Suite) -> pd.DataFrame | None:
    """What each trained model cost: :func:`training.collect`, and generation's seconds for 1,000 tokens.

    Where nothing was trained here, the costs that are shipped (without generation's); ``None`` where none are.
    """
    trained = training.collect(suite) if suite.recipe else pd.DataFrame()
    if trained.empty:
        held = tuned.shipped_costs(suite)
        held = held[held["size"].isin(suite.sizes) & held["method"].isin(suite.methods)]
        return held if len(held) else None
    slowness = [
        _generation_seconds(suite, Model(s, m)) for s, m in zip(trained["size"], trained["method"], strict=True)
    ]
    return trained.assign(generation_seconds=slowness)


def _generation_seconds(suite: Suite, model: Model) -> float:
    folder = store.suite_dir(suite.name) / "generations"
    records = [store.read_json(path) for path in sorted(folder.glob(f"*/{model.slug}.jsonl.xz.json"))]
    costs = [record.get("cost", {}) for record in records if record]
    spent = [cost for cost in costs if "tokens" in cost]  # likelihood tasks generate none
    tokens = sum(cost["tokens"] for cost in spent)
    return 1000 * sum(cost["seconds"] for cost in spent) / tokens if tokens else math.nan


def _analysis(suite: Suite, name: str, *asked: object) -> Path:
    """Where an analysis of a suite, or of a slice of one, is kept."""
    drawn = store.fingerprint([*asked, suite.sizes, suite.methods, suite.tasks])
    return store.suite_dir(suite.name) / "analysis" / f"{name}-{drawn}.parquet"


def compared(suite: Suite) -> pd.DataFrame:
    """Methods of a suite against those of :func:`references`, paired by problem, computed again when results change."""
    few = set(references(suite))
    couples = [couple for couple in itertools.combinations(suite.methods, 2) if few & set(couple)]
    return store.stored(_analysis(suite, "pairs"), _inputs(suite), lambda: power.pairs(measured(suite), couples))


def references(suite: Suite) -> tuple[str, ...]:
    """The methods that each method is compared with: all; in a comparison of many methods, those of its leaderboard."""
    return tuple(m for m in suite.methods if not suite.rows or m in comparison.CONTROLS or methods.is_untuned(m))


def detectable(suite: Suite) -> pd.DataFrame:
    """Which differences a suite's design can detect (:func:`power.table`), computed again when results change."""
    return store.stored(_analysis(suite, "detectable"), _inputs(suite), lambda: power.table(measured(suite)))


def published(suite: Suite) -> Evidence:
    """What the paper of a suite's claims prints."""
    if suite.claims == "conala_claims":
        return claims.as_printed(conala_study.as_results(), conala_study.SIZES, conala_study.memory())
    return claims.published()


def claim_verdicts(suite: Suite) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every claim on the printed numbers and on the suite's own.

    Returns:
        Verdicts (``claims.COLUMNS``), the printed ones first, and comparisons (``claims.PART_COLUMNS``).
    """
    folder = store.suite_dir(suite.name)
    path, beside = folder / "claims.parquet", folder / "claim_parts.parquet"
    pipeline.aggregate(suite)
    inputs = _inputs(suite)
    if not (store.is_current(path, inputs) and store.is_current(beside, inputs)):
        frame, parts = claims.ledger(_evidences(suite), claims_of(suite))
        store.write_stage(beside, parts, inputs)
        store.write_frame(path.with_suffix(".csv"), frame)
        store.write_stage(path, frame, inputs)
    return pd.read_parquet(path), pd.read_parquet(beside)


def _evidences(suite: Suite) -> list[Evidence]:
    """The bodies of evidence of a suite's ledger: printed, corrected (``released``), measured, and by Java level."""
    judged = seeds.with_extra_tasks(suite)
    first = measured(judged)
    own = [first, *(measured(judged, level, first) for level in suite.java_levels)]
    printed = published(suite)
    if suite.generations != "released":
        return [printed, *own]
    return [printed, corrected.corrected(printed, own[-1], corrections(suite)), *own]


def corrections(suite: Suite) -> pd.DataFrame:
    """The printed cells for which a released file gives another value (:func:`corrected.cells`)."""
    levels = protocol.language_levels(store.data_dir() / "released" / "java_levels.csv")
    return corrected.cells(pipeline.aggregate(suite), levels)


def changes(suite: Suite) -> pd.DataFrame:
    """What correcting the paper's tables changes in its claims (:func:`corrected.changes`).

    Raises:
        schema.BadInput: a suite other than ``released``, whose files alone can correct the tables.
    """
    if suite.generations != "released":
        raise schema.BadInput(
            f"suite {suite.name}: only released files correct the paper's tables; say --suite released"
        )
    verdicts, _ = claim_verdicts(suite)
    return corrected.changes(verdicts, published(suite), corrections(suite), claims_of(suite))


def _inputs(suite: Suite) -> dict[str, object]:
    folder = store.suite_dir(suite.name)
    read = [path for path in [folder / "results.parquet"] if path.exists()]
    read += [*sorted((store.data_dir() / "paper").glob("*.*"))]
    read += sorted(path for name in ("losses.jsonl", "run.json") for path in (folder / "train").glob(f"*/{name}"))
    read += [path for path in [tuned.costs_path(suite.name)] if path.exists()]
    for run in seeds.runs(suite) if _has_runs(suite) else ():
        own = store.suite_dir(suite.run_of(run).name) if run else folder
        read += sorted([*own.glob("verdicts/*/*.parquet"), *own.glob("train/*/losses.jsonl")])
        read += [
            path for path in (seeds.counts_path(suite.name, run), seeds.losses_path(suite.name, run)) if path.exists()
        ]
    return {
        "version": claims.VERSION,
        "suite": store.fingerprint(suite.model_dump(mode="json")),
        "files": store.fingerprint([[_named(path), store.sha256_file(path)] for path in read]),
    }


def _named(path: Path) -> str:
    """A file's name below the build or the data folder, wherever those are."""
    root = next(root for root in (store.build_dir(), store.data_dir()) if path.is_relative_to(root))
    return str(path.relative_to(root))
