"""Robust Pass@k of ReCode (the paper's equation 1), worst case over perturbations, as an `evaluate` module."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import pandas as pd

from astraios_utils.metrics import scores
from astraios_utils.metrics.evaluate_modules import flat


class RobustPassAtK(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=[True, …], problem=[…], variant=["new_lines/s0", …], sample=[0, …], k=[1])``.

    One row per sample: whether it passed, its problem, its perturbation and seed, and its number. A sample counts for a
    perturbation when it passes for every seed; the score is that of the worst perturbation.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Robust Pass@k in percent: 1 - C(n-rc, k)/C(n, k), rc samples correct for every seed.",
            citation="Wang et al. 2023, ReCode: Robustness Evaluation of Code Generation Models",
            inputs_description=self.__class__.__doc__ or "",
            features=datasets.Features(
                {
                    "predictions": datasets.Value("bool"),
                    "problem": datasets.Value("string"),
                    "variant": datasets.Value("string"),
                    "sample": datasets.Value("int64"),
                }
            ),
        )

    def _compute(
        self,
        predictions: Sequence[bool],
        problem: Sequence[str],
        variant: Sequence[str],
        sample: Sequence[int],
        k: Sequence[int] = (1,),
    ) -> dict[str, float]:
        frame = pd.DataFrame(
            {
                "problem": list(problem),
                "variant": list(variant),
                "sample": list(sample),
                "status": ["passed" if ok else "failed" for ok in predictions],
            }
        )
        found = scores.summarise([f"rp@{n}" for n in k], frame)
        return flat({key: e for key, e in found.items() if any(key == f"rp@{n}" or f"rp@{n}/" in key for n in k)})
