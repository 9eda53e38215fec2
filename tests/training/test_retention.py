"""Forgetting: loss and completions on held-out pre-training text, before and after tuning; and the untuned base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_models import tiny, tokenizer

from astraios_utils import models, schema, training
from astraios_utils.training import retention

PLAIN = ("", "It is a number. It is a number. It is a number.")
ASKED = ("What is it? ", "It is a number.")


def test_loss_is_over_answers_and_whole_plain_documents() -> None:
    model, made = tiny(vocab_size=300).eval(), tokenizer()
    for prompt, completion in (PLAIN, ASKED):
        found = retention.measure(model, made, [(prompt, completion)])
        encoded = made(prompt + completion, return_offsets_mapping=True)
        ids = [*encoded["input_ids"], made.eos_token_id]
        ends = [end for _, end in encoded["offset_mapping"]]
        start = max(1, sum(end <= len(prompt) for end in ends))  # nothing predicts a first token
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        nll = [-logits[at - 1].log_softmax(-1)[ids[at]].item() for at in range(start, len(ids))]
        assert found["retained_loss"] == pytest.approx(sum(nll) / len(nll), rel=1e-4)
        assert (found["retained_completion"] is None) == bool(prompt)


def test_a_completion_counts_where_greedy_decoding_gives_the_second_half() -> None:
    model, made = tiny(vocab_size=300).train(), tokenizer()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    ids = torch.tensor([[*made(PLAIN[1])["input_ids"], made.eos_token_id]])
    assert retention.measure(model, made, [PLAIN])["retained_completion"] == 0
    for _ in range(60):
        optimizer.zero_grad()
        model(ids, labels=ids).loss.backward()
        optimizer.step()
    assert model.training
    assert (
        retention.measure(model, made, [PLAIN, ("", "Something else, again and again.")])["retained_completion"] == 50
    )
    assert model.training
    half = ids.shape[1] // 2
    written = model.eval().generate(
        ids[:, : half + 1], attention_mask=torch.ones_like(ids[:, : half + 1]), do_sample=False, pad_token_id=0,
        max_new_tokens=ids.shape[1] - half - 1,
    )  # fmt: skip
    assert torch.equal(written, ids)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    tiny(vocab_size=300, n_layer=1).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def _recipe(tmp_path: Path) -> schema.Recipe:
    path = tmp_path / "documents.jsonl"
    rows = [{"prompt": f"What is {i}?", "completion": "It is a number."} for i in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept = tmp_path / "kept.jsonl"
    kept.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in (PLAIN, ASKED)))
    sizes = {"sequence_length": 16, "steps": 4, "batch": 2, "micro_batch": 2, "warmup_steps": 1, "test_sequences": 3}
    files = {"corpus": str(path), "corpus_test": str(path), "retained": str(kept)}
    return schema.Recipe(**files, **sizes, learning_rate=3e-2, evaluate_every=2, base_precision="float32")


@pytest.mark.parametrize("method", ["FFT", "Prompt"])
def test_a_run_says_what_it_forgot(method: str, base: Path, tmp_path: Path) -> None:
    changes = {"num_virtual_tokens": 4} if method == "Prompt" else {}
    model = schema.Model("tiny", method)
    run = training.Run(model, schema.Base(model=str(base)), _recipe(tmp_path), changes, 0, tmp_path / "run")
    trained = training.train(run, lambda _: None)
    cost = trained.record["cost"]
    assert cost["retained_loss"] != cost["retained_loss_base"]
    made = tokenizer()
    before = retention.measure(models.load_base(run.base), made, [PLAIN, ASKED])["retained_loss"]
    assert cost["retained_loss_base"] == pytest.approx(before, rel=1e-5)
    after = retention.measure(models.load_tuned(run.base, run.checkpoint), made, [PLAIN, ASKED])["retained_loss"]
    assert cost["retained_loss"] == pytest.approx(after, rel=1e-4)
    assert cost["host_peak_above_base_mib"] < cost["host_peak_mib"]
    tests = trained.losses[trained.losses["split"] == "test"]
    for row in tests.to_dict("records"):  # each held-out sequence: the sum of its cross-entropy, and 15 of 16 tokens
        assert [tokens for _, tokens in row["sequences"]] == [15, 15, 15]
        assert row["loss"] == pytest.approx(sum(nll for nll, _ in row["sequences"]) / 45)


def test_the_untuned_base_is_a_model_like_any_other(base: Path, tmp_path: Path) -> None:
    model = schema.Model("tiny", schema.UNTUNED)
    run = training.Run(model, schema.Base(model=str(base)), _recipe(tmp_path), {}, 0, tmp_path / "run")
    trained = training.train(run, lambda _: None)
    assert trained.losses["split"].to_list() == ["test"]
    assert trained.record["cost"]["trainable_parameters"] == 0
    assert trained.record["cost"]["retained_loss"] == trained.record["cost"]["retained_loss_base"]
    held = models.load_tuned(run.base, run.checkpoint).state_dict()
    assert all(torch.equal(value, held[name]) for name, value in models.load_base(run.base).state_dict().items())
    assert training.train(run, lambda _: None).record == trained.record
