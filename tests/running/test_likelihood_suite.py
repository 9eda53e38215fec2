"""Likelihood tasks as part of a suite: measured, continued after a kill, scored, shipped as counts."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pandas as pd
import pytest
import tiny_suite
from kill_pipeline import serially

from astraios_utils import generation, results, schema, store
from astraios_utils.generation import likelihood
from astraios_utils.running import pipeline

TASKS = ["prefer-python", "nll-python"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("likelihood")


@pytest.fixture(scope="module")
def suite(folder: Path) -> schema.Suite:
    code = dict.fromkeys(TASKS, "./code.jsonl")
    fields = {"tasks": TASKS, "problems": code, "sizes": ["small"], "methods": ["P-Tuning"]}
    return tiny_suite.read(folder / "suite", **fields)


def _file(suite: schema.Suite, task: str) -> Path:
    return generation.Cell(suite, suite.models[0], pipeline.get_task(task)).path


def test_from_training_to_results(suite: schema.Suite, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAIOS_BUILD", str(folder / "build"))
    monkeypatch.setattr(generation, "MEASURED", 4)
    calls: list[int] = []
    real = likelihood.measure

    def counted(engine: object, asked: list[object], *rest: object) -> object:
        calls.append(len(asked))
        if len(calls) == 2 and not (folder / "killed").exists():
            (folder / "killed").touch()
            raise KeyboardInterrupt
        return real(engine, asked, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(likelihood, "measure", counted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(suite, suite, {"workers": 1}, executor=serially)
    pipeline.run(suite, suite, {"workers": 1}, executor=serially)
    # 6 problems in parts of 4: killed in the second part; then that part, and nll's first (its second is known).
    assert calls == [4, 2, 2, 4]
    rows = {task: [json.loads(line) for line in lzma.decompress(_file(suite, task).read_bytes()).splitlines()]
            for task in TASKS}  # fmt: skip
    assert [row["nats"][:1] for row in rows["prefer-python"]] == [row["nats"] for row in rows["nll-python"]]
    frame = pd.read_parquet(folder / "build" / "tiny" / "results.parquet")
    values = frame.set_index(["task", "metric"])["value"]
    nats = sum(row["nats"][0] for row in rows["nll-python"])
    size = sum(row["bytes"][0] for row in rows["nll-python"])
    assert values["nll-python", "bits/byte"] == pytest.approx(nats / size / 0.6931471805599453)
    assert set(frame["metric"]) == {"bits/byte", "bits/token", "prefer", "prefer/token", "prefer/byte"}
    assert frame["low"].le(frame["value"]).all()
    for task in TASKS:  # what is shipped as counts gives the same numbers
        verdicts = pd.read_parquet(store.suite_dir("tiny") / "verdicts" / task / f"{suite.models[0].slug}.parquet")
        again = results.expand_counts(results.to_counts(verdicts), "tiny")
        for metric, estimate in pipeline.get_task(task).summarise(again).items():
            assert estimate.value == pytest.approx(values[task, metric])


def test_what_is_current_is_not_measured_again(
    suite: schema.Suite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAIOS_BUILD", str(folder / "build"))
    monkeypatch.delattr(likelihood, "measure")
    assert generation.generate(suite, suite.models[0], TASKS) == 0
