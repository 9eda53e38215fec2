"""Sizes, methods, tasks, models and suites: the vocabulary, once, validated.

A *model* is a size x a method; a *task* is one row of the evaluation; a *suite* says which models meet which tasks and
where each artefact comes from. Unknown names raise :class:`UnknownName`, which lists near matches: no name ever falls
back to another one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

SIZES = ("1B", "3B", "7B", "16B")
METHODS = ("LoRA", "P-Tuning", "AdapterH", "AdapterP", "Parallel", "(IA)3", "FFT")
ABLATION_METHODS = ("Prompt", "AdaLoRA")
STUDY2_METHODS = ("Prefix",)
ALL_METHODS = METHODS + ABLATION_METHODS + STUDY2_METHODS
UNTUNED = "Base"  # a suite may list the base itself among its methods: what each method is compared with
COMPREHENSION_TASKS = ("defect", "clone")
GENERATION_TASKS = (
    "synthesize-python",
    "synthesize-java",
    "repair-python",
    "repair-java",
    "explain-python",
    "explain-java",
)
ROBUSTNESS_TASKS = ("recode-format", "recode-function", "recode-syntax", "recode-docstring")
SECURITY_TASKS = ("aatk",)
# The one-shot runs of appendix H: the same data and scoring as the zero-shot tasks, another prompt.
ONE_SHOT_TASKS = ("defect-1shot", "clone-1shot")
# Likelihoods of given texts; nothing is generated. The paper has no such tasks.
LIKELIHOOD_TASKS = ("nll-python", "nll-java", "prefer-python", "prefer-java")
TEST_TASKS = ("testgen-python", "testgen-java")  # unit tests for a given function
TASKS = (
    *(*COMPREHENSION_TASKS, *GENERATION_TASKS, *ROBUSTNESS_TASKS, *SECURITY_TASKS, "conala"),
    *(*ONE_SHOT_TASKS, *LIKELIHOOD_TASKS, *TEST_TASKS),
)

STATUSES = ("passed", "failed", "error", "timeout", "invalid", "secure", "insecure", "unknown", "measured")
VERDICT_COLUMNS = ("suite", "size", "method", "task", "problem", "variant", "sample", "status", "detail", "seconds")


_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_RESERVED = frozenset({"cache"})  # other folders below build


class AstraiosError(Exception):
    """An error that the user can fix; its text is one line that says what, where and what to do."""


class BadInput(AstraiosError):
    """A file or an argument that is damaged, of the wrong shape, or something else than expected."""


class UnknownName(BadInput):
    """A size, method, task or suite that does not exist."""


class MissingArtefact(AstraiosError):
    """A required file is neither local nor downloadable."""


class MissingTool(AstraiosError):
    """A program or a package that this step needs is not installed."""


def match(name: str, known: Iterable[str], kind: str) -> str:
    """Return ``name`` as spelled in ``known``, ignoring case; raise :class:`UnknownName` with near matches."""
    known = tuple(known)
    by_folded = {k.casefold(): k for k in known}
    if name.casefold() in by_folded:
        return by_folded[name.casefold()]
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(by_folded[n] for n in near)}?" if near else f"known: {', '.join(known)}"
    raise UnknownName(f"unknown {kind} {name!r}: {hint}")


def method_slug(method: str) -> str:
    """The method's name in file names: lower case, letters and digits only (``(IA)3`` -> ``ia3``)."""
    return "".join(c for c in method.casefold() if c.isalnum())


@dataclass(frozen=True, order=True, slots=True)
class Model:
    """One cell of the grid: a base size and the method it was tuned with."""

    size: str
    method: str

    @property
    def slug(self) -> str:
        """The model's name in file names, for instance ``1b-lora``."""
        return f"{self.size.casefold()}-{method_slug(self.method)}"


class Base(BaseModel):
    """A base model before tuning: a name on the hub (with the revision to pin), a folder, or a GGUF file.

    ``shape`` holds the entries of its ``config.json`` that say how large it is, ``model_type`` among them: parameters
    and memory can then be counted where the hub cannot be reached. Training reads the base's own file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    revision: str | None = None
    shape: dict[str, Any] | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether it is a GGUF file, which is converted to a plain checkpoint once."""
        return self.model.endswith(".gguf")

    @property
    def is_local(self) -> bool:
        """Whether it is a folder or a GGUF file of this machine, and nothing of the hub."""
        return self.is_gguf or Path(self.model).is_dir()

    @field_validator("shape")
    @classmethod
    def _says_its_type(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and "model_type" not in value:
            raise ValueError("the shape has no model_type (llama, qwen2, starcoder2, …)")
        return value


TEMPLATE = "Question: {prompt}\n\nAnswer: {completion}"  # the paper's documents (the released finetune.py)


class Recipe(BaseModel):
    """How a model is tuned; the defaults are the paper's (section 2.2 and the released ``run_peft.sh``).

    Attributes:
        corpus: a data set on the hub (splits ``train`` and ``test``), or a file of JSON lines (may end in .xz).
        corpus_config: which configuration of a data set on the hub.
        documents: how many of the corpus' documents are used, drawn with the seed; none given: all.
        corpus_test: the file of held-out documents, where ``corpus`` is a file; none: no test loss.
        retained: held-out documents of the base's pre-training, as the corpus is read: what tuning forgets is measured
            on them.
        prompt_fallback: the column that is read where ``prompt_column`` holds nothing (null).
        template: how a document is made of ``{prompt}`` and ``{completion}``.
        sequence_length: tokens in a packed sequence; virtual tokens of prompt methods come before them, or are counted
            among them where ``count_virtual_tokens`` is set.
        batch: sequences in one optimiser step; ``micro_batch`` of them are computed at a time (no effect on the result
            beyond rounding, only on memory and speed).
        learning_rates: by method, where it differs from ``learning_rate``.
        base_precision: ``8bit`` holds the frozen base in 8 bits (LLM.int8); full fine-tuning always trains float32
            weights. ``compute`` is what activations and matrix products use.
        gradient_checkpointing: recompute activations in the backward pass, of every ``checkpoint_every``-th layer (1:
            of all, the least memory; 2: of every other, faster).
        answers_only: compute the loss on answers alone (the paper: on all tokens).
        evaluate_every, save_every: in optimiser steps; ``test_sequences`` packed sequences make the test loss.
        report_to: dashboards that get the losses, too (no effect on the result).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: str = Field(min_length=1)
    corpus_config: str | None = None
    corpus_revision: str | None = None
    documents: int | None = Field(default=None, ge=1)
    corpus_test: str | None = None
    retained: str | None = None
    prompt_column: str = "prompt"
    prompt_fallback: str | None = None
    completion_column: str = "completion"
    template: str = TEMPLATE
    answers_only: bool = False
    sequence_length: int = Field(default=2048, ge=8)
    count_virtual_tokens: bool = False
    steps: int = Field(default=200, ge=1)
    batch: int = Field(default=32, ge=1)
    micro_batch: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    learning_rates: dict[str, float] = Field(default={})
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup_steps: int = Field(default=12, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    gradient_clip: float = Field(default=1.0, ge=0)
    base_precision: Literal["8bit", "bfloat16", "float32"] = "8bit"
    compute: Literal["bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = True
    checkpoint_every: int = Field(default=1, ge=1)
    evaluate_every: int = Field(default=10, ge=1)
    test_sequences: int = Field(default=64, ge=1)
    save_every: int = Field(default=50, ge=1)
    report_to: tuple[Literal["tensorboard", "trackio"], ...] = Field(default=())

    @field_validator("template")
    @classmethod
    def _holds_both(cls, value: str) -> str:
        if re.findall(r"{(?:prompt|completion)}", value) != ["{prompt}", "{completion}"]:
            raise ValueError("a template holds {prompt} and, after it, {completion}, once each")
        return value

    @field_validator("learning_rates")
    @classmethod
    def _positive_rates(cls, value: dict[str, float]) -> dict[str, float]:
        for method, rate in value.items():
            if not rate > 0:
                raise ValueError(f"the learning rate of {method} must be above 0, not {rate}")
        return value

    @model_validator(mode="after")
    def _divides(self) -> Recipe:
        if self.batch % self.micro_batch:
            raise ValueError(f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch}")
        return self

    def beside(self, virtual_tokens: int) -> Recipe:
        """The recipe for a model with that many virtual tokens: with shorter sequences where it counts them."""
        taken = virtual_tokens if self.count_virtual_tokens else 0
        return self.model_copy(update={"sequence_length": self.sequence_length - taken})

    def rate(self, method: str) -> float:
        """The peak learning rate of a method."""
        return self.learning_rates.get(method, self.learning_rate)


class Resources(BaseModel):
    """What one model of a suite takes of a cluster while it is trained or answers a task.

    Attributes:
        gpus: none given: one where the cluster has any.
        memory_gib: of host memory; none given: not counted.
        retries: how often a unit is tried again after an infrastructure failure, for example a lost node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: float = Field(default=1, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    memory_gib: float | None = Field(default=None, gt=0)
    retries: int = Field(default=3, ge=0)


class Sampling(BaseModel):
    """What a suite changes of its tasks' decoding.

    Attributes:
        samples: a problem, of tasks that draw more than one (greedy tasks keep theirs).
        temperature: of all tasks, instead of their own; 0: every task is greedy, with one sample per problem.
        max_length: of prompt and generation together, in tokens; virtual tokens of prompt methods not counted.
        precision: what generation holds the whole model in. Adapters are merged in float32 and rounded once. In
            ``float32`` a greedy answer does not depend on the other rows of its batch; in 16 bits it may, and in
            ``8bit`` it mostly does. Without a GPU everything is float32.
        rows: samples in one batch; none: a number that follows from the base alone, not from the machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=8)
    precision: Literal["bfloat16", "float16", "float32", "8bit"] = "bfloat16"
    rows: int | None = Field(default=None, ge=1)


class Search(BaseModel):
    """How a suite's learning rates are chosen: the same grid and the same budget for every method.

    Attributes:
        rates: peak learning rates, the same for all methods.
        sizes: where each rate is tried; the rate with the lowest mean validation loss is chosen for all sizes.
        corpus_validation: held-out documents that no test uses.
        steps: of each trial; none given: as many as the recipe has.
        documents: amounts of training documents, each tried with every rate; none given: all documents alone.
        seed: of the first of ``seeds`` trials of each combination; no result shares one of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: tuple[float, ...] = Field(min_length=2)
    sizes: tuple[str, ...] = Field(min_length=1)
    corpus_validation: str = Field(min_length=1)
    steps: int | None = Field(default=None, ge=1)
    documents: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=())
    seed: int = Field(default=1000, ge=0)
    seeds: int = Field(default=1, ge=1)

    @field_validator("rates")
    @classmethod
    def _rise(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)) or value[0] <= 0:
            raise ValueError("the rates are positive and rise")
        return value


class Row(BaseModel):
    """What a method of a comparison is: its family, its source, and the budget that its capacity is set for.

    Attributes:
        budget: the percentage of the base's parameters that its capacity setting comes close to; none: it has none.
        control: it is no method but a check of the comparison (one method under two names, a rate of almost zero):
            tables show it, ranks and sets leave it out.
        seed: added to the suite's seed in its training, so that a control that repeats a method repeats it with other
            random numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str = Field(min_length=1)
    source: str = Field(min_length=1)
    budget: float | None = Field(default=None, gt=0)
    control: bool = False
    seed: int = Field(default=0, ge=0)


ClaimsFile = Literal["claims", "conala_claims", "testgen_claims"]  # of data/paper


class Suite(BaseModel):
    """What is run: models x tasks, and where each stage gets its input. One YAML file in ``data/suites``.

    ``method_configs`` changes single fields of a method's PEFT configuration, or defines a method of the user's own:
    ``like`` a method of the table but for these fields, or any ``peft_type`` (``LORA`` or ``LoraConfig``) that PEFT
    knows, with its arguments. ``bases`` and ``recipe`` are what training needs. ``problems`` names a file of problems
    for tasks that are not to be run on the benchmark's own. ``prepare`` names the package's room that makes the
    suite's inputs before its first stage, in the cache. ``backend`` is what generates: vLLM is optional, and cannot
    serve every method. ``claims`` names the files of ``data/paper`` (one or several) with the statements that the suite
    can speak to.
    ``seeds`` is the number of training runs per model: run k is the suite ``NAME-seed<k>`` with ``seed`` + k, run 0 is
    the suite itself (:meth:`run_of`). ``extra_tasks`` are tasks that only run where they are asked for.
    Without ``sizes``, those of ``bases`` are meant; without ``title``, the name. A comparison of methods describes each
    in ``rows``, and says in ``left_out`` which are missing and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    method_configs: dict[str, dict[str, Any]] = Field(default={})
    sizes: tuple[str, ...] = Field(default=SIZES, min_length=1)
    methods: tuple[str, ...] = Field(default=METHODS, min_length=1)
    tasks: tuple[str, ...]  # none: a suite that is only trained
    generations: Literal["released", "generate"] = "generate"
    backend: Literal["transformers", "vllm"] = "transformers"
    published: bool = False
    claims: ClaimsFile | tuple[ClaimsFile, ...] = "claims"
    extra_tasks: tuple[str, ...] = Field(default=())
    seed: int = Field(default=0, ge=0)
    seeds: int = Field(default=1, ge=1)
    search: Search | None = None
    rows: dict[str, Row] = Field(default={})
    left_out: dict[str, str] = Field(default={})
    prepare: Literal["smol"] | None = None
    notebooks: tuple[str, ...] = Field(default=())
    bases: dict[str, Base] = Field(default={})
    recipe: Recipe | None = None
    problems: dict[str, Path] = Field(default={})
    java_levels: tuple[int, ...] = Field(default=())  # `javac --release` levels scored in addition to the JDK's own
    sampling: Sampling = Sampling()
    resources: Resources = Resources()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        """A suite without a title is called by its name; one without sizes has those of its bases."""
        if not isinstance(given, dict):
            return given
        bases = given.get("bases")
        sizes = {"sizes": list(bases)} if isinstance(bases, dict) and bases else {}
        return {"title": given.get("name", ""), **sizes, **given}

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, value: str) -> str:
        if not _FOLDER_NAME.fullmatch(value) or value.casefold() in _RESERVED:
            raise ValueError(
                "a suite's name is the name of its folder below build: up to 64 letters, digits, dots, dashes and "
                f"underscores, the first one a letter or a digit, and not {' or '.join(sorted(_RESERVED))}"
            )
        return value

    @field_validator("sizes")
    @classmethod
    def _name_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for size in value:
            if not _FOLDER_NAME.fullmatch(size):
                raise ValueError(f"size {size!r} names files: use letters, digits, dots, dashes and underscores")
        return value

    @field_validator("problems")
    @classmethod
    def _of_known_tasks(cls, value: dict[str, Path]) -> dict[str, Path]:
        return {match(task, TASKS, "task (problems)"): path for task, path in value.items()}

    @field_validator("method_configs")
    @classmethod
    def _known_or_complete(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, fields in value.items():
            if name not in ALL_METHODS and not {"peft_type", "like"} & fields.keys():
                match(name, ALL_METHODS, "method (one of your own needs a peft_type, or what it is like)")
            if "like" in fields and name in ALL_METHODS:
                raise ValueError(f"{name} is a method of the table and like no other: give yours another name")
            match(str(fields.get("like", "FFT")), ALL_METHODS, "method (like)")
        return value

    @field_validator("tasks", "extra_tasks")
    @classmethod
    def _known_tasks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(match(v, TASKS, "task") for v in value)

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = dict.fromkeys((*ALL_METHODS, UNTUNED, *info.data.get("method_configs", ())))
        return tuple(match(v, known, "method") for v in value)

    @model_validator(mode="after")
    def _recipe_names_methods(self) -> Suite:
        for method in self.recipe.learning_rates if self.recipe else ():
            match(method, dict.fromkeys((*ALL_METHODS, *self.method_configs)), "method (learning_rates)")
        return self

    @model_validator(mode="after")
    def _one_file_name_each(self) -> Suite:
        for method in self.methods:
            if not method_slug(method).isascii() or not method_slug(method):
                raise ValueError(f"method {method!r} names files: give it a letter or a digit of ASCII")
        slugs = [model.slug for model in self.models]
        twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
        if twice:
            raise ValueError(f"two models would share the file name {twice[0]}: rename a size or a method")
        return self

    @property
    def models(self) -> tuple[Model, ...]:
        """Every size with every method, size by size."""
        return tuple(Model(size, method) for size in self.sizes for method in self.methods)

    def run_of(self, number: int) -> Suite:
        """One of the suite's training runs as a suite of its own.

        Raises:
            BadInput: the suite has no such run.
        """
        if not 0 <= number < self.seeds:
            raise BadInput(f"suite {self.name}: has the runs 0 to {self.seeds - 1}, not {number}")
        if not number:
            return self
        changes = {"name": f"{self.name}-seed{number}", "seed": self.seed + number, "seeds": 1, "notebooks": ()}
        return self.model_copy(update={**changes, "title": f"{self.title} (training run {number})"})

    def slice(self, sizes: Iterable[str] = (), methods: Iterable[str] = (), tasks: Iterable[str] = ()) -> Suite:
        """The same suite, cut down to the named sizes, methods and tasks (none named: all of them).

        The task ``all`` stands for the suite's tasks and its extra ones, any of which may be named.
        """
        every = dict.fromkeys((*self.tasks, *self.extra_tasks))
        tasks = tuple(tasks)
        if "all" in tasks:
            return self.model_copy(update={"tasks": tuple(every)}).slice(sizes, methods)
        cut = {
            "sizes": tuple(match(s, self.sizes, "size") for s in sizes) or self.sizes,
            "methods": tuple(match(m, self.methods, "method") for m in methods) or self.methods,
            "tasks": tuple(match(t, every, "task") for t in tasks) or self.tasks,
        }
        return self.model_copy(update=cut)


def java_metric(level: int) -> str:
    """The metric key of Pass@1 at a Java language level: ``pass@1/java8``; plain ``pass@1`` is the JDK's own level."""
    return f"pass@1/java{level}"


CACHE = "cache:"  # how a path in a suite file begins that lies in the cache


def _located(value: Any, folder: Path, cache: Path | None) -> Any:
    """The same, with paths made absolute: ``./`` and ``../`` from the folder, ``cache:`` from the cache."""
    if isinstance(value, dict):
        return {key: _located(inner, folder, cache) for key, inner in value.items()}
    if isinstance(value, str) and value.startswith(("./", "../")):
        return str((folder / value).resolve())
    if isinstance(value, str) and value.startswith(CACHE) and cache is not None:
        return str(cache / value.removeprefix(CACHE))
    return value


def read_suite(path: Path, cache: Path | None = None) -> Suite:
    """Read and validate one suite file; raise :class:`BadInput` that names the file, the field and the value.

    Bases, corpora and files of problems that start with ``./`` or ``../`` lie relative to the suite file, those that
    start with ``cache:`` in ``cache``.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such suite file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no text, or a date that is none
        raise BadInput(f"{path}: not a YAML file ({str(error).splitlines()[0]})") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: a suite file holds a mapping, this one holds a {type(raw).__name__}")
    try:
        return Suite(**_located(raw, path.parent, cache))
    except UnknownName as error:
        raise BadInput(f"{path}: {error}") from None
    except ValidationError as error:
        raise BadInput(f"{path}: {_first_fault(error)}") from None


def _first_fault(error: ValidationError) -> str:
    """The fault of a suite that explains the most: an unknown field, with its near match, or else the first one."""
    faults = error.errors()
    missing = {tuple(fault["loc"]) for fault in faults if fault["type"] == "missing"}
    for fault in faults:
        if fault["type"] == "extra_forbidden":
            *outer, name = fault["loc"]
            fields = _fields(outer)
            wanted = [str(loc[-1]) for loc in missing if list(loc[:-1]) == outer] or list(fields)
            near = [*difflib.get_close_matches(str(name), wanted, 1), *difflib.get_close_matches(str(name), fields, 1)]
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
            return f"{'.'.join(map(str, fault['loc']))}: unknown field; {hint}"
    first = faults[0]
    where = ".".join(str(part) for part in first["loc"]) or "suite"
    if first["type"] == "missing":
        return f"{where}: required, and missing"
    return f"{where}: {first['msg']} (got {first.get('input')!r:.80})"


def _fields(outer: list[int | str]) -> list[str]:
    """The names of the fields of the part of a suite that a location leads to."""
    parts: dict[str, type[BaseModel]] = {
        "recipe": Recipe,
        "bases": Base,
        "sampling": Sampling,
        "resources": Resources,
        "search": Search,
    }
    return list((parts.get(str(outer[0]), Suite) if outer else Suite).model_fields)
