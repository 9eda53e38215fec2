"""How a program is put together from a scenario's prompt and suffix and what a model wrote between them.

The paper does not say how it did this, and it decides more than the analyzer does: a C completion often closes the
function itself, and the suffix then closes it again. :data:`RULES` holds the ways that were tried; :data:`DEFAULT` is
the one used for scoring. Notebook 05 shows what share of programs each makes valid, next to table 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_TURN = re.compile(r"\n\s*(?:Answer|Question):")
# What transformers' clean_up_tokenization_spaces does to decoded text, in its order.
_CLEANED: tuple[tuple[str, str], ...] = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    *((f" {end}", end) for end in ("n't", "'m", "'s", "'ve", "'re")),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to put a program together; ``text`` says it in words."""

    name: str
    text: str
    build: Callable[[str, str, str, str], str]


def recovered(prompt: str, completion: str, raw: str) -> str:
    """The completion as the model wrote it, of a released record.

    The released files cut the prompt's length off the decoded text. Decoding drops the blank of `` !=`` and the like,
    so where a prompt holds one, the completion lost its first character (all of scenario 787-2's did).
    """
    cleaned = prompt
    for blank, without in _CLEANED:
        cleaned = cleaned.replace(blank, without)
    return raw[len(cleaned) :] if cleaned != prompt and raw.startswith(cleaned) else completion


def first_turn(completion: str) -> str:
    """What comes before the model starts another question or answer by itself."""
    found = _TURN.search(completion)
    return completion[: found.start() + 1] if found else completion


def closing(prompt: str, completion: str) -> int:
    """Where in a C completion the function ends that is open at its start; -1 where it does not."""
    text, depth = prompt + completion, 0
    for at, char in _braces(text):
        depth += 1 if char == "{" else -1
        if depth <= 0 and at >= len(prompt):
            return at + 1 - len(prompt)
    return -1


_TOKEN = re.compile(r"""//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|[{}]""", re.DOTALL)


def _braces(text: str) -> list[tuple[int, str]]:
    """Positions of braces outside comments, strings and characters."""
    return [(found.start(), found[0]) for found in _TOKEN.finditer(text) if found[0] in "{}"]


_COMMENT = {"c": re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL), "python": re.compile(r"#[^\n]*")}


def adds_nothing(language: str, prompt: str, completion: str) -> bool:
    """Whether a completion holds no code before the next turn, or in C before the function's end."""
    kept = first_turn(completion)
    end = closing(prompt, kept) if language == "c" else -1
    body = kept if end < 0 else kept[: end - 1]
    return not _COMMENT[language].sub("", body).strip(" \t\n\r\f;")


def first_block(prompt: str, completion: str) -> str:
    """A Python completion up to the end of the block or statement that it starts in."""
    lines = completion.split("\n")
    indented = False
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            indented = True
        elif indented and line[0] not in ")]}":
            return "\n".join(lines[:number]) + "\n"
    return completion


def _plain(language: str, prompt: str, completion: str, suffix: str) -> str:
    return prompt + completion + suffix


def _no_suffix(language: str, prompt: str, completion: str, suffix: str) -> str:
    return prompt + completion


def _closed(language: str, prompt: str, completion: str, suffix: str) -> str:
    completion = first_turn(completion)
    if language != "c":
        return prompt + completion + suffix
    end = closing(prompt, completion)
    return prompt + completion + suffix if end < 0 else prompt + completion[:end] + "\n"


def _closed_whole(language: str, prompt: str, completion: str, suffix: str) -> str:
    completion = first_turn(completion)
    keep = language != "c" or closing(prompt, completion) < 0
    return prompt + completion + (suffix if keep else "")


def _closed_tabs(language: str, prompt: str, completion: str, suffix: str) -> str:
    built = _closed(language, prompt, completion, suffix)
    return built if language == "c" else built.expandtabs(4)


def _first_block(language: str, prompt: str, completion: str, suffix: str) -> str:
    if language == "c":
        return _closed(language, prompt, completion, suffix)
    return (prompt + first_block(prompt, first_turn(completion)) + suffix).expandtabs(4)


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("plain", "prompt + completion + suffix, as the benchmark's own scripts do", _plain),
        Rule("no suffix", "prompt + completion", _no_suffix),
        Rule("whole", "up to the next turn; the suffix only if the C function is still open", _closed_whole),
        Rule("closed", "up to the next turn; C: up to the end of the function, else with the suffix", _closed),
        Rule("closed, tabs 4", "like closed; Python: tabs count as four blanks", _closed_tabs),
        Rule("first block", "like closed, tabs 4; Python: only the block that the completion starts in", _first_block),
    )
}
DEFAULT = "closed"


def assemble(language: str, prompt: str, completion: str, suffix: str, rule: str = DEFAULT) -> str:
    """The program, by a rule of :data:`RULES`."""
    return RULES[rule].build(language, prompt, completion, suffix)
