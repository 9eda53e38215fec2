"""The tokens of a Java program, with their places in the text; comments and blanks are left out.

``>`` is always a token of its own, or of two with an ``=``: whether ``>>`` shifts or closes two lists of type arguments
is for the reader to say (:func:`type_arguments`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

WORD, NUMBER, TEXT, CHAR, SIGN = "word", "number", "text", "char", "sign"
_SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<word>[^\W\d][\w$]*|\$[\w$]*)
    |(?P<number>0[xXbB][\da-fA-F_]+[lL]?|(?:\d[\d_]*)?\.?\d[\d_]*(?:[eE][+-]?\d+)?[lLfFdD]?|\d[\d_]*\.)
    |(?P<text>\"\"\".*?(?<!\\)\"\"\"|"(?:[^"\\\n]|\\.)*")
    |(?P<char>'(?:[^'\\\n]|\\.[0-7a-fA-Fu]*)+')
    |(?P<sign>->|::|\+\+|--|&&|\|\||<<=|<<|[-+*/%&|^=!<>]=|\.\.\.|[-+*/%&|^=!<>~?:;,.@(){}\[\]])""",
    re.VERBOSE | re.DOTALL,
)
MODIFIERS = frozenset(
    {
        *("public", "protected", "private", "static", "final", "abstract", "synchronized", "default", "native"),
        "strictfp",
    }
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_IN_TYPES = frozenset({",", ".", "?", "&", "[", "]", "@"})


class NotJava(ValueError):
    """A text that Java's grammar cannot hold, as far as it is read here."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text, and where it stands (characters; lines are counted from 1)."""

    kind: str
    text: str
    start: int
    end: int
    line: int


def tokens(text: str) -> list[Token]:
    """The tokens of a text, in order.

    Raises:
        NotJava: something is no token, for instance a comment or a string that does not end.
    """
    found: list[Token] = []
    at, line, counted = 0, 1, 0
    while True:
        skipped = _SKIPPED.match(text, at)
        at = skipped.end() if skipped else at
        if at >= len(text):
            return found
        match = _TOKEN.match(text, at)
        line += text.count("\n", counted, at)
        counted = at
        if match is None or text.startswith("/*", at):
            raise NotJava(f"line {line}: {text[at : at + 10]!r} is no token of Java")
        found.append(Token(match.lastgroup or "", match[0], at, match.end(), line))
        at = match.end()


def pairs(found: Sequence[Token]) -> dict[int, int]:
    """For each opening bracket the index of the closing one, and the other way round.

    Raises:
        NotJava: brackets do not match.
    """
    matched: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(found):
        if token.kind != SIGN:
            continue
        if token.text in _PAIRS:
            opened.append(index)
        elif token.text in _PAIRS.values():
            if not opened or _PAIRS[found[opened[-1]].text] != token.text:
                raise NotJava(f"line {token.line}: {token.text} closes nothing")
            matched[index] = opened[-1]
            matched[opened.pop()] = index
    if opened:
        raise NotJava(f"line {found[opened[-1]].line}: {found[opened[-1]].text} is not closed")
    return matched


def type_arguments(found: Sequence[Token], at: int) -> int:
    """The index of the ``>`` that closes the type arguments opened at ``at``; -1 where ``<`` compares.

    They follow a name that begins with a capital letter, a dot, or what may stand before a method's type parameters.
    """
    before = found[at - 1] if at else None
    named = before is not None and before.kind == WORD and (before.text[:1].isupper() or before.text in MODIFIERS)
    if found[at].text != "<" or not (named or (before is not None and before.text in (".", "}", ";", "{"))):
        return -1
    depth = 0
    for index in range(at, len(found)):
        token = found[index]
        if token.text == "<":
            depth += 1
        elif token.text == ">":
            depth -= 1
            if depth == 0:
                return index
        elif token.kind != WORD and token.text not in _IN_TYPES:
            return -1
    return -1
