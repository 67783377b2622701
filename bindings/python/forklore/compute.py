"""The long ways of Cache.get_or_compute: in a coroutine, and under gevent or eventlet."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ._core import DEFAULT, Cache, _Computation, _computing
from .clock import now
from .kept import Kept
from .waiting import computes_here, holds_up, hub, in_executor, in_loop, in_pool

FRESH, STALE, REFRESH, COMPUTE, ALONE, WAIT = range(6)  # as forklore::Turn
PATIENCE = 1.0  # seconds of one wait elsewhere: what ends the process does not wait longer
WAIT_SECONDS = 10.0


class _Flight:
    """One caller's way to a value. A wait of many callers in one loop or hub is waited by one of them; when it is over,
    the others look again."""

    def __init__(self, cache: Cache, key: Any, stale_for: Any, early: Any, wait: Any) -> None:
        self.computation = _Computation(cache, key, stale_for, early, wait)
        self.cache, self.key, self.wait = cache, key, wait
        self.end: float | None = None  # of all waiting

    @functools.cached_property
    def what(self) -> tuple[str, bytes]:
        """The value, as all callers of this process call it."""
        key = self.key
        return self.cache.path, key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key

    def begin(self) -> tuple[int, Any]:
        turn, value = self.computation.begin(0)
        return (ALONE, None) if turn == WAIT and self.left() == 0 else (turn, value)

    def left(self) -> float:
        """The seconds that are left to wait."""
        if self.end is None:
            wait = WAIT_SECONDS if self.wait is None else self.wait
            self.end = now() + (wait.total_seconds() if isinstance(wait, timedelta) else wait)
        return max(self.end - now(), 0)

    def begin_patiently(self) -> tuple[int, Any]:
        """The same in another thread, which may wait."""
        return self.computation.begin(min(PATIENCE, self.left()))

    def enter(self) -> tuple[contextvars.Token[Any], list[int]]:
        """Notes that this context computes, so that it never waits for itself. Not so in a child of fork."""
        still = [os.getpid()]
        return _computing.set((*self.what, still, _computing.get(None))), still

    def keep(self, value: Any, ttl: Any) -> Any:
        if type(value) is Kept:
            value, ttl = value.value, value.ttl
        self.computation.store(value, ttl)
        return value


def _leave(entered: tuple[contextvars.Token[Any], list[int]]) -> None:
    token, still = entered
    still[0] = 0
    _computing.reset(token)


def _plain(value: Any) -> Any:
    return value.value if type(value) is Kept else value


def get_or_compute(
    cache: Cache, key: Any, fn: Callable[[], Any], ttl: Any, stale_for: Any, early: Any, wait: Any
) -> Any:
    """Where a hub may run: waits in its pool of threads."""
    flight = _Flight(cache, key, stale_for, early, wait)
    turn, value = flight.begin()
    while turn == WAIT:
        mine = hub()
        if mine is None:  # another thread's hub
            turn, value = (ALONE, None) if holds_up(flight.what) else flight.begin_patiently()
        else:
            abandon = flight.computation.abandon
            turn, value = in_pool(mine, flight.what, flight.begin_patiently, abandon) or flight.begin()
    if turn in (FRESH, STALE):
        return value
    if turn == ALONE:
        return _plain(fn())
    try:
        entered = flight.enter()
        try:
            made = fn()
        finally:
            _leave(entered)
        return flight.keep(made, ttl)
    finally:
        flight.computation.abandon()


async def aget_or_compute(
    cache: Cache,
    key: Any,
    fn: Callable[[], Any],
    ttl: Any = DEFAULT,
    *,
    stale_for: Any = None,
    early: Any = None,
    wait: Any = WAIT_SECONDS,
) -> Any:
    flight = _Flight(cache, key, stale_for, early, wait)
    turn, value = flight.begin()
    while turn == WAIT:
        if await in_loop(flight.what, min(PATIENCE, flight.left())):
            turn, value = flight.begin()
        else:
            abandon = flight.computation.abandon
            turn, value = await in_executor(flight.what, flight.begin_patiently, abandon) or flight.begin()
    if turn in (FRESH, STALE):
        return value
    if turn == ALONE:
        return _plain(await _call(fn))
    with computes_here(flight.what):
        try:
            entered = flight.enter()
            try:
                made = await _call(fn)
            finally:
                _leave(entered)
            return flight.keep(made, ttl)
        finally:
            flight.computation.abandon()


def is_coroutine_function(function: Any) -> bool:
    """Also of partials of one, and of objects whose call is one."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _call(function: Callable[[], Any]) -> Any:
    """A coroutine function in the loop, any other in a thread; what that answers is awaited if it can be."""
    if is_coroutine_function(function):
        return await function()
    value = await asyncio.to_thread(function)
    return await value if inspect.isawaitable(value) else value
