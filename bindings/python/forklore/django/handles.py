# mypy: disable-error-code="import-untyped"
"""The handle of each configuration (forklore.handles), what all backends of a process count beside it, and the settings
as arguments of forklore.Cache.

Handles are never closed: the segment outlives the process anyhow.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.cache.backends.base import InvalidCacheBackendError

import forklore
from forklore import _core, clock
from forklore.handles import SharedHandle, shared

from . import policy

ELSEWHERE = {"name": "LOCATION", "default_ttl": "TIMEOUT", "read_only": "read_only"}
"""The arguments of forklore.Cache that are not in OPTIONS, and what stands for them in CACHES."""

OPTIONS = tuple(name.upper() for name in _core._OPTIONS if name not in ELSEWHERE)
"""What OPTIONS may hold: the other arguments of forklore.Cache in capitals."""

IGNORED = ("MAX_ENTRIES", "CULL_FREQUENCY", "CULL_PROBABILITY")
"""What Django passes to every backend. The capacity is the limit here, so these are none."""

REFUSED = (forklore.TooLarge, forklore.Full, forklore.SerializerError)
"""What can be wrong with one value."""

UNAVAILABLE = (forklore.OpenError, forklore.ReadOnly, forklore.Busy)
"""No segment can be had, or it cannot be written now. Reads miss by it, and sets are dropped."""

SAY_EVERY = 60.0
"""Seconds between two lines that say the same."""

logger = logging.getLogger("forklore.django")


class Shared:
    """The handle that all of this process share, and what Django's backends count beside it. Any thread may use it."""

    def __init__(self, opened: SharedHandle) -> None:
        self.arguments = opened.arguments
        self.failed_sets = 0
        self.failed_calls = 0
        self._opened = opened
        self._said: dict[type[Exception], tuple[float, int]] = {}  # when, and how many calls since
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    @property
    def handle(self) -> forklore.Cache:
        """Raises forklore.OpenError, or InvalidCacheBackendError if the settings are to blame."""
        with _settings_to_blame(self.arguments):
            return self._opened.handle

    def is_open(self) -> bool:
        return self._opened.is_open()

    def count_failed_set(self) -> None:
        with self._lock:
            self.failed_sets += 1

    def due(self, what: type[Exception]) -> int:
        """Counts a call that failed so, and says how many of them the log is to be told of: 0 if it is too soon."""
        with self._lock:
            if issubclass(what, UNAVAILABLE):
                self.failed_calls += 1
            now = clock.now()
            said, since = self._said.get(what, (-SAY_EVERY, 0))
            since += 1
            due = now - said >= SAY_EVERY
            self._said[what] = (now, 0) if due else (said, since)
        return since if due else 0

    def say_unavailable(self, error: Exception) -> None:
        """To the log that a call was made without the cache: at once, and then once a minute with their number."""
        if since := self.due(type(error)):
            logger.warning(
                "LOCATION %r: %s. Reads miss and writes are not stored meanwhile (calls since the last such line: %d)",
                self.arguments["name"],
                in_settings_words(error),
                since,
            )

    def say_unreadable(self, error: forklore.Unreadable) -> None:
        """To the log that a value could not be read back and counts as absent: at once, and then once a minute."""
        if since := self.due(forklore.Unreadable):
            logger.warning(
                "LOCATION %r: unreadable, and so a miss: %r: %s (values since the last such line: %d)",
                self.arguments["name"],
                error.key,
                error,
                since,
            )

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


def said(parts: Iterable[str | tuple[str, str | None]]) -> str:
    """A message of forklore.Cache in the words of CACHES. Its parts are texts, and options with what they are to be."""

    def setting(name: str, value: str | None) -> str:
        called = ELSEWHERE.get(name) or name.upper()
        return called if value is None else f"{called} {value}"

    return "".join(part if isinstance(part, str) else setting(*part) for part in parts)


def in_settings_words(error: BaseException) -> str:
    """What an error of forklore.Cache says, with its options as they are called in CACHES."""
    parts = getattr(error, "_parts", None)
    return str(error) if parts is None else said(parts)


@contextlib.contextmanager
def _settings_to_blame(arguments: dict[str, Any]) -> Iterator[None]:
    """What forklore.Cache says of its arguments, as InvalidCacheBackendError in the words of the settings."""
    try:
        yield
    except (forklore.OpenError, TypeError, ValueError) as error:
        if isinstance(error, forklore.OpenError) and error.errno != errno.EINVAL:
            raise
        says = in_settings_words(error)
        raise InvalidCacheBackendError(f"CACHES, LOCATION {arguments['name']!r}: {says}") from error


def check_arguments(arguments: dict[str, Any]) -> None:
    """Raises InvalidCacheBackendError for the first of these arguments that is wrong whatever there is on this host.
    Opens nothing."""
    with _settings_to_blame(arguments):
        _core._check(**arguments)


_counted: dict[SharedHandle, Shared] = {}


def shared_by(arguments: dict[str, Any]) -> Shared:
    """What all backends of this process with these arguments share. Opens nothing."""
    opened = shared(arguments)
    return _counted.get(opened) or _counted.setdefault(opened, Shared(opened))
