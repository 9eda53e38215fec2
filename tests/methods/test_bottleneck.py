"""The bottleneck tuner against written-out formulas, and as a citizen of PEFT."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from tiny_models import CONFIGS, HIDDEN, LAYERS, stir, tiny, tokens
from transformers import BitsAndBytesConfig, GPTBigCodeForCausalLM, PreTrainedModel
from transformers.activations import ACT2FN

from astraios_utils import methods, models, schema
from astraios_utils.methods.bottleneck import BottleneckConfig, BottleneckLayer, BottleneckModel, register

SIZE = 8
VARIANTS = ("AdapterH", "AdapterP", "Parallel")
# The released configurations (upstream's training/peft_config.py), at a smaller bottleneck.
RELEASED: dict[str, dict[str, Any]] = {
    "AdapterH": {"target_modules": ["c_fc", "mlp.c_proj"], "use_parallel_adapter": False, "use_adapterp": False},
    "AdapterP": {"target_modules": ["mlp.c_proj"], "use_parallel_adapter": False, "use_adapterp": True},
    "Parallel": {"target_modules": ["c_attn", "q_attn"], "use_parallel_adapter": True, "use_adapterp": False},
}


def tuned(method: str, model_type: str = "gpt_bigcode", **changes: Any) -> PeftModel:
    model = models.attach(tiny(model_type), method, {"bottleneck_size": SIZE, **changes})
    stir(model)
    return model.eval()


def layers(model: torch.nn.Module) -> dict[str, BottleneckLayer]:
    return {name: m for name, m in model.named_modules() if isinstance(m, BottleneckLayer)}


def write_released(folder: Path, model: PeftModel, method: str) -> None:
    """A checkpoint as the paper's fork wrote it: that ``adapter_config.json``, a pickle, keys without adapter name."""
    folder.mkdir()
    config = {
        "adapter_dropout": 0.0,
        "auto_mapping": None,
        "base_model_name_or_path": "bigcode/starcoderbase-1b",
        "bias": "none",
        "bottleneck_size": SIZE,
        "inference_mode": True,
        "init_weights": "bert",
        "modules_to_save": None,
        "non_linearity": "tanh",
        "peft_type": "BOTTLENECK",
        "revision": None,
        "scaling": 1.0,
        "task_type": "CAUSAL_LM",
        **RELEASED[method],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    weights = {k.replace(".default", ""): v.clone() for k, v in model.state_dict().items() if "adapter_" in k}
    torch.save(weights, folder / "adapter_model.bin")


@pytest.mark.parametrize(
    ("model_type", "method", "places"),
    [
        # Written out from the issue and LLM-Adapters' mappings: which layers of a block, and where at each.
        ("gpt_bigcode", "AdapterH", {"mlp.c_fc": "input", "mlp.c_proj": "output"}),
        ("gpt_bigcode", "AdapterP", {"mlp.c_proj": "output"}),
        ("gpt_bigcode", "Parallel", {"attn.c_attn": "parallel"}),
        ("gpt2", "AdapterH", {"mlp.c_fc": "input", "mlp.c_proj": "output"}),
        ("gpt2", "Parallel", {"attn.c_attn": "parallel"}),
        ("llama", "AdapterH", {"mlp.gate_proj": "input", "mlp.up_proj": "input", "mlp.down_proj": "output"}),
        ("qwen2", "AdapterP", {"mlp.down_proj": "output"}),
        ("qwen2", "Parallel", {f"self_attn.{p}_proj": "parallel" for p in "qkv"}),
        ("starcoder2", "AdapterH", {"mlp.c_fc": "input", "mlp.c_proj": "output"}),
    ],
)
def test_adapters_stand_where_the_table_says(model_type: str, method: str, places: dict[str, str]) -> None:
    found = [(".".join(name.split(".")[-2:]), m.place) for name, m in layers(tuned(method, model_type)).items()]
    assert sorted(found) == sorted(list(places.items()) * LAYERS)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu"])
@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", VARIANTS)
def test_each_layer_equals_its_formula(method: str, model_type: str, activation: str) -> None:
    model = tuned(method, model_type, non_linearity=activation, scaling=0.75)
    for layer in layers(model).values():
        base = layer.base_layer
        w = base.weight.T if isinstance(base, torch.nn.Linear) else base.weight  # Conv1D stores (in, out)
        b = 0 if base.bias is None else base.bias
        down, up = layer.adapter_down["default"].weight, layer.adapter_up["default"].weight
        x = torch.randn(3, 5, layer.in_features)

        def f(v: torch.Tensor, down: torch.Tensor = down, up: torch.Tensor = up) -> torch.Tensor:
            return 0.75 * (ACT2FN[activation](v @ down.T) @ up.T)

        wanted = {
            "input": lambda x=x, w=w, b=b, f=f: (x + f(x)) @ w + b,
            "output": lambda x=x, w=w, b=b, f=f: (x @ w + b) + f(x @ w + b),
            "parallel": lambda x=x, w=w, b=b, f=f: (x @ w + b) + f(x),
        }[layer.place]()
        torch.testing.assert_close(layer(x), wanted, rtol=1e-6, atol=1e-6 * wanted.abs().max().item())


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", VARIANTS)
def test_identity_when_up_is_zero(method: str, model_type: str) -> None:
    model = models.attach(tiny(model_type), method, {"bottleneck_size": SIZE, "init_weights": "mam_adapter"})
    assert all(not m.adapter_up["default"].weight.any() for m in layers(model).values())
    assert torch.equal(model(tokens()).logits, tiny(model_type)(tokens()).logits)


def test_paper_initialisation_is_normal_with_a_fiftieth() -> None:
    model = models.attach(tiny(), "AdapterH", {"bottleneck_size": 256})
    for layer in layers(model).values():
        for weight in (layer.adapter_down["default"].weight, layer.adapter_up["default"].weight):
            # 8,192 draws or more: the sample's standard deviation is within 5 of its errors (0.02 / sqrt(2 n)).
            assert abs(float(weight.std()) - 0.02) < 5 * 0.02 / (2 * weight.numel()) ** 0.5


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", VARIANTS)
def test_gradients_reach_the_adapter_only(method: str, model_type: str) -> None:
    model = tuned(method, model_type).train()
    model(tokens(2), labels=tokens(2)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("adapter_" in name)
        assert (parameter.grad is not None and bool(parameter.grad.any())) == ("adapter_" in name), name


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("method", VARIANTS)
def test_gradient_checkpointing_gives_the_same_gradients(method: str, reentrant: bool) -> None:
    plain, saving = tuned(method).train(), tuned(method).train()
    saving.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    saving.enable_input_require_grads()
    for model in (plain, saving):
        model(tokens(2), labels=tokens(2), use_cache=False).loss.backward()
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        if a.requires_grad:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", VARIANTS)
def test_saved_and_reloaded_to_the_last_bit(tmp_path: Path, method: str, model_type: str, dtype: torch.dtype) -> None:
    model = models.attach(tiny(model_type).to(dtype), method, {"bottleneck_size": SIZE}).eval()
    stir(model)
    wanted = model(tokens()).logits
    model.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_model.safetensors").exists()
    assert all(".default" not in key for key in load_file(tmp_path / "adapter_model.safetensors"))
    again = PeftModel.from_pretrained(tiny(model_type).to(dtype), tmp_path).eval()
    assert torch.equal(again(tokens()).logits, wanted)
    assert torch.equal(models.load_adapter(tiny(model_type).to(dtype), tmp_path)(tokens()).logits, wanted)


@pytest.mark.parametrize("method", VARIANTS)
def test_released_checkpoints_load_to_the_last_bit(tmp_path: Path, method: str) -> None:
    model = tuned(method)
    write_released(tmp_path / "released", model, method)
    keys = torch.load(tmp_path / "released" / "adapter_model.bin", weights_only=True)
    assert set(keys) >= {
        "base_model.model.transformer.h.0."
        + {"AdapterH": "mlp.c_fc", "AdapterP": "mlp.c_proj", "Parallel": "attn.c_attn"}[method]
        + ".adapter_down.weight"
    }
    wanted = model(tokens()).logits
    assert torch.equal(PeftModel.from_pretrained(tiny(), tmp_path / "released")(tokens()).logits, wanted)
    loaded = models.load_adapter(tiny(), tmp_path / "released")
    assert torch.equal(loaded(tokens()).logits, wanted)
    assert not any(p.requires_grad for p in loaded.parameters())
    # Saved again, it is PEFT's own form, with the same tensors.
    loaded.save_pretrained(tmp_path / "ours", save_embedding_layers=False)  # "auto" would ask the hub
    ours = load_file(tmp_path / "ours" / "adapter_model.safetensors")
    assert set(ours) == set(keys)
    assert all(torch.equal(ours[k], keys[k]) for k in keys)


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", VARIANTS)
def test_disabling_gives_the_base_model(method: str, model_type: str) -> None:
    model = tuned(method, model_type)
    base = tiny(model_type)(tokens()).logits
    assert not torch.allclose(model(tokens()).logits, base, atol=1e-2)
    with model.disable_adapter():
        assert torch.equal(model(tokens()).logits, base)
    assert not torch.equal(model(tokens()).logits, base)
    assert torch.equal(model.unload()(tokens()).logits, base)


def test_several_adapters_switch_add_up_and_go() -> None:
    model = tuned("Parallel")
    first = model(tokens()).logits
    model.add_adapter("second", methods.peft_config("Parallel", "gpt_bigcode", {"bottleneck_size": 4}))
    assert torch.equal(model(tokens()).logits, first)  # a new adapter does not act until it is chosen
    assert not any(p.requires_grad for n, p in model.named_parameters() if ".second." in n)
    model.set_adapter("second")
    assert [p.requires_grad for n, p in model.named_parameters() if ".default." in n] == [False] * 2 * LAYERS
    second = model(tokens()).logits
    assert not torch.equal(second, first)
    model.base_model.set_adapter(["default", "second"])
    layer = next(iter(layers(model).values()))
    x = torch.randn(2, HIDDEN)
    parts = [
        layer.adapter_up[name](torch.tanh(layer.adapter_down[name](x))) for name in ("default", "second")
    ]  # f_1(x) + f_2(x), beside W x
    torch.testing.assert_close(layer(x), layer.base_layer(x) + parts[0] + parts[1], rtol=1e-6, atol=1e-5)
    model.set_adapter("second")
    model.delete_adapter("default")
    assert torch.equal(model(tokens()).logits, second)


def test_adapters_of_unlike_places_do_not_share_a_layer() -> None:
    model = tuned("AdapterP")
    other = BottleneckConfig(target_modules=["mlp.c_proj"], use_parallel_adapter=True, task_type="CAUSAL_LM")
    with pytest.raises(schema.BadInput, match="load them into separate models"):
        model.add_adapter("second", other)


@pytest.mark.parametrize("method", VARIANTS)
def test_half_precision_bases_keep_the_adapter_in_float32(method: str) -> None:
    model = models.attach(tiny().to(torch.bfloat16), method, {"bottleneck_size": SIZE}).eval()
    stir(model)
    for layer in layers(model).values():
        assert layer.adapter_down["default"].weight.dtype == torch.float32
        x = torch.randn(2, 3, layer.in_features).bfloat16()
        y = layer.base_layer(x)
        given = {"input": x, "output": y, "parallel": x}[layer.place]
        down, up = layer.adapter_down["default"].weight, layer.adapter_up["default"].weight
        delta = (torch.tanh(given.float() @ down.T) @ up.T).bfloat16()  # float32 inside, rounded once
        wanted = layer.base_layer(x + delta) if layer.place == "input" else y + delta
        assert torch.equal(layer(x), wanted)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer(x), wanted)


@pytest.mark.parametrize("method", VARIANTS)
def test_eight_bit_bases(tmp_path: Path, method: str) -> None:
    tiny().save_pretrained(tmp_path)

    def base() -> PreTrainedModel:
        return GPTBigCodeForCausalLM.from_pretrained(
            tmp_path, quantization_config=BitsAndBytesConfig(load_in_8bit=True), dtype=torch.bfloat16
        ).eval()

    import bitsandbytes

    model = models.attach(base(), method, {"bottleneck_size": SIZE})
    found = layers(model)
    assert found
    assert all(isinstance(m.base_layer, bitsandbytes.nn.Linear8bitLt) for m in found.values())
    stir(model)
    logits = model(tokens()).logits
    with model.disable_adapter():
        assert torch.equal(model(tokens()).logits, base()(tokens()).logits)
    model.train()(tokens(), labels=tokens()).loss.backward()
    assert all((p.grad is not None) == ("adapter_" in n) for n, p in model.named_parameters())
    model.eval().save_pretrained(tmp_path / "adapter")
    assert torch.equal(models.load_adapter(base(), tmp_path / "adapter")(tokens()).logits, logits)


def test_dropout_acts_in_training_only() -> None:
    model = tuned("AdapterP", adapter_dropout=0.5)
    assert torch.equal(model(tokens()).logits, model(tokens()).logits)
    model.train()
    layer = next(iter(layers(model).values()))
    x = torch.randn(64, layer.in_features)
    torch.manual_seed(0)
    once = layer(x)
    assert not torch.allclose(once, layer(x))


def test_merging_is_refused() -> None:
    for merge in (lambda m: m.merge_and_unload(), lambda m: m.merge_adapter()):
        with pytest.raises(schema.BadInput, match="cannot be merged"):
            merge(tuned("AdapterH"))


def test_registered_with_the_pinned_peft() -> None:
    lock = (Path(__file__).parents[2] / "requirements.lock").read_text()
    assert f"\npeft=={peft.__version__}\n" in lock  # the registration is tested against exactly this version
    register()  # the second time does nothing
    kind = peft.PeftType("BOTTLENECK")
    assert kind is peft.PeftType.BOTTLENECK
    assert peft.mapping.PEFT_TYPE_TO_TUNER_MAPPING[kind] is BottleneckModel
    assert pickle.loads(pickle.dumps(kind)) is kind
    config = peft.get_peft_config({"peft_type": "BOTTLENECK", "task_type": "CAUSAL_LM", "target_modules": ["c_fc"]})
    assert isinstance(config, BottleneckConfig)


def test_another_tuner_of_that_name_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = peft.PeftType("BOTTLENECK")
    monkeypatch.setitem(peft.mapping.PEFT_TYPE_TO_TUNER_MAPPING, kind, peft.LoraModel)
    with pytest.raises(schema.BadInput, match=r"peft\.tuners\.lora\.model already provides BOTTLENECK"):
        register()


def test_default_targets_are_those_of_adapterh() -> None:
    model = get_peft_model(tiny(), BottleneckConfig(bottleneck_size=SIZE, task_type="CAUSAL_LM"))
    assert len(layers(model)) == 2 * LAYERS


def test_placement_opens_architectures_that_the_table_lacks() -> None:
    fields = {"target_modules": ["attn.c_proj"], "bottleneck_size": SIZE, "task_type": "CAUSAL_LM"}
    with pytest.raises(schema.BadInput, match="say it in the config's placement"):
        get_peft_model(tiny(), BottleneckConfig(**fields))
    model = get_peft_model(tiny(), BottleneckConfig(**fields, placement={"attn.c_proj": "output"}))
    assert {m.place for m in layers(model).values()} == {"output"}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"bottleneck_size": 0}, "bottleneck_size must be 1 or more, not 0"),
        ({"adapter_dropout": 1.0}, r"adapter_dropout must be in \[0, 1\), not 1.0"),
        ({"scaling": "learned"}, "scaling must be a number, not 'learned'"),
        ({"init_weights": "brt"}, "unknown init_weights 'brt': did you mean bert"),
        ({"non_linearity": "tanhh"}, "unknown non_linearity 'tanhh': did you mean tanh"),
        ({"bias": "all"}, "bias must be 'none', not 'all'"),
        ({"placement": {"c_fc": "inputs"}}, "unknown placement 'inputs': did you mean input"),
    ],
)
def test_bad_configurations_are_one_clear_line(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(schema.BadInput, match=complaint) as caught:
        BottleneckConfig(**fields)
    assert "\n" not in str(caught.value)


def test_a_misspelled_module_is_named_with_near_matches() -> None:
    # One of the two exists: PEFT alone would train half of the method and say nothing.
    config = BottleneckConfig(target_modules=["c_fc", "mlp.c_prj"], task_type="CAUSAL_LM")
    with pytest.raises(schema.BadInput, match=r"has no module mlp\.c_prj: did you mean mlp\.c_proj"):
        get_peft_model(tiny(), config)
