"""HumanEvalPack: prompts (appendix K and the harness's ``octocoder`` style), post-processing, programs, real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astraios_utils import store
from astraios_utils.tasks import Problem, get_task
from astraios_utils.tasks.humanevalpack import PYTHON_IMPORTS, Explain

PYTHON = Problem(
    "P/0",
    "",
    {
        "prompt": 'def f(x):\n    """ Double. """\n',
        "declaration": "def f(x):\n",
        "canonical_solution": "    doubled = x + x  # the solution\n    return doubled\n",
        "buggy_solution": "    return x\n",
        "test": "def check(f):\n    assert f(2) == 4\n\ncheck(f)",
        "entry_point": "f",
        "docstring": "Double.",
        "instruction": " Write f:\nDouble. ",
    },
)
JAVA = Problem(
    "J/0",
    "",
    {
        **PYTHON.row,
        "prompt": "class Solution {\n    /** Double. */\n    public int f(int x) {\n",
        "declaration": "class Solution {\n    public int f(int x) {\n",
        "test": "public class Main {}",
    },
)


# Prompts, written out from the rules


def test_synthesize_prompt() -> None:
    asked = get_task("synthesize-python").prompt(PYTHON)
    assert asked == 'Question: Write f:\nDouble.\n\nAnswer:\ndef f(x):\n    """ Double. """'


def test_repair_prompt_shows_the_buggy_function_and_its_tests_after_the_instruction() -> None:
    assert get_task("repair-python").prompt(PYTHON) == (
        "Question: Fix bugs in f.\n"
        "def f(x):\n    return x\n"
        "\ndef check(f):\n    assert f(2) == 4\n\ncheck(f)"
        "\n\nAnswer:\ndef f(x):"
    )


def test_explain_asks_for_a_description_no_longer_than_the_docstring_then_for_code() -> None:
    task = get_task("explain-python")
    assert isinstance(task, Explain)
    assert task.describe_prompt(PYTHON) == (
        "Question: Provide a concise natural language description of the code using at most 7 characters.\n"
        "def f(x):\n    doubled = x + x  # the solution\n    return doubled\n"
        "\n\nAnswer:"
    )
    described = Problem("P/0", "", {**PYTHON.row, "description": "Twice x"})
    assert task.prompt(described) == (
        "Question: Write functional code in Python according to the description.\nTwice x\n\nAnswer:\ndef f(x):"
    )


def test_descriptions_are_cut_and_lose_long_lines_of_the_solution() -> None:
    task = get_task("explain-python")
    assert isinstance(task, Explain)
    long = Problem("P/0", "", {**PYTHON.row, "docstring": "d" * 80})
    # "doubled = x + x  # the solution" has 31 characters and goes; "return doubled" has 14 and stays
    text = "It does doubled = x + x  # the solution and then return doubled"
    assert task.describe_finish(long, text) == "It does  and then return doubled"
    assert task.describe_finish(long, "Adds.\ndef g(): pass") == "Adds."
    assert task.describe_finish(PYTHON, "  Doubles the number") == "Doubles"  # 7 characters


# What is kept of a generation


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("\n    return 2 * x\n", "\n    return 2 * x"),
        ("\n    return 2 * x\n\ndef g():\n    pass", "\n    return 2 * x\n"),  # up to the newline before def
        ("\n    return 2 * x\nprint(f(1))", "\n    return 2 * x"),
        ("\n    return 2 * x\nx = f(1)\n    y", "\n    return 2 * x"),  # a line outside the function
        ("\n\treturn 2 * x\nassert f(1)", "\n\treturn 2 * x"),
        ("\n    return 2 * x<|endoftext|>more", "\n    return 2 * x"),
        ("return 2 * x", ""),  # the function's first line is at no indent
        ("", ""),
    ],
)
def test_python_keeps_the_first_function(written: str, body: str) -> None:
    assert get_task("synthesize-python").finish(PYTHON, written) == 'def f(x):\n    """ Double. """' + body


def test_repair_samples_have_no_docstring_and_explain_samples_do() -> None:
    written = "\n    return 2 * x"
    assert get_task("repair-python").finish(PYTHON, written) == "def f(x):" + written
    assert get_task("explain-python").finish(PYTHON, written) == 'def f(x):\n    """ Double. """' + written


@pytest.mark.parametrize(
    ("written", "body"),
    [
        # braces: the class and the method are open already
        ("\n        if (x > 0) { x += x; }\n        return x;\n    }\n}\nclass B {}", None),
        # cut before it closed: main is dropped, the class is closed in its place
        ("\n return x;\n }\n public static void main(String[] a) { int[] b = {1};", "\n return x;\n }\n }"),
        # cut inside a statement: back to the last brace that closed, and one more for the class
        ("\n if (x) { y(); } return x", "\n if (x) { y(); }"),
        ("\n while (x) { if (y) { z(); } w", "\n while (x) { if (y) { z(); }\n}"),
        ("\n return x;", "\n return x;"),
    ],
)
def test_java_keeps_the_class(written: str, body: str | None) -> None:
    kept = body if body is not None else written.removesuffix("\nclass B {}")
    assert get_task("synthesize-java").finish(JAVA, written) == JAVA.row["prompt"].rstrip() + kept


@pytest.mark.parametrize(
    ("name", "written", "done"),
    [
        ("repair-python", "\n    return 1", False),
        ("repair-python", "\n    return 1\n\n", False),
        ("repair-python", "\n    return 1\nx", True),
        ("repair-python", "\n    return 1\n#", True),
        ("repair-java", "\n return x;\n }\n", False),
        ("repair-java", "\n return x;\n }\n}", True),
        ("repair-java", "\n return x;<|endoftext|>", True),
    ],
)
def test_generation_may_stop(name: str, written: str, done: bool) -> None:
    assert get_task(name).finished(written) is done


# Programs


def test_a_python_program_is_imports_sample_test_in_ten_seconds() -> None:
    program = get_task("repair-python").program(PYTHON, "def f(x):\n    return x + x\n")
    assert (program.language, program.timeout, program.release) == ("python", 10.0, None)
    assert program.preamble == PYTHON_IMPORTS
    assert f"{program.sample}\n{program.test}" == "def f(x):\n    return x + x\n\n" + PYTHON.row["test"]


def test_the_import_block_is_the_harnesses() -> None:
    # bigcode-evaluation-harness, the import helper of its HumanEvalPack task
    names = ("math", "re", "sys", "copy", "datetime", "itertools", "collections", "heapq", "statistics", "functools")
    lines = [f"import {name}" for name in (*names, "hashlib", "numpy")]
    lines += ["import numpy as np", "import string", "from typing import *", "from collections import *"]
    assert PYTHON_IMPORTS.split("\n") == lines


def test_a_java_program_has_no_preamble_and_no_second_main() -> None:
    sample = "\nclass Solution {}\npublic class Main {\n    }\n"
    program = get_task("synthesize-java").program(JAVA, sample)
    assert (program.language, program.preamble, program.timeout) == ("java", "", 10.0)
    assert program.sample == "class Solution {}"
    assert program.test == "\npublic class Main {}"


# Real files


@pytest.mark.parametrize("language", ["python", "java"])
def test_the_benchmark_has_164_problems_in_order(mirror: Path, build: Path, language: str) -> None:
    problems = get_task(f"repair-{language}").problems()
    assert [p.id for p in problems] == [f"{language.capitalize()}/{i}" for i in range(164)]


@pytest.mark.parametrize(
    ("folder", "name", "head", "least"),
    [
        # 3,260: the prompt of one Python problem begins with a newline, which the model's input does not
        ("humanevalsynthesize-python", "synthesize-python", "prompt", 3260),
        ("humanevalexplainsynthesize-python", "explain-python", "prompt", 3260),
        ("humanevalfixtests-python", "repair-python", "declaration", 3280),
        ("humanevalsynthesize-java", "synthesize-java", "prompt", 3280),
        ("humanevalexplainsynthesize-java", "explain-java", "prompt", 3280),
        ("humanevalfixtests-java", "repair-java", "declaration", 3280),
    ],
)
def test_samples_of_a_released_file_start_as_their_problem_does(
    mirror: Path, build: Path, folder: str, name: str, head: str, least: int
) -> None:
    # so the 20 samples of problem k are rows 20k to 20k + 19 of an explain file, and row k of the others
    path = next((mirror / "astraios" / "outputs" / folder).glob("*1b-adapterh*"))
    read = get_task(name).read(path)
    assert (len(read.problems), {len(samples) for samples in read.samples}) == (164, {20})
    starts = [s.startswith(p.row[head].rstrip()) for p, samples in read.pairs() for s in samples]
    assert sum(starts) >= least


def test_real_files_given_to_another_task_are_refused(mirror: Path, build: Path) -> None:
    def path(folder: str) -> Path:
        return next((mirror / "astraios" / "outputs" / folder).glob("*1b-adapterh*"))

    for name, folder in (
        ("synthesize-python", "humanevalfixtests-python"),
        ("repair-python", "humanevalsynthesize-python"),
        ("synthesize-java", "humanevalsynthesize-python"),
        ("repair-python", "humanevalfixtests-java"),
        ("synthesize-java", "humanevalfixtests-java"),
        ("explain-java", "humanevalsynthesize-java"),
        ("explain-java", "humanevalexplainsynthesize-python"),
        ("recode-format", "recode-syntax"),
        ("defect", "humanevalfixtests-java"),
        ("clone", "defect_detection"),
    ):
        with pytest.raises(store.schema.BadInput):
            get_task(name).read(path(folder))


def test_explain_rows_are_grouped_by_problem(tmp_path: Path) -> None:
    sample = store.data_dir() / "sample"
    task = get_task("explain-python")
    problems = task.problems(sample / "humanevalpack-python.jsonl")
    rows = json.loads((sample / "generations" / "synthesize-python.json").read_text())
    path = tmp_path / "x.json"
    path.write_text(json.dumps([[s] for row in rows for s in row]))
    assert task.read(path, problems).samples == tuple(map(tuple, rows))
