"""Tune one model by a suite's recipe: base + method + corpus -> checkpoint, loss log and what it cost.

A run writes to ``build/<suite>/train/<model>``: ``losses.jsonl`` (as they come), ``checkpoint/`` (PEFT's own form, or
the whole model after full fine-tuning) and, last, ``run.json``. Killed anywhere, the same call continues from the last
complete checkpoint and ends with the same weights as an undisturbed run.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import methods, models, schema, store
from ..planning import memory
from ..sources import corpus, hub
from ..store import processes
from . import loggers, parallel, retention
from .identity import identities

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .cost import Meter
    from .trainer import PackedData, Tuner

VERSION = 4  # of what a run's result depends on, besides its inputs
LOSS_COLUMNS = ("step", "split", "loss", "tokens", "learning_rate", "grad_norm", "sequences")


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one training depends on.

    Attributes:
        model: which cell of the grid.
        base: the model that is tuned.
        recipe: how.
        changes: fields of the method's PEFT configuration that the suite changes.
        seed: of adapter weights, dropout and the documents' order.
        folder: where its files go.
    """

    model: schema.Model
    base: schema.Base
    recipe: schema.Recipe
    changes: dict[str, Any]
    seed: int
    folder: Path

    @property
    def full(self) -> bool:
        """Whether it is full fine-tuning."""
        return methods.is_full(self.model.method, self.changes)

    @property
    def untuned(self) -> bool:
        """Whether it is the base itself: it is evaluated and saved, and nothing is trained."""
        return methods.is_untuned(self.model.method)

    @property
    def checkpoint(self) -> Path:
        """The tuned model."""
        return self.folder / "checkpoint"

    @property
    def inputs(self) -> dict[str, Any]:
        """What the result depends on, as plain data: local files by what they hold, so that they may be moved."""
        names = {
            "model": self.base.model,
            "corpus": self.recipe.corpus,
            "corpus_test": self.recipe.corpus_test,
            "retained": self.recipe.retained,
        }
        files = {role: found for role, name in names.items() if name and (found := _identities(name))}
        return {
            "version": VERSION,
            "method": self.model.method,
            "base": self.base.model_dump(exclude={"shape", *files}),
            "files": files,
            "recipe": self.recipe.model_dump(exclude={"save_every", "report_to", *files}),
            "changes": self.changes,
            "seed": self.seed,
        }

    def record(self) -> dict[str, Any] | None:
        """The finished run's ``run.json``; ``None`` where it has not run, or ran with other inputs."""
        held = store.read_json(self.folder / "run.json")
        return held if held and held.get("inputs") == self.inputs else None


def _identities(name: str) -> list[list[str]]:
    """Of a local file or a folder's files, by name; of what is on the hub, or missing, none."""
    path = Path(name)
    with contextlib.suppress(schema.MissingArtefact):
        path = corpus.local(name) or path
    return [[file, identity] for file, identity in identities(path).items()]


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run.

    Attributes:
        checkpoint: the folder of the tuned model.
        losses: step, split (``train``, ``test``), loss, tokens, learning_rate, grad_norm, and sequences: of the last
            test, [summed cross-entropy, tokens] per held-out sequence.
        record: ``run.json``: inputs, cost, provenance.
    """

    checkpoint: Path
    losses: pd.DataFrame
    record: dict[str, Any]


def say(text: str) -> None:
    """:func:`processes.say`, once where several processes train one model."""
    if parallel.is_first():
        processes.say(text)


def plan(suite: schema.Suite, model: schema.Model) -> Run:
    """The run of one model of a suite.

    Raises:
        schema.BadInput: the suite has no recipe, or no base of that size.
    """
    if suite.recipe is None:
        raise schema.BadInput(f"suite {suite.name}: has no recipe, so that nothing can be trained with it")
    if model.size not in suite.bases:
        raise schema.BadInput(
            f"suite {suite.name}: names no base of size {model.size} (bases: {', '.join(suite.bases)})"
        )
    folder = store.suite_dir(suite.name) / "train" / model.slug
    changes = suite.method_configs.get(model.method, {})
    row = suite.rows.get(model.method)
    seed = suite.seed + (row.seed if row else 0)
    return Run(model, suite.bases[model.size], suite.recipe, changes, seed, folder)


def read_losses(folder: Path) -> pd.DataFrame:
    """The loss log of a run's folder, also while it runs (:data:`LOSS_COLUMNS`); empty before the first step."""
    path = folder / "losses.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()  # a killed run may leave half a line
    try:
        rows = [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise schema.BadInput(f"{path}: damaged ({error.msg}); delete the folder to train from scratch") from None
    return pd.DataFrame(rows, columns=list(LOSS_COLUMNS))


@dataclass(frozen=True, slots=True)
class _Resume:
    """Where a run continues: a complete checkpoint, its step, the stream's position, and what it had cost."""

    folder: Path | None = None
    step: int = 0
    position: corpus.Position = field(default_factory=corpus.Position)
    cost: dict[str, Any] | None = None


def _last_complete(run: Run) -> _Resume:
    """The newest checkpoint that was written to its end and is undamaged, of a run with the same inputs; others go."""
    from .trainer import COMPLETE

    found = [_Resume()]
    for folder in (run.folder / "resume").glob("checkpoint-*"):
        mark, files = store.read_json(folder / COMPLETE), identities(folder)
        files.pop(COMPLETE, None)
        if mark is not None and mark.get("inputs") == run.inputs and mark.get("files") == files:
            found.append(_Resume(folder, int(mark["step"]), corpus.Position(*mark["position"]), mark["cost"]))
        else:
            shutil.rmtree(folder)
    return max(found, key=lambda one: one.step)


def _truncate_losses(folder: Path, step: int) -> None:
    """Forget losses after ``step``: a resumed run computes them again."""
    kept = [row for row in read_losses(folder).to_dict("records") if row["step"] <= step] if step else []
    with store.atomic(folder / "losses.jsonl", "w") as stream:
        for row in kept:
            stream.write(json.dumps({key: value for key, value in row.items() if value == value}) + "\n")


def _out_of_memory(error: BaseException) -> bool:
    import torch

    signs = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")  # PyTorch's on a CPU, cuBLAS's own
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in signs)


def _remedies(run: Run) -> str:
    recipe, full = run.recipe, run.full
    advice = [
        (recipe.micro_batch > 1, "micro_batch: 1"),
        (not recipe.gradient_checkpointing, "gradient_checkpointing: true"),
        (recipe.base_precision != "8bit" and not full, "base_precision: 8bit"),
        (True, "a shorter sequence_length"),
        (full, "a PEFT method"),
        (True, "a smaller size"),
    ]
    return ", ".join(text for applies, text in advice if applies)


def train(run: Run, progress: Callable[[str], None] = say, force: bool = False) -> Trained:
    """Train one model, or continue its training, or return what is there already.

    Args:
        run: from :func:`plan`, or put together by hand.
        progress: gets a line now and then: step, losses, tokens per second, time left.
        force: train from scratch even where the result is current, and even where the machine does not hold it.

    Raises:
        schema.BadInput, schema.MissingArtefact, schema.MissingTool: bases, corpora, methods, loggers, as their modules
            say.
        DoesNotFit: the GPU or the disk does not hold it.
        TrainingFailed: the loss is not a number any more, or memory ran out; says what to change.
    """
    _settle()
    loggers.require(run.recipe.report_to)
    held = run.record()
    parallel.wait()  # until all have looked
    if held is not None and not force:
        return Trained(run.checkpoint, read_losses(run.folder), held)
    if parallel.is_first():
        if force:
            shutil.rmtree(run.folder, ignore_errors=True)
        store.require_writable(run.folder)
        (run.folder / "run.json").unlink(missing_ok=True)  # of other inputs: it must not vouch for what comes now
    parallel.wait()
    from .trainer import TrainingFailed

    try:
        return _train(run, progress, force)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        reason = (str(error) or "no memory left").splitlines()[0][:200]
        raise TrainingFailed(f"{run.model.slug}: out of memory ({reason}): try {_remedies(run)}") from None


@functools.cache
def _settle() -> None:
    """Import what training needs, and take it out of garbage collection, which transformers runs in full every time.

    With small models, collecting the libraries' own objects takes a tenth of a training.
    """
    import peft  # noqa: F401

    from . import trainer  # noqa: F401

    gc.freeze()


class DoesNotFit(schema.AstraiosError):
    """A training that this machine's GPU or disk does not hold; says what would."""


def card() -> int | None:
    """Bytes of this process's GPU; ``None`` without one."""
    import torch

    return torch.cuda.get_device_properties().total_memory if torch.cuda.is_available() else None


def _announce(run: Run, progress: Callable[[str], None], force: bool) -> None:
    """Say, before anything is loaded, what the training will take of the GPUs and the disk.

    Raises:
        DoesNotFit: they do not hold it, and ``force`` is not set.
    """
    memory_of_card = card()
    if memory_of_card is None:
        return
    from .cost import host_free

    gpus = parallel.processes() if parallel.sharded() else 1
    config = models.load_config(run.base)
    fits, said = memory.forecast(config, run.recipe, run.model.method, run.changes, memory_of_card, gpus)
    if fits:
        needs = memory.checkpoint_bytes(config, run.model.method, run.changes)
        free = shutil.disk_usage(run.folder).free
        fits, said = needs <= free, f"{said}; disk {needs / memory.GIB:.1f} GiB of {free / memory.GIB:.1f} free"
    if fits and run.full:
        needs, free = memory.host_bytes(config), host_free()
        fits, said = needs <= free, f"{said}; host memory {needs / memory.GIB:.1f} GiB of {free / memory.GIB:.1f} free"
    if fits or force:
        progress(f"{run.model.slug}: {said}")
        return
    raise DoesNotFit(f"{run.model.slug}: skipped: {said} (--force trains it all the same)")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The base with its method, the tokenizer, and the precision of the base's weights.

    Attributes:
        kept: held-out pre-training documents; ``base``: what the base scores on them.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    precision: str
    kept: list[corpus.Pair]
    base: dict[str, float | None]


def _prepare(run: Run, meter: Meter) -> _Prepared:
    """Load what is trained."""
    import torch
    from transformers import set_seed

    precision = models.weights_precision(run.recipe, run.full, torch.cuda.is_available())
    tokenizer = models.load_tokenizer(run.base)
    if precision == "8bit" and parallel.sharded():
        raise schema.BadInput("an 8-bit base cannot be sharded: set base_precision: bfloat16, or train on one GPU")
    base = models.load_base(run.base, precision)
    meter.loaded()
    kept = corpus.retained(run.recipe)
    before = retention.measure(base, tokenizer, kept) if kept else {}
    set_seed(run.seed)  # adapters start from random numbers
    model = models.attach(base, run.model.method, run.changes)
    models.require_room(model, run.recipe.beside(models.virtual_tokens(model)).sequence_length)
    return _Prepared(model, tokenizer, precision, kept, {f"{name}_base": value for name, value in before.items()})


def _tuner(
    run: Run,
    prepared: _Prepared,
    recipe: schema.Recipe,
    streams: tuple[corpus.Corpus, corpus.Corpus | None, PackedData],
    fresh: bool,
) -> Tuner:
    """The loop over a prepared model; a fresh run starts methods from the corpus that ask for it.

    Args:
        streams: the documents, the held-out ones, and the packed stream that is trained on.
    """
    from .trainer import Tuner, arguments, first_batches, held_out_batches, initialise_from_data

    model, tokenizer = prepared.model, prepared.tokenizer
    documents, held_out, data = streams
    if fresh:
        initialise_from_data(model, first_batches(documents, tokenizer, recipe))
    return Tuner(
        model=model,
        args=arguments(run.folder / "resume", recipe, run.model.method, run.seed, models.checkpointing(model, recipe)),
        train_dataset=data,
        test=held_out_batches(held_out, tokenizer, recipe) if held_out else [],
        special=methods.optimizer_of(run.model.method, run.changes),
    )


def _train(run: Run, progress: Callable[[str], None], force: bool) -> Trained:
    from .cost import Meter
    from .trainer import PackedData, TrainingLog

    _announce(run, progress, force)
    with parallel.first_goes_first():
        resume = _last_complete(run)
    meter = Meter(resume.cost)
    documents = corpus.open_corpus(run.recipe, run.seed)
    held_out = corpus.open_corpus(run.recipe, run.seed, held_out=True)
    assert documents is not None
    prepared = _prepare(run, meter)
    model, tokenizer = prepared.model, prepared.tokenizer
    recipe = run.recipe.beside(models.virtual_tokens(model))
    if parallel.is_first():
        _truncate_losses(run.folder, resume.step)
    if resume.folder:
        progress(f"{run.model.slug}: continues at step {resume.step}")
    data = PackedData(documents, tokenizer, recipe, resume.position, resume.step * recipe.batch)
    tuner = _tuner(run, prepared, recipe, (documents, held_out, data), fresh=resume.folder is None)
    restore = (lambda: tuner._load_rng_state(str(resume.folder))) if resume.folder else None
    told = loggers.opened(run.recipe.report_to, run.folder, run.inputs, resume.step) if parallel.is_first() else []
    log = TrainingLog(
        recipe,
        run.folder / "losses.jsonl",
        meter=meter,
        data=data,
        inputs=run.inputs,
        progress=progress,
        tests=bool(tuner.test),
        resumed=restore,
        loggers=told,
    )
    tuner.add_callback(log)
    tuner.args.eval_on_start = bool(tuner.test) and not resume.folder
    try:
        _loop(run, tuner, resume, recipe.steps)
    finally:
        for logger in told:
            logger.close()
    how: dict[str, Any] = {
        "base_precision": prepared.precision,
        "compute": _computed(tuner),
        "resumed_at": resume.step,
        "base_commit": hub.cached_commit(run.base.model, run.base.revision),  # a folder is known by what it holds
        "corpus_commit": documents.commit,
    }
    if prepared.kept:
        how |= {**prepared.base, **retention.measure(tuner.model, tokenizer, prepared.kept)}
    return _finish(run, tuner, tokenizer, meter, how)


def _computed(tuner: Tuner) -> str:
    """The precision of the step's arithmetic."""
    if tuner.args.bf16:
        return "bfloat16"
    return "float16" if tuner.args.fp16 else "float32"


def _loop(run: Run, tuner: Tuner, resume: _Resume, steps: int) -> None:
    from .trainer import tensor_cores

    if run.untuned:
        tuner.evaluate()
    elif resume.folder and resume.step == steps:  # killed after its last step: transformers would do one more
        tuner._load_from_checkpoint(str(resume.folder))
    else:
        with tensor_cores():
            tuner.train(resume_from_checkpoint=str(resume.folder) if resume.folder else None)


def _finish(run: Run, tuner: Any, tokenizer: PreTrainedTokenizerBase, meter: Meter, how: dict[str, Any]) -> Trained:
    """Write the tuned model, then ``run.json``; drop what only a resume needs."""
    gathered = tuner.whole_state()
    with parallel.first_goes_first():
        if parallel.is_first():
            _write(run, tuner, tokenizer, gathered, {**how, **meter.record()})
    record = run.record()
    assert record is not None
    return Trained(run.checkpoint, read_losses(run.folder), record)


def _write(
    run: Run, tuner: Any, tokenizer: PreTrainedTokenizerBase, state: dict[str, Any] | None, cost: dict[str, Any]
) -> None:
    from .trainer import weight_bytes

    part = run.folder / ".checkpoint.part"
    shutil.rmtree(part, ignore_errors=True)
    options = {} if tuner.kind is None else {"save_embedding_layers": False}  # "auto" would ask the hub each time
    with models.empty_ranks() if tuner.kind == "ADALORA" else contextlib.nullcontext():
        tuner.model.save_pretrained(part, **({} if state is None else {"state_dict": state}), **options)
    tokenizer.save_pretrained(part)
    shutil.rmtree(run.checkpoint, ignore_errors=True)
    part.rename(run.checkpoint)
    cost = {
        "trainable_parameters": models.trainable_parameters(tuner.model),
        "checkpoint_bytes": weight_bytes(run.checkpoint),
        "processes": parallel.processes(),
        **cost,
    }
    record = store.provenance(inputs=run.inputs, cost=cost)
    store.write_json(run.folder / "run.json", record)
    shutil.rmtree(run.folder / "resume", ignore_errors=True)


def obstacle(suite: schema.Suite) -> str:
    """Why this machine should not start to train the suite, in words; empty where it may."""
    if suite.recipe is None:
        return f"Suite {suite.name} has no recipe: its models were trained elsewhere, and nothing is trained here."
    lacking = [size for size in suite.sizes if size not in suite.bases]
    if lacking:
        return f"Suite {suite.name} names no base of size {', '.join(lacking)}."
    if remote := [size for size in suite.sizes if not suite.bases[size].is_local]:
        import torch

        if not torch.cuda.is_available():
            return f"No GPU here: bases of size {', '.join(remote)} are not trained on a CPU from a notebook."
    return ""


def loss_logs(suite: schema.Suite) -> pd.DataFrame:
    """The loss logs of the suite's models, also of those still in training: size, method and :data:`LOSS_COLUMNS`.

    No row where there is no run yet.
    """
    logs = [pd.DataFrame(columns=["size", "method", *LOSS_COLUMNS])]
    for model in suite.models if suite.recipe else ():
        if model.size in suite.bases:
            log = read_losses(plan(suite, model).folder)
            logs.append(log.assign(size=model.size, method=model.method))
    held = [log for log in logs if len(log)]
    return pd.concat(held, ignore_index=True) if held else logs[0]


def collect(suite: schema.Suite, runs: Iterable[Run] | None = None) -> pd.DataFrame:
    """The cost of the suite's finished runs: size, method, final losses and what ``run.json`` holds, a row per model.

    A host peak above the base that is too small to be measured (``cost.SMALLEST_PEAK``) is missing.
    """
    from .cost import SMALLEST_PEAK

    rows = []
    for run in (plan(suite, model) for model in suite.models) if runs is None else runs:
        record = run.record()
        if record is None:
            continue
        losses = read_losses(run.folder)
        last = {f"{split}_loss": part["loss"].iloc[-1] for split, part in losses.groupby("split")}
        peak = record["cost"].get("host_peak_above_base_mib")
        above = {"host_peak_above_base_mib": peak if peak is not None and peak >= SMALLEST_PEAK else None}
        rows.append({"size": run.model.size, "method": run.model.method, **last, **record["cost"], **above})
    return pd.DataFrame(rows)


def _trained(suite: schema.Suite, model: schema.Model) -> tuple[Run, str]:
    """A finished run of the suite, and the precision to answer in; raises :class:`schema.MissingArtefact`."""
    run = plan(suite, model)
    if run.record() is None:
        raise schema.MissingArtefact(
            f"{run.folder}: no finished training with this recipe; run `astraios train --suite {suite.name} "
            f"--size {model.size} --method '{model.method}'`"
        )
    precision = models.answer_precision(suite.sampling)
    if precision != suite.sampling.precision:
        say(f"{model.slug}: answers in {precision} instead of {suite.sampling.precision} (what this machine has)")
    return run, precision


def load_trained(suite: schema.Suite, model: schema.Model) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load a suite's tuned model, its adapter next to the base, and its tokenizer.

    Raises:
        schema.MissingArtefact: it has not been trained.
    """
    run, precision = _trained(suite, model)
    return models.load_tuned(run.base, run.checkpoint, precision), models.load_tokenizer(run.base)


def load_answering(
    suite: schema.Suite, model: schema.Model, on_cpu: bool = False
) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load a suite's tuned model for generation, merged where that gives the same model, and its tokenizer.

    Raises:
        schema.MissingArtefact: it has not been trained.
    """
    run, precision = _trained(suite, model)
    return models.load_answering(run.base, run.checkpoint, precision, on_cpu), models.load_tokenizer(run.base)
