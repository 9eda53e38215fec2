"""A tuning method on a base model: attach it, compute its loss, merge it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .. import methods, schema
from . import eight_bit
from .quiet import first_line, quiet

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


def attach(
    model: PreTrainedModel, method: str, changes: Mapping[str, Any] | None = None
) -> PreTrainedModel | PeftModel:
    """Put a method on a base, in place; afterwards exactly the method's parameters are trainable.

    Prompt-based methods also get correct positions under left padding, which PEFT leaves wrong.

    Args:
        model: the base.
        method: a method of the table, or one of the user's own.
        changes: fields of its PEFT configuration that replace the table's (a suite's ``method_configs``).

    Raises:
        schema.BadInput: unknown names (near matches listed), a base without the modules that the method targets, or a
            configuration that PEFT refuses.
        schema.MissingTool: a package that the method needs is not installed.
    """
    with quiet():
        from peft import get_peft_model

    config = methods.peft_config(method, model.config.model_type, changes)
    if config is None:
        return model.requires_grad_(methods.is_full(method, changes))
    kind: Any = config.peft_type
    if why := methods.refusal(kind.value, eight_bit.is_eight_bit(model)):
        raise schema.BadInput(f"{method}: {why}; set base_precision: bfloat16 in the recipe")
    if getattr(config, "target_modules", None) != methods.ALL_LINEAR:
        methods.require_targets(model, getattr(config, "target_modules", None))
    try:
        with quiet():
            tuned = get_peft_model(model, config)
    except ValueError as error:  # PEFT's own checks
        raise schema.BadInput(f"{method}: {first_line(error)}") from None
    except TypeError as error:  # PEFT does not look at the types of what it is given
        raise schema.BadInput(f"{method}: PEFT refused a value of its configuration: {first_line(error)}") from None
    except ImportError as error:
        raise schema.MissingTool(f"{method}: PEFT needs a package for it: {first_line(error)}") from None
    except Exception as error:  # each of PEFT's tuners fails in its own way
        raise schema.BadInput(
            f"{method}: PEFT cannot attach it to {type(model).__name__} ({type(error).__name__}: {first_line(error)})"
        ) from error
    return prepare_prompts(tuned)


def _positions(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
    """Number the attended positions from 0 in each row; virtual tokens come first, padding is not counted."""
    mask, given = kwargs.get("attention_mask"), kwargs.get("position_ids")
    if mask is None or mask.dim() != 2 or given is not None:
        return None
    inputs: torch.Tensor | None = kwargs.get("inputs_embeds")
    if inputs is None:
        inputs = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
    positions = (mask.long().cumsum(-1) - 1).clamp(min=0)
    return args, {**kwargs, "position_ids": positions[:, -inputs.shape[1] :]}


def _cached_only(generate: Any, *args: Any, **kwargs: Any) -> Any:
    if kwargs.get("use_cache") is False:
        raise schema.BadInput("a prefix lives in the KV cache: prefix-tuned models generate with use_cache=True only")
    return generate(*args, **kwargs)


def prepare_prompts(model: PeftModel) -> PeftModel:
    """Work around two bugs of PEFT's prompt-based methods; other methods pass unchanged.

    PEFT puts virtual tokens before the padding and drops position ids, so that a left-padded row sees other positions
    than the same row alone (PEFT issue 1093); and it generates nonsense or fails for a prefix without KV cache.
    """
    config = model.active_peft_config
    if config.is_prompt_learning:
        model.get_base_model().register_forward_pre_hook(_positions, with_kwargs=True)
        if config.peft_type.value == "PREFIX_TUNING":
            model.generate = functools.partial(_cached_only, model.generate)  # type: ignore[method-assign]
    return model


def peft_type(model: PreTrainedModel | PeftModel) -> str | None:
    """PEFT's name of the model's method (``LORA``); ``None``: no adapter."""
    config = getattr(model, "active_peft_config", None)
    return None if config is None else str(config.peft_type.value)


def virtual_tokens(model: PreTrainedModel | PeftModel) -> int:
    """How many positions a prompt-based method takes up; 0 for all others."""
    return int(getattr(getattr(model, "active_peft_config", None), "num_virtual_tokens", 0))


def require_room(model: PreTrainedModel | PeftModel, length: int) -> None:
    """Check that the base has positions for sequences of that many tokens after a method's virtual tokens.

    Raises:
        schema.BadInput: says how many there are.
    """
    positions = getattr(model.config, "max_position_embeddings", None) or length
    virtual = virtual_tokens(model)
    if length + virtual > positions:
        behind = f" behind {virtual} virtual tokens" if virtual else ""
        raise schema.BadInput(
            f"sequence_length {length}{behind}: the base has {positions} positions; shorten it to {positions - virtual}"
        )


def checkpointing(model: PreTrainedModel | PeftModel, recipe: schema.Recipe) -> dict[str, Any] | None:
    """Prepare a model for activation checkpointing as the recipe asks; training and the memory plan both use this.

    On an 8-bit base the checkpoints are reentrant, because bitsandbytes keeps layer inputs outside of autograd's saved
    tensors, where non-reentrant ones cannot drop them. Reentrant ones need an input that requires a gradient.

    Returns:
        The keyword arguments of PyTorch's checkpoints and ``every_n_layers``; ``None``: no checkpointing. A prefix is
        passed as KV cache, which checkpointed layers would drop without an error, so Prefix never checkpoints.
    """
    if not recipe.gradient_checkpointing or peft_type(model) in methods.CACHED_TYPES:
        return None
    reentrant = eight_bit.is_eight_bit(model)
    if reentrant:
        base: Any = cast(Any, model).get_base_model() if hasattr(model, "peft_config") else model
        base.enable_input_require_grads()
    return {"use_reentrant": reentrant, "every_n_layers": recipe.checkpoint_every}


def loss_sum(model: Any, inputs: Mapping[str, torch.Tensor], fused: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the summed cross-entropy of a batch and its number of tokens, as training and the memory plan do.

    Args:
        model: with or without a method.
        inputs: ``input_ids`` and ``labels``, (rows, length); labels of -100 are left out.
        fused: use the head that TRL has added to the model, which never holds the logits of a whole sequence.
    """
    from torch.nn import functional

    if fused:
        outputs = model(**inputs, fused_lm_head=True)
        return -outputs.log_probs.sum(), outputs.label_mask.sum()
    wanted = inputs["labels"][:, 1:]
    logits = model(input_ids=inputs["input_ids"], use_cache=False).logits
    logits = logits[:, -inputs["input_ids"].shape[1] : -1]  # virtual tokens come before the sequence
    nll = functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="sum")
    return nll, (wanted != -100).sum()


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel | PeftModel:
    """Merge a float32 adapter into the base's weights where that gives the same model; others pass unchanged.

    In half precision or 8 bits the sum would round away some of what was learnt: :func:`.loading.load_answering` merges
    in float32 first. The given model must not be used afterwards.
    """
    import torch

    if not can_merge(model) or any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        return model
    return cast("PreTrainedModel", cast("PeftModel", model).merge_and_unload())


def can_merge(model: PreTrainedModel | PeftModel) -> bool:
    """Whether the base with a tuned model's adapter added to its weights is the tuned model.

    It is not where a method does more than change weights, or where it changes one end of a tied weight.
    """
    kinds = {config.peft_type.value for config in getattr(model, "peft_config", {}).values()}
    names = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    changed = (
        cast("torch.nn.Module", module.base_layer) for module in model.modules() if hasattr(module, "base_layer")
    )
    tied = any(names[id(parameter)] > 1 for layer in changed for parameter in layer.parameters())
    return bool(kinds) and kinds <= {*methods.MERGEABLE_TYPES} and not tied
