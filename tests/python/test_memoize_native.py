"""Memoized in C++: the keys are those that Python makes, and a hit runs no Python."""

from __future__ import annotations

import asyncio
import gc
import inspect
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import forklore
from forklore.keys import in_key, key_of_call
from forklore.memoize import Memoized

LETTERS = (
    "a",
    "Z",
    "0",
    " ",
    "%",
    "(",
    ")",
    ",",
    ":",
    "=",
    "#",
    "\0",
    "\n",
    "\x7f",
    "\x80",
    "é",
    "€",
    "\U0001f600",
    "\ud800",
)
FLOATS = (
    0.0,
    -0.0,
    1.0,
    1.5,
    -2.75,
    1e300,
    5e-324,
    0.1,
    1e16,
    1e-7,
    float("inf"),
    float("-inf"),
    float("nan"),
    -float("nan"),
)
INTS = (0, 1, -1, 9, 10, 2**31, 2**62, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**200, -(2**200))


class Text(str):
    """One that native code leaves to Python."""


class Number(int):
    pass


def any_value(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(11 if depth < 3 else 8)
    if kind == 0:
        return draw.choice((None, True, False, ...))
    if kind == 1:
        return draw.choice(INTS) + draw.randrange(-1, 2)
    if kind == 2:
        return draw.choice((*FLOATS, draw.uniform(-1e6, 1e6), float(draw.randrange(-5, 5))))
    if kind in (3, 4):
        letters = LETTERS if kind == 3 else "abcdefghij"
        return "".join(draw.choice(letters) for _ in range(draw.choice((0, 1, 2, 5, 20, 150, 300))))
    if kind == 5:
        return draw.randbytes(draw.choice((0, 1, 5, 90, 110, 200)))
    if kind == 6:
        return draw.randrange(-1000, 1000)
    if kind == 7:
        return draw.choice((Text("a"), Number(5), int, len, 1 + 2j, b"".join, range(3)))
    inner = [any_value(draw, depth + 1) for _ in range(draw.choice((0, 1, 2, 3)))]
    return tuple(inner) if kind < 10 else draw.choice((list, tuple))(inner)


def told(value: Any) -> Any:
    """Whether Python tells it: bound methods of no module and so on it does not."""
    try:
        return key_of_call("f", (value,), {})
    except TypeError:
        return None


def test_native_keys_are_those_of_python(cache: forklore.Cache) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)

    def function(a: Any, /, b: Any = 2, *more: Any, word: Any = (), other: Any = None) -> None: ...

    native = forklore.memoize(cache=cache, name="f")(function)
    seen: dict[str, Any] = {}
    for _ in range(4000):
        values = [value for value in (any_value(draw) for _ in range(draw.randrange(1, 5))) if told(value) is not None]
        if not values:
            continue
        words = {name: "x" for name in ("word", "other") if draw.random() < 0.3}
        whole = (values[0], values[1] if len(values) > 1 else 2, *values[2:])
        expected = key_of_call("f", whole, {"word": (), "other": None} | words)
        assert native.cache_key(*values, **words) == expected
        alike = seen.setdefault(expected, (whole, words))
        assert repr(alike) == repr((whole, words)), "two calls share a key"
        if len(values) == 2:
            assert native.cache_key(values[0], b=values[1], **words) == expected
    assert len(seen) > 1000


@pytest.mark.parametrize("said", ["f", "a b", "ä", "per%cent", "f(x)", "n\0ul", "long" * 60, "s\ud800"])
def test_names_are_those_of_python(cache: forklore.Cache, said: str) -> None:
    native = forklore.memoize(cache=cache, name=said)(lambda x: x)
    for value in (1, "a", "a b", "x" * 300):
        assert native.cache_key(value) == key_of_call(in_key(said), (value,), {})


def test_equal_values_of_other_types_have_other_keys(cache: forklore.Cache) -> None:
    native = forklore.memoize(cache=cache, name="f")(lambda x: x)
    values = (
        1,
        True,
        1.0,
        "1",
        b"1",
        (1,),
        (True,),
        ((1,),),
        0.0,
        -0.0,
        0,
        False,
        None,
        "N",
        ...,
        Number(1),
        Text("1"),
    )
    assert len({native.cache_key(value) for value in values}) == len(values)


def test_parameters_of_all_kinds(cache: forklore.Cache) -> None:
    def all_kinds(a: int, /, b: int, c: int = 3, *more: int, e: int, d: int = 4, **others: int) -> None: ...

    key = forklore.memoize(cache=cache, name="f")(all_kinds).cache_key
    assert key(1, 2, e=5) == key(1, b=2, e=5) == key(1, 2, 3, d=4, e=5) == "f(i1,i2,i3,1:d=i4,1:e=i5)"
    assert key(1, 2, 3, 9, 8, e=5) == "f(i1,i2,i3,i9,i8,1:d=i4,1:e=i5)"
    assert key(1, 2, e=5, z=7, bb=6) == "f(i1,i2,i3,2:bb=i6,1:d=i4,1:e=i5,1:z=i7)"
    assert key(1, 2, e=5, a=7) == "f(i1,i2,i3,1:a=i7,1:d=i4,1:e=i5)"
    for wrong in (lambda: key(1, e=5), lambda: key(1, 2), lambda: key(1, 2, b=2, e=5), lambda: key()):
        with pytest.raises(TypeError):
            wrong()


def test_more_parameters_than_native_code_places(cache: forklore.Cache) -> None:
    names = [f"p{number}" for number in range(40)]
    scope: dict[str, Any] = {}
    exec(f"def many({', '.join(f'{name}=0' for name in names)}): return p39", scope)
    many = forklore.memoize(cache=cache, name="many")(scope["many"])
    assert many(p39=7) == 7
    assert many.cache_key(p39=7) == key_of_call("many", (0,) * 39 + (7,), {})


def python_calls(run: Callable[[], Any]) -> list[str]:
    """The names of the Python functions that run calls."""
    called: list[str] = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        run()
    finally:
        sys.setprofile(None)
    return called[1:]  # run itself


def test_a_hit_runs_no_python(cache: forklore.Cache) -> None:
    @forklore.memoize(60, cache=cache, name="f")
    def function(a: Any, b: Any = 2, *, c: Any = None) -> int:
        return 7

    hits = [
        lambda: function(1),
        lambda: function("user"),
        lambda: function(b"user", 2.5),
        lambda: function((1, ("a", None)), b=True, c="c"),
    ]
    for hit in hits:
        assert "function" in python_calls(hit)
        assert python_calls(hit) == []
    assert python_calls(lambda: function(a=1)) == []
    refreshed = forklore.memoize(60, stale_for=10, early=0.001, cache=cache, name="g")(lambda x: x)
    refreshed(1)
    assert python_calls(lambda: refreshed(1)) == []
    assert cache.stats().misses == len(hits) + 1  # a miss is looked for once


def test_a_method_is_not_bound_to_be_called(cache: forklore.Cache) -> None:
    class Table:
        @forklore.memoize(60, cache=cache, name="t", key=lambda self, x: x)
        def row(self, x: int) -> int:
            return x

    table = Table()
    table.row(1)
    assert python_calls(lambda: table.row(1)) == ["<lambda>"]  # the key of the caller's
    bound = table.row
    assert bound(1) == 1
    assert bound.cache_key(1) == Table.row.cache_key(table, 1) == "t(i1)"
    assert table.row.forget(1)


def test_it_looks_like_the_function(cache: forklore.Cache) -> None:
    def function(a: int) -> int:
        """Doubles."""
        return 2 * a

    function.mark = 1  # type: ignore[attr-defined]
    memoized: Any = forklore.memoize(60, cache=cache, name="f")(function)
    assert type(memoized) is Memoized
    assert (memoized.__name__, memoized.__doc__, memoized.__wrapped__, memoized.mark) == (
        "function", "Doubles.", function, 1)  # fmt: skip
    assert memoized.__module__ == __name__
    assert repr(memoized) == "<memoized f>"
    memoized.other = 2
    assert memoized.__dict__["other"] == 2


def test_what_it_holds_is_collected(cache: forklore.Cache) -> None:
    def build() -> weakref.ref[Any]:
        memoized: Any = forklore.memoize(60, cache=cache, name="f")(lambda x, y=[]: x)
        memoized.itself = memoized
        return weakref.ref(memoized)

    gone = build()
    gc.collect()
    assert gone() is None


def test_calls_leak_nothing(cache: forklore.Cache) -> None:
    memoized = forklore.memoize(60, cache=cache, name="f")(lambda x, y=None: 7)
    values = ["a" * 300, "b c", 2**70, (1, 2.5, ("x",)), b"bytes" * 10, Text("odd")]

    def use() -> None:
        for value in values:
            memoized(value)
            memoized(value, y=value)
            with pytest.raises(TypeError):
                memoized(object())
            memoized.forget(value)

    use()
    counts = [sys.getrefcount(value) for value in values]
    for _ in range(50):
        use()
    assert [sys.getrefcount(value) for value in values] == counts


def test_a_failing_key_function_is_its_callers(cache: forklore.Cache) -> None:
    asked = []

    def key(x: Any) -> Any:
        asked.append(x)
        return object()

    memoized = forklore.memoize(60, cache=cache, name="f", key=key)(lambda x: x)
    with pytest.raises(TypeError, match=r"f\(\): what key answered: .*; give memoize another key"):
        memoized(1)
    assert asked == [1]
    with pytest.raises(ZeroDivisionError):
        forklore.memoize(60, cache=cache, name="g", key=lambda x: 1 // x)(lambda x: x)(0)


def test_deep_tuples_end(cache: forklore.Cache) -> None:
    memoized = forklore.memoize(60, cache=cache, name="f")(lambda x: 1)
    deep: Any = ()
    for _ in range(100):
        deep = (deep,)
    assert memoized.cache_key(deep) == key_of_call("f", (deep,), {})
    for _ in range(100_000):
        deep = (deep,)
    with pytest.raises(TypeError, match="nested too deep"):
        memoized(deep)
    while deep:  # not by recursion, which would end the process on an old Python
        deep = deep[0]


def asked_coroutine(cache: forklore.Cache) -> weakref.ref[Any]:
    called = []

    @forklore.memoize(60, cache=cache, name="f")
    async def function(x: int, *, y: int = 2) -> int:
        called.append(x)
        return x + y

    async def ask() -> list[int]:
        return await asyncio.gather(*(function(1) for _ in range(20)), function(x=1), function(1, y=2))

    assert asyncio.run(ask()) == [3] * 22
    assert called == [1]
    assert function.cache_key(1) == "f(i1,1:y=i2)"
    assert inspect.iscoroutinefunction(type(function).__call__)  # as frameworks ask
    return weakref.ref(function)


def test_coroutine_functions_stay_awaitable_and_are_collected(cache: forklore.Cache) -> None:
    gone = asked_coroutine(cache)
    gc.collect()
    assert gone() is None


def test_what_makes_no_sense_is_refused(cache: forklore.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parameters come last: names, defaults, what stands for none, how many by position, alone, more, words."""
    given: list[Any] = []

    def recording(*arguments: Any) -> Any:
        given[:] = arguments
        return Memoized(*arguments)

    monkeypatch.setattr(sys.modules["forklore.memoize"], "Memoized", recording)
    forklore.memoize(60, cache=cache, name="f")(lambda x: x)
    assert given[-7:-5] == [("x",), (given[-5],)]
    for index, wrong in ((-6, ()), (-4, 2), (-3, 5), (-3, -1), (-1, ("a",)), (-7, (5,)), (2, "f("), (5, object())):
        with pytest.raises(TypeError):
            Memoized(*[wrong if place == index % len(given) else each for place, each in enumerate(given)])
