"""Exceptions that cross between the two processes: by class, arguments, attributes and text.

A class crosses by its module and name, if the receiver has it from the standard library or numpy; a class of the
sample's own becomes its nearest ancestor there.  What is rebuilt holds plain data alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

TEXT_LIMIT = 10_000  # characters of a message that cross
_C_ATTRIBUTES = ("name", "path")  # of ImportError, NameError and AttributeError: not in ``__dict__``
_TRUSTED = frozenset(sys.stdlib_module_names) | {"numpy"}

Encode = Callable[[Any], Any]  # raises TypeError for what cannot cross


def text_of(error: BaseException) -> str:
    """``str(error)``, cut; empty where that fails, as a ``__str__`` of a sample's own may do anything."""
    try:
        return str(error)[:TEXT_LIMIT]
    except BaseException:
        return ""


def pack(error: BaseException, encode: Encode, chain: bool = True) -> list[Any]:
    """An exception as a tree: classes, shown name, text, arguments, attributes, cause and context."""
    classes = [[kind.__module__, kind.__qualname__] for kind in type(error).__mro__[:-1] if _known(kind)]
    shown = type(error).__name__
    return [
        classes,
        shown[:100] if shown.isidentifier() else classes[0][1],
        encode(text_of(error)),
        _attempt(encode, _arguments(error)),
        _attributes(error, encode),
        _link(error.__cause__, encode) if chain else None,
        _link(error.__context__, encode) if chain and error.__cause__ is None else None,
    ]


def _known(kind: type) -> bool:
    """Whether a class can be found by its module and name from outside."""
    return _find(kind.__module__, kind.__qualname__) is kind


def _find(module: Any, name: Any) -> type[BaseException] | None:
    if type(module) is not str or type(name) is not str or module.partition(".")[0] not in _TRUSTED:
        return None
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _arguments(error: BaseException) -> tuple[Any, ...]:
    if isinstance(error, OSError) and len(error.args) == 2 and error.filename is not None:
        return (*error.args, error.filename)
    return error.args


def _attempt(encode: Encode, value: Any) -> Any:
    """``[tree]``, or an empty list for what cannot cross."""
    try:
        return [encode(value)]
    except (TypeError, ValueError, RecursionError):
        return []


def _attributes(error: BaseException, encode: Encode) -> list[list[Any]]:
    values = {name: getattr(error, name, None) for name in _C_ATTRIBUTES if type(getattr(error, name, None)) is str}
    values |= {name: value for name, value in vars(error).items() if type(name) is str and name.isidentifier()}
    trees = [(name, _attempt(encode, value)) for name, value in values.items()]
    return [[name, tree[0]] for name, tree in trees if tree]


def _link(error: BaseException | None, encode: Encode) -> Any:
    return None if error is None else pack(error, encode, chain=False)


def build(tree: Any, decode: Encode, absent: Callable[[Any, str], Any] | None = None) -> BaseException:
    """The exception of a tree.

    Args:
        tree: as `pack` makes it.
        decode: of the values in it.
        absent: the ``__getattr__`` of an exception whose class is the other side's own.

    Raises:
        ValueError, TypeError: a tree that `pack` would not make.
    """
    classes, shown, text, arguments, attributes, cause, context = tree
    text, values = decode(text), decode(arguments[0]) if arguments else None
    if (
        type(text) is not str
        or type(shown) is not str
        or len(shown) > 100
        or (values is not None and type(values) is not tuple)
    ):
        raise ValueError("not an exception")
    found = [kind for kind in (_find(*pair) for pair in classes) if kind is not None]
    own = bool(found) and shown != found[0].__name__
    error = _first([_derived(kind, shown, absent) for kind in found] if own else found, values, text)
    if text_of(error) != text and not isinstance(error, SyntaxError):
        name, hook = type(error).__name__, absent if own else None
        error = _first([_derived(kind, name, hook, text) for kind in found], values, text)
    for name, value in attributes:
        _set(error, name, decode(value))
    error.shown = shown  # type: ignore[attr-defined]
    if cause is not None:
        error.__cause__ = build(cause, decode, absent)
    elif context is not None:
        error.__context__ = build(context, decode, absent)
    return error


def _first(kinds: list[type[BaseException]], values: tuple[Any, ...] | None, text: str) -> BaseException:
    """An instance of the first class that takes these arguments."""
    error = next((made for kind in kinds if (made := _make(kind, values, text)) is not None), None)
    if error is None:
        raise ValueError("an exception without a class")
    return error


def _make(kind: type[BaseException], values: tuple[Any, ...] | None, text: str) -> BaseException | None:
    """An instance, without running an ``__init__`` written in Python; ``None`` if the class wants other arguments."""
    values = (text,) if values is None else values
    own = [base for base in kind.__mro__ if base.__module__ != "builtins"]
    try:
        if any("__init__" in vars(base) or "__new__" in vars(base) for base in own):
            error = kind.__new__(kind, *values)
            error.args = values
            return error
        return kind(*values)
    except (TypeError, ValueError, OverflowError):
        return None


def _set(error: BaseException, name: Any, value: Any) -> None:
    if type(name) is not str or not name.isidentifier():
        raise ValueError("not an attribute")
    if name in _C_ATTRIBUTES and isinstance(error, ImportError | NameError | AttributeError):
        setattr(error, name, value)
    else:
        vars(error)[name] = value


def _derived(
    kind: type[BaseException], name: str, absent: Callable[[Any, str], Any] | None, text: str | None = None
) -> type[BaseException]:
    """A class of that name, as the sample's own was, and with a text of its own if one is given."""
    if not getattr(kind, "__flags__", 0) & 1 << 10:  # it cannot be derived from
        return kind
    members: dict[str, Any] = {"__module__": kind.__module__}
    if text is not None:
        members["__str__"] = lambda _: text
    if absent is not None:
        members["__getattr__"] = absent
    made: type[BaseException] = type(name if name.isidentifier() else kind.__name__, (kind,), members)
    return made
