"""refresh="background": a caller that finds an old value takes it, and another thread renews it.

This process has a few such threads. They renew one value after the other, and end when there is none left. The process
may end while they work, and a forked child has its own. Where gevent or eventlet has patched threading, they
are greenlets. In an event loop it is a task (forklore/compute.py).
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from ._core import Cache, _computing
from .failing import say_not_refreshed

MOST_THREADS = 4
MOST_QUEUED = 1000  # values; what is asked for beyond that is renewed by a later call

_Job = Callable[[], Any]
_queued: dict[tuple[str, bytes], tuple[contextvars.Context, _Job]] = {}
_begun: set[tuple[str, bytes]] = set()
_threads = 0
_lock = threading.Lock()  # of these


def _forget() -> None:
    """In a child of fork the threads are gone; what they were to renew is the parent's."""
    global _threads, _lock
    _lock = threading.Lock()
    _threads = 0
    _queued.clear()
    _begun.clear()


os.register_at_fork(after_in_child=_forget)


def later(cache: Cache, key: bytes, fn: Callable[[], Any], ttl: Any, stale_for: Any, early: Any, wait: Any,
          stale_if_error: Any, error_ttl: Any, compute_timeout: Any, refresh: Any) -> None:  # fmt: skip
    """Has the value renewed by a thread, as the arguments of get_or_compute say, unless one is at it. The thread itself
    asks for the right to compute: until it does, another process may."""
    global _threads
    what = (cache.path, key)

    def renew() -> None:
        from .compute import How, renew

        renew(cache, key, fn, ttl, How(stale_for, early, wait, stale_if_error, error_ttl, compute_timeout))

    context = apart()
    with _lock:
        if what in _queued or what in _begun or len(_queued) >= MOST_QUEUED:
            return
        _queued[what] = context, renew
        if _threads >= MOST_THREADS:
            return
        _threads += 1
    try:
        threading.Thread(target=_work, name="forklore-refresh", daemon=True).start()
    except RuntimeError:  # the process ends, or may have no more threads
        with _lock:
            _threads -= 1
            _queued.pop(what, None)


def apart() -> contextvars.Context:
    """A copy of this context for work in the background: it computes nothing yet, and belongs to no request's end."""
    context = contextvars.copy_context()
    context.run(_computing.set, None)
    sync = sys.modules.get("asgiref.sync")
    if sync is not None:
        context.run(sync.SyncToAsync.thread_sensitive_context.set, None)
    return context


def _work() -> None:
    global _threads
    while True:
        with _lock:
            if not _queued:
                _threads -= 1
                return
            what = next(iter(_queued))
            context, renew = _queued.pop(what)
            _begun.add(what)
        try:
            context.run(renew)
        except Exception as error:
            say_not_refreshed(*what, error)
        finally:
            _close_connections()
            with _lock:
                _begun.discard(what)


def _close_connections() -> None:
    """Those of Django's that this thread has opened: no request's end closes them."""
    database = sys.modules.get("django.db")
    if database is not None:
        for connection in database.connections.all(initialized_only=True):
            connection.close()
