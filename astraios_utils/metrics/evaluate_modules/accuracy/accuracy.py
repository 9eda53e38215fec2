"""Accuracy of yes/no answers of which some cannot be parsed, as an `evaluate` module."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

from astraios_utils.metrics import scores
from astraios_utils.metrics.evaluate_modules import flat


class Accuracy(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=[0, 1, -1], references=[0, 1, 1])``; -1 is an unparsable answer and counts as wrong."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of right answers, and of answers that could be parsed (valid), in percent.",
            citation="Zhuo et al. 2024, Astraios, section 2.3",
            inputs_description=self.__class__.__doc__ or "",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        found = scores.summarise("accuracy", scores.classification_verdicts(references, predictions))
        return flat({key: found[key] for key in ("accuracy", "valid")})
