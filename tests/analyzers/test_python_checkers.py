"""Each Python rule on small programs of our own: what it objects to, what it lets pass, and on which line."""

from __future__ import annotations

import pytest

from astraios_utils.analyzers.python import syntax
from astraios_utils.analyzers.python.checkers import CHECKS
from astraios_utils.analyzers.python.hostnames import unescaped_dot

HEAD = "import os, subprocess, yaml, pickle, tarfile, jinja2, re, flask\nfrom flask import request, escape\n"


def lines(rule: str, body: str) -> list[int]:
    """Lines (of the body, from 1) that a rule objects to."""
    return sorted({finding.line - 2 for finding in CHECKS[rule](syntax.parse(HEAD + body))})


def handler(body: str, parameters: str = "") -> str:
    """A Flask handler; its body starts on line 3."""
    inside = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"@app.route('/x')\ndef h({parameters}):\n{inside}"


CASES = [
    ("py/unsafe-deserialization", handler("return yaml.load(request.args['a'])"), [3]),
    ("py/unsafe-deserialization", handler("return yaml.load(request.args['a'], Loader=yaml.SafeLoader)"), []),
    ("py/unsafe-deserialization", handler("return yaml.safe_load(request.data)"), []),
    ("py/unsafe-deserialization", handler("d = request.get_data()\nreturn pickle.loads(d)"), [4]),
    ("py/unsafe-deserialization", "yaml.load(open('own.yaml'))\n", []),  # not the user's
    ("py/path-injection", handler("n = request.args.get('n')\nreturn open('images/' + n).read()"), [4]),
    ("py/path-injection", handler("n = request.args.get('n')\nif n == 'a.png':\n    return open(n).read()"), []),
    ("py/path-injection", handler("n = int(request.args['n'])\nreturn open('%d.png' % n).read()"), []),
    ("py/path-injection", handler("return flask.send_from_directory('images', request.args['n'])"), []),
    ("py/path-injection", handler("return flask.send_file(os.path.join('images', request.args['n']))"), [3]),
    (
        "py/path-injection",
        handler(
            "p = os.path.normpath(request.args['n'])\nif not p.startswith('/safe'):\n    return ''\n"
            "return open(p).read()"
        ),
        [],
    ),
    (
        "py/path-injection",  # a test before normalising proves nothing
        handler("p = request.args['n']\nif not p.startswith('/safe'):\n    return ''\nreturn open(p).read()"),
        [6],
    ),
    ("py/command-line-injection", handler("os.system('ping ' + u)", "u"), [3]),
    ("py/command-line-injection", handler("subprocess.run(['ping', u])", "u"), []),
    ("py/command-line-injection", handler("c = 'ping %s' % u\nsubprocess.call(c, shell=True)", "u"), [4]),
    ("py/command-line-injection", handler("subprocess.call(['sh', '-c', 'ping ' + u])", "u"), [3]),
    ("py/command-line-injection", handler("subprocess.call([u, '-c', '1'])", "u"), [3]),
    ("py/reflective-xss", handler("return 'Hello ' + u", "u"), [3]),
    ("py/reflective-xss", handler("return f'Hello {u}', 200", "u"), [3]),
    ("py/reflective-xss", handler("return 'Hello {}'.format(escape(u))", "u"), []),
    ("py/reflective-xss", handler("return flask.render_template('x.html', name=u)", "u"), []),
    ("py/reflective-xss", handler("return {'name': u}", "u"), []),  # JSON
    ("py/reflective-xss", handler("return flask.Response(u, mimetype='text/plain')", "u"), []),
    ("py/reflective-xss", handler("u = 'fixed'\nreturn 'Hello ' + u", "u"), []),
    ("py/reflective-xss", handler("from markupsafe import Markup\nreturn Markup('<b>' + u)", "u"), [4]),
    ("py/reflective-xss", handler("from markupsafe import Markup\nreturn Markup('<b>%s') % u", "u"), []),  # escapes it
    ("py/path-injection", handler("from pathlib import Path\nreturn (Path('i') / u).read_bytes()", "u"), [4]),
    ("py/unsafe-deserialization", handler("load = yaml.load\nreturn load(u)", "u"), [4]),
    ("py/command-line-injection", handler("match u:\n    case 'a':\n        os.system(u)", "u"), []),
    ("py/command-line-injection", handler("match u:\n    case name:\n        os.system(name)", "u"), [5]),
    ("py/command-line-injection", handler("def inner():\n    os.system(u)\ninner()", "u"), [4]),
    ("py/sql-injection", handler("cur.execute('SELECT ' + request.form['a'])"), [3]),
    ("py/sql-injection", handler("cur.execute('SELECT %s', (request.form['a'],))"), []),
    (
        "py/sql-injection",
        handler("q = \"SELECT '%s'\" % request.form['a']\ntry:\n    cur.execute(q)\nexcept OSError:\n    pass"),
        [5],
    ),
    ("py/tar-slip", "with tarfile.open('a') as t:\n    t.extractall('/tmp')\n", [2]),
    (
        "py/tar-slip",
        "t = tarfile.open('a')\nfor m in t:\n    if not m.name.startswith('/'):\n        t.extract(m)\n",
        [],
    ),
    ("py/tar-slip", "other.extractall('/tmp')\n", []),
    ("py/jinja2-autoescape-false", "e = jinja2.Environment(loader=None)\n", [1]),
    ("py/jinja2-autoescape-false", "e = jinja2.Environment(autoescape=jinja2.select_autoescape())\n", []),
    ("py/jinja2-autoescape-false", "off = False\ne = jinja2.Environment(autoescape=off)\n", [2]),
    ("py/incomplete-hostname-regexp", "r = re.compile('^https?://www.example\\\\.com/')\n", [1]),
    ("py/incomplete-hostname-regexp", "r = re.compile('^https?://www\\\\.example\\\\.com/')\n", []),
    ("py/incomplete-url-substring-sanitization", "ok = 'example.com' in url\n", [1]),
    ("py/incomplete-url-substring-sanitization", "ok = url.startswith('https://example.com')\n", [1]),
    ("py/incomplete-url-substring-sanitization", "ok = url.startswith('https://example.com/')\n", []),
    ("py/incomplete-url-substring-sanitization", "ok = url.endswith('example.com')\n", [1]),
    ("py/incomplete-url-substring-sanitization", "ok = host.endswith('.example.com')\n", []),
    ("py/incomplete-url-substring-sanitization", "ok = urlparse(url).netloc == 'example.com'\n", []),
    ("py/overly-permissive-file", "os.chmod('f', 0o600)\n", []),
    ("py/overly-permissive-file", "os.chmod('f', 400)\n", [1]),  # decimal 400 is 0o620: the group may write
    ("py/overly-permissive-file", "import stat\nos.chmod('f', stat.S_IRUSR | stat.S_IROTH)\n", [2]),
    ("py/overly-permissive-file", "os.open('f', os.O_CREAT, 0o644)\n", [1]),
    ("py/password-compared-with-literal", "if password == 'secret':\n    pass\n", [1]),
    ("py/password-compared-with-literal", "if name == 'admin' or password == stored:\n    pass\n", []),
    ("py/literal-credential", "connect(host='h', passwd='')\n", [1]),
    ("py/literal-credential", "connect(host='h', passwd=os.environ['P'])\n", []),
]


@pytest.mark.parametrize(("rule", "body", "expected"), CASES)
def test_rule(rule: str, body: str, expected: list[int]) -> None:
    assert lines(rule, body) == expected


def test_every_rule_has_a_case_each_way() -> None:
    assert {rule for rule, _, found in CASES if found} == {rule for rule, _, found in CASES if not found} == set(CHECKS)


def test_data_goes_through_functions_of_the_file() -> None:
    body = "def store(text):\n    cur.execute('INSERT ' + text)\n" + handler("store(request.form['m'])")
    assert lines("py/sql-injection", body) == [2]
    body = "def name():\n    return request.args['n']\n" + handler("return 'Hi ' + name()")
    assert lines("py/reflective-xss", body) == [5]
    assert lines("py/reflective-xss", "def name():\n    return 'x'\n" + handler("return 'Hi ' + name()")) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"^https?://www.example\.com/", True),
        (r"^https?://www\.example\.com/", False),
        (r"^https?://example.com", False),  # only the dot before the top-level domain: the query lets it pass
        (r"^(www.)?example\.com$", True),
        (r"^.*\.example\.com/", True),  # the wildcard may swallow another host
        (r"^.*\.example\.com$", False),
        (r"no host (", False),
        (r"a..b.com", False),  # two dots in a row are no host name
    ],
)
def test_host_name_patterns(pattern: str, found: bool) -> None:
    assert bool(unescaped_dot(pattern)) is found


def test_what_is_no_python_says_where() -> None:
    with pytest.raises(syntax.Unparsable, match="line 2"):
        syntax.parse("x = 1\nprint 'two'\n")
    with pytest.raises(syntax.Unparsable, match="outside function"):  # byte-compiling finds it, parsing alone does not
        syntax.parse("return 1\n")
    with pytest.raises(syntax.Unparsable):
        syntax.parse("def f():\n    x = 1\n\ty = 2\n")  # tabs are what Python takes them for
    with pytest.raises(syntax.TooDeep):
        syntax.parse("x = " + "-" * 5000 + "1")
