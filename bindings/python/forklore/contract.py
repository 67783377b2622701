"""What the Python half of the Django backend and its native half tell each other. _core.DjangoCalls takes the fields of
Usual by name and checks each (django_backend.cpp). _core._need answers the fields of Need."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

Parts = tuple[str | tuple[str, str | None], ...]
"""A message: texts, and options with what they are to be."""


class KeyHeads(NamedTuple):
    """How keys begin."""

    prefix: str
    """Every key: "prefix:"."""
    own_version: str
    """Those of the backend's own version: "prefix:version:"."""


class Usual(NamedTuple):
    """The defaults of a call."""

    heads: KeyHeads | None
    """None: keys are made or checked in a way that is not Django's default, so native code makes none."""
    no_timeout: object
    """The object that stands for a timeout that is not given: Django's DEFAULT_TIMEOUT."""
    ttl: Any
    """The default ttl, as forklore.Cache takes it."""
    stale_for: float | timedelta | None
    """STALE_FOR of the settings."""
    spreads: bool
    """Whether each entry gets its own time to live, by the backend's _ttl(). TTL_JITTER of the settings."""
    stale_if_error: bool | None = None
    """STALE_IF_ERROR of the settings: whether the old value is the answer where computing fails."""
    error_ttl: float | timedelta | None = None
    """ERROR_TTL of the settings: for how long a failure is remembered."""
    compute_timeout: float | timedelta | None = None
    """COMPUTE_TIMEOUT of the settings: after which time another caller may compute."""
    refresh: str | None = None
    """REFRESH of the settings: "caller" or "background"."""


class Need(NamedTuple):
    """What opening a cache would take."""

    path: str
    """The segment's file."""
    bytes: int
    """Those that it does not have yet."""
    shortage: tuple[Parts, Parts] | None
    """None, or why the bytes cannot be had, and the remedy."""
