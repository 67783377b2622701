# mypy: disable-error-code="import-untyped"
"""One handle for each configuration in a process, however many backend instances there are.

Django makes a backend instance for each thread and async context, so opening is paid once here. A handle opened
before a fork works in the child. Handles are never closed: the segment outlives the process anyhow.
"""

from __future__ import annotations

import difflib
import errno
import os
import threading
from typing import Any

from django.core.cache.backends.base import InvalidCacheBackendError

import forklore

OPTIONS = (
    "CAPACITY",
    "MAX_VALUE",
    "STRIPES",
    "PLACE",
    "PATH",
    "WHEN_FULL",
    "LOCK_TIMEOUT",
    "MODE",
    "OWNER",
    "SERIALIZER",
)
"""What OPTIONS may hold: the arguments of forklore.Cache in capitals."""

IGNORED = ("MAX_ENTRIES", "CULL_FREQUENCY", "CULL_PROBABILITY")
"""What Django passes to every backend. The capacity is the limit here, so these are none."""


class Shared:
    """A handle and what this process counts beside it. Any thread may use it."""

    def __init__(self, cache: forklore.Cache) -> None:
        self.cache = cache
        self.failed_sets = 0
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def count_failed_set(self) -> None:
        with self._lock:
            self.failed_sets += 1

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()


def arguments_of(location: str, params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of forklore.Cache for one entry of CACHES, their names checked.
    Raises InvalidCacheBackendError (an ImproperlyConfigured)."""
    if not isinstance(location, str) or not location:
        raise InvalidCacheBackendError(
            "forklore.django.ForkloreCache needs a LOCATION: the name of the segment that all processes of the site "
            'share, such as "mysite".'
        )
    for name in OPTIONS:
        if name in params:
            raise InvalidCacheBackendError(f"{name} belongs into OPTIONS of the cache at LOCATION {location!r}.")
    arguments: dict[str, Any] = {"name": location}
    for name, value in params.get("OPTIONS", {}).items():
        if name in OPTIONS:
            arguments[name.lower()] = value
        elif name not in IGNORED:
            raise InvalidCacheBackendError(_unknown(str(name), location))
    return arguments


def _unknown(name: str, location: str) -> str:
    near = difflib.get_close_matches(name.upper(), OPTIONS + IGNORED, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(OPTIONS)}."
    return f"Unknown name {name!r} in OPTIONS of the cache at LOCATION {location!r}. {hint}"


_shared: dict[str, Shared] = {}


def shared_handle(arguments: dict[str, Any]) -> Shared:
    """The handle of this process for these arguments, opened if it is the first call.
    Raises forklore.OpenError, or InvalidCacheBackendError if the settings are to blame."""
    key = repr(sorted(arguments.items()))
    found = _shared.get(key)
    if found is None:
        try:
            opened = forklore.Cache(**arguments)
        except forklore.OpenError as error:
            if error.errno == errno.EINVAL:
                raise InvalidCacheBackendError(f"CACHES, LOCATION {arguments['name']!r}: {error.strerror}") from error
            raise
        # No lock, which a fork could leave held: of two that open at once the second handle is dropped.
        found = _shared.setdefault(key, Shared(opened))
    return found
