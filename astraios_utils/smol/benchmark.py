"""HumanEval in the formats of the paper's Python tasks: planted bugs for repair, perturbed prompts for ReCode.

Everything is derived from HumanEval's 164 problems by operators of our own (:mod:`astraios_utils.programs`) and run
once: every reference solution passes its tests, every planted bug fails them, and every perturbed program still passes.
A perturbation that would change the meaning of a problem leaves that prompt as it is.
"""

from __future__ import annotations

import ast
import functools
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema, store
from ..programs import mutation, perturbation
from ..programs.edits import Edit, Source, function, meaning
from ..programs.perturbation import NOMINAL, Perturbed, Subject
from ..sandbox import FAILED, PASSED, Program, Sandbox
from ..tasks.humanevalpack import PYTHON_IMPORTS

VERSION = 1
SEED = 0
SEEDS = 5  # of each perturbation that has one, as in ReCode
TIMEOUT = 3.0  # seconds, for reference solutions and bugs; a program that needs longer is not chosen
TRIES = 40  # mutants of a problem, at most, until its tests reject one

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of the derivation.

    Attributes:
        bugs: planted bugs by kind.
        perturbed: by perturbation, how many prompts differ from the nominal one, and of how many.
        reverted: by perturbation, how many would have changed the meaning.
    """

    bugs: Mapping[str, int]
    perturbed: Mapping[str, tuple[int, int]]
    reverted: Mapping[str, int]


def read(path: Path) -> list[Row]:
    """HumanEval's rows.

    Raises:
        schema.BadInput: not HumanEval's file.
    """
    try:
        rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        subjects = [Subject(r["prompt"], r["canonical_solution"], r["entry_point"]) for r in rows]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise schema.BadInput(f"{path}: not HumanEval's file ({error})") from None
    if not subjects:
        raise schema.BadInput(f"{path}: holds no problems")
    return rows


def texts(path: Path) -> list[str]:
    """What training data must not overlap with: each problem's prompt and solution."""
    return [row["prompt"] + row["canonical_solution"] for row in read(path)]


def _subject(row: Row) -> Subject:
    return Subject(row["prompt"], row["canonical_solution"], row["entry_point"])


def _test(row: Row, name: str) -> str:
    """HumanEval's ``check`` and the call that the package leaves to its harness."""
    return f"{row['test'].strip()}\n\ncheck({name})"


def _program(row: Row, sample: str, name: str = "") -> Program:
    return Program("python", sample, f"\n{_test(row, name or row['entry_point'])}", PYTHON_IMPORTS, TIMEOUT)


def _statuses(programs: Sequence[Program]) -> list[str]:
    with Sandbox() as sandbox:
        outcomes = dict(sandbox.run(programs))
    return [outcomes[number].status for number in range(len(programs))]


def _body(row: Row, text: str) -> str:
    """What follows the prompt in a changed program."""
    return text[len(row["prompt"]) :]


def plant(rows: Sequence[Row]) -> list[mutation.Mutant]:
    """A bug per problem that its tests reject: the first such mutant of a shuffled list.

    All problems are tried together, one mutant each per round.

    Raises:
        schema.BadInput: the tests of a problem reject none of its mutants.
    """
    candidates = [
        mutation.shuffled(row["prompt"] + row["canonical_solution"], row["entry_point"], SEED)[:TRIES] for row in rows
    ]
    chosen: dict[int, mutation.Mutant] = {}
    for round_ in range(TRIES):
        tried = [n for n, found in enumerate(candidates) if n not in chosen and round_ < len(found)]
        statuses = _statuses([_program(rows[n], candidates[n][round_].text) for n in tried])
        chosen |= {n: candidates[n][round_] for n, status in zip(tried, statuses, strict=True) if status == FAILED}
    without = [rows[n]["task_id"] for n in range(len(rows)) if n not in chosen]
    if without:
        raise schema.BadInput(f"no planted bug fails the tests of {', '.join(without)}")
    return [chosen[n] for n in range(len(rows))]


def declaration(row: Row) -> str:
    """The prompt without its docstring."""
    source = Source(row["prompt"] + row["canonical_solution"])
    node = function(source.tree, row["entry_point"])
    start, end = source.span(node.body[0])
    text = source.replaced([Edit(start, end, "")])
    return text[: len(text) - len(row["canonical_solution"])].rstrip() + "\n"


def docstring(row: Row) -> str:
    """The problem's description, indentation removed."""
    node = function(ast.parse(row["prompt"] + row["canonical_solution"]), row["entry_point"])
    return (ast.get_docstring(node) or "").strip()


def _signature(row: Row) -> str:
    node = function(ast.parse(row["prompt"] + row["canonical_solution"]), row["entry_point"])
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returned}"


def humanevalpack(rows: Sequence[Row], bugs: Sequence[mutation.Mutant]) -> Iterator[Row]:
    """HumanEvalPack's fields; its instruction's wording, our bugs."""
    for row, bug in zip(rows, bugs, strict=True):
        text, signature = docstring(row), _signature(row)
        yield {
            "task_id": row["task_id"],
            "prompt": row["prompt"],
            "declaration": declaration(row),
            "canonical_solution": row["canonical_solution"],
            "buggy_solution": _body(row, bug.text),
            "bug_type": bug.kind,
            "bug_change": bug.change,
            "test": _test(row, row["entry_point"]),
            "entry_point": row["entry_point"],
            "signature": signature,
            "docstring": text,
            "instruction": f"Write a Python function `{signature}` to solve the following problem:\n{text}",
        }


def variants(row: Row, category: str) -> Iterator[tuple[str, int, Perturbed]]:
    """Each perturbation of a category on one problem: its name, its seed, the outcome."""
    for name, change in perturbation.CATEGORIES[category].items():
        for seed in range(SEEDS if name in perturbation.SEEDED else 1):
            yield name, seed, change(_subject(row), random.Random(f"{name}:{seed}:{row['task_id']}"))


def recode(rows: Sequence[Row], category: str) -> tuple[list[Row], Counter[str], Counter[str], Counter[str]]:
    """ReCode's rows of one category, ordered by perturbation, seed and problem.

    Returns:
        The rows; by perturbation, how many prompts differ from the nominal, how many there are, how many were reverted.
    """
    found = [(row, *variant) for row in rows for variant in variants(row, category)]
    nominal = {row["task_id"]: out for row, name, _, out in found if name == NOMINAL}
    statuses = _verified(found)
    made, changed, total, reverted = [], Counter[str](), Counter[str](), Counter[str]()
    for (row, name, seed, out), status in zip(found, statuses, strict=True):
        if status != PASSED:
            reverted[name] += 1
            out = nominal[row["task_id"]]
        total[name] += 1
        changed[name] += out.prompt != nominal[row["task_id"]].prompt
        made.append(_recode_row(row, name, seed, out))
    return sorted(made, key=lambda r: (r["perturbation_name"], r["seed"])), changed, total, reverted


def _verified(found: Sequence[tuple[Row, str, int, Perturbed]]) -> list[str]:
    """The status of each perturbed program; one that only differs from its problem in text is not run again."""
    programs: dict[tuple[str, str], Program | None] = {}
    keys = []
    for row, _, _, out in found:
        key = (row["task_id"], _meaning(out.prompt + out.rest))
        same = key[1] == _meaning(row["prompt"] + row["canonical_solution"])
        programs.setdefault(key, None if same else _program(row, out.prompt + out.rest, out.name))
        keys.append(key)
    run = {key: program for key, program in programs.items() if program is not None}
    statuses = dict(zip(run, _statuses(list(run.values())), strict=True))
    return [statuses.get(key, PASSED) for key in keys]


@functools.lru_cache(maxsize=4096)
def _meaning(text: str) -> str:
    """:func:`meaning`; the text itself where it does not parse."""
    try:
        return meaning(text)
    except SyntaxError:
        return text


def _recode_row(row: Row, name: str, seed: int, out: Perturbed) -> Row:
    return {
        "task_id": row["task_id"],
        "prompt": out.prompt,
        "entry_point": out.name,
        "test": row["test"].strip(),
        "perturbation_name": name,
        "seed": seed,
    }


def write(path: Path, folder: Path, say: Callable[[str], None]) -> Counts | None:
    """Write the benchmark's files and ``counts.json``; nothing where they are current.

    Args:
        path: HumanEval's file.
        folder: gets ``humanevalpack-python.jsonl``, ``recode-<category>.jsonl`` and ``counts.json``.
        say: takes a line of progress.

    Raises:
        schema.BadInput: a reference solution does not pass its tests here; or a problem has no bug.
    """
    note = folder / "counts.json"
    inputs = {"problems": store.sha256_file(path), "version": VERSION}
    if (store.read_json(note) or {}).get("inputs") == inputs:
        return None
    rows = read(path)
    say(f"deriving the benchmark from {len(rows)} problems: every program is run once")
    statuses = _statuses([_program(row, row["prompt"] + row["canonical_solution"]) for row in rows])
    failing = [row["task_id"] for row, status in zip(rows, statuses, strict=True) if status != PASSED]
    if failing:
        raise schema.BadInput(f"{path}: reference solutions do not pass their tests: {', '.join(failing)}")
    bugs = plant(rows)
    _write_lines(folder / "humanevalpack-python.jsonl", humanevalpack(rows, bugs))
    perturbed: dict[str, tuple[int, int]] = {}
    reverted: Counter[str] = Counter()
    for category in perturbation.CATEGORIES:
        made, changed, total, undone = recode(rows, category)
        _write_lines(folder / f"recode-{category}.jsonl", made)
        perturbed |= {name: (changed[name], total[name]) for name in total if name != NOMINAL}
        reverted += undone
    counts = Counts(Counter(bug.kind for bug in bugs), perturbed, reverted)
    store.write_json(
        note,
        {"inputs": inputs, "bugs": counts.bugs, "perturbed": counts.perturbed, "reverted": counts.reverted},
    )
    return counts


def _write_lines(path: Path, rows: Iterator[Row] | Sequence[Row]) -> None:
    with store.atomic(path, "w") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
