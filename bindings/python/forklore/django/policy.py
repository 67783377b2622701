# mypy: disable-error-code="import-untyped"
"""What a backend does with times to live beyond what forklore.Cache knows, and what it answers in
place of an error: the names of OPTIONS that are Django's side alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.cache.backends.base import InvalidCacheBackendError

MOST_JITTER = 90
MOST_SECONDS = 49 * 86400


@dataclass(frozen=True)
class Policy:
    jitter: float = 0.0
    """Times to live are spread by this part of themselves, either way."""
    stale_for: float | None = None
    """Seconds for which get_or_set may answer an expired value while one caller renews it."""
    stale_if_error: bool = True
    """Whether get_or_set answers the old value where its default raises."""
    error_ttl: float | None = None
    """Seconds for which get_or_set remembers that its default raised."""
    compute_timeout: float | None = None
    """Seconds after which another caller of get_or_set may compute as well."""
    refresh: str = "caller"
    """Who renews an old value: the caller, or a thread in the background."""
    on_error: str = "log"
    """What a set or touch of the program does that finds no cache."""
    on_unreadable: str = "miss"
    """What a get does of a value that cannot be read back."""
    throttle_when_down: str = "allow"
    """What a throttle does that finds no cache."""

    def spread(self, ttl: Any) -> Any:
        """The time to live of one entry. None (for ever), zero and less stay as they are."""
        if ttl is None or not self.jitter:
            return ttl
        seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
        if seconds <= 0:
            return ttl
        # The module's generator is seeded by the system, and again in each child of fork.
        return seconds * random.uniform(1 - self.jitter, 1 + self.jitter)


CHOICES = {
    "ON_ERROR": ("log", "raise"),
    "ON_UNREADABLE": ("miss", "raise"),
    "THROTTLE_WHEN_DOWN": ("allow", "deny"),
    "REFRESH": ("caller", "background"),
}
"""Those that are one of a few words; the first is the default."""

SECONDS = ("STALE_FOR", "ERROR_TTL", "COMPUTE_TIMEOUT")
"""Those that are a time. None unless given; 0 is none too."""

NAMES = ("TTL_JITTER", "STALE_IF_ERROR", *SECONDS, *CHOICES)


def policy_of(location: str, params: dict[str, Any]) -> Policy:
    """Of one entry of CACHES. Raises InvalidCacheBackendError."""
    options = params.get("OPTIONS", {})
    jitter, stale_if_error = options.get("TTL_JITTER", 0), options.get("STALE_IF_ERROR", True)
    if not _is_number(jitter) or not 0 <= jitter <= MOST_JITTER:
        raise InvalidCacheBackendError(
            f"CACHES, LOCATION {location!r}: TTL_JITTER must be percent from 0 to {MOST_JITTER}, not {jitter!r}"
        )
    if not isinstance(stale_if_error, bool):
        raise InvalidCacheBackendError(
            f"CACHES, LOCATION {location!r}: STALE_IF_ERROR must be True or False, not {stale_if_error!r}"
        )
    times = {name.lower(): _time(location, name, options.get(name)) for name in SECONDS}
    chosen = {name.lower(): _choice(location, name, options) for name in CHOICES}
    return Policy(jitter / 100, stale_if_error=stale_if_error, **times, **chosen)  # type: ignore[arg-type]


def _time(location: str, name: str, given: Any) -> float | None:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if seconds is not None and (not _is_number(seconds) or not 0 <= seconds <= MOST_SECONDS):
        raise InvalidCacheBackendError(
            f"CACHES, LOCATION {location!r}: {name} must be seconds, from 0 to 49 days, or None, not {given!r}"
        )
    return seconds or None  # type: ignore[no-any-return]


def _choice(location: str, name: str, options: dict[str, Any]) -> str:
    first, second = CHOICES[name]
    given = options.get(name, first)
    if given != first and given != second:
        raise InvalidCacheBackendError(
            f'CACHES, LOCATION {location!r}: {name} must be "{first}" or "{second}", not {given!r}'
        )
    return str(given)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
