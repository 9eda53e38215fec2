"""Base models, a method attached to one, and how many parameters that trains (Table 1, Figure 2).

torch, transformers and PEFT are imported where a model is made, so that importing this module costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import pickle
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from .. import methods, schema, store
from ..sources import paper

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.configuration_utils import PretrainedConfig

# StarCoderBase: hidden size, layers, heads. Vocabulary, positions and the MLP's width are the same rule for all.
STARCODER = {"1B": (2048, 24, 16), "3B": (2816, 36, 22), "7B": (4096, 42, 32), "16B": (6144, 40, 48)}
VOCABULARY = 49_152
POSITIONS = 8_192


def starcoder_config(size: str) -> PretrainedConfig:
    """The configuration of StarCoderBase of that size (multi-query attention, GPTBigCode)."""
    with quiet():
        from transformers import GPTBigCodeConfig

    hidden, layers, heads = STARCODER[schema.match(size, STARCODER, "size")]
    return GPTBigCodeConfig(
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=hidden,
        n_layer=layers,
        n_head=heads,
        n_inner=4 * hidden,
        multi_query=True,
        activation_function="gelu_pytorch_tanh",
        bos_token_id=0,
        eos_token_id=0,
    )


def on_meta(config: PretrainedConfig) -> PreTrainedModel:
    """A model of that configuration without weights: it has shapes and names, and needs no memory."""
    import torch

    with quiet():
        from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return cast("PreTrainedModel", AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back remarks of PEFT, transformers and bitsandbytes that tell a user nothing to act on."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found.*")
        warnings.filterwarnings("ignore", message=".*base_model_name_or_path.*")
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # they stick in executed notebooks
        yield


def attach(
    model: PreTrainedModel, method: str, changes: Mapping[str, Any] | None = None
) -> PreTrainedModel | PeftModel:
    """Put a method on a base, in place: afterwards exactly the method's parameters are trainable.

    Prompt-based methods also get correct positions under left padding, which PEFT leaves wrong.

    Args:
        model: the base.
        method: a method of the table, or one of the user's own.
        changes: fields of its PEFT configuration that replace the table's (a suite's ``method_configs``).

    Raises:
        schema.BadInput: unknown names (near matches listed), or a base without the modules that the method targets.
    """
    with quiet():
        from peft import get_peft_model

    config = methods.peft_config(method, model.config.model_type, changes)
    if config is None:
        return model.requires_grad_(True)
    if getattr(config, "target_modules", None) != methods.ALL_LINEAR:
        methods.require_targets(model, getattr(config, "target_modules", None))
    try:
        with quiet():
            tuned = get_peft_model(model, config)
    except ValueError as error:
        raise schema.BadInput(f"{method}: {_first(error)}") from None
    except TypeError as error:  # PEFT does not look at the types of what it is given
        raise schema.BadInput(
            f"{method}: is a value of its configuration of the wrong type? {_first(error)}"
        ) from error
    return prepare_prompts(_keep_dtype(tuned))


def _keep_dtype(model: PeftModel) -> PeftModel:
    """Let (IA)3 on an 8-bit base answer in the dtype of its input.

    Outside autocast PEFT's layer answers in float32, which the next norm, in bfloat16, refuses.
    """
    for module in model.modules():
        if type(module).__module__ == "peft.tuners.ia3.bnb":
            module.register_forward_hook(lambda _, args, output: output.to(args[0].dtype))
    return model


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
    """Repair two faults of PEFT's prompt-based methods; other methods pass unchanged.

    PEFT puts virtual tokens before the padding and drops position ids, so that a left-padded row sees other positions
    than the same row alone (PEFT issue 1093); and it generates nonsense or fails for a prefix without KV cache.
    """
    config = model.active_peft_config
    if config.is_prompt_learning:
        model.get_base_model().register_forward_pre_hook(_positions, with_kwargs=True)
        if config.peft_type.value == "PREFIX_TUNING":
            model.generate = functools.partial(_cached_only, model.generate)  # type: ignore[method-assign]
    return model


def virtual_tokens(model: PreTrainedModel | PeftModel) -> int:
    """How many positions a prompt-based method takes up; 0 for all others."""
    return int(getattr(getattr(model, "active_peft_config", None), "num_virtual_tokens", 0))


def require_room(model: PreTrainedModel | PeftModel, length: int) -> None:
    """Check that sequences of that many tokens, behind a method's virtual tokens, have positions in the base.

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


def trainable_parameters(model: torch.nn.Module) -> int:
    """How many numbers training changes; parameters that two modules share count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_parameters(
    sizes: Iterable[str] = schema.SIZES,
    names: Iterable[str] = schema.METHODS,
    changes: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Table 1 and Figure 2, counted on the meta device: size, method, parameters, percent of the base's parameters.

    ``changes`` replace fields of each method's PEFT configuration.
    """
    import torch

    rows = []
    for size in sizes:
        config = starcoder_config(size)
        base = trainable_parameters(on_meta(config))
        for name in names:
            method = schema.match(name, schema.ALL_METHODS, "method")
            with torch.device("meta"):
                count = trainable_parameters(attach(on_meta(config), method, changes))
            rows.append((schema.match(size, STARCODER, "size"), method, count, 100 * count / base))
    return pd.DataFrame(rows, columns=["size", "method", "parameters", "percent"])


def count_suite(suite: schema.Suite) -> pd.DataFrame:
    """What each method of a suite trains on each of its bases, counted on the meta device.

    Returns:
        size, method, parameters (trained), base (the base's own), percent (of the base's), percent_of_all (of the
        base's and the added ones together: what PEFT's ``print_trainable_parameters`` prints).

    Raises:
        schema.BadInput: a size without a base, or a method that does not fit it.
    """
    import torch

    rows = []
    for size in suite.sizes:
        if size not in suite.bases:
            raise schema.BadInput(f"suite {suite.name}: names no base of size {size}")
        config = load_config(suite.bases[size])
        base = trainable_parameters(on_meta(config))
        for method in suite.methods:
            with torch.device("meta"):
                tuned = attach(on_meta(config), method, suite.method_configs.get(method))
            count, whole = trainable_parameters(tuned), sum(p.numel() for p in tuned.parameters())
            rows.append((size, method, count, base, 100 * count / base, 100 * count / whole))
    return pd.DataFrame(rows, columns=["size", "method", "parameters", "base", "percent", "percent_of_all"])


def print_parameters(as_json: bool = False, sizes: Iterable[str] = (), names: Iterable[str] = ()) -> None:
    """The command ``astraios params``: Table 1 as counted here, beside the paper's, on standard output."""
    started = time.perf_counter()
    counted = count_parameters(tuple(sizes) or schema.SIZES, tuple(names) or schema.METHODS)
    published = paper.table(1).set_index(["size", "method"])["value"]
    rows = [
        {**row, "paper": int(published[key]) if (key := (row["size"], row["method"])) in published.index else None}
        for row in counted.to_dict("records")
    ]
    if as_json:
        peak = store.provenance()["peak_memory_mib"]
        seconds = round(time.perf_counter() - started, 2)
        print(json.dumps({"parameters": rows, "seconds": seconds, "peak_memory_mib": peak}))
        return
    print(f"{'size':5}{'method':11}{'parameters':>15}{'% of base':>11}  paper")
    for row in rows:
        same = (
            "not in Table 1" if row["paper"] is None else "equal" if row["paper"] == row["parameters"] else row["paper"]
        )
        print(f"{row['size']:5}{row['method']:11}{row['parameters']:15,}{row['percent']:11.4f}  {same}")


def weights_precision(recipe: schema.Recipe, full: bool, cuda: bool) -> str:
    """What the base's weights are held in: ``8bit``, ``bfloat16`` or ``float32``; says where that is not the recipe's.

    Full fine-tuning holds float32 (the paper quantises for PEFT only; at a learning rate of 1e-6 most steps would be
    lost in bfloat16's rounding). Without a GPU, 8-bit and bfloat16 save memory but no time: float32 is used.
    """
    if full:
        return "float32"
    if recipe.base_precision != "float32" and not cuda:
        print(f"no GPU: the base is held in float32 instead of {recipe.base_precision}", file=sys.stderr, flush=True)
        return "float32"
    return recipe.base_precision


def loss_sum(model: Any, inputs: Mapping[str, torch.Tensor], fused: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross-entropy of a batch, and over how many tokens: what training minimises and the memory plan runs.

    Args:
        inputs: ``input_ids`` and ``labels``, (rows, length); labels of -100 are left out.
        fused: by the head that TRL has added to the model, which never holds the logits of a whole sequence.
    """
    from torch.nn import functional

    if fused:
        outputs = model(**inputs, fused_lm_head=True)
        return -outputs.log_probs.sum(), outputs.label_mask.sum()
    wanted = inputs["labels"][:, 1:]
    logits = model(input_ids=inputs["input_ids"], use_cache=False).logits
    logits = logits[:, -inputs["input_ids"].shape[1] : -1]  # virtual tokens stand before the sequence
    nll = functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="sum")
    return nll, (wanted != -100).sum()


def load_config(base: schema.Base) -> PretrainedConfig:
    """The base's configuration: its ``shape`` where the suite gives one, else from its folder or the hub.

    Raises:
        schema.UnknownName: the shape is of a ``model_type`` that transformers does not know.
        schema.MissingArtefact: no shape is given, and the file can be had from nowhere that this machine can reach.
    """
    with quiet():
        from transformers import AutoConfig
        from transformers.models.auto import configuration_auto as known

    if base.shape is not None:
        shape = dict(base.shape)
        name = schema.match(str(shape.pop("model_type")), known.CONFIG_MAPPING_NAMES, "model_type")  # type: ignore[attr-defined]
        return AutoConfig.for_model(name, **shape)
    return stored_config(base)


def stored_config(base: schema.Base) -> PretrainedConfig:
    """The ``config.json`` of the base's folder, or the hub's; raises :class:`schema.MissingArtefact`."""
    with quiet():
        from transformers import AutoConfig

    try:
        return cast("PretrainedConfig", AutoConfig.from_pretrained(base.model, revision=base.revision))
    except (OSError, ValueError) as error:
        raise _missing(base, error) from None


def load_tokenizer(base: schema.Base) -> PreTrainedTokenizerBase:
    """The base's tokenizer (a fast one); raises :class:`schema.MissingArtefact` where it cannot be had."""
    with quiet():
        from transformers import AutoTokenizer

    try:
        return cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(base.model, revision=base.revision))
    except (OSError, ValueError) as error:
        raise _missing(base, error) from None


def load_base(base: schema.Base, precision: str = "float32") -> PreTrainedModel:
    """A base model from the hub or a folder, on the GPU where there is one.

    Args:
        base: its name or folder.
        precision: ``float32``, ``bfloat16``, or ``8bit`` (LLM.int8 by bitsandbytes, other layers in bfloat16).

    Raises:
        schema.MissingArtefact: it can be had from nowhere that this machine can reach.
        schema.MissingTool: 8-bit without bitsandbytes.
    """
    import torch

    with quiet():
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    options: dict[str, Any] = {"dtype": torch.float32 if precision == "float32" else torch.bfloat16}
    if precision == "8bit":
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    if torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_FSDP") != "true":  # which places its shards itself
        options["device_map"] = {"": torch.cuda.current_device()}
    try:
        return cast(
            "PreTrainedModel", AutoModelForCausalLM.from_pretrained(base.model, revision=base.revision, **options)
        )
    except ImportError as error:
        raise schema.MissingTool(f"8-bit bases need bitsandbytes (pip install bitsandbytes): {_first(error)}") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise _missing(base, error) from None


def _first(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


def _mismatch(error: Exception) -> str:
    """What does not fit, in PyTorch's words, below its headline; else the first line."""
    return next((line.strip() for line in str(error).splitlines() if "size mismatch" in line), _first(error))


def _missing(base: schema.Base, error: Exception) -> schema.MissingArtefact:
    if Path(base.model).is_dir():
        return schema.MissingArtefact(
            f"{base.model}: no whole base model with a tokenizer, as `save_pretrained` writes them ({_first(error)})"
        )
    return schema.MissingArtefact(
        f"{base.model}: no such folder, and not to be had from the hub ({_first(error)}); StarCoder's bases are gated: "
        "accept their licence, log in with `hf auth login`, or name a folder in the suite's bases"
    )


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """An adapter's tensors, from PEFT's own form or from the released one; pickles may hold tensors only."""
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
        except pickle.UnpicklingError:  # whose words advise to load it without care
            raise schema.BadInput(
                f"{path}: damaged, or not a file of tensors (pickles may hold nothing else)"
            ) from None
        except (RuntimeError, EOFError, ValueError, safetensors.SafetensorError) as error:
            raise schema.BadInput(f"{path}: damaged, or not a file of tensors ({_first(error)})") from None
    raise schema.BadInput(f"{folder}: holds neither adapter_model.safetensors nor adapter_model.bin")


def _check_weights(model: PeftModel, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Every tensor of the adapter has its place in the model and the other way round, in the same shape."""
    from peft import get_peft_model_state_dict

    wanted = {key: tuple(value.shape) for key, value in get_peft_model_state_dict(model).items()}
    held = {key: tuple(value.shape) for key, value in weights.items()}
    odd = sorted(set(wanted) ^ set(held))
    if odd:
        where = "lacks" if odd[0] in wanted else "has, and the model lacks,"
        raise schema.BadInput(f"{folder}: the adapter {where} {odd[0]} ({len(odd)} such): is it one of another base?")
    for key, shape in wanted.items():
        if held[key] != shape:
            raise schema.BadInput(
                f"{folder}: {key} has shape {held[key]}, the base needs {shape}: it is an adapter of another base"
            )


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """A base with a saved adapter, ready for inference: ours, PEFT's, or one of the paper's released ones.

    Raises:
        schema.BadInput: no or a damaged checkpoint, an adapter of another base, a configuration PEFT does not know.
    """
    with quiet():
        from peft import PeftConfig, PeftModel

    from ..methods import bottleneck  # noqa: F401  (registers itself)

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise schema.BadInput(f"{folder}: no readable adapter_config.json ({_first(error)})") from None
    if config.peft_type is None:
        raise schema.BadInput(f"{folder}: adapter_config.json names no peft_type")
    config.inference_mode = True
    weights = _read_weights(folder)
    try:
        methods.require_targets(model, getattr(config, "target_modules", None))
        tuned = PeftModel.from_pretrained(model, str(folder), config=config)
    except (schema.BadInput, RuntimeError, ValueError) as error:
        raise schema.BadInput(f"{folder}: is it an adapter of another base? {_mismatch(error)}") from None
    _check_weights(tuned, weights, folder)
    return prepare_prompts(_keep_dtype(tuned.eval()))


def load_tuned(base: schema.Base, folder: Path, precision: str = "float32") -> PreTrainedModel | PeftModel:
    """A tuned model from the folder that training wrote: an adapter on its base, or a fully tuned model."""
    if (folder / "adapter_config.json").exists():
        return load_adapter(load_base(base, precision), folder)
    return cast("PreTrainedModel", load_base(schema.Base(model=str(folder)), precision).eval())  # type: ignore[no-untyped-call]


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel | PeftModel:
    """A tuned model for answering: what an adapter adds to weights is put into them where they are float32.

    Others stay as they are: half precision and 8 bit would round away some of what was learnt, and the rest of the
    methods do more than change weights. The given model must not be used afterwards.
    """
    import torch

    if not can_merge(model) or any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        return model
    return cast("PreTrainedModel", cast("PeftModel", model).merge_and_unload())


def can_merge(model: PreTrainedModel | PeftModel) -> bool:
    """Whether the weights with a tuned model's adapter in them are the tuned model.

    They are not where a method does more than change weights, or where it changes one end of a tied weight.
    """
    kinds = {config.peft_type.value for config in getattr(model, "peft_config", {}).values()}
    names = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    changed = (
        cast("torch.nn.Module", module.base_layer) for module in model.modules() if hasattr(module, "base_layer")
    )
    tied = any(names[id(parameter)] > 1 for layer in changed for parameter in layer.parameters())
    return bool(kinds) and kinds <= {*methods.MERGEABLE_TYPES} and not tied
