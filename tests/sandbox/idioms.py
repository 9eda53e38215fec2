"""Small (sample, test) pairs that pass in plain execution, by kind: what tests of other benchmarks do."""

from __future__ import annotations

from textwrap import dedent
from typing import NamedTuple

PREAMBLE = dedent("""
    import array, bisect, collections, contextlib, copy, csv, dataclasses, datetime, decimal, enum, fractions, functools
    import heapq, io, ipaddress, itertools, json, math, operator, os, pathlib, queue, random, re, statistics, string
    import struct, sys, textwrap, time, types, uuid, zlib, zoneinfo, binascii, configparser, subprocess
    import numpy as np
    from typing import *
    from collections import *
""")


class Idiom(NamedTuple):
    """One pair; `apart`: whether it must pass in two processes, where no sample can forge a verdict."""

    name: str
    sample: str
    test: str
    apart: bool


# Values that a sample returns, and that it gets and hands back: equal, and of the same type.
VALUES = """
None
True
0
-1
2 ** 100
1.5
float('inf')
1 + 2j
''
'text'
'é\\u2028\\x00'
'\\ud800'
b'bytes'
bytearray(b'ab')
[]
[1, [2, [3]]]
()
(1, (2, 'a'))
{}
{'a': [1], (1, 2): None}
{1, 2}
set()
frozenset([1, 'a'])
range(5, 1, -2)
slice(1, None, 2)
slice(None)
...
NotImplemented
memoryview(b'abc')
array.array('i', [1, 2, 3])
array.array('d', [0.5])
array.array('u', 'ab')
collections.deque([1, 2], 3)
collections.OrderedDict(a=1)
collections.Counter('aab')
collections.defaultdict(list, {1: [2]})
collections.ChainMap({'a': 1}, {'b': [2]})
collections.UserDict(a=[1])
collections.UserList([1, [2]])
collections.UserString('abc')
types.MappingProxyType({'a': [1]})
types.SimpleNamespace(a=1, b=[2])
datetime.date(2024, 2, 29)
datetime.time(12, 30, 15, 999)
datetime.time(12, tzinfo=datetime.timezone.utc)
datetime.datetime(2024, 1, 2, 3, 4, 5, 6)
datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)
datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2), 'X'))
datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo('UTC'))
datetime.timedelta(days=-1, seconds=5)
datetime.timezone.utc
zoneinfo.ZoneInfo('UTC')
time.gmtime(0)
decimal.Decimal('1.10')
decimal.Decimal('-Infinity')
fractions.Fraction(-1, 3)
uuid.UUID(int=7)
pathlib.Path('a/b.txt')
pathlib.PurePosixPath('/a')
pathlib.PureWindowsPath('c:/a')
ipaddress.ip_address('10.0.0.1')
ipaddress.ip_address('::1')
ipaddress.ip_network('10.0.0.0/8')
ipaddress.ip_interface('10.0.0.1/8')
re.compile('a+', re.I)
re.compile(b'a')
int
str
list
dict
type(None)
object
ValueError
KeyError
collections.deque
decimal.Decimal
datetime.date
np.int64
len
sorted
max
print
math.sqrt
math.gcd
operator.add
str.upper
list.append
dict.get
np.bool_(True)
np.int8(-3)
np.uint64(2 ** 63)
np.float16(0.5)
np.float64(0.1)
np.complex128(1j)
np.str_('ab')
np.bytes_(b'ab')
np.datetime64('2024-01-02')
np.datetime64('2024-01-02T03:04:05.678')
np.timedelta64(3, 'D')
np.dtype('float32')
np.dtype('M8[D]')
math.pi
[math.nan] + [1]
[np.nan]
(float('nan'),).__len__()
[datetime.date(2024, 1, 1), decimal.Decimal(1)]
{'k': slice(1), 'p': pathlib.Path('x')}
[len, int, ValueError]
{uuid.UUID(int=1): re.compile('x')}
(Ellipsis, NotImplemented, None)
"""
ARRAYS = """
np.array([1, 2, 3])
np.zeros((2, 3), dtype=np.float32)
np.array([[True, False]])
np.array(['a', 'bc'])
np.array([b'a'])
np.array([1j])
np.array(['2024-01-01', '2024-01-02'], dtype='M8[D]')
np.array([1, 2], dtype='m8[s]')
np.array([1, 'a', None], dtype=object)
np.array([(1, 'a'), (2, 'b')], dtype=[('x', 'i4'), ('y', 'U3')])
np.array(5)
np.empty((0, 3))
np.arange(6).reshape(2, 3).T
np.arange(10)[::2]
"""
# Exceptions that a sample raises: caught by name, with their text and arguments.
EXCEPTIONS = """
KeyError | {}['a']
KeyError | {}[(1, 2)]
IndexError | [][0]
ValueError | int('x')
ValueError | [].index(3)
TypeError | 1 + 'a'
ZeroDivisionError | 1 / 0
OverflowError | math.exp(1e6)
AttributeError | (1).nothing
NameError | undefined_name
RecursionError | (lambda g: g(g))(lambda g: g(g))
StopIteration | next(iter([]))
FileNotFoundError | open('/nonexistent/file')
OSError | open('/nonexistent/file')
IsADirectoryError | open('/')
UnicodeDecodeError | b'\\xff'.decode()
UnicodeEncodeError | 'é'.encode('ascii')
UnicodeError | b'\\xff'.decode()
LookupError | 'a'.encode('no-such-codec')
SyntaxError | compile('(', 'x', 'exec')
SyntaxError | eval('1 +')
ImportError | __import__('no_such_module')
ModuleNotFoundError | __import__('no_such_module')
json.JSONDecodeError | json.loads('{')
ValueError | json.loads('[1,')
re.error | re.compile('(')
decimal.InvalidOperation | decimal.Decimal('x')
decimal.DivisionByZero | decimal.Decimal(1) / 0
ArithmeticError | decimal.Decimal(1) / 0
statistics.StatisticsError | statistics.mean([])
np.linalg.LinAlgError | np.linalg.inv(np.zeros((2, 2)))
struct.error | struct.unpack('i', b'a')
zlib.error | zlib.decompress(b'a')
binascii.Error | binascii.unhexlify('a')
queue.Empty | queue.Queue().get_nowait()
csv.Error | list(csv.reader(['a'], delimiter='', strict=True)) if False else (_ for _ in ()).throw(csv.Error('bad'))
configparser.NoSectionError | configparser.ConfigParser().get('a', 'b')
dataclasses.FrozenInstanceError | (_ for _ in ()).throw(dataclasses.FrozenInstanceError('x'))
zoneinfo.ZoneInfoNotFoundError | zoneinfo.ZoneInfo('No/Where')
ipaddress.AddressValueError | ipaddress.IPv4Address('a')
copy.Error | (_ for _ in ()).throw(copy.Error('x'))
subprocess.CalledProcessError | (_ for _ in ()).throw(subprocess.CalledProcessError(3, 'cmd'))
ExceptionGroup | (_ for _ in ()).throw(ExceptionGroup('g', [ValueError(1), KeyError('k')]))
TimeoutError | (_ for _ in ()).throw(TimeoutError('late'))
NotImplementedError | (_ for _ in ()).throw(NotImplementedError())
AssertionError | (_ for _ in ()).throw(AssertionError('no'))
ValueError | (_ for _ in ()).throw(ValueError('a', 2, [3]))
KeyError | (_ for _ in ()).throw(KeyError('a', 'b'))
OSError | (_ for _ in ()).throw(OSError(2, 'gone', 'f.txt'))
PermissionError | (_ for _ in ()).throw(PermissionError(13, 'no'))
RuntimeError | (_ for _ in ()).throw(RuntimeError({'a': 1}))
StopAsyncIteration | (_ for _ in ()).throw(StopAsyncIteration(1))
UserWarning | (_ for _ in ()).throw(UserWarning('w'))
BufferError | (_ for _ in ()).throw(BufferError('b'))
EOFError | (_ for _ in ()).throw(EOFError())
GeneratorExit | (_ for _ in ()).throw(GeneratorExit('x'))
KeyboardInterrupt | (_ for _ in ()).throw(KeyboardInterrupt('x'))
SystemExit | sys.exit(3)
"""
# What a test looks at in an exception.
DETAILS = """
{}['a'] | e.args == ('a',) and str(e) == "'a'" and repr(e) == "KeyError('a')"
open('/no/file') | e.errno == 2 and e.filename == '/no/file' and e.strerror == 'No such file or directory'
sys.exit(3) | e.code == 3
json.loads('{') | e.pos == 1 and e.doc == '{' and e.lineno == 1 and e.msg.startswith('Expecting')
b'a\\xff'.decode() | e.start == 1 and e.end == 2 and e.object == b'a\\xff' and e.encoding == 'utf-8'
re.compile('a(') | e.pos == 1 and e.pattern == 'a('
__import__('nothing_there') | e.name == 'nothing_there'
next(iter(())) | e.value is None
(_ for _ in ()).throw(ExceptionGroup('g', [ValueError(1)])) | [type(x) for x in e.exceptions] == [ValueError]
(_ for _ in ()).throw(ValueError('a', [1])) | e.args == ('a', [1])
(_ for _ in ()).throw(OSError(13, 'x')) | type(e) is PermissionError
eval('1 +') | e.lineno == 1 and e.msg == 'invalid syntax'
int('x') | isinstance(e, ValueError) and "'x'" in str(e)
[][5] | 'out of range' in str(e)
(_ for _ in ()).throw(subprocess.CalledProcessError(3, 'cmd')) | e.returncode == 3 and e.cmd == 'cmd'
undefined_thing | e.name == 'undefined_thing'
"""
# Whole pairs.  A line "--" parts sample and test, "====" parts pairs; "+" before the name: must pass apart.
PAIRS = r"""
+ keyword arguments that the machinery might use itself
def f(**kw):
    return kw
--
k = dict(operation=1, remote=2, self=3, arguments=4, keywords=5, request=6)
assert f(**k) == k
====
+ own exception by its base, with attributes
class Odd(ValueError):
    def __init__(self, code):
        super().__init__(f'code {code}')
        self.code = code
def f():
    raise Odd(7)
--
try:
    f()
    assert False
except ValueError as e:
    assert e.code == 7 and str(e) == 'code 7' and e.args == ('code 7',)
====
+ own exception with a text of its own
class Odd(Exception):
    def __str__(self):
        return 'odd!'
def f():
    raise Odd(1, 2)
--
try:
    f()
    assert False
except Exception as e:
    assert str(e) == 'odd!' and e.args == (1, 2)
====
+ cause
def f():
    try:
        {}['a']
    except KeyError as e:
        raise ValueError('bad') from e
--
try:
    f()
except ValueError as e:
    assert isinstance(e.__cause__, KeyError) and e.__cause__.args == ('a',)
====
+ context
def f():
    try:
        {}['a']
    except KeyError:
        raise ValueError('bad')
--
try:
    f()
except ValueError as e:
    assert isinstance(e.__context__, KeyError)
====
+ notes
def f():
    e = ValueError('x')
    e.add_note('see')
    raise e
--
try:
    f()
except ValueError as e:
    assert e.__notes__ == ['see']
====
+ exception as a value
def f(x):
    try:
        return int(x)
    except ValueError as e:
        return e
--
assert isinstance(f('a'), ValueError) and 'invalid literal' in str(f('a'))
====
+ exceptions in a list
def f():
    return [KeyError('a'), OSError(2, 'x')]
--
a, b = f()
assert type(a) is KeyError and type(b) is FileNotFoundError
====
+ except star
def f():
    raise ExceptionGroup('g', [ValueError(1), KeyError(2)])
--
seen = []
try:
    f()
except* ValueError as g:
    seen.append(len(g.exceptions))
except* KeyError as g:
    seen.append(len(g.exceptions))
assert seen == [1, 1]
====
+ an equal value in place: 1 to True
def f(x):
    x[0] = True
--
x = [1]
f(x)
assert x[0] is True
====
+ an equal value in place: 1 to 1.0
def f(x):
    x['a'] = 1.0
--
x = {'a': 1}
f(x)
assert type(x['a']) is float
====
+ an equal value in place: 0.0 to -0.0
def f(x):
    x[0] = -0.0
--
x = [0.0]
f(x)
assert str(x[0]) == '-0.0'
====
+ nested 400 deep, as an argument
def f(x):
    n = 0
    while x:
        x, n = x[0], n + 1
    return n
--
x = []
for _ in range(400):
    x = [x]
assert f(x) == 400
====
+ nested 400 deep, as a result
def f(n):
    x = []
    for _ in range(n):
        x = [x]
    return x
--
x, n = f(400), 0
while x:
    x, n = x[0], n + 1
assert n == 400
====
+ nested 400 deep, dictionaries
def f(n):
    x = {}
    for _ in range(n):
        x = {'a': x}
    return x
--
x, n = f(400), 0
while x:
    x, n = x['a'], n + 1
assert n == 400
====
+ tuples nested 300 deep
def f(n):
    x = ()
    for _ in range(n):
        x = (x,)
    return x
--
x, n = f(300), 0
while x:
    x, n = x[0], n + 1
assert n == 300
====
+ the same nan in a list
def f(x):
    return x
--
x = float('n' + 'an')
assert f([x]) == [x] and f((x, 1)) == (x, 1) and f({x: 1}) == {x: 1}
====
array changed in place
def f(a):
    a.append(3)
--
a = array.array('i', [1])
f(a)
assert a == array.array('i', [1, 3])
====
+ namespace changed in place
def f(n):
    n.b = [2]
--
n = types.SimpleNamespace(a=1)
f(n)
assert n.b == [2] and n.a == 1
====
+ user list changed in place
def f(l):
    l.append(2)
--
l = collections.UserList([1])
f(l)
assert l == [1, 2]
====
+ user dictionary changed in place
def f(d):
    d['b'] = 2
--
d = collections.UserDict(a=1)
f(d)
assert d['b'] == 2
====
+ chain map changed in place
def f(m):
    m['b'] = 2
--
m = collections.ChainMap({'a': 1})
f(m)
assert m['b'] == 2 and m.maps[0]['b'] == 2
====
+ structured array changed in place
def f(a):
    a['x'] += 1
--
a = np.array([(1, 'a')], dtype=[('x', 'i4'), ('y', 'U3')])
f(a)
assert a['x'][0] == 2
====
+ builtin functions as arguments
def f(g, x):
    return g(x)
--
assert f(len, 'abc') == 3 and f(str.upper, 'a') == 'A' and f(math.sqrt, 4) == 2 and f(int, '3') == 3
====
+ operators as arguments
def f(g, l):
    return functools.reduce(g, l)
--
assert f(operator.add, [1, 2, 3]) == 6 and f(operator.mul, [1, 2, 3]) == 6 and f(max, [1, 3, 2]) == 3
====
+ types as arguments
def f(t, x):
    return isinstance(x, t)
--
assert f(int, 1) and not f(str, 1) and f((int, str), 'a') and f(ValueError, ValueError())
====
+ a compiled pattern as an argument
def f(p, s):
    return p.findall(s)
--
assert f(re.compile('a.'), 'abac') == ['ab', 'ac']
====
+ closures
def f(n):
    def g(x):
        return x + n
    return g
--
assert f(3)(4) == 7 and [f(1)(i) for i in range(2)] == [1, 2]
====
+ decorators of the sample on its own functions
def twice(g):
    @functools.wraps(g)
    def h(*a):
        return 2 * g(*a)
    return h
@twice
def f(x):
    return x
--
assert f(3) == 6 and f.__name__ == 'f'
====
+ a generator that is advanced
def f():
    x = yield 1
    yield x
--
g = f()
assert next(g) == 1 and g.send(5) == 5
====
+ a generator that is closed
def f():
    yield 1
    yield 2
--
g = f()
next(g)
g.close()
assert list(g) == []
====
+ islice of an endless generator
def f():
    n = 0
    while True:
        yield n
        n += 1
--
assert list(itertools.islice(f(), 3)) == [0, 1, 2]
====
+ map and filter that the sample returns
def f(l):
    return map(str, filter(None, l))
--
assert list(f([0, 1, 2])) == ['1', '2']
====
+ zip and enumerate
def f(l):
    return zip(l, enumerate(l))
--
assert list(f('a')) == [('a', (0, 'a'))]
====
+ sorting by the sample's key
def key(x):
    return -x
--
assert sorted([1, 3, 2], key=key) == [3, 2, 1]
====
+ mapping the sample's function
def f(x):
    return x * x
--
assert list(map(f, [1, 2])) == [1, 4] and max([-3, 2], key=f) == -3
====
+ an object with methods
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
    def pop(self):
        return self.items.pop()
--
s = Stack()
s.push(1)
s.push([2])
assert s.pop() == [2] and s.pop() == 1 and s.items == []
====
+ an object with items
class Table:
    def __init__(self):
        self.d = {}
    def __getitem__(self, k):
        return self.d[k]
    def __setitem__(self, k, v):
        self.d[k] = v
    def __delitem__(self, k):
        del self.d[k]
    def __len__(self):
        return len(self.d)
    def __iter__(self):
        return iter(self.d)
--
t = Table()
t['a'] = [1]
assert t['a'] == [1] and len(t) == 1 and list(t) == ['a'] and 'a' in t
del t['a']
assert len(t) == 0
====
+ a context manager of the sample
class Guard:
    def __enter__(self):
        return 5
    def __exit__(self, *a):
        return False
--
with Guard() as g:
    assert g == 5
====
+ text and representation
class Point:
    def __str__(self):
        return 'p'
    def __repr__(self):
        return 'P()'
--
assert str(Point()) == 'p' and repr(Point()) == 'P()' and f'{Point()}' == 'p'
====
+ truth and length
class Empty:
    def __len__(self):
        return 0
--
assert not Empty() and len(Empty()) == 0
====
+ class attributes and methods
class C:
    limit = 3
    @classmethod
    def make(cls):
        return cls()
    @staticmethod
    def twice(x):
        return 2 * x
    @property
    def p(self):
        return 4
--
assert C.limit == 3 and C.twice(2) == 4 and C.make().p == 4
====
equality of own objects
class P:
    def __init__(self, x):
        self.x = x
    def __eq__(self, o):
        return isinstance(o, P) and o.x == self.x
    def __hash__(self):
        return hash(self.x)
--
assert P(1) == P(1) and P(1) != P(2) and len({P(1), P(1)}) == 1
====
arithmetic of own objects
class Vec:
    def __init__(self, x):
        self.x = x
    def __add__(self, o):
        return Vec(self.x + o.x)
    def __mul__(self, n):
        return Vec(self.x * n)
    def __neg__(self):
        return Vec(-self.x)
    def __abs__(self):
        return abs(self.x)
--
assert (Vec(1) + Vec(2)).x == 3 and (Vec(2) * 3).x == 6 and (-Vec(1)).x == -1 and abs(Vec(-2)) == 2
====
order of own objects
@functools.total_ordering
class Card:
    def __init__(self, n):
        self.n = n
    def __eq__(self, o):
        return self.n == o.n
    def __lt__(self, o):
        return self.n < o.n
--
assert Card(1) < Card(2) and sorted([Card(2), Card(1)])[0].n == 1 and max(Card(1), Card(3)).n == 3
====
data class
@dataclasses.dataclass
class Pt:
    x: int
    y: int = 0
--
assert Pt(1) == Pt(1, 0) and dataclasses.asdict(Pt(1)) == {'x': 1, 'y': 0}
====
equality of results without a class name
class _P:
    def __init__(self, x):
        self.x = x
    def __eq__(self, o):
        return self.x == o.x
def make(x):
    return _P(x)
--
assert make(1) == make(1) and make(1) != make(2)
====
enumeration
class Color(enum.Enum):
    RED = 1
    BLUE = 2
def f():
    return Color.RED
--
assert f() is Color.RED and f() == Color.RED and f().name == 'RED' and Color(2) == Color.BLUE
====
enumeration as a member
class Color(enum.Enum):
    RED = 1
def f(c):
    return c.value
--
assert f(Color.RED) == 1 and [c.name for c in Color] == ['RED']
====
named tuple of the sample
Point = collections.namedtuple('Point', 'x y')
def f():
    return Point(1, 2)
--
assert f() == Point(1, 2) and isinstance(f(), Point) and f()._asdict() == {'x': 1, 'y': 2}
====
inheritance
class Base:
    def a(self):
        return 1
class Sub(Base):
    pass
--
assert isinstance(Sub(), Base) and issubclass(Sub, Base) and Sub().a() == 1
====
a subclass in the test
class Base:
    def run(self):
        return self.step() + 1
    def step(self):
        raise NotImplementedError
--
class Mine(Base):
    def step(self):
        return 4
assert Mine().run() == 5
====
abstract class
import abc
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
--
try:
    Shape()
    assert False
except TypeError:
    pass
class Square(Shape):
    def area(self):
        return 4
assert Square().area() == 4
====
own exception by name
class Odd(Exception):
    pass
def f(x):
    raise Odd(x)
--
try:
    f(3)
    assert False
except Odd as e:
    assert e.args == (3,)
====
own exceptions in a tuple
class A(Exception):
    pass
class B(Exception):
    pass
def f(x):
    raise (A if x else B)()
--
for x in (0, 1):
    try:
        f(x)
        assert False
    except (A, B):
        pass
====
own exception with context manager
class Odd(Exception):
    pass
def f():
    raise Odd
--
with contextlib.suppress(Odd):
    f()
    assert False
====
unittest on own exception
class Odd(Exception):
    pass
def f():
    raise Odd('x')
--
import unittest
class T(unittest.TestCase):
    def test(self):
        self.assertRaises(Odd, f)
        with self.assertRaises(Odd):
            f()
result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
assert result.wasSuccessful()
====
a function of the test
def f(g, x):
    return g(x)
--
assert f(lambda x: x + 1, 2) == 3
====
a named function of the test
def f(l, key):
    return sorted(l, key=key)
--
def last(x):
    return x[-1]
assert f(['ab', 'ca'], last) == ['ca', 'ab']
====
a callback that collects
def f(n, call):
    for i in range(n):
        call(i)
--
seen = []
f(3, seen.append)
assert seen == [0, 1, 2]
====
a partial
def f(g):
    return g(2)
--
assert f(functools.partial(pow, 3)) == 9
====
a decorator of the sample on a function of the test
def twice(g):
    def h(*a):
        return 2 * g(*a)
    return h
--
@twice
def g(x):
    return x + 1
assert g(1) == 4
====
a class of the test
def f(o):
    return o.value
--
class O:
    value = 3
assert f(O()) == 3
====
a data class of the test
def f(p):
    return p.x + p.y
--
@dataclasses.dataclass
class P:
    x: int
    y: int
assert f(P(1, 2)) == 3
====
an iterator as an argument
def f(it):
    return sum(it)
--
assert f(iter([1, 2])) == 3
====
a generator as an argument
def f(it):
    return list(it)
--
assert f(x * x for x in range(3)) == [0, 1, 4]
====
map as an argument
def f(it):
    return list(it)
--
assert f(map(int, '12')) == [1, 2]
====
zip as an argument
def f(it):
    return dict(it)
--
assert f(zip('ab', [1, 2])) == {'a': 1, 'b': 2}
====
an iterator that is used up
def f(it):
    return next(it)
--
it = iter([1, 2, 3])
assert f(it) == 1 and f(it) == 2 and list(it) == [3]
====
a text stream as an argument
def f(s):
    return s.read().split()
--
assert f(io.StringIO('a b')) == ['a', 'b']
====
a text stream that is written
def f(s):
    s.write('hello')
--
s = io.StringIO()
f(s)
assert s.getvalue() == 'hello'
====
a byte stream as an argument
def f(s):
    return len(s.read())
--
assert f(io.BytesIO(b'abc')) == 3
====
a module as an argument
def f(m):
    return m.sqrt(4)
--
assert f(math) == 2
====
a lock as an argument
def f(l):
    with l:
        return 1
--
import threading
assert f(threading.Lock()) == 1
====
a match object as an argument
def f(m):
    return m.group(1)
--
assert f(re.match('a(.)', 'ab')) == 'b'
====
identity of a tuple
def f(x):
    return x
--
x = (1, 2)
assert f(x) is x
====
identity of a text
def f(x):
    return x
--
x = 'some text'
assert f(x) is x
====
identity of an object
def f(x):
    return x
--
x = object()
assert f(x) is x
====
identity of a result
cache = {}
def f(x):
    return cache.setdefault(x, (x, x))
--
assert f(1) is f(1)
====
identity by number
def f(x):
    x.append(1)
    return id(x)
--
x = []
assert f(x) == id(x)
====
singleton
class Single:
    one = None
    def __new__(cls):
        cls.one = cls.one or super().__new__(cls)
        return cls.one
--
assert Single() is Single()
====
a list that the sample keeps
kept = []
def add(x):
    kept.append(x)
def size():
    return len(kept)
--
x = []
add(x)
assert size() == 1 and kept[0] is x
====
a list that the sample changes later
kept = []
def keep(x):
    kept.append(x)
def change():
    kept[0].append(1)
--
x = []
keep(x)
change()
assert x == [1]
====
a global that changes
log = []
def f(x):
    log.append(x)
--
mine = log
f(1)
assert mine == [1]
====
a counter that the test resets
class C:
    n = 0
def f():
    C.n += 1
    return C.n
--
f()
C.n = 10
assert f() == 11
====
an attribute that the test sets
class P:
    x = 1
    def get(self):
        return self.x
--
p = P()
p.x = 5
assert p.get() == 5
====
captured output
def f():
    print('hi', 3)
--
b = io.StringIO()
with contextlib.redirect_stdout(b):
    f()
assert b.getvalue() == 'hi 3\n'
====
captured output by hand
def f():
    print('x')
--
old, sys.stdout = sys.stdout, io.StringIO()
f()
text = sys.stdout.getvalue()
sys.stdout = old
assert text == 'x\n'
====
captured errors
def f():
    print('x', file=sys.stderr)
--
b = io.StringIO()
with contextlib.redirect_stderr(b):
    f()
assert b.getvalue() == 'x\n'
====
patched input
def f():
    return int(input()) + 1
--
from unittest.mock import patch
with patch('builtins.input', return_value='4'):
    assert f() == 5
====
standard input
def f():
    return sys.stdin.readline().strip()
--
sys.stdin = io.StringIO('line\n')
assert f() == 'line'
====
patched print
def f():
    print('x')
--
from unittest import mock
with mock.patch('builtins.print') as p:
    f()
p.assert_called_once_with('x')
====
a mock as an argument
def f(m):
    return m.go(1)
--
from unittest.mock import Mock
m = Mock()
m.go.return_value = 7
assert f(m) == 7
m.go.assert_called_with(1)
====
seeded chance
def f():
    return [random.random() for _ in range(3)]
--
random.seed(5)
a = f()
random.seed(5)
assert a == [random.random() for _ in range(3)]
====
seeded chance of numpy
def f():
    return np.random.rand(2).tolist()
--
np.random.seed(1)
a = f()
np.random.seed(1)
assert a == np.random.rand(2).tolist()
====
state of chance
def f():
    return random.randint(0, 10 ** 9)
--
state = random.getstate()
a = f()
random.setstate(state)
assert f() == a
====
nan by identity in a result
def f(x):
    return [x, 1]
--
nan = float('nan')
assert f(nan) == [nan, 1]
====
nan of a module
def f():
    return [math.nan]
--
assert f() == [math.nan]
====
coroutine
async def f(x):
    return x + 1
--
import asyncio
assert asyncio.run(f(1)) == 2
====
asynchronous generator
async def f():
    for i in range(3):
        yield i
--
import asyncio
async def collect():
    return [x async for x in f()]
assert asyncio.run(collect()) == [0, 1, 2]
====
gathered coroutines
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x
--
import asyncio
async def main():
    return await asyncio.gather(f(1), f(2))
assert asyncio.run(main()) == [1, 2]
====
+ asyncio inside
import asyncio
async def g(x):
    await asyncio.sleep(0.001)
    return x
def f():
    async def all_of():
        return await asyncio.gather(*[g(i) for i in range(3)])
    return asyncio.run(all_of())
--
assert f() == [0, 1, 2]
====
+ asyncio and threads
import asyncio
def f():
    async def main():
        return await asyncio.to_thread(lambda: 3)
    return asyncio.run(main())
--
assert f() == 3
====
+ asyncio queue
import asyncio
def f():
    async def main():
        q = asyncio.Queue()
        await q.put(1)
        return await q.get()
    return asyncio.run(main())
--
assert f() == 1
====
+ thread pool
from multiprocessing.pool import ThreadPool
def f(l):
    with ThreadPool(2) as p:
        return p.map(abs, l)
--
assert f([-1, 2]) == [1, 2]
====
+ thread pool executor
from concurrent.futures import ThreadPoolExecutor
def f(l):
    with ThreadPoolExecutor(2) as p:
        return list(p.map(abs, l))
--
assert f([-1, 2]) == [1, 2]
====
+ dummy pool
from multiprocessing.dummy import Pool
def f(l):
    with Pool(2) as p:
        return sorted(p.imap_unordered(abs, l))
--
assert f([-1, 2]) == [1, 2]
====
+ lock and value of multiprocessing
import multiprocessing
def f():
    v, l = multiprocessing.Value('i', 3), multiprocessing.Lock()
    with l:
        v.value += 1
    return v.value
--
assert f() == 4
====
+ array, event and semaphore of multiprocessing
import multiprocessing
def f():
    a, e, s = multiprocessing.Array('i', [1, 2]), multiprocessing.Event(), multiprocessing.Semaphore(1)
    e.set()
    s.acquire()
    return list(a), e.is_set()
--
assert f() == ([1, 2], True)
====
+ threads, locks and events
import threading
def f():
    done, seen, lock = threading.Event(), [], threading.Lock()
    def work():
        with lock:
            seen.append(1)
        done.set()
    threading.Thread(target=work).start()
    done.wait()
    return seen
--
assert f() == [1]
====
+ timer
import threading
def f():
    seen = []
    t = threading.Timer(0.01, seen.append, [1])
    t.start()
    t.join()
    return seen
--
assert f() == [1]
====
+ file lock
import fcntl
def f():
    with open('x', 'w') as h:
        fcntl.flock(h, fcntl.LOCK_EX)
        h.write('a')
        fcntl.lockf(h, fcntl.LOCK_UN)
    return open('x').read()
--
assert f() == 'a'
====
+ temporary files
import tempfile
def f():
    with tempfile.TemporaryDirectory() as d:
        p = pathlib.Path(d, 'a')
        p.write_text('b')
        return p.read_text(), os.path.basename(p)
--
assert f() == ('b', 'a')
====
+ sqlite
def f():
    import sqlite3
    c = sqlite3.connect(':memory:')
    c.execute('create table t (a)')
    c.execute('insert into t values (3)')
    return c.execute('select a from t').fetchall()
--
try:
    import sqlite3
    assert f() == [(3,)]
except ImportError:
    pass
====
+ signal handler
import signal
def f():
    seen = []
    signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    os.kill(os.getpid(), signal.SIGUSR1)
    return seen
--
assert f() == [1]
====
+ numpy submodules
import numpy.fft, numpy.ma, numpy.polynomial, numpy.testing, numpy.char, numpy.rec
import numpy.linalg, numpy.lib, numpy.random
def f():
    return [float(abs(np.fft.fft([1, 0])[0])), int(np.ma.masked_array([1, 2], [0, 1]).sum())]
--
assert f() == [1.0, 1] and np.char.upper(['a']).tolist() == ['A']
====
+ numpy results
def f(a):
    return np.sum(a), np.mean(a), a.max(), a > 1
--
s, m, x, g = f(np.array([1, 2]))
assert s == 3 and m == 1.5 and x == 2 and g.tolist() == [False, True]
====
numpy masked array
def f():
    return np.ma.masked_array([1, 2], [0, 1])
--
assert f().sum() == 1 and f().tolist() == [1, None]
====
+ numpy polynomial
def f():
    return np.poly1d([1, 2])(3)
--
assert f() == 5
====
+ record and matrix as lists
def f():
    return np.asarray(np.matrix([[1, 2]])).tolist()
--
assert f() == [[1, 2]]
====
signature
def f(a, b=2):
    return a
--
import inspect
assert list(inspect.signature(f).parameters) == ['a', 'b']
====
documentation
def f():
    'Says hi.'
--
assert f.__doc__ == 'Says hi.'
====
documentation by help
def f():
    '''
    >>> f()
    3
    '''
    return 3
--
import doctest
assert f.__doc__.strip().endswith('3')
====
annotations
def f(a: int) -> str:
    return str(a)
--
assert f.__annotations__ == {'a': int, 'return': str} and get_type_hints(f)['a'] is int
====
cache information
@functools.lru_cache
def f(n):
    return n if n < 2 else f(n - 1) + f(n - 2)
--
assert f(10) == 55 and f.cache_info().misses == 11
====
attributes of functions
def f():
    f.calls += 1
f.calls = 0
--
f()
assert f.calls == 1 and callable(f) and hasattr(f, 'calls')
====
defaults
def f(a, b=[1]):
    return b
--
assert f.__defaults__ == ([1],) and f.__code__.co_argcount == 2
====
dispatch
@functools.singledispatch
def f(x):
    return 'other'
@f.register
def _(x: int):
    return 'int'
--
assert f(1) == 'int' and f('a') == 'other' and f.dispatch(int)(1) == 'int'
====
pickle
class P:
    x = 3
def f():
    return [1, (2,)]
--
import pickle
assert pickle.loads(pickle.dumps(f())) == [1, (2,)]
====
deep copy of a result
def f():
    return [[1]]
--
a = f()
b = copy.deepcopy(a)
b[0].append(2)
assert a == [[1]]
====
variables of an object
class P:
    def __init__(self):
        self.a, self.b = 1, 2
--
assert vars(P()) == {'a': 1, 'b': 2}
====
attributes asked for
class P:
    a = 1
--
assert hasattr(P(), 'a') and not hasattr(P(), 'b') and getattr(P(), 'b', 5) == 5
====
environment
def f():
    return os.environ.get('SOMETHING')
--
os.environ['SOMETHING'] = 'x'
assert f() == 'x'
====
decimal context
def f():
    return decimal.Decimal(1) / 3
--
decimal.getcontext().prec = 3
assert str(f()) == '0.333'
====
warnings
import warnings
def f():
    warnings.warn('old', DeprecationWarning)
    return 1
--
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter('always')
    assert f() == 1
assert len(seen) == 1
====
logging
import logging
def f():
    logging.getLogger('x').warning('hi')
--
import logging
records = []
class H(logging.Handler):
    def emit(self, record):
        records.append(record.getMessage())
logging.getLogger('x').addHandler(H())
f()
assert records == ['hi']
====
recursion limit
def f(n):
    return n and 1 + f(n - 1)
--
sys.setrecursionlimit(5000)
assert f(3000) == 3000
====
working directory
def f():
    return os.getcwd()
--
os.makedirs('sub', exist_ok=True)
os.chdir('sub')
assert f().endswith('sub')
====
+ a file that the test writes
def f(p):
    return open(p).read()
--
with open('in.txt', 'w') as h:
    h.write('abc')
assert f(os.path.abspath('in.txt')) == 'abc'
====
+ a file that the sample writes
def f(p):
    pathlib.Path(p).write_text('abc')
--
p = os.path.abspath('out.txt')
f(p)
assert open(p).read() == 'abc'
====
a patched clock
def f():
    return time.time()
--
from unittest.mock import patch
with patch('time.time', return_value=5):
    assert f() == 5
====
context variables
import contextvars
v = contextvars.ContextVar('v', default=0)
def f():
    return v.get()
--
v.set(3)
assert f() == 3
====
weak references
import weakref
class P:
    pass
def f():
    p = P()
    return weakref.ref(p), p
--
import weakref
r, p = f()
assert r() is p
====
type of a result
class P:
    pass
def f():
    return P()
--
assert type(f()) is P and type(f()).__name__ == 'P'
====
callable objects
class Adder:
    def __call__(self, x):
        return x + 1
--
assert callable(Adder()) and Adder()(1) == 2
====
iterator protocol
class Count:
    def __init__(self, n):
        self.n = n
    def __iter__(self):
        return self
    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n
--
assert list(Count(3)) == [2, 1, 0] and sum(Count(3)) == 3
====
membership by its own rule
class Even:
    def __contains__(self, x):
        return x % 2 == 0
--
assert 2 in Even() and 3 not in Even()
====
hashing and dictionaries
class K:
    def __init__(self, x):
        self.x = x
    def __hash__(self):
        return hash(self.x)
    def __eq__(self, o):
        return self.x == o.x
--
assert {K(1): 'a'}[K(1)] == 'a'
====
conversion
class N:
    def __int__(self):
        return 4
    def __float__(self):
        return 4.5
    def __index__(self):
        return 1
    def __round__(self, n=0):
        return 5
--
assert int(N()) == 4 and float(N()) == 4.5 and [1, 2][N()] == 2 and round(N()) == 5
====
linked list
class Node:
    def __init__(self, v, n=None):
        self.v, self.n = v, n
def reverse(h):
    p = None
    while h:
        h.n, p, h = p, h, h.n
    return p
--
h = reverse(Node(1, Node(2, Node(3))))
out = []
while h:
    out.append(h.v)
    h = h.n
assert out == [3, 2, 1]
====
tree
class Tree:
    def __init__(self, v, l=None, r=None):
        self.v, self.l, self.r = v, l, r
def depth(t):
    return 0 if t is None else 1 + max(depth(t.l), depth(t.r))
--
assert depth(Tree(1, Tree(2), Tree(3, Tree(4)))) == 3 and depth(None) == 0
====
+ a subclass of a list
class L(list):
    def first(self):
        return self[0]
def f():
    return L([1, 2])
--
assert f() == [1, 2] and len(f()) == 2
====
a subclass of a list with methods
class Stack(list):
    def peek(self):
        return self[-1]
--
assert Stack([1, 2]).peek() == 2
====
a subclass of a dictionary
class Attr(dict):
    def __getattr__(self, k):
        return self[k]
--
assert Attr(a=1).a == 1
====
integer flags
class Flag(enum.IntFlag):
    A = 1
    B = 2
--
assert Flag.A | Flag.B == 3 and (Flag.A & Flag.B) == 0
====
typed dictionary and protocol
class Movie(TypedDict):
    name: str
def f() -> Movie:
    return {'name': 'x'}
--
assert f() == {'name': 'x'} and Movie(name='y') == {'name': 'y'}
====
generic class
T = TypeVar('T')
class Box(Generic[T]):
    def __init__(self, x: T):
        self.x = x
--
assert Box[int](3).x == 3
====
slots
class P:
    __slots__ = ('a',)
--
p = P()
p.a = 1
assert p.a == 1
====
descriptors
class Positive:
    def __set_name__(self, o, n):
        self.n = '_' + n
    def __get__(self, i, o):
        return getattr(i, self.n)
    def __set__(self, i, v):
        if v < 0:
            raise ValueError
        setattr(i, self.n, v)
class P:
    x = Positive()
--
p = P()
p.x = 3
assert p.x == 3
try:
    p.x = -1
    assert False
except ValueError:
    pass
====
property setter
class Temp:
    def __init__(self):
        self._c = 0
    @property
    def f(self):
        return self._c * 9 / 5 + 32
    @f.setter
    def f(self, v):
        self._c = (v - 32) * 5 / 9
--
t = Temp()
t.f = 212
assert t.f == 212 and t._c == 100
====
context manager by generator
@contextlib.contextmanager
def opened(log):
    log.append('in')
    yield 5
    log.append('out')
--
log = []
with opened(log) as x:
    log.append(x)
assert log == ['in', 5, 'out']
====
observer
class Subject:
    def __init__(self):
        self.fs = []
    def on(self, f):
        self.fs.append(f)
    def fire(self, x):
        for f in self.fs:
            f(x)
--
seen = []
s = Subject()
s.on(seen.append)
s.fire(3)
assert seen == [3]
====
memo that the test reads
memo = {}
def f(n):
    if n not in memo:
        memo[n] = n if n < 2 else f(n - 1) + f(n - 2)
    return memo[n]
--
assert f(20) == 6765 and memo[10] == 55
====
+ unittest
def add(a, b):
    return a + b
--
import unittest
class T(unittest.TestCase):
    def test(self):
        self.assertEqual(add(1, 2), 3)
        self.assertAlmostEqual(add(0.1, 0.2), 0.3)
        with self.assertRaises(TypeError):
            add(1, 'a')
result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
assert result.wasSuccessful()
====
+ check with a candidate
def f(x):
    return x[::-1]
--
def check(candidate):
    assert candidate('ab') == 'ba'
    assert candidate([1, 2]) == [2, 1]
check(f)
====
+ EvalPlus's shape
def f(l):
    return [x / 3 for x in l]
--
def is_floats(x):
    return isinstance(x, float) or (isinstance(x, (list, tuple)) and all(isinstance(i, float) for i in x))
def assertion(out, exp, atol):
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if out != exp and atol != 0:
        np.testing.assert_allclose(out, exp, atol=atol)
    else:
        assert out == exp
def check(candidate):
    inputs = [[[1, 2]], [[]]]
    results = [[1 / 3, 2 / 3], []]
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(candidate(*inp), exp, 0)
check(f)
====
+ MBPP's shape
def f(a, b):
    return set(a) & set(b)
--
assert f([1, 2], [2]) == {2}
assert set(f((1,), (2,))) == set()
====
+ defaultdict lambda
def f():
    return defaultdict(lambda: 7, {1: 2})
--
d = f()
assert d[1] == 2 and d['x'] == 7 and d == {1: 2, 'x': 7}
====
+ defaultdict nested lambda
def f():
    return defaultdict(lambda: defaultdict(int))
--
d = f()
d['a']['b'] += 1
assert d == {'a': {'b': 1}}
====
+ defaultdict own function factory
def make():
    return [0]
def f():
    return defaultdict(make)
--
assert f()['q'] == [0]
====
+ defaultdict class factory
class P:
    x = 4
def f():
    return defaultdict(P)
--
assert f()['q'].x == 4
====
+ defaultdict Counter factory
def f():
    d = defaultdict(Counter)
    d['a']['b'] += 1
    return d
--
d = f()
assert d == {'a': {'b': 1}} and d['zz']['t'] == 0
====
+ defaultdict partial factory
def f():
    return defaultdict(functools.partial(list, (1, 2)))
--
assert f()[0] == [1, 2]
====
+ defaultdict str dict deque
def f():
    return [defaultdict(deque), defaultdict(OrderedDict), defaultdict(str), defaultdict(None)]
--
a, b, c, d = f()
assert a[1] == deque() and b[1] == OrderedDict() and c[1] == ''
try:
    d[1]
    assert False
except KeyError:
    pass
====
+ dict subclass missing
class Zero(dict):
    def __missing__(self, k):
        return 0
def f():
    return Zero(a=1)
--
assert f()['a'] == 1 and f()['zz'] == 0
====
+ userlist subclass equality
class L(UserList):
    pass
def f():
    return L([1, 2])
--
assert f() == [1, 2]
====
+ gc isenabled
import gc
def f():
    return gc.isenabled()
--
assert f() is True
====
+ gc by itself
import weakref
class A:
    pass
def f():
    refs = []
    for _ in range(3000):
        a = A()
        a.me = a
        refs.append(weakref.ref(a))
    del a
    return sum(r() is None for r in refs) > 1000
--
assert f()
====
+ datetime own tz
class TZ(datetime.tzinfo):
    def utcoffset(self, d):
        return datetime.timedelta(hours=2)
    def dst(self, d):
        return datetime.timedelta(0)
    def tzname(self, d):
        return 'X'
def f():
    return datetime.datetime(2020, 1, 1, tzinfo=TZ())
--
assert f().hour == 0 and f().utcoffset() == datetime.timedelta(hours=2)
====
+ datetime subclass
class D(datetime.datetime):
    pass
def f():
    return D(2020, 1, 2)
--
assert f() == datetime.datetime(2020, 1, 2) and f().day == 2
====
+ date subclass
class D(datetime.date):
    pass
def f():
    return D(2020, 1, 2)
--
assert f() == datetime.date(2020, 1, 2) and f() > datetime.date(2019, 1, 1)
====
+ decimal subclass
class M(decimal.Decimal):
    pass
def f():
    return M('1.5')
--
assert f() == decimal.Decimal('1.5') and f() + 1 == 2.5
====
+ fraction subclass
class M(fractions.Fraction):
    pass
def f():
    return M(1, 2)
--
assert f() == fractions.Fraction(1, 2)
====
+ object int float
class V:
    def __int__(self):
        return 4
    def __float__(self):
        return 4.5
    def __index__(self):
        return 2
    def __round__(self, n=None):
        return 5
    def __bool__(self):
        return False
def f():
    return V()
--
assert int(f()) == 4 and float(f()) == 4.5 and [1, 2, 3][f()] == 3 and round(f()) == 5 and not f()
====
+ object format
class V:
    def __format__(self, s):
        return 'F' + s
    def __str__(self):
        return 'S'
    def __repr__(self):
        return 'R'
def f():
    return V()
--
assert f'{f():x}' == 'Fx' and str(f()) == 'S' and repr(f()) == 'R' and f'{f()!r}' == 'R'
====
+ object reversed
class V:
    def __reversed__(self):
        return iter([3, 2, 1])
def f():
    return V()
--
assert list(reversed(f())) == [3, 2, 1]
====
+ exception args
class Bad(Exception):
    def __init__(self, code, msg):
        super().__init__(msg)
        self.code = code
def f():
    raise Bad(3, 'oops')
--
try:
    f()
    assert False, 'no'
except Exception as e:
    assert e.code == 3 and str(e) == 'oops' and type(e).__name__ == 'Bad'
====
+ vividict
class Tree(dict):
    def __missing__(self, k):
        v = self[k] = Tree()
        return v
def f():
    return Tree()
--
t = f()
t['a']['b'] = 1
assert t == {'a': {'b': 1}} and t['a'] == {'b': 1}
====
+ missing own key
class Sq(dict):
    def __missing__(self, k):
        return k * k
def f():
    return Sq()
--
s = f()
assert s[4] == 16 and s == {} and s.get(4) is None and 4 not in s
====
+ list subclass sorted in place by f
class L(list):
    pass
def f():
    return L([3, 1, 2])
def g(x):
    x.sort()
--
x = f()
g(x)
assert x == [1, 2, 3]
====
+ list subclass type name
class L(list):
    pass
def f():
    return L([3])
--
assert type(f()).__name__ == 'L' and isinstance(f(), list) and f() + [4] == [3, 4] and f() * 2 == [3, 3]
====
+ deepcopy of subclass
class L(list):
    pass
def f():
    return [L([3]), Counter('aab'), namedtuple('P', 'a b')(1, [2])]
--
x = f()
y = copy.deepcopy(x)
assert x == y and y[0] is not x[0] and y[2].b is not x[2].b and copy.copy(x[0]) == [3]
====
+ subclass nested aliases
class L(list):
    pass
def f():
    a = L([1])
    return [a, a, {'x': a}]
--
x = f()
x[0].append(2)
assert x[1] == [1, 2] and x[2]['x'] == [1, 2]
====
+ subclass holding itself
class L(list):
    pass
def f():
    a = L()
    a.append(a)
    return a
--
x = f()
assert len(x) == 1 and x[0] == x
====
+ counter subclass ops
class C(Counter):
    pass
def f():
    return C('aab')
--
c = f()
assert c.most_common(1) == [('a', 2)] and c['q'] == 0 and sum(c.values()) == 3
====
+ defaultdict round trip
def f(d):
    return d
def g():
    return defaultdict(lambda: 3)
--
d = f(g())
assert d['x'] == 3
====
+ default factory attribute
def f():
    return defaultdict(lambda: 3)
--
assert f().default_factory() == 3 and f().default_factory is not None
====
+ default dict of lists of dicts
def f(xs):
    d = defaultdict(lambda: {'n': 0, 'xs': []})
    for x in xs:
        d[x]['n'] += 1
        d[x]['xs'].append(x)
    return d
--
assert f('aab') == {'a': {'n': 2, 'xs': ['a', 'a']}, 'b': {'n': 1, 'xs': ['b']}} and f('a')['z'] == {'n': 0, 'xs': []}
====
+ recursive defaultdict
def tree():
    return defaultdict(tree)
def f():
    t = tree()
    t['a']['b'] = 1
    return t
--
t = f()
t['x']['y']['z'] = 2
assert json.loads(json.dumps(t)) == {'a': {'b': 1}, 'x': {'y': {'z': 2}}}
====
+ namedtuple in set
P = namedtuple('P', 'x y')
def f():
    return {P(1, 2), P(1, 2), P(3, 4)}
--
assert len(f()) == 2 and (1, 2) in f() and sorted(f())[0].x == 1
====
+ namedtuple defaults repr
P = namedtuple('P', 'x y', defaults=[5])
def f():
    return P(1)
--
assert repr(f()) == 'P(x=1, y=5)' and f().y == 5 and f()[1] == 5 and len(f()) == 2
====
list subclass method
class Stack(list):
    def peek(self):
        return self[-1]
def f():
    return Stack([1, 2])
--
s = f()
assert s == [1, 2] and s.peek() == 2
====
list subclass method mutates
class Stack(list):
    def push(self, x):
        self.append(x)
def f():
    return Stack([1, 2])
--
s = f()
s.push(5)
assert s == [1, 2, 5] and len(s) == 3
====
dict subclass getattr
class Attr(dict):
    def __getattr__(self, k):
        try:
            return self[k]
        except KeyError:
            raise AttributeError(k)
def f():
    return Attr(a=1, b=Attr(c=2))
--
assert f().a == 1 and f().b.c == 2
====
dict subclass getattr only
class Attr(dict):
    __getattr__ = dict.get
def f():
    return Attr(a=1)
--
assert f().a == 1 and f().zz is None
====
set subclass method
class S(set):
    def total(self):
        return sum(self)
def f():
    return S([1, 2])
--
assert f().total() == 3 and f() == {1, 2}
====
str subclass method
class Name(str):
    def shout(self):
        return self.upper() + '!'
def f():
    return Name('a')
--
assert f().shout() == 'A!' and f() == 'a'
====
int subclass method
class Money(int):
    def cents(self):
        return self * 100
def f():
    return Money(3)
--
assert f().cents() == 300 and f() == 3
====
float subclass attribute
class Temp(float):
    unit = 'C'
def f():
    return Temp(3.5)
--
assert f().unit == 'C' and f() == 3.5
====
tuple subclass method
class Vec(tuple):
    def dot(self, o):
        return sum(a * b for a, b in zip(self, o))
def f():
    return Vec((1, 2))
--
assert f().dot((3, 4)) == 11 and f() == (1, 2)
====
namedtuple with methods
class P(NamedTuple):
    x: int
    y: int
    def norm(self):
        return self.x ** 2 + self.y ** 2
def f():
    return P(3, 4)
--
assert f().norm() == 25 and f() == (3, 4) and f()._asdict() == {'x': 3, 'y': 4}
====
userlist subclass method
class L(UserList):
    def total(self):
        return sum(self.data)
def f():
    return L([1, 2])
--
assert f().total() == 3 and f() == [1, 2] and f() == UserList([1, 2])
====
userstring subclass
class S(UserString):
    def twice(self):
        return self.data * 2
def f():
    return S('ab')
--
assert f() == 'ab' and f().twice() == 'abab'
====
counter subclass
class C(Counter):
    def top(self):
        return self.most_common(1)[0][0]
def f():
    return C('aab')
--
assert f().top() == 'a' and f()['zz'] == 0 and f() == {'a': 2, 'b': 1}
====
ordereddict subclass
class LRU(OrderedDict):
    def touch(self, k):
        self.move_to_end(k)
def f():
    return LRU(a=1, b=2)
--
o = f()
o.touch('a')
assert list(o) == ['b', 'a']
====
deque subclass
class Q(deque):
    def peek(self):
        return self[0]
def f():
    return Q([1, 2])
--
assert f().peek() == 1 and f() == deque([1, 2])
====
intenum value
class C(enum.IntEnum):
    A = 1
def f():
    return C.A
--
assert f() == 1 and f().name == 'A' and f().value == 1
====
strenum
class C(str, enum.Enum):
    A = 'a'
def f():
    return C.A
--
assert f() == 'a' and f().value == 'a'
====
custom hierarchy caught by base
class A(LookupError):
    pass
class B(A):
    pass
def f():
    raise B('x')
--
try:
    f()
except LookupError as e:
    assert type(e).__mro__[1].__name__ == 'A'
====
generator types
def f():
    yield 1
--
assert isinstance(f(), types.GeneratorType)
====
isinstance map
def f(xs):
    return map(str, xs)
--
assert isinstance(f([1]), map)
====
isinstance function
def f():
    return lambda: 1
--
assert isinstance(f(), types.FunctionType)
====
stack list subclass passed back
class Stack(list):
    def peek(self):
        return self[-1]
def f():
    return Stack([1, 2])
def top(s):
    return s.peek()
--
assert top(f()) == 2
====
defaultdict argument with lambda
def f(d):
    d['a'] += 1
    return d
--
d = defaultdict(lambda: 5)
assert f(d) == {'a': 6}
====
namedtuple property
class P(NamedTuple):
    x: int
    @property
    def double(self):
        return self.x * 2
def f():
    return P(4)
--
assert f().double == 8
====
object attribute is a live list
class Q:
    def __init__(self):
        self.items = []
def make():
    return Q()
--
q = make()
q.items.append(1)
assert q.items == [1]
====
object attribute dict changed
class Q:
    def __init__(self):
        self.d = {}
    def get(self):
        return self.d
def make():
    return Q()
--
q = make()
q.d['a'] = 1
assert q.get() == {'a': 1}
====
returned list is live
class Q:
    def __init__(self):
        self._xs = [1]
    def xs(self):
        return self._xs
def make():
    return Q()
--
q = make()
q.xs().append(2)
assert q.xs() == [1, 2]
====
argument kept and changed later
class Q:
    def __init__(self, xs):
        self.xs = xs
    def n(self):
        return len(self.xs)
def make(xs):
    return Q(xs)
--
xs = [1]
q = make(xs)
xs.append(2)
assert q.n() == 2
====
argument kept by closure
def f(xs):
    return lambda: sum(xs)
--
xs = [1]
g = f(xs)
xs.append(2)
assert g() == 3
====
cache returned same object
@functools.lru_cache(None)
def f():
    return []
--
f().append(1)
assert f() == [1]
====
ast returned
import ast
def f():
    return ast.parse('x = 1')
--
assert type(f()).__name__ == 'Module' and len(f().body) == 1
====
exception with method
class E(Exception):
    def code(self):
        return 42
def f():
    raise E('x')
--
try:
    f()
    ok = False
except Exception as e:
    ok = e.code() == 42
assert ok
====
exception property
class E(Exception):
    @property
    def code(self):
        return 42
def f():
    raise E('x')
--
try:
    f()
    ok = False
except Exception as e:
    ok = e.code == 42
assert ok
====
argument memoryview
def f(m):
    m[0] = 66
--
b = bytearray(b'a')
f(memoryview(b))
assert b == b'B'
====
argument subclass of test
def f(s):
    return s.peek()
--
class Stack(list):
    def peek(self):
        return self[-1]
assert f(Stack([1, 2])) == 2
====
argument dict subclass of test
def f(d):
    return d['zz']
--
class D(dict):
    def __missing__(self, k):
        return 5
assert f(D()) == 5
====
+ bank account
class InsufficientFunds(Exception):
    pass
class Account:
    def __init__(self, b=0):
        self.b = b
    def withdraw(self, x):
        if x > self.b:
            raise InsufficientFunds(f'need {x - self.b}')
        self.b -= x
def make(b):
    return Account(b)
--
a = make(5)
try:
    a.withdraw(7)
    ok = False
except Exception as e:
    ok = type(e).__name__ == 'InsufficientFunds' and str(e) == 'need 2'
assert ok
a.withdraw(3)
assert a.b == 2
====
+ exception raised from init with kwargs
class A(Exception):
    def __init__(self, *, code):
        self.code = code
def f():
    raise A(code=4)
--
try:
    f()
    ok = False
except Exception as e:
    ok = e.code == 4 and e.args == ()
assert ok
====
+ oserror subclass
class K(OSError):
    pass
def f():
    raise K(2, 'no', 'file')
--
try:
    f()
    ok = False
except OSError as e:
    ok = e.errno == 2 and e.strerror == 'no' and e.filename == 'file'
assert ok
====
+ stopiteration subclass
class S(StopIteration):
    pass
def f():
    raise S(5)
--
try:
    f()
    ok = False
except StopIteration as e:
    ok = e.value == 5
assert ok
====
+ systemexit subclass
class S(SystemExit):
    pass
def f():
    raise S(4)
--
try:
    f()
    ok = False
except SystemExit as e:
    ok = e.code == 4
assert ok
====
+ unicode error subclass
class U(UnicodeDecodeError):
    pass
def f():
    raise U('utf-8', b'ab', 0, 1, 'bad')
--
try:
    f()
    ok = False
except UnicodeDecodeError as e:
    ok = e.reason == 'bad' and e.object == b'ab'
assert ok
====
+ syntax error subclass
class Mine(SyntaxError):
    pass
def f():
    raise Mine('bad')
--
try:
    f()
    ok = False
except SyntaxError as e:
    ok = e.msg == 'bad'
assert ok
====
+ group subclass
class G(ExceptionGroup):
    pass
def f():
    raise G('m', [ValueError(1), KeyError(2)])
--
try:
    f()
    ok = False
except ExceptionGroup as e:
    ok = e.message == 'm' and len(e.exceptions) == 2 and isinstance(e.exceptions[0], ValueError)
assert ok
====
+ keyerror subclass text
class K(KeyError):
    pass
def f():
    raise K('a')
--
try:
    f()
    ok = False
except KeyError as e:
    ok = str(e) == "'a'" and e.args[0] == 'a'
assert ok
====
+ unittest with derived list
class L(list):
    pass
class D(dict):
    pass
def f():
    return L([1]), D(a=1)
--
import unittest
class T(unittest.TestCase):
    def test_a(self):
        a, b = f()
        self.assertEqual(a, [1])
        self.assertEqual(b, {'a': 1})
        self.assertIn(1, a)
        self.assertCountEqual(a, [1])
r = unittest.TestResult()
unittest.defaultTestLoader.loadTestsFromTestCase(T).run(r)
assert r.wasSuccessful()
====
+ numpy with derived list
class L(list):
    pass
def f():
    return L([1, 2])
--
assert np.array_equal(f(), [1, 2]) and np.allclose(f(), [1, 2]) and np.mean(f()) == 1.5 and np.sum(f()) == 3
np.testing.assert_allclose(f(), [1, 2])
np.testing.assert_array_equal(f(), [1, 2])
====
+ json with derived
class D(dict):
    pass
class S(str):
    pass
def f():
    return D({S('a'): S('b')})
--
assert json.dumps(f()) == '{"a": "b"}' and f()['a'] == 'b' and 'a' in f() and f().get('zz') is None
====
+ derived in operations
class D(dict):
    pass
class L(list):
    pass
def f():
    return D(a=L([1]))
--
x = f()
x['b'] = 2
x['a'].extend([2])
assert x == {'a': [1, 2], 'b': 2} and x | {'c': 1} == {'a': [1, 2], 'b': 2, 'c': 1} and {**x} == x and x.copy() == x
====
+ derived str operations
class S(str):
    pass
def f():
    return S('abc')
--
x = f()
assert x + 'd' == 'abcd' and x[1:] == 'bc' and x.upper() == 'ABC' and f'{x:>5}' == '  abc'
assert '-'.join([x, x]) == 'abc-abc' and re.match('a', x) and x in {'abc': 1} and int(f() == 'abc') == 1
====
+ derived float nan
class F(float):
    pass
def f():
    return F('nan'), F(1.5)
--
a, b = f()
assert math.isnan(a) and b == 1.5 and round(b) == 2 and b.is_integer() is False
====
+ derived tuple unpack
class T(tuple):
    pass
def f():
    return T((1, [2]))
--
a, b = f()
b.append(3)
assert a == 1 and b == [2, 3] and f() == (1, [2]) and hash(f()[:1]) == hash((1,))
====
+ derived set operations
class S(set):
    pass
def f():
    return S([1, 2]), frozenset([3])
--
a, b = f()
assert a | b == {1, 2, 3} and a & {1} == {1} and {1} <= a and sorted(a) == [1, 2]
====
+ derived bytes
class B(bytes):
    pass
def f():
    return B(b'ab'), bytearray(b'c')
--
a, b = f()
assert a + b == b'abc' and a.hex() == '6162' and a.decode() == 'ab'
====
+ derived counter update
class C(Counter):
    pass
def f():
    return C('aab')
--
c = f()
c.update('b')
c['z'] += 1
assert c == {'a': 2, 'b': 2, 'z': 1} and c.total() == 5 and c - Counter('a') == Counter('abbz')
====
+ derived ordered
class O(OrderedDict):
    pass
def f():
    return O(a=1, b=2)
--
o = f()
o.move_to_end('a')
assert list(o) == ['b', 'a'] and o.popitem() == ('a', 1) and o == OrderedDict(b=2)
====
+ derived deque
class Q(deque):
    pass
def f():
    return Q([1, 2], maxlen=2)
--
q = f()
q.append(3)
assert q == deque([2, 3]) and q.maxlen == 2 and q[0] == 2
====
+ derived defaultdict
class DD(defaultdict):
    pass
def f():
    return DD(list, a=[1])
--
d = f()
d['b'].append(2)
assert d == {'a': [1], 'b': [2]}
====
+ defaultdict subclass missing
class DD(defaultdict):
    def __missing__(self, k):
        return k + '!'
def f():
    return DD(list)
--
assert f()['a'] == 'a!'
====
+ complex subclass
class C(complex):
    pass
def f():
    return C(1, 2)
--
assert f() == 1 + 2j and f().real == 1 and abs(C2) == 5 if (C2 := 3 + 4j) else 0
====
+ time subclass
class T(datetime.time):
    pass
def f():
    return T(1, 2)
--
assert f() == datetime.time(1, 2) and f().hour == 1
====
+ math floor ceil
class A:
    def __floor__(self):
        return 1
    def __ceil__(self):
        return 2
    def __trunc__(self):
        return 3
def f():
    return A()
--
assert math.floor(f()) == 1 and math.ceil(f()) == 2 and math.trunc(f()) == 3
====
+ the order of a set
def f(words):
    return set(words)
--
words = ['pear', 'fig', 'apple', 'kiwi', 'plum', 'date', 'lime']
assert list(f(words)) == list(set(words)) and str(f(words)) == str(set(words))
assert list(f([3, 19, 27, 11])) == list(set([3, 19, 27, 11]))
====
+ an ordered dictionary whose order alone changes
def f(d, k):
    d.move_to_end(k)
--
d = OrderedDict(a=1, b=2)
f(d, 'a')
assert d == OrderedDict(b=2, a=1) and list(d) == ['b', 'a']
====
sorted by a key of the sample's
def f():
    return functools.cmp_to_key(lambda a, b: b - a)
--
assert sorted([1, 3, 2], key=f()) == [3, 2, 1]
====
objects of a factory: order, sum, attributes, sets
@dataclasses.dataclass(order=True, frozen=True)
class Card:
    rank: int
    def __radd__(self, o):
        return Card(self.rank + o) if o else self
def deal(*ranks):
    return [Card(r) for r in ranks]
def card(r):
    return Card(r)
--
def check(candidate):
    assert [c.rank for c in sorted(candidate(3, 1, 2))] == [1, 2, 3]
    assert max(card(3), card(4)).rank == 4
    assert len({card(1), card(1), card(2)}) == 2 and {card(1): 'a'}[card(1)] == 'a'
check(deal)
====
objects of a factory: arithmetic with numbers
class Money:
    def __init__(self, c):
        self.cents = c
    def __add__(self, o):
        return Money(self.cents + (o.cents if isinstance(o, Money) else o))
    __radd__ = __add__
    def __iadd__(self, o):
        self.cents += o
        return self
def money(c):
    return Money(c)
--
def check(candidate):
    assert (candidate(5) + 3).cents == 8 and (3 + candidate(5)).cents == 8
    assert sum([candidate(1), candidate(2)]).cents == 3
    a = candidate(1)
    a += 4
    assert a.cents == 5
check(money)
====
a class as the candidate
class Interval:
    def __init__(self, a, b):
        self.a, self.b = a, b
    def __contains__(self, x):
        return self.a <= x <= self.b
    def __eq__(self, o):
        return (self.a, self.b) == (o.a, o.b)
    def __and__(self, o):
        return Interval(max(self.a, o.a), min(self.b, o.b))
--
def check(candidate):
    assert 3 in candidate(1, 5) and 6 not in candidate(1, 5)
    assert candidate(1, 5) & candidate(3, 9) == candidate(3, 5)
check(Interval)
====
a class in small letters
class stack:
    def __init__(self):
        self.xs = []
    def push(self, x):
        self.xs.append(x)
    def __contains__(self, x):
        return x in self.xs
--
s = stack()
s.push(1)
assert 1 in s and 2 not in s
====
a class that is returned and derived from
def base():
    class B:
        def hi(self):
            return 'hi ' + self.name
    return B
--
def check(candidate):
    B = candidate()
    class D(B):
        name = 'd'
    assert D().hi() == 'hi d'
check(base)
====
instances of classes that do not cross
def f(n):
    return functools.partial(pow, n), re.match('a', 'ab'), itertools.count(n)
--
import functools, re, itertools
p, m, c = f(2)
assert isinstance(p, functools.partial) and isinstance(m, re.Match) and isinstance(c, itertools.count)
====
equality with objects of the test's
import argparse
def f(v):
    return argparse.Namespace(v=v), typing_list(v)
def typing_list(v):
    return List[int]
--
import argparse, typing
from unittest.mock import ANY
a, b = f(1)
assert a == argparse.Namespace(v=1) and b == typing.List[int] and [a] == [ANY]
====
a view of an argument
def f(xs):
    return xs[::-1], memoryview(xs)
--
xs = np.array([1, 2, 3])
a, _ = f(xs)
a[0] = 9
assert xs[2] == 9
b = bytearray(b'abc')
_, m = f(b)
m[0] = 90
assert b == b'Zbc'
====
a result that a later call changes
kept = []
def f(x):
    kept.append(x)
    return kept
--
a = f(1)
f(2)
assert a == [1, 2]
====
a global variable that the test sets
scale = 2
def helper(x):
    return x
def f(x):
    return helper(x) * scale
--
assert f(3) == 6
scale = 10
assert f(3) == 30
helper = lambda x: 1
assert f(3) == 10
====
a named tuple of the test's comes back
def f(ps):
    return max(ps, key=lambda p: p.x)
--
P = namedtuple('P', 'x y')
r = f([P(1, 2), P(3, 0)])
assert r == P(3, 0) and isinstance(r, P)
====
the length that an iterator expects
def f(xs):
    return iter(xs)
--
assert operator.length_hint(f([1, 2])) == 2
====
a call that the test gives up
def f():
    while True:
        pass
--
import signal
def late(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    f()
    done = True
except TimeoutError:
    done = False
assert not done
"""

ECHO = "def f(x=None, *rest):\n    return x"


def _lines(text: str) -> list[str]:
    return [line.replace("\\\\", "\\") for line in text.strip().splitlines()]


def _pairs() -> list[Idiom]:
    found = []
    for block in PAIRS.strip().split("\n====\n"):
        head, _, body = block.partition("\n")
        sample, _, test = body.partition("\n--\n")
        found.append(Idiom(head.removeprefix("+ "), sample, test, head.startswith("+ ")))
    return found


def idioms() -> list[Idiom]:
    """All pairs; each passes in plain execution after `PREAMBLE`."""
    found = []
    for text in _lines(VALUES):
        same = "type(y) is type(x) and y == x and repr(y)[:6] == repr(x)[:6]"
        if "nan" in text:
            same = "type(y) is type(x) and repr(y) == repr(x)"
        found.append(
            Idiom(f"returned: {text}", f"def f():\n    return {text}", f"x, y = {text}, f()\nassert {same}", True)
        )
        found.append(Idiom(f"argument: {text}", ECHO, f"x = {text}\ny = f(x)\nassert {same}", True))
    for text in _lines(ARRAYS):
        same = "type(y) is type(x) and y.dtype == x.dtype and y.shape == x.shape and (y == x).all()"
        found.append(
            Idiom(f"array: {text}", f"def f():\n    return {text}", f"x, y = {text}, f()\nassert {same}", True)
        )
    for line in _lines(EXCEPTIONS):
        kind, _, text = line.partition(" | ")
        test = (
            f"try:\n    f()\nexcept {kind} as e:\n    text = str(e)\nelse:\n    assert False\nassert type(text) is str"
        )
        found.append(Idiom(f"raised: {line}", f"def f():\n    return {text}", test, True))
    for line in _lines(DETAILS):
        text, _, claim = line.partition(" | ")
        test = f"try:\n    f()\nexcept BaseException as e:\n    assert {claim}\nelse:\n    assert False"
        found.append(Idiom(f"details: {line}", f"def f():\n    return {text}", test, False))
    return found + _pairs()
