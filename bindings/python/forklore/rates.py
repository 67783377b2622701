"""What Cache.rate_limit() and Cache.count_in_window() answer, and a decorator that keeps to a limit."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from ._core import Cache, Error
from .keys import in_key, key_from, shortened
from .names import own_name, plain_name
from .targets import rate_of

P = ParamSpec("P")
R = TypeVar("R")


class RateLimited(Error):
    """A call of what rate_limited decorates, beyond its limit. retry_after: seconds until it would be allowed."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.retry_after)


@dataclass(frozen=True)
class RateLimit:
    """What Cache.rate_limit() answers; true if the call is allowed."""

    allowed: bool
    """Whether it was allowed, and so counted."""
    limit: int
    """How many may come at once."""
    remaining: int
    """How many more may come at this moment."""
    retry_after: float
    """Seconds until it would be allowed; 0.0 if it was; infinite if it never would, as it costs more than limit."""
    reset_after: float
    """Seconds until the whole limit is there again."""

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True)
class WindowCount:
    """What Cache.count_in_window() answers."""

    current: int
    """In the window that runs."""
    previous: int
    """In the one before."""
    sliding: float
    """An estimate for the last window's length: current, and of previous the part that is not yet over."""
    reset_after: float
    """Seconds until the next window begins."""


def rate_limited(
    limit: int,
    period: Any,
    *,
    burst: int | None = None,
    key: Callable[..., Any] | None = None,
    cache: Cache | Mapping[str, Any] | str = "default",
    name: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function, method or coroutine function: all processes together call it so often, limit in period
    seconds and burst at once, as Cache.rate_limit has it. Beyond that the call raises RateLimited, whose retry_after
    says when to try again, and the function is not called.

    key: a function of the same arguments; those for which it answers the same share a limit. Without it all calls do.
    cache: a forklore.Cache; a dict of the arguments of one, which the first call opens; or an alias of
        Django's CACHES whose backend is Forklore's.
    name: stands for the function in the key, as in memoize.
    """
    take = rate_of(cache)
    for word, count in (("limit", limit), ("burst", 1 if burst is None else burst)):
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"{word} is an int, at least 1, not {count!r}")
    if key is not None and not callable(key):
        raise TypeError(f"key is a function of the same arguments, not {type(key).__name__}")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        own = in_key(f"rate:{own_name(function, name, 'rate_limited')}")
        of_all, named = shortened(own), name or plain_name(function)

        def ask(args: Any, kwargs: Any) -> None:
            place = of_all if key is None else key_from(own, key, args, kwargs)
            said = take(place, limit, period, burst=burst)
            if not said:
                raise RateLimited(f"{named}: {limit} in {period} s are used up", said.retry_after)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                ask(args, kwargs)
                return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                ask(args, kwargs)
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate
