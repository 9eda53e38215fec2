"""Loss logs -> what the paper's figures 3, 4 and 8 to 11 show: final losses, their fit over sizes, their correlations.

A log has columns size, method, step, split (``train``, ``test``) and loss in nats a token (:func:`training.loss_logs`).
"""

from __future__ import annotations

import math

import pandas as pd

from ..metrics import stats

LAST_STEPS = 10  # of training losses, which are noisy, a final one is the mean over so many steps
SPLITS = ("train", "test")


def final(log: pd.DataFrame, split: str) -> float:
    """The final loss of one model's log: of the last test, or the mean of the last steps' training losses; else NaN."""
    rows = log[log["split"] == split]
    if rows.empty:
        return math.nan
    last = rows["step"].max()
    window = LAST_STEPS if split == "train" else 1
    return float(rows[rows["step"] > last - window]["loss"].mean())


def finals(log: pd.DataFrame) -> pd.DataFrame:
    """Final losses, a row per model: size, method, train, test, in the log's order."""
    rows = [
        {"size": size, "method": method, **{split: final(own, split) for split in SPLITS}}
        for (size, method), own in log.groupby(["size", "method"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["size", "method", *SPLITS])


def extrapolations(ends: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """A power law of each method's final test loss in the base's parameters, without the largest size.

    Args:
        ends: what :func:`finals` returns.
        parameters: size and parameters of the base models.

    Returns:
        A row per method with a loss at three sizes or more: method, exponent, predicted, low, high (95% for a new
        model), observed, error and naive (percent; naive: of the last-value forecast, the loss of the largest size but
        one).
    """
    joined = ends.merge(parameters[["size", "parameters"]], on="size").dropna(subset=["test"])
    rows = []
    for method, own in joined.groupby("method", sort=False):
        if len(own) > 2:
            found = stats.extrapolate(own["parameters"], own["test"])
            rows.append(
                {
                    **{"method": method, "exponent": found.law.exponent, "predicted": found.predicted},
                    **{"low": found.low, "high": found.high, "observed": found.observed},
                    **{"error": 100 * found.error, "naive": 100 * found.naive},
                }
            )
    columns = ["method", "exponent", "predicted", "low", "high", "observed", "error", "naive"]
    return pd.DataFrame(rows, columns=columns)


def correlations(ends: pd.DataFrame, other: pd.DataFrame, column: str) -> pd.DataFrame:
    """Tables 7 and 8: how final losses go with another number of the models, at each size and over all.

    The losses enter with a minus sign, as in the paper's text: positive means that lower losses go with more.

    Args:
        ends: what :func:`finals` returns.
        other: size, method and ``column``.

    Returns:
        size (or ``overall``), loss (``train``, ``test``), coefficient, value, p, low, high (95%), n.
    """
    joined = ends.merge(other[["size", "method", column]], on=["size", "method"])
    groups = [(str(size), own) for size, own in joined.groupby("size", sort=False)]
    rows = []
    for size, own in [*groups, ("overall", joined)]:
        for split in SPLITS:
            for coefficient in ("kendall", "pearson", "spearman"):
                found = stats.correlation(-own[split], own[column], coefficient)
                rows.append(
                    {
                        **{"size": size, "loss": split, "coefficient": coefficient, "value": found.value},
                        **{"p": found.p, "low": found.low, "high": found.high, "n": found.n},
                    }
                )
    return pd.DataFrame(rows)
