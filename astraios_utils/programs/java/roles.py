"""The tests' side when roles are reversed: the tests under another name, and the class that they call."""

from __future__ import annotations

import itertools

from ...sandbox.reversed_roles import JAVA_CALL, JAVA_TESTS
from .syntax import Method, Unit, read
from .tokens import SIGN, WORD, pairs, tokens


def renamed(tests: str) -> str:
    """The tests with their class ``Main`` under a name that the trusted side does not use.

    Top-level classes lose ``public``, because they are not alone in their file.

    Raises:
        NotJava: the text cannot be read.
    """
    found = tokens(tests)
    closes = pairs(found)
    made, at, outside = [], 0, 0
    for index, token in enumerate(found):
        new = token.text
        if token.kind == SIGN and token.text == "{" and index >= outside:
            outside = closes[index]
        elif token.kind == WORD and token.text == "public" and index >= outside:
            new = ""
        elif token.kind == WORD and token.text == "Main":
            new = JAVA_TESTS
        made += [tests[at : token.start], new]
        at = token.end
    return "".join((*made, tests[at:]))


def client(solution: str, name: str) -> str:
    """A class of that name with the solution's methods, each of which asks the trusted side.

    Raises:
        NotJava: the solution cannot be read.
    """
    unit = read(solution)
    lines = [f"class {name} {{"]
    for method in unit.methods:
        if method.owner == name and method.returns and "private" not in method.modifiers:
            given = ", ".join(variable.name for variable in method.parameters)
            call = f'{JAVA_CALL}("{method.name}", new java.lang.Object[] {{{given}}});'
            answer = call if method.returns == "void" else f"return ({method.returns}) {call}"
            lines.append(f"    {_header(unit, method)} {{ {answer} }}")
    return "\n".join((*lines, "}"))


def _header(unit: Unit, method: Method) -> str:
    """The method's header; an exception of the solution's own, which the tests do not have, becomes ``Exception``."""
    start, end = method.header
    words = [token.text for token in unit.tokens[start:end]]
    if "throws" not in words:
        return unit.of(method.header)
    at = start + words.index("throws")
    own = {two.text for one, two in itertools.pairwise(unit.tokens) if one.text == "class"}
    thrown = "Exception" if own & set(words) else unit.of((at + 1, end))
    return f"{unit.of((start, at))} throws {thrown}"
