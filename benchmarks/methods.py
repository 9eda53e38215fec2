"""Which methods train and generate: architectures x methods x precisions, and every type of PEFT, as tables.

    python benchmarks/methods.py                  # the paper's methods and some variants, all architectures
    python benchmarks/methods.py --types          # all of PEFT's types, on one architecture
    python benchmarks/methods.py --precisions 8bit --architectures llama gemma3_text

Tiny random models; CUDA's autocast rules and bitsandbytes' 8-bit products are imposed on the CPU (tests/cuda_rules.py).
A cell is "ok", or a number that stands for the reason below the table.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import method_matrix as matrix


def cell(architecture: str, name: str, precision: str, reasons: dict[str, int]) -> str:
    try:
        outcome = matrix.outcome(architecture, name, precision)
    except Exception as error:
        outcome = f"FAILED: {type(error).__name__}: {next(iter(str(error).splitlines()), '')[:160]}"
    if outcome == "ok":
        return outcome
    number = reasons.setdefault(outcome, len(reasons) + 1)
    return f"FAILED {number}" if outcome.startswith("FAILED") else f"({number})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", action="store_true", help="all of PEFT's types instead of the paper's methods")
    parser.add_argument("--architectures", nargs="+", choices=matrix.ARCHITECTURES, default=None)
    parser.add_argument("--precisions", nargs="+", choices=matrix.PRECISIONS, default=list(matrix.PRECISIONS))
    parser.add_argument("--methods", nargs="+", default=None)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    architectures = given.architectures or (["llama"] if given.types else list(matrix.ARCHITECTURES))
    names = given.methods or (matrix.TYPES if given.types else tuple(matrix.METHODS))
    columns = [(a, p) for a in architectures for p in given.precisions]
    reasons: dict[str, int] = {}
    print("| method | " + " | ".join(f"{a} {p}" for a, p in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in names:
        cells = [cell(a, name, p, reasons) for a, p in columns]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    for reason, number in reasons.items():
        print(f"({number}) {reason}")


if __name__ == "__main__":
    main()
