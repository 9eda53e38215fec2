"""The named tests of the ledger: each turns evidence and the arguments in ``claims.yaml`` into comparisons.

A comparison supports the claim where it is above 0. Sizes are named by place, so that a claim can be read in any suite:
``all``, ``smallest``, ``largest``, ``small`` and ``large`` (the lower and the upper half), or ``mean`` (averaged over
all), or named. Methods are named, or ``PEFT`` (the paper's six), or ``others`` (the paper's seven but those compared).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from ... import schema
from ...metrics import stats
from ...metrics.stats import Array, Coefficient
from .evidence import TOLERANCES
from .logic import EFFECTS, AtLeast, Node, Part, every, part
from .measures import Cell, Reader, unit_of

PEFT = tuple(method for method in schema.METHODS if method != "FFT")
Needed = str | int
Names = str | Sequence[str]


def _methods(names: Names, but: Sequence[str] = ()) -> tuple[str, ...]:
    if names == "others":
        return tuple(method for method in schema.METHODS if method not in but)
    if names == "PEFT":
        return tuple(method for method in PEFT if method not in but)
    listed = [names] if isinstance(names, str) else names
    return tuple(schema.match(name, (*schema.ALL_METHODS, schema.UNTUNED), "method") for name in listed)


def _sizes(reader: Reader, which: str | Sequence[str]) -> tuple[str, ...]:
    """Sizes by place, or those of the named ones that the evidence has."""
    if not isinstance(which, str):
        reader.wanted.update(f"models of size {size}" for size in which if size not in reader.sizes)
        return tuple(size for size in reader.sizes if size in which)
    sizes, half = reader.sizes, len(reader.sizes) // 2
    chosen = {"all": sizes, "smallest": sizes[:1], "largest": sizes[-1:], "small": sizes[:half], "large": sizes[half:]}
    return chosen[schema.match(which, chosen, "choice of sizes")]


def _one_size(reader: Reader) -> Part:
    """A comparison of sizes in a suite that has one size: its data are missing, so that nothing follows from it."""
    reader.wanted.add("a suite of several sizes")
    return part("no two sizes", reader.nothing())


def _of_several_sizes(test: Callable[..., Node]) -> Callable[..., Node]:
    """A test that compares sizes: where there is but one, it would be true, or false, of nothing."""

    @functools.wraps(test)
    def checked(reader: Reader, *args: Any, **arguments: Any) -> Node:
        return test(reader, *args, **arguments) if len(reader.sizes) > 1 else _one_size(reader)

    return checked


def _beyond(margin: float) -> str:
    """What stands behind a difference that must exceed a margin."""
    return f" − {margin:g}" if margin > 0 else f" + {-margin:g}" if margin < 0 else ""


def ahead(
    reader: Reader,
    measure: str,
    methods: Names,
    of: Names = "others",
    *,
    sizes: Names = "all",
    pairs: Needed = "all",
    across: Needed = "all",
    lower: bool = False,
    margin: float = 0.0,
    or_equal: bool = False,
) -> Node:
    """Each of ``methods`` is better than each of ``of`` by more than ``margin``, at each of the sizes.

    Args:
        measure: of what; ``lower``: less is better.
        sizes: which; ``mean``: averaged over all of them.
        pairs: how many of the pairs must be so at a size (``all``, ``most``, ``any``, a number).
        across: at how many of the sizes.
        or_equal: a tie counts too (below ``logic.TIE``).
    """
    first = _methods(methods)
    chosen = [(a, b) for a, b in itertools.product(first, _methods(of, first)) if a != b]
    sign = -1.0 if lower else 1.0
    groups = {"mean": reader.sizes} if sizes == "mean" else {size: (size,) for size in _sizes(reader, sizes)}

    def compare(where: str, a: str, b: str) -> Part:
        gap = reader.mean([reader.difference(measure, (size, a), (size, b)) for size in groups[where]])
        label = f"{where}: {b} − {a}" if lower else f"{where}: {a} − {b}"
        return part(label + _beyond(margin), sign * gap - margin, reader.unit(measure), or_equal)

    by_size = [AtLeast(pairs, tuple(compare(where, a, b) for a, b in chosen)) for where in groups]
    none = _one_size(reader) if isinstance(sizes, str) and not by_size else part("no such size", reader.nothing())
    return AtLeast(across, tuple(by_size) or (none,))


def near(reader: Reader, measure: str, methods: Names, of: Names, within: float, sizes: Names = "all") -> Node:
    """Each of ``methods`` is within ``within`` of each of ``of``, to either side, at each of the sizes."""
    first, second = _methods(methods), _methods(of)
    return every(
        [
            ahead(reader, measure, first, second, sizes=sizes, margin=-within),
            ahead(reader, measure, second, first, sizes=sizes, margin=-within),
        ]
    )


def size_ahead(reader: Reader, measures: Sequence[str], size: str, of: Sequence[str], methods: Names) -> Node:
    """With each of the methods, a size has a higher value than each of the others in ``of``, on every measure."""
    if missing := [name for name in (size, *of) if name not in reader.sizes]:
        reader.wanted.update(f"models of size {name}" for name in missing)
        return part("no such size", reader.nothing())
    return every(
        [
            part(f"{method}, {name}: {size} − {other}", reader.difference(name, (size, method), (other, method)))
            for method, name, other in itertools.product(_methods(methods), measures, of)
        ]
    )


@_of_several_sizes
def gap_grows(reader: Reader, measure: str, methods: Names, of: str) -> Node:
    """How far each of the methods lies below ``of`` grows over the sizes (least-squares slope over their places)."""
    every_size = range(len(reader.sizes))
    whole = reader.slope(measure, of, every_size)
    return every(
        [
            part(f"slope of {of} − {method}", whole - reader.slope(measure, method, every_size), unit_of(measure))
            for method in _methods(methods)
        ]
    )


@_of_several_sizes
def swaps(reader: Reader, measure: str, methods: Names = "PEFT") -> Node:
    """Some pair of methods changes places: one is better at some size, the other at another."""
    unit = unit_of(measure)

    def leads(a: str, b: str) -> AtLeast:
        gaps = {size: reader.difference(measure, (size, a), (size, b)) for size in reader.sizes}
        return AtLeast("any", tuple(part(f"{size}: {a} − {b}", gap, unit) for size, gap in gaps.items()))

    pairs = itertools.combinations(_methods(methods), 2)
    return AtLeast("any", tuple(every([leads(a, b), leads(b, a)]) for a, b in pairs))


@_of_several_sizes
def grows(
    reader: Reader,
    measures: Names,
    methods: Names = "others",
    *,
    by: Literal["step", "ends", "trend"] = "step",
    down: bool = False,
    margin: float = 0.0,
    across: Needed = "all",
    average: bool = False,
) -> Node:
    """Each measure rises (``down``: falls) with size, for each of the methods.

    Args:
        by: from each size to the next (``step``), from the smallest to the largest (``ends``), or in the least-squares
            slope over the sizes' places (``trend``, per step).
        margin: what a comparison must exceed.
        across: how many of the methods must do so.
        average: the mean over the methods must do so.
    """
    names = [measures] if isinstance(measures, str) else list(measures)
    chosen = _methods(methods)
    sign = -1.0 if down else 1.0
    nodes = []
    for who, group in {"mean of methods": chosen}.items() if average else {m: (m,) for m in chosen}.items():
        changes = []
        for name in names:
            title = "" if len(names) == 1 else f", {name}"
            for label, values in _changes(reader, name, group, by, down):
                what = f"{who}{title}: {label}{_beyond(margin)}"
                changes.append(part(what, sign * values - margin, unit_of(name)))
        nodes.append(every(changes))
    return AtLeast(across, tuple(nodes))


def _changes(reader: Reader, name: str, methods: Sequence[str], by: str, down: bool) -> list[tuple[str, Array]]:
    """Changes of a measure over the sizes, averaged over methods, with their labels."""
    places = {method: reader.places(name, method) for method in methods}
    if by == "trend":
        slopes = [reader.slope(name, method, places[method]) for method in methods]
        return [(f"slope a step, {'downwards' if down else 'upwards'}", reader.mean(slopes))]
    seen = sorted(set(itertools.chain(*places.values())))
    pairs = list(itertools.pairwise(seen)) if by == "step" else [(seen[0], seen[-1])] if len(seen) > 1 else []
    found = []
    for i, j in pairs:
        small, large = reader.sizes[i], reader.sizes[j]
        rises = [reader.difference(name, (large, method), (small, method)) for method in methods]
        found.append((f"{small} − {large}" if down else f"{large} − {small}", reader.mean(rises)))
    return found or [("no two sizes", reader.nothing())]


def below(reader: Reader, measure: str, than: Names, sizes: str = "all", methods: Names = "others") -> Node:
    """For every model, one measure is below each of the others."""
    others = [than] if isinstance(than, str) else than
    return every(
        [
            part(
                f"{size} {method}: {other} − {measure}",
                reader.value(other, size, method) - reader.value(measure, size, method),
                unit_of(measure),
            )
            for size in _sizes(reader, sizes)
            for method in _methods(methods)
            for other in others
        ]
    )


@_of_several_sizes
def catches_up(reader: Reader, measure: str, to: str) -> Node:
    """Averaged over methods, a measure lies below another at each small size, and its share of it grows to the large.

    The share is that of the sums over all models of the lower half of the sizes, and of the upper half.
    """

    def sums(sizes: Sequence[str]) -> tuple[Array, Array]:
        own = [(reader.value(measure, s, m), reader.value(to, s, m)) for s in sizes for m in schema.METHODS]
        return reader.mean([a + 0 * b for a, b in own]), reader.mean([b + 0 * a for a, b in own])

    small, large = _sizes(reader, "small"), _sizes(reader, "large")
    gaps = []
    for size in small:
        one, other = sums([size])
        gaps.append(part(f"{size}: {to} − {measure}", other - one))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [np.divide(*sums(sizes)) for sizes in (large, small)]
    label = f"{measure} / {to}: {', '.join(large)} − {', '.join(small)}"
    return every([*gaps, part(label, 100 * (shares[0] - shares[1]), "percent")])


@_of_several_sizes
def flatter(reader: Reader, measure: str, than: str, methods: Names = "PEFT") -> Node:
    """For each method, a measure's slope over sizes is less steep, up or down, than another's."""
    nodes = []
    for method in _methods(methods):
        places = sorted(set(reader.places(measure, method)) & set(reader.places(than, method)))
        steep, flat = (np.abs(reader.slope(name, method, places)) for name in (than, measure))
        nodes.append(part(f"{method}: slope of {than} − of {measure}", steep - flat))
    return every(nodes)


def _combined(reader: Reader, *names: str) -> list[list[Array]]:
    """Measures as tables, shape (1 + s, sizes, methods); several sets where orders of losses are not unique."""
    return [list(tables) for tables in itertools.product(*(reader.tables(name) for name in names))]


def _printed(reader: Reader, x: str, y: str, coefficient: Coefficient) -> dict[str, Array]:
    """Printed coefficients of two measures by size (or ``overall``); empty where none are printed.

    The paper gives its losses as printed correlations only. Those have the sign that the text gives them (lower loss
    goes with better performance: positive).
    """
    rows = reader.evidence.printed
    if not len(rows):
        return {}
    rows = rows[rows["coefficient"] == coefficient]
    rows = rows[((rows["x"] == x) & (rows["y"] == y)) | ((rows["x"] == y) & (rows["y"] == x))]
    return {
        str(size): reader.coefficient(Cell(f"{x} ~ {y}", coefficient, str(size), ""), float(value))
        for size, value in zip(rows["size"], rows["value"], strict=True)
    }


def _in_order(reader: Reader, coefficient: Coefficient, *names: str) -> bool:
    """Whether numbers, or orders that suffice for a rank coefficient, are there instead of printed coefficients."""
    return coefficient != "pearson" or not any(reader.ordered(name) for name in names)


def _associated(label: str, found: stats.Association, above: float = 0.0, chance: float = math.nan) -> Part:
    """A within-size association against a threshold."""
    estimate = stats.Estimate(found.value - above, found.se, found.low - above, found.high - above, found.methods)
    return Part(label + _beyond(above), estimate, "correlation", *found.against(above), chance=chance)


def _least(reader: Reader, found: Sequence[Part]) -> Part:
    """What comparisons have in common that are true in one of several possible worlds: the weakest p-values."""
    values = [one.estimate.value for one in found]
    agree = all(value > 0 for value in values) or all(value < 0 for value in values) or len(values) == 1
    weakest = min(found, key=lambda one: abs(one.estimate.value))
    p_values = max(one.p_for for one in found), max(one.p_against for one in found)
    estimate = weakest.estimate if agree else stats.Estimate(math.nan)
    if not agree:
        reader.wanted.add("the order of the losses, of which several remain possible")
    return replace(weakest, estimate=estimate, p_for=p_values[0], p_against=p_values[1])


def _described(label: str, values: Array) -> Part:
    """A coefficient without a test, with what it is in the scenarios where there are any."""
    return Part(label, stats.Estimate(float(values[0])), "correlation", 1.0, 1.0, values)


def _coefficient(x: Array, y: Array, coefficient: Coefficient) -> Array:
    """The mean within sizes by scenario: tables of shape (1 + s, sizes, methods) to shape (1 + s,)."""
    return np.array([stats.mean_within(a, b, coefficient) for a, b in zip(x, y, strict=True)])


def _pooled(reader: Reader, x: str, y: str, coefficient: Coefficient, inverse: bool) -> Array:
    """The coefficient over all models together, by scenario; the printed one where numbers are not known."""
    if any(reader.ordered(name) for name in (x, y)):
        return _printed(reader, x, y, coefficient).get("overall", reader.nothing())
    ((a, b),) = _combined(reader, x, y)
    sign = -1.0 if inverse else 1.0
    return np.array(
        [_correlation(one.ravel(), sign * other.ravel(), coefficient) for one, other in zip(a, b, strict=True)]
    )


def _correlation(x: Array, y: Array, coefficient: Coefficient) -> float:
    return math.nan if np.isnan(x + y).any() else stats.correlation(x, y, coefficient).value


def correlates(
    reader: Reader,
    x: str,
    y: str,
    coefficients: Sequence[Coefficient] = ("kendall",),
    *,
    above: float = 0.0,
    inverse: bool = False,
    pooled: bool = False,
    described: bool = False,
) -> Node:
    """Two measures go together among the methods of a size by more than ``above``, in the mean over sizes.

    The test permutes methods (:func:`stats.association`); a threshold other than 0 takes the jackknife. Printed
    coefficients without the numbers behind them are described, not tested.

    Args:
        inverse: one falls as the other rises.
        pooled: over all models at once instead, as the paper does: a description, which decides nothing, because models
            of one size or method are no independent points.
        described: values without a test.
    """
    nodes = []
    for coefficient in coefficients:
        label = f"{'all models together' if pooled else 'mean within sizes'}: {coefficient}"
        if pooled:
            nodes.append(_described(label + _beyond(above), _pooled(reader, x, y, coefficient, inverse) - above))
        elif _in_order(reader, coefficient, x, y):
            sign = -1.0 if inverse else 1.0
            plain = described or reader.what_if is not None
            found = [_within(label, a, sign * b, coefficient, above, plain) for a, b in _combined(reader, x, y)]
            nodes.append(_least(reader, found))
        else:
            within = _within_printed(reader, x, y, coefficient)
            nodes.append(_described(label + _beyond(above), np.mean(list(within.values()), axis=0) - above))
    return every(nodes)


def _within_printed(reader: Reader, x: str, y: str, coefficient: Coefficient) -> dict[str, Array]:
    """Printed coefficients by size; NaN for the sizes for which none is printed."""
    printed = _printed(reader, x, y, coefficient)
    return {size: printed.get(size, reader.nothing()) for size in reader.sizes}


def _within(label: str, x: Array, y: Array, coefficient: Coefficient, above: float, plain: bool) -> Part:
    """The mean within sizes, tested, unless it is ``plain``."""
    if plain:
        return _described(label + _beyond(above), _coefficient(x, y, coefficient) - above)
    chance = stats.association_power(x.shape[2], x.shape[1], above + EFFECTS["correlation"])
    return _associated(label, stats.association(x[0], y[0], coefficient), above, chance)


def more_correlated(
    reader: Reader,
    x: str,
    than: str,
    y: str,
    coefficients: Sequence[Coefficient] = ("kendall",),
    *,
    inverse: bool = False,
    pooled: bool = False,
) -> Node:
    """``x`` goes together with ``y`` more than ``than`` does, among the methods of a size, in the mean over sizes.

    Printed coefficients give the difference alone: how dependent the two are is not printed. ``pooled``: over all
    models at once, a description.
    """
    sign, nodes = -1.0 if inverse else 1.0, []
    for coefficient in coefficients:
        label = f"{'all models together' if pooled else 'mean within sizes'}, {coefficient}: {x} − {than}"
        if pooled:
            one, other = (_pooled(reader, name, y, coefficient, inverse) for name in (x, than))
            nodes.append(_described(label, one - other))
        elif all(_in_order(reader, coefficient, name, y) for name in (x, than)):
            nodes.append(_least(reader, _gaps(reader, label, (x, than, y), coefficient, sign)))
        else:
            means = [np.mean(list(_within_printed(reader, n, y, coefficient).values()), axis=0) for n in (x, than)]
            nodes.append(_described(label, means[0] - means[1]))
    return every(nodes)


def _gaps(reader: Reader, label: str, names: tuple[str, str, str], coefficient: Coefficient, sign: float) -> list[Part]:
    """How much more the first measure goes with the third than the second does: one per possible order."""
    found = []
    for a, b, c in _combined(reader, *names):
        if reader.what_if is not None:
            gap = _coefficient(sign * a, c, coefficient) - _coefficient(sign * b, c, coefficient)
            found.append(_described(label, gap))
        else:
            found.append(_associated(label, stats.stronger(sign * a[0], sign * b[0], c[0], coefficient)))
    return found


def signs_differ(reader: Reader, x: str, y: str, inverse: bool = False) -> Node:
    """Two measures go together among the methods of some size, and against each other at another (Kendall)."""
    sign = -1.0 if inverse else 1.0
    by_size = [
        _least(reader, [_of_size(i, size, a, sign * b, reader) for a, b in _combined(reader, x, y)])
        for i, size in enumerate(reader.sizes)
    ]
    turned = [
        replace(
            one,
            label=f"{one.label}, below 0",
            estimate=_negative(one.estimate),
            p_for=one.p_against,
            p_against=one.p_for,
            values=None if one.values is None else -one.values,
        )
        for one in by_size
    ]
    return every([AtLeast("any", tuple(by_size)), AtLeast("any", tuple(turned))])


def _of_size(place: int, size: str, x: Array, y: Array, reader: Reader) -> Part:
    return _within(
        f"{size}: kendall", x[:, place : place + 1], y[:, place : place + 1], "kendall", 0.0, reader.what_if is not None
    )


def _negative(estimate: stats.Estimate) -> stats.Estimate:
    return replace(estimate, value=-estimate.value, low=-estimate.high, high=-estimate.low)


def pooling(
    reader: Reader, x: str, y: str, coefficients: Sequence[Coefficient], inverse: bool = False, weaker: bool = False
) -> Node:
    """Over all models at once, two measures go together more (``weaker``: less) than within sizes, in the mean.

    A description: models of one size or method are no independent points, and printed coefficients have no errors.
    """
    nodes = []
    for coefficient in coefficients:
        whole = _pooled(reader, x, y, coefficient, inverse)
        within = _by_size(reader, x, y, coefficient, inverse)
        gap = whole - np.mean(list(within.values()), axis=0)
        nodes.append(
            _described(f"{coefficient}: {'within − pooled' if weaker else 'pooled − within'}", -gap if weaker else gap)
        )
    return every(nodes)


def loosest_at_smallest(
    reader: Reader, x: str, y: str, coefficients: Sequence[Coefficient], inverse: bool = False
) -> Node:
    """Two measures go together less at the smallest size than at each other: a description, like :func:`pooling`."""
    nodes = []
    for coefficient in coefficients:
        smallest, *others = _by_size(reader, x, y, coefficient, inverse).items()
        nodes += [_described(f"{coefficient}: {size} − {smallest[0]}", value - smallest[1]) for size, value in others]
    return every(nodes or [_one_size(reader)])


def _by_size(reader: Reader, x: str, y: str, coefficient: Coefficient, inverse: bool) -> dict[str, Array]:
    """A coefficient of each size by scenario: printed, or else from the numbers."""
    if any(reader.ordered(name) for name in (x, y)):
        return _within_printed(reader, x, y, coefficient)
    ((a, b),) = _combined(reader, x, y)
    b = -b if inverse else b
    return {size: _coefficient(a[:, i : i + 1], b[:, i : i + 1], coefficient) for i, size in enumerate(reader.sizes)}


@_of_several_sizes
def same_order(reader: Reader, measure: str, above: float = 0.0, from_smallest: bool = False) -> Node:
    """The methods stand in a similar order at every size: Kendall's tau, in the mean over pairs of sizes.

    Args:
        from_smallest: over the pairs of the smallest size with each other one only.
    """
    pairs = "the smallest size with each other" if from_smallest else "pairs of sizes"
    label, found = f"mean over {pairs}: kendall", []
    for table in reader.tables(measure):
        if reader.what_if is not None:
            values = [stats.concordance_value(one, from_smallest) for one in table]
            found.append(_described(label + _beyond(above), np.array(values) - above))
        else:
            found.append(_associated(label, stats.concordance(table[0], from_first=from_smallest), above))
    return _least(reader, found)


@_of_several_sizes
def extrapolates(reader: Reader, measure: str = "test_loss", within: float = 0.02, methods: Names = "others") -> Node:
    """A power law in the base's size, fitted without the largest, predicts each method's loss there.

    The error must lie within ``within`` (a share) to either side, and be smaller than that of the naive (last-value)
    forecast. Replicates of the losses give both their errors. The base's size is the number of parameters that full
    fine-tuning trains.
    """
    sizes = [reader.value("trainable_parameters", size, "FFT")[0] for size in reader.sizes]
    nodes: list[Node] = []
    for method in _methods(methods):
        losses = np.stack([reader.value(measure, size, method) for size in reader.sizes])
        known = not (np.isnan(sizes).any() or np.isnan(losses[:, 0]).any()) and len(sizes) > 2
        error, naive = _forecast(np.array(sizes), losses) if known else (reader.nothing(), reader.nothing())
        at = f"{method}, {reader.sizes[-1]}"
        nodes += [
            part(f"{at}: {100 * within:g}% − error", 100 * (within - error), "percent"),
            part(f"{at}: {100 * within:g}% + error", 100 * (within + error), "percent"),
            part(f"{at}: |naive error| − |error|", 100 * (np.abs(naive) - np.abs(error)), "percent"),
        ]
    return every(nodes)


def _forecast(sizes: Array, losses: Array) -> tuple[Array, Array]:
    """Relative errors of the power law and of the last value at the largest size, each of shape (1 + r,)."""
    # To first order: a replicate with a normal error may lie below 0, where a loss has no logarithm.
    logs = np.log(losses[:, :1]) + losses / losses[:, :1] - 1
    u, v = np.log(sizes[:-1]), logs[:-1]
    slope = ((u - u.mean())[:, None] * (v - v.mean(axis=0))).sum(axis=0) / ((u - u.mean()) ** 2).sum()
    predicted = v.mean(axis=0) + slope * (math.log(sizes[-1]) - u.mean())
    return np.expm1(predicted - logs[-1]), np.expm1(logs[-2] - logs[-1])


def on_front(
    reader: Reader, measure: str, method: str, cost: str = "trainable_parameters", across: Needed = "all"
) -> Node:
    """A method is on the Pareto front at each size: it beats every other that costs no more.

    Costs that were measured once are equal within two tolerances (``evidence.TOLERANCES``).
    """
    by_size = []
    for size in reader.sizes:
        own = reader.value(cost, size, method)[0]
        rivals = []
        for other in _methods("others", [method]):
            price = reader.value(cost, size, other)[0]
            if not price > own * (1 + 2 * TOLERANCES.get(cost, 0.0)):  # or not known
                known = 0 * (own + price)  # NaN where a cost is missing
                gap = reader.difference(measure, (size, method), (size, other)) + known
                rivals.append(part(f"{size}: {method} − {other} (costs no more)", gap, unit_of(measure)))
        by_size.append(every(rivals))
    return AtLeast(across, tuple(by_size))


def peaks(reader: Reader, measure: str, methods: Names) -> Node:
    """Each method's measure rises from each size to the next up to the largest but one, and falls to the largest."""
    nodes = []
    for method in _methods(methods):
        for small, large in itertools.pairwise(reader.sizes):
            rise = reader.difference(measure, (large, method), (small, method))
            last = large == reader.sizes[-1]
            label = f"{method}: {small} − {large}" if last else f"{method}: {large} − {small}"
            nodes.append(part(label, -rise if last else rise, unit_of(measure)))
    return every(nodes if len(reader.sizes) > 2 else [_one_size(reader)])


def falls_early(reader: Reader, method: str, first: float) -> Node:
    """A method's test loss falls by more in the first share of its training than in the rest, at each size."""
    nodes = []
    for size in reader.sizes:
        late = _fall(reader, size, method, 1 - first)
        nodes.append(part(f"{size}: early − late fall", _fall(reader, size, method, 1.0) - 2 * late, "nats"))
    return every(nodes)


def keeps_falling(
    reader: Reader, methods: Names = "others", of: Names | None = None, last: float = 1.0, across: Needed = "all"
) -> Node:
    """Each method's test loss falls over the last share of its training; by more than each of ``of``, where given."""
    first = _methods(methods)
    nodes = []
    for size, method in itertools.product(reader.sizes, first):
        own = _fall(reader, size, method, last)
        rivals = _methods(of, first) if of is not None else ()
        nodes += [
            part(f"{size}: {method} − {other}", own - _fall(reader, size, other, last), "nats") for other in rivals
        ] or [part(f"{size}: {method}", own, "nats")]
    return AtLeast(across, tuple(nodes))


def _tests(reader: Reader, size: str, method: str) -> list[Array]:
    """Step and test loss of each training run of a model, shape (n, 2), by step; empty where none has 3 tests."""
    runs = reader.evidence.tests.get((size, method), [])
    if not runs or min(map(len, runs)) < 3:
        reader.missing.add(("losses", "", size, method))
        return []
    return runs


def _fall(reader: Reader, size: str, method: str, last: float) -> Array:
    """How much the test loss falls over the last share of training; its error is that of several training runs."""
    falls = []
    for run in _tests(reader, size, method):
        start = run[run[:, 0] <= (1 - last) * run[-1, 0]][-1, 1]
        falls.append(start - run[-1, 1])
    return reader.over_runs(falls, "fall", f"{last:g}", size, method)


def less_steady(reader: Reader, method: str, of: Names = "others") -> Node:
    """A method's test loss goes up again more, summed over its steps, than each other's, at each size."""

    def rises(size: str, name: str) -> Array:
        steps = [np.diff(run[:, 1]) for run in _tests(reader, size, name)]
        return reader.over_runs([float(step[step > 0].sum()) for step in steps], "rises", size, name)

    return every(
        [
            part(f"{size}: {method} − {other}", rises(size, method) - rises(size, other), "nats")
            for size in reader.sizes
            for other in _methods(of, [method])
        ]
    )


def both(reader: Reader, readings: Sequence[Mapping[str, Any]]) -> Node:
    """Every one of several readings, each with its ``test`` and ``arguments``."""
    return every([TESTS[one["test"]](reader, **one["arguments"]) for one in readings])


def at_rate(reader: Reader, rate: float, methods: Names, reading: Mapping[str, Any]) -> Node:
    """A reading with its ``test`` and ``arguments``, of methods that were trained at that learning rate."""
    if any(reader.evidence.rates.get(method, rate) != rate for method in _methods(methods)):
        reader.wanted.add(f"models trained at a learning rate of {rate:g}")
        return part("at another learning rate", reader.nothing())
    return both(reader, [reading])


TESTS: Mapping[str, Callable[..., Node]] = MappingProxyType(
    {
        test.__name__: test
        for test in (
            *(ahead, near, swaps, grows, below, catches_up, flatter, correlates, more_correlated, same_order),
            *(extrapolates, on_front, keeps_falling, less_steady, both, at_rate, signs_differ, pooling),
            *(loosest_at_smallest, peaks, falls_early, size_ahead, gap_grows),
        )
    }
)
