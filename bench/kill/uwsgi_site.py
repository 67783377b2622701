"""The uWSGI cache: what uWSGI loads before it forks. Each of its workers runs the storm in a thread, since its main
thread waits for requests; a mule is the checker. The master forks again who dies."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # of the mule, and of uWSGI's own interpreter

import uwsgi  # given by the server itself
from worker import Worker

BOARD = Path(os.environ["KILL_TABLE_BOARD"])


class Cache:
    def open(self) -> None:
        pass

    def get(self, key: str) -> bytes | None:
        return uwsgi.cache_get(key, "storm")

    def set(self, key: str, value: bytes) -> bool:
        return bool(uwsgi.cache_update(key, value, 0, "storm"))


def start() -> None:
    """In each process that was forked."""
    if uwsgi.worker_id() > 0:
        threading.Thread(target=Worker(BOARD, uwsgi.worker_id() - 1, Cache()).run, daemon=True).start()


def application(environ, start_response):
    start_response("404 Not Found", [])
    return []


uwsgi.post_fork_hook = start
