"""The parts of the notebooks' Markdown that results fill in: "In short", and figures with the paper's statements.

A Markdown cell marks such a part with comments, ``<!-- in short -->`` and ``<!-- figure NAME -->``; :func:`write`
renews what stands between them and ``<!-- /in short -->`` or ``<!-- /figure -->``. A notebook that GitHub renders
without executing it then shows what came out. The numbers are those of suite ``released``, from the shipped counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from .. import models, schema, store
from ..results import claims, protocol
from ..running import comparison, ledger, notebooks, pipeline
from ..sources import conala_study, paper
from ..tasks import get_task
from ..tasks.codexglue import CodeXGlue
from ..tuning import claims as tuning_claims
from ..tuning import study
from . import comparison_text, show

# Whose figures are shown; verdicts are about the first.
SUITES = ("released", "nano", "smol", "zoo", "conala-nano")
_PARTS = re.compile(r"(<!-- (in short|figure (\w+)) -->\n).*?(<!-- /(?:in short|figure) -->)", flags=re.S)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the text is made of: the results of suite ``released`` and the verdicts on the paper's statements."""

    results: pd.DataFrame
    verdicts: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Caption:
    """What a figure shows, and the readings in ``claims.yaml`` of the statements that it bears on."""

    text: str
    claims: tuple[str, ...] = ()


CAPTIONS: Mapping[str, Caption] = MappingProxyType(
    {
        "figure_01_mean_performance": Caption(
            "Mean performance by size and method", ("fft-best", "lora-parallel-lead-large", "ptuning-ia3-lead-small")
        ),
        "comparison_fronts": Caption("Mean of the tasks against trained parameters, by budget"),
        "comparison_rates": Caption("Validation loss over learning rates"),
        "comparison_standing": Caption("Means with 95% intervals; filled: may be the best"),
        "changes_against_base": Caption("What each method changed against the untuned base"),
        "figure_02_updated_parameters": Caption("Share of parameters that each method updates", ("ia3-reasonable",)),
        "figure_02_counted_parameters": Caption("Share of parameters that each method updates, counted here"),
        "figure_03_11_final_loss": Caption("Final loss by size", ("loss-falls-with-size", "fft-lowest-loss")),
        "figure_10_test_loss": Caption("Test loss of Prompt and AdaLoRA over the steps"),
        "figure_11_learning_rates": Caption("Final loss over model sizes at several learning rates"),
        "data_scaling": Caption("Loss over the number of distinct training documents"),
        "figure_04_test_loss": Caption("Test loss over the steps", ("loss-keeps-falling", "fft-not-converged")),
        "figure_04_10_test_loss": Caption("Test loss over the steps", ("loss-keeps-falling", "fft-not-converged")),
        "figure_05_defect": Caption("Accuracy of defect detection by size and method", ("comprehension-inverse",)),
        "figure_06_clone": Caption("F1 of clone detection by size and method", ("comprehension-inverse",)),
        "figure_07_mean_rc": Caption(
            "Mean RC@1 by size and method", ("robustness-falls-absolute", "adapters-more-robust")
        ),
        "figure_08_loss_against_trainable_parameters": Caption(
            "Final loss against updated parameters", ("heavier-lower-loss",)
        ),
        "figure_09_loss_against_performance": Caption(
            "Final loss against mean performance", ("loss-predicts-performance", "test-loss-better-than-train")
        ),
        "figure_12_humanevalpack": Caption(
            "Pass@1 of synthesis, repair and explanation by size and method",
            ("fft-generation-scales", "peft-generation-scales", "repair-catches-up"),
        ),
        "figure_13_defect_one_shot": Caption("Defect detection with one example shown", ("one-shot-flattens",)),
        "figure_14_clone_one_shot": Caption("Clone detection with one example shown"),
        "cost_checkpoint_bytes": Caption("Performance against checkpoint size", ("lora-front-bytes",)),
        "cost_generation_seconds": Caption("Performance against generation time", ("lora-front-generation",)),
        "cost_parameters_published": Caption(
            "Published performance against updated parameters", ("lora-trade-off", "lora-front-parameters")
        ),
        "cost_peak_mib": Caption("Performance against peak memory", ("lora-front-memory",)),
        "cost_step_seconds": Caption("Performance against the time of a training step", ("lora-front-time",)),
        "cost_trainable_parameters": Caption("Performance against updated parameters", ("lora-front-parameters",)),
        "conala_scores": Caption("BLEU and CodeBLEU by model and method"),
        "differences_humanevalpack": Caption("Measured minus published Pass@1"),
        "fair_rc_recode": Caption("RC@1 against the category's own prompts", ("robustness-falls-fair",)),
        "invalid_answers_defect": Caption(
            "Parsable answers, and accuracy among them", ("comprehension-inverse-parsable",)
        ),
        "java_language_levels": Caption("Pass@1 in Java at language levels 8, 9, 11 and 17"),
        "loss_extrapolation": Caption("Extrapolation of the final test loss", ("loss-extrapolates",)),
        "perturbations_recode": Caption("RP@1 of each perturbation", ("syntax-worst",)),
        "ranks_chance_of_best": Caption(
            "Share of redraws in which each method is the best of its size", ("methods-swap",)
        ),
        "ranks_critical_difference": Caption("Mean ranks with the critical range", ("fft-best-averaged",)),
        "security_assembly_rules": Caption("Distance to Table 5 by assembly rule"),
        "security_by_cwe": Caption("Insecure programs by weakness", ("insecure-grows", "fft-lora-safer")),
        "signed_change_recode": Caption("RP@1 minus Pass@1, with its sign", ("robustness-falls",)),
        "substring_no_defect": Caption('Accuracy lost to matching "no" inside words'),
        "tiny_base_losses": Caption("Losses of a tiny base tuned by each method"),
        "tuning_change_by_layer": Caption("Norm of the change by layer and matrix"),
        "tuning_grafting": Caption("Gain that returns with the largest changes"),
        "tuning_intruders": Caption("Intruder dimensions by method, and forgetting"),
        "tuning_shrinking": Caption("Task loss against forgetting as the change is shrunk"),
        "tuning_transfer": Caption("A change moved to a further-trained base"),
        "tuning_within_a_run": Caption("Exact answers against loss within a run"),
    }
)


def _training(_: Facts) -> str:
    both = models.count_parameters().merge(paper.updated_parameters(), on=["size", "method"], suffixes=("", "_paper"))
    equal = int((both["parameters"] == both["parameters_paper"]).sum())
    return (
        f"The counts of updated parameters equal Table 1 for {equal} of {len(both)} models. The released models were "
        "trained elsewhere; the losses and costs below are those of the suite's own runs."
    )


def _of(facts: Facts, tasks: Sequence[str], metric: str) -> pd.DataFrame:
    return facts.results[facts.results["task"].isin(tasks) & (facts.results["metric"] == metric)]


def _generation(facts: Facts) -> str:
    by_language = {
        language: _of(facts, [task for task in schema.GENERATION_TASKS if task.endswith(language)], "pass@1")
        for language in ("python", "java")
    }
    levels = protocol.language_levels(store.data_dir() / "released" / "java_levels.csv")
    eight = levels[levels["release"].astype(str) == "8"]
    equal = int((eight["pass@1"].round(2) == eight["published"].round(2)).sum())
    return (
        f"Python: {show.agreement(by_language['python'])}. Java on the JDK installed here: "
        f"{show.agreement(by_language['java'])}; at Java language level 8, {equal} of {len(eight)} files equal the "
        "paper to two decimals."
    )


def _comprehension(facts: Facts) -> str:
    accuracy = _of(facts, ["defect"], "accuracy").dropna(subset=["value"])
    task = get_task("defect")
    assert isinstance(task, CodeXGlue)
    negatives, positives = task.sample
    return (
        f"Defect detection: {show.agreement(_of(facts, ['defect'], 'accuracy'))}. Measured accuracy lies between "
        f"{accuracy['value'].min():.2f} and {accuracy['value'].max():.2f}%, while always answering NO scores "
        f"{100 * negatives / (negatives + positives):.2f}%. "
        f"Clone detection: {show.agreement(_of(facts, ['clone'], 'f1'))}."
    )


def _robustness(facts: Facts) -> str:
    rows = _of(facts, schema.ROBUSTNESS_TASKS, "rp@1")
    return (
        f"RP@1: {show.agreement(rows)}. The rise of RC@1 with size, which the paper reads as falling robustness, is "
        "partly a gain: the format and syntax prompts already hold about half of the solution."
    )


def _security(facts: Facts) -> str:
    valid, insecure = (show.agreement(_of(facts, ["aatk"], metric)) for metric in ("valid", "insecure"))
    return (
        f"Valid programs: {valid}. Insecure programs: {insecure}. A rate rests on 40 scenarios, so its standard error "
        "is about seven points, and the checkers approximate CodeQL."
    )


def _counted(verdicts: pd.Series) -> str:
    """``supported 5, undecided 22``, of counts by verdict."""
    return ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items() if count)


def _losses(facts: Facts) -> str:
    counts = claims.summary(facts.verdicts)
    texts = {str(key): _counted(row) for key, row in counts.iterrows()}
    return (
        f"The paper's {counts.loc[claims.PUBLISHED].sum()} statements, judged by its printed numbers: "
        f"{texts[claims.PUBLISHED]}; by the released generations: {texts[SUITES[0]]}."
    )


def _conala(_: Facts) -> str:
    scores = conala_study.scores()
    total = int((scores["metric"] == "codebleu").sum())
    return (
        f"{len(conala_study.doubtful())} of the study's {total} CodeBLEU values are artefacts of the metric's package "
        "or were not computed by it. The study released no generations, so its scores are not measured here."
    )


def _tuning(_: Facts) -> str:
    verdicts = {base: tuning_claims.verdicts(made)["verdict"] for base, made in study.known_anywhere().items()}
    if not verdicts:
        return "No base has a study yet; opening the notebook makes one."
    by_base = "; ".join(f"on {base} {_counted(found.value_counts())}" for base, found in verdicts.items())
    return (
        f"Verdicts on {len(tuning_claims.listed())} statements of related work: {by_base}. One seed, and short runs; "
        "nothing is said about larger models."
    )


def _comparison(_: Facts) -> str:
    zoo = store.load_suite("zoo")
    table = comparison.table(zoo)
    if table.empty:
        return (
            f"{comparison_text.counts(zoo, table)} `astraios search --suite zoo` and `astraios run --suite zoo --seeds "
            f"{zoo.seeds}` make a run."
        )
    return f"{comparison_text.counts(zoo, table)} {comparison_text.best_set(table)}"


IN_SHORT: Mapping[str, Callable[[Facts], str]] = MappingProxyType(
    {
        "01_train": _training,
        "02_eval_generation": _generation,
        "03_eval_comprehension": _comprehension,
        "04_robustness": _robustness,
        "05_security": _security,
        "06_loss_analysis": _losses,
        "07_conala_study": _conala,
        "08_method_comparison": _comparison,
        "09_what_tuning_changes": _tuning,
    }
)


def facts() -> Facts:
    """What suite ``released`` gives here."""
    suite = store.load_suite(SUITES[0])
    return Facts(pipeline.aggregate(suite), ledger.claim_verdicts(suite)[0])


def figure(name: str, verdicts: pd.DataFrame) -> str:
    """The Markdown of a figure: its images for the shipped suites, and the paper's statements with their verdicts."""
    caption, lines = CAPTIONS[name], []
    for suite in SUITES:
        if (store.figures_dir(suite) / f"{name}.png").exists():
            lines.append(
                f"![{caption.text}, suite {suite}](../figures/{suite}/{name}.png)\n*{caption.text}, suite {suite}.*"
            )
    lines += [_statement(verdicts[verdicts["claim"] == claim]) for claim in caption.claims]
    return "\n\n".join(lines)


def _statement(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    found = dict(zip(rows["evidence"], rows["verdict"], strict=True))
    return (
        f"> The paper: *{first['statement']}* ({first['section']})\n"
        f"> By its printed numbers: **{found[claims.PUBLISHED]}**; by the released generations: "
        f"**{found[SUITES[0]]}**. Tested as: {first['reading']}"
    )


def filled(source: str, notebook: str, known: Facts) -> str:
    """A Markdown cell with its marked parts renewed."""

    def renew(part: re.Match[str]) -> str:
        text = figure(part[3], known.verdicts) if part[3] else f"**In short.** {IN_SHORT[notebook](known)}"
        return f"{part[1]}\n{text}\n\n{part[4]}"

    return _PARTS.sub(renew, source)


def write(known: Facts) -> list[Path]:
    """Renew the marked parts of all notebooks; returns those that changed."""
    changed = []
    for name, path in notebooks.sources().items():
        before = path.read_text(encoding="utf-8")
        book = json.loads(before)
        for cell in book["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = filled("".join(cell["source"]), name, known).splitlines(keepends=True)
        after = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
        if after != before:
            with store.atomic(path, "w") as stream:
                stream.write(after)
            changed.append(path)
    return changed
