"""Load base models and tuned models from folders and the hub, in the precision that is asked for."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .. import methods, schema
from . import eight_bit, gguf
from .attaching import can_merge, prepare_prompts
from .bases import missing
from .precision import dtype
from .quiet import empty_ranks, first_line, quiet

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel


def load_base(base: schema.Base, precision: str = "float32", on_cpu: bool = False) -> PreTrainedModel:
    """Load a base model from the hub or a folder.

    Args:
        base: its name, folder or GGUF file.
        precision: ``float32``, ``bfloat16``, ``float16``, or ``8bit`` (LLM.int8 by bitsandbytes; layers that it does
            not quantise are held in 16 bits).
        on_cpu: keep it in the host's memory; otherwise it goes to the GPU where there is one.

    Raises:
        schema.MissingArtefact: it is unavailable.
        schema.MissingTool: 8-bit without bitsandbytes.
    """
    import torch

    base = gguf.plain(base)
    with quiet():
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    options: dict[str, Any] = {"dtype": dtype(precision)}
    if precision == "8bit":
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"  # FSDP places its shards itself
    if torch.cuda.is_available() and not on_cpu and not sharded:
        options["device_map"] = {"": torch.cuda.current_device()}
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(base.model, revision=base.revision, **options)
    except ImportError as error:
        raise schema.MissingTool(
            f"8-bit bases need bitsandbytes (pip install bitsandbytes): {first_line(error)}"
        ) from None
    except (OSError, ValueError, SafetensorError) as error:
        raise missing(base, error) from None
    return cast("PreTrainedModel", eight_bit.prepare(model, dtype(precision)) if precision == "8bit" else model)


def _mismatch(error: Exception) -> str:
    """The line of PyTorch's message that says what does not fit; else the first line."""
    return next((line.strip() for line in str(error).splitlines() if "size mismatch" in line), first_line(error))


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read an adapter's tensors from PEFT's form or from the released one; pickles may hold tensors only."""
    import safetensors
    import torch
    from safetensors.torch import load_file

    for name in ("adapter_model.safetensors", "adapter_model.bin"):
        path = folder / name
        if not path.exists():
            continue
        try:
            if path.suffix == ".bin":
                return cast("dict[str, torch.Tensor]", torch.load(path, map_location="cpu", weights_only=True))
            return load_file(path)
        except pickle.UnpicklingError:  # whose text advises to load it unsafely
            raise schema.BadInput(
                f"{path}: damaged, or not a file of tensors (pickles may hold nothing else)"
            ) from None
        except (RuntimeError, EOFError, ValueError, safetensors.SafetensorError) as error:
            raise schema.BadInput(f"{path}: damaged, or not a file of tensors ({first_line(error)})") from None
    raise schema.BadInput(f"{folder}: holds neither adapter_model.safetensors nor adapter_model.bin")


def _check_weights(model: PeftModel, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Check that adapter and model hold the same tensors in the same shapes."""
    from peft import get_peft_model_state_dict

    wanted = {key: tuple(value.shape) for key, value in get_peft_model_state_dict(model).items()}
    held = {key: tuple(value.shape) for key, value in weights.items()}
    odd = sorted(set(wanted) ^ set(held))
    if odd:
        where = "is missing" if odd[0] in wanted else "has, and the model does not have,"
        raise schema.BadInput(f"{folder}: the adapter {where} {odd[0]} ({len(odd)} such): is it one of another base?")
    for key, shape in wanted.items():
        if held[key] != shape:
            raise schema.BadInput(
                f"{folder}: {key} has shape {held[key]}, the base needs {shape}: it is an adapter of another base"
            )


def read_peft_config(folder: Path) -> PeftConfig:
    """Read a saved adapter's configuration; raises :class:`schema.BadInput` where it is missing or damaged."""
    with quiet():
        from peft import PeftConfig

    from ..methods import own  # noqa: F401  (registers the tuners that PEFT does not have)

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise schema.BadInput(f"{folder}: no readable adapter_config.json ({first_line(error)})") from None
    if config.peft_type is None:
        raise schema.BadInput(f"{folder}: adapter_config.json names no peft_type")
    return cast("PeftConfig", config)


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Put a saved adapter on a base, ready for inference: ours, PEFT's, or one of the paper's released ones.

    Raises:
        schema.BadInput: no checkpoint, a damaged one, an adapter of another base, a configuration PEFT does not know.
    """
    with quiet():
        from peft import PeftModel

    config = read_peft_config(folder)
    config.inference_mode = True
    weights = _read_weights(folder)
    try:
        methods.require_targets(model, getattr(config, "target_modules", None))
        with quiet():
            tuned = PeftModel.from_pretrained(model, str(folder), config=config)
    except (schema.BadInput, RuntimeError, ValueError) as error:
        raise schema.BadInput(f"{folder}: is it an adapter of another base? {_mismatch(error)}") from None
    with empty_ranks():  # every shape is compared here
        _check_weights(tuned, weights, folder)
    return prepare_prompts(tuned.eval())


def is_adapter(folder: Path) -> bool:
    """Whether a folder of tuned weights holds an adapter; otherwise it holds a whole model."""
    return (folder / "adapter_config.json").exists()


def load_tuned(
    base: schema.Base, folder: Path, precision: str = "float32", on_cpu: bool = False
) -> PreTrainedModel | PeftModel:
    """Load a tuned model from the folder that training wrote: an adapter on its base, or a fully tuned model."""
    if is_adapter(folder):
        return load_adapter(load_base(base, precision, on_cpu), folder)
    whole = load_base(schema.Base(model=str(folder)), precision, on_cpu)
    return cast("PreTrainedModel", whole.eval())  # type: ignore[no-untyped-call]


def load_answering(
    base: schema.Base, folder: Path, precision: str = "float32", on_cpu: bool = False
) -> PreTrainedModel | PeftModel:
    """Load a tuned model for generation, with its adapter merged where that gives the same model.

    The merge is computed in float32 on the CPU, and the result is rounded to ``precision`` once: bfloat16 would round
    away 42% of a change of 0.4%, int8 98%. An 8-bit base keeps its adapter next to it.
    """
    import torch

    if precision == "8bit" or not is_adapter(folder):
        return load_tuned(base, folder, precision, on_cpu)
    if read_peft_config(folder).peft_type not in methods.MERGEABLE_TYPES:
        return load_tuned(base, folder, precision, on_cpu)
    tuned = load_tuned(base, folder, "float32", on_cpu=True)
    if not can_merge(tuned):
        return load_tuned(base, folder, precision, on_cpu)
    model: Any = cast("PeftModel", tuned).merge_and_unload()
    model = model.to(dtype(precision))
    return cast("PreTrainedModel", model.cuda() if torch.cuda.is_available() and not on_cpu else model)
