"""Sentences of the notebooks: the right numbers, and nothing about numbers that nobody measured."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from astraios_utils import schema, store
from astraios_utils.presenting import sentences
from astraios_utils.sources import conala_study
from astraios_utils.tasks.codexglue import TASKS as COMPREHENSION


def results(*rows: dict[str, Any]) -> pd.DataFrame:
    """Results with sensible values for what a row leaves out."""
    usual = {
        "size": "1B",
        "method": "LoRA",
        "task": "defect",
        "metric": "accuracy",
        "value": 50.0,
        "low": 45.0,
        "high": 55.0,
        "published": 51.0,
        "difference": -1.0,
        "provenance": "measured",
        "status": "equal",
    }
    return pd.DataFrame([{**usual, **row} for row in rows])


MISSING = results({"value": math.nan, "provenance": "missing", "status": "no artefact", "difference": math.nan})


def test_generation() -> None:
    frame = results({"task": "synthesize-java", "difference": -1.5}, {"task": "synthesize-python", "difference": 9.0})
    said = sentences.largest_difference("java", frame)
    assert said == "**Java**: 1 of 1 cells measured: 1 equal. Largest difference: 1.50 points."
    row = results(
        {"method": "LoRA", "published": 3.0, "value": 12.0},
        {"method": "FFT", "published": 11.0},
        {"method": "(IA)3", "published": 13.0},
    )
    assert sentences.outlier(row, "LoRA") == (
        "The paper's other models of this size score 11.00 to 13.00. For LoRA it prints 3.00; its released file scores "
        "12.00 here."
    )
    assert "its file is not available" in sentences.outlier(row.assign(value=math.nan), "LoRA")
    assert sentences.outlier(row.iloc[:0], "LoRA") == sentences.NOTHING


def test_comprehension() -> None:
    frame = results(
        {"value": 60.0, "low": 58.0, "high": 62.0},
        {"size": "3B", "value": 40.0, "low": 38.0, "high": 42.0},
        {"size": "7B", "value": math.nan, "provenance": "missing"},
    )
    assert sentences.against_baseline(frame, 50.0) == (
        "Of 2 measured models, 1 are above the baseline of 50.00% and 1 below it. The best, 1B LoRA, has 60.00% "
        "(58.00 to 62.00)."
    )
    three = frame.assign(value=[60.0, 40.0, 50.0], provenance="measured")
    valid = results({"value": 90.0}, {"size": "3B", "value": 50.0}, {"size": "7B", "value": 70.0})
    among = frame.assign(gain_low=[1.0, -3.0, math.nan], gain_high=[2.0, -2.0, math.nan])
    said = sentences.parsable(three, valid, among)
    assert said.startswith("Over 3 models, accuracy and the share of parsable answers correlate: Spearman's ρ = 1.00")
    assert "1 models are better than always NO on the very same answers, 1 are worse" in said
    for made in (sentences.against_baseline(MISSING, 50.0), sentences.parsable(MISSING, MISSING, MISSING)):
        assert made == sentences.NOTHING


def test_rules_of_comprehension() -> None:
    cost = pd.DataFrame({"value": [0.1, -0.2, math.nan], "changed": [3.0, 4.0, math.nan], "answers": [900.0] * 3})
    assert sentences.rule_cost(cost) == (
        "In 2 files, 7 of 1,800 scored answers are read differently, at most 4 in one file; accuracy changes by at "
        "most 0.20 points. The weakness is real, and harmless here."
    )
    assert sentences.rule_cost(cost.assign(value=[1.0, 0.0, 0.0])).endswith("it matters here.")
    assert sentences.rule_cost(cost.iloc[2:]) == sentences.NOTHING
    scores = pd.DataFrame({"f1": [40.0, 30.0], "f1/real": [60.0, 30.0]})
    assert sentences.two_thirds(scores).startswith("In 1 of 2 measured cells")
    assert sentences.two_thirds(pd.DataFrame()) == sentences.NOTHING
    suite = store.load_suite("nano")
    assert "all rows of this suite's own problems are scored" in sentences.scored_rows(COMPREHENSION[0], suite)
    assert "rows are scored, " in sentences.scored_rows(COMPREHENSION[0], store.load_suite("released"))


def test_ranges_over_sizes() -> None:
    rows = [
        {"size": size, "method": method, "task": task, "value": value}
        for task, scores in {"a": {"LoRA": (10, 50), "FFT": (10, 20)}, "b": {"LoRA": (30, 35), "FFT": (10, 90)}}.items()
        for method, values in scores.items()
        for size, value in zip(("1B", "3B"), values, strict=True)
    ]
    spread = sentences.ranges(results(*rows, {"method": "Parallel", "task": "a"}), "a", "b")
    assert spread.loc["LoRA"].tolist() == [40, 5, 2]
    assert "Parallel" not in spread.index  # measured at one size
    assert sentences.flatter(spread) == "1 of 2 methods are flatter with one example shown."
    assert sentences.flatter(spread.iloc[:0]) == "*No method has both runs at two sizes.*"


def test_robustness() -> None:
    rows = results(
        {"task": "recode-format", "metric": "rp@1", "difference": 100 / 164, "published": 20.0, "value": 30.0}
    )
    assert sentences.problems_off("recode-format", rows).endswith("; the farthest is 1 of 164 problems off.")
    assert "farthest" not in sentences.problems_off("recode-format", rows.assign(difference=math.nan))
    nominal = pd.DataFrame({"size": ["1B"], "method": ["LoRA"], "value": [25.0]})
    said = sentences.better_when_perturbed(rows, nominal, ["recode-format", "recode-syntax"])
    printed, measured = said.split("\n\n")
    assert "(published): " in printed
    assert "0 of 1" in printed
    assert "1 of 1" in measured
    assert measured.endswith("not available.")
    single = results(
        {"task": "recode-format", "metric": "rp@1/tabs", "value": 10.0},
        {"task": "recode-format", "metric": "rp@1/split", "value": 20.0},
        {"task": "recode-format", "metric": "rp@1/crossfit", "value": 9.0},
    )
    assert sentences.worst_perturbations(single).endswith("`tabs` (1).")
    assert sentences.worst_perturbations(single.assign(provenance="missing")) == sentences.NOTHING


def test_security() -> None:
    table = pd.DataFrame({"empty": [10.0, 20.0], "insecure": [30.0, 40.0], "insecure_written": [33.0, 45.0]})
    assert sentences.empty_completions(table) == (
        "10 to 20% of the samples add no code. Without them the insecure rate is 3.0 to 5.0 points higher."
    )
    pairs = pd.DataFrame({"low": [-1.0, 0.5, -3.0], "high": [1.0, 2.0, -1.0]})
    assert sentences.pairs_apart(pairs).startswith("2 of 3 pairs are significantly different at 95%")
    signs = pd.DataFrame({"valid: 16B - 1B LoRA": [2.0, -1.0, 1.0, 4.0]}, ["plain", "whole", "closed", "as printed"])
    assert sentences.signs_kept(signs) == "Rules under which the sign is the printed one: valid: 16B - 1B LoRA: 67%."
    printed = pd.DataFrame(
        {
            "size": list(schema.SIZES),
            "method": ["FFT"] * 4,
            "order": range(4),
            "valid": [4.0, 3, 2, 1],
            "insecure": [1.0] * 4,
        }
    )
    said = sentences.printed_security(printed)
    assert "**valid** against size: Spearman's ρ = -1.00" in said
    assert "means 1B 4.0, 3B 3.0, 7B 2.0, 16B 1.0." in said
    assert said.endswith("Mean insecure rate: FFT 1.0.")


def test_losses_and_claims() -> None:
    verdicts = pd.DataFrame(
        {"holds": [True, False, True, None], "verdict": ["supported", "not supported", "undecided", "not testable"]}
    )
    assert sentences.at_their_face(verdicts) == (
        "Taken as printed, the numbers support **2 of the 3** statements that they can test. With the sampling error "
        "of so many problems, they establish 1 and refute 1."
    )
    assert sentences.equal_coefficients({"a": 0.12344, "b": 0.5}, {"a": 0.1234, "b": 0.6}) == (
        "**1 of 2** coefficients equal the paper's (0.1234, 0.6)."
    )
    assert sentences.lowest_losses(2, 4).startswith("FFT has the lowest test loss at 2 of 4 sizes and the lowest train")
    suite = store.load_suite("nano")
    assert "has trained no model here" in sentences.loss_logs(suite, pd.DataFrame())
    assert sentences.loss_logs(suite, pd.DataFrame({"size": ["100K"]})).startswith("1 of ")
    assert sentences.codebleu_artefacts(conala_study.doubtful()).startswith("**")
