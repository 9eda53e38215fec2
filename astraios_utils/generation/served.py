"""Answer requests with vLLM, for models that it can serve: bases, fully tuned and merged ones.

vLLM writes a stretch of tokens for every open sample at a time. The project's own rules look at each token's text as
they do in :mod:`.engine`; what comes after a stop is thrown away. Prompts are passed as tokens, so that both back-ends
read the same ones, and vLLM's prefix cache saves reading the prompt again for the next stretch. Random numbers are
vLLM's own: samples have the same distribution as the other back-end's, but are other samples.

Adapters are merged in float32 on the CPU and saved; vLLM starts when that model is gone, with the GPU to itself.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .. import methods, models, schema, training
from .engine import end_tokens, fast_backend
from .requests import Done, Request, Stats
from .scheduling import Row, Scheduler

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STRETCH = 64  # tokens between looks at the text: more waste behind a stop, fewer calls


def require_servable(suite: schema.Suite, model: schema.Model) -> None:
    """Check that vLLM can serve a model; it need not be installed here.

    Raises:
        schema.BadInput: says why it cannot, and what can.
    """
    if suite.sampling.precision == "8bit":
        raise schema.BadInput(f"{model.slug}: vLLM cannot serve 8 bits: set sampling.precision: bfloat16")
    base = models.load_config(suite.bases[model.size]).model_type
    config: Any = methods.peft_config(model.method, base, suite.method_configs.get(model.method))
    kind = None if config is None else config.peft_type.value
    if kind is not None and kind not in methods.MERGEABLE_TYPES:
        why = "virtual tokens" if kind in methods.PROMPT_TYPES else "layers that cannot be merged into the base"
        raise schema.BadInput(
            f"{model.slug}: vLLM cannot serve {model.method} ({why}); it serves FFT, LoRA, AdaLoRA, (IA)3 and what is "
            "like them: set backend: transformers in the suite, or leave the method out (--method)"
        )


def _vllm() -> Any:
    try:
        import vllm  # type: ignore[import-not-found]  # where a user has it
    except ImportError:
        raise schema.MissingTool(
            "backend: vllm needs vLLM (pip install vllm, in an environment of its own); or set backend: transformers"
        ) from None
    return vllm


def serve(suite: schema.Suite, model: schema.Model) -> Served:
    """Start vLLM on a suite's tuned model; an adapter is merged first and saved next to its checkpoint.

    Raises:
        schema.BadInput: as :func:`require_servable`.
        schema.MissingTool: vLLM is not installed.
        schema.MissingArtefact: it has not been trained.
    """
    require_servable(suite, model)
    _vllm()
    run = training.plan(suite, model)
    folder = run.checkpoint
    if models.is_adapter(folder):
        folder = folder.with_name("merged")
        _write_merged(suite, model, folder)
    gc.collect()  # the merged model must be gone before vLLM takes its share of the memory
    precision = models.answer_precision(suite.sampling)
    return Served(folder, models.load_tokenizer(run.base), precision, suite.sampling.rows)


def _write_merged(suite: schema.Suite, model: schema.Model, folder: Path) -> None:
    """Merge the adapter in float32 on the CPU, round once, and save the whole model."""
    tuned, tokenizer = training.load_answering(suite, model, on_cpu=True)
    if hasattr(tuned, "peft_config"):
        raise schema.BadInput(f"{model.slug}: vLLM cannot serve an adapter on a tied weight: leave that layer out")
    with models.quiet():
        tuned.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Served:
    """A model folder and its tokenizer, with :meth:`run` as :class:`.engine.Engine` has it.

    Raises:
        schema.MissingTool: vLLM is not installed.
    """

    def __init__(
        self, folder: Path, tokenizer: PreTrainedTokenizerBase, precision: str = "float32", rows: int | None = None
    ) -> None:
        from transformers import AutoConfig, GenerationConfig

        vllm = _vllm()
        self.tokenizer, self.backend, self.virtual = tokenizer, fast_backend(tokenizer), 0
        config = AutoConfig.from_pretrained(folder)
        self.positions = getattr(config.get_text_config(), "max_position_embeddings", None)
        named = GenerationConfig.from_model_config(config)
        self.ends = end_tokens(SimpleNamespace(generation_config=named), tokenizer)
        self._parameters = vllm.SamplingParams
        self._model = vllm.LLM(model=str(folder), dtype=precision, enable_prefix_caching=True, seed=0)
        self.rows = rows or sys.maxsize  # vLLM batches by itself
        self.stats = Stats()

    def run(self, requests: Iterable[Request], done: Done, tick: Callable[[Stats], None] = lambda _: None) -> Stats:
        """Answer all requests; see :meth:`.engine.Engine.run`."""
        engine: Any = self
        return _ServedRun(engine, done, tick, self.rows).answer(requests)

    def ahead(self, rows: Sequence[Row]) -> list[list[int]]:
        """The next stretch of tokens of each row, up to the end of its text or of its room."""
        asked, how = [], []
        for row in rows:
            request = row.pending.job.request
            name = f"{request.stream}/{row.sample}/{len(row.tokens)}".encode("utf-8", "surrogatepass")
            asked.append({"prompt_token_ids": [*row.pending.job.prompt, *row.tokens]})
            how.append(
                self._parameters(
                    temperature=request.temperature,
                    top_p=request.top_p,
                    max_tokens=min(STRETCH, row.limit - len(row.tokens)),
                    seed=int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "little"),
                    stop_token_ids=sorted(self.ends),
                    detokenize=False,
                )
            )
        outputs = self._model.generate(asked, how, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]


class _ServedRun(Scheduler):
    """All open samples grow by a stretch at a time; whatever has ended makes room for what waits."""

    def answer(self, requests: Iterable[Request]) -> Stats:
        self._add(requests)
        while self.queue or self.flying:
            self.flying += self._next(self.rows)
            served: Any = self.engine
            ended = []
            for row, tokens in zip(self.flying, served.ahead(self.flying), strict=True):
                self.stats.tokens += len(tokens)
                why = next((why for token in tokens if (why := self._push(row, token))), None)
                if why is not None:
                    ended.append((row, why))
            self.stats.steps += 1
            gone = {id(row) for row, _ in ended}
            self.flying = [row for row in self.flying if id(row) not in gone]
            self._settle(ended)
            self.tick(self.stats)
        return self.stats
