"""``python -m astraios_utils.nano.conala_bases``: writes ``data/conala-nano``, the CoNaLa study in miniature.

Pairs of our own (:mod:`.nano.snippets`), and bases of the study's three architectures, trained from random weights by
the project's own training on the same tasks in other formats: tuning has something to bring out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .. import models, schema, store, training
from . import shipped, snippets
from .tokenizer import train as train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SEED = 0
DOCUMENTS = 12_000
PAIRS = {"train": 600, "test": 100}
POSITIONS = 256
_GPT2 = {"model_type": "gpt2", "n_positions": POSITIONS, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
_LLAMA = {"max_position_embeddings": POSITIONS, "tie_word_embeddings": True}
# Each larger than the one before, as in the study; Mistral shares keys and values between heads.
SHAPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "GPT2-S": {**_GPT2, "n_embd": 48, "n_layer": 2, "n_head": 4},
        "GPT2-M": {**_GPT2, "n_embd": 64, "n_layer": 3, "n_head": 4},
        "Llama": {
            "model_type": "llama",
            **_LLAMA,
            "hidden_size": 80,
            "intermediate_size": 216,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
        },
        "Mistral": {
            "model_type": "mistral",
            **_LLAMA,
            "hidden_size": 80,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "sliding_window": None,
        },
    }
)
RATES = {"GPT2-S": 8e-3, "GPT2-M": 6e-3, "Llama": 6e-3, "Mistral": 6e-3}


def folder() -> Path:
    """The shipped files."""
    return store.data_dir() / "conala-nano"


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with store.atomic(path, "w") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def drawn() -> dict[str, list[snippets.Pair]]:
    """The pairs of both files; no intent is in both."""
    train = snippets.pairs(SEED, PAIRS["train"])
    return {"train": train, "test": snippets.pairs(SEED + 1, PAIRS["test"], {pair.intent for pair in train})}


def write_pairs(to: Path) -> None:
    """``train.jsonl`` and ``test.jsonl`` with CoNaLa's fields."""
    store.require_writable(to)
    for name, pairs in drawn().items():
        rows = [{"intent": p.plain, "rewritten_intent": p.intent, "snippet": p.snippet} for p in pairs]
        _write_rows(to / f"{name}.jsonl", rows)


def _tokenizer() -> PreTrainedTokenizerBase:
    plain = snippets.documents(SEED, 600)
    asked = [f"{pair.intent}\n{pair.snippet}" for pair in drawn()["train"]]
    frames = ["### Instruction:\n### Response:\n"] * 40
    made = train_tokenizer([*plain, *asked, *frames])
    made.model_max_length = POSITIONS
    return made


def _write_random(size: str, made: PreTrainedTokenizerBase, to: Path) -> None:
    """A base with random weights and the tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    shape = {"vocab_size": len(made), "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, **SHAPES[size]}
    config = models.load_config(schema.Base(model=size, shape=shape))
    torch.manual_seed(SEED)
    AutoModelForCausalLM.from_config(config).save_pretrained(to)  # type: ignore[no-untyped-call]
    made.save_pretrained(str(to))


def recipe(size: str, corpus: Path) -> schema.Recipe:
    """How a base is trained."""
    return schema.Recipe(
        corpus=str(corpus),
        template="{prompt}{completion}",
        sequence_length=128,
        steps=800,
        batch=16,
        micro_batch=16,
        learning_rate=RATES[size],
        warmup_steps=30,
        base_precision="float32",
        compute="float32",
        gradient_checkpointing=False,
        save_every=200,
    )


def prepare(work: Path) -> Path:
    """Write what the bases start from: random weights with the tokenizer, and the documents; returns the latter.

    No pair of the test file is among the documents.
    """
    store.require_writable(work)
    made = _tokenizer()
    for size in SHAPES:
        _write_random(size, made, work / "random" / size)
    documents = work / "documents.jsonl"
    asked = {pair.intent for pair in drawn()["test"]}
    read = snippets.documents(SEED, DOCUMENTS, asked)
    _write_rows(documents, ({"prompt": "", "completion": text} for text in read))
    return documents


def write_base(size: str, documents: Path, to: Path) -> None:
    """Train one base (a killed call continues) and write it in half precision, rounded once and for all.

    Args:
        size: a key of :data:`SHAPES`.
        documents: from :func:`prepare`; checkpoints go into the same folder.
        to: where bases lie, a folder a size.
    """
    import torch

    work = documents.parent
    start = schema.Base(model=str(work / "random" / size))
    run = training.Run(schema.Model(size, "FFT"), start, recipe(size, documents), {}, SEED, work / "trained" / size)
    trained = schema.Base(model=str(training.train(run).checkpoint))
    models.load_base(trained).to(torch.float16).save_pretrained(to / size)  # type: ignore[arg-type]
    models.load_tokenizer(trained).save_pretrained(str(to / size))


def main() -> None:
    """Write all of it (minutes of one core a base); bases that are trained already are not trained again."""
    write_pairs(folder())
    documents = prepare(store.build_dir() / "conala-nano-bases")
    for size in SHAPES:
        write_base(size, documents, folder() / "bases")
    shipped.write_sums(folder())


if __name__ == "__main__":
    main()
