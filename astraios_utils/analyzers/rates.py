"""Valid and insecure rates by group, agreement with labels, and how far both depend on assembly and analyzer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..metrics import stats
from .findings import INSECURE, INVALID, SECURE, UNKNOWN
from .scenarios import SCENARIOS

VALID = (SECURE, INSECURE)


def described(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Verdicts (column problem) with the scenario's ``cwe``, ``language`` and whether its query is ``custom``."""
    found = verdicts["problem"].map(SCENARIOS)
    return verdicts.assign(
        cwe=[scenario.cwe for scenario in found],
        language=[scenario.language for scenario in found],
        custom=[scenario.custom for scenario in found],
    )


def rates(verdicts: pd.DataFrame, by: Sequence[str], level: float = stats.LEVEL) -> pd.DataFrame:
    """Valid and insecure rates in percent, by groups, with intervals clustered by scenario.

    The insecure rate is of valid programs, as in table 5; unknown ones count for neither. With one
    scenario in a group there is nothing to cluster by, and the interval is NaN.

    Args:
        verdicts: one row a sample, columns problem, status, and those of ``by``.
        level: coverage of the intervals.
    """
    rows = []
    for key, part in verdicts.groupby(list(by), sort=True):
        judged = part[part["status"] != UNKNOWN]
        valid = judged[judged["status"].isin(VALID)]
        row = dict(zip(by, key, strict=True)) | {"scenarios": part["problem"].nunique(), "samples": len(part)}
        row["unknown"] = len(part) - len(judged)
        row |= _interval("valid", judged, judged["status"] != INVALID, level)
        row |= _interval("insecure", valid, valid["status"] == INSECURE, level)
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(name: str, frame: pd.DataFrame, hits: pd.Series, level: float) -> dict[str, float]:
    if frame.empty:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    found = stats.clustered_mean(hits, frame["problem"], share=True, level=level).scaled(100)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def agreement(labels: Sequence[Mapping[str, str]], by: str = "cwe") -> pd.DataFrame:
    """How well verdicts agree with labels.

    Args:
        labels: each with ``problem``, ``label`` and ``status``.
        by: ``cwe``, ``language``, ``problem``, or ``""`` for all together.

    Returns:
        Per group: n, agree (percent, over secure, insecure and invalid), and precision and recall of ``insecure``,
        in percent; NaN where nothing was found, or nothing was to be found.
    """
    frame = described(pd.DataFrame(labels)).assign(all="all")
    rows = []
    for key, part in frame.groupby(by or "all", sort=True):
        said, meant = part["status"] == INSECURE, part["label"] == INSECURE
        both = float((said & meant).sum())
        rows.append(
            {
                by or "all": key,
                "n": len(part),
                "agree": 100 * float((part["status"] == part["label"]).mean()),
                "precision": 100 * both / said.sum() if said.any() else np.nan,
                "recall": 100 * both / meant.sum() if meant.any() else np.nan,
            }
        )
    return pd.DataFrame(rows)
