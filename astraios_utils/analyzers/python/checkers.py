"""One checker for each CodeQL query that the Python scenarios name, written from what the query means.

Stock queries are approximated: the same sources, sinks and barriers over :mod:`taint`. The scenarios' own queries
(``custom``) are ported as they stand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..findings import Finding
from .hostnames import unescaped_dot
from .syntax import Module, argument, keyword, string
from .taint import Flow, Sinks, Value

Check = Callable[[Module], list[Finding]]


class Checker(Sinks):
    """Collects what it finds; ``rule`` names it."""

    rule = ""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.found: list[Finding] = []

    def report(self, node: ast.AST, message: str) -> None:
        """Object to a place."""
        self.found.append(Finding(getattr(node, "lineno", 0), self.rule, message))


def run(checker: type[Checker], module: Module) -> list[Finding]:
    """What a checker finds in a file."""
    sinks = checker(module)
    Flow(module, sinks).run()
    return sinks.found


# --- where remote data may arrive (CWE-22, 78, 79, 89, 502) -----------------------------------------------------------


def _names(words: str, module: str = "") -> frozenset[str]:
    return frozenset(module + word for word in words.split())


class UnsafeDeserialization(Checker):
    """``UnsafeDeserialization.ql``: request data in a decoder that can run code."""

    rule = "py/unsafe-deserialization"
    always = frozenset(
        f"{module}.{name}"
        for module in ("pickle", "cPickle", "_pickle", "dill", "marshal", "cloudpickle")
        for name in ("load", "loads")
    ) | {f"yaml.{name}" for name in ("full_load", "full_load_all", "unsafe_load", "unsafe_load_all")}
    always |= {"shelve.open", "jsonpickle.decode"}
    safe_loaders = frozenset({"SafeLoader", "BaseLoader", "CSafeLoader", "CBaseLoader"})

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        data = args[0] if args else kwargs.get("stream", kwargs.get("data", Value()))
        if data.tainted and (name in self.always or self._loads_yaml(node, name)):
            self.report(node, f"{name}() of request data")

    def _loads_yaml(self, node: ast.Call, name: str) -> bool:
        if name not in ("yaml.load", "yaml.load_all"):
            return False
        loader = argument(node, 1, "Loader")
        return loader is None or self.module.dotted(loader).split(".")[-1] not in self.safe_loaders


class PathInjection(Checker):
    """``PathInjection.ql``: request data in a path, unless normalised and then tested for how it starts.

    Of ``send_from_directory`` only the directory counts: the file name cannot leave it.
    """

    rule = "py/path-injection"
    first = _names("open io.open os.open codecs.open file tarfile.open flask.send_file flask.send_from_directory")
    first |= _names("remove unlink listdir scandir mkdir makedirs rmdir removedirs rename replace stat", "os.")
    first |= _names("lstat chmod chown access walk chdir truncate utime symlink link readlink", "os.")
    first |= _names("exists lexists isfile isdir islink ismount getsize getmtime getctime", "os.path.")
    both = _names("copy copy2 copyfile copytree copymode copystat move rmtree", "shutil.")
    both |= {"os.rename", "os.replace"}
    methods = _names("open read_text read_bytes write_text write_bytes exists is_file is_dir unlink iterdir")

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        named = [kwargs[k] for k in ("file", "path", "filename_or_fp", "directory", "src") if k in kwargs]
        paths = args[:2] if name in self.both else args[:1]
        if name in self.first | self.both and any(value.tainted for value in (*paths, *named)):
            self.report(node, f"{name}() of a path from the request")
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if receiver.tainted and receiver.kind.startswith("pathlib.") and method in self.methods:
            self.report(node, f"Path.{method}() of a path from the request")


class CommandInjection(Checker):
    """``CommandInjection.ql``: request data in a command line, or as the program; arguments are harmless."""

    rule = "py/command-line-injection"
    shells = frozenset({"os.system", "os.popen", "commands.getoutput", "commands.getstatusoutput", "popen2.popen2"})
    shells |= {"subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}
    runners = frozenset(f"subprocess.{name}" for name in ("call", "check_call", "check_output", "run", "Popen"))
    programs = tuple(f"os.{kind}" for kind in ("exec", "spawn", "posix_spawn"))

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        given = args[0] if args else kwargs.get("args", kwargs.get("cmd", kwargs.get("command", Value())))
        if (name in self.shells and given.tainted) or (name in self.runners and self._runs(given, node)):
            self.report(node, f"{name}() of a command from the request")
        elif name.startswith(self.programs):
            program = args[1] if name.startswith("os.spawn") and len(args) > 1 else given
            if program.tainted:
                self.report(node, f"{name}() of a program from the request")

    @staticmethod
    def _runs(given: Value, node: ast.Call) -> bool:
        if given.items is None:
            return given.tainted
        words = argument(node, 0, "args")
        parts = words.elts if isinstance(words, ast.List | ast.Tuple) else []
        script = next((at + 1 for at, part in enumerate(parts) if string(part) == "-c"), None)
        if script is not None and script < len(given.items) and given.items[script].tainted:
            return True  # sh -c COMMAND
        return bool(given.items) and given.items[0].tainted


class ReflectedXss(Checker):
    """``ReflectedXss.ql``: request data in a page, unescaped."""

    rule = "py/reflective-xss"
    responses = frozenset(
        {"flask.make_response", "flask.Response", "flask.wrappers.Response", "make_response", "Response"}
    )

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        body = args[0] if args else kwargs.get("response", Value())
        if name in self.responses and self._page(body) and _is_html(node):
            self.report(node, f"{name}() of request data")

    def returned(self, node: ast.Return, value: Value, handler: bool) -> None:
        body = value.items[0] if value.items else value
        if (
            handler
            and self._page(body)
            and not isinstance(node.value, ast.Dict | ast.List | ast.ListComp | ast.DictComp)
        ):
            self.report(node, "a page holds request data")

    @staticmethod
    def _page(value: Value) -> bool:
        return value.tainted


def _is_html(call: ast.Call) -> bool:
    kind = string(keyword(call, "mimetype")) or string(keyword(call, "content_type")) or "text/html"
    return "html" in kind


class SqlInjection(Checker):
    """``SqlInjection.ql``: request data in the text of a statement; parameters are harmless."""

    rule = "py/sql-injection"
    methods = frozenset({"execute", "executemany", "executescript", "query", "mogrify", "raw"})

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        statement = args[0] if args else kwargs.get("query", kwargs.get("sql", Value()))
        if method in self.methods and statement.tainted:
            self.report(node, f".{method}() of a statement from the request")


# --- what can be seen in one place (CWE-20, 22, 79, 732, 798) ---------------------------------------------------------


def tar_slip(module: Module) -> list[Finding]:
    """Scenario 22-2's own query: an archive opened here is extracted outside any ``if``."""

    class Extraction(Checker):
        rule = "py/tar-slip"

        def call(
            self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]
        ) -> None:
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            unchecked = not any(isinstance(up, ast.If) for up in module.above(node))
            if method in ("extract", "extractall") and receiver.kind == "tarfile.open" and unchecked:
                self.report(node, f"{method}() without a check of the members")

    return run(Extraction, module)


def jinja_without_escaping(module: Module) -> list[Finding]:
    """``Jinja2WithoutEscaping.ql``: an environment or template without ``autoescape``, or with a false one."""
    found = []
    for node, name in module.calls():
        open_ended = any(k.arg is None for k in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args)
        if name not in ("jinja2.Environment", "jinja2.Template", "jinja2.environment.Environment") or open_ended:
            continue
        given = keyword(node, "autoescape")
        held = module.constants.get(given.id) if isinstance(given, ast.Name) else given
        if given is None or (isinstance(held, ast.Constant) and not held.value):
            why = "no autoescape" if given is None else "autoescape is false"
            found.append(Finding(node.lineno, "py/jinja2-autoescape-false", why))
    return found


_RE_FUNCTIONS = frozenset(
    f"re.{n}" for n in ("compile", "match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split")
)


def incomplete_hostname(module: Module) -> list[Finding]:
    """``IncompleteHostnameRegExp.ql``: a dot in a host name pattern that matches anything."""
    found = []
    for node, name in module.calls():
        given = argument(node, 0, "pattern") if name in _RE_FUNCTIONS else None
        held = module.constants.get(given.id) if isinstance(given, ast.Name) else given
        why = unescaped_dot(string(held) or "")
        if why:
            found.append(Finding(node.lineno, "py/incomplete-hostname-regexp", why))
    return found


_URL = re.compile(
    r"(?i)([a-z]*:?//)?\.?([a-z0-9-]+\.)+(com|org|edu|gov|uk|net|io)(:[0-9]+)?/?|https?://([a-z0-9-]+\.)+([a-z]+)(:[0-9]+)?/?"
)
LONGEST_URL = 300  # a host name has at most 253 characters
_COMPLETE_START = re.compile(r"(?i)https?://[.a-z0-9-]+/.*")
_COMPLETE_END = re.compile(r"(?i)\.([a-z0-9-]+)(\.[a-z0-9-]+)+")


def url_substring(module: Module) -> list[Finding]:
    """``IncompleteUrlSubstringSanitization.ql``: a URL is trusted for a host name found somewhere in it."""
    found = []
    for node in ast.walk(module.tree):
        url = _tested(node)
        if url is not None and len(url) <= LONGEST_URL and _URL.fullmatch(url):
            line = getattr(node, "lineno", 0)
            found.append(
                Finding(line, "py/incomplete-url-substring-sanitization", f"{url!r} may be anywhere in the URL")
            )
    return found


def _tested(node: ast.AST) -> str | None:
    """The text that a substring test looks for, where the test is one that can be got round."""
    if isinstance(node, ast.Compare):
        sides = zip((node.left, *node.comparators), node.ops, strict=False)
        return next((string(left) for left, op in sides if isinstance(op, ast.In) and string(left) is not None), None)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return None
    text = string(node.args[0])
    complete = {"startswith": _COMPLETE_START, "endswith": _COMPLETE_END}.get(node.func.attr)
    if complete is None or text is None or len(text) > LONGEST_URL:
        return None
    return None if complete.fullmatch(text) else text


def weak_file_permissions(module: Module) -> list[Finding]:
    """``WeakFilePermissions.ql``: ``os.chmod`` or ``os.open`` with a mode that lets group or others in."""
    found = []
    for node, name in module.calls():
        at = {"os.chmod": (1, "mode"), "os.open": (2, "mode")}.get(name)
        mode = module.integer(argument(node, *at)) if at is not None else None
        if mode is not None and mode & 0o77:
            found.append(Finding(node.lineno, "py/overly-permissive-file", f"{name}() with mode {mode & 0o7777:04o}"))
    return found


_PASSWORD = re.compile(r"(?i).*pass(wd|word|code|phrase)(?!.*question).*")
_CREDENTIALS = (
    _PASSWORD,
    re.compile(r"(?i).*(puid|username|userid|user).*"),
    re.compile(r"(?i).*(cert)(?!.*(format|name)).*"),
)


def compared_password(module: Module) -> list[Finding]:
    """Scenarios 798-0 and 798-1's own query: a variable named like a password ``==`` a string literal."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
            sides = (node.left, node.comparators[0])
            for side, other in (sides, sides[::-1]):
                if string(side) is not None and isinstance(other, ast.Name) and _PASSWORD.fullmatch(other.id):
                    found.append(Finding(node.lineno, "py/password-compared-with-literal", f"{other.id} == a literal"))
    return found


def literal_credential(module: Module) -> list[Finding]:
    """Scenario 798-2's own query: a keyword argument named like a credential is a string literal."""
    return [
        Finding(k.value.lineno, "py/literal-credential", f"{k.arg}= a literal")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call | ast.ClassDef)
        for k in node.keywords
        if k.arg and string(k.value) is not None and any(pattern.fullmatch(k.arg) for pattern in _CREDENTIALS)
    ]


_FLOWS: tuple[type[Checker], ...] = (UnsafeDeserialization, PathInjection, CommandInjection, ReflectedXss, SqlInjection)
CHECKS: Mapping[str, Check] = {
    **{flow.rule: partial(run, flow) for flow in _FLOWS},
    "py/tar-slip": tar_slip,
    "py/jinja2-autoescape-false": jinja_without_escaping,
    "py/incomplete-hostname-regexp": incomplete_hostname,
    "py/incomplete-url-substring-sanitization": url_substring,
    "py/overly-permissive-file": weak_file_permissions,
    "py/password-compared-with-literal": compared_password,
    "py/literal-credential": literal_credential,
}
