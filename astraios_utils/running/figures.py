"""Where figures are written, what they record about their origin, and which of them are published.

A notebook writes its figures to ``build/<suite>/figures/<slice>``. :func:`notebooks.execute` copies them to
``figures/<suite>``, which is tracked by git, only after a run over all sizes and methods of the suite.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pandas as pd

from .. import __version__, store
from ..schema import Suite, method_slug

WHOLE = "whole"  # the slice that holds every size and method of its suite
_COLUMNS = ("size", "method", "task", "metric", "value", "low", "high", "published")


def slice_name(part: Suite) -> str:
    """The name of a slice in paths: ``whole``, or its sizes and methods such as ``1b_lora-fft``."""
    whole = store.load_suite(part.name)
    if set(part.sizes) == set(whole.sizes) and set(part.methods) == set(whole.methods):
        return WHOLE
    name = "_".join(["-".join(map(method_slug, part.sizes)), "-".join(map(method_slug, part.methods))])
    return name if len(name) <= 80 else store.fingerprint([part.sizes, part.methods])


def folder(part: Suite) -> Path:
    """Where the figures of a suite or of a slice of it are drawn, below the build folder."""
    return store.suite_dir(part.name) / "figures" / slice_name(part)


def origin(part: Suite) -> dict[str, str]:
    """What a figure records: equal results and versions give equal records.

    Returns:
        ``Source``: the suite, the slice and a hash of the suite's results; ``Creator``: the versions that drew it.
    """
    return {
        "Source": f"suite {part.name}, {slice_name(part)}, results {_results_hash(part.name)}",
        "Creator": f"astraios-utils {__version__}, matplotlib {metadata.version('matplotlib')}",
    }


def _results_hash(suite: str) -> str:
    path = store.suite_dir(suite) / "results.parquet"
    return _hash_of(path, path.stat().st_mtime_ns) if path.exists() else "none"


@functools.lru_cache(maxsize=8)
def _hash_of(path: Path, changed: int) -> str:
    """A hash of the numbers alone: whether verdicts were scored here or shipped makes no difference."""
    return store.fingerprint(pd.read_parquet(path)[list(_COLUMNS)].round(9).to_csv(index=False))


def is_whole(svg: str, suite: str) -> bool:
    """Whether an SVG figure records that it was drawn from the whole suite."""
    source = re.search(r"<dc:source>(.*?)</dc:source>", svg, flags=re.S)
    return bool(source and source[1].strip().startswith(f"suite {suite}, {WHOLE}, "))


def publish(files: Sequence[str], suite: str) -> list[str]:
    """Copy drawn figures to ``figures/<suite>``; files that are the same already are left alone.

    Returns:
        The paths of the published files.
    """
    published = []
    for file in map(Path, files):
        target, drawn = store.figures_dir(suite) / file.name, file.read_bytes()
        if not target.exists() or target.read_bytes() != drawn:
            with store.atomic(target) as stream:
                stream.write(drawn)
        published.append(str(target))
    return published
