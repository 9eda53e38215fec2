"""vLLM's back-end behind a stand-in with its interface: our engine's answers, and a clear word on what it cannot do."""

from __future__ import annotations

import sys
import types
import weakref
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tiny_suite
import torch
from tiny_models import tiny, tokenizer
from transformers import AutoModelForCausalLM

from astraios_utils import generation, schema, training
from astraios_utils.generation import served
from astraios_utils.generation.engine import Engine
from astraios_utils.generation.requests import Answer, Request
from astraios_utils.running import grid

PROMPTS = ("Question: What?\n\nAnswer:", "does this return the sum of a list? " * 2, "Answer: It returns")


class SamplingParams:
    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)


class LLM:
    """Greedy, one prompt at a time; refuses what the real one would not know, and to share the memory."""

    others: ClassVar[list[weakref.ref[Any]]] = []

    def __init__(self, model: str, dtype: str, enable_prefix_caching: bool, seed: int) -> None:
        assert dtype == "float32"
        assert [other() for other in self.others] == [None] * len(self.others)
        self.model = AutoModelForCausalLM.from_pretrained(model).eval()
        self.calls = 0

    def generate(self, prompts: list[dict[str, Any]], params: list[SamplingParams], use_tqdm: bool) -> list[Any]:
        self.calls += 1
        return [self._one(**prompt, how=how) for prompt, how in zip(prompts, params, strict=True)]

    def _one(self, prompt_token_ids: list[int], how: SamplingParams) -> Any:
        assert how.temperature == 0
        assert not how.detokenize
        ids = list(prompt_token_ids)
        with torch.inference_mode():
            for _ in range(how.max_tokens):
                ids.append(int(self.model(torch.tensor([ids])).logits[0, -1].argmax()))
                if ids[-1] in how.stop_token_ids:
                    break
        return types.SimpleNamespace(outputs=[types.SimpleNamespace(token_ids=ids[len(prompt_token_ids) :])])


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setattr(
        served, "_vllm", lambda: module
    )  # in sys.modules, other packages would take it for the real one


def ask(engine: Any, stop: str) -> dict[str, list[Answer]]:
    held: dict[str, list[Answer]] = {}
    asked = [
        Request(
            prompt=prompt, samples=(0,), stream=prompt, temperature=0.0, top_p=1.0, max_length=90,
            finished=lambda text, start: bool(stop) and stop in text,
        )
        for prompt in PROMPTS
    ]  # fmt: skip

    def done(request: Request, answers: list[Answer]) -> tuple[Request, ...]:
        held[request.stream] = answers
        return ()

    engine.run(asked, done)
    return held


@pytest.mark.parametrize("stretch", [1, 7, 64])
def test_answers_and_stops_are_those_of_our_engine(
    vllm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    model = tiny(vocab_size=300)
    model.save_pretrained(tmp_path)
    monkeypatch.setattr(served, "STRETCH", stretch)
    ours, theirs = Engine(model, tokenizer()), served.Served(tmp_path, tokenizer())
    whole = ask(ours, "")
    assert ask(theirs, "") == whole
    stop = whole[PROMPTS[0]][0].text[10:12]  # something that one of them does write
    cut = ask(ours, stop)
    assert ask(theirs, stop) == cut
    assert cut[PROMPTS[0]][0].ended == "stopped"
    assert len(cut[PROMPTS[0]][0].text) < len(whole[PROMPTS[0]][0].text)


@pytest.fixture
def suite(build: Path, tmp_path: Path) -> schema.Suite:
    # Greedy tasks alone: the stand-in does not sample.
    fields = {"backend": "vllm", "tasks": ["defect"], "sizes": ["small"]}
    return tiny_suite.read(tmp_path / "suite", methods=["LoRA", "(IA)3", "FFT", "P-Tuning", "AdapterH"], **fields)


@pytest.mark.parametrize("method", ["LoRA", "(IA)3", "FFT"])
def test_tuned_models_are_merged_and_answer_alike(
    vllm: None, suite: schema.Suite, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, load = schema.Model("small", method), training.load_answering
    monkeypatch.setattr(LLM, "others", [])

    def loaded(*args: Any, on_cpu: bool = False) -> Any:
        tuned = load(*args, on_cpu=on_cpu)
        if on_cpu:  # for vLLM
            LLM.others.append(weakref.ref(tuned[0]))
        return tuned

    monkeypatch.setattr(served.training, "load_answering", loaded)
    training.train(training.plan(suite, model), lambda _: None)
    assert generation.generate(suite, model, ["defect"], lambda _: None) == 1
    cell = generation.Cell(suite, model, generation.task_of(suite, "defect"))
    by_vllm = cell.path.read_bytes()
    assert cell.current()
    assert len(LLM.others) == (method != "FFT")  # a whole model is served from where it lies
    plain = suite.model_copy(update={"backend": "transformers"})
    assert generation.generate(plain, model, ["defect"], lambda _: None) == 1  # another back-end, another file
    assert cell.path.read_bytes() == by_vllm


@pytest.mark.parametrize(("method", "why"), [("P-Tuning", "virtual tokens"), ("AdapterH", "cannot be merged")])
def test_methods_that_it_cannot_serve_are_named(vllm: None, suite: schema.Suite, method: str, why: str) -> None:
    with pytest.raises(schema.BadInput, match=rf"vLLM cannot serve {method} \(.*{why}.*\); it serves FFT") as caught:
        served.serve(suite, schema.Model("small", method))
    assert "\n" not in str(caught.value)


def test_what_it_cannot_serve_shows_before_anything_is_trained(suite: schema.Suite) -> None:
    worked: list[object] = []
    with pytest.raises(schema.BadInput, match=r"vLLM cannot serve (P-Tuning|AdapterH)"):
        grid.run(grid.units(suite, "train"), worked.extend)
    assert worked == []


def test_without_vllm_it_says_how_to_get_it(suite: schema.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(schema.MissingTool, match=r"pip install vllm.*or set backend: transformers"):
        served.serve(suite, schema.Model("small", "FFT"))
