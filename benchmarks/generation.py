"""Our generation against the usual harness's loop, on the same model and prompts, in one run.

The usual loop (bigcode-evaluation-harness) calls transformers' ``generate`` for one prompt at a time, with a batch of
that prompt's samples. After every token it decodes all of them to look for stop words, and it goes on until each sample
has met one. This file contains its own implementation of that loop.

    python benchmarks/generation.py                              random models of nano's shapes
    python benchmarks/generation.py --suite nano --size 1.1M       a tuned model of a suite, on one of its tasks
    python benchmarks/generation.py --shape 1B --device cuda     a random StarCoder, in bfloat16

Tokens are those up to a sample's end; tokens that the loop computes after it are not counted. The limit is what the
device's memory bandwidth (measured by a copy) allows: each step reads the weights once and the cache's columns once.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPTBigCodeConfig, PreTrainedTokenizerFast, StoppingCriteria, StoppingCriteriaList
from transformers.utils import logging as transformers_logging

from astraios_utils import schema, store, training
from astraios_utils.generation.engine import Engine
from astraios_utils.generation.requests import Answer, Request, Stats
from astraios_utils.models import STARCODER, merged, starcoder_config
from astraios_utils.nano.pretrain import RECIPES
from astraios_utils.tasks import Task, task_of

STOP = ("\n#", "\n@", "q!", "zz")  # a random model meets one of them now and then


@dataclass(frozen=True, slots=True)
class Work:
    """A model, and what it is asked; ``ready`` is the same one as our generation stage prepares it."""

    name: str
    model: Any
    ready: Any
    tokenizer: Any
    prompts: Sequence[str]
    samples: int
    max_length: int
    temperature: float
    top_p: float
    finished: Sequence[Callable[[str, int], bool]]


@dataclass(frozen=True, slots=True)
class Timing:
    """What one side took and wrote: seconds, tokens up to each sample's end, peak memory, texts by prompt."""

    seconds: float
    tokens: int
    peak_mib: int
    texts: list[list[str]]
    stats: Stats | None = None

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


# --- ours ------------------------------------------------------------------------------------------------


def ours(work: Work, rows: int | None, temperature: float, samples: int) -> Timing:
    """All prompts and samples by the engine."""
    found: dict[int, list[Answer]] = {}

    def done(request: Request, answers: list[Answer]) -> Iterable[Request]:
        found[request.tag] = answers
        return ()

    requests = [
        Request(prompt, tuple(range(samples)), str(at), temperature, work.top_p, work.max_length, work.finished[at], at)
        for at, prompt in enumerate(work.prompts)
    ]
    reset_peak()
    started = time.perf_counter()
    stats = Engine(work.ready, work.tokenizer, rows).run(requests, done)
    seconds = time.perf_counter() - started
    texts = [[answer.text for answer in found[at]] for at in range(len(requests))]
    return Timing(seconds, stats.tokens, peak_mib(), texts, stats)


# --- the usual loop --------------------------------------------------------------------------------------


class AllFinished(StoppingCriteria):
    """Stops a batch once each of its samples, decoded again after every token, can be stopped."""

    def __init__(self, tokenizer: Any, start: int, finished: Callable[[str, int], bool]) -> None:
        self.tokenizer, self.start, self.finished = tokenizer, start, finished

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        texts = self.tokenizer.batch_decode(ids[:, self.start :])
        done = all(self.finished(text, 0) for text in texts)
        return torch.full((len(ids),), done, device=ids.device)


def usual(work: Work, temperature: float, samples: int) -> Timing:
    """One prompt at a time, its samples as a batch."""
    tokenizer, end = work.tokenizer, work.tokenizer.eos_token_id
    sampled = {"do_sample": True, "temperature": temperature, "top_p": work.top_p, "top_k": 0}
    how: dict[str, Any] = sampled if temperature else {"do_sample": False}
    texts, count = [], 0
    reset_peak()
    started = time.perf_counter()
    for at, prompt in enumerate(work.prompts):
        encoded = tokenizer(prompt, return_tensors="pt").to(work.model.device)
        start = encoded["input_ids"].shape[1]
        criteria = StoppingCriteriaList([AllFinished(tokenizer, start, work.finished[at])])
        ids = work.model.generate(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            max_length=work.max_length,
            num_return_sequences=samples,
            stopping_criteria=criteria,
            pad_token_id=end,
            eos_token_id=end,
            **how,
        )
        read = [until(tokenizer, row[start:].tolist(), end, work.finished[at]) for row in ids]
        texts.append([text for text, _ in read])
        count += sum(tokens for _, tokens in read)
    return Timing(time.perf_counter() - started, count, peak_mib(), texts)


def until(tokenizer: Any, ids: Sequence[int], end: int, finished: Callable[[str, int], bool]) -> tuple[str, int]:
    """A sample's text up to the token with which it ends, and how many tokens that are."""
    if end in ids:
        ids = ids[: ids.index(end) + 1]
    low, high = 1, len(ids)
    while low < high:  # finished stays finished
        middle = (low + high) // 2
        low, high = (low, middle) if finished(tokenizer.decode(ids[:middle]), 0) else (middle + 1, high)
    kept = ids[:high]
    return tokenizer.decode([token for token in kept if token != end]), len(kept)


# --- the work --------------------------------------------------------------------------------------------


def letters() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: whatever a random model writes has a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0, **{letter: i for i, letter in enumerate(alphabet, 1)}}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")


def random_model(shape: str, device: str) -> Any:
    """A model with random weights, of a StarCoder's or one of nano's shapes."""
    from transformers import GPTBigCodeForCausalLM

    if shape in STARCODER:
        config: Any = starcoder_config(shape)
    else:
        base = RECIPES[shape]
        config = GPTBigCodeConfig(
            vocab_size=1024,
            n_positions=512,
            n_embd=base.hidden,
            n_layer=base.layers,
            n_head=base.heads,
            n_inner=4 * base.hidden,
            bos_token_id=0,
            eos_token_id=0,
        )
    config.initializer_range = 2 * config.hidden_size**-0.5  # else every token is as likely, as in no trained model
    torch.manual_seed(0)
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
        model = GPTBigCodeForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
    model.generation_config.eos_token_id = 0
    return model


def random_work(shape: str, options: argparse.Namespace) -> Work:
    """Prompts of unlike lengths for a random model; an answer ends where one of :data:`STOP` happens to come."""
    drawing = random.Random(0)
    lengths = [drawing.randint(options.max_length // 8, options.max_length // 2) for _ in range(options.problems)]
    prompts = ["".join(drawing.choices("abcdefghij \n", k=length)) for length in lengths]

    def finished(text: str, start: int) -> bool:
        return any(text.find(word, max(0, start - len(word) + 1)) >= 0 for word in STOP)

    model = random_model(shape, options.device)
    return Work(
        f"random {shape}",
        model,
        model,
        letters(),
        prompts,
        options.samples,
        options.max_length,
        options.temperature,
        0.95,
        [finished] * len(prompts),
    )


def suite_work(size: str, method: str, options: argparse.Namespace) -> Work:
    """A suite's tuned model on one of its tasks, by the task's own prompts, stop rules and decoding."""
    suite = store.load_suite(options.suite)
    task: Task = task_of(suite, options.task)
    problems = task.problems(suite.problems.get(task.name))[: options.problems]
    model, tokenizer = training.load_trained(suite, schema.Model(size, method))
    ready = merged(training.load_trained(suite, schema.Model(size, method))[0])
    turn = task.turns()[0]
    rules = [lambda text, start, p=problem: turn.finished(p, text, start) for problem in problems]
    return Work(
        f"{suite.name} {size} {method} {task.name}",
        model,
        ready,
        tokenizer,
        [turn.prompt(p) for p in problems],
        options.samples,
        task.decoding.max_length,
        options.temperature,
        task.decoding.top_p,
        rules,
    )


# --- the device ------------------------------------------------------------------------------------------


def reset_peak() -> None:
    """Forget the most memory so far (Linux: of this process; with a GPU: of the GPU)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif (switch := Path("/proc/self/clear_refs")).exists():
        switch.write_text("5")


def peak_mib() -> int:
    """The most memory since :func:`reset_peak`, in MiB."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() >> 20)
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    held = [int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM")]
    return held[0] if held else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def bandwidth(device: str) -> float:
    """Bytes per second that a copy reads and writes."""
    one = torch.ones(1 << (30 if device == "cuda" else 27), dtype=torch.uint8, device=device)
    other, best = torch.empty_like(one), float("inf")
    for _ in range(8):
        started = time.perf_counter()
        other.copy_(one)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * len(one) / best


def limit_share(work: Work, timing: Timing, speed: float) -> float:
    """Which part of the time the memory's bandwidth alone would have taken for the decoding steps."""
    assert timing.stats is not None
    base = work.model.get_base_model() if hasattr(work.model, "peft_config") else work.model
    config, width = base.config, base.dtype.itemsize
    heads = 1 if getattr(config, "multi_query", False) else config.num_attention_heads
    column = 2 * heads * (config.hidden_size // config.num_attention_heads) * config.num_hidden_layers * width
    weights = sum(p.numel() for p in base.parameters()) * width
    return (timing.stats.steps * weights + timing.stats.columns * column) / speed / timing.seconds


def report(work: Work, options: argparse.Namespace, speed: float) -> float:
    """Time both sides and print them; returns the ratio of their tokens per second."""
    ours(work, options.rows, work.temperature, 1)  # warm
    pairs = [
        (ours(work, options.rows, work.temperature, work.samples), usual(work, work.temperature, work.samples))
        for _ in range(options.repeats)
    ]
    mine, theirs = (min(side, key=lambda one: one.seconds) for side in zip(*pairs, strict=True))
    same = [ours(work, options.rows, 0.0, 1).texts, usual(work, 0.0, 1).texts]
    equal = sum(a == b for a, b in zip(*same, strict=True)) / len(work.prompts)
    print(f"\n{work.name}: {len(work.prompts)} prompts x {work.samples} samples, temperature {work.temperature}")
    for name, one in (("ours", mine), ("usual loop", theirs)):
        print(
            f"  {name:10}  {one.seconds:8.2f} s  {one.tokens:9,} tokens  {one.rate:10,.0f} tokens/s  "
            f"peak {one.peak_mib:,} MiB"
        )
    share, each = limit_share(work, mine, speed), [one.rate / other.rate for one, other in pairs]
    assert mine.stats is not None
    print(
        f"  ratio {mine.rate / theirs.rate:.1f}x ({min(each):.1f} to {max(each):.1f})   bandwidth limit {share:.0%}   "
        f"batches {mine.tokens / mine.stats.slots:.0%} full   equal greedy answers {equal:.1%}"
    )
    return mine.rate / theirs.rate


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=[*RECIPES, *STARCODER], default=list(RECIPES))
    parser.add_argument("--suite", help="tuned models of a suite instead of random ones")
    parser.add_argument("--size", nargs="+", help="with --suite (default: all of its)")
    parser.add_argument("--method", nargs="+", default=["LoRA"], help="with --suite")
    parser.add_argument("--task", default="synthesize-python", help="with --suite")
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--max-length", type=int, default=300, help="for random models")
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--rows", type=int, help="rows in a batch of ours (default: by the device)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="of both sides alternately; the fastest of each is shown"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads on a CPU, for both sides")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark."""
    options = parse()
    transformers_logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    speed = bandwidth(options.device)
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} thread(s)"
    print(f"{device}, torch {torch.__version__}, copies {speed / 1e9:,.0f} GB/s")
    if options.suite:
        sizes = options.size or store.load_suite(options.suite).sizes
        works = (suite_work(size, method, options) for size in sizes for method in options.method)
    else:
        works = (random_work(shape, options) for shape in options.shape)
    ratios = [report(work, options, speed) for work in works]
    print(f"\nsmallest ratio {min(ratios):.1f}x")


if __name__ == "__main__":
    main()
