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

        class KeptTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
            def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = function(*args, **(kwargs or {}))
                for value in tree_iter(result):
                    if isinstance(value, torch.Tensor):
                        ledger.add(value)
                return result

        with KeptTensors():  # type: ignore[no-untyped-call]
            yield


def _flash(cuda: bool) -> Any:
    """Return an attention with a kernel's memory: it keeps inputs, output and a sum per row, no square matrix.

    On a CPU such a kernel exists only without dropout; with it, the square matrices are made, here as there.
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
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute for the length of the block."""
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, before)


def _autocast_norm(plain: Any) -> Any:
    """CUDA's autocast computes layer norms in float32 and returns float32; a CPU's keeps 16 bits."""
    import torch
    from torch.utils._pytree import tree_map_only

    def layer_norm(inputs: Any, *args: Any, **options: Any) -> Any:
        if not torch.is_autocast_enabled("cpu"):
            return plain(inputs, *args, **options)
        with torch.autocast("cpu", enabled=False):
            wide, named = tree_map_only(torch.Tensor, lambda value: value.float(), (args, options))
            return plain(inputs.float(), *wide, **named)

    return layer_norm


@contextlib.contextmanager
def _kernels(cuda: bool, fused: bool) -> Iterator[None]:
    """Give operations the memory of the kernels that training uses; fake tensors would decompose them.

    On a GPU, norms follow CUDA's autocast, and TRL's head folds each tile of logits in place.
    """
    from torch.nn import functional
    from trl.kernels import chunked_logprob

    with contextlib.ExitStack() as stack:
        stack.enter_context(_replaced(functional, "scaled_dot_product_attention", _flash(cuda)))
        if cuda:
            stack.enter_context(_replaced(functional, "layer_norm", _autocast_norm(functional.layer_norm)))
        for name in ("_forward_tile", "_backward_tile", "_addmm_fp32") if fused else ():
            stack.enter_context(_replaced(chunked_logprob, name, lambda *_, **__: None))
        yield


def _eight_bit_layer() -> Any:
    """The class of a linear layer that holds and keeps what bitsandbytes' ``Linear8bitLt`` does on a GPU.

    Weights are int8 with a float32 scale per row. Forward makes a float16 copy of the input, int8 inputs and int32
    outputs, and keeps the input outside of autograd's saved tensors; backward makes the layer in 16 bits.
    """
    import torch
    from torch import nn

    class MatMul(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, inputs: Any, weight: Any) -> Any:
            ctx.tensors, ctx.weight = (inputs,), weight  # as bitsandbytes does: no checkpoint can drop it
            halved = inputs.to(torch.float16)
            small = torch.empty_like(halved, dtype=torch.int8)
            del halved
            whole = inputs.new_empty((*inputs.shape[:-1], weight.shape[0]), dtype=torch.int32)
            del small
            return whole.to(torch.float16).to(inputs.dtype)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            (inputs,) = ctx.tensors
            whole = ctx.weight.to(inputs.dtype)
            return torch.matmul(gradients[0].to(inputs.dtype), whole), None

    class EightBit(nn.Linear):
        eight_bit = True

        def __init__(self, rows: int, columns: int, bias: Any) -> None:
            super().__init__(columns, rows, bias=False, device="meta")
            weight = torch.empty((rows, columns), dtype=torch.int8, device="meta")
            self.weight = nn.Parameter(weight, requires_grad=False)
            self.bias = bias
            self.register_buffer("SCB", torch.empty(rows, device="meta"))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = MatMul.apply(inputs, self.weight)  # type: ignore[no-untyped-call]
            return out if self.bias is None else out.add_(self.bias)

    return EightBit


def _quantise(base: Any) -> None:
    """Put 8-bit layers into a base on the meta device, where bitsandbytes puts them: all linear ones but the head."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    made, head = _eight_bit_layer(), base.get_output_embeddings()
    for parent in list(base.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.Linear | Conv1D) and module is not head:
                rows, columns = module.weight.shape
                if isinstance(module, Conv1D):
                    rows, columns = columns, rows
                setattr(parent, name, made(rows, columns, module.bias))


def _meta_base(config: PretrainedConfig, held: str, dtype: torch.dtype) -> Any:
    """Build the base on the meta device, which is fast, in the form that training holds it in."""
    base = models.on_meta(config).to(dtype)  # type: ignore[arg-type]
    if held == "8bit":
        _quantise(base)
        models.eight_bit.prepare(base, dtype)
    return base


def _mapped(module: Any, function: Any, recurse: bool = True) -> Any:
    """Replace each tensor of a module by its image, as ``Module._apply`` does, which cannot swap fake tensors."""
    import torch

    for child in module.children() if recurse else ():
        _mapped(child, function)
    for name, value in list(module._parameters.items()):
        if value is not None:
            module._parameters[name] = torch.nn.Parameter(function(value.detach()), requires_grad=value.requires_grad)
    for name, value in list(module._buffers.items()):
        if value is not None:
            module._buffers[name] = function(value)
    return module


@contextlib.contextmanager
def _known_scalars() -> Iterator[None]:
    """Give 1 where a method reads a number out of a fake tensor, such as a random draw that decides on a dropout."""
    import torch
    from torch._subclasses.fake_tensor import DataDependentOutputException
    from torch.utils._python_dispatch import TorchDispatchMode

    class Scalars(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            try:
                return function(*args, **(kwargs or {}))
            except DataDependentOutputException:
                if function is not torch.ops.aten._local_scalar_dense.default:
                    raise
                return 1.0 if args[0].is_floating_point() else 1

    with Scalars():  # type: ignore[no-untyped-call]
        yield


def _attached(base: Any, method: str, changes: Mapping[str, Any] | None) -> Any:
    """Replace the base's meta tensors by fake ones of the CPU and attach the method, inside ``FakeTensorMode``.

    Methods can then compute with the base's weights as they are attached, and autocast works, which the meta device
    ignores.
    """
    import torch
    from torch import nn

    _mapped(base, lambda value: torch.empty(value.shape, dtype=value.dtype))
    base.tie_weights()
    with _replaced(nn.Module, "_apply", _mapped):
        return models.attach(base, method, changes)


def _step(model: Any, recipe: schema.Recipe, half: torch.dtype | None, fused: bool, accumulates: bool) -> _Held:
    """Measure one step of a run that is under way."""
    import torch
    from trl.trainer.utils import add_fused_lm_head

    base = model.get_base_model() if hasattr(model, "peft_config") else model
    if (options := models.checkpointing(model, recipe)) is not None:
        every = options.pop("every_n_layers")
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options, every_n_layers=every)
    model.train()
    if fused:
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
        with torch.autocast("cpu", dtype=half or torch.bfloat16, enabled=half is not None):
            loss, _ = models.loss_sum(model, {"input_ids": ids, "labels": ids}, fused=fused)
        loss.backward()  # type: ignore[no-untyped-call]
    return _Held(weights, gradients, states, max(ledger.peak - weights - gradients - states, 0))


@dataclass(frozen=True, slots=True)
class _Held:
    """Bytes of weights, gradients and optimiser states, and the peak of everything else in a step."""

    weights: int
    gradients: int
    optimizer: int
    activations: int


def _gathered(model: Any) -> int:
    """What FSDP holds whole on each GPU in addition to its shards, in bytes.

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
    *,
    cuda: bool = True,
    gpus: int = 1,
    bfloat16: bool = True,
    fused: bool | None = None,
) -> Plan:
    """Compute the peak memory of training one model by a recipe.

    Args:
        config: of the base.
        recipe: batch, precision and checkpointing are what counts.
        method, changes: as :func:`models.attach` takes them.
        cuda: on GPUs; otherwise on this host's CPU, in float32.
        gpus: how many GPUs share the states (FSDP) and the batch; each holds an 8-bit base whole.
        bfloat16: whether the GPU computes it; without it, training uses float16 and no fused head.
        fused: whether TRL's fused head computes the loss; none: on GPUs with bfloat16.

    Raises:
        schema.BadInput: the method does not fit the base, or the sequences do not.
        CannotPlan: the method computes what fake tensors cannot.
    """
    import torch
    from torch._subclasses import FakeTensorMode

    full = methods.is_full(method, changes)
    held = "float32" if full or not cuda else recipe.base_precision
    sixteen = torch.bfloat16 if bfloat16 else torch.float16
    half = sixteen if cuda and recipe.compute == "bfloat16" else None
    sharded = cuda and gpus > 1 and held != "8bit"
    dtype = torch.float32 if held == "float32" and not (sharded and half) else sixteen
    fused = cuda and bfloat16 if fused is None else fused
    base = _meta_base(config, held, dtype)
    parameters = sum(p.numel() for p in base.parameters())
    fakes = FakeTensorMode(allow_non_fake_inputs=True)
    with fakes, _known_scalars(), _kernels(cuda, fused), _explained(method), models.quiet():
        model = _attached(base, method, changes)
        trained = models.trainable_parameters(model)
        recipe = recipe.beside(models.virtual_tokens(model))
        models.require_room(model, recipe.sequence_length)
        step = _step(model, recipe, half, fused, accumulates=recipe.batch > recipe.micro_batch * gpus)
    found = Plan(step.weights, step.gradients, step.optimizer, step.activations, 0, 1, parameters, trained)
    return _shard(found, model, gpus) if sharded else found


class CannotPlan(schema.AstraiosError):
    """A training whose memory cannot be planned; it can still be run."""


@contextlib.contextmanager
def _explained(method: str) -> Iterator[None]:
    """Turn whatever a library raises on fake tensors into :class:`CannotPlan`."""
    try:
        yield
    except schema.AstraiosError as error:
        if error.__cause__ is None:  # ours: the suite is wrong
            raise
        raise CannotPlan(f"memory cannot be planned for {method}: {error}") from error
    except Exception as error:  # any library may fail in its own way
        reason = next((line for line in str(error).splitlines() if line.strip()), "")[:120]
        raise CannotPlan(f"memory cannot be planned for {method}: {type(error).__name__}: {reason}") from error


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
) -> tuple[bool, str]:
    """Whether GPUs of ``memory`` bytes hold a training, and a line that says what it needs and what would hold it.

    A training that cannot be planned is taken to fit.
    """
    bfloat16 = models.has_bfloat16()
    try:
        one = plan(config, recipe, method, changes, gpus=gpus, bfloat16=bfloat16)
    except CannotPlan as error:
        return True, f"{error}; training starts without a plan"
    cards = f"{gpus} GPU{'s' if gpus > 1 else ''} of {memory / GIB:.1f} GiB"
    if one.total <= usable(memory):
        return True, f"memory on each GPU, planned: {describe(one)}: fits on {cards}"
    advice = remedies(config, recipe, method, changes, memory) or ["a larger card", "a smaller base"]
    said = f"memory on each GPU, planned: {describe(one)}: does NOT fit on {cards}; what would: {' | '.join(advice)}"
    return False, said


def checkpoint_bytes(config: PretrainedConfig, method: str, changes: Mapping[str, Any] | None) -> int:
    """Bytes of disk that a training takes at most: three checkpoints to resume from, and the tuned model.

    A checkpoint holds each trained parameter and its two moments in float32; the third is written before the first
    goes. 7B FFT: 3 x 82 + 27 GiB.
    """
    import torch

    base = models.on_meta(config)
    with torch.device("meta"):
        try:
            model: Any = models.attach(base, method, changes)
        except schema.AstraiosError:  # some methods compute as they are attached; none of those is large
            return 0
    return (3 * (4 + _ADAM) + 4) * models.trainable_parameters(model)


def host_bytes(config: PretrainedConfig) -> int:
    """Bytes of host memory that full fine-tuning and merging take: the float32 weights pass through there."""
    return 4 * sum(p.numel() for p in models.on_meta(config).parameters())


def answering(config: PretrainedConfig, precision: str, rows: int, length: int) -> int:
    """Bytes of GPU memory that generation takes: weights and the cache of a full batch, part of it twice.

    Args:
        config: of the base.
        precision: of the whole model.
        rows: samples in a batch.
        length: tokens of the longest row.
    """
    text = config.get_text_config()
    width = {"float32": 4, "8bit": 1}.get(precision, 2)
    heads = 1 if getattr(text, "multi_query", False) else getattr(text, "num_key_value_heads", None)
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    column = 2 * (heads or text.num_attention_heads) * size * text.num_hidden_layers * max(width, 2)
    weights = width * sum(p.numel() for p in models.on_meta(config).parameters())
    return int(weights + 2 * rows * length * column)


def describe(one: Plan) -> str:
    """A plan in a line: ``weights 2.1 + gradients 0.0 + … = 3.4 GiB``."""
    parts = {name: cast(int, getattr(one, name)) for name in ("weights", "gradients", "optimizer", "activations")}
    parts |= {"gathered": one.gathered} if one.gathered else {}
    return " + ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items()) + f" = {one.total / GIB:.2f} GiB"
