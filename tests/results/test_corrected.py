"""Corrected evidence takes a file's value where it differs from the printed one, and names the cell that matters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astraios_utils import store
from astraios_utils.results import claims, protocol
from astraios_utils.results.claims import Evidence, corrected

LORA_JAVA = ("synthesize-java", "pass@1", "1B", "LoRA")


def _frame(*rows: tuple[str, str, str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["task", "size", "method", "metric", "published", "value"])


@pytest.fixture(scope="module")
def printed() -> Evidence:
    return claims.published(resamples=200)


@pytest.fixture(scope="module")
def levels() -> pd.DataFrame:
    return protocol.language_levels(store.data_dir() / "released" / "java_levels.csv")


def test_cells_are_those_that_differ_at_the_printed_digits() -> None:
    found = corrected.cells(
        _frame(
            ("defect", "1B", "LoRA", "accuracy", 44.15, 44.15),
            ("synthesize-python", "1B", "LoRA", "pass@1", 17.26, 17.264),  # prints as 17.26
            ("synthesize-python", "3B", "LoRA", "pass@1", 25.37, 25.40),
            ("synthesize-java", "1B", "LoRA", "pass@1", 2.84, 16.77),  # the JDK's own level is not held against it
            ("synthesize-java", "1B", "LoRA", "pass@1/java8", 2.84, 10.37),
            ("aatk", "1B", "LoRA", "insecure", 30.0, 40.0),  # another analyzer is no correction
            ("recode-format", "1B", "LoRA", "rc@1", 1.0, 2.0),  # follows from RP@1
            ("explain-java", "1B", "LoRA", "pass@1/java8", 7.0, np.nan),
        )
    )
    held = found[["task", "metric", "value"]].values.tolist()
    assert held == [["synthesize-python", "pass@1", 25.40], ["synthesize-java", "pass@1", 10.37]]


def test_levels_fill_in_for_java_cells_without_counts(levels: pd.DataFrame) -> None:
    found = corrected.cells(_frame(), levels).set_index(["task", "size", "method"])
    # The README names these six.
    assert set(found.index) == {
        ("synthesize-java", "1B", "LoRA"), ("repair-java", "1B", "AdapterH"), ("repair-java", "1B", "FFT"),
        ("repair-java", "1B", "P-Tuning"), ("repair-java", "1B", "Parallel"), ("explain-java", "7B", "Parallel"),
    }  # fmt: skip
    own = _frame(("synthesize-java", "1B", "LoRA", "pass@1/java8", 2.84, 10.5))
    assert (
        corrected.cells(own, levels).set_index(["task", "size", "method"])["value"]["synthesize-java", "1B", "LoRA"]
        == 10.5
    )


def test_a_corrected_cell_moves_and_others_stay(printed: Evidence, levels: pd.DataFrame) -> None:
    nothing = claims.as_printed(pd.DataFrame(columns=["task", "metric", "size", "method", "published"]), ())
    after = corrected.corrected(printed, nothing, corrected.cells(_frame(), levels))
    assert after.score(*LORA_JAVA)[0] == 10.37
    other = ("synthesize-java", "pass@1", "3B", "LoRA")
    assert np.allclose(after.score(*other), printed.score(*other))
    assert np.allclose(after.score(*LORA_JAVA) - 10.37, printed.score(*LORA_JAVA) - 2.84)  # its error is kept


def test_files_bring_their_paired_errors(printed: Evidence) -> None:
    draws = np.concatenate([[12.0], 12 + np.arange(200.0)])
    measured = claims.Evidence("m", ("1B",), {LORA_JAVA: draws}, {LORA_JAVA: 164}, printed.costs, printed.losses)
    cells = corrected.cells(_frame())
    assert np.allclose(corrected.corrected(printed, measured, cells).score(*LORA_JAVA), draws - 12 + 2.84)


def test_the_lead_of_ia3_at_1b_rests_on_one_printed_cell(printed: Evidence, levels: pd.DataFrame) -> None:
    claim = next(c for c in claims.load() if c.id == "ptuning-ia3-lead-small")
    cells = corrected.cells(_frame(), levels)
    nothing = claims.as_printed(pd.DataFrame(columns=["task", "metric", "size", "method", "published"]), ())
    after = corrected.corrected(printed, nothing, cells)
    verdicts, _ = claims.ledger([printed, after], [claim], reversals=False)
    found = corrected.changes(verdicts, printed, cells, [claim]).iloc[0]
    assert (found["values_published"], found["values_corrected"]) == (True, False)
    assert found["cells"] == "1B LoRA synthesize-java 2.84 → 10.37"
    assert claim.statement in corrected.as_markdown(pd.DataFrame([found]))
