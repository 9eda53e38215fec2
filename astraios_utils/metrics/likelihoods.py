"""What a model assigned to the texts of one problem, as the one line of text that its verdict keeps.

``nats=31.25,33.1 tokens=14,15 bytes=52,55``: negative log-likelihood in nats, number of tokens and number of UTF-8
bytes of each text, in the problem's order (the reference first). Imports nothing of ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

DIGITS = 6  # decimals of nats that a file keeps
_LINE = re.compile(r"nats=([\d.,]+) tokens=([\d,]+) bytes=([\d,]+)")


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a model assigned to one text.

    Attributes:
        nats: negative log-likelihood, natural logarithm.
        tokens: of the text, by the model's tokenizer.
        bytes: of the text, in UTF-8.
    """

    nats: float
    tokens: int
    bytes: int

    @property
    def bits(self) -> float:
        """The negative log-likelihood to base 2."""
        return self.nats / math.log(2)


def encode(texts: Sequence[Likelihood]) -> str:
    """One problem's texts as a line."""
    nats = ",".join(f"{one.nats:.{DIGITS}f}" for one in texts)
    tokens, sizes = (",".join(map(str, held)) for held in zip(*((t.tokens, t.bytes) for t in texts), strict=True))
    return f"nats={nats} tokens={tokens} bytes={sizes}"


def decode(line: str) -> tuple[Likelihood, ...]:
    """The texts of a line that :func:`encode` made.

    Raises:
        ValueError: not such a line.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"detail {line!r:.60} is not 'nats=… tokens=… bytes=…'")
    columns = zip(found[1].split(","), found[2].split(","), found[3].split(","), strict=True)
    return tuple(Likelihood(float(nats), int(tokens), int(size)) for nats, tokens, size in columns)
