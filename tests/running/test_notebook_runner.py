"""Executing a notebook: what is refused, what is skipped, how a failure reads, and that figures are the same bytes."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest

from astraios_utils import schema, store
from astraios_utils.presenting import plots, show
from astraios_utils.running import figures, notebooks

PARAMETERS = 'suite = "released"\nsizes = []\nwidth = 3.5\nlimit = None'
DRAW = """\
import matplotlib.pyplot as plt
from astraios_utils import store
from astraios_utils.presenting import show
fig, ax = plt.subplots()
ax.plot([1, width])
show.save(fig, store.load_suite(suite).slice(sizes), "line")"""
SUITES = Path(__file__).parents[2] / "data" / "suites"


def make(root: Path, name: str, *cells: str) -> Path:
    """A notebook of code cells, the first tagged ``parameters``, in a checkout made for the test."""
    (root / "data" / "paper").mkdir(parents=True, exist_ok=True)
    (root / "notebooks").mkdir(exist_ok=True)
    shutil.copytree(SUITES, root / "data" / "suites", dirs_exist_ok=True)
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    book.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    book.cells[0].metadata["tags"] = ["parameters"]
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(book, path)
    return path


@pytest.fixture
def checkout(tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ASTRAIOS_ROOT", str(tmp_path / "checkout"))
    yield tmp_path / "checkout"
    plt.close("all")


def test_parameters_are_read_from_the_tagged_cell(checkout: Path) -> None:
    path = make(checkout, "a", PARAMETERS, "x = 1")
    assert notebooks.parameters_of(path) == {"suite": "released", "sizes": [], "width": 3.5, "limit": None}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("print(1)",), "more than assignments"),
        (("x = [i for i in range(3)]",), "parameter x is not a literal"),
    ],
)
def test_odd_parameters_cells_are_refused(checkout: Path, cells: tuple[str, ...], message: str) -> None:
    with pytest.raises(schema.BadInput, match=message):
        notebooks.parameters_of(make(checkout, "a", *cells))


def test_a_file_that_is_no_notebook_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(schema.BadInput, match=r"x\.ipynb: not a notebook"):
        notebooks.parameters_of(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": ["1B"]}, "unknown parameter 'size' of notebook a: did you mean sizes"),
        ({"sizes": "1B"}, "parameter sizes of notebook a is a list"),
        ({"width": True}, "parameter width of notebook a is a float"),
        ({"suite": 3}, "parameter suite of notebook a is a str"),
        ({"Sizes": ["1B"]}, "unknown parameter 'Sizes' of notebook a: did you mean sizes"),
    ],
)
def test_wrong_parameters_are_refused(given: dict[str, object], message: str) -> None:
    defaults = {"suite": "released", "sizes": ["1B"], "width": 3.5, "limit": None}
    with pytest.raises(schema.BadInput, match=message):
        notebooks.check_parameters("a", given, defaults)


def test_fitting_parameters_pass() -> None:
    defaults = {"suite": "released", "sizes": ["1B"], "width": 3.5, "limit": None}
    notebooks.check_parameters("a", {"sizes": ("1B",), "width": 2, "limit": 7}, defaults)


def test_wrong_parameters_execute_nothing(checkout: Path, build: Path) -> None:
    make(checkout, "a", PARAMETERS, DRAW)
    with pytest.raises(schema.UnknownName, match="did you mean width"):
        notebooks.execute("a", "released", {"widht": 1.0})
    with pytest.raises(schema.UnknownName, match="unknown notebook 'b'"):
        notebooks.execute("b", "released")
    assert not build.exists()


def test_execute_then_skip_then_again(
    checkout: Path, build: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(checkout, "a", PARAMETERS, DRAW, "print(width)")
    copy = notebooks.execute("a", "released", {"width": 2.0})
    assert copy == build / "released" / "notebooks" / "a.ipynb"
    done = nbformat.read(copy, as_version=4)
    assert done.cells[-1].outputs[0].text == "2.0\n"
    figure = tmp_path / "figures" / "released" / "line.svg"
    first = figure.read_bytes()
    # On a busy machine the kernel is interrupted while it shuts down, and says so.
    said = re.sub(r"^\[IPKernelApp\].*\n", "", capfd.readouterr().err, flags=re.M)
    assert re.search(r"^a: running\na: 2 files of figures, \d+\.\d s\n$", said), said
    beside = store.read_json(copy.with_suffix(".ipynb.json"))
    assert beside is not None
    assert [Path(f).name for f in beside["figures"]] == ["line.svg", "line.png"]

    notebooks.execute("a", "released", {"width": 2.0})
    assert capfd.readouterr().err == "a: unchanged, not executed again\n"
    figure.unlink()
    notebooks.execute("a", "released", {"width": 2.0}, progress=False)
    assert figure.read_bytes() == first  # drawn again, the same bytes
    assert capfd.readouterr().err == ""


def test_a_failed_copy_is_never_taken_for_a_finished_one(
    checkout: Path, build: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = make(checkout, "a", PARAMETERS, "print(width)", "raise KeyError('gone')")
    copy = build / "released" / "notebooks" / "a.ipynb"
    with pytest.raises(notebooks.NotebookFailed) as failure:
        notebooks.execute("a", "released", {"width": 2.0})
    assert str(failure.value) == f"notebook a failed in cell 4 of 4: KeyError: 'gone' (see {copy})"
    assert "gone" in copy.read_text(encoding="utf-8")
    source.write_text(source.read_text(encoding="utf-8").replace("raise KeyError('gone')", "print(width)"), "utf-8")
    notebooks.execute("a", "released", {"width": 2.0})
    assert "a: 0 files of figures" in capfd.readouterr().err


def test_a_kernel_that_dies_is_one_line(checkout: Path) -> None:
    make(checkout, "a", PARAMETERS, "import os\nos._exit(1)")
    with pytest.raises(notebooks.NotebookFailed, match=r"^notebook a died in cell 3 of 3: [^\n]+$"):
        notebooks.execute("a", "released", progress=False)


def test_what_changes_the_inputs(checkout: Path, build: Path) -> None:
    source = make(checkout, "a", PARAMETERS)
    inputs = notebooks._inputs(source, "released", {"width": 2.0}, {"trained": "a"})
    assert inputs == notebooks._inputs(source, "released", {"width": 2.0}, {"trained": "a"})
    assert inputs["parameters"] != notebooks._inputs(source, "released", {"width": 3.0}, {})["parameters"]
    assert inputs["reads"] != notebooks._inputs(source, "released", {"width": 2.0}, {"trained": "b"})["reads"]
    (build / "released").mkdir(parents=True)
    (build / "released" / "results.parquet").write_bytes(b"1")
    assert inputs["results"] != notebooks._inputs(source, "released", {}, {})["results"]
    (checkout / "data" / "paper" / "table2.csv").write_text("x", encoding="utf-8")
    assert inputs["data"] != notebooks._inputs(source, "released", {}, {})["data"]


def _picture() -> plt.Figure:
    with plt.style.context(dict(plots.STYLE)):
        figure, ax = plt.subplots()
        ax.bar([1, 2], [3, 4], hatch="//")  # hatches and clips take their names in SVG from a hash
        ax.set_title("title")
    return figure


def test_figures_are_the_same_bytes_each_time(build: Path, tmp_path: Path) -> None:
    folder = build / "released" / "figures" / "whole"
    show.save(_picture(), store.load_suite("released"), "bars")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == ["bars.csv", "bars.png", "bars.svg"]
    assert b"<dc:date>" not in first["bars.svg"]
    show.save(_picture(), store.load_suite("released"), "bars")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_saving_where_nothing_can_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path / "file"))
    with pytest.raises(schema.BadInput, match="cannot be written"):
        show.save(_picture(), store.load_suite("released"), "bars")


def test_a_slice_publishes_nothing(checkout: Path, build: Path, tmp_path: Path) -> None:
    make(checkout, "a", PARAMETERS, DRAW)
    notebooks.execute("a", "released", {"sizes": ["1B"]}, progress=False)
    methods = "lora-ptuning-adapterh-adapterp-parallel-ia3-fft"
    drawn = (build / "released" / "figures" / f"1b_{methods}" / "line.svg").read_text(encoding="utf-8")
    assert not (tmp_path / "figures").exists()
    assert not figures.is_whole(drawn, "released")
    notebooks.execute("a", "released", progress=False)
    published = (tmp_path / "figures" / "released" / "line.svg").read_text(encoding="utf-8")
    assert figures.is_whole(published, "released")
    assert not figures.is_whole(published, "nano")


def test_a_figure_without_data_is_not_saved(build: Path) -> None:
    figure, axes = plt.subplots(1, 2)
    show.save(figure, store.load_suite("released"), "empty")
    assert not list(build.rglob("empty.*"))
    axes[1].plot([1, 2])
    show.save(figure, store.load_suite("released"), "empty")
    assert sorted(path.suffix for path in build.rglob("empty.*")) == [".csv", ".png", ".svg"]


def test_a_docstring_is_no_reason_to_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "package" / "running" / "notebooks.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(notebooks, "__file__", str(module))
    hashes = []
    for source in ('"""Old."""\nx = 1\n', '"""New."""\n# why\nx = 1\n', '"""New."""\nx = 2\n'):
        module.write_text(source, encoding="utf-8")
        notebooks._code_hash.cache_clear()
        hashes.append(notebooks._code_hash())
    notebooks._code_hash.cache_clear()
    assert hashes[0] == hashes[1] != hashes[2]


def test_plots_never_save() -> None:
    assert ".savefig(" not in inspect.getsource(plots)


def _rows() -> pd.DataFrame:
    nan = float("nan")
    columns = ("size", "method", "task", "metric", "value", "se", "published", "difference", "status", "provenance")
    rows = [
        ("1B", "LoRA", "defect", "accuracy", 44.15, 1.11, 44.15, 0.0, "equal", "measured"),
        ("3B", "LoRA", "defect", "accuracy", 45.9, 1.12, 44.90, 1.0, "verdicts differ", "measured"),
        ("1B", "FFT", "defect", "accuracy", 60.0, 1.10, 50.80, 9.2, "different", "measured"),
        ("3B", "FFT", "defect", "accuracy", nan, nan, 44.20, nan, "no artefact", "missing"),
        ("1B", "LoRA", "defect-1shot", "accuracy", 51.2, 1.10, nan, nan, "not published", "measured"),
    ]
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.assign(low=frame["value"] - 2, high=frame["value"] + 2.5)


def test_table_shows_measured_error_published_and_status_without_colour() -> None:
    html = show.table(_rows(), [("defect", "accuracy")]).to_html()
    known = "equal; 95% interval 42.15 to 46.65"
    assert (
        f'title="{known}" data-cell="defect/1B/LoRA">44.15 =</span><br><small>±1.11</small><br><small>(44.15)</small>'
        in html
    )
    assert 'title="verdicts differ; 95% interval 43.90 to 48.40" data-cell="defect/3B/LoRA">45.90 Δ</span>' in html
    assert 'title="different; 95% interval 58.00 to 62.50" data-cell="defect/1B/FFT">60.00 ≠</span>' in html
    assert 'nothing was measured">—</span><br><small>(44.20)</small>' in html  # missing, with what the paper prints
    assert "nan" not in html
    assert "= equal, Δ verdicts differ, ≠ different, ? undecided, — no artefact" in html


def test_table_marks_the_best_and_the_second_best_among_measured_and_among_published() -> None:
    rows = [("LoRA", 44.0, 46.0), ("FFT", 50.0, 45.0), ("(IA)3", 41.0, 44.0)]
    frame = pd.DataFrame(rows, columns=["method", "value", "published"]).assign(
        size="1B", task="defect", metric="accuracy", se=1.0, low=40.0, high=52.0, status="different"
    )
    html = show.table(frame, [("defect", "accuracy")]).to_html()
    assert "<b>50.00</b> ≠" in html
    assert "(<u>45.00</u>)" in html
    assert "<u>44.00</u> ≠" in html
    assert "(<b>46.00</b>)" in html


def test_table_keeps_cells_without_a_row_and_refuses_columns_without_any() -> None:
    html = show.table(_rows().drop(index=2), [("defect", "accuracy")]).to_html()
    assert html.count("nothing was measured") == 2
    with pytest.raises(schema.BadInput, match="no row of accuracy on defect-1shot at 3B"):
        show.table(_rows(), [("defect-1shot", "accuracy")])


def test_a_notebook_shows_what_its_suite_asks() -> None:
    suite = schema.Suite(name="own", title="", sizes=("1B",), methods=("LoRA",), tasks=("repair-java", "defect"))
    assert show.asked(suite, schema.GENERATION_TASKS) == ["repair-java"]
    with pytest.raises(schema.BadInput, match="suite own has none of aatk: take this notebook off"):
        show.asked(suite, schema.SECURITY_TASKS)


def test_words_and_counts_for_what_was_measured() -> None:
    rows = _rows()
    assert show.agreement(rows[:4]) == "3 of 4 cells measured: 1 equal, 1 verdicts differ, 1 different"
    assert show.agreement(rows[3:4]) == "0 of 1 cells measured"
    counts = show.status_counts(rows)
    assert counts.loc[("Defect detection", "Accuracy (%)")].to_dict() == {
        "equal": 1, "verdicts differ": 1, "different": 1, "not published": 0, "no artefact": 1, "cells": 4,
    }  # fmt: skip
    assert counts.loc[("all", ""), "cells"] == 5
    shown = show.at_hand(rows[:4]).data
    assert shown.loc["Defect detection"].to_dict() == {"1B": "2 of 2", "3B": "1 of 2"}


def test_a_live_figure_is_drawn_anew_in_place_and_left_as_it_ended(checkout: Path, build: Path) -> None:
    source = make(
        checkout,
        "live",
        PARAMETERS,
        "import matplotlib.pyplot as plt\nfrom astraios_utils.presenting import show\n"
        "from astraios_utils.store.processes import say\nseen = []",
        "fig, ax = plt.subplots()\n"
        "with show.live(fig, lambda: ax.plot(seen), seconds=0):\n"
        "    for step in range(10):\n"
        "        seen.append(step)\n"
        "        say(f'step {step}')\n"
        "print(len(ax.lines))",
    )
    book = nbformat.read(notebooks.execute(source.stem, "released", {}, progress=False), as_version=4)
    outputs = book.cells[-1].outputs
    told = [o.data["text/plain"] for o in outputs if o.get("data", {}).get("text/plain", "").startswith("step")]
    assert told == ["\n".join(f"step {i}" for i in range(2, 10))]  # the last eight lines, once
    assert "".join(o.text for o in outputs if o.get("name") == "stdout") == "1\n"  # cleared before each drawing
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 1  # the last state; what was live is gone
