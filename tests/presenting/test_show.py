"""What notebooks show of a suite's recipe and of what its models cost."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import store
from astraios_utils.presenting import show


def test_a_recipe_shows_what_is_set() -> None:
    held = show.recipe(store.load_suite("paper").slice(["1B"], ["LoRA", "FFT"])).data["value"]
    assert held["learning rates"] == "LoRA 0.0001, FFT 1e-06"  # section 2.2
    assert held["steps"] == "200"
    assert not [name for name, text in held.items() if text in ("None", "()", "{}", "False", "")]
    assert show.recipe(store.load_suite("released")).data.empty  # it trains nothing


def test_costs_leave_out_what_this_machine_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(show, "say", told.append)
    show.costs(pd.DataFrame())
    known = dict.fromkeys(show.COSTS, 1.0) | {"size": "1B", "method": "LoRA", "gpu_joules": float("nan")}
    show.costs(pd.DataFrame([known | {"trainable_parameters": 3_588_096}]))
    assert told[0] == "*No model of this slice was trained here.*"
    assert "3,588,096" in told[1]
    assert "peak memory (MiB)" in told[1]
    assert "GPU energy" not in told[1]


def test_problems_that_a_run_makes_first_are_not_available(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(show, "say", told.append)
    show.scale(store.load_suite("smol"), ["nll-python"])
    assert "not available" in told[1]


def test_a_frame_in_words() -> None:
    frame = pd.DataFrame({"p_holm": [0.01234, math.nan], "first": ["LoRA", "FFT"], "other": [1, 2]})
    page = show.in_words(frame, {"first": "method", "p_holm": "p (Holm)"}).to_html()
    assert re.findall(r"<th[^>]*>([^<]+)</th>", page) == ["method", "p (Holm)"]
    assert re.findall(r"<td[^>]*>([^<]+)</td>", page) == ["LoRA", "0.01", "FFT", "—"]
    with pytest.raises(KeyError):
        show.in_words(frame, {"second": "minus"})
