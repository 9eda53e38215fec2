"""Every pinned package has a wheel for each supported Python on Linux (x86-64, arm64) and macOS, or is named here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
LINUX = (*(f"manylinux_2_{minor}" for minor in (34, 31, 28, 27, 26, 24, 17, 12, 5)), "manylinux2014")
PLATFORMS = {
    "Linux x86-64": tuple(f"{name}_x86_64" for name in LINUX),
    "Linux arm64": tuple(f"{name}_aarch64" for name in LINUX),
    "macOS": tuple(f"macosx_{major}_0_{kind}" for major in range(11, 16) for kind in ("arm64", "universal2")),
}
# Pins that come as sources alone, and are built where they are installed: (name, where) -> why that is no obstacle.
SOURCES: dict[str, str] = {}
_FAILED = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)==")


def without_wheel(lock: Path, python: str, platforms: tuple[str, ...], folder: Path) -> list[str]:
    """The pins of a lock file for which pip finds no wheel; nothing is downloaded or installed."""
    pins = [line for line in lock.read_text().splitlines() if "==" in line and not line.startswith("#")]
    found: list[str] = []
    options = ["--dry-run", "--no-deps", "--ignore-installed", "--only-binary=:all:", "--target", str(folder / "none")]
    where = [part for name in platforms for part in ("--platform", name)]
    listed = folder / "pins.txt"
    while True:
        listed.write_text("\n".join(pin for pin in pins if pin.split("==")[0].lower() not in found))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options]
        command += ["--python-version", python, *where, "-r", str(listed)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return found
        failed = _FAILED.search(done.stderr)
        if failed is None:
            if "Connection" in done.stderr or "NewConnectionError" in done.stderr:
                pytest.skip("the package index cannot be reached")
            raise AssertionError(done.stderr[-2000:])
        found.append(failed[1].lower())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-book.lock"])
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_has_a_wheel(lock: str, platform: str, python: str, tmp_path: Path) -> None:
    missing = without_wheel(ROOT / lock, python, PLATFORMS[platform], tmp_path)
    assert not [name for name in missing if name not in SOURCES]


def test_the_same_pythons_are_named_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    first, last = PYTHONS[0], int(PYTHONS[-1].split(".")[1])
    assert project["requires-python"] == f">={first},<3.{last + 1}"
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^PYTHONS := (.*)$", makefile, flags=re.M)[1].split() == [f"python{v}" for v in PYTHONS[::-1]]
