"""The memory plan against measured peaks: GPU memory where there is a GPU, else the host's at scaled shapes.

    python benchmarks/memory.py                              a few minutes on a CPU: StarCoder's 1B and 3B, scaled down
    python benchmarks/memory.py --shape 1B 3B --precision 8bit bfloat16 --length 2048    on a GPU: the shapes themselves

Weights are random. Each measurement runs in a process of its own: two optimiser steps of this project's loop. On a GPU
the peak is what tensors took (``torch.cuda.max_memory_allocated``); on a host it is the resident memory, less what the
process held before the model was made.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import IterableDataset
from transformers import AutoModelForCausalLM, GPTBigCodeConfig
from transformers.utils import logging as transformers_logging

from astraios_utils import models, schema
from astraios_utils.planning import memory
from astraios_utils.training.trainer import Tuner, arguments

CUDA = torch.cuda.is_available()
MIB = 1 << 20
# Hidden size, layers, heads: StarCoder's, a quarter as wide and a third as deep.
SCALED = {"1B/4": (512, 8, 4), "3B/4": (704, 12, 11)}
VOCABULARY = 1 << 15  # as wide as a tile of the head: of a wider buffer a host would count the touched pages alone


@dataclass(frozen=True)
class Row:
    """One measurement, in MiB."""

    shape: str
    method: str
    precision: str
    micro_batch: int
    checkpointing: bool
    planned: float
    measured: float


class Noise(IterableDataset[dict[str, torch.Tensor]]):
    """Endless random token ids: memory does not depend on them."""

    def __init__(self, vocabulary: int, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            ids = torch.randint(1, self.vocabulary, (self.length,))
            yield {"input_ids": ids, "labels": ids}


def config_of(shape: str) -> Any:
    if shape not in SCALED:
        return models.starcoder_config(shape)
    hidden, layers, heads = SCALED[shape]
    return GPTBigCodeConfig(
        vocab_size=VOCABULARY,
        n_positions=2048,
        n_embd=hidden,
        n_layer=layers,
        n_head=heads,
        n_inner=4 * hidden,
        multi_query=True,
        bos_token_id=0,
        eos_token_id=0,
    )


def resident(peak: bool = False) -> float:
    """MiB of host memory of this process, now or at most since the last reset."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def train(base: Path, recipe: schema.Recipe, method: str, precision: str) -> None:
    model = models.attach(models.load_base(schema.Base(model=str(base)), precision), method)
    with tempfile.TemporaryDirectory() as folder:
        made = arguments(Path(folder), recipe, method, 0, models.checkpointing(model, recipe))
        data = Noise(model.config.vocab_size, recipe.sequence_length)
        Tuner(model=model, args=made, train_dataset=data, test=[]).train()


def save(config: Any, folder: Path) -> None:
    with torch.device("cuda" if CUDA else "cpu"):
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if CUDA else torch.float32).save_pretrained(
            folder
        )


def one(options: argparse.Namespace) -> Row:
    """Plan and measure one training, in this process."""
    [shape], [method], [precision] = options.shape, options.method, options.precision
    [micro], checkpointing = options.micro_batch, not options.no_checkpointing
    recipe = schema.Recipe(
        corpus="none",
        sequence_length=options.length,
        steps=2,
        batch=2 * micro,
        micro_batch=micro,
        warmup_steps=0,
        base_precision=precision,
        gradient_checkpointing=checkpointing,
        save_every=10**6,
    )
    transformers_logging.disable_progress_bar()
    config = config_of(shape)
    planned = memory.plan(config, recipe, method, cuda=CUDA).total / MIB
    with tempfile.TemporaryDirectory() as folder:
        tiny = GPTBigCodeConfig(vocab_size=512, n_embd=64, n_layer=1, n_head=4, bos_token_id=0, eos_token_id=0)
        for name, made in (("tiny", tiny), ("base", config)):
            save(made, Path(folder) / name)
        train(Path(folder) / "tiny", recipe.model_copy(update={"sequence_length": 16}), method, "float32")  # libraries
        Path("/proc/self/clear_refs").write_text("5")
        before = resident()
        if CUDA:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        held = "float32" if method == "FFT" or not CUDA else precision
        train(Path(folder) / "base", recipe, method, held)
    measured = torch.cuda.max_memory_allocated() / MIB if CUDA else resident(peak=True) - before
    return Row(shape, method, held, micro, checkpointing, planned, measured)


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Each combination in its own process."""
    # Freed memory goes back to the system at once, so that resident memory is memory in use.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    for shape in options.shape:
        for method in options.method:
            for precision in options.precision if method != "FFT" else options.precision[:1]:
                for micro in options.micro_batch:
                    command = [sys.executable, "-W", "ignore", __file__, "--one", "--shape", shape, "--method", method]
                    command += ["--precision", precision, "--micro-batch", str(micro), "--length", str(options.length)]
                    command += ["--no-checkpointing"] if options.no_checkpointing else []
                    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                    yield Row(**json.loads(done.stdout.splitlines()[-1]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", default=["1B", "3B"] if CUDA else list(SCALED))
    parser.add_argument("--method", nargs="+", default=list(schema.METHODS))
    parser.add_argument("--precision", nargs="+", default=["8bit", "bfloat16"] if CUDA else ["float32"])
    parser.add_argument("--micro-batch", nargs="+", type=int, default=[1])
    parser.add_argument("--length", type=int, default=2048 if CUDA else 1024)
    parser.add_argument("--no-checkpointing", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = parse()
    if options.one:
        print(json.dumps(asdict(one(options))))
        return 0
    print("shape  method    precision   mb  checkpointing  planned MiB  measured MiB   plan/measured")
    worst = 0.0
    for row in measure(options):
        ratio = row.planned / row.measured
        worst = max(worst, abs(math.log(ratio)))
        print(
            f"{row.shape:7}{row.method:10}{row.precision:10}{row.micro_batch:4}{row.checkpointing!s:>15}"
            f"{row.planned:13,.0f}{row.measured:14,.0f}{ratio:16.3f}",
            flush=True,
        )
    print(f"largest deviation: {100 * (math.exp(worst) - 1):.1f}%")
    return 0


if __name__ == "__main__":
    sys.exit(main())
