"""Who holds a lock, and for how long: threads, tasks and greenlets (those in test_gevent.py) that share one object, and
holders that go without releasing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import forklore

from .conftest import eventually

HERE = Path(__file__).resolve().parent
Fork = Callable[[Callable[[], object]], Any]


def in_thread(work: Callable[[], Any]) -> Any:
    """What another thread gets of it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_an_object_that_is_collected_releases_nothing(cache: forklore.Cache) -> None:
    with pytest.warns(ResourceWarning, match="the lock 'job'.* stays held until its ttl is over or the process ends"):
        assert cache.lock("job").acquire(0)
        gc.collect()
    assert cache.lock("job").locked()
    assert not cache.lock("job").acquire(0)
    with pytest.warns(ResourceWarning, match="'long'"):
        assert cache.lock("long", ttl=60).acquire(0)
    assert cache.lock("brief", ttl=0.1).acquire(0)
    with cache.lock("brief", wait=20):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # in a destructor pytest turns it into a failure of this test
        assert not cache.lock("job").acquire(0)  # which has nothing
        gc.collect()


def test_one_that_could_not_be_made_says_nothing_else(cache: forklore.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    for wrong in ({"bogus": 1}, {"ttl": "5"}, {"limit": 0}, {"wait": "5"}):
        with pytest.raises((TypeError, ValueError)):
            cache.lock("l", **wrong)  # type: ignore[arg-type]
    gc.collect()
    assert said == []


def test_only_the_end_of_the_process_gives_it_back(cache: forklore.Cache) -> None:
    script = """
import sys, forklore
cache = forklore.Cache.attach(sys.argv[1])
if not cache.lock("job").acquire(0):
    sys.exit("another has it")
print("mine", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script, cache.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "mine\n"
    look = cache.lock("job")
    assert look.locked()
    assert not look.held
    assert not look.acquire(0.1)
    child.stdin.close()
    assert child.wait(20) == 0
    assert look.acquire(20)
    assert look.locked()
    look.release()
    assert not look.locked()


def test_the_end_of_a_thread_releases_nothing(cache: forklore.Cache) -> None:
    """Nor is a later thread of its number the holder."""
    lock = cache.lock("l")
    numbers = []

    def take() -> None:
        numbers.append(threading.get_ident())
        assert lock.acquire(0)

    def give() -> None:
        numbers.append(threading.get_ident())
        assert not lock.held
        with pytest.raises(forklore.NotHeld):
            lock.release()

    in_thread(take)
    while numbers[0] not in numbers[1:]:
        in_thread(give)
    assert lock.locked()
    assert not lock.acquire(0)


def test_one_object_for_all_threads(cache: forklore.Cache) -> None:
    lock = cache.lock("l")
    inside = most = rounds = 0
    tokens: list[int] = []

    def work() -> None:
        nonlocal inside, most, rounds
        for _ in range(40):
            with lock as mine:
                inside += 1
                most = max(most, inside)
                tokens.append(mine.token)
                assert mine.held
                rounds += 1
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(work) for _ in range(8)]:
            each.result()
    assert (most, rounds) == (1, 320)
    assert tokens == sorted(set(tokens))
    assert not lock.locked()


def test_who_waits_uses_no_processor(cache: forklore.Cache) -> None:
    lock = cache.lock("l")

    def wait() -> tuple[bool, float]:
        began = time.thread_time()
        return lock.acquire(1), time.thread_time() - began

    with lock:
        got, seconds = in_thread(wait)
        assert not got
        assert seconds < 0.2
        began = time.thread_time(), time.monotonic()
        assert lock.acquire(0.5) is False  # of this thread itself
        assert time.thread_time() - began[0] < 0.2
        assert time.monotonic() - began[1] >= 0.45
        assert lock.held


def test_the_protocol_of_threading_Lock(cache: forklore.Cache) -> None:
    lock = cache.lock("l", wait=0.1)
    assert lock.acquire() is True
    assert lock.acquire() is lock.acquire(0) is lock.acquire(False) is lock.acquire(True) is False
    assert lock.locked() is True
    assert lock.held
    with pytest.raises(forklore.Busy), lock:
        pass
    lock.release()
    assert lock.locked() is False
    with pytest.raises(forklore.NotHeld):
        lock.release()
    with lock:
        assert lock.locked()


def test_held_is_a_value_and_a_call(cache: forklore.Cache) -> None:
    lock = cache.lock("l")
    assert not lock.held
    assert lock.held() is False
    with lock:
        assert lock.held
        assert lock.held() is True
        assert (repr(lock.held), str(lock.held), lock.held == True) == ("True", "True", True)  # noqa: E712
        assert in_thread(lambda: lock.held()) is False
        assert in_thread(lock.locked) is True


def test_what_one_thread_has_no_other_can_touch(cache: forklore.Cache) -> None:
    lock = cache.lock("l", ttl=60)

    def others() -> None:
        for touch in (lock.release, lambda: lock.extend(5), lambda: lock.token):
            with pytest.raises(forklore.NotHeld, match="is not held by this thread, task or greenlet"):
                touch()

    with lock:
        in_thread(others)
        assert lock.held


def test_a_late_holder_hears_of_it(cache: forklore.Cache) -> None:
    lock = cache.lock("l", ttl=0.1)
    assert lock.acquire()
    mine, taken, go = lock.token, threading.Event(), threading.Event()

    def have_it() -> None:
        """For long, however busy the machine is."""
        while True:
            assert lock.acquire(20)
            with contextlib.suppress(forklore.NotHeld):
                return lock.extend(60)

    def take() -> None:
        have_it()
        taken.set()
        assert lock.token > mine
        assert go.wait(20)
        assert lock.held
        lock.release()

    with ThreadPoolExecutor(1) as pool:
        next_one = pool.submit(take)
        assert taken.wait(20)
        assert not lock.held
        with pytest.raises(forklore.NotHeld):
            lock.extend(60)
        with pytest.raises(forklore.NotHeld, match="its ttl was over"):
            lock.release()
        assert lock.locked()  # by the other
        go.set()
        next_one.result()
    assert not lock.locked()
    assert lock.acquire(0)
    time.sleep(0.15)
    with pytest.raises(forklore.NotHeld, match="its ttl was over"):  # though nobody came
        lock.release()
    for _ in range(3):  # as who leaves it to the ttl does
        assert lock.acquire(20)
        time.sleep(0.15)
    have_it()
    lock.release()
    with pytest.raises(forklore.NotHeld):
        lock.release()


def test_a_semaphore_that_is_shared(cache: forklore.Cache) -> None:
    places = cache.lock("l", limit=2, wait=20)
    inside = most = 0
    count = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with places:
                with count:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with count:
                    inside -= 1

    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(work) for _ in range(6)]:
            each.result()
    assert most == 2
    assert [places.acquire(0), places.locked(), places.acquire(0), places.locked(), places.acquire(0)] == [
        True, False, True, True, False
    ]  # fmt: skip
    places.release()
    places.release()
    with pytest.raises(forklore.NotHeld):
        places.release()


def test_a_reentrant_one_that_is_shared(cache: forklore.Cache) -> None:
    lock = cache.lock("l", reentrant=True)

    def refused() -> bool:
        return lock.acquire(0) or cache.lock("l", reentrant=True).acquire(0)

    with lock, lock, cache.lock("l", reentrant=True) as other:
        assert lock.token == other.token
        assert not in_thread(refused)
        lock.release()
        assert lock.held
        assert not in_thread(refused)
        assert lock.acquire(0)
    assert not lock.locked()
    inside = threading.Event()

    def work() -> None:
        with lock:
            inside.set()
            with lock:
                pass

    with lock, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(work)
        assert not inside.wait(0.1)
        lock.release()
        waiting.result()
        assert lock.acquire(20)


def test_a_late_reentrant_holder(cache: forklore.Cache) -> None:
    outer = cache.lock("l", ttl=0.1, reentrant=True)
    assert outer.acquire()
    time.sleep(0.15)
    with cache.lock("l", reentrant=True) as inner:
        with pytest.raises(forklore.NotHeld, match="its ttl was over"):
            outer.release()
        with cache.lock("l", reentrant=True) as again:
            assert again.token == inner.token


def test_one_object_for_all_tasks(cache: forklore.Cache) -> None:
    lock = cache.lock("l")
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with lock:
            inside += 1
            most = max(most, inside)
            assert lock.held
            await asyncio.sleep(0.005)
            inside -= 1

    async def touch() -> None:
        assert not lock.held
        assert await lock.aacquire(0.05) is False
        with pytest.raises(forklore.NotHeld):
            lock.release()

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(12)))
        async with lock:
            await asyncio.gather(touch(), touch(), asyncio.to_thread(lambda: in_thread(lambda: lock.acquire(0))))
            assert await lock.aacquire(0.05) is False
            assert lock.held
        assert await asyncio.wait_for(lock.aacquire(), 20)  # before 3.12 a task of its own awaits it
        assert lock.held
        assert (await asyncio.gather(lock.aacquire(0.05), lock.aacquire(0)))[1] is False
        lock.release()

    asyncio.run(main())
    assert most == 1
    assert not lock.locked()


def test_tasks_that_are_cancelled_leave_nothing(cache: forklore.Cache) -> None:
    """At any time: while they wait, as they get it, and inside."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    lock = cache.lock("l")
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with lock:
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0.003)
            finally:
                inside -= 1

    async def cancel(task: asyncio.Task[None]) -> None:
        await asyncio.sleep(chance.uniform(0, 0.2))
        task.cancel()
        await asyncio.wait([task])

    async def main() -> None:
        await asyncio.gather(*(cancel(asyncio.create_task(work())) for _ in range(60)))
        assert await lock.aacquire(20)  # nobody has it for good
        lock.release()

    asyncio.run(main())
    assert most == 1, f"seed {seed}"


def test_what_a_signal_raises_leaves_nothing(cache: forklore.Cache) -> None:
    class Stop(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    lock = cache.lock("l")
    try:
        with cache.lock("l"), pytest.raises(Stop):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            lock.acquire(20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not lock.locked()


def test_a_frozen_clock_does_not_stop_a_wait(cache: forklore.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """As tests freeze it."""
    with cache.lock("l"):
        monkeypatch.setattr(time, "monotonic", lambda: 5.0)
        monkeypatch.setattr(time, "time", lambda: 5.0)
        assert cache.lock("l").acquire(0.05) is False
        assert asyncio.run(cache.lock("l").aacquire(0)) is False


def test_a_child_of_fork_has_its_own(cache: forklore.Cache, fork: Fork) -> None:
    kept = [cache.lock("l", ttl=60), cache.lock("again", reentrant=True)]
    for lock in kept:
        assert lock.acquire(0)

    def work() -> None:
        for lock in kept:
            assert not lock.held
            assert lock.locked()
            assert not lock.acquire(0)
            for touch in (lock.release, lambda lock=lock: lock.extend(5)):
                with pytest.raises(forklore.NotHeld):
                    touch()
        del lock, touch
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            kept.clear()
            gc.collect()
        assert [str(each.message) for each in said] == []

    assert fork(work).wait() == 0
    for lock in kept:
        assert lock.held
        lock.release()

    def take() -> None:
        assert kept[0].acquire(0)
        os._exit(0)

    assert fork(take).wait() == 0
    assert kept[0].acquire(20)
    kept[0].release()


def test_the_end_of_the_interpreter_says_nothing(cache: forklore.Cache) -> None:
    script = """
import sys, forklore
cache = forklore.Cache.attach(sys.argv[1])
lock = cache.lock("job")
assert lock.acquire(0)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script, cache.name], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert cache.lock("job").acquire(20)


SITE = """
import os, time, forklore
cache = forklore.Cache.attach(os.environ["TEST_SEGMENT"])
lock = cache.lock("count")  # one object for all threads, made before the fork
def count():
    with lock:
        n = cache.get("n", 0)
        time.sleep(0.002)
        cache.set("n", n + 1)
    return "counted"
def job():
    if not cache.lock("job").acquire(0):
        return "another's"
    return f"mine {os.getpid()}"
def application(environ, start_response):
    body = {"/count": count, "/job": job}[environ["PATH_INFO"]]().encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def test_gunicorn_with_threads(cache: forklore.Cache, tmp_path: Path) -> None:
    """A lock at the level of the module, and one that nobody keeps, as views have them."""
    (tmp_path / "app.py").write_text(SITE)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-k", "gthread", "--workers", "2", "--threads", "4", "--preload",
             "--bind", f"fd://{listener.fileno()}", "--config", str(HERE / "gunicorn_conf.py"), "--chdir",
             str(tmp_path), "--error-logfile", str(tmp_path / "log"), "app"],
            pass_fds=[listener.fileno()], env={**os.environ, "TEST_SEGMENT": cache.name},
        )  # fmt: skip

    def get(path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            assert response.status == 200
            return response.read().decode()
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(get, ["/count"] * 80)) == {"counted"}
            assert cache.get("n") == 80
            jobs = sorted(pool.map(get, ["/job"] * 40))
        assert jobs[:-1] == ["another's"] * 39
        mine = jobs[-1].split()
        os.kill(int(mine[1]), signal.SIGKILL)

        def anew() -> bool:
            try:
                return get("/job").startswith("mine")
            except OSError:  # from the worker that is ending
                return False

        eventually(anew)
        assert get("/job") == "another's"
    finally:
        server.terminate()
        server.wait(20)
