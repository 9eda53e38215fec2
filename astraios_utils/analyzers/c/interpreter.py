"""An abstract interpreter for small C programs: ranges, origins, null tests and buffer sizes along every path.

It follows the source, not a preprocessed or compiled form; loops are iterated to a widened fixed point, calls of
functions of the same file are followed a few levels deep. Checkers watch what it sees (:class:`Watch`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from tree_sitter import Node

from ..findings import GaveUp
from . import models
from .syntax import (
    Unit,
    arguments,
    bare,
    callee,
    declared_name,
    first_expression,
    string_literal,
    text,
    walk,
)
from .values import (
    CHAR,
    DOUBLE,
    INF,
    INT,
    LONG,
    MAYBE_NULL,
    NON_NULL,
    STRING,
    UINT,
    ULONG,
    CType,
    State,
    Types,
    Value,
    converted,
    join,
    join_states,
    number,
    times,
    top,
)

STEPS = 60_000  # nodes visited before giving up
CALLS = 3  # levels of calls followed
ROUNDS = 6  # of a loop; widening settles in three
Branches = tuple[State | None, State | None]
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Watch:
    """What a checker may look at; every method is called once for each place, with what is known there."""

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        """A call, before its effects."""

    def dereference(self, node: Node, pointer: Node, value: Value, state: State) -> None:
        """``*p``, ``p[i]``, ``p->f``, or a library function that goes through ``p``."""

    def index(self, node: Node, base: Value, offset: Node, value: Value, state: State) -> None:
        """``base[offset]``."""

    def arithmetic(self, node: Node, operands: Sequence[tuple[Node, Value]], result: Value, state: State) -> None:
        """``+ - * ++ -- += -= *=`` on numbers; ``result`` has the type, and the range before any overflow."""


@dataclass
class _Frame:
    """A function being interpreted: where its breaks, continues and returns lead."""

    breaks: list[State | None] = field(default_factory=list)
    continues: list[State | None] = field(default_factory=list)
    returned: list[Value] = field(default_factory=list)
    left: list[State] = field(default_factory=list)


class Interpreter:
    """Interprets every function of a file, each from its own beginning with any arguments.

    Raises:
        GaveUp: the file needs more than ``STEPS`` steps.
    """

    def __init__(self, unit: Unit, watch: Watch) -> None:
        self.unit, self.watch = unit, watch
        self.steps, self.muted, self.depth = 0, 0, 0
        self.frame = _Frame()
        self.globals = State()
        self.types = Types(unit, self._length)

    def run(self) -> None:
        """Visit every function."""
        for node in self.unit.root.named_children:
            if node.type == "declaration":
                self._declaration(node, self.globals)
        for name, function in self.unit.functions.items():
            state = self.globals.copy()
            for parameter, type_ in self._parameters(function):
                labels = frozenset({"argv"}) if name == "main" and parameter == "argv" else frozenset[str]()
                state.vars[parameter] = top(type_, labels)
            self._enter(function, state)

    def _enter(self, function: Node, state: State) -> _Frame:
        outer, self.frame = self.frame, _Frame()
        body = function.child_by_field_name("body")
        last = self.execute(body, state) if body is not None else state
        inner, self.frame = self.frame, outer
        if last is not None:
            inner.left.append(last)
        return inner

    def _parameters(self, function: Node) -> list[tuple[str, CType]]:
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

    # --- statements -------------------------------------------------------------------------------------------------

    def execute(self, node: Node, state: State | None) -> State | None:
        """The state after a statement; ``None`` where control does not get past it."""
        if state is None:
            return None
        self._step()
        method = getattr(self, f"_do_{node.type}", None)
        if method is not None:
            after: State | None = method(node, state)
            return after
        if node.type.endswith(("expression", "identifier", "literal")):
            self.evaluate(node, state)
        return state

    def _step(self) -> None:
        self.steps += 1
        if self.steps > STEPS:
            raise GaveUp(f"needs more than {STEPS} steps of analysis")

    def _do_compound_statement(self, node: Node, state: State) -> State | None:
        outer, inner = dict(state.vars), {declared_name(d) for d in _declarators(node)}
        after: State | None = state
        for child in node.named_children:
            after = self.execute(child, after)
        if after is not None:
            for name in inner & outer.keys():  # a name of the block hid one from outside
                after.vars[name] = outer[name]
        return after

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
        yes, no = self._guarded(condition, state)
        after_yes = self._execute(node.child_by_field_name("consequence"), yes)
        otherwise = node.child_by_field_name("alternative")
        inner = first_expression(otherwise) if otherwise is not None else None
        return join_states(after_yes, self._execute(inner, no))

    def _execute(self, node: Node | None, state: State | None) -> State | None:
        return state if node is None else self.execute(node, state)

    def _guarded(self, condition: Node | None, state: State) -> Branches:
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
            again, _ = self._once(node, head.copy(), body_first)
            joined = join_states(head, again, widening=round_ > 0)
            assert joined is not None
            if joined == head:
                break
            head = joined
        self.muted -= 1
        return self._once(node, head.copy(), body_first)[1]

    def _once(self, node: Node, state: State, body_first: bool) -> Branches:
        """One round of a loop: the state at its head again, and the state after it."""
        breaks, continues = self.frame.breaks, self.frame.continues
        self.frame.breaks, self.frame.continues = [], []
        condition, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        if body_first:
            at_end = self._join([self._execute(body, state), *self.frame.continues])
            again, out = self._guarded(condition, at_end) if at_end is not None else (None, None)
        else:
            inside, out = self._guarded(condition, state)
            again = self._join([self._execute(body, inside), *self.frame.continues])
            update = node.child_by_field_name("update")
            if again is not None and update is not None:
                self.evaluate(update, again)
        out = self._join([out, *self.frame.breaks])
        self.frame.breaks, self.frame.continues = breaks, continues
        return again, out

    @staticmethod
    def _join(states: Iterable[State | None]) -> State | None:
        joined: State | None = None
        for state in states:
            joined = join_states(joined, state)
        return joined

    def _do_break_statement(self, node: Node, state: State) -> State | None:
        self.frame.breaks.append(state)
        return None

    def _do_continue_statement(self, node: Node, state: State) -> State | None:
        self.frame.continues.append(state)
        return None

    def _do_goto_statement(self, node: Node, state: State) -> State | None:
        self.frame.left.append(state)  # labels are entered from above; what a jump brings there is not followed
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
            entered: State | None = state.copy()
            if value is not None and subject is not None and entered is not None:
                entered = self._compare(subject, "==", value, entered)
            default = default or value is None
            after = join_states(after, entered)
            for child in case.named_children:
                if value is None or child.id != value.id:
                    after = self.execute(child, after)
        after = self._join([after, *self.frame.breaks, None if default else state])
        self.frame.breaks = breaks
        return after

    # --- conditions -------------------------------------------------------------------------------------------------

    def branch(self, node: Node, state: State) -> Branches:
        """The states in which a condition holds and does not hold."""
        inner = bare(node) if node.type == "parenthesized_expression" else node
        if inner is None:
            return state, state.copy()
        if inner.type == "unary_expression" and text(inner.child_by_field_name("operator")) == "!":
            argument = inner.child_by_field_name("argument")
            yes, no = self.branch(argument, state) if argument is not None else (state, state.copy())
            return no, yes
        if inner.type == "binary_expression":
            return self._branch_binary(inner, state)
        value = self.evaluate(inner, state)
        if value.type.kind not in ("pointer", "array") and value.exact:
            return (state, None) if value.low else (None, state)
        zero = self._refine(inner, "==", number(0), state.copy())
        return self._refine(inner, "!=", number(0), state), zero

    def _branch_binary(self, node: Node, state: State) -> Branches:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = text(node.child_by_field_name("operator"))
        if left is None or right is None:
            return state, state.copy()
        if sign in ("&&", "||"):
            first_yes, first_no = self.branch(left, state)
            if sign == "&&":
                yes, no = self.branch(right, first_yes) if first_yes is not None else (None, None)
                return yes, join_states(first_no, no)
            yes, no = self.branch(right, first_no) if first_no is not None else (None, None)
            return join_states(first_yes, yes), no
        if sign in _NEGATED:
            a, b = self.evaluate(left, state), self.evaluate(right, state)
            truth = _decide(a, sign, b)
            yes = self._compare(left, sign, right, state.copy()) if truth is not False else None
            no = self._compare(left, _NEGATED[sign], right, state) if truth is not True else None
            return yes, no
        value = self.evaluate(node, state)
        if value.exact:
            return (state, None) if value.low else (None, state)
        return state, state.copy()

    def _compare(self, left: Node, sign: str, right: Node, state: State) -> State | None:
        """The state, given that the comparison holds; both sides have been evaluated."""
        self.muted += 1
        a, b = self._peek(left, state), self._peek(right, state)
        self.muted -= 1
        narrowed = self._refine(left, sign, b, state)
        if narrowed is not None:
            narrowed = self._refine(right, _MIRRORED[sign], a, narrowed)
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
        return self.evaluate(node, state.copy())

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
        low, high = _narrow(value, sign, bound, offset)
        if low > high:
            return None
        state.vars[name] = replace(value, low=low, high=high)
        return state

    # --- expressions ------------------------------------------------------------------------------------------------

    def evaluate(self, node: Node, state: State) -> Value:
        """The value of an expression; its effects change the state."""
        self._step()
        method = getattr(self, f"_eval_{node.type}", None)
        if method is not None:
            value: Value = method(node, state)
            return value
        found = [self.evaluate(child, state) for child in node.named_children if child.type != "comment"]
        return found[-1] if found else top(INT)

    def _eval_number_literal(self, node: Node, state: State) -> Value:
        return _number(text(node))

    def _eval_char_literal(self, node: Node, state: State) -> Value:
        inner = text(node).strip("'")
        known = {"\\0": 0, "\\n": 10, "\\t": 9, "\\r": 13, "\\\\": 92, "\\'": 39}
        return number(known[inner]) if inner in known else number(ord(inner)) if len(inner) == 1 else top(CHAR)

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
            return state.vars[name]
        if name in self.unit.macros:
            return self.evaluate(self.unit.macros[name], state)
        if name == "NULL":
            return self._eval_null(node, state)
        if name in models.CONSTANTS:
            value = models.CONSTANTS[name]
            return number(value, INT if abs(value) < 2**31 or value == -(2**31) else LONG)
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
            type_ = known or self.evaluate(inner, state.copy()).type  # sizeof evaluates nothing
            self.muted -= 1
        else:
            type_ = self.types.of(node.child_by_field_name("type"))
        return number(type_.size, ULONG) if type_.size is not None else top(ULONG)

    def _eval_comma_expression(self, node: Node, state: State) -> Value:
        return [self.evaluate(child, state) for child in node.named_children][-1]

    def _eval_conditional_expression(self, node: Node, state: State) -> Value:
        condition = node.child_by_field_name("condition")
        yes, no = self._guarded(condition, state.copy())
        sides = []
        for side, reached in (("consequence", yes), ("alternative", no)):
            child = node.child_by_field_name(side)
            if child is not None and reached is not None:
                sides.append((self.evaluate(child, reached), reached))
        after = self._join(reached for _, reached in sides)
        if after is not None:
            _become(state, after)
        return join(sides[0][0], sides[-1][0]) if sides else top(INT)

    def _eval_unary_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("argument")
        got = self.evaluate(inner, state) if inner is not None else top(INT)
        sign = text(node.child_by_field_name("operator"))
        if sign == "-":
            return converted(replace(got, low=-got.high, high=-got.low), _promoted(got.type))
        if sign == "!":
            return Value(INT, 0, 1)
        if sign == "~" and got.exact:
            return number(~int(got.low), _promoted(got.type))
        return got if sign == "+" else top(_promoted(got.type))

    def _eval_pointer_expression(self, node: Node, state: State) -> Value:
        inner = node.child_by_field_name("argument")
        if inner is None:
            return top(INT)
        if text(node.child_by_field_name("operator")) == "&":
            self.muted += 1  # &p->f and &a[i] go through nothing
            got = self.evaluate(inner, state)
            self.muted -= 1
            return Value(CType("pointer", 8, target=got.type), labels=got.labels, null=NON_NULL, room=got.type.size)
        got = self.evaluate(inner, state)
        self._dereference(node, inner, got, state)
        return top(got.type.target or INT, got.labels)

    def _dereference(self, node: Node, pointer: Node, value: Value, state: State) -> None:
        inner = bare(pointer)
        while inner is not None and inner.type in ("binary_expression", "update_expression"):  # *(p + 1), *p++
            inner = bare(inner.child_by_field_name("left") or inner.child_by_field_name("argument"))
        if not self.muted and inner is not None:
            self.watch.dereference(node, inner, value, state)

    def _eval_subscript_expression(self, node: Node, state: State) -> Value:
        base_node, offset = node.child_by_field_name("argument"), node.child_by_field_name("index")
        if base_node is None or offset is None:
            return top(INT)
        base, at = self.evaluate(base_node, state), self.evaluate(offset, state)
        if not self.muted:
            self.watch.index(node, base, offset, at, state)
        self._dereference(node, base_node, base, state)
        return top(base.type.target or INT, base.labels)

    def _eval_field_expression(self, node: Node, state: State) -> Value:
        base_node = node.child_by_field_name("argument")
        base = self.evaluate(base_node, state) if base_node is not None else top(INT)
        if base_node is not None and "->" in (child.type for child in node.children):
            self._dereference(node, base_node, base, state)
        held = base.type.target if base.type.kind == "pointer" else base.type
        fields = dict(held.fields) if held is not None else {}
        key = _key(node)
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
        self._store(inner, after, state)
        prefix = node.children[0].type in ("++", "--")
        return after if prefix else got

    def _shifted(self, node: Node, inner: Node, got: Value, by: int, state: State) -> Value:
        if got.type.kind != "int":
            return replace(got, room=None, longest=None, low=got.low + by, high=got.high + by)
        result = replace(got, low=got.low + by, high=got.high + by)
        self._arithmetic(node, [(inner, got)], result, state)
        return converted(result, got.type)

    def _arithmetic(self, node: Node, operands: list[tuple[Node, Value]], result: Value, state: State) -> None:
        if not self.muted:
            self.watch.arithmetic(node, operands, result, state)

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
        self._store(left, value, state)
        return value

    def _target(self, left: Node, state: State) -> Value:
        inner = bare(left)
        if inner is None or inner.type == "identifier":
            return state.vars.get(text(inner), top(INT))
        return self.evaluate(inner, state)

    def _store(self, left: Node, value: Value, state: State) -> None:
        """Assign; through a pointer or an index the buffer only may have changed."""
        inner = bare(left)
        if inner is None:
            return
        if inner.type == "identifier":
            state.assign(text(inner), value)
            for key in [k for k in state.vars if k.startswith((f"{text(inner)}.", f"{text(inner)}->"))]:
                del state.vars[key]
        elif inner.type == "field_expression":
            state.assign(_key(inner), value)
        else:
            base = bare(inner.child_by_field_name("argument"))
            self._taint(base, value.labels, state)

    def _taint(self, node: Node | None, labels: frozenset[str], state: State, overwrite: bool = False) -> None:
        """What a buffer holds now also comes from there; ``overwrite``: only from there."""
        inner = bare(node)
        while inner is not None and inner.type in ("pointer_expression", "subscript_expression", "binary_expression"):
            overwrite = overwrite and inner.type == "pointer_expression"
            inner = bare(inner.child_by_field_name("argument") or inner.child_by_field_name("left"))
        key = "" if inner is None else _key(inner)
        if inner is not None and inner.type == "field_expression" and key not in state.vars:
            self.muted += 1
            state.vars[key] = self.evaluate(inner, state)
            self.muted -= 1
        value = state.vars.get(key)
        if value is not None:
            state.vars[key] = replace(value, labels=labels if overwrite else value.labels | labels)

    def _eval_binary_expression(self, node: Node, state: State) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = text(node.child_by_field_name("operator"))
        if left is None or right is None:
            return top(INT)
        if sign in ("&&", "||"):
            yes, no = self.branch(node, state.copy())
            after = join_states(yes, no)
            if after is not None:
                _become(state, after)
            return Value(INT, 0, 1)
        a, b = self.evaluate(left, state), self.evaluate(right, state)
        if sign in _NEGATED:
            truth = _decide(a, sign, b)
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
                return Value(target, labels=a.labels | b.labels, null=pointer.null)
        type_ = _common(a.type, b.type)
        labels = a.labels | b.labels
        if sign in ("+", "-", "*"):
            low, high = _bounds(sign, a, b)
            result = Value(type_, low, high, labels)
            self._arithmetic(node, [left, right], result, state)
            return converted(result, type_)
        if sign in ("%", "/", ">>", "&"):
            return self._shrunk(sign, a, b, type_)
        if sign == "<<" and a.exact and b.exact and 0 <= b.low < 64:
            return converted(number(int(a.low) << int(b.low), type_), type_)
        if sign in ("|", "^") and a.exact and b.exact and type_.kind == "int":
            return number(_BITS[sign](int(a.low), int(b.low)), type_)
        return top(type_, frozenset() if sign in ("|", "^") else labels)

    @staticmethod
    def _shrunk(sign: str, a: Value, b: Value, type_: CType) -> Value:
        """Operations that leave less than they are given: what comes out counts as bounded, wherever it came from."""
        if sign == "&" and a.exact and b.exact:
            return number(int(a.low) & int(b.low), type_)
        if sign == "%" and b.low > 0:
            most = min(b.high - 1, a.high) if a.low >= 0 else b.high - 1
            return Value(type_, 0 if a.low >= 0 else -(b.high - 1), most)
        if sign == "/" and b.exact and b.low > 0:
            low, high = (_quotient(x, b.low, type_.kind == "int") for x in (a.low, a.high))
            return Value(type_, low, high)
        if sign in (">>", "&") and a.low >= 0:
            return Value(type_, 0, a.high if sign == ">>" or b.low < 0 else min(a.high, b.high))
        if sign == "&" and b.low >= 0:
            return Value(type_, 0, b.high)
        return top(type_)

    # --- calls ------------------------------------------------------------------------------------------------------

    def _eval_call_expression(self, node: Node, state: State) -> Value:
        name, args = callee(node), arguments(node)
        values = [self.evaluate(arg, state) for arg in args]
        if not self.muted:
            self.watch.call(node, name, args, values, state)
            for at in models.DEREFERENCES.get(name, ()):
                if at < len(args):
                    self._dereference(node, args[at], values[at], state)
        if name in self.unit.functions:
            return self._inline(name, args, values, state)
        self._effects(name, args, values, state)
        return self._result(name, args, values, state)

    def _inline(self, name: str, args: list[Node], values: list[Value], state: State) -> Value:
        function = self.unit.functions[name]
        returns = self.types.declared(
            function.child_by_field_name("declarator"), self.types.of(function.child_by_field_name("type"))
        )
        if self.depth >= CALLS:
            return top(returns)
        inner = self.globals.copy()
        for (parameter, type_), value in zip(self._parameters(function), values, strict=False):
            inner.vars[parameter] = converted(value, type_)
        self.depth += 1
        frame = self._enter(function, inner)
        self.depth -= 1
        self._escape(args, values, state)
        result = frame.returned[0] if frame.returned else top(returns)
        for value in frame.returned[1:]:
            result = join(result, value)
        return converted(result, returns) if returns.kind != "void" else result

    def _escape(self, args: list[Node], values: list[Value], state: State) -> None:
        """Variables whose address is handed on may have any value afterwards."""
        for arg, value in zip(args, values, strict=True):
            inner = bare(arg)
            if inner is not None and inner.type == "pointer_expression" and text(inner).startswith("&"):
                self._forget(inner, value.labels, state)

    def _forget(self, node: Node, labels: frozenset[str], state: State) -> None:
        target = bare(node.child_by_field_name("argument")) if node.type == "pointer_expression" else bare(node)
        key = "" if target is None else _key(target)
        if key in state.vars:
            state.assign(key, top(state.vars[key].type, labels))
        elif target is not None:
            self._taint(target, labels, state)

    def _effects(self, name: str, args: list[Node], values: list[Value], state: State) -> None:
        if name == "free" and args:
            state.freed |= {text(bare(args[0]))}
        elif name == "umask" and values and values[0].exact:
            state.umask = int(values[0].low)
        elif name in models.COPIES:
            self._copy(models.COPIES[name], args, values, state)
        elif name in models.READERS:
            first, rest = models.READERS[name]
            for arg in args[first:] if rest is not None else args[first : first + 1]:
                self._fill(arg, frozenset({"input"}), state)
        elif name == "sscanf" and values:
            for arg in args[2:]:
                self._fill(arg, values[0].labels, state)
        elif name not in models.RETURNS:
            self._escape(args, values, state)

    def _fill(self, arg: Node, labels: frozenset[str], state: State) -> None:
        inner = bare(arg)
        if inner is not None and inner.type == "pointer_expression" and text(inner).startswith("&"):
            self._forget(inner, labels, state)
        else:
            self._taint(inner, labels, state, overwrite=True)

    def _copy(self, copy: models.Copy, args: list[Node], values: list[Value], state: State) -> None:
        if copy.into >= len(args):
            return
        picked = [values[i] for i in copy.sources if i < len(values)]
        if copy.rest is not None:
            picked += [v for v in values[copy.rest :] if v.type.kind in ("pointer", "array")]
        labels = frozenset[str]().union(*(value.labels for value in picked))
        self._taint(args[copy.into], labels, state, overwrite=not copy.appends)

    def _result(self, name: str, args: list[Node], values: list[Value], state: State) -> Value:
        type_ = models.RETURNS.get(name, INT)
        if name in models.RANDOM:
            return replace(top(type_, frozenset({"rand"})), low=0)
        if name in models.READ_RETURNS:
            return top(type_, frozenset({"input"}))
        if name in models.NUMBERS:
            return top(type_, values[0].labels if values else frozenset())
        if name in ("abs", "labs") and values:
            return replace(values[0], low=0, high=max(abs(values[0].low), abs(values[0].high)))
        if name in ("strlen", "strnlen") and values:
            held = string_literal(args[0])
            return (
                number(len(held), ULONG) if held is not None else Value(ULONG, 0, _or_limit(values[0].longest, ULONG))
            )
        if name in models.ALLOCATORS:
            room = times(*(v.low if v.exact else None for v in values)) if len(values) == 2 else _exactly(values)
            return Value(STRING, null=MAYBE_NULL, room=room)
        if name == "realloc":
            return Value(STRING, room=_exactly(values[1:]))
        if name in models.SAME_TEXT and values:
            return Value(
                STRING, labels=values[0].labels | (values[1].labels if name.startswith("strcat") else frozenset())
            )
        return top(type_)

    def _length(self, size: Node | None, count: float | None) -> float | None:
        if size is None:
            return count
        if not hasattr(self, "types"):  # while they are being read
            return float(text(size)) if text(size).isdigit() else None
        self.muted += 1
        value = self.evaluate(size, self.globals.copy())
        self.muted -= 1
        return value.low if value.exact else None


_BITS: dict[str, Callable[[int, int], int]] = {"|": operator.or_, "^": operator.xor}


def _become(state: State, other: State) -> None:
    for name in State.__dataclass_fields__:
        setattr(state, name, getattr(other, name))


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


def _names(node: Node | None) -> frozenset[str]:
    return frozenset(text(n) for n in walk(node) if n.type == "identifier") if node is not None else frozenset()


def _key(node: Node) -> str:
    return "".join(text(node).split())


def _number(literal: str) -> Value:
    body = literal.lower().rstrip("ul")
    suffix = literal.lower()[len(body) :]
    try:
        value = int(body, 8) if body.startswith("0") and body.isdigit() and len(body) > 1 else int(body, 0)
    except ValueError:
        return _fraction(body)
    if "u" in suffix:
        return number(value, ULONG if "l" in suffix or value > 2**32 - 1 else UINT)
    return number(value, LONG if "l" in suffix or value > 2**31 - 1 else INT)


def _fraction(body: str) -> Value:
    try:
        return number(float(body.rstrip("f")), DOUBLE)
    except ValueError:
        return top(INT)


def _promoted(type_: CType) -> CType:
    return INT if type_.kind == "int" and (type_.size or 4) < 4 else type_


def _common(a: CType, b: CType) -> CType:
    """The type that arithmetic on two types is done in (the usual arithmetic conversions)."""
    if "float" in (a.kind, b.kind):
        return max((t for t in (a, b) if t.kind == "float"), key=lambda t: t.size or 0)
    a, b = _promoted(a), _promoted(b)
    if a.kind != "int" or b.kind != "int":
        return a if a.kind == "int" else b if b.kind == "int" else INT
    wider = max(a, b, key=lambda t: (t.size or 4, not t.signed))
    return wider


def _bounds(sign: str, a: Value, b: Value) -> tuple[float, float]:
    if sign == "+":
        return a.low + b.low, a.high + b.high
    if sign == "-":
        return a.low - b.high, a.high - b.low
    ends = [0.0 if 0 in (x, y) else x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return min(ends), max(ends)


def _quotient(x: float, by: float, whole: bool) -> float:
    if not whole or abs(x) == INF:
        return x / by
    return int(abs(x) // by) * (1 if x >= 0 else -1)  # C rounds towards zero


def _decide(a: Value, sign: str, b: Value) -> bool | None:
    """Whether a comparison certainly holds or certainly does not, by the ranges alone."""
    if a.type.kind in ("pointer", "array") or b.type.kind in ("pointer", "array") or _wraps(a, b):
        return None
    if sign in (">", ">="):
        return _decide(b, _MIRRORED[sign], a)
    if sign in ("<", "<="):
        strict = sign == "<"
        if a.high < b.low or (not strict and a.high <= b.low):
            return True
        return False if a.low > b.high or (strict and a.low >= b.high) else None
    equal = True if a.exact and b.exact and a.low == b.low else False if a.high < b.low or b.high < a.low else None
    return equal if sign == "==" or equal is None else not equal


def _wraps(a: Value, b: Value) -> bool:
    """Whether comparing turns a perhaps negative number into a large unsigned one."""
    type_ = _common(a.type, b.type)
    return type_.kind == "int" and not type_.signed and min(a.low, b.low) < 0


def _narrow(value: Value, sign: str, bound: Value, offset: float) -> tuple[float, float]:
    """The range of ``value``, given that ``value + offset`` stands in that relation to ``bound``."""
    low, high = value.low, value.high
    one = 1 if value.type.kind == "int" and bound.type.kind != "float" else 0
    if _wraps(value, bound):
        if sign not in ("<", "<=") or bound.low < 0 or offset:
            return low, high
        low = max(low, 0)  # below an unsigned number, a negative one would not be
    if sign in ("<", "<=", "=="):
        high = min(high, bound.high - offset - (one if sign == "<" else 0))
    if sign in (">", ">=", "=="):
        low = max(low, bound.low - offset + (one if sign == ">" else 0))
    if sign == "!=" and bound.exact and one:
        low += low == bound.low - offset
        high -= high == bound.low - offset
    return low, high


def _linear(node: Node | None) -> tuple[str, float]:
    """The variable that an expression is, and the constant added to it; no variable: an empty name."""
    inner = bare(node)
    if inner is None:
        return "", 0
    if inner.type in ("identifier", "field_expression"):
        return _key(inner), 0
    if inner.type == "assignment_expression":
        return _linear(inner.child_by_field_name("left"))
    if inner.type == "update_expression" and inner.children[0].type in ("++", "--"):
        return _linear(inner.child_by_field_name("argument"))
    if inner.type == "binary_expression" and text(inner.child_by_field_name("operator")) in ("+", "-"):
        name, offset = _linear(inner.child_by_field_name("left"))
        right = bare(inner.child_by_field_name("right"))
        if name and right is not None and right.type == "number_literal":
            value = _number(text(right))
            return name, offset + (value.low if text(inner.child_by_field_name("operator")) == "+" else -value.low)
    return "", 0


def _orderings(left: Node, sign: str, right: Node) -> frozenset[tuple[str, str]]:
    """Pairs a < b that a comparison tells of two variables."""
    if sign in (">", ">="):
        left, sign, right = right, _MIRRORED[sign], left
    (a, plus_a), (b, plus_b) = _linear(left), _linear(right)
    slack = {"<": 0, "<=": 1}.get(sign)
    return frozenset({(a, b)}) if slack is not None and a and b and slack + plus_b - plus_a <= 0 else frozenset()


def _or_limit(value: float | None, type_: CType) -> float:
    return type_.limits[1] if value is None else value


def _exactly(values: Sequence[Value]) -> float | None:
    return values[0].low if values and values[0].exact else None
