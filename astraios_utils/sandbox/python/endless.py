"""Proves that a ``while`` loop never ends: a state that has come back will come back for ever.

A loop that is still in the same frame, at the same instruction, with equal values in everything that it can read, and
that computes by nothing but deterministic operations on these values, has no way out.  `Prover` looks for such a state
while the sample runs: it follows the lines of the frames that are in a ``while`` loop and compares states with Brent's
cycle finding [R. P. Brent, An improved Monte Carlo factorization algorithm, BIT 20 (1980)].

What makes the argument sound:

- *Where.*  States are compared at the beginning of a statement that lies alone on its line, with no ``for``, ``with``,
  ``except``, ``finally`` or ``match`` between it and the loop: there the interpreter keeps nothing of the loop but its
  variables.  What is below the loop on the stack (the iterators of outer loops, the callers) stays untouched until
  it is left; a line outside the loop, or the end of its frame, forgets the loop's states.  Generators are left out,
  since between two of their lines their consumer runs.
- *What.*  All variables of the frame, and all globals that its code names or that functions reachable from it name, are
  compared by type, value and aliasing.  Values must be plain data, functions of the sample, or a short list of
  modules and builtins that are functions of their arguments; anything else (sets, whose order depends on their
  history, iterators, instances, ``random``, ``time``, ``id``, ``is`` between two variables) ends the attempt.
- *What is left out.*  A local number that the loop only adds to or multiplies (``count += 1``) and reads nowhere cannot
  change its course, and is not compared: a factor of its own is read (``x *= x``), so that its digits grow by a fixed
  number at a time, and would need days to fill memory.  A list or text that grows is compared, as it may fill memory.
- *When.*  Nothing else may run: an attempt is given up where the program has a second thread, a timer, or a signal
  handler of its own, since each may set a variable or raise an exception between any two instructions (`undisturbed`).

A proof can be missed (a counter in the condition that grows for ever).  It is not wrong, unless the sample reads the
addresses of objects as text or tampers with this process; then it has found another way to fail.
"""

from __future__ import annotations

import ast
import builtins
import collections
import dis
import functools
import inspect
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

BUDGET = 0.3  # CPU seconds of one attempt
_SPARE_FRAMES = 60  # of the recursion limit, which an attempt must not be the one to exceed
_PURE_MODULES = frozenset(
    ("math", "cmath", "re", "string", "itertools", "functools", "operator", "collections", "heapq", "bisect", "copy")
)
_PURE_FUNCTIONS = (
    *(abs, all, any, ascii, bin, chr, divmod, format, hex, isinstance, issubclass, iter, len, max, min, next, oct, ord),
    *(pow, print, repr, round, sorted, sum),
)
_PURE_TYPES = (
    *(bool, bytearray, bytes, complex, dict, enumerate, filter, float, int, list, map, range, reversed, slice, str),
    *(tuple, zip),
)
_EXCEPTIONS = (v for v in vars(builtins).values() if isinstance(v, type) and issubclass(v, BaseException))
_PURE_BUILTINS: dict[str, Any] = {v.__name__: v for v in (*_PURE_FUNCTIONS, *_PURE_TYPES, *_EXCEPTIONS)}  # type: ignore[attr-defined]
_ATOMS = (type(None), bool, int, str, bytes, complex, range, type(Ellipsis))
_PAIRS = (dict, collections.OrderedDict, collections.Counter, collections.defaultdict)
_UNSAFE_INSTRUCTIONS = frozenset(
    ("STORE_ATTR", "DELETE_ATTR", "LOAD_BUILD_CLASS", "DELETE_GLOBAL", "SETUP_ANNOTATIONS")
)
_BARRIERS = (ast.For, ast.AsyncFor, ast.With, ast.AsyncWith, ast.Match, ast.ExceptHandler, ast.TryStar)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_ENDS_SCOPE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class _Unprovable(Exception):
    """Something is in reach whose behaviour is not known."""


@dataclass(eq=False, slots=True)
class Loop:
    """A loop: its lines, whether it is a ``while``, and the names that it does nothing with but add to them."""

    first: int
    last: int
    unbounded: bool
    sums: frozenset[str] = frozenset()


@dataclass(slots=True)
class Scope:
    """The loops of one code object, outer ones first.

    Attributes:
        base: the ``while`` loop of each line at whose beginning states may be compared.
    """

    loops: list[Loop] = field(default_factory=list)
    base: dict[int, Loop] = field(default_factory=dict)

    def outermost(self, line: int) -> Loop | None:
        """The first of the loops that hold a line."""
        return next((loop for loop in self.loops if loop.first <= line <= loop.last), None)


Key = tuple[str, int]  # name and first line of a code object


def scope_of(code: CodeType, scopes: Mapping[Key, Scope]) -> Scope | None:
    """The loops of a code object; ``None`` for one that is not in the source, as those of comprehensions."""
    return scopes.get(("<module>", 1) if code.co_name == "<module>" else (code.co_name, code.co_firstlineno))


def scopes_of(source: str) -> dict[Key, Scope]:
    """The loops of a module, by code object.  Raises what ``ast.parse`` raises."""
    scopes: dict[Key, Scope] = {}
    starts: collections.Counter[int] = collections.Counter()

    def visit(node: ast.AST, scope: Scope, base: Loop | None) -> None:
        if isinstance(node, ast.stmt):
            starts[node.lineno] += 1
            if base is not None and _head_end(node) == node.lineno:
                scope.base[node.lineno] = base
        if isinstance(node, _SCOPES):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            scope, base = scopes.setdefault((getattr(node, "name", "<lambda>"), first), Scope()), None
        elif isinstance(node, ast.While):
            base = Loop(node.lineno, node.end_lineno or node.lineno, True, _sums(node))
            scope.loops.append(base)
        elif isinstance(node, _BARRIERS):
            base = None
            if isinstance(node, ast.For):
                scope.loops.append(Loop(node.lineno, node.end_lineno or node.lineno, False))
        later = node.finalbody if isinstance(node, ast.Try) else []
        for child in ast.iter_child_nodes(node):
            visit(child, scope, None if child in later else base)

    visit(ast.parse(source), scopes.setdefault(("<module>", 1), Scope()), None)
    for scope in scopes.values():
        scope.base = {line: loop for line, loop in scope.base.items() if starts[line] == 1}
    return scopes


def _head_end(statement: ast.stmt) -> int:
    """The last line of what runs at a statement's beginning; 0 for kinds at which states are not compared."""
    if isinstance(statement, ast.If):
        return statement.test.end_lineno or 0 if statement.body[0].lineno > statement.lineno else 0
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr):
        return statement.end_lineno or 0
    return 0


def _sums(loop: ast.While) -> frozenset[str]:
    """The names that occur in a loop only as ``name += …``, ``name -= …`` and ``name *= …``."""
    added: collections.Counter[str] = collections.Counter()
    for node in ast.walk(loop):
        match node:
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add() | ast.Sub() | ast.Mult()):
                added[name] += 1
    seen = collections.Counter(node.id for node in ast.walk(loop) if isinstance(node, ast.Name))
    return frozenset(name for name, times in added.items() if seen[name] == times)


def undisturbed(own: signal.Signals) -> bool:
    """Whether nothing but this thread's next instruction decides what happens next.

    Args:
        own: the signal of the one who asks; its handler does not count.
    """
    if threading.active_count() > 1 or len(sys._current_frames()) > 1 or "faulthandler" in sys.modules:
        return False
    if any(any(signal.getitimer(timer)) for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF)):
        return False
    usual = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)
    return all(signal.getsignal(number) in usual for number in signal.valid_signals() if number != own)


class _State:
    """Turns everything that a frame can read into one comparable value.

    Args:
        namespace: the sample's globals.
        filename: the code objects of the sample have it.
    """

    def __init__(self, namespace: Mapping[str, Any], filename: str) -> None:
        self._namespace, self._filename = namespace, filename
        self._names: dict[CodeType, tuple[str, ...]] = {}  # checked code objects, with the globals they name

    def of(self, frame: FrameType, sums: frozenset[str]) -> tuple[Any, ...]:
        """The state of a frame, without the variables in `sums`.  Raises `_Unprovable`."""
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # what has a number stays alive until the state is complete
        self._pending: list[CodeType] = [frame.f_code]
        code = frame.f_code
        own = sums & (set(code.co_varnames) - set(code.co_cellvars)) if code.co_name != "<module>" else frozenset()
        variables = frame.f_locals if code.co_name != "<module>" else {}
        state = [(name, self._value(value)) for name, value in variables.items() if name not in own]
        done: set[CodeType] = set()
        named: set[str] = set()
        while self._pending:
            pending = self._pending.pop()
            if pending in done:
                continue
            done.add(pending)
            for name in self._globals_of(pending):
                if name not in named:
                    named.add(name)
                    state.append((name, self._value(self._namespace[name])))
        for name in own & variables.keys():
            self._check_sum(variables[name])
        return tuple(state)

    def _check_sum(self, value: Any) -> None:
        if type(value) not in (int, float, complex, bool):
            raise _Unprovable

    def _globals_of(self, code: CodeType) -> tuple[str, ...]:
        """The sample's globals that a code object names, after a check of its instructions."""
        if code not in self._names:
            names = set()
            for part in _nested(code):
                _check_instructions(part)
                names |= {name for name in part.co_names if self._is_global(name)}
            self._names[code] = tuple(sorted(names))
        return self._names[code]

    def _is_global(self, name: str) -> bool:
        if name in self._namespace and name != "__builtins__":
            return True
        if hasattr(builtins, name):
            if name not in _PURE_BUILTINS:
                raise _Unprovable
        elif name.startswith("__"):
            raise _Unprovable
        return False  # an attribute, or a name that is not defined

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return kind, value
        if kind is float:
            return kind, value.hex()
        if kind is tuple:
            return kind, *map(self._value, value)
        if id(value) in self._numbers:
            return "=", self._numbers[id(value)]
        self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        if kind is list:
            return kind, *map(self._value, value)
        if kind in _PAIRS:
            factory = self._value(value.default_factory) if kind is collections.defaultdict else None
            return kind, factory, *((self._value(key), self._value(item)) for key, item in dict.items(value))
        if kind is collections.deque:
            return kind, value.maxlen, *map(self._value, value)
        if kind is bytearray:
            return kind, bytes(value)
        return self._callable(value)

    def _callable(self, value: Any) -> Any:
        if isinstance(value, FunctionType) and value.__code__.co_filename == self._filename:
            self._pending.append(value.__code__)
            cells = tuple(self._cell(cell) for cell in value.__closure__ or ())
            rest = (value.__defaults__, value.__kwdefaults__, value.__dict__)
            return FunctionType, value.__code__, cells, *map(self._value, rest)
        if isinstance(value, ModuleType) and value.__name__ in _PURE_MODULES:
            return ModuleType, value.__name__
        if isinstance(value, BuiltinFunctionType) and value.__module__ in _PURE_MODULES:
            return BuiltinFunctionType, value.__module__, value.__name__
        name = getattr(value, "__name__", "")
        if _PURE_BUILTINS.get(name) is value:
            return "builtin", name
        if isinstance(value, type) and getattr(collections, name, None) is value:
            return "collection", name
        raise _Unprovable

    def _cell(self, cell: Any) -> Any:
        try:
            return self._value(cell.cell_contents)
        except ValueError:  # a variable that has no value yet
            return "empty"


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


@functools.lru_cache(maxsize=256)
def _check_instructions(code: CodeType) -> None:
    """Raises `_Unprovable` for instructions whose effect is not in the state."""
    before = None
    for instruction in dis.get_instructions(code):
        name, argument = instruction.opname, instruction.argval
        if name in _UNSAFE_INSTRUCTIONS:
            raise _Unprovable
        if name == "IMPORT_NAME" and argument.partition(".")[0] not in _PURE_MODULES:
            raise _Unprovable
        if name == "IS_OP" and not (before and before.opname == "LOAD_CONST" and before.argval in (None, True, False)):
            raise _Unprovable
        before = instruction


@dataclass(slots=True)
class _Chase:
    """Brent's search in one loop: the state to compare with, and when it is replaced by a later one."""

    instruction: int
    state: tuple[Any, ...]
    seen: int = 0
    limit: int = 2


class Prover:
    """Watches frames of the calling thread for a state that comes back.

    Args:
        scopes: the loops of the sample, by code object.
        namespace: the sample's globals.
        filename: that its code objects have.
        found: called once, when a loop is proved endless.
        own: the signal whose handler calls `attempt`.
    """

    def __init__(
        self,
        scopes: Mapping[Key, Scope],
        namespace: Mapping[str, Any],
        filename: str,
        found: Callable[[], None],
        own: signal.Signals = signal.SIGVTALRM,
    ) -> None:
        self._scopes, self._filename, self._found = scopes, filename, found
        self._own = own
        self._state = _State(namespace, filename)
        self._chases: dict[FrameType, dict[Loop, _Chase]] = {}
        self._deadline = 0.0

    def attempt(self, frame: FrameType | None) -> None:
        """Follow, for `BUDGET` seconds of CPU time, the frames on this stack that are in a loop."""
        if self._chases or sys.gettrace() is not None or not undisturbed(self._own):
            return
        frames, depth = [], 0
        while frame is not None:
            depth += 1
            scope, line = self._scope(frame), frame.f_lineno or 0
            if scope is not None and any(loop.unbounded and loop.first <= line <= loop.last for loop in scope.loops):
                frames.append(frame)
            frame = frame.f_back
        if not frames or depth + _SPARE_FRAMES > sys.getrecursionlimit():
            return
        self._chases = {frame: {} for frame in frames}
        self._deadline = time.thread_time() + BUDGET
        for frame in frames:
            frame.f_trace = self._trace
        sys.settrace(_ignore)

    def _scope(self, frame: FrameType) -> Scope | None:
        code = frame.f_code
        if code.co_filename != self._filename or code.co_flags & _ENDS_SCOPE:
            return None
        return scope_of(code, self._scopes)

    def stop(self) -> None:
        """End an attempt, if one is under way."""
        if self._chases:
            sys.settrace(None)
        for frame in self._chases:
            frame.f_trace = None
        self._chases = {}

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        chases = self._chases.get(frame)
        if chases is None:
            return None
        try:
            if event == "return":
                del self._chases[frame]
            elif event == "line":
                self._line(frame, chases)
        except (_Unprovable, RecursionError, MemoryError, ValueError):
            self._chases.pop(frame, None)
        if not self._chases:
            sys.settrace(None)
        elif time.thread_time() > self._deadline:
            self.stop()
        return self._trace if self._chases else None

    def _line(self, frame: FrameType, chases: dict[Loop, _Chase]) -> None:
        line = frame.f_lineno or 0
        for loop in [loop for loop in chases if not loop.first <= line <= loop.last]:
            del chases[loop]
        scope = self._scope(frame)
        base = scope.base.get(line) if scope is not None else None
        if base is None:
            return
        chase = chases.get(base)
        if chase is None:
            chases[base] = _Chase(frame.f_lasti, self._state.of(frame, base.sums))
            return
        chase.seen += 1
        if frame.f_lasti == chase.instruction:
            state = self._state.of(frame, base.sums)
            if state == chase.state:
                self.stop()
                if undisturbed(self._own):
                    self._found()
            elif chase.seen >= chase.limit:
                chase.state, chase.seen, chase.limit = state, 0, 2 * chase.limit
        elif chase.seen >= chase.limit:
            chases[base] = _Chase(frame.f_lasti, self._state.of(frame, base.sums), 0, 2 * chase.limit)


def _ignore(*_: Any) -> None:
    """The trace function of new frames, which are not followed."""
