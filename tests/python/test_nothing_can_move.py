"""Waits in a thread that what they wait for needs: none is waited to the end of its time."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest

import forklore
import forklore.waiting

FOR_EVER = 600  # seconds: who waits for so long is stopped by the test's own limit


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    forklore.waiting._said.clear()


def stuck_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "stop them both" in record.message]


def test_a_sync_call_in_a_loop_whose_task_computes_the_key(
    cache: forklore.Cache, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            begun.set()
            await go_on.wait()
            return "the task's"

        task = asyncio.create_task(cache.aget_or_compute("k", slow))
        await begun.wait()
        for _ in range(3):
            assert cache.get_or_compute("k", lambda: "alone", wait=FOR_EVER) == "alone"
        go_on.set()
        assert await task == "the task's"
        assert cache.get_or_compute("k", pytest.fail) == "the task's"

    with caplog.at_level(logging.WARNING, "forklore"):
        asyncio.run(main())
    assert len(stuck_lines(caplog)) == 1


def test_the_same_where_a_thread_runs_fn(cache: forklore.Cache) -> None:
    async def main() -> None:
        begun, go_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def slow() -> str:
            loop.call_soon_threadsafe(begun.set)
            go_on.wait()
            return "the task's"

        task = asyncio.create_task(cache.aget_or_compute("k", slow))
        await begun.wait()
        assert cache.get_or_compute("k", lambda: "alone", wait=FOR_EVER) == "alone"
        go_on.set()
        assert await task == "the task's"

    asyncio.run(main())


def test_who_can_move_is_waited_for(cache: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            begun.set()
            await go_on.wait()
            return "the task's"

        task = asyncio.create_task(cache.aget_or_compute("k", slow))
        await begun.wait()
        before = cache.stats().waits
        other = asyncio.create_task(asyncio.to_thread(cache.get_or_compute, "k", pytest.fail, wait=FOR_EVER))
        while cache.stats().waits == before:
            await asyncio.sleep(0.001)
        go_on.set()
        assert await asyncio.gather(task, other) == ["the task's"] * 2

    with caplog.at_level(logging.WARNING, "forklore"):
        asyncio.run(main())
    assert stuck_lines(caplog) == []


def test_a_sync_wait_in_a_loop_whose_task_holds_the_lock(cache: forklore.Cache) -> None:
    async def main() -> None:
        async with cache.lock("l"):
            assert cache.lock("l").acquire(0) is False
            for wait in (None, FOR_EVER):
                with pytest.raises(RuntimeError, match="another task of this thread's event loop"):
                    await asyncio.create_task(sync_wait(wait))
        with cache.lock("l"):
            pass

    async def sync_wait(wait: float | None) -> None:
        cache.lock("l").acquire(wait)

    asyncio.run(main())


def test_a_sync_wait_for_what_another_task_acquired_without_await(cache: forklore.Cache) -> None:
    async def main(one: forklore.Lock, other: forklore.Lock) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def hold(acquire: Callable[[], object]) -> None:
            assert acquire()
            begun.set()
            await go_on.wait()
            one.release()

        for acquire in (one.acquire, lambda: one.acquire(0), lambda: one.acquire(FOR_EVER)):
            begun.clear()
            go_on.clear()
            task = asyncio.create_task(hold(acquire))
            await begun.wait()
            assert other.acquire(0) is False
            with pytest.raises(RuntimeError, match="another task of this thread's event loop"), other:
                pass
            go_on.set()
            await task
            with other:
                pass

    lock = cache.lock("l")
    asyncio.run(main(lock, lock))
    asyncio.run(main(lock, cache.lock("l")))
    asyncio.run(main(cache.lock("r", reentrant=True), cache.lock("r")))


@pytest.mark.parametrize("limit", [1, 2])
def test_a_sync_wait_of_the_task_that_holds_the_lock(cache: forklore.Cache, limit: int) -> None:
    async def main() -> None:
        locks = [cache.lock("l", limit=limit) for _ in range(limit)]
        for lock in locks:
            assert lock.acquire()
        for again in (locks[0], cache.lock("l", limit=limit)):
            assert again.acquire(0) is False
            with pytest.raises(RuntimeError, match="this task holds it already"):
                again.acquire(FOR_EVER)
        for lock in locks:
            lock.release()
        with cache.lock("l", limit=limit):
            pass

    asyncio.run(main())


def test_a_sync_wait_for_one_of_many_places(cache: forklore.Cache) -> None:
    async def hold(begun: asyncio.Semaphore, go_on: asyncio.Event) -> None:
        with cache.lock("l", limit=2):
            begun.release()
            await go_on.wait()

    async def main() -> None:
        begun, go_on = asyncio.Semaphore(0), asyncio.Event()
        first = asyncio.create_task(hold(begun, go_on))
        await begun.acquire()
        with cache.lock("l", limit=2):  # a place is left
            pass
        elsewhere = cache.lock("l", limit=2)
        has, give_back = threading.Event(), threading.Event()

        def in_a_thread() -> None:
            with elsewhere:
                has.set()
                give_back.wait()

        thread = threading.Thread(target=in_a_thread)
        thread.start()
        has.wait()
        assert cache.lock("l", limit=2).acquire(0.01) is False  # waited: the thread can release its place
        give_back.set()
        with cache.lock("l", limit=2):
            pass
        thread.join()
        second = asyncio.create_task(hold(begun, go_on))
        await begun.acquire()
        assert cache.lock("l", limit=2).acquire(0) is False
        with pytest.raises(RuntimeError, match="another task of this thread's event loop"):
            cache.lock("l", limit=2).acquire(FOR_EVER)
        go_on.set()
        await asyncio.gather(first, second)

    asyncio.run(main())


def test_a_lock_that_another_loop_holds_is_waited_for(cache: forklore.Cache) -> None:
    has, give_back = threading.Event(), threading.Event()

    async def hold() -> None:
        with cache.lock("l"):
            has.set()
            await asyncio.to_thread(give_back.wait)

    async def main() -> None:
        assert cache.lock("l").acquire(0.01) is False
        give_back.set()
        with cache.lock("l"):
            pass

    thread = threading.Thread(target=asyncio.run, args=(hold(),))
    thread.start()
    has.wait()
    asyncio.run(main())
    thread.join()


def need_sync_thread(go_on: asyncio.Event, begun: asyncio.Event) -> Callable[[], Awaitable[str]]:
    """A computation that awaits what runs in the thread of sync_to_async(), once it may."""
    from asgiref.sync import sync_to_async

    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return await sync_to_async(lambda: "the task's")()

    return slow


@pytest.mark.parametrize("in_context", [False, True])
def test_a_sync_view_in_the_thread_that_the_computing_one_needs(
    cache: forklore.Cache, caplog: pytest.LogCaptureFixture, in_context: bool
) -> None:
    sync = pytest.importorskip("asgiref.sync")

    async def views() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(cache.aget_or_compute("k", need_sync_thread(go_on, begun)))
        await begun.wait()

        def sync_view() -> object:
            loop.call_soon_threadsafe(go_on.set)
            return cache.get_or_compute("k", lambda: "alone", wait=FOR_EVER)

        answers = [await sync.sync_to_async(sync_view)() for _ in range(2)]
        assert answers[0] == "alone"
        assert await task == "the task's"
        assert await sync.sync_to_async(sync_view)() == "the task's"

    async def main() -> None:
        if in_context:
            async with sync.ThreadSensitiveContext():
                await views()
        else:
            await views()

    with caplog.at_level(logging.WARNING, "forklore"):
        asyncio.run(main())
    assert len(stuck_lines(caplog)) == 1


def test_below_async_to_sync(cache: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    sync = pytest.importorskip("asgiref.sync")

    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(cache.aget_or_compute("k", need_sync_thread(go_on, begun)))
        await begun.wait()

        def sync_view() -> object:
            loop.call_soon_threadsafe(go_on.set)
            return cache.get_or_compute("k", lambda: "alone", wait=FOR_EVER)

        assert await sync.sync_to_async(sync_view)() == "alone"
        assert await task == "the task's"

    with caplog.at_level(logging.WARNING, "forklore"):
        sync.async_to_sync(main)()
    assert len(stuck_lines(caplog)) == 1


def test_a_sync_view_in_another_thread_waits(cache: forklore.Cache, caplog: pytest.LogCaptureFixture) -> None:
    sync = pytest.importorskip("asgiref.sync")

    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(cache.aget_or_compute("k", need_sync_thread(go_on, begun)))
        await begun.wait()

        async def request() -> object:
            async with sync.ThreadSensitiveContext():  # as Django's ASGI handler has one for each request

                def sync_view() -> object:
                    loop.call_soon_threadsafe(go_on.set)
                    return cache.get_or_compute("k", pytest.fail, wait=FOR_EVER)

                return await sync.sync_to_async(sync_view)()

        assert await asyncio.create_task(request()) == "the task's"
        assert await task == "the task's"

    with caplog.at_level(logging.WARNING, "forklore"):
        asyncio.run(main())
    assert stuck_lines(caplog) == []


EVENTLET = """
import warnings
warnings.simplefilter("ignore")
import eventlet
eventlet.monkey_patch()
import os, sys, time
import forklore
cache = forklore.Cache.attach(sys.argv[1])
rounds = 0
def tick():
    global rounds
    while True:
        rounds += 1
        eventlet.sleep(0.01)
eventlet.spawn(tick)
"""

ONE_PROCESS = """
made = []
def slow():
    made.append(1)
    while rounds < 5:
        time.sleep(0.01)  # eventlet's: the hub runs
    return "value"
greenlets = [eventlet.spawn(cache.get_or_compute, "k", slow, wait=600) for _ in range(100)]
assert [greenlet.wait() for greenlet in greenlets] == ["value"] * 100
assert len(made) == 1, made
"""

LOCKS = """
inside = most = 0
def work():
    global inside, most
    lock = cache.lock("l")
    with lock:
        inside += 1
        most = max(most, inside)
        eventlet.sleep(0.02)
        inside -= 1
for greenlet in [eventlet.spawn(work) for _ in range(10)]:
    greenlet.wait()
assert most == 1, most
assert 5 <= rounds, rounds
"""

KILLED = """
first = eventlet.spawn(cache.get_or_compute, "k", lambda: eventlet.sleep(600))
eventlet.sleep(0)
waits = [eventlet.spawn(cache.get_or_compute, "k", lambda: "next", wait=600) for _ in range(3)]
while cache.stats().waits == 0:
    eventlet.sleep(0.01)
waits[0].kill()
first.kill()
assert [greenlet.wait() for greenlet in waits[1:]] == ["next"] * 2
"""

UNPATCHED = """
import threading
got = []
thread = threading.Thread(target=lambda: got.append(cache.get_or_compute("k", lambda: "value", wait=600)))
thread.start()
while not got:
    eventlet.sleep(0.01)
assert got == ["value"]
"""


@pytest.mark.parametrize("patched", [True, False])
@pytest.mark.parametrize("program", [ONE_PROCESS, LOCKS, KILLED, UNPATCHED])
def test_eventlet(cache: forklore.Cache, program: str, patched: bool) -> None:
    if importlib.util.find_spec("eventlet") is None:  # importing it here would be for all tests
        pytest.skip("no eventlet")
    begin = EVENTLET if patched else EVENTLET.replace("eventlet.monkey_patch()", "")
    if not patched:
        program = program.replace("time.sleep", "eventlet.sleep")
    run = subprocess.run(
        [sys.executable, "-c", begin + program, cache.name], capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr
    assert cache.verify() == []
    assert cache.stats().leases_held == 0
