"""Unbiased pass@k (Chen et al. 2021) of verdicts, as an `evaluate` module."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import pandas as pd

from astraios_utils.metrics import scores
from astraios_utils.metrics.evaluate_modules import flat


class PassAtK(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=[[True, False], …], k=[1, 10])``: for each problem, which of its samples passed."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Unbiased pass@k in percent: mean over problems of 1 - C(n-c, k)/C(n, k).",
            citation="Chen et al. 2021, Evaluating Large Language Models Trained on Code",
            inputs_description=self.__class__.__doc__ or "",
            features=datasets.Features({"predictions": datasets.Sequence(datasets.Value("bool"))}),
        )

    def _compute(self, predictions: Sequence[Sequence[bool]], k: Sequence[int] = (1,)) -> dict[str, float]:
        rows = [(i, "passed" if ok else "failed") for i, samples in enumerate(predictions) for ok in samples]
        keys = [f"pass@{n}" for n in k]
        found = scores.summarise(keys, pd.DataFrame(rows, columns=["problem", "status"]))
        return flat({key: found[key] for key in keys})
