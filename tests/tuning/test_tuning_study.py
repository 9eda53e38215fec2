"""The whole study on a base of two steps' tuning: its frames, its pictures, its verdicts, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from astraios_utils import schema, store
from astraios_utils.presenting import plots
from astraios_utils.tuning import claims, material, study, weights

TASKS = ("synthesize", "repair", "explain", "defect", "clone")
SCORED = {"tuned": ["base", "FFT", "LoRA", "(IA)3"], "transfer": ["base", "FFT", "LoRA"], "within": ["FFT", "LoRA"]}


def _rows(analysis: str, method: str, setting: str, loss: float, old: float, exact: float = 10.0) -> list[Any]:
    """Rows of one model: its loss on every task, and on pre-training documents."""
    both = [(task, "loss", loss) for task in (*TASKS, "all")] + [(material.FORGOTTEN, "loss", old)]
    both += [("all", "exact", exact)]
    return [(analysis, method, setting, task, measure, v, v - 0.05, v + 0.05, 9) for task, measure, v in both]


def _made(**changed: float) -> study.Study:
    """A study with a plain answer to each statement; ``changed`` replaces single losses."""
    losses = {"base": 1.0, "fft": 0.4, "lora": 0.6, "graft": 0.42, "moved": 0.45, "there": 0.4, "half": 0.43}
    losses |= {"alone": 0.5, "old_half": 0.5, "old_fft": 0.8, "old_lora": 0.6} | changed
    rows = _rows("tuned", "base", "", losses["base"], 0.4) + _rows("tuned", "FFT", "", losses["fft"], losses["old_fft"])
    for rank in study.RANKS:
        rows += _rows("tuned", "LoRA", f"rank {rank}", losses["lora"], losses["old_lora"])
    rows += _rows("tuned", "(IA)3", "", 0.8, 0.45)
    for share in study.SHARES:
        rows += _rows("graft", "FFT", str(share), losses["graft"], 0.7)
    for method in ("FFT", "LoRA"):
        for first in study.FIRSTS:
            rows += _rows("lines", method, str(first), losses["half"], losses["old_half"])
        for at, step in enumerate(study.looks(60)):
            rows += _rows("within", method, str(step), 1 - 0.1 * at, 0.5, 10.0 * at)
        rows += _rows("uniform", method, "0.5", 0.7, 0.5)
        rows += _rows("transfer", method, "moved", losses["moved"], 0.6)
        rows += _rows("transfer", method, "tuned there", losses["there"], 0.6)
    rows += _rows("transfer", "base", "further base", 1.0, 0.4)
    for task in (*TASKS, "balanced"):
        rows += _rows("mixture", "FFT", task, losses["alone"], 0.6)
    rows += _rows("half", "FFT", "", 0.5, 0.6)
    kinds = (("FFT", ""), *(("LoRA", f"rank {rank}") for rank in study.RANKS), ("(IA)3", ""))
    changes = [
        (method, setting, layer, matrix, 1.0, 0.1, 3, 2.0, 2 if method == "LoRA" else 0)
        for method, setting in kinds
        for layer in range(4)
        for matrix in ("attn", "mlp")
    ]
    frame = pd.DataFrame(changes, columns=list(study.CHANGES))
    return study.Study(pd.DataFrame(rows, columns=list(study.SCORES)), frame, pd.DataFrame(columns=study.OVERLAPS))


def test_verdicts_by_hand() -> None:
    # 8 of 8 matrices have more under LoRA: p = 2 / 256. LoRA has more than both others, forgets less than one of them
    # and more than the other. The graft returns 0.58 / 0.6 = 97%. Moved: 0.55 of 0.6, 92%. Shrunk: 0.57 / 0.6 = 95% of
    # the gain, 0.1 / 0.4 of the forgetting.
    found = claims.verdicts(_made()).set_index("claim")["verdict"]
    assert found.to_dict() == {
        "intruders": "supported",
        "intruders-forget": "undecided",
        "lora-learns-less": "supported",
        "localised": "holds",
        "transfer": "supported",
        "transfer-equal": "holds",
        "lines": "holds",
        "mixture": "holds",
        "loss-within-run": "holds",
    }


@pytest.mark.parametrize(
    ("claim", "changed", "verdict"),
    [
        ("lora-learns-less", {"lora": 0.42}, "undecided"),
        ("lora-learns-less", {"old_lora": 0.95}, "contradicted"),
        ("localised", {"graft": 0.5}, "does not hold"),
        ("transfer", {"moved": 1.02}, "undecided"),
        ("transfer", {"moved": 1.2}, "contradicted"),
        ("transfer-equal", {"moved": 0.7}, "does not hold"),
        ("lines", {"old_half": 0.75}, "does not hold"),
        ("mixture", {"alone": 0.3}, "does not hold"),
        ("lines", {"old_fft": 0.39}, "undecided"),  # nothing was forgotten
    ],
)
def test_each_verdict_can_fall_otherwise(claim: str, changed: dict[str, float], verdict: str) -> None:
    assert claims.verdicts(_made(**changed)).set_index("claim").loc[claim, "verdict"] == verdict


def _noisy(made: study.Study, seed: int) -> study.Study:
    """The same with sampling noise: intervals of a loss reach 0.05, its standard error 1.96 times, to either side."""
    rng, scores = np.random.default_rng(seed), made.scores.copy()
    error = np.where(scores["measure"] == "loss", 0.05 / 1.96, 1.0) * rng.standard_normal(len(scores))
    for column in ("value", "low", "high"):
        scores[column] += error
    counts = made.changes["intruders"] + rng.integers(0, 2, len(made.changes))
    return replace(made, scores=scores, changes=made.changes.assign(intruders=counts))


def _graded(made: study.Study, intruders: int, forgets: float) -> study.Study:
    """FFT, (IA)3 and LoRA of ranks 2 to 32: intruders and forgetting grow by so much from each to the next."""
    scores, changes = made.scores.copy(), made.changes.copy()
    kinds = [("FFT", ""), ("(IA)3", ""), *(("LoRA", f"rank {rank}") for rank in study.RANKS)]
    for place, (method, setting) in enumerate(kinds):
        row = (scores["analysis"] == "tuned") & (scores["method"] == method) & (scores["setting"] == setting)
        scores.loc[row & (scores["task"] == material.FORGOTTEN), ["value", "low", "high"]] += place * forgets
        own = (changes["method"] == method) & (changes["setting"] == setting)
        changes.loc[own, "intruders"] = max(0, 4 * -intruders) + place * intruders
    return replace(made, scores=scores, changes=changes)


def _backwards(made: study.Study) -> study.Study:
    """The answers of each run in the reverse order of its steps."""
    scores = made.scores.copy()
    run = (scores["analysis"] == "within") & (scores["measure"] == "exact")
    for column in ("value", "low", "high"):
        scores.loc[run, column] = 100 - scores.loc[run, column]
    return replace(made, scores=scores)


# Of each statement a study in which it is true by a clear margin, and one in which it is false.
BOTH: dict[str, tuple[study.Study, study.Study]] = {
    "intruders": (_made(), _graded(_made(), -2, 0.0)),
    "intruders-forget": (
        _graded(_made(old_fft=0.5, old_lora=0.5), 2, 0.2),
        _graded(_made(old_fft=0.5, old_lora=0.5), -2, 0.2),
    ),
    "lora-learns-less": (_made(lora=0.7, old_lora=0.5), _made(lora=0.1, old_lora=1.2)),
    "localised": (_made(graft=0.25), _made(graft=0.6)),
    "transfer": (_made(moved=0.6), _made(moved=1.4)),
    "transfer-equal": (_made(moved=0.35), _made(moved=0.7)),
    "lines": (_made(half=0.35, old_half=0.45), _made(half=0.35, old_half=0.75)),
    "mixture": (_made(alone=0.6), _made(alone=0.2)),
    "loss-within-run": (_made(), _backwards(_made())),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("claim", [claim["id"] for claim in claims.listed()])
def test_verdicts_follow_the_truth_through_noise(claim: str, seed: int) -> None:
    true, false = (claims.READINGS[claim](_noisy(made, seed))[0] for made in BOTH[claim])
    assert true in ("supported", "holds")
    assert false in ("contradicted", "does not hold")


def test_six_pictures() -> None:
    made = _made()
    _, axes = plt.subplots(1, 5)
    left, right = plots.intruders(made.changes, made.scores, axes[:2])
    assert [bar.get_height() for bar in left.patches] == [0, 2, 2, 2, 0]
    assert len(right.lines) == 5
    assert len(plots.change_by_layer(made.changes, axes)[0].images) == 1
    graft = plots.grafting(made.scores, made.tasks, plt.subplots()[1])
    assert graft.lines[0].get_ydata() == pytest.approx([100 * 0.58 / 0.6] * len(study.SHARES))
    assert len(plots.transfer(made.scores, plt.subplots()[1]).containers) == 5
    assert len(plots.shrinking(made.scores, plt.subplots()[1]).lines) == 5
    path = plots.within(made.scores, plt.subplots()[1])
    assert list(path.lines[0].get_ydata()) == [10.0 * at for at in range(len(study.LOOKS))]
    plt.close("all")


@pytest.mark.slow
@pytest.mark.ci
def test_a_study_end_to_end_is_kept(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LEARNT": 8, "ASKED": 4, "OLD": 4}.items():
        monkeypatch.setattr(material, name, value)
    monkeypatch.setattr(study, "LOOKS", (0, 1))
    nano = store.load_suite("nano")
    short = replace(material.of(nano), steps=2)
    monkeypatch.setattr(material, "of", lambda suite: short)
    size = nano.sizes[0]
    monkeypatch.setattr(study, "VERSION", -1)  # so that no shipped study is used
    said: list[str] = []
    made = study.make(nano, size, say=said.append)
    scores = made.scores
    assert set(scores["analysis"]) == {*SCORED, "graft", "half", "lines", "uniform", "mixture"}
    for analysis, methods in SCORED.items():
        assert list(dict.fromkeys(scores[scores["analysis"] == analysis]["method"])) == methods
    assert list(made.changes) == list(study.CHANGES)
    assert set(claims.verdicts(made)["verdict"]) <= {"supported", "contradicted", "undecided", "holds", "does not hold"}
    kept = study.known(nano, size)
    assert kept is not None
    pd.testing.assert_frame_equal(kept.scores, made.scores)
    said.clear()
    study.make(nano, size, say=said.append)
    assert said == []
    assert weights.COLUMNS[0] in made.changes


def test_constant_answers_leave_the_path_of_a_run_undecided() -> None:
    made = _made()
    exact = (made.scores["analysis"] == "within") & (made.scores["measure"] == "exact")
    made.scores.loc[exact, ["value", "low", "high"]] = 0.0
    verdict, evidence = claims.READINGS["loss-within-run"](made)
    assert verdict == "undecided"
    assert "0.0% at each of 5 steps" in evidence


def test_the_tasks_of_a_study_are_those_that_it_measured() -> None:
    assert _made().tasks == TASKS


def test_a_run_is_looked_at_by_shares_of_its_steps() -> None:
    assert study.looks(60) == (0, 10, 20, 40, 60)
    assert study.looks(20) == (0, 3, 7, 13, 20)


def test_studies_ship_for_a_base_of_our_own_and_for_a_pretrained_one() -> None:
    known = study.known_anywhere()
    assert {name.partition(" ")[0] for name in known} == set(material.MATERIALS)
    for made in known.values():
        assert set(claims.verdicts(made)["claim"]) == set(claims.READINGS)


def test_a_shipped_study_needs_no_base_but_one_that_is_here_must_be_its_own() -> None:
    held = {"inputs": {"version": 1, "base": [["weights", "abc"]], "seed": 0}}
    assert study._is_of(held, {"version": 1, "base": [], "seed": 0})
    assert study._is_of(held, {"version": 1, "base": [["weights", "abc"]], "seed": 0})
    assert not study._is_of(held, {"version": 1, "base": [["weights", "abd"]], "seed": 0})
    assert not study._is_of(held, {"version": 2, "base": [], "seed": 0})


def test_the_shipped_study_is_not_one_of_other_weights(tmp_path: Path) -> None:
    smol = store.load_suite("smol")
    for model, known in (
        (str(tmp_path / "not made yet"), True),  # where the suite will make its base
        ("HuggingFaceTB/SmolLM2-135M-Instruct", False),
    ):
        base = smol.bases["135M"].model_copy(update={"model": model})
        suite = smol.model_copy(update={"bases": {"135M": base}})
        assert (study.known(suite, "135M") is not None) == known
        if not known:
            with pytest.raises(schema.MissingArtefact, match="no folder on this machine"):
                study.make(suite, "135M")


def test_suites_without_local_bases_are_refused() -> None:
    with pytest.raises(schema.BadInput, match="nano or smol"):
        study.make(store.load_suite("paper"), "1B")
