"""Every claim can come out true and can come out false; evidence is what the results say; missing data stay missing."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import notebook_cells
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astraios_utils import results, schema, store
from astraios_utils.metrics import stats
from astraios_utils.results import claims
from astraios_utils.results.claims import Claim, Evidence, compare, logic, printed, training_noise
from astraios_utils.results.claims.readings import TESTS, _forecast
from astraios_utils.running import ledger, notebooks, pipeline, seeds
from astraios_utils.sources import conala_study, paper

SIZES = schema.SIZES
MODELS = [(size, method) for size in SIZES for method in schema.METHODS]
DRAWS = 200

# --- worlds in which claims are true, and changes to them that make claims false

# How a method stands in mean performance (points) at the smallest size and at the others, as the paper tells it.
EFFECTS = {
    "FFT": (0.0, 0.0), "LoRA": (-0.5, -0.4), "Parallel": (-0.8, -0.8), "AdapterP": (-3.0, -3.0),
    "(IA)3": (-0.3, -3.5), "P-Tuning": (-0.2, -4.0), "AdapterH": (-4.0, -4.5),
}  # fmt: skip
BY_PARAMETERS = ["(IA)3", "LoRA", "P-Tuning", "AdapterP", "Parallel", "AdapterH", "FFT"]  # Table 1, fewest first
COSTS = dict(zip(BY_PARAMETERS, range(1, 8), strict=True))  # in all kinds of cost only (IA)3 is cheaper than LoRA
Where = Callable[[int, str], tuple[int, str]]


def effect(place: int, method: str, by_parameters: bool) -> float:
    if by_parameters:
        return -1.0 * (len(BY_PARAMETERS) - 1 - BY_PARAMETERS.index(method))
    return EFFECTS[method][min(place, 1)]


def scores_of(s: int, m: str, by_parameters: bool) -> dict[tuple[str, str], float]:
    """All scores of a model at size number ``s``."""
    gain = effect(s, m, by_parameters) * 8 / 6  # on six of the eight columns
    found = {
        **{(f"synthesize-{language}", "pass@1"): 25 + 10 * s + gain for language in ("python", "java")},
        **{(f"repair-{language}", "pass@1"): 8 + 12 * s + gain for language in ("python", "java")},
        **{(f"explain-{language}", "pass@1"): 15 + 8 * s + gain for language in ("python", "java")},
        ("clone-1shot", "f1"): (10.0, 15.0, 20.0, 12.0)[s],
        ("defect", "accuracy"): 60.0 - 5 * s, ("defect", "accuracy/parsable"): 60.0 - 5 * s,
        ("clone", "f1"): 30.0 - 3 * s, ("defect-1shot", "accuracy"): 50.0 - s, ("aatk", "valid"): 85.0 - 3 * s,
        ("aatk", "insecure"): 25 + 4 * s + {"FFT": -3, "LoRA": -3, "P-Tuning": 3}.get(m, 0),
    }  # fmt: skip
    plain = 20 + 8 * s + (3 if (m, s) == ("FFT", 3) else 0)
    for task in schema.ROBUSTNESS_TASKS:
        drop = (5 + 4 * s if task == "recode-syntax" else 2 + 3 * s) + (m in ("FFT", "LoRA"))
        found |= {(task, "rp@1"): plain - drop, (task, "worst@1"): plain - drop, (task, "rc@1"): drop}
        found |= {(task, "drop@1"): drop, (task, "drop@1/nominal"): drop, (task, "share@1"): 100 * drop / plain}
    return found


def log_of(s: int, m: str, by_parameters: bool, rising_by: float, aligned: float) -> dict[str, list[float]]:
    """Train and test losses at steps 0, 25, …, 200; the train loss is ``aligned`` times the test loss, or unrelated."""
    steps = np.arange(0, 201, 25)
    rising = {"Prompt": rising_by, "AdaLoRA": rising_by}.get(m)
    size = float(paper.table(1).query("size == @SIZES[@s] and method == 'FFT'")["value"].item())
    scale = 2.0 - (0.02 * effect(1, m, by_parameters) if rising is None else 0)
    end = 1.0 + rising * s if rising else scale * (size / 1e9) ** -0.08
    late = 0.2 if m == "FFT" else 0.05
    early = 0.1 if m == "(IA)3" else 0.4
    test = end + early * np.exp(-steps / 10) + late * (200 - steps) / 200
    if m == "P-Tuning":
        test = test + 0.1 * (steps == 100)
    train = np.full(len(steps), 2.0 + 0.3 * ((3 * len(m) + ord(m[0])) % 7) - 0.02 * s)
    if aligned:
        train = 3 + aligned * test
    return {"test": list(test), "train": list(train)}


def world(
    where: Where = lambda s, m: (s, m),
    by_parameters: bool = False,
    negate_scores: bool = False,
    negate_losses: bool = False,
    swap: dict[str, str] | None = None,
    stretch: float = 1.0,
    rising_by: float = 0.1,
    aligned: float = 0.0,
    noise: float = 1.0,
    seed: int = 0,
) -> Evidence:
    """Evidence with noise; ``where`` says which model's numbers a model gets.

    Scores are off by ``noise`` standard errors of 0.1 points; losses come from three runs that differ by 0.0005.
    """
    rng, scores, logs = np.random.default_rng(seed), {}, []
    turned = swap or {}
    for place, size in enumerate(SIZES):
        for method in (*schema.METHODS, "Prompt", "AdaLoRA"):
            s, m = where(place, method) if method in schema.METHODS else (where(place, "FFT")[0], method)
            if method in schema.METHODS:
                top = scores_of(s, "FFT", by_parameters)
                for key, value in scores_of(s, m, by_parameters).items():
                    far = top[key] + stretch * (value - top[key])
                    error = noise * 0.1 * (rng.standard_normal() + np.append(0, rng.standard_normal(DRAWS)))
                    error = np.full(1 + DRAWS, np.nan) if key[1] == "rc@1" else error
                    error[0] = np.nan_to_num(error[0])
                    own: Hashable = (turned.get(key[0], key[0]), key[1], size, method)
                    scores[own] = (100 - far if negate_scores else far) + error
            for split, losses in log_of(s, m, by_parameters, rising_by, aligned).items():
                values = np.array([4 - loss for loss in losses] if negate_losses else losses)
                for run in range(3):
                    noisy = values + noise * 0.0005 * rng.standard_normal(len(values))
                    at = (turned.get(split, split), size, method, run)
                    logs += [(25 * step, loss, *at) for step, loss in enumerate(noisy)]
    costs = pd.DataFrame(MODELS, columns=["size", "method"])
    for kind in ("peak_mib", "step_seconds", "checkpoint_bytes", "generation_seconds"):
        costs[kind] = costs["method"].map(COSTS)
    costs = costs.merge(claims.parameters(), on=["size", "method"])
    losses = pd.DataFrame(logs, columns=["step", "loss", "split", "size", "method", "seed"])
    return Evidence("world", SIZES, scores, dict.fromkeys(scores, 100), costs, losses, seeds=3)


def mirrored(s: int, m: str) -> tuple[int, str]:
    order = sorted(schema.METHODS, key=lambda name: EFFECTS[name][1])
    return s, order[-1 - order.index(m)]


def by_parameters_mirrored(s: int, m: str) -> tuple[int, str]:
    return s, BY_PARAMETERS[-1 - BY_PARAMETERS.index(m)]


def at_every_other_size(s: int, m: str) -> tuple[int, str]:
    return by_parameters_mirrored(s, m) if s % 2 else (s, m)


TRUE_WORLDS: dict[str, Callable[[], Evidence]] = {
    "as told": world,
    "by parameters": functools.partial(world, by_parameters=True),
    "by parameters, turned at every other size": functools.partial(world, at_every_other_size, by_parameters=True),
    "by parameters, losses aligned": functools.partial(world, by_parameters=True, aligned=1.0),
    "by parameters, train and test exchanged": functools.partial(
        world, by_parameters=True, swap={"train": "test", "test": "train"}
    ),
    "high rates": functools.partial(world, rising_by=-0.1),
}
CHANGES: dict[str, Callable[[], Evidence]] = {
    "sizes reversed": functools.partial(world, lambda s, m: (3 - s, m)),
    "methods mirrored": functools.partial(world, mirrored),
    "methods mirrored at every other size": functools.partial(world, lambda s, m: mirrored(s, m) if s % 2 else (s, m)),
    "methods mirrored at the smallest size": functools.partial(world, lambda s, m: (s, m) if s else mirrored(s, m)),
    "methods mirrored, by parameters": functools.partial(world, by_parameters_mirrored, by_parameters=True),
    "scores upside down": functools.partial(world, negate_scores=True),
    "scores upside down, by parameters": functools.partial(world, negate_scores=True, by_parameters=True),
    "losses upside down": functools.partial(world, negate_losses=True),
    "losses upside down, by parameters": functools.partial(world, negate_losses=True, by_parameters=True),
    "the same order at every size": functools.partial(world, by_parameters=True),
    "differences ten times as large": functools.partial(world, stretch=10),
    "methods mirrored, ten times as large": functools.partial(world, mirrored, stretch=10),
    "losses aligned and upside down": functools.partial(world, by_parameters=True, aligned=1.0, negate_losses=True),
    "losses opposed": functools.partial(world, by_parameters=True, aligned=-1.0),
    "one shot and none exchanged": functools.partial(world, swap={"defect": "defect-1shot", "defect-1shot": "defect"}),
    "train and test exchanged": functools.partial(world, swap={"train": "test", "test": "train"}),
}


@functools.cache
def made(name: str, seed: int = 0) -> Evidence:
    """One of the worlds with some noise; built once."""
    return (TRUE_WORLDS | CHANGES)[name](seed=seed)


@functools.cache
def exact(name: str) -> Evidence:
    """One of the worlds without noise."""
    return (TRUE_WORLDS | CHANGES)[name](noise=0.0)


def first(worlds: Mapping[str, object], claim: Claim, column: str, wanted: object) -> str | None:
    """The first of some worlds in which a claim comes to what is wanted; none where there is no such world."""
    return next((name for name in worlds if claims.evaluate(claim, made(name))[0][column] == wanted), None)


DESCRIPTIONS = [claim for claim in claims.load() if re.search("A description|decides nothing", claim.reading)]


@pytest.mark.parametrize("claim", DESCRIPTIONS, ids=lambda claim: claim.id)
def test_a_description_decides_nothing_and_its_values_can_say_either(claim: Claim) -> None:
    for holds in (True, False):
        name = first(TRUE_WORLDS | CHANGES, claim, "holds", holds)
        assert name is not None, holds
        assert claims.evaluate(claim, made(name))[0]["verdict"] == "values only"


@pytest.mark.parametrize("claim", [c for c in claims.load() if c not in DESCRIPTIONS], ids=lambda claim: claim.id)
def test_every_claim_can_come_out_true_and_false(claim: Claim) -> None:
    # The world is chosen by its values without noise; two draws of noise must both lead to the verdict.
    for worlds, holds, verdict in ((TRUE_WORLDS, True, "supported"), (CHANGES, False, "not supported")):
        told = (name for name in worlds if claims.evaluate(claim, exact(name))[0]["holds"] is holds)
        found = (name for name in told if claims.evaluate(claim, made(name))[0]["verdict"] == verdict)
        name = next(found, None)
        assert name is not None, verdict
        assert claims.evaluate(claim, made(name, seed=1))[0]["verdict"] == verdict


# --- the ledger file


def test_the_papers_ledger() -> None:
    listed = claims.load()
    main = [claim for claim in listed if claim.variant_of is None]
    assert len(main) >= 25
    assert {claim.theme for claim in listed} == set(claims.THEMES)
    for claim in listed:
        assert claim.variant_of is None or claim.variant_of in {other.id for other in main}
    used = {claim.test for claim in (*listed, *CONALA)}
    assert set(TESTS) - used == set()  # no test that no claim uses


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": "ahed"}, "did you mean ahead"),
        ({"arguments": {"measure": "defect"}}, "missing a required argument: 'methods'"),
        ({"arguments": {"measure": "defect", "methods": "FFT", "sise": "all"}}, "'sise'"),
        ({"id": "Not Kebab"}, "id"),
        ({"verdict": "supported"}, "verdict: Extra inputs"),
        ({"arguments": 3}, "readings.0.arguments"),
    ],
)
def test_faults_in_a_ledger_are_one_line(change: dict[str, object], words: str, tmp_path: Path) -> None:
    reading = {"id": "a", "reading": "r", "test": "ahead", "arguments": {"measure": "defect", "methods": "FFT"}}
    stated = {"statement": "s", "theme": "loss", "section": "1"}
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump([stated | {"readings": [reading, reading | {"id": "b"}]}]))
    assert [(claim.id, claim.variant_of, claim.statement) for claim in claims.read(path)] == [
        ("a", None, "s"),
        ("b", "a", "s"),
    ]
    path.write_text(yaml.safe_dump([stated | {"readings": [reading | change]}]))
    with pytest.raises(schema.BadInput, match=r"claims\.yaml") as fault:
        claims.read(path)
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_other_faults_in_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    reading = "{id: a, reading: r, test: ahead, arguments: {measure: defect, methods: FFT}}"
    for text, words in (
        ("a: 1", "a ledger is a list"),
        ("[", "not a readable YAML"),
        ("[3]", "not a mapping"),
        ("[{statement: s, theme: luck, section: '1', readings: []}]", "theme"),
        ("[{statement: s, theme: loss, section: '1', readings: []}]", "readings"),
        (f"[{{statement: s, theme: loss, section: '1', readings: [{reading}, {reading}]}}]", "have the id a"),
    ):
        path.write_text(text)
        with pytest.raises(schema.BadInput, match=words):
            claims.read(path)
    with pytest.raises(schema.BadInput, match="not a readable"):
        claims.read(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        {"measure": "defekt", "methods": "FFT"},
        {"measure": "defect", "methods": "FTT"},
        {"measure": "defect", "methods": "FFT", "sizes": "huge"},
        {"measure": "defect", "methods": "FFT", "pairs": 9},
        {"measure": "defect", "methods": "FFT", "across": "some"},
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, object]) -> None:
    claim = Claim(id="a", theme="loss", section="1", statement="s", reading="r", test="ahead", arguments=arguments)
    with pytest.raises(schema.BadInput, match="claim a: "):
        claims.evaluate(claim, world())


# --- the logic


def node(value: float, se: float = 1.0) -> logic.Part:
    estimate = logic.Estimate(value, se, value - 2 * se, value + 2 * se)
    return logic.Part("x", estimate, "points", *stats.sign_test(value, se))


NOTHING = node(math.nan)


def test_all_most_any_by_hand() -> None:
    sure, against = node(5), node(-5)  # p 2.9e-7 either way
    assert logic.judge(logic.every([sure, sure])).p_for < 1e-6
    assert logic.judge(logic.every([sure, node(1)])).p_for == pytest.approx(0.1587, abs=1e-4)  # the weakest decides
    # refuted by one of two: Bonferroni, 2 * 2.87e-7
    assert logic.judge(logic.every([sure, against])).p_against == pytest.approx(2 * 2.8665e-7, rel=1e-3)
    anyone = logic.judge(logic.AtLeast("any", (sure, against)))
    assert (anyone.holds, anyone.p_for < 1e-6, anyone.p_against > 0.99) == (True, True, True)
    most = logic.judge(logic.AtLeast("most", (sure, sure, against)))
    assert (most.holds, most.p_for < 1e-5) == (True, True)
    assert logic.judge(logic.AtLeast(3, (sure, sure, against))).holds is False


# Nested statements as (needed, statements), with True or False for a sure comparison.
TREES = st.recursive(
    st.booleans(),
    lambda below: st.tuples(st.sampled_from(["all", "most", "any"]), st.lists(below, min_size=1, max_size=3)),
    max_leaves=12,
)


@settings(deadline=None)
@given(TREES)
@example(("all", [("any", [True, False])]))
@example(("any", [("all", [("any", [False, True, False])])]))
@example(("all", [True, ("all", [("any", [True, False])])]))
def test_nested_statements_hold_as_their_parts_say(tree: Any) -> None:
    """Also all of one "any": a suite of one size makes it of "any of these methods, at all sizes"."""

    def built(tree: Any) -> logic.Node:
        return (
            node(9.0 if tree else -9.0) if isinstance(tree, bool) else logic.AtLeast(tree[0], (*map(built, tree[1]),))
        )

    def truth(tree: Any) -> bool:
        if isinstance(tree, bool):
            return tree
        needed = {"all": len(tree[1]), "most": len(tree[1]) // 2 + 1, "any": 1}[tree[0]]
        return sum(map(truth, tree[1])) >= needed

    found = logic.judge(built(tree))
    assert found.holds is truth(tree)
    assert (found.p_for < 1e-6) is truth(tree)
    assert (found.p_against < 1e-6) is not truth(tree)


def test_a_statement_about_no_comparison_decides_nothing() -> None:
    for empty in (logic.every([]), logic.every([logic.every([]), logic.every([])]), logic.AtLeast(0, ())):
        assert logic.judge(empty) == logic.Finding(True, 0.0, 1.0)
        assert claims.verdict_of(logic.judge(empty), list(logic.parts(empty))) == "values only"
    # Together with a comparison, it changes nothing.
    together = logic.judge(logic.every([logic.every([]), node(1)]))
    assert together == logic.judge(logic.every([node(1)]))


def test_missing_comparisons_neither_support_nor_refute() -> None:
    sure, against = node(5), node(-5)
    assert logic.judge(logic.every([sure, NOTHING])).holds is None
    assert logic.judge(logic.every([sure, NOTHING])).p_for == 1.0
    assert logic.judge(logic.every([against, NOTHING])).holds is False  # one is enough to refute
    assert logic.judge(logic.every([against, NOTHING])).p_against < 1e-6
    assert logic.judge(logic.AtLeast("any", (sure, NOTHING))).holds is True
    reduced = logic.at_hand(logic.every([sure, NOTHING]))
    assert reduced is not None
    assert logic.judge(reduced).holds is True
    assert logic.at_hand(logic.every([NOTHING])) is None
    assert logic.at_hand(logic.AtLeast(2, (sure, NOTHING))) is None  # two of one cannot be


def test_a_verdict_turns_on_the_comparison_that_decides_it() -> None:
    far, near, against = node(5), node(1), node(-4)
    assert logic.decisive(logic.every([far, near]), True) is near  # all must hold: the least sure
    assert logic.decisive(logic.AtLeast("any", (against, near, far)), True) is far  # one is enough: the surest
    assert logic.decisive(logic.every([far, against, near]), False) is against
    assert logic.decisive(logic.AtLeast("any", (far, near, against)), False) is far  # none may hold
    assert logic.decisive(logic.AtLeast("most", (against, near, far)), True) is near  # two of three
    pairs = (logic.every([far, against]), logic.every([near, near]))  # one pair that wholly holds is enough
    assert logic.decisive(logic.AtLeast("any", pairs), True) is near
    assert logic.decisive(logic.AtLeast(0, (far,)), True) is None


def test_a_margin_stands_in_the_label() -> None:
    claim = Claim(
        id="a", theme="security", section="1", statement="s", reading="r", test="grows",
        arguments={"measures": "valid", "by": "trend", "down": True, "margin": -2, "average": True},
    )  # fmt: skip
    row, _ = claims.evaluate(claim, world())
    # The valid rate falls by 3 points a step, and may rise by 2.
    assert re.match(r"mean of methods: slope a step, downwards \+ 2 = (4\.9|5\.0|5 )", row["detail"]), row["detail"]


def test_odd_quantifiers_are_refused() -> None:
    for needed in ("some", 3):
        with pytest.raises(ValueError, match="say all, most, any"):
            logic.AtLeast(needed, (node(1),))


def test_one_size_tells_nothing_about_several() -> None:
    evidence = world()
    alone = Evidence("alone", ("16B",), evidence.scores, evidence.clusters, evidence.costs, evidence.losses)
    frame = claims.ledger([alone], reversals=False)[0].set_index("claim")
    tests = ("grows", "swaps", "catches_up", "flatter", "same_order", "extrapolates")
    of_several = [claim.id for claim in claims.load() if claim.test in tests]
    assert len(of_several) > 15
    assert set(frame.loc[of_several, "verdict"]) == {"not testable"}
    assert all("a suite of several sizes" in lacking for lacking in frame.loc[of_several, "lacking"])
    assert frame.loc["fft-best", "verdict"] == "supported"
    assert frame.loc["fft-robust-only-large", "verdict"] == "not testable"  # there is no smaller size


def test_a_claim_about_a_learning_rate_is_told_by_models_trained_at_it() -> None:
    claim = next(claim for claim in claims.load() if claim.id == "low-rates-prevent-scaling")
    assert (
        claims.evaluate(claim, replace(world(), rates={"Prompt": 1e-4, "AdaLoRA": 1e-4}))[0]["verdict"] == "supported"
    )
    row, _ = claims.evaluate(claim, replace(world(), rates={"Prompt": 3e-2, "AdaLoRA": 1e-4}))
    assert (row["verdict"], row["lacking"]) == ("not testable", "models trained at a learning rate of 0.0001")


def test_a_suites_learning_rates_are_its_recipes() -> None:
    suite = store.load_suite("paper").slice(["1B"])
    suite = suite.model_copy(update={"methods": ("LoRA", "Prompt")})
    assert claims.measured(suite, lambda *_: None).rates == {"LoRA": 1e-4, "Prompt": 3e-2}


# --- evidence


def test_published_correlations_are_exactly_the_papers() -> None:
    evidence = claims.published(resamples=2)
    chosen = [c for c in claims.load() if c.id.startswith("parameters-predict-performance")]
    frame, parts = claims.ledger([evidence], chosen)
    stated = [paper.number(f"parameters_performance_{name}") for name in paper.COEFFICIENTS]
    pooled = parts[parts["claim"] == "parameters-predict-performance-pooled"]
    assert [round(value, 4) for value in pooled["value"]] == stated  # 0.3016, 0.4128, 0.4138
    assert frame.set_index("claim")["verdict"].to_dict() == {
        "parameters-predict-performance": "undecided",  # within sizes, little is left
        "parameters-predict-performance-pooled": "values only",
    }


def test_published_numbers_by_themselves() -> None:
    frame, _ = claims.ledger([claims.published()], reversals=False)
    holds = frame.set_index("claim")["holds"]
    # From Figure 1's means: P-Tuning leads at 1B (14.60 against 14.01), LoRA at 7B (24.35 against 23.92).
    assert not holds["fft-best"]
    assert holds["adapterp-beats-adapterh"]
    assert holds["robustness-falls-absolute"]
    assert not holds["robustness-falls"]  # format's prompts help: with its sign the change falls from 1B to 3B
    # Defect detection improves from 1B to 16B with Parallel (34.50 to 42.30).
    assert frame.set_index("claim")["verdict"]["comprehension-inverse"] == "not supported"


def test_errors_of_printed_scores() -> None:
    evidence = claims.published(resamples=5000)
    # 17.26% of 164 problems, design effect .8146: sqrt(.8146 * 17.26 * 82.74 / 164) = 2.663 points
    draws = evidence.score("synthesize-python", "pass@1", "1B", "LoRA")
    assert draws[0] == 17.26
    assert draws[1:].std() == pytest.approx(2.663, rel=0.04)
    # models of one size on one task go together as the released files do
    other = evidence.score("synthesize-python", "pass@1", "1B", "FFT")
    known = printed.read_correlations()[0]["synthesize-python:pass@1", "synthesize-python:pass@1", True, False]
    assert known > 0.8
    assert np.corrcoef(draws[1:], other[1:])[0, 1] == pytest.approx(known, abs=0.03)
    # a printed 0 counts as half a problem
    zero = evidence.score("repair-java", "pass@1", "1B", "FFT")
    assert zero[0] == 0
    assert zero[1:].std() == pytest.approx(100 * math.sqrt(0.8282 * (0.5 / 164) * (1 - 0.5 / 164) / 164), rel=0.04)
    # clone detection has no released files: its scores go together with nothing
    clone = [evidence.score("clone", "f1", "1B", method)[1:] for method in ("LoRA", "FFT")]
    assert abs(np.corrcoef(clone)[0, 1]) < 0.05

    # other assumptions: less shared, more uncertain; and wider errors
    def difference(of: Evidence) -> float:
        one, other = (("synthesize-python", "pass@1", "1B", method) for method in ("LoRA", "FFT"))
        return float((of.score(*one) - of.score(*other))[1:].std())

    weaker, wider = evidence.alternatives
    assert difference(weaker) > 1.3 * difference(evidence)
    assert difference(wider) == pytest.approx(1.2 * difference(evidence), rel=1e-6)


def test_a_verdict_must_survive_every_assumption() -> None:
    def one(value: float, se: float) -> Evidence:
        rng = np.random.default_rng(0)
        scores: dict[Hashable, np.ndarray] = {
            ("defect", "accuracy", "1B", method): mean + se * np.append(0, rng.standard_normal(500))
            for method, mean in (("FFT", 50.0 + value), ("LoRA", 50.0))
        }
        return Evidence("small", ("1B",), scores, {}, pd.DataFrame(), claims.evidence.empty_log())

    claim = Claim(
        id="a", theme="performance", section="1", statement="s", reading="r", test="ahead",
        arguments={"measure": "defect", "methods": "FFT", "of": "LoRA"},
    )  # fmt: skip
    sure, unsure = one(5, 1), one(5, 4)
    assert claims.evaluate(claim, sure)[0]["verdict"] == "supported"
    assert claims.evaluate(claim, replace(sure, alternatives=(sure,)))[0]["verdict"] == "supported"
    assert claims.evaluate(claim, replace(sure, alternatives=(sure, unsure)))[0]["verdict"] == "depends on assumptions"
    assert claims.evaluate(claim, replace(unsure, alternatives=(sure,)))[0]["verdict"] == "undecided"


def test_constants_decide_nothing() -> None:
    evidence = world()
    single = evidence.losses[evidence.losses["seed"] == 0]
    alone = replace(evidence, losses=single, seeds=1)
    claim = next(c for c in claims.load() if c.id == "fft-lowest-loss")
    row, parts = claims.evaluate(claim, alone)
    assert (row["verdict"], row["holds"], row["scope"]) == ("values only", True, "these checkpoints")
    assert (row["p_for"], row["p_against"]) == (1.0, 1.0)
    assert {(part["p_for"], part["p_against"]) for part in parts} == {(1.0, 1.0)}
    again, _ = claims.evaluate(claim, evidence)
    assert (again["verdict"], again["scope"]) == ("supported", "the method")


def test_losses_get_errors_from_test_sequences() -> None:
    suite = schema.Suite(name="own", title="", sizes=("1B",), methods=("LoRA", "FFT"), tasks=("defect",))
    sums = np.random.default_rng(0).uniform(80, 120, 64)
    rows = [
        {"size": "1B", "method": m, "step": 10, "split": "test", "loss": (sums + more).sum() / 6400}
        | {"sequences": [[float(v + more), 100.0] for v in sums]}
        for m, more in (("LoRA", 1.0), ("FFT", 0.0))
    ]
    evidence = claims.measured(suite, lambda *_: None, loss_log=pd.DataFrame(rows))
    draws = [evidence.loss("test", "1B", method) for method in ("LoRA", "FFT")]
    assert draws[1][0] == pytest.approx(sums.sum() / 6400)
    assert draws[1][1:].std() == pytest.approx(sums.std(ddof=1) / 100 / 8, rel=0.1)
    assert (draws[0] - draws[1])[1:].std() < 1e-9  # paired: every sequence is worse by the same


def test_a_power_law_is_continued_and_a_replicate_below_0_does_no_harm() -> None:
    sizes = np.array([1e5, 1e6, 1e7])
    exact = 3 * sizes**-0.25
    noisy = np.stack([exact, exact * [1.0, 1.01, 1.0], exact * [1.0, -0.5, 1.0]], axis=1)  # shape (sizes, 1 + r)
    error, naive = _forecast(sizes, noisy)
    assert error[0] == pytest.approx(0, abs=1e-12)
    assert naive[0] == pytest.approx(10**0.25 - 1)
    # The line through two points rises by twice the second one's change: to first order 2%.
    assert error[1] == pytest.approx(0.02, abs=5e-4)
    assert np.isfinite(error).all()
    assert np.isfinite(naive).all()


def test_costs_have_a_tolerance_unless_they_are_counted() -> None:
    evidence = world()
    memory, counted = (evidence.cost(name, "1B", "FFT") for name in ("peak_mib", "trainable_parameters"))
    assert memory[1:].std() == pytest.approx(0.02 * memory[0], rel=0.2)
    assert counted[1:].std() == 0
    assert math.isnan(evidence.cost("peak_mib", "1B", "Prefix")[0])


@pytest.fixture(scope="module")
def released() -> tuple[schema.Suite, Evidence]:
    suite = store.load_suite("released").slice(["1B", "7B"], ["LoRA", "FFT", "AdapterH", "(IA)3"])
    return suite, claims.measured(suite, functools.partial(pipeline.verdicts, suite), resamples=400)


@pytest.fixture(scope="module")
def frame(released: tuple[schema.Suite, Evidence]) -> pd.DataFrame:
    """The results of those models."""
    return results.results(released[0], functools.partial(pipeline.verdicts, released[0]))


def test_every_measured_cell_of_the_papers_tables_has_an_error_and_an_interval(frame: pd.DataFrame) -> None:
    printed = [metric in paper.metrics_of(task) for task, metric in zip(frame["task"], frame["metric"], strict=True)]
    cells = frame[pd.Series(printed) & (frame["provenance"] == "measured")]
    assert set(cells["task"].map(paper.printed_in)) == {"Table 2", "Table 3", "Table 4", "Table 5"}
    assert len(cells) > 60
    folded = cells["metric"] == "rc@1"
    assert cells.loc[folded, "se"].isna().all()  # absolute values have none: the signed drop does
    cells = pd.concat([cells[~folded], frame[(frame["metric"] == "drop@1") & (frame["provenance"] == "measured")]])
    assert (cells["se"] > 0).all()
    assert (cells["low"] < cells["high"]).all()
    assert cells["value"].between(cells["low"], cells["high"]).all()


def test_measured_evidence_is_what_the_results_say(
    released: tuple[schema.Suite, Evidence], frame: pd.DataFrame
) -> None:
    _, evidence = released
    rows = frame[
        (frame["provenance"] == "measured")
        & frame["metric"].isin(["accuracy", "f1", "pass@1", "rp@1", "rc@1", "valid", "insecure"])
    ]
    assert len(rows) > 60
    for row in rows.to_dict("records"):
        draws = evidence.score(row["task"], row["metric"], row["size"], row["method"])
        if row["task"].split("-")[0] in schema.COMPREHENSION_TASKS and row["metric"] == "valid":
            continue  # of answers that can be parsed: no claim is about it
        assert draws[0] == pytest.approx(row["value"], abs=1e-9), row
        if row["metric"] == "rp@1":  # its error is that of the cross-fitted one
            draws = evidence.score(row["task"], "worst@1", row["size"], row["method"])
        if row["metric"] != "rc@1":  # without replicates
            assert draws[1:].std(ddof=1) == pytest.approx(row["se"], rel=0.2, abs=0.1), row


def test_what_released_files_cannot_tell_is_named(released: tuple[schema.Suite, Evidence]) -> None:
    _, evidence = released
    chosen = [claim for claim in claims.load() if claim.id in ("fft-best", "loss-falls-with-size")]
    frame = claims.ledger([evidence], chosen)[0].set_index("claim")
    assert (frame["verdict"] == "not testable").all()
    assert "generations: " in frame["lacking"]["fft-best"]
    assert "clone 14" in frame["lacking"]["fft-best"]  # 7 methods at the 2 sizes of the slice
    assert frame["at_hand"]["fft-best"] in claims.VERDICTS[:3]
    assert frame["lacking"]["loss-falls-with-size"] == "losses: models 14"
    assert frame["at_hand"]["loss-falls-with-size"] == ""
    assert frame["detail"]["loss-falls-with-size"] == "Nothing to compare."


def test_at_hand_compares_over_shared_columns() -> None:
    evidence = world()
    cut = {key: v for key, v in evidence.scores.items() if key[0] != "clone" or key[3] != "LoRA"}  # type: ignore[index]
    less = Evidence("less", SIZES, cut, evidence.clusters, evidence.costs, evidence.losses)
    table = compare.differences(less, "performance", ["LoRA", "FFT"], at_hand=True)
    # seven columns, six of which are 8/6 * 0.4 points apart
    assert table["columns"].tolist() == [7] * 4
    assert table["value"].iloc[1] == pytest.approx(-0.4 * 8 / 6 * 6 / 7, abs=0.1)
    assert compare.differences(less, "performance", ["LoRA", "FFT"])["value"].isna().all()


def test_flipping_measured_results_flips_a_verdict(released: tuple[schema.Suite, Evidence]) -> None:
    _, evidence = released
    claim = Claim(
        id="a", theme="scaling", section="1", statement="s", reading="r", test="grows",
        arguments={"measures": "synthesize-python", "methods": ["FFT", "AdapterH"], "by": "ends"},
    )  # fmt: skip
    assert claims.evaluate(claim, evidence)[0]["verdict"] == "supported"
    other = {"1B": "7B", "7B": "1B"}
    flipped = {(t, m, other[size], method): v for (t, m, size, method), v in evidence.scores.items()}  # type: ignore[misc]
    turned = Evidence("flipped", evidence.sizes, flipped, evidence.clusters, evidence.costs, evidence.losses)
    assert claims.evaluate(claim, turned)[0]["verdict"] == "not supported"


def test_fair_nominal_is_measured_where_it_was_answered() -> None:
    # Two problems, nominal solved 2 of 2, worst perturbation 1 of 2; plain HumanEval (function names) 1 of 2.
    def verdicts(task: str, model: schema.Model) -> tuple[pd.DataFrame, str]:
        solved = {"nominal/s0": [1, 1 if task != "recode-function" else 0], "a/s0": [1, 0], "a/s1": [1, 1]}
        rows = [
            {"problem": str(i), "variant": variant, "sample": 0, "status": "passed" if ok else "failed", "detail": ""}
            for variant, values in solved.items()
            for i, ok in enumerate(values)
        ]
        return pd.DataFrame(rows), "here"

    suite = schema.Suite(
        name="own", title="", sizes=("1B",), methods=("LoRA",), tasks=("recode-format", "recode-function")
    )
    evidence = claims.measured(suite, verdicts, resamples=10)
    where = ("1B", "LoRA")
    assert evidence.score("recode-format", "rp@1", *where)[0] == 50
    assert evidence.score("recode-format", "rc@1/nominal", *where)[0] == 50  # 100 - 50
    assert evidence.score("recode-format", "drop@1/nominal", *where)[0] == 50
    assert evidence.score("recode-format", "rc@1", *where)[0] == 0  # plain HumanEval: 50 - 50
    assert evidence.score("recode-format", "drop@1", *where)[0] == 0


def _seeded(training: float, seeds: int) -> Evidence:
    """Two equal methods on 200 problems; each training run is off by a training error of that many points."""
    rng = np.random.default_rng(0)
    hard, runs = rng.uniform(0.2, 0.8, 200), []
    for _ in range(seeds):
        cells = {}
        for method in ("LoRA", "FFT"):
            right = rng.random(200) < np.clip(hard + training / 100 * rng.standard_normal(), 0, 1)
            rows = [(str(i), "", 0, "passed" if ok else "failed", "") for i, ok in enumerate(right)]
            cells[method] = pd.DataFrame(rows, columns=["problem", "variant", "sample", "status", "detail"])
        runs.append(cells)
    suite = schema.Suite(name="own", title="", sizes=("1B",), methods=("LoRA", "FFT"), tasks=("synthesize-python",))
    sources: list[results.Verdicts] = [lambda _, model, own=own: (own[model.method], "here") for own in runs]  # type: ignore[misc]
    return claims.measured(suite, sources, resamples=400)


def test_seeds_put_training_noise_into_replicates() -> None:
    quiet, loud = _seeded(0.0, 5), _seeded(20.0, 5)
    key = ("synthesize-python", "pass@1", "1B", "FFT")
    assert (quiet.scope, quiet.seeds) == ("the method", 5)
    assert loud.score(*key)[1:].std() > 2 * quiet.score(*key)[1:].std()
    # one run's SD of 20 points, over five runs: near 20 / sqrt(5) = 9, wider for few degrees of freedom
    assert 4 < loud.training[key].std() < 25
    spread = training_noise.seed_spread([loud.training[key]], 5)
    assert spread == pytest.approx(math.sqrt(5) * loud.training[key].std())
    assert math.isnan(training_noise.seed_spread([], 1))


@pytest.fixture(scope="module")
def nano() -> Evidence:
    """Two tasks of nano from the shipped counts and losses of its training runs, with costs as if of run 0."""
    suite = store.load_suite("nano").slice(tasks=["synthesize-python", "defect"])
    rows = [(s, m, COSTS[m] * 10**i, COSTS[m]) for i, s in enumerate(suite.sizes) for m in schema.METHODS]
    costs = pd.DataFrame(rows, columns=["size", "method", "trainable_parameters", "peak_mib"])
    return claims.measured(suite, seeds.shipped_sources(suite), costs, seeds.shipped_logs(suite), resamples=2000)


def test_training_noise_of_nano_is_in_its_replicates(nano: Evidence) -> None:
    # V(a - b) = V_problems + (sigma_a^2 + sigma_b^2) / S, S runs
    assert nano.seeds == len(seeds.shipped_runs(store.load_suite("nano"))) > 1
    assert set(nano.training) == set(nano.metrics)
    size = nano.sizes[-1]
    one, other = (("synthesize-python", "pass@1", size, method) for method in ("LoRA", "FFT"))
    gap = (nano.scores[one] - nano.scores[other])[1:]
    noise = nano.training[one] - nano.training[other]
    assert gap.var() == pytest.approx((gap - noise).var() + noise.var(), rel=0.1)
    sources = seeds.shipped_sources(store.load_suite("nano"))
    variances = {}
    for method in (m for m in store.load_suite("nano").methods if m != schema.UNTUNED):
        cells = [source("synthesize-python", schema.Model(size, method)) for source in sources]
        solved = [cell[0].groupby("problem")["status"].agg(lambda s: (s == "passed").mean()) for cell in cells if cell]
        variances[method] = stats.seed_effect(np.stack(solved))
    moderated, degrees = stats.moderated([found.total for found in variances.values()], nano.seeds - 1)
    expected = sum(
        max(0.0, total - found.within)
        for (method, found), total in zip(variances.items(), moderated, strict=True)
        if method in ("LoRA", "FFT")
    )
    wide = training_noise._student(degrees)
    assert noise.std() == pytest.approx(100 * wide * math.sqrt(expected / nano.seeds), rel=0.1)


def test_the_untuned_base_has_no_training_noise(nano: Evidence) -> None:
    base = [key for key in nano.training if key[3] == schema.UNTUNED]
    assert base
    assert not any(nano.training[key].any() for key in base)
    # and the methods' noise is the same without it
    effects = {
        ("t", "m", "1B", m): stats.SeedEffect(np.array([d, -d]), 2 * d**2, 0.0)
        for m, d in zip("abc", (1, 2, 3), strict=True)
    }
    zero = {("t", "m", "1B", schema.UNTUNED): stats.SeedEffect(np.zeros(2), 0.0, 0.0)}
    alone, joined = (training_noise.draw(found, 2, 50, 0) for found in (effects, effects | zero))
    assert all(np.array_equal(alone[key], joined[key]) for key in effects)


def test_every_verdict_says_whether_it_is_about_the_method(nano: Evidence) -> None:
    frame = claims.ledger([nano], reversals=False)[0]
    assert set(frame["scope"]) == set(claims.SCOPES)
    once = frame[frame["scope"] == "these checkpoints"]
    reads = {claim.id for claim in claims.load() if re.search("peak_mib|seconds", str(claim.arguments))}
    assert set(once["claim"]) <= reads  # memory and times are those of run 0 alone
    decided = frame[frame["verdict"].isin(["supported", "not supported"]) & ~frame["claim"].isin(reads)]
    assert len(decided) > 3
    assert set(decided["scope"]) == {"the method"}
    lines = claims.as_lines(frame, whole=True)
    assert lines.startswith("nano, about the method:")
    assert lines.count("(about these checkpoints)") == len(once)
    # one run of losses is not enough for a statement about the method
    single = replace(nano, losses=nano.losses[nano.losses["seed"] == 0])
    claim = next(claim for claim in claims.load() if claim.id == "fft-lowest-loss")
    assert [claims.evaluate(claim, one)[0]["scope"] for one in (nano, single)] == ["the method", "these checkpoints"]
    alone = claims.ledger([replace(nano, seeds=1)], reversals=False)[0]
    assert set(alone["scope"]) == {"these checkpoints"}


def test_a_cell_that_one_seed_has_not_answered_is_missing() -> None:
    suite = schema.Suite(name="own", title="", sizes=("1B",), methods=("LoRA",), tasks=("synthesize-python",))
    frame = pd.DataFrame([("0", "", 0, "passed", "")], columns=["problem", "variant", "sample", "status", "detail"])
    evidence = claims.measured(suite, [lambda *_: (frame, "here"), lambda *_: None], resamples=10)
    assert math.isnan(evidence.score("synthesize-python", "pass@1", "1B", "LoRA")[0])


# --- power, max-t, margins


def test_power_by_hand() -> None:
    # se 1 and 2 points in truth: z = 2, one-sided 5%: P(z + e > 1.645) = Phi(0.355) = 0.6387
    rng = np.random.default_rng(0)
    one = logic.part("x", np.append(0.0, rng.standard_normal(20_000)))
    assert logic.power(one) == pytest.approx(0.6387, abs=0.02)
    other = logic.part("y", np.append(0.0, rng.standard_normal(20_000)))
    assert logic.power(logic.every([one, other])) == pytest.approx(0.6387**2, abs=0.02)  # both must be significant
    constant = logic.part("z", np.full(50, 1.0))
    assert (constant.tested, constant.p_for) == (False, 1.0)
    assert math.isnan(logic.power(constant))
    nothing = logic.every([])  # always holds: it changes the power of no statement
    assert logic.power(logic.every([one, nothing])) == logic.power(logic.every([one]))
    assert logic.power(logic.AtLeast("any", (one, nothing))) == 1
    assert math.isnan(logic.power(logic.every([nothing])))


def test_any_is_tested_by_max_t() -> None:
    shared = np.random.default_rng(0).standard_normal(5000)
    parts = [logic.part(str(i), 2.2 + np.append(0, shared)) for i in range(10)]
    found = logic.judge(logic.AtLeast("any", tuple(parts)))
    assert found.p_for < 0.03  # ten times the same comparison; Bonferroni: 10 * 0.0139
    against = [logic.part(str(i), -2.2 + np.append(0, shared)) for i in range(10)]
    assert logic.judge(logic.every(against)).p_against < 0.03
    nested = logic.judge(logic.every([logic.every(against[:5]), logic.every(against[5:])]))
    assert nested.p_against == pytest.approx(logic.judge(logic.every(against)).p_against)


def test_margins_are_also_judged_at_one_two_and_three_points() -> None:
    claim = next(claim for claim in claims.load() if claim.id == "gap-to-fft")
    row, _ = claims.evaluate(claim, world())
    assert row["margins"].startswith("1: supported; 2: ")
    assert claims.evaluate(claims.load()[0], world())[0]["margins"] == ""


# --- ties, orders of losses, and what a claim rests on


def small(scores: dict[tuple[str, str], float], **more: object) -> Evidence:
    """Defect accuracies by size and method, with replicates that are off by a standard error of 0.1."""
    rng = np.random.default_rng(0)
    draws = {
        ("defect", "accuracy", *model): value + np.append(0, 0.1 * rng.standard_normal(200))
        for model, value in scores.items()
    }
    sizes = tuple(dict.fromkeys(size for size, _ in scores))
    empty = claims.evidence.empty_log()
    return replace(Evidence("small", sizes, dict(draws), {}, pd.DataFrame(), empty), **more)  # type: ignore[arg-type]


def reading(test: str, **arguments: object) -> Claim:
    return Claim(
        id="a", theme="performance", section="1", statement="s", reading="r", test=test, arguments=arguments
    )  # fmt: skip


def test_a_tie_is_not_above_and_is_at_least_as_high() -> None:
    noise = 0.1 + 0.2 - 0.3  # 5.6e-17
    for gap in (0.0, noise, -noise):
        evidence = small({("1B", "FFT"): 40.0 + gap, ("1B", "LoRA"): 40.0})
        strict = reading("ahead", measure="defect", methods="FFT", of="LoRA")
        assert claims.evaluate(strict, evidence)[0]["holds"] is False
        assert (
            claims.evaluate(reading("ahead", measure="defect", methods="LoRA", of="FFT"), evidence)[0]["holds"] is False
        )
        weak = strict.model_copy(update={"arguments": {**strict.arguments, "or_equal": True}})
        assert claims.evaluate(weak, evidence)[0]["holds"] is True
    # 3B in Table 4: FFT and LoRA both have a mean RP@1 of 19.9675
    claim = next(claim for claim in claims.load() if claim.id == "fft-robust-only-large")
    assert claims.evaluate(claim, claims.published(resamples=50))[0]["holds"] is True


def test_the_smallest_change_of_one_cell_reverses_a_claim() -> None:
    evidence = small({("1B", "FFT"): 40.0, ("1B", "LoRA"): 39.25, ("3B", "FFT"): 50.0, ("3B", "LoRA"): 45.0})
    rows, _ = claims.ledger([evidence], [reading("ahead", measure="defect", methods="FFT", of="LoRA")])
    row = rows.iloc[0]
    assert row["cells"] == "4 cells: defect accuracy; of 1B FFT, 1B LoRA, 3B FFT, 3B LoRA"
    # a tie is enough to make "above" false
    assert row["reversal"] == "1B FFT defect 40.00 → 39.25 (-0.75)"
    weak = reading("ahead", measure="defect", methods="FFT", of="LoRA", or_equal=True)
    assert claims.ledger([evidence], [weak])[0].iloc[0]["reversal"] == "1B FFT defect 40.00 → 39.24 (-0.76)"
    # of two sizes the nearer one decides a claim about any of them: both must turn, which one cell cannot do
    anywhere = reading("ahead", measure="defect", methods="FFT", of="LoRA", across="any")
    assert claims.ledger([evidence], [anywhere])[0].iloc[0]["reversal"] == ""
    # a score stays within 0 and 100: FFT cannot be 99.5 points above LoRA's 40, and LoRA not so far below FFT's 99
    apart = small({("1B", "FFT"): 99.0, ("1B", "LoRA"): 40.0})
    near = reading("near", measure="defect", methods="FFT", of="LoRA", within=99.5)
    assert claims.ledger([apart], [near])[0].iloc[0]["reversal"] == ""


def test_a_reversal_of_ranks() -> None:
    methods = schema.METHODS
    scores = {(size, m): 30.0 + 2 * i for size in ("1B", "3B") for i, m in enumerate(methods)}
    rows, _ = claims.ledger([small(scores)], [reading("same_order", measure="defect", above=0.99)])
    # tau 1 falls below 0.99 as soon as two neighbours tie
    assert rows.iloc[0]["holds"]
    assert re.search(r"defect \d\d\.00 → \d\d\.00 \([+-]2\.00\)$", rows.iloc[0]["reversal"])


@pytest.mark.parametrize("evidence", ["world", "published"])
def test_a_reported_reversal_reverses(evidence: str) -> None:
    found = claims.published(resamples=2) if evidence == "published" else made("as told")
    chosen = [claim for claim in claims.load() if claim.test in ("ahead", "grows", "catches_up", "flatter", "swaps")]
    turned = 0
    for claim in chosen[::3]:
        build = functools.partial(TESTS[claim.test], **claim.arguments)
        _, change = claims.reversal.rests_on(build, found)
        if change is None or change.cell.column not in schema.TASKS:
            continue
        key = tuple(change.cell)
        scores = dict(found.scores) | {key: found.scores[key] + change.after - change.before}
        before, after = (claims.evaluate(claim, replace(found, scores=s))[0] for s in (found.scores, scores))
        assert before["holds"] is not after["holds"], (claim.id, str(change))
        turned += 1
    assert turned >= 3


def test_orders_of_losses_decide_what_order_decides() -> None:
    models = {(size, m): 30.0 + i + 5 * s for s, size in enumerate(("1B", "3B")) for i, m in enumerate(schema.METHODS)}
    places = {m: 7 - i for i, m in enumerate(schema.METHODS)}  # LoRA, the worst in accuracy, has the highest loss
    orders = {("test", size): (places,) for size in ("1B", "3B")}
    exchanged = places | {"FFT": 2, "(IA)3": 1}
    orders |= {("train", "1B"): (places,), ("train", "3B"): (places, exchanged)}
    evidence = small(models, orders=orders)

    def row(test: str, **arguments: object) -> dict[str, object]:
        return claims.evaluate(reading(test, **arguments), evidence)[0]

    lowest = row("ahead", measure="test_loss", methods="FFT", lower=True)
    assert (lowest["verdict"], lowest["holds"]) == ("values only", True)  # a place has no error
    assert "places" in str(lowest["detail"])
    # where two orders remain and disagree, nothing follows
    unsure = row("ahead", measure="train_loss", methods="FFT", of="(IA)3", lower=True)
    assert (unsure["verdict"], unsure["holds"]) == ("not testable", None)
    assert row("ahead", measure="train_loss", methods="FFT", of="LoRA", lower=True)["holds"] is True
    assert row("correlates", x="defect", y="test_loss", inverse=True)["verdict"] == "supported"
    assert (
        row("correlates", x="defect", y="train_loss", inverse=True)["p_for"]
        >= row(  # type: ignore[operator]
            "correlates", x="defect", y="test_loss", inverse=True
        )["p_for"]
    )
    assert row("same_order", measure="test_loss", above=0.5)["verdict"] == "supported"
    # sizes of losses are not known
    assert row("grows", measures="test_loss", down=True)["verdict"] == "not testable"


def test_the_papers_orders_are_evidence() -> None:
    frame = claims.ledger([claims.published(resamples=50)], reversals=False)[0].set_index("claim")
    assert frame.loc["fft-lowest-loss", ["verdict", "holds"]].tolist() == ["values only", True]
    assert not frame.loc["fft-lowest-loss-train", "holds"]  # AdapterH's is lower from 3B on
    assert frame.loc["loss-order-same", "verdict"] == "supported"
    assert frame.loc["loss-falls-with-size", "verdict"] == "not testable"


def test_printed_errors_do_not_depend_on_the_linear_algebra_library() -> None:
    # Clone detection has no files: its scores are uncorrelated, and any basis is one of eigenvectors.
    # The symmetric root is the identity in each of them.
    keys = tuple(("clone", "f1", "1B", method) for method in schema.METHODS)
    assert np.allclose(printed._root(keys, 1.0), np.eye(len(keys)))
    shared = tuple(("synthesize-python", "pass@1", "1B", method) for method in schema.METHODS)
    root = printed._root(shared, 1.0)
    assert np.allclose(np.diag(root @ root.T), 1.0)
    assert np.allclose(root, root.T, atol=0.05)


# --- the CoNaLa study's claims


CONALA = claims.load("conala_claims")


@pytest.mark.parametrize("claim", CONALA, ids=lambda claim: claim.id)
def test_every_claim_of_the_conala_study_turns_with_its_numbers(claim: Claim) -> None:
    frame, costs = conala_study.as_results(), conala_study.memory()

    def holds(scores: pd.DataFrame, memory: pd.DataFrame) -> object:
        return claims.evaluate(claim, claims.as_printed(scores, conala_study.SIZES, memory))[0]["holds"]

    turned = dict(zip(conala_study.METHODS, ["Prefix", "FFT", "LoRA", "Prompt"], strict=True))
    others = [
        (frame.assign(published=100 - frame["published"]), costs.assign(peak_mib=1e5 - costs["peak_mib"])),
        (frame.assign(method=frame["method"].map(turned)), costs),
        (frame.assign(published=frame["published"].mean()), costs.assign(peak_mib=1e4)),
        (frame.assign(published=frame["published"] + 20 * (frame["method"] == "LoRA")), costs),
        (frame.assign(published=frame["published"] - 60 * (frame["method"] == "Prefix")), costs),
        (frame.assign(published=frame["published"] + 60 * (frame["method"] == "Prefix")), costs),
    ]
    found = {holds(*numbers) for numbers in [(frame, costs), *others]}
    known = {True, False} if claim.id != "memory-smaller" else {None, False}  # Mistral has no prefix tuning
    assert known <= found


def conala_told(size: str, method: str) -> tuple[float, float, float]:
    """BLEU, CodeBLEU and MiB of a world in which every statement of the study is true, by a point or more."""
    s = conala_study.SIZES.index(size)
    bleu = {"FFT": 30.0 + s, "LoRA": 29.0 + s, "Prompt": 12 + 2.5 * s, "Prefix": 5.0}[method]
    code = {"FFT": 40.0 + s, "LoRA": 25 + 2.5 * s, "Prompt": 25.0, "Prefix": 40.0 - s if s < 4 else 20.0}[method]
    if size == "CodeGPT-Adapt" and method == "FFT":
        bleu, code = bleu + 5, code + 5
    if size == "GPT2" and method == "Prefix":
        code = 50.0
    if size in ("CodeLlama", "Mistral"):
        bleu, code = bleu + 6 * (method == "LoRA"), code + 10 * (method == "LoRA")
    if size == "Mistral":
        bleu = {"FFT": 10.0, "Prompt": 30.0}.get(method, bleu)
        code = {"FFT": 50.0, "LoRA": 53.0, "Prompt": 48.0}.get(method, code)
    share = {"FFT": 1.0, "LoRA": 0.5, "Prompt": 0.4, "Prefix": 0.45}[method]
    return bleu, code, 1000 * share * 2**s


def conala_world(told: Callable[[str, str], tuple[float, float, float]], seed: int = 0, noise: float = 1.0) -> Evidence:
    """Evidence of the study's models: scores are off by ``noise`` standard errors of 0.1 points, memory by its 2%."""
    rng, scores, costs = np.random.default_rng(seed), {}, []
    for size, method in ((size, method) for size in conala_study.SIZES for method in conala_study.METHODS):
        *values, mib = told(size, method)
        for metric, value in zip(("bleu", "codebleu"), values, strict=True):
            error = noise * 0.1 * (rng.standard_normal() + np.append(0, rng.standard_normal(DRAWS)))
            scores["conala", metric, size, method] = value + error
        costs.append((size, method, mib * (1 + noise * 0.02 * rng.standard_normal())))
    frame = pd.DataFrame(costs, columns=["size", "method", "peak_mib"])
    return Evidence("world", conala_study.SIZES, dict(scores), {}, frame, claims.evidence.empty_log())


def conala_upside_down(size: str, method: str) -> tuple[float, float, float]:
    bleu, code, mib = conala_told(size, method)
    return 100 - bleu, 100 - code, 200_000 - mib


def conala_exchanged(size: str, method: str) -> tuple[float, float, float]:
    """FFT and LoRA, and both kinds of prompts, have each other's numbers; sizes are in reverse order."""
    turned = dict(zip(conala_study.METHODS, ["LoRA", "FFT", "Prompt", "Prefix"], strict=True))
    return conala_told(conala_study.SIZES[-1 - conala_study.SIZES.index(size)], turned[method])


@pytest.mark.parametrize("claim", CONALA, ids=lambda claim: claim.id)
def test_verdicts_on_the_conala_study_follow_the_truth_through_noise(claim: Claim) -> None:
    def row(told: Callable[[str, str], tuple[float, float, float]], **options: float) -> dict[str, object]:
        return claims.evaluate(claim, conala_world(told, **options))[0]  # type: ignore[arg-type]

    assert row(conala_told, noise=0)["holds"] is True
    false = [told for told in (conala_upside_down, conala_exchanged) if row(told, noise=0)["holds"] is False]
    assert false
    for seed in range(3):
        assert row(conala_told, seed=seed)["verdict"] == "supported"
        assert "not supported" in {row(told, seed=seed)["verdict"] for told in false}


def test_what_the_conala_studys_numbers_say() -> None:
    evidence = claims.as_printed(conala_study.as_results(), conala_study.SIZES, conala_study.memory())
    holds = claims.ledger([evidence], CONALA, reversals=False)[0].set_index("claim")["holds"]
    assert holds["memory-savings-grow"]
    assert holds["fft-best-bleu-small"]
    assert not holds["lora-best-large-models"]  # CodeLlama: FFT 44.7 and 29.5, LoRA 43.6 and 27.8
    assert holds["mistral-bleu-falls"]
    assert holds["prefix-gpt2-codebleu"]


# --- tables behind the verdicts


def test_ranks_and_means_of_a_world() -> None:
    evidence = world()
    best = compare.ranks(evidence, "performance").query("size == '7B'").set_index("method")
    assert best["rank"]["FFT"] == 1
    assert best["best"]["FFT"] > 0.99
    assert best["null"].iloc[0] == stats.redraw_null(7)[1]
    assert best["rank"]["AdapterH"] == 7
    means = compare.means(evidence, "performance").set_index(["size", "method"])["value"]
    assert means["7B", "FFT"] - means["7B", "AdapterP"] == pytest.approx(3.0, abs=0.1)
    assert compare.critical_difference(evidence, "performance", ["7B"]).blocks == 8
    costs = compare.with_costs(evidence)
    assert costs.set_index(["size", "method"])["trainable_parameters"]["1B", "LoRA"] == 3_588_096
    table = compare.differences(evidence, "performance")
    assert len(table) == 4 * 21
    assert compare.differences(evidence, "performance", ["LoRA"]).empty
    assert set(compare.with_costs(evidence, methods=["LoRA", "FFT"])["method"]) == {"LoRA", "FFT"}
    assert (table["p_holm"] >= table["p"]).all()


# --- a suite's ledger


def test_a_ledger_is_kept_and_made_anew_when_results_change(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = store.load_suite("released").slice(["1B"], ["LoRA"], ["aatk", "recode-docstring"])
    few = claims.load()[::8]
    monkeypatch.setattr(ledger, "claims_of", lambda _: few)
    frame, parts = ledger.claim_verdicts(suite)
    assert list(frame.columns) == list(claims.COLUMNS)
    assert list(parts.columns) == list(claims.PART_COLUMNS)
    bodies = ["published", "corrected", "released", "released, Java 8"]
    assert list(frame["evidence"].unique()) == bodies
    assert len(frame) == len(bodies) * len(few)
    monkeypatch.setattr(claims, "ledger", lambda *_: pytest.fail("made anew though nothing changed"))
    again, _ = ledger.claim_verdicts(suite)
    pd.testing.assert_frame_equal(again, frame)
    monkeypatch.setenv("ASTRAIOS_BUILD", str(build.rename(build.with_name("moved"))))
    pd.testing.assert_frame_equal(ledger.claim_verdicts(suite)[0], frame)  # wherever the build folder is
    monkeypatch.setattr(claims, "VERSION", -1)
    with pytest.raises(pytest.fail.Exception, match="made anew"):
        ledger.claim_verdicts(suite)


def test_ledgers_are_shown() -> None:
    frame, _ = claims.ledger([claims.published(resamples=50)], claims.load()[:3])
    lines = claims.as_lines(frame)
    assert lines.startswith("published, about these checkpoints:\n")
    assert "fft-best: " in lines
    head, _, *rows = claims.as_markdown(frame).splitlines()
    assert head == "| the paper says | section | printed |"
    assert len(rows) == 2  # the third is a variant
    assert rows[0].startswith(
        "| Full fine-tuning gives the best downstream performance at all scales. | abstract, 1, 4 | "
    )
    html = claims.styled(frame).to_html()
    assert claims.load()[0].statement in html
    bare = frame.assign(verdict="not testable", lacking="clay tablets")
    ids = [claim.id for claim in claims.load()[:3]]
    assert claims.as_lines(bare).splitlines()[1:] == [
        f"  — 3 not testable (--all says what is missing): {', '.join(ids)}"
    ]
    assert claims.as_lines(bare, whole=True).count("      missing: clay tablets") == 3
    assert claims.summary(frame).loc["published"].sum() == 2  # the third is a variant


@pytest.mark.slow
@pytest.mark.ci
def test_notebook_06_runs_from_what_is_shipped(released_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole suite, in this process; ``.ci/run`` has the same notebook executed on a slice."""
    mpl.use("Agg")
    monkeypatch.setitem(mpl.rcParams, "figure.max_open_warning", 0)
    shown = "\n".join(notebook_cells.run(notebooks.sources()["06_loss_analysis"], {}, monkeypatch))
    assert "Suite released has trained no model here: there are no losses to draw." in shown
    assert "**3 of 3** coefficients equal the paper's (0.3016, 0.4128, 0.4138)" in shown
    assert "Table 7, published" in shown
    assert "Table 8, published" in shown
    assert not re.search(r"\bnan\b", shown)
    drawn = {path.stem for path in released_build.glob("released/figures/whole/*.svg")}
    assert drawn == {"ranks_chance_of_best", "ranks_critical_difference", "cost_parameters_published"}


# --- statements on unit tests that models write


TESTGEN = claims.load("testgen_claims")
TESTS_TOLD = {  # mutation score, correct, valid, lines of correct tests: a world in which every statement is true
    "Base": (20.0, 40.0, 90.0, 70.0),
    "FFT": (42.0, 62.0, 80.0, 90.0),
    "LoRA": (40.0, 60.0, 80.0, 90.0),
    "(IA)3": (39.0, 58.0, 85.0, 85.0),
    "Prompt": (41.0, 61.0, 85.0, 85.0),
}


def world_of_tests(of: Callable[[str, tuple[float, ...]], Sequence[float]], seed: int = 0) -> Evidence:
    """Evidence of one size; scores are off by standard errors of 0.1 points."""
    rng, scores = np.random.default_rng(seed), {}
    for method, told in TESTS_TOLD.items():
        for metric, value in zip(("mutation", "correct", "valid", "lines/correct"), of(method, told), strict=True):
            error = 0.1 * (rng.standard_normal() + np.append(0, rng.standard_normal(DRAWS)))
            scores["testgen-python", metric, "135M", method] = value + error
    costs = pd.DataFrame(columns=["size", "method", "peak_mib"])
    return Evidence("world", ("135M",), dict(scores), {}, costs, claims.evidence.empty_log())


@pytest.mark.parametrize("claim", TESTGEN, ids=lambda claim: claim.id)
def test_every_claim_about_unit_tests_can_come_out_true_and_false(claim: Claim) -> None:
    worse = {"LoRA": -10.0, "Prompt": -10.0, "Base": -30.0}
    for seed in (0, 1):
        told = world_of_tests(lambda _, values: values, seed)
        changed = world_of_tests(
            lambda method, values: [*(x + worse.get(method, 0) for x in values[:3]), 150 - values[3]], seed
        )
        assert claims.evaluate(claim, told)[0]["verdict"] == "supported"
        assert claims.evaluate(claim, changed)[0]["verdict"] == "not supported"


def test_a_suite_can_name_several_files_of_claims() -> None:
    smol = store.load_suite("smol")
    assert ledger.claims_of(smol) == (*claims.load(), *TESTGEN)
