"""Training: exact to the last bit after a kill, the right loss, clear failures, and a falling loss for every method."""

from __future__ import annotations

import json
import math
import pickle
import shutil
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
from transformers import TrainerState, TrainingArguments

from astraios_utils import models, schema, store, training
from astraios_utils.training import cost, demonstration, identity, trainer
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


@pytest.mark.parametrize(
    ("method", "stop", "step"),
    [
        *((method, 6, 4) for method in ("LoRA", "P-Tuning", "AdapterH", "FFT", "AdaLoRA", "Prefix")),
        ("AdaLoRA", 8, 6),  # its ranks are final at step 6
    ],
)
def test_an_interrupted_run_ends_with_the_same_weights(
    make: Callable[..., training.Run], method: str, stop: int, step: int
) -> None:
    undisturbed, disturbed = make(method, "undisturbed"), make(method, "disturbed")
    training.train(undisturbed, quiet)
    with pytest.raises(Interrupted):
        training.train(disturbed, stop_at(stop))  # before the checkpoint of that step is written
    assert disturbed.record() is None
    assert not disturbed.checkpoint.exists()
    said: list[str] = []
    trained = training.train(disturbed, said.append)
    assert said[0] == f"{disturbed.model.slug}: continues at step {step}"
    spent = trained.record["cost"]
    assert (spent["resumed_at"], spent["tokens"]) == (step, 8 * 4 * 16)  # the lost ones do not count
    assert_same(undisturbed, disturbed)


# What a run that was killed at each moment of kill_training.py continues from.
MOMENTS = {
    "before the first checkpoint": 0,
    "between two checkpoints": 4,
    "in the middle of a line of the loss log": 4,
    "in the middle of a checkpoint's weights": 4,
    "between a checkpoint's weights and its optimiser": 4,
    "before a checkpoint is marked complete": 4,
    "while an old checkpoint is removed": 6,
    "before the tuned model stands in its place": 8,
    "before the record is written": 8,
}


OFTEN = ("between two checkpoints", "in the middle of a checkpoint's weights", "before the record is written")


@pytest.mark.slow
@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(OFTEN, marks=pytest.mark.smoke, id="often"),
        pytest.param(tuple(moment for moment in MOMENTS if moment not in OFTEN), id="others"),
    ],
)
def test_runs_killed_at_any_moment_end_with_the_same_weights(
    make: Callable[..., training.Run], tmp_path: Path, moments: tuple[str, ...]
) -> None:
    undisturbed = make("LoRA", "undisturbed")
    training.train(undisturbed, quiet)
    runs = [(moment, make("LoRA", f"killed-{i}")) for i, moment in enumerate(moments)]
    (tmp_path / "runs.pickle").write_bytes(pickle.dumps(runs))
    killer = [sys.executable, "-W", "ignore", Path(__file__).parents[1] / "kill_training.py", tmp_path / "runs.pickle"]
    done = subprocess.run(killer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for moment, run in runs:
        assert run.record() is None, moment
        spent = training.train(run, quiet).record["cost"]
        assert spent["resumed_at"] == MOMENTS[moment], moment
        assert spent["tokens"] == 8 * 4 * 16, moment  # of both parts together
        assert sorted(p.name for p in run.folder.iterdir()) == ["checkpoint", "losses.jsonl", "run.json"], moment
        assert_same(undisturbed, run)


@pytest.mark.parametrize("damage", ["unmarked", "truncated", "changed"])
def test_a_damaged_checkpoint_is_not_continued_from(make: Callable[..., training.Run], damage: str) -> None:
    whole, run = make("AdapterH", "whole"), make("AdapterH")
    training.train(whole, quiet)
    with pytest.raises(Interrupted):
        training.train(run, stop_at(6))
    newest = run.folder / "resume" / "checkpoint-4"
    if damage == "unmarked":  # as if killed while it was written
        (newest / trainer.COMPLETE).unlink()
    else:
        held = bytearray((newest / "optimizer.pt").read_bytes())
        held[len(held) // 2] ^= 1
        (newest / "optimizer.pt").write_bytes(held[: len(held) // 2] if damage == "truncated" else held)
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
    with pytest.raises(Interrupted):
        training.train(changed, stop_at(2))
    assert run.record() is None  # the losses beside it are of another recipe by now
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


def test_a_moved_base_and_corpus_leave_a_run_current(make: Callable[..., training.Run], tmp_path: Path) -> None:
    run = make("LoRA", steps=2)
    training.train(run, quiet)
    base = Path(shutil.copytree(run.base.model, tmp_path / "elsewhere"))
    corpus = Path(shutil.copy(run.recipe.corpus, tmp_path / "documents.jsonl"))
    recipe = run.recipe.model_copy(update={"corpus": str(corpus), "corpus_test": str(corpus)})
    assert replace(run, base=run.base.model_copy(update={"model": str(base)}), recipe=recipe).record() is not None
    (base / "config.json").write_text((base / "config.json").read_text() + " ")
    assert replace(run, base=run.base.model_copy(update={"model": str(base)}), recipe=recipe).record() is None


def test_identities_tell_large_files_and_nested_ones_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_WHOLE", 1 << 20)
    (tmp_path / "data").mkdir()
    weights, rows = tmp_path / "model.safetensors", tmp_path / "data" / "rows.parquet"
    weights.write_bytes(bytes(3 << 20))
    rows.write_bytes(b"one")
    before = identity.identities(tmp_path)
    assert set(before) == {"model.safetensors", "data/rows.parquet"}
    rows.write_bytes(b"two, longer")
    weights.write_bytes(bytes(2 << 20) + b"tuned" * 100_000 + bytes((1 << 20) - 500_000))
    after = identity.identities(tmp_path)
    assert before["model.safetensors"].split(",")[0] == after["model.safetensors"].split(",")[0] == "3145728 bytes"
    assert all(before[name] != after[name] for name in before)


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
    spent = trained.record["cost"]
    # Rank 8 on c_attn (32 -> 32 + 2 x 8), attn.c_proj (32 -> 32) and mlp.c_proj (128 -> 32) of one layer.
    assert spent["trainable_parameters"] == 8 * ((32 + 48) + (32 + 32) + (128 + 32))
    assert spent["checkpoint_bytes"] >= 4 * spent["trainable_parameters"]
    assert spent["tokens"] == 8 * 4 * 16
    assert spent["tokens_per_second"] > 0
    assert spent["host_peak_mib"] > 0
    assert (spent["base_precision"], spent["compute"]) == ("float32", "float32")
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


@pytest.mark.parametrize("method", ["FFT", "LoRA", "P-Tuning", "Prefix"])
def test_the_fused_head_gives_the_same_losses(make: Callable[..., training.Run], method: str) -> None:
    init = trainer.Tuner.__init__

    def fused(self: trainer.Tuner, *args: Any, **kwargs: Any) -> None:
        init(self, *args, fused=True, **kwargs)

    plain = training.train(make(method, "plain", answers_only=True), quiet).losses
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Tuner, "__init__", fused)
        losses = training.train(make(method, "fused", answers_only=True), quiet).losses
    assert losses["loss"].to_list() == pytest.approx(plain["loss"].to_list(), rel=1e-4)
    assert losses["grad_norm"].dropna().to_list() == pytest.approx(plain["grad_norm"].dropna().to_list(), rel=1e-3)


@pytest.mark.parametrize("method", ["FFT", "P-Tuning", "Prefix"])
def test_train_and_test_loss_are_over_the_same_tokens(make: Callable[..., training.Run], method: str) -> None:
    # Behind virtual tokens a sequence's first token could be predicted, too: 16 instead of 15 of 16 tokens. The first
    # step trains at a rate of 0 on the documents of the only pass, which are also the held-out ones.
    run = make(method, steps=1, batch=2, micro_batch=1, test_sequences=2, evaluate_every=1)
    one = Path(run.recipe.corpus).with_name("one.jsonl")
    one.write_text(json.dumps({"prompt": "What is it?", "completion": "It is it." * 9}) + "\n")
    run = replace(run, recipe=run.recipe.model_copy(update={"corpus": str(one), "corpus_test": str(one)}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Dropout, "forward", lambda _, x: x)
        losses = training.train(run, quiet).losses
    assert losses["loss"].to_list() == pytest.approx([losses["loss"].iloc[0]] * 3, rel=1e-5)


def test_runs_of_one_process_do_not_show_each_others_memory() -> None:
    held = torch.ones(1 << 26)  # 256 MiB
    high = store.peak_memory_mib()
    del held
    meter = cost.Meter()
    assert meter.record()["host_peak_mib"] < high - 200


def test_processor_energy_adds_up_over_wraps(tmp_path: Path) -> None:
    for zone, name, joules in ((0, "package-0", 999), (1, "psys", 5), (2, "package-1", 10)):
        folder = tmp_path / f"intel-rapl:{zone}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{1000 * 10**6 - 1}\n")
        (folder / "energy_uj").write_text(f"{joules * 10**6}\n")
    energy = cost.CpuEnergy(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text(f"{4 * 10**6}\n")  # 999 -> 1000 = 0 -> 4: 5 J
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("100000000\n")  # the whole platform: holds the packages
    (tmp_path / "intel-rapl:2" / "energy_uj").write_text(f"{12 * 10**6}\n")  # 2 J
    assert energy.read() == pytest.approx(7)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert math.isnan(energy.read())
    assert math.isnan(cost.CpuEnergy(tmp_path / "none").read())


def test_adaloras_regulariser_is_pefts(make: Callable[..., training.Run]) -> None:
    model = models.attach(tiny(), "AdaLoRA")
    stir(model, std=0.1)
    model.eval()
    x = tokens(2)
    with_it = model(x, labels=x).loss  # PEFT adds it to a model's own loss
    without = torch.nn.functional.cross_entropy(model(x).logits[:, :-1].flatten(0, 1), x[:, 1:].flatten())
    assert trainer.orthogonality(model).item() == pytest.approx((with_it - without).item(), rel=1e-4)


def test_a_matrix_that_adalora_leaves_no_rank_loads_as_it_was_trained(
    make: Callable[..., training.Run], recwarn: pytest.WarningsRecorder
) -> None:
    run = make("AdaLoRA", changes={"init_r": 2, "target_r": 1, "tinit": 2, "tfinal": 2, "deltaT": 1, "total_step": 8})
    end = training.train(run, quiet).losses.query("split == 'test'")["loss"].iloc[-1]
    ranks = json.loads((run.checkpoint / "adapter_config.json").read_text())["rank_pattern"]
    assert sorted({sum(kept) for kept in ranks.values()})[0] == 0
    batches = trainer.held_out_batches(
        training.corpus.open_corpus(run.recipe, 0, held_out=True), tokenizer(), run.recipe
    )
    model = models.load_tuned(run.base, run.checkpoint).eval()
    rows = torch.cat([batch["input_ids"] for batch in batches])
    loss = torch.nn.functional.cross_entropy(model(rows).logits[:, :-1].flatten(0, 1), rows[:, 1:].flatten())
    assert loss.item() == pytest.approx(end, rel=1e-5)
    said = [str(one.message) for one in recwarn]
    assert not [text for text in said if "invalid shape" in text or "rank_pattern" in text]


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
    with pytest.raises(TrainingFailed, match=r"step 0: the test loss is nan before any training \(is the base"):
        training.train(run, quiet)
    run = replace(run, recipe=run.recipe.model_copy(update={"corpus_test": None, "answers_only": True}))
    complaint = (
        "step 1: the train loss is nan at a learning rate of 0.0e+00: lower the recipe's learning rate, lengthen "
        "warmup_steps, set compute: float32, raise batch (a step may hold no answer); checkpoints from before this "
        "step are kept"
    )
    with pytest.raises(TrainingFailed) as caught:
        training.train(run, quiet)
    assert str(caught.value) == complaint
    assert run.record() is None


def test_a_request_that_no_machine_can_meet_is_out_of_memory(make: Callable[..., training.Run]) -> None:
    def greedy(line: str) -> None:
        if line.startswith("step 2/"):
            torch.empty(1 << 60)  # PyTorch's own words, not ours

    with pytest.raises(TrainingFailed, match=r"tiny-fft: out of memory \(.*allocate.*\): try micro_batch: 1, gradient"):
        training.train(make("FFT", gradient_checkpointing=False), greedy)


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
    with pytest.raises(schema.BadInput, match="do not fill one sequence of 200 tokens"):
        training.train(make("LoRA", corpus_test=str(short), sequence_length=200), quiet)


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
    done = [training.train(training.plan(suite, model), quiet) for model in suite.models]
    assert [t.checkpoint.parent.name for t in done] == ["tiny-lora", "tiny-small"]
    table = training.collect(suite)
    # Rank 2 on c_attn of one layer: 32 -> 48.
    assert table.set_index("method")["trainable_parameters"].to_dict()["Small"] == 2 * (32 + 48)
    model, _ = training.load_trained(suite, suite.models[1])
    assert model.active_peft_config.r == 2


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
    refuse(r"names no base of size 1.1M \(bases: tiny\)", sizes=["1.1M"])
    refuse("unknown method 'Smal': did you mean Small", methods=["Smal"])
    lacks = "unknown method .one of your own needs a peft_type, or what it is like. 'Lora2'"
    refuse(lacks, method_configs={"Lora2": {"r": 2}})
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
    assert len(runs) == 28 + 8  # and appendix F's two methods at four sizes
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


@pytest.mark.slow
def test_every_methods_loss_on_the_instruction_sample_falls(
    mirror: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(mirror))
    assert demonstration.obstacle() == ""
    suite = demonstration.suite(quiet)
    for model in suite.models:
        training.train(training.plan(suite, model), quiet)
    losses = training.loss_logs(suite)
    assert losses["method"].unique().tolist() == list(schema.METHODS)
    for method, part in losses.groupby("method"):
        test = part.query("split == 'test'").set_index("step")["loss"]
        assert test[60] < test[0] - 0.05, method  # train losses are of other documents at each step
    said: list[str] = []
    again = demonstration.suite(said.append)
    assert (again, len(said)) == (suite, 1)  # the base is trained once


def test_what_the_demonstration_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path))
    assert demonstration.obstacle().startswith(f"Missing from the mirror: {tmp_path}/conala/train.json")
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    assert "no mirror here; set ASTRAIOS_MIRROR" in demonstration.obstacle()
    assert training.loss_logs(store.load_suite("paper")).empty
    assert training.loss_logs(store.load_suite("released")).empty


@pytest.mark.parametrize("method", ["LoRA", "P-Tuning", "AdapterH", "Parallel", "(IA)3"])
def test_training_on_an_8_bit_base(
    make: Callable[..., training.Run], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    # bitsandbytes also computes on a CPU, slowly: what a GPU does is tried whole, but for its own kernels.
    monkeypatch.setattr(models, "weights_precision", lambda *_: "8bit")
    run = make(method, steps=2, learning_rate=1e-3)
    trained = training.train(run, quiet)
    assert trained.record["cost"]["base_precision"] == "8bit"
    assert trained.losses["loss"].notna().all()
    assert (trained.losses.query("split == 'train'")["grad_norm"] > 0).all()
    model = models.load_tuned(run.base, run.checkpoint, "8bit")
    batches = trainer.held_out_batches(
        training.corpus.open_corpus(run.recipe, 0, held_out=True), tokenizer(), run.recipe
    )
    nll = [model(**batch).loss.item() for batch in batches]  # each over 2 x 15 tokens, behind virtual ones or not
    assert trained.losses["loss"].iloc[-1] == pytest.approx(sum(nll) / len(nll), rel=2e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["8bit", "bfloat16"])
@pytest.mark.parametrize("method", schema.METHODS)
def test_training_on_a_gpu(make: Callable[..., training.Run], method: str, precision: str) -> None:
    trained = training.train(make(method, base_precision=precision), quiet)
    assert trained.record["cost"]["base_precision"] == ("float32" if method == "FFT" else precision)
    assert trained.record["cost"]["gpu_peak_mib"] > 0
    assert trained.losses["loss"].notna().all()


def test_gradients_that_overflow_in_float16_are_the_scalers_affair(tmp_path: Path) -> None:
    """Its scale starts at 2^16 and is halved at each overflow: 16 in a row can be sound, 17 cannot."""
    recipe = schema.Recipe(corpus="none")
    losses = trainer.TrainingLog(
        recipe,
        tmp_path / "losses.jsonl",
        meter=cost.Meter(None),
        data=Any,  # type: ignore[arg-type]
        inputs={},
        progress=quiet,
        tests=False,
        resumed=None,
    )

    def log(step: int, norm: float, fp16: bool = True) -> None:
        args, state = TrainingArguments(tmp_path, fp16=fp16, use_cpu=True), TrainerState(global_step=step)
        losses.on_log(args, state, None, logs={"loss": 1.0, "grad_norm": norm, "learning_rate": 1e-4})

    for step in range(1, 17):
        log(step, math.inf)
    log(17, 1.0)
    for step in range(18, 34):
        log(step, math.nan)
    with pytest.raises(TrainingFailed, match="step 34: the gradient's norm is inf"):
        log(34, math.inf)
    with pytest.raises(TrainingFailed, match="step 1: the gradient's norm is nan"):
        log(1, math.nan, fp16=False)
