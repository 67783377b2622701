"""The words of django-redis on the backend, through the methods and through their async twins."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, InvalidCacheBackendError

import forklore
from forklore.django import ForkloreCache
from forklore.django.redis_words import RedisWords

from .conftest import eventually
from .django_site import configured
from .test_django import Async, Sync


class AsyncWords(Async):
    """With the one that answers by `async for`."""

    def iter_keys(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        async def all_of_them() -> list[str]:
            return [key async for key in self.backend.aiter_keys(*args, **kwargs)]

        return iter(asyncio.run(all_of_them()))


@pytest.fixture
def backend(name: str) -> Iterator[ForkloreCache]:
    with configured(name):
        yield caches["default"]


@pytest.fixture(params=[Sync, AsyncWords])
def cache(backend: ForkloreCache, request: pytest.FixtureRequest) -> Any:
    return request.param(backend)


def test_each_word_has_its_async_twin() -> None:
    for name, method in vars(RedisWords).items():
        if inspect.isfunction(method) and name[0] not in "a_" and name != "lock":  # that one's object is entered
            twin = getattr(RedisWords, f"a{name}")
            assert inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin), name


def test_set_if(cache: Any) -> None:
    assert cache.set("k", 1) is None
    assert cache.set("k", 2, nx=True) is False
    assert cache.set("new", 2, nx=True) is True
    assert cache.set("k", 3, xx=True) is True
    assert cache.set("absent", 3, xx=True) is False
    assert cache.get_many(["k", "new", "absent"]) == {"k": 3, "new": 2}
    assert cache.set("k", 4, -1, nx=True) is False
    assert cache.get("k") == 3
    assert cache.set("k", 4, 0, xx=True) is True
    assert cache.get("k") is None
    with pytest.raises(TypeError, match="nx or xx, not both"):
        cache.set("k", 1, nx=True, xx=True)
    with pytest.raises(forklore.TooLarge, match="MAX_VALUE"):
        cache.set("new", b"x" * 2**22, xx=True)
    with pytest.raises((AttributeError, TypeError)):
        cache.set("new", threading.Lock(), xx=True)
    assert cache.get("new") == 2


def test_ttl(cache: Any) -> None:
    cache.set("k", 1, 10)
    assert cache.ttl("k") == 10
    assert 9_000 < cache.pttl("k") <= 10_000
    cache.set("k", 1, 0.4)
    assert cache.ttl("k") == 1  # rounded up: 0 is none
    assert 0 < cache.pttl("k") <= 400
    cache.set("k", 1, None)
    assert cache.ttl("k") is cache.pttl("k") is None
    assert cache.ttl("absent") == cache.pttl("absent") == 0
    cache.set("k", 1, 10, version=2)
    assert cache.ttl("k", version=2) == cache.ttl("k", 2) == 10


def test_expire(cache: Any) -> None:
    cache.set("k", 1, None)
    assert cache.expire("k", 20) is True
    assert cache.ttl("k") == 20
    assert cache.expire("k", timedelta(minutes=1)) is True
    assert cache.ttl("k") == 60
    assert cache.pexpire("k", 20_500) is True
    assert 19_500 < cache.pttl("k") <= 20_500
    assert cache.expire("k", DEFAULT_TIMEOUT) is cache.pexpire("k", DEFAULT_TIMEOUT) is True
    assert cache.ttl("k") == 300
    assert cache.expire("k", None) is True
    assert cache.ttl("k") is None
    assert cache.expire("absent", 20) is cache.pexpire("absent", 20) is False
    assert cache.expire("k", 0) is True
    assert cache.get("k") is None


def test_expire_at(cache: Any) -> None:
    cache.set("k", 1)
    for when in (
        datetime.now() + timedelta(hours=1),
        datetime.now(timezone.utc) + timedelta(hours=1),
        datetime.now(timezone(timedelta(hours=9))) + timedelta(hours=1),
        time.time() + 3600,
        int(time.time()) + 3600,
    ):
        assert cache.expire_at("k", when) is True
        assert 3590 <= cache.ttl("k") <= 3600
        assert cache.pexpire_at("k", when if isinstance(when, datetime) else when * 1000) is True
        assert 3_590_000 <= cache.pttl("k") <= 3_600_000
    assert cache.expire_at("absent", when) is cache.pexpire_at("absent", when) is False
    assert cache.expire_at("k", datetime.now() - timedelta(hours=1)) is True
    assert cache.get("k") is None


def test_expire_is_exact_where_timeouts_are_spread(name: str) -> None:
    with configured(name, {"TTL_JITTER": 90}):
        cache = caches["default"]
        cache.set("k", 1)
        for _ in range(20):
            assert cache.expire("k", 1000)
            assert cache.ttl("k") == 1000
        seen = set()
        for _ in range(20):
            cache.expire("k", DEFAULT_TIMEOUT)
            seen.add(cache.ttl("k"))
        assert len(seen) > 1


def test_persist(cache: Any) -> None:
    cache.set("k", 1, 20)
    assert cache.persist("k") is True
    assert cache.ttl("k") is None
    assert cache.persist("k") is False  # as Redis has it: there was nothing to do
    assert cache.persist("absent") is False


def test_set_by_position_is_django_redis_order(cache: Any) -> None:
    assert cache.set("k", 1, 60, None, None, True) is True
    assert cache.set("k", 2, 60, None, None, True) is False
    assert cache.set("k", 2, 60, None, None, False, True) is True
    for shifted in (True, False):
        with pytest.raises(TypeError, match="nx and xx by name"):
            cache.set("k", 3, 60, None, shifted)
    assert cache.get("k") == 2


def test_a_wrong_type_is_named_by_the_program_s_key(cache: Any) -> None:
    cache.set("text", "a")
    said = []
    for words in ({}, {"initial": 0}):
        with pytest.raises(TypeError) as caught:
            cache.incr("text", **words)
        said.append(str(caught.value))
    assert said[0] == said[1]
    cache.set("n", 1)
    stamp = cache.get_with_version("n")[1]
    assert stamp is not None
    with pytest.raises(TypeError, match="get_with_version"):
        cache.cas("n", 2, None)


@pytest.mark.parametrize("pattern", [b"foo*", None, 5])
def test_a_pattern_is_text(cache: Any, pattern: Any) -> None:
    for call in (cache.delete_pattern, cache.keys):
        with pytest.raises(TypeError, match="a pattern is a str"):
            call(pattern)


def test_bytes_are_one_key_of_mget(cache: Any) -> None:
    assert cache.mget(b"ab") == [None]


def _number(key: Any, prefix: str, version: int) -> str:
    return "%s:%d:%s" % (prefix, version, key)  # noqa: UP031


def test_a_key_function_gets_its_version_as_a_number(name: str) -> None:
    with configured(name, params={"KEY_FUNCTION": _number}):
        caches["default"].set("k", 1)
        assert caches["default"].delete_pattern("k*") == 1


def test_locks_are_seen_and_broken(backend: ForkloreCache) -> None:
    lock = backend.lock("l")
    assert lock.acquire()
    assert len(backend.locks()) == len(asyncio.run(backend.alocks())) == 1
    backend.break_lock("l")
    with pytest.raises(forklore.NotHeld, match="broken"):
        lock.release()
    assert backend.locks() == []


def test_keys_by_pattern(cache: Any) -> None:
    keys = ["foo-aa", "foo-ab", "foo-bb", "foo-bc", "ключ", "fo*", "a:b:c"]
    for key in keys:
        cache.set(key, 1)
        cache.set(f"second-{key}", 1, version=2)
    assert sorted(cache.keys()) == sorted(keys)
    assert sorted(cache.keys("foo-a*")) == ["foo-aa", "foo-ab"]
    assert sorted(cache.keys("foo-[^a]?")) == ["foo-bb", "foo-bc"]
    assert cache.keys("fo\\*") == ["fo*"]
    assert cache.keys("ключ") == cache.keys("кл*") == ["ключ"]
    assert cache.keys("foo") == []
    assert sorted(cache.iter_keys("foo-?[a-b]", itersize=2)) == ["foo-aa", "foo-ab", "foo-bb"]
    assert sorted(cache.keys(version=2)) == sorted(f"second-{key}" for key in keys)


def test_delete_pattern(cache: Any, backend: ForkloreCache) -> None:
    for key in ["foo-aa", "foo-ab", "foo-bb", "foo-bc"]:
        cache.set(key, 1)
        cache.set(key, 1, version=2)
    assert cache.delete_pattern("*foo-a*") == 2
    assert cache.delete_pattern("*foo-a*") == 0
    assert sorted(cache.keys("foo*")) == ["foo-bb", "foo-bc"]
    assert cache.delete_pattern("*", version=2, itersize=1) == 4
    backend.handle.set("other:1:foo", 1)
    assert cache.delete_pattern("foo*", prefix="other") == 1
    assert sorted(cache.keys()) == ["foo-bb", "foo-bc"]


@pytest.mark.parametrize("prefix", ["*", "a?", "[x]", "back\\", "a:b"])
def test_a_prefix_is_no_pattern(name: str, prefix: str) -> None:
    with configured(name, params={"KEY_PREFIX": prefix}):
        cache = caches["default"]
        cache.set("k", 1)
        for other in (b"other:1:k", b"ab:1:k", b"x:1:k"):
            cache.handle.set(other, 1)
        assert cache.keys() == cache.keys("k") == ["k"]
        assert cache.delete_pattern("*") == 1
        assert len(list(cache.handle.keys())) == 3


def _make(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}#{version}#{key}"


def _reverse(key: str) -> str:
    return key.split("#", 2)[2]


def test_a_key_function_needs_its_reverse(name: str) -> None:
    with configured(name, params={"KEY_FUNCTION": _make}):
        cache = caches["default"]
        cache.set("k", 1)
        with pytest.raises(InvalidCacheBackendError, match="REVERSE_KEY_FUNCTION"):
            cache.keys()
        assert cache.delete_pattern("k*") == 1
    for reverse in (_reverse, f"{__name__}._reverse"):
        with configured(name, params={"KEY_FUNCTION": _make, "REVERSE_KEY_FUNCTION": reverse}):
            caches["default"].set("k", 1)
            assert caches["default"].keys("?") == ["k"]


def test_many_keys_while_others_write(backend: ForkloreCache) -> None:
    data = {f"kept:{i}": i for i in range(5000)}
    backend.set_many(data)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            backend.set_many({f"passing:{i}": i for i in range(500)})
            backend.delete_pattern("passing:*")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert set(backend.keys("kept:*")) == set(data)
    finally:
        stop.set()
        writer.join()
    assert backend.delete_pattern("kept:*") == 5000


def test_incr_of_an_absent_key(cache: Any) -> None:
    assert cache.incr("n", 5, initial=10) == 15
    assert cache.ttl("n") == 300
    assert cache.incr("n", initial=0, ttl=1) == 16
    assert cache.ttl("n") == 300  # of the entry that is there
    assert cache.incr("short", initial=0, ttl=20) == cache.incr("long", initial=0, timeout=None) == 1
    assert (cache.ttl("short"), cache.ttl("long")) == (20, None)
    assert cache.decr("down", 2, initial=10) == 8
    assert cache.incr("theirs", ignore_key_check=True) == 1
    assert cache.ttl("theirs") is None
    assert cache.incr("theirs", ignore_key_check=True) == 2
    assert cache.incr("timed", 3, ignore_key_check=True, timeout=20) == 3
    assert cache.ttl("timed") == 20
    with pytest.raises(TypeError, match="ttl or timeout, which are the same, not both"):
        cache.incr("n", initial=0, ttl=20, timeout=20)
    with pytest.raises(TypeError, match="needs an initial too"):
        cache.incr("n", ttl=20)
    assert cache.incr("large", initial=2**63) == 2**63 + 1
    assert cache.incr("large", 2**70, initial=0) == 2**70 + 2**63 + 1
    assert cache.incr("larger", 2**70, initial=0, ttl=20) == 2**70
    assert cache.ttl("larger") == 20
    with pytest.raises(TypeError):
        cache.incr("none", initial="5")
    cache.set("n", 2**63 - 1)
    assert cache.incr("n", initial=0) == 2**63


def test_cas(cache: Any) -> None:
    assert cache.get_with_version("k") == (None, None)
    assert cache.get_with_version("k", 5) == (5, None)
    cache.set("k", 1)
    value, stamp = cache.get_with_version("k")
    assert value == 1
    assert cache.cas("k", 2, stamp, 20) is True
    assert cache.ttl("k") == 20
    assert cache.cas("k", 3, stamp) is False
    assert cache.get("k") == 2
    assert cache.cas("absent", 1, stamp) is None
    cache.set("k", 1, version=2)
    stamp = cache.get_with_version("k", version=2)[1]
    assert cache.cas("k", 5, stamp, version=2) is True
    assert (cache.get("k"), cache.get("k", version=2)) == (2, 5)
    stamp = cache.get_with_version("k")[1]
    with pytest.raises(forklore.TooLarge, match="MAX_VALUE"):
        cache.cas("k", b"x" * 2**22, stamp)


def test_mget_and_mset(cache: Any) -> None:
    assert cache.mset({"a": 1, "b": 2}, 20) is True
    assert cache.ttl("a") == 20
    assert cache.mget(["b", "absent", "a"]) == cache.mget("b", "absent", "a") == [2, None, 1]
    assert cache.mget(iter(["a", "a"])) == [1, 1]
    assert cache.mget("a") == [1]
    assert cache.mget([]) == []
    assert cache.mset({"a": 3, "b": b"x" * 2**22}) is False
    assert cache.mset({"a": 1}, version=2) is True
    assert cache.mget("a", "b", version=2) == [1, None]


# Locks, by either spelling


@pytest.mark.parametrize(
    "take",
    [
        lambda cache: cache.lock("l", 20, 0),
        lambda cache: cache.lock("l", ttl=20, wait=0),
        lambda cache: cache.lock("l", timeout=20, blocking=False),
        lambda cache: cache.lock(key="l", timeout=20, blocking_timeout=0, sleep=0.5),
        lambda cache: cache.lock("l", timeout=20, blocking=False, blocking_timeout=60),
        lambda cache: cache.lock("l", timedelta(seconds=20), blocking_timeout=timedelta(0)),
    ],
)
def test_locks_by_both_spellings(backend: ForkloreCache, take: Callable[[ForkloreCache], forklore.Lock]) -> None:
    with take(backend) as lock:
        assert lock.held()
        other = take(backend)
        assert other.acquire() is False
        with pytest.raises(forklore.Busy), other:
            pass
    assert not backend.lock("l").locked()


def test_what_says_the_same_is_refused(backend: ForkloreCache) -> None:
    for words in (
        {"ttl": 1, "timeout": 1},
        {"wait": 1, "blocking_timeout": 1},
        {"wait": 1, "blocking": False},
        {"key": "l"},
    ):
        with pytest.raises(TypeError, match="not both"):
            backend.lock("l", **words)
    with pytest.raises(TypeError, match="needs the name"):
        backend.lock()
    for words in ({"blocking": True}, {"blocking_timeout": 1}):
        with pytest.raises(TypeError, match="say the same"):
            backend.lock("l").acquire(5, **words)
        with pytest.raises(TypeError, match="say the same"):
            backend.lock("l").aacquire(5, **words)
    with pytest.raises(ValueError, match="thread_local"):
        backend.lock("l", reentrant=True, thread_local=False)


def test_acquire_by_both_spellings(backend: ForkloreCache) -> None:
    holder, other = backend.lock("l"), backend.lock("l", blocking=False)
    assert holder.acquire(blocking=True)
    assert other.acquire() is other.acquire(blocking=False) is other.acquire(blocking_timeout=0.01) is False
    assert other.acquire(blocking=True, blocking_timeout=0.01, sleep=0.001) is False
    assert other.acquire(blocking=False, blocking_timeout=60) is False
    assert asyncio.run(other.aacquire(blocking=False)) is False
    before = backend.handle.stats().waits
    waiting = threading.Thread(target=lambda: other.acquire(blocking=True) and other.release())  # though it is not to
    waiting.start()
    eventually(lambda: backend.handle.stats().waits > before)
    holder.release()
    waiting.join(20)
    assert not waiting.is_alive()


def test_a_lock_that_any_thread_may_release(backend: ForkloreCache) -> None:
    lock = backend.lock("l", thread_local=False)
    assert lock.acquire()
    token, seen = lock.token, []
    thread = threading.Thread(target=lambda: seen.append((lock.held(), lock.token, lock.release())))
    thread.start()
    thread.join()
    assert seen == [(True, token, None)]
    assert not lock.held()
    assert not lock.locked()
    with pytest.raises(forklore.NotHeld):
        lock.release()


def test_such_a_lock_is_missed_too(backend: ForkloreCache) -> None:
    lock = backend.lock("l", thread_local=False)
    assert lock.acquire()
    with pytest.warns(ResourceWarning, match="':1:l'"):
        del lock
