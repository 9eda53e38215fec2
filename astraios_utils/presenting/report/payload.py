"""What the page holds in compressed form: results, verdicts and, as far as there is room, the samples' text.

A chunk is JSON, deflated, in base64; the page inflates it when a reader asks for it. Verdicts are runs of equal
outcomes in the order of the samples; texts are a list of distinct ones, those of one problem side by side, since
deflate looks back 32 KB only.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from ... import store
from ...running import pipeline, seeds
from ...running.pipeline import Cell
from ...schema import Model, Suite
from ...tasks import CodeXGlue, ProgramTask, get_task, task_of

RESULT_COLUMNS = (
    *("task", "metric", "size", "method", "value", "low", "high", "se", "n", "clusters"),
    *("published", "difference", "status", "origin"),
)
PARTS = MappingProxyType({"tests": "test", "reference": "canonical_solution"})  # of a problem -> its column
DETAIL = 160  # characters of a verdict's detail that are kept
TAGS = 100  # bytes of the element around a chunk


def squeeze(value: Any) -> str:
    """Plain data as a chunk."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def unsqueeze(chunk: str) -> Any:
    """The data of a chunk; what the page does in JavaScript."""
    return json.loads(zlib.decompress(base64.b64decode(chunk)))


def plain(values: pd.Series) -> list[Any]:
    """A column as JSON takes it: NaN is null, floats have 4 decimals."""
    if values.dtype.kind != "f":
        return list(values)
    return [None if np.isnan(v) else round(v, 4) for v in values]


def results(frame: pd.DataFrame, shown: Callable[[str], Sequence[str]]) -> dict[str, list[Any]]:
    """Results column by column; ``shown`` says which metrics of a task stand in the tables."""
    columns = {name: plain(frame[name]) for name in RESULT_COLUMNS}
    pairs = zip(frame["task"], frame["metric"], strict=True)
    return {**columns, "shown": [metric in shown(task) for task, metric in pairs]}


def pairs(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Paired differences (:func:`ledger.compared`), column by column."""
    return {str(name): plain(frame[name]) for name in frame}


def fitting(suite: Suite, room: int) -> tuple[dict[str, str], tuple[str, ...]]:
    """Verdicts of every task, then problems and texts of samples, as long as they fit into ``room`` bytes.

    Texts come task by task, from the smallest files up; the first chunk that does not fit ends it.

    Returns:
        Chunks by name (``verdicts:TASK``, ``problems:TASK``, ``texts:TASK``), and the names of those for
        which there was no room.
    """
    held: dict[str, str] = {}
    lacking: list[str] = []
    for name, make in _candidates(suite):
        chunk = "" if lacking else squeeze(make())
        if lacking or len(chunk) + TAGS > room:
            lacking.append(name)
        else:
            held[name] = chunk
            room -= len(chunk) + TAGS
    return held, tuple(lacking)


def _candidates(suite: Suite) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What might be held, the most wanted first: names, and what makes each."""
    found: dict[str, dict[Model, tuple[pd.DataFrame, str]]] = {}
    for task in suite.tasks:
        cells = {model: seeds.verdicts(suite, 0, task, model) for model in suite.models}
        found[task] = {model: cell for model, cell in cells.items() if cell is not None}
        if found[task]:
            yield f"verdicts:{task}", partial(verdicts, found[task])
    for name, path in _readable(suite).items():
        if found[name]:
            yield f"problems:{name}", partial(problems, suite, name, path)
    written: dict[str, dict[Model, Cell]] = {}
    for cell in pipeline.cells(suite):
        if not isinstance(cell.task, CodeXGlue) and cell.model in found[cell.task.name] and _is_scored(suite, cell):
            written.setdefault(cell.task.name, {})[cell.model] = cell
    for task in sorted(written, key=lambda name: sum(_bytes(cell) for cell in written[name].values())):
        yield f"texts:{task}", partial(texts, written[task], found[task])


def _readable(suite: Suite) -> dict[str, Path | None]:
    """The tasks whose problems are programs with tests and can be read without a download, with the file of each."""
    tasks = {name: get_task(name) for name in suite.tasks}
    own = suite.problems
    return {
        name: own.get(name)
        for name, task in tasks.items()
        if isinstance(task, ProgramTask) and (own[name].exists() if name in own else task.has_references())
    }


def problems(suite: Suite, name: str, path: Path | None) -> dict[str, dict[str, str]]:
    """What a task asks, by problem: prompt, tests and reference, as far as a problem has them.

    Of a problem with variants, the first one is shown; of several questions, the first: the others hold answers.
    """
    task, found = task_of(suite, name), dict[str, dict[str, str]]()
    ask = task.turns()[0].prompt
    for problem in task.references(path):
        row = problem.row
        texts = {"prompt": ask(problem)} | {kind: str(row[field]) for kind, field in PARTS.items() if row.get(field)}
        found.setdefault(problem.id, texts)
    return found


def _bytes(cell: Cell) -> int:
    return cell.generations.stat().st_size if cell.generations else 0


def _is_scored(suite: Suite, cell: Cell) -> bool:
    """Whether the cell's verdicts were made from the generations that are here now."""
    beside = store.read_json(cell.verdicts(suite.name).with_suffix(".parquet.json"))
    if cell.generations is None or beside is None:
        return False
    return bool(beside["inputs"]["generations"] == store.sha256_file(cell.generations))


def verdicts(cells: Mapping[Model, tuple[pd.DataFrame, str]]) -> dict[str, Any]:
    """The verdicts of one task.

    Args:
        cells: verdicts (columns ``schema.VERDICT_COLUMNS``) and their origin, by model.

    Returns:
        problems, variants, outcomes ([status, detail]): what the numbers stand for; models: by ``size/method`` the
        origin and the runs of equal outcomes in the samples' order, as columns of problem, variant, outcome and count.
    """
    frame = pd.concat([part.assign(cell=_key(model)) for model, (part, _) in cells.items()], ignore_index=True)
    detail = frame["detail"].fillna("").str.slice(0, DETAIL)
    codes, names = {}, {}
    for name, column in {"problem": frame["problem"], "variant": frame["variant"]}.items():
        codes[name], names[name] = pd.factorize(column)
    codes["outcome"], outcomes = pd.factorize(frame["status"] + "\t" + detail)
    numbers = pd.DataFrame(codes)
    models = {}
    for model, (_, origin) in cells.items():
        own = numbers[frame["cell"] == _key(model)]
        starts = np.flatnonzero((own.diff().fillna(1) != 0).any(axis=1))
        lengths = np.diff(np.append(starts, len(own)))
        runs = {name: own[name].iloc[starts].tolist() for name in own}
        models[_key(model)] = {"origin": origin, **runs, "count": lengths.tolist()}
    return {
        "problems": list(map(str, names["problem"])),
        "variants": list(map(str, names["variant"])),
        "outcomes": [text.split("\t", 1) for text in outcomes],
        "models": models,
    }


def texts(cells: Mapping[Model, Cell], verdicts: Mapping[Model, tuple[pd.DataFrame, str]]) -> dict[str, Any]:
    """The samples of one task, in the order of their verdicts.

    Returns:
        texts: the distinct ones of each problem; models: by ``size/method`` the number of each sample's text.
    """
    rows = []
    for model, cell in cells.items():
        assert cell.generations is not None
        answers = cell.task.read(cell.generations, cell.task.references(cell.problems))
        held = {(problem.id, problem.variant): samples for problem, samples in answers.pairs()}
        keys = verdicts[model][0][["problem", "variant", "sample"]].itertuples(index=False, name=None)
        rows += [(_key(model), problem, held[problem, variant][sample]) for problem, variant, sample in keys]
    frame = pd.DataFrame(rows, columns=["cell", "problem", "text"])
    distinct = frame[["problem", "text"]].drop_duplicates().sort_values(["problem", "text"], ignore_index=True)
    places = pd.Series(distinct.index, index=pd.MultiIndex.from_frame(distinct))
    numbers = places.loc[pd.MultiIndex.from_frame(frame[["problem", "text"]])].to_numpy()
    models = {_key(model): numbers[(frame["cell"] == _key(model)).to_numpy()].tolist() for model in cells}
    return {"texts": distinct["text"].tolist(), "models": models}


def _key(model: Model) -> str:
    return f"{model.size}/{model.method}"
