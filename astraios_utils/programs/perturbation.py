"""Prompts that say the same in another way: ReCode's four categories, by operators of our own.

A subject is a function with its docstring. Each perturbation changes its prompt, the beginning that a model continues.
As in ReCode, format and syntax prompts already hold the first half of the solution; the others only the head. Prompt
and rest together are a program that means what the subject means; where an operator does not apply (no loop, no second
variable), the prompt stays as it is.
"""

from __future__ import annotations

import ast
import contextlib
import io
import keyword
import random
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .edits import Edit, Source, function, has_docstring, walk

_NEIGHBOURS = {"a": "s", "e": "r", "i": "o", "o": "p", "u": "i", "n": "m", "t": "y", "s": "d", "r": "t", "l": "k"}
_FLIPPED: dict[type[ast.cmpop], str] = {ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<=", ast.Eq: "=="}


@dataclass(frozen=True, slots=True)
class Subject:
    """A function to perturb.

    Attributes:
        prompt: everything up to the body, docstring included.
        solution: the body.
        name: the function that the tests call.
    """

    prompt: str
    solution: str
    name: str


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A perturbed subject: what the model sees, what it would have to write, and the function's name now."""

    prompt: str
    rest: str
    name: str


Perturbation = Callable[[Subject, random.Random], Perturbed]


# --- text -------------------------------------------------------------------------------------------------------------


def half(text: str) -> str:
    """The first half of a body, by lines (at least one); what is left out is for the model."""
    lines = text.rstrip("\n").split("\n")
    return "\n".join(lines[: max(1, len(lines) // 2)]) + "\n"


def tabbed(text: str) -> str:
    """The text with a tab for every four leading blanks."""
    return re.sub("^(?:    )+", lambda m: "\t" * (len(m[0]) // 4), text, flags=re.MULTILINE)


def slipped(text: str, rng: random.Random, count: int) -> str:
    """Replace letters by their neighbours on the keyboard ("butter fingers"), at most ``count`` of them."""
    places = [i for i, char in enumerate(text) if char in _NEIGHBOURS]
    for at in rng.sample(places, min(count, len(places))):
        text = text[:at] + _NEIGHBOURS[text[at]] + text[at + 1 :]
    return text


def transposed(text: str, rng: random.Random) -> str:
    """Swap two different neighbouring letters; a text without such a pair stays as it is."""
    places = [i for i in range(len(text) - 1) if text[i : i + 2].isalpha() and text[i] != text[i + 1]]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def recased(text: str, rng: random.Random) -> str:
    """Change the case of one letter."""
    places = [i for i, char in enumerate(text) if char.isalpha()]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at].swapcase() + text[at + 1 :]


def camel(name: str) -> str:
    """A snake-case name in camel case; a name of one word gets a capital letter."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others) if others else name.capitalize()


# --- format -----------------------------------------------------------------------------------------------------------


def _halved(prompt: str, solution: str, name: str) -> Perturbed:
    first = half(solution)
    return Perturbed(prompt + first, solution[len(first) :], name)


def _partial(subject: Subject, rng: random.Random) -> Perturbed:
    return _halved(subject.prompt, subject.solution, subject.name)


def _docstring_span(subject: Subject) -> tuple[Source, ast.FunctionDef, int, int] | None:
    source = Source(subject.prompt + subject.solution)
    node = function(source.tree, subject.name)
    return (source, node, *source.span(node.body[0])) if has_docstring(node) else None


def _doc_to_comments(subject: Subject, rng: random.Random) -> Perturbed:
    found = _docstring_span(subject)
    if found is None:
        return _partial(subject, rng)
    source, node, start, end = found
    text = ast.get_docstring(node, clean=True) or ""
    pad = " " * node.body[0].col_offset
    comments = f"\n{pad}".join(f"# {line}".rstrip() for line in text.splitlines())
    changed = source.replaced([Edit(start, end, comments)])
    return _halved(changed[: len(changed) - len(subject.solution)], subject.solution, subject.name)


def _line_after_doc(subject: Subject, rng: random.Random) -> Perturbed:
    return _halved(subject.prompt.rstrip("\n") + "\n\n", subject.solution, subject.name)


def _blank_lines(subject: Subject, rng: random.Random) -> Perturbed:
    """Blank lines between statements of the half that is given, never inside one."""
    first = half(subject.solution)
    breaks = sorted(_statement_starts(subject) & set(range(1, first.count("\n"))))
    chosen = set(rng.sample(breaks, min(len(breaks), rng.randint(1, 3))))
    lines = [("\n" if number in chosen else "") + line for number, line in enumerate(first.split("\n"))]
    return Perturbed(subject.prompt + "\n".join(lines), subject.solution[len(first) :], subject.name)


def _statement_starts(subject: Subject) -> set[int]:
    """Lines of the solution, from 0, on which a statement begins; an ``elif`` is none."""
    before = subject.prompt.count("\n")
    lines = subject.solution.split("\n")
    node = function(ast.parse(subject.prompt + subject.solution), subject.name)
    found = {inner.lineno - 1 - before for inner in ast.walk(node) if isinstance(inner, ast.stmt)}
    return {number for number in found if number >= 0 and not lines[number].lstrip().startswith("elif")}


def _split_line(subject: Subject, rng: random.Random) -> Perturbed:
    """Break one line of the given half after a comma inside brackets."""
    first = half(subject.solution)
    depth, places = 0, []
    # The half may end inside a bracket: what was read until then is usable.
    with contextlib.suppress(tokenize.TokenError, IndentationError):
        for token in tokenize.generate_tokens(io.StringIO(first).readline):
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)
            if token.string == "," and depth and token.type == tokenize.OP:
                places.append(token.end)
    if not places:
        return _partial(subject, rng)
    line, column = rng.choice(places)
    lines = first.split("\n")
    pad = re.match(r"\s*", lines[line - 1])[0]  # type: ignore[index]  # the pattern matches every text
    lines[line - 1] = f"{lines[line - 1][:column]}\n{pad}        {lines[line - 1][column:].lstrip()}"
    return Perturbed(subject.prompt + "\n".join(lines), subject.solution[len(first) :], subject.name)


def _tabs(subject: Subject, rng: random.Random) -> Perturbed:
    plain = _partial(subject, rng)
    return Perturbed(tabbed(plain.prompt), tabbed(plain.rest), plain.name)


# --- function name ----------------------------------------------------------------------------------------------------


def _whole(subject: Subject, rng: random.Random) -> Perturbed:
    return Perturbed(subject.prompt, subject.solution, subject.name)


def _renamed_to(subject: Subject, name: str) -> Perturbed:
    """The function under another name, in its docstring and in calls of itself too."""
    if not name.isidentifier() or keyword.iskeyword(name) or re.search(rf"\b{name}\b", subject.prompt):
        return Perturbed(subject.prompt, subject.solution, subject.name)
    old = re.compile(rf"\b{re.escape(subject.name)}\b")
    return Perturbed(old.sub(name, subject.prompt), old.sub(name, subject.solution), name)


def _camel_name(subject: Subject, rng: random.Random) -> Perturbed:
    return _renamed_to(subject, camel(subject.name))


def _slipped_name(subject: Subject, rng: random.Random) -> Perturbed:
    return _renamed_to(subject, slipped(subject.name, rng, 1))


def _transposed_name(subject: Subject, rng: random.Random) -> Perturbed:
    return _renamed_to(subject, transposed(subject.name, rng))


def _recased_name(subject: Subject, rng: random.Random) -> Perturbed:
    return _renamed_to(subject, recased(subject.name, rng))


# --- syntax -----------------------------------------------------------------------------------------------------------


def _recut(subject: Subject, text: str) -> Perturbed:
    """A changed program, cut where its body has been given by half."""
    solution = text[len(subject.prompt) :]
    return _halved(subject.prompt, solution, subject.name)


def _dead_code(subject: Subject, rng: random.Random) -> Perturbed:
    """A line without effect before one of the given statements."""
    first = half(subject.solution)
    lines = subject.solution.split("\n")
    places = sorted(_statement_starts(subject) & set(range(first.count("\n"))))
    if not places:
        return _partial(subject, rng)
    at = rng.choice(places)
    pad = re.match(r"\s*", lines[at])[0]  # type: ignore[index]  # the pattern matches every text
    dead = rng.choice(("unused = 0", "if False:\n{pad}    pass", "while False:\n{pad}    break")).format(pad=pad)
    given = "\n".join([*lines[:at], pad + dead, *lines[at : first.count("\n")]]) + "\n"
    return Perturbed(subject.prompt + given, subject.solution[len(first) :], subject.name)


def _loops(node: ast.AST) -> Iterator[ast.For]:
    for inner in walk(node):
        if isinstance(inner, ast.For) and not inner.orelse:
            yield inner


def _for_to_while(subject: Subject, rng: random.Random) -> Perturbed:
    """The first ``for`` becomes a ``while`` over its items."""
    source = Source(subject.prompt + subject.solution)
    loop = next(_loops(function(source.tree, subject.name)), None)
    if loop is None or loop.body[0].lineno == loop.lineno:
        return _partial(subject, rng)
    pad = " " * loop.col_offset
    inner = " " * loop.body[0].col_offset
    start, end = source.span(loop)[0], source.span(loop.body[0])[0]
    head = (
        f"items_ = list({source.of(loop.iter)})\n{pad}at_ = 0\n{pad}while at_ < len(items_):\n"
        f"{inner}{source.of(loop.target)} = items_[at_]\n{inner}at_ += 1\n{inner}"
    )
    return _recut(subject, source.replaced([Edit(start, end, head)]))


def _swapped_operands(subject: Subject, rng: random.Random) -> Perturbed:
    """The two sides of one comparison change places."""
    source = Source(subject.prompt + subject.solution)
    found = [
        node
        for node in walk(function(source.tree, subject.name))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _FLIPPED
    ]
    if not found:
        return _partial(subject, rng)
    node = rng.choice(found)
    left, right = source.of(node.left), source.of(node.comparators[0])
    start, end = source.span(node)
    return _recut(subject, source.replaced([Edit(start, end, f"{right} {_FLIPPED[type(node.ops[0])]} {left}")]))


def _locals(node: ast.FunctionDef) -> list[str]:
    """Local variables that can be renamed: no parameters, none that an f-string or an inner function uses."""
    inner = [n for n in ast.walk(node) if isinstance(n, ast.JoinedStr | ast.FunctionDef | ast.Lambda | ast.Global)]
    hidden = {n.id for outer in inner if outer is not node for n in ast.walk(outer) if isinstance(n, ast.Name)}
    known = {argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg)} | hidden
    stored = [n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return [name for name in dict.fromkeys(stored) if name not in known]


def _variables_to(subject: Subject, names: Mapping[str, str]) -> Perturbed:
    source = Source(subject.prompt + subject.solution)
    node = function(source.tree, subject.name)
    edits = [Edit(*source.span(n), names[n.id]) for n in walk(node) if isinstance(n, ast.Name) and n.id in names]
    return _recut(subject, source.replaced(edits))


def _named_locals(subject: Subject) -> list[str]:
    return _locals(function(ast.parse(subject.prompt + subject.solution), subject.name))


def _numbered_variables(subject: Subject, rng: random.Random) -> Perturbed:
    """All local variables lose their telling names."""
    return _variables_to(subject, {name: f"VAR_{number}" for number, name in enumerate(_named_locals(subject))})


def _random_variable(subject: Subject, rng: random.Random) -> Perturbed:
    """One local variable gets random letters as its name."""
    names = _named_locals(subject)
    if not names:
        return _partial(subject, rng)
    word = "".join(rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(6))
    return _variables_to(subject, {rng.choice(names): word})


# --- docstring --------------------------------------------------------------------------------------------------------


def _prose(subject: Subject, change: Callable[[str], str]) -> Perturbed:
    """Change the docstring's words: not its examples, not numbers, nor names of the function or its parameters."""
    found = _docstring_span(subject)
    if found is None:
        return Perturbed(subject.prompt, subject.solution, subject.name)
    source, node, start, end = found
    kept = {subject.name, *(argument.arg for argument in node.args.args)}
    text, cut, examples = source.segment(start, end).partition(">>>")
    words = re.sub(r"(?<![\w'\"])[A-Za-z]{2,}(?![\w'\"(])", lambda m: m[0] if m[0] in kept else change(m[0]), text)
    changed = source.replaced([Edit(start, end, words + cut + examples)])
    return Perturbed(changed[: len(changed) - len(subject.solution)], subject.solution, subject.name)


def _slipped_words(subject: Subject, rng: random.Random) -> Perturbed:
    return _prose(subject, lambda word: slipped(word, rng, 1) if rng.random() < 0.1 else word)


def _recased_words(subject: Subject, rng: random.Random) -> Perturbed:
    return _prose(subject, lambda word: recased(word, rng) if rng.random() < 0.3 else word)


def _transposed_words(subject: Subject, rng: random.Random) -> Perturbed:
    return _prose(subject, lambda word: transposed(word, rng) if rng.random() < 0.1 else word)


def _spaced_words(subject: Subject, rng: random.Random) -> Perturbed:
    """Blanks appear inside words."""

    def change(word: str) -> str:
        if rng.random() >= 0.1:
            return word
        at = rng.randint(1, len(word) - 1)
        return f"{word[:at]} {word[at:]}"

    return _prose(subject, change)


NOMINAL = "nominal"
# Names as in ReCode where the operator is the same in kind; those under SEEDED depend on their seed.
CATEGORIES: Mapping[str, Mapping[str, Perturbation]] = {
    "format": {
        NOMINAL: _partial,
        "doc2comments": _doc_to_comments,
        "new_line_afterdoc": _line_after_doc,
        "new_lines": _blank_lines,
        "split_lines": _split_line,
        "tab_indent": _tabs,
    },
    "function": {
        NOMINAL: _whole,
        "FuncRenameButterFinger": _slipped_name,
        "FuncRenameCamelCase": _camel_name,
        "FuncRenameChangeChar": _recased_name,
        "FuncRenameSwapChar": _transposed_name,
    },
    "syntax": {
        NOMINAL: _partial,
        "DeadCodeInserter": _dead_code,
        "ForWhileTransformer": _for_to_while,
        "OperandSwap": _swapped_operands,
        "VarRenamerNaive": _numbered_variables,
        "VarRenamerRN": _random_variable,
    },
    "docstring": {
        NOMINAL: _whole,
        "ButterFingersPerturbation": _slipped_words,
        "ChangeCharCase": _recased_words,
        "SwapCharactersPerturbation": _transposed_words,
        "WhitespacePerturbation": _spaced_words,
    },
}
SEEDED = frozenset(
    {
        "new_lines",
        "split_lines",
        "FuncRenameButterFinger",
        "FuncRenameChangeChar",
        "FuncRenameSwapChar",
        "DeadCodeInserter",
        "OperandSwap",
        "VarRenamerRN",
        "ButterFingersPerturbation",
        "ChangeCharCase",
        "SwapCharactersPerturbation",
        "WhitespacePerturbation",
    }
)
