"""Cache.lock(): one holder over threads, tasks and processes, whatever becomes of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forklore

from .conftest import eventually

Fork = Callable[[Callable[[], object]], Any]


def test_one_at_a_time(cache: forklore.Cache) -> None:
    with cache.lock("l") as lock:
        assert lock.held
        assert cache.lock("l").acquire(0) is False
        assert cache.lock("other").acquire(0) is True
        with pytest.raises(forklore.Busy, match=r"lock 'l' for all of wait \(0.1 s\)"), cache.lock("l", wait=0.1):
            pass
    assert not lock.held
    with cache.lock("l", wait=0) as again:
        assert again.token > 0
    assert issubclass(forklore.Busy, TimeoutError)


def test_tokens_grow(cache: forklore.Cache) -> None:
    tokens = []
    for _ in range(20):
        with cache.lock("l") as lock:
            tokens.append(lock.token)
    assert tokens == sorted(set(tokens))


def test_locks_are_no_entries(cache: forklore.Cache) -> None:
    with cache.lock("k") as lock:
        cache.set("k", 1)
        cache.delete("k")
        cache.clear()
        assert lock.held
        assert list(cache.keys()) == []
    assert cache.stats().locked == 1


def test_exclusive_over_processes(cache: forklore.Cache, fork: Fork) -> None:
    cache.set("n", 0)

    def work() -> None:
        for _ in range(50):
            with cache.lock("l"):
                cache.set("n", cache.get("n") + 1)

    children = [fork(work) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert cache.get("n") == 200


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:  # it was, a moment ago
        return False


def test_exclusive_over_processes_that_are_killed(cache: forklore.Cache, fork: Fork, tmp_path: Path) -> None:
    """Each holder says so in a file that must not be there; who is killed inside leaves it, which the next forgives
    if its owner is dead."""
    inside, faults = tmp_path / "inside", tmp_path / "faults"

    def work() -> None:
        while True:
            with cache.lock("l") as lock:
                owner = inside.read_text() if inside.exists() else ""
                if owner and is_alive(owner):
                    faults.write_text(f"{owner} is inside too")
                inside.write_text(str(os.getpid()))
                cache.set("token", lock.token)
                cache.incr("handovers", initial=0)
                inside.unlink()

    children = [fork(work) for _ in range(4)]
    end = time.monotonic() + 3
    last = 0
    while time.monotonic() < end:
        time.sleep(random.uniform(0.01, 0.08))
        victim = random.choice(children)
        victim.kill()
        assert victim.wait() == -signal.SIGKILL
        children[children.index(victim)] = fork(work)
        token = cache.get("token", 0)
        assert token >= last
        last = token
    seen = cache.get("handovers", 0)
    eventually(lambda: cache.get("handovers", 0) > seen)
    for child in children:
        child.kill()
        child.wait()
    assert not faults.exists(), faults.read_text()
    with cache.lock("l", wait=20):
        pass


def test_a_ttl_gives_it_to_the_next_and_the_first_is_told(cache: forklore.Cache) -> None:
    first = cache.lock("l", ttl=0.1)
    assert first.acquire()
    with cache.lock("l", wait=5) as second:
        assert second.token > first.token
        assert not first.held
        with pytest.raises(forklore.NotHeld):
            first.extend(5)
    with pytest.raises(
        forklore.NotHeld,
        match=r"its ttl was over, it was broken \(break_lock\), or its segment was replaced or removed",
    ):
        first.release()
    with pytest.raises(ZeroDivisionError), cache.lock("l", ttl=0.05):
        time.sleep(0.1)
        assert cache.lock("l").acquire(1)
        raise ZeroDivisionError  # and not NotHeld
    with pytest.raises(ValueError, match="ttl"):
        cache.lock("l", ttl=0)


def test_extend(cache: forklore.Cache) -> None:
    with cache.lock("l", ttl=1.5) as lock:
        lock.extend(60)
        time.sleep(1.6)
        lock.extend(60)
        assert lock.held
        assert cache.lock("l").acquire(0) is False
        for ttl in (0, -3):
            with pytest.raises(ValueError, match="more than 0"):
                lock.extend(ttl)
        assert lock.held


def test_why_a_lock_is_no_longer_held(cache: forklore.Cache) -> None:
    lock = cache.lock("l")
    assert lock.acquire()
    forklore.remove(cache.name)
    end = time.monotonic() + 5
    while lock.held and time.monotonic() < end:
        cache.get("k")
        time.sleep(0.05)
    assert not lock.locked()
    with pytest.raises(
        forklore.NotHeld, match=r"released: it was broken \(break_lock\), or its segment was replaced or removed"
    ):
        lock.release()


def test_no_lease_is_left(cache: forklore.Cache) -> None:
    stats = cache.stats()
    all_of_them = [cache.lock(f"l{number}") for number in range(20 * stats.lock_lines)]
    held = [lock for lock in all_of_them if lock.acquire(0)]
    assert len(held) == stats.lock_lines == cache.stats().leases_held
    with (
        pytest.raises(forklore.Busy, match=r"no line was left for the lock 'one more'"),
        cache.lock("one more", wait=0),
    ):
        pass
    with pytest.raises(forklore.Busy, match="others held"), cache.lock(held[0].name, wait=0):
        pass


def test_reentrant(cache: forklore.Cache) -> None:
    with cache.lock("l", reentrant=True) as outer:
        with cache.lock("l", reentrant=True) as inner:
            assert inner.token == outer.token
            refused = []
            other = threading.Thread(target=lambda: refused.append(cache.lock("l", reentrant=True).acquire(0)))
            other.start()
            other.join()
            assert refused == [False]
        assert outer.held
        assert cache.lock("l").acquire(0) is False
    assert cache.lock("l").acquire(0) is True
    with pytest.raises(ValueError, match="re-entrant"):
        cache.lock("l", reentrant=True, limit=2)


def test_a_counting_lock(cache: forklore.Cache) -> None:
    first, second, third = (cache.lock("l", limit=2) for _ in range(3))
    assert [lock.acquire(0) for lock in (first, second, third)] == [True, True, False]
    first.release()
    assert third.acquire(1) is True
    stats = cache.stats()
    most = stats.lock_lines // stats.stripes
    cache.lock("l", limit=most)
    for limit in (0, most + 1, 10**12):
        with pytest.raises(ValueError, match=f"limit is from 1 to {most}"):
            cache.lock("l", limit=limit)


def test_wrong_use(cache: forklore.Cache) -> None:
    for ask in (lambda: cache.lock("l", wait="5"), lambda: cache.lock("l").acquire("5")):
        with pytest.raises(TypeError, match="wait is seconds"):
            ask()
    with pytest.raises(ValueError, match="nan"):
        cache.lock("l", wait=float("nan"))
    lock = cache.lock("l")
    with pytest.raises(forklore.NotHeld):
        lock.release()
    with pytest.raises(forklore.NotHeld):
        lock.token  # noqa: B018
    with lock:
        assert repr(lock) == "<forklore lock 'l', held>"


def test_a_child_of_fork_holds_nothing(cache: forklore.Cache, fork: Fork) -> None:
    with cache.lock("l", reentrant=True) as lock:

        def work() -> None:
            assert not lock.held
            assert cache.lock("l", reentrant=True).acquire(0) is False
            with pytest.raises(forklore.NotHeld, match="the process that forked this one"):
                lock.release()

        assert fork(work).wait() == 0
        assert lock.held


def test_tasks(cache: forklore.Cache) -> None:
    """Tasks of one loop exclude each other, a re-entrant one enters twice, and the loop runs meanwhile."""
    inside = most = rounds = 0

    async def work() -> None:
        nonlocal inside, most
        async with cache.lock("l", reentrant=True), cache.lock("l", reentrant=True):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.02)
            inside -= 1

    async def tick() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0.01)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(work() for _ in range(10)))
        ticking.cancel()
        async with cache.lock("l"):
            with pytest.raises(forklore.Busy):
                async with cache.lock("l", wait=0.1):
                    pass

    asyncio.run(main())
    assert most == 1
    assert rounds >= 5


def test_a_cancelled_task_does_not_get_it_after_all(cache: forklore.Cache) -> None:
    async def main() -> None:
        async with cache.lock("l"):
            waiting = cache.lock("l")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(waiting.aacquire(), 0.05)
        # Until the thread that waited for it has come back, it may have it for a moment.
        async with cache.lock("l", wait=20):
            pass
        assert await waiting.aacquire(20)
        waiting.release()

    asyncio.run(main())
    eventually(lambda: cache.stats().leases_held == 0)
