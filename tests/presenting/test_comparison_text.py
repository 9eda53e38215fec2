"""The tables of the notebook on many methods, as a reader sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astraios_utils import store
from astraios_utils.presenting import comparison_text


def _table() -> pd.DataFrame:
    nothing = float("nan")
    known = {"percent": 1.81, "low": 30.04, "high": 42.0, "rank_low": 1.0, "rank_high": 5.0, "shrunk": 35.0}
    known |= {"test_loss": 0.4321, "forgot": -0.0371, "learning_rate": 0.016, "served": "merged", "defect": 50.5}
    known |= {"trainable_parameters": 3540.0, "checkpoint_bytes": 9000.0, "step_seconds": 9.0, "aatk": 40.0}
    known |= {"generation_seconds": 0.07, "pscp": 0.5, "family": "low-rank"}
    ends = ("", " low", " high", " p")
    against = {
        "A": ((-0.54, -2.0, 1.0, 0.4), (3.0, 1.0, 5.0, 0.012)),
        "LoRA": ((nothing,) * 4, (0.0, -1.0, 1.0, 1.0)),
        "Base": ((3.0, -1.0, 7.0, 0.3), (4.0, 0.5, 8.0, 0.03)),
    }
    rows = [
        {"method": "A", "mean": 36.0, "rank": 1.0, "may_be_best": True, "control": False},
        {"method": "LoRA", "mean": 36.5, "rank": 2.0, "may_be_best": False, "control": False},
        {"method": "Base", "mean": 40.0, "rank": nothing, "may_be_best": np.nan, "control": True},
    ]
    for row in rows:
        for control, values in zip(("LoRA", "FFT"), against[str(row["method"])], strict=True):
            row |= {f"vs {control}{end}": value for end, value in zip(ends, values, strict=True)}
    return pd.DataFrame([{**known, **row} for row in rows])


def test_the_board_is_in_words() -> None:
    base, lora, other = comparison_text.board(_table()).itertuples(index=False, name=None)
    assert base[:6] == ("Base", "low-rank", "", "40.0 [30.0, 42.0]", "", "")
    assert lora[3:7] == ("36.5 [30.0, 42.0]", "2 [1, 5]", "no", "")
    assert other[2:] == ("1.81", "36.0 [30.0, 42.0]", "1 [1, 5]", "yes", "-0.5", "0.432", "-0.037", "merged", "0.016")


def test_only_methods_that_differ_are_listed() -> None:
    found = comparison_text.apart(_table())
    assert list(found["method"]) == ["Base", "A"]  # LoRA's only p is 1
    assert list(found["minus FFT [95%]"]) == ["+4.0 [+0.5, +8.0]", "+3.0 [+1.0, +5.0]"]
    assert list(found["p (LoRA)"]) == ["0.300", "0.400"]


def test_scores_say_which_way_is_better_and_costs_leave_out_checks() -> None:
    suite = store.load_suite("zoo")
    found = comparison_text.scores(suite, _table())
    assert list(found["method"]) == ["Base", "LoRA", "A"]
    assert list(found)[1:] == [
        "Defect detection", "Asleep at the Keyboard (DoW) (insecure among the valid, lower is better)",
        "forgot (nats, lower is better)", "test loss (lower is better)",
    ]  # fmt: skip
    assert list(comparison_text.costs(_table())["method"]) == ["LoRA", "A"]
