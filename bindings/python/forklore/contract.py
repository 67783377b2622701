"""What the Python half of the Django backend tells the native half, _core.DjangoCalls. Native code takes the fields by
name and checks each (django_backend.cpp)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple


class KeyHeads(NamedTuple):
    """How keys begin."""

    prefix: str
    """Every key: "prefix:"."""
    own_version: str
    """Those of the backend's own version: "prefix:version:"."""


class Usual(NamedTuple):
    """What holds for a call that says nothing else."""

    heads: KeyHeads | None
    """None: keys are made or checked in a way that is not Django's default, so native code makes none."""
    no_timeout: object
    """What callers pass for a timeout that is not given: Django's DEFAULT_TIMEOUT."""
    ttl: Any
    """What that means, as a ttl of forklore.Cache."""
    stale_for: float | timedelta | None
    """STALE_FOR of the settings."""
    spreads: bool
    """Whether each entry gets its own time to live, by the backend's _ttl(). TTL_JITTER of the settings."""
    stale_if_error: bool | None = None
    """STALE_IF_ERROR, ERROR_TTL, COMPUTE_TIMEOUT and REFRESH of the settings, as of forklore.Cache.get_or_compute."""
    error_ttl: float | timedelta | None = None
    compute_timeout: float | timedelta | None = None
    refresh: str | None = None
