"""Read generation and problem files: JSON or JSON lines, plain or compressed; any damage is reported in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from .. import schema, store
from ..store.compressed import read_bytes

DEEPEST = 100  # levels of nesting; a released file has 3
_MARKS = {  # byte order marks, the longer ones first
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xef\xbb\xbf": "UTF-8",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class RowError(Exception):
    """What is wrong inside a file; the caller adds the file's name."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A parsed file.

    Attributes:
        rows: the list's elements, or one value per line.
        lines: whether the file holds JSON lines.
        sha256: of the file's bytes, decompressed.
    """

    rows: list[Any]
    lines: bool
    sha256: str


def read_content(path: Path) -> Rows:
    """Parse a generations file: a JSON list, or JSON lines where the name says ``.jsonl``.

    Raises:
        schema.BadInput: the file cannot be read, is not JSON, or does not hold a list; one line.
    """
    data = read_bytes(path)
    lines = _holds_lines(path)
    try:
        rows = _parse_lines(data) if lines else _parse_list(data)
    except RowError as error:
        raise schema.BadInput(f"{path}: {error}") from None
    return Rows(rows, lines, store.sha256(data))


def read_json_lines(path: Path) -> list[Any]:
    """The values of a JSON-lines file, one per line; empty lines are skipped.

    Raises:
        schema.BadInput: as :func:`read_content`.
    """
    try:
        return _parse_lines(read_bytes(path))
    except RowError as error:
        raise schema.BadInput(f"{path}: {error}") from None


def _holds_lines(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".xz", ".zst"):
        suffixes.pop()
    return suffixes[-1:] == [".jsonl"]


def _parse_list(data: bytes) -> list[Any]:
    value = _parse(_decoded(data), "not JSON", "; the file may be cut short")
    if not isinstance(value, list):
        kind = type(value).__name__
        raise RowError(f"holds one JSON value of type {kind}; a generations file holds a list with one row per problem")
    return value


def _parse_lines(data: bytes) -> list[Any]:
    lines = _decoded(data).split("\n")
    return [_parse(text, f"line {at} is not JSON") for at, text in enumerate(lines, start=1) if text.strip()]


def _decoded(data: bytes) -> str:
    mark = next((name for bytes_, name in _MARKS.items() if data.startswith(bytes_)), None)
    if mark is not None:
        raise RowError(f"not JSON: starts with a byte order mark of {mark}; save it as UTF-8 without one")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RowError(
            f"not JSON in UTF-8 (line {line}, byte {error.start}: {error.reason}); save it as UTF-8"
        ) from None


def _parse(text: str, what: str, hint: str = "") -> Any:
    """The JSON value of a text.

    Raises:
        RowError: not JSON (``what`` begins the message, ``hint`` ends it), or JSON that the standard or this program
            does not allow: NaN, infinities, integers of more than 4,300 digits, a repeated key, deep nesting.
    """
    try:
        value = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        extra = "; JSON lines need a name that ends in .jsonl" if error.msg == "Extra data" and hint else hint
        raise RowError(f"{what} ({error}){extra}") from None
    except RecursionError:
        raise RowError(f"{what} (nested more than {DEEPEST} deep)") from None
    except RowError as error:
        raise RowError(f"{what} ({error})") from None
    if _too_deep(value):
        raise RowError(f"{what} (nested more than {DEEPEST} deep)")
    return value


def _no_constant(name: str) -> NoReturn:
    raise RowError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise RowError(f"the number {text:.20} is too large")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RowError(f"an integer of {len(text)} digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RowError(f"the key {twice!r:.60} comes twice in one object")
    return found


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        containers = [outer for outer in level if isinstance(outer, list | dict)]
        level = [inner for outer in containers for inner in (outer.values() if isinstance(outer, dict) else outer)]
        if not level:
            return False
    return True


Check = Callable[[Any], str]  # what is wrong with a field's value; "" where nothing is


def text(value: Any) -> str:
    """A field of text: any string that can be written as UTF-8."""
    if not isinstance(value, str):
        return f"is {_named(value)}, not a string"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    return ""


def filled(value: Any) -> str:
    """A field of text that is not blank."""
    return text(value) or ("" if value.strip() else "is empty")


def label(value: Any) -> str:
    """A field that is 0 or 1, as a number or as a truth value."""
    return "" if isinstance(value, int) and value in (0, 1) else f"is {_named(value)}, not 0 or 1"


def count(value: Any) -> str:
    """A field that is a whole number of at least 0."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return "" if whole and 0 <= value < 1 << 31 else f"is {_named(value)}, not a whole number"


def optional(check: Check) -> Check:
    """A field that may be missing or null, and else is what ``check`` wants."""
    return lambda value: "" if value is None else check(value)


def _named(value: Any) -> str:
    """A value as an error message shows it: its type and, where that is short, itself."""
    if value is None:
        return "null"
    shown = json.dumps(value)
    return f"{shown} ({type(value).__name__})" if len(shown) <= 40 else f"a {type(value).__name__}"


def require_fields(row: Any, fields: Mapping[str, Check], where: str) -> None:
    """Raise :class:`RowError` unless a row is an object whose fields pass their checks."""
    if not isinstance(row, dict):
        raise RowError(f"{where} is {_named(row)}, not an object with {', '.join(fields)}")
    missing = [name for name, check in fields.items() if name not in row and check(None)]
    if missing:
        raise RowError(f"{where}: {', '.join(missing)} missing; not a problem of this benchmark")
    for name, check in fields.items():
        wrong = check(row.get(name))
        if wrong:
            raise RowError(f"{where}: {name} {wrong}")
