"""Tells from inside a sample's process whether a sample that computes for long is in a loop that nothing bounds.

Once in a second of CPU time the sample's stack is looked at, from the outermost frame inwards, for the first loop that
is being executed.  If it is a ``while``, the sample may well never end; a ``for``, a comprehension, a recursion and a
call into native code end sooner or later, and are worth their whole time limit.  It is a hint about how long to wait
and no more: a sample that tampers with it decides about its own patience alone.
"""

from __future__ import annotations

import ast
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

FILENAME = "<sample>"
INTERVAL = 1.0  # seconds of CPU time
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_Loop = tuple[int, int, bool]  # first line, last line, whether it is a while


def loops_by_scope(source: str) -> dict[tuple[str, int], list[_Loop]]:
    """The loops of every scope of a module, outer ones first, by the name and first line of its code object."""
    scopes: dict[tuple[str, int], list[_Loop]] = {}

    def visit(node: ast.AST, loops: list[_Loop]) -> None:
        if isinstance(node, _SCOPES):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            loops = scopes.setdefault((getattr(node, "name", "<lambda>"), first), [])
        elif isinstance(node, ast.While | ast.For):
            loops.append((node.lineno, node.body[-1].end_lineno or node.lineno, isinstance(node, ast.While)))
        for child in ast.iter_child_nodes(node):
            visit(child, loops)

    visit(ast.parse(source), scopes.setdefault(("<module>", 1), []))
    return scopes


def in_unbounded_loop(frame: FrameType | None, scopes: dict[tuple[str, int], list[_Loop]]) -> bool:
    """Whether the outermost loop that the sample's frames are in is a ``while``."""
    frames: list[FrameType] = []
    while frame is not None:
        if frame.f_code.co_filename == FILENAME:
            frames.append(frame)
        frame = frame.f_back
    for outer in reversed(frames):
        code = outer.f_code
        if code.co_name in _COMPREHENSIONS:
            return False
        line = outer.f_lineno or 0
        key = ("<module>", 1) if code.co_name == "<module>" else (code.co_name, code.co_firstlineno)
        for first, last, is_while in scopes.get(key, ()):
            if first <= line <= last:
                return is_while
    return False


class Witness:
    """Reports every second of CPU time whether the sample is in an unbounded loop.

    Args:
        report: called with the answer, between two instructions of the sample.
        source: gives the source that is being executed.
    """

    def __init__(self, report: Callable[[bool], None], source: Callable[[], str]) -> None:
        self._report = report
        self._source = source
        self._scopes: dict[tuple[str, int], list[_Loop]] | None = None

    def start(self) -> None:
        """Begin; the main thread's CPU time counts, and only it is looked at."""
        signal.signal(signal.SIGVTALRM, self._look)
        signal.setitimer(signal.ITIMER_VIRTUAL, INTERVAL, INTERVAL)

    def _look(self, _: int, frame: FrameType | None) -> Any:
        if self._scopes is None:
            try:
                self._scopes = loops_by_scope(self._source())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._scopes = {}  # no hint then, and the full limit
        self._report(in_unbounded_loop(frame, self._scopes))
