"""F1 of yes/no answers of which some cannot be parsed, as an `evaluate` module."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

from astraios_utils.metrics import scores
from astraios_utils.metrics.evaluate_modules import flat


class F1(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=[0, 1, -1], references=[0, 1, 1])``; -1 is an unparsable answer.

    ``f1`` is the paper's: the plain mean over the classes that occur, the unparsable one (always 0) included.
    ``f1/real``, ``f1/positive`` and ``f1/weighted`` leave it out of the mean.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="F1 in percent: the paper's macro F1 and three usual variants.",
            citation="Zhuo et al. 2024, Astraios, section 2.3",
            inputs_description=self.__class__.__doc__ or "",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int], seed: int = 0) -> dict[str, float]:
        found = scores.summarise("f1", scores.classification_verdicts(references, predictions), seed=seed)
        return flat({key: e for key, e in found.items() if key.startswith("f1")})
