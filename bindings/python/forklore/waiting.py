"""Where a caller waits: its thread, under gevent and eventlet a thread of the hub's pool, under asyncio one of an
executor.

A wait is a native call that gives up the GIL. An event loop or a hub must not stand still, so it hands the wait to
another thread. There is one such thread for each value that is waited for, however many callers wait for it. What a
coroutine of the same loop computes is awaited, without a thread. A caller may be in a thread that the awaited value
needs, such as that of an event loop. Such a caller is told so and does not wait.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .clock import now

if TYPE_CHECKING:  # whose import costs more than all of forklore's
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

LOOK_AGAIN = 0.01  # seconds; once another may take over
MOST_THREADS = 64  # of the executor; further waits queue

_executor: ThreadPoolExecutor | None = None
_by_loop: weakref.WeakKeyDictionary[Any, dict[Hashable, asyncio.Future[None]]] = weakref.WeakKeyDictionary()
_by_hub: weakref.WeakKeyDictionary[Any, dict[Hashable, Any]] = weakref.WeakKeyDictionary()
_by_coroutine: dict[Hashable, _Computing] = {}  # what coroutines compute
_said: set[str] = set()  # what the log has been told


def _forget() -> None:
    """In a child of fork the threads are gone, and so are loops and hubs."""
    global _executor
    _executor = None
    _by_loop.clear()
    _by_hub.clear()
    _by_coroutine.clear()


os.register_at_fork(after_in_child=_forget)


def hub() -> Any:
    """The hub that runs in this thread, gevent's or eventlet's, or None."""
    gevent = sys.modules.get("gevent._hub_local")
    mine = None if gevent is None else gevent.get_hub_if_exists()
    if mine is None and (eventlet := sys.modules.get("eventlet.hubs")) is not None:
        mine = getattr(getattr(eventlet, "_threadlocal", None), "hub", None)
    return mine


def running_loop() -> Any:
    """The event loop that runs in this thread, or None."""
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()


def ends_with_its_call(loop: Any) -> bool:
    """Whether the event loop is one that async_to_sync() has made for one call."""
    sync = sys.modules.get("asgiref.sync")
    return sync is not None and loop in getattr(sync.AsyncToSync, "loop_thread_executors", {})


class _Computing:
    """By a coroutine: its loop, what sync_to_async() uses there, and the future that others of that loop await."""

    __slots__ = ("bound", "loop", "over", "sensitive")

    def __init__(self, timeout: float | None) -> None:
        self.bound = now() + timeout if timeout else None  # after it another may take over
        self.loop, self.sensitive = running_loop(), _sensitive()
        self.over: asyncio.Future[None] | None = None

    def end(self) -> None:
        if self.over is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits in it
                self.loop.call_soon_threadsafe(self.over.set_result, None)  # a collected coroutine ends in any thread


@contextlib.contextmanager
def computes_here(what: Hashable, timeout: float | None = None) -> Iterator[None]:
    """While this coroutine computes what. After timeout another may take over."""
    mine = _by_coroutine[what] = _Computing(timeout)
    try:
        yield
    finally:
        if _by_coroutine.get(what) is mine:
            del _by_coroutine[what]
        mine.end()


async def in_loop(what: Hashable, seconds: float) -> bool:
    """Waits, without a thread, until the coroutine of this event loop that computes what has ended. False, at once:
    no coroutine of this loop computes it."""
    import asyncio

    loop, computing = asyncio.get_running_loop(), _by_coroutine.get(what)
    if computing is None or computing.loop is not loop:
        return False
    if computing.over is None:
        computing.over = loop.create_future()
    if computing.bound is not None:
        seconds = min(seconds, max(computing.bound - now(), LOOK_AGAIN))
    await asyncio.wait([computing.over], timeout=seconds)  # which leaves it to others, whatever becomes of this task
    return True


def holds_up(what: Hashable) -> bool:
    """Whether who waits for what in this thread would wait for himself: a coroutine computes it whose event loop runs
    in this thread, or that may call sync_to_async(), for which this is the one thread. The log is told so once."""
    computing = _by_coroutine.get(what)
    if computing is None:
        return False
    sensitive = computing.sensitive
    if computing.loop is running_loop():
        _say("a wait for what another task of the same event loop computes would stop them both: computed for one "
             "caller alone, and not stored. In a coroutine, await aget_or_compute (Django: aget_or_set)")  # fmt: skip
        return True
    if sensitive is not None and threading.current_thread() in _threads_of(sensitive):
        _say("a wait in the one thread of sync_to_async() for what a coroutine computes might stop them both: computed "
             "for one caller alone, and not stored. Have both views wait alike: both async, or both sync")  # fmt: skip
        return True
    return False


def _sensitive() -> Any:
    """Where asgiref would run what this coroutine gives to sync_to_async(): an executor of one thread, or the context
    that has one. None: asgiref is not here."""
    sync = sys.modules.get("asgiref.sync")
    if sync is None:
        return None
    import asyncio

    with contextlib.suppress(AttributeError):
        return (
            getattr(sync.AsyncToSync.executors, "current", None)
            or sync.SyncToAsync.thread_sensitive_context.get(None)
            or getattr(sync.AsyncToSync, "loop_thread_executors", {}).get(asyncio.get_running_loop())
            or sync.SyncToAsync.single_thread_executor
        )
    return None


def _threads_of(sensitive: Any) -> tuple[Any, ...]:
    executors = sys.modules["asgiref.sync"].SyncToAsync.context_to_thread_executor
    with contextlib.suppress(TypeError):  # what is no key of a weak dictionary is an executor itself
        sensitive = executors.get(sensitive, sensitive)
    return (*getattr(sensitive, "_threads", ()), getattr(sensitive, "_work_thread", None))


def _say(line: str) -> None:
    if line not in _said:
        _said.add(line)
        import logging

        logging.getLogger("forklore").warning("%s", line)


class _Attempt(Generic[T]):
    """A call in another thread, whose caller may be gone when it comes back: then what it came by is given back."""

    def __init__(self, native: Callable[[], T], give_back: Callable[[], object]) -> None:
        self.native, self.give_back = native, give_back
        self.over = self.gone = False

    def __call__(self) -> T:
        answer = self.native()
        self.over = True
        if self.gone:
            self.give_back()
        return answer

    def leave(self) -> None:
        self.gone = True
        if self.over:
            self.give_back()


def in_pool(hub: Any, what: Hashable, native: Callable[[], T], give_back: Callable[[], object]) -> T | None:
    """What native, which waits for what, answers in a thread of the hub's pool. None if another greenlet waited for the
    same already: then that wait is over. give_back undoes native, if this greenlet was killed meanwhile."""
    apply: Callable[..., T]
    over: Any
    if hasattr(hub, "threadpool"):
        from gevent.event import Event

        over, apply = Event(), hub.threadpool.apply
        end = over.set
    else:
        from eventlet import tpool
        from eventlet.event import Event

        over, apply = Event(), tpool.execute
        end = over.send
    waits = _by_hub.setdefault(hub, {})
    other = waits.get(what)
    if other is not None:
        other.wait()
        return None
    waits[what] = over
    attempt = _Attempt(native, give_back)
    try:
        return apply(attempt)
    except BaseException:
        attempt.leave()
        raise
    finally:
        del waits[what]
        end()


async def in_executor(what: Hashable, native: Callable[[], T], give_back: Callable[[], object]) -> T | None:
    """in_pool() for an asyncio task. The threads are the executor's own, so that who waits here takes none from
    others."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    global _executor
    loop = asyncio.get_running_loop()
    waits = _by_loop.setdefault(loop, {})
    other = waits.get(what)
    if other is not None:
        await asyncio.shield(other)  # it is others' too, whatever becomes of this task
        return None
    if _executor is None:
        _executor = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="forklore-wait")
    over = waits[what] = loop.create_future()
    attempt = _Attempt(native, give_back)
    try:
        return await loop.run_in_executor(_executor, attempt)
    except BaseException:
        attempt.leave()
        raise
    finally:
        del waits[what]
        over.set_result(None)
