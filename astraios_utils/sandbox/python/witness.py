"""Tells from inside a sample's process what a sample that computes for long is doing.

Twice in a second of CPU time the sample's stack is looked at, from the outermost frame inwards, for the first loop that
is being executed.  If it is a ``while``, the sample may well never end; a ``for``, a comprehension, a recursion and a
call into native code end sooner or later, and are worth their whole time limit.  Where there is a ``while``, a proof is
tried that it never ends (`endless`).  All of it is a hint about how long to wait and no more: a sample that tampers
with it decides about its own patience alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from . import endless

FILENAME = "<sample>"
FIRST, INTERVAL = 0.05, 0.5  # seconds of CPU time until the first look, and between two
_ATTEMPTS = (0, 3)  # looks at which a proof is tried: at the second the loop has settled, if it had not at the first
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
UNBOUNDED, BOUNDED, ENDLESS = "unbounded", "bounded", "endless"


def in_unbounded_loop(frame: FrameType | None, scopes: Mapping[endless.Key, endless.Scope]) -> bool:
    """Whether the outermost loop that the sample's frames are in is a ``while``."""
    frames: list[FrameType] = []
    while frame is not None:
        if frame.f_code.co_filename == FILENAME:
            frames.append(frame)
        frame = frame.f_back
    for outer in reversed(frames):
        if outer.f_code.co_name in _COMPREHENSIONS:
            return False
        scope = endless.scope_of(outer.f_code, scopes)
        loop = scope.outermost(outer.f_lineno or 0) if scope is not None else None
        if loop is not None:
            return loop.unbounded
    return False


class Witness:
    """Reports now and then what the sample is in.

    Args:
        report: called with `UNBOUNDED`, `BOUNDED` or `ENDLESS`, between two instructions of the sample.
        source: gives the source that is being executed.
        namespace: the sample's globals.
    """

    def __init__(self, report: Callable[[str], None], source: Callable[[], str], namespace: Mapping[str, Any]) -> None:
        self._report, self._source, self._namespace = report, source, namespace
        self._scopes: Mapping[endless.Key, endless.Scope] | None = None
        self._prover: endless.Prover | None = None
        self._looks = 0

    def start(self) -> None:
        """Begin; the main thread's CPU time counts, and only it is looked at."""
        signal.signal(signal.SIGVTALRM, self._look)
        signal.setitimer(signal.ITIMER_VIRTUAL, FIRST, INTERVAL)

    def _look(self, _: int, frame: FrameType | None) -> Any:
        if self._scopes is None:
            try:
                self._scopes = endless.scopes_of(self._source())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._scopes = {}  # no hint then, and the full limit
            self._prover = endless.Prover(self._scopes, self._namespace, FILENAME, lambda: self._report(ENDLESS))
        if self._prover is None:
            return  # the first look is not over
        self._prover.stop()
        self._report(UNBOUNDED if in_unbounded_loop(frame, self._scopes) else BOUNDED)
        if self._looks in _ATTEMPTS:
            self._prover.attempt(frame)
        self._looks += 1
