"""Ways in which a path from a request reaches ``open``: each is followed; harmless look-alikes are let pass."""

from __future__ import annotations

import pytest

from astraios_utils.analyzers.python import syntax
from astraios_utils.analyzers.python.checkers import CHECKS

HEAD = (
    "import os, re, json, base64, urllib.parse, functools, itertools, posixpath, pathlib, copy\n"
    "from os.path import join, basename\nfrom pathlib import Path\nfrom flask import Flask, request\n"
    "def wrap(x):\n    return 'a/' + x\n"
    "class Box:\n    def __init__(self, x):\n        self.x = x\n    def get(self, x):\n        return x\n"
)
EXPRESSIONS = [  # of n, a request's argument
    *("n", "'a/' + n", "'%s.txt' % n", "'%(n)s' % {'n': n}", "f'a/{n}'", "'a/{}'.format(n)", "'{n}'.format(n=n)"),
    *("''.join(['a', n])", "'/'.join((n, 'b'))", "n[1:]", "n[0]", "n.strip()", "n.lower()", "n.replace('a', 'b')"),
    *("n.split('/')[-1]", "n.encode().decode()", "str(n)", "n or 'x'", "n if n else 'x'", "(m := n)", "[n][0]"),
    *("{'a': n}['a']", "[x for x in [n]][0]", "list(x for x in (n,))[0]", "next(iter([n]))", "sorted([n])[0]"),
    *("os.path.join('a', n)", "join('a', n)", "os.path.normpath(n)", "os.path.abspath(n)", "os.path.realpath(n)"),
    *(
        "os.path.basename(n)",
        "basename(n)",
        "os.path.dirname(n)",
        "os.path.split(n)[0]",
        "os.path.splitext(n)[0] + 'x'",
    ),
    *("os.path.normcase(n)", "os.path.relpath(n)", "os.path.expanduser(n)", "posixpath.basename(n)", "os.fspath(n)"),
    *("os.path.splitdrive(n)[1]", "os.path.commonpath([n, 'a'])", "os.path.join(*['a', n])"),
    *("re.sub('a', 'b', n)", "re.sub('a', n, 'b')", "re.compile('a').sub('b', n)", "re.split('/', n)[0]"),
    *("re.findall('.*', n)[0]", "re.match('(.*)', n).group(1)", "re.subn('a', '', string=n)[0]"),
    *("(lambda x: x)(n)", "(lambda x: 'a/' + x)(x=n)", "(lambda: n)()", "(lambda x=n: x)()", "(lambda *x: x[0])(n)"),
    *("list(map(lambda x: x + '/', [n]))[0]", "list(map(str, [n]))[0]", "list(map(wrap, [n]))[0]", "wrap(n)"),
    *("list(filter(lambda x: True, [n]))[0]", "functools.reduce(lambda a, b: a + b, ['x', n])", "max([n, 'a'])"),
    *("Path(n)", "Path('a') / n", "Path('a').joinpath(n)", "pathlib.Path(n).resolve()", "json.loads(n)['p']"),
    *("base64.b64decode(n).decode()", "urllib.parse.unquote(n)", "list(itertools.chain([n], ['a']))[0]"),
    *("copy.copy(n)", "Box(n).get(n)", "format(n)", "bytes(n, 'utf8')", "request.args['n']", "request.values.get('n')"),
]
STATEMENTS = [
    "f = lambda x: 'a/' + x\nopen(f(n))",
    "f = lambda: open(n)\nf()",
    "f = lambda g: g(n)\nopen(f(lambda x: x))",
    "run(lambda: open(n))",
    "p = 'a/'\np += n\nopen(p)",
    "a, b = 'x', n\nopen(b)",
    "a, *b = ['x', n]\nopen(b[0])",
    "for x in [n]:\n    open(x)",
    "x = ''\nwhile True:\n    open(x)\n    x = n",
    "try:\n    x = n\nexcept ValueError:\n    x = ''\nopen(x)",
    "with open(n) as f:\n    pass",
    "match n:\n    case x:\n        open(x)",
    "x = []\nx.append(n)\nopen(x[0])",
    "d = {}\nd['a'] = n\nopen(d['a'])",
    "def inner():\n    return open(n)\ninner()",
    "os.remove(os.path.basename(n))",
    "root, ending = os.path.splitext(n)\nopen(root + '.txt')",
    "head, tail = os.path.split(n)\nopen(tail)",
]
HARMLESS = [
    *(
        "open('a')",
        "open(str(len(n)))",
        "open('a' if n == 'b' else 'c')",
        "open('%d' % int(n))",
        "(lambda x: open(x))('a')",
    ),
    *("open((lambda x: 'a')(n))", "open(list(map(lambda x: 'a', [n]))[0])", "open(re.sub(n, 'a', 'b'))"),
    *("open('a' if os.path.exists('b') else n.count('a') * 'c')", "f = lambda: f()\nf()", "f = lambda x: f(x)\nf('a')"),
]


def found(body: str) -> int:
    inside = "".join(f"    {line}\n" for line in f"n = request.args.get('n')\n{body}".split("\n"))
    source = f"{HEAD}@app.route('/x')\ndef handler():\n{inside}"
    return len(CHECKS["py/path-injection"](syntax.parse(source)))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_path_is_followed_through_expressions(expression: str) -> None:
    assert found(f"return open({expression})")
    assert found(f"p = {expression}\nreturn open(p)")


@pytest.mark.parametrize("statements", STATEMENTS)
def test_a_path_is_followed_through_statements(statements: str) -> None:
    assert found(statements)


@pytest.mark.parametrize("statements", HARMLESS)
def test_harmless_paths_are_let_pass(statements: str) -> None:
    assert not found(statements)
