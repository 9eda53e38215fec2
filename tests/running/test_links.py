"""The repository's address is in one place, and one command moves it everywhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from astraios_utils import schema, store
from astraios_utils.running import links


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that hold the address."""
    root = store.root()
    for path in links.holders():
        target = tmp_path / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (tmp_path / "data" / "paper").mkdir(parents=True)
    monkeypatch.setenv("ASTRAIOS_ROOT", str(tmp_path))
    return tmp_path


def test_every_holder_points_to_the_one_address() -> None:
    for path in links.holders():
        named = re.findall(r"github\.com/([\w-]+/[\w.-]+?)(?=[\s\"'\\/)]|$)", path.read_text(encoding="utf-8"))
        assert links.repository() in named, path.name


def test_a_move_changes_every_holder_and_nothing_else(checkout: Path) -> None:
    old = links.repository()
    before = {path: path.read_text(encoding="utf-8") for path in links.holders()}
    assert links.move("some-one/other.repo") == list(links.holders())
    assert links.repository() == "some-one/other.repo"
    for path, text in before.items():
        assert path.read_text(encoding="utf-8") == text.replace(old, "some-one/other.repo")
    links.move(old)
    assert {path: path.read_text(encoding="utf-8") for path in links.holders()} == before


def test_what_is_no_address_changes_nothing(checkout: Path) -> None:
    for wrong in ("name", "https://github.com/a/b", "a/b/c", "a b/c"):
        with pytest.raises(schema.BadInput, match="expected owner/name"):
            links.move(wrong)
