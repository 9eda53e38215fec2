"""The linear layers of each architecture, by what they do: the one place where module names are written.

A name is the end of a module's path (``c_proj`` would also match the attention's, hence ``mlp.c_proj``).
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import schema

ROLES = ("attention_in", "attention_out", "mlp_in", "mlp_out")


@dataclass(frozen=True, slots=True)
class Architecture:
    """Names of the linear layers in one transformer block.

    Attributes:
        attention_in: what makes queries, keys and values; ``attention_out``: what mixes the heads again.
        mlp_in: what widens the block's input (gated networks have two); ``mlp_out``: what narrows it again.
        transposed: the layers are ``Conv1D``, which stores its weight as (in, out).
    """

    attention_in: tuple[str, ...]
    attention_out: tuple[str, ...]
    mlp_in: tuple[str, ...]
    mlp_out: tuple[str, ...]
    transposed: bool = False

    def modules(self, roles: tuple[str, ...]) -> list[str]:
        """The layers with these roles, each once, in a fixed order."""
        return [name for role in ROLES if role in roles for name in getattr(self, role)]

    def role(self, module: str) -> str | None:
        """What the layer at this path does; ``None``: it is no linear layer of the block."""
        for role in ROLES:
            if any(module == name or module.endswith(f".{name}") for name in getattr(self, role)):
                return role
        return None


_LLAMA = Architecture(
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)

# By ``config.model_type`` of transformers.
ARCHITECTURES = {
    "gpt_bigcode": Architecture(("attn.c_attn",), ("attn.c_proj",), ("mlp.c_fc",), ("mlp.c_proj",)),
    "gpt2": Architecture(("attn.c_attn",), ("attn.c_proj",), ("mlp.c_fc",), ("mlp.c_proj",), transposed=True),
    "starcoder2": Architecture(_LLAMA.attention_in, _LLAMA.attention_out, ("mlp.c_fc",), ("mlp.c_proj",)),
    "codegen": Architecture(("attn.qkv_proj",), ("attn.out_proj",), ("mlp.fc_in",), ("mlp.fc_out",)),
    "gpt_neox": Architecture(
        ("attention.query_key_value",), ("attention.dense",), ("mlp.dense_h_to_4h",), ("mlp.dense_4h_to_h",)
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma3_text": _LLAMA,
}


def architecture(model_type: str) -> Architecture:
    """The layers of an architecture.

    Raises:
        schema.UnknownName: an architecture that nobody has described here yet.
    """
    if model_type not in ARCHITECTURES:
        raise schema.UnknownName(
            f"unknown architecture {model_type!r}: described are {', '.join(ARCHITECTURES)}; give target_modules in "
            "the suite's method_configs, or describe it in astraios_utils/methods/architectures.py"
        )
    return ARCHITECTURES[model_type]
