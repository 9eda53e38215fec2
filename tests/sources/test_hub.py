"""What the hub refuses is found out before anything is downloaded, and said in one line per cause."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import loopback_hub
import pytest
import tiny_suite
import yaml
from loopback_hub import Hub, Repository
from tiny_models import tiny, tokenizer

from astraios_utils.sources import hub as hubs

# Run in a process of its own: huggingface_hub reads its address and token when it is imported.
CHECK = """
import json, sys
from pathlib import Path
from astraios_utils import schema
from astraios_utils.sources import hub
try:
    print(json.dumps(hub.check_access(schema.read_suite(Path(sys.argv[1])))))
except schema.AstraiosError as error:
    print("REFUSED", error)
"""
# Reads the names of bases from its input, loads them, and answers each with one line.
LOAD = """
import sys
from astraios_utils import models, schema
from astraios_utils.sources import hub
for line in sys.stdin:
    name = line.strip()
    try:
        models.load_base(schema.Base(model=name))
        print(hub.cached_commit(name), flush=True)
    except schema.AstraiosError as error:
        print("REFUSED", *str(error).splitlines(), sep="|", flush=True)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny base, and a data set of two splits."""
    base, data = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("data")
    tiny(vocab_size=300, n_layer=1).save_pretrained(base)
    tokenizer().save_pretrained(base)
    pairs = [{"prompt": f"What is {i}?", "completion": f"\n    return {i}" * (1 + i % 3)} for i in range(60)]
    for split in ("train", "test"):
        (data / f"{split}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return base, data


def run(hub: Hub, tmp_path: Path, code: str, *given: str, token: str = "") -> str:
    environment = {**os.environ, **loopback_hub.variables(hub, tmp_path / "home", token)}
    command = [sys.executable, "-W", "ignore", "-c", code, *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def loader(hub: Hub, tmp_path: Path, **more: str) -> Iterator[Callable[[str], str]]:
    """A process that loads bases from the hub; what it answers to a name."""
    environment = {**os.environ, **loopback_hub.variables(hub, tmp_path / "home", ""), **more}
    command = [sys.executable, "-W", "ignore", "-c", LOAD]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reads, writes = process.stdout, process.stdin

        def load(name: str) -> str:
            print(name, file=writes, flush=True)
            return reads.readline().strip()

        yield load
        writes.close()
    assert process.returncode == 0


def suite_file(tmp_path: Path, **fields: object) -> Path:
    raw = yaml.safe_load(tiny_suite.write(tmp_path / "suite").read_text())
    raw["recipe"] |= {"corpus": "bigcode/guanaco-commits", "corpus_test": None}
    raw["bases"] = {s: {"model": f"bigcode/{s}", **fields} for s in ("small", "large")}
    path = tmp_path / "suite" / "own.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_commits_are_resolved_and_each_cause_is_one_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    base, data = folders
    models = {"bigcode/small": Repository(base, token="secret"), "bigcode/large": Repository(base)}
    with loopback_hub.serving(Hub(models, {"bigcode/guanaco-commits": Repository(data)})) as hub:
        path = str(suite_file(tmp_path))
        found = json.loads(run(hub, tmp_path, CHECK, path, token="secret"))
        assert found == dict.fromkeys((*models, "bigcode/guanaco-commits"), loopback_hub.COMMIT)
        models["bigcode/large"].fault = "gated"
        hub.datasets["bigcode/guanaco-commits"].fault = "limited"
        refused = run(hub, tmp_path, CHECK, path, token="wrong")
    lines = refused.removeprefix("REFUSED ").splitlines()
    assert len(lines) == 3
    assert any(line.startswith("bigcode/small: the hub requires a valid token: log in") for line in lines)
    assert any(line.startswith("bigcode/large: its licence must be accepted on the hub") for line in lines)
    assert any(line.startswith("bigcode/guanaco-commits: the hub limits requests: wait") for line in lines)


def test_names_and_revisions_that_do_not_exist(folders: tuple[Path, Path], tmp_path: Path) -> None:
    base, data = folders
    with loopback_hub.serving(
        Hub({"bigcode/small": Repository(base)}, {"bigcode/guanaco-commits": Repository(data)})
    ) as hub:
        refused = run(hub, tmp_path, CHECK, str(suite_file(tmp_path, revision="v9")), token="any")
    assert "bigcode/small: it has no such revision: correct the revision" in refused
    assert "bigcode/large: no such repository on the hub, or a private one" in refused


@pytest.mark.slow
@pytest.mark.ci
def test_a_cut_download_says_so_and_continues(folders: tuple[Path, Path], tmp_path: Path) -> None:
    repository = Repository(folders[0], fault="truncated")
    with loopback_hub.serving(Hub({"bigcode/small": repository})) as hub, loader(hub, tmp_path) as load:
        said = load("bigcode/small")
        assert said.startswith("REFUSED|bigcode/small: no such folder, and unavailable from the hub:")
        assert said.count("|") == 1  # one line
        repository.fault = ""
        assert load("bigcode/small") == loopback_hub.COMMIT
    with loader(hub, tmp_path, HF_HUB_OFFLINE="1") as load:  # the cache serves without a hub
        assert load("bigcode/small") == loopback_hub.COMMIT


def test_a_full_disk_is_told_from_a_missing_model() -> None:
    outer = OSError("Can't load the model")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert hubs.cause(outer).startswith("no space left for downloads in ")
