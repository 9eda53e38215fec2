"""docs/gpu.md: the commands that it gives exist, with the options that it names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from astraios_utils import cli

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`((?:astraios|accelerate|python benchmarks|make)\b[^`]+)`", PAGE)


def test_the_page_gives_commands() -> None:
    assert len(COMMANDS) >= 8
    assert {command.split()[0] for command in COMMANDS} == {"accelerate", "astraios", "python", "make"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(("astraios", "accelerate"))])
def test_each_command_of_astraios_can_be_read(command: str) -> None:
    arguments = command.split("astraios_utils.cli")[-1].removeprefix("astraios").split()
    assert cli.build_parser().parse_args(arguments).command == arguments[0]


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted({c.split()[1] for c in COMMANDS if c.startswith("python benchmarks")}))
def test_each_benchmark_has_the_options_that_are_named(script: str) -> None:
    done = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    named = {o for c in COMMANDS if script in c for o in re.findall(r"--[\w-]+", c)}
    assert named <= set(re.findall(r"--[\w-]+", done.stdout))
