"""Locks by name, over all processes that share a segment."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, NoReturn

from ._core import Busy, Cache, Error, _Lease
from .clock import now
from .waiting import hub, in_executor, in_pool

PATIENCE = 0.2  # seconds of one native wait: signals, and what ends the process, wait no longer


class NotHeld(Error, RuntimeError):
    """A lock was to be released, extended or asked for its token, and was not held, or no longer: its ttl was over, its
    segment was replaced or removed, or this is a child of the process that holds it."""


_mine: dict[tuple[Any, ...], Lock] = {}  # the re-entrant locks that somebody in this process holds


def _me() -> tuple[int, int]:
    """Who is inside a re-entrant lock: this asyncio task, else this thread or greenlet. Not so in a child of fork."""
    task = None
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with contextlib.suppress(RuntimeError):  # no loop runs here
            task = asyncio.current_task()
    return os.getpid(), id(task) if task is not None else -threading.get_ident()


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


class Lock:
    """A lock by name, as Cache.lock() gives it: `with` or `async with`, or acquire() and release(). While one holds it,
    no other does, in any process; when its process ends, by whatever cause, it is free. For one thread or task at a
    time: others ask Cache.lock() for their own."""

    def __init__(
        self,
        cache: Cache,
        name: str | bytes,
        ttl: Any = None,
        wait: float | timedelta | None = None,
        *,
        reentrant: bool = False,
        limit: int = 1,
    ) -> None:
        if reentrant and limit != 1:
            raise ValueError("a lock is re-entrant, or has a limit above 1, not both")
        _seconds(wait)
        self.name, self.wait, self._ttl = name, wait, ttl
        self._new_lease = functools.partial(_Lease, cache, name, ttl, limit)
        self._lease = self._new_lease()
        self._reentrant, self._has, self._inside = reentrant, False, 0
        self._outer: Lock | None = None  # which this one is inside of
        self._what = ("lock", cache.path, name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name)

    @property
    def token(self) -> int:
        """The fencing token: larger than that of everybody who has held this lock before. Send it along to what the
        lock protects, and let that refuse a smaller one than it has seen. Raises NotHeld before the lock is
        acquired."""
        holder = self._outer or self
        if not holder._has:
            raise NotHeld(f"the lock {self.name!r} has not been acquired")
        return holder._lease.token()

    def held(self) -> bool:
        """Whether it still is: not once its ttl is over and another has it, or it was released."""
        holder = self._outer or self
        return holder._has and holder._lease.held()

    def acquire(self, wait: float | timedelta | None = -1) -> bool:
        """Waits for it, as long as Cache.lock() was told unless wait says otherwise. False: not in that time."""
        end = self._end(wait)
        if self._enter():
            return True
        mine = hub()
        while True:
            patience = min(end - now(), PATIENCE)
            if mine is None:
                got: bool | None = self._lease.acquire(max(patience, 0))
            elif not (got := self._lease.acquire(0)) and patience > 0:
                with self._elsewhere(patience) as native_and_undo:
                    got = in_pool(mine, self._what, *native_and_undo)
            if got:
                return self._entered()
            if patience <= 0:
                return False

    async def aacquire(self, wait: float | timedelta | None = -1) -> bool:
        """acquire() that lets the event loop run meanwhile."""
        end = self._end(wait)
        if self._enter():
            return True
        while True:
            patience = min(end - now(), PATIENCE)
            got: bool | None = self._lease.acquire(0)
            if not got and patience > 0:
                with self._elsewhere(patience) as native_and_undo:
                    got = await in_executor(self._what, *native_and_undo)
            if got:
                return self._entered()
            if patience <= 0:
                return False

    def release(self) -> None:
        """Gives it back. Raises NotHeld if it was not held any more, and another may have come in."""
        if self._outer is not None:
            outer, self._outer = self._outer, None
            outer._leave()
            return
        if not self._has:
            raise NotHeld(f"the lock {self.name!r} has not been acquired")
        self._leave()

    def extend(self, ttl: Any) -> None:
        """Begins the time to live anew. Raises NotHeld if it was over."""
        holder = self._outer or self
        if not holder._has:
            raise NotHeld(f"the lock {self.name!r} has not been acquired")
        if not holder._lease.extend(ttl):
            raise NotHeld(f"the lock {self.name!r} is no longer held: {holder._why_not()}")
        holder._ttl = ttl

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

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a lock is its holder's and is neither copied nor pickled; ask Cache.lock() for another by its name"
        )

    def __repr__(self) -> str:
        return f"<forklore lock {self.name!r}{', held' if self.held() else ''}>"

    @contextlib.contextmanager
    def _elsewhere(self, patience: float) -> Iterator[tuple[Callable[[], bool], Callable[[], object]]]:
        """To acquire the lease in another thread, and to undo that. If this caller is cancelled meanwhile, the other
        thread may be at it still: what follows is by a lease of its own."""
        lease = self._lease
        try:
            yield functools.partial(lease.acquire, patience), lease.release
        except BaseException:
            self._lease = self._new_lease()
            raise

    def _end(self, wait: float | timedelta | None) -> float:
        if self._has or self._outer is not None:
            raise RuntimeError(f"this Lock object has {self.name!r} already; ask Cache.lock() for another")
        return now() + _seconds(self.wait if wait == -1 else wait)

    def _enter(self) -> bool:
        """Whether this caller is inside the lock already, and so once more."""
        outer = _mine.get((*self._what, *_me())) if self._reentrant else None
        if outer is None or not outer.held():
            return False
        outer._inside += 1
        self._outer = outer
        return True

    def _entered(self) -> bool:
        self._has, self._inside, self._pid = True, 1, os.getpid()
        if self._reentrant:
            self._key = (*self._what, *_me())
            _mine[self._key] = self
        return True

    def _leave(self) -> None:
        self._inside -= 1
        if self._inside > 0:
            return
        self._has = False
        if self._reentrant:
            _mine.pop(self._key, None)
        if not self._lease.release():
            raise NotHeld(f"the lock {self.name!r} was no longer held when it was to be released: {self._why_not()}")

    def _why_not(self) -> str:
        """Why a lock that was acquired is not held."""
        if self._pid != os.getpid():
            return "it is of the process that forked this one"
        segment = "its segment was replaced or removed"
        return segment if self._ttl is None else f"its ttl was over, or {segment}"

    def _busy(self) -> Busy:
        if self._lease.lacking():
            return Busy(f"for all of wait ({self.wait} s) no line was left for the lock {self.name!r}: other locks "
                        "had all those of its stripe (see stats().lock_lines); a larger capacity has more")  # fmt: skip
        return Busy(f"others held the lock {self.name!r} for all of wait ({self.wait} s)")
