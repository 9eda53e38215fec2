"""CodeBLEU and BLEU of Python against references, as an `evaluate` module."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import pandas as pd

from astraios_utils.metrics import scores, similarity
from astraios_utils.metrics.evaluate_modules import flat


class CodeBLEU(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=["x.sort()"], references=["sorted(x)"])``: one reference each.

    ``codebleu`` with its components, ``codebleu/package`` (a data-flow match of 0 counted as 1, as the public package
    does), ``bleu`` by sacrebleu, without smoothing, and in CoNaLa's tokens.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="CodeBLEU and BLEU of a corpus, in percent.",
            citation="Ren et al. 2020; Papineni et al. 2002",
            inputs_description=self.__class__.__doc__ or "",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[str], seed: int = 0) -> dict[str, float]:
        pairs = list(zip(predictions, references, strict=True))
        verdicts = pd.DataFrame(
            {
                "problem": [str(number) for number in range(len(pairs))],
                "status": ["passed" if similarity.same(*pair) else "failed" for pair in pairs],
                "detail": [similarity.encode(similarity.counts(*pair)) for pair in pairs],
            }
        )
        found = scores.summarise("codebleu", verdicts, seed=seed)
        return flat({key: estimate for key, estimate in found.items() if key in similarity.NAMES})
