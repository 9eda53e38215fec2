"""ReCode: HumanEval under perturbations of format, function name, syntax and docstring (section 5, table 4).

Each category has several perturbations, each with up to five seeds; a generations file holds them ordered by file name
(perturbation, then seed), then problem. Format and syntax prompts already hold half of the solution.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema
from ..sandbox.types import Program
from . import python_tests
from .base import Answers, DataSource, Decoding, ExecutedTask, Problem, cut_at_stop, in_order, rows_with
from .files import count, filled

FIELDS = {"task_id": filled, "prompt": filled, "entry_point": filled, "test": filled}
STOP = ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif")
SEEDS = 5  # upstream has ten for some perturbations; the harness takes the first five
TIMEOUT = 3.0  # seconds: the harness's default limit for HumanEval-like tasks
FILE_NAME = re.compile(r"humaneval_(?P<perturbation>\w+)_s(?P<seed>\d+)\.jsonl(\.xz)?")
FOLDER = "recode/perturbed_finalized/humaneval/full"


@dataclass(frozen=True)
class ReCode(ExecutedTask):
    """One category of perturbations; greedy, one sample a prompt, RP@1 of the worst perturbation."""

    def prompt(self, problem: Problem) -> str:
        """The instruction, then the perturbed beginning of the function."""
        start = str(problem.row["prompt"]).strip()
        return f"Question: Create a Python script for this problem.\n\nAnswer: {start}"

    def head_of(self, problem: Problem) -> str:
        """The perturbed beginning of the function."""
        return str(problem.row["prompt"]).strip()

    def finish(self, problem: Problem, generation: str) -> str:
        """The beginning of the function and the generation up to the first stop word."""
        return self.head_of(problem) + cut_at_stop(generation, self.decoding.stop)

    def program(self, problem: Problem, sample: str) -> Program:
        """The sample and the perturbed problem's test, which is called where it does not call itself; no imports."""
        entry = problem.row["entry_point"]
        test = python_tests.complete(problem.row["test"], entry)
        return Program("python", sample, f"\n{test}", timeout=TIMEOUT, entry_point=entry)

    def checked(self, source: Path, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """As the base class; every perturbation also needs each problem with each of its seeds."""
        problems = super().checked(source, problems)
        names = {problem.id for problem in problems}
        grid: dict[str, dict[str, set[str]]] = {}
        for problem in problems:
            perturbation, _, seed = problem.variant.partition("/")
            grid.setdefault(perturbation, {}).setdefault(seed, set()).add(problem.id)
        for perturbation, seeds in grid.items():
            for seed, found in seeds.items():
                missing = sorted(names - found)
                if missing:
                    raise schema.BadInput(
                        f"{source}: {perturbation}, seed {seed[1:]}: {len(missing)} of {len(names)} problems missing "
                        f"({missing[0]}); RP@1 needs every problem with every perturbation and seed"
                    )
        return problems

    def require_usable(self, problem: Problem) -> None:
        """Raise :class:`RowError` where the test does not use the entry point."""
        python_tests.require(problem.row["test"], problem.row["entry_point"])

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """A file of upstream's (perturbation and seed are in its name), a folder of them, or the hub's one table."""
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if FILE_NAME.fullmatch(p.name))
            if not files:
                raise schema.BadInput(f"{path}: holds no humaneval_<perturbation>_s<seed>.jsonl")
            return tuple(p for file in files for p in self.parse(file))
        named = FILE_NAME.fullmatch(path.name)
        if named is None:
            rows = rows_with(path, FIELDS | {"perturbation_name": _perturbation, "seed": count})
            return tuple(_problem(row, row["perturbation_name"], row["seed"]) for row in rows if row["seed"] < SEEDS)
        if int(named["seed"]) >= SEEDS:
            return ()
        return tuple(_problem(row, named["perturbation"], named["seed"]) for row in rows_with(path, FIELDS))

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """One list of samples per perturbed prompt."""
        return in_order(rows, problems, self.name)


def _perturbation(value: Any) -> str:
    return filled(value) or ("holds a slash" if "/" in value else "")


def _problem(row: dict[str, Any], perturbation: str, seed: int | str) -> Problem:
    return Problem(str(row["task_id"]), f"{perturbation}/s{seed}", row)


def _files(folder: str, seeded: str, single: str) -> tuple[str, ...]:
    """Upstream's file names in sorted order; ``seeded`` perturbations have seeds, ``single`` ones only seed 0."""
    names = [f"{name}_s{seed}" for name in seeded.split() for seed in range(SEEDS)]
    names += [f"{name}_s0" for name in single.split()]
    return tuple(sorted(f"{FOLDER}/{folder}/humaneval_{name}.jsonl" for name in names))


def _task(category: str, title: str, rows: int, files: tuple[str, ...]) -> ReCode:
    return ReCode(
        name=f"recode-{category}",
        title=f"Robustness to {title} perturbations",
        language="python",
        metrics=("rp@1",),
        data=DataSource("RaymondLi/perturbed_humaneval", files[0].split("/")[-2], "test", rows, files),
        decoding=Decoding(temperature=0.0, top_p=1.0, samples=1, max_length=1024, stop=STOP),
    )


TASKS = (
    _task(
        "format",
        "format",
        1640,
        _files("format", "new_lines", "doc2comments new_line_aftercode new_line_afterdoc split_lines tab_indent"),
    ),
    _task(
        "function",
        "function name",
        4264,
        _files(
            "func_name",
            "FuncRenameButterFinger FuncRenameChangeChar FuncRenameInflectionalVariation FuncRenameSwapChar "
            "FuncRenameSynonymSub",
            "FuncRenameCamelCase",
        ),
    ),
    _task(
        "syntax",
        "syntax",
        2460,
        _files(
            "natgen",
            "DeadCodeInserter VarRenamerRN",
            "DeadCodeInserterLast ForWhileTransformer OperandSwap VarRenamerCB VarRenamerNaive",
        ),
    ),
    _task(
        "docstring",
        "docstring",
        6232,
        _files(
            "nlaugmenter",
            "ButterFingersPerturbation ChangeCharCase EnglishInflectionalVariation SwapCharactersPerturbation "
            "SynonymInsertion SynonymSubstitution WhitespacePerturbation",
            "BackTranslation TenseTransformationFuture TenseTransformationPast",
        ),
    ),
)
