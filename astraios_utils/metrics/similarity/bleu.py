"""BLEU-4 (Papineni et al. 2002) by sacrebleu (Post 2018), from counts that add up over a corpus.

Three variants, which differ in tokens and in what a precision of 0 counts:

- ``bleu``: sacrebleu's own, to be quoted with its :func:`signature`.
- ``bleu/unsmoothed``: the same tokens without smoothing, 0 where no 4-gram matches. It is what ``evaluate``'s ``bleu``
  computes, and the CoNaLa study's likely choice: its scores are shares, and several are exactly 0.
- ``bleu/conala``: CoNaLa's own evaluation (tokens of Ling et al. 2016, no smoothing).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from sacrebleu.metrics.bleu import BLEU

ORDERS = 4
WIDTH = 2 + 2 * ORDERS  # counts a variant needs: two lengths, matches and totals of four orders


@dataclass(frozen=True, slots=True)
class Variant:
    """How a BLEU is computed.

    Attributes:
        counts: which counts it is made of, ``13a`` or ``conala``: the tokens.
        smooth: sacrebleu's name of the smoothing.
    """

    counts: str
    smooth: str


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "bleu": Variant("13a", "exp"),
        "bleu/unsmoothed": Variant("13a", "none"),
        "bleu/conala": Variant("conala", "none"),
    }
)


def conala_tokens(code: str) -> list[str]:
    """Tokens of CoNaLa's evaluation: every sign apart, camel case split, both quotes the same sign."""
    code = re.sub(r"([^A-Za-z0-9_])", r" \1 ", code)
    code = re.sub(r"([a-z])([A-Z])", r"\1 \2", code)
    return code.replace('"', "`").replace("'", "`").split()


@functools.cache
def _metric(tokens: str, smooth: str, sentence: bool = False) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    # "none": what is counted are the words of a text that is split already
    return BLEU(
        tokenize="13a" if tokens == "13a" else "none", smooth_method=smooth, effective_order=sentence, force=True
    )


def counts(sample: str, reference: str, tokens: str) -> list[int]:
    """What one sample adds to the sums: its length, the reference's, matches of orders 1 to 4, and their totals.

    Args:
        sample: the model's code.
        reference: the one that is expected.
        tokens: ``13a`` (sacrebleu's default) or ``conala``.
    """
    if tokens == "conala":
        sample, reference = (" ".join(conala_tokens(text)) for text in (sample, reference))
    score = _metric(tokens, "exp", sentence=True).sentence_score(sample, [reference])
    return [int(n) for n in (score.sys_len, score.ref_len, *score.counts, *score.totals)]


def score(sums: npt.NDArray[np.float64], variant: str) -> float:
    """BLEU of a corpus, a share, from the sums of its :func:`counts`, shape (WIDTH,)."""
    numbers = [round(float(x)) for x in sums]
    matches, totals = numbers[2 : 2 + ORDERS], numbers[2 + ORDERS :]
    made: Any = _metric(VARIANTS[variant].counts, VARIANTS[variant].smooth)
    return float(
        made.compute_bleu(matches, totals, numbers[0], numbers[1], smooth_method=VARIANTS[variant].smooth).score / 100
    )


def signature(variant: str) -> str:
    """sacrebleu's signature of a variant; CoNaLa's tokens are named in place of its ``none``."""
    chosen = VARIANTS[variant]
    metric = _metric(chosen.counts, chosen.smooth)
    metric.corpus_score(["x"], [["x"]])  # it tells the number of references only after a score
    return str(metric.get_signature()).replace("tok:none", f"tok:{chosen.counts}")
