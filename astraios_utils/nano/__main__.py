"""``python -m astraios_utils.nano {problems,corpus,base,sums,verify}``: writes or checks ``data/nano``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .. import schema, store
from ..store.processes import say
from . import benchmark, pretrain, shipped


def main() -> int:
    """Run one command; 2 where a file is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m astraios_utils.nano", description=__doc__)
    parser.add_argument("what", choices=("problems", "corpus", "base", "sums", "verify"))
    parser.add_argument("--size", action="append", choices=list(pretrain.RECIPES), help="of bases; all where not given")
    parser.add_argument("--work", type=Path, help="for checkpoints (build/nano-base)")
    parser.add_argument("--out", type=Path, help="instead of data/nano")
    given = parser.parse_args()
    out = given.out or shipped.folder()
    try:
        if given.what == "problems":
            benchmark.write(out / "benchmark")
        elif given.what == "corpus":
            shipped.write_corpus(out / "corpus")
        elif given.what == "base":
            work = given.work or store.build_dir() / "nano-base"
            shipped.write_bases(given.size or list(pretrain.RECIPES), out / "bases", work)
        elif given.what == "verify":
            shipped.verify(out)
        if given.what != "verify":
            shipped.write_sums(out)
    except schema.AstraiosError as error:
        say(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
