"""Pairs of an intent and a line of Python, in CoNaLa's manner but our own, drawn from a seed.

A pair is a kind of task (:data:`KINDS`) with names, keys and numbers filled in. Its intent has two wordings, as in
CoNaLa: a terse one, and the one that tuned models are asked. The bases have read both, in other formats than the
study's.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Iterator, Set
from dataclasses import dataclass

NAMES = (
    "a",
    "b",
    "c",
    "x",
    "y",
    "z",
    "data",
    "rows",
    "items",
    "values",
    "words",
    "names",
    "numbers",
    "table",
    "text",
    "line",
    "left",
    "right",
    "parts",
    "scores",
    "keys",
    "lists",
    "prices",
    "users",
    "files",
    "lines",
    "points",
    "codes",
)
KEYS = ("name", "age", "price", "score", "size", "date", "city", "color", "level", "rank", "code", "year")
SIGNS = (",", ";", ":", "-", "_", "/")

# The terse wording, what the tuned models are asked, and the snippet. {p}, {q}: names; {k}: a key; {n}: a
# number; {s}: a sign.
KINDS: tuple[tuple[str, str, str], ...] = (
    ("sorted {p}", "sort list `{p}`", "{p}.sort()"),
    ("{p} sorted downwards", "sort list `{p}` in reverse order", "{p}.sort(reverse=True)"),
    ("{p} sorted by length", "sort list `{p}` by length", "{p}.sort(key=len)"),
    ("{p} sorted by {k}", "sort list `{p}` by key '{k}'", "{p}.sort(key=lambda x: x['{k}'])"),
    ("{p} backwards", "reverse list `{p}`", "{p}.reverse()"),
    ("sum of {p}", "get the sum of `{p}`", "sum({p})"),
    ("mean of {p}", "get the mean of list `{p}`", "sum({p}) / len({p})"),
    ("largest of {p}", "find the largest value in `{p}`", "max({p})"),
    ("smallest of {p}", "find the smallest value in `{p}`", "min({p})"),
    ("place of the largest of {p}", "find the index of the largest value in `{p}`", "{p}.index(max({p}))"),
    ("length of {p}", "get the length of `{p}`", "len({p})"),
    ("{p} without duplicates", "remove duplicates from list `{p}`", "list(set({p}))"),
    ("first {n} of {p}", "get the first {n} elements of `{p}`", "{p}[:{n}]"),
    ("last {n} of {p}", "get the last {n} elements of `{p}`", "{p}[-{n}:]"),
    ("every {n} of {p}", "get every {n}th element of `{p}`", "{p}[::{n}]"),
    ("{p} at {n}", "get element {n} of list `{p}`", "{p}[{n}]"),
    ("{p} without place {n}", "delete element {n} of list `{p}`", "del {p}[{n}]"),
    ("{p} and {q} joined", "concatenate lists `{p}` and `{q}`", "{p} + {q}"),
    ("{q} at the end of {p}", "append `{q}` to list `{p}`", "{p}.append({q})"),
    ("all of {q} at the end of {p}", "extend list `{p}` with `{q}`", "{p}.extend({q})"),
    ("{q} at the start of {p}", "insert `{q}` at the beginning of list `{p}`", "{p}.insert(0, {q})"),
    ("{p} and {q} in pairs", "combine lists `{p}` and `{q}` into pairs", "list(zip({p}, {q}))"),
    ("{p} and {q} as table", "make a dictionary from lists `{p}` and `{q}`", "dict(zip({p}, {q}))"),
    ("how often {q} in {p}", "count occurrences of `{q}` in `{p}`", "{p}.count({q})"),
    ("is {q} in {p}", "check if `{q}` is in `{p}`", "{q} in {p}"),
    ("is {p} empty", "check if list `{p}` is empty", "not {p}"),
    ("{p} above {n}", "get elements of `{p}` greater than {n}", "[x for x in {p} if x > {n}]"),
    ("{p} below {n}", "get elements of `{p}` less than {n}", "[x for x in {p} if x < {n}]"),
    ("even of {p}", "get the even numbers of list `{p}`", "[x for x in {p} if x % 2 == 0]"),
    ("{p} times {n}", "multiply each element of `{p}` by {n}", "[x * {n} for x in {p}]"),
    ("{p} plus {n}", "add {n} to each element of `{p}`", "[x + {n} for x in {p}]"),
    ("{p} as numbers", "convert strings in list `{p}` to integers", "[int(x) for x in {p}]"),
    ("{p} as texts", "convert each element of `{p}` to a string", "[str(x) for x in {p}]"),
    ("{p} flat", "flatten list of lists `{p}`", "[x for y in {p} for x in y]"),
    ("{k} of all {p}", "get value '{k}' of each row in `{p}`", "[x['{k}'] for x in {p}]"),
    ("{p} where {k} is {n}", "get rows of `{p}` where '{k}' equals {n}", "[x for x in {p} if x['{k}'] == {n}]"),
    ("sum of {k} in {p}", "sum the values of '{k}' in `{p}`", "sum(x['{k}'] for x in {p})"),
    ("{k} of {p}", "get the value of key '{k}' in dictionary `{p}`", "{p}['{k}']"),
    ("{k} of {p} or {n}", "get key '{k}' of dictionary `{p}` with default {n}", "{p}.get('{k}', {n})"),
    ("{k} of {p} is {n}", "set key '{k}' of dictionary `{p}` to {n}", "{p}['{k}'] = {n}"),
    ("{p} without {k}", "remove key '{k}' from dictionary `{p}`", "del {p}['{k}']"),
    ("keys of {p}", "get a list of the keys of dictionary `{p}`", "list({p}.keys())"),
    ("values of {p}", "get a list of the values of dictionary `{p}`", "list({p}.values())"),
    ("{p} with {q}", "update dictionary `{p}` with `{q}`", "{p}.update({q})"),
    ("{p} turned", "swap keys and values of dictionary `{p}`", "{{v: k for k, v in {p}.items()}}"),
    ("{p} split by {s}", "split string `{p}` by '{s}'", "{p}.split('{s}')"),
    ("{p} joined by {s}", "join list `{p}` with '{s}'", "'{s}'.join({p})"),
    ("{p} without {s}", "remove '{s}' from string `{p}`", "{p}.replace('{s}', '')"),
    ("{p} stripped", "strip whitespace from string `{p}`", "{p}.strip()"),
    ("{p} in capitals", "convert string `{p}` to upper case", "{p}.upper()"),
    ("{p} in small letters", "convert string `{p}` to lower case", "{p}.lower()"),
    ("letters of {p} backwards", "reverse string `{p}`", "{p}[::-1]"),
    ("does {p} begin with {s}", "check if string `{p}` starts with '{s}'", "{p}.startswith('{s}')"),
    ("lines of {p}", "split string `{p}` into lines", "{p}.splitlines()"),
    ("show {p}", "print `{p}`", "print({p})"),
    ("show each of {p}", "print each element of `{p}`", "for x in {p}:\n    print(x)"),
    ("{p} and {q} swapped", "swap the values of `{p}` and `{q}`", "{p}, {q} = {q}, {p}"),
    ("{p} is {q} squared", "set `{p}` to the square of `{q}`", "{p} = {q} ** 2"),
    ("read {p}", "read the contents of file `{p}`", "open({p}).read()"),
    ("{p} as read from {q}", "read file `{q}` into `{p}`", "with open({q}) as f:\n    {p} = f.read()"),
)
# Frames in which the bases meet both wordings; none is the study's. What is said twice teaches to copy names.
FRAMES = (
    "# {intent}\n{snippet}",
    "{intent}:\n{snippet}",
    "Question: {intent}\nAnswer: {snippet}",
    "{intent}: {snippet}\n{intent}: {snippet}",
)
TOGETHER = 6


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair: a terse wording, how tuned models are asked, and the code."""

    plain: str
    intent: str
    snippet: str


def draw(rng: random.Random) -> Pair:
    """One pair, every kind as likely as the others."""
    plain, intent, snippet = rng.choice(KINDS)
    p, q = rng.sample(NAMES, 2)
    filled = {"p": p, "q": q, "k": rng.choice(KEYS), "n": rng.choice(string.digits[2:]), "s": rng.choice(SIGNS)}
    return Pair(plain.format(**filled), intent.format(**filled), snippet.format(**filled))


def pairs(seed: int, count: int, known: set[str] | None = None) -> list[Pair]:
    """Different pairs; none whose intent is in ``known``."""
    rng, seen = random.Random(seed), set(known or ())
    found: list[Pair] = []
    while len(found) < count:
        pair = draw(rng)
        if pair.intent not in seen:
            seen.add(pair.intent)
            found.append(pair)
    return found


def documents(seed: int, count: int, but: Set[str] = frozenset()) -> Iterator[str]:
    """What the bases read: :data:`TOGETHER` pairs, each in a frame with one of its wordings; no intent of ``but``.

    An untuned base therefore does not stop after an answer.
    """
    rng = random.Random(seed)
    drawn = (pair for pair in iter(lambda: draw(rng), None) if pair.intent not in but)
    for _ in range(count):
        yield "\n".join(
            rng.choice(FRAMES).format(intent=rng.choice((pair.plain, pair.intent)), snippet=pair.snippet)
            for pair in itertools.islice(drawn, TOGETHER)
        )
