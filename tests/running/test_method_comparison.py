"""A comparison of methods from training to the table, and a method of one's own next to it, on a tiny random base."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import tiny_suite
import yaml

from astraios_utils import cli, methods, schema, store
from astraios_utils.presenting import comparison_text, plots
from astraios_utils.presenting.report import leaderboard
from astraios_utils.running import bench, comparison, pipeline, search
from astraios_utils.schema import Suite
from astraios_utils.store import processes

OWN_CLASS = '''
"""LoRA under another name, as a class of one's own."""
from dataclasses import dataclass

from peft import LoraConfig
from peft.tuners.lora import LoraModel
from peft.utils import PeftType

from astraios_utils.methods import registration


class MineModel(LoraModel):
    prefix = "lora_"


registration.add_peft_type("MINE")


@dataclass
class MineConfig(LoraConfig):
    def __post_init__(self):
        super().__post_init__()
        self.peft_type = PeftType("MINE")


registration.register("MINE", MineConfig, MineModel)
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of three methods and a check, run twice, with its counts shipped; the folder of data."""
    folder = tmp_path_factory.mktemp("comparison")
    data = folder / "data"
    (data / "suites").mkdir(parents=True)
    (data / "paper").symlink_to(store.data_dir() / "paper")
    rows = {
        "LoRA": {"family": "low-rank", "source": "a test"},
        "FFT": {"family": "full", "source": "a test"},
        "(IA)3": {"family": "scaling", "source": "a test", "budget": 2},
        "Twin": {"family": "low-rank", "source": "LoRA again", "control": True, "seed": 100},
    }
    path = tiny_suite.write(
        data / "suites",
        name="many",
        sizes=["small"],
        methods=["Base", "LoRA", "FFT", "(IA)3", "Twin"],
        tasks=["defect", "nll-python"],
        problems={"defect": "./defect.jsonl", "nll-python": "./code.jsonl"},
        method_configs={"Twin": {"like": "LoRA"}},
        rows=rows,
        left_out={"POLY": "it needs tasks"},
        seeds=2,
        search={"rates": [1e-3, 1e-2], "sizes": ["small"], "corpus_validation": "./corpus.jsonl", "steps": 1},
    )
    path.rename(data / "suites" / "many.yaml")
    return folder


def _here(call: Callable[[Any], Any], items: Sequence[Any], done: Callable[[Any, Any], None]) -> None:
    """Work in this process."""
    for item in items:
        done(item, call(item))


@pytest.fixture
def suite(made: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("ASTRAIOS_ROOT", str(made))
    monkeypatch.setenv("ASTRAIOS_BUILD", str(made / "build"))
    monkeypatch.setattr(processes, "share", _here)
    return store.load_suite("many")


def _run(suite: Suite) -> None:
    for number in range(suite.seeds):
        part = suite.run_of(number)
        pipeline.make(part, "train")
        pipeline.make(part, "generate")
        pipeline.score(part)


def test_from_training_to_the_table(suite: Suite, made: Path) -> None:
    assert not comparison.is_measured(suite)
    assert leaderboard.of(suite) is None
    _run(suite)
    trials = search.run(suite)
    assert set(trials["method"]) == {"LoRA", "FFT", "(IA)3"}  # neither the base nor the check
    comparison.ship(suite)
    table = comparison.table(suite).set_index("method")
    assert set(table.index) == set(suite.methods)
    assert table.loc[["LoRA", "FFT", "(IA)3"], "rank"].notna().all()
    assert table.loc[["Base", "Twin"], "rank"].isna().all()
    assert table.loc["FFT", "percent"] == pytest.approx(100)
    assert 0 < table.loc["LoRA", "percent"] < 100
    assert table["served"].to_dict() == {
        **dict.fromkeys(("Base", "FFT"), "whole"), **dict.fromkeys(("LoRA", "(IA)3", "Twin"), "merged"),
    }  # fmt: skip
    records = [store.read_json(store.suite_dir("many") / "train" / f"small-{m}" / "run.json") for m in ("twin", "lora")]
    twin, lora = (record for record in records if record is not None)
    assert twin["inputs"]["seed"] == lora["inputs"]["seed"] + 100


def test_the_shipped_files_give_the_same_table(suite: Suite, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = comparison.table(suite)
    monkeypatch.setenv("ASTRAIOS_BUILD", str(made / "nothing"))
    assert comparison.is_measured(suite)
    pd.testing.assert_frame_equal(comparison.table(suite), here, check_exact=False, rtol=1e-6)


def test_text_and_leaderboard_say_what_the_table_has(suite: Suite) -> None:
    table = comparison.table(suite)
    assert comparison_text.counts(suite, table).startswith(
        "**3 methods** have results, next to the untuned base and 1 che"
    )
    first = comparison_text.ranked(table).iloc[0]
    assert f"**{first['method']}**, {first['mean']:.1f}" in comparison_text.best_set(table)
    assert "*Twin* (LoRA again)" in comparison_text.checks(suite, table)
    assert "3 methods were searched" in comparison_text.sharpness(table)
    decided = comparison_text.decisions(table).set_index("You want")
    assert decided.loc["the highest mean of a tuned model", "Take"] == first["method"]
    assert decided.loc["about 2% of the parameters: mean", "Take"] == "(IA)3"
    assert decided["Evidence"].str.contains("mean").all()
    blocks = comparison_text.as_markdown(table)
    assert len(blocks["zoo-decisions"].splitlines()) == 2 + len(decided)
    lines = blocks["zoo-leaderboard"].splitlines()
    assert len(lines) == 2 + len(table)
    board = leaderboard.build(suite, table)
    assert [line.method for line in board.lines] == table["method"].to_list()
    assert board.budgets == ["2%"]
    assert board.left_out == {"POLY": "it needs tasks"}
    details = dict(next(line for line in board.lines if line.method == "(IA)3").details)
    assert details["source"] == "a test"
    assert details["family"] == table.set_index("method").loc["(IA)3", "family"]
    assert "Defect detection" in details
    assert board.about["(IA)3"] == next(line.details for line in board.lines if line.method == "(IA)3")


def test_figures_show_every_method_and_an_empty_table_draws_nothing(suite: Suite) -> None:
    table, trials = comparison.table(suite), search.read(search.path_of(suite))
    figure, axes = plt.subplots(1, 3)
    plots.standing(table, axes[0])
    assert [label.get_text() for label in axes[0].get_yticklabels()] == table["method"].to_list()
    ranked = table[~table["control"]]
    plots.cost_front(ranked, axes[1], "trainable_parameters", "Parameters", ranked["front"])
    assert {text.get_text() for text in axes[1].texts} == set(ranked.loc[ranked["front"], "method"])
    plots.rate_sensitivity(trials, suite.methods, axes[2])
    assert [label.get_text() for label in axes[2].get_yticklabels()] == ["LoRA", "FFT", "(IA)3"]
    plt.close(figure)
    empty = comparison.table(suite.model_copy(update={"name": "nobody"}))
    figure, axes = plt.subplots(1, 3)
    plots.standing(empty, axes[0])
    plots.cost_front(empty, axes[1], "trainable_parameters", "Parameters", empty["front"])
    plots.rate_sensitivity(trials.iloc[:0], suite.methods, axes[2])
    assert not any(ax.has_data() for ax in axes)
    plt.close(figure)
    assert "Nothing is measured yet" in comparison_text.counts(suite, empty)
    assert comparison_text.best_set(empty) == comparison_text.orders(empty) == comparison_text.NOTHING
    assert comparison_text.decisions(empty).empty
    assert comparison.correlations(None).empty


def _file(folder: Path, **fields: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "Mine", "suite": "many", **fields}))
    return path


def test_a_method_of_ones_own_joins_the_table(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASTRAIOS_METHODS", "")
    (tmp_path / "mine.py").write_text(OWN_CLASS)
    path = _file(tmp_path, config={"peft_type": "MINE", "r": 2, "target_modules": ["attn.c_attn"]}, register="mine.py")
    assert cli.main(["bench", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Mine: mean ")
    assert " of 4, " in said.splitlines()[0]  # LoRA, FFT, (IA)3 and Mine
    table = pd.read_csv(store.suite_dir("many-mine") / "leaderboard.csv").set_index("method")
    assert table.loc["Mine", "served"] == "adapter"
    assert table.loc["Mine", "trainable_parameters"] == 2 * (32 + 32 + 2 * 8)  # r (in + out) of c_attn, one layer
    assert table.loc["Mine", "learning_rate"] in (1e-3, 1e-2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"config": {"like": "LoRA"}, "name": "LoRA"}, "has a method of that name"),
        ({}, "config: Field required"),
        ({"config": {"like": "LoRA"}, "rat": 1}, "rat: Extra inputs"),
        ({"config": {"peft_type": "LORAA"}}, "unknown peft_type"),
        ({"config": {"like": "LoRA"}, "register": "none.py"}, "no such Python file"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    suite: Suite, tmp_path: Path, fields: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", str(_file(tmp_path, **fields))]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said


def test_a_suite_that_searches_nothing_compares_nothing(suite: Suite) -> None:
    own = bench.OwnMethod(name="Mine", config={"like": "LoRA"})
    with pytest.raises(schema.BadInput, match="compares nothing"):
        bench.as_suite(suite.model_copy(update={"search": None}), own)
    assert methods.OPTIMIZERS
