"""Training: exact to the last bit after a kill, the right loss, clear failures, and a falling loss for every method."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_models import stir, tiny, tokenizer, tokens

from astraios_utils import models, schema, store, training
from astraios_utils.training import trainer
from astraios_utils.training.trainer import TrainingFailed

PAIRS = [(f"What is {i} + {i}?", f"It is {2 * i}." + " Add them." * (i % 4)) for i in range(120)]
# The published dropout stays on: a resume is exact only where its random numbers continue, too.
SMALL: dict[str, dict[str, Any]] = {
    "P-Tuning": {"num_virtual_tokens": 4},
    "Prompt": {"num_virtual_tokens": 4},
    "AdapterH": {"bottleneck_size": 8},
    "AdaLoRA": {"tinit": 2, "tfinal": 2, "deltaT": 2, "total_step": 8},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny(vocab_size=300, n_layer=1, resid_pdrop=0.1).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "documents.jsonl"
    path.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in PAIRS))
    return path


@pytest.fixture
def make(base: Path, documents: Path, tmp_path: Path) -> Callable[..., training.Run]:
    def run(method: str, folder: str = "run", changes: dict[str, Any] | None = None, **fields: Any) -> training.Run:
        small: dict[str, Any] = {
            "corpus": str(documents),
            "corpus_test": str(documents),
            "sequence_length": 16,
            "steps": 8,
            "batch": 4,
            "micro_batch": 2,
            "warmup_steps": 2,
            "learning_rate": 1e-2,
            "evaluate_every": 2,
            "test_sequences": 4,
            "save_every": 2,
        }
        recipe = schema.Recipe(**{**small, **fields})
        given = SMALL.get(method, {}) if changes is None else changes
        model = schema.Model("tiny", method)
        return training.Run(model, schema.Base(model=str(base)), recipe, given, 0, tmp_path / folder)

    return run


def quiet(_: str) -> None:
    """A progress that says nothing."""


class Interrupted(BaseException):
    """What a test stops a run with."""


def stop_at(step: int) -> Callable[[str], None]:
    def progress(line: str) -> None:
        if line.startswith(f"step {step}/"):
            raise Interrupted

    return progress


def weights(run: training.Run) -> dict[str, torch.Tensor]:
    return load_file(next(run.checkpoint.glob("*model.safetensors")))


def assert_same(one: training.Run, other: training.Run) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    pd.testing.assert_frame_equal(training.read_losses(one.folder), training.read_losses(other.folder))


@pytest.mark.parametrize("method", ["LoRA", "P-Tuning", "AdapterH", "FFT", "AdaLoRA", "Prefix"])
def test_an_interrupted_run_ends_with_the_same_weights(make: Callable[..., training.Run], method: str) -> None:
    undisturbed, disturbed = make(method, "undisturbed"), make(method, "disturbed")
    training.train(undisturbed, quiet)
    with pytest.raises(Interrupted):
        training.train(disturbed, stop_at(6))  # between the checkpoints of steps 4 and 6
    assert disturbed.record() is None
    assert not disturbed.checkpoint.exists()
    said: list[str] = []
    trained = training.train(disturbed, said.append)
    assert said[0] == f"{disturbed.model.slug}: continues at step 4"
    assert trained.record["cost"]["resumed_at"] == 4
    assert_same(undisturbed, disturbed)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(make: Callable[..., training.Run], tmp_path: Path) -> None:
    undisturbed, killed = make("LoRA", "undisturbed"), make("LoRA", "killed")
    training.train(undisturbed, quiet)
    code = f"""
import os, signal, torch
from pathlib import Path
from astraios_utils import schema, training
torch.set_num_threads(1)
def progress(line):
    if line.startswith("step 6/"):
        os.kill(os.getpid(), signal.SIGKILL)
training.train(training.Run(
    schema.Model("tiny", "LoRA"), schema.Base(model={killed.base.model!r}),
    schema.Recipe(**{killed.recipe.model_dump()!r}), {{}}, 0, Path({str(killed.folder)!r})), progress)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    said: list[str] = []
    training.train(killed, said.append)
    assert "continues at step 4" in said[0]
    assert_same(undisturbed, killed)


def test_half_a_checkpoint_is_not_continued_from(make: Callable[..., training.Run]) -> None:
    whole, run = make("AdapterH", "whole"), make("AdapterH")
    training.train(whole, quiet)
    with pytest.raises(Interrupted):
        training.train(run, stop_at(6))
    (run.folder / "resume" / "checkpoint-4" / trainer.COMPLETE).unlink()  # as if killed while it was written
    with (run.folder / "losses.jsonl").open("a") as stream:
        stream.write('{"step": 7, "sp')
    said: list[str] = []
    training.train(run, said.append)
    assert "continues at step 2" in said[0]
    assert_same(whole, run)


def test_a_finished_run_is_returned_and_a_changed_one_trained(make: Callable[..., training.Run]) -> None:
    run = make("LoRA", steps=2)
    first = training.train(run, quiet)
    stamp = (run.folder / "run.json").stat().st_mtime_ns
    again = training.train(run, pytest.fail)
    assert (run.folder / "run.json").stat().st_mtime_ns == stamp
    pd.testing.assert_frame_equal(again.losses, first.losses)
    changed = replace(run, recipe=run.recipe.model_copy(update={"learning_rate": 1e-3}))
    assert changed.record() is None
    training.train(changed, quiet)
    assert run.record() is None
    assert changed.record() is not None


def test_a_changed_base_or_corpus_makes_a_run_stale(make: Callable[..., training.Run], tmp_path: Path) -> None:
    run = make("LoRA", steps=2)
    own = tmp_path / "documents.jsonl"
    shutil.copy(run.recipe.corpus, own)
    run = replace(run, recipe=run.recipe.model_copy(update={"corpus": str(own)}))
    before = run.inputs
    own.write_text(own.read_text() + own.read_text())
    assert run.inputs != before


def test_what_a_run_leaves_behind(make: Callable[..., training.Run]) -> None:
    run = make("LoRA")
    trained = training.train(run, quiet)
    assert sorted(p.name for p in run.folder.iterdir()) == ["checkpoint", "losses.jsonl", "run.json"]
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {p.name for p in run.checkpoint.iterdir()}
    losses = trained.losses
    assert losses.query("split == 'train'")["step"].to_list() == list(range(1, 9))
    assert losses.query("split == 'test'")["step"].to_list() == [0, 2, 4, 6, 8]
    assert losses["tokens"].to_list() == (losses["step"] * 4 * 16).to_list()
    # Linear warm-up over 2 steps from 0, then a cosine to 0 over the other 6.
    rates = losses.query("split == 'train'")["learning_rate"].to_numpy()
    assert rates[:3] == pytest.approx([0, 5e-3, 1e-2])
    assert rates[5] == pytest.approx(5e-3)  # half way down: (1 + cos(pi / 2)) / 2
    cost = trained.record["cost"]
    # Rank 8 on c_attn (32 -> 32 + 2 x 8), attn.c_proj (32 -> 32) and mlp.c_proj (128 -> 32) of one layer.
    assert cost["trainable_parameters"] == 8 * ((32 + 48) + (32 + 32) + (128 + 32))
    assert cost["checkpoint_bytes"] >= 4 * cost["trainable_parameters"]
    assert cost["tokens"] == 8 * 4 * 16
    assert cost["tokens_per_second"] > 0
    assert cost["host_peak_mib"] > 0
    assert cost["base_precision"] == "float32"
    assert trained.record["packages"]["peft"]


def test_progress_tells_losses_speed_and_time_left(make: Callable[..., training.Run]) -> None:
    said: list[str] = []
    training.train(make("LoRA"), said.append)
    line = next(text for text in said if text.startswith("step 4/8"))
    for part in ("train loss", "test loss", "tokens/s", " left"):
        assert part in line


def step_gradients(make: Callable[..., training.Run], method: str, micro_batch: int) -> dict[str, torch.Tensor]:
    """Gradients of the first step of a run, whose base and adapters are the same for every ``micro_batch``."""
    run = make(method, f"{method}-{micro_batch}", steps=1, micro_batch=micro_batch, gradient_clip=0.0)
    kept: dict[str, torch.Tensor] = {}

    class Keep(trainer.TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            kept.update({n: p.grad.clone() for n, p in kwargs["model"].named_parameters() if p.grad is not None})

    init = trainer.Tuner.__init__

    def patched(self: trainer.Tuner, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.add_callback(Keep)
        for module in self.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Tuner, "__init__", patched)
        training.train(run, quiet)
    return kept


@pytest.mark.parametrize("method", ["AdapterH", "AdaLoRA"])
def test_splitting_a_step_does_not_change_its_gradient(make: Callable[..., training.Run], method: str) -> None:
    whole, split = step_gradients(make, method, 4), step_gradients(make, method, 1)
    assert whole.keys() == split.keys()
    for name in whole:
        torch.testing.assert_close(whole[name], split[name], rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_models_own_cross_entropy(make: Callable[..., training.Run], base: Path) -> None:
    run = make("FFT", steps=2, test_sequences=3)
    losses = training.train(run, quiet).losses
    batches = trainer.held_out_batches(
        training.corpus.open_corpus(run.recipe, 0, held_out=True), tokenizer(), run.recipe
    )
    rows = torch.cat([batch["input_ids"] for batch in batches])
    assert rows.shape == (3, 16)
    wanted = models.load_base(schema.Base(model=str(base))).eval()(rows, labels=rows).loss
    assert losses.query("split == 'test' and step == 0")["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_adaloras_regulariser_is_pefts(make: Callable[..., training.Run]) -> None:
    model = models.attach(tiny(), "AdaLoRA")
    stir(model, std=0.1)
    model.eval()
    x = tokens(2)
    with_it = model(x, labels=x).loss  # PEFT adds it to a model's own loss
    without = torch.nn.functional.cross_entropy(model(x).logits[:, :-1].flatten(0, 1), x[:, 1:].flatten())
    assert trainer.orthogonality(model).item() == pytest.approx((with_it - without).item(), rel=1e-4)


def test_logged_losses_are_cross_entropy_alone(make: Callable[..., training.Run]) -> None:
    # Untrained, AdaLoRA changes nothing, so its first loss is LoRA's; its regulariser alone is above 1 here.
    first = [training.train(make(m, m, steps=1), quiet).losses.iloc[1] for m in ("AdaLoRA", "LoRA")]
    assert first[0]["split"] == "train"
    assert first[0]["loss"] == pytest.approx(first[1]["loss"], rel=0.05)  # dropout differs


def test_answers_only_leaves_questions_out_of_the_loss(make: Callable[..., training.Run]) -> None:
    both = [training.train(make("LoRA", str(a), steps=1, answers_only=a), quiet).losses for a in (False, True)]
    assert both[0]["loss"].iloc[0] != both[1]["loss"].iloc[0]
    assert both[0]["tokens"].equals(both[1]["tokens"])


def test_a_prefix_acts_under_gradient_checkpointing(make: Callable[..., training.Run]) -> None:
    # Checkpointed layers drop the KV cache that a prefix is handed over as; then no gradient would reach it.
    losses = training.train(make("Prefix", steps=2, gradient_checkpointing=True), quiet).losses
    assert (losses.query("split == 'train'")["grad_norm"] > 0).all()


def test_checkpointing_fewer_layers_changes_nothing_but_memory(make: Callable[..., training.Run]) -> None:
    runs = [make("AdapterH", f"every-{n}", steps=2, checkpoint_every=n) for n in (1, 2)]
    first, second = (training.train(run, quiet).losses["loss"].to_list() for run in runs)
    assert first == pytest.approx(second, rel=1e-5)


def test_a_loss_that_is_no_number_stops_the_run(make: Callable[..., training.Run], tmp_path: Path) -> None:
    broken = tiny(vocab_size=300, n_layer=1)
    with torch.no_grad():
        broken.transformer.ln_f.weight[0] = float("nan")
    broken.save_pretrained(tmp_path / "broken")
    tokenizer().save_pretrained(tmp_path / "broken")
    run = replace(make("LoRA"), base=schema.Base(model=str(tmp_path / "broken")))
    with pytest.raises(TrainingFailed, match=r"step 1: the loss is nan at a learning rate of .*: lower the recipe's"):
        training.train(run, quiet)
    assert run.record() is None


def test_running_out_of_memory_says_what_to_change(
    make: Callable[..., training.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nmore")

    monkeypatch.setattr(trainer.Tuner, "compute_loss", full)
    with pytest.raises(TrainingFailed) as caught:
        training.train(make("LoRA", base_precision="float32", gradient_checkpointing=False), quiet)
    assert str(caught.value) == (
        "tiny-lora: out of memory (CUDA out of memory. Tried to allocate 20.00 MiB.): try micro_batch: 1, "
        "gradient_checkpointing: true, base_precision: 8bit, a shorter sequence_length, a smaller size"
    )


def test_held_out_documents_that_fill_no_sequence_are_refused(
    make: Callable[..., training.Run], tmp_path: Path
) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text('{"prompt": "a", "completion": "b"}\n')
    with pytest.raises(schema.BadInput, match="do not fill one sequence of 512 tokens"):
        training.train(make("LoRA", corpus_test=str(short), sequence_length=512), quiet)


def suite_file(folder: Path, base: Path, documents: Path, **fields: Any) -> Path:
    path = folder / "mine.yaml"
    recipe = {"corpus": str(documents), "sequence_length": 16, "steps": 2, "batch": 2, "save_every": 9}
    content = {
        "name": "mine",
        "title": "T",
        "sizes": ["tiny"],
        "methods": ["LoRA", "Small"],
        "method_configs": {"Small": {"peft_type": "LORA", "r": 2, "target_modules": ["c_attn"]}},
        "tasks": ["defect"],
        "bases": {"tiny": {"model": str(base)}},
        "recipe": recipe,
    }
    path.write_text(yaml.safe_dump({**content, **fields}))
    return path


def test_a_users_own_suite_trains_and_loads(tmp_path: Path, build: Path, base: Path, documents: Path) -> None:
    suite = store.load_suite(str(suite_file(tmp_path, base, documents)))
    said: list[str] = []
    done = training.train_suite(suite, progress=said.append)
    assert [t.checkpoint.parent.name for t in done] == ["tiny-lora", "tiny-small"]
    table = training.collect(suite)
    # Rank 2 on c_attn of one layer: 32 -> 48.
    assert table.set_index("method")["trainable_parameters"].to_dict()["Small"] == 2 * (32 + 48)
    model, _ = training.load_trained(suite, suite.models[1])
    assert model.active_peft_config.r == 2
    said.clear()
    training.train_suite(suite, progress=said.append)
    assert [line.split(": ")[1] for line in said] == ["finished before"] * 2


def test_bad_suites_are_one_clear_line(tmp_path: Path, build: Path, base: Path, documents: Path) -> None:
    def load(**fields: Any) -> None:
        suite = schema.read_suite(suite_file(tmp_path, base, documents, **fields))
        training.load_trained(suite, suite.models[0])

    def refuse(complaint: str, **fields: Any) -> None:
        with pytest.raises(schema.AstraiosError, match=complaint) as caught:
            load(**fields)
        assert "\n" not in str(caught.value)

    refuse("no finished training with this recipe; run `astraios train --suite mine --size tiny --method 'LoRA'`")
    refuse("has no recipe", recipe=None)
    refuse(r"names no base of size 2M \(bases: tiny\)", sizes=["2M"])
    refuse("unknown method 'Smal': did you mean Small", methods=["Smal"])
    refuse("unknown method .one of your own needs a peft_type. 'Lora2'", method_configs={"Lora2": {"r": 2}})
    rates = {"corpus": "x", "learning_rates": {"LoRAA": 1}}
    refuse("unknown method .learning_rates. 'LoRAA': did you mean LoRA", recipe=rates)
    refuse("recipe: .*batch 3 is not a multiple of micro_batch 2", recipe={"corpus": "x", "batch": 3, "micro_batch": 2})
    refuse("recipe.steps: Input should be greater than or equal to 1", recipe={"corpus": "x", "steps": 0})


def test_what_keeps_a_machine_from_training_is_said(tmp_path: Path, base: Path, documents: Path) -> None:
    assert training.obstacle(schema.read_suite(suite_file(tmp_path, base, documents))) == ""
    assert "has no recipe" in training.obstacle(store.load_suite("released"))
    assert training.collect(store.load_suite("released"), []).empty
    sizes = schema.read_suite(suite_file(tmp_path, base, documents, sizes=["tiny", "big"]))
    assert training.obstacle(sizes) == "Suite mine names no base of size big."
    if not torch.cuda.is_available():
        assert training.obstacle(store.load_suite("paper")).startswith("No GPU here: bases of size 1B, 3B, 7B, 16B")


def test_the_papers_recipe() -> None:
    suite = store.load_suite("paper")
    runs = [training.plan(suite, model) for model in suite.models]
    assert len(runs) == 28
    recipe = runs[0].recipe
    # Section 2.2; what the paper does not print is in the released run_peft.sh.
    assert (recipe.sequence_length, recipe.steps, recipe.warmup_steps, recipe.schedule) == (2048, 200, 12, "cosine")
    assert (recipe.batch, recipe.micro_batch, recipe.weight_decay) == (32, 1, 0.05)
    assert (recipe.rate("LoRA"), recipe.rate("FFT")) == (1e-4, 1e-6)
    assert (recipe.base_precision, recipe.evaluate_every) == ("8bit", 10)
    assert {run.base.model for run in runs} == {
        "bigcode/starcoderbase-1b",
        "bigcode/starcoderbase-3b",
        "bigcode/starcoderbase-7b",
        "bigcode/starcoderbase",
    }


@pytest.mark.parametrize("method", schema.METHODS)
def test_the_loss_on_the_instruction_sample_falls(make: Callable[..., training.Run], mirror: Path, method: str) -> None:
    sample = mirror / "guanaco_sample"
    run = make(
        method,
        changes={},  # the paper's own sizes
        corpus=str(sample / "oasst_commitpackft_manual.jsonl.xz"),
        corpus_test=str(sample / "oasst_commitpackft.jsonl.xz"),
        sequence_length=64,
        steps=20,
        batch=8,
        micro_batch=8,
        learning_rate=2e-2,
        evaluate_every=10,
        test_sequences=16,
        save_every=100,
    )
    test = training.train(run, quiet).losses.query("split == 'test'").set_index("step")["loss"]
    assert test[20] < test[0] - 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["8bit", "bfloat16"])
@pytest.mark.parametrize("method", schema.METHODS)
def test_training_on_a_gpu(make: Callable[..., training.Run], method: str, precision: str) -> None:
    trained = training.train(make(method, base_precision=precision), quiet)
    assert trained.record["cost"]["base_precision"] == ("float32" if method == "FFT" else precision)
    assert trained.record["cost"]["gpu_peak_mib"] > 0
    assert trained.losses["loss"].notna().all()
