"""The grid on a real Ray cluster of two nodes: a node that dies costs only what ran on it; faults are told apart."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_suite
from kill_pipeline import serially

from astraios_utils import cli, schema, store, training
from astraios_utils.running import executors, grid, pipeline
from astraios_utils.running.executors import RayExecutor, Remote

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402
from ray_units import at_home, began, beside_a_victim, clumsy, counts, hopeless, meeting, seen  # noqa: E402

SUITE = schema.Suite(
    name="cluster",
    title="Units that only leave a mark",
    sizes=("1B", "3B"),
    methods=("LoRA", "FFT", "(IA)3"),
    tasks=("defect",),
    resources=schema.Resources(cpus=1, gpus=0, retries=2),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head that works nothing itself, and two nodes of one core each.

    All tests have the same environment, and with it the same workers, which import everything once.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("ASTRAIOS_BUILD", str(tmp_path_factory.mktemp("ray") / "build"))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.add_node(num_cpus=1)
        made.add_node(num_cpus=1)
        patch.setenv("RAY_ADDRESS", made.address)
        ray.init(address=made.address, log_to_driver=False)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def shared(cluster: Cluster) -> Iterator[Path]:
    """The build folder that driver and workers share, empty."""
    yield store.build_dir()
    shutil.rmtree(store.build_dir())


@pytest.fixture
def marks(shared: Path) -> Path:
    (shared / "marks").mkdir(parents=True)
    return shared / "marks"


def run(work: Callable[[grid.Unit, Remote], str], progress: Callable[[str], None] = lambda _: None) -> None:
    RayExecutor(SUITE.resources, work=work, progress=progress)(grid.units(SUITE, "train"))


@pytest.mark.slow
@pytest.mark.ci
def test_every_unit_is_worked_once_on_both_nodes(marks: Path) -> None:
    said: list[str] = []
    run(meeting, said.append)
    assert began() == {f"train-{model.slug}": 1 for model in SUITE.models}
    assert len(set(seen("ended"))) == 2
    assert said[-1] == "ray: 6 of 6 done, 0 running, 0 waiting, 0 failed"


@pytest.mark.slow
@pytest.mark.ci
def test_a_passing_fault_is_tried_again(marks: Path) -> None:
    said: list[str] = []
    run(clumsy, said.append)
    assert set(began().values()) == {2}
    assert sum("OSError: the network went away for a moment; tried again (1 of 2)" in line for line in said) == 6


@pytest.mark.slow
@pytest.mark.ci
def test_what_cannot_be_mended_by_trying_is_said_and_the_rest_is_done(marks: Path) -> None:
    with pytest.raises(grid.ExecutionFailed) as caught:
        run(hopeless)
    lines = sorted(str(caught.value).splitlines())
    assert lines == [
        "train 1b-fft: BadInput: 1b-fft: mend the suite",
        "train 3b-fft: BadInput: 3b-fft: mend the suite",
        "train 3b-lora: ValueError: always (tried 3 times)",
    ]
    # A fault of the user's is not tried again; another one is, twice.
    assert began() == {**{f"train-{m.slug}": 1 for m in SUITE.models}, "train-3b-lora": 3}


@pytest.mark.slow
@pytest.mark.ci
def test_a_node_that_dies_costs_only_what_ran_on_it(cluster: Cluster, marks: Path) -> None:
    victim = cluster.add_node(num_cpus=1)
    (marks / "victim").write_text(victim.node_id)
    said: list[str] = []

    def progress(line: str) -> None:
        """Whatever ends first has seen the victim begin a unit."""
        said.append(line)
        if "done on" in line and victim in cluster.list_all_nodes():
            cluster.remove_node(victim, allow_graceful=False)

    run(beside_a_victim, progress)
    assert counts("ended") == {f"train-{model.slug}": 1 for model in SUITE.models}
    again = {name for name, times in began().items() if times > 1}
    assert len(again) == 1  # one core, one unit
    assert sum("its node or process died" in line for line in said) == 1
    assert said[-1].startswith("ray: 6 of 6 done")


@pytest.mark.slow
@pytest.mark.ci
def test_what_no_node_has_is_said_and_not_waited_for(marks: Path) -> None:
    wanted = schema.Resources(cpus=1, gpus=2, memory_gib=1)
    with pytest.raises(schema.BadInput, match=r"no machine .* has what a unit takes \(CPU 1, GPU 2, memory 1.*\)"):
        RayExecutor(wanted, work=meeting)(grid.units(SUITE, "train"))
    assert began() == {}


def files(build: Path) -> dict[str, bytes]:
    """What two runs must have in common, by name."""
    wanted = (".xz", ".safetensors", "losses.jsonl", "results.csv")
    return {str(p.relative_to(build)): p.read_bytes() for p in sorted(build.rglob("*")) if p.name.endswith(wanted)}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A suite file, and what a run on this machine makes of it."""
    folder = tmp_path_factory.mktemp("local")
    file = tiny_suite.write(folder / "suite", sizes=["small"], tasks=["defect", "synthesize-python"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_BUILD", str(folder / "build"))
        suite = schema.read_suite(file)
        pipeline.run(suite, suite, {"workers": 1}, executor=serially)
    return file, files(folder / "build")


@pytest.mark.slow
@pytest.mark.ci
def test_the_command_gives_what_this_machine_gives(
    local: tuple[Path, dict[str, bytes]], shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--suite", str(local[0]), "--executor", "ray", "--workers", "1"]
    assert cli.main(command) == 0
    said = capsys.readouterr().err
    assert "ray: 2 of 2 done, 0 running, 0 waiting, 0 failed" in said  # trained
    assert "ray: 4 of 4 done, 0 running, 0 waiting, 0 failed" in said  # generated, a unit a task
    assert files(shared) == local[1]
    assert len(local[1]) == 2 * (1 + 1 + 2) + 1  # weights, losses and two answers a model; the results
    assert cli.main(command) == 0
    assert "train: 0 of 2 models to do" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.ci
def test_nodes_that_share_nothing_meet_at_a_url(
    local: tuple[Path, dict[str, bytes]], marks: Path, tmp_path: Path
) -> None:
    suite = schema.read_suite(local[0])
    executor = RayExecutor(suite.resources, f"file://{tmp_path}/bucket", work=at_home, progress=lambda _: None)
    for stage in ("train", "generate"):
        pipeline.make(suite, stage, executor)
    made = {name: value for name, value in local[1].items() if not name.endswith("results.csv")}
    assert files(store.build_dir()) == made
    assert files(tmp_path / "bucket") == made
    apart = [found for found in store.build_dir().parent.glob("only-*") if files(found)]
    assert len(apart) == len(set(seen("ended")))


@pytest.fixture
def copied(build: Path, tmp_path: Path) -> tuple[grid.Unit, Remote]:
    """A unit that has been worked here, and its copy."""
    suite = tiny_suite.read(tmp_path / "suite", tasks=["defect"])
    unit, remote = grid.units(suite, "train")[0], Remote(f"file://{tmp_path}/bucket")
    finish(unit, b"weights")
    remote.push(unit)
    return unit, remote


def finish(unit: grid.Unit, weights: bytes) -> Path:
    """Put there what a training leaves; returns the weights' file."""
    run = training.plan(unit.suite, unit.model)
    run.checkpoint.mkdir(parents=True, exist_ok=True)
    (run.checkpoint / "adapter.bin").write_bytes(weights)
    store.write_json(run.folder / "run.json", {"inputs": run.inputs, "made of": weights.decode()})
    return run.checkpoint / "adapter.bin"


def test_what_is_complete_is_fetched_and_replaces_what_is_not_alike(copied: tuple[grid.Unit, Remote]) -> None:
    unit, remote = copied
    file = finish(unit, b"WEIGHTS")  # of the same size, by another run
    (file.parent / "more.bin").touch()
    remote.pull(unit)
    assert file.read_bytes() == b"weights"
    assert not (file.parent / "more.bin").exists()
    file.write_bytes(b"changed")
    remote.pull(unit)  # the mark is the same: nothing is fetched
    assert file.read_bytes() == b"changed"
    shutil.rmtree(file.parents[1])
    remote.pull(unit)
    assert unit.current()
    assert file.read_bytes() == b"weights"


def test_what_is_half_done_is_neither_put_nor_fetched(copied: tuple[grid.Unit, Remote], tmp_path: Path) -> None:
    unit, remote = copied
    file = finish(unit, b"WEIGHTS")
    (file.parents[1] / "run.json").unlink()
    remote.push(unit)
    [copy] = (tmp_path / "bucket").rglob("adapter.bin")
    assert copy.read_bytes() == b"weights"
    (copy.parents[1] / "run.json").unlink()
    remote.pull(unit)
    assert file.read_bytes() == b"WEIGHTS"
    finish(unit, b"WEIGHTS")
    remote.push(unit)
    assert copy.read_bytes() == b"WEIGHTS"


def test_without_a_url_nothing_is_copied(build: Path) -> None:
    unit = grid.units(SUITE, "train")[0]
    Remote("").push(unit)
    Remote("").pull(unit)
    assert not build.exists()


def test_time_left_is_what_is_done_extrapolated() -> None:
    state = executors._State(8, started=time.perf_counter() - 600)
    assert state.line(0) == "ray: 0 of 8 done, 0 running, 0 waiting, 0 failed"
    state.done, state.running = 2, dict.fromkeys(range(6), grid.units(SUITE, "train")[0])
    assert state.line(2) == "ray: 2 of 8 done, 2 running, 4 waiting, 0 failed, 30:00 left"  # 300 s each


def test_an_address_where_nothing_listens_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        with pytest.raises(schema.BadInput, match=r"no Ray cluster answers there \(Connection refused\); start one"):
            RayExecutor(SUITE.resources)(grid.units(SUITE, "train"))


def test_names_of_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert executors.executor("local", SUITE) is None
    assert isinstance(executors.executor("Ray", SUITE), RayExecutor)
    with pytest.raises(schema.UnknownName, match="unknown executor 'rai': did you mean ray"):
        executors.executor("rai", SUITE)
    for name, url, why in (
        ("local", "file:///bucket", "only with --executor ray"),
        ("ray", "bucket", "not a URL"),
        ("ray", "nowhere://bucket", "Protocol not known: nowhere"),
    ):
        with pytest.raises(schema.BadInput, match=f"--store {url}: {why}"):
            executors.executor(name, SUITE, url)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(schema.MissingTool, match=r"pip install -e '\.\[ray\]'"):
        executors.executor("ray", SUITE)
