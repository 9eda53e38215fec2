"""Problems of other Python benchmarks as HumanEvalPack's: HumanEval and EvalPlus, MBPP and its EvalPlus version.

HumanEval's rows have a prompt, a test and an entry point; the declaration, the docstring and the instruction are taken
from the prompt. EvalPlus's own files of HumanEval+ have inputs and a reference solution instead of a test: the test
compares the sample's results with the reference's, by EvalPlus's rules. MBPP's have a text, a reference solution and a
list of assertions; everything else is derived.
"""

from __future__ import annotations

import ast
from typing import Any

from .files import RowError, filled, optional, require_fields, text

INSTRUCTION = "Write a Python function `{signature}` to solve the following problem:\n{docstring}"  # HumanEvalPack's
_HUMANEVAL = {"task_id": filled, "prompt": filled, "entry_point": filled, "test": filled}
_INPUTS = {"task_id": filled, "prompt": filled, "entry_point": filled, "canonical_solution": filled}
_MBPP = {"code": filled, "text": optional(filled), "prompt": optional(filled), "test": optional(filled)}
_MBPP |= {"test_setup_code": optional(text), "entry_point": optional(filled)}


# The reference runs in the process of the test, on inputs of its own copy. Results are compared as EvalPlus 0.3 does:
# floats within 1e-6 where the problem states no tolerance, one problem by the value of its polynomial.
_EVALPLUS = """
import copy, math
import numpy

_inputs, _reference, _atol = {inputs!r}, {reference!r}, {atol!r}


def _is_floats(value):
    if isinstance(value, float):
        return True
    if isinstance(value, (list, tuple)) and len(value):
        return all(isinstance(one, float) for one in value)
    return False


def _compare(given, result, wanted):
    if {by_value!r}:
        assert abs(sum(factor * result**power for power, factor in enumerate(given[0]))) <= _atol
        return
    atol = _atol or (1e-6 if _is_floats(wanted) else 0)
    if result == wanted:
        return
    assert atol and type(result) is type(wanted)
    if isinstance(wanted, (list, tuple)):
        assert len(result) == len(wanted)
    numpy.testing.assert_allclose(result, wanted, rtol=1e-7, atol=atol)


def check(candidate):
    space = {{}}
    exec(_reference, space)
    for given in _inputs:
        wanted = space[{entry!r}](*copy.deepcopy(given))
        _compare(given, candidate(*copy.deepcopy(given)), wanted)
"""


def as_humanevalpack(row: Any, where: str) -> dict[str, Any]:
    """A problem with HumanEvalPack's fields; rows that have them already are returned as they are.

    Args:
        row: a parsed line of a problem file.
        where: the line, for messages.

    Raises:
        RowError: the row has the shape of none of the benchmarks, or a field of it cannot be used.
    """
    if isinstance(row, dict) and "test_list" in row and "declaration" not in row:
        return _from_mbpp(row, where)
    if isinstance(row, dict) and "base_input" in row and "test" not in row:
        row = row | {"test": _evalplus_test(row, where)}
    if isinstance(row, dict) and "declaration" not in row and "instruction" not in row:
        return _from_humaneval(row, where)
    return row  # type: ignore[no-any-return]  # the caller checks that it is an object


def _from_humaneval(row: dict[str, Any], where: str) -> dict[str, Any]:
    require_fields(row, _HUMANEVAL, where)
    prompt, entry = row["prompt"], row["entry_point"]
    function = _function(prompt, entry)
    if function is None:
        raise RowError(f"{where}: prompt is not the beginning of a Python function {entry!r:.40}")
    docstring = (ast.get_docstring(function) or "").strip()
    lines = prompt.splitlines(keepends=True)
    first = function.body[0]
    declaration = "".join(lines[: first.lineno - 1]) if docstring else prompt
    return {
        "canonical_solution": "",
        **row,
        "declaration": declaration or prompt,
        "docstring": docstring,
        "instruction": INSTRUCTION.format(signature=_signature(function), docstring=docstring or prompt.strip()),
    }


def _evalplus_test(row: dict[str, Any], where: str) -> str:
    """A test that compares a sample with the reference solution on ``base_input`` and ``plus_input``."""
    require_fields(row, _INPUTS, where)
    inputs = [*_argument_lists(row, "base_input", where), *_argument_lists(row, "plus_input", where)]
    if not inputs:
        raise RowError(f"{where}: base_input and plus_input are empty, so nothing would be tested")
    atol, entry = row.get("atol", 0), row["entry_point"]
    if isinstance(atol, bool) or not isinstance(atol, int | float) or atol < 0:
        raise RowError(f"{where}: atol is {atol!r:.40}, not a number of at least 0")
    if not str(row["task_id"]).startswith("HumanEval/"):
        raise RowError(f"{where}: inputs of MBPP+ lose their types in JSON; use its rows with test_list")
    reference = row["prompt"] + row["canonical_solution"]
    if _function(reference, entry) is None:
        raise RowError(f"{where}: prompt and canonical_solution do not define {entry!r:.40} in Python")
    return _EVALPLUS.format(
        inputs=inputs,
        reference=reference,
        atol=atol,
        entry=entry,
        by_value=entry == "find_zero",
    )


def _argument_lists(row: dict[str, Any], field: str, where: str) -> list[list[Any]]:
    values = row.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, list) for value in values):
        raise RowError(f"{where}: {field} is not a list of lists of arguments")
    return values


def _function(prompt: str, entry: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The definition of the entry point, of a prompt that may end after a header, a docstring or a statement."""
    for body in ("", "    pass\n", "\n    pass\n"):
        try:
            tree = ast.parse(prompt + body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return next((node for node in functions if node.name == entry), None)
    return None


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    result = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{function.name}({ast.unparse(function.args)}){result}"


def _from_mbpp(row: dict[str, Any], where: str) -> dict[str, Any]:
    require_fields(row, _MBPP, where)
    asserted = _strings(row, "test_list", where)
    imports = _strings(row, "test_imports", where) if row.get("test_imports") else []
    name, code = row.get("task_id"), row["code"].replace("\r\n", "\n")
    if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
        raise RowError(f"{where}: task_id is missing, or neither a number nor a string")
    asked = row.get("text") or row.get("prompt")
    if asked is None:
        raise RowError(f"{where}: text (or prompt) missing; not a problem of MBPP")
    entry = row.get("entry_point") or _tested(asserted, code)
    function = _function(code, entry) if entry else None
    if function is None:
        raise RowError(f"{where}: the tests call no function that code defines; give an entry_point")
    lines = code.splitlines(keepends=True)
    declaration = "".join(lines[: function.body[0].lineno - 1]) or f"def {_signature(function)}:\n"
    docstring = "\n".join([asked.strip(), *asserted])
    indent = " " * function.body[0].col_offset or "    "
    quoted = "".join(f"{indent}{line}\n" for line in f'r"""{docstring}\n"""'.splitlines())
    return {
        **row,
        "task_id": str(name),
        "entry_point": entry,
        "prompt": declaration + quoted,
        "declaration": declaration,
        "docstring": docstring,
        "instruction": INSTRUCTION.format(signature=_signature(function), docstring=docstring),
        "canonical_solution": "".join(lines[function.body[0].lineno - 1 :]),
        "test": row.get("test") or "\n".join([*imports, row.get("test_setup_code") or "", *asserted]),
    }


def _strings(row: dict[str, Any], field: str, where: str) -> list[str]:
    values = row[field]
    if not isinstance(values, list) or not values or any(filled(value) for value in values):
        raise RowError(f"{where}: {field} is not a list of strings")
    return list(values)


def _tested(asserted: list[str], code: str) -> str:
    """The first function that an assertion calls and the reference solution defines."""
    try:
        defined = {n.name for n in ast.parse(code).body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        calls = [n for n in ast.walk(ast.parse("\n".join(asserted))) if isinstance(n, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return next((n.func.id for n in calls if isinstance(n.func, ast.Name) and n.func.id in defined), "")
