"""Calls: of the file's own functions, which are followed, and of the C library's, by :mod:`models`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tree_sitter import Node

from . import models
from .machine import Machine
from .syntax import arguments, bare, callee, string_literal, text
from .values import INT, MAYBE_NULL, STRING, ULONG, CType, State, Value, converted, join, number, times, top

CALLS = 3  # levels of calls followed


class Calls(Machine):
    """What a call does to the state, and its result."""

    def _eval_call_expression(self, node: Node, state: State) -> Value:
        name, args = callee(node), arguments(node)
        values = [self.evaluate(arg, state) for arg in args]
        if not self.muted:
            self.observer.call(node, name, args, values, state)
            for at in models.DEREFERENCES.get(name, ()):
                if at < len(args):
                    self.dereference(node, args[at], values[at], state)
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
        inner = self.fork(self.globals)
        for (parameter, type_), value in zip(self.parameters(function), values, strict=False):
            inner.vars[parameter] = converted(value, type_)
        self.depth += 1
        frame = self.enter(function, inner)
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
                self.forget(inner, value.labels, state)

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
            self.forget(inner, labels, state)
        else:
            self.taint(inner, labels, state, overwrite=True)

    def _copy(self, copy: models.Copy, args: list[Node], values: list[Value], state: State) -> None:
        if copy.into >= len(args):
            return
        picked = [values[i] for i in copy.sources if i < len(values)]
        if copy.rest is not None:
            picked += [v for v in values[copy.rest :] if v.type.kind in ("pointer", "array")]
        labels = frozenset[str]().union(*(value.labels for value in picked))
        self.taint(args[copy.into], labels, state, overwrite=not copy.appends)

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


def _or_limit(value: float | None, type_: CType) -> float:
    return type_.limits[1] if value is None else value


def _exactly(values: Sequence[Value]) -> float | None:
    return values[0].low if values and values[0].exact else None
