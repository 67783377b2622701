"""Real HTTP requests to a Django site under gunicorn with four workers on the loopback."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import forklore

from .conftest import eventually, segment_files

HERE = Path(__file__).resolve().parent
WORKERS = 4
KB = 1024


class Site:
    """gunicorn and its workers. Requests go each over a connection of its own, so that all workers get some."""

    def __init__(self, segment: str, directory: Path, place: str = "shm", *arguments: str) -> None:
        self.segment = segment
        self.capacity_file = directory / "capacity"
        self.log = directory / "gunicorn.log"
        self.say_capacity(4096 * KB)
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
            self.port = listener.getsockname()[1]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--bind", f"fd://{listener.fileno()}",
                 "--config", str(HERE / "gunicorn_conf.py"), "--chdir", str(HERE), "--worker-tmp-dir", str(directory),
                 "--error-logfile", str(self.log), *arguments, "gunicorn_site:application"],
                pass_fds=[listener.fileno()],
                env={**os.environ, "TEST_SEGMENT": segment, "TEST_CAPACITY_FILE": str(self.capacity_file),
                     "TEST_PLACE": place},
            )  # fmt: skip

    def say_capacity(self, size: int) -> None:
        """The capacity that workers started from now on ask for."""
        self.capacity_file.write_text(f"{size // KB}KB")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        print(self.log.read_text())

    def ask(self, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer, _ = self.ask_with_cookie(path, headers)
        return answer

    def ask_with_cookie(self, path: str, headers: dict[str, str] | None = None) -> tuple[dict[str, Any], str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body
            return json.loads(body), response.getheader("Set-Cookie")
        finally:
            connection.close()

    def ask_all(self, path: str, workers: int = WORKERS) -> dict[int, dict[str, Any]]:
        """The last answer of each worker, once so many have answered."""
        answers: dict[int, dict[str, Any]] = {}

        def done() -> bool:
            threads = [threading.Thread(target=lambda: found.append(self.ask(path))) for _ in range(8)]
            found: list[dict[str, Any]] = []
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            answers.update({answer["pid"]: answer for answer in found})
            return len(answers) >= workers

        eventually(done, 60)
        return answers

    def agree(self, key: str, text: str) -> bool:
        """Whether every worker finds text under key."""
        return {answer["text"] for answer in self.ask_all(f"/get/{key}").values()} == {text}


@pytest.fixture
def site(name: str, tmp_path: Path) -> Iterator[Site]:
    started = Site(name, tmp_path)
    try:
        assert len(started.ask_all("/stats")) == WORKERS
        yield started
    finally:
        started.stop()


def test_all_workers_see_one_state(site: Site) -> None:
    site.ask("/put/k/hello")
    answers = site.ask_all("/get/k")
    assert len(answers) == WORKERS
    assert {answer["text"] for answer in answers.values()} == {"hello"}
    counts = []
    threads = [threading.Thread(target=lambda: [counts.append(site.ask("/count")["count"]) for _ in range(25)])
               for _ in range(4)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == list(range(1, 101))
    pids = {site.ask("/page")["pid"] for _ in range(20)}
    assert len(pids) == 1
    answer, cookie = site.ask_with_cookie("/visit")
    assert answer["visits"] == 1
    assert cookie is not None
    visits = [site.ask("/visit", {"Cookie": cookie.split(";")[0]})["visits"] for _ in range(20)]
    assert visits == list(range(2, 22))


@pytest.mark.parametrize("place", ["shm", "anonymous"])
def test_opened_before_the_fork(name: str, tmp_path: Path, place: str) -> None:
    """--preload: the workers inherit the handle that the master opened."""
    site = Site(name, tmp_path, place, "--preload")
    try:
        site.ask("/put/k/hello")
        assert site.agree("k", "hello")
        os.kill(site.ask("/stats")["pid"], signal.SIGKILL)
        assert sorted(site.ask("/count")["count"] for _ in range(20)) == list(range(1, 21))
        assert site.agree("k", "hello")
        assert len(segment_files(name)) == (place == "shm")
    finally:
        site.stop()


def test_removal_under_running_workers(site: Site) -> None:
    """Within 2 s all agree again, whichever worker comes first."""
    site.ask("/put/k/before")
    assert site.agree("k", "before")
    assert forklore.remove(site.segment) is True
    time.sleep(1.5)
    site.ask("/put/k/after")
    assert site.agree("k", "after")
    assert len(segment_files(site.segment)) == 1
    assert forklore.Cache.attach(site.segment).stats().capacity_bytes == 4096 * KB


def test_rolling_restart_to_twice_the_capacity_and_back(site: Site) -> None:
    for capacity in (8192 * KB, 4096 * KB):
        old = set(site.ask_all("/stats"))
        site.say_capacity(capacity)
        site.process.send_signal(signal.SIGHUP)

        def renewed(old: set[int] = old, capacity: int = capacity) -> bool:
            answers = site.ask_all("/stats")
            return not old & set(answers) and {answer["capacity"] for answer in answers.values()} == {capacity}

        eventually(renewed, 60)
        site.ask(f"/put/k/{capacity}")
        assert site.agree("k", str(capacity))
        assert forklore.Cache.attach(site.segment).stats().capacity_bytes == capacity
        assert len(segment_files(site.segment)) == 1


def hold_until_cut_off(site: Site, path: str, cache: forklore.Cache, end: Callable[[int], None]) -> int:
    """Has a worker write without end, calls end with its process id, and waits until the request is cut off."""
    cut_off: list[bool] = []

    def hold() -> None:
        with pytest.raises((http.client.HTTPException, OSError, AssertionError)):  # an error page at best
            site.ask(path)
        cut_off.append(True)

    cache.delete(":1:holder")
    thread = threading.Thread(target=hold)
    thread.start()
    eventually(lambda: cache.get(":1:holder") is not None)
    holder = cache.get(":1:holder")
    end(holder)
    thread.join()
    assert cut_off == [True]
    return holder


def check_after_deaths(site: Site, cache: forklore.Cache, dead: set[int]) -> None:
    """The others go on, new workers come, and nothing is lost or torn."""
    assert not dead & set(site.ask_all("/stats"))
    assert site.agree("k", "stays")
    assert cache.get(":1:held") in (None, "x" * 50_000)
    assert cache.verify() == []


def test_a_killed_worker(site: Site) -> None:
    site.ask("/put/k/stays")

    def kill(holder: int) -> None:
        time.sleep(0.05)
        os.kill(holder, signal.SIGKILL)

    with forklore.Cache.attach(site.segment) as cache:
        dead = {hold_until_cut_off(site, "/hold", cache, kill) for _ in range(3)}
        check_after_deaths(site, cache, dead)


def test_workers_that_gunicorn_ends_for_being_slow(name: str, tmp_path: Path) -> None:
    """--timeout: SIGABRT, and SIGKILL for who does not hear it. To import Django counts as well, so the master does."""
    site = Site(name, tmp_path, "shm", "--preload", "--timeout", "2")
    try:
        site.ask_all("/stats")
        site.ask("/put/k/stays")
        with forklore.Cache.attach(site.segment) as cache:
            dead = {hold_until_cut_off(site, path, cache, lambda _: None) for path in ("/hold", "/hold/deaf")}
            check_after_deaths(site, cache, dead)
        log = site.log.read_text()
        assert all(f"WORKER TIMEOUT (pid:{pid})" in log for pid in dead)
        assert "SIGKILL" in log
    finally:
        site.stop()


def test_workers_that_retire(name: str, tmp_path: Path) -> None:
    """--max-requests: each worker ends after a few requests, and its successor goes on where it left off."""
    site = Site(name, tmp_path, "shm", "--max-requests", "5")
    try:
        answers = [site.ask("/count") for _ in range(60)]
        assert [answer["count"] for answer in answers] == list(range(1, 61))
        assert len({answer["pid"] for answer in answers}) > 2 * WORKERS
        with forklore.Cache.attach(site.segment) as cache:
            assert cache.verify() == []
    finally:
        site.stop()
