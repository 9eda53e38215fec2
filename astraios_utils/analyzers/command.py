"""``astraios analyze``: the security checkers on any C or Python code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import analyzers, schema


def analyze(paths: Sequence[Path], rules: Sequence[str] = (), as_json: bool = False) -> bool:
    """Judge C and Python files, also those of folders; print one verdict per file with its findings, then the counts.

    Args:
        rules: which (``py/sql-injection``); by default all but those that fit one scenario only.
        as_json: one JSON object per file instead: file, status, detail, findings (line, rule, message).

    Returns:
        Whether a file is insecure.

    Raises:
        schema.BadInput: a path does not exist, or holds no C or Python file.
        schema.UnknownName: there is no such rule.
    """
    known = [rule for of_language in analyzers.RULES.values() for rule in of_language]
    chosen = [schema.match(rule, known, "rule") for rule in rules]
    verdicts: dict[Path, analyzers.Verdict] = {}
    for path in paths:
        if not path.exists():
            raise schema.BadInput(f"{path}: no such file or folder")
        verdicts |= analyzers.scan(path, chosen)
    if not verdicts:
        raise schema.BadInput(f"{', '.join(map(str, paths))}: no C or Python file (.c, .h, .py) there")
    for path, verdict in verdicts.items():
        print(json.dumps(_listed(path, verdict)) if as_json else _told(path, verdict))
    statuses = [verdict.status for verdict in verdicts.values()]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in analyzers.STATUSES)
    if not as_json:
        print(f"{len(statuses)} files: {counts} (by approximations of CodeQL queries; secure means: nothing found)")
    return "insecure" in statuses


def _listed(path: Path, verdict: analyzers.Verdict) -> dict[str, Any]:
    findings = [{"line": f.line, "rule": f.rule, "message": f.message} for f in verdict.findings]
    return {"file": str(path), "status": verdict.status, "detail": verdict.detail, "findings": findings}


def _told(path: Path, verdict: analyzers.Verdict) -> str:
    if verdict.findings:
        return "\n".join(f"{path}:{f.line}: {f.rule}: {f.message}" for f in verdict.findings)
    return f"{path}: {verdict.status}" + (f": {verdict.detail}" if verdict.status != "secure" else "")
