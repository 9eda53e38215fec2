"""The typed tables agree with themselves, with each other and with what the paper's text says of them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from astraios_utils import schema, store
from astraios_utils.sources import paper


def _printable(denominator: int, digits: int) -> set[str]:
    """How the percentages k/denominator print at so many digits."""
    return {f"{100 * k / denominator:.{digits}f}" for k in range(denominator + 1)}


def _off_grid(frame: pd.DataFrame, denominator: int) -> set[tuple[str, str, str, float]]:
    printable = _printable(denominator, 2)
    rows = frame[["size", "method", "task", "value"]].itertuples(index=False, name=None)
    return {row for row in rows if f"{row[3]:.2f}" not in printable}


@pytest.mark.parametrize(("number", "rows"), [(1, 28), (2, 56), (3, 168), (4, 224), (5, 56), (6, 38), (7, 30), (8, 30)])
def test_every_table_is_complete(number: int, rows: int) -> None:
    # 7 methods x 4 sizes x 1, 2, 6, 8, 2 columns; 4 + 1 + 8 + 1 + 24 links; 4 sizes and overall x 2 losses x 3
    # coefficients.
    assert len(paper.table(number)) == rows


@pytest.mark.parametrize(
    ("task", "size", "method", "metric", "value"),
    [  # corners and middles of every table, read from the paper a second time
        ("defect", "1B", "LoRA", "accuracy", 44.15),
        ("defect", "16B", "P-Tuning", "accuracy", 11.00),
        ("clone", "16B", "FFT", "f1", 12.62),
        ("clone", "7B", "(IA)3", "f1", 23.19),
        ("synthesize-python", "16B", "FFT", "pass@1", 38.47),
        ("synthesize-java", "1B", "LoRA", "pass@1", 2.84),
        ("repair-python", "3B", "AdapterH", "pass@1", 15.55),
        ("repair-java", "1B", "FFT", "pass@1", 0.00),
        ("explain-python", "16B", "Parallel", "pass@1", 31.10),
        ("explain-java", "7B", "P-Tuning", "pass@1", 17.32),
        ("recode-format", "1B", "LoRA", "rp@1", 28.05),
        ("recode-docstring", "16B", "FFT", "rp@1", 22.56),
        ("recode-syntax", "16B", "(IA)3", "rc@1", 18.90),
        ("recode-function", "3B", "Parallel", "rc@1", 9.15),
        ("aatk", "3B", "Parallel", "valid", 94.1),
        ("aatk", "16B", "FFT", "insecure", 38.3),
    ],
)
def test_published_values(task: str, size: str, method: str, metric: str, value: float) -> None:
    assert paper.published(task, size, method, metric) == value


def test_unpublished_is_nan_and_unknown_raises() -> None:
    assert math.isnan(paper.published("defect", "1B", "LoRA", "f1"))
    assert math.isnan(paper.published("defect-1shot", "1B", "LoRA", "accuracy"))
    assert math.isnan(paper.published("defect", "1B", "AdaLoRA", "accuracy"))
    with pytest.raises(schema.UnknownName, match="did you mean LoRA"):
        paper.published("defect", "1B", "LoRa2", "accuracy")
    with pytest.raises(schema.UnknownName, match="tables 1 to 8"):
        paper.table(9)


def test_table1_follows_from_the_architectures() -> None:
    # hidden, layers of the four bases; one key and one value head of 128 (multi-query), inner width 4 x hidden.
    shapes = {"1B": (2048, 24), "3B": (2816, 36), "7B": (4096, 42), "16B": (6144, 40)}
    counts = paper.updated_parameters().set_index(["size", "method"])["parameters"]
    for size, (hidden, layers) in shapes.items():
        qkv = hidden + 256
        expected = {
            "LoRA": 8 * layers * ((hidden + qkv) + 2 * hidden + 5 * hidden),  # c_attn, attn.c_proj, mlp.c_proj; rank 8
            "P-Tuning": 30 * hidden + 3 * (hidden * hidden + hidden),  # 30 tokens and a three-layer encoder
            "AdapterH": 2 * layers * 2 * 256 * hidden,  # two adapters of width 256
            "AdapterP": layers * 2 * 256 * hidden,
            "Parallel": layers * 256 * (hidden + qkv),  # at c_attn
            "(IA)3": layers * (qkv + 4 * hidden),  # a vector for c_attn's output, one for mlp.c_proj's input
        }
        assert {method: counts[size, method] for method in expected} == expected


def test_figure2_percentages_are_table1_ratios() -> None:
    percent = paper.updated_parameters().set_index(["size", "method"])["percent"]
    assert percent["1B", "LoRA"] == pytest.approx(0.3155, abs=5e-5)  # 3,588,096 / 1,137,207,296
    assert percent["16B", "(IA)3"] == pytest.approx(0.00798, abs=5e-6)  # 1,239,040 / 15,517,456,384
    assert (percent.xs("FFT", level="method") == 100).all()
    # A larger base is updated by a smaller share, but for P-Tuning's encoder, which grows with hidden^2: .689 -> .731.
    steps = percent.unstack("size")[list(schema.SIZES)].diff(axis=1).iloc[:, 1:].drop("FFT")
    assert [(m, s) for m, s in steps.stack().index if steps.loc[m, s] >= 0] == [("P-Tuning", "16B")]


def test_table2_accuracies_are_multiples_of_one_in_2000() -> None:
    assert not _off_grid(paper.table(2).query("metric == 'accuracy'"), 2000)


def test_table3_values_are_multiples_of_one_in_3280_but_for_eight() -> None:
    # 164 problems x 20 samples. All exceptions are 16B: seven are truncated instead of rounded (1262/3280 = 38.4756
    # prints as 38.47); 30.35 is neither (995/3280 = 30.335, 996/3280 = 30.366).
    off = _off_grid(paper.table(3), 3280)
    assert off == {
        ("16B", "FFT", "synthesize-python", 38.47),
        ("16B", "AdapterH", "repair-python", 22.28),
        ("16B", "LoRA", "synthesize-java", 40.33),
        ("16B", "P-Tuning", "synthesize-java", 37.19),
        ("16B", "AdapterP", "synthesize-java", 33.68),
        ("16B", "Parallel", "synthesize-java", 38.56),
        ("16B", "LoRA", "repair-java", 30.35),
        ("16B", "P-Tuning", "repair-java", 22.25),
    }
    truncated = {math.floor(10000 * k / 3280) for k in range(3281)}
    assert {row[3] for row in off if round(100 * row[3]) not in truncated} == {30.35}


def test_table4_values_are_multiples_of_one_in_164() -> None:
    assert not _off_grid(paper.table(4), 164)


def test_table4_implies_one_nominal_pass_at_1_per_model() -> None:
    # RC@1 = |Pass@1 - RP@1|; nominal() raises unless exactly one number of solved problems fits all four categories.
    nominal = paper.nominal().set_index(["size", "method"])
    assert len(nominal) == 28
    assert nominal.loc[("1B", "LoRA"), "solved"] == 28  # 28.05 - 10.98 = 12.80 + 4.27 = 17.07 = 28/164
    assert nominal.loc[("16B", "FFT"), "solved"] == 62  # 53.05 - 15.24 = 22.56 + 15.24 = 37.80 = 62/164
    assert nominal.loc[("1B", "AdapterP"), "solved"] == 10  # 9.76 - 3.66 = 4.88 + 1.22 = 6.10 = 10/164


def test_table4_nominal_makes_format_a_gain() -> None:
    # RP@1 of the format category lies above the nominal for every model: its prompts hold half of the solution.
    table = paper.table(4).query("task == 'recode-format' and metric == 'rp@1'").set_index(["size", "method"])["value"]
    assert (table > paper.nominal().set_index(["size", "method"])["value"].reindex(table.index)).all()


def test_table7_and_8_values_are_possible() -> None:
    # n models give Kendall multiples of 2/(n(n-1)) and Spearman 1 - 6 d/(n(n^2-1)), d even: 1/21 and 1/28 of 7 models,
    # 1/189 and 2/609 of 28 (28 * 783 / 12 = 1827, so steps of 1/1827). Printed to four digits, with two exceptions.
    off = set()
    for number in (7, 8):
        for row in paper.table(number).query("coefficient != 'pearson'").itertuples():
            step = {"kendall": (21, 189), "spearman": (28, 1827)}[row.coefficient][row.size == "overall"]
            if abs(round(row.value * step) / step - row.value) > 5.001e-5:
                off.add((number, row.size, row.loss, row.coefficient, row.value))
    # -.285 and .04 are cut short: -8/28 = -.2857, 1/21 = .0476.
    assert off == {(8, "1B", "train", "spearman", -0.285), (8, "1B", "test", "kendall", 0.04)}


def test_overall_rows_carry_p_values() -> None:
    for number in (7, 8):
        frame = paper.table(number)
        assert (frame["p"].notna() == (frame["size"] == "overall")).all()
        for row in frame[(frame["size"] == "overall") & (frame["coefficient"] == "pearson")].itertuples():
            t = row.value * math.sqrt(26 / (1 - row.value**2))  # 28 models, two-sided
            assert 2 * stats.t.sf(t, 26) == pytest.approx(row.p, abs=0.0051)


@pytest.mark.parametrize(
    ("key", "test"), [("kendall", stats.kendalltau), ("pearson", stats.pearsonr), ("spearman", stats.spearmanr)]
)
def test_updated_parameters_correlate_with_mean_performance(key: str, test: object) -> None:
    merged = paper.updated_parameters().merge(paper.mean_performance(), on=["size", "method"])
    assert len(merged) == 28
    value, p = test(merged["parameters"], merged["value"])  # type: ignore[operator]
    printed = paper.numbers().set_index("key").loc[f"parameters_performance_{key}"]
    assert round(value, 4) == printed["value"]
    assert round(p, 2) == printed["p"]


def test_mean_performance_by_hand() -> None:
    means = paper.mean_performance().set_index(["size", "method"])["value"]
    # (44.15 + 9.30 + 17.26 + 3.29 + 20.49 + 2.84 + 3.72 + 7.07) / 8 = 108.12 / 8
    assert means["1B", "LoRA"] == pytest.approx(13.515)


def test_what_the_text_says_of_figure_1() -> None:
    means = paper.mean_performance().pivot(index="method", columns="size", values="value")
    assert (means.loc["AdapterP"] > means.loc["AdapterH"]).all()  # section 4, overall performance
    assert set(means["16B"].nlargest(3).index) == {"FFT", "Parallel", "LoRA"}  # section 1
    for better in ("P-Tuning", "(IA)3"):  # section 1: at 1B they slightly outperform Parallel and LoRA
        assert means.loc[better, "1B"] > means.loc[["LoRA", "Parallel"], "1B"].max()
    # "FFT generally leads": at 3B and 16B, but P-Tuning is ahead at 1B and LoRA at 7B.
    assert means.idxmax().to_dict() == {"1B": "P-Tuning", "3B": "FFT", "7B": "LoRA", "16B": "FFT"}


def test_what_the_text_says_of_table_4() -> None:
    robust = paper.table(4).query("metric == 'rp@1'").pivot(index=["size", "method"], columns="task", values="value")
    # "All models perform the worst on syntax transformation" holds for 23 of the 28; the other five are worse on
    # function names or docstrings.
    other = robust[robust.min(axis=1) < robust["recode-syntax"]].index
    assert set(other) == {("1B", "AdapterH"), ("1B", "AdapterP"), ("1B", "FFT"), ("3B", "FFT"), ("3B", "Parallel")}
    change = paper.mean_robust_change().pivot(index="method", columns="size", values="value")
    assert (change[list(schema.SIZES)].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)  # larger models change more


def test_figures_and_numbers() -> None:
    figures = paper.figures()
    assert figures["figure"].tolist() == list(range(1, 20))
    for drawn in figures["drawn_from"]:
        for number in re.findall(r"\d", drawn):
            paper.table(int(number))
    assert paper.numbers()["key"].is_unique
    assert paper.number("models") == len(schema.SIZES) * len(schema.METHODS)
    assert paper.number("datasets") == len(paper.PERFORMANCE_TASKS)
    assert paper.number("aatk_tested_scenarios") == paper.number("aatk_tested_scenarios_c") + paper.number(
        "aatk_tested_scenarios_python"
    )
    with pytest.raises(schema.UnknownName, match="number of the text"):
        paper.number("speed of light")


def test_where_tasks_are_printed() -> None:
    assert paper.printed_in("clone") == "Table 2"
    assert paper.printed_in("aatk") == "Table 5"
    assert paper.printed_in("defect-1shot") == "Figure 13"
    assert paper.printed_in("conala") == "CoNaLa study, Table 2"
    assert paper.printed_in("a user's") == "not in the paper"
    assert paper.metrics_of("recode-syntax") == ("rp@1", "rc@1")
    assert paper.metrics_of("conala") == ("bleu", "codebleu")
    assert paper.metrics_of("clone-1shot") == ()
    assert (paper.digits_of("defect"), paper.digits_of("aatk")) == (2, 1)


def test_tables_are_not_shared() -> None:
    mine = paper.table(2)
    mine.loc[:, "value"] = 0
    assert paper.published("defect", "1B", "LoRA", "accuracy") == paper.table(2)["value"][0] == 44.15


@pytest.mark.parametrize(
    ("number", "old", "new", "message"),
    [
        (2, "defect,accuracy,44.15", "defect,accuracy,144.15", "outside 0 to 100"),
        (2, "2,1B,LoRA,", "2,1B,LoRB,", "missing or unknown"),
        (2, "2,3B,LoRA,defect", "2,1B,LoRA,defect", "there twice"),
        (2, "metric,value", "metric,score", "columns are"),
        (2, "2,1B,LoRA", "3,1B,LoRA", "column 'table' must be 2"),
        (3, "3,1B,LoRA,synthesize-python,pass@1,17.26\n", "", "missing or unknown"),
        (8, "kendall,0.7302", "kendall,7.302", "outside -1 to 1"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, number: int, old: str, new: str, message: str) -> None:
    text = (store.data_dir() / "paper" / f"table{number}.csv").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "table.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(schema.BadInput, match=re.escape(message)):
        paper.read_table(number, path)


def test_the_paper_suite_trains_by_the_recipe_that_the_text_states() -> None:
    suite = store.load_suite("paper")
    recipe = suite.recipe
    assert recipe is not None
    assert recipe.sequence_length == paper.number("sequence_length")
    assert recipe.steps == paper.number("global_steps")
    assert recipe.warmup_steps == paper.number("warmup_steps")
    assert recipe.micro_batch == paper.number("batch_size")  # the scripts accumulate 32 of them before a step
    assert recipe.rate("LoRA") == paper.number("learning_rate_peft")
    assert recipe.rate("FFT") == paper.number("learning_rate_fft")
    assert recipe.rate("Prompt") == paper.number("prompt_learning_rate")
    assert recipe.rate("AdaLoRA") == paper.number("adalora_learning_rate_low")
    assert recipe.schedule == "cosine"
    assert [name[:2] for name in suite.notebooks] == ["01", "02", "03", "04", "05", "06"]
