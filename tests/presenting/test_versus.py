"""Two methods compared in a terminal: what a reader sees of one suite, and of two side by side."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import cli, schema, store
from astraios_utils.presenting import versus


def _frame(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Rows of size, measure, value and wins, as ``power.versus`` returns them."""
    return pd.DataFrame(
        [
            {"size": size, "measure": measure, "value": value, "low": value - 1, "high": value + 1, "p": 0.1,
             "p_holm": 0.00001 if value > 5 else 0.25, "wins": wins, "ties": 7.0 if wins == wins else math.nan,
             "losses": 3.0 if wins == wins else math.nan}
            for size, measure, value, wins in rows
        ]
    )  # fmt: skip


def test_one_suite(build: Path) -> None:
    found = _frame(("1B", "performance", -0.5, math.nan), ("1B", "defect", 6.0, 20.0))
    head, heads, mean, task, page = versus.text({"mine": (found, "the method")}, "LoRA", "FFT").splitlines()
    assert head.startswith("LoRA minus FFT, in points; 95% intervals over problems; about the method. p: Holm's")
    assert heads.split("  ")[0] == "task"
    assert "suite" not in heads
    assert mean.split() == ["Mean", "performance", "1B", "−0.50", "−1.50", "to", "+0.50", "0.2500"]
    assert re.sub(" +", " ", task) == "Defect detection 1B +6.00 +5.00 to +7.00 < 0.0001 20 / 7 / 3"
    assert page == "Problems on which they disagree (mine): astraios report --suite mine writes a page that lists them"
    (build / "mine").mkdir(parents=True)
    (build / "mine" / "report.html").touch()
    assert versus.text({"mine": (found, "the method")}, "LoRA", "FFT").endswith(
        f"{build / 'mine' / 'report.html'}#compare/1B/LoRA/FFT"
    )


def test_two_suites_stand_side_by_side(build: Path) -> None:
    big = _frame(("1B", "defect", 2.0, 1.0), ("3B", "defect", 3.0, 1.0), ("1B", "clone", 1.0, 1.0))
    small = _frame(("65K", "defect", 4.0, 1.0))
    text = versus.text({"big": (big, "these checkpoints"), "small": (small, "the method")}, "LoRA", "FFT")
    assert "about big: these checkpoints; small: the method." in text
    rows = [line.split()[:5] for line in text.splitlines()[2:6]]
    assert rows == [
        ["Defect", "detection", "big", "1B", "+2.00"],
        ["big", "3B", "+3.00", "+2.00", "to"],
        ["small", "65K", "+4.00", "+3.00", "to"],  # before the next task
        ["Clone", "detection", "big", "1B", "+1.00"],
    ]


def test_sizes_belong_to_their_suites() -> None:
    suites = [store.load_suite("released"), store.load_suite("nano")]
    assert versus.sizes_of(suites, []) == {suite.name: suite.sizes for suite in suites}
    assert versus.sizes_of(suites, ["1b", "1.1M"]) == {"released": ("1B",), "nano": ("1.1M",)}
    with pytest.raises(schema.BadInput, match="suite nano has no size 1B: add --size"):
        versus.sizes_of(suites, ["1B"])
    with pytest.raises(schema.UnknownName, match="unknown size '2B'"):
        versus.sizes_of(suites, ["2B"])


def test_tasks_by_name() -> None:
    assert versus.tasks_of([store.load_suite("nano")], []) == []
    assert versus.tasks_of([store.load_suite("nano")], ["Defect", "testgen-python"]) == ["defect", "testgen-python"]
    with pytest.raises(schema.UnknownName, match="did you mean defect"):
        versus.tasks_of([store.load_suite("released")], ["defekt"])


def test_the_command_names_what_is_wrong(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "LoRA", "Lora2", "--suite", "released", "--size", "1B"]) == 2
    assert "unknown method 'Lora2'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("performance", "Mean performance"),
        ("defect", "Defect detection"),
        ("aatk", "Asleep at the Keyboard (DoW)"),  # valid programs
        ("nll-python", "Likelihood of the reference, Python (bits per byte, lower is better)"),
    ],
)
def test_titles_say_which_way_is_better(measure: str, words: str) -> None:
    assert versus.directed(measure) == words


def test_another_metric_than_the_headline_is_named() -> None:
    assert (
        versus.directed("aatk", "insecure")
        == "Asleep at the Keyboard (DoW) (insecure among the valid, lower is better)"
    )
    assert versus.directed("recode-function", "worst@1") == (
        "ReCode, function names (pass@1 under the worst perturbation)"
    )
    assert versus.directed("defect", "accuracy") == "Defect detection"
