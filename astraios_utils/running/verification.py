"""Recomputes shipped verdict counts from the generation files, with today's code, and lists what differs.

Nothing that an earlier run kept is used: programs run again (a journal of the verification's own keeps their outcomes
and is removed at the end), answers are parsed again, completions are analysed again.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .. import results, schema, scoring, store
from ..schema import Suite
from ..store.processes import say
from . import pipeline

KEYS = [column for column in results.COUNT_COLUMNS if column != "n"]
MOST_LINES = 5  # of the differences of a cell that are printed


@dataclass(frozen=True, slots=True)
class Checked:
    """One cell, recomputed.

    Attributes:
        cell: of the suite's grid.
        samples: in its file.
        differences: a row per count that differs: problem, variant, status, detail, shipped, now.
    """

    cell: pipeline.Cell
    samples: int
    differences: pd.DataFrame

    @property
    def changed(self) -> int:
        """How many samples have another verdict: each takes one count down and another one up."""
        gain = self.differences["now"] - self.differences["shipped"]
        return int(max(gain.clip(lower=0).sum(), (-gain).clip(lower=0).sum()))

    @property
    def passes(self) -> int:
        """How many of these pass in one of the two and not in the other, problem by problem."""
        passed = self.differences[self.differences["status"] == "passed"]
        return int((passed["now"] - passed["shipped"]).abs().sum())

    def row(self) -> dict[str, Any]:
        """What ``astraios verify --json`` prints for the cell."""
        return {
            "task": self.cell.task.name,
            "size": self.cell.model.size,
            "method": self.cell.model.method,
            "samples": self.samples,
            "changed": self.changed,
            "passes_changed": self.passes,
            "differences": self.differences.to_dict("records"),
        }


def verify(
    suite: Suite, share: float = 1.0, seed: int = 0, sandbox: Mapping[str, Any] | None = None
) -> Iterator[Checked]:
    """Recompute a share of the cells that have shipped counts and a file here.

    Args:
        suite: the suite, or a slice of it.
        share: of those cells, rounded up.
        seed: of the draw.
        sandbox: arguments of :class:`sandbox.Sandbox`.

    Raises:
        schema.BadInput: the suite ships no counts.
        schema.MissingArtefact: none of the cells' files is here.
    """
    chosen = draw(_available(suite), share, seed)
    sources = []
    for cell in chosen:
        assert cell.generations is not None, "only cells with a file are chosen"
        model = cell.model
        sources.append(scoring.Source(cell.task, cell.generations, suite.name, model.size, model.method))
    with tempfile.TemporaryDirectory(prefix="verify-", dir=_folder()) as folder:
        journal = Path(folder) / "programs.jsonl"
        done = scoring.score(sources, sandbox=sandbox, journal=journal)
        for cell, scored in zip(chosen, done, strict=True):
            yield Checked(
                cell, len(scored.verdicts), compare(_shipped(suite, cell), results.to_counts(scored.verdicts))
            )


def draw(cells: Sequence[pipeline.Cell], share: float, seed: int) -> list[pipeline.Cell]:
    """A share of the cells, rounded up, in their order; the same seed draws the same ones."""
    kept = random.Random(seed).sample(range(len(cells)), math.ceil(share * len(cells)))
    return [cells[i] for i in sorted(kept)]


def compare(shipped: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """The counts that differ between two frames of counts: problem, variant, status, detail, shipped, now (0: none)."""
    both = shipped.merge(now, on=KEYS, how="outer", suffixes=("_shipped", "_now")).fillna({"n_shipped": 0, "n_now": 0})
    both = both.rename(columns={"n_shipped": "shipped", "n_now": "now"}).astype({"shipped": int, "now": int})
    columns = ["problem", "variant", "status", "detail", "shipped", "now"]
    return both.loc[both["shipped"] != both["now"], columns].reset_index(drop=True)


def report(suite: Suite, checked: Iterable[Checked], as_json: bool = False) -> int:
    """Print a line per cell and a summary; return 1 where a count differs, else 0."""
    done = []
    for one in checked:
        done.append(one)
        print(json.dumps(one.row(), ensure_ascii=False) if as_json else as_lines(one), flush=True)
    different = [one for one in done if one.changed]
    found = f"{sum(one.changed for one in different)} samples in {len(different)} cells differ"
    turned = f", of which {sum(one.passes for one in different)} pass in one of the two alone" if different else ""
    say(f"verified {len(done)} cells of {suite.name}, {sum(one.samples for one in done)} samples: {found}{turned}")
    return 1 if different else 0


def as_lines(one: Checked) -> str:
    """A cell's outcome as text: the first line says how many samples differ, those below which counts do."""
    head = f"{one.cell.task.name} {one.cell.model.slug}: "
    if not one.changed:
        return f"{head}{one.samples} samples, no difference"
    rows = [
        f"  {row['problem']} {row['variant']} {row['status']}: shipped {row['shipped']}, now {row['now']}".replace(
            "  ", " "
        )
        for row in one.differences.head(MOST_LINES).to_dict("records")
    ]
    more = len(one.differences) - len(rows)
    lines = [f"{head}{one.changed} of {one.samples} samples differ", *(f" {row}" for row in rows)]
    return "\n".join([*lines, *([f"  and {more} more counts"] if more > 0 else [])])


def _available(suite: Suite) -> list[pipeline.Cell]:
    shipped = [cell for cell in pipeline.cells(suite) if pipeline.shipped_counts(suite, cell) is not None]
    if not shipped:
        raise schema.BadInput(f"suite {suite.name} ships no verdict counts in this slice; `released` does")
    present = [cell for cell in shipped if cell.generations is not None]
    if not present:
        raise schema.MissingArtefact(
            f"none of the {len(shipped)} files is here: fetch them (`astraios fetch`), or set ASTRAIOS_MIRROR"
        )
    if len(present) < len(shipped):
        say(f"{len(shipped) - len(present)} of {len(shipped)} shipped cells have no file here and are not checked")
    return pipeline.judgeable(present)


def _shipped(suite: Suite, cell: pipeline.Cell) -> pd.DataFrame:
    counts = pipeline.shipped_counts(suite, cell)
    assert counts is not None, "only cells with shipped counts are chosen"
    return counts


def _folder() -> Path:
    folder = store.cache_dir()
    store.require_writable(folder)
    return folder
