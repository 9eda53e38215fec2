"""The nano benchmark: read by the tasks, solvable, not solved by its bugs, apart from what models are trained on."""

from __future__ import annotations

import functools
import json
import lzma
import re
from pathlib import Path

import pytest

from astraios_utils import schema, scoring, store
from astraios_utils.nano import benchmark, code, documents, perturb, shipped, spec
from astraios_utils.nano.function import passes
from astraios_utils.tasks import Problem, get_task

SUITE = store.load_suite("nano")
FOLDER = shipped.folder() / "benchmark"


RECODE = {"format": 8, "function": 12, "syntax": 8, "docstring": 12}  # prompts per function


def _problems(task: str) -> tuple[Problem, ...]:
    return get_task(task).problems(SUITE.problems[task])


@pytest.mark.slow
@pytest.mark.ci
def test_shipped_files_are_what_the_seed_gives(tmp_path: Path) -> None:
    for path in benchmark.write(tmp_path):
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), path.name
    for path in shipped.write_corpus(tmp_path):
        # the bytes of xz depend on its version, what they hold does not
        held = lzma.decompress((shipped.folder() / "corpus" / path.name).read_bytes())
        assert lzma.decompress(path.read_bytes()) == held, path.name


def test_checksums_hold_and_name_every_file(tmp_path: Path) -> None:
    shipped.verify(shipped.folder())
    names = {line.split("  ")[1] for line in (shipped.folder() / shipped.SUMS).read_text().splitlines()}
    held = {p.relative_to(shipped.folder()).as_posix() for p in shipped.folder().rglob("*") if p.is_file()}
    assert names == held - {shipped.SUMS}
    (tmp_path / "a").write_text("one")
    shipped.write_sums(tmp_path)
    (tmp_path / "a").write_text("two")
    with pytest.raises(schema.BadInput, match="not as shipped"):
        shipped.verify(tmp_path)


@pytest.mark.parametrize("task", SUITE.tasks)
def test_every_task_of_the_suite_reads_its_problems(task: str) -> None:
    problems = _problems(task)
    sizes = {"defect": 400, "clone": 400, "aatk": 140}
    # recode: 40 functions x (nominal + perturbations, those that draw at random with five seeds)
    sizes |= {f"recode-{name}": 40 * count for name, count in RECODE.items()}
    assert len(problems) == sizes.get(task, 240)
    assert len({(p.id, p.variant) for p in problems}) == len(problems)


def test_answers_of_both_kinds_and_problems_of_every_difficulty() -> None:
    for task, field in (("defect", "target"), ("clone", "label")):
        assert 160 <= sum(bool(p.row[field]) for p in _problems(task)) <= 240
    rows = [p.row for p in _problems("synthesize-python")]
    assert {row["difficulty"] for row in rows if row["split"] == "usual"} == set(benchmark.PROBLEMS)
    assert min(row["difficulty"] for row in rows if row["split"] == "harder") > spec.MOST_STEPS + 1
    assert len({row["composition"] for row in rows}) == len(rows)


def _scored(task: str, field: str, folder: Path, step: int) -> float:
    problems, path = _problems(task)[::step], folder / f"{task}-{field}.jsonl"
    lines = [{"problem": p.id, "samples": [p.row["declaration"] + p.row[field]]} for p in problems]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    own = folder / f"{task}.jsonl"
    own.write_text("".join(json.dumps(dict(p.row)) + "\n" for p in problems))
    (scored,) = scoring.score([scoring.Source(get_task(task), path)], own, progress=False)
    assert scored.metrics["pass@1"].n == len(problems)
    return scored.metrics["pass@1"].value


@pytest.mark.slow
@pytest.mark.parametrize("step", [pytest.param(7, marks=pytest.mark.smoke), pytest.param(1, marks=pytest.mark.ci)])
@pytest.mark.parametrize("language", ["python", "java"])
def test_reference_solutions_pass_in_the_sandbox_and_buggy_ones_fail(
    language: str, step: int, build: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every problem, or every seventh."""
    if language == "java":
        request.getfixturevalue("jdk")
    assert _scored(f"repair-{language}", "canonical_solution", tmp_path, step) == 100
    assert _scored(f"repair-{language}", "buggy_solution", tmp_path, step) == 0


def _ending(subject: perturb.Subject, category: str, variant: str) -> str:
    """What completes a perturbed beginning: the second half of the solution, or all of it."""
    names = perturb.renamed(subject) if variant.startswith("VarRenamer") else subject.names
    style = code.Style(loop="while" if variant.startswith("ForWhile") else "for")
    body = code.body(subject.spec, names, "python", style)
    return body[len(perturb.half(body)) :] if category in ("format", "syntax") else body


@pytest.mark.parametrize("category", perturb.CATEGORIES)
def test_perturbed_prompts_can_be_continued_to_a_solution(category: str) -> None:
    functions = benchmark.functions()
    for problem in _problems(f"recode-{category}"):
        function = functions[int(problem.id.split("/")[1])]
        subject = perturb.Subject(function.spec, function.names, function.docstring)
        source = f"{problem.row['prompt'].rstrip()}\n{_ending(subject, category, problem.variant)}"
        assert passes(source, problem.row["entry_point"], function.cases), source


# --- no leak ----------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]+")
_KEPT = {
    *(
        "def",
        "for",
        "in",
        "if",
        "else",
        "return",
        "range",
        "len",
        "append",
        "abs",
        "and",
        "not",
        "True",
        "False",
        "while",
    ),
}


def skeleton(text: str) -> str:
    """Code without names and constants: variables by their order, numbers as K (but 0, 1, and 2 and 10 after ``%``)."""
    names: dict[str, str] = {}
    words, before = [], ""
    for word in _WORD.findall(text):
        if word.isdigit() and word not in ("0", "1") and not (before in ("%", "//=", "/=") and word in ("2", "10")):
            words.append("K")
        elif word[0].isalpha() or word[0] == "_":
            words.append(word if word in _KEPT else names.setdefault(word, f"v{len(names)}"))
        else:
            words.append(word)
        before = word
    return " ".join(words)


@functools.cache
def _bodies(text: str) -> tuple[str, ...]:
    """Skeletons of the Python functions in a text, from their headers on, without docstrings."""
    found = re.findall(r'def \w+(\(\w+\)):\n(?:    """[^"]*"""\n)?((?:    [^\n]*\n?)+)', text)
    return tuple(
        skeleton(f"{head} {body}") for head, body in found if '"' not in body
    )  # those with texts are scenarios


@functools.cache
def _documents() -> tuple[list[documents.Document], list[documents.Document]]:
    """All instruction data, and the beginning of the pre-training stream."""
    tuned = [documents.tuning(shipped.SEED, n) for n in range(sum(shipped.ROWS.values()))]
    return tuned, [documents.pretraining(shipped.SEED, n) for n in range(3000)]


def test_no_solution_of_the_benchmark_is_in_any_training_text() -> None:
    """Shown on the code itself, not on the split that drew it."""
    rows = [p.row for p in _problems("synthesize-python")]
    wanted = {skeleton(f"({row['signature'].split('(')[1]} {row['canonical_solution']}") for row in rows}
    tuned, read = _documents()
    seen = {body for document in (*tuned, *read) for text in document for body in _bodies(text)}
    assert len(wanted) == 240
    assert len(seen) > 500
    assert not wanted & seen


def test_tuning_and_pretraining_share_no_solution_and_no_wording() -> None:
    tuned, read = ({b for document in side for b in _bodies(document.completion)} for side in _documents())
    assert len(tuned) > 100
    assert not tuned & read
    for kind, texts in documents.TUNE.items():
        assert not set(texts) & set(documents.PRETRAIN[kind])
    assert not any("Question:" in wrapper or "Answer:" in wrapper for wrapper in documents.WRAPPERS)


def test_questions_of_the_benchmark_are_in_no_training_text() -> None:
    everything = "\n".join(part for side in _documents() for document in side for part in document)
    for task, field in (("defect", "func"), ("clone", "func1"), ("aatk", "prompt"), ("synthesize-python", "docstring")):
        assert not [p.id for p in _problems(task) if str(p.row[field]).strip() in everything], task
