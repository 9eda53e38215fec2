"""What related work says tuning does to a model, judged on a study.

Where two losses are compared, their 95% intervals over the same documents decide: a statement is *supported* or
*contradicted* where they are disjoint, else *undecided*.  Statements about one run's path, about a share of a gain or
about ranks have no interval: they read *holds* or *does not hold*, of this run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd
import yaml
from scipy import stats as scipy_stats

from .. import store
from .material import FORGOTTEN
from .study import RANKS, SHARES, Study

_scipy: Any = scipy_stats
RANK = f"rank {RANKS[1]}"
COLUMNS = ("claim", "statement", "source", "reading", "verdict", "evidence")


@dataclass(frozen=True, slots=True)
class _Value:
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def _loss(study: Study, analysis: str, method: str, setting: str = "", task: str = "all") -> _Value:
    frame = study.scores
    wanted = (analysis, method, setting, task, "loss")
    keys = ("analysis", "method", "setting", "task", "measure")
    for key, value in zip(keys, wanted, strict=True):
        frame = frame[frame[key] == value]
    row = frame.iloc[0]
    return _Value(float(row["value"]), float(row["low"]), float(row["high"]))


def _below(one: _Value, other: _Value) -> str:
    """Whether one loss is below another."""
    if one.high < other.low:
        return "supported"
    return "contradicted" if one.low > other.high else "undecided"


def _holds(condition: bool) -> str:
    return "holds" if condition else "does not hold"


def _mean_intruders(study: Study) -> pd.Series:
    return study.changes.groupby(["method", "setting"], sort=False)["intruders"].mean()


def _intruders(study: Study) -> tuple[str, str]:
    lora, full = (
        study.changes[(study.changes["method"] == method) & (study.changes["setting"] == setting)]
        for method, setting in (("LoRA", RANK), ("FFT", ""))
    )
    both = lora.merge(full, on=["layer", "matrix"], suffixes=("", "_full"))
    more, less = (both["intruders"] > both["intruders_full"]).sum(), (both["intruders"] < both["intruders_full"]).sum()
    text = f"{lora['intruders'].mean():.2f} per matrix under LoRA, {full['intruders'].mean():.2f} under FFT"
    if more + less == 0:
        return "undecided", f"{text}; no matrix differs"
    p = _scipy.binomtest(int(more), int(more + less)).pvalue
    verdict = "supported" if more > less else "contradicted"
    if p > 0.05:
        verdict = "undecided"
    return verdict, f"{text}; more in {more} matrices, fewer in {less} (sign test, p = {p:.3f})"


def _intruders_forget(study: Study) -> tuple[str, str]:
    means = _mean_intruders(study)
    lost = [_loss(study, "tuned", method, setting, FORGOTTEN).value for method, setting in means.index]
    if means.nunique() == 1:
        return "undecided", f"all {len(means)} models have {means.iloc[0]:.2f} intruder dimensions per matrix"
    tau = _scipy.kendalltau(means, lost)
    text = f"Kendall's tau is {tau.statistic:.2f} over {len(means)} models (p = {tau.pvalue:.2f})"
    return (_holds(tau.statistic > 0) if tau.pvalue <= 0.05 else "undecided"), text


def _learns_less(study: Study) -> tuple[str, str]:
    lora, full = _loss(study, "tuned", "LoRA", RANK), _loss(study, "tuned", "FFT")
    kept, lost = _loss(study, "tuned", "LoRA", RANK, FORGOTTEN), _loss(study, "tuned", "FFT", "", FORGOTTEN)
    both = {_below(full, lora), _below(kept, lost)}
    verdict = next(found for found in ("contradicted", "undecided", "supported") if found in both)
    return verdict, f"tasks {lora} and FFT {full}; pre-training {kept} and FFT {lost}"


def _returned(study: Study, share: float) -> float:
    base, full = _loss(study, "tuned", "base").value, _loss(study, "tuned", "FFT").value
    return (base - _loss(study, "graft", "FFT", str(share)).value) / (base - full)


def _localised(study: Study) -> tuple[str, str]:
    returned = {share: _returned(study, share) for share in SHARES}
    shown = ", ".join(f"{100 * value:.0f}% with {100 * share:g}%" for share, value in returned.items())
    return _holds(returned[SHARES[0]] > 0.95), f"returns {shown}"


def _transfer(study: Study) -> tuple[str, str]:
    moved, base = _loss(study, "transfer", "FFT", "moved"), _loss(study, "transfer", "base", "further base")
    return _below(moved, base), f"{moved}, the base {base}"


def _transfer_equal(study: Study) -> tuple[str, str]:
    base = _loss(study, "transfer", "base", "further base").value
    moved, there = (base - _loss(study, "transfer", "FFT", how).value for how in ("moved", "tuned there"))
    return _holds(moved >= 0.9 * there), f"{100 * moved / there:.0f}% of the fall in loss"


def _lines(study: Study) -> tuple[str, str]:
    base, full = (_loss(study, "tuned", method).value for method in ("base", "FFT"))
    old, lost = (_loss(study, "tuned", method, "", FORGOTTEN).value for method in ("base", "FFT"))
    if lost <= old:
        return "undecided", f"FFT forgot nothing: {lost:.3f} on pre-training documents, the base {old:.3f}"
    gain = (base - _loss(study, "lines", "FFT", "0.5").value) / (base - full)
    left = (_loss(study, "lines", "FFT", "0.5", FORGOTTEN).value - old) / (lost - old)
    text = f"{100 * gain:.0f}% of the gain and {100 * left:.0f}% of the forgetting are left"
    return _holds(gain >= 0.9 and left <= 0.5), text


def _mixed(study: Study) -> tuple[str, str]:
    pairs = {
        task: (_loss(study, "tuned", "FFT", "", task), _loss(study, "mixture", "FFT", task, task))
        for task in study.tasks
    }
    better = [task for task, (mixed, alone) in pairs.items() if mixed.value < alone.value]
    shown = ", ".join(f"{task} {mixed.value:.3f} and {alone.value:.3f}" for task, (mixed, alone) in pairs.items())
    return _holds(2 * len(better) > len(pairs)), f"mixture and alone: {shown}"


def _within(study: Study) -> tuple[str, str]:
    frame = study.scores[(study.scores["analysis"] == "within") & (study.scores["method"] == "FFT")]
    wide = frame[frame["task"] == "all"].pivot(index="setting", columns="measure", values="value")
    if wide["exact"].nunique() == 1:
        return "undecided", f"the share of exact answers is {wide['exact'].iloc[0]:.1f}% at each of {len(wide)} steps"
    tau = _scipy.kendalltau(-wide["loss"], wide["exact"]).statistic
    return _holds(tau > 1 - 1e-9), f"Kendall's tau of loss and exact answers is {-tau:.2f} over {len(wide)} steps"


READINGS: Mapping[str, Callable[[Study], tuple[str, str]]] = MappingProxyType(
    {
        "intruders": _intruders,
        "intruders-forget": _intruders_forget,
        "lora-learns-less": _learns_less,
        "localised": _localised,
        "transfer": _transfer,
        "transfer-equal": _transfer_equal,
        "lines": _lines,
        "mixture": _mixed,
        "loss-within-run": _within,
    }
)


def listed() -> list[dict[str, str]]:
    """The statements of ``data/paper/tuning_claims.yaml``: id, statement, source, reading."""
    found: list[dict[str, str]] = yaml.safe_load(
        (store.data_dir() / "paper" / "tuning_claims.yaml").read_text(encoding="utf-8")
    )
    return found


def verdicts(study: Study) -> pd.DataFrame:
    """A verdict on every statement of ``data/paper/tuning_claims.yaml``; columns ``COLUMNS``."""
    rows = []
    for claim in listed():
        verdict, evidence = READINGS[claim["id"]](study)
        rows.append((*(claim[key] for key in ("id", "statement", "source", "reading")), verdict, evidence))
    return pd.DataFrame(rows, columns=list(COLUMNS))
