"""The book's parts: what becomes of notebooks and links, and what its checks find."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from astraios_utils import methods, schema, store
from astraios_utils.presenting import book, plots
from astraios_utils.presenting.book import checks, executed, galleries, interface, pages
from astraios_utils.presenting.plots import data
from astraios_utils.running import pipeline
from astraios_utils.running.notebooks import FIGURE_TYPE
from astraios_utils.tasks import TASKS

GOOD = (
    '<html lang="en"><body><h1 id="top">A</h1><h2>B</h2><img src="a.png" alt="A dot">'
    '<a href="#top">up</a></body></html>'
)
TABLE = (
    '<td><span title="equal" data-cell="defect/1B/LoRA">50 =</span></td>'
    '<td><span title="equal" data-cell="mean/1B/FFT">4</span></td>'
)


def _site(folder: Path, page: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(b"")
    (folder / "index.html").write_text(page)
    return checks.check(folder)


def test_a_good_page_has_no_fault(tmp_path: Path) -> None:
    assert _site(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("#top", "#bottom", "broken link: #bottom"),
        ("#top", "gone.html", "broken link: gone.html"),
        ("#top", "../index.html", "broken link: ../index.html"),
        ("a.png", "https://example.org/a.png", "asks another host: https://example.org/a.png"),
        ("a.png", "//example.org/a.png", "asks another host: //example.org/a.png"),
        ("a.png", "b.png", "broken link: b.png"),
        ('alt="A dot"', 'alt=" "', "a picture without alternative text: a.png"),
        (' lang="en"', "", "no language is declared"),
        ("h2", "h3", "a heading of level 3 follows one of level 1"),
        ("h2", "h1", "2 headings of level 1, expected one"),
        ("<body>", '<link rel="stylesheet" href="https://example.org/x.css">', "asks another host: https://example"),
        ("<body>", '<script src="http://example.org/x.js"></script>', "asks another host: http://example.org/x.js"),
    ],
)
def test_each_fault_is_found(tmp_path: Path, old: str, new: str, fault: str) -> None:
    found = _site(tmp_path / "site", GOOD.replace(old, new))
    assert any(line.startswith(f"index.html: {fault}") for line in found), found


def test_links_to_other_hosts_that_a_reader_may_follow_are_no_fault(tmp_path: Path) -> None:
    assert _site(tmp_path, GOOD.replace("#top", "https://example.org")) == []


def _figure_output(folder: Path, name: str) -> nbformat.NotebookNode:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("svg", "png", "csv"):
        (folder / f"{name}.{suffix}").write_text("<svg/>")
    files = [str(folder / f"{name}.{kind}") for kind in ("svg", "png")]
    bundle = {FIGURE_TYPE: {"files": files, "described": 'Vertical axis: "Score" from 1 to 2.'}, "text/plain": "saved"}
    return nbformat.v4.new_output("display_data", data=bundle)


def _picture() -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data={"image/png": "aGk=", "text/plain": "<Figure>"})


def _book(build: Path) -> executed.Copy:
    """An executed notebook: a live picture, then the cell that saves it; a cell that saves and shows; a table."""
    drawn = [_figure_output(build / "released" / "figures" / "whole", f"picture_{i}") for i in (1, 2)]
    code = nbformat.v4.new_code_cell
    html = nbformat.v4.new_output("execute_result", data={"text/html": TABLE, "text/plain": ""})
    cells = [
        nbformat.v4.new_markdown_cell("# 02 · Title\n\n[![Open in Colab](https://x/badge.svg)](https://x/n.ipynb)"),
        code("boot", metadata={"tags": ["bootstrap"]}),
        code("live", outputs=[_picture()]),
        code("save", outputs=[drawn[0]]),
        code("both", outputs=[drawn[1], _picture()]),
        code("alone", outputs=[_picture()]),
        code("table", outputs=[html]),
    ]
    path = build / "released" / "notebooks" / "02_eval_generation.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return executed.collect(store.load_suite("released"))[0]


def test_notebooks_that_were_never_executed_are_executed_for_what_ships(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of smol the counts ship, of paper nothing; released has an executed notebook already."""
    _book(build)
    drawn: list[str] = []
    monkeypatch.setattr(book, "_require_packages", lambda: None)
    monkeypatch.setattr(pipeline, "draw", lambda name, suite, _: drawn.append(f"{suite.name}/{name}"))
    monkeypatch.setattr(book, "collect", lambda suite: executed.collect(suite) if suite.name == "released" else [])
    monkeypatch.setattr(book, "_write_reports", mock.Mock(side_effect=InterruptedError))  # what follows takes minutes
    smol = store.load_suite("smol")
    with pytest.raises(InterruptedError):
        book.write([store.load_suite("released"), store.load_suite("paper"), smol])
    assert drawn == [f"smol/{name}" for name in smol.notebooks]


def test_a_notebooks_figures_tables_and_badge(build: Path, tmp_path: Path) -> None:
    copy = _book(build)
    executed.write(copy, tmp_path / "source", {"defect/1B/LoRA"})
    page = nbformat.read(tmp_path / "source" / "suites/released/02_eval_generation.ipynb", as_version=4)
    title, boot, live, save, both, alone, table = page.cells
    assert copy.title == "02 · Title"
    assert "badge" not in title.source
    assert "[Open in Colab](https://x/n.ipynb)" in title.source
    assert boot.metadata.tags == ["bootstrap", "remove-cell"]
    assert live.outputs == []  # the saved figure repeats it
    figure = save.outputs[0].data["text/html"]
    assert 'id="figure-picture_1"' in figure
    assert 'href="../../figures/released/picture_1.csv"' in figure
    assert "&quot;Score&quot;" in figure
    assert len(both.outputs) == 1
    assert "image/png" in alone.outputs[0].data
    html = table.outputs[0].data["text/html"]
    assert 'href="../../reports/released.html#cell/defect/1B/LoRA"' in html
    assert "cell/mean" not in html
    assert (tmp_path / "source/_extra/figures/released/picture_2.csv").exists()


@pytest.mark.parametrize(
    ("origin", "here", "link", "turned"),
    [
        (".", ".", "notebooks/02_eval_generation.ipynb", "suites/released/02_eval_generation.ipynb"),
        (".", ".", "docs/verdicts.md", "verdicts.md"),
        (".", ".", "LICENSE", "https://github.com/*/blob/main/LICENSE"),
        ("docs/how", "how", "../verdicts.md", "../verdicts.md"),
        ("docs", ".", "../README.md#cite", "index.md#cite"),
        ("docs/how", "how", "../../data/suites/nano.yaml", "https://github.com/*/blob/main/data/suites/nano.yaml"),
    ],
)
def test_links_of_the_repository_are_turned(tmp_path: Path, origin: str, here: str, link: str, turned: str) -> None:
    known = {"02_eval_generation.ipynb": "suites/released/02_eval_generation"}
    text = pages._turned(f"[x]({link})", Path(origin), Path(here), tmp_path, known)
    expected = turned.replace("*", pages.links.repository())
    assert text == f"[x]({expected})"


def test_every_method_of_the_paper_is_explained_and_counted() -> None:
    assert set(schema.ALL_METHODS) <= set(galleries.ABOUT_METHODS)
    text = galleries._methods()
    assert all(f"## {name}\n" in text for name in methods.TABLE)
    assert "| 1B | 3,588,096 |" in text  # Table 1: LoRA


def test_every_task_has_its_prompt_and_scoring(build: Path) -> None:
    text = galleries._tasks([], {})
    sections = text.split("\n## ")[1:]
    assert len(sections) == len(TASKS)
    assert all("**Scoring.**" in section for section in sections)
    shown = {section.split("| Name | `")[1].split("`")[0] for section in sections if "**Prompt of" in section}
    made_up = {task for name in galleries.EXAMPLES for task in store.load_suite(name).tasks}
    assert shown == made_up >= {"defect", "synthesize-java", "aatk", "conala"}


def test_public_functions_are_listed_by_room() -> None:
    names = {name for room in interface.rooms() for name, _ in interface.modules(room)}
    assert {"astraios_utils.schema", "astraios_utils.scoring.score", "astraios_utils.presenting.show"} <= names
    assert not [name for name in names if ".sandbox" in name]


def test_the_data_of_a_figure_are_what_was_drawn() -> None:
    rows = [
        {"task": "defect", "metric": "accuracy", "size": size, "method": method, "value": value, "low": value - 2,
         "high": value + 2, "published": 51.0, "provenance": "measured" if value == value else "missing"}
        for size, method, value in (
            ("1B", "LoRA", 50.0), ("3B", "LoRA", 52.5), ("1B", "FFT", np.nan), ("3B", "FFT", 49.0)
        )
    ]  # fmt: skip
    figure, ax = plt.subplots()
    plots.defect(pd.DataFrame(rows), ax)
    found = data.table(figure).set_index(["kind", "series", "x"])
    assert found.loc[("measured", "LoRA", "3B"), ["y", "low", "high"]].tolist() == [52.5, 50.5, 54.5]
    assert found.loc[("published", "FFT", "1B"), "y"] == 51.0
    assert ("missing", "FFT", "1B") in found.index
    assert ("measured", "FFT", "1B") not in found.index
    words = data.description(figure)
    assert "Vertical axis: Accuracy (%) from 49 to 52.5." in words
    assert "LoRA, FFT" in words
    plt.close(figure)
