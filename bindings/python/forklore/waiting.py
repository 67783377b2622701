"""Where a caller waits: its thread, under gevent a thread of the hub's pool, under asyncio one of an executor.

A wait is a native call that gives up the GIL. What must not stand still meanwhile (an event loop, a gevent hub) hands
it to another thread, one for each thing that is waited for, however many wait for it there.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:  # whose import costs more than all of forklore's
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

MOST_THREADS = 64  # of the executor; further waits queue

_executor: ThreadPoolExecutor | None = None
_by_loop: weakref.WeakKeyDictionary[Any, dict[Hashable, asyncio.Future[None]]] = weakref.WeakKeyDictionary()
_by_hub: weakref.WeakKeyDictionary[Any, dict[Hashable, Any]] = weakref.WeakKeyDictionary()


def _forget() -> None:
    """In a child of fork the threads are gone, and so are loops and hubs."""
    global _executor
    _executor = None
    _by_loop.clear()
    _by_hub.clear()


os.register_at_fork(after_in_child=_forget)


def hub() -> Any:
    """The gevent hub that runs in this thread, or None."""
    module = sys.modules.get("gevent._hub_local")
    return None if module is None else module.get_hub_if_exists()


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
    from gevent.event import Event

    waits = _by_hub.setdefault(hub, {})
    other = waits.get(what)
    if other is not None:
        other.wait()
        return None
    over = waits[what] = Event()
    attempt = _Attempt(native, give_back)
    try:
        return hub.threadpool.apply(attempt)
    except BaseException:
        attempt.leave()
        raise
    finally:
        del waits[what]
        over.set()


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
