"""Files of any content: compressed in any way, damaged, or JSON that only looks harmless; one clear line each."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from pathlib import Path

import pytest
from pyarrow import Codec

from astraios_utils import schema
from astraios_utils.store import compressed
from astraios_utils.tasks.files import read_content

TEXT = json.dumps([["def f():\n    return 'é'"]] * 50).encode()
PACKERS = {"gz": gzip.compress, "xz": lzma.compress, "zst": lambda d: Codec("zstd").compress(d, asbytes=True)}


def refused(path: Path) -> str:
    with pytest.raises(schema.BadInput) as caught:
        read_content(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("form", PACKERS)
@pytest.mark.parametrize("name", ["x.json", "x.json.gz", "x.json.xz", "x.json.zst"])
def test_compression_is_recognised_by_content(tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[form](TEXT))
    assert read_content(path).rows == json.loads(TEXT)


@pytest.mark.parametrize("form", PACKERS)
@pytest.mark.parametrize("kept", [-1, -9, 30, 7])
def test_cut_short(tmp_path: Path, form: str, kept: int) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(PACKERS[form](TEXT)[:kept])
    assert "cut short" in refused(path)


@pytest.mark.parametrize("form", PACKERS)
def test_a_small_file_that_holds_gigabytes_is_refused_early(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(PACKERS[form](b"[" + b" " * (8 << 20) + b"]"))
    with pytest.raises(schema.BadInput, match="more than 4 MiB after decompression"):
        compressed.read_bytes(path, limit=4 << 20)


def test_a_large_plain_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as stream:
        stream.truncate(compressed.LIMIT + 1)  # sparse: takes no space
    assert "the limit is 512" in refused(path)


def test_compressed_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.json.xz"
    path.write_bytes(lzma.compress(gzip.compress(TEXT)))
    assert "compressed twice" in refused(path)


def test_neither_pipes_nor_devices_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    assert "not a regular file" in refused(tmp_path / "x.json")
    assert "not a regular file" in refused(Path("/dev/zero"))


TRAPS = {
    "huge integer": (b"[[" + b"1" * 5000 + b"]]", "an integer of 5000 digits"),
    "not a number": (b'[["a"], [NaN]]', "NaN is not a JSON number"),
    "infinity": (b"[-Infinity]", "-Infinity is not a JSON number"),
    "overflow": (b"[1e999]", "the number 1e999 is too large"),
    "deep lists": (b"[" * 100_000, "nested more than 100 deep"),
    "rather deep lists": (b"[" * 150 + b"]" * 150, "nested more than 100 deep"),
    "deep objects": (b"[" + b'{"a":' * 400 + b"1" + b"}" * 401, "not JSON"),
    "repeated key": (b'[{"a": 1, "b": 2, "a": 3}]', "the key 'a' comes twice"),
    "UTF-8 with a mark": (b"\xef\xbb\xbf[]", "byte order mark of UTF-8"),
    "UTF-16": ("[]".encode("utf-16"), "byte order mark of UTF-16"),
    "UTF-32": ("[]".encode("utf-32"), "byte order mark of UTF-32"),
    "Latin-1": (b'["a",\n"\xe9"]', "not JSON in UTF-8 (line 2, byte 7"),
    "NUL bytes": (b"\0\0\0\0", "not JSON"),
    "nothing": (b"", "not JSON"),
    "cut short": (b'[["def f', "the file may be cut short"),
    "two values": (b"[]\n[]\n", "JSON lines need a name that ends in .jsonl"),
    "single quotes": (b"[['a']]", "not JSON"),
    "trailing comma": (b'["a",]', "not JSON"),
    "a string": (b'"abc"', "type str"),
    "null": (b"null", "type NoneType"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_traps_are_one_line(tmp_path: Path, name: str) -> None:
    data, told = TRAPS[name]
    path = tmp_path / "x.json"
    path.write_bytes(data)
    assert told in refused(path)


@pytest.mark.parametrize("name", [name for name in TRAPS if name not in ("nothing", "two values", "a string", "null")])
def test_traps_in_json_lines_are_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(TRAPS[name][0])
    assert "not JSON" in refused(path)


def test_the_suffix_of_json_lines_may_be_upper_case_or_followed_by_that_of_compression(tmp_path: Path) -> None:
    for name, data in {"x.JSONL": b"1\n2\n", "x.jsonl.gz": gzip.compress(b"1\n\n2")}.items():
        (tmp_path / name).write_bytes(data)
        assert read_content(tmp_path / name).rows == [1, 2]
