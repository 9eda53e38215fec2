"""What a study reads: held-out documents are none of those learnt from, kinds are recognised, counts are kept."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from astraios_utils import schema, store
from astraios_utils.smol import instructions, retained
from astraios_utils.tuning import material

PROMPTS = {
    "synthesis": ("Write a Python function `f()`.", "Create a Python script for this problem.\nf"),
    "repair": ("Fix bugs in f. It adds.\ndef f(): ...",),
    "explanation": ("Provide a concise natural language description of the code using at most 10 characters.\nf",),
}


def _texts(examples: list[material.Example]) -> set[tuple[str, str]]:
    return {(example.prompt, example.answer) for example in examples}


def test_nano_is_asked_what_it_has_not_learnt() -> None:
    made = material.of(store.load_suite("nano"))
    for task in made.tasks:
        learnt, asked = made.learnt(task, 0), made.asked(task)
        assert (len(learnt), len(asked)) == (material.LEARNT, material.ASKED)
        assert {example.task for example in learnt + asked} == {task}
        if task not in ("defect", "clone"):  # their questions are short, and may be drawn twice
            assert not _texts(learnt) & _texts(asked)
    assert not _texts(made.old()) & _texts(made.further())


def _write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_bytes(lzma.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return str(path)


@pytest.fixture
def smol(tmp_path: Path) -> schema.Suite:
    """The suite with small files of its own: 40 rows of each prompt to learn from, 35 to be asked, three documents."""

    def rows(count: int, split: str) -> list[dict[str, str]]:
        prompts = [prompt for some in PROMPTS.values() for prompt in some]
        return [{"prompt": p, "completion": f"{split} {n}"} for n in range(count) for p in prompts]

    suite = store.load_suite("smol")
    assert suite.recipe is not None
    files = {
        "corpus": _write(tmp_path / "train.jsonl.xz", rows(40, "train")),
        "corpus_test": _write(tmp_path / "test.jsonl.xz", rows(35, "test")),
        "retained": _write(tmp_path / "old.jsonl.xz", [{"prompt": "", "completion": f"text {n}"} for n in range(3)]),
    }
    return suite.model_copy(update={"recipe": suite.recipe.model_copy(update=files)})


def test_smol_learns_from_training_rows_and_is_asked_held_out_ones(smol: schema.Suite) -> None:
    made = material.of(smol)
    assert made.tasks == tuple(PROMPTS)
    for task, prompts in PROMPTS.items():
        learnt, asked = made.learnt(task, 0), made.asked(task)
        assert len(learnt) == 40 * len(prompts)
        assert len(asked) == material.ASKED
        assert all(example.answer.startswith("train") for example in learnt)
        assert all(example.answer.startswith("test") for example in asked)
    assert made.learnt("repair", 0) != made.learnt("repair", 1)
    assert [example.answer for example in made.old()] == ["text 0", "text 1", "text 2"]


@pytest.mark.parametrize(("kind", "prompt"), [(kind, prompt) for kind, some in PROMPTS.items() for prompt in some])
def test_kinds_are_recognised_by_their_prompts(kind: str, prompt: str) -> None:
    assert instructions.kind_of(prompt) == kind


def test_further_text_is_none_of_what_forgetting_is_measured_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("learns", "tests"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.py").write_text(f"# {name} {number}\n", encoding="utf-8")
    monkeypatch.setattr(instructions, "sources", lambda: {name: tmp_path / name for name in ("learns", "tests")})
    monkeypatch.setattr(instructions, "split_of", lambda name: "test" if name == "tests" else "train")
    monkeypatch.setattr(instructions, "versions", lambda packages: dict.fromkeys(packages, "1"))
    monkeypatch.setattr(retained, "_readme", lambda name: "")
    assert sorted(retained.further(2)) == ["# learns 0\n", "# learns 1\n"]
    kept = retained.write(tmp_path / "kept")
    assert "learns" not in lzma.decompress(kept.read_bytes()).decode()


def test_a_corpus_that_is_no_file_is_refused(smol: schema.Suite) -> None:
    assert smol.recipe is not None
    made = material.of(smol.model_copy(update={"recipe": smol.recipe.model_copy(update={"corpus_test": None})}))
    with pytest.raises(schema.BadInput, match="that are files"):
        made.asked("repair")


def test_other_suites_have_none() -> None:
    with pytest.raises(schema.BadInput, match="nano or smol"):
        material.of(store.load_suite("paper"))
