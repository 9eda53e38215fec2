"""Rules for the whole package: short functions, and dependencies declared exactly as imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 50
# Distributions whose name is not that of their module, and what is used without an import.
MODULES = {"pyyaml": "yaml", "ipython": "IPython", "nvidia-ml-py": "pynvml"}
NOT_IMPORTED = {"jupyterlab"}  # `make lab`
OPTIONAL = {"ipywidgets", "ray", "vllm", "pynvml", "bitsandbytes"}  # of the extras, or looked for where there is a GPU


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "astraios_utils").rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def _imported() -> set[str]:
    names: set[str] = set()
    for _, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"astraios_utils"}


def test_functions_fit_on_a_screen() -> None:
    long = []
    for path, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > MOST_LINES:
                    long.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not long


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=\[]", name)[0].lower() for name in project["dependencies"]}
    modules = {MODULES.get(name, name.replace("-", "_")) for name in declared - NOT_IMPORTED}
    assert _imported() - OPTIONAL - modules == set(), "imported, but not declared in pyproject.toml"
    assert modules - _imported() == set(), "declared in pyproject.toml, but not imported"
