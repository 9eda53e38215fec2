"""What a nano function computes: numbers from a source, kept by conditions, changed by steps, folded into a result.

A specification is data; :func:`evaluate` says what it means, independently of the code that other modules write for it.
Its :attr:`Spec.composition` (everything but constants and names) decides which split it belongs to, so that no
composition of the evaluation is ever seen in pre-training or tuning, whatever its constants or wording.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Split = Literal["pretrain", "tune", "eval"]
SPLITS: tuple[Split, ...] = ("pretrain", "tune", "eval")
Value = int | list[int] | bool

SOURCES = ("list", "upto", "below", "digits", "number")
CONDITIONS: Mapping[str, Callable[[int, int], bool]] = {
    "even": lambda x, _: x % 2 == 0,
    "odd": lambda x, _: x % 2 != 0,
    "positive": lambda x, _: x > 0,
    "negative": lambda x, _: x < 0,
    "above": lambda x, k: x > k,
    "below": lambda x, k: x < k,
    "least": lambda x, k: x >= k,
    "most": lambda x, k: x <= k,
    "divisible": lambda x, k: x % k == 0,
    "indivisible": lambda x, k: x % k != 0,
    "other": lambda x, k: x != k,
}
BARE_CONDITIONS = ("even", "odd", "positive", "negative")  # without a constant
STEPS: Mapping[str, Callable[[int, int], int]] = {
    "square": lambda x, _: x * x,
    "cube": lambda x, _: x * x * x,
    "negate": lambda x, _: -x,
    "absolute": lambda x, _: abs(x),
    "times": lambda x, k: x * k,
    "plus": lambda x, k: x + k,
    "minus": lambda x, k: x - k,
}
BARE_STEPS = ("square", "cube", "negate", "absolute")
SECOND_STEPS = ("times", "plus", "minus")
MOST_STEPS = 2  # that :func:`draw` gives a function
FOLDS = ("sum", "product", "collect", "count", "first", "last", "any", "all")
LOGICAL = ("any", "all")
_WEIGHTS = (5, 2, 4, 3, 2, 2, 2, 2)


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition or a step: its kind and its constant (0 where the kind has none)."""

    kind: str
    k: int = 0


@dataclass(frozen=True, slots=True)
class Spec:
    """One function's meaning.

    Attributes:
        source: ``list``: the numbers of a list; ``upto``: 1 to n; ``below``: 0 to n - 1; ``digits``: of a natural
            number, last first; ``number``: the one number itself (fold ``choose``).
        conditions: at most two; a number is kept if all hold.
        steps: at most two, applied one after the other to each number that is kept.
        fold: how the numbers become a result.
        otherwise: for ``choose``, the steps where the condition does not hold.
    """

    source: str
    conditions: tuple[Clause, ...]
    steps: tuple[Clause, ...]
    fold: str
    otherwise: tuple[Clause, ...] = ()

    @property
    def composition(self) -> str:
        """Everything but the constants, conditions in alphabetical order."""
        kinds = ["+".join(sorted(c.kind for c in self.conditions))]
        kinds += ["+".join(s.kind for s in steps) for steps in (self.steps, self.otherwise)]
        return "|".join((self.source, *kinds, self.fold))

    @property
    def split(self) -> Split:
        """Where this composition may be used."""
        return split_of(self.composition)

    @property
    def difficulty(self) -> int:
        """How many parts a solution has."""
        return len(self.conditions) + len(self.steps) + len(self.otherwise)

    @property
    def result(self) -> Literal["int", "list", "bool"]:
        """The type of the result."""
        if self.fold == "collect":
            return "list"
        return "bool" if self.fold in LOGICAL else "int"

    def having(self, **parts: tuple[Clause, ...]) -> Spec:
        """The same with other ``conditions``, ``steps`` or ``otherwise``."""
        have = {"conditions": self.conditions, "steps": self.steps, "otherwise": self.otherwise, **parts}
        return Spec(self.source, have["conditions"], have["steps"], self.fold, have["otherwise"])


def split_of(composition: str) -> Split:
    """The split of a composition, by its hash: 65% for pre-training, 15% for tuning, 20% for evaluation."""
    bucket = int.from_bytes(hashlib.sha256(composition.encode()).digest()[:4], "big") % 20
    if bucket < 4:
        return "eval"
    return "tune" if bucket < 7 else "pretrain"


def generator(*names: object) -> random.Random:
    """A random generator of its own for whatever the names say; the same on every machine."""
    return random.Random(":".join(map(str, names)))


def _apply(steps: Sequence[Clause], x: int) -> int:
    for step in steps:
        x = STEPS[step.kind](x, step.k)
    return x


def numbers(source: str, value: int | Sequence[int]) -> list[int]:
    """The numbers that a source stands for."""
    if isinstance(value, int):
        ranges = {"upto": range(1, value + 1), "below": range(value), "number": (value,)}
        return [int(c) for c in reversed(str(value))] * (value > 0) if source == "digits" else list(ranges[source])
    return list(value)


def evaluate(spec: Spec, value: int | Sequence[int]) -> Value:
    """What a function of that specification returns for an argument: a list, or a number for other sources."""

    def kept(x: int) -> bool:
        return all(CONDITIONS[c.kind](x, c.k) for c in spec.conditions)

    every = numbers(spec.source, value)
    if spec.fold == "choose":
        return _apply(spec.steps if kept(every[0]) else spec.otherwise, every[0])
    if spec.fold in LOGICAL:
        return any(map(kept, every)) if spec.fold == "any" else all(map(kept, every))
    changed = [_apply(spec.steps, x) for x in every if kept(x)]
    if spec.fold == "product":
        product = 1
        for x in changed:
            product *= x
        return product
    if spec.fold in ("first", "last"):
        return changed[0 if spec.fold == "first" else -1] if changed else 0
    if spec.fold == "collect":
        return changed
    return sum(changed) if spec.fold == "sum" else len(changed)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _allowed(source: str, kinds: Sequence[str]) -> list[str]:
    """Kinds that make a difference for the numbers of a source."""
    signed = source in ("list", "number")
    pointless = () if signed else ("positive", "negative", "absolute")
    return [kind for kind in kinds if kind not in pointless]


def _constant(kind: str, source: str, rng: random.Random) -> int:
    if kind in BARE_CONDITIONS or kind in BARE_STEPS:
        return 0
    if kind in ("divisible", "indivisible"):
        return rng.randint(3, 7)
    if kind in CONDITIONS:
        return rng.randint(2, 7) if source == "digits" else rng.randint(2, 12)
    return rng.randint(2, 9)


def draw_steps(source: str, count: int, rng: random.Random) -> tuple[Clause, ...]:
    """So many random steps; two in a row are never both sums."""
    steps: list[Clause] = []
    for number in range(count):
        kinds = _allowed(source, list(STEPS) if not number else list(SECOND_STEPS))
        if steps and steps[-1].kind in ("plus", "minus"):
            kinds = ["times"]
        if steps and steps[-1].kind == "times":
            kinds = ["plus", "minus"]
        kind = rng.choice(kinds)
        steps.append(Clause(kind, _constant(kind, source, rng)))
    return tuple(steps)


def draw_conditions(source: str, count: int, rng: random.Random) -> tuple[Clause, ...]:
    """So many random conditions: of two, a plain one (``even``) first and a comparison after it."""
    kinds = _allowed(source, list(CONDITIONS))
    first = rng.choice(kinds) if count < 2 else rng.choice(_allowed(source, BARE_CONDITIONS))
    chosen = [first] if count else []
    if count == 2:
        parity = first in ("even", "odd")
        chosen.append(rng.choice(["above", "below", "least", "most"] if parity else ["divisible", "indivisible"]))
    return tuple(Clause(kind, _constant(kind, source, rng)) for kind in chosen)


def _draw(rng: random.Random) -> Spec:
    source = rng.choices(SOURCES, (10, 3, 2, 2, 3))[0]
    if source == "number":
        then, otherwise = rng.choices((0, 1, 2), (3, 6, 1))[0], rng.choices((0, 1), (1, 3))[0]
        steps, other = draw_steps(source, then, rng), draw_steps(source, otherwise, rng)
        return Spec(source, draw_conditions(source, 1, rng), steps, "choose", other)
    fold = rng.choices(FOLDS, _WEIGHTS)[0]
    kept = rng.choices((0, 1, 2), (3, 5, 2))[0]
    changed = rng.choices((0, 1, 2), (4, 5, 2))[0]
    if fold in ("count", *LOGICAL):
        changed, kept = 0, max(kept, 1)
    if fold in ("first", "last") or (fold == "collect" and not changed):
        kept = max(kept, 1)
    return Spec(source, draw_conditions(source, kept, rng), draw_steps(source, changed, rng), fold)


def draw(split: Split, rng: random.Random) -> Spec:
    """A random specification of a split."""
    while True:
        spec = _draw(rng)
        if spec.split == split and spec.steps != spec.otherwise:
            return spec


def draw_harder(rng: random.Random) -> Spec:
    """A random specification with one step more than any that is trained on, and at least one condition."""
    while True:
        spec = _draw(rng)
        if spec.fold in ("sum", "product", "collect", "first", "last") and spec.conditions:
            spec = spec.having(steps=draw_steps(spec.source, MOST_STEPS + 1, rng))
            if spec.split == "eval":
                return spec


# --- arguments that tell specifications apart -------------------------------------------------------------------------


def neighbours(spec: Spec) -> Iterator[Spec]:
    """Specifications that a careless reader could take for this one."""
    for at, condition in enumerate(spec.conditions):
        rest = spec.conditions[:at], spec.conditions[at + 1 :]
        for other in [Clause(kind, condition.k or 2) for kind in CONDITIONS] + [
            Clause(condition.kind, condition.k + by) for by in (-1, 1) if condition.k
        ]:
            if other != condition:
                yield spec.having(conditions=(*rest[0], other, *rest[1]))
        yield spec.having(conditions=(*rest[0], *rest[1]))
    for name in ("steps", "otherwise"):
        steps: tuple[Clause, ...] = getattr(spec, name)
        for at, step in enumerate(steps):
            for kind in STEPS:
                if kind != step.kind:
                    yield spec.having(**{name: (*steps[:at], Clause(kind, step.k or 2), *steps[at + 1 :])})
            yield spec.having(**{name: (*steps[:at], Clause(step.kind, step.k + 1), *steps[at + 1 :])})
            yield spec.having(**{name: (*steps[:at], *steps[at + 1 :])})
        yield spec.having(**{name: (*steps, Clause("plus", 1))})


def _argument(spec: Spec, rng: random.Random) -> int | list[int]:
    near = [c.k + by for c in spec.conditions if c.k for by in (-1, 0, 1)]
    if spec.source == "list":
        pool = [*range(-6, 13), *near, *near]
        return [rng.choice(pool) for _ in range(rng.randint(1, 5))]
    if spec.source == "digits":
        return rng.randint(0, 9999)
    if spec.source == "number":
        return int(rng.choice([*range(-9, 15), *near, *near]))
    return rng.randint(0, 9 if spec.fold == "collect" else 15)


def arguments(spec: Spec, count: int, rng: random.Random, largest: int = 99_999) -> list[int | list[int]]:
    """Arguments for tests: chosen one by one so that as many :func:`neighbours` as possible give another result."""
    drawn = [_argument(spec, rng) for _ in range(30)]
    pool = [v for i, v in enumerate(drawn) if v not in drawn[:i] and _small(evaluate(spec, v), largest)]
    others = [other for other in neighbours(spec) if other != spec]
    chosen: list[int | list[int]] = []
    while len(chosen) < count and pool:
        wanted = [evaluate(spec, value) for value in pool]
        caught = [
            sum(evaluate(o, v) != w for o in others) - 0.1 * len(f"{v}{w}") for v, w in zip(pool, wanted, strict=True)
        ]
        best = pool.pop(caught.index(max(caught)))
        others = [o for o in others if evaluate(o, best) == evaluate(spec, best)]
        chosen.append(best)
    return chosen


def _small(value: Value, largest: int) -> bool:
    return all(abs(x) <= largest for x in (value if isinstance(value, list) else [int(value)]))
