"""The paper's metrics, from verdicts, each defined once: as a statistic of sums over problems.

Pass@k (Chen et al. 2021), Robust Pass@k and Robust Change@k (equations 1 and 2; Wang et al. 2023), accuracy and F1;
BLEU and CodeBLEU of the CoNaLa study. :func:`definitions` gives a :class:`Metric` per key. Its point estimate, its
interval and every joint bootstrap (``results.claims``) follow from that one object. :func:`summarise` returns the
estimates in percent. The functions of arrays (:func:`pass_at_k`, :func:`f1`, ...) are usable alone.

Intervals. Means over problems (pass@k, RP@k of one perturbation, accuracy) use the analytic clustered standard error
and Wilson's interval at the effective sample size. F1, BLEU and CodeBLEU are not means: they use a BCa bootstrap over
problems. The worst-case RP@k, a minimum over perturbations, is biased downwards where perturbations tie; its interval
is that of a cross-fitted estimate (:func:`cross_fitted`), which is also a metric of its own. RC@k takes absolute
values, which biases it upwards near 0: it has no interval, and the signed drop next to it has one.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import likelihoods, similarity, stats
from .stats import LEVEL, RESAMPLES, Array, Estimate

Indices = npt.NDArray[np.intp]
_VARIANT = re.compile(r"([^/]+)/(.+)", re.DOTALL)

__all__ = [
    "Estimate",
    "Metric",
    "accuracy",
    "classification_verdicts",
    "confusion",
    "cross_fitted",
    "definitions",
    "f1",
    "pass_at_k",
    "rc_at_k",
    "robust_pass_at_k",
    "summarise",
]

STATUSES = ("passed", "failed", "error", "timeout", "invalid", "secure", "insecure", "unknown", "measured")
KS = (1, 5, 10, 20, 50, 100)  # the k that summarise reports, as far as there are samples
INVALID = -1  # the prediction of an answer that cannot be parsed
OVER_PERTURBATIONS = ("crossfit", "mean")  # what follows rp@k/ where it names no perturbation
NOMINAL = "nominal"  # the "perturbation" of ReCode rows whose prompt is not perturbed
_KEYS = {  # the kinds of metrics, and what a key of each looks like
    "pass": re.compile(r"pass|pass@[1-9]\d*"),
    "recode": re.compile(r"recode|rp@[1-9]\d*|rc@1|drop@1"),
    "classes": re.compile(r"accuracy|f1|valid"),
    "security": re.compile(r"valid|insecure|unknown"),
    "text": re.compile(r"bleu|codebleu|exact|valid"),
    "likelihood": re.compile(r"bits/(byte|token)"),
    "preference": re.compile(r"prefer(/(token|byte))?"),
    "tests": re.compile(r"mutation|correct|valid|(lines|branches)(/correct)?"),
}
_TESTED = re.compile(
    r"^caught=(?P<caught_hit>\d+)/(?P<caught_of>\d+) lines=(?P<lines_hit>\d+)/(?P<lines_of>\d+) "
    r"branches=(?P<branches_hit>\d+)/(?P<branches_of>\d+)"
)
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
    """Robust Change@k, ``|Pass@k - RP@k|`` (equation 2), elementwise, in the unit of its arguments; NaN stays NaN.

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


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one model on one task; a share (not percent), or a number with a unit of its own.

    Attributes:
        problems: names of the problems, shape (m,), each once.
        rows: what each problem adds to sums, shape (m, f).
        statistic: the metric of such sums, (r, f) -> (r,).
        n: samples (answers) behind it.
        share: whether the statistic is the first sum over the second and lies in [0, 1].
        noise: variance of the value if the same problems were answered again; 0 for one greedy answer.
        interval_of: the metric whose standard error and interval are shown, where this one's own would mislead.
        interval: whether there is an interval at all.
        factor: from the metric to the number that is reported: 100 (percent) for shares, 1 for bits.
    """

    problems: pd.Index
    rows: Array
    statistic: Callable[[Array], Array] = stats.ratio
    n: int = 0
    share: bool = True
    noise: float = math.nan
    interval_of: Metric | None = None
    interval: bool = True
    factor: float = 100

    @property
    def value(self) -> float:
        """The metric; NaN where it is undefined."""
        return float(self.statistic(self.rows.sum(axis=0)[None])[0]) if len(self.rows) else math.nan

    @property
    def step(self) -> float:
        """The change of the value by one sample."""
        return 1 / self.n if self.n else 0.0

    def by_problem(self) -> pd.Series:
        """The metric of each problem by itself, by name; NaN where a problem adds nothing."""
        return pd.Series(self.statistic(self.rows), index=self.problems)

    def column(self, stratum: str, names: npt.NDArray[np.str_]) -> stats.Column:
        """For a joint bootstrap, with the problems' names within the stratum."""
        return stats.Column(stratum, names, self.rows, self.statistic)

    def estimate(self, level: float = LEVEL, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
        """Value, standard error and interval, clustered by problem."""
        if not self.interval:
            return Estimate(self.value, n=self.n, clusters=len(self.rows), noise=self.noise)
        if self.interval_of is not None:
            shown = self.interval_of.estimate(level, seed, resamples)
            return replace(shown, value=self.value, n=self.n, noise=self.noise)
        if self.statistic is stats.ratio:
            found = stats.clustered_ratio(self.rows, n=self.n, share=self.share, level=level)
        else:
            found = stats.cluster_bootstrap(
                self.rows, self.statistic, resamples=resamples, seed=seed, level=level, n=self.n
            )
        return replace(found, noise=self.noise)


def lower_is_better(key: str) -> bool:
    """Whether a smaller value of a metric is better: insecure and unknown shares, drops under perturbation, bits."""
    return key.startswith(("insecure", "unknown", "drop@", "rc@", "bits/"))


def decimals(key: str) -> tuple[int, int]:
    """With how many decimals a metric's values, and the ends of their intervals, are shown: bits are small numbers."""
    return (3, 3) if key.startswith("bits/") else (2, 1)


def summarise(
    what: str | Sequence[str],
    verdicts: pd.DataFrame,
    *,
    nominal: float = math.nan,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """All metrics of one model on one task, in percent (bits as they are), the headline first.

    Args:
        what, verdicts, nominal: as for :func:`definitions`.
        level: coverage of the intervals.
        seed: of the bootstrap; the same seed gives the same interval.
        resamples: of the bootstrap.

    Raises:
        ValueError: as :func:`definitions`.
    """
    keys = [what] if isinstance(what, str) else list(what)
    found = {
        key: metric.estimate(level, seed, resamples).scaled(metric.factor)
        for key, metric in definitions(keys, verdicts, nominal=nominal).items()
    }
    undefined = Estimate(math.nan, n=len(verdicts), clusters=verdicts["problem"].nunique())
    wanted = {key: found.get(key, undefined) for key in keys if key not in ("pass", "recode")}
    return wanted | found


def definitions(what: str | Sequence[str], verdicts: pd.DataFrame, *, nominal: float = math.nan) -> dict[str, Metric]:
    """The metrics of one model on one task.

    Args:
        what: a kind of metrics, or the keys of the metrics that are wanted (the first one tells the kind); whatever
            else the kind reports comes along:
            ``pass``: pass@k for the k of ``KS`` up to the smallest number of samples. ``accuracy``, ``f1``: accuracy,
            accuracy/parsable, f1 (macro, the paper's), f1/real, f1/positive, f1/weighted, valid (share of answers that
            can be parsed). ``recode``: rp@k (worst case), rp@k/crossfit, rp@k/mean (over perturbations),
            rp@k/<perturbation> each; where ``nominal`` is given rc@1 and drop@1; where there are rows of the variant
            ``nominal/…`` pass@1/nominal, rc@1/nominal and drop@1/nominal, paired by problem. ``insecure``: valid (of
            the samples that could be judged), insecure (of the valid ones), unknown (of all). ``bleu``, ``codebleu``:
            all of ``similarity.NAMES`` over the corpus of all samples, exact (share of samples that are the reference),
            valid (share that are programs). ``bits/byte``: bits/byte and bits/token of the reference texts, all bits
            over all bytes or tokens. ``prefer``: the share of pairs whose reference is more likely than the other text,
            by the sum of log-likelihoods (prefer), per token and per byte; equal ones are not preferred. ``mutation``:
            correct, valid, mutation, lines, branches of model-written tests (:mod:`tasks.testgen`), the last two also
            of the correct ones alone (lines/correct).
        verdicts: one row per sample; columns problem, status, and variant, sample (``recode``) or detail
            (``label=1 prediction=0`` for classification, counts for text and tests, :mod:`.likelihoods` for
            likelihoods).
        nominal: Pass@1 of unperturbed prompts in percent, taken as known (``recode`` only): a difference from it counts
            the error of RP@1 alone, unpaired.

    Raises:
        ValueError: unknown kind or key, missing column, unknown status, or rows that do not make a complete design.
    """
    keys = [what] if isinstance(what, str) else list(what)
    kind = _kind_of(keys)
    ks = sorted({*KS, *(int(key.split("@")[1]) for key in keys if "@" in key)})
    _require(verdicts, ("problem", "status"))
    if unknown := set(verdicts["status"]) - set(STATUSES):
        raise ValueError(f"unknown status {min(map(str, unknown))!r}: known are {', '.join(STATUSES)}")
    if kind == "recode":
        return _recode_metrics(verdicts, ks, nominal)
    if kind == "pass":
        return _pass_metrics(verdicts, ks)
    return _OF_KIND[kind](verdicts)


def _kind_of(keys: list[str]) -> str:
    """The kind of metrics that all keys belong to."""
    for kind, pattern in _KEYS.items():
        if keys and all(pattern.fullmatch(key) for key in keys):
            return kind
    raise ValueError(
        f"no kind of metrics has {', '.join(keys) or 'no key'}: "
        "known are pass@k; rp@k, rc@1; accuracy, f1, valid; insecure; bleu, codebleu, exact; bits/byte; prefer; "
        "mutation, correct, lines, branches"
    )


def _require(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise ValueError(f"verdicts have no column {missing[0]!r}")


def _ratio(problems: pd.Series, hits: npt.ArrayLike, of: npt.ArrayLike | None = None) -> Metric:
    """The share of hits among the samples that count (``of``; all by default), samples weighing alike."""
    hit = np.asarray(hits, dtype=float)
    counted = np.ones(len(hit)) if of is None else np.asarray(of, dtype=float)
    names, codes = np.unique(problems.to_numpy(dtype=str), return_inverse=True)
    columns = [np.bincount(codes, weights=w, minlength=len(names)) for w in (hit, counted)]
    rows: Array = np.column_stack(columns).astype(float).reshape(-1, 2)
    return Metric(pd.Index(names), rows, n=int(counted.sum()), noise=_noise(hit, counted, codes))


def _noise(hit: Array, counted: Array, codes: npt.NDArray[np.intp]) -> float:
    """Variance of a ratio of sums within problems, linearised: sum over problems of n/(n-1) sum (e - mean e)^2.

    e = (x - ratio * d) / sum d. For a mean of n samples per problem that is sum c (n - c) / (n^2 (n - 1)) / m^2. 0
    where every problem has one sample (greedy).
    """
    total = counted.sum()
    if not total:
        return math.nan
    error = (hit - hit.sum() / total * counted) / total
    size = np.bincount(codes).astype(float)
    squares = np.bincount(codes, weights=error**2) - np.bincount(codes, weights=error) ** 2 / size
    several = size > 1
    return float((squares[several] * size[several] / (size[several] - 1)).sum())


def _mean(problems: npt.ArrayLike, values: npt.ArrayLike, n: int, noise: float = math.nan) -> Metric:
    """The mean of a share per problem, problems weighing alike."""
    x = np.asarray(values, dtype=float)
    rows = np.column_stack([x, np.ones(len(x))])
    return Metric(pd.Index(np.asarray(problems, dtype=str)), rows, n=n, noise=noise)


def _greedy(problems: int, samples: int) -> float:
    """The decoding noise of one answer per problem, 0; of several, for metrics that are no ratio, it is not known."""
    return 0.0 if problems == samples else math.nan


def _pass_metrics(verdicts: pd.DataFrame, ks: list[int]) -> dict[str, Metric]:
    passed = verdicts["status"].eq("passed")
    counts = passed.groupby(verdicts["problem"].astype(str)).agg(["size", "sum"])
    most = int(counts["size"].min()) if len(counts) else 1
    n, c = counts["size"].to_numpy(dtype=float), counts["sum"].to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = np.where(n > 1, c * (n - c) / (n**2 * (n - 1)), 0.0).sum() / max(len(n), 1) ** 2
    noises = {1: float(noise)}
    return {
        f"pass@{k}": _mean(counts.index, pass_at_k(n, c, k), len(verdicts), noises.get(k, math.nan))
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


def _class_metrics(verdicts: pd.DataFrame) -> dict[str, Metric]:
    truth, answer = _labels(verdicts)
    cells = _indicators(truth, answer)
    rows = pd.DataFrame(cells).groupby(verdicts["problem"].to_numpy(dtype=str)).sum()
    observed = cells.sum(axis=0)[None]
    names, n = pd.Index(rows.index), len(verdicts)
    share = functools.partial(_ratio, verdicts["problem"])
    found = {"accuracy": share(truth == answer)}
    for average in AVERAGES:
        key = "f1" if average == "macro" else f"f1/{average}"
        statistic = _averaged(average, observed)
        found[key] = Metric(names, rows.to_numpy(), statistic, n, share=False, noise=_greedy(len(names), n))
    parsed = answer != INVALID
    return found | {"valid": share(parsed), "accuracy/parsable": share((truth == answer) & parsed, parsed)}


def _text_metrics(verdicts: pd.DataFrame) -> dict[str, Metric]:
    _require(verdicts, ("detail",))
    counts = np.array([similarity.decode(text) for text in verdicts["detail"]], dtype=float)
    rows = pd.DataFrame(counts.reshape(-1, similarity.WIDTH)).groupby(verdicts["problem"].to_numpy(dtype=str)).sum()
    names, n = pd.Index(rows.index), len(verdicts)
    noise = _greedy(len(names), n)
    found = {
        name: Metric(names, rows.to_numpy(), similarity.statistic(name), n, share=False, noise=noise)
        for name in similarity.NAMES
    }
    share = functools.partial(_ratio, verdicts["problem"])
    return found | {"exact": share(verdicts["status"].eq("passed")), "valid": share(verdicts["status"].ne("invalid"))}


def _test_metrics(verdicts: pd.DataFrame) -> dict[str, Metric]:
    """Of model-written tests: shares of samples, and each sample's shares of bugs caught and of code covered."""
    _require(verdicts, ("detail",))
    counts = verdicts["detail"].astype(str).str.extract(_TESTED)
    if counts.isna().any(axis=None):
        bad = verdicts["detail"][counts.isna().any(axis=1)].iloc[0]
        raise ValueError(f"detail {bad!r} is not 'caught=…/… lines=…/… branches=…/…'")
    status, share = verdicts["status"], functools.partial(_ratio, verdicts["problem"])
    found = {"correct": share(status.eq("passed")), "valid": share(status.isin(("passed", "failed")))}
    correct = status.eq("passed").to_numpy()
    for name, part in (("mutation", "caught"), ("lines", "lines"), ("branches", "branches")):
        hit, of = (counts[f"{part}_{which}"].to_numpy(dtype=float) for which in ("hit", "of"))
        counted = of > 0
        rate = np.divide(hit, of, out=np.zeros(len(of)), where=counted)
        found[name] = share(rate, counted)
        if name != "mutation":
            found[f"{name}/correct"] = share(rate * correct, counted & correct)
    return found


def _security_metrics(verdicts: pd.DataFrame) -> dict[str, Metric]:
    status = verdicts["status"]
    valid, judged = status.isin(("secure", "insecure")), status.isin(("secure", "insecure", "invalid"))
    share = functools.partial(_ratio, verdicts["problem"])
    return {
        "valid": share(valid, judged),
        "insecure": share(status.eq("insecure"), valid),
        "unknown": share(status.eq("unknown"), judged | status.eq("unknown")),
    }


def _bits_metrics(verdicts: pd.DataFrame) -> dict[str, Metric]:
    """Bits per byte and per token of each problem's first text."""
    texts = [likelihoods.decode(line)[0] for line in _details(verdicts)]
    bits = np.array([text.bits for text in texts], dtype=float)
    found = {}
    for unit in ("byte", "token"):
        metric = _ratio(verdicts["problem"], bits, np.array([getattr(text, f"{unit}s") for text in texts]))
        found[f"bits/{unit}"] = replace(metric, n=len(texts), share=False, factor=1)
    return found


def _preference_metrics(verdicts: pd.DataFrame) -> dict[str, Metric]:
    """How often the first text of a pair is more likely than the second."""
    pairs = [likelihoods.decode(line) for line in _details(verdicts)]
    if odd := next((pair for pair in pairs if len(pair) != 2), None):
        raise ValueError(f"a preference needs two texts, not {len(odd)}")
    share = functools.partial(_ratio, verdicts["problem"])
    return {
        "prefer": share([one.nats < other.nats for one, other in pairs]),
        "prefer/token": share([one.nats * other.tokens < other.nats * one.tokens for one, other in pairs]),
        "prefer/byte": share([one.nats * other.bytes < other.nats * one.bytes for one, other in pairs]),
    }


def _details(verdicts: pd.DataFrame) -> list[str]:
    _require(verdicts, ("detail",))
    return list(verdicts["detail"].astype(str))


def _recode_metrics(verdicts: pd.DataFrame, ks: list[int], nominal: float) -> dict[str, Metric]:
    designs, problems = _designs(verdicts)
    plain = designs.pop(NOMINAL, None)
    found: dict[str, Metric] = {}
    most = min((passed.shape[2] for passed in designs.values()), default=1)
    for k in (k for k in ks if k <= most):
        found |= _robust_metrics(designs, problems, k)
    crossed = found["rp@1/crossfit"]
    if not math.isnan(nominal):
        found |= _change(crossed, found["rp@1"], np.full(len(problems), nominal / 100), "")
    if plain is not None:
        found["pass@1/nominal"] = _mean(problems, robust_pass_at_k(plain), plain.size)
    if plain is not None and designs:
        found |= _change(crossed, found["rp@1"], robust_pass_at_k(plain), "/nominal")
    return found


def _robust_metrics(
    designs: Mapping[str, npt.NDArray[np.bool_]], problems: npt.NDArray[np.str_], k: int
) -> dict[str, Metric]:
    """RP@k of each perturbation, of the worst one, and of all in the mean."""
    shares = {name: robust_pass_at_k(passed, k) for name, passed in designs.items()}
    size = min((passed.size for passed in designs.values()), default=0)
    greedy = 0.0 if all(passed.shape[2] == 1 for passed in designs.values()) else math.nan
    mean = functools.partial(_mean, problems, noise=greedy)
    table = np.column_stack(list(shares.values())) if shares else np.empty((0, 1))
    crossed = mean(cross_fitted(table, problems), size)
    rows = np.column_stack([np.ones(len(table)), table])
    found = {f"rp@{k}": Metric(pd.Index(problems), rows, _smallest, size, noise=greedy, interval_of=crossed)}
    found |= {f"rp@{k}/crossfit": crossed, f"rp@{k}/mean": mean(table.mean(axis=1), size)}
    return found | {f"rp@{k}/{name}": mean(share, designs[name].size) for name, share in shares.items()}


def by_perturbation(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of single perturbations (metric ``rp@1/<perturbation>``), with their names in ``perturbation``."""
    rows = frame[frame["metric"].str.startswith("rp@1/")]
    rows = rows.assign(perturbation=rows["metric"].str.removeprefix("rp@1/"))
    return rows[~rows["perturbation"].isin(OVER_PERTURBATIONS)]


def _smallest(sums: Array) -> Array:
    """The smallest mean of several columns; the first sum counts problems."""
    with np.errstate(invalid="ignore", divide="ignore"):
        least: Array = (sums[:, 1:] / sums[:, :1]).min(axis=1)
    return least


def cross_fitted(scores: Array, problems: npt.NDArray[np.str_], splits: int = 20) -> Array:
    """Each problem's score under the perturbation that is worst on problems of the other half, over random halvings.

    The mean of the returned values estimates the score under the worst perturbation without the bias of a minimum: no
    problem has a say in which perturbation it is judged by. Given the halvings it is a plain mean over problems, with
    the usual standard error.

    Args:
        scores: shape (problems, perturbations).
        problems: their names; the halvings depend on them, not on the order of rows.
        splits: random halvings; each half serves both ways.

    Returns:
        Shape (problems,).
    """
    m, width = scores.shape
    if width < 2 or m < 2:
        return np.asarray(scores.mean(axis=1))
    order = np.argsort(problems, kind="stable")
    rng = np.random.default_rng(zlib.crc32("\n".join(problems[order]).encode()))
    total = np.zeros(m)
    for _ in range(splits):
        first = np.zeros(m, dtype=bool)
        first[order[rng.permutation(m)[: m // 2]]] = True
        for half in (first, ~first):
            total[half] += scores[half, scores[~half].mean(axis=0).argmin()]
    return total / splits


def _change(crossed: Metric, worst: Metric, plain: Array, suffix: str) -> dict[str, Metric]:
    """What the worst perturbation costs: RC@1, of the paper's minimum and without an interval; and the signed drop."""
    drop = replace(crossed, rows=np.column_stack([plain - crossed.rows[:, 0], crossed.rows[:, 1]]), share=False)
    rows = np.column_stack([worst.rows, plain])
    change = replace(worst, rows=rows, statistic=_folded, interval_of=None, interval=False)
    return {f"rc@1{suffix}": change, f"drop@1{suffix}": drop}


def _folded(sums: Array) -> Array:
    """RC@1 of sums of the problems, of RP@1 under each perturbation, and of the nominal."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return rc_at_k(sums[:, -1] / sums[:, 0], _smallest(sums[:, :-1]))


def _designs(verdicts: pd.DataFrame) -> tuple[dict[str, npt.NDArray[np.bool_]], npt.NDArray[np.str_]]:
    """By perturbation: which samples passed, shape (problems, seeds, samples); and the problems, in their order."""
    _require(verdicts, ("variant", "sample"))
    variants, kinds = np.unique(verdicts["variant"].to_numpy(dtype=str), return_inverse=True)
    split = [_VARIANT.fullmatch(name) for name in variants]
    bad = [kind for kind in kinds if split[kind] is None] if None in split else []
    if bad:
        raise ValueError(f"variant {str(variants[bad[0]])!r} is not '<perturbation>/s<seed>'")
    seeds: dict[str, list[int]] = {}  # the variants of each perturbation
    for place, found in enumerate(split):
        assert found is not None, "checked above"
        seeds.setdefault(found[1], []).append(place)
    problems, problem = np.unique(verdicts["problem"].to_numpy(dtype=str), return_inverse=True)
    sample, passed = verdicts["sample"].to_numpy(), (verdicts["status"] == "passed").to_numpy(dtype=bool)
    designs = {}
    for name, own in sorted(seeds.items()):
        rows = np.isin(kinds, own)
        samples, number = np.unique(sample[rows], return_inverse=True)
        shape = (len(problems), len(own), len(samples))
        designs[name] = _design(name, (problem[rows], np.searchsorted(own, kinds[rows]), number), passed[rows], shape)
    return designs, problems


def _design(
    name: str, places: tuple[Indices, Indices, Indices], passed: npt.NDArray[np.bool_], shape: tuple[int, int, int]
) -> npt.NDArray[np.bool_]:
    """Verdicts by problem, seed and sample (``places``), as an array of ``shape``; each place must be filled once."""
    filled = np.ravel_multi_index(places, shape)
    problems, seeds, samples = shape
    complete = problems * seeds * samples
    if len(filled) != complete or len(np.unique(filled)) != complete:
        raise ValueError(
            f"perturbation {name!r} has {len(filled)} rows, but {problems} problems x {seeds} seeds x {samples} "
            f"samples make {complete}: every problem needs every seed and sample once"
        )
    design = np.empty(complete, dtype=bool)
    design[filled] = passed
    return design.reshape(shape)


_OF_KIND: Mapping[str, Callable[[pd.DataFrame], dict[str, Metric]]] = {
    "security": _security_metrics,
    "text": _text_metrics,
    "classes": _class_metrics,
    "likelihood": _bits_metrics,
    "preference": _preference_metrics,
    "tests": _test_metrics,
}
