"""A user's own model and method, start to end: a tiny local Llama tuned by DoRA, which the paper does not have."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import tiny_suite
from tiny_models import tiny, tokenizer

from astraios_utils import cli, store, training
from astraios_utils.schema import Model


@pytest.fixture
def path(build: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    tiny("llama", vocab_size=300).save_pretrained(folder / "llama")
    tokenizer().save_pretrained(folder / "llama")
    return tiny_suite.write(
        folder,
        sizes=["mine"],
        methods=["DoRA"],
        tasks=["defect", "synthesize-python"],
        method_configs={"DoRA": {"like": "LoRA", "use_dora": True}},
        bases={"mine": {"model": "./llama"}},
    )


def test_a_llama_and_dora_run_end_to_end(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["suite", "check", str(path)]) == 0
    assert "mine  DoRA" in capsys.readouterr().out
    assert cli.main(["run", "--suite", str(path), "--workers", "1"]) == 0
    results = pd.read_parquet(store.suite_dir("tiny") / "results.parquet")
    assert set(results["task"]) == {"defect", "synthesize-python"}
    assert set(results["provenance"]) == {"measured"}
    run = training.plan(store.load_suite(str(path)), Model("mine", "DoRA")).record()
    assert run is not None
    # Rank 8 on q (32 -> 32), k and v (32 -> 16), o (32 -> 32) and down_proj (64 -> 32), and DoRA's magnitudes, an entry
    # per output of each, in two blocks.
    lora = 8 * ((32 + 32) + 2 * (32 + 16) + (32 + 32) + (64 + 32))
    assert run["cost"]["trainable_parameters"] == 2 * (lora + 32 + 2 * 16 + 32 + 32)
    capsys.readouterr()
    assert cli.main(["run", "--suite", str(path), "--workers", "1"]) == 0
    again = capsys.readouterr().err
    for line in ("train: 0 of 1 models to do", "generate: 0 of 1 models to do", "0 files to score, 2 current"):
        assert line in again
    assert cli.main(["suite", "check", str(path)]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mine  DoRA")]
    trains, generates = row.split("yes")[1].split(maxsplit=1)
    assert "~" not in trains  # measured now
    assert "~" in generates
