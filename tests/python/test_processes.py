"""Several processes on one segment: forked before and after opening, spawned, killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import forklore

Fork = Callable[[Callable[[], object]], Any]


def test_a_handle_opened_before_fork(cache: forklore.Cache, fork: Fork) -> None:
    cache.set("from parent", [1])

    def work() -> None:
        assert cache.get("from parent") == [1]
        cache.set("from child", [2])

    assert fork(work).wait() == 0
    assert cache.get("from child") == [2]


def test_a_handle_opened_after_fork(cache: forklore.Cache, name: str, fork: Fork) -> None:
    def work() -> None:
        with forklore.Cache.attach(name) as own:
            own.set("from child", 1)

    assert fork(work).wait() == 0
    assert cache.get("from child") == 1


def test_anonymous_memory_is_shared_by_fork(name: str, fork: Fork) -> None:
    with forklore.Cache(name, "1MB", place="anonymous") as cache:
        assert fork(lambda: cache.set("k", "v")).wait() == 0
        assert cache.get("k") == "v"


def test_fork_while_threads_call(cache: forklore.Cache, fork: Fork) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            cache.set("n", list(range(100)))
            cache.verify()

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert fork(lambda: [cache.set("c", i) for i in range(50)] and cache.stats()).wait() == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_all_descriptors_closed_by_a_daemoniser(cache: forklore.Cache, fork: Fork) -> None:
    def work() -> None:
        os.closerange(3, 1000)
        cache.set("k", 1)
        assert cache.get("k") == 1

    assert fork(work).wait() == 0
    assert cache.get("k") == 1


def count_up(cache: forklore.Cache, times: int) -> int:
    for _ in range(times):
        cache.incr("n", initial=0)
    return os.getpid()


def test_pickled_to_a_spawned_process(cache: forklore.Cache) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pids = pool.starmap(count_up, [(cache, 500)] * 4)
    assert os.getpid() not in pids
    assert cache.get("n") == 2000


def shared_by(mode: int, cache: forklore.Cache) -> tuple[int, int]:
    cache.incr("n")
    with forklore.Cache.attach(cache.name, mode=mode) as again:
        again.incr("n")
    try:
        forklore.Cache.attach(cache.name)
    except forklore.OpenError as error:
        return os.getpid(), "others may read or write it" in str(error)
    raise AssertionError("it attached without mode")


def test_a_segment_for_a_group_in_a_spawned_process(name: str) -> None:
    with forklore.Cache(name, "1MB", mode=0o660) as cache:
        cache.set("n", 0)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pid, refused = pool.apply(shared_by, (0o660, cache))
        assert pid != os.getpid()
        assert refused
        assert cache.get("n") == 2
        assert shared_by(0o666, cache)[1]  # here too, where it is mapped already


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_a_segment_for_another_user(name: str) -> None:
    script = f"""
import logging, os, pickle, pwd, forklore  # what is imported later may lie where that user may not read
logging.disable()
os.setgroups([]); os.setgid(0); os.setuid(1)
try:
    forklore.Cache.attach("{name}", owner=0)
except forklore.OpenError as error:
    assert "its mode is 0660" in str(error), error
try:
    forklore.Cache("{name}", "2MB", owner=0, mode=0o660)
except forklore.OpenError as error:
    assert "only its owner, user 0, can replace it" in str(error), error
for cache in forklore.Cache.attach("{name}", owner=0, mode=0o660), forklore.Cache("{name}", owner="root", mode=0o660):
    print(cache.incr("n"))
"""
    with forklore.Cache(name, "1MB", mode=0o660) as cache:
        cache.set("n", 0)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert (done.stdout, done.stderr) == ("1\n2\n", "")
        assert cache.get("n") == 2
    with forklore.Cache(name, "2MB", mode=0o660) as larger:
        assert larger.stats().capacity_bytes == 2 << 20


def test_counters_are_exact_over_processes(cache: forklore.Cache, fork: Fork) -> None:
    children = [fork(lambda: count_up(cache, 20_000)) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert cache.get("n") == 80_000


def test_one_of_many_adds(cache: forklore.Cache, fork: Fork) -> None:
    def work() -> None:
        for i in range(2000):
            if cache.add(f"k{i}", os.getpid()):
                cache.incr("won", initial=0)

    children = [fork(work) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert cache.get("won") == 2000


def test_cas_loses_no_update(cache: forklore.Cache, fork: Fork) -> None:
    cache.set("list", [])

    def work() -> None:
        for i in range(200):
            while True:
                value, version = cache.gets("list")
                if cache.cas("list", [*value, (os.getpid(), i)], version):
                    break

    children = [fork(work) for _ in range(3)]
    assert [child.wait() for child in children] == [0] * 3
    value = cache.get("list")
    assert len(value) == 600
    assert len(set(value)) == 600


def test_killed_while_writing(name: str, fork: Fork) -> None:
    """Workers die at any instruction; what is read is always whole and nobody hangs."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    with forklore.Cache(name, "1MB") as cache:

        def write() -> None:
            while True:
                for i in range(40):
                    cache.set(f"k{i}", bytes([i]) * (i * 97))
                    cache.incr("n", initial=0)

        children = [fork(write) for _ in range(2)]
        end = time.monotonic() + 3
        kills = 0
        while time.monotonic() < end or kills <= 20:
            time.sleep(chance.uniform(0, 0.01))
            victim = chance.randrange(2)
            children[victim].kill()
            assert children[victim].wait() == -9
            kills += 1
            begin = time.monotonic()
            for i in range(40):
                value = cache.get(f"k{i}", b"")
                assert value in (b"", bytes([i]) * (i * 97))
                cache.set(f"mine{i}", i)
                assert cache.get(f"mine{i}") == i
            assert time.monotonic() - begin < 20
            children[victim] = fork(write)
        for child in children:
            child.kill()
            child.wait()
        assert cache.verify() == []


def test_busy_and_the_gil_meanwhile(name: str, fork: Fork) -> None:
    """A process that is stopped inside a lock is not robbed of it: writes give up after lock_timeout, while other
    threads of the waiting process go on, and reads go on anyhow."""
    with forklore.Cache(name, "8MB", stripes=1, lock_timeout=1) as cache:
        cache.set("small", "value")

        def write() -> None:
            while True:
                cache.set("big", b"x" * 1_000_000)

        child = fork(write)
        ticks: list[float] = []
        done = threading.Event()

        def tick() -> None:
            while not done.wait(0.005):
                ticks.append(time.monotonic())

        ticking = threading.Thread(target=tick)
        ticking.start()
        try:
            for _ in range(200):
                os.kill(child.pid, signal.SIGSTOP)
                os.waitpid(child.pid, os.WUNTRACED)
                begin = time.monotonic()
                try:
                    cache.set("small", "value")
                except forklore.Busy as error:
                    assert "lock_timeout (1000 ms)" in str(error)
                    assert len([at for at in ticks if at > begin]) > 3
                    assert cache.get("small") == "value"
                    break
                os.kill(child.pid, signal.SIGCONT)
                time.sleep(0.002)
            else:
                raise AssertionError("it was never stopped inside the lock")
            assert cache.stats().busy == 1
            os.kill(child.pid, signal.SIGCONT)
            cache.set("small", "again")
            assert cache.get("small") == "again"
        finally:
            done.set()
            ticking.join()
            os.kill(child.pid, signal.SIGCONT)
            child.kill()
            child.wait()


DAEMON_THREADS = """
import sys, threading, forklore
cache = forklore.Cache(sys.argv[1], "1MB")
def work():
    while True:
        cache.stats(); cache.verify(); list(cache.keys())
        cache.set("k", [1]); cache.get("k"); cache.get_many(iter(["k"]))
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
import time; time.sleep(0.1)
"""


def test_daemon_threads_at_exit(name: str) -> None:
    """The interpreter ends while threads are inside calls: no crash."""
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", DAEMON_THREADS, name], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
