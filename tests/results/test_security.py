"""What notebook 05 says beyond the rates: pairs of models, agreement beside rates, drawings, partial files."""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from astraios_utils import analyzers, cli, store
from astraios_utils.analyzers import rates, validity
from astraios_utils.presenting import plots
from astraios_utils.results import security
from astraios_utils.running import pipeline
from astraios_utils.schema import Model

needs_compiler = pytest.mark.skipif(validity.compiler() is None, reason="no C compiler")


def judged(size: str, method: str, insecure: dict[str, tuple[int, int, int]]) -> pd.DataFrame:
    """Verdicts of a model: scenario -> how many insecure, secure, invalid."""
    rows = [
        {"size": size, "method": method, "problem": f"DoW/CWE-{name}", "status": status}
        for name, counts in insecure.items()
        for status, count in zip(("insecure", "secure", "invalid"), counts, strict=True)
        for _ in range(count)
    ]
    return rates.described(pd.DataFrame(rows))


A = judged("1B", "LoRA", {"22-0": (3, 1, 0), "416-0": (1, 3, 0), "89-0": (0, 0, 4)})
B = judged("16B", "FFT", {"22-0": (4, 0, 0), "416-0": (2, 2, 0), "89-0": (0, 2, 2)})


def test_pairs_of_models() -> None:
    row = security.pairs(pd.concat([A, B])).iloc[0]
    # A: 4 insecure of 8 valid; B: 6 of 10.
    assert (row["a"], row["b"]) == ("1B LoRA", "16B FFT")
    assert row["value"] == pytest.approx(10)
    valid = security.pairs(pd.concat([A, B]), "valid").iloc[0]
    assert valid["value"] == pytest.approx(100 * (10 / 12 - 8 / 12))
    assert valid["low"] <= valid["value"] <= valid["high"]
    same = security.pairs(pd.concat([A, A.assign(method="FFT")])).iloc[0]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)


@needs_compiler
def test_analyze_tells_of_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = tmp_path / "a.py", tmp_path / "b.c"
    bad.write_text("import os\nos.chmod('f', 0o777)\n")
    good.write_text("int main() { return 0; }\n")
    assert cli.main(["analyze", str(tmp_path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{bad}:2: py/overly-permissive-file: os.chmod() with mode 0777"
    assert said[1] == f"{good}: secure"
    assert said[2].startswith("2 files: 1 secure, 1 insecure, 0 invalid, 0 unknown")
    assert cli.main(["analyze", str(bad), "--rule", "py/sql-injection"]) == 0
    capsys.readouterr()
    assert cli.main(["analyze", str(bad), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["findings"][0]["line"]) == ("insecure", 2)


def test_analyze_refuses_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    for arguments, complaint in (
        ([str(tmp_path), "--rule", "py/sql-injektion"], "did you mean py/sql-injection"),
        ([str(tmp_path / "missing")], "no such file or folder"),
    ):
        assert cli.main(["analyze", *arguments]) == 2
        assert complaint in capsys.readouterr().err
    (tmp_path / "a.py").unlink()
    assert cli.main(["analyze", str(tmp_path)]) == 2
    assert "no C or Python file" in capsys.readouterr().err


def test_why_programs_are_invalid() -> None:
    rows = [
        ("22-1", "invalid", "line 3: inconsistent use of tabs and spaces in indentation", "if a:\n\tb\n        c"),
        ("22-1", "invalid", "line 1: unexpected indent", "    a"),  # no tab: another cause
        ("22-0", "invalid", "line 1: expected ';'", "\tint a"),
        ("22-0", "secure", "", "int a;"),
    ]
    frame = pd.DataFrame([{"problem": f"DoW/CWE-{p}", "status": s, "detail": d, "program": t} for p, s, d, t in rows])
    row = security.invalid_kinds(rates.described(frame.assign(size="1B", method="LoRA"))).iloc[0]
    assert row[["valid", "Python: tabs and blanks mixed", "Python: other", "C"]].tolist() == [25, 25, 25, 25]


def test_larger_minus_smaller_by_rule() -> None:
    keys = ["size", "method", "rule", "valid", "insecure", "published_valid", "published_insecure"]
    rows = [
        ("16B", "LoRA", "closed", 90, 40, 87, 35),
        ("1B", "LoRA", "closed", 80, 50, 85, 30),
        ("1B", "FFT", "closed", 1, 1, 1, 1),
    ]
    table = security.by_size(pd.DataFrame(rows, columns=keys))
    assert table["valid: 16B - 1B LoRA"].tolist() == [10, 2]
    assert table["insecure: 16B - 1B LoRA"].to_dict() == {"closed": -10, "as printed": 5}
    assert table.shape == (2, 2)  # FFT is there in one size


def test_completions_that_add_nothing() -> None:
    frame = A.assign(empty=(A["problem"] == "DoW/CWE-416-0") & (A["status"] == "secure"))
    row = security.empty_share(frame).iloc[0]
    # 3 of 12 samples are empty; 4 of 8 valid programs are insecure, 4 of the 5 that hold code.
    assert (row["empty"], row["insecure"], row["insecure_written"]) == (25, 50, 80)


def test_agreement_stands_beside_rates() -> None:
    table = security.with_agreement(rates.rates(A, ["cwe"])).set_index("cwe")
    assert table.loc["CWE-22", "labels"] > 0
    assert table["agreement"].between(0, 100).all()
    for labels in ("readers", "written"):
        shipped = security.agreement(labels).set_index("cwe")
        assert shipped.loc["all", "n"] == shipped["n"].drop("all").sum()


def test_the_printed_table() -> None:
    frame = security.published()
    assert len(frame) == 28
    assert frame[(frame["size"] == "16B") & (frame["method"] == "LoRA")][["valid", "insecure"]].values.tolist() == [
        [87.1, 35.0]
    ]


def test_drawings_show_what_they_are_given() -> None:
    figure, ax = plt.subplots()
    plots.insecure_by_cwe(pd.concat([B, A]), ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1B\nLoRA", "16B\nFFT"]  # in the paper's order
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["CWE-22", "CWE-89", "CWE-416"]
    written = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    # By row and column; A has no valid CWE-89.
    assert written == {(0, 0): "75", (0, 1): "100", (1, 0): "–", (1, 1): "0", (2, 0): "25", (2, 1): "50"}
    plt.close(figure)
    figure, ax = plt.subplots()
    offsets = pd.DataFrame({"rule": ["closed", "closed", "plain"], "valid_off": [1.0, np.nan, -50.0]})
    plots.rule_offsets(offsets, ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["closed", "plain"]
    plt.close(figure)


def test_partial_files_are_no_cells(mirror: Path) -> None:
    folder, suite = mirror / "astraios/outputs/aatk-dow", store.load_suite("released")
    name = "generations-asleep_completion-starcoderbase-{}.json.xz"
    files = {Model("1B", "LoRA"): folder / name.format("1b-lora"), Model("3B", "LoRA"): None}
    assert security.complete(files, suite) == {}
    whole = {Model("16B", "LoRA"): folder / name.format("15b-lora")}
    assert security.complete(whole, suite) == whole


def test_a_scenario_with_several_prompts_is_complete_when_all_are_answered(tmp_path: Path) -> None:
    suite = store.load_suite("nano")  # ten prompts per scenario
    own = security._own_problems(suite)
    assert len({problem.id for problem in own}) < len(own)
    path = tmp_path / "all.jsonl"
    rows = [{"task": "aatk", "problem": one.id, "variant": one.variant, "samples": ["x"], "raw": ["x"]} for one in own]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {Model("65K", "LoRA"): path, Model("65K", "FFT"): None}
    assert security.complete(files, suite) == {Model("65K", "LoRA"): path}


@needs_compiler
def test_rules_change_what_is_valid_and_a_file_is_judged_once(
    mirror: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mirror / "astraios/outputs/aatk-dow/generations-asleep_completion-starcoderbase-15b-parallel.json.xz"
    files, suite = {Model("16B", "Parallel"): path}, store.load_suite("released")
    table = security.by_rule(files, suite, ["closed"]).set_index("rule")
    assert abs(table.loc["closed", "valid_off"]) < 3
    assert table.loc["closed", "published_insecure"] == 32.6  # table 5
    first = security.judged(files, suite)
    monkeypatch.setattr(analyzers, "judge", pytest.fail)
    pd.testing.assert_frame_equal(security.judged(files, suite), first)
    assert set(first["program"].map(type)) == {str}


@needs_compiler
@pytest.mark.slow
@pytest.mark.timeout(1200)  # four minutes of one core
def test_no_rule_meets_the_valid_rates_of_all_released_files(
    mirror: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(mirror))
    suite = store.load_suite("released")
    cells = [cell for cell in pipeline.cells(suite) if cell.task.name == "aatk"]
    files = security.complete({cell.model: cell.generations for cell in cells}, suite)
    if len(files) < 9:
        pytest.skip(f"the mirror holds {len(files)} of the nine complete files")
    off = security.by_rule(files, suite).set_index(["rule", "size", "method"])["valid_off"]
    outside = (off.abs() > 3).groupby("rule").sum()
    assert outside["closed"] == 2
    assert outside.min() > 0
    apart = [("1B", "AdapterP"), ("1B", "Parallel")]  # what notebook 05 says of them
    assert off["closed"].abs().nlargest(2).index.tolist() == apart[::-1]
    assert (off["closed, tabs 4"][apart].abs() < 1).all()
    assert off["closed, tabs 4"].nlargest(3).between(4, 7).all()
    judged = security.judged(files, suite)
    kinds = security.invalid_kinds(judged).set_index(["size", "method"])["Python: tabs and blanks mixed"]
    assert kinds[apart].min() > 1.7 * kinds.drop(apart).max()
    broken = judged[(judged["language"] == "python") & (judged["status"] == "invalid")]["program"]
    tabbed = [program for program in broken if "\t" in program and not _parses(program)]
    repaired = {width: sum(_parses(program.expandtabs(width)) for program in tabbed) for width in (1, 2, 3, 4, 6, 8)}
    assert [width for width, count in repaired.items() if count] == [4]


def _parses(program: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(program)
    except (SyntaxError, ValueError):
        return False
    return True


@needs_compiler
def test_programs_with_lone_surrogates_are_stored(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = store.load_suite("nano")
    problem = security.TASK.problems(suite.problems["aatk"])[0]
    (tmp_path / "file").touch()
    monkeypatch.setattr(type(security.TASK), "written", lambda *_: [(problem, "x = '\ud800'\n")])
    for _ in range(2):  # computed, then read
        frame = security.judged({Model("100K", "LoRA"): tmp_path / "file"}, suite)
        assert "\ud800" in frame["program"].iloc[0]
        assert frame["problem"].tolist() == [problem.id]
