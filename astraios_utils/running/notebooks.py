"""Notebooks: executed through papermill with validated parameters, and what they need to show tables and keep figures.

An executed copy goes to ``build/<suite>/notebooks``; ``notebooks/`` itself never holds outputs. A notebook is
not executed again while its source, the package's code, what it reads and its parameters are the same.
"""

from __future__ import annotations

import ast
import difflib
import functools
import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import schema, store
from . import figures, links

if TYPE_CHECKING:  # nbformat and papermill take seconds to import, which every kernel and command would pay
    import nbformat

BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb)"
)
BOOTSTRAP = """\
# @title On Colab: fetch the project and install what is missing, as pinned. Anywhere else, this cell does nothing.
import pathlib
import runpy
import subprocess
import sys

if "google.colab" in sys.modules:
    home = pathlib.Path("astraios").resolve()
    clone = ["git", "clone", "--quiet", "--depth=1", "{url}"]
    home.exists() or subprocess.check_call([*clone, home])
    runpy.run_path(str(home / "astraios_utils" / "preflight" / "colab.py"))["install"](home)
    from astraios_utils.preflight import colab

    print(colab.greeting())"""


PICTURE = re.compile(r"!\[[^\]]*\]\(\.\./figures/[^)]*\)\n\*[^*]*\*\n*")
FIGURE_TYPE = "application/vnd.astraios.figure+json"  # an output that says which files a cell has saved


class NotebookFailed(schema.AstraiosError):
    """A notebook stopped at a cell; its text names the cell, the error and the executed copy."""


def bootstrap() -> str:
    """The source of the one cell that makes a notebook run on Colab; it does nothing anywhere else."""
    return BOOTSTRAP.format(url=f"{links.HOST}{links.repository()}")


def badge(name: str) -> str:
    """The Markdown of a notebook's "Open in Colab" badge."""
    return BADGE.format(repository=links.repository(), name=name)


def without_pictures(source: str) -> str:
    """A Markdown cell without the committed figures: an executed copy lies elsewhere and shows its own."""
    return PICTURE.sub("", source)


def sources() -> Mapping[str, Path]:
    """The project's notebooks, by name."""
    return {path.stem: path for path in sorted((store.root() / "notebooks").glob("*.ipynb"))}


def tasks_of(name: str) -> tuple[str, ...] | None:
    """The tasks that a notebook's metadata lists; ``None``: it shows what all tasks give."""
    import nbformat

    known = sources()
    book = nbformat.read(known[schema.match(name, known, "notebook")], as_version=4)  # type: ignore[no-untyped-call]
    listed = book.metadata.get("astraios", {}).get("tasks")
    return None if listed is None else tuple(listed)


def shows(name: str, tasks: Collection[str]) -> bool:
    """Whether a notebook shows any of these tasks."""
    listed = tasks_of(name)
    return listed is None or bool(set(listed) & set(tasks))


def _cells(path: Path) -> list[nbformat.NotebookNode]:
    import nbformat

    cells: list[nbformat.NotebookNode] = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    return cells


def parameters_of(path: Path) -> dict[str, Any]:
    """The defaults in a notebook's cell tagged ``parameters``: plain assignments of literals, one per line.

    Raises:
        schema.BadInput: no such cell or several, or something else than such assignments in it.
    """
    import nbformat

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
    name: str,
    suite: str,
    parameters: Mapping[str, Any] | None = None,
    progress: bool = True,
    force: bool = False,
    reads: Callable[[], Mapping[str, str]] = dict,
) -> Path:
    """Execute one of the project's notebooks for a suite; return its executed copy.

    The figures of a run over all sizes and methods are published to ``figures/<suite>`` (:func:`figures.publish`).

    Args:
        name: the notebook, as in :func:`sources`.
        parameters: values for its parameters cell; ``suite`` is set to ``suite``.
        progress: report the notebook and its seconds on standard error.
        force: execute it even if nothing has changed.
        reads: returns hashes of what the notebook reads besides the package, ``data`` and the results.

    Raises:
        schema.BadInput: unknown notebook or parameter, or a value of the wrong type; nothing is executed.
        NotebookFailed: a cell failed; the executed copy is kept up to there.
    """
    name = schema.match(name, sources(), "notebook")
    source = sources()[name]
    given, defaults = {**(parameters or {}), "suite": suite}, parameters_of(source)
    check_parameters(name, given, defaults)
    whole = _is_whole({**defaults, **given})
    target = store.suite_dir(suite) / "notebooks" / f"{name}.ipynb"
    beside = target.with_suffix(".ipynb.json")
    if not force and store.is_current(target, _inputs(source, suite, given, reads())) and _drawn(beside) is not None:
        if whole:
            figures.publish(_drawn(beside) or [], suite)
        _say(progress, f"{name}: unchanged, not executed again\n")
        return target
    store.require_writable(target.parent)
    beside.unlink(missing_ok=True)  # from here on the copy is half-done, until the new provenance says otherwise
    started = time.perf_counter()
    _say(progress, f"{name}: running\n")
    done = _run(name, source, target, given)
    seconds = round(time.perf_counter() - started, 1)
    files = [file for cell in done.cells for output in cell.get("outputs", ()) for file in _files(output)]
    published = figures.publish(files, suite) if whole else []
    inputs = _inputs(source, suite, given, reads())  # again: a notebook may train models and aggregate results
    store.write_json(beside, store.provenance(inputs=inputs, figures=files, published=published, seconds=seconds))
    _say(progress, f"{name}: {len(files)} files of figures, {seconds:.1f} s\n")
    return target


def _run(name: str, source: Path, target: Path, given: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Execute with papermill, without its progress bar; a failure names its cell in one line."""
    import nbformat
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook
    from traitlets.config import Config

    hooks = _Position(source)
    try:
        done: nbformat.NotebookNode = execute_notebook(  # type: ignore[no-untyped-call]
            source,
            target,
            dict(given),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=store.root(),
            on_cell_execute=hooks.start,
            config=Config(KernelManager={"transport": "ipc"}),  # a socket file of the user's, no open port
        )
        for cell in done.cells:
            if cell.cell_type == "markdown":
                cell.source = without_pictures(cell.source)
        nbformat.write(done, target)  # type: ignore[no-untyped-call]
        return done
    except PapermillExecutionError as error:
        first = (str(error.evalue).strip().splitlines() or [""])[0]
        what = f"{error.ename}: {first}" if first else str(error.ename)
        raise NotebookFailed(f"notebook {name} failed in {hooks.place}: {what:.300} (see {target})") from None
    except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotebookFailed(f"notebook {name} died in {hooks.place}: {first:.200} (see {target})") from None


class _Position:
    """Which code cell of how many is running."""

    def __init__(self, source: Path) -> None:
        self.number = 0
        cells = _cells(source)
        # papermill adds a cell with the given parameters
        self.total = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells) + 1

    @property
    def place(self) -> str:
        """Where it is now, for an error's text."""
        return f"cell {self.number} of {self.total}" if self.number else "its kernel's start"

    async def start(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        """Called by nbclient before a code cell runs."""
        self.number += 1


def _say(wanted: bool, text: str) -> None:
    if wanted:
        print(text, end="", file=sys.stderr, flush=True)


def _is_whole(given: Mapping[str, Any]) -> bool:
    """Whether the parameters of a notebook cover their suite: all sizes and methods."""
    suite = store.load_suite(given["suite"])
    return figures.slice_name(suite.slice(given.get("sizes", ()), given.get("methods", ()))) == figures.WHOLE


@functools.cache
def _code_hash() -> str:
    """A hash of the package's code that does not change with comments, docstrings and layout."""
    trees: dict[str, str] = {}
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            match node:
                case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                    if ast.get_docstring(node, clean=False) is not None:
                        node.body = node.body[1:]
        trees[path.name] = trees.get(path.name, "") + ast.dump(tree)
    return store.fingerprint(trees)


def _inputs(source: Path, suite: str, given: Mapping[str, Any], reads: Mapping[str, str]) -> dict[str, Any]:
    """All that an executed notebook depends on, as hashes."""
    data = sorted(p for folder in ("paper", "released", "suites") for p in (store.data_dir() / folder).glob("*.*"))
    results = store.suite_dir(suite) / "results.parquet"
    return {
        "notebook": store.sha256_file(source),
        "code": _code_hash(),
        "data": store.fingerprint([[p.name, store.sha256_file(p)] for p in data]),
        "results": store.sha256_file(results) if results.exists() else None,
        "reads": dict(reads),
        "parameters": {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()},
    }


def _files(output: Mapping[str, Any]) -> list[str]:
    held: list[str] = output.get("data", {}).get(FIGURE_TYPE, {}).get("files", [])
    return held


def _drawn(beside: Path) -> list[str] | None:
    """The files of figures that an executed copy has drawn, or ``None`` where one of them is gone."""
    files: list[str] = (store.read_json(beside) or {}).get("figures", [])
    return files if all(Path(file).exists() for file in files) else None
