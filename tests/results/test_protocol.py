"""The alternative readings change what they should and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astraios_utils import schema
from astraios_utils.results import protocol
from astraios_utils.schema import Model
from astraios_utils.tasks.codexglue import DEFECT


@pytest.mark.parametrize(
    ("text", "published", "whole"),
    [
        ("\nAnswer: NO", "0", "0"),
        ("\nAnswer: Yes, it has.", "1", "1"),
        ("\nAnswer: I do not know.", "0", "-1"),  # "no" only inside "not" and "know"
        ("\nAnswer: #include <sys/inotify.h>", "0", "-1"),
        ("\nAnswer: Yes, not a doubt", "1", "1"),  # the comma ends the first sentence
        ("\nAnswer: yes I know", "-1", "1"),  # both substrings, but one word
        ("\nAnswer: There is a bug, unknown to me", "1", "1"),  # by phrase under both
        ("\nAnswer: static int x;", "-1", "-1"),
    ],
)
def test_whole_words_against_the_published_rule(text: str, published: str, whole: str) -> None:
    from astraios_utils.tasks import Problem

    assert DEFECT.finish(Problem("0", "", {}), text) == published
    assert protocol.whole_words(DEFECT, text) == whole


def _released(path: Path, texts: dict[int, str]) -> Path:
    """A full file: 1,477 negatives, then 1,255 positives, all answered NO, but for the rows in ``texts``."""
    from astraios_utils.tasks import Problem

    rows = []
    for i in range(1477 + 1255):
        text = texts.get(i, "\nAnswer: NO")
        answer = DEFECT.finish(Problem("0", "", {}), text)
        rows.append([{"ID": i, "prediction": answer, "true_label": str(int(i >= 1477)), "raw_text": text}])
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_rule_cost_counts_on_the_scored_rows_and_keeps_missing_models(tmp_path: Path) -> None:
    labels = ["0"] * 1477 + ["1"] * 1255
    chosen = DEFECT.chosen(labels)
    scored = [i for i in chosen if labels[i] == "0"][:4]
    unscored = next(i for i in range(1477) if i not in chosen)
    path = _released(tmp_path / "a.json", dict.fromkeys([*scored, unscored], "\nAnswer: I do not know"))
    cost = protocol.rule_cost(DEFECT, {Model("1B", "LoRA"): path, Model("3B", "LoRA"): None})
    first = cost.iloc[0]
    # 1,081 of 2,000 are negative: always NO scores 54.05; four right answers become unparsable: -4/2000 = -0.2 points
    assert (first["answers"], first["changed"]) == (2000, 4)
    np.testing.assert_allclose([first["published"], first["whole_words"], first["value"]], [54.05, 53.85, -0.2])
    assert first["low"] < -0.2 < first["high"] < 0.01
    assert (cost.iloc[1]["size"], cost.iloc[1]["method"]) == ("3B", "LoRA")
    assert cost.iloc[1].drop(["size", "method"]).isna().all()


def test_rule_cost_refuses_a_file_of_another_task(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps([["def f(): pass"]]), encoding="utf-8")
    with pytest.raises(schema.BadInput, match=r"b\.json"):
        protocol.rule_cost(DEFECT, {Model("1B", "LoRA"): path})


def test_among_parsable_sets_format_aside() -> None:
    statuses = ["passed"] * 3 + ["failed"] + ["invalid"] * 6
    labels = ["0"] * 2 + ["1"] * 8  # of the four that parse, two are negative
    details = [f"label={label} prediction=x" for label in labels]
    verdicts = pd.DataFrame({"problem": range(10), "status": statuses, "detail": details})
    frame = protocol.among_parsable("defect", {Model("1B", "FFT"): verdicts, Model("3B", "FFT"): None})
    assert frame["value"].tolist()[0] == 75.0  # 3 of 4, not 3 of 10
    assert frame["n"].tolist() == [4, 0]
    assert (frame["negative"][0], frame["gain"][0]) == (50.0, 25.0)
    # differences 0, 0, 1, 0: mean 0.25, s/sqrt(4) = 0.25, Student's quantile for 3 degrees of freedom 3.182
    np.testing.assert_allclose(frame["gain_low"][0], 25 - 100 * 0.25 * 3.18245, rtol=1e-4)
    assert frame["provenance"].tolist() == ["measured", "missing"]
    assert np.isnan(frame["value"][1])


def test_among_parsable_is_undefined_where_nothing_parses() -> None:
    verdicts = pd.DataFrame({"problem": [0, 1], "status": ["invalid", "invalid"], "detail": ["label=0", "label=1"]})
    frame = protocol.among_parsable("defect", {Model("1B", "FFT"): verdicts})
    assert np.isnan(frame["value"][0])


def test_against_a_baseline() -> None:
    frame = pd.DataFrame({"low": [55.0, 40.0, 50.0, np.nan], "high": [60.0, 54.0, 58.0, np.nan]})
    assert protocol.against(frame, 54.05).tolist() == ["above", "below", "not significant", "not measured"]


def test_language_levels_are_read_in_either_form(tmp_path: Path) -> None:
    wide, long = tmp_path / "wide.csv", tmp_path / "long.csv"
    wide.write_text("task,size,method,level 9,level 10,JDK,published\nrepair-java,1B,LoRA,1.0,2.0,3.0,0.5\n", "utf-8")
    rows = [f"repair-java,1B,LoRA,{release},{value},0.5" for release, value in (("JDK", 3.0), (10, 2.0), (9, 1.0))]
    long.write_text("\n".join(["task,size,method,release,pass@1,published", *rows]), "utf-8")
    for path in (wide, long):
        frame = protocol.language_levels(path)
        assert frame["release"].tolist() == ["9", "10", "JDK"]  # by number, not by letter
        assert frame["pass@1"].tolist() == [1.0, 2.0, 3.0]
        assert set(frame["published"]) == {0.5}
    wide.write_text("task,size\n", "utf-8")
    with pytest.raises(schema.BadInput, match=r"wide\.csv: columns are task, size"):
        protocol.language_levels(wide)
    with pytest.raises(schema.BadInput, match=r"none\.csv: not a readable CSV"):
        protocol.language_levels(tmp_path / "none.csv")


def test_real_files_lose_little_to_the_rule(mirror: Path) -> None:
    name = "generations-defectdetection-starcoderbase-15b-lora.json.xz"
    cost = protocol.rule_cost(
        DEFECT, {Model("16B", "LoRA"): mirror / "astraios" / "outputs" / "defect_detection" / name}
    )
    # accuracy: Table 2, 16B LoRA; the six changed answers, read by hand, hold "not part of", "notify" and "inotify"
    assert cost["published"].round(2).tolist() == [31.95]
    assert cost["changed"].tolist() == [6]


def test_always_no_scores_the_share_of_negatives() -> None:
    # Of 2,000 scored rows 1,081 are negative (section 4.1's sample).
    assert protocol.always_no(DEFECT, {Model("1B", "LoRA"): None}) == pytest.approx(54.05)
    own = pd.DataFrame({"detail": ["label=0 prediction=1", "label=1 prediction=1", "label=1 prediction=-1"] * 2})
    assert protocol.always_no(DEFECT, {Model("1B", "LoRA"): None, Model("1B", "FFT"): own}) == pytest.approx(100 / 3)
