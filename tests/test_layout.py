"""The project keeps its own promises: one lock, imports one way, nothing that belongs to one machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import layout
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "astraios_utils"


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = listed.split("\0") if listed else []
    return [ROOT / n for n in names if n and (ROOT / n).is_file()]


def test_no_room_imports_from_its_own_level_or_above() -> None:
    """The rooms and their levels stand in pyproject.toml; a new room must be entered there."""
    levels = layout.rooms()
    level_of = {room: number for number, names in enumerate(levels) for room in names}
    upward = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = layout.room_of(path)
        if room == "__init__":
            continue
        assert room in level_of, f"{room} is in no level: enter it under [tool.astraios] in pyproject.toml"
        wrong = {other for other in layout.imported_rooms(path) if level_of.get(other, -1) <= level_of[room]}
        upward += [f"{path.relative_to(PACKAGE)} imports {other}" for other in sorted(wrong)]
    assert not upward
    found = {layout.room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert set(level_of) == found


def test_readme_shows_todays_rooms() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert layout.BETWEEN.search(readme), "README.md has no tree of the package"
    assert layout.with_tree(readme) == readme, "run python tests/layout.py"


def test_no_two_modules_of_one_name_next_to_each_other() -> None:
    twice = [p for p in PACKAGE.rglob("*.py") if p.with_suffix("").is_dir()]
    assert not twice


def test_importing_the_package_loads_no_torch_and_starts_nothing() -> None:
    names = sorted(room for level in layout.rooms() for room in level)
    code = (
        "import subprocess, socket, sys, os\n"
        "def refuse(*a, **k): raise AssertionError('import reached outside')\n"
        "subprocess.Popen.__init__ = refuse; socket.socket.connect = refuse; os.fork = refuse\n"
        f"import importlib\nfor n in {names!r}: importlib.import_module('astraios_utils.' + n)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_line_shows_help_without_numpy_pandas_and_pydantic() -> None:
    code = (
        "import sys\nfrom astraios_utils import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'pandas', 'pydantic', 'scipy', 'torch'} & sys.modules.keys(), 'imported for nothing'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_lock_for_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", lock, flags=re.M))
    assert len(pins) > 100
    assert "+" not in pins["torch"]
    assert not [name for name in pins if name.lower().startswith("nvidia") and name != "nvidia-ml-py"]
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
