"""What each ``astraios`` command does: a thin layer over the package, called by ``cli``.

Every public function here takes the options of the command of its name; its result, if any, is the exit status.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import schema, store


def _sandbox_arguments(options: argparse.Namespace) -> dict[str, Any]:
    weak = options.allow_weak_sandbox or os.environ.get("ASTRAIOS_ALLOW_WEAK_SANDBOX") == "1"
    arguments: dict[str, Any] = {"workers": options.workers, "allow_weak": weak}
    if options.strict_limit:
        arguments["patience"] = math.inf
    return arguments


def _slice(options: argparse.Namespace) -> schema.Suite:
    return store.load_suite(options.suite).slice(options.size, options.method, options.task)


def _executor(options: argparse.Namespace) -> Any:
    from .running import executors

    return executors.executor(options.executor, store.load_suite(options.suite), options.store)


def score(options: argparse.Namespace) -> None:
    from . import scoring, tasks

    task = tasks.get_task(options.task)
    settings = {"java_level": options.java_level, "lenient": options.lenient}
    sources = [scoring.Source(task, Path(file), **settings) for file in options.files]
    out = Path(options.out) if options.out else None
    names = [f"{Path(file).name.split('.')[0]}.parquet" for file in options.files]
    if out is not None:
        store.require_writable(out)
        if len(set(names)) != len(names):
            raise schema.BadInput("--out: two of the files have the same name; score them one at a time")
    problems = Path(options.problems) if options.problems else None
    for name, scored in zip(names, scoring.score(sources, problems, _sandbox_arguments(options)), strict=True):
        if out is not None:
            scoring.write(scored, out / name, task.references(problems))
        scoring.print_line(scored, options.json)
        if scored.remark:
            print(f"note: {scored.remark}", file=sys.stderr)


def fetch(options: argparse.Namespace) -> None:
    from .sources import released

    names = [schema.match(name, released.task_names(), "task") for name in options.tasks]
    files = [file for name in names for file in released.files(task=name)] if names else list(released.files())
    print(released.fetch(files))


def params(options: argparse.Namespace) -> None:
    from . import models

    models.print_parameters(options.json, options.size, options.method)


def train(options: argparse.Namespace) -> None:
    from .running import pipeline

    pipeline.make(_slice(options), "train", _executor(options), options.force)


def generate(options: argparse.Namespace) -> None:
    from .running import pipeline

    pipeline.make(_slice(options), "generate", _executor(options), options.force)


def search(options: argparse.Namespace) -> None:
    from .running import search

    suite = _slice(options)
    print(search.text(search.run(suite)))


def results(options: argparse.Namespace) -> None:
    from . import results
    from .running import changes, comparison, ledger, run_tables

    suite = _slice(options)
    if options.ship:
        print(*_ship(suite, store.load_suite(options.suite)), sep="\n")
        return
    if options.leaderboard:
        from .presenting import comparison_text

        _print_blocks(comparison_text.as_markdown(comparison.table(suite)))
        return
    if options.against:
        print(changes.as_markdown(suite, options.against))
        return
    if options.runs:
        _print_blocks(run_tables.as_markdown(suite))
        return
    if options.notebooks:
        from .presenting import notebook_text

        print(*notebook_text.write(notebook_text.facts()), sep="\n")
        return
    whole = store.load_suite(options.suite)
    frame = ledger.shown(whole)
    if options.markdown:
        print(results.markdown(frame))
    elif options.status:
        print(results.status_table(frame).to_string())
    else:
        _show_tables(suite, frame, options.form)


def _ship(suite: schema.Suite, whole: schema.Suite) -> list[Path]:
    """Write what a slice of a suite, or a comparison of methods as a whole, has measured here; returns the files."""
    from .running import changes, comparison, pipeline, seeds

    if suite.rows:
        return comparison.ship(whole)
    if suite.generations == "generate":
        return [*seeds.ship(suite), *changes.ship(suite)]
    return [pipeline.ship_counts(suite)]


def _print_blocks(blocks: Mapping[str, str]) -> None:
    """Print tables between the marks that a Markdown page has around them."""
    for name, lines in blocks.items():
        print(f"<!-- {name} -->\n{lines}\n<!-- /{name} -->\n")


def _show_tables(suite: schema.Suite, frame: Any, form: str = "") -> None:
    """Print a slice's results with intervals, and name the page that leads to the samples."""
    from .presenting import tables

    part = frame[
        frame["size"].isin(suite.sizes) & frame["method"].isin(suite.methods) & frame["task"].isin(suite.tasks)
    ]
    if form:
        print(tables.write(part, form))
        return
    tables.show(part)
    page = store.suite_dir(suite.name) / "report.html"
    where = page if page.exists() else f"astraios report --suite {suite.name} writes {page}"
    print(f"\n95% intervals over problems; in brackets: published only.{_shipped(part)} Report: {where}")


def _shipped(part: Any) -> str:
    """How many measured results come from the counts that the project ships, in a sentence; nothing where none do."""
    measured = part[part["provenance"] == "measured"]
    count = int((measured["origin"] == "shipped").sum())
    if not count:
        return ""
    if count == len(measured):
        return " Nothing was run here: these are the counts that the project ships."
    return f" {count} of {len(measured)} values were not scored here: those come from the counts that ship."


def run(options: argparse.Namespace) -> None:
    from .running import pipeline, seeds

    whole, sandbox = store.load_suite(options.suite), _sandbox_arguments(options)

    def show(frame: Any) -> None:
        _show_tables(_slice(options), frame)
        if said := seeds.summary(whole):
            print(said)

    for number in reversed(range(options.seeds or 1)):  # run 0 is the last one: its notebooks show all runs
        run = whole.run_of(number)
        part = run.slice(options.size, options.method, options.task)
        pipeline.run(run, part, sandbox, options.force, _executor(options), None if number else show)


def evaluate(options: argparse.Namespace) -> None:
    from .exchange import adapters

    weak = _sandbox_arguments(options)["allow_weak"]
    suite = store.load_suite(options.suite)
    own, frame = adapters.evaluate(options.adapter, suite, options.size or "", options.task, options.name or "", weak)
    _show_tables(own.model_copy(update={"methods": tuple(frame["method"].unique())}), frame)


def bench(options: argparse.Namespace) -> None:
    from .running import bench

    print(bench.text(*bench.run(Path(options.file), _sandbox_arguments(options))))


def notebook(options: argparse.Namespace) -> None:
    from .running import pipeline

    whole = store.load_suite(options.suite)
    print(*pipeline.draw_without_run([options.name], whole, _slice(options), options.force))


def claims(options: argparse.Namespace) -> None:
    from .results import claims
    from .results.claims import corrected
    from .running import ledger

    suite = store.load_suite(options.suite)
    if options.changes:
        print(corrected.as_markdown(ledger.changes(suite)))
        return
    frame, _ = ledger.claim_verdicts(suite)
    if options.json:
        print(frame.to_json(orient="records", lines=True).strip())
    else:
        print(claims.as_markdown(frame) if options.markdown else claims.as_lines(frame, options.all))


def power(options: argparse.Namespace) -> None:
    from .results import power
    from .running import ledger

    evidence = ledger.measured(store.load_suite(options.suite))
    found = power.table(evidence, options.difference)
    if found.empty:
        raise schema.BadInput(f"suite {options.suite}: no two methods of one size have results; run it first")
    print(power.text(found, evidence.scope))


def compare(options: argparse.Namespace) -> None:
    from .presenting import versus
    from .results import power
    from .running import ledger, seeds

    suites = [store.load_suite(name) for name in options.suite]
    if options.task:
        suites = [seeds.with_extra_tasks(suite) for suite in suites]
    sizes = versus.sizes_of(suites, options.size)
    tasks = versus.tasks_of(suites, options.task)
    found = {}
    for suite in suites:
        first, second = (schema.match(name, suite.methods, "method") for name in options.methods)
        evidence = ledger.measured(suite)
        found[suite.name] = (power.versus(evidence, first, second, sizes[suite.name], tasks), evidence.scope)
    print(versus.text(found, first, second))


def report(options: argparse.Namespace) -> None:
    from .presenting import report
    from .running import ledger

    suite = store.load_suite(options.suite)
    print(report.write(suite, ledger.shown(suite)))


def book(options: argparse.Namespace) -> None:
    from .presenting import book

    suites = [store.load_suite(name) for name in options.suite]
    print(book.write(suites, not options.no_api) / "index.html")


def analyze(options: argparse.Namespace) -> int:
    from .analyzers import command

    return int(command.analyze([Path(path) for path in options.paths], options.rule, options.json))


def suite_check(options: argparse.Namespace) -> None:
    from .planning import estimates
    from .preflight import suite_check

    gpu = estimates.get_gpu(options.gpu) if options.gpu else estimates.here()
    suite = store.load_suite(options.file).slice(options.size, options.method)
    suite_check.check(suite, gpu or estimates.get_gpu(suite_check.DEFAULT_GPU), options.gpus)


def verify(options: argparse.Namespace) -> int:
    from .running import verification

    suite = _slice(options)
    found = verification.verify(suite, options.share, options.seed, _sandbox_arguments(options))
    return verification.report(suite, found, options.json)


def status(options: argparse.Namespace) -> None:
    from .running import status

    print(status.as_text(_slice(options)))


def convert(options: argparse.Namespace) -> None:
    from . import tasks
    from .exchange import layouts

    task, problems = tasks.get_task(options.task), Path(options.problems) if options.problems else None
    pair = (options.source_layout, options.target_layout)
    count = layouts.convert(task, Path(options.file), Path(options.out), pair, problems)
    print(f"{options.out}: {count} samples of {task.name} in the layout {options.target_layout}")


def export(options: argparse.Namespace) -> None:
    from .exchange import metadata
    from .running import pipeline

    suite = store.load_suite(options.suite)
    model = schema.Model(schema.match(options.size, suite.sizes, "size"), _method_of(suite, options.method))
    print(metadata.export(pipeline.aggregate(suite), model, options.form, options.name or "").rstrip())


def push(options: argparse.Namespace) -> None:
    from .exchange import push
    from .running import pipeline

    suite = store.load_suite(options.suite)
    model = schema.Model(schema.match(options.size, suite.sizes, "size"), _method_of(suite, options.method))
    if options.dry_run:
        print(push.card(suite, model, pipeline.aggregate(suite), options.name))
    else:
        print(push.push(suite, model, options.name, not options.public))


def _method_of(suite: schema.Suite, name: str) -> str:
    return schema.match(name, suite.methods, "method")


def new_suite(options: argparse.Namespace) -> None:
    from .exchange import new_suite

    answers = new_suite.ask()
    path = new_suite.write(Path(options.out or f"{answers['name']}.yaml"), new_suite.build(answers))
    print(f"{path}: written. Next: astraios suite check {path}")


def suite_schema(options: argparse.Namespace) -> None:
    from .exchange import suite_schema

    print(suite_schema.as_text(), end="")


def completion(options: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(options.parser, options.shell))


def doctor(options: argparse.Namespace) -> None:
    from .preflight import doctor

    doctor.report()
