"""forklore.memoize on a cache: keys, methods, coroutines. (On aliases of Django: test_django_flight.py.)"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import runpy
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forklore

Fork = Callable[[Callable[[], object]], Any]


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int


def test_called_once_for_each_arguments(cache: forklore.Cache) -> None:
    called = []

    @forklore.memoize(60, cache=cache, name="add")
    def add(a: int, b: int = 2, *more: int, c: int = 3, **others: int) -> int:
        """Adds."""
        called.append((a, b, more, c, others))
        return a + b

    assert [add(1), add(1, 2), add(a=1), add(1, b=2, c=3)] == [3] * 4
    assert len(called) == 1
    for call in ((2,), (1, 3), (1, 2, 3), (1.0,), (True,), ("1", "2")):
        add(*call)
    add(1, c=4)
    add(1, d=5)
    assert len(called) == 9
    assert add.__doc__ == "Adds."
    assert add.__name__ == "add"
    assert inspect.signature(add).parameters["b"].default == 2
    assert cache.get(add.cache_key(1)) == 3
    assert add.forget(1) is True
    assert add.forget(1) is False
    add(1)
    assert len(called) == 10


def test_none_is_a_result(cache: forklore.Cache) -> None:
    called = []
    find = forklore.memoize(cache=cache, name="find")(lambda number: called.append(number))
    assert [find(1), find(1), find(2)] == [None] * 3
    assert called == [1, 2]


def test_without_parentheses() -> None:
    @forklore.memoize
    def bare(x: int) -> int:
        return x

    assert "bare" in bare.cache_key(1)


def test_one_of_all_processes_calls(cache: forklore.Cache, fork: Fork) -> None:
    @forklore.memoize(60, cache=cache, name="slow")
    def slow(x: int) -> int:
        cache.incr("called", initial=0)
        time.sleep(0.2)
        return x

    children = [fork(lambda: slow(5)) for _ in range(6)]
    assert [child.wait() for child in children] == [0] * 6
    assert cache.get("called") == 1


def test_the_old_result_while_one_renews(cache: forklore.Cache) -> None:
    go = threading.Event()
    calls = []

    @forklore.memoize(0.05, stale_for=30, cache=cache, name="slow")
    def slow() -> int:
        calls.append(1)
        if len(calls) > 1:
            assert go.wait(10)
        return len(calls)

    assert slow() == 1
    time.sleep(0.1)
    thread = threading.Thread(target=slow)
    thread.start()
    while len(calls) < 2:
        time.sleep(0.001)
    assert slow() == 1
    go.set()
    thread.join()


# Against each other and those of other types: test_memoize_keys.py.
ARGUMENTS = [
    "text", "x y", "é", b"bytes", 5, 2**70, 1.5, True, None, (1, "a"), [1, 2], {1, 2}, frozenset("ab"),
    {"b": 1, "a": [2]}, datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3), datetime.timedelta(5),
    decimal.Decimal("1.0"), uuid.UUID(int=5), Colour.RED, Point(1, 2), Point, int, "long" * 200,
]  # fmt: skip


def test_keys_are_the_same_in_every_process(cache: forklore.Cache) -> None:
    show = forklore.memoize(cache=cache, name="show")(repr)
    here = [show.cache_key(argument) for argument in ARGUMENTS[:16]]
    script = f"""
import datetime, forklore
show = forklore.memoize(cache=forklore.Cache.attach({cache.name!r}), name="show")(repr)
print([show.cache_key(argument) for argument in {ARGUMENTS[:16]!r}])
"""
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert eval(there) == here


def test_keys_differ_where_arguments_do(cache: forklore.Cache) -> None:
    show = forklore.memoize(cache=cache)(repr)
    keys = [show.cache_key(argument) for argument in ARGUMENTS]
    assert len(set(keys)) == len(keys)
    assert all(len(key) <= 200 and key.isascii() and key.isprintable() and " " not in key for key in keys)
    assert show.cache_key({"a": 1, "b": 2}) == show.cache_key({"b": 2, "a": 1})
    assert show.cache_key({"ab", "c"}) == show.cache_key({"c", "ab"})


def test_what_does_not_say_what_it_is_is_refused(cache: forklore.Cache) -> None:
    show = forklore.memoize(cache=cache)(repr)
    with pytest.raises(TypeError, match=r"object has no words that are the same in every process; give memoize a key"):
        show(object())


class Shop:
    cache: forklore.Cache

    def __init__(self, number: int) -> None:
        self.number = number
        self.called = 0

    def twice(self) -> int:
        return 2 * self.number


class Stall(Shop):
    pass


def test_methods(cache: forklore.Cache) -> None:
    class Own(Shop):
        @forklore.memoize(60, key=lambda self, product: (self.number, product), cache=cache)
        def price(self, product: int) -> int:
            self.called += 1
            return self.number * product

        @staticmethod
        @forklore.memoize(60, cache=cache)
        def tax(product: int) -> int:
            return product

    one, two = Own(1), Own(2)
    assert [one.price(5), one.price(product=5), two.price(5)] == [5, 5, 10]
    assert (one.called, two.called) == (1, 1)
    assert Own.price.forget(one, 5) is True
    one.price(5)
    assert one.price.forget(5) is True
    assert one.price.cache_key(5) == Own.price.cache_key(one, 5) != two.price.cache_key(5)
    one.price(5)
    assert one.called == 3
    assert (one.price == one.price, one.price == two.price, len({one.price, one.price})) == (True, False, 1)
    assert one.price.__name__ == "price"
    assert (Own.tax(3), one.tax(3)) == (3, 3)
    with pytest.raises(TypeError, match="below @staticmethod"):
        forklore.memoize(cache=cache)(staticmethod(repr))


def test_class_methods(cache: forklore.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    @forklore.memoize(60, cache=cache)
    def kind(cls: type) -> str:
        return cls.__name__

    monkeypatch.setattr(Shop, "kind", classmethod(kind), raising=False)
    assert [each.kind() for each in (Shop, Stall, Shop(1), Stall(1))] == ["Shop", "Stall"] * 2  # type: ignore


def test_coroutines(cache: forklore.Cache) -> None:
    called = []

    class Shop:
        @forklore.memoize(60, key=lambda self, x: x, cache=cache)
        async def fetch(self, x: int) -> int:
            called.append(x)
            await asyncio.sleep(0.05)
            return x

    shop = Shop()

    async def main() -> None:
        assert await asyncio.gather(*(shop.fetch(5) for _ in range(20))) == [5] * 20
        assert await shop.fetch(6) == 6

    asyncio.run(main())
    assert called == [5, 6]
    from asgiref.sync import iscoroutinefunction

    assert iscoroutinefunction(Shop.fetch)
    assert iscoroutinefunction(shop.fetch)
    assert shop.fetch.forget(5) is True


def test_what_cannot_be_memoized(cache: forklore.Cache) -> None:
    def numbers() -> Any:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        forklore.memoize(cache=cache)(numbers)
    with pytest.raises(TypeError, match="alias"):
        forklore.memoize(cache=5)(repr)
    with pytest.raises(TypeError):
        forklore.memoize(cache=cache)(repr)()
    for options, wrong in (({"ttl": "6"}, "ttl is seconds"), ({"key": "abc"}, "key is a function")):
        with pytest.raises(TypeError, match=wrong):
            forklore.memoize(**options, cache=cache)


def test_what_its_name_does_not_tell_from_others(cache: forklore.Cache) -> None:
    memoize = functools.partial(forklore.memoize, 60, cache=cache)

    def made(number: int) -> Any:
        def inner(x: int) -> int:
            return number * x

        return inner

    def wrapped(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any) -> Any:
            return function(*args)

        return call

    for function in (lambda: 1, functools.partial(made, 1)):
        with pytest.raises(TypeError, match="no name of its own: give memoize a name"):
            memoize()(function)
        assert memoize(name="it")(function)
    for function in (made(1), wrapped(made(1))):
        with pytest.raises(TypeError, match=r"inner uses number from around it.*give memoize a key or a name"):
            memoize()(function)
    assert [memoize(name=f"times {number}")(made(number))(2) for number in (1, 2)] == [2, 4]
    assert memoize(key=lambda x: x)(made(3))(2) == 6
    with pytest.raises(TypeError, match="uses self"):
        memoize()(Shop(1).twice)

    class Special(Shop):
        @memoize()
        def twice(self) -> int:  # what super() uses is not of the function around it
            return super().twice()

    assert Special.twice.cache_key.__self__.__name__ == "twice"
    assert memoize()(wrapped(repr))("a") == "'a'"

    @memoize()
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    assert factorial(5) == 120


@pytest.mark.parametrize("where", ["a module", "none"])
def test_code_of_no_file_needs_a_name(cache: forklore.Cache, where: str) -> None:
    """As `manage.py shell -c` runs it, in the module of the command, and exec() in none."""
    source = "@forklore.memoize(cache=cache)\ndef load(x): return x"
    around = {"forklore": forklore, "cache": cache}
    if where == "a module":
        around["__name__"] = __name__
    with pytest.raises(TypeError, match="give memoize a name"):
        exec(source, around)


def test_scripts_that_runpy_runs_share_nothing(cache: forklore.Cache, tmp_path: Path) -> None:
    answers = []
    for job in ("a", "b"):
        script = tmp_path / f"{job}_job.py"
        script.write_text(f"@memoize(cache=cache)\ndef load(x): return {job!r}\nanswer = load(5)\n")
        answers.append(runpy.run_path(str(script), {"memoize": forklore.memoize, "cache": cache})["answer"])
    assert answers == ["a", "b"]
    (tmp_path / "key.py").write_text("@memoize(cache=cache)\ndef load(x): return x\nkey = load.cache_key(5)\n")
    key = runpy.run_path(str(tmp_path / "key.py"), {"memoize": forklore.memoize, "cache": cache})["key"]
    assert key.startswith(str((tmp_path / "key.py").resolve())) or "#" in key
