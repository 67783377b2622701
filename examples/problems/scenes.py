"""The five problems, each played once without Forklore and once with it, at the same requests."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serving import Server, run_threads

CLIENTS = 12
PATIENCE = 15  # seconds for what must come
SCHEMA = "CREATE TABLE IF NOT EXISTS product (number INTEGER PRIMARY KEY, price INTEGER NOT NULL)"


@dataclass
class Take:
    """What came of a scene played one way. Times are seconds from its begin."""

    said: str
    holds: bool
    requests: list[tuple[float, float]] = field(default_factory=list)
    """When each was sent, and the seconds until its answer."""
    loads: list[float] = field(default_factory=list)
    """When the database was asked."""
    marks: list[tuple[float, str]] = field(default_factory=list)
    """What else happened."""


class Stage:
    """A scene's requests, to one way of the site, and what they did to the database."""

    def __init__(self, server: Server, folder: Path, way: str, number: int) -> None:
        self.server, self.folder, self.way, self.number = server, folder, way, number
        self.requests: list[tuple[float, float]] = []
        self.marks: list[tuple[float, str]] = []
        self.lock = threading.Lock()
        self.begun = time.monotonic()

    def ask(self, path: str) -> dict:
        sent = time.monotonic()
        answer = self.server.get(f"/{self.way}/{path}")
        with self.lock:
            self.requests.append((sent - self.begun, time.monotonic() - sent))
        return answer

    def ask_all(self, seconds: float, path: Callable[[], str], clients: int = CLIENTS) -> None:
        """From so many clients, each again as soon as it has its answer."""
        end = time.monotonic() + seconds

        def client() -> None:
            while time.monotonic() < end:
                self.ask(path())

        run_threads(clients, client)

    def mark(self, words: str) -> float:
        now = time.monotonic()
        self.marks.append((now - self.begun, words))
        return now

    def notes(self, what: str) -> list[tuple[float, int]]:
        """When, and by which process, of those since the scene began."""
        lines = (self.folder / "notes").read_text().splitlines() if (self.folder / "notes").exists() else []
        found = [(float(when) - self.begun, int(pid)) for kind, _, pid, when in map(str.split, lines) if kind == what]
        return sorted(note for note in found if note[0] >= 0)

    def wait_for(self, what: str, count: int) -> list[tuple[float, int]]:
        end = time.monotonic() + PATIENCE
        while len(found := self.notes(what)) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.way}: {what!r} did not come {count} times in {PATIENCE} s")
            time.sleep(0.005)
        return found

    def store(self, prices: dict[int, int]) -> None:
        """Into the database itself."""
        with sqlite3.connect(self.folder / "shop.sqlite", timeout=20) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS product (number INTEGER PRIMARY KEY, price INTEGER NOT NULL)"
            )
            connection.executemany("INSERT OR REPLACE INTO product VALUES (?, ?)", prices.items())

    def take(self, said: str, holds: bool) -> Take:
        return Take(said, holds, self.requests, [when for when, _ in self.notes("load")], self.marks)


def stampede(stage: Stage, quick: bool) -> Take:
    """A page that everybody wants expires: every worker computes it anew, at once."""
    ttl, expiries = 0.5, 2 if quick else 5
    stage.store({stage.number: 100})
    stage.ask_all((ttl + 0.15) * expiries + 0.3, lambda: f"price/{stage.number}?ttl={ttl}")
    bursts = in_bursts([when for when, _ in stage.notes("load")], 0.25)
    most = max(map(len, bursts))
    said = "once for each" if most == 1 else f"up to {most} times for one"
    return stage.take(said, most == 1 and len(bursts) > expiries - 1)


def penetration(stage: Stage, quick: bool) -> Take:
    """Somebody asks for what does not exist: nothing is found to be cached, so every request goes to the database."""
    absent = [stage.number + i for i in range(5)]
    stage.ask_all(1 if quick else 3, lambda: f"price/{random.choice(absent)}?ttl=60")
    loads, asked = len(stage.notes("load")), len(stage.requests)
    return stage.take(f"{loads} of {asked} requests asked the database", loads == len(absent))


def avalanche(stage: Stage, quick: bool) -> Take:
    """What was cached together expires together: all at once the database is asked for everything."""
    ttl, count = 1.5, 40
    stage.store({stage.number + i: 100 for i in range(count)})
    stage.ask(f"warm/{stage.number}/{count}?ttl={ttl}")
    numbers = list(range(stage.number, stage.number + count))
    stage.ask_all(ttl * 1.4 + 0.4, lambda: f"price/{random.choice(numbers)}?ttl=60")
    times = [when for when, _ in stage.notes("load")]
    most = max((sum(0 <= later - when < 0.25 for later in times) for when in times), default=0)
    return stage.take(f"{most} of {len(times)} queries within a quarter of a second", most <= count / 2)


def put_back(stage: Stage, quick: bool) -> Take:
    """A slow worker reads the old price; another changes it and deletes it from the cache; then the slow one stores
    what it had read, and the old price stays."""
    stage.store({stage.number: 100})
    slow = threading.Thread(target=lambda: stage.ask(f"price/{stage.number}?ttl=60"))
    slow.start()
    stage.wait_for("load", 1)
    stage.mark("the price changes")
    stage.ask(f"price/{stage.number}/200")
    slow.join()
    prices = [stage.ask(f"price/{stage.number}?ttl=60")["price"] for _ in range(8)]
    wrong = sum(price != 200 for price in prices)
    return stage.take(f"{wrong} of {len(prices)} later requests got the old price", wrong == 0)


def dead_holder(stage: Stage, quick: bool) -> Take:
    """A worker is killed while it holds a lock: the others wait for a time-out that had to be long enough for the
    slowest holder."""

    def enter(path: str) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # cut off with the worker that is killed
            stage.ask(path)

    threads = [threading.Thread(target=enter, args=["ledger?seconds=60"], daemon=True)]
    threads[0].start()
    [(_, holder)] = stage.wait_for("inside", 1)
    threads += [threading.Thread(target=enter, args=["ledger"], daemon=True) for _ in range(CLIENTS)]
    for thread in threads[1:]:  # so many that some are with other workers
        thread.start()
    time.sleep(0.3)
    os.kill(holder, signal.SIGKILL)
    killed = stage.mark("the holder is killed") - stage.begun
    followed = stage.wait_for("inside", 2)[1][0]
    stage.marks.append((followed, "the next one is in"))
    after = followed - killed
    for thread in threads:
        thread.join()
    return stage.take(f"the next one is in after {after:.2f} s", after < 1)


def in_bursts(times: list[float], gap: float) -> list[list[float]]:
    bursts: list[list[float]] = []
    for when in times:
        if not bursts or when > bursts[-1][0] + gap:
            bursts.append([])
        bursts[-1].append(when)
    return bursts


SCENES: dict[str, tuple[Callable[[Stage, bool], Take], str]] = {
    "stampede": (stampede, "computed when the page expires"),
    "penetration": (penetration, "for products that do not exist"),
    "avalanche": (avalanche, "when what was cached together expires"),
    "stale write": (put_back, "after the price has changed"),
    "dead lock holder": (dead_holder, "when the holder was killed"),
}
