"""The untrusted side of a program with reversed roles: runs model-written tests against an implementation elsewhere.

This runs in the sample's process, and nothing that it says is trusted (`hosting` decides).  A call of the function
under test becomes the answer to the request that is being served; the next request brings the reply
(`Subject.exchange`).
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from . import subject, witness

State = tuple[Any, ...]  # ("call", name, arguments, keywords) or ("end", status, detail)
DETAIL = 80  # characters of an exception's message that are reported


def host(tests: str, names: Sequence[str], entry: str) -> tuple[Callable[[], State], Callable[..., State]]:
    """Prepare a run of tests.

    Args:
        tests: the untrusted source.
        names: the functions of the implementation, which the tests may call.
        entry: the function under test.

    Returns:
        ``begin()`` runs the tests; ``resume(kind, value, changed)`` answers the call that they are in.  Both return the
        next state.
    """
    here = subject.hosts[-1]

    def resume(*_: Any) -> State:
        raise RuntimeError("no call is waiting")  # `exchange` takes the requests for this function

    def proxy(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            kind, value, changed = here.exchange(("call", name, arguments, keywords), resume)
            for target, contents in zip((*arguments, *keywords.values()), changed or (), strict=False):
                _overwrite(target, contents)
            if kind == "raise":
                raise value
            return value

        call.__name__ = call.__qualname__ = name
        return call

    def begin() -> State:
        here.namespace.update({name: proxy(name) for name in names})
        here.namespace["__name__"] = "tests"
        here.source = tests
        return ("end", *_outcome(tests, here.namespace, entry))

    return begin, resume


def _overwrite(target: Any, contents: Any) -> None:
    """Give an argument the contents that the implementation left in its own copy."""
    if type(target) is list and type(contents) is list:
        target[:] = contents
    elif type(target) in (dict, set) and type(contents) is type(target):
        target.clear()
        target.update(contents)


def _outcome(tests: str, namespace: dict[str, Any], entry: str) -> tuple[str, str]:
    """Run the tests: ``passed``, ``failed`` (an assertion) or ``error``, and one line."""
    sys.modules["pytest"] = _pytest()
    try:
        exec(compile(tests, witness.FILENAME, "exec", dont_inherit=True), namespace)
        for test in _found(namespace, entry):
            test()
    except AssertionError as error:
        return "failed", _line(error)
    except BaseException as error:  # SystemExit among them: a test that leaves early has not passed
        return "error", _line(error)
    return "passed", ""


def _line(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {str(error)[:DETAIL]}"
    except BaseException:
        return type(error).__name__


def _found(namespace: dict[str, Any], entry: str) -> Iterator[Callable[[], Any]]:
    """What a test runner would call: test functions, test classes, and HumanEval's ``check``."""
    for name, value in list(namespace.items()):
        if isinstance(value, type) and value.__module__ == "tests":
            yield from _methods(value)
        elif isinstance(value, types.FunctionType) and name.startswith("test"):
            yield from _cases(value)
    check = namespace.get("check")
    if isinstance(check, types.FunctionType) and check.__code__.co_argcount == 1 and entry in namespace:
        yield lambda: check(namespace[entry])


def _cases(function: Callable[..., Any]) -> Iterator[Callable[[], Any]]:
    """A test function, once per parameter set of ``pytest.mark.parametrize``."""
    sets: list[dict[str, Any]] = getattr(function, "parameter_sets", [{}])
    for parameters in sets:
        yield lambda chosen=parameters: function(**chosen)  # type: ignore[misc]


def _methods(kind: type) -> Iterator[Callable[[], Any]]:
    """The tests of a class: of ``unittest``, or of pytest's plain kind."""
    unittest = sys.modules.get("unittest")
    if unittest is not None and issubclass(kind, unittest.TestCase):
        yield lambda: _unittest(kind)
    elif kind.__name__.startswith("Test"):
        for name in [name for name in vars(kind) if name.startswith("test")]:
            yield lambda chosen=name: getattr(kind(), chosen)()  # type: ignore[misc]


def _unittest(kind: type) -> None:
    """Run a ``unittest.TestCase``; raises for its first failure or error."""
    unittest = sys.modules["unittest"]
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(result)
    if result.errors:
        raise RuntimeError(result.errors[0][1].strip().splitlines()[-1])
    if result.failures:
        raise AssertionError(result.failures[0][1].strip().splitlines()[-1])


def _pytest() -> types.ModuleType:
    """The part of pytest that tests of one function use: ``raises``, ``approx``, ``mark.parametrize``."""
    module: Any = types.ModuleType("pytest")

    @contextmanager
    def raises(*kinds: Any, match: str = "") -> Iterator[None]:
        import re

        try:
            yield
        except kinds as error:
            if not re.search(match, str(error)):
                raise AssertionError(f"{error} does not match {match}") from error
            return
        raise AssertionError(f"did not raise {kinds[0]}")

    def parametrize(names: Any, values: Any) -> Callable[[Any], Any]:
        keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)

        def mark(function: Any) -> Any:
            sets = [dict(zip(keys, row if len(keys) > 1 else (row,), strict=True)) for row in values]
            known = getattr(function, "parameter_sets", [{}])
            function.parameter_sets = [{**old, **new} for old in known for new in sets]
            return function

        return mark

    module.raises = raises
    module.approx = _Approx
    module.mark = types.SimpleNamespace(parametrize=parametrize)
    found: types.ModuleType = module
    return found


class _Approx:
    """``pytest.approx``: equal within 1e-6 of the expected value, or 1e-12; elementwise for sequences and mappings."""

    def __init__(self, expected: Any, rel: float = 1e-6, abs: float = 1e-12) -> None:
        self._expected, self._rel, self._abs = expected, rel, abs

    def __eq__(self, actual: object) -> bool:
        return self._close(actual, self._expected)

    __hash__ = None  # type: ignore[assignment]

    def _close(self, actual: Any, expected: Any) -> bool:
        if isinstance(expected, dict):
            same = isinstance(actual, dict) and actual.keys() == expected.keys()
            return same and all(self._close(actual[key], value) for key, value in expected.items())
        if isinstance(expected, list | tuple):
            same = type(actual) is type(expected) and len(actual) == len(expected)
            return same and all(map(self._close, actual, expected))
        if isinstance(expected, int | float) and isinstance(actual, int | float):
            return bool(actual == expected or abs(actual - expected) <= max(self._rel * abs(expected), self._abs))
        return bool(actual == expected)
