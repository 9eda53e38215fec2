"""The trusted side of a program with reversed roles: answers the calls of model-written tests, and reports.

It runs in the tester's process (`tester`), the tests in the sample's (`hosted`).  What the tests get is the replies of
one implementation to their calls, as plain data.  Every call is answered by two, on copies of the same arguments: the
reference, and the one that the tests meet, which is a mutant or a second copy of the reference (so that a call costs
the same steps in both kinds of run).  So this side knows whether the tests have seen anything that the reference would
not have said.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import codec
from .tester import SampleGone

MAX_CALLS = 20_000  # of one run
STEPS_FACTOR, STEPS_SPARE = 100, 10_000  # a mutant gets this many times the reference's steps, and so many more
ENDLESS = "endless"
LINE, BRANCH = "_line_", "_branch_"  # the hooks that instrumented code calls (`programs.coverage`)


class Report(Exception):
    """How a run ends: its message is the report, in JSON."""


class Endless(BaseException):
    """An implementation has used up its steps; no ``except Exception`` of its own catches it."""


@dataclass(slots=True)
class Implementation:
    """One version of the function under test, instrumented.

    Attributes:
        steps: statements and conditions executed in the current call; beyond ``limit`` the call ends.
        lines, branches: what has been executed so far: line numbers, and ``(number, outcome)`` of conditions.
    """

    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    steps: int = 0
    limit: float = float("inf")
    lines: set[int] = field(default_factory=set)
    branches: set[tuple[int, bool]] = field(default_factory=set)

    def line(self, number: int) -> None:
        self._step()
        self.lines.add(number)

    def branch(self, number: int, value: Any) -> Any:
        self._step()
        self.branches.add((number, bool(value)))
        return value

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self.limit:
            raise Endless

    def answer(self, name: str, tree: Any, limit: float) -> tuple[str, Any, list[Any]]:
        """The reply to one call: ``value``, ``raise`` or ``endless``, the value, and the arguments afterwards.

        Raises:
            CodecError: the arguments hold an object of the tests' own.
        """
        self.steps, self.limit = 0, limit
        arguments, keywords = codec.Decoder().decode(tree)
        try:
            kind, value = "value", self.functions[name](*arguments, **keywords)
        except Endless:
            kind, value = ENDLESS, None
        except Exception as error:
            kind, value = "raise", error
        return kind, value, [*arguments, *keywords.values()]


def implementation(source: str, names: Sequence[str], given: Mapping[str, Any]) -> Implementation:
    """Execute an instrumented implementation (trusted) in a namespace of its own."""
    made = Implementation()
    scope = {**given, "__builtins__": builtins, LINE: made.line, BRANCH: made.branch}
    exec(compile(source, "<implementation>", "exec", dont_inherit=True), scope)
    made.functions = {name: scope[name] for name in names}
    return made


def _text(reply: tuple[str, Any, list[Any]]) -> str:
    """A reply as text: the tests cannot distinguish two replies with the same text.

    An exception counts by its class and message.
    """
    kind, value, changed = reply
    shown = [type(value).__name__, str(value)] if kind == "raise" else value
    with codec.deep():
        return codec.text_of(codec.Encoder().encode([kind, shown, changed]))


def drive(
    begin: Callable[[], Any],
    resume: Callable[[str, Any, Any], Any],
    reference: Implementation,
    met: Implementation,
    entry: str,
) -> None:
    """Run the tests against an implementation.

    Args:
        begin, resume: of `hosted`, in the sample's process.
        reference: knows what is right.
        met: what the tests meet, a mutant or a second copy of the reference.
        entry: the function under test.

    Raises:
        Report: always. Keys: ``e`` how the tests ended (``passed``, ``failed``, ``error``, ``endless``), ``w`` in
            words, ``c`` calls of the function under test, ``d`` whether a reply differed from the reference's, ``h`` a
            hash of all calls and replies, ``l`` lines and ``b`` branches of the reference that were executed.
    """
    run = _Run(reference, met, entry)
    state = _ask(begin)
    while run.over is None:
        match state:
            case ("end", str(status), str(why)) if status in ("passed", "failed", "error"):
                run.over = (status, why)
            case ("call", str(name), tuple(arguments), dict(keywords)) if name in reference.functions:
                reply = run.reply(name, arguments, keywords)
                if run.over is None:
                    state = _ask(resume, *reply)
            case ("broken", str(why)):
                run.over = ("error", why)
            case _:
                run.over = ("error", "the tests broke the channel")
    raise Report(run.report())


def _ask(request: Callable[..., Any], *arguments: Any) -> Any:
    """What the sample's process answers; whatever it raises ends the run."""
    try:
        return request(*arguments)
    except SampleGone:
        raise
    except codec.Unsendable:
        return "broken", "the function's result cannot leave its process"
    except BaseException as error:
        return "broken", type(error).__name__


@dataclass(slots=True)
class _Run:
    """One run of the tests: what they have asked, and how it ended."""

    reference: Implementation
    met: Implementation
    entry: str
    over: tuple[str, str] | None = None
    calls: int = 0
    entered: int = 0
    differs: bool = False
    digest: Any = field(default_factory=hashlib.sha256)

    def reply(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[str, Any, list[Any]]:
        """The implementation's reply to one call; sets `over` where there can be none."""
        self.calls += 1
        self.entered += name == self.entry
        if self.calls > MAX_CALLS:
            self.over = ("error", f"more than {MAX_CALLS} calls")
            return "", None, []
        try:
            with codec.deep():
                tree = codec.Encoder().encode([arguments, keywords])
                self.digest.update(codec.text_of([name, tree]).encode())
                given = self.reference.answer(name, tree, float("inf"))
            limit = STEPS_FACTOR * self.reference.steps + STEPS_SPARE
            with codec.deep():
                reply = self.met.answer(name, tree, limit)
            shown = _text(reply)
            self.differs |= shown != _text(given)
        except (codec.CodecError, codec.Unsendable, RecursionError):
            self.over = ("error", "a value that is not plain data")
            return "", None, []
        self.digest.update(shown.encode())
        if reply[0] == ENDLESS:
            self.over = (ENDLESS, "the function does not end")
        return reply

    def report(self) -> str:
        """The report in JSON; short, as a verdict's detail is."""
        assert self.over is not None
        status, why = self.over
        covered = {"l": len(self.reference.lines), "b": len(self.reference.branches)}
        found = {"e": status, "c": self.entered, "d": int(self.differs), "h": self.digest.hexdigest()[:12], **covered}
        shown = why[:60].encode("ascii", "replace").decode()
        return json.dumps({**found, "w": shown})
