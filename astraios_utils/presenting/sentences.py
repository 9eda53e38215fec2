"""The sentences that notebooks say about their results, each made from the frame that is shown next to it.

A sentence about numbers that nobody measured is never made: the functions say instead what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from .. import schema
from ..metrics import scores, stats
from ..results import protocol
from ..sources import conala_study, paper
from ..tasks.codexglue import CodeXGlue
from . import plots, show

NOTHING = "*Nothing was measured.*"
_TWO_THIRDS = round(2 / 3, 3)
_HARMLESS = 0.5  # points of accuracy


def largest_difference(language: str, frame: pd.DataFrame) -> str:
    """How the cells of a language compare with the paper, and their largest difference.

    Args:
        language: a part of the tasks' names, ``python`` or ``java``.
        frame: results of generation tasks.
    """
    rows = frame[frame["task"].str.endswith(language)]
    worst = rows["difference"].abs().max()
    largest = f" Largest difference: {worst:.2f} points." if pd.notna(worst) else ""
    return f"**{language.title()}**: {show.agreement(rows)}.{largest}"


def outlier(frame: pd.DataFrame, method: str) -> str:
    """What the paper prints for one method, next to the others of its row and to the score of its released file.

    Args:
        frame: results of one task and size.
        method: the method whose printed score stands out.
    """
    own, others = frame[frame["method"] == method], frame.loc[frame["method"] != method, "published"]
    if own.empty or others.isna().all():
        return NOTHING
    value, printed = float(own["value"].iloc[0]), float(own["published"].iloc[0])
    here = "its file is not available" if math.isnan(value) else f"its released file scores {value:.2f} here"
    return (
        f"The paper's other models of this size score {others.min():.2f} to {others.max():.2f}. "
        f"For {method} it prints {printed:.2f}; {here}."
    )


def scaling_by_rate(trials: pd.DataFrame) -> str:
    """At which learning rates a method's loss falls from each size to the next.

    Args:
        trials: ``size`` (small to large), ``method``, ``rate``, ``loss``, one per combination.
    """
    if trials.empty:
        return NOTHING
    sizes, lines = plots.sizes_of(trials), []
    for method, own in trials.groupby("method", sort=False):
        wide = own.pivot(index="rate", columns="size", values="loss").reindex(columns=sizes).sort_index()
        falls = (wide.diff(axis=1).iloc[:, 1:] < 0).all(axis=1)
        kept, lost = ([f"{rate:g}" for rate in falls.index[falls == state]] for state in (True, False))
        best = {size: f"{wide[size].idxmin():g}" for size in sizes}
        lines.append(
            f"- **{method}**: the loss falls from each size to the next at {', '.join(kept) or 'no rate'}; not at "
            f"{', '.join(lost) or 'any other'}. Best rate by size: {', '.join(f'{s} {r}' for s, r in best.items())}."
        )
    return "\n".join(lines)


def data_scaling(found: pd.DataFrame) -> str:
    """Whether more training documents lower each method's loss, and whether they change the order of methods.

    Args:
        found: ``method``, ``documents`` (rising), ``rate``, ``seed``, ``loss``, one row per run.
    """
    if found.empty:
        return NOTHING
    amounts, lines = list(found["documents"].unique()), []
    for method, own in found.groupby("method", sort=False):
        wide = own.pivot(index="seed", columns="documents", values="loss")
        steps = (wide.diff(axis=1).iloc[:, 1:] < 0).sum()
        rates = own.groupby("documents")["rate"].first()
        lines.append(
            f"- **{method}**: {', '.join(f'{value:.3f}' for value in wide.mean())} nats per token (best rates "
            f"{', '.join(f'{rate:g}' for rate in rates)}). The loss falls with each step to more documents in "
            f"{', '.join(map(str, steps))} of {len(wide)} runs."
        )
    means = found.groupby(["documents", "method"])["loss"].mean().unstack()
    orders = {amount: ", ".join(means.loc[amount].sort_values().index) for amount in amounts}
    if len(set(orders.values())) == 1:
        lines.append(f"\nThe order of the means, lowest first, is the same with every amount: {orders[amounts[0]]}.")
    else:
        told = "; ".join(f"{amount:,} documents: {order}" for amount, order in orders.items())
        lines.append(f"\nThe order of the means, lowest first, depends on the amount. {told}.")
    head = f"With {', '.join(f'{amount:,}' for amount in amounts)} documents, in this order:\n"
    return "\n".join([head, *lines])


def scored_rows(task: CodeXGlue, suite: schema.Suite) -> str:
    """Which rows of a comprehension task are scored, and its prompt."""
    negatives, positives = task.sample
    scored = f"{negatives + positives:,} rows are scored, {negatives:,} negative and {positives:,} positive"
    if task.name in suite.problems:
        scored = "all rows of this suite's own problems are scored"
    prompt = task.template.format(**dict.fromkeys(task.fields, "⟨code⟩"))
    return f"**{task.title}**: {scored}.\n\n```\n{prompt}\n```"


def against_baseline(accuracy: pd.DataFrame, baseline: float) -> str:
    """How many models are better and worse than a baseline that needs no model, and the best model.

    Args:
        accuracy: results of one metric.
        baseline: in percent.
    """
    seen = accuracy[accuracy["provenance"] == "measured"]
    if seen.empty:
        return NOTHING
    count = protocol.against(seen, baseline).value_counts()
    best = seen.nlargest(1, "value").iloc[0]
    return (
        f"Of {len(seen)} measured models, {count.get('above', 0)} are above the baseline of {baseline:.2f}% and "
        f"{count.get('below', 0)} below it. The best, {best['size']} {best['method']}, has {best['value']:.2f}% "
        f"({best['low']:.2f} to {best['high']:.2f})."
    )


def parsable(accuracy: pd.DataFrame, valid: pd.DataFrame, among: pd.DataFrame) -> str:
    """How far accuracy follows the share of parsable answers, and what remains among those.

    Args:
        accuracy: results of the accuracy.
        valid: results of the share of parsable answers.
        among: of :func:`protocol.among_parsable`.
    """
    seen = accuracy[accuracy["provenance"] == "measured"]
    if seen.empty:
        return NOTHING
    pair = accuracy.merge(valid, on=["size", "method"], suffixes=("", "_valid"))
    rho = stats.correlation(pair["value_valid"], pair["value"], "spearman")
    apart = protocol.against(among, 0.0, "gain_low", "gain_high").value_counts()
    return (
        f"Over {rho.n} models, accuracy and the share of parsable answers correlate: Spearman's ρ = {rho.value:.2f} "
        f"(p = {rho.p:.1g}). Accuracy spans {_span(seen['value'])}%; among parsable answers {_span(among['value'])}%. "
        f"There, {apart.get('above', 0)} models are better than always NO on the very same answers, "
        f"{apart.get('below', 0)} are worse."
    )


def _span(values: pd.Series) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"


def rule_cost(cost: pd.DataFrame) -> str:
    """What matching "no" inside words costs (``cost``: of :func:`protocol.rule_cost`)."""
    seen = cost.dropna(subset=["value"])
    if seen.empty:
        return NOTHING
    most = seen["value"].abs().max()
    return (
        f"In {len(seen)} files, {seen['changed'].sum():.0f} of {seen['answers'].sum():,.0f} scored answers are read "
        f"differently, at most {seen['changed'].max():.0f} in one file; accuracy changes by at most {most:.2f} points. "
        f"The weakness is real, and {'harmless here' if most < _HARMLESS else 'it matters here'}."
    )


def two_thirds(scores: pd.DataFrame) -> str:
    """In how many cells one invalid answer takes a third off the paper's F1 (``scores``: columns f1, f1/real)."""
    if scores.empty:
        return NOTHING
    ratio = scores["f1"] / scores["f1/real"]
    return (
        f"In {(ratio.round(3) == _TWO_THIRDS).sum()} of {len(ratio)} measured cells the paper's F1 is two thirds of "
        "the mean over the real classes: the price of at least one invalid answer, whatever their number."
    )


def ranges(comprehension: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """The range of each method's score over the sizes at which both tasks are measured, where those are two or more.

    Returns:
        A row per method: the ranges on ``first`` and ``second`` (points), and sizes (how many).
    """
    both = comprehension.pivot_table(index=["method", "size"], columns="task", values="value")
    groups = both.reindex(columns=[first, second]).dropna().groupby("method")
    spread = (groups.max() - groups.min()).assign(sizes=groups.size())
    spread = spread.reindex([method for method in plots.methods_of(comprehension) if method in spread.index])
    return spread[spread["sizes"] > 1].rename_axis(columns=None)


def flatter(spread: pd.DataFrame) -> str:
    """How many methods have the smaller range with one example shown (``spread``: of :func:`ranges`)."""
    if spread.empty:
        return "*No method has both runs at two sizes.*"
    count = (spread.iloc[:, 1] < spread.iloc[:, 0]).sum()
    return f"{count} of {len(spread)} methods are flatter with one example shown."


def problems_off(task: str, rows: pd.DataFrame) -> str:
    """How the cells of a robustness task compare with the paper, and how many problems the farthest is off."""
    problems = paper.HUMANEVAL_PROBLEMS
    off = (rows["difference"].abs() * problems / 100).round().max()
    far = f"; the farthest is {off:.0f} of {problems} problems off" if pd.notna(off) else ""
    return f"**{plots.TASK_TITLES[task]}**: {show.agreement(rows)}{far}."


def better_when_perturbed(worst_case: pd.DataFrame, nominal: pd.DataFrame, tasks: Sequence[str]) -> str:
    """How many models do better on perturbed prompts than on plain ones, by category, as printed and as measured.

    Args:
        worst_case: results of RP@1.
        nominal: Pass@1 of the unperturbed prompts by size and method.
        tasks: the categories.
    """
    robust = worst_case.merge(nominal, on=["size", "method"], suffixes=("", "_nominal"))
    lines = []
    for column, source in (("published", "published"), ("value", "measured")):
        change = (robust[column] - robust["value_nominal"]).dropna()
        better = change.groupby(robust["task"]).agg(lambda gains: f"{(gains > 0).sum()} of {len(gains)}")
        parts = [f"{plots.TASK_TITLES[task]} {better.get(task, 'not available')}" for task in tasks]
        lines.append(f"Models that do *better* on perturbed prompts ({source}): {'; '.join(parts)}.")
    return "\n\n".join(lines)


def worst_perturbations(robustness: pd.DataFrame) -> str:
    """Which perturbation is the worst, and for how many models, by category (``robustness``: results)."""
    single = scores.by_perturbation(robustness[robustness["provenance"] == "measured"])
    if single.empty:
        return NOTHING
    worst = single.loc[single.groupby(["task", "size", "method"])["value"].idxmin()]
    lines = []
    for task, names in worst.groupby("task")["perturbation"]:
        counts = names.value_counts()
        text = ", ".join(f"`{name}` ({count})" for name, count in counts.items())
        lines.append(f"**{plots.TASK_TITLES[str(task)]}**: the worst perturbation, and of how many models: {text}.")
    return "\n\n".join(lines)


def empty_completions(table: pd.DataFrame) -> str:
    """How many samples add no code, and what that hides (``table``: of :func:`security.empty_share`)."""
    gap = table["insecure_written"] - table["insecure"]
    return (
        f"{table['empty'].min():.0f} to {table['empty'].max():.0f}% of the samples add no code. Without them the "
        f"insecure rate is {_span(gap)} points higher."
    )


def printed_security(printed: pd.DataFrame) -> str:
    """What the printed security table says by itself: rates against size, and methods by their mean insecure rate.

    Args:
        printed: of :func:`security.published`.
    """
    lines = []
    for metric in ("valid", "insecure"):
        rho = stats.correlation(printed["order"], printed[metric], "spearman")
        means = printed.groupby("size")[metric].mean().reindex(list(schema.SIZES))
        lines.append(
            f"**{metric}** against size: Spearman's ρ = {rho.value:.2f} (p = {rho.p:.2g}); means {_listed(means)}."
        )
    ranked = printed.groupby("method")["insecure"].mean().sort_values()
    return "\n\n".join([*lines, f"Mean insecure rate: {_listed(ranked)}."])


def _listed(values: pd.Series) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in values.items())


def pairs_apart(pairs: pd.DataFrame) -> str:
    """How many pairs of models differ significantly (``pairs``: of :func:`security.pairs`)."""
    apart = ((pairs["low"] > 0) | (pairs["high"] < 0)).sum()
    return f"{apart} of {len(pairs)} pairs are significantly different at 95% (each by itself, uncorrected)."


def signs_kept(table: pd.DataFrame) -> str:
    """Under how many assembly rules a difference has its printed sign (``table``: of :func:`security.by_size`)."""
    rules, printed = table.drop(index="as printed"), table.loc["as printed"]
    kept = (rules > 0).eq(printed > 0, axis=1).mean() * 100
    text = "; ".join(f"{name}: {share:.0f}%" for name, share in kept.items())
    return f"Rules under which the sign is the printed one: {text}."


def at_their_face(verdicts: pd.DataFrame) -> str:
    """How many statements the printed numbers support as printed, and how many once their error is counted.

    Args:
        verdicts: the main statements' verdicts on the printed numbers.
    """
    known, counts = verdicts["holds"].notna(), verdicts["verdict"].value_counts()
    return (
        f"Taken as printed, the numbers support **{verdicts['holds'].sum()} of the {known.sum()}** statements that "
        "they can test. With the sampling error of so many problems, they establish "
        f"{counts.get('supported', 0)} and refute {counts.get('not supported', 0)}."
    )


def equal_coefficients(computed: Mapping[str, float], stated: Mapping[str, float]) -> str:
    """How many correlation coefficients, computed from printed tables, equal the stated ones to four decimals."""
    equal = sum(round(computed[name], 4) == value for name, value in stated.items())
    return f"**{equal} of {len(stated)}** coefficients equal the paper's ({', '.join(map(str, stated.values()))})."


def lowest_losses(test: int, train: int) -> str:
    """At how many sizes FFT has the lowest test and train loss."""
    return (
        f"FFT has the lowest test loss at {test} of {len(schema.SIZES)} sizes and the lowest train loss at {train}. "
        "Kendall's correlation of the sizes' orders of test losses:"
    )


def loss_logs(suite: schema.Suite, ends: pd.DataFrame) -> str:
    """How many models of a slice have a loss log (``ends``: a row per model that has)."""
    missing = "" if len(ends) else f"**Suite {suite.name} has trained no model here: there are no losses to draw.** "
    return f"{missing}{len(ends)} of {len(suite.models)} models of this slice have a loss log."


def codebleu_artefacts(doubtful: pd.DataFrame) -> str:
    """Which CodeBLEU values of the CoNaLa study come from the package's rule (``doubtful``: the study's own)."""
    by_rule = doubtful[doubtful["reason"] == "0.25 by rule"]
    names = ", ".join(f"{row.size} {row.method} ({row.codebleu:.3f})" for row in by_rule.itertuples())
    total = conala_study.scores()["metric"].eq("codebleu").sum()
    return (
        f"**{len(doubtful)} of {total} CodeBLEU values are artefacts.** {names} are 25% plus the little that was "
        "right. The study reads two of them as strengths of prompt-based methods on small models, and the third as a "
        "sign that full fine-tuning left Mistral's code intact; its BLEU of 0.019% says that it did not."
    )
