"""A cache of cachelib that all processes of the host share, and so one of Flask-Caching's:

    CACHE_TYPE = "forklore.cachelib.ForkloreCache"
    CACHE_ARGS = ["mysite"]
    CACHE_OPTIONS = {"capacity": "64MB"}

Importing this module needs the package cachelib: pip install forklore[cachelib].
"""

from __future__ import annotations

import functools
import logging
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from cachelib.base import BaseCache
from cachelib.serializers import BaseSerializer

from ._core import Error, SerializerError
from .adapters import handle

logger = logging.getLogger("forklore")
P = ParamSpec("P")
R = TypeVar("R")


def _or(failure: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a method: it logs what the cache raises, and returns this value instead, as cachelib does. A value that
    cannot be pickled is a PicklingError."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(method)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except SerializerError as error:
                raise pickle.PicklingError(str(error)) from error
            except Error as error:
                logger.warning("cachelib: %s: %s", method.__name__, error)
                return failure  # type: ignore[no-any-return]

        return wrapper

    return decorate


class ForkloreCache(BaseCache):
    """name: of the segment. default_timeout: seconds that entries live unless a call says otherwise; 0: for ever.
    key_prefix: of all keys, so that caches may share a segment; clear() then removes those with it alone. options: as
    of forklore.Cache, such as capacity.

    What the cache cannot do (full, too large, busy) is False or None, as cachelib has it, and a line in the log. inc
    and dec are exact over all processes; they count ints, and what they begin lives for default_timeout.

    serializer: an attribute, of cachelib.serializers (Flask-Caching's CACHE_SERIALIZER), for all values but ints. None:
    what the segment's handle has, which is pickle unless options say otherwise."""

    serializer: BaseSerializer | None = None

    def __init__(
        self,
        name: str = "",
        default_timeout: int | timedelta = 300,
        key_prefix: str | None = None,
        ignore_delete_many_errors: bool = True,
        **options: Any,
    ) -> None:
        if not name:
            raise TypeError('the cache wants the name of a segment; in Flask-Caching CACHE_ARGS = ["mysite"]')
        super().__init__(default_timeout)  # type: ignore[arg-type]  # a timedelta since cachelib 0.17
        self.ignore_delete_many_errors = ignore_delete_many_errors  # which it has itself since 0.16
        self.key_prefix = key_prefix or ""
        self.cache = handle(name, **options)

    def _ttl(self, timeout: int | timedelta | None) -> int | timedelta | None:
        """As of Cache.set. Zero is for ever."""
        return (self.default_timeout if timeout is None else timeout) or None

    def _dump(self, value: Any) -> Any:
        return value if self.serializer is None or type(value) is int else self.serializer.dumps(value)

    def _load(self, value: Any) -> Any:
        return value if self.serializer is None or not isinstance(value, bytes) else self.serializer.loads(value)

    def get(self, key: str) -> Any:
        try:
            return self._load(self.cache.get(self.key_prefix + key))
        except SerializerError as error:
            logger.warning("cachelib: get: %s", error)
            return None

    def get_many(self, *keys: str) -> list[Any]:
        try:
            found = self.cache.get_many([self.key_prefix + key for key in keys])
        except SerializerError:  # of one of them
            return [self.get(key) for key in keys]
        return [self._load(found.get(self.key_prefix + key)) for key in keys]

    def has(self, key: str) -> bool:
        return self.key_prefix + key in self.cache

    @_or(False)
    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool | None:
        self.cache.set(self.key_prefix + key, self._dump(value), self._ttl(timeout))
        return True

    @_or(False)
    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        return self.cache.add(self.key_prefix + key, self._dump(value), self._ttl(timeout))

    @_or([])
    def set_many(self, mapping: dict[str, Any], timeout: int | timedelta | None = None) -> list[Any]:
        values = {self.key_prefix + key: self._dump(value) for key, value in mapping.items()}
        failed = set(self.cache.set_many(values, self._ttl(timeout)))
        return [key for key in mapping if self.key_prefix + key not in failed]

    @_or(False)
    def delete(self, key: str) -> bool:
        return self.cache.delete(self.key_prefix + key)

    @_or(False)
    def clear(self) -> bool:
        if self.key_prefix:
            self.cache.delete_many(list(self.cache.keys(self.key_prefix)))
        else:
            self.cache.clear()
        return True

    @_or(None)
    def inc(self, key: str, delta: int = 1) -> int | None:
        return self.cache.incr(self.key_prefix + key, delta, initial=0, ttl=self._ttl(None))

    @_or(None)
    def dec(self, key: str, delta: int = 1) -> int | None:
        return self.cache.decr(self.key_prefix + key, delta, initial=0, ttl=self._ttl(None))


def flask_cache(*args: Any, **options: Any) -> ForkloreCache:
    """The CACHE_TYPE of Flask-Caching before 2.5, which calls it with (app, config, CACHE_ARGS, CACHE_OPTIONS). Later
    ones call it as they call ForkloreCache."""
    if args and not isinstance(args[0], str):
        _, _, args, options = args
    return ForkloreCache(*args, **options)
