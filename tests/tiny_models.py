"""Tiny random models of each architecture, for tests: they are built in milliseconds and computed in float32."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

torch.set_num_threads(1)  # at these sizes a second thread only waits

VOCABULARY = 64
HIDDEN = 32
LAYERS = 2
WIDE = {"initializer_range": 0.2}  # so that no method's effect drowns in rounding

_DRY = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}  # gradients are compared in training mode
_GPT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "n_positions": 256,
    "n_embd": HIDDEN,
    "n_layer": LAYERS,
    "n_head": 4,
    **_DRY,
}
_LLAMA: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt_bigcode": ("GPTBigCode", {**_GPT, "multi_query": True}),
    "gpt2": ("GPT2", _GPT),
    "codegen": ("CodeGen", {**_GPT, "n_ctx": 256, "rotary_dim": 4, "initializer_range": 1.0}),
    "gpt_neox": ("GPTNeoX", {k: v for k, v in _LLAMA.items() if k != "num_key_value_heads"}),
    "llama": ("Llama", _LLAMA),
    "mistral": ("Mistral", _LLAMA),
    "qwen2": ("Qwen2", _LLAMA),
    "qwen3": ("Qwen3", {**_LLAMA, "head_dim": 8}),
    "starcoder2": ("Starcoder2", _LLAMA),
    "gemma3_text": ("Gemma3Text", {**_LLAMA, "head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]}),
}


def tiny(model_type: str = "gpt_bigcode", seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random model in evaluation mode; the same seed gives the same weights."""
    name, fields = CONFIGS[model_type]
    config = getattr(transformers, f"{name}Config")(
        **{**WIDE, **fields, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0, **changes}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = {"GPT2": "GPT2LMHeadModel", "Gemma3Text": "Gemma3ForCausalLM"}.get(name, f"{name}ForCausalLM")
        model: PreTrainedModel = getattr(transformers, head)(config).eval()
    model.generation_config.eos_token_id = None
    return model


def tokens(rows: int = 1, length: int = 7, seed: int = 0) -> torch.Tensor:
    """Random token ids, never 0 (the padding), shape (rows, length)."""
    return torch.randint(1, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


def stir(model: torch.nn.Module, seed: int = 1, std: float = 0.5) -> None:
    """Give every trainable parameter a random value, so that no method stands at its identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)


@lru_cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 300 tokens; 0 ends a document."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(["Question: What does this do?\n\nAnswer: It returns the sum of a list."] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>", bos_token="<|endoftext|>")
