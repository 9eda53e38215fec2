"""Generation: transformers' greedy answers for every method, and the same samples whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_models import stir, tiny, tokenizer
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import MambaConfig, MambaForCausalLM

from astraios_utils import models, schema
from astraios_utils.generation import engine, requests
from astraios_utils.generation.engine import Engine
from astraios_utils.generation.requests import Answer, Request
from astraios_utils.tasks import ExecutedTask, Problem, get_task

LENGTH = 48  # longest prompt plus answer
PROMPTS = ("Question: What?\n\nAnswer:", "Q", "does this return the sum of a list? " * 2, "Answer: It returns")
SMALL: dict[str, dict[str, Any]] = {
    "P-Tuning": {"num_virtual_tokens": 4},
    "Prompt": {"num_virtual_tokens": 4},
    "Prefix": {"num_virtual_tokens": 4},
    **{name: {"bottleneck_size": 8} for name in ("AdapterH", "AdapterP", "Parallel")},
}


def never(_: str, __: int) -> bool:
    return False


def tuned(method: str = "FFT", model_type: str = "gpt_bigcode", **fields: Any) -> Any:
    model = models.attach(tiny(model_type, vocab_size=300, **fields), method, SMALL.get(method))
    if method != "FFT":
        stir(model, std=0.2)
    return model.eval()


def request(prompt: str, samples: int = 1, temperature: float = 0.0, **fields: Any) -> Request:
    given = {"top_p": 0.95, "max_length": LENGTH, "finished": never, "stream": prompt, **fields}
    return Request(prompt=prompt, samples=tuple(range(samples)), temperature=temperature, **given)


def answers(
    model: Any, requests: Iterable[Request], rows: int | None = None, follow: Callable[..., Any] = lambda *_: ()
) -> dict[str, list[Answer]]:
    """The answers by the requests' streams."""
    held: dict[str, list[Answer]] = {}

    def done(asked: Request, given: list[Answer]) -> Sequence[Request]:
        assert asked.stream not in held
        held[asked.stream] = given
        return tuple(follow(asked, given))

    Engine(model, tokenizer(), rows).run(requests, done)
    return held


def text(ids: torch.Tensor, prompt: str) -> str:
    whole = tokenizer().decode(ids, clean_up_tokenization_spaces=False)
    return whole[len(prompt) :]


def greedy(model: Any, prompt: str) -> str:
    """What transformers' own loop writes, one prompt at a time, up to the end of text."""
    encoded = tokenizer()(prompt, return_tensors="pt")
    ids = encoded["input_ids"]
    written = model.generate(
        input_ids=ids, attention_mask=encoded["attention_mask"], do_sample=False, pad_token_id=0, eos_token_id=0,
        max_new_tokens=LENGTH - ids.shape[1],
    )[0].tolist()  # fmt: skip
    end = written.index(0, ids.shape[1]) if 0 in written[ids.shape[1] :] else len(written)
    return text(torch.tensor(written[:end]), prompt)


@pytest.mark.parametrize("model_type", ["gpt_bigcode", "llama"])
@pytest.mark.parametrize("method", schema.ALL_METHODS)
def test_greedy_answers_are_those_of_transformers(method: str, model_type: str) -> None:
    model = tuned(method, model_type)
    wanted = {prompt: greedy(model, prompt) for prompt in PROMPTS}
    assert len({*wanted.values()}) == len(PROMPTS)  # the model tells the prompts apart
    for rows in (2, None):  # rows join while others are on their way; all at once
        got = answers(model, map(request, PROMPTS), rows)
        assert {prompt: given[0].text for prompt, given in got.items()} == wanted


@pytest.mark.parametrize("model_type", ["gpt2", "codegen", "gpt_neox", "mistral", "qwen2", "qwen3", "starcoder2"])
def test_other_architectures(model_type: str) -> None:
    model = tuned("LoRA", model_type)
    got = answers(model, map(request, PROMPTS), 2)
    assert {prompt: given[0].text for prompt, given in got.items()} == {p: greedy(model, p) for p in PROMPTS}


def test_a_method_changes_what_is_written() -> None:
    plain = greedy(tuned(), PROMPTS[0])
    for method in schema.ALL_METHODS:
        if method != "FFT":
            assert answers(tuned(method), [request(PROMPTS[0])])[PROMPTS[0]][0].text != plain


def test_a_changed_attention_or_a_hook_keeps_the_step_of_transformers() -> None:
    for model_type, touched in (("gpt_bigcode", "h"), ("llama", "layers")):
        model = tuned("FFT", model_type)
        assert Engine(model, tokenizer()).direct is not None
        layer = getattr(model.base_model, touched)[0]
        layer.register_forward_hook(lambda _, __, output: output)
        assert Engine(model, tokenizer()).direct is None
        assert Engine(tuned("FFT", model_type).bfloat16(), tokenizer()).direct is None
    prompted = {"peft_type": "ADAPTION_PROMPT", "adapter_len": 2, "adapter_layers": 1}
    adapted = models.attach(tiny("llama", vocab_size=300), "of my own", prompted)
    assert Engine(adapted, tokenizer()).direct is None


def test_many_heads_of_keys_and_grouped_queries_decode_directly() -> None:
    many = tuned("FFT", "gpt_bigcode", multi_query=False)
    grouped = tuned("FFT", "llama", num_key_value_heads=2, num_attention_heads=4)
    for model in (many, grouped):
        assert Engine(model, tokenizer()).direct is not None
        got = answers(model, [request(p, samples=3) for p in PROMPTS], 5)
        for prompt, given in got.items():
            assert [one.text for one in given] == [greedy(model, prompt)] * 3


def test_eager_attention_and_sliding_windows_get_masks_of_their_kind() -> None:
    eager = tuned("FFT", "llama")
    eager.set_attn_implementation("eager")
    for model in (eager, tuned("FFT", "mistral", sliding_window=8)):
        got = answers(model, map(request, PROMPTS), 2)
        assert {prompt: given[0].text for prompt, given in got.items()} == {p: greedy(model, p) for p in PROMPTS}


def peaked() -> Any:
    """A model whose distributions are neither flat nor certain; in float64, so that no rounding moves a border."""
    return tuned("LoRA").double()


SAMPLED = [request(prompt, samples=5, temperature=0.8) for prompt in PROMPTS]


def test_samples_are_the_same_whatever_else_is_in_the_batch() -> None:
    wanted = answers(peaked(), SAMPLED)
    assert len({answer.text for given in wanted.values() for answer in given}) == 20  # all numbers differ
    for rows in (1, 3, 7):
        assert answers(peaked(), SAMPLED, rows) == wanted
    assert answers(peaked(), SAMPLED[::-1]) == wanted
    alone = replace(SAMPLED[2], samples=(3,))
    assert answers(peaked(), [alone])[alone.stream] == wanted[alone.stream][3:4]
    other = replace(SAMPLED[2], stream="another seed")
    assert answers(peaked(), [other])[other.stream] != wanted[SAMPLED[2].stream]


def test_rows_that_have_ended_give_back_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model, held = tuned("LoRA", "llama"), []
    step = Engine.step

    def watched(self: Engine, batch: Any) -> list[int]:
        store = batch.store
        held.append((sum(row is not None for row in batch.rows), len(store._keys[0]), len(store.prompts)))
        return step(self, batch)

    asked = [
        request(PROMPTS[number % len(PROMPTS)] + " " * number, finished=lambda text, _, n=number: n and len(text) > 3)
        for number in range(16)
    ]
    alone = answers(model, asked[:1])
    monkeypatch.setattr(Engine, "step", watched)
    assert answers(model, asked)[asked[0].stream] == alone[asked[0].stream]  # the only long one
    assert held[0] == (16, 16, 16)
    assert held[-1] == (1, 1, 1)
    assert all(rows <= 4 / 3 * live + 1 and prompts <= 4 / 3 * live + 1 for live, rows, prompts in held[4:])


def test_greedy_and_sampled_requests_share_a_batch() -> None:
    mixed = [request(PROMPTS[0], stream="greedy"), SAMPLED[1], request(PROMPTS[2], stream="greedy too")]
    got = answers(peaked(), mixed, 4)
    assert got["greedy"][0].text == greedy(peaked(), PROMPTS[0])
    assert got[SAMPLED[1].stream] == answers(peaked(), SAMPLED)[SAMPLED[1].stream]


def test_an_answer_stops_with_the_token_that_completes_a_stop_word() -> None:
    whole = answers(peaked(), SAMPLED)
    for word in ("e", "s", "a"):
        seen: list[tuple[str, int]] = []

        def finished(text: str, start: int, word: str = word, seen: list[tuple[str, int]] = seen) -> bool:
            seen.append((text, start))
            return word in text

        got = answers(peaked(), [replace(one, finished=finished) for one in SAMPLED], 6)
        for stream, given in got.items():
            for answer, full in zip(given, whole[stream], strict=True):
                assert full.text.startswith(answer.text)
                assert (answer.ended == "stopped") == (word in full.text)
        stopped = [answer for given in got.values() for answer in given if answer.ended == "stopped"]
        assert sum(word in text for text, _ in seen) == len(stopped) > 0  # no token comes after one that completes it
        assert all(start < len(text) for text, start in seen)


def test_the_end_of_text_ends_an_answer_and_is_no_part_of_it() -> None:
    model = peaked()
    ends = []
    for given in answers(model, SAMPLED).values():
        ends += [(answer.ended, answer.tokens) for answer in given if answer.ended == "end of text"]
        assert not any("endoftext" in answer.text for answer in given)
    with torch.no_grad():
        model.get_base_model().lm_head.weight[0] = 0
    model.get_base_model().generation_config.eos_token_id = [0, 7]
    later = [one for given in answers(model, SAMPLED).values() for one in given]
    assert {one.ended for one in later} <= {"end of text", "length"}
    assert all(7 not in tokenizer()(one.text)["input_ids"] for one in later)


def test_text_is_decoded_as_it_comes_also_within_a_character() -> None:
    # "é" and "…" are two and three byte tokens here: the rule must never see half a character.
    seen = []
    many = [
        request("Q", samples=40, temperature=3.0, stream=f"{i}", finished=lambda t, _: bool(seen.append(t)))
        for i in "ab"
    ]
    got = answers(tuned(), many)
    whole = {answer.text for given in got.values() for answer in given}
    assert any(ord(char) > 127 for text in whole for char in text)
    assert all(any(text.startswith(part.rstrip("\ufffd")) for text in whole) for part in seen)


def test_answers_may_bring_more_requests() -> None:
    def follow(asked: Request, given: list[Answer]) -> Iterable[Request]:
        if not asked.stream.endswith("!"):
            for answer in given:
                yield request(asked.prompt + answer.text[:8], stream=f"{asked.stream} {answer.sample}!")

    got = answers(peaked(), SAMPLED, 3, follow)
    assert len(got) == 4 + 20
    prompt = PROMPTS[0] + got[PROMPTS[0]][2].text[:8]
    assert got[f"{PROMPTS[0]} 2!"][0].text == greedy(peaked(), prompt)


def test_a_prompt_without_room_is_answered_with_nothing() -> None:
    got = answers(peaked(), [request("x" * 60, samples=2), request("Q")])
    assert got["x" * 60] == [Answer(0, "", 0, "length"), Answer(1, "", 0, "length")]
    assert got["Q"][0].tokens == LENGTH - 1


def test_what_cannot_be_answered_is_one_line() -> None:
    with pytest.raises(schema.BadInput, match="the prompt has no tokens"):
        answers(tuned(), [request("")])
    with pytest.raises(schema.BadInput, match=r"max_length 253 and 4 virtual .* base's 256 positions: .* at most 252"):
        answers(tuned("Prompt"), [request("Q", max_length=253)])
    assert len(answers(tuned("Prompt"), [request("Q", max_length=252)])["Q"][0].text) > 0


def test_models_and_methods_without_keys_and_values_are_refused() -> None:
    recurrent = MambaForCausalLM(MambaConfig(vocab_size=300, hidden_size=8, num_hidden_layers=1))
    with pytest.raises(schema.BadInput, match="MambaForCausalLM keeps a state"):
        Engine(recurrent, tokenizer())
    shared = {"peft_type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 4, "num_tasks": 2}
    with pytest.raises(schema.BadInput, match="MULTITASK_PROMPT_TUNING cannot be used: it needs a task number"):
        models.attach(tiny(vocab_size=300), "of my own", shared)


def test_out_of_memory_halves_the_batch_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = answers(peaked(), SAMPLED)
    step, most = Engine.step, 6

    def scarce(self: Engine, batch: Any) -> list[int]:
        if len(batch.rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried")
        return step(self, batch)

    monkeypatch.setattr(Engine, "step", scarce)
    assert answers(peaked(), SAMPLED) == wanted
    most = 0
    with pytest.raises(requests.GenerationFailed, match="out of memory with one row"):
        answers(peaked(), SAMPLED)


def test_out_of_memory_in_16_bits_asks_for_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Engine, batch: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried")

    monkeypatch.setattr(Engine, "step", full)
    half = tiny(vocab_size=300).to(torch.bfloat16)
    with pytest.raises(requests.GenerationFailed, match=r"memory with 6 rows .* set sampling\.rows: 3 in the suite"):
        Engine(half, tokenizer(), rows=6).run(SAMPLED, lambda *_: ())


def test_rows_follow_from_the_base_alone() -> None:
    assert engine.default_rows(tiny().config, "cpu") == engine.ROWS["cpu"]
    # 1B: keys and values of one head of 128 in 24 layers, 2 bytes, 2048 tokens: 24 MiB a row; 8 GiB hold 341.
    assert engine.default_rows(models.starcoder_config("1B"), "cuda") == 341


@pytest.mark.parametrize("model_type", ["mistral", "starcoder2", "llama", "gpt_bigcode"])
def test_a_prefix_comes_directly_before_each_prompt(model_type: str) -> None:
    """In a batch of mixed lengths a window of 8 still reaches the prefix of the short prompt, as it does alone."""
    window = {"sliding_window": 8} if model_type in ("mistral", "starcoder2") else {}
    model = models.attach(tiny(model_type, vocab_size=300, **window), "Prefix", {"num_virtual_tokens": 4})
    stir(model)
    both = [request("Q"), request("What does this function return, and why?" * 2)]
    together = answers(model.eval(), both)
    for one in both:
        assert answers(model, [one]) == {one.prompt: together[one.prompt]}


WRITTEN = (
    "\n    return x\n\n\n    y = 1\nprint(x)",
    "\n    if x:\n        return 1\n#done",
    " -> int:\n    return 1\n\tz\n @x\ny",
    "\n        return x;\n    }\n}}\nclass B {}",
    " { int[] a = {1, 2}; }\n    }\n  int y; }\n}",
    "YES\nNo, <|endoftext|>",
)


@pytest.mark.parametrize("name", ["synthesize-python", "repair-java", "recode-format", "defect", "conala"])
@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("step", [1, 3, 5])
def test_looking_at_what_is_new_stops_where_looking_at_all_does(name: str, text: str, step: int) -> None:
    task = get_task(name)
    row = dict.fromkeys(("prompt", "declaration", "docstring", "canonical_solution"), "def f(x):\n")
    problem, kept = Problem("0", "", row), None
    for end in range(step, len(text) + step, step):
        so_far = text[:end]
        if task.finished(so_far, end - step):
            kept = so_far
            break
        assert not task.finished(so_far), so_far
    assert (kept is not None) == task.finished(text)
    if kept is not None and isinstance(task, ExecutedTask):
        assert task.finish(problem, kept).rstrip() == task.finish(problem, text).rstrip()


def test_a_description_may_become_as_long_as_the_docstring() -> None:
    describe, write = get_task("explain-python").turns()
    problem = Problem("0", "", {"docstring": "Ten chars.", "canonical_solution": "", "declaration": "def f(x):\n"})
    assert (describe.field, write.field) == ("description", "")
    assert not describe.finished(problem, "\n  Adds two", 0)
    assert describe.finished(problem, "\n  Adds two x", 0)
    assert describe.finished(problem, "Adds\n#", 0)
    assert not describe.finished(problem, "\n# Adds", 0)  # white space at the start is no part of it
    for text in ("\n  Adds two x", "Adds two  \n", "\n# Adds"):
        assert describe.finish(problem, text + " and more") == describe.finish(problem, text + " and less")


class Operations(TorchDispatchMode):
    """Counts the operations that compute, and those that make a GPU's host wait for a value."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not function.is_view:
            self.names.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))

    @property
    def waiting(self) -> list[str]:
        return [name for name in self.names if name.startswith(self.WAITING)]


def step_operations(model: Any, direct: bool) -> tuple[Operations, int]:
    """The operations of the third step of a batch of 8 samples of 2 prompts, and the cache columns it reads."""
    ready, counted = Engine(model, tokenizer()), Operations()
    if not direct:
        ready.direct = None
    step, read = ready.step, []

    def watched(batch: Any) -> list[int]:
        if len(read) != 2:
            read.append(0)
            return step(batch)
        with counted:
            tokens = step(batch)
        read.append(batch.store.read)
        return tokens

    ready.step = watched  # type: ignore[method-assign]
    ready.run([request(p, samples=4, temperature=0.2) for p in PROMPTS[:3:2]], lambda *_: ())
    return counted, read[2]


@pytest.mark.parametrize("model_type", ["gpt_bigcode", "llama"])
def test_a_step_never_waits_for_the_device_and_reads_each_prompt_once(model_type: str) -> None:
    model = tuned("FFT", model_type)
    with torch.no_grad():  # certain, so that no row needs the exact path
        model.lm_head.weight.mul_(100)
    (direct, shared), (usual, copied) = (step_operations(model, how) for how in (True, False))
    assert direct.waiting == usual.waiting == []
    longest = max(len(tokenizer()(prompt)["input_ids"]) for prompt in PROMPTS[:3:2]) - 1
    assert shared == 2 * longest + 8 * 3  # 2 prompts, and 3 columns of each of the 8 answers
    assert copied == 8 * (longest + 3)
    # Per layer: a norm and a projection each for attention and MLP, 12 of attention, rotary positions; choosing: 40.
    assert len(direct.names) < {"gpt_bigcode": 120, "llama": 170}[model_type]
