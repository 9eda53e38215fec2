"""The decoding step of Llama and GPTBigCode without transformers' model code, on a cache that shares prompts.

transformers' step serves every architecture. It also spends time on what one token per row does not need: masks,
repeated keys, wrappers around each layer. This step calls the same projections, norms and MLPs, so that adapters on
linear layers work unchanged, and does the rest itself. A model is eligible where nothing that it replaces was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from transformers.models.gpt_bigcode import modeling_gpt_bigcode as bigcode
from transformers.models.llama import modeling_llama as llama

from .shared import SharedStore


class Step(Protocol):
    """The decoding step of one architecture."""

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor, store: SharedStore) -> torch.Tensor:
        """Append a token to each row, tokens and positions (rows,), int64; returns logits (rows, vocabulary)."""


def direct_step(base: Any) -> Step | None:
    """The direct step of a base model in float32 or wider on a CPU, ``None`` where transformers' step must do."""
    kind = _STEPS.get(type(base))
    weight = base.get_input_embeddings().weight
    if kind is None or weight.device.type != "cpu" or weight.dtype.itemsize < torch.float32.itemsize:
        return None
    return kind(base) if kind.knows(base) else None


def _untouched(modules: Sequence[tuple[Any, Any]]) -> bool:
    """Whether each module is of exactly that class and carries no hooks."""
    return all(
        type(module) is wanted and not module._forward_hooks and not module._forward_pre_hooks
        for module, wanted in modules
    )


class BigCodeStep:
    """GPTBigCode, with one or many heads of keys and values."""

    def __init__(self, base: Any) -> None:
        self.base, self.model = base, base.transformer

    @staticmethod
    def knows(base: Any) -> bool:
        """Whether the model's blocks and attention are transformers' own."""
        model = base.transformer
        return not base.config.add_cross_attention and _untouched(
            [
                (model, bigcode.GPTBigCodeModel),
                *((block, bigcode.GPTBigCodeBlock) for block in model.h),
                *((block.attn, bigcode.GPTBigCodeAttention) for block in model.h),
            ]
        )

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor, store: SharedStore) -> torch.Tensor:
        """See :class:`Step`."""
        model = self.model
        x = model.wte(tokens[:, None]) + model.wpe(positions[:, None])
        for number, block in enumerate(model.h):
            attention = block.attn
            query, key, value = self._heads(attention, attention.c_attn(block.ln_1(x))[:, 0])
            read = store.attend(number, query, key, value, attention.scaling)
            x = attention.c_proj(read[:, None]) + x
            x = block.mlp(block.ln_2(x)) + x
        logits: torch.Tensor = self.base.lm_head(model.ln_f(x))[:, 0]
        return logits

    @staticmethod
    def _heads(attention: Any, mixed: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values, each (rows, heads, width of a head)."""
        rows, size = len(mixed), attention.head_dim
        if attention.multi_query:
            parts = torch.split(mixed, [attention.embed_dim, attention.kv_dim, attention.kv_dim], -1)
            return tuple(part.view(rows, -1, size) for part in parts)
        return torch.split(mixed.view(rows, attention.num_heads, 3 * size), size, -1)


class LlamaStep:
    """Llama, with grouped or single queries."""

    def __init__(self, base: Any) -> None:
        self.base, self.model = base, base.model

    @staticmethod
    def knows(base: Any) -> bool:
        """Whether the model's layers and attention are transformers' own."""
        model = base.model
        return _untouched(
            [
                (model, llama.LlamaModel),
                *((layer, llama.LlamaDecoderLayer) for layer in model.layers),
                *((layer.self_attn, llama.LlamaAttention) for layer in model.layers),
            ]
        )

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor, store: SharedStore) -> torch.Tensor:
        """See :class:`Step`."""
        x = self.model.embed_tokens(tokens[:, None])
        cos, sin = self.model.rotary_emb(x, positions[:, None])
        for number, layer in enumerate(self.model.layers):
            attention = layer.self_attn
            inner = _normed(layer.input_layernorm, x)
            query, key, value = (
                project(inner).view(len(x), -1, attention.head_dim)
                for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            read = store.attend(number, _turned(query, cos, sin), _turned(key, cos, sin), value, attention.scaling)
            x = attention.o_proj(read[:, None]) + x
            x = layer.mlp(_normed(layer.post_attention_layernorm, x)) + x
        logits: torch.Tensor = self.base.lm_head(_normed(self.model.norm, x))[:, 0]
        return logits


def _normed(norm: Any, x: torch.Tensor) -> torch.Tensor:
    if type(norm) is not llama.LlamaRMSNorm:
        wrapped: torch.Tensor = norm(x)
        return wrapped
    return torch.nn.functional.rms_norm(x, x.shape[-1:], norm.weight, norm.variance_epsilon)


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of (rows, heads, width); ``cos`` and ``sin`` are (rows, 1, width), halves equal."""
    half = x.shape[-1] // 2
    first, second, cos, sin = x[..., :half], x[..., half:], cos[..., :half], sin[..., :half]
    turned = torch.empty_like(x)
    torch.mul(first, cos, out=turned[..., :half]).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=turned[..., half:]).addcmul_(first, sin)
    return turned


_STEPS: dict[type, Any] = {bigcode.GPTBigCodeForCausalLM: BigCodeStep, llama.LlamaForCausalLM: LlamaStep}
