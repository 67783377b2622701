"""Where results of memoize and counts of limits lie: a forklore.Cache, the arguments of one, or an alias of Django's
CACHES."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from ._core import DEFAULT, Cache
from .handles import shared

HOW = ("stale_for", "early", "stale_if_error", "error_ttl", "compute_timeout", "refresh")
"""What a target may be told of how to compute, as of Cache.get_or_compute."""


class Target(Protocol):
    def compute(self, key: str, function: Callable[[], Any]) -> Any: ...
    async def acompute(self, key: str, function: Callable[[], Awaitable[Any]]) -> Any: ...
    def delete(self, key: str) -> bool: ...


class CacheTarget:
    def __init__(self, cache: Cache, ttl: Any, how: dict[str, Any]) -> None:
        self.cache, self.ttl, self.how = cache, ttl, how

    def compute(self, key: str, function: Callable[[], Any]) -> Any:
        return self.cache.get_or_compute(key, function, self.ttl, **self.how)

    def native(self) -> tuple[Any, ...] | None:
        """As Memoized wants it; None: it is told at each call."""
        return self.cache, self.ttl, *(self.how.get(name) for name in HOW)

    async def acompute(self, key: str, function: Callable[[], Awaitable[Any]]) -> Any:
        return await self.cache.aget_or_compute(key, function, self.ttl, **self.how)

    def delete(self, key: str) -> bool:
        return self.cache.delete(key)


class SharedTarget(CacheTarget):
    """The arguments of a Cache, which the first call opens: a decorator opens nothing."""

    def __init__(self, arguments: Mapping[str, Any], ttl: Any, how: dict[str, Any]) -> None:
        self._opened, self.ttl, self.how = shared(arguments), ttl, how

    @property
    def cache(self) -> Cache:  # type: ignore[override]
        return self._opened.handle

    def native(self) -> None:
        """Memoized wants an open cache."""


def target_of(cache: Cache | str | Mapping[str, Any], ttl: Any, **given: Any) -> Target:
    """given: some of HOW; None is not given."""
    if ttl is not DEFAULT and ttl is not None and not isinstance(ttl, (int, float, timedelta)):
        raise TypeError(f"ttl is seconds (int, float, timedelta), None or DEFAULT, not {type(ttl).__name__}")
    how = {name: value for name, value in given.items() if value is not None}
    if isinstance(cache, Cache):
        return CacheTarget(cache, ttl, how)
    if isinstance(cache, Mapping):
        return SharedTarget(cache, ttl, how)
    if isinstance(cache, str):
        from .django.targets import AliasTarget  # only programs that use Django import it

        return AliasTarget(cache, ttl, how)
    raise TypeError(
        f"cache is a forklore.Cache, a dict of its arguments or an alias of Django's CACHES, not {type(cache).__name__}"
    )


def rate_of(cache: Cache | str | Mapping[str, Any]) -> Callable[..., Any]:
    """The rate_limit of a cache, or of the one that the alias means at the time of a call."""
    if isinstance(cache, Cache):
        return cache.rate_limit
    if isinstance(cache, Mapping):
        opened = shared(cache)
        return lambda *args, **how: opened.handle.rate_limit(*args, **how)
    if isinstance(cache, str):
        from .django.targets import rate_of_alias

        return rate_of_alias(cache)
    raise TypeError(
        f"cache is a forklore.Cache, a dict of its arguments or an alias of Django's CACHES, not {type(cache).__name__}"
    )
