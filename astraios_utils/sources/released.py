"""Upstream's files: the 380 released generation files and the benchmarks' problems, found or fetched, always verified.

A file is looked for in the mirror (``ASTRAIOS_MIRROR``, or ``../shared/mirror`` next to the checkout) and in the cache,
and can be fetched from upstream at a pinned commit (``ASTRAIOS_UPSTREAM`` names another server with the same paths).
Wherever it comes from, its git blob SHA-1 must be the one in ``data/released``; files found on disk are verified once
and stamped. A download goes into a ``.part`` file, which a later run continues and nobody reads.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import IO

import requests

from .. import schema, store
from ..schema import Model
from ..store import processes
from ..store.compressed import read_bytes

UPSTREAM = "https://raw.githubusercontent.com"
ASTRAIOS = "bigcode-project/astraios/c679bc5d8956036876f7c974225c1d5042d9784b"
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file of upstream's.

    Attributes:
        place: its path below a mirror or the cache, without compression suffix.
        origin: repository, commit and path, as in upstream's raw addresses.
        git_blob_sha1: the name git gives to its bytes; ``bytes`` and ``sha256`` are empty where nobody has measured.
    """

    place: str
    origin: str
    git_blob_sha1: str
    bytes: int | None = None
    sha256: str = ""

    @property
    def url(self) -> str:
        """Where it can be fetched."""
        return f"{(os.environ.get('ASTRAIOS_UPSTREAM') or UPSTREAM).rstrip('/')}/{self.origin}"


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A generations file of the paper's models: one row of ``data/released/manifest.csv``.

    Attributes:
        path: upstream's path, from ``outputs/``.
        use: ``scored``, or why the file is not the one that is scored.
        note: what is odd about it.
    """

    path: str
    task: str
    size: str
    method: str
    git_blob_sha1: str
    bytes: int | None
    sha256: str
    use: str
    note: str

    @property
    def model(self) -> Model:
        """The model that wrote it."""
        return Model(self.size, self.method)

    @property
    def artefact(self) -> Artefact:
        """The file as something to find or fetch."""
        return Artefact(f"astraios/{self.path}", f"{ASTRAIOS}/{self.path}", self.git_blob_sha1, self.bytes, self.sha256)


def _rows(name: str) -> list[dict[str, str]]:
    with (store.data_dir() / "released" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@lru_cache
def manifest() -> tuple[ReleasedFile, ...]:
    """All 380 released files."""
    return tuple(
        ReleasedFile(**{**row, "bytes": int(row["bytes"]) if row["bytes"] else None})  # type: ignore[arg-type]
        for row in _rows("manifest.csv")
    )


@lru_cache
def benchmarks() -> dict[str, Artefact]:
    """The benchmarks' problem files, by place."""
    return {
        row["place"]: Artefact(row["place"], row["origin"], row["git_blob_sha1"], int(row["bytes"]), row["sha256"])
        for row in _rows("benchmarks.csv")
    }


def task_names() -> tuple[str, ...]:
    """The tasks that have released files."""
    return tuple(sorted({file.task for file in manifest()}, key=schema.TASKS.index))


def files(task: str | None = None, size: str | None = None, method: str | None = None) -> tuple[ReleasedFile, ...]:
    """The released files of a task, a size, a method: duplicates and partial ones included."""
    return tuple(
        file
        for file in manifest()
        if task in (None, file.task) and size in (None, file.size) and method in (None, file.method)
    )


def choose(task: str, model: Model) -> ReleasedFile | None:
    """The one file that is scored for that cell, or ``None`` where nothing usable was released."""
    usable = [file for file in files(task, model.size, model.method) if file.use == "scored"]
    return usable[0] if usable else None


def duplicates() -> dict[str, tuple[ReleasedFile, ...]]:
    """Files with the same content, by git blob SHA-1."""
    groups: dict[str, list[ReleasedFile]] = {}
    for file in manifest():
        groups.setdefault(file.git_blob_sha1, []).append(file)
    return {sha: tuple(group) for sha, group in groups.items() if len(group) > 1}


def mirror() -> Path | None:
    """The folder with upstream's files: ``ASTRAIOS_MIRROR`` (``none``: no mirror), or the one next to the checkout."""
    named = os.environ.get("ASTRAIOS_MIRROR")
    if named == "none":
        return None
    if named:
        if not Path(named).is_dir():
            raise schema.BadInput(f"ASTRAIOS_MIRROR: {named} is not a folder")
        return Path(named)
    beside = store.root().parent / "shared" / "mirror"
    return beside if beside.is_dir() else None


def cached(artefact: Artefact) -> Path:
    """Where a fetched file lies in the cache."""
    return store.cache_dir() / "upstream" / artefact.place


def find(artefact: Artefact) -> Path | None:
    """The file in the mirror or the cache, verified; ``None`` where neither has it.

    Raises:
        schema.BadInput: a file of that name is there, but it is not upstream's.
    """
    folder = mirror()
    places = [folder / f"{artefact.place}{suffix}" for suffix in (".xz", "")] if folder else []
    for path in (*places, cached(artefact)):
        if path.is_file():
            _verify(path, artefact)
            return path
    return None


def locate(file: ReleasedFile) -> Path | None:
    """:func:`find` for a released file."""
    return find(file.artefact)


def benchmark(place: str) -> Path:
    """A verified file of benchmark problems, fetched where it has to be.

    Raises:
        schema.MissingArtefact: it is in neither mirror nor cache, and upstream does not give it.
    """
    artefact = benchmarks()[place]
    return find(artefact) or download(artefact)


def _verify(path: Path, artefact: Artefact) -> None:
    """Compare the bytes with the manifest, once: a stamp tells later calls that this very file is the one."""
    stat, name = path.stat(), str(path.resolve())
    seen = {"path": name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "blob": artefact.git_blob_sha1}
    stamp = store.cache_dir() / "verified" / f"{store.sha256(name.encode())[:32]}.json"
    if store.read_json(stamp) == seen:
        return
    found = store.git_blob_sha1(read_bytes(path))
    if found != artefact.git_blob_sha1:
        raise schema.BadInput(
            f"{path}: is not upstream's file (git blob {found[:12]}, expected {artefact.git_blob_sha1[:12]}): "
            "delete it and fetch it again"
        )
    store.write_json(stamp, seen)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download tries, in seconds.

    Attributes:
        attempts: tries without any progress before giving up.
        connect, stall: longest wait for a connection, and for the next bytes.
        pause: wait before the second try; doubled each time.
        longest: longest wait that a server may ask for with ``Retry-After``.
    """

    attempts: int = 5
    connect: float = 10.0
    stall: float = 30.0
    pause: float = 1.0
    longest: float = 120.0


@dataclass(slots=True)
class FetchReport:
    """What :func:`fetch` did: files by what became of them, and the bytes that came over the wire."""

    present: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    bytes: int = 0

    def __str__(self) -> str:
        head = f"{len(self.present)} present, {len(self.fetched)} fetched ({self.bytes / 1e6:.1f} MB)"
        return "\n".join([f"{head}, {len(self.failed)} failed", *(f"  {why}" for why in self.failed.values())])


class _Retry(Exception):
    """A fault that another try may fix; ``after`` is the wait in seconds that the server asked for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class _NoConnection(_Retry):
    """No connection could be made."""


class Unreachable(schema.MissingArtefact):
    """Upstream's server cannot be reached at all."""


def reachable(timeout: float = 5.0, place: str = "") -> bool:
    """Whether upstream's server answers, or the one at ``place``."""
    with contextlib.suppress(requests.RequestException), requests.Session() as session:
        session.head(place or os.environ.get("ASTRAIOS_UPSTREAM") or UPSTREAM, timeout=timeout, allow_redirects=False)
        return True
    return False


def fetch(wanted: Iterable[ReleasedFile], progress: bool = True, patience: Patience | None = None) -> FetchReport:
    """Fetch what is in neither mirror nor cache; files that fail are reported, the others come all the same.

    Raises:
        Unreachable: no server answers, in one line that says what to do instead.
    """
    report = FetchReport()
    wanted = list(wanted)
    shown = processes.stage("fetch", len(wanted), every=10.0) if progress else contextlib.nullcontext(lambda _: None)
    with shown as finished:
        for file in wanted:
            _fetch(file, report, patience)
            finished(f"fetching {file.path}")
    return report


def _fetch(file: ReleasedFile, report: FetchReport, patience: Patience | None) -> None:
    """Fetch one file where it is missing, and note in the report what became of it."""
    try:
        if locate(file) is not None:
            report.present.append(file.path)
            return
        path = download(file.artefact, patience)
    except Unreachable:
        raise
    except schema.AstraiosError as error:
        report.failed[file.path] = str(error)
    else:
        report.fetched.append(file.path)
        report.bytes += path.stat().st_size


def download(artefact: Artefact, patience: Patience | None = None) -> Path:
    """Fetch one file into the cache, continuing what an earlier try left; several processes may do so at once.

    Raises:
        Unreachable: no connection can be made.
        schema.MissingArtefact: upstream does not have or does not give the file, or its bytes are not the manifest's.
    """
    path, patience = cached(artefact), patience or Patience()
    unfinished = path.with_name(f"{path.name}.part")
    with _locked(unfinished) as part:
        if path.is_file():  # another process has fetched it while this one waited
            unfinished.unlink(missing_ok=True)
            _verify(path, artefact)
            return path
        _fill(part, artefact, patience)
        os.replace(part.name, path)
        _verify(path, artefact)
    return path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open the unfinished file, alone among all processes; what a killed one left in it is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            yield part
    except OSError as error:
        raise schema.BadInput(f"{path}: cannot be written ({error.strerror})") from None


def _fill(part: IO[bytes], artefact: Artefact, patience: Patience) -> None:
    """Bring the unfinished file to its full length and check its hash; failures in a row without progress end it."""
    failures, wrong, reached = 0, 0, part.seek(0, os.SEEK_END)
    while True:
        try:
            _request(part, artefact, patience)
        except _Retry as fault:
            size = part.seek(0, os.SEEK_END)
            failures, reached = (1 if size > reached else failures + 1), size
            _give_up(fault, failures, artefact, patience)
            time.sleep(patience.pause * 2 ** (failures - 1) if fault.after is None else fault.after)
            continue
        if _blob(part) == artefact.git_blob_sha1:
            return
        part.truncate(0)  # what was there may have come from elsewhere: once more from the start
        wrong, reached = wrong + 1, 0
        if wrong > 1:
            raise schema.MissingArtefact(f"{artefact.url}: the bytes that came are not those of the manifest")


def _give_up(fault: _Retry, failures: int, artefact: Artefact, patience: Patience) -> None:
    """Raise where another try makes no sense."""
    if isinstance(fault, _NoConnection) and failures >= min(3, patience.attempts):
        host = "/".join(artefact.url.split("/")[:3])
        raise Unreachable(
            f"{host} cannot be reached ({fault}): connect, or set ASTRAIOS_MIRROR to a folder with upstream's files"
        ) from None
    if failures >= patience.attempts:
        raise schema.MissingArtefact(f"{artefact.url}: gave up after {failures} tries ({fault})") from None
    if fault.after is not None and fault.after > patience.longest:
        raise schema.MissingArtefact(
            f"{artefact.url}: {fault}; it requests a wait of {fault.after:.0f} s: try later"
        ) from None


def _request(part: IO[bytes], artefact: Artefact, patience: Patience) -> None:
    """Request the rest of an unfinished file and append it; raises :class:`_Retry` where it may come another time."""
    start = part.seek(0, os.SEEK_END)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    limits = (patience.connect, patience.stall)
    try:
        response = requests.get(artefact.url, headers=headers, stream=True, timeout=limits)
    except requests.ReadTimeout:
        raise _Retry(f"no answer within {patience.stall:g} s") from None
    except requests.ConnectionError as error:
        raise _NoConnection(_reason(error)) from None
    with response:
        if response.status_code == 416 and start:
            return  # nothing lies beyond what is here: the hash decides
        _refuse(response, artefact)
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.truncate(0)  # the server sends the whole file
        try:
            for chunk in response.iter_content(CHUNK):
                part.write(chunk)
        except requests.RequestException as error:
            raise _Retry(f"broke off after {part.tell()} bytes: {_reason(error)}") from None
        finally:
            part.flush()
    if artefact.bytes is not None and part.tell() < artefact.bytes:
        raise _Retry(f"broke off after {part.tell()} of {artefact.bytes} bytes")


def _refuse(response: requests.Response, artefact: Artefact) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise _Retry(f"the server answers HTTP {status}", _wait(response.headers.get("Retry-After")))
    if status >= 400:
        raise schema.MissingArtefact(f"{artefact.url}: upstream does not give this file (HTTP {status})")


def _wait(header: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header requests (a number or a date), or ``None``."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None


def _reason(error: Exception) -> str:
    """The innermost cause that the library names, in one line."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return text.rsplit("(Caused by ", 1)[-1].rstrip(")")[:160]


def _blob(part: IO[bytes]) -> str:
    """The git blob SHA-1 of an open file."""
    size = part.seek(0, os.SEEK_END)
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    part.seek(0)
    while chunk := part.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
