"""The paper's methods on a tiny base: shows on any CPU, in a minute or two, that each of them learns.

The base has StarCoder's architecture and a tokenizer of its own. It is trained from random weights on the questions and
answers of CoNaLa, and then tuned by every method on the OASST part of the paper's instruction data. The losses say that
the methods and their training work; they say nothing about which method is best for StarCoder.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from .. import models, schema, store
from ..sources import corpus
from . import Run, say, train

NAME = "demonstration"
SIZE = "tiny"
_QUESTIONS = "mirror:conala/train.json"
_TRAIN = "mirror:guanaco_sample/oasst_commitpackft_manual.jsonl"
_TEST = "mirror:guanaco_sample/oasst_commitpackft.jsonl"
_END = "<|endoftext|>"
_VOCABULARY = 512

BASE = schema.Recipe(
    corpus=_QUESTIONS,
    prompt_column="intent",
    completion_column="snippet",
    sequence_length=64,
    steps=300,
    batch=8,
    micro_batch=8,
    learning_rate=3e-3,
    warmup_steps=20,
    base_precision="float32",
    compute="float32",
    gradient_checkpointing=False,
    save_every=100,
)
RECIPE = schema.Recipe(
    corpus=_TRAIN,
    corpus_test=_TEST,
    sequence_length=64,
    steps=60,
    batch=8,
    micro_batch=8,
    learning_rate=3e-3,
    learning_rates={"P-Tuning": 1e-2, "(IA)3": 3e-2, "FFT": 1e-3},
    warmup_steps=4,
    base_precision="float32",
    compute="float32",
    gradient_checkpointing=False,
    evaluate_every=5,
    test_sequences=32,
    save_every=30,
)


def obstacle() -> str:
    """What is missing here for the demonstration, in words; empty if nothing is."""
    try:
        paths = [corpus.local(name) for name in (_QUESTIONS, _TRAIN, _TEST)]
    except schema.MissingArtefact as error:
        return f"{error}."
    lacking = [str(path) for path in paths if path is None or not path.exists()]
    return f"Missing from the mirror: {', '.join(lacking)}." if lacking else ""


def _write_random_base(folder: Path) -> None:
    """Random weights of a small StarCoder and a byte-level tokenizer learnt from CoNaLa; the same files every time."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers import models as kinds
    from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM, PreTrainedTokenizerFast

    made = Tokenizer(kinds.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, special_tokens=[_END], initial_alphabet=alphabet, show_progress=False
    )
    questions = corpus.open_corpus(BASE, seed=0)
    assert questions is not None
    made.train_from_iterator(itertools.starmap(corpus.text, questions.read(0, 0)), trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=_END)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(), models.quiet():
        torch.manual_seed(0)
        config = GPTBigCodeConfig(
            vocab_size=_VOCABULARY,
            n_positions=128,
            n_embd=64,
            n_layer=2,
            n_head=4,
            multi_query=True,
            bos_token_id=0,
            eos_token_id=0,
        )
        GPTBigCodeForCausalLM(config).save_pretrained(folder)


def suite(progress: Callable[[str], None] = say) -> schema.Suite:
    """The demonstration's suite. Its base is trained first, unless it has been; its models are trained as any suite's.

    Raises:
        schema.MissingArtefact: see :func:`obstacle`.
    """
    folder = store.suite_dir(NAME) / "base"
    _write_random_base(folder / "random")
    start = schema.Base(model=str(folder / "random"))
    run = Run(schema.Model(SIZE, "FFT"), start, BASE, {}, 0, folder / "trained")
    progress("the base: trained from random weights")
    base = schema.Base(model=str(train(run, progress).checkpoint))
    return schema.Suite(name=NAME, title="A tiny base", sizes=(SIZE,), tasks=(), bases={SIZE: base}, recipe=RECIPE)
