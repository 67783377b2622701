"""Waits end, and deadlines are kept, while freezegun or time-machine stop the time of Python."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

import forklore
from forklore import clock

from .django_site import configured

freezegun = pytest.importorskip("freezegun")
time_machine = pytest.importorskip("time_machine")


@contextlib.contextmanager
def by_freezegun() -> Iterator[None]:
    with freezegun.freeze_time("2020-01-01"):
        yield


@contextlib.contextmanager
def by_time_machine() -> Iterator[None]:
    with time_machine.travel(0, tick=False):
        yield


frozen = pytest.mark.parametrize("frozen", [by_freezegun, by_time_machine])
Frozen = Callable[[], Any]


@frozen
def test_the_time_is_frozen_and_the_clock_is_not(frozen: Frozen) -> None:
    with frozen():
        begin, shown = clock.now(), time.time()
        while clock.now() < begin + 0.05:
            pass
        assert time.time() == shown


@frozen
@pytest.mark.timeout(60)
def test_a_wait_for_a_lock_ends(cache: forklore.Cache, frozen: Frozen) -> None:
    async def wait() -> bool:
        return await cache.lock("l").aacquire(0.5)

    with cache.lock("l"), frozen():
        begin = clock.now()
        assert not cache.lock("l").acquire(0.5)
        with pytest.raises(forklore.Busy), cache.lock("l", wait=0.5):
            pass
        assert not asyncio.run(wait())
        assert clock.now() - begin >= 1.5


@frozen
@pytest.mark.timeout(60)
def test_a_wait_for_a_value_ends(cache: forklore.Cache, fork: Any, frozen: Frozen) -> None:
    """Another process computes and does not come back; who waits computes for itself once wait is over."""

    def compute() -> None:
        cache.set("begun", 1)
        time.sleep(50)

    async def get() -> Any:
        return await cache.aget_or_compute("k", lambda: "own", wait=0.5)

    other = fork(lambda: cache.get_or_compute("k", compute))
    try:
        while cache.get("begun") is None:
            time.sleep(0.01)
        with frozen():
            begin = clock.now()
            assert cache.get_or_compute("k", lambda: "own", wait=0.5) == "own"
            assert asyncio.run(get()) == "own"
            assert clock.now() - begin >= 1
    finally:
        other.kill()
        other.wait()


@frozen
@pytest.mark.timeout(60)
def test_a_cache_is_tried_again(name: str, tmp_path: Path, frozen: Frozen) -> None:
    path = tmp_path / "later" / "cache"
    with configured(name, {"PLACE": "file", "PATH": str(path)}), frozen():
        cache = caches["default"]
        assert cache.get("k") is None
        path.parent.mkdir()
        while cache.get("k") is None:
            cache.set("k", "v")
        assert cache.get("k") == "v"


@frozen
def test_entries_expire_by_the_real_time(cache: forklore.Cache, frozen: Frozen) -> None:
    """So a test that moves the time does not make them expire, as docs/testing.md says."""
    cache.set("k", "v", ttl=60)
    with time_machine.travel(time.time() + 3600):
        assert cache.get("k") == "v"
        assert cache.ttl("k") <= 60


def test_no_module_waits_by_a_clock_that_tests_replace() -> None:
    replaced = re.compile(r"\btime\.(monotonic|time|perf_counter)(_ns)?\b|from time import|datetime\.(now|utcnow)\(")
    for path in Path(forklore.__file__).parent.rglob("*.py"):
        if path.name in ("limits.py", "redis_words.py"):  # wait for nothing; their moments are of their callers' clock
            continue
        code = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
        assert not replaced.search(code), path
