"""Likelihoods: those of a plain forward pass for every method and architecture, whatever the batch."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from tiny_models import stir, tiny, tokenizer

from astraios_utils import models, schema
from astraios_utils.generation import likelihood
from astraios_utils.generation.engine import Engine
from astraios_utils.generation.likelihood import Asked, measure

SMALL: dict[str, dict[str, Any]] = {
    **{method: {"num_virtual_tokens": 4} for method in ("P-Tuning", "Prompt", "Prefix")},
    **{method: {"bottleneck_size": 8} for method in ("AdapterH", "AdapterP", "Parallel")},
}
ASKED = [
    Asked("Question: add\n\nAnswer:", ("\n    return a + b", "\n    return a - b")),
    Asked("Q", ("\n    x = 1", "\n    x = 1\n    return x")),  # the first text is the beginning of the second
    Asked("Question: What does this return?\n\nAnswer:\ndef f(x):", ("\n    return [x for x in x if x]",)),
    Asked("does this", (" return the sum of a list?", "!", " return the sum")),
    Asked("one token", ("!",)),
]


def tuned(method: str = "FFT", model_type: str = "gpt_bigcode", **fields: Any) -> Any:
    model = models.attach(tiny(model_type, vocab_size=300, **fields), method, SMALL.get(method))
    if method != "FFT":
        stir(model, std=0.2)
    return model.eval()


def plain(model: Any, prompt: str, text: str) -> float:
    """Nats of a text by one forward pass over prompt and text, unpadded, with PEFT's own code."""
    first = tokenizer()(prompt)["input_ids"]
    whole = tokenizer()(prompt + text)["input_ids"]
    if whole[: len(first)] != first:
        whole = first + tokenizer()(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([whole]), attention_mask=torch.ones(1, len(whole))).logits[0]
    logits = logits[-len(whole) :].double().log_softmax(-1)  # prompt methods put virtual tokens first
    return -sum(float(logits[at - 1, whole[at]]) for at in range(len(first), len(whole)))


@pytest.mark.parametrize("method", ["FFT", "LoRA", "(IA)3", "AdapterH", "Parallel", "P-Tuning", "Prompt", "Prefix"])
@pytest.mark.parametrize("model_type", ["gpt_bigcode", "llama"])
def test_equal_to_a_plain_forward_pass(model_type: str, method: str) -> None:
    model = tuned(method, model_type)
    found, read = measure(Engine(model, tokenizer()), ASKED)
    for one, texts in zip(ASKED, found, strict=True):
        for text, likely in zip(one.texts, texts, strict=True):
            assert likely.nats == pytest.approx(plain(model, one.prompt, text), abs=1e-5 * likely.tokens)
            assert likely.bytes == len(text.encode())
    unshared = sum(len(tokenizer()(one.prompt + text)["input_ids"]) for one in ASKED for text in one.texts)
    assert read < unshared - len(ASKED)  # what texts share is read once


@pytest.mark.parametrize("model_type", ["gpt2", "mistral", "gemma3_text", "gpt_neox"])
def test_other_architectures_too(model_type: str) -> None:
    fields = {"sliding_window": 8} if model_type in ("mistral", "gemma3_text") else {}
    model = tuned("FFT", model_type, **fields)
    found, _ = measure(Engine(model, tokenizer()), ASKED)
    for one, texts in zip(ASKED, found, strict=True):
        for text, likely in zip(one.texts, texts, strict=True):
            assert likely.nats == pytest.approx(plain(model, one.prompt, text), abs=1e-5 * likely.tokens)


@pytest.mark.parametrize("method", ["LoRA", "P-Tuning", "Prefix"])
def test_independent_of_the_batch(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(tuned(method, "llama"), tokenizer())
    together, _ = measure(engine, ASKED)
    backwards, _ = measure(engine, ASKED[::-1])
    monkeypatch.setitem(likelihood.TOKENS, "cpu", 1)
    batches: list[int] = []
    alone, _ = measure(engine, ASKED, batches.append)
    assert batches == [1] * len(ASKED)
    for one, other, third in zip(together, alone, backwards[::-1], strict=True):
        for a, b, c in zip(one, other, third, strict=True):
            assert a.nats == pytest.approx(b.nats, abs=1e-5 * a.tokens)
            assert a.nats == pytest.approx(c.nats, abs=1e-5 * a.tokens)


def test_likelihoods_of_all_next_tokens_sum_to_one() -> None:
    # Over every continuation of one token, the probabilities sum to 1: nothing of the distribution is left out.
    engine = Engine(tuned("FFT", "llama"), tokenizer())
    row = likelihood._Row(0, [5, 6], [], [[token] for token in range(300)])
    with torch.inference_mode():
        nats = likelihood._batch(engine, [row])[0]
    assert sum(torch.tensor(nats).neg().exp()) == pytest.approx(1.0, abs=1e-5)


def test_what_texts_share_leaves_a_token_of_each() -> None:
    for texts, same in (([[1, 2, 3], [1, 2, 4]], 2), ([[1, 2], [1, 2, 3]], 1), ([[1], [1]], 0), ([[1, 2, 3]], 2)):
        assert likelihood._alike(texts) == same


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked("", ("a",)), "prompt of at least one token"),
        (Asked("Q", ("",)), "has no tokens"),
        (Asked("Q" * 200, ("a" * 200,)), "the base has 256"),
    ],
)
def test_what_has_no_likelihood_is_refused(asked: Asked, message: str) -> None:
    with pytest.raises(schema.BadInput, match=message):
        measure(Engine(tuned(), tokenizer()), [asked])


def test_tests_cover_rests_of_every_kind() -> None:
    rows = [likelihood._row(Engine(tuned(), tokenizer()), number, one) for number, one in enumerate(ASKED)]
    lengths = [len(rest) for rest in itertools.chain(*(row.rests for row in rows))]
    assert min(lengths) == 1 < max(lengths)
    assert any(len(row.rests) == 3 for row in rows)
