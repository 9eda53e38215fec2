"""docs/appendices.md: the prompts that it shows are those of the tasks, and its artefacts those of Table 6."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import schema, store
from astraios_utils.tasks import Problem, get_task
from astraios_utils.tasks.humanevalpack import Explain

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "appendices.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- prompt: (.+?) -->\n```text\n(.*?)\n```", PAGE, flags=re.S))
ROW = {  # made up; no benchmark has it
    "prompt": 'def double(x):\n    """Return twice x."""\n',
    "declaration": "def double(x):\n",
    "canonical_solution": "    return 2 * x\n",
    "buggy_solution": "    return x\n",
    "test": "def check(double):\n    assert double(2) == 4\n\ncheck(double)",
    "entry_point": "double",
    "docstring": "Return twice x",
    "instruction": "Write a function `double(x)`:\nReturn twice x.",
    "description": "Doubles its argument.",
    "func": "int f(char *s) { char b[4]; strcpy(b, s); return b[0]; }",
    "func1": "int a() { return 1; }",
    "func2": "int b() { return 1; }",
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_shown_prompt_is_the_tasks_own(name: str) -> None:
    task, _, step = name.partition(", ")
    found = get_task(task)
    problem = Problem("0", "", ROW)
    if step:
        assert isinstance(found, Explain)
        asked = found.describe_prompt(problem)
    else:
        asked = found.prompt(problem)
    assert asked.rstrip() == BLOCKS[name]


def test_every_kind_of_task_has_a_prompt_on_the_page() -> None:
    def kind(task: str) -> str:
        return task.removesuffix("-1shot").split("-")[0]

    papers = (*schema.COMPREHENSION_TASKS, *schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS, *schema.SECURITY_TASKS)
    assert {kind(task) for task in papers} == {kind(name.split(",")[0]) for name in BLOCKS}


def test_the_artefacts_are_those_of_table_6() -> None:
    listed = pd.read_csv(store.data_dir() / "paper" / "table6.csv")
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in PAGE.splitlines() if line[:2] == "| "]
    shown = {(kind, name) for kind, names, *_ in rows for name in names.split(", ")}
    models = listed[listed["section"] == "Astraios Models"]
    assert f"{len(models)} PEFT models" in PAGE
    others = listed[listed["section"] != "Astraios Models"]
    assert set(zip(others["section"], others["name"], strict=True)) <= shown


def test_recode_was_answered_greedily() -> None:
    counts = pd.read_parquet(store.data_dir() / "released" / "counts.parquet")
    recode = counts[counts["task"].isin(schema.ROBUSTNESS_TASKS)]
    answers = recode.groupby(["task", "size", "method", "problem", "variant"])["n"].sum()
    assert (answers == 1).all()
    assert recode.groupby(["task", "size", "method"]).ngroups == 81
    assert "all 81 cells" in PAGE
