"""Where files live, how they are written, and what is written next to them.

Every stage writes its files atomically (a killed run leaves the old file or the new one, never half of one) and puts
their provenance next to them. Nothing here knows what the files mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import yaml

from .. import schema

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE_PACKAGES = ("numpy", "pandas", "scipy", "torch", "transformers", "peft", "trl", "papermill")


def root() -> Path:
    """The checkout: ``ASTRAIOS_ROOT``, or the folder that holds the package and its ``data``."""
    override = os.environ.get("ASTRAIOS_ROOT")
    path = Path(override) if override else Path(__file__).resolve().parents[2]
    if not (path / "data" / "paper").is_dir():
        raise schema.BadInput(f"{path}: holds no data/paper; set ASTRAIOS_ROOT to a checkout of the project")
    return path


def data_dir() -> Path:
    """What the project ships: published numbers, suites, the manifest of released files, samples."""
    return root() / "data"


def build_dir() -> Path:
    """What runs write (``ASTRAIOS_BUILD``, or ``build`` in the checkout); never committed."""
    return Path(os.environ.get("ASTRAIOS_BUILD") or root() / "build")


def cache_dir() -> Path:
    """Downloads and the journal of program verdicts: may be deleted at any time, at the price of time."""
    return build_dir() / "cache"


def suite_dir(suite: str) -> Path:
    """The files of one suite's run."""
    return build_dir() / suite


def figures_dir(suite: str) -> Path:
    """Where the notebooks put the figures of one suite (``ASTRAIOS_FIGURES`` overrides the parent folder)."""
    return Path(os.environ.get("ASTRAIOS_FIGURES") or root() / "figures") / suite


def _suite_files() -> dict[str, Path]:
    """The suites that are known by their name: those of ``data/suites``, and those that have run here."""
    known = {path.parent.name: path for path in sorted(build_dir().glob("*/suite.yaml"))}
    return known | {path.stem: path for path in sorted((data_dir() / "suites").glob("*.yaml"))}


def suite_names() -> tuple[str, ...]:
    """The names that :func:`load_suite` knows."""
    return tuple(sorted(_suite_files()))


def load_suite(name: str) -> schema.Suite:
    """The suite file at that path, or the suite of that name: in ``data/suites``, or one that has run here.

    ``NAME-seed<k>`` is training run k of the suite NAME.
    """
    if name.endswith((".yaml", ".yml")):
        return schema.read_suite(Path(name), cache_dir())
    known = _suite_files()
    of, _, number = name.rpartition("-seed")
    if of in known and name not in known and number.isdecimal():
        return load_suite(of).run_of(int(number))
    path = known[schema.match(name, known, "suite")]
    return _read_suite(path, path.stat().st_mtime_ns, cache_dir())


@lru_cache
def _read_suite(path: Path, changed: int, cache: Path) -> schema.Suite:
    return schema.read_suite(path, cache)


def keep_suite(suite: schema.Suite) -> None:
    """Keep a suite that is not the project's with its run, so that notebooks and commands find it by its name.

    Raises:
        schema.BadInput: it has the name of one of the project's suites, and says something else.
    """
    shipped = data_dir() / "suites" / f"{suite.name}.yaml"
    if shipped.exists():
        if schema.read_suite(shipped, cache_dir()) != suite:
            raise schema.BadInput(f"suite {suite.name}: the project has another of that name ({shipped}); rename yours")
        return
    of, _, number = suite.name.rpartition("-seed")
    if number.isdecimal() and (data_dir() / "suites" / f"{of}.yaml").exists():
        return  # a training run of one of the project's suites: its name says what it is
    path = suite_dir(suite.name) / "suite.yaml"
    text = yaml.safe_dump(suite.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with atomic(path, "w") as stream:
            stream.write(text)


@contextlib.contextmanager
def atomic(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file next to ``path`` and move it there when the block succeeds; remove it otherwise.

    Raises :class:`schema.BadInput` in one line where the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise schema.BadInput(f"{path.parent}: cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise schema.BadInput(f"{path}: could not be written ({error.strerror})") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def require_writable(folder: Path) -> None:
    """Raise :class:`schema.BadInput` now, before hours of work, where ``folder`` cannot be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise schema.BadInput(f"{folder}: cannot be written ({error.strerror})") from None


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON, atomically."""
    with atomic(path, "w") as stream:
        json.dump(value, stream, indent=1, sort_keys=True, ensure_ascii=False)
        stream.write("\n")


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as parquet or CSV (by the ending of ``path``), atomically, without its index."""
    with atomic(path) as stream:
        if path.suffix == ".parquet":
            frame.to_parquet(stream, index=False)
        else:
            frame.to_csv(stream, index=False, lineterminator="\n")


def sha256(data: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, without holding the file in memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_blob_sha1(data: bytes) -> str:
    """The name git gives to a file of these bytes; what the manifest of released files is verified by."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def fingerprint(value: Any) -> str:
    """A short hash of plain data, the same on every machine."""
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode())[:16]


@lru_cache
def _git(*args: str) -> str | None:
    try:
        command = ["git", "--no-optional-locks", *args]  # a status that refreshes the index would lock it
        done = subprocess.run(command, cwd=root(), capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # not a checkout, or no git: the provenance says null
    return done.stdout.strip()


def peak_memory_mib() -> int:
    """Most memory that this process has held, in MiB; since ``training.cost.reset_host_peak`` where that was called.

    Of Linux's two numbers, that of ``getrusage`` would begin with what the parent held when it started this process.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def provenance(**extra: Any) -> dict[str, Any]:
    """Who made a file and when: code, interpreter, packages, machine, peak memory; plus what the caller adds."""
    versions = {}
    for package in PROVENANCE_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": versions,
        "peak_memory_mib": peak_memory_mib(),
        **extra,
    }


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object written by :func:`write_json`, or ``None`` where there is no such file (or it is not readable)."""
    try:
        return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def is_current(path: Path, inputs: Mapping[str, Any]) -> bool:
    """Whether ``path`` exists and its provenance says that it was made from exactly these inputs."""
    beside = read_json(path.with_suffix(path.suffix + ".json"))
    return path.exists() and beside is not None and beside.get("inputs") == dict(inputs)


def frame_hash(frame: pd.DataFrame) -> str:
    """A short hash of a frame's columns and values."""
    return sha256(frame.to_csv(index=False).encode())[:16]


def stored(path: Path, inputs: Mapping[str, Any], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The frame at ``path`` if it was made from these inputs; otherwise it is computed, written there and returned."""
    import pandas as pd  # here, so that commands that read no table start without it

    if not is_current(path, inputs):
        write_stage(path, compute(), inputs)
    return pd.read_parquet(path)


def write_stage(path: Path, frame: pd.DataFrame, inputs: Mapping[str, Any], **extra: Any) -> None:
    """Write a stage's frame and, last, the provenance that makes :func:`is_current` true."""
    write_frame(path, frame)
    write_json(path.with_suffix(path.suffix + ".json"), provenance(inputs=dict(inputs), **extra))
