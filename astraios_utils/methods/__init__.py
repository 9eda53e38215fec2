"""The tuning methods: one literal table, and the PEFT configuration that a row makes for an architecture.

Importing this package loads neither torch nor PEFT; :func:`peft_config` does.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import schema
from .architectures import ARCHITECTURES, ROLES, Architecture, architecture
from .refusals import reason as refusal
from .targets import ALL_LINEAR, require_targets

if TYPE_CHECKING:
    from peft import PeftConfig


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the table.

    Attributes:
        family: the paper's grouping (Table 1).
        peft_type: PEFT's name of the method; ``None``: full fine-tuning.
        fields: what the method's PEFT configuration sets; everything else keeps PEFT's default.
        targets: the roles of the layers it changes (:mod:`.architectures`); empty where it changes none.
        feedforward: the roles whose input, not output, is scaled ((IA)3 only).
        source: where the numbers come from.
    """

    family: str
    peft_type: str | None
    fields: Mapping[str, Any] = field(default_factory=lambda: types.MappingProxyType({}))
    targets: tuple[str, ...] = ()
    feedforward: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", types.MappingProxyType(dict(self.fields)))


_BOTTLENECK = {"bottleneck_size": 256, "non_linearity": "tanh", "adapter_dropout": 0.0, "scaling": 1.0}
_LORA_LAYERS = ("attention_in", "attention_out", "mlp_out")  # c_attn and both c_proj; not c_fc

TABLE: Mapping[str, Method] = types.MappingProxyType(
    {
        "LoRA": Method(
            "low-rank",
            "LORA",
            {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05},
            targets=_LORA_LAYERS,
            source="appendix D",
        ),
        "P-Tuning": Method("prompt", "P_TUNING", {"num_virtual_tokens": 30}, source="appendix D"),
        "AdapterH": Method(
            "adapter", "BOTTLENECK", _BOTTLENECK, targets=("mlp_in", "mlp_out"), source="released peft_config.py"
        ),
        "AdapterP": Method(
            "adapter",
            "BOTTLENECK",
            {**_BOTTLENECK, "use_adapterp": True},
            targets=("mlp_out",),
            source="released peft_config.py",
        ),
        # Appendix D names c_fc and mlp.c_proj; the released code and Table 1's counts say c_attn.
        "Parallel": Method(
            "adapter",
            "BOTTLENECK",
            {**_BOTTLENECK, "use_parallel_adapter": True},
            targets=("attention_in",),
            source="released peft_config.py, Table 1",
        ),
        "(IA)3": Method(
            "adapter", "IA3", targets=("attention_in", "mlp_out"), feedforward=("mlp_out",), source="appendix D"
        ),
        "FFT": Method("full", None, source="section 2.1"),
        "Prompt": Method("prompt", "PROMPT_TUNING", {"num_virtual_tokens": 30}, source="appendix D"),
        # The paper's 200 steps end where the first budget allocation would begin (tinit), so its ranks stay at 12.
        # PEFT now asks for a total_step above tinit + tfinal.
        "AdaLoRA": Method(
            "low-rank",
            "ADALORA",
            {
                "init_r": 12,
                "target_r": 8,
                "tinit": 200,
                "tfinal": 1000,
                "deltaT": 10,
                "beta1": 0.85,
                "beta2": 0.85,
                "lora_alpha": 16,
                "lora_dropout": 0.05,
                "total_step": 1400,
            },
            targets=_LORA_LAYERS,
            source="appendix D",
        ),
        "Prefix": Method("prompt", "PREFIX_TUNING", {"num_virtual_tokens": 20}, source="the CoNaLa study"),
    }
)
UNTUNED = Method("untuned", None, source="the base as it is")
PROMPT_TYPES = ("P_TUNING", "PROMPT_TUNING", "PREFIX_TUNING")
CACHED_TYPES = ("PREFIX_TUNING",)  # their virtual tokens are keys and values in the cache
MERGEABLE_TYPES = ("LORA", "ADALORA", "IA3", "SSF", "HFT")  # all that they learn can be put into the base's weights
_CONV1D_FIELD = {"LORA": "fan_in_fan_out", "ADALORA": "fan_in_fan_out", "IA3": "fan_in_fan_out"}


def get_method(name: str) -> Method:
    """A row of the table; raises :class:`schema.UnknownName` with near matches."""
    return TABLE[schema.match(name, TABLE, "method")]


def is_full(name: str, changes: Mapping[str, Any] | None = None) -> bool:
    """Whether a method, with a suite's changes to it, trains the base's own weights, all of them."""
    row = _row(name, changes or {})
    return row.peft_type is None and row is not UNTUNED


def is_untuned(name: str) -> bool:
    """Whether the method is the base itself (``schema.UNTUNED``), of which nothing is trained."""
    return name == schema.UNTUNED


def _row(name: str, changes: Mapping[str, Any]) -> Method:
    """The row of the table that a method starts from; of one of PEFT's that is not in it, an empty one."""
    if is_untuned(name):
        return UNTUNED
    if name not in TABLE and "peft_type" in changes and "like" not in changes:
        return Method("own", changes["peft_type"])
    return get_method(changes.get("like", name))


OPTIMIZERS = ("lora+", "lora-fa")  # methods that are another optimiser of LoRA's weights


def optimizer_of(name: str, changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The optimiser that a method asks for (``optimizer`` in its changes); empty: AdamW for all weights.

    ``{kind: lora+, ratio: 16}``: B learns that much faster than A (https://arxiv.org/abs/2402.12354).
    ``{kind: lora-fa}``: A stays as it was drawn, B's gradient is corrected (https://arxiv.org/abs/2308.03303).

    Raises:
        schema.BadInput: an optimiser that is not known, or one without its arguments.
    """
    asked = (changes or {}).get("optimizer")
    if asked is None:
        return {}
    if not isinstance(asked, Mapping) or "kind" not in asked:
        raise schema.BadInput(f"{name}: optimizer must be a mapping with its kind ({', '.join(OPTIMIZERS)})")
    kind = schema.match(str(asked["kind"]), OPTIMIZERS, "optimizer")
    wanted = {"kind", "ratio"} if kind == "lora+" else {"kind"}
    if set(asked) != wanted:
        raise schema.BadInput(f"{name}: the optimizer {kind} takes {', '.join(sorted(wanted))}, not {sorted(asked)}")
    if kind == "lora+" and not (isinstance(asked["ratio"], int | float) and asked["ratio"] >= 1):
        raise schema.BadInput(f"{name}: the ratio of lora+ is a number of 1 or more, not {asked['ratio']!r}")
    return {**asked, "kind": kind}


def _layers(method: Method, model_type: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's fields that name layers of the architecture."""
    chosen = "target_modules" in changes
    if not method.targets or (chosen and model_type not in ARCHITECTURES):
        return {}
    layers = architecture(model_type)
    named: dict[str, Any] = {} if chosen else {"target_modules": layers.modules(method.targets)}
    if method.feedforward and not chosen:
        named["feedforward_modules"] = layers.modules(method.feedforward)
    if layers.transposed and method.peft_type in _CONV1D_FIELD:
        named[_CONV1D_FIELD[method.peft_type]] = True
    return named


def peft_config(name: str, model_type: str, changes: Mapping[str, Any] | None = None) -> PeftConfig | None:
    """A fresh PEFT configuration of a method for an architecture; ``None`` for full fine-tuning and the base itself.

    Args:
        name: a method of the table, or any name where ``changes`` give a ``peft_type`` or what it is ``like``.
        model_type: ``config.model_type`` of the base.
        changes: fields that replace the table's (a suite's ``method_configs``). ``peft_type`` is PEFT's name of the
            method or of its configuration class (``LORA``, ``LoraConfig``); ``like`` names the row to start from.

    Raises:
        schema.UnknownName: unknown method, architecture or ``peft_type``.
        schema.BadInput: a field that the method's configuration does not have, a value that it refuses, or a type that
            cannot be used here (:mod:`.refusals`).
    """
    changes = dict(changes or {})
    method = _row(name, changes)
    changes.pop("like", None)
    optimizer_of(name, changes)
    changes.pop("optimizer", None)
    if method.peft_type is None:
        if changes:
            raise schema.BadInput(f"{name}: has no PEFT configuration to change ({', '.join(changes)})")
        return None
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    from . import own  # noqa: F401  (registers the tuners that PEFT does not have)

    known = {kind.value: cls for kind, cls in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    known |= {cls.__name__: cls for cls in PEFT_TYPE_TO_CONFIG_MAPPING.values()}
    cls = known[schema.match(changes.pop("peft_type", method.peft_type), known, "peft_type")]
    kind = next(kind.value for kind, held in PEFT_TYPE_TO_CONFIG_MAPPING.items() if held is cls)
    if why := refusal(kind):
        raise schema.BadInput(f"{name}: {kind} cannot be used: {why}")
    fields = {"task_type": "CAUSAL_LM", **method.fields, **_layers(method, model_type, changes), **changes}
    odd = sorted(set(fields) - set(cls.__dataclass_fields__))
    if odd:
        schema.match(odd[0], cls.__dataclass_fields__, f"field of {cls.__name__}")
    if isinstance(fields.get("eva_config"), Mapping):  # the other sub-configurations are made by PEFT itself
        from peft import EvaConfig

        fields["eva_config"] = EvaConfig(**fields["eva_config"])
    try:
        return cls(**fields)
    except (TypeError, ValueError) as error:
        raise schema.BadInput(f"{name}: {str(error).splitlines()[0]}") from None
    except ImportError as error:
        raise schema.MissingTool(f"{name}: {str(error).splitlines()[0]}") from None


__all__ = [
    "ALL_LINEAR",
    "ARCHITECTURES",
    "CACHED_TYPES",
    "MERGEABLE_TYPES",
    "PROMPT_TYPES",
    "ROLES",
    "TABLE",
    "UNTUNED",
    "Architecture",
    "Method",
    "architecture",
    "get_method",
    "is_full",
    "is_untuned",
    "optimizer_of",
    "peft_config",
    "refusal",
    "require_targets",
]
