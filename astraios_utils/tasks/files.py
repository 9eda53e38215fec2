"""Reads generation and problem files: JSON or JSON lines, as they are or compressed, damage told in one line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema, store
from ..sources.released import read_bytes


class RowError(Exception):
    """What is wrong inside a file whose name the caller knows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A parsed file: its rows, whether they were one to a line, and the SHA-256 of its decompressed bytes."""

    rows: list[Any]
    lines: bool
    sha256: str


def read_content(path: Path) -> Rows:
    """Parse a generations file: a JSON list, or JSON lines by its ending."""
    data = read_bytes(path)
    lines = ".jsonl" in path.suffixes[-2:]
    rows = _parse_lines(path, data) if lines else _parse_list(path, data)
    return Rows(rows, lines, store.sha256(data))


def read_json_lines(path: Path) -> list[Any]:
    """The objects of a JSON-lines file."""
    return _parse_lines(path, read_bytes(path))


def _parse_list(path: Path, data: bytes) -> list[Any]:
    try:
        value = json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise schema.BadInput(f"{path}: not JSON ({_first_line(error)}); the file may be cut short") from None
    if not isinstance(value, list):
        raise schema.BadInput(f"{path}: holds a {type(value).__name__}; a generations file holds a list of problems")
    return value


def _parse_lines(path: Path, data: bytes) -> list[Any]:
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise schema.BadInput(f"{path}: line {number} is not JSON ({_first_line(error)})") from None
    return rows


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
