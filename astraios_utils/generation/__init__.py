"""A suite's tuned models answer its tasks: prompts -> generations, one file per model and task.

``build/<suite>/generations/<task>/<model>.jsonl.xz`` holds one JSON line per problem: ``problem``, ``variant``,
``samples`` (post-processed), ``raw`` (as the model wrote them), ``tokens`` and ``ended`` per sample, and the fields
that earlier turns added to the problem (the descriptions of code explanation). For likelihood tasks it holds ``nats``,
``tokens`` and ``bytes`` instead, one number per text. Its provenance is stored next to it.

A cell's problems are cut into parts, which depend on the cell only. Each part is generated in batches of its own and
kept once it is complete. So a killed run repeats at most one part, with the same batches and therefore the same answers
to the last bit, and a slice of a suite gives the same files as the whole.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import models, store, training
from ..metrics import likelihoods
from ..schema import Model, Suite
from ..tasks import LikelihoodTask, Problem, Task, Turn, task_of
from ..tasks.base import ProblemSet
from ..training import say
from ..training.identity import identities

if TYPE_CHECKING:
    from ..metrics.likelihoods import Likelihood
    from .engine import Engine
    from .requests import Answer, Request, Stats
    from .served import Served

VERSION = 3  # raised when the same inputs give other answers
PART = 1024  # samples
MEASURED = 64  # problems of a likelihood task in one part
_WEIGHTS = (".safetensors", ".bin", "config.json")
_EVERY = 5.0  # seconds between lines of progress


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one task, and the path of its generations."""

    suite: Suite
    model: Model
    task: Task

    @property
    def path(self) -> Path:
        """The generations file."""
        return store.suite_dir(self.suite.name) / "generations" / self.task.name / f"{self.model.slug}.jsonl.xz"

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The task's problems in this suite."""
        return self.task.problems(self.suite.problems.get(self.task.name))

    def inputs(self) -> dict[str, Any]:
        """Everything that the answers depend on, as plain data."""
        problems, run = self.problems, training.plan(self.suite, self.model)
        texts = [self.task.texts(p) for p in problems] if isinstance(self.task, LikelihoodTask) else []
        weights = identities(run.checkpoint)
        return {
            "version": VERSION,
            "training": store.fingerprint(run.inputs),
            "weights": {name: identity for name, identity in weights.items() if name.endswith(_WEIGHTS)},
            "seed": self.suite.seed,
            "backend": self.suite.backend,
            "precision": models.answer_precision(self.suite.sampling),
            "rows": self.suite.sampling.rows,  # none: by the base, which the training names
            "decoding": {**dataclasses.asdict(self.task.decoding), "stop": [*self.task.decoding.stop]},
            "problems": ProblemSet(problems).fingerprint(),
            "prompts": _prompts(self.task, ProblemSet(problems)),
            **({"texts": store.fingerprint(texts)} if texts else {}),
        }

    def current(self) -> bool:
        """Whether the file exists and was made from these inputs."""
        return self.path.exists() and store.is_current(self.path, self.inputs())


@lru_cache(maxsize=64)
def _prompts(task: Task, problems: ProblemSet) -> str:
    """A hash of what the model is asked first."""
    prompt = task.turns()[0].prompt
    return store.fingerprint([prompt(p) for p in problems.held])


def generate(
    suite: Suite, model: Model, tasks: Sequence[str], progress: Callable[[str], None] = say, force: bool = False
) -> int:
    """Answer tasks with one of the suite's tuned models; current files are skipped, unfinished ones are continued.

    Args:
        progress: called with a line every few seconds: samples, tokens per second, time left.
        force: generate current files again.

    Returns:
        How many files were written.

    Raises:
        schema.MissingArtefact: the model has not been trained, or a problem file is missing.
        schema.BadInput: problems, lengths and methods, as their modules say.
        engine.GenerationFailed: memory ran out.
    """
    cells = [Cell(suite, model, task_of(suite, name)) for name in tasks]
    stale = [cell for cell in cells if force or not cell.current()]
    if not stale:
        return 0
    for cell in stale if force else ():
        cell.path.unlink(missing_ok=True)
        _log_path(cell).unlink(missing_ok=True)
    measured = [cell for cell in stale if isinstance(cell.task, LikelihoodTask)]
    asked = [cell for cell in stale if cell not in measured]
    engine: Engine | Served | None = None
    if measured:
        engine, known = _own_engine(suite, model), _Known()
        for cell in measured:
            _measure(cell, engine, known, progress)
    if asked and suite.backend == "vllm":
        from .served import serve

        engine = None  # its memory is the server's now
        engine = serve(suite, model)
    for cell in asked:
        engine = engine or _own_engine(suite, model)
        _generate(cell, engine, progress)
    return len(stale)


def _own_engine(suite: Suite, model: Model) -> Engine:
    from .engine import Engine

    tuned, tokenizer = training.load_answering(suite, model)
    return Engine(tuned, tokenizer, suite.sampling.rows)


def _generate(cell: Cell, engine: Engine | Served, progress: Callable[[str], None]) -> None:
    inputs = cell.inputs()
    store.require_writable(cell.path.parent)
    log = Log(_log_path(cell), store.fingerprint(inputs))
    parts = list(_parts(cell.problems, cell.task.decoding.samples))
    clock = _Clock(cell, progress, sum(len(part) for part in parts))
    for number, part in enumerate(parts):
        if number < len(log.parts):
            clock.skip(len(part))
            continue
        asked = Conversations(cell, part)
        stats = engine.run(asked.requests(), asked.done, clock.tick)
        log.append({"rows": asked.rows(), "cost": _cost(stats)})
        clock.part(len(part), stats)
    _write(cell, log, inputs, engine)


def _write(cell: Cell, log: Log, inputs: dict[str, Any], engine: Engine | Served) -> None:
    """Make the cell's file of all parts, and its provenance; then the log is not needed any more."""
    rows = [row for part in log.parts for row in part["rows"]]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with store.atomic(cell.path) as stream:
        stream.write(lzma.compress(text.encode("utf-8", "surrogatepass")))
    cost = {key: sum(part["cost"][key] for part in log.parts) for key in log.parts[0]["cost"]}
    cost |= {"rows": engine.rows, **_peak()}
    store.write_json(_beside(cell.path), store.provenance(inputs=inputs, cost=cost))
    log.path.unlink()


# A part's prompts with their texts, and the likelihoods of all of them. ``nll`` and ``prefer`` over the same problems
# read the same texts, so the second one costs nothing.
_Known = dict[tuple[Any, ...], list[tuple["Likelihood", ...]]]


def _measure(cell: Cell, engine: Engine, known: _Known, progress: Callable[[str], None]) -> None:
    """A likelihood task's file, in parts like any other."""
    from .likelihood import Asked, measure

    task = cell.task
    assert isinstance(task, LikelihoodTask)
    inputs = cell.inputs()
    store.require_writable(cell.path.parent)
    log = Log(_log_path(cell), store.fingerprint(inputs))
    for number, part in enumerate(_parts(cell.problems, PART // MEASURED)):
        if number < len(log.parts):
            continue
        started = time.perf_counter()
        asked = tuple(Asked(task.prompt(problem), task.texts(problem)) for problem in part)
        read = 0
        if asked not in known:
            known[asked], read = measure(engine, asked)
        rows = [_likelihood_row(cell, p, texts[: task.kept]) for p, texts in zip(part, known[asked], strict=True)]
        seconds = round(time.perf_counter() - started, 3)
        log.append({"rows": rows, "cost": {"prefilled": read, "seconds": seconds}})
        done = number * MEASURED + len(part)
        progress(f"{cell.model.slug} {task.name}: {done} of {len(cell.problems)} problems  {seconds:.0f} s")
    _write(cell, log, inputs, engine)


def _likelihood_row(cell: Cell, problem: Problem, texts: Sequence[Likelihood]) -> dict[str, Any]:
    return {
        "task": cell.task.name,
        "problem": problem.id,
        "variant": problem.variant,
        "nats": [round(text.nats, likelihoods.DIGITS) for text in texts],
        "tokens": [text.tokens for text in texts],
        "bytes": [text.bytes for text in texts],
    }


def _beside(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")


def _log_path(cell: Cell) -> Path:
    return cell.path.with_name(f"{cell.model.slug}.parts.jsonl")


def _cost(stats: Stats) -> dict[str, float]:
    counts = {name: getattr(stats, name) for name in ("tokens", "prefilled", "steps", "slots", "columns")}
    return {**counts, "seconds": round(stats.seconds, 3)}


def _peak() -> dict[str, int]:
    """The peak GPU memory of this process; empty without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {"gpu_peak_mib": torch.cuda.max_memory_allocated() >> 20}


def _parts(problems: Sequence[Problem], samples: int) -> Iterator[Sequence[Problem]]:
    size = max(PART // samples, 1)
    for start in range(0, len(problems), size):
        yield problems[start : start + size]


class Log:
    """A file with one line per complete part, after a first line that identifies their inputs."""

    def __init__(self, path: Path, inputs: str) -> None:
        self.path, self.parts = path, _read_log(path, inputs)
        with store.atomic(path, "w") as stream:  # drops the half line of a killed run
            for line in ({"inputs": inputs}, *self.parts):
                stream.write(json.dumps(line) + "\n")

    def append(self, part: dict[str, Any]) -> None:
        """Keep a complete part."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(part) + "\n")
        self.parts.append(part)


def _read_log(path: Path, inputs: str) -> list[dict[str, Any]]:
    """The complete lines of the log if it was made from these inputs, otherwise none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    if not lines or json.loads(lines[0]) != {"inputs": inputs}:
        return []
    return [json.loads(line) for line in lines[1:]]


@dataclass(slots=True)
class _Sample:
    """A sample between turns: its problem with the fields that earlier turns added, and its last answer."""

    problem: Problem
    answer: Answer | None = None
    text: str = ""


class Conversations:
    """Some problems of a cell: their requests, turn by turn, and the rows made from the answers."""

    def __init__(self, cell: Cell, problems: Sequence[Problem]) -> None:
        self.cell, self.problems, self.turns = cell, problems, cell.task.turns()
        numbers = range(cell.task.decoding.samples)
        self.samples = [[_Sample(problem) for _ in numbers] for problem in problems]

    def requests(self) -> list[Request]:
        """The first turn: one request per problem."""
        numbers = tuple(range(self.cell.task.decoding.samples))
        return [self._request(0, at, problem, numbers) for at, problem in enumerate(self.problems)]

    def _request(self, turn: int, at: int, problem: Problem, samples: tuple[int, ...]) -> Request:
        from .requests import Request

        how, decoding, asks = self.cell, self.cell.task.decoding, self.turns[turn]
        model = how.model
        parts = (how.suite.seed, model.size, model.method, how.task.name, problem.id, problem.variant, turn)
        return Request(
            prompt=asks.prompt(problem),
            samples=samples,
            stream="/".join(map(str, parts)),
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            max_length=decoding.max_length,
            finished=lambda text, start: asks.finished(problem, text, start),
            tag=(turn, at),
        )

    def done(self, request: Request, answers: Sequence[Answer]) -> Iterable[Request]:
        """Take the answers to a request; returns the next turn's requests."""
        turn, at = request.tag
        asked: Turn = self.turns[turn]
        for answer in answers:
            sample = self.samples[at][answer.sample]
            sample.answer, sample.text = answer, asked.finish(sample.problem, answer.text)
            if asked.field:
                row = {**sample.problem.row, asked.field: sample.text}
                sample.problem = dataclasses.replace(sample.problem, row=row)
        return self._follow(turn + 1, at, answers) if turn + 1 < len(self.turns) else ()

    def _follow(self, turn: int, at: int, answers: Sequence[Answer]) -> Iterator[Request]:
        """The next turn's requests; samples with the same text so far share a prompt."""
        alike: dict[str, list[int]] = {}
        for answer in answers:
            alike.setdefault(self.samples[at][answer.sample].text, []).append(answer.sample)
        for numbers in alike.values():
            yield self._request(turn, at, self.samples[at][numbers[0]].problem, tuple(numbers))

    def rows(self) -> list[dict[str, Any]]:
        """One row per problem; all samples must have been answered."""
        return [self._row(problem, samples) for problem, samples in zip(self.problems, self.samples, strict=True)]

    def _row(self, problem: Problem, samples: Sequence[_Sample]) -> dict[str, Any]:
        last = [sample.answer for sample in samples if sample.answer is not None]
        row: dict[str, Any] = {"task": self.cell.task.name, "problem": problem.id, "variant": problem.variant}
        for turn in self.turns[:-1]:
            row[turn.field] = [sample.problem.row[turn.field] for sample in samples]
        return row | {
            "samples": [sample.text for sample in samples],
            "raw": [answer.text for answer in last],
            "tokens": [answer.tokens for answer in last],
            "ended": [answer.ended for answer in last],
        }


class _Clock:
    """Reports the progress of a cell and the time left."""

    def __init__(self, cell: Cell, progress: Callable[[str], None], problems: int) -> None:
        self.name = f"{cell.model.slug} {cell.task.name}"
        self.progress, self.problems, self.turns = progress, problems, len(cell.task.turns())
        self.each = cell.task.decoding.samples * self.turns
        self.before = self.skipped = self.tokens = 0
        self.started = self.told = time.perf_counter()

    def skip(self, problems: int) -> None:
        """Count a part that an earlier run finished."""
        self.skipped += problems

    def part(self, problems: int, stats: Stats) -> None:
        """Count a part that this run finished."""
        self.before += problems
        self.tokens += stats.tokens

    def tick(self, stats: Stats) -> None:
        """Called after every step; reports every few seconds."""
        now = time.perf_counter()
        if now - self.told < _EVERY:
            return
        self.told, seconds = now, now - self.started
        done = self.before + stats.answers / self.each
        todo = self.problems - self.skipped - done
        left = f"  {seconds * todo / done:.0f} s left" if done else ""
        rate = (self.tokens + stats.tokens) / seconds
        share = (self.skipped + done) / self.problems
        self.progress(f"{self.name}: {share:.0%} of {self.problems} problems  {rate:,.0f} tokens/s{left}")
