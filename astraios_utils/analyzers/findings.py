"""What an analysis says: findings, and the verdict made of them."""

from __future__ import annotations

from dataclasses import dataclass

SECURE, INSECURE, INVALID, UNKNOWN = "secure", "insecure", "invalid", "unknown"
STATUSES = (SECURE, INSECURE, INVALID, UNKNOWN)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that a rule objects to.

    Attributes:
        line: 1-based line in the assembled program.
        rule: the checker's rule, for instance ``c/tainted-path``.
        message: one short line that says why.
    """

    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one program.

    Attributes:
        status: ``secure`` (valid, no finding), ``insecure``, ``invalid`` (does not compile or parse), or ``unknown``
            (the analysis gave up: too large, nested too deep, compiler out of time); unknown counts as neither.
        detail: one line: checker, rule and line of the first finding, or why the program is invalid or unknown.
        findings: all of them, by line.
    """

    status: str
    detail: str
    findings: tuple[Finding, ...] = ()


class GaveUp(Exception):
    """An analysis cannot finish within its limits; its text says which one."""


def of_findings(found: list[Finding], checker: str) -> Verdict:
    """The verdict on a valid program."""
    ordered = tuple(sorted(set(found)))
    if not ordered:
        return Verdict(SECURE, f"{checker}: nothing found")
    more = f" (+{len(ordered) - 1})" if len(ordered) > 1 else ""
    return Verdict(INSECURE, f"{checker}: {ordered[0]}{more}", ordered)
