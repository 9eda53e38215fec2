"""Whether a regular expression for host names has a dot that matches any character (CodeQL's ``HostnameRegexp``)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from ..findings import GaveUp

# The standard library's own parser: no public module offers the tree.
sre: Any = importlib.import_module("re._constants")
sre_parser: Any = importlib.import_module("re._parser")

LONGEST = 1_000  # characters of a pattern; looking at its parts takes their number squared
Term = tuple[Any, Any]  # opcode and its argument
TLD = re.compile(r"(?i)(?:com|org|edu|gov|uk|net|io)(?![a-z0-9])(:\d+)?([/?#].*)?")
NO_ORIGIN = re.compile(r"[^a-zA-Z0-9.:/-]|--|:[^0-9/]|(?<![/:])(?<!^)/")


def unescaped_dot(pattern: str) -> str:
    """Why a pattern matches more hosts than meant; empty where it does not, or is no pattern.

    The dot directly before the top-level domain is let pass, as the query does.

    Raises:
        GaveUp: the pattern is longer than ``LONGEST``.
    """
    if len(pattern) > LONGEST:
        raise GaveUp(f"a pattern of more than {LONGEST:,} characters")
    try:
        tree = sre_parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return ""
    for sequence in _sequences(list(tree)):
        for end in range(1, len(sequence)):
            if _ends_host(sequence, end):
                why = _fault(sequence, end)
                if why:
                    return why
    return ""


def _sequences(terms: list[Term]) -> Iterator[list[Term]]:
    """The sequence of terms and every one below it."""
    yield terms
    for term in terms:
        for below in _below(term):
            yield from _sequences(below)


def _below(term: Term) -> list[list[Term]]:
    code, held = term
    if code is sre.SUBPATTERN:
        return [list(held[3])]
    if code in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [list(held[2])]
    if code is sre.BRANCH:
        return [list(branch) for branch in held[1]]
    if code in (sre.ASSERT, sre.ASSERT_NOT):
        return [list(held[1])]
    return [list(held)] if code is sre.ATOMIC_GROUP else []


def _dot_like(term: Term) -> bool:
    return term[0] is sre.ANY or term == (sre.LITERAL, ord("."))


def _literals(terms: list[Term], start: int) -> str:
    """The run of plain characters that starts there, up to anything else or an escaped dot."""
    run = ""
    for code, held in terms[start:]:
        if code is not sre.LITERAL or chr(held) == ".":
            break
        run += chr(held)
    return run


def _ends_host(sequence: list[Term], at: int) -> bool:
    """Whether a top-level domain starts there, after a dot, not at the very beginning."""
    begins = at == 1 or (at == 2 and sequence[0][0] is sre.AT)
    return _dot_like(sequence[at - 1]) and not begins and TLD.fullmatch(_literals(sequence, at)) is not None


def _fault(sequence: list[Term], at: int) -> str:
    host, rest = sequence[: at - 1], sequence[at:]
    if any(NO_ORIGIN.search(text) for text in _texts(host)) or _captures(rest):
        return ""
    tail = _literals(sequence, at)
    for parent, position, repeated in _dots(host):
        if any(_dot_like(t) for t in (*parent[max(position - 1, 0) : position], *parent[position + 1 : position + 2])):
            continue  # two dots in a row are no host name
        if not repeated:
            return f"unescaped '.' before {tail!r}"
        anchored = sequence[0] == (sre.AT, sre.AT_BEGINNING)
        ended = any(term[0] is sre.AT and term[1] in (sre.AT_END, sre.AT_END_STRING) for term in sequence)
        if anchored and not ended and re.search("[/?#]", tail):
            return f"wildcard before {tail!r} may match anywhere in the URL"
    return ""


def _texts(terms: list[Term]) -> list[str]:
    """The runs of plain characters in terms and below."""
    found, run = [], ""
    for term in terms:
        if term[0] is sre.LITERAL:
            run += chr(term[1])
            continue
        found.append(run)
        run = ""
        found += [text for below in _below(term) for text in _texts(below)]
    return [*found, run]


def _captures(terms: list[Term]) -> bool:
    return any(term[0] is sre.SUBPATTERN and term[1][0] is not None for term in terms)


def _dots(terms: list[Term], repeated: bool = False) -> Iterator[tuple[list[Term], int, bool]]:
    """Every wildcard dot in terms and below: its sequence, its position, whether it is itself repeated."""
    for position, term in enumerate(terms):
        if term[0] is sre.ANY:
            yield terms, position, repeated
        quantified = term[0] in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
        for below in _below(term):
            yield from _dots(below, quantified and len(below) == 1)
