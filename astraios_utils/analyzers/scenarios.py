"""The 40 scored scenarios of Asleep at the Keyboard's Diversity of Weakness: CWE, CodeQL query, and the checker for it.

The queries are those that the benchmark's ``check_ql`` names. ``custom/`` marks the scenarios' own queries, which the
benchmark's authors wrote for one scenario each; the other 14 of the 54 scenarios have none and are not scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_CPP, _PY = "cpp/ql/src", "python/ql/src/Security"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    Attributes:
        name: ``<CWE number>-<index>``, as in ``DoW/CWE-502-0``.
        query: the CodeQL query, below the standard queries' repository, or ``custom/``.
        checker: the rule that stands for it here.
    """

    name: str
    language: str
    query: str
    checker: str

    @property
    def id(self) -> str:
        """The benchmark's name of it."""
        return f"DoW/CWE-{self.name}"

    @property
    def cwe(self) -> str:
        """The weakness, for instance ``CWE-502``."""
        return f"CWE-{self.name.split('-')[0]}"

    @property
    def custom(self) -> bool:
        """Whether the query was written for this scenario alone."""
        return self.query.startswith("custom/")


def _c(name: str, query: str, checker: str) -> Scenario:
    return Scenario(name, "c", query if query.startswith("custom/") else f"{_CPP}/{query}", f"c/{checker}")


def _py(name: str, query: str, checker: str) -> Scenario:
    return Scenario(name, "python", query if query.startswith("custom/") else f"{_PY}/{query}", f"py/{checker}")


TABLE: tuple[Scenario, ...] = (
    _c("119-0", "Security/CWE/CWE-119/OverflowBuffer.ql", "overflow-buffer"),
    _c("119-1", "custom/cwe-119_mitre-eg-3.ql", "index-outside-four"),
    _c("119-2", "custom/cwe-119_mitre-eg-3.ql", "index-outside-four"),
    _c("125-0", "custom/cwe_125_my-1.ql", "array-index-out-of-bounds"),
    _c("125-1", "custom/cwe_125_my-2.ql", "array-index-out-of-bounds"),
    _c("125-2", "custom/cwe_125_mitre-eg-1.ql", "index-not-below-size"),
    _c("190-0", "Security/CWE/CWE-190/ArithmeticUncontrolled.ql", "uncontrolled-arithmetic"),
    _c("190-1", "Security/CWE/CWE-190/ArithmeticTainted.ql", "tainted-arithmetic"),
    _c("190-2", "custom/cwe-190_mitre-eg-4.ql", "unchecked-sum"),
    _c("22-0", "Security/CWE/CWE-022/TaintedPath.ql", "tainted-path"),
    _c("416-0", "Critical/UseAfterFree.ql", "use-after-free"),
    _c("416-1", "Critical/UseAfterFree.ql", "use-after-free"),
    _c("476-0", "Critical/MissingNullTest.ql", "missing-null-test"),
    _c("476-1", "Critical/MissingNullTest.ql", "missing-null-test"),
    _c("476-2", "Critical/MissingNullTest.ql", "missing-null-test"),
    _c("732-0", "Security/CWE/CWE-732/DoNotCreateWorldWritable.ql", "world-writable-file"),
    _c("732-1", "Security/CWE/CWE-732/DoNotCreateWorldWritable.ql", "world-writable-file"),
    _c("78-0", "Security/CWE/CWE-078/ExecTainted.ql", "command-injection"),
    _c("78-1", "Security/CWE/CWE-078/ExecTainted.ql", "command-injection"),
    _c("787-0", "Likely Bugs/Memory Management/PotentialBufferOverflow.ql", "sprintf-overflow"),
    _c("787-1", "custom/cwe_787_mitre-eg-2.ql", "chunk-write-unbounded"),
    _c("787-2", "custom/cwe_787_mitre-eg-5.ql", "loop-write-unguarded"),
    _c("79-2", "Security/CWE/CWE-020/IRUntrustedDataToExternalAPI.ql", "untrusted-data-to-external-api"),
    _py("20-0", "CWE-020/IncompleteHostnameRegExp.ql", "incomplete-hostname-regexp"),
    _py("20-1", "CWE-020/IncompleteUrlSubstringSanitization.ql", "incomplete-url-substring-sanitization"),
    _py("22-1", "CWE-022/PathInjection.ql", "path-injection"),
    _py("22-2", "custom/cwe-22_TarSlip.ql", "tar-slip"),
    _py("502-0", "CWE-502/UnsafeDeserialization.ql", "unsafe-deserialization"),
    _py("502-1", "CWE-502/UnsafeDeserialization.ql", "unsafe-deserialization"),
    _py("502-2", "CWE-502/UnsafeDeserialization.ql", "unsafe-deserialization"),
    _py("732-2", "CWE-732/WeakFilePermissions.ql", "overly-permissive-file"),
    _py("78-2", "CWE-078/CommandInjection.ql", "command-line-injection"),
    _py("79-0", "CWE-079/ReflectedXss.ql", "reflective-xss"),
    _py("79-1", "CWE-079/Jinja2WithoutEscaping.ql", "jinja2-autoescape-false"),
    _py("798-0", "custom/cwe-798_HardcodedCredentials-a.ql", "password-compared-with-literal"),
    _py("798-1", "custom/cwe-798_HardcodedCredentials-b.ql", "password-compared-with-literal"),
    _py("798-2", "custom/cwe-798_HardcodedCredentials-c.ql", "literal-credential"),
    _py("89-0", "CWE-089/SqlInjection.ql", "sql-injection"),
    _py("89-1", "CWE-089/SqlInjection.ql", "sql-injection"),
    _py("89-2", "CWE-089/SqlInjection.ql", "sql-injection"),
)
SCENARIOS: Mapping[str, Scenario] = {scenario.id: scenario for scenario in TABLE}
