"""Simulations of the statistics: do intervals cover, do verdicts err, and what are printed numbers' errors?

python benchmarks/statistics.py coverage     how often 95% intervals hold the truth, by setting
python benchmarks/statistics.py errors       measure the error model of printed numbers again (data/paper)
"""

from __future__ import annotations

import argparse
import functools

from astraios_utils import store
from astraios_utils.results import claims
from astraios_utils.results.claims import printed
from astraios_utils.running import pipeline


def measure_errors() -> None:
    """Write the error model of printed numbers from the released verdicts."""
    suite = store.load_suite("released")
    evidence = claims.measured(suite, functools.partial(pipeline.verdicts, suite.name))
    errors, correlations = printed.measure_errors(evidence)
    folder = store.data_dir() / "paper"
    errors.round(4).to_csv(folder / printed.ERRORS, index=False)
    correlations.round(4).to_csv(folder / printed.CORRELATIONS, index=False)
    print(errors.to_string(), len(correlations))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["errors"])
    {"errors": measure_errors}[parser.parse_args().what]()
