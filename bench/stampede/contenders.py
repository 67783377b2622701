"""What is measured: the CACHES entry of each contender, and the server that it needs, on a Unix socket of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 10


class MissingError(Exception):
    """What a contender needs is not here."""


@dataclass(frozen=True)
class Contender:
    name: str
    title: str
    backend: str
    location: str
    """{folder} is the run's own, {name} a name that no other run uses."""
    options: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    """What the view passes to get_or_set beyond Django's own arguments."""
    server: tuple[str, ...] = ()
    shared: bool = True
    """Whether there is one copy for all workers."""
    elects: bool = False
    """Whether it promises one computation for each expiry."""

    @property
    def stale(self) -> bool:
        return "stale_for" in self.more

    def cache(self, folder: Path, name: str) -> dict[str, Any]:
        location = self.location.format(folder=folder, name=name)
        return {"BACKEND": self.backend, "LOCATION": location, "OPTIONS": self.options}

    @contextmanager
    def served(self, folder: Path) -> Iterator[None]:
        """With its server running, if it has one, in memory alone."""
        if not self.server:
            yield
            return
        program = shutil.which(self.server[0])
        if program is None:
            raise MissingError(f"there is no {self.server[0]}")
        socket = folder / f"{self.name}.sock"
        words = [word.format(socket=socket, folder=folder, user=getpass.getuser()) for word in self.server[1:]]
        with (folder / f"{self.name}.log").open("wb") as log:
            process = subprocess.Popen([program, *words], stdout=log, stderr=log, cwd=folder, start_new_session=True)
        try:
            end = time.monotonic() + START_SECONDS
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise MissingError(f"{program} did not start: {(folder / f'{self.name}.log').read_text()[-300:]}")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(START_SECONDS)


FORKLORE = {
    "backend": "forklore.django.ForkloreCache",
    "location": "{name}",
    "options": {"CAPACITY": "16MB"},
    "elects": True,
}

STALE_FOR = 60  # seconds, unless told otherwise

CONTENDERS = (
    Contender("locmem", "LocMemCache", "django.core.cache.backends.locmem.LocMemCache", "stampede", shared=False),
    Contender(
        "redis", "RedisCache of Django", "django.core.cache.backends.redis.RedisCache", "unix://{folder}/redis.sock",
        server=("redis-server", "--port", "0", "--unixsocket", "{socket}", "--save", "", "--appendonly", "no"),
    ),
    Contender(
        "memcached", "PyMemcacheCache of Django", "django.core.cache.backends.memcached.PyMemcacheCache",
        "unix:{folder}/memcached.sock", server=("memcached", "-s", "{socket}", "-m", "64", "-u", "{user}"),
    ),
    Contender("forklore", "Forklore", **FORKLORE),
    Contender("forklore-stale", "Forklore, stale_for", more={"stale_for": STALE_FOR}, **FORKLORE),
)  # fmt: skip


def remove_segment(name: str) -> None:
    import forklore

    forklore.remove(name)


def waits_of(name: str) -> int:
    """How many calls have had to wait in that segment, for a value that another computes."""
    import forklore

    with forklore.Cache.attach(name) as cache:
        return cache.stats().waits


def unique_name() -> str:
    return f"stampede-{os.getpid()}"
