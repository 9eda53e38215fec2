"""The KV cache of a batch whose rows come and go, for transformers' decoding step.

Rows are aligned at their newest token: column ``width - 1`` holds the newest token of every row; the columns before a
row's first token are masked. So rows of any length can take the places of ended ones (:meth:`Store.put`) while there is
room. The cache is copied only to gain room or to become narrower (:func:`join`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 64  # columns of spare room: the cache is copied once per so many tokens


class Layer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values, each (rows, heads, columns, width of a head), with room to grow in place."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self._keys, self._values, self._start, self._length = keys, values, 0, length
        self.show(0)

    def show(self, start: int) -> None:
        """Hide the columns before ``start`` from attention."""
        self._start, shown = start, slice(start, self._length)
        self.keys: torch.Tensor = self._keys[:, :, shown]
        self.values: torch.Tensor = self._values[:, :, shown]

    def put(self, places: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write whole rows, right-aligned at the newest column."""
        for held, new in ((self._keys, keys), (self._values, values)):
            held[:, :, self._length - new.shape[2] : self._length].index_copy_(0, places, new)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns in place; returns all that are shown."""
        start, self._length = self._length, self._length + key_states.shape[-2]
        self._keys[:, :, start : self._length] = key_states
        self._values[:, :, start : self._length] = value_states
        self.show(self._start)
        return self.keys, self.values


@dataclass(frozen=True, slots=True)
class Piece:
    """The keys and values of some prompts, from one forward pass, and the new rows that start from them.

    Attributes:
        cache: of (prompts, columns).
        valid: (prompts, columns), bool: which columns hold a token.
        source: (rows,), int64: the prompt of each new row; the samples of a prompt share it.
        names: a number per prompt by which the run recognises it.
    """

    cache: Cache
    valid: torch.Tensor
    source: torch.Tensor
    names: tuple[int, ...]

    @property
    def columns(self) -> torch.Tensor:
        """The columns that hold a token of any prompt, int64."""
        return self.valid.any(0).nonzero()[:, 0]


@dataclass(slots=True)
class Store:
    """A batch's cache: one :class:`Layer` per layer of the model, and which columns hold a token.

    Attributes:
        valid: (rows, columns with room), bool.
        width: columns in use; the first ``start`` of them hold nothing, and attention does not see them.
        prompts: names of the prompts that need no computing: none, since each row holds its own copy.
    """

    prompts: ClassVar[tuple[int, ...]] = ()

    cache: Cache
    valid: torch.Tensor
    width: int
    start: int = 0

    @property
    def layers(self) -> Sequence[Layer]:
        """The cache's layers."""
        return cast(Sequence[Layer], self.cache.layers)

    @property
    def full(self) -> bool:
        """Whether there is no room for one more column."""
        return self.width == self.valid.shape[1]

    @property
    def read(self) -> int:
        """Columns that a step reads, over all rows."""
        return len(self.valid) * (self.width - self.start)

    def drop(self, row: int) -> None:
        """A row has ended; nothing changes until another takes its place."""

    def grow(self) -> torch.Tensor:
        """Add a column to every row; returns which columns each may attend to: (rows, columns seen), bool."""
        self.valid[:, self.width] = True
        self.width += 1
        return self.valid[:, self.start : self.width]

    def fits(self, pieces: Sequence[Piece]) -> bool:
        """Whether the new rows are no longer than the columns in use."""
        return all(len(piece.columns) <= self.width for piece in pieces)

    def put(self, places: torch.Tensor, names: Sequence[int], pieces: Sequence[Piece]) -> None:
        """Write new rows, which fit, over ended ones.

        Args:
            places: (at least as many as there are new ones,), int64: all rows that have ended.
            names: the prompt of each new row (the pieces say it once more).
            pieces: the new rows, in the order of their places.
        """
        at = 0
        self.valid[places] = False
        for piece in pieces:
            columns, to = piece.columns, places[at : at + len(piece.source)]
            at += len(piece.source)
            self.valid[to, self.width - len(columns) : self.width] = piece.valid[piece.source][:, columns]
            computed: Any = piece.cache.layers
            for layer, new in zip(self.layers, computed, strict=True):
                layer.put(to, *(_chosen(held, piece.source, columns) for held in (new.keys, new.values)))
        held = self.valid[:, : self.width].any(0)
        self.start = int((~held).long().cumprod(0).sum())
        for layer in self.layers:
            layer.show(self.start)


def join(store: Store | None, kept: torch.Tensor, pieces: Sequence[Piece]) -> Store:
    """A cache of the kept rows of another and of new rows, with room to grow.

    Args:
        store: the cache so far, which must not be used afterwards: its layers are freed one by one.
        kept: (rows,), int64: which of its rows stay, in which order.
        pieces: new rows, which come after them.
    """
    parts = [(piece.valid[piece.source], piece.columns) for piece in pieces]
    if store is not None:
        held = store.valid[kept, store.start : store.width]
        parts.insert(0, (held, held.any(0).nonzero()[:, 0]))
    width = max((len(columns) for _, columns in parts), default=0)
    valid = torch.cat([_right(mask[:, columns], width, ROOM, 1) for mask, columns in parts])
    caches = [(piece.cache, piece.source) for piece in pieces]
    if store is not None:
        caches.insert(0, (store.cache, kept))
    layers: list[Any] = []
    for number in range(len(caches[0][0].layers)):
        both = []
        for name in ("keys", "values"):
            chosen = [(getattr(cache.layers[number], name), rows) for cache, rows in caches]
            both.append(_stack([t for t, _ in chosen], [r for _, r in chosen], [c for _, c in parts], width))
        layers.append(Layer(both[0], both[1], width))
        if store is not None:
            store.cache.layers[number] = None  # type: ignore[call-overload]
    return Store(Cache(layers=layers), valid, width)


def _stack(
    tensors: Sequence[torch.Tensor], rows: Sequence[torch.Tensor], columns: Sequence[torch.Tensor], width: int
) -> torch.Tensor:
    """The chosen rows and columns of each tensor, concatenated along rows, right-aligned at ``width``, with room."""
    first = tensors[0]
    shape = (sum(map(len, rows)), first.shape[1], width + ROOM, first.shape[3])
    made = first.new_zeros(shape)  # zeros: a masked column must hold no NaN
    at = 0
    for tensor, chosen, held in zip(tensors, rows, columns, strict=True):
        made[at : at + len(chosen), :, width - len(held) : width] = _chosen(tensor, chosen, held)
        at += len(chosen)
    return made


def _chosen(tensor: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Rows and columns of one layer's keys or values."""
    if len(columns) != tensor.shape[2]:
        tensor = tensor.index_select(2, columns)
    return tensor.index_select(0, rows)


def _right(tensor: torch.Tensor, width: int, room: int, dim: int) -> torch.Tensor:
    """``tensor`` (rows, columns) moved to end at column ``width``, with ``room`` empty columns after it."""
    return torch.nn.functional.pad(tensor, (width - tensor.shape[dim], room), value=False)
