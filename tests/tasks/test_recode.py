"""ReCode: order of the rows, prompts, programs, real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astraios_utils import schema, store
from astraios_utils.tasks import Problem, get_task

PROBLEM = Problem(
    "HumanEval/0",
    "tab_indent/s0",
    {"prompt": "\ndef g(x):\n\t'''Double.'''\n", "entry_point": "g", "test": "def check(f):\n    assert f(1) == 2\n"},
)
TASK = get_task("recode-format")


def test_prompt() -> None:
    asked = "Question: Create a Python script for this problem.\n\nAnswer: def g(x):\n\t'''Double.'''"
    assert TASK.prompt(PROBLEM) == asked


def test_a_sample_starts_with_the_stripped_prompt_and_ends_at_the_first_stop_word() -> None:
    head = "def g(x):\n\t'''Double.'''"
    assert TASK.finish(PROBLEM, "\n\treturn 2 * x\n\nprint(g(1))\n#") == head + "\n\treturn 2 * x\n"
    assert TASK.decoding.stop == ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif")


def test_a_program_has_no_import_block_and_three_seconds() -> None:
    # the harness calls code_eval with its default limit; the test calls check on the perturbed name
    program = TASK.program(PROBLEM, "def g(x): return 2 * x")
    assert (program.preamble, program.timeout) == ("", 3.0)
    assert program.test == "\ndef check(f):\n    assert f(1) == 2\n\ncheck(g)"


def test_a_folder_is_read_by_file_name_and_later_seeds_are_left_out(tmp_path: Path) -> None:
    row = json.dumps({"task_id": "HumanEval/0", "prompt": "p", "entry_point": "g", "test": "assert g(1) == 1"}) + "\n"
    for name in ("split_lines_s0", "new_lines_s4", "new_lines_s5", "new_line_afterdoc_s0", "new_lines_s0"):
        (tmp_path / f"humaneval_{name}.jsonl").write_text(row)
    read = [problem.variant for problem in TASK.problems(tmp_path)]
    assert read == ["new_line_afterdoc/s0", "new_lines/s0", "new_lines/s4", "split_lines/s0"]


def test_a_folder_without_such_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(schema.BadInput, match="holds no humaneval_"):
        TASK.problems(tmp_path)


def test_the_one_table_form_of_the_hub_is_read() -> None:
    problems = TASK.problems(store.data_dir() / "sample" / "recode-format.jsonl")
    assert [p.variant for p in problems] == ["new_lines/s0"] * 3 + ["new_lines/s1"] * 3 + ["tab_indent/s0"] * 3


@pytest.mark.parametrize(
    ("category", "rows", "perturbations"),
    # facts of the released files: prompts = (perturbations without seeds + 5 x those with) x 164
    [
        ("format", 1640, {"new_lines": 5, "doc2comments": 1}),
        ("function", 4264, {"FuncRenameSwapChar": 5, "FuncRenameCamelCase": 1}),
        ("syntax", 2460, {"DeadCodeInserter": 5, "DeadCodeInserterLast": 1, "VarRenamerRN": 5}),
        ("docstring", 6232, {"BackTranslation": 1, "SynonymInsertion": 5}),
    ],
)
def test_categories(mirror: Path, build: Path, category: str, rows: int, perturbations: dict[str, int]) -> None:
    problems = get_task(f"recode-{category}").problems()
    assert len(problems) == rows
    variants = list(dict.fromkeys(p.variant for p in problems))
    assert len(variants) * 164 == rows
    for name, seeds in perturbations.items():
        assert [v for v in variants if v.split("/")[0] == name] == [f"{name}/s{i}" for i in range(seeds)]


@pytest.mark.parametrize("category", ["format", "function", "syntax"])
def test_every_row_of_a_released_file_starts_with_the_prompt_of_its_place(
    mirror: Path, build: Path, category: str
) -> None:
    path = next((mirror / "astraios" / "outputs" / f"recode-{category}").glob("*7b-fft*"))
    read = get_task(f"recode-{category}").read(path)
    assert all(samples[0].startswith(p.row["prompt"].strip()) for p, samples in read.pairs())
