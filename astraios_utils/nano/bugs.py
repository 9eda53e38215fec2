"""Wrong versions of a function, wrong in a way that its name gives away: no constant has to be guessed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .code import Language, Style, body
from .english import Names
from .spec import BARE_CONDITIONS, BARE_STEPS, SPLITS, Clause, Spec

_MISTAKEN = {
    "even": "odd",
    "odd": "even",
    "positive": "negative",
    "negative": "positive",
    "above": "below",
    "below": "above",
    "least": "most",
    "most": "least",
    "divisible": "indivisible",
    "indivisible": "divisible",
    "square": "cube",
    "cube": "square",
    "negate": "absolute",
    "absolute": "negate",
    "times": "plus",
    "plus": "minus",
    "minus": "plus",
}
_STARTED = ("sum", "product", "count")
_IN_LOOP = ("sum", "product", "count", "collect", "last")


@dataclass(frozen=True, slots=True)
class Bug:
    """A wrong version: another meaning, or the same in a broken style; ``kind`` in HumanEvalPack's words."""

    kind: str
    spec: Spec
    style: Style

    def body(self, names: Names, language: Language) -> str:
        """The wrong code."""
        return body(self.spec, names, language, self.style)


def _swapped(parts: tuple[Clause, ...], at: int, *new: Clause) -> tuple[Clause, ...]:
    return (*parts[:at], *new, *parts[at + 1 :])


def _meanings(spec: Spec) -> Iterator[Bug]:
    """Bugs that are another specification."""
    for at, part in enumerate(spec.conditions):
        if part.kind in _MISTAKEN:
            wrong = _swapped(spec.conditions, at, Clause(_MISTAKEN[part.kind], part.k))
            yield Bug("operator misuse", replace(spec, conditions=wrong), Style())
        spare = len(spec.conditions) > 1 or spec.fold in ("sum", "product", "last")
        if part.kind in BARE_CONDITIONS and spare:
            yield Bug("missing logic", replace(spec, conditions=_swapped(spec.conditions, at)), Style())
    for name in ("steps", "otherwise"):
        steps: tuple[Clause, ...] = getattr(spec, name)
        for at, part in enumerate(steps):
            wrong = _swapped(steps, at, Clause(_MISTAKEN[part.kind], part.k))
            yield Bug("operator misuse", spec.having(**{name: wrong}), Style())
            if part.kind in BARE_STEPS:
                yield Bug("missing logic", spec.having(**{name: _swapped(steps, at)}), Style())


def _styles(spec: Spec) -> Iterator[Bug]:
    """Bugs of the code around the meaning, and of the fold."""
    if spec.fold in _STARTED:
        yield Bug("value misuse", spec, Style(wrong_start=True))
    if spec.fold in _IN_LOOP:
        yield Bug("excess logic", spec, Style(early_return=True))
    if spec.source in ("upto", "below"):
        yield Bug("value misuse", spec, Style(short_range=True))
    if spec.fold in ("sum", "product"):
        other = "product" if spec.fold == "sum" else "sum"
        yield Bug("operator misuse", replace(spec, fold=other), Style())
    if spec.fold in ("any", "all"):
        yield Bug("operator misuse", replace(spec, fold="all" if spec.fold == "any" else "any"), Style())


def draw_bug(spec: Spec, rng: random.Random) -> Bug | None:
    """A random bug: a wrong meaning or a wrong style, where the function offers both; ``None``: neither.

    A wrong meaning never belongs to a later split than the function: what is evaluated is not even seen as a mistake.
    """
    latest = SPLITS.index(spec.split)
    every = [list(_meanings(spec)), list(_styles(spec))]
    allowed = [[bug for bug in found if SPLITS.index(bug.spec.split) <= latest] for found in every]
    kinds = [found for found in allowed if found]
    return rng.choice(rng.choice(kinds)) if kinds else None
