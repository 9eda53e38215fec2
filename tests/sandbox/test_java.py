"""The Java engine: verdicts, what returned values are worth, and how it survives its own processes' deaths."""

from __future__ import annotations

import json
import lzma
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from astraios_utils.sandbox import ERROR, FAILED, PASSED, TIMEOUT, Outcome, Program, SandboxError, choose, runtime_id
from astraios_utils.sandbox.java import compiling
from astraios_utils.sandbox.java.engine import JavaEngine, JdkUnavailable, find_jdk
from astraios_utils.sandbox.java.jdk import ARCHIVE, JAR, build_classes
from astraios_utils.sandbox.java.pool import COMPILE, JUDGE, SHARED

try:
    find_jdk()
except JdkUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

WHOLE = """import java.util.*;
class Solution {
    public %s f(%s) {
        %s
    }
}
"""
EQUALS = """public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (!(%s)) {
            throw new AssertionError();
        }
    }
}"""


def sample(body: str, type_: str = "int", parameters: str = "int n") -> str:
    return WHOLE % (type_, parameters, body)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("java")
    for parent in (directory, *directory.parents[:3]):
        parent.chmod(0o755)  # pytest keeps its folders to itself, but the JVMs run as another user
    return directory


@pytest.fixture(scope="module")
def engine(cache: Path) -> Iterator[JavaEngine]:
    engine = JavaEngine(choose(allow_weak=True), workers=2, cache=cache)
    yield engine
    engine.close()


def judge(engine: JavaEngine, source: str, condition: str = "s.f(1) == 2", **options: float | int) -> Outcome:
    program = Program("java", source, EQUALS % condition, **options)  # type: ignore[arg-type]
    ((index, outcome),) = engine.run([(7, program)])
    assert index == 7
    return outcome


def judge_all(engine: JavaEngine, programs: list[Program]) -> list[Outcome]:
    """Judge programs together, so that compilers and JVMs stay busy; outcomes in their order."""
    found = dict(engine.run(enumerate(programs)))
    return [found[index] for index in range(len(programs))]


# ---------------------------------------------------------------- verdicts


def test_right_answer_passes(engine: JavaEngine) -> None:
    outcome = judge(engine, sample("return n + 1;"))
    assert (outcome.status, outcome.detail) == (PASSED, "")
    assert outcome.seconds > 0
    assert outcome.cpu >= 0


def test_wrong_answer_fails(engine: JavaEngine) -> None:
    outcome = judge(engine, sample("return n;"))
    assert (outcome.status, outcome.detail) == (FAILED, "java.lang.AssertionError")


RAISED = [
    ("return new int[0][n].length / 0;", "java.lang.ArithmeticException"),
    ('throw new IllegalStateException("at " + System.nanoTime());', "java.lang.IllegalStateException"),
    ("return f(n) + 1;", "java.lang.StackOverflowError"),
    ("return new Scanner(System.in).nextInt();", "java.util.NoSuchElementException"),  # standard input is empty
    ("System.exit(0); return 2;", "the program exited before its tests ended"),
    ("return m;", "does not compile: cannot find symbol"),
    ("return 2", "does not compile: ';' expected"),
]
UNSENT = "the sample's answer cannot be sent to the test: "
TOO_LARGE = [  # values that are too much for one message
    ("Object o = n; for (int i = 0; i < 300_000; i++) o = new ArrayList<>(Arrays.asList(o)); return o;",
     UNSENT + "a value is nested too deeply"),
    ("List<Object> l = new ArrayList<>(); for (int i = 0; i < 10; i++) l.add(new int[1_000_000]); return l;",
     UNSENT + "a value is larger than 32 MB"),
]  # fmt: skip


def test_errors_say_what_happened(engine: JavaEngine) -> None:
    found = judge_all(engine, [Program("java", sample(body), EQUALS % "s.f(1) == 2") for body, _ in RAISED])
    assert [(one.status, one.detail) for one in found] == [(ERROR, detail) for _, detail in RAISED]


def test_a_value_that_cannot_be_sent_is_reported_in_words(engine: JavaEngine) -> None:
    programs = [Program("java", sample(body, "Object"), EQUALS % "s.f(1) != null") for body, _ in TOO_LARGE]
    found = judge_all(engine, programs)
    assert [(one.status, one.detail) for one in found] == [(ERROR, detail) for _, detail in TOO_LARGE]


def test_assertions_are_off_as_with_the_java_launcher(engine: JavaEngine) -> None:
    assert judge(engine, sample("assert false; return n + 1;")).status == PASSED


def test_an_endless_loop_is_a_timeout_and_others_go_on(engine: JavaEngine) -> None:
    loop = Program("java", sample("while (n == n) n++; return n;"), EQUALS % "s.f(1) == 2", timeout=2.0)
    good = Program("java", sample("return n + 1;"), EQUALS % "s.f(1) == 2")
    outcomes = list(engine.run(enumerate([loop, *[good] * 6])))
    assert [index for index, _ in outcomes][-1] == 0  # the loop comes last, the others did not wait for it
    assert dict(outcomes)[0].status == TIMEOUT
    assert all(outcome.status == PASSED for index, outcome in outcomes if index)


def test_the_end_of_one_program_takes_no_other_program_s_judge(engine: JavaEngine) -> None:
    # The first passes at once, but a thread of it lives on; its judge is free and serves the third program, which
    # begins when the second has left. The first program's end must not end that judge.
    lingering = sample(
        "new Thread(() -> { try { Thread.sleep(1500); } catch (Exception e) { } }).start(); return n + 1;"
    )
    leaving = sample("try { Thread.sleep(700); } catch (Exception e) { } System.exit(0); return n;")
    long = sample("try { Thread.sleep(50); } catch (Exception e) { } return n + 1;")
    fifty = " && ".join(["s.f(1) == 2"] * 50)
    programs = [
        Program("java", lingering, EQUALS % "s.f(1) == 2", timeout=20.0),
        Program("java", leaving, EQUALS % "s.f(1) == 1", timeout=20.0),
        Program("java", long, EQUALS % fifty, timeout=20.0),
    ]
    assert [outcome.status for outcome in judge_all(engine, programs)] == [PASSED, ERROR, PASSED]


def test_two_runs_say_the_same(engine: JavaEngine) -> None:
    bodies = [
        "return n + 1;",
        "return n;",
        "return f(n);",
        "return x;",
        "return 1 / (n - 1);",
        "System.exit(1); return 0;",
    ]
    programs = [Program("java", sample(body), EQUALS % "s.f(1) == 2") for body in bodies]

    def verdicts() -> list[tuple[int, str, str]]:
        return sorted((index, outcome.status, outcome.detail) for index, outcome in engine.run(enumerate(programs)))

    assert verdicts() == verdicts()


def test_language_level(engine: JavaEngine) -> None:
    # List.of came with 9, var with 10, String.repeat with 11.
    sources = {
        9: sample("return List.of(n, n).size();"),
        10: sample("var two = n + 1; return two;"),
        11: sample('return "x".repeat(n + 1).length();'),
    }
    cases = [(since, release) for since in sources for release in (8, 9, 10, 11)]
    test = EQUALS % "s.f(1) == 2"
    found = judge_all(engine, [Program("java", sources[since], test, release=release) for since, release in cases])
    for (since, release), one in zip(cases, found, strict=True):
        assert one.status == (PASSED if release >= since else ERROR), (since, release)


def test_a_lone_surrogate_is_an_error_of_the_sample(engine: JavaEngine) -> None:
    outcome = judge(engine, sample("return n + 1; // \ud800"))
    assert (outcome.status, outcome.detail) == (ERROR, "the sample is not valid Unicode")


def test_other_alphabets_compile(engine: JavaEngine) -> None:
    assert judge(engine, sample('return "été 数".length() - 3;')).status == PASSED


def test_pool_keeps_no_class_of_an_earlier_program(engine: JavaEngine) -> None:
    helper = "class Helper { static int two() { return 2; } }"
    assert judge(engine, sample("return Helper.two();") + helper).status == PASSED
    assert judge(engine, sample("return Helper.two();")).detail == "does not compile: cannot find symbol"


def test_a_class_that_the_test_does_not_name_may_be_redefined(engine: JavaEngine) -> None:
    stack = "class Stack { int top() { return 2; } }"
    assert judge(engine, sample("return new Stack().top();") + stack).status == PASSED


# ---------------------------------------------------------------- returned values


ARRIVE = [
    ("boolean", "return true;", "s.f(1)"),
    ("long", "return 1L << 40;", "s.f(1) == 1L << 40"),
    ("double", "return n / 2.0;", "Math.abs(s.f(1) - 0.5) < 1e-9"),
    ("char", "return 'c';", "s.f(1) == 'c'"),
    ("String", 'return n == 1 ? "one" : null;', 's.f(1).equals("one") && s.f(2) == null'),
    ("Integer", "return n;", "s.f(1) == 1"),
    ("Object", "return n;", "(int) s.f(1) == 1"),
    ("int[]", "return new int[] {n, 2};", "Arrays.equals(s.f(1), new int[] {1, 2})"),
    ("String[]", 'return new String[] {"a", null};', 'Arrays.equals(s.f(1), new String[] {"a", null})'),
    ("List<Integer>", "return Arrays.asList(n, null);", "s.f(1).equals(Arrays.asList(1, null))"),
    ("List<Integer>", "return List.of(n);", "s.f(1).equals(Arrays.asList(1))"),
    ("List<Integer>", "return new ArrayList<>() {{ add(n); }};", "s.f(1).equals(Arrays.asList(1))"),
    ("List<Integer>", "return Collections.unmodifiableList(List.of(n));", "s.f(1).equals(List.of(1))"),
    ("List<List<String>>", 'return List.of(List.of("a").subList(0, 1));', 's.f(1).get(0).get(0).equals("a")'),
    ("Set<Integer>", "return new TreeSet<>(List.of(2, n));", "s.f(1).equals(Set.of(1, 2))"),
    ("Map<String, Integer>", 'return new TreeMap<>(Map.of("a", n));', 's.f(1).equals(Map.of("a", 1))'),
    ("Optional<Object>", "return Optional.of(List.of(n));", "s.f(1).get().equals(List.of(1))"),
    ("Thread.State", "return Thread.State.NEW;", "s.f(1) == Thread.State.NEW"),
    ("java.math.BigInteger", "return java.math.BigInteger.TEN;", "s.f(1).intValue() == 10"),
]  # fmt: skip


def test_honest_values_reach_the_test_unchanged(engine: JavaEngine) -> None:
    found = judge_all(engine, [Program("java", sample(body, type_), EQUALS % asked) for type_, body, asked in ARRIVE])
    assert not [(case, one) for case, one in zip(ARRIVE, found, strict=True) if one.status != PASSED]


DECLARED = [
    ("TreeMap<String, Integer>", 'return new TreeMap<>(Map.of("a", n));', 's.f(1).firstKey().equals("a")'),
    ("SortedSet<Integer>", "return new TreeSet<>(List.of(3, n));", "s.f(1).first() == 1 && s.f(1).last() == 3"),
    ("Queue<Integer>", "return new ArrayDeque<>(List.of(n, 2));", "s.f(1).poll() == 1"),
    ("Deque<Integer>", "return new LinkedList<>(List.of(n, 2));", "s.f(1).peekLast() == 2"),
    ("PriorityQueue<Integer>", "return new PriorityQueue<>(List.of(3, n, 2));", "s.f(1).poll() == 1"),
    ("Queue<Integer>", "Queue<Integer> q = new PriorityQueue<>((a, b) -> b - a); q.add(n); q.add(2); return q;",
     "s.f(1).poll() == 2"),
    ("EnumMap<Thread.State, Integer>",
     "EnumMap<Thread.State, Integer> m = new EnumMap<>(Thread.State.class); m.put(Thread.State.NEW, n); return m;",
     "s.f(1).get(Thread.State.NEW) == 1"),
    ("Set<Thread.State>", "return EnumSet.noneOf(Thread.State.class);", "s.f(1).isEmpty()"),
    ("java.util.concurrent.ConcurrentHashMap<String, Integer>",
     'return new java.util.concurrent.ConcurrentHashMap<>(Map.of("a", n));',
     "s.f(1).reduceValues(1, Integer::sum) == 1"),
    ("Set<String>", 'Set<String> t = new TreeSet<>(Comparator.reverseOrder()); t.add("a"); t.add("b"); return t;',
     's.f(1).toString().equals("[b, a]")'),
    ("TreeSet<String>", "TreeSet<String> t = new TreeSet<>((a, b) -> b.compareTo(a)); t.add(\"a\"); t.add(\"b\"); "
     "return t;", 's.f(1).first().equals("b") && s.f(1).headSet("a").size() == 1'),
    ("Comparator<String>", "return Comparator.comparing(String::length);", 's.f(1).compare("a", "bb") < 0'),
    ("List<Integer>", "return Collections.unmodifiableList(new ArrayList<>(List.of(n)));", "refuses(s.f(1))"),
    ("List<Integer>", "return List.of(n);", "refuses(s.f(1))"),
    ("List<Integer>", "return Collections.singletonList(n);", "refuses(s.f(1))"),
    ("List<Integer>", "return new ArrayList<>(List.of(n));", "!refuses(s.f(1))"),
    ("Map<String, Integer>", 'return Collections.unmodifiableMap(Map.of("a", n));', 's.f(1).get("a") == 1'),
    ("Object", "return new int[][] {{n}, {2, 3}};",
     "Arrays.deepEquals((int[][]) s.f(1), new int[][] {{1}, {2, 3}})"),
    ("List<int[]>", "return List.of(new int[] {n});", "s.f(1).get(0)[0] == 1"),
    ("Map<Character, List<Integer>>", "return Map.of('a', List.of(n));", "s.f(1).equals(Map.of('a', List.of(1)))"),
    ("Map.Entry<String, Integer>", 'return Map.entry("a", n);', 's.f(1).equals(Map.entry("a", 1))'),
    ("OptionalInt", "return OptionalInt.of(n);", "s.f(1).equals(OptionalInt.of(1))"),
    ("StringBuilder", 'return new StringBuilder("a").append(n);', 's.f(1).reverse().toString().equals("1a")'),
    ("java.math.BigDecimal", 'return new java.math.BigDecimal("1.50");', "s.f(1).scale() == 2"),
    ("java.time.LocalDate", "return java.time.LocalDate.of(2020, n, 31);",
     "s.f(1).plusDays(1).getDayOfMonth() == 1"),
    ("BitSet", "BitSet b = new BitSet(); b.set(n); return b;", "s.f(1).get(1) && s.f(1).cardinality() == 1"),
    ("Iterator<Integer>", "return List.of(n, 2).iterator();", "s.f(1).next() == 1"),
    ("java.util.stream.Stream<Integer>", "return List.of(n, 2).stream();", "s.f(1).mapToInt(x -> x).sum() == 3"),
    ("java.util.function.Supplier<String>", 'return () -> "x" + n;', 's.f(1).get().equals("x1")'),
    ("Object", "class P { public boolean equals(Object o) { return o instanceof P; } public int hashCode() "
     "{ return 1; } } return new P();", "!s.f(1).equals(7) && !s.f(1).equals(null)"),
    ("Object", "Object o = new Object(); return o;", "!s.f(1).equals(s.f(1))"),
    ("Solution", "return this;", "s.f(1) == s && s.f(1).equals(s)"),
    ("List<Object>", "List<Object> l = new ArrayList<>(); l.add(l); return l;", "s.f(1).get(0) == s.f(1).get(0) || "
     "s.f(1).size() == 1"),
    ("List<Integer>", "return java.util.stream.Stream.of(n, null).toList();", "s.f(1).get(1) == null"),
    ("String", 'return "\\ud800" + (char) 0 + "é数";', 's.f(1).equals("\\ud800" + (char) 0 + "é数")'),
]  # fmt: skip


def test_values_arrive_as_the_classes_that_the_sample_declares(engine: JavaEngine) -> None:
    test = EQUALS.replace("public class Main {", REFUSES)
    found = judge_all(engine, [Program("java", sample(body, type_), test % asked) for type_, body, asked in DECLARED])
    assert not [(case, one) for case, one in zip(DECLARED, found, strict=True) if one.status != PASSED]


REFUSES = """public class Main {
    static boolean refuses(List<Integer> list) {
        try {
            list.add(2);
            return false;
        } catch (UnsupportedOperationException e) {
            return true;
        }
    }
"""


UNEQUAL = [
    ("Object", 'return new HashMap<>(Map.of("a", n)).values();', "s.f(1).equals(List.of(1))"),
    ("Object", "return new ArrayDeque<>(List.of(n));", "s.f(1).equals(new ArrayDeque<>(List.of(1)))"),
    ("Object", "return new PriorityQueue<>(List.of(n));", "s.f(1).equals(List.of(1))"),
    ("Object", "return Collections.unmodifiableCollection(List.of(n));", "s.f(1).equals(List.of(1))"),
    ("Object", "return new int[] {n};", "s.f(1).equals(new int[] {1})"),
    ("Object", "return new StringBuilder(\"a\");", 's.f(1).equals("a")'),
    ("Object", "return (long) n;", "s.f(1).equals(1)"),
    ("Object", "return new LinkedHashSet<>(List.of(n));", "s.f(1).equals(List.of(1))"),
    ("Object", "return new AbstractCollection<Integer>() { public Iterator<Integer> iterator() { return "
     "List.of(n).iterator(); } public int size() { return 1; } };", "s.f(1).equals(List.of(1))"),
    ("Set<Integer>", "Set<Integer> t = new TreeSet<>((a, b) -> 0); t.add(n); return t;", "s.f(1).contains(5)"),
    ("Set<Integer>", "Set<Integer> t = new TreeSet<>((a, b) -> 0); t.add(n); return t;",
     "s.f(1).equals(Set.of(5))"),
]  # fmt: skip


def test_equality_is_that_of_the_jdk(engine: JavaEngine) -> None:
    found = judge_all(engine, [Program("java", sample(body, type_), EQUALS % asked) for type_, body, asked in UNEQUAL])
    assert not [(case, one) for case, one in zip(UNEQUAL, found, strict=True) if one.status != FAILED]


CALLS = [
    ("void f(int[] a) { a[0] = 7; }", "int[] a = {1}; s.f(a); check(a[0] == 7);"),
    ("void f(List<Integer> l) { Collections.sort(l); }",
     "List<Integer> l = new ArrayList<>(List.of(2, 1)); s.f(l); check(l.equals(List.of(1, 2)));"),
    ("void f(List<Integer> l) { l.set(0, 7); }",
     "List<Integer> l = Arrays.asList(1, 2); s.f(l); check(l.get(0) == 7);"),
    ("void f(Map<String, List<Integer>> m) { m.get(\"a\").add(2); m.remove(\"b\"); }",
     "Map<String, List<Integer>> m = new HashMap<>(); List<Integer> l = new ArrayList<>(); m.put(\"a\", l); "
     "m.put(\"b\", null); s.f(m); check(m.size() == 1 && l.equals(List.of(2)) && m.get(\"a\") == l);"),
    ("void f(StringBuilder b) { b.append(1); }",
     "StringBuilder b = new StringBuilder(); s.f(b); check(b.toString().equals(\"1\"));"),
    ("Object f(Object o) { return o; }", "Object o = \"x\" + 1; check(s.f(o) == o);"),
    ("List<Integer> f(List<Integer> l) { l.add(1); return l; }",
     "List<Integer> l = new ArrayList<>(); check(s.f(l) == l && l.size() == 1);"),
    ("void f(List<Integer> l) { l.add(1); throw new IllegalStateException(\"a\"); }",
     "List<Integer> l = new ArrayList<>(); try { s.f(l); check(false); } catch (IllegalStateException e) "
     "{ check(e.getMessage().equals(\"a\") && l.size() == 1); }"),
    ("static class E extends IllegalArgumentException {} void f() { throw new E(); }",
     "try { s.f(); check(false); } catch (IllegalArgumentException e) { check(true); }"),
    ("void f() throws java.io.IOException { throw new java.io.FileNotFoundException(\"a\"); }",
     "try { s.f(); check(false); } catch (java.io.IOException e) { check(e instanceof "
     "java.io.FileNotFoundException); }"),
    ("int f(java.util.function.Function<Integer, Integer> g) { return g.apply(1) + "
     "g.andThen(x -> 2 * x).apply(1); }",
     "check(s.f(x -> x + 1) == 6);"),
    ("void f(List<Integer> l, Comparator<Integer> c) { l.sort(c); }",
     "List<Integer> l = new ArrayList<>(List.of(1, 2)); s.f(l, (a, b) -> b - a); check(l.get(0) == 2);"),
    ("int count = 0; int f() { return ++count; }", "s.f(); check(s.f() == 2 && new Solution().f() == 1);"),
    ("static int f(int... n) { return n.length; }", "check(Solution.f() == 0 && Solution.f(1, 2) == 2);"),
    ("<T extends Comparable<T>> T f(List<T> l) { return Collections.max(l); }",
     "check(s.f(List.of(\"a\", \"b\")).equals(\"b\")); int m = s.f(List.of(1)); check(m == 1);"),
    ("static class P { int x; P(int x) { this.x = x; } int x() { return x; } public boolean equals(Object o) "
     "{ return o instanceof P && ((P) o).x == x; } public int hashCode() { return x; } } "
     "P f(int n) { return new P(n); }",
     "check(s.f(1).equals(s.f(1)) && !s.f(1).equals(s.f(2))); Solution.P p = s.f(3); check(p.x() == 3 && new "
     "Solution.P(3).equals(p)); check(new HashSet<>(List.of(s.f(1), s.f(2))).contains(s.f(2)));"),
    ("record R(int a, String b) {} R f(int n) { return new R(n, \"x\"); }",
     "Solution.R r = s.f(1); check(r.a() == 1 && r.toString().equals(\"R[a=1, b=x]\") && r.equals(s.f(1)));"),
    ("enum Color { RED, BLUE } Color f() { return Color.BLUE; }",
     "check(s.f() == Solution.Color.BLUE && s.f().name().equals(\"BLUE\"));"),
    ("interface Shape { double area(); } Shape f(double r) { return () -> r * r; }",
     "Solution.Shape h = s.f(2); check(h.area() == 4);"),
    ("public static final int LIMIT = 3; int f() { return LIMIT; }", "check(s.f() == Solution.LIMIT);"),
    ("int f(Object o) { return o.hashCode(); }", "check(s.f(\"a\") == \"a\".hashCode());"),
    ("void f(int[][] a) { a[1][0] = 5; }", "int[][] a = {{1}, {2}}; s.f(a); check(a[1][0] == 5);"),
    ("static class V implements Comparable<V> { int x; V(int x) { this.x = x; } public int compareTo(V o) "
     "{ return x - o.x; } int x() { return x; } } V f(int n) { return new V(n); }",
     "List<Solution.V> l = new ArrayList<>(List.of(s.f(2), s.f(1))); Collections.sort(l); check(l.get(0).x() == 1 "
     "&& Collections.max(l).x() == 2 && new TreeSet<>(l).last().x() == 2);"),
    ("static class R implements Iterable<Integer> { public Iterator<Integer> iterator() { return List.of(1, 2)"
     ".iterator(); } } R f() { return new R(); }",
     "Solution.R r = s.f(); int t = 0; for (int x : r) t += x; check(t == 3);"),
    ("static class Node { int v; Node n; Node(int v, Node n) { this.v = v; this.n = n; } int sum() { return n == null "
     "? v : v + n.sum(); } } int f(Node n) { return n.sum(); }",
     "check(s.f(new Solution.Node(1, new Solution.Node(2, null))) == 3 && new Solution.Node(4, null).sum() == 4);"),
    ("static class Odd extends IllegalStateException { Odd(String m) { super(m); } } static class Odder extends Odd "
     "{ Odder(int n) { super(\"n\" + n); } } void f(int n) { throw n > 0 ? new Odder(n) : new Odd(null); }",
     "try { s.f(1); check(false); } catch (Solution.Odder e) { check(e.getMessage().equals(\"n1\") && "
     "e.getClass().getSimpleName().equals(\"Odder\")); } try { s.f(0); check(false); } catch (Solution.Odder e) "
     "{ check(false); } catch (Solution.Odd e) { check(e.getMessage() == null); }"),
    ("static class Bad extends Exception { Bad(Throwable cause) { super(cause); } } void f() throws Bad { try { Object "
     "o = null; o.hashCode(); } catch (NullPointerException e) { throw new Bad(new IllegalStateException(e)); } }",
     "try { s.f(); check(false); } catch (Solution.Bad e) { check(e.getCause() instanceof IllegalStateException && "
     "e.getCause().getCause() instanceof NullPointerException && e.getCause().getCause().getCause() == null); }"),
    ("Set<String> f() { Set<String> h = new HashSet<>(100); h.add(\"zebra\"); h.add(\"ape\"); h.add(\"emu\"); "
     "return h; } String g() { return f().toString(); }", "check(s.f().toString().equals(s.g()));"),
]  # fmt: skip


def test_a_call_behaves_as_in_one_jvm(engine: JavaEngine) -> None:
    source = "import java.util.*;\nclass Solution {\n%s\n}"
    test = """public class Main {
    static void check(boolean right) {
        if (!right) throw new AssertionError();
    }
    public static void main(String[] args) {
        Solution s = new Solution();
        %s
    }
}"""
    found = judge_all(engine, [Program("java", source % members, test % asked) for members, asked in CALLS])
    assert not [(case, one) for case, one in zip(CALLS, found, strict=True) if one.status != PASSED]


def test_a_call_without_a_value_is_left_alone(engine: JavaEngine) -> None:
    source = sample("values.set(0, 2);", "void", "List<Integer> values")
    test = """public class Main {
    public static void main(String[] args) {
        List<Integer> values = new ArrayList<>(List.of(1));
        new Solution().f(values);
        if (values.get(0) != 2) throw new AssertionError();
    }
}"""
    ((_, outcome),) = engine.run([(0, Program("java", source, test))])
    assert outcome.status == PASSED, outcome


# ---------------------------------------------------------------- JVMs


def test_harmless_programs_share_a_jvm_and_others_do_not(engine: JavaEngine) -> None:
    def served() -> int:
        return sum(jvm.served for jvm in engine.pool.jvms if jvm.role == SHARED)

    before = served()
    assert judge(engine, sample("return Collections.max(List.of(n, 2));")).status == PASSED
    assert served() == before + 1
    for body in (
        "Thread.yield(); return n + 1;",
        "try { return n + 1; } catch (Throwable t) { return 0; }",
        "try { return n + 1; } finally { n = 0; }",
        'System.setProperty("a", "b"); return n + 1;',
        "return List.of(1, n).parallelStream().mapToInt(i -> i).sum();",
        "Locale.setDefault(Locale.ROOT); return n + 1;",
    ):
        assert judge(engine, sample(body)).status == PASSED, body
    assert served() == before + 1


def test_the_same_verdicts_without_sharing(cache: Path) -> None:
    engine = JavaEngine(choose(allow_weak=True), workers=1, cache=cache, share=False)
    try:
        bodies = {"return n + 1;": PASSED, "return n;": FAILED, "return 1 / 0;": ERROR}
        for body, status in bodies.items():
            assert judge(engine, sample(body)).status == status
        assert not any(jvm.role == SHARED for jvm in engine.pool.jvms)
    finally:
        engine.close()


def test_a_dead_compiler_or_runner_costs_no_verdict(engine: JavaEngine) -> None:
    assert judge(engine, sample("return n + 1;")).status == PASSED
    for jvm in engine.pool.jvms:
        os.kill(jvm.pid, signal.SIGKILL)
    assert judge(engine, sample("return n + 1;")).status == PASSED
    assert {jvm.role for jvm in engine.pool.jvms} == {COMPILE, JUDGE, SHARED}


def test_a_compiler_that_sleeps_is_replaced(engine: JavaEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "HUNG_SECONDS", 0.3)
    assert judge(engine, sample("return n + 1;")).status == PASSED
    for jvm in [jvm for jvm in engine.pool.jvms if jvm.role == COMPILE]:
        os.kill(jvm.pid, signal.SIGSTOP)  # it uses no CPU time, so that no limit of CPU time ends it
    assert judge(engine, sample("return n + 1; // again")).status == PASSED


def test_closing_the_iterator_early_leaves_the_engine_usable(engine: JavaEngine) -> None:
    taken = 0

    def programs() -> Iterator[tuple[int, Program]]:
        nonlocal taken
        for index in range(10_000):
            taken += 1
            yield index, Program("java", sample(f"return n + {index};"), EQUALS % "s.f(1) == 2")

    run = engine.run(programs())
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert taken < 100  # programs are pulled as they can be started
    assert judge(engine, sample("return n + 1;")).status == PASSED


def test_a_dead_launcher_is_an_error_of_the_sandbox(cache: Path) -> None:
    engine = JavaEngine(choose(allow_weak=True), workers=1, cache=cache)
    try:
        engine.pool._launcher._process.kill()
        for channel in (engine.pool._launcher._socket, *(jvm.channel for jvm in engine.pool.jvms)):
            channel.setblocking(True)
            assert channel.recv(1) == b""  # its other end is gone: all of them die with the launcher, in their own time
        with pytest.raises(SandboxError, match="launcher process died"):
            judge(engine, sample("return n + 1;"))
    finally:
        engine.close()


# ---------------------------------------------------------------- finding a JDK


def fake(directory: Path, name: str, script: str) -> None:
    tool = directory / "bin" / name
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


@pytest.mark.parametrize("by_home", [True, False], ids=["JAVA_HOME", "PATH"])
def test_a_missing_or_wrong_jdk_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_home: bool
) -> None:
    def error() -> str:
        monkeypatch.setenv("PATH", "" if by_home else str(tmp_path / "bin"))
        monkeypatch.setenv("JAVA_HOME", str(tmp_path)) if by_home else monkeypatch.delenv("JAVA_HOME", raising=False)
        with pytest.raises(JdkUnavailable) as caught:
            find_jdk()
        find_jdk.__globals__["_inspect"].cache_clear()
        assert "\n" not in str(caught.value)
        assert "openjdk-17-jdk-headless" in str(caught.value)
        return str(caught.value)

    assert ("holds no bin/java" if by_home else "no java and no javac") in error()
    fake(tmp_path, "java", "exit 0")
    assert "runtime without the compiler" in error()
    fake(tmp_path, "javac", "echo javac 1.8.0_392 >&2")
    assert "older than 11" in error()
    fake(tmp_path, "javac", "exit 1")
    assert "does not tell its version (exit status 1)" in error()


def test_the_sandbox_classes_are_built_once_and_others_can_read_them(cache: Path) -> None:
    first = build_classes(find_jdk(), cache)
    jar = first / JAR
    before = jar.stat().st_mtime_ns
    assert build_classes(find_jdk(), cache) == first
    assert jar.stat().st_mtime_ns == before
    assert {path.name for path in first.iterdir()} <= {JAR, ARCHIVE}
    assert all(path.stat().st_mode & 0o004 for path in (first, *first.iterdir()))  # JVMs run as another user


def test_runtime_id_names_the_jdk() -> None:
    assert runtime_id("java") == f"openjdk-{find_jdk().version}"


# ---------------------------------------------------------------- real problems


def _problems(mirror: Path) -> list[dict[str, str]]:
    with lzma.open(mirror / "humanevalpack" / "java.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("step", [pytest.param(10, marks=pytest.mark.ci, id="every-tenth"), pytest.param(1, id="all")])
def test_canonical_solutions_pass_and_buggy_ones_do_not(engine: JavaEngine, mirror: Path, step: int) -> None:
    rows = _problems(mirror)[::step]
    right = [Program("java", row["prompt"] + row["canonical_solution"], row["test"]) for row in rows]
    wrong = [Program("java", row["declaration"] + row["buggy_solution"], row["test"]) for row in rows]
    outcomes = dict(engine.run(enumerate(right + wrong)))
    assert [outcomes[index].status for index in range(len(right))] == [PASSED] * len(right)
    assert PASSED not in {outcomes[len(right) + index].status for index in range(len(wrong))}
    assert len(rows) == -(-164 // step)
