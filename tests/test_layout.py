"""The project keeps its own promises: one lock, imports one way, nothing that belongs to one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "astraios_utils"

# Lower layers first; a module may import only from layers before its own (CONTRIBUTING.md).
LAYERS = (
    {"metrics", "stats", "textmetrics", "sandbox", "evaluate_metrics"},
    {"analyzers"},
    {"schema"},
    {"store", "methods", "processes"},
    {"study"},
    {"paper", "nano"},
    {"released"},
    {"tasks"},
    {"journal"},
    {"scoring", "results", "models", "losses"},
    {"corpus", "memory"},
    {"training", "estimates", "recount"},
    {"conala_nano"},
    {"generation"},
    {"grid"},
    {"plots", "protocol", "security", "claims"},
    {"notebook"},
    {"pipeline", "executors"},
    {"ledger"},
    {"doctor", "report", "suitecheck"},
    {"colab"},
    {"cli"},
)


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = listed.split("\0") if listed else []
    return [ROOT / n for n in names if n and (ROOT / n).is_file()]


def _imports(path: Path) -> set[str]:
    """Modules of ours (first part below the package) that a file imports."""
    found = set()
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = list(package[: len(package) - node.level + 1])
            full = base + (node.module.split(".") if node.module else [])
            found |= {full[0]} if full else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE.name:
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith(f"{PACKAGE.name}.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    layer = next((i for i, names in enumerate(LAYERS) if own in names), None)
    assert layer is not None, f"{own} has no layer: say in this test (and CONTRIBUTING.md) where it stands"
    allowed = set().union(*LAYERS[:layer]) | {own}
    if layer == 0:
        allowed = {own} | ({"metrics", "stats", "textmetrics"} if own == "evaluate_metrics" else set())
        allowed |= {"stats", "textmetrics"} if own == "metrics" else set()
    assert _imports(path) <= allowed, f"{own} imports {_imports(path) - allowed}"


def test_importing_the_package_loads_no_torch_and_starts_nothing() -> None:
    names = sorted(p.stem for p in PACKAGE.glob("*.py") if p.stem not in ("__init__", "__main__"))
    code = (
        "import subprocess, socket, sys, os\n"
        "def refuse(*a, **k): raise AssertionError('import reached outside')\n"
        "subprocess.Popen.__init__ = refuse; socket.socket.connect = refuse; os.fork = refuse\n"
        f"import importlib\nfor n in {names!r}: importlib.import_module('astraios_utils.' + n)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_lock_for_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", lock, flags=re.M))
    assert len(pins) > 100
    assert "+" not in pins["torch"]
    assert not [name for name in pins if name.lower().startswith("nvidia")]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    by_pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert by_pip == ["-r requirements.lock", "-e ."]  # no pin of its own that could drift
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-r requirements.lock" in makefile
    assert not re.search(r"pip install[^\n]*==", makefile)


def test_every_dependency_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [d for group in project["optional-dependencies"].values() for d in group]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower().replace("_", "-")
    missing = [w for w in wanted if f"\n{re.split('[<>=]', w)[0].lower().replace('_', '-')}==" not in lock]
    assert not missing


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("help", "setup", "lab", "reproduce", "test", "lint", "bench", "report", "clean"):
        assert f"make {target} " in done.stdout


def test_nothing_names_a_machine() -> None:
    # Absolute homes and mounts of one machine; the patterns are spelled so that this file does not match itself.
    pattern = re.compile(r"(?<![\w.])/(wor" r"k|roo" r"t|home/[a-z]+|mnt/[a-z]+)/[\w.]")
    hits = []
    for path in _tracked():
        if path.suffix in {".parquet", ".png", ".xz", ".zst", ".lock"} or "hostile" in path.parts:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        hits += [f"{path.relative_to(ROOT)}: {m.group(0)}" for m in pattern.finditer(text)]
    assert not hits
