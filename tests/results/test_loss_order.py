"""The orders of the unpublished losses reproduce every printed rank coefficient, and a wrong order does not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from astraios_utils import schema
from astraios_utils.metrics.stats import correlation
from astraios_utils.results import loss_order
from astraios_utils.results.loss_order import Order

# By hand from the printed coefficients: e.g. at 3B, test: Kendall with performance 0.8095 = 17/21, two pairs apart.
TEST_ORDERS = {
    "1B": ("FFT", "LoRA", "AdapterP", "AdapterH", "Parallel", "(IA)3", "P-Tuning"),
    **dict.fromkeys(("3B", "7B", "16B"), ("FFT", "LoRA", "AdapterP", "Parallel", "AdapterH", "(IA)3", "P-Tuning")),
}


@pytest.mark.parametrize("size", schema.SIZES)
def test_exactly_one_order_of_test_losses_agrees(size: str) -> None:
    assert [order.methods for order in loss_order.orders(size, "test")] == [TEST_ORDERS[size]]


@pytest.mark.parametrize("size", schema.SIZES)
def test_one_or_two_orders_of_train_losses_agree(size: str) -> None:
    found = loss_order.orders(size, "train")
    assert 1 <= len(found) <= 2
    if size != "1B":
        assert {order.methods[:2] for order in found} == {("AdapterH", "FFT")}


@pytest.mark.parametrize(("size", "split"), list(itertools.product(schema.SIZES, ("train", "test"))))
def test_the_orders_reproduce_the_printed_coefficients(size: str, split: str) -> None:
    for order in loss_order.orders(size, split):
        table = loss_order.coefficients(order)
        assert len(table) == 4
        assert table["agrees"].all()
        exact = table[table["digits"] == 4]
        assert np.allclose(exact["value"], exact["printed"], atol=5.1e-5)  # to four decimals where four are printed


def test_swapping_two_neighbours_is_noticed() -> None:
    for size in schema.SIZES:
        (order,) = loss_order.orders(size, "test")
        for i in range(6):
            methods = list(order.methods)
            methods[i], methods[i + 1] = methods[i + 1], methods[i]
            assert not loss_order.coefficients(Order(size, "test", tuple(methods)))["agrees"].all()


def test_the_fast_coefficients_are_scipys() -> None:
    rng = np.random.default_rng(0)
    x = np.array([1.0, 2.0, 2.0, 5.0, 3.0, 3.0, 9.0])  # two ties
    ys = np.array([rng.permutation(7) for _ in range(20)])
    for fast, name in ((loss_order._kendall, "kendall"), (loss_order._spearman, "spearman")):
        slow = [correlation(x, row, name).value for row in ys]  # type: ignore[arg-type]
        assert np.allclose(fast(x, ys), slow)


@pytest.mark.parametrize(
    ("value", "printed", "digits", "agrees"),
    [
        (1 / 21, 0.04, 2, True),  # 0.0476 cut off
        (1 / 21, 0.05, 2, True),  # rounded
        (1 / 21, 0.06, 2, False),
        (-2 / 7, -0.285, 3, True),  # -0.2857 cut off
        (-2 / 7, -0.286, 3, True),
        (-2 / 7, -0.284, 3, False),
        (0.5, 0.5, 4, True),
    ],
)
def test_a_coefficient_prints_rounded_or_cut_off(value: float, printed: float, digits: int, agrees: bool) -> None:
    assert loss_order.agrees(value, printed, digits) is agrees


def test_an_unknown_size_or_split_is_refused() -> None:
    with pytest.raises(schema.UnknownName, match="2B"):
        loss_order.orders("2B", "test")
    with pytest.raises(schema.UnknownName, match="valid"):
        loss_order.orders("1B", "valid")


def test_the_table_lists_every_order() -> None:
    frame = loss_order.table()
    assert len(frame[frame["loss"] == "test"]) == 4
    assert (frame[list(schema.METHODS)].sum(axis=1) == 28).all()  # places 1 to 7


def test_full_fine_tuning_has_the_lowest_test_loss_and_not_the_lowest_train_loss() -> None:
    assert loss_order.lowest("test", "FFT") == schema.SIZES
    assert loss_order.lowest("train", "FFT") == ()


def test_the_order_is_one_from_3b_on_and_close_to_it_at_1b() -> None:
    found = loss_order.agreement_of_sizes()
    large = found.loc[["3B", "7B", "16B"], ["3B", "7B", "16B"]]
    assert np.allclose(large, 1)
    assert np.allclose(found.loc["1B", ["3B", "7B", "16B"]], 19 / 21)  # one pair of 21 turned: (20 - 1) / 21
