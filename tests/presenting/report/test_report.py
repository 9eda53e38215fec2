"""The report stands alone and says what the results say."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from astraios_utils import cli, results, schema, store
from astraios_utils.presenting import report, versus
from astraios_utils.presenting.report import content, detectable, payload, statements
from astraios_utils.results import claims, power
from astraios_utils.running import pipeline
from astraios_utils.schema import Model, Suite
from astraios_utils.tasks import Problem, Task, task_of


def _chunks(page: str) -> dict[str, Any]:
    found = re.findall(r'data-name="([^"]+)">([^<]+)</script>', page)
    return {html.unescape(name): payload.unsqueeze(text) for name, text in found}


def test_page_stands_alone(suite: Suite, frame: pd.DataFrame) -> None:
    path = report.write(suite, frame)
    page = path.read_text(encoding="utf-8")
    assert path == store.suite_dir("released") / "report.html"
    assert path.stat().st_size <= report.LIMIT < 5_000_000
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "default-src 'none'" in page
    assert "17.26" in page  # Python synthesis, 1B LoRA: measured, and Table 3
    assert "by the data that are here: " in page  # next to a verdict of "not testable"
    for task in suite.tasks:
        assert f'data-task="{task}"' in page


def test_cells_say_value_interval_status_and_what_was_published(suite: Suite, frame: pd.DataFrame) -> None:
    sections = {section.place: section for section in content.sections(suite, frame)}
    assert list(sections) == ["Table 3", "Table 4", "Table 5"]  # no Figure 1: the slice lacks five of its tasks
    (synthesis,) = sections["Table 3"].matrices
    first, *_, last = synthesis.rows["LoRA"]
    assert (first.text, first.published, first.status) == ("17.26", "17.26", "equal")  # Table 3
    assert first.link == "#cell/synthesize-python/1B/LoRA"
    assert "95% interval" in first.described
    assert float(first.error) > 0
    assert (last.text, last.published, last.status, last.link) == ("—", "38.08", "no artefact", "")  # Table 3
    assert synthesis.rows["(IA)3"][0].link == "#cell/synthesize-python/1B/%28IA%293"
    assert [matrix.metric for matrix in sections["Table 5"].matrices] == ["valid", "insecure"]
    assert sections["Table 5"].matrices[0].rows["LoRA"][0].published == "85.9"  # Table 5 prints one decimal


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(float("nan"), 2, ""), (-1.005, 1, "−1.0"), (-0.001, 2, "0.00"), (87.0, 1, "87.0"), (2.5, 0, "2")],
)
def test_numbers(value: float, digits: int, text: str) -> None:
    assert content.number(value, digits) == text


def test_verdicts_come_back_as_they_were() -> None:
    model = Model("1B", "LoRA")
    rows = [("a", "", 0, "passed", ""), ("a", "", 1, "passed", ""), ("a", "", 2, "failed", "x" * 500)]
    rows += [("b", "v/s0", 0, "error", "a\tb"), ("b", "v/s1", 0, "error", "a\tb")]
    frame = pd.DataFrame(rows, columns=["problem", "variant", "sample", "status", "detail"])
    held = payload.unsqueeze(payload.squeeze(payload.verdicts({model: (frame, "here")})))
    runs = held["models"]["1B/LoRA"]
    assert runs["origin"] == "here"
    assert runs["count"] == [2, 1, 1, 1]  # the last two are of different variants
    columns = zip(runs["problem"], runs["variant"], runs["outcome"], runs["count"], strict=True)
    back = [
        (held["problems"][p], held["variants"][v], *held["outcomes"][o]) for p, v, o, n in columns for _ in range(n)
    ]
    expected = [(p, v, s, d[: payload.DETAIL]) for p, v, _, s, d in rows]
    assert back == expected


class _Fake:
    """A task whose files are JSON mappings of problems to samples."""

    def references(self, source: Path | None) -> tuple[Problem, ...]:
        return ()

    def read(self, path: Path, problems: object) -> Any:
        held = json.loads(path.read_text())
        return SimpleNamespace(pairs=lambda: ((Problem(k, "", {}), tuple(v)) for k, v in held.items()))


def test_texts_stand_beside_their_verdicts(tmp_path: Path) -> None:
    cells, verdicts = {}, {}
    for method, samples in {
        "LoRA": {"b": ["x", "y"], "a": ["x", "x"]},
        "FFT": {"b": ["y", "y"], "a": ["z", "x"]},
    }.items():
        model = Model("1B", method)
        path = tmp_path / f"{method}.json"
        path.write_text(json.dumps(samples))
        cells[model] = pipeline.Cell(cast(Task, _Fake()), model, path)
        rows = [(problem, "", n) for problem in samples for n in range(2)]
        verdicts[model] = (pd.DataFrame(rows, columns=["problem", "variant", "sample"]), "here")
    held = payload.texts(cells, verdicts)
    assert held["texts"] == ["x", "z", "x", "y"]  # distinct within a problem: a's, then b's
    assert held["models"] == {"1B/LoRA": [2, 3, 0, 0], "1B/FFT": [3, 3, 1, 0]}


def test_problems_have_prompt_tests_and_reference() -> None:
    suite = store.load_suite("nano")
    path = suite.problems["repair-python"]
    held = payload.problems(suite, "repair-python", path)
    task = task_of(suite, "repair-python")
    asked = {problem.id: problem for problem in task.problems(path)}
    assert list(held) == list(asked)
    name, problem = next(iter(asked.items()))
    assert held[name] == {
        "prompt": task.prompt(problem), "tests": problem.row["test"], "reference": problem.row["canonical_solution"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["nano", "zoo"])
def test_the_problems_of_every_task_can_be_shown(name: str) -> None:
    suite = store.load_suite(name)
    readable = payload._readable(suite)
    assert "explain-python" in readable  # whose second question holds the answer to the first
    for task, path in readable.items():
        held = payload.problems(suite, task, path)
        assert all(texts["prompt"] for texts in held.values()), task


def test_problems_that_would_be_downloaded_are_left_out(suite: Suite) -> None:
    assert payload._readable(suite) == {}  # no mirror, and no file of the suite's own
    nano = store.load_suite("nano")
    held = set(payload._readable(nano))
    assert {"repair-python", "recode-format"} <= held
    assert not held & {"defect", "clone", "aatk"}  # programs alone have tests


def _verdict(claim: str, evidence: str, verdict: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"claim": claim, "variant_of": None, "theme": "scaling", "section": "abstract, 1, 5.2, F"}
    row |= {"statement": "S.", "reading": "R.", "evidence": evidence, "verdict": verdict, "at_hand": "", "holds": None}
    row |= {"p_for": 0.0004, "p_against": 0.61, "detail": "D.", "lacking": "", "parts": 3, "available": 3}
    return row | changes


def test_ledger_is_told_claim_by_claim() -> None:
    lacks = {"at_hand": "undecided", "lacking": "clones", "available": 1, "p_for": float("nan")}
    rows = [
        _verdict("first", claims.PUBLISHED, "supported"),
        _verdict("other", claims.PUBLISHED, "undecided", variant_of="first"),
        _verdict("first", "nano", "not testable", **lacks),
        _verdict("other", "nano", "not supported", variant_of="first", reversal="1B FFT defect 40.00 → 39.25 (-0.75)"),
    ]
    told = statements.ledger(pd.DataFrame(rows))
    assert [(claim.id, claim.variant_of) for claim in told.entries] == [("first", ""), ("other", "first")]
    assert told.entries[0].section == "abstract, §1, §5.2, §F"
    printed, measured = told.entries[0].evidence
    assert (printed.name, printed.verdict, printed.figures) == (
        "published",
        "supported",
        "(p for < 0.001; p against = 0.61)",
    )
    assert (measured.name, measured.verdict, measured.at_hand, measured.lacking) == (
        "measured", "not testable", "undecided", "clones",
    )  # fmt: skip
    assert measured.figures == "(p against = 0.61; 1 of 3 comparisons could be made)"
    turned = "one cell would reverse the values: 1B FFT defect 40.00 → 39.25 (−0.75)"
    assert told.entries[1].evidence[1].figures == f"(p for < 0.001; p against = 0.61; {turned})"
    assert told.tally["published"] == {**dict.fromkeys(claims.VERDICTS, 0), "supported": 1}  # variants are not counted
    assert told.tally["measured"] == {**dict.fromkeys(claims.VERDICTS, 0), "not testable": 1}


def test_statements_without_any_data_of_the_suite_are_left_out() -> None:
    rows = [
        _verdict(claim, evidence, "not testable", available=available)
        for claim, available in (("none", 0), ("some", 1))
        for evidence in (claims.PUBLISHED, "mine")
    ]
    rows[0]["available"] = 3  # that the paper's numbers can decide it does not make it the suite's
    frame = pd.DataFrame(rows)
    assert set(statements.reachable(frame)["claim"]) == {"some"}
    nothing = statements.ledger(statements.reachable(frame[frame["claim"] == "none"]))
    assert not nothing.entries


def test_an_own_suites_page_says_what_it_leaves_out(suite: Suite, frame: pd.DataFrame) -> None:
    own = suite.model_copy(update={"published": False})
    page = report.page(own, frame)
    assert 'id="unreachable"' in page
    assert 'id="unreachable"' not in report.page(suite, frame)


def test_every_verdict_has_its_look() -> None:
    assert tuple(statements.LOOKS) == claims.VERDICTS
    assert len({sign for sign, _ in statements.LOOKS.values()}) == len(claims.VERDICTS)
    assert set(content.LOOKS) == set(results.STATUSES)
    assert len({sign for sign, _, _ in content.LOOKS.values()}) == len(results.STATUSES)


def test_says_which_differences_can_be_detected(suite: Suite, frame: pd.DataFrame, designs: pd.DataFrame) -> None:
    page = report.page(suite, frame)
    section = re.search(r'<section id="power">.*?</section>', page, flags=re.S)
    assert section is not None
    assert "The figures are about these checkpoints: with one training run per model" in section[0]
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', section[0], flags=re.S))
    assert set(designs["measure"]) == {"synthesize-python", "recode-format", "aatk"}
    known = designs.set_index("measure").loc["synthesize-python"]
    texts = re.findall(r"<td[^>]*>(.*?)</td>", rows[html.escape(versus.title("synthesize-python"))])
    # HumanEval: 164 problems, 20 samples of each, one model per method; training noise is unknown, and has no columns
    assert texts[0] == f"{known['detectable']:.1f}"
    assert 1 < float(texts[1]) < float(texts[0]) < 10
    assert texts[2:5] == ["164", "20", "1"]
    assert texts[5] == f"{known['power']:.0%}"
    assert len(texts) == 7
    assert "SD of a run" not in section[0]
    greedy = re.findall(r"<td[^>]*>(.*?)</td>", rows[html.escape(versus.title("recode-format"))])
    assert greedy[1] == "any"  # one greedy answer per problem: again on these problems, it would be the same


def test_detectable_differences_of_several_runs_are_about_the_method() -> None:
    row = dict.fromkeys(power.COLUMNS, 1.0) | {"measure": "performance", "seeds": 5, "difference": 2.0}
    found = detectable.of(pd.DataFrame([row | {"problems_needed": float("inf"), "power": 0.254, "samples": 20}]))
    assert found is not None
    assert (found.scope, found.difference) == ("the method", 2.0)
    ((title, values),) = found.rows
    assert title == "Mean performance"
    assert [text for _, text in values] == ["1.0", "1.0", "1", "20", "5", "1.0", "25%", "no number", "1"]
    assert detectable.of(pd.DataFrame(columns=list(power.COLUMNS))) is None  # one method alone: no section


def test_costs_show_what_was_measured() -> None:
    frame = pd.DataFrame(
        {"size": ["1B"], "method": ["LoRA"], "trainable_parameters": [3_500_000], "wall_seconds": [12.345]}
    )
    told = content.costs(frame.assign(gpu_peak_mib=float("nan"), tokens=5))
    assert told is not None
    assert told.heads == ["Trainable parameters (thousands)", "Training time (s)"]  # no GPU was there; tokens no cost
    assert told.rows == [("1B", "LoRA", [(3500.0, "3,500"), (12.345, "12.3")])]
    assert content.costs(None) is None


def test_what_does_not_fit_is_left_out_and_named(
    suite: Suite, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = report.page(suite, frame)
    assert [name for name in _chunks(whole) if name.startswith("verdicts:")] == [
        f"verdicts:{task}" for task in suite.tasks
    ]
    assert 'id="lacking"' not in whole
    limit = len(whole.encode()) - 1000
    monkeypatch.setattr(report, "LIMIT", limit)
    cut = report.page(suite, frame)
    assert len(cut.encode()) <= limit
    held = [name.removeprefix("verdicts:") for name in _chunks(cut) if name.startswith("verdicts:")]
    assert 0 < len(held) < len(suite.tasks)
    for task in suite.tasks:
        assert (f"the verdicts of <code>{task}</code>" in cut) == (task not in held)
        assert (f"#cell/{task}/" in cut) == (task in held)  # no link that leads nowhere


def test_results_travel_whole(suite: Suite, frame: pd.DataFrame) -> None:
    held = _chunks(report.page(suite, frame))["results"]
    assert len(held["task"]) == len(frame)
    assert {len(column) for column in held.values()} == {len(frame)}
    missing = frame["value"].isna().to_numpy()
    assert missing.any()
    assert [value is None for value in held["value"]] == list(missing)  # NaN is null, never 0
    shown = {(t, m) for t, m, s in zip(held["task"], held["metric"], held["shown"], strict=True) if s}
    assert shown == {
        ("synthesize-python", "pass@1"), ("recode-format", "rp@1"), ("recode-format", "rc@1"), ("aatk", "valid"),
        ("aatk", "insecure"),
    }  # fmt: skip


def test_page_of_a_suite_of_ones_own(build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Generations -> verdicts -> page, beside no published values: data/sample, whose expected verdicts are known."""
    sample = store.data_dir() / "sample"
    lines = [
        "name: own",
        "title: Ours",
        "sizes: [tiny]",
        "methods: [LoRA]",
        "tasks: [recode-format, defect]",
        "problems:",
    ]
    lines += [f"  {task}: {sample / task}.jsonl" for task in ("recode-format", "defect")]
    (tmp_path / "own.yaml").write_text("\n".join(lines))
    suite = store.load_suite(str(tmp_path / "own.yaml"))
    for task in suite.tasks:
        folder = store.suite_dir("own") / "generations" / task
        folder.mkdir(parents=True)
        shutil.copy(sample / "generations" / f"{task}.json", folder / "tiny-lora.json")
    pipeline.score(suite, {"workers": 1})
    assert cli.main(["report", "--suite", str(tmp_path / "own.yaml")]) == 0
    path = Path(capsys.readouterr().out.strip())
    page = path.read_text(encoding="utf-8")
    held = _chunks(page)
    data, texts = held["verdicts:recode-format"], held["texts:recode-format"]
    runs = data["models"]["tiny/LoRA"]
    statuses = [data["outcomes"][o][0] for o, n in zip(runs["outcome"], runs["count"], strict=True) for _ in range(n)]
    expected = pd.read_csv(sample / "expected.csv").query("task == 'recode-format'")
    assert statuses == list(expected["status"])
    written = json.loads((sample / "generations" / "recode-format.json").read_text())
    assert [texts["texts"][n] for n in texts["models"]["tiny/LoRA"]] == [row[0] for row in written]
    assert "texts:defect" not in held  # answers in a word: the detail holds them
    assert 'class="tally"' not in page  # nothing is published beside it
    assert 'id="power"' not in page  # one method: no difference to detect
    assert 'id="table-recode-format-rp-1"' in page
    assert 'id="table-recode-format-rc-1"' not in page  # undefined without a nominal: no empty table


def test_nothing_measured_is_one_line(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(schema.MissingArtefact, match="make reproduce"):
        report.write(store.load_suite("paper"), pipeline.aggregate(store.load_suite("paper")))
    assert cli.main(["report", "--suite", "paper"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_show_holds_the_page_in_a_frame_of_its_own(
    suite: Suite, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "aggregate", lambda _: frame)
    shown = report.show(suite, height=600).data
    assert 'sandbox="allow-scripts allow-downloads allow-popups"' in shown  # not allow-same-origin
    inside = re.search(r'srcdoc="([^"]*)"', shown)
    assert inside is not None
    assert html.unescape(inside[1]) == report.page(suite, frame)


def test_titles_of_figures_are_captions_and_numbers_are_the_papers_own(suite: Suite) -> None:
    folder = store.figures_dir("released")
    square = (folder / "figure_12_humanevalpack.svg").read_text()
    (folder / "figure_03_11_final_loss.svg").write_text(square)
    (folder / "java_language_levels.svg").write_text(square)
    (folder / "mine_alone.svg").write_text(square)
    shown = {figure.name: (figure.title, figure.note) for figure in content.figures(folder, suite)}
    assert next(iter(shown)) == "figure_03_11_final_loss"
    assert shown["figure_03_11_final_loss"][0] == "Figures 3 and 11: Final loss by size"
    title, note = shown["figure_12_humanevalpack"]
    assert title == "Figure 12: Pass@1 of synthesis, repair and explanation by size and method"
    assert note.startswith("In the paper: “")
    assert shown["java_language_levels"] == ("Pass@1 in Java at language levels 8, 9, 11 and 17", "")
    assert shown["mine_alone"] == ("Mine alone", "")
    own = {
        figure.name: (figure.title, figure.note)
        for figure in content.figures(folder, suite.model_copy(update={"published": False}))
    }
    assert own["figure_03_11_final_loss"] == ("Final loss by size", "Drawn like the paper’s figures 3 and 11.")
