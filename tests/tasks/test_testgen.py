"""Unit-test generation: what a sample must do for each part of its score, and what chance can earn."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pandas as pd
import pytest

from astraios_utils import results, schema, scoring, store
from astraios_utils.metrics import scores
from astraios_utils.results import claims
from astraios_utils.sandbox import ERROR, PASSED, TIMEOUT, Outcome, Program, SandboxError, runtime_id
from astraios_utils.sandbox import reversed_roles as roles
from astraios_utils.sandbox.reversed_roles import report
from astraios_utils.tasks import Judgement, get_task, testgen

NANO = store.data_dir() / "nano" / "benchmark" / "humanevalpack-python.jsonl"
NANO_JAVA = NANO.with_name("humanevalpack-java.jsonl")


def _written(tmp_path: Path, samples: dict[str, list[str]], change: dict[str, str] | None = None) -> scoring.Scored:
    java = next(iter(samples)).startswith("NanoJava")
    task = get_task("testgen-java" if java else "testgen-python")
    problems = [p for p in task.problems(NANO_JAVA if java else NANO) if p.id in samples]
    own, generations = tmp_path / "problems.jsonl", tmp_path / "generations.jsonl"
    own.write_text("\n".join(json.dumps({**p.row, **(change or {})}) for p in problems))
    generations.write_text("\n".join(json.dumps({"problem": p.id, "samples": samples[p.id]}) for p in problems))
    source = scoring.Source(task, generations, problems=own)
    (scored,) = scoring.score([source], journal=tmp_path / "journal.jsonl", progress=False)
    return scored


def test_the_benchmarks_own_tests_score_100_and_trivial_ones_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testgen, "MUTANTS", 3)
    problem = get_task("testgen-python").problems(NANO)[0]
    trivial = ["", "assert True", "def test_nothing():\n    pass", f"def {problem.row['entry_point']}(n):\n    1"]
    scored = _written(tmp_path, {problem.id: [problem.row["test"], *trivial]})
    assert scored.verdicts["status"].tolist() == ["passed"] + ["invalid"] * 4
    keys = ("mutation", "correct", "valid", "lines")
    task = scored.source.task
    own, others = (task.summarise(part) for part in (scored.verdicts[:1], scored.verdicts[1:]))
    assert [own[key].value for key in keys] == [100.0] * 4
    assert [others[key].value for key in keys] == [0.0] * 4


@pytest.mark.slow
@pytest.mark.ci
def test_the_same_in_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        runtime_id("java")
    except SandboxError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(testgen, "MUTANTS", 2)
    problem = get_task("testgen-java").problems(NANO_JAVA)[0]
    trivial = [
        "",
        testgen.NO_TESTS,
        f"{testgen.MAIN}assert true; }} }}",
        f"{testgen.MAIN}s.{problem.row['entry_point']}(1); }} }}",
    ]
    scored = _written(tmp_path, {problem.id: [problem.row["test"], *trivial]})
    assert scored.verdicts["status"].tolist() == ["passed", "invalid", "invalid", "invalid", "passed"]
    assert scored.verdicts["detail"][0] == "caught=2/2 lines=4/4 branches=2/2"
    assert scored.verdicts["detail"][4] == "caught=0/2 lines=4/4 branches=2/2"
    assert scored.verdicts["detail"].str.startswith("caught=0/2").sum() == len(trivial)


def test_shipped_counts_keep_what_tests_catch_and_execute() -> None:
    details = [
        "caught=3/9 lines=4/5 branches=1/2",
        "caught=0/9 lines=0/5 branches=0/2 NameError: name 'x' is not defined",
    ]
    rows = [
        ("tiny", "S", "LoRA", "testgen-python", f"H/{i}", "", 0, status, detail, 1.0)
        for i, (status, detail) in enumerate([("passed", details[0]), ("error", details[1]), ("passed", details[0])])
    ]
    frame = pd.DataFrame(rows, columns=schema.VERDICT_COLUMNS)
    counts = results.to_counts(frame)
    assert counts["detail"].tolist() == [details[0], "caught=0/9 lines=0/5 branches=0/2", details[0]]
    keys = get_task("testgen-python").metrics
    assert scores.summarise(keys, results.expand_counts(counts)) == scores.summarise(keys, frame)


def test_java_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(schema.BadInput, match="NanoJava/0: its solution cannot be read: line "):
        _written(tmp_path, {"NanoJava/0": ["class Main {}"]}, {"canonical_solution": "    return 1;\n"})


def test_a_reference_that_fails_its_own_tests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(schema.BadInput, match="NanoPython/0: its solution does not pass its tests"):
        _written(tmp_path, {"NanoPython/0": ["assert True"]}, {"canonical_solution": "    return None\n"})


def _simulated(p: float, rng: random.Random, bugs: int) -> float:
    """The share of bugs caught by tests that see each bug and fail with chance ``p`` in any run."""
    draws: dict[str, Outcome] = {}

    def known(program: Program) -> Outcome:
        key = program.test
        if key not in draws:
            shown = int(program.sample != "")
            end = "failed" if rng.random() < p else "passed"
            found = {"e": end, "c": 1, "d": shown, "h": "same", "l": 1, "b": 0, "w": ""}
            draws[key] = Outcome(ERROR, f"Report: {json.dumps(found)}", 0.0, 0.0)
        return draws[key]

    bench = testgen.Bench(lambda _, mutant, run: Program("python", mutant, f"{mutant} {run}"), 2, 0, ())
    planted = tuple(f"mutant {n}" for n in range(1, bugs + 1))
    verdict = testgen._Trial(bench, planted, "f(1)", known, "P/0").run("")
    assert isinstance(verdict, Judgement)
    hit = int(re.match(r"caught=(\d+)", verdict.detail)[1])  # type: ignore[index]
    return hit / bugs


@pytest.mark.parametrize("bugs", [1, 8])
def test_failing_at_random_earns_less_than_two_of_a_hundred(bugs: int) -> None:
    # By hand for one bug: all 5 runs of the reference pass and both runs of the bug fail, p^2 (1 - p)^4 without the run
    # beside the catches; at most 0.015 at p = 2/7.
    rng = random.Random(0)
    for p in (0.1, 2 / 7, 0.5):
        runs = 1500
        gained = sum(_simulated(p, rng, bugs) for _ in range(runs)) / runs
        assert gained < 0.03  # 0.02, and four standard errors of the simulation
    assert _simulated(0.0, rng, bugs) == 0.0


def test_reports() -> None:
    assert report(Outcome(TIMEOUT, "no verdict within 5 s", 5.0, 5.0)).ended == TIMEOUT
    assert not report(Outcome(ERROR, "the sample ended its process", 0.1, 0.1)).caught
    assert not report(Outcome(PASSED, "", 0.1, 0.1)).caught


def test_metrics_by_hand() -> None:
    details = [
        "caught=1/2 lines=4/4 branches=1/2",
        "caught=0/2 lines=0/4 branches=0/2 AssertionError",
        "caught=0/0 lines=1/1 branches=0/0",
    ]
    frame = pd.DataFrame({"problem": ["a", "a", "b"], "status": ["passed", "failed", "invalid"], "detail": details})
    found = scores.definitions(("mutation", "correct"), frame)
    # a problem without bugs or without conditions says nothing of these two; samples weigh alike
    assert found["mutation"].value == pytest.approx(0.25)
    assert found["branches"].value == pytest.approx(0.25)
    assert found["lines"].value == pytest.approx(2 / 3)
    assert found["correct"].value == pytest.approx(1 / 3)
    assert found["valid"].value == pytest.approx(2 / 3)
    # of the correct one alone
    assert found["lines/correct"].value == pytest.approx(1.0)
    assert found["branches/correct"].value == pytest.approx(0.5)
    assert {str(claim.arguments["measure"]).partition(":")[2] for claim in claims.load("testgen_claims")} <= set(found)
    with pytest.raises(ValueError, match="caught="):
        scores.definitions("mutation", frame.assign(detail="x"))


def test_the_prompt_shows_the_function_and_the_answer_is_one_check() -> None:
    task = get_task("testgen-python")
    problem = task.problems(NANO)[0]
    assert problem.row["canonical_solution"].rstrip() in task.prompt(problem)
    assert problem.row["test"] not in task.prompt(problem)
    assert task.prompt(problem).endswith(f"def check({problem.row['entry_point']}):")
    sample = task.finish(problem, "\n    assert cube_to_sum(2) == 9\n\nprint(1)")
    assert sample == "def check(cube_to_sum):\n    assert cube_to_sum(2) == 9\n"


def test_java_prompt_and_answer() -> None:
    task = get_task("testgen-java")
    problem = task.problems(NANO_JAVA)[0]
    assert problem.row["canonical_solution"].rstrip() in task.prompt(problem)
    assert problem.row["test"] not in task.prompt(problem)
    assert task.prompt(problem).endswith("Solution s = new Solution();")
    answer = "\n        assert s.f(2) == 9;\n    }\n}"
    assert task.finish(problem, f"{answer}\nclass More {{}}\n") == testgen.MAIN.rstrip() + answer
    assert task.finished(answer)
    assert not task.finished(answer[:-1])


@pytest.mark.parametrize(
    ("task", "written"),
    [
        ("testgen-python", "\n    assert f(2) == 9\n\n\n    assert f(1)\n\nAnswer:\ndef check(f):\n    assert f(3)\n"),
        ("testgen-python", "\n    assert f(2) == 9\n# more\n    assert f(1)"),
        ("testgen-java", "\n        assert s.f(2) == 9;\n    }\n}\nclass More {}\n"),
    ],
)
def test_an_answer_ends_where_nothing_after_it_would_be_kept(task: str, written: str) -> None:
    asked, problems = get_task(task), {"testgen-python": NANO, "testgen-java": NANO_JAVA}
    problem = asked.problems(problems[task])[0]
    ends = [end for end in range(1, len(written) + 1) if asked.finished(written[:end], end - 1)]
    assert ends[0] < len(written)
    assert asked.finish(problem, written[: ends[0]]) == asked.finish(problem, written)


@pytest.mark.parametrize(
    ("mutant", "met"),
    [("", "return x + 1"), ("def f(x):\n    return x - 1\n", "return x - 1")],
    ids=["reference", "mutant"],
)
def test_a_call_is_answered_by_two_implementations_in_either_kind_of_run(mutant: str, met: str) -> None:
    """Else the time that a call takes would tell a mutant's run."""
    reference = "def f(x):\n    return x + 1\n"
    program = roles.python_program("f(1)", reference, mutant, ("f",), "f")
    assert program.test.count("implementation('def f(x)") == 2
    assert met in program.test.split("_met = ")[1]
    java = roles.java_program("", "", "class S { int a; }", mutant and "class S { int b; }", "S", imports="", meter="m")
    assert ("int b;" if mutant else "int a;") in java.test.split("interface Met")[1]
    assert java.test.count("class S {") == 2
