"""What the notebooks say in Markdown is what the shipped results give, and every committed figure is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import store
from astraios_utils.presenting import notebook_text
from astraios_utils.results import claims
from astraios_utils.running import notebooks

ROOT = Path(__file__).parents[2]
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.slow
@pytest.mark.ci
def test_the_text_is_what_the_shipped_counts_give(released_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of results or claims: ``astraios results --suite released --notebooks``."""
    checkout = released_build.parent / "checkout"
    (checkout / "notebooks").mkdir(parents=True)
    for name, text in SOURCES.items():
        (checkout / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    for shared in ("data", "figures"):
        (checkout / shared).symlink_to(ROOT / shared)
    monkeypatch.setenv("ASTRAIOS_ROOT", str(checkout))
    monkeypatch.delenv("ASTRAIOS_FIGURES")
    assert notebook_text.write(notebook_text.facts()) == []


def test_every_notebook_begins_with_what_came_out() -> None:
    assert set(notebook_text.IN_SHORT) == set(SOURCES)
    for name, text in SOURCES.items():
        assert "**In short.** " in text, name


def test_every_committed_figure_is_shown() -> None:
    shown = set(re.findall(r"\(\.\./figures/([\w-]+/\w+)\.png\)", "".join(SOURCES.values())))
    there = {f"{path.parent.name}/{path.stem}" for path in (ROOT / "figures").glob("*/*.png")}
    assert shown == there


def test_every_statement_named_exists() -> None:
    known = {claim.id for claim in claims.load()}
    named = {claim for caption in notebook_text.CAPTIONS.values() for claim in caption.claims}
    assert named <= known


def test_marked_parts_are_renewed_and_nothing_else(build: Path) -> None:
    rows = [
        ("c", "fft-best", "4", "S.", "R.", "published", "supported"),
        ("c", "fft-best", "4", "S.", "R.", "released", "undecided"),
    ]
    verdicts = pd.DataFrame(rows, columns=["x", "claim", "section", "statement", "reading", "evidence", "verdict"])
    picture = store.figures_dir("released") / "substring_no_defect.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"")
    source = "before\n<!-- figure substring_no_defect -->\nold\n<!-- /figure -->\nafter"
    known = notebook_text.Facts(pd.DataFrame(), verdicts)
    made = notebook_text.filled(source, "03_eval_comprehension", known)
    assert made.startswith("before\n<!-- figure substring_no_defect -->\n\n![Accuracy lost to")
    assert made.endswith("suite released.*\n\n<!-- /figure -->\nafter")
    assert notebook_text.filled(made, "03_eval_comprehension", known) == made
    assert "figures/" not in notebooks.without_pictures(made)
    assert notebooks.without_pictures(made).endswith("<!-- /figure -->\nafter")
    quoted = notebook_text._statement(verdicts)
    assert quoted == (
        "> The paper: *S.* (4)\n> By its printed numbers: **supported**; by the released generations: **undecided**. "
        "Tested as: R."
    )
