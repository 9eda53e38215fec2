"""Expressions and calls: which of them hold data that a remote user sent."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from ..findings import GaveUp
from .syntax import Module
from .values import (
    APPLIERS,
    CARRIERS,
    CLEAN,
    DIRTY,
    ESCAPING,
    FIELDS,
    NORMALISERS,
    PATHS,
    REGEXES,
    REQUEST,
    TELLERS,
    Env,
    Known,
    Sinks,
    Value,
)

DEEPEST_CALL = 8  # of lambdas that call lambdas
STEPS = 200_000  # statements, expressions and copied variables before giving up


class Expressions:
    """Evaluates expressions; every call is shown to the sinks.

    Raises:
        GaveUp: the file needs more than ``STEPS`` steps.
    """

    def __init__(self, module: Module, sinks: Sinks) -> None:
        self.module, self.sinks, self.telling = module, sinks, False
        self.known: dict[str, Known] = {name: Known() for name in module.functions}
        self.methods = _methods(module)
        self.outside: dict[str, Env] = {}  # what a function defined inside another one finds there
        self.current: list[str] = []
        self.handler = False
        self.steps = 0
        self.depth = 0  # of calls of lambdas

    def step(self, cost: int = 1) -> None:
        """Count work done."""
        self.steps += cost
        if self.steps > STEPS:
            raise GaveUp(f"needs more than {STEPS:,} steps of analysis")

    def fork(self, env: Env) -> Env:
        """A copy of what is known, for one of the ways that control may take."""
        self.step(len(env))
        return dict(env)

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        """Give a target a value."""
        raise NotImplementedError

    def guard(self, test: ast.expr, env: Env, holds: bool) -> None:
        """Clear what a condition clears where it holds, or where it does not."""
        raise NotImplementedError

    def value(self, node: ast.expr, env: Env) -> Value:
        """The value of an expression."""
        self.step()
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
        self._apply(node, [], {}, env)  # shows the body's calls to the sinks, even if nothing here calls the lambda
        return Value(function=node)

    def _apply(self, function: ast.Lambda, args: Sequence[Value], kwargs: dict[str, Value], env: Env) -> Value:
        """The result of calling a lambda; of one that calls itself too deeply, whether its arguments are tainted."""
        if self.depth >= DEEPEST_CALL:
            return Value(any(value.tainted for value in (*args, *kwargs.values())))
        inside, names = self.fork(env), function.args
        plain = [parameter.arg for parameter in (*names.posonlyargs, *names.args)]
        inside |= dict.fromkeys([*plain, *(parameter.arg for parameter in names.kwonlyargs)], CLEAN)
        for parameter, default in zip(reversed(plain), reversed(names.defaults), strict=False):
            inside[parameter] = self.value(default, env)
        for keyword, given in zip(names.kwonlyargs, names.kw_defaults, strict=True):
            inside[keyword.arg] = self.value(given, env) if given is not None else CLEAN
        inside |= dict(zip(plain, args, strict=False)) | kwargs
        if names.vararg is not None:
            inside[names.vararg.arg] = Value(any(value.tainted for value in args[len(plain) :]))
        if names.kwarg is not None:
            inside[names.kwarg.arg] = Value(any(value.tainted for value in kwargs.values()))
        self.depth += 1
        try:
            return self.value(function.body, inside)
        finally:
            self.depth -= 1

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
        if left.kind in ESCAPING:
            return left
        if isinstance(node.op, ast.Div) and left.kind.startswith("pathlib."):
            return Value(left.tainted or right.tainted, kind=left.kind)
        items = left.items + right.items if left.items is not None and right.items is not None else left.items
        return Value(left.tainted or right.tainted, items=items if isinstance(node.op, ast.Add) else None)

    def _eval_BoolOp(self, node: ast.BoolOp, env: Env) -> Value:
        values = [self.value(part, env) for part in node.values]
        return Value(any(value.tainted for value in values))

    def _eval_IfExp(self, node: ast.IfExp, env: Env) -> Value:
        self.value(node.test, env)
        yes, no = self.fork(env), self.fork(env)
        self.guard(node.test, yes, True)
        self.guard(node.test, no, False)
        return self.value(node.body, yes) | self.value(node.orelse, no)

    def _eval_NamedExpr(self, node: ast.NamedExpr, env: Env) -> Value:
        value = self.value(node.value, env)
        self.assign(node.target, value, env)
        return value

    def _eval_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, env: Env) -> Value:
        inside = self._comprehend(node.generators, env)
        return Value(self.value(node.elt, inside).tainted)

    _eval_SetComp = _eval_GeneratorExp = _eval_ListComp

    def _eval_DictComp(self, node: ast.DictComp, env: Env) -> Value:
        inside = self._comprehend(node.generators, env)
        return Value(self.value(node.key, inside).tainted or self.value(node.value, inside).tainted)

    def _comprehend(self, generators: Sequence[ast.comprehension], env: Env) -> Env:
        inside = self.fork(env)
        for generator in generators:
            self.assign(generator.target, Value(self.value(generator.iter, inside).tainted), inside)
            for test in generator.ifs:
                self.value(test, inside)
        return inside

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
        called = node.func if isinstance(node.func, ast.Lambda) else self._held(node.func, env).function
        if called is not None:
            return self._apply(called, args, kwargs, env)
        if name in APPLIERS and args:
            applied = self._applied(node.args[0], args, env)
            kept = any(value.tainted for value in args[1:]) if name == "filter" else applied.tainted
            return Value(kept, kind=name)
        if name.startswith("re.") and name[3:] in REGEXES:
            return Value(any(value.tainted for value in (*args[1:], *kwargs.values())), kind=name)
        if isinstance(node.func, ast.Attribute) and receiver.kind == "re.compile" and node.func.attr in REGEXES:
            return Value(tainted, kind=name)
        if name in self.known and name not in self.module.imports:
            return self._own(name, args, kwargs)
        if name in NORMALISERS:
            return Value(tainted, normal=tainted)
        if isinstance(node.func, ast.Attribute):
            if self.module.dotted(node.func.value) in REQUEST:
                return DIRTY if node.func.attr in FIELDS else CLEAN
            if receiver.kind.startswith("pathlib.") and node.func.attr in PATHS:
                return Value(receiver.tainted or tainted, kind=receiver.kind)
            if node.func.attr in TELLERS:
                return CLEAN
            if node.func.attr in ("format", "join", "replace", "format_map"):
                return receiver if receiver.kind in ESCAPING else Value(receiver.tainted or tainted)
            if node.func.attr in self.methods and self._may_be_own(node.func.value):
                return self._own(node.func.attr, [receiver, *args], kwargs)
            if receiver.tainted:
                return Value(True, kind=name)
        return Value(tainted and name in CARRIERS, kind=name)

    def _may_be_own(self, receiver: ast.expr) -> bool:
        """Whether an object may be of a class of the file: it is neither an import nor a field of the request."""
        field = isinstance(receiver, ast.Attribute) and self.module.dotted(receiver.value) in REQUEST
        return not field and self.module.dotted(receiver) not in self.module.imports

    @staticmethod
    def _held(node: ast.expr, env: Env) -> Value:
        """What a variable holds; of any other expression nothing is known."""
        return env.get(node.id, CLEAN) if isinstance(node, ast.Name) else CLEAN

    def _applied(self, function: ast.expr, args: Sequence[Value], env: Env) -> Value:
        """The results of ``map``, ``filter`` or ``reduce`` calling a function with items of their other arguments."""
        items = [Value(value.tainted) for value in args[1:]]
        name = self.module.dotted(function)
        if args[0].function is not None and len(items) == 1:
            return self._apply(args[0].function, items, {}, env)
        if name in self.known and name not in self.module.imports:
            return self._own(name, items, {})
        return Value(any(value.tainted for value in args))

    def _own(self, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A call of a function of the file: it learns what it is given; what it gave so far comes back."""
        function, known = self.module.functions[name], self.known[name]
        names = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
        for parameter, value in (*zip(names, args, strict=False), *kwargs.items()):
            known.params[parameter] = known.params.get(parameter, CLEAN) | value if parameter in known.params else value
        return known.result


def _methods(module: Module) -> set[str]:
    """Names of the functions that are defined directly in a class."""
    classes = (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))
    return {n.name for c in classes for n in c.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
