"""Instruction data: documents from the hub or a file, as a recipe's template says, packed to constant length.

The packed stream is endless and deterministic, reads no more documents than it has to, and can be continued from a
:class:`Position` of three numbers. TRL's ``wrapped`` packing gives the same tokens (a test holds that) but ends a short
sequence after every 1,000 documents, stops after one pass, and can only be continued from its beginning.
"""

from __future__ import annotations

import itertools
import json
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from .. import schema
from . import hub, released

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label of a token that the loss leaves out
SHUFFLE_BUFFER = 5_000  # documents, where they are streamed from the hub; the released script's number
_AT_A_TIME = 64  # documents that the tokenizer gets at once: it works on them in parallel

Pair = tuple[str, str]


class Corpus(Protocol):
    """Documents in an order that depends on the pass alone.

    ``commit`` is the hub's, where the documents come from there.
    """

    @property
    def commit(self) -> str | None: ...

    def read(self, epoch: int, start: int) -> Iterator[Pair]:
        """The (prompt, completion) pairs of one pass, from document ``start`` on."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where a packed stream stands: its next token is number ``token`` of document ``document`` of pass ``epoch``."""

    epoch: int = 0
    document: int = 0
    token: int = 0


@dataclass(frozen=True, slots=True)
class Packed:
    """One sequence.

    Attributes:
        input_ids: exactly ``length`` tokens; documents follow each other with one end-of-sequence token between.
        labels: the same tokens, or -100 where the loss leaves them out.
        after: where the stream stands afterwards.
    """

    input_ids: list[int]
    labels: list[int]
    after: Position


def question(prompt: str, template: str = schema.TEMPLATE) -> str:
    """A document up to where its completion begins."""
    return template.partition("{completion}")[0].replace("{prompt}", prompt)


def text(prompt: str, completion: str, template: str = schema.TEMPLATE) -> str:
    """A document as the model reads it."""
    return question(prompt, template) + completion + template.partition("{completion}")[2]


class FileCorpus:
    """A file of JSON lines (``.jsonl``), or of one JSON list (``.json``), plain or ``.xz``: read whole.

    Each pass has its own permutation.
    """

    commit = None

    def __init__(self, path: Path, recipe: schema.Recipe, seed: int | None) -> None:
        self.path = path
        self.seed = seed
        columns = (recipe.prompt_column, recipe.completion_column, recipe.prompt_fallback)
        self.pairs = [_pair(row, *columns, where) for where, row in _read_rows(path)]
        if not self.pairs:
            raise schema.BadInput(f"{path}: holds no documents")
        if seed is not None and recipe.documents is not None:
            self.pairs = [self.pairs[index] for index in self._drawn(recipe.documents, seed)]

    def _drawn(self, count: int, seed: int) -> list[int]:
        """Which documents are used; a larger number adds to those of a smaller one."""
        if count > len(self.pairs):
            raise schema.BadInput(f"{self.path}: holds {len(self.pairs)} documents, `documents` asks for {count}")
        drawn: list[int] = np.random.default_rng([seed]).permutation(len(self.pairs))[:count].tolist()
        return drawn

    def read(self, epoch: int, start: int) -> Iterator[Pair]:
        """See :class:`Corpus`; the file's own order where there is no seed."""
        order: Iterable[int] = range(len(self.pairs))
        if self.seed is not None:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs)).tolist()
        return (self.pairs[index] for index in itertools.islice(order, start, None))


def _read_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a file, each with words that say where it stands."""
    number = 0
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
            if ".json" in path.suffixes:
                rows = json.load(lines)
                if not isinstance(rows, list):
                    raise schema.BadInput(f"{path}: holds a {type(rows).__name__}, expected a list of objects")
                yield from ((f"{path}: row {i}", row) for i, row in enumerate(rows, 1))
                return
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield f"{path}: line {number}", json.loads(line)
    except FileNotFoundError:
        raise schema.MissingArtefact(f"{path}: no such corpus file") from None
    except json.JSONDecodeError as error:
        raise schema.BadInput(f"{path}: line {number or error.lineno}: not JSON ({error.msg})") from None
    except (lzma.LZMAError, EOFError, UnicodeDecodeError, OSError) as error:
        raise schema.BadInput(f"{path}: damaged after line {number} ({error})") from None


def _pair(row: Any, prompt: str, completion: str, fallback: str | None, where: str) -> Pair:
    if not isinstance(row, dict):
        raise schema.BadInput(f"{where}: holds a {type(row).__name__}, expected an object with text columns")
    if fallback is not None and prompt in row and row[prompt] is None:
        prompt = fallback
    for column in (prompt, completion):
        if column not in row:
            schema.match(column, map(str, row), f"column of {where}")
        if not isinstance(row[column], str):
            raise schema.BadInput(f"{where}: column {column!r} holds a {type(row[column]).__name__}, not text")
    return row[prompt], row[completion]


class HubCorpus:
    """A data set of the hub, or a folder of one.

    One of less than 1 GiB is kept whole in the hub's cache, so that nodes without internet can train; a larger one is
    streamed, and nothing is downloaded that is not read.
    """

    def __init__(self, recipe: schema.Recipe, name: str, split: str, seed: int | None) -> None:
        self.recipe = recipe
        self.name = name
        self.split = split
        self.seed = seed
        self.commit: str | None = None

    def _stream(self, epoch: int) -> Any:
        import datasets

        recipe = self.recipe
        config, revision = recipe.corpus_config, recipe.corpus_revision
        if self.name != recipe.corpus:  # the test set's own
            config = revision = None
        kept = None if Path(self.name).is_dir() else hub.snapshot(self.name, revision)
        place = self.name
        if kept is not None:  # a snapshot's folder is named after its commit
            place, revision, self.commit = str(kept), None, kept.name
        stream = datasets.load_dataset(place, config, split=self.split, revision=revision, streaming=True)
        if self.seed is None:
            return stream
        if recipe.documents is not None:
            stream = stream.shuffle(seed=self.seed, buffer_size=SHUFFLE_BUFFER).take(recipe.documents)
        return stream.shuffle(seed=self.seed + epoch, buffer_size=SHUFFLE_BUFFER)

    def read(self, epoch: int, start: int) -> Iterator[Pair]:
        """See :class:`Corpus`; streamed data are shuffled within a buffer.

        Raises:
            schema.MissingArtefact: the data set is unavailable.
        """
        recipe = self.recipe
        try:
            for number, row in enumerate(self._stream(epoch).skip(start), start + 1):
                where = f"{self.name}: row {number}"
                yield _pair(row, recipe.prompt_column, recipe.completion_column, recipe.prompt_fallback, where)
        except (OSError, ValueError, RuntimeError) as error:
            raise schema.MissingArtefact(
                f"{self.name}: split {self.split} is unavailable: {hub.cause(error)}; or name a file of JSON lines as "
                "the recipe's corpus"
            ) from None


def local(name: str) -> Path | None:
    """The file that a corpus names: a path, or ``mirror:PATH`` in the mirror; ``None``: a data set of the hub.

    Raises:
        schema.MissingArtefact: it is in the mirror, and there is none.
    """
    if name.startswith("mirror:"):
        mirror = released.mirror()
        if mirror is None:
            raise schema.MissingArtefact(
                f"{name}: no mirror here; set ASTRAIOS_MIRROR to a folder with upstream's files"
            )
        path = mirror / name.removeprefix("mirror:")
        return path if path.exists() else path.with_name(f"{path.name}.xz")
    path = Path(name)
    return path if path.is_file() or path.suffix in {".jsonl", ".json", ".xz"} else None


def open_corpus(recipe: schema.Recipe, seed: int, held_out: bool = False) -> Corpus | None:
    """The documents to train on, or the held-out ones (unshuffled; ``None`` where a file has no held-out part)."""
    if held_out and not recipe.corpus_test and local(recipe.corpus):
        return None
    name = (held_out and recipe.corpus_test) or recipe.corpus
    order = None if held_out else seed
    path = local(name)
    if path is None:
        return HubCorpus(recipe, name, "test" if held_out else "train", order)
    return FileCorpus(path, recipe, order)


def retained(recipe: schema.Recipe) -> list[Pair]:
    """The held-out pre-training documents on which forgetting is measured; none where the recipe names no file.

    Raises:
        schema.BadInput: the recipe names something else than a file.
    """
    if recipe.retained is None:
        return []
    path = local(recipe.retained)
    if path is None:
        raise schema.BadInput(f"retained: {recipe.retained} is no file of JSON lines (.jsonl, plain or .xz)")
    return FileCorpus(path, recipe, None).pairs


def encode(
    tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], answers_only: bool, template: str = schema.TEMPLATE
) -> Iterator[tuple[list[int], list[int]]]:
    """Documents as (token ids, labels), each ended by the end-of-sequence token.

    With ``answers_only`` a label is kept where its token reaches into the answer, so that the tokens are the same
    either way (the released script tokenised question and answer apart there).
    """
    encoded = tokenizer([text(*pair, template) for pair in pairs], return_offsets_mapping=answers_only, verbose=False)
    end = cast(int, tokenizer.eos_token_id)
    for index, (prompt, _) in enumerate(pairs):
        ids = cast("list[int]", encoded["input_ids"][index])
        labels = ids
        if answers_only:
            begin = len(question(prompt, template))
            offsets = encoded["offset_mapping"][index]
            labels = [token if stop > begin else IGNORED for token, (_, stop) in zip(ids, offsets, strict=True)]
        yield [*ids, end], [*labels, end]


def _documents(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, epoch: int, start: int, answers_only: bool, template: str
) -> Iterator[tuple[list[int], list[int]]]:
    pairs = corpus.read(epoch, start)
    while batch := list(itertools.islice(pairs, _AT_A_TIME)):
        yield from encode(tokenizer, batch, answers_only, template)


def pack(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    length: int,
    start: Position | None = None,
    passes: int | None = None,
    answers_only: bool = False,
    template: str = schema.TEMPLATE,
) -> Iterator[Packed]:
    """Sequences of constant length from the documents, pass after pass; a last incomplete one is left out.

    Args:
        corpus: the documents.
        tokenizer: a fast tokenizer with an end-of-sequence token.
        length: tokens in each sequence.
        start: continue where an earlier stream stood (:attr:`Packed.after`).
        passes: stop after so many passes over the documents (default: never).
        answers_only: compute the loss on answers alone.
        template: how a document is made of a prompt and a completion.

    Raises:
        schema.BadInput: a tokenizer without end-of-sequence token, or a corpus without documents.
    """
    if tokenizer.eos_token_id is None:
        raise schema.BadInput("the tokenizer has no end-of-sequence token: documents could not be separated")
    if answers_only and not tokenizer.is_fast:
        raise schema.BadInput("answers_only needs a fast tokenizer (one that knows where in the text a token stands)")
    at = start or Position()
    ids: list[int] = []
    labels: list[int] = []
    for epoch in itertools.count(at.epoch) if passes is None else range(at.epoch, passes):
        document = -1
        for document, (more, kept) in enumerate(
            _documents(corpus, tokenizer, epoch, at.document, answers_only, template)
        ):
            begin = at.token if document == 0 else 0
            ids += more[begin:]
            labels += kept[begin:]
            while len(ids) >= length:
                after = Position(epoch, at.document + document, len(more) - len(ids) + length)
                yield Packed(ids[:length], labels[:length], after)
                del ids[:length], labels[:length]
        if document < 0 and at.document == 0:
            raise schema.BadInput("the corpus holds no documents")
        at = Position()
