"""What all C checkers share: they watch the interpreter and collect what they find."""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

from ..findings import Finding
from .interpreter import Interpreter, Observer
from .syntax import Unit, line
from .values import Value

Check = Callable[[Unit], list[Finding]]


class Checker(Observer):
    """Collects what it finds; ``rule`` names it."""

    rule = ""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.found: list[Finding] = []

    def report(self, node: Node, message: str) -> None:
        """Object to a place."""
        self.found.append(Finding(line(node), self.rule, message))


def run(checker: type[Checker], unit: Unit) -> list[Finding]:
    """What a checker finds in a file."""
    observer = checker(unit)
    Interpreter(unit, observer).run()
    return observer.found


def spread(value: Value) -> str:
    """A value's range, as messages show it."""
    return f"[{value.low:g}, {value.high:g}]"
