"""Three tasks of ``released`` as the shipped counts have them: results and ledger, made once per run of the tests."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import results, store
from astraios_utils.running import ledger, pipeline
from astraios_utils.schema import Suite

Once = Callable[[str, Callable[[Path], object]], Path]
SLICE = ("synthesize-python", "recode-format", "aatk")


def _make(folder: Path) -> None:
    """Compute them; pickles keep what Parquet would change."""
    suite = store.load_suite("released").slice(tasks=SLICE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_MIRROR", "none")
        patch.setenv("ASTRAIOS_BUILD", str(folder / "build"))
        made = {
            "frame": results.results(suite, functools.partial(pipeline.verdicts, suite)),
            "judged": ledger.claim_verdicts(suite),
            "pairs": ledger.compared(suite),
            "designs": ledger.detectable(suite),
        }
    for name, value in made.items():
        (folder / name).write_bytes(pickle.dumps(value))


@pytest.fixture(scope="session")
def frame(once: Once) -> pd.DataFrame:
    """Results of three tasks of ``released``, from the shipped counts."""
    found: pd.DataFrame = pickle.loads((once("report", _make) / "frame").read_bytes())
    return found


@pytest.fixture(scope="session")
def judged(once: Once) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ledger of those three tasks."""
    found: tuple[pd.DataFrame, pd.DataFrame] = pickle.loads((once("report", _make) / "judged").read_bytes())
    return found


@pytest.fixture(scope="session")
def pairs(once: Once) -> pd.DataFrame:
    """Every two methods of those three tasks, compared."""
    found: pd.DataFrame = pickle.loads((once("report", _make) / "pairs").read_bytes())
    return found


@pytest.fixture(scope="session")
def designs(once: Once) -> pd.DataFrame:
    """Which differences those three tasks can detect."""
    found: pd.DataFrame = pickle.loads((once("report", _make) / "designs").read_bytes())
    return found


@pytest.fixture
def suite(
    build: Path,
    judged: tuple[pd.DataFrame, pd.DataFrame],
    pairs: pd.DataFrame,
    designs: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> Suite:
    """The slice that :func:`frame` holds, with one figure and nothing else in its build folder."""
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    monkeypatch.setattr(ledger, "claim_verdicts", lambda _: judged)
    monkeypatch.setattr(ledger, "compared", lambda _: pairs)
    monkeypatch.setattr(ledger, "detectable", lambda _: designs)
    folder = store.figures_dir("released")
    folder.mkdir(parents=True)
    source = "<dc:source>suite released, whole, results none</dc:source>"
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    square = f'<svg {names} viewBox="0 0 40 30">{source}<path d="M0 0h40v30z"/></svg>'
    (folder / "figure_05_defect.svg").write_text(square.replace("whole", "1b_lora"))  # of a slice: not accepted
    (folder / "figure_12_humanevalpack.svg").write_text(square)
    return store.load_suite("released").slice(tasks=SLICE)
