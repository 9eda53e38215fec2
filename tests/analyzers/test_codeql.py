"""The CodeQL back-end against a stand-in for ``codeql``: it records its calls and answers with a SARIF made by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from astraios_utils import schema, tasks
from astraios_utils.analyzers import codeql

PATH_SOURCE = "from flask import request\nopen(request.args['a'])\n"


def sarif(*results: tuple[str, str, int]) -> dict[str, object]:
    """A SARIF 2.1.0 log with results (file, rule, line), as ``codeql database analyze`` writes it."""
    return {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "CodeQL"}},
                "results": [
                    {
                        "ruleId": rule,
                        "message": {"text": "This path depends on a [user-provided value](1)."},
                        "locations": [
                            {"physicalLocation": {"artifactLocation": {"uri": name}, "region": {"startLine": line}}}
                        ],
                    }
                    for name, rule, line in results
                ],
            }
        ],
    }


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``codeql`` on the PATH: answers ``version``, copies ``answer.json`` for ``analyze``, logs every call."""
    log, answer = tmp_path / "calls.jsonl", tmp_path / "answer.json"
    answer.write_text(json.dumps(sarif(("1.py", "py/path-injection", 2))))
    program = tmp_path / "codeql"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, shutil, sys\n"
        f"with open({str(log)!r}, 'a') as stream:\n"
        "    root = next((a[14:] for a in sys.argv if a.startswith('--source-root=')), None)\n"
        "    print(json.dumps([sys.argv[1:], sorted(os.listdir(root)) if root else []]), file=stream)\n"
        "if sys.argv[1] == 'version':\n    print(os.environ.get('FAKE_VERSION', '2.15.5'))\n"
        "if 'fail.ql' in ' '.join(sys.argv):\n    sys.exit('out of disk')\n"
        "for a in sys.argv:\n"
        f"    if a.startswith('--output='):\n        shutil.copy({str(answer)!r}, a[9:])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return log


def _logged(log: Path) -> list[tuple[list[str], list[str]]]:
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()]


def test_one_database_for_many_programs(calls: Path) -> None:
    programs = [("DoW/CWE-22-1", source) for source in ("x = 1\n", PATH_SOURCE, "x = 2\n")]
    programs += [("DoW/CWE-89-0", PATH_SOURCE), ("DoW/CWE-22-1", "def (")]
    verdicts = codeql.judge(programs)
    assert [v.status for v in verdicts] == ["secure", "insecure", "secure", "secure", "invalid"]
    assert verdicts[1].detail == (
        "CodeQL PathInjection.ql: py/path-injection line 2: This path depends on a user-provided value."
    )
    made = [(call, files) for call, files in _logged(calls) if call[:2] == ["database", "create"]]
    assert len(made) == 1
    assert made[0][1] == ["0.py", "1.py", "2.py", "3.py"]  # the invalid one is left out
    asked = [call[3] for call, _ in _logged(calls) if call[:2] == ["database", "analyze"]]
    assert asked == [
        "codeql/python-queries:Security/CWE-022/PathInjection.ql",
        "codeql/python-queries:Security/CWE-089/SqlInjection.ql",
    ]


def test_the_task_asks_codeql_where_it_is_told_to(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, problem = tasks.get_task("aatk"), tasks.Problem("DoW/CWE-22-1", "", {})
    pairs = [(problem, "x = 1\n"), (problem, PATH_SOURCE), (problem, PATH_SOURCE)]
    own = task.fingerprint
    monkeypatch.setenv("ASTRAIOS_ANALYZER", "codeql")
    assert task.fingerprint != own  # verdicts of the one are not taken for the other's
    found = task.verdicts(pairs)
    assert [judgement.status for judgement in found] == ["secure", "insecure", "insecure"]
    assert found[1].detail.startswith("CodeQL PathInjection.ql: py/path-injection line 2")
    assert [files for call, files in _logged(calls) if call[:2] == ["database", "create"]] == [["0.py", "1.py"]]
    monkeypatch.setenv("FAKE_VERSION", "2.20.0")
    with pytest.raises(schema.BadInput, match="not the pinned"):
        task.verdicts(pairs)
    monkeypatch.setenv("ASTRAIOS_ANALYZER", "codql")
    with pytest.raises(schema.UnknownName, match="did you mean codeql"):
        task.verdicts(pairs)


def test_own_queries_come_from_the_given_folder(calls: Path, tmp_path: Path) -> None:
    programs = [("DoW/CWE-22-2", "import tarfile\n")]
    assert codeql.judge(programs)[0].status == "unknown"
    held = tmp_path / "ql" / "cwe-22" / "cwe-22_TarSlip.ql"
    held.parent.mkdir(parents=True)
    held.write_text("select 1")
    assert codeql.judge(programs, custom=tmp_path / "ql")[0].status == "secure"


def test_another_version_is_refused_unless_asked_for(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VERSION", "2.20.0")
    with pytest.raises(codeql.CodeqlError, match=r"2\.20\.0 is not the pinned 2\.15\.5"):
        codeql.judge([("DoW/CWE-22-1", PATH_SOURCE)])
    assert codeql.judge([("DoW/CWE-22-1", "x = 1\n")], any_version=True)[0].status == "secure"


def test_failures_say_what_failed(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(codeql.CodeqlError, match="codeql database analyze failed: out of disk"):
        codeql._codeql("database", "analyze", "fail.ql")
    with pytest.raises(codeql.CodeqlError, match="not a SARIF log"):
        codeql.read_sarif({"runs": [{}]})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(codeql.CodeqlError, match="not on the PATH"):
        codeql.version()
