"""``make book``: a static site of the project, read in a browser, that loads nothing from any other host.

MyST-NB on Sphinx builds it from executed notebooks, README, ``docs/``, galleries of methods and tasks, the reports and
the docstrings of public functions. No model is run while it is built, and no network is needed. The site opens from
a folder or from any web server; :mod:`checks` looks for broken links and for requests to other hosts.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ... import schema, store
from ...running import ledger, pipeline
from ...schema import Suite
from .. import report
from . import checks, galleries, interface, pages
from .executed import Copy, cells_held, collect

PACKAGES = ("myst_nb", "pydata_sphinx_theme")  # requirements-book.lock brings them


def folder() -> Path:
    """Where the site is written: ``build/book/html``."""
    return store.build_dir() / "book" / "html"


def write(suites: Sequence[Suite], api: bool = True) -> Path:
    """Build the site from what the suites have run so far; returns its folder.

    The notebooks of a suite that has executed none are executed for what ships of it; no suite is run.

    Args:
        suites: those whose executed notebooks, figures and reports are shown, in this order.
        api: with the pages of public functions, which import the whole package.

    Raises:
        schema.MissingArtefact: a package of the book is not installed, or none of the suites has an executed notebook.
        schema.BadInput: the site has a broken link, loads from another host, or has a picture without a text.
    """
    _require_packages()
    source, target = folder().with_name("source"), folder()
    for old in (source, target):
        shutil.rmtree(old, ignore_errors=True)
    for suite in suites:
        if not collect(suite) and _has_results(ledger.shown(suite)):
            pipeline.draw_without_run(suite.notebooks, suite, suite)
    copies = [copy for suite in suites for copy in collect(suite)]
    if not copies:
        names = " ".join(suite.name for suite in suites)
        raise schema.MissingArtefact(f"no executed notebook to show: make reproduce SUITE={names!r} makes them")
    extra = source / "_extra"
    reports = _write_reports(suites, extra / "reports")
    held = {suite.name: cells_held(suite) for suite in suites}
    pages.write(source, copies, reports, held, api)
    galleries.write(source, suites, held)
    if api:
        interface.write(source / "api")
    _sphinx(source, target)
    problems = checks.check(target)
    if problems:
        more = f"\n… and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise schema.BadInput("\n".join(problems[:20]) + more)
    return target


def _require_packages() -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise schema.MissingArtefact(f"the book needs {', '.join(missing)}: make book installs them")


def _has_results(frame: pd.DataFrame) -> bool:
    return bool((frame["provenance"] == "measured").any())


def _write_reports(suites: Sequence[Suite], to: Path) -> list[Suite]:
    """Write the report of each suite that has results; returns those suites."""
    written = []
    for suite in suites:
        frame = ledger.shown(suite)
        if _has_results(frame):
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(report.write(suite, frame), to / f"{suite.name}.html")
            written.append(suite)
    return written


def _sphinx(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "--keep-going", "-W", "-b", "html", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise schema.BadInput(f"sphinx: {done.stderr.strip()[-3000:] or done.stdout.strip()[-3000:]}")


__all__ = ["Copy", "collect", "folder", "write"]
