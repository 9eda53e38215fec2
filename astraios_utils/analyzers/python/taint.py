"""Follows data that a remote user controls through a Python file: Flask requests and route parameters, as CodeQL's
``RemoteFlowSource``, along assignments, string operations and calls of the file's own functions.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .syntax import Module, argument, string

ROUNDS = 6  # over the whole file, until no function learns of new tainted arguments or results
REQUEST = {"flask.request", "flask.globals.request"}
# What of a request the user controls.
FIELDS = {"args", "form", "values", "cookies", "headers", "json", "data", "files", "query_string", "path", "full_path"}
FIELDS |= {"url", "base_url", "url_root", "get_json", "get_data", "stream", "environ", "view_args", "user_agent"}
FIELDS |= {"referrer", "host", "authorization", "content_type", "mimetype", "access_route", "remote_user"}
ROUTES = {"route", "get", "post", "put", "delete", "patch"}
# Functions whose result holds the text they are given.
CARRIERS = {"str", "bytes", "unicode", "repr", "list", "tuple", "set", "dict", "sorted", "reversed", "iter", "next"}
CARRIERS |= {"os.path.join", "os.path.expanduser", "os.path.expandvars", "os.fspath", "os.fsencode", "os.fsdecode"}
CARRIERS |= {"urllib.parse.urlparse", "urllib.parse.urlsplit", "urllib.parse.unquote", "urllib.parse.urljoin"}
CARRIERS |= {"urlparse.urlparse", "json.loads", "json.dumps", "base64.b64decode", "base64.b64encode", "copy.copy"}
CARRIERS |= {
    "copy.deepcopy",
    "io.StringIO",
    "io.BytesIO",
    "pathlib.Path",
    "pathlib.PurePath",
    "zip",
    "enumerate",
    "map",
}
CARRIERS |= {
    "yaml.load",
    "yaml.safe_load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "pickle.loads",
    "shlex.split",
    "filter",
}
NORMALISERS = {"os.path.normpath", "os.path.abspath", "os.path.realpath"}
# Methods whose result says something of the text rather than holding it.
TELLERS = {
    "startswith",
    "endswith",
    "isdigit",
    "isalpha",
    "isalnum",
    "isnumeric",
    "find",
    "index",
    "count",
    "isidentifier",
}


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a Python value.

    Attributes:
        tainted: whether a remote user controls (part of) it.
        normal: whether it is a path without ``..``.
        kind: dotted name of the call that made it, where that matters.
        items: of a list or tuple display.
    """

    tainted: bool = False
    normal: bool = False
    kind: str = ""
    items: tuple[Value, ...] | None = None

    def __or__(self, other: Value) -> Value:
        kind = self.kind if self.kind == other.kind else ""
        items = self.items if self.items == other.items else None
        return Value(self.tainted or other.tainted, self.normal and other.normal, kind, items)


CLEAN = Value()
DIRTY = Value(tainted=True)
Env = dict[str, Value]


class Sinks:
    """What a checker looks at; called for every call and every returned value, at least once."""

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        """A call; ``receiver`` is the object of a method call."""

    def returned(self, node: ast.Return, value: Value, handler: bool) -> None:
        """A returned value; ``handler``: by a function that answers requests."""


@dataclass
class _Function:
    """What the rest of the file does with a function, and what it gives back."""

    params: dict[str, Value] = field(default_factory=dict)
    result: Value = CLEAN


class Flow:
    """Runs over the file until nothing new is learnt, then once more for the checker."""

    def __init__(self, module: Module, sinks: Sinks) -> None:
        self.module, self.sinks, self.telling = module, sinks, False
        self.known: dict[str, _Function] = {name: _Function() for name in module.functions}
        self.current: list[str] = []
        self.handler = False

    def run(self) -> None:
        """Analyse the file."""
        for _ in range(ROUNDS):
            before = repr(self.known)
            self._pass()
            if repr(self.known) == before:
                break
        self.telling = True
        self._pass()

    def _pass(self) -> None:
        self.globals: Env = {}
        self._block(self.module.tree.body, self.globals)
        for node in ast.walk(self.module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        handler = any(_is_route(decorator) for decorator in node.decorator_list)
        known = self.known[node.name]
        env = dict(self.globals)
        for parameter in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            routed = handler and parameter.arg not in ("self", "cls")
            env[parameter.arg] = DIRTY if routed else known.params.get(parameter.arg, CLEAN)
        self.current.append(node.name)
        outer, self.handler = self.handler, handler
        self._block(node.body, env)
        self.handler = outer
        self.current.pop()

    # --- statements -------------------------------------------------------------------------------------------------

    def _block(self, body: Sequence[ast.stmt], env: Env) -> bool:
        """Run statements; whether control gets past them."""
        return all(self._statement(node, env) for node in body)

    def _statement(self, node: ast.stmt, env: Env) -> bool:
        method = getattr(self, f"_do_{type(node).__name__}", None)
        if method is not None:
            past: bool = method(node, env)
            return past
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child, env)
        return True

    def _do_FunctionDef(self, node: ast.FunctionDef, env: Env) -> bool:
        return True  # visited on its own

    _do_AsyncFunctionDef = _do_FunctionDef

    def _do_ClassDef(self, node: ast.ClassDef, env: Env) -> bool:
        return self._block(node.body, dict(env))

    def _do_Assign(self, node: ast.Assign, env: Env) -> bool:
        value = self.value(node.value, env)
        for target in node.targets:
            self._assign(target, value, env)
        return True

    def _do_AnnAssign(self, node: ast.AnnAssign, env: Env) -> bool:
        if node.value is not None:
            self._assign(node.target, self.value(node.value, env), env)
        return True

    def _do_AugAssign(self, node: ast.AugAssign, env: Env) -> bool:
        held = self.value(node.target, env)
        self._assign(node.target, Value(held.tainted or self.value(node.value, env).tainted), env)
        return True

    def _assign(self, target: ast.expr, value: Value, env: Env) -> None:
        if isinstance(target, ast.Name):
            env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            for at, element in enumerate(target.elts):
                item = value.items[at] if value.items is not None and at < len(value.items) else Value(value.tainted)
                self._assign(element, item, env)
        elif isinstance(target, ast.Starred):
            self._assign(target.value, Value(value.tainted), env)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            base = target.value
            if isinstance(base, ast.Name) and value.tainted:
                env[base.id] = replace(env.get(base.id, CLEAN), tainted=True, items=None)

    def _do_Return(self, node: ast.Return, env: Env) -> bool:
        value = self.value(node.value, env) if node.value is not None else CLEAN
        if self.current:
            known = self.known[self.current[-1]]
            known.result = value if known.result == CLEAN else known.result | value
        if self.telling:
            self.sinks.returned(node, value, self.handler)
        return False

    def _do_Raise(self, node: ast.Raise, env: Env) -> bool:
        return False

    _do_Break = _do_Continue = _do_Raise

    def _do_If(self, node: ast.If, env: Env) -> bool:
        self.value(node.test, env)
        yes, no = dict(env), dict(env)
        self._guard(node.test, yes, True)
        self._guard(node.test, no, False)
        past = [branch for branch, body in ((yes, node.body), (no, node.orelse)) if self._block(body, branch)]
        _merge(env, past)
        return bool(past)

    def _do_For(self, node: ast.For | ast.AsyncFor, env: Env) -> bool:
        items = self.value(node.iter, env)
        for _ in range(2):
            inside = dict(env)
            self._assign(node.target, Value(items.tainted), inside)
            self._block(node.body, inside)
            _merge(env, [env.copy(), inside])
        return self._block(node.orelse, env)

    _do_AsyncFor = _do_For

    def _do_While(self, node: ast.While, env: Env) -> bool:
        for _ in range(2):
            inside = dict(env)
            self.value(node.test, inside)
            self._guard(node.test, inside, True)
            self._block(node.body, inside)
            _merge(env, [env.copy(), inside])
        self._guard(node.test, env, False)
        return self._block(node.orelse, env)

    def _do_With(self, node: ast.With | ast.AsyncWith, env: Env) -> bool:
        for item in node.items:
            value = self.value(item.context_expr, env)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, value, env)
        return self._block(node.body, env)

    _do_AsyncWith = _do_With

    def _do_Try(self, node: ast.Try, env: Env) -> bool:
        """A ``try``: handlers start from what held before or after any part of the body."""
        before = dict(env)
        past = self._block(node.body, env)
        past = (self._block(node.orelse, env) if past else False) or past
        ends = [env.copy()] if past else []
        for handler in node.handlers:
            inside = dict(before)
            _merge(inside, [before, env])
            if self._block(handler.body, inside):
                ends.append(inside)
        _merge(env, ends)
        return self._block(node.finalbody, env) and bool(ends)

    _do_TryStar = _do_Try

    def _guard(self, test: ast.expr, env: Env, holds: bool) -> None:
        """What a condition clears: a value compared with constants, a normal path known to start rightly."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self._guard(test.operand, env, not holds)
        elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) == holds:
            for part in test.values:
                self._guard(part, env, holds)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name):
            same = isinstance(test.ops[0], ast.Eq | ast.In)
            other = isinstance(test.ops[0], ast.NotEq | ast.NotIn)
            if _all_constant(test.comparators[0], self.module) and ((same and holds) or (other and not holds)):
                env[test.left.id] = CLEAN
        elif isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
            name = test.func.value.id if isinstance(test.func.value, ast.Name) else ""
            if holds and env.get(name, CLEAN).normal:
                env[name] = CLEAN

    # --- expressions ------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, env: Env) -> Value:
        """The value of an expression."""
        method = getattr(self, f"_eval_{type(node).__name__}", None)
        if method is not None:
            found: Value = method(node, env)
            return found
        parts = [self.value(child, env) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return Value(any(part.tainted for part in parts))

    def _eval_Name(self, node: ast.Name, env: Env) -> Value:
        return env.get(node.id, CLEAN)

    def _eval_Constant(self, node: ast.Constant, env: Env) -> Value:
        return CLEAN

    def _eval_Compare(self, node: ast.Compare, env: Env) -> Value:
        for child in (node.left, *node.comparators):
            self.value(child, env)
        return CLEAN

    def _eval_Lambda(self, node: ast.Lambda, env: Env) -> Value:
        return CLEAN

    def _eval_Attribute(self, node: ast.Attribute, env: Env) -> Value:
        if self.module.dotted(node.value) in REQUEST:
            return DIRTY if node.attr in FIELDS else CLEAN
        return Value(self.value(node.value, env).tainted)

    def _eval_Subscript(self, node: ast.Subscript, env: Env) -> Value:
        held = self.value(node.value, env)
        self.value(node.slice, env)
        at = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if held.items is not None and isinstance(at, int) and -len(held.items) <= at < len(held.items):
            return held.items[at]
        return Value(held.tainted)

    def _eval_List(self, node: ast.List | ast.Tuple, env: Env) -> Value:
        items = tuple(self.value(element, env) for element in node.elts)
        starred = any(isinstance(element, ast.Starred) for element in node.elts)
        return Value(any(item.tainted for item in items), items=None if starred else items)

    _eval_Tuple = _eval_List

    def _eval_BinOp(self, node: ast.BinOp, env: Env) -> Value:
        left, right = self.value(node.left, env), self.value(node.right, env)
        items = left.items + right.items if left.items is not None and right.items is not None else left.items
        return Value(left.tainted or right.tainted, items=items if isinstance(node.op, ast.Add) else None)

    def _eval_BoolOp(self, node: ast.BoolOp, env: Env) -> Value:
        values = [self.value(part, env) for part in node.values]
        return Value(any(value.tainted for value in values))

    def _eval_IfExp(self, node: ast.IfExp, env: Env) -> Value:
        self.value(node.test, env)
        yes, no = dict(env), dict(env)
        self._guard(node.test, yes, True)
        self._guard(node.test, no, False)
        return self.value(node.body, yes) | self.value(node.orelse, no)

    def _eval_NamedExpr(self, node: ast.NamedExpr, env: Env) -> Value:
        value = self.value(node.value, env)
        self._assign(node.target, value, env)
        return value

    def _eval_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, env: Env) -> Value:
        inside = self._comprehend(node.generators, env)
        return Value(self.value(node.elt, inside).tainted)

    _eval_SetComp = _eval_GeneratorExp = _eval_ListComp

    def _eval_DictComp(self, node: ast.DictComp, env: Env) -> Value:
        inside = self._comprehend(node.generators, env)
        return Value(self.value(node.key, inside).tainted or self.value(node.value, inside).tainted)

    def _comprehend(self, generators: Sequence[ast.comprehension], env: Env) -> Env:
        inside = dict(env)
        for generator in generators:
            self._assign(generator.target, Value(self.value(generator.iter, inside).tainted), inside)
            for test in generator.ifs:
                self.value(test, inside)
        return inside

    # --- calls ------------------------------------------------------------------------------------------------------

    def _eval_Call(self, node: ast.Call, env: Env) -> Value:
        name = self.module.dotted(node.func)
        receiver = self.value(node.func.value, env) if isinstance(node.func, ast.Attribute) else CLEAN
        args = [self.value(arg, env) for arg in node.args]
        kwargs = {k.arg or "**": self.value(k.value, env) for k in node.keywords}
        if self.telling:
            self.sinks.call(node, name, receiver, args, kwargs)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            self._mutate(node.func.value.id, node.func.attr, args, env)
        return self._result(node, name, receiver, args, kwargs, env)

    @staticmethod
    def _mutate(name: str, method: str, args: Sequence[Value], env: Env) -> None:
        held = env.get(name)
        if held is None or method not in ("append", "extend", "insert", "add", "update"):
            return
        tainted = held.tainted or any(arg.tainted for arg in args)
        grown = held.items + tuple(args) if held.items is not None and method == "append" else held.items
        env[name] = replace(held, tainted=tainted, items=grown)

    def _result(
        self, node: ast.Call, name: str, receiver: Value, args: list[Value], kwargs: dict[str, Value], env: Env
    ) -> Value:
        tainted = any(value.tainted for value in (*args, *kwargs.values()))
        if name in self.known and name not in self.module.imports:
            return self._own(name, args, kwargs)
        if name in NORMALISERS:
            return Value(tainted, normal=tainted)
        if isinstance(node.func, ast.Attribute):
            if self.module.dotted(node.func.value) in REQUEST:
                return DIRTY if node.func.attr in FIELDS else CLEAN
            if node.func.attr in TELLERS:
                return CLEAN
            if node.func.attr in ("format", "join", "replace", "format_map"):
                return Value(receiver.tainted or tainted)
            if receiver.tainted:
                return Value(True, kind=name)
        return Value(tainted and name in CARRIERS, kind=name)

    def _own(self, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A call of a function of the file: it learns what it is given; what it gave so far comes back."""
        function, known = self.module.functions[name], self.known[name]
        names = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
        for parameter, value in (*zip(names, args, strict=False), *kwargs.items()):
            known.params[parameter] = known.params.get(parameter, CLEAN) | value if parameter in known.params else value
        return known.result


def _merge(env: Env, ends: Sequence[Env]) -> None:
    """Let ``env`` hold what is so at any of the ends; a variable that one of them lacks is as the others have it."""
    if not ends:
        return
    merged: Env = {}
    for name in {name for end in ends for name in end}:
        values = [end[name] for end in ends if name in end]
        joined = values[0]
        for value in values[1:]:
            joined = joined if joined == value else joined | value
        merged[name] = joined
    env.clear()
    env.update(merged)


def _is_route(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in ROUTES
        and string(argument(decorator, 0, "rule")) is not None
    )


def _all_constant(node: ast.expr, module: Module) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is not None
    if isinstance(node, ast.Name) and node.id in module.constants:
        held = module.constants[node.id]
        return not isinstance(held, ast.Name) and _all_constant(held, module)
    return isinstance(node, ast.List | ast.Tuple | ast.Set) and all(_all_constant(e, module) for e in node.elts)
