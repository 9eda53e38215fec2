"""Values whose class the sample derived from a plain one, as they are in the test's process.

Such a value crosses as its plain base, so that its equality and its other special methods are Python's own.  What the
sample's class adds stays behind, but for the items that a dictionary makes up (``__missing__``), which are asked for.
A test that wants anything else of that class cannot be judged in two processes: `Registry` takes note of it.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import sys
from collections.abc import Callable
from typing import Any

TEST = "<test>"  # the file name of a compiled test, in tracebacks and frames
_REMOTE = "_remote_of_this"  # the slot of a dictionary that makes up items


def _holding(made: Any, value: Any) -> Any:
    made.data = value.data
    return made


def _moment(value: datetime.time) -> datetime.time:
    parts = (value.hour, value.minute, value.second, value.microsecond)
    return datetime.time(*parts, tzinfo=value.tzinfo, fold=value.fold)


# Plain bases, the special ones first, and the plain copy of an instance of a subclass.
MUTABLE: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (list, lambda value: list(list.__iter__(value))),
    (bytearray, lambda value: bytearray(memoryview(value))),
    (collections.OrderedDict, lambda value: collections.OrderedDict(collections.OrderedDict.items(value))),
    (collections.Counter, lambda value: collections.Counter(dict(dict.items(value)))),
    (collections.defaultdict, lambda value: collections.defaultdict(value.default_factory, dict.items(value))),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (collections.deque, lambda value: collections.deque(collections.deque.__iter__(value), value.maxlen)),
    (collections.UserList, lambda value: _holding(collections.UserList(), value)),
    (collections.UserDict, lambda value: _holding(collections.UserDict(), value)),
)
IMMUTABLE: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (int, lambda value: int.__index__(value)),
    (float, lambda value: float.__float__(value)),
    (complex, lambda value: complex(value.real, value.imag)),
    (str, lambda value: str.__str__(value)),
    (bytes, lambda value: bytes(memoryview(value))),
    (tuple, lambda value: tuple(tuple.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    (collections.UserString, lambda value: collections.UserString(value.data)),
    (decimal.Decimal, decimal.Decimal),
    (fractions.Fraction, lambda value: fractions.Fraction(value.numerator, value.denominator)),
)
TIMES: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (datetime.datetime, lambda value: datetime.datetime.combine(value.date(), value.time(), value.tzinfo)),
    (datetime.date, lambda value: datetime.date(value.year, value.month, value.day)),
    (datetime.time, lambda value: _moment(value)),
    (datetime.timedelta, lambda value: datetime.timedelta(value.days, value.seconds, value.microseconds)),
)
_USER = (collections.UserList, collections.UserDict, collections.UserString)
_STANDARD = frozenset(base for kind in _USER for base in kind.__mro__)
_COMMON = frozenset(vars(type("Empty", (collections.UserList,), {"__init__": None, "__annotations__": {}})))
_BASES = frozenset(base for base, _ in (*MUTABLE, *IMMUTABLE))


class Own:
    """Mixed into the plain base of a value; `plain` is that base."""

    __slots__ = ()
    plain: Any


def plain_kind(kind: type) -> Any:
    """The class that a value's class stands for: of `Own` its plain base, else itself."""
    return kind.plain if issubclass(kind, Own) else kind


def makes_items(kind: type) -> bool:
    """Whether a class derived from a plain dictionary has a ``__missing__`` of its own."""
    own = [base for base in kind.__mro__ if base not in _BASES]
    return issubclass(kind, dict) and any("__missing__" in vars(base) for base in own)


def behaves_otherwise(kind: type) -> bool:
    """Whether a class derived from a ``User…`` class has special methods of its own; a handle is closer to it then."""
    if issubclass(kind, Own) or not issubclass(kind, _USER):
        return False
    own = [base for base in kind.__mro__ if base not in _STANDARD]
    return any(name.startswith("__") for base in own for name in vars(base).keys() - _COMMON)


class Registry:
    """Makes the classes of one test's process.

    Args:
        note: called when the test's text asks for an attribute that the plain base does not have.
        missing: asks a dictionary of the sample's for a missing key: the value, and whether the dictionary keeps it.
    """

    def __init__(self, note: Callable[[], None], missing: Callable[[Any, Any], Any]) -> None:
        self._missing = missing
        self._classes: dict[tuple[Any, ...], Any] = {}

        def absent(value: Any, attribute: str) -> Any:
            if sys._getframe(1).f_code.co_filename == TEST and not attribute.startswith("__"):
                note()
            kind = type(value).__name__
            raise AttributeError(f"{kind!r} object has no attribute {attribute!r}", name=attribute, obj=value)

        self.absent: Callable[[Any, str], Any] = absent  # the ``__getattr__`` of the classes

    def named_tuple(self, name: str, fields: tuple[str, ...]) -> Any:
        """The class of a named tuple."""
        if (name, fields) not in self._classes:
            self._classes[name, fields] = self._make(collections.namedtuple(name, fields), name)
        return self._classes[name, fields]

    def kind(self, base: Any, name: str) -> Any:
        """The class of that name for a plain base, the same for each value.

        Raises:
            ValueError: no value is sent as that base.
        """
        if base not in _BASES:
            raise ValueError(f"{base.__name__} is no plain base")
        if (base, name) not in self._classes:
            self._classes[base, name] = self._make(base, name)
        return self._classes[base, name]

    def empty(self, container: Any, name: str) -> Any:
        """An empty container of the class of that name, else like the given one."""
        kind = self.kind(type(container), name)
        if kind.plain is collections.deque:
            return kind(maxlen=container.maxlen)
        return kind(container.default_factory) if kind.plain is collections.defaultdict else kind()

    def ask_when_missing(self, value: Any, remote: Any) -> None:
        """Let a dictionary ask the sample's for the values of missing keys."""
        setattr(value, _REMOTE, remote)

    def _make(self, base: Any, name: str) -> Any:
        def missing(self: Any, key: Any) -> Any:
            remote = getattr(self, _REMOTE, None)
            if remote is None:
                return before(self, key)
            value, kept = ask(remote, key)
            if kept is True:
                dict.__setitem__(self, key, value)
            return value

        ask, before = self._missing, getattr(base, "__missing__", _no_item)
        members = {"__slots__": (), "plain": base, "__getattr__": self.absent, "__reduce_ex__": _reduce}
        members |= {"__module__": TEST}
        if issubclass(base, dict):
            members |= {"__slots__": (_REMOTE,), "__missing__": missing}
        return type(name, (Own, base), members)


def _no_item(_: Any, key: Any) -> Any:
    raise KeyError(key)


def _reduce(value: Any, _: int) -> Any:
    """Copies are plain."""
    base = value.plain
    copy = next((plain for kind, plain in (*MUTABLE, *IMMUTABLE) if kind is base), None)
    return _itself, (copy(value) if copy else base._make(value),)


def _itself(value: Any) -> Any:
    return value
