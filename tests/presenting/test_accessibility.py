"""The checks of ``accessibility`` find what they look for: a page with one fault of each kind, and one without any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import accessibility
import browser
import pytest

GOOD = (
    "<!doctype html><html lang=en><body style='background: #fff; color: #333'><h1>A</h1><h2>B</h2>"
    "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw=' alt='A dot'><label>Size <select><option>1B</select></label>"
    "<a href='#b'>on</a><button>Go</button><table><tr><th>x</th></tr></table>"
    "<p id=b style='color: #767676'>seen</p><p style='color: #949494; font-size: 24px'>large</p></body></html>"
)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    program = browser.executable()
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with browser.chromium(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


def _looked_at(tab: browser.Page, path: Path, html: str) -> list[str]:
    path.write_text(html)
    tab.open(path)
    return accessibility.faint(tab) + accessibility.faults(tab)


def test_a_good_page_has_no_fault(tab: browser.Page, tmp_path: Path) -> None:
    assert _looked_at(tab, tmp_path / "good.html", GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("#767676", "#777777", "seen: 4.48"),  # WCAG's own example of a grey that just fails on white
        ("#949494", "#999999", "large: 2.8"),  # 2.85
        ("color: #767676", "color: #000; opacity: .4", "seen: 2.8"),  # 40% black is #999: 2.85
        ("color: #767676", "color: rgb(0 0 0 / 40%)", "seen: 2.8"),
        ("background: #fff", "background: #999", "seen: "),
        ("h2", "h3", "a heading skips a level"),
        ("alt='A dot'", "alt=' '", "a picture without text"),
        ("<label>Size ", "", "a control without a name: <select>"),
        (">on<", "><", "a control without a name: <a"),
        (">Go<", "><", "a control without a name: <button"),
        ("<th>x</th>", "<td>x</td>", "a table without heads"),
        ("<p style", "<p id=b style", "a name given twice: b"),
        ("<button>", "<nav></nav><button>", "a region without a name"),
    ],
)
def test_each_fault_is_found(tab: browser.Page, tmp_path: Path, old: str, new: str, fault: str) -> None:
    found = _looked_at(tab, tmp_path / "bad.html", GOOD.replace(old, new))
    assert any(line.startswith(fault) for line in found), found
