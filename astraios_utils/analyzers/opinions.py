"""Second opinions from tools that happen to be installed: gcc -fanalyzer, clang --analyze, bandit.

Each says of a program, for the weaknesses it knows, whether it objects; none of them implements the benchmark's
queries, so their rates show how much the choice of analyzer matters and replace nothing. Semgrep is left out: without a
network it brings no rules of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .scenarios import SCENARIOS
from .validity import FLAGS, LENIENT

WALL_SECONDS = 300  # of one run over a batch
BATCH = 50


@dataclass(frozen=True, slots=True)
class Tool:
    """One analyzer.

    Attributes:
        language: what it reads.
        knows: by scenario, the warnings that count as the scenario's weakness (a regular expression).
        run: from a folder with files ``<number>.<suffix>`` to pairs of number and warning.
    """

    name: str
    program: str
    language: str
    knows: Mapping[str, str]
    run: Callable[[Path, list[str]], list[tuple[int, str]]]

    @property
    def installed(self) -> bool:
        """Whether this machine has it."""
        return shutil.which(self.program) is not None


def opinions(tool: Tool, programs: Sequence[tuple[str, str]]) -> list[bool | None]:
    """Whether the tool objects to each valid program (scenario, source); ``None``: it does not know the weakness."""
    said: list[bool | None] = [None] * len(programs)
    known = [n for n, (name, _) in enumerate(programs) if SCENARIOS[name].name in tool.knows]
    for start in range(0, len(known), BATCH):
        batch = known[start : start + BATCH]
        suffix = "c" if tool.language == "c" else "py"
        with tempfile.TemporaryDirectory(prefix="astraios-opinion-") as folder:
            for number in batch:
                Path(folder, f"{number}.{suffix}").write_bytes(programs[number][1].encode("utf-8", "replace"))
            warnings = tool.run(Path(folder), [f"{number}.{suffix}" for number in batch])
        for number in batch:
            wanted = tool.knows[SCENARIOS[programs[number][0]].name]
            said[number] = any(at == number and re.search(wanted, text) for at, text in warnings)
    return said


_WARNING = re.compile(r"^(\d+)\.c:\d+:\d+: warning: (.*)$", re.MULTILINE)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=WALL_SECONDS,
        check=False,
    )


def _gcc(folder: Path, files: list[str]) -> list[tuple[int, str]]:
    flags = [flag for flag in FLAGS if flag not in ("-w", "-fsyntax-only")]
    warn = ["-O0", "-fanalyzer", "-Wformat-overflow=2", "-c", "-fdiagnostics-path-format=none"]
    said = _run(["gcc", *flags, *LENIENT, *warn, *files], folder).stderr
    return [(int(number), text) for number, text in _WARNING.findall(said)]


def _clang(folder: Path, files: list[str]) -> list[tuple[int, str]]:
    checks = "-analyzer-checker=core,unix,security,alpha.security"
    said = _run(["clang", "--analyze", "-std=gnu17", *LENIENT, "-Xclang", checks, *files], folder).stderr
    return [(int(number), text) for number, text in _WARNING.findall(said)]


def _bandit(folder: Path, files: list[str]) -> list[tuple[int, str]]:
    report = json.loads(_run(["bandit", "-q", "-f", "json", *files], folder).stdout or "{}")
    return [(int(Path(r["filename"]).stem), r["test_id"]) for r in report.get("results", [])]


TOOLS: tuple[Tool, ...] = (
    Tool(
        "gcc -fanalyzer",
        "gcc",
        "c",
        {
            **dict.fromkeys(("476-0", "476-1", "476-2"), r"-Wanalyzer-possible-null|-Wanalyzer-null-dereference"),
            **dict.fromkeys(("416-0", "416-1"), r"-Wanalyzer-use-after-free|-Wanalyzer-double-free"),
            "787-0": r"-Wformat-overflow",
        },
        _gcc,
    ),
    Tool(
        "clang --analyze",
        "clang",
        "c",
        # It takes malloc for one that never fails, so it does not know CWE-476; the same checker also reports leaks.
        dict.fromkeys(("416-0", "416-1"), r"(after it is freed|free released memory).*\[unix\.Malloc\]"),
        _clang,
    ),
    Tool(
        "bandit",
        "bandit",
        "python",
        {
            **dict.fromkeys(("502-0", "502-1", "502-2"), r"B506|B301|B302"),
            **dict.fromkeys(("89-0", "89-1", "89-2"), r"B608"),
            "78-2": r"B602|B605|B604",
            "22-2": r"B202",
            "79-1": r"B701",
            "732-2": r"B103",
        },
        _bandit,
    ),
)
