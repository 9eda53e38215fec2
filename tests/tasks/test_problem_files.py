"""Problem files of the user's own: fields are checked, other benchmarks' shapes read, idle tests refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from astraios_utils import schema
from astraios_utils.sandbox import FAILED, PASSED, Sandbox
from astraios_utils.tasks import ExecutedTask, get_task, python_tests
from astraios_utils.tasks.files import RowError

HUMANEVALPACK = {
    "task_id": "a/0",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "declaration": "def add(a, b):\n",
    "canonical_solution": "    return a + b\n",
    "buggy_solution": "    return a - b\n",
    "test": "def check(add):\n    assert add(1, 2) == 3\n\ncheck(add)",
    "entry_point": "add",
    "docstring": "Add.",
    "instruction": "Write it.",
}
RECODE = {
    "task_id": "HumanEval/0",
    "prompt": "def add(a, b):\n",
    "entry_point": "add",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    "perturbation_name": "tabs",
    "seed": 0,
}
AATK = {"scenario_id": "DoW/CWE-22-0", "prompt": "import os\n", "suffix": "", "language": "python"}
DEFECT = {"func": "int f();", "target": 1}
CONALA = {"intent": "sort", "rewritten_intent": None, "snippet": "x.sort()"}
BENCHMARKS = {
    "synthesize-python": HUMANEVALPACK,
    "repair-java": HUMANEVALPACK | {"test": "class Main { Solution s; }"},
    "recode-format": RECODE,
    "aatk": AATK,
    "defect": DEFECT,
    "clone": {"func1": "a", "func2": "b", "label": False},
    "conala": CONALA,
}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refused(task: str, folder: Path, *rows: Any) -> str:
    path = write(folder, *rows)
    with pytest.raises(schema.BadInput) as caught:
        get_task(task).load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_file_that_is_edited_within_the_process_is_read_again(tmp_path: Path) -> None:
    task = get_task("defect")
    assert [p.row["target"] for p in task.problems(write(tmp_path, DEFECT))] == [1]
    edited = write(tmp_path, DEFECT, DEFECT | {"target": 0})
    assert [p.row["target"] for p in task.problems(edited)] == [1, 0]


@pytest.mark.parametrize("task", BENCHMARKS)
def test_good_problems_are_read(tmp_path: Path, task: str) -> None:
    (problem,) = get_task(task).load(write(tmp_path, BENCHMARKS[task]))
    assert problem.row == BENCHMARKS[task]


@pytest.mark.parametrize("task", BENCHMARKS)
def test_no_problems_are_refused(tmp_path: Path, task: str) -> None:
    assert "holds no problems" in refused(task, tmp_path)


@pytest.mark.parametrize("task", BENCHMARKS)
@pytest.mark.parametrize("value", [None, 7, 2.5, ["a"], {"a": 1}, "\ud800"])
def test_every_field_has_its_type(tmp_path: Path, task: str, value: Any) -> None:
    fields = set(BENCHMARKS[task]) - {"seed"}
    fields -= {"buggy_solution"} if task == "synthesize-python" else set()  # only repair shows it
    fields -= {"rewritten_intent"} if value is None else set()
    for field in fields:
        assert field in refused(task, tmp_path, BENCHMARKS[task] | {field: value})


@pytest.mark.parametrize("task", BENCHMARKS)
def test_rows_that_are_no_objects(tmp_path: Path, task: str) -> None:
    for row in (1, "a", None, [], [1]):
        assert "not an object" in refused(task, tmp_path, row)


@pytest.mark.parametrize("task", ["synthesize-python", "repair-java", "recode-format", "aatk"])
def test_ids_are_unique(tmp_path: Path, task: str) -> None:
    assert "problem 2 has the same id as problem 1" in refused(task, tmp_path, BENCHMARKS[task], BENCHMARKS[task])


@pytest.mark.parametrize("label", ["yes", 2, -1, "1", 1.0, None])
def test_labels_are_0_or_1(tmp_path: Path, label: Any) -> None:
    assert "line 1: target is" in refused("defect", tmp_path, DEFECT | {"target": label})


def test_an_incomplete_grid_of_perturbations_is_refused(tmp_path: Path) -> None:
    rows = [RECODE | {"task_id": name, "seed": seed} for name in ("a", "b") for seed in (0, 1)]
    assert len(get_task("recode-format").load(write(tmp_path, *rows))) == 4
    assert "tabs, seed 1: 1 of 2 problems missing (b)" in refused("recode-format", tmp_path, *rows[:-1])
    other = RECODE | {"task_id": "c", "perturbation_name": "names"}
    assert "problems missing" in refused("recode-format", tmp_path, *rows, other)


# Tests in Python

IDLE = {
    "nothing": "x = 1",
    "check ignores its argument": "def check(candidate):\n    assert True\n",
    "called with an argument that it ignores": "def check(c):\n    assert 1 == 1\ncheck(add)",
    "given by name, ignored": "def check(c):\n    pass\ncheck(c=add)",
    "only as the main program": "if __name__ == '__main__':\n    assert add(1, 2) == 3",
    "never": "if False:\n    assert add(1, 2) == 3",
    "in a function that nobody calls": "def helper():\n    assert add(1, 2) == 3",
    "in a test case that nobody runs": (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        assert add(1, 2) == 3"
    ),
    "of its own function": "def add(a, b):\n    return 3\nassert add(1, 2) == 3",
    "of another function": "assert abs(-1) == 1",
}
WORKING = {
    "HumanEvalPack": HUMANEVALPACK["test"],
    "HumanEval": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate(1, 2) == 3\n",
    "bare": "assert add(1, 2) == 3",
    "by another name": "f = add\nassert f(1, 2) == 3",
    "in a list": "for f in [add]:\n    assert f(1, 2) == 3",
    "called as the main program alone": (
        "def check(c):\n    assert c(1, 2) == 3\nif __name__ == '__main__':\n    check(add)\n"
    ),
    "through a helper": "def ask(f, *a):\n    return f(*a)\ndef check(c):\n    assert ask(c, 1, 2) == 3\ncheck(add)",
    "by name": "def check(candidate):\n    assert candidate(1, 2) == 3\n\n\ncheck(candidate=add)",
    "EvalPlus": (
        "def assertion(out, exp, atol):\n    assert out == exp\n\n"
        "def check(candidate):\n    inputs, results = [[1, 2]], [3]\n"
        "    for inp, exp in zip(inputs, results):\n        assertion(candidate(*inp), exp, 0)\n"
    ),
    "a comment at its end": "def check(c):\n    assert c(1, 2) == 3\n\n\ncheck(add)  # run",
}


@pytest.mark.parametrize("name", IDLE)
def test_tests_that_never_use_the_sample_are_refused(name: str) -> None:
    with pytest.raises(RowError, match="never calls add"):
        python_tests.require(IDLE[name], "add")


@pytest.mark.parametrize("name", WORKING)
def test_tests_that_use_the_sample_are_completed(name: str) -> None:
    python_tests.require(WORKING[name], "add")
    for sample, passes in {"def add(a, b):\n    return a + b": True, "def add(a, b):\n    return 0": False}.items():
        space: dict[str, Any] = {}
        exec(sample, space)
        try:
            exec(python_tests.complete(WORKING[name], "add"), space)
        except AssertionError:
            assert not passes
        else:
            assert passes


@pytest.mark.parametrize("test", ["def", "x = \0", "(" * 500, "assert add(1, 2) == 3 and"])
def test_tests_that_are_no_python_are_refused(test: str) -> None:
    with pytest.raises(RowError, match="not Python"):
        python_tests.require(test, "add")


@pytest.mark.parametrize("entry", ["", "a b", "1a", "def", "f()", "a.b"])
def test_entry_points_are_names(entry: str) -> None:
    with pytest.raises(RowError, match="not the name of a Python function"):
        python_tests.require("x = 1", entry)


def test_java_tests_use_the_class_solution(tmp_path: Path) -> None:
    row = BENCHMARKS["repair-java"]
    assert "no class Main" in refused("repair-java", tmp_path, row | {"test": "class Test { Solution s; }"})
    assert "never uses the class Solution" in refused("repair-java", tmp_path, row | {"test": "class Main { }"})


# Other benchmarks' shapes

HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'from typing import List\n\n\ndef first(numbers: List[int]) -> int:\n    """ The first.\n    """\n',
    "entry_point": "first",
    "canonical_solution": "    return numbers[0]\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([3, 4]) == 3\n",
}
MBPP = {
    "task_id": 2,
    "text": "Write a function to find the shared elements.",
    "code": "import math\ndef similar(a, b):\r\n  res = tuple(set(a) & set(b))\r\n  return (res) ",
    "test_setup_code": "",
    "test_list": ["assert set(similar((3, 4), (5, 4))) == {4}", "assert similar((1,), (2,)) == ()"],
    "challenge_test_list": [],
}


def test_humaneval_is_read(tmp_path: Path) -> None:
    task = get_task("synthesize-python")
    (problem,) = task.load(write(tmp_path, HUMANEVAL))
    assert problem.row["declaration"] == "from typing import List\n\n\ndef first(numbers: List[int]) -> int:\n"
    assert problem.row["docstring"] == "The first."
    # HumanEvalPack words its instructions so
    asked = "Write a Python function `first(numbers: List[int]) -> int` to solve the following problem:\nThe first."
    assert problem.row["instruction"] == asked
    assert task.finish(problem, "\n    return 1\nx") == HUMANEVAL["prompt"].rstrip() + "\n    return 1"
    assert isinstance(task, ExecutedTask)
    program = task.program(problem, "")
    assert program.test.endswith("\ncheck(first)")
    assert program.entry_point == "first"


EVALPLUS = {
    "task_id": "HumanEval/500",
    "prompt": 'def half(numbers, digits=2):\n    """ Half of each number.\n    """\n',
    "entry_point": "half",
    "canonical_solution": "    numbers.sort()\n    return [n / 2 + 0.0 for n in numbers]\n",
    "contract": "",
    "base_input": [[[4, 2]], [[]]],
    "plus_input": [[[1, 0, -3], 2]],
    "atol": 0,
}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return [n / 2 + 0.0 for n in sorted(numbers)]", PASSED),
        ("return [n / 2 + 1e-9 for n in sorted(numbers)]", PASSED),  # floats are compared with a tolerance
        ("return tuple(n / 2 for n in sorted(numbers))", FAILED),
        ("return [n / 2 + 1e-3 for n in sorted(numbers)]", FAILED),
        ("return [n / 2 + 0.0 for n in sorted(numbers)] if len(numbers) < 3 else []", FAILED),  # plus_input decides
    ],
)
def test_evalplus_inputs_become_a_test_against_the_reference(tmp_path: Path, body: str, status: str) -> None:
    task = get_task("synthesize-python")
    assert isinstance(task, ExecutedTask)
    (problem,) = task.load(write(tmp_path, EVALPLUS))
    task.require_usable(problem)
    with Sandbox() as box:
        ((_, outcome),) = box.run([task.program(problem, EVALPLUS["prompt"] + "    " + body)])
    assert outcome.status == status, outcome.detail
    assert not outcome.in_one_process, "a sample could forge it"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"base_input": [], "plus_input": []}, "nothing would be tested"),
        ({"plus_input": [3]}, "plus_input is not a list of lists"),
        ({"atol": "low"}, "atol is 'low', not a number"),
        ({"canonical_solution": ""}, "canonical_solution"),
        ({"canonical_solution": "    return (\n"}, "do not define 'half' in Python"),
        ({"task_id": "Mbpp/2"}, "lose their types in JSON"),
    ],
)
def test_damaged_evalplus_inputs_are_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    assert told in refused("synthesize-python", tmp_path, EVALPLUS | change)


def test_humaneval_has_no_bugs_to_repair(tmp_path: Path) -> None:
    assert "buggy_solution missing" in refused("repair-python", tmp_path, HUMANEVAL)


@pytest.mark.parametrize("text", ["text", "prompt"])
def test_mbpp_is_read(tmp_path: Path, text: str) -> None:
    row = {("prompt" if key == "text" and text == "prompt" else key): value for key, value in MBPP.items()}
    task = get_task("synthesize-python")
    (problem,) = task.load(write(tmp_path, row))
    assert (problem.id, problem.row["entry_point"]) == ("2", "similar")
    assert problem.row["declaration"] == "import math\ndef similar(a, b):\n"
    assert isinstance(task, ExecutedTask)
    program = task.program(problem, MBPP["code"])
    space: dict[str, Any] = {}
    exec(f"{program.preamble}\n{program.sample}\n{program.test}", space)
    head = task.head_of(problem)
    exec(head + problem.row["canonical_solution"], space)  # the derived prompt is the beginning of a function
    assert MBPP["text"] in str(space["similar"].__doc__)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"test_list": []}, "test_list is not a list of strings"),
        ({"test_list": ["assert other(1)"]}, "call no function that code defines"),
        ({"test_list": "assert similar(1)"}, "test_list is not a list"),
        ({"text": None}, "text .or prompt. missing"),
        ({"code": None}, "code is null"),
        ({"code": 5}, "code is 5"),
        ({"task_id": None}, "task_id is missing"),
        ({"task_id": True}, "task_id is missing"),
    ],
)
def test_damaged_mbpp_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(schema.BadInput, match=told):
        get_task("synthesize-python").load(write(tmp_path, MBPP | change))
