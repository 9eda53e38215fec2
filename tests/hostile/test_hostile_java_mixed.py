"""Honest Java samples between hostile ones keep their verdicts, in any order and with any number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astraios_utils.sandbox import ERROR, FAILED, PASSED, TIMEOUT, Outcome, Program
from astraios_utils.sandbox.java.engine import JavaEngine, JdkUnavailable, find_jdk
from astraios_utils.sandbox.kernel import levels

try:
    find_jdk()
except JdkUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

TEST = """public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (!(%s)) {
            throw new AssertionError();
        }
    }
}"""
QUESTION = "s.next(41) == 42 && s.list(3).equals(Arrays.asList(1, 2, 3))"


def solution(next_: str, list_: str = "return Arrays.asList(1, 2, 3);", extra: str = "", after: str = "") -> str:
    """A sample with two methods; more members, more classes."""
    return (
        "import java.util.*;\nimport java.util.function.*;\n@interface Note { String value(); }\n"
        f"class Solution {{\n{extra}\npublic int next(int n) {{ {next_} }}\n"
        f"public List<Integer> list(int n) {{ {list_} }}\n}}\n{after}"
    )


def nested(depth: int) -> str:
    """Classes in each other, whose names together are too long for a class file."""
    return "class " + " { class ".join(f"{'N' * 900}{i}" for i in range(depth)) + " { }" + "}" * (depth - 1)


def inference(depth: int) -> str:
    """An expression whose type inference takes exponential time."""
    text = "x -> x"
    for i in range(depth):
        text = f"id(c ? {text} : id(y{i} -> y{i}))"
    return f"boolean c = true; Function<Integer, Integer> r = {text}; return n + 1;"


LONG = "a" * 70_000
RIGHT = "return n + 1;"
IDENTITY = "static <T> Function<T, T> id(Function<T, T> f) { return f; }"
# Each of them goes past a limit of class files or of the compiler.
LIMITS = {
    "string constant": solution(RIGHT, extra=f'String s = "{LONG}";'),
    "string in a method": solution(f'return "{LONG}".length() > 0 ? n + 1 : 0;'),
    "two-byte string": solution(RIGHT, extra=f'String s = "{"é" * 40_000}";'),
    "class name": solution(RIGHT, after=f"class {LONG} {{ }}"),
    "method name": solution(RIGHT, extra=f"void {LONG}() {{ }}"),
    "field name": solution(RIGHT, extra=f"int {LONG};"),
    "local class name": solution(f"class {LONG} {{ }} return n + 1;"),
    "nested names": solution(RIGHT, extra=nested(100)),
    "enum constant": solution(RIGHT, extra=f"enum E {{ {LONG} }}"),
    "record component": solution(RIGHT, extra=f"record R(int {LONG}) {{ }}"),
    "annotation string": solution(RIGHT, extra=f'@Note("{LONG}") int x;'),
    "annotation of a parameter": solution(RIGHT, extra=f'void f(@Note("{LONG}") int x) {{ }}'),
    "constant pool": solution(RIGHT, extra="static void f() { int x = 0; " + "".join(
        f"x += {100_000 + i};" for i in range(10_000)) + "}\n" + "".join(
        f"static long c{i}() {{ return {10**12 + i}L; }}\n" for i in range(18_600))),
    "code of a method": solution("".join(f"n += n * {i};" for i in range(20_000)) + RIGHT),
    "static initialiser": solution(RIGHT, extra=f"static int[] a = {{{','.join(['12345'] * 15_000)}}};"),
    "parameters": solution(RIGHT, extra=f"void f({', '.join(f'long a{i}' for i in range(140))}) {{ }}"),
    "array dimensions": solution(RIGHT, extra=f"int{'[]' * 256} a;"),
    "fields": solution(RIGHT, extra=f"int {', '.join(f'f{i}' for i in range(66_000))};"),
    "nested parentheses": solution(f"return {'(' * 9000}n + 1{')' * 9000};"),
    "long sum": solution(f"return {'+'.join(['n'] * 30_000)};"),
    "nested generics": solution(RIGHT, extra="List<" * 3000 + "String" + ">" * 3000 + " deep;"),
}  # fmt: skip
FORGED = Path(__file__).parent / "java"
HONEST = {
    "right": (solution(RIGHT), PASSED),
    "wrong": (solution("return n;"), FAILED),
    "wrong list": (solution(RIGHT, "return new ArrayList<>(Arrays.asList(1, 2));"), FAILED),
    "own loop": (solution(RIGHT, "List<Integer> l = new LinkedList<>(); for (int i = 1; i <= n; i++) l.add(i); "
                          "return l;"), PASSED),
    "raises": (solution("return n / (n - n);"), ERROR),
    "does not compile": (solution("return m + 1;"), ERROR),
    "own thread": (solution("Thread.yield(); return n + 1;"), PASSED),
    "own class": (solution("return new Adder().add(n);", after="class Adder { int add(int n) { return n + 1; } }"),
                  PASSED),
}  # fmt: skip


def program(sample: str, condition: str = QUESTION, timeout: float = 10.0) -> Program:
    return Program("java", sample, TEST % condition, timeout=timeout)


ENGINES: dict[int, JavaEngine] = {}


def engine(workers: int) -> JavaEngine:
    """One engine per number of workers, for the whole module: what a sample leaves behind shows in later tests."""
    missing = levels.missing_for(levels.FULL)
    if missing:
        pytest.skip(f"full isolation is not possible here: {'; '.join(missing)}")
    if workers not in ENGINES:
        ENGINES[workers] = JavaEngine(levels.choose(levels.FULL), workers=workers)
    return ENGINES[workers]


@pytest.fixture(scope="module", autouse=True)
def close_engines() -> Iterator[None]:
    yield
    while ENGINES:
        ENGINES.popitem()[1].close()


def outcomes(samples: list[str], workers: int = 1, condition: str = QUESTION) -> list[Outcome]:
    run = dict(engine(workers).run(enumerate(program(sample, condition) for sample in samples)))
    return [run[index] for index in range(len(samples))]


def limits() -> list[object]:
    """Four in every run; the others are slow, as most cost a compile server."""
    quick = ("string constant", "class name", "nested names", "code of a method")
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in LIMITS]


@pytest.mark.parametrize("name", limits())
def test_a_sample_past_a_limit_of_class_files_spoils_nothing(name: str) -> None:
    before, odd, wrong, after = outcomes([solution(RIGHT), LIMITS[name], solution("return n;"), solution(RIGHT)])
    assert odd.status == ERROR or (odd.status, name) == (PASSED, "long sum"), odd
    assert "\n" not in odd.detail
    assert (before.status, wrong.status, after.status) == (PASSED, FAILED, PASSED)


@pytest.mark.slow
def test_slow_inference_is_cut_and_others_are_compiled_meanwhile() -> None:
    slow = [solution(inference(14 + i), extra=IDENTITY) for i in range(2)]
    order = []
    for index, outcome in engine(1).run(enumerate(program(s) for s in [*slow, *[solution(RIGHT)] * 6])):
        order.append((index, outcome.status))
    assert {index: status for index, status in order if index >= 2} == dict.fromkeys(range(2, 8), PASSED)
    assert all(status in (ERROR, PASSED) for index, status in order if index < 2)
    assert {index for index, _ in order[-2:]} == {0, 1}  # the honest ones did not wait


def test_a_source_that_is_too_large_is_not_compiled() -> None:
    (outcome,) = outcomes([solution(RIGHT) + "// " + "x" * (1 << 20)])
    assert (outcome.status, outcome.detail) == (ERROR, "the sample is larger than 1 MiB")


@pytest.mark.parametrize(
    "condition",
    [
        "this_.t.list(3).equals(Arrays.asList(1))",
        "many[0].list(3).equals(Arrays.asList(1))",
        "((Solution) (Object) s).list(3).equals(Arrays.asList(1))",
        "new Solution().list(3).equals(Arrays.asList(1))",
        "maker.get().list(3).equals(Arrays.asList(1))",
        "asked.apply(3).equals(Arrays.asList(1))",
        "(s != null ? s : null).list(3).equals(Arrays.asList(1))",
        "(other = s).list(3).equals(Arrays.asList(1))",
        "new ArrayList<>(s.list(3)).equals(Arrays.asList(1))",
        "s.list(3).stream().allMatch(x -> x.equals(1)) && s.list(3).size() == 1 && s.list(3).contains(99)",
        "Objects.equals(s.list(3), Arrays.asList(1))",
        "Arrays.asList(1).containsAll(s.list(3)) && s.list(3).containsAll(Arrays.asList(1))",
        "s.list(3).hashCode() == Arrays.asList(1).hashCode() && s.list(3).toString().equals(\"[1]\")",
    ],
)  # fmt: skip
def test_no_form_of_receiver_lets_a_lying_list_through(condition: str) -> None:
    liar = solution(
        RIGHT,
        "return new Liar();",
        after="""class Liar extends ArrayList<Integer> {
            Liar() { super(Arrays.asList(7)); }
            public boolean equals(Object o) { return true; }
            public boolean contains(Object o) { return true; }
            public boolean containsAll(Collection<?> c) { return true; }
            public int hashCode() { return Arrays.asList(1).hashCode(); }
            public String toString() { return "[1]"; }
            public int size() { return 1; }
        }""",
    )
    test = """class Holder { Solution t = new Solution(); }
    public class Main {
        public static void main(String[] args) {
            Solution s = new Solution();
            Solution other;
            Holder this_ = new Holder();
            Solution[] many = {s};
            Supplier<Solution> maker = Solution::new;
            Function<Integer, List<Integer>> asked = s::list;
            if (!(%s)) {
                throw new AssertionError();
            }
        }
    }"""
    honest = solution(RIGHT, "return new ArrayList<>(Arrays.asList(1));")
    pair = [Program("java", sample, test % condition) for sample in (liar, honest)]
    found = dict(engine(1).run(enumerate(pair)))
    assert found[0].status == FAILED, found[0]
    assert found[1].status == PASSED or "contains(99)" in condition, found[1]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("BigInteger", "s.f(3).equals(java.math.BigInteger.valueOf(4))"),
        ("BigInteger", "s.f(3).equals(new BigInteger(\"4\"))"),
        ("LocalDate", "s.f(3).equals(java.time.LocalDate.of(2020, 1, 1))"),
        ("Pattern", "s.f(3).equals(java.util.regex.Pattern.compile(\"a\"))"),
        ("Objects", "Objects.equals(s.f(3), 4)"),
        ("Integer", "s.f(3).equals(Integer.valueOf(4))"),
        ("Optional", "s.f(3).equals(Optional.of(4))"),
    ],
)  # fmt: skip
def test_a_class_named_as_one_of_the_jdk_never_decides(name: str, condition: str) -> None:
    fake = f"""class {name} {{
        {name}() {{ }} {name}(Object o) {{ }}
        static {name} of(Object... o) {{ return new {name}(); }}
        static {name} valueOf(Object o) {{ return new {name}(); }}
        static {name} compile(Object o) {{ return new {name}(); }}
        static boolean equals(Object a, Object b) {{ return true; }}
        public boolean equals(Object o) {{ return true; }}
    }}"""
    sample = f"import java.util.*;\nclass Solution {{ public {name} f(int n) {{ return new {name}(); }} }}\n{fake}"
    assert outcomes([sample], condition=condition)[0].status in (FAILED, ERROR)


@pytest.mark.parametrize("microseconds", [0, 10, 100, 1000, 10_000])
def test_elements_cannot_be_swapped_between_check_and_comparison(microseconds: int) -> None:
    sample = """import java.util.*;
class Solution {
    static final class Liar { public boolean equals(Object o) { return true; } }
    static volatile long due = 0;
    static volatile ArrayList<Object> target;
    static {
        Thread t = new Thread(() -> {
            Liar liar = new Liar();
            while (true) {
                if (due != 0 && System.nanoTime() >= due) {
                    for (int i = 0; i < target.size(); i++) target.set(i, liar);
                    due = 0;
                }
                Thread.onSpinWait();
            }
        });
        t.setDaemon(true);
        t.start();
    }
    public int next(int n) { return n + 1; }
    public List<Integer> list(int n) {
        ArrayList<Object> l = new ArrayList<>(Arrays.asList(0, 0, 0));
        target = l;
        due = System.nanoTime() + %d;
        return (List<Integer>) (List) l;
    }
}"""
    assert {o.status for o in outcomes([sample % (1000 * microseconds)] * 2, workers=2)} <= {FAILED, ERROR}


NASTY = {name: LIMITS[name] for name in ("string in a method", "class name", "constant pool", "nested parentheses")}
NASTY |= {
    name: (FORGED / f"{name}.java").read_text(encoding="utf-8")
    for name in (
        *("exit_zero", "null_loader_proxy", "speak_unasked", "deep_recursion", "odd_exception", "own_arrays"),
        *("integer_cache", "define_in_loader", "malformed_answer", "exit_in_initialiser"),
    )
}


@pytest.mark.slow
@pytest.mark.ci
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(sorted(HONEST)), min_size=4, max_size=12),
    st.lists(st.sampled_from(sorted(NASTY)), min_size=1, max_size=6),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_honest_samples_keep_their_verdicts_in_any_company(
    honest: list[str], nasty: list[str], workers: int, random: object
) -> None:
    mixed: list[tuple[str, str | None]] = [HONEST[name] for name in honest] + [(NASTY[name], None) for name in nasty]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    found = outcomes([sample for sample, _ in mixed], workers)
    for (sample, expected), outcome in zip(mixed, found, strict=True):
        if expected is None:
            assert outcome.status in (FAILED, ERROR, TIMEOUT), (sample[:200], outcome)
        else:
            assert outcome.status == expected, (sample, outcome)
