"""An adapter from elsewhere becomes a model of a suite: its scores are those of the same adapter trained there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import loopback_hub
import pandas as pd
import pytest
import tiny_suite
import yaml

from astraios_utils import schema, store, training
from astraios_utils.exchange import adapters
from astraios_utils.presenting import tables
from astraios_utils.running import pipeline
from astraios_utils.schema import Suite

TASK = "synthesize-python"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Suite, Path, Path]:
    """A tiny suite with one trained and scored model, the folder of its adapter, and the build folder."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("adapters")
        patch.setenv("ASTRAIOS_BUILD", str(home / "build"))
        suite = store.load_suite(str(tiny_suite.write(home / "suite")))
        store.keep_suite(suite)
        part = suite.slice(["small"], ["LoRA"], [TASK])
        pipeline.obtain(part)
        pipeline.score(part)
        copy = home / "somebody" / "my adapter"
        shutil.copytree(training.plan(suite, part.models[0]).checkpoint, copy)
        return suite, copy, home / "build"


@pytest.fixture
def suite(trained: tuple[Suite, Path, Path], monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The tiny suite, in its build folder."""
    monkeypatch.setenv("ASTRAIOS_BUILD", str(trained[2]))
    return trained[0]


@pytest.mark.slow
@pytest.mark.smoke
def test_an_adapter_scores_what_it_scores_where_it_was_trained(suite: Suite, trained: tuple[Suite, Path, Path]) -> None:
    own, frame = adapters.evaluate(str(trained[1]), suite, tasks=[TASK])
    assert (own.name, own.methods, own.sizes) == ("tiny-my-adapter", ("my-adapter",), ("small",))
    values = frame[frame["metric"] == "pass@1"].set_index("method")["value"]
    assert set(values.index) == {"my-adapter", "LoRA"}  # next to the suite's own model of that base
    theirs = frame[(frame["method"] == "my-adapter") & (frame["metric"] == "pass@1")].iloc[0]
    assert theirs["provenance"] == "measured"
    assert theirs["n"] == tiny_suite.PROBLEMS * 3
    text = tables.write(frame)
    assert text.splitlines()[0].startswith("Code synthesis, Python")
    assert any(line.startswith("my-adapter") for line in text.splitlines())


LOCATE = "import sys; from astraios_utils.exchange import adapters; print(adapters.locate(sys.argv[1]))"


@pytest.mark.slow
def test_an_adapter_comes_from_the_hub(trained: tuple[Suite, Path, Path], tmp_path: Path) -> None:
    hub = loopback_hub.Hub(models={"someone/lora": loopback_hub.Repository(trained[1])})
    with loopback_hub.serving(hub):  # a process of its own: the hub's address is read when its library is imported
        variables = {**os.environ, **loopback_hub.variables(hub, tmp_path)}
        done = [
            subprocess.run([sys.executable, "-c", LOCATE, name], env=variables, capture_output=True, text=True)
            for name in ("someone/lora", "someone/else")
        ]
    assert done[0].returncode == 0, done[0].stderr
    names = sorted(path.name for path in Path(done[0].stdout.strip().splitlines()[-1]).iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]  # and not the tokenizer
    assert "someone/else: no such repository on the hub" in done[1].stderr


@pytest.mark.slow
def test_what_does_not_fit_is_refused_in_a_line(
    suite: Suite, trained: tuple[Suite, Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(schema.BadInput, match=r"no adapter_config\.json"):
        adapters.locate(str(tmp_path))
    odd = tmp_path / "odd"
    shutil.copytree(trained[1], odd)
    config = json.loads((odd / "adapter_config.json").read_text())
    (odd / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "some/base"}))
    with pytest.raises(schema.BadInput, match=r"names the base 'some/base'.*with --size"):
        adapters.size_of(suite, odd)
    with pytest.raises(schema.BadInput, match="adapter of another base"):
        adapters.evaluate(str(odd), suite, size="large", tasks=[TASK], name="odd")
    with pytest.raises(schema.BadInput, match="suite released has no bases"):
        adapters.evaluate(str(odd), store.load_suite("released"))


PUSH = "import sys; from astraios_utils import cli; sys.exit(cli.main(sys.argv[1:]))"


@pytest.mark.slow
def test_an_adapter_is_pushed_with_its_card(suite: Suite, trained: tuple[Suite, Path, Path], tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    hub = loopback_hub.Hub(models={"me/tuned": loopback_hub.Repository(there)})
    command = [sys.executable, "-c", PUSH, "push", "me/tuned", "--suite", suite.name, "--size", "small", "--method"]
    with loopback_hub.serving(hub):
        variables = {**os.environ, **loopback_hub.variables(hub, tmp_path / "home", token="t")}
        done = subprocess.run([*command, "LoRA"], env=variables, capture_output=True, text=True)
        other = subprocess.run([*command, "P-Tuning"], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("/me/tuned")
    mine = training.plan(suite, suite.slice(["small"], ["LoRA"]).models[0]).checkpoint
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (there / name).read_bytes() == (mine / name).read_bytes()
    head, body = (there / "README.md").read_text(encoding="utf-8").removeprefix("---\n").split("\n---\n", 1)
    about = yaml.safe_load(head)
    frame = pipeline.aggregate(suite)
    row = frame[(frame["method"] == "LoRA") & (frame["size"] == "small") & (frame["metric"] == "pass@1")]
    value, low, high = row.loc[row["provenance"] == "measured", ["value", "low", "high"]].iloc[0]
    assert about["library_name"] == "peft"
    assert about["model-index"][0]["results"][0]["metrics"][0]["value"] == round(value, 4)
    assert f"| {value:.2f} | {low:.2f} to {high:.2f} | {tiny_suite.PROBLEMS} |" in body
    assert "Trained parameters" in body
    assert "- Commit: `" in body
    assert other.returncode == 2
    assert "has not been trained: astraios train --suite tiny" in other.stderr


ROWS = pd.DataFrame(
    [
        {"size": "1B", "method": "LoRA", "task": "defect", "metric": "accuracy", "value": 50.126, "low": 48.0,
         "high": 52.26, "published": 50.1},
        {"size": "3B", "method": "LoRA", "task": "defect", "metric": "accuracy", "published": 55.0},
        {"size": "1B", "method": "a_b & c", "task": "defect", "metric": "accuracy", "value": -1.5},
        {"size": "1B", "method": "LoRA", "task": "clone", "metric": "f1"},
    ]
)  # fmt: skip


def test_a_table_in_three_forms() -> None:
    lines = tables.write(ROWS).splitlines()
    assert lines[0] == "Defect detection: Accuracy (%)"
    assert lines[1].split() == ["method", "1B", "3B"]
    assert lines[2].split() == ["LoRA", "50.13", "[48.0,", "52.3]", "(55.00)"]
    assert lines[3].split() == ["a_b", "&", "c", "−1.50", "—"]
    assert len(lines) == 4  # nobody has a value of clone detection
    assert "| LoRA | 50.13 [48.0, 52.3] | (55.00) |" in tables.write(ROWS, "markdown").splitlines()
    latex = tables.write(ROWS, "latex").splitlines()
    assert latex[0] == "% Defect detection: Accuracy (%), 95% intervals"
    assert r"a\_b \& c & $-$1.50 & --- \\" in latex
    assert latex[-1] == r"\end{tabular}"


def test_one_models_tasks_are_one_table() -> None:
    same = {"size": "3B", "method": "LoRA", "low": 40.0, "high": 60.0}
    nothing = float("nan")
    rows = [("defect", "accuracy", 50.0, 49.5), ("defect", "valid", 90, nothing), ("aatk", "valid", 12.5, nothing)]
    columns = ["task", "metric", "value", "published"]
    lines = tables.write(pd.DataFrame(rows, columns=columns).assign(**same)).splitlines()
    assert [re.split("  +", line) for line in lines] == [
        ["3B LoRA"],
        ["task", "measured", "published"],
        ["Defect detection: Accuracy (%)", "50.00 [40.0, 60.0]", "49.50"],
        ["Asleep at the Keyboard (DoW): Valid programs (%)", "12.50 [40.0, 60.0]", "—"],
    ]


def test_the_best_and_the_second_best_are_marked_as_in_the_paper() -> None:
    values = {"LoRA": 15.2, "FFT": 30.0, "(IA)3": 30.001, "Prompt": 12.0}
    rows = [{"method": method, "value": value} for method, value in values.items()]
    same = {"size": "1B", "task": "defect", "metric": "accuracy", "low": 1.0, "high": 40.0, "published": float("nan")}
    frame = pd.DataFrame(rows).assign(**same)
    marks = dict(tables.tables(frame)[0].marks)
    assert marks == {"LoRA": ("second",), "FFT": ("best",), "(IA)3": ("best",), "Prompt": ("",)}
    assert "| FFT | **30.00** [1.0, 40.0] |" in tables.write(frame, "markdown")
    assert r"LoRA & \underline{15.20} [1.0, 40.0] \\" in tables.write(frame, "latex")
    assert tables.ranks(list(values.values()), "insecure") == ["second", "", "", "best"]  # less of it is better
    assert tables.ranks([1.0, 2.0, float("nan")], "accuracy") == ["", "", ""]  # of two, both would be marked


def test_a_table_of_nothing_says_what_to_do() -> None:
    with pytest.raises(schema.MissingArtefact, match="astraios status"):
        tables.write(ROWS.iloc[3:])
