# mypy: disable-error-code="import-untyped,misc"
"""Throttles for Django REST framework that count exactly over all workers, with its own names, rates and settings.

REST_FRAMEWORK = {
    "DEFAULT_THROTTLE_CLASSES": ["forklore.django.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "1000/day"},
}
"""

from __future__ import annotations

from typing import Any

from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from rest_framework import throttling

import forklore

from .handles import UNAVAILABLE

__all__ = ["AnonRateThrottle", "ForkloreRateThrottle", "ScopedRateThrottle", "UserRateThrottle"]


class ForkloreRateThrottle(throttling.SimpleRateThrottle):
    """The base, to be used as SimpleRateThrottle is. A rate of "100/hour" lets burst requests through at once after a
    pause (100 unless burst says otherwise), and then one each 36 seconds. An answer of 429 says in Retry-After when the
    next will be let through; a request that is refused does not count. While the cache cannot be had, all are let
    through, or none if THROTTLE_WHEN_DOWN in its OPTIONS is "deny", and the logger "forklore.django" says so."""

    cache_alias = DEFAULT_CACHE_ALIAS
    """Of CACHES; its backend is forklore.django.ForkloreCache."""
    burst: int | None = None
    said: forklore.RateLimit | None

    def allow_request(self, request: Any, view: Any) -> bool:
        if self.rate is None:
            return True
        key = self.get_cache_key(request, view)
        if key is None:
            return True
        self.said = None
        if self.num_requests == 0:  # a rate of "0/min" lets nobody through, as it does in the framework's own
            return False
        cache = caches[self.cache_alias]
        try:
            self.said = cache.rate_limit(key, self.num_requests, self.duration, burst=self.burst)
        except UNAVAILABLE as error:
            cache._shared.say_unavailable(error)
            return bool(cache._policy.throttle_when_down == "allow")
        return self.said.allowed

    def wait(self) -> float | None:
        return None if self.said is None else self.said.retry_after


class AnonRateThrottle(throttling.AnonRateThrottle, ForkloreRateThrottle):
    """By address, of requests without a user."""


class UserRateThrottle(throttling.UserRateThrottle, ForkloreRateThrottle):
    """By user, else by address."""


class ScopedRateThrottle(throttling.ScopedRateThrottle, ForkloreRateThrottle):
    """By user and the throttle_scope of the view."""
