"""The repository's address, in one place: ``[project.urls]`` of pyproject.toml (``make links`` moves it).

Badges and bootstrap cells of the notebooks and CITATION.cff repeat the address, because their readers see the file
alone; :func:`move` rewrites them, and a test names each that differs.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from .. import schema, store

HOST = "https://github.com/"
PLACEHOLDER = "astraios-reproduced/astraios"  # until the maintainers publish the repository and run make links
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


def repository() -> str:
    """The repository as ``owner/name``.

    Raises:
        schema.BadInput: pyproject.toml names none.
    """
    path = store.root() / "pyproject.toml"
    urls = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}).get("urls", {})
    name = str(urls.get("Repository", "")).removeprefix(HOST)
    if not _NAME.fullmatch(name):
        raise schema.BadInput(f"{path}: [project.urls] holds no Repository = {HOST}owner/name")
    return name


def holders() -> Iterator[Path]:
    """The files that hold the address."""
    root = store.root()
    yield root / "pyproject.toml"
    yield root / "CITATION.cff"
    yield from sorted((root / "notebooks").glob("*.ipynb"))


def move(to: str) -> list[Path]:
    """Put another address into every file that holds today's; returns the files that changed.

    Raises:
        schema.BadInput: not of the form ``owner/name``.
    """
    if not _NAME.fullmatch(to):
        raise schema.BadInput(f"{to!r}: expected owner/name, as in {HOST}owner/name")
    old, changed = repository(), []
    for path in holders():
        text = path.read_text(encoding="utf-8")
        moved = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", to, text)
        if moved != text:
            with store.atomic(path, "w") as stream:
                stream.write(moved)
            changed.append(path)
    return changed


def main() -> int:
    """Move the address from the command line; 2 where it is malformed."""
    parser = argparse.ArgumentParser(prog="make links REPO=owner/name", description=main.__doc__)
    parser.add_argument("repository", metavar="owner/name")
    try:
        changed = move(parser.parse_args().repository)
    except schema.BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(changed)} files now point to {repository()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
