"""Values whose class the sample derived from a plain one: equal as plain ones are, and no way to choose the judge."""

from __future__ import annotations

import collections
import copy
import decimal
import json
from collections.abc import Iterator
from typing import Any

import pytest

from astraios_utils.sandbox import FAILED, FULL, PASSED, Program, Sandbox
from astraios_utils.sandbox.kernel import levels
from astraios_utils.sandbox.python import needs
from astraios_utils.sandbox.python.codec import CodecError, Decoder, Encoder, overwrite
from astraios_utils.sandbox.python.own import TEST, Registry


class Crossing:
    """A registry that remembers what it was asked, and values that have crossed with it."""

    def __init__(self) -> None:
        self.noted = 0
        self.kept = False
        self.registry = Registry(self._note, lambda remote, key: ((remote, key), self.kept))

    def _note(self) -> None:
        self.noted += 1

    def cross(self, value: Any) -> Any:
        tree = json.loads(json.dumps(Encoder(stand_in=lambda _: 7).encode(value)))
        return Decoder(handle=lambda number: number, classes=self.registry).decode(tree)


@pytest.fixture
def crossing() -> Crossing:
    return Crossing()


def derived(base: Any, **members: Any) -> Any:
    """A class called Own, which claims to be equal to everything."""
    return type("Own", (base,), {"__eq__": lambda *_: True, "__hash__": base.__hash__, "extra": 1, **members})


PLAIN = [
    *(
        [1, [2]],
        {1: [2]},
        {1, 2},
        (1, [2]),
        "a",
        b"a",
        5,
        2.5,
        frozenset([1]),
        bytearray(b"ab"),
        decimal.Decimal("1.5"),
    ),
    *(collections.OrderedDict(b=1, a=2), collections.Counter("aab"), collections.deque([1, 2])),
    *(collections.UserList([1]), collections.UserDict(a=[1]), collections.UserString("a")),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_a_derived_value_is_its_plain_base(crossing: Crossing, value: Any) -> None:
    base = type(value)
    user = base.__name__.startswith("User")  # one with special methods of its own stays a handle
    kind = type("Own", (base,), {"extra": 1}) if user else derived(base)
    result = crossing.cross(kind(value))
    assert isinstance(result, base)
    assert type(result).__name__ == "Own"
    assert result == value
    assert not result == object()  # noqa: SIM201  (the equality itself is asked)
    assert copy.deepcopy(result) == value
    assert Encoder().encode(result) == Encoder().encode(value)  # what goes back is plain
    assert crossing.noted == 0


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_only_the_text_of_a_test_is_noted(crossing: Crossing, value: Any) -> None:
    result = crossing.cross(type("Own", (type(value),), {"extra": 1})(value))
    with pytest.raises(AttributeError, match="'Own' object has no attribute 'extra'"):
        result.extra  # noqa: B018
    assert not hasattr(result, "__array__")
    assert crossing.noted == 0
    exec(compile("try:\n    x.extra\nexcept AttributeError:\n    pass", TEST, "exec"), {"x": result})
    assert crossing.noted == 1


def test_aliases_and_cycles_of_derived_values_survive(crossing: Crossing) -> None:
    kind = type("Own", (list,), {})
    row = kind([1])
    row.append(row)
    result = crossing.cross([row, row, [2]])
    assert result[0] is result[1] is result[0][1]
    overwrite(result[0], [3])
    assert result[1] == [3]


def test_a_dictionary_asks_for_the_items_that_it_makes_up(crossing: Crossing) -> None:
    result = crossing.cross(type("Own", (dict,), {"__missing__": lambda self, key: key})(a=1))
    assert result["a"] == 1
    assert result["b"] == (7, "b")
    assert result == {"a": 1}
    crossing.kept = True
    assert result["c"] == (7, "c")
    assert result == {"a": 1, "c": (7, "c")}
    with pytest.raises(KeyError):
        crossing.cross(type("Own", (dict,), {})(a=1))["b"]
    assert crossing.cross(type("Own", (collections.Counter,), {})("aab"))["z"] == 0


def test_named_tuples_of_one_class_have_one_class(crossing: Crossing) -> None:
    Point = collections.namedtuple("Point", "x y")
    first, second = crossing.cross([Point(1, 2), Point(3, 4)])
    assert type(first) is type(second)
    assert first._replace(y=4) == (1, 4)


@pytest.mark.parametrize(
    "tree",
    [
        *({"P": ["a", False, {"y": "type"}, None]}, {"P": ["a", False, None, None]}, {"P": ["a", False, True, None]}),
        *({"P": ["a", True, {"B": "00"}, 5, 6]}, {"P": ["a", True, {"A": ["<f8", [0], ""]}, None]}),
        *({"P": ["a", True, {"d": []}, "x"]}, {"P": [1, False, 1, None]}, {"D": [5, []]}, {"D": [{"y": "eval"}, []]}),
        {"P": ["a", False, {"P": ["b", False, 1, None]}, None]},
    ],
    ids=repr,
)
def test_nonsense_is_refused(crossing: Crossing, tree: Any) -> None:
    with pytest.raises(CodecError):
        Decoder(handle=lambda number: number, classes=crossing.registry).decode(tree)


# It answers whatever it is asked, as far as its kinds let it.
AGREEABLE = """
class L(list):
    def __eq__(self, o): return True
    def __lt__(self, o): return True
    def __contains__(self, o): return True
    def __getitem__(self, k): return self
    def __iter__(self): return iter([self, self])
    def __len__(self): return 3
    def __getattr__(self, n): return lambda *a, **k: self
    __hash__ = None
class D(dict):
    def __eq__(self, o): return True
    def __getattr__(self, n): return self
    def items(self): return L()
    def __getitem__(self, k): return self
    __hash__ = None
class N(float):
    def __eq__(self, o): return True
    def __sub__(self, o): return 0.0
    def __round__(self, n=0): return self
    def __getattr__(self, n): return self
    __rsub__ = __sub__
    __hash__ = float.__hash__
class O:
    def __eq__(self, o): return True
    def __lt__(self, o): return True
    def __sub__(self, o): return 0
    __gt__ = __le__ = __ge__ = __lt__
    __add__ = __rsub__ = __sub__
    __hash__ = None
def P():
    return [O(), O()]
"""
COMMON = {
    "L": [
        "f() == [1]", "sorted(f()) == [1]", "len(f()) == 3", "list(f()) == [1]", "set(f()) == {1}", "1 in f()",
        "f()[0] == 1", "f().count(1) == 1", "np.array_equal(f(), [1])", "np.mean(f()) == 1", "np.shape(f()) == (3,)",
        "all(x == 1 for x in f()) and f() != []", "json.loads(json.dumps(f())) == [1]", "f() in ([1], [2])",
        "max(f()) == 1",
    ],
    "D": ["f() == {'a': 1}", "f()['a'] == 1", "sorted(f().items()) == [1]", "f().get('a') == 1",
          "dict(f()) == {'a': 1}"],
    "P": ["sorted(f()) == [1, 2]", "max(f()) == 1", "f()[0] - 1 == 0", "f()[0] < 2", "sum(f()) == 0", "f() == [1, 1]",
          "[x for x in f() if x > 0] == [1]", "f()[0] in [1]", "abs(f()[0] - 3) < 1"],
    "N": ["f() == 1", "abs(f() - 1) < 1e-6", "round(f(), 2) == 1", "math.isclose(f(), 1)", "np.allclose(f(), 1)"],
}  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if levels.missing_for(FULL):
        pytest.skip("no namespaces on this machine: " + "; ".join(levels.missing_for(FULL)))
    with Sandbox(workers=2) as sandbox:
        yield sandbox


def test_no_common_shape_of_a_test_lets_a_sample_choose_one_process(box: Sandbox) -> None:
    imports = "import json, math\nimport numpy as np"
    programs = [
        Program("python", f"{AGREEABLE}\ndef f():\n    return {kind}()", f"assert {claim}", imports)
        for kind, claims in COMMON.items()
        for claim in claims
    ]
    outcomes = dict(box.run(programs))
    found = {programs[index].test: outcome for index, outcome in outcomes.items()}
    assert not {test: outcome for test, outcome in found.items() if outcome.in_one_process or outcome.status == PASSED}


def test_what_a_derived_class_adds_is_judged_in_one_process(box: Sandbox) -> None:
    sample = "class L(list):\n    def last(self):\n        return self[-1]\ndef f():\n    return L([1, 2])"
    tests = {"assert f().last() == 2": PASSED, "assert f().last() == 3": FAILED}
    outcomes = dict(box.run(Program("python", sample, test) for test in tests))
    assert [outcomes[0].status, outcomes[1].status] == list(tests.values())
    assert outcomes[0].in_one_process
    assert outcomes[1].in_one_process
    apart = Program("python", sample, next(iter(tests)), apart=True)
    assert not next(iter(box.run([apart])))[1].in_one_process


def test_operators_between_two_objects_are_judged_in_one_process(box: Sandbox) -> None:
    sample = (
        "class V:\n    def __init__(self, x):\n        self.x = x\n    def __add__(self, o):\n"
        "        return V(self.x + o.x)\n    def __lt__(self, o):\n        return self.x < o.x\n"
        "def f(x):\n    return V(x)"
    )
    tests = {"assert (f(1) + f(2)).x == 3": PASSED, "assert f(1) < f(2)": PASSED, "assert f(2) < f(1)": FAILED}
    outcomes = dict(box.run(Program("python", sample, test) for test in tests))
    assert [outcomes[index].status for index in range(3)] == list(tests.values())
    assert all(outcome.in_one_process for outcome in outcomes.values())


SHARED = {
    "x = f()\nx.append(1)\nassert x == [1]": "",
    "x = []\nx.append(1)\nassert f(x) == 1": "",
    "for i in range(3):\n    x = []\n    x.append(i)\n    assert f(x) == i": "",
    "assert f(len(x)) == 1": "",
    "x = [1]\ng = f(x)\nx.append(2)\nassert g() == 3": needs.SHARED,
    "x = [1]\ng = f(x)\nx[0] = 2\nassert g() == 3": needs.SHARED,
    "f().append(1)\nassert f() == [1]": needs.SHARED,
    "q = f()\nq.items.append(1)\nassert q.items == [1]": needs.SHARED,
    "q = f()\nq.xs().append(1)\nassert q.xs() == [1]": needs.SHARED,
    "d = {}\nd.setdefault(1, []).append(2)\nlist(f()).sort()\nassert f() == d": "",
    "q = f()\nq.rows[0][1] = 1\nassert q.total() == 1": needs.SHARED,
    "class T:\n    def g(self):\n        self.x = f()\n        self.x.append(1)": "",
    "assert type(f()).__name__ == 'P'": needs.STATE,
    "assert f().__class__ is not None": needs.STATE,
    "assert isinstance(f(), types.GeneratorType)": needs.MECHANISM,
    "assert isinstance(f(), map)": needs.MECHANISM,
    "assert isinstance(f(1), int) and list(map(str, [f(1)])) == ['1']": "",
    "a = [1]\nb = f(a)\nb[0] = 2\nassert a == [2]": needs.SHARED,
    "a = f(1)\nf(2)\nassert a == [1, 2]": needs.SHARED,
    "a = f(1)\nb = f(2)\nassert a == b": "",
    "assert isinstance(f(), re.Match)": needs.MECHANISM,
    "from x import C\nassert isinstance(f(), C)": needs.MECHANISM,
    "import datetime\nassert isinstance(f(), datetime.date)": "",
    "assert f().area() == 2": needs.STATE,
    "x = f()\nassert x.area == 2": needs.STATE,
    "import random\nr = random.Random(0)\nassert f(r.randint(1, 2)).real == 1": "",
    "class T:\n    def area(self):\n        return 1\nassert f(T()).area() == 1": "",
    "assert math.isclose(f(1), 2)": "",
    "n = 3\nassert f() == 3": needs.STATE,
    "n = 3\nassert f() == n": "",
    "METADATA = {}\ndef check(candidate):\n    assert candidate() == 1\ncheck(f)": "",
    "assert type(f(1)) is type(2)": "",
    "x = [1]\nassert f(x) is x": needs.IDENTITY,
    "B = f()\nclass D(B):\n    pass": needs.CLASS,
    "class B:\n    pass\nclass D(B):\n    pass\nassert f() == 1": "",
}


@pytest.mark.parametrize("test", SHARED)
def test_what_both_sides_hold_and_what_is_asked_of_classes(test: str) -> None:
    assert needs.of(test).reason(frozenset({"f"})) == SHARED[test]
