"""Memoized recursion, deeper than there are lines for computations: each value is computed once, as by lru_cache."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

import forklore
import forklore.compute

# CPython 3.12 and later bound recursion through C whatever sys.setrecursionlimit says, that of lru_cache too.
DEEP = 2000 if sys.version_info < (3, 12) else 1000


@pytest.fixture
def deep() -> Iterator[None]:
    """Room for a recursion of that depth, in new threads."""
    limit, size = sys.getrecursionlimit(), threading.stack_size()
    sys.setrecursionlimit(100_000)
    threading.stack_size(512 << 20)
    yield
    threading.stack_size(size)
    sys.setrecursionlimit(limit)


def in_threads(jobs: list[Callable[[], object]]) -> None:
    """Each to its end, in a thread with a large stack."""
    failed = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]


def memoized_fib(cache: forklore.Cache, counts: forklore.Cache) -> Callable[[int], int]:
    @forklore.memoize(cache=cache, name="fib")
    def fib(n: int) -> int:
        counts.incr("calls", initial=0)
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    return fib


def plain_fib(n: int) -> int:
    one, next_one = 0, 1
    for _ in range(n):
        one, next_one = next_one, one + next_one
    return one


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size, depth", [("1MB", 40), ("1MB", 400), ("1MB", DEEP), ("32MB", 400), ("32MB", DEEP)])
def test_fib(deep: None, name: str, fork: Callable, size: str, depth: int, threads: int, processes: int) -> None:
    with (
        forklore.Cache(name, size) as cache,
        forklore.Cache(f"{name}-counts", place="anonymous", capacity="1MB") as counts,
    ):
        fib = memoized_fib(cache, counts)

        def work() -> None:
            def one(number: int) -> None:
                assert fib(depth - number) == plain_fib(depth - number)

            in_threads([lambda number=number: one(number) for number in range(threads)])  # type: ignore[misc]

        children = [fork(work) for _ in range(processes - 1)]
        work()
        assert [child.wait() for child in children] == [0] * (processes - 1)
        stats = cache.stats()
        assert counts.get("calls") == depth + 1
        assert stats.computed == depth + 1
        assert stats.leases_held == stats.leases_lacking == 0
        assert cache.verify() == []


@pytest.mark.parametrize("depth", [100, 300])
def test_fib_of_coroutines(name: str, monkeypatch: pytest.MonkeyPatch, depth: int) -> None:
    monkeypatch.setattr(forklore.compute, "in_executor", pytest.fail)  # a wait takes no thread
    calls = 0
    with forklore.Cache(name, "1MB") as cache:

        @forklore.memoize(cache=cache, name="fib")
        async def fib(n: int) -> int:
            nonlocal calls
            calls += 1
            return n if n < 2 else sum(await asyncio.gather(fib(n - 1), fib(n - 2)))

        assert asyncio.run(fib(depth)) == plain_fib(depth)
        stats = cache.stats()
        assert calls == stats.computed == depth + 1
        assert stats.leases_held == stats.leases_lacking == 0


def test_a_coroutine_that_fails_or_is_cancelled_wakes_who_waits(cache: forklore.Cache) -> None:
    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def fail() -> str:
            begun.set()
            await go_on.wait()
            raise ZeroDivisionError

        async def work() -> str:
            return "value"

        for cancelled in (False, True):
            begun.clear()
            first = asyncio.create_task(cache.aget_or_compute(f"k{cancelled}", fail))
            await begun.wait()
            waits = [asyncio.create_task(cache.aget_or_compute(f"k{cancelled}", work, wait=600)) for _ in range(3)]
            await asyncio.sleep(0)
            waits[0].cancel()
            go_on.set() if not cancelled else first.cancel()
            assert await asyncio.gather(*waits[1:]) == ["value"] * 2
            with pytest.raises(asyncio.CancelledError if cancelled else ZeroDivisionError):
                await first
            go_on.clear()

    asyncio.run(main())
    assert cache.stats().computed == 2


def test_coroutines_that_wait_for_each_other_end_by_wait(cache: forklore.Cache) -> None:
    async def main() -> None:
        begun: list[str] = []

        async def compute(key: str, other: str) -> str:
            begun.append(key)
            while len(begun) < 2:
                await asyncio.sleep(0)

            async def alone() -> str:
                return other

            return key + await cache.aget_or_compute(other, alone, wait=0.05)

        answers = [
            cache.aget_or_compute(key, lambda key=key, other=other: compute(key, other), wait=600)  # type: ignore[misc]
            for key, other in ("cd", "dc")
        ]
        assert [answer[:2] for answer in await asyncio.gather(*answers)] == ["cd", "dc"]

    asyncio.run(main())


def test_a_delete_within_a_deep_recursion_wins(deep: None, name: str) -> None:
    with forklore.Cache(name, "1MB") as cache:
        depth, price = 100, [1]

        @forklore.memoize(cache=cache, name="walk")
        def walk(n: int) -> int:
            if n == 0:
                seen = price[0]
                price[0] = 2
                for number in range(1, depth, 2):
                    walk.forget(number)
                return seen
            return walk(n - 1)

        assert walk(depth) == 1
        kept = [number for number in range(depth + 1) if cache.get(walk.cache_key(number)) is not None]
        assert kept == [0, *range(2, depth + 1, 2)]
        assert cache.stats().voided == depth // 2


def test_locks_take_no_line_from_computations(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with forklore.Cache(name, "1MB") as cache, caplog.at_level(logging.WARNING, "forklore"):
        lines = cache.stats().lock_lines
        held = [lock for lock in (cache.lock(f"l{number}") for number in range(lines)) if lock.acquire(0)]
        assert len(held) == lines
        assert caplog.records == []
        assert cache.get_or_compute("k", lambda: "value") == "value"
        assert cache.get("k") == "value"
        for _ in range(3):
            assert cache.lock("one more").acquire(0) is False
        assert [record.message for record in caplog.records if "lines for locks" in record.message] == [
            caplog.records[0].message
        ]
        assert cache.stats().leases_lacking == 3
