"""Every notebook runs on every slice of one model, and on random slices, of each suite that has results here."""

from __future__ import annotations

import itertools
import random
import re
import shutil
from pathlib import Path

import matplotlib as mpl
import notebook_cells
import pytest

from astraios_utils import schema, store
from astraios_utils.schema import Suite

ROOT = Path(__file__).resolve().parent.parent
RELEASED = store.load_suite("released")
SLICES = [([model.size], [model.method]) for model in RELEASED.models]
# A sentence about a number that nobody has, or about no models at all.
EMPTY = re.compile(r"\bnan\b|\bNaT\b|\b0 of 0\b|\*\*0 pairs\*\*")


def random_slices(suite: Suite, count: int, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """So many slices of at least one size and method each."""
    draw = random.Random(seed)

    def some(names: tuple[str, ...]) -> list[str]:
        chosen = draw.sample(names, draw.randint(1, len(names)))
        return [name for name in names if name in chosen]

    return [(some(suite.sizes), some(suite.methods)) for _ in range(count)]


@pytest.fixture
def quiet(build: Path, judged_released: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A build folder with the results of the shipped counts, and figures that nobody looks at."""
    shutil.copytree(judged_released, build)
    mpl.use("Agg")
    monkeypatch.setitem(mpl.rcParams, "figure.max_open_warning", 0)
    return monkeypatch


def _check(name: str, suite: str, sizes: list[str], methods: list[str], patch: pytest.MonkeyPatch) -> None:
    path = ROOT / "notebooks" / f"{name}.ipynb"
    page = notebook_cells.run(path, {"suite": suite, "sizes": sizes, "methods": methods}, patch)
    texts = [text for text in page if not text.lstrip().startswith("<")]  # tables may hold an undefined cell
    assert not [text for text in texts if EMPTY.search(text)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RELEASED.notebooks)
def test_each_notebook_runs_on_every_model_by_itself(name: str, quiet: pytest.MonkeyPatch) -> None:
    for sizes, methods in SLICES:
        _check(name, "released", sizes, methods, quiet)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RELEASED.notebooks)
def test_each_notebook_runs_on_random_slices(name: str, quiet: pytest.MonkeyPatch) -> None:
    for sizes, methods in random_slices(RELEASED, 20):
        _check(name, "released", sizes, methods, quiet)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "methods"),
    [pytest.param(["1B"], ["Parallel"], marks=pytest.mark.ci), (["16B"], ["AdapterH", "FFT"])],
)
def test_security_runs_where_no_method_has_two_sizes(
    sizes: list[str], methods: list[str], quiet: pytest.MonkeyPatch
) -> None:
    _check("05_security", "released", sizes, methods, quiet)


def test_random_slices_are_slices_and_repeat() -> None:
    found = random_slices(RELEASED, 20)
    assert found == random_slices(RELEASED, 20)
    assert len({tuple(map(tuple, one)) for one in found}) > 10
    for sizes, methods in found:
        assert RELEASED.slice(sizes, methods).models == tuple(
            schema.Model(*pair) for pair in itertools.product(sizes, methods)
        )
