"""Requests -> answers on one model: batched across prompts and samples, with rows that join and leave as they finish.

Each prompt is computed once and shared by its samples. Long prompts go first; as rows finish, the next prompts take
their place. Stop rules see each token's text as it comes. Every method has a KV cache: adapters work inside the base,
and the virtual tokens of prompt methods are computed once, as embeddings or as keys and values, and put directly before
each prompt with positions counted from 0 (PEFT's own forward puts them before the padding and drops position ids).
"""

from __future__ import annotations

import inspect
import sys
import time
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache

from .. import schema
from . import cache as kv
from .sampling import choose, numbers

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROWS = {"cpu": 384, "cuda": 512}  # in one batch; wider ones are hardly faster
_PREFILL = {"cpu": 4096, "cuda": 32768}  # tokens in one forward pass over prompts
_SHARE = 0.4  # of the free GPU memory for the cache: while rows join, some of it exists twice
_TAIL = 8  # tokens of the prompt that the decoder sees before the answer: some add a space only between tokens


Ended = Literal["end of text", "stopped", "length"]


class GenerationFailed(schema.AstraiosError):
    """Generation cannot go on; says why and what to change."""


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, and how it is to be answered.

    Attributes:
        samples: the numbers of the samples that are wanted.
        stream: with a sample's number, the name of its random numbers (:func:`sampling.numbers`).
        max_length: longest prompt plus answer, in tokens.
        finished: whether an answer can be stopped, given its text and from where on that is new.
        tag: whatever the caller wants to find again.
    """

    prompt: str
    samples: tuple[int, ...]
    stream: str
    temperature: float
    top_p: float
    max_length: int
    finished: Callable[[str, int], bool]
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One sample: its number, what the model wrote, how many tokens that took, and why it ended."""

    sample: int
    text: str
    tokens: int
    ended: Ended


@dataclass(slots=True)
class Stats:
    """What a run has done so far.

    ``slots`` counts row-steps (tokens / slots is how full the batches were), ``columns`` the cache's columns that those
    have read.
    """

    tokens: int = 0
    prefilled: int = 0
    steps: int = 0
    slots: int = 0
    columns: int = 0
    answers: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.started


@dataclass(slots=True)
class _Job:
    """A request, its prompt's tokens, and the answers that have come so far."""

    request: Request
    prompt: list[int]
    answers: list[Answer] = field(default_factory=list)


@dataclass(order=True, slots=True)
class _Pending:
    """Samples that wait: in the order of their prompts' lengths, of equals the first asked last."""

    length: int
    order: int
    job: _Job = field(compare=False)
    samples: tuple[int, ...] = field(compare=False)


@dataclass(slots=True)
class _Row:
    """One sample on its way."""

    pending: _Pending
    sample: int
    decoder: Any
    tokens: list[int] = field(default_factory=list)
    text: str = ""

    @property
    def limit(self) -> int:
        """Tokens that it may become long."""
        return self.pending.job.request.max_length - self.pending.length


@dataclass(slots=True)
class _Batch:
    """The rows that are computed together; a finished one is ``None`` until another takes its place, or it goes."""

    rows: list[_Row | None]
    store: kv.Store
    greedy: bool
    last: torch.Tensor
    position: torch.Tensor
    temperature: torch.Tensor
    top_p: torch.Tensor
    uniform: torch.Tensor
    drawn: torch.Tensor

    def put(
        self, places: Sequence[int], at: torch.Tensor, new: Sequence[_Row], columns: dict[str, torch.Tensor]
    ) -> None:
        """Put new rows, with what the batch holds of them beside the cache, in places: given as a list and a tensor."""
        for place, row in zip(places, new, strict=True):
            self.rows[place] = row
        for name, tensor in columns.items():
            whole, tensor = _as_wide(getattr(self, name), tensor)
            setattr(self, name, whole.index_copy(0, at, tensor))


Done = Callable[[Request, list[Answer]], Iterable[Request]]


class Engine:
    """A model and its tokenizer, ready to answer.

    Args:
        model: a base or a tuned model, in evaluation mode.
        tokenizer: a fast one.
        rows: samples in one batch; none: by the device and its free memory.

    Raises:
        schema.BadInput: a kind of prompt method or of cache that this engine does not know.
    """

    def __init__(
        self, model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, rows: int | None = None
    ) -> None:
        self.tokenizer, self.backend = tokenizer, _backend(tokenizer)
        tuned: Any = model if hasattr(model, "peft_config") else None
        self.base: Any = tuned.get_base_model() if tuned is not None else model
        if self.base._is_stateful:
            name = type(self.base).__name__
            raise schema.BadInput(f"{name} keeps a state instead of keys and values: generation has no cache for it")
        self.device: torch.device = self.base.get_input_embeddings().weight.device  # type: ignore[assignment]
        self.embeds, self.prefix = _virtual(tuned)
        self.virtual = len(self.embeds[0]) if self.embeds is not None else _columns(self.prefix)
        self.ends = _ends(self.base, tokenizer)
        self._rows = rows
        accepted = inspect.signature(self.base.forward).parameters
        self._options = {"use_cache": True, **({"logits_to_keep": 1} if "logits_to_keep" in accepted else {})}
        config = self.base.config.get_text_config()
        self.positions = getattr(config, "max_position_embeddings", None)
        # Elsewhere transformers makes the mask: additive for eager attention, or cut to a sliding window.
        self._ready_mask = config._attn_implementation == "sdpa" and not getattr(config, "sliding_window", None)
        self.stats = Stats()

    def run(self, requests: Iterable[Request], done: Done, tick: Callable[[Stats], None] = lambda _: None) -> Stats:
        """Answer all requests.

        Args:
            requests: in any order; equal requests get equal answers.
            done: called with each request whose samples are all there; what it returns is answered, too.
            tick: called after every step.

        Raises:
            schema.BadInput: an empty prompt, or more tokens than the base has positions.
            GenerationFailed: not even one row fits into memory.
        """
        with torch.inference_mode():
            return _Run(self, done, tick, self._rows or self._default_rows()).answer(requests)

    def _default_rows(self) -> int:
        rows = ROWS["cuda" if self.device.type == "cuda" else "cpu"]
        if self.device.type != "cuda":
            return rows
        config = self.base.config.get_text_config()
        heads = 1 if getattr(config, "multi_query", False) else getattr(config, "num_key_value_heads", None)
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        column = 2 * (heads or config.num_attention_heads) * width * config.num_hidden_layers
        free, _ = torch.cuda.mem_get_info(self.device)
        longest = min(self.positions or 2048, 2048)
        return max(1, min(rows, int(_SHARE * free / (column * self.base.dtype.itemsize * longest))))

    def forward(self, cache: Any, mask: torch.Tensor, positions: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits of the last column, (rows, vocabulary); the cache grows by the inputs."""
        output = self.base(
            past_key_values=cache, attention_mask=mask, position_ids=positions, **inputs, **self._options
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def prefill(self, prompts: Sequence[Sequence[int]], source: torch.Tensor) -> kv.Piece:
        """Compute prompts, virtual tokens before them; the rows' caches are made of the result."""
        width = max(1, *map(len, prompts))
        padded = [[0] * (width - len(p)) + [*p] for p in prompts]
        mask = torch.tensor([[False] * (width - len(p)) + [True] * len(p) for p in prompts])
        ids, valid = torch.tensor(padded).to(self.device), mask.to(self.device)
        cache = DynamicCache()
        inputs: dict[str, torch.Tensor] = {"input_ids": ids}
        if self.embeds is not None:
            inputs = {"inputs_embeds": _before(self.embeds, self.base.get_input_embeddings()(ids), valid)}
        if self.prefix is not None:
            for number, layer in enumerate(self.prefix.layers):
                cache.update(*(t.expand(len(ids), -1, -1, -1) for t in (layer.keys, layer.values)), number)
        if self.virtual:
            ahead = valid.new_ones(len(valid), self.virtual)
            valid = torch.cat([ahead, valid], 1) if self.prefix is not None else _shift(valid, self.virtual)
        positions = (valid.long().cumsum(-1) - 1).clamp(min=0)
        columns = valid.shape[1] - _columns(self.prefix)
        self.forward(cache, valid.long(), positions[:, -columns:], **inputs)
        for layer in cache.layers:  # a pad attends to nothing, which some kernels answer with NaN
            for held in (layer.keys, layer.values):  # type: ignore[union-attr]
                held.masked_fill_(~valid[:, None, :, None], 0)  # type: ignore[union-attr]
        return kv.Piece(cache, valid, source)

    def step(self, batch: _Batch) -> torch.Tensor:
        """One token for every row of a batch: (rows,), int64."""
        mask = batch.store.grow()
        mask = mask[:, None, None] if self._ready_mask else mask.long()
        logits = self.forward(batch.store.cache, mask, batch.position[:, None], input_ids=batch.last)
        if batch.greedy:
            tokens = logits.argmax(-1)
        else:
            uniform = batch.uniform.gather(1, batch.drawn[:, None])[:, 0]
            tokens = choose(logits, batch.temperature, batch.top_p, uniform)
        # Rows that have ended are computed until the batch is packed: they must not run out of numbers or positions.
        batch.position = (batch.position + 1).clamp(max=(self.positions or sys.maxsize) - 1)
        batch.drawn = (batch.drawn + 1).clamp(max=batch.uniform.shape[1] - 1)
        batch.last = tokens[:, None]
        return tokens


def _backend(tokenizer: PreTrainedTokenizerBase) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise schema.BadInput(f"{type(tokenizer).__name__}: generation needs a fast tokenizer (tokenizer.json)")
    return backend


def _ends(base: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a text: the model's and the tokenizer's."""
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


class _Run:
    """One call of :meth:`Engine.run`: the queue, the batch, and the answers so far."""

    def __init__(self, engine: Engine, done: Done, tick: Callable[[Stats], None], rows: int) -> None:
        self.engine, self.done, self.tick, self.rows = engine, done, tick, rows
        self.queue: list[_Pending] = []
        self.order = 0
        self.batch: _Batch | None = None
        self.flying: list[_Row] = []  # what has left the queue and has not ended
        self.stats = engine.stats = Stats()

    def answer(self, requests: Iterable[Request]) -> Stats:
        self._add(requests)
        while self.queue or self.batch:
            try:
                if self._should_pack():
                    self._pack()
                if self.batch:
                    self._take(self.batch, self.engine.step(self.batch))
            except torch.OutOfMemoryError as error:
                self._retreat(error)
            self.tick(self.stats)
        return self.stats

    def _add(self, requests: Iterable[Request]) -> None:
        """Queue requests; one without room for a token is answered at once, which may bring more."""
        new = list(requests)
        while new:
            encoded = self.engine.tokenizer([one.prompt for one in new], verbose=False)["input_ids"]
            follow: list[Request] = []
            for request, tokens in zip(new, encoded, strict=True):
                self._check(request, tokens)
                self.order += 1
                if len(tokens) < request.max_length:
                    insort(self.queue, _Pending(len(tokens), -self.order, _Job(request, tokens), request.samples))
                    continue
                empty = [Answer(sample, "", 0, "length") for sample in request.samples]
                self.stats.answers += len(empty)
                follow += self.done(request, empty)
            new = follow

    def _check(self, request: Request, tokens: Sequence[int]) -> None:
        if not tokens:
            raise schema.BadInput(f"{request.stream}: the prompt has no tokens")
        virtual, has = self.engine.virtual, self.engine.positions
        if has is not None and request.max_length + virtual > has:
            raise schema.BadInput(
                f"max_length {request.max_length} and {virtual} virtual tokens are more than the base's {has} "
                f"positions: set sampling.max_length in the suite to at most {has - virtual}"
            )

    def _should_pack(self) -> bool:
        """Whether rows should join (an eighth of the places is free) or leave (a quarter), or the cache has no room."""
        if self.batch is None or self.batch.store.full:
            return True
        wanted, share = (self.rows, 8) if self.queue else (len(self.batch.rows), 4)
        return share * (wanted - len(self.flying)) >= wanted

    def _pack(self) -> None:
        """Let new rows take the places of finished ones, longest prompts first; drop the places if most stay empty."""
        old = self.batch
        kept = [i for i, row in enumerate(old.rows) if row is not None] if old else []
        new = self._next(self.rows - len(kept))
        self.flying += new
        if not self.flying:
            self.batch = None
            return
        pieces = [self.engine.prefill(*group) for group in self._groups(new)]
        columns = self._columns(new)
        places = [i for i, row in enumerate(old.rows) if row is None] if old else []
        if old and len(new) <= len(places) <= 2 * len(new) and not old.store.full and old.store.fits(pieces):
            to = torch.tensor(places, device=self.engine.device)
            old.store.put(to, pieces)
            old.put(places[: len(new)], to[: len(new)], new, columns)
        else:
            index = torch.tensor(kept, dtype=torch.long, device=self.engine.device)
            store = kv.join(old.store if old else None, index, pieces)
            self.batch = self._joined(old, index, new, columns, store)
        assert self.batch is not None
        self.batch.greedy = not any(row.pending.job.request.temperature for row in self.flying)

    def _next(self, places: int) -> list[_Row]:
        """Rows for so many places; a request with more samples than places leaves the rest in the queue."""
        rows: list[_Row] = []
        while len(rows) < places and self.queue:
            pending = self.queue.pop()
            free = places - len(rows)
            if len(pending.samples) > free:
                self.queue.append(replace(pending, samples=pending.samples[free:]))
            tail = pending.job.prompt[-_TAIL:]
            rows += [_Row(pending, sample, DecodeStream(ids=tail)) for sample in pending.samples[:free]]
        return rows

    def _groups(self, rows: Sequence[_Row]) -> Iterable[tuple[list[list[int]], torch.Tensor]]:
        """The rows' prompts without their last tokens, each once, in groups of one forward pass; and whose is whose."""
        budget = _PREFILL[self.engine.device.type]
        prompts: list[list[int]] = []
        source: list[int] = []
        last: _Job | None = None
        for row in rows:  # the samples of a prompt are neighbours
            job = row.pending.job
            if job is not last:
                if prompts and (len(prompts) + 1) * len(prompts[0]) > budget:
                    yield prompts, torch.tensor(source, device=self.engine.device)
                    prompts, source = [], []
                prompts.append(job.prompt[:-1])
                self.stats.prefilled += len(job.prompt)
                last = job
            source.append(len(prompts) - 1)
        if prompts:
            yield prompts, torch.tensor(source, device=self.engine.device)

    def _columns(self, new: Sequence[_Row]) -> dict[str, torch.Tensor]:
        """What a batch holds beside the cache, of new rows."""
        jobs = [row.pending.job for row in new]
        uniform = np.zeros((len(new), max((row.limit for row in new), default=0)))
        for drawn, row in zip(uniform, new, strict=True):
            if row.pending.job.request.temperature:
                drawn[: row.limit] = numbers(f"{row.pending.job.request.stream}/{row.sample}", row.limit)
        columns = {
            "last": torch.tensor([[job.prompt[-1]] for job in jobs], dtype=torch.long).reshape(-1, 1),
            "position": torch.tensor([self.engine.virtual + len(job.prompt) - 1 for job in jobs], dtype=torch.long),
            "temperature": torch.tensor([job.request.temperature for job in jobs], dtype=torch.float32),
            "top_p": torch.tensor([job.request.top_p for job in jobs], dtype=torch.float64),
            "drawn": torch.zeros(len(new), dtype=torch.long),
            "uniform": torch.from_numpy(uniform),
        }
        return {name: tensor.to(self.engine.device) for name, tensor in columns.items()}

    def _joined(
        self,
        old: _Batch | None,
        kept: torch.Tensor,
        new: Sequence[_Row],
        columns: dict[str, torch.Tensor],
        store: kv.Store,
    ) -> _Batch:
        """The batch of the kept rows of an old one and of new rows."""
        if old is not None:
            columns = {n: torch.cat(_as_wide(getattr(old, n)[kept], tensor)) for n, tensor in columns.items()}
        rows: list[_Row | None] = [*(row for row in old.rows if row), *new] if old else [*new]
        return _Batch(rows, store, True, **columns)

    def _take(self, batch: _Batch, tokens: torch.Tensor) -> None:
        """Give each row its token; answer the requests whose last sample has ended."""
        self.stats.steps += 1
        self.stats.slots += len(batch.rows)
        self.stats.columns += len(batch.rows) * (batch.store.width - batch.store.start)
        self.stats.tokens += len(self.flying)
        ended = []
        for number, (row, token) in enumerate(zip(batch.rows, tokens.tolist(), strict=True)):
            if row is not None and (why := self._push(row, token)):
                batch.rows[number] = None
                ended.append((row, why))
        if not ended:
            return
        self.flying = [row for row in batch.rows if row is not None]
        self._settle(ended)

    def _settle(self, ended: Iterable[tuple[_Row, Ended]]) -> None:
        """Note the answers of rows that have ended; hand over the requests that are complete."""
        for row, why in ended:
            job = row.pending.job
            job.answers.append(self._answer(row, why))
            if len(job.answers) == len(job.request.samples):
                self._add(self.done(job.request, sorted(job.answers, key=lambda one: one.sample)))

    def _push(self, row: _Row, token: int) -> Ended | None:
        """Append a token to a row; why the row ends with it, or ``None``."""
        row.tokens.append(token)
        if token in self.engine.ends:
            return "end of text"
        came = row.decoder.step(self.engine.backend, token)
        if came:
            start = len(row.text)
            row.text += came
            if row.pending.job.request.finished(row.text, start):
                return "stopped"
        return "length" if len(row.tokens) == row.limit else None

    def _answer(self, row: _Row, why: Ended) -> Answer:
        """The text is decoded once more as a whole, behind the prompt's end, as it would be read."""
        self.stats.answers += 1
        tail = row.pending.job.prompt[-_TAIL:]
        written = row.tokens[:-1] if why == "end of text" else row.tokens
        whole, before = (self.engine.backend.decode(ids, skip_special_tokens=False) for ids in (tail + written, tail))
        return Answer(row.sample, whole[len(before) :], len(row.tokens), why)

    def _retreat(self, error: Exception) -> None:
        """Out of memory: put every row on its way back into the queue and go on with half as many."""
        places = max(len(self.flying) // 2, 1)
        if len(self.flying) <= 1:
            first = str(error).splitlines()[0][:200]
            raise GenerationFailed(
                f"out of memory with one row ({first}): try a smaller sampling.max_length, base_precision: 8bit or a "
                "smaller size"
            ) from None
        self.rows, self.batch = places, None
        for row in self.flying:
            insort(self.queue, replace(row.pending, samples=(row.sample,)))
        self.flying = []
        torch.cuda.empty_cache()


def _as_wide(old: torch.Tensor, new: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both; the narrower one gets columns of zeros."""
    if old.dim() == 2 and old.shape[1] != new.shape[1]:
        width = max(old.shape[1], new.shape[1])
        old, new = (torch.nn.functional.pad(one, (0, width - one.shape[1])) for one in (old, new))
    return old, new
