"""Two galleries: every tuning method with its settings and counts, and every task with an example and its scoring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ... import methods, models, schema, store
from ...schema import Suite
from ...sources import paper
from ...tasks import TASKS, AnalysedTask, ExecutedTask, LikelihoodTask, Problem, Task, task_of

ABOUT_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "LoRA": "Adds a product of two small matrices to each targeted weight: W + (α/r)·BA, with A of shape r × in "
        "and B of shape out × r. B starts at zero, so training starts at the base model. Merged, it costs nothing at "
        "inference.",
        "P-Tuning": "Puts virtual tokens in front of every prompt. A small network computes their embeddings; the base "
        "stays as it is.",
        "AdapterH": "Houlsby's adapter: a bottleneck (down, non-linearity, up) after both layers of each MLP, added to "
        "its input.",
        "AdapterP": "Pfeiffer's adapter: one bottleneck per block, after the MLP's second layer.",
        "Parallel": "A bottleneck that reads the same input as the layer next to it; its output is added to the "
        "layer's.",
        "(IA)3": "Learns one factor per feature of keys, values and the MLP's hidden layer. It has the fewest "
        "parameters.",
        "FFT": "Full fine-tuning: every weight of the base is trained.",
        "Prompt": "Puts virtual tokens in front of every prompt and trains their embeddings directly.",
        "AdaLoRA": "LoRA in the form of a singular value decomposition. Layers share a budget of ranks.",
        "Prefix": "Trains keys and values that every attention layer sees before the prompt.",
    }
)
EXAMPLES = ("nano", "conala-nano")  # suites whose problems were made for this project and ship with it
LONGEST = 1500  # characters of a prompt that are shown
SCORING: Mapping[type, str] = MappingProxyType(
    {
        ExecutedTask: "The sample and the problem's test become one program, which runs in a sandbox. It passes if the "
        "test ends without an error within its time limit.",
        AnalysedTask: "The program is not run. It must parse or compile (*valid*); then a checker for the scenario's "
        "weakness reads it (*insecure* is the share of valid programs to which the checker objects).",
        LikelihoodTask: "Nothing is generated. The model reads the prompt and a given text; the verdict is made of the "
        "text's log-likelihood.",
    }
)
READ_SCORING = "The answer is read and compared with the problem's label or reference. Nothing is run."


def write(source: Path, suites: Sequence[Suite], held: Mapping[str, Collection[str]]) -> None:
    """Write ``methods.md`` and ``tasks.md`` below the book's source folder.

    Args:
        held: the cells with verdicts of each suite (:func:`executed.cells_held`).
    """
    source.joinpath("methods.md").write_text(_methods(), encoding="utf-8")
    source.joinpath("tasks.md").write_text(_tasks(suites, held), encoding="utf-8")


def _methods() -> str:
    """A section per method of the table."""
    counted = models.count_parameters(schema.SIZES, [name for name in methods.TABLE if name in schema.ALL_METHODS])
    parts = [
        "# Methods",
        "",
        "The settings are those of the suites `released` and `paper`; a suite may change them.",
        "",
    ]
    for name, method in methods.TABLE.items():
        parts += [f"## {name}", "", *([ABOUT_METHODS[name], ""] if name in ABOUT_METHODS else [])]
        facts = {"Family": method.family, "PEFT type": f"`{method.peft_type}`" if method.peft_type else "none"}
        facts["Changes"] = ", ".join(f"`{role}`" for role in method.targets) or "no single layer"
        facts["Settings"] = ", ".join(f"`{key}={value}`" for key, value in method.fields.items()) or "PEFT's defaults"
        facts["From"] = method.source
        parts += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items()), ""]
        own = counted[counted["method"] == name]
        if len(own):
            parts += ["| StarCoderBase | parameters updated | share |", "|---|--:|--:|"]
            parts += [f"| {r['size']} | {r['parameters']:,} | {r['percent']:.3g}% |" for r in own.to_dict("records")]
            parts.append("")
    return "\n".join(parts)


def _tasks(suites: Sequence[Suite], held: Mapping[str, Collection[str]]) -> str:
    """A section per task."""
    examples = [store.load_suite(name) for name in EXAMPLES]
    parts = ["# Tasks", "", "The examples were made for this project; they show the form of a problem.", ""]
    for name, task in TASKS.items():
        parts += [f"## {task.title}", "", *_facts(task), "", f"**Scoring.** {_scoring(task)}", ""]
        suite = next((suite for suite in examples if name in suite.tasks), None)
        if suite is not None:
            parts += _example(task_of(suite, name), task_of(suite, name).problems(suite.problems[name])[0])
        parts += _where(name, suites, held)
    return "\n".join(parts)


def _facts(task: Task) -> list[str]:
    how = task.decoding
    drawn = "greedy" if not how.temperature else f"temperature {how.temperature:g}, top-p {how.top_p:g}"
    facts = {
        "Name": f"`{task.name}`",
        "In the paper": paper.printed_in(task.name),
        "Problems": f"{task.data.rows:,}, from `{task.data.hub}`",
        "Decoding": f"{how.samples} per problem, {drawn}, at most {how.max_length:,} tokens with the prompt",
        "Metrics": ", ".join(f"`{metric}`" for metric in task.metrics),
    }
    return ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())]


def _scoring(task: Task) -> str:
    return next((text for kind, text in SCORING.items() if isinstance(task, kind)), READ_SCORING)


def _example(task: Task, problem: Problem) -> list[str]:
    """The first question that the model gets, and what decides on its answer."""
    prompt = task.turns()[0].prompt(problem)
    cut = "\n…" if len(prompt) > LONGEST else ""
    lines = ["**Prompt of an example**", "", *_block(prompt[:LONGEST] + cut)]
    test, label = problem.row.get("test"), problem.row.get("target", problem.row.get("label"))
    if isinstance(test, str):
        lines += ["**Its test**", "", *_block(test)]
    elif label is not None:
        lines += [f"**Right answer:** {'yes' if label else 'no'}", ""]
    elif "snippet" in problem.row:
        lines += ["**Its reference**", "", *_block(problem.row["snippet"])]
    return lines


def _block(text: str) -> list[str]:
    return ["````text", text.rstrip("\n"), "````", ""]


def _where(task: str, suites: Sequence[Suite], held: Mapping[str, Collection[str]]) -> list[str]:
    """Links to the suites' reports that hold the task's table."""
    shown = [suite for suite in suites if any(cell.split("/")[0] == task for cell in held[suite.name])]
    links = [f'<a href="reports/{suite.name}.html#tables">{suite.name}</a>' for suite in shown]
    return [f"Results: {', '.join(links)}.", ""] if links else []
