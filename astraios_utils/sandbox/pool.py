"""What the sandbox asks of a language: one engine per language, fed lazily, drained as programs finish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from .types import Outcome, Program


class Engine(Protocol):
    """Runs the programs of one language.

    An engine is made by ``PythonEngine(level, workers, ...)`` or ``JavaEngine(level, workers, ...)``, may be run many
    times one after the other, and holds its warm processes between runs.  `level` is a `levels.Level`.
    """

    def run(self, programs: Iterable[tuple[int, Program]]) -> Iterator[tuple[int, Outcome]]:
        """Yield ``(index, outcome)`` in any order, each index once.

        Pulls from `programs` only as fast as it can start them.  Closing the iterator early kills what is in flight and
        leaves the engine usable.
        """
        ...

    def close(self) -> None:
        """End every process of the engine; may be called twice."""
        ...
