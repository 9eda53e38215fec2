"""Java text: what is read of it, what the hooks count, and that planted bugs are small, distinct and compile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from astraios_utils import store
from astraios_utils.programs.java import NotJava, coverage, mutation, roles
from astraios_utils.programs.java.syntax import read, walk
from astraios_utils.programs.java.tokens import pairs, tokens, type_arguments
from astraios_utils.programs.mutation import KINDS
from astraios_utils.sandbox.java.jdk import JdkUnavailable, find_jdk

NANO = store.data_dir() / "nano" / "benchmark" / "humanevalpack-java.jsonl"
CODE = """import java.util.*;
import java.util.function.Function;

class Solution {
    /** Adds 1 + 1 < 3 "words". */
    public <T extends Comparable<T>> Map<String, ? extends List<T>> grouped(final List<T> values, int... sizes) {
        Map<String, List<T>> found = new HashMap<String, List<T>>(); // 0 < 1 && true
        outer:
        for (int i = 0, n = sizes.length; i < n; i++) {
            if (i >>> 1 == 0) continue outer;
            else if (sizes[i] > 9) { break outer; }
        }
        for (T value : values) {
            String text = "a < b && \\"c\\" + 1";
            char sign = '"';
            Function<T, Integer> f = x -> { return x == null ? 0 : 1; };
            found.computeIfAbsent(text + sign, key -> new ArrayList<>()).add(value);
            switch (f.apply(value)) {
                case 0: found.clear(); break;
                default: int more = 1;
            }
        }
        do { sizes = new int[] {1, 2}; } while (sizes.length < 2);
        Comparator<T> order = new Comparator<T>() {
            public int compare(T a, T b) { return -1; }
        };
        try { Integer.parseInt("x"); } catch (NumberFormatException e) { return found; } finally { found = null; }
        return found;
    }

    private static void helper() throws Exception { throw new Exception(); }
}
"""
SIGN = """class Solution {
    public int sign(int x) {
        if (x > 0) return 1;
        while (true) {
            int y = x < 0 ? -1 : 0;
            return y;
        }
    }
}
"""


def _jdk() -> str:
    try:
        return str(find_jdk().home / "bin" / "javac")
    except JdkUnavailable as error:
        pytest.skip(str(error))


# What is read


def test_strings_comments_and_characters_are_one_token_or_none() -> None:
    found = [token.text for token in tokens('a /* < */ + "x < \\" y" // && \n + \'"\' + """\n1 < 2 " """')]
    assert found == ["a", "+", '"x < \\" y"', "+", "'\"'", "+", '"""\n1 < 2 " """']


@pytest.mark.parametrize("text", ['"open', "/* open", "'", "class A { /* }", "#"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(NotJava):
        tokens(text)


@pytest.mark.parametrize("text", ["class A {", "class A { ) }", "class A { int f() { return 1 } }", "class A"])
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(NotJava):
        read(text)


def test_angle_brackets_enclose_types_or_compare() -> None:
    def encloses(text: str) -> bool:
        found = tokens(text)
        return type_arguments(found, [token.text for token in found].index("<")) >= 0

    enclosing = ("List<Integer> x", "Map<String, List<int[]>> m", "Collections.<Integer>emptyList()", "public <T> void")
    assert all(map(encloses, enclosing))
    assert not any(map(encloses, ("i < n && j > m", "i < n", "MAX < n", "f(a < b, c > d)")))


def test_methods_their_parameters_and_their_statements() -> None:
    unit = read(CODE)
    assert unit.imports == ("import java.util.*;", "import java.util.function.Function;")
    grouped, helper = unit.methods
    assert (grouped.owner, grouped.name, grouped.returns) == ("Solution", "grouped", "Map<String,?extends List<T>>")
    assert [(v.type, v.name) for v in grouped.parameters] == [("List<T>", "values"), ("int...", "sizes")]
    assert helper.modifiers == {"private", "static"}
    kinds = [statement.kind for statement in walk(grouped.body)]
    # by hand: two ifs (the second is the other's else), two blocks of returns (lambda, comparator), three in try
    expected = {"labelled": 1, "for": 1, "each": 1, "if": 2, "switch": 1, "group": 2, "do": 1, "try": 1, "return": 4}
    assert {kind: kinds.count(kind) for kind in expected} == expected
    declared = {v.name: v.type for s in walk(grouped.body) for v in s.declares}
    assert declared["n"] == "int"
    assert declared["f"] == "Function<T,Integer>"
    assert declared["value"] == "T"


# What is counted


def test_totals_by_hand() -> None:
    made = coverage.instrumented(SIGN)
    # lines 3 (if and return), 4, 5, 6; conditions: if, ?: (while (true) is a constant); two outcomes each
    assert (made.lines, made.branches) == (4, 4)
    assert made.imports == ()


def test_the_hooks_do_not_change_the_meaning_and_count_what_runs(tmp_path: Path) -> None:
    meter = """class Meter {
    java.util.TreeSet<Integer> lines = new java.util.TreeSet<>(), branches = new java.util.TreeSet<>();
    void line(int n) { lines.add(n); }
    boolean branch(int n, boolean value) { branches.add(value ? n : -n); return value; }
}
"""
    main = """class Run { public static void main(String[] a) {
    Solution s = new Solution();
    for (int x : new int[] {5, 0, -5}) {
        System.out.println(s.sign(x) + " " + Solution.astraios_meter.lines + " " + Solution.astraios_meter.branches);
    }
} }
"""
    text = coverage.instrumented(SIGN).text.replace("{", "{ static Meter astraios_meter = new Meter();", 1)
    javac = _jdk()
    (tmp_path / "Run.java").write_text(f"{meter}{main}{text}")
    subprocess.run([javac, "-d", str(tmp_path), str(tmp_path / "Run.java")], check=True)
    command = [javac.removesuffix("c"), "-cp", str(tmp_path), "Run"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert answer == ["1 [3] [1]", "0 [3, 4, 5, 6] [-2, -1, 1]", "-1 [3, 4, 5, 6] [-2, -1, 1, 2]"]


# Planted bugs


def test_a_mutant_differs_in_code_alone_and_from_all_others() -> None:
    found = list(mutation.mutants(CODE))
    assert len({tuple(t.text for t in tokens(m.text)) for m in found}) == len(found) > 30
    assert {m.kind for m in found} <= set(KINDS)
    for mutant in found:
        pairs(tokens(mutant.text))
        assert '"a < b && \\"c\\" + 1"' in mutant.text
        assert 'Adds 1 + 1 < 3 "words".' in mutant.text
        assert "// 0 < 1 && true" in mutant.text
        assert mutant.text.startswith(CODE[: CODE.index("Map<String, List<T>> found")])


def test_mutants_of_a_function_by_hand() -> None:
    code = "class Solution {\n    int f(int a, int b) { if (a < b && b > 0) return a; int c = a + 1; return c; }\n}\n"
    changes = {(m.kind, m.change) for m in mutation.mutants(code)}
    assert changes == {
        *(("operator misuse", c) for c in ("< -> <=", "< -> >", "&& -> ||", "> -> >=", "> -> <", "+ -> -")),
        *(("value misuse", c) for c in ("0 -> 1", "0 -> (-1)", "1 -> 2", "1 -> 0")),
        *(("variable misuse", c) for c in ("a -> b", "b -> a", "c -> a", "c -> b")),
        *(("missing logic", c) for c in ("a < b && b > 0 -> b > 0", "a < b && b > 0 -> a < b")),
        ("missing logic", "a < b && b > 0 -> false"),
        *(("excess logic", c) for c in ("a -> (a) + 1", "c -> (c) + 1")),
    }


def test_a_missing_statement_is_an_empty_block_which_an_arm_of_a_switch_can_be() -> None:
    code = "class S { void f(int a) { switch (a) { case 1 -> g(); default -> h(); } } void g() {} void h() {} }"
    assert {m.change for m in mutation.mutants(code) if m.kind == "missing logic"} == {"g(); -> { }", "h(); -> { }"}


def test_only_what_follows_the_start_changes() -> None:
    start = CODE.index("do {")
    assert all(m.text.startswith(CODE[:start]) for m in mutation.mutants(CODE, start))


def test_the_order_is_the_same_each_time_and_kinds_take_turns() -> None:
    first, again = (mutation.shuffled(CODE, "grouped", 0) for _ in range(2))
    assert first == again
    assert len({mutant.kind for mutant in first[:4]}) == 4


def test_every_mutant_of_nano_compiles(tmp_path: Path) -> None:
    """24 of nano's problems, all their mutants with hooks, in one call of the compiler."""
    rows = [json.loads(line) for line in NANO.read_text(encoding="utf-8").splitlines()[::10]]
    texts = []
    for row in rows:
        code = f"{row['prompt']}{row['canonical_solution']}"
        texts += [code, *(m.text for m in mutation.mutants(code, len(row["prompt"])))]
    assert len(texts) > 15 * len(rows)
    bodies = (f"interface M{n} {{ {coverage.instrumented(text).text} }}" for n, text in enumerate(texts))
    meter = "class astraios_meter { static void line(int n) {} static boolean branch(int n, boolean b) { return b; } }"
    (tmp_path / "All.java").write_text("\n".join(("import java.util.*;", *bodies, meter)))
    command = [_jdk(), "-J-XX:TieredStopAtLevel=1", "-proc:none", "-nowarn", "-d", str(tmp_path / "out")]
    answer = subprocess.run([*command, str(tmp_path / "All.java")], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[:2000]


# The tests' side


def test_tests_get_another_name_and_top_level_classes_are_not_public() -> None:
    given = 'public class Main { public static String s = "Main"; Main m; }\npublic class Other { public int x; }'
    expected = (
        ' class AstraiosTests { public static String s = "Main"; AstraiosTests m; }\n class Other { public int x; }'
    )
    assert roles.renamed(given) == expected


def test_the_client_has_the_methods_that_tests_may_call() -> None:
    made = roles.client(CODE, "Solution")
    assert "grouped(final List<T> values, int... sizes) { return (Map<String,?extends List<T>>) " in made
    assert 'call("grouped", new java.lang.Object[] {values, sizes});' in made
    assert "helper" not in made
    assert "compare" not in made
    assert "found" not in made


def test_an_exception_of_the_solutions_own_is_any_exception_to_the_tests() -> None:
    own = "class S { static class Odd extends Exception {} void f() throws Odd {}"
    own += " void g() throws java.io.IOException {} }"
    made = roles.client(own, "S")
    assert "void f() throws Exception {" in made
    assert "void g() throws java.io.IOException {" in made
