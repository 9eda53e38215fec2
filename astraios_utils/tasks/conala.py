"""CoNaLa: a line of Python for an intent (Yin et al. 2018). Samples are compared with the reference; nothing is run.

The task of *A Comparative Study of PEFT Methods for Python Code Generation* (Männistö et al. 2025). The study trains on
2,379 pairs and tests on 500, which is version 1.1 of the corpus (hub: neulab/conala). Version 1.0, which the mirror
holds, has 2,063 and 500. Annotators have rewritten the intents so that they name what the code names; 79 of v1.0's
training pairs and 23 of its test's have no rewritten intent: there the question's title is asked, in training and in
testing (the study does not say what it did).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema
from ..metrics import similarity
from ..sources import released
from .base import END_OF_TEXT, Answers, DataSource, Decoding, Judgement, Problem, Task, cut_at_stop, lists_of_strings
from .codexglue import from_hub
from .files import RowError, read_content

# The study's format (section 3.2, table 1), for training and testing alike.
TEMPLATE = "### Instruction:\n{prompt}\n### Response:\n{completion}"
FIELDS = ("intent", "rewritten_intent", "snippet")


@dataclass(frozen=True)
class CoNaLa(Task):
    """Write the snippet that does what the intent says."""

    def prompt(self, problem: Problem) -> str:
        """The study's format up to where the answer begins."""
        return TEMPLATE.partition("{completion}")[0].format(prompt=intent(problem.row))

    def finish(self, problem: Problem, generation: str) -> str:
        """The answer up to the next heading, without white space around it."""
        return cut_at_stop(generation, self.decoding.stop).strip()

    def judge(self, problem: Problem, sample: str) -> Judgement:
        """``passed`` where the sample is the reference (in CoNaLa's tokens), ``invalid`` where it is no program.

        The detail holds the counts that BLEU and CodeBLEU are made of (:mod:`textmetrics`).
        """
        reference = str(problem.row["snippet"])
        same = similarity.same(sample, reference)
        status = "passed" if same else "failed" if similarity.is_valid(sample) else "invalid"
        return Judgement(status, similarity.encode(similarity.counts(sample, reference)))

    def load(self, source: Path | None) -> tuple[Problem, ...]:
        """The mirror's test split, else the hub's; or the rows of a file."""
        if source is not None:
            return self.parse(source)
        found = released.find(released.benchmarks()[self.data.files[0]])
        problems = self.parse(found) if found else self._arrange(from_hub(self.name, self.data))
        if len(problems) != self.data.rows:
            raise schema.BadInput(f"{self.name}: {len(problems)} problems, expected {self.data.rows}")
        return problems

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """One list of objects (``.json``), or one object a line (``.jsonl``), with CoNaLa's fields."""
        rows = read_content(path).rows
        for number, row in enumerate(rows, start=1):
            lacking = [field for field in FIELDS if field not in row] if isinstance(row, dict) else ["an object"]
            if lacking:
                raise schema.BadInput(f"{path}: row {number} lacks {', '.join(lacking)}: not a problem of CoNaLa")
        return self._arrange(rows)

    def _arrange(self, rows: Sequence[dict[str, Any]]) -> tuple[Problem, ...]:
        # A question may have several pairs: only the row's number names a problem.
        return tuple(Problem(str(number), "", row) for number, row in enumerate(rows))

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """A list of samples a problem; the study itself has released none."""
        samples = lists_of_strings(rows, self.name)
        if len(samples) != len(problems):
            raise RowError(f"{len(samples)} problems, {self.name} has {len(problems)}")
        return tuple(problems), tuple(samples)


def intent(row: Any) -> str:
    """What is asked: the annotators' wording, or the question's title where there is none."""
    return str(row["rewritten_intent"] or row["intent"])


CONALA = CoNaLa(
    name="conala",
    title="CoNaLa",
    language="python",
    kind="text",
    metrics=("bleu", "codebleu"),
    data=DataSource("neulab/conala", "curated", "test", 500, files=("conala/test.json",)),
    # Section 3.4; the length is ours: the longest snippet of the test set has far fewer tokens.
    decoding=Decoding(temperature=0.2, top_p=0.95, samples=1, max_length=512, stop=("\n###", END_OF_TEXT)),
)
TASKS = (CONALA,)
