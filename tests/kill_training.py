"""Trains a run again and again, each time in a process of its own that is killed (SIGKILL) at another moment.

Started by ``test_training``: ``kill_training.py RUNS``, a pickle of [(moment, run), …]. One interpreter, which has
imported everything, forks the processes, so that a kill costs no import. Exit 0: each was killed where it should be.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from astraios_utils import store, training
from astraios_utils.training import trainer


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(step: int) -> Callable[[str], None]:
    return lambda line: die() if line.startswith(f"step {step}/") else None


def in_call(owner: Any, name: str, number: int, before: Callable[..., Any] = lambda *_, **__: None) -> None:
    """Die in the ``number``-th call of a function, after ``before`` got its arguments."""
    original, calls = getattr(owner, name), [0]

    def dying(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            before(*args, **kwargs)
            die()
        return original(*args, **kwargs)

    setattr(owner, name, dying)


def half_a_file(_: Any, path: Path) -> None:
    Path(path).write_bytes(b"\x00" * 100)


def half_a_line(self: Any, step: int, split: str, loss: float, **__: Any) -> None:
    with self.losses.open("a") as stream:
        stream.write(f'{{"step": {step}, "spl')


def removed_in_part(folder: Path, *_: Any, **__: Any) -> None:
    """The first file of an old checkpoint is gone, the others still stand."""
    next(path for path in sorted(Path(folder).rglob("*")) if path.is_file()).unlink()


# Runs of 8 steps, a checkpoint every 2: the calls that are counted are those of one run.
MOMENTS: dict[str, Callable[[], Any]] = {
    "before the first checkpoint": lambda: at_step(2),
    "between two checkpoints": lambda: at_step(6),
    "in the middle of a line of the loss log": lambda: in_call(trainer.TrainingLog, "_write", 8, half_a_line),
    "in the middle of a checkpoint's weights": lambda: in_call(trainer, "save_file", 3, half_a_file),
    "between a checkpoint's weights and its optimiser": lambda: in_call(
        trainer.Tuner, "_save_optimizer_and_scheduler", 3
    ),
    "before a checkpoint is marked complete": lambda: in_call(trainer.TrainingLog, "on_save", 3),
    "while an old checkpoint is removed": lambda: in_call(shutil, "rmtree", 2, removed_in_part),
    "before the tuned model stands in its place": lambda: in_call(Path, "rename", 1),
    "before the record is written": lambda: in_call(store, "provenance", 1),
}


def main(runs: list[tuple[str, training.Run]]) -> int:
    torch.set_num_threads(1)
    for moment, run in runs:
        child = os.fork()
        if child == 0:
            progress = MOMENTS[moment]()
            training.train(run, progress or (lambda _: None))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            print(f"{moment}: not killed (status {status})", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(pickle.loads(Path(sys.argv[1]).read_bytes())))
