"""What memoize tells arguments and functions by: each type that is taken against each, and what is refused."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import ipaddress
import itertools
import json
import math
import os
import pathlib
import subprocess
import sys
import time
import typing
import uuid
import zipfile
import zoneinfo
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString

import forklore
from forklore.keys import in_key, key_of_call, shortened
from forklore.words import words_of

from .django_site import configured

UTC = datetime.timezone.utc
User, Group = apps.get_model("auth.User"), apps.get_model("auth.Group")
AnonymousUser = importlib.import_module("django.contrib.auth.models").AnonymousUser


class Colour(enum.Enum):
    RED = 1
    BLUE = "1"


class Paint(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Perm(enum.IntFlag):
    READ = 1
    WRITE = 4


class Opt(enum.Flag):
    A = 1
    B = 2


class Text(str):
    pass


class Slotted(str):
    __slots__ = ("role",)


class Behind(str):
    __slots__ = ("__dict__", "role")


class Number(int):
    pass


class Real(float):
    pass


class Raw(bytes):
    pass


class Pair(tuple):
    pass


class Names(list):
    pass


class Map(dict):
    pass


class Bag(set):
    pass


class Moment(datetime.datetime):
    pass


class Loud(str):
    """Whose own methods say something else of it."""

    def __str__(self) -> str:
        return "loud"

    __repr__ = __format__ = __str__

    def __len__(self) -> int:
        return 4


class Coordinates(NamedTuple):
    x: int
    y: int


class Size(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclasses.dataclass
class Place:
    x: int
    y: int


@dataclasses.dataclass
class Role(str):
    """Equal to any other of its text for str, and not for itself."""

    level: int

    def __new__(cls, level: int) -> Role:
        return super().__new__(cls, "role")


@dataclasses.dataclass
class Score(int):
    of: str

    def __new__(cls, of: str) -> Score:
        return super().__new__(cls, 5)


@dataclasses.dataclass
class Slots:
    __slots__ = ("x",)
    x: int


@dataclasses.dataclass
class Box(typing.Generic[typing.TypeVar("T")]):  # type: ignore[misc]
    content: Any


@dataclasses.dataclass
class Base:
    x: int


class Derived(Base):
    """Has an attribute that its equality does not know of."""

    def __init__(self, x: int, y: int) -> None:
        super().__init__(x)
        self.y = y


@dataclasses.dataclass
class Lazy:
    x: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x


class Titled(str):
    """Its equality looks at a cached property, which can be set by hand."""

    @functools.cached_property
    def title(self) -> str:
        return self.upper()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Titled) and str.__eq__(self, other) and self.title == other.title

    def __hash__(self) -> int:
        return str.__hash__(self)


@dataclasses.dataclass
class Compared:
    """The same of a dataclass with an equality of its own."""

    x: int

    @functools.cached_property
    def title(self) -> str:
        return "unset"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Compared) and self.title == other.title


class Named:
    @functools.cached_property
    def title(self) -> str:
        return "unset"


@dataclasses.dataclass
class Field(Named):
    """Its field has the name of a cached property."""

    title: str  # type: ignore[assignment]


class Shop:
    def total(self) -> int:
        return 1

    @classmethod
    def make(cls) -> None:
        pass

    @staticmethod
    def tax() -> None:
        pass


class OtherShop(Shop):
    pass


def buy() -> None:
    pass


def slotted(role: str) -> Slotted:
    made = Slotted("a")
    made.role = role
    return made


def attributed(role: str) -> Text:
    made = Text("with attributes")
    made.role = role  # type: ignore[attr-defined]
    return made


def titled(kind: Any, content: Any, title: str) -> Any:
    made = kind(content)
    vars(made)["title"] = title
    return made


def hidden(attribute: str, role: str) -> Any:
    """An attribute behind the slot of the same name."""
    made = Behind("a")
    made.role = role
    vars(made)["role"] = attribute
    return made


def row(model: Any, key: int, database: str = "default") -> Any:
    """As a query gives it."""
    return model.from_db(database, [field.attname for field in model._meta.concrete_fields if field.primary_key], [key])


def at(**how: Any) -> datetime.datetime:
    return datetime.datetime(2026, 10, 25, 2, 30, **how)


class West(datetime.tzinfo):
    """As some packages make them."""

    def __init__(self, hours: int = 0) -> None:
        self.hours = hours

    def utcoffset(self, _: Any) -> datetime.timedelta:
        return datetime.timedelta(hours=self.hours)

    def dst(self, _: Any) -> None:
        return None

    def __getinitargs__(self) -> tuple[int]:
        return (self.hours,)


class East(datetime.tzinfo):
    """Its state is in slots alone, which the pickling of Python 3.10 leaves out."""

    __slots__ = ("hours",)

    def __init__(self, hours: int = 0) -> None:
        self.hours = hours

    def utcoffset(self, _: Any) -> datetime.timedelta:
        return datetime.timedelta(hours=self.hours)


class South(East):
    """Whatever Python: its own pickling leaves the slots out."""

    def __reduce__(self) -> tuple[Any, ...]:
        return South, ()


PARIS, BERLIN = zoneinfo.ZoneInfo("Europe/Paris"), zoneinfo.ZoneInfo("Europe/Berlin")

GROUPS: dict[str, list[Any]] = {
    "singletons": [None, ..., True, False],
    "numbers": [0, 1, -1, 0.0, -0.0, 1.0, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**5000, math.inf, -math.inf,
                math.nan, -math.nan, 1e16, 5e-324, 0j, 1j, complex(0.0, -0.0), complex(-0.0, 0.0), complex(1, 0)],
    "texts": ["", "1", "x y", "é", "\udc80", "\0", "i1", "s1:a", "a,b", ")", "(i1)", "long" * 200, "long" * 201,
              b"", b"1", b"i1", b"61", bytearray(b""), bytearray(b"1")],
    "sequences": [(), (1,), (True,), (1.0,), ("1",), ((1,),), (1, 2), ("1,2",), ((1, 2),), ((1,), 2), (1, (2,)),
                  [], [1], [1, 2], [[1], 2], [(1, 2)], range(0), range(3), range(0, 6, 2), slice(3), slice(0, 3)],
    "sets": [set(), frozenset(), {1}, {1.5}, {"1"}, {1, 2}, {(1, 2)}, frozenset({1}), frozenset({1, 2}),
             frozenset({frozenset({1})})],
    "dicts": [{}, {1: 2}, {"1": 2}, {1: "2"}, {1: 2, 3: 4}, {1: {3: 4}}, {(1, 2): 3}, collections.OrderedDict(),
              collections.OrderedDict([(1, 2), (3, 4)]), collections.OrderedDict([(3, 4), (1, 2)]),
              collections.defaultdict(int), collections.defaultdict(list), collections.defaultdict(None, {1: 2}),
              collections.Counter("a"), collections.Counter("ab"), collections.deque([1]), collections.deque([1], 3)],
    "subclasses": [Text("1"), Text(""), SafeString("1"), Loud("1"), Loud("2"), Number(1), Number(2), Real(1),
                   Real(-0.0), Real(0), Raw(b"1"), Pair((1, 2)), Names([1, 2]), Map({1: 2}), Bag({1, 2}),
                   Coordinates(1, 2), Size(1, 2), slotted("user"), slotted("admin"), Slotted("a"), attributed("user"),
                   attributed("admin"), Text("with attributes"), titled(Titled, "1", "a"), titled(Titled, "1", "b"),
                   hidden("a", "b"), hidden("a", "c"), hidden("c", "b")],
    "dataclasses": [Point(1, 2), Point(1.0, 2), Point(True, 2), Point(2, 1), Place(1, 2), Role(1), Role(2),  # type: ignore
                    Score("admin"), Score("user"), Slots(1), Slots(2), Box(1), Box([1]), Box[int](1), Base(1),
                    Derived(1, 2), Derived(1, 3), Lazy(1), Lazy(2), titled(Compared, 1, "a"),
                    titled(Compared, 1, "b"), Field("a"), Field("b")],
    "enums": [Colour.RED, Colour.BLUE, Paint.RED, Level.LOW, Perm.READ, Perm(2), Perm(3), Perm(5), Perm(8), Perm(16),
              Perm(0), Opt.A, Opt.B, Opt.A | Opt.B, Opt(0)],
    "times": [datetime.date(2026, 10, 25), datetime.datetime(2026, 10, 25), at(), at(fold=1), at(tzinfo=UTC),
              at(tzinfo=PARIS), at(tzinfo=PARIS, fold=1), at(tzinfo=BERLIN), Moment(2026, 10, 25, 2, 30),
              *(at(tzinfo=datetime.timezone(datetime.timedelta(hours=1), *name)) for name in ((), ("A",), ("B",))),
              at(tzinfo=West(1)), at(tzinfo=West(2)), at(microsecond=1), datetime.time(2, 30),
              datetime.time(2, 30, fold=1), datetime.time(2, 30, tzinfo=UTC), datetime.timedelta(1),
              datetime.timedelta(0, 1),
              datetime.timedelta(0, 0, 1), datetime.timedelta(-1), UTC, PARIS, BERLIN, West(1), West(2),
              East(1), East(2), South(1), South(2), at(tzinfo=East(1)), at(tzinfo=South(1))],
    "exact": [*map(decimal.Decimal, ("0", "-0", "1", "1.0", "1.00", "1E+5", "100000", "NaN", "sNaN", "Infinity")),
              fractions.Fraction(1), fractions.Fraction(1, 2), uuid.UUID(int=1), uuid.UUID(int=2),
              ipaddress.ip_address("1.2.3.4"), ipaddress.ip_address("::1"), ipaddress.ip_address("::1%1"),
              ipaddress.ip_network("1.2.3.4/32"), ipaddress.ip_interface("1.2.3.4/32")],
    "paths": [pathlib.PurePosixPath("a/b"), pathlib.PosixPath("a/b"), pathlib.PosixPath("/a/b"), pathlib.Path("a"),
              pathlib.PureWindowsPath("a/b"), pathlib.PosixPath("b/a")],
    "classes and functions": [int, bool, type, type(None), Point, Colour, Text, buy, len, math.sin, dict.fromkeys,
                              Shop.tax, Shop.make, OtherShop.make, Shop.total, functools.partial(buy),
                              functools.partial(buy, 1), functools.partial(buy, x=1), functools.partial(len, 1)],
    "generics": [list[int], list[bool], tuple[int, ...], dict[str, int], dict[int, str], typing.List[int],  # noqa: UP006
                 typing.List, typing.Any, typing.Optional[int], typing.Union[int, str], int | str,  # noqa: UP006, UP007, UP045
                 typing.Literal[1], typing.Literal[True], typing.Literal["1"], typing.Callable[[int], str],
                 typing.Callable[..., str], collections.abc.Callable[[int], str], typing.Annotated[int, 1],
                 typing.Annotated[int, 2], Box[int], Box[str]],
    "Django's": [AnonymousUser(), row(User, 1), row(User, 2), row(User, 1, "other"), row(Group, 1)],
}  # fmt: skip
VALUES = [value for group in GROUPS.values() for value in group]


def said(value: Any) -> str:
    return key_of_call("f", (value,), {})


def all_keys() -> list[str]:
    return [said(value) for value in VALUES]


def test_each_value_against_each() -> None:
    words = [words_of(value) for value in VALUES]
    for one, other in itertools.combinations(range(len(VALUES)), 2):
        assert words[one] != words[other], (VALUES[one], VALUES[other])
    keys = all_keys()
    assert len(set(keys)) == len(keys)
    assert all(len(key) <= 200 and key.isascii() and key.isprintable() and " " not in key for key in keys)


def test_each_value_in_each_place_against_each() -> None:
    """No word runs over into what surrounds it."""
    few = [value for group in GROUPS.values() for value in group[:5]]
    calls = [((one, other), {}) for one in few for other in few]
    calls += [(((one, other),), {}) for one in few for other in few]
    calls += [((), {"a": one, "b": other}) for one in few for other in few]
    calls += [((), {"a": one, "b,1:c": other}) for one in few[:20] for other in few[:20]]
    keys = [key_of_call("f", *call) for call in calls]
    assert len(set(keys)) == len(keys)


def test_they_are_the_same_in_every_process() -> None:
    script = f"import json, {__name__} as test; print(json.dumps(test.all_keys()))"
    root = Path(__file__).resolve().parents[__name__.count(".")]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=root, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == all_keys()


def test_equal_values_of_one_type_have_one_key() -> None:
    lazy = Lazy(1)
    before = said(lazy)
    assert lazy.twice == 2  # is kept in the object
    assert said(lazy) == before
    for one, other in (
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"ab", "c"}, {"c", "ab"}),
        (frozenset("abcdef"), frozenset("fedcba")),
        (collections.Counter(a=1, b=2), collections.Counter(b=2, a=1)),
        (Derived(1, 2), Derived(1, 2)),
        (math.nan, float("nan")),
        (Shop().make, Shop.make),
        (AnonymousUser(), AnonymousUser()),
        (row(User, 1), row(User, 1)),
        (PARIS, zoneinfo.ZoneInfo("Europe/Paris")),
    ):
        assert said(one) == said(other)
    with decimal.localcontext(decimal.Context(capitals=0)):
        assert said(decimal.Decimal("1E+5")) == said(VALUES[VALUES.index(decimal.Decimal("1E+5"))])


def test_request_user_is_the_user() -> None:
    """Of a view: a lazy object around a user or a visitor."""
    assert said(SimpleLazyObject(lambda: row(User, 5))) == said(row(User, 5))
    assert said(SimpleLazyObject(AnonymousUser)) == said(AnonymousUser()) != said(row(User, 5))
    waiting = SimpleLazyObject(lambda: AnonymousUser())
    assert said([waiting]) == said([AnonymousUser()])


def test_a_menu_for_users_and_visitors(name: str) -> None:
    called = []

    @forklore.memoize(60, name="menu")
    def menu(user: Any) -> str:
        called.append(user)
        return f"menu of {user.pk}"

    with configured(name):
        for _ in range(2):
            assert menu(SimpleLazyObject(AnonymousUser)) == "menu of None"
            assert menu(SimpleLazyObject(lambda: row(User, 5))) == menu(row(User, 5)) == "menu of 5"
            assert menu(row(User, 5, "other")) == "menu of 5"
        assert len(called) == 3
        with pytest.raises(TypeError, match=r"menu\(\): argument .user. \(django\S+User\): .*not saved"):
            menu(User(username="new"))


def local() -> list[Any]:
    """Of classes and functions whose names others have too."""

    class Text(str):
        pass

    class Colour(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Point:
        x: int

    def inner() -> None:
        pass

    Item = collections.namedtuple("Item", "x")
    return [Text("a"), Colour.RED, Point(1), Text, inner, Item(1), functools.partial(inner), list[Text]]


@dataclasses.dataclass(eq=False)
class Alone:
    x: int


class Same(str):
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def in_itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


REFUSED = [
    object(), Shop(), Shop().total, lambda: 1, NotImplemented, iter([]), (n for n in ()), memoryview(b"a"), sys,
    ValueError("x"), time.localtime(), os.stat("/"), Alone(1), Same("a"), User(), User(pk=5), User(username="x"),
    SimpleLazyObject(object), typing.TypeVar("Unfound"), in_itself(), [object()], {1: object()}, {object(): 1},
    (1, [Point(1, object())]), "".upper, *local(),
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_cannot_be_told_is_refused(value: Any) -> None:
    @forklore.memoize
    def show(first: Any, second: Any = 1, *more: Any, third: Any = 2, **others: Any) -> None:
        pass

    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    for call, name in (
        (lambda: show(value), "first"),
        (lambda: show(1, value), "second"),
        (lambda: show(1, second=value), "second"),
        (lambda: show(1, 2, 3, value), "more[1]"),
        (lambda: show(1, third=value), "third"),
        (lambda: show(1, fourth=value), "fourth"),
    ):
        with pytest.raises(TypeError) as raised:
            call()
        message = str(raised.value)
        assert f".show(): argument {name!r} ({kind}): " in message
        assert message.endswith("; give memoize a key")


def test_what_a_key_answers_is_told_too() -> None:
    show = forklore.memoize(key=lambda value: value, name="show")(repr)
    with pytest.raises(
        TypeError, match=r"^show\(\): what key answered: a builtins.object .*; give memoize another key"
    ):
        show.cache_key(object())
    assert show.cache_key("a") != show.cache_key(b"a")


def test_a_class_of_C_that_holds_more_is_refused() -> None:
    """As pandas.Timestamp is a datetime with nanoseconds."""
    for value in (time.gmtime(0), os.terminal_size((1, 2))):
        with pytest.raises(TypeError, match="may hold more than can be seen of it"):
            said(value)


def test_names_do_not_run_over_into_arguments() -> None:
    assert key_of_call(in_key("f(s4:x"), (1,), {}) != key_of_call(in_key("f"), ("x(i1",), {})
    assert len({in_key(name) for name in ("f", "f(", "f%28", "f%2528")}) == 4


def test_a_long_key_becomes_a_digest() -> None:
    key = said("x" * 300)
    assert key.startswith("f#")
    assert len(key) == 42
    assert shortened("f(i1)") == "f(i1)"


def test_a_short_key_that_is_not_plain_is_escaped() -> None:
    assert said("a b") == "f(s3:a%20b)%"
    assert said("a%20b") == "f(s5:a%20b)"  # plain, and so as it is
    assert said(" %\xe9") == "f(s3:%20%25%C3%A9)%"
    assert said(" " * 70).startswith("f#")
    assert len({shortened(in_key(name)) for name in ("a b", "a%20b", "a%20b%", "a b%")}) == 4


SCRIPT = """
import multiprocessing, sys
import forklore
cache = forklore.Cache.attach(sys.argv[1])

class Item(str):
    pass

@forklore.memoize(60, cache=cache)
def load(x, item=Item("a")):
    return {answer!r}

def child(queue):
    queue.put(load.cache_key(5))

if __name__ == "__main__":
    print(load(5), load.cache_key(5))
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
"""


def test_functions_of_two_scripts(cache: forklore.Cache, tmp_path: Path) -> None:
    """Each is __main__, and its file tells it; what multiprocessing spawns of it is the same script."""
    keys = set()
    for name in ("a_job.py", "b_job.py"):
        (tmp_path / name).write_text(SCRIPT.format(answer=name))
        for path in (name, os.path.join(tmp_path, name), os.path.join("..", tmp_path.name, name)):
            done = subprocess.run(
                [sys.executable, path, cache.name], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            (answer, key), (in_child,) = (line.split() for line in done.stdout.splitlines())
            assert answer == name
            assert in_child == key
            keys.add(key)
    assert len(keys) == 2


@pytest.mark.parametrize("how", ["-c", "stdin"])
def test_a_function_of_no_file_needs_a_name(how: str) -> None:
    script = (
        "import forklore\n"
        "def load(x): pass\n"
        "class Item(str): pass\n"
        "for decorate in (forklore.memoize(60), forklore.rate_limited(1, 1)):\n"
        "    try: decorate(load)\n"
        "    except TypeError as error: print(error)\n"
        "try: forklore.memoize(60, name='load')(load)(Item('a'))\n"
        "except TypeError as error: print(error)\n"
    )
    given = {"args": [sys.executable, "-c", script]} if how == "-c" else {"args": [sys.executable], "input": script}
    done = subprocess.run(**given, capture_output=True, text=True, check=True)  # type: ignore[call-overload]
    why = "is of no file, but of -c, stdin, exec or an interactive session"
    assert done.stdout.splitlines() == [
        f"__main__.load has no name of its own: __main__.load {why}; give memoize a name",
        f"__main__.load has no name of its own: __main__.load {why}; give rate_limited a name",
        f"load(): argument 'x' (__main__.Item): __main__.Item {why}; give memoize a key",
    ]


NO_FILE = """
import forklore
def load(x): return x
class Item(str): pass
for call in (lambda: forklore.memoize(60)(load), lambda: forklore.memoize(60, name="f")(load).cache_key(Item("a"))):
    try: print(call())
    except TypeError as error: print("refused:", error)
forklore.memoize(60, name="load")(load)
"""


@pytest.mark.parametrize("how", ["-c", "piped"])
def test_functions_of_the_shell_of_django_need_a_name(how: str, tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(
        "import sys, django\n"
        "from django.conf import settings\n"
        "from django.core.management import execute_from_command_line\n"
        "settings.configure()\n"
        "execute_from_command_line(sys.argv)\n"
    )
    command = [sys.executable, "manage.py", "shell", *(["-c", NO_FILE] if how == "-c" else [])]
    environment = {name: each for name, each in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        command, input=None if how == "-c" else NO_FILE, stdin=subprocess.DEVNULL if how == "-c" else None,
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("refused: ")]
    assert len(lines) == 2, done.stdout
    assert lines[0].endswith("give memoize a name")
    assert lines[1].endswith("give memoize a key")


@pytest.mark.parametrize("globals_", [{}, {"__name__": "jobs"}, {"__name__": __name__, "__file__": __file__}])
@pytest.mark.parametrize("file", ["<string>", "<stdin>", "<console>", "<ipython-input-1>", "<doctest a[0]>"])
def test_executed_functions_need_a_name(file: str, globals_: dict[str, Any]) -> None:
    space = dict(globals_)
    exec(compile("def load(x): return x", file, "exec"), space)
    for function in (space["load"], functools.wraps(space["load"])(lambda x: x), functools.wraps(buy)(space["load"])):
        with pytest.raises(TypeError, match=r"no name of its own: .* is of no file.*; give memoize a name"):
            forklore.memoize(function)
        assert forklore.memoize(name="load")(function).cache_key(1) == "load(i1)"


def test_bound_methods_of_C_need_a_name() -> None:
    with pytest.raises(TypeError, match="give memoize a name"):
        forklore.memoize({1: 2}.__contains__)
    assert forklore.memoize(math.sin).cache_key(1.0).startswith("math:sin(")


JOB = """
import forklore
class Item(str): pass
def load(x): return x
load = forklore.memoize(load)
KEYS = [load.cache_key(1), forklore.memoize(name="f")(load).cache_key(Item("a"))]
print(*KEYS)
"""


def printed(command: list[str], directory: Path) -> str:
    return subprocess.run([sys.executable, *command], cwd=directory, capture_output=True, text=True, check=True).stdout


def test_files_that_are_run_are_told_by_the_file(tmp_path: Path) -> None:
    """By runpy, by a profiler, and as a directory or a zip; the same each time, and no two alike."""
    runs = {}
    for name in ("a", "b"):
        (tmp_path / f"{name}_job.py").write_text(JOB)
        (tmp_path / name).mkdir()
        (tmp_path / name / "__main__.py").write_text(JOB)
        with zipfile.ZipFile(tmp_path / f"{name}.pyz", "w") as archive:
            archive.writestr("__main__.py", JOB)
        for path in (f"{name}_job.py", name, f"{name}.pyz"):
            run = f"import runpy; runpy.run_path({path!r})"
            named = f"import runpy; runpy.run_path({path!r}, run_name='job')"
            keys = {printed(command, tmp_path) for command in ([path], ["-c", run], ["-c", named])}
            assert len(keys) == 1, keys
            runs[path] = keys.pop()
        (tmp_path / f"{name}.py").write_text(
            "import forklore\ndef load(x): return x\nprint(forklore.memoize(load).cache_key(1))"
        )
        profiled = printed(["-m", "cProfile", f"{name}.py"], tmp_path).splitlines()[0]
        assert profiled == printed([f"{name}.py"], tmp_path).strip()
    assert len(set(runs.values())) == len(runs) == 6


def test_imported_modules_are_told_by_their_name(tmp_path: Path) -> None:
    """Also those of a zip, and as -m runs a package's."""
    with zipfile.ZipFile(tmp_path / "shops.zip", "w") as archive:
        archive.writestr("zipped.py", JOB)
    (tmp_path / "plain.py").write_text(JOB)
    imports = "import sys; sys.path.insert(0, 'shops.zip'); import plain, zipped"
    assert printed(["-c", imports], tmp_path).splitlines() == [
        f"{name}:load(i1) f(o{len(name) + 5}:{name}:Item(s1:a))" for name in ("plain", "zipped")
    ]
    assert printed(["-m", "plain"], tmp_path) == printed(["plain.py"], tmp_path)


def test_functions_of_one_qualified_name() -> None:
    def choose(flag: bool) -> Any:
        if flag:

            def load(x: int) -> int:
                return x

        else:

            def load(x: int) -> int:
                return -x

        return forklore.memoize(load)

    keys = [choose(flag).cache_key(1) for flag in (True, False, True)]
    assert keys[0] == keys[2] != keys[1]


def test_functions_that_follow_each_other_under_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a module, as those registered with a singledispatch are; and loading the module again changes nothing."""
    (tmp_path / "twice_defined.py").write_text(
        """
import forklore
@forklore.memoize
def _(x): return 1
first = _
@forklore.memoize
def _(x): return 2
exec(compile("@forklore.memoize\\ndef f(x): return 1", __file__, "exec"))
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("twice_defined")
    try:
        keys = [module.first.cache_key(1), module._.cache_key(1), module.f.cache_key(1)]
        assert keys == ["twice_defined:_(i1)", "twice_defined:_@6(i1)", "twice_defined:f(i1)"]
        module = importlib.reload(module)
        assert [module.first.cache_key(1), module._.cache_key(1), module.f.cache_key(1)] == keys
        with pytest.raises(TypeError, match=r"another function has the name twice_defined:f@1: give memoize a name"):
            for answer in (2, 3):
                text = f"@forklore.memoize\ndef f(x): return {answer}"
                exec(compile(text, str(module.__file__), "exec"), vars(module))
    finally:
        del sys.modules["twice_defined"]


def test_class_methods_know_their_class() -> None:
    keys = {forklore.memoize(method).cache_key() for method in (Shop.make, OtherShop.make)}
    assert len(keys) == 2

    class Local(Shop):
        pass

    with pytest.raises(TypeError, match="no name of its own"):
        forklore.memoize(Local.make)


def test_a_class_that_takes_anothers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is found under a name is called by it."""
    namespace: dict[str, Any] = {"__name__": __name__}
    exec("class Text(str): pass", namespace)
    mine, theirs = Text("a"), namespace["Text"]("a")
    assert said(mine)
    with pytest.raises(TypeError, match="is not what is found under that name"):
        said(theirs)
    monkeypatch.setattr(sys.modules[__name__], "Text", namespace["Text"])
    assert said(theirs)
    with pytest.raises(TypeError, match="is not what is found under that name"):
        said(mine)
