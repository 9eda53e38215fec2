"""Trains runs one after the other, each by two processes: data parallel, or sharded where the environment says so.

Started by ``test_parallel``: ``train_together.py CASES``, a pickle of [(run, environment, step to die at or 0), …]. One
interpreter, which has imported everything, forks the processes. Exit 0: each case ended as it should.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import accelerate.state
import torch
from accelerate.utils import DistributedType

from astraios_utils import training
from astraios_utils.training.trainer import TrainingLog


def shard_on_cpus() -> None:
    """accelerate shards on accelerators alone; its code does so on CPUs as well, once it takes them for one."""
    plain = accelerate.state.PartialState.__init__

    def patched(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_NPU

    accelerate.state.PartialState.__init__ = patched  # type: ignore[method-assign]


def stop_before(step: int) -> None:
    """Die as a killed run does."""
    plain = TrainingLog.on_step_begin

    def patched(self: TrainingLog, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step + 1 == step:
            os._exit(9)
        plain(self, args, state, control, **kwargs)

    TrainingLog.on_step_begin = patched  # type: ignore[method-assign]


def train(run: training.Run, environment: dict[str, str], stop: int) -> None:
    """One process of the two."""
    os.environ.update(environment)
    if training.parallel.sharded():
        shard_on_cpus()
    if stop:
        stop_before(stop)
    training.train(run, lambda _: None)
    torch.distributed.destroy_process_group()


def together(run: training.Run, environment: dict[str, str], stop: int) -> bool:
    """Fork both processes; returns whether both ended as they should."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    left = set()
    for rank in ("0", "1"):
        child = os.fork()
        if child == 0:
            try:
                train(run, {**environment, **common, "RANK": rank, "LOCAL_RANK": rank}, stop)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        left.add(child)
    good = True
    while left:
        child, status = os.wait()
        left.discard(child)
        if bool(status) != bool(stop):
            good = False
            for other in left:  # it would wait for the one that failed
                os.kill(other, signal.SIGKILL)
    return good


def main(cases: list[tuple[training.Run, dict[str, str], int]]) -> int:
    torch.set_num_threads(1)
    return int(not all(together(*case) for case in cases))


if __name__ == "__main__":
    sys.exit(main(pickle.loads(Path(sys.argv[1]).read_bytes())))
