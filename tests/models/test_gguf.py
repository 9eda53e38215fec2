"""GGUF files made on the spot: the converted checkpoint computes what the original does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_gguf import library, llama, write

from astraios_utils import schema
from astraios_utils.models import gguf


def test_the_checkpoint_answers_as_the_original_and_is_kept(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = llama()
    write(model, tmp_path / "m.gguf")
    folder = gguf.convert(tmp_path / "m.gguf", tmp_path / "plain")
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([[5, 17, 200, 3, 64]])
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits)
    assert not hasattr(loaded.config, "quantization_config")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer("a = 'ü'\n")["input_ids"], skip_special_tokens=True) == "a = 'ü'\n"
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert gguf.convert(tmp_path / "m.gguf", folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_the_error_of_a_quantised_file_is_what_its_weights_show(tmp_path: Path) -> None:
    model = llama()
    write(model, tmp_path / "q.gguf", quantised=True)
    found = gguf.quantisation(tmp_path / "q.gguf").set_index("name")
    row = found.loc["blk.0.ffn_up.weight"]
    assert row["kind"] == "Q4_1"
    assert found.loc["output_norm.weight", "relative_error"] == 0
    weight = model.state_dict()["model.layers.0.mlp.up_proj.weight"].numpy()
    held = library.dequantize(
        library.quantize(weight, library.GGMLQuantizationType.Q4_1), library.GGMLQuantizationType.Q4_1
    )
    shown = np.sqrt(np.mean((held - weight) ** 2) / np.mean(weight**2))
    assert row["relative_error"] == pytest.approx(shown, rel=0.1)


def test_what_is_no_gguf_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(schema.MissingArtefact, match="no such GGUF file"):
        gguf.convert(tmp_path / "absent.gguf", tmp_path / "out")
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    with pytest.raises(schema.BadInput, match=r"bad\.gguf: not a GGUF") as told:
        gguf.convert(tmp_path / "bad.gguf", tmp_path / "out")
    assert "\n" not in str(told.value)
    with pytest.raises(schema.BadInput, match="not a GGUF file"):
        gguf.quantisation(tmp_path / "bad.gguf")
    assert not (tmp_path / "out").exists()
