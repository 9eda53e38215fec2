"""The packed stream: its format, its length, its order, and that it continues where it stood."""

from __future__ import annotations

import itertools
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets import Dataset
from tiny_models import tokenizer
from trl import pack_dataset

from astraios_utils import schema
from astraios_utils.sources import corpus
from astraios_utils.sources.corpus import Packed, pack

PAIRS = [(f"What is {i}?", f"It is the number {i}, " + "and so on " * (i % 7) + ".") for i in range(150)]


class Fixed:
    """Documents in memory, in the same order in every pass; counts how many were read."""

    def __init__(self, pairs: list[corpus.Pair]) -> None:
        self.pairs = pairs
        self.taken = 0

    def read(self, epoch: int, start: int) -> Iterator[corpus.Pair]:
        for pair in self.pairs[start:]:
            self.taken += 1
            yield pair


def file(tmp_path: Path, pairs: list[corpus.Pair] = PAIRS) -> Path:
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in pairs))
    return path


def recipe(path: Path, **fields: object) -> schema.Recipe:
    return schema.Recipe(corpus=str(path), **fields)


def test_documents_read_as_the_released_script_writes_them() -> None:
    assert corpus.text("Fix it.", "x = 1") == "Question: Fix it.\n\nAnswer: x = 1"


def test_the_stream_is_the_documents_with_one_end_token_after_each() -> None:
    tok = tokenizer()
    packed = list(pack(Fixed(PAIRS), tok, 16, passes=1))
    assert {len(p.input_ids) for p in packed} == {16}
    assert all(p.labels == p.input_ids for p in packed)  # the loss is on all tokens
    stream = list(itertools.chain.from_iterable(p.input_ids for p in packed))
    whole = [t for pair in PAIRS for t in [*tok(corpus.text(*pair))["input_ids"], tok.eos_token_id]]
    assert stream == whole[: len(stream)]
    assert 0 <= len(whole) - len(stream) < 16  # only a last, incomplete sequence is missing
    pieces = tok.decode(stream).split("<|endoftext|>")
    assert pieces[:100] == [corpus.text(*pair) for pair in PAIRS[:100]]


def test_trl_packs_the_same_tokens_but_not_to_constant_length() -> None:
    tok = tokenizer()
    ids = [[*tok(corpus.text(*pair))["input_ids"], tok.eos_token_id] for pair in PAIRS]
    data = Dataset.from_dict({"input_ids": ids})
    ours = [p.input_ids for p in pack(Fixed(PAIRS), tok, 30, passes=1)]
    # One map batch: equal, but for a short sequence at the end.
    theirs = pack_dataset(data, 30, "wrapped", {"batch_size": len(PAIRS)})["input_ids"]
    assert theirs[: len(ours)] == ours
    assert [len(x) for x in theirs[len(ours) :]] == [sum(map(len, ids)) % 30]
    # TRL packs each map batch (1,000 documents, here 50) for itself: a short sequence after each, which ours has not.
    theirs = pack_dataset(data, 30, "wrapped", {"batch_size": 50})["input_ids"]
    assert sum(len(x) < 30 for x in theirs) == 3
    assert list(itertools.chain.from_iterable(theirs)) == list(itertools.chain.from_iterable(ids))


def test_answers_only_hides_the_question_from_the_loss_and_changes_no_token() -> None:
    tok = tokenizer()
    plain = next(pack(Fixed(PAIRS[:1]), tok, 60))
    packed = next(pack(Fixed(PAIRS[:1]), tok, 60, answers_only=True))
    assert packed.input_ids == plain.input_ids
    hidden = [t for t, label in zip(packed.input_ids, packed.labels, strict=True) if label == corpus.IGNORED]
    kept = [t for t in packed.labels if t != corpus.IGNORED]
    # Every token that reaches into an answer counts; the space before it may belong to the answer's first token.
    answer = tok.decode(kept)
    assert tok.decode(hidden).startswith("Question: What is 0?\n\nAnswer:")
    assert answer.lstrip().startswith("It is the number 0, .<|endoftext|>")


def test_it_continues_from_every_position(tmp_path: Path) -> None:
    source = corpus.open_corpus(recipe(file(tmp_path)), seed=3)
    assert source is not None
    stream = list(itertools.islice(pack(source, tokenizer(), 50), 300))
    assert stream[-1].after.epoch >= 1  # more than one pass
    for number in (0, 1, 7, 100, 298):
        rest = itertools.islice(pack(source, tokenizer(), 50, start=stream[number].after), 299 - number)
        assert list(rest) == stream[number + 1 :]


def test_short_sequences_end_inside_and_at_the_end_of_documents() -> None:
    stream = list(itertools.islice(pack(Fixed(PAIRS[:2]), tokenizer(), 5), 60))
    for number, packed in enumerate(stream[:-1]):
        assert next(pack(Fixed(PAIRS[:2]), tokenizer(), 5, start=packed.after)) == stream[number + 1]


def test_the_same_seed_gives_the_same_stream_and_each_pass_its_own_order(tmp_path: Path) -> None:
    path = file(tmp_path)

    def first(seed: int) -> list[Packed]:
        source = corpus.open_corpus(recipe(path), seed)
        assert source is not None
        return list(itertools.islice(pack(source, tokenizer(), 64), 20))

    assert first(0) == first(0)
    assert first(0) != first(1)
    source = corpus.open_corpus(recipe(path), 0)
    assert source is not None
    passes = [list(source.read(epoch, 0)) for epoch in (0, 1)]
    assert passes[0] != passes[1]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(PAIRS)


def test_it_reads_no_more_than_it_needs() -> None:
    source = Fixed(PAIRS * 100)
    next(pack(source, tokenizer(), 16))
    assert source.taken <= 64  # what the tokenizer gets at once


def test_held_out_documents_keep_their_order(tmp_path: Path) -> None:
    path = file(tmp_path)
    assert corpus.open_corpus(recipe(path), 0, held_out=True) is None
    held_out = corpus.open_corpus(recipe(path, corpus_test=str(path)), 0, held_out=True)
    assert held_out is not None
    assert list(held_out.read(0, 0)) == PAIRS


def test_compressed_files_are_read(tmp_path: Path) -> None:
    plain = file(tmp_path)
    packed = tmp_path / "documents.jsonl.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    source = corpus.open_corpus(recipe(packed), 0)
    assert source is not None
    assert sorted(source.read(0, 0)) == sorted(PAIRS)


def test_lists_of_objects_and_folders_of_files_are_read(tmp_path: Path) -> None:
    rows = [{"intent": p, "snippet": c} for p, c in PAIRS]
    (tmp_path / "rows.json.xz").write_bytes(lzma.compress(json.dumps(rows, indent=1).encode()))
    columns = {"prompt_column": "intent", "completion_column": "snippet"}
    source = corpus.open_corpus(recipe(tmp_path / "rows.json.xz", **columns), 0)
    assert source is not None
    assert sorted(source.read(0, 0)) == sorted(PAIRS)
    (tmp_path / "set").mkdir()
    for split, part in (("train", rows[:100]), ("test", rows[100:])):
        (tmp_path / "set" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    for held_out, part in ((False, PAIRS[:100]), (True, PAIRS[100:])):
        source = corpus.open_corpus(recipe(tmp_path / "set", **columns), 0, held_out)
        assert source is not None
        assert sorted(source.read(0, 0)) == sorted(part)
    file_of_one = recipe(tmp_path / "rows.json.xz", corpus_test=str(tmp_path / "set"), **columns)
    source = corpus.open_corpus(file_of_one, 0, held_out=True)
    assert source is not None
    assert list(source.read(0, 0)) == PAIRS[100:]  # held-out documents keep their order


def test_a_json_file_without_a_list_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for content, complaint in (('{"prompt": "a"}', "holds a dict, expected a list"), ("[\n{,", "line 2: not JSON")):
        path.write_text(content)
        with pytest.raises(schema.BadInput, match=complaint):
            corpus.open_corpus(recipe(path), 0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no documents"),
        ('{"prompt": "a"}\n', "unknown column of .* line 1 'completion'"),
        ('{"prompt": "a", "completion": 3}\n', "line 1: column 'completion' holds a int, not text"),
        ('{"prompt": "a", "completion": "b"}\n{"prompt": \n', "line 2: not JSON"),
        ("[1]\n", "line 1: holds a list, expected an object"),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(schema.BadInput, match=complaint) as caught:
        corpus.open_corpus(recipe(path), 0)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_and_missing_files_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.xz"
    path.write_bytes(lzma.compress(file(tmp_path).read_bytes())[:-40])
    with pytest.raises(schema.BadInput, match="damaged after line"):
        corpus.open_corpus(recipe(path), 0)
    with pytest.raises(schema.MissingArtefact, match="no such corpus file"):
        corpus.open_corpus(recipe(tmp_path / "none.jsonl"), 0)


def test_the_mirror_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path))
    (tmp_path / "documents.jsonl.xz").write_bytes(lzma.compress(file(tmp_path).read_bytes()))
    (tmp_path / "documents.jsonl").unlink()
    source = corpus.open_corpus(schema.Recipe(corpus="mirror:documents.jsonl"), 0)
    assert source is not None
    assert sorted(source.read(0, 0)) == sorted(PAIRS)
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    with pytest.raises(schema.MissingArtefact, match="no mirror here"):
        corpus.open_corpus(schema.Recipe(corpus="mirror:documents.jsonl"), 0)


def test_a_data_set_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'nobody/nothing' on the Hub\n(more)")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr(corpus.hub, "snapshot", lambda *_: None)
    source = corpus.open_corpus(schema.Recipe(corpus="nobody/nothing"), 0)
    assert source is not None
    with pytest.raises(schema.MissingArtefact, match="nobody/nothing: split train is unavailable") as caught:
        next(source.read(0, 0))
    assert "\n" not in str(caught.value)


def test_streamed_data_sets_are_shuffled_by_seed_and_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = Dataset.from_list([{"prompt": p, "completion": c} for p, c in PAIRS])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows.to_iterable_dataset())
    monkeypatch.setattr(corpus.hub, "snapshot", lambda *_: None)  # too large to be kept: streamed
    source = corpus.open_corpus(schema.Recipe(corpus="somebody/something"), 5)
    assert source is not None
    order = list(source.read(0, 0))
    assert order == list(source.read(0, 0))
    assert order != list(source.read(1, 0))
    assert list(source.read(0, 40)) == order[40:]
    assert sorted(order) == sorted(PAIRS)


def test_some_of_the_documents_are_drawn_with_the_seed_and_more_add_to_fewer(tmp_path: Path) -> None:
    def drawn(documents: int, seed: int, epoch: int = 0) -> list[corpus.Pair]:
        source = corpus.open_corpus(recipe(file(tmp_path), documents=documents), seed)
        assert source is not None
        return list(source.read(epoch, 0))

    few = drawn(20, 1)
    assert len({*few}) == 20
    assert sorted(few) == sorted(drawn(20, 1, epoch=1))
    assert few != drawn(20, 1, epoch=1)  # in another order
    assert {*few} < {*drawn(60, 1)}
    assert {*few} != {*drawn(20, 2)}
    with pytest.raises(schema.BadInput, match="holds 150 documents, `documents` asks for 151"):
        drawn(151, 1)


def test_some_documents_of_a_streamed_data_set_are_the_same_in_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = Dataset.from_list([{"prompt": p, "completion": c} for p, c in PAIRS])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows.to_iterable_dataset())
    monkeypatch.setattr(corpus.hub, "snapshot", lambda *_: None)
    first, again = (corpus.open_corpus(schema.Recipe(corpus="a/b", documents=20), seed) for seed in (5, 6))
    assert first is not None
    assert again is not None
    passes = [list(first.read(epoch, 0)) for epoch in (0, 1)]
    assert len({*passes[0]}) == 20
    assert sorted(passes[0]) == sorted(passes[1])
    assert passes[0] != passes[1]
    assert sorted(passes[0]) != sorted(again.read(0, 0))


def test_a_tokenizer_without_end_token_is_refused() -> None:
    import copy

    bare = copy.deepcopy(tokenizer())
    bare.eos_token = None
    with pytest.raises(schema.BadInput, match="no end-of-sequence token"):
        next(pack(Fixed(PAIRS), bare, 8))
    with pytest.raises(schema.BadInput, match="holds no documents"):
        next(pack(Fixed([]), tokenizer(), 8))


def test_the_instruction_sample_packs(mirror: Path) -> None:
    source = corpus.open_corpus(recipe(mirror / "guanaco_sample" / "oasst_commitpackft_manual.jsonl.xz"), 0)
    assert isinstance(source, corpus.FileCorpus)
    assert len(source.pairs) == 1178  # the mirror's README
    assert all(len(p.input_ids) == 512 for p in itertools.islice(pack(source, tokenizer(), 512), 50))


def test_another_template_and_a_second_column(tmp_path: Path) -> None:
    # The CoNaLa study's documents; a row without rewritten intent asks its title.
    template = "### Instruction:\n{prompt}\n### Response:\n{completion}\n"
    rows = [{"a": "sort {completion}", "b": "x", "c": "x.sort()"}, {"a": None, "b": "sum", "c": "sum(x)"}]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    recipe = schema.Recipe(
        corpus=str(path), prompt_column="a", prompt_fallback="b", completion_column="c", template=template
    )
    source = corpus.open_corpus(recipe, 0)
    assert source is not None
    pairs = sorted(source.read(0, 0))
    assert pairs == [("sort {completion}", "x.sort()"), ("sum", "sum(x)")]
    assert corpus.text(*pairs[0], template) == "### Instruction:\nsort {completion}\n### Response:\nx.sort()\n"
    ids, labels = next(corpus.encode(tokenizer(), pairs[1:], True, template))
    answer = [token for token, label in zip(ids, labels, strict=True) if label != corpus.IGNORED]
    assert tokenizer().decode(answer) == "sum(x)\n<|endoftext|>"
    assert tokenizer().decode(next(pack(source, tokenizer(), 40, template=template)).input_ids).startswith("### Inst")
    without = schema.Recipe(corpus=str(path), prompt_column="a", completion_column="c")
    with pytest.raises(schema.BadInput, match="row 2: column 'a' holds a NoneType"):
        corpus.open_corpus(without, 0)


@pytest.mark.parametrize("template", ["{prompt}", "{completion} {prompt}", "{prompt} {prompt} {completion}"])
def test_a_template_holds_both_once_in_order(template: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        schema.Recipe(corpus="x", template=template)


def test_virtual_tokens_take_room_only_where_they_are_counted() -> None:
    plain = schema.Recipe(corpus="x", sequence_length=1024)
    assert plain.beside(20).sequence_length == 1024
    assert plain.model_copy(update={"count_virtual_tokens": True}).beside(20).sequence_length == 1004
