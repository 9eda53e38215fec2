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
        ("name: x\ntasks: [defect]", "title: Field required"),
        ("name: x\ntitle: t\ntasks: [defect]\nmetods: []", "metods: Extra inputs"),
        ("name: x\ntitle: t\ntasks: [defect]\nmethod_configs: {DoRA: {r: 8}}", "one of your own needs a peft_type"),
        (
            "name: x\ntitle: t\ntasks: [defect]\nmethod_configs: {DoRA: {like: Lora8}}",
            "method (like) 'Lora8': did you mean",
        ),
        ("name: x\ntitle: t\ntasks: [defect]\nmethod_configs: {FFT: {like: LoRA}}", "FFT is a method of the table"),
        ("name: x\ntitle: t\ntasks: [defect]\nsizes: [1B, 1b]", "two models would share the file name 1b-"),
        ("name: x\ntitle: t\ntasks: [defect]\nbases: {1B: {model: m, shape: {n_embd: 8}}}", "lacks model_type"),
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
