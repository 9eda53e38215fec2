"""Why a file of programs scores zero, and what ``astraios score --lenient`` changes about its samples.

Scoring runs samples as they are. Five habits of other tools turn right answers into programs that cannot run: the
prompt is missing, code stands inside Markdown fences, newlines are escaped, end tokens remain, or the question is
repeated in front. A sixth, rows in another order, makes right answers to other problems. :func:`anomalies` counts them
in any file; :func:`lenient` undoes them where that is asked for.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .base import ExecutedTask, Problem

TITLES = {
    "missing_prompt": "miss the prompt (they do not define the function that is tested)",
    "fenced": "contain Markdown fences",
    "escaped": "have escaped newlines",
    "end_token": "contain an end token",
    "echoed": "repeat the question",
    "other_row": "answer another problem of the file",
}
_END = re.compile(
    r"<\|(?:endoftext|im_end|end|eot_id|end_of_text|end_of_turn|file_separator|eom_id)\|>|</s>|<eos>|<EOT>"
)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_BLOCK = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_ASKER = r"(?:Question:|### ?(?:Instruction|Question)|\[INST\]|<\|(?:im_start\|>)?(?:user|system)|Human:|User:)"
_ASKED, _NEXT = re.compile(rf"\A\s*{_ASKER}"), re.compile(rf"^{_ASKER}", re.MULTILINE)
_ANSWER = re.compile(
    r"^(?:Answer:|### ?(?:Response|Answer):?|.*\[/INST\]|<\|im_start\|>assistant|<\|assistant\|>|Assistant:)[ \t]*\n?",
    re.MULTILINE,
)
_METHOD = re.compile(r"\b(\w+)[ \t]*\([^()]*\)[^;{}()]*\{")
_FUNCTION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=", re.MULTILINE)
_ESCAPE = re.compile(r"\\([ntr\"'\\])")
_MEANT = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Lenient:
    """The samples of a file after the changes of ``--lenient``.

    Attributes:
        samples: per problem, in the problems' order.
        changed: how many samples differ from those of the file.
    """

    samples: tuple[tuple[str, ...], ...]
    changed: int


class _Reader:
    """Knows, for the problems of one file, which function a sample has to define."""

    def __init__(self, task: ExecutedTask, problems: Sequence[Problem]) -> None:
        self._java = task.language == "java"
        self.heads = [task.head_of(problem).strip() for problem in problems]
        self.names = [self._name(problem, head) for problem, head in zip(problems, self.heads, strict=True)]
        self._places: dict[str, set[int]] = {}
        for at, name in enumerate(self.names):
            self._places.setdefault(name, set()).add(at)

    def _name(self, problem: Problem, head: str) -> str:
        declared = re.findall(r"(\w+)[ \t]*\(", str(problem.row.get("declaration", ""))) if self._java else []
        return declared[-1] if declared else str(problem.row["entry_point"])

    def defined(self, sample: str) -> set[str]:
        """Names of the functions (Java: methods) that a text appears to define, at any level."""
        return set(_METHOD.findall(sample)) if self._java else {a or b for a, b in _FUNCTION.findall(sample)}

    def defines(self, at: int, sample: str) -> bool:
        """Whether a sample defines the function of problem ``at``, and (Java) the class around it."""
        if self.heads[at] and sample.lstrip().startswith(self.heads[at]):
            return True
        return self.names[at] in self.defined(sample) and (not self._java or "class Solution" in sample)

    def elsewhere(self, at: int, sample: str) -> set[int]:
        """The other problems of the file whose function a sample defines."""
        places = (self._places.get(name, set()) for name in self.defined(sample))
        return set().union(*places) - {at}

    def signs(self, at: int, sample: str) -> list[str]:
        """What is odd about a sample, as keys of ``TITLES``."""
        found = []
        if ("```" in sample or "~~~" in sample) and _FENCE.search(sample):
            found.append("fenced")
        if _is_escaped(sample):
            found.append("escaped")
        if "<" in sample and _END.search(sample):
            found.append("end_token")
        if _ASKED.match(sample):
            found.append("echoed")
        if not self.defines(at, _unescaped(sample)):
            found.append("other_row" if self.elsewhere(at, _unescaped(sample)) else "missing_prompt")
        return found


def anomalies(task: ExecutedTask, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many samples have each kind of anomaly (keys of ``TITLES``), where more than half have any; else nothing."""
    reader = _Reader(task, problems)
    counts: Counter[str] = Counter()
    odd = total = 0
    for at, row in enumerate(samples):
        for sample in row:
            signs = reader.signs(at, sample)
            counts.update(signs)
            odd, total = odd + bool(signs), total + 1
    return {key: counts[key] for key in TITLES if counts[key]} if 2 * odd > total else {}


def describe(found: Mapping[str, int], total: int) -> str:
    """One sentence about the anomalies of a file of ``total`` samples."""
    parts = [f"{count} {TITLES[key]}" for key, count in sorted(found.items(), key=lambda item: -item[1])]
    return f"of {total} samples, {'; '.join(parts)}"


def lenient(task: ExecutedTask, problems: Sequence[Problem], samples: Sequence[Sequence[str]]) -> Lenient:
    """Reorder rows, unescape newlines, cut questions, end tokens and fences, add missing prompts."""
    reader = _Reader(task, problems)
    rows = _reordered(reader, samples)
    fixed = tuple(tuple(_fixed(reader, task, at, sample) for sample in row) for at, row in enumerate(rows))
    pairs = ((a, b) for old, new in zip(samples, fixed, strict=True) for a, b in zip(old, new, strict=True))
    return Lenient(fixed, sum(a != b for a, b in pairs))


def _reordered(reader: _Reader, samples: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """The rows in the problems' order, where most of them are elsewhere and each one's place is certain."""
    places: list[int] = []
    for at, row in enumerate(samples):
        text = "\n".join(map(_unescaped, row))
        found = reader.elsewhere(at, text) | ({at} if reader.names[at] in reader.defined(text) else set())
        if len(found) != 1:
            return samples
        places += found
    if sorted(places) != list(range(len(samples))):
        return samples
    moved: list[Sequence[str]] = [()] * len(samples)
    for place, row in zip(places, samples, strict=True):
        moved[place] = row
    return moved


def _fixed(reader: _Reader, task: ExecutedTask, at: int, sample: str) -> str:
    text = _without_end(_unescaped(sample))
    if _ASKED.match(text):
        text = _without_question(text)
    if _FENCE.search(text):
        text = _unfenced(reader, at, text)
    if reader.defines(at, text) or reader.elsewhere(at, text):
        return text
    head = reader.heads[at]
    return f"{head}\n{text}" if task.language == "java" else _joined(head, text)


def _is_escaped(sample: str) -> bool:
    return "\\n" in sample and "\n" not in sample.strip()


def _unescaped(sample: str) -> str:
    if not _is_escaped(sample):
        return sample
    return _ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), sample)


def _without_end(text: str) -> str:
    found = _END.search(text)
    return text[: found.start()] if found else text


def _without_question(text: str) -> str:
    """The first answer of a dialogue; the whole text where no answer begins."""
    begins = _ANSWER.search(text)
    if begins is None:
        return text
    answer = text[begins.end() :]
    following = _NEXT.search(answer)
    return answer[: following.start()] if following else answer


def _unfenced(reader: _Reader, at: int, text: str) -> str:
    """The first fenced block that defines the function, or else the first block."""
    blocks = [found[2] for found in _BLOCK.finditer(text)]
    if not blocks:
        return _FENCE.sub("", text)
    dedented = [textwrap.dedent(block) for block in blocks]
    whole = next((block for block in dedented if reader.defines(at, block)), None)
    outside = _BLOCK.sub("", text)
    if whole is None and reader.defines(at, outside):
        return outside
    return whole if whole is not None else blocks[0]


def _joined(head: str, body: str) -> str:
    """The head and a function's body, indented in the first way that makes Python of the two."""
    stripped = body.strip("\n")
    ways = [f"    {stripped.lstrip()}", textwrap.indent(textwrap.dedent(stripped), "    ")]
    if stripped[:1] in (" ", "\t"):
        ways.insert(0, stripped)
    programs = [f"{head}\n{way}" for way in ways]
    return next((program for program in programs if _parses(program)), programs[0])


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
