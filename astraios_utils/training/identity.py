"""What tells one version of a file from another, without reading very large ones."""

from __future__ import annotations

import functools
from pathlib import Path

from .. import store

_HASHED = 1 << 26  # bytes; larger weights would take longer to hash than their size is worth


@functools.lru_cache(maxsize=64)
def _hash(path: Path, size: int, changed: int) -> str:
    return store.sha256_file(path)[:16]


def identities(path: Path) -> dict[str, str]:
    """A file's hash, or those of a folder's files, by name relative to ``path``; of large files the size alone."""
    known = {}
    for file in (path, *sorted(path.glob("*"))):
        if file.is_file():
            stat = file.stat()
            small = stat.st_size < _HASHED
            identity = _hash(file, stat.st_size, stat.st_mtime_ns) if small else f"{stat.st_size} bytes"
            known["/".join(file.relative_to(path).parts)] = identity
    return known
