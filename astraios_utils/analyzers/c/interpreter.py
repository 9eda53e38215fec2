"""An abstract interpreter for small C programs: ranges, origins, null tests and buffer sizes along every path.

It follows the source, not a preprocessed or compiled form; loops are iterated to a widened fixed point, calls of
functions of the same file are followed a few levels deep. Checkers watch what it sees (:class:`Observer`). It is
built in layers, each a class: :mod:`machine`, :mod:`calls`, :mod:`expressions`, :mod:`conditions`, and here the
statements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tree_sitter import Node

from . import models
from .conditions import Conditions
from .machine import Branches, Frame, Observer
from .syntax import arguments, bare, callee, declared_name, first_expression, string_literal, text, walk
from .values import CType, State, Value, converted, join_states, joined, top

__all__ = ["Interpreter", "Observer"]

ROUNDS = 6  # of a loop; widening settles in three


class Interpreter(Conditions):
    """Interprets every function of a file, each from its own beginning with any arguments."""

    def run(self) -> None:
        """Visit every function."""
        for node in self.unit.root.named_children:
            if node.type == "declaration":
                self._declaration(node, self.globals)
        for name, function in self.unit.functions.items():
            state = self.fork(self.globals)
            for parameter, type_ in self.parameters(function):
                labels = frozenset({"argv"}) if name == "main" and parameter == "argv" else frozenset[str]()
                state.vars[parameter] = top(type_, labels)
            self.enter(function, state)

    def enter(self, function: Node, state: State) -> Frame:
        outer, self.frame = self.frame, Frame()
        body = function.child_by_field_name("body")
        last = self.execute(body, state) if body is not None else state
        inner, self.frame = self.frame, outer
        if last is not None:
            inner.left.append(last)
        return inner

    def parameters(self, function: Node) -> list[tuple[str, CType]]:
        declarator = function.child_by_field_name("declarator")
        while declarator is not None and declarator.type != "function_declarator":
            declarator = declarator.child_by_field_name("declarator")
        held = declarator.child_by_field_name("parameters") if declarator is not None else None
        found = []
        for node in held.named_children if held is not None else []:
            if node.type == "parameter_declaration":
                inner = node.child_by_field_name("declarator")
                type_ = self.types.declared(inner, self.types.of(node.child_by_field_name("type")))
                if type_.kind == "array":  # a parameter of array type is a pointer
                    type_ = CType("pointer", 8, target=type_.target)
                found.append((declared_name(inner), type_))
        return found

    def execute(self, node: Node, state: State | None) -> State | None:
        """The state after a statement; ``None`` where control does not get past it."""
        if node.type == "labeled_statement":
            state = join_states(state, self.frame.jumps.pop(text(node.child_by_field_name("label")), None))
        if state is None:
            return None
        self.step()
        method = getattr(self, f"_do_{node.type}", None)
        if method is not None:
            after: State | None = method(node, state)
            return after
        if node.type.endswith(("expression", "identifier", "literal")):
            self.evaluate(node, state)
        return state

    def _do_compound_statement(self, node: Node, state: State) -> State | None:
        outer, inner = dict(state.vars), {declared_name(d) for d in _declarators(node)}
        after = self._sequence(node.named_children, state)
        if after is not None:
            for name in inner & outer.keys():  # a name of the block hid one from outside
                after.vars[name] = outer[name]
        return after

    def _sequence(self, nodes: Iterable[Node], state: State | None) -> State | None:
        for node in nodes:
            state = self.execute(node, state)
        return state

    def _do_preproc_if(self, node: Node, state: State) -> State | None:
        """``#if`` in a function: what gcc on Linux would take of it; both branches where that is unknown."""
        condition, otherwise = node.child_by_field_name("condition"), node.child_by_field_name("alternative")
        name = node.child_by_field_name("name")
        negated = node.children[0].type == "#ifndef"
        holds = self.unit.holds(condition) if condition is not None else self.unit.defines(name, negated)
        apart = {n.id for n in (condition, otherwise, name) if n is not None}
        body = [child for child in node.named_children if child.id not in apart]
        taken = self._sequence(body, self.fork(state)) if holds is not False else None
        other = self._execute(otherwise, state) if holds is not True else None
        return join_states(taken, other)

    _do_preproc_ifdef = _do_preproc_elif = _do_preproc_if

    def _do_preproc_else(self, node: Node, state: State) -> State | None:
        return self._sequence(node.named_children, state)

    def _do_declaration(self, node: Node, state: State) -> State | None:
        self._declaration(node, state)
        return state

    def _declaration(self, node: Node, state: State) -> None:
        base = self.types.of(node.child_by_field_name("type"))
        for declarator in node.children_by_field_name("declarator"):
            name = declared_name(declarator)
            value = declarator.child_by_field_name("value") if declarator.type == "init_declarator" else None
            type_ = self.types.declared(declarator, base, _elements(value))
            if "function_declarator" in (d.type for d in walk(declarator)) and type_.kind != "pointer":
                continue
            state.assign(name, self._initial(type_, value, state))

    def _initial(self, type_: CType, value: Node | None, state: State) -> Value:
        if value is None:
            return top(type_)
        if value.type == "initializer_list":
            found = [self.evaluate(child, state) for child in value.named_children if child.type != "comment"]
            return top(type_, frozenset().union(*(v.labels for v in found)))
        got = self.evaluate(value, state)
        if type_.kind == "array":
            return replace(top(type_, got.labels), longest=got.longest)
        return converted(got, type_)

    def _do_expression_statement(self, node: Node, state: State) -> State | None:
        inner = first_expression(node)
        if inner is None:
            return state
        self.evaluate(inner, state)
        outer = bare(inner)
        if outer is not None and outer.type == "call_expression":
            if callee(outer) in models.NO_RETURN:
                return None
            if callee(outer) == "assert" and arguments(outer):
                return self.branch(arguments(outer)[0], state)[0]
        return state

    def _do_return_statement(self, node: Node, state: State) -> State | None:
        inner = first_expression(node)
        if inner is not None:
            self.frame.returned.append(self.evaluate(inner, state))
        self.frame.left.append(state)
        return None

    def _do_if_statement(self, node: Node, state: State) -> State | None:
        condition = node.child_by_field_name("condition")
        yes, no = self.guarded(condition, state)
        after_yes = self._execute(node.child_by_field_name("consequence"), yes)
        otherwise = node.child_by_field_name("alternative")
        inner = first_expression(otherwise) if otherwise is not None else None
        return join_states(after_yes, self._execute(inner, no))

    def _execute(self, node: Node | None, state: State | None) -> State | None:
        return state if node is None else self.execute(node, state)

    def _do_while_statement(self, node: Node, state: State) -> State | None:
        return self._loop(node, state)

    def _do_for_statement(self, node: Node, state: State) -> State | None:
        start = node.child_by_field_name("initializer")
        if start is not None:
            self.execute(start, state)
        return self._loop(node, state)

    def _do_do_statement(self, node: Node, state: State) -> State | None:
        return self._loop(node, state, body_first=True)

    def _loop(self, node: Node, state: State, body_first: bool = False) -> State | None:
        self.muted += 1
        head: State = state
        for round_ in range(ROUNDS):
            again, _ = self._once(node, self.fork(head), body_first)
            wider = join_states(head, again, widening=round_ > 0)
            assert wider is not None
            if wider == head:
                break
            head = wider
        self.muted -= 1
        return self._once(node, self.fork(head), body_first)[1]

    def _once(self, node: Node, state: State, body_first: bool) -> Branches:
        """One round of a loop: the state at its head again, and the state after it."""
        breaks, continues = self.frame.breaks, self.frame.continues
        self.frame.breaks, self.frame.continues = [], []
        condition, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        if body_first:
            at_end = joined([self._execute(body, state), *self.frame.continues])
            again, out = self.guarded(condition, at_end) if at_end is not None else (None, None)
        else:
            before, constant = self.fork(state), bare(condition)
            inside, out = self.guarded(condition, state)
            if inside is None and (constant is None or constant.type != "number_literal"):
                inside = before  # even if it is false at first: the queries' ranges do not know that either
            again = joined([self._execute(body, inside), *self.frame.continues])
            update = node.child_by_field_name("update")
            if again is not None and update is not None:
                self.evaluate(update, again)
        out = joined([out, *self.frame.breaks])
        self.frame.breaks, self.frame.continues = breaks, continues
        return again, out

    def _do_break_statement(self, node: Node, state: State) -> State | None:
        self.frame.breaks.append(state)
        return None

    def _do_continue_statement(self, node: Node, state: State) -> State | None:
        self.frame.continues.append(state)
        return None

    def _do_goto_statement(self, node: Node, state: State) -> State | None:
        label = text(node.child_by_field_name("label"))  # a jump back is not followed: the label has been passed
        self.frame.jumps[label] = join_states(self.frame.jumps.get(label), state)
        return None

    def _do_labeled_statement(self, node: Node, state: State) -> State | None:
        return self._execute(
            next((c for c in node.named_children if c.type.endswith(("statement", "declaration"))), None), state
        )

    def _do_switch_statement(self, node: Node, state: State) -> State | None:
        condition, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        subject = bare(condition)
        if condition is not None:
            self.evaluate(condition, state)
        breaks, self.frame.breaks = self.frame.breaks, []
        after: State | None = None
        default = False
        for case in (c for c in (body.named_children if body is not None else []) if c.type == "case_statement"):
            value = case.child_by_field_name("value")
            entered: State | None = self.fork(state)
            if value is not None and subject is not None and entered is not None:
                entered = self._compare(subject, "==", value, entered)
            default = default or value is None
            after = join_states(after, entered)
            for child in case.named_children:
                if value is None or child.id != value.id:
                    after = self.execute(child, after)
        after = joined([after, *self.frame.breaks, None if default else state])
        self.frame.breaks = breaks
        return after


def _declarators(block: Node) -> list[Node]:
    return [d for c in block.named_children if c.type == "declaration" for d in c.children_by_field_name("declarator")]


def _elements(value: Node | None) -> float | None:
    """Elements that an initialiser gives an array of no stated size."""
    if value is None:
        return None
    if value.type == "initializer_list":
        return float(sum(child.type != "comment" for child in value.named_children))
    held = string_literal(value)
    return None if held is None else len(held) + 1.0
