"""One self-contained HTML page per suite: claims, tables, results, figures, and the way down to single samples.

The page loads nothing from outside (its content security policy forbids it) and needs no server. It stays below
:data:`LIMIT`: verdicts travel with it, and the text of samples as far as there is room; it says what had none.
"""

from __future__ import annotations

import base64
import hashlib
import html
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from ... import schema, store
from ...running import ledger
from ...schema import Suite
from . import content, detectable, leaderboard, payload, statements

if TYPE_CHECKING:
    from IPython.display import HTML

LIMIT = 4_900_000  # bytes of a page: below 5 MB, which mail and chat programs still take


def write(suite: Suite, frame: pd.DataFrame) -> Path:
    """Write ``build/<suite>/report.html`` from the suite's results, verdicts and figures; return its path.

    Args:
        suite: the whole suite.
        frame: its results (:func:`ledger.shown`).

    Raises:
        schema.MissingArtefact: no cell of the suite has been measured.
    """
    path = store.suite_dir(suite.name) / "report.html"
    with store.atomic(path, "w") as stream:
        stream.write(page(suite, frame))
    return path


def show(suite: str | Suite, height: int = 800) -> HTML:
    """The page inside a notebook: the same as the file, in a frame of its own that cannot reach the notebook.

    Args:
        suite: a suite, its name, or a suite file; its results are aggregated first where they are not current.
        height: of the frame, in CSS pixels.
    """
    from IPython.display import HTML

    suite = store.load_suite(suite) if isinstance(suite, str) else suite
    inside = html.escape(page(suite, ledger.shown(suite)))
    return HTML(  # type: ignore[no-untyped-call]
        f'<div><iframe title="{html.escape(suite.title)}" width="100%" height="{height}" style="border: 0" '
        f'sandbox="allow-scripts allow-downloads allow-popups" srcdoc="{inside}"></iframe></div>'
    )


def page(suite: Suite, frame: pd.DataFrame) -> str:
    """The page's HTML; what does not depend on verdicts comes first, then as many of them as fit."""
    if not (frame["provenance"] == "measured").any():
        raise schema.MissingArtefact(
            f"suite {suite.name} has no measured cell: run `make reproduce SUITE={suite.name}` first"
        )
    figures = content.figures(store.figures_dir(suite.name), suite)
    chunks = {"results": payload.squeeze(payload.results(frame, content.shown_metrics))}
    chunks |= {f"figure:{figure.name}": payload.squeeze(figure.svg) for figure in figures}
    verdicts, parts = ledger.claim_verdicts(suite)
    chunks["claims"] = payload.squeeze(statements.parts(parts))
    apart = ledger.compared(suite)
    chunks["pairs"] = payload.squeeze(payload.pairs(apart))
    # Of a suite of one's own, statements that it cannot speak to would come before its results.
    told = verdicts if suite.published else statements.reachable(verdicts)
    context = {
        "suite": suite,
        "claims": statements.ledger(told),
        "unreachable": verdicts["claim"].nunique() - told["claim"].nunique(),
        "figures": figures,
        "board": leaderboard.of(suite),
        "detectable": detectable.of(ledger.detectable(suite)),
        "pairs": list(dict.fromkeys(apart["size"])),
        "references": ledger.references(suite),
        "labels": content.labels(suite, frame["metric"].unique()),
        **content.of_results(suite, frame),
    }
    # The most that the page can be without verdicts: with all their links, and with a sentence that names each.
    every = tuple(f"{kind}:{task}" for kind in ("verdicts", "problems", "texts") for task in suite.tasks)
    room = LIMIT - len(_render(context, chunks, every, every).encode())
    held, lacking = payload.fitting(suite, room)
    return _render(context, chunks | held, tuple(held), lacking)


def _render(context: dict[str, Any], chunks: dict[str, str], held: tuple[str, ...], lacking: tuple[str, ...]) -> str:
    linked = {name.removeprefix("verdicts:") for name in held}
    sections = [section.linked(linked) for section in context["sections"]]
    script = _file("page.js") + _file("drawer.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(
        context | {"sections": sections},
        chunks=chunks,
        lacking=lacking,
        style=_file("page.css"),
        script=script,
        script_hash=digest,
        looks=content.LOOKS,
        verdict_looks=statements.LOOKS,
        metrics=content.METRICS,
    )


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


@lru_cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")
