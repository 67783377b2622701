"""refresh="background": nobody waits for an old value to be renewed."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, connections

import forklore
from forklore import refresher

from .conftest import eventually
from .django_site import configured

Fork = Callable[[Callable[[], object]], Any]
HOW: dict[str, Any] = {"stale_for": 60, "refresh": "background"}
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")


@pytest.fixture(autouse=True)
def idle() -> Iterator[None]:
    yield
    eventually(lambda: refresher._threads == 0)
    assert refresher._queued == {}
    assert refresher._begun == set()


def aged(cache: forklore.Cache, key: str = "k") -> None:
    assert cache.get_or_compute(key, lambda: "old", 0.001, **HOW) == "old"
    eventually(lambda: key not in cache)


def never() -> Any:
    raise AssertionError("nobody is to compute")


def test_the_old_value_at_once_and_then_the_new(cache: forklore.Cache) -> None:
    aged(cache)
    go, threads = threading.Event(), []

    def renew() -> str:
        threads.append(threading.current_thread())
        assert go.wait(20)
        return "new"

    for _ in range(5):  # the first begins it, the others find that it has begun
        assert cache.get_or_compute("k", renew, 60, **HOW) == "old"
    go.set()
    eventually(lambda: cache.get("k") == "new")
    assert cache.get_or_compute("k", never, 60, **HOW) == "new"
    [thread] = threads
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_without_an_old_value_the_caller_computes(cache: forklore.Cache) -> None:
    assert cache.get_or_compute("k", threading.get_ident, 60, **HOW) == threading.get_ident()


def test_few_threads_for_many_values(cache: forklore.Cache) -> None:
    keys = [f"k{i}" for i in range(40)]
    for key in keys:
        aged(cache, key)
    lock, running, most, idents = threading.Lock(), 0, 0, set()

    def renew() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            idents.add(threading.get_ident())
        time.sleep(0.005)
        with lock:
            running -= 1
        return "new"

    for key in keys:
        assert cache.get_or_compute(key, renew, 60, **HOW) == "old"
    eventually(lambda: all(cache.get(key) == "new" for key in keys))
    assert 1 <= most <= refresher.MOST_THREADS


def test_contextvars_are_copied(cache: forklore.Cache) -> None:
    aged(cache)
    request_id.set("17")
    assert cache.get_or_compute("k", lambda: request_id.get(), 60, **HOW) == "old"
    request_id.set("18")
    eventually(lambda: cache.get("k") == "17")


def test_within_another_computation(cache: forklore.Cache) -> None:
    """What is renewed beside it may ask for what is computed: it waits for it."""
    aged(cache)

    def outer() -> str:
        assert cache.get_or_compute("k", lambda: cache.get_or_compute("outer", never), 60, **HOW) == "old"
        eventually(lambda: refresher._begun)
        return "computed"

    assert cache.get_or_compute("outer", outer, 60) == "computed"
    eventually(lambda: cache.get("k") == "computed")


def test_its_error_is_logged_and_remembered(cache: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    aged(cache)
    tried = []

    def fail() -> Any:
        tried.append(1)
        raise ValueError("the source is down")

    for _ in range(3):
        assert cache.get_or_compute("k", fail, 60, error_ttl=60, **HOW) == "old"
        eventually(lambda: refresher._threads == 0)
    assert tried == [1]
    [line] = [record.getMessage() for record in caplog.records]
    assert "failed, and the old value is served: ValueError: the source is down" in line
    assert cache.get_or_compute("k", fail, 60, stale_if_error=False, **HOW) == "old"


def test_an_error_that_nobody_gets_is_logged(cache: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    aged(cache)
    assert cache.get_or_compute("k", lambda: 1 // 0, 60, stale_if_error=False, **HOW) == "old"
    eventually(lambda: "refreshing b'k' in the background failed: " in caplog.text)


def test_a_forked_child_has_its_own(cache: forklore.Cache, fork: Fork) -> None:
    aged(cache)
    aged(cache, "other")
    go = threading.Event()
    assert cache.get_or_compute("k", lambda: go.wait(20) and "new", 60, **HOW) == "old"
    eventually(lambda: refresher._begun)

    def child() -> None:
        assert refresher._threads == 0
        assert cache.get_or_compute("k", never, 60, **HOW) == "old"  # the parent is at it
        assert cache.get_or_compute("other", lambda: os.getpid(), 60, **HOW) == "old"
        eventually(lambda: cache.get("other") == os.getpid())

    assert fork(child).wait() == 0
    go.set()
    eventually(lambda: cache.get("k") == "new")


ENDS = """
import sys, time, forklore
cache = forklore.Cache.attach(sys.argv[1])
def renew():
    print("begun", flush=True)
    time.sleep(60)
assert cache.get_or_compute("k", renew, 60, stale_for=60, refresh="background") == "old"
"""


def test_it_holds_up_no_end_of_the_process(cache: forklore.Cache) -> None:
    aged(cache)
    done = subprocess.run([sys.executable, "-c", ENDS, cache.name], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    # What it held is given back.
    assert cache.get_or_compute("k", lambda: "new", 60, stale_for=60) == "new"


def test_memoize(cache: forklore.Cache) -> None:
    values = iter(["old", "new"])

    @forklore.memoize(0.001, cache=cache, name="f", **HOW)
    def f(x: int) -> str:
        return next(values)

    assert f(1) == "old"
    eventually(lambda: f.cache_key(1) not in cache)
    assert f(1) == "old"
    eventually(lambda: next(values, None) is None)


# In an event loop


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_a_task_of_the_loop(cache: forklore.Cache, kind: str) -> None:
    aged(cache)

    async def main() -> None:
        go, made = asyncio.Event(), []
        loop = asyncio.get_running_loop()

        async def coroutine() -> str:
            made.append(request_id.get())
            await go.wait()
            return "new"

        def function() -> str:
            made.append(request_id.get())
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(20)
            return "new"

        fn: Any = coroutine if kind == "coroutine" else function
        request_id.set("17")
        for _ in range(5):
            assert await cache.aget_or_compute("k", fn, 60, **HOW) == "old"
        request_id.set("18")
        go.set()
        while cache.get("k") != "new":
            await asyncio.sleep(0.005)
        assert await cache.aget_or_compute("k", never, 60, **HOW) == "new"
        assert made == ["17"]

    asyncio.run(main())


def test_a_loop_that_ends_gives_back(cache: forklore.Cache) -> None:
    aged(cache)

    async def main() -> None:
        assert await cache.aget_or_compute("k", lambda: asyncio.sleep(60), 60, **HOW) == "old"
        while cache.stats().leases_held == 0:
            await asyncio.sleep(0.005)

    asyncio.run(main())
    assert cache.stats().leases_held == 0
    assert cache.get_or_compute("k", lambda: "new", 60, stale_for=60) == "new"


def test_a_tasks_error_is_logged(cache: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    aged(cache)

    async def main() -> None:
        async def fail() -> None:
            raise ValueError("the source is down")

        assert await cache.aget_or_compute("k", fail, 60, stale_if_error=False, **HOW) == "old"
        while "in the background failed: the source is down" not in caplog.text:
            await asyncio.sleep(0.005)

    asyncio.run(main())


def test_a_loop_of_one_call(cache: forklore.Cache) -> None:
    """The loop of async_to_sync() ends with its call: a thread renews the value."""
    from asgiref.sync import async_to_sync

    aged(cache)

    async def renew() -> str:
        await asyncio.sleep(0.01)
        return "new"

    async def page() -> str:
        return str(await cache.aget_or_compute("k", renew, 60, **HOW))

    assert async_to_sync(page)() == "old"
    eventually(lambda: cache.get("k") == "new")


# Django


def test_django_by_its_settings(name: str, tmp_path: Path) -> None:
    """The thread closes what it has opened of the database; the caller's connection stays."""
    with configured(name, {"STALE_FOR": 60, "REFRESH": "background"}):
        backend = caches["default"]
        connection.ensure_connection()
        opened = []

        def renew() -> str:
            connections["default"].ensure_connection()
            opened.append(connections["default"])
            return "new"

        assert backend.get_or_set("k", lambda: "old", 0.001) == "old"
        eventually(lambda: "k" not in backend)
        assert backend.get_or_set("k", renew, 60) == "old"
        eventually(lambda: backend.get("k") == "new")
        [other] = opened
        assert other is not connections["default"]
        eventually(lambda: refresher._threads == 0)
        assert other.connection is None or other.is_in_memory_db()
        assert connection.connection is not None
        # By the call:
        assert backend.get_or_set("l", lambda: "old", 0.001) == "old"
        eventually(lambda: "l" not in backend)
        ident = threading.get_ident()
        assert backend.get_or_set("l", threading.get_ident, 60, refresh="caller") == ident


def test_django_in_a_coroutine(name: str) -> None:
    """A default that is no coroutine function is called by a thread: a request's own is gone with the request."""
    from asgiref.sync import ThreadSensitiveContext

    with configured(name, {"STALE_FOR": 60, "REFRESH": "background"}):
        backend = caches["default"]
        idents = []

        def renew() -> str:
            idents.append(threading.current_thread().name)
            return "new"

        async def coroutine() -> str:
            idents.append("coroutine")
            return "new"

        async def main() -> None:
            for key, default in (("k", renew), ("l", coroutine)):
                await backend.aget_or_set(key, lambda: "old", 0.001)
                while key in backend:
                    await asyncio.sleep(0.001)
                async with ThreadSensitiveContext():
                    assert await backend.aget_or_set(key, default, 60) == "old"
                while backend.get(key) != "new":
                    await asyncio.sleep(0.005)

        asyncio.run(main())
        assert idents == ["forklore-refresh", "coroutine"]
