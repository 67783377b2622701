# mypy: disable-error-code="import-untyped"
"""The backend class. Plain Python methods, which Django inspects and tests patch, over the native half's calls.

Above 400 lines: each call of Django's contract, sync and async, stands here with its own answer to an absent cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, default_key_func
from django.utils.functional import cached_property

import forklore
from forklore import _core
from forklore.compute import How, acompute, is_coroutine_function
from forklore.contract import KeyHeads, Usual

from .callers import follows_a_miss
from .handles import REFUSED, UNAVAILABLE, Shared, arguments_of, in_settings_words, logger, shared_by
from .policy import Policy, policy_of
from .redis_words import RedisWords

# What a read misses by.
_MISSES = (*UNAVAILABLE, forklore.Unreadable)

# What makes and checks keys. While a backend has none of these otherwise, its native half makes them.
_KEY_METHODS = {name: getattr(BaseCache, name) for name in ("make_key", "validate_key", "make_and_validate_key")}


class ForkloreCache(RedisWords, _core.DjangoCalls, BaseCache):
    """One cache for all workers of a site on one host.

    LOCATION is the name of the segment. OPTIONS: CAPACITY MAX_VALUE STRIPES PLACE PATH WHEN_FULL LOCK_TIMEOUT MODE
    OWNER SERIALIZER COMPRESS_ABOVE COMPRESSION, as the arguments of forklore.Cache; TTL_JITTER, in percent by which
    each timeout is made shorter or longer, at random. Of get_or_set: STALE_FOR STALE_IF_ERROR ERROR_TTL COMPUTE_TIMEOUT
    REFRESH. Of what goes wrong: ON_ERROR ON_UNREADABLE THROTTLE_WHEN_DOWN. docs/django.md says what each does. The
    segment is opened by the first call, so a command that does not use the cache makes none.

    Where Django leaves room:

    * set of a value that is too large removes the old value, counts (`failed_sets`), logs a warning to
      "forklore.django" and returns. So does set of a value that cannot be pickled, but then the serializer's own error
      (PicklingError, AttributeError, TypeError) is raised, as every backend of Django does.
    * Under WHEN_FULL="reject" the old value stands, whatever is refused: it is state. set of a value that finds no room
      counts, logs an error once a minute at most, and returns. An old value of as much size or more always makes room.
    * set_many names the keys of all these in its answer.
    * add raises TooLarge and Full: False would say that there is an entry. get_or_set returns the value all the same.
    * get_or_set calls a callable default once for all workers, and stores nothing if the key was set or deleted
      meanwhile.
    * A value that cannot be read back is a miss (ON_UNREADABLE="miss") and logged once a minute: its class is gone, or
      another SERIALIZER wrote it. With ON_UNREADABLE="raise" get raises forklore.Unreadable; get_many leaves it out.
    * No segment can be had, or it cannot be written (OpenError, ReadOnly), or a living process holds a lock for all of
      LOCK_TIMEOUT (Busy): get, get_many and has_key miss; set, set_many and touch store nothing (ON_ERROR="log") or
      raise the error (ON_ERROR="raise"); get_or_set, cache_page, memoize and what Django stores after a miss answer
      what was computed. The logger "forklore.django" says so once a minute, and failed_calls counts them. All others
      raise the error: delete and clear, as what they were to remove may be served still, and add, incr, lock and
      rate_limit, as others rely on their answer. Throttles allow, or deny (THROTTLE_WHEN_DOWN="deny").
    * incr adds to integers of any size, over all processes exactly, and keeps the time to live: ValueError if there is
      none, TypeError for anything else, with the value unchanged. Up to 64 bits it does so in place.
    * incr_version keeps the time to live and loses no write to the old version that comes between.
    * Keys are at most 1,024 bytes, prefix and version included: ValueError beyond.
    * The a... methods run in the calling thread: a call takes less time than handing it to another. aget_or_set alone
      may wait long, and does so in a thread.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._arguments = arguments_of(location, params)
        self._params = params

    @cached_property
    def _policy(self) -> Policy:
        return policy_of(self._arguments["name"], self._params)

    @cached_property
    def _shared(self) -> Shared:
        return shared_by(self._arguments)

    @cached_property
    def handle(self) -> forklore.Cache:
        """The forklore.Cache behind this backend, for what Django has no method for: stats, ttl, keys, gets and cas.
        Its keys are those of make_key. Shared by all backends of this configuration: do not close it. Raises
        forklore.OpenError while none can be had."""
        self._policy  # noqa: B018 - refused before anything is opened
        return self._shared.handle

    def _can_open(self) -> bool:
        """Whether there is a handle. If not, the log has been told."""
        try:
            self.handle  # noqa: B018
        except forklore.OpenError as error:
            self._shared.say_unavailable(error)
            return False
        return True

    @property
    def failed_sets(self) -> int:
        """How many values this process could not store since it opened the cache. stats().refused counts for all."""
        return self._shared.failed_sets

    @property
    def failed_calls(self) -> int:
        """How many calls of this process found no cache that could be read or written, or one that was busy, and were
        answered all the same: misses, what was not stored, and throttles."""
        return self._shared.failed_calls

    def _usual(self) -> Usual:
        """For the native half."""
        policy = self._policy
        return Usual(
            heads=self._key_heads(),
            no_timeout=DEFAULT_TIMEOUT,
            ttl=self.default_timeout,
            stale_for=policy.stale_for,
            spreads=policy.jitter > 0,
            stale_if_error=policy.stale_if_error,
            error_ttl=policy.error_ttl,
            compute_timeout=policy.compute_timeout,
            refresh=policy.refresh,
        )

    def _key_heads(self) -> KeyHeads | None:
        """None if keys are made or checked in any way that is not Django's default."""
        cls = type(self)
        if (
            self.key_func is not default_key_func
            or cls.handle is not ForkloreCache.handle
            or any(name in vars(self) or getattr(cls, name) is not usual for name, usual in _KEY_METHODS.items())
        ):
            return None
        prefix = f"{self.key_prefix}:"
        head = f"{prefix}{self.version}:"
        # What Django would warn of, it warns of at each key.
        return KeyHeads(prefix, head) if head.isascii() and head.isprintable() and " " not in head else None

    def __getstate__(self) -> dict[str, Any]:
        """The settings: a copy, here or in another process, opens its cache and asks again."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_shared", "handle")}

    def _ttl(self, timeout: Any) -> Any:
        """Of one entry: TTL_JITTER gives each its own."""
        ttl = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return self._policy.spread(ttl)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            return self._get(key, default, version)
        except _MISSES as error:
            self._miss(error)
            return default

    def set(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        client: None = None,  # so that django-redis' order holds; by name alone would cost each call
        nx: bool = False,
        xx: bool = False,
    ) -> bool | None:
        """nx: only if there is no such entry, which is add(). xx: only if there is one. With either the answer is
        whether it was stored, and what cannot be stored raises as of add(). client is None, as there is no other."""
        if client is not None:
            raise TypeError(f"set() knows no client, and so takes None there, not {client!r}; give nx and xx by name")
        try:
            return self._set(key, value, timeout, version, nx, xx)
        except REFUSED as error:
            if nx or xx:
                self._raise_refused(key, version, error)
            self._refuse(key, version, error)
            if isinstance(error, forklore.SerializerError):
                _raise_cause(error)
        except UNAVAILABLE as error:
            if nx or xx:
                raise
            self._drop(error)
        return None

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        try:
            return self._add(key, value, timeout, version)
        except REFUSED as error:
            return self._raise_refused(key, version, error)

    def _raise_refused(self, key: Any, version: int | None, error: Exception) -> NoReturn:
        """Where the caller relies on the answer."""
        self._report(key, version, error)
        if isinstance(error, forklore.SerializerError):
            _raise_cause(error)
        raise type(error)(in_settings_words(error)) from None

    def _refuse(self, key: Any, version: int | None, error: Exception) -> None:
        """After a set was refused: removes the old value and reports it. In a segment that is state the old value
        stands."""
        if self._shared.handle.stats().when_full != "reject":
            try:
                self._delete(key, version)
            except UNAVAILABLE as unavailable:
                if self._raises():
                    raise
                self._shared.say_unavailable(unavailable)
        self._report(key, version, error)

    def _report(self, key: Any, version: int | None, error: Exception) -> None:
        self._shared.count_failed_set()
        name = self.make_key(key, version)
        if not isinstance(error, forklore.Full):
            logger.warning("Not stored: %r: %s", name, in_settings_words(error))
        elif since := self._shared.due(forklore.Full):
            logger.error(
                "The cache at LOCATION %r is full: %d not stored since this was last said, now %r. Old values stand. "
                "A larger CAPACITY makes room, in an empty segment. %s",
                self._arguments["name"],
                since,
                name,
                in_settings_words(error),
            )

    def _miss(self, error: Exception) -> None:
        """A read found no cache, or what it cannot read."""
        if not isinstance(error, forklore.Unreadable):
            self._shared.say_unavailable(error)
        elif self._policy.on_unreadable == "raise" and not follows_a_miss():
            raise error
        else:
            self._shared.say_unreadable(error)

    def _raises(self) -> bool:
        """Whether a set or touch that found no cache raises: the program's, with ON_ERROR="raise"."""
        return self._policy.on_error == "raise" and not follows_a_miss()

    def _drop(self, error: Exception) -> None:
        if self._raises():
            raise error
        self._not_stored(error)

    def _not_stored(self, error: Exception) -> None:
        self._shared.count_failed_set()
        self._shared.say_unavailable(error)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        try:
            return self._touch(key, timeout, version)
        except UNAVAILABLE as error:
            if self._raises():
                raise
            self._shared.say_unavailable(error)
            return False

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._delete(key, version)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        try:
            return self._has_key(key, version)
        except UNAVAILABLE as error:
            self._shared.say_unavailable(error)
            return False

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        unreadable: list[forklore.Unreadable] = []
        try:
            found = self._get_many(keys, version, unreadable)
        except UNAVAILABLE as error:
            self._miss(error)
            return {}
        for each in unreadable:
            self._shared.say_unreadable(each)
        return found

    def set_many(self, data: dict[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> list[Any]:
        failed = list(data)
        if not self._policy.jitter:
            try:
                failed = self._set_many(data, timeout, version)
            except forklore.SerializerError:
                pass  # then none has been stored
            except UNAVAILABLE as error:
                if self._raises():
                    raise
                for _ in failed:
                    self._not_stored(error)
                return failed
        # Each by itself, which says why, and can have a time to live of its own.
        return [key for key in failed if not self._set_one(key, data[key], timeout, version)]

    def _set_one(self, key: Any, value: Any, timeout: Any, version: int | None) -> bool:
        try:
            self._set(key, value, timeout, version, False, False)
        except REFUSED as error:
            self._refuse(key, version, error)
            return False
        except UNAVAILABLE as error:
            self._drop(error)
            return False
        return True

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> int:
        """How many of them there were."""
        return self._delete_many(keys, version)

    def get_or_set(
        self,
        key: Any,
        default: Any | Callable[[], Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        stale_for: Any = None,  # by position as well: what is by name alone would cost a hit a quarter
        early: float | None = None,
        wait: Any = None,
        stale_if_error: bool | None = None,
        error_ttl: Any = None,
        compute_timeout: Any = None,
        refresh: str | None = None,
    ) -> Any:
        """Of all workers one calls a callable default; the others wait for its value, or take the old one while
        stale_for lasts. What is not given is as the settings say (STALE_FOR, STALE_IF_ERROR, ERROR_TTL,
        COMPUTE_TIMEOUT, REFRESH). All of it is as of forklore.Cache.get_or_compute."""
        try:
            return self._get_or_set(key, default, timeout, version, stale_for, early, wait,
                                    stale_if_error, error_ttl, compute_timeout, refresh)  # fmt: skip
        except forklore.Unreadable:  # the default's own
            raise
        except forklore.SerializerError as error:
            _raise_cause(error)
        except forklore.OpenError as error:
            if self._shared.is_open():  # the default's own
                raise
            self._shared.say_unavailable(error)
            return _plain(default())

    def _get_or_add(self, key: Any, default: Any, timeout: Any, version: int | None) -> Any:
        """get_or_set of a default that is no function. Native code calls it."""
        value = self._get_readable(key, self._missing_key, version)
        if value is not self._missing_key:
            return value
        try:
            added = self.add(key, default, timeout=timeout, version=version)
        except (forklore.TooLarge, forklore.Full):
            return default
        except UNAVAILABLE as error:
            self._not_stored(error)
            return default
        # Another process may have been first: then its value counts.
        value = self._get_readable(key, self._missing_key, version)
        if value is not self._missing_key:
            return value
        # What kept add from storing cannot be read, or is gone: it is replaced as if the default were computed.
        return default if added else self.get_or_set(key, lambda: default, timeout, version)

    def _get_readable(self, key: Any, default: Any, version: int | None = None) -> Any:
        """get() where what cannot be read will be computed again: it misses whatever ON_UNREADABLE says."""
        try:
            return self.get(key, default, version=version)
        except forklore.Unreadable as error:
            self._shared.say_unreadable(error)
            return default

    def rate_limit(
        self,
        key: Any,
        limit: int,
        period: Any,
        *,
        burst: int | None = None,
        cost: int = 1,
        version: int | None = None,
    ) -> forklore.RateLimit:
        """forklore.Cache.rate_limit() by a key of this cache."""
        return self.handle.rate_limit(self.make_and_validate_key(key, version), limit, period, burst=burst, cost=cost)

    def count_in_window(
        self, key: Any, window: Any, add: int = 1, *, version: int | None = None
    ) -> forklore.WindowCount:
        """forklore.Cache.count_in_window() by a key of this cache."""
        return self.handle.count_in_window(self.make_and_validate_key(key, version), window, add)

    def incr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        if version is None:
            version = self.version
        old = self.make_and_validate_key(key, version)
        new = self.make_and_validate_key(key, version + delta)
        while True:
            value, stamp = self.handle.gets(old)
            if stamp is None:
                raise ValueError(f"Key '{key}' not found")
            if new == old:
                return version
            try:
                ttl = self.handle.ttl(old)
            except KeyError:
                continue
            self.handle.set(new, value, ttl)
            # A cas with no time to live removes exactly the value that was copied: what has been stored since is
            # copied in the next round.
            if self.handle.cas(old, None, stamp, 0) is not False:
                return version + delta

    def decr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self.incr_version(key, -delta, version)

    def clear(self) -> None:
        self.handle.clear()

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self.get(key, default, version=version)

    async def aset(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        client: None = None,
        nx: bool = False,
        xx: bool = False,
    ) -> bool | None:
        return self.set(key, value, timeout, version, client, nx, xx)

    async def aadd(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self.add(key, value, timeout, version=version)

    async def atouch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self.touch(key, timeout, version=version)

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        return self.delete(key, version=version)

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        return self.has_key(key, version=version)

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        return self.get_many(keys, version=version)

    async def aset_many(
        self, data: dict[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        return self.set_many(data, timeout, version=version)

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> int:
        return self.delete_many(keys, version=version)

    async def aget_or_set(
        self,
        key: Any,
        default: Any | Callable[[], Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        stale_for: Any = None,
        early: float | None = None,
        wait: Any = None,
        stale_if_error: bool | None = None,
        error_ttl: Any = None,
        compute_timeout: Any = None,
        refresh: str | None = None,
    ) -> Any:
        """get_or_set that lets the event loop run. A coroutine function is awaited, any other default called as
        Django's sync_to_async does, in the thread that database connections belong to."""
        if not callable(default):
            return self._get_or_add(key, default, timeout, version)
        plain = None if is_coroutine_function(default) else default
        if plain is not None:
            default = sync_to_async(default, thread_sensitive=True)
        if not self._can_open():
            return _plain(await default())
        usual = self._policy
        how = How(
            usual.stale_for if stale_for is None else stale_for,
            early,
            wait,
            usual.stale_if_error if stale_if_error is None else stale_if_error,
            usual.error_ttl if error_ttl is None else error_ttl,
            usual.compute_timeout if compute_timeout is None else compute_timeout,
            usual.refresh if refresh is None else refresh,
        )
        full = self.make_and_validate_key(key, version)
        try:
            return await acompute(self.handle, full, default, self._ttl(timeout), how, self._not_stored, plain)
        except forklore.Unreadable:  # the default's own
            raise
        except forklore.SerializerError as error:
            _raise_cause(error)

    async def aincr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self.incr_version(key, delta, version=version)

    async def adecr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self.decr_version(key, delta, version=version)

    async def aclear(self) -> None:
        self.clear()

    async def aclose(self, **kwargs: Any) -> None:
        self.close(**kwargs)


def _plain(value: Any) -> Any:
    return value.value if type(value) is forklore.Kept else value


def _raise_cause(error: forklore.SerializerError) -> NoReturn:
    """Raises what the serializer raised; Django's callers know PickleError and not SerializerError."""
    raise error.__cause__ or error
