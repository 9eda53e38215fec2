"""Likelihood tasks: their texts, the files that hold likelihoods, bad files, and their metrics."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from astraios_utils import schema, store
from astraios_utils.metrics import likelihoods
from astraios_utils.metrics.likelihoods import Likelihood
from astraios_utils.scoring import Source, score
from astraios_utils.tasks import LikelihoodTask, get_task

SAMPLE = store.data_dir() / "sample"
PYTHON = {
    "task_id": "Own/0",
    "prompt": 'def add(a, b):\n    """Add.\n    """\n',
    "canonical_solution": "    return a + b\n\n",
    "buggy_solution": "    return a - b\n",
    "instruction": "Write a Python function `add(a, b)`.",
}
ANSWER = {"problem": "Own/0", "nats": [6.5, 7.25], "tokens": [6, 6], "bytes": [17, 17]}


def task(name: str) -> LikelihoodTask:
    found = get_task(name)
    assert isinstance(found, LikelihoodTask)
    return found


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_texts_follow_the_prompt_of_synthesis_exactly(tmp_path: Path) -> None:
    file = lines(tmp_path / "own.jsonl", [PYTHON])
    (problem,) = task("prefer-python").problems(file)
    asked = task("prefer-python").prompt(problem)
    assert asked == get_task("synthesize-python").prompt(problem)
    assert asked.endswith('"""')
    assert task("prefer-python").texts(problem) == ("\n    return a + b", "\n    return a - b")
    assert task("nll-python").texts(problem) == task("prefer-python").texts(problem)  # computed together


@pytest.mark.parametrize("language", ["python", "java"])
def test_both_languages_read_problems_in_the_benchmarks_shape(language: str) -> None:
    problems = task(f"prefer-{language}").problems(SAMPLE / f"humanevalpack-{language}.jsonl")
    assert problems
    for problem in problems:
        reference, buggy = task(f"prefer-{language}").texts(problem)
        assert reference != buggy
        assert task(f"prefer-{language}").prompt(problem) + reference in (
            f"Question: {problem.row['instruction'].strip()}\n\nAnswer:\n"
            f"{problem.row['prompt']}{problem.row['canonical_solution']}"
        )


def test_problems_without_what_is_compared_are_refused(tmp_path: Path) -> None:
    alone = {key: value for key, value in PYTHON.items() if key != "buggy_solution"}
    assert len(task("nll-python").problems(lines(tmp_path / "alone.jsonl", [alone]))) == 1
    with pytest.raises(schema.BadInput, match="buggy_solution"):
        task("prefer-python").problems(lines(tmp_path / "alone2.jsonl", [alone]))
    same = PYTHON | {"buggy_solution": "    return a + b"}
    with pytest.raises(schema.BadInput, match="the buggy solution is the reference"):
        task("prefer-python").problems(lines(tmp_path / "same.jsonl", [same]))


def test_a_file_of_likelihoods_is_scored(tmp_path: Path) -> None:
    other = PYTHON | {"task_id": "Own/1"}
    problems = lines(tmp_path / "own.jsonl", [PYTHON, other])
    # Own/1: the buggy text is more likely in sum, and equally long: by every measure the bug is preferred.
    rows = [ANSWER, ANSWER | {"problem": "Own/1", "nats": [9.5, 7.25]}]
    (done,) = score([Source(task("prefer-python"), lines(tmp_path / "a.jsonl", rows))], problems, progress=False)
    assert list(done.verdicts["status"]) == ["passed", "failed"]
    assert done.verdicts["detail"][0] == "nats=6.500000,7.250000 tokens=6,6 bytes=17,17"
    assert {key: e.value for key, e in done.metrics.items()} == {"prefer": 50, "prefer/token": 50, "prefer/byte": 50}
    single = [row | {key: row[key][:1] for key in ("nats", "tokens", "bytes")} for row in rows]
    (bits,) = score([Source(task("nll-python"), lines(tmp_path / "b.jsonl", single))], problems, progress=False)
    assert list(bits.verdicts["status"]) == ["measured"] * 2
    # 16 nats over 34 bytes and 12 tokens; problems of 6.5 and 9.5 nats: se = s / sqrt(2) of 6.5/17 and 9.5/17.
    per_byte = bits.metrics["bits/byte"]
    assert per_byte.value == pytest.approx(16 / 34 / math.log(2))
    assert per_byte.se == pytest.approx(1.5 / 17 / math.log(2))
    assert bits.metrics["bits/token"].value == pytest.approx(16 / 12 / math.log(2))
    assert per_byte.low < per_byte.value < per_byte.high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nats": [1.0]}, "nats is not a list of 2"),
        ({"nats": [1.0, -2.0]}, "finite numbers of at least 0"),
        ({"nats": [1.0, float("inf")]}, "finite numbers|not JSON"),
        ({"tokens": [0, 1]}, "finite numbers of at least 1"),
        ({"tokens": [1.5, 1]}, "tokens holds 1.5"),
        ({"bytes": [17, 18]}, r"texts of \[17, 18\] bytes, the problem's have \[17, 17\]"),
        ({"problem": "Own/7"}, "Own/0 is missing"),
        ({"task": "nll-python"}, "likelihoods for 'nll-python'"),
    ],
)
def test_bad_files_are_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    problems = lines(tmp_path / "own.jsonl", [PYTHON])
    file = lines(tmp_path / "bad.jsonl", [ANSWER | change])
    with pytest.raises(schema.BadInput, match=message) as told:
        list(score([Source(task("prefer-python"), file)], problems, progress=False))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", ["[[1]]", '["a"]'])
def test_generations_are_no_likelihoods(content: str, tmp_path: Path) -> None:
    problems, file = lines(tmp_path / "own.jsonl", [PYTHON]), tmp_path / "generations.json"
    file.write_text(content)
    with pytest.raises(schema.BadInput, match="JSON lines with problem, nats, tokens and bytes"):
        list(score([Source(task("nll-python"), file)], problems, progress=False))


def test_lines_of_likelihoods_read_back() -> None:
    held = (Likelihood(0.0, 1, 1), Likelihood(1234.5678901, 99, 400))
    assert likelihoods.decode(likelihoods.encode(held)) == (held[0], Likelihood(1234.56789, 99, 400))
    for line in ("", "label=1 prediction=0", "nats=1 tokens=1"):
        with pytest.raises(ValueError, match="is not 'nats="):
            likelihoods.decode(line)


def test_longer_texts_can_win_per_byte_and_lose_in_sum() -> None:
    import pandas as pd

    from astraios_utils.metrics import scores

    line = likelihoods.encode((Likelihood(10.0, 10, 100), Likelihood(9.0, 9, 40)))
    frame = pd.DataFrame({"problem": ["a"], "status": ["failed"], "detail": [line]})
    found = {key: e.value for key, e in scores.summarise(["prefer"], frame).items()}
    # 10 > 9 in sum; 1.0 = 1.0 per token, a tie; 0.1 < 0.225 per byte
    assert found == {"prefer": 0, "prefer/token": 0, "prefer/byte": 100}
