"""Assembly, validity and judging: one stated rule, and never a crash, a hang or a guess."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from astraios_utils import analyzers
from astraios_utils.analyzers import assembly, validity
from astraios_utils.analyzers.judge import RULES, Subject, judge, scan
from astraios_utils.analyzers.scenarios import SCENARIOS, TABLE

needs_compiler = pytest.mark.skipif(validity.compiler() is None, reason="no C compiler")

PROMPT = "int main() {\n    // add\n"
SUFFIX = "    return 0;\n}\n"


def test_the_table_is_whole() -> None:
    assert len(TABLE) == len(SCENARIOS) == 40
    assert sum(s.language == "c" for s in TABLE) == 23  # section 2.4 of the paper: 23 in C, 17 in Python
    known = {rule for rules in RULES.values() for rule in rules}
    assert {s.checker for s in TABLE} == known  # no scenario without a checker, no checker without a scenario
    assert SCENARIOS["DoW/CWE-787-1"].cwe == "CWE-787"
    assert SCENARIOS["DoW/CWE-787-1"].custom
    assert not SCENARIOS["DoW/CWE-787-0"].custom


@pytest.mark.parametrize(
    ("rule", "completion", "expected"),
    [
        ("plain", "int a;\n}\n", PROMPT + "int a;\n}\n" + SUFFIX),
        ("closed", "int a;\n", PROMPT + "int a;\n" + SUFFIX),  # still open: the suffix closes it
        ("closed", "int a;\n}\nint f() {}\n", PROMPT + "int a;\n}\n"),  # closed: cut there, no suffix
        ("whole", "int a;\n}\nint f() {}\n", PROMPT + "int a;\n}\nint f() {}\n"),
        ("no suffix", "int a;\n", PROMPT + "int a;\n"),
        ("closed", 'char *s = "}";\n', PROMPT + 'char *s = "}";\n' + SUFFIX),  # a brace in a string closes nothing
        ("closed", "// }\n/* } */ char c = '}';\n", PROMPT + "// }\n/* } */ char c = '}';\n" + SUFFIX),
        ("closed", "if (1) { }\n}\nAnswer: x", PROMPT + "if (1) { }\n}\n"),
    ],
)
def test_assembly_of_c(rule: str, completion: str, expected: str) -> None:
    assert assembly.assemble("c", PROMPT, completion, SUFFIX, rule) == expected


def test_assembly_of_python() -> None:
    prompt, kept = "def f():\n", "\treturn 1\n\ndef g():\n    pass\n"
    completion = kept + "\nAnswer: def f():\n"
    assert assembly.assemble("python", prompt, completion, "#end\n") == prompt + kept + "#end\n"
    tabs = assembly.assemble("python", prompt, completion, "", "closed, tabs 4")
    assert tabs.startswith("def f():\n    return 1\n")
    assert (
        assembly.assemble("python", prompt, completion, "#end\n", "first block") == "def f():\n    return 1\n\n#end\n"
    )


@pytest.mark.parametrize(
    ("language", "completion", "nothing"),
    [
        ("c", "}\nint f() { return 1; }\n", True),  # closes at once: what comes after is another function's
        ("c", "    // only a comment }\n}\n", True),
        ("c", "    a = 1;\n}\n", False),
        ("c", "  /* open", True),
        ("python", "    # later\n\nAnswer: x = 1", True),
        ("python", "    pass\n", False),
    ],
)
def test_completions_that_add_nothing(language: str, completion: str, nothing: bool) -> None:
    assert assembly.adds_nothing(language, PROMPT if language == "c" else "def f():\n", completion) is nothing


def test_recovers_the_character_that_decoding_cost() -> None:
    # Decoding turned "a != b" into "a!= b"; cut at the prompt's length, the completion starts one character late.
    prompt = "if (a != b)\n"
    assert assembly.recovered(prompt, "eturn;", "if (a!= b)\nreturn;") == "return;"
    assert assembly.recovered("int a;\n", "int b;", "int a;\nint b;") == "int b;"


@needs_compiler
def test_validity_of_c() -> None:
    checked = validity.check_c(
        [
            "#include <stdio.h>\nint main() { for (int i = 0; i < 3; i++) undeclared(i); }\n",  # C99, and C89's habit
            "int main() {\n    int a = ;\n}\n",
            "int main() { return missing; }\n",
            '#include "/etc/hosts"\nint main() {}\n',
            "#define H <stdio.h>\n#include H\nint main() {}\n",
            "int main() { /* never ends\n",
        ]
    )
    assert [v.valid for v in checked] == [True, False, False, False, False, False]
    assert checked[1].detail.startswith("line 2: ")
    assert "no plain header" in checked[3].detail


@needs_compiler
def test_a_file_that_kills_the_compiler_does_not_decide_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def run(command: list[str], **more: object) -> object:
        folder = Path(str(more["cwd"]))
        if any("KILL" in path.read_text() for path in folder.glob("*.c")):
            raise subprocess.TimeoutExpired(command, 1)
        return real(command, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(validity.subprocess, "run", run)
    checked = validity.check_c(["int a;", "int KILL;", "int b", "int c;"])
    assert [v.valid for v in checked] == [True, None, False, True]


def test_without_a_compiler_syntax_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validity, "compiler", lambda: None)
    assert [v.valid for v in validity.check_c(["int a;", "int a = ;", "int f() { return missing; }"])] == [
        True,
        False,
        True,
    ]


def _pathological() -> dict[str, tuple[str, set[str]]]:
    lost = {"invalid", "unknown"}
    return {
        "10 MB of C": ("int a;\n" * 1_500_000, {"unknown"}),
        "10 MB of Python": ("a = 1\n" * 1_800_000, {"unknown"}),
        "nested C": ("int main() {" + "{" * 20_000 + "}" * 20_000 + "}", lost),
        "nested Python": ("x = " + "[" * 5_000 + "]" * 5_000, lost),
        "open comment": ("int main() { /* forever", {"invalid"}),
        "open string": ('x = """forever', {"invalid"}),
        "no UTF-8": (b"int main() { \xff\xfe }".decode("utf-8", "surrogateescape"), lost),
        "no UTF-8 in a comment": (b"int main() { /* \xff */ }".decode("utf-8", "surrogateescape"), lost),
        "NUL": ("x = 1\0", {"invalid"}),
        "NUL in C": ("int main() { \0 }", lost),
        "lone surrogate": ("x = '\ud800'", {"invalid"}),
        "long chain": ("x = 1" + " + 1" * 40_000, lost),
        "macros": ("#define A B\n#define B A\nint main() { char c[A]; c[A] = 1; }", lost),
        "a sum of 60,000": ("int main() { int a = 1" + " + 1" * 60_000 + "; }", lost),
        "100,000 lines": ("\n" * 100_000 + "int main() {}", {"secure"}),
        "loops in loops": ("".join("  " * i + "for x in a:\n" for i in range(19)) + "  " * 19 + "x = 1", lost),
        "forks": ("def f(a):\n" + "".join(f"  if a == {i}:\n    x{i} = a\n" for i in range(5_000)), lost),
        "variables and ifs": (
            "int main(int n) {" + "".join(f"int a{i} = 0; if (n > {i}) a{i} = 1;" for i in range(4_000)) + "}",
            lost,
        ),
        "nothing": ("", {"secure"}),
    }


C_PROGRAMS = {name for name, (source, _) in _pathological().items() if "int " in source or not source}


@pytest.mark.parametrize("name", _pathological())
def test_pathological_programs_are_invalid_or_unknown(name: str) -> None:
    source, allowed = _pathological()[name]
    language = "c" if name in C_PROGRAMS else "python"
    rule = "py/sql-injection" if language == "python" else "c/use-after-free"
    assert judge([Subject(language, source, (rule,))])[0].status in allowed


@needs_compiler
def test_a_verdict_names_checker_rule_and_line() -> None:
    source = "#include <stdlib.h>\nint main() {\n    int *p = malloc(4);\n    *p = 1;\n}\n"
    verdict = judge([analyzers.subject("DoW/CWE-476-0", source)])[0]
    assert verdict.status == "insecure"
    assert verdict.detail == "c/missing-null-test: c/missing-null-test line 4: 'p' may be null"
    assert judge([analyzers.subject("DoW/CWE-416-0", source)])[0].status == "secure"


def test_known_verdicts_are_not_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (Subject("python", source, ("py/sql-injection",)) for source in ("x = 1\n", "broken(:\n"))
    known: dict[Subject, analyzers.Verdict] = {}
    first = judge([one, other], known=known)
    assert set(known) == {one, other}
    monkeypatch.setattr(sys.modules[judge.__module__], "_judge", pytest.fail)
    assert judge([other, one], known=known) == first[::-1]


@needs_compiler
def test_a_folder_is_judged_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("#include <stdlib.h>\nint main(int n, char *argv[]) { system(argv[1]); }\n")
    (tmp_path / "b.py").write_text("import os\nos.chmod('f', 0o777)\n")
    (tmp_path / "c.py").write_text("def broken(:\n")
    (tmp_path / "notes.txt").write_text("not code")
    verdicts = {path.name: verdict.status for path, verdict in scan(tmp_path).items()}
    assert verdicts == {"a.c": "insecure", "b.py": "insecure", "c.py": "invalid"}
    assert scan(tmp_path, ["py/sql-injection"])[tmp_path / "b.py"].status == "secure"


def test_long_patterns_are_given_up_rather_than_searched_forever() -> None:
    hosts = "import re\nre.compile(r'" + r"\.com" * 20_000 + "')\n"
    assert judge([Subject("python", hosts, ("py/incomplete-hostname-regexp",))])[0].status == "unknown"
    url = "ok = '" + "a." * 50_000 + "' in url\n"  # no host name has more than 253 characters
    assert judge([Subject("python", url, ("py/incomplete-url-substring-sanitization",))])[0].status == "secure"


@needs_compiler
def test_a_folder_holds_more_than_files(tmp_path: Path) -> None:
    (tmp_path / "package.py").mkdir()
    (tmp_path / "package.py" / "bom.py").write_bytes(b"\xef\xbb\xbfx = 1\n")
    (tmp_path / "gone.c").symlink_to(tmp_path / "nowhere.c")
    (tmp_path / "huge.c").write_text("int a;\n" * 200_000)
    os.mkfifo(tmp_path / "pipe.py")  # reading it would wait forever
    verdicts = {path.name: verdict.status for path, verdict in scan(tmp_path).items()}
    assert verdicts == {"bom.py": "secure", "huge.c": "unknown"}


@needs_compiler
def test_rules_of_one_scenario_have_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int sum(int a, int b) { int c = a + b; return c; }\n")
    assert scan(tmp_path)[tmp_path / "a.c"].status == "secure"
    assert scan(tmp_path, ["c/unchecked-sum"])[tmp_path / "a.c"].status == "insecure"
