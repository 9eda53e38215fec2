"""``astraios new-suite``: five questions, one suite file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from .. import schema, store

QUESTIONS = (
    ("name", "Name of the suite (letters, digits, - and _)", "mine"),
    ("base", "Base model: a name on the hub, a folder, or a .gguf file", "HuggingFaceTB/SmolLM2-135M"),
    ("methods", f"Methods, separated by commas ({', '.join(schema.ALL_METHODS)})", "LoRA"),
    ("tasks", "Tasks, separated by commas (all of them: astraios fetch --help)", "synthesize-python"),
    ("corpus", "Instruction data: a data set on the hub, or a file of JSON lines", "bigcode/guanaco-commits"),
)
HEAD = "# yaml-language-server: $schema={schema}\n# Next: astraios suite check {path}; astraios run --suite {path}\n"


def ask(answer: Callable[[str], str] | None = None) -> dict[str, str]:
    """The answers to :data:`QUESTIONS`; an empty one is the default.

    Args:
        answer: shows a prompt and returns what the user types; by default the terminal's ``input``.
    """
    answer = answer or input
    return {key: answer(f"{text} [{default}]: ").strip() or default for key, text, default in QUESTIONS}


def build(answers: dict[str, str]) -> dict[str, Any]:
    """The suite as a mapping, validated.

    Raises:
        schema.BadInput: a name that does not exist, or an answer that makes no suite.
    """
    size = Path(answers["base"]).name.removesuffix(".gguf")
    suite = {
        "name": answers["name"],
        "title": f"{size}, by {answers['methods']}",
        "sizes": [size],
        "methods": _listed(answers["methods"], schema.ALL_METHODS, "method"),
        "tasks": _listed(answers["tasks"], schema.TASKS, "task"),
        "bases": {size: {"model": answers["base"]}},
        "recipe": {"corpus": answers["corpus"], "base_precision": "bfloat16"},
        "notebooks": ["02_eval_generation"],
    }
    if not set(suite["tasks"]) & set(schema.GENERATION_TASKS):
        del suite["notebooks"]
    return suite


def _listed(text: str, known: Sequence[str], kind: str) -> list[str]:
    return [schema.match(name.strip(), known, kind) for name in text.split(",") if name.strip()]


def write(path: Path, suite: dict[str, Any]) -> Path:
    """Write the file, once it reads back as a suite.

    Raises:
        schema.BadInput: the file exists, or does not make a suite.
    """
    if path.exists():
        raise schema.BadInput(f"{path}: exists; name another file, or remove it")
    where = store.data_dir() / "suites" / "schema.json"
    text = HEAD.format(schema=where, path=path) + yaml.safe_dump(suite, sort_keys=False, allow_unicode=True)
    with store.atomic(path, "w") as stream:
        stream.write(text)
    try:
        schema.read_suite(path)
    except schema.BadInput:
        path.unlink()
        raise
    return path
