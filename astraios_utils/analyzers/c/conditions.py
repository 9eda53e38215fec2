"""Conditions: what is known where one holds, and where it does not."""

from __future__ import annotations

from dataclasses import replace

from tree_sitter import Node

from .arithmetic import MIRRORED, NEGATED, decide, literal, narrow
from .expressions import Expressions
from .machine import Branches, key_of
from .syntax import bare, first_expression, text, walk
from .values import MAYBE_NULL, NON_NULL, CType, State, Value, join_states, number


class Conditions(Expressions):
    """Narrows states by comparisons and null tests."""

    def branch(self, node: Node, state: State) -> Branches:
        """The states in which a condition holds and does not hold."""
        inner = bare(node) if node.type == "parenthesized_expression" else node
        if inner is None:
            return state, self.fork(state)
        if inner.type == "unary_expression" and text(inner.child_by_field_name("operator")) == "!":
            argument = inner.child_by_field_name("argument")
            yes, no = self.branch(argument, state) if argument is not None else (state, self.fork(state))
            return no, yes
        if inner.type == "binary_expression":
            return self._branch_binary(inner, state)
        value = self.evaluate(inner, state)
        if value.type.kind not in ("pointer", "array") and value.exact:
            return (state, None) if value.low else (None, state)
        zero = self._refine(inner, "==", number(0), self.fork(state))
        return self._refine(inner, "!=", number(0), state), zero

    def _branch_binary(self, node: Node, state: State) -> Branches:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = text(node.child_by_field_name("operator"))
        if left is None or right is None:
            return state, self.fork(state)
        if sign in ("&&", "||"):
            first_yes, first_no = self.branch(left, state)
            if sign == "&&":
                yes, no = self.branch(right, first_yes) if first_yes is not None else (None, None)
                return yes, join_states(first_no, no)
            yes, no = self.branch(right, first_no) if first_no is not None else (None, None)
            return join_states(first_yes, yes), no
        if sign in NEGATED:
            a, b = self.evaluate(left, state), self.evaluate(right, state)
            truth = decide(a, sign, b)
            yes = self._compare(left, sign, right, self.fork(state)) if truth is not False else None
            no = self._compare(left, NEGATED[sign], right, state) if truth is not True else None
            return yes, no
        value = self.evaluate(node, state)
        if value.exact:
            return (state, None) if value.low else (None, state)
        return state, self.fork(state)

    def guarded(self, condition: Node | None, state: State) -> Branches:
        """Both branches of a controlling condition; the true one remembers who stood on which side of a comparison."""
        if condition is None:
            return state, None
        yes, no = self.branch(condition, state)
        if yes is not None:
            for node in walk(condition):
                if node.type == "binary_expression" and text(node.child_by_field_name("operator")) in "<=>=":
                    sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
                    if text(node.child_by_field_name("operator")).startswith(">"):
                        sides.reverse()
                    yes.lesser |= _names(sides[0])
                    yes.greater |= _names(sides[1])
        return yes, no

    def _compare(self, left: Node, sign: str, right: Node, state: State) -> State | None:
        """The state, given that the comparison holds; both sides have been evaluated."""
        self.muted += 1
        a, b = self._peek(left, state), self._peek(right, state)
        self.muted -= 1
        narrowed = self._refine(left, sign, b, state)
        if narrowed is not None:
            narrowed = self._refine(right, MIRRORED[sign], a, narrowed)
        if narrowed is not None:
            narrowed.below |= _orderings(left, sign, right)
        return narrowed

    def _peek(self, node: Node, state: State) -> Value:
        """The value of an expression whose effects have already happened."""
        inner = bare(node)
        if inner is not None and inner.type == "assignment_expression":
            return self.evaluate(inner.child_by_field_name("left") or inner, state)
        if inner is not None and inner.type == "update_expression":
            return self.evaluate(inner.child_by_field_name("argument") or inner, state)
        return self.evaluate(node, self.fork(state))

    def _refine(self, node: Node, sign: str, bound: Value, state: State) -> State | None:
        """Narrow the variable that an expression is, give or take a constant; ``None`` where nothing is left."""
        name, offset = _linear(node)
        value = state.vars.get(name)
        if value is None:
            return state
        if value.type.kind in ("pointer", "array"):
            if bound.exact and bound.low == 0 and sign in ("==", "!="):
                null = MAYBE_NULL if sign == "==" else NON_NULL
                state.vars[name] = replace(value, null=null if value.type.kind == "pointer" else NON_NULL)
            return state
        low, high = narrow(value, self._seen(node, value), sign, bound, offset)
        if low > high:
            return None
        state.vars[name] = replace(value, low=low, high=high)
        return state

    def _seen(self, node: Node, value: Value) -> CType:
        """The type in which a variable is compared: its own, or what it is cast to."""
        while node.type == "parenthesized_expression" and (inner := first_expression(node)) is not None:
            node = inner
        cast = self.types.of(node.child_by_field_name("type")) if node.type == "cast_expression" else value.type
        return cast if cast.kind == "int" else value.type


def _names(node: Node | None) -> frozenset[str]:
    return frozenset(text(n) for n in walk(node) if n.type == "identifier") if node is not None else frozenset()


def _linear(node: Node | None) -> tuple[str, float]:
    """The variable that an expression is, and the constant added to it; no variable: an empty name."""
    inner = bare(node)
    if inner is None:
        return "", 0
    if inner.type in ("identifier", "field_expression"):
        return key_of(inner), 0
    if inner.type == "assignment_expression":
        return _linear(inner.child_by_field_name("left"))
    if inner.type == "update_expression" and inner.children[0].type in ("++", "--"):
        return _linear(inner.child_by_field_name("argument"))
    if inner.type == "binary_expression" and text(inner.child_by_field_name("operator")) in ("+", "-"):
        name, offset = _linear(inner.child_by_field_name("left"))
        right = bare(inner.child_by_field_name("right"))
        if name and right is not None and right.type == "number_literal":
            value = literal(text(right))
            return name, offset + (value.low if text(inner.child_by_field_name("operator")) == "+" else -value.low)
    return "", 0


def _orderings(left: Node, sign: str, right: Node) -> frozenset[tuple[str, str]]:
    """Pairs a < b that a comparison tells of two variables."""
    if sign in (">", ">="):
        left, sign, right = right, MIRRORED[sign], left
    (a, plus_a), (b, plus_b) = _linear(left), _linear(right)
    slack = {"<": 0, "<=": 1}.get(sign)
    return frozenset({(a, b)}) if slack is not None and a and b and slack + plus_b - plus_a <= 0 else frozenset()
