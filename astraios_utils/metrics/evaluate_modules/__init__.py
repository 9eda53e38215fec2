"""The metrics as local `evaluate` modules: ``evaluate.load(path("pass_at_k"))``, with nothing fetched from the hub.

Each folder holds one module; scores are in percent, with their clustered standard error and 95% interval under
``<key>/se``, ``<key>/low`` and ``<key>/high``. Nothing runs code: the modules take verdicts, or texts to compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..stats import Estimate

NAMES = ("accuracy", "codebleu", "f1", "pass_at_k", "robust_change_at_k", "robust_pass_at_k")


def path(name: str) -> str:
    """The folder that ``evaluate.load`` takes for a metric.

    Raises:
        ValueError: no such metric.
    """
    if name not in NAMES:
        raise ValueError(f"no metric {name!r}: known are {', '.join(NAMES)}")
    return str(Path(__file__).parent / name)


def flat(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Estimates as the flat mapping of numbers that `evaluate` returns."""
    out: dict[str, float] = {}
    for key, estimate in estimates.items():
        out |= {key: estimate.value, f"{key}/se": estimate.se, f"{key}/low": estimate.low, f"{key}/high": estimate.high}
    return out
