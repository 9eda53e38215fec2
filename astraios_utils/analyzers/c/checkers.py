"""One checker for each CodeQL query that the C scenarios name, written from what the query means.

Stock queries are approximated: the same sources, sinks and barriers, over :mod:`interpreter`'s view of the program.
The scenarios' own queries are in :mod:`ported`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from tree_sitter import Node

from . import models
from .checking import Check, Checker, run
from .formats import longest
from .ported import ArrayBounds, FourElements, IndexBelowSize, TrimWrites, chunk_writes, unchecked_sum
from .syntax import bare, string_literal, text, walk
from .values import MAYBE_NULL, State, Value

WORLD_WRITABLE = 0o002


# --- where data from outside may arrive (CWE-22, 78, 79) --------------------------------------------------------------


class Tainted(Checker):
    """User input reaches an argument of a function that must not get it."""

    sinks: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    sources = frozenset({"argv", "input"})
    what = ""

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        for at in self.sinks.get(name, ()):
            if at < len(values) and values[at].labels & self.sources and values[at].type.kind in ("pointer", "array"):
                self.report(node, f"{self.what} {name}() comes from {_origin(values[at], self.sources)}")


class TaintedPath(Tainted):
    """``TaintedPath.ql``: a file name made of user input, whatever tests came before."""

    rule = "c/tainted-path"
    what = "path opened by"
    sinks = dict.fromkeys(("fopen", "open", "freopen", "creat", "_fopen", "_open"), (0,))


class CommandInjection(Tainted):
    """``ExecTainted.ql``: user input in a command that a shell reads; numbers are harmless."""

    rule = "c/command-injection"
    what = "command run by"
    sinks: ClassVar[Mapping[str, tuple[int, ...]]] = {"system": (0,), "popen": (0,)}

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        super().call(node, name, args, values, state)
        if not name.startswith(("exec", "posix_spawn")):
            return
        words = [string_literal(arg) for arg in args]
        if "-c" in words:  # sh -c COMMAND
            for value in values[words.index("-c") + 1 :]:
                if value.labels & self.sources:
                    self.report(node, f"{self.what} {name}() comes from {_origin(value, self.sources)}")


class ExternalApi(Tainted):
    """``IRUntrustedDataToExternalAPI.ql``: input goes out through a library function that no model covers."""

    rule = "c/untrusted-data-to-external-api"
    what = "data given to"
    sources = frozenset({"input"})
    sinks: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "fputs": (0,),
        "puts": (0,),
        "fwrite": (0,),
        "write": (1,),
        "send": (1,),
        **{name: tuple(range(12)) for name in ("printf", "fprintf", "vprintf", "vfprintf", "dprintf")},
    }


def _origin(value: Value, sources: frozenset[str]) -> str:
    names = {"argv": "the command line", "input": "what the program reads", "rand": "a random number"}
    return " and ".join(names[label] for label in sorted(value.labels & sources))


# --- arithmetic (CWE-190) ---------------------------------------------------------------------------------------------


class Arithmetic(Checker):
    """A number from outside may leave its type's range, and no comparison guards the place.

    Guards are the queries': a variable on the lesser side of a comparison whose true branch this is may not be too
    large, one on the greater side not too small.
    """

    sources: frozenset[str] = frozenset()

    def arithmetic(self, node: Node, operands: Sequence[tuple[Node, Value]], result: Value, state: State) -> None:
        if result.type.kind != "int" or (result.type.size or 0) > 8:
            return
        low, high = result.type.limits
        for at, (operand, value) in enumerate(operands):
            inner = bare(operand)
            if inner is None or not value.labels & self.sources or inner.type not in ("identifier", "call_expression"):
                continue
            over, under = _guards(node, at)
            name = text(inner)
            too_large = (
                result.high > high and over and not (name in state.lesser and (over != 2 or name in state.greater))
            )
            too_small = (
                result.low < low and under and not (name in state.greater and (under != 2 or name in state.lesser))
            )
            if too_large or too_small:
                effect = "overflow" if too_large else "underflow"
                self.report(node, f"{_origin(value, self.sources)} in {text(node)[:40]!r} may {effect}")


def _guards(node: Node, at: int) -> tuple[int, int]:
    """Whether an operation may overflow and underflow by its operand: 0 no, 1 guarded from one side, 2 from both."""
    sign = text(node.child_by_field_name("operator")).rstrip("=")
    if sign == "*":
        return 2, 2
    if sign in ("+", "++"):
        return 1, 0
    return 0, int(sign == "--" or at == 0)


class TaintedArithmetic(Arithmetic):
    """``ArithmeticTainted.ql``: the number comes from the user."""

    rule = "c/tainted-arithmetic"
    sources = frozenset({"argv", "input"})


class UncontrolledArithmetic(Arithmetic):
    """``ArithmeticUncontrolled.ql``: the number is random; ``% / >> & |`` bound it."""

    rule = "c/uncontrolled-arithmetic"
    sources = frozenset({"rand"})


# --- bounds (CWE-119, 125, 787) ---------------------------------------------------------------------------------------


class OverflowBuffer(Checker):
    """``OverflowBuffer.ql``: a copy or an index of constant size that is larger than the buffer."""

    rule = "c/overflow-buffer"
    sized: ClassVar[Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {  # function: buffers, factors of the size
        **dict.fromkeys(("memcpy", "memmove", "memcmp", "bcopy"), ((0, 1), (2,))),
        **dict.fromkeys(("strncpy", "memset", "memchr"), ((0,), (2,))),
        "bzero": ((0,), (1,)),
        "fgets": ((0,), (1,)),
        **dict.fromkeys(("read", "recv", "write", "send"), ((1,), (2,))),
        **dict.fromkeys(("fread", "fwrite"), ((0,), (1, 2))),
    }

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        buffers, factors = self.sized.get(name, ((), ()))
        if not buffers or len(values) <= max(*buffers, *factors) or not all(values[i].exact for i in factors):
            return
        size = 1.0
        for i in factors:
            size *= values[i].low
        for i in buffers:
            room = values[i].room
            if room is not None and size > room:
                self.report(node, f"{name}() accesses {size:g} bytes of a buffer of {room:g}")

    def index(self, node: Node, base: Value, offset: Node, value: Value, state: State) -> None:
        target = base.type.target
        if value.exact and target is not None and target.size and base.room is not None:
            parent = node.parent
            past = 1 if parent is not None and text(parent).startswith("&") else 0  # &a[n] may point just past the end
            if value.low < 0 or (value.low + 1 - past) * target.size > base.room:
                self.report(node, f"index {value.low:g} of a buffer of {base.room:g} bytes")


class PotentialOverflow(Checker):
    """``PotentialBufferOverflow.ql``: ``sprintf`` whose longest text is larger than the buffer."""

    rule = "c/sprintf-overflow"

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        if name not in ("sprintf", "vsprintf") or len(args) < 2:
            return
        room, format_ = values[0].room, string_literal(args[1])
        length = longest(format_, values[2:]) if format_ is not None else None
        if room is not None and length is not None and length > room:
            self.report(node, f"{format_!r:.40} may write {length:g} bytes into {room:g}")


# --- memory (CWE-416, 476) --------------------------------------------------------------------------------------------


class UseAfterFree(Checker):
    """``UseAfterFree.ql``: a freed variable is gone through, or handed to a function that is not of this file."""

    rule = "c/use-after-free"

    def dereference(self, node: Node, pointer: Node, value: Value, state: State) -> None:
        self._look(node, pointer, state)

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        if name in self.unit.functions:
            return
        for arg in args:
            for inner in walk(arg):
                if inner.type == "identifier" and not _by_reference(inner):
                    self._look(node, inner, state)

    def _look(self, node: Node, pointer: Node, state: State) -> None:
        if text(pointer) in state.freed:
            self.report(node, f"{text(pointer)!r} may have been freed")


def _by_reference(node: Node) -> bool:
    parent = node.parent
    return parent is not None and (parent.type == "sizeof_expression" or text(parent).startswith("&"))


class MissingNullTest(Checker):
    """``MissingNullTest.ql``: the result of ``malloc`` or ``calloc``, or a null pointer, is gone through untested."""

    rule = "c/missing-null-test"

    def dereference(self, node: Node, pointer: Node, value: Value, state: State) -> None:
        if value.type.kind == "pointer" and value.null == MAYBE_NULL:
            self.report(node, f"{text(pointer)[:40]!r} may be null")

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        first = models.FORMATS.get(name)
        format_ = string_literal(args[first]) if first is not None and len(args) > first else None
        if first is None or format_ is None or "%s" not in format_:
            return
        for arg, value in zip(args[first + 1 :], values[first + 1 :], strict=True):
            if value.type.kind == "pointer" and value.null == MAYBE_NULL:
                self.report(node, f"{text(arg)[:40]!r} may be null")


# --- files (CWE-732) --------------------------------------------------------------------------------------------------


class WorldWritable(Checker):
    """``DoNotCreateWorldWritable.ql``: a file is created, or set, writable by all; the umask counts as 0 until set."""

    rule = "c/world-writable-file"
    creators: ClassVar[Mapping[str, tuple[int, int]]] = {"open": (1, 2), "openat": (2, 3)}  # where flags and mode stand

    def call(self, node: Node, name: str, args: Sequence[Node], values: Sequence[Value], state: State) -> None:
        mode = self._mode(name, args, values)
        if mode is None:
            return
        if name not in ("chmod", "fchmod"):
            mode &= ~(state.umask or 0)
        if mode & WORLD_WRITABLE:
            self.report(node, f"{name}() with mode {mode & 0o7777:04o}")

    def _mode(self, name: str, args: Sequence[Node], values: Sequence[Value]) -> int | None:
        if name in self.creators:
            flags, mode = self.creators[name]
            if len(values) <= flags or not values[flags].exact:
                return None
            if not int(values[flags].low) & (models.CONSTANTS["O_CREAT"] | 0o20000000):
                return None
            return _exact(values, mode) if len(values) > mode else 0o7777  # without one, whatever is on the stack
        if name == "fopen" and len(args) > 1:
            return 0o666 if (string_literal(args[1]) or "").startswith(("w", "a")) else None
        return _exact(values, 1) if name in ("creat", "chmod", "fchmod") else None


def _exact(values: Sequence[Value], at: int) -> int | None:
    return int(values[at].low) if at < len(values) and values[at].exact else None


_OBSERVERS: tuple[type[Checker], ...] = (
    TaintedPath,
    CommandInjection,
    ExternalApi,
    TaintedArithmetic,
    UncontrolledArithmetic,
    ArrayBounds,
    IndexBelowSize,
    FourElements,
    OverflowBuffer,
    PotentialOverflow,
    TrimWrites,
    UseAfterFree,
    MissingNullTest,
    WorldWritable,
)
CHECKS: dict[str, Check] = {
    **{checker.rule: partial(run, checker) for checker in _OBSERVERS},
    "c/unchecked-sum": unchecked_sum,
    "c/chunk-write-unbounded": chunk_writes,
}
