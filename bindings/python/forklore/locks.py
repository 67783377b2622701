"""Locks by name, over all processes that share a segment."""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Hashable
from datetime import timedelta
from types import TracebackType
from typing import Any, NoReturn

from ._core import Busy, Cache, Error, _Lease
from .clock import now
from .stats import LockHolder
from .waiting import hub, in_executor, in_pool, running_loop

PATIENCE = 0.2  # seconds of one native wait: signals, and what ends the process, wait no longer

Busy.holders = ()  # unless a lock by name could not be entered


class NotHeld(Error, RuntimeError):
    """The caller released or extended a lock, or asked for its token, and did not hold it, or no longer. Another
    thread, task or greenlet has it, its ttl was over, its segment was replaced or removed, or this is a child of the
    process that holds it."""


class Held(int):
    """True or false, and the same if it is called."""

    __slots__ = ()

    def __call__(self) -> bool:
        return bool(self)

    def __repr__(self) -> str:
        return repr(bool(self))


class _Hold:
    """A lock that was acquired. inside: how often, if it is re-entrant."""

    __slots__ = ("__weakref__", "holder", "inside", "lease", "pid", "ttl", "what")

    def __init__(self, what: Hashable, me: Any, lease: _Lease, ttl: Any) -> None:
        self.what, self.holder, self.lease, self.ttl = what, weakref.ref(me), lease, ttl
        self.inside, self.pid = 0, os.getpid()


class _Thread:
    """Stands for a thread, and goes with it. Threads that follow each other may have one number."""


_here = threading.local()
_reentrant: weakref.WeakKeyDictionary[Any, dict[Hashable, _Hold]] = weakref.WeakKeyDictionary()  # by holder and lock
_by_loop: weakref.WeakKeyDictionary[Any, weakref.WeakSet[_Hold]] = weakref.WeakKeyDictionary()  # what its tasks hold


def _me() -> Any:
    """Who asks, and so holds what it acquires: this asyncio task, else this greenlet, else this thread."""
    if (loop := running_loop()) is not None:
        task = sys.modules["asyncio.tasks"].current_task(loop)
        if task is not None:
            return task
    getcurrent = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    if getcurrent is not None and (greenlet := getcurrent()).parent is not None:  # else it is the thread's first
        return greenlet
    try:
        return _here.thread
    except AttributeError:
        _here.thread = _Thread()
        return _here.thread


def _loop_of(me: Any) -> Any:
    """The event loop of a holder that is a task, else None."""
    return me.get_loop() if hasattr(me, "get_loop") else None


def _seconds(wait: Any) -> float:
    """For which to wait. Raises TypeError or ValueError."""
    if wait is None:
        return float("inf")
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"wait is seconds (int, float, timedelta) or None, not {type(wait).__name__}")
    if seconds != seconds:
        raise ValueError("wait must be a number of seconds, not nan")
    return seconds


def _acquire_here(lease: _Lease, seconds: float) -> bool:
    """In this thread. What a signal's handler raises leaves nothing held."""
    try:
        return lease.acquire(seconds)
    except BaseException:
        lease.release()
        raise


class Lock:
    """A lock by name, as Cache.lock() gives it: `with` or `async with`, or acquire() and release(). While one holds it,
    no other does, in any process. It is held until it is released, its ttl is over, or its process ends, however
    it ends. A thread that ends and an object that is collected release nothing.

    One object may be used by all threads, asyncio tasks and greenlets of a process, as threading.Lock is. Each of them
    is a holder of its own, and releases what it acquired itself. With thread_local=False the object is the one holder,
    and whoever has it may release."""

    def __init__(
        self,
        cache: Cache,
        name: str | bytes,
        ttl: Any = None,
        wait: float | timedelta | None = None,
        *,
        reentrant: bool = False,
        limit: int = 1,
        thread_local: bool = True,
    ) -> None:
        self._holds: dict[weakref.ref[Any], list[_Hold]] = {}  # by holder
        if reentrant and limit != 1:
            raise ValueError("a lock is re-entrant, or has a limit above 1, not both")
        if reentrant and not thread_local:
            raise ValueError("a lock that is re-entrant is so for a thread: thread_local=False is for others")
        self._holder = None if thread_local else _Thread()
        _seconds(wait)
        self.name, self.wait, self._ttl, self._limit, self._reentrant = name, wait, ttl, limit, reentrant
        self._new_lease = functools.partial(_Lease, cache, name, ttl, limit)
        self._spare = [self._new_lease()]  # those that have nothing
        self._lacked = False
        self._what = ("lock", cache.path, name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name)

    @property
    def token(self) -> int:
        """The fencing token: larger than that of everybody who has held this lock before. Send it along to what the
        lock protects, and let that refuse a smaller one than it has seen. Raises NotHeld if who asks has not acquired
        the lock."""
        return self._held_by(self._me())[-1].lease.token()

    @property
    def held(self) -> Held:
        """Whether who asks holds it: not once it was released, or its ttl is over. `lock.held()` is the same."""
        holds = self._holds.get(weakref.ref(self._me()), ())
        return Held(any(hold.lease.held() for hold in holds[-1:]))

    def locked(self) -> bool:
        """Whether anybody holds it, in any process, so that acquire(0) would answer False; of a limit, whether as many
        do. It may be otherwise a moment later."""
        return self._new_lease().locked()

    def holders(self) -> list[LockHolder]:
        """Who holds it, in whatever process: its id, since when, and until when. More than one only where it has a
        limit. It may be otherwise a moment later."""
        return self._new_lease().holders()

    def acquire(
        self,
        wait: float | timedelta | None = -1,
        *,
        blocking: bool | None = None,
        blocking_timeout: float | timedelta | None = None,
        sleep: object = None,
    ) -> bool:
        """Waits for it, as long as Cache.lock() was told unless wait says otherwise. False: not in that time. So too if
        who asks has it already, and it is not re-entrant. Raises RuntimeError rather than wait for a lock that tasks of
        the event loop of this thread hold, be it this task: they could not release it meanwhile.

        The words of redis-py: blocking_timeout is the wait, blocking=False one of 0, and blocking=True waits even if
        the lock usually does not. sleep does nothing: who waits is woken."""
        end, me = self._end(self._wait_of(wait, blocking, blocking_timeout)), self._me()
        if self._enter(me):
            return True
        lease, mine = self._unused(), hub()
        while True:
            patience = min(end - now(), PATIENCE)
            got: bool | None = _acquire_here(lease, 0)
            if not got and patience > 0:
                if stuck := self._stuck(me, mine):
                    self._keep(me, lease, False)
                    raise RuntimeError(stuck)
                if mine is None:
                    got = _acquire_here(lease, patience)
                else:
                    got = in_pool(mine, self._what, functools.partial(lease.acquire, patience), lease.release)
            if got or patience <= 0:
                return self._keep(me, lease, bool(got), _loop_of(me))

    def aacquire(
        self,
        wait: float | timedelta | None = -1,
        *,
        blocking: bool | None = None,
        blocking_timeout: float | timedelta | None = None,
        sleep: object = None,
    ) -> Coroutine[Any, Any, bool]:
        """acquire() to await: the event loop runs meanwhile. The task that calls it is the holder, also if another one
        awaits it, as asyncio.wait_for() does before Python 3.12."""
        return self._aacquire(self._me(), self._wait_of(wait, blocking, blocking_timeout))

    async def _aacquire(self, me: Any, wait: float | timedelta | None) -> bool:
        end = self._end(wait)
        if self._enter(me):
            return True
        lease = self._unused()
        while True:
            patience = min(end - now(), PATIENCE)
            got: bool | None = _acquire_here(lease, 0)
            if not got and patience > 0:
                got = await in_executor(self._what, functools.partial(lease.acquire, patience), lease.release)
            if got or patience <= 0:
                return self._keep(me, lease, bool(got), running_loop())

    def release(self) -> None:
        """Gives it back. Raises NotHeld if who asks has not acquired it, or holds it no more, as its ttl was over:
        another may have come in."""
        me = self._me()
        holds = self._held_by(me)
        hold = holds.pop()
        if not holds:
            del self._holds[weakref.ref(me)]
        hold.inside -= 1
        held = hold.lease.held()
        if hold.inside == 0:
            if self._reentrant and (inside := _reentrant.get(me, {})).get(self._what) is hold:
                del inside[self._what]
            held = hold.lease.release() and held
            self._spare.append(hold.lease)
        if not held:
            raise NotHeld(f"the lock {self.name!r} was no longer held when it was to be released: {_why_not(hold)}")

    def extend(self, ttl: Any) -> None:
        """Begins the time to live again. Raises NotHeld if it was over, or if the caller has not acquired the lock."""
        hold = self._held_by(self._me())[-1]
        if not hold.lease.extend(ttl):
            raise NotHeld(f"the lock {self.name!r} is no longer held: {_why_not(hold)}")
        hold.ttl = ttl

    def __enter__(self) -> Lock:
        if not self.acquire():
            raise self._busy()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.release()
        except NotHeld:
            if error is None:  # else that one is what the caller must hear of
                raise

    async def __aenter__(self) -> Lock:
        if not await self.aacquire():
            raise self._busy()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __del__(self, is_shutdown: Callable[[], bool] = sys.is_finalizing, warn: Any = warnings.warn) -> None:
        by_holder = getattr(self, "_holds", {})  # none of one that could not be made
        holds = [hold for holder, each in by_holder.items() if holder() is not None for hold in each]
        if not is_shutdown() and any(hold.lease.held() for hold in holds):  # not so in a child of fork
            warn(f"nobody has the object of the lock {self.name!r} any more, so it stays held until its ttl is over "
                 "or the process ends", ResourceWarning, source=self)  # fmt: skip

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a lock is its holder's and is neither copied nor pickled; ask Cache.lock() for another by its name"
        )

    def __repr__(self) -> str:
        return f"<forklore lock {self.name!r}{', held' if self.held else ''}>"

    def _me(self) -> Any:
        return _me() if self._holder is None else self._holder

    def _held_by(self, me: Any) -> list[_Hold]:
        """What that holder has acquired, and perhaps holds no more."""
        holds = self._holds.get(weakref.ref(me))
        if holds is None:
            raise NotHeld(f"the lock {self.name!r} is not held by this thread, task or greenlet")
        return holds

    def _unused(self) -> _Lease:
        try:
            return self._spare.pop()
        except IndexError:
            return self._new_lease()

    def _wait_of(self, wait: Any, blocking: bool | None, blocking_timeout: Any) -> Any:
        """How long to wait, by either spelling."""
        if blocking is None and blocking_timeout is None:
            return wait
        if wait != -1:
            raise TypeError("acquire() takes wait, or blocking and blocking_timeout, which say the same")
        if blocking is not None and not blocking:
            return 0
        if blocking_timeout is not None:
            return blocking_timeout
        return None if self.wait is not None and _seconds(self.wait) == 0 else self.wait

    def _end(self, wait: float | timedelta | None) -> float:
        """Of waiting. As with threading.Lock, True is to wait, here as long as usual, and False is not to."""
        return now() + _seconds(self.wait if wait == -1 or wait is True else wait)

    def _enter(self, me: Any) -> bool:
        """Whether this holder is inside a re-entrant lock already, by this object or another, and so once more."""
        hold = _reentrant.get(me, {}).get(self._what) if self._reentrant else None
        if hold is None or not hold.lease.held():
            return False
        self._add(me, hold)
        return True

    def _stuck(self, me: Any, hub: Any) -> str | None:
        """Why to wait for it in this thread is to wait for ever: tasks of the event loop that runs here have it."""
        loop = running_loop() if hub is None else _loop_of(me)  # a hub runs the loop while another greenlet waits
        noted = () if loop is None else _by_loop.get(loop, ())
        holds = [hold for hold in noted if hold.what == self._what and hold.inside and hold.lease.held()]
        if len(holds) < self._limit:
            return None
        if all(hold.holder() is me for hold in holds):
            return f"to wait for the lock {self.name!r} would never end: this task holds it already"
        return (
            f"the lock {self.name!r} is held by another task of this thread's event loop, which cannot "
            "release it while this call waits; wait for it by `async with` or aacquire()"
        )

    def _keep(self, me: Any, lease: _Lease, got: bool, loop: Any = None) -> bool:
        if not got:
            self._lacked = lease.lacking()
            self._spare.append(lease)
            return False
        hold = _Hold(self._what, me, lease, self._ttl)
        if loop is not None:
            _by_loop.setdefault(loop, weakref.WeakSet()).add(hold)
        if self._reentrant:
            _reentrant.setdefault(me, {})[self._what] = hold
        self._add(me, hold)
        return True

    def _add(self, me: Any, hold: _Hold) -> None:
        hold.inside += 1
        for gone in [holder for holder in tuple(self._holds) if holder() is None]:
            self._holds.pop(gone, None)
        mine = self._holds.setdefault(weakref.ref(me), [])
        if mine:
            mine[:] = [other for other in mine if other.lease.held()]  # not those whose ttl was over
        mine.append(hold)

    def _busy(self) -> Busy:
        if self._lacked:
            return Busy(f"for all of wait ({self.wait} s) no line was left for the lock {self.name!r}: other locks "
                        "had all those of its stripe (see stats().lock_lines); a larger capacity has more")  # fmt: skip
        holders = self.holders()
        who = (
            f"; now {', '.join(map(str, holders))}"
            if holders
            else ". None is seen now: it was given back, or a process that is stopped or slow is inside its stripe. "
            "Each attempt waits lock_timeout (LOCK_TIMEOUT) for that one"
        )
        busy = Busy(f"others held the lock {self.name!r} for all of wait ({self.wait} s){who}")
        busy.holders = holders
        return busy


def _why_not(hold: _Hold) -> str:
    """Why a lock that was acquired is not held."""
    if hold.pid != os.getpid():
        return "it is of the process that forked this one"
    others = "it was broken (break_lock), or its segment was replaced or removed"
    return others if hold.ttl is None else f"its ttl was over, {others}"
