"""A model and its tokenizer, ready to answer requests in batches across prompts and samples.

Every method has a KV cache. Adapters work inside the base. The virtual tokens of prompt methods are computed once, as
embeddings or as keys and values, and stand directly before each prompt, with positions counted from 0 (PEFT's own
forward puts them before the padding and drops position ids). :mod:`.scheduling` decides which rows are computed
together; Llama and GPTBigCode decode by :mod:`.direct`, other architectures by transformers' own step.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from .. import schema
from . import cache as kv
from .direct import direct_step
from .requests import Done, Request, Stats
from .sampling import choose, choose_exactly
from .scheduling import Batch, Scheduler
from .shared import SharedStore

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROWS = {"cpu": 256, "cuda": 512}  # rows of a batch; on a CPU, 384 were slower at every size measured
_CACHE = 8 << 30  # bytes that a full batch's cache may take in 16 bits
_LONGEST = 2048  # tokens of a row in such a cache


class Engine:
    """A model and its tokenizer, ready to answer.

    Args:
        model: a base or a tuned model, in evaluation mode.
        tokenizer: a fast tokenizer.
        rows: samples in one batch; by default :func:`default_rows`.

    Raises:
        schema.BadInput: the engine has no cache for this model, or does not know its prompt method.
    """

    def __init__(
        self, model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, rows: int | None = None
    ) -> None:
        self.tokenizer, self.backend = tokenizer, fast_backend(tokenizer)
        tuned: Any = model if hasattr(model, "peft_config") else None
        self.base: Any = tuned.get_base_model() if tuned is not None else model
        if self.base._is_stateful:
            name = type(self.base).__name__
            raise schema.BadInput(f"{name} keeps a state instead of keys and values: generation has no cache for it")
        self.device: torch.device = self.base.get_input_embeddings().weight.device  # type: ignore[assignment]
        self.embeds, self.prefix = _virtual(tuned)
        self.virtual = len(self.embeds[0]) if self.embeds is not None else _columns(self.prefix)
        self.ends = end_tokens(self.base, tokenizer)
        self.direct = direct_step(self.base)
        self.rows = rows or default_rows(self.base.config, self.device.type)
        self._keeps = "logits_to_keep" in inspect.signature(self.base.forward).parameters
        config = self.base.config.get_text_config()
        self.positions = getattr(config, "max_position_embeddings", None)
        # Elsewhere transformers makes the mask: additive for eager attention, or cut to a sliding window.
        self._ready_mask = config._attn_implementation == "sdpa" and not getattr(config, "sliding_window", None)
        self.stats = Stats()

    def run(self, requests: Iterable[Request], done: Done, tick: Callable[[Stats], None] = lambda _: None) -> Stats:
        """Answer all requests.

        Args:
            requests: in any order; equal requests get equal answers.
            done: called with each request and its answers once all have ended; the requests that it returns are
                answered too.
            tick: called after every step.

        Raises:
            schema.BadInput: an empty prompt, or more tokens than the base has positions.
            GenerationFailed: one row alone does not fit into memory.
        """
        with torch.inference_mode():
            return Scheduler(self, done, tick, self.rows).answer(requests)

    def forward(
        self, cache: Any, mask: torch.Tensor, positions: torch.Tensor, keep: int = 1, **inputs: torch.Tensor
    ) -> torch.Tensor:
        """Logits of the last ``keep`` columns, (rows, keep, vocabulary); the cache grows by the inputs."""
        options = {"logits_to_keep": keep} if self._keeps else {}
        output = self.base(
            past_key_values=cache, attention_mask=mask, position_ids=positions, use_cache=True, **inputs, **options
        )
        logits: torch.Tensor = output.logits[:, -keep:]
        return logits

    def prefill(self, prompts: Sequence[Sequence[int]], source: torch.Tensor, names: Sequence[int]) -> kv.Piece:
        """Compute the keys and values of prompts, with their virtual tokens; see :class:`cache.Piece`."""
        cache, valid, _ = self.read(prompts)
        return kv.Piece(cache, valid, source, tuple(names))

    @property
    def pads_last(self) -> bool:
        """Whether prompts are padded at their ends.

        After a prefix they are: padding before the prompt would move the prefix out of a sliding window.
        """
        return self.prefix is not None

    def read(self, prompts: Sequence[Sequence[int]], keep: int = 1) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """One forward pass over prompts, with their virtual tokens.

        Args:
            prompts: the tokens of each.
            keep: of how many of the last columns of tokens the logits are wanted.

        Returns:
            The cache, right-aligned, of (prompts, columns); which of its columns hold a token; the logits, (prompts,
            keep, vocabulary), whose last column is each prompt's last token unless :attr:`pads_last`.
        """
        width = max(1, *map(len, prompts))
        last = self.pads_last
        pads = [[0] * (width - len(p)) for p in prompts]
        padded = [[*p, *pad] if last else [*pad, *p] for p, pad in zip(prompts, pads, strict=True)]
        real = [[True] * len(p) + [False] * len(pad) for p, pad in zip(prompts, pads, strict=True)]
        ids = torch.tensor(padded).to(self.device)
        valid = torch.tensor(real if last else [row[::-1] for row in real]).to(self.device)
        cache = DynamicCache()
        inputs: dict[str, torch.Tensor] = {"input_ids": ids}
        if self.embeds is not None:
            inputs = {"inputs_embeds": _before(self.embeds, self.base.get_input_embeddings()(ids), valid)}
            valid = _shift(valid, self.virtual)
        if self.prefix is not None:
            for number, layer in enumerate(self.prefix.layers):
                cache.update(*(t.expand(len(ids), -1, -1, -1) for t in (layer.keys, layer.values)), number)
            valid = torch.cat([valid.new_ones(len(valid), self.virtual), valid], 1)
        positions = (valid.long().cumsum(-1) - 1).clamp(min=0)
        columns = valid.shape[1] - _columns(self.prefix)
        logits = self.forward(cache, valid.long(), positions[:, -columns:], keep, **inputs)
        if last:
            valid = _right_align(cache, valid)
        for layer in cache.layers:  # a pad attends to nothing, which some kernels answer with NaN
            for held in (layer.keys, layer.values):  # type: ignore[union-attr]
                held.masked_fill_(~valid[:, None, :, None], 0)  # type: ignore[union-attr]
        return cache, valid, logits

    def join(
        self, store: kv.Store | SharedStore | None, kept: torch.Tensor, names: Sequence[int], pieces: Sequence[kv.Piece]
    ) -> kv.Store | SharedStore:
        """The cache of the kept rows of another, whose memory it may take over, and of new rows; see the caches."""
        if self.direct is None:
            assert not isinstance(store, SharedStore)
            return kv.join(store, kept, pieces)
        shared = store if isinstance(store, SharedStore) else SharedStore()
        shared.join(kept, names, pieces)
        return shared

    def _logits(self, batch: Batch) -> torch.Tensor:
        """Append each row's last token; the logits of the next one, (rows, vocabulary)."""
        store = batch.store
        if isinstance(store, SharedStore):
            assert self.direct is not None
            store.grow()
            return self.direct.logits(batch.last[:, 0], batch.position, store)
        mask = store.grow()
        mask = mask[:, None, None] if self._ready_mask else mask.long()
        return self.forward(store.cache, mask, batch.position[:, None], input_ids=batch.last)[:, 0]

    def step(self, batch: Batch) -> list[int]:
        """One token for every row of a batch. Reading the tokens is the only synchronisation with the host."""
        logits = self._logits(batch)
        uniform = batch.uniform.gather(1, batch.drawn[:, None])[:, 0]
        how = (logits, batch.temperature, batch.top_p, uniform)
        chosen = logits.argmax(-1) if batch.greedy else choose(*how)
        tokens: list[int] = chosen.tolist()
        undecided = [row for row, token in enumerate(tokens) if token < 0]
        if undecided:
            at = torch.tensor(undecided, device=self.device)
            chosen[at] = choose_exactly(*(one[at] for one in how))
            tokens = chosen.tolist()
        # Rows that have ended are computed until the batch is packed: they must not run out of numbers or positions.
        batch.position = (batch.position + 1).clamp(max=(self.positions or sys.maxsize) - 1)
        batch.drawn = (batch.drawn + 1).clamp(max=batch.uniform.shape[1] - 1)
        batch.last = chosen[:, None]
        return tokens


def default_rows(config: Any, device: str) -> int:
    """How many samples one batch holds: by the base and the kind of device, never by the memory that is free.

    In 16 bits, answers may depend on it.
    """
    text = config.get_text_config()
    heads = 1 if getattr(text, "multi_query", False) else getattr(text, "num_key_value_heads", None)
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    column = 2 * 2 * (heads or text.num_attention_heads) * width * text.num_hidden_layers
    longest = min(getattr(text, "max_position_embeddings", None) or _LONGEST, _LONGEST)
    return max(1, min(ROWS.get(device, ROWS["cpu"]), int(_CACHE // (column * longest))))


def fast_backend(tokenizer: PreTrainedTokenizerBase) -> Any:
    """The Rust tokenizer inside a fast one; raises :class:`schema.BadInput` for others."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise schema.BadInput(f"{type(tokenizer).__name__}: generation needs a fast tokenizer (tokenizer.json)")
    return backend


def end_tokens(base: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a text, the model's and the tokenizer's."""
    named = base.generation_config.eos_token_id if base.generation_config is not None else None
    ids = [*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id]
    return frozenset(i for i in ids if isinstance(i, int))


def _virtual(tuned: Any) -> tuple[torch.Tensor | None, Any]:
    """The virtual tokens of a prompt method: embeddings (1, tokens, hidden), or a cache of keys and values."""
    if tuned is None or not tuned.active_peft_config.is_prompt_learning:
        return None, None
    kind = tuned.active_peft_config.peft_type.value
    with torch.inference_mode():
        if kind in ("P_TUNING", "PROMPT_TUNING"):
            return tuned.get_prompt(batch_size=1), None
        if kind == "PREFIX_TUNING":
            return None, tuned.get_prompt(batch_size=1)
    raise schema.BadInput(
        f"generation does not know the prompt method {kind}; known: P_TUNING, PROMPT_TUNING, PREFIX_TUNING"
    )


def _columns(prefix: Any) -> int:
    return 0 if prefix is None else int(prefix.get_seq_length())


def _right_align(cache: Any, valid: torch.Tensor) -> torch.Tensor:
    """Move each left-aligned row of a cache to the right, in place; returns the new mask."""
    columns = valid.shape[1]
    moved = torch.arange(columns, device=valid.device) - (columns - valid.sum(1))[:, None]
    index = moved.clamp(min=0)[:, None, :, None]
    for layer in cache.layers:
        layer.keys = layer.keys.gather(2, index.expand_as(layer.keys))
        layer.values = layer.values.gather(2, index.expand_as(layer.values))
    return moved >= 0


def _shift(valid: torch.Tensor, by: int) -> torch.Tensor:
    """A mask of right-aligned rows, each longer by ``by``."""
    return torch.cat([valid.new_zeros(len(valid), by), valid], 1) | torch.cat(
        [valid, valid.new_ones(len(valid), by)], 1
    )


def _before(virtual: torch.Tensor, embedded: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Virtual tokens directly before each right-aligned prompt: (prompts, virtual + columns, hidden)."""
    count = virtual.shape[1]
    whole = torch.cat([embedded.new_zeros(len(embedded), count, embedded.shape[2]), embedded], 1)
    starts = valid.shape[1] - valid.sum(1)  # in columns of the result, where the virtual tokens begin
    columns = starts[:, None] + torch.arange(count, device=valid.device)
    whole.scatter_(1, columns[:, :, None].expand(-1, -1, whole.shape[2]), virtual.to(whole).expand(len(whole), -1, -1))
    return whole
