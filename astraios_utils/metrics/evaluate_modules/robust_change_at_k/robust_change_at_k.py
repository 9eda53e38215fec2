"""Robust Change@k (the paper's equation 2), as an `evaluate` module."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

from astraios_utils.metrics import scores


class RobustChangeAtK(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=[28.05, …], references=[17.07, …])``: RP@k and nominal Pass@k of each model, in percent."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="|Pass@k - RP@k| of each model and its mean, in the unit of the input. The sign is lost.",
            citation="Zhuo et al. 2024, Astraios, section 2.3",
            inputs_description=self.__class__.__doc__ or "",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def _compute(self, predictions: Sequence[float], references: Sequence[float]) -> dict[str, float | list[float]]:
        change = scores.rc_at_k(references, predictions)
        return {"rc": float(change.mean()) if change.size else float("nan"), "each": change.tolist()}
