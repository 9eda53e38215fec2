"""The analyses on one base of the suite ``nano``: what is tuned, what is measured, and where the results are kept.

All models are tuned by one plain loop on the same budget (:mod:`.loop`), on compositions of the tuning split, and
measured on compositions that neither pre-training nor tuning has seen.  Two measures: the loss per answer token, and
the share of answers that greedy decoding writes exactly.  What is forgotten is measured on pre-training documents.

A study is made once per base and kept in ``build/<suite>/tuning``; those of some sizes are shipped in
``data/nano/tuning`` and are used as long as the base is the one that they were made from.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .. import models, schema, store
from ..metrics import stats
from ..nano import documents
from ..training.identity import identities
from . import parts, weights
from .loop import Budget, Example, answers, tune
from .weights import State

VERSION = 1  # of what is run; a change makes every study stale
STEPS = 60
LEARNT, ASKED, OLD = 400, 32, 48  # documents per task to learn from and to be measured on; pre-training documents
FURTHER = 0.5  # learning rate of the further-trained base, as a share of full fine-tuning's
RANKS = (2, 8, 32)
SHARES = (0.0001, 0.001, 0.01, 0.05)
FIRSTS = (0.0, 0.5, 1.0)  # LiNeS: factors of the first layer
LOOKS = (0, 10, 20, 40, 60)  # steps of a run at which it is measured
TASKS = tuple(documents.KINDS)
FORGOTTEN = "pre-training"  # what stands for a task where pre-training documents are measured
SCORES = ("analysis", "method", "setting", "task", "measure", "value", "low", "high", "n")
CHANGES = ("method", "setting", *weights.COLUMNS)
OVERLAPS = ("one", "two", "common", "cosine")


@dataclass(frozen=True, slots=True)
class Study:
    """What came out for one base.

    Attributes:
        scores: a row per analysis, method, setting (a share, a factor, a step or a name), task (all, one, or
            ``FORGOTTEN``) and measure (``loss`` in nats per token, ``exact`` in percent), with a 95% interval.
        changes: the change of each matrix (:func:`weights.table`) by method and setting.
        overlaps: pairs of tasks: common entries among the largest 1% of changes, and the cosine of the changes.
        seconds: wall time that it took.
    """

    scores: pd.DataFrame
    changes: pd.DataFrame
    overlaps: pd.DataFrame
    seconds: float = 0.0


def learnt(task: str, seed: int) -> list[Example]:
    """What a task is learnt from."""
    return _examples(task, "tune", seed, LEARNT)


def asked(task: str) -> list[Example]:
    """What a task is measured on."""
    return _examples(task, "eval", 0, ASKED)


def _examples(task: str, split: Any, seed: int, count: int) -> list[Example]:
    before, after = schema.TEMPLATE.split("{completion}")
    rows = (documents.of_kind(task, split, seed, number) for number in range(count))
    return [Example(task, before.format(prompt=row.prompt), row.completion + after) for row in rows]


def old(seed: int, count: int) -> list[Example]:
    """Documents of the pre-training stream that no base has read: those of another seed."""
    rows = (documents.pretraining(1000 + seed, number) for number in range(count))
    return [Example(FORGOTTEN, "", row.prompt + row.completion) for row in rows]


@dataclass
class _Bench:
    """One base, and all that is measured about it."""

    suite: schema.Suite
    base: Any
    tokenizer: Any
    seed: int
    say: Callable[[str], None]
    steps: int = STEPS
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    @functools.cached_property
    def questions(self) -> list[Example]:
        return [*(example for task in TASKS for example in asked(task)), *old(0, OLD)]

    def budget(self, method: str, share: float = 1.0, **changes: Any) -> Budget:
        recipe = self.suite.recipe
        assert recipe is not None
        rate = share * recipe.rate(method)
        return Budget(steps=self.steps, batch=8, rate=rate, length=recipe.sequence_length, **changes)

    def tuned(self, method: str, examples: Sequence[Example], start: Any = None, **options: Any) -> Any:
        """A copy of the base (or of ``start``), tuned; ``options``: ``changes`` of the method, ``budget``, ``look``."""
        changes = {**self.suite.method_configs.get(method, {}), **options.get("changes", {})}
        made = models.attach(copy.deepcopy(start if start is not None else self.base), method, changes)
        budget = options.get("budget") or self.budget(method)
        return tune(made, self.tokenizer, examples, budget, self.seed, options.get("look"))

    def measure(self, model: Any, analysis: str, method: str, setting: str) -> None:
        """Add the rows of one model: each task, all of them, and pre-training."""
        self.say(f"{analysis}: {method} {setting}")
        found = answers(model, self.tokenizer, self.questions, self.budget("FFT").length)
        tasks = found[found["task"] != FORGOTTEN]
        for task, frame in (("all", tasks), *found.groupby("task", sort=False)):
            nll = stats.clustered_ratio(frame[["nll", "tokens"]].to_numpy(dtype=float), n=len(frame), share=False)
            exact = frame["exact"].astype(float).to_frame().assign(one=1.0).to_numpy()
            hits = stats.clustered_ratio(exact, n=len(frame), share=True).scaled(100)
            for measure, estimate in (("loss", nll), ("exact", hits)):
                values = (estimate.value, estimate.low, estimate.high, len(frame))
                self.rows.append((analysis, method, setting, task, measure, *values))

    def measure_state(self, state: State, analysis: str, method: str, setting: str) -> None:
        self.measure(weights.apply(self.base, state), analysis, method, setting)


def study(
    suite: schema.Suite, size: str, seed: int = 0, say: Callable[[str], None] = print, steps: int = STEPS
) -> Study:
    """Run every analysis on one base of the suite: some dozen short trainings and about sixty measurements."""
    from time import perf_counter

    started = perf_counter()
    base = models.load_base(suite.bases[size], on_cpu=True).eval()  # type: ignore[no-untyped-call]
    bench = _Bench(suite, base, models.load_tokenizer(suite.bases[size]), seed, say, steps)
    before, mixture = weights.state_of(base), [example for task in TASKS for example in learnt(task, seed)]
    bench.measure(base, "tuned", "base", "")
    states, changes = _tuned_states(bench, before, mixture)
    _parts(bench, before, states)
    _transfer(bench, before, states, mixture)
    overlaps = _mixture(bench, before, mixture)
    frame = pd.DataFrame(bench.rows, columns=list(SCORES))
    return Study(frame, changes, overlaps, round(perf_counter() - started, 1))


def _tuned_states(
    bench: _Bench, before: State, mixture: Sequence[Example]
) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """Full fine-tuning, LoRA of several ranks and (IA)3, with looks within the runs of the first two."""
    states: dict[str, dict[str, Any]] = {}
    changes = []
    for method, setting, fields in (
        ("FFT", "", {}),
        *(("LoRA", f"rank {rank}", {"r": rank, "lora_alpha": 2 * rank}) for rank in RANKS),
        ("(IA)3", "", {}),
    ):
        watched = method == "FFT" or setting == f"rank {RANKS[1]}"
        look = functools.partial(_look, bench, method) if watched else None
        model = bench.tuned(method, mixture, changes=fields, look=look)
        bench.measure(model, "tuned", method, setting)
        state = weights.state_of(model)
        changes.append(weights.table(before, state).assign(method=method, setting=setting))
        if watched:
            states[method] = state
    return states, pd.concat(changes, ignore_index=True)[list(CHANGES)]


def _look(bench: _Bench, method: str, step: int, model: Any) -> None:
    if step in LOOKS:
        bench.measure(model, "within", method, str(step))


def _parts(bench: _Bench, before: State, states: Mapping[str, State]) -> None:
    """Grafting and half of full fine-tuning's change; shrinking of each method's."""
    for share in SHARES:
        bench.measure_state(parts.grafted(before, states["FFT"], share), "graft", "FFT", str(share))
    bench.measure_state(parts.half(before, states["FFT"], bench.seed), "half", "FFT", "")
    for method, state in states.items():
        for first in FIRSTS:
            bench.measure_state(parts.shrunk(before, state, first), "lines", method, str(first))
        for factor in FIRSTS[1:-1]:
            bench.measure_state(parts.shrunk(before, state, factor, factor), "uniform", method, str(factor))


def _transfer(bench: _Bench, before: State, states: Mapping[str, State], mixture: Sequence[Example]) -> None:
    """Another base (this one, trained further on pre-training documents), and the changes learnt on this one."""
    further = bench.tuned("FFT", old(1, LEARNT), budget=bench.budget("FFT", FURTHER))
    after = weights.state_of(further)
    bench.measure(further, "transfer", "base", "further base")
    for method, state in states.items():
        bench.measure_state(parts.transferred(before, state, after), "transfer", method, "moved")
        bench.measure(bench.tuned(method, mixture, further), "transfer", method, "tuned there")


def _mixture(bench: _Bench, before: State, mixture: Sequence[Example]) -> pd.DataFrame:
    """One task alone, and the mixture with the balanced loss, on the same budget; how far the changes overlap."""
    alone: dict[str, State] = {}
    for task in TASKS:
        model = bench.tuned("FFT", learnt(task, bench.seed))
        bench.measure(model, "mixture", "FFT", task)
        alone[task] = weights.state_of(model)
    balanced = bench.tuned("FFT", mixture, budget=bench.budget("FFT", balance="tasks"))
    bench.measure(balanced, "mixture", "FFT", "balanced")
    return pd.DataFrame(_pairs(before, alone), columns=list(OVERLAPS))


def _pairs(before: State, alone: Mapping[str, State]) -> Iterator[tuple[str, str, float, float]]:
    for at, one in enumerate(TASKS):
        for two in TASKS[at + 1 :]:
            yield one, two, *parts.overlap(before, alone[one], alone[two], 0.01)


# --- kept results -----------------------------------------------------------------------------------------------------


def _inputs(suite: schema.Suite, size: str, seed: int) -> dict[str, Any]:
    assert suite.recipe is not None
    base = sorted([name, value] for name, value in identities(Path(suite.bases[size].model)).items())
    return {"version": VERSION, "base": base, "recipe": suite.recipe.learning_rates, "seed": seed}


def _place(suite: schema.Suite, size: str, seed: int) -> tuple[Path, Path]:
    """Where a study is kept, and where it is shipped."""
    name = f"{size}-seed{seed}.json"
    return store.suite_dir(suite.name) / "tuning" / name, store.data_dir() / suite.name / "tuning" / name


def known(suite: schema.Suite, size: str, seed: int = 0) -> Study | None:
    """A study that was made here or is shipped, of this very base."""
    for path in _place(suite, size, seed):
        held = store.read_json(path)
        if held and held.get("inputs") == _inputs(suite, size, seed):
            frames = {name: pd.DataFrame(held[name]["rows"], columns=held[name]["columns"]) for name in _FRAMES}
            return Study(**frames, seconds=held["seconds"])
    return None


_FRAMES = ("scores", "changes", "overlaps")


def make(suite: schema.Suite, size: str, seed: int = 0, say: Callable[[str], None] = print) -> Study:
    """The study of one base: the known one, or a new one, which is then kept.

    Raises:
        schema.BadInput: the suite has no recipe, or its base is not one of ``nano``'s kind.
    """
    if suite.recipe is None or size not in suite.bases or not Path(suite.bases[size].model).is_dir():
        raise schema.BadInput(f"suite {suite.name}: the analyses need a recipe and local bases; use suite nano")
    found = known(suite, size, seed)
    if found is not None:
        return found
    made = study(suite, size, seed, say)
    frames = {name: getattr(made, name) for name in _FRAMES}
    held = {name: {"columns": list(frame), "rows": frame.to_numpy().tolist()} for name, frame in frames.items()}
    path = _place(suite, size, seed)[0]
    store.require_writable(path.parent)
    store.write_json(path, {"inputs": _inputs(suite, size, seed), "seconds": made.seconds, **held})
    return made


def of(suite: schema.Suite, seed: int = 0, say: Callable[[str], None] = print) -> dict[str, Study]:
    """The studies of a suite's sizes, as far as they are known; of the first size where none is."""
    found = {size: made for size in suite.sizes if (made := known(suite, size, seed)) is not None}
    return found or {suite.sizes[0]: make(suite, suite.sizes[0], seed, say)}
