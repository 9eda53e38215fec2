"""The claims ledger of a suite: what the paper prints and what the suite measured, judged side by side and kept.

``build/<suite>/claims.parquet`` (and ``.csv``) holds the verdicts, ``claim_parts.parquet`` the comparisons behind them;
both are made anew when results, losses, claims or the rules have changed.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

from . import claims, pipeline, store, study, training
from .claims import Claim, Evidence
from .schema import Suite

STUDY: dict[tuple[str, ...], str] = {("conala",): "conala_claims"}  # tasks of a suite that has another paper's claims


def claims_of(suite: Suite) -> tuple[Claim, ...]:
    """The claims that a suite can speak to: the paper's, or those of the study of CoNaLa."""
    return claims.load(STUDY.get(suite.tasks, "claims"))


def measured(suite: Suite) -> Evidence:
    """What a suite measured: its verdicts with joint replicates, the costs and losses of its trained models."""
    found = functools.partial(pipeline.verdicts, suite.name)
    costs = training.collect(suite) if suite.recipe else None
    return claims.measured(suite, found, costs, training.losses(suite))


def published(suite: Suite) -> Evidence:
    """What the paper of a suite's claims prints."""
    if suite.tasks in STUDY:
        return claims.as_printed(pipeline.aggregate(suite), suite.sizes, study.memory())
    return claims.published()


def judge(suite: Suite) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every claim on the printed numbers and on the suite's own.

    Returns:
        Verdicts (``claims.COLUMNS``), the printed ones first, and comparisons (``claims.PART_COLUMNS``).
    """
    folder = store.suite_dir(suite.name)
    path, beside = folder / "claims.parquet", folder / "claim_parts.parquet"
    pipeline.aggregate(suite)
    inputs = _inputs(suite)
    if not (store.is_current(path, inputs) and store.is_current(beside, inputs)):
        frame, parts = claims.ledger([published(suite), measured(suite)], claims_of(suite))
        store.write_stage(beside, parts, inputs)
        store.write_frame(path.with_suffix(".csv"), frame)
        store.write_stage(path, frame, inputs)
    return pd.read_parquet(path), pd.read_parquet(beside)


def _inputs(suite: Suite) -> dict[str, object]:
    folder = store.suite_dir(suite.name)
    read = [folder / "results.parquet", *sorted((store.data_dir() / "paper").glob("*.*"))]
    read += sorted(path for name in ("losses.jsonl", "run.json") for path in (folder / "train").glob(f"*/{name}"))
    return {
        "version": claims.VERSION,
        "suite": store.fingerprint(suite.model_dump(mode="json")),
        "files": store.fingerprint([[_named(path), store.sha256_file(path)] for path in read]),
    }


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
