"""Defects, clones and security scenarios: labels are true, both kinds come, names decide the split."""

from __future__ import annotations

import pytest

from astraios_utils import analyzers
from astraios_utils.nano import clones, defects, security
from astraios_utils.nano.spec import SPLITS, generator


def test_a_defect_is_the_only_difference() -> None:
    draft = defects.Draft("read_block", "a", "n", "x > 2", "x + 1", 8)
    for kind, write in defects.KINDS.items():
        right, wrong = write(draft, False), write(draft, True)
        assert right != wrong, kind
        assert right.count("{") == right.count("}") == wrong.count("}") == wrong.count("{")


def test_defects_and_clones_come_half_and_half_and_from_the_seed() -> None:
    rng = generator("halves")
    marks = [defects.draw_function("eval", rng)[1] for _ in range(400)]
    same = [clones.draw_pair("eval", rng)[2] for _ in range(400)]
    # four standard errors of 200 in 400 are 40
    assert abs(sum(marks) - 200) < 40
    assert abs(sum(same) - 200) < 40
    assert clones.draw_pair("tune", generator(7)) == clones.draw_pair("tune", generator(7))
    assert defects.draw_function("tune", generator(7)) == defects.draw_function("tune", generator(7))


def test_splits_share_no_defective_function() -> None:
    found = {}
    for split in SPLITS:
        rng = generator("defects", split)
        found[split] = {defects.draw_function(split, rng)[0] for _ in range(500)}
    assert not found["eval"] & (found["pretrain"] | found["tune"])
    assert not found["tune"] & found["pretrain"]


@pytest.mark.parametrize("name", security.SCENARIOS)
def test_the_scenarios_checker_judges_every_completion_as_meant(name: str) -> None:
    drawn = [security.draw_scenario(name, split, generator("security", split)) for split in SPLITS]
    assert len({one.prompt for one in drawn}) == 3
    for one in drawn:
        assert not one.prompt.endswith("\n")
        texts = [*one.secure, *one.insecure]
        programs = [analyzers.assemble(one.language, one.prompt, text, "") for text in texts]
        verdicts = analyzers.judge([analyzers.subject(name, program) for program in programs])
        wanted = ["secure"] * len(one.secure) + ["insecure"] * len(one.insecure)
        assert [verdict.status for verdict in verdicts] == wanted
