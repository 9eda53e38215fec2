"""CoNaLa: one line of Python for an intent (Yin et al. 2018). Samples are compared with the reference; nothing is run.

The task of *A Comparative Study of PEFT Methods for Python Code Generation* (Männistö et al. 2025). The study trains on
2,379 pairs and tests on 500, which is version 1.1 of the corpus (hub: neulab/conala). Version 1.0, which the mirror
holds, has 2,063 and 500. Annotators rewrote the intents to mention the names that occur in the code. 79 of v1.0's
training pairs and 23 of its test pairs have no rewritten intent; for those the prompt is the question's title, in
training and in testing (the study does not say what it did).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema
from ..metrics import similarity
from ..sources import released
from .base import END_OF_TEXT, Answers, DataSource, Decoding, JudgedTask, Judgement, Problem, cut_at_stop, in_order
from .codexglue import from_hub
from .files import RowError, filled, optional, read_content, require_fields, text

# The study's format (section 3.2, table 1), for training and testing alike.
TEMPLATE = "### Instruction:\n{prompt}\n### Response:\n{completion}"
FIELDS = {"intent": filled, "rewritten_intent": optional(text), "snippet": filled}


@dataclass(frozen=True)
class CoNaLa(JudgedTask):
    """Write the snippet that does what the intent says."""

    new_tokens = 30

    def prompt(self, problem: Problem) -> str:
        """The study's format up to where the answer begins."""
        return TEMPLATE.partition("{completion}")[0].format(prompt=intent(problem.row))

    def finish(self, problem: Problem, generation: str) -> str:
        """The answer up to the next heading, stripped."""
        return cut_at_stop(generation, self.decoding.stop).strip()

    def verdict(self, problem: Problem, sample: str) -> Judgement:
        """``passed`` where the sample equals the reference token by token, ``invalid`` where it does not parse.

        The detail holds the counts from which BLEU and CodeBLEU are computed (:mod:`metrics.similarity`).
        """
        reference = str(problem.row["snippet"])
        if similarity.same(sample, reference):
            status = "passed"
        else:
            status = "failed" if similarity.is_valid(sample) else "invalid"
        return Judgement(status, similarity.encode(similarity.counts(sample, reference)))

    def load(self, source: Path | None) -> tuple[Problem, ...]:
        """The mirror's test split, else the hub's; or the rows of a file."""
        if source is not None:
            return self.checked(source, self.parse(source))
        found = released.find(released.benchmarks()[self.data.files[0]])
        problems = self.parse(found) if found else self._arrange(from_hub(self.name, self.data))
        if len(problems) != self.data.rows:
            raise schema.BadInput(f"{self.name}: {len(problems)} problems, expected {self.data.rows}")
        return problems

    def parse(self, path: Path) -> tuple[Problem, ...]:
        """One list of objects (``.json``), or one object a line (``.jsonl``), with CoNaLa's fields."""
        rows = read_content(path).rows
        for number, row in enumerate(rows, start=1):
            try:
                require_fields(row, FIELDS, f"row {number}")
            except RowError as error:
                raise schema.BadInput(f"{path}: {error}") from None
        return self._arrange(rows)

    def _arrange(self, rows: Sequence[dict[str, Any]]) -> tuple[Problem, ...]:
        # One question may have several pairs, so only the row number identifies a problem.
        return tuple(Problem(str(number), "", row) for number, row in enumerate(rows))

    def read_released(self, rows: Sequence[Any], problems: Sequence[Problem]) -> Answers:
        """One list of samples per problem; the study itself has released none."""
        return in_order(rows, problems, self.name)


def intent(row: Any) -> str:
    """The annotators' wording of the intent, or the question's title where there is none."""
    return str(row["rewritten_intent"] or row["intent"])


CONALA = CoNaLa(
    name="conala",
    title="CoNaLa",
    language="python",
    metrics=("bleu", "codebleu"),
    data=DataSource("neulab/conala", "curated", "test", 500, files=("conala/test.json",)),
    # Section 3.4; the length is ours: the longest snippet of the test set has far fewer tokens.
    decoding=Decoding(temperature=0.2, top_p=0.95, samples=1, max_length=512, stop=("\n###", END_OF_TEXT)),
)
TASKS = (CONALA,)
