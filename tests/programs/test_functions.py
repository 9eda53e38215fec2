"""Functions taken from a package: which ones, and in what form."""

from __future__ import annotations

from pathlib import Path

from astraios_utils.programs.functions import extract

MODULE = '''"""A module."""
import os

def clamp(value: float, low: float = 0, high: float = 1) -> float:
    """Limit a value to the range from low to high.

    More about it, which is not taken.
    """
    if value < low:
        return low
    return min(value, high)

@staticmethod
def decorated(x):
    """This one has a decorator and is left out."""
    y = x
    return y

def terse(x):
    """Too short."""
    y = x
    return y

def undocumented(x):
    y = x
    return y

def one_line(x):
    """The body of this function is a single line."""
    return x

def linked(x):
    """See https://example.org for what this function does."""
    y = x
    return y
'''


def test_documented_functions_that_stand_alone_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "b.py").write_text(MODULE, encoding="utf-8")
    (one,) = extract(tmp_path)
    assert one.name == "clamp"
    assert one.signature == "clamp(value: float, low: float=0, high: float=1) -> float"
    assert one.description == "Limit a value to the range from low to high."
    assert one.head == "def clamp(value: float, low: float = 0, high: float = 1) -> float:\n"
    assert one.body == "    if value < low:\n        return low\n    return min(value, high)\n"
    assert one.text in MODULE.replace(MODULE[MODULE.index('    """Limit') : MODULE.index("    if value")], "")
    scope: dict[str, object] = {}
    exec(one.documented(), scope)  # a function of this test
    assert scope["clamp"](3) == 1  # type: ignore[operator]
