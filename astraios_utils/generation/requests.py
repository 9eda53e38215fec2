"""What the engine is asked and what it answers: requests, answers, and the counters of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .. import schema

Ended = Literal["end of text", "stopped", "length"]


class GenerationFailed(schema.AstraiosError):
    """Generation cannot go on; the message says why and what to change."""


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, and how to answer it.

    Attributes:
        samples: the numbers of the samples to draw.
        stream: together with a sample's number, the name of its random numbers (:func:`sampling.numbers`).
        max_length: longest prompt plus answer, in tokens.
        finished: given an answer's text and the index at which its new part starts, whether the answer is complete.
        tag: any value by which the caller recognises the request.
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
    """One sample: its number, the text, its number of tokens, and why it ended."""

    sample: int
    text: str
    tokens: int
    ended: Ended


@dataclass(slots=True)
class Stats:
    """Counters of a run so far.

    Attributes:
        tokens: tokens that belong to an answer.
        prefilled: prompt tokens computed.
        steps: decoding steps.
        slots: rows computed, over all steps; tokens / slots says how full the batches were.
        columns: cache columns read, over all steps.
        answers: samples that have ended.
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


Done = Callable[[Request, list[Answer]], Iterable[Request]]
