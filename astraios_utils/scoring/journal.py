"""The journal of programs that have run: one line per distinct program, appended as soon as its verdict is known.

A program's key covers everything that its verdict depends on: sources, test, limit, language level, interpreter or JDK
version, and the sandbox's rules. So a killed run never repeats a finished program, the same program in another sample
or file costs nothing, and a change to any of these makes the program run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from .. import schema, store
from ..sandbox import ERROR, FAILED, PASSED, RULES, TIMEOUT, Outcome, Program, conditions

STATUSES = (PASSED, FAILED, ERROR, TIMEOUT)
KEY_DIGITS = 32


@lru_cache(maxsize=4096)
def _head(p: Program, rules: int) -> hashlib.blake2b:
    """The hash of everything but the sample; ``p`` comes without it, so that samples of one problem share it."""
    head = hashlib.blake2b(digest_size=KEY_DIGITS // 2)
    settings = (repr(float(p.timeout)), repr(p.release), p.entry_point, *(("apart",) if p.apart else ()))
    for part in (conditions(p.language), str(rules), p.language, p.preamble, p.test, *settings):
        data = part.encode("utf-8", "surrogatepass")
        head.update(b"%d:" % len(data))
        head.update(data)
    return head


def program_key(program: Program, rules: int = RULES) -> str:
    """32 hex digits: a hash of the program and of everything else that its verdict depends on."""
    digest = _head(replace(program, sample=""), rules).copy()
    digest.update(program.sample.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _entry(line: bytes) -> tuple[str, Outcome] | None:
    """The key and the outcome of one line, or ``None`` where the line is none that :meth:`Journal.put` writes."""
    try:
        key, status, detail, seconds, cpu = json.loads(line)
        texts = all(isinstance(value, str) for value in (key, status, detail))
        times = [float(value) for value in (seconds, math.nan if cpu is None else cpu)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if not texts or len(key) != KEY_DIGITS or status not in STATUSES or not 0 <= times[0] < math.inf:
        return None
    return key, Outcome(status, detail, *times)


class Journal:
    """Outcomes by program key, in memory and in one append-only JSON-lines file.

    Several processes may append to the same file: each line is one ``write`` to a descriptor in append mode.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or store.cache_dir() / "programs.jsonl"
        self._known: dict[str, Outcome] = {}
        self.damaged = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise schema.BadInput(f"{self.path}: cannot be written ({error.strerror})") from None
        self._load()

    def _load(self) -> None:
        ended = True
        with self.path.open("rb") as lines:
            for line in lines:
                ended = line.endswith(b"\n")
                entry = _entry(line)
                if entry is None:
                    self.damaged += 1  # cut off by a full disk or a power cut, or not ours: that program runs again
                else:
                    self._known[entry[0]] = entry[1]
        if not ended:
            self._write(b"\n")

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            raise schema.BadInput(f"{self.path}: could not be written ({error.strerror})") from None
        if written != len(data):
            raise schema.BadInput(f"{self.path}: could not be written (disk full after {written} bytes)")

    def get(self, key: str) -> Outcome | None:
        """The outcome of that program, or ``None`` where it has not run."""
        return self._known.get(key)

    def put(self, key: str, outcome: Outcome) -> None:
        """Append an outcome; the operating system has it when this returns."""
        cpu = None if math.isnan(outcome.cpu) else round(outcome.cpu, 4)
        record = [key, outcome.status, outcome.detail, round(outcome.seconds, 4), cpu]
        self._write(json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
        self._known[key] = outcome

    def __len__(self) -> int:
        return len(self._known)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


@contextlib.contextmanager
def open_journal(path: Path | None = None) -> Iterator[Journal]:
    """A journal that is closed when the block ends."""
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()
