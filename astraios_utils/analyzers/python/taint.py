"""Follows data that a remote user controls through a Python file: Flask requests and route parameters, as CodeQL's
``RemoteFlowSource``, along assignments, string operations and calls of the file's own functions.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from .expressions import Expressions
from .syntax import Module, argument, string
from .values import CLEAN, DIRTY, Env, Sinks, Value

__all__ = ["Flow", "Sinks", "Value"]

ROUNDS = 6  # over the whole file, until no function learns of new tainted arguments or results
ROUTES = {"route", "get", "post", "put", "delete", "patch"}


class Flow(Expressions):
    """Runs over the file until nothing new is learnt, then once more for the checker."""

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
        env = self.fork(self.outside.get(node.name, self.globals))
        for parameter in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            routed = handler and parameter.arg not in ("self", "cls")
            env[parameter.arg] = DIRTY if routed else known.params.get(parameter.arg, CLEAN)
        self.current.append(node.name)
        outer, self.handler = self.handler, handler
        self._block(node.body, env)
        self.handler = outer
        self.current.pop()

    def _block(self, body: Sequence[ast.stmt], env: Env) -> bool:
        """Run statements; whether control gets past them."""
        for node in body:  # noqa: SIM110 - a generator at every level of nesting costs more than the statements
            if not self._statement(node, env):
                return False
        return True

    def _statement(self, node: ast.stmt, env: Env) -> bool:
        self.step()
        method = getattr(self, f"_do_{type(node).__name__}", None)
        if method is not None:
            past: bool = method(node, env)
            return past
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child, env)
        return True

    def _do_FunctionDef(self, node: ast.FunctionDef, env: Env) -> bool:
        if self.current:
            self.outside[node.name] = env
        return True  # visited on its own

    _do_AsyncFunctionDef = _do_FunctionDef

    def _do_ClassDef(self, node: ast.ClassDef, env: Env) -> bool:
        return self._block(node.body, self.fork(env))

    def _do_Assign(self, node: ast.Assign, env: Env) -> bool:
        value = self.value(node.value, env)
        for target in node.targets:
            self.assign(target, value, env)
        return True

    def _do_AnnAssign(self, node: ast.AnnAssign, env: Env) -> bool:
        if node.value is not None:
            self.assign(node.target, self.value(node.value, env), env)
        return True

    def _do_AugAssign(self, node: ast.AugAssign, env: Env) -> bool:
        held = self.value(node.target, env)
        self.assign(node.target, Value(held.tainted or self.value(node.value, env).tainted), env)
        return True

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        if isinstance(target, ast.Name):
            env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            for at, element in enumerate(target.elts):
                item = value.items[at] if value.items is not None and at < len(value.items) else Value(value.tainted)
                self.assign(element, item, env)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, Value(value.tainted), env)
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
        yes, no = self.fork(env), self.fork(env)
        self.guard(node.test, yes, True)
        self.guard(node.test, no, False)
        past = [branch for branch, body in ((yes, node.body), (no, node.orelse)) if self._block(body, branch)]
        _merge(env, past)
        return bool(past)

    def _do_For(self, node: ast.For | ast.AsyncFor, env: Env) -> bool:
        items = self.value(node.iter, env)
        for _ in range(2):
            inside = self.fork(env)
            self.assign(node.target, Value(items.tainted), inside)
            self._block(node.body, inside)
            _merge(env, [self.fork(env), inside])
        return self._block(node.orelse, env)

    _do_AsyncFor = _do_For

    def _do_While(self, node: ast.While, env: Env) -> bool:
        for _ in range(2):
            inside = self.fork(env)
            self.value(node.test, inside)
            self.guard(node.test, inside, True)
            self._block(node.body, inside)
            _merge(env, [self.fork(env), inside])
        self.guard(node.test, env, False)
        return self._block(node.orelse, env)

    def _do_With(self, node: ast.With | ast.AsyncWith, env: Env) -> bool:
        for item in node.items:
            value = self.value(item.context_expr, env)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, env)
        return self._block(node.body, env)

    _do_AsyncWith = _do_With

    def _do_Match(self, node: ast.Match, env: Env) -> bool:
        subject = self.value(node.subject, env)
        ends, certain = [], False
        for case in node.cases:
            inside = self.fork(env)
            for name in _captured(case.pattern):
                inside[name] = Value(subject.tainted)
            if case.guard is not None:
                self.value(case.guard, inside)
                self.guard(case.guard, inside, True)
            elif isinstance(node.subject, ast.Name) and _constant_pattern(case.pattern):
                inside[node.subject.id] = CLEAN
            if self._block(case.body, inside):
                ends.append(inside)
            certain = certain or (case.guard is None and _matches_all(case.pattern))
        ends += [] if certain else [self.fork(env)]
        _merge(env, ends)
        return bool(ends)

    def _do_Try(self, node: ast.Try, env: Env) -> bool:
        """A ``try``: handlers start from what held before or after any part of the body."""
        before = self.fork(env)
        past = self._block(node.body, env)
        past = (self._block(node.orelse, env) if past else False) or past
        ends = [self.fork(env)] if past else []
        for handler in node.handlers:
            inside = self.fork(before)
            _merge(inside, [before, env])
            if self._block(handler.body, inside):
                ends.append(inside)
        _merge(env, ends)
        return self._block(node.finalbody, env) and bool(ends)

    _do_TryStar = _do_Try

    def guard(self, test: ast.expr, env: Env, holds: bool) -> None:
        """What a condition clears: a value compared with constants, a normal path known to start rightly."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.guard(test.operand, env, not holds)
        elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) == holds:
            for part in test.values:
                self.guard(part, env, holds)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name):
            same = isinstance(test.ops[0], ast.Eq | ast.In)
            other = isinstance(test.ops[0], ast.NotEq | ast.NotIn)
            if _all_constant(test.comparators[0], self.module) and ((same and holds) or (other and not holds)):
                env[test.left.id] = CLEAN
        elif isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
            name = test.func.value.id if isinstance(test.func.value, ast.Name) else ""
            if holds and env.get(name, CLEAN).normal:
                env[name] = CLEAN


def _merge(env: Env, ends: Sequence[Env]) -> None:
    """Merge branches into ``env``; a variable that is missing from one branch is as the others have it."""
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


def _captured(pattern: ast.pattern) -> set[str]:
    named = {getattr(node, "name", None) for node in ast.walk(pattern)}
    return {name for name in named if isinstance(name, str)}


def _constant_pattern(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return all(_constant_pattern(part) for part in pattern.patterns)
    return isinstance(pattern, ast.MatchValue | ast.MatchSingleton)


def _matches_all(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None
