"""Training speed, memory and utilisation per method, against a plain reference loop, in one run.

    python benchmarks/training.py                                  a minute on a CPU, at a toy's shape
    python benchmarks/training.py --size 1B --precision 8bit bfloat16 --micro-batch 1 4 --json out.json     on a GPU
    python benchmarks/training.py --suite nano --size 420K 1.1M --method LoRA FFT --cpu-seconds     a suite's own recipe

Models have StarCoder's shapes and random weights. ``ours`` is this project's loop; ``reference`` is the released
script's way (transformers' Trainer and loss, batch 1, gradient accumulation, checkpointing) in the same precision;
``released`` is that script to the letter, with float32 activations. Each row is the best of the measured steps.
With ``--suite``, bases, batch, length, micro-batch and checkpointing of our arm are the suite's. ``--cpu-seconds``
counts the process's CPU time, for machines on which other work runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import multiprocessing
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import prepare_model_for_kbit_training
from torch.utils.data import IterableDataset
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from astraios_utils import methods, models, schema, store
from astraios_utils.training.cost import reset_host_peak
from astraios_utils.training.trainer import Tuner, arguments

# Dense bf16 operations per second that the makers state, without sparsity.
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
ARMS = ("ours", "reference", "released")
CUDA = torch.cuda.is_available()


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        peak_mib: the most that tensors held on the GPU; without one, the most that the process held beyond its start.
        utilisation: model operations per second over the device's peak, recomputation not counted.
    """

    size: str
    method: str
    precision: str
    arm: str
    micro_batch: int
    tokens_per_second: float
    peak_mib: float
    utilisation: float
    note: str = ""


class Noise(IterableDataset[dict[str, torch.Tensor]]):
    """Endless random token ids: speed does not depend on them."""

    def __init__(self, vocabulary: int, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        generator = torch.Generator().manual_seed(0)
        while True:
            ids = torch.randint(1, self.vocabulary, (self.length,), generator=generator)
            yield {"input_ids": ids, "labels": ids}


class Clock(TrainerCallback):
    """Seconds of each optimiser step by ``now``, the device drained before and after."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.seconds: list[float] = []
        self.now = now

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._drain()
        self.began = self.now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._drain()
        self.seconds.append(self.now() - self.began)

    @staticmethod
    def _drain() -> None:
        if CUDA:
            torch.cuda.synchronize()


def operations_per_token(config: Any, length: int, method: str, trained: int, base: int) -> float:
    """Model operations per token, forward and backward.

    A matrix of n weights costs 2n forward, 2n for the gradient of its input and 2n for its own, which frozen weights do
    not have; attention costs 4 x layers x hidden x length forward and twice that backward. Position embeddings are no
    matrix products; the token embeddings count once, as the head. What makes virtual tokens is not run for each token
    and not counted, nor are the virtual tokens themselves.
    """
    matrices = base - config.n_positions * config.n_embd
    attention = 12 * config.n_layer * config.n_embd * length
    kind = methods.get_method(method).peft_type
    own = 2 * matrices if kind is None else 0 if kind in methods.PROMPT_TYPES else 6 * trained
    return 4 * matrices + own + attention


def peak_operations(given: float | None) -> float:
    """The device's peak, NaN where it is not in the table."""
    if given:
        return given * 1e12
    name = torch.cuda.get_device_name() if CUDA else ""
    return next((peak for key, peak in PEAK.items() if key in name), math.nan)


def write_base(size: str, folder: Path) -> None:
    """Random weights at a StarCoder's shape (or a toy's), saved in bfloat16 so that each arm loads them as users do."""
    from transformers import AutoModelForCausalLM, GPTBigCodeConfig

    if size == "toy":
        # Vocabulary and length stand to the hidden size as at 1B: 24 and 1.
        shape = {"vocab_size": 3072, "n_positions": 512, "n_embd": 128, "n_layer": 2, "n_head": 4}
        config = GPTBigCodeConfig(**shape, multi_query=True, bos_token_id=0, eos_token_id=0)
    else:
        config = models.starcoder_config(size)
    with torch.device("cuda" if CUDA else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if CUDA else torch.float32)
    model.save_pretrained(folder)


def recipe_of(options: argparse.Namespace, micro_batch: int) -> schema.Recipe:
    if options.suite is not None:
        steps = {"steps": options.warm_up + options.steps, "warmup_steps": 0, "save_every": 10**6}
        return options.suite.recipe.model_copy(update=steps)
    return schema.Recipe(
        corpus="none",
        sequence_length=options.length,
        steps=options.warm_up + options.steps,
        batch=options.batch,
        micro_batch=micro_batch,
        checkpoint_every=options.checkpoint_every,
        warmup_steps=0,
        save_every=10**6,
    )


def reference_arguments(recipe: schema.Recipe, method: str, folder: Path, half: bool) -> TrainingArguments:
    """What the released ``finetune.py`` sets."""
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=recipe.steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=recipe.batch,
        learning_rate=recipe.rate(method),
        weight_decay=recipe.weight_decay,
        activation_checkpointing=method != "Prefix",  # checkpointed layers would drop it
        activation_checkpointing_kwargs={"use_reentrant": False},
        bf16=half and CUDA,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=not CUDA,
    )


def trainer_of(arm: str, model: Any, recipe: schema.Recipe, method: str, folder: Path) -> Trainer:
    data = Noise(model.config.vocab_size, recipe.sequence_length)
    if arm == "ours":
        return Tuner(
            model=model,
            args=arguments(folder, recipe, method, 0, models.checkpointing(model, recipe)),
            train_dataset=data,
            test=[],
        )
    model.config.use_cache = False
    set_by = reference_arguments(recipe, method, folder, arm == "reference")
    trainer = Trainer(model=model, args=set_by, train_dataset=data)
    trainer.remove_callback(PrinterCallback)
    return trainer


def load(base: Path, precision: str, method: str, arm: str) -> PreTrainedModel:
    model = models.load_base(schema.Base(model=str(base)), "float32" if method == "FFT" else precision)
    if arm != "ours" and precision == "8bit" and method != "FFT":
        model = prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={"use_reentrant": False})
    return model


def apart(function: Callable[..., Any], *given: Any) -> Any:
    """On a CPU in a process of its own, so that no measurement finds memory that an earlier one has opened up."""
    if CUDA:
        return function(*given)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(function, given)


def forget() -> int:
    """Give back what earlier measurements left; what the process still holds, in MiB."""
    gc.collect()
    if CUDA:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    reset_host_peak()
    return store.peak_memory_mib()


def measure(base: Path, size: str, method: str, precision: str, arm: str, micro: int, options: Any) -> Row:
    """Load, train a few steps, forget."""
    held = forget()
    recipe, clock = recipe_of(options, micro), Clock(time.process_time if options.cpu_seconds else time.perf_counter)
    weights = "float32" if method == "FFT" else precision
    try:
        torch.manual_seed(0)
        plain = load(base, precision, method, arm)
        count, config = sum(p.numel() for p in plain.parameters()), plain.config
        model = models.attach(plain, method, options.suite.method_configs.get(method) if options.suite else None)
        trained = models.trainable_parameters(model)
        with tempfile.TemporaryDirectory() as folder:
            trainer = trainer_of(arm, model, recipe, method, Path(folder))
            trainer.add_callback(clock)
            trainer.train()
    except torch.OutOfMemoryError:
        return Row(size, method, weights, arm, micro, math.nan, math.nan, math.nan, "out of memory")
    seconds = min(clock.seconds[options.warm_up :])
    rate = options.batch * options.length / seconds
    each = operations_per_token(config, options.length, method, trained, count)
    used = rate * each / peak_operations(options.peak_tflops)
    peak = torch.cuda.max_memory_allocated() / 2**20 if CUDA else store.peak_memory_mib() - held
    return Row(size, method, weights, arm, micro, rate, peak, used)


def plan(options: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    """Method, precision, arm and micro-batch of each measurement, arms side by side."""
    for method in options.method:
        for precision in options.precision if method != "FFT" else options.precision[:1]:
            for arm in options.arm:
                for micro in options.micro_batch if arm == "ours" else (1,):
                    yield method, precision, arm, micro


def number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def show(row: Row, base: Row | None) -> str:
    speed = memory = ""
    if base is not None:
        speed = number(row.tokens_per_second / base.tokens_per_second, ".2f")
        memory = number(row.peak_mib / base.peak_mib, ".2f")
    return (
        f"{row.size:5}{row.method:10}{row.precision:10}{row.arm:10}{row.micro_batch:4}"
        f"{number(row.tokens_per_second, ',.0f'):>12}{speed:>9}{number(row.peak_mib, ',.0f'):>11}{memory:>9}"
        f"{number(100 * row.utilisation, '.1f'):>8}  {row.note}"
    )


def report(rows: list[Row]) -> None:
    """A row a measurement; ratios to the reference in the same precision."""
    print("size method    precision arm         mb    tokens/s  to ref.   peak MiB  to ref.   util.%")
    references = {(r.size, r.method, r.precision): r for r in rows if r.arm == "reference" and not r.note}
    for row in rows:
        base = references.get((row.size, row.method, row.precision))
        print(show(row, base if row.arm != "reference" else None))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", default=None, help="1B, 3B, 7B, 16B, toy, or the suite's")
    parser.add_argument("--method", nargs="+", default=list(schema.METHODS))
    parser.add_argument("--suite", help="measure the bases of this suite by its recipe")
    parser.add_argument("--cpu-seconds", action="store_true", help="count CPU time instead of wall time")
    parser.add_argument("--precision", nargs="+", default=["8bit", "bfloat16"] if CUDA else ["float32"])
    parser.add_argument("--arm", nargs="+", default=list(ARMS if CUDA else ARMS[:2]), choices=ARMS)
    parser.add_argument("--micro-batch", nargs="+", type=int, default=[1, 4], help="of our arm")
    parser.add_argument("--checkpoint-every", type=int, default=1, help="of our arm: checkpoint every so many layers")
    parser.add_argument("--length", type=int, default=2048 if CUDA else 128)
    parser.add_argument("--batch", type=int, default=8, help="sequences in a step")
    parser.add_argument("--steps", type=int, default=2, help="measured steps")
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--peak-tflops", type=float, help="the device's peak, where this script does not know it")
    parser.add_argument("--json", type=Path, help="write the rows there")
    options = parser.parse_args()
    options.method = [schema.match(name, schema.ALL_METHODS, "method") for name in options.method]
    if options.suite:
        options.suite = store.load_suite(options.suite).slice(options.size or ())
        recipe = options.suite.recipe
        options.size, options.precision = list(options.suite.sizes), [recipe.base_precision]
        options.batch, options.length, options.micro_batch = recipe.batch, recipe.sequence_length, [recipe.micro_batch]
    else:
        options.size = [schema.match(name, (*schema.SIZES, "toy"), "size") for name in options.size or ["toy"]]
    return options


def main() -> int:
    options = parse()
    transformers_logging.disable_progress_bar()
    device = torch.cuda.get_device_name() if CUDA else platform.processor() or platform.machine()
    print(f"{device}, torch {torch.__version__}")
    rows: list[Row] = []
    for size in options.size:
        with tempfile.TemporaryDirectory() as folder:
            base = Path(options.suite.bases[size].model if options.suite else folder)
            if not options.suite:
                apart(write_base, size, base)
            for method, precision, arm, micro in plan(options):
                rows.append(apart(measure, base, size, method, precision, arm, micro, options))
                print(show(rows[-1], None), file=sys.stderr, flush=True)
                if options.json:  # after each: a killed run keeps what it has
                    options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    report(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
