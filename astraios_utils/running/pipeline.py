"""A suite's stages over its grid: train -> generate -> score -> aggregate -> draw. Each skips what is current.

The ``released`` suite enters at its generations; what follows is the same code for every suite.
"""

from __future__ import annotations

import functools
import importlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from .. import generation, results, schema, scoring, store, training
from ..sandbox import SandboxError, runtime_id
from ..schema import Model, Suite
from ..sources import released
from ..store.processes import say
from ..tasks import ExecutedTask, Problem, ProgramTask, Task, get_task, task_of
from . import figures, grid, notebooks


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one task.

    Attributes:
        generations: where they lie; ``None``: nowhere that this machine can reach.
        problems: the file with what they answer, where it is not the task's own.
    """

    task: Task
    model: Model
    generations: Path | None
    problems: Path | None = None

    def verdicts(self, suite: str, java_level: int | None = None) -> Path:
        """Where this cell's verdicts are written; those at a Java language level have a folder of their own."""
        folder = "verdicts" if java_level is None else f"verdicts-java{java_level}"
        return store.suite_dir(suite) / folder / self.task.name / f"{self.model.slug}.parquet"

    def source(self, suite: str, java_level: int | None = None) -> scoring.Source:
        """The cell's generations as something to score; it must have some."""
        assert self.generations is not None, "only cells with generations are scored"
        model, problems = self.model, self.problems
        return scoring.Source(self.task, self.generations, suite, model.size, model.method, problems, java_level)

    @property
    def runs_java(self) -> bool:
        """Whether its samples are Java programs."""
        return isinstance(self.task, ExecutedTask) and self.task.language == "java"


Problems = Callable[[Task, Path | None], tuple[Problem, ...]]  # the problems that a file of a task answers
GENERATIONS_ENDINGS = (".jsonl.zst", ".jsonl.xz", ".jsonl", ".json.xz", ".json")


def cells(suite: Suite) -> list[Cell]:
    """Every cell of the suite's grid, task by task, with its generations where they are available."""
    return [
        Cell(task_of(suite, name), model, _generations(suite, name, model), suite.problems.get(name))
        for name in suite.tasks
        for model in suite.models
    ]


def _generations(suite: Suite, task: str, model: Model) -> Path | None:
    """The released file that is scored for the cell; for other suites, what lies in the suite's build folder."""
    if suite.generations == "released":
        chosen = released.choose(task, model)
        return released.locate(chosen) if chosen else None
    folder = store.suite_dir(suite.name) / "generations" / task
    return next((path for ending in GENERATIONS_ENDINGS if (path := folder / f"{model.slug}{ending}").exists()), None)


def with_extra_tasks(suite: Suite) -> Suite:
    """The suite with those of its extra tasks that have verdicts here."""
    folder = store.suite_dir(suite.name) / "verdicts"
    made = tuple(task for task in suite.extra_tasks if any((folder / task).glob("*.parquet")))
    return suite.model_copy(update={"tasks": tuple(dict.fromkeys((*suite.tasks, *made)))})


def judgeable(present: list[Cell]) -> list[Cell]:
    """The cells whose programs this machine can run; report in one line per language what cannot, and why."""
    kept = list(present)
    for language in sorted({cell.task.language for cell in present if isinstance(cell.task, ProgramTask)}):
        try:
            runtime_id(language)
        except SandboxError as error:
            left = [c for c in kept if isinstance(c.task, ProgramTask) and c.task.language == language]
            kept = [cell for cell in kept if cell not in left]
            say(f"{len(left)} {language} files are not scored: {error}")
    return kept


def make(
    suite: Suite,
    stage: grid.Stage,
    executor: grid.Executor | None = None,
    force: bool = False,
    trained_only: bool = False,
) -> int:
    """Train the suite's models, or generate their answers; returns how many models had anything to do.

    Generations that were put there by hand (files with another suffix than ours) are not made again.

    Args:
        suite: the suite or a slice of it.
        stage: ``train`` or ``generate``.
        executor: who does the work; ``None``: this machine (:func:`grid.local`).
        force: also redo what is current.
        trained_only: generate for trained models only, so that a training that failed is reported once.

    Raises:
        grid.ExecutionFailed: units failed; all others are done.
    """
    prepare(suite)
    units = grid.units(suite, stage, force)
    if stage == "generate":
        units = [replace(unit, tasks=tuple(t for t in unit.tasks if not _by_hand(unit, t))) for unit in units]
        units = [unit for unit in units if unit.tasks and not (trained_only and _untrained(unit))]
    return grid.run(units, executor)


def _untrained(unit: grid.Unit) -> bool:
    return training.plan(unit.suite, unit.model).record() is None


def _by_hand(unit: grid.Unit, task: str) -> bool:
    found = _generations(unit.suite, task, unit.model)
    return found is not None and found != generation.Cell(unit.suite, unit.model, task_of(unit.suite, task)).path


def prepare(suite: Suite) -> None:
    """Make what the suite reads from the cache; what is current stays. A suite without ``prepare`` needs nothing."""
    if suite.prepare:
        importlib.import_module(f"..{suite.prepare}", __package__).prepare(say)


def obtain(suite: Suite, executor: grid.Executor | None = None) -> list[str]:
    """Generate the suite's answers, or fetch missing files from upstream; report in one line what stays missing.

    Returns:
        What failed, a line per unit; the other units are done.

    Raises:
        schema.MissingArtefact: there are no generations to score, and this machine cannot make any; says why.
    """
    prepare(suite)
    failed: list[str] = []
    if suite.generations == "released":
        _fetch(suite)
    elif not (obstacle := training.obstacle(suite)):
        for stage, trained_only in (("train", False), ("generate", True)):
            try:
                make(suite, cast(grid.Stage, stage), executor, trained_only=trained_only)
            except grid.ExecutionFailed as error:
                failed += str(error).splitlines()
    elif all(cell.generations is None for cell in cells(suite)):
        place = store.suite_dir(suite.name) / "generations" / "TASK" / f"{suite.models[0].slug}.jsonl"
        raise schema.MissingArtefact(
            f"suite {suite.name} has no generations, and none can be made here: {obstacle} (put files at {place} etc. "
            "to score those)"
        )
    else:
        say(f"nothing is trained or generated: {obstacle}")
    return failed


def _fetch(suite: Suite) -> None:
    """Fetch the released files that are missing here."""
    lacking = [released.choose(c.task.name, c.model) for c in cells(suite) if c.generations is None]
    files = [file for file in lacking if file is not None]
    if not files:
        return
    if not released.reachable():
        say(
            f"{len(files)} of {len(suite.models) * len(suite.tasks)} generation files are neither in a mirror nor in "
            "the cache, and upstream cannot be reached: their cells use the shipped verdict counts or stay missing"
        )
        return
    say(f"fetching: {released.fetch(files)}")


def score(suite: Suite, sandbox: Mapping[str, Any] | None = None) -> int:
    """Score every cell whose generations are here and whose verdicts are not current; return how many were scored."""
    started = time.perf_counter()
    problems: Problems = functools.cache(lambda task, file: tuple(task.references(file)))
    present = judgeable([cell for cell in cells(suite) if cell.generations is not None])
    stale = [cell for cell in present if not _is_current(suite, cell, problems)]
    say(f"scoring: {len(stale)} files to score, {len(present) - len(stale)} current")
    done = scoring.score([cell.source(suite.name) for cell in stale], sandbox=sandbox) if stale else iter(())
    for cell, scored in zip(stale, done, strict=True):
        scoring.write(scored, cell.verdicts(suite.name), problems(cell.task, cell.problems))
        if scored.remark:
            say(f"scoring: {scored.remark}")
    java = [cell for cell in present if cell.runs_java]
    again = sum(_score_at_level(suite, java, level, problems, sandbox) for level in suite.java_levels)
    if stale or again:
        say(f"scoring: done in {time.perf_counter() - started:.0f} s")
    return len(stale) + again


def _score_at_level(
    suite: Suite, java: list[Cell], level: int, problems: Problems, sandbox: Mapping[str, Any] | None
) -> int:
    """Score Java cells at a language level, from their verdicts at the JDK's own; return how many were scored."""
    stale = [cell for cell in java if not _is_current(suite, cell, problems, level)]
    if not stale:
        return 0
    say(f"scoring: {len(stale)} Java files at language level {level}")
    pairs = [(cell.source(suite.name, level), pd.read_parquet(cell.verdicts(suite.name))) for cell in stale]
    for cell, scored in zip(stale, scoring.score_at_level(pairs, sandbox), strict=True):
        scoring.write(scored, cell.verdicts(suite.name, level), problems(cell.task, cell.problems))
    return len(stale)


def _is_current(suite: Suite, cell: Cell, problems: Problems, java_level: int | None = None) -> bool:
    inputs = scoring.inputs_of(cell.source(suite.name, java_level), problems(cell.task, cell.problems))
    return store.is_current(cell.verdicts(suite.name, java_level), inputs)


def counts_path(java_level: int | None = None) -> Path:
    """The per-problem verdict counts that the project ships for the released generations, or for a Java level."""
    name = "counts.parquet" if java_level is None else f"counts_java{java_level}.parquet"
    return store.data_dir() / "released" / name


@functools.lru_cache(maxsize=4)
def _shipped(java_level: int | None = None) -> Mapping[tuple[str, str, str], pd.DataFrame]:
    path = counts_path(java_level)
    if not path.exists():
        return {}
    groups = pd.read_parquet(path).groupby(["task", "size", "method"], sort=False)
    return {(str(t), str(s), str(m)): frame for (t, s, m), frame in groups}


def shipped_counts(suite: Suite, cell: Cell, java_level: int | None = None) -> pd.DataFrame | None:
    """The counts that the project ships for a cell of released generations; ``None`` where it ships none."""
    key = (cell.task.name, cell.model.size, cell.model.method)
    return _shipped(java_level).get(key) if suite.generations == "released" else None


def verdicts(suite: Suite, task: str, model: Model, java_level: int | None = None) -> tuple[pd.DataFrame, str] | None:
    """A cell's verdicts and their origin: ``"here"`` (scored in this build) or ``"shipped"``; ``None``: no artefact.

    At a Java language level, Java tasks have the verdicts of that level; all others have their only ones.
    """
    cell = Cell(get_task(task), model, None)
    level = java_level if cell.runs_java else None
    path = cell.verdicts(suite.name, level)
    if path.exists():
        return pd.read_parquet(path), "here"
    expanded = _expanded(task, model, level) if shipped_counts(suite, cell, level) is not None else None
    return None if expanded is None else (expanded, "shipped")


@functools.lru_cache(maxsize=1024)
def _expanded(task: str, model: Model, java_level: int | None) -> pd.DataFrame:
    """The shipped counts of a cell as verdicts: results, claims and the report each read all of them."""
    return results.expand_counts(_shipped(java_level)[task, model.size, model.method])


def _verdict_files(suite: str) -> Iterator[Path]:
    yield from sorted(store.suite_dir(suite).glob("verdicts*/*/*.parquet"))


def aggregate(suite: Suite) -> pd.DataFrame:
    """Verdicts -> tidy results next to the paper's, written to ``build/<suite>/results.parquet`` and ``.csv``."""
    path = store.suite_dir(suite.name) / "results.parquet"
    inputs = {
        "suite": store.fingerprint(suite.model_dump(mode="json")),
        "results": results.VERSION,
        "verdicts": store.fingerprint(
            [[p.parent.parent.name, p.parent.name, p.stem, store.sha256_file(p)] for p in _verdict_files(suite.name)]
        ),
        "shipped": [
            store.sha256_file(path) if path.exists() else None for path in map(counts_path, (None, *suite.java_levels))
        ],
    }
    if not store.is_current(path, inputs):
        frame = results.results(with_extra_tasks(suite), functools.partial(verdicts, suite))
        store.write_frame(path.with_suffix(".csv"), frame)
        store.write_stage(path, frame, inputs)
    return pd.read_parquet(path)


def ship_counts(suite: Suite) -> Path:
    """Write the verdict counts of this build's scored cells to ``data/released``, with the provenance of each.

    A cell that is not scored in this build keeps the counts and the provenance that are shipped for it.

    Raises:
        schema.BadInput: the suite's generations are not the released ones, whose counts alone are shipped.
        schema.MissingArtefact: nothing has been scored here.
    """
    if suite.generations != "released":
        raise schema.BadInput(
            f"suite {suite.name}: only counts of released generations are shipped; use --suite released"
        )
    record = counts_path().with_name("counts_provenance.csv")
    kept = _shipped_provenance(record)
    origins: list[dict[str, Any]] = []
    scored = 0
    for level in (None, *suite.java_levels):
        frames = []
        for cell in cells(suite):
            path, counts = cell.verdicts(suite.name, level), shipped_counts(suite, cell, level)
            if level is not None and not cell.runs_java:
                continue
            if path.exists():
                scored += 1
                frames.append(results.to_counts(pd.read_parquet(path)))
                origins.append(_provenance(cell, path, level))
            elif counts is not None:
                frames.append(counts)
                origins.append(kept[cell.task.name, cell.model.size, cell.model.method, str(level or "")])
        if frames:
            store.write_frame(counts_path(level), pd.concat(frames, ignore_index=True))
    if not scored:
        raise schema.MissingArtefact(f"suite {suite.name} has no verdicts to ship: run `astraios run` first")
    store.write_frame(record, pd.DataFrame(origins).fillna(""))
    return counts_path()


def _shipped_provenance(record: Path) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    """The rows of ``counts_provenance.csv`` by task, size, method and Java level."""
    if not record.exists():
        return {}
    frame = pd.read_csv(record, dtype=str, keep_default_na=False)
    rows = frame.reindex(columns=PROVENANCE_COLUMNS, fill_value="").to_dict("records")
    return {
        (row["task"], row["size"], row["method"], row["java_level"]): {str(k): v for k, v in row.items()}
        for row in rows
    }


TOOL_COLUMNS = ("interpreter", "jdk", "compiler", "analyzer")
PROVENANCE_COLUMNS = (
    *("task", "size", "method", "java_level", "path", "git_blob_sha1", "scored_by", "date", "sandbox_rules"),
    *TOOL_COLUMNS,
)


def _provenance(cell: Cell, path: Path, java_level: int | None = None) -> dict[str, Any]:
    """A cell's row of ``counts_provenance.csv``: the file, the code, the tools and the day that gave its verdicts."""
    beside = store.read_json(path.with_suffix(".parquet.json")) or {}
    chosen, tools = released.choose(cell.task.name, cell.model), beside.get("tools", {})
    rules = beside.get("inputs", {}).get("sandbox")
    return {
        "task": cell.task.name,
        "size": cell.model.size,
        "method": cell.model.method,
        "java_level": "" if java_level is None else java_level,
        "path": chosen.path if chosen else "",
        "git_blob_sha1": chosen.git_blob_sha1 if chosen else "",
        "scored_by": beside.get("commit"),
        "date": str(beside.get("date", ""))[:10],
        "sandbox_rules": rules[0] if rules else "",
        **{name: tools.get(name, "") for name in TOOL_COLUMNS},
    }


def run(
    whole: Suite,
    part: Suite,
    sandbox: Mapping[str, Any] | None = None,
    force: bool = False,
    executor: grid.Executor | None = None,
    show: Callable[[pd.DataFrame], object] | None = None,
) -> None:
    """Every stage of a suite, then its notebooks.

    Args:
        whole: the suite; results are aggregated over all of it, so that a slice adds to what is there.
        part: the same suite, or a slice of it: what is obtained, scored and shown in the notebooks.
        sandbox: arguments of :class:`sandbox.Sandbox`.
        force: execute notebooks that are current, too.
        executor: who trains and generates; none: this machine (:func:`grid.local`).
        show: what is done with the suite's results, before the notebooks are executed; none: nothing.

    Raises:
        grid.ExecutionFailed: units failed; everything else has been done.
        schema.AstraiosError: as the stages and notebooks say; or a suite has the name of another of the project.
    """
    store.keep_suite(whole)
    failed = obtain(part, executor)
    if failed and all(cell.generations is None for cell in cells(part)):
        raise grid.ExecutionFailed("\n".join(failed))
    score(part, sandbox)
    frame = aggregate(whole)
    if show:
        show(frame)
    for name in part.notebooks:
        if notebooks.shows(name, part.tasks):
            draw(name, part, force)
    drawn = store.figures_dir(part.name) if figures.slice_name(part) == figures.WHOLE else figures.folder(part)
    say(f"figures: {drawn}    executed notebooks: {store.suite_dir(part.name) / 'notebooks'}")
    if failed:
        raise grid.ExecutionFailed("\n".join(failed))


def complete(part: Suite, notebook: str = "") -> None:
    """Fetch, or train and generate, then score what a notebook's tasks are missing; what is current stays.

    A notebook calls it with its parameter ``run``, a panel without a notebook. It may be interrupted at any time:
    finished work is kept, and the same call continues.

    Args:
        part: a suite or a slice of it.
        notebook: whose tasks; none: all of the part's.

    Raises:
        grid.ExecutionFailed: units failed; everything else has been done.
        schema.BadInput: the suite runs none of the notebook's tasks.
    """
    store.keep_suite(store.load_suite(part.name))
    listed = notebooks.tasks_of(notebook) if notebook else None
    tasks = [task for task in part.tasks if listed is None or task in listed]
    if not tasks:
        raise schema.BadInput(f"suite {part.name} runs none of the tasks of notebook {notebook}")
    cut = part.slice(tasks=tasks)
    failed = obtain(cut, grid.in_process)
    score(cut, {"allow_weak": os.environ.get("ASTRAIOS_ALLOW_WEAK_SANDBOX") == "1"})
    if failed:
        raise grid.ExecutionFailed("\n".join(failed))


def draw(name: str, part: Suite, force: bool = False) -> Path:
    """Execute a notebook for a suite or a slice of it, unless it is current; return its executed copy."""
    parameters = {"suite": part.name, "sizes": list(part.sizes), "methods": list(part.methods)}
    return notebooks.execute(name, part.name, parameters, force=force, reads=lambda: _read_by_notebooks(part))


def draw_without_run(names: Iterable[str], whole: Suite, part: Suite, force: bool = False) -> list[Path]:
    """Execute notebooks for what this build holds and what ships; nothing is trained, generated or scored.

    Args:
        whole: the suite, whose results are aggregated; ``part``: the same, or the slice of it that is shown.
    """
    store.keep_suite(whole)
    aggregate(whole)  # a notebook is current only with the results it shows
    return [draw(name, part, force) for name in names]


def _read_by_notebooks(suite: Suite) -> dict[str, str]:
    """Hashes of what notebooks read besides results: loss logs, costs, generations, studies, shipped training runs."""
    folder = store.suite_dir(suite.name)
    # notebook 09 also shows what other suites ship, and studies that were made of them here
    shipped = sorted([*store.data_dir().glob("*/counts/*.*"), *store.data_dir().glob("*/tuning/*.*")])
    studies = sorted(folder.parent.glob("*/tuning/*.*"))
    trained = [*folder.glob("train/*/losses.jsonl"), *folder.glob("train/*/run.json")]
    if suite.generations == "released":  # files that never change: only which of them are available can
        held: list[list[str]] = [[c.task.name, c.model.slug] for c in cells(suite) if c.generations is not None]
    else:
        held = [[path.parent.name, path.name, store.sha256_file(path)] for path in folder.glob("generations/*/*")]
    return {
        "trained": store.fingerprint(sorted([p.parent.name, p.name, store.sha256_file(p)] for p in trained)),
        "generations": store.fingerprint(sorted(held)),
        "shipped": store.fingerprint([[path.parts[-3], path.name, store.sha256_file(path)] for path in shipped]),
        "studies": store.fingerprint([[path.parts[-3], path.name, store.sha256_file(path)] for path in studies]),
    }
