"""Values of the standard library that cross between a test's process and a sample's, and how each is taken apart.

Each kind is named by a tag.  ``pack`` turns a value into simpler values that the codec knows; ``build`` makes a value
of exactly that kind from them again, and raises on anything else.  Nothing here runs code of a sample: kinds are
compared by ``type(value) is``, and what is built are instances of the standard library's own classes.
"""

from __future__ import annotations

import array
import builtins
import cmath
import collections
import datetime
import decimal
import fractions
import ipaddress
import math
import operator
import pathlib
import re
import time
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_PURE = (
    *("abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id", "isinstance"),
    *(
        "issubclass",
        "iter",
        "len",
        "max",
        "min",
        "next",
        "oct",
        "ord",
        "pow",
        "print",
        "repr",
        "round",
        "sorted",
        "sum",
    ),
)
_MODULES = (math, cmath, operator)
_METHODS_OF: tuple[type, ...] = (str, bytes, int, float, list, dict, set, frozenset, tuple)
_CLASSES: tuple[type, ...] = (
    *(collections.deque, collections.OrderedDict, collections.Counter, collections.defaultdict, collections.ChainMap),
    *(collections.UserDict, collections.UserList, collections.UserString, decimal.Decimal, fractions.Fraction),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, uuid.UUID),
    *(pathlib.Path, pathlib.PurePath, pathlib.PurePosixPath, types.SimpleNamespace, array.array, re.Pattern),
    *(types.FunctionType, types.GeneratorType, types.MappingProxyType, np.ndarray, np.dtype, np.generic),
    *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, np.complex64, np.complex128, np.str_, np.bytes_, np.datetime64),
)


def _named() -> Iterator[tuple[str, Any]]:
    """Functions, types and constants that are the same object in both processes, with a name for each."""
    for name, value in vars(builtins).items():
        constant = value is Ellipsis or value is NotImplemented
        if (isinstance(value, type) and not name.startswith("_")) or name in _PURE or constant:
            yield name, value
    yield "NoneType", type(None)
    yield "math.nan", math.nan
    yield "numpy.nan", np.nan
    for module in _MODULES:
        for name, value in vars(module).items():
            if isinstance(value, types.BuiltinFunctionType) and not name.startswith("_"):
                yield f"{module.__name__}.{name}", value
    for kind in _METHODS_OF:
        for name, value in vars(kind).items():
            if isinstance(value, types.MethodDescriptorType) and not name.startswith("_"):
                yield f"{kind.__name__}.{name}", value
    for kind in _CLASSES:
        yield f"{kind.__module__}.{kind.__qualname__}", kind


NAMED: dict[str, Any] = dict(_named())
NAME_OF: dict[int, str] = {id(value): name for name, value in NAMED.items()}  # they live as long as this process


@dataclass(frozen=True, slots=True)
class Plain:
    """An immutable kind, or a mutable one whose parts hold no containers."""

    tag: str
    pack: Callable[[Any], Any]
    build: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Holder:
    """A mutable kind that holds containers: it is made empty and then filled, so that cycles survive."""

    tag: str
    pack: Callable[[Any], Any]
    empty: Callable[[], Any]
    fill: Callable[[Any, Any], None]


_ZONES = (datetime.timezone, zoneinfo.ZoneInfo)


def _is(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}")
    return value


def _pack_moment(value: datetime.datetime | datetime.time) -> Any:
    if value.tzinfo is not None and type(value.tzinfo) not in _ZONES:
        raise ValueError("a time zone of a class of its own")
    return value.replace(tzinfo=None).isoformat(), value.tzinfo, value.fold


def _build_moment(kind: type[datetime.datetime] | type[datetime.time]) -> Callable[[Any], Any]:
    def build(parts: Any) -> Any:
        text, zone, fold = parts
        if zone is not None and type(zone) not in _ZONES:
            raise ValueError("unknown time zone")
        return kind.fromisoformat(text).replace(tzinfo=zone, fold=fold)

    return build


def _pack_zone(zone: datetime.timezone) -> Any:
    arguments = zone.__getinitargs__()  # type: ignore[attr-defined]  # as copying and pickling use it
    return None if zone is datetime.UTC else arguments


def _pack_buffer(view: memoryview) -> Any:
    if view.ndim != 1:
        raise ValueError("a view of several dimensions")
    return view.format, view.tobytes(), view.readonly


def _build_buffer(parts: Any) -> memoryview:
    form, data, readonly = parts
    return memoryview(_is(data, bytes) if readonly else bytearray(_is(data, bytes))).cast(form)


def _pattern(parts: Any) -> re.Pattern[Any]:
    pattern, flags = parts
    if type(pattern) not in (str, bytes) or len(pattern) > 10_000:
        raise ValueError("not a pattern")
    return re.compile(pattern, flags & ~re.DEBUG)


def _array(parts: Any) -> array.array[Any]:
    code, data = parts
    return array.array(code, _is(data, bytes))


def _structured_type(fields: Any) -> np.dtype[Any]:
    """A structured dtype from ``(name, dtype, shape)`` triples and the size of a row."""
    names, kinds, offsets, size = fields
    if not all(re.fullmatch(r"[<>|=]?([biufc]\d{1,2}|[SU]\d{1,6}|[mM]8(\[\w{1,9}\])?)", kind) for kind in kinds):
        raise ValueError("a field of an unexpected type")
    return np.dtype({"names": names, "formats": kinds, "offsets": offsets, "itemsize": size})


def structured(value: Any) -> bool:
    """Whether an array's or scalar's fields are all plain numbers, texts or times."""
    fields = value.dtype.fields
    return bool(fields) and all(part[0].fields is None and part[0].kind in "biufcSUmM" for part in fields.values())


def pack_structured(value: Any) -> Any:
    """The parts of a structured array or scalar."""
    dtype = value.dtype
    names = list(dtype.names)
    fields = [dtype.fields[name] for name in names]
    if any(field[0].subdtype is not None for field in fields):
        raise ValueError("a field that is an array")
    described = (names, [field[0].str for field in fields], [int(field[1]) for field in fields], dtype.itemsize)
    return described, list(np.shape(value)), np.ascontiguousarray(value).tobytes(), isinstance(value, np.void)


def build_structured(parts: Any) -> Any:
    """A structured array or scalar from `pack_structured`."""
    described, shape, data, scalar = parts
    rows = np.frombuffer(bytearray(_is(data, bytes)), dtype=_structured_type(described)).reshape(shape)
    return rows.reshape(-1)[0] if scalar else rows


_PATHS = {kind.__name__: kind for kind in (pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)}
_ADDRESSES = (
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
    *(ipaddress.IPv4Interface, ipaddress.IPv6Interface),
)

PLAIN: dict[type, Plain] = {
    slice: Plain("slice", lambda v: (v.start, v.stop, v.step), lambda p: slice(*p)),
    datetime.datetime: Plain("datetime", _pack_moment, _build_moment(datetime.datetime)),
    datetime.time: Plain("time", _pack_moment, _build_moment(datetime.time)),
    datetime.timezone: Plain("timezone", _pack_zone, lambda p: datetime.UTC if p is None else datetime.timezone(*p)),
    zoneinfo.ZoneInfo: Plain("zone", lambda v: v.key, lambda p: zoneinfo.ZoneInfo(_is(p, str))),
    memoryview: Plain("buffer", _pack_buffer, _build_buffer),
    types.MappingProxyType: Plain("proxy", lambda v: dict(v), lambda p: types.MappingProxyType(_is(p, dict))),
    uuid.UUID: Plain("uuid", lambda v: v.int, lambda p: uuid.UUID(int=p)),
    re.Pattern: Plain("pattern", lambda v: (v.pattern, v.flags & ~re.DEBUG), _pattern),
    time.struct_time: Plain("moment", list, lambda p: time.struct_time(p)),
    collections.UserString: Plain("text", lambda v: v.data, lambda p: collections.UserString(_is(p, str))),
    array.array: Plain("array", lambda v: (v.typecode, v.tobytes()), _array),
    **{
        kind: Plain(name, str, (lambda made: lambda p: made(_is(p, str)))(kind))
        for name, kind in ((kind.__name__, kind) for kind in (*_PATHS.values(), *_ADDRESSES))
    },
}
HOLDERS: dict[type, Holder] = {
    collections.UserDict: Holder(
        "mapping", lambda v: v.data, collections.UserDict, lambda v, p: setattr(v, "data", _is(p, dict))
    ),
    collections.UserList: Holder(
        "sequence", lambda v: v.data, collections.UserList, lambda v, p: setattr(v, "data", _is(p, list))
    ),
    collections.ChainMap: Holder(
        "chain", lambda v: v.maps, collections.ChainMap, lambda v, p: setattr(v, "maps", _is(p, list))
    ),
    types.SimpleNamespace: Holder(
        "namespace",
        lambda v: tuple(vars(v).items()),
        types.SimpleNamespace,
        lambda v, p: vars(v).update({_is(name, str): item for name, item in p}),
    ),
}
MUTABLE_LEAVES = (array.array,)
BUILDERS: dict[str, Callable[[Any], Any]] = {plain.tag: plain.build for plain in PLAIN.values()}
HOLDER_OF_TAG: dict[str, Holder] = {holder.tag: holder for holder in HOLDERS.values()}


def overwrite(target: Any, source: Any) -> None:
    """Give `target`, a mutable value of this module, the contents of `source`, which has the same type."""
    if type(target) is array.array and target.typecode == source.typecode:
        target[:] = source
    elif type(target) is types.SimpleNamespace:
        vars(target).clear()
        vars(target).update(vars(source))
    else:
        holder = next(holder for kind, holder in HOLDERS.items() if isinstance(target, kind))
        holder.fill(target, holder.pack(source))
