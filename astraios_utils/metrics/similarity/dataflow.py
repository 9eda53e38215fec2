"""The data flow of a Python program, as CodeBLEU compares it (Ren et al. 2020, section 3.3; Guo et al. 2021).

Every name and literal of the program is a use; a use comes from where its name was last written, or is computed from
the right side of its assignment. The graph ignores what names are called: they are numbered as they appear.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

Flow = tuple[str, str, tuple[str, ...]]  # what, how ("comesFrom", "computedFrom"), and from what
State = dict[str, tuple[int, ...]]  # where each name was last written
Nodes = Sequence["Node"]

_ROWS = ("pattern_list", "tuple_pattern", "list_pattern", "expression_list", "tuple", "list")
_BRANCHES = ("elif_clause", "else_clause")
_LOOPS = ("for_statement", "while_statement")
_DEEPEST = 200  # nested nodes; what lies deeper is read as a flat row of tokens
_TWICE = 6  # nested loops whose bodies are walked twice: each doubles the work


@dataclass(slots=True)
class _Use:
    """What is known of the use at one place: its name, and the names and places it comes from."""

    name: str
    how: str
    names: tuple[str, ...]
    places: tuple[int, ...]

    def join(self, other: _Use) -> None:
        """Take in what another visit of the same place found (loops are walked twice)."""
        self.how = other.how
        self.names = tuple(dict.fromkeys(self.names + other.names))
        self.places = tuple(dict.fromkeys(self.places + other.places))


def leaves(root: Node) -> Iterator[Node]:
    """The tokens below a node in their order, a string being one; comments and what the parser made up left out."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.child_count == 0 or node.type == "string":
            if node.type != "comment" and node.start_byte < node.end_byte:
                yield node
        else:
            stack += reversed(node.children)


@dataclass(slots=True)
class _Walker:
    """Collects the uses of one program; ``places`` numbers its tokens by where they begin."""

    places: dict[int, int]
    uses: dict[int, _Use] = field(default_factory=dict)
    depth: int = 0
    loops: int = 0

    def words(self, node: Node) -> list[tuple[str, int]]:
        """The names and literals below a node, each with its place; keywords and signs are none."""
        found = ((_text(leaf), leaf) for leaf in leaves(node))
        return [(text, self.places[leaf.start_byte]) for text, leaf in found if leaf.type != text]

    def add(self, place: int, use: _Use) -> None:
        if place in self.uses:
            self.uses[place].join(use)
        else:
            self.uses[place] = use

    def visit(self, node: Node, state: State) -> State:
        """Walk one node in the order of execution; return what its names stand for afterwards."""
        self.depth += 1
        if node.child_count == 0 or node.type == "string" or self.depth > _DEEPEST:
            state = self.read(node, state)
        elif node.type == "default_parameter":
            state = self.default(node, state)
        elif node.type in ("assignment", "augmented_assignment", "for_in_clause"):
            state = self.assign(node, state)
        elif node.type == "if_statement":
            state = self.choose(node, state)
        elif node.type in _LOOPS:
            state = self.repeat(node, state)
        else:
            state = self.follow(node.children, state)
        self.depth -= 1
        return state

    def follow(self, nodes: Iterable[Node], state: State) -> State:
        """One after the other, but the loops of a comprehension before its element."""
        for node in sorted(nodes, key=lambda child: child.type != "for_in_clause"):
            state = self.visit(node, state)
        return state

    def read(self, node: Node, state: State) -> State:
        """A name comes from where it was last written; its first mention writes it."""
        for leaf in leaves(node):
            for name, place in self.words(leaf):
                known = state.get(name, ())
                self.add(place, _Use(name, "comesFrom", (name,) if known else (), known))
                if not known and leaf.type == "identifier":
                    state = {**state, name: (place,)}
        return state

    def default(self, node: Node, state: State) -> State:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or value is None:
            return self.follow(node.children, state)
        return self.write([name], [value], self.visit(value, state), "comesFrom")

    def assign(self, node: Node, state: State) -> State:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:  # an annotation alone
            return state
        return self.write(*_pairs(left, right), self.visit(right, state))

    def write(self, targets: Nodes, values: Nodes, state: State, how: str = "computedFrom") -> State:
        """Each word of a target comes from all words of its value, and stands for what was written from now on."""
        for target, value in zip(targets, values, strict=True):
            names, places = zip(*self.words(value), strict=True) if self.words(value) else ((), ())
            for text, place in self.words(target):
                self.add(place, _Use(text, how, names, places))
                state = {**state, text: (place,)}
        return state

    def choose(self, node: Node, state: State) -> State:
        """A name stands for what any branch wrote; without an else, also for what was before."""
        before, ends = state, []
        for child in node.children:
            if child.type in _BRANCHES:
                ends.append(self.follow(child.children, before))
            else:
                state = self.visit(child, state)
        ends.append(state)
        if not any(child.type == "else_clause" for child in node.children):
            ends.append(before)
        names = dict.fromkeys(name for end in ends for name in end)
        return {name: tuple(sorted({p for end in ends for p in end.get(name, ())})) for name in names}

    def repeat(self, node: Node, state: State) -> State:
        """A loop, walked once more so that what its body wrote reaches its beginning."""
        self.loops += 1
        for _ in range(2 if self.loops <= _TWICE else 1):
            state = self.once(node, state)
        self.loops -= 1
        return state

    def once(self, node: Node, state: State) -> State:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:  # a while loop
            return self.follow(node.children, state)
        state = self.write(*_pairs(left, right), self.visit(right, state))
        return self.follow((child for child in node.children if child.type in ("block", "else_clause")), state)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", errors="replace")


def _pairs(left: Node, right: Node) -> tuple[Nodes, Nodes]:
    """What is written from what: element by element between two rows of one length, else the whole."""
    targets, values = (node.named_children if node.type in _ROWS else [node] for node in (left, right))
    return (targets, values) if len(targets) == len(values) else ([left], [right])


def flows(root: Node) -> list[Flow]:
    """The data-flow graph below a parsed program's root, one entry a use that flows from or to another.

    Names are ``var_0``, ``var_1`` … in the order in which the graph mentions them.
    """
    walker = _Walker({leaf.start_byte: number for number, leaf in enumerate(leaves(root))})
    walker.visit(root, {})
    sources = {place for use in walker.uses.values() for place in use.places}
    numbers: dict[str, str] = {}
    graph = []
    for place, use in sorted(walker.uses.items()):
        if use.places or place in sources:
            for name in (*use.names, use.name):
                numbers.setdefault(name, f"var_{len(numbers)}")
            graph.append((numbers[use.name], use.how, tuple(numbers[name] for name in use.names)))
    return graph
