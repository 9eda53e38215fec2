"""The abstract domain: what is known of a C value (its type, range, origin) and of a point in the program."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from tree_sitter import Node

from .syntax import Unit, declared_name, text

INF = math.inf
NON_NULL, MAYBE_NULL, UNTESTED = "non-null", "maybe null", "untested"


@dataclass(frozen=True, slots=True)
class CType:
    """A C type, as far as ranges and sizes need it.

    Attributes:
        kind: ``int``, ``float``, ``pointer``, ``array``, ``struct`` or ``void``.
        size: bytes, ``None`` where unknown.
        signed: of integers.
        target: what a pointer points to, or an array holds.
        fields: of a struct.
    """

    kind: str
    size: float | None = None
    signed: bool = True
    target: CType | None = None
    fields: tuple[tuple[str, CType], ...] = ()

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value; infinite for anything but integers."""
        if self.kind != "int":
            return -INF, INF
        bits = int(self.size or 4) * 8
        return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if self.signed else (0, 2**bits - 1)


INT, LONG, CHAR = CType("int", 4), CType("int", 8), CType("int", 1)
UINT, ULONG = CType("int", 4, signed=False), CType("int", 8, signed=False)
FLOAT, DOUBLE, VOID = CType("float", 4), CType("float", 8), CType("void", 1)
STRING = CType("pointer", 8, target=CHAR)
_NAMED = {
    "char": CHAR,
    "short": CType("int", 2),
    "int": INT,
    "long": LONG,
    "float": FLOAT,
    "double": DOUBLE,
    "void": VOID,
    "bool": CType("int", 1, signed=False),
    "_Bool": CType("int", 1, signed=False),
    "size_t": ULONG,
    "ssize_t": LONG,
    "ptrdiff_t": LONG,
    "off_t": LONG,
    "time_t": LONG,
    "mode_t": UINT,
    "uid_t": UINT,
    "pid_t": INT,
}
_NAMED |= {f"{u}int{n}_t": CType("int", n // 8, signed=not u) for u in ("", "u") for n in (8, 16, 32, 64)}


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a value.

    Attributes:
        type: its C type.
        low, high: range of a number.
        labels: where it, or what it points to, may come from: ``argv``, ``input`` (read at run time), ``rand``.
        null: of a pointer.
        room: bytes of the buffer that a pointer points to the start of; ``None`` where unknown.
        longest: most characters of the string there, without its terminator; ``None`` where unknown.
        within: the array variable that a pointer points into, empty where none is known.
    """

    type: CType
    low: float = -INF
    high: float = INF
    labels: frozenset[str] = frozenset()
    null: str = UNTESTED
    room: float | None = None
    longest: float | None = None
    within: str = ""

    @property
    def exact(self) -> bool:
        """Whether it is one known number."""
        return self.low == self.high

    def tainted(self, *labels: str) -> Value:
        """The same value, coming from there too."""
        return replace(self, labels=self.labels | set(labels))


def top(type_: CType, labels: frozenset[str] = frozenset()) -> Value:
    """Any value of a type."""
    low, high = type_.limits
    room = type_.size if type_.kind == "array" else None
    null = NON_NULL if type_.kind == "array" else UNTESTED
    longest = room - 1 if room is not None and type_.target == CHAR else None
    return Value(type_, low, high, labels, null, room, longest)


def number(value: float, type_: CType = INT) -> Value:
    """One known number."""
    return Value(type_, value, value)


def converted(value: Value, type_: CType) -> Value:
    """The value as another type; a number that does not fit may be any of that type."""
    if type_.kind in ("pointer", "array") or value.type.kind in ("pointer", "array", "struct"):
        zero = type_.kind == "pointer" and value.type.kind == "int" and value.low == value.high == 0
        return replace(value, type=type_, null=MAYBE_NULL if zero else value.null)
    low, high = type_.limits
    if type_.kind == "int" and value.type.kind == "float":
        whole = replace(value, low=_floor(value.low), high=_floor(value.high))
        return replace(whole, type=type_) if low <= whole.low and whole.high <= high else top(type_, value.labels)
    if low <= value.low and value.high <= high:
        return replace(value, type=type_)
    return top(type_, value.labels)


def _floor(x: float) -> float:
    return math.floor(x) if math.isfinite(x) else x


def times(count: float | None, size: float | None) -> float | None:
    """Bytes of so many things, unknown where either number is."""
    return None if count is None or size is None else count * size


def join(a: Value, b: Value) -> Value:
    """What holds of both."""
    if a == b:
        return a
    null = a.null
    if a.null != b.null:
        null = MAYBE_NULL if MAYBE_NULL in (a.null, b.null) else UNTESTED
    labels = a.labels | b.labels
    longest = None if a.longest is None or b.longest is None else max(a.longest, b.longest)
    room = a.room if a.room == b.room else None
    within = a.within if a.within == b.within else ""
    return Value(a.type, min(a.low, b.low), max(a.high, b.high), labels, null, room, longest, within)


def widen(old: Value, new: Value) -> Value:
    """Like :func:`join`, but a bound that still moves goes to its type's limit, so that loops settle."""
    joined = join(old, new)
    low, high = joined.type.limits
    return replace(
        joined, low=joined.low if joined.low >= old.low else low, high=joined.high if joined.high <= old.high else high
    )


@dataclass
class State:
    """What is known at one point of a function.

    Attributes:
        vars: value of every variable in scope.
        freed: variables whose memory may have been freed.
        below: pairs (a, b) of source texts with a < b.
        lesser, greater: variables that stand on that side of a comparison whose true branch this is.
        umask: the file mode mask last set here, ``None`` where none was.
    """

    vars: dict[str, Value] = field(default_factory=dict)
    freed: frozenset[str] = frozenset()
    below: frozenset[tuple[str, str]] = frozenset()
    lesser: frozenset[str] = frozenset()
    greater: frozenset[str] = frozenset()
    umask: int | None = None

    def copy(self) -> State:
        return replace(self, vars=dict(self.vars))

    def assign(self, name: str, value: Value) -> None:
        """Give a variable a new value and forget what was known of the old one."""
        self.vars[name] = value
        self.freed -= {name}
        self.below = frozenset(pair for pair in self.below if name not in pair)


def join_states(a: State | None, b: State | None, widening: bool = False) -> State | None:
    """What holds whichever way control came; ``None`` is a point that control does not reach."""
    if a is None or b is None:
        return a or b
    mix = widen if widening else join
    both = {name: mix(a.vars[name], b.vars[name]) for name in a.vars.keys() & b.vars.keys()}
    only = {name: (a.vars.get(name) or b.vars[name]) for name in a.vars.keys() ^ b.vars.keys()}
    umask = a.umask if a.umask == b.umask else None
    return State(both | only, a.freed | b.freed, a.below & b.below, a.lesser & b.lesser, a.greater & b.greater, umask)


def joined(states: Iterable[State | None]) -> State | None:
    """What holds whichever of the states control came from."""
    found: State | None = None
    for state in states:
        found = join_states(found, state)
    return found


class Types:
    """Reads the types of declarations in one file.

    Args:
        length: elements of an array, of the expression in its brackets, or of its initialiser where there is none.
    """

    def __init__(self, unit: Unit, length: Callable[[Node | None, float | None], float | None]) -> None:
        self.length = length
        self.named: dict[str, CType] = dict(_NAMED)
        for node in unit.root.named_children:
            if node.type in ("type_definition", "struct_specifier", "declaration"):
                self._learn(node)

    def _learn(self, node: Node) -> None:
        type_ = self.of(node.child_by_field_name("type") if node.type != "struct_specifier" else node)
        if node.type == "type_definition":
            for declarator in node.children_by_field_name("declarator"):
                self.named[declared_name(declarator)] = self.declared(declarator, type_)

    def of(self, node: Node | None) -> CType:
        """The type that a type specifier or a type descriptor names; unknown ones are structs of unknown size."""
        if node is None:
            return INT
        if node.type == "type_descriptor":
            base = self.of(node.child_by_field_name("type"))
            return self.declared(node.child_by_field_name("declarator"), base)
        if node.type in ("struct_specifier", "union_specifier"):
            return self._struct(node)
        if node.type == "sized_type_specifier":
            return _sized(text(node).split())
        if node.type == "enum_specifier":
            return INT
        return self.named.get(text(node), CType("struct"))

    def _struct(self, node: Node) -> CType:
        name, body = text(node.child_by_field_name("name")), node.child_by_field_name("body")
        if body is None:
            return self.named.get(f"struct {name}", CType("struct"))
        fields = []
        for member in body.named_children:
            if member.type == "field_declaration":
                base = self.of(member.child_by_field_name("type"))
                fields += [
                    (declared_name(d), self.declared(d, base)) for d in member.children_by_field_name("declarator")
                ]
        sizes = [type_.size for _, type_ in fields]
        size = None if None in sizes else sum(s for s in sizes if s is not None)  # without padding
        made = CType("struct", size, fields=tuple(fields))
        if name:
            self.named[f"struct {name}"] = made
        return made

    def declared(self, declarator: Node | None, base: CType, count: float | None = None) -> CType:
        """The type that a declarator makes of a base type; ``count``: elements of an array without a stated size."""
        if declarator is None:
            return base
        inner = declarator.child_by_field_name("declarator")
        if declarator.type in ("pointer_declarator", "abstract_pointer_declarator"):
            return self.declared(inner, CType("pointer", 8, target=base), count)
        if declarator.type in ("array_declarator", "abstract_array_declarator"):
            held = self.length(declarator.child_by_field_name("size"), count)
            return self.declared(inner, CType("array", times(held, base.size), target=base))
        if declarator.type == "init_declarator":
            return self.declared(inner, base, count)
        if declarator.type == "parenthesized_declarator":
            return self.declared(next(iter(declarator.named_children), None), base, count)
        return base


def _sized(words: list[str]) -> CType:
    signed = "unsigned" not in words
    if "char" in words:
        return CType("int", 1, signed)
    if "short" in words:
        return CType("int", 2, signed)
    if "double" in words:
        return DOUBLE
    return CType("int", 8 if "long" in words else 4, signed)
