"""What all tasks share: names, reading of generations files, and every way in which such a file can be bad."""

from __future__ import annotations

import csv
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from astraios_utils import schema, store
from astraios_utils.tasks import TASKS, Problem, get_task
from astraios_utils.tasks.base import cut_at_stop

SAMPLE = store.data_dir() / "sample"
PROBLEMS = {
    "synthesize-python": "humanevalpack-python",
    "repair-python": "humanevalpack-python",
    "explain-python": "humanevalpack-python",
    "synthesize-java": "humanevalpack-java",
    "recode-format": "recode-format",
    "defect": "defect",
}


def problems(name: str) -> tuple[Problem, ...]:
    return get_task(name).references(SAMPLE / f"{PROBLEMS[name]}.jsonl")


def generations(name: str) -> Any:
    return json.loads((SAMPLE / "generations" / f"{name}.json").read_text())


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_every_task_of_the_schema_is_declared() -> None:
    assert set(TASKS) == set(schema.TASKS)
    assert [get_task(name).name for name in TASKS] == list(TASKS)


def test_unknown_tasks_name_their_neighbours() -> None:
    with pytest.raises(schema.UnknownName, match=r"did you mean .*synthesize-python"):
        get_task("synthesise-python")


def test_fingerprints_tell_tasks_apart() -> None:
    assert len({task.fingerprint for task in TASKS.values()}) == len(TASKS)


def test_headline_metrics() -> None:
    # tables 2-4: accuracy for defect, F1 for clone, pass@1 for HumanEvalPack, RP@1 for ReCode
    headline = {name: task.metric for name, task in TASKS.items()}
    assert headline["defect"] == headline["defect-1shot"] == "accuracy"
    assert headline["clone"] == headline["clone-1shot"] == "f1"
    assert {headline[name] for name in schema.GENERATION_TASKS} == {"pass@1"}
    assert {headline[name] for name in schema.ROBUSTNESS_TASKS} == {"rp@1"}


def test_decoding_is_the_papers() -> None:
    # appendix E; top-p is the harness's default
    pack, recode, defect = (get_task(n).decoding for n in ("repair-java", "recode-syntax", "defect"))
    assert (pack.temperature, pack.top_p, pack.samples, pack.max_length) == (0.2, 0.95, 20, 2048)
    assert (recode.temperature, recode.samples, recode.max_length) == (0.0, 1, 1024)
    assert (defect.temperature, defect.samples, defect.max_length, defect.stop) == (0.0, 1, 512, ("\n",))


def test_cut_at_stop_takes_the_first_of_all() -> None:
    assert cut_at_stop("ab\n#c\nif d", ("\nif", "\n#")) == "ab"
    assert cut_at_stop("ab", ("\nif",)) == "ab"


# Files that are good


@pytest.mark.parametrize("name", ["synthesize-python", "repair-python", "synthesize-java", "recode-format", "defect"])
def test_the_samples_that_ship_are_read(name: str) -> None:
    read = get_task(name).read(SAMPLE / "generations" / f"{name}.json", problems(name))
    assert read.problems == problems(name)
    assert read.sha256 == store.sha256_file(SAMPLE / "generations" / f"{name}.json")
    with (SAMPLE / "expected.csv").open() as stream:
        expected = {
            (row["problem"], row["variant"], int(row["sample"]))
            for row in csv.DictReader(stream)
            if row["task"] == name
        }
    assert {(p.id, p.variant, k) for p, samples in read.pairs() for k in range(len(samples))} == expected


def test_compressed_files_read_like_plain_ones(tmp_path: Path) -> None:
    plain = SAMPLE / "generations" / "repair-python.json"
    packed = tmp_path / "x.json.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    task = get_task("repair-python")
    a, b = task.read(plain, problems("repair-python")), task.read(packed, problems("repair-python"))
    assert (a.samples, a.sha256) == (b.samples, b.sha256)


def test_our_own_layout_may_hold_problems_in_any_order(tmp_path: Path) -> None:
    name = "recode-format"
    rows = [
        {"task": name, "problem": p.id, "variant": p.variant, "samples": samples, "raw": ["unread"]}
        for p, samples in zip(problems(name), generations(name), strict=True)
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    read = get_task(name).read(path, problems(name))
    assert read.samples == tuple(map(tuple, generations(name)))


def test_our_own_layout_of_a_classification_takes_labels_from_the_problems(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"problem": str(i), "samples": ["1"]}) + "\n" for i in range(12)))
    task = get_task("defect")
    statuses = [task.verdict(p, s[0]).status for p, s in task.read(path, problems("defect")).pairs()]
    assert statuses == ["passed", "failed"] * 6  # every other function has a defect


# Files that are bad: one line each, with the file's name


def refused(path: Path, name: str = "synthesize-python") -> str:
    with pytest.raises(schema.BadInput) as caught:
        get_task(name).read(path, problems(name))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "x.json")


def test_a_folder(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path)


def test_truncated_xz(tmp_path: Path) -> None:
    path = tmp_path / "x.json.xz"
    path.write_bytes(lzma.compress((SAMPLE / "generations" / "synthesize-python.json").read_bytes())[:-100])
    assert "cut short" in refused(path)


def test_not_xz(tmp_path: Path) -> None:
    path = tmp_path / "x.json.xz"
    path.write_bytes(b"[]")
    assert "not xz data" in refused(path)


@pytest.mark.parametrize("text", ["", "[[", "{'a': 1}", "\x00\xff", "[" * 100_000])
def test_not_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    assert "not JSON" in refused(path)


def test_json_that_is_no_list(tmp_path: Path) -> None:
    assert "of type dict" in refused(write(tmp_path / "x.json", {"a": []}))


def changed(change: Callable[[Any], Any]) -> Any:
    value = generations("synthesize-python")
    result = change(value)
    return result if isinstance(result, list) else value  # a change in place returns something else


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda g: g[:-1], "7 problems, synthesize-python has 8"),
        (lambda g: [*g, g[0]], "9 problems, synthesize-python has 8"),
        (lambda g: [], "0 problems"),
        (lambda g: [sample for row in g for sample in row], "row 0 is a str"),
        (lambda g: g[3].__setitem__(2, None), "row 3: sample 2 is a NoneType, not a string"),
        (lambda g: g[3].__setitem__(2, ["x"]), "row 3: sample 2 is a list, not a string"),
        (lambda g: g[5].pop(), "row 5 holds 11 samples, row 0 holds 12"),
        (lambda g: g[5].clear(), "row 5 holds 0 samples"),
        (lambda g: [[] for _ in g], "row 0 holds 0 samples"),
    ],
)
def test_wrong_shapes(tmp_path: Path, change: Callable[[Any], Any], told: str) -> None:
    assert told in refused(write(tmp_path / "x.json", changed(change)))


@pytest.mark.parametrize(
    ("name", "other", "told"),
    [
        ("synthesize-python", "synthesize-java", "most samples are Java"),
        ("synthesize-java", "synthesize-python", "most samples are Python"),
        ("synthesize-python", "repair-python", "without its docstring"),
        ("repair-python", "synthesize-python", "with its docstring"),
        ("explain-python", "synthesize-python", "one sample per row"),
        ("synthesize-python", "defect", "parsed answers"),
        ("defect", "repair-python", "one record a row"),
        ("synthesize-python", "recode-format", "9 problems"),
        ("recode-format", "synthesize-python", "8 problems, recode-format has 9"),
    ],
)
def test_files_of_another_task(name: str, other: str, told: str) -> None:
    assert told in refused(SAMPLE / "generations" / f"{other}.json", name)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1: expected an object with problem and samples"),
        ('{"problem": "SamplePython/0"}', "line 1: expected an object"),
        ('{"problem": "SamplePython/0", "samples": [1]}', "line 1: sample 0 is a int"),
        ('{"problem": "SamplePython/0", "samples": ["a"]}', "1 problems, synthesize-python has 8"),
        (
            '{"problem": "SamplePython/0", "samples": ["a"], "task": "defect"}',
            "for 'defect', not for synthesize",
        ),
    ],
)
def test_our_own_layout_damaged(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line + "\n")
    assert told in refused(path)


def test_a_problem_that_comes_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"problem": "a", "samples": ["b"]}\n' * 2)
    assert "line 2: problem a comes twice" in refused(path)


def test_problem_files_that_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"task_id": "a", "prompt": "b"})
    with pytest.raises(schema.BadInput, match=r"line 1: declaration, test, .* missing"):
        get_task("repair-java").problems(path)
    path = write(tmp_path / "y.jsonl", [1])
    with pytest.raises(schema.BadInput, match=r"line 1 is \[1\] \(list\), not an object"):
        get_task("repair-java").problems(path)


def test_problems_that_nobody_has_are_one_line(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path))
    monkeypatch.setenv("ASTRAIOS_UPSTREAM", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    task = get_task("synthesize-java")
    with pytest.raises(schema.MissingArtefact, match="cannot be reached"):
        task.load(None)


def test_163_problems_of_the_real_benchmark(mirror: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", [["x"] * 20] * 163)
    with pytest.raises(schema.BadInput, match="163 problems, synthesize-python has 164"):
        get_task("synthesize-python").read(path)
