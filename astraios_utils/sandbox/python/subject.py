"""The sample's process: runs the untrusted source and answers the test's requests about it.

Nothing that happens here is trusted.  The process has been stripped of every right before `serve` is called, and what
it answers is decoded strictly on the other side (`tester`).
"""

from __future__ import annotations

import builtins
import io
import math
import operator
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ..types import PASSED
from . import codec, verdict, witness

# Frames that the harness's own stack (executor thread, multiprocessing, exec, check) takes from the recursion limit.
_HARNESS_FRAMES = 16


class Swallow(io.StringIO):
    """Standard output that forgets and standard input that cannot be read, as the harness gives to its programs."""

    def write(self, text: str) -> int:
        return len(text) if isinstance(text, str) else super().write(text)  # which raises the usual TypeError

    def read(self, *_: Any) -> str:
        raise OSError("standard input cannot be read")

    readline = readlines = read  # type: ignore[assignment]

    def readable(self, *_: Any) -> bool:
        return False


def swallow_streams() -> None:
    """Replace the three standard streams of this process."""
    sys.stdout, sys.stderr, sys.stdin = Swallow(), Swallow(), Swallow()


class Subject:
    """The sample's namespace and the objects of it that the test holds handles of."""

    def __init__(self, preambles: Mapping[str, Mapping[str, Any]], channel: int = -1) -> None:
        self.computing = False  # whether a request is being answered
        self._channel = channel
        self.namespace: dict[str, Any] = {}
        self.source = ""  # as it was compiled
        self._preambles = preambles
        self._given: Mapping[str, Any] = {}  # what the preamble defined
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}

    def _number(self, value: Any) -> int:
        """A handle for `value`; the same object has the same number, so that identity is kept."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return self._numbers[id(value)]

    def load(self, preamble: str, sample: str) -> None:
        """Execute a sample (or a sample and its test) as the harness does: in an empty namespace.

        There ``__name__`` is ``"builtins"``.

        The two are one source, except that a preamble already executed is not executed again.  (A ``__future__`` import
        is an error after a preamble, and must stay one.)
        """
        if preamble in self._preambles and "__future__" not in sample:
            self._given = self._preambles[preamble]
            self.namespace.update(self._given)
            self.source = f"{sample}\n"
        else:
            self.source = f"{preamble}\n{sample}\n" if preamble else f"{sample}\n"
        exec(compile(self.source, witness.FILENAME, "exec", dont_inherit=True), self.namespace)

    def _is_given(self, name: str) -> bool:
        """Whether a global is still what the preamble defined."""
        return name in self._given and self.namespace[name] is self._given[name]

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Perform one request; the reply holds a value or an exception, and the arguments that were changed."""
        operation = request["op"]
        if operation == "together":
            return {"together": self.together(request)}
        if operation == "load":
            return self._guarded(lambda: self.load(request["preamble"], request["sample"]))
        if operation == "name":
            if request["name"] not in self.namespace or (request.get("own") and self._is_given(request["name"])):
                return {"missing": None}
            return self._guarded(lambda: self.namespace[request["name"]])
        if operation == "replaced":
            return {"v": [name for name in request["names"] if name in self.namespace and not self._is_given(name)]}
        decoder = codec.Decoder(handle=self._objects.__getitem__)
        target = self._objects[request["h"]]
        with codec.deep():
            arguments = [decoder.decode(tree) for tree in request["a"]]
            keywords = {name: decoder.decode(tree) for name, tree in request["k"]}
        if operation != "call":
            return self._guarded(lambda: _OPERATIONS[operation](target, *arguments))
        sent = list(decoder.containers)
        encoder = codec.Encoder(sent, self._number)
        reply = self._guarded(lambda: target(*arguments, **keywords), encoder)
        if sent:
            with codec.deep():
                if self._changed(arguments, keywords, request):
                    again = codec.Encoder(sent, self._number) if "x" in reply else encoder
                    reply["w"] = self._contents(sent, again)
        return reply

    def exchange(self, value: Any, function: Callable[..., Any]) -> list[Any]:
        """Answer the current request with a value, and wait for the next call of ``function``: its arguments."""
        self.send(self._guarded(lambda: value))
        while True:
            self.computing = False
            request = codec.receive(self._channel)
            self.computing = True
            if request["op"] == "call" and self._objects[request["h"]] is function:
                with codec.deep():
                    return [codec.Decoder().decode(tree) for tree in request["a"]]
            self.send(self.answer(request))

    def send(self, reply: dict[str, Any]) -> None:
        """Send a reply; one that is too large becomes an exception."""
        self.computing = False
        try:
            codec.send(self._channel, reply)
        except (codec.CodecError, MemoryError) as error:
            del reply
            codec.send(self._channel, {"x": _tree_of(OverflowError(str(error)))})

    def together(self, request: dict[str, Any]) -> list[str]:
        """Execute sample and test in one namespace, as the harness does: status and detail."""
        try:
            self.load(request["preamble"], f"{request['sample']}\n{request['test']}")
        except BaseException as error:
            return list(verdict.of(error))
        return [PASSED, ""]

    def _guarded(self, action: Callable[[], Any], encoder: codec.Encoder | None = None) -> dict[str, Any]:
        encoder = encoder or codec.Encoder(stand_in=self._number)
        try:
            value = action()
        except BaseException as error:  # whatever the sample raises is the test's to handle
            return {"x": _tree_of(error)}
        try:
            with codec.deep():
                return {"v": encoder.encode(value)}
        except (RecursionError, MemoryError, codec.Unsendable) as error:
            return {"x": _tree_of(type(error)(str(error)))}

    def _changed(self, arguments: list[Any], keywords: dict[str, Any], request: dict[str, Any]) -> bool:
        """Whether the call changed an argument in place: then it no longer encodes to what was sent.

        Compared as text, since 1, 1.0 and True are equal.
        """
        encoder = codec.Encoder(stand_in=self._number)
        positional = [encoder.encode(value) for value in arguments]
        named = [[name, encoder.encode(value)] for name, value in keywords.items()]
        return codec.text_of([positional, named]) != codec.text_of([request["a"], request["k"]])

    def _contents(self, sent: list[Any], encoder: codec.Encoder) -> list[Any]:
        """What the containers of the arguments hold now, with references to each other and to the result's."""
        contents = []
        for container in sent:
            encoder.containers.append(None)  # the decoder numbers the copy it makes before it overwrites the original
            contents.append(encoder.contents(container))
        return contents


def _tree_of(error: BaseException) -> Any:
    """What crosses of an exception; of one whose class forbids to look at it, only that there was one."""
    try:
        with codec.deep():
            return codec.Encoder().error(error)
    except BaseException:
        return codec.Encoder().error(Exception(""))


_OPERATIONS: dict[str, Any] = {
    "iter": iter,
    "next": next,
    "len": len,
    "bool": bool,
    "text": str,
    "shown": repr,
    "item": operator.getitem,
    "put": operator.setitem,
    "remove": operator.delitem,
    "missing": lambda target, key: (type(target).__missing__(target, key), dict.__contains__(target, key)),
    "attribute": getattr,
    "reversed": reversed,
    "format": format,
    "int": int,
    "float": float,
    "index": operator.index,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "abs": abs,
    "neg": operator.neg,
    "pos": operator.pos,
    "invert": operator.invert,
    "enter": lambda target: type(target).__enter__(target),
    "leave": lambda target: type(target).__exit__(target, None, None, None),
}


hosts: list[Subject] = []  # the one of this process, for `hosted`


def serve(channel: int, preambles: Mapping[str, Mapping[str, Any]]) -> None:
    """Answer requests until the test closes the channel; `preambles` are namespaces by the source that made them."""
    depth = sum(1 for _ in traceback.walk_stack(sys._getframe()))
    sys.setrecursionlimit(1000 + depth + 2 - _HARNESS_FRAMES)
    for name in ("exit", "quit", "help"):
        if hasattr(builtins, name):
            delattr(builtins, name)
    subject = Subject(preambles, channel)
    hosts.append(subject)

    def report(seen: str) -> None:
        if subject.computing:  # else it would come in the middle of a message
            codec.send(channel, {"seen": seen})

    witness.Witness(report, lambda: subject.source, subject.namespace).start()
    while True:
        try:
            request = codec.receive(channel)
        except EOFError:
            return
        subject.computing = True
        subject.send(subject.answer(request))
