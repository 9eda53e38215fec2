"""The grid on a real Ray cluster of two nodes: a node that dies costs only what ran on it; faults are told apart."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from astraios_utils import executors, grid, schema, store
from astraios_utils.executors import RayExecutor, Remote

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

SUITE = schema.Suite(
    name="cluster",
    title="Units that only leave a mark",
    sizes=("1B", "3B"),
    methods=("LoRA", "FFT", "(IA)3"),
    tasks=("defect",),
    resources=schema.Resources(cpus=1, gpus=0, retries=2),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head that works nothing itself, and two nodes of one core each."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = made.address
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    ray.init(
        address=made.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}}
    )
    yield made
    ray.shutdown()
    made.shutdown()
    os.environ.pop("RAY_ADDRESS")


@pytest.fixture
def marks(build: Path) -> Path:
    (build / "marks").mkdir(parents=True)
    return build / "marks"


def leave_mark(unit: grid.Unit, remote: Remote, seconds: float = 0.0) -> str:
    """Write one file a beginning and one an end."""
    folder, name = store.build_dir() / "marks", unit.name.replace(" ", "-")
    node = ray.get_runtime_context().get_node_id()
    (folder / f"{name}.began.{time.monotonic_ns()}").write_text(node)
    time.sleep(seconds)
    (folder / f"{name}.ended.{time.monotonic_ns()}").write_text(node)
    return node


def slowly(unit: grid.Unit, remote: Remote) -> str:
    return leave_mark(unit, remote, 1.0)


def beside_a_victim(unit: grid.Unit, remote: Remote) -> str:
    """Begin once the victim has begun; on the victim itself, never end."""
    folder, node = store.build_dir() / "marks", ray.get_runtime_context().get_node_id()
    victim = (folder / "victim").read_text()
    for _ in range(600):
        if node == victim or any(path.read_text() == victim for path in folder.glob("*.began.*")):
            break
        time.sleep(0.1)
    return leave_mark(unit, remote, 120.0 if node == victim else 0.2)


def clumsy(unit: grid.Unit, remote: Remote) -> str:
    """Fail once."""
    leave_mark(unit, remote)
    if len(list((store.build_dir() / "marks").glob(f"{unit.name.replace(' ', '-')}.began.*"))) < 2:
        raise OSError("the network went away for a moment")
    return ""


def hopeless(unit: grid.Unit, remote: Remote) -> str:
    leave_mark(unit, remote)
    if unit.model.method == "FFT":
        raise schema.BadInput(f"{unit.model.slug}: mend the suite")
    if unit.model.slug == "3b-lora":
        raise ValueError("always")
    return ""


def units() -> list[grid.Unit]:
    return grid.units(SUITE, "train")


def run(work: Callable[[grid.Unit, Remote], str], progress: Callable[[str], None] = lambda _: None) -> None:
    RayExecutor(SUITE.resources, work=work, progress=progress)(units())


def began(marks: Path) -> dict[str, int]:
    names = [path.name.split(".")[0] for path in marks.glob("*.began.*")]
    return {name: names.count(name) for name in names}


def ended(marks: Path) -> set[str]:
    return {path.name.split(".")[0] for path in marks.glob("*.ended.*")}


def test_every_unit_is_worked_once_on_both_nodes(cluster: Cluster, marks: Path) -> None:
    said: list[str] = []
    run(slowly, said.append)
    assert began(marks) == {f"train-{model.slug}": 1 for model in SUITE.models}
    assert len({path.read_text() for path in marks.iterdir()}) == 2
    assert said[-1] == "ray: 6 of 6 done, 0 running, 0 waiting, 0 failed"


def test_a_passing_fault_is_tried_again(cluster: Cluster, marks: Path) -> None:
    said: list[str] = []
    run(clumsy, said.append)
    assert set(began(marks).values()) == {2}
    assert sum("OSError: the network went away for a moment; tried again (1 of 2)" in line for line in said) == 6


def test_what_cannot_be_mended_by_trying_is_said_and_the_rest_is_done(cluster: Cluster, marks: Path) -> None:
    with pytest.raises(executors.ExecutionFailed) as caught:
        run(hopeless)
    lines = sorted(str(caught.value).splitlines())
    assert lines == [
        "train 1b-fft: BadInput: 1b-fft: mend the suite",
        "train 3b-fft: BadInput: 3b-fft: mend the suite",
        "train 3b-lora: ValueError: always (tried 3 times)",
    ]
    # A fault of the user's is not tried again; another one is, twice.
    assert began(marks) == {**{f"train-{m.slug}": 1 for m in SUITE.models}, "train-3b-lora": 3}


def test_a_node_that_dies_costs_only_what_ran_on_it(cluster: Cluster, marks: Path) -> None:
    victim = cluster.add_node(num_cpus=1)
    (marks / "victim").write_text(victim.node_id)
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        if "done on" in line and victim in cluster.list_all_nodes() and mine():
            cluster.remove_node(victim, allow_graceful=False)

    def mine() -> list[Path]:
        """What the victim has begun and not ended."""
        open_ones = [p for p in marks.glob("*.began.*") if p.name.split(".")[0] not in ended(marks)]
        return [path for path in open_ones if path.read_text() == victim.node_id]

    run(beside_a_victim, progress)
    assert ended(marks) == {f"train-{model.slug}" for model in SUITE.models}
    again = {name for name, times in began(marks).items() if times > 1}
    assert len(again) == 1  # one core, one unit
    assert sum("its node or process died" in line for line in said) == 1
    assert said[-1].startswith("ray: 6 of 6 done")


def test_the_build_folder_may_lie_at_a_url(build: Path, tmp_path: Path) -> None:
    unit, remote = units()[0], Remote(f"file://{tmp_path}/bucket")
    made = build / "cluster" / "train" / unit.model.slug
    (made / "checkpoint").mkdir(parents=True)
    (made / "checkpoint" / "adapter.bin").write_bytes(b"weights")
    (made / "run.json").write_text("{}")
    remote.push(unit)
    (made / "run.json").unlink()
    (made / "checkpoint" / "adapter.bin").unlink()
    remote.pull(unit)
    assert (made / "checkpoint" / "adapter.bin").read_bytes() == b"weights"
    assert (made / "run.json").read_text() == "{}"
    other = units()[1]
    assert other.model.slug not in {path.name for path in (tmp_path / "bucket" / "cluster" / "train").iterdir()}


def test_without_a_url_nothing_is_copied(build: Path) -> None:
    Remote("").push(units()[0])
    Remote("").pull(units()[0])
    assert not build.exists()


def test_names_of_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert executors.executor("local", SUITE) is None
    assert isinstance(executors.executor("Ray", SUITE), RayExecutor)
    with pytest.raises(schema.UnknownName, match="unknown executor 'rai': did you mean ray"):
        executors.executor("rai", SUITE)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(schema.MissingTool, match=r"pip install -e '\.\[ray\]'"):
        executors.executor("ray", SUITE)
