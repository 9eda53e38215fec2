"""A short share of the fuzzing of input files; ``tests/fuzz_inputs.py`` runs it for as long as you like."""

from __future__ import annotations

import pytest
from fuzz_inputs import run_case


@pytest.mark.parametrize("seed", range(0, 40, 10))
def test_damaged_inputs_give_results_or_one_line_errors(seed: int) -> None:
    assert {run_case(one) for one in range(seed, seed + 10)} <= {0, 2}


def test_what_an_hour_of_it_found_stays_mended() -> None:
    assert run_case(32925) == 2  # Python's SyntaxWarning about a test stood before the error
