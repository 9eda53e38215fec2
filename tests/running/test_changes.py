"""What tuning changed in a suite, from shipped counts and costs alone: the README's table and its lines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import cli, schema, store
from astraios_utils.results import against
from astraios_utils.running import changes, seeds

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> schema.Suite:
    """A suite of which only counts and costs are there: two methods of ten problems; LoRA passes five more."""
    monkeypatch.setattr(seeds, "counts_path", lambda suite, run: tmp_path / f"seed{run}.parquet")
    rows = [
        ("synthesize-python", "S", method, str(i), "", "passed" if i < passed else "failed", "", 1)
        for method, passed in (("Base", 2), ("LoRA", 7))
        for i in range(10)
    ]
    keys = ["task", "size", "method", "problem", "variant", "status", "detail", "n"]
    store.write_frame(tmp_path / "seed0.parquet", pd.DataFrame(rows, columns=keys))
    cost = {"size": "S", "retained_loss_base": 2.0, "trainable_parameters": 12345}
    lines = [
        {**cost, "method": "Base", "trainable_parameters": 0, "test_loss": 2.5, "retained_loss": 2.0, "tokens": 0},
        {**cost, "method": "LoRA", "test_loss": 1.5, "retained_loss": 2.25, "tokens": 100},
    ]
    store.write_frame(tmp_path / "costs0.csv", pd.DataFrame(lines).reindex(columns=list(changes.COSTS)))
    return schema.Suite(
        name="mine", sizes=("S",), methods=("Base", "LoRA", "FFT"), tasks=("nll-python", "synthesize-python")
    )


def test_the_table_needs_no_build(shipped: schema.Suite, build: Path) -> None:
    lines = changes.as_markdown(shipped, "base").splitlines()
    assert lines[0] == "| method | `synthesize-python`, pass@1 | test loss | loss on plain text | weights trained |"
    assert lines[2].startswith("| Base | 20.0 (")
    assert lines[2].endswith(" | 2.500 | 2.000 | 0 |")
    assert lines[3] == "| LoRA | 70.0 (**+50.0**) | 1.500 | 2.250 (+0.250) | 12,345 |"
    assert len(lines) == 4  # nothing of FFT, nothing of nll
    assert set(changes.table(shipped, shipped.tasks)["status"]) == {"undecided", "better", "missing"}
    assert changes.agreement(shipped, shipped.tasks).empty  # of one tuned method


def test_a_suite_without_the_reference_or_without_results(shipped: schema.Suite, build: Path) -> None:
    alone = shipped.model_copy(update={"methods": ("LoRA",)})
    assert list(changes.table(alone, alone.tasks).columns) == list(against.COLUMNS)
    assert changes.table(alone, alone.tasks).empty
    with pytest.raises(schema.UnknownName, match="unknown method"):
        changes.as_markdown(alone, "Base")
    with pytest.raises(schema.BadInput, match="nothing is measured"):
        changes.as_markdown(shipped.model_copy(update={"tasks": ("nll-python",)}), "Base")


def test_the_readme_shows_what_is_shipped_of_smol(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a change of results: ``astraios results --suite smol --against Base``."""
    assert cli.main(["results", "--suite", "smol", "--against", "Base"]) == 0
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in readme


def test_the_readmes_sentences_about_smol_hold(build: Path) -> None:
    smol = store.load_suite("smol")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    said = {(row["first"], row["second"]): row for row in changes.agreement(smol, smol.tasks).to_dict("records")}
    one, other, third = (
        "{tau:.2f} ({low:.2f} to {high:.2f})".format(**said[pair])
        for pair in (
            ("nll-python", "synthesize-python"),
            ("nll-python", "prefer-python"),
            ("prefer-python", "synthesize-python"),
        )
    )
    assert f"over ten methods is {one}. Of *nll* and *prefer* it is {other}, of *prefer* and pass@1 {third}." in readme
    ends = changes.shipped_costs(smol).set_index("method")["test_loss"]
    assert set(ends.index[ends >= ends["Base"]]) == {"Base", "Prefix"}
    assert list(ends.nsmallest(2).index) == ["AdapterP", "Parallel"]
    found = changes.table(smol, smol.tasks).set_index(["task", "method"])
    worse = found.xs("nll-python")["status"].eq("worse")
    assert set(worse.index[worse]) == {"AdapterH", "AdapterP", "Prefix"}
    better = found.xs("nll-python")["difference"] < -0.01
    assert set(better.index[better]) == {"LoRA", "(IA)3", "FFT"}
    assert set(found.xs("nll-python").loc[better, "status"]) == {"better"}
    solved = found.xs("synthesize-python")
    assert set(solved["status"]) == {"undecided"}
    told = "FFT 9, Parallel 8, LoRA and (IA)3 7, P-Tuning and Prompt 5, AdapterP and AdaLoRA 4, AdapterH 2, Prefix 0"
    assert f"passes 4 of HumanEval's 164 problems with greedy answers (2.4%, 1.0 to 6.1), {told}." in readme
    passed = (solved["value"] * 164 / 100).round().astype(int).to_dict()
    assert passed.pop("Base") == 4
    counts = [
        (name, int(part.split()[-1])) for part in told.split(", ") for name in part.rsplit(" ", 1)[0].split(" and ")
    ]
    assert passed == dict(counts)
    prefer = found.xs("prefer-python").drop(index=["Base", "Prefix"])
    assert set(prefer["status"]) == {"undecided"}
    assert prefer["difference"].abs().max() < 4.9
