"""Held-out text of the model's own kind: plain English and code, on which forgetting is measured.

SmolLM2 was pre-trained on web pages and source code. Two kinds of documents stand for them: pieces of the packages'
READMEs, and the beginnings of modules of the packages whose functions are test data. No instruction is made of either.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import store
from . import instructions

VERSION = 1
LENGTH = 1500  # characters of a document
MODULES = 8  # of all test packages together
_MARKUP = re.compile(r"<[^>]*>|^\s*(\[!\[|!\[|\.\. |:\w+:).*$", re.MULTILINE)
_BLANK = re.compile(r"\n\s*\n\s*")


def write(folder: Path) -> Path:
    """Write ``retained.jsonl.xz``, documents without a prompt; a current file stays.

    Args:
        folder: gets the file, and ``retained.json`` with what it was made from.

    Returns:
        The file.
    """
    packages = instructions.sources()
    path, note = folder / "retained.jsonl.xz", folder / "retained.json"
    inputs = {"version": VERSION, "packages": instructions.versions(packages)}
    if path.exists() and (store.read_json(note) or {}).get("inputs") == inputs:
        return path
    documents = [*_prose(packages), *_code(packages)]
    lines = "".join(json.dumps({"prompt": "", "completion": text, "source": of}) + "\n" for of, text in documents)
    with store.atomic(path) as stream:
        stream.write(lzma.compress(lines.encode(), preset=6))
    kinds = {"prose": sum(":" not in of for of, _ in documents), "code": sum(":" in of for of, _ in documents)}
    store.write_json(note, {"inputs": inputs, "documents": kinds})
    return path


def _prose(packages: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """The second piece of each package's README, where it has two: the first is mostly badges and links."""
    for name in sorted(packages):
        text = _BLANK.sub("\n\n", _MARKUP.sub("", _readme(name))).strip()
        if len(text) >= 2 * LENGTH:
            yield name, text[LENGTH : 2 * LENGTH]


def _readme(name: str) -> str:
    held: Any = metadata.metadata(name)  # an email message, whose methods its protocol does not name
    return str(held.get_payload() or held.get("Description", ""))


def _modules(packages: Mapping[str, Path], split: str) -> list[tuple[str, Path]]:
    """The modules of the packages of a split, the largest first."""
    modules = [
        (name, path)
        for name, folder in packages.items()
        if instructions.split_of(name) == split
        for path in folder.rglob("*.py")
    ]
    return sorted(modules, key=lambda one: (-one[1].stat().st_size, str(one[1])))


def _code(packages: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """The beginnings of the largest modules of the test packages."""
    for name, path in _modules(packages, "test")[:MODULES]:
        yield f"{name}:{path.name}", path.read_text(encoding="utf-8")[:LENGTH]


def further(count: int) -> list[str]:
    """Other text to pre-train further on: the beginnings of the training packages' largest modules.

    Some of their functions are instruction data as well; no document of :func:`write` is among them.
    """
    return [path.read_text(encoding="utf-8")[:LENGTH] for _, path in _modules(instructions.sources(), "train")[:count]]
