"""What test_servers.py has Apache and uWSGI serve: applications of one server, each in an interpreter of its own, on
one segment. Copied beside the packages that it needs, as the user of the server may see no more of the host.
"""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

import django
from django.conf import settings

import forklore

SECONDS = 20  # for what another request is to do


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Application:
    def __init__(self, name: str, segment: str) -> None:
        settings.configure(
            CACHES={
                "default": {
                    "BACKEND": "forklore.django.ForkloreCache",
                    "LOCATION": segment,
                    "KEY_PREFIX": name,
                    "OPTIONS": {"CAPACITY": "8MB"},
                }
            }
        )
        django.setup()
        self.name = name
        self.cache = forklore.Cache(segment, "8MB")
        self.log = Lines()
        logging.getLogger("forklore").addHandler(self.log)
        self.compute = forklore.memoize(cache=self.cache, name="compute")(self.slow)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
        answer = getattr(self, "on_" + environ["PATH_INFO"].rpartition("/")[2])(**query)
        body = json.dumps({"name": self.name, "pid": os.getpid(), "answer": answer}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, "did not come to be in time"
            time.sleep(0.005)

    def on_class(self) -> int:
        """Another in each interpreter of a process."""
        return id(forklore.TooLarge)

    def on_set(self, key: str, value: str) -> None:
        self.cache.set(key, {"by": self.name, "value": value})

    def on_get(self, key: str) -> Any:
        return self.cache.get(key)

    def on_count(self) -> int:
        return self.cache.incr("count", initial=0)

    def on_hold(self) -> None:
        with self.cache.lock("job", ttl=60):
            waits = self.cache.stats().waits
            self.cache.set("held", True)
            self.until(lambda: self.cache.stats().waits > waits)
            self.cache.set("released", True)

    def on_wait(self) -> Any:
        self.until(lambda: self.cache.get("held"))
        with self.cache.lock("job", wait=SECONDS):
            return self.cache.get("released")

    def slow(self, number: str) -> str:
        self.cache.incr("computed", initial=0)
        self.until(lambda: self.cache.stats().waits > int(self.cache.get("waits before")))
        return f"{number} by {self.name}"

    def on_compute(self, number: str) -> str:
        return self.compute(number)

    def on_waits(self) -> None:
        self.cache.set("waits before", self.cache.stats().waits)

    def on_django(self) -> list[Any]:
        from django.core.cache import cache

        cache.set("key", [self.name], 60)
        made = cache.get_or_set("made", lambda: self.name)
        return [cache.get("key"), made, self.cache.get(f"{self.name}:1:made"), cache.get_many(["key", "none"])]

    def on_refused(self) -> list[Any]:
        """Whether the class that is caught is this interpreter's; and what was logged here, by the binding."""
        self.log.lines.clear()
        self.cache.get_or_compute("large", lambda: b"x" * 5_000_000)
        try:
            self.cache.set("large", b"x" * 5_000_000)
        except forklore.TooLarge:
            return [True, len(self.log.lines)]
        return [False, len(self.log.lines)]
