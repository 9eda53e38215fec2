"""The sandbox finds its interpreter and its packages wherever the environment lies."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from astraios_utils.sandbox.kernel import levels

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("fft", "ma", "polynomial", "testing", "char", "rec", "linalg", "random", "lib", "matrixlib", "ctypeslib")
SCRIPT = """
import sys, json
from astraios_utils.sandbox import FULL, Program, Sandbox
parts = sys.argv[1].split(",")
loads = "\\n".join(f"import numpy.{part}" for part in parts)
sample = loads + '''
import multiprocessing, os, tempfile, decimal, sqlite3 if False else os
def f():
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    with multiprocessing.Lock():
        return [np.fft.fft([1, 0]).real.tolist(), sorted(os.listdir("/tmp"))]
'''.replace(", sqlite3 if False else os", "")
with Sandbox(workers=1, isolation=FULL) as box:
    test = "first, names = f()\\nassert first == [1.0, 1.0] and np.ma.masked is not None"
    ((_, outcome),) = box.run([Program("python", sample, test, "import numpy as np")])
    ((_, writes),) = box.run([Program("python", '''
import os
def f():
    for root, folders, files in os.walk(os.path.dirname(np.__file__)):
        for place in (root, os.path.join(root, files[0])):
            try:
                open(os.path.join(place, "new") if os.path.isdir(place) else place, "a")
                return "written"
            except OSError as error:
                kept = error.errno
        return kept
''', "assert f() in (13, 30, 20)", "import numpy as np")])
print(json.dumps([outcome.status, outcome.detail, writes.status, writes.detail]))
"""


@pytest.fixture(params=["/tmp", "/home", pytest.param("/dev/shm", marks=pytest.mark.smoke)])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder in a place that private mounts may hide."""
    if levels.missing_for("full"):
        pytest.skip("no private mounts on this machine")
    if not os.access(request.param, os.W_OK):
        pytest.skip(f"{request.param} cannot be written")
    path = Path(tempfile.mkdtemp(prefix="environment-", dir=request.param))
    yield path
    shutil.rmtree(path)


def link(source: str, target: str) -> None:
    """A hard link, or a copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def environment(folder: Path) -> Path:
    """A virtual environment with numpy alone; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    packages = next((folder / "env" / "lib").glob("python*")) / "site-packages"
    found = importlib.util.find_spec("numpy")
    assert found is not None
    assert found.origin is not None
    here = Path(found.origin).parent
    leave = shutil.ignore_patterns("__pycache__", "tests", "*.pyi", "*.a")
    for name in (here, here.with_name("numpy.libs"), Path(str(distribution("numpy")._path))):  # type: ignore[attr-defined]
        if name.is_dir():
            shutil.copytree(name, packages / name.name, copy_function=link, ignore=leave)
    return folder / "env" / "bin" / "python"


@pytest.mark.slow
def test_every_part_of_numpy_is_there(folder: Path) -> None:
    folder.chmod(0o700)  # as private as a home
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        [str(environment(folder)), "-c", SCRIPT, ",".join(PARTS)],
        env={**clean, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == '["passed", "", "passed", ""]', done.stdout + done.stderr[-2000:]
