"""Read files that may be compressed: gzip, xz and zstd are recognised by content, and the decompressed size is limited.

A few hundred kilobytes of xz can hold gigabytes of zeros. Reading therefore stops as soon as the limit is exceeded,
before the rest is decompressed.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import zlib
from collections.abc import Callable
from pathlib import Path

from .. import schema

LIMIT = 512 << 20  # bytes after decompression; the largest released file has 14 MB
_LZMA_MEMORY = 256 << 20  # bytes that the decoder may allocate; xz -9 needs 65 MiB
_STEP = 1 << 20  # bytes that the xz decoder returns at a time
_SUFFIXES = (".gz", ".xz", ".zst")


def read_bytes(path: Path, limit: int = LIMIT) -> bytes:
    """The file's bytes, decompressed where its first bytes are those of gzip, xz or zstd.

    Args:
        path: a regular file; its name does not matter, except that a name of a compressed file promises one.
        limit: most bytes to return.

    Raises:
        schema.BadInput: the file is missing, unreadable, cut short, damaged, larger than the limit, or its name ends
            in ``.gz``, ``.xz`` or ``.zst`` and its content is not compressed.
    """
    data = _stored(path, limit)
    form = next((name for magic, name in _MAGIC if data.startswith(magic)), "")
    if not form:
        if path.suffix.lower() in _SUFFIXES:
            raise schema.BadInput(f"{path}: cut short or not {path.suffix[1:]} data")
        return data
    try:
        found = _DECODERS[form](data, limit)
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, ValueError, EOFError) as error:
        raise schema.BadInput(f"{path}: cut short or not {form} data ({error})") from None
    if len(found) > limit:
        raise schema.BadInput(f"{path}: holds more than {limit >> 20} MiB after decompression; split the file")
    if any(found.startswith(magic) for magic, _ in _MAGIC):
        raise schema.BadInput(f"{path}: is compressed twice; decompress it once")
    return found


def _stored(path: Path, limit: int) -> bytes:
    """The bytes on disk, refused where there are more than the limit."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise schema.BadInput(f"{path}: cannot be read (not a regular file)")
        if status.st_size > limit:
            raise schema.BadInput(f"{path}: holds {status.st_size >> 20} MiB, the limit is {limit >> 20}; split it")
        return path.read_bytes()
    except FileNotFoundError:
        raise schema.BadInput(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise schema.BadInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _gunzip(data: bytes, limit: int) -> bytes:
    """All gzip members, one after the other, as ``gunzip`` does."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(limit + 1)


def _unxz(data: bytes, limit: int) -> bytes:
    """All xz streams, one after the other, as ``unxz`` does."""
    found, rest = bytearray(), data
    while rest:
        decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
        found += decoder.decompress(rest, _STEP)
        while not decoder.eof and len(found) <= limit:
            if decoder.needs_input:
                raise EOFError("the file ends before the end-of-stream marker")
            found += decoder.decompress(b"", _STEP)
        if len(found) > limit:
            break
        rest = decoder.unused_data.lstrip(b"\0")
    return bytes(found)


def _unzstd(data: bytes, limit: int) -> bytes:
    from pyarrow import lib as pa  # its codec saves a dependency; imported here since few files need it

    try:
        with pa.input_stream(pa.py_buffer(data), compression="zstd") as stream:
            return bytes(stream.read(limit + 1))
    except OSError as error:
        raise ValueError(str(error).splitlines()[0]) from None


_MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
)
_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {"gz": _gunzip, "xz": _unxz, "zst": _unzstd}
