"""What training a model needs in memory, planned before anything is loaded.

The plan is no formula over parameter counts. The model is built on the meta device (shapes and types, no numbers), one
optimiser step of the project's own loss runs over it with fake tensors, and the storages that are alive are added up
at every operation: so a method, an architecture or a recipe that nobody has thought of is planned like the others.

What is not seen there, and stands in :class:`Card` or is added by name: the driver's context and the allocator's
fragments, the work space of 8-bit matrix products, and what FSDP gathers and reduces.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from .. import methods, models, schema

if TYPE_CHECKING:
    import torch
    from transformers.configuration_utils import PretrainedConfig

GIB = 1 << 30
CONTEXT = 0.7 * GIB  # bytes that the driver and the libraries take on each GPU
FRAGMENTS = 0.05  # share of a GPU that the caching allocator cannot hand out
_ADAM = 8  # bytes of optimiser state per trained parameter: two float32 moments


@dataclass(frozen=True, slots=True)
class Plan:
    """Peak memory of one training, in bytes on each of its GPUs.

    Attributes:
        weights: the base, the adapters and the buffers.
        gradients, optimizer: of what is trained.
        activations: everything else at the worst moment: saved activations, copies in compute precision, work space.
        gathered: what FSDP holds whole at a time (0 on one GPU).
        gpus: over how many GPUs the states are sharded.
        parameters, trained: numbers in the base and numbers that training changes.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    gathered: int
    gpus: int
    parameters: int
    trained: int

    @property
    def total(self) -> int:
        """Peak bytes on each GPU (or of the host, where there is none)."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.gathered


def usable(memory: float) -> float:
    """Bytes of a GPU of ``memory`` bytes that tensors can take."""
    return memory * (1 - FRAGMENTS) - CONTEXT


class Ledger:
    """Adds up the storages that are alive: :attr:`live` now, :attr:`peak` at most since :meth:`restart`."""

    def __init__(self) -> None:
        self.live = self.peak = 0
        self._held: dict[int, int] = {}

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage until it is freed; views of what is held cost nothing."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._held:
            self._held[key] = storage.nbytes()
            self.live += self._held[key]
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.live -= self._held.pop(key)

    def restart(self) -> None:
        """Forget the peak so far."""
        self.peak = self.live

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count what every operation returns."""
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils._pytree import tree_iter

        ledger = self

        class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
            def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = function(*args, **(kwargs or {}))
                for value in tree_iter(result):
                    if isinstance(value, torch.Tensor):
                        ledger.add(value)
                return result

        with Watch():  # type: ignore[no-untyped-call]
            yield


def _flash(cuda: bool) -> Any:
    """Attention as far as memory goes: a kernel that keeps its inputs, its output and a sum per row, no square matrix.

    On a CPU there is such a kernel only without dropout; with it, the square matrices are made, here as there.
    """
    import torch
    from torch.nn import functional

    class Attention(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any) -> Any:
            out = query.new_empty((*query.shape[:-1], value.shape[-1]))
            sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
            ctx.save_for_backward(query, key, value, out, sums)
            return out

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])

    plain = functional.scaled_dot_product_attention

    def attention(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, **options: Any
    ) -> Any:
        if not cuda and dropout_p:
            return plain(query, key, value, attn_mask=attn_mask, dropout_p=dropout_p, **options)
        return Attention.apply(query, key, value)  # type: ignore[no-untyped-call]

    return attention


@contextlib.contextmanager
def _kernels(cuda: bool) -> Iterator[None]:
    """Let operations take the memory of the kernels that training meets; fake tensors would take them apart.

    On a GPU, TRL's head folds each tile of logits in place.
    """
    from torch.nn import functional
    from trl.kernels import chunked_logprob

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(functional, "scaled_dot_product_attention", _flash(cuda)))
        for name in ("_forward_tile", "_backward_tile", "_addmm_fp32") if cuda else ():
            stack.enter_context(mock.patch.object(chunked_logprob, name, return_value=None))
        yield


def _build(config: PretrainedConfig, method: str, changes: Mapping[str, Any], dtype: torch.dtype) -> tuple[Any, int]:
    """The model with its method on the meta device, its base in ``dtype``, and the base's number of parameters."""
    import torch

    base = models.on_meta(config).to(dtype)  # type: ignore[arg-type]
    parameters = models.trainable_parameters(base)
    with torch.device("meta"):
        return models.attach(base, method, changes), parameters


def _materialise(model: Any) -> None:
    """Put a fake tensor of the CPU in the place of each meta tensor (autocast does nothing on the meta device)."""
    import torch

    for module in model.modules():
        for name, value in list(module._parameters.items()):
            if value is not None:
                fake = torch.empty(value.shape, dtype=value.dtype)
                module._parameters[name] = torch.nn.Parameter(fake, requires_grad=value.requires_grad)
        for name, value in list(module._buffers.items()):
            if value is not None:
                module._buffers[name] = torch.empty(value.shape, dtype=value.dtype)


def _step(model: Any, recipe: schema.Recipe, cuda: bool, half: bool, accumulates: bool) -> tuple[int, int, int, int]:
    """Bytes of weights, gradients, optimiser states and the peak of the rest in a step of a run under way."""
    import torch
    from trl.trainer.utils import add_fused_lm_head

    tuned = hasattr(model, "peft_config")
    base = model.get_base_model() if tuned else model
    base.tie_weights()
    prefix = tuned and model.active_peft_config.peft_type == "PREFIX_TUNING"
    if recipe.gradient_checkpointing and not prefix:
        model.activation_checkpointing_enable(
            activation_checkpointing_kwargs={"use_reentrant": False}, every_n_layers=recipe.checkpoint_every
        )
    model.train()
    if cuda:
        add_fused_lm_head(base)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, ledger = torch.optim.AdamW(trained, fused=True), Ledger()
    with ledger.watching():
        for tensor in (*model.parameters(), *model.buffers()):
            ledger.add(tensor)
        weights = ledger.live
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        gradients = ledger.live - weights
        optimizer.step()
        states = ledger.live - weights - gradients
        if not accumulates:
            optimizer.zero_grad(set_to_none=True)
        ledger.restart()
        ids = torch.ones((recipe.micro_batch, recipe.sequence_length), dtype=torch.long)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss, _ = models.loss_sum(model, {"input_ids": ids, "labels": ids}, fused=cuda)
        loss.backward()  # type: ignore[no-untyped-call]
    return weights, gradients, states, max(ledger.peak - weights - gradients - states, 0)


def _eight_bit(model: Any, tokens: int) -> tuple[int, int]:
    """What 8 bits save in weights, and the work space of one product, in bytes.

    LLM.int8 holds each linear layer but the head as int8 with a float32 scale a row. A product makes int8 inputs and
    int32 outputs forward, and the layer in 16 bits backward (bitsandbytes' ``MatMul8bitLt``).
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    base = model.get_base_model()
    head = base.get_output_embeddings()
    own = [m for n, m in base.named_modules() if isinstance(m, nn.Linear | Conv1D) and m is not head]
    frozen = [module.weight for module in own if not module.weight.requires_grad]
    saved = sum(weight.numel() * (weight.element_size() - 1) - 4 * weight.shape[0] for weight in frozen)
    space = (max(tokens * (w.shape[1] + 4 * w.shape[0]), 2 * w.numel()) for w in frozen)
    return saved, max(space, default=0)


def _gathered(model: Any) -> int:
    """What FSDP holds whole on each GPU beside its shards, in bytes.

    The embeddings stay whole in 16 bits through a step, and so does their gradient; of the blocks, one is computed
    while the next is gathered and one's gradient is reduced, each with the buffer that it is copied through.
    """
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    blocks = next(m for m in base.modules() if type(m).__name__ == "ModuleList")
    sizes = [sum(p.numel() for p in block.parameters()) for block in blocks]
    whole = sum(p.numel() for p in base.parameters()) - sum(sizes)
    return int(2 * (2 * whole) + 2 * (3 + 2) * max(sizes))


def plan(
    config: PretrainedConfig,
    recipe: schema.Recipe,
    method: str,
    changes: Mapping[str, Any] | None = None,
    cuda: bool = True,
    gpus: int = 1,
) -> Plan:
    """The peak memory of training one model by a recipe.

    Args:
        config: of the base.
        recipe: batch, precision and checkpointing are what counts.
        method, changes: as :func:`models.attach` takes them.
        cuda: on GPUs; otherwise on this host's CPU, in float32.
        gpus: how many GPUs share the states (FSDP) and the batch; each holds an 8-bit base whole.

    Raises:
        schema.BadInput: the method does not fit the base, or the sequences do not.
    """
    import torch
    from torch._subclasses import FakeTensorMode

    full = methods.is_full(method, changes)
    held = "float32" if full or not cuda else recipe.base_precision
    half = cuda and recipe.compute == "bfloat16"
    sharded = cuda and gpus > 1 and held != "8bit"
    dtype = torch.float32 if held == "float32" and not (sharded and half) else torch.bfloat16
    model, parameters = _build(config, method, dict(changes or {}), dtype)
    trained = models.trainable_parameters(model)
    recipe = recipe.beside(models.virtual_tokens(model))
    models.require_room(model, recipe.sequence_length)
    with FakeTensorMode(allow_non_fake_inputs=True), _kernels(cuda):
        _materialise(model)
        accumulates = recipe.batch > recipe.micro_batch * gpus
        weights, gradients, states, rest = _step(model, recipe, cuda, half, accumulates)
    found = Plan(weights, gradients, states, rest, 0, 1, parameters, trained)
    if held == "8bit":
        saved, space = _eight_bit(model, recipe.micro_batch * recipe.sequence_length)
        found = replace(found, weights=weights - saved, activations=rest + space)
    return _shard(found, model, gpus) if sharded else found


def _shard(one: Plan, model: Any, gpus: int) -> Plan:
    """The plan of a GPU that holds its share of all states (float32 masters where they are trained)."""
    frozen = sum(p.numel() * p.element_size() for p in model.parameters() if not p.requires_grad)
    weights = (4 * one.trained + frozen) // gpus
    return replace(
        one,
        weights=weights,
        gradients=4 * one.trained // gpus,
        optimizer=_ADAM * one.trained // gpus,
        gathered=_gathered(model),
        gpus=gpus,
    )


def remedies(
    config: PretrainedConfig, recipe: schema.Recipe, method: str, changes: Mapping[str, Any] | None, memory: float
) -> list[str]:
    """What would make a training fit GPUs of ``memory`` bytes, the mildest change first; each one is planned."""
    full = methods.is_full(method, changes)
    trials: list[tuple[str, dict[str, Any], bool]] = [
        ("micro_batch: 1", {"micro_batch": 1}, recipe.micro_batch > 1),
        ("gradient_checkpointing: true", {"gradient_checkpointing": True}, not recipe.gradient_checkpointing),
        ("checkpoint_every: 1", {"checkpoint_every": 1}, recipe.checkpoint_every > 1),
        ("base_precision: 8bit", {"base_precision": "8bit"}, not full and recipe.base_precision != "8bit"),
    ]
    found: list[str] = []
    changed, said = recipe, list[str]()
    for text, update, applies in trials:
        if applies:
            changed, said = changed.model_copy(update=update), [*said, text]
            if plan(config, changed, method, changes).total <= usable(memory):
                found.append(" and ".join(said))
                break
    if full or recipe.base_precision != "8bit":
        for gpus in (2, 4, 8, 16, 32):
            if plan(config, recipe, method, changes, gpus=gpus).total <= usable(memory):
                found.append(f"{gpus} such GPUs (astraios train under accelerate, data/accelerate/fsdp.yaml)")
                break
    return found


def forecast(
    config: PretrainedConfig,
    recipe: schema.Recipe,
    method: str,
    changes: Mapping[str, Any] | None,
    memory: float,
    gpus: int = 1,
) -> str:
    """What a training will take of GPUs of ``memory`` bytes, whether they hold it, and what would, in a line."""
    one = plan(config, recipe, method, changes, gpus=gpus)
    cards = f"{gpus} GPU{'s' if gpus > 1 else ''} of {memory / GIB:.1f} GiB"
    if one.total <= usable(memory):
        return f"memory on each GPU, planned: {describe(one)}: fits on {cards}"
    advice = remedies(config, recipe, method, changes, memory) or ["a larger card", "a smaller base"]
    return f"memory on each GPU, planned: {describe(one)}: does NOT fit on {cards}; what would: {' | or '.join(advice)}"


def describe(one: Plan) -> str:
    """A plan in a line: ``weights 2.1 + gradients 0.0 + … = 3.4 GiB``."""
    parts = {name: cast(int, getattr(one, name)) for name in ("weights", "gradients", "optimizer", "activations")}
    parts |= {"gathered": one.gathered} if one.gathered else {}
    return " + ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items()) + f" = {one.total / GIB:.2f} GiB"
