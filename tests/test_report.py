"""The report stands alone: no script, no link to anywhere, every task's table and every figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from astraios_utils import cli, pipeline, report, schema, store


def test_page_stands_alone(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    suite = store.load_suite("released")
    folder = store.figures_dir(suite.name)
    folder.mkdir(parents=True)
    (folder / "figure_x.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    path = report.write(suite, pipeline.aggregate(suite))
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 5_000_000
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert 'alt="figure_x"' in page
    for task in suite.tasks:
        assert f"<h2>{task}: " in page
    assert "44.15 (44.15)" in page  # defect, 1B LoRA: measured, and Table 2


def test_no_figures_is_one_line(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    with pytest.raises(schema.MissingArtefact, match="make reproduce"):
        report.write(store.load_suite("released"), pipeline.aggregate(store.load_suite("released")))
    assert cli.main(["report", "--suite", "released"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
