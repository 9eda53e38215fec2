"""A KV cache that keeps each prompt once, however many samples share it.

The samples of a prompt read the same keys and values for it, and most columns of a batch are prompt. So the cache holds
the prompts, (prompts, heads, columns, width of a head), apart from the answers, (rows, heads, columns, width of a
head). Attention multiplies all queries of a prompt's samples by its keys at once, then takes one softmax over prompt
and answer. A new row whose prompt is there already costs nothing; a row that ended leaves its place to the next one.

Prompts are right-aligned, answers left-aligned. What lies outside them is masked with a bias of minus infinity.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .cache import Piece

ROOM = 64  # columns by which the answers' part of the cache grows at least
_SPARE = 4 / 3  # a cache that is larger than what is used by this factor is copied to a smaller one


@dataclass(slots=True)
class _Prompts:
    """The prompts of the live rows: per layer keys and values, and which columns hold a token (prompts, columns)."""

    names: list[int]
    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    valid: torch.Tensor


class SharedStore:
    """The cache of a batch of rows, each a prompt (its slot) and the columns of its answer so far."""

    full = False  # the answers' part grows when it must

    def __init__(self) -> None:
        self._prompts: _Prompts | None = None
        self._slots: np.ndarray = np.zeros(0, np.int64)  # the prompt of each row
        self._lengths: np.ndarray = np.zeros(0, np.int64)  # columns of each row's answer
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    @property
    def prompts(self) -> Collection[int]:
        """The names of the prompts that need no computing."""
        return self._prompts.names if self._prompts else ()

    @property
    def read(self) -> int:
        """Columns that a step reads: each prompt once, and the answers of all rows."""
        assert self._prompts is not None
        return int(self._prompts.valid.numel() + len(self._slots) * self._width)

    def drop(self, row: int) -> None:
        """A row has ended: its place is computed until another row takes it, but need not grow."""
        self._lengths[row] = 0

    def fits(self, pieces: Sequence[Piece]) -> bool:
        """Whether :meth:`put` can take the new prompts."""
        return True

    def put(self, places: torch.Tensor, names: Sequence[int], pieces: Sequence[Piece]) -> None:
        """Let new rows take the places of ended ones.

        Args:
            places: (at least as many as there are new rows,), int64: all rows that have ended.
            names: the prompt of each new row.
            pieces: the prompts that :attr:`prompts` does not name.
        """
        at = places.numpy(force=True)
        live = np.setdiff1d(np.arange(len(self._slots)), at)
        self._renew(live, names, pieces)
        taken, rest = at[: len(names)], at[len(names) :]
        self._slots[taken] = self._of(names)
        self._slots[rest] = 0  # some prompt: what such a row computes is not used
        self._lengths[at] = 0
        self._index()

    def join(self, kept: torch.Tensor, names: Sequence[int], pieces: Sequence[Piece]) -> None:
        """Keep the given rows, (rows,), int64, rising; put new rows behind them. See :meth:`put`."""
        live = kept.numpy(force=True)
        self._renew(live, names, pieces)
        moved = int((live == np.arange(len(live))).cumprod().sum())  # rows before this one stay where they are
        rows = len(live) + len(names)
        for held in (self._keys, self._values):
            for number, tensor in enumerate(held):
                if len(tensor) > _SPARE * rows:
                    tensor = tensor[kept]  # few of long answers are left: the memory of the others is given back
                elif moved < len(live):
                    tensor[moved : len(live)] = tensor[kept[moved:]]
                held[number] = _longer(tensor, rows, 0)
        self._slots = np.concatenate([self._slots[live], self._of(names)])
        self._lengths = np.concatenate([self._lengths[live], np.zeros(len(names), np.int64)])
        self._index()

    def _of(self, names: Sequence[int]) -> np.ndarray:
        assert self._prompts is not None
        slots = {name: slot for slot, name in enumerate(self._prompts.names)}
        return np.array([slots[name] for name in names], np.int64)

    def _renew(self, live: np.ndarray, names: Sequence[int], pieces: Sequence[Piece]) -> None:
        """Drop the prompts that no row needs any more and add new ones; the slots of live rows follow."""
        old = self._prompts
        wanted = {*names}
        used = {int(slot) for slot in self._slots[live]}
        kept = [slot for slot, name in enumerate(old.names) if slot in used or name in wanted] if old else []
        if old is not None and not pieces and len(old.names) <= _SPARE * len(kept):
            return
        if old is not None:
            renumbered = np.zeros(len(old.names), np.int64)
            renumbered[kept] = np.arange(len(kept))
            self._slots = renumbered[self._slots]
        self._prompts = _merged(old, kept, pieces)
        if not self._keys:
            for held, like in ((self._keys, self._prompts.keys), (self._values, self._prompts.values)):
                held.extend(one.new_zeros(0, one.shape[1], ROOM, one.shape[3]) for one in like)

    def _index(self) -> None:
        """Between rows and the padded (prompt, head, sample) layout in which attention reads each prompt once."""
        assert self._prompts is not None
        heads, device = self._prompts.keys[0].shape[1], self._prompts.valid.device
        count, rows = len(self._prompts.names), len(self._slots)
        order = np.argsort(self._slots, kind="stable")
        sizes = np.bincount(self._slots, minlength=count)
        most = max(int(sizes.max(initial=0)), 1)
        rank = np.empty(rows, np.int64)
        rank[order] = np.arange(rows) - np.repeat(sizes.cumsum() - sizes, sizes)
        head = np.arange(heads)
        to = (self._slots[:, None] * heads + head) * most + rank[:, None]  # (rows, heads)
        source = np.zeros(count * heads * most, np.int64)  # a place without a row computes the first row's again
        source[to.ravel()] = np.arange(rows * heads)
        self._most = most
        self._gather, self._scatter = (torch.from_numpy(one.ravel()).to(device) for one in (source, to))
        bias = torch.zeros(self._prompts.valid.shape, dtype=self._prompts.keys[0].dtype, device=device)
        bias.masked_fill_(~self._prompts.valid, -torch.inf)
        self._prompt_bias = bias.repeat_interleave(heads, 0)[:, None]
        self._rows = torch.arange(rows, device=device)

    @property
    def _width(self) -> int:
        return int(self._lengths.max(initial=0))

    def grow(self) -> None:
        """One column more for every row; :meth:`attend` then writes it, layer by layer."""
        assert self._prompts is not None
        width, room = self._width + 1, self._keys[0].shape[2]
        if width > room:
            for held in (self._keys, self._values):
                for number, tensor in enumerate(held):
                    held[number] = _longer(tensor, room + max(ROOM, room // 2), 2)
        device = self._prompts.valid.device
        self._at = torch.from_numpy(self._lengths.copy()).to(device)
        hidden = torch.arange(width, device=device) > self._at[:, None]
        bias = torch.zeros(hidden.shape, dtype=self._keys[0].dtype, device=device).masked_fill_(hidden, -torch.inf)
        self._bias = bias.repeat_interleave(self._keys[0].shape[1], 0)[:, None]
        self._lengths += 1

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Write a layer's newest column, and attend to prompt and answer.

        Args:
            layer: its number.
            query: (rows, heads, width of a head).
            key, value: (rows, heads of the cache, width of a head).
            scale: factor of the scores.

        Returns:
            (rows, heads * width of a head).
        """
        assert self._prompts is not None
        rows, heads, size = key.shape
        keys, values = self._keys[layer], self._values[layer]
        keys[self._rows, :, self._at], values[self._rows, :, self._at] = key, value
        width = self._bias.shape[-1]
        keys, values = (one[:rows, :, :width].flatten(0, 1) for one in (keys, values))
        prompt_keys, prompt_values = (one[layer].flatten(0, 1) for one in (self._prompts.keys, self._prompts.values))
        # (rows x heads, queries of a head, width of a head), and once more in the order of the prompts
        own = query.reshape(rows * heads, -1, size)
        groups = own.shape[1]
        shared = own.flatten(1).index_select(0, self._gather).view(len(prompt_keys), self._most * groups, size)
        before = torch.baddbmm(self._prompt_bias, shared, prompt_keys.transpose(1, 2), alpha=scale)
        columns = before.shape[-1]
        before = before.view(-1, groups * columns).index_select(0, self._scatter).view(-1, groups, columns)
        since = torch.baddbmm(self._bias, own, keys.transpose(1, 2), alpha=scale)
        weights = torch.cat([before, since], -1).softmax(-1)
        shared = weights[:, :, :columns].index_select(0, self._gather).view(len(prompt_keys), -1, columns)
        read = (
            torch.bmm(shared, prompt_values)
            .view(-1, groups * size)
            .index_select(0, self._scatter)
            .view(-1, groups, size)
        )
        return torch.baddbmm(read, weights[:, :, columns:], values).view(rows, -1)


def _merged(old: _Prompts | None, kept: list[int], pieces: Sequence[Piece]) -> _Prompts:
    """The kept prompts of ``old``, then those of the pieces, right-aligned in as few columns as they need.

    Neither can be used afterwards: two copies of all keys and values would be the most that generation ever holds.
    """
    names = [old.names[slot] for slot in kept] if old else []
    parts: list[tuple[torch.Tensor, torch.Tensor]] = []  # of each part its valid columns and which of them are used
    sources: list[Any] = []
    if old is not None and kept:
        at = torch.tensor(kept, device=old.valid.device)
        valid = old.valid[at]
        parts.append((valid, valid.any(0).nonzero()[:, 0]))
        sources.append((at, old.keys, old.values))
    for piece in pieces:
        names += piece.names
        parts.append((piece.valid, piece.columns))
        layers: Any = piece.cache.layers
        every = torch.arange(len(piece.valid), device=piece.valid.device)
        sources.append((every, [one.keys for one in layers], [one.values for one in layers]))
        layers.clear()  # what is copied is freed, a layer at a time
    width = max(1, *(len(columns) for _, columns in parts))  # at least 1: a prompt of one token has no columns
    valid = torch.cat([torch.nn.functional.pad(one[:, at], (width - len(at), 0)) for one, at in parts])
    keys: list[torch.Tensor] = []
    values: list[torch.Tensor] = []
    for layer in range(len(sources[0][1])):
        for made, kind in ((keys, 1), (values, 2)):
            made.append(
                _stacked([(s[0], s[kind][layer], at) for s, (_, at) in zip(sources, parts, strict=True)], width)
            )
            for source in sources:
                source[kind][layer] = None
    return _Prompts(names, keys, values, valid)


def _stacked(parts: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], width: int) -> torch.Tensor:
    """The chosen rows and columns of one layer's tensors below each other, right-aligned at ``width``."""
    first = parts[0][1]
    made = first.new_zeros(sum(len(rows) for rows, _, _ in parts), first.shape[1], width, first.shape[3])
    at = 0
    for rows, tensor, columns in parts:  # zeros elsewhere: a masked column must hold no NaN
        made[at : at + len(rows), :, width - len(columns) :] = tensor[rows][:, :, columns]
        at += len(rows)
    return made


def _longer(tensor: torch.Tensor, size: int, dim: int) -> torch.Tensor:
    """The tensor with at least that size in one dimension; what is new is zero."""
    if tensor.shape[dim] >= size:
        return tensor
    shape = [*tensor.shape]
    shape[dim] = size
    made = tensor.new_zeros(shape)
    made.narrow(dim, 0, tensor.shape[dim]).copy_(tensor)
    return made
