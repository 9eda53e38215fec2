"""What a run costs is not hidden by what ran before it in the same process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from astraios_utils.training import cost

KEPT = """
from astraios_utils.training import cost
held = [b"x" * (60_000 + n % 7) for n in range(4000)]  # 240 MB in pieces that the C library takes from its heap
last = held[-1]
del held
before = cost.host_resident_mib()
cost.reset_host_peak()
print(before - cost.host_resident_mib())
"""


@pytest.mark.skipif(sys.platform != "linux" or cost.host_resident_mib() is None, reason="reads /proc")
def test_freed_memory_goes_back_before_a_peak_is_taken() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 150
