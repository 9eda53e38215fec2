"""A whole problem: specification, names, docstring, bug and tests, and what the formats need of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from . import bugs, code
from .code import Language
from .english import Names, describe, draw_names
from .spec import Spec, Split, Value, arguments, draw, draw_harder, evaluate

TESTS = 3  # a function; the repair prompt shows them all


@dataclass(frozen=True, slots=True)
class Function:
    """One function with everything that is said about it.

    Attributes:
        bug: where one is wanted.
        cases: pairs of argument and expected result; the bug fails at least one of them.
    """

    spec: Spec
    names: Names
    docstring: str
    bug: bugs.Bug | None = None
    cases: tuple[tuple[Any, Value], ...] = ()

    def name(self, language: Language) -> str:
        """What the function is called in the language."""
        return self.names.snake if language == "python" else self.names.camel

    def signature(self, language: Language) -> str:
        """Name and parameters."""
        return code.signature(self.spec, self.names, language)

    def head(self, language: Language, docstring: bool = True) -> str:
        """Everything before the body."""
        return code.head(self.spec, self.names, language, self.docstring if docstring else "")

    def body(self, language: Language, style: code.Style | None = None) -> str:
        """The solution."""
        return code.body(self.spec, self.names, language, style)

    def buggy(self, language: Language) -> str:
        """The wrong body."""
        assert self.bug is not None
        return self.bug.body(self.names, language)

    def tests(self, language: Language) -> str:
        """The test program's part that follows the function."""
        return code.tests(self.name(language), self.cases, language)


def passes(source: str, name: str, cases: tuple[tuple[Any, Value], ...]) -> bool:
    """Whether our own Python code of a function returns what the cases say."""
    scope: dict[str, Any] = {}
    exec(source, scope)  # code that this package has just written itself
    try:
        return all(scope[name](list(a) if isinstance(a, list) else a) == result for a, result in cases)
    except TypeError:
        return False


def draw_function(split: Split, rng: random.Random, telling: float = 1.0) -> Function:
    """A random function of a split, without bug and tests; ``telling``: share of names that say what it does."""
    return of_spec(draw(split, rng), rng, telling)


def of_spec(one: Spec, rng: random.Random, telling: float = 1.0) -> Function:
    """A function that does what a specification says, with random names and phrasing."""
    names = draw_names(one, rng, rng.random() < telling)
    return Function(one, names, describe(one, names.source, rng))


def with_bug(function: Function, rng: random.Random) -> Function | None:
    """The function with tests, and a bug that they show; ``None`` where a few tries find none."""
    one, name = function.spec, function.names.snake
    cases = tuple((a, evaluate(one, a)) for a in arguments(one, TESTS, rng))
    for bug in filter(None, (bugs.draw_bug(one, rng) for _ in range(4))):
        wrong = function.head("python", docstring=False) + bug.body(function.names, "python")
        if len(cases) == TESTS and not passes(wrong, name, cases):
            return replace(function, bug=bug, cases=cases)
    return None


def draw_problem(split: Split, rng: random.Random) -> Function:
    """A random function of a split with tests, and a bug that they show."""
    return _with_bug(lambda: draw_function(split, rng), rng)


def draw_harder_problem(rng: random.Random) -> Function:
    """A random problem with more steps than any function of the training texts."""
    return _with_bug(lambda: of_spec(draw_harder(rng), rng), rng)


def _with_bug(drawn: Callable[[], Function], rng: random.Random) -> Function:
    while (found := with_bug(drawn(), rng)) is None:
        pass
    return found
