"""A GGUF file made on the spot: a tiny random Llama with a byte tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

library = pytest.importorskip("gguf")
HIDDEN, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 64, 512


def _byte_tokens() -> list[str]:
    """GPT-2's 256 printable stand-ins for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    table = {b: chr(b) for b in plain} | {b: chr(256 + n) for n, b in enumerate(others)}
    return [table[b] for b in range(256)]


def _permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows in llama.cpp's order: rotary pairs next to each other."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def llama() -> torch.nn.Module:
    """The model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=259, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=2,
        intermediate_size=INNER, max_position_embeddings=CONTEXT, tie_word_embeddings=True, rms_norm_eps=1e-5,
        bos_token_id=256, eos_token_id=257,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def write(model: torch.nn.Module, path: Path, quantised: bool = False) -> None:
    """Write it as llama.cpp's converter does, its matrices in Q4_1 if asked for."""
    writer = library.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(259)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    tokens = [*_byte_tokens(), "<s>", "</s>", "ĠĠ"]
    writer.add_token_list(tokens)
    writer.add_token_types(
        [library.TokenType.NORMAL] * 256 + [library.TokenType.CONTROL] * 2 + [library.TokenType.NORMAL]
    )
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", state["model.norm.weight"])
    for layer in range(LAYERS):
        for ours, theirs in names.items():
            weight = state[f"model.layers.{layer}.{ours}.weight"]
            if theirs in ("attn_q", "attn_k"):
                weight = _permuted(weight, HEADS if theirs == "attn_q" else 2)
            kind = library.GGMLQuantizationType.Q4_1
            name = f"blk.{layer}.{theirs}.weight"
            if quantised and weight.ndim == 2:
                writer.add_tensor(name, library.quantize(weight, kind), raw_dtype=kind)
            else:
                writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
