"""get_or_compute and its coroutine twin: one computation for all threads, tasks and processes."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forklore

Fork = Callable[[Callable[[], object]], Any]


class Ledger:
    """A file in which each computation is a line, over all processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, words: str = "") -> None:
        with self.path.open("a") as file:
            file.write(f"{os.getpid()} {time.monotonic()} {words}\n")

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()]

    def wait_for(self, count: int) -> list[list[str]]:
        end = time.monotonic() + 10
        while len(lines := self.lines()) < count:
            assert time.monotonic() < end, f"{lines}, and not {count}"
            time.sleep(0.002)
        return lines


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


class Way:
    """The plain method, or the coroutine method in a loop of its own."""

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async

    def __call__(self, cache: forklore.Cache, *args: Any, **kwargs: Any) -> Any:
        if self.is_async:
            return asyncio.run(cache.aget_or_compute(*args, **kwargs))
        return cache.get_or_compute(*args, **kwargs)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Way:
    return Way(request.param)


def never() -> Any:
    raise AssertionError("it was there")


def test_computed_once_and_then_found(cache: forklore.Cache, ask: Way) -> None:
    assert ask(cache, "k", lambda: [1], 60) == [1]
    assert ask(cache, "k", never) == [1]
    assert ask(cache, b"k", never, ttl=None, stale_for=5, wait=1) == [1]
    assert 40 < (cache.ttl("k") or 0) <= 60
    assert ask(cache, "none", lambda: None) is None
    assert ask(cache, "none", never) is None
    assert cache.stats().computed == 2


def test_threads_share_one_computation(cache: forklore.Cache, ask: Way) -> None:
    made, got = [], []

    def slow() -> str:
        made.append(1)
        time.sleep(0.2)
        return "value"

    threads = [threading.Thread(target=lambda: got.append(ask(cache, "k", slow))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), got) == (1, ["value"] * 16)


def test_processes_share_one_computation(cache: forklore.Cache, ask: Way, ledger: Ledger, fork: Fork) -> None:
    def slow() -> str:
        ledger.note()
        time.sleep(0.2)
        return "value"

    def work() -> None:
        assert ask(cache, "k", slow) == "value"

    children = [fork(work) for _ in range(8)]
    assert [child.wait() for child in children] == [0] * 8
    assert len(ledger.lines()) == 1


def test_a_killed_computer_is_followed_at_once(cache: forklore.Cache, ask: Way, ledger: Ledger, fork: Fork) -> None:
    def work(seconds: float) -> None:
        def slow() -> int:
            ledger.note()
            time.sleep(seconds)
            return os.getpid()

        ask(cache, "k", slow, wait=30)

    for _ in range(5):
        cache.delete("k")
        before = len(ledger.lines())
        first = fork(lambda: work(60))
        ledger.wait_for(before + 1)
        others = [fork(lambda: work(0.01)) for _ in range(3)]
        time.sleep(0.1)
        killed = time.monotonic()
        first.kill()
        assert first.wait() == -signal.SIGKILL
        after = ledger.wait_for(before + 2)[-1]
        assert [child.wait() for child in others] == [0] * 3
        assert len(ledger.lines()) == before + 2
        assert float(after[1]) - killed < 10  # of 30 that it may wait; bench/stampede measures how long it takes
        assert cache.get("k") == int(after[0])


def test_an_exception_reaches_its_caller_alone(cache: forklore.Cache, ask: Way) -> None:
    started, answers = threading.Event(), []

    def fails() -> None:
        started.set()
        time.sleep(0.1)
        raise LookupError("mine")

    def first() -> None:
        with pytest.raises(LookupError, match="mine"):
            ask(cache, "k", fails)
        answers.append("raised")

    thread = threading.Thread(target=first)
    thread.start()
    started.wait()
    assert ask(cache, "k", lambda: "second") == "second"
    thread.join()
    assert answers == ["raised"]
    assert cache.get("k") == "second"
    assert cache.stats().leases_held == 0


@pytest.mark.parametrize("write", ["delete", "set", "clear", "incr"])
def test_what_is_written_meanwhile_wins(cache: forklore.Cache, ask: Way, write: str) -> None:
    def computes() -> str:
        if write == "set":
            cache.set("k", "newer")
        elif write == "clear":
            cache.clear()
        elif write == "incr":
            cache.incr("k", initial=0)
        else:
            cache.delete("k")
        return "older"

    assert ask(cache, "k", computes) == "older"
    assert cache.get("k") == {"set": "newer", "incr": 1}.get(write)
    assert cache.stats().voided == 1


def test_the_old_value_at_once_while_one_renews(cache: forklore.Cache, ask: Way) -> None:
    ask(cache, "k", lambda: "old", 0.05, stale_for=30)
    time.sleep(0.1)
    assert cache.get("k") is None
    assert "k" not in cache
    begun, go = threading.Event(), threading.Event()
    renewed = []

    def renew() -> str:
        begun.set()
        assert go.wait(10)
        return "new"

    thread = threading.Thread(target=lambda: renewed.append(ask(cache, "k", renew, 60, stale_for=30)))
    thread.start()
    assert begun.wait(10)
    start = time.monotonic()
    assert [ask(cache, "k", never, 60, stale_for=30) for _ in range(20)] == ["old"] * 20
    assert time.monotonic() - start < 5
    go.set()
    thread.join()
    assert renewed == ["new"]
    assert ask(cache, "k", never, stale_for=30) == cache.get("k") == "new"


def test_early_refresh(cache: forklore.Cache, ask: Way) -> None:
    """The renewal begins before the end: it is made more often than it is missed."""
    made = []

    def slow() -> int:
        made.append(1)
        time.sleep(0.02)
        return len(made)

    def renewed_early() -> int:
        assert ask(cache, "k", slow, 0.4, early=2) >= 1
        return len(made) - cache.stats().misses  # chance, or a busy machine, may let it expire now and then

    end = time.monotonic() + 20
    while renewed_early() < 3:
        assert time.monotonic() < end
        time.sleep(0.002)


def test_waiting_has_a_bound(cache: forklore.Cache, ask: Way) -> None:
    go, begun = threading.Event(), threading.Event()

    def endless() -> str:
        begun.set()
        assert go.wait(20)
        return "first"

    thread = threading.Thread(target=lambda: cache.get_or_compute("k", endless))
    thread.start()
    assert begun.wait(10)
    start = time.monotonic()
    assert ask(cache, "k", lambda: "alone", wait=0.3) == "alone"
    assert 0.25 < time.monotonic() - start < 5
    assert ask(cache, "k", lambda: "not at all", wait=0) == "not at all"
    assert cache.get("k") is None
    go.set()
    thread.join()
    assert cache.get("k") == "first"


def test_computing_may_not_ask_for_itself(cache: forklore.Cache) -> None:
    def again() -> Any:
        return cache.get_or_compute("k", lambda: 1)

    with pytest.raises(RuntimeError, match="computing 'k' asks for 'k' itself"):
        cache.get_or_compute("k", again)

    async def aagain() -> Any:
        return await cache.aget_or_compute("k", never)

    with pytest.raises(RuntimeError, match="asks for"):
        asyncio.run(cache.aget_or_compute("k", aagain))
    # Another key, and the same one afterwards, are nothing of the kind.
    assert cache.get_or_compute("k", lambda: cache.get_or_compute("other", lambda: 2)) == 2
    assert cache.get("k") == 2


def test_a_value_that_brings_its_own_time_to_live(cache: forklore.Cache, ask: Way) -> None:
    assert ask(cache, "k", lambda: forklore.Kept("token", 7), 60) == "token"
    assert 0 < (cache.ttl("k") or 0) <= 7
    assert ask(cache, "gone", lambda: forklore.Kept("once", 0), 60) == "once"
    assert cache.get("gone") is None


def test_a_value_that_cannot_be_stored(cache: forklore.Cache, ask: Way, caplog: pytest.LogCaptureFixture) -> None:
    large = "x" * (cache.stats().max_value_bytes + 1)
    with caplog.at_level(logging.WARNING, "forklore"):
        assert ask(cache, "large", lambda: large) == large
    assert "computed and not stored: 'large'" in caplog.text
    with pytest.raises(forklore.SerializerError):
        ask(cache, "lock", threading.Lock)
    assert cache.stats().leases_held == 0


def test_arguments(cache: forklore.Cache) -> None:
    for wrong in ({"stale_for": -1}, {"early": -1}, {"early": float("nan")}, {"wait": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            cache.get_or_compute("k", never, **wrong)
    for wrong in ({"stale_for": "5"}, {"early": "5"}, {"wait": "5"}, {"fnn": 1}, {"vn": 1}, {"fn\xf6": 1}):
        with pytest.raises(TypeError, match=next(iter(wrong))):
            cache.get_or_compute("k", never, **wrong)
    with pytest.raises(TypeError, match="fn"):
        cache.get_or_compute("k")
    with pytest.raises(TypeError):
        cache.get_or_compute("k", "no function")
    assert cache.stats().leases_held == 0


def test_a_coroutine_function_is_for_the_other_call(cache: forklore.Cache) -> None:
    async def coroutine() -> int:
        return 1

    for _ in range(2):
        with pytest.raises(TypeError, match="aget_or_compute"):
            cache.get_or_compute("k", coroutine)
    assert cache.stats().leases_held == 0


def test_a_cache_closed_meanwhile(name: str) -> None:
    cache = forklore.Cache(name, "1MB")
    assert cache.get_or_compute("k", lambda: cache.close() or 1) == 1
    with pytest.raises(forklore.Error, match="closed"):
        cache.get_or_compute("k", never)


def test_a_reader_computes_for_itself(name: str) -> None:
    with forklore.Cache(name, "1MB") as writer, forklore.Cache.attach(name, read_only=True) as reader:
        assert reader.get_or_compute("k", lambda: 1) == 1
        writer.set("k", 2)
        assert reader.get_or_compute("k", never) == 2


def test_the_interpreter_runs_while_a_thread_waits(cache: forklore.Cache) -> None:
    """Waiting gives up the GIL: this thread counts on meanwhile, and Ctrl-C comes through."""
    go, begun = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: cache.get_or_compute("k", lambda: begun.set() or go.wait(20)))
    thread.start()
    assert begun.wait(10)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        cache.get_or_compute("k", never, wait=15)
    assert time.monotonic() - start < 5
    go.set()
    thread.join()


# In an event loop


async def _asked(
    cache: forklore.Cache, count: int, compute: Callable[[], Any], went_round: Callable[[], None] = lambda: None
) -> tuple[list[Any], int]:
    """What so many tasks got that asked at once, and how often the loop went round meanwhile; the fifth time, it calls
    went_round."""
    rounds = 0

    async def tick() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            if rounds == 5:
                went_round()
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    got = await asyncio.gather(*(cache.aget_or_compute("k", compute) for _ in range(count)))
    ticking.cancel()
    return got, rounds


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_tasks_share_one_computation_and_the_loop_runs(cache: forklore.Cache, kind: str) -> None:
    made = []

    async def slowly() -> str:
        made.append(1)
        await asyncio.sleep(0.3)
        return "value"

    def slow() -> str:
        made.append(1)
        time.sleep(0.3)
        return "value"

    got, rounds = asyncio.run(_asked(cache, 200, slowly if kind == "coroutine" else slow))
    assert got == ["value"] * 200
    assert len(made) == 1
    assert rounds >= 5


def test_the_loop_runs_while_another_process_computes(cache: forklore.Cache, fork: Fork) -> None:
    begun = multiprocessing.get_context("fork").Event()
    went_round = multiprocessing.get_context("fork").Event()

    def compute() -> str:
        begun.set()
        return "theirs" if went_round.wait(9) else "too late"

    child = fork(lambda: cache.get_or_compute("k", compute))
    assert begun.wait(20)
    got, _ = asyncio.run(_asked(cache, 50, never, went_round.set))
    assert got == ["theirs"] * 50
    assert child.wait() == 0


def test_a_cancelled_task_lets_the_next_one_compute(cache: forklore.Cache) -> None:
    async def main() -> str:
        begun = asyncio.Event()

        async def endless() -> None:
            begun.set()
            await asyncio.sleep(60)

        async def brief() -> str:
            return "second"

        first = asyncio.create_task(cache.aget_or_compute("k", endless))
        await begun.wait()
        waiting = [asyncio.create_task(cache.aget_or_compute("k", brief)) for _ in range(3)]
        await asyncio.sleep(0.1)
        waiting[0].cancel()  # the one that waits for the others too
        first.cancel()
        answers = await asyncio.gather(*waiting[1:])
        with pytest.raises(asyncio.CancelledError):
            await first
        return answers

    assert asyncio.run(main()) == ["second", "second"]
    assert cache.stats().leases_held == 0
