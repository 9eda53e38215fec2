"""What all tests share: a folder that is made once per run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_folder_is_made_once_and_again_after_a_failure(once: Callable[[str, Callable[[Path], object]], Path]) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        assert not list(folder.iterdir())  # nothing is left of the first try
        (folder / "file").touch()
        made.append(folder)
        if len(made) == 1:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        once("fixtures", make)
    folder = once("fixtures", make)
    assert once("fixtures", make) == folder
    assert made == [folder, folder]
