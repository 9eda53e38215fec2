"""One process of several that train a tiny model; `test_parallel.py` starts them.

python -m torch.distributed.run --nproc-per-node 2 train_together.py RECIPE.json METHOD FOLDER [STOP_AT_STEP]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import accelerate.state
import torch
from accelerate.utils import DistributedType

from astraios_utils import schema, training
from astraios_utils.training.trainer import Watch

torch.set_num_threads(1)


def shard_on_cpus() -> None:
    """accelerate shards on accelerators alone; its code does so on CPUs as well, once it takes them for one."""
    plain = accelerate.state.PartialState.__init__

    def patched(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_NPU

    accelerate.state.PartialState.__init__ = patched  # type: ignore[method-assign]


def stop_before(step: int) -> None:
    """Die as a killed run does, in every process."""
    plain = Watch.on_step_begin

    def patched(self: Watch, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step + 1 == step:
            os._exit(9)
        plain(self, args, state, control, **kwargs)

    Watch.on_step_begin = patched  # type: ignore[method-assign]


def main() -> None:
    given, method, folder, *stop = sys.argv[1:]
    fields = json.loads(Path(given).read_text())
    if training.parallel.sharded():
        shard_on_cpus()
    if stop:
        stop_before(int(stop[0]))
    base, recipe = schema.Base(model=fields.pop("base")), schema.Recipe(**fields)
    changes = {} if method == "FFT" else {"lora_dropout": 0.0}
    training.train(training.Run(schema.Model("tiny", method), base, recipe, changes, 0, Path(folder)))


main()
