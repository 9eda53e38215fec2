"""Two processes train as one does: data parallel, and sharded by the FSDP configuration that ships."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
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
SCRIPT = Path(__file__).with_name("train_together.py")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    tiny(vocab_size=300).save_pretrained(tmp_path / "base")
    tokenizer().save_pretrained(tmp_path / "base")
    pairs = [{"prompt": f"What is {i} + {i}?", "completion": f"It is {2 * i}."} for i in range(60)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    fields = {
        "base": str(tmp_path / "base"),
        **dict.fromkeys(("corpus", "corpus_test"), str(tmp_path / "documents.jsonl")),
        **{"sequence_length": 16, "steps": 6, "batch": 8, "micro_batch": 2, "warmup_steps": 2, "learning_rate": 1e-2},
        **{"evaluate_every": 3, "test_sequences": 4, "save_every": 2},
    }
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(fields))
    return path


def sharding() -> dict[str, str]:
    """What `accelerate launch` sets for the shipped configuration, in float32, so that losses can be compared."""
    launched = launch_command_parser().parse_args(["--config_file", str(FSDP), "--num_processes", "2", str(SCRIPT)])
    given = prepare_multi_gpu_env(_validate_launch_command(launched)[0])
    return {key: value for key, value in given.items() if key.startswith(("FSDP_", "ACCELERATE_USE_FSDP"))}


def together(recipe: Path, method: str, folder: Path, *stop: str, fsdp: bool = False) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **common, **(sharding() if fsdp else {}), "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(recipe), method, str(folder), *stop]
    started = [
        subprocess.Popen(command, env={**environment, "RANK": n, "LOCAL_RANK": n}, stderr=subprocess.PIPE, text=True)
        for n in ("0", "1")
    ]
    said = [process.communicate()[1] for process in started]
    for process, text in zip(started, said, strict=True):
        assert bool(process.returncode) == bool(stop), text[-3000:]


def alone(recipe: Path, method: str, folder: Path) -> None:
    fields = json.loads(recipe.read_text())
    base = schema.Base(model=fields.pop("base"))
    changes = {} if method == "FFT" else {"lora_dropout": 0.0}
    run = training.Run(schema.Model("tiny", method), base, schema.Recipe(**fields), changes, 0, folder)
    training.train(run, lambda _: None)


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


def test_two_processes_train_as_one_does(recipe: Path, tmp_path: Path) -> None:
    alone(recipe, "LoRA", tmp_path / "one")
    together(recipe, "LoRA", tmp_path / "two")
    assert_same(tmp_path / "one", tmp_path / "two")
    held = store.read_json(tmp_path / "two" / "run.json")
    assert held is not None
    assert held["cost"]["processes"] == 2
    assert not (tmp_path / "two" / "resume").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["FFT", "LoRA"])
def test_shards_train_as_a_whole_does_and_continue_after_a_kill(recipe: Path, tmp_path: Path, method: str) -> None:
    alone(recipe, method, tmp_path / "one")
    together(recipe, method, tmp_path / "shards", "4", fsdp=True)
    assert not (tmp_path / "shards" / "run.json").exists()
    assert (tmp_path / "shards" / "resume" / "checkpoint-2").is_dir()
    together(recipe, method, tmp_path / "shards", fsdp=True)
    assert_same(tmp_path / "one", tmp_path / "shards")
    held = store.read_json(tmp_path / "shards" / "run.json")
    assert held is not None
    assert held["cost"]["resumed_at"] == 2


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
