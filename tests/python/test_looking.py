"""What can be told without touching anything: an entry, who holds a lock, how full it is. And a lock that is broken."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import forklore

from .conftest import Child, eventually


def test_info(cache: forklore.Cache) -> None:
    assert cache.info("k") is None
    cache.set("k", "value", 60)
    hits = cache.stats().hits
    for _ in range(10):
        info = cache.info("k")
    assert info is not None
    assert (info.size, info.format, info.frequency) == (5, "str", 0)
    assert info.ttl is not None and 50 < info.ttl <= 60
    assert cache.stats().hits == hits
    cache.get("k")
    assert cache.info("k").frequency == 1
    assert cache.info(key=b"k").size == 5
    cache.set("k", 1, None)
    assert cache.info("k").ttl is None
    with pytest.raises(ValueError, match="1 to"):
        cache.info("")


@pytest.mark.parametrize(
    ("value", "format", "size"),
    [(b"ab", "bytes", 2), (1, "int", 8), (2**64, "int", 9), ("é", "str", 1), ("ключ", "str", 8), (1.5, "float", 8),
     (True, "bool", 0), (False, "bool", 0), (None, "None", 0), ([], "pickle", None)],
)  # fmt: skip
def test_formats_by_name(cache: forklore.Cache, value: Any, format: str, size: int | None) -> None:
    cache.set("k", value)
    info = cache.info("k")
    assert info is not None
    assert info.format == format
    assert size is None or info.size == size


def test_who_holds_a_lock(cache: forklore.Cache, fork: Callable[[Callable[[], object]], Child]) -> None:
    assert cache.locks() == cache.lock("l").holders() == []
    with cache.lock("l", ttl=60) as lock:
        [holder] = lock.holders()
        assert cache.locks() == [holder] or cache.locks()[0].token == holder.token
        assert (holder.process, holder.alive, holder.token) == (os.getpid(), True, lock.token)
        assert 0 <= holder.held_for < 20
        assert holder.ttl is not None and 40 < holder.ttl <= 60
        assert cache.lock("other").holders() == []
    assert cache.locks() == []
    child = fork(lambda: cache.lock("l").acquire())
    assert child.wait() == 0
    [holder] = cache.lock("l").holders()
    assert (holder.process, holder.alive, holder.ttl) == (child.pid, False, None)
    assert "(dead)" in str(holder)


def test_busy_says_who(cache: forklore.Cache, fork: Callable[[Callable[[], object]], Child]) -> None:
    def hold() -> None:
        cache.lock("l").acquire()
        cache.set("held", True)
        time.sleep(60)

    child = fork(hold)
    eventually(lambda: cache.get("held"))
    with (
        pytest.raises(forklore.Busy, match=rf"now process {child.pid} for \d+\.\d s") as raised,
        cache.lock("l", wait=0),
    ):
        pass
    assert [holder.process for holder in raised.value.holders] == [child.pid]
    child.kill()
    child.wait()
    assert forklore.Busy("other").holders == ()


def test_a_broken_lock(cache: forklore.Cache) -> None:
    assert cache.break_lock("l") == 0
    stuck = cache.lock("l")
    assert stuck.acquire()
    token = stuck.token
    assert cache.break_lock("l") == 1
    assert not stuck.held
    with cache.lock("l", wait=0) as lock:
        assert lock.token > token
        with pytest.raises(forklore.NotHeld):
            stuck.release()
        assert lock.held
    semaphores = [cache.lock("s", limit=3) for _ in range(2)]
    assert all(each.acquire() for each in semaphores)
    assert cache.break_lock("s") == 2
    assert not any(each.held for each in semaphores)
    assert cache.locks() == []


def test_a_broken_lock_is_had_at_once_by_who_waits(cache: forklore.Cache) -> None:
    stuck = cache.lock("l")
    assert stuck.acquire()
    got: list[bool] = []
    waiter = threading.Thread(target=lambda: got.append(cache.lock("l").acquire(60)))
    waiter.start()
    eventually(lambda: cache.stats().waits > 0)
    assert cache.break_lock("l") == 1
    waiter.join(20)
    assert got == [True]


def test_a_reader_breaks_nothing(name: str, cache: forklore.Cache) -> None:
    with forklore.Cache(name, read_only=True) as reader, cache.lock("l"):
        assert len(reader.locks()) == 1
        with pytest.raises(forklore.ReadOnly):
            reader.break_lock("l")
        assert len(reader.locks()) == 1


def test_how_full(cache: forklore.Cache) -> None:
    assert cache.stats().full == 0.0
    cache.set("k", b"x" * 500_000)
    assert 0.1 < cache.stats().full < 0.3
    for i in range(40):
        cache.set(f"k{i}", b"x" * 500_000)
    assert 0.7 < cache.stats().full <= 1.0
    cache.clear()
    assert cache.stats().full == 0.0


def test_formats_of_django_and_of_compression_have_names(name: str) -> None:
    from django.utils.safestring import SafeString

    import forklore.django

    with forklore.Cache(name, "1MB", compress_above=100) as cache:
        cache.set_many({"safe": SafeString("<b>"), "long": "a" * 1000})
        assert [cache.info(key).format for key in ("safe", "long")] == ["SafeString", "zlib"]
