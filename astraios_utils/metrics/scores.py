"""The paper's metrics, from verdicts, in percent, each with a clustered standard error.

Pass@k (Chen et al. 2021), Robust Pass@k and Robust Change@k (equations 1 and 2; Wang et al. 2023), accuracy and F1;
BLEU and CodeBLEU of the CoNaLa study. :func:`summarise` computes all that a task of a kind reports; the functions above
it are usable alone. Imports nothing of ours but ``stats`` and ``textmetrics``.

Intervals. Means over problems (pass@k, RP@k of one perturbation, accuracy) use the analytic clustered standard error
and Wilson's interval at the effective sample size. The worst-case RP@k takes those of its worst perturbation: in
simulations of a category's minimum over correlated perturbations this covered 94 to 97%, while bootstrapping the
minimum, which is biased downwards where perturbations tie, fell to 56% (percentile) or 83% (BCa). F1, BLEU and CodeBLEU
are no means: they take a BCa bootstrap over problems.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import similarity, stats
from .stats import LEVEL, RESAMPLES, Array, Estimate

__all__ = [
    "Estimate",
    "accuracy",
    "classification_verdicts",
    "confusion",
    "f1",
    "f1_sums",
    "pass_at_k",
    "rc_at_k",
    "robust_pass_at_k",
    "summarise",
]

STATUSES = ("passed", "failed", "error", "timeout", "invalid", "secure", "insecure", "unknown")
KS = (1, 5, 10, 20, 50, 100)  # the k that summarise reports, as far as there are samples
INVALID = -1  # the prediction of an answer that cannot be parsed
NOMINAL = "nominal"  # the "perturbation" of ReCode rows whose prompt is not perturbed
_KEYS = {  # the kinds of metrics, and what a key of each looks like
    "pass": re.compile(r"pass|pass@[1-9]\d*"),
    "recode": re.compile(r"recode|rp@[1-9]\d*|rc@1"),
    "classes": re.compile(r"accuracy|f1|valid"),
    "security": re.compile(r"valid|insecure|unknown"),
    "text": re.compile(r"bleu|codebleu|exact|valid"),
}
AVERAGES = ("macro", "real", "positive", "weighted")


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: int) -> Array:
    """Unbiased pass@k of each problem, 1 - C(n-c, k)/C(n, k), exact to the last bit; a share, not percent.

    Args:
        n: samples per problem, any shape.
        c: correct ones among them, broadcast against ``n``.
        k: how many samples one may draw.

    Returns:
        Shares in [0, 1]; NaN where n < k.

    Raises:
        ValueError: k < 1, or c outside 0 … n.
    """
    if k < 1:
        raise ValueError(f"k is {k}: pass@k needs k >= 1")
    total, correct = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    if ((correct < 0) | (correct > total)).any():
        raise ValueError("the number of correct samples lies between 0 and n")
    pairs, where = np.unique(np.stack([total.ravel(), correct.ravel()]), axis=1, return_inverse=True)
    shares: Array = np.array([_pass_at_k(int(a), int(b), k) for a, b in pairs.T], dtype=float)
    return np.reshape(shares[where.ravel()], total.shape)


@functools.lru_cache(maxsize=4096)
def _pass_at_k(n: int, c: int, k: int) -> float:
    if n < k:
        return math.nan
    return float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


def robust_pass_at_k(passed: npt.ArrayLike, k: int = 1) -> Array:
    """Robust Pass@k of each problem under one perturbation (equation 1); a share, not percent.

    A sample counts as robustly correct when it is correct for every seed of the perturbation; rc of the n samples are.
    RP@k = 1 - C(n-rc, k)/C(n, k).

    Args:
        passed: shape (problems, seeds, samples).
        k: how many samples one may draw.
    """
    correct = np.asarray(passed, dtype=bool)
    if correct.ndim != 3:
        raise ValueError(f"passed has shape {correct.shape}: expected (problems, seeds, samples)")
    return pass_at_k(correct.shape[2], correct.all(axis=1).sum(axis=1), k)


def rc_at_k(nominal: npt.ArrayLike, robust: npt.ArrayLike) -> Array:
    """Robust Change@k, |Pass@k - RP@k| (equation 2), elementwise, in the unit of its arguments; NaN stays NaN.

    The sign is lost: a category whose prompts help (RP@k above Pass@k) changes as much as one that hurts.
    """
    change: Array = np.abs(np.asarray(nominal, dtype=float) - np.asarray(robust, dtype=float))
    return change


def confusion(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    """Counts of shape (2, 3): true label 0, 1 x prediction 0, 1, unparsable (-1).

    Raises:
        ValueError: a label other than 0, 1 or a prediction other than 0, 1, -1; lengths that differ.
    """
    counts: Array = _indicators(truth, prediction).sum(axis=0)
    return np.reshape(counts, (2, 3))


def _indicators(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    """Shape (samples, 6): which cell of the flattened confusion matrix a sample falls into."""
    label, answer = np.asarray(truth), np.asarray(prediction)
    if label.shape != answer.shape or label.ndim != 1:
        raise ValueError(f"labels of shape {label.shape}, predictions of shape {answer.shape}: both must be (n,)")
    if not np.isin(label, (0, 1)).all() or not np.isin(answer, (0, 1, INVALID)).all():
        raise ValueError("labels are 0 or 1, predictions 0, 1 or -1 (unparsable)")
    column = np.where(answer == INVALID, 2, answer).astype(int)
    cells: Array = np.eye(6)[3 * label.astype(int) + column]
    return cells


def accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Share of right predictions; an unparsable one is wrong. NaN without samples."""
    counts = confusion(truth, prediction)
    return float((counts[0, 0] + counts[1, 1]) / counts.sum()) if counts.sum() else math.nan


def f1(truth: npt.ArrayLike, prediction: npt.ArrayLike, average: str = "macro") -> float:
    """F1 = 2 tp / (2 tp + fp + fn), a share, averaged over classes.

    Args:
        truth: labels 0 or 1, shape (n,).
        prediction: 0, 1 or -1 (unparsable), shape (n,).
        average: ``macro``: plain mean over the classes that occur, the unparsable one (always 0) included: what the
            paper's Table 2 calls F1 of clone detection. ``real``: plain mean over classes 0 and 1. ``positive``: class
            1 alone. ``weighted``: mean over classes 0 and 1 weighted by how often they are true.

    Returns:
        The share; NaN where a class that is averaged neither occurs nor is predicted, or there are no samples.

    Raises:
        ValueError: an unknown average or label.
    """
    counts = confusion(truth, prediction).reshape(1, 6)
    return float(_averaged(average, counts)(counts)[0])


def _averaged(average: str, observed: Array) -> Callable[[Array], Array]:
    """The F1 of flattened confusion matrices, (r, 6) -> (r,); the classes are those of ``observed``, (1, 6).

    They stay fixed under resampling: a rare unparsable answer that a resample misses must not change what is averaged.
    """
    if average not in AVERAGES:
        raise ValueError(f"unknown average {average!r}: known are {', '.join(AVERAGES)}")
    cells = observed.reshape(2, 3)
    occurs = (cells.sum(axis=0) + np.append(cells.sum(axis=1), 0)) > 0
    classes = {"macro": np.flatnonzero(occurs), "positive": np.array([1])}.get(average, np.array([0, 1]))

    def score(sums: Array) -> Array:
        matrices = sums.reshape(-1, 2, 3)
        by_class = _f1_by_class(matrices)[:, classes]
        if by_class.shape[1] == 0:
            return np.full(len(matrices), math.nan)
        if average != "weighted":
            return np.asarray(by_class.mean(axis=1))
        support = matrices.sum(axis=2)
        with np.errstate(invalid="ignore"):
            return np.asarray((np.where(support > 0, by_class, 0) * support).sum(axis=1) / support.sum(axis=1))

    return score


def _f1_by_class(matrices: Array) -> Array:
    """F1 of class 0, class 1 and the unparsable class, (r, 2, 3) -> (r, 3); NaN where 0/0."""
    right = matrices[:, [0, 1], [0, 1]]
    with np.errstate(invalid="ignore"):
        real = 2 * right / (matrices.sum(axis=2) + matrices[:, :, :2].sum(axis=1))
    return np.column_stack([real, np.zeros(len(matrices))])  # the unparsable class is never true: F1 0


def classification_verdicts(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> pd.DataFrame:
    """Labels and predictions, each of shape (n,), as verdicts of n problems (columns problem, status, detail).

    Raises:
        ValueError: as :func:`confusion`.
    """
    cells = _indicators(truth, prediction).argmax(axis=1)
    answer = np.array([0, 1, INVALID])[cells % 3]
    return pd.DataFrame(
        {
            "problem": [str(i) for i in range(len(cells))],
            "status": np.select([answer == INVALID, cells // 3 == answer], ["invalid", "passed"], "failed"),
            "detail": [f"label={t} prediction={p}" for t, p in zip(cells // 3, answer, strict=True)],
        }
    )


def summarise(
    what: str | Sequence[str],
    verdicts: pd.DataFrame,
    *,
    nominal: float = math.nan,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """All metrics of one model on one task, in percent, the headline first.

    Args:
        what: a kind of metrics, or the keys of the metrics that are wanted (the first one tells the kind). Keys that
            are wanted but undefined (pass@10 of one sample) are NaN; whatever else the kind reports comes along:
            ``pass``: pass@k for the k of ``KS`` up to the smallest number of samples. ``accuracy``, ``f1``: accuracy,
            f1 (macro, the paper's), f1/real, f1/positive, f1/weighted, valid (share of answers that can be parsed).
            ``recode``: rp@k (worst case), rp@k/<perturbation> each, rc@1 where ``nominal`` is given; where there are
            rows of the variant ``nominal/…``, pass@1/nominal, and rc@1/nominal, paired by problem. ``insecure``: valid
            (of the samples that could be judged), insecure (of the valid ones), unknown (of all). ``bleu``,
            ``codebleu``: all of ``textmetrics.NAMES`` over the corpus of all samples, exact (share of samples that are
            the reference), valid (share that are programs).
        verdicts: one row per sample; columns problem, status, and variant, sample (``recode``) or detail
            (``label=1 prediction=0`` for classification, counts for text).
        nominal: Pass@1 of unperturbed prompts in percent, taken as known (``recode`` only).
        level: coverage of the intervals.
        seed: of the bootstrap; the same seed gives the same interval.
        resamples: of the bootstrap.

    Raises:
        ValueError: unknown kind or key, missing column, unknown status, or rows that do not make a complete design.
    """
    keys = [what] if isinstance(what, str) else list(what)
    kind = _kind_of(keys)
    ks = sorted({*KS, *(int(key.split("@")[1]) for key in keys if "@" in key)})
    _require(verdicts, ("problem", "status"))
    if unknown := set(verdicts["status"]) - set(STATUSES):
        raise ValueError(f"unknown status {min(map(str, unknown))!r}: known are {', '.join(STATUSES)}")
    if kind == "pass":
        found = _pass_metrics(verdicts, ks, level)
    elif kind == "recode":
        found = _recode_metrics(verdicts, ks, nominal, level)
    elif kind == "security":
        found = _security_metrics(verdicts, level)
    elif kind == "text":
        found = _text_metrics(verdicts, level, seed, resamples)
    else:
        found = _class_metrics(verdicts, level, seed, resamples)
    undefined = Estimate(math.nan, n=len(verdicts), clusters=verdicts["problem"].nunique())
    wanted = {key: found.get(key, undefined) for key in keys if key not in ("pass", "recode")}
    return {key: estimate.scaled(100) for key, estimate in (wanted | found).items()}


def _kind_of(keys: list[str]) -> str:
    """The kind of metrics that all keys belong to."""
    for kind, pattern in _KEYS.items():
        if keys and all(pattern.fullmatch(key) for key in keys):
            return kind
    raise ValueError(
        f"no kind of metrics has {', '.join(keys) or 'no key'}: "
        "known are pass@k; rp@k, rc@1; accuracy, f1, valid; insecure; bleu, codebleu, exact"
    )


def _require(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise ValueError(f"verdicts lack the column {missing[0]!r}")


def _pass_metrics(verdicts: pd.DataFrame, ks: list[int], level: float) -> dict[str, Estimate]:
    counts = (verdicts["status"] == "passed").groupby(verdicts["problem"]).agg(["size", "sum"])
    most = int(counts["size"].min()) if len(counts) else 1
    return {
        f"pass@{k}": stats.clustered_mean(
            pass_at_k(counts["size"], counts["sum"], k), n=len(verdicts), share=True, level=level
        )
        for k in ks
        if k <= most
    }


def _labels(verdicts: pd.DataFrame) -> tuple[Array, Array]:
    """True labels and predictions of classification verdicts."""
    _require(verdicts, ("problem", "detail"))
    parsed = verdicts["detail"].astype(str).str.extract(r"^label=([01]) prediction=(-1|0|1)$")
    bad = parsed[0].isna()
    if bad.any():
        raise ValueError(f"detail {verdicts['detail'][bad].iloc[0]!r} is not 'label=… prediction=…'")
    return parsed[0].to_numpy(dtype=int), parsed[1].to_numpy(dtype=int)


def f1_sums(verdicts: pd.DataFrame, average: str = "macro") -> tuple[pd.Index, Array, Callable[[Array], Array]]:
    """F1 as a statistic of sums over problems, for a bootstrap.

    Returns:
        The problems; what each adds to the flattened confusion matrix, shape (problems, 6); and the F1 of such sums, a
        share, (r, 6) -> (r,).

    Raises:
        ValueError: an unknown average, or details that are not ``label=… prediction=…``.
    """
    cells = _indicators(*_labels(verdicts))
    rows = pd.DataFrame(cells).groupby(verdicts["problem"].to_numpy()).sum()
    return rows.index, rows.to_numpy(), _averaged(average, cells.sum(axis=0)[None])


def _class_metrics(verdicts: pd.DataFrame, level: float, seed: int, resamples: int) -> dict[str, Estimate]:
    truth, answer = _labels(verdicts)
    cells, problems = _indicators(truth, answer), verdicts["problem"].to_numpy()
    rows = pd.DataFrame(cells).groupby(problems).sum().to_numpy()
    observed = cells.sum(axis=0)[None]

    def share(hits: npt.NDArray[np.bool_]) -> Estimate:
        return stats.clustered_mean(hits, problems, share=True, level=level)

    def boot(average: str) -> Estimate:
        score = _averaged(average, observed)
        return stats.cluster_bootstrap(rows, score, resamples=resamples, seed=seed, level=level)

    found = {"accuracy": share(truth == answer), "f1": boot("macro")}
    found |= {f"f1/{average}": boot(average) for average in AVERAGES[1:]}
    return found | {"valid": share(answer != INVALID)}


def _text_metrics(verdicts: pd.DataFrame, level: float, seed: int, resamples: int) -> dict[str, Estimate]:
    _require(verdicts, ("detail",))
    problems = verdicts["problem"].to_numpy()
    counts = np.array([similarity.decode(text) for text in verdicts["detail"]], dtype=float)
    rows = pd.DataFrame(counts.reshape(-1, similarity.WIDTH)).groupby(problems).sum().to_numpy()

    def share(hits: pd.Series[bool]) -> Estimate:
        return stats.clustered_mean(hits, problems, share=True, level=level)

    found = {
        name: stats.cluster_bootstrap(
            rows, similarity.statistic(name), resamples=resamples, seed=seed, level=level, n=len(verdicts)
        )
        for name in similarity.NAMES
    }
    return found | {"exact": share(verdicts["status"] == "passed"), "valid": share(verdicts["status"] != "invalid")}


def _security_metrics(verdicts: pd.DataFrame, level: float) -> dict[str, Estimate]:
    def share(status: tuple[str, ...], of: tuple[str, ...]) -> Estimate:
        rows = verdicts[verdicts["status"].isin(of)]
        if rows.empty:
            return Estimate(math.nan)
        return stats.clustered_mean(rows["status"].isin(status), rows["problem"], share=True, level=level)

    valid = ("secure", "insecure")
    judged = (*valid, "invalid")
    return {
        "valid": share(valid, judged),
        "insecure": share(("insecure",), valid),
        "unknown": share(("unknown",), (*judged, "unknown")),
    }


def _recode_metrics(verdicts: pd.DataFrame, ks: list[int], nominal: float, level: float) -> dict[str, Estimate]:
    designs = _designs(verdicts)
    plain = designs.pop(NOMINAL, None)
    most = min((passed.shape[2] for passed in designs.values()), default=1)
    every = {k: {name: _robust_estimate(passed, k, level) for name, passed in designs.items()} for k in ks if k <= most}
    worst = {k: min(by_name, key=lambda name: by_name[name].value, default="") for k, by_name in every.items()}
    found = {f"rp@{k}": by_name.get(worst[k], Estimate(math.nan)) for k, by_name in every.items()}
    found |= {f"rp@{k}/{name}": estimate for k, by_name in every.items() for name, estimate in by_name.items()}
    if not math.isnan(nominal):
        found["rc@1"] = _change_from(nominal / 100, found["rp@1"])
    if plain is not None:
        found["pass@1/nominal"] = _robust_estimate(plain, 1, level)
    if plain is not None and designs:
        found["rc@1/nominal"] = _paired_change(plain, designs[worst[1]], level)
    return found


def _robust_estimate(passed: npt.NDArray[np.bool_], k: int, level: float) -> Estimate:
    return stats.clustered_mean(robust_pass_at_k(passed, k), n=passed.size, share=True, level=level)


def _designs(verdicts: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """By perturbation: which samples passed, shape (problems, seeds, samples), problems in one order for all."""
    _require(verdicts, ("variant", "sample"))
    variant = verdicts["variant"].astype(str)
    split = variant.str.extract(r"^([^/]+)/(.+)$")
    if split[0].isna().any():
        raise ValueError(f"variant {variant[split[0].isna()].iloc[0]!r} is not '<perturbation>/s<seed>'")
    frame = verdicts[["problem", "sample"]].assign(
        perturbation=split[0], seed=split[1], passed=verdicts["status"] == "passed"
    )
    problems = frame["problem"].nunique()
    return {str(name): _design(str(name), part, problems) for name, part in frame.groupby("perturbation")}


def _design(name: str, part: pd.DataFrame, problems: int) -> npt.NDArray[np.bool_]:
    seeds, samples = part["seed"].nunique(), part["sample"].nunique()
    complete = problems * seeds * samples
    if len(part) != complete or part.duplicated(["problem", "seed", "sample"]).any():
        raise ValueError(
            f"perturbation {name!r} has {len(part)} rows, but {problems} problems x {seeds} seeds x {samples} "
            f"samples make {complete}: every problem needs every seed and sample once"
        )
    ordered = part.sort_values(["problem", "seed", "sample"])["passed"].to_numpy(dtype=bool)
    return np.reshape(ordered, (problems, seeds, samples))


def _change_from(nominal: float, robust: Estimate) -> Estimate:
    """RC@1 against a nominal that is known: RP@1's interval, shifted and folded."""
    shifted = Estimate(
        robust.value - nominal, robust.se, robust.low - nominal, robust.high - nominal, robust.n, robust.clusters
    )
    return shifted.folded()


def _paired_change(plain: npt.NDArray[np.bool_], robust: npt.NDArray[np.bool_], level: float) -> Estimate:
    """RC@1 against a nominal measured on the same problems: the interval is that of the paired differences."""
    difference = robust_pass_at_k(robust) - robust_pass_at_k(plain)
    return stats.clustered_mean(difference, n=plain.size + robust.size, level=level).folded()
