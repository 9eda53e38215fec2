"""The JSON Schema of suites, the questions of a new one, results as other tools publish them, and status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from astraios_utils import cli, schema, store
from astraios_utils.exchange import metadata, new_suite, suite_schema
from astraios_utils.running import status

SUITES = sorted((store.data_dir() / "suites").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(suite_schema.suite_schema())
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"titel": "x"}, ""),
    ({"tasks": ["synthesise-python"]}, "tasks.0"),
    ({"tasks": "defect"}, "tasks"),
    ({"seed": "zero"}, "seed"),
    ({"generations": "made"}, "generations"),
    ({"backend": "onnx"}, "backend"),
    ({"sizes": []}, "sizes"),
    ({"seed": -1}, "seed"),
    ({"bases": {"1B": {"model": "x", "modell": "x"}}}, "bases.1B"),
    ({"sampling": {"samples": 0}}, "sampling.samples"),
    ({"recipe": {"corpus": "c", "steps": 0}}, "recipe.steps"),
    ({"recipe": {"corpus": "c", "base_precision": "4bit"}}, "recipe.base_precision"),
]


def _suite(**changes: Any) -> dict[str, Any]:
    return {"name": "own", "title": "Own", "tasks": ["defect"], **changes}


def test_the_shipped_schema_is_todays() -> None:
    shipped = (store.data_dir() / "suites" / "schema.json").read_text(encoding="utf-8")
    assert shipped == suite_schema.as_text(), "run astraios suite schema > data/suites/schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(shipped))


def test_it_accepts_every_shipped_suite() -> None:
    for path in SUITES:
        VALIDATOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert len(SUITES) > 3


@pytest.mark.parametrize(("changes", "where"), BROKEN)
def test_it_rejects_broken_suites_at_the_right_place(changes: dict[str, Any], where: str) -> None:
    VALIDATOR.validate(_suite())
    (error,) = [
        e for e in _leaves(VALIDATOR.iter_errors(_suite(**changes))) if e.validator != "type" or where != "recipe"
    ]
    assert ".".join(map(str, error.absolute_path)) == where


def _leaves(errors: Any) -> list[jsonschema.ValidationError]:
    """The errors themselves; of an alternative with null, those of the other branch."""
    found: list[jsonschema.ValidationError] = []
    for error in errors:
        deeper = [e for e in error.context or [] if e.validator != "type" or "null" not in str(e.schema)]
        found += _leaves(deeper) if deeper else [error]
    return found


def test_five_questions_make_a_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = iter(["own", "./tiny", "lora, (ia)3", "defect,synthesize-python", "data.jsonl"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(given))
    path = tmp_path / "own.yaml"
    assert cli.main(["new-suite", "--out", str(path)]) == 0
    suite = schema.read_suite(path)
    assert suite.methods == ("LoRA", "(IA)3")
    assert suite.bases["tiny"].model == str(tmp_path / "tiny")
    VALIDATOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert "suite check" in capsys.readouterr().out


def test_wrong_answers_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "LoRE" if prompt.startswith("Methods") else "")
    assert cli.main(["new-suite", "--out", str(tmp_path / "a.yaml")]) == 2
    assert not list(tmp_path.iterdir())
    answers = {key: default for key, _, default in new_suite.QUESTIONS}
    (tmp_path / "a.yaml").touch()
    with pytest.raises(schema.BadInput, match="exists"):
        new_suite.write(tmp_path / "a.yaml", new_suite.build(answers))


def _results() -> pd.DataFrame:
    rows = [
        ("synthesize-python", "pass@1", 25.0, 2.0, "measured", 25.0),
        ("aatk", "insecure", 40.0, np.nan, "measured", np.nan),
        ("defect", "accuracy", np.nan, np.nan, "published", 44.0),
    ]
    columns = ["task", "metric", "value", "se", "provenance", "published"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(size="1B", method="LoRA", low=frame["value"] - 4, high=frame["value"] + 4, n=3280, clusters=164)


def test_model_index_holds_measured_cells_with_their_errors() -> None:
    text = metadata.export(_results(), schema.Model("1B", "LoRA"), "model-index", "me/adapter")
    (entry,) = yaml.safe_load(text)["model-index"]
    assert entry["name"] == "me/adapter"
    metrics = {m["type"]: m for result in entry["results"] for m in result["metrics"]}
    assert set(metrics) == {"pass@1", "insecure"}  # the published 44 is nobody's measurement here
    assert metrics["pass@1"]["value"] == 25.0
    assert metrics["pass@1"]["args"] == {
        "standard_error": 2.0, "low_95": 21.0, "high_95": 29.0, "samples": 3280, "problems": 164,
    }  # fmt: skip
    assert "standard_error" not in metrics["insecure"]["args"]


def test_lm_eval_results_are_shares() -> None:
    made = json.loads(metadata.export(_results(), schema.Model("1B", "LoRA"), "lm-eval"))
    assert made["results"]["synthesize-python"]["pass@1,none"] == 0.25
    assert made["results"]["synthesize-python"]["pass@1_stderr,none"] == 0.02
    assert made["results"]["aatk"]["insecure_stderr,none"] == "N/A"
    assert made["higher_is_better"]["aatk"] == {"insecure": False}
    assert set(made["results"]) == {"synthesize-python", "aatk"}


def test_nothing_measured_is_nothing_to_export() -> None:
    with pytest.raises(schema.MissingArtefact, match="nothing is measured"):
        metadata.export(_results(), schema.Model("3B", "LoRA"), "lm-eval")


def test_status_counts_stages_and_names_what_is_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path))
    suite = store.load_suite("nano").slice(["65K"], ["LoRA"], ["defect", "clone"])
    frame = status.table(suite).set_index("stage")
    assert frame["total"].to_dict() == {"train": 1, "generate": 2, "score": 2}
    assert frame["done"].sum() == 0
    assert frame.loc["train", "next"] == "65K LoRA"
    verdicts = tmp_path / "nano" / "verdicts" / "defect" / "65k-lora.parquet"
    verdicts.parent.mkdir(parents=True)
    verdicts.touch()
    text = status.as_text(suite)
    assert "score        1 of 2    next: clone 65K LoRA" in text
    assert text.endswith("continue: astraios run --suite nano")


def test_a_bare_command_shows_help_and_completions_name_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "COMMAND" in capsys.readouterr().out
    assert cli.main(["completion", "bash"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("score", "new-suite", "status"))
