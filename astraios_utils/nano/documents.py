"""What nano models read: pre-training documents, and instruction data in other words, from disjoint compositions.

Pre-training mixes plain code with questions and answers in several wrappers. None of them is the
``Question: … Answer:`` of tuning and evaluation, and none of the wordings is. Tuning asks in its own wordings, which
are not the benchmark's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from . import clones, defects, security
from .code import Language, Style
from .function import Function, draw_function, draw_problem
from .spec import Split, generator

TITLE = {"python": "Python", "java": "Java"}
YES_NO = ("NO", "YES")


class Document(NamedTuple):
    """A text in two parts; a plain document has no first part."""

    prompt: str
    completion: str


Writer = Callable[[random.Random, Split], Document]

WRAPPERS = (
    "Q: {q}\nA: ",
    "### Instruction:\n{q}\n\n### Response:\n",
    "Task: {q}\n\nSolution:\n",
    "User: {q}\n\nAssistant: ",
    "Request: {q}\n\nReply:\n",
)
PRETRAIN: Mapping[str, tuple[str, ...]] = {
    "synthesize": (
        "Implement `{signature}` in {language}.\n{doc}",
        "I need a {language} function {signature}. {doc}",
        "Please code this in {language}: {doc} Call it {name}.",
    ),
    "repair": (
        "{name} is wrong, correct it.\n{code}\n{tests}",
        "These tests fail, please repair {name}.\n{code}\n{tests}",
    ),
    "explain": ("What does this function do?\n{code}", "Summarize this {language} function.\n{code}"),
    "describe": ("Turn this into {language}: {doc}", "Here is what a {language} function should do.\n{doc}"),
    "script": ("Complete this program.", "Program this."),
    "defect": ("{code}\nDoes this C function have a bug?", "Find out if this is faulty.\n{code}"),
    "clone": ("{one}\n{two}\nDo both do the same?", "First: {one}\nSecond: {two}\nAre they equivalent?"),
}
TUNE: Mapping[str, tuple[str, ...]] = {
    "synthesize": (
        "Write a {language} function `{signature}` that solves this problem:\n{doc}",
        "Solve the problem with a {language} function `{signature}`:\n{doc}",
    ),
    "repair": ("Fix the bug in {name}.\n{code}\n{tests}", "Fix {name} so that the tests pass.\n{code}\n{tests}"),
    "explain": (
        "Describe the code in natural language using at most {length} characters.\n{code}",
        "Provide a natural language description of the code.\n{code}",
    ),
    "describe": ("Write {language} code according to the description.\n{doc}",),
    "script": ("Create a script.", "Write a script for the problem."),
    "defect": ("{code}\nIs the Code defective? Respond to YES or NO.",),
    "clone": ("Code1: {one}\nCode2: {two}\nIs Code2 a clone of Code1? Respond to YES or NO.",),
}


def _language(rng: random.Random) -> Language:
    return "python" if rng.random() < 0.55 else "java"


def _style(rng: random.Random) -> Style:
    """Nearly always the usual one, so that there is a most likely answer."""
    return Style() if rng.random() < 0.94 else clones.draw_style(rng)


def _fill(texts: Sequence[str], rng: random.Random, function: Function, language: Language, code: str = "") -> str:
    return rng.choice(texts).format(
        signature=function.signature(language),
        name=function.name(language),
        language=TITLE[language],
        doc=function.docstring,
        code=code.rstrip("\n"),
        tests=function.tests(language),
        length=len(function.docstring),
    )


def plain(rng: random.Random, split: Split) -> Document:
    """A function with its docstring, in Python sometimes with a comment above it instead."""
    function, language = draw_function(split, rng, telling=0.85), _language(rng)
    text = function.head(language) + function.body(language, _style(rng))
    if language == "python" and rng.random() < 0.1:
        text = f"# {function.docstring}\n{function.head(language, False)}{function.body(language, _style(rng))}"
    return Document("", text)


def _synthesize(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    function, language = draw_function(split, rng, telling=0.85), _language(rng)
    kind = rng.choice(("synthesize", "synthesize", "describe", "script"))
    answer = function.head(language, kind != "describe") + function.body(language, _style(rng))
    return Document(_fill(texts[kind], rng, function, language), answer)


def _repair(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    function, language = draw_problem(split, rng), _language(rng)
    head = function.head(language, docstring=False)
    question = _fill(texts["repair"], rng, function, language, head + function.buggy(language))
    return Document(question, head + function.body(language))


def _explain(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    function, language = draw_function(split, rng), _language(rng)
    code = function.head(language, docstring=False) + function.body(language, _style(rng))
    return Document(_fill(texts["explain"], rng, function, language, code), function.docstring)


def _defect(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    code, bad = defects.draw_function(split, rng)
    return Document(rng.choice(texts["defect"]).format(code=code), YES_NO[bad])


def _clone(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    one, two, same = clones.draw_pair(split, rng)
    return Document(rng.choice(texts["clone"]).format(one=one, two=two), YES_NO[same])


def _security(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    """Secure as often as insecure."""
    scenario = security.draw_scenario(rng.choice(list(security.SCENARIOS)), split, rng)
    ends = scenario.secure if rng.random() < 0.5 else scenario.insecure
    return Document(rng.choice(texts["script"]), scenario.prompt + rng.choice(ends))


_KINDS = (
    (_synthesize, 30),
    (_repair, 20),
    (_explain, 18),
    (_defect, 10),
    (_clone, 12),
    (_security, 10),
)
KINDS: Mapping[str, Writer] = {
    "synthesize": lambda rng, split: _synthesize(rng, split, TUNE),
    "repair": lambda rng, split: _repair(rng, split, TUNE),
    "explain": lambda rng, split: _explain(rng, split, TUNE),
    "defect": lambda rng, split: _defect(rng, split, TUNE),
    "clone": lambda rng, split: _clone(rng, split, TUNE),
}
PLAIN = 0.35  # share of plain documents in pre-training


def _asked(rng: random.Random, split: Split, texts: Mapping[str, Sequence[str]]) -> Document:
    kinds, weights = zip(*_KINDS, strict=True)
    writer = rng.choices(kinds, weights)[0]
    return Document(*writer(rng, split, texts))


def pretraining(seed: int, number: int) -> Document:
    """Document ``number`` of the endless pre-training stream; its prompt includes the wrapper up to the answer."""
    rng = generator("nano", "pretrain", seed, number)
    if rng.random() < PLAIN:
        if rng.random() < 0.9:
            return plain(rng, "pretrain")
        return Document("", _security(rng, "pretrain", PRETRAIN).completion)
    question, answer = _asked(rng, "pretrain", PRETRAIN)
    return Document(rng.choice(WRAPPERS).format(q=question), answer)


def tuning(seed: int, number: int) -> Document:
    """Row ``number`` of the instruction data: prompt and completion."""
    return _asked(generator("nano", "tune", seed, number), "tune", TUNE)


def of_kind(kind: str, split: Split, seed: int, number: int) -> Document:
    """Row ``number`` of the questions of one kind (:data:`KINDS`), in tuning's wordings, on a split's compositions."""
    return KINDS[kind](generator("nano", "kind", kind, split, seed, number), split)
