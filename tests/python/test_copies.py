"""Every handle, and what calls answer: copied, deeply copied, pickled; before their first use and after it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches

import forklore

from .django_site import configured

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda it: pickle.loads(pickle.dumps(it)),
    "oldest pickle": lambda it: pickle.loads(pickle.dumps(it, 2)),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
memory_ways = pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])


class Tagged(forklore.Cache):
    """A subclass with an attribute of its own."""

    tag: Any = None


@ways
def test_a_cache(cache: forklore.Cache, way: Callable[[Any], Any]) -> None:
    cache.set("k", "v")
    with way(cache) as again:
        assert (again.get("k"), again.path) == ("v", cache.path)
        again.set("k", "changed")
    assert cache.get("k") == "changed"  # closing the copy has not closed it


@ways
def test_a_cache_of_a_subclass(name: str, way: Callable[[Any], Any]) -> None:
    cache = Tagged(name, "1MB")
    cache.tag = ["a list"]
    again = way(cache)
    assert (type(again), again.tag) == (Tagged, ["a list"])
    assert (again.tag is cache.tag) == (way is copy.copy)


@memory_ways
def test_a_cache_in_anonymous_memory(name: str, way: Callable[[Any], Any]) -> None:
    cache = forklore.Cache(name, "1MB", place="anonymous", default_ttl=60, serializer="json")
    cache.set("k", "v")
    again = way(cache)
    assert (again.get("k"), again.serializer) == ("v", "json")
    with pytest.raises(forklore.Error, match="cannot be pickled"):
        pickle.dumps(cache)
    cache.close()
    with pytest.raises(forklore.Error, match="closed"):
        way(cache)


@ways
def test_a_lock_is_its_holders(cache: forklore.Cache, way: Callable[[Any], Any]) -> None:
    lock = cache.lock("l")
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        way(lock)
    with lock, pytest.raises(TypeError, match="neither copied nor pickled"):
        way(lock)
    assert cache.lock("l").acquire(0)


@ways
def test_what_calls_answer(cache: forklore.Cache, way: Callable[[Any], Any]) -> None:
    cache.rate_limit("r", 1, 100)
    errors: list[Exception] = [
        forklore.RateLimited("words", 5.0),
        forklore.OpenError(2, "words"),
        forklore.Busy("words"),
    ]
    errors += [
        forklore.ReadOnly("words"),
        forklore.TooLarge("words"),
        forklore.Full("words"),
        forklore.NotHeld("words"),
    ]
    answers = (cache.stats(), cache.rate_limit("r", 1, 100), cache.count_in_window("w", 60), forklore.Kept(1, 2))
    for answer in (*answers, *forklore.segments()):
        assert way(answer) == answer
    for error in errors:
        again = way(error)
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert way(forklore.DEFAULT) is forklore.DEFAULT


# Functions, by their names as all are


@forklore.memoize(ttl=60)
def doubled(x: int) -> int:
    return 2 * x


@forklore.memoize(ttl=60)
async def adoubled(x: int) -> int:
    return 2 * x


@forklore.rate_limited(5, 60)
def limited() -> None: ...


class Shop:
    def __init__(self, number: int) -> None:
        self.number = number

    @forklore.memoize(ttl=60, key=lambda self, x: (self.number, x))
    def price(self, x: int) -> int:
        return self.number * x


@ways
def test_memoized_functions(name: str, way: Callable[[Any], Any]) -> None:
    for function in (doubled, adoubled, limited, Shop.price):
        assert way(function) is function
    with configured(name):
        for use in range(2):
            assert way(doubled)(4) == 8, use
            assert way(Shop(3).price)(4) == 12
    assert way(Shop(3).price).__self__.number == 3


def test_memoized_functions_in_a_pool(name: str) -> None:
    with configured(name), multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(doubled, range(5)) == [0, 2, 4, 6, 8]
        assert pool.map(Shop(3).price, range(3)) == [0, 3, 6]


# The backend of Django


@pytest.fixture(params=["shm", "anonymous"])
def backend(name: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    with configured(name, {"PLACE": request.param}, {"KEY_PREFIX": "p", "TIMEOUT": 50}):
        yield caches["default"]


@ways
def test_a_backend(backend: Any, way: Callable[[Any], Any]) -> None:
    before = way(backend)
    before.set("k", "v")  # by the copy first
    assert backend.get("k") == "v"
    after = way(backend)
    assert (after.get("k"), after.key_prefix, after.default_timeout) == ("v", "p", 50)
    after.get_or_set("n", lambda: 1)
    assert way(after).incr("n") == 2
    assert after.handle is backend.handle  # one for the process, still


def test_a_backend_in_another_process(name: str) -> None:
    with configured(name):
        backend = caches["default"]
        backend.set("k", "v")
        script = """
import pickle, sys
from django.conf import settings
settings.configure()
backend = pickle.load(sys.stdin.buffer)
print(backend.get("k"), backend.touch("k", 50))
"""
        done = subprocess.run(
            [sys.executable, "-c", script], input=pickle.dumps(backend), capture_output=True, check=True
        )
        assert done.stdout == b"v True\n"
