"""Which rows are computed together: the queue of samples, the batch, and the answers as they come.

Each prompt is computed once and shared by its samples. Long prompts go first. As rows end, the next samples take their
places. The stop rules see the text of every token as it comes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers.decoders import DecodeStream

from .. import schema
from .requests import Answer, Done, Ended, GenerationFailed, Request, Stats
from .sampling import numbers

if TYPE_CHECKING:
    from . import cache as kv
    from .engine import Engine
    from .shared import SharedStore

_PREFILL = {"cpu": 4096, "cuda": 32768}  # tokens in one forward pass over prompts
_TAIL = 8  # prompt tokens that the decoder sees before the answer: some decoders add a space only between tokens


@dataclass(slots=True)
class Job:
    """A request with its number, its prompt's tokens, and the answers so far."""

    number: int
    request: Request
    prompt: list[int]
    answers: list[Answer] = field(default_factory=list)


@dataclass(order=True, slots=True)
class Pending:
    """Queued samples, sorted by prompt length; the longest is popped first, ties first-come, first-served."""

    length: int
    order: int
    job: Job = field(compare=False)
    samples: tuple[int, ...] = field(compare=False)


@dataclass(slots=True)
class Row:
    """One sample that is being generated."""

    pending: Pending
    sample: int
    decoder: Any
    tokens: list[int] = field(default_factory=list)
    text: str = ""

    @property
    def limit(self) -> int:
        """Its largest number of tokens."""
        return self.pending.job.request.max_length - self.pending.length


@dataclass(slots=True)
class Batch:
    """The rows that are computed together; an ended one is ``None`` until another takes its place or it is dropped."""

    rows: list[Row | None]
    store: kv.Store | SharedStore
    greedy: bool
    last: torch.Tensor
    position: torch.Tensor
    temperature: torch.Tensor
    top_p: torch.Tensor
    uniform: torch.Tensor
    drawn: torch.Tensor

    def put(
        self, places: Sequence[int], at: torch.Tensor, new: Sequence[Row], columns: dict[str, torch.Tensor]
    ) -> None:
        """Put new rows and their columns into places, which are given as a list and as a tensor."""
        for place, row in zip(places, new, strict=True):
            self.rows[place] = row
        for name, tensor in columns.items():
            whole, tensor = _as_wide(getattr(self, name), tensor)
            setattr(self, name, whole.index_copy(0, at, tensor))


class Scheduler:
    """One call of :meth:`.engine.Engine.run`: the queue, the batch, and the answers so far."""

    def __init__(self, engine: Engine, done: Done, tick: Callable[[Stats], None], rows: int) -> None:
        self.engine, self.done, self.tick, self.rows = engine, done, tick, rows
        self.queue: list[Pending] = []
        self.order = 0
        self.batch: Batch | None = None
        self.flying: list[Row] = []  # rows that have left the queue and have not ended
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
        """Queue requests. One without room for a token is answered at once; its follow-up requests are queued too."""
        new = list(requests)
        while new:
            encoded = self.engine.tokenizer([one.prompt for one in new], verbose=False)["input_ids"]
            follow: list[Request] = []
            for request, tokens in zip(new, encoded, strict=True):
                self._check(request, tokens)
                self.order += 1
                if len(tokens) < request.max_length:
                    job = Job(self.order, request, tokens)
                    insort(self.queue, Pending(len(tokens), -self.order, job, request.samples))
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
        """Whether rows should join (1/8 of the places is free) or leave (1/4), or the cache has no room."""
        if self.batch is None or self.batch.store.full:
            return True
        wanted, share = (self.rows, 8) if self.queue else (len(self.batch.rows), 4)
        return share * (wanted - len(self.flying)) >= wanted

    def _pack(self) -> None:
        """Let new rows take the places of ended ones, longest prompts first; drop places that would stay empty."""
        old = self.batch
        kept = [i for i, row in enumerate(old.rows) if row is not None] if old else []
        new = self._next(self.rows - len(kept))
        self.flying += new
        if not self.flying:
            self.batch = None
            return
        known = old.store.prompts if old else ()
        names = [row.pending.job.number for row in new]
        groups = self._groups([row for row in new if row.pending.job.number not in known])
        pieces = [self.engine.prefill(*group) for group in groups]
        columns = self._columns(new)
        places = [i for i, row in enumerate(old.rows) if row is None] if old else []
        if old and len(new) <= len(places) <= 2 * len(new) and not old.store.full and old.store.fits(pieces):
            to = torch.tensor(places, device=self.engine.device)
            old.store.put(to, names, pieces)
            old.put(places[: len(new)], to[: len(new)], new, columns)
        else:
            index = torch.tensor(kept, dtype=torch.long, device=self.engine.device)
            store = self.engine.join(old.store if old else None, index, names, pieces)
            self.batch = self._joined(old, index, new, columns, store)
        assert self.batch is not None
        self.batch.greedy = not any(row.pending.job.request.temperature for row in self.flying)

    def _next(self, places: int) -> list[Row]:
        """Rows for that many places; a request with more samples leaves the rest in the queue."""
        rows: list[Row] = []
        while len(rows) < places and self.queue:
            pending = self.queue.pop()
            free = places - len(rows)
            if len(pending.samples) > free:
                self.queue.append(replace(pending, samples=pending.samples[free:]))
            tail = pending.job.prompt[-_TAIL:]
            rows += [Row(pending, sample, DecodeStream(ids=tail)) for sample in pending.samples[:free]]
        return rows

    def _groups(self, rows: Sequence[Row]) -> Iterable[tuple[list[list[int]], torch.Tensor, list[int]]]:
        """Groups of prompts for one forward pass each: the prompts without their last token, the prompt of each row,
        and the prompts' names."""
        budget, device = _PREFILL[self.engine.device.type], self.engine.device
        prompts: list[list[int]] = []
        source: list[int] = []
        names: list[int] = []
        for row in rows:  # the samples of a prompt are neighbours
            job = row.pending.job
            if not names or job.number != names[-1]:
                if prompts and (len(prompts) + 1) * len(prompts[0]) > budget:
                    yield prompts, torch.tensor(source, device=device), names
                    prompts, source, names = [], [], []
                prompts.append(job.prompt[:-1])
                names.append(job.number)
                self.stats.prefilled += len(job.prompt)
            source.append(len(prompts) - 1)
        if prompts:
            yield prompts, torch.tensor(source, device=device), names

    def _columns(self, new: Sequence[Row]) -> dict[str, torch.Tensor]:
        """What a batch holds of new rows next to the cache: a tensor per field of :class:`Batch`."""
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
        old: Batch | None,
        kept: torch.Tensor,
        new: Sequence[Row],
        columns: dict[str, torch.Tensor],
        store: kv.Store | SharedStore,
    ) -> Batch:
        """The batch of the kept rows of an old one and of new rows."""
        if old is not None:
            columns = {n: torch.cat(_as_wide(getattr(old, n)[kept], tensor)) for n, tensor in columns.items()}
        rows: list[Row | None] = [*(row for row in old.rows if row), *new] if old else [*new]
        return Batch(rows, store, True, **columns)

    def _take(self, batch: Batch, tokens: Sequence[int]) -> None:
        """Give each row its token; answer the requests whose last sample has ended."""
        self.stats.steps += 1
        self.stats.slots += len(batch.rows)
        self.stats.columns += batch.store.read
        self.stats.tokens += len(self.flying)
        ended = []
        for number, (row, token) in enumerate(zip(batch.rows, tokens, strict=True)):
            if row is not None and (why := self._push(row, token)):
                batch.rows[number] = None
                batch.store.drop(number)
                ended.append((row, why))
        if not ended:
            return
        self.flying = [row for row in batch.rows if row is not None]
        self._settle(ended)

    def _settle(self, ended: Iterable[tuple[Row, Ended]]) -> None:
        """Record the answers of ended rows; hand over the requests that are complete."""
        for row, why in ended:
            job = row.pending.job
            job.answers.append(self._answer(row, why))
            if len(job.answers) == len(job.request.samples):
                self._add(self.done(job.request, sorted(job.answers, key=lambda one: one.sample)))

    def _push(self, row: Row, token: int) -> Ended | None:
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

    def _answer(self, row: Row, why: Ended) -> Answer:
        """Decode the whole answer once more after the end of its prompt, as a reader would see it."""
        self.stats.answers += 1
        tail = row.pending.job.prompt[-_TAIL:]
        written = row.tokens[:-1] if why == "end of text" else row.tokens
        whole, before = (self.engine.backend.decode(ids, skip_special_tokens=False) for ids in (tail + written, tail))
        return Answer(row.sample, whole[len(before) :], len(row.tokens), why)

    def _retreat(self, error: Exception) -> None:
        """Out of memory: put every unfinished row back into the queue and continue with half as many rows, in float32.

        In 16 bits an answer may depend on how many rows are computed together, so the user has to choose.
        """
        places = max(len(self.flying) // 2, 1)
        first = str(error).splitlines()[0][:200]
        if len(self.flying) <= 1:
            raise GenerationFailed(
                f"out of memory with one row ({first}): try a smaller sampling.max_length, sampling.precision: "
                "bfloat16 or a smaller size"
            ) from None
        if self.engine.base.dtype.itemsize < 4:
            raise GenerationFailed(
                f"out of memory with {self.rows} rows ({first}): set sampling.rows: {max(self.rows // 2, 1)} in the "
                "suite (answers in 16 bits depend on the rows computed together, so they are not halved silently)"
            ) from None
        self.rows, self.batch = places, None
        for row in self.flying:
            insort(self.queue, replace(row.pending, samples=(row.sample,)))
        self.flying = []
        torch.cuda.empty_cache()


def _as_wide(old: torch.Tensor, new: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both tensors; the narrower one is padded with columns of zeros."""
    if old.dim() == 2 and old.shape[1] != new.shape[1]:
        width = max(old.shape[1], new.shape[1])
        old, new = (torch.nn.functional.pad(one, (0, width - one.shape[1])) for one in (old, new))
    return old, new
