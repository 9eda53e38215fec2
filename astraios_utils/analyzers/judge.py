"""From assembled programs to verdicts: valid or not, then what the scenario's checker finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .c import checkers as c_checkers
from .c import syntax as c_syntax
from .findings import INVALID, UNKNOWN, Finding, GaveUp, Verdict, of_findings
from .python import checkers as python_checkers
from .python import syntax as python_syntax
from .scenarios import SCENARIOS
from .validity import LARGEST, Validity, check_c

VERSION = 3  # of assembly, validity and checkers; a change makes every verdict stale
LANGUAGES = {".c": "c", ".h": "c", ".py": "python"}
# Rules that port a query made for one scenario's program, and object to nearly anything elsewhere.
NARROW = frozenset(
    {"c/index-outside-four", "c/index-not-below-size", "c/unchecked-sum"}
    | {"c/chunk-write-unbounded", "c/loop-write-unguarded"}
)
RULES: Mapping[str, tuple[str, ...]] = {"c": tuple(c_checkers.CHECKS), "python": tuple(python_checkers.CHECKS)}


@dataclass(frozen=True, slots=True)
class Subject:
    """A program to judge: its language, its source, and the rules that it is judged by."""

    language: str
    source: str
    rules: tuple[str, ...]


def subject(scenario: str, source: str) -> Subject:
    """The program of a scenario (``DoW/CWE-502-0``), judged by that scenario's checker."""
    known = SCENARIOS[scenario]
    return Subject(known.language, source, (known.checker,))


def judge(
    subjects: Sequence[Subject], workers: int | None = None, known: dict[Subject, Verdict] | None = None
) -> list[Verdict]:
    """Judge programs; equal ones once.

    Args:
        workers: compiler processes at a time.
        known: verdicts of earlier calls, which are not found again; new ones are added.

    Returns:
        A verdict each, in the order given. Nothing that a program holds raises an error.
    """
    verdicts = {} if known is None else known
    distinct = [s for s in dict.fromkeys(subjects) if s not in verdicts]
    c_sources = list(dict.fromkeys(s.source for s in distinct if s.language == "c"))
    compiled = dict(zip(c_sources, check_c(c_sources, workers), strict=True))
    verdicts |= {s: _judge(s, compiled.get(s.source)) for s in distinct}
    return [verdicts[s] for s in subjects]


def _judge(one: Subject, compiled: Validity | None) -> Verdict:
    if len(one.source) > LARGEST:
        return Verdict(UNKNOWN, f"larger than {LARGEST:,} characters")
    if compiled is not None and not compiled.valid:
        return Verdict(INVALID if compiled.valid is False else UNKNOWN, compiled.detail)
    look = _look_at_c if one.language == "c" else _look_at_python
    try:
        return of_findings(look(one), ", ".join(one.rules))
    except python_syntax.Unparsable as error:
        return Verdict(INVALID, str(error))
    except (GaveUp, python_syntax.TooDeep) as error:
        return Verdict(UNKNOWN, str(error))
    except RecursionError:
        return Verdict(UNKNOWN, "nested too deep to analyse")


def parsed(source: str) -> tuple[bool | None, str]:
    """Whether a Python program is valid (``None``: not found out), and why not."""
    if len(source) > LARGEST:
        return None, f"larger than {LARGEST:,} characters"
    try:
        python_syntax.parse(source)
    except python_syntax.Unparsable as error:
        return False, str(error)
    except (python_syntax.TooDeep, RecursionError) as error:
        return None, str(error)
    return True, ""


def _look_at_c(one: Subject) -> list[Finding]:
    unit = c_syntax.parse(one.source)
    return [finding for rule in one.rules for finding in c_checkers.CHECKS[rule](unit)]


def _look_at_python(one: Subject) -> list[Finding]:
    module = python_syntax.parse(one.source)
    return [finding for rule in one.rules for finding in python_checkers.CHECKS[rule](module)]


def scan(folder: Path, rules: Sequence[str] = ()) -> dict[Path, Verdict]:
    """Judge every C and Python file of a folder and below, or one file.

    Args:
        rules: which rules; by default all of the file's language but ``NARROW``, which have to be named.

    Returns:
        Verdicts in path order; a file that cannot be read is ``unknown``.
    """
    listed = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    found = [path for path in listed if path.suffix in LANGUAGES and path.is_file()]
    verdicts: dict[Path, Verdict] = {}
    subjects: dict[Path, Subject] = {}
    for path in found:
        language = LANGUAGES[path.suffix]
        mine = tuple(rule for rule in RULES[language] if (rule in rules if rules else rule not in NARROW))
        try:
            subjects[path] = Subject(language, _read(path), mine)
        except OSError as error:
            verdicts[path] = Verdict(UNKNOWN, f"cannot be read: {error.strerror}")
    verdicts |= zip(subjects, judge(list(subjects.values())), strict=True)
    return {path: verdicts[path] for path in found}


def _read(path: Path) -> str:
    """A file's text, or so much of it that it is seen to be too large."""
    with path.open("rb") as stream:
        return stream.read(4 * LARGEST + 1).decode("utf-8", "surrogateescape")
