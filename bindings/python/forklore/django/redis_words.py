# mypy: disable-error-code="import-untyped"
"""The words of django-redis on the backend, with its arguments and answers, and their async variants."""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, InvalidCacheBackendError, default_key_func
from django.utils.module_loading import import_string

import forklore

from .handles import REFUSED, UNAVAILABLE

_BATCH = 1000  # keys of one step of aiter_keys


class RedisWords:
    """What a backend has besides Django's own calls. A class of its own, so that each half can be read by itself."""

    # What the backend is, too.
    handle: Any
    add: Callable[..., bool]
    key_func: Any
    key_prefix: Any
    version: Any
    make_and_validate_key: Callable[..., Any]
    get_many: Callable[..., dict[Any, Any]]
    set_many: Callable[..., list[Any]]
    _incr: Callable[..., int]
    _params: dict[str, Any]
    _miss: Callable[[Exception], None]
    _raise_refused: Callable[..., Any]
    _raises: Callable[[], bool]
    _shared: Any
    _ttl: Callable[[Any], Any]

    # Times to live. Answers are rounded up, so 0 means that there is no such entry.

    def ttl(self, key: Any, version: int | None = None) -> int | None:
        """The seconds that the entry has left; None if it never expires, 0 if there is none."""
        left = self._left(key, version)
        return None if left is None else math.ceil(left)

    def pttl(self, key: Any, version: int | None = None) -> int | None:
        """ttl() in milliseconds."""
        left = self._left(key, version)
        return None if left is None else math.ceil(left * 1000)

    def expire(self, key: Any, timeout: Any, version: int | None = None) -> bool:
        """touch() with exactly this timeout: TTL_JITTER leaves it alone. False: there is no such entry."""
        return self._expire(key, self._ttl(timeout) if timeout is DEFAULT_TIMEOUT else timeout, version)

    def pexpire(self, key: Any, timeout: Any, version: int | None = None) -> bool:
        """expire() by milliseconds."""
        if not isinstance(timeout, (int, float)):  # None, DEFAULT_TIMEOUT and timedelta are what they are
            return self.expire(key, timeout, version)
        return self._expire(key, timeout / 1000, version)

    def expire_at(self, key: Any, when: datetime | float, version: int | None = None) -> bool:
        """Lets the entry expire at a moment: a datetime (a naive one is local time), or seconds since 1970. What
        lies in the past removes it. False: there is no such entry."""
        return self._expire(key, _moment(when) - time.time(), version)

    def pexpire_at(self, key: Any, when: datetime | float, version: int | None = None) -> bool:
        """expire_at() where a number is milliseconds since 1970."""
        seconds = when if isinstance(when, datetime) else when / 1000
        return self._expire(key, _moment(seconds) - time.time(), version)

    def persist(self, key: Any, version: int | None = None) -> bool:
        """Lets the entry never expire. False: there is none, or it did not expire anyhow."""
        with contextlib.suppress(KeyError, *UNAVAILABLE):  # _expire() answers or raises for these
            if self.handle.ttl(self.make_and_validate_key(key, version)) is None:
                return False
        return self._expire(key, None, version)

    def _left(self, key: Any, version: int | None) -> float | None:
        try:
            return self.handle.ttl(self.make_and_validate_key(key, version))
        except KeyError:
            return 0
        except UNAVAILABLE as error:
            self._shared.say_unavailable(error)
            return 0

    def _expire(self, key: Any, ttl: Any, version: int | None) -> bool:
        try:
            return self.handle.touch(self.make_and_validate_key(key, version), ttl)
        except UNAVAILABLE as error:
            if self._raises():
                raise
            self._shared.say_unavailable(error)
            return False

    # By pattern: * ? [abc] [a-c] [^abc] and a backslash, as Redis has them; prefix and version are added.

    def keys(self, search: str = "*", version: int | None = None) -> list[str]:
        """The keys that match, each once, without prefix and version. They may be many: see iter_keys()."""
        return list(dict.fromkeys(self.iter_keys(search, version=version)))

    def iter_keys(self, search: str = "*", itersize: int | None = None, version: int | None = None) -> Iterator[str]:
        """The keys that match, fetched in batches. One that is present throughout comes at least once. A KEY_FUNCTION
        needs a REVERSE_KEY_FUNCTION too, from (key of the cache) to what the program calls it."""
        reverse = self._reverse(version)

        def found() -> Iterator[str]:
            try:
                for key in self.handle.keys(pattern=self._pattern(search, version)):
                    yield reverse(key)
            except UNAVAILABLE as error:
                self._shared.say_unavailable(error)

        return found()

    def delete_pattern(
        self, pattern: str, version: int | None = None, prefix: str | None = None, itersize: int | None = None
    ) -> int:
        """Removes the entries whose keys match; how many there were. prefix: instead of KEY_PREFIX. What is stored
        meanwhile may stay or go. Raises as delete() does."""
        return self.handle.delete_pattern(self._pattern(pattern, version, prefix))

    def _pattern(self, pattern: Any, version: int | None, prefix: str | None = None) -> str:
        if not isinstance(pattern, str):
            raise TypeError(f"a pattern is a str, not {type(pattern).__name__}")
        prefix = self.key_prefix if prefix is None else prefix
        version = self.version if version is None else version
        # A number has nothing that a pattern would take otherwise, and a KEY_FUNCTION may format it as one.
        return self.key_func(pattern, _literal(prefix), version if isinstance(version, int) else _literal(version))

    def _reverse(self, version: int | None) -> Callable[[str], str]:
        named = self._params.get("REVERSE_KEY_FUNCTION")
        if named is not None:
            return named if callable(named) else import_string(named)
        if self.key_func is not default_key_func:
            raise InvalidCacheBackendError("keys() and iter_keys() need a REVERSE_KEY_FUNCTION with a KEY_FUNCTION")
        head = len(default_key_func("", self.key_prefix, self.version if version is None else version))
        return lambda key: key[head:]

    # Numbers, versions of a value, many keys.

    def incr(
        self,
        key: Any,
        delta: int = 1,
        version: int | None = None,
        initial: int | None = None,
        ttl: Any = DEFAULT_TIMEOUT,
        timeout: Any = DEFAULT_TIMEOUT,
        ignore_key_check: bool = False,
    ) -> int:
        """Adds delta; the sum. Exact over all workers, and the time to live stays. A key that is absent raises
        ValueError, or is stored as initial + delta with ttl (or timeout, the same). ignore_key_check is an initial of 0
        that never expires unless a ttl is given. TypeError if the value is no int."""
        if initial is not None or ttl is not timeout or ttl is not DEFAULT_TIMEOUT or ignore_key_check:
            ttl = _one_of("incr", DEFAULT_TIMEOUT, ttl=ttl, timeout=timeout)
            return self._incr_or_store(key, delta, version, initial, ttl, ignore_key_check)
        try:
            return self._incr(key, delta, version)
        except KeyError:
            raise ValueError(f"Key '{key}' not found") from None
        except (OverflowError, TypeError) as error:
            return self._add_any(key, delta, version, error, ValueError(f"Key '{key}' not found"))

    def decr(self, key: Any, delta: int = 1, version: int | None = None, **how: Any) -> int:
        """incr by -delta."""
        return self.incr(key, -delta, version=version, **how)

    def _incr_or_store(
        self, key: Any, delta: int, version: int | None, initial: int | None, ttl: Any, ignore_key_check: bool
    ) -> int:
        if ignore_key_check and initial is None:
            initial, ttl = 0, None if ttl is DEFAULT_TIMEOUT else ttl
        if initial is None:
            raise TypeError("incr() takes a ttl for a key that is absent, and so needs an initial too")
        initial = operator.index(initial)
        while True:
            try:
                return self._incr(key, delta, version)
            except KeyError:
                pass
            except (OverflowError, TypeError) as error:
                with contextlib.suppress(KeyError):
                    return self._add_any(key, delta, version, error, KeyError(key))
            if self.add(key, initial + operator.index(delta), ttl, version):
                return initial + operator.index(delta)

    def _add_any(self, key: Any, delta: Any, version: int | None, refused: Exception, absent: Exception) -> int:
        """To an int that has more than 64 bits, or is to have. Raises refused for what is no int."""
        if not hasattr(delta, "__index__"):
            raise refused
        name, delta = self.make_and_validate_key(key, version), operator.index(delta)
        while True:
            try:
                value, stamp = self.handle.gets(name)
            except forklore.SerializerError:
                raise refused from None
            if stamp is None:
                raise absent from None
            if type(value) is not int:
                raise refused
            with contextlib.suppress(KeyError):  # expired meanwhile
                # The stamp of what has been stored or added to since is another.
                if self.handle.cas(name, value + delta, stamp, self.handle.ttl(name)):
                    return value + delta

    def get_with_version(self, key: Any, default: Any = None, version: int | None = None) -> tuple[Any, int | None]:
        """(value, stamp), the stamp for cas(); (default, None) if there is none. Of a value that cannot be read
        (ON_UNREADABLE="miss") it is (default, stamp), so that cas() replaces it."""
        try:
            return self.handle.gets(self.make_and_validate_key(key, version), default)
        except (*UNAVAILABLE, forklore.Unreadable) as error:
            self._miss(error)
            return default, getattr(error, "_version", None)

    def cas(
        self, key: Any, value: Any, stamp: int, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool | None:
        """Stores value if the entry is still the one that get_with_version() gave the stamp of. True: stored. False: it
        has changed, or was moved: get it again. None: there is none. Raises as add() does."""
        if not isinstance(stamp, int):
            raise TypeError(f"stamp is the int that get_with_version() gave, not {stamp!r}")
        try:
            return self.handle.cas(self.make_and_validate_key(key, version), value, stamp, self._ttl(timeout))
        except REFUSED as error:
            return self._raise_refused(key, version, error)

    def mget(self, keys: Any, *more: Any, version: int | None = None) -> list[Any]:
        """The values in the order of the keys, None where there is none. Keys one by one, or in a list."""
        names = (
            list(keys)
            if not more and isinstance(keys, Iterable) and not isinstance(keys, (str, bytes))
            else [keys, *more]
        )
        found = self.get_many(names, version)
        return [found.get(name) for name in names]

    def mset(self, data: dict[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """set_many(); whether all were stored."""
        return not self.set_many(data, timeout, version)

    def info(self, key: Any, version: int | None = None) -> forklore.EntryInfo | None:
        """Size, time to live, format and frequency of an entry; None if there is none. No hit is counted."""
        try:
            return self.handle.info(self.make_and_validate_key(key, version))
        except UNAVAILABLE as error:
            self._shared.say_unavailable(error)
            return None

    def break_lock(self, name: Any, version: int | None = None) -> int:
        """forklore.Cache.break_lock() by a key of this cache: takes the lock from a living holder, which goes on."""
        return self.handle.break_lock(self.make_and_validate_key(name, version))

    def locks(self) -> list[forklore.LockHolder]:
        """forklore.Cache.locks(): who holds which locks of the whole LOCATION."""
        return self.handle.locks()

    def lock(
        self,
        name: Any = None,
        ttl: Any = None,
        wait: Any = None,
        *,
        key: Any = None,
        timeout: Any = None,
        blocking: bool = True,
        blocking_timeout: Any = None,
        sleep: Any = None,
        thread_local: bool = True,
        reentrant: bool = False,
        limit: int = 1,
        version: int | None = None,
    ) -> forklore.Lock:
        """forklore.Cache.lock() by a key of this cache: prefix and version belong to the name. It is no entry, so no
        key of that name is seen.

        django-redis' words are taken too: key is the name, timeout the ttl, blocking_timeout the wait, and
        blocking=False a wait of 0. sleep does nothing: who waits is woken. With thread_local=False whoever has the
        object may release it."""
        name = _one_of("lock", None, name=name, key=key)
        if name is None:
            raise TypeError("lock() needs the name of the lock")
        ttl = _one_of("lock", None, ttl=ttl, timeout=timeout)
        if not blocking and wait is not None:
            raise TypeError("lock() takes wait or blocking, not both")
        wait = _one_of("lock", None, wait=wait, blocking_timeout=blocking_timeout) if blocking else 0
        return self.handle.lock(
            self.make_and_validate_key(name, version),
            ttl,
            wait,
            reentrant=reentrant,
            limit=limit,
            thread_local=thread_local,
        )

    # The same to await. What may take long is done in a thread; all else takes less than handing it to one.

    async def attl(self, key: Any, version: int | None = None) -> int | None:
        return self.ttl(key, version)

    async def apttl(self, key: Any, version: int | None = None) -> int | None:
        return self.pttl(key, version)

    async def aexpire(self, key: Any, timeout: Any, version: int | None = None) -> bool:
        return self.expire(key, timeout, version)

    async def apexpire(self, key: Any, timeout: Any, version: int | None = None) -> bool:
        return self.pexpire(key, timeout, version)

    async def aexpire_at(self, key: Any, when: datetime | float, version: int | None = None) -> bool:
        return self.expire_at(key, when, version)

    async def apexpire_at(self, key: Any, when: datetime | float, version: int | None = None) -> bool:
        return self.pexpire_at(key, when, version)

    async def apersist(self, key: Any, version: int | None = None) -> bool:
        return self.persist(key, version)

    async def akeys(self, search: str = "*", version: int | None = None) -> list[str]:
        return await sync_to_async(self.keys, thread_sensitive=False)(search, version)

    async def aiter_keys(
        self, search: str = "*", itersize: int | None = None, version: int | None = None
    ) -> AsyncIterator[str]:
        found = self.iter_keys(search, itersize, version)
        step = sync_to_async(lambda: list(itertools.islice(found, _BATCH)), thread_sensitive=False)
        while batch := await step():
            for key in batch:
                yield key

    async def adelete_pattern(
        self, pattern: str, version: int | None = None, prefix: str | None = None, itersize: int | None = None
    ) -> int:
        return await sync_to_async(self.delete_pattern, thread_sensitive=False)(pattern, version, prefix)

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None, **how: Any) -> int:
        return self.incr(key, delta, version, **how)

    async def adecr(self, key: Any, delta: int = 1, version: int | None = None, **how: Any) -> int:
        return self.decr(key, delta, version, **how)

    async def aget_with_version(
        self, key: Any, default: Any = None, version: int | None = None
    ) -> tuple[Any, int | None]:
        return self.get_with_version(key, default, version)

    async def acas(
        self, key: Any, value: Any, stamp: int, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool | None:
        return self.cas(key, value, stamp, timeout, version)

    async def ainfo(self, key: Any, version: int | None = None) -> forklore.EntryInfo | None:
        return self.info(key, version)

    async def abreak_lock(self, name: Any, version: int | None = None) -> int:
        return self.break_lock(name, version)

    async def alocks(self) -> list[forklore.LockHolder]:
        return self.locks()

    async def amget(self, keys: Any, *more: Any, version: int | None = None) -> list[Any]:
        return self.mget(keys, *more, version=version)

    async def amset(self, data: dict[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self.mset(data, timeout, version)


def _moment(when: datetime | float) -> float:
    return when.timestamp() if isinstance(when, datetime) else float(when)


def _literal(text: Any) -> str:
    """As a pattern that matches it alone."""
    return re.sub(r"([*?\[\\])", r"\\\1", str(text))


def _one_of(call: str, not_given: Any, **words: Any) -> Any:
    """What was given by one of these words, which mean the same."""
    given = [value for value in words.values() if value is not not_given]
    if len(given) > 1:
        raise TypeError(f"{call}() takes {' or '.join(words)}, which are the same, not both")
    return given[0] if given else not_given
