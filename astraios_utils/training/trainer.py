"""transformers' Trainer, with TRL's fused head for the loss, exact checkpoints and early, clear failures."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.data import IterableDataset
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from trl.trainer.utils import add_fused_lm_head

from .. import models, schema, store
from ..sources.corpus import IGNORED, Corpus, Packed, Position, pack
from . import parallel
from .cost import Meter
from .identity import identities
from .loggers import Logger

# In float16 the scaler skips a step whose gradient overflows and halves its scale, which starts at 2^16.
OVERFLOWS = 16
COMPLETE = "complete.json"  # written last: a checkpoint without it is half-written
_TRAINABLE = "trainable.safetensors"
_ALLOCATOR = "rank_allocator.pt"
_SENSITIVITIES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class TrainingFailed(schema.AstraiosError):
    """Training cannot go on; says why and what to change."""


def _packed(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    recipe: schema.Recipe,
    start: Position | None = None,
    passes: int | None = None,
) -> Iterator[Packed]:
    return pack(corpus, tokenizer, recipe.sequence_length, start, passes, recipe.answers_only, recipe.template)


class PackedData(IterableDataset[dict[str, torch.Tensor]]):
    """The packed stream as tensors; remembers where it stood after each sequence, however far a loader reads ahead."""

    def __init__(
        self, corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: schema.Recipe, start: Position, skipped: int
    ) -> None:
        self._stream = _packed(corpus, tokenizer, recipe, start=start)
        self._skipped = skipped
        self._after = [start]

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for packed in self._stream:
            self._after.append(packed.after)
            yield as_tensors(packed)

    def position(self, sequences: int) -> Position:
        """Where the stream stood after so many sequences since the training's beginning."""
        return self._after[sequences - self._skipped]


def as_tensors(packed: Packed) -> dict[str, torch.Tensor]:
    """One sequence as int64 tensors ``input_ids`` and ``labels``, each of shape (length,).

    Its first token has no label: only virtual tokens could predict it, and the loss of all methods is over the same
    tokens.
    """
    return {"input_ids": torch.tensor(packed.input_ids), "labels": torch.tensor([IGNORED, *packed.labels[1:]])}


def first_batches(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: schema.Recipe, rows: int = 32
) -> Iterator[dict[str, torch.Tensor]]:
    """The first sequences of the training stream, one row each: what initialisations from data see."""
    for packed in itertools.islice(_packed(corpus, tokenizer, recipe), rows):
        yield {key: value[None] for key, value in as_tensors(packed).items()}


def held_out_batches(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: schema.Recipe
) -> list[dict[str, torch.Tensor]]:
    """The held-out sequences, one per batch, so that each has a loss of its own.

    Raises:
        schema.BadInput: there are none.
    """
    stream = _packed(corpus, tokenizer, recipe, passes=1)
    held_out = [as_tensors(packed) for packed in itertools.islice(stream, recipe.test_sequences)]
    if not held_out:
        raise schema.BadInput(
            f"the held-out documents do not fill one sequence of {recipe.sequence_length} tokens: shorten "
            "sequence_length, or name a larger corpus_test"
        )
    return [{key: value[None] for key, value in one.items()} for one in held_out]


def orthogonality(model: Any) -> torch.Tensor:
    """AdaLoRA's regulariser (Zhang et al. 2023, equation 4): the mean over A and B of ``||P P^T - I||_F``, weighted.

    PEFT adds it to a model's own loss, which the fused head does not use, and once per micro-batch, which would count
    it ``batch / micro_batch`` times.
    """
    weight = float(model.peft_config[model.active_adapter].orth_reg_weight)
    norms = []
    for name, p in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            gram = p @ p.T if "lora_A" in name else p.T @ p
            norms.append(torch.linalg.matrix_norm(gram - torch.eye(len(gram), device=p.device, dtype=p.dtype)))
    return torch.stack(norms).mean() * weight


def _special_optimizer(asked: Mapping[str, Any], model: Any, args: TrainingArguments) -> torch.optim.Optimizer:
    """LoRA+'s or LoRA-FA's optimiser, as PEFT makes them; weight decay is the recipe's."""
    from peft.optimizers import create_lorafa_optimizer, create_loraplus_optimizer

    if asked["kind"] == "lora+":
        return create_loraplus_optimizer(
            model,
            torch.optim.AdamW,
            lr=args.learning_rate,
            loraplus_lr_ratio=asked["ratio"],
            loraplus_weight_decay=args.weight_decay,
        )
    config = model.active_peft_config
    return create_lorafa_optimizer(
        model, r=config.r, lora_alpha=config.lora_alpha, lr=args.learning_rate, weight_decay=args.weight_decay
    )


def initialise_from_data(model: Any, batches: Iterable[dict[str, torch.Tensor]]) -> None:
    """Start a method from the activations of the corpus, where its initialisation asks for that (EVA).

    Args:
        model: with the method attached.
        batches: of :func:`as_tensors`, each with a dimension of rows.
    """
    config = getattr(model, "active_peft_config", None)
    if getattr(config, "init_lora_weights", None) != "eva":
        return
    from peft import initialize_lora_eva_weights

    device = next(model.parameters()).device
    given = [{"input_ids": batch["input_ids"].to(device)} for batch in batches]
    initialize_lora_eva_weights(model, given, show_progress_bar=False)


class Tuner(Trainer):
    """One run's loop.

    The loss is the mean cross-entropy over all labelled tokens of an optimiser step, so that splitting a step into
    micro-batches changes memory and speed only. On a GPU TRL's fused head never builds the logits of a whole sequence;
    its fallback for CPUs computes them twice, so that there the model's own logits are faster and smaller.

    Args:
        test: the held-out batches.
        fused: whether the fused head is used; default: on a GPU that has bfloat16.
        special: the method's own optimiser (:func:`methods.optimizer_of`); empty: AdamW.
    """

    def __init__(
        self,
        *args: Any,
        test: list[dict[str, torch.Tensor]],
        fused: bool | None = None,
        special: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._special = dict(special or {})
        self.model_accepts_loss_kwargs = True  # the loss below divides by the step's tokens itself
        self.remove_callback(PrinterCallback)
        self.test = test
        self._penalty = 0.0
        model: Any = self.model
        self.kind = model.active_peft_config.peft_type.value if hasattr(model, "peft_config") else None
        cuda = self.args.device.type == "cuda"
        self.fused = (cuda and models.has_bfloat16()) if fused is None else fused  # Triton needs a newer GPU, too
        if self.fused:
            add_fused_lm_head(model.get_base_model() if self.kind else model)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW, or the method's own optimiser."""
        if self._special and self.optimizer is None:
            self.optimizer = _special_optimizer(self._special, self.model, self.args)
        return super().create_optimizer(model)

    def _loss_sum(self, model: torch.nn.Module, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy of a batch, and over how many tokens."""
        return models.loss_sum(model, inputs, self.fused)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The micro-batch's share of the step's mean loss, times the processes that gradients are averaged over."""
        total, count = self._loss_sum(model, inputs)
        loss = total / (count if num_items_in_batch is None else num_items_in_batch / parallel.processes())
        if self.kind == "ADALORA":
            penalty = orthogonality(self.model)
            self._penalty = penalty.item()
            loss = loss + penalty / self.current_gradient_accumulation_steps
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log cross-entropy alone: what AdaLoRA adds to it cannot be compared with other methods."""
        if "loss" in logs:
            logs["loss"] -= self._penalty
        super().log(logs, start_time)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The test loss: mean cross-entropy over all labelled tokens of the held-out sequences, and each one's sums."""
        model = self.model
        assert model is not None
        training = model.training
        model.eval()
        sequences: list[list[float]] = []
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self.test:
                nll, tokens = self._loss_sum(model, self._prepare_inputs(batch))
                sequences.append([nll.item(), int(tokens)])
        model.train(training)
        total, count = (sum(column) for column in zip(*sequences, strict=True)) if sequences else (0.0, 0)
        metrics: dict[str, Any] = {"eval_loss": total / count if count else math.nan, "eval_sequences": sequences}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _trainable(self) -> dict[str, torch.Tensor]:
        assert self.model is not None
        return {name: p.data for name, p in self.model.named_parameters() if p.requires_grad}

    def whole_state(self) -> dict[str, torch.Tensor] | None:
        """Under FSDP, every weight gathered from its shards, tied ones once; every process must ask. Else ``None``."""
        if not self.is_fsdp_enabled:
            return None
        assert self.model is not None
        gathered = self.accelerator.get_state_dict(self.model)
        return {name: gathered[name] for name, _ in self.model.named_parameters() if name in gathered}

    def _allocation(self) -> dict[str, Any]:
        """AdaLoRA's running sensitivities and its final ranks, which no state dict holds."""
        model: Any = self.model
        allocator = model.base_model.rankallocator
        sensitivities = {name: dict(getattr(allocator, name)) for name in _SENSITIVITIES}
        return {**sensitivities, "rank_pattern": model.active_peft_config.rank_pattern}

    def _load_allocation(self, held: dict[str, Any]) -> None:
        model: Any = self.model
        model.active_peft_config.rank_pattern = held["rank_pattern"]
        for name in _SENSITIVITIES:
            setattr(model.base_model.rankallocator, name, held[name])

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Every trainable parameter, bit by bit. (PEFT's own form has no P-Tuning encoder, which training needs.)"""
        if not parallel.is_first():
            return
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        whole = {name: (state_dict or {}).get(name, p) for name, p in self._trainable().items()}  # FSDP gathers it
        save_file({name: p.contiguous().cpu() for name, p in whole.items()}, folder / _TRAINABLE)
        if self.kind == "ADALORA":
            torch.save(self._allocation(), folder / _ALLOCATOR)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        held, trainable = load_file(folder / _TRAINABLE), self._trainable()
        if {k: v.shape for k, v in held.items()} != {k: v.shape for k, v in trainable.items()}:
            raise schema.BadInput(
                f"{folder}: holds other parameters than this run trains; delete it to start from scratch"
            )
        for name, parameter in trainable.items():
            value = held[name]
            if isinstance(parameter, DTensor):
                value = distribute_tensor(value, parameter.device_mesh, parameter.placements)
            parameter.copy_(value)
        if self.kind == "ADALORA":
            self._load_allocation(torch.load(folder / _ALLOCATOR, weights_only=True, map_location=self.args.device))


class TrainingLog(TrainerCallback):
    """Logs losses, measures, tells the user, marks checkpoints complete, and stops a run that has gone wrong."""

    def __init__(
        self,
        recipe: schema.Recipe,
        losses: Path,
        *,
        meter: Meter,
        data: PackedData,
        inputs: dict[str, Any],
        progress: Callable[[str], None],
        tests: bool,
        resumed: Callable[[], None] | None,
        loggers: Sequence[Logger] = (),
    ) -> None:
        self.recipe, self.losses, self.meter, self.data = recipe, losses, meter, data
        self.inputs, self.progress, self.tests, self._resumed = inputs, progress, tests, resumed
        self._loggers = loggers
        self._began = time.perf_counter()
        self._told = -math.inf
        self._overflows = 0
        self._last = {"train": math.nan, "test": math.nan}

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        model.register_forward_hook(lambda *_: self.meter.sample())  # while activations are held

    def on_step_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        if self._resumed:  # after the loader has drawn its seed, which an undisturbed run did long ago
            self._resumed()
            self._resumed = None
        self._began = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        due = state.global_step % self.recipe.evaluate_every == 0 or state.global_step == self.recipe.steps
        control.should_evaluate = self.tests and due

    def on_substep_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        self.meter.sample()

    def on_optimizer_step(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        allocate = getattr(getattr(kwargs["model"], "base_model", None), "update_and_allocate", None)
        if allocate is not None:  # AdaLoRA's ranks
            allocate(state.global_step + 1)

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "eval_loss" in logs:
            self._write(state.global_step, "test", logs["eval_loss"], sequences=logs["eval_sequences"])
            self._require_finite(state.global_step, "test loss", logs["eval_loss"])
        elif "loss" in logs:
            self.meter.sample()
            self.meter.step(self.recipe.batch * self.recipe.sequence_length, time.perf_counter() - self._began)
            norm = float(logs.get("grad_norm", 0.0))
            self._write(state.global_step, "train", logs["loss"], learning_rate=logs["learning_rate"], grad_norm=norm)
            self._require_finite(state.global_step, "train loss", logs["loss"], logs["learning_rate"])
            self._overflows = 0 if math.isfinite(norm) or not args.fp16 else self._overflows + 1
            if not args.fp16 or self._overflows > OVERFLOWS:
                self._require_finite(state.global_step, "gradient's norm", norm, logs["learning_rate"])

    def _write(self, step: int, split: str, loss: float, **more: Any) -> None:
        self._last[split] = loss
        if not parallel.is_first():
            return
        tokens = step * self.recipe.batch * self.recipe.sequence_length
        line = {"step": step, "split": split, "loss": loss, "tokens": tokens, **more}
        with self.losses.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        numbers = {f"{split}/{name}": value for name, value in (("loss", loss), *more.items()) if name != "sequences"}
        for logger in self._loggers:
            logger.log(step, {**numbers, "tokens": tokens})
        now = time.perf_counter()
        if split == "test" or now - self._told > 5 or (step == self.recipe.steps and not self.tests):
            self._told = now
            self._tell(step)

    def _tell(self, step: int) -> None:
        rate = self.meter.rate
        todo = (self.recipe.steps - step) * self.recipe.batch * self.recipe.sequence_length
        left = "" if math.isnan(rate) else f"  {rate:,.0f} tokens/s  {_clock(todo / rate)} left"
        shown = "".join(f"  {split} loss {loss:.4f}" for split, loss in self._last.items() if not math.isnan(loss))
        self.progress(f"step {step}/{self.recipe.steps}{shown}{left}")

    def _require_finite(self, step: int, what: str, value: float, rate: float = math.nan) -> None:
        if math.isfinite(value):
            return
        remedies = ["set compute: float32"] if self.recipe.compute != "float32" else []
        if step:
            remedies = ["lower the recipe's learning rate", "lengthen warmup_steps", *remedies]
        if self.recipe.answers_only:
            remedies.append("raise batch (a step may hold no answer)")
        at = "" if math.isnan(rate) else f" at a learning rate of {rate:.1e}"
        before = " before any training (is the base damaged?)" if not step else ""
        kept = "; checkpoints from before this step are kept" if step else ""
        raise TrainingFailed(f"step {step}: the {what} is {value}{at}{before}: {', '.join(remedies)}{kept}")

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        parallel.wait()  # each process writes its random state
        if not parallel.is_first():
            return
        position = self.data.position(state.global_step * self.recipe.batch)
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        mark = {
            "step": state.global_step,
            "position": [position.epoch, position.document, position.token],
            "inputs": self.inputs,
            "files": identities(folder),
            "cost": self.meter.record(),
        }
        store.write_json(folder / COMPLETE, mark)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextlib.contextmanager
def tensor_cores() -> Iterator[None]:
    """Compute float32 products in TF32 inside the block, on GPUs that have it; generation does not use it."""
    if not (torch.cuda.is_available() and models.has_bfloat16()):  # both came with compute capability 8.0
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def arguments(
    run_folder: Path, recipe: schema.Recipe, method: str, seed: int, checkpointing: dict[str, Any] | None
) -> TrainingArguments:
    """Translate the recipe for transformers.

    Args:
        run_folder: where checkpoints go.
        recipe, method, seed: of the run.
        checkpointing: of activations, from :func:`models.checkpointing`.
    """
    mixed = torch.cuda.is_available() and recipe.compute == "bfloat16"
    made = TrainingArguments(
        output_dir=str(run_folder),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.micro_batch,
        gradient_accumulation_steps=parallel.accumulation(recipe),
        learning_rate=recipe.rate(method),
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.gradient_clip,
        bf16=mixed and models.has_bfloat16(),
        fp16=mixed and not models.has_bfloat16(),  # with a loss scaler
        activation_checkpointing=checkpointing is not None,
        activation_checkpointing_kwargs=checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=2,  # the one before stays until the next is complete
        seed=seed,
        data_seed=seed,
        ignore_data_skip=True,  # the stream itself starts where it stood
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )
    made._n_gpu = min(made.n_gpu, 1)  # one model, one device: DataParallel would split a micro-batch of 1
    return made


def weight_bytes(folder: Path, names: Iterable[str] = ("*.safetensors", "*.bin")) -> int:
    """Bytes of the weights that a checkpoint holds."""
    return sum(path.stat().st_size for name in names for path in folder.glob(name))
