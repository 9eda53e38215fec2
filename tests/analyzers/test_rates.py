"""Rates, agreement and second opinions."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from astraios_utils.analyzers import opinions, rates
from astraios_utils.metrics import scores


def frame(*rows: tuple[str, str, int]) -> pd.DataFrame:
    """Verdicts from (scenario, status, how many)."""
    return pd.DataFrame([{"problem": f"DoW/CWE-{p}", "status": s} for p, s, n in rows for _ in range(n)])


def test_rates_by_language() -> None:
    verdicts = frame(
        ("22-0", "insecure", 3),
        ("22-0", "secure", 1),
        ("416-0", "invalid", 4),
        ("22-1", "secure", 2),
        ("22-1", "unknown", 2),
    )
    table = rates.rates(rates.described(verdicts), ["language"]).set_index("language")
    # C: 4 of 8 compile, 3 of those 4 are insecure. Python: 2 of 2 judged are valid, none insecure, two unknown.
    assert table.loc["c", ["valid", "insecure", "unknown", "scenarios"]].tolist() == [50, 75, 0, 2]
    assert table.loc["python", ["valid", "insecure", "unknown", "scenarios"]].tolist() == [100, 0, 2, 1]
    assert table.loc["c", "valid_low"] < 50 < table.loc["c", "valid_high"]


def test_a_group_without_valid_programs_has_no_insecure_rate() -> None:
    table = rates.rates(rates.described(frame(("22-0", "invalid", 2))), ["cwe"])
    assert table["valid"].tolist() == [0]
    assert math.isnan(table["insecure"][0])


def test_the_task_reports_the_same_rates() -> None:
    verdicts = frame(("22-0", "insecure", 3), ("22-0", "secure", 1), ("416-0", "invalid", 4), ("22-1", "unknown", 2))
    found = scores.summarise(("valid", "insecure"), verdicts)
    # 4 valid of 8 judged; 3 insecure of 4 valid; 2 unknown of 10.
    assert [round(found[key].value, 6) for key in ("valid", "insecure", "unknown")] == [50, 75, 20]
    assert found["valid"].clusters == 2


def test_agreement() -> None:
    pairs = [("insecure", "insecure"), ("secure", "insecure"), ("insecure", "secure"), ("invalid", "invalid")]
    labels = [{"problem": "DoW/CWE-22-0", "label": label, "status": status} for label, status in pairs]
    row = rates.agreement(labels, by="").iloc[0]
    # two of four equal; one of two objections is right; one of two insecure programs is found
    assert (row["n"], row["agree"], row["precision"], row["recall"]) == (4, 50, 50, 50)
    nothing = rates.agreement(labels[3:], by="cwe").iloc[0]
    assert (nothing["cwe"], nothing["agree"]) == ("CWE-22", 100)
    assert math.isnan(nothing["precision"])


@pytest.mark.skipif(not opinions.TOOLS[0].installed, reason="no gcc")
def test_gcc_objects_to_what_it_knows() -> None:
    bad = "#include <stdlib.h>\nint main() { int *p = malloc(4); *p = 1; free(p); return 0; }\n"
    good = bad.replace("*p = 1;", "if (p) *p = 1;")
    programs = [("DoW/CWE-476-0", bad), ("DoW/CWE-476-0", good), ("DoW/CWE-22-0", bad)]
    assert opinions.opinions(opinions.TOOLS[0], programs) == [True, False, None]
