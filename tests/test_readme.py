"""The README's numbers come from the shipped verdict counts, and its tree is the tree."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astraios_utils import cli, results, schema, store
from astraios_utils.presenting import comparison_text
from astraios_utils.results import claims
from astraios_utils.results.claims import corrected
from astraios_utils.running import changes, comparison, ledger, pipeline, run_tables, search, seeds

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _block(name: str, page: str = README) -> str:
    found = re.search(rf"<!-- {name}\b.*?-->\n(.*?)<!-- /{name} -->", page, flags=re.S)
    assert found is not None, f"the page has no block {name}"
    return found[1].strip("\n")


def _table(name: str, page: str = README) -> list[list[str]]:
    """The rows of a block's table, the head first."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in _block(name, page).splitlines()]
    return [rows[0], *rows[2:]]


def _cells(name: str) -> list[list[str]]:
    return _table(name)[1:]


def test_results_are_those_of_the_shipped_counts(released_build: Path) -> None:
    frame = pipeline.aggregate(store.load_suite("released"))
    assert set(frame.loc[frame["provenance"] == "measured", "origin"]) == {"shipped"}
    assert results.markdown(frame) == _block("results").strip()


def test_losses_by_amount_of_data_are_those_of_the_shipped_trials() -> None:
    page = (ROOT / "docs" / "appendices.md").read_text(encoding="utf-8")
    found = search.by_documents(search.over_documents(store.load_suite("nano")))
    means = found.pivot_table(index="method", columns="documents", values="loss", sort=False)
    rows = _table("data-scaling", page)
    assert rows[0] == ["method", *(f"{amount:,}" for amount in means.columns)]
    assert {row[0]: row[1:] for row in rows[1:]} == {
        method: [f"{value:.3f}" for value in own] for method, own in zip(means.index, means.to_numpy(), strict=True)
    }


def test_unit_tests_of_smol_are_those_of_the_shipped_counts(build: Path) -> None:
    page = (ROOT / "docs" / "how" / "8_unit_tests.md").read_text(encoding="utf-8")
    rows = _table("smol-tests", page)
    smol = store.load_suite("smol")
    frame = ledger.shown(smol.slice(methods=[row[0] for row in rows[1:]], tasks=["testgen-python"]))
    for method, *told in rows[1:]:
        cells = frame[frame["method"] == method].set_index("metric").loc[rows[0][1:], ["value", "low", "high"]]
        assert told == [f"{value:.1f} ({low:.1f} to {high:.1f})" for value, low, high in cells.to_numpy()]
    evidence = ledger.measured(seeds.with_extra_tasks(smol))
    own = {claim.id: claims.evaluate(claim, evidence)[0]["verdict"] for claim in claims.load("testgen_claims")}
    assert own["tests-fewer-valid"] == "supported"  # as the page says
    assert own["tests-cover-more"] == "undecided"


@pytest.mark.slow
@pytest.mark.ci
def test_tables_of_nano_are_those_of_its_shipped_runs(build: Path) -> None:
    for name, lines in run_tables.as_markdown(store.load_suite("nano")).items():
        assert lines == _block(name), name


@pytest.fixture(scope="module")
def zoo_table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The comparison of methods, from its shipped runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_BUILD", str(tmp_path_factory.mktemp("zoo")))
        return comparison.table(store.load_suite("zoo"))


@pytest.mark.slow
@pytest.mark.ci
def test_tables_of_the_comparison_of_methods_are_those_of_its_shipped_runs(zoo_table: pd.DataFrame) -> None:
    leaderboard = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    blocks = comparison_text.as_markdown(zoo_table)
    assert blocks["zoo-decisions"] == _block("zoo-decisions")
    assert blocks["zoo-leaderboard"] == _block("zoo-leaderboard", leaderboard)


@pytest.mark.slow
@pytest.mark.ci
def test_what_is_said_of_the_comparison_of_methods_is_in_its_table(build: Path, zoo_table: pd.DataFrame) -> None:
    zoo, table = store.load_suite("zoo"), zoo_table.set_index("method")
    tuned, base = table[~table["control"]], table.loc["Base"]
    frozen, twin = table.loc["Frozen"], table.loc["LoRA twin"]
    assert len(tuned) == 61
    assert (tuned["mean"] < base["mean"]).all()
    assert f"({(tuned['explain-python'] > base['explain-python']).sum()} methods are better than the base)" in README
    for task in ("synthesize-python", "repair-python", "prefer-python"):
        assert (tuned[task] < base[task]).all()
    assert (tuned["mean"] < frozen["mean"]).all()
    assert (tuned["test_loss"] < frozen["test_loss"]).all()
    assert tuned["test_loss"].nsmallest(3).index.to_list() == ["FFT", "HFT", "GLoRA"]
    assert tuned["mean"].nlargest(3).index.to_list() == ["TinyLoRA", "GLoRA", "EVA"]
    assert f"({twin['vs LoRA']:.1f} points, p {twin['vs LoRA p']:.1f})" in README
    assert f"{int(tuned['may_be_best'].sum())} methods may be the best:" in README
    peft = comparison.correlations(comparison.scores(zoo)).iloc[0]
    assert f"{peft['methods']} of the methods otherwise" in README
    assert f"(Kendall's tau {peft['tau']:.2f}, {peft['low']:.2f} to {peft['high']:.2f})" in README
    scored = ["synthesize-python", "repair-python", "explain-python", "defect", "recode-function", "prefer-python"]

    def spread(method: str, tasks: list[str]) -> float:
        model = schema.Model("170K", method)
        cells = [[seeds.shipped("zoo", run, task, model) for task in tasks] for run in range(zoo.seeds)]
        values = [
            [
                results.value_of(t, cell, results.headline(t))
                for t, cell in zip(tasks, row, strict=True)
                if cell is not None
            ]
            for row in cells
        ]
        return float(np.std(np.mean(values, axis=1), ddof=1))

    spreads = [spread(method, scored) for method in zoo.methods]
    assert (
        f"by {np.median(spreads):.1f} points between runs (SD; the median method, up to {max(spreads):.1f})" in README
    )
    assert f"(LoRA's vary by {spread('LoRA', ['defect']):.0f} points)" in README


def test_what_is_said_of_nano_is_in_its_tables() -> None:
    scores = {row[0]: [float(cell.split()[0]) for cell in row[1:]] for row in _cells("nano-scores")}
    for column in (1, 2, 3):
        assert all(values[column] < scores["Base"][column] for method, values in scores.items() if method != "Base")
    assert max(values[0] for values in scores.values()) < 10
    order = {row[0].strip("`"): (float(row[1]), float(row[3])) for row in _cells("nano-order")}
    assert min(p for _, p in order.values()) * len(order) > 0.05
    assert all(order[name][0] > 0 for name in order if name.startswith(("mean", "explain")))
    assert all(order[name][0] < 0 for name in order if name.startswith("synthesize"))
    nano = store.load_suite("nano")
    shipped = seeds.shipped_runs(nano)
    for method, told in (("Base", "from 14% (untuned, 1.1M)"), ("AdaLoRA", "to 61% (AdaLoRA)")):
        cells = [seeds.shipped("nano", run, "explain-python", schema.Model("1.1M", method)) for run in shipped]
        values = [results.value_of("explain-python", cell, "pass@1") for cell in cells if cell is not None]
        assert f"{sum(values) / len(values):.0f}%" in told
        assert told in README
    costs = changes.shipped_costs(nano)
    ends = costs[costs["method"] == "FFT"].set_index("size")["test_loss"].reindex(list(nano.sizes))
    assert ", ".join(f"{loss:.3f}".removeprefix("0") for loss in ends) in README
    count = {3: "Three", 4: "Four", 5: "Five"}[len(shipped)]
    assert f"{count} runs are shipped (seeds {', '.join(map(str, shipped[:-1]))} and {shipped[-1]})" in README


def test_the_tree_names_every_module_and_every_top_level_file() -> None:
    tree = _block("tree")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    top = {name.split("/")[0] for name in listed} - {"README.md"}
    package = {name.split("/")[1] for name in listed if name.startswith("astraios_utils/")} - {"__init__.py"}
    missing = [name for name in sorted(top | package) if name not in tree]
    assert not missing


def test_every_link_and_picture_exists() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "data/**/README.md", "notebooks/*.ipynb")


@pytest.mark.parametrize("pages", PAGES)
def test_every_command_shown_can_be_given(pages: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each `make TARGET` is a target; each `astraios …` is parsed, and a bare name is a command."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob(pages))}
    assert texts
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    wrong = []
    for path, text in texts.items():
        plain = text.replace("\\\n", " ").replace("\\n", "\n")
        blocks = re.findall(r"^    (?:\.venv/bin/)?(?:make|astraios) .*$", plain, flags=re.M)
        spans = re.findall(r"`((?:make|astraios) [^`]+)`", plain)
        wrong += [f"{path}: {line}" for line in [*blocks, *spans] if not _can_be_given(line, targets)]
    capsys.readouterr()  # what the parser says of the wrong ones
    assert wrong == []


_parser = functools.cache(cli.build_parser)


def _can_be_given(line: str, targets: set[str]) -> bool:
    program, *words = shlex.split(line, comments=True)
    if program == "make":
        return bool({word for word in words if "=" not in word} <= targets)
    if len(words) == 1 and words[0] in cli.EXAMPLES:  # a command is named, not given
        return True
    try:
        _parser().parse_args(words)
    except SystemExit:
        return False
    return True


def test_a_command_with_a_flag_that_is_gone_is_found() -> None:
    assert _can_be_given("    .venv/bin/astraios run --suite nano --size 420K   # a slice", set())
    assert not _can_be_given("astraios run --suite nano --sizes 420K", set())
    assert not _can_be_given("astraios rum", set())
    assert _can_be_given("make reproduce SUITE=nano  # all of it", {"reproduce"})
    assert not _can_be_given("make reprodce SUITE=nano", {"reproduce"})


def test_changes_are_those_of_the_corrected_tables(released_build: Path) -> None:
    assert corrected.as_markdown(ledger.changes(store.load_suite("released"))) == _block("changes")


def test_the_java_paragraph_counts_the_table_of_levels() -> None:
    levels = pd.read_csv(ROOT / "data" / "released" / "java_levels.csv")
    equal = (levels["level 8"].round(2) == levels["published"].round(2)).sum()
    assert f"{equal} of the {len(levels)} files equal the paper" in README


def test_the_first_screen_counts_the_tables() -> None:
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in _block("results").splitlines()[2:]]
    python = [row for row in rows if row[0] == "Table 3" and row[1].endswith("python")]
    scored, equal = (sum(int(row[column].split()[0]) for row in python) for column in (3, 4))
    largest = max(float(row[8]) for row in python)
    assert f"{equal} of the {scored} measured Python cells" in README
    assert f"the largest difference\n   is {largest} points" in README
    java = max(float(row[8]) for row in rows if row[1].endswith("java") and row[2] == "pass@1")
    assert f"score up to {java:.0f} points more" in README
    scored_of = {row[1]: int(row[3].split()[0]) for row in rows if "/" not in row[2]}  # by task
    total = 28 * len(scored_of)
    assert f"**Missing:** {total - sum(scored_of.values())} of the {total} cells" in README


def test_the_answer_agrees_with_the_corrected_tables(released_build: Path) -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in _block("changes").splitlines()[2:]]
    supported = [said for said, _, corrected_to, _ in rows if corrected_to == "supported"]
    assert f"With the corrected tables, {len(supported)} statements become supported:" in README
    assert "How good a PEFT method is depends on the scale." in supported
    assert "RP@1 rises with model size for every method." in supported
    found, _ = ledger.claim_verdicts(store.load_suite("released"))
    verdicts = found.set_index(["evidence", "claim"])["verdict"]
    for claim in ("fft-best-averaged", "lora-front-parameters"):
        for evidence in (claims.PUBLISHED, corrected.CORRECTED):
            assert verdicts[evidence, claim] == "supported", claim  # "stays supported"
