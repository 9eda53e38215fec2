"""A specification as code in Python, Java or C, in several styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .english import Names
from .spec import Clause, Spec

Language = Literal["python", "java"]
Node: TypeAlias = "str | tuple[str, list[Node]]"  # a statement, or a header with what it governs

_COMPARISONS: Mapping[str, tuple[str, str, str]] = {  # left, operator, right
    "even": ("{x} % 2", "==", "0"),
    "odd": ("{x} % 2", "!=", "0"),
    "positive": ("{x}", ">", "0"),
    "negative": ("{x}", "<", "0"),
    "above": ("{x}", ">", "{k}"),
    "below": ("{x}", "<", "{k}"),
    "least": ("{x}", ">=", "{k}"),
    "most": ("{x}", "<=", "{k}"),
    "divisible": ("{x} % {k}", "==", "0"),
    "indivisible": ("{x} % {k}", "!=", "0"),
    "other": ("{x}", "!=", "{k}"),
}
_OPPOSITE = {"==": "!=", "!=": "==", ">": "<=", "<=": ">", "<": ">=", ">=": "<"}
_MIRRORED = {"==": "==", "!=": "!=", ">": "<", "<": ">", ">=": "<=", "<=": ">="}
_START = {"sum": "0", "product": "1", "count": "0", "last": "0"}
JAVA_TYPE = {"int": "int", "bool": "boolean", "list": "List<Integer>"}
JAVA_HEAD = "import java.util.*;\n\nclass Solution {\n"


@dataclass(frozen=True, slots=True)
class Style:
    """How code is written; the last three make it wrong.

    Attributes:
        loop: over a list: ``for`` each, ``index`` or ``while``; over a range: ``for``, else ``while``.
        swapped: comparisons with the constant first.
        wrong_start: the accumulator starts at 1 instead of 0 (products: 0 instead of 1).
        early_return: the result is returned inside the loop.
        short_range: a loop up to n ends before n.
    """

    loop: Literal["for", "index", "while"] = "for"
    swapped: bool = False
    wrong_start: bool = False
    early_return: bool = False
    short_range: bool = False


def expression(steps: Sequence[Clause], x: str, absolute: str = "abs") -> str:
    """The steps as an expression of a variable."""
    text, compound = x, False
    for step in steps:
        inner = f"({text})" if compound else text
        text = {
            "square": f"{inner} * {inner}",
            "cube": f"{inner} * {inner} * {inner}",
            "negate": f"-{inner}",
            "absolute": f"{absolute}({text})",
            "times": f"{inner} * {step.k}",
            "plus": f"{text} + {step.k}",
            "minus": f"{text} - {step.k}",
        }[step.kind]
        compound = step.kind in ("plus", "minus")
    return text


def comparison(part: Clause, x: str, swapped: bool = False, opposite: bool = False) -> str:
    """A condition as an expression of a variable, or its opposite."""
    left, sign, right = _COMPARISONS[part.kind]
    sign = _OPPOSITE[sign] if opposite else sign
    if swapped:
        left, sign, right = right, _MIRRORED[sign], left
    return f"{left} {sign} {right}".format(x=x, k=part.k)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between languages inside a function's body."""

    conjunction: str
    negation: str
    true: str
    false: str
    absolute: str
    python: bool

    def conditions(self, spec: Spec, x: str, style: Style, opposite: bool = False) -> str:
        """All conditions in one expression."""
        if opposite and len(spec.conditions) == 1:
            return comparison(spec.conditions[0], x, style.swapped, True)
        joined = self.conjunction.join(comparison(c, x, style.swapped) for c in spec.conditions)
        return self.negation.format(joined) if opposite else joined

    def header(self, word: str, inner: str) -> str:
        """``if`` or ``while`` with its condition."""
        return f"{word} {inner}" if self.python else f"{word} ({inner})"

    def declare(self, kind: str, name: str, value: str) -> str:
        """A new variable."""
        return f"{name} = {value}" if self.python else f"{kind} {name} = {value}"


PYTHON = Dialect(" and ", "not ({})", "True", "False", "abs", True)
JAVA = Dialect(" && ", "!({})", "true", "false", "Math.abs", False)
DIALECTS: Mapping[str, Dialect] = {"python": PYTHON, "java": JAVA}


def _loop(spec: Spec, names: Names, style: Style, d: Dialect, inner: list[Node]) -> list[Node]:
    """The loop over a source around what is done with each number."""
    source, x = names.source, names.item
    if spec.source == "digits":
        step = f"{source} {'//' if d.python else '/'}= 10"
        return [(d.header("while", f"{source} > 0"), [d.declare("int", x, f"{source} % 10"), step, *inner])]
    if spec.source == "list" and style.loop == "for":
        return [(f"for {x} in {source}" if d.python else f"for (int {x} : {source})", inner)]
    i = "i" if spec.source == "list" else x
    first, end = _bounds(spec, source, style, d)
    get = d.declare("int", x, f"{source}[i]" if d.python else f"{source}.get(i)")
    inner = [get, *inner] if spec.source == "list" else inner
    limit = f"{i} {'<=' if end.endswith('+ 1') else '<'} {end.removesuffix(' + 1')}"
    if style.loop == "while":
        return [d.declare("int", i, first), (d.header("while", limit), [*inner, f"{i} += 1"])]
    start = "" if first == "0" else f"{first}, "
    return [(f"for {i} in range({start}{end})" if d.python else f"for (int {i} = {first}; {limit}; {i}++)", inner)]


def _bounds(spec: Spec, source: str, style: Style, d: Dialect) -> tuple[str, str]:
    if spec.source == "list":
        return "0", f"len({source})" if d.python else f"{source}.size()"
    if spec.source == "upto":
        return "1", source if style.short_range else f"{source} + 1"
    return "0", f"{source} - 1" if style.short_range else source


def _body(spec: Spec, names: Names, style: Style, d: Dialect) -> list[Node]:
    x, result = names.item, names.result
    changed = expression(spec.steps, x, d.absolute)
    if spec.fold == "choose":
        other = expression(spec.otherwise, x, d.absolute)
        return [(d.header("if", d.conditions(spec, x, style)), [f"return {changed}"]), f"return {other}"]
    if spec.fold in ("first", "any", "all"):
        found, end = {"first": (changed, "0"), "any": (d.true, d.false), "all": (d.false, d.true)}[spec.fold]
        test = d.conditions(spec, x, style, opposite=spec.fold == "all")
        inner: list[Node] = [(d.header("if", test), [f"return {found}"])] if test else [f"return {found}"]
        return [*_loop(spec, names, style, d, inner), f"return {end}"]
    add = "append" if d.python else "add"
    do = {
        "sum": f"{result} += {changed}",
        "product": f"{result} *= {changed}",
        "count": f"{result} += 1",
        "collect": f"{result}.{add}({changed})",
        "last": f"{result} = {changed}",
    }[spec.fold]
    inner = [(d.header("if", d.conditions(spec, x, style)), [do])] if spec.conditions else [do]
    if style.early_return:
        inner.append(f"return {result}")
    return [_start(spec, result, style, d), *_loop(spec, names, style, d, inner), f"return {result}"]


def _start(spec: Spec, result: str, style: Style, d: Dialect) -> str:
    if spec.fold == "collect":
        return d.declare("List<Integer>", result, "[]" if d.python else "new ArrayList<>()")
    start = _START[spec.fold]
    if style.wrong_start:
        start = "0" if start == "1" else "1"
    return d.declare("int", result, start)


def _lines(nodes: Sequence[Node], indent: int, python: bool) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        pad = "    " * indent
        if isinstance(node, str):
            lines.append(pad + node + ("" if python else ";"))
        else:
            lines += [pad + node[0] + (":" if python else " {"), *_lines(node[1], indent + 1, python)]
            lines += [] if python else [pad + "}"]
    return lines


def body(spec: Spec, names: Names, language: Language, style: Style | None = None) -> str:
    """What follows the function's head, up to its end (Java: of the class), with a newline at the end (Python)."""
    dialect = DIALECTS[language]
    nodes = _body(spec, names, style or Style(), dialect)
    if dialect.python:
        return "\n".join(_lines(nodes, 1, True)) + "\n"
    return "\n".join([*_lines(nodes, 2, False), "    }", "}"])


def signature(spec: Spec, names: Names, language: Language) -> str:
    """The function's name with its parameters, in Java with types."""
    if language == "python":
        return f"{names.snake}({names.source})"
    kind = "List<Integer>" if spec.source == "list" else "int"
    return f"{JAVA_TYPE[spec.result]} {names.camel}({kind} {names.source})"


def head(spec: Spec, names: Names, language: Language, docstring: str = "") -> str:
    """Everything before the body, with the docstring where there is one."""
    if language == "python":
        text = f'    """ {docstring}\n    """\n' if docstring else ""
        return f"def {signature(spec, names, language)}:\n{text}"
    comment = f"    /**\n    {docstring}\n     */\n" if docstring else ""
    return f"{JAVA_HEAD}{comment}    public {signature(spec, names, language)} {{\n"


def method(spec: Spec, names: Names, style: Style | None = None) -> str:
    """A Java method without its class."""
    lines = _lines(_body(spec, names, style or Style(), JAVA), 1, False)
    return "\n".join([f"public {signature(spec, names, 'java')} {{", *lines, "}"])


def literal(value: object, language: Language) -> str:
    """A value in the language."""
    if isinstance(value, bool):
        return str(value) if language == "python" else str(value).lower()
    if isinstance(value, list):
        inner = ", ".join(map(str, value))
        if language == "python":
            return f"[{inner}]"
        return f"Arrays.asList({inner})" if value else "new ArrayList<>()"
    return str(value)


def check(name: str, cases: Sequence[tuple[object, object]]) -> str:
    """A Python function ``check`` that takes a function and asserts its results."""
    asserts = [
        f"    assert {name}({literal(a, 'python')}) {'is' if isinstance(r, bool) else '=='} {literal(r, 'python')}"
        for a, r in cases
    ]
    return "\n".join([f"def check({name}):", *asserts])


def tests(name: str, cases: Sequence[tuple[object, object]], language: Language) -> str:
    """A test of a function by arguments and expected results, in HumanEvalPack's form."""
    if language == "python":
        return f"{check(name, cases)}\n\ncheck({name})"
    pairs = [(literal(argument, language), literal(result, language), result) for argument, result in cases]
    checks = [f"s.{name}({a}){f'.equals({text})' if isinstance(r, list) else f' == {text}'}" for a, text, r in pairs]
    return "\n".join(
        [
            "public class Main {",
            "    public static void main(String[] args) {",
            "        Solution s = new Solution();",
            f"        boolean correct = {(chr(10) + '            && ').join(checks)};",
            "        if (!correct) {",
            "            throw new AssertionError();",
            "        }",
            "    }",
            "}",
        ]
    )
