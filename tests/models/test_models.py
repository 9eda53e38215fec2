"""Table 1 to the digit; prompt-based methods under padding and caching; saved models; one clear line for bad ones."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import CONFIGS, stir, tiny, tokens

from astraios_utils import methods, models, schema
from astraios_utils.models import bases, counting
from astraios_utils.sources import paper

PROMPTS = ("P-Tuning", "Prompt", "Prefix")


def test_all_28_counts_are_the_papers() -> None:
    counted = models.count_parameters().set_index(["size", "method"])
    published = paper.updated_parameters().set_index(["size", "method"])
    assert len(counted) == 28
    assert (counted["parameters"] == published["parameters"].reindex(counted.index)).all()
    assert counted["percent"].to_list() == pytest.approx(published["percent"].reindex(counted.index).to_list())


@pytest.mark.parametrize(
    ("method", "count"),
    [
        # 1B: hidden h = 2048, 24 layers, keys and values of one head: 128 each (multi-query).
        ("Prompt", 30 * 2048),
        ("Prefix", 20 * 24 * 2 * 128),  # 20 positions x layers x (key, value)
        # Rank 12 on h -> h + 256, h -> h and 4h -> h: 12 (in + out) and 12 singular values for each of the three.
        ("AdaLoRA", 24 * 12 * ((2048 + 2304) + (2048 + 2048) + (8192 + 2048) + 3)),
    ],
)
def test_counts_that_table_1_does_not_print(method: str, count: int) -> None:
    assert models.count_parameters(["1B"], [method])["parameters"].item() == count


@pytest.mark.parametrize("method", schema.ALL_METHODS)
def test_counts_from_one_and_two_blocks_are_those_of_whole_models(method: str) -> None:
    with bases.meta():
        whole = models.attach(models.on_meta(models.starcoder_config("3B")), method)
    count = models.trainable_parameters(whole)
    assert models.count_parameters(["3B"], [method])["parameters"].item() == count


@pytest.mark.parametrize("method", ["AdaLoRA", "Parallel", "LoRA"])
def test_counts_of_changed_methods_hold_no_numbers(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attached = []

    def attach(*given: Any) -> Any:
        attached.append(models.attach(*given))
        return attached[-1]

    monkeypatch.setattr(counting, "attach", attach)
    changes = {"AdaLoRA": {"init_r": 12}, "Parallel": {"bottleneck_size": 256}, "LoRA": {"r": 8}}[method]
    changed = models.count_parameters(["1B"], [method], changes)["parameters"].item()
    assert all(parameter.is_meta for model in attached for parameter in model.parameters())
    assert changed == models.count_parameters(["1B"], [method])["parameters"].item()  # these are the table's own values


@pytest.mark.slow
@pytest.mark.ci
def test_the_command_prints_json_in_little_memory() -> None:
    code = "from astraios_utils import models; models.print_parameters(True)"
    held = bytearray(b"1") * (9 << 28)  # a parent's peak is not its child's
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    del held
    printed = json.loads(done.stdout)
    assert [row["parameters"] for row in printed["parameters"]] == [row["paper"] for row in printed["parameters"]]
    assert len(printed["parameters"]) == 28
    assert printed["peak_memory_mib"] < 2048
    assert not done.stderr.strip()


def test_libraries_say_nothing_that_a_user_can_do_nothing_about() -> None:
    assert not logging.getLogger("bitsandbytes.backends.cpu.ops").isEnabledFor(logging.WARNING)
    trainer = logging.getLogger("transformers.trainer_utils")
    said = [
        logging.LogRecord("", logging.WARNING, "", 0, text, None, None) for text in ("mtime may not be reliable", "x")
    ]
    assert [bool(trainer.filter(record)) for record in said] == [False, True]


def prompted(method: str, model_type: str) -> torch.nn.Module:
    model = models.attach(tiny(model_type), method, {"num_virtual_tokens": 5})
    stir(model)
    return model.eval()


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", PROMPTS)
def test_virtual_tokens_act_with_and_without_the_cache(method: str, model_type: str) -> None:
    model, x = prompted(method, model_type), tokens()
    plain = tiny(model_type)(x).logits
    assert not torch.allclose(model(x).logits[:, -x.shape[1] :], plain, atol=1e-2)
    options = {"attention_mask": torch.ones_like(x), "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    cached = model.generate(input_ids=x, use_cache=True, **options)
    stepwise = x
    for _ in range(8):  # no cache: the whole sequence every time
        stepwise = torch.cat([stepwise, model(stepwise).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(cached, stepwise)
    if method == "Prefix":
        with pytest.raises(schema.BadInput, match="use_cache=True only"):
            model.generate(input_ids=x, use_cache=False, **options)
    else:
        assert torch.equal(model.generate(input_ids=x, use_cache=False, **options), stepwise)
    after = model(stepwise).logits[:, -1]  # eight tokens later they still act
    assert not torch.allclose(after, tiny(model_type)(stepwise).logits[:, -1], atol=1e-3)


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
@pytest.mark.parametrize("method", PROMPTS)
def test_left_padding_changes_nothing(method: str, model_type: str) -> None:
    model, x = prompted(method, model_type), tokens()
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), x], dim=1)
    batch = torch.cat([padded, tokens(1, 10, seed=3)])
    mask = (batch != 0).long()
    wanted = model(x).logits[:, -x.shape[1] :]
    got = model(batch, attention_mask=mask).logits[:1, -x.shape[1] :]
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    alone = model.generate(input_ids=x, attention_mask=torch.ones_like(x), **options)
    together = model.generate(input_ids=batch, attention_mask=mask, **options)
    assert torch.equal(together[:1, 3:], alone)


@pytest.mark.parametrize("method", [m for m in schema.ALL_METHODS if m != "FFT"])
def test_adapters_reload_to_the_last_bit(tmp_path: Path, method: str) -> None:
    model = models.attach(tiny(), method)
    stir(model, std=0.1)
    model.eval()
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    assert torch.equal(models.load_adapter(tiny(), tmp_path)(tokens()).logits, model(tokens()).logits)


def test_a_fully_tuned_model_reloads(tmp_path: Path) -> None:
    model = models.attach(tiny(), "FFT")
    model.save_pretrained(tmp_path)
    again = models.load_tuned(schema.Base(model="unused"), tmp_path)
    assert torch.equal(again(tokens()).logits, tiny()(tokens()).logits)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    model = models.attach(tiny(), "AdapterP", {"bottleneck_size": 4})
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    return tmp_path / "adapter"


def refuse(folder: Path, complaint: str, **base: int) -> None:
    with pytest.raises(schema.BadInput, match=complaint) as caught:
        models.load_adapter(tiny(**base), folder)
    assert "\n" not in str(caught.value)


def test_an_adapter_of_another_base_is_refused(adapter: Path) -> None:
    # AdapterP on 2 layers of hidden size 32 (narrowed to 4), where the base has 16.
    other = r"is it an adapter of another base\? size mismatch for .*torch.Size\(\[4, 32\]\) from checkpoint.*\[4, 16\]"
    refuse(adapter, other, n_embd=16)
    refuse(adapter, r"is missing .*h\.2\.mlp\.c_proj\.adapter_down\.weight \(2 such\)", n_layer=3)
    refuse(adapter, r"has, and the model does not have, .*h\.1\.mlp\.c_proj", n_layer=1)
    with pytest.raises(
        schema.BadInput, match=r"another base\? LlamaForCausalLM has no module mlp\.c_proj: did you mean mlp"
    ):
        models.load_adapter(tiny("llama"), adapter)


def test_damaged_checkpoints_are_refused(adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    refuse(adapter, "adapter_model.safetensors: damaged")
    weights.unlink()
    refuse(adapter, "holds neither adapter_model.safetensors nor adapter_model.bin")
    (adapter / "adapter_model.bin").write_bytes(b"not a pickle")
    refuse(adapter, "adapter_model.bin: damaged")
    (adapter / "adapter_config.json").write_text("{")
    refuse(adapter, "no readable adapter_config.json")
    (adapter / "adapter_config.json").write_text("{}")
    refuse(adapter, "names no peft_type")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("__import__('pathlib').Path('exploded').touch()",))


def test_a_pickle_that_runs_code_is_refused(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (adapter / "adapter_model.safetensors").unlink()
    torch.save({"weight": Bomb()}, adapter / "adapter_model.bin")
    refuse(adapter, "adapter_model.bin: damaged, or not a file of tensors")
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Bomb()))
    refuse(adapter, "adapter_model.bin: damaged, or not a file of tensors")
    assert not (tmp_path / "exploded").exists()


def test_an_unknown_kind_of_adapter_is_refused(adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "BOTTLENEK"}))
    refuse(adapter, "no readable adapter_config.json")


def test_a_base_that_cannot_be_had_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = schema.Base(model=str(tmp_path / "nowhere"))
    for load in (models.load_base, models.load_tokenizer):
        with pytest.raises(schema.MissingArtefact, match="name a folder in the suite's bases") as caught:
            load(base)
        assert "\n" not in str(caught.value)


def test_a_shape_stands_in_for_a_configuration_that_cannot_be_reached() -> None:
    shape = {"model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 3, "vocab_size": 100}
    config = models.load_config(schema.Base(model="nobody/nothing", shape=shape))
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == ("qwen2", 64, 3)
    with pytest.raises(schema.UnknownName, match="unknown model_type 'qwen22': did you mean qwen2"):
        models.load_config(schema.Base(model="nobody/nothing", shape={**shape, "model_type": "qwen22"}))


def test_a_folder_says_its_own_shape(tmp_path: Path) -> None:
    tiny("llama").config.save_pretrained(tmp_path)
    assert models.load_config(schema.Base(model=str(tmp_path))).model_type == "llama"
    with pytest.raises(schema.MissingArtefact, match="nowhere: no such folder, and unavailable from the hub"):
        models.load_config(schema.Base(model=str(tmp_path / "nowhere")))


def test_a_folder_without_a_whole_base_is_one_line(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    for load in (models.load_base, models.load_tokenizer):  # there is no tokenizer at all
        with pytest.raises(schema.MissingArtefact, match="no whole base model with a tokenizer") as caught:
            load(schema.Base(model=str(tmp_path)))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
def test_sequences_that_the_base_has_no_positions_for_are_refused(model_type: str) -> None:
    base, behind = tiny(model_type), models.attach(tiny(model_type), "Prompt")  # 256 positions, 30 virtual tokens
    models.require_room(base, 256)
    models.require_room(behind, 226)
    with pytest.raises(schema.BadInput, match="sequence_length 257: the base has 256 positions; shorten it to 256"):
        models.require_room(base, 257)
    with pytest.raises(schema.BadInput, match=r"227 behind 30 virtual tokens: .* shorten it to 226"):
        models.require_room(behind, 227)


def test_a_value_of_the_wrong_type_is_one_line() -> None:
    with pytest.raises(schema.BadInput, match=r"LoRA: PEFT refused a value of its configuration: '<=' not"):
        models.attach(tiny(), "LoRA", {"r": "eight"})


@pytest.mark.parametrize(
    ("name", "changes", "full"),
    [("FFT", None, True), ("LoRA", {}, False), ("patient", {"like": "fft"}, True), ("mine", {"like": "LoRA"}, False)],
)
def test_full_fine_tuning_by_any_name_is_held_in_float32(name: str, changes: dict[str, str], full: bool) -> None:
    recipe = schema.Recipe(corpus="x")
    assert methods.is_full(name, changes) is full
    held = models.weights_precision(recipe, methods.is_full(name, changes), cuda=True)
    assert held == ("float32" if full else "8bit")


@pytest.mark.parametrize(
    ("architecture", "method", "merges"),
    [
        ("gpt_bigcode", "LoRA", True),
        ("gpt_bigcode", "AdaLoRA", True),
        ("gpt_bigcode", "(IA)3", True),
        ("gpt2", "LoRA", True),
        ("gpt2", "(IA)3", True),
        ("gpt_bigcode", "AdapterH", False),
        ("gpt_bigcode", "Prompt", False),
    ],
)
def test_only_what_changes_weights_is_merged_and_only_in_float32(architecture: str, method: str, merges: bool) -> None:
    ids = torch.arange(2, 12)[None]
    for dtype in (torch.float32, torch.bfloat16):
        tuned = models.attach(tiny(architecture).to(dtype), method).eval()
        stir(tuned, std=0.1)
        expected = tuned(input_ids=ids).logits
        got = models.merged(tuned)
        assert hasattr(got, "peft_config") is not (merges and dtype == torch.float32)
        torch.testing.assert_close(got(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)


def test_an_adapter_on_one_end_of_a_tied_weight_stays_apart() -> None:
    tuned = models.attach(tiny("gpt2"), "tied", {"like": "LoRA", "target_modules": ["c_attn", "wte"]}).eval()
    assert not models.can_merge(tuned)
    assert models.merged(tuned) is tuned
    untied = models.attach(tiny("gpt2"), "untied", {"like": "LoRA", "target_modules": ["c_attn"]}).eval()
    assert models.can_merge(untied)


def test_precision_follows_the_recipe_and_says_where_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = schema.Recipe(corpus="x")
    assert models.weights_precision(recipe, full=False, cuda=True) == "8bit"
    assert models.weights_precision(recipe, full=True, cuda=True) == "float32"
    assert not capsys.readouterr().err
    assert models.weights_precision(recipe, full=False, cuda=False) == "float32"
    assert "no GPU: the base is held in float32 instead of 8bit" in capsys.readouterr().err


def test_ia3_scales_what_the_table_says() -> None:
    config = methods.peft_config("(IA)3", "gpt_bigcode")
    assert config.feedforward_modules < config.target_modules
