"""A user's own models and methods, start to end: a tiny local Llama tuned by DoRA, and answers put there by hand."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import tiny_suite
import yaml
from tiny_models import tiny, tokenizer

from astraios_utils import cli, schema, store, training
from astraios_utils.results import claims
from astraios_utils.running import ledger
from astraios_utils.schema import Model
from astraios_utils.tasks import Problem, Task, task_of

NANO = store.data_dir() / "nano" / "benchmark"
NOTEBOOKS = ("02_eval_generation", "03_eval_comprehension", "04_robustness", "05_security", "06_loss_analysis")
TASKS = (*schema.COMPREHENSION_TASKS, *schema.GENERATION_TASKS, *schema.ROBUSTNESS_TASKS, *schema.SECURITY_TASKS)
KEPT = 8  # problems of each benchmark


def _llama(folder: Path, **fields: Any) -> Path:
    tiny("llama", vocab_size=300).save_pretrained(folder / "llama")
    tokenizer().save_pretrained(folder / "llama")
    return tiny_suite.write(
        folder,
        sizes=["mine"],
        methods=["DoRA"],
        tasks=["defect", "synthesize-python"],
        method_configs={"DoRA": {"like": "LoRA", "use_dora": True}},
        bases={"mine": {"model": "./llama"}},
        **fields,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The suite's file, and the build folder of its finished run."""
    folder = tmp_path_factory.mktemp("llama")
    path = _llama(folder / "mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRAIOS_BUILD", str(folder / "build"))
        assert cli.main(["run", "--suite", str(path), "--workers", "1"]) == 0
    return path, folder / "build"


def test_a_llama_and_dora_run_end_to_end(
    finished: tuple[Path, Path], build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, made = finished
    assert cli.main(["suite", "check", str(path)]) == 0
    assert "mine  DoRA" in capsys.readouterr().out
    shutil.copytree(made, build)
    results = pd.read_parquet(store.suite_dir("tiny") / "results.parquet")
    assert set(results["task"]) == {"defect", "synthesize-python"}
    assert set(results["provenance"]) == {"measured"}
    run = training.plan(store.load_suite(str(path)), Model("mine", "DoRA")).record()
    assert run is not None
    # Rank 8 on q (32 -> 32), k and v (32 -> 16), o (32 -> 32) and down_proj (64 -> 32), and DoRA's magnitudes, an entry
    # per output of each, in two blocks.
    lora = 8 * ((32 + 32) + 2 * (32 + 16) + (32 + 32) + (64 + 32))
    assert run["cost"]["trainable_parameters"] == 2 * (lora + 32 + 2 * 16 + 32 + 32)
    capsys.readouterr()
    assert cli.main(["run", "--suite", str(path), "--workers", "1"]) == 0
    again = capsys.readouterr().err
    for line in ("train: 0 of 1 models to do", "generate: 0 of 1 models to do", "0 files to score, 2 current"):
        assert line in again
    assert cli.main(["suite", "check", str(path)]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mine  DoRA")]
    trains, generates = row.split("yes")[1].split(maxsplit=1)
    assert "~" not in trains  # measured now
    assert "~" in generates


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.timeout(900)
def test_the_notebooks_and_the_report_of_what_was_trained(
    finished: tuple[Path, Path],
    build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the suite's path first, then from elsewhere by its name."""
    path, made = finished
    shutil.copytree(made, build)
    raw = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**raw, "notebooks": ["06_loss_analysis"]}))
    monkeypatch.chdir(path.parent)
    assert cli.main(["run", "--suite", path.name, "--workers", "1"]) == 0
    assert "train: 0 of 1 models to do" in capsys.readouterr().err
    drawn = {path.stem for path in (tmp_path / "figures" / "tiny").glob("*.svg")}
    assert {"figure_04_10_test_loss", "figure_03_11_final_loss"} <= drawn
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert cli.main(["report", "--suite", "tiny"]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text(encoding="utf-8")
    assert "Final test loss" in page  # among the costs
    assert cli.main(["claims", "--suite", "tiny", "--all"]) == 0
    assert "missing: a suite of several sizes" in capsys.readouterr().out


def _kept(name: str, folder: Path) -> str:
    """A file of the first problems of a benchmark, with all their variants."""
    source = NANO / f"{name}.jsonl"
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    first = list(dict.fromkeys(row.get("task_id", number) for number, row in enumerate(rows)))[:KEPT]
    kept = [row for number, row in enumerate(rows) if row.get("task_id", number) in first]
    (folder / source.name).write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    return f"./{source.name}"


def _raw(task: Task, problem: Problem, turn: int, solutions: dict[str, str]) -> str:
    """What a model might write: right, wrong or nonsense by turns."""
    kind = (int(re.sub(r"\D", "", problem.id)) + turn) % 3
    if task.name in schema.COMPREHENSION_TASKS:
        return ("\nAnswer: Yes.", "\nAnswer: No.", "\nAnswer: static int x;")[kind]
    if task.name in schema.SECURITY_TASKS:
        return ("\n    return 1\n", "\n    pass\n", "\n  )(\n")[kind]
    right = "\n" + solutions[problem.id]
    return (right, right if task.name == "recode-function" else "\n    return 0;\n", "\n  )(\n")[kind]


def _answers(suite: schema.Suite, task: Task) -> Iterator[tuple[str, str]]:
    """Generations files in our own layout, by the model's name."""
    problems = task.problems(suite.problems[task.name])
    solutions = {}
    for language in ("python", "java"):
        for line in (NANO / f"humanevalpack-{language}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            solutions[row["task_id"]] = row["canonical_solution"]
    for turn, model in enumerate(suite.models):
        rows = []
        for problem in problems:
            raw = _raw(task, problem, turn, solutions)
            rows.append({"problem": problem.id, "variant": problem.variant, "samples": [task.finish(problem, raw)]})
            rows[-1]["raw"] = [raw]
        yield model.slug, "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_answers_put_there_by_hand_go_through_every_notebook(
    build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {task: task for task in TASKS} | {
        task: f"humanevalpack-{task.split('-')[1]}" for task in schema.GENERATION_TASKS
    }
    fields = {
        "name": "own", "title": "Ours", "sizes": ["tiny", "small"], "methods": ["DoRA", "LoRA"], "tasks": list(TASKS),
        "method_configs": {"DoRA": {"like": "LoRA", "use_dora": True}}, "notebooks": list(NOTEBOOKS),
        "problems": {task: _kept(name, tmp_path) for task, name in names.items()},
    }  # fmt: skip
    file = tmp_path / "anything.yaml"
    file.write_text(yaml.safe_dump(fields))
    suite = store.load_suite(str(file))
    for task in suite.tasks:
        for slug, text in _answers(suite, task_of(suite, task)):
            path = build / "own" / "generations" / task / f"{slug}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    assert cli.main(["run", "--suite", str(file)]) == 0, capsys.readouterr().err
    results = pd.read_parquet(build / "own" / "results.parquet")
    for name in NOTEBOOKS:
        book = nbformat.read(build / "own" / "notebooks" / f"{name}.ipynb", as_version=4)
        shown = "\n".join(
            str(output.get("data", {}).get("text/html", output.get("data", {}).get("text/markdown", "")))
            for cell in book.cells
            for output in cell.get("outputs", [])
        )
        assert not re.search(r"\bnan\b", shown), name
    drawn = {path.stem for path in (tmp_path / "figures" / "own").glob("*.svg")}
    assert {"figure_05_defect", "figure_06_clone", "figure_12_humanevalpack", "figure_07_mean_rc"} <= drawn
    assert not drawn & {"figure_13_defect_one_shot", "differences_humanevalpack"}  # not asked, nothing published
    verdicts, _ = ledger.claim_verdicts(suite)
    assert len(verdicts) == 2 * len(claims.load())
    means = ledger.means(suite, results, ("change",)).set_index(["size", "method"])["value"]
    change = results[(results["metric"] == "rc@1")].groupby(["size", "method"])["value"].mean()
    assert means["tiny", "DoRA"] == pytest.approx(change["tiny", "DoRA"])  # figure 7 is the mean of table 4's cells
    capsys.readouterr()
    assert cli.main(["report", "--suite", "own"]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text(encoding="utf-8")
    for anchor in ("table-change-mean", "table-performance-mean", "table-aatk-insecure", "claims", "figures"):
        assert f'id="{anchor}"' in page


FIVE_LINES = """
name: mine
methods: [LoRA]
tasks: [prefer-python, nll-python]
bases: {tiny: {model: ./tiny.gguf}}
recipe: {corpus: ./corpus.jsonl, base_precision: float32, compute: float32}
"""


def test_the_how_to_shows_the_five_lines_that_are_tested() -> None:
    page = (store.root() / "docs" / "how" / "6_your_model_in_five_lines.md").read_text(encoding="utf-8")
    assert "".join(f"    {line}\n" for line in FIVE_LINES.strip().splitlines()) in page


def test_a_gguf_file_in_five_lines(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    import tiny_gguf

    tiny_suite.write(tmp_path)  # for its corpus and problems
    tiny_gguf.write(tiny_gguf.llama(), tmp_path / "tiny.gguf", quantised=True)
    problems = dict.fromkeys(("prefer-python", "nll-python"), "./code.jsonl")
    short = {"steps": 2, "batch": 2, "sequence_length": 32, "warmup_steps": 1, "save_every": 2}
    raw = yaml.safe_load(FIVE_LINES)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**raw, "problems": problems, "recipe": {**raw["recipe"], **short}}))
    suite = store.load_suite(str(path))
    assert (suite.title, suite.sizes) == ("mine", ("tiny",))
    assert cli.main(["suite", "check", str(path)]) == 0
    assert cli.main(["run", "--suite", str(path), "--workers", "1"]) == 0
    results = pd.read_parquet(store.suite_dir("mine") / "results.parquet")
    assert set(results["task"]) == {"prefer-python", "nll-python"}
    assert set(results["provenance"]) == {"measured"}
    assert len(list((store.cache_dir() / "gguf").iterdir())) == 1  # converted once


def test_a_missing_gguf_file_is_one_line(build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FIVE_LINES)
    (tmp_path / "corpus.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    assert cli.main(["train", "--suite", str(path)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said == f"error: {tmp_path / 'tiny.gguf'}: no such GGUF file"
