"""Configurations of base models, and models without weights built from them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .. import schema
from ..sources import hub
from . import gguf
from .quiet import first_line, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.configuration_utils import PretrainedConfig

# StarCoderBase: hidden size, layers, heads. Vocabulary, positions and the MLP's width follow one rule for all sizes.
STARCODER = {"1B": (2048, 24, 16), "3B": (2816, 36, 22), "7B": (4096, 42, 32), "16B": (6144, 40, 48)}
VOCABULARY = 49_152
POSITIONS = 8_192


def starcoder_config(size: str) -> PretrainedConfig:
    """Return the configuration of StarCoderBase of a size (GPTBigCode with multi-query attention)."""
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


@contextlib.contextmanager
def meta() -> Iterator[None]:
    """The meta device; random initialisation is left out, as there are no numbers to draw."""
    import torch
    from torch.nn import init

    kept = {name: value for name, value in vars(init).items() if name.endswith("_") and not name.startswith("_")}
    try:
        for name in kept:
            setattr(init, name, lambda tensor, *_, **__: tensor)
        with torch.device("meta"):
            yield
    finally:
        for name, value in kept.items():
            setattr(init, name, value)


def on_meta(config: PretrainedConfig) -> PreTrainedModel:
    """Build a model on the meta device: it has shapes and names, and holds no numbers."""
    with quiet():
        from transformers import AutoModelForCausalLM

    with meta():
        return cast("PreTrainedModel", AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]


def load_config(base: schema.Base) -> PretrainedConfig:
    """Return the base's configuration: its ``shape`` where the suite gives one, else from its folder or the hub.

    Raises:
        schema.UnknownName: the shape has a ``model_type`` that transformers does not know.
        schema.MissingArtefact: no shape is given, and the file is unavailable.
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
    """Read ``config.json`` from the base's folder or the hub; raises :class:`schema.MissingArtefact`."""
    with quiet():
        from transformers import AutoConfig

    return cast("PretrainedConfig", _stored(AutoConfig, base))


def load_tokenizer(base: schema.Base) -> PreTrainedTokenizerBase:
    """Load the base's fast tokenizer; raises :class:`schema.MissingArtefact` where it is unavailable."""
    with quiet():
        from transformers import AutoTokenizer

    return cast("PreTrainedTokenizerBase", _stored(AutoTokenizer, base))


def _stored(kind: Any, base: schema.Base) -> Any:
    """What ``from_pretrained`` of a class of transformers reads of a base; raises :class:`schema.MissingArtefact`."""
    base = gguf.plain(base)
    try:
        return kind.from_pretrained(base.model, revision=base.revision)
    except (OSError, ValueError) as error:
        raise missing(base, error) from None


def missing(base: schema.Base, error: Exception) -> schema.MissingArtefact:
    """The error, in one line, of a base that could not be read."""
    if Path(base.model).is_dir():
        return schema.MissingArtefact(
            f"{base.model}: no whole base model with a tokenizer, as `save_pretrained` writes them "
            f"({first_line(error)})"
        )
    return schema.MissingArtefact(
        f"{base.model}: no such folder, and unavailable from the hub: {hub.cause(error)}; or name a folder in the "
        "suite's bases"
    )
