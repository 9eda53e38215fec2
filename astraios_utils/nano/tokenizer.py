"""The nano models' tokenizer: byte-level BPE over words, single digits, and line breaks with their indentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VOCABULARY = 1024
END = "<|endoftext|>"
PATTERN = r"\n *| ?[A-Z]?[a-z]+| ?[A-Z]+|_[a-z]+| ?[0-9]| ?[^\sA-Za-z0-9_]+|\s+|_+"
POSITIONS = 320


def train(texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """A tokenizer trained on texts; the same texts give the same one."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, bos_token=END, eos_token=END, pad_token=END, model_max_length=POSITIONS
    )
