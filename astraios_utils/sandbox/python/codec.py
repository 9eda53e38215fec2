"""The language between a trusted test and an untrusted sample: plain data in JSON, nothing that can run code.

Two processes exchange values that both rebuild from known types alone.  The side of the sample may send whatever bytes
it likes; `Decoder` either turns them into plain data or raises `CodecError`.  Objects that are not plain data
(functions, generators, instances of the sample's own classes) stay where they are and travel as numbered handles.

An atom (None, bool, float, int below 2**63, well-formed str) is itself in JSON, a list is a JSON array, everything else
is an object with one key, the tag.  Mutable containers are numbered in the order in which they are met, so that a value
may refer to one that was sent before (``{"=": number}``): aliases, cycles and arguments changed in place survive the
trip.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import datetime
import decimal
import fractions
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from . import failures, own, set_order, values
from .limits import MAX_MESSAGE

MAX_ERRORS = 32  # exceptions inside one value
_BIG = 1 << 63
DEEP = 9000  # frames that a value's nesting may take beyond the recursion limit: some 2,000 levels
_DTYPE = re.compile(r"[<>|=]?([biufc]\d{1,2}|[SU]\d{1,6}|[mM]8(\[\w{1,9}\])?)")
_IDENTIFIER = re.compile(r"[A-Za-z]\w{0,99}")
_json_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


class CodecError(Exception):
    """Bytes that are not a value of this language."""


class Unsendable(TypeError):
    """A value that is not plain data, where no handle can stand for it."""


class Handle:
    """A value that stays in the other process, by its number there."""

    __slots__ = ("handle_number",)

    def __init__(self, number: int):
        self.handle_number = number


class Encoder:
    """Turns values into JSON-ready trees.

    Args:
        known: mutable containers that the receiver has already, in the order of their numbers.
        stand_in: gives the number of a value that is not plain data, or raises `Unsendable`.
    """

    def __init__(self, known: Iterable[Any] = (), stand_in: Callable[[Any], int] | None = None):
        self.containers: list[Any] = list(known)  # holds them alive: `_numbers` knows them by address
        self._numbers = {id(container): number for number, container in enumerate(self.containers)}
        self._stand_in = stand_in
        self._errors = 0
        self.left_behind = False  # whether a part of a value did not cross with it

    def encode(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is float:
            return value if value == value else self._not_a_number(value)
        if kind is int:
            return value if -_BIG < value < _BIG else {"i": hex(value)}
        if kind is str:
            return _encode_text(value)
        if kind is tuple:
            return {"t": [self.encode(item) for item in value]}
        if id(value) in self._numbers:
            return {"=": self._numbers[id(value)]}
        if kind in _CONTAINERS:
            self._number(value)
            return self.contents(value)
        return self._rare(value)

    def _number(self, value: Any) -> None:
        self._numbers[id(value)] = len(self.containers)
        self.containers.append(value)

    def _not_a_number(self, value: float) -> Any:
        """NaN is equal to nothing, but ``[x] == [x]`` goes by identity: so it is numbered like a container."""
        if id(value) in values.NAME_OF:
            return {"y": values.NAME_OF[id(value)]}
        if id(value) in self._numbers:
            return {"=": self._numbers[id(value)]}
        self._number(value)
        return {"x": 0}

    def contents(self, container: Any) -> Any:
        """The tree of a mutable container itself, even if the receiver knows it."""
        kind = own.plain_kind(type(container))
        if kind is list:
            return [self.encode(item) for item in container]
        if kind is dict:
            return {"d": self._pairs(container)}
        if kind is set:
            return self._items("s", container)
        if kind is bytearray:
            return {"B": container.hex()}
        if kind is collections.deque:
            return {"q": [container.maxlen, [self.encode(item) for item in container]]}
        if kind is collections.OrderedDict:
            return {"o": self._pairs(container, collections.OrderedDict.items)}
        if kind is collections.Counter:
            return {"C": self._pairs(container)}
        if kind is collections.defaultdict:
            return {"D": [self._factory(container.default_factory), self._pairs(container)]}
        if kind is np.ndarray and _DTYPE.fullmatch(container.dtype.str):
            data = base64.b64encode(np.ascontiguousarray(container).tobytes()).decode()
            return {"A": [container.dtype.str, list(container.shape), data]}
        if kind is float:
            return {"x": 0}
        if kind in values.HOLDERS:
            holder = values.HOLDERS[kind]
            return {"H": [holder.tag, self.encode(holder.pack(container))]}
        if kind in values.MUTABLE_LEAVES:
            plain = values.PLAIN[kind]
            return {"L": [plain.tag, self.encode(plain.pack(container))]}
        if kind is np.ndarray and values.structured(container):
            return {"W": self.encode(values.pack_structured(container))}
        if kind is np.ndarray:
            return {"O": [list(container.shape), [self.encode(item) for item in container.ravel().tolist()]]}
        raise Unsendable(f"{kind.__name__} is not a container")

    def _items(self, tag: str, items: Any) -> Any:
        """The tree of a set, such that its copy has the same order of iteration."""
        order, copied = set_order.insertion_order(items)
        return {f"{tag}c" if copied else tag: [self.encode(item) for item in order]}

    def _pairs(self, mapping: Any, items: Callable[[Any], Any] = dict.items) -> list[list[Any]]:
        return [[self.encode(key), self.encode(item)] for key, item in items(mapping)]

    def _rare(self, value: Any) -> Any:
        """Plain data that is seldom met, subclasses of plain types, and at last a handle."""
        kind = type(value)
        if issubclass(kind, Handle):
            return {"R": value.handle_number}
        if kind is frozenset:
            return self._items("f", value)
        if kind is bytes:
            return {"b": value.hex()}
        if kind is complex:
            return {"c": [value.real, value.imag]}
        if kind is range:
            return {"r": [self.encode(value.start), self.encode(value.stop), self.encode(value.step)]}
        if kind is fractions.Fraction:
            return {"F": [self.encode(value.numerator), self.encode(value.denominator)]}
        if kind is decimal.Decimal:
            return {"E": str(value)}
        if kind in _VIEWS:
            return {"w": [_VIEWS[kind], [self.encode(item) for item in value]]}
        if kind is datetime.timedelta:
            return {"z": [value.days, value.seconds, value.microseconds]}
        if kind is datetime.date:
            return {"a": value.isoformat()}
        if isinstance(value, np.generic) and _DTYPE.fullmatch(value.dtype.str):
            return {"N": [value.dtype.str, value.tobytes().hex()]}
        if id(value) in values.NAME_OF:
            return {"y": values.NAME_OF[id(value)]}
        if isinstance(value, BaseException):
            return {"X": self.error(value)}
        return self._packed(value)

    def _packed(self, value: Any) -> Any:
        """The kinds of the standard library and numpy that are seldom met."""
        kind = type(value)
        try:
            if kind in values.PLAIN:
                self.left_behind |= kind is memoryview and not value.readonly  # what it is a view of
                return {"V": [values.PLAIN[kind].tag, self.encode(values.PLAIN[kind].pack(value))]}
            if kind is np.void and values.structured(value):
                return {"S": self.encode(values.pack_structured(value))}
            if kind.__module__ in ("numpy", "numpy.dtypes") and isinstance(value, np.dtype):
                return {"dtype": value.str} if _DTYPE.fullmatch(value.str) else self._subclass(value)
        except (ValueError, Unsendable):  # a part of it cannot cross, so that it stays as a whole
            pass
        return self._subclass(value)

    def error(self, error: BaseException) -> Any:
        """The tree of an exception.  Raises `Unsendable` for one that holds too many others."""
        self._errors += 1
        if self._errors > MAX_ERRORS:
            raise Unsendable("an exception that holds too many others")
        plain = Encoder()
        plain._errors = self._errors
        tree = failures.pack(error, plain.encode)
        self._errors = plain._errors
        return tree

    def _subclass(self, value: Any) -> Any:
        """An instance of a subclass is sent as its plain base: the equality that its class defines stays behind."""
        kind = type(value)
        fields = getattr(kind, "_fields", None)
        if isinstance(value, tuple) and fields is not None and len(fields) == tuple.__len__(value):
            items = [self.encode(item) for item in tuple.__iter__(value)]
            self.left_behind |= not issubclass(kind, own.Own)  # its class
            return {"n": [kind.__name__, [str(field) for field in fields], items]}
        for base, plain in own.MUTABLE:
            if isinstance(value, base) and not own.behaves_otherwise(kind):
                self._number(value)
                return self._derived(value, self.contents(plain(value)), mutable=True)
        for base, plain in own.IMMUTABLE:
            if isinstance(value, base) and not own.behaves_otherwise(kind):
                return self._derived(value, self.encode(plain(value)), mutable=False)
        time = next(((base, plain) for base, plain in own.TIMES if isinstance(value, base)), None)
        if time is not None and kind is not time[0]:
            return self.encode(time[1](value))
        if self._stand_in is None:
            raise Unsendable(f"cannot send a {kind.__name__} to the sample's process")
        return {"R": self._stand_in(value)}

    def _derived(self, value: Any, tree: Any, mutable: bool) -> Any:
        """A value of a class of its own, with a handle of a dictionary that makes up items."""
        kind = type(value)
        if issubclass(kind, own.Own):  # of the other side's, where it is the plain value
            return tree
        self.left_behind = True
        handle = self._stand_in(value) if self._stand_in is not None and own.makes_items(kind) else None
        return {"P": [kind.__name__, mutable, tree, handle]}

    def _factory(self, factory: Any) -> Any:
        """What makes the missing items of a ``defaultdict``."""
        if factory is None or isinstance(factory, Handle) or id(factory) in values.NAME_OF:
            return self.encode(factory)
        self.left_behind = True
        return None if self._stand_in is None else {"R": self._stand_in(factory)}


def _encode_text(text: str) -> Any:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # lone surrogates: JSON would join two of them to one character
            return {"u": [ord(character) for character in text]}
    return text


_CONTAINERS = frozenset(
    {
        *(list, dict, set, bytearray, np.ndarray, collections.deque),
        *(collections.OrderedDict, collections.Counter, collections.defaultdict),
        *values.HOLDERS,
        *values.MUTABLE_LEAVES,
    }
)
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_ORDERED: Any = collections.OrderedDict()
_VIEWS |= {type(_ORDERED.keys()): "keys", type(_ORDERED.values()): "values", type(_ORDERED.items()): "items"}


class Decoder:
    """Rebuilds values from trees; strict: whatever is not exactly what `Encoder` makes raises `CodecError`.

    Args:
        known: the containers that ``{"=": n}`` may already refer to.
        handle: makes the value that stands for a handle's number; default: handles are refused.
        classes: makes the classes of values that are of the other side's own; default: such values are plain.
    """

    def __init__(
        self,
        known: Iterable[Any] = (),
        handle: Callable[[int], Any] | None = None,
        classes: own.Registry | None = None,
    ):
        self.containers: list[Any] = list(known)
        self._handle = handle
        self._classes = classes
        self._name = ""  # of the class of the next container; empty for a plain one
        self.strange = False  # whether a value was a handle, or of a class of the other side's own

    def decode(self, tree: Any) -> Any:
        """Raises `CodecError`."""
        try:
            return self._decode(tree)
        except CodecError:
            raise
        except Exception as error:  # what a constructor of the standard library makes of nonsense
            raise CodecError(f"malformed value: {type(error).__name__}") from error

    def _decode(self, tree: Any) -> Any:
        kind = type(tree)
        if kind is list:
            result: list[Any] = self._new([])
            result.extend([self._decode(item) for item in tree])
            return result
        if kind is not dict:
            return tree
        if len(tree) != 1:
            raise CodecError("a tagged value has one key")
        ((tag, body),) = tree.items()
        return self._TAGS[tag](self, body)

    def _new(self, container: Any) -> Any:
        if self._name and self._classes is not None:
            container = self._classes.empty(container, self._name)
        self._name = ""
        self.containers.append(container)
        return container

    def _derived(self, body: Any) -> Any:
        """A value of a class of the other side's own."""
        self.strange = True
        name, mutable, tree, number = body
        if not _IDENTIFIER.fullmatch(name):
            name = "derived"
        self._name = name if mutable else ""
        result = self._decode(tree)
        self._name = ""
        if self._classes is None:
            return result
        if not mutable:
            return self._classes.kind(type(result), name)(result)
        if number is not None:
            self._classes.ask_when_missing(result, self._stand_in(number))
        return result

    def _items(self, body: Any) -> list[Any]:
        if type(body) is not list:
            raise CodecError("expected an array")
        return [self._decode(item) for item in body]

    def _pairs(self, body: Any) -> Iterator[tuple[Any, Any]]:
        for key, item in body:
            yield self._decode(key), self._decode(item)

    def _dict(self, body: Any) -> dict[Any, Any]:
        result: dict[Any, Any] = self._new({})
        result.update(self._pairs(body))
        return result

    def _ordered(self, body: Any) -> Any:
        result: collections.OrderedDict[Any, Any] = self._new(collections.OrderedDict())
        result.update(self._pairs(body))
        return result

    def _counter(self, body: Any) -> Any:
        result: collections.Counter[Any] = self._new(collections.Counter())
        dict.update(result, self._pairs(body))
        return result

    def _defaultdict(self, body: Any) -> Any:
        factory, pairs = body
        result: collections.defaultdict[Any, Any] = self._new(collections.defaultdict(self._decode(factory)))
        result.update(self._pairs(pairs))
        return result

    def _set(self, body: Any) -> set[Any]:
        result: set[Any] = self._new(set())
        result.update(self._items(body))
        return result

    def _copied_set(self, body: Any) -> set[Any]:
        result: set[Any] = self._new(set())
        result.update(set(self._items(body)))
        return result

    def _bytearray(self, body: Any) -> Any:
        result: bytearray = self._new(bytearray())
        result += bytes.fromhex(body)
        return result

    def _deque(self, body: Any) -> Any:
        length, items = body
        result: collections.deque[Any] = self._new(collections.deque(maxlen=length))
        result.extend(self._items(items))
        return result

    def _array(self, body: Any) -> Any:
        dtype, shape, data = body
        raw = bytearray(base64.b64decode(data, validate=True))
        return self._new(np.frombuffer(raw, dtype=_dtype(dtype)).reshape(_shape(shape)))

    def _object_array(self, body: Any) -> Any:
        shape, items = body
        flat = np.empty(len(items), dtype=object)
        self._new(result := flat.reshape(_shape(shape)))
        for position, item in enumerate(self._items(items)):
            flat[position] = item
        return result

    def _scalar(self, body: Any) -> Any:
        dtype, data = body
        (value,) = np.frombuffer(bytes.fromhex(data), dtype=_dtype(dtype))
        return value

    def _namedtuple(self, body: Any) -> Any:
        name, fields, items = body
        if not _IDENTIFIER.fullmatch(name) or not all(_IDENTIFIER.fullmatch(field) for field in fields):
            return tuple(self._items(items))
        kind = self._classes.named_tuple(name, tuple(fields)) if self._classes else collections.namedtuple(name, fields)
        return kind(*self._items(items))

    def _view(self, body: Any) -> Any:
        which, items = body
        values = self._items(items)
        if which == "keys":
            return dict.fromkeys(values).keys()
        return dict(enumerate(values)).values() if which == "values" else dict(values).items()

    def _holder(self, body: Any) -> Any:
        holder = values.HOLDER_OF_TAG[body[0]]
        result = self._new(holder.empty())
        holder.fill(result, self._decode(body[1]))
        return result

    def _leaf(self, body: Any) -> Any:
        return self._new(values.BUILDERS[body[0]](self._decode(body[1])))

    def _structured(self, body: Any) -> Any:
        position = len(self.containers)
        self.containers.append(None)
        self.containers[position] = values.build_structured(self._decode(body))
        return self.containers[position]

    def error(self, body: Any) -> BaseException:
        """The exception of a tree.  Raises `CodecError`."""
        try:
            return failures.build(body, Decoder().decode, self._classes.absent if self._classes else None)
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(f"malformed exception: {type(error).__name__}") from error

    def _known(self, body: Any) -> Any:
        if type(body) is not int or body < 0:
            raise CodecError("a reference is a number")
        return self.containers[body]

    def _stand_in(self, body: Any) -> Any:
        if type(body) is not int or body < 0 or self._handle is None:
            raise CodecError("unexpected handle")
        self.strange = True
        return self._handle(body)

    _TAGS: dict[str, Callable[[Decoder, Any], Any]] = {  # noqa: RUF012  (a constant)
        "i": lambda self, body: int(body, 16),
        "u": lambda self, body: "".join(map(chr, body)),
        "t": lambda self, body: tuple(self._items(body)),
        "f": lambda self, body: frozenset(self._items(body)),
        "fc": lambda self, body: frozenset(set_order.copy_of(self._items(body))),
        "b": lambda self, body: bytes.fromhex(body),
        "B": _bytearray,
        "c": lambda self, body: complex(*body),
        "r": lambda self, body: range(*self._items(body)),
        "F": lambda self, body: fractions.Fraction(*self._items(body)),
        "E": lambda self, body: decimal.Decimal(body),
        "z": lambda self, body: datetime.timedelta(*body),
        "y": lambda self, body: values.NAMED[body],
        "x": lambda self, body: self._new(float("nan")),
        "V": lambda self, body: values.BUILDERS[body[0]](self._decode(body[1])),
        "S": lambda self, body: values.build_structured(self._decode(body)),
        "dtype": lambda self, body: _dtype(body),
        "H": _holder,
        "L": _leaf,
        "W": _structured,
        "X": error,
        "d": _dict,
        "o": _ordered,
        "C": _counter,
        "D": _defaultdict,
        "s": _set,
        "sc": _copied_set,
        "q": _deque,
        "A": _array,
        "O": _object_array,
        "N": _scalar,
        "n": _namedtuple,
        "w": _view,
        "a": lambda self, body: datetime.date.fromisoformat(body),
        "=": _known,
        "R": _stand_in,
        "P": _derived,
    }


def _dtype(text: Any) -> Any:
    if not _DTYPE.fullmatch(text):
        raise CodecError("array of an unexpected type")
    return np.dtype(text)


def _shape(shape: Any) -> tuple[int, ...]:
    if not all(type(length) is int and length >= 0 for length in shape):
        raise CodecError("array of an impossible shape")
    return tuple(shape)


def overwrite(target: Any, source: Any) -> None:
    """Give `target` the contents of `source`, in place; both are containers of one type, else nothing happens."""
    if own.plain_kind(type(target)) is not own.plain_kind(type(source)):
        return
    if isinstance(target, (list, bytearray)):
        target[:] = source
    elif isinstance(target, (dict, set)):
        target.clear()
        if isinstance(target, collections.OrderedDict):
            collections.OrderedDict.update(target, source)
        else:
            dict.update(target, source) if isinstance(target, dict) else target.update(source)
    elif isinstance(target, collections.deque):
        target.clear()
        target.extend(source)
    elif own.plain_kind(type(target)) in values.HOLDERS or type(target) in values.MUTABLE_LEAVES:
        values.overwrite(target, source)
    elif isinstance(target, np.ndarray) and target.shape == source.shape and target.flags.writeable:
        target[...] = source


@contextlib.contextmanager
def deep() -> Iterator[None]:
    """Room on the stack for values that are nested deeper than the recursion limit of tests and samples."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + DEEP)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


# ---------------------------------------------------------------- messages on a stream socket


def text_of(tree: Any) -> str:
    """A tree as JSON in ASCII."""
    try:
        return _json_encode(tree)
    except RecursionError:
        with deep():
            return _json_encode(tree)


def send(descriptor: int, message: Any) -> None:
    """Write one message: four bytes of length, then JSON.  Raises `CodecError` if it is too long, `OSError`."""
    body = text_of(message).encode()
    if len(body) > MAX_MESSAGE:
        raise CodecError("message too long")
    data = memoryview(len(body).to_bytes(4, "big") + body)
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int) -> Any:
    """Read one message.  Raises `EOFError` at the end of the stream, `CodecError` on nonsense, `OSError`."""
    length = int.from_bytes(_read_exactly(descriptor, 4), "big")
    if length > MAX_MESSAGE:
        raise CodecError("message too long")
    data = _read_exactly(descriptor, length)
    try:
        return _parse(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodecError(f"not JSON: {type(error).__name__}") from error


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        with deep():
            return json.loads(data)


def _read_exactly(descriptor: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = os.read(descriptor, min(1 << 18, length - len(data)))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)
