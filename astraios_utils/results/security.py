"""What table 5 depends on: how programs are assembled, which analyzer judges them, which scenarios stand in it.

Rates are in percent; ``insecure`` is of valid programs, as in the paper; intervals are clustered by scenario.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import analyzers, schema, store
from ..analyzers import assembly, opinions, rates
from ..metrics import stats
from ..schema import Model
from ..sources import paper
from ..store.compressed import read_bytes
from ..tasks import Problem, aatk

TASK = aatk.TASKS[0]
AGREEMENT = {"readers": "aatk_agreement.csv", "written": "aatk_agreement_written.csv"}


def complete(files: Mapping[Model, Path | None], suite: schema.Suite) -> dict[Model, Path]:
    """The files that exist and answer every scored scenario of the suite; partial ones are no cells of table 5."""
    present = {model: path for model, path in files.items() if path is not None}
    own = _own_problems(suite)
    count = len({problem.id for problem in own}) or TASK.data.rows  # a scenario can have several prompts
    return {m: p for m, p in present.items() if len({problem.id for problem, _ in TASK.written(p, own)}) == count}


def _own_problems(suite: schema.Suite) -> Sequence[Problem]:
    """A suite's own scenarios; none where it uses the benchmark's."""
    path = suite.problems.get(TASK.name)
    return TASK.problems(path) if path else ()


def judged(
    files: Mapping[Model, Path],
    suite: schema.Suite,
    rule: str = analyzers.DEFAULT,
    known: dict[analyzers.Subject, analyzers.Verdict] | None = None,
) -> pd.DataFrame:
    """Verdicts of generations files under an assembly rule, each file judged once and stored with its inputs.

    Args:
        files: by model, of :func:`complete`.
        suite: whose scenarios they answer, and in whose build folder the verdicts are stored.
        rule: of :data:`assembly.RULES`.
        known: verdicts on the same programs under other rules (:func:`analyzers.judge`).

    Returns:
        A row per sample: size, method, problem, status, detail, program, the scenario's groups, and ``empty``, which
        marks completions that add no code before the function ends: valid, and nothing in them is insecure.
    """
    problems = _own_problems(suite)
    folder = store.suite_dir(suite.name) / "analysis" / "security" / rule.replace(", ", "-").replace(" ", "-")
    parts = []
    for model, path in files.items():
        inputs = {
            "generations": store.sha256_file(path),
            "problems": store.fingerprint([[problem.id, dict(problem.row)] for problem in problems]),
            "task": TASK.fingerprint,
            "rule": rule,
        }
        compute = functools.partial(_judge, model, path, rule, problems, known)
        parts.append(store.stored(folder / f"{model.slug}.parquet", inputs, compute))
    frame = pd.concat(parts, ignore_index=True)
    texts = [program.decode("utf-8", "surrogatepass") for program in frame["program"]]
    return frame.assign(program=pd.Series(texts, frame.index, dtype=object))  # pandas' strings refuse lone surrogates


def _judge(
    model: Model,
    path: Path,
    rule: str,
    problems: Sequence[Problem],
    known: dict[analyzers.Subject, analyzers.Verdict] | None,
) -> pd.DataFrame:
    """Judge one file. Programs are bytes: Parquet's strings cannot hold the lone surrogates that models write."""
    written = TASK.written(path, problems)
    programs = [TASK.program_of(problem, text, rule) for problem, text in written]
    subjects = [analyzers.subject(p.id, program) for (p, _), program in zip(written, programs, strict=True)]
    verdicts = analyzers.judge(subjects, known=known)
    frame = pd.DataFrame(
        {
            "problem": [problem.id for problem, _ in written],
            "program": [program.encode("utf-8", "surrogatepass") for program in programs],
            "status": [verdict.status for verdict in verdicts],
            "detail": [verdict.detail.encode("utf-8", "replace").decode() for verdict in verdicts],
            "empty": [assembly.adds_nothing(p.row["language"], p.row["prompt"], text) for p, text in written],
        }
    )
    return rates.described(frame.assign(size=model.size, method=model.method))


def by_rule(
    files: Mapping[Model, Path], suite: schema.Suite, rules: Iterable[str] = tuple(assembly.RULES)
) -> pd.DataFrame:
    """Rates of each file under each assembly rule, with the published ones where the suite's models have some.

    Args:
        files: by model, of :func:`complete`.
        suite: whose scenarios they answer; see :func:`judged`.
        rules: of :data:`assembly.RULES`.

    Returns:
        A row per model and rule: size, method, rule, valid, insecure (with low and high), and published_valid,
        published_insecure, valid_off and insecure_off (measured minus published). Empty without files.
    """
    if not files:
        return pd.DataFrame()
    rules = list(rules)
    parts: dict[tuple[str, Model], pd.DataFrame] = {}
    for model, path in files.items():
        known: dict[analyzers.Subject, analyzers.Verdict] = {}  # rules often make the same program of a completion
        for rule in rules:
            parts[rule, model] = judged({model: path}, suite, rule, known).assign(rule=rule)
    frame = pd.concat([parts[rule, model] for rule in rules for model in files])
    frame = rates.rates(frame, ["size", "method", "rule"])
    for metric in ("valid", "insecure"):
        models = zip(frame["size"], frame["method"], strict=True)
        values = [
            paper.published("aatk", size, method, metric) if suite.published else np.nan for size, method in models
        ]
        frame[f"published_{metric}"] = values
        frame[f"{metric}_off"] = frame[metric] - frame[f"published_{metric}"]
    return frame


def invalid_kinds(frame: pd.DataFrame) -> pd.DataFrame:
    """Why programs are invalid, in percent of all of a model's samples.

    Args:
        frame: of :func:`judged`.

    Returns:
        A row per model: size, method, valid, "Python: tabs and blanks mixed" (what Python calls inconsistent use or
        inconsistent dedent), "Python: other", C.
    """
    python, invalid = frame["language"] == "python", frame["status"] == "invalid"
    mixed = python & frame["detail"].str.contains(_MIXED) & frame["program"].str.contains("\t")
    kinds = {"Python: tabs and blanks mixed": mixed, "Python: other": python & ~mixed, "C": ~python}
    shown = frame[["size", "method"]].assign(valid=frame["status"].isin(rates.VALID))
    shown = shown.assign(**{name: invalid & found for name, found in kinds.items()})
    return shown.groupby(["size", "method"], sort=False).mean().mul(100).reset_index()


_MIXED = r"inconsistent use of tabs|unindent does not match|unexpected indent|expected an indented block"


def by_size(offsets: pd.DataFrame, sizes: Sequence[str] = schema.SIZES) -> pd.DataFrame:
    """What the larger of two models of one method has more of, under each assembly rule and as printed.

    Args:
        offsets: of :func:`by_rule`.
        sizes: smallest first.

    Returns:
        A row per rule ("as printed" last), a column per pair and metric, in percentage points (larger minus smaller);
        empty where no method has two sizes.
    """
    columns: dict[str, dict[str, float]] = {}
    for method, part in offsets.groupby("method") if len(offsets) else ():
        for small, large in itertools.combinations([size for size in sizes if (part["size"] == size).any()], 2):
            for metric, head in itertools.product(("valid", "insecure"), ("", "published_")):
                wide = part.pivot(index="rule", columns="size", values=head + metric)
                name = f"{metric}: {large} - {small} {method}"
                found = {str(rule): float(gap) for rule, gap in (wide[large] - wide[small]).items()}
                columns.setdefault(name, {}).update({"as printed": next(iter(found.values()))} if head else found)
    table = pd.DataFrame(columns)
    return table.reindex([rule for rule in (*assembly.RULES, "as printed") if rule in table.index])


def empty_share(frame: pd.DataFrame) -> pd.DataFrame:
    """What completions that add nothing do to the insecure rate.

    Args:
        frame: of :func:`judged`.

    Returns:
        A row per model: size, method, empty (percent of samples), insecure (of valid programs, as in table 5), and
        insecure_written (of valid programs whose completion holds code), with its interval.
    """
    keys = ["size", "method"]
    found = frame.groupby(keys)["empty"].mean().mul(100).reset_index()
    found = found.merge(rates.rates(frame, keys)[[*keys, "insecure"]], on=keys)
    written = rates.rates(frame[~frame["empty"]], keys)[[*keys, "insecure", "insecure_low", "insecure_high"]]
    names = {name: name.replace("insecure", "insecure_written") for name in written.columns}
    return found.merge(written.rename(columns=names), on=keys)


def by_analyzer(frame: pd.DataFrame, by: Sequence[str] = ("cwe",)) -> pd.DataFrame:
    """Valid programs that the checkers and each installed tool object to, over the scenarios that the tool knows.

    Args:
        frame: of :func:`judged`.
        by: what the programs are grouped by, in addition to the tool; equal programs of a group count once.

    Returns:
        A row per tool and group: programs, checkers and tool (percent objected to), same (percent judged alike).
    """
    rows = []
    for tool in (tool for tool in opinions.TOOLS if tool.installed):
        known = frame[frame["status"].isin(rates.VALID) & frame["problem"].map(_knows(tool))]
        distinct = known.drop_duplicates([*by, "problem", "program"])
        said = opinions.opinions(tool, list(zip(distinct["problem"], distinct["program"], strict=True)))
        distinct = distinct.assign(tool=[bool(s) for s in said], own=distinct["status"] == "insecure")
        for key, part in distinct.groupby(list(by), sort=False):
            same = (part["tool"] == part["own"]).mean()
            shares = {"checkers": part["own"].mean(), "tool says": part["tool"].mean(), "same": same}
            counts = {"tool": tool.name, **dict(zip(by, key, strict=True)), "programs": len(part)}
            rows.append(counts | {name: 100 * float(share) for name, share in shares.items()})
    return pd.DataFrame(rows)


def _knows(tool: opinions.Tool) -> dict[str, bool]:
    return {scenario.id: scenario.name in tool.knows for scenario in analyzers.TABLE}


def pairs(frame: pd.DataFrame, metric: str = "insecure", seed: int = 0) -> pd.DataFrame:
    """Differences between models that answered the same scenarios, with intervals from resampling scenarios.

    Args:
        frame: of :func:`judged`, several models.
        metric: ``insecure`` or ``valid``.

    Returns:
        A row per pair of models: a, b (``16B LoRA``), value (b - a, percentage points), low, high.
    """
    names = frame["size"] + " " + frame["method"]
    hit, base = (["insecure"], rates.VALID) if metric == "insecure" else (rates.VALID, (*rates.VALID, "invalid"))
    counts = {
        name: pd.DataFrame({"hit": part["status"].isin(hit), "base": part["status"].isin(base)})
        .groupby(part["problem"])
        .sum()
        for name, part in frame.groupby(names, sort=False)
    }
    rows = []
    for a, b in itertools.combinations(counts, 2):
        table = pd.concat([counts[a], counts[b]], axis=1, join="inner").to_numpy(dtype=float)
        found = stats.cluster_bootstrap(table, _difference, seed=seed).scaled(100)
        rows.append({"a": a, "b": b, "value": found.value, "low": found.low, "high": found.high})
    return pd.DataFrame(rows)


def _difference(totals: np.ndarray) -> np.ndarray:
    """b's rate minus a's, of summed counts (hit and base of a, then of b) along the last axis."""
    hit_a, base_a, hit_b, base_b = np.moveaxis(totals, -1, 0)
    with np.errstate(invalid="ignore"):  # a resample without a valid program is undefined, and left out
        difference: np.ndarray = hit_b / base_b - hit_a / base_a
    return difference


def published() -> pd.DataFrame:
    """Table 5 as printed: size, method, valid, insecure, and ``order``, the size's place."""
    frame = paper.table(5).pivot_table(index=["size", "method"], columns="metric", values="value").reset_index()
    return frame.assign(order=frame["size"].map(schema.SIZES.index)).rename_axis(columns=None)


def measure_agreement(labels: Path, completions: Path, scenarios: Path) -> pd.DataFrame:
    """Agreement of the checkers with labels of the benchmark's own (Copilot's) completions, by CWE and all together.

    Args:
        labels: JSON lines with scenario_id, index (line of ``completions``), verdict.
        completions, scenarios: the benchmark's files, the original version; ``.xz`` or plain.
    """
    written = _lines(completions)
    labelled = [(la["scenario_id"], la["verdict"], written[la["index"]]["completion"]) for la in _lines(labels)]
    return _agreement_of(labelled, scenarios)


def measure_written(folder: Path, scenarios: Path) -> pd.DataFrame:
    """The same for the completions that were written and labelled for this project (``tests/analyzers/written``).

    Args:
        folder: text files, in which a line ``=== 22-0 secure: why`` begins each completion.
        scenarios: the benchmark's file, the newer version.
    """
    labelled = []
    for path in sorted(folder.glob("*.txt")):
        for part in path.read_text(encoding="utf-8").split("=== ")[1:]:
            head, _, text = part.partition("\n")
            name, label = head.partition(": ")[0].split()
            labelled.append((f"DoW/CWE-{name}", label, text))
    return _agreement_of(labelled, scenarios)


def _agreement_of(labelled: Sequence[tuple[str, str, str]], scenarios: Path) -> pd.DataFrame:
    """Agreement with (scenario, label, completion), by CWE and all together."""
    rows = {row["scenario_id"]: row for row in _lines(scenarios)}
    subjects = []
    for name, _, text in labelled:
        row = rows[name]
        source = analyzers.assemble(row["language"], row["prompt"], text, row["suffix"])
        subjects.append(analyzers.subject(name, source))
    found = [
        {"problem": name, "label": label, "status": verdict.status}
        for (name, label, _), verdict in zip(labelled, analyzers.judge(subjects), strict=True)
    ]
    every = rates.agreement(found, by="").rename(columns={"all": "cwe"})
    return pd.concat([rates.agreement(found, by="cwe"), every], ignore_index=True)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_bytes(path).splitlines()]


@functools.lru_cache
def agreement(labels: str = "readers") -> pd.DataFrame:
    """The measured agreement that the project ships: cwe (``all``: together), n, agree, precision, recall.

    Args:
        labels: ``readers`` (of Copilot's completions) or ``written`` (for this project, with the queries at hand).
    """
    return pd.read_csv(store.data_dir() / "released" / AGREEMENT[labels])


def with_agreement(frame: pd.DataFrame) -> pd.DataFrame:
    """Rates by ``cwe`` with the checkers' agreement next to them; NaN where nobody has labelled any."""
    known = agreement().rename(columns={"n": "labels", "agree": "agreement"})
    return frame.merge(known[["cwe", "labels", "agreement", "precision", "recall"]], on="cwe", how="left")
