"""Notebooks: executed through papermill with validated parameters, and what they need to show tables and keep figures.

An executed copy goes to ``build/<suite>/notebooks``; ``notebooks/`` itself never holds outputs. A notebook whose
source, package, data, results and parameters are unchanged is not executed again.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import difflib
import functools
import io
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from pandas.io.formats.style import Styler
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook
from traitlets.config import Config

from . import plots, schema, store
from .tasks import task_of

# Where the notebooks' Colab badges and bootstrap cells point. After a move or a fork: change it, and the notebooks
# with it; a test names each that still points elsewhere.
REPOSITORY = "astraios-reproduced/astraios"
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb)"
)
BOOTSTRAP = """\
# On Colab: fetch the project, install what is lacking as pinned (torch stays as it is), look at the GPU. Else: nothing.
import pathlib
import runpy
import subprocess
import sys

if "google.colab" in sys.modules:
    home = pathlib.Path("astraios").resolve()
    clone = ["git", "clone", "--quiet", "--depth=1", "{url}"]
    home.exists() or subprocess.check_call([*clone, home])
    runpy.run_path(str(home / "astraios_utils" / "colab.py"))["install"](home)
    from astraios_utils import colab

    print(colab.greeting())"""
FIGURE_TYPE = "application/vnd.astraios.figure+json"  # an output that says which files a cell has saved
_LIVE_LINES = 8  # of the log beside a figure that is drawn anew


# How a cell stands to the paper: a sign that works without colour, and the cell's background.
STATUS_LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "equal": ("=", "#DCEBF7"),
        "within interval": ("≈", "#F8F2D4"),
        "different": ("≠", "#F6D5C3"),
        "not published": ("", "#FFFFFF"),
        "no artefact": ("—", "repeating-linear-gradient(45deg, #EFEFEF 0 4px, #FFFFFF 4px 8px)"),
    }
)


class NotebookFailed(schema.AstraiosError):
    """A notebook stopped at a cell; its text names the cell, the error and the executed copy."""


def bootstrap() -> str:
    """The source of the one cell that makes a notebook run on Colab; it does nothing anywhere else."""
    return BOOTSTRAP.format(url=f"https://github.com/{REPOSITORY}")


def badge(name: str) -> str:
    """The Markdown of a notebook's "Open in Colab" badge."""
    return BADGE.format(repository=REPOSITORY, name=name)


def sources() -> Mapping[str, Path]:
    """The project's notebooks, by name."""
    return {path.stem: path for path in sorted((store.root() / "notebooks").glob("*.ipynb"))}


def _cells(path: Path) -> list[nbformat.NotebookNode]:
    cells: list[nbformat.NotebookNode] = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    return cells


def parameters_of(path: Path) -> dict[str, Any]:
    """The defaults in a notebook's cell tagged ``parameters``: plain assignments of literals, one a line.

    Raises:
        schema.BadInput: no such cell or several, or something else than such assignments in it.
    """
    try:
        cells = _cells(path)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise schema.BadInput(f"{path}: not a notebook ({str(error).splitlines()[0]:.80})") from None
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise schema.BadInput(f"{path}: {len(tagged)} cells are tagged 'parameters', a notebook has one")
    defaults: dict[str, Any] = {}
    for node in ast.parse(tagged[0].source).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                defaults[name] = _literal(value, path, name)
            case _:
                raise schema.BadInput(f"{path}: the parameters cell holds more than assignments (line {node.lineno})")
    return defaults


def _literal(value: ast.expr, path: Path, name: str) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        raise schema.BadInput(f"{path}: parameter {name} is not a literal") from None


def check_parameters(name: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse a parameter that the notebook does not have, or a value of another type than its default's.

    Papermill itself only warns about the first and does not look at the second. An integer may stand for a float, a
    tuple for a list; a default of ``None`` takes anything.

    Raises:
        schema.UnknownName: the parameter does not exist; near matches are listed.
        schema.BadInput: the value has another type.
    """
    for key, value in given.items():
        if key not in defaults:
            near = difflib.get_close_matches(key, defaults, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(defaults)}"
            raise schema.UnknownName(f"unknown parameter {key!r} of notebook {name}: {hint}")
        wanted = type(defaults[key])
        allowed = {float: (float, int), list: (list, tuple), type(None): (object,)}.get(wanted, (wanted,))
        if not isinstance(value, allowed) or (isinstance(value, bool) and wanted in (int, float)):
            raise schema.BadInput(
                f"parameter {key} of notebook {name} is a {wanted.__name__} such as {defaults[key]!r:.60}, "
                f"not the {type(value).__name__} {value!r:.60}"
            )


def execute(
    name: str, suite: str, parameters: Mapping[str, Any] | None = None, progress: bool = True, force: bool = False
) -> Path:
    """Execute one of the project's notebooks for a suite; return its executed copy.

    Args:
        name: the notebook, as in :func:`sources`.
        parameters: values for its parameters cell; ``suite`` is set to ``suite``.
        progress: print each cell and its seconds to standard error.
        force: execute it even if nothing has changed.

    Raises:
        schema.BadInput: unknown notebook or parameter, or a value of the wrong type; nothing is executed.
        NotebookFailed: a cell failed; the executed copy is kept up to there.
    """
    name = schema.match(name, sources(), "notebook")
    source = sources()[name]
    given = {**(parameters or {}), "suite": suite}
    check_parameters(name, given, parameters_of(source))
    target = store.suite_dir(suite) / "notebooks" / f"{name}.ipynb"
    beside = target.with_suffix(".ipynb.json")
    if not force and store.is_current(target, _inputs(source, suite, given)) and _figures_exist(beside):
        _say(progress, f"{name}: unchanged, not executed again\n")
        return target
    store.require_writable(target.parent)
    beside.unlink(missing_ok=True)  # from here on the copy is half-done, until the new provenance says otherwise
    started = time.perf_counter()
    done = _run(name, source, target, given, progress)
    seconds = round(time.perf_counter() - started, 1)
    figures = [file for cell in done.cells for output in cell.get("outputs", ()) for file in _files(output)]
    inputs = _inputs(source, suite, given)  # again: the notebook may have aggregated the results it shows
    store.write_json(beside, store.provenance(inputs=inputs, figures=figures, seconds=seconds))
    _say(progress, f"{name}: {len(figures)} files of figures, {seconds:.1f} s\n")
    return target


def _run(name: str, source: Path, target: Path, given: Mapping[str, Any], progress: bool) -> nbformat.NotebookNode:
    """Papermill, with plain progress (its own bar sticks at 0 in some terminals) and failures in one line."""
    hooks = _Progress(name, source, progress)
    try:
        done: nbformat.NotebookNode = execute_notebook(  # type: ignore[no-untyped-call]
            source, target, dict(given), kernel_name="python3", language="python", progress_bar=False, cwd=store.root(),
            on_cell_execute=hooks.start, on_cell_executed=hooks.stop,
            config=Config(KernelManager={"transport": "ipc"}),  # a socket file of the user's, no open port
        )  # fmt: skip
        return done
    except PapermillExecutionError as error:
        first = (str(error.evalue).strip().splitlines() or [""])[0]
        what = f"{error.ename}: {first}" if first else str(error.ename)
        raise NotebookFailed(f"notebook {name} failed in {hooks.place}: {what:.300} (see {target})") from None
    except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotebookFailed(f"notebook {name} died in {hooks.place}: {first:.200} (see {target})") from None


class _Progress:
    """Says which code cell of how many is running, and how long each took."""

    def __init__(self, name: str, source: Path, wanted: bool) -> None:
        self.name, self.wanted, self.number, self.started = name, wanted, 0, 0.0
        cells = _cells(source)
        # papermill adds a cell with the given parameters
        self.total = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells) + 1

    @property
    def place(self) -> str:
        """Where it is now, for an error's text."""
        return f"cell {self.number} of {self.total}" if self.number else "its kernel's start"

    async def start(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        """Called by nbclient before a code cell runs."""
        self.number, self.started = self.number + 1, time.perf_counter()
        _say(self.wanted, f"{self.name}: {self.place} … ")

    async def stop(self, cell: nbformat.NotebookNode, cell_index: int, execute_reply: Mapping[str, Any]) -> None:
        """Called by nbclient after a code cell ran, also when it failed."""
        _say(self.wanted, f"{time.perf_counter() - self.started:.1f} s\n")


def _say(wanted: bool, text: str) -> None:
    if wanted:
        print(text, end="", file=sys.stderr, flush=True)


def _inputs(source: Path, suite: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All that an executed notebook depends on, as hashes."""
    package = sorted(Path(__file__).parent.rglob("*.py"))
    data = sorted(p for folder in ("paper", "released", "suites") for p in (store.data_dir() / folder).glob("*.*"))
    results = store.suite_dir(suite) / "results.parquet"
    return {
        "notebook": store.sha256_file(source),
        "package": store.fingerprint([[p.name, store.sha256_file(p)] for p in package]),
        "data": store.fingerprint([[p.name, store.sha256_file(p)] for p in data]),
        "results": store.sha256_file(results) if results.exists() else None,
        "parameters": {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()},
    }


def _files(output: Mapping[str, Any]) -> list[str]:
    held: list[str] = output.get("data", {}).get(FIGURE_TYPE, {}).get("files", [])
    return held


def _figures_exist(beside: Path) -> bool:
    provenance = store.read_json(beside) or {}
    return all(Path(file).exists() for file in provenance.get("figures", []))


def save(figure: Figure, suite: str, name: str) -> None:
    """Save a figure as ``figures/<suite>/<name>.svg`` and ``.png``: the same figure gives the same bytes.

    In a notebook it also shows where, as an output that :func:`execute` finds again.
    """
    folder = store.figures_dir(suite)
    salted: Any = {"svg.hashsalt": name, "svg.fonttype": "path"}
    metadata: dict[str, dict[str, str | None]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    files = []
    for kind, nothing in metadata.items():
        drawn = io.BytesIO()
        with mpl.rc_context(salted):
            figure.savefig(drawn, format=kind, metadata=nothing)
        with store.atomic(folder / f"{name}.{kind}") as stream:
            stream.write(drawn.getvalue())
        files.append(str(folder / f"{name}.{kind}"))
    _show({FIGURE_TYPE: {"files": files}, "text/plain": f"saved as {folder.name}/{name}.svg and .png"})


def _show(bundle: Mapping[str, Any]) -> None:
    """Display a bundle where there is a notebook to display it in."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(dict(bundle), raw=True)  # type: ignore[no-untyped-call]


def say(text: str) -> None:
    """Show a sentence that was made from results, as Markdown."""
    _show({"text/markdown": text, "text/plain": text})


@contextlib.contextmanager
def live(figure: Figure, draw: Callable[[], object], seconds: float = 3.0) -> Iterator[Callable[[str], None]]:
    """Show a figure, and the last lines of a log, anew while something runs; outside a notebook, print the log.

    Args:
        figure: what is shown; its axes are cleared before each drawing.
        draw: draws what is known by now.
        seconds: at least so long between two drawings.

    Yields:
        What takes the run's progress, a line at a time.
    """
    from IPython import get_ipython
    from IPython.display import DisplayHandle

    lines: collections.deque[str] = collections.deque(maxlen=_LIVE_LINES)
    log: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    picture: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    drawn = [-math.inf]

    def progress(text: str) -> None:
        lines.append(text)
        log.update({"text/plain": "\n".join(lines)}, raw=True)
        if time.monotonic() - drawn[0] >= seconds:
            _redraw(figure, draw)
            picture.update(figure)
            drawn[0] = time.monotonic()

    try:
        if get_ipython() is None:
            yield functools.partial(print, file=sys.stderr, flush=True)
        else:
            log.display({"text/plain": ""}, raw=True)
            picture.display({"text/plain": ""}, raw=True)
            yield progress
            picture.update({"text/plain": ""}, raw=True)  # the cell shows the last state by itself
    finally:
        _redraw(figure, draw)


def _redraw(figure: Figure, draw: Callable[[], object]) -> None:
    for ax in figure.axes:
        ax.clear()
    draw()


def asked(suite: schema.Suite, tasks: Iterable[str]) -> list[str]:
    """Those of a notebook's tasks that a suite asks.

    Raises:
        schema.BadInput: none of them.
    """
    tasks = list(tasks)
    found = [task for task in tasks if task in suite.tasks]
    if not found:
        raise schema.BadInput(
            f"suite {suite.name} asks none of {', '.join(tasks)}: take this notebook off the suite's list"
        )
    return found


def scale(suite: schema.Suite, tasks: Iterable[str]) -> None:
    """Say what a suite that the paper does not have asks of its models; of the paper's own suites, nothing."""
    if suite.published:
        return
    rows = []
    for task in (task_of(suite, name) for name in tasks):
        how, count = task.decoding, "not at hand"
        with contextlib.suppress(schema.MissingArtefact):
            count = str(len({p.id for p in task.problems(suite.problems.get(task.name))}))
        rows.append((task.title, count, how.samples, how.temperature or "greedy", how.max_length))
    heads = ["task", "problems", "samples of a prompt", "temperature", "tokens with the prompt, at most"]
    say(
        f"**Suite *{suite.name}* is not the paper's.** Its sizes are {', '.join(suite.sizes)}; its "
        "problems are listed here, and what the text says of the paper's models, files and findings is not said of it. "
        "Whether its own results bear out the paper's statements is told by notebook 06 and `astraios claims`."
    )
    say(pd.DataFrame(rows, columns=heads).style.hide(axis="index").to_html())


def at_hand(frame: pd.DataFrame) -> Styler:
    """How many cells are measured, per task and size: ``5 of 7``. ``frame`` holds one metric per task."""
    measured = frame.assign(measured=frame["provenance"] == "measured")
    groups = measured.groupby(["task", "size"], sort=False)["measured"]
    texts = groups.agg(lambda m: f"{m.sum()} of {len(m)}").unstack("size").reindex(columns=plots.sizes_of(frame))
    return texts.rename(index=dict(plots.TASK_TITLES), columns=str).rename_axis(index=None).style


def agreement(frame: pd.DataFrame) -> str:
    """How the measured cells of a frame stand to the paper, in words."""
    measured = frame[frame["provenance"] == "measured"]
    counts = measured["status"].value_counts()
    parts = [f"{counts[status]} {status}" for status in STATUS_LOOKS if status in counts.index]
    return f"{len(measured)} of {len(frame)} cells measured" + (f": {', '.join(parts)}" if parts else "")


def status_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """How many cells stand how to the paper: a row per task and metric and one for all, a column per status."""
    statuses = [status for status in STATUS_LOOKS if (frame["status"] == status).any()]
    counts = frame.groupby(["task", "metric"], sort=False)["status"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=statuses).rename_axis(columns=None)
    counts.loc[("all", ""), :] = counts.sum()
    return counts.astype(int).assign(cells=lambda f: f.sum(axis=1))


def table(frame: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> Styler:
    """A table of the paper, measured beside published, for a notebook to display.

    Args:
        frame: results (``size``, ``method``, ``task``, ``metric``, ``value``, ``se``, ``low``, ``high``, ``published``,
            ``status``).
        columns: the (task, metric) pairs to show, each over all sizes of the frame.

    Returns:
        A row per method, a column per pair and size. A cell has up to three lines: the measured value with a sign for
        its status (``STATUS_LOOKS``), its standard error, and the published value; its interval shows on hovering. A
        cell without artefact shows a dash on hatched ground.
    """
    sizes, methods = plots.sizes_of(frame), plots.methods_of(frame)
    held = {(r["task"], r["metric"], r["method"], r["size"]): r for r in frame.to_dict("records")}
    places = [(task, metric, size) for task, metric in columns for size in sizes]
    lacking = [p for p in places if not any((p[0], p[1], method, p[2]) in held for method in methods)]
    if lacking:
        raise schema.BadInput(f"table to show: no row of {lacking[0][1]} on {lacking[0][0]} at {lacking[0][2]}")
    header = pd.MultiIndex.from_tuples(
        [(f"{plots.TASK_TITLES.get(t, t)}<br>{plots.METRIC_LABELS.get(m, m)}", size) for t, m, size in places]
    )
    rows = [[held.get((t, m, method, size), _NOTHING) for t, m, size in places] for method in methods]
    texts = pd.DataFrame([[_cell_text(cell) for cell in row] for row in rows], methods, header)
    looks = pd.DataFrame([[_cell_look(cell) for cell in row] for row in rows], methods, header)
    styler = Styler(texts, uuid=store.fingerprint(list(columns)), cell_ids=False, caption=_table_caption())
    return styler.apply(lambda _: looks, axis=None).set_table_styles(_TABLE_STYLES)


_NOTHING: Mapping[str, Any] = MappingProxyType({"status": "no artefact", "published": float("nan")})
_TABLE_STYLES: Any = [
    {"selector": "th", "props": "text-align: center; font-size: 0.85em;"},
    {"selector": "td", "props": "text-align: right; font-size: 0.85em; line-height: 1.25; white-space: nowrap;"},
    {"selector": "caption", "props": "caption-side: bottom; text-align: left; font-size: 0.85em; padding-top: 0.5em;"},
    {"selector": "small", "props": "opacity: 0.75;"},
]


def _cell_text(cell: Mapping[Any, Any]) -> str:
    sign, published = STATUS_LOOKS[cell["status"]][0], cell["published"]
    printed = "" if np.isnan(published) else f"<br><small>({published:.2f})</small>"
    if cell["status"] == "no artefact":
        return f'<span title="no generations file: nothing was measured">{sign}</span>{printed}'
    error = "" if np.isnan(cell["se"]) else f"<br><small>±{cell['se']:.2f}</small>"
    value = "undefined" if np.isnan(cell["value"]) else f"{cell['value']:.2f}"
    interval = "" if np.isnan(cell["low"]) else f"; 95% interval {cell['low']:.2f} to {cell['high']:.2f}"
    return f'<span title="{cell["status"]}{interval}">{value} {sign}</span>{error}{printed}'


def _cell_look(cell: Mapping[Any, Any]) -> str:
    return f"background: {STATUS_LOOKS[cell['status']][1]}; color: #111111;"


def _table_caption() -> str:
    signs = ", ".join(f"{sign} {status}" for status, (sign, _) in STATUS_LOOKS.items() if sign)
    return f"measured, ± standard error (clustered by problem), (published); 95% interval on hovering; {signs}"
