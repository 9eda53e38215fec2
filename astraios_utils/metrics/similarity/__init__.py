"""How close a text comes to a reference: BLEU and CodeBLEU of Python, from counts that add up over a corpus.

Each sample is counted once (:func:`counts`); sums of these counts give the corpus' scores (:func:`scores`), so that a
resampled corpus costs a sum, and an interval no second look at the texts. Imports nothing of ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from . import bleu, codebleu
from .bleu import VARIANTS, signature
from .codebleu import is_valid

Array = npt.NDArray[np.float64]
WIDTH = 2 * bleu.WIDTH + len(codebleu.COLUMNS)
CODEBLEU = ("codebleu", "codebleu/ngram", "codebleu/weighted", "codebleu/syntax", "codebleu/dataflow")
NAMES = (*VARIANTS, *CODEBLEU, "codebleu/package")
_SLICES: Mapping[str, slice] = {
    "13a": slice(0, bleu.WIDTH),
    "conala": slice(bleu.WIDTH, 2 * bleu.WIDTH),
    "codebleu": slice(2 * bleu.WIDTH, WIDTH),
}


def counts(sample: str, reference: str) -> list[int]:
    """Everything that the scores of a corpus need to know of one sample: ``WIDTH`` whole numbers."""
    words = [n for tokens in ("13a", "conala") for n in bleu.counts(sample, reference, tokens)]
    return [*words, *codebleu.counts(sample, reference)]


def same(sample: str, reference: str) -> bool:
    """Whether two texts have the same tokens (CoNaLa's: white space and the kind of quotes make no difference)."""
    return bleu.conala_tokens(sample) == bleu.conala_tokens(reference)


def statistic(name: str) -> Callable[[Array], Array]:
    """The function that makes one of ``NAMES``, a share, from sums of :func:`counts`: (r, WIDTH) -> (r,)."""
    if name in VARIANTS:
        columns = _SLICES[VARIANTS[name].counts]
        return lambda sums: np.array([bleu.score(row[columns], name) for row in sums])
    return lambda sums: codebleu.scores(sums[:, _SLICES["codebleu"]])[name]


def scores(samples: list[str], references: list[str]) -> dict[str, float]:
    """All scores of a corpus, as shares: ``NAMES``; NaN without samples.

    Args:
        samples: the texts.
        references: what each should have been.

    Raises:
        ValueError: the lists differ in length.
    """
    pairs = zip(samples, references, strict=True)
    sums = np.array([counts(*pair) for pair in pairs], dtype=float).reshape(-1, WIDTH).sum(axis=0)[None]
    return {name: float(statistic(name)(sums)[0]) if samples else math.nan for name in NAMES}


def encode(numbers: list[int]) -> str:
    """Counts as the text that a verdict keeps."""
    return json.dumps(numbers, separators=(",", ":"))


def decode(text: str) -> list[int]:
    """The counts in a verdict's text.

    Raises:
        ValueError: it holds something else.
    """
    try:
        numbers = json.loads(text)
    except json.JSONDecodeError:
        numbers = None
    if not isinstance(numbers, list) or len(numbers) != WIDTH:
        raise ValueError(f"detail {text!r:.40} is not a row of {WIDTH} counts")
    return numbers


__all__ = [
    "CODEBLEU",
    "NAMES",
    "VARIANTS",
    "WIDTH",
    "counts",
    "decode",
    "encode",
    "is_valid",
    "same",
    "scores",
    "signature",
    "statistic",
]
