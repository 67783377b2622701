"""Django's get_or_set with one computation, memoize on an alias, locks and limits by the backend's keys."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches

import forklore

from .django_site import configured

Fork = Callable[[Callable[[], object]], Any]


@pytest.fixture
def cache(name: str) -> Any:
    with configured(name):
        yield caches["default"]


def never() -> Any:
    raise AssertionError("it was there")


def together(count: int, work: Callable[[], Any]) -> list[Any]:
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_a_default_is_called_once_over_threads(cache: Any) -> None:
    called = []

    def slow() -> str:
        called.append(1)
        time.sleep(0.2)
        return "value"

    assert together(12, lambda: caches["default"].get_or_set("k", slow, 60)) == ["value"] * 12
    assert len(called) == 1
    assert 40 < cache.handle.ttl(":1:k") <= 60


def test_a_default_is_called_once_over_workers(cache: Any, fork: Fork) -> None:
    def slow() -> str:
        cache.handle.incr("called", initial=0)
        time.sleep(0.2)
        return "value"

    cache.get("opened")
    children = [fork(lambda: caches["default"].get_or_set("k", slow)) for _ in range(6)]
    assert [child.wait() for child in children] == [0] * 6
    assert cache.handle.get("called") == 1


def test_none_is_kept(cache: Any) -> None:
    assert cache.get_or_set("none", lambda: None) is None
    assert cache.get_or_set("none", never) is None
    assert cache.get_or_set("plain", None) is None
    assert cache.get("plain", "absent") is None
    with pytest.raises(TypeError):
        cache.get_or_set("k")


def test_versions_prefixes_and_key_functions(name: str) -> None:
    with configured(name, params={"KEY_PREFIX": "site", "VERSION": 3}):
        cache = caches["default"]
        assert cache.get_or_set("k", lambda: 1) == 1
        assert cache.get_or_set("k", lambda: 2, version=4) == 2
        assert sorted(cache.handle.keys()) == ["site:3:k", "site:4:k"]
    with configured(name, params={"KEY_FUNCTION": lambda key, prefix, version: f"own-{key}"}):
        assert caches["default"].get_or_set("k", lambda: 5) == 5
        assert caches["default"].handle.get("own-k") == 5


def test_what_is_written_meanwhile_wins(cache: Any) -> None:
    assert cache.get_or_set("k", lambda: cache.delete("k") or "old") == "old"
    assert cache.get("k") is None
    assert cache.get_or_set("k", lambda: cache.set("k", "new") or "old") == "old"
    assert cache.get("k") == "new"


def test_what_cannot_be_stored_or_read(cache: Any) -> None:
    large = b"x" * (2 << 20)
    assert cache.get_or_set("large", lambda: large) == large
    with pytest.raises((pickle.PickleError, TypeError)) as caught:
        cache.get_or_set("lock", threading.Lock)
    assert not isinstance(caught.value, forklore.Error)
    with forklore.Cache.attach(cache.handle.name, serializer="json") as other:
        other.set(":1:json", [1])
    assert cache.get_or_set("json", lambda: [2]) == [2]  # what cannot be read back is a miss
    assert cache.get_or_set("json", never) == [2]
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("k", lambda: 1 // 0)

    async def coroutine() -> None: ...

    with pytest.raises(TypeError, match="aget_or_set"):
        cache.get_or_set("k", coroutine)


def renewed_by_one(ask: Callable[[Callable[[], str]], str], expire: Callable[[], None]) -> None:
    """While one renews, the others get the old value at once."""
    assert ask(lambda: "old") == "old"
    expire()
    begun, go = threading.Event(), threading.Event()

    def renew() -> str:
        begun.set()
        assert go.wait(10)
        return "new"

    thread = threading.Thread(target=lambda: ask(renew))
    thread.start()
    assert begun.wait(10)
    assert together(5, lambda: ask(never)) == ["old"] * 5
    go.set()
    thread.join()
    assert ask(never) == "new"


@pytest.mark.parametrize("where", ["argument", "settings"])
def test_the_old_value_while_one_renews(name: str, where: str) -> None:
    options, more = ({"STALE_FOR": 30}, {}) if where == "settings" else ({}, {"stale_for": 30})
    with configured(name, options):
        ttls = iter([0.05] + [60] * 20)
        renewed_by_one(
            lambda make: caches["default"].get_or_set("k", make, next(ttls), **more), lambda: time.sleep(0.1)
        )


def test_in_an_event_loop(cache: Any) -> None:
    called = []

    async def coroutine() -> str:
        called.append("coroutine")
        await asyncio.sleep(0.1)
        return "value"

    def function() -> str:
        called.append("function")
        time.sleep(0.1)
        return "value"

    async def main() -> None:
        for key, default in (("a", coroutine), ("b", function)):
            got = await asyncio.gather(*(cache.aget_or_set(key, default, 60) for _ in range(20)))
            assert got == ["value"] * 20
        assert await cache.aget_or_set("c", 5) == 5
        assert await cache.aget_or_set("c", never) == 5
        with pytest.raises((pickle.PickleError, TypeError)):
            await cache.aget_or_set("lock", threading.Lock)

    asyncio.run(main())
    assert called == ["coroutine", "function"]


def test_memoize_on_an_alias(name: str) -> None:
    called = []

    @forklore.memoize(60, key=lambda number: number)
    def double(number: int) -> int:
        called.append(number)
        return 2 * number

    @forklore.memoize(60, cache="default", name=f"{__name__}.test_memoize_on_an_alias.triple")
    async def triple(number: int) -> int:
        called.append(number)
        return 3 * number

    with configured(name):
        assert [double(2), double(2), double(3)] == [4, 4, 6]
        assert asyncio.run(triple(5)) == asyncio.run(triple(5)) == 15
        assert called == [2, 3, 5]
        keys = list(caches["default"].handle.keys())
        assert len(keys) == 3
        assert all(key.startswith((f":1:{__name__}:test_memoize", f":1:{__name__}.test_memoize")) for key in keys), keys
        assert double.forget(2) is True
    backend = "django.core.cache.backends.locmem.LocMemCache"
    with configured(name, params={"BACKEND": backend, "LOCATION": name, "OPTIONS": {}}):
        called.clear()
        assert [double(2), double(2)] == [4, 4]
        assert asyncio.run(triple(5)) == asyncio.run(triple(5)) == 15
        assert called == [2, 5]
        assert double.forget(2) is True


def test_locks_have_the_keys_of_their_cache(cache: Any) -> None:
    with cache.lock("l") as lock:
        assert lock.name == ":1:l"
        assert cache.lock("l").acquire(0) is False
        assert cache.lock("l", version=2).acquire(0) is True
        assert cache.handle.lock(":1:l").acquire(0) is False


def test_limits_have_the_keys_of_their_cache(cache: Any) -> None:
    assert cache.rate_limit("r", 1, 60)
    assert not cache.rate_limit("r", 1, 60)
    assert cache.rate_limit("r", 1, 60, version=2)
    assert cache.count_in_window("w", 60).current == 1
    assert sorted(cache.handle.keys()) == [":1:r", ":1:w", ":2:r"]

    @forklore.rate_limited(1, 60)
    def once() -> None:
        pass

    once()
    with pytest.raises(forklore.RateLimited):
        once()


def test_a_limit_on_another_backend_is_refused(name: str) -> None:
    @forklore.rate_limited(1, 60)
    def once() -> None:
        pass

    backend = "django.core.cache.backends.dummy.DummyCache"
    with (
        configured(name, params={"BACKEND": backend, "OPTIONS": {}}),
        pytest.raises(TypeError, match=r"CACHES\['default'\] is another backend"),
    ):
        once()
