"""ReCode's perturbations in miniature: of format, function name, syntax and docstring, of our own making.

Each takes a function of the benchmark and returns the beginning that a model continues. As in ReCode, format and syntax
prompts hold the first half of the solution, the others only the head. All perturbations keep the meaning.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..programs.perturbation import half, slipped, transposed
from .code import Style, body, head
from .english import Names
from .spec import Spec

_SYNONYMS = {"Return": "Give", "Compute": "Work out", "Find": "Determine", "Get": "Obtain", "numbers": "integers"}
_SYNONYMS |= {"increased": "raised", "decreased": "lowered", "otherwise": "else", "list": "sequence"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A function to perturb."""

    spec: Spec
    names: Names
    docstring: str


Perturbation = Callable[[Subject, random.Random], tuple[str, str]]  # prompt, entry point


def _start(subject: Subject, docstring: str = "", names: Names | None = None) -> str:
    return head(subject.spec, names or subject.names, "python", docstring or subject.docstring)


def _code(subject: Subject, names: Names | None = None, style: Style | None = None) -> str:
    return half(body(subject.spec, names or subject.names, "python", style))


# --- format -----------------------------------------------------------------------------------------------------------


def _partial(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _start(subject) + _code(subject), subject.names.snake


def _doc_to_comments(subject: Subject, rng: random.Random) -> tuple[str, str]:
    first = head(subject.spec, subject.names, "python")
    return f"# {subject.docstring}\n{first}" + _code(subject), subject.names.snake


def _line_after_doc(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _start(subject) + "\n" + _code(subject), subject.names.snake


def _new_line(subject: Subject, rng: random.Random) -> tuple[str, str]:
    """An empty line after a line of code. (Tabs are left out: no training text has any, so that all would fail.)"""
    lines = _code(subject).splitlines(keepends=True)
    at = rng.randint(1, len(lines))
    return _start(subject) + "".join([*lines[:at], "\n", *lines[at:]]), subject.names.snake


# --- function name ----------------------------------------------------------------------------------------------------


def _renamed(subject: Subject, name: str) -> tuple[str, str]:
    return _start(subject).replace(f"def {subject.names.snake}(", f"def {name}("), name


def _whole(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _start(subject), subject.names.snake


def _camel_case(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _renamed(subject, subject.names.camel)


def _butter_finger_name(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _renamed(subject, slipped(subject.names.snake, rng, 1))


def _swapped_name(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _renamed(subject, transposed(subject.names.snake, rng))


# --- syntax -----------------------------------------------------------------------------------------------------------


def _dead_code(subject: Subject, rng: random.Random) -> tuple[str, str]:
    line = rng.choice(("    unused = 0\n", "    if False:\n        return 0\n", "    pass\n"))
    return _start(subject) + line + _code(subject), subject.names.snake


def renamed(subject: Subject) -> Names:
    """Names that say nothing for the variables, but for the parameter."""
    item = subject.names.item if subject.spec.source == "number" else "v0"  # there it is the parameter
    return replace(subject.names, item=item, result="v1")


def _renamed_variables(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _start(subject) + _code(subject, renamed(subject)), subject.names.snake


def _for_to_while(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _start(subject) + _code(subject, style=Style(loop="while")), subject.names.snake


# --- docstring --------------------------------------------------------------------------------------------------------


def _safe_words(subject: Subject, change: Callable[[str], str]) -> tuple[str, str]:
    """Change the docstring's words, but not the parameter's name and no number."""
    words = [w if w.strip(",.") == subject.names.source else change(w) for w in subject.docstring.split(" ")]
    return _start(subject, " ".join(words)), subject.names.snake


def _butter_fingers(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _safe_words(subject, lambda w: slipped(w, rng, 1) if rng.random() < 0.1 else w)


def _char_case(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _safe_words(subject, lambda w: w.capitalize() if rng.random() < 0.3 else w)


def _synonyms(subject: Subject, rng: random.Random) -> tuple[str, str]:
    return _safe_words(subject, lambda w: _SYNONYMS.get(w, w))


CATEGORIES: Mapping[str, Mapping[str, Perturbation]] = {
    "format": {
        "nominal": _partial,
        "doc2comments": _doc_to_comments,
        "new_line_afterdoc": _line_after_doc,
        "new_lines": _new_line,
    },
    "function": {
        "nominal": _whole,
        "FuncRenameButterFinger": _butter_finger_name,
        "FuncRenameCamelCase": _camel_case,
        "FuncRenameSwapChar": _swapped_name,
    },
    "syntax": {
        "nominal": _partial,
        "DeadCodeInserter": _dead_code,
        "ForWhileTransformer": _for_to_while,
        "VarRenamerCB": _renamed_variables,
    },
    "docstring": {
        "nominal": _whole,
        "ButterFingersPerturbation": _butter_fingers,
        "ChangeCharCase": _char_case,
        "SynonymSubstitution": _synonyms,
    },
}
RANDOM = (  # perturbations that draw at random
    "new_lines",
    "FuncRenameButterFinger",
    "FuncRenameSwapChar",
    "DeadCodeInserter",
    "ButterFingersPerturbation",
    "ChangeCharCase",
)
