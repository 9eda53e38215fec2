"""The command ``astraios suite check``: what a suite would do, found out without weights and without starting it.

Every name, base, method and recipe of the suite is tried on models without weights; what is wrong is said in one line
each. What is right is shown as a table: parameters, memory and time of each model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import methods, models, schema, store, tasks, training
from ..planning import estimates, memory
from ..running import notebooks
from ..sources import corpus

if TYPE_CHECKING:
    from transformers.configuration_utils import PretrainedConfig

DEFAULT_GPU = "A100-80GB"
HEADER = (
    f"{'size':<6}{'method':<12}{'parameters':>16}{'trained':>15}{'%':>9}  {'weights':>8}{'grad.':>7}{'optim.':>8}"
    f"{'activ.':>8}{'total GiB':>10}  {'fits':<5}{'train':>9}{'generate':>10}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one model needs.

    Attributes:
        plan: peak memory of its training.
        fits: whether the cards that were asked about hold it.
        train_hours: of training; ``measured``: by a run of this model in this build folder, not estimated.
        generate_hours: of the suite's tasks, estimated.
    """

    model: schema.Model
    plan: memory.Plan
    fits: bool
    train_hours: float
    measured: bool
    generate_hours: float

    def __str__(self) -> str:
        plan, share = self.plan, 100 * self.plan.trained / self.plan.parameters
        parts = (plan.weights, plan.gradients, plan.optimizer, plan.activations + plan.gathered, plan.total)
        sizes = "".join(f"{part / memory.GIB:>{width}.2f}" for part, width in zip(parts, (8, 7, 8, 8, 10), strict=True))
        train = f"{'' if self.measured else '~'}{_hours(self.train_hours)}"
        return (
            f"{self.model.size:<6}{self.model.method:<12}{plan.parameters:>16,}{plan.trained:>15,}{share:>9.4f}"
            f"  {sizes}  {'yes' if self.fits else 'NO':<5}{train:>9}{'~' + _hours(self.generate_hours):>10}"
        )


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"


def names(suite: schema.Suite) -> Iterator[str]:
    """What is wrong with the suite's tasks, notebooks and files, a line each."""
    for task in suite.tasks:
        try:
            tasks.get_task(task)
        except schema.AstraiosError as error:
            yield str(error)
    for name in suite.notebooks:
        if name not in notebooks.sources():
            yield f"notebooks: there is no {name} ({', '.join(notebooks.sources())})"
    for size in suite.sizes if suite.recipe else ():
        if size not in suite.bases:
            yield f"bases: none of size {size} is named, so that it cannot be trained"
    for size, base in suite.bases.items():
        yield from _against_the_file(size, base)
        yield from _without_tokenizer(size, base)
    yield from _unreadable(suite)


def _made_later(suite: schema.Suite, path: str | Path) -> bool:
    """Whether a file is missing that the suite's own preparation makes before its first stage."""
    return suite.prepare is not None and store.cache_dir() in Path(path).parents and not Path(path).exists()


def _unreadable(suite: schema.Suite) -> Iterator[str]:
    """The suite's own problems and instruction data, where they are not what their stage needs."""
    for task, path in suite.problems.items():
        if _made_later(suite, path):
            continue
        try:
            tasks.get_task(task).problems(path)
        except schema.AstraiosError as error:
            yield f"problems.{task}: {error}"
    recipe = suite.recipe
    named = {"corpus": recipe.corpus, "corpus_test": recipe.corpus_test} if recipe else {}
    for field, name in named.items():
        try:
            if (
                recipe
                and name
                and not name.startswith("mirror:")
                and corpus.local(name)
                and not _made_later(suite, name)
            ):
                corpus.open_corpus(recipe, suite.seed, held_out=field == "corpus_test")
        except schema.AstraiosError as error:
            yield f"recipe.{field}: {error}"


def _without_tokenizer(size: str, base: schema.Base) -> Iterator[str]:
    """Where a base's folder holds weights and no usable tokenizer."""
    folder = Path(base.model)
    if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
        try:
            models.load_tokenizer(base)
        except schema.AstraiosError as error:
            yield f"bases.{size}: {error}"


def _cannot_answer(suite: schema.Suite, size: str, method: str, config: PretrainedConfig) -> Iterator[str]:
    """Where a trained model would be refused when it is loaded or generates, a line each."""
    changes = suite.method_configs.get(method)
    adapter = methods.peft_config(method, config.model_type, changes)
    virtual = int(getattr(adapter, "num_virtual_tokens", None) or 0)
    has: int | None = getattr(config, "max_position_embeddings", None)
    asked = (tasks.task_of(suite, name) for name in suite.tasks)
    lengths = {t.name: t.decoding.max_length for t in asked if not isinstance(t, tasks.LikelihoodTask)}
    too_long = {name: length for name, length in lengths.items() if has is not None and length + virtual > has}
    if has is not None and too_long:
        longest = max(too_long, key=lambda name: too_long[name])
        behind = f" and {virtual} virtual tokens" if virtual else ""
        yield (
            f"max_length {too_long[longest]} of {longest}{behind} is more than the base's {has} positions: set "
            f"sampling.max_length to at most {has - virtual}"
        )
    if adapter is not None:
        yield from _changed_embeddings(models.attach(models.on_meta(config), method, changes))


def _changed_embeddings(model: Any) -> Iterator[str]:
    """Where an adapter changes the embeddings or the head, so that its checkpoint could not be read back."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = model.get_base_model()
    ends = [end for end in (base.get_input_embeddings(), base.get_output_embeddings()) if end is not None]
    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer) and any(module is end for end in ends):
            layer = name.rsplit(".", 1)[-1]
            yield f"an adapter of {layer} cannot be read back from its checkpoint: leave {layer} out of target_modules"


def _against_the_file(size: str, base: schema.Base) -> Iterator[str]:
    """Where a base's ``shape`` differs from its own configuration, if a folder holds that."""
    if base.shape is None or not Path(base.model).is_dir():
        return
    try:
        stored = models.stored_config(base).to_dict()
    except schema.MissingArtefact as error:
        yield f"bases.{size}: {error}"
        return
    for key, value in base.shape.items():
        if stored.get(key) != value:
            yield f"bases.{size}.shape: {key} is {value!r}, but {stored.get(key)!r} in {base.model}"


def row(
    suite: schema.Suite, model: schema.Model, config: PretrainedConfig, gpu: estimates.Gpu, gpus: int
) -> tuple[Row, list[str]]:
    """One model's row, and where it does not fit, what would."""
    recipe, changes = suite.recipe, suite.method_configs.get(model.method)
    assert recipe is not None
    plan = memory.plan(config, recipe, model.method, changes, gpus=gpus, bfloat16=gpu.bfloat16)
    fits = plan.total <= memory.usable(gpu.bytes)
    held = models.weights_precision(recipe, methods.is_full(model.method, changes), cuda=True)
    run = training.plan(suite, model).record()
    if run is not None:
        hours, measured = float(run["cost"]["wall_seconds"]) / 3600, True
    else:
        hours, measured = estimates.training_hours(config, recipe, plan, held, gpu, gpus), False
    own = {name: len(tasks.get_task(name).problems(path)) for name, path in suite.problems.items()}
    asked = [tasks.task_of(suite, name) for name in suite.tasks]
    generates = estimates.generation_hours(config, asked, plan.parameters, gpu, own)
    made = Row(model, plan, fits, hours, measured, generates)
    return made, [] if fits else memory.remedies(config, recipe, model.method, changes, gpu.bytes)


def _fits(
    config: PretrainedConfig, recipe: schema.Recipe, method: str, changes: dict[str, Any] | None, gpu: estimates.Gpu
) -> bool:
    """Whether a card holds a training; one that cannot be planned is taken to fit, as when it starts."""
    try:
        plan = memory.plan(config, recipe, method, changes, bfloat16=gpu.bfloat16)
    except memory.CannotPlan:
        return True
    return plan.total <= memory.usable(gpu.bytes)


def fitting(suite: schema.Suite, gpu: estimates.Gpu) -> schema.Suite | None:
    """The largest slice whose models all train on one card: sizes from the smallest on, methods that fit at each.

    Returns:
        Of the slices with the most models, the one with the largest sizes; ``None``: not one model fits.
    """
    assert suite.recipe is not None
    left, best = suite.methods, None
    for number, size in enumerate(suite.sizes, 1):
        config = models.load_config(suite.bases[size])
        left = tuple(m for m in left if _fits(config, suite.recipe, m, suite.method_configs.get(m), gpu))
        if left and (best is None or number * len(left) >= len(best.models)):
            best = suite.model_copy(update={"sizes": suite.sizes[:number], "methods": left})
    return best


def picked(suite: schema.Suite, say: Callable[[str], None]) -> schema.Suite:
    """What of a suite this machine's GPU can train, said in a sentence; the whole suite where there is no GPU."""
    gpu = estimates.here()
    if gpu is None or suite.recipe is None:
        return suite
    found = fitting(suite, gpu)
    if found is None:
        raise schema.BadInput(f"suite {suite.name}: not one model trains on {gpu.name} ({gpu.gib:.1f} GiB)")
    if found.models != suite.models:
        say(
            f"{gpu.name}, {gpu.gib:.1f} GiB: the largest slice that it can train is {', '.join(found.sizes)} x "
            f"{', '.join(found.methods)} ({len(found.models)} of {len(suite.models)} models)"
        )
    return found


def check(suite: schema.Suite, gpu: estimates.Gpu, gpus: int = 1, say: Callable[[str], None] = print) -> list[Row]:
    """Validate a suite and print its table.

    Args:
        suite: read already, so that its form is right.
        gpu: the card that memory and time are planned for; ``gpus``: how many of them train one model.
        say: gets the lines as they come.

    Raises:
        schema.BadInput: something of the suite is wrong, a line each; the rest has been printed.
    """
    faults = list(names(suite))
    count = f"{len(suite.sizes)} sizes x {len(suite.methods)} methods, {len(suite.tasks)} tasks"
    say(f"{suite.name}: {suite.title}: {count}; planned for {gpus} x {gpu.name} ({gpu.gib:.1f} GiB)")
    rows: list[Row] = []
    if suite.recipe is None:
        say("no recipe: nothing is trained; generations are read")
    elif not faults:
        say(HEADER)
        for size in suite.sizes:
            rows += _size(suite, size, (gpu, gpus), say, faults)
        _totals(rows, say)
    if faults:
        raise schema.BadInput("\n".join(f"suite {suite.name}: {fault}" for fault in dict.fromkeys(faults)))
    return rows


def _size(
    suite: schema.Suite, size: str, cards: tuple[estimates.Gpu, int], say: Callable[[str], None], faults: list[str]
) -> list[Row]:
    """The rows of one size, said as they come; what is wrong with it goes to ``faults``."""
    from ..generation import served

    try:
        config = models.load_config(suite.bases[size])
    except schema.AstraiosError as error:
        faults.append(f"bases.{size}: {error}; or give its shape in the suite")
        return []
    _generation_memory(suite, size, config, cards[0], say)
    rows = []
    for method in suite.methods:
        try:
            if suite.backend == "vllm":
                served.require_servable(suite, schema.Model(size, method))
            found = [f"{size} {method}: {fault}" for fault in _cannot_answer(suite, size, method, config)]
            faults += found
            if found:
                continue
            if methods.is_untuned(method):
                say(f"{size:<6}{method:<12}not trained")
                continue
            made, advice = row(suite, schema.Model(size, method), config, *cards)
        except memory.CannotPlan as error:  # the training itself can be started
            say(f"{size:<6}{method:<12}{error}")
            continue
        except schema.BadInput as error:
            faults.append(f"{size} {method}: {error}")
            continue
        except Exception as error:  # PEFT's tuners raise all kinds where a configuration does not suit the base
            reason = (str(error).splitlines() or [""])[0]
            faults.append(f"{size} {method}: cannot be planned or trained ({type(error).__name__}: {reason:.160})")
            continue
        say(str(made))
        if not made.fits:
            say(f"{'':6}does not fit; what would: {' | or '.join(advice) or 'a larger card, or a smaller base'}")
        rows.append(made)
    return rows


def _generation_memory(
    suite: schema.Suite, size: str, config: PretrainedConfig, gpu: estimates.Gpu, say: Callable[[str], None]
) -> None:
    """Warn where a card does not hold a full batch of generation."""
    from ..generation import engine

    rows = suite.sampling.rows or engine.default_rows(config, "cuda")
    length = max(tasks.task_of(suite, name).decoding.max_length for name in suite.tasks)
    needs = memory.answering(config, suite.sampling.precision, rows, length)
    if needs > memory.usable(gpu.bytes):
        say(
            f"{size:<6}generation: {rows} rows of {length} tokens in {suite.sampling.precision} take up to "
            f"{needs / memory.GIB:.1f} GiB of {gpu.gib:.1f}: set sampling.rows lower, or another sampling.precision"
        )


def _totals(rows: list[Row], say: Callable[[str], None]) -> None:
    train, generate = sum(row.train_hours for row in rows), sum(row.generate_hours for row in rows)
    say(f"together: training ~{_hours(train)}, generation ~{_hours(generate)} on one card")
    shares = {held: f"{100 * share:.0f}%" for held, share in estimates.UTILISATION.items()}
    say(
        f"~ estimated, not measured: {shares['bfloat16']} of the card's peak ({shares['8bit']} with an 8-bit base, "
        f"{shares['float32']} with float32 weights); decoding {estimates.ROWS} rows at a time at "
        f"{100 * estimates.DECODING_BANDWIDTH:.0f}% of its bandwidth, {1000 * estimates.LAYER_SECONDS:.1f} ms a layer"
    )
    say(
        f"memory: planned; a card keeps {memory.CONTEXT / memory.GIB:.1f} GiB for its driver and "
        f"{100 * memory.FRAGMENTS:.0f}% for fragments"
    )
