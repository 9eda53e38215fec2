"""Model-written Java tests meet trusted implementations: what crosses, and what the report says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from astraios_utils.programs.java import coverage, roles
from astraios_utils.sandbox import Outcome, Program, Sandbox, SandboxError, runtime_id
from astraios_utils.sandbox.reversed_roles import Report, java_program, report

CODE = """import java.util.*;

class Solution {
    static class Odd extends Exception {
        Odd(String text) { super(text); }
    }

    static String nothing() { return null; }

    public int length() { return nothing().length(); }

    public void fail(String text) throws Odd { throw new Odd(text); }

    public void sort(List<Integer> values, int[] more) { Collections.sort(values); Arrays.sort(more); }

    public static <T> T same(T value) { return value; }

    public int down(int n) { while (n > 0) { n--; } return n; }

    public int deep(int n) { return n <= 0 ? 0 : 1 + deep(n - 1); }

    public Iterator<Integer> iterator() { return List.of(1).iterator(); }
}
"""
BODIES = {
    "messages": """
        try { s.length(); throw new Error(); } catch (NullPointerException e) {
            assert !String.valueOf(e.getMessage()).contains("Met$") : e.getMessage();
        }
        try { s.fail("why"); throw new Error(); } catch (Exception e) {
            assert e.getClass() == Exception.class && e.getMessage().equals("why");
        }""",
    "changes": """
        List<Integer> values = new ArrayList<>(List.of(3, 1, 2));
        int[] more = {2, 1};
        s.sort(values, more);
        assert values.equals(List.of(1, 2, 3)) && more[0] == 1;
        assert Solution.same("x").equals("x") && Solution.same((Object) null) == null;""",
    "handles": "s.iterator();",
    "fails": "assert s.down(2) == 1;",
    "ends": "assert s.down(2) == 0;",
    "deep": "assert s.deep(3) == 3;",
}
# Changes of the solution; the tests of that name meet the changed one.
MUTANTS = {
    "ends": ("n--", "n -= 0"),
    "deep": ("n <= 0 ?", "n > 1000000000 ?"),
    "fails": ("return n; }", "return n + 2; }"),
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    try:
        runtime_id("java")
    except SandboxError as error:
        pytest.skip(str(error))
    with Sandbox(workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def reports(box: Sandbox) -> dict[str, tuple[Report, Outcome]]:
    """By name, and by name with ``!`` where the tests meet a mutant."""
    programs = {name: _program(body) for name, body in BODIES.items()}
    programs |= {f"{name}!": _program(BODIES[name], CODE.replace(*change)) for name, change in MUTANTS.items()}
    outcomes = dict(box.run(programs.values()))
    return {name: (report(outcomes[n]), outcomes[n]) for n, name in enumerate(programs)}


def _program(body: str, mutant: str = "") -> Program:
    tests = roles.renamed(
        f"public class Main {{ public static void main(String[] a) {{ Solution s = new Solution(); {body} }} }}"
    )
    made = coverage.instrumented(CODE)
    changed = coverage.instrumented(mutant).text if mutant else ""
    imports, client = "\n".join(made.imports), roles.client(CODE, "Solution")
    return java_program(tests, client, made.text, changed, "Solution", imports=imports, meter=coverage.METER)


@pytest.mark.parametrize("name", ["messages", "changes", "ends", "deep"])
def test_what_crosses(reports: dict[str, tuple[Report, Outcome]], name: str) -> None:
    found, outcome = reports[name]
    assert found.ended == "passed", outcome
    assert not found.differs
    assert found.calls == {"messages": 2, "changes": 3, "ends": 1, "deep": 1}[name]


def test_what_does_not_cross_is_an_error(reports: dict[str, tuple[Report, Outcome]]) -> None:
    assert (reports["handles"][0].ended, reports["handles"][0].why) == ("error", "a value that is not plain data")


def test_a_failure_counts_where_a_reply_differed(reports: dict[str, tuple[Report, Outcome]]) -> None:
    alone, against = reports["fails"][0], reports["fails!"][0]
    assert (alone.ended, alone.differs, alone.caught) == ("failed", False, False)
    assert (against.ended, against.differs, against.caught) == ("failed", True, True)


def test_an_implementation_that_does_not_end_is_caught_by_its_steps(reports: dict[str, tuple[Report, Outcome]]) -> None:
    found, _ = reports["ends!"]
    assert (found.ended, found.caught) == ("endless", True)
    assert reports["deep!"][0].ended in ("endless", "error")  # whichever runs out first, steps or stack


def test_lines_and_branches_are_the_references(reports: dict[str, tuple[Report, Outcome]]) -> None:
    # down: one line with while, n-- and return; the condition is true and false
    assert (reports["ends"][0].lines, reports["ends"][0].branches) == (1, 2)


def test_a_program_that_must_stay_apart_has_a_jvm_of_its_own(box: Sandbox) -> None:
    test = "class Main { public static void main(String[] a) { if (Solution.two() != 2) throw new AssertionError(); } }"
    sample = "class Solution { static int two() { return 2; } }"
    engine = box._engine("java")

    def served_by_shared_ones(program: Program) -> int:
        before = sum(jvm.served for jvm in engine.pool.jvms if jvm.role == "shared")
        ((_, outcome),) = box.run([program])
        assert outcome.status == "passed"
        return sum(jvm.served for jvm in engine.pool.jvms if jvm.role == "shared") - before

    assert served_by_shared_ones(Program("java", sample, test)) == 1
    assert served_by_shared_ones(Program("java", sample, test, apart=True)) == 0


def test_the_trusted_side_has_its_own_imports_alone(box: Sandbox) -> None:
    test = "class Main { public static void main(String[] a) { List<Integer> l = new ArrayList<>(); Solution.f(); } }"
    sample = "import java.awt.List; class Solution { static void f() {} }"
    programs = [Program("java", sample, test, "import java.util.*;", apart=True), Program("java", sample, test)]
    outcomes = dict(box.run(programs))
    assert outcomes[0].status == "passed"
    assert outcomes[1].detail.startswith("does not compile")
