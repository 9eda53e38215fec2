"""The methods of a Java program, their statements, and which variables are visible where.

This reads what functions of a benchmark are written in, not all of Java: the arms of a ``switch`` that is an expression
are not looked into, and neither are the constants of an ``enum``.  What is read is checked by nobody but the compiler.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .tokens import MODIFIERS, SIGN, WORD, NotJava, Token, pairs, tokens, type_arguments

BLOCK, GROUP, LABELLED, LOCAL_CLASS = "block", "group", "labelled", "class"
DECLARATION, EXPRESSION, RETURN, EMPTY = "declaration", "expression", "return", "empty"
LOOPS = ("while", "do", "for", "each")
_TYPES = ("class", "interface", "enum", "record")
_LEADING = frozenset({"final", "abstract", "static", "strictfp", "sealed"})
_NO_TYPE = frozenset(
    {
        *("return", "throw", "new", "assert", "break", "continue", "yield", "else", "case", "default", "this", "super"),
        *("if", "while", "do", "for", "switch", "try", "synchronized", "instanceof", "import", "package"),
    }
)
Range = tuple[int, int]  # indexes of tokens: the first, and one past the last


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter or a local variable; ``type`` is its type as written, without blanks."""

    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Attributes:
        kind: one of the constants above, or the word that it begins with (``each``: a ``for`` over a collection).
        first, last: its first and its last token.
        parts: its own expressions.
        condition: the one of them that decides, of ``if``, ``while``, ``do`` and ``for``.
        bodies: the statements that it controls.
        nested: the blocks of lambdas and of anonymous classes in its expressions.
        declares: the variables that have a value after it (``for``, ``each``: within it).
    """

    kind: str
    first: int
    last: int
    parts: tuple[Range, ...] = ()
    condition: Range | None = None
    bodies: tuple[Statement, ...] = ()
    nested: tuple[Statement, ...] = ()
    declares: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a top-level class or of a class in one.

    Attributes:
        owner: its class, with the classes around that: ``Solution.Inner``.
        header: from its modifiers to its ``throws``.
        returns: its type as written, without blanks; empty for a constructor.
    """

    owner: str
    name: str
    header: Range
    modifiers: frozenset[str]
    returns: str
    parameters: tuple[Variable, ...]
    body: Statement


@dataclass(frozen=True, slots=True)
class Unit:
    """A program that has been read.

    Attributes:
        pair: for each opening bracket the closing one, and the other way round.
        imports: its import declarations as written.
        methods: of top-level classes and of the classes in them, in order.
    """

    text: str
    tokens: tuple[Token, ...]
    pair: Mapping[int, int]
    imports: tuple[str, ...]
    methods: tuple[Method, ...]

    def of(self, part: Range) -> str:
        """Tokens as they are written."""
        return self.text[self.tokens[part[0]].start : self.tokens[part[1] - 1].end] if part[0] < part[1] else ""


@lru_cache(maxsize=256)
def read(text: str) -> Unit:
    """Read a program.

    Raises:
        NotJava: its tokens, its brackets or its statements are not Java's.
    """
    return _Reader(text).unit()


def walk(statement: Statement) -> Iterator[Statement]:
    """The statement and all statements in it."""
    yield statement
    for inner in (*statement.bodies, *statement.nested):
        yield from walk(inner)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.pair = pairs(self.tokens)

    def unit(self) -> Unit:
        imports, methods, at = [], [], 0
        while at < len(self.tokens):
            if self._is(at, "import", "package"):
                end = self._find(at, ";")
                imports.append(self.text[self.tokens[at].start : self.tokens[end].end])
                at = end + 1
            else:
                found, at = self._member(at, "")
                methods += found
        return Unit(self.text, tuple(self.tokens), self.pair, tuple(imports), tuple(methods))

    # ------------------------------------------------------------ looking

    def _is(self, at: int, *texts: str) -> bool:
        return at < len(self.tokens) and self.tokens[at].text in texts and self.tokens[at].kind in (WORD, SIGN)

    def _find(self, at: int, *ends: str) -> int:
        """The first token with one of these texts that is in no brackets opened after ``at``."""
        start = at
        while at < len(self.tokens):
            if self._is(at, *ends):
                return at
            if self._is(at, ")", "]", "}"):
                break
            at = self._past(at)
        raise NotJava(f"line {self.tokens[min(start, len(self.tokens) - 1)].line}: no {' or '.join(ends)} follows")

    def _past(self, at: int) -> int:
        """The token after this one; of an opening bracket, the one after what it encloses."""
        closes = type_arguments(self.tokens, at) if self._is(at, "<") else -1
        return (self.pair[at] if self._is(at, "(", "[", "{") else max(closes, at)) + 1

    def _type(self, at: int) -> int:
        """Where a type that begins here ends; -1 where none does."""
        while self._is(at, "final") or (self._is(at, "@") and not self._is(at + 1, "interface")):
            at = self._past_annotation(at) if self._is(at, "@") else at + 1
        if at >= len(self.tokens) or self.tokens[at].kind != WORD or self.tokens[at].text in _NO_TYPE:
            return -1
        at += 1
        while True:
            if self._is(at, ".") and at + 1 < len(self.tokens) and self.tokens[at + 1].kind == WORD:
                at += 2
            elif self._is(at, "<"):
                closes = type_arguments(self.tokens, at)
                if closes < 0:
                    return -1
                at = closes + 1
            elif self._is(at, "[") and self._is(at + 1, "]"):
                at += 2
            else:
                return at + 1 if self._is(at, "...") else at

    def _past_annotation(self, at: int) -> int:
        at += 2
        while self._is(at, "."):
            at += 2
        return self.pair[at] + 1 if self._is(at, "(") else at

    def _written(self, start: int, end: int) -> str:
        kept = [token for token in self.tokens[start:end] if token.text != "final"]
        gaps = [one.kind == two.kind == WORD for one, two in itertools.pairwise(kept)]
        return "".join(token.text + " " * gap for token, gap in zip(kept, [*gaps, False], strict=False))

    # ------------------------------------------------------------ classes

    def _member(self, start: int, owner: str) -> tuple[list[Method], int]:
        """The methods of one member, and where the next one begins."""
        at, parameters, kind = start, -1, ""
        while at < len(self.tokens):
            if self._is(at, ";"):
                return [], at + 1
            if self._is(at, "="):
                return [], self._find(at, ";") + 1
            if self._is(at, "@") and not self._is(at + 1, "interface"):
                at = self._past_annotation(at)
            elif self._is(at, "{"):
                return self._braced(start, at, owner, parameters, kind), self.pair[at] + 1
            elif self._is(at, "("):
                parameters, at = at, self.pair[at] + 1
            elif self._is(at, "<"):
                at = max(type_arguments(self.tokens, at), at) + 1
            else:
                named = at + 1 < len(self.tokens) and self.tokens[at + 1].kind == WORD
                if not kind and self._is(at, *_TYPES) and named and parameters < 0:
                    kind, owner = self.tokens[at].text, f"{owner}.{self.tokens[at + 1].text}".lstrip(".")
                at += 1
        raise NotJava(f"line {self.tokens[start].line}: a member does not end")

    def _braced(self, start: int, brace: int, owner: str, parameters: int, kind: str) -> list[Method]:
        if kind:
            return [] if kind == "enum" else self._members(brace, owner)
        if parameters < 0:
            return []  # an initialiser
        modifiers = frozenset(t.text for t in self.tokens[start:parameters] if t.kind == WORD)
        returned = start
        while self.tokens[returned].text in MODIFIERS or self._is(returned, "@", "<"):
            if self._is(returned, "@"):
                returned = self._past_annotation(returned)
            else:
                returned = max(type_arguments(self.tokens, returned), returned) + 1
        given = tuple(
            Variable(self._written(first, last - 1), self.tokens[last - 1].text)
            for first, last in self._separated(parameters + 1, self.pair[parameters])
        )
        name, returns = self.tokens[parameters - 1].text, self._written(returned, parameters - 1)
        return [Method(owner, name, (start, brace), modifiers & MODIFIERS, returns, given, self._block(brace))]

    def _separated(self, start: int, end: int) -> Iterator[Range]:
        while start < end:
            following = self._find(start, ",", ")")
            yield start, following
            start = following + 1

    def _members(self, brace: int, owner: str) -> list[Method]:
        methods, at = [], brace + 1
        while at < self.pair[brace]:
            found, at = self._member(at, owner)
            methods += found
        return methods

    # ------------------------------------------------------------ statements

    def _block(self, brace: int) -> Statement:
        bodies, at = [], brace + 1
        while at < self.pair[brace]:
            bodies.append(self._statement(at))
            at = bodies[-1].last + 1
        return Statement(BLOCK, brace, self.pair[brace], bodies=tuple(bodies))

    def _statement(self, at: int) -> Statement:
        word = self.tokens[at].text
        if self._is(at, "{"):
            return self._block(at)
        if self._is(at, ";"):
            return Statement(EMPTY, at, at)
        readers = {"if": self._if, "while": self._while, "do": self._do, "for": self._for}
        readers |= {"switch": self._switch, "try": self._try, "synchronized": self._while}
        if word in readers and self.tokens[at].kind == WORD:
            return readers[word](at)
        if self._is(at + 1, ":") and self.tokens[at].kind == WORD and word != "default":
            body = self._statement(at + 2)
            return Statement(LABELLED, at, body.last, bodies=(body,))
        leading = at
        while self._is(leading, *_LEADING):
            leading += 1
        named = leading + 1 < len(self.tokens) and self.tokens[leading + 1].kind == WORD
        if self._is(leading, *_TYPES) and named and not self._is(leading + 1, "instanceof"):
            brace = self._find(leading, "{")
            inner = tuple(method.body for method in self._members(brace, ""))
            return Statement(LOCAL_CLASS, at, self.pair[brace], nested=inner)
        return self._simple(at)

    def _simple(self, at: int) -> Statement:
        end = self._find(at, ";")
        declared = self._declared(at, end)
        if declared is not None:
            first, variables = declared
            return self._made(DECLARATION, at, end, [(first, end)], declares=variables)
        word = self.tokens[at].text
        if word in ("return", "throw", "break", "continue", "assert", "yield"):
            return self._made(word, at, end, [(at + 1, end)])
        return self._made(EXPRESSION, at, end, [(at, end)])

    def _declared(self, at: int, end: int) -> tuple[int, tuple[Variable, ...]] | None:
        """The index of the first declared name and the variables that get a value; ``None``: no declaration."""
        name = self._type(at)
        if not 0 <= name < end or self.tokens[name].kind != WORD or not self._is(name + 1, "=", ";", ",", ":", "["):
            return None
        variables, written, start = [], self._written(at, name), name
        while start < end:
            following = self._comma(start, end)
            if any(self._is(index, "=", ":") for index in range(start, following)):
                dimensions = "[]" if self._is(start + 1, "[") else ""
                variables.append(Variable(written + dimensions, self.tokens[start].text))
            start = following + 1
        return name, tuple(variables)

    def _comma(self, at: int, end: int) -> int:
        while at < end and not self._is(at, ","):
            at = self._past(at)
        return min(at, end)

    def _made(
        self,
        kind: str,
        first: int,
        last: int,
        parts: Sequence[Range],
        condition: Range | None = None,
        bodies: Sequence[Statement] = (),
        declares: Sequence[Variable] = (),
    ) -> Statement:
        nested = tuple(block for part in parts for block in self._nested(*part))
        filled = tuple(part for part in parts if part[0] < part[1])
        decides = condition if condition and condition[0] < condition[1] else None
        return Statement(kind, first, last, filled, decides, tuple(bodies), nested, tuple(declares))

    def _nested(self, at: int, end: int) -> Iterator[Statement]:
        """The blocks of lambdas and of methods of anonymous classes between two tokens."""
        while at < end:
            if self._is(at, "{"):
                if self._is(at - 1, "->"):
                    yield self._block(at)
                    at = self.pair[at]
                elif self._is(at - 1, ")"):
                    if not self._is(self.pair[at - 1] - 1, "switch"):
                        yield from (method.body for method in self._members(at, ""))
                    at = self.pair[at]
            at += 1

    def _if(self, at: int) -> Statement:
        close = self.pair[at + 1]
        bodies = [self._statement(close + 1)]
        if self._is(bodies[0].last + 1, "else"):
            bodies.append(self._statement(bodies[0].last + 2))
        return self._made("if", at, bodies[-1].last, [(at + 2, close)], (at + 2, close), bodies)

    def _while(self, at: int) -> Statement:
        close = self.pair[at + 1]
        body, word = self._statement(close + 1), self.tokens[at].text
        condition = (at + 2, close) if word == "while" else None
        return self._made(word, at, body.last, [(at + 2, close)], condition, [body])

    def _do(self, at: int) -> Statement:
        body = self._statement(at + 1)
        opened = body.last + 2
        close = self.pair[opened]
        return self._made("do", at, close + 1, [(opened + 1, close)], (opened + 1, close), [body])

    def _for(self, at: int) -> Statement:
        start, close = at + 2, self.pair[at + 1]
        body = self._statement(close + 1)
        name = self._type(start)
        if name >= 0 and self._is(name + 1, ":"):
            variable = Variable(self._written(start, name), self.tokens[name].text)
            return self._made("each", at, body.last, [(name + 2, close)], None, [body], [variable])
        first = self._find(start, ";")
        second = self._find(first + 1, ";")
        declared = self._declared(start, first)
        begin, variables = declared if declared is not None else (start, ())
        parts = [(begin, first), (first + 1, second), (second + 1, close)]
        return self._made("for", at, body.last, parts, (first + 1, second), [body], variables)

    def _switch(self, at: int) -> Statement:
        close = self.pair[at + 1]
        brace = close + 1
        bodies, index = [], brace + 1
        while index < self.pair[brace]:
            arrow = self._find(index, ":", "->")
            index = arrow + 1
            if self._is(arrow, "->"):
                bodies.append(self._statement(index))
                index = bodies[-1].last + 1
                continue
            group, start = [], index
            while index < self.pair[brace] and not self._is(index, "case", "default"):
                group.append(self._statement(index))
                index = group[-1].last + 1
            if group:
                bodies.append(Statement(GROUP, start, index - 1, bodies=tuple(group)))
        return self._made("switch", at, self.pair[brace], [(at + 2, close)], None, bodies)

    def _try(self, at: int) -> Statement:
        parts: list[Range] = []
        index = at + 1
        if self._is(index, "("):
            parts, index = [(index + 1, self.pair[index])], self.pair[index] + 1
        bodies = [self._block(index)]
        while self._is(bodies[-1].last + 1, "catch", "finally"):
            index = bodies[-1].last + 2
            index = self.pair[index] + 1 if self._is(index, "(") else index
            bodies.append(self._block(index))
        return self._made("try", at, bodies[-1].last, parts, None, bodies)
