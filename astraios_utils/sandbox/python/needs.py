"""What a test needs that cannot cross between two processes, read from its text.

A test that does not pass in two processes, and that needs one of these things, is run again with the sample in one
process (``engine``).  Everything here is decided by the trusted test: a sample cannot ask for it, with one exception
that is bounded by the test's text as well: whether a name that the test uses in such a way is the sample's.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import plainness, sharing

IDENTITY = "the identity of an object"
STREAMS = "what is printed or read"
CHANCE = "the state of chance"
NAN = "the identity of NaN"
AWAITABLE = "an awaitable"
CLASS = "a class of the sample's"
STATE = "an object or variable of the sample's that is inspected or changed"
MECHANISM = "the class of a function or iterator"
SHARED = "a container that the test and the sample both hold"
INTERPRETER = "the state of the interpreter"

_WORDS = {
    **dict.fromkeys(("redirect_stdout", "redirect_stderr", "stdout", "stderr", "stdin", "capsys", "capfd"), STREAMS),
    **dict.fromkeys(("patch", "mock", "monkeypatch", "Mock", "MagicMock", "builtins", "__builtins__"), STREAMS),
    **dict.fromkeys(("seed", "setstate", "getstate", "RandomState", "default_rng"), CHANCE),
    **dict.fromkeys(("nan", "NaN", "NAN"), NAN),
    **dict.fromkeys(("asyncio", "run_coroutine_threadsafe"), AWAITABLE),
    **dict.fromkeys(("environ", "chdir", "getcontext", "localcontext", "setcontext", "warnings"), INTERPRETER),
    **dict.fromkeys(("setrecursionlimit", "set_printoptions", "errstate", "seterr", "getLogger"), INTERPRETER),
    **dict.fromkeys(("settrace", "setprofile", "modules", "assertLogs", "assertWarns", "gc", "weakref"), INTERPRETER),
    **dict.fromkeys(("inspect", "doctest", "pickle", "get_type_hints", "vars", "dir", "setattr", "delattr"), STATE),
    **dict.fromkeys(("asdict", "fields", "astuple", "is_dataclass", "hasattr", "globals", "locals"), STATE),
    **dict.fromkeys(("length_hint",), MECHANISM),
    **dict.fromkeys(("contextvars", "threading", "multiprocessing", "signal", "tracemalloc"), INTERPRETER),
}
# Classes of what never crosses: the test gets a handle of it.
_MECHANISMS = frozenset(
    (
        *("GeneratorType", "Generator", "FunctionType", "LambdaType", "MethodType", "CoroutineType"),
        *("map", "filter", "zip", "enumerate", "reversed"),
    )
)
_PLAIN_CONTEXTS = frozenset(("open", "suppress", "raises", "assertRaises", "assertRaisesRegex", "subTest"))
_CLASS_USERS = {"isinstance": 1, "issubclass": 1, "raises": 0, "assertRaises": 0, "assertIsInstance": 1}
_CLASS_NAME = re.compile(r"_*[A-Z]\w*")
_CAMEL_CASE = re.compile(r"_*[A-Z][A-Za-z0-9]*")  # a class by its name; problems have functions like ``Pascal_Snake``
_LAST_CHECK = re.compile(r"check\(\s*(\w+)\s*\)\s*\Z")


@dataclass(slots=True)
class Needs:
    """What one test needs.

    Attributes:
        always: reasons that hold whatever the sample is.
        of_names: reasons that hold if the name is the sample's, by name.
        entry: the function (or class) that the test checks; empty if unknown.
        combines: whether there is an operator between two values that are no constants; a need where both turn out to
            be objects of the sample's.
    """

    always: list[str] = field(default_factory=list)
    of_names: dict[str, str] = field(default_factory=dict)
    entry: str = ""
    combines: bool = False

    def reason(self, names: frozenset[str], entry_point: str = "") -> str:
        """Why the test cannot be judged in two processes; empty if it can.

        Args:
            names: what the test looked up in the sample.
            entry_point: the function that the problem asks for, if it says so.
        """
        if self.always:
            return self.always[0]
        own = names - {self.entry if not _CAMEL_CASE.fullmatch(self.entry) else ""}
        own -= {entry_point if entry_point != self.entry else ""}
        found = next((why for name, why in self.of_names.items() if name in own), "")
        return found or (STATE if len(own) > 1 else "")


@functools.lru_cache(maxsize=4096)
def of(test: str) -> Needs:
    """The needs of a test; none for one that cannot be parsed."""
    needs = Needs()
    last = _LAST_CHECK.search(test)
    needs.entry = last[1] if last else ""
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return needs
    bound = set(_bound(tree))
    _Reader(needs, bound, needs.entry, tree).visit(tree)
    needs.combines = any(map(_combines, ast.walk(tree)))
    if sharing.changes(tree):
        needs.always.append(SHARED)
    if _sets_a_global(tree, bound) or plainness.exceeded(tree):
        needs.always.append(STATE)
    return needs


def _combines(node: ast.AST) -> bool:
    """Whether a node of a test may order, add or hash two values that the sample made."""
    match node:
        case ast.Call(func=ast.Name(id="sorted" | "min" | "max" | "sum")) | ast.Call(func=ast.Attribute(attr="sort")):
            return _between_results(node)
        case ast.Set(elts=items) | ast.Dict(keys=items):
            return any(isinstance(item, ast.Call) for item in items)
        case ast.SetComp(elt=item) | ast.DictComp(key=item):
            return isinstance(item, ast.Call)
        case ast.BinOp(left=left, right=right):
            return not isinstance(left, ast.Constant) and not isinstance(right, ast.Constant)
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()], comparators=[right]):
            return not isinstance(left, ast.Constant) and not isinstance(right, ast.Constant)
    return False


def _between_results(call: ast.Call) -> bool:
    """Whether a sorting or summing call is given results of other calls, or a key that is no lambda of the test's."""
    for keyword in call.keywords:
        if keyword.arg == "key" and not isinstance(keyword.value, ast.Lambda):
            return True
    listed = [part.elts for part in call.args if isinstance(part, ast.List | ast.Tuple | ast.Set)]
    made = [part.elt for part in call.args if isinstance(part, ast.ListComp | ast.SetComp | ast.GeneratorExp)]
    return any(isinstance(part, ast.Call) for part in [*made, *call.args[1:], *(one for few in listed for one in few)])


def _sets_a_global(tree: ast.Module, bound: set[str]) -> bool:
    """Whether a test sets a variable that it never reads, and then calls a function that is not its own."""
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    if any(isinstance(node, ast.Global) for node in ast.walk(tree)):
        return True
    own, unread = bound | set(dir(builtins)), False
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            unread |= any(isinstance(name, ast.Name) and name.id not in read for name in statement.targets)
        called = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
        if unread and any(isinstance(function, ast.Name) and function.id not in own for function in called):
            return True
    return False


def _bound(tree: ast.AST) -> Iterator[str]:
    """Names that a test binds itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.alias(name=name, asname=short):
                yield short or name.partition(".")[0]


_IMPORT = ast.Import | ast.ImportFrom


def _is_type(node: ast.AST) -> bool:
    """Whether an expression is ``type(…)``: plain data has the same types in both processes."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _is_member(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


def _names(node: ast.AST | None) -> list[str]:
    return [] if node is None else [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]


def _attributes(node: ast.AST) -> list[str]:
    return [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]


class _Reader(ast.NodeVisitor):
    """Collects needs from a test's syntax tree."""

    def __init__(self, needs: Needs, bound: set[str], entry: str, tree: ast.Module) -> None:
        self._needs, self._bound, self._entry = needs, bound, entry
        self._classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        self._imported = {name for node in ast.walk(tree) if isinstance(node, _IMPORT) for name in _bound(node)}
        self._parameters: set[str] = set()  # of the functions that the walk is in: they may be functions of the sample

    def _always(self, reason: str) -> None:
        if reason not in self._needs.always:
            self._needs.always.append(reason)

    def _if_samples(self, name: str, reason: str) -> None:
        if name not in self._bound and not hasattr(builtins, name):
            self._needs.of_names.setdefault(name, reason)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Remember the parameters that the function calls."""
        called = {
            call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        }
        before, own = self._parameters, {argument.arg for argument in node.args.args}
        self._parameters = before | (own & called)
        self.generic_visit(node)
        self._parameters = before

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Coroutines run in the process that made them."""
        self._always(AWAITABLE)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """``is`` between two objects; with ``None``, a bool or a type it is no question of identity."""
        for operator, right in zip(node.ops, node.comparators, strict=True):
            sides = (node.left, right)
            single = any(map(self._singleton, sides)) or all(map(_is_type, sides))
            if isinstance(operator, ast.Is | ast.IsNot) and not single:
                self._always(IDENTITY)
        self.generic_visit(node)

    def _singleton(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id not in self._bound and isinstance(getattr(builtins, node.id, None), type)
        return isinstance(node, ast.Constant)

    def visit_Name(self, node: ast.Name) -> None:
        """Words with a meaning of their own, and names that are not called."""
        if node.id in _WORDS and isinstance(node.ctx, ast.Load):
            self._always(_WORDS[node.id])
        if isinstance(node.ctx, ast.Load):
            if _CLASS_NAME.fullmatch(node.id):
                self._if_samples(node.id, CLASS)
            elif node.id != self._entry:
                self._if_samples(node.id, STATE)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Words, attributes of functions, classes and special methods, and changes of attributes."""
        if node.attr in _WORDS:
            self._always(_WORDS[node.attr])
        base = node.value
        of_call = base.func.id if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) else ""
        if of_call == "type" or (node.attr.startswith("__") and of_call != "super"):
            self._always(STATE)
        if isinstance(base, ast.Name) and base.id in self._parameters:
            self._always(STATE)
        if isinstance(node.ctx, ast.Store | ast.Del) and not (
            isinstance(base, ast.Name) and base.id in ("self", "cls")
        ):
            self._always(STATE)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """What is called by its name is a function; what is asked for is a class."""
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name == "id" and isinstance(function, ast.Name):
            self._always(IDENTITY)
        if name == "float" and any(isinstance(a, ast.Constant) and str(a.value).lower() == "nan" for a in node.args):
            self._always(NAN)
        if name == "input":
            self._always(STREAMS)
        position = _CLASS_USERS.get(name)
        if position is not None and len(node.args) > position:
            self._class_asked_for(node.args[position])
        if isinstance(function, ast.Name) and not _CLASS_NAME.fullmatch(name) and name not in _WORDS:
            for part in (*node.args, *node.keywords):
                self.visit(part)
        else:
            self.generic_visit(node)

    def _class_asked_for(self, node: ast.expr) -> None:
        """A class of the sample's, or one of whose instances the test gets a handle."""
        names = _names(node)
        for name in names:
            self._if_samples(name, CLASS)
        foreign = {*_attributes(node), *(name for name in names if name in self._imported)}
        roots = {part.value.id for part in ast.walk(node) if _is_member(part)}  # type: ignore[attr-defined]
        if _MECHANISMS & {*names, *foreign} or foreign - roots - plainness.CLASSES:
            self._always(MECHANISM)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """A class that is caught by its name."""
        for name in _names(node.type):
            self._if_samples(name, CLASS)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class that is derived from."""
        for name in [name for base in node.bases for name in _names(base)]:
            self._if_samples(name, CLASS)
            if name in self._bound - self._classes - self._imported:  # what a function of the sample's returned
                self._always(CLASS)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        """A context manager of the sample's."""
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id not in _PLAIN_CONTEXTS:
                if call.func.id in self._parameters:
                    self._always(STATE)
                self._if_samples(call.func.id, STATE)
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        """Awaitables run in the process that made them."""
        self._always(AWAITABLE)
        self.generic_visit(node)
