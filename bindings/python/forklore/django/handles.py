# mypy: disable-error-code="import-untyped"
"""One handle for each configuration in a process, however many backend instances there are.

Django makes a backend instance for each thread and async context, so opening is paid once here. A handle opened
before a fork works in the child. Handles are never closed: the segment outlives the process anyhow.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
import threading
from collections.abc import Iterator
from typing import Any

from django.core.cache.backends.base import InvalidCacheBackendError

import forklore
from forklore import _core

from . import policy

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
    for name in OPTIONS + policy.NAMES:
        if name in params:
            raise InvalidCacheBackendError(f"{name} belongs into OPTIONS of the cache at LOCATION {location!r}.")
    arguments: dict[str, Any] = {"name": location}
    for name, value in params.get("OPTIONS", {}).items():
        if name in OPTIONS:
            arguments[name.lower()] = value
        elif name not in IGNORED + policy.NAMES:
            raise InvalidCacheBackendError(_unknown(str(name), location))
    return arguments


def _unknown(name: str, location: str) -> str:
    near = difflib.get_close_matches(name.upper(), OPTIONS + policy.NAMES + IGNORED, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(OPTIONS + policy.NAMES)}."
    return f"Unknown name {name!r} in OPTIONS of the cache at LOCATION {location!r}. {hint}"


# The option that an error is about comes first. These are named further on too, as no part of a path or of a key.
_NAMED = re.compile(r"^[a-z_]+\b|(?<![\w/.'-])(?:capacity|max_value|stripes|when_full)(?![\w/.'-])")


def in_settings_words(says: str) -> str:
    """What forklore.Cache says, with its options as they are called in OPTIONS."""
    return _NAMED.sub(lambda name: name[0].upper() if name[0].upper() in OPTIONS else name[0], says)


@contextlib.contextmanager
def _settings_to_blame(arguments: dict[str, Any]) -> Iterator[None]:
    """What forklore.Cache says of its arguments, as InvalidCacheBackendError in the words of the settings."""
    try:
        yield
    except (forklore.OpenError, TypeError, ValueError) as error:
        if isinstance(error, forklore.OpenError) and error.errno != errno.EINVAL:
            raise
        says = (error.strerror or "") if isinstance(error, forklore.OpenError) else str(error)
        says = in_settings_words(says)
        raise InvalidCacheBackendError(f"CACHES, LOCATION {arguments['name']!r}: {says}") from error


def check_arguments(arguments: dict[str, Any]) -> None:
    """Raises InvalidCacheBackendError for the first of these arguments that is wrong whatever there is on this host.
    Opens nothing."""
    with _settings_to_blame(arguments):
        _core._check(**arguments)


_shared: dict[str, Shared] = {}


def shared_handle(arguments: dict[str, Any]) -> Shared:
    """The handle of this process for these arguments, opened if it is the first call.
    Raises forklore.OpenError, or InvalidCacheBackendError if the settings are to blame."""
    key = repr(sorted(arguments.items()))
    found = _shared.get(key)
    if found is None:
        with _settings_to_blame(arguments):
            opened = forklore.Cache(**arguments)
        # No lock, which a fork could leave held: of two that open at once the second handle is dropped.
        found = _shared.setdefault(key, Shared(opened))
    return found
