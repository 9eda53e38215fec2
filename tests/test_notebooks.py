"""The notebooks keep their shape (thin, parameterised, no outputs, open on Colab) and run with nothing at hand."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from astraios_utils import schema, store
from astraios_utils.running import notebooks

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 15
FIGURES = {  # of the paper, by the notebook that draws them
    "02_eval_generation": {"figure_01_mean_performance", "figure_02_updated_parameters", "figure_12_humanevalpack"},
    "03_eval_comprehension": {
        *("figure_05_defect", "figure_06_clone", "figure_13_defect_one_shot", "figure_14_clone_one_shot"),
    },
    "04_robustness": {"figure_07_mean_rc"},
    "05_security": set(),  # table 5 has no figure
}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_every_suite_names_notebooks_that_exist() -> None:
    known = {path.stem for path in NOTEBOOKS}
    for suite in (ROOT / "data" / "suites").glob("*.yaml"):
        named = yaml.safe_load(suite.read_text(encoding="utf-8")).get("notebooks", [])
        assert set(named) <= known, suite.name
    assert {"02_eval_generation", "03_eval_comprehension", "04_robustness"} <= known


def test_nothing_is_left_from_a_run(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert set(book.metadata) - {"astraios"} == {"kernelspec", "language_info"}
    assert book.metadata.kernelspec.name == "python3"
    for cell in book.cells:
        assert set(cell.metadata) <= {"tags", "cellView", "jupyter"}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_cells_are_thin(path: Path) -> None:
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
        assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}, cell.source


def test_cells_build_no_sentences(path: Path) -> None:
    for cell in cells(path, "code")[2:]:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.JoinedStr):
                values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
                assert len(values) <= 3, f"a sentence of {len(values)} values belongs in presenting/sentences.py"
            if isinstance(node, ast.AugAssign):
                assert not isinstance(node.value, ast.JoinedStr | ast.Constant), cell.source


def test_parameters_are_what_the_pipeline_passes(path: Path) -> None:
    defaults = notebooks.parameters_of(path)
    suite = schema.read_suite(ROOT / "data" / "suites" / f"{defaults['suite']}.yaml")
    given = {"suite": suite.name, "sizes": list(suite.sizes), "methods": list(suite.methods)}
    notebooks.check_parameters(path.stem, given, defaults)
    shown = {"run": False, **defaults}  # a notebook that makes nothing has no parameter run
    assert shown == given | {"run": False}  # opened by hand, it shows the whole suite and starts nothing


def test_badge_and_bootstrap_come_first(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    assert notebooks.badge(path.stem) in book.cells[0].source
    code = cells(path, "code")
    assert [cell.metadata.get("tags") for cell in code[:2]] == [["bootstrap"], ["parameters"]]
    assert code[0].source == notebooks.bootstrap()
    assert code[0].metadata["cellView"] == "form"  # collapsed on Colab, and its source hidden in JupyterLab
    assert code[0].metadata["jupyter"] == {"source_hidden": True}


def test_bootstrap_does_nothing_outside_colab() -> None:
    scope: dict[str, object] = {}
    exec(notebooks.bootstrap(), scope)
    assert set(scope) - {"__builtins__"} == {"pathlib", "runpy", "subprocess", "sys"}


def test_prose_says_what_comes_first_and_how_it_ends(path: Path) -> None:
    headings = [line for cell in cells(path, "markdown") for line in cell.source.splitlines() if line.startswith("#")]
    assert headings[0].startswith(f"# {path.stem[:2]} · ")
    assert headings[1] == "## What is measured"
    assert headings[-1] == "## How the cells stand"


@pytest.fixture
def bare_checkout(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's data and notebooks without verdict counts, and a mirror that holds nothing."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "data", root / "data", ignore=shutil.ignore_patterns("counts*", "sample"))
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("ASTRAIOS_ROOT", str(root))
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path / "mirror"))
    return root


@pytest.mark.timeout(900)  # a few seconds of work, but a kernel on a busy machine waits its turn
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("02_eval_generation", marks=pytest.mark.slow),
        pytest.param("03_eval_comprehension", marks=pytest.mark.slow),
        "04_robustness",
        pytest.param("05_security", marks=pytest.mark.slow),
    ],
)
def test_a_notebook_runs_where_nothing_is_at_hand(name: str, bare_checkout: Path, tmp_path: Path) -> None:
    given = {"sizes": ["1B", "16B"], "methods": ["LoRA", "FFT"]}
    book = nbformat.read(notebooks.execute(name, "released", given, progress=False), as_version=4)
    shown = "\n".join(str(output.get("data", "")) for cell in book.cells for output in cell.get("outputs", []))
    assert "no generations file: nothing was measured" in shown  # the dash of a missing cell, not a blank, not a 0
    assert not re.search(r"\bnan\b", shown)  # no sentence about a number that nobody has
    drawn = {path.stem for path in store.suite_dir("released").glob("figures/*/*.svg")}
    assert drawn >= FIGURES[name]


def test_committed_figures_of_a_suite_are_of_the_same_results() -> None:
    # A figure that nothing draws any more would stay, with old numbers. This one needs upstream data to be drawn.
    apart = {"tiny_base_losses"}
    for folder in sorted((ROOT / "figures").iterdir()):
        texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.svg") if path.stem not in apart]
        found = [re.search(r"suite (\S+), whole, results ([0-9a-f]{16})", text) for text in texts]
        drawn_from = {match.groups() if match else None for match in found}
        assert len(drawn_from) == 1, f"{folder.name}: {drawn_from}"
        assert {suite for suite, _ in filter(None, drawn_from)} == {folder.name}
