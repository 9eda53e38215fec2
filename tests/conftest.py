"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many of the tests marked ``slow`` run."""
    parser.addoption("--slow", choices=("all", "some", "none"), default="some", help="some: the first one of each file")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests as ``--slow`` says, unless a test was named or ``-m``, ``-k`` chose it."""
    given = config.getoption("--slow")
    if given == "all" or config.option.markexpr or config.option.keyword or any("::" in arg for arg in config.args):
        return
    kept, left_out, represented = [], [], set()
    for item in items:
        if "slow" in item.keywords and (given == "none" or item.path in represented):
            left_out.append(item)
            continue
        if "slow" in item.keywords:
            represented.add(item.path)
        kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


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


@pytest.fixture(scope="session")
def jdk() -> None:
    """Skip the test where there is no usable JDK."""
    from astraios_utils.sandbox.java.jdk import JdkUnavailable, find_jdk

    try:
        find_jdk()
    except JdkUnavailable as error:
        pytest.skip(str(error))
