"""The suite ``paper`` from ``suite check`` to figures on one slice, with everything fetched from a hub on this machine.

The hub serves tiny models under the paper's names. Of the suite file only the amounts change: steps, sequences, samples
and problems (nano's, a few of each). Precision, checkpointing, gated access, template and methods are the paper's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import loopback_hub
import pandas as pd
import pytest
import yaml
from loopback_hub import COMMIT, Hub, Repository
from tiny_models import tiny, tokenizer

from astraios_utils import store

BASE, CORPUS, TOKEN = "bigcode/starcoderbase-1b", "bigcode/guanaco-commits", "hf_of_the_test"
AMOUNTS = {"steps": 3, "batch": 2, "sequence_length": 128, "warmup_steps": 1, "evaluate_every": 2, "test_sequences": 2}
PROBLEMS = {"defect": "defect", "synthesize-python": "humanevalpack-python", "recode-format": "recode-format"}
KEPT = 4  # problems of each task
SLICE = ["--size", "1B", "--method", "LoRA"]
# One process runs all commands, as loading the libraries takes longer than any of them.
TERMINAL = """
import contextlib, json, os, sys
from astraios_utils import cli
for token, *words in json.loads(sys.argv[1]):
    os.environ["HF_TOKEN"] = token
    print("$ astraios", *words, flush=True)
    with contextlib.redirect_stderr(sys.stdout):
        code = cli.main(words)
    print("exit", code, flush=True)
"""


def _problems(source: Path, target: Path) -> str:
    """The first problems of a benchmark of nano's, with all their variants."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    keys = [row.get("task_id", number) for number, row in enumerate(rows)]
    first = list(dict.fromkeys(keys))[:KEPT]
    kept = [json.dumps(row) + "\n" for key, row in zip(keys, rows, strict=True) if key in first]
    target.write_text("".join(kept), encoding="utf-8")
    return f"./{target.name}"


def _checkout(folder: Path) -> dict[str, Any]:
    """A checkout whose suite ``paper`` asks for less of everything; the suite as it is written there."""
    here = store.root()
    (folder / "data" / "suites").mkdir(parents=True)
    for path in here.iterdir():
        if path.name not in ("data", "build", "figures", ".git"):
            (folder / path.name).symlink_to(path)
    for path in (here / "data").iterdir():
        if path.name != "suites":
            (folder / "data" / path.name).symlink_to(path)
    suites = folder / "data" / "suites"
    raw: dict[str, Any] = yaml.safe_load((here / "data" / "suites" / "paper.yaml").read_text(encoding="utf-8"))
    raw["recipe"] |= AMOUNTS
    raw["problems"] = {
        task: _problems(store.data_dir() / "nano" / "benchmark" / f"{name}.jsonl", suites / f"{task}.jsonl")
        for task, name in PROBLEMS.items()
    }
    raw |= {"sampling": {"samples": 2, "max_length": 256}, "notebooks": ["02_eval_generation"]}
    (suites / "paper.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    return raw


def _repositories(folder: Path) -> Hub:
    """A gated base of the paper's architecture and its corpus, as the hub stores them."""
    base, data = folder / "base", folder / "data"
    tiny(vocab_size=300, n_layer=1, n_positions=8192).save_pretrained(base)
    tokenizer().save_pretrained(base)
    data.mkdir()
    pairs = [{"prompt": f"What is {i}?", "completion": f"\n    return {i}" * (1 + i % 3)} for i in range(90)]
    for split in ("train", "test"):
        (data / f"{split}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    return Hub({BASE: Repository(base, token=TOKEN)}, {CORPUS: Repository(data, fault="truncated", times=1)})


def _environment(hub: Hub, folder: Path) -> dict[str, str]:
    """Of a process that knows this hub, the changed checkout, and folders of its own."""
    places = {
        "ASTRAIOS_ROOT": str(folder / "checkout"),
        "ASTRAIOS_BUILD": str(folder / "build"),
        "ASTRAIOS_FIGURES": str(folder / "figures"),
        "ASTRAIOS_MIRROR": "none",
    }
    return {**os.environ, **places, **loopback_hub.variables(hub, folder / "home")}


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.timeout(1200)
def test_the_papers_suite_runs_from_the_hub_to_its_figures(tmp_path: Path) -> None:
    raw = _checkout(tmp_path / "checkout")
    part = ["--suite", "paper", *SLICE, *(word for task in PROBLEMS for word in ("--task", task))]
    commands = [
        ["", "train", *part],
        [TOKEN, "suite", "check", "paper", *SLICE],
        *([TOKEN, stage, *part] for stage in ("train", "generate", "run")),
    ]
    with loopback_hub.serving(_repositories(tmp_path)) as hub:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", TERMINAL, json.dumps(commands)],
            env=_environment(hub, tmp_path), capture_output=True, text=True, timeout=1100, check=False,
        )  # fmt: skip
    print(done.stdout)  # pytest shows it after a failure, or with -s: the log of the run
    assert "Traceback" not in done.stdout + done.stderr
    refused, checked, trained, generated, ran = done.stdout.split("$ astraios ")[1:]
    assert f"{BASE}: the hub requires a valid token" in refused
    assert refused.endswith("exit 2\n")
    assert "1B    LoRA" in checked
    assert "train: 1 of 1 models to do" in trained
    assert "generate: 1 of 1 models to do" in generated
    assert "3 files to score, 0 current" in ran
    assert all(said.endswith("exit 0\n") for said in (checked, trained, generated, ran))
    _check_run(tmp_path / "build" / "paper", raw)
    drawn = {path.stem for path in (tmp_path / "build" / "paper" / "figures").rglob("*.svg")}
    assert "figure_12_humanevalpack" in drawn


def _check_run(folder: Path, raw: dict[str, Any]) -> None:
    """Check what the slice has left in its build folder."""
    run = json.loads((folder / "train" / "1b-lora" / "run.json").read_text(encoding="utf-8"))
    assert run["cost"]["base_commit"] == run["cost"]["corpus_commit"] == COMMIT
    assert run["inputs"]["recipe"]["template"] == "Question: {prompt}\n\nAnswer: {completion}"
    assert run["inputs"]["recipe"]["gradient_checkpointing"] is True
    losses = [json.loads(line) for line in (folder / "train" / "1b-lora" / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in losses if line["split"] == "train"] == [1, 2, 3]
    results = pd.read_parquet(folder / "results.parquet")
    measured = results[results["provenance"] == "measured"]
    assert set(measured["task"]) == set(PROBLEMS)
    assert set(measured["size"]) == {"1B"}
    assert set(results["provenance"]) == {"measured", "published", "missing"} & set(results["provenance"])
    assert len(raw["methods"]) * len(raw["sizes"]) == results.groupby(["size", "method"]).ngroups
