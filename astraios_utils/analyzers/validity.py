"""Whether a program is valid: it compiles (C) or would be byte-compiled (Python). Nothing is linked or run.

C goes through the machine's gcc (or clang) with ``-fsyntax-only``, many files a process, in an empty folder, under
limits of CPU time, memory and wall time. C89 habits (implicit declarations, implicit int) are allowed as the compilers
of the paper's time allowed them. Without a compiler, tree-sitter's syntax check stands in and says so. A header that is
not installed makes a program invalid, as it did for the benchmark's authors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .c import syntax as c_syntax
from .findings import GaveUp

LARGEST = 200_000  # characters; a completion of 1,024 tokens has a few thousand
FLAGS = ("-std=gnu17", "-fsyntax-only", "-w", "-fdiagnostics-color=never")
# gcc 14 and clang 16 made these errors; before, they were warnings.
LENIENT = tuple(f"-Wno-error={name}" for name in ("implicit-function-declaration", "implicit-int", "int-conversion"))
LENIENT += ("-Wno-error=incompatible-pointer-types",)
BATCH = 32  # files a process
CPU_SECONDS, MEMORY_KIB = 10, 2_000_000  # of each compiler process
WALL_SECONDS = 120  # of a batch, for machines that are busy with other things
# Not every shell or system knows every limit; the wall time above holds everywhere.
_LIMITS = (f"-t {CPU_SECONDS}", f"-v {MEMORY_KIB}", "-f 2048")
_LIMITED = "".join(f"ulimit {limit} 2>/dev/null || :; " for limit in _LIMITS) + 'exec "$@"'
_ERROR = re.compile(r"^(\d+)\.c:(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", re.MULTILINE)
_INCLUDE = re.compile(r"^[^\S\n]*#[^\S\n]*(?:include|include_next|import|embed)\b(.*)$", re.MULTILINE)
_PLAIN_HEADER = re.compile(r"""\s*[<"][\w+-][\w.+-]*(?:/[\w+-][\w.+-]*)*[>"]\s*(?://.*|/\*.*)?""")


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether a program is valid (``None``: not found out), and one line that says why not."""

    valid: bool | None
    detail: str = ""


@lru_cache
def compiler() -> str | None:
    """The C compiler that decides, or ``None``."""
    return shutil.which("gcc") or shutil.which("clang")


@lru_cache
def compiler_version() -> str:
    """What decides about C, with its version; part of a verdict's provenance."""
    path = compiler()
    if path is None:
        return "tree-sitter-c"
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=WALL_SECONDS)
    return (done.stdout.splitlines() or [path])[0].strip()


def check_c(sources: Iterable[str], workers: int | None = None) -> list[Validity]:
    """Whether each C program compiles, in the order given.

    Args:
        workers: compiler processes at a time; the machine's cores by default.
    """
    sources = list(sources)
    found: dict[int, Validity] = {}
    waiting: list[int] = []
    for number, source in enumerate(sources):
        early = _without_compiler(source)
        if early is None:
            waiting.append(number)
        else:
            found[number] = early
    batches = [waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH)]
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for answers in pool.map(lambda batch: _compile([(n, sources[n]) for n in batch]), batches):
            found |= answers
    return [found[number] for number in range(len(sources))]


def _without_compiler(source: str) -> Validity | None:
    """What can be said without one; ``None`` where it has to decide."""
    if len(source) > LARGEST:
        return Validity(None, f"larger than {LARGEST:,} characters")
    if "\0" in source:
        return Validity(None, "holds NUL characters")
    try:
        source.encode()
    except UnicodeEncodeError:
        return Validity(None, "is not UTF-8")
    for included in _INCLUDE.finditer(source):
        if not _PLAIN_HEADER.fullmatch(included[1]):  # a path, or a macro: what it names depends on the machine
            line = source.count("\n", 0, included.start()) + 1
            return Validity(False, f"line {line}: includes {included[1].strip()!r:.40}, which is no plain header")
    if compiler() is not None:
        return None
    try:
        broken = c_syntax.parse(source).broken
    except GaveUp as error:
        return Validity(None, str(error))
    return Validity(not broken, broken)


def _compile(numbered: Sequence[tuple[int, str]]) -> dict[int, Validity]:
    """Compile files together; where the process dies, one by one, so that one file cannot decide for others."""
    errors, finished = _run([source for _, source in numbered])
    if finished:
        numbers = [number for number, _ in numbered]
        return {number: _validity(errors.get(at)) for at, number in enumerate(numbers)}
    if len(numbered) == 1:
        return {numbered[0][0]: Validity(None, "the compiler ran out of time or memory")}
    found: dict[int, Validity] = {}
    for one in numbered:
        found |= _compile([one])
    return found


def _validity(error: str | None) -> Validity:
    return Validity(True) if error is None else Validity(False, error)


def _run(sources: Sequence[str]) -> tuple[dict[int, str], bool]:
    """First error by position, and whether the compiler got through all files."""
    with tempfile.TemporaryDirectory(prefix="astraios-c-") as folder:
        for at, source in enumerate(sources):
            Path(folder, f"{at}.c").write_bytes(source.encode("utf-8", "replace"))
        command = ["/bin/sh", "-c", _LIMITED, "sh", compiler() or "gcc", *FLAGS, *LENIENT]
        command += [f"{at}.c" for at in range(len(sources))]
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TMPDIR": folder}
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=WALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {}, False
    said = done.stderr.decode("utf-8", "replace")
    errors: dict[int, str] = {}
    for at, line, message in _ERROR.findall(said):
        errors.setdefault(int(at), f"line {line}: {message[:120]}")
    died = done.returncode not in (0, 1) or "internal compiler error" in said or "Killed signal" in said
    unexplained = done.returncode == 1 and not errors
    return errors, not (died or unexplained)
