"""Under gevent: a greenlet that waits lets the others run, also the one that it waits for."""

from __future__ import annotations

import http.client
import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import forklore

pytest.importorskip("gevent")
HERE = Path(__file__).resolve().parent

BEGIN = """
from gevent import monkey
monkey.patch_all()
import gevent, os, sys, time
import forklore
cache = forklore.Cache.attach(sys.argv[1])
rounds = 0
def tick():
    global rounds
    while True:
        rounds += 1
        gevent.sleep(0.01)
ticking = gevent.spawn(tick)
"""

ONE_PROCESS = """
made = []
def slow():
    made.append(1)
    while rounds < 5:  # the hub runs
        time.sleep(0.01)
    return "value"
greenlets = [gevent.spawn(cache.get_or_compute, "k", slow) for _ in range(100)]
gevent.joinall(greenlets, raise_error=True)
assert [greenlet.value for greenlet in greenlets] == ["value"] * 100
assert len(made) == 1, made
"""

UNREADABLE = """
with forklore.Cache.attach(sys.argv[1], serializer="json") as other:
    other.set("k", [1])
    other.get_or_compute("stale", lambda: [1], 0.02, stale_for=3600)
while "stale" in cache:
    time.sleep(0.01)
for key in ("k", "stale"):
    made = []
    rounds = 0
    def slow():
        made.append(1)
        while rounds < 5:  # the hub runs
            time.sleep(0.01)
        return {1, 2}
    greenlets = [gevent.spawn(cache.get_or_compute, key, slow, stale_for=3600) for _ in range(20)]
    gevent.joinall(greenlets, raise_error=True)
    assert [greenlet.value for greenlet in greenlets] == [{1, 2}] * 20
    assert len(made) == 1, made
    assert cache.get(key) == {1, 2}
"""

OTHER_PROCESS = """
def never():
    raise AssertionError("somebody else computes it")
print("ready", flush=True)
sys.stdin.readline()  # the other one has begun
rounds = 0
greenlets = [gevent.spawn(cache.get_or_compute, "k", never) for _ in range(50)]
while rounds < 5:
    gevent.sleep(0.01)
print("went round", flush=True)
gevent.joinall(greenlets, raise_error=True)
assert [greenlet.value for greenlet in greenlets] == ["theirs"] * 50
"""

LOCKS = """
inside = most = 0
def work():
    global inside, most
    with cache.lock("l", reentrant=True), cache.lock("l", reentrant=True):
        inside += 1
        most = max(most, inside)
        before = rounds
        while rounds == before:  # the hub runs, though others wait
            gevent.sleep(0.001)
        inside -= 1
gevent.joinall([gevent.spawn(work) for _ in range(10)], raise_error=True)
assert most == 1, most
"""

SHARED = """
import threading
lock = cache.lock("l")
inside = most = done = 0
def work():
    global inside, most, done
    with lock:
        inside += 1
        most = max(most, inside)
        assert lock.held
        gevent.sleep(0.001)
        inside -= 1
    done += 1
assert lock.acquire()
greenlets = [gevent.spawn(work) for _ in range(10)]
gevent.sleep(0.05)
for greenlet in greenlets[4:7]:  # they wait
    greenlet.kill()
lock.release()
gevent.joinall(greenlets[:4] + greenlets[7:], raise_error=True)
assert (most, done) == (1, 7), (most, done)
assert lock.acquire(20)
def other():
    assert not lock.held and lock.locked() and not lock.acquire(0.05)
    try:
        lock.release()
    except forklore.NotHeld:
        return "not mine"
assert gevent.spawn(other).get() == "not mine"
assert gevent.get_hub().threadpool.apply(other) == "not mine"
assert not lock.acquire(0.05)
lock.release()
gevent.spawn(lock.acquire).join()  # its end releases nothing
assert lock.locked() and not lock.acquire(0)
"""

KILLED = """
def endless():
    gevent.sleep(60)
first = gevent.spawn(cache.get_or_compute, "k", endless)
gevent.sleep(0.1)
others = [gevent.spawn(cache.get_or_compute, "k", lambda: "second") for _ in range(3)]
gevent.sleep(0.1)
others[0].kill()  # the one that waits for the others too
first.kill()
gevent.joinall(others[1:], raise_error=True)
assert [greenlet.value for greenlet in others[1:]] == ["second"] * 2
assert cache.stats().leases_held == 0
"""


def run(cache: forklore.Cache, script: str, begin: str = BEGIN) -> None:
    done = subprocess.run(
        [sys.executable, "-c", begin + script, cache.name], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "script",
    [ONE_PROCESS, UNREADABLE, LOCKS, SHARED, KILLED],
    ids=["compute", "unreadable", "locks", "shared", "killed"],
)
def test_greenlets(cache: forklore.Cache, script: str) -> None:
    run(cache, script)


def test_greenlets_that_wait_for_another_process(cache: forklore.Cache) -> None:
    other = subprocess.Popen([sys.executable, "-c", BEGIN + OTHER_PROCESS, cache.name], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"

    def compute() -> str:
        other.stdin.write("\n")
        other.stdin.flush()
        went_round, _, _ = select.select([other.stdout], [], [], 9)
        return "theirs" if went_round else "too late"

    assert cache.get_or_compute("k", compute) == "theirs"
    assert other.wait(60) == 0


def test_gunicorn_with_gevent_workers(cache: forklore.Cache, tmp_path: Path) -> None:
    """Two workers of greenlets: forty requests at once for one slow page, computed once."""
    (tmp_path / "app.py").write_text(
        """
import os, time, forklore
cache = forklore.Cache.attach(os.environ["TEST_SEGMENT"])
def make():
    cache.incr("made", initial=0)
    time.sleep(0.5)
    return b"page"
def application(environ, start_response):
    if environ["PATH_INFO"] == "/pid":
        body = str(os.getpid()).encode()
    else:
        body = cache.get_or_compute("page", make)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
    )
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-k", "gevent", "--workers", "2", "--bind", f"fd://{listener.fileno()}",
             "--config", str(HERE / "gunicorn_conf.py"), "--chdir", str(tmp_path),
             "--error-logfile", str(tmp_path / "log"), "app"],
            pass_fds=[listener.fileno()], env={**os.environ, "TEST_SEGMENT": cache.name},
        )  # fmt: skip

    def get(path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().read()
        finally:
            connection.close()

    try:
        get("/pid")
        got: list[bytes] = []
        threads = [threading.Thread(target=lambda: got.append(get("/"))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [b"page"] * 40
        assert cache.get("made") == 1
    finally:
        server.terminate()
        server.wait(20)


FAILING = """
def down():
    gevent.sleep(0.02)
    raise ValueError("the source is down")
def never():
    raise AssertionError("nobody is to compute")
def all_of(fn, **how):
    greenlets = [gevent.spawn(cache.get_or_compute, "f", fn, 60, **how) for _ in range(20)]
    gevent.joinall(greenlets)
    return [greenlet.value or type(greenlet.exception).__name__ for greenlet in greenlets]
got = all_of(down, error_ttl=30)
assert sorted(set(got)) == ["ComputeFailed", "ValueError"] and got.count("ValueError") == 1, got
assert all_of(never) == ["ComputeFailed"] * 20
cache.delete("f")
cache.get_or_compute("f", lambda: "old", 0.01, stale_for=60)
gevent.sleep(0.02)
assert all_of(down, stale_for=60, error_ttl=30) == ["old"] * 20
assert all_of(never, stale_for=60) == ["old"] * 20
slow = gevent.spawn(cache.get_or_compute, "s", lambda: gevent.sleep(0.3) or "late", 60, compute_timeout=0.05)
gevent.sleep(0.01)
assert cache.get_or_compute("s", lambda: "value", 60) == "value"
assert slow.get() == "late" and cache.get("s") == "value"
"""

REFRESH = """
cache.get_or_compute("b", lambda: "old", 0.01, stale_for=60)
gevent.sleep(0.02)
made = []
def renew():
    made.append(gevent.getcurrent())
    before = rounds
    while rounds < before + 5:  # the hub runs
        time.sleep(0.01)
    return "new"
assert cache.get_or_compute("b", renew, 60, stale_for=60, refresh="background") == "old"
while cache.get("b") != "new":
    gevent.sleep(0.01)
assert len(made) == 1 and made[0] is not gevent.getcurrent()
"""


@pytest.mark.parametrize("part", ["FAILING", "REFRESH"])
@pytest.mark.parametrize("patched", [True, False], ids=["patched", "not patched"])
def test_failing_and_background(cache: forklore.Cache, part: str, patched: bool) -> None:
    begin = BEGIN if patched else BEGIN.replace("from gevent import monkey\nmonkey.patch_all()\n", "")
    script = globals()[part]
    if not patched:  # then it is a thread's own, and the hub runs anyhow
        script = script.replace("    while rounds < before + 5:  # the hub runs\n        time.sleep(0.01)\n", "")
    run(cache, script, begin)
