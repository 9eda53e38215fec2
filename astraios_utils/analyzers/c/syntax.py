"""C source as a tree-sitter tree, with the few questions that checkers ask of it. Nothing is preprocessed or run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from ..findings import GaveUp

DEEPEST = 160  # levels of nesting; the interpreter recurses a few Python frames for each
PREDEFINED = frozenset({"__linux__", "__linux", "linux", "__unix__", "__unix", "unix", "__GNUC__", "__x86_64__"})
_OPERATIONS = ("binary_expression", "unary_expression", "update_expression")
LOOPS = ("for_statement", "while_statement", "do_statement")


@lru_cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def text(node: Node | None) -> str:
    """The source that a node covers."""
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


def line(node: Node) -> int:
    """1-based line on which a node starts."""
    return node.start_point[0] + 1


def walk(root: Node) -> Iterator[Node]:
    """The node and all below it, in source order, without recursion."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def bare(node: Node | None) -> Node | None:
    """The node without parentheses and casts around it."""
    while node is not None and node.type in ("parenthesized_expression", "cast_expression"):
        node = node.child_by_field_name("value") if node.type == "cast_expression" else first_expression(node)
    return node


def first_expression(node: Node) -> Node | None:
    """The first named child that is no comment."""
    return next((child for child in node.named_children if child.type != "comment"), None)


def enclosing(node: Node, *types: str) -> Iterator[Node]:
    """Ancestors of those types, nearest first."""
    up = node.parent
    while up is not None:
        if up.type in types:
            yield up
        up = up.parent


def callee(call: Node) -> str:
    """Name of the function that a call names, empty where it is no plain name."""
    function = bare(call.child_by_field_name("function"))
    return text(function) if function is not None and function.type == "identifier" else ""


def arguments(call: Node) -> list[Node]:
    """The argument expressions of a call."""
    held = call.child_by_field_name("arguments")
    return [child for child in held.named_children if child.type != "comment"] if held is not None else []


def string_literal(node: Node | None) -> str | None:
    """The characters of a string literal (adjacent ones joined), or ``None`` where the node is none."""
    node = bare(node)
    if node is None:
        return None
    if node.type == "concatenated_string":
        parts = [string_literal(child) for child in node.named_children if child.type == "string_literal"]
        whole = [part for part in parts if part is not None]
        return "".join(whole) if len(whole) == len(node.named_children) else None
    if node.type != "string_literal":
        return None
    raw = text(node)
    quoted = raw[raw.find('"') + 1 : -1]
    return quoted.encode("latin-1", "replace").decode("unicode_escape", "replace")


@dataclass(frozen=True)
class Unit:
    """One C file: its tree, functions, constants and types.

    Attributes:
        source: the text.
        root: the tree's root; it may hold error nodes.
    """

    source: str
    root: Node
    _keep: bytes = field(repr=False, default=b"")

    @cached_property
    def functions(self) -> dict[str, Node]:
        """Definitions by name; of two with one name, the first."""
        found: dict[str, Node] = {}
        for node in walk(self.root):
            if node.type == "function_definition":
                found.setdefault(declared_name(node.child_by_field_name("declarator")), node)
        return found

    @cached_property
    def macros(self) -> dict[str, Node]:
        """Values of ``#define NAME value``, parsed as expressions."""
        found: dict[str, Node] = {}
        for node in walk(self.root):
            if node.type == "preproc_def":
                value = _parse_expression(text(node.child_by_field_name("value")))
                if value is not None:
                    found[text(node.child_by_field_name("name"))] = value
        return found

    @cached_property
    def compared(self) -> frozenset[str]:
        """Source texts of the operands in conditions of loops, ``if`` and ``?:``."""
        holders = (n for n in walk(self.root) if n.type in (*LOOPS, "if_statement", "conditional_expression"))
        conditions = [inner for n in holders if (inner := bare(n.child_by_field_name("condition"))) is not None]
        operations = (node for condition in conditions for node in walk(condition) if node.type in _OPERATIONS)
        return frozenset(text(bare(child)) for node in operations for child in node.named_children)

    @cached_property
    def loop_bounds(self) -> frozenset[str]:
        """Source texts of both sides of every ``<``, ``<=``, ``>`` and ``>=`` inside a ``for`` or ``while`` loop."""
        found: set[str] = set()
        for node in walk(self.root):
            sign = text(node.child_by_field_name("operator")) if node.type == "binary_expression" else ""
            inside = sign in ("<", "<=", ">", ">=") and any(enclosing(node, "for_statement", "while_statement"))
            found |= {text(node.child_by_field_name(side)) for side in ("left", "right")} if inside else set()
        return frozenset(found)

    @cached_property
    def defined(self) -> frozenset[str]:
        """Names of macros: the file's own, and those of gcc on Linux."""
        own = (n for n in walk(self.root) if n.type in ("preproc_def", "preproc_function_def"))
        return PREDEFINED | {text(node.child_by_field_name("name")) for node in own}

    def defines(self, name: Node | None, negated: bool = False) -> bool:
        """Whether ``#ifdef name`` (or ``#ifndef name``) holds."""
        return (text(name) in self.defined) != negated

    def holds(self, condition: Node) -> bool | None:
        """Whether the condition of an ``#if`` holds; ``None`` where that is unknown."""
        if condition.type == "number_literal":
            return text(condition) not in ("0", "0L")
        if condition.type == "preproc_defined":
            return self.defines(first_expression(condition))
        if condition.type == "identifier":
            return None if text(condition) in self.defined else False
        if condition.type == "parenthesized_expression" and (inner := first_expression(condition)) is not None:
            return self.holds(inner)
        sign = text(condition.child_by_field_name("operator"))
        parts = [condition.child_by_field_name(name) for name in ("argument", "left", "right")]
        known = [self.holds(part) for part in parts if part is not None]
        if sign == "!" and known[0] is not None:
            return not known[0]
        if sign in ("&&", "||"):
            decisive = sign == "||"
            if decisive in known:
                return decisive
            return None if None in known else not decisive
        return None

    @cached_property
    def broken(self) -> str:
        """Why the tree is not that of a C file, empty where it is."""
        if not self.root.has_error:
            return ""
        bad = next((node for node in walk(self.root) if node.is_error or node.is_missing), self.root)
        return f"line {line(bad)}: syntax error"


def parse(source: str) -> Unit:
    """Parse C source.

    Raises:
        GaveUp: it is nested deeper than ``DEEPEST``.
    """
    data = source.encode("utf-8", "replace")
    tree = _parser().parse(data)
    if _depth(tree.root_node) > DEEPEST:
        raise GaveUp(f"nested more than {DEEPEST} levels deep")
    return Unit(source, tree.root_node, data)


def _depth(root: Node) -> int:
    deepest, level = 0, [root]
    while level:
        deepest += 1
        if deepest > DEEPEST:
            break
        level = [child for node in level for child in node.children]
    return deepest


@lru_cache(maxsize=4096)
def _parse_expression(source: str) -> Node | None:
    if not source.strip() or len(source) > 500:
        return None
    unit = _parser().parse(f"int x = {source.strip()};".encode())
    if unit.root_node.has_error:
        return None
    declarator = unit.root_node.children[0].child_by_field_name("declarator")
    return declarator.child_by_field_name("value") if declarator is not None else None


def declared_name(declarator: Node | None) -> str:
    """The name inside a declarator, however many stars and brackets are around it."""
    while declarator is not None and declarator.type not in ("identifier", "field_identifier", "type_identifier"):
        declarator = declarator.child_by_field_name("declarator") or first_expression(declarator)
    return text(declarator)
