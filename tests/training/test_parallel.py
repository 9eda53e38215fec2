"""Two processes train as one does: data parallel, and sharded by the FSDP configuration that ships."""

from __future__ import annotations

import functools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.commands.config.config_args import ClusterConfig
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file
from tiny_models import tiny, tokenizer

from astraios_utils import schema, store, training
from astraios_utils.training import parallel

FSDP = store.data_dir() / "accelerate" / "fsdp.yaml"
SCRIPT = Path(__file__).parents[1] / "train_together.py"


METHODS = ("LoRA", "FFT")


def run_of(top: Path, method: str, name: str) -> training.Run:
    """Six steps of a tiny model, a checkpoint every two."""
    recipe = schema.Recipe(
        **dict.fromkeys(("corpus", "corpus_test"), str(top / "documents.jsonl")),
        **{"sequence_length": 16, "steps": 6, "batch": 8, "micro_batch": 2, "warmup_steps": 2, "learning_rate": 1e-2},
        **{"evaluate_every": 3, "test_sequences": 4, "save_every": 2},
    )
    changes = {} if method == "FFT" else {"lora_dropout": 0.0}
    base = schema.Base(model=str(top / "base"))
    return training.Run(schema.Model("tiny", method), base, recipe, changes, 0, top / f"{name}-{method}")


def sharding() -> dict[str, str]:
    """What `accelerate launch` sets for the shipped configuration, in float32, so that losses can be compared."""
    launched = launch_command_parser().parse_args(["--config_file", str(FSDP), "--num_processes", "2", str(SCRIPT)])
    given = prepare_multi_gpu_env(_validate_launch_command(launched)[0])
    return {key: value for key, value in given.items() if key.startswith(("FSDP_", "ACCELERATE_USE_FSDP"))}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A method's folder of finished runs: by one process, by two, and by two that shard, were killed and continued."""
    top = tmp_path_factory.mktemp("parallel")
    tiny(vocab_size=300).save_pretrained(top / "base")
    tokenizer().save_pretrained(top / "base")
    pairs = [{"prompt": f"What is {i} + {i}?", "completion": f"It is {2 * i}."} for i in range(60)]
    (top / "documents.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))

    @functools.cache
    def train(method: str) -> Path:
        training.train(run_of(top, method, "one"), lambda _: None)
        cases: list[tuple[training.Run, dict[str, str], int]]
        cases = [(run_of(top, method, "shards"), sharding(), stop) for stop in (4, 0)]
        if method == METHODS[0]:
            cases.append((run_of(top, method, "two"), {}, 0))
        (top / "cases").write_bytes(pickle.dumps(cases))
        command = [sys.executable, "-W", "ignore", str(SCRIPT), str(top / "cases")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return top

    return train


def assert_same(one: Path, other: Path) -> None:
    a, b = training.read_losses(one), training.read_losses(other)
    assert a[["step", "split"]].equals(b[["step", "split"]])
    assert len(a) == 6 + 3  # a train loss a step, and test losses before the first, after 3 and after 6
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)
    weights, others = (load_file(next((f / "checkpoint").glob("*model.safetensors"))) for f in (one, other))
    assert weights.keys() == others.keys()
    for name in weights:
        if not name.endswith("c_attn.bias"):  # keys' biases have no gradient but rounding, which Adam makes steps of
            torch.testing.assert_close(weights[name], others[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.ci
def test_two_processes_train_as_one_does(trained: Callable[[str], Path]) -> None:
    method = METHODS[0]
    folder = trained(method)
    assert_same(folder / f"one-{method}", folder / f"two-{method}")
    held = store.read_json(folder / f"two-{method}" / "run.json")
    assert held is not None
    assert held["cost"]["processes"] == 2
    assert not (folder / f"two-{method}" / "resume").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", [pytest.param(METHODS[0], marks=pytest.mark.ci), *METHODS[1:]])
def test_shards_train_as_a_whole_does_and_continue_after_a_kill(trained: Callable[[str], Path], method: str) -> None:
    folder = trained(method)
    assert_same(folder / f"one-{method}", folder / f"shards-{method}")
    held = store.read_json(folder / f"shards-{method}" / "run.json")
    assert held is not None
    assert held["cost"]["processes"] == 2
    assert held["cost"]["resumed_at"] == 2  # killed before step 4


def test_the_shipped_configuration_is_one_that_accelerate_reads() -> None:
    config = ClusterConfig.from_yaml_file(str(FSDP))
    assert config.distributed_type.value == "FSDP"
    assert config.mixed_precision == "bf16"
    assert config.fsdp_config["fsdp_version"] == 2


def test_a_batch_that_cannot_be_shared_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = schema.Recipe(corpus="c", batch=8, micro_batch=2)
    assert parallel.accumulation(recipe) == 4
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert parallel.accumulation(recipe) == 2
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(schema.BadInput, match="batch 8 cannot be shared by 3 processes of micro_batch 2"):
        parallel.accumulation(recipe)
