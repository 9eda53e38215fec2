"""What the taint analysis knows: where remote data comes from, what carries it, and the values that it follows."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

REQUEST = {"flask.request", "flask.globals.request"}
# What of a request the user controls.
FIELDS = {"args", "form", "values", "cookies", "headers", "json", "data", "files", "query_string", "path", "full_path"}
FIELDS |= {"url", "base_url", "url_root", "get_json", "get_data", "stream", "environ", "view_args", "user_agent"}
FIELDS |= {"referrer", "host", "authorization", "content_type", "mimetype", "access_route", "remote_user"}
# Functions whose result holds the text they are given.
CARRIERS = {"str", "bytes", "unicode", "repr", "list", "tuple", "set", "dict", "sorted", "reversed", "iter", "next"}
CARRIERS |= {"os.path.join", "os.path.expanduser", "os.path.expandvars", "os.fspath", "os.fsencode", "os.fsdecode"}
CARRIERS |= {"urllib.parse.urlparse", "urllib.parse.urlsplit", "urllib.parse.unquote", "urllib.parse.urljoin"}
CARRIERS |= {"urlparse.urlparse", "json.loads", "json.dumps", "base64.b64decode", "base64.b64encode", "copy.copy"}
CARRIERS |= {"base64.urlsafe_b64decode", "base64.decodebytes", "bytes.fromhex", "binascii.unhexlify", "zlib.decompress"}
CARRIERS |= {"gzip.decompress", "codecs.decode", "codecs.encode", "bytearray", "html.unescape"}
CARRIERS |= {"markupsafe.Markup", "flask.Markup"}  # marks text as safe without escaping it
CARRIERS |= {
    "copy.deepcopy",
    "io.StringIO",
    "io.BytesIO",
    "pathlib.Path",
    "pathlib.PurePath",
    "zip",
    "enumerate",
    "map",
}
CARRIERS |= {
    "yaml.load",
    "yaml.safe_load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "pickle.loads",
    "shlex.split",
    "filter",
}
# Of the functions below, every one whose result is made of the path that it is given; the others tell something of it.
_PATH_PARTS = "basename commonpath commonprefix dirname normcase relpath split splitdrive splitext splitroot"
CARRIERS |= {f"{module}.{name}" for module in ("os.path", "posixpath", "ntpath") for name in _PATH_PARTS.split()}
CARRIERS |= {f"{module}.join" for module in ("posixpath", "ntpath")}
CARRIERS |= {
    "urllib.parse.unquote_plus",
    "urllib.parse.unquote_to_bytes",
    "urllib.parse.urlunparse",
    "urllib.parse.quote",
}
CARRIERS |= {"functools.reduce", "itertools.chain", "format", "max", "min", "sum", "frozenset", "ascii", "getattr"}
CARRIERS |= {
    "operator.add",
    "operator.concat",
    "operator.getitem",
    "operator.mod",
    "textwrap.dedent",
    "string.Template",
}
CARRIERS |= {
    "collections.deque",
    "collections.OrderedDict",
    "ast.literal_eval",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
}
# Functions of re, and methods of compiled patterns, whose result holds the text (not the pattern) that they are given.
REGEXES = {"sub", "subn", "split", "findall", "finditer", "match", "search", "fullmatch"}
APPLIERS = {"map", "filter", "functools.reduce"}  # call their first argument with what the others hold
ESCAPING = {"markupsafe.Markup", "flask.Markup"}  # escapes what is put into it by %, + and format()
PATHS = {"joinpath", "resolve", "absolute", "expanduser", "with_name", "with_suffix"}  # of pathlib, and give paths
NORMALISERS = {"os.path.normpath", "os.path.abspath", "os.path.realpath"}
# Methods whose result says something of the text rather than holding it.
TELLERS = {
    "startswith",
    "endswith",
    "isdigit",
    "isalpha",
    "isalnum",
    "isnumeric",
    "find",
    "index",
    "count",
    "isidentifier",
}


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a Python value.

    Attributes:
        tainted: whether a remote user controls (part of) it.
        normal: whether it is a path without ``..``.
        kind: dotted name of the call that made it, where that matters.
        items: of a list or tuple display.
        function: the expression, of a lambda.
    """

    tainted: bool = False
    normal: bool = False
    kind: str = ""
    items: tuple[Value, ...] | None = None
    function: ast.Lambda | None = None

    def __or__(self, other: Value) -> Value:
        kind = self.kind if self.kind == other.kind else ""
        items = self.items if self.items == other.items else None
        function = self.function if self.function is other.function else None
        return Value(self.tainted or other.tainted, self.normal and other.normal, kind, items, function)


CLEAN = Value()
DIRTY = Value(tainted=True)
Env = dict[str, Value]


class Sinks:
    """What a checker looks at; called for every call and every returned value, at least once."""

    def call(self, node: ast.Call, name: str, receiver: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> None:
        """A call; ``receiver`` is the object of a method call."""

    def returned(self, node: ast.Return, value: Value, handler: bool) -> None:
        """A returned value; ``handler``: by a function that answers requests."""


@dataclass
class Known:
    """What the rest of the file does with a function, and what it gives back."""

    params: dict[str, Value] = field(default_factory=dict)
    result: Value = CLEAN
