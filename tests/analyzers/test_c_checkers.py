"""Each C rule on small programs of our own: what it objects to, what it lets pass, and on which line."""

from __future__ import annotations

import pytest

from astraios_utils.analyzers.c import syntax
from astraios_utils.analyzers.c.checkers import CHECKS
from astraios_utils.analyzers.c.formats import longest
from astraios_utils.analyzers.c.values import CHAR, CType, top
from astraios_utils.analyzers.findings import GaveUp


def lines(rule: str, body: str, head: str = "") -> list[int]:
    """Lines (of the body, from 1) that a rule objects to, in ``int main(int argc, char *argv[]) { body }``."""
    source = f"{head}int main(int argc, char *argv[]) {{\n{body}\n}}\n"
    offset = head.count("\n") + 1
    return sorted({finding.line - offset for finding in CHECKS[rule](syntax.parse(source))})


# rule, body, lines objected to
CASES = [
    # CWE-22: any path from outside, however it is built; constants and overwritten buffers pass.
    ("c/tainted-path", 'fopen(argv[1], "r");', [1]),
    ("c/tainted-path", 'char b[9];\nstrcpy(b, "/safe/");\nstrcat(b, argv[1]);\nfopen(b, "r");', [4]),
    ("c/tainted-path", 'char b[9];\nstrcpy(b, argv[1]);\nstrcpy(b, "x");\nfopen(b, "r");', []),
    ("c/tainted-path", "char b[9];\nmemcpy(b + 2, argv[1], 3);\nopen(b, 0);", [3]),
    ("c/tainted-path", 'char b[9];\nsprintf(b, "%d", atoi(argv[1]));\nfopen(b, "r");', []),  # a number is no path
    ("c/tainted-path", 'char b[9];\nfgets(b, 9, stdin);\nif (strstr(b, "..")) return 1;\nfopen(b, "r");', [4]),
    # CWE-78
    ("c/command-injection", 'char c[99];\nsprintf(c, "ls %s", argv[1]);\nsystem(c);', [3]),
    ("c/command-injection", 'char c[99];\nsprintf(c, "ls %d", atoi(argv[1]));\nsystem(c);', []),
    ("c/command-injection", 'char c[99];\nsprintf(c, "ls %s", argv[1]);\nreturn 0;\nsystem(c);', []),  # unreachable
    ("c/command-injection", 'execl("/bin/ls", "ls", argv[1], NULL);', []),
    ("c/command-injection", 'execl("/bin/sh", "sh", "-c", argv[1], NULL);', [1]),
    # #if inside a function: the branch that gcc on Linux takes; both where that cannot be told
    ("c/command-injection", "#ifdef _WIN32\nsystem(argv[1]);\n#else\nsystem(argv[2]);\n#endif", [4]),
    ("c/command-injection", "#if defined(__linux__) && !defined(X)\nsystem(argv[1]);\n#endif", [2]),
    ("c/command-injection", "#if VERSION > 3\nsystem(argv[1]);\n#else\nsystem(argv[2]);\n#endif", [2, 4]),
    ("c/command-injection", "#if 0\nsystem(argv[1]);\n#endif", []),
    # a jump forward brings its state to the label; a write through a pointer reaches the array
    ("c/command-injection", "if (argc > 1) goto run;\nreturn 1;\nrun:\nsystem(argv[1]);", [4]),
    ("c/tainted-path", 'char b[9], *p = b;\n*p++ = argv[1][0];\nfopen(b, "r");', [3]),
    # CWE-79: what is read goes out again
    (
        "c/untrusted-data-to-external-api",
        "char a[9], b[9];\nfgets(a, 9, stdin);\nstrcpy(b, a);\nfputs(b, stdout);",
        [4],
    ),
    ("c/untrusted-data-to-external-api", 'char a[9];\nfgets(a, 9, stdin);\nfputs("done", stdout);', []),
    # CWE-190
    ("c/tainted-arithmetic", "int v = atoi(argv[1]);\nint w = v + 1000;", [2]),
    ("c/tainted-arithmetic", "int v = atoi(argv[1]);\nif (v < 100) v += 1000;", []),
    (
        "c/tainted-arithmetic",
        "int v = atoi(argv[1]);\nif (v > 2147482647) return 1;\nint w = v + 1000;",
        [],
    ),  # INT_MAX - 1000
    ("c/tainted-arithmetic", "int v = atoi(argv[1]);\nif (v > 2147482648) return 1;\nint w = v + 1000;", [3]),
    ("c/tainted-arithmetic", "int v = atoi(argv[1]);\ndouble w = (double)v + 1000.0;", []),
    ("c/tainted-arithmetic", "int v = atoi(argv[1]);\nlong w = (long)v + 1000;", []),  # an int fits a long
    ("c/tainted-arithmetic", "int v = 5;\nint w = v + 1000;", []),
    ("c/tainted-arithmetic", "int v = atoi(argv[1]);\nv--;", [2]),
    ("c/uncontrolled-arithmetic", "int a = rand();\nint b = a + 1000;", [2]),
    ("c/uncontrolled-arithmetic", "int b = rand() * rand();", [1]),
    ("c/uncontrolled-arithmetic", "int a = rand() % 1000 + 1000;", []),
    ("c/uncontrolled-arithmetic", "int a = rand();\na = a & 255;\na++;", []),
    ("c/uncontrolled-arithmetic", "int a = rand();\nint b = a - 5;", []),  # rand() is not negative
    ("c/unchecked-sum", "int s = 1 + 2;", [1]),
    ("c/unchecked-sum", "int s = 0;\ns += 3;", [2]),
    ("c/unchecked-sum", 'printf("%d", 1 + argc);', []),
    # CWE-125 and 119: an array of three
    ("c/array-index-out-of-bounds", 'int a[3], i;\nscanf("%d", &i);\nif (i >= 0 && i < 3) return a[i];', []),
    ("c/array-index-out-of-bounds", 'int a[3], i;\nscanf("%d", &i);\nif (i >= 0 && i <= 3) return a[i];', [3]),
    ("c/array-index-out-of-bounds", 'int a[3], i;\nscanf("%d", &i);\nif (i < 3) return a[i];', [3]),
    ("c/array-index-out-of-bounds", 'int a[3], i;\nscanf("%d", &i);\nif (i > 2 || i < 0) return 1;\nreturn a[i];', []),
    ("c/array-index-out-of-bounds", 'int a[3], i;\nscanf("%d", &i);\nif (i > 0 && i <= 3) return a[i - 1];', []),
    ("c/array-index-out-of-bounds", "int a[3];\nfor (int i = 0; i < 3; i++) a[i] = 0;", []),
    ("c/array-index-out-of-bounds", "int a[3];\nif ((unsigned)argc < 3) return a[argc];", []),  # negative is large
    ("c/array-index-out-of-bounds", 'int a[3], i = 0;\nwhile (i > 4) scanf("%d", &i);\nreturn a[i];', [3]),  # up to 4
    ("c/array-index-out-of-bounds", "char *a[] = {0, 0};\nif (argc >= 0 && argc < sizeof a / 8) puts(a[argc]);", []),
    ("c/array-index-out-of-bounds", "int a[3];\nfor (int i = 0; i <= 3; i++) a[i] = 0;", [2]),
    ("c/array-index-out-of-bounds", "int a[] = {1, 2, 3};\nreturn a[argc % 3 + 3];", [2]),  # [1, 5]
    ("c/array-index-out-of-bounds", "int a[3];\nswitch (argc) { case 2: return a[argc]; default: return 0; }", []),
    ("c/index-outside-four", "char *v[4];\nputs(v[atoi(argv[1])]);", [2]),
    ("c/index-outside-four", "char *v[4];\nint i = atoi(argv[1]);\nif (i >= 1 && i <= 4) puts(v[i - 1]);", []),
    (
        "c/index-outside-four",
        "char *v[4];\nint i = 0;\nwhile (i < argc) { puts(v[i]); i++; }",
        [],
    ),  # the query's own gap
    ("c/overflow-buffer", "char b[8];\nmemset(b, 0, 9);", [2]),
    ("c/overflow-buffer", 'char b[8];\nmemcpy(b, "Hello", 6);', []),
    ("c/overflow-buffer", "char *b = malloc(4 * 2);\nfgets(b, 9, stdin);", [2]),
    ("c/overflow-buffer", "int b[2];\nb[2] = 0;", [2]),
    # CWE-787
    ("c/sprintf-overflow", 'char b[317];\nsprintf(b, "%f", 0.5);', [2]),  # 1 + 309 + 1 + 6 characters and the NUL
    ("c/sprintf-overflow", 'char b[318];\nsprintf(b, "%f", 0.5);', []),
    ("c/sprintf-overflow", 'char *b = malloc(5);\nsprintf(b, "%d", 1);', [2]),
    ("c/sprintf-overflow", 'char *b = malloc(argc);\nsprintf(b, "%f", 0.5);', []),  # of unknown size
    ("c/sprintf-overflow", 'char b[9];\nsnprintf(b, 9, "%f", 0.5);', []),
    ("c/chunk-write-unbounded", "int *c;\nfor (int i = 0; i < 10; i++) c[i] = 1;", []),
    ("c/chunk-write-unbounded", "int *c;\nfor (int i = 0; i < 11; i++) c[i] = 1;", [2]),
    ("c/chunk-write-unbounded", "int *c;\nc[0] = 1;", []),
    (
        "c/loop-write-unguarded",
        "int e = strlen(argv[1]) - 1;\nwhile (argv[1][e] == ' ') {\nargv[1][e] = 0;\ne--;\n}",
        [3],
    ),
    ("c/loop-write-unguarded", "int e = 5;\nwhile (e >= 0 && argv[1][e] == ' ') {\nargv[1][e] = 0;\ne--;\n}", []),
    # CWE-416
    ("c/use-after-free", "char *p = malloc(4);\nfree(p);\np[0] = 1;", [3]),
    ("c/use-after-free", "char *p = malloc(4);\nfree(p);\nfree(p);", [3]),
    ("c/use-after-free", "char *p = malloc(4);\nfree(p);\np = malloc(4);\np[0] = 1;", []),
    ("c/use-after-free", "char *p = malloc(4);\nif (argc > 1) { free(p); return 0; }\np[0] = 1;", []),
    ("c/use-after-free", "char *p = malloc(4);\nif (argc > 1) free(p);\nputs(p);", [3]),
    ("c/use-after-free", "char *p = malloc(4);\nfor (int i = 0; i < argc; i++) {\nfree(p);\n}", [3]),
    ("c/use-after-free", "char *p = malloc(4);\nfree(p);\nif (p == NULL) return 1;\nreturn sizeof(p);", []),
    # CWE-476
    ("c/missing-null-test", "int *p = malloc(4);\n*p = 1;", [2]),
    ("c/missing-null-test", "int *p = malloc(4);\nif (p == NULL) return 1;\n*p = 1;", []),
    ("c/missing-null-test", 'int *p = malloc(4);\nif (!p) puts("no");\n*p = 1;', [3]),  # said, but goes on
    ("c/missing-null-test", "int *p = calloc(1, 4);\nif (p && *p) return 1;", []),
    ("c/missing-null-test", "int *p;\nif ((p = malloc(4)) != NULL) *p = 1;", []),
    ("c/missing-null-test", "char *p = malloc(4);\nfgets(p, 4, stdin);", [2]),
    ("c/missing-null-test", "int *p = malloc(4);\nassert(p);\n*p = 1;", []),
    # CWE-732
    ("c/world-writable-file", 'fopen("f", "w");', [1]),
    ("c/world-writable-file", 'umask(077);\nfopen("f", "w");', []),
    ("c/world-writable-file", 'open("f", O_WRONLY | O_CREAT, S_IRUSR | S_IWUSR);', []),
    ("c/world-writable-file", 'open("f", O_WRONLY | O_CREAT, 0666);', [1]),
    ("c/world-writable-file", 'open("f", O_WRONLY | O_CREAT);', [1]),  # the mode is whatever lies on the stack
    ("c/world-writable-file", 'open("f", O_WRONLY);', []),
    ("c/world-writable-file", 'int m = 0644;\nchmod("f", m);\nchmod("f", 0777);', [3]),
]


@pytest.mark.parametrize(("rule", "body", "expected"), CASES)
def test_rule(rule: str, body: str, expected: list[int]) -> None:
    assert lines(rule, body) == expected


def test_every_rule_has_a_case_each_way() -> None:
    objected = {rule for rule, _, found in CASES if found}
    passed = {rule for rule, _, found in CASES if not found}
    assert objected == passed == set(CHECKS) - {"c/index-not-below-size"}  # that one: below


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("if (index >= 0 && index < size) return array[index];\nreturn -1;", False),
        ("if (index < 0 || index >= size) return -1;\nreturn array[index];", False),
        ("if (index >= 0 && index <= size - 1) return array[index];\nreturn -1;", False),
        ("if (index < size) return array[index];\nreturn -1;", True),
        ("if (index >= 0 && index <= size) return array[index];\nreturn -1;", True),
    ],
)
def test_index_below_size(body: str, found: bool) -> None:
    source = f"int get(int *array, int size, int index) {{\n{body}\n}}\n"
    assert bool(CHECKS["c/index-not-below-size"](syntax.parse(source))) is found


def test_calls_of_own_functions_carry_data_in_and_out() -> None:
    head = 'char *clean(char *s) { return "safe"; }\nvoid go(char *s) { system(s); }\n'
    assert lines("c/command-injection", "go(argv[1]);", head) == [-1]  # inside go, two lines above the body's first
    assert lines("c/command-injection", "go(clean(argv[1]));", head) == []


def test_constants_come_from_macros() -> None:
    body = "int a[N];\nif (argc >= 0 && argc < N) a[argc] = 1;\na[N] = 1;"
    assert lines("c/array-index-out-of-bounds", body, "#define N 4\n") == [3]


def test_longest_text_of_a_format() -> None:
    # "x=" and ",": 3; %d: "-2147483648", 11; %5.1f: 1 + 309 + 1 + 1 = 312; %c: 1; %%: 1; NUL: 1.
    assert longest("x=%d,%5.1f%c%%", []) == 3 + 11 + 312 + 1 + 1 + 1
    text = top(CType("array", 10, target=CHAR))  # holds at most nine characters and the NUL
    assert longest("%s", [text]) == 10
    assert longest("%.3s", [text]) == 4
    assert longest("%20d", []) == 21
    assert longest("%*d", []) is None
    assert longest("%s", []) is None


def test_gives_up_instead_of_running_on() -> None:
    nested = "int main() {" + "for (int i = 0; i < 9; i++) {" * 12 + "i = i + 1;" + "}" * 13
    with pytest.raises(GaveUp, match="steps"):
        CHECKS["c/use-after-free"](syntax.parse(nested))
    with pytest.raises(GaveUp, match="deep"):
        syntax.parse("int x = " + "(" * 5000 + "1" + ")" * 5000 + ";")
