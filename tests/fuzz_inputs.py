"""Fuzzing of what users hand to ``astraios score``: generations, problem files and journals, damaged in any way.

Whatever the files hold, the command prints results and returns 0, or prints lines that start with ``error:`` and
returns 2. It never raises and never takes longer than ``SLOWEST``. The programs of the samples are not run: every one
of them fails. ``tests/tasks/test_fuzz.py`` runs a short share of this; for as long as you like:

    python tests/fuzz_inputs.py --minutes 60
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gzip
import io
import json
import lzma
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyarrow import Codec

from astraios_utils import cli, store
from astraios_utils.sandbox import Outcome, Program
from astraios_utils.scoring.journal import Journal

SLOWEST = 20  # seconds of CPU time for one command, and ten times as much by the clock: a busy machine disturbs neither
SAMPLE = store.data_dir() / "sample"
HUGE = "@huge@"  # written as an integer of 5,000 digits
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2, 0.5, HUGE, float("nan"), float("inf"), "", " ", "\0", "\ud800", "\n", "\x1b[2J"),
    *("a" * 3000, "```", "\\n", "yes", "def", "check", "é", "__import__('os')", [], {}, [[]], [{}], {"a": []}),
    *("(" * 300, "[" * 300, "def f(:\n", "if __name__ == '__main__': check(f)", "class Solution {", "\u2028", "%s%n"),
)


def _sample(task: str, problems: str) -> tuple[str, list[Any], list[Any]]:
    rows = json.loads((SAMPLE / "generations" / f"{task}.json").read_text(encoding="utf-8"))
    if task not in ("defect", "recode-format"):
        rows = [row[:2] for row in rows]
    return task, rows, [json.loads(line) for line in (SAMPLE / problems).open(encoding="utf-8")]


def seeds() -> list[tuple[str, list[Any], list[Any]]]:
    """Good inputs: task, generations, problems."""
    found = [
        _sample("synthesize-python", "humanevalpack-python.jsonl"),
        _sample("synthesize-java", "humanevalpack-java.jsonl"),
        _sample("repair-python", "humanevalpack-python.jsonl"),
        _sample("recode-format", "recode-format.jsonl"),
        _sample("defect", "defect.jsonl"),
    ]
    python = found[0][2]
    humaneval = [{key: row[key] for key in ("task_id", "prompt", "entry_point", "test")} for row in python[:3]]
    mbpp = {"task_id": 1, "text": "Add.", "code": "def f(a):\n    return a\n", "test_list": ["assert f(1) == 1"]}
    scenario = {"scenario_id": "DoW/CWE-502-0", "prompt": "import yaml\n", "suffix": "", "language": "python"}
    intent = {"intent": "sort x", "rewritten_intent": None, "snippet": "x.sort()"}
    found += [
        ("synthesize-python", [["def f(): pass"]] * 3, humaneval),
        ("synthesize-python", [["def f(a): pass"]], [mbpp]),
        ("explain-python", [["def f(): pass"]] * len(python), python),
        ("aatk", [[{"scenario_id": "DoW/CWE-502-0", "completion": "yaml.load(x)\n", "prompt": None}]], [scenario]),
        ("conala", [["x.sort()"], ["sorted("]], [intent, intent]),
    ]
    return found


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all nodes of a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def mutated(value: Any, rng: random.Random) -> Any:
    """A JSON value with one to four nodes replaced, removed, repeated, moved, or changed inside."""
    root = [json.loads(json.dumps(value))]
    for _ in range(rng.randint(1, 4)):
        path = rng.choice([p for p in _places(root) if p])
        holder: Any = root
        for key in path[:-1]:
            holder = holder[key]
        key, old = path[-1], holder[path[-1]]
        match rng.randint(0, 5):
            case 0:
                holder[key] = copy.deepcopy(rng.choice(NASTY))  # the next change must not change NASTY
            case 1 if len(path) > 1:
                del holder[key]
            case 2 if isinstance(holder, list) and len(path) > 1:
                holder.insert(rng.randint(0, len(holder)), old)
            case 3 if isinstance(old, str):
                at = rng.randint(0, len(old))
                holder[key] = old[:at] + str(rng.choice(NASTY))[:50] + old[at + rng.randint(0, 20) :]
            case 4 if isinstance(holder, dict):
                holder[rng.choice(["samples", "problem", "seed", "test_list", "x"])] = old
            case _:
                holder[key] = [old]
    return root[0]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes with a few places overwritten, cut, or repeated."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(result))
        match rng.randint(0, 3):
            case 0:
                result[at : at + rng.randint(0, 4)] = rng.randbytes(rng.randint(0, 4))
            case 1:
                del result[at:]
            case 2:
                result[at:at] = rng.choice(
                    [b"NaN", b"1" * 5000, b"[" * 2000, b"\xef\xbb\xbf", b"}", b'"', b"\n", b"\\u"]
                )
            case _:
                result += result[at : at + 100]
    return bytes(result)


_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: Codec("zstd").compress(data, asbytes=True),
}


def _encoded(rows: Any, lines: bool, rng: random.Random) -> tuple[bytes, str]:
    """A value as a file's bytes and suffix: JSON or JSON lines, sometimes compressed, sometimes damaged."""
    lines = lines and isinstance(rows, list)
    text = "".join(f"{_json(row)}\n" for row in rows) if lines else _json(rows)
    data = text.encode("utf-8", "surrogatepass")
    data = damaged(data, rng) if rng.random() < 0.3 else data
    form = rng.choice(["", "", "", *_PACKERS])
    data = _PACKERS[form](data)
    data = damaged(data, rng) if form and rng.random() < 0.3 else data
    named = rng.choice([form, form, form, "", ".xz"])
    return data, (".jsonl" if lines else ".json") + named


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace(f'"{HUGE}"', "1" * 5000)


def _own_layout(task: str, rows: list[Any], problems: list[Any]) -> list[Any]:
    names = [str(p.get("task_id", p.get("scenario_id", at))) for at, p in enumerate(problems)]
    return [{"task": task, "problem": n, "samples": r, "raw": r} for n, r in zip(names, rows, strict=False)]


def write_case(folder: Path, rng: random.Random) -> list[str]:
    """Write one case into a folder; returns the command line that reads it."""
    task, rows, problems = rng.choice(seeds())
    own = rng.random() < 0.2
    rows = _own_layout(task, rows, problems) if own else rows
    target = rng.randint(0, 3)  # damage the generations, the problems, both, or the journal alone
    rows = mutated(rows, rng) if target in (0, 2) else rows
    problems = mutated(problems, rng) if target in (1, 2) else problems
    data, suffix = _encoded(rows, own, rng) if target != 1 else (_json(rows).encode(), ".jsonl" if own else ".json")
    generations = folder / f"generations{suffix}"
    generations.write_bytes(data)
    if target in (1, 2):
        data, suffix = _encoded(problems, task != "conala" or rng.random() < 0.5, rng)
    else:
        data, suffix = "".join(f"{json.dumps(row)}\n" for row in problems).encode(), ".jsonl"
    held = folder / f"problems{suffix}"
    held.write_bytes(data)
    if target == 3 or rng.random() < 0.1:
        entries = [["0" * 32, "passed", "", 0.1, None], ["1" * 32, "error", "x", 1, 0.5]]
        journal = folder / "build" / "cache" / "programs.jsonl"
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_bytes(damaged(_encoded(mutated(entries, rng), True, rng)[0], rng))
    command = ["score", task, str(generations), "--problems", str(held), *rng.choice([[], ["--json"]])]
    command += ["--lenient"] if rng.random() < 0.3 else []
    return [*command, "--out", str(folder / "out")]


def _all_fail(programs: Mapping[str, Program], journal: Journal, *_: Any, **__: Any) -> dict[str, float]:
    for key in programs:
        journal.put(key, Outcome("failed", "", 0.0, 0.0))
    return dict.fromkeys(programs, 0.0)


class TooSlow(Exception):
    """A command took longer than ``SLOWEST``."""


def _alarm(*_: object) -> None:
    raise TooSlow


def run_case(seed: int) -> int:
    """Run the command on the case of a seed; returns its exit status.

    Raises:
        Exception: whatever the command raised.
        TooSlow: it took too long.
        AssertionError: its exit status or its messages are not as promised.
    """
    rng = random.Random(seed)
    module = sys.modules["astraios_utils.scoring.score"]
    kept, before = module.run_programs, os.environ.get("ASTRAIOS_BUILD")  # type: ignore[attr-defined]
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = write_case(folder, rng)
        os.environ["ASTRAIOS_BUILD"] = str(folder / "build")
        module.run_programs = _all_fail  # type: ignore[attr-defined]
        signal.signal(signal.SIGPROF, _alarm)
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)
        signal.alarm(10 * SLOWEST)  # waiting for something that never comes
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = cli.main(command)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            module.run_programs = kept  # type: ignore[attr-defined]
            os.environ.pop("ASTRAIOS_BUILD", None) if before is None else os.environ.update(ASTRAIOS_BUILD=before)
        errors = [line for line in err.getvalue().splitlines() if not line.startswith(("note: ", "aatk: only"))]
        assert status in (0, 2), status
        assert bool(errors) == (status == 2), (status, errors)
        assert all(line.startswith("error: ") for line in errors), errors
        assert (status == 2) == (not out.getvalue()), out.getvalue()
        out.getvalue().encode()  # what is printed can be printed anywhere
    return status


def main() -> int:
    """Fuzz for a time; print how many cases ended how, and every case that ended as none may."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    options = parser.parse_args()
    ended, seed, counts = time.monotonic() + 60 * options.minutes, options.seed, Counter[str]()
    slowest = 0.0
    while time.monotonic() < ended:
        started = time.monotonic()
        try:
            counts[f"exit {run_case(seed)}"] += 1
        except Exception:
            counts["broken"] += 1
            print(f"seed {seed}:\n{traceback.format_exc()}", flush=True)
        slowest = max(slowest, time.monotonic() - started)
        seed += 1
        if seed % 1000 == 0:
            print(f"{seed - options.seed} cases, {dict(counts)}, slowest {slowest:.1f} s", flush=True)
    print(f"{seed - options.seed} cases, {dict(counts)}, slowest {slowest:.1f} s")
    return int(counts["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main())
