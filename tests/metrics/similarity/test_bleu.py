"""BLEU through sacrebleu: its corpus scores from our sums, the variants, and counts that survive a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from astraios_utils.metrics import similarity
from astraios_utils.metrics.similarity import bleu

SAMPLES = ["sorted(items, key=len)", "x = max(values)", "", "print('a' + \"b\")"]
REFERENCES = ["sorted(items, key=len, reverse=True)", "x = min(values)", "import os", "print('a' + 'b')"]


def test_sums_give_sacrebleus_corpus_score() -> None:
    wanted = BLEU().corpus_score(SAMPLES, [REFERENCES]).score / 100
    assert similarity.scores(SAMPLES, REFERENCES)["bleu"] == pytest.approx(wanted, abs=1e-12)
    assert wanted > 0.3


def test_without_smoothing_no_quadruple_means_zero() -> None:
    # One word is right, no pair of words: sacrebleu halves the missing precisions, the others say 0.
    found = similarity.scores(["x y z w v"], ["x b c d e"])
    assert found["bleu"] > 0
    assert found["bleu/unsmoothed"] == found["bleu/conala"] == 0.0


def test_conalas_tokens() -> None:
    # Signs apart, camel case split, quotes alike; underscores stay (Ling et al. 2016).
    assert bleu.conala_tokens("fooBar(a_b, \"c\")  + 'd'") == [
        *("foo", "Bar", "(", "a_b", ",", "`", "c", "`", ")", "+", "`", "d", "`"),
    ]
    # All tokens of the last pair match under CoNaLa's tokens; under 13a the quotes differ.
    assert similarity.scores(SAMPLES[3:], REFERENCES[3:])["bleu/conala"] == pytest.approx(1.0)
    assert similarity.scores(SAMPLES[3:], REFERENCES[3:])["bleu"] < 1.0


def test_conalas_score_by_hand() -> None:
    # f ( x ) for g ( x ): 3/4, 2/3, 1/2, and no quadruple of the one there is: 0; of f(x, y) for g(x, y), 6 tokens
    # each: 5/6, 4/5, 3/4, 2/3. Together 8/10 * 6/8 * 4/6 * 2/4, lengths equal.
    found = similarity.scores(["f(x)", "f(x, y)"], ["g(x)", "g(x, y)"])
    assert found["bleu/conala"] == pytest.approx((8 / 10 * 6 / 8 * 4 / 6 * 2 / 4) ** 0.25)


def test_signatures_say_what_was_computed() -> None:
    assert similarity.signature("bleu").startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "tok:13a|smooth:none" in similarity.signature("bleu/unsmoothed")
    assert "tok:conala|smooth:none" in similarity.signature("bleu/conala")


def test_counts_survive_a_verdict() -> None:
    numbers = similarity.counts(SAMPLES[0], REFERENCES[0])
    assert len(numbers) == similarity.WIDTH
    assert similarity.decode(similarity.encode(numbers)) == numbers
    for broken in ("", "label=1 prediction=0", "[1,2]", "{}"):
        with pytest.raises(ValueError, match="is not a row of"):
            similarity.decode(broken)


def test_a_corpus_without_samples_is_undefined() -> None:
    assert all(math.isnan(value) for value in similarity.scores([], []).values())


def test_a_perfect_corpus() -> None:
    # CodeBLEU stays below 1 where texts are short: their missing n-grams count 0.1 of 1 (see codebleu.COLUMNS).
    found = similarity.scores(REFERENCES, REFERENCES)
    assert found["bleu"] == found["bleu/conala"] == pytest.approx(1.0)
    assert found["codebleu/syntax"] == 1.0
    assert 0.5 < found["codebleu"] < 1.0
    sums = np.array([similarity.counts(r, r) for r in REFERENCES], dtype=float).sum(axis=0)[None]
    assert similarity.statistic("bleu")(np.repeat(sums, 3, axis=0)).shape == (3,)
