"""The long ways of Cache.get_or_compute: in a coroutine, and under gevent or eventlet."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from . import refresher
from ._core import _ALONE as ALONE
from ._core import _COMPUTE as COMPUTE
from ._core import _FAILED as FAILED
from ._core import _FRESH as FRESH
from ._core import _REFRESH as REFRESH
from ._core import _STALE as STALE
from ._core import _WAIT as WAIT
from ._core import DEFAULT, Cache, Unreadable, _Computation, _computing
from .clock import now
from .failing import raise_failed, say_not_refreshed, say_not_stored, say_served_stale, words_of
from .kept import Kept
from .waiting import computes_here, ends_with_its_call, holds_up, hub, in_executor, in_loop, in_pool

PATIENCE = 1.0  # seconds of one wait elsewhere: what ends the process does not wait longer
WAIT_SECONDS = 10.0
LOOK_AGAIN, MOST_LOOKS = 0.002, 50  # seconds; for a thread that renews a value


class How(NamedTuple):
    """As of Cache.get_or_compute."""

    stale_for: Any = None
    early: Any = None
    wait: Any = None
    stale_if_error: bool | None = None
    error_ttl: Any = None
    compute_timeout: Any = None
    refresh: str | None = None


class _Flight:
    """One caller's way to a value. A wait of many callers in one loop or hub is waited by one of them; when it is over,
    the others look again."""

    def __init__(self, cache: Cache, key: Any, how: How) -> None:
        self.computation = _Computation(cache, key, *how)
        self.cache, self.key, self.how = cache, key, how
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
            wait = WAIT_SECONDS if self.how.wait is None else self.how.wait
            self.end = now() + (wait.total_seconds() if isinstance(wait, timedelta) else wait)
        return max(self.end - now(), 0)

    def begin_patiently(self) -> tuple[int, Any]:
        """The same in another thread, which may wait."""
        return self.computation.begin(min(PATIENCE, self.left()))

    def enter(self) -> tuple[contextvars.Token[Any], list[int]]:
        """Notes that this context computes, so that it never waits for itself. Not so in a child of fork."""
        still = [os.getpid()]
        return _computing.set((*self.what, still, _computing.get(None))), still

    def old(self) -> tuple[bool, Any]:
        """Of a value that is to be renewed: whether it can be read, and it."""
        try:
            return True, self.computation.old()
        except Unreadable:
            return False, None

    def keep(self, value: Any, ttl: Any) -> Any:
        if type(value) is Kept:
            value, ttl = value.value, value.ttl
        self.computation.store(value, ttl)
        return value

    def fail(self, turn: int, error: Exception) -> Any:
        """Computing has raised that: it is remembered, and the old value answered if there is one and it is wanted."""
        self.computation.fail(words_of(error))
        readable, value = self.old() if turn == REFRESH and self.how.stale_if_error is not False else (False, None)
        if not readable:
            raise error
        say_served_stale(self.what[0], self.key, error)
        return value

    def say_refusal(self, error: Exception | None, tell: Callable[[Exception], object] | None) -> None:
        """Why what is computed now will not be stored; None: there is nothing to blame."""
        if error is not None and tell is not None:
            tell(error)
        elif error is not None:
            say_not_stored(self.what[0], self.key, error)


def _leave(entered: tuple[contextvars.Token[Any], list[int]]) -> None:
    token, still = entered
    still[0] = 0
    _computing.reset(token)


def _seconds(time: Any) -> float | None:
    return time.total_seconds() if isinstance(time, timedelta) else time


def _plain(value: Any) -> Any:
    return value.value if type(value) is Kept else value


def get_or_compute(cache: Cache, key: bytes, fn: Callable[[], Any], ttl: Any, *how: Any) -> Any:
    """Where a hub may run: waits in its pool of threads."""
    flight = _Flight(cache, key, How(*how))
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
    if turn == FAILED:
        raise_failed(key, value)
    if turn == ALONE:
        flight.say_refusal(value, None)
        return _plain(fn())
    if turn == REFRESH and flight.how.refresh == "background":
        readable, value = flight.old()
        if readable:
            flight.computation.abandon()
            refresher.later(cache, key, fn, ttl, *how)
            return value
    return _computed(flight, turn, fn, ttl)


def _computed(flight: _Flight, turn: int, fn: Callable[[], Any], ttl: Any) -> Any:
    try:
        entered = flight.enter()
        try:
            made = fn()
        except Exception as error:
            return flight.fail(turn, error)
        finally:
            _leave(entered)
        return flight.keep(made, ttl)
    finally:
        flight.computation.abandon()


def renew(cache: Cache, key: bytes, fn: Callable[[], Any], ttl: Any, how: How) -> None:
    """In a thread of the refresher: computes the value if it is old, and nobody is at it."""
    flight = _Flight(cache, key, how)
    for _ in range(MOST_LOOKS):
        turn, _ = flight.begin()
        if turn != STALE:
            break
        time.sleep(LOOK_AGAIN)  # a caller has it for a moment, if it has this thread do it too
    if turn in (REFRESH, COMPUTE):
        _computed(flight, turn, fn, ttl)


async def aget_or_compute(
    cache: Cache,
    key: Any,
    fn: Callable[[], Any],
    ttl: Any = DEFAULT,
    *,
    stale_for: Any = None,
    early: Any = None,
    wait: Any = WAIT_SECONDS,
    stale_if_error: bool | None = None,
    error_ttl: Any = None,
    compute_timeout: Any = None,
    refresh: str | None = None,
) -> Any:
    how = How(stale_for, early, wait, stale_if_error, error_ttl, compute_timeout, refresh)
    return await acompute(cache, key, fn, ttl, how)


async def acompute(
    cache: Cache,
    key: Any,
    fn: Callable[[], Any],
    ttl: Any,
    how: How,
    tell: Callable[[Exception], object] | None = None,
    plain: Callable[[], Any] | None = None,
) -> Any:
    """tell: gets the error, where one is to blame that what is computed cannot be stored, instead of the log.
    plain: what a thread may call in the place of fn, to renew a value in the background."""
    flight = _Flight(cache, key, how)
    turn, value = flight.begin()
    while turn == WAIT:
        if await in_loop(flight.what, min(PATIENCE, flight.left())):
            turn, value = flight.begin()
        else:
            abandon = flight.computation.abandon
            turn, value = await in_executor(flight.what, flight.begin_patiently, abandon) or flight.begin()
    if turn in (FRESH, STALE):
        return value
    if turn == FAILED:
        raise_failed(key, value)
    if turn == ALONE:
        flight.say_refusal(value, tell)
        return _plain(await _call(fn))
    with computes_here(flight.what, _seconds(how.compute_timeout)):
        try:
            if turn == REFRESH and how.refresh == "background":
                readable, value = flight.old()
                if readable:
                    flight.computation.abandon()
                    if plain is None:
                        _refresh_in_task(cache, key, fn, ttl, how, flight.what)
                    else:
                        refresher.later(cache, flight.what[1], plain, ttl, *how)
                    return value
            entered = flight.enter()
            try:
                made = await _call(fn)
            except Exception as error:
                return flight.fail(turn, error)
            finally:
                _leave(entered)
            return flight.keep(made, ttl)
        finally:
            flight.computation.abandon()


_tasks: dict[tuple[Any, ...], asyncio.Task[Any]] = {}  # which would be collected with nobody to hold them


def _refresh_in_task(
    cache: Cache, key: Any, fn: Callable[[], Any], ttl: Any, how: How, what: tuple[str, bytes]
) -> None:
    """refresh="background" in an event loop: the value is renewed by a task of it, unless one is at it.
    Where the loop is async_to_sync()'s, a thread with a loop of its own renews it."""
    loop = asyncio.get_running_loop()
    if ends_with_its_call(loop):  # and would cancel the task
        refresher.later(cache, what[1], lambda: asyncio.run(_call(fn)), ttl, *how)
        return
    if (loop, what) in _tasks:
        return

    async def renew_here() -> None:
        try:
            await acompute(cache, key, fn, ttl, how._replace(refresh=None))
        except Exception as error:
            say_not_refreshed(what[0], key, error)

    task = _tasks[loop, what] = refresher.apart().run(loop.create_task, renew_here())
    task.add_done_callback(lambda _: _tasks.pop((loop, what), None))


os.register_at_fork(after_in_child=_tasks.clear)


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
