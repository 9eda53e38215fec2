"""Nothing that has run runs again; what a crash broke off is noticed and runs again."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from astraios_utils.sandbox import Outcome, Program
from astraios_utils.scoring.journal import Journal, open_journal, program_key

PROGRAM = Program("python", "def f(): return 1", "def check(f):\n    assert f() == 1\n\ncheck(f)", "import math")


@pytest.mark.parametrize(
    "change",
    [
        {"sample": "def f(): return 2"},
        {"test": "check(f)"},
        {"preamble": ""},
        {"timeout": 3.0},
        {"language": "java"},
    ],
)
def test_key_covers_all_that_a_verdict_depends_on(change: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astraios_utils.scoring.journal.conditions", lambda language: f"{language}-1")
    assert program_key(dataclasses.replace(PROGRAM, **change)) != program_key(PROGRAM)  # type: ignore[arg-type]
    assert program_key(dataclasses.replace(PROGRAM)) == program_key(PROGRAM)


def test_key_changes_with_the_sandboxs_rules() -> None:
    assert program_key(PROGRAM, rules=-1) != program_key(PROGRAM)


def test_sources_cannot_be_shifted_into_one_another() -> None:
    # were the parts merely joined, these two would be one text
    one = Program("python", "", "cd", preamble="ab")
    other = Program("python", "", "bcd", preamble="a")
    assert program_key(one) != program_key(other)


def test_a_sample_with_a_lone_surrogate_has_a_key() -> None:
    assert len(program_key(dataclasses.replace(PROGRAM, sample="x = '\ud800'"))) == 32


def test_outcomes_survive(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "programs.jsonl"
    with open_journal(path) as journal:
        journal.put("a" * 32, Outcome("failed", "AssertionError: é\n", 0.25, math.nan))
        journal.put("b" * 32, Outcome("passed", "", 0.5, 0.125))
    with open_journal(path) as journal:
        assert len(journal) == 2
        found = journal.get("a" * 32)
        assert found is not None
        assert (found.status, found.detail, found.seconds) == ("failed", "AssertionError: é\\n", 0.25)
        assert math.isnan(found.cpu)
        assert journal.get("b" * 32) == Outcome("passed", "", 0.5, 0.125)
        assert journal.get("c" * 32) is None


def test_an_old_line_with_text_that_no_file_can_hold_is_read(tmp_path: Path) -> None:
    path = tmp_path / "programs.jsonl"
    path.write_text(json.dumps(["a" * 32, "error", "ValueError: \ud800\x1b[31m", 0.1, None]) + "\n")
    with open_journal(path) as journal:
        found = journal.get("a" * 32)
        assert found is not None
        assert found.detail == r"ValueError: \ud800\x1b[31m"
        found.detail.encode()


def test_a_line_broken_off_costs_that_program_only(tmp_path: Path) -> None:
    path = tmp_path / "programs.jsonl"
    with open_journal(path) as journal:
        journal.put("a" * 32, Outcome("passed", "", 0.1, 0.1))
        journal.put("b" * 32, Outcome("passed", "", 0.1, 0.1))
    path.write_bytes(path.read_bytes()[:-20])
    with open_journal(path) as journal:
        assert journal.damaged == 1
        assert journal.get("b" * 32) is None
        journal.put("c" * 32, Outcome("passed", "", 0.1, 0.1))
    with open_journal(path) as journal:  # the new line was not glued to the broken one
        assert journal.get("a" * 32) is not None
        assert journal.get("c" * 32) is not None


def test_two_processes_may_append(tmp_path: Path) -> None:
    path = tmp_path / "programs.jsonl"
    one, two = Journal(path), Journal(path)
    for number in range(50):
        (one, two)[number % 2].put(f"{number:032x}", Outcome("passed", "", 0.0, 0.0))
    one.close()
    two.close()
    with open_journal(path) as journal:
        assert len(journal) == 50
        assert journal.damaged == 0


GOOD = ["0" * 32, "passed", "", 0.5, None]
ODD = [
    "null",
    "5",
    '"abcde"',
    "{}",
    '{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}',
    "[1, 2, 3, 4, 5]",
    "[" * 5000,
    "[" + "1" * 5000 + "]",
    json.dumps([*GOOD, 1]),
    json.dumps([["a"], *GOOD[1:]]),
    json.dumps(["short", *GOOD[1:]]),
    json.dumps([GOOD[0], "unheard of", *GOOD[2:]]),
    json.dumps([*GOOD[:2], None, *GOOD[3:]]),
    json.dumps([*GOOD[:3], "long", None]),
    json.dumps([*GOOD[:3], -1, None]),
    json.dumps([*GOOD[:3], math.nan, None]),
    json.dumps([*GOOD[:3], 1, []]),
    json.dumps([*GOOD[:3], 10**400, None]),
    "\0\xff",
]


@pytest.mark.parametrize("line", ODD)
def test_odd_lines_are_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "programs.jsonl"
    path.write_bytes(f"{line}\n{json.dumps(GOOD)}\n".encode("latin-1"))
    with open_journal(path) as known:
        assert (len(known), known.damaged) == (1, 1)
        found = known.get("0" * 32)
        assert found is not None
        assert (found.status, found.detail, found.seconds) == ("passed", "", 0.5)
