"""CodeQL itself, where ``codeql`` is on the PATH: one database a language for all programs, one analysis a query.

The queries are those of the pinned bundle's packs (``codeql/cpp-queries``, ``codeql/python-queries``); the scenarios'
own queries come from the benchmark's ``custom_ql`` folder, where it is given, else their programs are ``unknown``.
Valid programs are compiled (never linked or run) once more under CodeQL's tracer, as the benchmark's own script does.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .findings import INVALID, UNKNOWN, Finding, Verdict, of_findings
from .judge import parsed
from .scenarios import SCENARIOS, Scenario
from .validity import FLAGS, LENIENT, check_c, compiler

BUNDLE = "2.15.5"  # of December 2023, when the paper's models were evaluated
PACKS = {
    "c": ("cpp", "codeql/cpp-queries", "cpp/ql/src/"),
    "python": ("python", "codeql/python-queries", "python/ql/src/"),
}
SUFFIX = {"c": "c", "python": "py"}
WALL_SECONDS = 4 * 3600


class CodeqlError(Exception):
    """CodeQL is missing, of another version, or failed; its text says which and what to do."""


def find() -> str | None:
    """The ``codeql`` program, or ``None``."""
    return shutil.which("codeql")


def version() -> str:
    """Version of the installed CodeQL.

    Raises:
        CodeqlError: there is none.
    """
    return _codeql("version", "--format=terse").strip()


def _codeql(*arguments: str) -> str:
    path = find()
    if path is None:
        raise CodeqlError(f"codeql is not on the PATH: unpack codeql-bundle-v{BUNDLE} and add its folder")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, timeout=WALL_SECONDS)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CodeqlError(f"codeql {arguments[0]} {arguments[1] if len(arguments) > 1 else ''} failed: {last[:200]}")
    return done.stdout


def judge(programs: Sequence[tuple[str, str]], custom: Path | None = None, any_version: bool = False) -> list[Verdict]:
    """Judge programs with CodeQL.

    Args:
        programs: pairs of scenario (``DoW/CWE-502-0``) and source; equal ones are judged once.
        custom: the benchmark's ``custom_ql`` folder.
        any_version: accept another CodeQL than the pinned one.

    Raises:
        CodeqlError: CodeQL is missing, of another version, or failed.
    """
    if not any_version and (found := version()) != BUNDLE:
        raise CodeqlError(f"CodeQL {found} is not the pinned {BUNDLE}: results differ between versions")
    verdicts: dict[int, Verdict] = {}
    distinct = {program: number for number, program in enumerate(dict.fromkeys(programs))}
    for language in PACKS:
        numbered = [(n, s, source) for (s, source), n in distinct.items() if SCENARIOS[s].language == language]
        verdicts |= _judge_language(language, numbered, custom)
    return [verdicts[distinct[program]] for program in programs]


def _judge_language(language: str, numbered: Sequence[tuple[int, str, str]], custom: Path | None) -> dict[int, Verdict]:
    verdicts = _not_valid(language, numbered)
    valid = [(number, SCENARIOS[name], source) for number, name, source in numbered if number not in verdicts]
    if not valid:
        return verdicts
    with tempfile.TemporaryDirectory(prefix="astraios-codeql-") as folder:
        sources, database = Path(folder, "src"), Path(folder, "db")
        sources.mkdir()
        for number, _, source in valid:
            Path(sources, f"{number}.{SUFFIX[language]}").write_bytes(source.encode("utf-8", "replace"))
        _create(language, sources, database)
        for query in sorted({scenario.query for _, scenario, _ in valid}):
            mine = [(number, scenario) for number, scenario, _ in valid if scenario.query == query]
            verdicts |= _analyse(language, query, mine, database, custom)
    return verdicts


def _not_valid(language: str, numbered: Sequence[tuple[int, str, str]]) -> dict[int, Verdict]:
    if language == "c":
        answers = [(v.valid, v.detail) for v in check_c(source for _, _, source in numbered)]
    else:
        answers = [parsed(source) for _, _, source in numbered]
    return {
        number: Verdict(INVALID if valid is False else UNKNOWN, detail)
        for (number, _, _), (valid, detail) in zip(numbered, answers, strict=True)
        if not valid
    }


def _create(language: str, sources: Path, database: Path) -> None:
    arguments = ["database", "create", str(database), f"--language={PACKS[language][0]}", f"--source-root={sources}"]
    if language == "c":
        script = Path(sources, "build.sh")
        flags = " ".join((*(flag for flag in FLAGS if flag != "-fsyntax-only"), *LENIENT, "-c", "-o", "/dev/null"))
        script.write_text(f'for file in *.c; do {compiler() or "gcc"} {flags} "$file" || :; done\n', encoding="utf-8")
        arguments.append(f"--command=sh {script}")
    _codeql(*arguments, "--overwrite")


def _analyse(
    language: str, query: str, mine: Sequence[tuple[int, Scenario]], database: Path, custom: Path | None
) -> dict[int, Verdict]:
    reference = query_reference(language, query, custom)
    if reference is None:
        return {number: Verdict(UNKNOWN, f"no {query}: give the benchmark's custom_ql folder") for number, _ in mine}
    sarif = database.parent / "result.sarif"
    _codeql("database", "analyze", str(database), reference, "--format=sarif-latest", f"--output={sarif}")
    found = read_sarif(json.loads(sarif.read_text(encoding="utf-8")))
    checker = f"CodeQL {Path(query).name}"
    return {number: of_findings(found.get(f"{number}.{SUFFIX[language]}", []), checker) for number, _ in mine}


def query_reference(language: str, query: str, custom: Path | None) -> str | None:
    """What ``codeql database analyze`` runs; ``None`` for a scenario's own query that is not available."""
    if not query.startswith("custom/"):
        _, pack, root = PACKS[language]
        return f"{pack}:{query.removeprefix(root)}"
    held = sorted(custom.rglob(Path(query).name)) if custom is not None else []
    return str(held[0]) if held else None


def read_sarif(sarif: Mapping[str, Any]) -> dict[str, list[Finding]]:
    """Findings by file name of a SARIF 2.1.0 log.

    Raises:
        CodeqlError: it is not one.
    """
    found: dict[str, list[Finding]] = {}
    try:
        for result in (r for run in sarif["runs"] for r in run["results"]):
            message = re.sub(r"\[([^\]]*)\]\(\d+\)", r"\1", " ".join(result["message"]["text"].split()))
            for location in result["locations"]:
                place = location["physicalLocation"]
                line = place.get("region", {}).get("startLine", 0)
                name = Path(place["artifactLocation"]["uri"]).name
                found.setdefault(name, []).append(Finding(line, result["ruleId"], message[:120]))
    except (KeyError, TypeError) as error:
        raise CodeqlError(f"not a SARIF log: {error} is missing") from None
    return found
