"""What tuning adds is learnt from the instruction data: from answers to other questions, nothing is."""

from __future__ import annotations

import json
import lzma
import random
from pathlib import Path

import pytest

from astraios_utils import schema, store
from astraios_utils.running import pipeline

NANO = store.load_suite("nano")


def _shuffled(path: Path, to: Path) -> Path:
    rows = [json.loads(line) for line in lzma.decompress(path.read_bytes()).splitlines()]
    answers = [row["completion"] for row in rows]
    random.Random(0).shuffle(answers)
    lines = (json.dumps({**row, "completion": answer}) for row, answer in zip(rows, answers, strict=True))
    to.write_text("\n".join(lines))
    return to


def _scores(name: str, corpus: Path) -> dict[str, float]:
    """Scores by task of 420K FFT, tuned on a corpus."""
    recipe = NANO.recipe
    assert recipe is not None
    tuned = recipe.model_copy(update={"corpus": str(corpus)})
    changes = {"name": name, "recipe": tuned, "sampling": NANO.sampling.model_copy(update={"samples": 1})}
    part = NANO.model_copy(update=changes).slice(["420K"], ["FFT"], ["repair-python", "clone", "defect"])
    assert isinstance(part, schema.Suite)
    pipeline.obtain(part)
    pipeline.score(part)
    frame = pipeline.aggregate(part)
    return frame[frame["metric"].isin(("pass@1", "accuracy"))].set_index("task")["value"].to_dict()


@pytest.mark.slow
def test_a_model_tuned_on_shuffled_answers_scores_at_the_floor(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = NANO.recipe
    assert recipe is not None
    source = Path(str(recipe.corpus))
    true = _scores("true-answers", source)
    false = _scores("shuffled-answers", _shuffled(source, tmp_path / "shuffled.jsonl"))
    # Which of two words is right, only the instruction data tells: half of 100 problems by chance, 60 with 2.5% luck.
    for task in ("defect", "clone"):
        assert false[task] <= 60
        assert false[task] + 15 <= true[task]
    # To write a function below its docstring is the base's skill; wrong answers to other questions do not add to it.
    assert false["repair-python"] <= true["repair-python"]
