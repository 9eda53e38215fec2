"""The shipped suites are in order and count what their makers state; each fault of a suite is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_models import tiny

from astraios_utils import cli, models, schema, store
from astraios_utils.planning import estimates, memory
from astraios_utils.preflight import suite_check

A100 = estimates.get_gpu("A100-80GB")


@pytest.mark.parametrize(
    ("suite", "size", "count"),
    [
        ("starcoder2", "3B", 3_030_371_328),
        ("qwen2.5-coder", "0.5B", 494_032_768),
        ("qwen2.5-coder", "1.5B", 1_543_714_304),
        ("qwen2.5-coder", "7B", 7_615_616_512),
    ],
)
def test_shipped_shapes_have_the_parameters_of_the_hubs_models(suite: str, size: str, count: int) -> None:
    """The counts that the hub shows for the models' safetensors."""
    base = store.load_suite(suite).bases[size]
    assert models.trainable_parameters(models.on_meta(models.load_config(base))) == count


def test_the_papers_bases_have_the_shapes_that_table_1_is_counted_from() -> None:
    for size, base in store.load_suite("paper").bases.items():
        ours, counted = models.load_config(base), models.starcoder_config(size)
        for field in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "multi_query"):
            assert getattr(ours, field) == getattr(counted, field), (size, field)


def test_every_shipped_suite_names_what_exists() -> None:
    for path in sorted((store.data_dir() / "suites").glob("*.yaml")):
        assert list(suite_check.names(store.load_suite(path.stem))) == [], path.name


@pytest.mark.slow
@pytest.mark.ci
def test_methods_of_the_users_own_are_planned_like_others(capsys: pytest.CaptureFixture[str]) -> None:
    suite = store.load_suite("starcoder2").slice(methods=["DoRA"])
    [row] = suite_check.check(suite, A100)
    # LoRA's numbers (rank 8 on q, k, v, o, c_proj), and a magnitude per output: 3072 + 2 x 256 + 3072 + 3072 a block.
    lora = 8 * ((3072 + 3072) + 2 * (3072 + 256) + (3072 + 3072) + (12288 + 3072))
    assert row.plan.trained == 30 * (lora + 3072 + 2 * 256 + 3072 + 3072)
    assert row.fits
    said = capsys.readouterr().out
    assert "3,030,371,328" in said
    assert "estimated, not measured" in said


def test_the_untuned_base_is_not_planned() -> None:
    said: list[str] = []
    [row] = suite_check.check(store.load_suite("nano").slice(["65K"], ["Base", "LoRA"]), A100, say=said.append)
    assert row.model.method == "LoRA"
    assert [line.split() for line in said if "Base" in line] == [["65K", "Base", "not", "trained"]]


def test_what_does_not_fit_is_told_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    suite = store.load_suite("qwen2.5-coder").slice(["0.5B"], ["FFT"])
    [row] = suite_check.check(suite, estimates.Gpu("small", 8.0, 1e12, 1e11))
    assert not row.fits
    assert "does not fit; what would: 2 such GPUs" in capsys.readouterr().out


def test_a_card_without_bfloat16_has_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A T4 holds a 16-bit base in float16; the same speed is assumed of both."""
    suite = store.load_suite("qwen2.5-coder").slice(["0.5B"], ["LoRA"])
    assert not estimates.get_gpu("T4").bfloat16
    monkeypatch.setattr(models, "weights_precision", lambda *_, **__: "float16")
    [row] = suite_check.check(suite, estimates.get_gpu("T4"), say=lambda _: None)
    assert row.train_hours > 0


def test_generation_that_does_not_fit_is_said(own: dict[str, Any]) -> None:
    said: list[str] = []
    suite_check.check(schema.Suite(**own), estimates.Gpu("small", 0.7381, 1e12, 1e11), say=said.append)
    [line] = [line for line in said if "generation:" in line]
    assert "rows of 128 tokens in bfloat16 take up to" in line
    assert line.endswith("set sampling.rows lower, or another sampling.precision")


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    tiny("llama").config.save_pretrained(tmp_path / "base")
    return {
        "name": "mine",
        "title": "Mine",
        "sizes": ["tiny"],
        "methods": ["DoRA"],
        "method_configs": {"DoRA": {"like": "LoRA", "use_dora": True}},
        "tasks": ["synthesize-python"],
        "bases": {"tiny": {"model": str(tmp_path / "base")}},
        "recipe": {"corpus": "somebody/corpus", "sequence_length": 64, "base_precision": "bfloat16"},
        "sampling": {"max_length": 128},
    }


def faults(own: dict[str, Any]) -> list[str]:
    with pytest.raises(schema.BadInput) as caught:
        suite_check.check(schema.Suite(**own), A100, say=lambda _: None)
    return str(caught.value).splitlines()


def test_a_folder_with_a_configuration_is_enough(own: dict[str, Any]) -> None:
    [row] = suite_check.check(schema.Suite(**own), A100, say=lambda _: None)
    assert row.plan.total < memory.GIB


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"notebooks": ["09_none"]}, "suite mine: notebooks: there is no 09_none (01_train"),
        ({"sizes": ["tiny", "small"]}, "suite mine: bases: none of size small is named"),
        ({"method_configs": {"DoRA": {"like": "LoRA", "use_dorra": True}}}, "unknown field of LoraConfig 'use_dorra'"),
        ({"method_configs": {"DoRA": {"like": "LoRA", "target_modules": ["w_proj"]}}}, "has no module w_proj: did you"),
        ({"recipe": {"corpus": "c", "sequence_length": 2048}}, "tiny DoRA: sequence_length 2048: the base has 256"),
        ({"recipe": {"corpus": "/nowhere/c.jsonl", "sequence_length": 64}}, "recipe.corpus: /nowhere/c.jsonl: no such"),
        ({"problems": {"defect": "/nowhere/p.jsonl"}}, "suite mine: problems.defect: /nowhere/p.jsonl: "),
        ({"sampling": {}}, "tiny DoRA: max_length 2048 of synthesize-python is more than the base's 256 positions"),
        ({"sampling": {"max_length": 250}, "methods": ["Prompt"]},
         "max_length 250 of synthesize-python and 30 virtual tokens is more than the base's 256 positions: set "
         "sampling.max_length to at most 226"),
        ({"method_configs": {"DoRA": {"like": "LoRA", "target_modules": ["lm_head"]}}}, "adapter of lm_head cannot be"),
        ({"method_configs": {"DoRA": {"like": "LoRA", "target_modules": ["q_proj", "embed_tokens"]}}},
         "tiny DoRA: an adapter of embed_tokens cannot be read back from its checkpoint: leave embed_tokens out"),
        ({"method_configs": {"DoRA": {"peft_type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 4}}},
         "tiny DoRA: DoRA: MULTITASK_PROMPT_TUNING cannot be used"),
        ({"method_configs": {"DoRA": {"peft_type": "POLY", "target_modules": ["q_proj"]}}}, "tiny DoRA: "),
        ({"backend": "vllm", "method_configs": {"DoRA": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}}},
         "tiny DoRA: tiny-dora: vLLM cannot serve DoRA (virtual tokens)"),
    ],
)  # fmt: skip
def test_faults_are_one_line_each(own: dict[str, Any], changes: dict[str, Any], complaint: str) -> None:
    [line] = faults({**own, **changes})
    assert complaint in line


def test_a_shape_that_contradicts_the_folder_is_a_fault(own: dict[str, Any]) -> None:
    shape = {"model_type": "llama", "hidden_size": 48, "num_hidden_layers": 2}
    own["bases"]["tiny"]["shape"] = shape
    [line] = faults(own)
    assert "bases.tiny.shape: hidden_size is 48, but 32 in" in line


def test_all_faults_come_at_once_and_exit_2(
    own: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own |= {"notebooks": ["09_none"], "sizes": ["tiny", "small"]}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(own))
    assert cli.main(["suite", "check", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith("error: suite mine: ") for line in said)


def test_a_base_that_cannot_be_had_asks_for_its_shape(own: dict[str, Any], tmp_path: Path) -> None:
    own["bases"]["tiny"]["model"] = str(tmp_path / "nowhere")
    [line] = faults(own)
    assert "no such folder" in line
    assert line.endswith("or give its shape in the suite")


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_adapters_of_tied_weights_are_one_line(own: dict[str, Any], tmp_path: Path, target: str) -> None:
    config = tiny("llama").config
    config.tie_word_embeddings = True
    config.save_pretrained(tmp_path / "base")
    own["method_configs"] = {"DoRA": {"like": "LoRA", "target_modules": [target]}}
    [line] = faults(own)
    assert "tiny DoRA: " in line


def test_an_incomplete_grid_of_perturbations_is_a_fault(own: dict[str, Any], tmp_path: Path) -> None:
    row = {"prompt": "def f(x):\n", "entry_point": "f", "test": "assert f(1) == 1", "perturbation_name": "tabs"}
    rows = [row | {"task_id": name, "seed": seed} for name, seed in (("a", 0), ("b", 0), ("a", 1))]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own |= {"tasks": ["recode-format"], "problems": {"recode-format": str(path)}}
    [line] = faults(own)
    assert "problems.recode-format: " in line
    assert "tabs, seed 1: 1 of 2 problems missing (b)" in line


def test_a_folder_with_weights_and_no_tokenizer_is_a_fault(own: dict[str, Any], tmp_path: Path) -> None:
    tiny("llama").save_pretrained(tmp_path / "base")
    [line] = faults(own)
    assert line.startswith("suite mine: bases.tiny: ")
