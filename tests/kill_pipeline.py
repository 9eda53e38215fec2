"""Runs a suite's stages again and again, each time in a process of its own that is killed (SIGKILL) at another moment.

Started by ``test_pipeline``: ``kill_pipeline.py SUITE BUILD MOMENT …``; each moment has the build folder ``BUILD/<n>``.
One interpreter, which has imported everything, forks the processes. Exit 0: each was killed where it should be.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kill_training import at_step, in_call

from astraios_utils import generation, schema, store, training
from astraios_utils.generation import engine
from astraios_utils.running import grid, pipeline
from astraios_utils.scoring import journal


def half_a_part(log: generation.Log, part: dict[str, Any]) -> None:
    with log.path.open("a") as stream:
        stream.write('{"rows": [{"task": "de')


def serially(units: Any) -> None:
    """An executor that forks nothing, so that the process that dies is the one that works."""
    for unit in units:
        grid.work(unit)


def in_training() -> None:
    original = training.train
    training.train = lambda run, _, force: original(run, at_step(4), force)


# The calls that are counted are those of a whole run: 4 models, 3 tasks, parts of 2 problems.
MOMENTS: dict[str, Callable[[], None]] = {
    "in training": in_training,
    "between two trainings": lambda: in_call(training, "train", 3),
    "between training and generating": lambda: in_call(generation, "generate", 1),
    "in the middle of a part": lambda: in_call(engine.Engine, "step", 150),
    "in the middle of a line of the parts' log": lambda: in_call(generation.Log, "append", 5, half_a_part),
    "before the generations stand in place": lambda: in_call(generation.lzma, "compress", 4),
    "between generations and their provenance": lambda: in_call(generation, "_peak", 5),
    "before the parts' log is removed": lambda: in_call(Path, "unlink", 1),
    "between generating and scoring": lambda: in_call(pipeline, "score", 1),
    "in scoring": lambda: in_call(journal.Journal, "put", 3),
    "between verdicts and their provenance": lambda: in_call(store, "write_stage", 3, half_a_stage),
    "before the results": lambda: in_call(pipeline, "aggregate", 1),
}


def half_a_stage(path: Path, frame: Any, *_: Any, **__: Any) -> None:
    store.write_frame(path, frame)


def main(suite: schema.Suite, build: Path, moments: list[str]) -> int:
    torch.set_num_threads(1)
    for number, moment in enumerate(moments):
        child = os.fork()
        if child == 0:
            os.environ["ASTRAIOS_BUILD"] = str(build / str(number))
            MOMENTS[moment]()
            pipeline.run(suite, suite, {"workers": 1}, executor=serially)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            print(f"{moment}: not killed (status {status})", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    generation.PART = 6  # two problems of three samples
    sys.exit(main(schema.read_suite(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3:]))
