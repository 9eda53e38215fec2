"""Expressions: values, and what evaluating them changes."""

from __future__ import annotations

from dataclasses import replace

from tree_sitter import Node

from . import models
from .arithmetic import BITS, NEGATED, bounds, common, decide, literal, promoted, shrunk
from .calls import Calls
from .machine import key_of
from .syntax import bare, first_expression, string_literal, text
from .values import (
    CHAR,
    INT,
    LONG,
    MAYBE_NULL,
    NON_NULL,
    STRING,
    ULONG,
    CType,
    State,
    Value,
    converted,
    join,
    join_states,
    joined,
    number,
    top,
)


class Expressions(Calls):
    """One method for each kind of expression."""

    def evaluate(self, node: Node, state: State) -> Value:
        """The value of an expression; its effects change the state."""
        self.step()
        method = getattr(self, f"_eval_{node.type}", None)
        if method is not None:
            value: Value = method(node, state)
            return value
        found = [self.evaluate(child, state) for child in node.named_children if child.type != "comment"]
        return found[-1] if found else top(INT)

    def _eval_number_literal(self, node: Node, state: State) -> Value:
        return literal(text(node))

    def _eval_char_literal(self, node: Node, state: State) -> Value:
        inner = text(node).strip("'")
        known = {"\\0": 0, "\\n": 10, "\\t": 9, "\\r": 13, "\\\\": 92, "\\'": 39}
        if inner in known:
            return number(known[inner])
        return number(ord(inner)) if len(inner) == 1 else top(CHAR)

    def _eval_string_literal(self, node: Node, state: State) -> Value:
        held = string_literal(node)
        size = None if held is None else float(len(held))
        return Value(STRING, null=NON_NULL, room=None if size is None else size + 1, longest=size)

    _eval_concatenated_string = _eval_string_literal

    def _eval_null(self, node: Node, state: State) -> Value:
        return Value(STRING, 0, 0, null=MAYBE_NULL)

    def _eval_identifier(self, node: Node, state: State) -> Value:
        name = text(node)
        if name in state.vars:
            value = state.vars[name]
            return replace(value, within=name) if value.type.kind == "array" else value
        if name in self.unit.macros:
            return self.evaluate(self.unit.macros[name], state)
        if name == "NULL":
            return self._eval_null(node, state)
        if name in models.CONSTANTS:
            known = models.CONSTANTS[name]
            return number(known, INT if abs(known) < 2**31 or known == -(2**31) else LONG)
        if name in models.UNSIGNED_CONSTANTS:
            return number(models.UNSIGNED_CONSTANTS[name], ULONG)
        return top(INT)

    _eval_true = _eval_false = _eval_identifier

    def _eval_parenthesized_expression(self, node: Node, state: State) -> Value:
        inner = first_expression(node)
        return self.evaluate(inner, state) if inner is not None else top(INT)

    def _eval_cast_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("value")
        got = self.evaluate(inner, state) if inner is not None else top(INT)
        return converted(got, self.types.of(node.child_by_field_name("type")))

    def _eval_sizeof_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("value")
        if inner is not None:
            named = bare(inner)
            known = self.types.named.get(text(named)) if text(named) not in state.vars else None
            self.muted += 1
            type_ = known or self.evaluate(inner, self.fork(state)).type  # sizeof evaluates nothing
            self.muted -= 1
        else:
            type_ = self.types.of(node.child_by_field_name("type"))
        return number(type_.size, ULONG) if type_.size is not None else top(ULONG)

    def _eval_comma_expression(self, node: Node, state: State) -> Value:
        return [self.evaluate(child, state) for child in node.named_children][-1]

    def _eval_conditional_expression(self, node: Node, state: State) -> Value:
        condition = node.child_by_field_name("condition")
        yes, no = self.guarded(condition, self.fork(state))
        sides = []
        for side, reached in (("consequence", yes), ("alternative", no)):
            child = node.child_by_field_name(side)
            if child is not None and reached is not None:
                sides.append((self.evaluate(child, reached), reached))
        after = joined(reached for _, reached in sides)
        if after is not None:
            _become(state, after)
        return join(sides[0][0], sides[-1][0]) if sides else top(INT)

    def _eval_unary_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("argument")
        got = self.evaluate(inner, state) if inner is not None else top(INT)
        sign = text(node.child_by_field_name("operator"))
        if sign == "-":
            return converted(replace(got, low=-got.high, high=-got.low), promoted(got.type))
        if sign == "!":
            return Value(INT, 0, 1)
        if sign == "~" and got.exact:
            return number(~int(got.low), promoted(got.type))
        return got if sign == "+" else top(promoted(got.type))

    def _eval_pointer_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("argument")
        if inner is None:
            return top(INT)
        if text(node.child_by_field_name("operator")) == "&":
            self.muted += 1  # &p->f and &a[i] go through nothing
            got = self.evaluate(inner, state)
            self.muted -= 1
            address = CType("pointer", 8, target=got.type)
            return Value(address, labels=got.labels, null=NON_NULL, room=got.type.size, within=self.array(inner, state))
        got = self.evaluate(inner, state)
        self.dereference(node, inner, got, state)
        return top(got.type.target or INT, got.labels)

    def _eval_subscript_expression(self, node: Node, state: State) -> Value:
        base_node, offset = node.child_by_field_name("argument"), node.child_by_field_name("index")
        if base_node is None or offset is None:
            return top(INT)
        base, at = self.evaluate(base_node, state), self.evaluate(offset, state)
        if not self.muted:
            self.observer.index(node, base, offset, at, state)
        self.dereference(node, base_node, base, state)
        return top(base.type.target or INT, base.labels)

    def _eval_field_expression(self, node: Node, state: State) -> Value:
        base_node = node.child_by_field_name("argument")
        base = self.evaluate(base_node, state) if base_node is not None else top(INT)
        if base_node is not None and "->" in (child.type for child in node.children):
            self.dereference(node, base_node, base, state)
        held = base.type.target if base.type.kind == "pointer" else base.type
        fields = dict(held.fields) if held is not None else {}
        key = key_of(node)
        return state.vars.get(key) or top(
            fields.get(text(node.child_by_field_name("field")), CType("struct")), base.labels
        )

    def _eval_update_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("argument")
        if inner is None:
            return top(INT)
        got = self.evaluate(inner, state)
        up = 1 if text(node.child_by_field_name("operator")) == "++" else -1
        after = self._shifted(node, inner, got, up, state)
        self.store(inner, after, state)
        prefix = node.children[0].type in ("++", "--")
        return after if prefix else got

    def _shifted(self, node: Node, inner: Node, got: Value, by: int, state: State) -> Value:
        if got.type.kind != "int":
            return replace(got, room=None, longest=None, low=got.low + by, high=got.high + by)
        result = replace(got, low=got.low + by, high=got.high + by)
        self.arithmetic(node, [(inner, got)], result, state)
        return converted(result, got.type)

    def _eval_assignment_expression(self, node: Node, state: State) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return top(INT)
        got = self.evaluate(right, state)
        sign = text(node.child_by_field_name("operator"))
        old = self._target(left, state)
        if sign != "=":
            got = self._combine(node, sign[:-1], (left, old), (right, got), state)
        value = converted(got, old.type) if old.type.kind != "struct" or old.type.size is not None else got
        self.store(left, value, state)
        return value

    def _target(self, left: Node, state: State) -> Value:
        inner = bare(left)
        if inner is None or inner.type == "identifier":
            return state.vars.get(text(inner), top(INT))
        return self.evaluate(inner, state)

    def _eval_binary_expression(self, node: Node, state: State) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = text(node.child_by_field_name("operator"))
        if left is None or right is None:
            return top(INT)
        if sign in ("&&", "||"):
            yes, no = self.branch(node, self.fork(state))
            after = join_states(yes, no)
            if after is not None:
                _become(state, after)
            return Value(INT, 0, 1)
        a, b = self.evaluate(left, state), self.evaluate(right, state)
        if sign in NEGATED:
            truth = decide(a, sign, b)
            return Value(INT, 0, 1) if truth is None else number(int(truth))
        return self._combine(node, sign, (left, a), (right, b), state)

    def _combine(
        self, node: Node, sign: str, left: tuple[Node, Value], right: tuple[Node, Value], state: State
    ) -> Value:
        a, b = left[1], right[1]
        for pointer in (a, b):
            if pointer.type.kind in ("pointer", "array"):  # p + i: somewhere in the same buffer
                if a.type.kind == b.type.kind == "pointer" and sign == "-":
                    return top(LONG)
                target = CType("pointer", 8, target=pointer.type.target)
                return Value(target, labels=a.labels | b.labels, null=pointer.null, within=pointer.within)
        type_ = common(a.type, b.type)
        labels = a.labels | b.labels
        if sign in ("+", "-", "*"):
            low, high = bounds(sign, a, b)
            result = Value(type_, low, high, labels)
            self.arithmetic(node, [left, right], result, state)
            return converted(result, type_)
        if sign in ("%", "/", ">>", "&"):
            return shrunk(sign, a, b, type_)
        if sign == "<<" and a.exact and b.exact and 0 <= b.low < 64:
            return converted(number(int(a.low) << int(b.low), type_), type_)
        if sign in ("|", "^") and a.exact and b.exact and type_.kind == "int":
            return number(BITS[sign](int(a.low), int(b.low)), type_)
        return top(type_, frozenset() if sign in ("|", "^") else labels)


def _become(state: State, other: State) -> None:
    for name in State.__dataclass_fields__:
        setattr(state, name, getattr(other, name))
