"""One cell of the matrix architectures x methods x precisions: a few steps of training, then generation.

Run it to write all cells to ``docs/what_works.csv`` (a few minutes) and the page of them, ``docs/what_works.md``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import cuda_rules
import pandas as pd
import torch
from peft import PeftType
from tiny_models import tiny, tokenizer, tokens

from astraios_utils import models, schema, store
from astraios_utils.generation.engine import Engine
from astraios_utils.generation.requests import Answer, Request
from astraios_utils.methods import own  # noqa: F401  (registers the tuners that PEFT does not have)

ARCHITECTURES = ("gpt_bigcode", "llama", "qwen2", "mistral", "starcoder2", "gemma3_text")
PRECISIONS = ("float32", "bfloat16", "8bit")
WINDOWED = ("mistral", "starcoder2", "gemma3_text")
PROMPTS = ("Question: What?\n\nAnswer:", "Q", "does this return the sum of a list? ")
LENGTH = 36
SEED = 3  # of the bases' weights: with 0, Qwen2's first token is the end, and an answer would be empty
# What each of PEFT's types needs in addition to its name on models this small.
FIELDS: dict[str, dict[str, Any]] = {
    "PROMPT_TUNING": {"num_virtual_tokens": 4},
    "P_TUNING": {"num_virtual_tokens": 4},
    "PREFIX_TUNING": {"num_virtual_tokens": 4},
    "ADALORA": {"total_step": 10, "tinit": 1, "tfinal": 1},
    "ADAPTION_PROMPT": {"adapter_len": 4, "adapter_layers": 2},
    "FOURIERFT": {"n_frequency": 16},
    "VBLORA": {"vector_length": 8, "num_vectors": 16, "topk": 2},
    "MISS": {"r": 4},
    "ROAD": {"group_size": 8},
    "TRAINABLE_TOKENS": {"token_indices": [1, 2, 3]},
    "SHIRA": {"r": 4},
    "C3A": {"block_size": 8},
    "WAVEFT": {"n_frequency": 16},
    "PSOFT": {"r": 4},
    "BOTTLENECK": {"bottleneck_size": 8},
    "BOFT": {"boft_block_size": 4},
    "OFT": {"oft_block_size": 8},
}
# PEFT's defaults know the layers of some architectures only.
TARGETS: dict[tuple[str, str], dict[str, Any]] = {
    ("LN_TUNING", "gpt_bigcode"): {"target_modules": ["ln_1", "ln_2"]},
    ("LN_TUNING", "starcoder2"): {"target_modules": ["input_layernorm", "post_attention_layernorm"]},
    ("BEFT", "gpt_bigcode"): {"target_modules": ["c_attn"]},
    ("BEFT", "starcoder2"): {"target_modules": ["v_proj"]},
}
# On a CPU, PEFT moves DoRA's 8-bit weights in a way that loses their scales; on a GPU it does not move them.
ONLY_ON_A_GPU = {("DoRA", "8bit")}
TYPES = tuple(kind.value for kind in PeftType)
METHODS: dict[str, dict[str, Any]] = {
    **{name: {"num_virtual_tokens": 4} for name in ("P-Tuning", "Prompt", "Prefix")},
    **{name: {"bottleneck_size": 8} for name in ("AdapterH", "AdapterP", "Parallel")},
    **{name: {} for name in ("LoRA", "(IA)3", "AdaLoRA", "FFT")},
    "DoRA": {"like": "LoRA", "use_dora": True},
    "rsLoRA": {"like": "LoRA", "use_rslora": True},
    "PiSSA": {"like": "LoRA", "init_lora_weights": "pissa"},
}


@lru_cache
def base(architecture: str) -> schema.Base:
    """A tiny base on disk, with a short sliding window where the architecture has one."""
    folder = Path(tempfile.mkdtemp(prefix="astraios-matrix-"))
    window = {"sliding_window": 8} if architecture in WINDOWED else {}
    with models.quiet():
        tiny(architecture, seed=SEED, vocab_size=300, **window).save_pretrained(folder)
    return schema.Base(model=str(folder))


def changes(name: str, architecture: str) -> dict[str, Any]:
    """The configuration of a method by its name, or of one of PEFT's types."""
    if name in METHODS:
        return METHODS[name]
    return {"peft_type": name, **FIELDS.get(name, {}), **TARGETS.get((name, architecture), {})}


def train(model: Any, precision: str) -> None:
    """Three steps, as :class:`training.trainer.Tuner` computes them on a GPU."""
    recipe = schema.Recipe(corpus="none", base_precision="8bit")
    options = models.checkpointing(model, recipe)
    if options is not None:
        every = options.pop("every_n_layers")
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options, every_n_layers=every)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in trained]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    x = tokens(2, 12)
    model.train()
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision != "float32"):
            loss, count = models.loss_sum(model, {"input_ids": x, "labels": x}, fused=False)
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert any(not torch.equal(a, b) for a, b in zip(before, trained, strict=True)), "nothing was trained"
    model.eval()


def written(model: Any, rows: int) -> dict[str, str]:
    """The engine's greedy answers by their prompts."""
    held: dict[str, str] = {}

    def done(request: Request, answers: list[Answer]) -> tuple[Request, ...]:
        held[request.prompt] = answers[0].text
        return ()

    asked = [Request(p, (0,), p, 0.0, 1.0, LENGTH, lambda *_: False) for p in PROMPTS]
    Engine(model, tokenizer(), rows).run(asked, done)
    return held


def usual(model: Any, prompt: str) -> str:
    """What transformers' own loop writes for one prompt."""
    encoded = tokenizer()(prompt, return_tensors="pt")
    length = encoded["input_ids"].shape[1]
    ids = model.generate(
        **{name: encoded[name] for name in ("input_ids", "attention_mask")},
        do_sample=False, pad_token_id=0, eos_token_id=0, max_new_tokens=LENGTH - length,
    )[0].tolist()  # fmt: skip
    end = ids.index(0, length) if 0 in ids[length:] else len(ids)
    return tokenizer().decode(ids[:end], clean_up_tokenization_spaces=False)[len(prompt) :]


def outcome(architecture: str, name: str, precision: str) -> str:
    """Train and generate with one cell.

    Returns:
        ``ok``, or the refusal's text, which came before anything was trained; or that only a GPU can show it.

    Raises:
        Exception: whatever else happens; AssertionError where answers differ from transformers' in float32.
    """
    if (name, precision) in ONLY_ON_A_GPU:
        return "only a GPU can show this"
    full = name == "FFT"
    rules = nullcontext() if precision == "float32" else cuda_rules.imposed()
    with rules, models.quiet(), torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        try:
            loaded = models.load_base(base(architecture), "float32" if full else precision)
            model: Any = models.attach(loaded, name, changes(name, architecture))
        except schema.AstraiosError as error:
            return str(error)
        train(model, precision)
        model.save_pretrained(folder, **({} if full else {"save_embedding_layers": False}))
        answering = models.load_answering(base(architecture), Path(folder), precision)
        got = written(answering, rows=2)
        assert any(got.values()), "empty answers"
        if precision == "float32":
            assert got == {prompt: usual(answering, prompt) for prompt in PROMPTS}
    return "ok"


PAGE = Path(__file__).resolve().parent.parent / "docs" / "what_works.md"
COLUMNS = ("method", "architecture", "precision", "outcome")
FAILED = "fails: "  # where neither a refusal nor an answer came; such a cell is a defect or a limit of PEFT


def cells() -> Iterator[tuple[str, str, str, str]]:
    """Every cell of the whole matrix (:data:`COLUMNS`)."""
    for name in [*METHODS, *TYPES]:
        for architecture in ARCHITECTURES:
            for precision in PRECISIONS:
                try:
                    said = outcome(architecture, name, precision)
                except Exception as error:  # the page says what does not work, too
                    said = f"{FAILED}{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]:.120}"
                yield name, architecture, precision, said


def as_markdown(frame: pd.DataFrame) -> str:
    """A row per method, a column per precision: ``ok``, or what is said and on which architectures."""
    lines = ["| method | " + " | ".join(PRECISIONS) + " |", "|---" * (1 + len(PRECISIONS)) + "|"]
    for name, held in frame.groupby("method", sort=False):
        told = [_told(held[held["precision"] == precision]) for precision in PRECISIONS]
        lines.append("| " + " | ".join([str(name), *told]) + " |")
    return "\n".join(lines)


def _told(held: pd.DataFrame) -> str:
    parts = []
    for said, part in held.groupby("outcome", sort=False):
        where = "" if len(part) == len(held) else f" ({', '.join(part['architecture'])})"
        told = str(said).removeprefix(f"{part['method'].iloc[0]}: ")
        parts.append(told.replace("|", "/") + where)
    return "; ".join(parts)


def main() -> None:
    """Write the cells and their page."""
    frame = pd.DataFrame(cells(), columns=list(COLUMNS))
    store.write_frame(PAGE.with_suffix(".csv"), frame)
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
    PAGE.write_text(f"{head}{MARKS[0]}\n{as_markdown(frame)}\n{MARKS[1]}{tail}", encoding="utf-8")


MARKS = ("<!-- matrix: written by `python tests/method_matrix.py`, checked by a test -->", "<!-- /matrix -->")

if __name__ == "__main__":
    main()
