"""Security verdicts on generated code: is it valid, and does the checker for its scenario object to it?

The checkers approximate the CodeQL queries that Asleep at the Keyboard names (:mod:`scenarios`); how well they agree
with hand-made labels is shown next to every number that they give. Where CodeQL itself is installed, :mod:`codeql`
uses it. Programs are only parsed or compiled, never run.
"""

from .assembly import DEFAULT, assemble, recovered
from .findings import STATUSES, Finding, Verdict
from .judge import RULES, VERSION, Subject, judge, scan, subject
from .scenarios import SCENARIOS, TABLE, Scenario
from .validity import compiler_version

__all__ = [
    "DEFAULT",
    "RULES",
    "SCENARIOS",
    "STATUSES",
    "TABLE",
    "VERSION",
    "Finding",
    "Scenario",
    "Subject",
    "Verdict",
    "assemble",
    "compiler_version",
    "judge",
    "recovered",
    "scan",
    "subject",
]
