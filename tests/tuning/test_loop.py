"""The plain loop: what it minimises by hand, what it learns, and what it says of answers."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel

from astraios_utils import models
from astraios_utils.tuning import loop, parts, weights
from tests import tiny_models
from tests.tiny_models import tokenizer

ECHO = [loop.Example("echo", f"say {word}: ", word) for word in ("a", "b", "c", "d")]


def tiny() -> PreTrainedModel:
    """A tiny model with an embedding for each of the tokenizer's tokens."""
    return tiny_models.tiny(vocab_size=len(tokenizer()))


def test_balanced_loss_by_hand() -> None:
    losses = torch.tensor([[1.0, 2.0, 3.0], [5.0, 9.0, 9.0]])
    counted = torch.tensor([[True, True, True], [True, False, False]])
    # over tokens: (1 + 2 + 3 + 5) / 4; over tasks: (2 + 5) / 2
    assert float(loop.balanced(losses, counted, ["a", "b"], "tokens")) == 2.75
    assert float(loop.balanced(losses, counted, ["a", "b"], "tasks")) == 3.5
    assert float(loop.balanced(losses, counted, ["a", "a"], "tasks")) == 2.75


def test_answers_agree_with_the_models_own_loss() -> None:
    model, words = tiny(), tokenizer()
    found = loop.answers(model, words, ECHO)
    for example, row in zip(ECHO, found.itertuples(), strict=True):
        asked = words(example.prompt, add_special_tokens=False)["input_ids"]
        ids = asked + words(example.answer, add_special_tokens=False)["input_ids"] + [words.eos_token_id]
        labels = [-100] * len(asked) + ids[len(asked) :]
        wanted = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        assert row.nll / row.tokens == pytest.approx(float(wanted.detach()), rel=1e-4)
        assert row.tokens == len(ids) - len(asked)


@pytest.mark.parametrize("method", ["FFT", "LoRA"])
def test_learning_looking_and_transfer(method: str) -> None:
    """What both methods must manage: learn four answers, and bring them to a base that has moved a little."""
    words, base = tokenizer(), weights.state_of(tiny())
    model = models.attach(tiny(), method)
    seen: list[float] = []
    budget = loop.Budget(steps=60, batch=4, rate=1e-2)
    loop.tune(model, words, ECHO, budget, look=lambda step, now: seen.append(step))
    assert seen == list(range(61))
    assert loop.answers(model, words, ECHO)["exact"].all()
    assert not loop.answers(tiny(), words, ECHO)["exact"].any()
    tuned = weights.state_of(model)
    generator = torch.Generator().manual_seed(0)
    other = {name: value + 1e-3 * torch.randn(value.shape, generator=generator) for name, value in base.items()}
    moved = weights.apply(tiny(), parts.transferred(base, tuned, other))
    assert loop.answers(moved, words, ECHO)["exact"].all()


def test_the_same_seed_gives_the_same_weights() -> None:
    budget = loop.Budget(steps=3, batch=2)
    states = [weights.state_of(loop.tune(tiny().train(), tokenizer(), ECHO, budget, seed)) for seed in (0, 0, 1)]
    same = [all(torch.equal(states[0][name], other[name]) for name in other) for other in states[1:]]
    assert same == [True, False]
