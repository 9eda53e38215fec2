"""How a statement follows from comparisons: "at least k of these", nested, with p-values for it and against it.

Each comparison is one number with its error that supports the statement where it is above 0. "All of them" needs every
one to be significant (the intersection-union test, no correction); "any" pays Bonferroni's price; both, and what lies
between, are partial conjunctions (:func:`stats.at_least`). The negation of "at least k of n" is "at least n - k + 1 of
their negations", so that refuting is tested with the same care as supporting. A comparison that lacks its data supports
nothing and refutes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...metrics import stats
from ...metrics.stats import Array, Estimate

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison; it supports the claim where its value is above 0.

    Attributes:
        label: what is compared ("7B: FFT − LoRA").
        estimate: the number with its error and 95% interval; NaN where data lack.
        unit: of the number.
        p_for, p_against: one-sided p-values of "above 0" and "not above 0"; 1 and 1 where data lack.
    """

    label: str
    estimate: Estimate
    unit: str
    p_for: float
    p_against: float

    @property
    def available(self) -> bool:
        """Whether there are data for it."""
        return self.estimate.value == self.estimate.value


@dataclass(frozen=True, slots=True)
class AtLeast:
    """``all`` of these hold, ``most`` (more than half), ``any``, or at least a number of them."""

    needed: str | int
    of: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not (self.needed in ("all", "most", "any") or isinstance(self.needed, int)) or self.k > len(self.of):
            raise ValueError(f"{self.needed!r} of {len(self.of)} comparisons: say all, most, any or a number of them")

    @property
    def k(self) -> int:
        """How many must hold; 0, of no comparison, always does."""
        counts = {"all": len(self.of), "most": len(self.of) // 2 + 1, "any": 1}
        return counts[self.needed] if isinstance(self.needed, str) else self.needed


Node = Part | AtLeast


@dataclass(frozen=True, slots=True)
class Finding:
    """What a statement comes to.

    Attributes:
        holds: by the values alone, without their errors; ``None`` where that hangs on data that lack.
        p_for, p_against: of the statement and of its negation.
    """

    holds: bool | None
    p_for: float
    p_against: float


def part(label: str, values: Array, unit: str = "points") -> Part:
    """A comparison from its value and replicates, shape (1 + r,)."""
    estimate = stats.from_draws(values)
    return Part(label, estimate, unit, *stats.sign_test(estimate.value, estimate.se))


def every(nodes: Sequence[Node]) -> AtLeast:
    """All of them hold."""
    return AtLeast("all", tuple(nodes))


def at_hand(node: Node) -> Node | None:
    """The same statement about those comparisons only that have their data; ``None`` where none is left."""
    if isinstance(node, Part):
        return node if node.available else None
    kept = tuple(below for below in map(at_hand, node.of) if below is not None)
    enough = len(kept) >= (node.needed if isinstance(node.needed, int) else 1)
    return AtLeast(node.needed, kept) if enough else None


def judge(node: Node) -> Finding:
    """Combine the comparisons below a node."""
    if isinstance(node, Part):
        return Finding(node.estimate.value > 0 if node.available else None, node.p_for, node.p_against)
    if node.k == 0:
        return Finding(True, 0.0, 1.0)
    found = [judge(below) for below in node.of]
    n, k = len(found), node.k
    yes, unsure = sum(f.holds is True for f in found), sum(f.holds is None for f in found)
    holds = True if yes >= k else False if yes + unsure < k else None
    return Finding(
        holds,
        stats.at_least(k, [f.p_for for f in found]),
        stats.at_least(n - k + 1, [f.p_against for f in found]),
    )


def decisive(node: Node, supported: bool) -> Part | None:
    """The comparison whose p-value becomes that of the statement (``supported``), or else of its negation.

    Of "at least k of n" that is the one that is the k-th surest to hold, or the (n - k + 1)-th surest not to; ``None``
    where nothing is compared.
    """
    if isinstance(node, Part):
        return node
    rank = node.k if supported else len(node.of) - node.k + 1
    found = [judge(below) for below in node.of]
    order = sorted(range(len(found)), key=lambda i: found[i].p_for if supported else found[i].p_against)
    return decisive(node.of[order[rank - 1]], supported) if 1 <= rank <= len(found) else None


def parts(node: Node) -> Iterator[Part]:
    """Every comparison below a node."""
    if isinstance(node, Part):
        yield node
    else:
        for below in node.of:
            yield from parts(below)
