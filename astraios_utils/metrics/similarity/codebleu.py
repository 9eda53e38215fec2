"""CodeBLEU of Python (Ren et al. 2020): four components, from counts that add up over a corpus.

    CodeBLEU = (BLEU + weighted BLEU + syntax match + data-flow match) / 4

The components are those of the authors' code and of its packaging, ``codebleu`` 0.7.0 (tokens are what white space
separates, the weighted BLEU is a recall with keywords counting five times), so that scores can be compared. Faults of
theirs are mended; ``codebleu/package`` keeps the first two, which are in every score that the package has computed:

1. A data-flow match of 0 is counted as 1: an empty prediction scores 0.25. It counts as 0 here. Where no reference has
   any data flow the component is undefined, and the mean is over the others.
2. The brevity penalty of the weighted BLEU takes every reference to be two tokens long.
3. A string at the beginning is taken for a docstring and cut off, so that ``"{}".format(x)`` is compared as
   ``.format(x)``. Comments are left out here, strings are not.
4. Places in a line are counted in bytes and used for characters: what follows a letter outside ASCII is garbled.
5. The sources of a use stand in the order of a hash set, which changes with ``PYTHONHASHSEED``: so does the score.

The subtrees of a reference count each time they occur, even where the sample holds fewer of them: the paper's formula
clips, its code does not, and scores in the literature come from the code.
"""

from __future__ import annotations

import functools
import keyword
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .dataflow import flows

if TYPE_CHECKING:
    import numpy.typing as npt
    from tree_sitter import Node, Parser

    Array = npt.NDArray[np.float64]

ORDERS = 4
KEYWORDS = frozenset(keyword.kwlist) | {"case", "match", "type"}
KEYWORD_WEIGHT = 5  # of a keyword in the weighted BLEU; other tokens weigh 1 (the authors' 1 and 0.2)
EPSILON = 0.1  # what a precision without matches counts (NLTK's smoothing method 1)
# What counts() returns, in order. A sample adds at least 1 to each n-gram total (a keyword's weight where tokens are
# weighted), as in the authors' code: identical texts of fewer than four tokens score below 1.
COLUMNS = (
    *("samples", "length", "reference_length"),
    *(f"{kind}_{what}_{n}" for kind in ("ngram", "weighted") for what in ("matches", "total") for n in range(1, 5)),
    *("syntax_matches", "syntax_total", "dataflow_matches", "dataflow_total"),
)


@functools.cache
def _parser() -> Parser:
    import tree_sitter_python
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_python.language()))


def parse(code: str) -> Node:
    """The root of the program's syntax tree, comments left out; Python 2's statements are known, too."""
    source = code.encode("utf-8", errors="replace")
    root = _parser().parse(source).root_node
    for node in reversed([n for n in _descendants(root) if n.type == "comment"]):
        source = source[: node.start_byte] + source[node.end_byte :]
    return _parser().parse(source).root_node


def is_valid(code: str) -> bool:
    """Whether the text is a program: not empty, and without syntax errors."""
    return bool(code.strip()) and not parse(code).has_error


def _descendants(root: Node) -> Iterator[Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(node.children)


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def _weight(ngram: tuple[str, ...]) -> int:
    return KEYWORD_WEIGHT if ngram[0] in KEYWORDS else 1


def _ngram_counts(tokens: Sequence[str], reference: Sequence[str]) -> tuple[list[int], list[int]]:
    """Matches and totals of the sample's n-grams, n from 1 to 4 (a precision)."""
    pairs = [(_ngrams(tokens, n), _ngrams(reference, n)) for n in range(1, ORDERS + 1)]
    return [(held & wanted).total() for held, wanted in pairs], [max(1, held.total()) for held, _ in pairs]


def _weighted_counts(tokens: Sequence[str], reference: Sequence[str]) -> tuple[list[int], list[int]]:
    """Matches and totals of the reference's n-grams, n from 1 to 4 (a recall); single tokens by their weight."""
    pairs = [(_ngrams(tokens, n), _ngrams(reference, n)) for n in range(1, ORDERS + 1)]
    matches = [(held & wanted).total() for held, wanted in pairs]
    totals = [max(1, wanted.total()) for _, wanted in pairs]
    held, wanted = pairs[0]
    matches[0] = sum(_weight(gram) * count for gram, count in (held & wanted).items())
    totals[0] = max(KEYWORD_WEIGHT, sum(_weight(gram) * count for gram, count in wanted.items()))
    return matches, totals


def _subtrees(root: Node) -> list[str]:
    """The shapes of the tree and of all its parts that have parts themselves."""
    return [str(node) for node in _descendants(root) if node.child_count or node == root]


def counts(sample: str, reference: str) -> list[int]:
    """What one sample adds to the sums that :func:`scores` is made of, in the order of ``COLUMNS``."""
    tokens, wanted = sample.split(), reference.split()
    tree, expected = parse(sample.strip()), parse(reference.strip())
    shapes, held = _subtrees(expected), set(_subtrees(tree))
    flow, ours = Counter(flows(expected)), Counter(flows(tree))
    ngram, weighted = _ngram_counts(tokens, wanted), _weighted_counts(tokens, wanted)
    syntax = [sum(shape in held for shape in shapes), len(shapes)]
    return [
        1,
        len(tokens),
        len(wanted),
        *ngram[0],
        *ngram[1],
        *weighted[0],
        *weighted[1],
        *syntax,
        (flow & ours).total(),
        flow.total(),
    ]


def _bleu(matches: Array, totals: Array, length: Array, wanted: Array) -> Array:
    """The smoothed geometric mean of four precisions, (r, 4) each, times the brevity penalty; (r,)."""
    smoothed = np.where(matches == 0, EPSILON, matches)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.exp(np.log(smoothed / totals).mean(axis=1) + np.minimum(0.0, 1 - wanted / length))
    return np.asarray(np.where(matches[:, 0] == 0, 0.0, mean))


def scores(sums: Array) -> dict[str, Array]:
    """CodeBLEU and its components from sums of :func:`counts`, as shares.

    Args:
        sums: shape (r, len(COLUMNS)), a row a corpus (or a resample of one).

    Returns:
        ``codebleu``; ``codebleu/ngram``, ``/weighted``, ``/syntax``, ``/dataflow`` (NaN where no reference has data
        flow); ``codebleu/package`` (the package's first two faults kept). Shape (r,) each.
    """
    samples, length, wanted = sums[:, 0], sums[:, 1], sums[:, 2]
    ngram = _bleu(sums[:, 3:7], sums[:, 7:11], length, wanted)
    weighted = _bleu(sums[:, 11:15], sums[:, 15:19], length, wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        syntax, flow = sums[:, 19] / sums[:, 20], sums[:, 21] / sums[:, 22]
    parts = np.stack([ngram, weighted, syntax, flow])
    mean = np.nansum(parts, axis=0) / (~np.isnan(parts)).sum(axis=0)
    short = _bleu(sums[:, 11:15], sums[:, 15:19], length, 2 * samples)
    package = (ngram + short + syntax + np.where(np.nan_to_num(flow) == 0, 1.0, flow)) / 4
    names = ("codebleu/ngram", "codebleu/weighted", "codebleu/syntax", "codebleu/dataflow")
    return {"codebleu": mean, **dict(zip(names, parts, strict=True)), "codebleu/package": package}
