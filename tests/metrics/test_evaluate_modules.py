"""Every metric loads as a local `evaluate` module without the hub, and says what the package says."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from typing import Any

import pytest

from astraios_utils.metrics import evaluate_modules, scores
from astraios_utils.metrics.evaluate_modules import path


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a metric reached for the network")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_EVALUATE_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    import evaluate

    for name in ("HF_MODULES_CACHE", "HF_METRICS_CACHE", "HF_EVALUATE_CACHE"):
        monkeypatch.setattr(evaluate.config, name, tmp_path / name.lower())


def _load(name: str, tmp_path: Path) -> Any:
    import evaluate

    return evaluate.load(path(name), cache_dir=str(tmp_path / "cache"))


def test_every_folder_is_a_module(tmp_path: Path) -> None:
    folders = {p.parent.name for p in Path(evaluate_modules.__file__).parent.glob("*/*.py")}
    assert folders == set(evaluate_modules.NAMES)
    for name in evaluate_modules.NAMES:
        assert _load(name, tmp_path).description
    with pytest.raises(ValueError, match="no metric 'rouge'"):
        path("rouge")


def test_pass_at_k(tmp_path: Path) -> None:
    # 2 of 4, 0 of 4, 4 of 4: as in test_metrics.
    samples = [[True, True, False, False], [False] * 4, [True] * 4]
    got = _load("pass_at_k", tmp_path).compute(predictions=samples, k=[1, 2, 5])
    assert got["pass@1"] == 50
    assert got["pass@1/se"] == pytest.approx(50 / math.sqrt(3))
    assert got["pass@2"] == pytest.approx(100 * (5 / 6 + 1) / 3)
    assert math.isnan(got["pass@5"])


def test_robust_pass_at_k(tmp_path: Path) -> None:
    rows = [("a", "easy/s0", True), ("a", "easy/s1", True), ("b", "easy/s0", True), ("b", "easy/s1", False)]
    rows += [("a", "hard/s0", False), ("b", "hard/s0", False)]
    problem, variant, passed = map(list, zip(*rows, strict=True))
    module = _load("robust_pass_at_k", tmp_path)
    got = module.compute(predictions=passed, problem=problem, variant=variant, sample=[0] * 6)
    assert {key: got[key] for key in got if key.count("/") == 0 or key.endswith(("easy", "hard"))} == {
        "rp@1": 0,
        "rp@1/easy": 50,
        "rp@1/hard": 0,
    }


def test_robust_change_at_k(tmp_path: Path) -> None:
    got = _load("robust_change_at_k", tmp_path).compute(predictions=[28.0, 12.5], references=[17.0, 17.0])
    assert got["each"] == [11.0, 4.5]
    assert got["rc"] == 7.75


def test_classification(tmp_path: Path) -> None:
    truth, answer = [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 0, -1, -1]
    score = _load("accuracy", tmp_path).compute(predictions=answer, references=truth)
    assert (score["accuracy"], score["valid"]) == (50, 75)
    score = _load("f1", tmp_path).compute(predictions=answer, references=truth)
    assert score["f1"] == pytest.approx(100 * scores.f1(truth, answer))
    assert score["f1/positive"] == pytest.approx(100 / 3)
    again = _load("f1", tmp_path).compute(predictions=answer, references=truth, seed=0)
    assert again == score


def test_importable_as_classes() -> None:
    from astraios_utils.metrics.evaluate_modules.f1.f1 import F1
    from astraios_utils.metrics.evaluate_modules.pass_at_k.pass_at_k import PassAtK

    assert PassAtK().compute(predictions=[[True], [True]])["pass@1"] == 100
    assert F1().compute(predictions=[0, 1], references=[0, 1])["f1"] == 100


def test_codebleu(tmp_path: Path) -> None:
    # An empty prediction: nothing matches; the package's rule gives a quarter (test_codebleu).
    got = _load("codebleu", tmp_path).compute(predictions=["", ""], references=["x = a + b", "return x"])
    assert got["codebleu"] == got["bleu"] == 0
    assert got["codebleu/package"] == 25
    same = _load("codebleu", tmp_path).compute(predictions=["x = a + b"], references=["x = a + b"])
    assert same["codebleu"] == pytest.approx(100)
