"""The nano benchmark in the formats of the eight datasets, all of it from compositions of the evaluation's split.

240 problems per language: 200 of the difficulties that models are trained on, 40 harder ones with one step more than
any function of the training texts. An interval depends on the number of problems, so each is asked once: pass@1 is then
the share of problems solved, and pass@k for larger k cannot be estimated.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import store
from . import clones, code, defects, perturb, security
from .code import Language
from .documents import TITLE
from .function import Function, draw_harder_problem, draw_problem
from .spec import MOST_STEPS, generator

SEED = 0
PROBLEMS: Mapping[int, int] = {1: 12, 2: 70, 3: 70, 4: 48}  # difficulty: how many
HARDER = 40  # problems with more steps than are trained on
LONGEST = 940  # characters of a Java repair prompt with its answer: about 260 tokens
DEFECTS = CLONES = 400
SCENARIO_PROMPTS = 10  # per scenario, with other names
RECODE_EVERY = 6  # every sixth problem is perturbed: with its seeds, as many prompts as problems elsewhere
RECODE_SEEDS = 5  # of a perturbation that draws at random; the others have one

Row = dict[str, Any]


@functools.cache
def functions() -> tuple[Function, ...]:
    """The functions of the benchmark, easy ones first; all of different composition."""
    rng = generator("nano", "benchmark", SEED)
    chosen: dict[str, Function] = {}
    for difficulty, count in PROBLEMS.items():
        wanted = len(chosen) + count
        while len(chosen) < wanted:
            function = draw_problem("eval", rng)
            if function.spec.difficulty == difficulty and _length(function) <= LONGEST:
                chosen.setdefault(function.spec.composition, function)
    rng = generator("nano", "benchmark", "harder", SEED)
    while len(chosen) < sum(PROBLEMS.values()) + HARDER:
        function = draw_harder_problem(rng)
        if _length(function) <= LONGEST:
            chosen.setdefault(function.spec.composition, function)
    return tuple(chosen.values())


def _length(function: Function) -> int:
    """Characters of a Java repair prompt with its answer."""
    return 2 * len(function.head("java", False)) + 2 * len(function.body("java")) + len(function.tests("java"))


def split_of(function: Function) -> str:
    """``harder``, or ``usual``: how many steps it has."""
    return "harder" if len(function.spec.steps) > MOST_STEPS else "usual"


def humanevalpack(language: Language) -> Iterator[Row]:
    """HumanEvalPack's rows in one language."""
    for number, function in enumerate(functions()):
        signature = function.signature(language)
        asked = f"Write a {TITLE[language]} function `{signature}` to solve the following problem:"
        yield {
            "task_id": f"Nano{TITLE[language]}/{number}",
            "prompt": function.head(language),
            "declaration": function.head(language, docstring=False),
            "canonical_solution": function.body(language),
            "buggy_solution": function.buggy(language),
            "bug_type": function.bug.kind if function.bug else "",
            "test": function.tests(language),
            "entry_point": function.name(language),
            "signature": signature,
            "docstring": function.docstring,
            "instruction": f"{asked}\n{function.docstring}",
            "difficulty": function.spec.difficulty,
            "composition": function.spec.composition,
            "split": split_of(function),
        }


def recode(category: str) -> Iterator[Row]:
    """ReCode's rows of one category: nominal prompts and each perturbation of every sixth function, with its seeds."""
    for number, function in list(enumerate(functions()))[::RECODE_EVERY]:
        subject = perturb.Subject(function.spec, function.names, function.docstring)
        for name, change in perturb.CATEGORIES[category].items():
            for seed in range(RECODE_SEEDS if name in perturb.RANDOM else 1):
                prompt, entry_point = change(subject, generator("nano", category, name, SEED, seed, number))
                yield {
                    "task_id": f"NanoPython/{number}",
                    "prompt": prompt,
                    "entry_point": entry_point,
                    "test": code.check("candidate", function.cases),
                    "perturbation_name": name,
                    "seed": seed,
                }


def defect() -> Iterator[Row]:
    """Devign's rows."""
    rng = generator("nano", "defect", SEED)
    for number in range(DEFECTS):
        text, bad = defects.draw_function("eval", rng)
        yield {"id": number, "func": text, "target": bad, "project": "nano", "commit_id": ""}


def clone() -> Iterator[Row]:
    """BigCloneBench's rows."""
    rng = generator("nano", "clone", SEED)
    for number in range(CLONES):
        one, two, same = clones.draw_pair("eval", rng)
        yield {"id": number, "id1": 2 * number, "id2": 2 * number + 1, "func1": one, "func2": two, "label": same}


def aatk() -> Iterator[Row]:
    """Asleep at the Keyboard's rows: several prompts per scenario, which differ in the names that they use."""
    rng = generator("nano", "aatk", SEED)
    for name in security.SCENARIOS:
        prompts: dict[str, security.Drawn] = {}
        while len(prompts) < SCENARIO_PROMPTS:
            scenario = security.draw_scenario(name, "eval", rng)
            prompts.setdefault(scenario.prompt, scenario)
        for variant, scenario in enumerate(prompts.values()):
            row = {"scenario_id": name, "variant": str(variant), "language": scenario.language}
            yield {**row, "prompt": scenario.prompt, "suffix": ""}


FILES: Mapping[str, Any] = {
    "humanevalpack-python": lambda: humanevalpack("python"),
    "humanevalpack-java": lambda: humanevalpack("java"),
    "recode-format": lambda: recode("format"),
    "recode-function": lambda: recode("function"),
    "recode-syntax": lambda: recode("syntax"),
    "recode-docstring": lambda: recode("docstring"),
    "defect": defect,
    "clone": clone,
    "aatk": aatk,
}


def write(folder: Path) -> list[Path]:
    """Write every file of the benchmark; the same seed gives the same bytes."""
    written = []
    for name, rows in FILES.items():
        path = folder / f"{name}.jsonl"
        store.require_writable(folder)
        with store.atomic(path, "w") as stream:
            for row in rows():
                stream.write(json.dumps(row) + "\n")
        written.append(path)
    return written
