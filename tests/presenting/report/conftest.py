"""Three tasks of ``released`` as the shipped counts have them: results and ledger, made once."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import results, store
from astraios_utils.running import ledger, pipeline
from astraios_utils.schema import Suite

SLICE = ("synthesize-python", "recode-format", "aatk")


@pytest.fixture(scope="package")
def frame() -> pd.DataFrame:
    """Results of three tasks of ``released``, from the shipped counts."""
    suite = store.load_suite("released").slice(tasks=SLICE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_MIRROR", "none")
        patch.setenv("ASTRAIOS_BUILD", "nowhere")
        return results.results(suite, functools.partial(pipeline.verdicts, suite))


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ledger of those three tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_MIRROR", "none")
        patch.setenv("ASTRAIOS_BUILD", str(tmp_path_factory.mktemp("build")))
        return ledger.claim_verdicts(store.load_suite("released").slice(tasks=SLICE))


@pytest.fixture(scope="package")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Every two methods of those three tasks, compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_MIRROR", "none")
        patch.setenv("ASTRAIOS_BUILD", str(tmp_path_factory.mktemp("build")))
        return ledger.compared(store.load_suite("released").slice(tasks=SLICE))


@pytest.fixture
def suite(
    build: Path, judged: tuple[pd.DataFrame, pd.DataFrame], pairs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> Suite:
    """The slice that :func:`frame` holds, with one figure and nothing else in its build folder."""
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    monkeypatch.setattr(ledger, "claim_verdicts", lambda _: judged)
    monkeypatch.setattr(ledger, "compared", lambda _: pairs)
    folder = store.figures_dir("released")
    folder.mkdir(parents=True)
    source = "<dc:source>suite released, whole, results none</dc:source>"
    square = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 30">{source}<path d="M0 0h40v30z"/></svg>'
    (folder / "figure_05_defect.svg").write_text(square.replace("whole", "1b_lora"))  # of a slice: not accepted
    (folder / "figure_12_humanevalpack.svg").write_text(square)
    return store.load_suite("released").slice(tasks=SLICE)
