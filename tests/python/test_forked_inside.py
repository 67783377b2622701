"""A process forked while something is computed or held: it computes and holds none of it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable

import pytest

import forklore


def test_a_child_forked_inside_fn_computes_that_key_itself(cache: forklore.Cache, fork: Callable) -> None:
    begin_r, begin_w = os.pipe()

    def work() -> None:
        os.read(begin_r, 1)  # the parent has stored and deleted it
        assert cache.get_or_compute("k", lambda: "the child's") == "the child's"
        cache.delete("k")
        with pytest.raises(RuntimeError, match="asks for 'k' itself"):  # it is still told of its own
            cache.get_or_compute("k", lambda: cache.get_or_compute("k", lambda: 1))

    children = []

    def fn() -> str:
        children.append(fork(work))
        return "the parent's"

    assert cache.get_or_compute("k", fn) == "the parent's"
    assert cache.delete("k")
    os.write(begin_w, b"x")
    assert children[0].wait() == 0


def test_a_child_forked_inside_fn_waits_for_its_parent_as_any_other_does(cache: forklore.Cache, fork: Callable) -> None:
    waits_before = cache.stats().waits
    children = []

    def fn() -> str:
        def work() -> None:
            assert cache.get_or_compute("k", pytest.fail, wait=600) == "the parent's"

        children.append(fork(work))
        while cache.stats().waits == waits_before:  # until it waits
            os.sched_yield()
        return "the parent's"

    assert cache.get_or_compute("k", fn) == "the parent's"
    assert children[0].wait() == 0


def test_a_child_that_returns_from_fn_stores_nothing(cache: forklore.Cache) -> None:
    pids = []

    def fn() -> str:
        pids.append(os.fork())
        return "the child's" if pids[0] == 0 else "the parent's"

    value = None
    try:
        value = cache.get_or_compute("k", fn)
    finally:
        if pids and pids[0] == 0:
            os._exit(0 if value == "the child's" != cache.get("k") else 1)
    assert value == "the parent's"
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
    assert cache.get("k") == "the parent's"


_pool = None
_cache: forklore.Cache


def _ask(key: str) -> object:
    return _cache.get_or_compute(key, lambda: f"a worker's {key}", wait=600)


def test_a_pool_made_inside_fn(cache: forklore.Cache) -> None:
    global _cache
    _cache = cache
    context = multiprocessing.get_context("fork")

    def fn() -> list[object]:
        global _pool
        _pool = context.Pool(2)  # lazily, as many do it
        return _pool.map(_ask, ["a", "b"])

    try:
        assert cache.get_or_compute("k", fn) == ["a worker's a", "a worker's b"]
        cache.delete_many(["k", "a", "b"])
        assert _pool is not None
        assert _pool.map(_ask, ["k", "a", "k"]) == ["a worker's k", "a worker's a", "a worker's k"]
    finally:
        if _pool is not None:
            _pool.terminate()
            _pool.join()


def test_forked_by_a_thread_inside_fn(cache: forklore.Cache, fork: Callable) -> None:
    children = []

    def fn() -> str:
        children.append(fork(lambda: cache.get_or_compute("k", lambda: "the child's", wait=0)))
        return "a thread's"

    thread = threading.Thread(target=lambda: cache.get_or_compute("k", fn))
    thread.start()
    thread.join()
    assert children[0].wait() == 0
    assert cache.get("k") == "a thread's"


def test_forked_by_a_task_inside_fn(cache: forklore.Cache, fork: Callable) -> None:
    children = []
    begin_r, begin_w = os.pipe()

    def work() -> None:
        os.read(begin_r, 1)
        asyncio._set_running_loop(None)  # that of the parent

        async def own() -> str:
            return "the child's"

        context_free = asyncio.new_event_loop()
        assert context_free.run_until_complete(cache.aget_or_compute("k", own)) == "the child's"
        assert cache.get_or_compute("k", pytest.fail) == "the child's"

    async def fn() -> str:
        children.append(fork(work))
        return "a task's"

    async def main() -> None:
        assert await cache.aget_or_compute("k", fn) == "a task's"
        cache.delete("k")
        os.write(begin_w, b"x")

    asyncio.run(main())
    assert children[0].wait() == 0


@pytest.mark.parametrize("reentrant", [False, True])
def test_forked_inside_a_lock(cache: forklore.Cache, fork: Callable, reentrant: bool) -> None:
    with cache.lock("l", reentrant=reentrant) as mine:

        def work() -> None:
            assert cache.lock("l", reentrant=reentrant).acquire(0) is False
            assert not mine.held or not callable(mine.held) or not mine.held()

        assert fork(work).wait() == 0
        assert cache.lock("l").acquire(0) is False  # and it is still held here
