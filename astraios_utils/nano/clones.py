"""Pairs of Java methods: one function written twice, or two functions (BigCloneBench's question in miniature)."""

from __future__ import annotations

import random
from dataclasses import replace

from .bugs import draw_bug
from .code import Style, method
from .english import draw_names
from .spec import FOLDS, LOGICAL, Spec, Split, draw


def draw_style(rng: random.Random) -> Style:
    """A random correct style."""
    return Style(loop=rng.choice(("for", "index", "while")), swapped=rng.random() < 0.3)


def _other(spec: Spec, split: Split, rng: random.Random) -> Spec:
    """Another function: far (all of it), near (the fold) or very near (one part)."""
    kind = rng.random()
    if kind < 0.5 or spec.source == "number":
        return draw(split, rng)
    if kind < 0.75 and spec.fold not in ("count", *LOGICAL):
        return replace(spec, fold=rng.choice([f for f in FOLDS[:3] if f != spec.fold]))
    bug = draw_bug(spec, rng)
    return bug.spec if bug else spec


def draw_pair(split: Split, rng: random.Random) -> tuple[str, str, bool]:
    """Two Java methods, and whether they are clones (as often as not); both compositions belong to the split."""
    clone = rng.random() < 0.5
    one = two = draw(split, rng)
    while not clone and (two == one or two.split != split):
        one = draw(split, rng)
        two = _other(one, split, rng)
    texts = [method(spec, draw_names(spec, rng, telling=False), draw_style(rng)) for spec in (one, two)]
    return texts[0], texts[1], clone
