"""A suite's grid on Ray clusters of one and of two nodes on this machine, and with a node killed in the middle.

    python benchmarks/cluster.py --suite nano --size 65K 420K --method LoRA FFT --against build

Each round starts a cluster whose nodes have one core each, trains and generates into a build folder of its own, and
prints units a minute: a model to train and a model with a task to answer are a unit each. In the last round one of two
nodes is killed once half of the units are done. What came out is compared, byte by byte, between the rounds and with
the build folder of a run that did without Ray.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from astraios_utils import schema, store
from astraios_utils.running import executors, grid
from astraios_utils.running.executors import RayExecutor, Remote

STAGES: tuple[grid.Stage, ...] = ("train", "generate")
ROUNDS = {"1": (1, False), "2": (2, False), "2-1": (2, True)}  # nodes, and whether one is killed


def logged(unit: grid.Unit, remote: Remote) -> str:
    """The real work, with a line before and one after it."""
    log("began", unit)
    host = executors.work(unit, remote)
    log("ended", unit)
    return host


def log(what: str, unit: grid.Unit) -> None:
    with (store.build_dir() / "log").open("a") as stream:
        stream.write(f"{what}\t{unit.name}\t{ray.get_runtime_context().get_node_id()}\n")


def outputs(suite: schema.Suite, build: Path) -> dict[str, bytes]:
    """Losses, weights and generations of a suite's (slice's) models, by name."""
    top = build / suite.name
    found: list[Path] = []
    for model in suite.models:
        found += [top / "train" / model.slug / "losses.jsonl"]
        found += sorted((top / "train" / model.slug).glob("checkpoint/*.safetensors"))
        found += [top / "generations" / task / f"{model.slug}.jsonl.xz" for task in suite.tasks]
    return {str(path.relative_to(top)): path.read_bytes() if path.exists() else b"" for path in found}


class Round:
    """One run of the grid on a fresh cluster.

    Args:
        nodes: of one core each.
        kill: end one of them once half of the units are done.
    """

    def __init__(self, suite: schema.Suite, build: Path, nodes: int, kill: bool) -> None:
        self.suite, self.build, self.kill = suite, build, kill
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(nodes)]
        self.half = len(suite.models) * (1 + len(suite.tasks)) // 2
        self.done, self.killed = 0, ""
        self.seconds: dict[str, float] = {}

    def progress(self, line: str) -> None:
        self.done += "done on" in line
        print(f"  {line}", file=sys.stderr, flush=True)
        if self.kill and not self.killed and self.done >= self.half:
            self.killed = self.nodes[-1].node_id
            self.cluster.remove_node(self.nodes[-1], allow_graceful=False)

    def work(self) -> None:
        """Train, generate, and take the cluster down."""
        self.build.mkdir(parents=True)
        os.environ["ASTRAIOS_BUILD"] = str(self.build)
        resources = self.suite.resources.model_copy(update={"cpus": 1, "gpus": 0})
        ray.init(address=self.cluster.address, log_to_driver=False)
        try:
            for stage in STAGES:
                started = time.perf_counter()
                grid.run(grid.units(self.suite, stage), RayExecutor(resources, work=logged, progress=self.progress))
                self.seconds[stage] = time.perf_counter() - started
        finally:
            ray.shutdown()
            self.cluster.shutdown()

    def marks(self) -> list[tuple[str, str, str]]:
        """What, unit and node of every beginning and end."""
        lines = (self.build / "log").read_text().splitlines()
        return [(what, unit, node) for what, unit, node in (line.split("\t") for line in lines)]

    def again(self) -> list[str]:
        """Units that began more than once."""
        began = Counter(unit for what, unit, _ in self.marks() if what == "began")
        return sorted(unit for unit, times in began.items() if times > 1)

    def lost(self) -> list[str]:
        """Units that the killed node had begun and not ended."""
        on_it = [(what, unit) for what, unit, node in self.marks() if node == self.killed]
        return sorted({unit for what, unit in on_it if ("ended", unit) not in on_it})


def describe(one: Round) -> str:
    models = len(one.suite.models)
    counts = {"train": models, "generate": models * len(one.suite.tasks)}
    rates = [f"{stage} {counts[stage]} in {one.seconds[stage]:.0f} s" for stage in STAGES]
    rate = sum(counts.values()) / sum(one.seconds.values()) * 60
    killed = f"; killed one with {one.lost()} under way: ran again: {one.again()}" if one.kill else ""
    return f"{len(one.nodes)} nodes: {', '.join(rates)}: {rate:.1f} units a minute{killed}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="nano")
    for name in ("size", "method", "task"):
        parser.add_argument(f"--{name}", nargs="*", default=[])
    parser.add_argument("--round", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--against", type=Path, help="the build folder of a run without Ray")
    parser.add_argument("--build", type=Path, help="where the rounds' build folders go and stay")
    return parser.parse_args()


def main() -> int:
    options = parse()
    suite = store.load_suite(options.suite).slice(options.size, options.method, options.task)
    expected: dict[str, Any] = {"without Ray": outputs(suite, options.against)} if options.against else {}
    faults = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.round:
            one = Round(suite, (options.build or Path(temporary)) / name, *ROUNDS[name])
            one.work()
            print(describe(one), flush=True)
            faults += one.again() != one.lost()
            made = outputs(suite, one.build)
            for other, files in expected.items():
                differ = sorted(file for file in files | made if files.get(file) != made.get(file))
                faults += len(differ)
                print(f"  against {other}: {len(made) - len(differ)} of {len(made)} files are equal {differ[:5]}")
            expected[f"{name} nodes"] = made
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
