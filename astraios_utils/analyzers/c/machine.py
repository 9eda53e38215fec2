"""What every part of the interpreter shares: where it is, what checkers watch, and how memory changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tree_sitter import Node

from ..findings import GaveUp
from .syntax import Unit, bare, text
from .values import CType, State, Types, Value, top

STEPS = 60_000  # nodes visited before giving up
Branches = tuple[State | None, State | None]
_INTO = {"pointer_expression", "subscript_expression", "binary_expression", "update_expression"}  # *p, p[i], p + i, p++


class Observer:
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
class Frame:
    """A function being interpreted: where its breaks, continues and returns lead."""

    breaks: list[State | None] = field(default_factory=list)
    continues: list[State | None] = field(default_factory=list)
    returned: list[Value] = field(default_factory=list)
    left: list[State] = field(default_factory=list)
    jumps: dict[str, State | None] = field(default_factory=dict)


class Machine:
    """The state of an interpretation, and the memory that it changes.

    Raises:
        GaveUp: the file needs more than ``STEPS`` steps.
    """

    def __init__(self, unit: Unit, observer: Observer) -> None:
        self.unit, self.observer = unit, observer
        self.steps, self.muted, self.depth = 0, 0, 0
        self.frame = Frame()
        self.globals = State()
        self.types = Types(unit, self.length)

    def evaluate(self, node: Node, state: State) -> Value:
        """The value of an expression; its effects change the state."""
        raise NotImplementedError

    def branch(self, node: Node, state: State) -> Branches:
        """The states in which a condition holds and does not hold."""
        raise NotImplementedError

    def guarded(self, condition: Node | None, state: State) -> Branches:
        """Both branches of a controlling condition."""
        raise NotImplementedError

    def enter(self, function: Node, state: State) -> Frame:
        """Interpret a function's body from a state of its parameters."""
        raise NotImplementedError

    def parameters(self, function: Node) -> list[tuple[str, CType]]:
        """Names and types of a function's parameters."""
        raise NotImplementedError

    def step(self, cost: int = 1) -> None:
        """Count work done."""
        self.steps += cost
        if self.steps > STEPS:
            raise GaveUp(f"needs more than {STEPS} steps of analysis")

    def fork(self, state: State) -> State:
        """A copy of a state, for one of the ways that control may take."""
        self.step(1 + len(state.vars) // 16)
        return state.copy()

    def length(self, size: Node | None, count: float | None) -> float | None:
        if size is None:
            return count
        if not hasattr(self, "types"):  # while they are being read
            return float(text(size)) if text(size).isdigit() else None
        self.muted += 1
        value = self.evaluate(size, self.fork(self.globals))
        self.muted -= 1
        return value.low if value.exact else None

    def dereference(self, node: Node, pointer: Node, value: Value, state: State) -> None:
        inner = bare(pointer)
        while inner is not None and inner.type in ("binary_expression", "update_expression"):  # *(p + 1), *p++
            inner = bare(inner.child_by_field_name("left") or inner.child_by_field_name("argument"))
        if not self.muted and inner is not None:
            self.observer.dereference(node, inner, value, state)

    def arithmetic(self, node: Node, operands: list[tuple[Node, Value]], result: Value, state: State) -> None:
        if not self.muted:
            self.observer.arithmetic(node, operands, result, state)

    def store(self, left: Node, value: Value, state: State) -> None:
        """Assign; through a pointer or an index the buffer only may have changed."""
        inner = bare(left)
        if inner is None:
            return
        if inner.type == "identifier":
            state.assign(text(inner), value)
            for key in [k for k in state.vars if k.startswith((f"{text(inner)}.", f"{text(inner)}->"))]:
                del state.vars[key]
        elif inner.type == "field_expression":
            state.assign(key_of(inner), value)
        else:
            base = bare(inner.child_by_field_name("argument"))
            self.taint(base, value.labels, state)

    def taint(self, node: Node | None, labels: frozenset[str], state: State, overwrite: bool = False) -> None:
        """What a buffer holds now also comes from there; ``overwrite``: only from there."""
        inner = bare(node)
        while inner is not None and inner.type in _INTO:
            overwrite = overwrite and inner.type == "pointer_expression"
            inner = bare(inner.child_by_field_name("argument") or inner.child_by_field_name("left"))
        key = "" if inner is None else key_of(inner)
        if inner is not None and inner.type == "field_expression" and key not in state.vars:
            self.muted += 1
            state.vars[key] = self.evaluate(inner, state)
            self.muted -= 1
        value = state.vars.get(key)
        if value is not None:
            state.vars[key] = replace(value, labels=labels if overwrite else value.labels | labels)
            buffer = state.vars.get(value.within) if value.within != key else None
            if buffer is not None:
                state.vars[value.within] = replace(buffer, labels=buffer.labels | labels)

    def array(self, node: Node, state: State) -> str:
        """The array variable that an element belongs to, empty where it is of none."""
        inner = bare(node)
        base = bare(inner.child_by_field_name("argument")) if inner is not None else None
        held = state.vars.get(text(base)) if inner is not None and inner.type == "subscript_expression" else None
        return text(base) if held is not None and held.type.kind == "array" else ""

    def forget(self, node: Node, labels: frozenset[str], state: State) -> None:
        target = bare(node.child_by_field_name("argument")) if node.type == "pointer_expression" else bare(node)
        key = "" if target is None else key_of(target)
        if key in state.vars:
            state.assign(key, top(state.vars[key].type, labels))
        elif target is not None:
            self.taint(target, labels, state)


def key_of(node: Node) -> str:
    return "".join(text(node).split())
