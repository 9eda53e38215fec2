"""The ``astraios`` command: a thin layer over the package. Faults that the user can mend are one line and exit 2."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import __version__, schema, store

EXAMPLES: Mapping[str, Sequence[str]] = MappingProxyType(  # shown below a command's help
    {
        "params": ("params --size 1B --method LoRA",),
        "fetch": ("fetch recode-docstring",),
        "score": (
            "score repair-python generations.json --json",
            "score synthesize-python mine.jsonl --problems problems.jsonl --out verdicts",
        ),
        "analyze": ("analyze src --rule py/sql-injection",),
        "status": ("status --suite nano",),
        "convert": ("convert synthesize-python samples.jsonl --from human-eval --to own --out generations.jsonl",),
        "export": ("export --suite nano --size 1.1M --method LoRA --as model-index",),
        "push": ("push me/nano-lora --suite nano --size 1.1M --method LoRA --dry-run",),
        "train": ("train --suite paper --size 1B --method LoRA",),
        "generate": ("generate --suite nano --size 420K --task synthesize-python",),
        "results": ("results --suite nano --task repair-python", "results --suite released --as latex"),
        "claims": ("claims --suite released",),
        "power": ("power --suite nano --difference 5",),
        "compare": ("compare LoRA FFT --suite nano --size 1.1M",),
        "run": ("run --suite nano", "run --suite released --size 1B --method LoRA --task repair-python"),
        "evaluate": (
            "evaluate ./my-adapter --suite nano",
            "evaluate someone/adapter --suite paper --task repair-python",
        ),
        "bench": ("bench my_method.yaml",),
        "verify": ("verify --suite released --share 0.1",),
        "report": ("report --suite nano",),
        "book": ("book --suite released --suite nano",),
        "notebook": ("notebook 02_eval_generation --suite released",),
    }
)
Add = Callable[[str, Any, str], argparse.ArgumentParser]  # name, function and description of a command -> its parser


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


def _score(options: argparse.Namespace) -> None:
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


def _fetch(options: argparse.Namespace) -> None:
    from .sources import released

    names = [schema.match(name, released.task_names(), "task") for name in options.tasks]
    files = [file for name in names for file in released.files(task=name)] if names else list(released.files())
    print(released.fetch(files))


def _params(options: argparse.Namespace) -> None:
    from . import models

    models.print_parameters(options.json, options.size, options.method)


def _train(options: argparse.Namespace) -> None:
    from .running import pipeline

    pipeline.make(_slice(options), "train", _executor(options), options.force)


def _generate(options: argparse.Namespace) -> None:
    from .running import pipeline

    pipeline.make(_slice(options), "generate", _executor(options), options.force)


def _search(options: argparse.Namespace) -> None:
    from .running import search

    suite = _slice(options)
    print(search.text(search.run(suite)))


def _results(options: argparse.Namespace) -> None:
    from . import results
    from .running import changes, comparison, pipeline, run_tables, seeds

    suite = _slice(options)
    if options.ship and suite.rows:
        print(*comparison.ship(store.load_suite(options.suite)), sep="\n")
    elif options.ship and suite.generations == "generate":
        print(*seeds.ship(suite), *changes.ship(suite), sep="\n")
    elif options.ship:
        print(pipeline.ship_counts(suite))
    if options.leaderboard:
        from .presenting import comparison_text

        print(comparison_text.markdown(comparison.table(suite)))
        return
    if options.against:
        print(changes.as_markdown(suite, options.against))
        return
    if options.runs:
        for name, lines in run_tables.as_markdown(suite).items():
            print(f"<!-- {name} -->\n{lines}\n<!-- /{name} -->\n")
        return
    if options.notebooks:
        from .presenting import notebook_text

        print(*notebook_text.write(notebook_text.facts()), sep="\n")
        return
    frame = pipeline.aggregate(store.load_suite(options.suite))
    if options.markdown:
        print(results.markdown(frame))
    elif options.status:
        print(results.status_table(frame).to_string())
    else:
        _show_tables(suite, frame, options.form)


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
    print(f"\n95% intervals over problems; in brackets: published only. Report: {where}")


def _run(options: argparse.Namespace) -> None:
    from .running import pipeline, seeds

    whole, sandbox = store.load_suite(options.suite), _sandbox_arguments(options)
    for number in reversed(range(options.seeds or 1)):  # run 0 is the last one: its notebooks show all runs
        run = whole.run_of(number)
        part = run.slice(options.size, options.method, options.task)
        pipeline.run(run, part, sandbox, options.force, _executor(options))
    if said := seeds.summary(whole):
        print(said)
    _show_tables(_slice(options), pipeline.aggregate(whole))


def _evaluate(options: argparse.Namespace) -> None:
    from .exchange import adapters

    weak = _sandbox_arguments(options)["allow_weak"]
    suite = store.load_suite(options.suite)
    own, frame = adapters.evaluate(options.adapter, suite, options.size or "", options.task, options.name or "", weak)
    _show_tables(own.model_copy(update={"methods": tuple(frame["method"].unique())}), frame)


def _bench(options: argparse.Namespace) -> None:
    from .running import bench

    print(bench.text(*bench.run(Path(options.file), _sandbox_arguments(options))))


def _notebook(options: argparse.Namespace) -> None:
    from .running import pipeline

    whole, suite = store.load_suite(options.suite), _slice(options)
    store.keep_suite(whole)
    pipeline.aggregate(whole)  # a notebook is current only with the results it shows
    print(pipeline.draw(options.name, suite, options.force))


def _claims(options: argparse.Namespace) -> None:
    from .results import claims
    from .results.claims import corrected
    from .running import ledger

    suite = store.load_suite(options.suite)
    if options.changes:
        print(corrected.as_markdown(ledger.changes(suite)))
        return
    frame, _ = ledger.judge(suite)
    if options.json:
        print(frame.to_json(orient="records", lines=True).strip())
    else:
        print(claims.as_markdown(frame) if options.markdown else claims.as_lines(frame))


def _power(options: argparse.Namespace) -> None:
    from .results import power
    from .running import ledger

    evidence = ledger.measured(store.load_suite(options.suite))
    found = power.table(evidence, options.difference)
    if found.empty:
        raise schema.BadInput(f"suite {options.suite}: no two methods of one size have results; run it first")
    print(power.text(found, evidence.scope))


def _compare(options: argparse.Namespace) -> None:
    from .results import power
    from .running import ledger

    suite = store.load_suite(options.suite)
    first, second = (schema.match(name, suite.methods, "method") for name in options.methods)
    sizes = suite.slice(options.size).sizes
    evidence = ledger.measured(suite)
    found = power.versus(evidence, first, second, sizes)
    print(f"{first} minus {second}, in points; 95% intervals over problems; about {evidence.scope}")
    print(found.round({"value": 2, "low": 2, "high": 2, "p": 4, "p_holm": 4}).to_string(index=False))


def _report(options: argparse.Namespace) -> None:
    from .presenting import report
    from .running import pipeline

    suite = store.load_suite(options.suite)
    print(report.write(suite, pipeline.aggregate(suite)))


def _book(options: argparse.Namespace) -> None:
    from .presenting import book

    suites = [store.load_suite(name) for name in options.suite]
    print(book.write(suites, not options.no_api) / "index.html")


def _analyze(options: argparse.Namespace) -> int:
    from .analyzers import command

    return int(command.analyze([Path(path) for path in options.paths], options.rule, options.json))


def _suite_check(options: argparse.Namespace) -> None:
    from .planning import estimates
    from .preflight import suite_check

    gpu = estimates.get_gpu(options.gpu) if options.gpu else estimates.here()
    suite = store.load_suite(options.file).slice(options.size, options.method)
    suite_check.check(suite, gpu or estimates.get_gpu(suite_check.DEFAULT_GPU), options.gpus)


def _verify(options: argparse.Namespace) -> int:
    from .running import verification

    suite = _slice(options)
    found = verification.verify(suite, options.share, options.seed, _sandbox_arguments(options))
    return verification.report(suite, found, options.json)


def _status(options: argparse.Namespace) -> None:
    from .running import status

    print(status.as_text(_slice(options)))


def _convert(options: argparse.Namespace) -> None:
    from . import tasks
    from .exchange import layouts

    task, problems = tasks.get_task(options.task), Path(options.problems) if options.problems else None
    pair = (options.source_layout, options.target_layout)
    count = layouts.convert(task, Path(options.file), Path(options.out), pair, problems)
    print(f"{options.out}: {count} samples of {task.name} in the layout {options.target_layout}")


def _export(options: argparse.Namespace) -> None:
    from .exchange import metadata
    from .running import pipeline

    suite = store.load_suite(options.suite)
    model = schema.Model(schema.match(options.size, suite.sizes, "size"), _method_of(suite, options.method))
    print(metadata.export(pipeline.aggregate(suite), model, options.form, options.name or "").rstrip())


def _push(options: argparse.Namespace) -> None:
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


def _new_suite(options: argparse.Namespace) -> None:
    from .exchange import new_suite

    answers = new_suite.ask()
    path = new_suite.write(Path(options.out or f"{answers['name']}.yaml"), new_suite.build(answers))
    print(f"{path}: written. Next: astraios suite check {path}")


def _suite_schema(options: argparse.Namespace) -> None:
    from .exchange import suite_schema

    print(suite_schema.as_text(), end="")


def _completion(options: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(build_parser(), options.shell))


def _doctor(options: argparse.Namespace) -> None:
    from .preflight import doctor

    doctor.report()


def _add_slice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    for name, example in (("size", "1B"), ("method", "LoRA"), ("task", "defect")):
        parser.add_argument(f"--{name}", action="append", default=[], help=f"only this {name} ({example}); repeatable")


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=_positive, help="programs at a time (default: the machine's cores)")
    parser.add_argument("--strict-limit", action="store_true", help="give every program its whole limit in CPU time")
    parser.add_argument(
        "--allow-weak-sandbox", action="store_true", help="run untrusted programs without kernel isolation"
    )


def _add_executor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--executor", default="local", help="local, or ray: the models as tasks of a Ray cluster")
    parser.add_argument(
        "--store", default="", metavar="URL", help="where ray's machines keep the build folder, if they share none"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {value}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {value:g}")
    return value


def build_parser() -> argparse.ArgumentParser:
    """Build the argument parser of ``astraios COMMAND …``."""
    parser = argparse.ArgumentParser(prog="astraios", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        examples = "\n".join(f"  astraios {example}" for example in EXAMPLES.get(name, ()))
        command = commands.add_parser(
            name, help=text.replace("%", "%%"), description=text, epilog=examples and f"examples:\n{examples}"
        )
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.set_defaults(function=function)
        return command

    _add_looking(add)
    _add_scoring(add)
    _add_suite_check(commands)
    _add_exchange(add)
    _add_stages(add)
    _add_showing(add)
    return parser


def _add_looking(add: Add) -> None:
    add("doctor", _doctor, "say what this machine can run, what is missing and how to get it")

    params = add("params", _params, "Table 1, counted on the meta device")
    params.add_argument("--json", action="store_true", help="one JSON object")
    params.add_argument("--size", action="append", default=[], help="only this size (1B); repeatable")
    params.add_argument("--method", action="append", default=[], help="only this method (LoRA); repeatable")

    fetch = add("fetch", _fetch, "download upstream artefacts, verified")
    fetch.add_argument("tasks", nargs="*", metavar="TASK")


def _add_scoring(add: Add) -> None:
    score = add("score", _score, "generations -> verdicts and metrics")
    score.add_argument("task", metavar="TASK")
    score.add_argument("files", nargs="+", metavar="FILE", help="generations: .json or .jsonl, may be compressed")
    score.add_argument("--json", action="store_true", help="one JSON object per file")
    score.add_argument("--out", metavar="DIR", help="write verdicts there, as parquet")
    score.add_argument("--problems", metavar="PATH", help="problems to score against, instead of the task's own")
    text = "strip Markdown fences, end tokens and repeated questions, add missing prompts; print both scores"
    score.add_argument("--lenient", action="store_true", help=text)
    score.add_argument(
        "--java-level", type=_positive, metavar="N", help="language level of Java samples and tests (javac --release N)"
    )
    _add_sandbox(score)

    analyze = add("analyze", _analyze, "judge C and Python code by the security checkers; exit 1 if a file is insecure")
    analyze.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all below it")
    analyze.add_argument("--rule", action="append", default=[], help="only this rule (py/sql-injection); repeatable")
    analyze.add_argument("--json", action="store_true", help="one JSON object per file")


def _add_suite_check(commands: Any) -> None:
    about = commands.add_parser("suite", help="look at a suite without running it")
    checks = about.add_subparsers(dest="what", required=True, metavar="{check,schema}")
    text = "validate a suite without its weights; print parameters, memory and time of each of its models"
    check = checks.add_parser("check", help=text, description=text)
    check.set_defaults(function=_suite_check)
    check.add_argument("file", metavar="SUITE", help="a suite of data/suites, or a suite file")
    check.add_argument("--gpu", help="plan for this card (default: the one here, else A100-80GB)")
    check.add_argument("--gpus", type=_positive, default=1, help="how many of them train one model (FSDP)")
    check.add_argument("--size", action="append", default=[], help="only this size; repeatable")
    check.add_argument("--method", action="append", default=[], help="only this method; repeatable")

    text = "print the JSON Schema of suite files (data/suites/schema.json holds it)"
    checks.add_parser("schema", help=text, description=text).set_defaults(function=_suite_schema)


def _add_exchange(add: Add) -> None:
    new = add("new-suite", _new_suite, "ask five questions and write a suite file")
    new.add_argument("--out", metavar="FILE", help="where (default: NAME.yaml in this folder)")

    far = add("status", _status, "what is done and what is left of a suite")
    _add_slice(far)

    other = add("convert", _convert, "read generations in one tool's layout and write them in another's")
    other.add_argument("task", metavar="TASK")
    other.add_argument("file", metavar="FILE")
    layouts = ("own", "harness", "human-eval", "evalplus", "lm-eval")
    other.add_argument("--from", dest="source_layout", required=True, choices=layouts, help="the layout of FILE")
    other.add_argument("--to", dest="target_layout", required=True, choices=layouts, help="the layout to write")
    other.add_argument("--out", required=True, metavar="FILE", help="the file to write")
    other.add_argument("--problems", metavar="PATH", help="what the samples answer, instead of the task's own problems")

    shared = add("export", _export, "print a model's measured results as other tools publish them")
    shared.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    shared.add_argument("--size", required=True)
    shared.add_argument("--method", required=True)
    shared.add_argument("--as", dest="form", required=True, choices=("model-index", "lm-eval"), help="which form")
    shared.add_argument("--name", help="what the model is called there (default: size and method)")

    up = add(
        "push", _push, "upload a trained adapter to the hub, with a card of scores, intervals, costs and provenance"
    )
    up.add_argument("name", metavar="OWNER/NAME", help="the repository on the hub; it is made where there is none")
    up.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    up.add_argument("--size", required=True)
    up.add_argument("--method", required=True)
    up.add_argument("--public", action="store_true", help="make the repository public (default: private)")
    up.add_argument("--dry-run", action="store_true", help="print the card and upload nothing")

    shell = add("completion", _completion, "print a completion script for a shell: source it, or put it where it looks")
    shell.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _add_stages(add: Add) -> None:
    train = add("train", _train, "tune a suite's models by its recipe, resumable")
    _add_slice(train)
    _add_executor(train)
    train.add_argument("--force", action="store_true", help="train finished models again")

    tried = add("search", _search, "try the same learning rates with every method of a suite; print the best ones")
    _add_slice(tried)

    generate = add("generate", _generate, "let a suite's tuned models answer its tasks, resumable")
    _add_slice(generate)
    _add_executor(generate)
    generate.add_argument("--force", action="store_true", help="generate existing answers again")

    table = add("results", _results, "verdicts -> tidy results; print a table per task with 95% intervals")
    _add_slice(table)
    forms = ("text", "markdown", "latex")
    table.add_argument("--as", dest="form", choices=forms, help="print the tables as plain text, Markdown or LaTeX")
    table.add_argument("--status", action="store_true", help="print how many cells stand how to the paper instead")
    table.add_argument("--markdown", action="store_true", help="print a row per task, for the README")
    text = "print each method's scores and their differences from this method (Base: the untuned model), as Markdown"
    table.add_argument("--against", metavar="METHOD", help=text)
    text = "print the leaderboard of a suite that compares methods, as Markdown"
    table.add_argument("--leaderboard", action="store_true", help=text)
    text = "print what the training runs show: scores, variance, detectable differences, order of methods (Markdown)"
    table.add_argument("--runs", action="store_true", help=text)
    table.add_argument("--notebooks", action="store_true", help="write what came out into the notebooks' Markdown")
    table.add_argument("--ship", action="store_true", help="also write the verdict counts to data/SUITE")


def _add_showing(add: Add) -> None:
    judged = add("claims", _claims, "judge the paper's statements by its printed numbers and by a suite's own")
    judged.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    judged.add_argument("--json", action="store_true", help="one JSON object per claim and evidence")
    judged.add_argument("--markdown", action="store_true", help="a table with a row per statement, for the README")
    text = "which statements change when printed cells are replaced where a released file gives another value"
    judged.add_argument("--changes", action="store_true", help=text)

    detects = add(
        "power", _power, "say which difference of two methods a suite's problems, samples and seeds can detect"
    )
    detects.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    detects.add_argument("--difference", type=float, default=2.0, metavar="POINTS", help="say what this one needs (2)")

    pair = add("compare", _compare, "compare two methods of a suite: paired differences, adjusted p, wins by problem")
    pair.add_argument("methods", nargs=2, metavar="METHOD")
    pair.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    pair.add_argument("--size", action="append", default=[], help="only this size (1B); repeatable")

    _add_running(add)
    _add_pages(add)


def _add_running(add: Add) -> None:
    run = add("run", _run, "every stage of a suite, resumable")
    _add_slice(run)
    run.add_argument(
        "--seeds", type=_positive, metavar="N", help="do the first N training runs of the suite (default: 1)"
    )
    _add_executor(run)
    _add_sandbox(run)
    run.add_argument("--force", action="store_true", help="execute notebooks that are current, too")

    theirs = add("evaluate", _evaluate, "score someone's adapter next to a suite's models, without training")
    theirs.add_argument("adapter", metavar="ADAPTER", help="a PEFT folder, or a name on the hub")
    theirs.add_argument("--suite", required=True, help="whose bases, problems and decoding are used")
    theirs.add_argument("--size", help="its base (default: the one that the adapter names)")
    theirs.add_argument("--task", action="append", default=[], help="only this task; repeatable")
    theirs.add_argument("--name", help="what the adapter is called (default: the end of its path)")
    _add_sandbox(theirs)

    own = add("bench", _bench, "place a method of one's own in the comparison of methods, next to the shipped results")
    own.add_argument("file", metavar="METHOD.yaml", help="its name and configuration (docs/how/7_your_method.md)")
    _add_sandbox(own)

    again = add("verify", _verify, "recompute a share of the shipped verdict counts from files; exit 1 if any differs")
    _add_slice(again)
    _add_sandbox(again)
    again.add_argument("--share", type=_share, default=1.0, help="of the cells, between 0 and 1 (default: 1)")
    again.add_argument("--seed", type=int, default=0, help="of the draw of cells (default: 0)")
    again.add_argument("--json", action="store_true", help="one JSON object per cell")


def _add_pages(add: Add) -> None:
    page = add("report", _report, "write one self-contained HTML page of a suite's tables and figures")
    page.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")

    site = add(
        "book", _book, "build a static site of what the suites have run: notebooks, reports, galleries, functions"
    )
    site.add_argument("--suite", action="append", required=True, help="a suite to show; repeatable")
    site.add_argument("--no-api", action="store_true", help="leave out the pages of public functions")

    note = add("notebook", _notebook, "execute one notebook through papermill")
    note.add_argument("name", metavar="NAME")
    _add_slice(note)
    note.add_argument("--force", action="store_true", help="execute it even if it is current")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it did what it should (1: ``analyze`` found something), 2 when the user can mend what went wrong, 130 on
        Ctrl-C.
    """
    from .sandbox import SandboxError

    parser = build_parser()
    options = parser.parse_args(arguments)
    if arguments is None and options.command == "params":  # a process of its own, and nothing in it is in 8 bits
        sys.modules["bitsandbytes"] = None  # type: ignore[assignment]  # PEFT would spend a second on importing it
    if options.command is None:
        parser.print_help()
        return 0
    try:
        status = options.function(options)
    except (schema.AstraiosError, SandboxError) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe (head) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; finished work is kept. Run the same command to resume.", file=sys.stderr)
        return 130
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
