"""The CoNaLa study's tables as printed, and the cells that its metric cannot have made."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from astraios_utils import results, schema, store
from astraios_utils.sources import conala_study, paper


def test_table_2_is_whole_and_in_percent() -> None:
    frame = conala_study.scores()
    assert len(frame) == 8 * 4 * 2
    assert conala_study.published("CodeLlama", "FFT", "bleu") == 44.735  # printed 0.44735
    assert conala_study.published("GPT2-M", "Prompt", "codebleu") == 25.0
    assert math.isnan(conala_study.published("GPT2", "LoRA", "codebleu/syntax"))
    with pytest.raises(schema.UnknownName, match="did you mean GPT2-M"):
        conala_study.published("GPT2M", "LoRA", "bleu")


def test_table_3_keeps_what_was_printed() -> None:
    frame = conala_study.costs().set_index(["size", "method"])
    assert len(frame) == 8 * 4 - 1  # Mistral was not prefix-tuned
    assert frame.loc[("GPT2-L", "Prompt"), "printed"] == "1.50%"
    assert frame.loc[("Mistral", "Prompt"), "percent"] == 0.0011
    # GPT-2 and both CodeGPT share their rows
    assert frame.loc["CodeGPT-Adapt"].equals(frame.loc["GPT2"])


def test_frames_are_not_shared() -> None:
    mine = conala_study.scores()
    mine["value"] = 0.0
    assert conala_study.scores()["value"].sum() > 0


def test_cells_that_cannot_be_what_they_say() -> None:
    # Table 2: three zeros of CodeBLEU, and 0.25 (to 0.005) at a BLEU below 0.001, which the study reads as quality.
    found = {(row.size, row.method): row.reason for row in conala_study.doubtful().itertuples()}
    assert found == {
        ("GPT2", "Prefix"): "0.25 by rule",
        ("GPT2", "Prompt"): "0 is impossible",
        ("GPT2-M", "Prefix"): "0 is impossible",
        ("GPT2-M", "Prompt"): "0.25 by rule",
        ("Mistral", "FFT"): "0.25 by rule",
        ("Mistral", "Prefix"): "0 is impossible",
    }


def test_results_stand_beside_the_study() -> None:
    suite = store.load_suite("conala")
    frame = results.results(suite, lambda task, model: None)
    assert len(frame) == 8 * 4 * 2  # both metrics, missing: shown, not dropped
    assert set(frame["status"]) == {"no artefact"}
    cell = frame[(frame["size"] == "GPT2-XL") & (frame["method"] == "LoRA") & (frame["metric"] == "bleu")]
    assert cell["published"].item() == 22.1
    assert set(results.overview(frame)["place"]) == {"CoNaLa study, Table 2"}
    assert paper.digits_of("conala") == 3
    assert paper.sizes_of("conala") == suite.sizes == conala_study.SIZES
    assert tuple(suite.methods) == conala_study.METHODS


def test_a_damaged_table_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "paper").mkdir(parents=True)
    text = (store.data_dir() / "paper" / "conala_table3.csv").read_text().replace("3,Mistral,LoRA", "3,Mistral,LoRB")
    (tmp_path / "data" / "paper" / "conala_table3.csv").write_text(text)
    monkeypatch.setenv("ASTRAIOS_ROOT", str(tmp_path))
    with pytest.raises(schema.BadInput, match="not the study's table 3"):
        conala_study._costs.__wrapped__()


def test_what_is_left_without_them() -> None:
    frame = results.results(store.load_suite("conala"), lambda task, model: None)
    left = conala_study.sound(frame).set_index(["size", "method", "metric"])["published"]
    assert left.isna().sum() == 6 + 3  # six CodeBLEU, and the BLEU of the three zeros
    assert left["Mistral", "FFT", "bleu"] == 0.019
    assert frame["published"].notna().all()
    # the same from the table alone, whatever a suite has run
    alone = conala_study.sound(conala_study.as_results()).set_index(["size", "method", "metric"])["published"]
    assert alone.sort_index().equals(left.sort_index())


def test_memory_is_a_cost() -> None:
    # 7.15 GB = 7.15e9 / 2^20 MiB
    first = conala_study.memory().iloc[0]
    assert (first["size"], first["method"]) == ("GPT2", "FFT")
    assert first["peak_mib"] == pytest.approx(7.15e9 / 2**20)
