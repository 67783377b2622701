"""A storage of the package `limits` that all processes of the host share, and so one of Flask-Limiter and slowapi:

    import forklore.limits                                         # makes the scheme known
    Limiter(..., storage_uri="forklore://mysite?capacity=16MB")

Each hit is one step for all processes: none is lost or counted twice. A full segment may evict a count, which then
starts from zero; ?when_full=reject keeps all. Importing this module needs the package: pip install forklore[limits].
"""

from __future__ import annotations

import hashlib
import struct
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable
from math import ceil, floor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from limits.storage.base import MovingWindowSupport, SlidingWindowCounterSupport, Storage, TimestampedSlidingWindow

from ._core import Error
from .adapters import OPTIONS, handle

LONGEST = 500  # of a key, in bytes; what is longer becomes a digest
MOST = 1000  # hits of a moving window that are kept, each with its own time
PREFIX = "limits"
_PAIR = struct.Struct("<qqq")  # a window's number, its count, that of the one before


def _place(kind: str, key: str) -> str:
    """The key under which the state of a limit lies. kind: of which strategy."""
    data = key.encode("utf-8", "surrogatepass")
    if len(data) <= LONGEST:
        return f"{PREFIX}:{kind}:{key}"
    return f"{PREFIX}#{kind}:{hashlib.blake2b(data, digest_size=20).hexdigest()}"


class ForkloreStorage(Storage, MovingWindowSupport, SlidingWindowCounterSupport, TimestampedSlidingWindow):
    """forklore://NAME?OPTION=VALUE&...: a segment by its name, with the options of forklore.Cache.

    A fixed window is a count that expires. A sliding window is two counts, in 24 bytes, of windows that all
    begin at multiples of their length. A moving window is the time of each hit, in 16 bytes, and exact for 1,000 hits.
    Of more, those of the same 500th of the window become one, which counts from the end of that: so a window never has
    more than the limit, and takes 16 KB at most."""

    STORAGE_SCHEME = ["forklore"]  # noqa: RUF012

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        parts = urlsplit(uri or "")
        if not parts.netloc:
            raise ValueError(f"a storage of forklore has a name: forklore://mysite?capacity=16MB, not {uri!r}")
        given = dict(parse_qsl(parts.query, keep_blank_values=True)) | options
        if unknown := sorted(given.keys() - OPTIONS):
            raise ValueError(f"forklore has no such option: {', '.join(unknown)}")
        self._cache = handle(parts.netloc, **{name: _typed(name, value) for name, value in given.items()})

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return Error

    # Fixed windows.

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self._cache.incr(_place("fixed", key), amount, initial=0, ttl=expiry)

    def get(self, key: str) -> int:
        return int(self._cache.get(_place("fixed", key), 0))

    def get_expiry(self, key: str) -> float:
        try:
            return time.time() + (self._cache.ttl(_place("fixed", key)) or 0)
        except KeyError:
            return time.time()

    def clear(self, key: str) -> None:
        self._cache.delete_many([_place("fixed", key), _place("moving", key)])

    # All of them.

    def check(self) -> bool:
        """Whether the segment can be written."""
        try:
            self._cache.set(f"{PREFIX}#check", b"", 1)
        except Error:
            return False
        return True

    def reset(self) -> int | None:
        """Removes all limits, and nothing else that the segment may hold; how many."""
        prefixes = (f"{PREFIX}:", f"{PREFIX}#")
        return sum(self._cache.delete_many(list(self._cache.keys(prefix))) for prefix in prefixes)

    def _change(self, key: str, ttl: float, change: Callable[[bytes], bytes | None]) -> bool:
        """Replaces a state by what change makes of it, in one step for all processes. False: change made None of it."""
        while True:
            state, version = self._cache.gets(key, b"")
            made = change(state)
            if made is None:
                return False
            stored = self._cache.add(key, made, ttl) if version is None else self._cache.cas(key, made, version, ttl)
            if stored:
                return True

    # Moving windows.

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        if amount > limit:
            return False

        def add(state: bytes) -> bytes | None:
            now = time.time()
            hits = _hits_since(now - expiry, state)
            if sum(hits[1::2]) + amount > limit:
                return None
            if hits and hits[-2] >= now:
                hits[-1] += amount
            else:
                hits.extend((now, amount))
            if len(hits) > 2 * MOST:
                hits = _coarser(hits, 2 * expiry / MOST)
            return hits.tobytes()

        return self._change(_place("moving", key), expiry + 1, add)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        now = time.time()
        hits = _hits_since(now - expiry, self._cache.get(_place("moving", key), b""))
        return (hits[0], int(sum(hits[1::2]))) if hits else (now, 0)

    # Sliding windows.

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        if amount > limit:
            return False

        def add(state: bytes) -> bytes | None:
            number, current, previous, left = _counts_at(time.time(), expiry, state)
            if floor(previous * left / expiry + current) + amount > limit:
                return None
            return _PAIR.pack(number, current + amount, previous)

        return self._change(_place("sliding", key), 2 * expiry, add)

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        state = self._cache.get(_place("sliding", key), b"")
        _, current, previous, left = _counts_at(time.time(), expiry, state)
        return previous, left if previous else 0.0, current, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._cache.delete(_place("sliding", key))


def _typed(name: str, value: Any) -> Any:
    """An option of a URI as Cache() takes it."""
    if not isinstance(value, str):
        return value
    try:
        if name == "mode":
            return int(value, 8)
        if name == "stripes":
            return int(value)
        if name in ("default_ttl", "lock_timeout"):
            return float(value)
    except ValueError:
        wanted = {"mode": "an octal number", "stripes": "a whole number"}.get(name, "a number of seconds")
        raise ValueError(f"{name} must be {wanted}, not {value!r}") from None
    return value.lower() in ("1", "true", "yes", "on") if name == "read_only" else value


def _hits_since(begin: float, state: bytes) -> array[float]:
    """The hits in a moving window, oldest first: of each its time, and how many it stands for."""
    hits = array("d")
    hits.frombytes(state)
    return hits[2 * bisect_left(hits[0::2], begin) :]


def _coarser(hits: array[float], grain: float) -> array[float]:
    """The same with all hits of a time of that length as one, at its end."""
    made = array("d")
    for at, count in zip(hits[0::2], hits[1::2], strict=True):
        end = ceil(at / grain - 1e-6) * grain  # of one that is at an end, this one
        if made and made[-2] >= end:
            made[-1] += count
        else:
            made.extend((end, count))
    return made


def _counts_at(now: float, expiry: int, state: bytes) -> tuple[int, int, int, float]:
    """The number of the window that runs, its count, that of the one before, and the seconds until it is over. Where a
    later window has begun, as the clock was set back, it is that one, and all of it is to come."""
    number = int(now / expiry)
    stored, current, previous = _PAIR.unpack(state) if state else (number, 0, 0)
    if stored < number:
        current, previous = 0, current if stored == number - 1 else 0
    number = max(stored, number)
    return number, current, previous, min((number + 1) * expiry - now, float(expiry))
