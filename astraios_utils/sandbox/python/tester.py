"""The test's process: runs the trusted test against a sample that lives in another process.

The test is executed as the protocol has it, except that the names which only the sample defines are looked up in the
sample's process.  Functions come as `Remote` objects; calling one sends plain data there and rebuilds plain data here.
So the expected answers never reach the sample's process, and no object with methods of the sample's reaches this one.
"""

from __future__ import annotations

import builtins
import operator
import resource
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..types import ERROR, FAILED, IN_ONE_PROCESS, PASSED, printable
from . import asserts, codec, own, verdict
from .own import TEST

UNSENDABLE = "an argument that cannot leave the test's process"
DERIVED = "what a class of the sample's adds to a plain one"


class SampleGone(BaseException):
    """The sample's process ended, or sent what is no value; nothing the test does can make up for it."""


class Link:
    """The request side of the channel to the sample's process."""

    def __init__(self, channel: int, hint: Callable[[Any], None]) -> None:
        self._channel = channel
        self._hint = hint
        self._remotes: dict[int, Remote] = {}
        self._classes = own.Registry(self._note_derived, lambda remote, key: self.request("missing", remote, (key,)))
        self.broken = ""  # why the sample can no longer pass, once it cannot
        self.need = ""  # why the test cannot be judged in two processes, once it turns out
        self.named: set[str] = set()  # what the test has looked up in the sample
        self.combined = False  # whether the test has put an operator between two objects of the sample's
        self.strange = False  # whether the sample has handed over what is no plain data
        self._waiting = (
            False  # whether a request has no answer yet: a signal handler of the test's may have ended the wait
        )
        self._hashed: Remote | None = None  # an object of the sample's that the test has put into a set or dictionary

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.broken:
            raise SampleGone(self.broken)
        self._waiting = True
        try:
            codec.send(self._channel, request)
            while "seen" in (reply := codec.receive(self._channel)):
                self._hint(reply["seen"])
            if type(reply) is not dict:
                raise codec.CodecError("a reply is an object")
            self._waiting = False
            return reply
        except (EOFError, ConnectionError):
            raise self._gone("the sample ended its process") from None
        except (codec.CodecError, TypeError):  # TypeError: a reply that is a number has no "in"
            raise self._gone("the sample broke the channel") from None

    def _note_derived(self) -> None:
        self.need = self.need or DERIVED

    def _gone(self, why: str) -> SampleGone:
        self.broken = why
        return SampleGone(why)

    def load(self, preamble: str, sample: str) -> None:
        """Have the sample executed; raises what it raised."""
        self._value(self._exchange({"op": "load", "preamble": preamble, "sample": sample}), [])

    def lookup(self, name: str, own: bool = False) -> Any:
        """The sample's global of that name; with `own`, only one that the sample itself defined.

        Raises:
            KeyError: there is none, as a namespace does.
        """
        reply = self._exchange({"op": "name", "name": name, "own": own})
        if "missing" in reply:
            raise KeyError(name)
        self.named.add(name)
        strange = self.strange  # a function is an object, but so it has to be
        value = self._value(reply, [])
        self.strange = strange
        return value

    def note_replaced(self, names: list[str]) -> None:
        """Ask whether the sample has defined any of the builtins or imports that the test uses, which it cannot see."""
        if self._waiting:  # the sample is still busy with a call that the test has given up
            self.strange = True
            return
        reply = self._exchange({"op": "replaced", "names": names})
        self.strange |= bool(self._value(reply, []))

    def together(self, job: dict[str, Any]) -> tuple[str, str]:
        """Have sample and test executed in the sample's process: status and detail as it says."""
        parts = {name: job[name] for name in ("preamble", "sample", "test")}
        reply = self._exchange({"op": "together", **parts})
        match reply.get("together"):
            case [str(status), str(detail)] if status in (PASSED, FAILED, ERROR):
                return status, detail[: verdict.LENGTH]
        raise self._gone("the sample broke the channel")

    def request(
        self, operation: str, remote: Remote, arguments: Sequence[Any] = (), keywords: Mapping[str, Any] | None = None
    ) -> Any:
        """Perform an operation on a remote object; arguments that it changes in place are changed here too."""
        encoder = codec.Encoder()
        try:
            with codec.deep():
                trees = [encoder.encode(value) for value in arguments]
                named = [[name, encoder.encode(value)] for name, value in (keywords or {}).items()]
        except (codec.Unsendable, RecursionError) as error:
            self.need = self.need or UNSENDABLE
            raise codec.Unsendable(str(error)) from None
        if encoder.left_behind:
            self.need = self.need or UNSENDABLE
        reply = self._exchange({"op": operation, "h": remote.handle_number, "a": trees, "k": named})
        return self._value(reply, encoder.containers)

    def _value(self, reply: dict[str, Any], sent: list[Any]) -> Any:
        decoder = codec.Decoder(sent, self._remote, self._classes)
        try:
            with codec.deep():
                value = decoder.decode(reply["v"]) if "v" in reply else None
                self.strange |= decoder.strange
                if "w" in reply:
                    contents = [decoder.decode(tree) for tree in reply["w"]]
                    for target, source in zip(sent, contents, strict=True):
                        codec.overwrite(target, source)
                error = None if "v" in reply else decoder.error(reply["x"])
        except (codec.CodecError, KeyError, TypeError, ValueError):
            raise self._gone("the sample broke the channel") from None
        if error is not None:
            raise error
        return value

    def note_hash(self, remote: Remote) -> None:
        """A second object that the test hashes may be equal to the first."""
        self.combined |= self._hashed is not None and self._hashed is not remote
        self._hashed = remote

    def _remote(self, number: int) -> Remote:
        return self._remotes.setdefault(number, Remote(number, self))


class Remote(codec.Handle):
    """An object of the sample's that stays in its process: a function, an iterator, an instance of its own class.

    Comparisons are by identity and never asked of the sample, which so cannot claim to be equal to everything.
    """

    __slots__ = ("_link",)

    def __init__(self, number: int, link: Link) -> None:
        super().__init__(number)
        self._link = link

    def __call__(self, /, *arguments: Any, **keywords: Any) -> Any:
        return self._link.request("call", self, arguments, keywords)

    def __eq__(self, other: object) -> bool:
        if self is not other and isinstance(other, Remote):
            self._link.need = self._link.need or "equality of two objects of the sample's"
        elif self is not other and not _crosses(other):
            self._link.need = self._link.need or "equality with an object of the test's"
        return self is other

    def __hash__(self) -> int:
        if sys._getframe(1).f_code.co_filename == TEST:
            self._link.note_hash(self)
        return object.__hash__(self)

    def __iter__(self) -> Any:
        return self._link.request("iter", self)

    def __next__(self) -> Any:
        return self._link.request("next", self)

    def __len__(self) -> int:
        return int(self._link.request("len", self))

    def __bool__(self) -> bool:
        return self._link.request("bool", self) is True

    def __getitem__(self, key: Any) -> Any:
        return self._link.request("item", self, (key,))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._link.request("put", self, (key, value))

    def __delitem__(self, key: Any) -> None:
        self._link.request("remove", self, (key,))

    def __enter__(self) -> Any:
        return self._link.request("enter", self)

    def __exit__(self, *_: object) -> bool:
        return self._link.request("leave", self) is True

    def __reversed__(self) -> Any:
        return self._link.request("reversed", self)

    def __format__(self, form: str) -> str:
        return str(self._link.request("format", self, (form,)))

    def __int__(self) -> int:
        return int(self._link.request("int", self))

    def __float__(self) -> float:
        return float(self._link.request("float", self))

    def __index__(self) -> int:
        return operator.index(self._link.request("index", self))

    def __round__(self, *digits: int) -> Any:
        return self._link.request("round", self, digits)

    def __floor__(self) -> Any:
        return self._link.request("floor", self)

    def __ceil__(self) -> Any:
        return self._link.request("ceil", self)

    def __trunc__(self) -> Any:
        return self._link.request("trunc", self)

    def __abs__(self) -> Any:
        return self._link.request("abs", self)

    def __neg__(self) -> Any:
        return self._link.request("neg", self)

    def __pos__(self) -> Any:
        return self._link.request("pos", self)

    def __invert__(self) -> Any:
        return self._link.request("invert", self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _SPECIAL:
            raise AttributeError(name)
        return self._link.request("attribute", self, (name,))

    def __str__(self) -> str:
        return str(self._link.request("text", self))

    def __repr__(self) -> str:
        return str(self._link.request("shown", self))


def _crosses(value: object) -> bool:
    """Whether a value of the test's is plain data."""
    try:
        with codec.deep():
            codec.Encoder().encode(value)
    except (codec.Unsendable, RecursionError):
        return False
    return True


def _between(self: Remote, other: object) -> Any:
    """An operator other than equality: there is none here, and two objects of the sample's may have one there."""
    if isinstance(other, Remote) and sys._getframe(1).f_code.co_filename == TEST:
        self._link.combined = True
    return NotImplemented


for _name in ("lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or"):
    setattr(Remote, f"__{_name}__", _between)
_SPECIAL = frozenset(("__name__", "__qualname__", "__annotations__", "__wrapped__"))


class Fallback(dict[str, Any]):
    """The builtins, and behind them the sample's names: asked only for what the test itself does not define.

    As these are looked up after the builtins, a sample cannot put its own ``len`` or ``AssertionError`` under the test.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(vars(builtins))
        self._link = link

    def __missing__(self, name: str) -> Any:
        return self._link.lookup(name)


def judge(
    channel: int, job: dict[str, Any], namespace: dict[str, Any] | None, hint: Callable[[Any], None]
) -> dict[str, Any]:
    """Run one test.

    Args:
        channel: the socket to the sample's process.
        job: ``preamble``, ``sample``, ``test``, ``entry_point``, and ``together`` if both are to run in the sample's
            process.
        namespace: what the preamble defines; ``None`` if it has still to be executed.
        hint: told now and then what the sample says of the loop it is in (`witness`).

    Returns:
        ``status``, ``detail``, ``seconds``, ``need`` (why the test cannot be judged so, or empty), ``named`` (what it
        looked up in the sample), ``combined`` (whether it put an operator between two objects of the sample's) and
        ``strange`` (whether anything but plain data came back).
    """
    start = time.monotonic()
    link = Link(channel, hint)
    if job.get("together"):
        status, detail = _together(link, job)
    else:
        status, detail = _apart(link, job, namespace)
    return {
        "status": status,
        "detail": detail,
        "seconds": time.monotonic() - start,
        "need": link.need,
        "named": sorted(link.named),
        "combined": link.combined,
        "strange": link.strange,
    }


def _together(link: Link, job: dict[str, Any]) -> tuple[str, str]:
    try:
        status, detail = link.together(job)
    except SampleGone:
        status, detail = ERROR, link.broken
    return status, f"{IN_ONE_PROCESS}: {detail}" if detail else IN_ONE_PROCESS


def _apart(link: Link, job: dict[str, Any], namespace: dict[str, Any] | None) -> tuple[str, str]:
    try:
        if namespace is None:
            namespace = {}
            exec(compile(job["preamble"], "<preamble>", "exec", dont_inherit=True), namespace)
        link.load(job["preamble"], job["sample"])
        namespace["__builtins__"] = Fallback(link)
        entry = job.get("entry_point", "")
        if entry in namespace or entry in vars(builtins):
            namespace[entry] = _entry(link, entry)
        known = {*namespace, *vars(builtins)} - {entry}
        test = compile(asserts.rewritten(job["test"], TEST), TEST, "exec", dont_inherit=True)
        exec(test, namespace)
        link.note_replaced(sorted(set(_names_in(test)) & known))
    except SampleGone:
        return ERROR, link.broken
    except BaseException as error:  # the protocol: whatever is raised, the sample has not passed
        if isinstance(error, MemoryError):
            _lift_memory_limit()
        if link.broken:
            return ERROR, link.broken
        status, detail = verdict.of(error)
        if isinstance(error, AssertionError) and (values := asserts.compared(error, TEST)):
            detail = f"{detail}: {printable(values)}"[: verdict.LENGTH]
        return status, detail
    return (ERROR, link.broken) if link.broken else (PASSED, "")  # a test that catches everything must not save it


def _names_in(code: types.CodeType) -> Iterator[str]:
    """The global names and attributes that a test's code uses."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _lift_memory_limit() -> None:
    """Use the spare memory (`limits.SPARE_MEMORY`): a verdict must still be reported."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _entry(link: Link, name: str) -> Any:
    """The sample's function under test, where a builtin or an import has the same name (``max``, ``deque``).

    It is the one name under which a sample may replace a builtin or an import in the test.  A sample that does not
    define it must not be judged by the builtin.
    """
    try:
        return link.lookup(name, own=True)
    except KeyError:
        raise NameError(f"name {name!r} is not defined by the sample") from None
