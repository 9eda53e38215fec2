"""Fixtures shared by all tests, which slow tests run, and which tests have the machine to themselves.

Markers: ``slow`` takes more than a few seconds; ``smoke`` is a slow test that ``make test`` runs; ``ci`` is one that
``.ci/run`` runs in addition; ``alone`` is a test that other tests would disturb, for example one that holds programs
against their time limits.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# The workers of pytest-xdist share the cores: a second thread of one would wait for the other worker.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

ROOT = Path(__file__).resolve().parent.parent
RUN: dict[str, tuple[str, ...]] = {"ci": ("smoke", "ci"), "some": ("smoke",), "none": ()}  # markers of slow tests
# Test files of 15 seconds and more, the longest first.
LONGEST = (
    *("running/test_executors.py", "running/test_paper_suite.py", "results/test_claims.py", "models/test_matrix.py"),
    *("test_readme.py", "hostile/test_hostile_python.py", "sandbox/test_python_limits.py", "sandbox/test_python.py"),
    *("hostile/test_hostile_java.py", "sandbox/test_java.py", "preflight/test_suitecheck.py", "test_own_suite.py"),
    *("presenting/report/test_report.py", "planning/test_memory.py", "training/test_training.py", "test_slices.py"),
    *("running/test_notebook_runner.py", "hostile/test_hostile_java_mixed.py", "sources/test_hub.py"),
    *("generation/test_generation.py", "running/test_pipeline.py", "models/test_models.py", "running/test_shown.py"),
    *("presenting/test_notebook_text.py", "tasks/test_testgen.py", "sandbox/test_idioms.py", "nano/test_benchmark.py"),
    *("nano/test_conala_suite.py", "nano/test_bases.py", "training/test_parallel.py"),
    *("hostile/test_hostile_testers.py", "running/test_failures.py", "models/test_eight_bit.py"),
)
COUNTED = pytest.StashKey[list[tuple[int, int]]]()  # slow tests that run, and all there are; an entry per process
TEST_RUN = pytest.StashKey[str]()  # pytest-xdist's name of this run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--slow``: which of the tests marked ``slow`` run."""
    help = "which slow tests run: all, ci (those marked smoke or ci), some (those marked smoke; the default) or none"
    parser.addoption("--slow", choices=("all", *RUN), default="some", help=help)


def _runs(item: pytest.Item, wanted: str) -> bool:
    if not item.get_closest_marker("slow") or wanted == "all":
        return True
    return any(item.get_closest_marker(name) for name in RUN[wanted])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests that ``--slow`` does not want. A test named by its id always runs."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    if any("::" in argument for argument in config.args):
        left_out: list[pytest.Item] = []
    else:
        left_out = [item for item in slow if not _runs(item, config.getoption("--slow"))]
    config.stash[COUNTED] = [(len(slow) - len(left_out), len(slow))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    _longest_files_first(items)
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["slow"] = config.stash[COUNTED]


def _longest_files_first(items: list[pytest.Item]) -> None:
    """Sort the files by length, so that no worker is left with a long one at the end.

    First those that are known to take longest, then by how many slow tests they hold.
    """
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONGEST)}
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (place.get(item.path, len(place)), -slow[item.path]))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep a worker's count of slow tests for the summary, and the name of the run."""
    node.config.stash[TEST_RUN] = node.workerinput["testrunuid"]
    node.config.stash[COUNTED] = getattr(node, "workeroutput", {}).get("slow", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many of the slow tests ran."""
    for ran, total in config.stash.get(COUNTED, []):
        if total:
            terminalreporter.write_line(f"{ran} of {total} slow tests selected (--slow={config.getoption('--slow')})")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let a test marked ``alone`` run while the other workers of pytest-xdist wait.

    Every test holds a lock that many can share and that ``alone`` takes for itself. Whoever wants the lock first passes
    a gate, one at a time, so that short tests of another worker cannot keep an ``alone`` test waiting for ever.
    """
    run = getattr(item.config, "workerinput", {}).get("testrunuid")
    if run is None:
        return (yield)
    folder = Path(tempfile.gettempdir())
    with (folder / f"pytest-{run}.gate").open("w") as gate, (folder / f"pytest-{run}.lock").open("w") as lock:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the locks of the run, in the process whose workers have all ended: until then, each uses the same."""
    run = config.stash.get(TEST_RUN, None)
    for end in ("gate", "lock"):
        Path(tempfile.gettempdir(), f"pytest-{run}.{end}").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with real upstream artefacts; tests that need it skip where there is none."""
    path = Path(os.environ.get("ASTRAIOS_MIRROR") or ROOT.parent / "shared" / "mirror")
    if not (path / "astraios" / "outputs").is_dir():
        pytest.skip("no mirror of the released files: set ASTRAIOS_MIRROR to one")
    return path


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build folder, so that a test neither reads nor writes the checkout's."""
    monkeypatch.setenv("ASTRAIOS_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("ASTRAIOS_FIGURES", str(tmp_path / "figures"))
    return tmp_path / "build"


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """What several files need and takes seconds: ``once(name, make)`` returns a folder that ``make`` has filled.

    Each name is made once per run of the tests, by the worker that needs it first; another one waits for it. Tests only
    read what is in the folder, or copy it.
    """
    base = tmp_path_factory.getbasetemp()
    common = (base.parent if hasattr(request.config, "workerinput") else base) / "once"
    common.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = common / name, common / f"{name}.done"
        with (common / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed half-way
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def judged_released(once: Once) -> Path:
    """A build folder with the results and claims of the whole suite ``released``, from the shipped counts."""
    from astraios_utils import store
    from astraios_utils.running import ledger

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ASTRAIOS_MIRROR", "none")
            patch.setenv("ASTRAIOS_BUILD", str(folder))
            ledger.claim_verdicts(store.load_suite("released"))

    return once("released", make)


@pytest.fixture
def released_build(build: Path, judged_released: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build folder of the test's own that begins as :func:`judged_released`."""
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    shutil.copytree(judged_released, build)
    return build


@pytest.fixture(scope="session")
def jdk() -> None:
    """Skip the test where there is no usable JDK."""
    from astraios_utils.sandbox.java.jdk import JdkUnavailable, find_jdk

    try:
        find_jdk()
    except JdkUnavailable as error:
        pytest.skip(str(error))
