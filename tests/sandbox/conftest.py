"""A sandbox for honest Python programs, shared by test files that need no more than that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from astraios_utils.sandbox import REDUCED, Sandbox
from astraios_utils.sandbox.kernel import levels


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """The best isolation that this machine offers."""
    if levels.missing_for(REDUCED):
        pytest.skip("no kernel isolation on this machine: " + "; ".join(levels.missing_for(REDUCED)))
    with Sandbox(workers=2, patience=0.3) as sandbox:
        yield sandbox
