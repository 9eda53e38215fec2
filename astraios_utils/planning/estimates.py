"""How long a suite takes on a GPU: measured where this machine has trained the model, else a stated estimate.

An estimate counts operations and bytes exactly and divides them by the card's figures times an assumed utilisation.
Nothing that is printed from here may stand in a table of measured values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from .. import models, schema
from . import memory

if TYPE_CHECKING:
    from transformers.configuration_utils import PretrainedConfig

    from ..tasks import Task

# Assumed, not measured: the share of the card's peak that training reaches, by what the base is held in, and the share
# of its bandwidth that decoding reaches, in addition to a fixed time per layer (launching a dozen small kernels).
UTILISATION: Mapping[str, float] = MappingProxyType({"8bit": 0.15, "bfloat16": 0.35, "float16": 0.35, "float32": 0.30})
DECODING_BANDWIDTH = 0.6
LAYER_SECONDS = 8e-4
ROWS = 64  # sequences that are decoded at a time
# New tokens a sample: the mean length of the released generations at 3.5 characters a token.


@dataclass(frozen=True, slots=True)
class Gpu:
    """A card as its maker states it.

    Attributes:
        gib: usable memory as PyTorch reports it.
        operations: dense 16-bit operations per second.
        bandwidth: bytes per second.
        bfloat16: whether it computes bfloat16 in hardware; otherwise float16 takes its place.
    """

    name: str
    gib: float
    operations: float
    bandwidth: float
    bfloat16: bool = True

    @property
    def bytes(self) -> float:
        """Its memory in bytes."""
        return self.gib * memory.GIB


GPUS = (
    Gpu("T4", 14.6, 65e12, 320e9, bfloat16=False),
    Gpu("L4", 22.0, 121e12, 300e9),
    Gpu("A10G", 22.0, 70e12, 600e9),
    Gpu("A100-40GB", 39.4, 312e12, 1555e9),
    Gpu("A100-80GB", 79.1, 312e12, 2039e9),
    Gpu("H100", 79.1, 989e12, 3350e9),
    Gpu("H200", 139.8, 989e12, 4800e9),
)


def get_gpu(name: str) -> Gpu:
    """A card of :data:`GPUS`; raises :class:`schema.UnknownName` with near matches."""
    by_name = {gpu.name: gpu for gpu in GPUS}
    return by_name[schema.match(name, by_name, "GPU")]


def here() -> Gpu | None:
    """This machine's first GPU, with its own memory and the figures of the table; ``None`` without one.

    A card that the table does not hold gets the figures of the largest of the table that has no more memory.
    """
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    gib = properties.total_memory / memory.GIB
    words = properties.name.replace("-", " ").split()
    named = [gpu for gpu in GPUS if gpu.name.split("-")[0] in words and gpu.gib <= gib + 1]
    like = (named or [gpu for gpu in GPUS if gpu.gib <= gib + 1] or [GPUS[0]])[-1]
    return Gpu(properties.name, gib, like.operations, like.bandwidth, models.has_bfloat16())


def operations_per_token(config: PretrainedConfig, length: int, parameters: int, trained: int) -> float:
    """Model operations per token, forward and backward (recomputation is not counted).

    A weight costs 2 forward, 2 for the gradient of its input, and 2 for its own where it is trained; attention costs
    4 x layers x width x length forward and twice that backward. Position embeddings are no matrix products; tied token
    embeddings count once, as the head; untied ones are a lookup.
    """
    text = config.get_text_config()
    learned = text.hidden_size * (getattr(text, "n_positions", 0) or 0)
    lookup = 0 if text.tie_word_embeddings else text.vocab_size * text.hidden_size
    matrices = parameters - learned - lookup
    width = text.num_attention_heads * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    own = 2 * matrices if trained == parameters else 6 * trained
    return float(4 * matrices + own + 12 * text.num_hidden_layers * width * length)


def training_hours(
    config: PretrainedConfig, recipe: schema.Recipe, plan: memory.Plan, held: str, gpu: Gpu, gpus: int = 1
) -> float:
    """Estimated hours of one training on ``gpus`` cards; ``held``: what the base's weights are held in."""
    tokens = recipe.steps * recipe.batch * recipe.sequence_length
    per_token = operations_per_token(config, recipe.sequence_length, plan.parameters, plan.trained)
    return tokens * per_token / (gpu.operations * UTILISATION[held] * gpus) / 3600


def new_tokens(tasks: Iterable[Task], own: Mapping[str, int] = MappingProxyType({})) -> int:
    """How many tokens the samples of these tasks have, about; ``own``: tasks with problems of a suite's own."""
    total = 0
    for task in tasks:
        population = getattr(task, "population", None)  # of the full data sets, the protocol asks only these
        problems = own.get(task.name) or (sum(population) if population else task.data.rows)
        total += problems * task.decoding.samples * task.new_tokens
    return total


def generation_hours(
    config: PretrainedConfig,
    tasks: Iterable[Task],
    parameters: int,
    gpu: Gpu,
    own: Mapping[str, int] = MappingProxyType({}),
) -> float:
    """Estimated hours of generating the samples of these tasks (as :func:`new_tokens`) with one model in 16 bits."""
    layers = int(config.get_text_config().num_hidden_layers)
    step = 2 * parameters / (gpu.bandwidth * DECODING_BANDWIDTH) + layers * LAYER_SECONDS
    return new_tokens(tasks, own) * step / ROWS / 3600
