"""The ``astraios`` command line. Faults that the user can fix are one line and exit 2.

What the commands do is in :mod:`.commands`, which is imported once the line has been read: help comes at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from . import __version__

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
        "compare": ("compare LoRA FFT --suite nano --size 1.1M", "compare LoRA FFT --suite released --suite nano"),
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
Add = Callable[[str, str], argparse.ArgumentParser]  # name and description of a command -> its parser


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

    def add(name: str, text: str) -> argparse.ArgumentParser:
        examples = "\n".join(f"  astraios {example}" for example in EXAMPLES.get(name, ()))
        command = commands.add_parser(
            name, help=text.replace("%", "%%"), description=text, epilog=examples and f"examples:\n{examples}"
        )
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.set_defaults(function=name.replace("-", "_"))
        return command

    _add_looking(add)
    _add_scoring(add)
    _add_suite_check(commands)
    _add_exchange(add)
    _add_stages(add)
    _add_showing(add)
    commands.choices["completion"].set_defaults(parser=parser)
    return parser


def _add_looking(add: Add) -> None:
    add("doctor", "say what this machine can run, what is missing and how to get it")

    params = add("params", "Table 1, counted on the meta device")
    params.add_argument("--json", action="store_true", help="one JSON object")
    params.add_argument("--size", action="append", default=[], help="only this size (1B); repeatable")
    params.add_argument("--method", action="append", default=[], help="only this method (LoRA); repeatable")

    fetch = add("fetch", "download upstream artefacts, verified")
    fetch.add_argument("tasks", nargs="*", metavar="TASK")


def _add_scoring(add: Add) -> None:
    score = add("score", "generations -> verdicts and metrics")
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

    analyze = add("analyze", "judge C and Python code by the security checkers; exit 1 if a file is insecure")
    analyze.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all below it")
    analyze.add_argument("--rule", action="append", default=[], help="only this rule (py/sql-injection); repeatable")
    analyze.add_argument("--json", action="store_true", help="one JSON object per file")


def _add_suite_check(commands: Any) -> None:
    about = commands.add_parser("suite", help="look at a suite without running it")
    checks = about.add_subparsers(dest="what", required=True, metavar="{check,schema}")
    text = "validate a suite without its weights; print parameters, memory and time of each of its models"
    check = checks.add_parser("check", help=text, description=text)
    check.set_defaults(function="suite_check")
    check.add_argument("file", metavar="SUITE", help="a suite of data/suites, or a suite file")
    check.add_argument("--gpu", help="plan for this card (default: the one here, else A100-80GB)")
    check.add_argument("--gpus", type=_positive, default=1, help="how many of them train one model (FSDP)")
    check.add_argument("--size", action="append", default=[], help="only this size; repeatable")
    check.add_argument("--method", action="append", default=[], help="only this method; repeatable")

    text = "print the JSON Schema of suite files (data/suites/schema.json holds it)"
    checks.add_parser("schema", help=text, description=text).set_defaults(function="suite_schema")


def _add_exchange(add: Add) -> None:
    new = add("new-suite", "ask five questions and write a suite file")
    new.add_argument("--out", metavar="FILE", help="where (default: NAME.yaml in this folder)")

    far = add("status", "what is done and what is left of a suite")
    _add_slice(far)

    other = add("convert", "read generations in one tool's layout and write them in another's")
    other.add_argument("task", metavar="TASK")
    other.add_argument("file", metavar="FILE")
    layouts = ("own", "harness", "human-eval", "evalplus", "lm-eval")
    other.add_argument("--from", dest="source_layout", required=True, choices=layouts, help="the layout of FILE")
    other.add_argument("--to", dest="target_layout", required=True, choices=layouts, help="the layout to write")
    other.add_argument("--out", required=True, metavar="FILE", help="the file to write")
    other.add_argument("--problems", metavar="PATH", help="what the samples answer, instead of the task's own problems")

    shared = add("export", "print a model's measured results as other tools publish them")
    shared.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    shared.add_argument("--size", required=True)
    shared.add_argument("--method", required=True)
    shared.add_argument("--as", dest="form", required=True, choices=("model-index", "lm-eval"), help="which form")
    shared.add_argument("--name", help="what the model is called there (default: size and method)")

    up = add("push", "upload a trained adapter to the hub, with a card of scores, intervals, costs and provenance")
    up.add_argument("name", metavar="OWNER/NAME", help="the repository on the hub; it is made where there is none")
    up.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    up.add_argument("--size", required=True)
    up.add_argument("--method", required=True)
    up.add_argument("--public", action="store_true", help="make the repository public (default: private)")
    up.add_argument("--dry-run", action="store_true", help="print the card and upload nothing")

    shell = add("completion", "print a completion script for a shell: source it, or put it where it looks")
    shell.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _add_stages(add: Add) -> None:
    train = add("train", "tune a suite's models by its recipe, resumable")
    _add_slice(train)
    _add_executor(train)
    train.add_argument("--force", action="store_true", help="train finished models again")

    tried = add("search", "try the same learning rates with every method of a suite; print the best ones")
    _add_slice(tried)

    generate = add("generate", "let a suite's tuned models answer its tasks, resumable")
    _add_slice(generate)
    _add_executor(generate)
    generate.add_argument("--force", action="store_true", help="generate existing answers again")

    table = add("results", "verdicts -> tidy results; print a table per task with 95% intervals")
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
    table.add_argument("--ship", action="store_true", help="write the verdict counts to data/SUITE instead")


def _add_showing(add: Add) -> None:
    judged = add("claims", "judge the paper's statements by its printed numbers and by a suite's own")
    judged.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    judged.add_argument("--json", action="store_true", help="one JSON object per claim and evidence")
    judged.add_argument("--all", action="store_true", help="also say what each claim that cannot be tested is missing")
    judged.add_argument("--markdown", action="store_true", help="a table with a row per statement, for the README")
    text = "which statements change when printed cells are replaced where a released file gives another value"
    judged.add_argument("--changes", action="store_true", help=text)

    detects = add("power", "say which difference of two methods a suite's problems, samples and seeds can detect")
    detects.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")
    detects.add_argument("--difference", type=float, default=2.0, metavar="POINTS", help="say what this one needs (2)")

    pair = add("compare", "compare two methods of a suite: paired differences, adjusted p, wins by problem")
    pair.add_argument("methods", nargs=2, metavar="METHOD")
    text = "a suite of data/suites, or a suite file; repeat it to see suites side by side"
    pair.add_argument("--suite", required=True, action="append", help=text)
    pair.add_argument("--size", action="append", default=[], help="only this size (1B); repeatable")
    pair.add_argument("--task", action="append", default=[], help="only this task (defect); repeatable")

    _add_running(add)
    _add_pages(add)


def _add_running(add: Add) -> None:
    run = add("run", "every stage of a suite, resumable")
    _add_slice(run)
    run.add_argument(
        "--seeds", type=_positive, metavar="N", help="do the first N training runs of the suite (default: 1)"
    )
    _add_executor(run)
    _add_sandbox(run)
    run.add_argument("--force", action="store_true", help="execute notebooks that are current, too")

    theirs = add("evaluate", "score someone's adapter next to a suite's models, without training")
    theirs.add_argument("adapter", metavar="ADAPTER", help="a PEFT folder, or a name on the hub")
    theirs.add_argument("--suite", required=True, help="whose bases, problems and decoding are used")
    theirs.add_argument("--size", help="its base (default: the one that the adapter names)")
    theirs.add_argument("--task", action="append", default=[], help="only this task; repeatable")
    theirs.add_argument("--name", help="what the adapter is called (default: the end of its path)")
    _add_sandbox(theirs)

    own = add("bench", "place a method of one's own in the comparison of methods, next to the shipped results")
    own.add_argument("file", metavar="METHOD.yaml", help="its name and configuration (docs/how/7_your_method.md)")
    _add_sandbox(own)

    again = add("verify", "recompute a share of the shipped verdict counts from files; exit 1 if any differs")
    _add_slice(again)
    _add_sandbox(again)
    again.add_argument("--share", type=_share, default=1.0, help="of the cells, between 0 and 1 (default: 1)")
    again.add_argument("--seed", type=int, default=0, help="of the draw of cells (default: 0)")
    again.add_argument("--json", action="store_true", help="one JSON object per cell")


def _add_pages(add: Add) -> None:
    page = add("report", "write one self-contained HTML page of a suite's tables and figures")
    page.add_argument("--suite", required=True, help="a suite of data/suites, or a suite file")

    site = add("book", "build a static site of what the suites have run: notebooks, reports, galleries, functions")
    site.add_argument("--suite", action="append", required=True, help="a suite to show; repeatable")
    site.add_argument("--no-api", action="store_true", help="leave out the pages of public functions")

    note = add("notebook", "execute one notebook through papermill")
    note.add_argument("name", metavar="NAME")
    _add_slice(note)
    note.add_argument("--force", action="store_true", help="execute it even if it is current")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it did what it should (1: ``analyze`` found something), 2 when the user can fix what went wrong, 130 on
        Ctrl-C.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if arguments is None and options.command == "params":  # a process of its own, and nothing in it is in 8 bits
        sys.modules["bitsandbytes"] = None  # type: ignore[assignment]  # PEFT would spend a second on importing it
    if options.command is None:
        parser.print_help()
        return 0

    from . import commands, schema
    from .sandbox import SandboxError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # Python's, about programs that are read to be judged
            status = getattr(commands, options.function)(options)
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
