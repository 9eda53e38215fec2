"""The order of the paper's unpublished final losses, reconstructed from the correlations of Tables 7 and 8.

The paper gives no loss as a number. It gives, per size, Kendall's and Spearman's correlation of the seven final losses
with the updated parameters (Table 7) and with the mean performance (Table 8). Both depend on the order of the losses
alone, and there are only 5,040 orders of seven methods: :func:`orders` keeps those that reproduce all four printed
coefficients.

Assumptions:

1. The losses of one size do not tie.
2. The other variable is the paper's own: Table 1's parameters, or the plain mean of Tables 2 and 3's eight columns.
3. A positive coefficient means that the larger value goes with the *lower* loss, as section 6 reads the tables.
4. A coefficient is printed rounded or cut off (1B prints 0.04 for 0.0476 and -0.285 for -0.2857).

Pearson's correlation depends on the losses' values, not on their order; it is not used.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import schema
from ..metrics.stats import Array, Coefficient, correlation
from ..sources import paper

RANK_COEFFICIENTS: tuple[Coefficient, ...] = ("kendall", "spearman")
_MEAN_DIGITS = 6  # a mean of eight columns printed with two decimals is a multiple of 0.00125: beyond is float noise


@dataclass(frozen=True, slots=True)
class Order:
    """One order of the methods by final loss that agrees with the printed coefficients.

    Attributes:
        size: of the base model.
        split: ``train`` or ``test``.
        methods: the method with the lowest loss first.
    """

    size: str
    split: str
    methods: tuple[str, ...]

    def place(self, method: str) -> int:
        """1 for the lowest loss, 7 for the highest."""
        return self.methods.index(method) + 1


def known(size: str) -> Mapping[int, Array]:
    """What the losses of a size are correlated with: parameters (7) and mean performance (8), in the paper's order."""
    parameters = paper.updated_parameters().set_index(["size", "method"])["parameters"]
    means = paper.mean_performance().set_index(["size", "method"])["value"].round(_MEAN_DIGITS)
    models = [(size, method) for method in schema.METHODS]
    return {7: parameters.loc[models].to_numpy(dtype=float), 8: means.loc[models].to_numpy(dtype=float)}


def agrees(value: float, printed: float, digits: int = 4) -> bool:
    """Whether a coefficient prints as ``printed``, rounded to ``digits`` decimals or cut off after them."""
    scale = 10**digits
    cut = math.trunc(round(value * scale, 6)) / scale
    return math.isclose(printed, cut, abs_tol=1e-9) or abs(value - printed) <= 0.5 / scale + 1e-9


def coefficients(order: Order) -> pd.DataFrame:
    """The rank coefficients that an order implies, next to the printed ones.

    Returns:
        A row per table and coefficient: table, coefficient, value, printed, digits (decimals of the printed number),
        agrees.
    """
    low = [-order.place(method) for method in schema.METHODS]
    rows = []
    for number, other in known(order.size).items():
        printed = paper.printed_coefficients(number, order.size, order.split)
        for name in RANK_COEFFICIENTS:
            value, text = correlation(other, low, name).value, printed[name]
            digits = len(text.partition(".")[2])
            rows.append((number, name, value, float(text), digits, agrees(value, float(text), digits)))
    return pd.DataFrame(rows, columns=["table", "coefficient", "value", "printed", "digits", "agrees"])


@lru_cache
def orders(size: str, split: str) -> tuple[Order, ...]:
    """Every order of the seven methods by final loss that reproduces the printed rank coefficients of a size.

    Args:
        size: one of the paper's.
        split: ``train`` or ``test``.

    Raises:
        schema.UnknownName: another size or split.
    """
    size = schema.match(size, schema.SIZES, "size")
    split = schema.match(split, ("train", "test"), "split")
    places = np.array(list(itertools.permutations(range(len(schema.METHODS)))))  # (5040, 7): a method's place
    kept = np.ones(len(places), dtype=bool)
    for number, other in known(size).items():
        printed = paper.printed_coefficients(number, size, split)
        for name, values in (("kendall", _kendall(other, -places)), ("spearman", _spearman(other, -places))):
            text = printed[name]
            digits = len(text.partition(".")[2])
            distinct, place = np.unique(values, return_inverse=True)
            kept &= np.array([agrees(value, float(text), digits) for value in distinct])[place]
    return tuple(Order(size, split, _by_place(row)) for row in places[kept])


def _by_place(places: Array) -> tuple[str, ...]:
    return tuple(schema.METHODS[i] for i in np.argsort(places))


def _kendall(x: Array, ys: Array) -> Array:
    """Kendall's tau-b of ``x`` (n,) with each row of ``ys`` (r, n), whose rows hold no ties."""
    i, j = np.triu_indices(len(x), 1)
    signs = np.sign(x[i] - x[j])
    together = (np.sign(ys[:, i] - ys[:, j]) * signs).sum(axis=1)
    return np.asarray(together / math.sqrt(len(i) * np.count_nonzero(signs)))


def _spearman(x: Array, ys: Array) -> Array:
    """Spearman's rho of ``x`` (n,) with each row of ``ys`` (r, n), whose rows are ranks up to a shift."""
    ranks = pd.Series(x).rank().to_numpy()
    a, b = ranks - ranks.mean(), ys - ys.mean(axis=1, keepdims=True)
    return np.asarray(b @ a / np.sqrt((a**2).sum() * (b**2).sum(axis=1)))


def table() -> pd.DataFrame:
    """All reconstructed orders: size, split, order (1, 2, … where several remain), and a column per method's place."""
    rows = []
    for split, size in itertools.product(("test", "train"), schema.SIZES):
        for number, order in enumerate(orders(size, split), 1):
            rows.append({"loss": split, "size": size, "order": number, **{m: order.place(m) for m in schema.METHODS}})
    return pd.DataFrame(rows)


def all_coefficients() -> pd.DataFrame:
    """:func:`coefficients` of every reconstructed order, one after the other, with its loss, size and number."""
    frames = []
    for split, size in itertools.product(("test", "train"), schema.SIZES):
        for number, order in enumerate(orders(size, split), 1):
            frames.append(coefficients(order).assign(loss=split, size=size, order=number))
    return pd.concat(frames, ignore_index=True)


def lowest(split: str, method: str) -> tuple[str, ...]:
    """The sizes at which a method has the lowest loss in every order that remains."""
    return tuple(s for s in schema.SIZES if all(order.place(method) == 1 for order in orders(s, split)))


def agreement_of_sizes() -> pd.DataFrame:
    """Kendall's correlation of the orders of test losses at every two sizes: a row and a column per size.

    Raises:
        schema.BadInput: a size whose order is not unique.
    """
    places = {}
    for size in schema.SIZES:
        found = orders(size, "test")
        if len(found) != 1:
            raise schema.BadInput(
                f"tables 7 and 8: {len(found)} orders of test losses at {size} agree with them, not one"
            )
        places[size] = [found[0].place(method) for method in schema.METHODS]
    return pd.DataFrame({a: {b: correlation(places[a], places[b]).value for b in places} for a in places})
