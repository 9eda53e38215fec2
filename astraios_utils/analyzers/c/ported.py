"""The queries that the benchmark's authors wrote for one C scenario each, ported as they stand, oddities included."""

from __future__ import annotations

from tree_sitter import Node

from ..findings import Finding
from .checking import Checker, spread
from .syntax import LOOPS, Unit, bare, callee, enclosing, line, text, walk
from .values import State, Value


def unchecked_sum(unit: Unit) -> list[Finding]:
    """Scenario 190-2's own query: any ``+`` in an assignment or declaration, and any ``+=``."""
    rule, found = "c/unchecked-sum", []
    for node in walk(unit.root):
        sign = text(node.child_by_field_name("operator")) if node.child_by_field_name("operator") is not None else ""
        if node.type == "assignment_expression" and sign == "+=":
            found.append(Finding(line(node), rule, "a sum is accumulated without a check"))
        if node.type == "binary_expression" and sign == "+":
            statement = next(enclosing(node, "expression_statement", "declaration", *LOOPS, "if_statement"), None)
            if statement is not None and (statement.type == "declaration" or _assigns(statement)):
                found.append(Finding(line(node), rule, "a sum is stored without a check"))
    return found


def _assigns(statement: Node) -> bool:
    inner = (
        statement.named_children[0] if statement.type == "expression_statement" and statement.named_children else None
    )
    return inner is not None and any(
        n.type == "assignment_expression" and text(n.child_by_field_name("operator")) == "=" for n in walk(inner)
    )


class ArrayBounds(Checker):
    """Scenarios 125-0 and 125-1's own query: an index into an array of known size that may lie outside."""

    rule = "c/array-index-out-of-bounds"

    def index(self, node: Node, base: Value, offset: Node, value: Value, state: State) -> None:
        target = base.type.target
        if base.type.kind == "array" and base.type.size and target is not None and target.size:
            count = base.type.size / target.size
            if value.low < 0 or value.high >= count:
                self.report(node, f"index {text(offset)[:40]!r} in {spread(value)} of an array of {count:g}")


class IndexBelowSize(Checker):
    """Scenario 125-2's own query: ``[index]`` without both ``index < size`` and ``index >= 0``."""

    rule = "c/index-not-below-size"

    def index(self, node: Node, base: Value, offset: Node, value: Value, state: State) -> None:
        if text(bare(offset)) == "index" and not (("index", "size") in state.below and value.low >= 0):
            missing = "lower bound" if ("index", "size") in state.below else "test index < size"
            self.report(node, f"no {missing} before {text(node)[:40]!r}")


class FourElements(Checker):
    """Scenarios 119-1 and 119-2's own query: an index outside 0 … 3, unless a loop's condition names it."""

    rule = "c/index-outside-four"

    def index(self, node: Node, base: Value, offset: Node, value: Value, state: State) -> None:
        if value.low >= 0 and value.high <= 3:
            return
        if next(enclosing(node, "for_statement", "while_statement"), None) is not None and _guarded(self.unit, offset):
            return
        self.report(node, f"index {text(offset)[:40]!r} in {spread(value)}, not 0 to 3")


def _guarded(unit: Unit, index: Node) -> bool:
    """Whether some condition of the file compares just this expression."""
    return text(bare(index)) in unit.compared


class TrimWrites(Checker):
    """Scenario 787-2's own query: a write in a loop, its index perhaps negative or tested by no loop."""

    rule = "c/loop-write-unguarded"

    def index(self, node: Node, base: Value, offset: Node, value: Value, state: State) -> None:
        if not _written(node) or next(enclosing(node, "for_statement", "while_statement"), None) is None:
            return
        if value.low < 0:
            self.report(node, f"write at {text(offset)[:40]!r}, which may be negative")
        elif _guarded(self.unit, offset) and not any(side in text(offset) for side in self.unit.loop_bounds):
            self.report(node, f"no loop bounds {text(offset)[:40]!r}, where it writes")


def _written(node: Node) -> bool:
    parent = node.parent
    return (
        parent is not None
        and parent.type == "assignment_expression"
        and text(parent.child_by_field_name("operator")) == "="
        and parent.child_by_field_name("left") == node
    )


def chunk_writes(unit: Unit) -> list[Finding]:
    """Scenario 787-1's own query: ``chunk[i] = …`` unless a condition around it bounds something by the size."""
    found = []
    for node in walk(unit.root):
        if node.type != "subscript_expression" or not _written(node):
            continue
        index = text(bare(node.child_by_field_name("index")))
        if index == "0":
            continue
        bounded = index not in ("size", "size2") and any(_within_chunk(unit, c) for c in _holding(node))
        if not bounded:
            found.append(
                Finding(line(node), "c/chunk-write-unbounded", f"{text(node)[:40]!r} is written without a bound of 10")
            )
    return found


def _holding(node: Node) -> list[Node]:
    """Comparisons that hold where a node is: in the conditions of loops and ifs around it."""
    found: list[Node] = []
    for outer in enclosing(node, "for_statement", "while_statement", "if_statement"):
        inside = outer.child_by_field_name("consequence") or outer.child_by_field_name("body")
        if inside is not None and inside.start_byte <= node.start_byte < inside.end_byte:
            found += _conjuncts(outer.child_by_field_name("condition"))
    return found


def _conjuncts(condition: Node | None) -> list[Node]:
    inner = bare(condition)
    if inner is None or inner.type != "binary_expression":
        return []
    if text(inner.child_by_field_name("operator")) == "&&":
        return _conjuncts(inner.child_by_field_name("left")) + _conjuncts(inner.child_by_field_name("right"))
    return [inner]


def _within_chunk(unit: Unit, comparison: Node) -> bool:
    left, right = comparison.child_by_field_name("left"), bare(comparison.child_by_field_name("right"))
    sign = text(comparison.child_by_field_name("operator"))
    if sign in (">", ">="):
        right, sign = bare(left), {">": "<", ">=": "<="}[sign]
    if right is None or sign not in ("<", "<="):
        return False
    if sign == "<=":
        return right.type == "number_literal" and text(right).isdigit() and int(text(right)) < 10
    return _at_most_ten(right) or (text(right) in ("size", "size2") and _defined_small(unit, text(right)))


def _at_most_ten(node: Node) -> bool:
    if node.type == "number_literal":
        return text(node).isdigit() and int(text(node)) <= 10
    return text(node) in ("chunk[0]", "chunk2[0]") or callee(node) == "returnChunkSize"


def _defined_small(unit: Unit, name: str) -> bool:
    values = [
        bare(node.child_by_field_name("right"))
        for node in walk(unit.root)
        if node.type == "assignment_expression" and text(node.child_by_field_name("left")) == name
    ]
    return any(value is not None and _at_most_ten(value) for value in values)
