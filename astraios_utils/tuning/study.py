"""The analyses on one base: what is tuned, what is measured, and where the results are kept.

All models are tuned by one plain loop on the same budget (:mod:`.loop`), on documents of the suite's own, and measured
on others (:mod:`.material`).  Two measures: the loss per answer token, and the share of answers that greedy decoding
writes exactly.  What is forgotten is measured on pre-training documents.

A study is made once per base and kept in ``build/<suite>/tuning``; those of some bases are shipped in
``data/<suite>/tuning`` and are used as long as the base is the one that they were made from.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .. import models, schema, store
from ..metrics import stats
from ..training.identity import identities
from . import material, parts, weights
from .loop import Budget, Example, answers, tune
from .material import FORGOTTEN, Material
from .weights import State

VERSION = 1  # of what is run; a change makes every study stale
FURTHER = 0.5  # learning rate of the further-trained base, as a share of full fine-tuning's
RANKS = (2, 8, 32)
WATCHED = {"FFT": "", "LoRA": f"rank {RANKS[1]}"}  # the runs that are also measured on their way, shrunk and moved
SHARES = (0.0001, 0.001, 0.01, 0.05)
FIRSTS = (0.0, 0.5, 1.0)  # LiNeS: factors of the first layer; the last leaves the change as it is
LOOKS = (0, 1 / 6, 1 / 3, 2 / 3, 1)  # shares of a run's steps after which it is measured
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

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it measured, in its order."""
        return tuple(task for task in dict.fromkeys(self.scores["task"]) if task not in ("all", FORGOTTEN))


@dataclass
class _Bench:
    """One base, and all that is measured about it."""

    suite: schema.Suite
    material: Material
    base: Any
    tokenizer: Any
    seed: int
    say: Callable[[str], None]
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    @functools.cached_property
    def questions(self) -> list[Example]:
        made = self.material
        return [*(example for task in made.tasks for example in made.asked(task)), *made.old()]

    def budget(self, method: str, share: float = 1.0, **changes: Any) -> Budget:
        recipe = self.suite.recipe
        assert recipe is not None
        made, rate = self.material, share * recipe.rate(method)
        return Budget(steps=made.steps, batch=made.batch, rate=rate, length=recipe.sequence_length, **changes)

    def tuned(self, method: str, examples: Sequence[Example], start: Any = None, **options: Any) -> Any:
        """A copy of the base (or of ``start``), tuned; ``options``: ``changes`` of the method, ``budget``, ``look``."""
        changes = {**self.suite.method_configs.get(method, {}), **options.get("changes", {})}
        made = models.attach(copy.deepcopy(start if start is not None else self.base), method, changes)
        budget = options.get("budget") or self.budget(method)
        return tune(made, self.tokenizer, examples, budget, self.seed, options.get("look"))

    def measure(self, model: Any, analysis: str, method: str, setting: str) -> None:
        """Add the rows of one model: each task, all of them, and pre-training."""
        self.say(f"{analysis}: {method} {setting}")
        found = answers(model, self.tokenizer, self.questions, self.budget("FFT").length, self.material.rows)
        tasks = found[found["task"] != FORGOTTEN]
        for task, frame in (("all", tasks), *found.groupby("task", sort=False)):
            nll = stats.clustered_ratio(frame[["nll", "tokens"]].to_numpy(dtype=float), n=len(frame), share=False)
            exact = frame["exact"].astype(float).to_frame().assign(one=1.0).to_numpy()
            hits = stats.clustered_ratio(exact, n=len(frame), share=True).scaled(100)
            for measure, estimate in (("loss", nll), ("exact", hits)):
                values = (estimate.value, estimate.low, estimate.high, len(frame))
                self.rows.append((analysis, method, setting, task, measure, *values))

    def repeat(self, of: tuple[str, str, str], analysis: str, method: str, setting: str) -> None:
        """Add the rows of a model that was measured before, as another analysis, method and setting."""
        self.rows += [(analysis, method, setting, *row[3:]) for row in self.rows if row[:3] == of]

    def measure_state(self, state: State, analysis: str, method: str, setting: str) -> None:
        self.measure(weights.apply(self.base, state), analysis, method, setting)


def looks(steps: int) -> tuple[int, ...]:
    """The steps of a run after which it is measured."""
    return tuple(round(share * steps) for share in LOOKS)


def study(suite: schema.Suite, size: str, seed: int = 0, say: Callable[[str], None] = print) -> Study:
    """Run every analysis on one base of the suite: some dozen short trainings and about forty measurements."""
    from time import perf_counter

    started = perf_counter()
    base = models.load_base(suite.bases[size], on_cpu=True).eval()  # type: ignore[no-untyped-call]
    made = material.of(suite)
    bench = _Bench(suite, made, base, models.load_tokenizer(suite.bases[size]), seed, say)
    before, mixture = weights.state_of(base), [example for task in made.tasks for example in made.learnt(task, seed)]
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
        watched = WATCHED.get(method) == setting
        look = functools.partial(_look, bench, method) if watched else None
        model = bench.tuned(method, mixture, changes=fields, look=look)
        if watched:
            bench.repeat(("within", method, str(bench.material.steps)), "tuned", method, setting)
        else:
            bench.measure(model, "tuned", method, setting)
        state = weights.state_of(model)
        changes.append(weights.table(before, state).assign(method=method, setting=setting))
        if watched:
            states[method] = state
    return states, pd.concat(changes, ignore_index=True)[list(CHANGES)]


def _look(bench: _Bench, method: str, step: int, model: Any) -> None:
    if step == 0:
        bench.repeat(("tuned", "base", ""), "within", method, "0")
    elif step in looks(bench.material.steps):
        bench.measure(model, "within", method, str(step))


def _parts(bench: _Bench, before: State, states: Mapping[str, State]) -> None:
    """Grafting and half of full fine-tuning's change; shrinking of each method's."""
    for share in SHARES:
        bench.measure_state(parts.grafted(before, states["FFT"], share), "graft", "FFT", str(share))
    bench.measure_state(parts.half(before, states["FFT"], bench.seed), "half", "FFT", "")
    for method, state in states.items():
        for first in FIRSTS[:-1]:
            bench.measure_state(parts.shrunk(before, state, first), "lines", method, str(first))
        bench.repeat(("tuned", method, WATCHED[method]), "lines", method, str(FIRSTS[-1]))
        for factor in FIRSTS[1:-1]:
            bench.measure_state(parts.shrunk(before, state, factor, factor), "uniform", method, str(factor))


def _transfer(bench: _Bench, before: State, states: Mapping[str, State], mixture: Sequence[Example]) -> None:
    """Another base (this one, trained further on pre-training documents), and the changes learnt on this one."""
    further = bench.tuned("FFT", bench.material.further(), budget=bench.budget("FFT", FURTHER))
    after = weights.state_of(further)
    bench.measure(further, "transfer", "base", "further base")
    for method, state in states.items():
        bench.measure_state(parts.transferred(before, state, after), "transfer", method, "moved")
        bench.measure(bench.tuned(method, mixture, further), "transfer", method, "tuned there")


def _mixture(bench: _Bench, before: State, mixture: Sequence[Example]) -> pd.DataFrame:
    """One task alone, and the mixture with the balanced loss, on the same budget; how far the changes overlap."""
    alone: dict[str, State] = {}
    for task in bench.material.tasks:
        model = bench.tuned("FFT", bench.material.learnt(task, bench.seed))
        bench.measure(model, "mixture", "FFT", task)
        alone[task] = weights.state_of(model)
    balanced = bench.tuned("FFT", mixture, budget=bench.budget("FFT", balance="tasks"))
    bench.measure(balanced, "mixture", "FFT", "balanced")
    return pd.DataFrame(_pairs(before, alone), columns=list(OVERLAPS))


def _pairs(before: State, alone: Mapping[str, State]) -> Iterator[tuple[str, str, float, float]]:
    for one, two in itertools.combinations(alone, 2):
        yield one, two, *parts.overlap(before, alone[one], alone[two], 0.01)


# --- kept results -----------------------------------------------------------------------------------------------------


def _inputs(suite: schema.Suite, size: str, seed: int) -> dict[str, Any]:
    assert suite.recipe is not None
    path = Path(suite.bases[size].model)
    base = sorted([name, value] for name, value in identities(path).items())
    if not path.is_absolute():  # a base of the hub: another one than any folder's
        base = [["hub", str(path)]]
    return {"version": VERSION, "base": base, "recipe": suite.recipe.learning_rates, "seed": seed}


def _is_of(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a kept study has these inputs; a base that is not on this machine cannot be compared."""
    recorded = held.get("inputs", {})
    return bool(recorded == {**wanted, "base": wanted["base"] or recorded.get("base")})


def _place(suite: schema.Suite, size: str, seed: int) -> tuple[Path, Path]:
    """Where a study is kept, and where it is shipped."""
    name = f"{size}-seed{seed}.json"
    return store.suite_dir(suite.name) / "tuning" / name, store.data_dir() / suite.name / "tuning" / name


def known(suite: schema.Suite, size: str, seed: int = 0) -> Study | None:
    """A study that was made here or is shipped, of this very base."""
    for path in _place(suite, size, seed):
        held = store.read_json(path)
        if held and _is_of(held, _inputs(suite, size, seed)):
            frames = {name: pd.DataFrame(held[name]["rows"], columns=held[name]["columns"]) for name in _FRAMES}
            return Study(**frames, seconds=held["seconds"])
    return None


_FRAMES = ("scores", "changes", "overlaps")


def make(suite: schema.Suite, size: str, seed: int = 0, say: Callable[[str], None] = print) -> Study:
    """The study of one base: the known one, or a new one, which is then kept.

    Raises:
        schema.BadInput: there are no documents for this suite (:func:`material.of`), or it has no such base.
        schema.MissingArtefact: the base is not on this machine.
    """
    material.of(suite)
    if size not in suite.bases:
        raise schema.BadInput(f"suite {suite.name} has no base {size}")
    found = known(suite, size, seed)
    if found is not None:
        return found
    if not Path(suite.bases[size].model).is_dir():
        raise schema.MissingArtefact(
            f"{suite.bases[size].model}: no folder on this machine (where suite {suite.name} makes its base, "
            f"`astraios run --suite {suite.name}` does)"
        )
    made = study(suite, size, seed, say)
    frames = {name: getattr(made, name) for name in _FRAMES}
    held = {name: {"columns": list(frame), "rows": frame.to_numpy().tolist()} for name, frame in frames.items()}
    path = _place(suite, size, seed)[0]
    store.require_writable(path.parent)
    store.write_json(path, {"inputs": _inputs(suite, size, seed), "seconds": made.seconds, **held})
    return made


def of(suite: schema.Suite, seed: int = 0, say: Callable[[str], None] = print) -> dict[str, Study]:
    """The studies of a suite's sizes, as far as they are known; of the first size where none is."""
    return _known_of(suite, seed) or {suite.sizes[0]: make(suite, suite.sizes[0], seed, say)}


def _known_of(suite: schema.Suite, seed: int) -> dict[str, Study]:
    return {size: made for size in suite.sizes if (made := known(suite, size, seed)) is not None}


def known_anywhere(seed: int = 0) -> dict[str, Study]:
    """All studies that were made here or are shipped, by suite and base (``nano 420K``)."""
    suites = [store.load_suite(name) for name in material.MATERIALS]
    return {f"{suite.name} {size}": made for suite in suites for size, made in _known_of(suite, seed).items()}
