# mypy: disable-error-code="import-untyped"
"""An alias of CACHES as where memoize keeps its results. The backend is looked up at each call, so settings may change
under tests, and an alias may be one of another backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT

from .._core import DEFAULT
from .backend import ForkloreCache

_ABSENT = object()


class AliasTarget:
    def __init__(self, alias: str, ttl: Any, how: dict[str, Any]) -> None:
        self.alias, self.how = alias, how
        self.timeout = DEFAULT_TIMEOUT if ttl is DEFAULT else ttl

    def compute(self, key: str, function: Callable[[], Any]) -> Any:
        backend = caches[self.alias]
        if isinstance(backend, ForkloreCache):
            return backend.get_or_set(key, function, self.timeout, **self.how)
        value = backend.get(key, _ABSENT)
        if value is _ABSENT:
            value = function()
            backend.set(key, value, self._seconds())
        return value

    async def acompute(self, key: str, function: Callable[[], Awaitable[Any]]) -> Any:
        backend = caches[self.alias]
        if isinstance(backend, ForkloreCache):
            return await backend.aget_or_set(key, function, self.timeout, **self.how)
        value = await backend.aget(key, _ABSENT)
        if value is _ABSENT:
            value = await function()
            await backend.aset(key, value, self._seconds())
        return value

    def delete(self, key: str) -> bool:
        return caches[self.alias].delete(key)

    def _seconds(self) -> Any:
        """Others of Django's backends know no timedelta."""
        return self.timeout.total_seconds() if hasattr(self.timeout, "total_seconds") else self.timeout


def rate_of_alias(alias: str) -> Callable[..., Any]:
    def take(key: str, limit: int, period: Any, **how: Any) -> Any:
        backend = caches[alias]
        if not isinstance(backend, ForkloreCache):
            raise TypeError(f"a rate limit over all workers needs Forklore; CACHES[{alias!r}] is another backend")
        return backend.rate_limit(key, limit, period, **how)

    return take
