"""How a statement follows from comparisons: "at least k of these", nested, with p-values for it and against it.

Each comparison is one number with its error that supports the statement where it is above 0. "All of them" needs every
one to be significant (the intersection-union test, no correction). "Any of them" is tested by max-t over the joint
draws; what lies between, and what has no joint draws, by partial conjunctions (:func:`stats.at_least`). The negation of
"at least k of n" is "at least n - k + 1 of their negations", so that refuting is tested with the same care as
supporting.

Nothing is certain by construction. A comparison without data, and one without an error (a constant), supports nothing
and refutes nothing. A difference below ``TIE`` is a tie and counts as 0: "above" does not hold by its value, "at least
as high" (``or_equal``) does, and its p-values are those of its error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as _scipy_stats

from ...metrics import stats
from ...metrics.stats import Array, Estimate

_scipy: Any = _scipy_stats
ALPHA = 0.05
TIE = 1e-9  # in the unit of the comparison: printed numbers differ by at least 1e-3, so that less is float noise
# True values at which the power of a claim is stated, by unit of its comparisons: beyond what it must exceed.
EFFECTS: Mapping[str, float] = MappingProxyType(
    {"points": 2.0, "percent": 2.0, "percent of Pass@1": 5.0, "nats": 0.02, "correlation": 0.5}
)


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison; it supports the claim where its value is above 0.

    Attributes:
        label: what is compared ("7B: FFT − LoRA").
        estimate: the number with its error and 95% interval; NaN where data are missing.
        unit: of the number.
        p_for, p_against: one-sided p-values of "above 0" and "not above 0"; 1 and 1 where it cannot be tested.
        values: the number and its replicates (or what-if values, :mod:`reversal`), shape (1 + r,), if it has any.
        chance: for tests without replicates, the power at ``EFFECTS``; NaN where it is not known.
        or_equal: a tie supports the claim too.
    """

    label: str
    estimate: Estimate
    unit: str
    p_for: float
    p_against: float
    values: Array | None = None
    chance: float = float("nan")
    or_equal: bool = False

    @property
    def draws(self) -> Array | None:
        """Centred replicates over the standard error, shape (r,); ``None`` where there are none."""
        if self.values is None or not self.tested or not self.estimate.se > 0 or np.isnan(self.values).any():
            return None
        drawn = self.values[1:]
        return np.asarray((drawn - drawn.mean()) / self.estimate.se)

    def holds(self, values: Array) -> npt.NDArray[np.bool_]:
        """Whether numbers in place of the part's own would support the claim."""
        return np.asarray(values > TIE) | (np.asarray(np.abs(values) <= TIE) & self.or_equal)

    @property
    def available(self) -> bool:
        """Whether there are data for it."""
        return self.estimate.value == self.estimate.value

    @property
    def tested(self) -> bool:
        """Whether its p-values say anything: it has data, and an error."""
        return self.available and not self.p_for == self.p_against == 1.0


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
        holds: by the values alone, without their errors; ``None`` where that depends on missing data.
        p_for, p_against: of the statement and of its negation.
    """

    holds: bool | None
    p_for: float
    p_against: float


def part(label: str, values: Array, unit: str = "points", or_equal: bool = False) -> Part:
    """A comparison from its value and replicates, shape (1 + r,)."""
    values = np.where(np.abs(values) <= TIE, 0.0, values)
    estimate = stats.from_draws(values)
    if not estimate.se > 1e-9 * max(1.0, abs(estimate.value)):  # a constant, up to rounding
        return Part(label, Estimate(estimate.value), unit, 1.0, 1.0, values, or_equal=or_equal)
    p_values = stats.sign_test(estimate.value, estimate.se)
    return Part(label, estimate, unit, *p_values, values, or_equal=or_equal)


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


def _unwrapped(node: Node) -> Node:
    """A statement about one statement is that statement: "all of one" must not be taken for "any of one"."""
    while isinstance(node, AtLeast) and node.k == len(node.of) == 1:
        node = node.of[0]
    return node


def _alike(node: AtLeast) -> list[Node]:
    """A node's statements, those of the same kind below it taken up: all of all is all, any of any is any."""
    found: list[Node] = []
    for below in map(_unwrapped, node.of):
        same = isinstance(below, AtLeast) and (
            (below.k == len(below.of) and node.k == len(node.of)) or (below.k == 1 and node.k == 1)
        )
        found += _alike(below) if same and isinstance(below, AtLeast) else [below]
    return found


def judge(node: Node) -> Finding:
    """Combine the comparisons below a node."""
    node = _unwrapped(node)
    if isinstance(node, Part):
        holds = bool(node.holds(np.array(node.estimate.value))) if node.available else None
        return Finding(holds, node.p_for, node.p_against)
    nodes = _alike(node)
    k = len(nodes) if node.k == len(node.of) else node.k
    if k == 0:  # of no comparison, also where each of its parts has none
        return Finding(True, 0.0, 1.0)
    found, n = [judge(below) for below in nodes], len(nodes)
    yes, unsure = sum(f.holds is True for f in found), sum(f.holds is None for f in found)
    holds = True if yes >= k else False if yes + unsure < k else None
    p_for = _any(nodes, 1.0) if k == 1 else stats.at_least(k, [f.p_for for f in found])
    p_against = _any(nodes, -1.0) if k == n else stats.at_least(n - k + 1, [f.p_against for f in found])
    return Finding(holds, p_for, p_against)


def _any(nodes: Sequence[Node], sign: float) -> float:
    """P-value of "any of these is above 0" (``sign`` 1) or of "any is below" (-1): by max-t over the joint draws.

    Without joint draws of all that can be tested, by Bonferroni's bound.
    """
    found = [judge(below) for below in nodes]
    bound = stats.at_least(1, [f.p_for if sign > 0 else f.p_against for f in found])
    tested = [below for below in nodes if not isinstance(below, Part) or below.tested]
    draws = [drawn for below in tested if isinstance(below, Part) and (drawn := below.draws) is not None]
    if not draws or len(draws) < len(tested) or len({len(d) for d in draws}) > 1:
        return bound
    values = [sign * below.estimate.value / below.estimate.se for below in tested if isinstance(below, Part)]
    return min(bound, stats.max_t(values, sign * np.stack(draws)))  # the draws resolve no less than 1 / (r + 1)


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


def power(node: Node) -> float:
    """The chance of "supported" if every comparison's true value were that of ``EFFECTS``; NaN where it is not known.

    Estimates vary about those values as the joint replicates do.
    """
    if not list(parts(node)):
        return float("nan")
    chances = [p.chance for p in parts(node) if p.draws is None]
    if chances:  # tests without draws: all must be known, and the weakest bounds them from above
        return float(min(chances)) if len(chances) == len(list(parts(node))) else float("nan")
    found = _p_at_effect(node)
    return float((found <= ALPHA).mean())


def _p_at_effect(node: Node) -> Array:
    """P-values of a statement in replicates whose true values are those of ``EFFECTS``, shape (r,)."""
    if isinstance(node, Part):
        draws = node.draws
        assert draws is not None
        return np.asarray(_scipy.norm.sf(EFFECTS.get(node.unit, np.nan) / node.estimate.se + draws))
    made = [_p_at_effect(below) for below in node.of if list(parts(below))]
    k = node.k - (len(node.of) - len(made))  # a statement about nothing always holds
    if k <= 0:
        return np.zeros_like(made[0])
    found = np.sort(made, axis=0)
    return np.asarray(np.minimum(1.0, (len(found) - k + 1) * found[k - 1]))
