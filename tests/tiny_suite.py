"""A suite of two tiny random bases and a few problems, which trains, generates and scores in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from tiny_models import tiny, tokenizer

from astraios_utils import schema

PROBLEMS = 6


def _problem(number: int) -> dict[str, Any]:
    head = f"def add_{number}(x):\n"
    return {
        "task_id": f"Python/{number}",
        "prompt": f'{head}    """Add {number}."""\n',
        "declaration": head,
        "canonical_solution": f"    return x + {number}\n",
        "buggy_solution": f"    return x - {number}\n",
        "entry_point": f"add_{number}",
        # Passes for any function that compiles, so that random models have scores.
        "test": f"def check(f):\n    assert f is add_{number}\n\ncheck(add_{number})",
        "docstring": f"Add {number}.",
        "instruction": f"Add {number}.",
    }


def _lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"./{path.name}"


def write(folder: Path, **fields: Any) -> Path:
    """Write the suite, its bases, corpus and problems to a folder; returns the suite file."""
    folder.mkdir(parents=True, exist_ok=True)
    for size, hidden in (("small", 32), ("large", 48)):
        tiny(vocab_size=300, n_layer=1, n_embd=hidden).save_pretrained(folder / size)
        tokenizer().save_pretrained(folder / size)
    pairs = [{"prompt": f"What is {i}?", "completion": f"\n    return {i}" * (1 + i % 3)} for i in range(60)]
    corpus = _lines(folder / "corpus.jsonl", pairs)
    code = _lines(folder / "code.jsonl", [_problem(number) for number in range(PROBLEMS)])
    defects = [{"func": f"int f() {{ return {i}; }}", "target": i % 2} for i in range(PROBLEMS)]
    raw = {
        "name": "tiny",
        "title": "Tiny",
        "sizes": ["small", "large"],
        "methods": ["LoRA", "P-Tuning"],
        "tasks": ["defect", "synthesize-python", "explain-python"],
        "method_configs": {"P-Tuning": {"num_virtual_tokens": 2}},
        "bases": {size: {"model": f"./{size}"} for size in ("small", "large")},
        "problems": {
            "defect": _lines(folder / "defect.jsonl", defects),
            "synthesize-python": code,
            "explain-python": code,
        },
        "sampling": {"samples": 3, "max_length": 200, "precision": "float32"},
        "recipe": {
            "corpus": corpus,
            "corpus_test": corpus,
            "sequence_length": 32,
            "steps": 4,
            "batch": 2,
            "micro_batch": 2,
            "warmup_steps": 1,
            "learning_rate": 1e-2,
            "base_precision": "float32",
            "compute": "float32",
            "gradient_checkpointing": False,
            "evaluate_every": 2,
            "test_sequences": 2,
            "save_every": 2,
        },
        **fields,
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def read(folder: Path, **fields: Any) -> schema.Suite:
    """The suite of :func:`write`."""
    return schema.read_suite(write(folder, **fields))
