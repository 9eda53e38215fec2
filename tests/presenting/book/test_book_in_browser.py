"""The built book in a headless Chromium: no request to another host, phone layout, contrast in both themes, search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import accessibility
import browser
import matplotlib.pyplot as plt
import nbformat
import pytest

from astraios_utils import store
from astraios_utils.presenting import book, plots, show
from astraios_utils.running import figures, pipeline
from astraios_utils.running.notebooks import FIGURE_TYPE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PAGES = ("index.html", "methods.html", "figures.html", "suites/released/03_eval_comprehension.html")


def _notebook(path: Path) -> None:
    """An executed notebook with a table of the paper and a figure, made by the code that notebooks call."""
    suite = store.load_suite("released")
    frame = pipeline.aggregate(suite)
    figure, ax = plt.subplots()
    plots.defect(frame, ax)
    show.save(figure, suite, "figure_05_defect")
    plt.close(figure)
    files = [str(figures.folder(suite) / f"figure_05_defect.{kind}") for kind in ("svg", "png")]
    output, cell = nbformat.v4.new_output, nbformat.v4.new_code_cell
    table = show.table(frame[frame["task"] == "defect"], [("defect", "accuracy")]).to_html()
    cells = [
        nbformat.v4.new_markdown_cell("# 03 · Comprehension\n\nSome prose about Devign.\n\n## Table 2"),
        cell("table", outputs=[output("execute_result", data={"text/html": table, "text/plain": ""})]),
        cell("save()", outputs=[output("display_data", data={FIGURE_TYPE: {"files": files, "described": "Lines."}})]),
    ]
    path.parent.mkdir(parents=True)
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The book of suite ``released`` from the shipped counts, with one notebook and without the functions' pages."""
    for package in book.PACKAGES:
        pytest.importorskip(package, reason="the book's packages are not installed (make book installs them)")
    with pytest.MonkeyPatch.context() as patch:
        build = tmp_path_factory.mktemp("book")
        patch.setenv("ASTRAIOS_BUILD", str(build))
        patch.setenv("ASTRAIOS_MIRROR", "none")
        _notebook(build / "released" / "notebooks" / "03_eval_comprehension.ipynb")
        yield book.write([store.load_suite("released")], api=False)


@pytest.fixture(scope="module")
def page(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    """A tab of a headless Chromium."""
    program = browser.executable()
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with browser.chromium(program, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_other_host_and_fits_a_phone(site: Path, page: browser.Page, name: str) -> None:
    for width in (1280, 390):
        page.requests.clear()
        page.open(site / name, width)
        assert not [address for address in page.requests if not address.startswith(("file:", "data:", "blob:"))]
        assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_text_stands_out_in_both_themes(site: Path, page: browser.Page, name: str, theme: str) -> None:
    page.open(site / name)
    page.run(f"document.documentElement.dataset.theme = '{theme}'")
    assert accessibility.faint(page, ".bd-main") == []
    assert accessibility.faults(page, ".bd-main") == []


def test_a_table_cell_leads_to_its_problems(site: Path, page: browser.Page) -> None:
    page.open(site / PAGES[-1])
    link = page.run("document.querySelector('.scroll td a').href")
    assert link.endswith("reports/released.html#cell/defect/1B/LoRA")
    page.run("document.querySelector('.scroll td a').click()")
    page.wait("document.querySelector('#drawer')?.open")
    assert "1B LoRA" in page.run("document.querySelector('#drawer-title').textContent")


def test_search_finds_a_word_of_a_notebook_without_a_server(site: Path, page: browser.Page) -> None:
    page.open(site / "search.html")
    page.run("location.search = '?q=Devign'")
    page.wait("document.querySelectorAll('#search-results li a').length")
    found = page.run("[...document.querySelectorAll('#search-results li a')].map((a) => a.getAttribute('href')).join()")
    assert "03_eval_comprehension" in found
