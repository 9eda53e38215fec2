"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with real upstream artefacts; tests that need it skip where there is none."""
    path = Path(os.environ.get("ASTRAIOS_MIRROR") or ROOT.parent / "shared" / "mirror")
    if not (path / "astraios" / "outputs").is_dir():
        pytest.skip("no mirror of the released files: set ASTRAIOS_MIRROR to one")
    return path


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build folder, so that a test neither reads nor writes the checkout's."""
    monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("ASTRAIOS_FIGURES", str(tmp_path / "figures"))
    return tmp_path / "build"
