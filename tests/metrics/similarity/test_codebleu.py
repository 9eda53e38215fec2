"""CodeBLEU worked out by hand, against the public package where that is right, and its faults where it is not."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from astraios_utils.metrics import similarity
from astraios_utils.metrics.similarity import codebleu
from astraios_utils.metrics.similarity.dataflow import flows


def scored(sample: str, reference: str) -> dict[str, float]:
    return similarity.scores([sample], [reference])


def test_a_pair_by_hand() -> None:
    # x = a + c for x = a + b: 4 of 5 tokens, 3 of 4 pairs, 2 of 3 triples, 1 of 2 quadruples match; no keyword, one
    # length: both BLEUs are (4/5 * 3/4 * 2/3 * 1/2) ** (1/4) = 0.2 ** 0.25. One shape: 4 of 4 subtrees (module,
    # statement, assignment, operator). Data flow: a, b, and x computed from them, whatever they are called: 3 of 3.
    found = scored("x = a + c", "x = a + b")
    assert found["codebleu/ngram"] == pytest.approx(0.2**0.25)
    assert found["codebleu/weighted"] == pytest.approx(0.2**0.25)
    assert found["codebleu/syntax"] == found["codebleu/dataflow"] == 1.0
    assert found["codebleu"] == found["codebleu/package"] == pytest.approx((2 * 0.2**0.25 + 2) / 4)


def test_keywords_weigh_five_times_and_what_is_undefined_is_left_out() -> None:
    # return y for return x: 1 of 2 tokens; no pair matches and longer n-grams do not exist: 0.1 of 1 each. Weighted: 5
    # of 5 + 1. Shapes: 2 of 2. Nothing flows in the reference: the mean is over three components.
    found = scored("return y", "return x")
    ngram, weighted = (1 / 2 * 0.1**3) ** 0.25, (5 / 6 * 0.1**3) ** 0.25
    assert found["codebleu/ngram"] == pytest.approx(ngram)
    assert found["codebleu/weighted"] == pytest.approx(weighted)
    assert found["codebleu/syntax"] == 1.0
    assert math.isnan(found["codebleu/dataflow"])
    assert found["codebleu"] == pytest.approx((ngram + weighted + 1) / 3)


def test_short_samples_are_penalised_and_a_corpus_is_a_sum() -> None:
    # (a) "x = 1" for "x = 1 + 2": 3/3, 2/2, 1/1, 0.1 of 1, times exp(1 - 5/3); recall 3/5, 2/4, 1/3, 0.1 of 2.
    found = scored("x = 1", "x = 1 + 2")
    assert found["codebleu/ngram"] == pytest.approx(0.1**0.25 * math.exp(1 - 5 / 3))
    assert found["codebleu/weighted"] == pytest.approx((3 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** 0.25 * math.exp(1 - 5 / 3))
    # With "x = a + c" for "x = a + b" as well: 7/8, 5/6, 3/4, 1/3; 8 tokens for 10.
    both = similarity.scores(["x = 1", "x = a + c"], ["x = 1 + 2", "x = a + b"])
    assert both["codebleu/ngram"] == pytest.approx((7 / 8 * 5 / 6 * 3 / 4 * 1 / 3) ** 0.25 * math.exp(1 - 10 / 8))


def test_an_empty_prediction_scores_nothing_here_and_a_quarter_there() -> None:
    for reference in ("x = a + b", "print(x)"):
        found = scored("", reference)
        assert found["codebleu"] == found["bleu"] == 0.0
        assert found["codebleu/package"] == 0.25
    many = similarity.scores([""] * 3, ["x = 1", "return y", "a, b = b, a"])
    assert (many["codebleu"], many["codebleu/package"]) == (0.0, 0.25)


# What codebleu 0.7.0 returned for these pairs (tree-sitter 0.26.1, tree-sitter-python 0.25.0): CodeBLEU, n-gram,
# weighted, syntax, data flow.
PACKAGE = [
    ("total = sum(values) / len(values)", "mean = sum(numbers) / len(numbers)", 0.531947, 0.063894, 0.063894, 1.0, 1.0),
    (
        "names = [row['name'] for row in rows if row['age'] > 30]",
        "names = [r['name'] for r in table if r['age'] >= 30]",
        *(0.527471, 0.052463, 0.057419, 1.0, 1.0),
    ),
    (
        "for key in sorted(table):\n    print(key, table[key])",
        "for k, v in sorted(table.items()):\n    print(k, v)",
        *(0.147411, 0.041096, 0.048549, 0.0, 0.5),
    ),
    (
        "if left < right:\n    small = left\nelse:\n    small = right",
        "small = left if left < right else right",
        *(0.240296, 0.163067, 0.198118, 0.2, 0.4),
    ),
    ("left, right = right, left", "a, b = b, a", 0.526864, 0.053728, 0.053728, 1.0, 1.0),
    (
        "with open(path) as stream:\n    text = stream.read()",
        "text = open(path).read()",
        *(0.289082, 0.069853, 0.211474, 0.375, 0.5),
    ),
    (
        "def power(base, exponent=2):\n    return base ** exponent",
        "def square(x, n=2):\n    return x ** n",
        *(0.523298, 0.043472, 0.04972, 1.0, 1.0),
    ),
]


@pytest.mark.parametrize(("sample", "reference", "total", "ngram", "weighted", "syntax", "dataflow"), PACKAGE)
def test_the_public_package_agrees_where_it_is_right(
    sample: str, reference: str, total: float, ngram: float, weighted: float, syntax: float, dataflow: float
) -> None:
    found = scored(sample, reference)
    parts = [found[f"codebleu/{name}"] for name in ("ngram", "syntax", "dataflow")]
    assert parts == pytest.approx([ngram, syntax, dataflow], abs=1e-6)
    assert found["codebleu/package"] == pytest.approx(total, abs=1e-6)
    tokens, wanted = len(sample.split()), len(reference.split())
    penalty = math.exp(min(0, 1 - wanted / tokens))  # that the package's weighted BLEU lacks, its second fault
    assert found["codebleu/weighted"] == pytest.approx(weighted * penalty, abs=1e-6)


def test_the_package_on_a_corpus() -> None:
    # The same pairs and ("print(undefined", "print(defined)"), ("", "x = 1") as one corpus; the package said 0.351.
    samples = [*(row[0] for row in PACKAGE), "print(undefined", ""]
    found = similarity.scores(samples, [*(row[1] for row in PACKAGE), "print(defined)", "x = 1"])
    assert found["codebleu/package"] == pytest.approx(0.351, abs=1e-6)
    assert found["codebleu/dataflow"] == pytest.approx(0.731707, abs=1e-6)


def test_its_second_fault_every_reference_is_two_tokens_long() -> None:
    # One token for itself: recall 1/5 of the floor of one keyword, the rest 0.1; the package also multiplies by
    # exp(1 - 2/1), and takes the missing data flow for 1: 0.553.
    found = scored("print(x)", "print(x)")
    weighted = (1 / 5 * 0.1**3) ** 0.25
    assert found["codebleu/weighted"] == pytest.approx(weighted)
    ngram = (1 * 0.1**3) ** 0.25
    assert found["codebleu/package"] == pytest.approx((ngram + weighted * math.exp(-1) + 1 + 1) / 4)


def test_its_third_fault_a_string_at_the_beginning_is_kept() -> None:
    # It compares ".format(x)" with ".join(x)": other shapes than the two programs', which are one shape.
    assert scored("'{}'.join(x)", "'{}'.format(x)")["codebleu/syntax"] == 1.0
    assert scored("x = 1  # note", "x = 1")["codebleu/syntax"] == 1.0


def test_its_fourth_and_fifth_fault_letters_and_hashes_change_nothing() -> None:
    assert scored("s = 'é'; t = s", "s = 'e'; t = s")["codebleu/dataflow"] == 1.0
    code = (
        "from astraios_utils.metrics import similarity as textmetrics\n"
        "ours = 'def f(a, b=2):\\n    s = 0\\n    for i in range(a):\\n        s = s + i * b\\n    return s'\n"
        "theirs = 'def g(n, m=3):\\n    t = 0\\n    for j in range(n):\\n        t += j * m\\n    return t'\n"
        "print(textmetrics.scores([ours], [theirs]))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": str(s)}, capture_output=True, text=True)
        for s in (1, 2)
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout


@pytest.mark.parametrize(
    ("code", "graph"),
    [
        ("print(x)", []),
        ("y = x", [("var_1", "computedFrom", ("var_0",)), ("var_0", "comesFrom", ())]),
        # a's second mention comes from its first
        ("f(a, a)", [("var_0", "comesFrom", ()), ("var_0", "comesFrom", ("var_0",))]),
        # b is computed from a, then a from b, at once: two rows of two
        (
            "a, b = b, a",
            [
                ("var_1", "computedFrom", ("var_0",)),
                ("var_0", "computedFrom", ("var_1",)),
                ("var_0", "comesFrom", ()),
                ("var_1", "comesFrom", ()),
            ],
        ),
        # an attribute is no row: both words on the left are computed from both on the right
        (
            "a.b = c.d",
            [
                ("var_2", "computedFrom", ("var_0", "var_1")),
                ("var_3", "computedFrom", ("var_0", "var_1")),
                ("var_0", "comesFrom", ()),
                ("var_1", "comesFrom", ()),
            ],
        ),
        ("def f(n=1): pass", [("var_1", "comesFrom", ("var_0",)), ("var_0", "comesFrom", ())]),
        ("x: int", []),
        # n is also what the body has written, and m was there before: a loop is walked twice
        (
            "while n: n = m",
            [
                ("var_0", "comesFrom", ("var_0",)),
                ("var_0", "computedFrom", ("var_1",)),
                ("var_1", "comesFrom", ("var_1",)),
            ],
        ),
    ],
)
def test_data_flow_by_hand(code: str, graph: list[tuple[str, str, tuple[str, ...]]]) -> None:
    assert flows(codebleu.parse(code)) == graph


def test_a_name_may_come_from_either_branch() -> None:
    # y comes from both branches; without an else also from before: the graph sees one source more, not another name.
    with_else = flows(codebleu.parse("if x:\n    y = 1\nelse:\n    y = 2\nz = y"))
    without = flows(codebleu.parse("y = 2\nif x:\n    y = 1\nz = y"))
    assert len(with_else) == len(without)
    assert with_else.count(("var_1", "comesFrom", ("var_1",))) == 1


def test_hostile_texts_end_in_time() -> None:
    deep = "(" * 3000 + "x" + ")" * 3000
    nested = "".join(f"{'  ' * i}for a{i} in b{i}:\n" for i in range(60)) + "  " * 60 + "pass"
    for sample in (deep, nested, "\x00", "\ud800", "'''", "#", "x = " * 500):
        found = scored(sample, "x = [a for a in b]")
        assert 0 <= found["codebleu"] <= 1
        similarity.is_valid(sample)


def test_valid_programs() -> None:
    assert similarity.is_valid("print 'Python 2, which CoNaLa holds'")
    assert similarity.is_valid("x = 1")
    assert not similarity.is_valid(" ")
    assert not similarity.is_valid("x = (")
