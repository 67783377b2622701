"""A value that cannot be read back: what reads say of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from django.core.cache import caches
from django.http import HttpResponse
from django.test import RequestFactory

import forklore
from forklore.django import cache_page

from .conftest import Child, eventually
from .django_site import configured


class Gone:
    """Stores an instance of a class, and takes the class away."""

    def __init__(self) -> None:
        self.module = ModuleType("vanishing")
        exec("class Order: pass", self.module.__dict__)
        self.module.Order.__module__ = "vanishing"

    def store(self, cache: forklore.Cache, key: str, ttl: Any = None) -> None:
        sys.modules["vanishing"] = self.module
        try:
            cache.set(key, self.module.Order(), ttl)
        finally:
            del sys.modules["vanishing"]


@pytest.fixture
def gone() -> Gone:
    return Gone()


def test_each_read_raises_and_names_the_key(cache: forklore.Cache, gone: Gone) -> None:
    gone.store(cache, "k")
    cache.set("fine", 1)
    reads: list[Callable[[], Any]] = [
        lambda: cache.get("k"),
        lambda: cache.gets("k"),
        lambda: cache.get_many(["fine", "k"]),
    ]
    for read in reads:
        with pytest.raises(forklore.Unreadable) as caught:
            read()
        assert caught.value.key == "k"
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert cache.get("fine") == 1
    assert "k" in cache


def test_it_is_a_serializer_error_and_writing_is_not_unreadable(cache: forklore.Cache) -> None:
    assert issubclass(forklore.Unreadable, forklore.SerializerError)
    assert forklore.Unreadable().key is None
    with pytest.raises(forklore.SerializerError) as caught:
        cache.set("k", lambda: 0)
    assert not isinstance(caught.value, forklore.Unreadable)


def test_an_interrupted_read_is_no_unreadable_value(cache: forklore.Cache) -> None:
    cache.set("k", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        cache.get_many(["k"])


class Interrupting:
    def __reduce__(self) -> tuple[Any, ...]:
        return (interrupt, ())


def interrupt() -> None:
    raise KeyboardInterrupt


def pickled(name: str, key: str, ttl: Any = None, **how: Any) -> None:
    """Stores a value that a handle with serializer="json" cannot read."""
    with forklore.Cache.attach(name) as other:
        if how:
            other.get_or_compute(key, lambda: {1, 2}, ttl, **how)
        else:
            other.set(key, {1, 2}, ttl)


@pytest.fixture
def reader(name: str) -> Iterator[forklore.Cache]:
    with forklore.Cache(name, "4MB", serializer="json") as opened:
        yield opened
        assert opened.verify() == []


def never() -> Any:
    raise AssertionError("is not to be called")


def test_it_is_computed_anew_and_replaced(name: str, reader: forklore.Cache) -> None:
    pickled(name, "k")
    assert reader.get_or_compute("k", lambda: [1], ttl=60) == [1]
    assert reader.get_or_compute("k", never) == [1]
    assert reader.get("k") == [1]
    assert 59 < (reader.ttl("k") or 0) <= 60
    pickled(name, "k")
    with pytest.raises(forklore.Unreadable):
        reader.get("k")


def test_one_whose_class_is_gone(cache: forklore.Cache, gone: Gone) -> None:
    gone.store(cache, "k")
    assert cache.get_or_compute("k", lambda: "new") == "new"
    assert cache.get("k") == "new"


def test_the_log_says_so(name: str, reader: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    for key in ("first", "second"):
        pickled(name, key)
        reader.get_or_compute(key, lambda: 1)
    said = [record.getMessage() for record in caplog.records if record.name == "forklore"]
    assert len(said) == 1  # a minute
    assert "cannot be read back and is computed again: 'first'" in said[0]
    assert "is a pickle" in said[0]


def test_of_all_processes_one_computes(name: str, reader: forklore.Cache) -> None:
    pickled(name, "k")
    reader.set("go", 0)

    def compute() -> list[int]:
        reader.incr("computed", initial=0)
        eventually(lambda: reader.get("asked") == 8)
        return [7]

    def in_child() -> None:
        reader.incr("asked", initial=0)
        assert reader.get_or_compute("k", compute) == [7]

    children = [Child(in_child) for _ in range(8)]
    assert [child.wait() for child in children] == [0] * 8
    assert reader.get("computed") == 1
    assert reader.get("k") == [7]


def test_of_all_threads_one_computes(name: str, reader: forklore.Cache) -> None:
    pickled(name, "k")
    asked: list[int] = []
    computed: list[int] = []

    def compute() -> list[int]:
        computed.append(1)
        eventually(lambda: len(asked) == 8)
        return [7]

    def ask() -> None:
        asked.append(1)
        assert reader.get_or_compute("k", compute) == [7]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ask) for _ in range(8)]:
            done.result()
    assert len(computed) == 1


def test_of_all_tasks_one_computes(name: str, reader: forklore.Cache) -> None:
    pickled(name, "k")
    computed: list[int] = []

    async def compute() -> list[int]:
        computed.append(1)
        await asyncio.sleep(0.05)
        return [7]

    async def ask_all() -> list[Any]:
        return await asyncio.gather(*[reader.aget_or_compute("k", compute) for _ in range(8)])

    assert asyncio.run(ask_all()) == [[7]] * 8
    assert len(computed) == 1
    assert reader.get("k") == [7]


def test_a_stale_one_is_not_served(name: str, reader: forklore.Cache) -> None:
    """Who does not compute waits for the value, as there is no old one to be had."""
    pickled(name, "k", 0.02, stale_for=3600)
    eventually(lambda: "k" not in reader)
    begun, may_end = threading.Event(), threading.Event()

    def compute() -> list[int]:
        begun.set()
        assert may_end.wait(20)
        return [7]

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(reader.get_or_compute, "k", compute, 60, stale_for=3600)
        assert begun.wait(20)
        others = [
            pool.submit(reader.get_or_compute, "k", never, 60, stale_for=3600),
            pool.submit(lambda: asyncio.run(reader.aget_or_compute("k", never, 60, stale_for=3600))),
        ]
        # Nor longer than it was told to.
        assert reader.get_or_compute("k", lambda: [8], 60, stale_for=3600, wait=0) == [8]
        may_end.set()
        assert [done.result() for done in (first, *others)] == [[7]] * 3
    assert reader.get("k") == [7]


def test_the_function_that_fails_leaves_nothing(name: str, reader: forklore.Cache) -> None:
    pickled(name, "k")
    with pytest.raises(ZeroDivisionError):
        reader.get_or_compute("k", lambda: 1 // 0)
    assert reader.get("k") is None


def test_a_handle_that_only_reads_computes_for_itself(name: str, reader: forklore.Cache) -> None:
    pickled(name, "k")
    with forklore.Cache.attach(name, serializer="json", read_only=True) as looking:
        assert looking.get_or_compute("k", lambda: [1]) == [1]
    with pytest.raises(forklore.Unreadable):
        reader.get("k")


def test_one_that_is_stored_while_it_is_computed_wins(name: str, reader: forklore.Cache) -> None:
    """Another version of the program stores what this one cannot read."""
    pickled(name, "k")
    assert reader.get_or_compute("k", lambda: pickled(name, "k") or [1]) == [1]
    with pytest.raises(forklore.Unreadable):
        reader.get("k")


def test_memoize(name: str, reader: forklore.Cache) -> None:
    @forklore.memoize(cache=reader, name="sum")
    def total(*numbers: int) -> list[int]:
        return [sum(numbers)]

    pickled(name, total.cache_key(1, 2))
    assert total(1, 2) == [3]
    assert reader.get(total.cache_key(1, 2)) == [3]


def test_an_unreadable_value_that_the_function_meets_is_its_own(name: str, reader: forklore.Cache) -> None:
    pickled(name, "inner")
    with pytest.raises(forklore.Unreadable) as caught:
        reader.get_or_compute("outer", lambda: reader.get("inner"))
    assert caught.value.key == "inner"


@pytest.fixture
def backend(name: str) -> Iterator[Any]:
    with configured(name, {"SERIALIZER": "json"}):
        yield caches["default"]


def test_django_get_or_set(name: str, backend: Any) -> None:
    backend.set("fine", 1)
    pickled(name, backend.make_key("k"))
    assert backend.get_or_set("k", lambda: [1]) == [1]
    assert backend.get("k") == [1]
    pickled(name, backend.make_key("k"))
    assert asyncio.run(backend.aget_or_set("k", lambda: [2])) == [2]
    assert backend.get("k") == [2]
    pickled(name, backend.make_key("k"))
    assert backend.get_many(["fine", "k", "absent"]) == {"fine": 1}


def test_django_a_default_that_cannot_be_written(backend: Any) -> None:
    with pytest.raises(TypeError) as caught:
        backend.get_or_set("k", lambda: {1, 2})
    assert not isinstance(caught.value, forklore.SerializerError)


def test_django_cache_page(name: str) -> None:
    with configured(name):
        backend = caches["default"]
        seen: list[str] = []

        @cache_page(60)
        def view(request: Any) -> HttpResponse:
            seen.append(request.path)
            return HttpResponse(f"page {len(seen)}")

        def visit() -> bytes:
            return view(RequestFactory().get("/page")).content

        assert [visit(), visit()] == [b"page 1"] * 2
        [page] = [key for key in backend.handle.keys() if ".cache_page." in key]
        with forklore.Cache.attach(name, serializer="json") as other:
            other.set(page, ["not a page"], 60)
        assert [visit(), visit()] == [b"page 2"] * 2
