"""In which order a set's items have to be inserted again for the copy to be iterated over like the original.

That order depends on the history of a set: where two items want the same place in its table, the earlier one has it.
It is the same in both processes, whose hash seed is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

MAX_ITEMS = 50
MAX_STEPS = 150  # of one search
MAX_STEPS_IN_ALL = 10_000  # of a process: some 0.2 seconds
_steps = 0


def insertion_order(original: Any) -> tuple[list[Any], bool]:
    """Items in an order of insertion, and whether the set made so is to be copied once (its table then is smaller).

    For a set or frozenset of more than `MAX_ITEMS` items, and where no order is found, it is the order of iteration.
    """
    wanted = list(original)
    if list(set(wanted)) == wanted or len(wanted) > MAX_ITEMS:
        return wanted, False
    for copied in (False, True):
        found = _search(wanted, copy_of if copied else set)
        if found is not None:
            return found, copied
    return wanted, False


def copy_of(items: Iterable[Any]) -> set[Any]:
    """A copy of the set of the items."""
    grown = set(items)
    return set(grown)


def _search(wanted: list[Any], build: Callable[[Iterable[Any]], set[Any]]) -> list[Any] | None:
    """Exchange items that hinder each other, now and then two others, until the order is right."""
    global _steps
    order, count, chance = list(wanted), len(wanted), 1
    for step in range(MAX_STEPS):
        got = list(build(order))
        wrong = [place for place in range(count) if got[place] is not wanted[place]]
        if not wrong:
            return order
        _steps += 1
        if _steps > MAX_STEPS_IN_ALL:
            return None
        chance = chance * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        if chance >> 60 < 5:
            moved, to = (chance >> 40) % count, (chance >> 20) % count
        else:
            place = wrong[0 if step % 3 else (chance >> 33) % len(wrong)]
            first, second = order.index(wanted[place]), order.index(got[place])
            moved, to = max(first, second), min(first, second)
        order.insert(to, order.pop(moved))
    return None
