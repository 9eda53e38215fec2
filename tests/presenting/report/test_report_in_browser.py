"""The report can be used: by mouse, by keyboard, on a phone, inside a notebook. Without a Chromium these tests skip."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import accessibility
import browser
import pandas as pd
import pytest

from astraios_utils import store
from astraios_utils.presenting import report
from astraios_utils.presenting.report import leaderboard, payload
from astraios_utils.results import claims
from astraios_utils.running import ledger, pipeline

HOSTILE = "</script><img src=x onerror=document.title='taken'>"
LINKS = '[...document.querySelectorAll(\'main a[href^="#"], nav a[href^="#"]\')]'


@pytest.fixture(scope="module")
def program() -> str:
    found = browser.executable()
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def written(
    frame: pd.DataFrame,
    judged: tuple[pd.DataFrame, pd.DataFrame],
    pairs: pd.DataFrame,
    designs: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A page whose texts, problem names and title try to be markup."""
    folder = tmp_path_factory.mktemp("report")
    suite = (
        store.load_suite("released")
        .slice(tasks=frame["task"].unique())
        .model_copy(update={"title": f"Title {HOSTILE}"})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_MIRROR", "none")
        patch.setenv("ASTRAIOS_BUILD", str(folder))
        patch.setattr(ledger, "claim_verdicts", lambda _: judged)
        patch.setattr(ledger, "compared", lambda _: pairs)
        patch.setattr(ledger, "detectable", lambda _: designs)
        held = payload.fitting(suite, 10**9)[0]
        data = payload.unsqueeze(held["verdicts:synthesize-python"])
        data["problems"][0] = HOSTILE
        runs = data["models"]["1B/LoRA"]
        runs["origin"] = "here"
        texts = {"texts": [HOSTILE], "models": {"1B/LoRA": [0] * sum(runs["count"])}}
        told = {HOSTILE: {"prompt": HOSTILE, "tests": "assert f(1) == 2", "reference": "return 2"}}
        held |= {"problems:synthesize-python": payload.squeeze(told)}
        held |= {"verdicts:synthesize-python": payload.squeeze(data), "texts:synthesize-python": payload.squeeze(texts)}
        patch.setattr(payload, "fitting", lambda *_: (held, ("texts:aatk",)))
        patch.setattr(leaderboard, "of", lambda _: _board())
        return report.write(suite, frame)


def _board() -> leaderboard.Leaderboard:
    """Two methods of the suite, LoRA with text that tries to be markup."""
    known = math.nan, ""
    rows = {"LoRA": (30.0, "low-rank", "yes"), "FFT": (40.0, "full", "no")}
    lines = [
        leaderboard.Line(name, family, "2%", best, [(mean, f"{mean:.1f}"), *[known] * 6], [("source", HOSTILE)])
        for name, (mean, family, best) in rows.items()
    ]
    heads = [head for _, head, _ in leaderboard.SHOWN]
    return leaderboard.Leaderboard(heads, lines, ["full", "low-rank"], ["2%"], {"Gone": "no reason"})


@pytest.fixture(scope="module")
def tab(program: str, written: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(program, tmp_path_factory.mktemp("profile")) as page:
        page.open(written)
        page.wait("document.querySelector('#result-list table')")
        yield page
        assert page.faults == []


@pytest.fixture
def page(tab: browser.Page) -> Iterator[browser.Page]:
    """The one tab, closed drawer, desktop size."""
    tab.run("document.querySelector('#drawer').close()")
    tab.wait("!/^#(cell|compare|method)[/]/.test(location.hash)")
    tab.resize(1280)
    yield tab
    assert tab.faults == []


def test_asks_for_nothing_from_outside(page: browser.Page, written: Path) -> None:
    page.wait("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.run("document.images.length") >= 1
    assert page.requests[0] == written.as_uri()
    assert [address for address in page.requests[1:] if not address.startswith("blob:")] == []


def test_every_link_leads_somewhere(page: browser.Page) -> None:
    assert page.run(f"{LINKS}.length") > 50
    dangling = page.run(
        f"""(async () => {{ const lost = []; for (const link of {LINKS}) {{
          const [kind, task, size, method] = link.hash.slice(1).split('/').map(decodeURIComponent);
          const there = kind === 'method' ? document.querySelector(`[data-name="${{task}}"]`)
            : kind === 'cell' ? (await chunk(`verdicts:${{task}}`)).models[`${{size}}/${{method}}`]
            : document.getElementById(kind);
          if (!there) lost.push(link.hash); }} return lost; }})()"""
    )
    assert dangling == []


def test_every_head_sorts(page: browser.Page) -> None:
    """Each of the page's heads: down or up first, then the other way, then as before; what is missing last."""
    wrong = page.run(
        """[...document.querySelectorAll('main th[aria-sort]')].flatMap((head) => {
          const table = head.closest('table'), column = head.cellIndex, faults = [];
          const read = () => [...table.tBodies[0].rows].map((row) => {
            const text = row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
            return ['—', 'nan', ''].includes(text) ? null : Number.isNaN(Number(text.replace('−', '-'))) ? text
              : Number(text.replace('−', '-')); });
          const before = read();
          const numeric = head.classList.contains('number') && !head.textContent.includes('interval');
          for (const turn of [0, 1]) {
            head.firstChild.click();
            const held = read(), known = held.filter((value) => value !== null);
            const sign = head.getAttribute('aria-sort') === 'ascending' ? 1 : -1;
            if (held.slice(0, known.length).includes(null)) faults.push('missing not last');
            if (numeric && known.some((value, i) => i && sign * (value - known[i - 1]) < 0)) faults.push('order');
          }
          head.firstChild.click();
          if (head.getAttribute('aria-sort') !== 'none' || String(read()) !== String(before)) faults.push('not undone');
          return faults.map((fault) => `${head.textContent}: ${fault}`); })"""
    )
    assert wrong == []
    assert page.run("document.querySelectorAll('main th[aria-sort]').length") > 20


def test_results_are_filtered(page: browser.Page, frame: pd.DataFrame) -> None:
    page.run(
        """(() => { const form = document.querySelector('#result-filters');
        form.elements.metric.value = ''; form.elements.method.value = 'FFT'; form.elements.task.value = 'aatk';
        form.dispatchEvent(new Event('input')); })()"""
    )
    wanted = int(((frame["method"] == "FFT") & (frame["task"] == "aatk")).sum())
    assert page.run("document.querySelector('#result-filters output').textContent") == f"{wanted} of {len(frame)} rows"
    assert page.run("document.querySelectorAll('#result-list tbody tr').length") == wanted
    page.run("document.querySelector('#result-filters').reset()")


def test_claims_are_filtered(page: browser.Page, judged: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    verdicts = judged[0]
    page.run(
        """(() => { const form = document.querySelector('#claim-filters');
        form.elements.verdict.value = 'supported'; form.elements.evidence.value = 'published';
        form.dispatchEvent(new Event('input')); })()"""
    )
    chosen = verdicts[(verdicts["verdict"] == "supported") & (verdicts["evidence"] == claims.PUBLISHED)]["claim"]
    shown = page.run("[...document.querySelectorAll('.claim')].filter((c) => !c.hidden).map((c) => c.id)")
    assert shown == [f"claim-{name}" for name in chosen]
    page.run(
        """(() => { const form = document.querySelector('#claim-filters'); form.reset();
        form.dispatchEvent(new Event('input')); })()"""
    )
    # Without a filter, other readings are folded into their claim until it is opened.
    main = verdicts[verdicts["variant_of"].isna()]
    assert page.run("document.querySelectorAll('.claim:not([hidden])').length") == main["claim"].nunique()
    first = verdicts["variant_of"].dropna().iloc[0]
    others = verdicts.loc[verdicts["variant_of"] == first, "claim"].nunique()
    page.run(f"document.querySelector('#claim-{first} summary').click()")
    page.wait(f"document.querySelectorAll('.claim[data-of={first}]:not([hidden])').length === {others}")
    page.run(f"document.querySelector('#claim-{first} summary').click()")
    page.wait(f"!document.querySelector('.claim[data-of={first}]:not([hidden])')")


def test_evidence_of_each_kind_has_a_name_of_its_own(page: browser.Page) -> None:
    heads = page.run("[...document.querySelectorAll('.ledger-tally thead th')].map((head) => head.textContent)")
    assert heads == ["Claims by verdict", "published", "corrected", "measured", "measured, Java 8"]


def test_claim_shows_its_comparisons(page: browser.Page, judged: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    parts = judged[1]
    parts = parts[parts["available"] & (parts["evidence"] == claims.PUBLISHED)]
    name = parts["claim"].value_counts().index[0]
    own = parts[parts["claim"] == name]
    page.run(f"document.querySelector('#claim-{name} summary').click()")
    place = f"#claim-{name} .parts[data-evidence=published]"
    page.wait(f"document.querySelector('{place} svg')")
    assert page.run(f"document.querySelectorAll('{place} tbody tr').length") == len(own)
    assert page.run(f"document.querySelectorAll('{place} circle.for').length") == int((own["value"] > 0).sum())


def test_way_down_by_keyboard(page: browser.Page) -> None:
    cell = "document.querySelector('a[href=\"#cell/synthesize-python/1B/LoRA\"]')"
    page.run(f"{cell}.focus()")
    page.press("Enter")
    page.wait("document.activeElement.id === 'drawer-title'")
    assert page.run("document.querySelector('#drawer-title').textContent") == "Code synthesis, Python: 1B LoRA"
    assert page.run("document.querySelectorAll('#drawer [role=img]').length") > 100
    facts = page.run("document.querySelector('#drawer tbody').textContent")
    assert "17.26" in facts
    page.run("[...document.querySelectorAll('#drawer td a')].find((a) => a.textContent.includes('onerror')).focus()")
    page.press("Enter")
    page.wait("document.querySelector('#drawer-title').textContent.includes('onerror')")
    assert page.run("document.querySelector('#drawer .samples pre').textContent") == HOSTILE
    asked = page.run("[...document.querySelectorAll('#drawer .asked details')].map((e) => e.textContent)")
    assert asked == [f"Prompt{HOSTILE}", "Testsassert f(1) == 2", "Reference solutionreturn 2"]
    assert page.run("document.querySelectorAll('#drawer img').length") == 0
    assert page.run("document.title") == f"Title {HOSTILE}"
    samples = page.run("[...document.querySelectorAll('.samples .which')].map((e) => e.textContent).join()")
    ranges = [(int(first), int(last or first)) for first, last in re.findall(r"(\d+)(?:–(\d+))?", samples)]
    assert sorted(n for first, last in ranges for n in range(first, last + 1)) == list(range(20))
    page.press("Escape")
    page.wait("!document.querySelector('#drawer').open")
    page.wait(f"document.activeElement === {cell}")


def test_problem_shows_every_model(page: browser.Page) -> None:
    page.run("location.hash = '#cell/synthesize-python/3B/FFT/Python%2F2'")
    page.wait("document.querySelector('#drawer .problem-grid')")
    assert page.run("document.querySelector('#drawer .here').cellIndex") == 2  # method, 1B, 3B
    assert page.run("document.querySelectorAll('#drawer .problem-grid tbody tr').length") == 7
    assert page.run("document.querySelectorAll('#drawer .problem-grid td').length") == 28
    assert "shipped counts" in page.run("document.querySelector('#drawer .note').textContent")


def test_two_methods_are_compared(page: browser.Page, pairs: pd.DataFrame) -> None:
    page.run(
        """(() => { const form = document.querySelector('#compare-form');
        form.elements.size.value = '1B'; form.elements.first.value = 'FFT'; form.elements.second.value = 'LoRA';
        form.requestSubmit(); })()"""
    )
    page.wait("document.querySelector('#drawer').open")
    assert page.run("location.hash") == "#compare/1B/FFT/LoRA"
    assert page.run("document.querySelector('#drawer-title').textContent") == "1B: FFT minus LoRA"
    own = pairs[(pairs["size"] == "1B") & (pairs["first"] == "LoRA") & (pairs["second"] == "FFT")]
    rows = page.run(
        "[...document.querySelectorAll('#drawer [aria-label=\"Paired differences\"] tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert len(rows) == len(own) > 0
    for row, wanted in zip(rows, own.to_dict("records"), strict=True):  # stored as LoRA minus FFT: every sign turns
        assert float(row[1].replace("−", "-")) == pytest.approx(-wanted["value"], abs=0.006)
        if wanted["wins"] == wanted["wins"]:
            assert row[4] == f"{wanted['losses']:.0f} / {wanted['ties']:.0f} / {wanted['wins']:.0f}"
    task = page.run("document.querySelector('#drawer select').value")
    counts = own.set_index("measure").loc[task]
    listed = page.run(
        "document.querySelectorAll('#drawer [aria-label=\"Problems on which they disagree\"] tbody tr').length"
    )
    assert listed == counts["wins"] + counts["losses"]
    page.run("document.querySelector('#drawer [aria-label=\"Problems on which they disagree\"] a').click()")
    page.wait("document.querySelector('#drawer .samples')")
    assert page.run("location.hash").startswith(f"#cell/{task}/1B/FFT/")


def test_the_leaderboard_sorts_filters_and_shows_a_method(page: browser.Page) -> None:
    shown = """[...document.querySelectorAll('#board tbody tr')].filter((row) => row.checkVisibility())
        .map((row) => row.dataset.name)"""
    sort = "[...document.querySelectorAll('#board th button')].find((b) => b.textContent === 'Mean').click()"
    assert page.run(shown) == ["LoRA", "FFT"]
    page.run(sort)
    assert page.run(shown) == ["FFT", "LoRA"]
    page.run("location.hash = '#leaderboard?family=low-rank'")
    page.wait("document.querySelector('#board-filters output').textContent === '1 of 2 rows'")
    assert page.run(shown) == ["LoRA"]
    page.run("document.querySelector('#board tbody tr:not([hidden]) a').click()")
    page.wait("document.querySelector('#drawer').open")
    assert page.run("location.hash") == "#method/LoRA"
    assert page.run("document.querySelector('#drawer dd').textContent") == HOSTILE
    links = page.run("[...document.querySelectorAll('#drawer a')].map((link) => link.hash)")
    assert "#compare/1B/LoRA/FFT" in links
    assert "#cell/synthesize-python/1B/LoRA" in links
    assert accessibility.faults(page, "#drawer") == []
    page.run("document.querySelector('#close').click()")
    page.wait("location.hash === '#leaderboard?family=low-rank'")
    page.run("location.hash = '#leaderboard?'")
    page.wait("document.querySelector('#board-filters output').textContent === '2 of 2 rows'")
    page.run(sort)
    page.run(sort)


def test_says_what_has_no_room(page: browser.Page) -> None:
    assert "aatk" in page.run("document.querySelector('#lacking').textContent")
    page.run(f"{LINKS}.find((link) => link.hash.startsWith('#cell/aatk/')).click()")
    page.wait("document.querySelector('#drawer td a')")
    page.run("document.querySelector('#drawer td a').click()")
    page.wait("document.querySelector('#drawer .samples')")
    assert "5 MB" in page.run("document.querySelector('#drawer .note').textContent")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_windows_do_not_scroll_sideways(page: browser.Page, width: int) -> None:
    page.resize(width)
    drawn = ("#cell/recode-format/1B/LoRA", "#cell/synthesize-python/1B/LoRA/Python%2F2", "#compare/1B/FFT/LoRA")
    for place in ("#top", *drawn):
        page.run(f"location.hash = '{place}'")
        page.wait("/^#(cell|compare)[/]/.test(location.hash) === document.querySelector('#drawer').open")
        assert page.run("document.documentElement.scrollWidth") <= width, place
        assert page.run("document.querySelector('#drawer').scrollWidth") <= width, place


def test_works_inside_a_notebook(
    program: str, written: Path, tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare #link in a frame without an address of its own would be resolved against the notebook's."""
    monkeypatch.setattr(pipeline, "aggregate", lambda _: frame)
    monkeypatch.setattr(report, "page", lambda *_: written.read_text(encoding="utf-8"))
    (tmp_path / "notebook.html").write_text(report.show("released").data, encoding="utf-8")
    with browser.chromium(program, tmp_path / "profile") as outer:
        outer.open(tmp_path / "notebook.html")
        inside = outer.frame()
        inside.wait("document.querySelector('#result-list table')")
        inside.run("document.querySelector('.matrix td a').click()")
        inside.wait("document.querySelector('#drawer td a')")
        inside.run("document.querySelector('#drawer td a').click()")
        inside.wait("document.querySelector('#drawer .samples')")
        inside.run("document.querySelector('#close').click()")
        inside.wait("!document.querySelector('#drawer').open")
        inside.run("document.querySelector('.sections a[href=\"#tables\"]').click()")
        inside.wait("location.hash === '#tables'")
        assert inside.run("location.href") == "about:srcdoc#tables"
        assert outer.faults + inside.faults == []


def test_colours_by_choice(page: browser.Page) -> None:
    before = page.run("getComputedStyle(document.body).backgroundColor")
    page.run("document.querySelector('#theme').click()")
    assert page.run("document.querySelector('#theme').ariaPressed") == "true"
    assert page.run("getComputedStyle(document.body).backgroundColor") != before
    page.run("window.stale = true; location.reload()")
    page.wait("!window.stale && document.querySelector('#result-list table')")  # the choice outlives a reload
    assert page.run("document.querySelector('#theme').ariaPressed") == "true"
    assert page.run("getComputedStyle(document.body).backgroundColor") != before
    page.run("document.querySelector('#theme').click()")
    assert page.run("getComputedStyle(document.body).backgroundColor") == before


PLACES = (
    "#top",
    "#cell/synthesize-python/1B/LoRA",
    "#cell/synthesize-python/1B/LoRA/Python%2F2",
    "#compare/1B/FFT/LoRA",
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_text_stands_out_and_everything_has_a_name(page: browser.Page, theme: str, place: str) -> None:
    page.run(f"document.documentElement.dataset.theme = '{theme}'; location.hash = '{place}'")
    page.wait("/^#(cell|compare)[/]/.test(location.hash) === document.querySelector('#drawer').open")
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    root = "body" if place == "#top" else "#drawer"
    assert accessibility.faint(page, root) == []
    assert accessibility.faults(page, root) == []
    page.run("document.querySelectorAll('.claim').forEach((each) => { each.open = false; })")
    page.run("delete document.documentElement.dataset.theme")


def test_the_address_keeps_filters(page: browser.Page, frame: pd.DataFrame) -> None:
    page.run(
        """(() => { const form = document.querySelector('#result-filters');
        form.elements.method.value = '(IA)3'; form.elements.task.value = 'aatk';
        form.dispatchEvent(new Event('input')); })()"""
    )
    address = page.run("location.hash")
    assert address == "#results?task=aatk&method=%28IA%293"
    page.run("location.hash = '#results?method=FFT&task=aatk&metric='")
    wanted = int(((frame["method"] == "FFT") & (frame["task"] == "aatk")).sum())
    page.wait(f"document.querySelector('#result-filters output').textContent === '{wanted} of {len(frame)} rows'")
    page.run("document.querySelector('#result-list a').click()")
    page.wait("document.querySelector('#drawer').open")
    page.run("document.querySelector('#close').click()")
    page.wait("location.hash === '#results?method=FFT&task=aatk&metric='")  # and not somewhere else
    page.run("location.hash = '#results?'")
    page.wait("document.querySelector('#result-filters').elements.method.value === ''")
    page.run("location.hash = '#claims?text=robust&nonsense=1'")
    page.wait("document.querySelector('#claim-filters').elements.text.value === 'robust'")
    shown = page.run("[...document.querySelectorAll('.claim:not([hidden])')].map((c) => c.textContent.toLowerCase())")
    assert 0 < len(shown) < page.run("document.querySelectorAll('.claim').length")
    assert all("robust" in text for text in shown)
    page.run("location.hash = '#claims?'")
    page.wait("document.querySelector('#claim-filters').elements.text.value === ''")


def test_a_phone_shows_a_result_with_its_interval(page: browser.Page) -> None:
    page.resize(390)
    ends = page.run(
        """[...document.querySelector('#result-list tbody tr').cells].filter((cell) => cell.checkVisibility())
        .map((cell) => [cell.textContent, cell.getBoundingClientRect().right])"""
    )
    assert "1B" in ends[0][0]  # size and method stand below the task
    assert all(end <= 390 for _, end in ends[:3])
    assert re.fullmatch(r"[\d.]+ to [\d.]+", ends[2][0])
