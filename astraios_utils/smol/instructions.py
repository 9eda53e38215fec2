"""Instruction data made on this machine: documented functions of installed packages, in the paper's format.

A package takes part if its licence is permissive and it is pinned in the project's lock, so that every machine gets the
same rows. Packages, not rows, are divided into training and test data. A function that shares ten words in a row with
the benchmark is left out. The rows are three kinds of the paper's tasks: write a function, fix a planted bug, describe.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import schema, store
from ..programs import mutation
from ..programs.edits import meaning
from ..programs.functions import Documented, extract

VERSION = 1
SEED = 0
OVERLAP = 10  # words in a row
PER_PACKAGE = 400  # functions, so that one large package does not make up the data
# Distributions that the lock pins, with the folder that holds their modules.
PACKAGES: Mapping[str, str] = {
    "datasets": "datasets",
    "fsspec": "fsspec",
    "huggingface_hub": "huggingface_hub",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "networkx": "networkx",
    "numpy": "numpy",
    "pandas": "pandas",
    "peft": "peft",
    "pygments": "pygments",
    "scipy": "scipy",
    "seaborn": "seaborn",
    "sympy": "sympy",
    "torch": "torch",
    "transformers": "transformers",
    "trl": "trl",
}
_PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|Matplotlib)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+|[^\w\s]")
TEST_SHARE = 8  # one package in so many is test data
KINDS = ("synthesis", "repair", "explanation")
_BEGINS = {"Fix": "repair", "Provide": "explanation"}  # first words of prompts; all others ask for a function

Row = dict[str, str]


def licence(name: str) -> str:
    """A distribution's licence as its metadata say it, on one line of at most 60 characters."""
    held = metadata.metadata(name)
    classifiers = [c.rpartition(" :: ")[2] for c in held.get_all("Classifier") or [] if c.startswith("License")]
    stated = [*(held.get_all("License-Expression") or []), *classifiers, *(held.get_all("License") or [])]
    text = stated[0] if stated else "unknown"
    return " ".join(text.split())[:60]


def sources() -> dict[str, Path]:
    """The packages that are installed and permissively licensed, with their folders."""
    found = {}
    for name, module in PACKAGES.items():
        try:
            folder = Path(str(metadata.distribution(name).locate_file(module)))
        except metadata.PackageNotFoundError:
            continue
        if folder.is_dir() and _PERMISSIVE.search(licence(name)):
            found[name] = folder
    return found


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed version of each package, without a local part (``+cpu``)."""
    return {name: metadata.version(name).partition("+")[0] for name in packages}


def split_of(package: str) -> str:
    """``train`` or ``test``, by the package's name."""
    return "test" if hashlib.sha256(package.encode()).digest()[0] % TEST_SHARE == 0 else "train"


def windows(text: str) -> set[tuple[str, ...]]:
    """Every run of :data:`OVERLAP` words or signs of a text, in lower case."""
    words = _WORD.findall(text.lower())
    return {tuple(words[at : at + OVERLAP]) for at in range(len(words) - OVERLAP + 1)}


def collect(packages: Mapping[str, Path], held_out: Iterable[str]) -> dict[str, list[Documented]]:
    """The functions of each package: no two alike in all packages, none that overlaps with a held-out text.

    Args:
        packages: name -> folder.
        held_out: texts of the benchmark.
    """
    forbidden = set().union(*map(windows, held_out))
    seen: set[str] = set()
    found: dict[str, list[Documented]] = {}
    for name, folder in sorted(packages.items()):
        kept = []
        for function in extract(folder):
            known = meaning(function.text.replace(f"def {function.name}(", "def f(", 1))
            if known in seen or windows(function.documented()) & forbidden:
                continue
            seen.add(known)
            kept.append(function)
        chosen = random.Random(f"{name}:{SEED}")
        found[name] = kept if len(kept) <= PER_PACKAGE else chosen.sample(kept, PER_PACKAGE)
    return found


def _synthesis(function: Documented, rng: random.Random) -> Row:
    asked = rng.choice(
        (
            f"Write a Python function `{function.signature}` to solve the following problem:\n{function.description}",
            f"Write a Python function `{function.signature}`. {function.description}",
            f"Create a Python script for this problem.\n{function.description}",
        )
    )
    return {"prompt": asked, "completion": function.documented()}


def _repair(function: Documented, rng: random.Random) -> Row | None:
    """A planted bug to fix; no tests show it, so the description does."""
    found = mutation.shuffled(function.text, function.name, rng.randrange(1 << 30))
    if not found:
        return None
    asked = f"Fix bugs in {function.name}. {function.description}\n{found[0].text.rstrip()}"
    return {"prompt": asked, "completion": function.text}


def _explanation(function: Documented, rng: random.Random) -> Row:
    length = 10 * (1 + len(function.description) // 10)
    asked = (
        "Provide a concise natural language description of the code using at most "
        f"{length} characters.\n{function.text.rstrip()}"
    )
    return {"prompt": asked, "completion": function.description}


def rows(functions: Sequence[Documented], package: str) -> Iterator[Row]:
    """One instruction per function: half of them synthesis, a quarter each repair and explanation."""
    for number, function in enumerate(functions):
        rng = random.Random(f"{package}:{number}:{SEED}")
        kind = rng.choice(("synthesis", "synthesis", "repair", "explanation"))
        row = _repair(function, rng) if kind == "repair" else None
        if kind == "explanation":
            row = _explanation(function, rng)
        yield row or _synthesis(function, rng)


def kind_of(prompt: str) -> str:
    """Which of :data:`KINDS` a row is, by its prompt."""
    return _BEGINS.get(prompt.split(maxsplit=1)[0], "synthesis")


def write(folder: Path, held_out: Sequence[str], say: Callable[[str], None]) -> None:
    """Write ``train.jsonl.xz``, ``test.jsonl.xz`` and ``card.json``; nothing where they are current.

    Args:
        folder: gets the files.
        held_out: texts of the benchmark, which no row may overlap with.
        say: takes a line of progress.

    Raises:
        schema.MissingArtefact: no package that could serve is installed.
    """
    packages = sources()
    note = folder / "card.json"
    inputs = {
        "version": VERSION,
        "packages": versions(packages),
        "held_out": store.fingerprint(list(held_out)),
    }
    if (store.read_json(note) or {}).get("inputs") == inputs:
        return
    if not packages:
        raise schema.MissingArtefact(f"none of the packages {', '.join(PACKAGES)} is installed: run make setup")
    say(f"reading documented functions from {len(packages)} packages")
    collected = collect(packages, held_out)
    made: dict[str, list[Row]] = {"train": [], "test": []}
    for name, functions in collected.items():
        made[split_of(name)] += rows(functions, name)
    for split, found in made.items():
        random.Random(SEED).shuffle(found)
        text = "".join(json.dumps(row) + "\n" for row in found)
        with store.atomic(folder / f"{split}.jsonl.xz") as stream:
            stream.write(lzma.compress(text.encode(), preset=6))
    store.write_json(note, {"inputs": inputs, **_card(collected, made)})


def _card(collected: Mapping[str, Sequence[Documented]], made: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """What the data are made of: counts, licences, characters."""
    return {
        "packages": [
            {
                "name": name,
                "version": metadata.version(name).partition("+")[0],
                "licence": licence(name),
                "split": split_of(name),
                "functions": len(functions),
            }
            for name, functions in collected.items()
        ],
        "rows": {split: len(found) for split, found in made.items()},
        "characters": {split: sum(len(r["prompt"] + r["completion"]) for r in found) for split, found in made.items()},
        "kinds": Counter(row["prompt"].split()[0] for found in made.values() for row in found),
    }
