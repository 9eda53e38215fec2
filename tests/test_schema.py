"""Names are validated and never fall back; suites are cut, not changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from astraios_utils import schema, store


def test_released_suite_is_the_papers_grid() -> None:
    suite = store.load_suite("released")
    assert len(suite.models) == 28  # 4 sizes x 7 methods, section 2.1
    assert suite.models[0] == schema.Model("1B", "LoRA")
    assert len({m.slug for m in suite.models}) == 28


@pytest.mark.parametrize(("method", "slug"), [("(IA)3", "ia3"), ("P-Tuning", "ptuning"), ("FFT", "fft")])
def test_slug_is_the_released_files_spelling(method: str, slug: str) -> None:
    assert schema.method_slug(method) == slug


def test_unknown_names_raise_with_near_matches() -> None:
    with pytest.raises(schema.UnknownName, match="unknown method 'lorra': did you mean LoRA"):
        schema.match("lorra", schema.METHODS, "method")
    with pytest.raises(schema.UnknownName, match="known: 1B, 3B, 7B, 16B"):
        schema.match("zzz", schema.SIZES, "size")


def test_case_is_forgiven() -> None:
    assert schema.match("ADAPTERh", schema.METHODS, "method") == "AdapterH"


def test_slice_keeps_the_rest() -> None:
    suite = store.load_suite("released")
    cut = suite.slice(sizes=["1b"], methods=["lora"])
    assert cut.models == (schema.Model("1B", "LoRA"),)
    assert cut.tasks == suite.tasks
    with pytest.raises(schema.UnknownName):
        suite.slice(tasks=["defekt!"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: x\ntitle: t\ntasks: [defekt]", "unknown task 'defekt': did you mean"),
        ("title: x\ntasks: [defect]", "name: required, and missing"),
        ("name: x\ntitle: t\ntasks: [defect]\nmetods: []", "metods: unknown field; did you mean methods?"),
        ("name: x\ntitle: t\ntasks: [defect]\nmethod_configs: {DoRA: {r: 8}}", "one of your own needs a peft_type"),
        (
            "name: x\ntitle: t\ntasks: [defect]\nmethod_configs: {DoRA: {like: Lora8}}",
            "method (like) 'Lora8': did you mean",
        ),
        ("name: x\ntitle: t\ntasks: [defect]\nmethod_configs: {FFT: {like: LoRA}}", "FFT is a method of the table"),
        ("name: x\ntitle: t\ntasks: [defect]\nsizes: [1B, 1b]", "two models would share the file name 1b-"),
        ("name: x\ntitle: t\ntasks: [defect]\nbases: {1B: {model: m, shape: {n_embd: 8}}}", "has no model_type"),
        ("- a\n- b", "holds a mapping, this one holds a list"),
        ("name: [", "not a YAML file"),
    ],
)
def test_bad_suite_files_are_one_clear_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(schema.BadInput) as caught:
        schema.read_suite(path)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_suite_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitle: T\nsizes: [2M]\nmethods: [LoRA]\ntasks: [defect]\n")
    assert store.load_suite(str(path)).models == (schema.Model("2M", "LoRA"),)
    with pytest.raises(schema.UnknownName, match="released"):
        store.load_suite("releasd")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\ntitel: t\ntasks: [defect]", "titel: unknown field; did you mean title?"),
        ("name: x\ntitle: t\ntaks: [defect]", "taks: unknown field; did you mean tasks?"),
        (
            "name: x\ntitle: t\ntasks: [defect]\nrecipe: {corpus: c, step: 3}",
            "recipe.step: unknown field; did you mean",
        ),
        (
            "name: x\ntitle: t\ntasks: [defect]\nbases: {1B: {modell: m}}",
            "bases.1B.modell: unknown field; did you mean",
        ),
        ("name: x\ntitle: t\ntasks: [defect]\nqqq: 1", "qqq: unknown field; known: name, title"),
        ("name: x\ntitle: 2024-99-99\ntasks: [defect]", "not a YAML file"),
        ("[" * 3000, "not a YAML file"),
    ],
)
def test_misspelt_fields_are_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(schema.BadInput) as caught:
        schema.read_suite(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "/abs", "..", ".", "", ".hidden", "a\\b", "cache", "Cache", "a\0b", "a b"]
)
def test_names_stay_inside_the_build_folder(name: str) -> None:
    with pytest.raises(ValueError, match="name of its folder"):
        schema.Suite(name=name, title="t", tasks=("defect",))


@pytest.mark.parametrize("size", ["../x", "a/b", "", "..", "1 B"])
def test_sizes_that_would_leave_their_folder_are_refused(size: str) -> None:
    with pytest.raises(ValueError, match="names files"):
        schema.Suite(name="x", title="t", tasks=("defect",), sizes=(size,))


def test_methods_without_a_letter_are_refused() -> None:
    with pytest.raises(ValueError, match="names files"):
        schema.Suite(
            name="x",
            title="t",
            tasks=("defect",),
            method_configs={"..": {"like": "LoRA"}},
            methods=("..",),
            sizes=("1B",),
        )
