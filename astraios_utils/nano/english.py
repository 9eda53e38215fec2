"""A specification in words: docstrings in several phrasings, and names for functions and variables."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .spec import BARE_CONDITIONS, LOGICAL, Clause, Spec

PARAMETERS: Mapping[str, tuple[tuple[str, str], ...]] = {  # parameter and loop variable
    "list": (
        ("xs", "x"),
        ("nums", "num"),
        ("values", "value"),
        ("numbers", "number"),
        ("items", "item"),
        ("data", "d"),
    ),
    "upto": (("n", "i"), ("limit", "i"), ("top", "j"), ("n", "x")),
    "below": (("n", "i"), ("limit", "i"), ("top", "j"), ("n", "x")),
    "digits": (("n", "digit"), ("number", "digit"), ("value", "d")),
    "number": (("n", "n"), ("x", "x"), ("value", "value"), ("number", "number")),
}
RESULTS: Mapping[str, tuple[str, ...]] = {
    "sum": ("total", "result", "acc"),
    "product": ("product", "result", "acc"),
    "count": ("count", "found"),
    "collect": ("result", "out", "kept"),
    "last": ("last", "result"),
}
_NOUNS: Mapping[str, tuple[str, ...]] = {
    "list": ("numbers in {p}", "values in {p}", "elements of {p}"),
    "upto": ("numbers from 1 to {p}", "numbers from 1 up to {p}"),
    "below": ("numbers from 0 to {p} - 1", "natural numbers below {p}"),
    "digits": ("digits of {p}",),
}
_COMPARED: Mapping[str, tuple[str, ...]] = {
    "above": ("greater than {k}", "above {k}"),
    "below": ("less than {k}", "below {k}"),
    "least": ("at least {k}", "not less than {k}"),
    "most": ("at most {k}", "not greater than {k}"),
    "divisible": ("divisible by {k}", "multiples of {k}"),
    "indivisible": ("not divisible by {k}",),
    "other": ("not equal to {k}", "different from {k}"),
}
_CHANGED: Mapping[str, str] = {
    "square": "squared",
    "cube": "cubed",
    "negate": "negated",
    "absolute": "made absolute",
    "times": "multiplied by {k}",
    "plus": "increased by {k}",
    "minus": "decreased by {k}",
}
_CHANGE: Mapping[str, str] = {
    "square": "square each",
    "cube": "cube each",
    "negate": "negate each",
    "absolute": "make each absolute",
    "times": "multiply each by {k}",
    "plus": "increase each by {k}",
    "minus": "decrease each by {k}",
}
_FOLDED: Mapping[str, tuple[str, ...]] = {
    "sum": ("the sum of {x}", "the total of {x}"),
    "product": ("the product of {x}",),
    "count": ("the number of {x}", "the count of {x}"),
    "collect": ("a list of {x}", "the list of {x}"),
    "first": ("the first of {x}, or 0 if there is none",),
    "last": ("the last of {x}, or 0 if there is none",),
}
_THEIR: Mapping[str, str] = {
    "sum": "the sum",
    "product": "the product",
    "count": "how many there are",
    "collect": "the list",
    "first": "the first, or 0 if there is none",
    "last": "the last, or 0 if there is none",
}
_VERBS = ("Return", "Compute", "Find", "Get")
_NAMED_SOURCE: Mapping[str, tuple[str, ...]] = {"upto": ("to",), "below": ("range",), "digits": ("digits",)}
_NAMED_STEP = {"times": "scaled", "plus": "raised", "minus": "lowered", "absolute": "abs"}


@dataclass(frozen=True, slots=True)
class Names:
    """What a function and its variables are called; ``function`` holds words."""

    function: tuple[str, ...]
    source: str
    item: str
    result: str

    @property
    def snake(self) -> str:
        """The function's name in Python and C."""
        return "_".join(self.function)

    @property
    def camel(self) -> str:
        """The function's name in Java."""
        return self.function[0] + "".join(word.title() for word in self.function[1:])


def draw_names(spec: Spec, rng: random.Random, telling: bool = True) -> Names:
    """Names; ``telling`` ones say in their words what the function does (but for constants)."""
    source, item = rng.choice(PARAMETERS[spec.source])
    result = rng.choice(RESULTS.get(spec.fold, ("result",)))
    words = _words(spec, rng) if telling else (rng.choice(("solve", "compute", "process", "task", "run", "apply")),)
    return Names(words, source, item, result)


def _words(spec: Spec, rng: random.Random) -> tuple[str, ...]:
    conditions = [c.kind for c in spec.conditions]
    steps = [_NAMED_STEP.get(s.kind, s.kind) for s in spec.steps]
    if spec.fold == "choose":
        other = [_NAMED_STEP.get(s.kind, s.kind) for s in spec.otherwise]
        return (*(steps or ["keep"]), "if", *conditions, "else", *(other or ["keep"]))
    source = _NAMED_SOURCE.get(spec.source, ())
    return (
        (spec.fold, *conditions, *steps, *source) if rng.random() < 0.7 else (*conditions, *steps, *source, spec.fold)
    )


def _fill(texts: Sequence[str], part: Clause, rng: random.Random) -> str:
    return rng.choice(texts).format(k=part.k)


def _predicate(part: Clause, rng: random.Random) -> str:
    return part.kind if part.kind in BARE_CONDITIONS else _fill(_COMPARED[part.kind], part, rng)


def _noun(spec: Spec, parameter: str, rng: random.Random) -> str:
    """The kept numbers, without an article: ``even numbers in xs that are above 3``."""
    noun = rng.choice(_NOUNS[spec.source]).format(p=parameter)
    before = [c.kind for c in spec.conditions if c.kind in BARE_CONDITIONS]
    after = [_predicate(c, rng) for c in spec.conditions if c.kind not in BARE_CONDITIONS]
    return " ".join([*before, noun]) + (f" that are {' and '.join(after)}" if after else "")


def _changed(steps: Sequence[Clause]) -> str:
    return " and then ".join(_CHANGED[step.kind].format(k=step.k) for step in steps)


def describe(spec: Spec, parameter: str, rng: random.Random, plain: bool = False) -> str:
    """One sentence that says what the function returns.

    Args:
        parameter: what the function's parameter is called.
        plain: in the shortest phrasing only.
    """
    verb = "Return" if plain else rng.choice(_VERBS)
    if spec.fold == "choose":
        then, other = (f"{parameter} {_changed(s)}" if s else parameter for s in (spec.steps, spec.otherwise))
        condition = " and ".join(_predicate(c, rng) for c in spec.conditions)
        if not plain and rng.random() < 0.3:
            return f"If {parameter} is {condition}, return {then}, otherwise {other}."
        return f"{verb} {then} if {parameter} is {condition}, otherwise {other}."
    if spec.fold in LOGICAL:
        noun = rng.choice(_NOUNS[spec.source]).format(p=parameter)
        condition = " and ".join(_predicate(c, rng) for c in spec.conditions)
        word, be = ("any", "is") if spec.fold == "any" else ("all", "are")
        opening = "Return whether" if plain else rng.choice(("Return whether", "Check whether", "Tell whether"))
        return f"{opening} {word} of the {noun} {be} {condition}."
    noun = _noun(spec, parameter, rng)
    if not plain and rng.random() < 0.25:
        steps = " and then ".join(_CHANGE[step.kind].format(k=step.k) for step in spec.steps)
        return f"Take the {noun}{', ' + steps if steps else ''} and return {_THEIR[spec.fold]}."
    article = "" if spec.fold == "count" else "the "
    numbers = f"{article}{noun}" + (f", each {_changed(spec.steps)}" if spec.steps else "")
    folded = (_FOLDED[spec.fold][0] if plain else rng.choice(_FOLDED[spec.fold])).format(x=numbers)
    if spec.fold == "count" and not plain and rng.random() < 0.3:
        return f"Count the {noun}."
    return f"{verb} {folded}."
