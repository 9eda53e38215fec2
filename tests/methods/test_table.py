"""The table of methods: the paper's numbers, the released module names, clear refusals."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tiny_models import CONFIGS, LAYERS, tiny

from astraios_utils import methods, models, schema, store

# Upstream's training/peft_config.py: which modules of one StarCoder block each method changes. LoRA's "c_proj" is the
# end of both attn.c_proj and mlp.c_proj; "q_attn" exists in multi-head StarCoders only.
RELEASED = {
    "LoRA": {"attn.c_attn", "attn.c_proj", "mlp.c_proj"},
    "AdaLoRA": {"attn.c_attn", "attn.c_proj", "mlp.c_proj"},
    "AdapterH": {"mlp.c_fc", "mlp.c_proj"},
    "AdapterP": {"mlp.c_proj"},
    "Parallel": {"attn.c_attn"},
    "(IA)3": {"attn.c_attn", "mlp.c_proj"},
}


def test_the_table_holds_every_method_of_the_project() -> None:
    assert set(methods.TABLE) == set(schema.ALL_METHODS)


@pytest.mark.parametrize("method", sorted(RELEASED))
def test_methods_change_the_released_modules(method: str) -> None:
    model = models.attach(tiny(), method)
    assert {".".join(n.split(".")[-2:]) for n in model.base_model.targeted_module_names} == RELEASED[method]
    assert len(model.base_model.targeted_module_names) == LAYERS * len(RELEASED[method])


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("LoRA", {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05}),
        ("P-Tuning", {"num_virtual_tokens": 30, "encoder_hidden_size": None}),
        ("Prompt", {"num_virtual_tokens": 30}),
        ("AdaLoRA", {"init_r": 12, "target_r": 8, "tinit": 200, "tfinal": 1000, "deltaT": 10, "lora_alpha": 16}),
        ("AdapterH", {"bottleneck_size": 256, "non_linearity": "tanh", "adapter_dropout": 0.0, "scaling": 1.0}),
        ("AdapterP", {"use_adapterp": True, "use_parallel_adapter": False}),
        ("Parallel", {"use_adapterp": False, "use_parallel_adapter": True}),
        ("(IA)3", {"feedforward_modules": {"mlp.c_proj"}}),
    ],
)
def test_numbers_of_appendix_d(method: str, fields: dict[str, Any]) -> None:
    config = methods.peft_config(method, "gpt_bigcode")
    assert {name: getattr(config, name) for name in fields} == fields


@pytest.mark.parametrize("name", ["nano", "nano-rates", "smol", "zoo"])
def test_suites_of_ours_let_adalora_allocate_its_ranks(name: str) -> None:
    suite = store.load_suite(name)
    config: Any = methods.peft_config("AdaLoRA", "llama", suite.method_configs["AdaLoRA"])
    assert suite.recipe is not None
    assert config.total_step == suite.recipe.steps
    assert 0 < config.tinit < config.total_step - config.tfinal
    assert config.init_r > config.target_r


def test_every_described_architecture_is_tried() -> None:
    assert set(methods.ARCHITECTURES) == set(CONFIGS)


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", schema.ALL_METHODS)
def test_every_method_fits_every_described_architecture(method: str, model_type: str) -> None:
    model = models.attach(tiny(model_type), method)
    trainable = models.trainable_parameters(model)
    total = sum(p.numel() for p in model.parameters())
    assert (trainable == total) == (method == "FFT")
    assert trainable > 0


def test_a_suite_may_change_fields_and_bring_its_own_method() -> None:
    changed = methods.peft_config("LoRA", "llama", {"r": 16, "target_modules": "all-linear"})
    assert (changed.r, changed.target_modules, changed.lora_dropout) == (16, "all-linear", 0.05)
    own = methods.peft_config("DoRA", "gpt2", {"peft_type": "LORA", "use_dora": True, "target_modules": ["c_attn"]})
    assert own.use_dora
    assert models.trainable_parameters(models.attach(tiny("gpt2"), "DoRA", {**own_fields(), "r": 4})) > 0


@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
def test_a_method_may_be_like_another_on_any_architecture(model_type: str) -> None:
    dora = {"like": "LoRA", "use_dora": True}
    own, lora = methods.peft_config("DoRA", model_type, dora), methods.peft_config("LoRA", model_type)
    assert own.use_dora
    assert (own.r, own.lora_alpha, own.target_modules) == (lora.r, lora.lora_alpha, lora.target_modules)
    assert dora == {"like": "LoRA", "use_dora": True}  # what the suite holds is left alone


def test_a_methods_class_is_as_good_a_name_as_its_type() -> None:
    fields = {"r": 4, "target_modules": "all-linear"}
    by_class = methods.peft_config("Mine", "llama", {"peft_type": "VeraConfig", **fields})
    assert by_class == methods.peft_config("Mine", "llama", {"peft_type": "VERA", **fields})


def own_fields() -> dict[str, Any]:
    return {"peft_type": "LORA", "use_dora": True, "target_modules": ["c_attn"], "fan_in_fan_out": True}


@pytest.mark.parametrize(
    ("method", "model_type", "changes", "complaint"),
    [
        ("AdaptrH", "gpt2", {}, "unknown method 'AdaptrH': did you mean AdapterH"),
        ("LoRA", "mamba", {}, "unknown architecture 'mamba': described are gpt_bigcode"),
        ("LoRA", "gpt2", {"rr": 3}, "unknown field of LoraConfig 'rr'"),
        ("Mine", "gpt2", {"peft_type": "LORAA"}, "unknown peft_type 'LORAA': did you mean LORA"),
        ("Mine", "gpt2", {"like": "LoRAA"}, "unknown method 'LoRAA': did you mean LoRA"),
        ("FFT", "gpt2", {"r": 3}, "FFT: has no PEFT configuration to change .r."),
        ("AdaLoRA", "gpt2", {"total_step": 100}, "AdaLoRA: The supplied schedule values don't allow"),
    ],
)
def test_bad_names_and_values_are_one_clear_line(
    method: str, model_type: str, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(schema.BadInput, match=complaint) as caught:
        methods.peft_config(method, model_type, changes)
    assert "\n" not in str(caught.value)


def test_a_base_without_the_modules_is_refused() -> None:
    with pytest.raises(schema.BadInput, match=r"GPT2LMHeadModel has no module q_proj: (did you mean|print)"):
        models.attach(tiny("gpt2"), "LoRA", {"target_modules": ["q_proj", "c_attn"]})


def test_the_table_needs_neither_torch_nor_peft() -> None:
    code = (
        "import sys; from astraios_utils import methods, models; methods.get_method('LoRA')\n"
        "assert not {'torch', 'peft', 'transformers'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
